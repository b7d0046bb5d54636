//! Where other programs stopped reading: the state of the CloudWatch Agent and of its predecessor `awslogs`, made into
//! positions of ours, so that who comes from there neither sends everything again nor misses a line.
//!
//! Owned here: what their files look like ([`agent`], [`awslogs`]), and whether what they say still fits the log files.
//! Left to others: which files are wanted and for which targets, whether a file has a position of ours already, that it
//! is done only once (`daemon`), and that the positions are kept (`positions`). Their files are only read.
//!
//! Neither program says which file it read in a way that proves it: the agent knows a path only. So an offset is taken
//! over only if the file is older than what was said of it, is long enough, and has a line end just before the offset.
//! If not, the file was rotated since: the rotated one is looked for beside it, compressed by gzip or not, and read on;
//! the file at the path then begins at its beginning ([`choice`]). What cannot be told is read again rather than missed.
pub mod agent;
pub mod awslogs;
mod choice;
#[cfg(test)]
mod tests;

use super::files::{Bytes as _, Handle, open_regular, open_rotated, position_in};
use crate::{
    model::{FilePosition, Timestamp},
    platform::files::Stat,
};
use choice::{Choice, choose};
use std::{
    collections::HashSet,
    io,
    path::{Path, PathBuf},
};

/// What another program kept is small; a file that is larger is none of its.
const MOST: u64 = 1 << 20;
/// The longest line end of an encoding: UTF-32.
const LINE_END: u64 = 4;

/// Which files are configured.
#[derive(Clone, Copy)]
pub struct Wanted<'a> {
    /// The targets of a file, as its saved positions name them; empty where it is not configured or needs no position.
    pub targets: &'a dyn Fn(&Path) -> Vec<String>,
    /// Files that are configured by their names.
    pub named: &'a [PathBuf],
}

/// A file and where reading goes on in it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Imported {
    pub position: FilePosition,
    /// Whom it is from, for messages.
    pub from: &'static str,
}

/// How far another program came in the file at a path.
#[derive(Clone, Copy, Debug)]
struct Stopped {
    offset: u64,
    /// When it said so.
    at: Timestamp,
}

/// A file that may be the one that was read.
struct Candidate {
    path: PathBuf,
    file: Handle,
    stat: Stat,
    /// When the file was made, where the file system tells. What is compressed was made long after its lines.
    made: Option<Timestamp>,
}

impl Candidate {
    fn open(path: &Path) -> io::Result<Self> {
        let (file, stat) = open_regular(path)?;
        Ok(Self::new(path, file.into(), stat))
    }

    fn new(path: &Path, file: Handle, stat: Stat) -> Self {
        let made = file.file().metadata().and_then(|data| data.created()).ok().filter(|_| !file.is_packed());
        Self { path: path.to_owned(), file, stat, made: made.map(Timestamp::from) }
    }

    /// Whether a line begins at `offset`.
    fn begins_a_line(&self, offset: u64) -> io::Result<bool> {
        let length = LINE_END.min(offset);
        let end = self.file.bytes(offset - length, length)?;
        // UTF-16 and UTF-32 with the low byte first put zeros behind it.
        let last = end.iter().rfind(|byte| **byte != 0);
        Ok(offset == 0 || end.len() as u64 == length && last == Some(&b'\n'))
    }

    /// Its text, from the beginning on.
    fn text(&self) -> impl io::Read {
        Text { file: self.file.clone(), at: 0 }
    }

    /// The rotated generations beside the file at `path`, the youngest first. What is being compressed is the original until
    /// that is gone.
    fn rotated(path: &Path) -> Vec<Self> {
        let Some((folder, name)) = path.parent().zip(path.file_name()) else { return Vec::new() };
        let name = name.to_string_lossy();
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        let mut found = Vec::new();
        for path in entries.map(|entry| entry.path()) {
            if let Ok(Some((file, stat))) = open_rotated(&name, &path) {
                found.push(Self::new(&path, file, stat));
            }
        }
        let plain: HashSet<_> = found.iter().filter(|one| !one.file.is_packed()).map(|one| one.path.clone()).collect();
        found.retain(|one| !one.file.is_packed() || !plain.contains(&one.path.with_extension("")));
        found.sort_by_key(|candidate| std::cmp::Reverse(candidate.stat.modified));
        found
    }

    /// Of the file that is configured as `path`.
    fn position(&self, path: &Path, offset: u64) -> io::Result<FilePosition> {
        position_in(&self.file, &self.stat, path, offset)
    }
}

/// What a file says, one piece after the other.
struct Text {
    file: Handle,
    at: u64,
}

impl io::Read for Text {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let text = self.file.bytes(self.at, buffer.len() as u64)?;
        buffer[..text.len()].copy_from_slice(&text);
        self.at += text.len() as u64;
        Ok(text.len())
    }
}

/// Where reading goes on in the files of `path`. Nothing where there is no file.
fn resume(path: &Path, stopped: Stopped, from: &'static str) -> io::Result<Option<FilePosition>> {
    let here = match Candidate::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        other => Some(other?),
    };
    let (shown, offset) = (path.display(), stopped.offset);
    let rotated = Candidate::rotated(path);
    let choice = choose(here.as_ref(), &rotated, stopped)?;
    match choice {
        Choice::Here => {}
        Choice::Rotated(rotated) => {
            tracing::info!(path = %shown, rotated = %rotated.path.display(), from, "this log file was rotated since the other program stopped");
            return rotated.position(path, offset).map(Some);
        }
        Choice::Rewritten => {
            tracing::warn!(path = %shown, offset, from, "no line begins where the other program stopped in this log file, so it was written \
                anew since: it is sent from its beginning");
        }
        Choice::Another => {
            tracing::warn!(path = %shown, offset, from, "another file stands here than the one that the other program read, which is nowhere \
                beside it (of compressed files, those of gzip are searched): this one is sent from its beginning; what was not sent of the other one is missed");
        }
    }
    let offset = if matches!(choice, Choice::Here) { offset } else { 0 };
    here.map(|here| here.position(path, offset)).transpose()
}
