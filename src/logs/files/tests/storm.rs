//! Rotations that go on while the tailer looks.
use super::bench::Bench;
use crate::telemetry::counters;
use std::{
    collections::BTreeSet,
    fs::{self, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

const ROUNDS: usize = 30;
const ROTATIONS: usize = 60;
const LINES: usize = 4;

fn generation(log: &Path, number: usize) -> PathBuf {
    PathBuf::from(format!("{}.{number}", log.display()))
}

fn line(rotation: usize, n: usize) -> String {
    format!("generation {rotation} line {n}")
}

/// Writes a few lines, renames every generation one up, and again, without a pause.
fn write_and_rotate(log: &Path) {
    for rotation in 0..ROTATIONS {
        let mut file = OpenOptions::new().create_new(true).append(true).open(log).expect("writable");
        for n in 0..LINES {
            writeln!(file, "{}", line(rotation, n)).expect("written");
        }
        for number in (1..=rotation).rev() {
            fs::rename(generation(log, number), generation(log, number + 1)).expect("renamed");
        }
        fs::rename(log, generation(log, 1)).expect("renamed");
    }
    fs::write(log, "the last\n").expect("written");
}

/// What arrives while a program rotates its log as fast as it can, and after it.
fn lines_of_a_storm() -> Vec<String> {
    let mut bench = Bench::new();
    bench.settle();
    let log = bench.path("app.log");
    let writer = std::thread::spawn(move || write_and_rotate(&log));
    let mut lines = Vec::new();
    while !writer.is_finished() {
        lines.extend(bench.lines());
    }
    writer.join().expect("no panic");
    // Rotations are over; the search that comes after the last one is included.
    for _ in 0..10 {
        bench.pass(Duration::from_secs(1));
        lines.extend(bench.lines());
    }
    lines
}

#[test]
fn rotations_without_a_pause_hide_nothing_and_keep_the_order() {
    let mut expected: Vec<_> = (0..ROTATIONS).flat_map(|r| (0..LINES).map(move |n| line(r, n))).collect();
    expected.push("the last".into());
    for round in 0..ROUNDS {
        let lines = lines_of_a_storm();
        assert_eq!(lines.len(), expected.len(), "lost or repeated in round {round}");
        let differs = lines.iter().zip(&expected).position(|(a, b)| a != b);
        assert_eq!(differs, None, "order in round {round}: {:?}", differs.map(|n| &lines[n.saturating_sub(2)..n + 6]));
    }
}

#[test]
fn a_generation_that_was_hidden_during_its_rotation_is_found_when_that_is_over() {
    let mut bench = Bench::new();
    bench.append("app.log", "one\n");
    assert_eq!(bench.lines(), ["one"]);
    bench.rotate();
    bench.append("app.log", "two\n");
    // Some tools rename in two steps.
    bench.rename("app.log", "app.log.rotating");
    bench.append("app.log", "three\n");
    assert_eq!(bench.lines(), ["three"]);
    bench.rename("app.log.1", "app.log.2");
    bench.rename("app.log.rotating", "app.log.1");
    bench.pass(Duration::from_secs(2));
    assert_eq!(bench.lines(), ["two"]);
    bench.pass(Duration::from_secs(10));
    assert!(bench.lines().is_empty(), "found once");
}

#[test]
fn a_file_system_whose_clock_lags_hides_no_generation_of_the_first_moments() {
    let mut bench = Bench::with(64, |bench| bench.append("app.log.7", "written before the daemon came\n"));
    bench.settle();
    bench.append("app.log", "one\n");
    let file = OpenOptions::new().append(true).open(bench.path("app.log")).expect("writable");
    // Kernels date files by a clock that ticks each few milliseconds.
    file.set_modified(bench.wall() - Duration::from_millis(50)).expect("dated");
    bench.rotate();
    bench.append("app.log", "two\n");
    assert_eq!(bench.lines(), ["one", "two"]);
    bench.restart();
    assert!(bench.lines().is_empty());
}

#[test]
fn what_lay_beside_a_file_that_never_came_is_still_none_of_ours_after_a_restart() {
    let mut bench = Bench::with(64, |bench| bench.append("app.log.7", "written before the daemon came\n"));
    bench.settle();
    bench.restart();
    bench.append("app.log", "one\n");
    assert_eq!(bench.lines(), ["one"]);
}

#[test]
fn a_folder_that_never_comes_to_rest_holds_up_the_log_for_a_while_only() {
    let mut bench = Bench::new();
    bench.append("app.log", "one\n");
    assert_eq!(bench.lines(), ["one"]);
    fs::write(bench.path("app.log.1000"), "old\n").expect("written");
    let (log, over) = (bench.path("app.log"), Arc::new(AtomicBool::new(false)));
    let is_over = over.clone();
    let restless = std::thread::spawn(move || {
        let from = (1000..).take_while(|_| !is_over.load(Ordering::Relaxed));
        from.for_each(|n| fs::rename(generation(&log, n), generation(&log, n + 1)).expect("renamed"));
    });
    bench.rotate();
    bench.append("app.log", "two\n");
    let mut lines = bench.lines();
    bench.pass(Duration::from_secs(10));
    lines.extend(bench.lines());
    over.store(true, Ordering::Relaxed);
    restless.join().expect("no panic");
    lines.retain(|line| line != "old");
    assert_eq!(lines, ["two"]);
}

#[test]
fn a_log_that_is_copied_and_cut_short_all_the_time_is_read_whole_and_nothing_is_called_missed() {
    let missed = counters::BYTES_MISSED.here();
    for round in 0..ROUNDS {
        let mut bench = Bench::new();
        bench.settle();
        let log = bench.path("app.log");
        let writer = std::thread::spawn(move || {
            let mut file = OpenOptions::new().create_new(true).append(true).open(&log).expect("writable");
            for rotation in 0..ROTATIONS {
                // At once: what begins with less than 256 bytes is not told from others by its beginning.
                let text: String = (0..LINES).map(|n| format!("{} {}\n", line(rotation, n), "x".repeat(100))).collect();
                file.write_all(text.as_bytes()).expect("written");
                for number in (1..=rotation).rev() {
                    fs::rename(generation(&log, number), generation(&log, number + 1)).expect("renamed");
                }
                fs::copy(&log, generation(&log, 1)).expect("copied");
                file.set_len(0).expect("cut");
            }
        });
        let mut lines = BTreeSet::new();
        while !writer.is_finished() {
            lines.extend(bench.lines());
        }
        writer.join().expect("no panic");
        for _ in 0..10 {
            bench.pass(Duration::from_secs(1));
            lines.extend(bench.lines());
        }
        assert_eq!(lines.len(), ROTATIONS * LINES, "lost in round {round}");
        assert_eq!(counters::BYTES_MISSED.here() - missed, 0, "in round {round}");
    }
}
