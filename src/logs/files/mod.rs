//! Plain files, followed through rotation, truncation and restarts, without losing a line.
//!
//! ```text
//! run         the tail thread: sleeps, is woken, stops; gathers hints
//! watching    which folders the watcher hints at
//! tailer      all paths: whose turn it is, whose lane is full
//!   waking      files that patterns match: when they get a trail, and when they lose it
//! discovery   which files a pattern means, now and later
//! trail       one path: its generations, oldest first; the states of both
//!   reading   whose turn it is                          complaint       what keeps a path from being read
//!   turnover  when another file stands at the path      resume, claims  where earlier runs stopped
//! generation  one file: an open handle and an offset    lines           bytes to events
//! ledger      who reads which file, what was read       search          rotated files beside a log, amid a rotation
//! begun       a line that an earlier run stopped within
//! content     knowing a file again by what it says      siblings        what rotated files are called
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
mod ledger;
mod lines;
mod run;
mod search;
mod siblings;
mod tailer;
#[cfg(test)]
mod tests;
mod trail;
mod watching;

use crate::{
    config::settings::{Filter, Pick, Selection},
    model::Target,
};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

pub use discovery::{Avoid, Scanner, find};
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
    pub filter: Filter,
    /// Where a file begins that the very first look finds. Files that appear later always begin at their beginning.
    pub from_beginning: bool,
}

/// By what a generation is known outside: its configured path and the target that it goes to.
#[derive(Clone, Debug)]
struct Names {
    path: Arc<Path>,
    /// [`Watch::target_key`].
    target: Arc<str>,
    /// Where the path led to, if it is a link.
    home: Option<Arc<Path>>,
}

impl Watch {
    /// What stands for the target in a saved position, which nobody takes apart again. No group's name holds a colon.
    fn target_key(&self) -> String {
        let Target { group, stream, .. } = self.target.as_ref();
        match (&self.known_as, &self.selection) {
            (Some(known_as), _) => known_as.to_string(),
            (None, Selection::This) => format!("{group}:{stream}"),
            // The path tells the rest. No stream's name holds a star.
            (None, Selection::Matching(rule)) => match rule.pick {
                Pick::Newest => format!("{group}:{stream}"),
                Pick::EachToItsStream => format!("{group}:{stream}*"),
                Pick::EachToItsGroup => format!("*:{stream}"),
            },
        }
    }

    fn names(&self) -> Names {
        Names { path: Arc::from(self.path.as_path()), target: Arc::from(self.target_key()), home: None }
    }
}
