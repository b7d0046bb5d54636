//! Checkpoints of what can be read again: how far each file and the journal have been delivered, in one small file.
//!
//! Owned here: which covers of a source join up ([`progress`]), the file and its two generations ([`mod@file`]), and
//! when it is written ([`run`]). Left to others: what a position means (`logs`), when a cover is true (`publish`), who
//! spawns (`daemon`).
//!
//! Only a contiguous acknowledged prefix is ever saved, and only after the service has the events. So a crash costs
//! duplicates, never lines: what was acknowledged since the last write (at most about a second of events) and what was
//! in flight is sent again. A power cut that loses the last write costs one write more: the generation before it is
//! used.
//!
//! Writes are coalesced for the sake of SD cards: the first change after a quiet time is written at once, later ones at
//! most once a second, and without any change once a day, so that a source that is open but silent is not taken for one
//! that is gone. A state folder that somebody removes is made again, said once. Where the disk is full or read-only,
//! shipping goes on; the last good file stays, the board and one warning say so, a counter counts the attempts, and
//! they go on.
//!
//! To save another kind of source, add a variant to `model::Position`; nothing changes here.
mod file;
mod progress;
mod saver;
#[cfg(test)]
mod tests;

pub use file::PositionsError;
pub use saver::run;

use crate::{
    model::{Checkpoints, Cover, Position, SourceId, Timestamp},
    telemetry::board::Board,
};
use file::{Disk, Entry};
use progress::Progress;
use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::sync::Notify;

/// How long the position of a source that nobody opens is kept. CloudWatch Logs takes no event older than 14 days
/// (<https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutLogEvents.html>); twice that and some
/// more outlives a volume that is unmounted for a while.
const KEPT: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// The keeper of positions. All methods return at once; only [`run`] and [`Store::save_now`] touch the disk.
pub struct Store {
    known: Mutex<Known>,
    disk: Mutex<Disk>,
    changed: Notify,
    board: Arc<Board>,
}

type Known = BTreeMap<SourceId, Source>;

/// One source, opened in this run or only remembered.
struct Source {
    progress: Progress,
    opened: bool,
    /// When it was last open in any run.
    seen: Timestamp,
}

impl Store {
    /// Take over the positions in `folder` (created when it is missing) for the life of this process.
    ///
    /// A torn current file is replaced by the previous generation, with a warning. When both are unusable they are kept
    /// under another name, an error is logged, and every source starts as if seen for the first time.
    ///
    /// # Errors
    /// The file was written by a newer version, or cannot be read at all.
    pub fn open(folder: &Path, board: Arc<Board>) -> Result<Arc<Self>, PositionsError> {
        Self::open_at(folder, board, Timestamp::now())
    }

    fn open_at(folder: &Path, board: Arc<Board>, now: Timestamp) -> Result<Arc<Self>, PositionsError> {
        let (disk, entries) = Disk::open(folder)?;
        let before = entries.len();
        let sources: BTreeMap<_, _> = entries
            .into_iter()
            .filter(|entry| now.since(entry.seen) <= KEPT)
            .map(|entry| {
                let source = Source { progress: Progress::at(0, entry.position), opened: false, seen: entry.seen };
                (SourceId::unique(), source)
            })
            .collect();
        let forgotten = before - sources.len();
        tracing::info!(positions = sources.len(), forgotten, folder = %folder.display(), "positions loaded");
        let store = Self { known: Mutex::new(sources), disk: Mutex::new(disk), changed: Notify::new(), board };
        if forgotten > 0 {
            store.changed.notify_one();
        }
        Ok(Arc::new(store))
    }

    /// These covers are delivered: move each source forward over what is now contiguous. Covers may come in any order,
    /// more than once, and after their source is forgotten.
    pub fn acknowledge(&self, covers: &[Cover]) {
        let mut moved = Vec::new();
        let mut known = self.known();
        for cover in covers {
            let Some(source) = known.get_mut(&cover.source).filter(|source| source.opened) else {
                tracing::debug!(source = ?cover.source, "acknowledged after its source was forgotten");
                continue;
            };
            if source.progress.acknowledge(cover) {
                moved.push((cover.source, source.progress.reached()));
            }
        }
        if moved.is_empty() {
            return;
        }
        for (id, reached) in moved {
            if known.get(&id).is_some_and(|source| source.progress.finished()) {
                self.forget(&mut known, id);
            } else {
                // The lines of finished sources are wiped under the same lock, so none comes back.
                self.board.known_source(id, |line| line.acknowledged = reached);
            }
        }
        drop(known);
        self.changed.notify_one();
    }

    /// What is to be saved now. Sources that are open count as seen at `now`.
    fn snapshot(&self, now: Timestamp) -> Vec<Entry> {
        self.known()
            .values_mut()
            .map(|source| {
                if source.opened {
                    source.seen = now;
                }
                Entry { seen: source.seen, position: source.progress.position().clone() }
            })
            .collect()
    }

    /// Forget a finished source, and its line on the board: whoever wiped it earlier would see it come back with a late
    /// acknowledgement.
    fn forget(&self, known: &mut Known, id: SourceId) {
        known.remove(&id);
        self.board.forget(id);
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        // Every change below leaves whole sources behind, so a panic elsewhere spoils nothing.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Checkpoints for Store {
    fn saved(&self) -> Vec<(SourceId, Position)> {
        let known = self.known();
        let unopened = known.iter().filter(|(_, source)| !source.opened);
        unopened.map(|(id, source)| (*id, source.progress.position().clone())).collect()
    }

    fn open(&self, id: SourceId, start: u64, position: Position) {
        let mut known = self.known();
        // Whoever opens a source has named it on the board.
        self.board.known_source(id, |line| line.acknowledged = start);
        let source = Source { progress: Progress::at(start, position), opened: true, seen: Timestamp::now() };
        known.insert(id, source);
        drop(known);
        self.changed.notify_one();
    }

    fn delivered(&self, id: SourceId) -> Option<(u64, Position)> {
        let known = self.known();
        let source = known.get(&id).filter(|source| source.opened)?;
        Some((source.progress.reached(), source.progress.position().clone()))
    }

    fn finish(&self, id: SourceId, end: u64) {
        let mut known = self.known();
        let Some(source) = known.get_mut(&id) else { return };
        source.progress.finish(end);
        // Nobody reads what was never opened, so nothing of it will ever be acknowledged: it was given up.
        if !source.opened || source.progress.finished() {
            self.forget(&mut known, id);
            drop(known);
            self.changed.notify_one();
        }
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("sources", &self.known().len()).finish_non_exhaustive()
    }
}
