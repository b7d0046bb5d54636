//! The board: one page on which every room notes how it is doing, and from which `status` reads.
//!
//! Rooms write a line when something changes, never per event. Reading takes a copy, so nobody waits for a reader.
use crate::model::{SourceId, Timestamp};
use serde::Serialize;
use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// How one source stands.
#[derive(Clone, Debug, Default, Serialize)]
pub struct SourceState {
    /// The path, or what else names the source to people.
    pub name: String,
    pub group: String,
    pub stream: String,
    /// Still reading what was there before it was looked at for the first time. Said by sources that have no size.
    pub catching_up: bool,
    /// Units read so far (bytes of a file, entries of a journal).
    pub read: u64,
    /// Units delivered and saved.
    pub acknowledged: u64,
    /// Units that exist as far as is known; `None` where that cannot be known.
    pub size: Option<u64>,
    pub last_error: Option<String>,
}

/// How one destination stands.
#[derive(Clone, Debug, Default, Serialize)]
pub struct DestinationState {
    pub last_success: Option<Timestamp>,
    pub last_error: Option<String>,
    pub last_error_at: Option<Timestamp>,
    /// Batches that wait to be tried again.
    pub waiting_batches: u64,
    /// Failures since the last success.
    pub failures_in_a_row: u64,
}

/// Everything the rooms noted.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Page {
    pub sources: BTreeMap<SourceId, SourceState>,
    /// `metrics`, `logs`, `credentials`.
    pub destinations: BTreeMap<&'static str, DestinationState>,
}

/// Shared by all rooms.
#[derive(Debug, Default)]
pub struct Board(Mutex<Page>);

impl Board {
    /// A copy of the page as it is now.
    pub fn read(&self) -> Page {
        self.page().clone()
    }

    /// Change the line of one source; it is made when it is not there.
    pub fn source(&self, id: SourceId, change: impl FnOnce(&mut SourceState)) {
        change(self.page().sources.entry(id).or_default());
    }

    /// The source is gone: wipe its line.
    pub fn forget(&self, id: SourceId) {
        self.page().sources.remove(&id);
    }

    /// Change the line of one destination.
    pub fn destination(&self, name: &'static str, change: impl FnOnce(&mut DestinationState)) {
        change(self.page().destinations.entry(name).or_default());
    }

    /// The destination took something.
    pub fn succeeded(&self, name: &'static str) {
        self.destination(name, |d| {
            d.last_success = Some(Timestamp::now());
            d.failures_in_a_row = 0;
        });
    }

    /// The destination failed; `why` is the whole chain in one line.
    pub fn failed(&self, name: &'static str, why: String) {
        self.destination(name, |d| {
            d.last_error = Some(why);
            d.last_error_at = Some(Timestamp::now());
            d.failures_in_a_row += 1;
        });
    }

    fn page(&self) -> MutexGuard<'_, Page> {
        // A panic elsewhere leaves whole lines behind: the page stays readable.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
