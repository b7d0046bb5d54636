//! The state folder: where it is, that it is ours, and that it is ours alone.
use crate::{config::settings::Agent, platform};
use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

/// The state folder, locked for as long as this lives.
#[derive(Debug)]
pub struct StateFolder {
    path: PathBuf,
    _lock: File,
}

/// Why there is no state folder to work in.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    #[error("the state folder {} cannot be made or written; name another one in agent.state_folder", path.display())]
    Unusable { path: PathBuf, source: io::Error },
    #[error("another daemon ({holder}) uses the state folder {}; stop it, or give this one its own agent.state_folder", path.display())]
    InUse { path: PathBuf, holder: String },
}

impl StateFolder {
    /// Make the folder if needed and take its lock.
    ///
    /// # Errors
    /// When the folder cannot be used, or another daemon uses it.
    pub fn claim(path: PathBuf) -> Result<Self, StateError> {
        let unusable = |source| StateError::Unusable { path: path.clone(), source };
        platform::private_folder(&path).map_err(unusable)?;
        let name = path.join("lock");
        let mut lock =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(name).map_err(unusable)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                let _ = lock.read_to_string(&mut holder);
                let holder = holder.trim().to_owned();
                return Err(StateError::InUse { path, holder });
            }
            Err(TryLockError::Error(source)) => return Err(unusable(source)),
        }
        // For the message of the next one only: failing to write it harms nothing.
        let _ = lock.set_len(0).and_then(|()| write!(lock, "process {}", std::process::id()));
        Ok(Self { path, _lock: lock })
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// The folder that these settings mean: the configured one, else the installed daemon's if it can be written, else the
/// user's own.
pub fn locate(agent: &Agent) -> PathBuf {
    agent.state_folder.clone().unwrap_or_else(default_folder)
}

/// The folder of a daemon whose configuration names none.
pub fn default_folder() -> PathBuf {
    // Without a home there is only the working folder left, where somebody will see it.
    platform::host::default_state_folder().unwrap_or_else(|| "amazon-cloudwatch-publisher-state".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_daemon_is_told_who_has_the_folder() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("var");
        let first = StateFolder::claim(path.clone()).expect("free");
        let error = StateFolder::claim(path.clone()).expect_err("taken").to_string();
        assert!(error.contains(&std::process::id().to_string()), "{error}");
        drop(first);
        StateFolder::claim(path).expect("free again");
    }

    #[test]
    fn a_file_in_the_way_is_named() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("var");
        std::fs::write(&path, "").expect("written");
        let error = StateFolder::claim(path.clone()).expect_err("a file").to_string();
        assert!(error.contains(path.to_str().expect("UTF-8")) && error.contains("agent.state_folder"), "{error}");
    }
}
