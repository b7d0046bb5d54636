//! What is done beside the batches: retention, the common pace, groups that vanish; and what is lost by its time.
use super::*;
use crate::{
    model::{Skew, limits::OLDEST},
    publish::put::RejectedPlaces,
};

const HOUR: Duration = Duration::from_hours(1);

#[tokio::test(start_paused = true)]
async fn a_group_that_was_there_gets_the_retention_that_is_wanted_once_a_day() {
    let bench = Bench::against(Scripted { kept: Some(Ok(Some(5))), ..Scripted::default() });
    let calls = quiet(&bench, HOUR).await;
    assert_eq!(calls, ["logs", "event:a", "retention", "set_retention"]);
    let calls = quiet(&bench, HOUR).await;
    assert_eq!(count(&calls, "retention"), 1, "also after a restart: {calls:?}");
    // Time of this host passes by itself here, so the note is what would be a day old.
    std::fs::remove_file(bench.folder.path().join("retention-looks.json")).expect("noted");
    let calls = quiet(&bench, HOUR).await;
    assert_eq!(count(&calls, "retention"), 2);
}

#[tokio::test(start_paused = true)]
async fn a_group_that_has_the_retention_that_is_wanted_is_left_alone() {
    let bench = Bench::against(Scripted { kept: Some(Ok(Some(7))), ..Scripted::default() });
    assert_eq!(quiet(&bench, HOUR).await, ["logs", "event:a", "retention"]);
}

#[tokio::test(start_paused = true)]
async fn where_it_may_not_be_asked_what_a_group_has_it_is_set() {
    let denied: fn() -> PutError = || denied("logs:DescribeLogGroups");
    let bench = Bench::against(Scripted { kept: Some(Err(denied)), ..Scripted::default() });
    assert_eq!(quiet(&bench, HOUR).await, ["logs", "event:a", "retention", "set_retention"]);
}

#[tokio::test(start_paused = true)]
async fn a_retention_that_may_not_be_set_is_tried_once_a_day_and_holds_up_nothing() {
    let answers = [Some(denied("logs:PutRetentionPolicy"))];
    let scripted = Scripted { kept: Some(Ok(None)), making: StdMutex::new(answers.into()), ..Scripted::default() };
    let bench = Bench::against(scripted);
    let calls = quiet(&bench, Duration::from_hours(23)).await;
    assert_eq!((count(&calls, "set_retention"), bench.put.accepted().len()), (1, 1), "{calls:?}");
}

#[tokio::test(start_paused = true)]
async fn a_look_that_fails_is_repeated() {
    let unreachable: fn() -> PutError = unreachable;
    let bench = Bench::against(Scripted { kept: Some(Err(unreachable)), ..Scripted::default() });
    let calls = quiet(&bench, Duration::from_mins(10)).await;
    assert!(count(&calls, "retention") > 10 && count(&calls, "set_retention") == 0, "{calls:?}");
}

#[tokio::test(start_paused = true)]
async fn a_group_that_is_deleted_while_running_is_made_again_with_its_retention_and_gets_the_same_batch() {
    let bench = Bench::against(Scripted::default());
    let (to, batches) = mpsc::channel(1);
    let run = tokio::spawn(bench.publisher().run(target(), batches));
    let source = SourceId::unique();
    to.send(batch(source, 0, &["before"])).await.expect("open");
    while bench.put.accepted().is_empty() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    bench.put.fail([missing()]);
    bench.put.making.lock().expect("whole").push_back(Some(missing()));
    to.send(batch(source, 1, &["after"])).await.expect("open");
    drop(to);
    run.await.expect("ends");
    let calls = bench.put.calls();
    let since = calls.iter().position(|call| call == "event:before").expect("sent") + 1;
    let expected = ["logs", "create_stream", "create_group", "set_retention", "create_stream", "logs", "event:after"];
    assert_eq!(calls[since..], expected);
}

#[tokio::test(start_paused = true)]
async fn a_group_that_is_being_deleted_is_asked_seldom_and_for_long() {
    let busy = || PutError::NotNow { service: LOGS, action: "logs:CreateLogGroup", source: "OperationAborted".into() };
    let bench = Bench::against(Scripted::failing((0..30).map(|_| busy())));
    let start = tokio::time::Instant::now();
    assert_eq!(bench.send(&["a"]).await, [(0, 1)]);
    assert!((5 * 60..30 * 60).contains(&start.elapsed().as_secs()), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_service_that_throttles_one_lane_slows_all() {
    let throttled = || PutError::Throttled { service: LOGS, after: Some(Duration::from_secs(30)) };
    let bench = Bench::against(Scripted::failing([throttled()]));
    let start = tokio::time::Instant::now();
    let (one, other) = (bench.publisher(), bench.publisher());
    let lane = |publisher: LogPublisher, wait: u64| async move {
        let (to, batches) = mpsc::channel(1);
        tokio::time::sleep(Duration::from_secs(wait)).await;
        to.send(batch(SourceId::unique(), 0, &["a"])).await.expect("open");
        drop(to);
        publisher.run(target(), batches).await;
        start.elapsed().as_secs()
    };
    let (first, second) = tokio::join!(lane(one, 0), lane(other, 1));
    assert!(first >= 30 && second >= 30, "{first} {second}");
    assert_eq!(bench.put.accepted().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_stop_does_not_wait_for_the_pace_and_what_was_not_sent_stays_in_its_source() {
    let throttled = || PutError::Throttled { service: LOGS, after: Some(Duration::from_mins(2)) };
    let bench = Bench::against(Scripted::failing([throttled()]));
    let start = tokio::time::Instant::now();
    let lane = |publisher: LogPublisher, wait: u64| async move {
        let (to, batches) = mpsc::channel(1);
        tokio::time::sleep(Duration::from_secs(wait)).await;
        to.send(batch(SourceId::unique(), 0, &["a"])).await.expect("open");
        drop(to);
        publisher.run(target(), batches).await;
    };
    let stop = async {
        tokio::time::sleep(Duration::from_secs(10)).await;
        bench.no_retries.cancel();
    };
    // The first is refused; the second waits for its turn, the third behind it; the fourth comes after the stop.
    let lanes = [0, 1, 2, 11].map(|wait| lane(bench.publisher(), wait));
    tokio::join!(stop, futures_util::future::join_all(lanes));
    assert_eq!(start.elapsed().as_secs(), 11);
    assert_eq!(count(&bench.put.calls(), "logs"), 1);
    assert_eq!(*bench.acknowledged.lock().expect("whole"), []);
}

/// A batch whose events have these times by their source.
fn timed(times: &[i64]) -> Box<Outgoing> {
    let messages: Vec<String> = times.iter().map(|at| format!("at {at}")).collect();
    let messages: Vec<&str> = messages.iter().map(String::as_str).collect();
    let mut outgoing = batch(SourceId::unique(), 0, &messages);
    let slots = outgoing.batch.index.iter().zip(times);
    let source = TimedBy::Source;
    outgoing.batch.index =
        slots.map(|(slot, at)| Slot { at: Timestamp::from_millis(*at), timed_by: source, ..*slot }).collect();
    outgoing
}

/// The service's clock is known, as after a first answer.
fn with_a_clock(keep_rejected: bool) -> Bench {
    let scripted = Scripted { clock: Some(Skew::default()), ..Scripted::default() };
    scripted.calls.lock().expect("whole").push("an answer".into());
    Bench { keep_rejected, ..Bench::against(scripted) }
}

async fn send(bench: &Bench, outgoing: Box<Outgoing>) -> Vec<(u64, u64)> {
    let (to, batches) = mpsc::channel(1);
    to.send(outgoing).await.expect("open");
    drop(to);
    bench.publisher().run(target(), batches).await;
    bench.acknowledged.lock().expect("whole").clone()
}

fn letters(bench: &Bench) -> Vec<serde_json::Value> {
    let text = std::fs::read_to_string(bench.folder.path().join("dead-letter.jsonl")).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[tokio::test(start_paused = true)]
async fn what_has_become_too_old_while_it_waited_is_not_sent_but_counted() {
    let now = Timestamp::now().as_millis();
    let old = now - i64::try_from(OLDEST.as_millis()).expect("small") - 3_600_000;
    let before = crate::telemetry::counters::EVENTS_TOO_OLD.here();
    let bench = with_a_clock(false);
    let ahead = now + 3 * 3_600_000;
    assert_eq!(send(&bench, timed(&[old, old, now, ahead])).await, [(0, 4)]);
    assert_eq!(bench.put.accepted(), [format!("event:at {now}")]);
    assert_eq!(crate::telemetry::counters::EVENTS_TOO_OLD.here() - before, 2);
    assert_eq!(send(&bench, timed(&[old])).await.len(), 2);
    assert_eq!(count(&bench.put.calls(), "logs"), 1, "nothing is left of the second one");
    assert!(letters(&bench).is_empty());
}

#[tokio::test(start_paused = true)]
async fn nothing_is_left_out_before_the_services_clock_is_known() {
    let bench = Bench::against(Scripted::default());
    assert_eq!(send(&bench, timed(&[1, 2])).await, [(0, 2)]);
    assert_eq!(bench.put.accepted(), ["event:at 1", "event:at 2"], "this host's clock may be what is wrong");
}

#[tokio::test(start_paused = true)]
async fn rejected_events_are_kept_where_the_configuration_wants_it_each_with_its_reason() {
    let rejected = Rejected { too_old: 1, too_new: 1, expired: 1 };
    assert_eq!(rejected.places(4), RejectedPlaces { too_old: 0..1, expired: 1..2, too_new: 3..4 });
    let scripted = Scripted { discarding: StdMutex::new([rejected].into()), ..Scripted::default() };
    let bench = Bench { keep_rejected: true, ..Bench::against(scripted) };
    assert_eq!(send(&bench, timed(&[1, 2, 3, 4])).await, [(0, 4)]);
    let kept: Vec<_> = letters(&bench).iter().map(|l| (l["message"].clone(), l["reason"].clone())).collect();
    let expected = [
        ("at 1", "older than 14 days"),
        ("at 4", "more than 2 hours ahead"),
        ("at 2", "older than the retention of the log group"),
    ];
    assert_eq!(kept, expected.map(|(message, reason)| (message.into(), reason.into())));
}

#[tokio::test(start_paused = true)]
async fn a_sample_of_what_is_lost_is_the_beginning_of_one_event_on_one_line() {
    let text = format!("a\\n\\\"b\\\"{}", "x".repeat(1000));
    let outgoing = batch(SourceId::unique(), 0, &[&text]);
    let sample = discarded::sample(&outgoing.batch, 0);
    assert!(sample.starts_with("a\\n\\\"b\\\"xxx") && sample.len() < 250, "{sample}");
}
