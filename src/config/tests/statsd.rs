use super::*;
use crate::model::{Resolution, Unit};
use std::time::Duration;

fn file(agent: &str, statsd: &str) -> String {
    format!(r#"{{ "agent": {{ {agent} }}, "metrics": {{ "metrics_collected": {{ "statsd": {{ {statsd} }} }} }} }}"#)
}

fn statsd(agent: &str, section: &str) -> Statsd {
    settings(&file(agent, section)).metrics.expect("metrics").statsd.expect("wanted")
}

#[test]
fn what_is_not_said_is_as_the_agent_has_it() {
    let statsd = statsd("", "");
    assert_eq!(statsd.addresses, [StatsdAddress::All(8125)]);
    assert_eq!((statsd.interval, statsd.resolution), (Duration::from_secs(10), Resolution::Minute));
    assert_eq!((statsd.pending, statsd.separator.as_str(), statsd.max_series), (10_000, "_", 10_000));
    assert!(statsd.metric_type && statsd.dimensions.host && statsd.dimensions.only.is_none());
    let ours =
        [statsd.keep_gauges, statsd.signed_values, statsd.float_counters, statsd.strict_rates, statsd.distributions];
    assert_eq!(ours, [false; 5]);
    assert!(
        settings(r#"{ "metrics": { "metrics_collected": { "mem": { "measurement": ["used"] } } } }"#)
            .metrics
            .is_none_or(|metrics| metrics.statsd.is_none())
    );
}

#[test]
fn the_interval_is_its_own_else_that_of_all() {
    let all = r#""metrics_collection_interval": 30"#;
    assert_eq!(statsd(all, "").interval, Duration::from_secs(30));
    assert_eq!(statsd(all, r#""metrics_collection_interval": 5"#).interval, Duration::from_secs(5));
}

#[test]
fn what_is_aggregated_over_less_than_a_minute_is_kept_by_the_second_unless_it_or_the_section_says_otherwise() {
    use Resolution::{Minute, Second};
    let (all, fine, coarse) =
        (r#""storage_resolution": 60,"#, r#""storage_resolution": 1"#, r#""metrics_aggregation_interval": 60"#);
    for (metrics, own, expected) in [
        ("", r#""metrics_aggregation_interval": 0"#, Second),
        ("", r#""metrics_aggregation_interval": 59"#, Second),
        ("", coarse, Minute),
        ("", fine, Second),
        (all, r#""metrics_aggregation_interval": 0"#, Minute),
        (all, fine, Second),
        (r#""storage_resolution": 1,"#, coarse, Second),
    ] {
        let text = format!(r#"{{ "metrics": {{ {metrics} "metrics_collected": {{ "statsd": {{ {own} }} }} }} }}"#);
        let found = settings(&text).metrics.expect("metrics").statsd.expect("wanted").resolution;
        assert_eq!(found, expected, "{metrics} {own}");
    }
}

#[test]
fn everything_that_can_be_said_is_heard() {
    let statsd = statsd(
        r#""max_series": 20000"#,
        r#""service_address": "udp://127.0.0.1:9125", "socket": "/run/s", "socket_mode": "666", "metric_separator": ".",
           "metrics_aggregation_interval": 0, "allowed_pending_messages": 50000, "drop_original_metrics": ["a_b"],
           "omit_hostname": true, "only_dimensions": ["k"], "metric_type_dimension": false, "keep_gauges": true,
           "signed_values": true, "float_counters": true, "strict_rates": true, "distributions": true,
           "unit_suffixes": { "_ms": "ms", "_min": "min" }"#,
    );
    let socket = StatsdAddress::Local { path: "/run/s".into(), mode: 0o666 };
    assert_eq!(statsd.addresses, [StatsdAddress::Named("127.0.0.1".into(), 9125), socket]);
    assert_eq!((statsd.pending, statsd.separator.as_str(), statsd.max_series), (50_000, ".", 20_000));
    assert_eq!(statsd.resolution, Resolution::Second);
    assert!(!statsd.metric_type && !statsd.dimensions.host);
    assert!(statsd.dimensions.drop_original.contains("a_b"));
    assert!(statsd.dimensions.only.is_some_and(|only| only.contains("k")));
    let ours =
        [statsd.keep_gauges, statsd.signed_values, statsd.float_counters, statsd.strict_rates, statsd.distributions];
    assert_eq!(ours, [true; 5]);
    assert_eq!(statsd.units, [("_ms".into(), Unit::Milliseconds, 1.0), ("_min".into(), Unit::Seconds, 60.0)]);
}

#[test]
fn mistakes_are_said_at_their_place() {
    let at = |key: &str| format!("metrics.metrics_collected.statsd.{key}");
    let check = |section: &str, key: &str, why: &str| check_error(&file("", section), &at(key), why, None);
    check(r#""service_address": "tcp://:8125""#, "service_address", "must be like :8125");
    check(r#""service_address": ":8125", "socket": "/s", "socket_mode": "999""#, "socket_mode", "in octal");
    check(r#""metric_separator": "\u00e9""#, "metric_separator", "ASCII");
    check(r#""unit_suffixes": { "_x": "parsecs" }"#, "unit_suffixes._x", "is no unit of CloudWatch");
    assert!(loaded(&file("", r#""measurement": ["a"]"#)).settings.is_none(), "the agent refuses it, too");
    let warned = |section: &str| found(&file("", section), Severity::Warning);
    assert!(warned("").is_empty());
    assert!(warned(r#""service_address": "none""#)[0].contains("no statsd lines are received"));
    assert!(warned(r#""socket_mode": "666""#)[0].contains("says something only beside a UNIX socket"));
    assert!(found(&file("", ""), Severity::Note)[0].contains("every host that can reach this one"));
}
