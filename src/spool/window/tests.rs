//! Windows on a real folder, each order carried out at once.
use super::*;
use crate::model::{Point, Resolution, Unit, Values};

fn held(name: &str, complete: i64) -> Held {
    let point = Point {
        name: name.to_owned().into(),
        value: Values::One(1.0),
        unit: Unit::None,
        at: Timestamp::from_millis(complete - 1),
        dimensions: [].into(),
        resolution: Resolution::Minute,
    };
    (point, Timestamp::from_millis(complete))
}

fn disk(folder: &Path) -> Disk {
    open(folder, "N").1.disk
}

fn names(folder: &Path) -> Vec<String> {
    let left = left(folder).expect("a folder");
    left.into_iter().flat_map(|(_, left)| left.points).map(|point| point.name.into_owned()).collect()
}

fn turn(number: u64, taken: i64, keep: Vec<Held>, batches: usize) -> Order {
    Order::Turn { taken: Timestamp::from_millis(taken), keep, number, batches }
}

fn safe(number: u64, batch: usize) -> Order {
    Order::Safe { number, batch }
}

#[test]
fn a_window_goes_when_all_its_batches_are_safe_and_what_is_kept_stands_in_the_next_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut disk = disk(folder.path());
    let number = disk.number;
    disk.carry_out(Order::Append(vec![held("a", 1), held("b", 9)]));
    disk.carry_out(turn(number, 5, vec![held("b", 9)], 2));
    disk.carry_out(Order::Append(vec![held("c", 9)]));
    assert_eq!(names(folder.path()), ["a", "b", "c"]);
    disk.carry_out(safe(number, 1));
    assert_eq!(left(folder.path()).expect("a folder")[0].1.safe, [1], "one of two");
    disk.carry_out(safe(number, 0));
    assert_eq!(names(folder.path()), ["b", "c"]);
}

#[test]
fn a_window_without_batches_goes_at_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut disk = disk(folder.path());
    disk.carry_out(Order::Append(vec![held("a", 1)]));
    disk.carry_out(turn(disk.number, 5, vec![], 0));
    assert_eq!(fs::read_dir(folder.path()).expect("there").count(), 0);
}

#[test]
fn a_turn_that_never_reached_the_disk_costs_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut disk = disk(folder.path());
    let number = disk.number;
    disk.carry_out(Order::Append(vec![held("a", 1)]));
    disk.carry_out(safe(number, 0)); // Of a window whose end was not told.
    assert_eq!(names(folder.path()), ["a"]);
    disk.carry_out(turn(number + 1, 5, vec![], 1));
    disk.carry_out(safe(number + 1, 0));
    assert!(names(folder.path()).is_empty());
}

#[test]
fn a_folder_that_cannot_be_made_is_counted_and_the_next_window_tries_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let inner = folder.path().join("windows");
    fs::write(&inner, "in the way").expect("a file");
    let mut disk = disk(&inner);
    let before = counters::WINDOWS_FAILED.here();
    disk.carry_out(Order::Append(vec![held("a", 1)]));
    assert_eq!(counters::WINDOWS_FAILED.here() - before, 1);
    fs::remove_file(&inner).expect("gone");
    disk.carry_out(turn(disk.number, 5, vec![held("b", 9)], 1));
    assert_eq!(names(&inner), ["b"]);
}

#[test]
fn what_is_no_window_is_left_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    for name in ["0000000000000001.window", "readme", "x.window"] {
        fs::write(folder.path().join(name), "theirs\n").expect("a file");
    }
    assert!(left(folder.path()).expect("a folder").is_empty());
    assert_eq!(fs::read_dir(folder.path()).expect("there").count(), 3);
    assert!(left(&folder.path().join("missing")).expect("no folder, no windows").is_empty());
}

#[test]
fn what_cannot_begin_the_next_window_stays_in_this_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut disk = disk(folder.path());
    let number = disk.number;
    disk.carry_out(Order::Append(vec![held("a", 1), held("b", 9)]));
    // A folder stands where the next file would be.
    let next = folder.path().join(format!("{:016}{EXTENSION}", number + 1));
    fs::create_dir(&next).expect("made");
    disk.carry_out(turn(number, 5, vec![held("b", 9)], 1));
    disk.carry_out(safe(number, 0));
    fs::remove_dir(&next).expect("there");
    assert_eq!(names(folder.path()), ["a", "b"], "rather twice than not at all");
    disk.carry_out(turn(number + 1, 20, vec![], 1));
    disk.carry_out(safe(number + 1, 0));
    assert!(names(folder.path()).is_empty());
}

#[test]
fn a_file_that_a_crash_left_before_its_first_line_goes() {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, text) in [("1.window", ""), ("2.window", "1b2c3d4e {\"vers")] {
        fs::write(folder.path().join(name), text).expect("a file");
    }
    assert!(left(folder.path()).expect("a folder").is_empty());
    assert_eq!(fs::read_dir(folder.path()).expect("there").count(), 0);
}
