//! Who reads which file now, and which files were read to their end in this run.
//!
//! Shared by all paths: one file under two names is read once per target, and a file that was dealt with under one name
//! is not sent again under another (`app.log.1` watched beside `app.log`, a copy that rotation made).
use super::{
    Names,
    content::{self, Bytes, Marks},
    generation::Generation,
    packed::is_same_moment,
};
use crate::{
    model::{FilePosition, SourceId, Timestamp},
    platform::files::{FileId, Stat},
};
use std::{
    collections::{HashMap, HashSet, VecDeque},
    io,
    path::Path,
    sync::Arc,
};

/// Who holds a file that is at rest: no path's number.
pub(super) const RESTING: usize = usize::MAX;

/// How many finished generations are remembered.
const REMEMBERED: usize = 1024;

/// How much of a file was already read, under whatever name.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Known {
    pub of: SourceId,
    pub up_to: u64,
}

#[derive(Debug)]
pub(super) struct Ledger {
    held: HashMap<(Arc<str>, FileId), usize>,
    /// Delivered, not open, and not to be taken for a file that nobody knows.
    resting: HashSet<(Arc<str>, FileId)>,
    done: VecDeque<Finished>,
    /// How many files may be held open.
    pub most: usize,
    /// That there are too many was said.
    told: bool,
}

#[derive(Debug)]
struct Finished {
    id: SourceId,
    position: FilePosition,
    marks: Marks,
    end: End,
}

/// What became of a generation's file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum End {
    Read,
    /// Read, and deleted; what it said may stand in a compressed file.
    Deleted,
    /// It was cut short; what it said may stand in a copy.
    CutShort,
}

impl Ledger {
    /// Nobody reads anything yet; `most` files may be held open.
    pub fn new(most: usize) -> Self {
        Self { held: HashMap::new(), resting: HashSet::new(), done: VecDeque::new(), most, told: false }
    }

    /// How many more files may be held open.
    pub fn room(&self) -> usize {
        self.most.saturating_sub(self.held.len())
    }

    /// Not all generations of `path` can be held open: said once, and again when it comes back.
    pub fn crowded(&mut self, path: &Path) {
        if !std::mem::replace(&mut self.told, true) {
            tracing::warn!(path = %path.display(), open = self.held.len(),
                "more rotated log files wait than may be held open: the younger ones are found by their names when their turn comes; \
                raise the limit of open files (LimitNOFILE= in the unit, ulimit -n) if rotated files are soon removed, or compressed by other tools than gzip");
        }
    }

    /// The path number `trail` reads this file for this target.
    pub fn hold(&mut self, target: &Arc<str>, file: FileId, trail: usize) {
        self.held.insert((target.clone(), file), trail);
    }

    /// Which path's number reads this file for this target.
    pub fn holder(&self, target: &Arc<str>, file: FileId) -> Option<usize> {
        let key = (target.clone(), file);
        self.held.get(&key).copied().or_else(|| self.resting.contains(&key).then_some(RESTING))
    }

    /// This file is at rest.
    pub fn rest(&mut self, target: &Arc<str>, file: FileId) {
        self.resting.insert((target.clone(), file));
    }

    /// This file is not at rest any more.
    pub fn unrest(&mut self, target: &Arc<str>, file: FileId) {
        self.resting.remove(&(target.clone(), file));
    }

    /// Nobody reads this file for this target any more.
    pub fn release(&mut self, target: &Arc<str>, file: FileId) {
        self.held.remove(&(target.clone(), file));
        self.told &= self.held.len() > self.most / 2;
    }

    /// A generation was read to its end and its file is still there.
    pub fn finished(&mut self, generation: &Generation) {
        self.remember(generation, End::Read);
    }

    /// A generation was read to its end, and its file is gone: deleted, or compressed.
    pub fn removed(&mut self, generation: &Generation) {
        self.remember(generation, End::Deleted);
    }

    /// A generation was cut short; what it said may stand in a copy.
    pub fn truncated(&mut self, generation: &Generation) {
        self.remember(generation, End::CutShort);
    }

    /// What is known of a file that nobody holds.
    ///
    /// It is known when it is a file that was read, or says what a file said that has been cut short since. Short logs
    /// often begin alike: those are believed only when nothing was written since, or when the copy is looked for at
    /// this moment. A compressed file is known when it says what a file said that was read to its end.
    pub fn known(&self, names: &Names, file: &impl Bytes, stat: &Stat) -> io::Result<Option<Known>> {
        let mut newest = true;
        for Finished { id, position, marks, end } in self.done.iter().rev() {
            let truncated = *end == End::CutShort;
            let (at_path, identity) = (*position.path == *names.path, &position.identity);
            if *position.target != *names.target || identity.head.length == 0 {
                continue;
            }
            let same_file = (identity.device, identity.inode) == (stat.id.device, stat.id.inode);
            let twin = file.is_packed() && at_path && !same_file && !truncated;
            if *end == End::Deleted && !twin {
                continue;
            }
            let unchanged = same_file && position.modified == Timestamp::from(stat.modified);
            let all = || stat.size == position.offset && is_same_moment(stat, position.modified);
            let credible =
                content::is_telling(identity.head) || if truncated { newest } else { unchanged || twin && all() };
            newest &= !at_path;
            if !credible || !twin && truncated == same_file || !(same_file || at_path) {
                continue;
            }
            if content::goes_on(file, stat, position)? {
                return Ok(Some(Known { of: *id, up_to: position.offset }));
            }
            let shorter = truncated && stat.size < position.offset && content::begins(file, identity.head)?;
            if shorter && marks.know(file, stat.size, identity.head)? {
                return Ok(Some(Known { of: *id, up_to: stat.size }));
            }
        }
        Ok(None)
    }

    fn remember(&mut self, generation: &Generation, end: End) {
        if self.done.len() == REMEMBERED {
            self.done.pop_front();
        }
        let (id, position, marks) = (generation.id, generation.position(), generation.marks().clone());
        self.done.push_back(Finished { id, position, marks, end });
    }
}
