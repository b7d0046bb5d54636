//! The rules of patterns, on real files, with a clock that only the test moves.
mod looking;
mod newest;
mod shared;

use crate::{
    config::{
        glob::Glob,
        settings::{Matching, Pick, Selection},
    },
    logs::files::{Watch, tests::bench::Bench},
    model::Target,
};
use std::{collections::BTreeMap, fs, path::Path, sync::Arc, time::Duration};

const MINUTE: Duration = Duration::from_secs(60);

/// Follows what matches `pattern` below the folder.
fn bench(pattern: &str, pick: Pick, prepare: impl FnOnce(&mut Bench)) -> Bench {
    Bench::with(1024, |bench| {
        bench.watches = vec![watch(bench, pattern, pick)];
        prepare(bench);
    })
}

fn watch(bench: &Bench, pattern: &str, pick: Pick) -> Watch {
    let path = bench.path(pattern);
    let glob = Glob::parse(path.to_str().expect("Unicode")).expect("a pattern");
    let rule =
        Matching { glob, pick, blacklist: None, exclude: Vec::new(), auto_removal: false, others: Default::default() };
    let selection = Selection::Matching(Arc::new(rule));
    Watch { path, selection, ..bench.watches[0].clone() }
}

fn each(pattern: &str, prepare: impl FnOnce(&mut Bench)) -> Bench {
    bench(pattern, Pick::EachToItsStream, prepare)
}

/// By the end of the stream's name.
fn streams(bench: &mut Bench) -> BTreeMap<String, Vec<String>> {
    let folder = bench.folder.path().to_string_lossy().replace('/', "_");
    let name = |stream: String| stream.replacen(&format!("s{folder}_"), "", 1);
    bench.streams().into_iter().map(|(stream, lines)| (name(stream), lines)).collect()
}

fn said(pairs: &[(&str, &[&str])]) -> BTreeMap<String, Vec<String>> {
    let lines = |lines: &[&str]| lines.iter().map(|&line| line.to_owned()).collect();
    pairs.iter().map(|(name, text)| ((*name).to_owned(), lines(text))).collect()
}

#[test]
fn each_file_goes_to_a_stream_of_its_name_and_files_that_come_later_too() {
    let mut bench = each("*.log", |bench| bench.append("a.log", "one\n"));
    bench.append("other.txt", "no\n");
    bench.append(".hidden.log", "hidden\n");
    assert_eq!(streams(&mut bench), said(&[(".hidden.log", &["hidden"]), ("a.log", &["one"])]));
    bench.append("b.log", "two\n");
    assert_eq!(streams(&mut bench), said(&[("b.log", &["two"])]));
}

#[test]
fn names_of_streams_and_groups_are_made_of_the_path() {
    let path = Path::new("/var/log/a b.log");
    let names = |pick: Pick, group: &str, stream: &str| pick.names(group, stream, path);
    assert_eq!(names(Pick::EachToItsStream, "g", "i-1_"), ("g".into(), "i-1__var_log_a b.log".into()));
    assert_eq!(names(Pick::EachToItsStream, "g", "_").1, "__var_log_a b.log");
    assert_eq!(names(Pick::EachToItsGroup, "", "i-1"), ("/var/log/a_b.log".into(), "i-1".into()));
    let long = |end: &str| Pick::EachToItsStream.names("g", "_", Path::new(&format!("{}{end}", "/x".repeat(999)))).1;
    assert!(long("a").len() == 512 && long("a") != long("b"));
}

#[test]
fn all_who_know_of_a_file_at_rest_share_one_copy_of_its_path_and_target() {
    // One that was read, and one that was laid to rest at once.
    let mut bench = each("*.log", |bench| {
        bench.append("a.log", "one\n");
        bench.append("b.log", "");
    });
    streams(&mut bench);
    bench.doze(MINUTE + Duration::from_secs(10));
    for when in ["after the first start", "after another one"] {
        assert_eq!(bench.tailer.awake(), 0, "{when}");
        let positions: Vec<_> = bench.keeper.positions().into_iter().filter(|p| p.identity.inode != 0).collect();
        assert_eq!(positions.len(), 2);
        for position in &positions {
            // The scanner's, twice the family's, the keeper's, and the one in hand.
            assert!(Arc::strong_count(&position.path) >= 5, "{when}: {position:?}");
            assert!(Arc::ptr_eq(&position.target, &positions[0].target), "{when}");
        }
        bench.restart();
        streams(&mut bench);
    }
}

#[test]
fn a_file_at_rest_holds_no_file_and_no_lane_and_wakes_where_it_stopped() {
    let mut bench = each("*.log", |bench| bench.append("a.log", "one\n"));
    assert_eq!(streams(&mut bench), said(&[("a.log", &["one"])]));
    assert_eq!(bench.open_lanes().len(), 1);
    bench.doze(MINUTE + Duration::from_secs(10));
    assert_eq!((bench.open_lanes(), bench.tailer.awake()), (vec![], 0));
    bench.append("a.log", "two\n");
    assert_eq!(streams(&mut bench), said(&[("a.log", &["two"])]));
    bench.doze(MINUTE + Duration::from_secs(10));
    bench.restart();
    bench.append("a.log", "three\n");
    assert_eq!(streams(&mut bench), said(&[("a.log", &["three"])]));
}

#[test]
fn what_is_not_acknowledged_keeps_its_file_awake() {
    let mut bench = each("*.log", |bench| bench.append("a.log", "one\n"));
    bench.settle();
    bench.doze(2 * MINUTE);
    assert_eq!((bench.open_lanes().len(), bench.tailer.awake()), (1, 1));
    bench.restart();
    assert_eq!(streams(&mut bench), said(&[("a.log", &["one"])]));
}

#[test]
fn a_rotated_file_whose_name_matches_too_is_sent_once_also_after_a_restart() {
    for dozes in [false, true] {
        let mut bench = each("app.log*", |bench| bench.append("app.log", "one\n"));
        assert_eq!(streams(&mut bench), said(&[("app.log", &["one"])]));
        for round in 0..3 {
            if dozes {
                bench.doze(2 * MINUTE);
            }
            bench.append("app.log", format!("last {round}\n"));
            bench.rotate();
            bench.append("app.log", format!("first {round}\n"));
            let (last, first) = (format!("last {round}"), format!("first {round}"));
            assert_eq!(streams(&mut bench), said(&[("app.log", &[last.as_str(), first.as_str()])]), "{dozes} {round}");
        }
        bench.doze(3 * MINUTE);
        assert_eq!(streams(&mut bench), said(&[]));
        assert_eq!(bench.tailer.awake(), 0);
        bench.restart();
        bench.doze(MINUTE);
        assert_eq!(streams(&mut bench), said(&[]), "after a restart");
        bench.append("app.log", "more\n");
        assert_eq!(streams(&mut bench), said(&[("app.log", &["more"])]));
    }
}

#[test]
fn a_copy_whose_name_matches_too_is_not_sent_again() {
    for dozes in [false, true] {
        let line = "a line that is long enough to be known again, wherever it is found, by what it says\n";
        let mut bench = each("app.log*", |bench| bench.append("app.log", line.repeat(5)));
        assert_eq!(streams(&mut bench).values().map(Vec::len).sum::<usize>(), 5);
        if dozes {
            bench.doze(2 * MINUTE);
        }
        bench.copy_and_truncate();
        bench.append("app.log", "next\n");
        assert_eq!(streams(&mut bench), said(&[("app.log", &["next"])]), "{dozes}");
        bench.doze(2 * MINUTE);
        assert_eq!(streams(&mut bench), said(&[]));
        bench.restart();
        bench.doze(MINUTE);
        assert_eq!(streams(&mut bench), said(&[]), "after a restart");
    }
}

#[test]
fn a_rotation_while_nobody_runs_is_read_to_its_end_under_the_old_name() {
    let mut bench = each("app.log*", |bench| bench.append("app.log", "one\n"));
    assert_eq!(streams(&mut bench), said(&[("app.log", &["one"])]));
    bench.append("app.log", "two\n");
    bench.rotate();
    bench.append("app.log", "three\n");
    bench.restart();
    assert_eq!(streams(&mut bench), said(&[("app.log", &["two", "three"])]));
    bench.doze(3 * MINUTE);
    assert_eq!(streams(&mut bench), said(&[]));
}

/// The search for where the run before stopped lasts while files beside the log change: here one that is being compressed.
#[test]
fn what_was_not_delivered_is_not_taken_for_done_while_its_path_still_searches_for_it() {
    for pick in [Pick::Newest, Pick::EachToItsStream] {
        let mut bench = bench("app.log*", pick, |bench| bench.append("app.log", "one\n"));
        assert_eq!(bench.streams().into_values().flatten().collect::<Vec<_>>(), ["one"]);
        bench.append("app.log", "two\n");
        bench.rotate();
        bench.append("app.log", "three\n");
        let packed = fs::File::create(bench.path("app.log.2.gz")).expect("writable");
        packed.set_modified(bench.wall() + MINUTE).expect("dated");
        bench.restart();
        let mut lines: Vec<_> = bench.streams().into_values().flatten().collect();
        for _ in 0..15 {
            bench.pass(Duration::from_secs(4));
            lines.extend(bench.streams().into_values().flatten());
        }
        lines.sort_unstable();
        assert_eq!(lines, ["three", "two"], "{pick:?}");
        bench.restart();
        bench.doze(MINUTE);
        assert_eq!(bench.streams().into_values().flatten().count(), 0, "{pick:?}");
    }
}

/// A program that writes and rotates at once, between two looks.
#[test]
fn of_a_pattern_that_follows_the_newest_what_was_rotated_before_the_second_look_is_read_too() {
    let mut bench = bench("app.log*", Pick::Newest, |_| {});
    bench.settle();
    for (name, age) in [("app.log.2", 3), ("app.log.1", 2), ("app.log", 0)] {
        bench.append(name, format!("{name}\n"));
        let file = fs::File::options().append(true).open(bench.path(name)).expect("writable");
        file.set_modified(bench.wall() - Duration::from_secs(age)).expect("dated");
    }
    let mut lines: Vec<_> = bench.streams().into_values().flatten().collect();
    for _ in 0..10 {
        bench.pass(Duration::from_secs(4));
        lines.extend(bench.streams().into_values().flatten());
    }
    lines.sort_unstable();
    assert_eq!(lines, ["app.log", "app.log.1", "app.log.2"]);
}

#[test]
fn what_is_only_named_like_a_rotated_generation_is_read_after_a_while() {
    let mut bench = each("app*.log", |bench| bench.append("app.log", "one\n"));
    assert_eq!(streams(&mut bench), said(&[("app.log", &["one"])]));
    bench.append("app-2026-01-31.log", "of its own\n");
    assert_eq!(streams(&mut bench), said(&[]));
    bench.pass(Duration::from_secs(10));
    assert_eq!(streams(&mut bench), said(&[("app-2026-01-31.log", &["of its own"])]));
}

#[test]
fn two_names_of_one_file_are_one_file() {
    let mut bench = each("*.log", |bench| {
        bench.append("a.log", "one\n");
        fs::hard_link(bench.path("a.log"), bench.path("b.log")).expect("linked");
    });
    let all: Vec<_> = streams(&mut bench).into_values().flatten().collect();
    assert_eq!(all, ["one"]);
    bench.append("b.log", "two\n");
    let all: Vec<_> = streams(&mut bench).into_values().flatten().collect();
    assert_eq!(all, ["two"]);
}

#[test]
fn a_file_of_two_items_goes_to_both_each_with_its_own_position() {
    let mut bench = each("*.log", |bench| {
        let target = Arc::new(Target { stream: "t".into(), ..bench.watches[0].target.as_ref().clone() });
        bench.watches.push(Watch { target, ..bench.watches[0].clone() });
        bench.append("a.log", "one\n");
    });
    assert_eq!(bench.streams().into_values().collect::<Vec<_>>(), [["one"], ["one"]]);
    bench.doze(2 * MINUTE);
    bench.restart();
    bench.append("a.log", "two\n");
    assert_eq!(bench.streams().into_values().collect::<Vec<_>>(), [["two"], ["two"]]);
}

#[test]
fn a_file_that_was_there_is_followed_from_its_end_where_that_is_wanted_and_later_ones_from_their_beginning() {
    let from_end = |bench: &mut Bench| {
        bench.watches[0].from_beginning = false;
        bench.append("a.log", "old\nhalf");
    };
    let mut bench = each("*.log", from_end);
    assert_eq!(streams(&mut bench), said(&[]));
    assert_eq!(bench.open_lanes(), [], "nothing is read, so nothing is opened");
    bench.restart();
    bench.append("a.log", " a line\n");
    bench.append("b.log", "new\n");
    assert_eq!(streams(&mut bench), said(&[("a.log", &["half a line"]), ("b.log", &["new"])]));
}

#[test]
fn a_first_look_that_finds_nothing_is_remembered() {
    for pattern in ["x/*.log", "{x,y}/*.log"] {
        let mut bench = each(pattern, |bench| {
            bench.watches[0].from_beginning = false;
            fs::create_dir(bench.path("x")).expect("made");
        });
        bench.settle();
        bench.append("x/a.log", "one\n");
        bench.restart();
        assert_eq!(streams(&mut bench), said(&[("x_a.log", &["one"])]), "it came since");
    }
}

#[test]
fn a_deleted_file_is_forgotten_and_one_that_takes_its_name_is_read() {
    let mut bench = each("*.log", |bench| bench.append("a.log", "one\n"));
    assert_eq!(streams(&mut bench), said(&[("a.log", &["one"])]));
    bench.delete("a.log");
    bench.doze(3 * MINUTE);
    assert_eq!(bench.tailer.awake(), 0);
    assert_eq!(bench.keeper.files(), 0, "no position is left of it");
    bench.append("a.log", "two\n");
    assert_eq!(streams(&mut bench), said(&[("a.log", &["two"])]));
}

#[test]
fn many_files_need_few_places_while_they_are_read_and_none_afterwards() {
    const FILES: usize = 700;
    let mut bench = each("*.log", |bench| {
        for n in 0..FILES {
            bench.append(&format!("{n}.log"), "one\n");
        }
    });
    let (mut lines, mut most) = (0, 0);
    while lines < FILES {
        most = most.max(bench.open_lanes().len()).max(bench.tailer.awake());
        lines += bench.streams().into_values().flatten().count();
        bench.pass(Duration::from_millis(300));
    }
    assert!((1..=512).contains(&most), "{most}");
    bench.doze(2 * MINUTE);
    assert_eq!(bench.streams().len(), 0);
    assert_eq!((bench.open_lanes().len(), bench.tailer.awake()), (0, 0));
    bench.restart();
    bench.settle();
    assert_eq!((bench.open_lanes().len(), bench.tailer.awake()), (0, 0), "nothing is opened where nothing happened");
    bench.append("7.log", "two\n");
    assert_eq!(streams(&mut bench), said(&[("7.log", &["two"])]));
}
