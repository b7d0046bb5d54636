//! Which log groups we made and still owe their retention: without it they keep, and cost, for ever. And which were looked at.
//!
//! A group is noted before it is made, so neither a crash between the two calls nor a service that is busy leaves it without.
//! The note is a small file in the state folder, there only while something is owed. One lane at a time owns a debt and pays
//! it ([`super::logs`]); what a lane leaves unpaid is there for the next one, and for the next start. Where the note cannot be
//! written that is said, and the debt lives in memory.
use super::{Backoff, Next, PutError};
use crate::{
    model::Timestamp,
    platform::disk,
    telemetry::{chain, gist},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

/// How long until the next attempt when the policy does not allow it: only a person can mend that, and nothing waits for it.
const DENIED: Duration = Duration::from_hours(1);
/// How often it is looked whether a group has the retention that is wanted.
const LOOK: Duration = Duration::from_hours(24);
/// The notes hold group names of at most 512 characters each.
const MOST: u64 = 8 << 20;

/// The note, shared by all lanes.
#[derive(Debug)]
pub struct Retention {
    file: PathBuf,
    owed: Mutex<Owed>,
    looks: Mutex<Looks>,
}

/// Which groups were looked at in the last day, for how many days they were to keep their events, and when.
#[derive(Debug, Default)]
struct Looks {
    file: PathBuf,
    done: BTreeMap<String, (u16, Timestamp)>,
    /// A lane is looking at these.
    begun: BTreeSet<String>,
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
        // A look too many harms nothing.
        let looks = state.join("retention-looks.json");
        let done = disk::read_regular(&looks, MOST).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let looks = Looks { file: looks, done: done.unwrap_or_default(), begun: BTreeSet::new() };
        Self { file, owed: Mutex::new(Owed { groups, claimed: BTreeSet::new() }), looks: Mutex::new(looks) }
    }

    /// Whether the lane that asks is to look at the group now: nobody has in the last day, and nobody is about to.
    pub(super) fn may_look(&self, group: &str, days: u16, now: Timestamp) -> bool {
        let mut looks = self.looks();
        let fresh = looks.done.get(group).is_some_and(|&(wanted, at)| wanted == days && is_fresh(at, now));
        !fresh && looks.begun.insert(group.to_owned())
    }

    /// It was looked at, or its retention was set.
    pub(super) fn looked(&self, group: &str, days: u16, now: Timestamp) {
        let mut looks = self.looks();
        looks.begun.remove(group);
        looks.done.retain(|_, &mut (_, at)| is_fresh(at, now));
        looks.done.insert(group.to_owned(), (days, now));
        let written = serde_json::to_vec(&looks.done).map_err(io::Error::from);
        if let Err(error) = written.and_then(|bytes| replace(&looks.file, &bytes)) {
            tracing::debug!(file = %looks.file.display(), %error, "cannot note which log groups were looked at");
        }
    }

    fn looks(&self) -> MutexGuard<'_, Looks> {
        self.looks.lock().unwrap_or_else(PoisonError::into_inner)
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

    /// The lane that looks ends, or looks again later.
    pub(super) fn not_looked(&self, group: &str) {
        self.looks().begun.remove(group);
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
        let write = || {
            if groups.is_empty() {
                return fs::remove_file(&self.file).or_else(|error| match error.kind() {
                    io::ErrorKind::NotFound => Ok(()),
                    _ => Err(error),
                });
            }
            replace(&self.file, &serde_json::to_vec(groups)?)
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

fn is_fresh(at: Timestamp, now: Timestamp) -> bool {
    // One that lies ahead was made by a clock that was wrong.
    now.since(at) < LOOK && at <= now
}

/// Write a small file anew, whole or not at all.
fn replace(file: &Path, bytes: &[u8]) -> io::Result<()> {
    let Some(folder) = file.parent() else { return Ok(()) };
    disk::private_folder(folder)?;
    let new = file.with_extension("json.new");
    disk::write_synced(&new, bytes)?;
    fs::rename(&new, file)?;
    disk::sync_folder(folder)
}

/// What one lane owes its group.
#[derive(Debug, Default)]
pub(super) struct Debt {
    /// When the next attempt is due. `None`: nothing is owed.
    pub(super) due: Option<Instant>,
    /// When to look whether the group has its retention. `None`: it is not known to be there yet, or none is wanted.
    pub(super) look: Option<Instant>,
    /// It is this lane that looks just now.
    pub(super) looking: bool,
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
            *self = Self { look: self.look, looking: self.looking, ..Self::default() };
            return false;
        };
        let wait = match error.next() {
            Next::RetrySeldom => DENIED,
            next @ (Next::Retry(_) | Next::RenewThenRetry) => self.backoff.after(next),
            // It is gone, and whoever makes it again owes it anew; or the service will never take this number of days.
            Next::CreateThenRetry | Next::SetAside => {
                self.say(group, &error);
                *self = Self { look: self.look, looking: self.looking, ..Self::default() };
                return false;
            }
        };
        self.say(group, &error);
        self.due = Some(Instant::now() + wait);
        true
    }

    /// Take the outcome of a look at a group that was there before.
    pub(super) fn looked(&mut self, outcome: Result<(), PutError>, group: &str) {
        self.looking = false;
        let wait = match outcome {
            Err(error) if Self::is_tried_again(&error) => self.backoff.after(error.next()),
            Err(error) => {
                self.say(group, &error);
                LOOK
            }
            Ok(()) => {
                if self.due.is_none() {
                    (self.backoff, self.said) = (Backoff::default(), None);
                }
                LOOK
            }
        };
        self.look = Some(Instant::now() + wait);
    }

    /// Whether a look that failed like this is repeated before the next day.
    pub(super) fn is_tried_again(error: &PutError) -> bool {
        match error.next() {
            Next::Retry(_) | Next::RenewThenRetry => true,
            Next::RetrySeldom | Next::CreateThenRetry | Next::SetAside => false,
        }
    }

    /// Once for each cause.
    fn say(&mut self, group: &str, error: &PutError) {
        let why = chain(error);
        let cause = Some(gist(&why));
        if self.said != cause {
            tracing::warn!(group, "the log group does not get the retention that is configured: {why}");
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
