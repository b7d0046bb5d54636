use super::*;
use crate::config::settings::text::{OutOfRange, Oversize};

const JOURNALD: &str = "logs.logs_collected.journald.collect_list";
const WINDOWS: &str = "logs.logs_collected.windows_events.collect_list";

fn collected(key: &str, value: &str) -> String {
    format!(r#"{{ "logs": {{ "logs_collected": {{ "{key}": {value} }} }} }}"#)
}

fn journald(item: &str) -> String {
    collected("journald", &format!(r#"{{ "collect_list": [ {{ "log_group_name": "g"{item} }} ] }}"#))
}

fn only_journald(item: &str) -> JournaldItem {
    settings(&journald(item)).logs.journald.remove(0)
}

fn windows(item: &str) -> String {
    collected("windows_events", &format!(r#"{{ "collect_list": [ {{ "event_name": "System"{item} }} ] }}"#))
}

#[test]
fn a_journald_item_has_the_agents_defaults() {
    let item = only_journald("");
    assert_eq!((item.target.group.as_str(), item.target.stream.as_str()), ("g", "{instance_id}"));
    assert_eq!(item.selection, EntrySelection { priority: Some(6), ..EntrySelection::default() });
    assert_eq!((item.format, item.target.retention_in_days), (JournalFormat::Json, None));
    assert!(settings(&journald("")).collects_something());
    let named = r#"{ "logs": { "log_stream_name": "all", "logs_collected": { "journald": { "collect_list": [ { "log_group_name": "g" } ] } } } }"#;
    assert_eq!(
        settings(named).logs.journald[0].target.stream,
        "{instance_id}",
        "the agent passes over the common stream"
    );
}

#[test]
fn every_source_of_entries_takes_the_keys_of_the_text_the_class_and_the_service() {
    let keys = r#""sample": 3, "rate_limit": 5, "redact": [ { "expression": "x+" } ], "out_of_range": "restamp", "max_event_size": 300,
        "oversize": "truncate""#;
    let named = format!(
        r#"{keys}, "log_group_class": "infrequent_access", "service.name": "shop", "deployment.environment": "live""#
    );
    let unified = |value: &str| settings(&collected("unified_log", value)).logs.unified_log.remove(0);
    let windows = settings(&windows(&format!(r#", "event_ids": [1], {named}"#))).logs.windows_events.remove(0);
    let journald = only_journald(&format!(", {named}"));
    let (one, listed) =
        (unified(&format!("{{ {named} }}")), unified(&format!(r#"{{ "collect_list": [ {{ {named} }} ] }}"#)));
    for target in [&windows.target, &journald.target, &one.target, &listed.target] {
        assert_eq!(target.class, Some(crate::model::LogGroupClass::InfrequentAccess));
        let entity = target.entity.as_ref().expect("a service");
        assert_eq!((entity.service.as_str(), entity.environment.as_deref()), ("shop", Some("live")));
    }
    let journal = settings(&collected("journal", &format!("{{ {keys} }}"))).logs.journal.expect("wanted");
    for text in [windows.text, journald.text, one.text, listed.text, journal.text] {
        assert_eq!((text.sample, text.redact.len(), text.max_event_bytes), (3, 1, 300));
        assert_eq!((text.rate_limit.expect("read").burst, text.oversize), (5, Oversize::Truncate));
        assert_eq!((text.too_old, text.too_new), (OutOfRange::Restamp, OutOfRange::Restamp));
    }
    let lines = windows_with_lines();
    check_error(&lines, &format!("{WINDOWS}[0].timestamp_format"), "unknown key", None);
}

/// Entries know their times.
fn windows_with_lines() -> String {
    windows(r#", "event_ids": [1], "timestamp_format": "%Y""#)
}

#[test]
fn units_priority_and_matches_narrow_a_journald_item() {
    let item = only_journald(
        r#", "units": ["sshd", "nginx.service"], "priority": "err", "format": "message",
             "matches": [ { "_UID": "0", "OBJECT_PID2": "a b" }, { "_TRANSPORT": "kernel" } ]"#,
    );
    let pair = |field: &str, value: &str| (field.to_owned(), value.to_owned());
    let matches = vec![vec![pair("_UID", "0"), pair("OBJECT_PID2", "a b")], vec![pair("_TRANSPORT", "kernel")]];
    let units = vec!["sshd".to_owned(), "nginx.service".to_owned()];
    assert_eq!(item.selection, EntrySelection { units, priority: Some(3), matches });
    assert_eq!(item.format, JournalFormat::Message);
    assert_eq!(only_journald(r#", "priority": "7""#).selection.priority, Some(7));
}

#[test]
fn several_includes_of_the_journal_are_joined_by_or() {
    let item = only_journald(
        r#", "filters": [ { "type": "include", "expression": "a" }, { "type": "include", "expression": "b" },
                          { "type": "exclude", "expression": "c" } ]"#,
    );
    let Filter { include_patterns, exclude_patterns, rules } = item.text.filter.clone();
    assert_eq!((include_patterns.len(), exclude_patterns.len(), rules.len()), (2, 0, 1));
}

#[test]
fn a_field_that_the_journal_cannot_have_is_an_error_at_its_key() {
    let matches = |fields: &str| journald(&format!(r#", "matches": [ {fields} ]"#));
    let at = format!("{JOURNALD}[0].matches[0]");
    check_error(&matches(r#"{ "_uid": "0" }"#), &format!("{at}._uid"), "capital letters", Some("_UID"));
    check_error(&matches(r#"{ "2ND": "0" }"#), &format!("{at}.2ND"), "begins with no digit", None);
    check_error(&matches(r#"{ "__CURSOR": "0" }"#), &format!("{at}.__CURSOR"), "searched for", None);
    check_error(&matches("{}"), &at, "1 key or more", None);
    check_error(&journald(r#", "priority": "loud""#), &format!("{JOURNALD}[0].priority"), "must be one of", None);
    check_error(&journald(r#", "units": [""]"#), &format!("{JOURNALD}[0].units[0]"), "must not be empty", None);
}

#[test]
fn only_streams_of_the_journal_may_have_the_unit_in_them() {
    assert_eq!(only_journald(r#", "log_stream_name": "{hostname}-{unit}""#).target.stream, "{hostname}-{unit}");
    let group = collected("journald", r#"{ "collect_list": [ { "log_group_name": "g-{unit}" } ] }"#);
    check_error(&group, &format!("{JOURNALD}[0].log_group_name"), "unknown placeholder `{unit}`", None);
    let file = items(r#"{ "file_path": "/a", "log_group_name": "g", "log_stream_name": "{unit}" }"#);
    check_warning(&file, &format!("{ITEM}[0].log_stream_name"), "`{unit}` is no placeholder");
}

#[test]
fn items_to_the_same_stream_are_known_by_what_they_select_in_whatever_order() {
    let journald = |units: &[&str]| {
        let item = |unit: &&str| format!(r#"{{ "log_group_name": "g", "units": ["{unit}"] }}"#);
        let list =
            units.iter().map(item).chain([r#"{ "log_group_name": "h" }"#.to_owned()]).collect::<Vec<_>>().join(",");
        let logs = settings(&collected("journald", &format!(r#"{{ "collect_list": [{list}] }}"#))).logs;
        logs.journald.into_iter().map(|item| item.item).collect::<Vec<_>>()
    };
    let (names, turned) = (journald(&["a", "b"]), journald(&["b", "a"]));
    assert_eq!((&names[0], &names[1]), (&turned[1], &turned[0]));
    assert!(names[0] != names[1] && names[0].starts_with("g:{instance_id}#"), "{names:?}");
    assert_eq!(names[2], "h:{instance_id}", "one that stands alone needs no mark");
    assert_eq!(journald(&["a"])[0], "g:{instance_id}");
    let same = r#"{ "log_group_name": "g" }, { "log_group_name": "g", "format": "message" }"#;
    let logs = settings(&collected("journald", &format!(r#"{{ "collect_list": [{same}] }}"#))).logs;
    assert_eq!(logs.journald[1].item, format!("{}#2", logs.journald[0].item), "both read the same entries");
    let channels = r#"{ "event_name": "System", "event_ids": [1] }, { "event_name": "Security", "event_ids": [1] }"#;
    let logs = settings(&collected("windows_events", &format!(r#"{{ "collect_list": [{channels}] }}"#))).logs;
    let names: Vec<_> = logs.windows_events.iter().map(|item| item.item.as_str()).collect();
    assert!(
        names[0].ends_with(":System") && names[1].ends_with(":Security"),
        "the channel tells them apart: {names:?}"
    );
}

#[test]
fn one_group_has_one_retention_whatever_is_read_into_it() {
    let text = r#"{ "logs": { "logs_collected": {
        "files": { "collect_list": [ { "file_path": "/a", "log_group_name": "g", "retention_in_days": 7 } ] },
        "journald": { "collect_list": [ { "log_group_name": "g", "retention_in_days": 5 } ] } } } }"#;
    check_error(text, &format!("{JOURNALD}[0].retention_in_days"), "for 7 days", None);
}

#[test]
fn a_windows_item_has_the_agents_defaults_and_information_has_two_levels() {
    let text = windows(r#", "event_levels": ["INFORMATION", "ERROR"], "event_ids": [4562, 0], "log_group_name": "w""#);
    let item = settings(&text).logs.windows_events.remove(0);
    assert_eq!(
        (item.channel.as_str(), item.levels.as_slice(), item.ids.as_slice()),
        ("System", &[4, 0, 2][..], &[4562, 0][..])
    );
    assert_eq!((item.format, item.target.stream.as_str()), (EventFormat::Xml, "{instance_id}"));
    assert_eq!(item.item, "w:{instance_id}:System");
    let text = windows(r#", "event_levels": ["ERROR"], "event_format": "text""#);
    let item = settings(&text).logs.windows_events.remove(0);
    assert_eq!((item.format, item.target.group.as_str()), (EventFormat::Text, "/system/default/{instance_id}"));
}

#[test]
fn what_the_agent_refuses_of_windows_events_is_an_error() {
    let needs = "needs one of `event_levels`, `event_ids`, `filters`";
    check_error(&windows(""), &format!("{WINDOWS}[0]"), needs, None);
    let title = collected(
        "windows_events",
        r#"{ "collect_list": [ { "event_name": "Forwarded Events", "event_levels": ["ERROR"] } ] }"#,
    );
    check_error(&title, &format!("{WINDOWS}[0].event_name"), "title", Some("ForwardedEvents"));
    check_error(&windows(r#", "event_ids": [70000]"#), &format!("{WINDOWS}[0].event_ids[0]"), "65535", None);
}

#[test]
fn the_unified_log_is_one_object_or_a_list_of_them() {
    let one = |value: &str| settings(&collected("unified_log", value)).logs.unified_log;
    assert!(one("false").is_empty() && one(r#"{ "collect": false }"#).is_empty());
    let item = one("true").remove(0);
    assert_eq!((item.target.stream.as_str(), item.level, item.predicate), ("unified-log", UnifiedLevel::Default, None));
    let list = one(r#"{ "collect_list": [
            { "predicate": "process == \"sshd\"", "level": "debug", "log_group_name": "m", "log_stream_name": "a" },
            { "subsystem": "com.apple.TimeMachine", "exclude_patterns": ["noise"] } ] }"#);
    assert_eq!(list[0].predicate.as_deref(), Some(r#"process == "sshd""#));
    assert_eq!((list[0].level, list[0].target.group.as_str()), (UnifiedLevel::Debug, "m"));
    assert_eq!(list[1].predicate.as_deref(), Some(r#"subsystem == "com.apple.TimeMachine""#));
    assert_eq!(list[1].text.filter.exclude_patterns.len(), 1);
    let unknown = collected("unified_log", r#"{ "predicat": "x" }"#);
    check_error(&unknown, "logs.logs_collected.unified_log.predicat", "unknown key", Some("predicate"));
}
