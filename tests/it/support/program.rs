//! The program that the stories start: the one that Cargo built for them, or one of another system.
//!
//! | variable | means |
//! |---|---|
//! | `PUBLISHER_TEST_BINARY` | the path of the program; without it, the build of this machine |
//! | `PUBLISHER_TEST_RUNNER` | the words before it, parted by spaces: an emulator with its options; none without it |
//! | `PUBLISHER_TEST_DRIVE` | where the program sees the root of our file system: `Z:` under wine; nothing without it |
//! | `PUBLISHER_TEST_SLOWNESS` | how many times as long as this machine's own build the program takes: who writes logs beside it waits for it; 1 without it |
//!
//! `scripts/cross story` sets them. What a story does with the daemon from outside (its files, its signals, its exit code) it does
//! with the runner then, which passes all of it on.
use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
};

/// Where it lies.
pub fn binary() -> PathBuf {
    let told = env::var_os("PUBLISHER_TEST_BINARY").filter(|path| !path.is_empty());
    told.map_or_else(|| env!("CARGO_BIN_EXE_amazon-cloudwatch-publisher").into(), PathBuf::from)
}

/// The words that start a program of the same system: its runner, then `program`.
pub fn words(program: impl Into<OsString>) -> Vec<OsString> {
    let runner = env::var("PUBLISHER_TEST_RUNNER").unwrap_or_default();
    let mut words: Vec<OsString> = runner.split_whitespace().map(OsString::from).collect();
    words.push(program.into());
    words
}

/// The text of a configuration, with the paths below `folder` as the program sees them.
pub fn paths_as_seen(config: String, folder: &Path) -> String {
    match env::var("PUBLISHER_TEST_DRIVE") {
        Ok(drive) => config.replace(&format!("\"{}", folder.display()), &format!("\"{drive}{}", folder.display())),
        Err(_) => config,
    }
}

/// How many times as long as the build of this machine it takes for what it does.
pub fn slowness() -> u32 {
    let Ok(told) = env::var("PUBLISHER_TEST_SLOWNESS") else { return 1 };
    let slowness = told.parse().ok().filter(|times| *times > 0);
    slowness.unwrap_or_else(|| panic!("PUBLISHER_TEST_SLOWNESS is {told:?} and no whole number from 1 on"))
}
