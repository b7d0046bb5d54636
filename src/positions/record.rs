//! How positions stand in their file: one line a record, each with its own checksum, so that a torn one spoils no other.
//!
//! ```text
//! 1b2c3d4e {"version":2,"sources":1,"written":1769903999999}
//! 89abcdef {"source":7,"seen":1769903999999,"position":{"file":{"path":"/var/log/app.log",...,"offset":4096,...}}}
//! 01234567 {"source":7,"seen":1769904009999,"moved":{"offset":8192,"before":{"length":64,"hash":1},"modified":1769904009000}}
//! 76543210 {"source":8,"seen":1769904019999,"position":{...},"more":true}
//! fedcba98 {"source":7,"gone":true}
//! ```
//!
//! The first line says how many records follow it that were written at once with it; the others came later. A `moved`
//! speaks of the position of the same source before it, and replaces what moves. A record with `more` counts only together
//! with the one after it: what the second takes back may rely on what the first adds, as where a log is read on in its copy.
//! The first line of a newer version must keep this form and its `version`: by that it is known. Unknown keys of a record
//! are passed over.
use crate::model::{FilePosition, Fingerprint, Position, Timestamp};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, HashSet},
    hash::{DefaultHasher, Hash, Hasher},
    io::{self, BufRead},
    sync::Arc,
};

/// The version that this program writes.
pub(super) const VERSION: u32 = 2;
/// Eight hexadecimal digits and a space.
const CHECKSUM: usize = 9;

/// One source as it is saved.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(super) struct Entry {
    pub seen: Timestamp,
    pub position: Position,
}

/// The first line.
#[derive(Deserialize, Serialize)]
pub(super) struct Header {
    pub version: u32,
    /// How many records were written at once with this line.
    #[serde(default)]
    sources: usize,
    #[serde(default)]
    written: Timestamp,
}

/// Any other line: one of `position`, `moved` and `gone`; none of them where the position cannot be written.
#[derive(Deserialize, Serialize)]
struct Record<P> {
    source: u64,
    #[serde(default)]
    seen: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    position: Option<P>,
    #[serde(skip_serializing_if = "Option::is_none")]
    moved: Option<Moved>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    gone: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    more: bool,
}

impl<P> Record<P> {
    fn of(source: u64, seen: Timestamp) -> Self {
        Self { source, seen, position: None, moved: None, gone: false, more: false }
    }
}

/// What changes with each batch of a file.
#[derive(Deserialize, Serialize)]
struct Moved {
    offset: u64,
    before: Fingerprint,
    modified: Timestamp,
}

/// What does not change while a file is read, as a number to compare; and what does. The journal has nothing that stays.
fn parts(position: &Position) -> Option<(u64, Moved)> {
    // Whoever adds a field must say here on which side it stands.
    let Position::File(FilePosition { path, identity, offset, before, target, modified, home }) = position else {
        return None;
    };
    let mut hasher = DefaultHasher::new();
    (path, identity.device, identity.inode, identity.head.length, identity.head.hash, target, home).hash(&mut hasher);
    Some((hasher.finish(), Moved { offset: *offset, before: *before, modified: *modified }))
}

/// Appends the first line of a file with so many records.
pub(super) fn begin(out: &mut Vec<u8>, sources: usize, written: Timestamp) {
    let line = serde_json::to_string(&Header { version: VERSION, sources, written });
    put(out, &line.expect("numbers have a JSON"));
}

/// Appends where a source stands. `known`: what this gave for the last record of this source in the same file; only what
/// moved is written then, if the rest is as it was. Gives nothing where the position cannot be written at all; the record
/// says nothing then.
pub(super) fn stands(
    out: &mut Vec<u8>,
    source: u64,
    known: Option<u64>,
    seen: Timestamp,
    position: &Position,
    more: bool,
) -> Option<u64> {
    let (stays, moved) = parts(position).map_or((0, None), |(stays, moved)| (stays, Some(moved)));
    let moved = moved.filter(|_| known == Some(stays));
    let position = moved.is_none().then_some(position);
    match serde_json::to_string(&Record { position, moved, more, ..Record::of(source, seen) }) {
        Ok(line) => {
            put(out, &line);
            Some(stays)
        }
        // A path that is no Unicode has no JSON. It must not keep all others from being saved.
        Err(error) => {
            tracing::warn!(?position, %error, "this position cannot be saved: give the file a name that is UTF-8");
            put_numbers(out, Record { more, ..Record::of(source, seen) });
            None
        }
    }
}

/// Appends that a source is forgotten.
pub(super) fn gone(out: &mut Vec<u8>, source: u64, at: Timestamp, more: bool) {
    put_numbers(out, Record { gone: true, more, ..Record::of(source, at) });
}

fn put_numbers(out: &mut Vec<u8>, record: Record<Position>) {
    put(out, &serde_json::to_string(&record).expect("numbers have a JSON"));
}

fn put(out: &mut Vec<u8>, json: &str) {
    out.extend_from_slice(format!("{:08x} ", crc32fast::hash(json.as_bytes())).as_bytes());
    out.extend_from_slice(json.as_bytes());
    out.push(b'\n');
}

/// What one line holds, if it is whole.
fn checked(line: &[u8]) -> Option<&[u8]> {
    let (checksum, json) = line.split_at_checked(CHECKSUM)?;
    let expected = std::str::from_utf8(checksum).ok()?.strip_suffix(' ')?;
    (format!("{:08x}", crc32fast::hash(json)) == expected).then_some(json)
}

/// How much of a file could be used.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Found {
    /// The first line, and all that was written at once with it.
    pub base: bool,
    /// Good records.
    pub records: usize,
    /// Lines that are none, a torn last one aside: what stood there is lost.
    pub damaged: usize,
    /// The last line was not written to its end, as after a power cut.
    pub torn: bool,
}

/// Why a file may not be used.
#[derive(Debug)]
pub(super) enum Unusable {
    /// Of this version.
    Newer(u32),
    Unread(io::Error),
}

/// The sources as the records, one after the other, leave them.
#[derive(Default)]
pub(super) struct Replay {
    pub sources: BTreeMap<u64, Entry>,
    /// The highest number of a source that was met.
    pub highest: u64,
    /// Each once: most positions have one of a few.
    targets: HashSet<Arc<str>>,
}

impl Replay {
    /// Goes through a file. What is damaged is passed over with what counts only together with it. Later records say all by
    /// themselves where their sources stand, but none is forgotten any more: what took its place may be what was damaged.
    pub fn read(&mut self, lines: &mut dyn BufRead) -> Result<Found, Unusable> {
        let mut line = Vec::new();
        let mut is_whole = next_line(lines, &mut line)?;
        let header = checked(&line).and_then(|json| serde_json::from_slice::<Header>(json).ok());
        if let Some(version) = header.as_ref().map(|header| header.version).filter(|version| *version > VERSION) {
            return Err(Unusable::Newer(version));
        }
        let together = header.as_ref().map_or(0, |header| header.sources);
        let mut found = Found { damaged: usize::from(header.is_none()), ..Found::default() };
        let mut of_the_base = 0;
        let mut number = 0;
        let mut together_with_next = Vec::new();
        while is_whole {
            is_whole = next_line(lines, &mut line)?;
            match checked(&line).and_then(|json| serde_json::from_slice::<Record<Position>>(json).ok()) {
                Some(record) => {
                    found.records += 1;
                    of_the_base += usize::from(number < together);
                    let more = record.more;
                    together_with_next.push(record);
                    if !more {
                        let whole = together_with_next.drain(..);
                        whole.filter(|record| !record.gone || found.damaged == 0).for_each(|record| self.apply(record));
                    }
                }
                None if is_whole => {
                    found.damaged += 1;
                    together_with_next.clear();
                }
                None => found.torn = !line.is_empty(),
            }
            number += 1;
        }
        found.torn |= !together_with_next.is_empty();
        found.base = header.is_some() && of_the_base == together;
        Ok(found)
    }

    fn apply(&mut self, record: Record<Position>) {
        let Record { source, seen, position, moved, gone, more: _ } = record;
        self.highest = self.highest.max(source);
        if gone {
            self.sources.remove(&source);
        } else if let Some(mut position) = position {
            if let Position::File(file) = &mut position {
                file.target = self.shared(&file.target);
            }
            self.sources.insert(source, Entry { seen, position });
        } else if let Some(Moved { offset, before, modified }) = moved
            && let Some(Entry { seen: last, position: Position::File(file) }) = self.sources.get_mut(&source)
        {
            *last = seen;
            (file.offset, file.before, file.modified) = (offset, before, modified);
        }
    }

    fn shared(&mut self, target: &Arc<str>) -> Arc<str> {
        if let Some(known) = self.targets.get(target) {
            return known.clone();
        }
        self.targets.insert(target.clone());
        target.clone()
    }
}

/// Reads one line, without its end; says whether it had one. Only the last line, which may be empty, has none.
fn next_line(from: &mut dyn BufRead, line: &mut Vec<u8>) -> Result<bool, Unusable> {
    line.clear();
    from.read_until(b'\n', line).map_err(Unusable::Unread)?;
    let is_whole = line.last() == Some(&b'\n');
    line.truncate(line.len() - usize::from(is_whole));
    Ok(is_whole)
}
