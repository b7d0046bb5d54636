//! A machine whose clock is wrong: it has no battery, and no network from which to set it yet.
use crate::support::{
    fake::{FakeAws, Op},
    host::{Status, TestHost},
    writer::{NumberedLog, Rotation},
};
use std::time::{Duration, SystemTime};

#[tokio::test]
async fn lines_that_were_read_by_a_wrong_clock_arrive_once_it_is_set() {
    let aws = FakeAws::start();
    // Neither signatures are judged by it nor do its answers bear its time: nobody can tell how wrong the clock is.
    aws.see_clock_late_by(Duration::from_secs(20 * 24 * 3600));
    let host = TestHost::tailing(&aws, &["app.log"]);
    let mut log = NumberedLog::open(&host.path("app.log"), Rotation::Never);
    for _ in 0..100 {
        log.write_line();
    }
    let mut daemon = host.start();
    daemon.until("the lines to be told as waiting", |status| status.counter("events_sent_with_a_later_time") > 0).await;
    daemon.until_cloud(&aws, "several attempts", |seen| seen.calls(Op::PutLogEvents) >= 4).await;
    assert!(aws.messages("app.log").is_empty());
    daemon.until("the position to stay", |status| !status.is_caught_up()).await;

    aws.see_clock_late_by(Duration::ZERO);
    daemon.until_cloud(&aws, "all lines", |seen| seen.events.len() >= 100).await;
    daemon.until("the position past them", |status| status.is_caught_up()).await;
    daemon.until("nothing lost", |status| status.counter("events_rejected_too_old") == 0).await;
    assert!(daemon.terminate().await.success());
    assert_eq!(aws.messages("app.log"), (1..=100).map(|number| format!("N={number}")).collect::<Vec<_>>());
    assert!(host.said().contains("set the clock of this host"), "{}", host.said());
    aws.assert_no_violations();
}

#[tokio::test]
async fn lines_that_a_wrong_clock_reads_arrive_at_once_when_the_service_tells_the_time() {
    let aws = FakeAws::start();
    aws.see_clock_late_by(Duration::from_secs(30 * 24 * 3600));
    aws.tell_time();
    let host = TestHost::tailing(&aws, &["app.log"]);
    let mut log = NumberedLog::open(&host.path("app.log"), Rotation::Never);
    for _ in 0..100 {
        log.write_line();
    }
    let mut daemon = host.start();
    daemon.until_cloud(&aws, "all lines", |seen| seen.events.len() >= 100).await;
    daemon.until("the position past them", |status| status.is_caught_up()).await;
    daemon.until("nothing lost", |status| status.counter("events_rejected_too_old") == 0).await;
    assert!(daemon.terminate().await.success());
    assert_eq!(aws.messages("app.log"), (1..=100).map(|number| format!("N={number}")).collect::<Vec<_>>());
    let said = host.said();
    let told = "the clock of this host is behind that of AWS by 30 days: set the clock (NTP)";
    assert_eq!(said.matches(told).count(), 1, "{said}");
    aws.assert_no_violations();
    // The machine's own metrics may have been the first to ask for the time.
    let mistimed = aws.look(|seen| seen.mistimed);
    assert!(mistimed <= 1, "{mistimed} calls for metrics by a clock that is known to be wrong");
}

#[tokio::test]
async fn metrics_that_a_wrong_clock_measured_arrive_with_the_time_that_their_refusal_told() {
    const LATE: Duration = Duration::from_secs(30 * 24 * 3600);
    let aws = FakeAws::start();
    aws.see_clock_late_by(LATE);
    aws.tell_time();
    let host = TestHost::against(&aws.url()).measuring(1);
    let began = SystemTime::now();
    let mut daemon = host.start();
    daemon.until_cloud(&aws, "three readings", |seen| seen.metric("CPUUtilization").len() >= 3).await;
    let counted = |status: &Status| {
        status.counter("points_sent_with_a_corrected_time") >= 3 && status.counter("points_refused") == 0
    };
    daemon.until("all of them to be corrected, and none to be given up", counted).await;
    assert!(daemon.terminate().await.success());
    let since_1970 = |time: SystemTime| time.duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").as_secs_f64();
    let right = since_1970(began + LATE)..since_1970(SystemTime::now() + LATE);
    // The time of a point is that of its interval; `Date` has whole seconds.
    let right = right.start - 2.0..right.end + 2.0;
    aws.look(|seen| {
        let wrong: Vec<_> = seen.datums.iter().filter(|datum| !right.contains(&datum.at)).collect();
        assert!(wrong.is_empty(), "{right:?}: {wrong:#?}");
        assert_eq!(seen.mistimed, 1, "the first call alone could not know");
    });
    aws.assert_no_violations();
}
