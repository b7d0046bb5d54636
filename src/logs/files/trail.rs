//! One configured path: the generations of its file, and what happens when the file at the path changes.
//!
//! A generation is one file, held open. It counts as at its end when it is `drained`, and is in one of these states:
//!
//! - At the path: last in `queue`, and read when all before it are at their end. It is rotated when another file or
//!   none is there.
//! - Rotated, or deleted: in `queue`, and read in its turn, from the front; a last line without an end after 5 quiet
//!   seconds. It is late when it is at its end and another one follows. Deleted, at its end, quiet, and with none that
//!   follows, it is finished.
//! - Late: in `late`, and read whenever its writer, slow to change over, adds to it. It is finished when it was quiet
//!   for 60 seconds, or for 5 where no more files may be opened. Back at the path, it is there.
//! - Cut short, in either: at once the same file is another generation, from its beginning. What was not read of one at
//!   the path is read from a copy, which is queued before it.
//! - Failing, in either: read again and again, with pauses, until that works. At the front for long, it is late, so
//!   that others get their turn.
//! - Finished: let go. The ledger knows it by what it said.
//!
//! A trail, which is all of that for one path, is in one of these:
//!
//! - New (`first_look`): its first look finds what saved positions lead to ([`resume`]), or begins where the settings
//!   say.
//! - Waiting for the folder of a saved position (`first_look`).
//! - Following ([`Stand::Following`]), until another file or none is at the path. Another one: [`turnover`] queues what
//!   was rotated in between ([`between`]), then that one.
//! - Without a file ([`Stand::Without`]), until one is at the path. Its last generation stays in `queue`; what was
//!   rotated meanwhile is found by name.
//! - Expecting ([`Stand::Without`], `awaited`): the same, without any generation. Kept is the promise that the next
//!   file begins at its beginning.
//! - Standing aside ([`Stand::Aside`]), until the other trail reads the file at the path no more.
//!
//! [`Trail::look`] moves these states, [`Trail::step`] reads. Both do nothing but repeat themselves after an error or
//! in the middle of a rotation (`soon`): nothing later is read before what came earlier, and no generation that has
//! unread bytes is let go.
mod between;
mod claims;
mod complaint;
mod judging;
mod reading;
mod resting;
mod resume;
#[cfg(test)]
mod tests;
mod turnover;

use super::{
    LATE, Names, Seen, Watch, content,
    generation::{Found, Generation, QUIET, open_regular},
    ledger::Ledger,
    search,
};
use crate::{
    model::{Checkpoints, Chunk, FilePosition, LaneWaker, SourceId, Timestamp},
    platform::files::{self, FileId, FileKind, Stat},
    telemetry::board::Board,
};
use between::{Again, Ask};
use complaint::Complaint;
pub(super) use resting::Rest;
use std::{
    collections::{HashSet, VecDeque},
    fs::File,
    io::{self, ErrorKind},
    path::PathBuf,
    time::{Instant, SystemTime},
};
use tokio::sync::mpsc;
use turnover::Owed;

/// What all trails share, and the moment.
pub(super) struct Context<'a> {
    pub checkpoints: &'a dyn Checkpoints,
    pub board: &'a Board,
    pub waker: &'a LaneWaker,
    /// How much is read at once.
    pub slice: u64,
    pub ledger: &'a mut Ledger,
    /// Every configured path: none of them is another one's rotated generation.
    pub watched: &'a HashSet<PathBuf>,
    pub now: Instant,
    pub wall: Timestamp,
}

/// What one step came to, from nothing to something.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Step {
    Idle,
    /// The lane is full.
    Blocked,
    Progressed,
}

/// A generation in hand.
#[derive(Clone, Copy)]
enum Place {
    Queue(usize),
    Late(usize),
}

/// How a trail stands to what is at its path.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Stand {
    /// Nothing is there, or it is not taken up yet.
    Without,
    /// It is the last one in `queue`.
    Following,
    /// It is this file, which another trail reads for the same target.
    Aside(FileId),
}

/// What is known before anything is read.
#[derive(Debug, Default)]
struct FirstLook {
    /// Positions of earlier runs.
    saved: Vec<(SourceId, FilePosition)>,
    /// This file was found, so long, but it could not be opened.
    seen: Option<(FileId, u64)>,
    /// What was at the path when it was too early to tell: it may be gone by the next look, and its name with it.
    met: Option<File>,
}

#[derive(Debug)]
pub(super) struct Trail {
    number: usize,
    pub(super) watch: Watch,
    names: Names,
    lane: mpsc::Sender<Box<Chunk>>,
    queue: VecDeque<Generation>,
    stand: Stand,
    late: Vec<Generation>,
    /// Until the first look that finds out where to begin.
    first_look: Option<FirstLook>,
    /// Saved for a file that does not exist yet.
    awaited: Option<SourceId>,
    /// When the newest known generation had last been written to when it was last seen at the path: a rotated file that
    /// was never seen here is younger.
    newest: Timestamp,
    /// The generations that were renamed last before the file that is, or will be, at the path.
    last: Vec<FileId>,
    /// What was beside the path before the first look, and young enough to be taken for new.
    strangers: Vec<Seen>,
    /// Compressed files beside the path, young enough to be taken for new, that hold what was read from their originals.
    twins: Vec<Seen>,
    /// The times of the folders when they were last searched while nothing was at the path.
    searched: Vec<SystemTime>,
    /// What the path led to while it is a link, the last one first.
    homes: Vec<PathBuf>,
    /// `homes` changed.
    pub(super) moved: bool,
    /// Copies that are still looked for.
    owed: Vec<Owed>,
    /// One more search after a rotation.
    again: Again,
    /// Saved as a promise: what was written since then and could not be opened.
    debt: Option<(SourceId, Timestamp)>,
    /// Since when searches fail because files are being renamed.
    changing: Option<Instant>,
    /// Some generations wait until others were read.
    held_back: bool,
    /// It is worth a look very soon.
    pub(super) soon: bool,
    complaint: Option<Complaint>,
}

impl Trail {
    pub fn new(
        number: usize,
        watch: Watch,
        lane: mpsc::Sender<Box<Chunk>>,
        saved: Vec<(SourceId, FilePosition)>,
    ) -> Self {
        let names = watch.names();
        Self {
            number,
            watch,
            names,
            lane,
            queue: VecDeque::new(),
            stand: Stand::Without,
            late: Vec::new(),
            first_look: Some(FirstLook { saved, ..FirstLook::default() }),
            awaited: None,
            newest: Timestamp::default(),
            last: Vec::new(),
            strangers: Vec::new(),
            twins: Vec::new(),
            searched: Vec::new(),
            homes: Vec::new(),
            moved: false,
            owed: Vec::new(),
            again: Again::default(),
            debt: None,
            changing: None,
            held_back: false,
            soon: false,
            complaint: None,
        }
    }

    /// Looks at the path and at every generation in hand. One `stat` each when nothing happened.
    pub fn look(&mut self, cx: &mut Context<'_>) {
        let early = |complaint: &Complaint| cx.now < complaint.retry;
        if !self.complaint.as_ref().is_some_and(early)
            && let Err((what, error)) = self.look_at_path(cx)
        {
            match search::is_still_changing(&error) {
                true => self.wait_for_calm(cx.now),
                false => {
                    // Nothing is searched while it lasts: that is no sign of a folder that never comes to rest.
                    self.changing = None;
                    self.complain(cx, what, &error);
                }
            }
        }
        self.forget_judged();
        self.let_go(cx);
    }

    fn look_at_path(&mut self, cx: &mut Context<'_>) -> Result<(), (&'static str, io::Error)> {
        let stat = match files::stat(&self.watch.path) {
            Ok(stat) => Some(stat),
            // A folder on the way that is a file now, or a link that leads nowhere: nothing is there.
            Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => None,
            Err(error) => {
                self.look_at_generations(cx, None);
                return Err(("cannot look at the log file", error));
            }
        };
        let stat = match stat {
            Some(stat) if stat.kind != FileKind::Regular => {
                self.look_at_generations(cx, None);
                self.detach(cx.now);
                if self.first_look.as_ref().is_some_and(|first| first.saved.is_empty()) {
                    self.await_first(cx);
                }
                self.refuse(cx, stat.kind);
                return Ok(());
            }
            other => other,
        };
        if self.first_look.is_some() {
            return self.start(cx, stat);
        }
        let empty = self.queue.back().filter(|g| self.is_following() && g.was_empty()).map(|g| g.seen.modified);
        self.look_at_generations(cx, stat.as_ref());
        let searching = |e| ("cannot search the folder for rotated files", e);
        match stat {
            Some(stat) if self.is_following() && self.queue.back().is_some_and(|g| g.file_id() == stat.id) => {
                let speaks = self.queue.back().is_some_and(|g| !g.was_empty());
                if empty.is_some_and(|modified| modified != stat.modified || speaks) {
                    self.forget_likeness();
                    let ask = Ask { since: self.newest, at_most: cx.ledger.room() };
                    if let Err(error) = self.take_up_before_last(cx, ask) {
                        self.owe_all(cx); // It will not be seen empty again.
                        return Err(searching(error));
                    }
                }
                self.look_again(cx).map_err(searching)?;
                // One that waits to begin anew asks for copies as old as what it knew last.
                if self.queue.back().is_none_or(|last| last.retry.is_none()) {
                    self.newest = stat.modified.into();
                }
            }
            Some(stat) => return self.arrive(cx, stat),
            None => {
                self.stand_aside_no_more();
                self.search_behind(cx).map_err(searching)?;
                self.look_again(cx).map_err(searching)?;
            }
        }
        self.recovered(cx);
        Ok(())
    }

    /// `at_path` saves asking the file at the path a second time.
    fn look_at_generations(&mut self, cx: &mut Context<'_>, at_path: Option<&Stat>) {
        let places = (0..self.queue.len()).map(Place::Queue).chain((0..self.late.len()).map(Place::Late));
        // From the back, so that a place stays good while new ones are put in before a later one.
        for place in places.collect::<Vec<_>>().into_iter().rev() {
            let attached = self.is_attached(place);
            let Some(generation) = self.at(place) else { continue };
            if generation.retry.is_some_and(|at| cx.now < at) {
                continue;
            }
            let known = at_path.filter(|stat| attached && stat.id == generation.file_id());
            match generation.look(known, cx.now) {
                Ok(Found::Truncated) => self.truncated(cx, place),
                Ok(Found::Nothing | Found::Chunk(_)) => {}
                Err(error) => self.failed(cx, place, &error),
            }
            if attached {
                self.reopen_stale(cx);
            }
        }
    }

    /// A handle that fails may be stale (a network file system came back): the path may lead to the same content.
    fn reopen_stale(&mut self, cx: &mut Context<'_>) {
        let Some(generation) = self.queue.back_mut().filter(|g| g.is_failing()) else { return };
        let reopened = open_regular(&self.watch.path)
            .and_then(|(file, stat)| Ok((content::goes_on(&file, &stat, &generation.position())?, file, stat)));
        if let Ok((true, file, stat)) = reopened {
            cx.ledger.release(&self.names.target, generation.file_id());
            cx.ledger.hold(&self.names.target, stat.id, self.number);
            generation.move_to(file, stat);
        }
    }

    fn truncated(&mut self, cx: &mut Context<'_>, place: Place) {
        match self.begin_anew(cx, place) {
            Err(error) if search::is_still_changing(&error) => {
                self.wait_for_calm(cx.now);
                if let Some(generation) = self.at(place) {
                    generation.retry_soon(cx.now);
                }
            }
            Err(error) => self.failed(cx, place, &error),
            Ok(()) => {}
        }
    }

    /// Finishes what was rotated away or deleted, read to its end, and quiet for long enough.
    fn let_go(&mut self, cx: &mut Context<'_>) {
        let now = cx.now;
        let patience = if cx.ledger.room() == 0 { QUIET } else { LATE };
        let over = |g: &Generation| g.drained() && g.quiet_for(patience, now);
        let (over_now, late) = std::mem::take(&mut self.late).into_iter().partition::<Vec<_>, _>(over);
        self.late = late;
        for generation in over_now {
            self.finish(cx, &generation);
        }
        let deleted = |g: &Generation| g.seen.links == 0 && over(g);
        if !self.is_following() && self.queue.len() == 1 && self.queue.front().is_some_and(deleted) {
            self.await_next(cx);
            if let Some(generation) = self.queue.pop_front() {
                self.finish(cx, &generation);
            }
        }
    }

    fn finish(&mut self, cx: &mut Context<'_>, generation: &Generation) {
        cx.checkpoints.finish(generation.id, generation.offset);
        if generation.seen.links > 0 {
            cx.ledger.finished(generation);
            self.passed(generation);
        } else {
            cx.ledger.removed(generation);
        }
        cx.ledger.release(&self.names.target, generation.file_id());
        cx.board.forget(generation.id);
    }

    fn at(&mut self, place: Place) -> Option<&mut Generation> {
        match place {
            Place::Queue(index) => self.queue.get_mut(index),
            Place::Late(index) => self.late.get_mut(index),
        }
    }

    fn at_ref(&self, place: Place) -> Option<&Generation> {
        match place {
            Place::Queue(index) => self.queue.get(index),
            Place::Late(index) => self.late.get(index),
        }
    }

    /// Positions of earlier runs, until it is found where they lead.
    fn saved(&self) -> &[(SourceId, FilePosition)] {
        self.first_look.as_ref().map_or(&[], |first| &first.saved)
    }

    /// Whether the last one in `queue` is the file at the path.
    fn is_following(&self) -> bool {
        self.stand == Stand::Following
    }

    fn is_attached(&self, place: Place) -> bool {
        matches!(place, Place::Queue(index) if self.is_following() && index + 1 == self.queue.len())
    }
}
