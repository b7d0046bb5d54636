//! Events of several lines, and of other encodings, from a file that grows into the lane.
use super::bench::{Bench, messages};
use crate::{
    config::settings::text::{Redaction, TextRules},
    logs::files::{content::READ, in_one_round},
    telemetry::counters,
};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

/// A line that does not begin with a space begins an event.
fn gathering() -> Bench {
    Bench::with(64, |bench| bench.gather(r"^\S"))
}

/// Turns as the loop around the tailer would take them, without any hint, for so long.
fn run(bench: &mut Bench, time: Duration) -> Vec<String> {
    let (mut lines, end) = (Vec::new(), bench.clock + time);
    loop {
        let turn = bench.tailer.turn(bench.now(), bench.wall().into());
        for chunk in bench.chunks("g") {
            lines.extend(messages(&chunk));
            bench.keeper.ack(chunk.source, chunk.from, chunk.to, Some(chunk.end));
        }
        if !turn.progressed {
            if bench.clock + turn.next_look > end {
                bench.clock = end;
                return lines;
            }
            assert!(!turn.next_look.is_zero() || turn.progressed, "it would never sleep");
            bench.pass(turn.next_look);
        }
    }
}

#[test]
fn an_event_goes_when_the_next_one_begins() {
    let mut bench = gathering();
    bench.append("app.log", "one\n a\n");
    assert!(bench.lines().is_empty());
    bench.append("app.log", " b\ntwo\n");
    assert_eq!(bench.lines(), ["one\n a\n b"]);
}

#[test]
fn the_last_event_goes_when_nothing_came_for_five_seconds_and_not_three_more() {
    let mut bench = gathering();
    bench.append("app.log", "one\n a\n");
    assert!(bench.lines().is_empty());
    assert!(run(&mut bench, 4 * SECOND).is_empty());
    assert_eq!(run(&mut bench, SECOND), ["one\n a"]);
    assert!(run(&mut bench, 100 * SECOND).is_empty());
}

#[test]
fn each_line_begins_the_wait_anew_and_after_a_minute_it_goes_all_the_same() {
    let mut bench = gathering();
    bench.append("app.log", "one\n");
    for n in 0..14 {
        assert!(bench.lines().is_empty(), "after {n} lines");
        assert!(run(&mut bench, 4 * SECOND).is_empty(), "after {n} lines");
        bench.append("app.log", format!(" {n}\n"));
    }
    assert!(bench.lines().is_empty());
    let [event] = &run(&mut bench, 4 * SECOND)[..] else { panic!("after a minute") };
    assert!(event.starts_with("one\n 0\n") && event.ends_with("\n 13"));
    bench.append("app.log", " headless\n");
    assert!(bench.lines().is_empty());
    assert_eq!(run(&mut bench, 5 * SECOND), [" headless"]);
}

#[test]
fn a_line_without_an_end_is_left_when_the_event_before_it_goes() {
    let mut bench = gathering();
    bench.append("app.log", "one\n a");
    assert!(bench.lines().is_empty());
    assert_eq!(run(&mut bench, 10 * SECOND), ["one"]);
    bench.append("app.log", "bc\n");
    assert!(bench.lines().is_empty());
    assert_eq!(run(&mut bench, 10 * SECOND), [" abc"]);
}

#[test]
fn the_open_event_is_read_again_after_a_crash_and_after_its_delivery_it_is_not() {
    let mut bench = gathering();
    bench.append("app.log", "one\ntwo\n a\n");
    assert_eq!(bench.lines(), ["one"]);
    bench.restart();
    assert!(bench.lines().is_empty());
    bench.append("app.log", " b\n");
    assert!(bench.lines().is_empty());
    assert_eq!(run(&mut bench, 5 * SECOND), ["two\n a\n b"]);
    bench.restart();
    assert!(run(&mut bench, 10 * SECOND).is_empty());
}

#[test]
fn the_last_event_of_a_rotated_file_goes_before_the_first_of_the_next() {
    let mut bench = gathering();
    bench.append("app.log", "one\n a\n b");
    assert!(bench.lines().is_empty());
    bench.rotate();
    bench.append("app.log", "two\nthree\n");
    assert!(bench.lines().is_empty());
    bench.pass(5 * SECOND);
    assert_eq!(bench.lines(), ["one\n a\n b", "two", "three"]);
}

#[test]
fn the_last_event_of_a_log_that_is_copied_and_cut_short_is_read_from_the_copy() {
    let mut bench = gathering();
    bench.append("app.log", "one\n a\n");
    assert!(bench.lines().is_empty());
    bench.copy_and_truncate();
    bench.append("app.log", "two\nthree\n");
    assert!(bench.lines().is_empty());
    bench.pass(6 * SECOND);
    assert_eq!(bench.lines(), ["one\n a", "two", "three"]);
}

#[test]
fn in_a_single_round_nobody_waits_for_more_lines() {
    let mut bench = Bench::with(64, |bench| {
        bench.gather(r"^\S");
        bench.watches[0].text = in_one_round(&bench.watches[0].text);
    });
    bench.append("app.log", "one\n a\n");
    assert_eq!(bench.lines(), ["one\n a"]);
}

#[test]
fn an_event_that_waits_shows_on_the_board_as_what_is_not_finished() {
    let mut bench = gathering();
    bench.append("app.log", "one\ntwo\n a\n");
    assert_eq!(bench.lines(), ["one"]);
    let line = bench.board.read().sources.into_values().next().expect("one line");
    assert_eq!((line.read, line.size, line.unfinished), (4, Some(11), Some(4)));
}

#[test]
fn a_long_event_in_small_appends_is_whole_and_is_read_a_few_times_only() {
    let mut bench = gathering();
    let mut text = "one\n".to_owned();
    bench.append("app.log", &text);
    let before = READ.get();
    for n in 0..1_000 {
        let line = format!("  at {n} {}\n", "x".repeat(500));
        bench.append("app.log", &line);
        text.push_str(&line);
        assert!(bench.chunks("g").is_empty());
        bench.turn();
    }
    bench.append("app.log", "two\n");
    assert_eq!(bench.lines(), [text.trim_end()]);
    let read = READ.get() - before;
    assert!(read < 20 * text.len() as u64, "{read} for {}", text.len());
}

#[test]
fn a_full_lane_does_not_keep_the_tailer_awake_for_an_event_that_is_due() {
    let mut bench = Bench::with(1, |bench| bench.gather(r"^\S"));
    bench.append("app.log", "one\ntwo\n");
    bench.turn();
    bench.settle();
    bench.pass(5 * SECOND);
    bench.tailer.turn(bench.now(), bench.wall().into());
    let turn = bench.tailer.turn(bench.now(), bench.wall().into());
    assert!(!turn.progressed && turn.next_look > SECOND, "{turn:?}");
    assert_eq!(bench.lines(), ["one", "two"]);
}

#[test]
fn a_log_without_any_start_goes_on_by_size() {
    let mut bench = Bench::with(64, |bench| {
        bench.gather("^never");
        let rules = bench.watches[0].text.as_ref().clone();
        bench.watches[0].text = TextRules { max_event_bytes: 1000, ..rules }.into();
    });
    let before = counters::EVENTS_SPLIT.here();
    for _ in 0..3 {
        bench.append("app.log", "a line of this log\n".repeat(100));
        assert!(!bench.lines().is_empty());
    }
    assert!(counters::EVENTS_SPLIT.here() - before > 3);
    let rest = run(&mut bench, 5 * SECOND);
    assert!(rest.len() == 1 && rest[0].starts_with("a line of this log"));
}

#[test]
fn what_masks_make_too_much_of_for_one_slice_goes_with_the_next_without_waiting_for_more() {
    let mut bench = Bench::with(64, |bench| {
        let expression = regex::bytes::Regex::new("x").expect("a good pattern");
        let redact = vec![Redaction { expression, replacement: "m".repeat(4096) }];
        bench.watches[0].text = TextRules { redact, ..TextRules::default() }.into();
        bench.append("app.log", "x\n".repeat(3000));
    });
    let lines = run(&mut bench, SECOND);
    assert!(lines.len() == 3000 && lines.iter().all(|line| line.len() == 4096), "{}", lines.len());
}

/// In UTF-16, little end first.
fn wide(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

#[test]
fn a_log_in_utf16_is_decoded_across_appends_and_restarts() {
    let mut bench = Bench::new();
    // The mark comes byte by byte.
    bench.append("app.log", b"\xff");
    assert!(bench.lines().is_empty());
    bench.append("app.log", b"\xfe");
    assert!(bench.lines().is_empty());
    let text = wide("eins ü\r\nzwei €\n");
    bench.append("app.log", &text[..21]);
    assert_eq!(bench.lines(), ["eins ü"]);
    bench.restart();
    bench.append("app.log", &text[21..]);
    assert_eq!(bench.lines(), ["zwei €"]);
    bench.rotate();
    bench.append("app.log", "plain\n");
    assert_eq!(bench.lines(), ["plain"], "each file is known by its own mark");
}

#[test]
fn events_of_several_lines_in_utf16_are_whole() {
    let mut bench = gathering();
    bench.append("app.log", [b"\xff\xfe".to_vec(), wide("eins\r\n  ü\r\n\r\nzwei\r\n")].concat());
    assert_eq!(bench.lines(), ["eins\n  ü\n"]);
    assert_eq!(run(&mut bench, 5 * SECOND), ["zwei"]);
}
