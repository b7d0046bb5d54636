//! A disk ring for what cannot be read again: metric batches that could not be sent, one file each.
//!
//! Owned here: the folder, its order and its three bounds. Left to others: when to spool and when to replay (`publish`).
//!
//! A batch is on the disk when [`Spool::push`] returns: temporary file, fsync, rename, fsync of the folder. Points keep their first
//! timestamps. The ring is bounded by bytes, by age and by the free space of its file system; when a bound is reached the
//! oldest batch goes first, counted by `SPOOL_DROPPED` and told by one warning until that state ends. When nothing helps any more
//! (the disk is full although the ring is empty) `push` fails, and the caller keeps the batch in memory for as long as it can.
//! A torn or corrupt file costs itself alone. A file that cannot be read now (too many open files, a disk that stumbles) stays
//! in the ring and is tried again after all others. A crash costs at most the batch that was being written. A folder that
//! somebody removes is made again; what was in it is counted as given up.
//!
//! All calls block on the disk: from async code, call them on the blocking pool.
//!
//! Log text has a ring of its own kind, [`text`]; what is measured and not packed yet stands in a [`window`]. To spool another kind of batch, give it a folder and a payload of its own; [`mod@file`] carries any bytes.
mod file;
#[cfg(test)]
mod tests;
pub mod text;
pub mod window;

use crate::{
    config::settings,
    model::{MetricBatch, Timestamp, limits},
    platform::disk,
    telemetry::counters,
};
use file::{Name, Unusable};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Files that one look for the oldest batch may fail to read: on a broken disk each can take seconds.
const STUMBLES: usize = 8;

/// Bytes free on the file system of a folder.
type Measure = Box<dyn Fn(&Path) -> io::Result<u64> + Send + Sync>;
/// The payload of one file.
type Read = Box<dyn Fn(&Path) -> Result<Vec<u8>, Unusable> + Send + Sync>;

/// Why a batch is not in the spool.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    #[error("the spool folder {} cannot be used: let the user that runs this program read and write it", folder.display())]
    Folder { folder: PathBuf, source: io::Error },
    #[error("the spool cannot write to {}", folder.display())]
    Write { folder: PathBuf, source: io::Error },
    #[error("no batch in {} can be read now: they stay there and are tried again", folder.display())]
    Read { folder: PathBuf, source: io::Error },
    #[error(
        "the disk of {} has {free} bytes free, and agent.spool.min_free_bytes leaves {min_free} alone: make room there, or lower it",
        folder.display()
    )]
    NoRoom { folder: PathBuf, free: u64, min_free: u64 },
    #[error("the batch of {bytes} bytes is larger than the whole spool: raise agent.spool.max_bytes above {max}")]
    TooLarge { bytes: u64, max: u64 },
    #[error("all points of the batch are older than the spool keeps")]
    TooOld,
    #[error("the batch cannot be written as JSON")]
    Encode { source: serde_json::Error },
}

/// Names one batch in the spool, for [`Spool::remove`].
#[derive(Clone, Copy, Debug)]
pub struct Ticket(Name);

/// One batch out of the spool. It stays there until [`Spool::remove`].
#[derive(Debug)]
pub struct Spooled {
    pub ticket: Ticket,
    /// Its points, without those that have become too old to be taken.
    pub batch: MetricBatch,
}

/// The ring. Shared by reference; calls queue up behind each other.
pub struct Spool {
    folder: PathBuf,
    bounds: settings::Spool,
    ring: Mutex<Ring>,
    free: Measure,
    read: Read,
}

#[derive(Default)]
struct Ring {
    /// In the order of their points' time: name -> bytes on the disk.
    files: BTreeMap<Name, u64>,
    bytes: u64,
    sequence: u32,
    /// Could not be read a moment ago: tried again when nothing else is left.
    stuck: BTreeSet<Name>,
    /// What was last warned about, until it ends.
    dropping: Option<Why>,
    failing: bool,
}

/// Why a batch was given up.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Why {
    Age,
    Bytes,
    FreeSpace,
    Unreadable,
    /// Somebody removed its file.
    Gone,
}

impl Spool {
    /// Take over `folder`, created when it is missing: forget what a crash left half-written, and apply the bounds.
    ///
    /// # Errors
    /// The folder cannot be made or listed.
    pub fn open(folder: &Path, bounds: settings::Spool) -> Result<Self, SpoolError> {
        Self::open_with(folder, bounds, Box::new(disk::free_bytes), Timestamp::now())
    }

    fn open_with(
        folder: &Path,
        mut bounds: settings::Spool,
        free: Measure,
        now: Timestamp,
    ) -> Result<Self, SpoolError> {
        bounds.max_age = bounds.max_age.min(limits::OLDEST);
        let unusable = |source| SpoolError::Folder { folder: folder.to_owned(), source };
        disk::private_folder(folder).map_err(unusable)?;
        let mut ring = Ring::default();
        for entry in fs::read_dir(folder).map_err(unusable)? {
            let entry = entry.map_err(unusable)?;
            let file_name = entry.file_name();
            let Some(text) = file_name.to_str() else { continue };
            if let Some(name) = Name::parse(text) {
                // A file that vanishes between listing and looking is no file.
                let Ok(metadata) = entry.metadata() else { continue };
                if !metadata.is_file() || metadata.len() > file::MOST {
                    tracing::warn!(file = %entry.path().display(), "this is no spooled batch of ours: it is left alone");
                    continue;
                }
                ring.sequence = ring.sequence.max(name.sequence.wrapping_add(1));
                ring.bytes += metadata.len();
                ring.files.insert(name, metadata.len());
            } else if file::is_leftover(text) {
                let file = entry.path();
                match fs::remove_file(&file) {
                    Ok(()) => tracing::info!(file = %file.display(), "removed a half-written batch"),
                    Err(error) => {
                        tracing::warn!(file = %file.display(), %error, "a half-written batch cannot be removed: it takes room that is not counted, and nothing of it is sent");
                    }
                }
            }
        }
        let spool =
            Self { folder: folder.to_owned(), bounds, ring: Mutex::new(ring), free, read: Box::new(file::read) };
        spool.trim(&mut spool.ring(), 0, now);
        Ok(spool)
    }

    /// Put a batch on the disk. When this returns it survives a power cut. `None`: it holds no point.
    ///
    /// # Errors
    /// The batch is not in the spool. `Write` and `NoRoom` may pass; the other causes stay.
    pub fn push(&self, batch: &MetricBatch) -> Result<Option<Ticket>, SpoolError> {
        self.push_at(batch, Timestamp::now())
    }

    fn push_at(&self, batch: &MetricBatch, now: Timestamp) -> Result<Option<Ticket>, SpoolError> {
        let Some(newest) = batch.points.iter().map(|point| point.at).max() else { return Ok(None) };
        if now.since(newest) > self.bounds.max_age {
            counters::SPOOL_DROPPED.add(1);
            return Err(SpoolError::TooOld);
        }
        let json = serde_json::to_vec(batch).map_err(|source| SpoolError::Encode { source })?;
        let bytes = file::encode(&json);
        let (size, max) = (bytes.len() as u64, self.bounds.max_bytes.min(file::MOST));
        if size > max {
            counters::SPOOL_DROPPED.add(1);
            return Err(SpoolError::TooLarge { bytes: size, max });
        }
        let mut ring = self.ring();
        let stored = self.trim_for(&mut ring, size, now).and_then(|()| self.store(&mut ring, newest, &bytes));
        match &stored {
            Ok(_) => {
                counters::BATCHES_SPOOLED.add(1);
                if std::mem::take(&mut ring.failing) {
                    tracing::info!(folder = %self.folder.display(), "batches are spooled again");
                }
            }
            Err(error) => {
                if !std::mem::replace(&mut ring.failing, true) {
                    let error = error as &(dyn std::error::Error + 'static);
                    tracing::warn!(error, "batches cannot be spooled: they wait in memory");
                }
            }
        }
        stored.map(|name| Some(Ticket(name)))
    }

    /// The batch with the oldest points, for replay; corrupt and outdated ones on the way are dropped and counted.
    ///
    /// # Errors
    /// There are batches, but none can be read now. They stay.
    pub fn oldest(&self) -> Result<Option<Spooled>, SpoolError> {
        self.oldest_at(Timestamp::now())
    }

    /// The batch is delivered, or refused for good: its file goes.
    pub fn remove(&self, Ticket(name): Ticket) {
        let mut ring = self.ring();
        self.delete(&mut ring, name);
        if ring.files.is_empty() {
            ring.dropping = None;
        }
    }

    /// How many batches it holds.
    pub fn len(&self) -> usize {
        self.ring().files.len()
    }

    fn oldest_at(&self, now: Timestamp) -> Result<Option<Spooled>, SpoolError> {
        let mut ring = self.ring();
        self.drop_outdated(&mut ring, now);
        let mut stumbles = 0;
        while !ring.files.is_empty() {
            let Some(name) = ring.files.keys().copied().find(|name| !ring.stuck.contains(name)) else {
                ring.stuck.clear();
                continue;
            };
            match self.batch(name) {
                Ok(mut batch) => {
                    let before = batch.points.len();
                    batch.points.retain(|point| now.since(point.at) <= self.bounds.max_age);
                    if batch.points.is_empty() {
                        // Only a file that somebody renamed: its name promised a newer point.
                        self.drop_one(&mut ring, name, Why::Age);
                        continue;
                    }
                    counters::SPOOLED_POINTS_EXPIRED.add((before - batch.points.len()) as u64);
                    return Ok(Some(Spooled { ticket: Ticket(name), batch }));
                }
                Err(Unusable::Io(source)) => {
                    ring.stuck.insert(name);
                    stumbles += 1;
                    if stumbles == STUMBLES.min(ring.files.len()) {
                        return Err(SpoolError::Read { folder: self.folder.clone(), source });
                    }
                }
                Err(why) => self.give_up(&mut ring, name, &why),
            }
        }
        Ok(None)
    }

    fn batch(&self, name: Name) -> Result<MetricBatch, Unusable> {
        serde_json::from_slice(&(self.read)(&self.path(name))?).map_err(Unusable::Json)
    }

    /// Let go of a file that can never be replayed. Only what nobody can ever read is deleted.
    fn give_up(&self, ring: &mut Ring, name: Name, why: &Unusable) {
        match why {
            Unusable::Corrupt | Unusable::Json(_) => self.drop_one(ring, name, Why::Unreadable),
            Unusable::Gone => return self.drop_one(ring, name, Why::Gone),
            // A later start with the newer version finds it again. `Io` never comes here.
            Unusable::Newer(_) | Unusable::Foreign(_) | Unusable::Io(_) => {
                self.untrack(ring, name);
                counters::SPOOL_DROPPED.add(1);
            }
        }
        tracing::warn!(file = %self.path(name).display(), %why, "a spooled batch cannot be read");
    }

    /// Make room for `size` more bytes, or say that there is none.
    fn trim_for(&self, ring: &mut Ring, size: u64, now: Timestamp) -> Result<(), SpoolError> {
        if let Some(free) = self.trim(ring, size, now) {
            let min_free = self.bounds.min_free_bytes;
            return Err(SpoolError::NoRoom { folder: self.folder.clone(), free, min_free });
        }
        Ok(())
    }

    /// Apply the bounds as if `size` bytes more were there. Returns the free bytes where even an empty ring leaves too few.
    fn trim(&self, ring: &mut Ring, size: u64, now: Timestamp) -> Option<u64> {
        self.drop_outdated(ring, now);
        while ring.bytes + size > self.bounds.max_bytes && self.drop_oldest(ring, Why::Bytes) {}
        // Where the room cannot be measured, the write itself will tell.
        let free = (self.free)(&self.folder).ok()?;
        // Counted, not measured again: some file systems give freed blocks back late, and measuring would empty the ring.
        let wanted = self.bounds.min_free_bytes.saturating_add(size).saturating_sub(free);
        let before = ring.bytes;
        while before - ring.bytes < wanted && self.drop_oldest(ring, Why::FreeSpace) {}
        (before - ring.bytes < wanted).then_some(free)
    }

    /// A name carries the time of its batch's newest point, so no file has to be read for this.
    fn drop_outdated(&self, ring: &mut Ring, now: Timestamp) {
        while let Some(name) = ring.files.keys().next().copied().filter(|name| now.since(name.at) > self.bounds.max_age)
        {
            self.drop_one(ring, name, Why::Age);
        }
    }

    fn drop_oldest(&self, ring: &mut Ring, why: Why) -> bool {
        let Some(name) = ring.files.keys().next().copied() else { return false };
        self.drop_one(ring, name, why);
        true
    }

    fn drop_one(&self, ring: &mut Ring, name: Name, why: Why) {
        self.delete(ring, name);
        counters::SPOOL_DROPPED.add(1);
        if ring.dropping.replace(why) != Some(why) {
            tracing::warn!(?why, oldest = %name.at.rfc3339(), folder = %self.folder.display(), "spooled batches are given up, the oldest first");
        }
    }

    fn store(&self, ring: &mut Ring, newest: Timestamp, bytes: &[u8]) -> Result<Name, SpoolError> {
        let name = Name { at: newest, sequence: ring.sequence };
        let mut written = file::write(&self.folder, name, bytes);
        if written.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
            written = disk::private_folder(&self.folder).and_then(|()| {
                tracing::warn!(folder = %self.folder.display(), "somebody removed the spool: it is made again");
                file::write(&self.folder, name, bytes)
            });
        }
        written.map_err(|source| SpoolError::Write { folder: self.folder.clone(), source })?;
        ring.sequence = ring.sequence.wrapping_add(1);
        ring.bytes += bytes.len() as u64;
        ring.files.insert(name, bytes.len() as u64);
        Ok(name)
    }

    fn delete(&self, ring: &mut Ring, name: Name) {
        match fs::remove_file(self.path(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                // It is sent again after the next start, with the same timestamps and values.
                tracing::warn!(file = %self.path(name).display(), %error, "a spooled batch cannot be deleted");
            }
            Ok(()) | Err(_) => {}
        }
        self.untrack(ring, name);
    }

    fn untrack(&self, ring: &mut Ring, name: Name) {
        ring.stuck.remove(&name);
        if let Some(size) = ring.files.remove(&name) {
            ring.bytes -= size;
        }
    }

    fn path(&self, name: Name) -> PathBuf {
        self.folder.join(name.to_string())
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        // The ring matches the disk between any two statements that could panic.
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Spool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Spool").field("folder", &self.folder).field("bounds", &self.bounds).finish_non_exhaustive()
    }
}
