//! The files: two generations, what is damaged, and what stands in their way.
use super::*;
use crate::{
    positions::{file::CURRENT, old, record::Entry},
    telemetry::counters,
};
use proptest::prelude::*;

#[test]
fn a_crash_at_any_step_of_a_write_leaves_a_good_generation() {
    let current = "positions.jsonl";
    type Step = (&'static str, &'static [u64], fn(&Path));
    let steps: [Step; 5] = [
        ("the new file is torn", &[20], |f| fs::write(f.join("positions.jsonl.new"), "{\"vers").expect("written")),
        ("between the renames", &[20], |f| {
            fs::rename(f.join("positions.jsonl"), f.join("positions.previous.jsonl")).expect("renamed")
        }),
        ("the current file is empty", &[10], |f| fs::write(f.join("positions.jsonl"), "").expect("written")),
        ("the previous file is torn", &[20], |f| fs::write(f.join("positions.previous.jsonl"), "{").expect("written")),
        ("the previous file is missing", &[20], |f| {
            fs::remove_file(f.join("positions.previous.jsonl")).expect("removed")
        }),
    ];
    for (step, expected, crash) in steps {
        let folder = two_generations();
        crash(folder.path());
        assert_eq!(found(folder.path()), expected, "{step}");
        let next = store(folder.path());
        save(&next);
        drop(next);
        assert_eq!(found(folder.path()), expected, "{step}, and written again");
        assert!(folder.path().join(current).exists());
    }
}

#[test]
fn every_cut_and_every_flipped_byte_of_the_file_is_noticed() {
    let folder = two_generations();
    let file = folder.path().join("positions.jsonl");
    let whole = fs::read(&file).expect("readable");
    for cut in 0..whole.len() - 1 {
        fs::write(&file, &whole[..cut]).expect("written");
        assert_eq!(found(folder.path()), [10], "cut at {cut}");
    }
    for index in 0..whole.len() - 1 {
        let mut flipped = whole.clone();
        flipped[index] ^= 0x01;
        fs::write(&file, &flipped).expect("written");
        // Where only the first line is damaged its record still counts; a damaged record never does.
        let expected = if index < whole.iter().position(|b| *b == b'\n').expect("lines") { 20 } else { 10 };
        assert_eq!(found(folder.path()), [expected], "flipped at {index}: {}", String::from_utf8_lossy(&flipped));
    }
}

#[test]
fn a_torn_current_file_never_replaces_the_good_previous_one() {
    let folder = two_generations();
    fs::write(folder.path().join("positions.jsonl"), "torn").expect("written");
    // It cannot be set aside, so it is still there at the next write.
    fs::create_dir(folder.path().join("positions.broken.jsonl")).expect("created");
    let next = store(folder.path());
    save(&next);
    drop(next);
    fs::remove_file(folder.path().join("positions.jsonl")).expect("removed");
    assert_eq!(found(folder.path()), [10]);
}

#[test]
fn when_both_generations_are_unusable_they_are_kept_aside_and_all_begins_anew() {
    let folder = two_generations();
    fs::write(folder.path().join("positions.jsonl"), "torn 1").expect("written");
    fs::write(folder.path().join("positions.previous.jsonl"), "torn 2").expect("written");
    assert_eq!(found(folder.path()), [0; 0]);
    assert_eq!(fs::read(folder.path().join("positions.broken.jsonl")).expect("kept"), b"torn 1");
    assert_eq!(fs::read(folder.path().join("positions.previous.broken.jsonl")).expect("kept"), b"torn 2");
}

/// A line with its checksum.
fn line(json: &str) -> String {
    format!("{:08x} {json}\n", crc32fast::hash(json.as_bytes()))
}

#[test]
fn a_file_of_a_newer_version_stops_the_start_and_stays() {
    for (name, newer) in [
        ("positions.jsonl", line(r#"{"version":3,"something":"else"}"#) + "of any form"),
        ("positions.json", r#"{"version":3,"something":"else"}"#.to_owned()),
    ] {
        let folder = two_generations();
        fs::write(folder.path().join(name), &newer).expect("written");
        let error = Store::open(folder.path(), Arc::default()).expect_err("refused").to_string();
        assert!(error.contains(name) && error.contains("start that version again"), "{error}");
        assert_eq!(fs::read_to_string(folder.path().join(name)).expect("there"), newer);
    }
}

/// What the first version saved.
fn old(folder: &Path, offset: u64, seen: i64) {
    let entry = Entry { seen: Timestamp::from_millis(seen), position: at(offset) };
    fs::write(folder.join("positions.json"), old::write(&[entry])).expect("written");
}

/// Later than any `now` of the test, so that nothing is too old to be kept.
const LATER: i64 = 4_000_000_000_000;

#[test]
fn positions_of_the_first_version_are_taken_over_once() {
    let folder = folder();
    old(folder.path(), 5, LATER);
    fs::write(folder.path().join("positions.previous.json"), old::write(&[])).expect("written");
    let first = store(folder.path());
    let (id, position) = first.saved().remove(0);
    first.open(id, 5, position);
    first.acknowledge(&[cover(id, 5, 9)]);
    save(&first);
    drop(first);
    assert_eq!(found(folder.path()), [9]);
    assert!(!folder.path().join("positions.previous.json").exists(), "no program begins with what is old");
    fs::remove_file(folder.path().join("positions.jsonl")).expect("removed");
    assert_eq!(found(folder.path()), [0; 0], "the note in the old place is no position");
}

#[test]
fn a_program_of_the_first_version_refuses_to_begin_without_positions() {
    let folder = two_generations();
    let note = fs::read(folder.path().join("positions.json")).expect("there from the first write on");
    // What that program looks at first: one JSON value, and its version is above 1.
    let value: serde_json::Value = serde_json::from_slice(&note).expect("JSON");
    assert!(value["version"].as_u64() > Some(1), "{value}");
    assert!(matches!(old::read(&note), old::Old::Note));
}

#[test]
fn whoever_went_back_to_the_first_version_goes_on_where_that_one_stopped() {
    let folder = two_generations();
    old(folder.path(), 70, LATER);
    assert_eq!(found(folder.path()), [70]);
    // But a crash before the note replaced them leaves older ones behind.
    old(folder.path(), 70, Timestamp::now().minus(Duration::from_secs(60)).as_millis());
    assert_eq!(found(folder.path()), [20]);
}

#[test]
fn damaged_positions_of_the_first_version_are_set_aside_and_its_previous_ones_are_used() {
    let folder = folder();
    old(folder.path(), 5, LATER);
    fs::rename(folder.path().join("positions.json"), folder.path().join("positions.previous.json")).expect("renamed");
    assert_eq!(found(folder.path()), [5], "a crash between its two renames");
    fs::write(folder.path().join("positions.json"), "{\"version\":1,").expect("written");
    assert_eq!(found(folder.path()), [5]);
    assert_eq!(fs::read(folder.path().join("positions.broken.json")).expect("kept"), b"{\"version\":1,");
}

#[test]
fn a_copy_holds_the_positions_of_every_version() {
    let (folder, copied) = (two_generations(), folder());
    copy(folder.path(), copied.path()).expect("copied");
    assert_eq!(found(copied.path()), [20]);
    fs::remove_file(copied.path().join(CURRENT)).expect("as between two renames");
    assert_eq!(found(copied.path()), [10]);
}

#[test]
fn a_file_that_somebody_removes_or_changes_while_it_is_written_to_is_replaced_by_a_whole_one() {
    let changes: [fn(&Path); 3] = [
        |file| fs::remove_file(file).expect("removed"),
        |file| fs::write(file, "short").expect("written"),
        |file| {
            fs::copy(file, file.with_extension("x"))
                .and_then(|_| fs::rename(file.with_extension("x"), file))
                .expect("replaced")
        },
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let folder = two_generations();
        let kept = store(folder.path());
        kept.open(SourceId::unique(), 30, at(30));
        save(&kept);
        change(&folder.path().join(CURRENT));
        // Without any change of a position.
        save(&kept);
        drop(kept);
        assert_eq!(found(folder.path()), [20, 30], "{number}");
    }
}

#[test]
fn a_state_folder_that_somebody_removes_is_made_again() {
    let parent = folder();
    let state = parent.path().join("state");
    let kept = store(&state);
    kept.open(SourceId::unique(), 0, at(0));
    save(&kept);
    fs::remove_dir_all(&state).expect("removed");
    save(&kept);
    drop(kept);
    assert_eq!(found(&state), [0]);
}

#[cfg(unix)]
#[test]
fn a_link_a_pipe_or_an_absurd_file_in_place_of_the_positions_is_set_aside_unread() {
    type Step = fn(&Path);
    let steps: [Step; 3] = [
        |file| std::os::unix::fs::symlink("/dev/zero", file).expect("linked"),
        |file| assert!(std::process::Command::new("mkfifo").arg(file).status().expect("POSIX has it").success()),
        |file| fs::File::create(file).and_then(|f| f.set_len(1 << 40)).expect("sparse"),
    ];
    for (place, step) in steps.into_iter().enumerate() {
        let folder = two_generations();
        let file = folder.path().join("positions.jsonl");
        fs::remove_file(&file).expect("removed");
        step(&file);
        assert_eq!(found(folder.path()), [10], "{place}");
        assert!(!file.exists() && folder.path().join("positions.broken.jsonl").symlink_metadata().is_ok(), "{place}");
    }
}

#[test]
fn a_failed_write_keeps_the_old_file_tells_the_board_and_is_tried_again() {
    let folder = two_generations();
    let board = Arc::new(Board::default());
    let store = Store::open(folder.path(), Arc::clone(&board)).expect("opens");
    let (id, position) = store.saved().remove(0);
    store.open(id, 20, position);
    store.acknowledge(&[cover(id, 20, 30)]);
    let obstacle = folder.path().join("positions.jsonl.new");
    fs::create_dir(&obstacle).expect("created");
    let failures = counters::POSITION_WRITE_FAILURES.here();
    let error = store.save(Timestamp::now()).expect_err("the new file cannot be made");
    assert!(error.to_string().contains("make room"), "{error}");
    assert_eq!(counters::POSITION_WRITE_FAILURES.here(), failures + 1);
    assert_eq!(board.read().destinations["positions"].failures_in_a_row, 1);
    assert_eq!(found(folder.path()), [20]);
    fs::remove_dir(&obstacle).expect("removed");
    save(&store);
    assert_eq!(board.read().destinations["positions"].failures_in_a_row, 0);
    drop(store);
    assert_eq!(found(folder.path()), [30]);
}

proptest! {
    #[test]
    fn no_bytes_make_the_loader_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        for name in ["positions.jsonl", "positions.json"] {
            let folder = folder();
            fs::write(folder.path().join(name), &bytes).expect("written");
            let _ = Store::open(folder.path(), Arc::default());
        }
    }
}
