//! The board: one page on which every room notes how it is doing, and from which `status` reads.
//!
//! Rooms write a line when something changes, never per event. Reading takes a copy, so nobody waits for a reader.
use crate::model::{SourceId, Timestamp};
use serde::Serialize;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

/// The only part of a destination that has no others.
const WHOLE: Part = Part(u64::MAX);

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
    /// Units delivered, up to the first gap. The disk may not know of the last ten seconds yet.
    pub acknowledged: u64,
    /// Units that exist as far as is known; `None` where that cannot be known.
    pub size: Option<u64>,
    /// When the oldest of what was read and is not delivered was read, by our clock. `None`: all that was read is delivered.
    pub unsent_since: Option<Timestamp>,
    /// For what was read and is not delivered: up to which unit, and since when. The oldest ones first, few of them.
    #[serde(skip)]
    read_at: Vec<(u64, Timestamp)>,
    /// Up to here everything was read; the rest is a line without a line end, which stays until it gets one. For who waits for
    /// all to be delivered.
    #[serde(skip)]
    pub unfinished: Option<u64>,
    /// It measures and reads no log: what is wrong with it leaves nothing behind that is to be read.
    #[serde(skip)]
    pub measures: bool,
    /// Why nothing is read, where that is no error: `does not exist yet`.
    pub state: Option<String>,
    pub last_error: Option<String>,
}

/// So many moments are remembered of what one source has read and not delivered.
const MOMENTS: usize = 16;

impl SourceState {
    /// Something may have been read since it stood at `before`, or delivered.
    fn note_times(&mut self, before: u64, now: Timestamp) {
        if self.read > before {
            self.read_at.push((self.read, now));
        }
        let delivered = self.read_at.iter().take_while(|(up_to, _)| *up_to <= self.acknowledged).count();
        self.read_at.drain(..delivered);
        if self.read_at.len() > MOMENTS {
            // Two and two become one, which is as old as its older half: no line is said to be younger than it is.
            self.read_at = self.read_at.chunks(2).map(|two| (two[two.len() - 1].0, two[0].1)).collect();
        }
        self.unsent_since = self.read_at.first().map(|(_, at)| *at);
    }
}

/// How one destination stands.
#[derive(Clone, Debug, Default, Serialize)]
pub struct DestinationState {
    pub last_success: Option<Timestamp>,
    pub last_error: Option<String>,
    pub last_error_at: Option<Timestamp>,
    /// Batches that wait to be tried again.
    pub waiting_batches: u64,
    /// Failures since the last success; of the part that failed most often, where several share the line.
    pub failures_in_a_row: u64,
    /// What each failing part complains of.
    #[serde(skip)]
    pub troubles: BTreeMap<Part, Trouble>,
}

/// One of several that share the line of a destination: a log target, a role. Its success says nothing about the others.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Part(u64);

impl Part {
    /// One that nobody else has.
    pub fn unique() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// What one part of a destination suffers from.
#[derive(Clone, Debug)]
pub struct Trouble {
    pub why: String,
    pub at: Timestamp,
    /// In a row.
    pub failures: u64,
    /// Nothing failed yet, there is only no answer.
    pub unanswered: bool,
}

impl DestinationState {
    /// Show the worst of all troubles. The last error stays for people when it is over.
    fn show_worst(&mut self) {
        let worst = self.troubles.values().max_by_key(|trouble| (trouble.failures, trouble.at));
        self.failures_in_a_row = worst.map_or(0, |worst| worst.failures);
        if let Some(worst) = worst {
            (self.last_error, self.last_error_at) = (Some(worst.why.clone()), Some(worst.at));
        }
    }
}

/// A configuration that was to be reloaded and cannot run.
#[derive(Clone, Debug, Serialize)]
pub struct Refusal {
    /// The configuration as a whole; the error may name one of its files.
    pub file: PathBuf,
    pub at: Timestamp,
    /// The first one.
    pub error: String,
}

/// Everything the rooms noted.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Page {
    pub sources: BTreeMap<SourceId, SourceState>,
    /// `metrics`, `logs`, `credentials`.
    pub destinations: BTreeMap<&'static str, DestinationState>,
    /// The last reload, where it was refused.
    pub refused_reload: Option<Refusal>,
}

/// The page in few words, for who looks at it often.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Standing {
    /// Destinations that fail now, and why.
    pub failing: Vec<(&'static str, String)>,
    /// Whether anything was delivered.
    pub delivered: bool,
    /// Sources that something is wrong with, but for those that measure.
    pub troubled: usize,
    pub refused_reload: bool,
}

/// Shared by all rooms.
#[derive(Debug, Default)]
pub struct Board(Mutex<Page>);

/// Whether one destination fails. Whoever is given this has not to know by which name people see it.
#[derive(Clone, Debug)]
pub struct Health {
    board: Arc<Board>,
    destination: &'static str,
}

impl Health {
    /// Whether any part of the destination suffers from something now.
    pub fn is_failing(&self) -> bool {
        self.board.page().destinations.get(self.destination).is_some_and(|d| d.failures_in_a_row > 0)
    }
}

impl Board {
    /// A copy of the page as it is now.
    pub fn read(&self) -> Page {
        self.page().clone()
    }

    /// How everything stands.
    pub fn standing(&self) -> Standing {
        let page = self.page();
        let failing = page.destinations.iter().filter(|(_, state)| state.failures_in_a_row > 0);
        Standing {
            failing: failing.map(|(name, state)| (*name, state.last_error.clone().unwrap_or_default())).collect(),
            delivered: page
                .destinations
                .iter()
                .any(|(name, state)| *name != "credentials" && state.last_success.is_some()),
            troubled: page.sources.values().filter(|source| !source.measures && source.last_error.is_some()).count(),
            refused_reload: page.refused_reload.is_some(),
        }
    }

    /// Change the line of one source; it is made when it is not there.
    pub fn source(&self, id: SourceId, change: impl FnOnce(&mut SourceState)) {
        change_line(self.page().sources.entry(id).or_default(), change);
    }

    /// Change the line of one source that has one: whoever comes late makes none without a name.
    pub fn known_source(&self, id: SourceId, change: impl FnOnce(&mut SourceState)) {
        if let Some(line) = self.page().sources.get_mut(&id) {
            change_line(line, change);
        }
    }

    /// The source is gone: wipe its line.
    pub fn forget(&self, id: SourceId) {
        self.page().sources.remove(&id);
    }

    /// Change the line of one destination.
    pub fn destination(&self, name: &'static str, change: impl FnOnce(&mut DestinationState)) {
        change(self.page().destinations.entry(name).or_default());
    }

    /// The destination, which has only one part, took something.
    pub fn succeeded(&self, name: &'static str) {
        self.part_succeeded(name, WHOLE);
    }

    /// The destination, which has only one part, failed; `why` is the whole chain in one line.
    pub fn failed(&self, name: &'static str, why: String) {
        self.part_failed(name, WHOLE, why);
    }

    /// The destination took something from this part.
    pub fn part_succeeded(&self, name: &'static str, part: Part) {
        self.destination(name, |d| d.last_success = Some(Timestamp::now()));
        self.part_recovered(name, part);
    }

    /// This part suffers no more, without anything having been delivered.
    pub fn part_recovered(&self, name: &'static str, part: Part) {
        self.destination(name, |d| {
            d.troubles.remove(&part);
            d.show_worst();
        });
    }

    /// The destination failed this part; `why` is the whole chain in one line.
    pub fn part_failed(&self, name: &'static str, part: Part, why: String) {
        self.destination(name, |d| {
            let failures = d.troubles.get(&part).map_or(0, |trouble| trouble.failures) + 1;
            d.troubles.insert(part, Trouble { why, at: Timestamp::now(), failures, unanswered: false });
            d.show_worst();
        });
    }

    /// A reload was refused: what runs is older than what the file says. What is reloaded well has a new board.
    pub fn refused(&self, file: &Path, error: String) {
        let file = file.to_path_buf();
        self.page().refused_reload = Some(Refusal { file, at: Timestamp::now(), error });
    }

    /// Tells how one destination is doing, for who acts upon it.
    pub fn health(self: &Arc<Self>, destination: &'static str) -> Health {
        Health { board: self.clone(), destination }
    }

    /// This part waits for an answer; what it suffers from already says more.
    pub fn part_waits(&self, name: &'static str, part: Part, why: String) {
        self.destination(name, |d| {
            d.troubles.entry(part).or_insert(Trouble { why, at: Timestamp::now(), failures: 1, unanswered: true });
            d.show_worst();
        });
    }

    /// The answer is there, whatever it says.
    pub fn part_answered(&self, name: &'static str, part: Part) {
        if self.page().destinations.get(name).is_some_and(|d| d.troubles.get(&part).is_some_and(|t| t.unanswered)) {
            self.part_recovered(name, part);
        }
    }

    fn page(&self) -> MutexGuard<'_, Page> {
        // A panic elsewhere leaves whole lines behind: the page stays readable.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn change_line(line: &mut SourceState, change: impl FnOnce(&mut SourceState)) {
    let before = line.read;
    change(line);
    line.note_times(before, Timestamp::now());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_age_of_the_oldest_line_that_is_not_delivered_is_known_and_never_too_young() {
        let at = Timestamp::from_millis;
        let mut line = SourceState::default();
        let mut step = |read: u64, acknowledged: u64, now: i64| {
            let before = line.read;
            (line.read, line.acknowledged) = (read, acknowledged);
            line.note_times(before, at(now));
            assert!(line.read_at.len() <= MOMENTS);
            line.unsent_since
        };
        assert_eq!(step(0, 0, 1), None);
        assert_eq!(step(10, 0, 2), Some(at(2)));
        assert_eq!(step(20, 0, 3), Some(at(2)));
        assert_eq!(step(20, 10, 4), Some(at(3)));
        assert_eq!(step(20, 20, 5), None);
        // An outage: what is read at each moment is older than what is said, never younger.
        for n in 0..1_000 {
            assert_eq!(step(30 + n, 20, 10 + n.cast_signed()), Some(at(10)));
        }
        // Unit 530 was read at 510.
        let after_half = step(1_029, 529, 2_000).expect("the rest waits");
        assert!(at(10) <= after_half && after_half <= at(510), "{after_half:?}");
        assert_eq!(step(1_029, 1_029, 2_001), None);
    }

    #[test]
    fn a_part_that_works_hides_none_that_does_not_and_the_worst_is_shown() {
        let board = Arc::new(Board::default());
        let (denied, busy) = (Part::unique(), Part::unique());
        let line = || board.read().destinations.remove("logs").expect("there");
        board.part_failed("logs", denied, "denied".into());
        board.part_failed("logs", denied, "denied".into());
        board.part_failed("logs", busy, "busy".into());
        assert!(board.health("logs").is_failing() && !board.health("metrics").is_failing());
        assert_eq!((line().failures_in_a_row, line().last_error.as_deref()), (2, Some("denied")));
        board.part_succeeded("logs", busy);
        assert_eq!((line().failures_in_a_row, line().last_success.is_some()), (2, true));
        board.part_succeeded("logs", denied);
        assert_eq!((line().failures_in_a_row, line().last_error.as_deref()), (0, Some("denied")));
    }

    #[test]
    fn how_everything_stands_is_said_in_few_words() {
        let board = Board::default();
        assert_eq!(board.standing(), Standing::default());
        board.succeeded("credentials");
        board.source(SourceId::unique(), |source| source.last_error = Some("denied".into()));
        board.source(SourceId::unique(), |source| (source.last_error, source.measures) = (Some("silent".into()), true));
        board.failed("logs", "no route".into());
        let standing = board.standing();
        assert_eq!(
            standing,
            Standing { failing: vec![("logs", "no route".into())], troubled: 1, ..Standing::default() }
        );
        board.succeeded("logs");
        board.refused(Path::new("/c.json"), "x".into());
        let standing = board.standing();
        assert!(standing.delivered && standing.refused_reload && standing.failing.is_empty());
    }

    #[test]
    fn an_answer_ends_the_wait_for_it_and_no_other_trouble() {
        let board = Board::default();
        let part = Part::unique();
        let line = || board.read().destinations.remove("logs").expect("there");
        board.part_waits("logs", part, "no answer".into());
        assert_eq!((line().failures_in_a_row, line().last_error.as_deref()), (1, Some("no answer")));
        board.part_answered("logs", part);
        assert_eq!(line().failures_in_a_row, 0);
        board.part_failed("logs", part, "denied".into());
        board.part_waits("logs", part, "no answer".into());
        board.part_answered("logs", part);
        assert_eq!((line().failures_in_a_row, line().last_error.as_deref()), (1, Some("denied")));
    }
}
