//! One configured path: the generations of its file, oldest first, and what happens when the file at the path changes.
//!
//! ```text
//! line: [ rotated, rotated, at the path ]     read from the front; the next one's turn comes when the front one is at its end
//! late: [ rotated, read to its end ]          writers keep a file until they open the new one
//! ```
//!
//! A generation is never let go while it has unread bytes. The newest one is not let go before it has a successor or was
//! deleted; what is kept of a deleted one is the promise that the next file at this path begins at its beginning.
use super::{
    Watch, content,
    generation::{Found, Generation, Names, QUIET, Start, open_regular},
    ledger::Ledger,
    siblings::{self, Sibling},
};
use crate::{
    model::{Checkpoints, Chunk, FileIdentity, FilePosition, Fingerprint, Position, Room, SourceId, Timestamp},
    platform::files::{self, FileId, FileKind, Stat},
    telemetry::{board::Board, counters},
};
use std::{
    collections::{HashSet, VecDeque},
    fs::File,
    io::{self, ErrorKind},
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};
use tokio::sync::mpsc;

/// A rotated or deleted file that was read to its end is looked at until it was quiet for so long.
pub(super) const LATE: Duration = Duration::from_secs(60);
/// The first and the longest wait after a path could not be looked at or opened.
const PATIENCE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));
/// The coarsest clock by which a file system dates a folder (FAT: two seconds).
const TICK: Duration = Duration::from_secs(2);
/// What is compared with a file that we hold before it is called a copy; repeating a shorter one costs little.
const WORTH_COMPARING: u64 = 256;

/// What all trails share, and the moment.
pub(super) struct Context<'a> {
    pub checkpoints: &'a dyn Checkpoints,
    pub board: &'a Board,
    pub room: &'a Room,
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

#[derive(Clone, Copy)]
enum Place {
    Line(usize),
    Late(usize),
}

/// Something that keeps the path from being read; told once.
#[derive(Debug)]
struct Complaint {
    board: SourceId,
    text: String,
    failures: u32,
    retry: Instant,
}

/// A file that nobody read yet, and where its unread part begins.
pub(super) struct Unread {
    /// Whose content it begins with, if that was read.
    pub known: Option<SourceId>,
    pub path: PathBuf,
    pub file: File,
    pub stat: Stat,
    pub start: u64,
}

#[derive(Debug)]
pub(super) struct Trail {
    pub(super) number: usize,
    pub(super) watch: Watch,
    pub(super) names: Names,
    lane: mpsc::Sender<Chunk>,
    pub(super) line: VecDeque<Generation>,
    /// Whether the last one in `line` is the file at the path.
    pub(super) attached: bool,
    late: Vec<Generation>,
    /// Positions of earlier runs, until the first look that finds the folder.
    pub(super) saved: Vec<(SourceId, FilePosition)>,
    pub(super) started: bool,
    /// Saved for a file that does not exist yet.
    pub(super) awaited: Option<SourceId>,
    /// When the newest known generation had last been written to when it was last seen at the path: a rotated file that
    /// was never seen here is younger.
    pub(super) newest: Timestamp,
    /// The first look found this file, so long, but it could not be opened.
    pub(super) first_seen: Option<(FileId, u64)>,
    /// The file at the path is read by another trail with the same target.
    shadowed: Option<FileId>,
    /// The time of the folder when it was last searched while nothing was at the path.
    searched: Option<SystemTime>,
    complaint: Option<Complaint>,
}

impl Trail {
    pub fn new(number: usize, watch: Watch, lane: mpsc::Sender<Chunk>, saved: Vec<(SourceId, FilePosition)>) -> Self {
        let target = Arc::from(target_key(&watch));
        let names = Names { path: Arc::from(watch.path.as_path()), target };
        Self {
            number,
            watch,
            names,
            lane,
            line: VecDeque::new(),
            attached: false,
            late: Vec::new(),
            saved,
            started: false,
            awaited: None,
            newest: Timestamp::default(),
            first_seen: None,
            shadowed: None,
            searched: None,
            complaint: None,
        }
    }

    /// Looks at the path and at every generation in hand. One `stat` each when nothing happened.
    pub fn look(&mut self, cx: &mut Context<'_>) {
        let early = |complaint: &Complaint| cx.now < complaint.retry;
        if !self.complaint.as_ref().is_some_and(early)
            && let Err((what, error)) = self.look_at_path(cx)
        {
            self.complain(cx, what, &error);
        }
        self.let_go(cx);
    }

    /// Whether a step would find something to do.
    pub fn ready(&self, now: Instant) -> bool {
        self.late.iter().chain(self.line.front()).any(|g| g.is_ready(now)) || self.front_is_done()
    }

    /// Hands on at most one slice of the file whose turn it is, and one of a rotated file that was written to late.
    pub fn step(&mut self, cx: &mut Context<'_>) -> Step {
        let mut step = self.advance(cx);
        let now = cx.now;
        let ready = |g: &Generation| g.is_ready(now);
        if let Some(index) = self.late.iter().position(ready) {
            step = step.max(self.slice(cx, Place::Late(index)));
        }
        if self.line.front().is_some_and(ready) {
            step = step.max(self.slice(cx, Place::Line(0)));
        }
        step.max(self.advance(cx))
    }

    fn look_at_path(&mut self, cx: &mut Context<'_>) -> Result<(), (&'static str, io::Error)> {
        let stat = match files::stat(&self.watch.path) {
            Ok(stat) => Some(stat),
            // A folder on the way that is a file now, or a link that leads nowhere: nothing is there.
            Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => None,
            Err(error) => {
                self.look_at_generations(cx);
                return Err(("cannot look at the log file", error));
            }
        };
        let stat = match stat {
            Some(stat) if stat.kind != FileKind::Regular => {
                self.look_at_generations(cx);
                self.detach(cx.now);
                if !self.started && self.saved.is_empty() {
                    self.await_first(cx);
                }
                self.refuse(cx, stat.kind);
                return Ok(());
            }
            other => other,
        };
        if !self.started {
            return self.start(cx, stat);
        }
        let empty = self.line.back().filter(|g| self.attached && g.was_empty()).map(|g| g.seen.modified);
        self.look_at_generations(cx);
        let searching = |e| ("cannot search the folder for rotated files", e);
        match stat {
            Some(stat) if self.attached && self.line.back().is_some_and(|g| g.file_id() == stat.id) => {
                if empty.is_some_and(|modified| modified != stat.modified) {
                    self.take_up_before_last(cx).map_err(searching)?;
                }
                self.newest = stat.modified.into();
            }
            Some(stat) => return self.arrive(cx, stat),
            None => {
                self.shadowed = None;
                self.search_behind(cx).map_err(searching)?;
            }
        }
        self.content(cx);
        Ok(())
    }

    /// Another file than before stands at the path.
    fn arrive(&mut self, cx: &mut Context<'_>, stat: Stat) -> Result<(), (&'static str, io::Error)> {
        if let Some(holder) = cx.ledger.holder(&self.names.target, stat.id) {
            self.detach(cx.now);
            if holder == self.number {
                self.come_back(stat.id);
            } else {
                self.shadow(stat.id);
            }
            self.content(cx);
            return Ok(());
        }
        self.shadowed = None;
        // First the handle, then the search: whatever was rotated away before this moment is found by it.
        let opened = open_regular(&self.watch.path).map_err(|e| ("cannot open the log file", e))?;
        let (file, stat) = opened;
        if cx.ledger.holder(&self.names.target, stat.id).is_some() {
            return Ok(()); // It was replaced between the two looks; the next one sees to it.
        }
        self.detach(cx.now);
        cx.ledger.hold(&self.names.target, stat.id, self.number);
        let taken = self.take_up_between(cx).and_then(|()| {
            let known = cx.ledger.known(&self.names, &file, &stat)?;
            let start = known.map_or(0, |known| known.up_to);
            let id = self.awaited.filter(|_| start == 0).unwrap_or_else(SourceId::unique);
            Generation::new(id, &self.names, Arc::new(file), stat, Start::At(start), cx.now)
        });
        match taken {
            Ok(generation) => {
                self.awaited = self.awaited.filter(|id| *id != generation.id);
                self.take_up(cx, generation);
            }
            Err(error) => {
                cx.ledger.release(&self.names.target, stat.id);
                return Err(("cannot read the log file", error));
            }
        }
        self.attached = true;
        self.newest = stat.modified.into();
        self.forget_awaited(cx);
        self.content(cx);
        Ok(())
    }

    /// The file at the path is one of ours that had been moved away.
    fn come_back(&mut self, id: FileId) {
        let is_it = |g: &Generation| g.file_id() == id;
        let back = match self.late.iter().position(is_it) {
            Some(index) => Some(self.late.remove(index)),
            None => self.line.iter().position(is_it).and_then(|index| self.line.remove(index)),
        };
        if let Some(mut generation) = back {
            generation.detached = None;
            self.line.push_back(generation);
            self.attached = true;
        }
    }

    fn shadow(&mut self, id: FileId) {
        if self.shadowed != Some(id) {
            let (path, target) = (self.watch.path.display(), &self.names.target);
            tracing::warn!(%path, %target, "this file is already read for the same target under another path: read once only");
            self.shadowed = Some(id);
        }
    }

    /// The file is gone from its path. Says whether that is news.
    fn detach(&mut self, now: Instant) -> bool {
        let was = std::mem::take(&mut self.attached);
        if was && let Some(last) = self.line.back_mut() {
            last.detached = Some(now);
            last.hungry = true; // What was written in its last moments, after the last look.
            let (path, offset) = (self.watch.path.display(), last.offset);
            if last.seen.links == 0 {
                tracing::info!(%path, offset, "the log file was deleted or replaced; reading it to its end");
            } else {
                counters::FILES_ROTATED.add(1);
                tracing::info!(%path, offset, "the log file was rotated away; reading it to its end");
            }
        }
        was
    }

    /// Rotated generations that came and went between two looks take their place in the line.
    fn take_up_between(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        for unread in self.between(cx, &mut |_| {})? {
            let generation = self.rotated(cx, SourceId::unique(), unread)?;
            self.take_up(cx, generation);
        }
        Ok(())
    }

    /// The file at the path was empty and is not any more: was it cut short in between, then the copies come first.
    fn take_up_before_last(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        let Some(last) = self.line.pop_back() else { return Ok(()) };
        let taken = self.take_up_between(cx);
        self.line.push_back(last);
        taken
    }

    /// Nothing is at the path. What was there since the last look may lie beside it.
    fn search_behind(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        let gone = self.detach(cx.now);
        let Ok(folder) = files::stat(siblings::folder(&self.watch.path)) else { return Ok(()) };
        // A change in the last moments may not have moved the folder's time, which ticks.
        let unsure = cx.wall < Timestamp::from(folder.modified).plus(TICK);
        if gone || unsure || self.searched != Some(folder.modified) {
            self.searched = Some(folder.modified);
            self.take_up_between(cx)?;
        }
        Ok(())
    }

    /// A generation that is not at the path.
    pub(super) fn rotated(&self, cx: &Context<'_>, id: SourceId, unread: Unread) -> io::Result<Generation> {
        let Unread { path: found, file, stat, start, .. } = unread;
        let mut generation = Generation::new(id, &self.names, Arc::new(file), stat, Start::At(start), cx.now)?;
        generation.detached = Some(cx.now);
        let (path, found) = (self.watch.path.display(), found.display());
        tracing::info!(%path, %found, offset = start, "reading a rotated log file first");
        Ok(generation)
    }

    /// Files named like rotated generations that hold what nobody read, oldest first. `copies` hears of whom each known
    /// one is a copy.
    pub(super) fn between(&self, cx: &mut Context<'_>, copies: &mut dyn FnMut(SourceId)) -> io::Result<Vec<Unread>> {
        let mut found = Vec::new();
        for Sibling { path, stat, .. } in siblings::rotations(&self.watch.path)? {
            let held = cx.ledger.holder(&self.names.target, stat.id).is_some();
            if held || Timestamp::from(stat.modified) < self.newest || cx.watched.contains(&path) {
                continue;
            }
            let (file, stat) = match open_regular(&path) {
                Ok(opened) => opened,
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            let known = cx.ledger.known(&self.names, &file, &stat)?;
            if let Some(known) = known {
                copies(known.of);
            }
            let start = known.map_or(0, |known| known.up_to);
            if (known.is_some() && start >= stat.size) || self.holds_all_of(&file, stat.size)? {
                continue;
            }
            found.push(Unread { known: known.map(|known| known.of), path, file, stat, start });
        }
        Ok(found)
    }

    /// Whether a file is a copy of what a generation in hand says (rotation that copies and leaves the original alone).
    fn holds_all_of(&self, file: &File, size: u64) -> io::Result<bool> {
        for generation in self.line.iter().chain(&self.late) {
            if size >= WORTH_COMPARING
                && size <= generation.seen.size
                && content::is_part_of(file, size, generation.file())?
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// A generation becomes the last in line, and whoever keeps positions hears of it.
    pub(super) fn take_up(&mut self, cx: &mut Context<'_>, generation: Generation) {
        cx.ledger.hold(&self.names.target, generation.file_id(), self.number);
        self.open(cx, &generation);
        self.line.push_back(generation);
    }

    pub(super) fn open(&self, cx: &Context<'_>, generation: &Generation) {
        cx.checkpoints.open(generation.id, generation.offset, Position::File(generation.position()));
        note(cx.board, &self.watch, generation);
    }

    fn look_at_generations(&mut self, cx: &mut Context<'_>) {
        let places = (0..self.line.len()).map(Place::Line).chain((0..self.late.len()).map(Place::Late));
        // From the back, so that a place stays good while new ones are put in before a later one.
        for place in places.collect::<Vec<_>>().into_iter().rev() {
            let attached = self.is_attached(place);
            let Some(generation) = self.at(place) else { continue };
            if generation.retry.is_some_and(|at| cx.now < at) {
                continue;
            }
            match generation.look(cx.now) {
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
        let Some(generation) = self.line.back_mut().filter(|g| g.is_failing()) else { return };
        let reopened = open_regular(&self.watch.path)
            .and_then(|(file, stat)| Ok((content::goes_on(&file, &stat, &generation.position())?, file, stat)));
        if let Ok((true, file, stat)) = reopened {
            cx.ledger.release(&self.names.target, generation.file_id());
            cx.ledger.hold(&self.names.target, stat.id, self.number);
            generation.move_to(Arc::new(file), stat);
        }
    }

    /// A generation was cut short. What is left of it may stand in a copy that was made just before; itself it begins anew,
    /// as another generation.
    fn truncated(&mut self, cx: &mut Context<'_>, place: Place) {
        if let Err(error) = self.begin_anew(cx, place) {
            self.failed(cx, place, &error);
        }
    }

    fn begin_anew(&mut self, cx: &mut Context<'_>, place: Place) -> io::Result<()> {
        let attached = self.is_attached(place);
        let Some(old) = self.at(place) else { return Ok(()) };
        let (id, offset, size, detached) = (old.id, old.offset, old.seen.size, old.detached);
        let file = old.file().clone();
        let stat = files::stat_open(&file)?;
        let mut fresh = Generation::new(SourceId::unique(), &self.names, file, stat, Start::At(0), cx.now)?;
        fresh.detached = detached;
        if let Some(old) = self.at_ref(place) {
            cx.ledger.truncated(old);
        }
        let mut copied = false;
        let older = if attached { self.between(cx, &mut |of| copied |= of == id)? } else { Vec::new() };
        // The copy's rest is the old generation's rest, under its id: what of it is still on its way stays its own.
        let own = older.iter().position(|unread| unread.known == Some(id) && unread.start == offset);
        let ids = (0..).map(|n| if Some(n) == own { id } else { SourceId::unique() });
        let copy = |(unread, id)| self.rotated(cx, id, unread);
        let rotated = older.into_iter().zip(ids).map(copy).collect::<io::Result<Vec<_>>>()?;
        counters::FILES_TRUNCATED.add(1);
        let path = self.watch.path.display();
        if copied {
            tracing::info!(%path, offset, "the log file was copied and cut short; reading on from its beginning");
        } else {
            let missed = size.saturating_sub(offset);
            counters::BYTES_MISSED.add(missed);
            tracing::warn!(%path, offset, missed,
                "the log file was cut short and no copy is left; lines written just before that are missed");
        }
        for copy in &rotated {
            cx.ledger.hold(&self.names.target, copy.file_id(), self.number);
            if copy.id != id {
                self.open(cx, copy);
            }
        }
        self.open(cx, &fresh);
        if own.is_none() {
            cx.checkpoints.finish(id, offset);
            cx.board.forget(id);
        }
        match place {
            Place::Late(index) => self.late[index] = fresh,
            Place::Line(index) => {
                self.line[index] = fresh;
                for copy in rotated.into_iter().rev() {
                    self.line.insert(index, copy);
                }
            }
        }
        Ok(())
    }

    fn slice(&mut self, cx: &mut Context<'_>, place: Place) -> Step {
        let Self { lane, line, late, watch, .. } = self;
        let Some(permit) = reserve(lane, cx.room) else { return Step::Blocked };
        let generation = match place {
            Place::Line(index) => &mut line[index],
            Place::Late(index) => &mut late[index],
        };
        match generation.read(&watch.filter, cx.now, cx.wall) {
            Ok(Found::Chunk(chunk)) => {
                permit.send(chunk);
                if generation.works() {
                    tracing::info!(path = %watch.path.display(), "the log file can be read again");
                }
                note(cx.board, watch, generation);
                Step::Progressed
            }
            Ok(Found::Nothing) => {
                generation.works();
                Step::Idle
            }
            Ok(Found::Truncated) => {
                drop(permit);
                self.truncated(cx, place);
                Step::Progressed
            }
            Err(error) => {
                drop(permit);
                self.failed(cx, place, &error);
                Step::Idle
            }
        }
    }

    fn failed(&mut self, cx: &Context<'_>, place: Place, error: &io::Error) {
        let path = self.watch.path.display().to_string();
        let Some(generation) = self.at(place) else { return };
        if !generation.is_failing() {
            tracing::warn!(path, offset = generation.offset, %error, "cannot read the log file; trying again, nothing is skipped");
        }
        generation.failed(cx.now);
        cx.board.source(generation.id, |line| line.last_error = Some(error.to_string()));
    }

    fn front_is_done(&self) -> bool {
        self.line.len() > 1 && self.line.front().is_some_and(|g| g.drained())
    }

    /// Whoever is at its end makes way for the next.
    fn advance(&mut self, cx: &mut Context<'_>) -> Step {
        let mut step = Step::Idle;
        while self.front_is_done()
            && let Some(done) = self.line.pop_front()
        {
            if let Err(error) = self.go_on_after(cx, &done) {
                tracing::warn!(path = %self.watch.path.display(), %error, "cannot compare the new log file with the old one");
            }
            self.late.push(done);
            step = Step::Progressed;
        }
        step
    }

    /// Editors write a new file and put it in the old one's place: what it says already is not sent again. A file that was
    /// rotated away still has a name; its successor is another file even if it begins alike. So is a short one: sending it again
    /// costs little, and logs often begin alike.
    fn go_on_after(&mut self, cx: &mut Context<'_>, done: &Generation) -> io::Result<()> {
        let telling = content::is_telling(done.position().identity.head);
        let replaced = self.attached && self.line.len() == 1 && done.seen.links == 0 && done.offset > 0 && telling;
        let Some(next) = self.line.back().filter(|next| replaced && next.offset == 0) else { return Ok(()) };
        let (old, file) = (next.id, next.file().clone());
        let stat = files::stat_open(&file)?;
        if !content::goes_on(&file, &stat, &done.position())? {
            return Ok(());
        }
        let generation = Generation::new(SourceId::unique(), &self.names, file, stat, Start::At(done.offset), cx.now)?;
        self.take_up(cx, generation);
        self.line.pop_front();
        cx.checkpoints.finish(old, 0);
        cx.board.forget(old);
        Ok(())
    }

    /// Finishes what was rotated away or deleted, read to its end, and quiet for long enough.
    fn let_go(&mut self, cx: &mut Context<'_>) {
        let now = cx.now;
        let over = |g: &Generation| g.drained() && g.quiet_for(LATE, now);
        let (over_now, late) = std::mem::take(&mut self.late).into_iter().partition::<Vec<_>, _>(over);
        self.late = late;
        for generation in over_now {
            self.finish(cx, &generation);
        }
        let deleted = |g: &Generation| g.seen.links == 0 && over(g);
        if !self.attached && self.line.len() == 1 && self.line.front().is_some_and(deleted) {
            self.await_next(cx);
            if let Some(generation) = self.line.pop_front() {
                self.finish(cx, &generation);
            }
        }
    }

    fn finish(&mut self, cx: &mut Context<'_>, generation: &Generation) {
        cx.checkpoints.finish(generation.id, generation.offset);
        if generation.seen.links > 0 {
            cx.ledger.finished(generation);
        }
        cx.ledger.release(&self.names.target, generation.file_id());
        cx.board.forget(generation.id);
    }

    /// The first look found no file: whatever comes is new.
    pub(super) fn await_first(&mut self, cx: &Context<'_>) {
        self.newest = cx.wall;
        self.started = true;
        self.await_next(cx);
    }

    /// Nothing is at the path: whatever comes, now or while we are away, begins at its beginning. That is saved.
    pub(super) fn await_next(&mut self, cx: &Context<'_>) {
        let nowhere = FileIdentity { device: 0, inode: 0, head: Fingerprint::default() };
        let position = FilePosition {
            path: self.watch.path.clone(),
            identity: nowhere,
            offset: 0,
            before: Fingerprint::default(),
            target: self.names.target.to_string(),
            modified: self.newest,
        };
        let id = *self.awaited.get_or_insert_with(SourceId::unique);
        cx.checkpoints.open(id, 0, Position::File(position));
    }

    /// Something else than the awaited file took its place.
    pub(super) fn forget_awaited(&mut self, cx: &Context<'_>) {
        if let Some(id) = self.awaited.take() {
            cx.checkpoints.finish(id, 0);
        }
    }

    fn at(&mut self, place: Place) -> Option<&mut Generation> {
        match place {
            Place::Line(index) => self.line.get_mut(index),
            Place::Late(index) => self.late.get_mut(index),
        }
    }

    fn at_ref(&self, place: Place) -> Option<&Generation> {
        match place {
            Place::Line(index) => self.line.get(index),
            Place::Late(index) => self.late.get(index),
        }
    }

    fn is_attached(&self, place: Place) -> bool {
        matches!(place, Place::Line(index) if self.attached && index + 1 == self.line.len())
    }

    fn refuse(&mut self, cx: &Context<'_>, kind: FileKind) {
        let what = match kind {
            FileKind::Directory => "this is a folder: name a file",
            FileKind::Special | FileKind::Regular => {
                "this is a FIFO, socket or device, which cannot be read again: name a file"
            }
        };
        self.complain(cx, what, &io::Error::from(ErrorKind::InvalidInput));
        if let Some(complaint) = &mut self.complaint {
            complaint.retry = cx.now;
        }
    }

    fn complain(&mut self, cx: &Context<'_>, what: &str, error: &io::Error) {
        let text = match error.kind() {
            ErrorKind::InvalidInput => what.to_owned(),
            _ => format!("{what}: {error}"),
        };
        let path = self.watch.path.display().to_string();
        let before = self.complaint.take();
        let (board, failures) = before.as_ref().map_or((SourceId::unique(), 0), |c| (c.board, c.failures + 1));
        if before.is_none_or(|c| c.text != text) {
            tracing::warn!(path, "{text}");
            cx.board.source(board, |line| {
                line.name.clone_from(&path);
                line.group.clone_from(&self.watch.target.group);
                line.stream.clone_from(&self.watch.target.stream);
                line.last_error = Some(text.clone());
            });
        }
        let wait = PATIENCE.0.saturating_mul(1 << failures.min(10)).min(PATIENCE.1);
        self.complaint = Some(Complaint { board, text, failures, retry: cx.now + wait });
    }

    /// The path is as it should be.
    pub(super) fn content(&mut self, cx: &Context<'_>) {
        if let Some(complaint) = self.complaint.take() {
            cx.board.forget(complaint.board);
            tracing::info!(path = %self.watch.path.display(), "the log file's path is readable again");
        }
    }
}

/// What stands for a target in a saved position. No group's name holds a colon.
pub(super) fn target_key(watch: &Watch) -> String {
    format!("{}:{}", watch.target.group, watch.target.stream)
}

/// A place in the lane. After it said that it waits it must look once more: room may have been made in between.
fn reserve<'a>(lane: &'a mpsc::Sender<Chunk>, room: &Room) -> Option<mpsc::Permit<'a, Chunk>> {
    lane.try_reserve().ok().or_else(|| {
        room.wait();
        lane.try_reserve().ok()
    })
}

fn note(board: &Board, watch: &Watch, generation: &Generation) {
    board.source(generation.id, |line| {
        if line.name.is_empty() {
            line.name = watch.path.display().to_string();
            line.group.clone_from(&watch.target.group);
            line.stream.clone_from(&watch.target.stream);
        }
        line.read = generation.offset;
        line.size = Some(generation.seen.size);
        line.last_error = None;
    });
}
