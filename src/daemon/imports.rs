//! The first start after another program: its positions become ours, once.
//!
//! Only a file of which we have no position at all is looked for, only where the lines go to AWS as those of the other
//! program did, and each file once: `imported.json` in the state folder remembers it, so that whoever removes our
//! positions later does not get the old ones of the other program.
use super::plan::Plan;
use crate::{
    config::settings::ImportState,
    logs::{
        files::target_key,
        imported::{Imported, Wanted, agent, awslogs},
    },
    model::{Checkpoints, FilePosition, Position, Timestamp},
    platform::{disk, host},
    positions,
    publish::chain,
};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

/// What was imported, for ever.
pub const IMPORTED: &str = "imported.json";
/// A hundred bytes for each file.
const MOST: u64 = 64 << 20;

/// All of it.
#[derive(Default, Deserialize, Serialize)]
struct Notes {
    files: Vec<Note>,
}

#[derive(Deserialize, Serialize)]
struct Note {
    path: String,
    target: String,
    offset: u64,
    at: Timestamp,
}

impl Notes {
    fn read(folder: &Path) -> Self {
        let path = folder.join(IMPORTED);
        let read =
            disk::read_regular(&path, MOST).and_then(|bytes| serde_json::from_slice(&bytes).map_err(io::Error::other));
        match read {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(file = %path.display(), %error, "what was imported earlier cannot be read: it may be imported again");
                Self::default()
            }
            read => read.unwrap_or_default(),
        }
    }

    fn write(&self, folder: &Path) -> io::Result<()> {
        let bytes = serde_json::to_vec_pretty(self)?;
        let new = folder.join("imported.json.new");
        disk::write_synced(&new, &bytes)?;
        std::fs::rename(new, folder.join(IMPORTED))?;
        disk::sync_folder(folder)
    }
}

/// The files that this configuration follows, each with the targets that have no position yet.
fn missing(plan: &Plan, store: &positions::Store, notes: &Notes) -> BTreeMap<PathBuf, BTreeSet<String>> {
    let ours: BTreeSet<Arc<Path>> = store
        .saved()
        .into_iter()
        .filter_map(|(_, position)| match position {
            Position::File(file) => Some(file.path),
            Position::Journal(_) | Position::Windows(_) | Position::Unified(_) | Position::Unsaved => None,
        })
        .collect();
    let done: BTreeSet<(&str, &str)> = notes.files.iter().map(|n| (n.path.as_str(), n.target.as_str())).collect();
    let mut missing: BTreeMap<PathBuf, BTreeSet<String>> = BTreeMap::new();
    for (item, target) in plan.settings.logs.files.iter().zip(plan.targets().files) {
        let Some(target) = target else { continue };
        let key = target_key(&target);
        if !ours.contains(item.path.as_path()) && !done.contains(&(&*item.path.to_string_lossy(), &key)) {
            missing.entry(item.path.clone()).or_default().insert(key);
        }
    }
    missing
}

/// Takes over what other programs left for the files of this plan. What cannot be used is logged; the daemon starts all the same.
pub async fn run(plan: &Plan, store: &Arc<positions::Store>, state: &Path) {
    let setting = plan.settings.agent.import_state.clone();
    if plan.home.store.is_some() || setting == ImportState::Off {
        return;
    }
    let mut notes = Notes::read(state);
    let missing = missing(plan, store, &notes);
    if missing.is_empty() {
        return;
    }
    // Log files are opened, and a dead mount may make that wait.
    let found = tokio::task::spawn_blocking(move || find(&setting, missing)).await.unwrap_or_default();
    if found.is_empty() {
        return;
    }
    for Imported { position: FilePosition { path, target, offset, .. }, from } in &found {
        tracing::info!(path = %path.display(), %target, offset, "continues where {from} stopped");
        notes.files.push(Note {
            path: path.to_string_lossy().into_owned(),
            target: target.to_string(),
            offset: *offset,
            at: Timestamp::now(),
        });
    }
    store.adopt(found.into_iter().map(|imported| Position::File(imported.position)));
    // In this order: a crash in between imports nothing twice, because then there are positions of ours.
    if let Err(error) = store.save_now().await {
        tracing::warn!(error = chain(&error), "what was imported is not saved yet");
    } else if let Err(error) = notes.write(state) {
        tracing::warn!(folder = %state.display(), %error, "what was imported cannot be noted: if our positions get lost, it is imported again");
    }
}

/// Blocks. The agent's state first: who has both came from awslogs to the agent.
fn find(setting: &ImportState, missing: BTreeMap<PathBuf, BTreeSet<String>>) -> Vec<Imported> {
    let (agents, old) = match setting {
        ImportState::From(folder) => (folder.clone(), awslogs::Places::in_folder(folder)),
        ImportState::Usual | ImportState::Off => (host::agent_state_folder(), awslogs::Places::usual()),
    };
    let named: Vec<PathBuf> = missing.keys().cloned().collect();
    let all = |path: &Path| missing.get(path).into_iter().flatten().cloned().collect();
    let mut found = agent::positions(&agents, Wanted { targets: &all, named: &named }).unwrap_or_else(|error| {
        tracing::warn!(folder = %agents.display(), %error, "the state of the CloudWatch Agent cannot be read: its log files count as seen \
            for the first time");
        Vec::new()
    });
    let done: BTreeSet<Arc<Path>> = found.iter().map(|imported| imported.position.path.clone()).collect();
    let rest = |path: &Path| if done.contains(path) { Vec::new() } else { all(path) };
    match awslogs::positions(&old, Wanted { targets: &rest, named: &named }) {
        Ok(more) => found.extend(more),
        Err(error) => tracing::warn!(
            error = chain(&error),
            "the state of awslogs cannot be used: its log files count as seen for the first time"
        ),
    }
    found
}
