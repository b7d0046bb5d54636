//! A keeper of positions without a disk. The real one, `positions::Store`, stands beside this room and cannot be seen
//! from here; this one does what it does, also where that is unkind:
//!
//! | | |
//! |---|---|
//! | `saved` | what no source of this run has opened |
//! | `open` | begins anew, whatever was known under the id |
//! | an acknowledgement of what is unopened, forgotten or behind | says nothing |
//! | one behind a gap | waits for the gap |
//! | `finish` of what was opened | forgets it when all of it is acknowledged, and not before |
//! | `finish` of what was not | forgets it at once: nothing of it will ever be acknowledged |
//! | a crash, a stop | every position that was not forgotten is found again, under another id |
//!
//! That both agree is told by the story `crash::delivered_copies_are_not_sent_again_after_a_position_was_given_up`.
use crate::model::{Checkpoints, FilePosition, Position, SourceId};
use std::{
    collections::BTreeMap,
    sync::{
        Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering},
    },
};

/// How far one source got.
#[derive(Clone, Debug)]
struct Source {
    opened: bool,
    reached: u64,
    position: Position,
    /// Acknowledged behind a gap.
    beyond: BTreeMap<u64, (u64, Option<Position>)>,
    end: Option<u64>,
}

impl Source {
    fn new(opened: bool, reached: u64, position: Position) -> Self {
        Self { opened, reached, position, beyond: BTreeMap::new(), end: None }
    }

    fn finished(&self) -> bool {
        self.end.is_some_and(|end| !self.opened || self.reached >= end)
    }

    fn advance(&mut self, to: u64, position: Option<Position>) {
        if to > self.reached {
            self.reached = to;
            self.position = position.unwrap_or_else(|| self.position.clone());
        }
    }
}

#[derive(Debug, Default)]
pub struct Keeper {
    sources: Mutex<BTreeMap<SourceId, Source>>,
    /// Every `finish`, in order.
    finished: Mutex<Vec<(SourceId, u64)>>,
    /// Nothing is on the disk yet.
    pub unsaved: AtomicBool,
}

impl Checkpoints for Keeper {
    fn saved(&self) -> Vec<(SourceId, Position)> {
        let sources = self.sources();
        sources.iter().filter(|(_, source)| !source.opened).map(|(id, source)| (*id, source.position.clone())).collect()
    }

    fn open(&self, id: SourceId, start: u64, position: Position) {
        self.sources().insert(id, Source::new(true, start, position));
    }

    fn delivered(&self, id: SourceId) -> Option<(u64, Position)> {
        let sources = self.sources();
        sources.get(&id).filter(|source| source.opened).map(|source| (source.reached, source.position.clone()))
    }

    fn saved_up_to(&self, id: SourceId) -> Option<u64> {
        self.reached(id).filter(|_| !self.unsaved.load(Ordering::Relaxed))
    }

    fn finish(&self, id: SourceId, end: u64) {
        self.finished.lock().expect("no panic").push((id, end));
        if let Some(source) = self.sources().get_mut(&id) {
            source.end = Some(end);
        }
        self.forget();
    }
}

impl Keeper {
    /// Everything of `id` from `from` to `to` is delivered.
    pub fn ack(&self, id: SourceId, from: u64, to: u64, position: Option<Position>) {
        if let Some(source) = self.sources().get_mut(&id).filter(|source| source.opened && to > from) {
            if from > source.reached {
                source.beyond.insert(from, (to, position));
                return;
            }
            source.advance(to, position);
            while let Some(next) = source.beyond.first_entry().filter(|next| *next.key() <= source.reached) {
                let (to, position) = next.remove();
                source.advance(to, position);
            }
        }
        self.forget();
    }

    /// What a new process finds: the same positions under new ids.
    pub fn restarted(&self) -> Self {
        let found = |source: &Source| (SourceId::unique(), Source::new(false, 0, source.position.clone()));
        Self { sources: Mutex::new(self.sources().values().map(found).collect()), ..Self::default() }
    }

    /// Positions as they would be found after a crash now.
    pub fn positions(&self) -> Vec<FilePosition> {
        let file = |source: &Source| match &source.position {
            Position::File(position) => position.clone(),
            _ => unreachable!("only files here"),
        };
        self.sources().values().map(file).collect()
    }

    /// How far a source that is open has been delivered.
    /// How many files have a position; what is only awaited is none.
    pub fn files(&self) -> usize {
        let is_file = |position: &Position| matches!(position, Position::File(p) if p.identity.inode != 0);
        self.sources().values().filter(|source| is_file(&source.position)).count()
    }

    pub fn reached(&self, id: SourceId) -> Option<u64> {
        self.sources().get(&id).filter(|source| source.opened).map(|source| source.reached)
    }

    /// Every `finish`, in order.
    pub fn finished(&self) -> Vec<(SourceId, u64)> {
        self.finished.lock().expect("no panic").clone()
    }

    fn forget(&self) {
        self.sources().retain(|_, source| !source.finished());
    }

    fn sources(&self) -> MutexGuard<'_, BTreeMap<SourceId, Source>> {
        self.sources.lock().expect("no panic")
    }
}
