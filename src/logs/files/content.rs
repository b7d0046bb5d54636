//! Knowing a file again by what it says: its head, and the bytes just before a position.
//!
//! Inodes are used again and names move on; contents do neither. Where the two disagree, the content decides.
use crate::{
    model::{self, FilePosition, Fingerprint},
    platform::files::{self, Stat},
};
use std::{fs::File, io};

/// How many bytes of the head are remembered.
pub(super) const HEAD: u64 = 1024;
/// How many bytes before a position are remembered.
pub(super) const BEFORE: u64 = model::BEFORE as u64;
/// A head of this length tells logs apart without further evidence: a few lines, with their times.
const TELLING: u32 = 256;
/// How many earlier positions of a file are remembered at most.
const MARKS: usize = 32;
/// How much two files are compared at a time.
const PIECE: usize = 64 * 1024;

/// Up to `length` bytes from `offset` on.
pub(super) fn bytes(file: &impl Bytes, offset: u64, length: u64) -> io::Result<Vec<u8>> {
    file.bytes(offset, length)
}

/// What says something at every offset, up to its end.
pub(in crate::logs) trait Bytes {
    /// See [`bytes()`].
    fn bytes(&self, offset: u64, length: u64) -> io::Result<Vec<u8>>;

    /// Whether the file itself holds other bytes than these: it is compressed.
    fn is_packed(&self) -> bool {
        false
    }
}

impl Bytes for File {
    fn bytes(&self, offset: u64, length: u64) -> io::Result<Vec<u8>> {
        let mut buffer = vec![0; usize::try_from(length).unwrap_or(usize::MAX)];
        let n = files::read_at(self, &mut buffer, offset)?;
        buffer.truncate(n);
        #[cfg(test)]
        READ.set(READ.get() + n as u64);
        Ok(buffer)
    }
}

#[cfg(test)]
thread_local! {
    /// Bytes that this thread has read.
    pub(super) static READ: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
}

/// The bytes just before `offset`.
pub(super) fn before(file: &impl Bytes, offset: u64) -> io::Result<Vec<u8>> {
    let length = offset.min(BEFORE);
    bytes(file, offset - length, length)
}

/// Whether the file still says what `print` remembers of the bytes that end at `offset`.
pub(super) fn ends(file: &impl Bytes, offset: u64, print: Fingerprint) -> io::Result<bool> {
    let Some(start) = offset.checked_sub(print.length.into()) else { return Ok(false) };
    Ok(Fingerprint::of(&bytes(file, start, print.length.into())?) == print || print.length == 0)
}

/// Whether the file begins as `head` remembers. An empty memory fits every file.
pub(super) fn begins(file: &impl Bytes, head: Fingerprint) -> io::Result<bool> {
    ends(file, head.length.into(), head)
}

/// Whether these first bytes of a file are as `head` remembers them.
pub(super) fn starts(text: &[u8], head: Fingerprint) -> bool {
    text.get(..head.length as usize).is_some_and(|text| Fingerprint::of(text) == head || head.length == 0)
}

/// Whether reading can go on in this file where `position` says. Without a head there is no proof: the caller must know
/// the file by something else.
pub(super) fn goes_on(file: &impl Bytes, stat: &Stat, position: &FilePosition) -> io::Result<bool> {
    Ok(stat.size >= position.offset
        && begins(file, position.identity.head)?
        && ends(file, position.offset, position.before)?)
}

/// Whether all of `file` stands in `whole` as well, as far as a look at its first and last piece can tell.
pub(in crate::logs) fn is_part_of(file: &impl Bytes, size: u64, whole: &impl Bytes) -> io::Result<bool> {
    let piece = (PIECE as u64).min(size);
    for start in [0, size - piece] {
        if bytes(file, start, piece)? != bytes(whole, start, piece)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether a head is long enough to tell logs apart without further evidence.
pub(super) fn is_telling(head: Fingerprint) -> bool {
    head.length >= TELLING
}

/// Earlier positions of a file, dense near its end and sparse before: they tell a copy that was made a moment ago from
/// another file, although the original had grown on when we read it.
#[derive(Clone, Debug, Default)]
pub(super) struct Marks(Vec<(u64, Fingerprint)>);

impl Marks {
    /// Remembers one more.
    pub fn add(&mut self, offset: u64, before: Fingerprint) {
        if self.0.len() == MARKS {
            // Every second one of the older half goes: what is left reaches twice as far back.
            let mut index = 0;
            self.0.retain(|_| {
                index += 1;
                index > MARKS / 2 || index % 2 == 1
            });
        }
        self.0.push((offset, before));
    }

    /// Whether `file`, shorter than what was read, is the beginning of what was read. `head` has been found to fit.
    pub fn know(&self, file: &impl Bytes, size: u64, head: Fingerprint) -> io::Result<bool> {
        match self.0.iter().rev().find(|(offset, _)| *offset <= size) {
            Some(&(offset, before)) => ends(file, offset, before),
            None => Ok(is_telling(head)),
        }
    }
}

/// Gives back what is mostly air. A little air stays: cut off, it would leave holes in the heap that the next slice does
/// not quite fit into, and the heap would grow with each.
pub(super) fn shrink<T>(buffer: &mut Vec<T>) {
    if buffer.len() < buffer.capacity() / 2 {
        buffer.shrink_to_fit();
    }
}
