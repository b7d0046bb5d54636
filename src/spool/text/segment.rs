//! The bytes of one segment: events of one target, each with a checksum of its own, appended until the segment is large.
//!
//! ```text
//! head    "ACPTEXTS"  version u32  length of the target u32  crc32 of the target u32  target (JSON)
//! record  length of the text u32  crc32 of time and text u32  time i64 (ms since 1970)  text      again and again
//! ```
//!
//! Integers are little-endian. The highest bit of a record's length says that the source told the time; the checksum has one byte
//! more then, so that this bit is covered, too. Version 1 had no such records, and is read as it was: the reader told the time. What a crash left of the last record is no record; a record that is whole and wrong spoils what
//! comes after it in its segment, since nothing says where the next one begins.
use crate::model::{Target, TimedBy, Timestamp, limits::MESSAGE_BYTES};

const MAGIC: &[u8; 8] = b"ACPTEXTS";
/// The version that this program writes.
const VERSION: u32 = 2;
/// In the length of a record: its source told the time.
const BY_SOURCE: u32 = 1 << 31;
/// Bytes before the target.
const FIXED: usize = 20;
/// Bytes of a record before its text.
pub(super) const RECORD: usize = 16;
/// No event that was taken is longer: the service takes none. Twice that, so that a later version may be more generous.
const LONGEST: usize = 2 * MESSAGE_BYTES;

/// Why a segment, or the rest of one, cannot be sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum Unusable {
    #[error("it is torn or corrupt")]
    Corrupt,
    #[error("it was written by a newer version of this program (format {0}): start that version to send it")]
    Newer(u32),
}

/// When an event happened, and who says so.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Told {
    pub at: Timestamp,
    pub timed_by: TimedBy,
}

/// One event of a segment.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Record<'a> {
    pub told: Told,
    pub text: &'a [u8],
    /// Where the next one begins.
    pub end: usize,
}

/// What a new segment begins with.
pub(super) fn head(target: &Target) -> Vec<u8> {
    let json = serde_json::to_vec(target).expect("plain data with string keys");
    let mut bytes = Vec::with_capacity(FIXED + json.len());
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&VERSION.to_le_bytes());
    // A group's and a stream's name have at most 512 characters each.
    bytes.extend_from_slice(&u32::try_from(json.len()).unwrap_or(u32::MAX).to_le_bytes());
    bytes.extend_from_slice(&crc32fast::hash(&json).to_le_bytes());
    bytes.extend_from_slice(&json);
    bytes
}

/// Whose events a segment holds, and where they begin.
pub(super) fn parse_head(bytes: &[u8]) -> Result<(Target, usize), Unusable> {
    let (Some(version), Some(length), Some(crc)) = (word(bytes, 8), word(bytes, 12), word(bytes, 16)) else {
        return Err(Unusable::Corrupt);
    };
    if !bytes.starts_with(MAGIC) || version == 0 {
        return Err(Unusable::Corrupt);
    }
    if version > VERSION {
        return Err(Unusable::Newer(version));
    }
    let end = FIXED.saturating_add(length as usize);
    let json = bytes.get(FIXED..end).filter(|json| crc32fast::hash(json) == crc).ok_or(Unusable::Corrupt)?;
    Ok((serde_json::from_slice(json).map_err(|_| Unusable::Corrupt)?, end))
}

/// Append one record.
pub(super) fn push(bytes: &mut Vec<u8>, told: Told, text: &[u8]) {
    let time = told.at.as_millis().to_le_bytes();
    let by_source = match told.timed_by {
        TimedBy::Source => BY_SOURCE,
        TimedBy::Reader => 0,
    };
    bytes.extend_from_slice(&(u32::try_from(text.len()).unwrap_or(u32::MAX) | by_source).to_le_bytes());
    bytes.extend_from_slice(&checksum(&time, text, told.timed_by).to_le_bytes());
    bytes.extend_from_slice(&time);
    bytes.extend_from_slice(text);
}

/// The record that begins at `start`. `None`: there is none, or only what a crash left of one.
pub(super) fn record(bytes: &[u8], start: usize) -> Result<Option<Record<'_>>, Unusable> {
    let (Some(length), Some(crc)) = (word(bytes, start), word(bytes, start + 4)) else { return Ok(None) };
    let timed_by = if length & BY_SOURCE == 0 { TimedBy::Reader } else { TimedBy::Source };
    let length = (length & !BY_SOURCE) as usize;
    if length == 0 {
        // No event is empty: a file system that lost the content of a grown file shows zeros there.
        let torn = bytes[start..].iter().all(|byte| *byte == 0);
        return if torn { Ok(None) } else { Err(Unusable::Corrupt) };
    }
    if length > LONGEST {
        return Err(Unusable::Corrupt);
    }
    let end = start + RECORD + length;
    let Some(body) = bytes.get(start + 8..end) else { return Ok(None) };
    let (time, text) = body.split_at(8);
    let time: [u8; 8] = time.try_into().expect("split at eight");
    if checksum(&time, text, timed_by) != crc {
        return Err(Unusable::Corrupt);
    }
    let told = Told { at: Timestamp::from_millis(i64::from_le_bytes(time)), timed_by };
    Ok(Some(Record { told, text, end }))
}

fn checksum(time: &[u8], text: &[u8], timed_by: TimedBy) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(time);
    hasher.update(text);
    match timed_by {
        TimedBy::Source => hasher.update(&[1]),
        TimedBy::Reader => {}
    }
    hasher.finalize()
}

fn word(bytes: &[u8], from: usize) -> Option<u32> {
    bytes.get(from..from + 4).and_then(|word| word.try_into().ok()).map(u32::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target() -> Target {
        Target { group: "/g".into(), stream: "s".into(), retention_in_days: Some(7), ..Target::default() }
    }

    /// The first one's time was told by its source, and so on by turns.
    fn segment(texts: &[&str]) -> Vec<u8> {
        let mut bytes = head(&target());
        for (at, text) in (1..).zip(texts) {
            push(&mut bytes, told(at), text.as_bytes());
        }
        bytes
    }

    fn told(at: i64) -> Told {
        let timed_by = if at % 2 == 1 { TimedBy::Source } else { TimedBy::Reader };
        Told { at: Timestamp::from_millis(at), timed_by }
    }

    fn read(bytes: &[u8]) -> (Vec<&[u8]>, Option<Unusable>) {
        let (_, mut at) = parse_head(bytes).expect("a head");
        let mut texts = vec![];
        loop {
            match record(bytes, at) {
                Ok(Some(record)) => (at = record.end, texts.push(record.text)).0,
                Ok(None) => return (texts, None),
                Err(why) => return (texts, Some(why)),
            }
        }
    }

    #[test]
    fn what_is_written_is_read_back_with_its_target_and_times() {
        let bytes = segment(&["one", "two"]);
        let (found, start) = parse_head(&bytes).expect("whole");
        assert_eq!(found, target());
        let first = record(&bytes, start).expect("whole").expect("there");
        assert_eq!((first.told, first.text), (told(1), &b"one"[..]));
        let second = record(&bytes, first.end).expect("whole").expect("there");
        assert_eq!((second.told, second.text), (told(2), &b"two"[..]));
        assert_eq!(read(&bytes), (vec![&b"one"[..], b"two"], None));
    }

    #[test]
    fn a_torn_tail_costs_only_the_record_that_was_being_written() {
        let whole = segment(&["one", "two"]);
        let first_ends = segment(&["one"]).len();
        for cut in first_ends..whole.len() {
            assert_eq!(read(&whole[..cut]), (vec![&b"one"[..]], None), "cut at {cut}");
            let zeros = [&whole[..first_ends], &vec![0; cut][..]].concat();
            assert_eq!(read(&zeros), (vec![&b"one"[..]], None), "zeros");
        }
        for cut in 0..head(&target()).len() {
            assert!(parse_head(&whole[..cut]).is_err(), "cut at {cut}");
        }
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let whole = segment(&["one"]);
        for index in 0..whole.len() {
            let mut flipped = whole.clone();
            for bit in 0..8 {
                flipped[index] = whole[index] ^ (1 << bit);
                let noticed = parse_head(&flipped).is_err() || read(&flipped).0.is_empty();
                // A version that was there once is read as that.
                let older = index == 8 && flipped[index] == 1;
                assert!(noticed || older, "flipped at {index}, bit {bit}");
            }
        }
    }

    /// As version 1 wrote it: group `g`, stream `s`, and one event.
    #[test]
    fn what_the_first_version_wrote_is_read_and_its_reader_told_the_time() {
        let json = br#"{"group":"g","stream":"s","retention_in_days":null,"class":null,"entity":null,"emf":false}"#;
        let record_of = [&1_i64.to_le_bytes()[..], b"one"].concat();
        let parts: [&[u8]; 8] = [
            b"ACPTEXTS",
            &1_u32.to_le_bytes(),
            &u32::try_from(json.len()).expect("small").to_le_bytes(),
            &crc32fast::hash(json).to_le_bytes(),
            json,
            &3_u32.to_le_bytes(),
            &crc32fast::hash(&record_of).to_le_bytes(),
            &record_of,
        ];
        let bytes = parts.concat();
        let (found, start) = parse_head(&bytes).expect("whole");
        assert_eq!((found.group.as_str(), found.stream.as_str()), ("g", "s"));
        let only = record(&bytes, start).expect("whole").expect("there");
        let told = Told { at: Timestamp::from_millis(1), timed_by: TimedBy::Reader };
        assert_eq!(only, Record { told, text: b"one", end: bytes.len() });
    }

    #[test]
    fn a_newer_version_is_told_from_a_broken_one() {
        let mut bytes = segment(&[]);
        bytes[8] = 3;
        assert_eq!(parse_head(&bytes), Err(Unusable::Newer(3)));
    }
}
