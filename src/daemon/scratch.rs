//! The state of a dry run: a throw-away copy, so that the run moves nothing.
//!
//! It is removed at the end. What a killed dry run left behind is swept away by the next one: only folders with our own name that
//! belong to this user and whose lock nobody holds.
use super::{StateError, imports::IMPORTED};
use crate::{
    platform::{
        self,
        permissions::{self, Owner},
    },
    positions,
};
use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    time::Duration,
};
use tempfile::TempDir;

/// How the folders are called, before the random part.
const PREFIX: &str = "amazon-cloudwatch-publisher-dry-run-";

/// A folder without a lock is only swept when it is older: its dry run may be about to take the lock.
const YOUNG: Duration = Duration::from_secs(60);

/// A copy of the saved positions.
pub struct Scratch(TempDir);

impl Scratch {
    /// Copy from `state`. Without saved positions everything is new, as it would be in a real run.
    pub fn of(state: &Path) -> Result<Self, StateError> {
        Self::within(&std::env::temp_dir(), state)
    }

    fn within(temporary: &Path, state: &Path) -> Result<Self, StateError> {
        sweep(temporary);
        let made = tempfile::Builder::new().prefix(PREFIX).tempdir_in(temporary);
        let scratch = Self(made.map_err(|source| StateError::Scratch { path: temporary.to_owned(), source })?);
        let folder = scratch.state();
        if let Err(error) = platform::private_folder(&folder).and_then(|()| copy_state(state, &folder)) {
            tracing::warn!(
                folder = %state.display(),
                %error,
                "what has been delivered so far cannot be read: this dry run prints everything as if nothing had been; run it as the daemon's user"
            );
        }
        Ok(scratch)
    }

    /// The state folder of the dry run.
    pub fn state(&self) -> PathBuf {
        self.0.path().join("var")
    }
}

/// The positions, and of which files they were another program's at first.
fn copy_state(from: &Path, to: &Path) -> io::Result<()> {
    positions::copy(from, to)?;
    match fs::copy(from.join(IMPORTED), to.join(IMPORTED)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(_) | Err(_) => Ok(()),
    }
}

fn sweep(temporary: &Path) {
    for entry in fs::read_dir(temporary).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(PREFIX) && is_left_behind(&entry.path()) {
            // What cannot be removed now may be at the next time.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

fn is_left_behind(folder: &Path) -> bool {
    let Ok(metadata) = fs::symlink_metadata(folder) else { return false };
    let ours = permissions::of(&metadata).is_none_or(|rights| rights.owner == Owner::Us);
    if !metadata.is_dir() || !ours {
        return false;
    }
    match File::open(folder.join("var").join("lock")) {
        Ok(lock) => lock.try_lock().is_ok(),
        Err(_) => metadata.modified().ok().and_then(|at| at.elapsed().ok()).is_some_and(|age| age > YOUNG),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daemon::StateFolder;

    #[test]
    fn positions_that_cannot_be_read_are_an_error_and_none_at_all_are_not() {
        let (state, copy) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
        copy_state(state.path(), copy.path()).expect("nothing was delivered yet");
        // Not even root can read a folder as a file.
        fs::create_dir(state.path().join("positions.jsonl")).expect("made");
        copy_state(state.path(), copy.path()).expect_err("unreadable");
    }

    #[test]
    fn a_dry_run_starts_where_the_real_one_stands_and_leaves_nothing() {
        let temporary = tempfile::tempdir().expect("a temporary folder");
        let state = tempfile::tempdir().expect("a temporary folder");
        fs::write(state.path().join("positions.jsonl"), "saved").expect("written");
        let scratch = Scratch::within(temporary.path(), state.path()).expect("made");
        assert_eq!(fs::read_to_string(scratch.state().join("positions.jsonl")).expect("copied"), "saved");
        drop(scratch);
        assert_eq!(fs::read_dir(temporary.path()).expect("there").count(), 0);
    }

    #[test]
    fn what_a_killed_dry_run_left_is_swept_and_a_running_one_is_not() {
        let temporary = tempfile::tempdir().expect("a temporary folder");
        let state = temporary.path().join("state");
        let running = Scratch::within(temporary.path(), &state).expect("made");
        let _held = StateFolder::claim(running.state(), "").expect("free");
        let killed = Scratch::within(temporary.path(), &state).expect("made");
        drop(StateFolder::claim(killed.state(), "").expect("free"));
        let left = killed.0.keep();
        let young = temporary.path().join(format!("{PREFIX}young"));
        fs::create_dir(&young).expect("made");
        let other = temporary.path().join("somebody-elses");
        fs::create_dir_all(other.join("var")).expect("made");
        fs::write(other.join("var").join("lock"), "").expect("made");
        let _next = Scratch::within(temporary.path(), &state).expect("made");
        assert!(!left.exists());
        assert!(running.state().exists() && young.exists() && other.exists());
    }
}
