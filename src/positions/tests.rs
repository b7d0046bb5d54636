//! What the store promises to those who read and to those who deliver.
mod broken;
mod disk;
mod pace;
mod parts;
mod wreck;

use super::{progress::Progress, *};
use crate::model::{FileIdentity, FilePosition, Fingerprint, JournalPosition};
use proptest::prelude::*;
use std::{fs, path::PathBuf};
use tokio_util::sync::CancellationToken;

fn at(offset: u64) -> Position {
    let identity = FileIdentity { device: 1, inode: 2, head: Fingerprint::of(b"head") };
    Position::File(FilePosition {
        path: Path::new("/var/log/app.log").into(),
        identity,
        offset,
        before: Fingerprint::of(b"x\n"),
        target: "g:s".into(),
        modified: Timestamp::from_millis(7),
        home: None,
    })
}

fn offset(position: &Position) -> u64 {
    match position {
        Position::File(file) => file.offset,
        _ => panic!("these tests save files"),
    }
}

fn cover(source: SourceId, from: u64, to: u64) -> Cover {
    Cover { source, from, to, position: Some(at(to)) }
}

fn store(folder: &Path) -> Arc<Store> {
    Store::open(folder, Arc::default()).expect("opens")
}

/// What a new start finds.
fn found(folder: &Path) -> Vec<u64> {
    store(folder).saved().iter().map(|(_, position)| offset(position)).collect()
}

/// Where each source stands that would be saved now.
fn stands(store: &Store) -> Vec<u64> {
    store.all().iter().map(offset).collect()
}

fn save(store: &Store) {
    store.save(Timestamp::now()).expect("written");
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("temporary folder")
}

/// A folder with two good generations: 20 now, 10 before.
fn two_generations() -> tempfile::TempDir {
    let folder = folder();
    let first = store(folder.path());
    first.open(SourceId::unique(), 10, at(10));
    save(&first);
    drop(first);
    let second = store(folder.path());
    let (id, position) = second.saved().remove(0);
    second.open(id, 10, position);
    second.acknowledge(&[cover(id, 10, 20)]);
    save(&second);
    folder
}

#[test]
fn an_acknowledged_position_is_found_by_the_next_run() {
    let folder = folder();
    let kept = store(folder.path());
    let id = SourceId::unique();
    kept.open(id, 0, at(0));
    kept.acknowledge(&[cover(id, 0, 7)]);
    save(&kept);
    drop(kept);
    let next = store(folder.path());
    assert_eq!(next.saved().iter().map(|(_, position)| position.clone()).collect::<Vec<_>>(), [at(7)]);
}

#[test]
fn a_journal_position_comes_back_as_it_was() {
    let folder = folder();
    let position = Position::Journal(JournalPosition {
        cursor: "s=a;i=1;\"".into(),
        at: Timestamp::from_millis(5),
        item: "".into(),
    });
    let kept = store(folder.path());
    kept.open(SourceId::unique(), 0, position.clone());
    save(&kept);
    drop(kept);
    assert_eq!(store(folder.path()).saved()[0].1, position);
}

#[test]
fn a_gap_holds_the_position_back_until_it_is_filled() {
    let folder = folder();
    let board = Arc::new(Board::default());
    let store = Store::open(folder.path(), Arc::clone(&board)).expect("opens");
    let id = SourceId::unique();
    board.source(id, |_| {});
    store.open(id, 0, at(0));
    store.acknowledge(&[cover(id, 20, 30), cover(id, 10, 20)]);
    assert_eq!(stands(&store)[0], 0);
    assert_eq!(board.read().sources[&id].acknowledged, 0);
    store.acknowledge(&[cover(id, 0, 10)]);
    assert_eq!(stands(&store)[0], 30);
    assert_eq!(board.read().sources[&id].acknowledged, 30);
}

#[test]
fn no_line_of_the_board_is_without_a_name() {
    let folder = folder();
    let board = Arc::new(Board::default());
    let store = Store::open(folder.path(), Arc::clone(&board)).expect("opens");
    let id = SourceId::unique();
    store.open(id, 0, at(0));
    assert!(board.read().sources.is_empty(), "its source makes it, with a name");
    board.source(id, |line| line.name = "app.log".into());
    store.open(id, 5, at(5));
    assert_eq!(board.read().sources[&id].acknowledged, 5);
    // Its source has let go of it before all was acknowledged.
    board.forget(id);
    store.acknowledge(&[cover(id, 5, 10)]);
    assert!(board.read().sources.is_empty());
}

#[test]
fn a_cover_without_a_position_moves_the_unit_and_keeps_the_position() {
    let folder = folder();
    let store = store(folder.path());
    let id = SourceId::unique();
    store.open(id, 0, at(0));
    store.acknowledge(&[cover(id, 0, 5), Cover { position: None, ..cover(id, 5, 9) }]);
    assert_eq!(stands(&store)[0], 5);
    store.acknowledge(&[cover(id, 9, 12)]);
    assert_eq!(stands(&store)[0], 12);
}

#[test]
fn an_empty_cover_hides_no_real_one() {
    let mut progress = Progress::at(0, at(0));
    let id = SourceId::unique();
    assert!(!progress.acknowledge(&Cover { position: Some(at(99)), ..cover(id, 5, 5) }));
    assert!(!progress.acknowledge(&cover(id, 5, 9)));
    assert!(progress.acknowledge(&cover(id, 0, 5)));
    assert_eq!((progress.reached(), offset(progress.position())), (9, 9));
}

#[test]
fn a_finished_source_is_forgotten_only_when_all_of_it_is_acknowledged() {
    let folder = folder();
    let board = Arc::new(Board::default());
    let store = Store::open(folder.path(), Arc::clone(&board)).expect("opens");
    let id = SourceId::unique();
    store.open(id, 0, at(0));
    store.finish(id, 10);
    store.acknowledge(&[cover(id, 0, 9)]);
    assert_eq!(stands(&store).len(), 1);
    store.acknowledge(&[cover(id, 9, 10)]);
    assert_eq!(stands(&store).len(), 0);
    store.acknowledge(&[cover(id, 0, 10)]);
    assert!(board.read().sources.is_empty(), "a late acknowledgement brings no line back");
    let done = SourceId::unique();
    store.open(done, 4, at(4));
    store.finish(done, 4);
    assert_eq!(stands(&store).len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_position_that_is_given_up_without_being_opened_is_forgotten_at_once_and_for_good() {
    let folder = two_generations();
    let kept = store(folder.path());
    let stop = CancellationToken::new();
    let running = tokio::spawn(run(Arc::clone(&kept), stop.clone()));
    kept.finish(kept.saved()[0].0, 20);
    assert!(kept.saved().is_empty());
    while !found(folder.path()).is_empty() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    stop.cancel();
    running.await.expect("ends");
}

#[test]
fn only_sources_that_nobody_opened_are_offered() {
    let folder = two_generations();
    let store = store(folder.path());
    let (id, position) = store.saved().remove(0);
    store.open(id, 20, position);
    assert!(store.saved().is_empty());
    assert_eq!(stands(&store).len(), 1);
}

#[test]
fn positions_unseen_for_thirty_days_are_dropped_and_open_ones_are_seen_at_each_save() {
    let day = Duration::from_secs(24 * 60 * 60);
    let folder = folder();
    let start = Timestamp::now();
    let kept = store(folder.path());
    kept.open(SourceId::unique(), 0, at(1));
    kept.save(start.plus(day * 40)).expect("written");
    drop(kept);
    let later = |days: u32| {
        Store::open_at(Box::new(Folder::at(folder.path())), Arc::default(), start.plus(day * (40 + days)))
            .expect("opens")
    };
    assert_eq!(later(30).saved().len(), 1);
    later(30).save(start.plus(day * 70)).expect("written");
    assert_eq!(later(31).saved().len(), 0, "a save without opening it is no sighting");
}

#[cfg(unix)]
#[test]
fn a_path_that_is_no_unicode_keeps_no_other_from_being_saved() {
    use std::os::unix::ffi::OsStringExt;
    let folder = folder();
    let kept = store(folder.path());
    let Position::File(mut odd) = at(1) else { unreachable!() };
    odd.path = PathBuf::from(std::ffi::OsString::from_vec(b"/tmp/\xff".to_vec())).into();
    kept.open(SourceId::unique(), 0, Position::File(odd));
    kept.open(SourceId::unique(), 0, at(2));
    save(&kept);
    drop(kept);
    assert_eq!(found(folder.path()), [2]);
}

proptest! {
    #[test]
    fn no_order_of_acknowledgements_saves_a_position_beyond_an_unacknowledged_cover(
        lengths in prop::collection::vec(1u64..9, 1..20),
        picks in prop::collection::vec(any::<prop::sample::Index>(), 0..40),
    ) {
        let id = SourceId::unique();
        let mut ends = Vec::new();
        let mut to = 0;
        for length in &lengths {
            to += length;
            ends.push((to - length, to));
        }
        let mut progress = Progress::at(0, at(0));
        let mut done = vec![false; ends.len()];
        for pick in picks {
            let index = pick.index(ends.len());
            progress.acknowledge(&cover(id, ends[index].0, ends[index].1));
            done[index] = true;
            let prefix = done.iter().take_while(|done| **done).count();
            let expected = prefix.checked_sub(1).map_or(0, |last| ends[last].1);
            prop_assert_eq!(progress.reached(), expected);
            prop_assert_eq!(offset(progress.position()), expected);
        }
    }
}
