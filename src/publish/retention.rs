//! Which log groups we made and still owe their retention: without it they keep, and cost, for ever. And which were looked at.
//!
//! A group is noted on the disk before it is made, so neither a crash between the two calls nor a service that is busy leaves it
//! without. The note is a small file in the state folder, there only while something is owed. One lane at a time owns a debt and
//! pays it ([`super::logs`]); what a lane leaves unpaid is there for the next one, and for the next start. Where the note cannot be
//! written that is said, and the debt lives in memory. That a debt is paid and that a group was looked at is written at most once a
//! second, for all groups together: what a crash takes of that is set, or looked at, once more.
mod note;

use super::{Backoff, Next, PutError};
use crate::{
    model::Timestamp,
    platform::disk,
    telemetry::{chain, gist},
};
use note::Note;
use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::Path,
    sync::Arc,
    time::Duration,
};
use tokio::{
    sync::Notify,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

/// How long until the next attempt when the policy does not allow it: only a person can mend that, and nothing waits for it.
const DENIED: Duration = Duration::from_hours(1);
/// How often it is looked whether a group has the retention that is wanted.
const LOOK: Duration = Duration::from_hours(24);
/// The notes hold group names of at most 512 characters each.
const MOST: u64 = 8 << 20;
/// What nobody waits for is written so much later, with all that has changed by then.
const GATHER: Duration = Duration::from_secs(1);

/// The notes, shared by all lanes.
#[derive(Debug)]
pub struct Retention {
    owed: Arc<Note<Owed>>,
    looks: Arc<Note<Looks>>,
    /// There is something to write for which nobody waits.
    changed: Notify,
}

/// Which groups were looked at in the last day, for how many days they were to keep their events, and when.
#[derive(Debug, Default)]
struct Looks {
    done: BTreeMap<String, (u16, Timestamp)>,
    /// A lane is looking at these.
    begun: BTreeSet<String>,
    /// The time of the last of them.
    last: Option<Timestamp>,
}

impl Looks {
    fn bytes(&mut self) -> serde_json::Result<Option<Vec<u8>>> {
        if let Some(now) = self.last {
            self.done.retain(|_, &mut (_, at)| is_fresh(at, now));
        }
        serde_json::to_vec(&self.done).map(Some)
    }
}

#[derive(Debug, Default)]
struct Owed {
    groups: BTreeSet<String>,
    /// Those of them that a lane is about to pay.
    claimed: BTreeSet<String>,
}

impl Owed {
    fn bytes(&mut self) -> serde_json::Result<Option<Vec<u8>>> {
        if self.groups.is_empty() { Ok(None) } else { serde_json::to_vec(&self.groups).map(Some) }
    }
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
        let owed = Owed { groups, ..Owed::default() };
        // A look too many harms nothing.
        let looks = state.join("retention-looks.json");
        let done = disk::read_regular(&looks, MOST).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let done = Looks { done: done.unwrap_or_default(), ..Looks::default() };
        let (owed, looks) = (Note::new(file, owed, Owed::bytes), Note::new(looks, done, Looks::bytes));
        Self { owed, looks, changed: Notify::new() }
    }

    /// Write what nobody waits for, now and then until `stop`, and what is left of it then.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        while stop.run_until_cancelled(self.changed.notified()).await.is_some() {
            // The stop is no reason to wait.
            let _ = stop.run_until_cancelled(sleep(GATHER)).await;
            self.save().await;
        }
        self.save().await;
    }

    async fn save(&self) {
        self.save_owed().await;
        if let Err(error) = self.looks.save().await {
            tracing::debug!(file = %self.looks.file().display(), %error, "cannot note which log groups were looked at");
        }
    }

    async fn save_owed(&self) {
        if let Err(error) = self.owed.save().await {
            tracing::warn!(file = %self.owed.file().display(), %error, "cannot note which log groups still need their retention");
        }
    }

    /// Whether the lane that asks is to look at the group now: nobody has in the last day, and nobody is about to.
    pub(super) fn may_look(&self, group: &str, days: u16, now: Timestamp) -> bool {
        self.looks.with(|looks| {
            let fresh = looks.done.get(group).is_some_and(|&(wanted, at)| wanted == days && is_fresh(at, now));
            (!fresh && looks.begun.insert(group.to_owned()), false)
        })
    }

    /// It was looked at, or its retention was set.
    pub(super) fn looked(&self, group: &str, days: u16, now: Timestamp) {
        self.looks.with(|looks| {
            looks.begun.remove(group);
            looks.last = Some(now);
            (looks.done.insert(group.to_owned(), (days, now)), true)
        });
        self.changed.notify_one();
    }

    /// The lane that looks ends, or looks again later.
    pub(super) fn not_looked(&self, group: &str) {
        self.looks.with(|looks| (looks.begun.remove(group), false));
    }

    /// The group is about to be made by the lane that asks. On disk when this returns. Whether that is news.
    pub(super) async fn owe(&self, group: &str) -> bool {
        let news = self.owed.with(|owed| {
            owed.claimed.insert(group.to_owned());
            let news = owed.groups.insert(group.to_owned());
            (news, news)
        });
        self.save_owed().await;
        news
    }

    /// Whether the group is owed its retention and nobody else is about to pay: then the lane that asks is.
    pub(super) fn claim(&self, group: &str) -> bool {
        self.owed.with(|owed| (owed.groups.contains(group) && owed.claimed.insert(group.to_owned()), false))
    }

    /// The lane ends without having paid.
    pub(super) fn release(&self, group: &str) {
        self.owed.with(|owed| (owed.claimed.remove(group), false));
    }

    /// It is paid, or not owed any more.
    pub(super) fn settle(&self, group: &str) {
        let paid = self.owed.with(|owed| {
            owed.claimed.remove(group);
            let paid = owed.groups.remove(group);
            (paid, paid)
        });
        if paid {
            self.changed.notify_one();
        }
    }
}

fn is_fresh(at: Timestamp, now: Timestamp) -> bool {
    // One that lies ahead was made by a clock that was wrong.
    now.since(at) < LOOK && at <= now
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
    use std::fs;

    #[tokio::test]
    async fn a_debt_outlives_the_process_until_it_is_settled() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let retention = Retention::in_folder(folder.path());
        retention.owe("a").await;
        retention.owe("b").await;
        assert!(!retention.claim("a"), "whoever made it pays");
        let next = Retention::in_folder(folder.path());
        assert!(next.claim("a") && !next.claim("a") && !next.claim("c"));
        next.release("a");
        assert!(next.claim("a"));
        next.settle("a");
        next.save().await;
        let next = Retention::in_folder(folder.path());
        assert!(!next.claim("a") && next.claim("b"));
        next.settle("b");
        next.save().await;
        assert!(!next.owed.file().exists());
    }

    #[tokio::test]
    async fn a_note_that_cannot_be_read_or_written_stops_nothing() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let state = folder.path().join("removed");
        let retention = Retention::in_folder(&state);
        retention.owe("a").await;
        assert!(Retention::in_folder(&state).claim("a"), "the folder is made again");
        let file = retention.owed.file();
        fs::write(file, "torn").expect("written");
        assert!(!Retention::in_folder(&state).claim("a"));
        fs::remove_file(file).expect("removed");
        fs::create_dir(file).expect("in the way");
        retention.owe("b").await;
        retention.release("b");
        assert!(retention.claim("b"));
    }

    #[tokio::test(start_paused = true)]
    async fn looks_at_thousands_of_groups_are_one_write_a_second_later_or_at_the_stop() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let retention = Arc::new(Retention::in_folder(folder.path()));
        let stop = CancellationToken::new();
        let run = tokio::spawn(retention.clone().run(stop.clone()));
        let now = Timestamp::now();
        let noted = |group: &str| !Retention::in_folder(folder.path()).may_look(group, 7, now);
        for number in 0..3000 {
            retention.looked(&number.to_string(), 7, now);
        }
        sleep(GATHER - Duration::from_millis(1)).await;
        assert!(!noted("0"));
        sleep(Duration::from_millis(100)).await;
        assert!(noted("0") && noted("2999"));
        retention.looked("late", 7, now);
        tokio::task::yield_now().await;
        stop.cancel();
        run.await.expect("ends");
        assert!(noted("late"));
    }
}
