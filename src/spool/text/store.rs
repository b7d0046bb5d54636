//! The folder of segments: appending, reading back, and the three bounds. Every call blocks on the disk.
//!
//! Segments are named by a number that only grows, so the lowest is the oldest, whoever its target is. No file stays open:
//! appending opens one, and looks whether it is still as it was left. A process never appends to what an earlier one wrote,
//! so nothing that a crash tore is ever written behind.
//!
//! What the disk does not take whole is taken back: the next start finds nothing that its owner still holds in memory.
mod inventory;
mod medium;
mod room;

pub(super) use inventory::Inventory;
pub(super) use medium::{Disk, Medium};
pub(super) use room::Room;

use super::segment::{self, RECORD, Told};
use crate::{
    config::settings,
    model::{Target, Timestamp, limits},
    platform::disk,
};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

/// A segment of this size gets no more events: about one full batch, so that is what a crash while it is being sent costs twice.
const SEGMENT: u64 = 1 << 20;
/// No segment of ours is larger: what it may reach before its last event, and that event.
const MOST: u64 = SEGMENT + 4 * limits::LOG_BATCH_BYTES as u64;
/// An extent that is found at the start has at most this many bytes, or one event: what one chunk carries.
pub(super) const EXTENT: u64 = 256 * 1024;
const SUFFIX: &str = ".segment";

/// Consecutive events in one segment.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Extent {
    pub segment: u64,
    pub offset: u64,
    pub length: u64,
}

/// Events in memory: one text behind the other, and where each ends.
#[derive(Clone, Debug, Default)]
pub(super) struct Text {
    pub bytes: Vec<u8>,
    pub events: Vec<(u32, Told)>,
}

impl Text {
    /// Append one event.
    pub(super) fn push(&mut self, text: &[u8], told: Told) {
        self.bytes.extend_from_slice(text);
        self.events.push((u32::try_from(self.bytes.len()).expect("a block has at most a few MiB"), told));
    }

    /// The events, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&[u8], Told)> {
        let starts = [0].into_iter().chain(self.events.iter().map(|(end, _)| *end));
        starts.zip(&self.events).map(|(start, &(end, told))| (&self.bytes[start as usize..end as usize], told))
    }
}

/// Why an extent was not read.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReadError {
    #[error("it is gone, or not what was written")]
    Gone,
    #[error(transparent)]
    Io(io::Error),
}

#[derive(Clone, Copy)]
struct Segment {
    /// Bytes of the file.
    size: u64,
    /// Bytes of it that are not delivered yet.
    live: u64,
    newest: Timestamp,
}

/// All segments of this daemon.
pub(super) struct Store {
    folder: PathBuf,
    bounds: settings::Spool,
    segments: BTreeMap<u64, Segment>,
    bytes: u64,
    next: u64,
    /// What earlier runs left is known, and with it which numbers are taken.
    listed: bool,
    /// The segment that each target's events are appended to.
    open: HashMap<Arc<Target>, u64>,
    /// Segments with something behind their end that could not be cut off again.
    uncut: BTreeSet<u64>,
    medium: Box<dyn Medium>,
}

impl Store {
    /// Take over the folder; made when it is missing.
    ///
    /// # Errors
    /// When it cannot be made.
    pub(super) fn new(folder: &Path, bounds: settings::Spool, medium: Box<dyn Medium>) -> io::Result<Self> {
        disk::private_folder(folder)?;
        let (segments, open, uncut) = Default::default();
        Ok(Self { folder: folder.to_owned(), bounds, segments, bytes: 0, next: 1, listed: false, open, uncut, medium })
    }

    /// Append the events of one target; each text gets an extent of its own. They are on the disk when this returns.
    ///
    /// # Errors
    /// Nothing of it is in the spool then, nor will the next start find any of it; where the disk does not even let go of it again,
    /// that is said, and the next start may send it once more. Always before [`Self::take_inventory`] has succeeded.
    pub(super) fn append(&mut self, target: &Arc<Target>, texts: &[Arc<Text>]) -> io::Result<Vec<Extent>> {
        if !self.listed {
            return Err(io::Error::other("it is not known what earlier runs left there"));
        }
        let behind = self.open.get(target).and_then(|number| Some((*number, *self.segments.get(number)?)));
        let first_new = self.next;
        let extents = texts.iter().map(|text| self.append_one(target, text)).collect::<io::Result<Vec<_>>>();
        extents.and_then(|extents| self.sync(&extents).map(|()| extents)).inspect_err(|_| self.undo(behind, first_new))
    }

    /// The segment counts as grown before it is written to: a failure is taken back by [`Self::undo`] as a whole.
    fn append_one(&mut self, target: &Arc<Target>, text: &Text) -> io::Result<Extent> {
        let mut records = Vec::with_capacity(text.bytes.len() + text.events.len() * RECORD);
        let mut newest = Timestamp::default();
        for (text, told) in text.iter() {
            segment::push(&mut records, told, text);
            newest = newest.max(told.at);
        }
        let length = records.len() as u64;
        if let Some(number) = self.open_segment(target)
            && let Some(segment) = self.segments.get_mut(&number)
        {
            let offset = segment.size;
            (segment.size, segment.live, segment.newest) =
                (offset + length, segment.live + length, segment.newest.max(newest));
            self.bytes += length;
            self.medium.append(&self.path(number), &records)?;
            return Ok(Extent { segment: number, offset, length });
        }
        let mut bytes = segment::head(target);
        let offset = bytes.len() as u64;
        bytes.append(&mut records);
        let number = self.next;
        self.create(number, &bytes).inspect_err(|_| self.delete(number))?;
        self.next += 1;
        self.bytes += offset + length;
        self.segments.insert(number, Segment { size: offset + length, live: length, newest });
        self.open.insert(target.clone(), number);
        Ok(Extent { segment: number, offset, length })
    }

    fn create(&self, number: u64, bytes: &[u8]) -> io::Result<()> {
        let path = self.path(number);
        match self.medium.create(&self.folder, &path, bytes) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                disk::private_folder(&self.folder)?;
                tracing::warn!(folder = %self.folder.display(), "somebody removed the spool of log text: it is made again");
                self.medium.create(&self.folder, &path, bytes)
            }
            created => created,
        }
    }

    fn sync(&self, extents: &[Extent]) -> io::Result<()> {
        let mut numbers: Vec<u64> = extents.iter().map(|extent| extent.segment).collect();
        numbers.dedup();
        numbers.into_iter().try_for_each(|number| self.medium.sync(&self.path(number)))
    }

    /// Take back what was appended `behind` a segment, which was like this before, and all segments from `first_new` on.
    fn undo(&mut self, behind: Option<(u64, Segment)>, first_new: u64) {
        let new: Vec<u64> = self.segments.range(first_new..).map(|(number, _)| *number).collect();
        new.into_iter().for_each(|number| self.remove(number));
        let Some((number, before)) = behind else { return };
        let Some(segment) = self.segments.get_mut(&number).filter(|segment| segment.size > before.size) else { return };
        self.bytes -= segment.size - before.size;
        *segment = before;
        if let Err(error) = self.cut(number) {
            // It is not as it was left, so nothing more is appended to it.
            let file = self.path(number).display().to_string();
            tracing::warn!(file, %error, "what could not be spooled cannot be cut off again; this is tried again, but a start before that sends it twice");
            self.uncut.insert(number);
        }
    }

    /// Let a segment end where it is known to end.
    fn cut(&self, number: u64) -> io::Result<()> {
        let Some(segment) = self.segments.get(&number) else { return Ok(()) };
        let path = self.path(number);
        match fs::symlink_metadata(&path) {
            Ok(found) if found.len() > segment.size => self.medium.cut(&path, segment.size),
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// The segment that takes more events of this target, if it is still as it was left.
    fn open_segment(&mut self, target: &Arc<Target>) -> Option<u64> {
        let number = *self.open.get(target)?;
        let segment = self.segments.get(&number).filter(|segment| segment.size < SEGMENT);
        let as_left = segment.is_some_and(|segment| {
            fs::symlink_metadata(self.path(number)).is_ok_and(|found| found.is_file() && found.len() == segment.size)
        });
        if !as_left {
            self.open.remove(target);
        }
        as_left.then_some(number)
    }

    /// The events of an extent, and whether these are all that were written.
    pub(super) fn read(&self, extent: Extent) -> Result<(Text, bool), ReadError> {
        if !self.segments.contains_key(&extent.segment) {
            return Err(ReadError::Gone);
        }
        let read = disk::read_range(&self.path(extent.segment), extent.offset, extent.length);
        let bytes = read.map_err(|error| match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => ReadError::Gone,
            _ => ReadError::Io(error),
        })?;
        let (mut text, mut at) = (Text::default(), 0);
        while let Ok(Some(record)) = segment::record(&bytes, at) {
            text.push(record.text, record.told);
            at = record.end;
        }
        Ok((text, at == bytes.len()))
    }

    /// The events of this extent are delivered, or given up. A segment goes when nothing in it waits any more.
    pub(super) fn release(&mut self, extent: Extent) {
        let Some(segment) = self.segments.get_mut(&extent.segment) else { return };
        segment.live = segment.live.saturating_sub(extent.length);
        if segment.live == 0 {
            self.remove(extent.segment);
        }
    }

    /// How many bytes it takes on the disk.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    fn remove(&mut self, number: u64) {
        self.delete(number);
        if let Some(segment) = self.segments.remove(&number) {
            self.bytes -= segment.size;
        }
        self.open.retain(|_, open| *open != number);
        self.uncut.remove(&number);
    }

    /// Delete the file of a segment, if there is one.
    fn delete(&self, number: u64) {
        let path = self.path(number);
        match self.medium.remove(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(file = %path.display(), %error, "a spooled segment cannot be deleted; the next start finds it again, and sends what is in it");
            }
            Ok(()) | Err(_) => {}
        }
    }

    fn path(&self, number: u64) -> PathBuf {
        self.folder.join(name(number))
    }
}

fn name(number: u64) -> String {
    format!("{number:012}{SUFFIX}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::TimedBy;

    #[test]
    fn a_text_gives_its_events_back() {
        let mut text = Text::default();
        let at = Told { at: Timestamp::from_millis(5), timed_by: TimedBy::Source };
        text.push(b"one", at);
        text.push("zwö".as_bytes(), at);
        assert_eq!(text.iter().collect::<Vec<_>>(), [(&b"one"[..], at), ("zwö".as_bytes(), at)]);
    }
}
