//! Crashes and power cuts at every step of every write: what was saved is found, and nothing that was never so.
use super::{wreck::Wreck, *};
use crate::positions::{file::OLD, old, record::Entry};
use proptest::prelude::*;
use std::collections::BTreeMap;

fn position(path: &str, offset: u64) -> Position {
    let Position::File(file) = at(offset) else { unreachable!() };
    Position::File(FilePosition { path: Path::new(path).into(), ..file })
}

fn cover_of(id: SourceId, from: u64, to: u64, path: &str) -> Cover {
    Cover { position: Some(position(path, to)), ..cover(id, from, to) }
}

/// Where the sources stand, by their paths.
type Places = BTreeMap<PathBuf, u64>;

fn places(store: &Store) -> Places {
    let files = store.all().into_iter().map(|position| match position {
        Position::File(file) => (file.path.to_path_buf(), file.offset),
        _ => panic!("only files here"),
    });
    files.collect()
}

/// What a program had reached when it ended.
#[derive(Default)]
struct Reached {
    /// At the last write that went well.
    saved: Places,
    /// As it last stood, written or not.
    known: Places,
    /// Forgotten sources: they may be found again.
    forgotten: Vec<PathBuf>,
}

impl Reached {
    /// Writes and notes how that went.
    fn save(&mut self, store: &Store) -> bool {
        self.known = places(store);
        let saved = store.save(Timestamp::now()).is_ok();
        if saved {
            self.saved.clone_from(&self.known);
        }
        saved
    }

    /// Two runs with files that grow, come and go. `None`: the power failed.
    fn live(&mut self, disk: &Wreck) -> Option<()> {
        for run in 0..2 {
            let store = Store::open_at(Box::new(disk.clone()), Arc::default(), Timestamp::now()).ok()?;
            self.known = places(&store);
            for (id, position) in store.saved() {
                store.open(id, offset(&position), position);
            }
            let (id, path) = (SourceId::unique(), format!("/log/{run}"));
            store.open(id, 0, position(&path, 0));
            self.save(&store).then_some(())?;
            for end in [10, 20] {
                store.acknowledge(&[cover_of(id, end - 10, end, &path)]);
                self.save(&store).then_some(())?;
            }
            let passing = SourceId::unique();
            store.open(passing, 0, position("/log/passing", 0));
            self.save(&store).then_some(())?;
            self.forgotten.push("/log/passing".into());
            store.finish(passing, 0);
            store.acknowledge(&[cover_of(id, 20, 30, &path)]);
            self.save(&store).then_some(())?;
        }
        Some(())
    }

    /// What was saved is there or has moved on, nothing is further than it ever was.
    fn check(&self, found: &Places, what: &str) {
        for (path, offset) in self.saved.iter().filter(|(path, _)| !self.forgotten.contains(path)) {
            assert!(
                found.get(path) >= Some(offset),
                "{what}: {path:?} is at {:?}, saved was {offset}",
                found.get(path)
            );
        }
        for (path, offset) in found.iter().filter(|(path, _)| !self.forgotten.contains(path)) {
            assert!(self.known.get(path) >= Some(offset), "{what}: {path:?} is at {offset}, which nobody reached");
        }
    }
}

/// At every step of every write, with every amount of it on the disk, and with every choice of the names that were not
/// forced there yet.
fn cut_at_every_step(disk: impl Fn() -> Wreck) {
    let whole = disk();
    Reached::default().live(&whole).expect("nothing fails");
    let steps = whole.state().steps;
    assert!(steps > 15, "only {steps} steps");
    for step in 0..steps {
        for last_words in [0, 1, 9, 60, 150, 300, 340, usize::MAX] {
            let disk = disk();
            disk.state().fail(step, last_words);
            let mut reached = Reached { saved: start(&disk), ..Reached::default() };
            reached.known.clone_from(&reached.saved);
            assert_eq!(reached.live(&disk), None, "the power fails at step {step}");
            for kept in 0..disk.ways() {
                let what = format!("cut at step {step} with {last_words} bytes and names {kept:b}");
                let after = disk.after(kept);
                let store = Store::open_at(Box::new(after.clone()), Arc::default(), Timestamp::now()).expect(&what);
                reached.check(&places(&store), &what);
                // And what is found is a good place to go on from.
                let mut next = Reached::default();
                next.live(&after).expect(&what);
                next.check(&start(&after), &what);
            }
        }
    }
}

fn start(disk: &Wreck) -> Places {
    places(&Store::open_at(Box::new(disk.after(0)), Arc::default(), Timestamp::now()).expect("whole"))
}

#[test]
fn a_power_cut_at_any_step_loses_nothing_that_was_saved_and_invents_nothing() {
    cut_at_every_step(Wreck::default);
}

#[test]
fn a_power_cut_while_positions_of_the_first_version_are_taken_over_loses_none_of_them() {
    let entry = Entry { seen: Timestamp::now(), position: position("/log/old", 70) };
    let text = old::write(&[entry]);
    cut_at_every_step(|| Wreck::with(OLD, &text));
}

/// One source that moves twelve times, the base and the appended records in one file.
fn grown() -> (tempfile::TempDir, Vec<u8>) {
    let folder = folder();
    let kept = store(folder.path());
    let id = SourceId::unique();
    kept.open(id, 0, at(0));
    save(&kept);
    for end in 1..=12 {
        kept.acknowledge(&[cover(id, end - 1, end)]);
        save(&kept);
    }
    let bytes = fs::read(folder.path().join("positions.jsonl")).expect("written");
    (folder, bytes)
}

#[test]
fn a_file_that_is_torn_at_any_byte_loses_the_torn_record_only() {
    let (folder, whole) = grown();
    let lines: Vec<usize> = whole.iter().enumerate().filter(|(_, b)| **b == b'\n').map(|(at, _)| at).collect();
    assert_eq!(lines.len(), 14, "the first line, one for the beginning, twelve moves");
    for cut in lines[1] + 1..whole.len() {
        fs::write(folder.path().join("positions.jsonl"), &whole[..cut]).expect("written");
        // A record without its line end is whole.
        let records = lines[2..].iter().filter(|end| **end <= cut).count() as u64;
        assert_eq!(found(folder.path()), [records], "cut at {cut}");
        let mut zeros = whole[..cut].to_vec();
        zeros.resize(whole.len() + 100, 0);
        fs::write(folder.path().join("positions.jsonl"), zeros).expect("written");
        let whole_lines = lines[2..].iter().filter(|end| **end < cut).count() as u64;
        assert_eq!(found(folder.path()), [whole_lines], "zeros from {cut} on, as some file systems leave them");
    }
}

/// A log at 1 goes on in its copy at 2 and at its beginning at 3: what is read from there on is open before the old one is
/// finished. Says the file before that was saved, and after.
fn handed_over() -> (tempfile::TempDir, Vec<u8>, Vec<u8>) {
    let folder = folder();
    let kept = store(folder.path());
    let old = SourceId::unique();
    kept.open(old, 1, at(1));
    save(&kept);
    let read = || fs::read(folder.path().join("positions.jsonl")).expect("written");
    let before = read();
    kept.open(SourceId::unique(), 2, at(2));
    kept.open(SourceId::unique(), 3, at(3));
    kept.finish(old, 1);
    save(&kept);
    let after = read();
    assert!(after.starts_with(&before), "appended");
    (folder, before, after)
}

#[test]
fn a_write_that_is_torn_at_any_byte_forgets_nothing_without_what_took_its_place() {
    let (folder, before, after) = handed_over();
    for cut in before.len()..after.len() {
        fs::write(folder.path().join("positions.jsonl"), &after[..cut]).expect("written");
        // The last record is whole without its line end.
        let expected: &[u64] = if cut == after.len() - 1 { &[2, 3] } else { &[1] };
        assert_eq!(found(folder.path()), expected, "cut at {cut} of {}..{}", before.len(), after.len());
    }
}

#[test]
fn after_damage_nothing_is_forgotten_since_what_took_its_place_may_be_lost() {
    let (folder, before, after) = handed_over();
    for at in before.len()..after.len() - 1 {
        let mut bytes = after.clone();
        bytes[at] ^= 1;
        fs::write(folder.path().join("positions.jsonl"), &bytes).expect("written");
        assert!(found(folder.path()).contains(&1), "flipped at {at}");
    }
}

#[test]
fn a_full_disk_spoils_no_file_and_is_written_to_again_once_there_is_room() {
    let disk = Wreck::default();
    let store = Store::open_at(Box::new(disk.clone()), Arc::default(), Timestamp::now()).expect("empty");
    let id = SourceId::unique();
    store.open(id, 0, at(0));
    save(&store);
    for room in [0, 1, 100] {
        disk.state().room = Some(room);
        store.acknowledge(&[cover(id, 0, 7)]);
        store.save(Timestamp::now()).expect_err("no room");
        assert_eq!(start(&disk).into_values().collect::<Vec<_>>(), [0], "with room for {room} bytes");
    }
    assert_eq!(store.saved_up_to(id), Some(7), "whoever would make room must not wait for the disk");
    disk.state().room = None;
    let bytes = disk.state().bytes;
    save(&store);
    assert_eq!(start(&disk).into_values().collect::<Vec<_>>(), [7]);
    assert!(disk.state().bytes - bytes < 200, "one record is enough");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn damage_anywhere_in_the_file_never_invents_a_position(
        flips in prop::collection::vec((any::<prop::sample::Index>(), 1u8..), 1..6),
    ) {
        let (folder, mut bytes) = grown();
        for (at, mask) in flips {
            let at = at.index(bytes.len());
            bytes[at] ^= mask;
        }
        fs::write(folder.path().join("positions.jsonl"), &bytes).expect("written");
        let found = found(folder.path());
        prop_assert!(found.len() <= 1 && found.iter().all(|offset| *offset <= 12), "{found:?}");
    }
}
