//! Environment variables in values.
use super::*;
use crate::config::settings::metrics::DimensionValue;

const SECRET: &str = "hunter2-hunter2";

fn in_environment(text: &str, variables: &[(&str, &str)], unset: Unset) -> (Settings, Vec<Finding>) {
    decode_in(Environment::only(variables), &parsed(text.as_bytes().to_vec()).expect("JSON"), unset)
}

#[track_caller]
fn with(text: &str, variables: &[(&str, &str)]) -> Settings {
    let (settings, findings) = in_environment(text, variables, Unset::Fatal);
    assert!(findings.is_empty(), "{findings:#?}");
    settings
}

/// Path, severity and reason of each finding.
fn said(text: &str, variables: &[(&str, &str)], unset: Unset) -> Vec<(String, Severity, String)> {
    let (_, findings) = in_environment(text, variables, unset);
    findings.into_iter().map(|finding| (finding.at, finding.severity, finding.why)).collect()
}

#[test]
fn values_of_the_environment_are_put_in() {
    let text = r#"{ "agent": { "region": "${REGION}", "endpoint_override": "https://${HOST}:8443", "state_folder": "/var/${env:HOST}",
                               "instance": { "prefix": "${HOST}", "command": "echo ${HOST}" } },
                    "metrics": { "namespace": "$${HOST}/${HOST}", "append_dimensions": { "Site": "${HOST}" },
                                 "credentials": { "role_arn": "arn:aws:iam::${ACCOUNT}:role/r" } },
                    "logs": { "logs_collected": { "files": { "collect_list": [
                        { "file_path": "/log/${HOST}/a$HOST.log", "log_group_name": "/${HOST}/{instance_id}",
                          "include_patterns": ["${HOST}"] }
                    ] } } } }"#;
    let s = with(text, &[("REGION", "eu-west-1"), ("HOST", "web1"), ("ACCOUNT", "123456789012")]);
    assert_eq!(s.agent.region.as_deref(), Some("eu-west-1"));
    assert_eq!(s.agent.endpoints.all.as_deref(), Some("https://web1:8443"));
    assert_eq!(s.agent.state_folder, Some("/var/web1".into()));
    assert_eq!(s.agent.instance, Instance { prefix: "web1".into(), serial: Serial::Command("echo ${HOST}".into()) });
    let metrics = s.metrics.expect("the thirteen");
    assert_eq!(metrics.namespace, "${HOST}/web1");
    let site = DimensionValue::Literal("web1".to_owned());
    assert!(metrics.plugins[0].dimensions.append.contains(&("Site".to_owned(), site)));
    assert_eq!(metrics.role_arn.as_deref(), Some("arn:aws:iam::123456789012:role/r"));
    let file = &s.logs.files[0];
    assert_eq!((file.path.to_str(), file.target.group.as_str()), (Some("/log/web1/a$HOST.log"), "/web1/{instance_id}"));
}

#[test]
fn bare_names_count_in_the_logs_of_an_agents_file() {
    let text = r#"{ "agent": { "run_as_user": "x" }, "logs": { "logs_collected": { "files": { "collect_list": [
        { "file_path": "/log/$HOST.log", "log_group_name": "g" } ] } } } }"#;
    let (settings, _) = in_environment(text, &[("HOST", "web1")], Unset::Fatal);
    assert_eq!(settings.logs.files[0].path, PathBuf::from("/log/web1.log"));
}

#[test]
fn what_is_needed_to_send_is_an_error_without_its_variable_and_only_where_it_is_sent() {
    let parts = [
        (r#"{ "agent": { "region": "${X}" } }"#, "agent.region"),
        (r#"{ "agent": { "endpoint_override": "https://${X}" } }"#, "agent.endpoint_override"),
        (r#"{ "agent": { "credentials": { "role_arn": "${X}" } } }"#, "agent.credentials.role_arn"),
        (r#"{ "metrics": { "namespace": "a/${X}" } }"#, "metrics.namespace"),
        (r#"{ "logs": { "endpoint_override": "${X}" } }"#, "logs.endpoint_override"),
    ];
    for (text, at) in parts {
        assert_eq!(said(text, &[], Unset::Unknown), []);
        for (unset, severity) in
            [(Unset::Fatal, Severity::Error), (Unset::Needed, Severity::Error), (Unset::Tolerated, Severity::Warning)]
        {
            let said = said(text, &[], unset);
            assert!(said.len() == 1 && (said[0].0.as_str(), said[0].1) == (at, severity), "{said:?}");
            assert!(said[0].2.starts_with("the environment variable `X` is not set"), "{said:?}");
        }
    }
    let local = r#"{ "agent": { "destination": "local", "region": "${X}" } }"#;
    assert_eq!(said(local, &[], Unset::Fatal)[0].1, Severity::Warning);
    assert_eq!(said(local, &[], Unset::Needed)[0].1, Severity::Error, "what it would need in AWS cannot be told");
    assert_eq!(in_environment(local, &[], Unset::Fatal).0.agent.region, None);
}

#[test]
fn anything_else_stays_as_it_is_written_without_its_variable_with_a_warning() {
    let text = items(r#"{ "file_path": "/a/${X}.log" }"#);
    let found = said(&text, &[], Unset::Fatal);
    assert!(found.len() == 1 && found[0].1 == Severity::Warning && found[0].2.contains("its name stays"), "{found:?}");
    assert_eq!(in_environment(&text, &[], Unset::Fatal).0.logs.files[0].path, PathBuf::from("/a/${X}.log"));
}

#[test]
fn one_finding_tells_of_a_name_with_a_variable_that_is_not_set() {
    const STREAM: &str = r#"{ "file_path": "/a", "log_stream_name": "x-${X}" }"#;
    for text in [items(STREAM), items(&STREAM.replace("x-", "x-${instance_id}-"))] {
        let found = said(&text, &[("instance_id", "i")], Unset::Fatal);
        assert!(found.len() == 1 && found[0].1 == Severity::Warning, "{found:?}");
        let stream = &in_environment(&text, &[("instance_id", "i")], Unset::Fatal).0.logs.files[0].target.stream;
        assert!(stream.ends_with("-${X}"), "{stream}");
    }
    let group = items(r#"{ "file_path": "/a", "log_group_name": "/${X}" }"#);
    let found = said(&group, &[], Unset::Fatal);
    assert!(found.len() == 1 && found[0].1 == Severity::Error && found[0].2.contains("is not set"), "{found:?}");
}

#[test]
fn who_only_asks_may_have_another_environment_and_is_told_nothing() {
    let text = items(r#"{ "file_path": "/a/${X}.log" }, { "file_path": "/b", "log_group_name": "/${X}" }"#);
    let (settings, findings) = in_environment(&text, &[], Unset::Unknown);
    assert!(findings.is_empty(), "{findings:#?}");
    assert!(settings.logs.files.iter().all(|file| file.path != Path::new("/a/${X}.log")));
}

#[test]
fn what_comes_in_is_checked_for_what_it_becomes() {
    let region = r#"{ "agent": { "region": "${X}" } }"#;
    assert!(said(region, &[("X", "Frankfurt")], Unset::Fatal)[0].2.starts_with("no AWS region is called so"));
    assert!(said(region, &[("X", "")], Unset::Fatal)[0].2.starts_with("must not be empty, and the environment"));
    let group = items(r#"{ "file_path": "/a", "log_group_name": "${X}" }"#);
    assert_eq!(said(&group, &[("X", "a b")], Unset::Fatal)[0].1, Severity::Error);
    let namespace = r#"{ "metrics": { "namespace": "${X}" } }"#;
    let long = "n".repeat(256);
    assert!(said(namespace, &[("X", &long)], Unset::Fatal)[0].2.starts_with("must have at most 255 characters"));
    // The limits are those of what is written, too.
    let written = format!(r#"{{ "metrics": {{ "namespace": "${{{}}}" }} }}"#, "X".repeat(300));
    assert!(said(&written, &[], Unset::Fatal).iter().any(|(.., why)| why.starts_with("must have from 1 to 255")));
}

#[test]
fn no_finding_repeats_a_secret_of_the_environment() {
    for text in [
        items(
            r#"{ "file_path": "${API_TOKEN}", "log_group_name": "g" }, { "file_path": "${API_TOKEN}", "log_group_name": "g" }"#,
        ),
        items(r#"{ "file_path": "/a", "encoding": "${API_TOKEN}", "timezone": "${API_TOKEN}" }"#),
        r#"{ "agent": { "region": "${API_TOKEN}", "instance": { "serial": "${API_TOKEN}é" } } }"#.to_owned(),
        r#"{ "agent": { "endpoint_override": "${API_TOKEN} x" } }"#.to_owned(),
    ] {
        let (_, findings) = in_environment(&text, &[("API_TOKEN", SECRET)], Unset::Fatal);
        assert!(!findings.is_empty() && !format!("{findings:?}").contains(SECRET), "{findings:#?}");
    }
}

#[test]
fn the_variables_of_other_languages_stay() {
    let text = r#"{ "agent": { "run_as_user": "x", "instance": { "command": "echo $HOME" }, "authentication": null },
                    "metrics": { "append_dimensions": { "InstanceId": "${aws:InstanceId}" } } }"#;
    let (settings, findings) = in_environment(text, &[("HOME", "oops"), ("aws", "oops")], Unset::Fatal);
    assert_eq!(settings.agent.instance.serial, Serial::Command("echo $HOME".into()));
    assert!(!findings.iter().any(|finding| finding.why.contains("environment variable")), "{findings:?}");
}
