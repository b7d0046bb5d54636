use super::*;
use crate::{
    config::settings::{
        Filter,
        text::{MultiLine, Redaction, TextRules},
    },
    logs::{
        lines::{Cut, ENOUGH},
        text::{encoding::Decoder, parts::CONTINUED},
    },
    model::{Event, Timestamp, limits::MESSAGE_BYTES},
};
use proptest::prelude::*;
use regex::bytes::Regex;
use std::sync::Arc;

fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).expect("a good pattern")
}

fn starting(pattern: &str, most: usize) -> Assembler {
    let rules =
        TextRules { multi_line: MultiLine::Start(regex(pattern)), max_event_bytes: most, ..TextRules::default() };
    Assembler::new(&Arc::new(rules), Decoder::new(Default::default(), b""), None)
}

fn gathering() -> Assembler {
    starting(r"^\S", MESSAGE_BYTES)
}

fn cut(text: &str, tail: Tail) -> (Vec<String>, usize) {
    let cut = gathering().cut(text.as_bytes(), 0, Timestamp::default(), tail);
    (messages(text.as_bytes(), &cut), cut.used)
}

fn messages(text: &[u8], cut: &Cut) -> Vec<String> {
    let all = [text, &cut.rewritten].concat();
    let message = |e: &Event| String::from_utf8_lossy(&all[e.start as usize..e.end as usize]).into_owned();
    cut.events.iter().map(message).collect()
}

#[test]
fn an_event_is_a_line_that_begins_one_and_all_up_to_the_next() {
    let text = "one\n  a\n\tb\ntwo\nthree\n c\n";
    assert_eq!(cut(text, Tail::Growing), (vec!["one\n  a\n\tb".into(), "two".into()], 15));
    assert_eq!(cut(text, Tail::Quiet), (vec!["one\n  a\n\tb".into(), "two".into(), "three\n c".into()], 24));
}

#[test]
fn the_events_of_usual_text_are_spans_of_what_was_read() {
    let cut = gathering().cut(b"one\n a\ntwo\n", 0, Timestamp::default(), Tail::Quiet);
    assert_eq!((cut.rewritten.len(), cut.events[0].start, cut.events[0].end), (0, 0, 6));
}

#[test]
fn carriage_returns_go_from_each_line_of_an_event() {
    assert_eq!(cut("one\r\n a\r\n\r\ntwo\r\n", Tail::Quiet).0, ["one\n a\n", "two"]);
}

#[test]
fn blank_lines_belong_to_the_event_before_them_and_vanish_where_there_is_none() {
    assert_eq!(cut("\n\none\n\n a\n\ntwo\n", Tail::Quiet).0, ["one\n\n a\n", "two"]);
}

#[test]
fn lines_before_the_first_that_begins_an_event_are_one_too() {
    assert_eq!(cut(" x\n y\none\n", Tail::Growing), (vec![" x\n y".into()], 6));
}

#[test]
fn what_follows_a_complete_event_without_beginning_one_is_an_event_without_a_head() {
    let mut lines = gathering();
    let first = lines.cut(b"one\n a\n", 0, Timestamp::default(), Tail::Quiet);
    assert_eq!((first.events.len(), first.used), (1, 7));
    let text = b" b\ntwo\n";
    let second = lines.cut(text, 7, Timestamp::default(), Tail::Growing);
    assert_eq!((messages(text, &second), second.used), (vec![" b".into()], 3));
}

#[test]
fn a_line_without_an_end_stays_when_the_event_before_it_goes_and_goes_with_it_at_the_last() {
    let text = "one\n a\n b";
    assert_eq!(cut(text, Tail::Growing), (vec![], 0));
    assert_eq!(cut(text, Tail::Quiet), (vec!["one\n a".into()], 7));
    assert_eq!(cut(text, Tail::Last), (vec!["one\n a\n b".into()], 9));
    assert_eq!(cut("one\n a\ntwo", Tail::Last).0, ["one\n a", "two"]);
}

#[test]
fn the_rest_of_a_line_that_went_without_its_end_shares_its_fate() {
    let mut lines = gathering();
    lines.cut(b"one\n a", 0, Timestamp::from_millis(7), Tail::Last);
    let text = b"bc\n d\ntwo\n";
    let late = lines.cut(text, 6, Timestamp::from_millis(8), Tail::Growing);
    assert_eq!(messages(text, &late), ["bc", " d"]);
    assert_eq!(late.events[0].at, Timestamp::from_millis(7));
}

#[test]
fn an_event_that_would_grow_over_the_limit_goes_before_that_and_nothing_is_left_out() {
    let (a, b, c) = ("a".repeat(45), "b".repeat(45), "c".repeat(150));
    let text = format!("one\n {a}\n {b}\n\n {c}\n d\ntwo\n");
    let mut lines = starting(r"^\S", 97);
    let cut = lines.cut(text.as_bytes(), 0, Timestamp::default(), Tail::Quiet);
    let found = messages(text.as_bytes(), &cut);
    assert_eq!((found.len(), &found[0]), (5, &format!("one\n {a}\n {b}")));
    assert_eq!(found[1..3].concat().matches('c').count(), 150);
    assert_eq!(found[3..], [" d", "two"]);
    assert!(cut.full > 0 && found.iter().all(|event| event.len() <= 97));
}

/// What `rules` make of an event of several lines that is longer than its messages may be, and of one behind it.
fn split_late(rules: TextRules) -> Vec<String> {
    let text = format!("ERROR one\n{} BEGIN {}\n{} END\nnext\n", " a\n".repeat(60), "b".repeat(150), " c\n".repeat(60));
    let multi_line = MultiLine::Start(regex(r"^\S"));
    let rules = TextRules { multi_line, max_event_bytes: 256, ..rules };
    let mut lines = Assembler::new(&Arc::new(rules), Decoder::new(Default::default(), b""), None);
    let cut = lines.cut(text.as_bytes(), 0, Timestamp::default(), Tail::Quiet);
    assert_eq!(cut.used, text.len());
    messages(text.as_bytes(), &cut)
}

#[test]
fn an_event_over_the_limit_is_masked_whole_before_it_is_split() {
    let expression = regex("(?s)BEGIN.*END");
    let redact = vec![Redaction { expression, replacement: "***".into() }];
    let found = split_late(TextRules { redact, ..TextRules::default() });
    let (next, parts) = found.split_last().expect("several");
    let whole: String = parts.iter().map(|part| part.strip_suffix(CONTINUED).unwrap_or(part)).collect();
    assert_eq!((next.as_str(), whole), ("next", format!("ERROR one\n{} ***", " a\n".repeat(60))));
    let longer = split_late(TextRules { redact: vec![], ..TextRules::default() });
    assert!(longer.iter().all(|part| part.len() <= 256) && longer.concat().contains("BEGIN"), "{longer:?}");
}

#[test]
fn an_event_of_many_lines_is_truncated_once() {
    let found =
        split_late(TextRules { oversize: crate::config::settings::text::Oversize::Truncate, ..TextRules::default() });
    assert!(found.len() == 2 && found[0].len() <= 256 && found[0].ends_with("[Truncated...]"), "{found:?}");
    assert_eq!(found[1], "next");
}

#[test]
fn filters_judge_an_event_over_the_limit_as_a_whole() {
    let filtered = |filter: Filter| split_late(TextRules { filter, ..TextRules::default() });
    let excluded = filtered(Filter { exclude_patterns: vec![regex(" END$")], ..Filter::default() });
    assert_eq!(excluded, ["next"], "its beginning does not go either");
    for pattern in ["^ERROR", " END$", "(?s)^ERROR.*END$"] {
        let found = filtered(Filter { include_patterns: vec![regex(pattern)], ..Filter::default() });
        assert!(found.len() > 1 && found.iter().all(|part| part.len() <= 256), "{pattern}: {found:?}");
        assert!(found[0].starts_with("ERROR one") && found.concat().ends_with(" END"), "{pattern}: {found:?}");
    }
}

#[test]
fn a_log_in_which_no_line_begins_an_event_goes_on_by_size_and_says_so_once() {
    let mut lines = starting("^never", 100);
    let text = "some line of a log\n".repeat(50);
    let cut = lines.cut(text.as_bytes(), 0, Timestamp::default(), Tail::Growing);
    assert!(cut.full > 5 && cut.used > text.len() - 120);
    assert!(lines.complain_once() && !lines.complain_once());
    let mut lines = starting("^some", 100);
    lines.cut(text.as_bytes(), 0, Timestamp::default(), Tail::Growing);
    assert!(!lines.complain_once(), "here each one does");
}

#[test]
fn an_event_of_any_size_leaves_room_in_the_buffer() {
    for text in [format!("{}\n", "x".repeat(ENOUGH - 1)), format!("a\n{}", " b\n".repeat(ENOUGH / 3))] {
        let text = &text.as_bytes()[..ENOUGH];
        assert!(gathering().cut(text, 0, Timestamp::default(), Tail::Growing).used > 0);
    }
    let endless = vec![b'x'; ENOUGH];
    assert!(gathering().cut(&endless, 0, Timestamp::default(), Tail::Growing).used > 0);
}

#[test]
fn a_hole_within_an_event_is_no_text() {
    assert_eq!(cut("\0\0one\n\0\0 a\n\0\0two\n", Tail::Quiet).0, ["one\n a", "two"]);
}

fn content(line: &str) -> &str {
    line.strip_suffix('\r').unwrap_or(line).trim_start_matches('\0')
}

/// The events of a whole text, by the simplest rule.
fn expected(text: &str) -> Vec<String> {
    let mut events: Vec<String> = Vec::new();
    let (whole, rest) = text.rsplit_once('\n').map_or((None, text), |(whole, rest)| (Some(whole), rest));
    let rest = Some(rest).filter(|rest| !content(rest).is_empty());
    for line in whole.into_iter().flat_map(|whole| whole.split('\n')).chain(rest).map(content) {
        match events.last_mut() {
            Some(event) if !line.starts_with(|c: char| !c.is_whitespace()) => event.extend(["\n", line]),
            None if line.is_empty() => {}
            _ => events.push(line.to_owned()),
        }
    }
    events
}

fn grow(mut lines: Assembler, text: &[u8], steps: &[(usize, bool)]) -> Result<Vec<String>, TestCaseError> {
    let (mut there, mut used, mut found) = (0, 0, Vec::new());
    for &(step, quiet) in steps.iter().chain(&[(text.len(), true)]) {
        there = (there + step).min(text.len());
        let tail = match quiet {
            true if there == text.len() => Tail::Last,
            true => Tail::Quiet,
            false => Tail::Growing,
        };
        let buffer = &text[used..there];
        let cut = lines.cut(buffer, used as u64, Timestamp::default(), tail);
        found.extend(messages(buffer, &cut));
        prop_assert!(cut.events.is_sorted_by_key(|e| e.next));
        used += cut.used;
        prop_assert!(cut.events.last().is_none_or(|e| e.next == used as u64));
        if tail == Tail::Last {
            break;
        }
    }
    prop_assert_eq!(used, text.len());
    Ok(found)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn however_it_is_read_a_file_gives_the_same_events(
        text in "[ab\\n\\n\\r \\x00é]{0,60}", steps in prop::collection::vec((1..20usize, Just(false)), 0..20),
    ) {
        prop_assert_eq!(grow(gathering(), text.as_bytes(), &steps)?, expected(&text));
    }

    #[test]
    fn whenever_events_are_complete_each_line_is_in_one_of_them_and_in_order(
        text in "( ?[ab]{0,8}\\r?\\n){0,20}", most in 16..64usize,
        steps in prop::collection::vec((1..20usize, any::<bool>()), 0..20),
    ) {
        let events = grow(starting(r"^\S", most), text.as_bytes(), &steps)?;
        let lines = events.iter().flat_map(|event| event.split('\n')).filter(|line| !line.is_empty());
        let written = text.split('\n').map(content).filter(|line| !line.is_empty());
        // A part of a line that went without its end is its own.
        prop_assert_eq!(lines.collect::<String>(), written.collect::<String>());
        prop_assert!(events.iter().all(|event| event.len() <= most));
    }
}
