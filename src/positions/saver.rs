//! When the positions are written, and what is said when they cannot be.
use super::{PositionsError, Store, file::Disk, file::LASTS};
use crate::{
    model::Timestamp,
    telemetry::{board, counters},
};
use std::{
    io,
    sync::{Arc, PoisonError},
    time::Duration,
};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

/// The least time between two writes.
const PAUSE: Duration = Duration::from_secs(1);
/// The time between two writes of little: no more than 8,640 a day, and a crash repeats ten seconds of a quiet log.
const LAZY: Duration = Duration::from_secs(10);
/// The longest time between two attempts while writing fails.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// The line on the board.
const LINE: &str = board::POSITIONS;

/// Writes what has changed of the positions, until told to stop; then once more. It may be stopped while events are
/// still being delivered: whoever waits for those calls [`Store::save_now`] after the last of them.
pub async fn run(store: Arc<Store>, stop: CancellationToken) {
    // Not an endless wait even if all is silent: a generation does not last for ever.
    while stop.run_until_cancelled(store.due(LASTS)).await.is_some() {
        let mut pause = PAUSE;
        while store.save_now().await.is_err() {
            pause = (pause * 2).min(LONGEST_PAUSE);
            if stop.run_until_cancelled(sleep(pause)).await.is_none() {
                break;
            }
        }
        let written = Instant::now();
        let rest = async {
            sleep(PAUSE).await;
            store.due_or_some(written + LAZY).await;
        };
        if stop.run_until_cancelled(rest).await.is_none() {
            break;
        }
    }
    // What fails here was said by the attempt itself; the positions of the last good write stay.
    let _ = store.save_now().await;
}

impl Store {
    /// Ends when there is something to write, or the time is over.
    async fn due(&self, longest: Duration) {
        let end = Instant::now() + longest;
        while !self.known().has_news() {
            tokio::select! {
                () = self.changed.notified() => {}
                () = sleep_until(end) => return,
            }
        }
    }

    /// Ends at `lazy`, or earlier when something presses.
    async fn due_or_some(&self, lazy: Instant) {
        while !self.known().pressing {
            tokio::select! {
                () = self.changed.notified() => {}
                () = sleep_until(lazy) => return,
            }
        }
    }

    /// Write what the disk does not know yet, and return when it is there.
    pub async fn save_now(self: &Arc<Self>) -> Result<(), PositionsError> {
        let store = Arc::clone(self);
        tokio::task::spawn_blocking(move || store.save(Timestamp::now())).await.unwrap_or_else(|panic| {
            let folder = self.disk.lock().unwrap_or_else(PoisonError::into_inner).folder();
            Err(PositionsError::Unwritable { folder, source: io::Error::other(panic) })
        })
    }

    /// Blocks. One write at a time; each takes what is to be written only when it is its turn, so an older one never
    /// comes after a newer one.
    pub(super) fn save(&self, now: Timestamp) -> Result<(), PositionsError> {
        let mut disk = self.disk.lock().unwrap_or_else(PoisonError::into_inner);
        let mut batch = {
            let mut known = self.known();
            let all = known.unsaved || disk.wants_all(now);
            let has_work = known.has_news() || all && disk.has_begun();
            if !has_work {
                return Ok(());
            }
            known.take(all, now)
        };
        let all = batch.all;
        let parts = &mut std::iter::from_fn(|| batch.part());
        let result = if all { disk.begin(parts, now) } else { disk.append(parts) };
        let mut known = self.known();
        known.is_failing = result.is_err();
        match result {
            Ok(()) => {
                known.written(batch);
                drop(known);
                counters::POSITION_WRITES.add(1);
                self.recovered(&mut disk);
                Ok(())
            }
            Err(source) => {
                known.failed(batch);
                drop(known);
                counters::POSITION_WRITE_FAILURES.add(1);
                self.failed(&mut disk, &source);
                Err(PositionsError::Unwritable { folder: disk.folder(), source })
            }
        }
    }

    fn recovered(&self, disk: &mut Disk) {
        self.board.succeeded(LINE);
        if disk.failing.take().is_some() {
            tracing::info!(folder = %disk.folder().display(), "the positions are written again");
        }
    }

    fn failed(&self, disk: &mut Disk, error: &io::Error) {
        let folder = disk.folder();
        let folder = folder.display();
        self.board.failed(LINE, format!("the positions cannot be written to {folder}: {error}"));
        if disk.failing != Some(error.kind()) {
            tracing::warn!(%folder, %error, "the positions cannot be written: shipping goes on, but a restart would send events twice; \
                make room there and let the user that runs this program write");
        }
        disk.failing = Some(error.kind());
    }
}
