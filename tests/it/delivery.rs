//! On a good day: lines and metrics arrive once, in order and soon.
use crate::support::{
    fake::{FakeAws, Op},
    host::{GROUP, NAMESPACE, TestHost},
    writer::{NumberedLog, Rotation, missing},
};
use std::collections::{BTreeMap, BTreeSet};

/// The thirteen metrics and their units.
const THIRTEEN: [(&str, &str); 13] = [
    ("CPUCount", "Count"),
    ("CPUUtilization", "Percent"),
    ("DiskReadBytes", "Bytes"),
    ("DiskReadOps", "Count"),
    ("DiskWriteBytes", "Bytes"),
    ("DiskWriteOps", "Count"),
    ("MemoryAvailable", "Bytes"),
    ("MemoryUsed", "Bytes"),
    ("MemoryUtilization", "Percent"),
    ("NetworkIn", "Bytes"),
    ("NetworkOut", "Bytes"),
    ("NetworkPacketsIn", "Count"),
    ("NetworkPacketsOut", "Count"),
];

#[tokio::test]
async fn the_thirteen_metrics_arrive_under_the_machines_name() {
    let aws = FakeAws::start();
    let host = TestHost::against(&aws.url()).measuring(1);
    let mut daemon = host.start();
    let names = |seen: &crate::support::fake::Seen| seen.datums.iter().map(|d| d.name.clone()).collect::<BTreeSet<_>>();
    daemon.until_cloud(&aws, "all thirteen", |seen| names(seen).len() >= THIRTEEN.len()).await;
    assert!(daemon.terminate().await.success());

    aws.assert_no_violations();
    aws.look(|seen| {
        let units: BTreeMap<_, _> = seen.datums.iter().map(|d| (d.name.as_str(), d.unit.as_str())).collect();
        assert_eq!(units, BTreeMap::from(THIRTEEN));
        for datum in &seen.datums {
            assert_eq!(datum.namespace, NAMESPACE);
            assert_eq!(datum.dimensions.keys().collect::<Vec<_>>(), ["Hostname", "InstanceId"]);
            assert_eq!(datum.dimensions["InstanceId"], "sys-story");
        }
    });
}

#[tokio::test]
async fn the_first_gauges_do_not_wait_for_the_interval() {
    let aws = FakeAws::start();
    // An interval longer than this test's patience.
    let host = TestHost::against(&aws.url()).measuring(3_600);
    let mut daemon = host.start();
    let gauges = ["CPUCount", "MemoryUtilization", "MemoryUsed", "MemoryAvailable"];
    daemon.until_cloud(&aws, "the gauges", |seen| gauges.iter().all(|name| !seen.metric(name).is_empty())).await;
}

#[tokio::test]
async fn each_file_arrives_in_its_own_stream_in_order() {
    let aws = FakeAws::start();
    let host = TestHost::tailing(&aws, &["app.log", "web.log"]);
    host.append("app.log", "one\ntwo\n");
    let mut daemon = host.start();
    daemon.until_cloud(&aws, "what was there before", |seen| seen.has("two")).await;
    host.append("app.log", "three\n\u{fc}ber \"quoted\" \\ \t\n");
    host.append("web.log", "another\n");
    daemon
        .until_cloud(&aws, "what came later", |seen| seen.messages("app.log").len() == 4 && seen.has("another"))
        .await;
    assert!(daemon.terminate().await.success());

    aws.assert_no_violations();
    // Lines of the publisher's items are stripped at both ends.
    assert_eq!(aws.messages("app.log"), ["one", "two", "three", "\u{fc}ber \"quoted\" \\"]);
    assert_eq!(aws.messages("web.log"), ["another"]);
    aws.look(|seen| assert!(seen.events.iter().all(|event| event.group == GROUP)));
}

#[tokio::test]
async fn a_clean_stop_sends_nothing_twice_and_what_was_written_meanwhile_arrives() {
    let aws = FakeAws::start();
    let host = TestHost::tailing(&aws, &["app.log"]);
    let mut log = NumberedLog::open(&host.path("app.log"), Rotation::Never);
    for run in 1..=3 {
        for _ in 0..1_000 {
            log.write_line();
        }
        let mut daemon = host.start();
        daemon.until_cloud(&aws, "this run's lines", |seen| seen.has(&format!("N={}", run * 1_000))).await;
        assert!(daemon.terminate().await.success());
    }
    let all: Vec<_> = (1..=3_000).map(|number| format!("N={number}")).collect();
    assert_eq!(aws.messages("app.log"), all);
    aws.assert_no_violations();
}

#[tokio::test]
async fn a_stop_sends_what_still_waits_for_its_batch_to_fill() {
    let aws = FakeAws::start();
    let host = TestHost::tailing(&aws, &["app.log"]).with("agent.logs_collection_interval", 3_600.into());
    host.append("app.log", "one\n");
    let mut daemon = host.start();
    daemon.until("the line to be read", |status| status.0["sources"][0]["read"] == 4).await;
    assert!(daemon.terminate().await.success());
    assert_eq!(aws.messages("app.log"), ["one"]);
}

#[tokio::test]
async fn a_great_log_leaves_in_full_batches() {
    let aws = FakeAws::start();
    let host = TestHost::tailing(&aws, &["app.log"]);
    let line = "x".repeat(200);
    let count = 40_000;
    host.append("app.log", &format!("{line}\n").repeat(count));
    let mut daemon = host.start();
    daemon.until_cloud(&aws, "all lines", |seen| seen.events.len() >= count).await;
    aws.assert_no_violations();
    // What is counted for an event is its text and 26 more, and a request takes 1,048,576.
    let least = (count * (line.len() + 26)).div_ceil(1_048_576);
    let calls = aws.calls(Op::PutLogEvents);
    assert!(calls <= least * 2, "{calls} requests where {least} would do");
}

#[tokio::test]
async fn lines_over_the_limit_arrive_in_parts() {
    let aws = FakeAws::start();
    let host = TestHost::tailing(&aws, &["app.log"]);
    let long = "y".repeat(3_000_000);
    host.append("app.log", &format!("before\n{long}\nafter\n"));
    let mut daemon = host.start();
    daemon.until_cloud(&aws, "the line after the long one", |seen| seen.has("after")).await;
    aws.assert_no_violations();
    let parts = aws.messages("app.log");
    assert_eq!(parts.iter().map(|part| part.matches('y').count()).sum::<usize>(), long.len());
}

#[tokio::test]
async fn a_rotation_by_renaming_loses_and_repeats_nothing() {
    let aws = FakeAws::start();
    let host = TestHost::tailing(&aws, &["app.log"]);
    let mut daemon = host.start();
    // A generation that came and went before anybody looked would be none of ours.
    daemon.until("the first look", |status| status.0["sources"][0]["state"] == "does not exist yet").await;
    let mut log = NumberedLog::open(&host.path("app.log"), Rotation::Rename { every: 700, keep: 9 });
    for _ in 0..5_000 {
        log.write_line();
    }
    daemon.until_cloud(&aws, "the last line", |seen| seen.has("N=5000")).await;
    daemon.until_cloud(&aws, "all lines", |seen| seen.events.len() >= 5_000).await;
    assert!(daemon.terminate().await.success());
    let messages = aws.messages("app.log");
    assert_eq!(missing(messages.iter().map(String::as_str), 5_000), Vec::<u64>::new());
    assert_eq!(messages.len(), 5_000);
    aws.assert_no_violations();
}

#[tokio::test]
async fn a_rotation_by_copying_and_cutting_goes_on_at_the_beginning() {
    let aws = FakeAws::start();
    let host = TestHost::tailing(&aws, &["app.log"]);
    let mut daemon = host.start();
    let mut log = NumberedLog::open(&host.path("app.log"), Rotation::Never);
    for round in 1..=3 {
        for _ in 0..100 {
            log.write_line();
        }
        // Cutting before everything was read would lose lines whoever reads.
        daemon.until_cloud(&aws, "this round's lines", |seen| seen.has(&format!("N={}", round * 100))).await;
        log.copy_and_truncate(9);
    }
    let all: Vec<_> = (1..=300).map(|number| format!("N={number}")).collect();
    assert_eq!(aws.messages("app.log"), all);
}
