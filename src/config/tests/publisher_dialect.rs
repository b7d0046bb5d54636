use super::*;

#[test]
fn an_empty_object_is_the_publishers_with_all_its_defaults() {
    let s = settings("{}");
    assert_eq!(s.agent.instance, Instance { prefix: "sys".into(), serial: Serial::Zeros });
    assert_eq!(s.agent.own_log.file, Some(crate::platform::installed::own_log()));
    assert!(!s.agent.own_log.named && !s.agent.own_log.debug && !s.agent.own_log.quiet);
    assert_eq!((s.agent.destination, s.agent.shutdown), (Destination::Aws, Duration::from_secs(10)));
    assert_eq!(s.agent.endpoints, Endpoints::default());
    assert!(matches!(s.agent.authentication, Authentication::Chain));
    let metrics = s.metrics.expect("the thirteen");
    assert_eq!((metrics.namespace.as_str(), metrics.plugins[0].interval), ("System/Default", Duration::from_secs(300)));
    assert_eq!(s.logs.interval, Duration::from_secs(10));
    assert!(s.logs.files.is_empty() && s.logs.journal.is_none());
}

#[test]
fn every_key_of_the_publisher_is_read() {
    let s = settings(
        r#"{ "agent": { "instance": { "prefix": "osx", "serial": "c02", "command": "false" }, "region": "eu-west-1",
               "metrics_collection_interval": 60, "logs_collection_interval": 5, "logfile": "/l", "debug": true,
               "authentication": { "accountId": "1", "userPoolId": "u", "identityPoolId": "i", "appClientId": "a",
                                   "password": "${p}" } },
             "metrics": { "namespace": "System/OSX" },
             "logs": { "log_group_name": "/system/osx/{instance_id}", "retention_in_days": 7, "logs_collected": {
               "files": { "collect_list": [ { "file_path": "/var/log/system.log", "include_patterns": ["a", "b"],
                                              "exclude_patterns": ["c"] } ] },
               "journal": { "collect": true, "include_patterns": ["x"], "exclude_patterns": ["y", "z"] } } } }"#,
    );
    assert_eq!(s.agent.instance, Instance { prefix: "osx".into(), serial: Serial::Fixed("c02".into()) });
    assert_eq!(s.agent.region.as_deref(), Some("eu-west-1"));
    assert_eq!(s.agent.own_log, OwnLog { file: Some("/l".into()), named: true, debug: true, quiet: false });
    let Authentication::Cognito(cognito) = s.agent.authentication else { panic!("Cognito") };
    assert_eq!((cognito.account_id.as_str(), cognito.app_client_id.as_str()), ("1", "a"));
    assert!(matches!(cognito.password, Password::Inline(p) if p.expose_secret() == "${p}"));
    let metrics = s.metrics.expect("the thirteen");
    assert_eq!((metrics.namespace.as_str(), metrics.plugins[0].interval), ("System/OSX", Duration::from_secs(60)));
    assert_eq!(s.logs.interval, Duration::from_secs(5));
    let target = |stream: &str| TargetTemplate {
        group: "/system/osx/{instance_id}".into(),
        stream: stream.into(),
        retention_in_days: Some(7),
        ..TargetTemplate::default()
    };
    let file = &s.logs.files[0];
    assert_eq!((file.at.as_str(), &file.target), (format!("{ITEM}[0]").as_str(), &target("system.log")));
    assert_eq!((file.text.filter.include_patterns.len(), file.text.filter.exclude_patterns.len()), (2, 1));
    assert!(!file.from_beginning, "the publisher starts at the end");
    let journal = s.logs.journal.expect("asked for");
    assert_eq!(journal.target, target("system-journal"));
    assert_eq!((journal.text.filter.include_patterns.len(), journal.text.filter.exclude_patterns.len()), (1, 2));
}

#[test]
fn the_journal_is_on_only_when_asked_for() {
    let journal = |value: &str| {
        settings(&format!(r#"{{ "logs": {{ "logs_collected": {{ "journal": {value} }} }} }}"#)).logs.journal.is_some()
    };
    assert!(journal("true") && journal("{}") && journal(r#"{ "collect": true }"#));
    assert!(!journal("false") && !journal(r#"{ "collect": false }"#));
}

#[test]
fn a_command_gives_the_serial_where_none_is_written() {
    let s = settings(r#"{ "agent": { "instance": { "command": "echo ${HOME}" } } }"#);
    assert_eq!(s.agent.instance.serial, Serial::Command("echo ${HOME}".into()));
}

#[test]
fn the_own_log_goes_to_standard_error_when_its_name_is_empty() {
    let own_log = settings(r#"{ "agent": { "logfile": "" } }"#).agent.own_log;
    assert_eq!((own_log.file, own_log.named), (None, true));
}

#[test]
fn items_without_a_group_go_to_the_default_group() {
    let s = settings(&items(r#"{ "file_path": "/var/log/syslog" }"#));
    assert_eq!(s.logs.files[0].target.group, "/system/default/{instance_id}");
    assert!(s.metrics.is_some(), "nothing in it is the agent's");
}

#[test]
fn the_second_file_of_a_base_name_gets_a_longer_stream_and_a_warning() {
    let text = publisher(r#"{ "file_path": "/a/app.log" }, { "file_path": "/b/app.log" }"#);
    let streams: Vec<_> = settings(&text).logs.files.iter().map(|f| f.target.stream.clone()).collect();
    assert_eq!(streams, ["app.log", "b_app.log"]);
    check_warning(&text, &format!("{ITEM}[1].file_path"), "`b_app.log`");
}

#[test]
fn an_empty_list_of_files_is_only_strange() {
    check_warning(&publisher(""), ITEM, "no file is collected");
}

#[test]
fn the_journal_shares_the_retention_of_its_group() {
    let text = |days: &str, item: &str| {
        format!(
            r#"{{ "logs": {{ "log_group_name": "g" {days}, "logs_collected": {{
                "journal": true, "files": {{ "collect_list": [{{ "file_path": "/a" {item} }}] }} }} }} }}"#
        )
    };
    let logs = settings(&text("", r#", "retention_in_days": 30"#)).logs;
    assert_eq!(logs.journal.and_then(|journal| journal.target.retention_in_days), Some(30));
    let two = text(r#", "retention_in_days": 7"#, r#", "retention_in_days": 30"#);
    check_error(&two, &format!("{ITEM}[0].retention_in_days"), "logs.logs_collected.journal keeps", None);
}
