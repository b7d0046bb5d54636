//! Reading one generation, and noticing that it is not what it was.
use super::*;
use std::fs::{self, OpenOptions};

fn names(path: &Path) -> Names {
    Names { path: path.into(), target: "g:s".into(), home: None, text: Arc::default() }
}

fn open(path: &Path, start: Start) -> Generation {
    let (file, stat) = open_regular(path).expect("readable");
    Generation::new(SourceId::unique(), &names(path), file, stat, start, Instant::now()).expect("readable")
}

#[test]
fn a_read_error_is_tried_again_at_the_same_offset_with_growing_patience() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("app.log");
    fs::write(&path, "one\ntwo\n").expect("written");
    let mut generation = open(&path, Start::At(4));
    let good = generation.file().clone();
    // A handle that cannot be read through.
    let broken = OpenOptions::new().write(true).open(&path).expect("writable");
    generation.move_to(broken, generation.seen);
    let mut now = Instant::now();
    let mut waits = Vec::new();
    for _ in 0..10 {
        generation.read(SLICE, now, Timestamp::default()).expect_err("cannot be read");
        generation.failed(now);
        let retry = generation.retry.expect("not at once");
        waits.push(retry - now);
        assert!(!generation.is_ready(now));
        now = retry;
        assert!(generation.is_ready(now));
    }
    assert!(waits.is_sorted());
    assert_eq!((waits[0], waits[9]), READ_RETRY);
    generation.move_to(good, generation.seen);
    let Ok(Found::Chunk(chunk)) = generation.read(SLICE, now, Timestamp::default()) else { panic!("a chunk") };
    assert_eq!((chunk.from, chunk.to), (4, 8));
    assert!(generation.note_works(), "that is news");
    assert!(!generation.note_works());
}

#[test]
fn a_file_that_is_cut_short_just_before_a_read_is_noticed_by_the_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("app.log");
    fs::write(&path, "one\n").expect("written");
    let mut generation = open(&path, Start::At(4));
    fs::write(&path, "another content, and a longer one\n").expect("written");
    let found = generation.read(SLICE, Instant::now(), Timestamp::default());
    assert!(matches!(found, Ok(Found::Truncated)));
    assert_eq!(generation.offset, 4);
}

#[test]
fn only_regular_files_are_opened() {
    let folder = tempfile::tempdir().expect("a folder");
    assert!(open_regular(folder.path()).is_err());
}

#[test]
fn the_head_grows_with_a_young_file_and_then_stays() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("app.log");
    for (text, head) in [("", 0), ("one\n", 4), (&"x".repeat(2000), 1024)] {
        fs::write(&path, text).expect("written");
        assert_eq!(open(&path, Start::At(0)).position().identity.head.length, head);
    }
    fs::write(&path, "one\n").expect("written");
    let mut generation = open(&path, Start::At(0));
    fs::write(&path, format!("one\n{}\n", "x".repeat(3000))).expect("written");
    generation.read(SLICE, Instant::now(), Timestamp::default()).expect("read");
    assert_eq!(generation.position().identity.head.length, 1024);
    assert_eq!(generation.position().before.length, 64);
}

/// Numbered lines of one length that end alike, far longer than what is remembered before a position.
fn alike(from: usize) -> String {
    (from..from + 20).map(|n| format!("{n:09} {}\n", "x".repeat(80))).collect()
}

#[test]
fn a_file_that_was_cut_short_and_grew_to_the_same_length_is_noticed_although_it_ends_alike() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("app.log");
    for by_look in [true, false] {
        fs::write(&path, alike(0)).expect("written");
        let mut generation = open(&path, Start::At(20 * 91));
        // The same inode, the same bytes before the position, and more after it.
        fs::write(&path, alike(100) + &alike(200)).expect("written");
        let found = match by_look {
            true => generation.look(None, Instant::now()),
            false => generation.read(SLICE, Instant::now(), Timestamp::default()),
        };
        assert!(matches!(found, Ok(Found::Truncated)), "{found:?}");
    }
}

#[test]
fn a_file_that_only_grew_is_still_the_same_however_alike_its_lines_are() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("app.log");
    fs::write(&path, alike(0)).expect("written");
    let mut generation = open(&path, Start::At(20 * 91));
    fs::write(&path, alike(0) + &alike(20)).expect("written");
    assert!(matches!(generation.look(None, Instant::now()), Ok(Found::Nothing)));
    let found = generation.read(SLICE, Instant::now(), Timestamp::default());
    assert!(matches!(found, Ok(Found::Chunk(_))), "{found:?}");
}

#[test]
fn while_a_file_grows_fast_its_head_is_checked_once_a_look_and_not_each_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("app.log");
    let text = |from: usize| (0..200).map(|n| alike(from + 20 * n)).collect::<String>();
    for (later, by_read) in [(Duration::ZERO, false), (TRUSTED, true)] {
        fs::write(&path, text(0)).expect("written");
        let mut generation = open(&path, Start::At(text(0).len() as u64));
        let now = generation.changed + later;
        // Another file in its place, which cannot be told but by its head.
        fs::write(&path, text(5_000) + &alike(0)).expect("written");
        let found = generation.read(SLICE, now, Timestamp::default());
        assert_eq!(matches!(found, Ok(Found::Truncated)), by_read, "{found:?}");
        // Nothing changes any more: the look knows that there is something to make up for.
        assert!(matches!(generation.look(None, now), Ok(Found::Truncated)));
    }
}

#[test]
fn only_what_is_mostly_air_is_cut_off() {
    let mut slice = vec![0_u8; 256 * 1024];
    slice.truncate(256 * 1024 - 100);
    content::shrink(&mut slice);
    assert_eq!(slice.capacity(), 256 * 1024, "its place is good for the next slice");
    slice.truncate(1000);
    content::shrink(&mut slice);
    assert!(slice.capacity() < 2000);
}

#[test]
fn what_is_learned_of_a_head_comes_from_the_bytes_that_bear_out_what_was_known() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("app.log");
    fs::write(&path, "one\n").expect("written");
    let mut generation = open(&path, Start::At(0));
    let head = generation.position().identity.head;
    // Cut short and filled between a check and this.
    generation.learn_head(b"two\nthree\n");
    assert_eq!(generation.position().identity.head, head);
    generation.learn_head(b"one\nthree\n");
    assert_eq!(generation.position().identity.head, Fingerprint::of(b"one\nthree\n"));
}

#[test]
fn a_file_that_was_cut_short_between_its_size_and_its_head_was_empty() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("app.log");
    fs::write(&path, "one\n").expect("written");
    let (file, stat) = open_regular(&path).expect("readable");
    fs::write(&path, "").expect("cut");
    let now = Instant::now();
    let id = SourceId::unique();
    let mut generation = Generation::new(id, &names(&path), file, stat, Start::At(0), now).expect("readable");
    assert!(generation.was_empty());
    fs::write(&path, "two\n").expect("written");
    OpenOptions::new().append(true).open(&path).expect("writable").set_modified(stat.modified).expect("dated");
    let read = |generation: &mut Generation| generation.read(SLICE, now, Timestamp::default());
    assert!(matches!(read(&mut generation), Ok(Found::Nothing)), "a look comes first, and a search");
    assert!(matches!(generation.look(None, now), Ok(Found::Nothing)));
    assert!(!generation.was_empty());
    assert!(matches!(read(&mut generation), Ok(Found::Chunk(_))));
}

#[test]
fn a_file_that_is_cut_short_and_filled_alike_within_one_tick_is_noticed_by_the_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("app.log");
    let text = |n: u32| format!("line {n} {}\n", "x".repeat(100)).repeat(2);
    fs::write(&path, text(1)).expect("written");
    let mut generation = open(&path, Start::At(text(1).len() as u64 / 2));
    fs::write(&path, text(2)).expect("written");
    OpenOptions::new().append(true).open(&path).expect("there").set_modified(generation.seen.modified).expect("dated");
    let found = generation.read(SLICE, Instant::now(), Timestamp::default());
    assert!(matches!(found, Ok(Found::Truncated)), "size, time and the bytes before are the same; the head is not");
}
