//! The stage as a whole, on a clock that stands still unless a test moves it. Points carry the times that a test gives them.
use super::*;
use crate::{
    config::settings::metrics::{AwsValue, Global, SourceDimensions},
    model::{Dimension, Fact, Resolution, Unit, Values},
    spool::window,
};
use std::{cell::Cell, sync::Arc};

thread_local! {
    /// When the test began, on the timers' clock: then the wall clock showed [`BEGIN`].
    static ZERO: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// A full minute, and one in which no host's place falls on the first flush.
const BEGIN: Timestamp = Timestamp::from_millis(1_800_000_000_000);

/// The wall clock follows the timers' clock.
fn wall() -> Timestamp {
    BEGIN.plus(ZERO.get().map_or(Duration::ZERO, |zero| zero.elapsed()))
}

const TEN: Duration = Duration::from_secs(10);

fn packing(global: Global) -> Packing {
    Packing {
        namespace: "N".into(),
        rules: Rules {
            sources: vec![SourceDimensions::default(), SourceDimensions { host: true, ..SourceDimensions::default() }],
            global,
            host_name: "box".into(),
            instance_id: "sys-1".into(),
        },
        own: 2,
        intervals: vec![MINUTE, TEN],
        flush: MINUTE,
        place: Place::of("sys-1", "box"),
        max_series: 500,
    }
}

fn point(name: &'static str, at: Timestamp) -> Point {
    Point {
        name: name.into(),
        value: Values::One(1.0),
        unit: Unit::Count,
        at,
        dimensions: Arc::from([]),
        resolution: Resolution::Minute,
    }
}

struct Running {
    readings: mpsc::Sender<Reading>,
    facts: watch::Sender<Facts>,
    batches: mpsc::Receiver<Parcel>,
    /// Where its windows are.
    folder: tempfile::TempDir,
}

fn start(packing: Packing, facts: Facts) -> Running {
    let (readings, to_stage) = mpsc::channel(4);
    let (facts, watched) = watch::channel(facts);
    let (out, batches) = mpsc::channel(16);
    ZERO.set(Some(Instant::now()));
    let folder = tempfile::tempdir().expect("a folder");
    let (windows, writer) = window::open(folder.path(), &packing.namespace);
    tokio::spawn(writer.run());
    tokio::spawn(Stage::new(packing, windows, out, wall).run(to_stage, watched));
    Running { readings, facts, batches, folder }
}

impl Running {
    async fn give(&self, source: usize, points: Vec<Point>) {
        self.readings.send(Reading { source, points }).await.expect("the stage is there");
    }

    async fn batch(&mut self) -> Vec<Point> {
        self.batches.recv().await.expect("a batch").batch.points
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_read_at_the_start_leaves_together_within_seconds() {
    let mut stage = start(packing(Global::default()), Facts::none());
    let begun = Instant::now();
    let now = wall();
    stage.give(0, vec![point("a", now)]).await;
    stage.give(0, vec![point("b", now)]).await;
    assert_eq!(stage.batch().await.len(), 2);
    assert_eq!(begun.elapsed(), FIRST_FLUSH);
}

#[tokio::test(start_paused = true)]
async fn there_is_one_request_in_each_flush_interval() {
    let mut stage = start(packing(Global::default()), Facts::none());
    let readings = stage.readings.clone();
    tokio::spawn(async move {
        loop {
            let _ = readings.send(Reading { source: 1, points: vec![point("a", wall())] }).await;
            tokio::time::sleep(TEN).await;
        }
    });
    let offset = Place::of("sys-1", "box").offset(MINUTE) + BEHIND_THE_TICK;
    for minute in 0..5 {
        let points = stage.batch().await;
        // Six readings of the minute before are one datum, and no minute is sent before it is over.
        assert_eq!(points.len(), 1);
        assert_eq!(points[0].value, Values::Many(vec![(1.0, 6.0)]));
        assert_eq!(points[0].at, BEGIN.plus(MINUTE * minute));
        assert_eq!(wall(), BEGIN.plus(MINUTE * (minute + 1) + offset));
    }
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_ec2_leaves_when_it_is_known_and_what_does_not_goes_on() {
    let global = Global { append: Some(vec![("InstanceId".into(), AwsValue::InstanceId)]), ..Global::default() };
    let mut stage = start(packing(global), Facts::default());
    stage.give(0, vec![point("a", wall())]).await;
    tokio::time::sleep(MINUTE * 3).await;
    assert!(stage.batches.try_recv().is_err(), "nothing is made up");
    stage.facts.send(Facts { instance_id: Fact::Known("i-1".into()), ..Facts::none() }).expect("the stage listens");
    let points = stage.batch().await;
    assert_eq!(points[0].dimensions[..], [Dimension::new("InstanceId", "i-1")]);
}

#[tokio::test(start_paused = true)]
async fn the_stop_sends_what_is_held_and_what_waits() {
    let global = Global { append: Some(vec![("InstanceId".into(), AwsValue::InstanceId)]), ..Global::default() };
    let mut stage = start(packing(global), Facts::default());
    stage.give(1, vec![point("a", wall())]).await;
    drop(stage.readings);
    let points = stage.batches.recv().await.expect("a batch").batch.points;
    assert_eq!(points[0].dimensions[..], [Dimension::new("host", "box")]);
    assert!(stage.batches.recv().await.is_none(), "and then it ends");
}

#[tokio::test(start_paused = true)]
async fn too_much_that_waits_goes_without_what_is_not_known() {
    let global = Global { append: Some(vec![("InstanceId".into(), AwsValue::InstanceId)]), ..Global::default() };
    let mut stage = start(Packing { max_series: usize::MAX, ..packing(global) }, Facts::default());
    let now = wall();
    stage.give(1, vec![point("old", now)]).await;
    stage.give(1, vec![point("new", now); WAITING]).await;
    drop(stage.facts);
    let first = stage.batches.recv().await.expect("a batch").batch.points;
    assert_eq!(first.iter().map(|point| &*point.name).collect::<Vec<_>>(), ["old"]);
}

#[tokio::test(start_paused = true)]
async fn more_than_a_request_holds_does_not_wait_for_the_interval() {
    let mut stage = start(Packing { max_series: usize::MAX, ..packing(Global::default()) }, Facts::none());
    let now = wall();
    let begun = Instant::now();
    let points = (0..METRIC_BATCH_POINTS).map(|n| Point { name: format!("m{n}").into(), ..point("", now) });
    stage.give(0, points.collect()).await;
    assert_eq!(stage.batch().await.len(), METRIC_BATCH_POINTS);
    assert_eq!(begun.elapsed(), Duration::ZERO);
}

/// What a start would find.
fn found(folder: &std::path::Path) -> Vec<Point> {
    window::left(folder).expect("a folder").into_iter().flat_map(|(_, left)| left.points).collect()
}

/// Lets the task that writes come to its end of what it was told.
async fn written() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
        tokio::task::spawn_blocking(|| ()).await.expect("a blocking thread");
    }
}

#[tokio::test(start_paused = true)]
async fn a_crash_costs_nothing_that_was_measured_and_repeats_only_batches_in_flight() {
    let mut stage = start(packing(Global::default()), Facts::none());
    stage.give(0, vec![point("seldom", wall())]).await;
    stage.give(1, vec![point("often", wall())]).await;
    written().await;
    assert_eq!(found(stage.folder.path()).len(), 2, "before the request");
    let parcel = stage.batches.recv().await.expect("what is complete");
    assert_eq!(parcel.batch.points.len(), 1);
    written().await;
    let mut names: Vec<_> = found(stage.folder.path()).into_iter().map(|point| point.name.into_owned()).collect();
    names.sort_unstable();
    assert_eq!(names, ["often", "seldom"], "while the request is on its way, each once");
    parcel.is_safe();
    written().await;
    assert_eq!(found(stage.folder.path()).len(), 1, "after the request");
    drop(stage.readings);
    let parcel = stage.batches.recv().await.expect("the rest");
    parcel.is_safe();
    written().await;
    assert_eq!(found(stage.folder.path()), []);
    assert_eq!(std::fs::read_dir(stage.folder.path()).expect("there").count(), 0, "no file is left");
}

#[test]
fn what_a_crash_left_is_packed_as_it_would_have_been() {
    let values = (0..400).map(|n| (f64::from(n), 1.0)).collect();
    let at = BEGIN;
    let busy = Point { value: Values::Many(values), ..point("busy", at) };
    let batches = repack("N", vec![busy, point("calm", at), point("calm", at.plus(TEN))]);
    assert_eq!(batches.len(), 1);
    let sizes: Vec<_> =
        batches[0].points.iter().map(|point| point.value.iter().map(|(_, count)| count).sum::<f64>()).collect();
    assert_eq!(sizes, [150.0, 150.0, 100.0, 2.0], "no datum of more values than CloudWatch takes, each series once");
}
