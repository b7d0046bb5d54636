//! One spooled batch on the disk: its name, and bytes that show whether they are whole.
//!
//! ```text
//! name     0001769903999999-0000000042.batch       time of the newest point (ms since 1970) - sequence
//! content  "ACPBATCH"  version u32  crc32 of the payload u32  payload (JSON of a MetricBatch)     integers little-endian
//! ```
use crate::{model::Timestamp, platform::disk};
use std::{fmt, fs, io, path::Path};

const MAGIC: &[u8; 8] = b"ACPBATCH";
/// The version that this program writes.
const VERSION: u32 = 1;
const HEADER: usize = 16;
/// No batch comes near this: a thousand points of the longest names and dimensions that one PutMetricData takes have
/// about a megabyte on the wire, and JSON with every character escaped has six times that.
pub(super) const MOST: u64 = 16 << 20;
const EXTENSION: &str = ".batch";
const LEFTOVER: &str = ".batch.new";

/// Names one file, and sorts as the ring does.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Name {
    pub at: Timestamp,
    pub sequence: u32,
}

impl Name {
    /// `None`: not a file of ours.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (at, sequence) = text.strip_suffix(EXTENSION)?.split_once('-')?;
        let name = Self { at: Timestamp::from_millis(at.parse().ok()?), sequence: sequence.parse().ok()? };
        (name.to_string() == text).then_some(name)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // No point of ours is from before 1970; if one were, it would be outdated anyway.
        write!(f, "{:016}-{:010}{EXTENSION}", self.at.as_millis().max(0), self.sequence)
    }
}

/// Why a file cannot be replayed.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unusable {
    #[error("it is torn or corrupt")]
    Corrupt,
    #[error("it was written by a newer version of this program (format {0}): start that version to send it")]
    Newer(u32),
    #[error("it is gone")]
    Gone,
    /// A link, a FIFO or a device, or far larger than a batch can be.
    #[error("it is no spooled batch: {0}")]
    Foreign(io::Error),
    /// May pass: too many open files, say, or a disk that stumbled.
    #[error("it cannot be read: {0}")]
    Io(io::Error),
    #[error("it is not a batch: {0}")]
    Json(serde_json::Error),
}

/// Whether a crash left this file half-written.
pub(super) fn is_leftover(text: &str) -> bool {
    text.ends_with(LEFTOVER)
}

/// The whole content of a file with this payload.
pub(super) fn encode(payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER + payload.len());
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&VERSION.to_le_bytes());
    bytes.extend_from_slice(&crc32fast::hash(payload).to_le_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

/// The payload of a whole file.
pub(super) fn decode(mut bytes: Vec<u8>) -> Result<Vec<u8>, Unusable> {
    let word = |from: usize| bytes.get(from..from + 4).and_then(|w| w.try_into().ok()).map(u32::from_le_bytes);
    let (Some(version), Some(crc)) = (word(8), word(12)) else { return Err(Unusable::Corrupt) };
    if !bytes.starts_with(MAGIC) || version == 0 {
        return Err(Unusable::Corrupt);
    }
    if version > VERSION {
        return Err(Unusable::Newer(version));
    }
    if crc32fast::hash(&bytes[HEADER..]) != crc {
        return Err(Unusable::Corrupt);
    }
    Ok(bytes.split_off(HEADER))
}

/// Read a file's payload.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, Unusable> {
    let bytes = disk::read_regular(path, MOST).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Unusable::Gone,
        io::ErrorKind::InvalidData => Unusable::Foreign(error),
        _ => Unusable::Io(error),
    })?;
    decode(bytes)
}

/// Write a whole file under its name, and wait until both are on the disk. On failure there is no such file.
pub(super) fn write(folder: &Path, name: Name, bytes: &[u8]) -> io::Result<()> {
    let path = folder.join(name.to_string());
    disk::replace(&path, bytes).inspect_err(|_| {
        // The caller keeps the batch: one that stays here too would be sent twice.
        let _ = fs::remove_file(&path);
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_sort_by_time_and_then_by_sequence() {
        let name = |at, sequence| Name { at: Timestamp::from_millis(at), sequence };
        let names = [name(9, 4_000_000_000), name(10, 0), name(10, 1), name(1_769_903_999_999, 0)];
        let texts: Vec<_> = names.iter().map(ToString::to_string).collect();
        assert!(names.is_sorted() && texts.is_sorted(), "{texts:?}");
        assert!(names.iter().zip(&texts).all(|(name, text)| Name::parse(text) == Some(*name)));
    }

    #[test]
    fn foreign_names_are_not_ours() {
        for text in ["", "x.batch", "1-2.batch", "0000000000000010-0000000001.batch.new", "0000000000000010-0000000001"]
        {
            assert_eq!(Name::parse(text), None, "{text}");
        }
        assert!(is_leftover("0000000000000010-0000000001.batch.new"));
    }

    #[test]
    fn every_cut_and_every_flipped_byte_is_noticed() {
        let whole = encode(b"{\"payload\":1}");
        assert_eq!(decode(whole.clone()).expect("whole"), b"{\"payload\":1}");
        for cut in 0..whole.len() {
            assert!(decode(whole[..cut].to_vec()).is_err(), "cut at {cut}");
        }
        for index in 0..whole.len() {
            let mut flipped = whole.clone();
            flipped[index] ^= 1;
            assert!(decode(flipped).is_err(), "flipped at {index}");
        }
    }
}
