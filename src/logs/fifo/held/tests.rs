use super::*;
use crate::{
    config::{
        settings::{
            Filter,
            text::{ByteOrder, Encoding, MultiLine, Redaction, TimestampRule},
        },
        timestamp::TimestampFormat,
        zone::Zone,
    },
    logs::text::parts::CONTINUED,
    model::limits::MESSAGE_BYTES,
};
use proptest::prelude::*;
use regex::bytes::Regex;

fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).expect("a good pattern")
}

fn now() -> Timestamp {
    Timestamp::from_millis(1_769_900_000_000)
}

/// Feeds pieces, one a second, and gives what was taken.
struct Bench {
    held: Held,
    at: Instant,
    taken: Vec<(String, Timestamp)>,
}

impl Bench {
    fn new(rules: TextRules) -> Self {
        Self { held: Held::new(Arc::new(rules)), at: Instant::now(), taken: vec![] }
    }

    fn feed(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        self.pass(1);
        let taken = &mut self.taken;
        let mut take = |text: &[u8], at, _| taken.push((String::from_utf8_lossy(text).into_owned(), at));
        self.held.feed(bytes.as_ref(), self.at, now(), &mut take);
        self
    }

    /// So many seconds pass.
    fn pass(&mut self, seconds: u64) -> &mut Self {
        let end = self.at + Duration::from_secs(seconds);
        while let Some(due) = self.held.due().filter(|due| *due <= end) {
            self.at = due;
            let taken = &mut self.taken;
            let mut take = |text: &[u8], at, _| taken.push((String::from_utf8_lossy(text).into_owned(), at));
            self.held.ripen(due, now(), &mut take);
        }
        self.at = end;
        self
    }

    fn texts(&mut self) -> Vec<String> {
        std::mem::take(&mut self.taken).into_iter().map(|(text, _)| text).collect()
    }
}

fn starting(pattern: &str) -> TextRules {
    TextRules { multi_line: MultiLine::Start(regex(pattern)), ..TextRules::default() }
}

#[test]
fn lines_end_with_lf_or_crlf_and_empty_ones_are_none() {
    let mut bench = Bench::new(TextRules::default());
    bench.feed("one\r\n\n\r\ntw").feed("o\nthree");
    assert_eq!(bench.texts(), ["one", "two"]);
    assert_eq!(bench.feed("\r").feed("\nfour\n").texts(), ["three", "four"]);
}

#[test]
fn what_has_no_end_is_sent_after_the_timeout_and_what_comes_then_is_another_event() {
    let rules = TextRules {
        filter: Filter { exclude_patterns: vec![regex("^DEBUG")], ..Filter::default() },
        multi_line_timeout: Duration::from_secs(3),
        ..TextRules::default()
    };
    let mut bench = Bench::new(rules);
    assert_eq!(bench.feed("one\ntw").pass(1).texts(), ["one"]);
    assert_eq!(bench.feed("o").pass(2).texts(), [""; 0], "each byte begins the wait anew");
    assert_eq!(bench.pass(1).texts(), ["two"]);
    bench.feed("DEBUG of a writer that died").pass(10);
    assert_eq!(bench.feed("ERROR of another\n").texts(), ["ERROR of another"]);
}

#[test]
fn a_byte_order_mark_may_come_in_pieces_with_a_long_pause() {
    let rules = TextRules { encoding: Encoding::Utf16(ByteOrder::ByMark), ..TextRules::default() };
    let mut bench = Bench::new(rules);
    let wide: Vec<u8> = "\u{feff}one\n".encode_utf16().flat_map(u16::to_be_bytes).collect();
    bench.feed(&wide[..1]).pass(10).feed(&wide[1..]);
    assert_eq!(bench.texts(), ["one"]);
}

#[test]
fn lines_that_belong_together_are_one_event_however_they_arrive() {
    let text = "stray\nA one\n  two\n\n  three\nA four\n";
    for size in 1..text.len() {
        let mut bench = Bench::new(starting("^A"));
        for piece in text.as_bytes().chunks(size) {
            bench.held.since = None; // Its age is another rule's.
            bench.feed(piece);
        }
        assert_eq!(bench.pass(5).texts().concat(), "strayA one\n  two\n\n  threeA four", "in pieces of {size}");
    }
    let mut bench = Bench::new(starting("^A"));
    bench.feed(text);
    assert_eq!(bench.texts(), ["stray", "A one\n  two\n\n  three"]);
    assert_eq!(bench.pass(5).texts(), ["A four"]);
}

#[test]
fn an_event_that_grows_for_ever_is_not_held_for_ever() {
    let mut bench = Bench::new(starting("^A"));
    bench.feed("A\n");
    for _ in 0..58 {
        bench.feed("more\n");
    }
    assert_eq!(bench.texts(), [""; 0]);
    bench.feed("more\n").feed("more\n");
    assert_eq!(bench.texts().len(), 1);
}

#[test]
fn a_line_over_the_limit_goes_in_parts_as_it_grows_and_counts_once() {
    let before = counters::EVENTS_SPLIT.here();
    let text = [&vec![b'x'; MESSAGE_BYTES - 1][..], "é".repeat(MESSAGE_BYTES).as_bytes(), b"\nnext\n"].concat();
    let mut bench = Bench::new(TextRules::default());
    for piece in text.chunks(KEPT) {
        bench.feed(piece);
        assert!(bench.held.bytes.len() < ENOUGH + KEPT, "bounded");
    }
    let parts = bench.texts();
    let (next, parts) = parts.split_last().expect("several");
    assert_eq!(next, "next");
    assert_eq!(parts.concat().replace(CONTINUED, "").as_bytes(), &text[..text.len() - 6]);
    assert!(parts.iter().all(|part| part.len() <= MESSAGE_BYTES));
    assert_eq!(counters::EVENTS_SPLIT.here() - before, 1);
}

#[test]
fn lines_that_masks_make_much_longer_all_go_at_once() {
    let redact = vec![Redaction { expression: regex("x"), replacement: "m".repeat(4096) }];
    let mut bench = Bench::new(TextRules { redact, ..TextRules::default() });
    bench.feed("x\n".repeat(3000));
    assert!(bench.taken.len() == 3000 && bench.held.bytes.is_empty(), "{}", bench.taken.len());
}

#[test]
fn times_encodings_and_secrets_are_those_of_the_item() {
    let (format, _) = TimestampFormat::parse("%Y-%m-%d %H:%M:%S").expect("a format");
    let rules = TextRules {
        encoding: Encoding::Utf16(ByteOrder::Little),
        multi_line: MultiLine::Timestamp,
        timestamp: Some(TimestampRule { format, zone: Zone::Utc, trim: true }),
        redact: vec![Redaction { expression: regex(r"key=\S+"), replacement: "***".into() }],
        ..TextRules::default()
    };
    let text = "\u{feff}2026-01-31 22:00:00 één key=s3cret\r\n more Ċ\n2026-01-31 22:00:01 two\n";
    let wide: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    for size in [1, 3, 7, wide.len()] {
        let mut bench = Bench::new(rules.clone());
        for piece in wide.chunks(size) {
            bench.at += Duration::from_millis(1);
            let (taken, mut texts) = (&mut bench.taken, vec![]);
            bench.held.since = None;
            bench.held.feed(piece, bench.at, now(), &mut |text, at, by| {
                assert_eq!(by, TimedBy::Source, "its text says so");
                texts.push((text.to_vec(), at));
            });
            taken.extend(texts.into_iter().map(|(text, at)| (String::from_utf8(text).expect("UTF-8"), at)));
        }
        bench.pass(6);
        let at = |seconds: i64| Timestamp::from_millis(1_769_896_800_000 + seconds * 1000);
        let expected = [("één ***\n more Ċ".to_owned(), at(0)), ("two".to_owned(), at(1))];
        assert_eq!(bench.taken, expected, "in pieces of {size}");
    }
}

proptest! {
    #[test]
    fn nothing_is_lost_or_sent_twice_however_it_arrives(
        lines in proptest::collection::vec("[A-C ][a-z]{0,9}", 1..30), sizes in proptest::collection::vec(1..40_usize, 1..30), several in any::<bool>(),
    ) {
        let text = lines.join("\n") + "\n";
        let mut bench = Bench::new(if several { starting("^[AB]") } else { TextRules::default() });
        let (mut rest, mut sizes) = (text.as_bytes(), sizes.into_iter().cycle());
        while !rest.is_empty() {
            let (piece, more) = rest.split_at(sizes.next().unwrap_or(1).min(rest.len()));
            rest = more;
            bench.at -= Duration::from_millis(999);
            bench.feed(piece);
        }
        bench.pass(6);
        prop_assert_eq!(bench.texts().join("\n") + "\n", text);
    }
}
