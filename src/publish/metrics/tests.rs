use super::*;
use crate::{
    config::settings,
    model::{MetricBatch, Point, Receipt, Resolution, Skew, Timestamp, Unit},
    publish::{PutError, Service, scripted::Scripted},
    telemetry::board::Board,
};
use std::time::Duration;

struct Bench {
    put: Arc<Scripted>,
    board: Arc<Board>,
    folder: tempfile::TempDir,
    spool_now: CancellationToken,
}

impl Bench {
    fn against(put: Scripted) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        Self { put: Arc::new(put), board: Arc::default(), folder, spool_now: CancellationToken::new() }
    }

    fn spool(&self) -> Arc<Spool> {
        let bounds = settings::Spool {
            max_bytes: 1 << 20,
            max_age: Duration::from_hours(24),
            min_free_bytes: 0,
            max_log_bytes: 0,
        };
        Arc::new(Spool::open(self.folder.path(), bounds).expect("opened"))
    }

    fn start(&self) -> (mpsc::Sender<Parcel>, tokio::task::JoinHandle<()>) {
        let (to, batches) = mpsc::channel(16);
        let report = Arc::new(Report::new(self.board.clone(), "metrics"));
        let publisher =
            MetricPublisher { put: self.put.clone(), report, spool: self.spool(), spool_now: self.spool_now.clone() };
        (to, tokio::spawn(publisher.run(batches)))
    }

    async fn accepted(&self, count: usize) -> Vec<String> {
        while self.put.accepted().len() < count {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        self.put.accepted()
    }
}

/// A batch of these names; recent, because the spool keeps nothing old.
fn batch(names: &[&'static str]) -> MetricBatch {
    let point = |name: &&'static str| Point {
        name: (*name).into(),
        value: 1.0.into(),
        unit: Unit::Count,
        at: Timestamp::now(),
        dimensions: [].into(),
        resolution: Resolution::Minute,
    };
    MetricBatch { namespace: "N".into(), points: names.iter().map(point).collect() }
}

fn unreachable(times: usize) -> impl Iterator<Item = PutError> {
    (0..times).map(|_| PutError::Unreachable { service: Service::CloudWatch, source: "no route".into() })
}

fn names(accepted: &[String]) -> Vec<&str> {
    accepted.iter().map(|a| a.trim_start_matches("point:").split('@').next().unwrap_or("")).collect()
}

#[tokio::test(start_paused = true)]
async fn while_sending_works_the_disk_is_not_touched() {
    let bench = Bench::against(Scripted::default());
    let (to, run) = bench.start();
    to.send(batch(&["a"]).into()).await.expect("runs");
    drop(to);
    run.await.expect("ends");
    assert_eq!(names(&bench.put.accepted()), ["a"]);
    assert_eq!(bench.spool().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_could_not_be_sent_is_replayed_with_its_first_timestamp() {
    let bench = Bench::against(Scripted::failing(unreachable(5)));
    let (to, _run) = bench.start();
    let first = batch(&["a"]);
    let at = first.points[0].at.as_millis();
    to.send(first.into()).await.expect("runs");
    to.send(batch(&["b"]).into()).await.expect("runs");
    assert_eq!(bench.accepted(2).await[0], format!("point:a@{at}"));
    assert_eq!(names(&bench.put.accepted()), ["a", "b"]);
    to.send(batch(&["c"]).into()).await.expect("runs");
    assert_eq!(names(&bench.accepted(3).await), ["a", "b", "c"]);
    assert_eq!(bench.spool().len(), 0);
    assert_eq!(bench.board.read().destinations["metrics"].waiting_batches, 0);
}

#[tokio::test(start_paused = true)]
async fn what_a_run_could_not_send_the_next_one_sends() {
    let bench = Bench::against(Scripted::failing(unreachable(1)));
    let (to, run) = bench.start();
    to.send(batch(&["a"]).into()).await.expect("runs");
    drop(to);
    run.await.expect("ends");
    // The first attempt failed; whether the replay came before the end does not matter: nothing is lost.
    let (_to, _run) = bench.start();
    assert_eq!(names(&bench.accepted(1).await), ["a"]);
}

#[tokio::test(start_paused = true)]
async fn an_outage_costs_one_attempt_a_wait_not_one_a_batch() {
    let bench = Bench::against(Scripted::failing(unreachable(1000)));
    let (to, _run) = bench.start();
    for _ in 0..200 {
        to.send(batch(&["a"]).into()).await.expect("runs");
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let calls = bench.put.calls().len();
    assert!((5..60).contains(&calls), "{calls}");
    assert!(bench.board.read().destinations["metrics"].waiting_batches >= 199);
}

#[tokio::test(start_paused = true)]
async fn one_point_that_is_refused_costs_only_itself() {
    let bench = Bench::against(Scripted { poison: Some("bad"), ..Scripted::default() });
    let (to, run) = bench.start();
    to.send(batch(&["a", "b", "bad", "c", "d"]).into()).await.expect("runs");
    drop(to);
    run.await.expect("ends");
    assert_eq!(names(&bench.put.accepted()), ["a", "b", "c", "d"]);
    assert_eq!(bench.spool().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn refused_credentials_are_renewed_once_and_the_batch_goes_again() {
    let error = PutError::Credentials { service: Service::CloudWatch, source: "expired".into() };
    let bench = Bench::against(Scripted::failing([error]));
    let (to, run) = bench.start();
    to.send(batch(&["a"]).into()).await.expect("runs");
    drop(to);
    run.await.expect("ends");
    assert_eq!(bench.put.calls()[..3], ["metrics", "renew", "metrics"]);
}

#[tokio::test(start_paused = true)]
async fn at_the_stop_a_hanging_call_is_given_up_and_its_batch_kept() {
    let bench = Bench::against(Scripted { hang: true, ..Scripted::default() });
    let (to, run) = bench.start();
    to.send(batch(&["a"]).into()).await.expect("runs");
    to.send(batch(&["b"]).into()).await.expect("runs");
    drop(to);
    tokio::time::sleep(Duration::from_secs(1)).await;
    bench.spool_now.cancel();
    run.await.expect("ends");
    assert_eq!(bench.spool().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_arrived_of_a_refused_batch_is_not_sent_again_when_the_rest_fails() {
    let refused = || PutError::Refused { service: Service::CloudWatch, reason: "too much at once".into() };
    for slow in [Duration::ZERO, SLOW] {
        // The whole is refused, its first half arrives, its second half does not.
        let answers = [Some(refused()), None].into_iter().chain(unreachable(1).map(Some));
        let bench = Bench::against(Scripted { slow, ..Scripted::answering(answers) });
        let (to, _run) = bench.start();
        to.send(batch(&["a", "b", "c", "d"]).into()).await.expect("runs");
        assert_eq!(names(&bench.accepted(4).await), ["a", "b", "c", "d"], "{slow:?}");
        tokio::time::sleep(Duration::from_mins(10)).await;
        assert_eq!(bench.put.accepted().len(), 4, "{slow:?}");
        assert_eq!(bench.spool().len(), 0);
    }
}

/// A publisher whose spool takes nothing, as on a full disk.
fn start_without_a_disk(bench: &Bench) -> mpsc::Sender<Parcel> {
    run_without_a_disk(bench).0
}

fn run_without_a_disk(bench: &Bench) -> (mpsc::Sender<Parcel>, tokio::task::JoinHandle<()>) {
    let bounds = settings::Spool {
        max_bytes: 1 << 20,
        max_age: Duration::from_hours(24),
        min_free_bytes: u64::MAX,
        max_log_bytes: 0,
    };
    let spool = Arc::new(Spool::open(bench.folder.path(), bounds).expect("opened"));
    let report = Arc::new(Report::new(bench.board.clone(), "metrics"));
    let publisher = MetricPublisher { put: bench.put.clone(), report, spool, spool_now: bench.spool_now.clone() };
    let (to, batches) = mpsc::channel(16);
    (to, tokio::spawn(publisher.run(batches)))
}

#[tokio::test(start_paused = true)]
async fn what_neither_the_service_nor_the_disk_took_by_the_end_of_the_stop_is_counted() {
    let bench = Bench::against(Scripted { hang: true, ..Scripted::default() });
    let (to, run) = run_without_a_disk(&bench);
    let dropped = counters::SPOOL_DROPPED.here();
    for name in ["a", "b"] {
        to.send(batch(&[name]).into()).await.expect("runs");
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    drop(to);
    bench.spool_now.cancel();
    run.await.expect("ends");
    assert_eq!(counters::SPOOL_DROPPED.here(), dropped + 2, "the one on its way as well");
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_fails_is_no_call_that_was_tried_again() {
    let bench = Bench::against(Scripted { hang: true, ..Scripted::default() });
    let (to, _run) = run_without_a_disk(&bench);
    let retries = counters::RETRIES.here();
    to.send(batch(&["a"]).into()).await.expect("runs");
    tokio::time::sleep(SLOW * 5).await;
    let state = &bench.board.read().destinations["metrics"];
    assert!(state.failures_in_a_row > 0 && state.last_error.as_ref().is_some_and(|why| why.starts_with("spool: ")));
    assert_eq!(counters::RETRIES.here(), retries);
}

#[tokio::test(start_paused = true)]
async fn without_a_disk_the_batches_wait_in_memory() {
    let bench = Bench::against(Scripted::failing(unreachable(3)));
    let to = start_without_a_disk(&bench);
    to.send(batch(&["a"]).into()).await.expect("runs");
    to.send(batch(&["b"]).into()).await.expect("runs");
    assert_eq!(names(&bench.accepted(2).await), ["a", "b"]);
    tokio::time::sleep(Duration::from_mins(1)).await;
    let state = &bench.board.read().destinations["metrics"];
    assert_eq!((state.failures_in_a_row, state.waiting_batches), (0, 0), "all is well: {state:?}");
}

#[tokio::test(start_paused = true)]
async fn memory_that_is_full_gives_the_oldest_up_and_counts_them() {
    let bench = Bench::against(Scripted::failing(unreachable(3)));
    let to = start_without_a_disk(&bench);
    let dropped = counters::SPOOL_DROPPED.here();
    let names = ["a"; IN_MEMORY / 20];
    to.send(batch(&["first"]).into()).await.expect("runs");
    for _ in 0..25 {
        to.send(batch(&names).into()).await.expect("runs");
    }
    to.send(batch(&["last"]).into()).await.expect("runs");
    while !bench.put.accepted().iter().any(|point| point.starts_with("point:last@")) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(bench.put.accepted().len() <= IN_MEMORY + 1);
    assert!(counters::SPOOL_DROPPED.here() >= dropped + 2);
}

#[tokio::test(start_paused = true)]
async fn while_a_call_hangs_everything_is_received_and_soon_on_the_disk() {
    let bench = Bench::against(Scripted { hang: true, ..Scripted::default() });
    let (to, run) = bench.start();
    for _ in 0..50 {
        to.try_send(batch(&["a"]).into()).expect("there is room");
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(
        bench.board.read().destinations["metrics"].last_error.as_deref(),
        Some("no answer for 3 seconds"),
        "people see it too"
    );
    run.abort();
    assert!(run.await.is_err_and(|end| end.is_cancelled()));
    assert_eq!((bench.spool().len(), bench.put.calls().len()), (50, 1));
}

#[tokio::test(start_paused = true)]
async fn a_slow_call_that_arrives_after_all_is_not_sent_again() {
    let bench = Bench::against(Scripted { slow: SLOW * 3, ..Scripted::default() });
    let (to, _run) = bench.start();
    to.send(batch(&["a"]).into()).await.expect("runs");
    to.send(batch(&["b"]).into()).await.expect("runs");
    tokio::time::sleep(SLOW * 2).await;
    assert_eq!(bench.spool().len(), 2);
    assert_eq!(names(&bench.accepted(2).await), ["a", "b"]);
    tokio::time::sleep(Duration::from_mins(1)).await;
    assert_eq!(bench.put.accepted().len(), 2);
    assert_eq!(bench.spool().len(), 0);
    assert_eq!(bench.board.read().destinations["metrics"].waiting_batches, 0);
}

#[tokio::test(start_paused = true)]
async fn batches_that_come_while_a_usual_call_is_on_its_way_stay_off_the_disk() {
    let bench = Bench::against(Scripted { slow: Duration::from_millis(500), ..Scripted::default() });
    let (to, _run) = bench.start();
    for name in ["a", "b", "c"] {
        to.send(batch(&[name]).into()).await.expect("runs");
    }
    while bench.put.accepted().len() < 3 {
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!(bench.spool().len(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_still_ends_during_the_stop_leaves_nothing_behind() {
    let bench = Bench::against(Scripted { slow: LAST_CALL / 2, ..Scripted::default() });
    let (to, run) = bench.start();
    to.send(batch(&["a"]).into()).await.expect("runs");
    tokio::time::sleep(Duration::from_millis(1)).await;
    bench.spool_now.cancel();
    drop(to);
    run.await.expect("ends");
    assert_eq!(names(&bench.put.accepted()), ["a"]);
    assert_eq!(bench.spool().len(), 0);
}

/// A service whose clock is ahead of ours by so much.
fn ahead_by(time: Duration) -> Scripted {
    let skew = Skew::between(Timestamp::default(), Timestamp::default().plus(time));
    Scripted { clock: Some(skew), ..Scripted::default() }
}

/// How long after `since` the accepted points are, in whole days.
fn days_after(since: Timestamp, accepted: &[String]) -> Vec<u64> {
    let at = |said: &String| said.rsplit('@').next().and_then(|at| at.parse().ok()).expect("a time");
    accepted.iter().map(|said| Timestamp::from_millis(at(said)).since(since).as_secs() / 86_400).collect()
}

#[tokio::test(start_paused = true)]
async fn points_that_a_wrong_clock_measured_get_the_time_of_the_service() {
    let bench = Bench::against(ahead_by(Duration::from_hours(30 * 24)));
    let (to, run) = bench.start();
    let since = Timestamp::now();
    to.send(batch(&["a", "b"]).into()).await.expect("runs");
    // The refusal of the first call tells the time.
    assert_eq!(days_after(since, &bench.accepted(2).await), [30, 30]);
    to.send(batch(&["c"]).into()).await.expect("runs");
    drop(to);
    run.await.expect("ends");
    let calls = bench.put.calls();
    assert_eq!(calls.iter().filter(|call| *call == "metrics").count(), 3, "{calls:?}");
    assert_eq!((counters::POINTS_REFUSED.here(), counters::POINTS_CORRECTED.here()), (0, 3));
}

#[tokio::test(start_paused = true)]
async fn what_the_service_takes_as_it_is_keeps_its_time_and_what_no_correction_helps_is_counted() {
    let bench = Bench::against(ahead_by(Duration::from_hours(3)));
    let (to, run) = bench.start();
    let since = Timestamp::now();
    let mut mixed = batch(&["fresh", "ancient"]);
    mixed.points[1].at = since.minus(Duration::from_hours(24 * 15));
    to.send(mixed.into()).await.expect("runs");
    drop(to);
    run.await.expect("ends");
    let accepted = bench.put.accepted();
    assert_eq!((names(&accepted), days_after(since, &accepted)), (vec!["fresh"], vec![0]));
    assert_eq!(counters::POINTS_REFUSED.here(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_receipt_is_given_when_the_batch_is_delivered_or_on_the_disk_and_not_before() {
    use std::sync::atomic::{AtomicUsize, Ordering};
    let given = Arc::new(AtomicUsize::new(0));
    let parcel = |name: &'static str| {
        let given = given.clone();
        Parcel { batch: batch(&[name]), receipt: Some(Receipt::new(move || _ = given.fetch_add(1, Ordering::Relaxed))) }
    };
    let bench = Bench::against(Scripted::default());
    let (to, run) = bench.start();
    to.send(parcel("a")).await.expect("runs");
    bench.accepted(1).await;
    drop(to);
    run.await.expect("ends");
    assert_eq!(given.load(Ordering::Relaxed), 1, "delivered");
    let failing = Bench::against(Scripted::failing(unreachable(1)));
    let (to, run) = failing.start();
    to.send(parcel("b")).await.expect("runs");
    failing.accepted(1).await;
    drop(to);
    run.await.expect("ends");
    assert_eq!(given.load(Ordering::Relaxed), 2, "spooled, and then delivered: once");
    let lost = Bench::against(Scripted::failing(unreachable(1_000)));
    let (to, run) = run_without_a_disk(&lost);
    to.send(parcel("c")).await.expect("runs");
    drop(to);
    tokio::time::sleep(Duration::from_secs(5)).await;
    lost.spool_now.cancel();
    run.await.expect("ends");
    assert_eq!(given.load(Ordering::Relaxed), 2, "neither delivered nor on the disk");
}
