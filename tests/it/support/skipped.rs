//! What a story did not look at, and why. The test runner shows nothing that passing tests print, so it also goes to a file that scripts/test
//! names, and prints at its end.
use std::{ffi::OsString, fmt::Display, fs, io::Write};

/// Names the file.
const FILE: &str = "PUBLISHER_TEST_SKIPPED";

/// Say that this story, or a part of it, is skipped.
pub fn skipped(why: impl Display) {
    // The test runner calls the thread of a test by its name.
    let line = format!("{}: {why}\n", std::thread::current().name().unwrap_or("a story"));
    print!("skipped: {line}");
    note(std::env::var_os(FILE), &line);
}

fn note(file: Option<OsString>, line: &str) {
    let Some(file) = file else { return };
    let opened = fs::OpenOptions::new().create(true).append(true).open(file);
    opened.expect("scripts/test has made it").write_all(line.as_bytes()).expect("it takes a line");
}

#[test]
fn what_is_skipped_is_noted_line_by_line_where_a_file_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("skipped");
    note(None, "nowhere\n");
    note(Some(file.clone().into()), "one: why\n");
    note(Some(file.clone().into()), "two: why\n");
    assert_eq!(fs::read_to_string(file).expect("written"), "one: why\ntwo: why\n");
}
