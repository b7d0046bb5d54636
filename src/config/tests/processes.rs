//! Items of `procstat`.
use super::*;
use crate::config::settings::metrics::{Options, Plugin, ProcessSelector};

const AT: &str = "metrics.metrics_collected.procstat[0]";

fn items(keys: &str) -> String {
    format!(
        r#"{{ "metrics": {{ "metrics_collected": {{ "procstat": [ {{ {keys}, "measurement": ["cpu_usage", "pid_count"] }} ] }} }} }}"#
    )
}

fn plugin(keys: &str) -> Plugin {
    settings(&items(keys)).metrics.expect("one plugin").plugins.remove(0)
}

/// Dimension and text of the selector, and the process's own name.
fn chosen(keys: &str) -> (&'static str, String, Option<String>) {
    let Options::Procstat { by, name } = plugin(keys).options else { panic!("an item of procstat") };
    let (key, text) = by.dimension();
    (key, text.to_owned(), name)
}

#[test]
fn of_several_selectors_the_first_in_the_agents_order_counts() {
    let all = r#""systemd_unit": "u", "pattern": "p", "exe": "e", "pid_file": "/f""#;
    assert_eq!(chosen(all), ("pidfile", "/f".to_owned(), None));
    assert_eq!(chosen(r#""systemd_unit": "u", "pattern": "p", "exe": "e""#).0, "exe");
    assert_eq!(chosen(r#""systemd_unit": "u", "pattern": "p""#).0, "pattern");
}

#[test]
fn the_count_of_processes_has_the_agents_odd_name() {
    let plugin = plugin(r#""exe": "nginx""#);
    let crate::config::settings::metrics::Measurements::These(these) = plugin.measurements else { panic!("a list") };
    let names: Vec<_> = these.iter().map(|measurement| measurement.name.replace(' ', "_")).collect();
    assert_eq!(names, ["procstat_cpu_usage", "procstat_lookup_pid_count"]);
}

#[test]
fn a_process_may_have_a_name_of_the_users_own() {
    assert_eq!(chosen(r#""exe": "java", "process_name": " shop ""#).2.as_deref(), Some("shop"));
}

#[test]
fn expressions_are_found_anywhere_and_stand_in_the_dimension_as_they_were_written() {
    let Options::Procstat { by: ProcessSelector::Exe(expression), .. } = plugin(r#""exe": "(?i)nginx$""#).options
    else {
        panic!("an executable")
    };
    assert_eq!(expression.text, "(?i)nginx$");
    assert!(expression.regex.is_match(b"/usr/sbin/NGINX") && !expression.regex.is_match(b"/usr/sbin/nginx-debug"));
}

#[test]
fn an_expression_that_is_none_is_an_error_at_its_path() {
    check_error(&items(r#""exe": "a(b""#), &format!("{AT}.exe"), "no regular expression", None);
}

#[cfg(target_os = "linux")]
#[test]
fn a_pattern_that_is_none_is_an_error_at_its_path() {
    check_error(&items(r#""pattern": "*nginx""#), &format!("{AT}.pattern"), "no regular expression", None);
}

#[test]
fn a_unit_of_systemd_is_taken_where_there_is_systemd() {
    let text = items(r#""systemd_unit": "nginx.service""#);
    if cfg!(target_os = "linux") {
        assert_eq!(chosen(r#""systemd_unit": "nginx.service""#).0, "systemd_unit");
        let slash = items(r#""systemd_unit": "../nginx""#);
        check_error(&slash, &format!("{AT}.systemd_unit"), "no name of a systemd unit", None);
    } else {
        check_warning(&text, &format!("{AT}.systemd_unit"), "not available");
    }
}

#[test]
fn an_item_without_a_selector_is_an_error() {
    let text = r#"{ "metrics": { "metrics_collected": { "procstat": [ { "measurement": ["pid"] } ] } } }"#;
    check_error(text, AT, "systemd_unit", None);
}
