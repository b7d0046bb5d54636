//! `iam-policy`: what it prints is enough for all that the daemon does, and none of it is too much.
use crate::support::{
    REGION,
    fake::{Call, FakeAws, Key, Op, Seen},
    host::TestHost,
    iam::{self, Asked},
    metadata::Metadata,
};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsStr,
    fs,
    path::Path,
};

const LOGIN_ACCOUNT: &str = "111122223333";
const ROLE_ACCOUNT: &str = "444455556666";
const METRICS_ROLE: &str = "arn:aws:iam::444455556666:role/metrics";
const LOGS_ROLE: &str = "arn:aws:iam::444455556666:role/logs";

/// A machine of the agent's dialect that does all for which somebody must allow something: several groups, one of them there before,
/// with retention, with a placeholder, and called as their files; and what only EC2 can tell.
fn busy(aws: &FakeAws, metadata: &Metadata) -> TestHost {
    aws.scale("web");
    aws.create_group("/story/there");
    let host = TestHost::of(json!({
        "agent": { "region": REGION, "metrics_collection_interval": 1, "logfile": "", "endpoint_override": aws.url() },
        "metrics": {
            "namespace": "Story/Busy",
            "force_flush_interval": 1,
            "append_dimensions": { "AutoScalingGroupName": "${aws:AutoScalingGroupName}" },
            "metrics_collected": { "cpu": { "measurement": ["usage_idle"] } },
        },
        "logs": { "force_flush_interval": 1 },
    }));
    fs::create_dir(host.path("each")).expect("a folder");
    let list = json!([
        { "file_path": host.path("a.log"), "log_group_name": "/story/{local_hostname}", "retention_in_days": 7 },
        { "file_path": host.path("b.log"), "log_group_name": "/story/there", "retention_in_days": 30 },
        { "file_path": host.path("each/*.log"), "publish_multi_logs": true },
    ]);
    for file in ["a.log", "b.log", "each/c.log"] {
        host.append(file, &format!("{file}\n"));
    }
    let host = host.with("logs.logs_collected.files.collect_list", list);
    let host = metadata.for_host(host).with_variable("AWS_ENDPOINT_URL_EC2", &aws.url());
    host.with_variable("AWS_ENDPOINT_URL_STS", &aws.url())
}

/// Whether all of it has happened.
fn is_done(seen: &Seen) -> bool {
    let retained =
        |group: &str, days| seen.groups.get(group).is_some_and(|group| group.retention_in_days == Some(days));
    let lines = ["a.log", "b.log", "each/c.log"].iter().all(|line| seen.has(line));
    let kept = seen.groups.values().any(|group| group.retention_in_days == Some(7)) && retained("/story/there", 30);
    lines
        && kept
        && !seen.datums.is_empty()
        && seen.calls(Op::DescribeTags) > 0
        && seen.calls(Op::DescribeLogGroups) > 0
}

/// What the command prints.
async fn printed<I: AsRef<OsStr>>(host: &TestHost, arguments: impl IntoIterator<Item = I>) -> Value {
    let output = host.run(arguments).await;
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(said.lines().all(|line| line.starts_with("note: ")), "{said}");
    serde_json::from_slice(&output.stdout).expect("JSON and nothing else")
}

async fn policy_of(host: &TestHost, role: &str) -> Value {
    let config = host.write_config();
    let arguments = ["iam-policy", "--account-id", LOGIN_ACCOUNT, "--role", role].map(Into::into);
    printed(host, arguments.into_iter().chain([config])).await
}

/// As IAM is asked: the ARNs are those that stand in the refusals of the services.
/// <https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazoncloudwatchlogs.html>
fn asked(call: &Call, account: &str) -> Asked {
    let name = |name| call.names.get(name).map_or("", String::as_str);
    let stream = format!(
        "arn:aws:logs:{REGION}:{account}:log-group:{}:log-stream:{}",
        name("logGroupName"),
        name("logStreamName")
    );
    match call.op {
        Op::PutMetricData => {
            Asked::new("cloudwatch:PutMetricData", "*").with("cloudwatch:namespace", name("Namespace"))
        }
        Op::AssumeRole => Asked::new("sts:AssumeRole", name("RoleArn")),
        Op::DescribeTags => Asked::new("ec2:DescribeTags", "*"),
        op => Asked::new(&format!("logs:{op:?}"), &stream),
    }
}

/// Every call is allowed to who made it, and every action of every statement was needed.
fn assert_least(seen: &Seen, policies: &BTreeMap<&str, Value>) {
    let mut needed = BTreeSet::new();
    for call in &seen.made {
        let (who, account) = match seen.roles.get(&call.access_key) {
            Some(role) => (role.as_str(), ROLE_ACCOUNT),
            None => {
                assert_eq!(call.access_key, Key::lasting().access_key);
                ("login", LOGIN_ACCOUNT)
            }
        };
        let asked = asked(call, account);
        let by = iam::allowing(&policies[who], &asked);
        assert!(!by.is_empty(), "{who} may not do {asked:?}: {:#}", policies[who]);
        needed.extend(by.into_iter().map(|sid| (who, sid, asked.action.clone())));
    }
    for (who, policy) in policies {
        for (sid, action) in iam::promises(policy) {
            assert!(needed.contains(&(*who, sid.clone(), action.clone())), "nobody needed {action} of {sid} for {who}");
        }
    }
}

async fn run_until_done(aws: &FakeAws, host: &TestHost) {
    let mut daemon = host.start();
    daemon.until_cloud(aws, "everything", is_done).await;
    assert!(daemon.terminate().await.success());
    aws.assert_no_violations();
}

#[tokio::test]
async fn the_policy_of_the_login_allows_each_call_and_nothing_beside() {
    let (aws, metadata) = (FakeAws::start(), Metadata::answering());
    let host = busy(&aws, &metadata);
    let login = policy_of(&host, "login").await;
    run_until_done(&aws, &host).await;
    aws.look(|seen| assert_least(seen, &BTreeMap::from([("login", login.clone())])));

    let may = |asked: Asked| !iam::allowing(&login, &asked).is_empty();
    let namespace = |name| Asked::new("cloudwatch:PutMetricData", "*").with("cloudwatch:namespace", name);
    assert!(may(namespace("Story/Busy")) && !may(namespace("Story/Busy2")) && !may(namespace("AWS/EC2")));
    let put = |region: &str, account: &str, group: &str| {
        Asked::new("logs:PutLogEvents", &format!("arn:aws:logs:{region}:{account}:log-group:{group}:log-stream:s"))
    };
    assert!(may(put(REGION, LOGIN_ACCOUNT, "/story/there")));
    assert!(!may(put(REGION, LOGIN_ACCOUNT, "/other")) && !may(put("eu-west-1", LOGIN_ACCOUNT, "/story/there")));
    assert!(!may(put(REGION, ROLE_ACCOUNT, "/story/there")));
}

#[tokio::test]
async fn the_policies_of_roles_and_of_who_assumes_them_allow_each_call_and_nothing_beside() {
    let (aws, metadata) = (FakeAws::start(), Metadata::answering());
    let host = busy(&aws, &metadata)
        .with("metrics.credentials.role_arn", json!(METRICS_ROLE))
        .with("logs.credentials.role_arn", json!(LOGS_ROLE));
    let mut policies = BTreeMap::new();
    for who in ["login", METRICS_ROLE, LOGS_ROLE] {
        policies.insert(who, policy_of(&host, who).await);
    }
    run_until_done(&aws, &host).await;
    aws.look(|seen| assert_least(seen, &policies));

    let config = host.write_config();
    let all =
        printed(&host, [Path::new("iam-policy"), Path::new("--account-id"), Path::new(LOGIN_ACCOUNT), &config]).await;
    assert_eq!(all, json!(policies), "without --role all of them, by who needs them");
}

#[tokio::test]
async fn without_retention_tags_and_placeholders_less_is_allowed() {
    let aws = FakeAws::start();
    let host = TestHost::tailing(&aws, &["app.log"]).measuring(1);
    host.append("app.log", "one\n");
    let login = policy_of(&host, "login").await;
    let mut daemon = host.start();
    daemon.until_cloud(&aws, "line and metrics", |seen| seen.has("one") && !seen.datums.is_empty()).await;
    assert!(daemon.terminate().await.success());
    aws.look(|seen| assert_least(seen, &BTreeMap::from([("login", login.clone())])));
    assert_eq!(iam::promises(&login).len(), 4, "{login:#}");
}

#[tokio::test]
async fn every_sample_has_a_policy_and_all_of_them_together_too() {
    let host = TestHost::against("http://127.0.0.1:1");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("configs");
    let samples: Vec<_> =
        fs::read_dir(folder).expect("the checkout").map(|entry| entry.expect("the checkout").path()).collect();
    for sample in &samples {
        let policy = printed(&host, [Path::new("iam-policy"), sample]).await;
        assert!(policy["Statement"].is_array() || policy["login"]["Statement"].is_array(), "{policy}");
    }
    let all = printed(&host, [Path::new("iam-policy").to_path_buf()].into_iter().chain(samples)).await;
    let namespaces = iam::texts(&all["login"]["Statement"][0]["Condition"]["StringEquals"]["cloudwatch:namespace"]);
    assert!(namespaces.contains(&"System/OSX".to_owned()) && namespaces.contains(&"System/RaspberryPi".to_owned()));
}

#[tokio::test]
async fn what_cannot_be_answered_is_said() {
    let host = TestHost::against("http://127.0.0.1:1").measuring(1);
    let config = host.write_config();
    let run = |arguments: &[&str]| {
        let arguments: Vec<_> = arguments.iter().map(Into::into).chain([config.clone()]).collect();
        host.run(arguments)
    };
    let unknown = run(&["iam-policy", "--role", "nobody"]).await;
    assert_eq!(unknown.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("\"nobody\"; there are login"));
    assert_eq!(run(&["iam-policy", "--account-id", "12"]).await.status.code(), Some(2));
    assert_eq!(run(&["iam-policy", "--region", "*"]).await.status.code(), Some(2));
    fs::write(host.path("broken.json"), "{").expect("our folder");
    let broken = run(&["iam-policy", "broken.json"]).await;
    assert_eq!((broken.status.code(), broken.stdout.len()), (Some(78), 0));
}

/// The policy in infrastructure/README.md is what its command prints.
#[tokio::test]
async fn the_policy_that_is_documented_is_the_one_that_is_printed() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("infrastructure/README.md")).expect("the checkout");
    let (_, after) = page.split_once("\namazon-cloudwatch-publisher iam-policy ").expect("the command");
    let (command, after) = after.split_once('\n').expect("its line");
    let (_, json) = after.split_once("```json\n").expect("what it prints");
    let (json, _) = json.split_once("```").expect("its end");
    let host = TestHost::against("http://127.0.0.1:1");
    let arguments =
        command.split(' ').map(|word| if word.starts_with("configs/") { root.join(word) } else { word.into() });
    let output = host.run([Path::new("iam-policy").to_path_buf()].into_iter().chain(arguments)).await;
    assert_eq!(String::from_utf8_lossy(&output.stdout), json);
}
