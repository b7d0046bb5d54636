//! The metric stage: what the sources gave becomes what PutMetricData takes.
//!
//! ```text
//! Reading -> [waits for what EC2 tells] -> dimensions, rollups -> max_series -> packed by series and period -> batches
//! ```
//!
//! Sent is what is complete, once in each flush interval, at the same second of it on one host and at another on each of a fleet; earlier
//! only when more is held than one request takes, and at the stop. Whoever asks for a dimension that only EC2 knows waits until that
//! is known to be there or not; should too much come meanwhile it goes without.
mod cut;
mod dimensions;
mod pack;
mod series;

pub use dimensions::Rules;

use crate::{
    metrics::scheduler::{Place, until_next},
    model::{Facts, MetricBatch, Point, Reading, Timestamp, limits::METRIC_BATCH_POINTS},
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

/// How the stage works.
pub struct Packing {
    pub namespace: String,
    pub rules: Rules,
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
    batches: mpsc::Sender<MetricBatch>,
) {
    let stage = Stage::new(packing, batches, Timestamp::now);
    stage.run(readings, facts).await;
}

/// Where the wall clock is read.
type WallClock = fn() -> Timestamp;

struct Stage {
    packing: Packing,
    batches: mpsc::Sender<MetricBatch>,
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
    fn new(packing: Packing, batches: mpsc::Sender<MetricBatch>, wall: WallClock) -> Self {
        let series = Series::new(packing.max_series);
        Self {
            packing,
            batches,
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
        let rest = self.packer.take(None);
        self.send(rest).await;
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
        let ready = if self.packer.is_crowded() {
            // The service adds up what comes of one period in several requests.
            self.packer.take(None)
        } else if self.packer.len() >= METRIC_BATCH_POINTS {
            self.packer.take(Some((self.wall)()))
        } else {
            return true;
        };
        self.send(ready).await
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
        let Self { packing, facts, series, packer, .. } = self;
        let more = packing.intervals.get(reading.source).is_some_and(|interval| *interval < MINUTE);
        let mut take = |point: Point| {
            if series.admits(&point) {
                packer.add(point, more);
            }
        };
        for point in reading.points {
            packing.rules.finish(reading.source, point, facts, &mut take);
        }
    }

    /// Send what is complete.
    async fn flush(&mut self) -> bool {
        let now = (self.wall)();
        let Packing { flush, place, .. } = self.packing;
        let offset = place.offset(flush) + BEHIND_THE_TICK.min(flush / 2);
        self.due = Some(Instant::now() + until_next(now, flush, offset));
        let ready = self.packer.take(Some(now));
        self.send(ready).await
    }

    async fn send(&mut self, points: Vec<Point>) -> bool {
        for batch in cut(&self.packing.namespace, points) {
            if self.batches.send(batch).await.is_err() {
                return false;
            }
        }
        true
    }
}

#[cfg(test)]
mod tests;
