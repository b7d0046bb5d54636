//! Plain files, followed through rotation, truncation and restarts, without losing a line.
//!
//! ```text
//! run         the tail thread: sleeps, is woken, stops; gathers hints
//! watching    which folders the watcher hints at
//! tailer      all paths: whose turn it is, whose lane is full
//!   joining     how items come, and which saved positions they get
//!   waking      files that patterns match: when they get a trail, and when they lose it
//! discovery   which files a pattern means, now and later
//! trail       one path: its generations, oldest first; the states of both
//!   reading   whose turn it is                          complaint       what keeps a path from being read
//!   turnover  when another file stands at the path      resume, claims  where earlier runs stopped
//! generation  one file: an open handle and an offset    logs::lines     bytes to events: lines, groups of lines
//! ledger      who reads which file, what was read       search          rotated files beside a log, amid a rotation
//! begun       a line that an earlier run stopped within
//! content     knowing a file again by what it says      siblings        what rotated files are called
//! handle      an open file, plain or compressed         packed          the text of a compressed one
//! ```
//!
//! It owns which bytes were handed on; which of them arrived is known to whoever keeps positions
//! (`model::Checkpoints`). It owns nothing that waits: when a lane is full the data stays in its file, whose handle is
//! kept, also when the file is rotated away or deleted, until all of it was read. What fails is tried again at the same
//! offset.
//!
//! A file that is named exactly has its trail for ever. One that a pattern matches has it while there is something to do.
//!
//! All work is in [`Tailer::turn`], which takes the time as an argument; [`run()`] is the loop around it.
mod begun;
mod content;
mod discovery;
mod generation;
mod handle;
mod ledger;
mod packed;
mod run;
mod search;
mod siblings;
mod tailer;
#[cfg(test)]
mod tests;
mod trail;
mod watching;

use super::lines;
use crate::{
    config::settings::{Pick, Selection, text::TextRules},
    model::{FileIdentity, FilePosition, Fingerprint, Target},
    platform::files::{FileId, Stat},
};
use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

pub(super) use content::{Bytes, is_part_of};
pub use discovery::{Avoid, Roster, Scanner, find};
pub(super) use generation::open_regular;
pub(super) use handle::Handle;
pub use run::{Wake, run};
pub use tailer::Tailer;

/// One file to follow, or the files that match a pattern.
#[derive(Clone, Debug)]
pub struct Watch {
    /// Of the file; or the pattern, as it is written.
    pub path: PathBuf,
    /// Which files are meant.
    pub selection: Selection,
    /// Where they go; of files that go to a target each, what their names begin with.
    pub target: Arc<Target>,
    /// By what saved positions know the target of one of many files; `None`: by its group and stream.
    pub known_as: Option<Arc<str>>,
    /// What becomes of its text.
    pub text: Arc<TextRules>,
    /// Where a file begins that the very first look finds. Files that appear later always begin at their beginning.
    pub from_beginning: bool,
}

/// An item whose target is not known yet. What may have been saved by it is kept for it.
#[derive(Clone, Debug)]
pub struct Awaited {
    /// [`Watch::path`].
    pub path: PathBuf,
    /// [`Watch::selection`].
    pub selection: Selection,
    /// With [`Self::UNKNOWN`] in the place of each value, known or not: it may have been another one in an earlier run.
    pub target: Target,
}

impl Awaited {
    /// Stands in no name.
    pub const UNKNOWN: char = '\0';

    fn target_key(&self) -> String {
        target_key(&self.target, &self.selection)
    }
}

/// Items that a tailer is to follow; [`Roster::items`] makes them ready.
#[derive(Debug)]
pub struct Items {
    watches: Vec<Watch>,
    awaited: Vec<Awaited>,
    /// For each pattern among the watches, in their order.
    looks: Vec<Vec<discovery::Look>>,
}

/// The same rules where nobody waits: the last event of a file is complete if nothing follows it now.
pub fn in_one_round(text: &Arc<TextRules>) -> Arc<TextRules> {
    Arc::new(TextRules { multi_line_timeout: Duration::ZERO, ..text.as_ref().clone() })
}

/// How often everything is looked at, hints or not.
const POLL: Duration = Duration::from_secs(3);
/// How often when no hints can be had.
const POLL_UNHINTED: Duration = Duration::from_secs(1);
/// A rotated or deleted file that was read to its end is looked at until it was quiet for so long.
const LATE: Duration = Duration::from_secs(60);
/// The coarsest clock by which a file system dates a folder (FAT: two seconds).
const TICK: Duration = Duration::from_secs(2);

/// A file as a look found it.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
struct Seen {
    id: FileId,
    size: u64,
    modified: SystemTime,
}

impl From<Stat> for Seen {
    fn from(stat: Stat) -> Self {
        Self { id: stat.id, size: stat.size, modified: stat.modified }
    }
}

/// By what a generation is known outside: its configured path and the target that it goes to; and how it is read.
#[derive(Clone, Debug)]
struct Names {
    path: Arc<Path>,
    /// [`Watch::target_key`].
    target: Arc<str>,
    /// Where the path led to, if it is a link.
    home: Option<Arc<Path>>,
    /// [`Watch::text`].
    text: Arc<TextRules>,
}

impl Watch {
    /// What stands for the target in a saved position, which nobody takes apart again. No group's name holds a colon.
    fn target_key(&self) -> String {
        let known_as = self.known_as.as_ref().map(ToString::to_string);
        known_as.unwrap_or_else(|| target_key(&self.target, &self.selection))
    }

    fn names(&self) -> Names {
        let path = Arc::from(self.path.as_path());
        let target = self.known_as.clone().unwrap_or_else(|| Arc::from(self.target_key()));
        Names { path, target, home: None, text: self.text.clone() }
    }
}

/// What stands in a saved position for the target of an item with this selection.
pub fn target_key(target: &Target, selection: &Selection) -> String {
    let Target { group, stream, .. } = target;
    match selection {
        Selection::This => format!("{group}:{stream}"),
        // The path tells the rest. No stream's name holds a star.
        Selection::Matching(rule) => match rule.pick {
            Pick::Newest => format!("{group}:{stream}"),
            Pick::EachToItsStream => format!("{group}:{stream}*"),
            Pick::EachToItsGroup => format!("*:{stream}"),
        },
    }
}

/// Opens what lies at `path`, beside a log that is called `base`, if it is named as rotation tools name earlier
/// generations of that, and its lines can be read: as they were written, or through gzip. Its time is that of the text.
///
/// # Errors
/// What the file system says, and `InvalidInput` where no regular file is.
pub(super) fn open_rotated(base: &str, path: &Path) -> io::Result<Option<(Handle, Stat)>> {
    let name = siblings::name(path);
    let (plain, packed) = siblings::unpacked(&name).map_or((&*name, false), |plain| (plain, true));
    let is_named = siblings::is_rotation(base, plain) || packed && plain == base;
    if !is_named || siblings::is_packed(plain) {
        return Ok(None);
    }
    let (file, stat) = generation::open_regular(path)?;
    let file = Handle::of(file, packed)?;
    let modified = file.modified(&stat);
    Ok(Some((file, Stat { modified, ..stat })))
}

/// The position at `offset` of a file that is configured as `path`, for any target.
pub(super) fn position_in(file: &Handle, stat: &Stat, path: &Path, offset: u64) -> io::Result<FilePosition> {
    let head = Fingerprint::of(&content::bytes(file, 0, content::HEAD)?);
    Ok(FilePosition {
        path: path.into(),
        identity: FileIdentity { device: stat.id.device, inode: stat.id.inode, head },
        offset,
        before: Fingerprint::of(&content::before(file, offset)?),
        target: Arc::default(),
        modified: stat.modified.into(),
        home: siblings::home(path).map(Arc::from),
    })
}
