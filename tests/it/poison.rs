//! One event that the service will never take.
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
