use super::*;
use serde_json::{Value, json};
use std::path::Path;

fn settings(config: &Value) -> Settings {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("c.json");
    std::fs::write(&path, config.to_string()).expect("our folder");
    let loaded = crate::config::load(&path);
    loaded.settings.unwrap_or_else(|| panic!("{:?}", loaded.findings))
}

/// Of one configuration.
fn of(config: &Value) -> Policies {
    least(&[settings(config)], &Given::default())
}

fn login(policies: &Policies) -> Value {
    serde_json::to_value(&policies.documents[&Principal::Login]).expect("a policy")
}

/// The statement with this name.
fn statement(document: &Value, sid: &str) -> Value {
    let all = document["Statement"].as_array().expect("statements");
    all.iter().find(|statement| statement["Sid"] == sid).cloned().unwrap_or(Value::Null)
}

fn sids(document: &Value) -> Vec<&str> {
    let all = document["Statement"].as_array().expect("statements");
    all.iter().map(|statement| statement["Sid"].as_str().expect("text")).collect()
}

fn said(policies: &Policies, words: &str) -> bool {
    policies.notes.iter().any(|note| note.contains(words))
}

/// Of the agent's dialect, with these log files.
fn agents(logs: Value) -> Value {
    json!({
        "agent": { "region": "eu-west-1", "run_as_user": "root" },
        "logs": { "logs_collected": { "files": { "collect_list": logs } } },
    })
}

#[test]
fn metrics_are_allowed_for_their_namespace_only() {
    let policy = login(&of(&json!({
        "agent": { "region": "eu-west-1", "instance": { "serial": "1" } }, "metrics": { "namespace": "System/A" },
    })));
    assert_eq!(
        policy["Statement"],
        json!([{
            "Sid": "Metrics", "Effect": "Allow", "Action": "cloudwatch:PutMetricData", "Resource": "*",
            "Condition": { "StringEquals": { "cloudwatch:namespace": "System/A" } },
        }])
    );
}

#[test]
fn what_begins_a_variable_is_no_variable_in_a_namespace() {
    let namespaces = BTreeSet::from(["a${b}".to_owned()]);
    let statement = Statement::new("s", &["a"], BTreeSet::from(["*".to_owned()])).in_namespaces(namespaces);
    let value = serde_json::to_value(statement).expect("JSON");
    assert_eq!(value["Condition"]["StringEquals"]["cloudwatch:namespace"], "a${$}{b}");
}

#[test]
fn logs_are_allowed_for_their_groups_only_and_retention_for_those_that_have_one() {
    let policies = of(&agents(json!([
        { "file_path": "/a.log", "log_group_name": "/one", "retention_in_days": 7 },
        { "file_path": "/b.log", "log_group_name": "/two" },
    ])));
    let policy = login(&policies);
    let arn = |name: &str| format!("arn:aws:logs:eu-west-1:*:log-group:{name}");
    assert_eq!(sids(&policy), ["LogEvents", "MakeLogs", "Retention", "LookAtRetention"]);
    assert_eq!(
        statement(&policy, "LogEvents")["Resource"],
        json!([arn("/one:log-stream:*"), arn("/two:log-stream:*")])
    );
    assert_eq!(statement(&policy, "MakeLogs")["Resource"], json!([arn("/one:*"), arn("/two:*")]));
    assert_eq!(statement(&policy, "Retention")["Resource"], arn("/one:*"));
    assert_eq!(statement(&policy, "LookAtRetention")["Resource"], arn("*"));
    assert!(said(&policies, "the account is not in the configuration") && said(&policies, "made beforehand"));
    assert!(!said(&policies, "for what each machine has"));
}

#[test]
fn without_a_retention_no_group_is_looked_at() {
    let policy = login(&of(&agents(json!([{ "file_path": "/b.log", "log_group_name": "/two" }]))));
    assert_eq!(sids(&policy), ["LogEvents", "MakeLogs"]);
}

#[test]
fn what_only_the_machine_knows_is_a_star_and_said() {
    let policies = of(&agents(json!([
        { "file_path": "/a.log", "log_group_name": "/{hostname}{instance_id}/{aws_region}/x" },
    ])));
    let arn = "arn:aws:logs:eu-west-1:*:log-group:/*/eu-west-1/x:*";
    assert_eq!(statement(&login(&policies), "MakeLogs")["Resource"], arn);
    assert!(said(&policies, "* stands in /*/eu-west-1/x for what each machine has"));
}

#[test]
fn groups_that_are_called_as_the_paths_of_their_files_share_what_all_paths_begin_with() {
    let policies = of(&agents(json!([
        { "file_path": "/var/log/my app/*.log", "publish_multi_logs": true },
        { "file_path": "/var/log/my app/deep/**.log", "publish_multi_logs": true },
    ])));
    assert_eq!(
        statement(&login(&policies), "MakeLogs")["Resource"],
        "arn:aws:logs:eu-west-1:*:log-group:/var/log/my_app/*:*",
        "the second one is covered by the first"
    );
}

#[test]
fn a_role_has_what_is_published_and_the_login_assumes_it() {
    let role = "arn:aws-cn:iam::111122223333:role/publish";
    let policies = of(&json!({
        "agent": { "region": "cn-north-1", "credentials": { "role_arn": role }, "instance": { "serial": "1" } },
        "metrics": {
            "append_dimensions": { "AutoScalingGroupName": "${aws:AutoScalingGroupName}" },
            "metrics_collected": { "mem": { "measurement": ["used"] } },
        },
        "logs": { "log_group_name": "/a", "logs_collected": { "journal": true } },
    }));
    let policy = login(&policies);
    assert_eq!(sids(&policy), ["Instance", "AssumeRole"]);
    assert_eq!(statement(&policy, "Instance")["Action"], "ec2:DescribeTags");
    assert_eq!(statement(&policy, "AssumeRole")["Resource"], role);
    let of_role = serde_json::to_value(&policies.documents[&Principal::Role(role.to_owned())]).expect("a policy");
    assert_eq!(sids(&of_role)[..3], ["Metrics", "LogEvents", "MakeLogs"]);
    assert_eq!(
        statement(&of_role, "LogEvents")["Resource"],
        "arn:aws-cn:logs:cn-north-1:111122223333:log-group:/a:log-stream:*"
    );
    assert!(said(&policies, "trust policy") && said(&policies, "InstanceMetadataTags"));
}

#[test]
fn metrics_and_logs_may_have_roles_of_their_own() {
    let [metrics, logs] = ["metrics", "logs"].map(|name| format!("arn:aws:iam::111122223333:role/{name}"));
    let policies = of(&json!({
        "agent": { "region": "eu-west-1", "instance": { "serial": "1" } },
        "metrics": { "credentials": { "role_arn": metrics } },
        "logs": { "credentials": { "role_arn": logs }, "log_group_name": "/a", "logs_collected": { "journal": true } },
    }));
    let names: Vec<String> = policies.documents.keys().map(ToString::to_string).collect();
    assert_eq!(names, ["login".to_owned(), logs.clone(), metrics.clone()]);
    assert_eq!(statement(&login(&policies), "AssumeRole")["Resource"], json!([logs, metrics]));
    let document = serde_json::to_value(&policies.documents[&Principal::Role(metrics)]).expect("a policy");
    assert_eq!(sids(&document), ["Metrics"]);
}

#[test]
fn account_and_region_are_those_that_are_given_else_those_of_the_configuration() {
    let mut config = json!({
        "agent": {
            "region": "us-east-1", "instance": { "serial": "1" },
            "authentication": {
                "accountId": "111122223333", "userPoolId": "us-east-1_a", "identityPoolId": "us-east-1:a", "appClientId": "a",
                "password": "p",
            },
        },
        "logs": { "log_group_name": "/a/{account_id}", "logs_collected": { "journal": true } },
    });
    let resource = |config: &Value, given: &Given| {
        statement(&login(&least(&[settings(config)], given)), "MakeLogs")["Resource"].clone()
    };
    let arn = "arn:aws:logs:us-east-1:111122223333:log-group:/a/111122223333:*";
    assert_eq!(resource(&config, &Given::default()), arn);
    let given = Given { region: Some("us-gov-west-1".to_owned()), account: Some("444455556666".to_owned()) };
    assert_eq!(resource(&config, &given), "arn:aws-us-gov:logs:us-gov-west-1:444455556666:log-group:/a/444455556666:*");
    config["agent"]["authentication"]["accountId"] = json!("000000000000");
    assert_eq!(resource(&config, &Given::default()), "arn:aws:logs:us-east-1:*:log-group:/a/*:*", "a sample's account");
}

#[test]
fn several_configurations_come_to_one_policy_that_is_enough_for_each() {
    let one = |namespace: &str, group: &str| {
        settings(&json!({
            "agent": { "region": "us-east-1", "instance": { "serial": "1" } },
            "metrics": { "namespace": namespace },
            "logs": { "log_group_name": group, "logs_collected": { "journal": true } },
        }))
    };
    let policies = least(&[one("A", "/a/{instance_id}"), one("B", "/a/b"), one("A", "/c")], &Given::default());
    let policy = login(&policies);
    let condition = &statement(&policy, "Metrics")["Condition"]["StringEquals"]["cloudwatch:namespace"];
    assert_eq!(*condition, json!(["A", "B"]));
    let arn = |name: &str| format!("arn:aws:logs:us-east-1:*:log-group:{name}:*");
    assert_eq!(statement(&policy, "MakeLogs")["Resource"], json!([arn("/a/*"), arn("/c")]));
}

#[test]
fn documents_of_metrics_that_name_their_group_are_said() {
    let emf = |emf: Value| {
        of(&json!({ "agent": { "region": "us-east-1" }, "logs": { "metrics_collected": { "emf": emf } } }))
    };
    let policies = emf(json!({ "log_group_name": "/emf" }));
    assert_eq!(
        statement(&login(&policies), "LogEvents")["Resource"],
        "arn:aws:logs:us-east-1:*:log-group:/emf:log-stream:*"
    );
    assert!(said(&policies, "may name log groups of their own"));
    let policies = emf(json!({}));
    assert!(policies.documents[&Principal::Login].is_empty() && said(&policies, "may name log groups of their own"));
}

#[test]
fn volumes_are_asked_for_by_the_login() {
    let policies = of(&json!({
        "agent": { "region": "us-east-1" },
        "metrics": { "metrics_collected": { "disk": {
            "measurement": ["used_percent"], "append_dimensions": { "VolumeId": "${aws:VolumeId}" },
        } } },
    }));
    assert_eq!(statement(&login(&policies), "Instance")["Action"], "ec2:DescribeVolumes");
    assert!(said(&policies, "Xen"));
}

#[test]
fn what_a_managed_policy_does_not_hold_is_said() {
    let logs: Vec<_> =
        (0..60).map(|n| json!({ "file_path": format!("/{n}.log"), "log_group_name": format!("/{n:060}/") })).collect();
    assert!(said(&of(&agents(json!(logs))), "a managed one may have 6144"));
}

#[test]
fn each_sample_has_a_policy() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("configs");
    let mut found = 0;
    for entry in std::fs::read_dir(folder).expect("the checkout") {
        let path = entry.expect("the checkout").path();
        let settings = crate::config::load(&path).settings.expect("a sound sample");
        let sends = settings.sends_something();
        let policies = least(&[settings], &Given::default());
        assert_eq!(policies.documents.values().all(Document::is_empty), !sends, "{}", path.display());
        assert!(!policies.notes.is_empty(), "{}", path.display());
        found += 1;
    }
    assert!(found >= 7);
}

#[test]
fn a_pattern_covers_what_it_matches() {
    for (pattern, text, expected) in [
        ("a", "a", true),
        ("a", "ab", false),
        ("a*", "a", true),
        ("a*c", "abc", true),
        ("a*c", "ac", true),
        ("a*c", "a", false),
        ("a*b*c", "a*c", false),
        ("a*b*c", "abbc", true),
        ("a*ba", "aba", true),
        ("ab*ba", "aba", false),
        ("/a/*", "/a/b/*", true),
        ("/a/*", "/a", false),
    ] {
        assert_eq!(covers(pattern, text), expected, "{pattern} {text}");
    }
}
