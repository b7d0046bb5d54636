use super::*;
use crate::{
    config::{
        settings::{
            Filter, FilterKind, FilterRule,
            text::{RateLimit, Redaction, Told},
        },
        timestamp::TimestampFormat,
        zone::Zone,
    },
    telemetry::counters::Counter,
};
use proptest::prelude::*;
use regex::bytes::Regex;

const SECOND: i64 = 1000;
const HOUR: i64 = 3600 * SECOND;
const DAY: i64 = 24 * HOUR;
/// 2026-06-15T12:00:00Z
const NOON: i64 = 1_781_524_800_000;

fn now() -> Timestamp {
    Timestamp::from_millis(NOON)
}

fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).expect("a pattern")
}

fn timed(format: &str, trim: bool) -> TextRules {
    let (format, _) = TimestampFormat::parse(format).expect("a format");
    TextRules { timestamp: Some(TimestampRule { format, zone: Zone::Utc, trim }), ..TextRules::default() }
}

fn iso(trim: bool) -> TextRules {
    timed("%Y-%m-%d %H:%M:%S", trim)
}

fn treatment(rules: TextRules) -> Treatment {
    Treatment::new(Arc::new(rules))
}

/// Text, milliseconds from noon, and whose time it is; `None`: not sent.
fn sent(treated: Treated<'_>) -> Option<(String, i64, TimedBy)> {
    match treated {
        Treated::Send { text, at, timed_by } => {
            Some((String::from_utf8_lossy(&text).into_owned(), at.as_millis() - NOON, timed_by))
        }
        Treated::NotSent => None,
    }
}

fn treat(treatment: &mut Treatment, text: &str) -> Option<(String, i64, TimedBy)> {
    sent(treatment.treat(text.as_bytes(), now()))
}

fn source(text: &str, at: i64) -> Option<(String, i64, TimedBy)> {
    Some((text.into(), at, TimedBy::Source))
}

fn reader(text: &str, at: i64) -> Option<(String, i64, TimedBy)> {
    Some((text.into(), at, TimedBy::Reader))
}

/// How often something was counted while `act` ran.
fn counted(counter: &Counter, act: impl FnOnce()) -> u64 {
    let before = counter.here();
    act();
    counter.here() - before
}

#[test]
fn without_rules_an_event_is_sent_as_it_is_with_the_time_of_reading() {
    let mut treatment = treatment(TextRules::default());
    let treated = treatment.treat(b"2026-01-01 x\xff", now());
    let Treated::Send { text: Cow::Borrowed(text), at, timed_by: TimedBy::Reader } = treated else {
        panic!("{treated:?}");
    };
    assert_eq!((text, at), (&b"2026-01-01 x\xff"[..], now()));
}

#[test]
fn a_time_in_the_text_is_the_events_own() {
    let mut treatment = treatment(iso(false));
    assert_eq!(treat(&mut treatment, "2026-06-15 11:59:59 x"), source("2026-06-15 11:59:59 x", -SECOND));
    assert_eq!(treat(&mut treatment, "x\n at 2026-06-15 11:59:58"), source("x\n at 2026-06-15 11:59:58", -2 * SECOND));
}

#[test]
fn a_timestamp_is_cut_out_with_the_white_space_before_what_is_left() {
    let mut treatment = treatment(iso(true));
    assert_eq!(treat(&mut treatment, "2026-06-15 12:00:00 \t x y"), source("x y", 0));
    assert_eq!(treat(&mut treatment, "  2026-06-15 12:00:00 x"), source("x", 0));
    assert_eq!(treat(&mut treatment, "[2026-06-15 12:00:00] x"), source("[] x", 0));
    assert_eq!(
        treat(&mut treatment, "2026-06-15 12:00:00.123 x"),
        source(".123 x", 0),
        "what the format does not name stays"
    );
}

#[test]
fn an_event_of_which_nothing_is_left_is_counted_and_not_sent() {
    let mut treatment = treatment(iso(true));
    assert_eq!(counted(&counters::EVENTS_EMPTY, || assert_eq!(treat(&mut treatment, "2026-06-15 12:00:00 "), None)), 1);
    assert_eq!(treat(&mut treatment, "x"), reader("x", 0), "its time counts all the same");
}

#[test]
fn an_event_without_a_time_has_that_of_the_one_before_it_in_its_source() {
    let rules = Arc::new(iso(false));
    let (mut one, mut other) = (Treatment::new(rules.clone()), Treatment::new(rules));
    assert_eq!(treat(&mut one, "first"), reader("first", 0));
    treat(&mut one, "2026-06-15 11:00:00 x");
    assert_eq!(treat(&mut one, "more"), reader("more", -HOUR));
    assert_eq!(treat(&mut other, "elsewhere"), reader("elsewhere", 0), "another source has its own");
}

#[test]
fn an_inherited_time_that_would_be_discarded_is_not_used() {
    let mut treatment = treatment(TextRules { too_old: OutOfRange::Restamp, ..iso(false) });
    treat(&mut treatment, "2026-06-01 12:00:01 x");
    assert_eq!(treat(&mut treatment, "more"), reader("more", -14 * DAY + SECOND));
    let later = Timestamp::from_millis(NOON + 2 * SECOND);
    assert_eq!(sent(treatment.treat(b"more", later)), reader("more", 2 * SECOND));
}

#[test]
fn what_looks_like_a_time_and_is_none_is_counted_and_stays_in_the_text() {
    let mut treatment = treatment(iso(true));
    treat(&mut treatment, "2026-06-15 11:00:00 x");
    let count = counted(&counters::TIMESTAMPS_UNPARSED, || {
        assert_eq!(treat(&mut treatment, "2026-02-31 00:00:00 x"), reader("2026-02-31 00:00:00 x", -HOUR));
    });
    assert_eq!(count, 1);
}

#[test]
fn by_default_what_is_too_old_keeps_its_time_and_what_is_too_new_is_sent_with_the_present_one() {
    let mut treatment = treatment(iso(true));
    // Who sends drops it, if it is too old by the service's clock as well.
    let old = counted(&counters::EVENTS_RESTAMPED_TOO_OLD, || {
        assert_eq!(treat(&mut treatment, "2026-06-01 12:00:00 x"), source("x", -14 * DAY));
        assert_eq!(treat(&mut treatment, "2026-06-01 11:59:59 x"), source("x", -14 * DAY - SECOND));
    });
    let new = counted(&counters::EVENTS_RESTAMPED_TOO_NEW, || {
        assert_eq!(treat(&mut treatment, "2026-06-15 14:00:00 x"), source("x", 2 * HOUR));
        assert_eq!(treat(&mut treatment, "2026-06-15 14:00:01 x"), reader("2026-06-15 14:00:01 x", 0));
    });
    assert_eq!((old, new), (0, 1));
}

#[test]
fn what_becomes_of_an_event_out_of_range_can_be_chosen_and_is_counted_by_its_cause() {
    let (old, new) = (&counters::EVENTS_RESTAMPED_TOO_OLD, &counters::EVENTS_RESTAMPED_TOO_NEW);
    for fate in [OutOfRange::Drop, OutOfRange::Restamp] {
        let mut treatment = treatment(TextRules { too_old: fate, too_new: fate, ..iso(true) });
        for (text, by, counter) in [("2026-05-31 12:00:00 x", -15 * DAY, old), ("2026-06-30 12:00:00 x", 15 * DAY, new)]
        {
            let restamped = fate == OutOfRange::Restamp;
            let count = counted(counter, || {
                let expected = if restamped { reader(text, 0) } else { source("x", by) };
                assert_eq!(treat(&mut treatment, text), expected, "the original time stays in the message");
            });
            assert_eq!(count, u64::from(restamped), "{}", counter.name);
        }
    }
}

#[test]
fn what_is_odd_about_events_is_said_once_an_item_and_each_kind_by_itself() {
    let masks = vec![Redaction { expression: regex("m"), replacement: "n".repeat(4096) }];
    let item = TextRules { redact: masks, too_old: OutOfRange::Restamp, ..iso(true) };
    let (old, new) = ("2020-01-01 00:00:00 x".to_owned(), "2026-07-01 00:00:00 x".to_owned());
    let (none, long) = ("2026-02-31 00:00:00 x".to_owned(), "m".repeat(16 * 1024));
    let all = [(old, Remark::TooOld), (new, Remark::TooNew), (none, Remark::NoTime), (long, Remark::Masks)];
    for (text, said) in &all {
        let rules = Arc::new(TextRules { told: Told::default(), ..item.clone() });
        treat(&mut Treatment::new(rules.clone()), text);
        for (_, remark) in &all {
            assert_eq!(rules.told.is_news(*remark), remark != said, "{remark:?}, after {said:?} of another source");
            assert!(!rules.told.is_news(*remark));
        }
    }
}

#[test]
fn a_time_that_the_source_knows_is_taken_and_none_is_looked_for() {
    let mut treatment = treatment(iso(true));
    let text = b"2026-06-15 11:00:00 x";
    assert_eq!(
        sent(treatment.treat_timed(text, Timestamp::from_millis(NOON - 5), now())),
        source("2026-06-15 11:00:00 x", -5)
    );
    let old = Timestamp::from_millis(NOON - 15 * DAY);
    assert_eq!(sent(treatment.treat_timed(text, old, now())), source("2026-06-15 11:00:00 x", -15 * DAY));
}

#[test]
fn a_format_that_never_fits_is_said_once_and_one_that_fits_once_is_not() {
    let never = Arc::new(iso(true));
    let mut treatment = Treatment::new(never.clone());
    let count = counted(&counters::TIMESTAMPS_MISSING, || {
        for _ in 0..NEVER {
            treat(&mut treatment, "15.06.2026 11:00 x");
        }
    });
    assert_eq!(count, u64::from(NEVER));
    assert!(!never.told.is_news(Remark::NeverATime));

    let once = Arc::new(iso(true));
    let mut treatment = Treatment::new(once.clone());
    treat(&mut treatment, "2026-06-15 11:00:00 x");
    for _ in 0..2 * NEVER {
        treat(&mut treatment, "and more of it");
    }
    assert!(once.told.is_news(Remark::NeverATime));
}

#[test]
fn filters_judge_what_would_be_sent() {
    let filter = Filter {
        rules: vec![
            FilterRule { kind: FilterKind::Include, expression: regex("^x") },
            FilterRule { kind: FilterKind::Exclude, expression: regex("a.b") },
        ],
        ..Filter::default()
    };
    let mut treatment = treatment(TextRules { filter, ..iso(true) });
    let count = counted(&counters::EVENTS_FILTERED, || {
        assert_eq!(treat(&mut treatment, "2026-06-15 12:00:00 x"), source("x", 0));
        assert_eq!(treat(&mut treatment, "2026-06-15 12:00:00 y"), None);
        assert_eq!(treat(&mut treatment, "xa\nb"), reader("xa\nb", 0), "a dot is no line feed");
        assert_eq!(treat(&mut treatment, "xa-b"), None);
        assert_eq!(treat(&mut treatment, "2020-01-01 00:00:00 y"), None, "whose age concerns nobody");
    });
    assert_eq!(count, 3);
    assert_eq!(
        treat(&mut treatment, "2026-07-01 00:00:00 x"),
        reader("2026-07-01 00:00:00 x", 0),
        "judged without its time"
    );
}

#[test]
fn what_the_filters_keep_back_takes_no_place_in_a_sample_and_uses_up_no_limit() {
    let filter = Filter { exclude_patterns: vec![regex("noise")], ..Filter::default() };
    let limit = RateLimit { per_second: 2, burst: 2 };
    let mut treatment = treatment(TextRules { filter, sample: 2, rate_limit: Some(limit), ..TextRules::default() });
    let (mut limited, mut taken) = (0, vec![]);
    let sampled = counted(&counters::EVENTS_SAMPLED_OUT, || {
        limited = counted(&counters::EVENTS_RATE_LIMITED, || {
            for number in 0..8 {
                treat(&mut treatment, "noise");
                taken.extend(treat(&mut treatment, &number.to_string()).map(|(text, ..)| text));
            }
        });
    });
    assert_eq!((taken, sampled, limited), (vec!["0".to_owned(), "2".to_owned()], 4, 2));
}

#[test]
fn what_is_masked_is_judged_unmasked_and_counted_once() {
    let filter = Filter { include_patterns: vec![regex("token=")], ..Filter::default() };
    let rule = |expression: &str| Redaction { expression: regex(expression), replacement: "***".into() };
    let rules = TextRules { filter, redact: vec![rule("token=\\w+"), rule("x+")], ..TextRules::default() };
    let mut treatment = treatment(rules);
    let count = counted(&counters::EVENTS_REDACTED, || {
        assert_eq!(treat(&mut treatment, "a token=b2 xx"), reader("a *** ***", 0));
        assert_eq!(treat(&mut treatment, "token= a"), reader("token= a", 0));
    });
    assert_eq!(count, 1);
    let nothing = Redaction { expression: regex(".+"), replacement: String::new() };
    let mut blank = self::treatment(TextRules { redact: vec![nothing], ..TextRules::default() });
    assert_eq!(treat(&mut blank, "all of it"), None, "the service takes no empty message");
}

proptest! {
    #[test]
    fn no_bytes_panic_and_what_is_restamped_is_never_out_of_range(
        texts in proptest::collection::vec((proptest::collection::vec(any::<u8>(), 0..30), 0..3000u32), 1..20),
        restamp in any::<bool>(), trim in any::<bool>(),
    ) {
        let fate = if restamp { OutOfRange::Restamp } else { OutOfRange::Drop };
        let redact = vec![Redaction { expression: regex("[0-9]"), replacement: "#".into() }];
        let rules = TextRules { too_old: fate, too_new: fate, redact, ..timed("%Y%m%d", trim) };
        let mut treatment = treatment(rules);
        for (bytes, days) in texts {
            let text = [&bytes[..], format!("2026{days:04}").as_bytes()].concat();
            let treated = treatment.treat(&text, now());
            if let Treated::Send { text, at, .. } = treated {
                prop_assert!(!restamp || age(at, now()) == Age::Fits);
                prop_assert!(!text.is_empty() && !text.iter().any(u8::is_ascii_digit));
            }
        }
    }
}
