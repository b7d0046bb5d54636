//! More generations than may be held open.
use super::bench::{Bench, messages};
use crate::{
    model::{Checkpoints, FileIdentity, FilePosition, Fingerprint, Position, SourceId},
    platform::files,
    telemetry::counters,
};
use std::{collections::BTreeSet, time::Duration};

/// A tailer that may hold four files open, whose lane is full, and a log that is rotated again and again meanwhile.
fn crowded(rotations: usize) -> (Bench, Vec<String>) {
    let mut bench = Bench::with(1, |_| {});
    bench.tailer.hold_at_most(4);
    bench.settle();
    bench.append("app.log", "one\n");
    bench.settle();
    let mut expected = vec!["one".to_owned()];
    for n in 0..rotations {
        bench.append("app.log", format!("line {n}\n"));
        expected.push(format!("line {n}"));
        bench.turn();
        bench.rotate();
        bench.turn();
    }
    bench.append("app.log", "last\n");
    expected.push("last".into());
    (bench, expected)
}

fn open_files(bench: &Bench) -> usize {
    let prefix = bench.folder.path().to_string_lossy().into_owned();
    let entries = std::fs::read_dir("/proc/self/fd").into_iter().flatten().flatten();
    let targets = entries.filter_map(|entry| std::fs::read_link(entry.path()).ok());
    targets.filter(|target| target.to_string_lossy().starts_with(&prefix)).count()
}

#[test]
fn generations_that_are_too_many_to_hold_open_are_found_when_their_turn_comes() {
    let (mut bench, expected) = crowded(30);
    assert!(open_files(&bench) <= 5, "{} are open", open_files(&bench));
    let mut lines = Vec::new();
    for _ in 0..30 {
        lines.extend(bench.lines());
        bench.pass(Duration::from_secs(5));
    }
    assert_eq!(lines, expected);
}

#[test]
fn generations_that_were_not_opened_before_a_crash_are_read_after_it() {
    let (mut bench, expected) = crowded(30);
    bench.restart();
    bench.tailer.hold_at_most(4);
    let mut lines = Vec::new();
    for _ in 0..30 {
        lines.extend(bench.lines());
        bench.pass(Duration::from_secs(5));
    }
    assert_eq!(lines, expected);
}

/// A log that is copied and cut short while no more files may be held open.
fn crowded_copy() -> Bench {
    let mut bench = Bench::with(64, |bench| bench.watches[0].from_beginning = true);
    bench.settle();
    bench.append("app.log", "a line to know it by\n".repeat(20));
    assert_eq!(bench.lines().len(), 20);
    bench.append("app.log", "two\n");
    bench.copy_and_truncate();
    bench.append("app.log", "three\n".repeat(100_000));
    bench.tailer.hold_none_more();
    bench.turn();
    bench
}

/// Generations of which something was read that are done with.
fn given_up(bench: &Bench) -> usize {
    bench.keeper.finished().iter().filter(|(_, end)| *end > 0).count()
}

#[test]
fn a_copy_that_waits_by_its_name_is_read_and_not_called_missed() {
    let missed = counters::BYTES_MISSED.here();
    let mut bench = crowded_copy();
    let mut lines = bench.lines();
    bench.pass(Duration::from_secs(3));
    lines.extend(bench.lines());
    assert!(lines.contains(&"two".to_owned()));
    assert_eq!((lines.len(), counters::BYTES_MISSED.here() - missed), (100_001, 0));
    // The copy's rest is the rest of what was cut short: that is done with when the copy has been quiet for long enough.
    assert_eq!(given_up(&bench), 0);
    bench.pass(Duration::from_secs(100));
    bench.lines();
    assert_eq!(given_up(&bench), 1);
}

#[test]
fn a_copy_that_waits_by_its_name_is_found_after_a_crash() {
    let mut bench = crowded_copy();
    assert_eq!(bench.keeper.positions().len(), 3, "the position of what was cut short is kept, and that more is owed");
    assert!(bench.board.read().sources.values().any(|line| line.catching_up), "a single round waits for it");
    bench.restart();
    let lines = bench.lines();
    assert_eq!((lines[0].as_str(), lines.len()), ("two", 100_001));
}

#[test]
fn a_copy_that_was_waited_for_and_is_gone_is_waited_for_no_more() {
    let mut bench = crowded_copy();
    bench.delete("app.log.1");
    assert_eq!(bench.lines().len(), 100_000);
    bench.pass(Duration::from_secs(3));
    bench.lines();
    assert_eq!((given_up(&bench), bench.keeper.positions().len()), (1, 1));
    assert_eq!(bench.board.read().sources.len(), 1);
}

#[test]
fn every_path_gets_its_turn_however_many_files_are_open() {
    let mut bench = Bench::with(8, |bench| {
        let path = bench.path("other.log");
        bench.watches.push(crate::logs::files::Watch {
            path,
            target: super::bench::target("other"),
            ..bench.watches[0].clone()
        });
    });
    bench.tailer.hold_at_most(1);
    bench.settle();
    for name in ["app.log", "other.log"] {
        bench.append(name, "one\n");
    }
    assert_eq!((bench.lines(), bench.lines_of("other")), (vec!["one".into()], vec!["one".into()]));
    bench.rotate();
    bench.append("app.log", "two\n");
    bench.rename("other.log", "other.log.1");
    bench.append("other.log", "two\n");
    assert_eq!((bench.lines(), bench.lines_of("other")), (vec!["two".into()], vec!["two".into()]));
}

/// A tailer that may hold `most` files open, whose service takes nothing, and a log that is copied and cut short again and again.
fn copied(most: usize, copies: usize) -> (Bench, BTreeSet<String>) {
    let mut bench = Bench::with(1, |_| {});
    bench.tailer.hold_at_most(most);
    bench.settle();
    let mut expected = BTreeSet::new();
    for n in 0..copies {
        let line = format!("line {n:04} of {}", "a log ".repeat(50));
        bench.append("app.log", format!("{line}\n"));
        expected.insert(line);
        bench.turn();
        bench.copy_and_truncate();
        bench.turn();
    }
    (bench, expected)
}

fn crash(bench: &mut Bench, most: usize) {
    bench.restart();
    bench.tailer.hold_at_most(most);
}

fn read_all(bench: &mut Bench, rounds: usize) -> BTreeSet<String> {
    let mut lines = BTreeSet::new();
    for _ in 0..rounds {
        lines.extend(bench.lines());
        bench.pass(Duration::from_secs(5));
    }
    lines
}

#[test]
fn copies_that_were_not_opened_are_found_after_every_crash() {
    for most in 0..6 {
        for delivered in 0..8 {
            let (mut bench, expected) = copied(most, 12);
            let mut lines = BTreeSet::new();
            for _ in 0..4 {
                crash(&mut bench, most);
                for _ in 0..delivered {
                    bench.pass(Duration::from_secs(3));
                    bench.tailer.has_space();
                    bench.turn();
                    for chunk in bench.chunks("g") {
                        lines.extend(messages(&chunk));
                        bench.keeper.ack(chunk.source, chunk.from, chunk.to, Some(chunk.end));
                    }
                }
            }
            crash(&mut bench, most);
            lines.extend(read_all(&mut bench, 40));
            let lost: Vec<_> = expected.difference(&lines).map(|line| &line[..9]).collect();
            assert!(lost.is_empty(), "{lost:?} with {most} files and {delivered} deliveries a run");
            assert_eq!(bench.keeper.positions().len(), 1, "nothing is owed any more");
        }
    }
}

/// The position of a file of which nothing was read; with its content, or as it was when nothing stood in it yet.
fn unread(bench: &Bench, name: &str, head: &str) -> FilePosition {
    let stat = files::stat(&bench.path(name)).expect("there");
    FilePosition {
        path: bench.path("app.log").into(),
        identity: FileIdentity { device: stat.id.device, inode: stat.id.inode, head: Fingerprint::of(head.as_bytes()) },
        offset: 0,
        before: Fingerprint::default(),
        target: "g:s".into(),
        modified: stat.modified.into(),
        home: None,
    }
}

#[test]
fn what_lies_between_two_saved_positions_is_not_forgotten_when_the_younger_one_is_opened_first() {
    for most in [1, 2, 3] {
        let mut bench = Bench::with(8, |bench| bench.append("app.log", ""));
        let emptied = unread(&bench, "app.log", "");
        for (name, line) in [("app.log.4", "1\n"), ("app.log.3", "2\n"), ("app.log.2", "3\n"), ("app.log.1", "4\n")] {
            bench.append(name, line);
        }
        bench.append("app.log", "5\n");
        for position in [emptied, unread(&bench, "app.log.1", "4\n")] {
            bench.keeper.open(SourceId::unique(), 0, Position::File(position));
        }
        let mut lines = BTreeSet::new();
        for _ in 0..2 {
            crash(&mut bench, most);
            // Not long enough for what is done again after a while.
            lines.extend(bench.lines());
        }
        crash(&mut bench, most);
        lines.extend(read_all(&mut bench, 20));
        assert_eq!(lines.into_iter().collect::<Vec<_>>(), ["1", "2", "3", "4", "5"], "{most} files");
        assert_eq!(bench.keeper.positions().len(), 1, "nothing is owed any more");
    }
}

#[test]
fn copies_between_one_that_waits_and_what_was_read_later_are_found_after_a_crash() {
    let (mut bench, expected) = copied(1, 6);
    // What is at the path is read and delivered first: the copies wait for a file to be closed.
    let mut lines = BTreeSet::new();
    bench.append("app.log", "the last\n");
    lines.extend(bench.lines());
    crash(&mut bench, 1);
    lines.extend(read_all(&mut bench, 20));
    assert_eq!(expected.difference(&lines).count(), 0);
}

#[test]
fn what_was_delivered_before_a_promise_is_not_sent_again() {
    let (mut bench, _) = crowded(30);
    let before: BTreeSet<_> = bench.lines().into_iter().collect();
    for _ in 0..60 {
        bench.pass(Duration::from_secs(1));
        bench.turn();
    }
    crash(&mut bench, 4);
    let after = read_all(&mut bench, 30);
    assert!(before.len() > 4 && before.intersection(&after).count() <= 4, "{after:?}");
}
