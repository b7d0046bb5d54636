//! Checkpoints of what can be read again: how far each file and each of the system's logs has been delivered, in one small
//! file.
//!
//! Owned here: which covers of a source join up ([`progress`]), what the disk does not know yet ([`known`]), how it is
//! written down ([`record`]), the file and its two generations ([`mod@file`]), and when it is written ([`run`]). Left to
//! others: what a position means (`logs`), when a cover is true (`publish`), who spawns (`daemon`).
//!
//! Only a contiguous acknowledged prefix is ever saved, and only after the service has the events. So a crash costs
//! duplicates, never lines: what was acknowledged since the last write and what was in flight is sent again. A power cut
//! that tears the last write costs that one: it counts as a whole or not at all.
//!
//! Writes are small and few for the sake of SD cards: only what changed is appended. A source that is opened or
//! forgotten is written at once, at most once a second; so is what was acknowledged once it is [much](known). Less than
//! that waits for ten seconds. Once a day all is written anew, so that a source that is open but silent is not taken for
//! one that is gone. A state folder that somebody removes is made again, said once. Where the disk is full or read-only,
//! shipping goes on; the last good file stays, the board and one warning say so, a counter counts the attempts, and
//! they go on.
//!
//! To save another kind of source, add a variant to `model::Position`; nothing changes here.
mod file;
mod known;
mod medium;
mod old;
mod progress;
mod record;
mod saver;
#[cfg(test)]
mod tests;

pub use file::PositionsError;
pub use saver::run;

use crate::{
    model::{Checkpoints, Cover, Position, SourceId, Timestamp},
    telemetry::board::Board,
};
use file::Disk;
use known::Known;
use medium::{Folder, Medium};
use std::{
    fs, io,
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

/// Copies the saved positions, for a run that is to move nothing. None at all is no error.
pub fn copy(from: &Path, to: &Path) -> io::Result<()> {
    // In this order: what is current now may be the previous generation a moment later.
    for name in [file::CURRENT, file::PREVIOUS, file::OLD, file::OLD_PREVIOUS] {
        match fs::copy(from.join(name), to.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(_) | Err(_) => {}
        }
    }
    Ok(())
}

impl Store {
    /// Take over the positions in `folder` (created when it is missing) for the life of this process.
    ///
    /// A torn last record is passed over. A damaged current file is mended by the previous generation, with a warning.
    /// When neither is whole they are kept under another name, an error is logged, and every source of which nothing can
    /// be read starts as if seen for the first time.
    ///
    /// # Errors
    /// The file was written by a newer version, or cannot be read at all.
    pub fn open(folder: &Path, board: Arc<Board>) -> Result<Arc<Self>, PositionsError> {
        Self::open_at(Box::new(Folder::at(folder)), board, Timestamp::now())
    }

    fn open_at(medium: Box<dyn Medium>, board: Arc<Board>, now: Timestamp) -> Result<Arc<Self>, PositionsError> {
        let (disk, loaded) = Disk::open(medium)?;
        let before = loaded.replay.sources.len();
        let kept = loaded.replay.sources.into_iter().filter(|(_, entry)| now.since(entry.seen) <= KEPT);
        let mut known = Known::of(kept, loaded.replay.highest);
        let (positions, forgotten) = (known.len(), before - known.len());
        tracing::info!(positions, forgotten, folder = %disk.folder().display(), "positions loaded");
        known.unsaved = loaded.unsaved || forgotten > 0;
        known.pressing = known.unsaved;
        let store = Self { known: Mutex::new(known), disk: Mutex::new(disk), changed: Notify::new(), board };
        store.changed.notify_one();
        Ok(Arc::new(store))
    }

    /// All positions, whether a source has opened them or not.
    pub fn all(&self) -> Vec<Position> {
        self.known().positions().cloned().collect()
    }

    /// Remember positions that another program left, as if an earlier run of this one had saved them.
    pub fn adopt(&self, positions: impl IntoIterator<Item = Position>) {
        let mut known = self.known();
        for position in positions {
            known.put(SourceId::unique(), 0, position, false, Timestamp::now());
        }
        drop(known);
        self.changed.notify_one();
    }

    /// These covers are delivered: move each source forward over what is now contiguous. Covers may come in any order,
    /// more than once, and after their source is forgotten.
    pub fn acknowledge(&self, covers: &[Cover]) {
        let mut moved = Vec::new();
        let mut known = self.known();
        for cover in covers {
            moved.extend(known.acknowledge(cover).map(|reached| (cover.source, reached)));
        }
        if moved.is_empty() {
            return;
        }
        for (id, reached) in moved {
            if known.is_finished(id) {
                self.forget(&mut known, id);
            } else {
                // The lines of finished sources are wiped under the same lock, so none comes back.
                self.board.known_source(id, |line| line.acknowledged = reached);
            }
        }
        drop(known);
        self.changed.notify_one();
    }

    /// Forget a finished source, and its line on the board: whoever wiped it earlier would see it come back with a late
    /// acknowledgement.
    fn forget(&self, known: &mut Known, id: SourceId) {
        known.forget(id);
        self.board.forget(id);
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        // Every change below leaves whole sources behind, so a panic elsewhere spoils nothing.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Checkpoints for Store {
    fn saved(&self) -> Vec<(SourceId, Position)> {
        self.known().unopened().map(|(id, position)| (id, position.clone())).collect()
    }

    fn open(&self, id: SourceId, start: u64, position: Position) {
        let mut known = self.known();
        // Whoever opens a source has named it on the board.
        self.board.known_source(id, |line| line.acknowledged = start);
        known.put(id, start, position, true, Timestamp::now());
        drop(known);
        self.changed.notify_one();
    }

    fn delivered(&self, id: SourceId) -> Option<(u64, Position)> {
        self.known().delivered(id)
    }

    fn finish(&self, id: SourceId, end: u64) {
        let mut known = self.known();
        if known.finish(id, end) {
            self.forget(&mut known, id);
            drop(known);
            self.changed.notify_one();
        }
    }

    fn saved_up_to(&self, id: SourceId) -> Option<u64> {
        self.known().saved_up_to(id)
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("sources", &self.known().len()).finish_non_exhaustive()
    }
}
