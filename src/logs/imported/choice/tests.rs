//! Which file is taken for the one that was read.
use super::*;
use std::{
    fs,
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

/// At this second of a day on which the agent stopped at noon.
const NOON: i64 = 43_200;

fn at(second: i64) -> Timestamp {
    Timestamp::from_millis(second * 1000)
}

/// A file with its text, and when it was made.
type Made<'a> = (&'a str, i64);

fn open(folder: &Path, name: &str, (text, made): Made<'_>) -> Candidate {
    let path = folder.join(name);
    fs::write(&path, text).expect("written");
    Candidate { made: Some(at(made)), ..Candidate::open(&path).expect("there") }
}

fn name(choice: Choice<'_>) -> String {
    match choice {
        Choice::Here => "here".into(),
        Choice::Rotated(file) => file.path.file_name().expect("a file").to_string_lossy().into_owned(),
        Choice::Rewritten => "rewritten".into(),
        Choice::Another => "another".into(),
    }
}

/// Which file is chosen of the one at the path and of `app.log.1`, `app.log.2`.
fn chosen(here: Option<Made<'_>>, rotated: &[Made<'_>], offset: u64) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let here = here.map(|here| open(folder.path(), "app.log", here));
    let numbered = rotated.iter().zip(1..);
    let rotated: Vec<_> =
        numbered.map(|(file, number)| open(folder.path(), &format!("app.log.{number}"), *file)).collect();
    name(choose(here.as_ref(), &rotated, Stopped { offset, at: at(NOON) }).expect("readable"))
}

#[test]
fn a_file_that_was_renamed_since_is_found_beside_the_new_one() {
    let (read, new) = (("one\ntwo\n", 100), ("new\nand longer\n", NOON + 60));
    assert_eq!(chosen(Some(read), &[], 4), "here");
    assert_eq!(chosen(Some(new), &[read], 4), "app.log.1");
    assert_eq!(chosen(None, &[read], 4), "app.log.1", "there is no new one yet");
    assert_eq!(chosen(Some(new), &[("mid\n", NOON + 30), read], 4), "app.log.2", "the first one of two rotations");
    assert_eq!(chosen(Some(new), &[], 4), "another");
    assert_eq!(chosen(Some(new), &[("older, and ends elsewhere\n", 50)], 4), "another");
}

#[test]
fn a_file_that_was_copied_and_cut_short_since_goes_on_in_its_copy() {
    let here = ("new\n", 100);
    assert_eq!(chosen(Some(here), &[("one\ntwo\n", NOON + 60), ("old\nold\n", 200)], 8), "app.log.1");
    assert_eq!(chosen(Some(here), &[("old\nold\n", 200)], 8), "another", "that copy was made before");
}

#[test]
fn a_file_that_is_not_dated_is_judged_by_what_it_says() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = Candidate { made: None, ..open(folder.path(), "app.log", ("one\ntwo\n", 0)) };
    let choose = |offset| choose(Some(&file), &[], Stopped { offset, at: at(NOON) }).expect("readable");
    assert!(matches!(choose(8), Choice::Here));
    assert!(matches!(choose(7), Choice::Rewritten));
    assert!(matches!(choose(9), Choice::Another));
}

const READ: &str = "one\ntwo\nthree\n";
const NEXT: &str = "new\nand as\nlong\n";

#[test]
fn a_file_that_was_made_a_moment_later_is_not_the_one_that_was_read() {
    assert_eq!(chosen(Some((NEXT, NOON + 1)), &[(READ, 100)], 4), "app.log.1");
    assert_eq!(chosen(Some((NEXT, NOON + 1)), &[], 4), "another");
    assert_eq!(chosen(Some((NEXT, NOON)), &[(READ, 100)], 4), "app.log.1", "at the same moment");
}

#[test]
fn an_offset_that_was_noted_soon_after_a_rotation_is_that_of_the_renamed_file_if_it_fits_there() {
    assert_eq!(chosen(Some((NEXT, NOON - 5)), &[(READ, 100)], 4), "app.log.1");
    assert_eq!(chosen(Some((NEXT, NOON - 5)), &[("of other lines\n", 100)], 4), "here");
    assert_eq!(chosen(Some((NEXT, NOON - 5)), &[], 4), "here");
    assert_eq!(chosen(Some((NEXT, NOON - 3600)), &[(READ, 100)], 4), "here", "long after it");
}

#[test]
fn a_file_that_was_renamed_before_the_other_program_stopped_is_read_on_if_the_new_one_does_not_fit() {
    assert_eq!(chosen(Some(("n\n", NOON - 3600)), &[(READ, 100)], 4), "app.log.1", "it is too short");
    assert_eq!(chosen(Some(("new line\n", NOON - 3600)), &[(READ, 100)], 4), "app.log.1", "no line begins there");
    // The agent notes it once more as it stops, when there was nothing in the new one yet.
    assert_eq!(chosen(Some((NEXT, NOON - 3600)), &[("all\n", 100)], 4), "app.log.1", "it was read to its end");
}

#[test]
fn a_file_that_was_cut_short_and_grew_again_goes_on_in_its_copy() {
    assert_eq!(chosen(Some((NEXT, 100)), &[(READ, NOON + 60)], 4), "app.log.1");
    let twice = [("mid\nmid\n", NOON + 120), (READ, NOON + 60)];
    assert_eq!(chosen(Some((NEXT, 100)), &twice, 4), "app.log.2", "the first one of two copies");
    let kept = "one\ntwo\n";
    assert_eq!(chosen(Some((READ, 100)), &[(kept, NOON + 60)], 4), "here", "a copy that somebody has kept");
}

#[test]
fn another_name_of_the_file_is_no_rotated_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let here = open(folder.path(), "app.log", (READ, NOON - 5));
    let link = folder.path().join("app.log.1");
    fs::hard_link(&here.path, &link).expect("linked");
    let link = Candidate { made: Some(at(NOON - 10)), ..Candidate::open(&link).expect("there") };
    let rotated = [link];
    let choice = choose(Some(&here), &rotated, Stopped { offset: 4, at: at(NOON) }).expect("readable");
    assert_eq!(name(choice), "here");
}

/// The same where all were made at one moment, or at none: each with its text and when that was written last.
fn chosen_by_writing(here: &str, rotated: &[Made<'_>], touched: i64) -> [String; 2] {
    let time = |second: i64| -> SystemTime { UNIX_EPOCH + Duration::from_secs(second.unsigned_abs()) };
    [None, Some(at(100))].map(|made| {
        let folder = tempfile::tempdir().expect("a folder");
        let of = |name: &str, text: &str, written: i64| {
            let mut candidate = Candidate { made, ..open(folder.path(), name, (text, 0)) };
            (candidate.stat.modified, candidate.stat.touched) = (time(written), Some(time(touched)));
            candidate
        };
        let here = of("app.log", here, NOON + 600);
        let numbered = rotated.iter().zip(1..);
        let rotated: Vec<_> =
            numbered.map(|((text, written), number)| of(&format!("app.log.{number}"), text, *written)).collect();
        name(choose(Some(&here), &rotated, Stopped { offset: 4, at: at(NOON) }).expect("readable"))
    })
}

#[test]
fn where_nothing_tells_when_files_were_made_their_last_lines_tell() {
    let (old, other) = ("old\nold\n", "of other lines\n");
    let one = |files: &[Made<'_>]| chosen_by_writing(NEXT, files, NOON + 500);
    assert_eq!(one(&[(READ, NOON + 300), (old, 200)]), ["app.log.1"; 2], "written to since");
    assert_eq!(one(&[("mid\nmid\n", NOON + 400), (READ, NOON + 300), (old, 200)]), ["app.log.2"; 2], "two of them");
    assert_eq!(one(&[("mid\nmid\n", NOON + 400), (READ, NOON - 1)]), ["app.log.2"; 2], "something was left in it");
    assert_eq!(one(&[("mid\nmid\n", NOON + 400), ("all\n", 300)]), ["app.log.2"; 2], "it was read to its end");
    assert_eq!(one(&[(READ, 300)]), ["app.log.1"; 2], "no other one fits");
    assert_eq!(one(&[(other, NOON + 300)]), ["here"; 2]);
    assert_eq!(chosen_by_writing(NEXT, &[(READ, NOON - 300)], NOON - 200), ["here"; 2], "nothing was renamed since");
}
