//! statsd: programs of this host, or of others, send lines over UDP or a UNIX socket; what they come to is published at intervals.
//!
//! ```text
//! listener ─ datagrams ─> protocol ─ samples ─> aggregate ─ each interval ─> points ─> the stage
//! ```
//!
//! | file | does |
//! |---|---|
//! | `listener` | sockets: opened until they are, read in batches, and what the system dropped |
//! | `protocol` | lines to samples, where they lie |
//! | `aggregate`, `held` | samples to what each series holds of an interval |
//! | `identity` | what CloudWatch calls a series |
//! | `points` | what was held, in pieces that a datum takes |
//! | `complaints` | what does not count: counters, and seldom a word |
//! | `rules` | what the configuration says about all that |
//!
//! The dimension `host`, what all metrics carry, rollups and the packing of several intervals into one datum are the stage's.
//!
//! [`run`] belongs on a thread of its own with a runtime of its own: the system's buffer is full within two milliseconds of 300,000
//! datagrams a second where nobody has raised it, and everything in here is done in steps that are shorter than that.
//! When the stage is full, what came goes on to be added to the interval that is open, and nothing is lost but the moment at which
//! it would have been published.
mod aggregate;
mod complaints;
#[cfg(test)]
mod exercise;
mod held;
mod identity;
mod listener;
mod points;
mod protocol;
mod rules;
#[cfg(test)]
mod tests;

use super::scheduler::{Place, until_next};
use crate::{
    config::settings::Statsd,
    model::{Reading, Resolution, Timestamp},
    telemetry::board::Board,
};
use aggregate::{Aggregate, Interval};
use complaints::Complaints;
use futures_util::{StreamExt, future::BoxFuture, stream::FuturesUnordered};
use rules::Rules;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::{sync::mpsc, task::yield_now, time::sleep};
use tokio_util::sync::CancellationToken;

/// Series, or pieces of what is thrown away, between two looks at the sockets: some tens of microseconds.
const AT_ONCE: usize = 64;
/// Points that are handed on together.
const HANDED_ON: usize = 500;

/// Listen until told to stop; what has arrived by then is published. `source` is the number of this source in each [`Reading`],
/// `place` that of this host in its fleet.
pub async fn run(
    settings: Statsd,
    source: usize,
    place: Place,
    out: mpsc::Sender<Reading>,
    board: Arc<Board>,
    stop: CancellationToken,
) {
    let rules = Rules::new(&settings);
    let resolution = rules.resolution;
    let desk = Arc::new(Desk::new(rules));
    let mut listeners = FuturesUnordered::<BoxFuture<'_, ()>>::new();
    for address in &settings.addresses {
        let (desk, board, stop) = (desk.clone(), board.clone(), stop.clone());
        listeners.push(Box::pin(listener::listen_all(address, settings.pending, desk, board, stop)));
    }
    let published = async {
        let offset = place.offset(settings.interval);
        let next = || sleep(until_next(Timestamp::now(), settings.interval, offset));
        while stop.run_until_cancelled(next()).await.is_some() {
            // Where the stage is full, the interval stays open for longer.
            match stop.run_until_cancelled(out.reserve()).await {
                Some(Ok(room)) => drop(room),
                Some(Err(_)) | None => return,
            }
            publish(&desk, source, resolution, &out).await;
        }
    };
    let heard = async { while listeners.next().await.is_some() {} };
    tokio::join!(published, heard);
    publish(&desk, source, resolution, &out).await;
}

/// Hands on what came since the last time. Says nothing where nothing came.
async fn publish(desk: &Desk, source: usize, resolution: Resolution, out: &mpsc::Sender<Reading>) {
    let mut interval = desk.take();
    let at = Timestamp::now();
    let mut points = vec![];
    let leftovers = interval.leftovers();
    for (number, series) in interval.series.into_iter().enumerate() {
        if number % AT_ONCE == AT_ONCE - 1 {
            yield_now().await;
        }
        points::append(series, at, resolution, &mut points);
        if points.len() >= HANDED_ON {
            let reading = Reading { source, points: std::mem::take(&mut points) };
            if out.send(reading).await.is_err() {
                return; // The stage is gone, and with it the daemon.
            }
        }
    }
    if !points.is_empty() {
        let _ = out.send(Reading { source, points }).await;
    }
    for (number, piece) in leftovers.enumerate() {
        drop(piece);
        if number % AT_ONCE == AT_ONCE - 1 {
            yield_now().await;
        }
    }
}

/// Where every listener brings its datagrams.
struct Desk(Mutex<State>);

struct State {
    aggregate: Aggregate,
    complaints: Complaints,
}

impl Desk {
    fn new(rules: Rules) -> Self {
        Self(Mutex::new(State { aggregate: Aggregate::new(Arc::new(rules)), complaints: Complaints::default() }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere leaves whole samples behind.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self) -> Interval {
        self.state().aggregate.take()
    }
}
