//! Entries that two items select for one stream.
use super::*;

fn said(collected: &Value) -> Vec<String> {
    let text = json!({ "logs": { "logs_collected": collected } }).to_string();
    let file = File::parse(Path::new("c.json"), text.into_bytes(), None).expect("JSON");
    let (settings, findings) = crate::config::decode(&file);
    assert!(!findings.iter().any(Finding::is_error), "{findings:?}");
    told(&settings, &file)
}

fn list(key: &str, items: &[Value]) -> Vec<String> {
    said(&json!({ key: { "collect_list": items } }))
}

/// An item that goes to the same stream as all others here, with these keys.
fn item(keys: Value) -> Value {
    let mut item = json!({ "log_group_name": "g", "log_stream_name": "s" });
    item.as_object_mut().expect("an item").extend(keys.as_object().expect("keys").clone());
    item
}

#[track_caller]
fn twice(said: &[String], second: &str, first: &str) {
    assert_eq!(said.len(), 1, "{said:?}");
    let begins =
        format!("{second}: {first} sends to the same group and stream: each entry that both select is sent twice");
    assert!(said[0].contains(&format!(": warning: logs.logs_collected.{begins}")), "{said:?}");
    assert!(said[0].contains("`redact`") && said[0].contains("or name another stream"), "{said:?}");
}

#[test]
fn an_entry_of_the_journal_that_two_items_send_to_one_stream_is_sent_twice_and_said() {
    let masking = item(json!({ "redact": [{ "expression": "4111" }] }));
    let told = list("journald", &[masking.clone(), item(json!({ "units": ["sshd"] }))]);
    twice(&told, "journald.collect_list[1]", "logs.logs_collected.journald.collect_list[0]");
    let elsewhere = json!({ "log_group_name": "g", "log_stream_name": "t" });
    assert_eq!(list("journald", &[masking, elsewhere]), [""; 0]);
}

#[test]
fn items_that_select_nothing_in_common_are_meant_so() {
    let units = |unit: &str| item(json!({ "units": [unit] }));
    assert_eq!(list("journald", &[units("sshd"), units("nginx.service")]), [""; 0]);
    assert_eq!(list("journald", &[units("sshd"), units("sshd.service")]).len(), 1);
    assert_eq!(list("journald", &[units("sshd"), units("ss*")]).len(), 1);
    assert_eq!(list("journald", &[units("sshd"), units("system.slice")]).len(), 1);
    let field = |value: &str| item(json!({ "matches": [{ "_UID": value }] }));
    assert_eq!(list("journald", &[field("0"), field("1")]), [""; 0]);
    let events = |channel: &str, level: &str| item(json!({ "event_name": channel, "event_levels": [level] }));
    assert_eq!(list("windows_events", &[events("System", "ERROR"), events("System", "WARNING")]), [""; 0]);
    assert_eq!(list("windows_events", &[events("System", "ERROR"), events("Setup", "ERROR")]), [""; 0]);
}

#[test]
fn events_of_windows_and_entries_of_the_unified_log_are_said_as_well() {
    let told = list(
        "windows_events",
        &[
            item(json!({ "event_name": "System", "event_ids": [1] })),
            item(json!({ "event_name": "system", "event_ids": [1, 2] })),
        ],
    );
    twice(&told, "windows_events.collect_list[1]", "logs.logs_collected.windows_events.collect_list[0]");
    let told = list("unified_log", &[item(json!({})), item(json!({ "subsystem": "com.apple.x" }))]);
    twice(&told, "unified_log.collect_list[1]", "logs.logs_collected.unified_log.collect_list[0]");
}

#[test]
fn where_nobody_can_tell_what_is_common_it_is_a_note() {
    let subsystem = |name: &str| item(json!({ "subsystem": name }));
    let told = list("unified_log", &[subsystem("a"), subsystem("b")]);
    assert!(told.len() == 1 && told[0].contains(": note: ") && told[0].contains("should there be one"), "{told:?}");
    let filtered = |word: &str| item(json!({ "filters": [{ "type": "include", "expression": word }] }));
    let told = list("journald", &[filtered("a"), filtered("b")]);
    assert!(told.len() == 1 && told[0].contains(": note: "), "{told:?}");
    assert!(list("journald", &[filtered("a"), item(json!({}))])[0].contains(": warning: "));
}

#[test]
fn the_whole_journal_beside_an_item_to_its_stream_is_said() {
    let both = |stream: &str| {
        let item = json!({ "log_group_name": "g", "log_stream_name": stream, "units": ["sshd"] });
        let text = json!({ "logs": { "log_group_name": "g", "logs_collected": { "journal": true, "journald": { "collect_list": [item] } } } });
        let file = File::parse(Path::new("c.json"), text.to_string().into_bytes(), None).expect("JSON");
        told(&crate::config::decode(&file).0, &file)
    };
    twice(&both("system-journal"), "journald.collect_list[0]", "logs.logs_collected.journal");
    assert_eq!(both("another"), [""; 0]);
}
