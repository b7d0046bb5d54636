//! Rotated files that were compressed before they were read to their end.
mod incomplete;

use super::bench::{Bench, watch};
use crate::logs::files::Watch;
use flate2::{Compression, GzBuilder};
use std::{
    fs::{self, File, OpenOptions},
    io::{Read, Write},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

const LATE: Duration = Duration::from_secs(60);
/// A compressed file that is older than this is complete.
const SETTLED: Duration = Duration::from_secs(4);

fn packed(text: &[u8], header_time: u32) -> Vec<u8> {
    let mut encoder = GzBuilder::new().mtime(header_time).write(Vec::new(), Compression::fast());
    encoder.write_all(text).expect("memory");
    encoder.finish().expect("memory")
}

fn date(bench: &Bench, name: &str, time: SystemTime) {
    let file = OpenOptions::new().append(true).open(bench.path(name)).expect("there");
    file.set_modified(time).expect("dated");
}

fn time_of(bench: &Bench, name: &str) -> SystemTime {
    fs::metadata(bench.path(name)).and_then(|data| data.modified()).expect("there")
}

/// As gzip does: the compressed file is as old as the original, which is gone.
fn gzip(bench: &Bench, name: &str) {
    let (text, time) = (fs::read(bench.path(name)).expect("there"), time_of(bench, name));
    let twin = format!("{name}.gz");
    let seconds = time.duration_since(UNIX_EPOCH).expect("later").as_secs();
    fs::write(bench.path(&twin), packed(&text, u32::try_from(seconds).expect("before 2106"))).expect("written");
    date(bench, &twin, time);
    bench.delete(name);
}

/// As programs do that rotate by themselves: nothing says when the original was written.
fn compress_now(bench: &mut Bench, name: &str) {
    let text = fs::read(bench.path(name)).expect("there");
    let twin = format!("{name}.gz");
    fs::write(bench.path(&twin), packed(&text, 0)).expect("written");
    bench.pass(Duration::from_millis(5));
    date(bench, &twin, bench.wall());
    bench.delete(name);
}

/// What arrives when compressed files have settled.
fn lines(bench: &mut Bench) -> Vec<String> {
    let mut lines = bench.lines();
    bench.pass(SETTLED);
    lines.extend(bench.lines());
    lines
}

/// Moves every `app.log.N.gz` one up.
fn shift(bench: &Bench) {
    let name = |n: usize| format!("app.log.{n}.gz");
    let last = (1..).find(|n| !bench.path(&name(*n)).exists()).expect("there is an end");
    (1..last).rev().for_each(|n| bench.rename(&name(n), &name(n + 1)));
}

/// Moves every compressed generation one up, and the log away into the first one.
pub fn rotate(bench: &Bench) {
    shift(bench);
    bench.rename("app.log", "app.log.1");
    gzip(bench, "app.log.1");
}

/// A bench whose first run delivered this text and ended.
fn after(text: &str) -> Bench {
    let mut bench = Bench::with(64, |bench| bench.watches[0].from_beginning = false);
    bench.settle();
    bench.append("app.log", text);
    assert_eq!(bench.lines(), text.lines().collect::<Vec<_>>());
    bench
}

/// Enough lines to know a file by.
fn long(what: &str) -> String {
    (0..100).map(|n| format!("{what} line {n}\n")).collect()
}

#[test]
fn what_was_compressed_while_it_is_open_is_read_from_its_handle_and_not_again() {
    for text in ["two\n".to_owned(), long("two")] {
        for tool in [|bench: &mut Bench, name: &str| gzip(bench, name), compress_now] {
            let mut bench = after("one\n");
            bench.append("app.log", &text);
            bench.rename("app.log", "app.log.1");
            tool(&mut bench, "app.log.1");
            bench.append("app.log", "three\n");
            let expected: Vec<_> = text.lines().chain(["three"]).collect();
            assert_eq!(lines(&mut bench), expected);
            bench.pass(LATE);
            assert_eq!(bench.lines(), [""; 0]);
            assert_eq!(bench.keeper.positions().len(), 1, "it is finished");
            shift(&bench);
            bench.rename("app.log", "app.log.1");
            bench.append("app.log", "four\n");
            assert_eq!(lines(&mut bench), ["four"]);
        }
    }
}

#[test]
fn what_was_compressed_after_it_was_delivered_is_not_sent_at_the_next_rotation() {
    for text in ["one\n".to_owned(), long("one")] {
        let mut bench = after(&text);
        bench.rename("app.log", "app.log.1");
        bench.append("app.log", "two\n");
        assert_eq!(bench.lines(), ["two"]);
        bench.pass(LATE);
        bench.turn();
        // The one before the last is compressed while the last one is moved away.
        bench.rename("app.log.1", "app.log.2");
        bench.rename("app.log", "app.log.1");
        bench.append("app.log", "three\n");
        if text.len() < 256 {
            gzip(&bench, "app.log.2")
        } else {
            compress_now(&mut bench, "app.log.2")
        }
        assert_eq!(lines(&mut bench), ["three"]);
    }
}

#[test]
fn what_was_compressed_after_it_was_read_and_let_go_of_is_known_by_its_text() {
    let mut bench = after(&long("one"));
    bench.rename("app.log", "app.log-20260131");
    bench.append("app.log", "two\n");
    assert_eq!(bench.lines(), ["two"]);
    for _ in 0..3 {
        bench.pass(SETTLED);
        assert_eq!(bench.lines(), [""; 0], "in the end nothing is searched for any more");
    }
    compress_now(&mut bench, "app.log-20260131");
    bench.pass(LATE);
    assert_eq!(bench.lines(), [""; 0]);
    assert_eq!(bench.keeper.positions().len(), 1, "it was let go of");
    bench.rename("app.log", "app.log.1");
    bench.append("app.log", "three\n");
    assert_eq!(lines(&mut bench), ["three"]);
}

#[test]
fn after_a_restart_a_compressed_generation_is_read_on_from_its_saved_place() {
    for (before, behind) in [("one\n".to_owned(), "two\n".to_owned()), (long("one"), long("two").repeat(500))] {
        for name in ["app.log.1", "app.log-20260131", "app-2026-01-31.log", "app.log"] {
            for tool in [|bench: &mut Bench, name: &str| gzip(bench, name), compress_now] {
                let mut bench = after(&before);
                bench.append("app.log", &behind);
                if name != "app.log" {
                    bench.rename("app.log", name);
                }
                tool(&mut bench, name);
                bench.append("app.log", "three\n");
                bench.restart();
                assert!(lines(&mut bench).iter().map(String::as_str).eq(behind.lines().chain(["three"])), "{name}");
                bench.pass(LATE);
                bench.turn();
                assert_eq!(bench.keeper.positions().len(), 1, "it is finished");
                bench.restart();
                assert_eq!(lines(&mut bench), [""; 0]);
            }
        }
    }
}

#[test]
fn generations_that_nobody_saw_are_read_whole_and_oldest_first_although_they_are_compressed() {
    let mut bench = after("one\n");
    for text in ["two\n", "three\n", "four\n"] {
        bench.append("app.log", text);
        rotate(&bench);
    }
    bench.append("app.log", "five\n");
    bench.restart();
    assert_eq!(lines(&mut bench), ["two", "three", "four", "five"]);
    bench.pass(LATE);
    bench.restart();
    assert_eq!(lines(&mut bench), [""; 0]);
}

#[test]
fn generations_between_two_looks_are_found_although_they_are_compressed() {
    let mut bench = after("one\n");
    for text in ["two\n", "three\n", "four\n"] {
        bench.append("app.log", text);
        rotate(&bench);
    }
    bench.append("app.log", "five\n");
    assert_eq!(lines(&mut bench), ["two", "three", "four", "five"]);
    bench.pass(LATE);
    assert_eq!(bench.lines(), [""; 0]);
}

#[test]
fn generations_that_are_compressed_while_they_wait_for_a_handle_are_read_in_their_turn() {
    let mut bench = Bench::with(1, |_| {});
    bench.tailer.hold_at_most(2);
    bench.append("app.log", long("one").repeat(300));
    bench.settle();
    for name in ["two", "three", "four"] {
        bench.rotate();
        bench.append("app.log", long(name));
        bench.turn();
    }
    bench.pass(SETTLED);
    for name in ["app.log.1", "app.log.2"] {
        gzip(&bench, name);
    }
    let mut arrived = lines(&mut bench);
    for _ in 0..10 {
        bench.pass(Duration::from_secs(5));
        arrived.extend(bench.lines());
    }
    let expected = [long("one").repeat(300), long("two"), long("three"), long("four")].concat();
    assert!(
        arrived.iter().map(String::as_str).eq(expected.lines()),
        "{} of {}",
        arrived.len(),
        expected.lines().count()
    );
}

#[test]
fn older_compressed_generations_are_left_alone_even_if_they_were_compressed_later() {
    let mut bench = Bench::with(64, |bench| {
        bench.append("app.log.3", long("long ago"));
        gzip(bench, "app.log.3");
    });
    bench.append("app.log", "one\n");
    assert_eq!(bench.lines(), ["one"]);
    bench.append("app.log.2", long("before that"));
    date(&bench, "app.log.2", bench.wall() - LATE);
    bench.append("app.log", "two\n");
    // In this order they were given their names, the compressed one with a date of that moment.
    compress_now(&mut bench, "app.log.2");
    std::thread::sleep(Duration::from_millis(15));
    bench.rename("app.log", "app.log.1");
    bench.append("app.log", "three\n");
    bench.restart();
    assert_eq!(lines(&mut bench), ["two", "three"]);
}

#[test]
fn a_header_that_knows_when_the_text_was_written_counts_where_the_file_was_dated_anew() {
    let mut bench = Bench::new();
    bench.append("app.log.1", "long ago\n");
    let old = bench.wall();
    bench.pass(LATE);
    bench.append("app.log", "one\n");
    assert_eq!(bench.lines(), ["one"]);
    bench.append("app.log", "two\n");
    bench.delete("app.log");
    date(&bench, "app.log.1", old);
    gzip(&bench, "app.log.1");
    date(&bench, "app.log.1.gz", bench.wall());
    bench.append("app.log", "three\n");
    bench.restart();
    assert_eq!(lines(&mut bench), ["three"]);
}

#[test]
fn a_delivered_log_that_is_compressed_and_has_no_successor_is_not_sent_by_a_later_run() {
    for tool in [|bench: &mut Bench, name: &str| gzip(bench, name), compress_now] {
        let mut bench = after(&long("one"));
        bench.rename("app.log", "app.log.1");
        tool(&mut bench, "app.log.1");
        assert_eq!(lines(&mut bench), [""; 0]);
        bench.pass(LATE);
        assert_eq!(bench.lines(), [""; 0]);
        bench.restart();
        assert_eq!(lines(&mut bench), [""; 0]);
        bench.append("app.log", "two\n");
        assert_eq!(lines(&mut bench), ["two"]);
        bench.restart();
        assert_eq!(lines(&mut bench), [""; 0]);
    }
}

#[test]
fn the_original_is_read_while_it_is_there_and_its_twin_never() {
    let mut bench = after("one\n");
    bench.append("app.log", long("two"));
    bench.rename("app.log", "app.log.1");
    bench.append("app.log", "three\n");
    let text = fs::read(bench.path("app.log.1")).expect("there");
    let whole = packed(&text, 0);
    fs::write(bench.path("app.log.1.gz"), &whole[..whole.len() / 2]).expect("written");
    date(&bench, "app.log.1.gz", bench.wall());
    bench.restart();
    assert_eq!(bench.lines().len(), 101, "nothing is waited for");
    fs::write(bench.path("app.log.1.gz"), &whole).expect("written");
    date(&bench, "app.log.1.gz", bench.wall());
    bench.delete("app.log.1");
    assert_eq!(lines(&mut bench), [""; 0]);
    bench.pass(LATE);
    bench.rename("app.log.1.gz", "app.log.2.gz");
    bench.rename("app.log", "app.log.1");
    bench.append("app.log", "four\n");
    assert_eq!(lines(&mut bench), ["four"]);
}

#[test]
fn reading_of_a_compressed_generation_goes_on_after_a_crash_under_whatever_name_it_has_then() {
    let mut bench = after("one\n");
    let text = long("two").repeat(2_000);
    bench.append("app.log", &text);
    rotate(&bench);
    bench.append("app.log", "three\n");
    bench.pass(SETTLED);
    bench.restart();
    bench.settle();
    let mut arrived = Vec::new();
    for _ in 0..3 {
        let chunk = bench.chunk("g").expect("read");
        arrived.extend(super::bench::messages(&chunk));
        bench.keeper.ack(chunk.source, chunk.from, chunk.to, Some(chunk.end));
    }
    shift(&bench);
    bench.restart();
    arrived.extend(lines(&mut bench));
    assert!(arrived.iter().map(String::as_str).eq(text.lines().chain(["three"])), "{}", arrived.len());
}

#[test]
fn a_log_that_is_compressed_into_a_copy_and_cut_short_is_finished_from_that() {
    for down in [false, true] {
        let mut bench = after(&long("one"));
        bench.append("app.log", "two\n");
        fs::copy(bench.path("app.log"), bench.path("app.log.1")).expect("copied");
        compress_now(&mut bench, "app.log.1");
        bench.truncate("app.log");
        bench.append("app.log", "three\n");
        if down {
            bench.restart();
        }
        assert_eq!(lines(&mut bench), ["two", "three"]);
    }
}

#[test]
fn a_compressed_generation_belongs_to_the_log_that_is_configured_by_its_name() {
    let mut bench = Bench::with(64, |bench| {
        let path = bench.path("app.log.2");
        bench.watches.push(Watch { target: super::bench::target("other"), ..watch(path) });
    });
    bench.append("app.log", "one\n");
    bench.append("app.log.2", "first\n");
    assert_eq!((bench.lines(), bench.lines_of("other")), (vec!["one".to_owned()], vec!["first".to_owned()]));
    bench.append("app.log.2", "second\n");
    gzip(&bench, "app.log.2");
    bench.append("app.log", "two\n");
    bench.rename("app.log", "app.log.1");
    bench.append("app.log", "three\n");
    bench.restart();
    assert_eq!(lines(&mut bench), ["two", "three"]);
    assert_eq!(bench.lines_of("other"), ["second"]);
}

#[test]
fn what_other_tools_compressed_is_left_alone() {
    let mut bench = after("one\n");
    bench.append("app.log", "two\n");
    bench.delete("app.log");
    for name in ["app.log.1.zst", "app.log.2.xz", "app.log.3.bz2", "app.log.4.zst.gz"] {
        bench.append(name, "something\n");
    }
    bench.append("app.log", "three\n");
    bench.restart();
    assert_eq!(lines(&mut bench), ["three"]);
}

#[test]
fn what_gzip_packs_is_what_these_tests_unpack() {
    let bench = Bench::new();
    fs::write(bench.path("one"), "one\n").expect("written");
    gzip(&bench, "one");
    let mut text = String::new();
    let file = File::open(bench.path("one.gz")).expect("there");
    flate2::read::GzDecoder::new(file).read_to_string(&mut text).expect("gzip");
    assert_eq!(text, "one\n");
}
