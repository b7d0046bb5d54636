use super::*;
use crate::{
    config::settings::{Filter, text::Encoding},
    telemetry::counters,
};
use proptest::prelude::*;

/// More than is looked at behind a cut.
const AHEAD: usize = 8 * 1024;

fn lines(rules: TextRules, first: &[u8]) -> Assembler {
    let decoder = Decoder::new(rules.encoding, first);
    Assembler::new(&Arc::new(rules), decoder, None)
}

fn plain() -> Assembler {
    lines(TextRules::default(), b"")
}

fn cut(text: &[u8], tail: Tail) -> Cut {
    lines(TextRules::default(), text).cut(text, 0, Timestamp::from_millis(1), tail)
}

fn messages(text: &[u8], cut: &Cut) -> Vec<String> {
    let all = [text, &cut.rewritten].concat();
    let message = |e: &Event| String::from_utf8_lossy(&all[e.start as usize..e.end as usize]).into_owned();
    cut.events.iter().map(message).collect()
}

fn excluding(pattern: &str) -> TextRules {
    let pattern = regex::bytes::Regex::new(pattern).expect("a good pattern");
    let filter = Filter { exclude_patterns: vec![pattern], ..Filter::default() };
    TextRules { filter, ..TextRules::default() }
}

#[test]
fn line_ends_are_stripped_and_empty_lines_are_covered_but_not_sent() {
    let text = b"\n\r\none\r\n\ntwo  \nlone\rreturn\n\n";
    let cut = cut(text, Tail::Growing);
    assert_eq!(messages(text, &cut), ["one", "two  ", "lone\rreturn"]);
    assert_eq!(cut.used, text.len());
    assert_eq!(cut.events[0].next, 9, "the empty line behind the first event is covered by it");
    assert_eq!(cut.events[2].next, text.len() as u64);
}

#[test]
fn a_secret_is_not_cut_in_two_where_a_line_without_an_end_is() {
    let redact = |expression: &str| crate::config::settings::text::Redaction {
        expression: regex::bytes::Regex::new(expression).expect("a good pattern"),
        replacement: "***".into(),
    };
    let rules =
        TextRules { redact: vec![redact("password=[a-z0-9]+"), redact("KEY.{0,300}YEK")], ..TextRules::default() };
    let secret = "password=hunter2sekrit";
    for before in
        (0..=secret.len() + 2).map(|n| PIECE - n).chain([PIECE - AHEAD - 10, PIECE - AHEAD, PIECE - 2 * AHEAD])
    {
        let text = [&"x".repeat(before - 1), " ", secret, " ", &"y".repeat(2 * AHEAD), "\nnext\n"].concat();
        let (mut lines, mut used, mut sent) = (lines(rules.clone(), b""), 0, String::new());
        while used < text.len() {
            let end = (used + ENOUGH).min(text.len());
            let buffer = &text.as_bytes()[used..end];
            let cut = lines.cut(buffer, used as u64, Timestamp::default(), Tail::Growing);
            sent += &messages(buffer, &cut).concat();
            assert!(cut.used > 0, "{before}");
            used += cut.used;
        }
        assert!(sent.contains("***") && !sent.contains("password") && !sent.contains("sekrit"), "{before}");
        assert!(!sent.contains("hunter"), "{before}");
    }
}

#[test]
fn an_unfinished_line_stays_in_the_file() {
    let text = b"one\ntw";
    for tail in [Tail::Growing, Tail::Quiet] {
        let found = cut(text, tail);
        assert_eq!((messages(text, &found), found.used, found.open), (vec!["one".to_owned()], 4, Some(4)));
        assert_eq!(cut(b"tw", tail).used, 0);
    }
}

#[test]
fn an_unfinished_line_goes_when_nothing_more_can_come() {
    let text = b"one\ntw";
    let mut lines = plain();
    let cut = lines.cut(text, 0, Timestamp::default(), Tail::Last);
    assert_eq!((messages(text, &cut), cut.used), (vec!["one".to_owned(), "tw".to_owned()], 6));
    let late = lines.cut(b"o\n\n", 6, Timestamp::default(), Tail::Growing);
    assert_eq!((late.events.len(), late.used), (1, 3));
}

#[test]
fn the_byte_order_mark_is_stripped_at_the_beginning_of_the_file_only() {
    let text = b"\xef\xbb\xbfone\n\xef\xbb\xbftwo\n";
    assert_eq!(messages(text, &cut(text, Tail::Growing)), ["one", "\u{feff}two"]);
    let later = lines(TextRules::default(), text).cut(text, 9, Timestamp::default(), Tail::Growing);
    assert_eq!(later.events[0].start, 0);
    assert_eq!(cut(b"\xef\xbb\xbf", Tail::Growing).used, 0);
}

#[test]
fn a_byte_order_mark_does_not_keep_a_long_line_from_going() {
    let text = [b"\xef\xbb\xbf".to_vec(), vec![b'x'; ENOUGH - 3]].concat();
    assert_eq!(cut(&text, Tail::Growing).used, 3);
}

#[test]
fn a_hole_before_a_line_is_skipped_and_zeros_within_it_are_kept() {
    let text = b"\0\0\0one\0x\n\0\0\n";
    let cut = cut(text, Tail::Growing);
    assert_eq!((messages(text, &cut), cut.used), (vec!["one\0x".to_owned()], text.len()));
}

#[test]
fn zeros_at_the_end_wait_because_they_may_be_written_over() {
    assert_eq!(cut(b"one\n\0\0\0", Tail::Growing).used, 4);
    assert_eq!(cut(b"one\n\0\0\0tw", Tail::Growing).used, 7, "text follows: the hole will not change");
    assert_eq!(cut(&vec![0; ENOUGH], Tail::Growing).used, ENOUGH, "bounded memory");
}

#[test]
fn what_is_not_utf8_passes_as_it_is() {
    let text = b"\xff\xc0one\n";
    let cut = cut(text, Tail::Growing);
    assert_eq!((cut.events[0].start, cut.events[0].end, cut.rewritten.len()), (0, 5, 0));
}

#[test]
fn a_line_of_exactly_the_limit_goes_whole_also_with_crlf() {
    let text = [vec![b'x'; MESSAGE_BYTES], b"\r\n".to_vec()].concat();
    let found = cut(&text, Tail::Growing);
    assert_eq!((found.events.len(), found.split, found.used), (1, 0, text.len()));
    assert_eq!(cut(&text[..MESSAGE_BYTES + 1], Tail::Growing).used, 0, "its end may be the next byte");
}

#[test]
fn a_line_over_the_limit_goes_in_parts_of_which_only_the_last_delivers_it() {
    let text = [b"a\n".to_vec(), vec![b'x'; 99], "é".repeat(4).into_bytes(), b"\n".to_vec()].concat();
    let rules = TextRules { max_event_bytes: 100, ..TextRules::default() };
    let cut = lines(rules, b"").cut(&text, 0, Timestamp::default(), Tail::Growing);
    assert_eq!((cut.events.len(), cut.split), (3, 1));
    let found = messages(&text, &cut);
    assert!(found.iter().all(|part| part.len() <= 100 && !part.contains('\u{fffd}')));
    assert_eq!(
        found[1..].iter().map(|part| part.strip_suffix(CONTINUED).unwrap_or(part)).collect::<String>().len(),
        107
    );
    assert!(found[1].ends_with(CONTINUED) && !found[2].ends_with(CONTINUED));
    assert_eq!(cut.events.iter().map(|e| e.next).collect::<Vec<_>>(), [2, 2, text.len() as u64]);
}

#[test]
fn an_event_that_is_cut_off_says_so_and_the_rest_of_it_is_not_sent() {
    let rules = TextRules { max_event_bytes: 300, oversize: Oversize::Truncate, ..TextRules::default() };
    let mut lines = lines(rules, b"");
    let text = vec![b'x'; ENOUGH];
    let first = lines.cut(&text, 0, Timestamp::default(), Tail::Growing);
    let [message] = &messages(&text, &first)[..] else { panic!("one event") };
    assert!(message.len() <= 300 && message.ends_with("[Truncated...]"));
    let end = b"end\nnext\n";
    let last = lines.cut(end, PIECE as u64, Timestamp::default(), Tail::Growing);
    assert_eq!(messages(end, &last), ["next"]);
}

#[test]
fn an_endless_line_goes_in_pieces_as_it_grows_and_is_counted_once() {
    let text = vec![b'x'; ENOUGH + 100];
    let mut lines = plain();
    let first = lines.cut(&text, 0, Timestamp::from_millis(7), Tail::Growing);
    assert_eq!((first.events.len(), first.split, first.used), (1, 1, PIECE));
    let second = lines.cut(&text, 5, Timestamp::from_millis(8), Tail::Growing);
    assert_eq!((second.events.len(), second.split, second.used), (1, 0, PIECE));
    assert_eq!(second.events[0].at, Timestamp::from_millis(7), "one event has one time");
    assert!(messages(&text, &second)[0].ends_with(CONTINUED) && messages(&text, &second)[0].len() == MESSAGE_BYTES);
    let end = lines.cut(b"end\nnext\n", 5, Timestamp::from_millis(9), Tail::Growing);
    assert_eq!((end.events.len(), lines.begun), (2, None));
    assert_eq!(end.events[1].at, Timestamp::from_millis(9));
}

#[test]
fn the_pieces_of_a_line_share_the_judgement_of_its_beginning() {
    let mut lines = lines(excluding("^secret"), b"");
    let text = [b"secret".to_vec(), vec![b'x'; ENOUGH]].concat();
    let first = lines.cut(&text, 0, Timestamp::default(), Tail::Growing);
    assert_eq!((first.events.len(), lines.begun, first.used), (0, Some(Verdict::NotSent), PIECE));
    let end = lines.cut(b"end\nnext\n", 5, Timestamp::default(), Tail::Growing);
    assert_eq!((end.events.len(), end.events[0].start), (1, 4));
}

#[test]
fn what_the_filter_keeps_back_is_covered_and_counted() {
    let before = counters::EVENTS_FILTERED.here();
    let text = b"no\none\nno\nno\ntwo\nno\n";
    let cut = lines(excluding("^no"), b"").cut(text, 100, Timestamp::default(), Tail::Growing);
    assert_eq!(messages(text, &cut), ["one", "two"]);
    assert_eq!(counters::EVENTS_FILTERED.here() - before, 4);
    assert_eq!(cut.events.iter().map(|e| e.next).collect::<Vec<_>>(), [113, 100 + text.len() as u64]);
}

#[test]
fn a_stripped_line_is_still_a_span_of_what_was_read() {
    let rules = TextRules { strip: true, ..TextRules::default() };
    let text = "  one \r\n \t\n\u{a0}tw o\u{3000}\x1f\nthree\n".as_bytes();
    let cut = lines(rules.clone(), b"").cut(text, 0, Timestamp::default(), Tail::Growing);
    assert_eq!((messages(text, &cut), cut.rewritten.len()), (["one", "tw o", "three"].map(str::to_owned).to_vec(), 0));
    let text = b" \xff \n";
    let cut = lines(rules, b"").cut(text, 0, Timestamp::default(), Tail::Growing);
    assert_eq!((cut.events[0].start, cut.events[0].end), (1, 2));
}

/// In UTF-16, with its mark.
fn wide(text: &str, big: bool) -> Vec<u8> {
    let unit = |unit: u16| if big { unit.to_be_bytes() } else { unit.to_le_bytes() };
    std::iter::once(0xfeff).chain(text.encode_utf16()).flat_map(unit).collect()
}

#[test]
fn utf16_of_either_byte_order_is_split_on_its_code_units_and_decoded() {
    // U+0A0A and U+010A hold the byte of a line end.
    let text = "one\r\n\u{0a0a}\u{010a}zwei ü\n\n€ 3\n";
    for big in [false, true] {
        let bytes = wide(text, big);
        let found = cut(&bytes, Tail::Growing);
        assert_eq!(messages(&bytes, &found), ["one", "\u{0a0a}\u{010a}zwei ü", "€ 3"]);
        let ends: Vec<_> = found.events.iter().map(|e| e.next).collect();
        assert_eq!(ends, [2 + 2 * 5, bytes.len() as u64 - 8, bytes.len() as u64], "in bytes of the file");
    }
}

#[test]
fn half_a_code_unit_at_the_end_stays_in_the_file() {
    let bytes = wide("one\ntwo\n", false);
    let bytes = &bytes[..bytes.len() - 1];
    let found = cut(bytes, Tail::Growing);
    assert_eq!((messages(bytes, &found), found.used), (vec!["one".to_owned()], 10));
}

#[test]
fn a_hole_in_utf16_is_skipped_and_half_a_letter_is_none() {
    let bytes = [wide("one\n", true), vec![0; 6], "two\n".encode_utf16().flat_map(u16::to_be_bytes).collect()].concat();
    let found = cut(&bytes, Tail::Growing);
    assert_eq!((messages(&bytes, &found), found.used), (vec!["one".to_owned(), "two".to_owned()], bytes.len()));
    let mut lines = lines(TextRules::default(), &bytes);
    assert_eq!(lines.cut(&[0, 0, 0], 10, Timestamp::default(), Tail::Growing).used, 0);
    assert_eq!(lines.cut(&[0, 0, 0, b't'], 10, Timestamp::default(), Tail::Growing).used, 2);
}

#[test]
fn a_long_wide_line_is_cut_between_characters() {
    let text = format!("{}{}", "x".repeat(PIECE / 2 - 1), "😀".repeat(100));
    let bytes = wide(&text, false)[2..].to_vec();
    let mut lines = lines(TextRules::default(), b"\xff\xfe");
    let cut = lines.cut(&[bytes.clone(), vec![b'x'; 2000]].concat(), 2, Timestamp::default(), Tail::Growing);
    assert_eq!(cut.used, (PIECE / 2 - 1) * 2, "the surrogates stay together");
}

#[test]
fn what_is_rewritten_stands_behind_what_was_read_in_its_order() {
    let rules = TextRules { encoding: Encoding::Standard(encoding_rs::GBK), ..TextRules::default() };
    let text = b"plain\n\xc4\xe3\xba\xc3\nmore\n\xc4\xe3\n";
    let cut = lines(rules, b"").cut(text, 0, Timestamp::default(), Tail::Growing);
    assert_eq!(messages(text, &cut), ["plain", "你好", "more", "你"]);
    assert_eq!(cut.rewritten, "你好你".as_bytes());
}

#[test]
fn of_lines_that_masks_make_much_longer_some_wait_so_that_memory_is_bounded() {
    let redact = vec![crate::config::settings::text::Redaction {
        expression: regex::bytes::Regex::new("x").expect("a good pattern"),
        replacement: "m".repeat(4096),
    }];
    let several = MultiLine::Start(regex::bytes::Regex::new("x").expect("a good pattern"));
    for multi_line in [MultiLine::Off, several] {
        let text = "x\n".repeat(3 * FULL / 4096);
        let mut lines = lines(TextRules { redact: redact.clone(), multi_line, ..TextRules::default() }, b"");
        let (mut used, mut events) = (0, 0);
        for left in (0..3).rev() {
            let cut = lines.cut(&text.as_bytes()[used..], used as u64, Timestamp::default(), Tail::Quiet);
            assert!(cut.rewritten.len() < FULL + 4096 && cut.events.iter().all(|e| e.end - e.start == 4096));
            (used, events) = (used + cut.used, events + cut.events.len());
            assert_eq!((cut.full_up, used < text.len(), cut.open), (left > 0, left > 0, None));
        }
        assert_eq!((used, events), (text.len(), text.len() / 2));
    }
}

#[test]
fn bytes_that_are_no_character_count_as_what_they_become_and_what_is_too_long_then_goes_as_the_item_says() {
    let (short, long) = (vec![0xff; 85], vec![0xff; 100]);
    let text = [&short[..], b"\n", &long, b"\n"].concat();
    let excluding = excluding("noise").filter;
    for (oversize, mark, (split, truncated)) in
        [(Oversize::Split, CONTINUED, (1, 0)), (Oversize::Truncate, TRUNCATED, (0, 1))]
    {
        for filter in [Filter::default(), excluding.clone()] {
            let rules = TextRules { max_event_bytes: 256, oversize, filter, ..TextRules::default() };
            let cut = lines(rules, b"").cut(&text, 0, Timestamp::default(), Tail::Growing);
            let found = messages(&text, &cut);
            assert_eq!((found.len() as u64, cut.split, cut.truncated), (2 + split, split, truncated));
            assert!(found[1].ends_with(mark) && found.iter().all(|message| message.len() <= 256), "{found:?}");
        }
    }
    let text = [vec![0xff; 400_000], b"\n".to_vec()].concat();
    let found = messages(&text, &cut(&text, Tail::Growing));
    assert!(found.len() == 2 && found.iter().all(|message| message.len() <= MESSAGE_BYTES));
}

/// What lines say, by the simplest rule.
fn expected(text: &str) -> Vec<String> {
    let content = |line: &str| line.strip_suffix('\r').unwrap_or(line).trim_start_matches('\0').to_owned();
    text.split('\n').map(content).filter(|line| !line.is_empty()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn however_it_grows_a_file_gives_its_lines_and_covers_each_byte_once(
        text in "[ab\\n\\n\\r \\x00é€]{0,60}", steps in prop::collection::vec((1..20usize, any::<bool>()), 0..20),
        encoded in 0..4u8,
    ) {
        // The mark of UTF-16 with a NUL behind it is the mark of UTF-32.
        prop_assume!(encoded != 1 || !text.starts_with('\0'));
        let bytes = match encoded {
            0 => text.clone().into_bytes(),
            1 => wide(&text, false),
            2 => wide(&text, true),
            _ => encoding_rs::GBK.encode(&text).0.into_owned(),
        };
        let encoding = if encoded == 3 { Encoding::Standard(encoding_rs::GBK) } else { Encoding::default() };
        let mut lines = lines(TextRules { encoding, ..TextRules::default() }, &bytes);
        let (mut there, mut used, mut found) = (0, 0, Vec::new());
        for (step, quiet) in steps.into_iter().chain([(bytes.len(), true)]) {
            there = (there + step).min(bytes.len());
            let tail = match quiet { true if there == bytes.len() => Tail::Last, true => Tail::Quiet, false => Tail::Growing };
            let buffer = &bytes[used..there];
            let cut = lines.cut(buffer, used as u64, Timestamp::default(), tail);
            found.extend(messages(buffer, &cut));
            prop_assert!(cut.events.is_sorted_by_key(|e| e.next));
            used += cut.used;
            prop_assert!(cut.events.last().is_none_or(|e| e.next == used as u64));
            if tail == Tail::Last { break; }
        }
        prop_assert_eq!(used, bytes.len());
        prop_assert_eq!(found, expected(&text));
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), last in any::<bool>()) {
        let found = cut(&bytes, if last { Tail::Last } else { Tail::Growing });
        prop_assert!(found.used <= bytes.len() && (!last || found.used == bytes.len()));
    }
}
