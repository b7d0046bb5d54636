//! When collectors read, and what happens to what they read.
//!
//! A baseline is read at once and not sent, for everything that needs two readings; a second later the first points leave, those of
//! a collector whose baseline takes longer right behind that. Then one
//! reading at each multiple of the interval on the wall clock, moved by the host's own offset, so that the readings of one host
//! are evenly spaced and a fleet does not call in the same second. The next tick is worked out anew from the wall clock each time: a
//! laptop that slept and a clock that was set cause neither a burst of readings nor a silence longer than about one interval.
//!
//! Each collector reads on the blocking pool, one call at a time; the points of one tick leave together. A call that hangs (a dead
//! mount) delays nobody: the others' points leave after [`GATHER`], its own when it returns, and until then its turns are skipped
//! and counted. When the pipeline is full nothing is read: the turn is counted, and the next one covers both intervals. A collector that
//! fails keeps the points it had and is counted; its state is logged when it changes.
//!
//! Stopping does not wait for a call that hangs: whoever shuts the runtime down must do so with a time limit.
mod ticks;

#[cfg(test)]
mod tests;

pub use ticks::fleet_offset;

use super::{CollectError, Collector, Moment, Named};
use crate::{
    model::{Points, Resolution, Timestamp},
    telemetry::counters,
};
use std::time::Duration;
use tokio::{
    sync::mpsc::{self, error::TrySendError},
    task::JoinSet,
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

/// From the baseline to the first points: long enough for a processor share, short enough to see life within two seconds.
const WARM_UP: Duration = Duration::from_secs(1);

/// The same for a collector whose baseline came back only after that. Longer than a processor share needs at least
/// (`sysinfo::MINIMUM_CPU_UPDATE_INTERVAL`, 200 ms).
const SETTLE: Duration = Duration::from_millis(250);

/// How long the points of a tick wait for each other.
const GATHER: Duration = Duration::from_millis(500);

/// Points of metrics that are collected more often than this are kept at a resolution of one second.
const MINUTE: Duration = Duration::from_secs(60);

/// Where the wall clock is read.
type WallClock = fn() -> Timestamp;

/// Reads until told to stop. `fleet_offset` moves every tick; see [`fleet_offset`]. An interval under one second counts as one.
/// Dropping `out` on return is the rest of the stop.
pub async fn run(
    collectors: Vec<Named>,
    interval: Duration,
    fleet_offset: Duration,
    out: mpsc::Sender<Points>,
    stop: CancellationToken,
) {
    Scheduler::new(collectors, interval, fleet_offset, Timestamp::now).run(&out, &stop).await;
}

struct Scheduler {
    slots: Vec<Slot>,
    reads: JoinSet<Reading>,
    interval: Duration,
    offset: Duration,
    wall: WallClock,
    /// Which tick is being gathered; readings of an earlier one are late.
    tick: u64,
    /// Points of this tick, waiting for the rest.
    gathered: Points,
    /// Readings of this tick that are not back yet.
    missing: usize,
    /// Ticks skipped in a row because the pipeline was full.
    full: u64,
    /// When the collectors that missed the first tick have their turn.
    late_start: Option<Instant>,
}

/// One collector's place.
struct Slot {
    key: &'static str,
    /// `None` while it reads.
    collector: Option<Box<dyn Collector>>,
    /// Failures in a row.
    failed: u64,
    /// Turns in a row that were skipped because the reading before hangs.
    hung: u64,
    /// How often it was started.
    readings: u64,
}

/// A reading that came back.
struct Reading {
    slot: usize,
    tick: u64,
    collector: Box<dyn Collector>,
    points: Points,
    result: Result<(), CollectError>,
}

/// The tick whose points are not sent.
const BASELINE: u64 = 0;

/// The tick whose points are the first that leave.
const FIRST: u64 = 1;

impl Scheduler {
    fn new(collectors: Vec<Named>, interval: Duration, offset: Duration, wall: WallClock) -> Self {
        let slot = |n: Named| Slot { key: n.key, collector: Some(n.collector), failed: 0, hung: 0, readings: 0 };
        Self {
            slots: collectors.into_iter().map(slot).collect(),
            reads: JoinSet::new(),
            interval: interval.max(Duration::from_secs(1)),
            offset,
            wall,
            tick: BASELINE,
            gathered: Points::new(),
            missing: 0,
            full: 0,
            late_start: None,
        }
    }

    async fn run(mut self, out: &mpsc::Sender<Points>, stop: &CancellationToken) {
        self.start_reading(|_| true);
        let mut due = Instant::now() + WARM_UP;
        let mut patience = due;
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                () = out.closed() => break,
                Some(back) = self.reads.join_next(), if !self.reads.is_empty() => match back {
                    Ok(reading) => self.take(reading, out),
                    // Its slot stays empty, so that each further turn is counted.
                    Err(e) => tracing::error!(error = %e, "a collector broke and is out of service until a restart"),
                },
                () = sleep_until(patience), if !self.gathered.is_empty() => self.send(out),
                () = sleep_until(self.late_start.unwrap_or(due)), if self.late_start.is_some() => {
                    self.late_start = None;
                    self.start_reading(Slot::has_missed_the_first_tick);
                    patience = Instant::now() + GATHER;
                }
                () = sleep_until(due) => {
                    self.send(out);
                    self.turn(out);
                    patience = Instant::now() + GATHER;
                    due = Instant::now() + ticks::until_next((self.wall)(), self.interval, self.offset);
                }
            }
        }
        self.send(out);
    }

    /// One tick: read, unless nobody could take the points.
    fn turn(&mut self, out: &mpsc::Sender<Points>) {
        self.tick += 1;
        if out.capacity() == 0 {
            self.skipped();
        } else {
            self.missing = 0;
            self.start_reading(|_| true);
        }
    }

    /// Start these collectors, as far as they are back from their last reading.
    fn start_reading(&mut self, these: impl Fn(&Slot) -> bool) {
        let now = Moment { wall: (self.wall)(), monotonic: Instant::now().into_std() };
        for (index, slot) in self.slots.iter_mut().enumerate().filter(|(_, slot)| these(slot)) {
            let Some(mut collector) = slot.collector.take() else {
                // The first tick does not count: a baseline may take its time.
                if self.tick > FIRST {
                    slot.skipped();
                }
                continue;
            };
            self.missing += 1;
            slot.readings += 1;
            let tick = self.tick;
            self.reads.spawn_blocking(move || {
                let mut points = Points::new();
                let result = collector.collect(now, &mut points);
                Reading { slot: index, tick, collector, points, result }
            });
        }
    }

    /// A reading is back.
    fn take(&mut self, reading: Reading, out: &mpsc::Sender<Points>) {
        let Reading { slot, tick, collector, points, result } = reading;
        self.slots[slot].back(collector, result);
        if tick == BASELINE && self.tick == FIRST {
            self.late_start = Some(Instant::now() + SETTLE);
        }
        if tick != BASELINE {
            counters::POINTS_COLLECTED.add(points.len() as u64);
            self.gathered.extend(points);
        }
        if tick == self.tick {
            self.missing = self.missing.saturating_sub(1);
        }
        if self.missing == 0 {
            self.send(out);
        }
    }

    /// Pass on what was gathered.
    fn send(&mut self, out: &mpsc::Sender<Points>) {
        if self.gathered.is_empty() {
            return;
        }
        let mut points = std::mem::take(&mut self.gathered);
        if self.interval < MINUTE {
            points.iter_mut().for_each(|p| p.resolution = Resolution::Second);
        }
        match out.try_send(points) {
            Ok(()) => {
                let skipped = std::mem::take(&mut self.full);
                if skipped > 0 {
                    tracing::info!(skipped, "the pipeline takes metrics again");
                }
            }
            Err(TrySendError::Full(_)) => self.skipped(),
            // `run` sees it too, and ends.
            Err(TrySendError::Closed(_)) => {}
        }
    }

    /// A turn was lost because the pipeline is full.
    fn skipped(&mut self) {
        counters::POLLS_SKIPPED.add(1);
        self.full += 1;
        if self.full == 1 {
            tracing::warn!("the pipeline is full: readings are skipped until it has room");
        }
    }
}

impl Slot {
    /// Its baseline is back, and nothing else was read yet.
    fn has_missed_the_first_tick(&self) -> bool {
        self.readings == 1 && self.collector.is_some()
    }

    /// The collector is still busy with an earlier turn.
    fn skipped(&mut self) {
        counters::POLLS_HUNG.add(1);
        self.hung += 1;
        if self.hung == 1 {
            tracing::warn!(collector = self.key, "the reading before has not come back: skipping until it does");
        }
    }

    fn back(&mut self, collector: Box<dyn Collector>, result: Result<(), CollectError>) {
        self.collector = Some(collector);
        let skipped = std::mem::take(&mut self.hung);
        if skipped > 0 {
            tracing::info!(collector = self.key, skipped, "the reading that hung has come back");
        }
        match result {
            Ok(()) => {
                let failures = std::mem::take(&mut self.failed);
                if failures > 0 {
                    tracing::info!(collector = self.key, failures, "reads again");
                }
            }
            Err(e) => {
                counters::POLLS_FAILED.add(1);
                self.failed += 1;
                if self.failed == 1 {
                    let error: &dyn std::error::Error = &e;
                    tracing::warn!(collector = self.key, error, "a reading failed: what could be read is sent");
                }
            }
        }
    }
}
