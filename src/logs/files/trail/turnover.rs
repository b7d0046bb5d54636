//! When the file at a path is another one than before: rotation, truncation, replacement, and what nobody saw of it.
//!
//! Old before new: whatever is found takes its place in the queue before the file that is at the path now.
use super::{
    Context, Place, Stand, Trail,
    between::{Ask, OVER},
    complaint::note,
};
use crate::{
    logs::files::{
        content,
        generation::{Generation, Start, open_regular},
        search,
    },
    model::{FileIdentity, FilePosition, Fingerprint, Position, SourceId, Timestamp},
    platform::files::{FileId, Stat},
    telemetry::counters,
};
use std::{
    fs::File,
    io::{self, ErrorKind},
    sync::Arc,
    time::Instant,
};

/// A generation that was cut short, whose copy was not found yet: its rotation goes on, or the copy is among those that
/// wait until more files may be opened. Its position is kept until then, for whoever comes after a crash.
#[derive(Debug)]
pub(super) struct Owed {
    pub id: SourceId,
    pub offset: u64,
    /// So many bytes were not read of it.
    missed: u64,
    pub found: bool,
    at: Instant,
}

impl Trail {
    /// Another file than before stands at the path.
    pub(super) fn arrive(&mut self, cx: &mut Context<'_>, stat: Stat) -> Result<(), (&'static str, io::Error)> {
        if let Some(holder) = cx.ledger.holder(&self.names.target, stat.id) {
            self.detach(cx.now);
            if holder == self.number {
                self.come_back(stat.id);
            } else {
                self.stand_aside(stat.id);
            }
            self.recovered(cx);
            return Ok(());
        }
        self.stand_aside_no_more();
        self.meet_home();
        let room = self.room(cx);
        if room == 0 {
            self.detach(cx.now);
            self.owe_all(cx);
            self.hold_back(cx);
            self.recovered(cx);
            return Ok(());
        }
        // First the handle, then the search: whatever was rotated away before this moment is found by it.
        let (file, stat) = self.open_at_path(cx.now).map_err(|e| ("cannot open the log file", e))?;
        if cx.ledger.holder(&self.names.target, stat.id).is_some() {
            return Ok(()); // It was replaced between the two looks; the next one sees to it.
        }
        self.detach(cx.now);
        let since = self.newest;
        let mut more = None;
        let taken = self.take_up_between(cx, Ask { since, at_most: room }).and_then(|others| {
            more = others;
            let moved_on = cx.ledger.holder(&self.names.target, stat.id).is_some();
            if more.is_some() || moved_on {
                // It was rotated away itself meanwhile, and found in its turn; or others come first, and it will be
                // found.
                return Ok(None);
            }
            let known = cx.ledger.known(&self.names, &file, &stat)?;
            let start = known.map_or(0, |known| known.up_to);
            let id = self.awaited.filter(|_| start == 0).unwrap_or_else(SourceId::unique);
            Generation::new(id, &self.names, file, stat, Start::At(start), cx.now).map(Some)
        });
        self.look_again_later(cx.now, since);
        match taken {
            Ok(Some(generation)) => {
                self.awaited = self.awaited.filter(|id| *id != generation.id);
                self.take_up(cx, generation);
            }
            Ok(None) => {
                self.newest = more.unwrap_or(since);
                match cx.ledger.room() {
                    0 => self.hold_back(cx),
                    _ => self.soon = true,
                }
                self.recovered(cx);
                return Ok(());
            }
            Err(error) => return Err(("cannot read the log file", error)),
        }
        self.stand = Stand::Following;
        self.newest = stat.modified.into();
        self.forget_awaited(cx);
        self.recovered(cx);
        Ok(())
    }

    /// Opens what was seen at the path. What is gone again is being renamed: that is no trouble, and nobody rests for it.
    pub(super) fn open_at_path(&self, now: Instant) -> io::Result<(File, Stat)> {
        open_regular(&self.watch.path).map_err(|error| match error.kind() {
            ErrorKind::NotFound if !self.is_impatient(now) => search::still_changing(),
            _ => error,
        })
    }

    /// The file at the path is one of ours that had been moved away.
    fn come_back(&mut self, id: FileId) {
        let is_it = |g: &Generation| g.file_id() == id;
        let back = match self.late.iter().position(is_it) {
            Some(index) => Some(self.late.remove(index)),
            None => self.queue.iter().position(is_it).and_then(|index| self.queue.remove(index)),
        };
        if let Some(mut generation) = back {
            generation.detached = None;
            self.queue.push_back(generation);
            self.stand = Stand::Following;
        }
    }

    fn stand_aside(&mut self, id: FileId) {
        if self.stand != Stand::Aside(id) {
            let (path, target) = (self.watch.path.display(), &self.names.target);
            tracing::warn!(%path, %target, "this file is already read for the same target by another item, or under another path: read once only, with the keys of that item");
            self.stand = Stand::Aside(id);
        }
    }

    pub(super) fn stand_aside_no_more(&mut self) {
        if matches!(self.stand, Stand::Aside(_)) {
            self.stand = Stand::Without;
        }
    }

    /// The file is gone from its path. Says whether that is news.
    pub(super) fn detach(&mut self, now: Instant) -> bool {
        if !self.is_following() {
            return false;
        }
        self.stand = Stand::Without;
        if let Some(last) = self.queue.back_mut() {
            last.detached = Some(now);
            self.last = vec![last.file_id()];
            let (path, offset) = (self.watch.path.display(), last.offset);
            if last.seen.links == 0 {
                tracing::info!(%path, offset, "the log file was deleted or replaced; reading it to its end");
            } else {
                counters::FILES_ROTATED.add(1);
                tracing::info!(%path, offset, "the log file was rotated away; reading it to its end");
            }
        }
        true
    }

    /// A generation becomes the last in the queue, and whoever keeps positions hears of it.
    pub(super) fn take_up(&mut self, cx: &mut Context<'_>, generation: Generation) {
        self.open(cx, &generation);
        self.queue_up(cx, generation);
    }

    /// A generation whose positions are kept already becomes the last in the queue.
    pub(super) fn queue_up(&mut self, cx: &mut Context<'_>, generation: Generation) {
        cx.ledger.hold(&self.names.target, generation.file_id(), self.number);
        self.queue.push_back(generation);
    }

    pub(super) fn open(&self, cx: &Context<'_>, generation: &Generation) {
        // First its line on the board: whoever keeps positions writes there how far it is delivered.
        note(cx.board, &self.watch, generation);
        cx.checkpoints.open(generation.id, generation.offset, Position::File(generation.position()));
    }

    /// A generation of which the file does not say any more what it said: its rest is looked for in a copy, and the
    /// file is read from its beginning as another generation.
    pub(super) fn begin_anew(&mut self, cx: &mut Context<'_>, place: Place) -> io::Result<()> {
        let attached = self.is_attached(place);
        let Some(old) = self.at(place) else { return Ok(()) };
        let (id, offset, size, detached) = (old.id, old.offset, old.seen.size, old.detached);
        let file = old.file().clone();
        let stat = file.stat()?;
        let mut fresh = Generation::new(SourceId::unique(), &self.names, file, stat, Start::At(0), cx.now)?;
        fresh.detached = detached;
        let mut copied = false;
        if let Some(old) = self.at_ref(place) {
            cx.ledger.truncated(old);
            copied = self.is_copied(old)?;
        }
        // Copies of this file that were delivered may be called as younger ones are.
        self.last.clear();
        // And what held nothing but what this one said was a copy of it.
        self.forget_likeness();
        let since = self.newest;
        let (older, more) = match attached {
            true => {
                let ask = Ask { since, at_most: cx.ledger.room() };
                self.between(cx, ask, &mut |of| copied |= of == id)?
            }
            false => Default::default(),
        };
        copied |= self.again.judged.values().any(|of| *of == Some(id)); // In another try.
        self.look_again_later(cx.now, since);
        // The copy's rest is the old generation's rest, under its id: what of it is still on its way stays its own.
        let own = older.iter().position(|unread| unread.known == Some(id) && unread.start == offset);
        let ids = (0..).map(|n| if Some(n) == own { id } else { SourceId::unique() });
        let copy = |(unread, id)| self.rotated(cx, id, unread);
        let rotated = older.into_iter().zip(ids).map(copy).collect::<io::Result<Vec<_>>>()?;
        counters::FILES_TRUNCATED.add(1);
        let path = self.watch.path.display();
        if copied {
            tracing::info!(%path, offset, "the log file was copied and cut short; reading on from its beginning");
        } else if attached {
            tracing::info!(%path, offset, "the log file was cut short; reading on from its beginning, and looking for its copy");
        } else {
            self.miss_copy(size.saturating_sub(offset), offset);
        }
        let owed = attached && !copied;
        if owed {
            self.owed.push(Owed { id, offset, missed: size.saturating_sub(offset), found: false, at: cx.now });
        }
        for copy in &rotated {
            cx.ledger.hold(&self.names.target, copy.file_id(), self.number);
            if copy.id != id {
                self.open(cx, copy);
            }
        }
        if attached {
            self.settle(cx, since, more);
        }
        self.open(cx, &fresh);
        if own.is_none() && !owed {
            cx.checkpoints.finish(id, offset);
            cx.board.forget(id);
        }
        match place {
            Place::Late(index) => self.late[index] = fresh,
            Place::Queue(index) => {
                self.queue[index] = fresh;
                for copy in rotated.into_iter().rev() {
                    self.queue.insert(index, copy);
                }
            }
        }
        Ok(())
    }

    /// Whether a copy of `old` is in hand as a file of its own: it was found when `old` was not known to say so much yet.
    fn is_copied(&self, old: &Generation) -> io::Result<bool> {
        let position = old.position();
        for other in self.queue.iter().chain(&self.late).filter(|_| content::is_telling(position.identity.head)) {
            // As it is now: it may have been opened while it was being written.
            let stat = other.file().stat()?;
            let long_enough = stat.id != old.file_id() && stat.size >= old.seen.size;
            if long_enough && content::goes_on(other.file(), &stat, &position)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn miss_copy(&self, missed: u64, offset: u64) {
        counters::BYTES_MISSED.add(missed);
        tracing::warn!(path = %self.watch.path.display(), offset, missed,
            "the log file was cut short and no copy is left; lines written just before that are missed");
    }

    /// All copies that there are have been looked at: what was owed to them is in hand, or missed, unless its rotation may go on.
    pub(super) fn settle_owed(&mut self, cx: &Context<'_>) {
        let is_over = |owed: &Owed| owed.found || cx.now.saturating_duration_since(owed.at) >= OVER;
        let (over, rest) = std::mem::take(&mut self.owed).into_iter().partition::<Vec<_>, _>(is_over);
        self.owed = rest;
        for Owed { id, offset, missed, found, .. } in over {
            if !found {
                self.miss_copy(missed, offset);
            }
            cx.checkpoints.finish(id, offset);
            cx.board.forget(id);
        }
    }

    /// Editors write a new file and put it in the old one's place: what it says already is not sent again. A file that
    /// was rotated away still has a name; its successor is another file even if it begins alike. So is a short one:
    /// sending it again costs little, and logs often begin alike.
    pub(super) fn go_on_after(&mut self, cx: &mut Context<'_>, done: &Generation) -> io::Result<()> {
        let telling = content::is_telling(done.position().identity.head);
        let replaced =
            self.is_following() && self.queue.len() == 1 && done.seen.links == 0 && done.offset > 0 && telling;
        let Some(next) = self.queue.back().filter(|next| replaced && next.offset == 0) else { return Ok(()) };
        let (old, file) = (next.id, next.file().clone());
        let stat = file.stat()?;
        if !content::goes_on(&file, &stat, &done.position())? {
            return Ok(());
        }
        let generation = Generation::new(SourceId::unique(), &self.names, file, stat, Start::At(done.offset), cx.now)?;
        self.take_up(cx, generation);
        self.queue.pop_front();
        cx.checkpoints.finish(old, 0);
        cx.board.forget(old);
        Ok(())
    }

    /// The first look found no file: whatever comes is new.
    pub(super) fn await_first(&mut self, cx: &Context<'_>) {
        self.begin_here(cx);
        self.first_look = None;
        self.await_next(cx);
    }

    /// Nothing is at the path: whatever comes, now or while we are away, begins at its beginning. That is saved.
    pub(super) fn await_next(&mut self, cx: &Context<'_>) {
        let id = *self.awaited.get_or_insert_with(SourceId::unique);
        self.note_absence(cx, id);
        cx.checkpoints.open(id, 0, Position::File(self.promise(self.new_since(cx.wall))));
    }

    /// The position of no file: whatever was written `since` then, and belongs to no other position, is to be read.
    pub(super) fn promise(&self, since: Timestamp) -> FilePosition {
        FilePosition {
            path: self.names.path.clone(),
            identity: FileIdentity { device: 0, inode: 0, head: Fingerprint::default() },
            offset: 0,
            before: Fingerprint::default(),
            target: self.names.target.clone(),
            modified: since,
            home: self.homes.first().map(|home| Arc::from(home.as_path())),
        }
    }

    /// Something else than the awaited file took its place.
    pub(super) fn forget_awaited(&mut self, cx: &Context<'_>) {
        if let Some(id) = self.awaited.take() {
            cx.checkpoints.finish(id, 0);
            cx.board.forget(id);
        }
    }
}
