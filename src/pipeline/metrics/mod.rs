//! The metric stage: what the sources gave becomes what PutMetricData takes.
//!
//! ```text
//! Reading -> [waits for what EC2 tells] -> dimensions, rollups -> max_series -> packed by series and period -> batches
//! ```
//!
//! Sent is what is complete, once in each flush interval, at the same second of it on one host and at another on each of a fleet; earlier
//! only when more is held than one request takes, and at the stop. Whoever asks for a dimension that only EC2 knows waits until that
//! is known to be there or not; should too much come meanwhile it goes without. What is held stands on the disk too (`spool::window`), so
//! that a crash does not cost it.
mod cut;
mod dimensions;
mod pack;
mod series;

pub use dimensions::Rules;

use crate::{
    metrics::scheduler::{Place, until_next},
    model::{Facts, MetricBatch, Parcel, Point, Reading, Timestamp, limits::METRIC_BATCH_POINTS},
    spool::window::Windows,
};
use cut::cut;
use pack::Packer;
use series::Series;
use std::{collections::VecDeque, time::Duration};
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, sleep_until},
};

/// From the first reading to the first request: all that is read at the start comes within it, and life is seen at once.
const FIRST_FLUSH: Duration = Duration::from_secs(2);
/// From the tick at which sources read to the request, so that what they read is in it.
const BEHIND_THE_TICK: Duration = Duration::from_secs(1);
/// Points that wait for what EC2 tells: ten minutes of 30 series each second.
const WAITING: usize = 20_000;
/// What is read more often may be read again within the minute that CloudWatch sums up.
const MINUTE: Duration = Duration::from_mins(1);

/// Batches of points that an earlier run had not packed: as it would have sent them.
pub fn repack(namespace: &str, points: Vec<Point>) -> Vec<MetricBatch> {
    let mut packer = Packer::default();
    points.into_iter().for_each(|point| _ = packer.add(point, true));
    cut(namespace, packer.take(None))
}

/// How the stage works.
pub struct Packing {
    pub namespace: String,
    pub rules: Rules,
    /// How many sources are the host's own; those behind them are what programs send.
    pub own: usize,
    /// How often each source measures, in the order of their numbers.
    pub intervals: Vec<Duration>,
    pub flush: Duration,
    /// This host's place in its fleet.
    pub place: Place,
    pub max_series: usize,
}

/// Work until all senders are gone; then send what is left.
pub async fn run(
    packing: Packing,
    readings: mpsc::Receiver<Reading>,
    facts: watch::Receiver<Facts>,
    windows: Windows,
    batches: mpsc::Sender<Parcel>,
) {
    let stage = Stage::new(packing, windows, batches, Timestamp::now);
    stage.run(readings, facts).await;
}

/// Where the wall clock is read.
type WallClock = fn() -> Timestamp;

struct Stage {
    packing: Packing,
    batches: mpsc::Sender<Parcel>,
    windows: Windows,
    wall: WallClock,
    facts: Facts,
    /// Readings that wait for facts, and how many points they have.
    waiting: VecDeque<Reading>,
    points: usize,
    series: Series,
    packer: Packer,
    /// When the next request leaves. `None`: nothing has come yet.
    due: Option<Instant>,
}

impl Stage {
    fn new(packing: Packing, windows: Windows, batches: mpsc::Sender<Parcel>, wall: WallClock) -> Self {
        let series = Series::new(packing.max_series);
        Self {
            packing,
            batches,
            windows,
            wall,
            facts: Facts::default(),
            waiting: VecDeque::new(),
            points: 0,
            series,
            packer: Packer::default(),
            due: None,
        }
    }

    async fn run(mut self, mut readings: mpsc::Receiver<Reading>, mut facts: watch::Receiver<Facts>) {
        self.facts = facts.borrow_and_update().clone();
        let mut facts_may_change = true;
        loop {
            let sent = tokio::select! {
                biased;
                changed = facts.changed(), if facts_may_change => {
                    facts_may_change = changed.is_ok();
                    self.facts = facts.borrow_and_update().clone();
                    self.admit_waiting(false);
                    true
                }
                () = sleep_until(self.due.unwrap_or_else(Instant::now)), if self.due.is_some() => self.flush().await,
                reading = readings.recv() => match reading {
                    Some(reading) => self.take(reading).await,
                    None => break,
                },
            };
            if !sent {
                return; // The publisher is gone, and with it the daemon.
            }
        }
        self.admit_waiting(true);
        self.send(None).await;
    }

    /// A reading. Whether the publisher is there.
    async fn take(&mut self, reading: Reading) -> bool {
        self.due.get_or_insert_with(|| Instant::now() + FIRST_FLUSH.min(self.packing.flush));
        if self.packing.rules.waits(reading.source, &self.facts) {
            self.points += reading.points.len();
            self.waiting.push_back(reading);
            while self.points > WAITING {
                tracing::debug!("too much waits for the names that EC2 tells: the oldest metrics go without");
                self.admit_oldest();
            }
        } else {
            self.admit(reading);
        }
        if self.packer.is_crowded() {
            // The service adds up what comes of one period in several requests.
            self.send(None).await
        } else if self.packer.len() >= METRIC_BATCH_POINTS {
            self.send(Some((self.wall)())).await
        } else {
            true
        }
    }

    /// Let those go for which everything is known; with `all`, everybody.
    fn admit_waiting(&mut self, all: bool) {
        let waiting = std::mem::take(&mut self.waiting);
        self.points = 0;
        for reading in waiting {
            if !all && self.packing.rules.waits(reading.source, &self.facts) {
                self.points += reading.points.len();
                self.waiting.push_back(reading);
            } else {
                self.admit(reading);
            }
        }
    }

    fn admit_oldest(&mut self) {
        if let Some(reading) = self.waiting.pop_front() {
            self.points -= reading.points.len();
            self.admit(reading);
        }
    }

    /// Everything that comes of a reading goes to its series.
    fn admit(&mut self, reading: Reading) {
        let now = (self.wall)();
        let Self { packing, facts, series, packer, windows, .. } = self;
        let received = reading.source >= packing.own;
        let mut noted = Vec::with_capacity(reading.points.len());
        let more = packing.intervals.get(reading.source).is_some_and(|interval| *interval < MINUTE);
        let mut take = |point: Point| {
            if series.admits(&point, received, now) {
                let complete = packer.add(point.clone(), more);
                noted.push((point, complete));
            }
        };
        for point in reading.points {
            packing.rules.finish(reading.source, point, facts, &mut take);
        }
        windows.note(noted);
    }

    /// Send what is complete.
    async fn flush(&mut self) -> bool {
        let now = (self.wall)();
        let Packing { flush, place, .. } = self.packing;
        let offset = place.offset(flush) + BEHIND_THE_TICK.min(flush / 2);
        self.due = Some(Instant::now() + until_next(now, flush, offset));
        self.send(Some(now)).await
    }

    /// Send what is complete at this time; with `None` everything. Whether the publisher is there.
    async fn send(&mut self, complete: Option<Timestamp>) -> bool {
        let ready = self.packer.take(complete);
        if ready.is_empty() {
            return true;
        }
        let batches = cut(&self.packing.namespace, ready);
        let taken = complete.unwrap_or(Timestamp::from_millis(i64::MAX));
        let receipts = self.windows.turn(taken, self.packer.held(), batches.len());
        for (batch, receipt) in batches.into_iter().zip(receipts) {
            if self.batches.send(Parcel { batch, receipt: Some(receipt) }).await.is_err() {
                return false;
            }
        }
        true
    }
}

#[cfg(test)]
mod tests;
