//! Many sources: they are written piece by piece, and what they have in common is in memory once.
use super::*;
use crate::positions::{known::Known, record::Replay};

/// So many opened sources, each of a path of its own.
fn many(count: u64) -> (Known, Vec<SourceId>) {
    let mut known = Known::default();
    let put = |n: u64| {
        let (id, Position::File(file)) = (SourceId::unique(), at(n)) else { unreachable!() };
        let path = Path::new(&format!("/var/log/{n}.log")).into();
        known.put(id, n, Position::File(FilePosition { path, ..file }), true, Timestamp::now());
        id
    };
    let ids = (0..count).map(put).collect();
    (known, ids)
}

fn replayed(bytes: &[u8]) -> (Replay, bool) {
    let mut replay = Replay::default();
    let found = replay.read(&mut &*bytes).expect("of this version");
    assert_eq!((found.damaged, found.torn), (0, false));
    (replay, found.base)
}

#[test]
fn a_write_of_thousands_of_sources_never_has_them_all_in_memory() {
    let (mut known, _) = many(2_000);
    let mut batch = known.take(true, Timestamp::now());
    let parts: Vec<_> = std::iter::from_fn(|| batch.part()).collect();
    assert!(parts.len() > 5 && parts.iter().all(|part| part.capacity() < 80 * 1024));
    let (replay, whole) = replayed(&parts.concat());
    assert!(whole && replay.sources.len() == 2_000);
    known.written(batch);
    assert!(!known.has_news());
}

#[test]
fn a_write_holds_all_sources_as_they_stood_at_one_moment_and_what_moves_or_is_forgotten_amid_it_is_written_next() {
    let (mut known, ids) = many(2_000);
    let mut batch = known.take(true, Timestamp::now());
    let mut bytes = batch.part().expect("the first part");
    // The first one is written already, the last one is not.
    let (first, last) = (ids[0], ids[1_999]);
    known.forget(last);
    known.forget(ids[1]);
    known.acknowledge(&cover(first, 0, 7));
    std::iter::from_fn(|| batch.part()).for_each(|part| bytes.extend(part));
    let (replay, whole) = replayed(&bytes);
    assert!(whole, "the first line counts what is there");
    assert_eq!(replay.sources.len(), 2_000, "none is forgotten without what took its place");
    assert_eq!(offset(&replay.sources[&1].position), 0);
    known.written(batch);
    let mut next = known.take(false, Timestamp::now());
    std::iter::from_fn(|| next.part()).for_each(|part| bytes.extend(part));
    let (replay, _) = replayed(&bytes);
    assert_eq!(replay.sources.len(), 1_998);
    assert_eq!(offset(&replay.sources[&1].position), 7);
}

#[test]
fn what_was_not_written_of_a_batch_that_failed_is_written_by_the_next_one() {
    for all in [true, false] {
        let (mut known, _) = many(2_000);
        let mut batch = known.take(all, Timestamp::now());
        batch.part().expect("the first part");
        known.failed(batch);
        let mut next = known.take(false, Timestamp::now());
        let bytes: Vec<_> = std::iter::from_fn(|| next.part()).flatten().collect();
        assert_eq!(bytes.iter().filter(|byte| **byte == b'\n').count(), 2_000);
    }
}

#[test]
fn a_start_keeps_each_target_once() {
    let (mut known, _) = many(3);
    let mut batch = known.take(true, Timestamp::now());
    let bytes: Vec<_> = std::iter::from_fn(|| batch.part()).flatten().collect();
    let (replay, _) = replayed(&bytes);
    let targets = replay.sources.into_values().map(|entry| match entry.position {
        Position::File(file) => file.target,
        _ => unreachable!("only files here"),
    });
    let targets: Vec<_> = targets.collect();
    assert!(Arc::ptr_eq(&targets[0], &targets[2]));
}
