//! Matches that are to be read, until it is their turn.
use super::family::{Entry, Family, Saved, State};
use crate::{logs::files::trail::Context, platform::files::FileId};
use std::{path::Path, sync::Arc};

/// A match that is to be read when it is its turn.
#[derive(Debug, Default)]
pub(in crate::logs::files) struct Waiting {
    /// What is known of it.
    pub saved: Vec<Saved>,
    /// It was there when the pattern was looked for the first time.
    pub first: bool,
    /// This file rests until its own trail has it: other items may mean it.
    pub(super) rests: Option<FileId>,
    /// It was passed over so far: `saved` is of this run, and needless where another item reads it.
    pub(super) passed: bool,
}

impl Waiting {
    /// Its trail is to have it before those of other items do.
    pub fn is_at_once(&self) -> bool {
        self.rests.is_some() || self.passed
    }
}

impl Family {
    pub(super) fn wait(&mut self, path: &Arc<Path>, saved: Vec<Saved>, first: bool) {
        self.wait_in(path, Waiting { saved, first, ..Waiting::default() });
    }

    pub(super) fn wait_in(&mut self, path: &Arc<Path>, waiting: Waiting) {
        self.set(path, State::Waiting(waiting));
        self.waiting.push_back(path.clone());
    }

    /// A file at rest is read on by its own trail, when that has its turn. Until then it rests for everybody else: other items may mean it.
    pub(super) fn rouse(&mut self, cx: &mut Context<'_>, path: &Arc<Path>, file: FileId, saved: Vec<Saved>) {
        cx.ledger.rest(&self.key, file);
        self.wait_in(path, Waiting { saved, rests: Some(file), ..Waiting::default() });
    }

    /// Whether others wait for their turn.
    pub fn is_pressed(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// The next one to be read, whose trail is begun now.
    pub fn next_waiting(&mut self, cx: &mut Context<'_>) -> Option<(Arc<Path>, Waiting)> {
        while let Some(path) = self.waiting.pop_front() {
            if let Some(Entry { seen, state: State::Waiting(waiting) }) = self.entries.get_mut(&path) {
                let mut waiting = std::mem::take(waiting);
                if let Some(file) = waiting.rests {
                    cx.ledger.unrest(&self.key, file);
                }
                if waiting.passed && seen.is_some_and(|seen| cx.ledger.holder(&self.key, seen.id).is_some()) {
                    waiting.saved.clear();
                }
                return Some((path, waiting));
            }
        }
        None
    }
}
