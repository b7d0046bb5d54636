//! Starting, starting anew, one round, and what somebody removes meanwhile.
use crate::support::{
    PATIENCE,
    fake::{FakeAws, Fault, Op},
    host::{Daemon, TestHost},
};
use serde_json::{Value, json};
use std::{fs, path::Path, time::Duration};

/// Change the configuration behind the back of the running daemon.
fn rewrite(config: &Path, change: impl FnOnce(&mut Value)) {
    let mut value: Value = serde_json::from_slice(&fs::read(config).expect("it was written")).expect("JSON");
    change(&mut value);
    fs::write(config, value.to_string()).expect("it is ours");
}

async fn until_said(host: &TestHost, daemon: &mut Daemon<'_>, words: &str) {
    daemon.until(words, |_| host.said().contains(words)).await;
}

#[tokio::test]
async fn lines_that_the_embedded_store_has_still_go_to_aws() {
    let aws = FakeAws::start();
    let host = TestHost::tailing(&aws, &["app.log"]);
    host.append("app.log", "one\ntwo\n");
    let config = host.write_config();
    for local in ["--local".to_owned(), format!("--local={}", host.path("store").display())] {
        let output = host.run([Path::new("run"), &config, Path::new("--once"), Path::new(&local)]).await;
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    assert_eq!(aws.calls(Op::PutLogEvents), 0);
    let mut daemon = host.start();
    daemon.until_cloud(&aws, "both lines", |seen| seen.has("two")).await;
    assert!(daemon.terminate().await.success());
    assert_eq!(aws.messages("app.log"), ["one", "two"]);
}

#[tokio::test]
async fn a_new_configuration_that_cannot_start_leaves_the_old_one_in_force() {
    let aws = FakeAws::start();
    let host = TestHost::tailing(&aws, &["app.log"]);
    let mut daemon = host.start();
    daemon.until_it_runs().await;
    let config = host.path("publisher.json");
    rewrite(&config, |config| config["agent"]["instance"] = json!({ "prefix": "sys", "command": "exit 3" }));
    daemon.hang_up().await;
    until_said(&host, &mut daemon, "the old one goes on").await;
    daemon.until("the refusal", |status| status.0["refused_reload"]["error"].is_string()).await;
    assert!(!host.said().contains("stopping"), "it was not even stopped: {}", host.said());
    host.append("app.log", "one\n");
    daemon.until_cloud(&aws, "the line", |seen| seen.has("one")).await;
    // Its keys were read, and nobody was asked for them.
    assert!(host.said().contains("has credentials") && !host.said().contains("signed in"), "{}", host.said());
    rewrite(&config, |config| config["agent"]["instance"] = json!({ "prefix": "sys", "serial": "other" }));
    daemon.hang_up().await;
    assert!(!host.said().contains("reloaded: "), "{}", host.said());
    daemon.until("the new name", |status| status.0["instance_id"] == "sys-other").await;
    until_said(&host, &mut daemon, "reloaded: the new configuration is in force").await;
    assert!(daemon.terminate().await.success());
    aws.assert_no_violations();
}

#[tokio::test]
async fn one_round_without_a_cloud_ends_with_the_reason_and_keeps_what_it_has() {
    let mut aws = FakeAws::unplugged();
    let host = TestHost::tailing(&aws, &["app.log"]).measuring(60);
    host.append("app.log", "one\n");
    let output = host.run([Path::new("run"), &host.write_config(), Path::new("--once")]).await;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    let last = said.lines().last().expect("it said why");
    assert!(last.starts_with("error: nothing could be delivered for 30 seconds"), "{said}");
    assert!(last.contains("could not be reached"), "{last}");
    assert_eq!(said.matches("nothing could be delivered").count(), 1, "{said}");
    aws.plug_in();
    let output = host.run([Path::new("run"), &host.write_config(), Path::new("--once")]).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(aws.messages("app.log"), ["one"]);
    // One of this round, and at least the one that was kept.
    assert!(aws.look(|seen| seen.metric("CPUCount").len()) >= 2);
}

#[tokio::test]
async fn a_stop_or_a_reload_during_a_slow_start_is_heard() {
    let host = TestHost::against("http://127.0.0.1:9")
        .with("agent.instance", json!({ "prefix": "sys", "command": "touch started; sleep 600" }));
    let mut daemon = host.start();
    host.until_there("started").await;
    daemon.hang_up().await;
    let told = std::time::Instant::now();
    assert_eq!(daemon.terminate().await.code(), Some(0), "{}", host.said());
    assert!(told.elapsed() < Duration::from_secs(60), "the command was not waited for");
}

#[tokio::test]
async fn a_state_folder_that_is_removed_is_made_again() {
    let aws = FakeAws::start();
    let host = TestHost::tailing(&aws, &["app.log"]);
    let mut daemon = host.start();
    daemon.until_it_runs().await;
    fs::remove_dir_all(host.state("")).expect("it is ours");
    daemon.until_it_runs().await;
    let there = |file: &str| host.state(file).exists();
    daemon.until("the lock", |_| there("lock")).await;
    assert!(there("status.sock"));
    assert!(daemon.terminate().await.success());
    assert!(!there("status.sock"), "it goes with the daemon");
}

#[tokio::test]
async fn an_error_at_the_start_is_said_once() {
    let command = json!({ "prefix": "sys", "command": "exit 3" });
    for in_a_file in [false, true] {
        let host = TestHost::against("http://127.0.0.1:9").with("agent.instance", command.clone());
        let log = if in_a_file { json!(host.path("own.log")) } else { json!("") };
        let host = host.with("agent.logfile", log);
        let output = host.run([Path::new("run"), &host.write_config()]).await;
        assert_eq!(output.status.code(), Some(1));
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(said.matches("agent.instance.command failed").count(), 1, "{said}");
        assert!(said.contains("said nothing about it"), "{said}");
        let told = said.contains(&format!("the log goes to {}", host.path("own.log").display()));
        assert_eq!(told, in_a_file, "{said}");
    }
}

#[tokio::test]
async fn one_round_delivers_whole_lines_and_says_what_stays() {
    let aws = FakeAws::start();
    let host = TestHost::tailing(&aws, &["app.log"]);
    host.append("app.log", "one\ntwo\nhalf a li");
    let output = host.run([Path::new("run"), &host.write_config(), Path::new("--once")]).await;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert_eq!(aws.messages("app.log"), ["one", "two"]);
    assert!(said.contains("has no line end yet") && said.contains("bytes=9"), "{said}");
    host.append("app.log", "ne\n");
    let output = host.run([Path::new("run"), &host.write_config(), Path::new("--once")]).await;
    assert!(output.status.success());
    assert_eq!(aws.messages("app.log"), ["one", "two", "half a line"]);
    let output = host.run([Path::new("run"), &host.write_config(), Path::new("--once")]).await;
    assert!(output.status.success(), "what an earlier round delivered is not waited for");
}

#[tokio::test]
async fn one_round_that_cannot_read_a_log_delivers_the_others_and_fails() {
    let aws = FakeAws::start();
    let host = TestHost::tailing(&aws, &["app.log", "not-there-yet.log"]);
    host.append("app.log", "one\n");
    let output = host.run([Path::new("run"), &host.write_config(), Path::new("--once")]).await;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{said}");
    let absent = format!(
        "this log file does not exist yet; it is read as soon as it does path={}",
        host.path("not-there-yet.log").display()
    );
    assert_eq!(said.matches(&absent).count(), 1, "{said}");
    fs::create_dir(host.path("not-there-yet.log")).expect("it is ours");
    host.append("app.log", "two\n");
    let output = host.run([Path::new("run"), &host.write_config(), Path::new("--once")]).await;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("not every log could be read: "), "{said}");
    assert!(said.contains("not-there-yet.log: this is a folder"), "{said}");
    assert_eq!(aws.messages("app.log"), ["one", "two"]);
}

#[tokio::test]
async fn one_round_waits_for_a_journal_that_takes_its_time() {
    let aws = FakeAws::start();
    let host = TestHost::against(&aws.url()).with("logs.logs_collected.journal", json!(true));
    let entry = r#"{"__CURSOR":"s=1;i=1;b=2;m=1;t=1;x=1","__REALTIME_TIMESTAMP":"NOW000","MESSAGE":"slow"}"#;
    let script = format!(
        "#!/bin/sh\ncase \"$*\" in *--follow*) exec sleep 600;; *--cursor*) exit 0;; esac\n\
         sleep 3\necho '{entry}' | sed \"s/NOW/$(date +%s)000/\"\n"
    );
    let host = host.with_program("journalctl", &script);
    let output = host.run([Path::new("run"), &host.write_config(), Path::new("--once")]).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(aws.messages("system-journal"), ["slow"]);
}

#[tokio::test]
async fn a_reload_follows_the_log_settings_and_a_bad_file_changes_nothing() {
    let aws = FakeAws::start();
    let host = TestHost::tailing(&aws, &["app.log"]);
    let mut daemon = host.start();
    daemon.until_it_runs().await;
    let config = host.path("publisher.json");
    rewrite(&config, |config| config["logs"]["endpoint_override"] = json!("ht!tp://"));
    daemon.hang_up().await;
    until_written(&host, "the old one stays in force").await;
    assert!(host.said().contains("logs.endpoint_override: is no URL"), "{}", host.said());
    assert!(host.said().contains("asked to reload"), "{}", host.said());
    let invalid = host.run([Path::new("run"), &config]).await;
    assert_eq!(invalid.status.code(), Some(78));
    daemon.until("the refusal", |status| status.0["refused_reload"]["error"].is_string()).await;
    let asked = host.run([Path::new("status"), &config]).await;
    let (told, noted) = (String::from_utf8_lossy(&asked.stdout), String::from_utf8_lossy(&asked.stderr));
    let refusal = told.lines().find(|line| line.contains("not reloaded")).expect("a line of its own");
    assert!(refusal.contains("error: logs.endpoint_override: is no URL"), "{refusal}");
    assert!(noted.contains("has errors and cannot be used"), "{noted}");
    let own_log = host.path("own.log");
    rewrite(&config, |config| {
        config["logs"].as_object_mut().expect("it has logs").remove("endpoint_override");
        config["agent"]["logfile"] = json!(own_log);
        config["agent"]["debug"] = json!(true);
        config["agent"]["instance"]["serial"] = json!("other");
    });
    daemon.hang_up().await;
    daemon.until("the new name", |status| status.0["instance_id"] == "sys-other").await;
    daemon.until("no refusal any more", |status| status.0["refused_reload"].is_null()).await;
    host.append("app.log", "one\n");
    daemon.until_cloud(&aws, "the line", |seen| seen.has("one")).await;
    assert!(daemon.terminate().await.success());
    assert!(fs::read_to_string(own_log).expect("it was made").contains("stopped;"));
    assert_eq!(host.said().matches("stopped;").count(), 1, "only the first stop: {}", host.said());
}

#[tokio::test]
async fn a_reload_during_a_hanging_call_leaves_one_sender() {
    let aws = FakeAws::start();
    let host = TestHost::tailing(&aws, &["app.log"]).with("agent.shutdown_seconds", 1.into());
    host.append("app.log", "one\n");
    let mut daemon = host.start();
    daemon.until_cloud(&aws, "the first line", |seen| seen.has("one")).await;
    aws.fail(&[Op::PutLogEvents], Fault::Hang);
    host.append("app.log", "two\n");
    daemon.until_called(&aws, Op::PutLogEvents, 1).await;
    let config = host.path("publisher.json");
    rewrite(&config, |config| config["agent"]["instance"]["serial"] = json!("other"));
    daemon.hang_up().await;
    daemon.until("the new name", |status| status.0["instance_id"] == "sys-other").await;
    aws.heal();
    daemon.until_cloud(&aws, "the second line", |seen| seen.has("two")).await;
    assert!(daemon.terminate().await.success());
    assert_eq!(aws.messages("app.log"), ["one", "two"]);
}

#[tokio::test]
async fn a_second_signal_ends_at_once_and_nothing_is_lost() {
    let aws = FakeAws::start();
    let host = TestHost::tailing(&aws, &["app.log"]).with("agent.shutdown_seconds", 600.into());
    aws.fail(&[Op::PutLogEvents], Fault::Hang);
    host.append("app.log", "one\n");
    let mut daemon = host.start();
    daemon.until_called(&aws, Op::PutLogEvents, 1).await;
    // One that comes right behind the first counts as the same, so whoever insists asks again and again.
    let ended = daemon.insist().await;
    assert_eq!(ended.code(), Some(1));
    assert!(host.said().contains("stopped at once by a second signal"), "{}", host.said());
    aws.heal();
    let mut daemon = host.start();
    daemon.until_cloud(&aws, "the line", |seen| seen.has("one")).await;
    assert!(daemon.terminate().await.success());
    assert_eq!(aws.messages("app.log"), ["one"]);
}

async fn until_written(host: &TestHost, words: &str) {
    let written = async {
        while !host.said().contains(words) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, written).await.expect("it is said");
}
