//! What a search finds in a calm folder; `tests/storm.rs` is about the others.
use super::*;
use std::{
    cell::Cell,
    fs::File,
    time::{Duration, UNIX_EPOCH},
};

fn touch(path: &Path, seconds: u64) {
    let file = File::create(path).expect("writable");
    file.set_modified(UNIX_EPOCH + Duration::from_secs(seconds)).expect("settable");
}

fn names(found: &Found) -> Vec<String> {
    found.opened.iter().map(|opened| name(&opened.path)).collect()
}

fn search(places: &[PathBuf]) -> Search<'_> {
    Search { places, newest: &[], any_name: false, in_hand: &[], anyway: false, wall: Timestamp::now() }
}

#[test]
fn rotations_come_oldest_first_and_of_compressed_ones_those_of_gzip_unless_the_original_is_there() {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, time) in [("app.log", 9), ("app.log.1", 5), ("app.log.2", 5), ("app.log.3", 7), ("app.log.4.gz", 6)] {
        touch(&folder.path().join(name), time);
    }
    for name in ["app.log.6.zst", "app.log.3.gz", "app.log.7.bz2.gz"] {
        touch(&folder.path().join(name), 1);
    }
    std::fs::create_dir(folder.path().join("app.log.5")).expect("writable");
    let places = [folder.path().join("app.log")];
    let found = search(&places).open(10, &|_| true).expect("calm");
    assert_eq!(names(&found), ["app.log.2", "app.log.1", "app.log.4.gz", "app.log.3"]);
    assert!(!found.more);
    let found = search(&places).open(2, &|_| true).expect("calm");
    assert_eq!((names(&found).len(), found.more), (2, true), "the younger one waits");
}

#[test]
fn where_a_link_leads_is_searched_too_with_the_names_that_are_given_there() {
    let (links, real) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    for (name, time) in [("app.log.1", 3), ("app.log", 4), ("web.log.1", 5), ("gen-0001.log", 1), ("gen-0002.log", 2)] {
        touch(&real.path().join(name), time);
    }
    touch(&links.path().join("web.log.7"), 9);
    let places = [links.path().join("web.log"), real.path().join("app.log")];
    assert_eq!(names(&search(&places).open(10, &|_| true).expect("calm")), ["app.log.1", "web.log.7"]);
    let places = [links.path().join("web.log"), real.path().join("gen-0009.log")];
    let found = search(&places).open(10, &|_| true).expect("calm");
    assert_eq!(names(&found), ["gen-0001.log", "gen-0002.log", "web.log.7"]);
}

#[test]
fn another_file_under_the_listed_name_is_not_taken_for_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("app.log.1");
    touch(&path, 5);
    let places = [folder.path().join("app.log")];
    let listed = search(&places).list(&|_| true).expect("calm").remove(0);
    touch(&folder.path().join("new"), 5);
    std::fs::rename(folder.path().join("new"), &path).expect("renamed");
    let error = Opened::new(listed).expect_err("another file");
    assert!(is_still_changing(&error));
}

#[test]
fn a_folder_without_a_calm_moment_gives_no_answer_until_somebody_wants_one_anyway() {
    let folder = tempfile::tempdir().expect("a folder");
    touch(&folder.path().join("app.log.1"), 5);
    let restless = |n: u32| folder.path().join(format!("restless {n}"));
    touch(&restless(0), 9);
    // Each time that somebody looks at it, it has another name.
    let moves = Cell::new(0);
    let wanted = |sibling: &Sibling| {
        let n = moves.get();
        if sibling.path == restless(n) && std::fs::rename(restless(n), restless(n + 1)).is_ok() {
            moves.set(n + 1);
        }
        true
    };
    let places = [folder.path().join("app.log")];
    let search = Search { any_name: true, ..search(&places) };
    assert!(is_still_changing(&search.open(10, &wanted).expect_err("no calm moment")));
    let found = Search { anyway: true, ..search }.open(10, &wanted).expect("what there is");
    assert!(names(&found).contains(&"app.log.1".into()), "{:?}", names(&found));
}

/// Moves each generation of `app.log` one up; how many there are.
fn move_all_up(folder: &Path) -> usize {
    let path = |number: usize| folder.join(format!("app.log.{number}"));
    let last = (1..).take_while(|number| path(*number).exists()).last().unwrap_or(0);
    (1..=last).rev().for_each(|number| std::fs::rename(path(number), path(number + 1)).expect("renamed"));
    let hole = path(1);
    touch(&hole, 100);
    last + 1
}

#[test]
fn what_moved_on_after_it_was_listed_in_a_folder_without_a_calm_moment_is_opened_under_its_next_name() {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, time) in [("app.log.1", 7), ("app.log.2", 6), ("app.log.3", 5)] {
        touch(&folder.path().join(name), time);
    }
    let places = [folder.path().join("app.log")];
    // Asked after the listing: from here on every name is another file's.
    let moved = Cell::new(false);
    let wanted = |_: &Sibling| moved.replace(true) || move_all_up(folder.path()) > 0;
    let found = Search { anyway: true, ..search(&places) }.open(10, &wanted).expect("what there is");
    assert_eq!(names(&found), ["app.log.4", "app.log.3", "app.log.2"], "the oldest first");
    moved.set(false);
    let found = Search { anyway: true, ..search(&places) }.open(2, &wanted).expect("what there is");
    assert_eq!((names(&found).len(), found.more), (2, true), "the younger ones wait");
}

#[test]
fn a_file_that_is_gone_is_not_chased_for_ever() {
    let folder = tempfile::tempdir().expect("a folder");
    touch(&folder.path().join("app.log.1"), 5);
    let places = [folder.path().join("app.log")];
    let search = Search { anyway: true, ..search(&places) };
    let listed = search.list(&|_| true).expect("calm");
    std::fs::remove_file(folder.path().join("app.log.1")).expect("removed");
    search.chase(listed, &mut |_, met| panic!("{met:?}")).expect("no trouble");
}

#[test]
fn a_file_that_moves_within_each_of_two_passes_is_not_missed() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    let rename = |from: &str, to: &str| std::fs::rename(path(from), path(to)).expect("renamed");
    // In the middle of a rotation. Names are asked in their order, and asking for the hook moves the rotation on.
    for (name, time) in [("app.log.10", 1), ("app.log.10 hook", 9), ("app.log.8", 2)] {
        touch(&path(name), time);
    }
    let steps = Cell::new(0);
    let wanted = |sibling: &Sibling| {
        if !sibling.named {
            match steps.replace(steps.get() + 1) {
                0 => rename("app.log.8", "app.log.9"),
                1 => {
                    rename("app.log.10", "app.log.11");
                    rename("app.log.9", "app.log.10");
                }
                _ => {}
            }
        }
        true
    };
    let places = [path("app.log")];
    let listed = Search { any_name: true, ..search(&places) }.list(&wanted).expect("calm in the end");
    let rotated: Vec<_> = listed.iter().filter(|sibling| sibling.named).map(|sibling| name(&sibling.path)).collect();
    assert_eq!(rotated, ["app.log.11", "app.log.10"]);
}

#[cfg(unix)]
#[test]
fn a_rotated_name_that_leads_nowhere_for_good_keeps_no_folder_from_being_calm() {
    let folder = tempfile::tempdir().expect("a folder");
    touch(&folder.path().join("app.log.1"), 5);
    std::os::unix::fs::symlink(folder.path().join("nothing"), folder.path().join("app.log.2")).expect("linked");
    let places = [folder.path().join("app.log")];
    assert_eq!(names(&search(&places).open(10, &|_| true).expect("calm")), ["app.log.1"]);
}
