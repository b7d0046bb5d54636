use super::*;
use crate::{
    model::{Headcount, Member, Slot, SourceId, TimedBy, Timestamp},
    publish::{Rejected, Service, scripted::Scripted},
    telemetry::board::Board,
};
use std::sync::{Mutex as StdMutex, PoisonError};

mod refusal;
mod upkeep;

const LOGS: Service = Service::CloudWatchLogs;

fn target() -> Arc<Target> {
    Arc::new(Target { group: "g".into(), stream: "s".into(), retention_in_days: Some(7), ..Target::default() })
}

fn batch(source: SourceId, from: u64, messages: &[&str]) -> Box<Outgoing> {
    let (mut body, mut index) = (br#"{"logGroupName":"g","logStreamName":"s","logEvents":["#.to_vec(), vec![]);
    for (place, message) in messages.iter().enumerate() {
        if place > 0 {
            body.push(b',');
        }
        let start = u32::try_from(body.len()).expect("small");
        index.push(Slot { at: Timestamp::from_millis(1), start, timed_by: TimedBy::Reader });
        body.extend_from_slice(format!(r#"{{"timestamp":1,"message":"{message}"}}"#).as_bytes());
    }
    body.extend_from_slice(b"]}");
    let to = from + messages.len() as u64;
    let covers = vec![Cover { source, from, to, position: None }];
    let batch = LogBatch { target: target(), body: body.into(), index: index.into(), covers };
    Box::new(Outgoing { batch, permit: None })
}

struct Bench {
    put: Arc<Scripted>,
    board: Arc<Board>,
    acknowledged: Arc<StdMutex<Vec<(u64, u64)>>>,
    folder: tempfile::TempDir,
    no_retries: CancellationToken,
    pace: Arc<Pace>,
    keep_rejected: bool,
    /// Other lanes, which do nothing.
    others: Vec<Member>,
    lanes: Headcount,
}

impl Bench {
    fn against(put: Scripted) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (board, acknowledged, no_retries, pace, keep_rejected, others, lanes) = Default::default();
        Self { put: Arc::new(put), board, acknowledged, folder, no_retries, pace, keep_rejected, others, lanes }
    }

    /// The same among so many lanes that each has to wait for its calls.
    fn in_a_crowd(mut self) -> Self {
        self.others = (0..=FEW_LANES).map(|_| self.lanes.join()).collect();
        self
    }

    fn publisher(&self) -> LogPublisher {
        let acknowledged = self.acknowledged.clone();
        LogPublisher {
            put: self.put.clone(),
            acknowledge: Arc::new(move |covers| {
                let covers = covers.iter().map(|c| (c.from, c.to));
                acknowledged.lock().unwrap_or_else(PoisonError::into_inner).extend(covers);
            }),
            report: Arc::new(Report::new(self.board.clone(), "logs")),
            dead_letters: Arc::new(DeadLetters::in_folder(self.folder.path())),
            retention: Arc::new(Retention::in_folder(self.folder.path())),
            pace: self.pace.clone(),
            keep_rejected: self.keep_rejected,
            no_retries: self.no_retries.clone(),
            lanes: self.lanes.clone(),
        }
    }

    /// Send one batch to its end.
    async fn send(&self, messages: &[&str]) -> Vec<(u64, u64)> {
        let (to, batches) = mpsc::channel(1);
        to.send(batch(SourceId::unique(), 0, messages)).await.expect("open");
        drop(to);
        self.publisher().run(target(), batches).await;
        self.acknowledged.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn unreachable() -> PutError {
    PutError::Unreachable { service: LOGS, source: "no route".into() }
}

fn refused_keys() -> PutError {
    PutError::Credentials { service: LOGS, source: "expired".into() }
}

fn missing() -> PutError {
    PutError::Missing { service: LOGS }
}

fn denied(action: &'static str) -> PutError {
    PutError::Denied { service: LOGS, action, source: "not allowed".into() }
}

#[tokio::test(start_paused = true)]
async fn a_batch_is_tried_until_it_arrives_and_acknowledged_only_then() {
    let bench = Bench::against(Scripted::failing((0..50).map(|_| unreachable())));
    assert_eq!(bench.send(&["a"]).await, [(0, 1)]);
    assert_eq!(bench.put.accepted(), ["event:a"]);
    let state = &bench.board.read().destinations["logs"];
    assert_eq!((state.waiting_batches, state.failures_in_a_row), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_takes_long_is_on_the_board_while_it_does() {
    let bench = Bench::against(Scripted { slow: Duration::from_secs(20), ..Scripted::default() });
    let look = async {
        tokio::time::sleep(Duration::from_secs(4)).await;
        bench.board.read().destinations["logs"].last_error.clone()
    };
    let (sent, seen) = tokio::join!(bench.send(&["a"]), look);
    assert_eq!(seen.as_deref(), Some("log group g, stream s: no answer for 3 seconds"));
    assert_eq!((sent, bench.board.read().destinations["logs"].failures_in_a_row), (vec![(0, 1)], 0));
}

#[tokio::test(start_paused = true)]
async fn the_services_hint_decides_when_to_come_back() {
    let after = Some(Duration::from_secs(20));
    let bench = Bench::against(Scripted::failing([PutError::Throttled { service: LOGS, after }]));
    let start = tokio::time::Instant::now();
    bench.send(&["a"]).await;
    assert!((20..=25).contains(&start.elapsed().as_secs()));
}

#[tokio::test(start_paused = true)]
async fn a_missing_stream_is_made_without_asking_for_the_group() {
    let bench = Bench::against(Scripted::failing([missing()]));
    bench.send(&["a"]).await;
    assert_eq!(bench.put.calls(), ["logs", "create_stream", "logs", "event:a"]);
}

#[tokio::test(start_paused = true)]
async fn a_missing_group_is_made_with_its_retention() {
    let bench =
        Bench::against(Scripted { making: StdMutex::new([Some(missing())].into()), ..Scripted::failing([missing()]) });
    bench.send(&["a"]).await;
    let calls = ["logs", "create_stream", "create_group", "set_retention", "create_stream", "logs", "event:a"];
    assert_eq!(bench.put.calls(), calls);
}

#[tokio::test(start_paused = true)]
async fn a_policy_without_retention_does_not_hold_up_the_lines() {
    let answers = [Some(missing()), None, Some(denied("logs:PutRetentionPolicy"))];
    let bench = Bench::against(Scripted { making: StdMutex::new(answers.into()), ..Scripted::failing([missing()]) });
    assert_eq!(bench.send(&["a"]).await, [(0, 1)]);
    assert!(bench.put.calls().contains(&"set_retention".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn refused_credentials_are_renewed_and_the_same_batch_goes_again_at_once() {
    let bench = Bench::against(Scripted::failing([refused_keys()]));
    let start = tokio::time::Instant::now();
    bench.send(&["a"]).await;
    assert_eq!(bench.put.calls(), ["logs", "renew", "logs", "event:a"]);
    assert!(start.elapsed().is_zero());
}

#[tokio::test(start_paused = true)]
async fn keys_that_stay_refused_are_not_hammered() {
    let bench = Bench::against(Scripted::failing((0..10).map(|_| refused_keys())));
    let start = tokio::time::Instant::now();
    bench.send(&["a"]).await;
    assert!(start.elapsed() > Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn a_missing_permission_is_waited_for() {
    let bench = Bench::against(Scripted::failing((0..20).map(|_| denied("logs:PutLogEvents"))));
    assert_eq!(bench.send(&["a"]).await, [(0, 1)]);
}

#[tokio::test(start_paused = true)]
async fn the_one_bad_event_is_set_aside_and_the_rest_arrives_in_order() {
    let bench = Bench::against(Scripted { poison: Some("bad"), ..Scripted::default() });
    assert_eq!(bench.send(&["a", "b", "c", "bad \\\"one\\\"", "d", "e", "f"]).await, [(0, 7)]);
    assert_eq!(bench.put.accepted(), ["a", "b", "c", "d", "e", "f"].map(|m| format!("event:{m}")));
    let letters = std::fs::read_to_string(bench.folder.path().join("dead-letter.jsonl")).expect("written");
    let letter: serde_json::Value = serde_json::from_str(letters.trim()).expect("one line of JSON");
    assert_eq!(
        (&letter["message"], &letter["reason"], &letter["group"]),
        (&"bad \"one\"".into(), &"poison".into(), &"g".into())
    );
}

#[tokio::test(start_paused = true)]
async fn the_stop_leaves_what_fails_unacknowledged() {
    let bench = Bench::against(Scripted::failing((0..1000).map(|_| unreachable())));
    bench.no_retries.cancel();
    let start = tokio::time::Instant::now();
    assert!(bench.send(&["a"]).await.is_empty());
    assert!(start.elapsed().is_zero());
}

#[tokio::test(start_paused = true)]
async fn a_batch_without_events_moves_positions_without_a_call() {
    let bench = Bench::against(Scripted::default());
    let (to, batches) = mpsc::channel(1);
    let mut outgoing = batch(SourceId::unique(), 0, &[]);
    outgoing.batch.covers[0].to = 9;
    to.send(outgoing).await.expect("open");
    drop(to);
    bench.publisher().run(target(), batches).await;
    assert_eq!(*bench.acknowledged.lock().expect("whole"), [(0, 9)]);
    assert!(bench.put.calls().is_empty());
}

#[tokio::test(start_paused = true)]
async fn of_many_batches_that_miss_their_stream_one_makes_it() {
    // Slow, so that all of them find it missing at once.
    let bench = Bench::against(Scripted { slow: Duration::from_millis(10), ..Scripted::default() });
    let source = SourceId::unique();
    let (to, batches) = mpsc::channel(16);
    to.send(batch(source, 0, &["first"])).await.expect("open");
    let run = tokio::spawn(bench.publisher().run(target(), batches));
    while bench.put.accepted().is_empty() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    bench.put.fail((0..4).map(|_| missing()));
    for from in 1..9 {
        to.send(batch(source, from, &["more"])).await.expect("open");
    }
    drop(to);
    run.await.expect("ends");
    assert_eq!(bench.put.accepted().len(), 9);
    assert_eq!(count(&bench.put.calls(), "create_stream"), 1);
}

#[tokio::test(start_paused = true)]
async fn after_a_long_outage_a_missing_stream_is_made_and_written_to_without_a_further_wait() {
    let outage = (0..30).map(|_| unreachable());
    let bench = Bench::against(Scripted::failing(outage.chain([missing(), unreachable()])));
    bench.send(&["a"]).await;
    let (calls, times) = (bench.put.calls(), bench.put.times.lock().expect("whole").clone());
    let made = calls.iter().position(|call| call == "create_stream").expect("made");
    assert_eq!(times[made], times[made + 1], "{calls:?}");
    assert!(times[made + 2] - times[made + 1] <= Duration::from_millis(200), "the next trouble starts small again");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_missed_its_stream_keeps_its_turn_in_the_pace() {
    let slow_down = PutError::Throttled { service: LOGS, after: None };
    let bench = Bench::against(Scripted::failing([slow_down, missing()]));
    bench.send(&["a"]).await;
    let (calls, times) = (bench.put.calls(), bench.put.times.lock().expect("whole").clone());
    assert_eq!(calls, ["logs", "logs", "create_stream", "logs", "event:a"]);
    assert_eq!(times[1], times[3], "it does not stand in line again");
    let now = tokio::time::Instant::now();
    bench.pace.turn(false, &bench.no_retries).await;
    assert!(now.elapsed() > Duration::from_millis(100), "others do");
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_stays_missing_although_it_was_made_is_not_hammered() {
    let bench = Bench::against(Scripted::failing((0..10).map(|_| missing())));
    let start = tokio::time::Instant::now();
    bench.send(&["a"]).await;
    assert!(start.elapsed() > Duration::from_secs(1));
}

/// A lane whose first batch finds its group missing and whose source then stays quiet for an hour.
async fn an_hour_with_a_new_group(bench: &Bench) -> Vec<String> {
    quiet(bench, Duration::from_mins(59)).await
}

/// A lane that has one thing to send and whose source then stays quiet for so long.
async fn quiet(bench: &Bench, time: Duration) -> Vec<String> {
    let (to, batches) = mpsc::channel(1);
    to.send(batch(SourceId::unique(), 0, &["a"])).await.expect("open");
    let (publisher, stop) = (bench.publisher(), CancellationToken::new());
    let notes = tokio::spawn(publisher.retention.clone().run(stop.clone()));
    let run = tokio::spawn(publisher.run(target(), batches));
    tokio::time::sleep(time).await;
    drop(to);
    run.await.expect("ends");
    stop.cancel();
    notes.await.expect("ends");
    bench.put.calls()
}

fn count(calls: &[String], call: &str) -> usize {
    calls.iter().filter(|c| *c == call).count()
}

#[tokio::test(start_paused = true)]
async fn retention_that_failed_is_set_later_without_another_batch() {
    let slow_down = || Some(PutError::Throttled { service: LOGS, after: None });
    let answers = [Some(missing()), None, slow_down(), None, slow_down(), slow_down()];
    let bench = Bench::against(Scripted { making: StdMutex::new(answers.into()), ..Scripted::failing([missing()]) });
    let calls = an_hour_with_a_new_group(&bench).await;
    assert_eq!((count(&calls, "set_retention"), bench.put.accepted().len()), (4, 1), "{calls:?}");
    assert!(!Retention::in_folder(bench.folder.path()).claim("g"));
}

#[tokio::test(start_paused = true)]
async fn retention_that_is_not_allowed_is_asked_for_seldom_and_again_after_a_restart() {
    let answers = [Some(missing()), None, Some(denied("logs:PutRetentionPolicy"))];
    let bench = Bench::against(Scripted { making: StdMutex::new(answers.into()), ..Scripted::failing([missing()]) });
    let calls = an_hour_with_a_new_group(&bench).await;
    assert_eq!(count(&calls, "set_retention"), 1, "{calls:?}");
    let calls = an_hour_with_a_new_group(&bench).await;
    assert_eq!(count(&calls, "set_retention"), 2, "{calls:?}");
    assert!(!Retention::in_folder(bench.folder.path()).claim("g"));
}

#[tokio::test(start_paused = true)]
async fn a_group_whose_making_got_no_answer_still_gets_its_retention() {
    let answers = [Some(missing()), Some(unreachable())];
    let bench =
        Bench::against(Scripted { making: StdMutex::new(answers.into()), ..Scripted::failing([missing(), missing()]) });
    let calls = an_hour_with_a_new_group(&bench).await;
    assert_eq!((count(&calls, "create_group"), count(&calls, "set_retention")), (1, 1), "{calls:?}");
}

#[tokio::test(start_paused = true)]
async fn a_group_that_could_not_be_made_is_owed_nothing() {
    let answers = [Some(missing()), Some(denied("logs:CreateLogGroup"))];
    let bench = Bench::against(Scripted { making: StdMutex::new(answers.into()), ..Scripted::failing([missing()]) });
    let calls = an_hour_with_a_new_group(&bench).await;
    assert_eq!(count(&calls, "set_retention"), 0, "{calls:?}");
}

/// How long five batches take whose calls take a second each.
async fn seconds_for_five(bench: Bench) -> u64 {
    let (source, (to, batches)) = (SourceId::unique(), mpsc::channel(5));
    for from in 0..5 {
        to.send(batch(source, from, &["a"])).await.expect("room");
    }
    drop(to);
    let start = tokio::time::Instant::now();
    bench.publisher().run(target(), batches).await;
    start.elapsed().as_secs()
}

#[tokio::test(start_paused = true)]
async fn a_lane_among_many_has_one_batch_on_its_way() {
    let slow = || Bench::against(Scripted { slow: Duration::from_secs(1), ..Scripted::default() });
    // The first one goes alone, the other four together.
    assert_eq!(seconds_for_five(slow()).await, 2);
    assert_eq!(seconds_for_five(slow().in_a_crowd()).await, 5);
}
