//! When collectors read, and what happens to what they read.
//!
//! A baseline is read at once and not sent, for everything that needs two readings; a second later the first points leave, those of
//! a collector whose baseline takes longer right behind it. Then one reading at each multiple of the collector's interval on the wall clock,
//! moved by the host's own [`Place`], so that the readings of one host are evenly spaced and a fleet does not call in the same second. The
//! next tick is worked out anew from the wall clock each time: a laptop that slept and a clock that was set cause neither a burst of
//! readings nor a silence longer than about one interval.
//!
//! Each collector reads on the blocking pool, one call at a time. A call that hangs (a dead mount) delays nobody: its points leave when it
//! returns, and until then its turns are skipped and counted. When the pipeline is full nothing is read: the turn is counted, and the next
//! one covers both intervals. A collector that fails keeps the points it had and is counted; its state is logged when it changes.
//!
//! Stopping does not wait for a call that hangs: whoever shuts the runtime down must do so with a time limit.
mod ticks;

#[cfg(test)]
mod tests;

pub use ticks::{Place, until_next};

use super::{CollectError, Moment, Reader, Source};
use crate::{
    model::{Points, Reading, Timestamp},
    telemetry::counters,
};
use std::{collections::VecDeque, time::Duration};
use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

/// From the baseline to the first points: long enough for a processor share, short enough to see life within two seconds.
const WARM_UP: Duration = Duration::from_secs(1);

/// The same for a collector whose baseline came back only after that. Longer than a processor share needs at least
/// (`sysinfo::MINIMUM_CPU_UPDATE_INTERVAL`, 200 ms).
const SETTLE: Duration = Duration::from_millis(250);

/// Where the wall clock is read.
type WallClock = fn() -> Timestamp;

/// Reads until told to stop. An interval under one second counts as one. Dropping `out` on return is the rest of the stop.
pub async fn run(sources: Vec<Source>, place: Place, out: mpsc::Sender<Reading>, stop: CancellationToken) {
    Scheduler::new(sources, place, Timestamp::now).run(&out, &stop).await;
}

struct Scheduler {
    slots: Vec<Slot>,
    reads: JoinSet<Back>,
    place: Place,
    wall: WallClock,
    /// Readings for which the pipeline has no place yet; at most one of each collector, for nothing is read while there are any.
    waiting: VecDeque<Reading>,
    /// Turns skipped in a row because the pipeline was full.
    full: u64,
}

/// One collector's place.
struct Slot {
    source: Source,
    /// When it has its next turn.
    due: Instant,
    state: State,
    /// Failures in a row.
    failed: u64,
    /// Turns in a row that were skipped because the reading before hangs.
    hung: u64,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    /// Its baseline is being read.
    Baseline,
    /// The same, and a turn has passed meanwhile.
    LateBaseline,
    /// Its points are sent.
    Running,
}

/// A reading that came back.
struct Back {
    slot: usize,
    reader: Reader,
    points: Points,
    result: Result<(), CollectError>,
}

impl Scheduler {
    fn new(sources: Vec<Source>, place: Place, wall: WallClock) -> Self {
        let due = Instant::now() + WARM_UP;
        let slot = |source: Source| {
            let source = Source { interval: source.interval.max(Duration::from_secs(1)), ..source };
            Slot { source, due, state: State::Baseline, failed: 0, hung: 0 }
        };
        Self {
            slots: sources.into_iter().map(slot).collect(),
            reads: JoinSet::new(),
            place,
            wall,
            waiting: VecDeque::new(),
            full: 0,
        }
    }

    async fn run(mut self, out: &mpsc::Sender<Reading>, stop: &CancellationToken) {
        for slot in 0..self.slots.len() {
            self.read(slot);
        }
        loop {
            let due = self.slots.iter().map(|slot| slot.due).min();
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                () = out.closed() => break,
                Some(back) = self.reads.join_next(), if !self.reads.is_empty() => match back {
                    Ok(back) => self.take(back),
                    // Its slot stays empty, so that each further turn is counted.
                    Err(e) => tracing::error!(error = %e, "a collector broke and is out of service until a restart"),
                },
                place = out.reserve(), if !self.waiting.is_empty() => match place {
                    Ok(place) => self.hand_on(place),
                    Err(_) => break,
                },
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => self.turns(),
            }
        }
        for reading in self.waiting {
            // Whoever takes them works until this end of the channel is gone.
            if out.send(reading).await.is_err() {
                break;
            }
        }
    }

    /// Whoever is due has a turn, unless nobody could take the points.
    fn turns(&mut self) {
        let now = Instant::now();
        let is_full = !self.waiting.is_empty();
        let mut skipped = false;
        for slot in 0..self.slots.len() {
            if self.slots[slot].due > now {
                continue;
            }
            let interval = self.slots[slot].source.interval;
            self.slots[slot].due = now + until_next((self.wall)(), interval, self.place.offset(interval));
            if is_full {
                counters::POLLS_SKIPPED.add(1);
                skipped = true;
            } else {
                self.read(slot);
            }
        }
        if skipped {
            self.skipped();
        }
    }

    /// Start a collector, if it is back from its last reading.
    fn read(&mut self, index: usize) {
        let now = Moment { wall: (self.wall)(), monotonic: Instant::now().into_std() };
        let slot = &mut self.slots[index];
        match slot.source.reader.take() {
            Some(mut reader) => {
                self.reads.spawn_blocking(move || {
                    // It may have waited for a thread: shares and rates are of the time that has passed in truth.
                    let now = Moment { monotonic: Instant::now().into_std(), ..now };
                    let (points, result) = reader.read(now);
                    Back { slot: index, reader, points, result }
                });
            }
            // A baseline may take its time.
            None if slot.state == State::Baseline => slot.state = State::LateBaseline,
            None => slot.skipped(),
        }
    }

    /// A reading is back.
    fn take(&mut self, back: Back) {
        let slot = &mut self.slots[back.slot];
        slot.back(back.reader, back.result);
        match std::mem::replace(&mut slot.state, State::Running) {
            State::Running => {}
            State::Baseline => return,
            State::LateBaseline => return slot.due = Instant::now() + SETTLE,
        }
        counters::POINTS_COLLECTED.add(back.points.len() as u64);
        if back.points.is_empty() {
            return;
        }
        self.waiting.push_back(Reading { source: slot.source.number, points: back.points });
    }

    /// The pipeline has a place for what waits longest.
    fn hand_on(&mut self, place: mpsc::Permit<'_, Reading>) {
        if let Some(reading) = self.waiting.pop_front() {
            place.send(reading);
        }
        let skipped = std::mem::take(&mut self.full);
        if skipped > 0 && self.waiting.is_empty() {
            tracing::info!(skipped, "the pipeline takes metrics again");
        }
    }

    /// A turn was lost because the pipeline is full.
    fn skipped(&mut self) {
        self.full += 1;
        if self.full == 1 {
            tracing::warn!("the pipeline is full: readings are skipped until it has room");
        }
    }
}

impl Slot {
    /// The collector is still busy with an earlier turn.
    fn skipped(&mut self) {
        counters::POLLS_HUNG.add(1);
        self.hung += 1;
        if self.hung == 1 {
            let key = self.source.key;
            tracing::warn!("{key}: the reading before has not come back: skipping until it does");
        }
    }

    fn back(&mut self, reader: Reader, result: Result<(), CollectError>) {
        self.source.reader = Some(reader);
        let skipped = std::mem::take(&mut self.hung);
        if skipped > 0 {
            tracing::info!(collector = self.source.key, skipped, "the reading that hung has come back");
        }
        match result {
            Ok(()) => {
                let failures = std::mem::take(&mut self.failed);
                if failures > 0 {
                    tracing::info!(collector = self.source.key, failures, "reads again");
                }
            }
            Err(e) => {
                counters::POLLS_FAILED.add(1);
                self.failed += 1;
                if self.failed == 1 {
                    let error: &dyn std::error::Error = &e;
                    let key = self.source.key;
                    tracing::warn!(error, "{key}: a reading failed: what could be read is sent");
                }
            }
        }
    }
}
