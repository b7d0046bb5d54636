//! Reading a compressed file at any place.
use super::*;
use flate2::{Compression, GzBuilder};
use std::io::Write;

fn packed(text: &[u8], header_time: u32) -> Vec<u8> {
    let mut encoder = GzBuilder::new().mtime(header_time).write(Vec::new(), Compression::fast());
    encoder.write_all(text).expect("memory");
    encoder.finish().expect("memory")
}

fn text() -> Vec<u8> {
    (0..100_000).flat_map(|n| format!("line {n} {}\n", n * 7919 % 10_007).into_bytes()).collect()
}

fn file(bytes: &[u8], seconds: u64) -> File {
    let mut file = tempfile::tempfile().expect("a file");
    file.write_all(bytes).expect("written");
    file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)).expect("dated");
    file
}

fn open(bytes: &[u8]) -> Packed {
    Packed::open(file(bytes, 1_700_000_000)).expect("readable")
}

#[test]
fn every_part_of_the_text_can_be_read_in_any_order() {
    let text = text();
    let packed = open(&packed(&text, 0));
    let end = text.len() as u64;
    let places =
        [(0, 100), (500, 100_000), (100_400, 300_000), (100_400, 64), (5, 3000), (end - 10, 100), (end, 10), (0, 0)];
    for measured in [false, true] {
        for (offset, length) in places {
            let from = offset as usize;
            let expected = &text[from..text.len().min(from + length)];
            assert!(packed.bytes(offset, length as u64).expect("read") == expected, "{offset} {length} {measured}");
        }
        assert_eq!(packed.stat().expect("read").size, end);
        packed.relax();
    }
    assert!(packed.fault().is_none());
}

#[test]
fn several_members_are_one_text() {
    let both = open(&[packed(b"one\n", 0), packed(b"two\n", 0)].concat());
    assert_eq!(both.stat().expect("read").size, 8);
    assert_eq!(both.bytes(2, 100).expect("read"), b"e\ntwo\n");
}

#[test]
fn the_window_holds_no_more_than_what_was_asked_for() {
    let packed = open(&packed(&text(), 0));
    packed.stat().expect("read");
    for offset in (0..1_000_000).step_by(20_000) {
        packed.bytes(offset, 20_000).expect("read");
        let held = packed.inner().cursor.as_ref().map_or(0, |cursor| cursor.window.len());
        assert!(held <= 20_000 + PIECE + KEPT as usize, "{held}");
    }
    packed.relax();
    assert!(packed.inner().cursor.is_none());
}

#[test]
fn what_ends_too_early_is_as_long_as_it_can_be_read_and_longer_when_it_has_grown() {
    let (text, whole) = (text(), packed(&text(), 0));
    for part in [0, 5, whole.len() / 2, whole.len() - 3] {
        let cut = file(&whole[..part], 1_700_000_000);
        let mut writer = cut.try_clone().expect("a handle");
        let packed = Packed::open(cut).expect("readable");
        let size = packed.stat().expect("read").size;
        assert!(packed.fault().is_some_and(|fault| fault.ends_early), "{part}");
        let there = packed.bytes(0, u64::MAX).expect("read");
        assert!(there.len() as u64 == size && text.starts_with(&there), "{part}: {size}");
        writer.write_all(&whole[part..]).expect("written");
        assert_eq!(packed.stat().expect("read").size, size, "it may still be growing");
        assert_eq!(packed.stat().expect("read").size, text.len() as u64);
        assert!(packed.fault().is_none() && packed.bytes(0, u64::MAX).expect("read") == text);
    }
}

#[test]
fn damage_is_no_error_and_ends_the_text_at_the_same_place_each_time() {
    let whole = packed(&text(), 0);
    let mut bent = whole.clone();
    bent[whole.len() / 2..][..200].fill(0xff);
    let (mut forged, trailed) = (whole.clone(), [whole.as_slice(), b"something else"].concat());
    *forged.last_mut().expect("there") ^= 1;
    for damaged in [bent, forged, trailed, b"no gzip at all\n".to_vec()] {
        let packed = open(&damaged);
        let early = packed.bytes(1_000_000, 2_000_000).expect("read").len() as u64;
        let size = packed.stat().expect("read").size;
        assert_eq!(early, size.saturating_sub(1_000_000));
        assert!(packed.fault().is_some_and(|fault| !fault.ends_early));
        assert_eq!(packed.bytes(0, u64::MAX).expect("read").len() as u64, size);
    }
}

#[test]
fn the_header_tells_the_time_of_the_text_unless_the_file_is_older_or_it_is_no_time() {
    const FILE: u64 = 1_700_000_000;
    for (header, expected) in
        [(0, FILE), (1, FILE), (315_532_800, FILE), (1_699_990_000, 1_699_990_001), (1_800_000_000, FILE)]
    {
        let packed = Packed::open(file(&packed(b"one\n", header), FILE)).expect("readable");
        let modified = packed.stat().expect("read").modified;
        assert_eq!(modified, SystemTime::UNIX_EPOCH + Duration::from_secs(expected), "{header}");
    }
}
