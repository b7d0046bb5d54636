//! How far a source that can be read again has been delivered, and how that is told to whoever saves it.
//!
//! Each source counts its progress in a `u64` of its own (bytes of a file, entries of a journal) that only grows.
//! A [`Cover`] says "everything from here to there is in CloudWatch"; whoever keeps positions moves a source forward
//! over the contiguous acknowledged prefix only, so a gap is read again and never forgotten.
use super::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

/// How many bytes before a position are remembered with it.
pub const BEFORE: usize = 64;

/// Names one source for as long as this process lives: one generation of a file, one journal.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct SourceId(u64);

impl SourceId {
    /// An id that nobody had before in this process.
    pub fn unique() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// The length and hash of a few bytes of a file, to know them again.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Fingerprint {
    /// How many bytes were hashed.
    pub length: u32,
    /// The first eight bytes of their SHA-256: enough to tell files apart, where nobody gains by a collision.
    pub hash: u64,
}

impl Fingerprint {
    /// Of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        let digest = Sha256::digest(bytes);
        let first: [u8; 8] = digest[..8].try_into().expect("SHA-256 gives 32 bytes");
        Self { length: u32::try_from(bytes.len()).unwrap_or(u32::MAX), hash: u64::from_be_bytes(first) }
    }
}

/// Which file this is, whatever it is called now.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct FileIdentity {
    /// `st_dev`; the volume's serial number on Windows.
    pub device: u64,
    /// `st_ino`; the file id on Windows.
    pub inode: u64,
    /// The first bytes of the file (at most 1,024), as far as they existed when this was taken: inodes are reused, contents are not.
    pub head: Fingerprint,
}

/// How far one generation of a file has been delivered.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct FilePosition {
    /// The configured path, by which the file was opened; a rotated generation keeps it. Shared, as all that is long: there
    /// may be tens of thousands of positions.
    pub path: Arc<Path>,
    pub identity: FileIdentity,
    /// Bytes delivered.
    pub offset: u64,
    /// The bytes just before `offset` (at most [`BEFORE`]): tells a file that was truncated and grew again from one that only grew.
    pub before: Fingerprint,
    /// `group:stream` that it was delivered to (a colon is in no group's name): one file may go to several targets,
    /// each with its own progress. Empty where it was not noted: then any target of this path takes it up.
    #[serde(default)]
    pub target: Arc<str>,
    /// When the file had last been written to as this was taken: what is younger may hold lines that nobody read yet.
    #[serde(default)]
    pub modified: Timestamp,
    /// What the path led to, where it was a link: rotated generations lie there, not beside the link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub home: Option<Arc<Path>>,
}

/// How far the journal has been delivered.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct JournalPosition {
    /// `__CURSOR` of the last delivered entry; where none is delivered yet, one that names no entry and lies before the first.
    pub cursor: String,
    /// `__REALTIME_TIMESTAMP` of that entry, to go on from when the cursor has been vacuumed away.
    pub at: Timestamp,
    /// Which item of the configuration reads it; empty for the publisher's `journal`, of which there is one.
    #[serde(default, skip_serializing_if = "is_nameless")]
    pub item: Arc<str>,
}

fn is_nameless(item: &Arc<str>) -> bool {
    item.is_empty()
}

/// How far a channel of the Windows event log has been delivered.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct WindowsPosition {
    pub channel: Arc<str>,
    /// `EventRecordID` of the last delivered event; 0 before the first one. Ids grow by one in a channel until it is cleared.
    pub record: u64,
    /// `TimeCreated` of that event, which tells whether it is still the same one. The beginning of 1970 where none is delivered.
    pub at: Timestamp,
    /// Which item of the configuration reads it.
    pub item: Arc<str>,
}

/// How far the macOS unified log has been delivered.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct UnifiedPosition {
    /// Microseconds since 1970, of the newest entry that is delivered.
    pub micros: i64,
    /// All that is delivered of this moment.
    #[serde(default)]
    pub beyond: Vec<u64>,
    /// Which item of the configuration reads it.
    pub item: Arc<str>,
}

/// Where reading resumes.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Position {
    File(FilePosition),
    Journal(JournalPosition),
    Windows(WindowsPosition),
    Unified(UnifiedPosition),
    /// The source keeps its own account of what was delivered: nothing is saved for it.
    Unsaved,
}

/// What a chunk needs to say where reading resumes after each of its events.
#[derive(Clone, Debug)]
pub enum Anchor {
    /// The chunk's text begins with the file's bytes from the chunk's `from` on, unless no event points into any.
    /// `target`, `modified` and `home` are those of [`FilePosition`].
    File {
        path: Arc<Path>,
        identity: Arc<FileIdentity>,
        target: Arc<str>,
        modified: Timestamp,
        home: Option<Arc<Path>>,
    },
    /// One position per event, in the chunk's order.
    Journal(Vec<JournalPosition>),
    /// One position for each event, in the order of the chunk.
    Windows(Vec<WindowsPosition>),
    /// One position for each event, in the order of the chunk.
    Unified(Vec<UnifiedPosition>),
    /// Every position is [`Position::Unsaved`].
    Unsaved,
}

/// "Everything of `source` from `from` up to `to` needs no reading any more": delivered, filtered out, or set aside.
#[derive(Clone, Debug)]
pub struct Cover {
    pub source: SourceId,
    pub from: u64,
    pub to: u64,
    /// Where reading resumes once `to` is reached. `None` where nothing finer than before is known.
    pub position: Option<Position>,
}

/// Where sources find their saved positions and say what became of them. The keeper of positions implements it.
pub trait Checkpoints: Send + Sync {
    /// The positions of earlier runs that no source has opened yet. A source that recognises one continues under its id.
    fn saved(&self) -> Vec<(SourceId, Position)>;

    /// `id` is being read from unit `start` on, and `position` is where that is. Saved at once: a file that is followed
    /// from its end keeps that promise through a crash before its first line.
    fn open(&self, id: SourceId, start: u64, position: Position);

    /// Up to which unit `id`, which is open, is delivered without a gap, and where that is; `None` once it is forgotten, and
    /// where nobody keeps count.
    fn delivered(&self, id: SourceId) -> Option<(u64, Position)> {
        _ = id;
        None
    }

    /// Nothing of `id` comes after unit `end`: once all of it is acknowledged, its position is forgotten. At once, where
    /// nobody opened it: then its file is nowhere, or another position stands for it.
    fn finish(&self, id: SourceId, end: u64);

    /// Up to which unit everything of `id` is acknowledged. A source with several lanes asks, so that it does not run ahead
    /// of one that stands still. `None` where that is not known.
    fn reached(&self, _id: SourceId) -> Option<u64> {
        None
    }

    /// The unit up to which everything of the open source `id` is acknowledged without a gap, and saved: a restart would not
    /// read it again. While nothing can be saved, only acknowledged. `None` for a source that is not open, or was finished
    /// and forgotten: ask before [`Checkpoints::finish`].
    fn acknowledged(&self, id: SourceId) -> Option<u64> {
        let _ = id;
        None
    }
}
