//! The state folder: where it is, that it is ours, and that it is ours alone.
//!
//! Positions and what is unsent belong to one destination: what the embedded CloudWatch has, AWS has not. So the state of a run into
//! the embedded store lies in the store's own folder. A folder that somebody removes while the daemon runs is made again.
use super::Override;
use crate::{
    config::{Settings, settings::Destination},
    platform::{self, files},
};
use std::{
    fs::{File, TryLockError},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::Duration,
};

/// The embedded store inside the state folder, where nobody names another.
const STORE: &str = "local";
/// The state inside the store's folder.
const STATE: &str = "state";
/// How often to look whether the lock is still where we put it.
const LOOK: Duration = Duration::from_secs(5);

/// Where a daemon keeps what it keeps.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Home {
    pub state: PathBuf,
    /// The embedded store, when that is the destination.
    pub store: Option<PathBuf>,
}

impl Home {
    /// Of a daemon with these settings that sends there and is about to start as this user.
    pub fn of(settings: &Settings, destination: &Override) -> Self {
        Self::within(settings, destination, writable_folder)
    }

    /// Where a daemon with these settings may be, whoever started it. Only says where; nothing is looked at, nothing is made.
    pub fn candidates(settings: &Settings, destination: &Override) -> Vec<Self> {
        let mut homes =
            platform::host::state_folders().map(|usual| Self::within(settings, destination, || usual)).to_vec();
        homes.dedup();
        homes
    }

    fn within(settings: &Settings, destination: &Override, usual: impl FnOnce() -> PathBuf) -> Self {
        let configured = || settings.agent.state_folder.clone().unwrap_or_else(usual);
        let named = match (destination, settings.agent.destination) {
            (Override::Local(named), _) => named.clone(),
            (Override::AsConfigured | Override::DryRun(..), Destination::Local) => None,
            (Override::AsConfigured | Override::DryRun(..), Destination::Aws) => {
                return Self { state: configured(), store: None };
            }
        };
        let store = named.or_else(|| settings.local.folder.clone()).unwrap_or_else(|| configured().join(STORE));
        Self::of_store(store)
    }

    /// Where a daemon may be of whose settings nothing is known. Nothing is looked at here either.
    pub fn usual() -> Vec<Self> {
        let mut homes = platform::host::state_folders()
            .map(|usual| [Self::of_store(usual.join(STORE)), Self { state: usual, store: None }])
            .concat();
        // The state folder itself is asked first, as where the settings are known.
        homes.sort_by_key(|home| home.store.is_some());
        homes.dedup();
        homes
    }

    /// How another folder is named than this one.
    pub fn named(&self) -> &'static str {
        match self.store {
            Some(_) => "with --local=DIR or in local.folder",
            None => "in agent.state_folder",
        }
    }

    /// Of a daemon that publishes into this store, whatever its settings.
    pub fn of_store(store: PathBuf) -> Self {
        Self { state: store.join(STATE), store: Some(store) }
    }
}

fn writable_folder() -> PathBuf {
    let [system, own] = platform::host::state_folders();
    if platform::host::check_writable(&system).is_ok() { system } else { own }
}

/// The embedded stores that there may be where no configuration is at hand.
pub fn usual_stores() -> [PathBuf; 2] {
    platform::host::state_folders().map(|folder| folder.join(STORE))
}

/// The state folder, locked for as long as this lives.
#[derive(Debug)]
pub struct StateFolder {
    path: PathBuf,
    /// How another one is named: [`Home::named`].
    named: &'static str,
    lock: Mutex<File>,
}

/// Why there is no state folder to work in.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    #[error("the state folder {} cannot be made or written; name another one {named}", path.display())]
    Unusable { path: PathBuf, named: &'static str, source: io::Error },
    #[error("no folder for a dry run can be made in {}; name another one in the environment variable TMPDIR", path.display())]
    Scratch { path: PathBuf, source: io::Error },
    #[error("another daemon ({holder}) uses the state folder {}; stop it, or name another folder {named}", path.display())]
    InUse { path: PathBuf, named: &'static str, holder: String },
}

impl StateFolder {
    /// Make the folder if needed and take its lock. `named`: see [`Home::named`].
    ///
    /// # Errors
    /// When the folder cannot be used, or another daemon uses it.
    pub fn claim(path: PathBuf, named: &'static str) -> Result<Self, StateError> {
        let lock = Mutex::new(locked(&path, named)?);
        Ok(Self { path, named, lock })
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Watches over the lock, and takes it again when somebody removes it. Ends only when another daemon was quicker.
    pub async fn taken(&self) -> StateError {
        loop {
            tokio::time::sleep(LOOK).await;
            match self.keep() {
                Ok(false) => {}
                Ok(true) => {
                    tracing::warn!(folder = %self.path.display(), "the state folder was removed; it is made again")
                }
                Err(taken @ StateError::InUse { .. }) => return taken,
                // A full or read-only disk may get better; whoever writes the state says what is wrong with it.
                Err(StateError::Unusable { .. } | StateError::Scratch { .. }) => {}
            }
        }
    }

    /// Whether the lock had to be made again.
    fn keep(&self) -> Result<bool, StateError> {
        let mut lock = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        // Where that cannot be told, nothing is known to be wrong.
        let Ok(ours) = files::stat_open(&lock) else { return Ok(false) };
        match files::stat(&self.path.join(LOCK)) {
            Ok(there) if there.id == ours.id => Ok(false),
            Err(error) if error.kind() != io::ErrorKind::NotFound => Ok(false),
            Ok(_) | Err(_) => {
                *lock = locked(&self.path, self.named)?;
                Ok(true)
            }
        }
    }
}

const LOCK: &str = "lock";

fn locked(path: &Path, named: &'static str) -> Result<File, StateError> {
    let unusable = |source| StateError::Unusable { path: path.to_owned(), named, source };
    // The status socket in it is for the group too.
    platform::passable_folder(path).map_err(unusable)?;
    let mut lock = platform::private_lock(&path.join(LOCK)).map_err(unusable)?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            let _ = lock.read_to_string(&mut holder);
            let holder = holder.trim().to_owned();
            return Err(StateError::InUse { path: path.to_owned(), named, holder });
        }
        Err(TryLockError::Error(source)) => return Err(unusable(source)),
    }
    // For the message of the next one only: failing to write it harms nothing.
    let _ = lock.set_len(0).and_then(|()| write!(lock, "process {}", std::process::id()));
    Ok(lock)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMED: &str = "in agent.state_folder";

    fn claim(path: PathBuf) -> Result<StateFolder, StateError> {
        StateFolder::claim(path, NAMED)
    }

    #[test]
    fn what_to_do_about_a_folder_is_what_has_a_say_in_it() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let home = Home::of_store(folder.path().join("store"));
        let _first = StateFolder::claim(home.state.clone(), home.named()).expect("free");
        let in_use = StateFolder::claim(home.state.clone(), home.named()).expect_err("taken").to_string();
        let file = folder.path().join("file");
        std::fs::write(&file, "").expect("written");
        let unusable = StateFolder::claim(file, home.named()).expect_err("a file").to_string();
        for said in [in_use, unusable] {
            assert!(said.contains("--local=DIR") && !said.contains("agent.state_folder"), "{said}");
        }
        assert_eq!(Home { state: "/s".into(), store: None }.named(), NAMED);
    }

    #[test]
    fn a_second_daemon_is_told_who_has_the_folder() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("var");
        let first = claim(path.clone()).expect("free");
        let error = claim(path.clone()).expect_err("taken").to_string();
        assert!(error.contains(&std::process::id().to_string()), "{error}");
        drop(first);
        claim(path).expect("free again");
    }

    #[test]
    fn a_file_in_the_way_is_named() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("var");
        std::fs::write(&path, "").expect("written");
        let error = claim(path.clone()).expect_err("a file").to_string();
        assert!(error.contains(path.to_str().expect("UTF-8")) && error.contains("agent.state_folder"), "{error}");
    }

    #[test]
    fn a_folder_that_is_removed_is_made_and_locked_again() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("var");
        let state = claim(path.clone()).expect("free");
        assert!(!state.keep().expect("ours"), "nothing happened");
        std::fs::remove_dir_all(&path).expect("removed");
        assert!(state.keep().expect("ours again"));
        assert!(!state.keep().expect("ours"));
        assert!(matches!(claim(path), Err(StateError::InUse { .. })));
    }

    #[tokio::test(start_paused = true)]
    async fn a_daemon_that_took_a_removed_folder_keeps_it() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("var");
        let first = claim(path.clone()).expect("free");
        std::fs::remove_dir_all(&path).expect("removed");
        let _second = claim(path).expect("free again");
        assert!(matches!(first.taken().await, StateError::InUse { .. }));
    }

    fn home(text: &str, destination: &Override) -> Home {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), text).expect("written");
        Home::of(&crate::config::load(file.path()).settings.expect("valid"), destination)
    }

    #[test]
    fn whoever_looks_for_a_daemon_makes_nothing_and_knows_both_places() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), "{}").expect("written");
        let settings = crate::config::load(file.path()).settings.expect("valid");
        let states: Vec<_> =
            Home::candidates(&settings, &Override::AsConfigured).into_iter().map(|h| h.state).collect();
        assert_eq!(states, platform::host::state_folders());
        assert!(states.contains(&Home::of(&settings, &Override::AsConfigured).state));
        let either: Vec<_> = [Override::AsConfigured, Override::Local(None)]
            .iter()
            .flat_map(|to| Home::candidates(&settings, to))
            .collect();
        assert_eq!(Home::usual(), either, "the same where nothing is known of the settings");
        let named = Override::Local(Some("/d".into()));
        assert_eq!(Home::candidates(&settings, &named), [Home::of(&settings, &named)]);
    }

    #[test]
    fn each_destination_has_a_state_of_its_own() {
        let both = r#"{ "agent": { "state_folder": "/s" } }"#;
        let aws = home(both, &Override::AsConfigured);
        assert_eq!(aws, Home { state: "/s".into(), store: None });
        let local = home(both, &Override::Local(None));
        assert_eq!(local, Home { state: "/s/local/state".into(), store: Some("/s/local".into()) });
        let named = home(both, &Override::Local(Some("/d".into())));
        assert_eq!(named, Home { state: "/d/state".into(), store: Some("/d".into()) });
        let configured =
            r#"{ "agent": { "state_folder": "/s", "destination": "local" }, "local": { "folder": "/f" } }"#;
        assert_eq!(home(configured, &Override::AsConfigured).state, PathBuf::from("/f/state"));
    }
}
