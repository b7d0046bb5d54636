//! A log that was compressed (gzip) after its rotation: the text in it, read as that of a plain file.
//!
//! Text comes out from the beginning on only. So a small window of it is kept, and whoever asks for what lies before that
//! window begins again; readers go forward, so that is rare. Memory: the window, which holds no more than was asked for at
//! once, and about 100 KiB for the decoder; both are given back when nothing is to be read.
//!
//! How long the text is only the whole of it tells: the first [`Packed::stat`] reads through it. A file that ends too early,
//! or is damaged, is as long as it can be read, and says why ([`Packed::fault`]). One whose writer is not done yet is asked again
//! when it has grown and come to rest.
use super::content::{BEFORE, HEAD};
use crate::{
    model::Timestamp,
    platform::files::{self, Stat},
};
use flate2::read::MultiGzDecoder;
use std::{
    fs::File,
    io::{self, ErrorKind, Read},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

/// Text is had in pieces of this size, always from the beginning on: so a damaged file ends at the same byte each time.
const PIECE: usize = 8 * 1024;
/// So much of the text before what is asked for is kept.
const KEPT: u64 = 4 * BEFORE;
/// What a header says that the original was last written before that (2000-01-01) is a constant of some tool.
const LEAST_DATE: u64 = 946_684_800;
/// What a header counts in.
const SECOND: Duration = Duration::from_secs(1);

/// What keeps a compressed file from being read to its end.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{why}")]
pub(in crate::logs) struct Fault {
    /// It ends too early: it may still be being written.
    pub ends_early: bool,
    why: String,
}

/// An open compressed file. Also one that is not, as it shows: its text is empty, and it has a fault.
#[derive(Debug)]
pub(in crate::logs) struct Packed {
    file: Arc<File>,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    beginning: Beginning,
    measured: Option<Measured>,
    cursor: Option<Cursor>,
}

/// What the first bytes say.
#[derive(Debug)]
struct Beginning {
    /// The first bytes of the text.
    head: Vec<u8>,
    /// Not later than this the original was last written to, if the header says that.
    written: Option<SystemTime>,
}

/// What reading through the file has shown.
#[derive(Debug)]
struct Measured {
    /// The compressed file was so long, and last written to then.
    raw: (u64, SystemTime),
    /// How long it was, and last written to when, as it was last asked.
    asked: (u64, SystemTime),
    /// Bytes of text.
    size: u64,
    fault: Option<Fault>,
}

impl Packed {
    /// Reads the first kilobyte of its text.
    ///
    /// # Errors
    /// What the file system says. Damage is no error: see [`Self::fault`].
    pub fn open(file: File) -> io::Result<Self> {
        let file = Arc::new(file);
        let beginning = Beginning::of(&file)?;
        Ok(Self { file, inner: Mutex::new(Inner { beginning, measured: None, cursor: None }) })
    }

    pub fn file(&self) -> &File {
        &self.file
    }

    /// Its size is that of the text; its time that of the text, as far as it is known: many tools date the compressed file
    /// as the original, others say in it when that was written.
    pub fn stat(&self) -> io::Result<Stat> {
        let stat = files::stat_open(&self.file)?;
        let raw = (stat.size, stat.modified);
        let mut inner = self.inner();
        if let Some(measured) = &mut inner.measured {
            let calm = std::mem::replace(&mut measured.asked, raw) == raw;
            // A complete one that is dated anew is no other one.
            let same = raw == measured.raw || measured.fault.is_none() && raw.0 == measured.raw.0;
            if same || !calm {
                let (size, written) = (measured.size, SystemTime::min(measured.raw.1, raw.1));
                let modified = if same { inner.beginning.modified(written) } else { raw.1 };
                return Ok(Stat { size, modified, ..stat });
            }
        }
        (inner.beginning, inner.cursor) = (Beginning::of(&self.file)?, None);
        let size = inner.measured.insert(Measured::of(&self.file, raw)?).size;
        Ok(Stat { size, modified: inner.beginning.modified(raw.1), ..stat })
    }

    /// The time of the text, where `stat` is of the file as it is.
    pub fn modified(&self, stat: &Stat) -> SystemTime {
        self.inner().beginning.modified(stat.modified)
    }

    /// Known since the first [`Self::stat`].
    pub fn fault(&self) -> Option<Fault> {
        self.inner().measured.as_ref().and_then(|measured| measured.fault.clone())
    }

    /// Up to `length` bytes of the text from `offset` on.
    pub fn bytes(&self, offset: u64, length: u64) -> io::Result<Vec<u8>> {
        let inner = &mut *self.inner();
        let size = inner.measured.as_ref().map_or(u64::MAX, |measured| measured.size);
        let end = offset.saturating_add(length).min(size);
        if offset >= end {
            return Ok(Vec::new());
        }
        let head = &inner.beginning.head;
        if end <= head.len() as u64 {
            return Ok(head[usize_of(offset)..usize_of(end)].to_vec());
        }
        let cursor = inner.cursor.take().filter(|cursor| cursor.start() <= offset);
        let mut cursor = cursor.unwrap_or_else(|| Cursor::new(&self.file));
        // An error of the file system leaves no cursor: the next try begins again.
        if let Some(fault) = cursor.forward(offset, end)?
            && let Some(measured) = &mut inner.measured
        {
            measured.size = measured.size.min(cursor.end);
            measured.fault = measured.fault.take().or(Some(fault));
        }
        let from = usize_of(offset.min(cursor.end) - cursor.start());
        let to = usize_of(end.min(cursor.end) - cursor.start());
        let text = cursor.window[from..to].to_vec();
        inner.cursor = Some(cursor);
        Ok(text)
    }

    pub fn relax(&self) {
        self.inner().cursor = None;
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        // Whoever panicked left at worst no cursor.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Measured {
    fn of(file: &Arc<File>, raw: (u64, SystemTime)) -> io::Result<Self> {
        let mut cursor = Cursor::new(file);
        let fault = cursor.forward(u64::MAX, u64::MAX)?;
        Ok(Self { raw, asked: raw, size: cursor.end, fault })
    }
}

impl Beginning {
    fn of(file: &Arc<File>) -> io::Result<Self> {
        let mut cursor = Cursor::new(file);
        cursor.forward(0, HEAD)?;
        let (written, mut head) = (cursor.written(), cursor.window);
        head.truncate(usize_of(HEAD));
        head.shrink_to_fit();
        Ok(Self { head, written })
    }

    fn modified(&self, file: SystemTime) -> SystemTime {
        self.written.map_or(file, |written| written.min(file))
    }
}

/// Whether the text was last written to at `moment`, as far as a compressed file counts time: in seconds.
pub(super) fn is_same_moment(text: &Stat, moment: Timestamp) -> bool {
    let modified = Timestamp::from(text.modified);
    modified.since(moment) <= SECOND && moment.since(modified) <= SECOND
}

/// A place in the text that moves forward.
#[derive(Debug)]
struct Cursor {
    decoder: MultiGzDecoder<FromStart>,
    /// The text before `end`.
    window: Vec<u8>,
    end: u64,
}

impl Cursor {
    fn new(file: &Arc<File>) -> Self {
        let decoder = MultiGzDecoder::new(FromStart { file: file.clone(), at: 0 });
        Self { decoder, window: Vec::new(), end: 0 }
    }

    /// Where the window begins.
    fn start(&self) -> u64 {
        self.end - self.window.len() as u64
    }

    /// Moves on until all up to `end` was in the window, of which the part behind `from` is kept. Says what keeps it from
    /// getting there, unless that is the end of the text.
    fn forward(&mut self, from: u64, end: u64) -> io::Result<Option<Fault>> {
        let mut piece = [0; PIECE];
        loop {
            let least = from.saturating_sub(KEPT);
            let needless = usize_of(least.saturating_sub(self.start())).min(self.window.len());
            self.window.drain(..needless);
            if self.end >= end {
                return Ok(None);
            }
            match self.decoder.read(&mut piece) {
                Ok(0) => return Ok(None),
                Ok(n) => {
                    self.window.extend_from_slice(&piece[..n]);
                    self.end += n as u64;
                }
                Err(error) => match error.kind() {
                    // By these the decoder says that the bytes are none that gzip has written.
                    ErrorKind::UnexpectedEof | ErrorKind::InvalidInput | ErrorKind::InvalidData => {
                        let ends_early = error.kind() == ErrorKind::UnexpectedEof;
                        return Ok(Some(Fault { ends_early, why: error.to_string() }));
                    }
                    _ => return Err(error),
                },
            }
        }
    }

    /// The latest moment at which the original was last written to, as the header says, in whole seconds (RFC 1952).
    fn written(&self) -> Option<SystemTime> {
        let seconds = u64::from(self.decoder.header()?.mtime());
        let written = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds) + SECOND);
        written.filter(|_| seconds > LEAST_DATE)
    }
}

/// A file from its beginning on, whoever else reads it.
#[derive(Debug)]
struct FromStart {
    file: Arc<File>,
    at: u64,
}

impl Read for FromStart {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = files::read_at(&self.file, buffer, self.at)?;
        self.at += n as u64;
        Ok(n)
    }
}

/// Of what is no longer than a window.
fn usize_of(length: u64) -> usize {
    usize::try_from(length).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests;
