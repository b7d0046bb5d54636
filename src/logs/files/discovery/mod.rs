//! Which files a pattern means, now and later.
//!
//! ```text
//! scanner   a thread for each root: when it looks, what it tells, whether it hangs
//! tree      one pattern below one root: the folders that can hold a match, and what was seen in them
//! family    one item with a pattern: each match with what is known of it; which ones are to be read
//!   newest      which file is read where only the newest is
//!   positions   where earlier runs stopped        settling    renamed files and copies under names that match
//!   waiting     whose turn to be read is next
//! ```
//!
//! Scanners only look: a folder is read when its time says that names in it came or went, a file is asked for its size
//! when a hint names it, or seldom. They tell the tail thread what is different, so that a mount that hangs holds up
//! nobody but its own patterns. The tail thread decides (`family`), and reads through a [`Trail`](super::trail) for each
//! file that has something to say. A file at rest has none: it costs an entry here, and its saved position. To wake it
//! is to start its trail as after a restart.
pub(super) mod family;
mod newest;
mod positions;
mod scanner;
mod settling;
#[cfg(test)]
mod tests;
mod tree;
mod waiting;

pub(super) use scanner::{Inbox, Look, Scanners};
pub use scanner::{Roster, Scanner, find};

use super::Seen;
use crate::{config::settings::Selection, platform::files::FileId};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

/// What no pattern may match.
#[derive(Clone, Debug, Default)]
pub struct Avoid {
    /// The state folder.
    pub state: Option<PathBuf>,
    /// The daemon's own log, where each line sent would make it write another one.
    pub own_log: Option<PathBuf>,
}

impl Avoid {
    /// Whether an item may run; what it may not have is said. A pattern runs without the daemon's own log.
    pub fn allows(&self, path: &Path, selection: &Selection) -> bool {
        let Some(own) = &self.own_log else { return true };
        let (told, runs) = match selection {
            Selection::This => (path == own, path != own),
            Selection::Matching(rule) => (rule.glob.matches(own), true),
        };
        if told {
            tracing::warn!(item = %path.display(), own_log = %own.display(),
                "the daemon's own log is not followed while it is written with `debug`: every line sent would make another one");
        }
        runs
    }
}

/// What is different since the last look. `family` is the number of an item.
#[derive(Debug)]
pub(super) enum News {
    /// A match that is new or not as it was.
    Seen { family: usize, path: Arc<Path>, seen: Seen },
    /// No file is there any more.
    Gone { family: usize, path: Arc<Path> },
    /// Everything below one of its roots has been looked at once.
    Listed { family: usize },
    /// A folder that can hold matches is there, or not any more.
    Folder { path: PathBuf, there: Option<FileId> },
    /// A match that two items mean for the same streams, once for two items: `reader` has it, with its keys, and `other` leaves it. By their
    /// JSON paths. `said`: whoever read the configuration said so.
    Shared { family: usize, path: PathBuf, reader: String, other: String, said: bool },
    /// A folder cannot be looked into, or can be again.
    Trouble { family: usize, path: PathBuf, why: Option<String> },
}
