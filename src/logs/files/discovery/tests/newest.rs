//! Where only the newest file is followed, and what is removed of the others.
use super::*;
use std::sync::atomic::Ordering;

fn newest(pattern: &str, prepare: impl FnOnce(&mut Bench)) -> Bench {
    bench(pattern, Pick::Newest, prepare)
}

#[test]
fn only_the_newest_is_sent_at_the_first_start_and_the_next_one_takes_over() {
    let mut bench = newest("app-*.log", |bench| {
        bench.append("app-1.log", "old\n");
        bench.append("app-2.log", "one\n");
    });
    assert_eq!(bench.lines(), ["one"]);
    bench.append("app-2.log", "two\n");
    bench.append("app-3.log", "three\n");
    assert_eq!(bench.lines(), ["two", "three"]);
    bench.append("app-2.log", "late\n");
    bench.append("app-3.log", "four\n");
    assert_eq!(bench.lines().len(), 2, "the one before is read on");
}

#[test]
fn files_that_came_between_two_looks_are_all_read() {
    let mut bench = newest("app-*.log", |bench| bench.append("app-1.log", "one\n"));
    assert_eq!(bench.lines(), ["one"]);
    bench.append("app-2.log", "two\n");
    bench.append("app-3.log", "three\n");
    assert_eq!(bench.lines(), ["two", "three"]);
}

#[test]
fn after_a_restart_what_was_not_sent_is_and_what_was_passed_over_is_not() {
    let mut bench = newest("app-*.log", |bench| {
        bench.append("app-1.log", "never\n");
        bench.append("app-2.log", "one\n");
    });
    assert_eq!(bench.lines(), ["one"]);
    bench.append("app-2.log", "two\n");
    bench.append("app-3.log", "three\n");
    bench.append("app-4.log", "four\n");
    bench.restart();
    let mut lines = bench.lines();
    lines.sort_unstable();
    assert_eq!(lines, ["four", "three", "two"]);
    bench.doze(2 * MINUTE);
    bench.restart();
    assert_eq!(bench.lines(), [""; 0]);
}

#[test]
fn an_older_file_that_is_written_to_again_is_the_newest() {
    let mut bench = newest("app-*.log", |bench| {
        bench.append("app-1.log", "never\n");
        bench.append("app-2.log", "one\n");
        bench.watches[0].from_beginning = false;
    });
    assert_eq!(bench.lines(), [""; 0]);
    bench.append("app-1.log", "again\n");
    assert_eq!(bench.lines(), ["again"], "from where it was passed over");
}

#[test]
fn a_rotated_file_whose_name_matches_too_is_sent_once() {
    let mut bench = newest("app.log*", |bench| bench.append("app.log", "one\n"));
    assert_eq!(bench.lines(), ["one"]);
    for round in 0..3 {
        bench.append("app.log", format!("last {round}\n"));
        bench.rotate();
        bench.append("app.log", format!("first {round}\n"));
        assert_eq!(bench.lines(), [format!("last {round}"), format!("first {round}")]);
        bench.doze(2 * MINUTE);
    }
    assert_eq!(bench.lines(), [""; 0]);
    bench.restart();
    bench.doze(MINUTE);
    assert_eq!(bench.lines(), [""; 0], "after a restart");
}

/// Files that are removed when they are done with.
fn removing(prepare: impl FnOnce(&mut Bench)) -> Bench {
    newest("app-*.log", |bench| {
        let Selection::Matching(rule) = &bench.watches[0].selection else { unreachable!("a pattern") };
        let rule = Matching { auto_removal: true, ..rule.as_ref().clone() };
        bench.watches[0].selection = Selection::Matching(Arc::new(rule));
        prepare(bench);
    })
}

#[test]
fn a_delivered_file_is_removed_when_a_newer_one_is_followed_and_the_newest_never() {
    let mut bench = removing(|bench| bench.append("app-1.log", "one\nwithout an end"));
    assert_eq!(bench.lines(), ["one"]);
    bench.doze(3 * MINUTE);
    assert!(bench.path("app-1.log").exists(), "it is the newest");
    bench.append("app-2.log", "two\n");
    assert_eq!(bench.lines(), ["two"]);
    bench.doze(2 * MINUTE);
    assert!(bench.path("app-1.log").exists(), "its last line is not acknowledged");
    assert_eq!(bench.lines(), ["without an end"]);
    bench.doze(2 * MINUTE);
    assert!(!bench.path("app-1.log").exists() && bench.path("app-2.log").exists());
    bench.restart();
    bench.doze(2 * MINUTE);
    assert!(bench.path("app-2.log").exists());
    assert_eq!(bench.lines(), [""; 0]);
}

#[test]
fn what_is_not_acknowledged_or_was_written_to_is_not_removed() {
    let mut bench = removing(|bench| bench.append("app-1.log", "one\n"));
    bench.settle();
    bench.append("app-2.log", "two\n");
    bench.doze(4 * MINUTE);
    assert!(bench.path("app-1.log").exists(), "nothing is acknowledged");
    bench.restart();
    assert_eq!(bench.lines().len(), 2);
    bench.append("app-1.log", "late\n");
    bench.append("app-2.log", "three\n");
    bench.doze(4 * MINUTE);
    assert!(bench.path("app-1.log").exists(), "it was written to");
    assert_eq!(bench.lines().len(), 2);
    bench.doze(4 * MINUTE);
    assert!(!bench.path("app-1.log").exists());
}

#[test]
fn a_file_whose_position_is_not_saved_is_not_removed() {
    let mut bench = removing(|bench| bench.append("app-1.log", "one\n"));
    assert_eq!(bench.lines(), ["one"]);
    bench.keeper.unsaved.store(true, Ordering::Relaxed);
    bench.append("app-2.log", "two\n");
    assert_eq!(bench.lines(), ["two"]);
    bench.doze(4 * MINUTE);
    assert!(bench.path("app-1.log").exists(), "a crash now would send it again");
    bench.keeper.unsaved.store(false, Ordering::Relaxed);
    bench.doze(MINUTE);
    assert!(!bench.path("app-1.log").exists());
}

#[test]
fn what_was_passed_over_is_not_removed() {
    let mut bench = removing(|bench| {
        bench.append("app-1.log", "never\n");
        bench.append("app-2.log", "one\n");
    });
    assert_eq!(bench.lines(), ["one"]);
    bench.doze(3 * MINUTE);
    assert!(bench.path("app-1.log").exists());
}

#[cfg(unix)]
#[test]
fn a_link_and_what_it_leads_to_are_not_removed() {
    let mut bench = removing(|bench| {
        bench.append("real", "one\n");
        std::os::unix::fs::symlink(bench.path("real"), bench.path("app-1.log")).expect("linked");
    });
    assert_eq!(bench.lines(), ["one"]);
    bench.append("app-2.log", "two\n");
    assert_eq!(bench.lines(), ["two"]);
    bench.doze(4 * MINUTE);
    assert!(bench.path("real").exists() && bench.path("app-1.log").exists());
}
