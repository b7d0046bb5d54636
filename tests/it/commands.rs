//! What scripts and service managers rely on: exit codes, messages, and the deadline for stopping.
use crate::{
    permissions::signing_in,
    support::{
        fake::{FakeAws, Fault, Key, Op},
        host::TestHost,
    },
};
use serde_json::{Value, json};
use std::{
    fs::{self, OpenOptions},
    path::Path,
    process::Output,
    time::{Duration, Instant},
};

const INVALID: i32 = 78;

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// What the command said on both of its outputs.
fn said(output: &Output) -> String {
    text(&output.stdout) + &text(&output.stderr)
}

/// A machine for commands that need no cloud.
fn lonely() -> TestHost {
    TestHost::against("http://127.0.0.1:9").tail("app.log")
}

#[tokio::test]
async fn a_good_configuration_validates() {
    let host = lonely();
    let output = host.run([Path::new("validate"), &host.write_config()]).await;
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
}

#[tokio::test]
async fn all_findings_come_at_once_each_with_its_path() {
    let host = lonely()
        .with("agent.metrics_collection_interval", json!("soon"))
        .with("logs.retention_in_days", json!(8))
        .with("metrics.namespace", json!(17));
    let config = host.write_config();
    let output = host.run([Path::new("validate"), &config]).await;
    assert_eq!(output.status.code(), Some(INVALID), "{}", said(&output));
    let paths = ["agent.metrics_collection_interval", "logs.retention_in_days", "metrics.namespace"];
    for path in paths {
        assert!(text(&output.stdout).contains(path), "{path} is not in {}", said(&output));
    }
    let output = host.run([Path::new("validate"), &config, Path::new("--json")]).await;
    assert_eq!(output.status.code(), Some(INVALID));
    let findings: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let findings = findings.to_string();
    assert!(paths.iter().all(|path| findings.contains(path)), "{findings}");
}

#[tokio::test]
async fn a_warning_is_an_error_only_when_strict() {
    let host = lonely().with("agent.no_such_key_of_anyone", json!(true));
    let config = host.write_config();
    let lax = host.run([Path::new("validate"), &config]).await;
    let strict = host.run([Path::new("validate"), &config, Path::new("--strict")]).await;
    assert_eq!(lax.status.code(), Some(0), "{}", said(&lax));
    assert!(said(&lax).contains("no_such_key_of_anyone"), "{}", said(&lax));
    assert_eq!(strict.status.code(), Some(INVALID));
}

#[tokio::test]
async fn a_missing_or_broken_file_is_named() {
    let host = lonely();
    let missing = host.run(["validate", "nowhere.json"]).await;
    assert_eq!(missing.status.code(), Some(INVALID), "{}", said(&missing));
    assert!(said(&missing).contains("nowhere.json"));
    fs::write(host.path("broken.json"), "{\n  \"agent\": {\n").expect("a folder that can be written");
    for command in ["validate", "run"] {
        let broken = host.run([command, "broken.json"]).await;
        assert_eq!(broken.status.code(), Some(INVALID), "{}", said(&broken));
        assert!(said(&broken).contains("broken.json"), "{}", said(&broken));
        assert!(said(&broken).lines().any(|line| line.trim() == "^"), "the place is marked: {}", said(&broken));
    }
}

#[tokio::test]
async fn wrong_usage_has_its_own_exit_code() {
    let host = lonely();
    assert_eq!(host.run(["run", "--no-such-option"]).await.status.code(), Some(2));
    let misspelt = host.run(["staus"]).await;
    assert_eq!(misspelt.status.code(), Some(2));
    assert!(said(&misspelt).contains("did you mean `status`?"), "{}", said(&misspelt));
    let later = host.run(["doctor", "my.json"]).await;
    assert_eq!(later.status.code(), Some(2));
    assert!(said(&later).contains("there is no command and no file `doctor`"), "{}", said(&later));
    assert_eq!(host.run(["config", "show", "my.json"]).await.status.code(), Some(2));
    let spaced = host.run(["run", "--local", "store", "my.json"]).await;
    assert_eq!(spaced.status.code(), Some(2));
    assert!(said(&spaced).contains("--local=store"), "{}", said(&spaced));
    assert_eq!(host.run(["local", "metrics", "--since", "0s"]).await.status.code(), Some(2));
    assert_eq!(host.run(["--help"]).await.status.code(), Some(0));
    let version = host.run(["--version"]).await;
    assert_eq!(text(&version.stdout).trim(), concat!("amazon-cloudwatch-publisher ", env!("CARGO_PKG_VERSION")));
}

#[tokio::test]
async fn no_daemon_has_no_status() {
    let host = lonely();
    let output = host.run([Path::new("status"), &host.write_config()]).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty());
    assert!(text(&output.stderr).contains("not running"), "{}", said(&output));
    assert!(text(&output.stderr).contains("if it runs with --local=DIR, ask with that"), "{}", said(&output));
    let torn = host.path("torn.json");
    fs::write(&torn, "{").expect("a file");
    let output = host.run([Path::new("status"), &torn, Path::new("--local=/no/such")]).await;
    assert_eq!(output.status.code(), Some(INVALID), "{}", said(&output));
    for part in ["torn.json:1:2: error: not JSON", "nobody answers at /no/such/state"] {
        assert!(text(&output.stderr).contains(part), "{}", said(&output));
    }
    let config = host.write_config();
    let output = host.run([Path::new("status"), &config, Path::new("--local=/no/such")]).await;
    let start = format!("run {} --local=/no/such`", config.display());
    assert!(text(&output.stderr).contains(&start), "{}", said(&output));
    let output = host.run(["status", "--local=/no/such"]).await;
    assert_eq!(output.status.code(), Some(1), "the folder says enough: {}", said(&output));
    assert!(text(&output.stderr).contains("nobody answers at /no/such"), "{}", said(&output));
    assert!(text(&output.stderr).contains(" --local=/no/such`"), "{}", said(&output));
    assert!(!said(&output).contains("panicked"));
}

#[tokio::test]
async fn a_state_folder_that_has_no_say_is_not_looked_at() {
    let config = json!({ "agent": { "region": "us-east-1", "logfile": "" } });
    let host = TestHost::of(config).with("agent.state_folder", "/dev/null/state".into());
    let config = host.write_config();
    let store = format!("--local={}", host.path("store").display());
    let named = host.run([Path::new("run"), &config, Path::new(&store), Path::new("--once")]).await;
    assert_eq!(named.status.code(), Some(0), "{}", said(&named));
    assert!(!said(&named).contains("agent.state_folder"), "{}", said(&named));
    let unnamed = host.run([Path::new("run"), &config, Path::new("--local"), Path::new("--once")]).await;
    assert_eq!(unnamed.status.code(), Some(INVALID), "there the store would be: {}", said(&unnamed));
}

#[tokio::test]
async fn a_second_daemon_on_the_same_state_folder_refuses() {
    let host = lonely();
    let mut first = host.start();
    first.until_it_runs().await;
    let stderr = OpenOptions::new().create(true).append(true).open(host.path("second")).expect("a file");
    let mut second = host.start_with(stderr);
    let ended = second.ended().await;
    assert_eq!(ended.code(), Some(1));
    let said = fs::read_to_string(host.path("second")).expect("a file");
    assert!(said.contains(&host.path("state").display().to_string()), "{said}");
    first.until_it_runs().await;
    assert!(first.terminate().await.success());
}

#[tokio::test]
async fn what_a_killed_daemon_left_behind_stops_nobody() {
    let host = lonely();
    let mut first = host.start();
    first.until_it_runs().await;
    first.kill().await;
    let mut second = host.start();
    second.until_it_runs().await;
    assert!(second.terminate().await.success());
}

#[tokio::test]
async fn a_stop_keeps_its_deadline_though_the_cloud_hangs() {
    let aws = FakeAws::start();
    aws.fail(&Op::ALL, Fault::Hang);
    let host = TestHost::tailing(&aws, &["app.log"]).measuring(1).with("agent.shutdown_seconds", 3.into());
    host.append("app.log", "one\n");
    let mut daemon = host.start();
    daemon
        .until_cloud(&aws, "both kinds of calls", |seen| {
            seen.calls(Op::PutMetricData) > 0 && seen.calls(Op::PutLogEvents) + seen.calls(Op::CreateLogGroup) > 0
        })
        .await;
    let told = Instant::now();
    assert_eq!(daemon.terminate().await.code(), Some(0));
    // A call that hangs does so for a minute. In between there is room for a machine that has other things to do.
    assert!(told.elapsed() < Duration::from_secs(30), "{:?}", told.elapsed());

    aws.heal();
    let mut daemon = host.start();
    daemon.until_cloud(&aws, "the line", |seen| seen.has("one")).await;
    assert!(daemon.terminate().await.success());
}

#[tokio::test]
async fn no_secret_is_ever_printed() {
    let aws = FakeAws::start();
    let password = "the-password-that-nobody-sees";
    aws.expect_login("sys-story", "another");
    let host = signing_in(TestHost::tailing(&aws, &["app.log"]), password)
        .with_variable("AWS_SECRET_ACCESS_KEY", &Key::lasting().secret)
        .with_variable("RUST_LOG", "trace")
        .with("agent.debug", true.into());
    host.append("app.log", "one\n");
    let mut daemon = host.start();
    daemon.until("a login that failed", |status| status.counter("credential_failures") > 0).await;
    aws.expect_login("sys-story", password);
    daemon.until_cloud(&aws, "the line", |seen| seen.has("one")).await;
    let status = daemon.status().await.expect("it runs").0.to_string();
    assert!(daemon.terminate().await.success());
    let said = host.said() + &status;
    assert!(!said.is_empty());
    for secret in [password, Key::lasting().secret.as_str(), "the-secret-half-of-key", "the-session-token-of-key"] {
        assert!(!said.contains(secret), "{secret:?} was printed");
    }
}

#[tokio::test]
async fn validate_finds_what_the_start_would_refuse_of_the_environment() {
    let config = json!({ "agent": { "region": "us-east-1", "logfile": "" } });
    for (name, value) in [("AWS_CA_BUNDLE", "/no/such/bundle"), ("HTTPS_PROXY", "ht!tp://"), ("AWS_REGION", "foo bar")]
    {
        let mut config = config.clone();
        if name == "AWS_REGION" {
            config["agent"].as_object_mut().expect("an agent").remove("region");
        }
        let host = TestHost::of(config).with_variable(name, value);
        let path = host.write_config();
        let output = host.run([Path::new("validate"), &path]).await;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(output.status.code(), Some(78), "{said}");
        assert!(said.contains(name), "{said}");
    }
}

#[tokio::test]
async fn a_name_that_becomes_too_long_is_found_by_validate_and_keeps_the_daemon_from_starting() {
    let group = format!("{}{{instance_id}}", "x".repeat(499));
    let config = json!({
        "agent": { "region": "us-east-1", "logfile": "" },
        "logs": { "log_group_name": group, "logs_collected": { "journal": true } },
    });
    let host = TestHost::of(config);
    let path = host.write_config();
    let why = "logs.logs_collected.journal: the name of the log group has 515 characters";
    for command in ["validate", "run"] {
        let output = host.run([Path::new(command), &path]).await;
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        assert_eq!(output.status.code(), Some(78), "{said}");
        assert!(said.contains(why), "{said}");
    }
}

#[tokio::test]
async fn an_own_log_that_cannot_be_there_keeps_the_daemon_from_starting_again() {
    let host = lonely();
    let (path, nowhere) = (host.path("own.log"), host.path("no/such/folder/own.log"));
    std::os::unix::fs::symlink(nowhere, &path).expect("our folder");
    let host = host.with("agent.logfile", json!(path));
    let output = host.run([Path::new("run"), &host.write_config()]).await;
    assert_eq!(output.status.code(), Some(INVALID), "{}", said(&output));
    assert!(said(&output).contains("own.log cannot be written"), "{}", said(&output));
}
