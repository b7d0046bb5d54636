use super::*;
use crate::config::settings::metrics::{AwsValue, DimensionValue};
use crate::model::{Entity, LogGroupClass};
use crate::platform::host::{self, System};

#[test]
fn metrics_collected_makes_a_file_the_agents_whatever_else_it_says() {
    let s = settings(
        r#"{ "agent": { "instance": { "serial": "1" } }, "metrics": { "metrics_collected": { "mem": { "measurement": ["used"] } } } }"#,
    );
    assert_eq!(s.metrics.expect("memory").plugins.iter().map(|plugin| plugin.key).collect::<Vec<_>>(), ["mem"]);
    assert_eq!(s.agent.instance.serial, Serial::Fixed("1".into()));
}

#[test]
fn a_named_group_makes_a_file_the_agents_unless_it_shows_the_publisher() {
    let item = r#"{ "file_path": "/var/log/messages", "log_group_name": "messages" }"#;
    let s = settings(&items(item));
    assert!(s.metrics.is_none());
    assert_eq!(s.agent.instance.serial, Serial::Machine);
    assert_eq!(s.logs.interval, Duration::from_secs(5));
    assert!(s.logs.files[0].from_beginning);
    let s = settings(&publisher(item));
    assert!(s.metrics.is_some());
    assert_eq!(s.agent.instance.serial, Serial::Zeros);
    assert!(s.logs.files[0].from_beginning, "the item itself is still the agent's");
    assert_eq!(s.logs.files[0].target.stream, "{instance_id}");
}

#[test]
fn other_marks_of_either_dialect_count_too() {
    let thirteen = |text: &str| settings(text).metrics.is_some();
    assert!(!thirteen(r#"{ "agent": { "run_as_user": "cwagent" } }"#));
    assert!(!thirteen(r#"{ "traces": { "traces_collected": { "xray": {} } } }"#));
    assert!(thirteen(r#"{ "agent": { "run_as_user": "cwagent", "logs_collection_interval": 5 } }"#));
    assert!(thirteen(r#"{ "agent": { "run_as_user": "cwagent" }, "metrics": { "namespace": "N" } }"#));
    assert!(thirteen(r#"{ "agent": { "region": "us-east-1" } }"#));
}

#[test]
fn streams_come_from_the_item_then_the_file_then_the_instance() {
    let text = |logs: &str| {
        format!(
            r#"{{ "logs": {{ {logs} "logs_collected": {{ "files": {{ "collect_list": [
                {{ "file_path": "/a", "log_group_name": "g", "log_stream_name": "own-{{hostname}}" }},
                {{ "file_path": "/b.log", "log_group_name": "g" }}, {{ "file_path": "/c.log" }} ] }} }} }} }}"#
        )
    };
    let targets = |text: &str| -> Vec<_> {
        settings(text).logs.files.into_iter().map(|f| (f.target.group, f.target.stream)).collect()
    };
    let pair = |group: &str, stream: &str| (group.to_owned(), stream.to_owned());
    assert_eq!(
        targets(&text(r#""log_stream_name": "all","#)),
        [pair("g", "own-{hostname}"), pair("g", "all"), pair("/c", "all")]
    );
    assert_eq!(targets(&text(""))[1..], [pair("g", "{instance_id}"), pair("/c", "{instance_id}")]);
}

#[test]
fn the_item_decides_the_retention_and_minus_one_leaves_the_group_alone() {
    let retention = |days: &str| {
        let item = format!(r#"{{ "file_path": "/a", "log_group_name": "g", "retention_in_days": {days} }}"#);
        settings(&items(&item)).logs.files[0].target.retention_in_days
    };
    assert_eq!((retention("5"), retention("1096"), retention("-1")), (Some(5), Some(1096), None));
}

#[test]
fn items_of_one_group_share_its_retention() {
    let item = |path: &str, days: &str| format!(r#"{{ "file_path": "{path}", "log_group_name": "g"{days} }}"#);
    let text = items(&[item("/a", ""), item("/b", r#", "retention_in_days": 7"#)].join(","));
    let files = settings(&text).logs.files;
    assert!(files.iter().all(|file| file.target.retention_in_days == Some(7)));
    let five = item("/a", r#", "retention_in_days": 5"#);
    let text = items(&[five, item("/b", r#", "retention_in_days": 7"#)].join(","));
    check_error(&text, &format!("{ITEM}[1].retention_in_days"), "for 5 days", None);
}

#[test]
fn items_of_one_group_share_its_class_and_the_agent_compares_without_case() {
    let item = |path: &str, group: &str, more: &str| {
        format!(r#"{{ "file_path": "{path}", "log_group_name": "{group}", {more} }}"#)
    };
    let class = |name: &str| format!(r#""log_group_class": "{name}""#);
    let text = items(&[item("/a", "g", &class("infrequent_ACCESS")), item("/b", "g", r#""filters": []"#)].join(","));
    let classes: Vec<_> = settings(&text).logs.files.iter().map(|file| file.target.class).collect();
    assert_eq!(classes, [Some(LogGroupClass::InfrequentAccess); 2]);
    let text = items(&[item("/a", "g", &class("STANDARD")), item("/b", "G", &class("INFREQUENT_ACCESS"))].join(","));
    check_error(&text, &format!("{ITEM}[1].log_group_class"), "one class", None);
    let text =
        items(&[item("/a", "g", r#""retention_in_days": 5"#), item("/b", "G", r#""retention_in_days": 7"#)].join(","));
    check_error(&text, &format!("{ITEM}[1].retention_in_days"), "for 5 days", None);
    let unknown = items(&item("/a", "g", &class("standart")));
    check_warning(&unknown, &format!("{ITEM}[0].log_group_class"), "no class");
    assert_eq!(settings(&unknown).logs.files[0].target.class, None);
}

#[test]
fn the_service_of_an_item_is_its_own_else_the_sections_else_the_agents_each_key_by_itself() {
    let text = r#"{ "agent": { "service.name": "fleet", "deployment.environment": "prod" },
        "logs": { "service.name": "shop", "logs_collected": { "files": { "collect_list": [
            { "file_path": "/a", "log_group_name": "g" },
            { "file_path": "/b", "log_group_name": "g", "service.name": "cart", "deployment.environment": "test" } ] } } } }"#;
    let files = settings(text).logs.files;
    let entity = |file: &FileItem| {
        let Entity { service, environment, .. } = (**file.target.entity.as_ref().expect("named")).clone();
        (service, environment.expect("named"))
    };
    assert_eq!(entity(&files[0]), ("shop".into(), "prod".into()));
    assert_eq!(entity(&files[1]), ("cart".into(), "test".into()));
    let nameless = items(r#"{ "file_path": "/a", "log_group_name": "g", "deployment.environment": "prod" }"#);
    assert_eq!(settings(&nameless).logs.files[0].target.entity, None);
}

#[test]
fn concurrency_and_what_becomes_of_rejected_events_are_read() {
    let logs = |more: &str| settings(&format!(r#"{{ "logs": {{ {more} }} }}"#)).logs;
    assert_eq!((logs("").concurrency, logs("").keep_rejected), (None, false));
    let named = logs(r#""concurrency": 8, "keep_rejected": true"#);
    assert_eq!((named.concurrency, named.keep_rejected), (Some(8), true));
    check_error(r#"{ "logs": { "concurrency": 0 } }"#, "logs.concurrency", "1", None);
}

#[test]
fn one_file_goes_to_one_stream_once() {
    let item = |more: &str| format!(r#"{{ "file_path": "/a", "log_group_name": "g"{more} }}"#);
    let text = items(&[item(""), item(r#", "from_beginning": false"#)].join(","));
    check_error(&text, &format!("{ITEM}[1].file_path"), &format!("{ITEM}[0]"), None);
    let text = items(&[item(""), item(r#", "log_stream_name": "other""#)].join(","));
    assert_eq!(settings(&text).logs.files.len(), 2);
}

#[test]
fn force_flush_interval_is_the_wait_where_the_publisher_names_none() {
    let wait = |agent: &str| {
        settings(&format!(r#"{{ "agent": {{ {agent} }}, "logs": {{ "force_flush_interval": 60 }} }}"#)).logs.interval
    };
    assert_eq!(wait(""), Duration::from_secs(60));
    assert_eq!(wait(r#""logs_collection_interval": 3"#), Duration::from_secs(3));
}

#[test]
fn filters_keep_their_order_and_kind() {
    let text = items(
        r#"{ "file_path": "/a", "filters": [ { "type": "include", "expression": "a" }, { "type": "exclude", "expression": "b" } ] }"#,
    );
    let rules = &settings(&text).logs.files[0].text.filter.rules;
    assert_eq!(rules.iter().map(|rule| rule.kind).collect::<Vec<_>>(), [FilterKind::Include, FilterKind::Exclude]);
    assert!(rules[1].expression.is_match(b"xb\xff"));
}

#[test]
fn roles_of_sections_replace_the_agents() {
    let s = settings(
        r#"{ "agent": { "credentials": { "role_arn": "arn:aws:iam::1:role/agent" } }, "metrics": {},
             "logs": { "credentials": { "role_arn": "arn:aws:iam::1:role/logs1" } } }"#,
    );
    assert_eq!(s.agent.role_arn.as_deref(), Some("arn:aws:iam::1:role/agent"));
    assert_eq!(s.metrics.expect("the thirteen").role_arn.as_deref(), Some("arn:aws:iam::1:role/agent"));
    assert_eq!(s.logs.role_arn.as_deref(), Some("arn:aws:iam::1:role/logs1"));
}

#[test]
fn what_is_known_but_not_run_is_a_warning_at_its_path() {
    let elsewhere = r#"{ "metrics": { "metrics_collected": { "prometheus": { "prometheus_config_path": "/p" } } } }"#;
    check_warning(elsewhere, "metrics.metrics_collected.prometheus", "not yet");
    check_warning(r#"{ "traces": { "traces_collected": { "xray": {} } } }"#, "traces", "not yet");
    check_warning(r#"{ "alarms": { "amber": 60 } }"#, "alarms", "not yet");
    check_warning(r#"{ "local": { "listen": "127.0.0.1:1" } }"#, "local.listen", "not yet");
    let signals = r#"{ "logs": { "logs_collected": { "application_signals": {} } } }"#;
    check_warning(signals, "logs.logs_collected.application_signals", "not yet");
}

#[test]
fn dimensions_are_taken_literally() {
    let text = r#"{ "metrics": { "append_dimensions": { "Site": "north", "ImageId": "${aws:ImageId}" } } }"#;
    let metrics = settings(text).metrics.expect("the thirteen");
    let append = [
        ("InstanceId".to_owned(), DimensionValue::Instance),
        ("Hostname".to_owned(), DimensionValue::Host),
        ("Site".to_owned(), DimensionValue::Literal("north".to_owned())),
        ("ImageId".to_owned(), DimensionValue::Aws(AwsValue::ImageId)),
    ];
    assert_eq!(metrics.plugins[0].dimensions.append, append);
    let own = r#"{ "metrics": { "append_dimensions": { "Hostname": "h" } } }"#;
    check_warning(own, "metrics.append_dimensions.Hostname", "already");
}

#[test]
fn a_disk_may_carry_its_volume_unless_its_device_is_left_out() {
    let disk = |more: &str| {
        format!(
            r#"{{ "metrics": {{ "metrics_collected": {{ "disk": {{ "measurement": ["used_percent"],
                 "append_dimensions": {{ "VolumeId": "${{aws:VolumeId}}", "Site": "north" }}{more} }} }} }} }}"#
        )
    };
    if host::SYSTEM == System::Windows {
        return; // It has no such plugin.
    }
    let site = ("Site".to_owned(), DimensionValue::Literal("north".to_owned()));
    let append = |text: &str| settings(text).metrics.expect("disk").plugins[0].dimensions.append.clone();
    assert_eq!(append(&disk("")), [("VolumeId".to_owned(), DimensionValue::Volume), site.clone()]);
    let dropped = disk(r#", "drop_device": true"#);
    assert_eq!(append(&dropped), [site]);
    check_warning(&dropped, "metrics.metrics_collected.disk.append_dimensions.VolumeId", "drop_device");
    let cpu = disk("").replace("disk", "cpu").replace("used_percent", "usage_idle");
    check_warning(&cpu, "metrics.metrics_collected.cpu.append_dimensions.VolumeId", "ignored, as by the agent");
}
