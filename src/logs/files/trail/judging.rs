//! What a search found beside the path: which of it nobody has read.
//!
//! A compressed file is another file than its original, and often younger. It is told by its text: one that says what a
//! generation said that is in hand, or was read to its end in this run, holds nothing new. Short ones may say the same by
//! chance; there the time must fit as well, which compressing does not change.
use super::{Context, Trail, between::Ask};
use crate::{
    logs::files::{
        Seen,
        content::{self, Bytes as _},
        generation::{Generation, Start},
        handle::Handle,
        packed::is_same_moment,
        search::{Opened, Search},
        siblings,
    },
    model::{SourceId, Timestamp},
    platform::files::Stat,
};
use std::{io, path::PathBuf, sync::Arc};

/// What is compared with a file that we hold before it is called a copy; repeating a shorter one costs little.
const WORTH_COMPARING: u64 = 256;

/// A file that nobody read yet, and where its unread part begins.
pub(super) struct Unread {
    /// Whose content it begins with, if that was read.
    pub known: Option<SourceId>,
    pub path: PathBuf,
    pub file: Handle,
    pub stat: Stat,
    pub start: u64,
}

impl Trail {
    /// Files named like rotated generations that hold what nobody read, oldest first, and since when there are more
    /// than may be opened. `copies` hears of whom each known one is a copy.
    pub(super) fn between(
        &mut self,
        cx: &Context<'_>,
        ask: Ask,
        copies: &mut dyn FnMut(SourceId),
    ) -> io::Result<(Vec<Unread>, Option<Timestamp>)> {
        let (places, anyway) = (self.places(), self.is_impatient(cx.now));
        // Only an open file is surely still the one that it was.
        let open = self.queue.iter().chain(&self.late).map(Generation::file_id);
        let newest: Vec<_> = open.filter(|id| self.last.contains(id)).collect();
        // While a compressed file is waited for, nobody holds what comes to the path: it may be gone by then.
        let unnamed = self.queue.iter().chain(&self.late).filter(|generation| generation.seen.links == 0);
        let in_hand: Vec<_> = unnamed.map(|generation| generation.seen.modified).collect();
        let search =
            Search { places: &places, newest: &newest, any_name: false, in_hand: &in_hand, anyway, wall: cx.wall };
        let found = search.open(ask.at_most, &|sibling| {
            let as_it_is = Seen::from(sibling.stat);
            cx.ledger.holder(&self.names.target, sibling.stat.id).is_none()
                && !sibling.older
                && (sibling.younger || Timestamp::from(sibling.stat.modified) >= ask.since)
                && !self.strangers.contains(&as_it_is)
                && !self.twins.contains(&as_it_is)
                && !self.again.judged.contains_key(&as_it_is)
                && !self.is_watched(cx, &sibling.path)
                && !(sibling.packed && self.is_watched(cx, &sibling.path.with_extension("")))
        })?;
        if anyway {
            tracing::warn!(path = %self.watch.path.display(),
                "the rotated files beside this log are renamed without a pause: reading on with those that were found");
        }
        self.changing = None;
        self.again.incomplete = found.passed_over;
        let mut unread = Vec::new();
        for Opened { path, file, stat: listed, younger } in found.opened {
            let as_it_is = Seen::from(listed);
            if !younger && Timestamp::from(file.modified(&listed)) < ask.since {
                self.meet_twin(as_it_is);
                continue;
            }
            let stat = if file.is_packed() { file.stat()? } else { listed };
            if file.is_packed() && stat.size == 0 {
                if let Some(error) = file.fault() {
                    tracing::warn!(path = %path.display(), %error, "nothing of this compressed log file can be read");
                }
                self.again.judged.insert(as_it_is, None);
                continue;
            }
            let known = cx.ledger.known(&self.names, &file, &stat)?;
            if let Some(known) = known {
                copies(known.of);
                self.owed.iter_mut().filter(|owed| owed.id == known.of).for_each(|owed| owed.found = true);
            }
            let start = known.map_or(0, |known| known.up_to);
            if let Some(known) = known.filter(|_| start >= stat.size) {
                self.again.judged.insert(as_it_is, Some(known.of));
                if file.is_packed() {
                    self.meet_twin(as_it_is);
                }
                continue;
            }
            if self.holds_all_of(&file, &stat)? {
                self.again.judged.insert(as_it_is, None);
                if file.is_packed() {
                    self.meet_twin(as_it_is);
                }
                continue;
            }
            unread.push(Unread { known: known.map(|known| known.of), path, file, stat, start });
        }
        let more = found.more.then(|| found.up_to.map_or(ask.since, Timestamp::from));
        Ok((unread, more))
    }

    /// A compressed file holds what was dealt with: it is not new, neither now nor after a restart.
    fn meet_twin(&mut self, twin: Seen) {
        let newest = self.newest;
        self.twins.retain(|known| *known != twin && Timestamp::from(known.modified) >= newest);
        self.twins.push(twin);
    }

    /// Whether a file is a copy of what a generation in hand says: rotation has copied it and left the original alone, or has
    /// compressed it.
    fn holds_all_of(&self, file: &Handle, stat: &Stat) -> io::Result<bool> {
        for generation in self.queue.iter().chain(&self.late) {
            let whole = generation.file();
            let length = if file.is_packed() { whole.stat()?.size } else { generation.seen.size };
            let twin = file.is_packed() && stat.size == length && is_same_moment(stat, generation.modified());
            if (stat.size >= WORTH_COMPARING || twin)
                && stat.size <= length
                && content::is_part_of(file, stat.size, whole)?
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// A generation that is not at the path.
    pub(super) fn rotated(&self, cx: &Context<'_>, id: SourceId, unread: Unread) -> io::Result<Generation> {
        let Unread { path: found, file, stat, start, .. } = unread;
        let mut names = self.names.clone();
        if siblings::folder(&found) != siblings::folder(&self.watch.path) {
            names.home = Some(Arc::from(found.as_path()));
        }
        let mut generation = Generation::new(id, &names, file, stat, Start::At(start), cx.now)?;
        generation.detached = Some(cx.now);
        if start == 0 || generation.drained() {
            generation.file().relax();
        }
        let (path, found) = (self.watch.path.display(), found.display());
        if let Some(error) = generation.file().fault() {
            tracing::warn!(%path, %found, readable = stat.size, %error,
                "this compressed log file is damaged or not complete: it is read as far as that goes; \
                lines behind that are missed, unless it is still being written");
        }
        tracing::info!(%path, %found, offset = start, "reading a rotated log file first");
        Ok(generation)
    }
}
