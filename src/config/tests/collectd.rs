use super::*;
use crate::{
    config::settings::{
        collectd::{Address, Collectd, Host, Level},
        metrics::{AwsValue, DimensionValue},
    },
    model::Resolution,
};

fn with(section: &str) -> String {
    format!(r#"{{ "metrics": {{ "metrics_collected": {{ "collectd": {{ {section} }} }} }} }}"#)
}

fn collectd(section: &str) -> Collectd {
    settings(&with(section)).metrics.expect("it collects").collectd.expect("wanted")
}

#[test]
fn an_empty_section_of_collectd_is_what_the_agent_makes_of_it() {
    let collectd = collectd("");
    assert_eq!(collectd.address, Address { host: Host::Address([127, 0, 0, 1].into()), port: 25_826 });
    assert_eq!((collectd.prefix.as_str(), collectd.level), ("collectd_", Level::Encrypt));
    assert_eq!(collectd.auth_file, Path::new("/etc/collectd/auth_file"));
    assert_eq!((collectd.types, collectd.types_named), (vec![PathBuf::from("/usr/share/collectd/types.db")], false));
    assert_eq!((collectd.aggregation, collectd.resolution), (Duration::from_secs(60), Resolution::Minute));
    assert!(!collectd.rates && collectd.dimensions.append.is_empty());
    assert!(settings("{}").metrics.expect("the thirteen").collectd.is_none());
}

#[test]
fn every_key_of_collectd_is_taken() {
    let collectd = collectd(
        r#""service_address": "udp://[ff18::efc0:4a42]:25827", "name_prefix": "c.", "collectd_auth_file": "/a",
           "collectd_security_level": "sign", "collectd_typesdb": ["/t", "/u"], "metrics_aggregation_interval": 30,
           "append_dimensions": { "d": "foo", "i": "${aws:InstanceId}" }, "drop_original_metrics": ["c.load_shortterm"], "rates": true"#,
    );
    assert_eq!(collectd.address.to_string(), "udp://[ff18::efc0:4a42]:25827");
    assert_eq!((collectd.prefix.as_str(), collectd.level, collectd.rates), ("c.", Level::Sign, true));
    assert_eq!(
        (collectd.auth_file, collectd.types, collectd.types_named),
        ("/a".into(), vec!["/t".into(), "/u".into()], true)
    );
    let appended = [
        ("d".to_owned(), DimensionValue::Literal("foo".into())),
        ("i".to_owned(), DimensionValue::Aws(AwsValue::InstanceId)),
    ];
    assert_eq!(collectd.dimensions.append, appended);
    assert!(collectd.dimensions.drop_original.contains("c.load_shortterm"));
}

#[test]
fn collectd_leaves_our_own_host_out_where_it_is_told_to() {
    assert!(collectd("").dimensions.host && collectd(r#""omit_hostname": false"#).dimensions.host);
    assert!(!collectd(r#""omit_hostname": true"#).dimensions.host);
}

#[test]
fn what_is_aggregated_over_less_than_a_minute_is_kept_by_the_second_unless_it_says_otherwise() {
    for (interval, expected) in [(0, Resolution::Second), (59, Resolution::Second), (60, Resolution::Minute)] {
        let section = format!(r#""metrics_aggregation_interval": {interval}"#);
        assert_eq!(collectd(&section).resolution, expected, "{interval}");
    }
    let own = r#""metrics_aggregation_interval": 0, "storage_resolution": 60"#;
    assert_eq!(collectd(own).resolution, Resolution::Minute);
}

#[test]
fn what_collectd_cannot_have_is_said_at_its_place() {
    let at = |key: &str| format!("metrics.metrics_collected.collectd.{key}");
    check_error(
        &with(r#""service_address": "tcp://127.0.0.1:1""#),
        &at("service_address"),
        "must be like udp://",
        None,
    );
    check_error(
        &with(r#""collectd_security_level": "signed""#),
        &at("collectd_security_level"),
        "must be one of",
        None,
    );
    check_error(&with(r#""name_prefix": ":x""#), &at("name_prefix"), "does not begin with a colon", None);
    check_error(&with(r#""name_prefix": "ä""#), &at("name_prefix"), "ASCII", None);
    check_error(
        &with(r#""collectd_authfile": "/a""#),
        &at("collectd_authfile"),
        "unknown key",
        Some("collectd_auth_file"),
    );
    let open = r#""service_address": "udp://:25826", "collectd_security_level": "none""#;
    check_warning(&with(open), &at("service_address"), "every host");
    assert!(collectd(r#""service_address": "udp://:25826""#).level == Level::Encrypt, "and nothing is said");
}
