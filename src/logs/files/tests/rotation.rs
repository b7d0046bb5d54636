//! What happens to a file while it is followed.
use super::bench::Bench;
use crate::{logs::files::Watch, telemetry::counters};
use std::{
    fs::{self, OpenOptions},
    time::Duration,
};

const QUIET: Duration = Duration::from_secs(5);
/// Enough lines to know a file by.
const LONG: &str = "01 abcdefghijk\n02 abcdefghijk\n03 abcdefghijk\n04 abcdefghijk\n05 abcdefghijk\n\
    06 abcdefghijk\n07 abcdefghijk\n08 abcdefghijk\n09 abcdefghijk\n10 abcdefghijk\n";
const LATE: Duration = Duration::from_secs(60);

#[test]
fn a_rotated_file_is_read_to_its_end_before_the_new_one() {
    let mut bench = Bench::new();
    bench.append("app.log", "one\n");
    assert_eq!(bench.lines(), ["one"]);
    bench.append("app.log", "two\n");
    bench.rotate();
    bench.append("app.log", "three\n");
    assert_eq!(bench.lines(), ["two", "three"]);
}

#[test]
fn the_new_file_waits_while_the_old_one_is_behind() {
    let mut bench = Bench::with(1, |_| {});
    bench.append("app.log", "one\n".repeat(200_000));
    bench.settle();
    bench.rotate();
    bench.append("app.log", "new\n");
    bench.settle();
    let lines = bench.lines();
    assert_eq!(lines.len(), 200_001);
    assert_eq!(lines.last().map(String::as_str), Some("new"));
}

#[test]
fn generations_between_two_looks_are_found_and_read_in_order() {
    let mut bench = Bench::new();
    bench.append("app.log", "one\n");
    assert_eq!(bench.lines(), ["one"]);
    for line in ["two\n", "three\n", "four\n"] {
        bench.append("app.log", line);
        bench.rotate();
    }
    bench.append("app.log", "five\n");
    assert_eq!(bench.lines(), ["two", "three", "four", "five"]);
}

#[test]
fn generations_between_two_looks_are_found_by_their_dates_too() {
    let mut bench = Bench::new();
    bench.append("app.log", "one\n");
    assert_eq!(bench.lines(), ["one"]);
    bench.rename("app.log", "app.log-20260101");
    bench.append("app.log", "two\n");
    bench.rename("app.log", "app-20260102.log");
    bench.append("app.log", "three\n");
    assert_eq!(bench.lines(), ["two", "three"]);
}

#[test]
fn generations_between_two_looks_are_found_although_the_clock_was_set_back() {
    let mut bench = Bench::new();
    bench.append("app.log.1", "long ago\n");
    bench.settle();
    bench.pass(Duration::from_secs(5));
    bench.append("app.log", "one\n");
    assert_eq!(bench.lines()[..], ["one"]);
    for line in ["two\n", "three\n", "four\n"] {
        bench.append("app.log", line);
        bench.rotate();
        bench.set_back(Duration::from_secs(300));
    }
    bench.append("app.log", "five\n");
    assert_eq!(bench.lines(), ["two", "three", "four", "five"]);
    bench.pass(Duration::from_secs(3));
    assert_eq!(bench.lines(), [""; 0]);
}

#[test]
fn lower_numbers_are_left_alone_where_they_are_the_older_ones() {
    let mut bench = Bench::new();
    for number in 1..5 {
        bench.append("app.log", format!("line {number}\n"));
        assert_eq!(bench.lines(), [format!("line {number}")]);
        bench.rename("app.log", &format!("app.log.{number}"));
        // No file system counts finer than this by which a rename is dated.
        std::thread::sleep(Duration::from_millis(15));
    }
    bench.restart();
    bench.append("app.log", "line 5\n");
    assert_eq!(bench.lines(), ["line 5"]);
}

#[test]
fn a_generation_that_came_and_went_while_nothing_was_at_the_path_is_found() {
    let mut bench = Bench::new();
    bench.settle();
    bench.append("app.log", "one\n");
    bench.rotate();
    assert_eq!(bench.lines(), ["one"]);
    bench.append("app.log", "two\n");
    bench.rotate();
    assert_eq!(bench.lines(), ["two"]);
}

#[test]
fn strangers_beside_the_log_are_left_alone() {
    let mut bench = Bench::with(64, |bench| {
        let path = bench.path("app.log.2");
        bench.watches.push(Watch { path, target: super::bench::target("other"), ..bench.watches[0].clone() });
        bench.append("app.log.7", "written before the daemon came\n");
    });
    bench.append("app.log", "one\n");
    assert_eq!(bench.lines(), ["one"]);
    for name in ["app.log.bak-old", "app.log.3.gz", "app-error.log", "other.log", "app-2.log"] {
        bench.append(name, "strange\n");
    }
    fs::create_dir(bench.path("app.log.4")).expect("made");
    bench.append("app.log.2", "watched by itself\n");
    bench.rename("app.log", "app.log.9");
    bench.append("app.log", "two\n");
    assert_eq!(bench.lines_of("other"), ["watched by itself"]);
    bench.pass(QUIET); // What is called compressed is not looked into before it is surely complete.
    assert_eq!(bench.lines(), ["two"]);
}

#[test]
fn an_unfinished_line_of_a_rotated_file_is_sent_after_silence_and_before_the_new_file() {
    let mut bench = Bench::new();
    bench.append("app.log", "one\ntw");
    assert_eq!(bench.lines(), ["one"]);
    bench.rotate();
    bench.append("app.log", "three\n");
    bench.turn();
    bench.pass(QUIET / 2);
    assert!(bench.lines().is_empty());
    bench.append("app.log.1", "o");
    bench.turn();
    bench.pass(QUIET / 2);
    assert!(bench.lines().is_empty(), "it was written to in the meantime");
    bench.pass(QUIET);
    assert_eq!(bench.lines(), ["two", "three"]);
}

#[test]
fn late_writes_to_a_rotated_file_are_sent() {
    let mut bench = Bench::new();
    bench.append("app.log", "one\n");
    assert_eq!(bench.lines(), ["one"]);
    bench.rotate();
    bench.append("app.log", "two\n");
    assert_eq!(bench.lines(), ["two"]);
    for line in ["late", "later"] {
        bench.pass(LATE - Duration::from_secs(1));
        bench.append("app.log.1", format!("{line}\n"));
        assert_eq!(bench.lines(), [line]);
    }
    assert_eq!(bench.keeper.finished().len(), 0);
    bench.pass(LATE);
    bench.turn();
    assert_eq!(bench.keeper.finished().len(), 1);
    assert_eq!(bench.keeper.positions().len(), 1);
    assert_eq!(bench.board.read().sources.len(), 1);
}

#[test]
fn the_newest_rotated_file_is_kept_until_it_has_a_successor() {
    let mut bench = Bench::new();
    bench.append("app.log", "one\n");
    assert_eq!(bench.lines(), ["one"]);
    bench.rotate();
    bench.turn();
    bench.pass(LATE * 100);
    bench.append("app.log.1", "much later\n");
    assert_eq!(bench.lines(), ["much later"]);
    assert_eq!(bench.keeper.finished().len(), 0);
}

#[test]
fn a_deleted_file_is_read_to_its_end_and_then_finished() {
    let mut bench = Bench::with(1, |_| {});
    bench.append("app.log", "one\n".repeat(200_000));
    bench.settle();
    bench.delete("app.log");
    bench.settle();
    assert_eq!(bench.lines().len(), 200_000);
    bench.pass(LATE);
    bench.settle();
    let finished = bench.keeper.finished();
    assert_eq!(finished.iter().map(|(_, end)| *end).collect::<Vec<_>>(), [800_000]);
}

#[test]
fn a_file_made_after_a_deletion_begins_at_its_beginning_even_with_the_same_content() {
    for wait in [Duration::ZERO, QUIET, LATE] {
        let mut bench = Bench::with(8, |bench| bench.watches[0].from_beginning = false);
        bench.settle();
        bench.append("app.log", "same\n");
        assert_eq!(bench.lines(), ["same"]);
        bench.delete("app.log");
        bench.turn();
        bench.pass(wait);
        bench.turn();
        bench.append("app.log", "same\nmore\n");
        assert_eq!(bench.lines(), ["same", "more"]);
    }
}

#[test]
fn a_truncated_file_is_read_again_from_its_beginning() {
    let before = counters::FILES_TRUNCATED.get();
    let mut bench = Bench::new();
    bench.append("app.log", "one\ntwo\n");
    assert_eq!(bench.lines(), ["one", "two"]);
    bench.truncate("app.log");
    bench.append("app.log", "one\n");
    assert_eq!(bench.lines(), ["one"]);
    assert!(counters::FILES_TRUNCATED.get() > before);
    bench.pass(Duration::from_secs(3));
    bench.turn();
    assert_eq!(bench.keeper.finished().len(), 1);
}

#[test]
fn a_file_that_was_truncated_and_grew_past_its_old_size_is_recognised() {
    for again in ["ONE\nTWO\nTHREE\n", "ONE\nTWO\n"] {
        let mut bench = Bench::new();
        bench.append("app.log", "one\ntwo\n");
        assert_eq!(bench.lines(), ["one", "two"]);
        bench.truncate("app.log");
        bench.append("app.log", again);
        assert_eq!(bench.lines(), again.lines().collect::<Vec<_>>());
    }
}

#[test]
fn a_truncation_while_the_reader_is_behind_is_recognised_too() {
    let mut bench = Bench::with(1, |_| {});
    let missed = counters::BYTES_MISSED.get();
    bench.append("app.log", "one\n".repeat(200_000));
    bench.settle();
    bench.truncate("app.log");
    bench.append("app.log", "two\n".repeat(300_000));
    let lines = bench.lines();
    assert_eq!(lines.iter().filter(|line| *line == "two").count(), 300_000);
    assert_eq!(lines.len(), 300_000 + 262_144 / 4);
    bench.pass(Duration::from_secs(3));
    bench.turn();
    assert!(counters::BYTES_MISSED.get() >= missed + 800_000 - 262_144);
}

#[test]
fn what_was_unread_when_the_file_was_truncated_is_read_from_its_copy() {
    let mut bench = Bench::new();
    bench.append("app.log", "one\n");
    assert_eq!(bench.lines(), ["one"]);
    bench.append("app.log", "two\n");
    bench.copy_and_truncate();
    bench.append("app.log", "three\n");
    bench.copy_and_truncate();
    bench.append("app.log", "four\n");
    assert_eq!(bench.lines(), ["two", "three", "four"]);
    bench.pass(LATE);
    bench.settle();
    assert_eq!(bench.keeper.positions().len(), 1);
}

#[test]
fn a_copy_that_is_older_than_what_was_read_is_not_sent_again() {
    let mut bench = Bench::new();
    let text: String = (0..100).map(|n| format!("line number {n}\n")).collect();
    bench.append("app.log", &text);
    assert_eq!(bench.lines().len(), 100);
    // The writer went on while the copy was made, and we read that.
    bench.copy("app.log", "app.log.1");
    bench.append("app.log", "written meanwhile\n");
    assert_eq!(bench.lines(), ["written meanwhile"]);
    let copy = OpenOptions::new().append(true).open(bench.path("app.log.1")).expect("writable");
    copy.set_modified(bench.wall()).expect("dated");
    bench.truncate("app.log");
    bench.append("app.log", "new\n");
    assert_eq!(bench.lines(), ["new"]);
}

#[test]
fn a_copy_that_leaves_the_original_alone_is_not_sent() {
    let mut bench = Bench::new();
    let text: String = (0..100).map(|n| format!("line number {n}\n")).collect();
    bench.append("app.log", &text);
    assert_eq!(bench.lines().len(), 100);
    bench.copy("app.log", "app.log.20260101");
    bench.rotate();
    bench.append("app.log", "new\n");
    assert_eq!(bench.lines(), ["new"]);
}

#[test]
fn an_editors_rewrite_goes_on_where_the_old_file_was_read_to() {
    let mut bench = Bench::new();
    let text = LONG.repeat(2);
    bench.append("app.log", &text);
    assert_eq!(bench.lines().len(), 20);
    bench.append("app.log.tmp", text + "three\n");
    bench.rename("app.log.tmp", "app.log");
    assert_eq!(bench.lines(), ["three"]);
    bench.append("app.log.tmp", "zero\none\n");
    bench.rename("app.log.tmp", "app.log");
    assert_eq!(bench.lines(), ["zero", "one"], "other content is another file");
}

#[test]
fn a_file_that_is_moved_away_and_back_is_not_sent_again() {
    let mut bench = Bench::new();
    bench.append("app.log", "one\n");
    assert_eq!(bench.lines(), ["one"]);
    bench.rename("app.log", "away");
    assert!(bench.lines().is_empty());
    bench.rename("away", "app.log");
    bench.append("app.log", "two\n");
    assert_eq!(bench.lines(), ["two"]);
    assert_eq!(bench.keeper.finished().len(), 0);
}

#[test]
fn a_rotated_file_that_is_watched_for_the_same_target_is_not_sent_again() {
    let mut bench = Bench::with(64, |bench| {
        let path = bench.path("app.log.1");
        bench.watches.push(Watch { path, ..bench.watches[0].clone() });
    });
    bench.append("app.log", "one\n");
    assert_eq!(bench.lines(), ["one"]);
    for line in ["two", "three", "four"] {
        bench.rotate();
        bench.append("app.log", format!("{line}\n"));
        assert_eq!(bench.lines(), [line]);
        bench.pass(LATE);
        assert!(bench.lines().is_empty());
    }
}

#[test]
fn the_whole_folder_may_go_and_come_back() {
    let mut bench = Bench::with(8, |bench| {
        fs::create_dir(bench.path("sub")).expect("made");
        bench.watches[0].path = bench.path("sub/app.log");
    });
    bench.append("sub/app.log", "one\n");
    assert_eq!(bench.lines(), ["one"]);
    fs::remove_dir_all(bench.path("sub")).expect("gone");
    bench.settle();
    bench.pass(LATE);
    bench.settle();
    fs::create_dir(bench.path("sub")).expect("made");
    bench.append("sub/app.log", "two\n");
    assert_eq!(bench.lines(), ["two"]);
}

#[test]
fn a_short_file_that_was_written_to_since_is_not_taken_for_a_known_one() {
    let mut bench = Bench::new();
    bench.append("app.log", "one\n");
    assert_eq!(bench.lines(), ["one"]);
    bench.rotate();
    bench.append("app.log", "two\n");
    assert_eq!(bench.lines(), ["two"]);
    bench.pass(LATE);
    bench.settle();
    // As when the inode of a removed file is given to a new one that begins alike.
    bench.truncate("app.log.1");
    bench.append("app.log.1", "one\nthree\n");
    bench.rename("app.log", "app.log.2");
    bench.rename("app.log.1", "app.log");
    assert_eq!(bench.lines(), ["one", "three"]);
}

#[test]
fn a_deleted_file_is_forgotten_and_the_same_content_is_new() {
    let mut bench = Bench::new();
    for _ in 0..2 {
        bench.append("app.log", LONG.repeat(2));
        assert_eq!(bench.lines().len(), 20);
        bench.delete("app.log");
        bench.turn();
        bench.pass(LATE);
        bench.settle();
    }
}
