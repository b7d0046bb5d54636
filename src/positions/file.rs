//! `positions.jsonl` and its previous generation: what a start finds in them, and how they grow and are replaced without
//! a moment in which no good one exists.
//!
//! A generation begins with all sources, written at once; what changes later is appended ([`record`](super::record)).
//! Once it has doubled, and at each start, the next generation takes its place. Steps, and what a start finds after a
//! crash in between:
//!
//! | step | what a start finds |
//! |---|---|
//! | append, sync | the file, up to its last whole record |
//! | write `positions.jsonl.new`, sync it | the current file; the new one is overwritten later |
//! | rename current to `positions.previous.jsonl` | the previous file: what was current |
//! | rename new to `positions.jsonl` | the new file |
//! | sync the folder | the same, or after a power cut one of the two rows above |
use super::{
    medium::{Medium, Parts},
    old::{self, Old},
    record::{Entry, Found, Replay, Unusable, VERSION},
};
use crate::{model::Timestamp, telemetry::counters};
use std::{
    io::{self, BufRead, ErrorKind, Read},
    path::PathBuf,
    time::Duration,
};

pub(super) const CURRENT: &str = "positions.jsonl";
pub(super) const PREVIOUS: &str = "positions.previous.jsonl";
const NEW: &str = "positions.jsonl.new";
/// Where the first version had its positions, and now a note lies for it.
pub(super) const OLD: &str = "positions.json";
pub(super) const OLD_PREVIOUS: &str = "positions.previous.json";
const OLD_NEW: &str = "positions.json.new";
/// A generation may grow by so many bytes, or by its own size where that is more: then most of what is written is news,
/// and the two generations of few sources fit into a few hundred kilobytes.
const GROWS: u64 = 128 * 1024;
/// How long a generation lasts at most: sources that are open but silent are written as seen with the next one.
pub(super) const LASTS: Duration = Duration::from_secs(24 * 60 * 60);

/// Why the positions cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PositionsError {
    #[error(
        "{} was written by a newer version of this program (format {version}, this one knows up to {VERSION}): \
         start that version again, or move the file away to begin without positions", path.display()
    )]
    Newer { path: PathBuf, version: u32 },
    #[error("{} cannot be read: let the user that runs this program read it, or move it away to begin without positions", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("the positions cannot be written to {}: make room there and let the user that runs this program write", folder.display())]
    Unwritable { folder: PathBuf, source: io::Error },
}

/// The generation that this run appends to.
#[derive(Clone, Copy)]
struct Open {
    /// Bytes that were written at once.
    base: u64,
    /// Bytes in all.
    length: u64,
    begun: Timestamp,
}

/// What this process knows about the files.
pub(super) struct Disk {
    medium: Box<dyn Medium>,
    /// Whether `positions.jsonl` is good: only then may it replace the previous generation.
    current_is_good: bool,
    /// `None`: the next write begins a generation.
    open: Option<Open>,
    /// Whether the note for older programs is in its place.
    noted: bool,
    /// Whether the last write failed; its kind, so that a new cause is told once.
    pub(super) failing: Option<ErrorKind>,
}

/// What a start found.
#[derive(Default)]
pub(super) struct Loaded {
    pub replay: Replay,
    /// What was found is not what stands in the current file: it should be written soon.
    pub unsaved: bool,
}

impl Disk {
    /// Read what the files say. That no other process works here is the business of the daemon, which has locked the
    /// state folder.
    pub fn open(mut medium: Box<dyn Medium>) -> Result<(Self, Loaded), PositionsError> {
        medium.make_folder().map_err(|source| PositionsError::Unwritable { folder: medium.path(""), source })?;
        let mut disk = Self { medium, current_is_good: false, open: None, noted: false, failing: None };
        let mut loaded = disk.load()?;
        disk.take_over(&mut loaded)?;
        Ok((disk, loaded))
    }

    /// The generations of this version.
    fn load(&mut self) -> Result<Loaded, PositionsError> {
        let mut loaded = Loaded::default();
        let mut beginning = Replay::default();
        let found = self.replay(CURRENT, &mut beginning)?;
        if let Some(found) = found.filter(|found| found.base) {
            self.current_is_good = true;
            self.tell(CURRENT, found);
            loaded.replay = beginning;
            return Ok(loaded);
        }
        // What the current file still says is newer than the generation before it.
        loaded.unsaved = true;
        drop(beginning);
        let before = self.replay(PREVIOUS, &mut loaded.replay)?;
        if found.is_some() {
            self.replay(CURRENT, &mut loaded.replay)?;
        }
        match (found, before) {
            (None, None) => loaded.unsaved = false,
            // A crash between the two renames: expected, and nothing is lost.
            (None, Some(before)) => self.tell(PREVIOUS, before),
            (Some(_), before) => {
                let (file, sources) = (self.medium.path(CURRENT), loaded.replay.sources.len());
                if before.is_some_and(|found| found.base) {
                    tracing::warn!(file = %file.display(), sources, "positions are damaged: the previous generation is used, \
                        with what can still be read; some events will be sent twice");
                } else {
                    tracing::error!(file = %file.display(), sources, "no generation of the positions is whole: kept as *.broken.jsonl; \
                        every source that is not in them starts as if seen for the first time");
                    self.set_aside(PREVIOUS, "positions.previous.broken.jsonl");
                }
                self.set_aside(CURRENT, "positions.broken.jsonl");
            }
        }
        Ok(loaded)
    }

    /// The file of the first version: taken over where it is there, and younger. An older program may have run meanwhile.
    fn take_over(&mut self, loaded: &mut Loaded) -> Result<(), PositionsError> {
        let read = |name: &str| {
            let Some(mut file) = self.read(name)? else { return Ok(None) };
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes).map_err(|source| self.unreadable(name, source))?;
            Ok(Some(old::read(&bytes)))
        };
        let (entries, why) = match read(OLD)? {
            None if !loaded.replay.sources.is_empty() || self.current_is_good => return Ok(()),
            Some(Old::Note) => {
                self.noted = true;
                return Ok(());
            }
            Some(Old::Newer(version)) => return Err(PositionsError::Newer { path: self.medium.path(OLD), version }),
            Some(Old::Positions(entries)) => (Some(entries), None),
            unusable => {
                let why = match unusable {
                    Some(Old::Broken(why)) => Some(why),
                    _ => None,
                };
                match read(OLD_PREVIOUS)? {
                    Some(Old::Positions(entries)) => (Some(entries), why),
                    Some(Old::Broken(other)) => (None, why.or(Some(other))),
                    None | Some(Old::Note | Old::Newer(_)) => (None, why),
                }
            }
        };
        if let Some(why) = &why {
            let (file, used) = (self.medium.path(OLD), entries.is_some());
            tracing::warn!(file = %file.display(), why, previous_is_used = used, "positions of an older version are damaged: kept as *.broken.json");
            self.set_aside(OLD, "positions.broken.json");
        }
        let last = |entries: &mut dyn Iterator<Item = &Entry>| entries.map(|entry| entry.seen).max();
        if let Some(entries) = entries
            && last(&mut entries.iter()) > last(&mut loaded.replay.sources.values())
        {
            tracing::info!(sources = entries.len(), file = CURRENT, "positions of an older version are taken over");
            let first = loaded.replay.highest + 1;
            loaded.replay.highest += entries.len() as u64;
            loaded.replay.sources = (first..).zip(entries).collect();
            loaded.unsaved = true;
        }
        Ok(())
    }

    /// Whether the next write must hold all sources.
    pub fn wants_all(&self, now: Timestamp) -> bool {
        let Some(open) = self.open else { return true };
        open.length - open.base > GROWS.max(open.base)
            || now.since(open.begun) >= LASTS
            || !self.medium.is_in_place(CURRENT, open.length)
    }

    /// Whether this run has a file to go on with.
    pub fn has_begun(&self) -> bool {
        self.open.is_some()
    }

    /// Append records to the current generation. Blocks until they are on the disk.
    pub fn append(&mut self, records: Parts<'_>) -> io::Result<()> {
        // What is left of a failed write is never appended to, unless it is known to be cut off again.
        let Some(open) = self.open.take() else { return Err(ErrorKind::NotFound.into()) };
        let result = self.medium.append(open.length, records);
        let added = result.as_ref().map_or(0, |added| *added);
        self.count(added, 1);
        let length = open.length + added;
        if self.medium.is_in_place(CURRENT, length) {
            self.open = Some(Open { length, ..open });
        }
        result?;
        self.note()
    }

    /// Replace the current generation and keep it as the previous one. Blocks until it is on the disk.
    pub fn begin(&mut self, all: Parts<'_>, now: Timestamp) -> io::Result<()> {
        self.open = None;
        let length = match self.medium.create(NEW, all, true) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                self.medium.make_folder()?;
                tracing::warn!(folder = %self.medium.path("").display(), "somebody removed the state folder: it is made again");
                self.noted = false;
                self.medium.create(NEW, all, true)?
            }
            other => other?,
        };
        self.count(length, 1);
        if self.current_is_good {
            match self.medium.rename(CURRENT, PREVIOUS) {
                // Somebody removed it: nothing to keep.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                other => other?,
            }
            self.current_is_good = false;
        }
        self.medium.rename(NEW, CURRENT)?;
        self.current_is_good = true;
        self.medium.sync_names()?;
        self.count(0, 1);
        self.open = Some(Open { base: length, length, begun: now });
        self.note()
    }

    /// The note for programs of the first version. Only once the new file is on the disk: it replaces their positions.
    fn note(&mut self) -> io::Result<()> {
        if self.noted {
            return Ok(());
        }
        let note = old::note(CURRENT);
        let length = self.medium.create(OLD_NEW, &mut std::iter::once(note.into_bytes()), false)?;
        self.medium.rename(OLD_NEW, OLD)?;
        // No program may take up what is older than the file that was replaced.
        match self.medium.remove(OLD_PREVIOUS) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        self.medium.sync_names()?;
        self.count(length, 2);
        self.noted = true;
        Ok(())
    }

    pub fn folder(&self) -> PathBuf {
        self.medium.path("")
    }

    fn count(&self, bytes: u64, syncs: u64) {
        counters::POSITION_BYTES.add(bytes);
        counters::POSITION_SYNCS.add(syncs);
    }

    /// `None`: there is no such file. What is no file of ours counts as one that says nothing.
    fn read(&self, name: &str) -> Result<Option<Box<dyn BufRead>>, PositionsError> {
        match self.medium.read(name) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
            Err(error) if error.kind() == ErrorKind::InvalidData => {
                tracing::warn!(file = %self.medium.path(name).display(), %error, "this is no file with positions");
                Ok(Some(Box::new(io::empty())))
            }
            Err(source) => Err(self.unreadable(name, source)),
        }
    }

    fn unreadable(&self, name: &str, source: io::Error) -> PositionsError {
        PositionsError::Unreadable { path: self.medium.path(name), source }
    }

    /// `None`: there is no such file.
    fn replay(&self, name: &str, into: &mut Replay) -> Result<Option<Found>, PositionsError> {
        let Some(mut lines) = self.read(name)? else { return Ok(None) };
        match into.read(&mut *lines) {
            Ok(found) => Ok(Some(found)),
            Err(Unusable::Newer(version)) => Err(PositionsError::Newer { path: self.medium.path(name), version }),
            Err(Unusable::Unread(source)) => Err(self.unreadable(name, source)),
        }
    }

    fn tell(&self, name: &str, found: Found) {
        let file = self.medium.path(name);
        if found.damaged > 0 {
            let (damaged, records) = (found.damaged, found.records);
            tracing::warn!(file = %file.display(), damaged, records, "some records of the positions are damaged and passed over: \
                some events may be sent twice");
        } else if found.torn {
            tracing::info!(file = %file.display(), "the last record of the positions was not written to its end, as after a power cut");
        }
    }

    /// Keep an unusable file for people. One of each kind at most, so a broken disk does not fill the folder.
    fn set_aside(&mut self, name: &str, aside: &str) {
        match self.medium.rename(name, aside) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                tracing::warn!(file = %self.medium.path(name).display(), %error, "the unusable positions could not be set aside");
            }
            Ok(()) | Err(_) => {}
        }
    }
}
