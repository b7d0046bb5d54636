//! What becomes of the text of an event: the keys of an item.
use super::*;
use crate::config::settings::text::{Encoding, MultiLine, OutOfRange, Oversize, RateLimit, TextRules};
use crate::model::{Timestamp, limits::MESSAGE_BYTES};
use std::sync::Arc;

/// An item of the agent's with these keys.
fn item(keys: &str) -> String {
    let comma = if keys.is_empty() { "" } else { ", " };
    items(&format!(r#"{{ "file_path": "/a", "log_group_name": "g"{comma}{keys} }}"#))
}

fn rules(keys: &str) -> Arc<TextRules> {
    settings(&item(keys)).logs.files[0].text.clone()
}

fn at(key: &str) -> String {
    format!("{ITEM}[0].{key}")
}

#[test]
fn an_item_of_the_agents_gathers_indented_lines_and_one_of_the_publishers_strips_its_lines() {
    let agents = rules("");
    assert!(matches!(agents.multi_line, MultiLine::Start(_)) && !agents.strip);
    assert!(agents.starts_event(b"x") && !agents.starts_event(b" x") && !agents.starts_event(b""));
    let publishers = settings(&publisher(r#"{ "file_path": "/a" }"#)).logs.files[0].text.clone();
    assert!(matches!(publishers.multi_line, MultiLine::Off) && publishers.strip);
    assert!(publishers.starts_event(b" x"));
}

#[test]
fn without_keys_everything_is_sent_as_it_is() {
    let rules = rules("");
    assert_eq!(rules.at, format!("{ITEM}[0]"));
    assert!(matches!(rules.encoding, Encoding::Utf8) && rules.timestamp.is_none());
    assert_eq!((rules.sample, rules.rate_limit, rules.redact.len()), (1, None, 0));
    assert_eq!((rules.max_event_bytes, rules.oversize), (MESSAGE_BYTES, Oversize::Split));
    assert_eq!((rules.too_old, rules.too_new), (OutOfRange::Drop, OutOfRange::Restamp));
    assert_eq!(rules.multi_line_timeout, Duration::from_secs(5));
}

#[test]
fn every_key_of_the_text_is_read() {
    let rules = rules(
        r#""timestamp_format": "%Y-%m-%d %H:%M:%S", "timezone": "UTC", "trim_timestamp": true, "encoding": "latin_1",
           "multi_line_start_pattern": "{timestamp_format}", "multi_line_timeout": 20, "out_of_range": "restamp",
           "sample": 10, "rate_limit": { "events_per_second": 5, "burst": 50 },
           "redact": [ { "expression": "a+" }, { "expression": "b", "replacement": "" } ],
           "max_event_size": 256, "oversize": "truncate""#,
    );
    let timestamp = rules.timestamp.as_ref().expect("named");
    assert_eq!(format!("{:?}", timestamp.zone), "UTC");
    assert!(timestamp.trim && timestamp.format.find(b"x 2026-01-31 00:00:00").is_some());
    assert!(matches!(rules.encoding, Encoding::Standard(standard) if standard == encoding_rs::WINDOWS_1252));
    assert!(matches!(rules.multi_line, MultiLine::Timestamp));
    assert!(rules.starts_event(b"x 2026-01-31 00:00:00") && !rules.starts_event(b"x"));
    assert_eq!(rules.multi_line_timeout, Duration::from_secs(20));
    assert_eq!((rules.too_old, rules.too_new), (OutOfRange::Restamp, OutOfRange::Restamp));
    assert_eq!((rules.sample, rules.rate_limit), (10, Some(RateLimit { per_second: 5, burst: 50 })));
    let masks: Vec<&str> = rules.redact.iter().map(|rule| rule.replacement.as_str()).collect();
    assert_eq!(masks, ["***", ""]);
    assert_eq!((rules.max_event_bytes, rules.oversize), (256, Oversize::Truncate));
}

#[test]
fn a_limit_that_is_a_number_is_its_own_burst() {
    assert_eq!(rules(r#""rate_limit": 7"#).rate_limit, Some(RateLimit { per_second: 7, burst: 7 }));
    assert_eq!(rules(r#""out_of_range": "drop""#).too_new, OutOfRange::Drop);
}

#[test]
fn the_hosts_own_zone_is_the_default_and_may_be_named_as_the_agent_does() {
    for (zone, name) in [("", "Local"), (r#", "timezone": "LOCAL""#, "Local"), (r#", "timezone": "utc""#, "UTC")] {
        let rules = rules(&format!(r#""timestamp_format": "%T"{zone}"#));
        assert_eq!(format!("{:?}", rules.timestamp.as_ref().expect("named").zone), name);
    }
}

#[test]
fn zones_are_known_by_their_names_where_the_host_keeps_them() {
    if crate::platform::zones::names().is_empty() {
        let text = item(r#""timestamp_format": "%T", "timezone": "Europe/Berlin""#);
        return check_error(&text, &at("timezone"), "install tzdata", None);
    }
    let rules = rules(r#""timestamp_format": "%T", "timezone": "Europe/Berlin""#);
    let zone = &rules.timestamp.as_ref().expect("named").zone;
    // 1 July and 31 January 2026.
    assert_eq!((zone.offset_at(1_782_900_000), zone.offset_at(1_769_860_000)), (7200, 3600));
    assert_eq!(zone.moment(1_782_900_000, Timestamp::default(), None), 1_782_892_800);
    let wrong = |zone: &str| item(&format!(r#""timestamp_format": "%T", "timezone": "{zone}""#));
    check_error(&wrong("Europe/Berln"), &at("timezone"), "no time zone", Some("Europe/Berlin"));
    check_error(&wrong("berlin"), &at("timezone"), "no time zone", Some("Europe/Berlin"));
    check_error(&wrong("../passwd"), &at("timezone"), "no time zone", None);
}

#[test]
fn an_encoding_that_is_not_known_is_an_error_with_the_nearest_name() {
    let text = |encoding: &str| item(&format!(r#""encoding": "{encoding}""#));
    check_error(&text("utf-17"), &at("encoding"), "no encoding", Some("utf-16"));
    check_error(&text("windows_1259"), &at("encoding"), "no encoding", Some("windows-1250"));
    check_error(&text("IBM851"), &at("encoding"), "not available", Some("ibm850"));
    check_error(&text("cp500"), &at("encoding"), "write the log as UTF-8", None);
}

#[test]
fn a_format_that_names_no_time_is_an_error_and_an_odd_directive_a_warning() {
    let text = |format: &str| item(&format!(r#""timestamp_format": "{format}""#));
    check_error(&text("no time"), &at("timestamp_format"), "names no part of a time", None);
    check_warning(&text("%H:%M %Q"), &at("timestamp_format"), "`%Q` is no directive");
    check_warning(&item(r#""trim_timestamp": true"#), &at("trim_timestamp"), "no `timestamp_format`");
}

#[test]
fn a_pattern_of_the_timestamp_needs_a_format() {
    for name in ["{timestamp_format}", "{datetime_format}"] {
        let text = item(&format!(r#""multi_line_start_pattern": "{name}""#));
        check_warning(&text, &at("multi_line_start_pattern"), "no `timestamp_format`");
        assert!(!settings(&text).logs.files[0].text.starts_event(b" x"), "the agent's default counts");
    }
    let text = item(r#""timestamp_format": "%T", "multi_line_start_pattern": "{timestampe_format}""#);
    check_warning(&text, &at("multi_line_start_pattern"), "no placeholder");
    assert_eq!(loaded(&text).findings[0].suggestion.as_deref(), Some("{timestamp_format}"));
}

#[test]
fn a_preset_and_a_pattern_are_one_too_many() {
    assert!(matches!(rules(r#""multi_line_preset": "java""#).multi_line, MultiLine::Unless(_)));
    let text = item(r#""multi_line_preset": "java", "multi_line_start_pattern": "^x""#);
    check_error(&text, &at("multi_line_preset"), "remove one of the two", None);
    check_error(&item(r#""multi_line_preset": "jav""#), &at("multi_line_preset"), "one of", Some("java"));
    check_error(
        &item(r#""multi_line_start_pattern": "(""#),
        &at("multi_line_start_pattern"),
        "no regular expression",
        None,
    );
}

#[test]
fn what_is_out_of_its_range_is_an_error_at_its_key() {
    check_error(&item(r#""sample": 0"#), &at("sample"), "from 1", None);
    check_error(&item(r#""rate_limit": {}"#), &at("rate_limit"), "`events_per_second` is missing", None);
    check_error(&item(r#""max_event_size": 255"#), &at("max_event_size"), "from 256 to 1048550", None);
    check_error(&item(r#""max_event_size": 1048551"#), &at("max_event_size"), "from 256 to 1048550", None);
    check_error(&item(r#""oversize": "spilt""#), &at("oversize"), "one of", Some("split"));
    check_error(&item(r#""out_of_range": "keep""#), &at("out_of_range"), "one of", None);
    check_error(
        &item(r#""redact": [ { "expression": "x*" } ]"#),
        &at("redact[0].expression"),
        "where there is nothing",
        None,
    );
    check_error(&item(r#""redact": [ { "replacement": "x" } ]"#), &at("redact[0]"), "`expression` is missing", None);
}

#[test]
fn a_brace_in_a_filter_stands_for_itself_as_it_does_for_the_agent() {
    let rules = rules(r#""filters": [ { "type": "exclude", "expression": "{\"level\":\"debug\"" } ]"#);
    assert!(rules.filter.rules[0].expression.is_match(br#"{"level":"debug"}"#));
}

#[test]
fn one_include_rule_is_enough_for_the_agents_journal() {
    let rules = rules(
        r#""filters": [ { "type": "include", "expression": "a" }, { "type": "exclude", "expression": "x" },
                        { "type": "include", "expression": "b" } ]"#,
    );
    let filter = rules.filter.clone().with_any_include_rule();
    assert_eq!((filter.include_patterns.len(), filter.rules.len()), (2, 1));
}
