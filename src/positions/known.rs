//! What is known of each source, and what of that the disk does not know yet.
use super::{
    progress::Progress,
    record::{self, Entry},
};
use crate::model::{Cover, Position, SourceId, Timestamp};
use std::{
    collections::{BTreeMap, BTreeSet},
    vec,
};

/// What is acknowledged waits for the lazy pace only up to so many units (bytes of files): a crash sends it twice.
const MUCH: u64 = 64 * 1024;
/// A unit of other sources is an entry; few are smaller.
const ENTRY: u64 = 256;
/// So many bytes of a batch are made at once.
const PART: usize = 64 * 1024;
/// Few records are longer.
const ROOM: usize = 512;

/// All sources.
#[derive(Default)]
pub(super) struct Known {
    /// Each in a place of its own: a tree leaves half of its places empty.
    sources: BTreeMap<SourceId, Box<Source>>,
    /// Those that stand elsewhere than the file says.
    changed: BTreeSet<SourceId>,
    /// The numbers of those that are forgotten and still in the file.
    gone: Vec<u64>,
    /// The highest number that was ever given.
    highest: u64,
    /// Acknowledged since the last write, in bytes.
    weight: u64,
    /// Something should be written as soon as the pace allows.
    pub pressing: bool,
    /// This run has written all sources once.
    begun: bool,
    /// The next write should hold all sources, changed or not.
    pub unsaved: bool,
    /// Whether the last write failed.
    pub is_failing: bool,
}

/// One source, opened in this run or only remembered.
struct Source {
    /// Its name in the file, also of later runs.
    number: u64,
    progress: Progress,
    opened: bool,
    /// When it was last open in any run.
    seen: Timestamp,
    /// What [`record::stands`] gave for it. `None`: the current file does not name it.
    written: Option<u64>,
    /// The unit up to which it is acknowledged by what is on the disk.
    saved: Option<u64>,
    /// Something of it was acknowledged in this run.
    moved: bool,
}

/// What is to be written, all of it as it stood at one moment: who opens a new source before the old one is finished relies
/// on a file that never knows of the second without the first.
pub(super) struct Batch {
    pub all: bool,
    now: Timestamp,
    /// What is still to be put into words.
    left: vec::IntoIter<Stand>,
    /// The same for the numbers of those that are forgotten: after all others.
    left_gone: vec::IntoIter<u64>,
    taken: Vec<Taken>,
    gone: Vec<u64>,
    begun: bool,
}

/// Where a source stood.
struct Stand {
    id: SourceId,
    number: u64,
    /// [`Source::written`], as far as this batch may refer to it.
    known: Option<u64>,
    seen: Timestamp,
    position: Position,
    reached: u64,
}

struct Taken {
    id: SourceId,
    number: u64,
    /// `None`: it cannot be written.
    written: Option<u64>,
    reached: u64,
}

impl Batch {
    /// The next part, in words.
    pub fn part(&mut self) -> Option<Vec<u8>> {
        let mut bytes = Vec::with_capacity((PART + ROOM).min((self.left.len() + self.left_gone.len() + 1) * ROOM));
        if !std::mem::replace(&mut self.begun, true) && self.all {
            record::begin(&mut bytes, self.left.len(), self.now);
        }
        while bytes.len() < PART {
            if let Some(Stand { id, number, known, seen, position, reached }) = self.left.next() {
                let written = record::stands(&mut bytes, number, known, seen, &position, self.has_more());
                self.taken.push(Taken { id, number, written, reached });
            } else if let Some(number) = self.left_gone.next() {
                record::gone(&mut bytes, number, self.now, self.has_more());
            } else {
                break;
            }
        }
        (!bytes.is_empty()).then_some(bytes)
    }

    /// Whether another record is to come. Those of a new file count together anyway.
    fn has_more(&self) -> bool {
        !self.all && self.left.len() + self.left_gone.len() > 0
    }
}

impl Known {
    /// What earlier runs left.
    pub fn of(entries: impl IntoIterator<Item = (u64, Entry)>, highest: u64) -> Self {
        let source = |(number, Entry { seen, position })| {
            let progress = Progress::at(0, position);
            let source = Source { number, progress, opened: false, seen, written: None, saved: None, moved: false };
            (SourceId::unique(), Box::new(source))
        };
        Self { sources: entries.into_iter().map(source).collect(), highest, ..Self::default() }
    }

    pub fn len(&self) -> usize {
        self.sources.len()
    }

    /// Positions that no source has opened.
    pub fn unopened(&self) -> impl Iterator<Item = (SourceId, &Position)> {
        let unopened = self.sources.iter().filter(|(_, source)| !source.opened);
        unopened.map(|(id, source)| (*id, source.progress.position()))
    }

    /// The positions of all sources, opened or not.
    pub fn positions(&self) -> impl Iterator<Item = &Position> {
        self.sources.values().map(|source| source.progress.position())
    }

    /// A source that is read from here on, or one that is only remembered.
    pub fn put(&mut self, id: SourceId, start: u64, position: Position, opened: bool, seen: Timestamp) {
        let before = self.sources.remove(&id);
        let (number, written) = before.map_or_else(
            || {
                self.highest += 1;
                (self.highest, None)
            },
            |before| (before.number, before.written),
        );
        let progress = Progress::at(start, position);
        self.sources
            .insert(id, Box::new(Source { number, progress, opened, seen, written, saved: None, moved: false }));
        self.changed.insert(id);
        self.pressing = true;
    }

    /// Takes one cover of an opened source. `Some`: the unit that it has reached now, if it moved.
    pub fn acknowledge(&mut self, cover: &Cover) -> Option<u64> {
        let Some(source) = self.sources.get_mut(&cover.source).filter(|source| source.opened) else {
            tracing::debug!(source = ?cover.source, "acknowledged after its source was forgotten");
            return None;
        };
        let before = source.progress.reached();
        if !source.progress.acknowledge(cover) {
            return None;
        }
        let reached = source.progress.reached();
        let of_files = matches!(source.progress.position(), Position::File(_));
        self.weight = self.weight.saturating_add((reached - before).saturating_mul(if of_files { 1 } else { ENTRY }));
        // The first of a run does not wait for the lazy pace: whoever is killed again and again gets on all the same.
        self.pressing |= self.weight >= MUCH || !std::mem::replace(&mut source.moved, true);
        self.changed.insert(cover.source);
        Some(reached)
    }

    /// Nothing comes after `end`. Whether the source can be forgotten: nobody reads what was never opened, so nothing of
    /// it will ever be acknowledged.
    pub fn finish(&mut self, id: SourceId, end: u64) -> bool {
        let Some(source) = self.sources.get_mut(&id) else { return false };
        source.progress.finish(end);
        !source.opened || source.progress.finished()
    }

    pub fn is_finished(&self, id: SourceId) -> bool {
        self.sources.get(&id).is_some_and(|source| source.progress.finished())
    }

    pub fn forget(&mut self, id: SourceId) {
        self.changed.remove(&id);
        match self.sources.remove(&id) {
            Some(source) if source.written.is_some() => self.gone.push(source.number),
            // It may stand in what an earlier run wrote.
            Some(_) => self.unsaved |= !self.begun,
            None => {}
        }
        self.pressing = true;
    }

    /// The unit up to which the disk knows that all of an open source is acknowledged. While nothing can be written, what is
    /// not on the disk counts too: room may have to be made there.
    pub fn saved_up_to(&self, id: SourceId) -> Option<u64> {
        let source = self.sources.get(&id).filter(|source| source.opened)?;
        if self.is_failing { Some(source.progress.reached()) } else { source.saved }
    }

    /// Up to which unit all of an open source is acknowledged, and where that is.
    pub fn delivered(&self, id: SourceId) -> Option<(u64, Position)> {
        let source = self.sources.get(&id).filter(|source| source.opened)?;
        Some((source.progress.reached(), source.progress.position().clone()))
    }

    /// Whether there is anything to write.
    pub fn has_news(&self) -> bool {
        self.unsaved || !self.changed.is_empty() || !self.gone.is_empty()
    }

    /// What is to be written now. It counts as written until [`Known::failed`] gives it back. Sources that are open count as
    /// seen.
    pub fn take(&mut self, all: bool, now: Timestamp) -> Batch {
        let changed = std::mem::take(&mut self.changed);
        (self.weight, self.pressing) = (0, false);
        self.unsaved &= !all;
        let stand = |(id, source): (&SourceId, &mut Box<Source>)| {
            if source.opened {
                source.seen = now;
            }
            let known = source.written.filter(|_| !all);
            let (position, reached) = (source.progress.position().clone(), source.progress.reached());
            Stand { id: *id, number: source.number, known, seen: source.seen, position, reached }
        };
        let left: Vec<_> = match all {
            true => self.sources.iter_mut().map(stand).collect(),
            false => changed.iter().filter_map(|id| Some(stand((id, self.sources.get_mut(id)?)))).collect(),
        };
        let (taken, gone) = (Vec::with_capacity(left.len()), std::mem::take(&mut self.gone));
        // A new file does not name them at all.
        let left_gone = if all { Vec::new() } else { gone.clone() };
        Batch { all, now, left: left.into_iter(), left_gone: left_gone.into_iter(), taken, gone, begun: false }
    }

    /// The batch is on the disk.
    pub fn written(&mut self, batch: Batch) {
        self.begun |= batch.all;
        for Taken { id, number, written, reached } in batch.taken {
            match self.sources.get_mut(&id) {
                Some(source) => {
                    source.written = written.or(source.written.filter(|_| !batch.all));
                    source.saved = Some(reached);
                }
                // Forgotten while it was being written.
                None if written.is_some() && !self.gone.contains(&number) => self.gone.push(number),
                None => {}
            }
        }
    }

    /// The batch is not on the disk, or nobody knows.
    pub fn failed(&mut self, batch: Batch) {
        self.unsaved |= batch.all;
        self.gone.extend(batch.gone);
        let there = |id: &SourceId| self.sources.contains_key(id);
        let ids = batch.taken.iter().map(|taken| taken.id).chain(batch.left.map(|stand| stand.id));
        self.changed.extend(ids.filter(there));
    }
}
