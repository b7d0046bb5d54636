use super::*;

async fn plan(text: &str) -> Result<Plan, DaemonError> {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), text).expect("written");
    let options = Options { destination: Override::Local(Some("/d".into())), once: false };
    Plan::make(crate::config::load(file.path()).settings.expect("valid"), &options).await
}

#[tokio::test]
async fn groups_that_are_one_only_when_they_are_filled_in_get_one_retention_the_journal_included() {
    let text = r#"{
        "agent": { "instance": { "prefix": "sys", "serial": "1" } },
        "logs": {
            "log_group_name": "/a/{instance_id}",
            "logs_collected": {
                "journal": true,
                "files": { "collect_list": [
                    { "file_path": "/x", "log_group_name": "/a/sys-1", "retention_in_days": 7 },
                    { "file_path": "/y", "log_group_name": "/a/{instance_id}", "retention_in_days": 30 },
                    { "file_path": "/z", "log_group_name": "/b" } ] } } } }"#;
    let plan = plan(text).await.expect("a plan");
    let days = |target: &Target| (target.group.clone(), target.retention_in_days);
    let Targets { journal, files, .. } = plan.targets();
    // The file's own check is by template: there the journal and `/y` are one group.
    assert_eq!(journal.map(|(_, target)| days(&target)), Some(("/a/sys-1".into(), Some(30))));
    let files: Vec<_> = files.iter().map(|(_, target)| days(target)).collect();
    assert_eq!(files, [("/a/sys-1".into(), Some(30)), ("/a/sys-1".into(), Some(30)), ("/b".into(), None)]);
}

#[tokio::test]
async fn a_name_that_the_service_would_refuse_is_an_error_before_the_first_call() {
    let with = |instance: &str, group: &str| {
        format!(
            r#"{{ "agent": {{ "instance": {instance} }},
                 "logs": {{ "log_group_name": "{group}", "logs_collected": {{ "journal": true }} }} }}"#
        )
    };
    let long = format!("{}{{instance_id}}", "x".repeat(490));
    let fixed = with(r#"{ "prefix": "sys", "serial": "0123456789abcdef0123" }"#, &long);
    let command = with(r#"{ "prefix": "sys", "command": "echo 0123456789abcdef0123" }"#, &long);
    for text in [&fixed, &command] {
        let error = plan(text).await.err().expect("514 characters");
        assert!(error.is_configuration(), "{error}");
        assert!(
            error.to_string().starts_with("logs.logs_collected.journal: the name of the log group has 514"),
            "{error}"
        );
    }
    assert!(plan(&with(r#"{ "prefix": "sys", "serial": "1" }"#, &long)).await.is_ok(), "495 characters");
    let early = |text: &str| {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), text).expect("written");
        unfit_names(&crate::config::load(file.path()).settings.expect("valid"))
    };
    assert_eq!(early(&fixed).len(), 1);
    assert_eq!(early(&command), [], "only the command knows");
    let nameless = r#"{ "logs": { "log_stream_name": "s", "logs_collected": { "files": { "collect_list": [
        { "file_path": ".log" }, { "file_path": ".txt", "log_stream_name": "t" } ] } } } }"#;
    let at = "logs.logs_collected.files.collect_list[0]".to_owned();
    assert_eq!(early(nameless), [UnfitName { at, what: LogName::Group, fault: NameFault::Empty }], "said once");
}

#[tokio::test]
async fn each_source_has_the_target_that_it_names() {
    let text = r#"{ "agent": { "instance": { "prefix": "sys", "serial": "1" } }, "logs": { "log_stream_name": "s", "log_group_name": "/journal",
        "metrics_collected": { "emf": { "log_group_name": "/emf" } },
        "logs_collected": {
            "journal": true,
            "journald": { "collect_list": [ { "log_group_name": "/journald" } ] },
            "windows_events": { "collect_list": [
                { "event_name": "System", "event_levels": ["ERROR"], "log_group_name": "/windows" } ] },
            "unified_log": { "collect_list": [ { "log_group_name": "/unified" } ] },
            "files": { "collect_list": [
                { "file_path": "/x", "log_group_name": "/x" }, { "file_path": "/y", "log_group_name": "/y" } ] } } } }"#;
    let plan = plan(text).await.expect("a plan");
    let Targets { journal, journald, windows_events, unified_log, files, emf } = plan.targets();
    let group = |template: &TargetTemplate, target: &Target| {
        assert_eq!(template.group, target.group);
        target.group.clone()
    };
    let mut groups: Vec<_> = files.iter().map(|(item, target)| group(&item.target, target)).collect();
    groups.extend(journal.map(|(item, target)| group(&item.target, &target)));
    groups.extend(journald.iter().map(|(item, target)| group(&item.target, target)));
    groups.extend(windows_events.iter().map(|(item, target)| group(&item.target, target)));
    groups.extend(unified_log.iter().map(|(item, target)| group(&item.target, target)));
    groups.extend(emf.map(|(item, target)| group(&item.target, &target)));
    assert_eq!(groups, ["/x", "/y", "/journal", "/journald", "/windows", "/unified", "/emf"]);
}

#[tokio::test]
async fn who_lacks_a_name_waits_until_it_is_known_and_holds_up_nobody_else() {
    let text = r#"{ "agent": { "region": "us-east-1", "instance": { "prefix": "sys", "serial": "1" } }, "logs": {
        "service.name": "shop", "logs_collected": { "files": { "collect_list": [
            { "file_path": "/x", "log_group_name": "/{account_id}/{aws_region}" },
            { "file_path": "/y", "log_group_name": "/b" },
            { "file_path": "/z", "log_group_name": "/{account_id}", "log_stream_name": "{account_id}" } ] } } } }"#;
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), text).expect("written");
    let settings = crate::config::load(file.path()).settings.expect("valid");
    let options = Options { destination: Override::AsConfigured, once: false };
    let mut plan = Plan::make(settings, &options).await.expect("a plan");
    let groups = |targets: &Targets<'_>| {
        let groups = targets.files.iter().map(|(item, target)| format!("{}: {}", item.path.display(), target.group));
        groups.collect::<Vec<_>>()
    };
    assert_eq!(groups(&plan.targets()), ["/y: /b"]);
    assert_eq!(plan.missing().into_iter().collect::<Vec<_>>(), ["account_id"]);
    let waiting: Vec<_> = plan.waiting().map(|waiting| (waiting.place, waiting.why)).collect();
    assert_eq!(waiting[0], (0, "waits for the value of {account_id}".to_owned()));
    let mut identity = plan.identity.clone();
    let news = plan.learn(&identity);
    assert!(groups(&plan.new_targets(&news)).is_empty(), "nothing new");
    identity.learn("account_id", "123456789012".into());
    let news = plan.learn(&identity);
    let new = plan.new_targets(&news);
    assert_eq!(groups(&new), ["/x: /123456789012/us-east-1", "/z: /123456789012"]);
    let entity = new.files[0].1.entity.clone().expect("a service");
    assert_eq!((entity.service.as_str(), entity.account_id.as_deref()), ("shop", Some("123456789012")));
    assert_eq!(plan.targets().files.len(), 3, "a restart starts all of them");
    assert_eq!(plan.waiting().count(), 0);
}

#[tokio::test]
async fn what_cannot_be_found_out_is_an_error_before_anything_is_started() {
    let command = r#"{ "agent": { "instance": { "prefix": "sys", "command": "exit 3" } } }"#;
    assert!(matches!(plan(command).await, Err(DaemonError::Identity(_))));
}
