//! `positions.json` and its previous generation: how they look, and how they are replaced without a moment in which no
//! good one exists.
//!
//! ```text
//! {"version":1,"crc32":"89abcdef","content":{"sources":[{"seen":1769903999999,"position":{"file":{...}}}]}}
//! ```
//!
//! The checksum covers the version and the bytes of `content` as they stand. Steps of a write, and what a start finds
//! after a crash in between:
//!
//! | step | what a start finds |
//! |---|---|
//! | write `positions.json.new`, sync it | the current file; the new one is overwritten later |
//! | rename current to `positions.previous.json` | the previous file: what was current |
//! | rename new to `positions.json` | the new file |
//! | sync the folder | the same, or after a power cut one of the two rows above |
use crate::{
    model::{Position, Timestamp},
    platform::disk,
};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// The version that this program writes. It reads this one and older ones.
const VERSION: u32 = 1;
const CURRENT: &str = "positions.json";
const PREVIOUS: &str = "positions.previous.json";
const NEW: &str = "positions.json.new";
/// One entry a source has a few hundred bytes, so this is far more than any machine has.
const MOST: u64 = 64 << 20;

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

/// One source as it is saved.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(super) struct Entry {
    pub seen: Timestamp,
    pub position: Position,
}

/// Why one file is of no use; the other generation may be.
#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error("it is not whole: {0}")]
    Torn(serde_json::Error),
    #[error("its checksum is {found}, not {expected}")]
    Checksum { expected: String, found: String },
    /// A link, a FIFO or a device, or absurdly large.
    #[error("{0}")]
    Foreign(io::Error),
}

/// The folder, and what this process knows about the files in it.
pub(super) struct Disk {
    folder: PathBuf,
    /// Whether `positions.json` is good: only then may it replace the previous generation.
    current_is_good: bool,
    /// Whether the last write failed; its kind, so that a new cause is told once.
    pub(super) failing: Option<io::ErrorKind>,
}

impl Disk {
    /// Read the newest good generation. That no other process works here is the business of the daemon, which has
    /// locked the state folder.
    pub(super) fn open(folder: &Path) -> Result<(Self, Vec<Entry>), PositionsError> {
        disk::private_folder(folder)
            .map_err(|source| PositionsError::Unwritable { folder: folder.to_owned(), source })?;
        let mut disk = Self { folder: folder.to_owned(), current_is_good: false, failing: None };
        let current = load(&disk.path(CURRENT))?;
        if let Ok(Some(entries)) = current {
            disk.current_is_good = true;
            return Ok((disk, entries));
        }
        let previous = load(&disk.path(PREVIOUS))?;
        let unusable = current.as_ref().err().or(previous.as_ref().err());
        let entries = match (&previous, unusable) {
            (Ok(Some(entries)), Some(why)) => {
                tracing::warn!(file = %disk.path(CURRENT).display(), %why, "positions are torn: the previous generation is used, \
                    some events will be sent twice");
                entries.clone()
            }
            // A crash between the two renames: expected, and nothing is lost.
            (Ok(Some(entries)), None) => entries.clone(),
            (Ok(None) | Err(_), Some(why)) => {
                tracing::error!(folder = %disk.folder.display(), %why, "no generation of the positions can be used: kept as *.broken.json; \
                    every source starts as if seen for the first time");
                Vec::new()
            }
            (Ok(None) | Err(_), None) => Vec::new(),
        };
        if current.is_err() {
            disk.set_aside(CURRENT, "positions.broken.json");
        }
        if previous.is_err() {
            disk.set_aside(PREVIOUS, "positions.previous.broken.json");
        }
        Ok((disk, entries))
    }

    /// Replace the current generation by `entries` and keep it as the previous one. Blocks until it is on the disk.
    pub(super) fn write(&mut self, entries: &[Entry]) -> io::Result<()> {
        let bytes = encode(entries);
        match disk::write_synced(&self.path(NEW), &bytes) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                disk::private_folder(&self.folder)?;
                tracing::warn!(folder = %self.folder.display(), "somebody removed the state folder: it is made again");
                disk::write_synced(&self.path(NEW), &bytes)?;
            }
            other => other?,
        }
        if self.current_is_good {
            match fs::rename(self.path(CURRENT), self.path(PREVIOUS)) {
                // Somebody removed it: nothing to keep.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                other => other?,
            }
            self.current_is_good = false;
        }
        fs::rename(self.path(NEW), self.path(CURRENT))?;
        self.current_is_good = true;
        disk::sync_folder(&self.folder)
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Keep an unusable file for people. One of each kind at most, so a broken disk does not fill the folder.
    fn set_aside(&self, name: &str, aside: &str) {
        if let Err(error) = fs::rename(self.path(name), self.path(aside)) {
            tracing::warn!(file = %self.path(name).display(), %error, "the unusable positions could not be set aside");
        }
    }
}

/// Outer error: stop here. Inner error: this generation is of no use. `None`: there is no such file.
fn load(path: &Path) -> Result<Result<Option<Vec<Entry>>, Broken>, PositionsError> {
    match disk::read_regular(path, MOST) {
        Ok(bytes) => match decode(&bytes) {
            Ok(entries) => Ok(Ok(Some(entries))),
            Err(Undecodable::Broken(why)) => Ok(Err(why)),
            Err(Undecodable::Newer(version)) => Err(PositionsError::Newer { path: path.to_owned(), version }),
        },
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(Ok(None)),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Ok(Err(Broken::Foreign(error))),
        Err(source) => Err(PositionsError::Unreadable { path: path.to_owned(), source }),
    }
}

#[derive(Deserialize)]
struct Header {
    version: u32,
}

#[derive(Deserialize, Serialize)]
struct Whole<'a> {
    version: u32,
    crc32: String,
    #[serde(borrow)]
    content: &'a RawValue,
}

#[derive(Deserialize)]
struct Content {
    sources: Vec<Entry>,
}

#[derive(Debug)]
enum Undecodable {
    Newer(u32),
    Broken(Broken),
}

impl From<serde_json::Error> for Undecodable {
    fn from(error: serde_json::Error) -> Self {
        Self::Broken(Broken::Torn(error))
    }
}

fn encode(entries: &[Entry]) -> Vec<u8> {
    let sources: Vec<String> = entries.iter().filter_map(encode_entry).collect();
    let content = format!("{{\"sources\":[{}]}}", sources.join(",\n"));
    format!("{{\"version\":{VERSION},\"crc32\":\"{}\",\"content\":{content}}}\n", checksum(VERSION, &content))
        .into_bytes()
}

/// A path that is no Unicode has no JSON. It must not keep all others from being saved.
fn encode_entry(entry: &Entry) -> Option<String> {
    serde_json::to_string(entry)
        .inspect_err(|error| tracing::warn!(position = ?entry.position, %error, "this position cannot be saved: rename the file"))
        .ok()
}

fn decode(bytes: &[u8]) -> Result<Vec<Entry>, Undecodable> {
    // The version first: the rest of a newer format may look different.
    let version = serde_json::from_slice::<Header>(bytes)?.version;
    if version > VERSION {
        return Err(Undecodable::Newer(version));
    }
    let whole: Whole<'_> = serde_json::from_slice(bytes)?;
    let found = checksum(version, whole.content.get());
    if found != whole.crc32 {
        return Err(Undecodable::Broken(Broken::Checksum { expected: whole.crc32, found }));
    }
    Ok(serde_json::from_str::<Content>(whole.content.get())?.sources)
}

/// Over the version and the bytes of the content.
fn checksum(version: u32, content: &str) -> String {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&version.to_le_bytes());
    hasher.update(content.as_bytes());
    format!("{:08x}", hasher.finalize())
}
