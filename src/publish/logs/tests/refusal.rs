//! What the service refuses for good, and what it discards by its time.
use super::*;
use crate::model::Skew;
use crate::publish::put::RejectedPlaces;
use std::{fs, path::PathBuf};

impl Bench {
    fn letters(&self) -> PathBuf {
        self.folder.path().join("dead-letter.jsonl")
    }

    /// Run a lane with these batches for so long; what was acknowledged by then.
    async fn run_for(
        &self,
        batches: impl IntoIterator<Item = Box<Outgoing>, IntoIter: ExactSizeIterator>,
        time: Duration,
    ) -> Vec<(u64, u64)> {
        let batches = batches.into_iter();
        let (to, from_stage) = mpsc::channel(batches.len());
        for batch in batches {
            to.send(batch).await.expect("room");
        }
        let run = self.publisher().run(target(), from_stage);
        assert!(tokio::time::timeout(time, run).await.is_err(), "it stays open with its source");
        drop(to);
        self.acknowledged.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn refusing(text: &'static str) -> Bench {
    Bench::against(Scripted { poison: Some(text), ..Scripted::default() })
}

/// Every text holds this one.
const EVERYTHING: &str = "";

#[tokio::test(start_paused = true)]
async fn a_target_that_takes_nothing_keeps_its_lines_and_is_asked_seldom() {
    let bench = refusing(EVERYTHING);
    let source = SourceId::unique();
    let many: Vec<String> = (0..1000).map(|n| n.to_string()).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let batches = vec![batch(source, 0, &many), batch(source, 1000, &["x"]), batch(source, 1001, &many)];
    assert!(bench.run_for(batches, Duration::from_hours(1)).await.is_empty());
    assert!(!bench.letters().exists());
    let calls = count(&bench.put.calls(), "logs");
    assert!(calls < 3 * (100 + 60 * 2), "{calls}");
    let state = &bench.board.read().destinations["logs"];
    assert_eq!(state.waiting_batches, 0, "the lane is gone");
    assert!(
        state.last_error.as_ref().is_some_and(|why| why.contains("stream s") && why.contains("poison")),
        "{state:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_bad_event_that_comes_alone_is_set_aside_when_the_target_takes_another() {
    let bench = refusing("bad");
    let source = SourceId::unique();
    assert!(bench.run_for([batch(source, 0, &["bad"])], Duration::from_hours(1)).await.is_empty());
    assert!(!bench.letters().exists());
    let batches = vec![batch(source, 0, &["bad"]), batch(source, 1, &["good"])];
    let mut acknowledged = bench.run_for(batches, Duration::from_hours(1)).await;
    acknowledged.sort_unstable();
    assert_eq!((acknowledged, bench.put.accepted()), (vec![(0, 1), (1, 2)], vec!["event:good".to_owned()]));
    assert_eq!(fs::read_to_string(bench.letters()).expect("kept").lines().count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_bad_event_lets_another_batch_pass_also_where_each_lane_has_one_on_its_way() {
    let bench = refusing("bad").in_a_crowd();
    let source = SourceId::unique();
    let batches = vec![batch(source, 0, &["bad"]), batch(source, 1, &["good"])];
    assert_eq!(bench.run_for(batches, Duration::from_hours(1)).await.len(), 2);
    assert_eq!(bench.put.accepted(), ["event:good"]);
}

#[tokio::test(start_paused = true)]
async fn many_bad_events_ahead_of_a_good_one_are_set_aside_once_something_arrives() {
    let bench = refusing("bad");
    let source = SourceId::unique();
    let mut events = vec!["bad"; SUSPECTS * 2];
    events.push("good");
    let to = events.len() as u64;
    let batches = vec![batch(source, 0, &events), batch(source, to, &["other"])];
    assert_eq!(bench.run_for(batches, Duration::from_hours(1)).await.len(), 2);
    assert_eq!(bench.put.accepted(), ["event:other", "event:good"]);
    assert_eq!(fs::read_to_string(bench.letters()).expect("kept").lines().count(), SUSPECTS * 2);
}

#[tokio::test(start_paused = true)]
async fn a_state_folder_that_is_gone_is_made_again_for_a_refused_event() {
    let bench = refusing("bad");
    fs::remove_dir(bench.folder.path()).expect("removed");
    assert_eq!(bench.send(&["bad", "good"]).await, [(0, 2)]);
    assert!(bench.letters().exists());
}

#[tokio::test(start_paused = true)]
async fn an_event_that_cannot_be_set_aside_is_not_acknowledged() {
    let bench = refusing("bad");
    fs::create_dir(bench.letters()).expect("in the way");
    let batches = vec![batch(SourceId::unique(), 0, &["bad", "good"])];
    assert!(bench.run_for(batches, Duration::from_hours(1)).await.is_empty());
    let state = &bench.board.read().destinations["logs"];
    assert!(state.last_error.as_ref().is_some_and(|why| why.contains("cannot be kept")), "{state:?}");
}

fn discarding(rejected: impl IntoIterator<Item = Rejected>) -> Bench {
    Bench::against(discarded(rejected))
}

fn discarded(rejected: impl IntoIterator<Item = Rejected>) -> Scripted {
    Scripted { discarding: StdMutex::new(rejected.into_iter().collect()), ..Scripted::default() }
}

fn too_old(events: usize) -> Rejected {
    Rejected { too_old: events, ..Rejected::default() }
}

#[test]
fn rejected_counts_say_which_events_are_meant_whatever_their_sum() {
    let places = |rejected: Rejected| rejected.places(10);
    let all = Rejected { too_old: 2, too_new: 3, expired: 1 };
    assert_eq!(places(all), RejectedPlaces { too_old: 0..2, expired: 2..3, too_new: 7..10 });
    let absurd = Rejected { too_old: 8, too_new: 9, expired: 7 };
    assert_eq!(places(absurd), RejectedPlaces { too_old: 0..8, expired: 8..10, too_new: 10..10 });
}

#[tokio::test(start_paused = true)]
async fn what_is_discarded_by_a_time_that_we_gave_goes_again_with_the_present_one() {
    let bench = discarding([Rejected { too_old: 1, too_new: 1, expired: 1 }]);
    let before = Timestamp::now();
    let batch = batch(SourceId::unique(), 0, &["a", "b", "c \\\"d\\\"", "e"]).batch;
    let restamped = batch.restamped(|place| place != 1, before).expect("three");
    let events: Vec<_> =
        restamped.events().expect("JSON").into_iter().map(|e| (e.timestamp, e.message.into_owned())).collect();
    assert_eq!(events, ["a", "c \"d\"", "e"].map(|text| (before.as_millis(), text.to_owned())));
    assert_eq!(restamped.halves().expect("three").1.len(), 2);

    assert_eq!(bench.send(&["a", "b", "c", "d"]).await, [(0, 4)]);
    assert_eq!(bench.put.accepted(), ["event:c", "event:a", "event:b", "event:d"]);
}

#[tokio::test(start_paused = true)]
async fn what_a_wrong_clock_stamped_arrives_at_once_with_the_time_of_the_service() {
    let days = Duration::from_hours(30 * 24);
    let clock = Skew::between(Timestamp::default(), Timestamp::default().plus(days));
    let bench = Bench::against(Scripted { clock: Some(clock), ..discarded([too_old(2)]) });
    let (before, start) = (Timestamp::now(), tokio::time::Instant::now());
    assert_eq!(bench.send(&["a", "b"]).await, [(0, 2)]);
    assert_eq!(start.elapsed(), Duration::ZERO);
    let stamps = bench.put.stamps.lock().unwrap_or_else(PoisonError::into_inner).clone();
    assert!(stamps.len() == 2 && stamps.iter().all(|at| *at >= before.plus(days)), "{stamps:?}");
}

#[tokio::test(start_paused = true)]
async fn while_the_clock_stays_wrong_lines_wait_and_are_not_acknowledged() {
    let bench = discarding((0..10_000).map(|_| too_old(2)));
    let batches = vec![batch(SourceId::unique(), 0, &["a", "b"])];
    assert!(bench.run_for(batches, Duration::from_hours(1)).await.is_empty());
    let calls = count(&bench.put.calls(), "logs");
    assert!((50..300).contains(&calls), "{calls}");
    let state = &bench.board.read().destinations["logs"];
    assert!(state.last_error.as_ref().is_some_and(|why| why.contains("set the clock")), "{state:?}");
    assert!(state.last_success.is_none());
}

#[tokio::test(start_paused = true)]
async fn what_is_discarded_by_its_sources_own_time_is_gone_and_acknowledged() {
    let bench = discarding([too_old(2)]);
    let mut outgoing = batch(SourceId::unique(), 0, &["a", "b", "c"]);
    let theirs = |place: usize| if place == 0 { TimedBy::Source } else { TimedBy::Reader };
    let slots = outgoing.batch.index.iter().enumerate();
    outgoing.batch.index = slots.map(|(place, slot)| Slot { timed_by: theirs(place), ..*slot }).collect();
    assert_eq!(bench.run_for([outgoing], Duration::from_mins(1)).await, [(0, 3)]);
    assert_eq!(bench.put.accepted(), ["event:c", "event:b"]);
}

#[tokio::test(start_paused = true)]
async fn a_lane_without_a_retention_leaves_what_another_owes() {
    let bench = Bench::against(Scripted::default());
    Retention::in_folder(bench.folder.path()).owe("g").await;
    let without = Arc::new(Target { retention_in_days: None, ..(*target()).clone() });
    let (to, batches) = mpsc::channel(1);
    drop(to);
    bench.publisher().run(without, batches).await;
    assert!(Retention::in_folder(bench.folder.path()).claim("g"));
}
