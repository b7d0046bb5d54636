//! One generation of a file: an open handle, how far it was handed on, and what proves that it is still the same file.
//!
//! Data is read from the last line end on, so an unfinished line costs nothing but reading it again; no bytes are kept
//! between two looks. Each read is followed by a look at the bytes before it: if those changed, the file was cut short
//! and grew again, and what was read is not what was meant.
use super::{
    Names, begun,
    content::{self, HEAD, Marks},
    lines::{self, Begun, ENOUGH, Tail},
    trail::LATE,
};
use crate::{
    config::settings::Filter,
    model::{Anchor, Chunk, FileIdentity, FilePosition, Fingerprint, Position, SourceId, TimedBy, Timestamp},
    platform::files::{self, FileId, FileKind, Stat},
    telemetry::counters,
};
use std::{
    fs::File,
    io,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

/// How much is read at once at most: enough to run at the speed of memory, little enough to be fair and small.
pub(super) const SLICE: u64 = 256 * 1024;
/// Many files share so much, so that what waits in their lanes stays small, but none gets less than `LEAST_SLICE`.
const SHARED: u64 = 4 * 1024 * 1024;
const LEAST_SLICE: u64 = 16 * 1024;
/// So long after its head was checked the head of a growing file is not read again by reads of the rest. Looks come no
/// more often while a file is written to, and each one checks.
const TRUSTED: Duration = Duration::from_millis(100);
/// An unfinished line of a file that is gone from its path is sent after so long a silence.
pub(super) const QUIET: Duration = Duration::from_secs(5);
/// The first and the longest wait after a read error.
const READ_RETRY: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(30));
/// Where files are being renamed that is over after so long, or worth another look.
const RENAMING_RETRY: Duration = Duration::from_millis(50);
/// So many failures in a row, about ten seconds, are no passing trouble.
const LASTING: u32 = 5;

/// How much is read at once where `files` are followed.
pub(super) fn slice(files: usize) -> u64 {
    (SHARED / (files as u64).max(1)).clamp(LEAST_SLICE, SLICE)
}

/// Where reading begins.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Start {
    /// Exactly here.
    At(u64),
    /// At the beginning of the line that holds this byte, so that no half line is sent.
    LineOf(u64),
}

/// What must be as it was for a file to be the same.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Check {
    /// The bytes before the offset.
    Before,
    /// Those, and the head.
    Head,
}

/// What a look or a read found.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "it lives for a moment on the stack; a box would cost every slice an allocation"
)]
pub(super) enum Found {
    Nothing,
    Chunk(Chunk),
    /// The file does not say any more what it said: it was cut short.
    Truncated,
}

#[derive(Debug)]
pub(super) struct Generation {
    pub id: SourceId,
    names: Names,
    file: Arc<File>,
    identity: Arc<FileIdentity>,
    /// Everything before it was handed on.
    pub offset: u64,
    /// The last bytes before `offset`.
    before: Vec<u8>,
    marks: Marks,
    begun: Begun,
    /// How the line is judged that reading begins in is not known yet.
    unjudged: bool,
    /// The file as it was when it was last looked at.
    pub seen: Stat,
    /// There may be something to read.
    pub unread: bool,
    /// The rest, when it was last read, was a line without a line end.
    unfinished: bool,
    /// When it was last seen to change.
    changed: Instant,
    /// When the head was last found to be as it was.
    head_checked: Instant,
    /// The file was read after a change without that: the next look makes up for it.
    head_unchecked: bool,
    /// Since when it is gone from its path.
    pub detached: Option<Instant>,
    /// Its writer has gone over to another file, although this one still is at its path.
    pub superseded: bool,
    failures: u32,
    /// After a read error: not before this.
    pub retry: Option<Instant>,
}

/// Opens a regular file. Everything else is refused, without waiting for a FIFO's writer.
pub(super) fn open_regular(path: &Path) -> io::Result<(File, Stat)> {
    let file = files::open(path)?;
    let stat = files::stat_open(&file)?;
    match stat.kind {
        FileKind::Regular => Ok((file, stat)),
        FileKind::Directory | FileKind::Special => {
            Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"))
        }
    }
}

impl Generation {
    pub fn new(
        id: SourceId,
        names: &Names,
        file: Arc<File>,
        stat: Stat,
        start: Start,
        now: Instant,
    ) -> io::Result<Self> {
        let offset = match start {
            Start::At(offset) => offset,
            Start::LineOf(byte) => begun::near_line_start(&file, byte.min(stat.size))?,
        };
        let before = content::before(&file, offset)?;
        let head = Fingerprint::of(&content::bytes(&file, 0, HEAD)?);
        let identity = Arc::new(FileIdentity { device: stat.id.device, inode: stat.id.inode, head });
        let mut marks = Marks::default();
        marks.add(offset, Fingerprint::of(&before));
        Ok(Self {
            id,
            names: names.clone(),
            file,
            identity,
            offset,
            before,
            marks,
            begun: None,
            unjudged: true,
            seen: stat,
            unread: stat.size > offset,
            unfinished: false,
            changed: now,
            head_checked: now,
            head_unchecked: false,
            detached: None,
            superseded: false,
            failures: 0,
            retry: None,
        })
    }

    /// Which file it is.
    pub fn file_id(&self) -> FileId {
        self.seen.id
    }

    pub fn file(&self) -> &Arc<File> {
        &self.file
    }

    pub fn marks(&self) -> &Marks {
        &self.marks
    }

    /// When the file had last been written to when it was last looked at.
    pub fn modified(&self) -> Timestamp {
        self.seen.modified.into()
    }

    /// There may be something to read, and no error forbids trying.
    pub fn is_ready(&self, now: Instant) -> bool {
        self.unread && self.retry.is_none_or(|at| now >= at)
    }

    /// Everything that there was has been handed on.
    pub fn drained(&self) -> bool {
        !self.unread && self.seen.size <= self.offset
    }

    /// Where a line begins that has no line end yet and waits for it. Of a file that is gone from its path it is sent
    /// soon.
    pub fn unfinished(&self) -> Option<u64> {
        (self.unfinished && !self.unread && self.detached.is_none()).then_some(self.offset)
    }

    /// When it was last looked at there was nothing in it: then nothing proves that what it says next is the first that
    /// it ever said. It may have been filled, copied and cut short in between.
    pub fn was_empty(&self) -> bool {
        self.seen.size == 0
    }

    /// Nothing was seen to happen to it for so long.
    pub fn quiet_for(&self, span: Duration, now: Instant) -> bool {
        let since = self.detached.map_or(self.changed, |detached| detached.max(self.changed));
        now.saturating_duration_since(since) >= span
    }

    /// Where reading resumes now.
    pub fn position(&self) -> FilePosition {
        FilePosition {
            path: self.names.path.to_path_buf(),
            identity: self.identity.as_ref().clone(),
            offset: self.offset,
            before: Fingerprint::of(&self.before),
            target: self.names.target.to_string(),
            modified: self.modified(),
            home: self.names.home.as_deref().map(Path::to_path_buf),
        }
    }

    /// Asks the file whether it changed, unless `known` says how it is. Cheap when it did not.
    pub fn look(&mut self, known: Option<&Stat>, now: Instant) -> io::Result<Found> {
        let stat = known.map_or_else(|| files::stat_open(&self.file), |stat| Ok(*stat))?;
        let changed = (stat.size, stat.modified) != (self.seen.size, self.seen.modified);
        self.seen.links = stat.links;
        if changed {
            if !self.is_same(stat.size, Check::Head, now)? {
                return Ok(Found::Truncated);
            }
            self.refresh_head()?;
            self.seen = stat;
            self.changed = now;
            self.unread = true;
        } else if self.head_unchecked && !self.is_same(stat.size, Check::Head, now)? {
            return Ok(Found::Truncated);
        } else if self.rest_is_last(now) && self.seen.size > self.offset {
            self.unread = true;
        }
        Ok(Found::Nothing)
    }

    /// Reads the next `slice` bytes, more where a line is longer. An error leaves everything as it was, for another
    /// try.
    pub fn read(&mut self, filter: &Filter, slice: u64, now: Instant, wall: Timestamp) -> io::Result<Found> {
        let stat = files::stat_open(&self.file)?;
        let changed = (stat.size, stat.modified) != (self.seen.size, self.seen.modified);
        if changed {
            self.changed = now;
        }
        if self.was_empty() && self.detached.is_none() && stat.modified != self.seen.modified {
            self.unread = false; // A look must see the first write: see `was_empty`.
            return Ok(Found::Nothing);
        }
        let there = stat.size.saturating_sub(self.offset);
        let text = self.next_bytes(there, slice)?;
        let trusted = self.offset >= SLICE && now.saturating_duration_since(self.head_checked) < TRUSTED;
        let check = if changed && !trusted { Check::Head } else { Check::Before };
        if !self.is_same(stat.size, check, now)? {
            return Ok(Found::Truncated);
        }
        self.head_unchecked |= changed && trusted;
        if self.unjudged {
            self.begun = begun::at(&self.file, self.offset, filter)?;
            self.unjudged = false;
        }
        let all = text.len() as u64 == there;
        let tail = if all && self.rest_is_last(now) { Tail::Last } else { Tail::Growing };
        let cut = lines::cut(&text, self.offset, wall, filter, self.begun, tail);
        self.seen = stat;
        self.unread = !all && cut.used > 0;
        self.unfinished = all && (cut.used as u64) < there;
        self.begun = cut.begun;
        counters::EVENTS_FILTERED.add(cut.filtered);
        counters::EVENTS_SPLIT.add(cut.split);
        if cut.used == 0 {
            return Ok(Found::Nothing);
        }
        if self.offset < HEAD {
            self.refresh_head()?;
        }
        if self.offset == 0 && lines::is_utf16(&text) {
            tracing::warn!(path = %self.names.path.display(),
                "this file begins as UTF-16, which is not built yet: its lines are sent with replacement characters; write it as UTF-8");
        }
        Ok(Found::Chunk(self.advance(text, cut)))
    }

    /// Goes on in `file`, which says the same: another inode of the same content, or the same after a stale handle.
    pub fn move_to(&mut self, file: Arc<File>, stat: Stat) {
        self.identity =
            Arc::new(FileIdentity { device: stat.id.device, inode: stat.id.inode, head: self.identity.head });
        (self.file, self.seen, self.unread) = (file, stat, true);
    }

    /// Notes a failed look or read, and how long to leave the file alone.
    pub fn failed(&mut self, now: Instant) {
        let wait = READ_RETRY.0.saturating_mul(1 << self.failures.min(10)).min(READ_RETRY.1);
        self.failures += 1;
        self.retry = Some(now + wait);
    }

    /// Not to be read before a moment has passed; nothing failed.
    pub fn retry_soon(&mut self, now: Instant) {
        self.retry = Some(now + RENAMING_RETRY);
    }

    /// Notes that the file can be read; says whether that is news.
    pub fn note_works(&mut self) -> bool {
        self.retry = None;
        std::mem::take(&mut self.failures) > 0
    }

    /// Whether the handle has failed since it last worked.
    pub fn is_failing(&self) -> bool {
        self.failures > 0
    }

    /// Whether it has failed so often that nobody should wait for it.
    pub fn is_failing_for_long(&self) -> bool {
        self.failures >= LASTING
    }

    /// At least one line, if its end is there and near enough.
    fn next_bytes(&self, there: u64, slice: u64) -> io::Result<Vec<u8>> {
        let mut length = slice.min(ENOUGH as u64);
        loop {
            let text = content::bytes(&self.file, self.offset, there.min(length))?;
            if (text.len() as u64) < length || length == ENOUGH as u64 || memchr::memrchr(b'\n', &text).is_some() {
                return Ok(text);
            }
            length = (4 * length).min(ENOUGH as u64);
        }
    }

    fn advance(&mut self, mut text: Vec<u8>, mut cut: lines::Cut) -> Chunk {
        let (from, to) = (self.offset, self.offset + cut.used as u64);
        text.truncate(cut.used);
        // It waits in a lane, and may be far less than what was read or guessed.
        content::shrink(&mut text);
        content::shrink(&mut cut.events);
        self.before.extend_from_slice(&text[text.len().saturating_sub(content::BEFORE as usize)..]);
        self.before.drain(..self.before.len().saturating_sub(content::BEFORE as usize));
        self.offset = to;
        self.marks.add(to, Fingerprint::of(&self.before));
        if cut.events.is_empty() {
            // Only the position moves; nobody needs the bytes.
            text = Vec::new();
        }
        let anchor = Anchor::File {
            path: self.names.path.clone(),
            identity: self.identity.clone(),
            target: self.names.target.clone(),
            modified: self.modified(),
            home: self.names.home.clone(),
        };
        let end = Position::File(self.position());
        Chunk { source: self.id, text, events: cut.events, timed_by: TimedBy::Reader, from, to, anchor, end }
    }

    /// Whether the file still is what it was: not shorter than what was read, and saying the same before `offset`.
    /// Lines of one length may well say the same there: the head tells, which is always asked when hardly anything was
    /// read yet.
    fn is_same(&mut self, size: u64, check: Check, now: Instant) -> io::Result<bool> {
        if size < self.offset {
            return Ok(false);
        }
        let length = self.before.len() as u64;
        if content::bytes(&self.file, self.offset - length, length)? != self.before {
            return Ok(false);
        }
        if check == Check::Before && length == content::BEFORE {
            return Ok(true);
        }
        let same = content::begins(&self.file, self.identity.head)?;
        if same {
            (self.head_checked, self.head_unchecked) = (now, false);
        }
        Ok(same)
    }

    /// The head grows with a young file. It has been found to be the same file.
    fn refresh_head(&mut self) -> io::Result<()> {
        if u64::from(self.identity.head.length) < HEAD {
            let head = Fingerprint::of(&content::bytes(&self.file, 0, HEAD)?);
            if head != self.identity.head {
                self.identity = Arc::new(FileIdentity { head, ..self.identity.as_ref().clone() });
            }
        }
        Ok(())
    }

    fn rest_is_last(&self, now: Instant) -> bool {
        self.detached.is_some() && self.quiet_for(QUIET, now) || self.superseded && self.quiet_for(LATE, now)
    }
}

#[cfg(test)]
mod tests;
