//! The task that moves events on: to their lanes when these have room, to the disk when that is safer, away when they are delivered.
mod disk;
#[cfg(test)]
pub(super) use disk::STUMBLES;

use super::{
    Depot, MEMORY, MUCH, State, TICK,
    queue::{Place, Queue},
    store::{Extent, ReadError, Store, Text},
};
use crate::{
    model::{Anchor, Chunk, Event, LaneWaker, Outlet, Position, SourceId, Target},
    telemetry::counters,
};
use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

/// How long a target without events keeps its lane.
const IDLE: Duration = Duration::from_mins(5);
/// How often to look for such while nothing else is to do.
const LOOK: Duration = Duration::from_secs(30);
/// What an event may take beyond the time for which its batch is filled, before this counts as an outage in the making.
const SLOW: Duration = Duration::from_secs(3);
/// The name of each queue on the board.
const NAME: &str = "received events";

/// Which events are to be on the disk.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Which {
    /// Those that wait for too long or while sending fails, and those of a source that wants it.
    Due,
    /// Everything in memory.
    All,
}

/// Moves events between the depot, the lanes and the disk.
pub struct Keeper {
    depot: Arc<Depot>,
    store: Arc<Mutex<Store>>,
    doors: mpsc::Receiver<Infallible>,
    patience: Duration,
    waker: Arc<LaneWaker>,
    /// What earlier runs left is known. Until then nothing is written.
    listed: bool,
    /// The disk did not take everything at the last attempt.
    failing: bool,
    /// It was said that events are given up.
    dropping: bool,
    /// Tests pause the clock: then the disk must not take any time either.
    inline: bool,
}

impl Keeper {
    pub(super) fn new(depot: Arc<Depot>, store: Store, doors: mpsc::Receiver<Infallible>) -> Self {
        let changed = depot.changed.clone();
        let waker = LaneWaker::new(move || changed.notify_one());
        let store = Arc::new(Mutex::new(store));
        let (listed, failing, dropping) = (false, false, false);
        Self { depot, store, doors, patience: SLOW, waker, listed, failing, dropping, inline: cfg!(test) }
    }

    /// Work until the last door is closed and everything is delivered or on the disk. `interval` is how long a batch may be
    /// filled; at `spool_now` whatever is not delivered goes to the disk, at `end_lanes` nobody acknowledges any more.
    pub async fn run(
        mut self,
        outlet: Arc<dyn Outlet>,
        interval: Duration,
        spool_now: CancellationToken,
        end_lanes: CancellationToken,
    ) {
        self.patience = interval + SLOW;
        self.take_inventory().await;
        let changed = self.depot.changed.clone();
        let mut last = Instant::now();
        loop {
            while self.pump(&*outlet, true).await {}
            let due = last + if self.is_busy() { TICK } else { LOOK };
            tokio::select! {
                closed = self.doors.recv() => match closed {
                    Some(never) => match never {},
                    None => break,
                },
                () = changed.notified() => {}
                () = sleep_until(due) => {}
            }
            let much = self.depot.state().memory > MUCH;
            if Instant::now() >= due || much {
                last = Instant::now();
                self.secure(Which::Due).await;
                self.clean().await;
                self.forget_idle();
            }
            if !self.is_busy() {
                self.clean().await;
            }
        }
        self.stop(outlet, &spool_now, &end_lanes).await;
    }

    fn is_busy(&self) -> bool {
        let state = self.depot.state();
        !state.freed.is_empty() || state.queues.values().any(|queue| !queue.is_empty())
    }

    /// Offer one block of each target to its lane. Whether any was taken. What is safe on the disk stays there when `from_disk`
    /// is not set, and so does what is behind it.
    async fn pump(&mut self, outlet: &dyn Outlet, from_disk: bool) -> bool {
        let ready = |queue: &&Queue| {
            queue.next().is_some_and(|block| match &block.place {
                Place::Memory(_) => !queue.durable || self.failing || !from_disk,
                Place::Disk(_) => from_disk,
                Place::Gone => false,
            })
        };
        let targets: Vec<_> = self.depot.state().queues.values().filter(ready).map(|q| q.target.clone()).collect();
        if targets.is_empty() {
            return false;
        }
        // Said before the lanes are tried: one that gets room after that wakes us.
        self.waker.wait();
        let mut progress = false;
        for target in targets {
            progress |= self.offer(outlet, &target).await;
        }
        progress
    }

    /// Hand the next block of a target to its lane, if that has room.
    async fn offer(&mut self, outlet: &dyn Outlet, target: &Arc<Target>) -> bool {
        let lane = self.depot.state().queues.get(target).and_then(|queue| queue.lane.clone());
        let lane = lane.unwrap_or_else(|| outlet.lane(target, &self.waker));
        let place = match lane.clone().try_reserve_owned() {
            Ok(place) => place,
            Err(mpsc::error::TrySendError::Full(lane)) => {
                self.keep_lane(target, Some(lane));
                return false;
            }
            Err(mpsc::error::TrySendError::Closed(_)) => {
                // At the stop. Should it happen before, another lane is opened at the next tick.
                self.keep_lane(target, None);
                return false;
            }
        };
        self.keep_lane(target, Some(lane));
        let Some((source, from, to, from_memory)) = self.next(target) else { return false };
        let chunk = match from_memory {
            Ok(text) => chunk(source, from, to, text),
            Err(extent) => match self.on_disk(move |store| store.read(extent)).await {
                Ok((text, whole)) if whole => chunk(source, from, to, text),
                Ok((text, _)) => {
                    self.lost(target, extent, (to - from).saturating_sub(text.events.len() as u64));
                    chunk(source, from, to, text)
                }
                Err(ReadError::Gone) => {
                    let now = Instant::now();
                    let lost = self.depot.state().queues.get_mut(target).map(|queue| queue.lose(extent.segment, now));
                    self.lost(target, extent, lost.unwrap_or_default().events);
                    return true;
                }
                Err(ReadError::Io(error)) => {
                    tracing::warn!(%error, "spooled log text cannot be read now; it is tried again");
                    return false;
                }
            },
        };
        if let Some(queue) = self.depot.state().queues.get_mut(target) {
            queue.sent(from);
        }
        place.send(Box::new(chunk));
        true
    }

    /// The next block of a target: its text, or where that is.
    fn next(&self, target: &Arc<Target>) -> Option<(SourceId, u64, u64, Result<Text, Extent>)> {
        let mut state = self.depot.state();
        let queue = state.queues.get_mut(target)?;
        let block = queue.next()?;
        let place = match &block.place {
            Place::Memory(text) => Ok(Text::clone(text)),
            Place::Disk(extent) => Err(*extent),
            Place::Gone => return None,
        };
        let next = (queue.source, block.from, block.to, place);
        if next.3.is_ok() {
            // At once: what comes now must not join a block that is on its way.
            queue.sent(next.1);
        }
        Some(next)
    }

    fn keep_lane(&self, target: &Arc<Target>, lane: Option<mpsc::Sender<Box<Chunk>>>) {
        if let Some(queue) = self.depot.state().queues.get_mut(target) {
            queue.lane = lane;
        }
    }

    /// Targets for which nothing came for a while lose their lane.
    fn forget_idle(&self) {
        let mut state = self.depot.state();
        let State { queues, targets, invented, .. } = &mut *state;
        queues.retain(|_, queue| {
            let keep = !queue.is_empty() || queue.used.elapsed() < IDLE;
            if !keep {
                *invented -= usize::from(!queue.configured);
                targets.remove(&queue.source);
                self.depot.board.forget(queue.source);
            }
            keep
        });
    }

    /// What changed, onto the board.
    fn show(&self) {
        for queue in self.depot.state().queues.values_mut() {
            if !std::mem::take(&mut queue.news) {
                continue;
            }
            let (acknowledged, read) = queue.progress();
            self.depot.board.source(queue.source, |line| {
                if line.name.is_empty() {
                    NAME.clone_into(&mut line.name);
                    line.group.clone_from(&queue.target.group);
                    line.stream.clone_from(&queue.target.stream);
                }
                (line.read, line.acknowledged, line.size) = (read, acknowledged, Some(read));
            });
        }
    }

    /// The doors are closed. What can be delivered in time is; the rest goes to the disk.
    async fn stop(&mut self, outlet: Arc<dyn Outlet>, spool_now: &CancellationToken, end_lanes: &CancellationToken) {
        let changed = self.depot.changed.clone();
        let mut outlet = Some(outlet);
        while self.is_busy() && !spool_now.is_cancelled() {
            if let Some(open) = &outlet {
                while self.pump(&**open, false).await {}
                if self.end_idle_lanes() {
                    outlet = None;
                }
            }
            tokio::select! {
                () = spool_now.cancelled() => {}
                () = changed.notified() => {}
                () = sleep_until(Instant::now() + TICK) => {}
            }
            self.clean().await;
        }
        self.secure(Which::All).await;
        self.depot.state().queues.values_mut().for_each(|queue| queue.lane = None);
        drop(outlet);
        while self.is_busy() && !end_lanes.is_cancelled() {
            tokio::select! {
                () = end_lanes.cancelled() => {}
                () = changed.notified() => {}
            }
            self.clean().await;
        }
        self.clean().await;
        self.count_lost();
    }

    /// At the stop: a lane that got all that it will get is let go. Whether all are.
    fn end_idle_lanes(&self) -> bool {
        let mut all = true;
        for queue in self.depot.state().queues.values_mut() {
            if queue.next().is_some_and(|block| matches!(block.place, Place::Memory(_))) {
                all = false;
            } else {
                queue.lane = None;
            }
        }
        all
    }

    /// What even the disk did not take before the stop is gone with this process, and so is what it had to give up meanwhile.
    fn count_lost(&self) {
        let events: u64 = self.depot.state().queues.values().map(Queue::unkept).sum();
        if events > 0 {
            counters::LOG_SPOOL_DROPPED.add(events);
            tracing::error!(
                events,
                "neither CloudWatch nor the spool took these log events before the stop: they are lost"
            );
        }
    }
}

/// The events `from..to` of a source as its lane takes them. Where the text has fewer, the last one covers what is missing.
fn chunk(source: SourceId, from: u64, to: u64, text: Text) -> Chunk {
    let mut start = 0;
    let mut events: Vec<Event> = (from + 1..)
        .zip(&text.events)
        .map(|(next, &(end, told))| Event {
            start: std::mem::replace(&mut start, end),
            end,
            at: told.at,
            timed_by: told.timed_by,
            next,
        })
        .collect();
    if let Some(last) = events.last_mut() {
        last.next = to;
    }
    let (anchor, end) = (Anchor::Unsaved, Position::Unsaved);
    Chunk { source, text: text.bytes, events, from, to, anchor, end }
}

// A source that reads a piece after it was told that there is room may exceed the bound by that piece.
const _: () = assert!(MUCH < MEMORY);
