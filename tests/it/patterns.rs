//! Patterns of file names: what matches is found and read, whatever happens to it and to the daemon.
use crate::support::{
    PATIENCE,
    fake::{FakeAws, Seen},
    host::TestHost,
    writer::{Rotation, Writer, missing},
};
use serde_json::{Value, json};
use std::{fs, path::Path};

/// Tails what matches into one stream, with these keys beside.
fn following(aws: &FakeAws, pattern: &str, keys: &Value) -> TestHost {
    let host = TestHost::tailing(aws, &[]);
    let mut item = json!({
        "file_path": host.path(pattern), "log_group_name": "/story/logs", "log_stream_name": "all", "from_beginning": true
    });
    item.as_object_mut().expect("an item").extend(keys.as_object().expect("keys").clone());
    host.with("logs.logs_collected.files.collect_list", json!([item]))
}

#[tokio::test]
async fn no_line_of_a_pattern_is_lost_by_rotations_and_kills_although_rotated_names_match() {
    let aws = FakeAws::start();
    for keys in [json!({}), json!({ "publish_multi_logs": true })] {
        let host = following(&aws, "app.log*", &keys);
        let before = aws.look(|seen| seen.events.len());
        // Of what was there when it looked for the first time, only the newest is its business.
        let mut first = host.start();
        first.until("the first look", |status| status.0["sources"][0]["state"] == "no file matches yet").await;
        let writer = Writer::start(&host.path("app.log"), Rotation::Rename { every: 200, keep: 200 }, 300);
        let mut running = Some(first);
        for kill in 0..6 {
            let mut daemon = running.take().unwrap_or_else(|| host.start());
            let news = aws.look(|seen| seen.events.len()) + 1 + kill * 20;
            daemon.until_cloud(&aws, "some news", |seen| seen.events.len() >= news).await;
            daemon.kill().await;
        }
        let last = writer.stop();
        let mut daemon = host.start();
        let lost = |seen: &Seen| missing(seen.events[before..].iter().map(|event| event.message.as_str()), last);
        let waiting = daemon.until_cloud(&aws, "every line", |seen| lost(seen).is_empty());
        // Less than the patience of `until`: which lines are lost says more than how many arrived.
        let _ = tokio::time::timeout(PATIENCE / 2, waiting).await;
        assert_eq!(aws.look(lost), Vec::<u64>::new(), "lost out of {last}, with {keys}");
        assert!(daemon.terminate().await.success());
    }
    aws.assert_no_violations();
}

#[tokio::test]
async fn no_line_is_lost_by_removal_and_kills_and_the_newest_file_stays() {
    let aws = FakeAws::start();
    let host = following(&aws, "app-*.log", &json!({ "auto_removal": true }));
    for round in 1..=6_u64 {
        let name = |round: u64| format!("app-{round:04}.log");
        let lines: String = (round * 50 - 49..=round * 50).map(|n| format!("N={n}\n")).collect();
        host.append(&name(round), &lines);
        let mut daemon = host.start();
        daemon.until_cloud(&aws, "the round", |seen| seen.has(&format!("N={}", round * 50))).await;
        if round % 2 == 0 {
            // Its position was saved by the run before, so that it is at rest from the start.
            daemon.until("the one before to be removed", |_| !host.path(&name(round - 1)).exists()).await;
            daemon.kill().await;
        } else {
            assert!(daemon.terminate().await.success());
        }
        assert!(host.path(&name(round)).exists());
    }
    assert_eq!(aws.look(|seen| missing(seen.events.iter().map(|event| event.message.as_str()), 300)), [0; 0]);
    aws.assert_no_violations();
}

/// The open files of a process are counted where `/proc` shows them.
#[tokio::test]
async fn two_thousand_files_at_rest_hold_none_open_and_each_one_wakes() {
    let aws = FakeAws::start();
    let host = following(&aws, "many/*.log", &json!({ "publish_multi_logs": true, "from_beginning": false }));
    fs::create_dir(host.path("many")).expect("made");
    for n in 0..2000 {
        host.append(&format!("many/{n}.log"), "old\n");
    }
    let mut daemon = host.start();
    let state = |status: &crate::support::host::Status, wanted: &str| {
        let sources = status.0["sources"].as_array().cloned().unwrap_or_default();
        sources.iter().any(|source| source["state"].as_str().is_some_and(|state| state.contains(wanted)))
    };
    daemon.until("all to be found", |status| state(status, "2000 files are followed, 0 of them")).await;
    if let Some(open) = daemon.open_files() {
        assert!(open < 64, "{open} files are open");
    }
    host.append("many/77.log", "new\n");
    daemon.until_cloud(&aws, "the new line", |seen| seen.has("new")).await;
    assert!(daemon.terminate().await.success());
    assert_eq!(aws.look(|seen| seen.events.len()), 1, "what was there is not sent");
}

#[tokio::test]
async fn one_round_ends_when_all_that_matched_is_delivered() {
    let aws = FakeAws::start();
    let host = following(&aws, "**.log", &json!({ "publish_multi_logs": true }));
    fs::create_dir(host.path("deep")).expect("made");
    for name in ["a.log", "deep/b.log", "deep/c.log"] {
        host.append(name, &format!("{name}\n"));
    }
    let config = host.write_config();
    let output = host.run([Path::new("run"), &config, Path::new("--once")]).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut sent = aws.look(|seen| seen.events.iter().map(|event| event.message.clone()).collect::<Vec<_>>());
    sent.sort_unstable();
    assert_eq!(sent, ["a.log", "deep/b.log", "deep/c.log"]);
}

/// Which keys count for a file of two items is said by whatever reads the configuration, and is the same at every start.
#[tokio::test]
async fn a_file_of_two_patterns_is_told_before_it_is_read_and_has_the_keys_of_the_first() {
    let aws = FakeAws::start();
    let host = TestHost::tailing(&aws, &[]);
    fs::create_dir(host.path("deep")).expect("made");
    let item = |pattern: &str| json!({ "file_path": host.path(pattern), "log_group_name": "/story/logs", "publish_multi_logs": true });
    let mut masking = item("deep/pay*.log");
    masking["redact"] = json!([{ "expression": "4111" }]);
    let both = json!([masking, item("**.log")]);
    host.append("deep/pay.log", "card=4111\n");
    host.append("plain.log", "card=4111\n");
    let host = host.with("logs.logs_collected.files.collect_list", both);
    let config = host.write_config();
    let output = host.run([Path::new("validate"), &config]).await;
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    for part in ["warning: logs.logs_collected.files.collect_list[1].file_path: `", "deep/pay.log` is meant by logs"] {
        assert!(told.contains(part), "{told}");
    }
    assert!(told.contains("read once, with the keys of logs.logs_collected.files.collect_list[0];"), "{told}");
    let output = host.run([Path::new("run"), &config, Path::new("--once")]).await;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let (before, _) = said.split_once("is meant by logs.logs_collected.files.collect_list[0] too").expect(&said);
    assert!(output.status.success() && !before.contains("INFO"), "{said}");
    for _ in 0..3 {
        let mut daemon = host.start();
        host.append("deep/pay.log", "card=4111\n");
        let sent = aws.look(|seen| seen.events.len());
        daemon.until_cloud(&aws, "the line", |seen| seen.events.len() > sent).await;
        assert!(daemon.terminate().await.success());
    }
    let mut sent = aws.look(|seen| seen.events.iter().map(|event| event.message.clone()).collect::<Vec<_>>());
    sent.sort_unstable();
    assert_eq!(sent, ["card=***", "card=***", "card=***", "card=***", "card=4111"]);
}

/// Which of two patterns that follow the newest file reads one is not fixed, and whatever the other one does, nothing is missed and nothing is sent twice.
#[tokio::test]
async fn a_file_that_two_patterns_follow_as_the_newest_is_read_once_and_nothing_is_said_to_be_missed() {
    let aws = FakeAws::start();
    let host = TestHost::tailing(&aws, &[]);
    let item = |pattern: &str| json!({ "file_path": host.path(pattern), "log_group_name": "/story/logs", "log_stream_name": "all" });
    let mut masking = item("*.log");
    masking["redact"] = json!([{ "expression": "4111" }]);
    let both = json!([masking, item("pay*.log")]);
    host.append("pay1.log", "first\n");
    let before = std::time::SystemTime::now() - std::time::Duration::from_secs(10);
    fs::File::options()
        .append(true)
        .open(host.path("pay1.log"))
        .and_then(|log| log.set_modified(before))
        .expect("dated");
    host.append("a.log", "other\n");
    let host = host.with("logs.logs_collected.files.collect_list", both);
    let config = host.write_config();
    let output = host.run([Path::new("validate"), &config]).await;
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        told.contains("with the keys of the item that follows it first") && !told.contains("with the keys of logs"),
        "{told}"
    );
    let mut daemon = host.start();
    daemon.until_cloud(&aws, "both files", |seen| seen.has("first") && seen.has("other")).await;
    host.append("pay1.log", "second\n");
    daemon.until_cloud(&aws, "the line", |seen| seen.has("second")).await;
    host.append("a.log", "third\n");
    daemon.until_cloud(&aws, "the other line", |seen| seen.has("third")).await;
    assert!(daemon.terminate().await.success());
    assert_eq!(aws.look(|seen| seen.events.len()), 4);
    let said = host.said();
    assert!(!said.contains("are missed") && !said.contains("does not exist yet"), "{said}");
}
