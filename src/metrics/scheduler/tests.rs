//! The clock stands still unless a test moves it; the wall clock follows the timers' clock.
use super::*;
use crate::{
    config::settings::metrics::{Measurements, Options, Plugin, SourceDimensions},
    metrics::{
        Collector,
        readings::{Readings, Wanted},
    },
    model::Resolution,
};
use std::{
    cell::Cell,
    io,
    sync::{Arc, Mutex, mpsc as blocking},
};

thread_local! {
    /// The wall clock, minus the timers' clock. Set by the test; read on the same thread, where the scheduler runs.
    static WALL: Cell<(Option<Instant>, i64)> = const { Cell::new((None, 0)) };
}

const TEN: Duration = Duration::from_secs(10);
const MINUTE: Duration = Duration::from_secs(60);
/// Ticks on the multiples of every interval here, and some time behind them.
const ON_TIME: Place = Place::at(0);
const BEHIND: Place = Place::at(2_250);

fn wall() -> Timestamp {
    WALL.with(|w| {
        let (zero, millis) = w.get();
        Timestamp::from_millis(millis).plus(zero.map_or(Duration::ZERO, |z| z.elapsed()))
    })
}

/// The wall clock shows this now, and goes on from there.
fn set_wall(millis: i64) {
    WALL.with(|w| w.set((Some(Instant::now()), millis)));
}

/// Notes when it is asked, and does as told.
struct Fake {
    asked: Arc<Mutex<Vec<Moment>>>,
    answer: Box<dyn FnMut() -> Result<(), CollectError> + Send>,
}

impl Collector for Fake {
    fn collect(&mut self, out: &mut Readings<'_>) -> Result<(), CollectError> {
        self.asked.lock().expect("no panic").push(out.now());
        out.of(&[]).push("x", 1.0);
        (self.answer)()
    }
}

/// Everything that it offers is wanted.
fn wanted() -> Wanted {
    Wanted::of(&Plugin {
        at: "x".into(),
        key: "x",
        measurements: Measurements::Everything { prefix: String::new() },
        interval: TEN,
        resolution: Resolution::Minute,
        dimensions: SourceDimensions::default(),
        options: Options::None,
    })
}

fn fake(
    key: &'static str,
    answer: impl FnMut() -> Result<(), CollectError> + Send + 'static,
) -> (Source, Arc<Mutex<Vec<Moment>>>) {
    let asked = Arc::default();
    let collector = Box::new(Fake { asked: Arc::clone(&asked), answer: Box::new(answer) });
    let reader = Some(Reader { collector, wanted: wanted() });
    (Source { key, number: 0, interval: TEN, reader }, asked)
}

fn good() -> (Source, Arc<Mutex<Vec<Moment>>>) {
    fake("good", || Ok(()))
}

fn broken() -> CollectError {
    CollectError::Read { what: "it", source: io::Error::other("no") }
}

/// A scheduler at work.
struct Running {
    points: mpsc::Receiver<Reading>,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

fn start(mut sources: Vec<Source>, interval: Duration, place: Place, capacity: usize) -> Running {
    for (number, source) in sources.iter_mut().enumerate() {
        (source.number, source.interval) = (number, interval);
    }
    let (out, points) = mpsc::channel(capacity);
    let stop = CancellationToken::new();
    let token = stop.clone();
    let task = tokio::spawn(async move {
        Scheduler::new(sources, place, wall).run(&out, &token).await;
    });
    Running { points, stop, task }
}

impl Running {
    /// The wall-clock milliseconds of the next points.
    async fn next(&mut self) -> Vec<i64> {
        self.points.recv().await.expect("points").points.iter().map(|p| p.at.as_millis()).collect()
    }

    async fn stop(self) {
        self.stop.cancel();
        self.task.await.expect("ends in order");
    }
}

#[tokio::test(start_paused = true)]
async fn first_points_leave_within_two_seconds_and_follow_a_baseline() {
    set_wall(1_003_500);
    let (named, asked) = good();
    let mut running = start(vec![named], TEN, ON_TIME, 4);
    assert_eq!(running.next().await, [1_004_500]);
    let asked = asked.lock().expect("no panic").clone();
    assert_eq!(asked.iter().map(|m| m.wall.as_millis()).collect::<Vec<_>>(), [1_003_500, 1_004_500]);
    assert_eq!(asked[1].monotonic - asked[0].monotonic, Duration::from_secs(1));
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_baseline_that_takes_longer_does_not_cost_the_first_interval() {
    set_wall(0);
    let (release, gate) = blocking::channel::<()>();
    let mut readings = 0;
    let (slow, asked) = fake("slow", move || {
        readings += 1;
        if readings == 1 {
            let _ = gate.recv();
        }
        Ok(())
    });
    let mut running = start(vec![slow, good().0], MINUTE, ON_TIME, 4);
    settle().await;
    for _ in 0..5 {
        tokio::time::advance(Duration::from_millis(300)).await;
        settle().await;
    }
    assert_eq!(running.next().await, [1_200], "the other one did not wait");
    drop(release);
    assert_eq!(running.next().await, [1_750]);
    let asked: Vec<_> = asked.lock().expect("no panic").iter().map(|moment| moment.wall.as_millis()).collect();
    assert_eq!(asked, [0, 1_750]);
    assert_eq!(running.next().await, [60_000]);
    assert_eq!(running.next().await, [60_000]);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn readings_then_follow_the_wall_clock_plus_the_offset() {
    set_wall(1_003_500);
    let (named, _) = good();
    let mut running = start(vec![named], TEN, BEHIND, 4);
    running.next().await;
    for expected in [1_012_250, 1_022_250, 1_032_250] {
        assert_eq!(running.next().await, [expected]);
    }
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_jumped_causes_one_reading_and_then_the_grid_again() {
    set_wall(1_003_500);
    let (named, asked) = good();
    let mut running = start(vec![named], TEN, ON_TIME, 4);
    running.next().await;
    assert_eq!(running.next().await, [1_010_000]);
    for jumped in [90_000_123_i64, 50_004] {
        let before = asked.lock().expect("no panic").len();
        let then = Instant::now();
        set_wall(jumped);
        let first = running.next().await[0];
        assert!(then.elapsed() <= TEN, "no silence");
        assert_eq!(asked.lock().expect("no panic").len(), before + 1, "no burst");
        let second = running.next().await[0];
        assert_eq!(second % 10_000, 0);
        assert!(second - first <= 12_500);
    }
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn each_source_has_its_own_interval() {
    set_wall(0);
    let (often, seldom) = (good().0, Source { number: 1, interval: TEN * 3, ..good().0 });
    let (out, mut readings) = mpsc::channel(8);
    let stop = CancellationToken::new();
    let task = tokio::spawn(async move { Scheduler::new(vec![often, seldom], ON_TIME, wall).run(&out, &stop).await });
    let mut seen = vec![];
    while seen.len() < 7 {
        let reading = readings.recv().await.expect("readings");
        seen.push((reading.points[0].at.as_millis() / 1_000, reading.source));
    }
    seen.sort_unstable();
    assert_eq!(seen, [(1, 0), (1, 1), (10, 0), (20, 0), (30, 0), (30, 1), (40, 0)]);
    task.abort();
}

#[tokio::test(start_paused = true)]
async fn no_reading_is_lost_where_more_come_at_once_than_the_pipeline_has_places_for() {
    set_wall(0);
    let mut running = start(vec![good().0, good().0, good().0], TEN, ON_TIME, 1);
    tokio::time::sleep(Duration::from_secs(5)).await;
    for _ in 0..3 {
        assert_eq!(running.next().await, [1_000]);
    }
    for _ in 0..3 {
        assert_eq!(running.next().await, [10_000], "and nothing was skipped");
    }
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_full_pipeline_skips_the_reading_and_counts_it() {
    set_wall(0);
    let before = counters::POLLS_SKIPPED.get();
    let (named, asked) = good();
    let mut running = start(vec![named], TEN, ON_TIME, 1);
    tokio::time::sleep(Duration::from_secs(35)).await;
    // The baseline, the first points and those of the tick at 10, which wait; the ticks at 20 and 30 found them waiting.
    assert_eq!(asked.lock().expect("no panic").len(), 3);
    assert_eq!(counters::POLLS_SKIPPED.get(), before + 2);
    assert_eq!(running.next().await, [1_000]);
    assert_eq!(running.next().await, [10_000]);
    assert_eq!(running.next().await, [40_000]);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn points_before_an_error_are_kept_and_the_failure_is_counted() {
    set_wall(0);
    let before = counters::POLLS_FAILED.here();
    let (named, _) = fake("bad", || Err(broken()));
    let mut running = start(vec![named], TEN, ON_TIME, 4);
    assert_eq!(running.next().await, [1_000]);
    assert_eq!(running.next().await, [10_000]);
    assert_eq!(counters::POLLS_FAILED.here(), before + 3);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_collector_that_hangs_stops_neither_the_others_nor_the_end() {
    set_wall(0);
    let before = counters::POLLS_HUNG.here();
    let (release, gate) = blocking::channel::<()>();
    let mut readings = 0;
    let (stuck, asked) = fake("stuck", move || {
        readings += 1;
        if readings == 2 {
            let _ = gate.recv();
        }
        Ok(())
    });
    let mut running = start(vec![stuck, good().0], TEN, ON_TIME, 4);
    settle().await;
    // A blocking call keeps the paused clock from moving by itself.
    let mut seen = Vec::new();
    for _ in 0..24 {
        tokio::time::advance(Duration::from_secs(1)).await;
        settle().await;
        while let Ok(points) = running.points.try_recv() {
            seen.push(points.points.len());
        }
    }
    assert_eq!(seen, [1, 1, 1], "first points, then the ticks at 10 and 20");
    assert_eq!(asked.lock().expect("no panic").len(), 2, "one call in flight");
    assert_eq!(counters::POLLS_HUNG.here(), before + 2);
    drop(release);
    let late = running.points.recv().await.expect("it came back");
    assert_eq!(late.points.iter().map(|p| p.at.as_millis()).collect::<Vec<_>>(), [1_000]);
    assert_eq!(running.next().await, [30_000]);
    assert_eq!(running.next().await, [30_000]);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_baseline_that_never_comes_back_is_counted_as_hung_and_stops_nobody_else() {
    set_wall(0);
    let before = counters::POLLS_HUNG.here();
    let (release, gate) = blocking::channel::<()>();
    let (stuck, asked) = fake("stuck", move || {
        let _ = gate.recv();
        Ok(())
    });
    let mut running = start(vec![stuck, good().0], TEN, ON_TIME, 4);
    settle().await;
    let mut hung = vec![];
    for second in 1..=24 {
        tokio::time::advance(Duration::from_secs(1)).await;
        settle().await;
        if [2, 12, 22].contains(&second) {
            hung.push(counters::POLLS_HUNG.here() - before);
            running.points.try_recv().expect("of the other one");
        }
    }
    assert_eq!(hung, [0, 1, 2], "its first seconds are no fault, each tick behind them is");
    assert_eq!(asked.lock().expect("no panic").len(), 1, "one call in flight");
    drop(release);
    running.stop().await;
}

/// Lets readings on other threads come back without moving the clock.
async fn settle() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
        tokio::task::spawn_blocking(|| ()).await.expect("a blocking thread");
    }
}

#[tokio::test(start_paused = true)]
async fn it_ends_when_nobody_listens_any_more() {
    set_wall(0);
    let Running { points, task, .. } = start(vec![good().0], TEN, ON_TIME, 4);
    drop(points);
    task.await.expect("ends by itself");
}
