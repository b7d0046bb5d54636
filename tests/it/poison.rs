//! What the service will never take: one event, or everything of one log group.
use crate::support::{
    fake::FakeAws,
    host::TestHost,
    writer::{NumberedLog, Rotation},
};
use std::fs;

#[tokio::test]
async fn a_refused_event_is_set_aside_and_all_others_arrive() {
    let aws = FakeAws::start();
    aws.refuse_text("poison");
    let host = TestHost::tailing(&aws, &["app.log"]);
    let mut log = NumberedLog::open(&host.path("app.log"), Rotation::Never);
    for line in 1..=100 {
        log.write_line();
        if line == 37 {
            host.append("app.log", "a drop of poison\n");
        }
    }
    let mut daemon = host.start();
    daemon.until_cloud(&aws, "all others", |seen| seen.events.len() == 100).await;
    daemon.until("it to be set aside", |status| status.counter("events_set_aside") == 1).await;
    daemon.until("the position past it", |status| status.is_caught_up()).await;
    assert!(daemon.terminate().await.success());

    let kept = fs::read_to_string(host.state("dead-letter.jsonl")).expect("the dead-letter file");
    assert_eq!(kept.lines().count(), 1);
    let kept: serde_json::Value = serde_json::from_str(kept.trim()).expect("JSON lines");
    assert!(kept.to_string().contains("a drop of poison"), "{kept}");

    // It does not come back.
    host.append("app.log", "after\n");
    let mut daemon = host.start();
    daemon.until_cloud(&aws, "what comes after", |seen| seen.has("after")).await;
    assert!(daemon.terminate().await.success());
    let all: Vec<_> = (1..=100).map(|number| format!("N={number}")).chain(["after".to_owned()]).collect();
    let mut messages = aws.messages("app.log");
    messages.sort_by_key(|message| message.strip_prefix("N=").map_or(u64::MAX, |n| n.parse().expect("a number")));
    assert_eq!(messages, all);
    aws.assert_no_violations();
}

#[tokio::test]
async fn a_target_that_is_refused_keeps_its_lines_and_holds_up_no_other() {
    let aws = FakeAws::start();
    aws.refuse_text("N=");
    let host = TestHost::tailing(&aws, &["app.log", "web.log"]);
    let mut log = NumberedLog::open(&host.path("app.log"), Rotation::Never);
    for _ in 0..500 {
        log.write_line();
    }
    host.append("web.log", "taken\n");
    let mut daemon = host.start();
    daemon.until_cloud(&aws, "the other log", |seen| seen.has("taken")).await;
    let told = |why: &str| why.contains("takes no log event at all");
    daemon
        .until("the trouble to be told", |status| status.destination("logs")["last_error"].as_str().is_some_and(told))
        .await;
    daemon.until("nothing set aside", |status| status.counter("events_set_aside") == 0).await;
    assert!(!host.state("dead-letter.jsonl").exists());

    // Its cause is mended.
    aws.refuse_text("nothing any more");
    daemon.until_cloud(&aws, "all lines", |seen| seen.messages("app.log").len() >= 500).await;
    daemon.until("the position past them", |status| status.is_caught_up()).await;
    assert!(daemon.terminate().await.success());
    assert_eq!(aws.messages("app.log"), (1..=500).map(|number| format!("N={number}")).collect::<Vec<_>>());
    aws.assert_no_violations();
}
