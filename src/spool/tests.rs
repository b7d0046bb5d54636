use super::*;
use crate::model::{Dimension, Point, Resolution, Unit};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

const BOUNDS: settings::Spool = settings::Spool {
    max_bytes: 100_000,
    max_age: Duration::from_secs(24 * 60 * 60),
    min_free_bytes: 1_000,
    max_log_bytes: 0,
};

/// The one value of a point.
fn value(point: &Point) -> f64 {
    point.value.iter().map(|(value, _)| value).sum()
}

fn point(value: f64, at: Timestamp) -> Point {
    let dimensions = Arc::from([Dimension::new("Hostname", "h")]);
    Point {
        name: "CPU".into(),
        value: value.into(),
        unit: Unit::Percent,
        at,
        dimensions,
        resolution: Resolution::Minute,
    }
}

fn batch(value: f64, at: Timestamp) -> MetricBatch {
    MetricBatch { namespace: "System/Default".into(), points: vec![point(value, at)] }
}

fn now() -> Timestamp {
    Timestamp::now()
}

fn hours(n: u64) -> Duration {
    Duration::from_secs(n * 60 * 60)
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("temporary folder")
}

fn spool(folder: &Path, bounds: settings::Spool) -> Spool {
    Spool::open(folder, bounds).expect("opens")
}

fn oldest(spool: &Spool) -> Spooled {
    spool.oldest().expect("readable").expect("there")
}

/// The values that replaying from the oldest on gives.
fn drain(spool: &Spool) -> Vec<f64> {
    let mut values = Vec::new();
    while let Some(spooled) = spool.oldest().expect("readable") {
        values.extend(spooled.batch.points.iter().map(value));
        spool.remove(spooled.ticket);
    }
    values
}

fn size_of_one(at: Timestamp) -> u64 {
    let folder = folder();
    let spool = spool(folder.path(), BOUNDS);
    spool.push(&batch(1.0, at)).expect("spooled");
    spool.ring().bytes
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(folder).expect("readable").map(|e| e.expect("readable").path()).collect();
    files.sort();
    files
}

#[test]
fn batches_come_back_oldest_first_with_their_first_timestamps_after_a_restart() {
    let folder = folder();
    let at = now();
    let before = spool(folder.path(), BOUNDS);
    let older = batch(1.0, at.minus(hours(2)));
    before.push(&batch(2.0, at)).expect("spooled");
    before.push(&older).expect("spooled");
    before.push(&batch(3.0, at)).expect("spooled");
    assert_eq!(before.len(), 3);
    let bytes = before.ring().bytes;
    drop(before);
    let after = spool(folder.path(), BOUNDS);
    assert_eq!((after.len(), after.ring().bytes), (3, bytes));
    assert_eq!(oldest(&after).batch, older);
    after.push(&batch(4.0, at)).expect("its name is new though the time is not");
    assert_eq!(drain(&after), [1.0, 2.0, 3.0, 4.0]);
    assert_eq!((after.len(), after.ring().bytes, files(folder.path()).len()), (0, 0, 0));
}

#[test]
fn a_batch_stays_until_it_is_removed() {
    let folder = folder();
    let spool = spool(folder.path(), BOUNDS);
    spool.push(&batch(1.0, now())).expect("spooled");
    assert_eq!(oldest(&spool).batch, oldest(&spool).batch);
    assert_eq!(spool.len(), 1);
}

#[test]
fn the_oldest_go_first_when_the_ring_is_full_and_each_is_counted() {
    let folder = folder();
    let at = now();
    let bounds = settings::Spool { max_bytes: size_of_one(at) * 2, ..BOUNDS };
    let spool = spool(folder.path(), bounds);
    let dropped = counters::SPOOL_DROPPED.here();
    for (value, ago) in [(1.0, 4), (2.0, 3), (3.0, 2), (4.0, 1)] {
        spool.push(&batch(value, at.minus(hours(ago)))).expect("spooled");
        assert!(spool.ring().bytes <= bounds.max_bytes);
    }
    assert_eq!(counters::SPOOL_DROPPED.here(), dropped + 2);
    assert_eq!(drain(&spool), [3.0, 4.0]);
}

#[test]
fn a_smaller_bound_applies_to_what_an_earlier_run_left() {
    let folder = folder();
    let at = now();
    let before = spool(folder.path(), BOUNDS);
    before.push(&batch(1.0, at.minus(hours(1)))).expect("spooled");
    before.push(&batch(2.0, at)).expect("spooled");
    drop(before);
    let bounds = settings::Spool { max_bytes: size_of_one(at), ..BOUNDS };
    assert_eq!(drain(&spool(folder.path(), bounds)), [2.0]);
}

#[test]
fn a_batch_larger_than_the_ring_is_refused_and_drops_nothing() {
    let folder = folder();
    let at = now();
    let bounds = settings::Spool { max_bytes: size_of_one(at) + 10, ..BOUNDS };
    let spool = spool(folder.path(), bounds);
    spool.push(&batch(1.0, at)).expect("spooled");
    let large = MetricBatch { namespace: "n".into(), points: vec![point(1.0, at); 9] };
    let dropped = counters::SPOOL_DROPPED.here();
    let error = spool.push(&large).expect_err("too large");
    assert!(matches!(error, SpoolError::TooLarge { .. }) && error.to_string().contains("max_bytes"), "{error}");
    assert_eq!(counters::SPOOL_DROPPED.here(), dropped + 1);
    assert_eq!(drain(&spool), [1.0]);
}

#[test]
fn batches_whose_newest_point_is_too_old_are_dropped_and_old_points_left_out() {
    let folder = folder();
    let at = now();
    let spool = spool(folder.path(), BOUNDS);
    let mut mixed = batch(1.0, at.minus(hours(23)));
    mixed.points.push(point(2.0, at));
    spool.push(&batch(0.0, at.minus(hours(23)))).expect("spooled");
    spool.push(&mixed).expect("spooled");
    let later = at.plus(hours(2));
    let found = spool.oldest_at(later).expect("readable").expect("there");
    assert_eq!(found.batch.points.iter().map(value).collect::<Vec<_>>(), [2.0]);
    assert_eq!(spool.len(), 1);
    assert!(matches!(spool.push_at(&batch(1.0, at), at.plus(hours(25))), Err(SpoolError::TooOld)));
}

#[test]
fn no_setting_keeps_points_longer_than_the_service_takes_them() {
    let folder = folder();
    let at = now();
    let spool = spool(folder.path(), settings::Spool { max_age: hours(24 * 365), ..BOUNDS });
    spool.push(&batch(1.0, at.minus(hours(24 * 14 - 1)))).expect("spooled");
    assert!(matches!(spool.push(&batch(2.0, at.minus(hours(24 * 14 + 1)))), Err(SpoolError::TooOld)));
    assert_eq!(drain(&spool), [1.0]);
}

#[test]
fn the_ring_gives_way_when_its_file_system_runs_full_and_refuses_only_when_empty() {
    let folder = folder();
    let at = now();
    let size = size_of_one(at);
    let free = Arc::new(AtomicU64::new(1_000_000));
    let measured = Arc::clone(&free);
    let measure = Box::new(move |_: &Path| Ok(measured.load(Ordering::Relaxed)));
    let spool = Spool::open_with(folder.path(), BOUNDS, measure, at).expect("opens");
    for (value, ago) in [(1.0, 4), (2.0, 3), (3.0, 2)] {
        spool.push(&batch(value, at.minus(hours(ago)))).expect("spooled");
    }
    // Room for the new one is made by giving up exactly one: what was measured is not measured again.
    free.store(1_000, Ordering::Relaxed);
    spool.push(&batch(4.0, at.minus(hours(1)))).expect("spooled");
    assert_eq!(spool.len(), 3);
    free.store(1_000 - size * 5, Ordering::Relaxed);
    let error = spool.push(&batch(5.0, at)).expect_err("no room");
    assert!(matches!(error, SpoolError::NoRoom { .. }) && error.to_string().contains("min_free_bytes"), "{error}");
    assert_eq!(spool.len(), 0);
    free.store(1_000_000, Ordering::Relaxed);
    spool.push(&batch(6.0, at)).expect("spooled");
    assert_eq!(drain(&spool), [6.0]);
}

#[test]
fn a_failed_write_is_an_error_and_leaves_no_trace() {
    let folder = folder();
    let spool = spool(folder.path(), BOUNDS);
    let at = now();
    spool.push(&batch(1.0, at)).expect("spooled");
    let next = Name { at, sequence: 1 };
    let obstacle = folder.path().join(format!("{next}.new"));
    fs::create_dir(&obstacle).expect("created");
    assert!(matches!(spool.push(&batch(2.0, at)), Err(SpoolError::Write { .. })));
    assert_eq!(spool.len(), 1);
    fs::remove_dir(&obstacle).expect("removed");
    spool.push(&batch(3.0, at)).expect("spooled");
    assert_eq!(drain(&spool), [1.0, 3.0]);
}

#[test]
fn torn_corrupt_and_vanished_files_cost_only_themselves() {
    let folder = folder();
    let at = now();
    let spool = spool(folder.path(), BOUNDS);
    for (value, ago) in [(1.0, 5), (2.0, 4), (3.0, 3), (4.0, 2), (5.0, 1)] {
        spool.push(&batch(value, at.minus(hours(ago)))).expect("spooled");
    }
    let paths = files(folder.path());
    fs::write(&paths[0], b"").expect("written");
    let whole = fs::read(&paths[1]).expect("readable");
    fs::write(&paths[1], &whole[..whole.len() - 3]).expect("written");
    fs::write(&paths[2], file::encode(b"{\"namespace\":7}")).expect("written");
    fs::remove_file(&paths[3]).expect("removed");
    let dropped = counters::SPOOL_DROPPED.here();
    assert_eq!(drain(&spool), [5.0]);
    assert_eq!(counters::SPOOL_DROPPED.here(), dropped + 4);
    assert_eq!(spool.ring().bytes, 0);
    assert!(files(folder.path()).is_empty());
}

#[test]
fn a_batch_of_a_newer_version_is_passed_over_and_kept() {
    let folder = folder();
    let spool = spool(folder.path(), BOUNDS);
    spool.push(&batch(1.0, now())).expect("spooled");
    let path = files(folder.path()).remove(0);
    let mut bytes = fs::read(&path).expect("readable");
    bytes[8] = 2;
    fs::write(&path, bytes).expect("written");
    assert!(spool.oldest().expect("readable").is_none());
    assert!(path.exists());
}

#[test]
fn leftovers_of_a_crash_are_removed_and_foreign_files_are_left_alone() {
    let folder = folder();
    let leftover = folder.path().join("0000000000000010-0000000001.batch.new");
    let foreign = folder.path().join("notes.txt");
    fs::write(&leftover, "half").expect("written");
    fs::write(&foreign, "mine").expect("written");
    let spool = spool(folder.path(), BOUNDS);
    assert!(spool.len() == 0 && !leftover.exists() && foreign.exists());
}

#[test]
fn a_folder_that_cannot_be_made_is_an_error_that_names_it() {
    let folder = folder();
    let path = folder.path().join("taken");
    fs::write(&path, "a file").expect("written");
    let error = Spool::open(&path, BOUNDS).expect_err("refused").to_string();
    assert!(error.contains("taken"), "{error}");
}

#[test]
fn a_file_that_cannot_be_read_now_stays_and_holds_up_no_other() {
    let folder = folder();
    let at = now();
    let mut spool = spool(folder.path(), BOUNDS);
    for (value, ago) in [(1.0, 3), (2.0, 2), (3.0, 1)] {
        spool.push(&batch(value, at.minus(hours(ago)))).expect("spooled");
    }
    let broken = files(folder.path()).remove(0);
    spool.read = Box::new(move |path| match path == broken {
        true => Err(Unusable::Io(io::Error::other("the disk stumbles"))),
        false => file::read(path),
    });
    let found = [oldest(&spool), oldest(&spool)];
    assert_eq!(found.each_ref().map(|spooled| value(&spooled.batch.points[0])), [2.0, 2.0]);
    spool.remove(found[0].ticket);
    spool.remove(oldest(&spool).ticket);
    assert!(matches!(spool.oldest(), Err(SpoolError::Read { .. })));
    assert_eq!(spool.len(), 1);
    spool.read = Box::new(file::read);
    assert_eq!(drain(&spool), [1.0]);
}

#[test]
fn while_nothing_can_be_read_nothing_is_given_up() {
    let folder = folder();
    let mut spool = spool(folder.path(), BOUNDS);
    for _ in 0..STUMBLES * 2 {
        spool.push(&batch(1.0, now())).expect("spooled");
    }
    spool.read = Box::new(|_| Err(Unusable::Io(io::Error::other("too many open files"))));
    for _ in 0..5 {
        assert!(matches!(spool.oldest(), Err(SpoolError::Read { .. })));
    }
    spool.read = Box::new(file::read);
    assert_eq!(drain(&spool).len(), STUMBLES * 2);
}

#[test]
fn a_spool_that_somebody_removes_is_made_again() {
    let parent = folder();
    let folder = parent.path().join("state/spool");
    let spool = spool(&folder, BOUNDS);
    spool.push(&batch(1.0, now())).expect("spooled");
    fs::remove_dir_all(parent.path().join("state")).expect("removed");
    let dropped = counters::SPOOL_DROPPED.here();
    spool.push(&batch(2.0, now())).expect("spooled");
    assert_eq!(drain(&spool), [2.0]);
    assert_eq!(counters::SPOOL_DROPPED.here(), dropped + 1);
    assert_eq!((spool.len(), spool.ring().bytes), (0, 0));
}

#[cfg(unix)]
#[test]
fn what_is_no_regular_file_of_a_sane_size_is_left_alone_and_not_counted_as_room() {
    let folder = folder();
    let path = |sequence| folder.path().join(Name { at: now(), sequence }.to_string());
    std::os::unix::fs::symlink("/dev/zero", path(1)).expect("linked");
    let large = path(2);
    fs::File::create(&large).and_then(|file| file.set_len(file::MOST + 1)).expect("sparse");
    let spool = spool(folder.path(), BOUNDS);
    assert_eq!((spool.len(), spool.ring().bytes), (0, 0));
    spool.push(&batch(1.0, now())).expect("spooled");
    let ours = folder.path().join(spool.ring().files.keys().next().expect("one").to_string());
    fs::remove_file(&ours).expect("removed");
    std::os::unix::fs::symlink("/dev/zero", &ours).expect("linked");
    assert!(spool.oldest().expect("none is left").is_none());
    assert!(ours.is_symlink() && large.exists());
}

/// What the own log gets while `act` works.
pub(super) fn said(act: impl FnOnce()) -> String {
    let page = tempfile::NamedTempFile::new().expect("a temporary file");
    let writer = Arc::new(page.reopen().expect("opened"));
    let subscriber = tracing_subscriber::fmt().with_writer(writer).with_ansi(false).finish();
    // Beside an only subscriber, a line that another test's thread comes to first would be turned off for all threads.
    let _beside = tracing::Dispatch::new(tracing_subscriber::registry());
    tracing::subscriber::with_default(subscriber, act);
    fs::read_to_string(page.path()).expect("text")
}

#[test]
fn a_half_written_batch_is_said_to_be_removed_only_when_it_is() {
    let folder = folder();
    let leftover = folder.path().join("0000000000000010-0000000001.batch.new");
    let open = || drop(spool(folder.path(), BOUNDS));
    fs::create_dir(&leftover).expect("made: no file, and so not removed as one");
    assert!(said(open).contains("cannot be removed") && leftover.exists());
    fs::remove_dir(&leftover).expect("removed");
    fs::write(&leftover, "half").expect("written");
    assert!(said(open).contains("removed a half-written batch") && !leftover.exists());
}
