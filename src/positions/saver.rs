//! When the positions are written, and what is said when they cannot be.
use super::{PositionsError, Store, file::Disk};
use crate::{model::Timestamp, telemetry::counters};
use std::{
    io,
    sync::{Arc, PoisonError},
    time::Duration,
};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

/// The least time between two writes.
const PAUSE: Duration = Duration::from_secs(1);
/// The longest time between two attempts while writing fails.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// The longest time without a write, so that sources that are open but silent keep counting as seen.
const REFRESH: Duration = Duration::from_secs(24 * 60 * 60);
/// The line on the board.
const LINE: &str = "positions";

/// Writes the positions whenever they have changed, until told to stop; then once more. It may be stopped while events
/// are still being delivered: whoever waits for those calls [`Store::save_now`] after the last of them.
pub async fn run(store: Arc<Store>, stop: CancellationToken) {
    let mut pause = PAUSE;
    let mut refresh = Instant::now() + REFRESH;
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            () = store.changed.notified() => {}
            () = sleep_until(refresh) => {}
        }
        let written = store.save_now().await;
        refresh = Instant::now() + REFRESH;
        match written {
            Ok(()) => pause = PAUSE,
            Err(_) => {
                pause = (pause * 2).min(LONGEST_PAUSE);
                // Nothing may change any more, and still this must reach the disk one day.
                store.changed.notify_one();
            }
        }
        if stop.run_until_cancelled(sleep(pause)).await.is_none() {
            break;
        }
    }
    // What fails here was said by the attempt itself; the positions of the last good write stay.
    let _ = store.save_now().await;
}

impl Store {
    /// Write the positions as they are now, whatever was written before, and return when they are on the disk.
    pub async fn save_now(self: &Arc<Self>) -> Result<(), PositionsError> {
        let store = Arc::clone(self);
        tokio::task::spawn_blocking(move || store.save(Timestamp::now())).await.unwrap_or_else(|panic| {
            let folder = self.disk.lock().unwrap_or_else(PoisonError::into_inner).folder().to_owned();
            Err(PositionsError::Unwritable { folder, source: io::Error::other(panic) })
        })
    }

    /// Blocks. One write at a time; each takes its snapshot only when it is its turn, so an older one never replaces a
    /// newer one.
    pub(super) fn save(&self, now: Timestamp) -> Result<(), PositionsError> {
        let mut disk = self.disk.lock().unwrap_or_else(PoisonError::into_inner);
        let entries = self.snapshot(now);
        match disk.write(&entries) {
            Ok(()) => {
                counters::POSITION_WRITES.add(1);
                self.recovered(&mut disk);
                Ok(())
            }
            Err(source) => {
                counters::POSITION_WRITE_FAILURES.add(1);
                self.failed(&mut disk, &source);
                Err(PositionsError::Unwritable { folder: disk.folder().to_owned(), source })
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
        let folder = disk.folder().display();
        self.board.failed(LINE, format!("the positions cannot be written to {folder}: {error}"));
        if disk.failing != Some(error.kind()) {
            tracing::warn!(%folder, %error, "the positions cannot be written: shipping goes on, but a restart would send events twice; \
                make room there and let the user that runs this program write");
        }
        disk.failing = Some(error.kind());
    }
}
