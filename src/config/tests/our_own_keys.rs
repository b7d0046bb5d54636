use super::*;
use crate::config::settings::metrics::Options;

#[test]
fn all_that_run_are_read() {
    let s = settings(
        r#"{ "agent": { "destination": "local", "state_folder": "/s", "shutdown_seconds": 3,
               "endpoint_override": "localhost:4566", "ca_bundle": "/ca", "use_fips_endpoint": true,
               "use_dualstack_endpoint": false, "quiet": true,
               "spool": { "max_bytes": 1, "max_age_seconds": 2, "min_free_bytes": 0, "max_log_bytes": 3 } },
             "metrics": { "endpoint_override": "https://m.example" }, "logs": { "endpoint_override": "http://l" },
             "local": { "folder": "/f", "retention_hours": 2 } }"#,
    );
    assert_eq!((s.agent.destination, s.agent.shutdown), (Destination::Local, Duration::from_secs(3)));
    assert_eq!(s.agent.state_folder, Some(PathBuf::from("/s")));
    assert!(s.agent.own_log.quiet);
    let endpoints = Endpoints {
        all: Some("https://localhost:4566".into()),
        metrics: Some("https://m.example".into()),
        logs: Some("http://l".into()),
        ca_bundle: Some("/ca".into()),
        dualstack: Some(false),
        fips: Some(true),
    };
    assert_eq!(s.agent.endpoints, endpoints);
    let spool = Spool { max_bytes: 1, max_age: Duration::from_secs(2), min_free_bytes: 0, max_log_bytes: 3 };
    assert_eq!(s.agent.spool, spool);
    assert_eq!(s.local, Local { folder: Some("/f".into()), retention: Duration::from_secs(7200) });
}

#[test]
fn from_beginning_is_as_written_where_it_is_written() {
    let text = items(
        r#"{ "file_path": "/a", "from_beginning": true }, { "file_path": "/b", "log_group_name": "g", "from_beginning": false }"#,
    );
    let begins: Vec<bool> = settings(&text).logs.files.iter().map(|file| file.from_beginning).collect();
    assert_eq!(begins, [true, false]);
}

#[test]
fn the_spool_keeps_nothing_that_is_too_old_to_send() {
    let text = r#"{ "agent": { "spool": { "max_age_seconds": 1209601 } } }"#;
    check_error(text, "agent.spool.max_age_seconds", "1209600", None);
}

#[test]
fn the_state_of_other_programs_is_looked_up_where_it_is_said_or_usual_or_not_at_all() {
    let with = |value: &str| settings(&format!(r#"{{ "agent": {{ "import_state": {value} }} }}"#)).agent.import_state;
    assert_eq!(with("true"), ImportState::Usual);
    assert_eq!(with("false"), ImportState::Off);
    assert_eq!(with(r#""/old""#), ImportState::From("/old".into()));
    assert_eq!(settings("{}").agent.import_state, ImportState::Usual);
    check_error(r#"{ "agent": { "import_state": 1 } }"#, "agent.import_state", "", None);
}

#[test]
fn an_endpoint_that_is_no_url_is_found_before_the_start() {
    for section in ["agent", "metrics", "logs"] {
        for wrong in ["ht!tp://host", "ftp://host", "http://", "a b.example"] {
            let text = format!(r#"{{ "{section}": {{ "endpoint_override": "{wrong}" }} }}"#);
            check_error(&text, &format!("{section}.endpoint_override"), "is no URL", None);
        }
    }
    let s = settings(r#"{ "agent": { "endpoint_override": "localhost:4566" } }"#);
    assert_eq!(s.agent.endpoints.all.as_deref(), Some("https://localhost:4566"));
}

#[test]
fn disks_that_are_none_are_left_out_only_where_that_is_asked_for() {
    let disk = |own: &str| {
        let text = format!(
            r#"{{ "metrics": {{ "metrics_collected": {{ "disk": {{ {own} "measurement": ["used"], "resources": ["/"],
                "ignore_file_system_types": ["sysfs"], "drop_device": true }} }} }} }}"#
        );
        settings(&text).metrics.expect("a disk").plugins.remove(0).options
    };
    let options = |ignore_pseudo| Options::Disk {
        mounts: Some(vec!["/".into()]),
        ignored_types: vec!["sysfs".into()],
        ignore_pseudo,
        drop_device: true,
    };
    assert_eq!(disk(""), options(false));
    assert_eq!(disk(r#""ignore_pseudo_file_systems": true,"#), options(true));
}

#[test]
fn a_file_that_asks_for_the_serial_relay_alone_measures_nothing_and_sends_nothing() {
    let relay = r#""serial_relay": { "device": "/dev/ttyS0" }"#;
    let alone = settings(&format!(r#"{{ "agent": {{ {relay} }} }}"#));
    assert!(alone.metrics.is_none() && !alone.sends_something());
    assert_eq!(alone.collects_something(), !cfg!(windows));
    let off = settings(r#"{ "agent": { "serial_relay": { "enabled": false, "device": "/dev/ttyS0" } } }"#);
    assert!(!off.collects_something(), "switched off, it does not become the publisher's");
    for more in [
        format!(r#"{{ "agent": {{ "instance": {{ "serial": "1" }}, {relay} }} }}"#),
        format!(r#"{{ "agent": {{ {relay} }}, "metrics": {{}} }}"#),
        format!(r#"{{ "agent": {{ {relay} }}, "logs": {{}} }}"#),
    ] {
        assert!(settings(&more).metrics.is_some(), "the publisher's thirteen: {more}");
    }
}
