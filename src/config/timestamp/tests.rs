use super::super::zone::Zone;
use super::*;
use crate::model::Timestamp;
use chrono::{DateTime, FixedOffset, TimeZone as _, Utc};
use proptest::prelude::*;
use regex::bytes::Regex;

mod missing;

fn format(text: &str) -> TimestampFormat {
    let (format, odd) = TimestampFormat::parse(text).expect("a format");
    assert!(odd.is_empty(), "{odd:?}");
    format
}

fn stamp(text: &str) -> Timestamp {
    Timestamp::from_millis(DateTime::parse_from_rfc3339(text).expect("a time").timestamp_millis())
}

/// What is read of `text`, where UTC is configured, on 15 June 2026; `None`: nothing is found, `Some("no time")`: it is none.
fn read(directives: &str, text: &str) -> Option<String> {
    read_at(directives, text, "2026-06-15T12:00:00Z")
}

fn read_at(directives: &str, text: &str, now: &str) -> Option<String> {
    let found = format(directives).find(text.as_bytes())?;
    let clock = Clock { zone: &Zone::Utc, now: stamp(now), last: None };
    Some(found.moment(clock).map_or_else(|| "no time".into(), Timestamp::rfc3339))
}

fn span(directives: &str, text: &str) -> Option<(usize, usize)> {
    format(directives).find(text.as_bytes()).map(|found| (found.start, found.end))
}

#[test]
fn the_first_place_that_fits_anywhere_in_the_event_is_the_timestamp() {
    let text = "ERROR [12] at 2026-01-31 23:59:59 and 2026-02-01 00:00:00\n  more";
    assert_eq!(span("%Y-%m-%d %H:%M:%S", text), Some((14, 33)));
    assert_eq!(read("%Y-%m-%d %H:%M:%S", text).as_deref(), Some("2026-01-31T23:59:59.000Z"));
    assert_eq!(read("%Y-%m-%d %H:%M:%S", "one\ntwo 2026-01-31 23:59:59").as_deref(), Some("2026-01-31T23:59:59.000Z"));
    assert_eq!(read("%Y-%m-%d %H:%M:%S", "2026-01-31"), None);
}

#[test]
fn months_and_days_take_one_digit_two_or_one_behind_a_space() {
    for text in ["2026/9/7 x", "2026/09/07 x", "2026/ 9/ 7 x", "2026/ 09/ 07 x"] {
        for directives in ["%Y/%m/%d", "%Y/%-m/%-d", "%Y/%m/%e"] {
            assert_eq!(read(directives, text).as_deref(), Some("2026-09-07T00:00:00.000Z"), "{directives} {text}");
        }
    }
    assert_eq!(span("%m/%d/%Y", "at  1/2/2026"), Some((4, 12)), "a space in front of the whole is none of it");
    assert_eq!(read("%b %d %Y", "Sep  7 2026").as_deref(), Some("2026-09-07T00:00:00.000Z"));
}

#[test]
fn fractions_are_cut_to_milliseconds_whatever_stands_before_them() {
    for (directives, text, millis) in [
        ("%H:%M:%S.%f", "10:00:00.1", "100"),
        ("%H:%M:%S,%f", "10:00:00,123", "123"),
        ("%H:%M:%S:%f", "10:00:00:123999", "123"),
        ("%H:%M:%S.%f", "10:00:00.123456789", "123"),
        ("%H:%M:%S.%3f", "10:00:00.123456", "123"),
        ("%H:%M:%S.%6f", "10:00:00.012345", "012"),
        ("%H:%M:%S%f", "10:00:0005", "050"),
    ] {
        assert_eq!(read(directives, text), Some(format!("2026-06-15T10:00:00.{millis}Z")), "{text}");
    }
    assert_eq!(span("%H:%M:%S", "10:00:00.123"), Some((0, 8)), "a fraction that the format does not name stays");
}

#[test]
fn both_kinds_of_hours_are_read() {
    for (directives, text, hour) in [
        ("%I:%M %p", "12:00 AM", "00"),
        ("%I:%M %p", "12:00 PM", "12"),
        ("%I:%M %p", "01:00 pm", "13"),
        ("%-I:%M%P", "1:00am", "01"),
        ("%l:%M %p", " 1:00 PM", "13"),
        ("%k:%M", "9:00", "09"),
        ("at %k:%M", "at  9:00", "09"),
        ("%-H:%M", "9:00", "09"),
        ("at %_H:%M", "at  9:00", "09"),
        ("%H:%M %p", "01:00 PM", "13"),
        ("%r", "01:00:00 PM", "13"),
    ] {
        let read = read(&format!("%F {directives}"), &format!("2026-06-15 {text}"));
        assert_eq!(read, Some(format!("2026-06-15T{hour}:00:00.000Z")), "{directives} {text}");
    }
}

#[test]
fn every_month_is_read_by_its_name_in_any_case() {
    assert_eq!(span("%B %d", "theOctober 15"), Some((3, 13)));
    for (month, name) in
        (1..).zip("January February March April May June July August September October November December".split(' '))
    {
        let expected = Some(format!("2026-{month:02}-15T00:00:00.000Z"));
        assert_eq!(read("%d %B %Y", &format!("15 {name} 2026")), expected, "{name}");
        assert_eq!(read("%d%B%Y", &format!("15{name}2026")), expected, "{name}");
        assert_eq!(read("%d %b %Y", &format!("15 {} 2026", &name[..3])), expected, "{name}");
        assert_eq!(read("%d-%h-%Y", &format!("15-{}-2026", name[..3].to_uppercase())), expected, "{name}");
    }
}

#[test]
fn years_of_two_digits_are_of_this_century_up_to_68() {
    assert_eq!(read("%d.%m.%y", "01.02.68").as_deref(), Some("2068-02-01T00:00:00.000Z"));
    assert_eq!(read("%d.%m.%y", "01.02.69").as_deref(), Some("1969-02-01T00:00:00.000Z"));
    assert_eq!(read("%H:%M:%S %y %b %d", "12:00:00 26 Jan 31").as_deref(), Some("2026-01-31T12:00:00.000Z"));
}

#[test]
fn seconds_since_1970_and_their_fractions_are_read() {
    for (directives, text, time) in [
        ("%s", "1769903999 x", "2026-01-31T23:59:59.000Z"),
        ("%s.%f", "[1769903999.25]", "2026-01-31T23:59:59.250Z"),
        ("%s%f", "1769903999999", "2026-01-31T23:59:59.999Z"),
        ("%s%f", "ts=1769903999123456789", "2026-01-31T23:59:59.123Z"),
        ("%s%3f", "1769903999007", "2026-01-31T23:59:59.007Z"),
        ("%s", "id 12345678 at 1769903999", "2026-01-31T23:59:59.000Z"),
    ] {
        assert_eq!(read(directives, text).as_deref(), Some(time), "{text}");
    }
}

#[test]
fn offsets_win_over_the_configured_zone_in_all_their_forms() {
    for (text, time) in [
        ("12:00:00+0200", "10:00"),
        ("12:00:00+02:00", "10:00"),
        ("12:00:00+02", "10:00"),
        ("12:00:00-0330", "15:30"),
        ("12:00:00Z", "12:00"),
        ("12:00:00+02 x", "10:00"),
    ] {
        let zone = Zone::of_rule("EST5EDT,M3.2.0,M11.1.0");
        let found = format("%FT%T%z").find(format!("2026-06-15T{text}").as_bytes()).expect("it is there");
        let clock = Clock { zone: &zone, now: stamp("2026-06-15T12:00:00Z"), last: None };
        assert_eq!(found.moment(clock), Some(stamp(&format!("2026-06-15T{time}:00Z"))), "{text}");
    }
    assert_eq!(span("%FT%T%z", "2026-06-15T12:00:00+02:00!"), Some((0, 25)));
}

#[test]
fn names_of_offsets_mean_what_the_configured_zone_means_by_them() {
    let read = |zone: &Zone, name: &str| {
        let text = format!("2026-06-15 12:00:00 {name} x");
        let found = format("%F %T %Z").find(text.as_bytes()).expect("it is there");
        let clock = Clock { zone, now: stamp("2026-06-15T12:00:00Z"), last: None };
        found.moment(clock).map(|t| t.rfc3339()[11..16].to_owned())
    };
    let (utc, shanghai, calcutta) = (Zone::Utc, Zone::of_rule("CST-8"), Zone::of_rule("IST-5:30"));
    for (zone, name, time) in [
        (&utc, "UTC", "12:00"),
        (&utc, "GMT", "12:00"),
        (&utc, "Z", "12:00"),
        (&utc, "CEST", "10:00"),
        (&utc, "cet", "11:00"),
        (&utc, "EST", "17:00"),
        (&utc, "PDT", "19:00"),
        (&utc, "CST", "18:00"),
        (&shanghai, "CST", "04:00"),
        (&shanghai, "UTC", "12:00"),
        (&calcutta, "IST", "06:30"),
        // Nobody knows it, so it is most likely the zone's own.
        (&shanghai, "XYZ", "04:00"),
    ] {
        assert_eq!(read(zone, name).as_deref(), Some(time), "{zone:?} {name}");
    }
}

#[test]
fn what_is_found_and_is_no_time_is_told_apart_from_what_is_not_found() {
    for (directives, text) in [
        ("%Y-%m-%d", "2026-02-31"),
        ("%Y-%m-%d", "2026-13-01"),
        ("%Y-%m-%d", "2026-00-01"),
        ("%d %b %Y", "01 Foo 2026"),
        ("%H:%M:%S", "24:00:00"),
        ("%H:%M:%S", "23:60:00"),
        ("%I:%M %p", "13:00 AM"),
        ("%I:%M %p", "01:00 XM"),
        ("%Y %j", "2026 366"),
    ] {
        assert_eq!(read(directives, text).as_deref(), Some("no time"), "{text}");
    }
    assert_eq!(read("%H:%M:%S", "23:59:60").as_deref(), Some("2026-06-16T00:00:00.000Z"), "a leap second");
    assert_eq!(read("%Y-%j", "2024-366").as_deref(), Some("2024-12-31T00:00:00.000Z"));
}

#[test]
fn what_surrounds_the_directives_stands_for_itself() {
    for (directives, text) in [
        ("  [%Y-%m-%d]", "x  [2026-01-31]"),
        ("\\%Y-%m-%d", "\\2026-01-31"),
        ("^.*?+|[](){}$%Y-%m-%d", "^.*?+|[](){}$2026-01-31"),
        ("%%%Y-%m-%d%%", "%2026-01-31%"),
        ("é%Y-%m-%d", "éé2026-01-31"),
        ("%Y-%m-%d%n(%t)", "2026-01-31 \t( )"),
        ("%A, %a %u %Y-%m-%d", "Saturday, Sat 6 2026-01-31"),
        ("%x", "01/31/26"),
    ] {
        assert_eq!(read(directives, text).as_deref(), Some("2026-01-31T00:00:00.000Z"), "{directives}");
    }
}

#[test]
fn what_is_no_directive_stands_for_itself_and_is_said() {
    for (directives, text, written) in [
        ("%Y-%m-%d %Q", "2026-01-31 %Q", "`%Q`"),
        ("%Y-%m-%d%-Y", "2026-01-31%-Y", "`%-Y`"),
        ("%F%", "2026-01-31%", "ends"),
    ] {
        let (format, odd) = TimestampFormat::parse(directives).expect("a format");
        assert_eq!(odd.len(), 1);
        assert!(odd[0].contains(written), "{odd:?}");
        assert!(format.find(text.as_bytes()).is_some(), "{directives}");
    }
    for nothing in ["", "x", "%%", "%Z %p", "%n"] {
        let why = TimestampFormat::parse(nothing).expect_err("no time in it");
        assert!(why.contains("names no part of a time"), "{why}");
    }
    assert!(TimestampFormat::parse(&"%H".repeat(65)).is_err());
}

#[test]
fn a_format_that_is_ambiguous_in_many_ways_does_not_take_for_ever() {
    let format = format(&format!("{}x", "%-H".repeat(40)));
    assert!(format.find(&[b'1'; 500]).is_none());
}

/// The agent's table, for formats of its own directives.
fn agents_regex(directives: &str) -> Regex {
    let mut pattern = String::new();
    let mut rest = directives;
    while let Some(at) = rest.find('%') {
        pattern += &regex::escape(&rest[..at]);
        let length = if rest[at + 1..].starts_with('-') { 3 } else { 2 };
        pattern += match &rest[at..at + length] {
            "%Y" => r"\d{4}",
            "%m" | "%-m" | "%d" | "%-d" => r"\s{0,1}\d{1,2}",
            "%b" | "%a" | "%Z" => r"\w{3}",
            "%A" => r"\w{6,9}",
            "%y" | "%H" | "%I" | "%M" | "%S" => r"\d{2}",
            "%-I" | "%-M" | "%-S" => r"\d{1,2}",
            "%p" => r"\w{2}",
            "%f" => r"\d{1,9}",
            "%z" => r"[+-]\d{4}",
            other => panic!("{other}"),
        };
        rest = &rest[at + length..];
    }
    pattern += &regex::escape(rest);
    let pattern = pattern.strip_prefix(r"\s{0,1}").unwrap_or(&pattern);
    Regex::new(&format!("(?-u){pattern}")).expect("a pattern")
}

proptest! {
    #[test]
    fn what_the_agent_finds_is_found_at_the_same_place(
        directives in proptest::collection::vec(proptest::sample::select(vec![
            "%Y", "%m", "%-m", "%d", "%-d", "%b", "%a", "%A", "%H", "%I", "%-I", "%p", "%M", "%-M", "%S", "%-S", "%f", "%y",
            "-", ":", " ", ".", "T", "[",
        ]), 1..7),
        text in "[0-9]{0,2}[-: .T\\[A-Cam0-9_\n]{0,40}",
    ) {
        let directives = format!("%H{}", directives.concat());
        let found = format(&directives).find(text.as_bytes()).map(|found| (found.start, found.end));
        let agents = agents_regex(&directives).find(text.as_bytes()).map(|found| (found.start(), found.end()));
        prop_assert_eq!(found, agents, "{}", directives);
    }

    #[test]
    fn what_the_agent_finds_with_an_offset_is_found_no_later(
        text in "[0-9]{0,3}:?[0-9]{1,3} ?(UTC|CEST|Z|xyz|[+-][0-9]{1,5})[ a]?",
        directives in proptest::sample::select(vec!["%H:%M%z", "%H:%M %z", "%H:%M %Z", "%M%Z"]),
    ) {
        if let Some(agents) = agents_regex(directives).find(text.as_bytes()) {
            let found = format(directives).find(text.as_bytes());
            prop_assert!(found.is_some_and(|found| found.start <= agents.start()), "{} {}", directives, text);
        }
    }

    #[test]
    fn every_directive_reads_back_what_chrono_writes(
        seconds in 0..4_000_000_000i64, millis in 0..1000u32, minutes in -720..840i32,
        before in "[ a-z(]{0,5}",
        directives in proptest::sample::select(vec![
            "%Y-%m-%d %H:%M:%S.%3f %z", "%Y-%m-%dT%H:%M:%S.%f%:z", "%d/%b/%Y:%H:%M:%S.%6f %z", "%B %e, %Y %I:%M:%S.%9f %p %z",
            "%h %d %Y %T.%f %z", "%F %T,%3f %z", "%-d.%-m.%Y %-H:%-M:%-S.%3f %z", "%Y/%j %R:%S.%3f %z", "%s.%3f", "%s%3f",
            "%A %d %B %Y %k:%M:%S.%3f %z", "%a %b %e %l:%M:%S.%3f %P %z %Y", "%F %r.%3f %z", "%Y%m%d%H%M%S%3f%z", "%F%n%X.%3f%t%z",
        ]),
    ) {
        // Fewer digits are no epoch here.
        let seconds = seconds + 100_000_000;
        let offset = FixedOffset::east_opt(minutes * 60).expect("in range");
        let time = offset.timestamp_opt(seconds, millis * 1_000_000).single().expect("in range");
        let text = format!("{before}{}", time.format(directives));
        let found = format(directives).find(text.as_bytes());
        prop_assert!(found.is_some(), "{}", text);
        let clock = Clock { zone: &Zone::Utc, now: Timestamp::default(), last: None };
        let moment = found.and_then(|found| found.moment(clock));
        prop_assert_eq!(moment, Some(Timestamp::from_millis(time.timestamp_millis())), "{}", text);
    }

    #[test]
    fn dates_of_short_years_and_dates_without_offsets_read_back(seconds in 0..2_000_000_000i64) {
        let time = Utc.timestamp_opt(seconds, 0).single().expect("in range");
        for directives in ["%D %T", "%x %X", "%c", "%y%m%d %H%M%S"] {
            let text = time.format(directives).to_string();
            prop_assert_eq!(read(directives, &text), Some(Timestamp::from_millis(seconds * 1000).rfc3339()), "{}", text);
        }
    }

    #[test]
    fn no_format_and_no_text_panics(directives in "[%a-zA-Z0-9:_ .-]{0,20}", text in proptest::collection::vec(any::<u8>(), 0..60)) {
        if let Ok((format, _)) = TimestampFormat::parse(&directives)
            && let Some(found) = format.find(&text)
        {
            prop_assert!(found.start < found.end && found.end <= text.len());
            for zone in [Zone::Utc, Zone::Local, Zone::of_rule("CET-1CEST,M3.5.0,M10.5.0/3")] {
                found.moment(Clock { zone: &zone, now: Timestamp::from_millis(1_769_903_999_999), last: None });
            }
        }
    }
}
