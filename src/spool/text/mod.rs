//! What came over sockets and out of FIFOs, until it is delivered: in memory while sending works, on the disk when it does not.
//!
//! Owned here: the events of each target ([`queue`]), the segments on the disk ([`segment`], [`store`]), and the [`Keeper`] that
//! moves events to the lanes and to the disk. Left to others: where events come from (`logs`), sending (`pipeline`, `publish`),
//! who spawns (`daemon`).
//!
//! Sources bring events through a [`Door`]; the keeper hands them to their lanes at once when these have room, and keeps a copy
//! until they are acknowledged. So nothing touches the disk while sending works. Copies go to the disk
//!
//! - while sending log events fails (the daemon's [`Health`] of it says so), at each tick ([`TICK`]);
//! - when a target's oldest event waits for longer than a batch takes to fill and arrive: an outage in the making. From then on
//!   what comes for it is written at each tick, until everything older is delivered;
//! - when more than a few MiB wait in memory, those first that no lane took;
//! - at the stop, what is not delivered by then;
//! - at each tick, before they are sent, where the source asks for it ([`Door::durable`]).
//!
//! A target's events are sent in the order in which they came, whatever is on the disk. A crash costs what was only in memory,
//! and what is on the disk but was on its way is sent twice. Where the spool is full the oldest segments go, counted
//! (`LOG_SPOOL_DROPPED`), but none for what finds no room even so. Where the disk takes nothing, or cannot tell what earlier runs left
//! on it, and memory is full, [`Intake::room`] keeps the sources waiting.
//! Targets that the configuration names always have a place; those that only events name share [`TARGETS`] places.
//!
//! To keep another kind of event, bring it through a door: only its text, time (with who says it) and target are known here.
mod keeper;
mod queue;
mod segment;
mod store;
#[cfg(test)]
mod tests;

pub use keeper::Keeper;

use super::SpoolError;
use crate::{
    config::settings,
    model::{Cover, Intake, SourceId, Target, TimedBy, Timestamp, TooManyTargets},
    telemetry::board::{Board, Health},
};
use futures_util::future::BoxFuture;
use queue::Queue;
use segment::Told;
use std::{
    collections::HashMap,
    convert::Infallible,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use store::{Disk, Extent, Medium, Store};
use tokio::{
    sync::{Notify, mpsc},
    time::Instant,
};

/// How often what is to be on the disk is written: each time one fsync a target. Until then it is in memory only.
const TICK: Duration = Duration::from_millis(250);
/// Bytes of undelivered events in memory; beyond that sources wait.
const MEMORY: usize = 8 << 20;
/// From here on they are moved to the disk.
const MUCH: usize = 6 << 20;
/// Targets beside those of the configuration that events from outside may name at once: each has a lane. Whoever may send must not exhaust the memory by inventing names.
const TARGETS: usize = 1_000;

/// All undelivered events. All methods return at once.
pub struct Depot {
    state: Mutex<State>,
    /// For the keeper: there is something to do.
    changed: Arc<Notify>,
    /// For the sources: there may be room.
    room: Notify,
    board: Arc<Board>,
    /// Whether log events can be sent.
    sending: Health,
}

#[derive(Default)]
struct State {
    queues: HashMap<Arc<Target>, Queue>,
    targets: HashMap<SourceId, Arc<Target>>,
    /// Queues whose targets only events named, of this run or of earlier ones.
    invented: usize,
    /// Bytes in memory.
    memory: usize,
    /// Delivered, and still on the disk.
    freed: Vec<Extent>,
    /// What earlier runs left is known: from here on events may come, behind those.
    ready: bool,
}

/// The way in. The keeper ends when the last one is dropped.
#[derive(Clone)]
pub struct Door {
    depot: Arc<Depot>,
    durable: bool,
    _open: mpsc::Sender<Infallible>,
}

impl Depot {
    /// Take over the folder, which is made when it is missing. What is in it is read by the keeper. The board shows what waits;
    /// `sending` tells whether log events can be sent.
    ///
    /// # Errors
    /// The folder cannot be made.
    pub fn open(
        folder: &Path,
        bounds: settings::Spool,
        board: Arc<Board>,
        sending: Health,
    ) -> Result<(Door, Keeper), SpoolError> {
        Self::open_with(folder, bounds, board, sending, Box::new(Disk))
    }

    fn open_with(
        folder: &Path,
        bounds: settings::Spool,
        board: Arc<Board>,
        sending: Health,
        medium: Box<dyn Medium>,
    ) -> Result<(Door, Keeper), SpoolError> {
        let store = Store::new(folder, bounds, medium)
            .map_err(|source| SpoolError::Folder { folder: folder.to_owned(), source })?;
        let (room, changed) = (Notify::new(), Arc::new(Notify::new()));
        let depot = Arc::new(Self { state: Mutex::default(), changed, room, board, sending });
        let (open, closed) = mpsc::channel(1);
        let door = Door { depot: depot.clone(), durable: false, _open: open };
        Ok((door, Keeper::new(depot, store, closed)))
    }

    /// These covers are delivered; those of other sources are passed over.
    pub fn acknowledge(&self, covers: &[Cover]) {
        let (mut state, now) = (self.state(), Instant::now());
        let mut ours = false;
        for cover in covers {
            let State { queues, targets, memory, freed, .. } = &mut *state;
            let Some(queue) = targets.get(&cover.source).and_then(|target| queues.get_mut(target)) else { continue };
            let now_free = queue.acknowledge(cover.from, cover.to, now);
            *memory -= now_free.memory;
            freed.extend(now_free.extents);
            ours = true;
        }
        if ours {
            self.tell(&state);
        }
    }

    /// Something changed: the keeper looks, and so do sources that wait for room.
    fn tell(&self, state: &State) {
        self.changed.notify_one();
        if state.has_room() {
            self.room.notify_waiters();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change leaves whole queues behind, so a panic elsewhere spoils nothing.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn has_room(&self) -> bool {
        self.ready && self.memory < MEMORY
    }

    /// The queue of a target; made when it is new.
    fn queue(&mut self, target: &Arc<Target>, now: Instant) -> &mut Queue {
        let Self { queues, targets, invented, .. } = self;
        queues.entry(target.clone()).or_insert_with(|| {
            *invented += 1;
            let queue = Queue::new(target.clone(), now);
            targets.insert(queue.source, target.clone());
            queue
        })
    }
}

impl Door {
    /// One through which events are on the disk before they are sent.
    #[must_use]
    pub fn durable(&self, durable: bool) -> Self {
        Self { durable, ..self.clone() }
    }

    /// Where acknowledgements go.
    pub fn depot(&self) -> Arc<Depot> {
        self.depot.clone()
    }

    fn push(&self, mut state: MutexGuard<'_, State>, target: &Arc<Target>, text: &[u8], told: Told, configured: bool) {
        // The service takes no empty message.
        if text.is_empty() {
            return;
        }
        let now = Instant::now();
        let queue = state.queue(target, now);
        queue.durable |= self.durable;
        let known_now = configured && !std::mem::replace(&mut queue.configured, true);
        let cost = queue.push(text, told, now);
        state.invented -= usize::from(known_now);
        state.memory += cost;
        drop(state);
        self.depot.changed.notify_one();
    }
}

impl Intake for Door {
    fn room(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            loop {
                let notified = self.depot.room.notified();
                if self.depot.state().has_room() {
                    return;
                }
                notified.await;
            }
        })
    }

    fn take(&self, target: &Arc<Target>, text: &[u8], at: Timestamp, timed_by: TimedBy) -> Result<(), TooManyTargets> {
        let state = self.depot.state();
        if state.invented >= TARGETS && !state.queues.contains_key(target) {
            return Err(TooManyTargets(TARGETS));
        }
        self.push(state, target, text, Told { at, timed_by }, false);
        Ok(())
    }

    fn take_configured(&self, target: &Arc<Target>, text: &[u8], at: Timestamp, timed_by: TimedBy) {
        self.push(self.depot.state(), target, text, Told { at, timed_by }, true);
    }
}
