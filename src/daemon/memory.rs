//! What the cloud said of this machine at an earlier start: `names.json` of the state folder, for the time until it answers again.
//!
//! It says which machine that was: on one that was made of a copy of the disk it is worth nothing. It is written seldom, when something
//! in it has changed; what cannot be written is said and costs nothing else.
use crate::{
    aws::Metadata,
    platform::{self, disk},
};
use serde::{Deserialize, Serialize};
use std::{
    io,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

/// Bytes of the note: a dozen names.
const MOST: u64 = 64 * 1024;

/// The note of this machine.
pub struct Memory {
    file: PathBuf,
    /// What tells this machine from one that was made of its disk.
    machine: String,
    /// Who writes it reads it first.
    turn: Mutex<()>,
}

/// What is remembered.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Remembered {
    #[serde(flatten)]
    pub metadata: Metadata,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auto_scaling_group: Option<String>,
}

#[derive(Deserialize, Serialize)]
struct Note {
    machine: String,
    #[serde(flatten)]
    remembered: Remembered,
}

impl Memory {
    /// In this state folder, of this machine.
    pub fn of(state: &Path) -> Self {
        Self::with(state, platform::host::fingerprint())
    }

    pub fn with(state: &Path, machine: String) -> Self {
        Self { file: state.join("names.json"), machine, turn: Mutex::default() }
    }

    /// `None`: nothing, or not of this machine.
    pub fn recall(&self) -> Option<Remembered> {
        let bytes = disk::read_regular(&self.file, MOST).ok()?;
        let note: Note = serde_json::from_slice(&bytes).ok()?;
        (note.machine == self.machine).then_some(note.remembered)
    }

    /// Change what is remembered.
    pub fn keep(&self, change: impl FnOnce(&mut Remembered)) {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.recall();
        let mut remembered = before.clone().unwrap_or_default();
        change(&mut remembered);
        if before.as_ref() == Some(&remembered) {
            return;
        }
        let note = Note { machine: self.machine.clone(), remembered };
        let note = serde_json::to_vec(&note).map_err(io::Error::from);
        if let Err(error) = note.and_then(|bytes| disk::replace(&self.file, &bytes)) {
            tracing::warn!(file = %self.file.display(), %error, "cannot note the names of this machine");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> tempfile::TempDir {
        tempfile::tempdir().expect("a temporary folder")
    }

    #[test]
    fn what_one_notes_leaves_what_another_one_noted() {
        let folder = folder();
        let memory = Memory::with(folder.path(), "m".into());
        assert_eq!(memory.recall(), None);
        memory.keep(|all| all.metadata.hostname = Some("h".into()));
        memory.keep(|all| all.auto_scaling_group = Some("g".into()));
        let remembered = memory.recall().expect("noted");
        assert_eq!(remembered.metadata.hostname.as_deref(), Some("h"));
        assert_eq!(remembered.auto_scaling_group.as_deref(), Some("g"));
        assert_eq!(Memory::with(folder.path(), "a copy of its disk".into()).recall(), None);
    }

    #[test]
    fn a_note_without_what_was_not_asked_for_then_is_one() {
        let folder = folder();
        let note =
            r#"{ "machine": "m", "instance_id": "i-1", "hostname": null, "ip_address": null, "account_id": null }"#;
        std::fs::write(folder.path().join("names.json"), note).expect("ours");
        let remembered = Memory::with(folder.path(), "m".into()).recall().expect("an older note");
        assert_eq!(remembered.metadata.instance_id.as_deref(), Some("i-1"));
        assert_eq!((remembered.metadata.image_id, remembered.auto_scaling_group), (None, None));
    }

    #[test]
    fn what_is_known_already_is_not_written_again() {
        let folder = folder();
        let memory = Memory::with(folder.path(), "m".into());
        memory.keep(|all| all.auto_scaling_group = Some("g".into()));
        let file = folder.path().join("names.json");
        let (name, moved) = (file.clone(), folder.path().join("first"));
        std::fs::hard_link(&file, &moved).expect("ours");
        memory.keep(|all| all.auto_scaling_group = Some("g".into()));
        let (first, now) = (std::fs::metadata(moved).expect("there"), std::fs::metadata(name).expect("there"));
        assert_eq!(first.modified().expect("known"), now.modified().expect("known"), "the same file");
    }
}
