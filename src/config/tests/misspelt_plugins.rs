//! Slips in the names of plugins and in their keys.
use super::*;

fn collected(collected: &str) -> String {
    format!(r#"{{ "metrics": {{ "metrics_collected": {{ {collected} }} }} }}"#)
}

/// Where something was found under `metrics_collected`, how bad it is, and what was probably meant.
#[track_caller]
fn check_one(plugins: &str, severity: Severity, at: &str, why: &str, meant: Option<&str>) {
    let found = loaded(&collected(plugins)).findings;
    assert_eq!(found.len(), 1, "{found:#?}");
    assert_eq!((found[0].severity, found[0].suggestion.as_deref()), (severity, meant), "{}", found[0]);
    assert_eq!(found[0].at, format!("metrics.metrics_collected.{at}"));
    assert!(found[0].why.starts_with(why), "{}", found[0]);
}

#[test]
fn a_slip_in_a_key_that_must_be_there_is_one_error() {
    for plugin in ["cpu", "mem", "net"] {
        let wrong = format!(r#""{plugin}": {{ "mesurement": ["x"] }}"#);
        check_one(&wrong, Severity::Error, &format!("{plugin}.mesurement"), "unknown key", Some("measurement"));
    }
    let wrong = r#""procstat": [{ "patern": "x", "measurement": ["pid_count"] }]"#;
    check_one(wrong, Severity::Error, "procstat[0].patern", "unknown key", Some("pattern"));
    let wrong = r#""mem": { "measurement": [{ "nam": "used" }] }"#;
    check_one(wrong, Severity::Error, "mem.measurement[0].nam", "unknown key", Some("name"));
}

#[test]
fn any_other_unknown_key_of_a_plugin_is_a_warning() {
    for (key, value, meant) in [
        ("metric_collection_interval", "5", Some("metrics_collection_interval")),
        ("only_dimension", r#"["host"]"#, Some("only_dimensions")),
        ("something", "{}", None),
    ] {
        let wrong = format!(r#""mem": {{ "measurement": ["used"], "{key}": {value} }}"#);
        check_one(&wrong, Severity::Warning, &format!("mem.{key}"), "unknown key; ignored", meant);
    }
    let wrong = r#""procstat": [{ "exe": "x", "measurement": ["pid_count"], "patern": "x" }]"#;
    check_one(wrong, Severity::Warning, "procstat[0].patern", "unknown key; ignored", Some("pattern"));
    let wrong = r#""mem": { "measurement": [{ "name": "used", "renam": "x" }] }"#;
    check_one(wrong, Severity::Warning, "mem.measurement[0].renam", "unknown key; ignored", Some("rename"));
}

#[test]
#[cfg(unix)]
fn keys_of_disk_have_their_suggestions() {
    for (key, meant) in [("resource", "resources"), ("ignore_filesystem_types", "ignore_file_system_types")] {
        let wrong = format!(r#""disk": {{ "measurement": ["used"], "{key}": ["x"] }}"#);
        check_one(&wrong, Severity::Warning, &format!("disk.{key}"), "unknown key; ignored", Some(meant));
    }
}

#[test]
fn what_the_agent_takes_without_a_use_for_it_is_taken() {
    for plugins in [
        r#""procstat": [{ "exe": "x", "measurement": ["cpu_usage"], "drop_original_metrics": ["cpu_usage"] }]"#,
        r#""mem": { "measurement": ["used"], "drop_original_metrics": ["used"] }"#,
    ] {
        let text = collected(plugins);
        assert!(loaded(&text).findings.is_empty(), "{:?}", loaded(&text).findings);
    }
}

/// On Windows any name may be that of an object of performance counters.
#[test]
#[cfg(not(windows))]
fn a_slip_in_the_name_of_a_plugin_is_said_once_with_what_was_meant() {
    let wanted = r#"{ "measurement": ["used"] }"#;
    for (wrong, meant) in [("memm", "mem"), ("memory", "mem"), ("network", "net"), ("Mem", "mem")] {
        let plugins = format!(r#""{wrong}": {wanted}"#);
        check_one(&plugins, Severity::Warning, wrong, "unknown plugin; ignored", Some(meant));
    }
    // The agent does not run with these either.
    check_one(r#""stasd": {}"#, Severity::Error, "stasd", "unknown plugin", Some("statsd"));
    check_one(r#""procsta": [{ "exe": "x" }]"#, Severity::Error, "procsta", "unknown plugin", Some("procstat"));
    for object in ["Processor", "Memory", "something"] {
        let plugins = format!(r#""{object}": {wanted}"#);
        check_one(&plugins, Severity::Warning, object, "unknown plugin; objects of performance counters are not", None);
    }
}

#[test]
#[cfg(not(windows))]
fn what_is_measured_elsewhere_in_the_file_is_said_to_be_no_plugin() {
    check_one(
        r#""publisher": {}"#,
        Severity::Error,
        "publisher",
        "is no plugin: these are the metrics of a file",
        None,
    );
    let why = "is in the wrong place: it belongs to `metrics.response_time`";
    check_one(r#""response_time": { "targets": ["a:1"] }"#, Severity::Error, "response_time", why, None);
}
