//! One generation of a file: an open handle, how far it was handed on, and what proves that it is still the same file.
//!
//! Data is read from where the last whole event ends, so an unfinished one costs nothing but reading it again; no bytes are
//! kept between two looks. Each read is followed by a look at the bytes before it: if those changed, the file was cut short
//! and grew again, and what was read is not what was meant.
mod reading;

use super::{
    Names, begun,
    content::{self, Bytes as _, HEAD, Marks},
    handle::Handle,
    lines::Assembler,
};
use crate::{
    logs::text::encoding::Decoder,
    model::{Chunk, FileIdentity, FilePosition, Fingerprint, SourceId, Timestamp},
    platform::files::{self, FileId, FileKind, Stat},
};
use reading::Open;
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
    file: Handle,
    identity: Arc<FileIdentity>,
    /// Everything before it was handed on.
    pub offset: u64,
    /// The last bytes before `offset`.
    before: Vec<u8>,
    marks: Marks,
    /// Made by the first read.
    lines: Option<Assembler>,
    /// The rest, as far as it was read and left there.
    open: Option<Open>,
    /// The file as it was when it was last looked at.
    pub seen: Stat,
    /// There may be something to read.
    pub unread: bool,
    /// The rest, when it was last read, was an event without an end.
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
pub(in crate::logs) fn open_regular(path: &Path) -> io::Result<(File, Stat)> {
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
        file: impl Into<Handle>,
        stat: Stat,
        start: Start,
        now: Instant,
    ) -> io::Result<Self> {
        let file = file.into();
        let head = content::bytes(&file, 0, HEAD)?;
        let offset = match start {
            Start::At(offset) => offset,
            Start::LineOf(byte) => {
                begun::near_line_start(&file, byte.min(stat.size), &Decoder::new(names.text.encoding, &head))?
            }
        };
        let before = content::before(&file, offset)?;
        let head = Fingerprint::of(&head);
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
            lines: None,
            open: None,
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

    pub fn file(&self) -> &Handle {
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

    /// Where a line begins that has no line end yet, or an event that may go on. Of a file that is gone from its path it is
    /// sent soon.
    pub fn unfinished(&self) -> Option<u64> {
        (self.unfinished && !self.unread && self.detached.is_none()).then_some(self.offset)
    }

    /// When it was last looked at there was nothing in it: then nothing proves that what it says next is the first that
    /// it ever said. It may have been filled, copied and cut short in between; also between asking for its size and
    /// reading its head.
    pub fn was_empty(&self) -> bool {
        self.seen.size == 0 || self.identity.head.length == 0
    }

    /// Nothing was seen to happen to it for so long.
    pub fn quiet_for(&self, span: Duration, now: Instant) -> bool {
        let since = self.detached.map_or(self.changed, |detached| detached.max(self.changed));
        now.saturating_duration_since(since) >= span
    }

    /// Where reading resumes now.
    pub fn position(&self) -> FilePosition {
        FilePosition {
            path: self.names.path.clone(),
            identity: self.identity.as_ref().clone(),
            offset: self.offset,
            before: Fingerprint::of(&self.before),
            target: self.names.target.clone(),
            modified: self.modified(),
            home: self.names.home.clone(),
        }
    }

    /// Asks the file whether it changed, unless `known` says how it is. Cheap when it did not.
    pub fn look(&mut self, known: Option<&Stat>, now: Instant) -> io::Result<Found> {
        let stat = known.map_or_else(|| self.file.stat(), |stat| Ok(*stat))?;
        let changed = (stat.size, stat.modified) != (self.seen.size, self.seen.modified);
        self.seen.links = stat.links;
        if changed || self.was_empty() && stat.size > 0 {
            if !self.is_same(stat.size, Check::Head, now)? {
                return Ok(Found::Truncated);
            }
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

    /// Goes on in `file`, which says the same: another inode of the same content, or the same after a stale handle.
    pub fn move_to(&mut self, file: impl Into<Handle>, stat: Stat) {
        self.identity =
            Arc::new(FileIdentity { device: stat.id.device, inode: stat.id.inode, head: self.identity.head });
        (self.file, self.seen, self.unread, self.open) = (file.into(), stat, true, None);
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

    /// Whether the file still is what it was: not shorter than what was read, and saying the same before `offset`.
    /// Lines of one length may well say the same there: the head tells. What is learned of it comes from the very bytes
    /// that bear out what was known: in another reading they may be those of the next generation.
    fn is_same(&mut self, size: u64, check: Check, now: Instant) -> io::Result<bool> {
        if size < self.offset {
            return Ok(false);
        }
        // That was found out when it was opened, and nobody writes into the midst of a compressed file.
        if self.file.is_packed() {
            return Ok(true);
        }
        let length = self.before.len() as u64;
        if content::bytes(&self.file, self.offset - length, length)? != self.before {
            return Ok(false);
        }
        if check == Check::Before && length == content::BEFORE {
            return Ok(true);
        }
        let head = content::bytes(&self.file, 0, HEAD)?;
        let same = content::starts(&head, self.identity.head);
        if same {
            self.learn_head(&head);
            (self.head_checked, self.head_unchecked) = (now, false);
        }
        Ok(same)
    }

    /// The head grows with a young file, whose first bytes these are, if they begin as those that are known.
    fn learn_head(&mut self, text: &[u8]) {
        let (known, text) = (self.identity.head, &text[..text.len().min(HEAD as usize)]);
        if text.len() > known.length as usize && content::starts(text, known) {
            let head = Fingerprint::of(text);
            self.identity = Arc::new(FileIdentity { head, ..self.identity.as_ref().clone() });
        }
    }
}

#[cfg(test)]
mod tests;
