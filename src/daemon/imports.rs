//! The first start after another program: its positions become ours, once.
//!
//! Only a file of which earlier runs of ours left no position at all is looked for, only where the lines go to AWS as those of the other
//! program did, and each file once: `imported.json` in the state folder remembers it, so that whoever removes our
//! positions later does not get the old ones of the other program. Files of a pattern take part until a run has looked for the pattern,
//! and what waits for its names takes part when they become known, by what was true as this run began: a file that it has opened since then
//! for another target gets the same position for both, and one that earlier runs read gets none.
use super::plan::{Plan, Targets};
use crate::{
    config::settings::{ImportState, Matching, Selection},
    logs::{
        files::target_key,
        imported::{Imported, Wanted, agent, awslogs},
    },
    model::{FilePosition, Position, Timestamp},
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
    time::Duration,
};
use tokio::task::{JoinError, JoinHandle};

/// What was imported, for ever.
pub const IMPORTED: &str = "imported.json";
/// A hundred bytes for each file.
const MOST: u64 = 64 << 20;

/// The longest wait for what others left: log files are opened, and a dead mount may take for ever.
const LONGEST: Duration = Duration::from_secs(30);

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
        disk::replace(&folder.join(IMPORTED), &bytes)
    }
}

/// The files of which there is a position of ours: at the start of a run, those that earlier ones left.
pub fn ours(store: &positions::Store) -> BTreeSet<Arc<Path>> {
    files(store).map(|file| file.path).collect()
}

fn files(store: &positions::Store) -> impl Iterator<Item = FilePosition> {
    store.all().into_iter().filter_map(|position| match position {
        Position::File(file) => Some(file),
        Position::Journal(_) | Position::Windows(_) | Position::Unified(_) | Position::Unsaved => None,
    })
}

/// What may have a position of another program: the files that this configuration follows and of which there is none of ours.
struct Sought {
    /// Each with its targets.
    named: BTreeMap<PathBuf, BTreeSet<String>>,
    /// Patterns, each with its target.
    patterns: Vec<(Arc<Matching>, String)>,
    /// Files of which earlier runs left a position of ours.
    ours: BTreeSet<Arc<Path>>,
    /// Paths and targets that were imported already, or have a position by now.
    done: BTreeSet<(String, String)>,
}

impl Sought {
    fn of(
        targets: &Targets<'_>,
        earlier: &BTreeSet<Arc<Path>>,
        now: impl Iterator<Item = FilePosition>,
        notes: &Notes,
    ) -> Self {
        let noted = notes.files.iter().map(|note| (note.path.clone(), note.target.clone()));
        let known = now.map(|file| (file.path.to_string_lossy().into_owned(), file.target.to_string()));
        let mut sought = Self {
            named: BTreeMap::new(),
            patterns: vec![],
            ours: earlier.clone(),
            done: noted.chain(known).collect(),
        };
        for (item, target) in &targets.files {
            // A pattern that an earlier run looked for has left its mark under its own name.
            if sought.ours.contains(item.path.as_path()) {
                continue;
            }
            let key = target_key(target, &item.selection);
            match &item.selection {
                Selection::Matching(rule) => sought.patterns.push((rule.clone(), key)),
                Selection::This if sought.is_done(&item.path, &key) => {}
                Selection::This => _ = sought.named.entry(item.path.clone()).or_default().insert(key),
            }
        }
        sought
    }

    fn is_done(&self, path: &Path, key: &str) -> bool {
        self.done.contains(&(path.to_string_lossy().into_owned(), key.to_owned()))
    }

    fn is_empty(&self) -> bool {
        self.named.is_empty() && self.patterns.is_empty()
    }

    /// The targets of a file, as its saved positions name them.
    fn targets(&self, path: &Path) -> Vec<String> {
        let means = |rule: &Matching| rule.glob.matches(path) && !rule.leaves_out(path);
        let matching = self.patterns.iter().filter(|(rule, key)| means(rule) && !self.is_done(path, key));
        let named = self.named.get(path).into_iter().flatten();
        let all: BTreeSet<&String> = named.chain(matching.map(|(_, key)| key)).collect();
        if self.ours.contains(path) { Vec::new() } else { all.into_iter().cloned().collect() }
    }
}

/// Where the CloudWatch Agent may have left its state; `None` where nothing is to be imported.
pub fn agent_folder(plan: &Plan) -> Option<PathBuf> {
    if plan.home.store.is_some() {
        return None;
    }
    match &plan.settings.agent.import_state {
        ImportState::Off => None,
        ImportState::From(folder) => Some(folder.clone()),
        ImportState::Usual => Some(host::agent_state_folder()),
    }
}

/// What other programs may have left for those files of this plan that have these targets. `earlier`: [`ours`] as this run began.
pub fn of(
    plan: &Plan,
    targets: &Targets<'_>,
    earlier: &BTreeSet<Arc<Path>>,
    store: &Arc<positions::Store>,
    state: &Path,
) -> Option<Import> {
    let agents = agent_folder(plan)?;
    let old = match &plan.settings.agent.import_state {
        ImportState::From(folder) => awslogs::Places::in_folder(folder),
        ImportState::Usual | ImportState::Off => awslogs::Places::usual(),
    };
    let notes = Notes::read(state);
    let sought = Sought::of(targets, earlier, files(store), &notes);
    (!sought.is_empty()).then(|| Import { agents, old, sought, notes, store: store.clone(), state: state.to_owned() })
}

/// What is to be looked for, and where it goes.
pub struct Import {
    agents: PathBuf,
    old: awslogs::Places,
    sought: Sought,
    notes: Notes,
    store: Arc<positions::Store>,
    state: PathBuf,
}

impl Import {
    /// Takes over what is found. What cannot be used is logged; the daemon starts all the same. Dropped while it searches, nothing is
    /// taken over.
    pub async fn run(self) {
        let Self { agents, old, sought, mut notes, store, state } = self;
        let found = match in_time(tokio::task::spawn_blocking(move || find(&agents, &old, &sought))).await {
            Ok(found) => found,
            Err(error) => {
                tracing::warn!(
                    error = chain(&error),
                    "where the program before stopped reading could not be found out: log files without a position of ours count as \
                seen for the first time"
                );
                return;
            }
        };
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
        } else if let Err(error) = notes.write(&state) {
            tracing::warn!(folder = %state.display(), %error, "what was imported cannot be noted: if our positions get lost, it is imported again");
        }
    }
}

/// Why it is not known what others left.
#[derive(Debug, thiserror::Error)]
enum SearchError {
    #[error("a file system did not answer in {} seconds", LONGEST.as_secs())]
    Late,
    #[error("the search failed; that is a fault in this program, please report it")]
    Fault(#[from] JoinError),
}

async fn in_time<T>(search: JoinHandle<T>) -> Result<T, SearchError> {
    let found = tokio::time::timeout(LONGEST, search).await.map_err(|_| SearchError::Late)?;
    Ok(found?)
}

/// Blocks. The agent's state first: who has both came from awslogs to the agent.
fn find(agents: &Path, old: &awslogs::Places, sought: &Sought) -> Vec<Imported> {
    let named: Vec<PathBuf> = sought.named.keys().cloned().collect();
    let all = |path: &Path| sought.targets(path);
    let mut found = agent::positions(agents, Wanted { targets: &all, named: &named }).unwrap_or_else(|error| {
        tracing::warn!(folder = %agents.display(), %error, "the state of the CloudWatch Agent cannot be read: its log files count as seen \
            for the first time");
        Vec::new()
    });
    let done: BTreeSet<Arc<Path>> = found.iter().map(|imported| imported.position.path.clone()).collect();
    let rest = |path: &Path| if done.contains(path) { Vec::new() } else { all(path) };
    match awslogs::positions(old, Wanted { targets: &rest, named: &named }) {
        Ok(more) => found.extend(more),
        Err(error) => tracing::warn!(
            error = chain(&error),
            "the state of awslogs cannot be used: its log files count as seen for the first time"
        ),
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        daemon::{Options, Override},
        model::{Checkpoints, FileIdentity, Fingerprint, SourceId},
        telemetry::board::Board,
    };
    use tokio::task::spawn_blocking;

    /// The targets for which a position of another program would be taken over, of a file that waited for its names.
    async fn wanted(earlier: &BTreeSet<Arc<Path>>, store: &positions::Store) -> Vec<String> {
        let text = r#"{ "agent": { "region": "us-east-1", "instance": { "prefix": "sys", "serial": "1" } }, "logs": {
            "logs_collected": { "files": { "collect_list": [
                { "file_path": "/x", "log_group_name": "/late", "log_stream_name": "s" } ] } } } }"#;
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), text).expect("written");
        let settings = crate::config::load(file.path()).settings.expect("valid");
        let options = Options { destination: Override::AsConfigured, once: false };
        let plan = Plan::make(settings, &options).await.expect("a plan");
        Sought::of(&plan.targets(), earlier, files(store), &Notes::default()).targets(Path::new("/x"))
    }

    fn position(target: &str) -> Position {
        Position::File(FilePosition {
            path: Path::new("/x").into(),
            identity: FileIdentity { device: 1, inode: 2, head: Fingerprint::default() },
            offset: 7,
            before: Fingerprint::default(),
            target: target.into(),
            modified: Timestamp::from_millis(7),
            home: None,
        })
    }

    fn store(folder: &Path) -> Arc<positions::Store> {
        positions::Store::open(folder, Arc::new(Board::default())).expect("positions")
    }

    #[tokio::test]
    async fn a_file_that_earlier_runs_read_stays_ours_when_this_run_has_opened_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let before = store(folder.path());
        before.adopt([position("/early:s")]);
        before.save_now().await.expect("saved");
        drop(before);
        let store = store(folder.path());
        let earlier = ours(&store);
        let (id, position) = store.saved().pop().expect("of an earlier run");
        assert!(wanted(&earlier, &store).await.is_empty());
        Checkpoints::open(store.as_ref(), id, 7, position);
        assert!(store.saved().is_empty(), "it is being read");
        assert!(wanted(&earlier, &store).await.is_empty());
    }

    #[tokio::test]
    async fn at_the_first_start_who_waited_gets_what_the_others_of_its_file_got_and_nobody_twice() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = store(folder.path());
        let earlier = ours(&store);
        Checkpoints::open(store.as_ref(), SourceId::unique(), 7, position("/early:s"));
        assert_eq!(wanted(&earlier, &store).await, ["/late:s"]);
        Checkpoints::open(store.as_ref(), SourceId::unique(), 7, position("/late:s"));
        assert!(wanted(&earlier, &store).await.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_search_that_ends_badly_or_not_at_all_says_why_instead_of_finding_nothing() {
        assert_eq!(in_time(spawn_blocking(|| 1)).await.expect("found"), 1);
        let fault = in_time(spawn_blocking(|| -> u8 { panic!("a state file nobody thought of") })).await;
        let fault = chain(&fault.expect_err("a panic"));
        assert!(fault.contains("please report") && fault.contains("a state file nobody thought of"), "{fault}");
        let late = in_time(tokio::spawn(std::future::pending::<u8>())).await.expect_err("late");
        assert!(late.to_string().contains("30 seconds"), "{late}");
    }
}
