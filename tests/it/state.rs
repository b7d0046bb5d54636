//! The state folder: whose it is, what stays in it, and what is taken over from other programs.
use crate::support::{
    fake::{FakeAws, Op},
    host::{GROUP, TestHost},
    writer::{Rotation, Writer},
};
use serde_json::json;
use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

#[tokio::test]
async fn a_second_daemon_does_not_start_on_the_same_state_and_the_first_goes_on() {
    let aws = FakeAws::start();
    let host = TestHost::tailing(&aws, &["app.log"]);
    let mut first = host.start();
    first.until_it_runs().await;
    let second = host.run([Path::new("run"), &host.write_config()]).await;
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert_eq!(second.status.code(), Some(1), "{said}");
    assert!(said.contains("another daemon (process ") && said.contains("agent.state_folder"), "{said}");
    host.append("app.log", "one\n");
    first.until_cloud(&aws, "the line", |seen| seen.has("one")).await;
    assert!(first.terminate().await.success());
    assert_eq!(aws.messages("app.log"), ["one"]);
}

#[tokio::test]
async fn a_log_that_leaves_the_configuration_and_comes_back_goes_on_where_it_stopped() {
    let aws = FakeAws::start();
    let host = TestHost::tailing(&aws, &["app.log", "other.log"]);
    host.append("app.log", "one\n");
    host.append("other.log", "1\n");
    let mut daemon = host.start();
    daemon.until_cloud(&aws, "both", |seen| seen.has("one") && seen.has("1")).await;
    let with_both = fs::read(host.path("publisher.json")).expect("written");
    let mut without: serde_json::Value = serde_json::from_slice(&with_both).expect("JSON");
    without["logs"]["logs_collected"]["files"]["collect_list"].as_array_mut().expect("a list").pop();
    fs::write(host.path("publisher.json"), without.to_string()).expect("ours");
    daemon.hang_up().await;
    daemon.until("one log", |status| status.0["sources"].as_array().is_some_and(|sources| sources.len() == 1)).await;
    host.append("other.log", "2\n");
    host.append("app.log", "two\n");
    daemon.until_cloud(&aws, "the log that stayed", |seen| seen.has("two")).await;
    fs::write(host.path("publisher.json"), with_both).expect("ours");
    daemon.hang_up().await;
    daemon.until_cloud(&aws, "the log that came back", |seen| seen.has("2")).await;
    assert!(daemon.terminate().await.success());
    assert_eq!(aws.messages("other.log"), ["1", "2"]);
    assert_eq!(aws.messages("app.log"), ["one", "two"]);
}

/// As a program of the first version left it, for a log whose first line is delivered.
fn of_the_first_version(host: &TestHost, log: &str, stands: &serde_json::Value) {
    let mut position = stands.clone();
    position["file"]["path"] = json!(host.path(log));
    let seen = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_millis();
    let content =
        json!({ "sources": [{ "seen": u64::try_from(seen).expect("small"), "position": position }] }).to_string();
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&1_u32.to_le_bytes());
    hasher.update(content.as_bytes());
    let text = format!("{{\"version\":1,\"crc32\":\"{:08x}\",\"content\":{content}}}\n", hasher.finalize());
    fs::write(host.state("positions.json"), text).expect("ours");
}

/// The positions in the file, the last record of each source.
fn positions(host: &TestHost) -> Vec<serde_json::Value> {
    let text = fs::read_to_string(host.state("positions.jsonl")).expect("written");
    let records = text.lines().skip(1).map(|line| serde_json::from_str(&line[9..]).expect("JSON"));
    let mut found: Vec<serde_json::Value> = Vec::new();
    for record in records {
        let record: serde_json::Value = record;
        if record["position"].is_object() {
            found.push(record["position"].clone());
        } else if let (Some(moved), Some(last)) = (record["moved"].as_object(), found.last_mut()) {
            moved.iter().for_each(|(key, value)| last["file"][key] = value.clone());
        }
    }
    found
}

#[tokio::test]
async fn an_upgrade_takes_the_positions_of_the_first_version_over_and_leaves_it_a_note() {
    let aws = FakeAws::start();
    let host = TestHost::tailing(&aws, &["app.log"]);
    host.append("app.log", "one\n");
    let mut daemon = host.start();
    daemon.until_cloud(&aws, "the line", |seen| seen.has("one")).await;
    assert!(daemon.terminate().await.success());
    let stands = positions(&host).pop().expect("one");
    for file in ["positions.jsonl", "positions.previous.jsonl", "positions.json"] {
        let _ = fs::remove_file(host.state(file));
    }
    of_the_first_version(&host, "app.log", &stands);
    host.append("app.log", "two\n");
    let mut daemon = host.start();
    daemon.until_cloud(&aws, "the second line", |seen| seen.has("two")).await;
    assert!(daemon.terminate().await.success());
    assert_eq!(aws.messages("app.log"), ["one", "two"], "nothing twice");
    let note: serde_json::Value =
        serde_json::from_slice(&fs::read(host.state("positions.json")).expect("a note")).expect("one value");
    assert_eq!(note["version"], 2, "a program of the first version refuses it");
}

/// The agent's state of a file, as that writes it.
fn agent_state(host: &TestHost, log: &str, offset: usize) -> PathBuf {
    let (folder, path) = (host.path("agent-state"), host.path(log));
    fs::create_dir_all(&folder).expect("ours");
    let name = path.to_str().expect("Unicode").replace(['/', ' ', ':'], "_");
    fs::write(folder.join(name), format!("{offset}\n{}\n0-{offset}", path.display())).expect("ours");
    folder
}

#[tokio::test]
async fn the_first_start_goes_on_where_the_agent_stopped_and_only_the_first() {
    let aws = FakeAws::start();
    let host = TestHost::tailing(&aws, &["app.log"]);
    host.append("app.log", "sent by the agent\n");
    let folder = agent_state(&host, "app.log", "sent by the agent\n".len());
    host.append("app.log", "one\n");
    let host = host.with("agent.import_state", json!(folder));
    // A dry run shows it, and changes nothing.
    let dry = host.run([Path::new("run"), &host.write_config(), Path::new("--once"), Path::new("--dry-run")]).await;
    let printed = String::from_utf8_lossy(&dry.stdout).into_owned();
    assert!(printed.contains("one") && !printed.contains("sent by the agent"), "{printed}");
    let mut daemon = host.start();
    daemon.until_cloud(&aws, "the new line", |seen| seen.has("one")).await;
    assert!(daemon.terminate().await.success());
    assert_eq!(aws.messages("app.log"), ["one"]);
    assert_eq!(host.said().matches("continues where the CloudWatch Agent stopped").count(), 1, "{}", host.said());
    // Whoever removes our positions wants all of it, not what the agent knew long ago.
    fs::remove_file(host.state("positions.jsonl")).expect("ours");
    let _ = fs::remove_file(host.state("positions.previous.jsonl"));
    let mut daemon = host.start();
    daemon.until_cloud(&aws, "everything", |seen| seen.has("sent by the agent")).await;
    assert!(daemon.terminate().await.success());
}

#[cfg(unix)]
#[tokio::test]
async fn a_log_that_was_rotated_right_after_the_agent_stopped_is_read_on_also_if_it_is_compressed() {
    let aws = FakeAws::start();
    for (round, compressed) in [false, true].into_iter().enumerate() {
        // Lines of one length: where one begins in the old file, one begins in the new one.
        let lines = |range: std::ops::Range<u32>| range.map(|n| format!("{round} line {n:04}\n")).collect::<String>();
        let host = TestHost::tailing(&aws, &["app.log"]);
        host.append("app.log", &lines(0..20));
        let folder = agent_state(&host, "app.log", lines(0..10).len());
        tokio::time::sleep(Duration::from_millis(100)).await;
        fs::rename(host.path("app.log"), host.path("app.log.1")).expect("ours");
        if compressed {
            let gzip = std::process::Command::new("gzip").arg(host.path("app.log.1")).status().expect("gzip is there");
            assert!(gzip.success());
        }
        host.append("app.log", &lines(20..60));
        let host = host.with("agent.import_state", json!(folder));
        let mut daemon = host.start();
        daemon.until_cloud(&aws, "the last line", |seen| seen.has(&format!("{round} line 0059"))).await;
        assert!(daemon.terminate().await.success());
        let sent = aws.messages("app.log");
        let sent = sent.iter().filter(|line| line.starts_with(&format!("{round} "))).map(|line| format!("{line}\n"));
        assert_eq!(sent.collect::<String>(), lines(10..60), "compressed: {compressed}");
    }
}

#[tokio::test]
async fn the_files_of_a_pattern_go_on_where_the_agent_stopped_and_what_it_never_saw_is_sent() {
    let aws = FakeAws::start();
    for keys in [json!({}), json!({ "publish_multi_logs": true })] {
        let host = TestHost::tailing(&aws, &[]);
        let mut item =
            json!({ "file_path": host.path("app-*.log"), "log_group_name": "/story/logs", "log_stream_name": "all" });
        item.as_object_mut().expect("an item").extend(keys.as_object().expect("keys").clone());
        let host = host.with("logs.logs_collected.files.collect_list", json!([item]));
        let before = aws.look(|seen| seen.events.len());
        for log in ["app-1.log", "app-2.log"] {
            host.append(log, "sent by the agent\n");
            agent_state(&host, log, "sent by the agent\n".len());
        }
        host.append("app-1.log", "one\n");
        tokio::time::sleep(Duration::from_millis(50)).await;
        host.append("app-2.log", "two\n");
        let host = {
            let folder = host.path("agent-state");
            host.with("agent.import_state", json!(folder))
        };
        let mut daemon = host.start();
        daemon
            .until_cloud(&aws, "what is new", |seen| seen.events[before..].iter().any(|event| event.message == "two"))
            .await;
        host.append("app-3.log", "three\n");
        daemon
            .until_cloud(&aws, "a new file", |seen| seen.events[before..].iter().any(|event| event.message == "three"))
            .await;
        assert!(daemon.terminate().await.success());
        let mut messages: Vec<String> =
            aws.look(|seen| seen.events[before..].iter().map(|event| event.message.clone()).collect());
        messages.sort_unstable();
        assert_eq!(messages, ["one", "three", "two"], "{keys}");
    }
}

#[tokio::test]
async fn nothing_is_imported_where_that_is_switched_off_or_the_lines_stay_here() {
    let aws = FakeAws::start();
    let host = TestHost::tailing(&aws, &["app.log"]);
    host.append("app.log", "sent by the agent\n");
    let folder = agent_state(&host, "app.log", "sent by the agent\n".len());
    let host = host.with("agent.import_state", json!(folder));
    let local = host.run([Path::new("run"), &host.write_config(), Path::new("--once"), Path::new("--local")]).await;
    let said = String::from_utf8_lossy(&local.stderr).into_owned();
    assert!(local.status.success() && !said.contains("continues where"), "{said}");
    let host = host.with("agent.import_state", json!(false));
    let mut daemon = host.start();
    daemon.until_cloud(&aws, "all of it", |seen| seen.has("sent by the agent")).await;
    assert!(daemon.terminate().await.success());
}

/// Killed while lines are written all the time: at moments that are spread over the daemon's seconds, with a batch on its way
/// or not. What comes twice is what was on its way and what the last ten seconds brought, never more.
#[tokio::test]
async fn a_kill_at_any_moment_repeats_no_more_than_what_was_not_saved_yet() {
    const RATE: u64 = 100;
    let aws = FakeAws::start();
    let host = TestHost::tailing(&aws, &["app.log"]).with("agent.logs_collection_interval", 1.into());
    let writer = Writer::start(&host.path("app.log"), Rotation::Never, RATE);
    let mut kills = 0;
    for moment in [30, 700, 1100, 2300, 250] {
        let mut daemon = host.start();
        let calls = aws.calls(Op::PutLogEvents);
        daemon.until_cloud(&aws, "a batch", |seen| seen.calls(Op::PutLogEvents) > calls).await;
        tokio::time::sleep(Duration::from_millis(moment)).await;
        daemon.kill().await;
        kills += 1;
    }
    let mut daemon = host.start();
    let last = writer.stop();
    daemon.until_cloud(&aws, "the last line", |seen| seen.has(&format!("N={last}"))).await;
    assert!(daemon.terminate().await.success());
    let mut times: HashMap<String, usize> = HashMap::new();
    aws.messages("app.log").into_iter().for_each(|message| *times.entry(message).or_default() += 1);
    assert_eq!(times.len() as u64, last, "every line, in the group {GROUP}");
    let twice: usize = times.values().map(|times| times - 1).sum();
    // Ten seconds, one second for the batch that fills and some for a slow machine.
    let bound = kills * 20 * usize::try_from(RATE).expect("small");
    assert!(twice <= bound, "{twice} lines came again after {kills} kills, expected at most {bound}");
    aws.assert_no_violations();
}
