//! The folder of segments: appending, reading back, and the three bounds. Every call blocks on the disk.
//!
//! Segments are named by a number that only grows, so the lowest is the oldest, whoever its target is. No file stays open:
//! appending opens one, and looks whether it is still as it was left. A process never appends to what an earlier one wrote,
//! so nothing that a crash tore is ever written behind.
use super::segment::{self, RECORD, Told, Unusable};
use crate::{
    config::settings,
    model::{Target, Timestamp, limits},
    platform::disk,
};
use std::{
    collections::{BTreeMap, HashMap},
    fs,
    io::{self, Write as _},
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

/// What an earlier run left for one target: the extents with their numbers of events, oldest first.
pub(super) struct Found {
    pub target: Target,
    pub extents: Vec<(Extent, u64)>,
}

/// What was found at the start.
#[derive(Default)]
pub(super) struct Inventory {
    pub found: Vec<Found>,
    /// Segments of which a part, or all, cannot be read.
    pub corrupt: u64,
    /// Events that were too old to be kept, or over the bounds.
    pub dropped: u64,
}

/// Why an extent was not read.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReadError {
    #[error("it is gone, or not what was written")]
    Gone,
    #[error(transparent)]
    Io(io::Error),
}

struct Segment {
    /// Bytes of the file.
    size: u64,
    /// Bytes of it that are not delivered yet.
    live: u64,
    newest: Timestamp,
}

/// Bytes free on the file system of a folder.
pub(super) type Measure = Box<dyn Fn(&Path) -> io::Result<u64> + Send + Sync>;

/// All segments of this daemon.
pub(super) struct Store {
    folder: PathBuf,
    bounds: settings::Spool,
    segments: BTreeMap<u64, Segment>,
    bytes: u64,
    next: u64,
    /// The segment that each target's events are appended to.
    open: HashMap<Arc<Target>, u64>,
    free: Measure,
}

impl Store {
    /// Take over the folder; made when it is missing.
    ///
    /// # Errors
    /// When it cannot be made.
    pub(super) fn new(folder: &Path, bounds: settings::Spool, free: Measure) -> io::Result<Self> {
        disk::private_folder(folder)?;
        let (segments, open) = Default::default();
        Ok(Self { folder: folder.to_owned(), bounds, segments, bytes: 0, next: 1, open, free })
    }

    /// Read what earlier runs left.
    ///
    /// # Errors
    /// When the folder cannot be listed.
    pub(super) fn take_inventory(&mut self, now: Timestamp) -> io::Result<Inventory> {
        let mut numbers = vec![];
        for entry in fs::read_dir(&self.folder)? {
            let name = entry?.file_name();
            let number = name.to_str().and_then(|name| name.strip_suffix(SUFFIX)).and_then(|n| n.parse::<u64>().ok());
            numbers.extend(number.filter(|number| *self.path(*number).file_name().unwrap_or_default() == *name));
        }
        numbers.sort_unstable();
        let mut inventory = Inventory::default();
        let mut places: HashMap<Target, usize> = HashMap::new();
        for number in numbers {
            self.next = self.next.max(number.saturating_add(1));
            let Some((target, extents)) = self.look_into(number, now, &mut inventory) else { continue };
            let place = *places.entry(target.clone()).or_insert_with(|| {
                inventory.found.push(Found { target, extents: vec![] });
                inventory.found.len() - 1
            });
            inventory.found[place].extents.extend(extents);
        }
        Ok(inventory)
    }

    /// Read one segment that an earlier run left. `None`: there is nothing in it to send.
    fn look_into(
        &mut self,
        number: u64,
        now: Timestamp,
        inventory: &mut Inventory,
    ) -> Option<(Target, Vec<(Extent, u64)>)> {
        let path = self.path(number);
        let left_alone = |why: &dyn std::fmt::Display| {
            tracing::warn!(file = %path.display(), %why, "a spooled segment of log text is left alone");
        };
        // Of a strange kind, or unreadable now: a later start may find it better.
        let bytes = disk::read_regular(&path, MOST).map_err(|error| left_alone(&error)).ok()?;
        let (target, mut at) = match segment::parse_head(&bytes) {
            Ok(head) => head,
            Err(why @ Unusable::Newer(_)) => {
                left_alone(&why);
                return None;
            }
            Err(Unusable::Corrupt) => {
                // A crash while it was begun leaves nothing in it; otherwise nobody can know whose events they are.
                inventory.corrupt += u64::from(!bytes.iter().all(|byte| *byte == 0));
                let _ = fs::remove_file(&path);
                return None;
            }
        };
        let (mut extents, mut events, mut newest): (Vec<(Extent, u64)>, u64, _) = (vec![], 0, Timestamp::default());
        let start = at;
        loop {
            match segment::record(&bytes, at) {
                Ok(Some(record)) => {
                    let length = (record.end - at) as u64;
                    match extents.last_mut() {
                        Some((last, count)) if last.length + length <= EXTENT => {
                            (last.length, *count) = (last.length + length, *count + 1);
                        }
                        _ => extents.push((Extent { segment: number, offset: at as u64, length }, 1)),
                    }
                    (at, events, newest) = (record.end, events + 1, newest.max(record.told.at));
                }
                Ok(None) => break,
                Err(why) => {
                    inventory.corrupt += 1;
                    tracing::warn!(file = %path.display(), %why, byte = at, events, "the rest of a spooled segment cannot be read");
                    break;
                }
            }
        }
        let outdated = now.since(newest) > self.bounds.max_age;
        if events == 0 || outdated {
            inventory.dropped += events;
            let _ = fs::remove_file(&path);
            return None;
        }
        let size = bytes.len() as u64;
        self.bytes += size;
        self.segments.insert(number, Segment { size, live: (at - start) as u64, newest });
        Some((target, extents))
    }

    /// Append the events of one target; each text gets an extent of its own. They are on the disk when this returns.
    ///
    /// # Errors
    /// Nothing of it is in the spool then.
    pub(super) fn append(&mut self, target: &Arc<Target>, texts: &[Arc<Text>]) -> io::Result<Vec<Extent>> {
        let mut extents = vec![];
        for text in texts {
            let written = self.append_one(target, text);
            match written {
                Ok(extent) => extents.push(extent),
                Err(error) => {
                    extents.into_iter().for_each(|extent| self.release(extent));
                    return Err(error);
                }
            }
        }
        let mut numbers: Vec<u64> = extents.iter().map(|extent| extent.segment).collect();
        numbers.dedup();
        for number in numbers {
            let synced = disk::append_private(&self.path(number)).and_then(|file| file.sync_data());
            if let Err(error) = synced {
                extents.into_iter().for_each(|extent| self.release(extent));
                return Err(error);
            }
        }
        Ok(extents)
    }

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
            write_behind(&self.folder.join(name(number)), &records, offset)?;
            (segment.size, segment.live, segment.newest) =
                (offset + length, segment.live + length, segment.newest.max(newest));
            self.bytes += length;
            return Ok(Extent { segment: number, offset, length });
        }
        let mut bytes = segment::head(target);
        let offset = bytes.len() as u64;
        bytes.append(&mut records);
        let number = self.next;
        let path = self.path(number);
        let mut written = disk::write_synced(&path, &bytes);
        if written.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
            disk::private_folder(&self.folder)?;
            tracing::warn!(folder = %self.folder.display(), "somebody removed the spool of log text: it is made again");
            written = disk::write_synced(&path, &bytes);
        }
        written?;
        disk::sync_folder(&self.folder).inspect_err(|_| _ = fs::remove_file(&path))?;
        self.next += 1;
        self.bytes += offset + length;
        self.segments.insert(number, Segment { size: offset + length, live: length, newest });
        self.open.insert(target.clone(), number);
        Ok(Extent { segment: number, offset, length })
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

    /// Make room for `size` bytes more: the oldest segments go first. Returns those that went.
    ///
    /// # Errors
    /// When even an empty spool would leave too little free.
    pub(super) fn trim(&mut self, size: u64, now: Timestamp) -> (Vec<u64>, io::Result<()>) {
        let mut gone = vec![];
        let max_age = self.bounds.max_age;
        let outdated: Vec<u64> =
            self.segments.iter().filter(|(_, s)| now.since(s.newest) > max_age).map(|(number, _)| *number).collect();
        outdated.iter().for_each(|number| self.remove(*number));
        gone.extend(outdated);
        while self.bytes + size > self.bounds.max_log_bytes
            && let Some(oldest) = self.segments.keys().next().copied()
        {
            self.remove(oldest);
            gone.push(oldest);
        }
        if size > self.bounds.max_log_bytes {
            let why = "what is to be kept is larger than agent.spool.max_log_bytes";
            return (gone, Err(io::Error::new(io::ErrorKind::QuotaExceeded, why)));
        }
        // Where the room cannot be measured, the write itself will tell.
        let Ok(free) = (self.free)(&self.folder) else { return (gone, Ok(())) };
        let wanted = self.bounds.min_free_bytes.saturating_add(size).saturating_sub(free);
        let before = self.bytes;
        while before - self.bytes < wanted
            && let Some(oldest) = self.segments.keys().next().copied()
        {
            self.remove(oldest);
            gone.push(oldest);
        }
        if before - self.bytes < wanted {
            let why = format!("{free} bytes are free, and agent.spool.min_free_bytes leaves these alone");
            return (gone, Err(io::Error::new(io::ErrorKind::StorageFull, why)));
        }
        (gone, Ok(()))
    }

    /// How many bytes it takes on the disk.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    fn remove(&mut self, number: u64) {
        let path = self.path(number);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(file = %path.display(), %error, "a spooled segment cannot be deleted; it is sent again after the next start");
            }
            Ok(()) | Err(_) => {}
        }
        if let Some(segment) = self.segments.remove(&number) {
            self.bytes -= segment.size;
        }
        self.open.retain(|_, open| *open != number);
    }

    fn path(&self, number: u64) -> PathBuf {
        self.folder.join(name(number))
    }
}

fn name(number: u64) -> String {
    format!("{number:012}{SUFFIX}")
}

/// Append where the file ends, at `offset`. On failure it ends there again.
fn write_behind(path: &Path, bytes: &[u8], offset: u64) -> io::Result<()> {
    let mut file = disk::append_private(path)?;
    file.write_all(bytes).inspect_err(|_| _ = file.set_len(offset))
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
