//! Logs that are configured by a link. Unix: making a link takes a privilege elsewhere.
use super::bench::Bench;
use std::{fs, os::unix::fs::symlink};

/// `name` leads to `to` from now on.
fn link(bench: &Bench, to: &str, name: &str) {
    symlink(bench.path(to), bench.path("new link")).expect("linked");
    bench.rename("new link", name);
}

/// A log of `links/app.log`, which leads to `real/web.log`, of which "one" was read.
fn linked() -> Bench {
    let mut bench = Bench::with(64, |bench| {
        fs::create_dir(bench.path("links")).expect("made");
        fs::create_dir(bench.path("real")).expect("made");
        bench.watches[0].path = bench.path("links/app.log");
        link(bench, "real/web.log", "links/app.log");
    });
    bench.append("real/web.log", "one\n");
    assert_eq!(bench.lines(), ["one"]);
    bench
}

#[test]
fn a_link_that_leads_nowhere_is_a_file_that_does_not_exist_yet() {
    let mut bench = Bench::with(8, |bench| {
        link(bench, "real.log", "app.log");
    });
    bench.settle();
    assert!(bench.board.read().sources.values().all(|line| line.state.as_deref() == Some("does not exist yet")));
    bench.append("real.log", "one\n");
    assert_eq!(bench.lines(), ["one"]);
}

#[test]
fn a_link_that_leads_elsewhere_now_is_followed_there() {
    let mut bench = Bench::with(8, |bench| {
        bench.append("real-1", "one\n");
        link(bench, "real-1", "app.log");
    });
    assert_eq!(bench.lines(), ["one"]);
    bench.append("real-1", "two\n");
    bench.append("real-2", "three\n");
    link(&bench, "real-2", "app.log");
    assert_eq!(bench.lines(), ["two", "three"]);
}

#[test]
fn a_linked_log_that_rotates_where_the_link_leads_loses_nothing() {
    for crash in [false, true] {
        let mut bench = linked();
        for (line, n) in [("two\n", 3), ("three\n", 2), ("four\n", 1)] {
            bench.append("real/web.log", line);
            bench.rename("real/web.log", &format!("real/web.log.{n}"));
        }
        if crash {
            bench.restart();
        }
        assert_eq!(bench.lines(), ["two", "three", "four"], "also while the link leads nowhere; crash: {crash}");
        bench.append("real/web.log", "five\n");
        bench.rename("real/web.log", "real/web.log.0");
        bench.append("real/web.log", "six\n");
        assert_eq!(bench.lines(), ["five", "six"], "crash: {crash}");
    }
}

#[test]
fn where_a_link_leads_is_watched_under_the_name_there() {
    let mut bench = linked();
    assert!(bench.tailer.take_moved());
    assert!(bench.tailer.folders().contains(&bench.path("real")));
    bench.append("real/web.log", "two\n");
    bench.tailer.changed("web.log".as_ref());
    let (now, wall) = (bench.now(), bench.wall().into());
    assert!(bench.tailer.turn(now, wall).progressed);
    assert!(!bench.tailer.take_moved());
}

#[test]
fn the_dated_files_that_a_link_was_moved_over_are_all_read() {
    for crash in [false, true] {
        let mut bench = Bench::new();
        bench.settle();
        bench.append("app-2026-11-20.log", "one\n");
        link(&bench, "app-2026-11-20.log", "app.log");
        assert_eq!(bench.lines(), ["one"]);
        bench.append("app-2026-11-20.log", "two\n");
        bench.append("app-2026-11-21.log", "three\n");
        bench.append("app-2026-11-22.log", "four\n");
        bench.append("other-2026-11-22.log", "strange\n");
        link(&bench, "app-2026-11-22.log", "app.log");
        if crash {
            bench.restart();
        }
        assert_eq!(bench.lines(), ["two", "three", "four"], "crash: {crash}");
    }
}

#[test]
fn after_a_crash_a_file_is_found_in_the_folder_that_its_link_led_to() {
    let mut bench = linked();
    bench.append("real/web.log", "two\n");
    bench.rename("real/web.log", "real/any other name");
    fs::create_dir(bench.path("elsewhere")).expect("made");
    bench.append("elsewhere/app.log", "three\n");
    link(&bench, "elsewhere/app.log", "links/app.log");
    bench.restart();
    assert_eq!(bench.lines(), ["two", "three"]);
}

#[test]
fn a_file_that_is_configured_by_itself_is_no_generation_of_a_linked_log() {
    let mut bench = linked();
    let path = bench.path("real/web.log.1");
    bench.watches.push(crate::logs::files::Watch {
        path,
        target: super::bench::target("other"),
        ..bench.watches[0].clone()
    });
    bench.restart();
    bench.settle();
    bench.append("real/web.log.1", "two\n");
    bench.rename("real/web.log", "real/web.log.2");
    bench.append("real/web.log", "three\n");
    assert_eq!(bench.lines(), ["three"]);
    assert_eq!(bench.lines_of("other"), ["two"]);
}
