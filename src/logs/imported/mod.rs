//! Where other programs stopped reading: the state of the CloudWatch Agent and of its predecessor `awslogs`, made into
//! positions of ours, so that who comes from there neither sends everything again nor misses a line.
//!
//! Owned here: what their files look like ([`agent`], [`awslogs`]), and whether what they say still fits the log files.
//! Left to others: which files are wanted and for which targets, whether a file has a position of ours already, that it
//! is done only once (`daemon`), and that the positions are kept (`positions`). Their files are only read.
//!
//! Neither program says which file it read in a way that proves it: the agent knows a path only. So an offset is taken
//! over only if the file is older than what was said of it, is long enough, and has a line end just before the offset.
//! If not, the file was rotated since: the rotated one is looked for beside it, and read on; the file at the path then
//! begins at its beginning. What cannot be told is read again rather than missed.
pub mod agent;
pub mod awslogs;
#[cfg(test)]
mod tests;

use super::files::{is_rotated_name, position_in};
use crate::{
    model::{FilePosition, Timestamp},
    platform::files::{self, FileKind, Stat},
};
use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
    time::Duration,
};

/// What another program kept is small; a file that is larger is none of its.
const MOST: u64 = 1 << 20;
/// File systems date files by a tick of their own.
const TICK: Duration = Duration::from_secs(2);
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
    file: File,
    stat: Stat,
    /// When the file was made, where the file system tells.
    made: Option<Timestamp>,
}

impl Candidate {
    fn open(path: &Path) -> io::Result<Self> {
        let file = files::open(path)?;
        let stat = files::stat_open(&file)?;
        if stat.kind != FileKind::Regular {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let made = file.metadata().and_then(|data| data.created()).ok().map(Timestamp::from);
        Ok(Self { path: path.to_owned(), file, stat, made })
    }

    /// Whether the file was made before `at`, if that is known.
    fn is_older_than(&self, at: Timestamp) -> Option<bool> {
        self.made.map(|made| made <= at.plus(TICK))
    }

    /// Whether a line begins at `offset`.
    fn begins_a_line(&self, offset: u64) -> io::Result<bool> {
        if offset == 0 || offset > self.stat.size {
            return Ok(offset == 0);
        }
        let mut end = [0; LINE_END as usize];
        let end = &mut end[..usize::try_from(LINE_END.min(offset)).unwrap_or(0)];
        let read = files::read_at(&self.file, end, offset - end.len() as u64)?;
        // UTF-16 and UTF-32 with the low byte first put zeros behind it.
        let without_zeros = end[..read].iter().rposition(|byte| *byte != 0);
        Ok(without_zeros.is_some_and(|last| end[last] == b'\n'))
    }

    /// The rotated generations beside the file at `path`, the youngest first.
    fn rotated(path: &Path) -> Vec<Self> {
        let Some((folder, name)) = path.parent().zip(path.file_name()) else { return Vec::new() };
        let name = name.to_string_lossy();
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        let named = entries.filter(|entry| is_rotated_name(&name, &entry.file_name().to_string_lossy()));
        let mut found: Vec<_> = named.filter_map(|entry| Self::open(&entry.path()).ok()).collect();
        found.sort_by_key(|candidate| std::cmp::Reverse(candidate.stat.modified));
        found
    }

    /// Of the file that is configured as `path`.
    fn position(&self, path: &Path, offset: u64) -> io::Result<FilePosition> {
        position_in(&self.file, &self.stat, path, offset)
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
                beside it: this one is sent from its beginning; what was not sent of the other one is missed");
        }
    }
    let offset = if matches!(choice, Choice::Here) { offset } else { 0 };
    here.map(|here| here.position(path, offset)).transpose()
}

/// Which file was read.
enum Choice<'a> {
    /// The one at the path.
    Here,
    Rotated(&'a Candidate),
    /// The one at the path, but it says something else now.
    Rewritten,
    /// One that is not there any more.
    Another,
}

fn choose<'a>(here: Option<&Candidate>, rotated: &'a [Candidate], stopped: Stopped) -> io::Result<Choice<'a>> {
    let Stopped { offset, at } = stopped;
    // Where the system does not say when a file was made, the content has to tell.
    let here_is_older = here.map(|here| here.is_older_than(at).unwrap_or(true));
    if let (Some(here), Some(true)) = (here, here_is_older)
        && here.stat.size >= offset
    {
        return here.begins_a_line(offset).map(|fits| if fits { Choice::Here } else { Choice::Rewritten });
    }
    // Renamed: the one that was read is older than what was said of it. Copied and cut short: the copy is younger.
    let renamed = here_is_older != Some(true);
    for candidate in rotated {
        let fits = candidate.is_older_than(at) == Some(renamed) && candidate.stat.size >= offset;
        if fits && candidate.begins_a_line(offset)? {
            return Ok(Choice::Rotated(candidate));
        }
    }
    Ok(Choice::Another)
}
