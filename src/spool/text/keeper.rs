//! The task that moves events on: to their lanes when these have room, to the disk when that is safer, away when they are delivered.
use super::{
    Depot, MEMORY, MUCH, State, TICK,
    queue::{Place, Queue},
    store::{Extent, Inventory, ReadError, Store, Text},
};
use crate::{
    model::{Anchor, Chunk, Event, LaneWaker, Outlet, Position, SourceId, Target, TimedBy, Timestamp},
    telemetry::counters,
};
use std::{
    convert::Infallible,
    io,
    sync::{Arc, Mutex, PoisonError},
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
/// Who tells on the board how sending log events goes.
const DESTINATION: &str = "logs";
/// The name of each queue on the board.
const NAME: &str = "received events";

/// Which events are to be on the disk.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Which {
    /// Those that wait for too long or while sending fails, and those of a source that wants it.
    Due,
    /// Everything in memory.
    All,
}

/// Events to be written: for each target where the blocks begin, and their texts.
type Writing = Vec<(Arc<Target>, Vec<u64>, Vec<Arc<Text>>)>;

/// Moves events between the depot, the lanes and the disk.
pub struct Keeper {
    depot: Arc<Depot>,
    store: Arc<Mutex<Store>>,
    doors: mpsc::Receiver<Infallible>,
    patience: Duration,
    waker: Arc<LaneWaker>,
    /// The disk took nothing at the last attempt.
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
        Self { depot, store, doors, patience: SLOW, waker, failing: false, dropping: false, inline: cfg!(test) }
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

    /// What earlier runs left comes before everything that is new.
    async fn take_inventory(&mut self) {
        let found = self.on_disk(|store| store.take_inventory(Timestamp::now())).await;
        let Inventory { found, corrupt, dropped } = found.unwrap_or_else(|error| {
            tracing::error!(%error, "what earlier runs left in the spool of log text cannot be read; it stays there");
            Inventory::default()
        });
        counters::LOG_SPOOL_CORRUPT.add(corrupt);
        counters::LOG_SPOOL_DROPPED.add(dropped);
        let mut state = self.depot.state();
        let now = Instant::now();
        let (targets, mut events) = (found.len(), 0);
        for found in found {
            let queue = state.queue(&Arc::new(found.target), now);
            for (extent, count) in found.extents {
                queue.restore(extent, count, now);
                events += count;
            }
        }
        state.ready = true;
        self.depot.tell(&state);
        drop(state);
        if events + corrupt + dropped > 0 {
            tracing::info!(
                events,
                targets,
                corrupt,
                dropped,
                "log text of an earlier run is in the spool and will be sent"
            );
        }
        self.show();
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
                    self.lost(target, extent, lost.unwrap_or_default());
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
        place.send(chunk);
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

    fn keep_lane(&self, target: &Arc<Target>, lane: Option<mpsc::Sender<Chunk>>) {
        if let Some(queue) = self.depot.state().queues.get_mut(target) {
            queue.lane = lane;
        }
    }

    fn lost(&self, target: &Target, extent: Extent, events: u64) {
        counters::LOG_SPOOL_CORRUPT.add(1);
        counters::LOG_SPOOL_DROPPED.add(events);
        let (group, stream) = (&target.group, &target.stream);
        tracing::warn!(
            group,
            stream,
            segment = extent.segment,
            events,
            "a part of the spool of log text is gone or corrupt"
        );
    }

    /// Write what is to be on the disk.
    async fn secure(&mut self, which: Which) {
        let writing = self.to_write(which);
        if writing.is_empty() {
            return;
        }
        let texts: Vec<_> = writing.iter().map(|(target, _, texts)| (target.clone(), texts.clone())).collect();
        let size = texts.iter().flat_map(|(_, texts)| texts).map(|text| super::queue::cost(text) as u64).sum();
        let (gone, written) = self
            .on_disk(move |store| {
                let (gone, room) = store.trim(size, Timestamp::now());
                let written = room.and_then(|()| {
                    texts.iter().map(|(target, texts)| store.append(target, texts)).collect::<io::Result<Vec<_>>>()
                });
                (gone, written)
            })
            .await;
        self.give_up(&gone);
        match written {
            Ok(extents) => {
                self.moved(writing, extents);
                if std::mem::take(&mut self.failing) {
                    tracing::info!("log text is spooled again");
                }
            }
            Err(error) => {
                if !std::mem::replace(&mut self.failing, true) {
                    let folder = self.store().folder().display().to_string();
                    tracing::warn!(folder, %error, "log text cannot be spooled: it waits in memory, and so does who sends more than that takes");
                }
            }
        }
    }

    fn to_write(&self, which: Which) -> Writing {
        let state = self.depot.state();
        let much = state.memory > MUCH;
        // Of whatever log stream: what is true for one may be true for this one at its next call.
        let failing = self.depot.board.is_failing(DESTINATION);
        let late = |queue: &Queue| queue.waits_since().is_some_and(|since| since.elapsed() > self.patience);
        let select = |only_unsent: bool| {
            let queues = state.queues.values().filter_map(|queue| {
                let all = which == Which::All || queue.durable || failing || late(queue) || (much && !only_unsent);
                let wanted = queue.in_memory().filter(|(_, _, sent)| all || (much && !sent));
                let (starts, texts): (Vec<_>, Vec<_>) = wanted.map(|(from, text, _)| (from, text.clone())).unzip();
                (!texts.is_empty()).then(|| (queue.target.clone(), starts, texts))
            });
            queues.collect::<Writing>()
        };
        let first = select(true);
        let size: usize = first.iter().flat_map(|(_, _, texts)| texts).map(|text| super::queue::cost(text)).sum();
        if much && state.memory - size > MUCH { select(false) } else { first }
    }

    fn moved(&self, writing: Writing, extents: Vec<Vec<Extent>>) {
        let mut state = self.depot.state();
        let mut spooled = 0;
        for ((target, starts, texts), extents) in writing.into_iter().zip(extents) {
            for ((from, text), extent) in starts.into_iter().zip(texts).zip(extents) {
                let State { queues, memory, freed, .. } = &mut *state;
                match queues.get_mut(&target).and_then(|queue| queue.moved(from, extent)) {
                    Some(free) => {
                        *memory -= free;
                        spooled += text.events.len() as u64;
                    }
                    None => freed.push(extent),
                }
            }
        }
        counters::LOG_EVENTS_SPOOLED.add(spooled);
        self.depot.tell(&state);
    }

    /// Segments went at a bound of the spool.
    fn give_up(&mut self, segments: &[u64]) {
        let mut state = self.depot.state();
        let now = Instant::now();
        let lost = segments
            .iter()
            .map(|segment| state.queues.values_mut().map(|queue| queue.lose(*segment, now)).sum::<u64>());
        let events = lost.sum::<u64>();
        counters::LOG_SPOOL_DROPPED.add(events);
        if events > 0 && !std::mem::replace(&mut self.dropping, true) {
            tracing::warn!(
                events,
                "the spool of log text is full (agent.spool): events are given up, the oldest first; status counts them"
            );
        }
    }

    /// Delete what is delivered.
    async fn clean(&mut self) {
        let freed = std::mem::take(&mut self.depot.state().freed);
        if !freed.is_empty() {
            let left = self
                .on_disk(move |store| {
                    freed.into_iter().for_each(|extent| store.release(extent));
                    store.bytes()
                })
                .await;
            self.dropping &= left > 0;
        }
        self.show();
    }

    /// Targets for which nothing came for a while lose their lane.
    fn forget_idle(&self) {
        let mut state = self.depot.state();
        let State { queues, targets, .. } = &mut *state;
        queues.retain(|_, queue| {
            let keep = !queue.is_empty() || queue.used.elapsed() < IDLE;
            if !keep {
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

    /// What even the disk did not take before the stop is gone with this process.
    fn count_lost(&self) {
        let state = self.depot.state();
        let events: usize =
            state.queues.values().flat_map(Queue::in_memory).map(|(_, text, _)| text.events.len()).sum();
        if events > 0 {
            counters::LOG_SPOOL_DROPPED.add(events as u64);
            tracing::error!(
                events,
                "neither CloudWatch nor the spool took these log events before the stop: they are lost"
            );
        }
    }

    async fn on_disk<T: Send + 'static>(&self, act: impl FnOnce(&mut Store) -> T + Send + 'static) -> T {
        if self.inline {
            return act(&mut self.store());
        }
        let store = self.store.clone();
        let done = tokio::task::spawn_blocking(move || act(&mut store.lock().unwrap_or_else(PoisonError::into_inner)));
        done.await.expect("it does not panic, and the runtime outlives its tasks")
    }

    fn store(&self) -> std::sync::MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The events `from..to` of a source as its lane takes them. Where the text has fewer, the last one covers what is missing.
fn chunk(source: SourceId, from: u64, to: u64, text: Text) -> Chunk {
    let mut start = 0;
    let mut events: Vec<Event> = (from + 1..)
        .zip(&text.events)
        .map(|(next, &(end, at))| Event { start: std::mem::replace(&mut start, end), end, at, next })
        .collect();
    if let Some(last) = events.last_mut() {
        last.next = to;
    }
    let (timed_by, anchor, end) = (TimedBy::Reader, Anchor::Unsaved, Position::Unsaved);
    Chunk { source, text: text.bytes, events, timed_by, from, to, anchor, end }
}

// A source that reads a piece after it was told that there is room may exceed the bound by that piece.
const _: () = assert!(MUCH < MEMORY);
