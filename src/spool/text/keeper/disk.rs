//! The keeper's dealings with the disk: what earlier runs left, what is written when, what is deleted.
use super::{Keeper, Which};
use crate::{
    model::{Target, Timestamp},
    spool::text::{
        MUCH, State,
        queue::{Queue, cost},
        store::{EXTENT, Extent, Inventory, Room, Store, Text},
    },
    telemetry::counters,
};
use std::{
    io,
    sync::{Arc, MutexGuard, PoisonError},
};
use tokio::time::Instant;

/// Targets that one round may fail to write, except at the stop: on a broken disk each can take seconds, and nothing is sent meanwhile.
pub(in crate::spool::text) const STUMBLES: usize = 8;

/// Events to be written: for each target where the blocks begin, and their texts.
type Writing = Vec<(Arc<Target>, Vec<u64>, Vec<Arc<Text>>)>;

impl Keeper {
    /// What earlier runs left comes before everything that is new; where the folder cannot be listed at the start, as soon as it can.
    pub(super) async fn take_inventory(&mut self) {
        let found = self.on_disk(|store| store.take_inventory(Timestamp::now())).await;
        let Inventory { found, corrupt, dropped } = match found {
            Ok(inventory) => {
                if !std::mem::replace(&mut self.listed, true) && std::mem::take(&mut self.failing) {
                    tracing::info!("the spool of log text can be listed now");
                }
                inventory
            }
            Err(error) => {
                if !std::mem::replace(&mut self.failing, true) {
                    let folder = self.store().folder().display().to_string();
                    tracing::error!(folder, %error, "the spool of log text cannot be listed: what earlier runs left stays there, \
                        what comes waits in memory and is sent from there; tried again until it can be");
                }
                Inventory::default()
            }
        };
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

    pub(super) fn lost(&self, target: &Target, extent: Extent, events: u64) {
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
    pub(super) async fn secure(&mut self, which: Which) {
        if !self.listed {
            self.take_inventory().await;
        }
        if !self.listed {
            return;
        }
        let mut writing = self.to_write(which);
        if writing.is_empty() {
            return;
        }
        // The small ones first: where some of these find no room, no larger one does.
        writing.sort_by_cached_key(|(target, _, texts)| Store::need(target, texts));
        if which == Which::All {
            // There is no next time: where not all of a target finds room, a part of it is better than nothing.
            writing = in_pieces(writing);
        }
        let texts: Vec<_> = writing.iter().map(|(target, _, texts)| (target.clone(), texts.clone())).collect();
        let most = match which {
            Which::Due => STUMBLES,
            Which::All => usize::MAX,
        };
        let (Room { gone, refused, .. }, written) = self
            .on_disk(move |store| {
                let sizes: Vec<u64> = texts.iter().map(|(target, texts)| Store::need(target, texts)).collect();
                let room = store.trim(&sizes, Timestamp::now());
                let written = append_each(store, &texts[..room.fit], most);
                (room, written)
            })
            .await;
        self.give_up(&gone);
        match self.book(writing, written).or(refused) {
            None => {
                if std::mem::take(&mut self.failing) {
                    tracing::info!("log text is spooled again");
                }
            }
            Some(error) => {
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
        let failing = self.depot.sending.is_failing();
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
        let size: usize = first.iter().flat_map(|(_, _, texts)| texts).map(|text| cost(text)).sum();
        if much && state.memory - size > MUCH { select(false) } else { first }
    }

    /// Each target's result counts by itself: what is on the disk leaves the memory, whatever became of the others, which are
    /// tried again. Returns why the first of these is not there.
    fn book(&self, writing: Writing, written: Vec<io::Result<Vec<Extent>>>) -> Option<io::Error> {
        let mut state = self.depot.state();
        let (mut spooled, mut failed, mut any) = (0, None, false);
        for ((target, starts, texts), written) in writing.into_iter().zip(written) {
            let extents = match written {
                Ok(extents) => extents,
                Err(error) => {
                    failed.get_or_insert(error);
                    continue;
                }
            };
            any = true;
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
        // Not after a mere failure: that would be tried again at once, for ever.
        if any {
            self.depot.tell(&state);
        }
        failed
    }

    /// Segments went at a bound of the spool.
    fn give_up(&mut self, segments: &[u64]) {
        let mut state = self.depot.state();
        let now = Instant::now();
        let (mut events, mut on_their_way) = (0, 0);
        for segment in segments {
            for queue in state.queues.values_mut() {
                let lost = queue.lose(*segment, now);
                (events, on_their_way) = (events + lost.events, on_their_way + lost.copies);
            }
        }
        counters::LOG_SPOOL_DROPPED.add(events);
        if events + on_their_way > 0 && !std::mem::replace(&mut self.dropping, true) {
            tracing::warn!(
                events,
                on_their_way,
                "the spool of log text is full (agent.spool), or holds what is too old: the oldest events are given up; status counts them. \
                 Of those on their way no copy is left: they are lost if they do not arrive before the stop"
            );
        }
    }

    /// Delete what is delivered.
    pub(super) async fn clean(&mut self) {
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

    pub(super) async fn on_disk<T: Send + 'static>(&self, act: impl FnOnce(&mut Store) -> T + Send + 'static) -> T {
        if self.inline {
            return act(&mut self.store());
        }
        let store = self.store.clone();
        let done = tokio::task::spawn_blocking(move || act(&mut store.lock().unwrap_or_else(PoisonError::into_inner)));
        done.await.expect("it does not panic, and the runtime outlives its tasks")
    }

    fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The same in pieces of about an extent, each target's one behind the other.
fn in_pieces(writing: Writing) -> Writing {
    let mut pieces: Writing = vec![];
    for (target, starts, texts) in writing {
        let (mut begun, mut size) = (false, 0);
        for (start, text) in starts.into_iter().zip(texts) {
            size += cost(&text) as u64;
            match pieces.last_mut().filter(|_| begun && size <= EXTENT) {
                Some((_, starts, texts)) => {
                    starts.push(start);
                    texts.push(text);
                }
                None => {
                    (begun, size) = (true, cost(&text) as u64);
                    pieces.push((target.clone(), vec![start], vec![text]));
                }
            }
        }
    }
    pieces
}

/// Write each target's events by themselves, until `most` have failed: a result for each that was tried.
fn append_each(
    store: &mut Store,
    texts: &[(Arc<Target>, Vec<Arc<Text>>)],
    most: usize,
) -> Vec<io::Result<Vec<Extent>>> {
    let mut failed = 0;
    let tried = texts
        .iter()
        .map_while(|(target, texts)| (failed < most).then(|| store.append(target, texts).inspect_err(|_| failed += 1)));
    tried.collect()
}
