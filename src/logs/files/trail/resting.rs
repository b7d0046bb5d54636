//! When a file needs no trail: what is at rest can be followed by looking at it, and taken up again as after a restart.
use super::{Context, Place, Trail};
use crate::{
    logs::files::{LATE, generation::Generation},
    model::{FilePosition, SourceId},
    platform::files::Stat,
};
use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

/// A file that a trail has nothing to do with any more.
#[derive(Clone, Debug)]
pub(in crate::logs::files) struct Rest {
    pub id: SourceId,
    /// Up to here everything was handed on.
    pub offset: u64,
    /// As it was when it was last looked at.
    pub seen: Stat,
    /// It is at the path.
    pub here: bool,
}

impl Trail {
    /// The one file that this trail holds, if nothing of it is to be read, and nothing else is to be done. It has been
    /// quiet for so long; one that is gone from the path, for as long as its writer may be late.
    pub fn rest(&self, quiet: Duration, now: Instant) -> Option<Rest> {
        let generation = self.only()?;
        let here = self.is_attached(Place::Queue(0));
        let done = match here {
            true => !generation.unread && (generation.drained() || generation.unfinished().is_some()),
            false => generation.drained(),
        };
        let quiet = if here { quiet } else { quiet.max(LATE) };
        // An event of several lines is complete when its time has come.
        let waits = generation.retry.is_some() || generation.due().is_some() || self.is_last_due();
        let rest = done && !waits && generation.quiet_for(quiet, now);
        rest.then(|| self.rest_of(generation, here))
    }

    /// The one file that this trail holds, if it is at the path, although there may be more to read: others have waited for
    /// long.
    pub fn pause(&self) -> Option<Rest> {
        let here = self.is_attached(Place::Queue(0));
        self.only().filter(|_| here).map(|generation| self.rest_of(generation, here))
    }

    /// Its positions say its path with these very bytes, of which there is one copy for all who know of the file.
    pub fn sharing(mut self, path: &Arc<Path>) -> Self {
        debug_assert_eq!(self.names.path, *path, "the same path");
        self.names.path = path.clone();
        self
    }

    /// Whether there is nothing in hand, nothing at the path, and nothing to look for.
    pub fn is_hollow(&self) -> bool {
        self.queue.is_empty() && self.has_no_errand()
    }

    /// Whether something keeps the path from being read.
    pub fn is_complaining(&self) -> bool {
        self.complaint.is_some()
    }

    /// The writer has gone over to another file: once this one is quiet, its last line needs no end.
    pub fn supersede(&mut self, past: bool) {
        if let Some(generation) = self.queue.back_mut() {
            generation.superseded = past;
        }
    }

    /// Lets everything go that is at rest. Positions stay as they are, but the promise of a file to come is taken back.
    pub fn fold(&mut self, cx: &mut Context<'_>) {
        self.forget_awaited(cx);
        for generation in self.queue.drain(..) {
            cx.ledger.release(&self.names.target, generation.file_id());
            cx.board.forget(generation.id);
        }
        self.recovered(cx);
    }

    /// Where reading stopped, of what is at rest.
    pub fn position(&self) -> Option<FilePosition> {
        self.only().map(Generation::position)
    }

    fn rest_of(&self, generation: &Generation, here: bool) -> Rest {
        Rest { id: generation.id, offset: generation.offset, seen: generation.seen, here }
    }

    fn only(&self) -> Option<&Generation> {
        self.queue.front().filter(|_| self.queue.len() == 1 && self.has_no_errand())
    }

    /// A last line without an end is still to be sent.
    fn is_last_due(&self) -> bool {
        self.queue.back().is_some_and(|last| last.superseded && !last.drained())
    }

    fn has_no_errand(&self) -> bool {
        let nothing_due = self.late.is_empty() && self.owed.is_empty() && self.debt.is_none() && !self.is_searching();
        nothing_due && self.first_look.is_none() && self.changing.is_none() && self.complaint.is_none()
    }
}
