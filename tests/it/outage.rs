//! On bad days of the network and of the cloud: everything arrives once they are over.
use crate::support::{
    fake::{FakeAws, Fault, Op, SLOW, Seen},
    host::TestHost,
};
use std::{
    collections::BTreeSet,
    time::{SystemTime, UNIX_EPOCH},
};

/// Any call by which logs get on their way.
fn log_calls(seen: &Seen) -> usize {
    [Op::PutLogEvents, Op::CreateLogStream, Op::CreateLogGroup].map(|op| seen.calls(op)).iter().sum()
}

/// Seconds since 1970.
fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock past 1970").as_secs_f64()
}

#[tokio::test]
async fn a_start_without_network_is_a_start() {
    let mut aws = FakeAws::unplugged();
    let host = TestHost::tailing(&aws, &["app.log"]).measuring(1);
    host.append("app.log", "one\n");
    let mut daemon = host.start();
    daemon.until("a failure", |status| status.destination("logs")["failures_in_a_row"].as_u64() > Some(0)).await;
    host.append("app.log", "two\n");
    aws.plug_in();
    daemon.until_cloud(&aws, "lines and metrics", |seen| seen.has("two") && !seen.metric("CPUCount").is_empty()).await;
    assert!(daemon.terminate().await.success());
    assert_eq!(aws.messages("app.log"), ["one", "two"]);
    aws.assert_no_violations();
}

/// Fail in this way before the first line and again in mid flow.
async fn everything_arrives_after(fault: Fault) {
    let aws = FakeAws::start();
    let host = TestHost::tailing(&aws, &["app.log"]);
    aws.fail(&Op::ALL, fault);
    host.append("app.log", "one\n");
    let mut daemon = host.start();
    daemon.until_cloud(&aws, "some tries", |seen| log_calls(seen) >= 3).await;
    aws.heal();
    daemon.until_cloud(&aws, "the first line", |seen| seen.has("one")).await;
    aws.fail(&Op::ALL, fault);
    host.append("app.log", "two\n");
    daemon.until_called(&aws, Op::PutLogEvents, 2).await;
    host.append("app.log", "three\n");
    aws.heal();
    daemon.until_cloud(&aws, "the last line", |seen| seen.has("three")).await;
    assert!(daemon.terminate().await.success());
    assert_eq!(aws.messages("app.log"), ["one", "two", "three"]);
    aws.assert_no_violations();
}

#[tokio::test]
async fn everything_arrives_after_the_server_hung_up() {
    everything_arrives_after(Fault::HangUp).await;
}

#[tokio::test]
async fn everything_arrives_after_errors_of_the_server() {
    everything_arrives_after(Fault::ServerError).await;
}

#[tokio::test]
async fn everything_arrives_after_throttling() {
    everything_arrives_after(Fault::Throttle).await;
}

#[tokio::test]
async fn slow_answers_are_waited_for() {
    let aws = FakeAws::start();
    let host = TestHost::tailing(&aws, &["app.log"]).measuring(1);
    aws.fail(&Op::ALL, Fault::Slow(SLOW));
    host.append("app.log", "one\n");
    let mut daemon = host.start();
    daemon.until_cloud(&aws, "line and metrics", |seen| seen.has("one") && !seen.metric("CPUCount").is_empty()).await;
    assert!(daemon.terminate().await.success());
    assert_eq!(aws.messages("app.log"), ["one"]);
}

#[tokio::test]
async fn a_lost_answer_loses_no_line() {
    let aws = FakeAws::start();
    let host = TestHost::tailing(&aws, &["app.log"]);
    aws.fail_next(Op::PutLogEvents, 2, Fault::LoseAnswer);
    host.append("app.log", "one\n");
    let mut daemon = host.start();
    daemon.until_cloud(&aws, "a try that was answered", |seen| seen.calls(Op::PutLogEvents) >= 3).await;
    host.append("app.log", "two\n");
    daemon.until_cloud(&aws, "the next line", |seen| seen.has("two")).await;
    // Nobody can know whether the first tries were kept: sending again is right.
    let different: BTreeSet<_> = aws.messages("app.log").into_iter().collect();
    assert_eq!(different, BTreeSet::from(["one".to_owned(), "two".to_owned()]));
}

#[tokio::test]
async fn logs_that_hang_do_not_hold_up_metrics() {
    let aws = FakeAws::start();
    let host = TestHost::tailing(&aws, &["app.log"]).measuring(1);
    aws.fail(&[Op::PutLogEvents], Fault::Hang);
    host.append("app.log", "one\n");
    let mut daemon = host.start();
    daemon.until_called(&aws, Op::PutLogEvents, 1).await;
    let before = aws.look(|seen| seen.metric("CPUCount").len());
    daemon.until_cloud(&aws, "two more readings", |seen| seen.metric("CPUCount").len() >= before + 2).await;
}

/// No reading is there twice, and there is one from before `end`.
fn assert_replayed(aws: &FakeAws, end: f64) {
    aws.look(|seen| {
        let times: Vec<_> = seen.metric("CPUCount").iter().map(|datum| (datum.at * 1000.0).round() as i64).collect();
        let different: BTreeSet<_> = times.iter().collect();
        assert_eq!(different.len(), times.len(), "a reading arrived twice: {times:?}");
        assert!(times.iter().any(|at| (*at as f64) < end * 1000.0), "nothing of the outage arrived: {times:?}");
    });
    aws.assert_no_violations();
}

#[tokio::test]
async fn metrics_of_an_outage_arrive_with_their_first_times() {
    let aws = FakeAws::start();
    let host = TestHost::against(&aws.url()).measuring(1);
    aws.fail(&[Op::PutMetricData], Fault::HangUp);
    let mut daemon = host.start();
    daemon.until("a full spool", |status| status.counter("metric_batches_spooled") >= 2).await;
    let end = now();
    aws.heal();
    daemon.until("an empty spool", |status| status.counter("metric_batches_replayed") >= 2).await;
    assert!(daemon.terminate().await.success());
    assert_replayed(&aws, end);
}

#[tokio::test]
async fn metrics_of_an_outage_survive_a_restart() {
    let aws = FakeAws::start();
    let host = TestHost::against(&aws.url()).measuring(1);
    aws.fail(&[Op::PutMetricData], Fault::HangUp);
    let mut daemon = host.start();
    daemon.until("a full spool", |status| status.counter("metric_batches_spooled") >= 1).await;
    assert!(daemon.terminate().await.success());
    let end = now();
    aws.heal();
    let mut daemon = host.start();
    daemon.until("an empty spool", |status| status.counter("metric_batches_replayed") >= 1).await;
    assert!(daemon.terminate().await.success());
    assert_replayed(&aws, end);
}

#[tokio::test]
async fn metrics_of_a_call_that_never_answers_survive_a_crash() {
    let aws = FakeAws::start();
    let host = TestHost::against(&aws.url()).measuring(1);
    aws.fail(&[Op::PutMetricData], Fault::Hang);
    let mut daemon = host.start();
    daemon.until("readings on the disk", |status| status.counter("metric_batches_spooled") >= 3).await;
    assert_eq!(aws.calls(Op::PutMetricData), 1);
    daemon.kill().await;
    let end = now();
    aws.heal();
    let mut daemon = host.start();
    daemon.until("an empty spool", |status| status.counter("metric_batches_replayed") >= 3).await;
    assert!(daemon.terminate().await.success());
    assert_replayed(&aws, end);
}

#[tokio::test]
async fn the_stop_keeps_its_time_when_every_call_hangs() {
    let aws = FakeAws::start();
    let host = TestHost::tailing(&aws, &["app.log"]).measuring(1).with("agent.shutdown_seconds", 2.into());
    aws.fail(&Op::ALL, Fault::Hang);
    host.append("app.log", "one\n");
    let mut daemon = host.start();
    let both = |seen: &Seen| seen.calls(Op::PutLogEvents) > 0 && seen.calls(Op::PutMetricData) > 0;
    daemon.until_cloud(&aws, "a call of each kind", both).await;
    let start = std::time::Instant::now();
    assert!(daemon.terminate().await.success());
    assert!(start.elapsed().as_secs_f64() < 4.0, "{:?}", start.elapsed());
    aws.heal();
    let mut daemon = host.start();
    daemon.until_cloud(&aws, "the line", |seen| seen.has("one") && !seen.metric("CPUCount").is_empty()).await;
}
