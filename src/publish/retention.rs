//! Which log groups we made and still owe their retention: without it they keep, and cost, for ever.
//!
//! A group is noted before it is made, so neither a crash between the two calls nor a service that is busy leaves it without.
//! The note is a small file in the state folder, there only while something is owed. One lane at a time owns a debt and pays
//! it ([`super::logs`]); what a lane leaves unpaid is there for the next one, and for the next start. Where the note cannot be
//! written that is said, and the debt lives in memory.
use super::{Backoff, Next, PutError};
use crate::{
    platform::disk,
    telemetry::{chain, gist},
};
use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

/// How long until the next attempt when the policy does not allow it: only a person can mend that, and nothing waits for it.
const DENIED: Duration = Duration::from_hours(1);
/// The note holds group names of at most 512 characters each.
const MOST: u64 = 1 << 20;

/// The note, shared by all lanes.
#[derive(Debug)]
pub struct Retention {
    file: PathBuf,
    owed: Mutex<Owed>,
}

#[derive(Debug, Default)]
struct Owed {
    groups: BTreeSet<String>,
    /// Those of them that a lane is about to pay.
    claimed: BTreeSet<String>,
}

impl Retention {
    /// `retention-owed.json` in this folder, with what an earlier run left in it.
    pub fn in_folder(state: &Path) -> Self {
        let file = state.join("retention-owed.json");
        let read = disk::read_regular(&file, MOST);
        let groups = match read.and_then(|bytes| serde_json::from_slice(&bytes).map_err(io::Error::from)) {
            Ok(groups) => groups,
            Err(error) if error.kind() == io::ErrorKind::NotFound => BTreeSet::new(),
            Err(error) => {
                tracing::warn!(file = %file.display(), %error, "it is not known any more which log groups still need their retention");
                BTreeSet::new()
            }
        };
        Self { file, owed: Mutex::new(Owed { groups, claimed: BTreeSet::new() }) }
    }

    /// The group is about to be made by the lane that asks. On disk when this returns. Whether that is news.
    pub(super) fn owe(&self, group: &str) -> bool {
        let mut owed = self.owed();
        owed.claimed.insert(group.to_owned());
        let news = owed.groups.insert(group.to_owned());
        if news {
            self.write(&owed.groups);
        }
        news
    }

    /// Whether the group is owed its retention and nobody else is about to pay: then the lane that asks is.
    pub(super) fn claim(&self, group: &str) -> bool {
        let mut owed = self.owed();
        owed.groups.contains(group) && owed.claimed.insert(group.to_owned())
    }

    /// The lane ends without having paid.
    pub(super) fn release(&self, group: &str) {
        self.owed().claimed.remove(group);
    }

    /// It is paid, or not owed any more.
    pub(super) fn settle(&self, group: &str) {
        let mut owed = self.owed();
        owed.claimed.remove(group);
        if owed.groups.remove(group) {
            self.write(&owed.groups);
        }
    }

    /// Short and rare (a group is made), so it is done in place.
    fn write(&self, groups: &BTreeSet<String>) {
        let Some(folder) = self.file.parent() else { return };
        let write = || {
            if groups.is_empty() {
                return fs::remove_file(&self.file).or_else(|error| match error.kind() {
                    io::ErrorKind::NotFound => Ok(()),
                    _ => Err(error),
                });
            }
            disk::private_folder(folder)?;
            let new = self.file.with_extension("json.new");
            disk::write_synced(&new, &serde_json::to_vec(groups)?)?;
            fs::rename(&new, &self.file)?;
            disk::sync_folder(folder)
        };
        if let Err(error) = write() {
            tracing::warn!(file = %self.file.display(), %error, "cannot note which log groups still need their retention");
        }
    }

    fn owed(&self) -> MutexGuard<'_, Owed> {
        // Both sets are whole between any two statements.
        self.owed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What one lane owes its group.
#[derive(Debug, Default)]
pub(super) struct Debt {
    /// When the next attempt is due. `None`: nothing is owed.
    pub(super) due: Option<Instant>,
    backoff: Backoff,
    /// The cause that was told last.
    said: Option<String>,
}

impl Debt {
    /// Take the outcome of an attempt. `false`: nothing is owed any more.
    pub(super) fn tried(&mut self, outcome: Result<(), PutError>, group: &str) -> bool {
        let Err(error) = outcome else {
            if self.said.is_some() {
                tracing::info!(group, "the log group has its retention now");
            }
            *self = Self::default();
            return false;
        };
        let wait = match error.next() {
            Next::RetrySeldom => DENIED,
            next @ (Next::Retry(_) | Next::RenewThenRetry) => self.backoff.after(next),
            // It is gone, and whoever makes it again owes it anew; or the service will never take this number of days.
            Next::CreateThenRetry | Next::SetAside => {
                self.say(group, &error);
                *self = Self::default();
                return false;
            }
        };
        self.say(group, &error);
        self.due = Some(Instant::now() + wait);
        true
    }

    /// Once for each cause.
    fn say(&mut self, group: &str, error: &PutError) {
        let why = chain(error);
        let cause = Some(gist(&why));
        if self.said != cause {
            tracing::warn!(group, "the log group that was made here has no retention yet and keeps its events: {why}");
            self.said = cause;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_debt_outlives_the_process_until_it_is_settled() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let retention = Retention::in_folder(folder.path());
        retention.owe("a");
        retention.owe("b");
        assert!(!retention.claim("a"), "whoever made it pays");
        let next = Retention::in_folder(folder.path());
        assert!(next.claim("a") && !next.claim("a") && !next.claim("c"));
        next.release("a");
        assert!(next.claim("a"));
        next.settle("a");
        let next = Retention::in_folder(folder.path());
        assert!(!next.claim("a") && next.claim("b"));
        next.settle("b");
        assert!(!next.file.exists());
    }

    #[test]
    fn a_note_that_cannot_be_read_or_written_stops_nothing() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let state = folder.path().join("removed");
        let retention = Retention::in_folder(&state);
        retention.owe("a");
        assert!(Retention::in_folder(&state).claim("a"), "the folder is made again");
        fs::write(&retention.file, "torn").expect("written");
        assert!(!Retention::in_folder(&state).claim("a"));
        fs::remove_file(&retention.file).expect("removed");
        fs::create_dir(&retention.file).expect("in the way");
        retention.owe("b");
        retention.release("b");
        assert!(retention.claim("b"));
    }
}
