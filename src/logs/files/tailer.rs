//! All watched paths under one roof: a state machine that is asked to take turns and never sleeps, so that a test can
//! hold the clock.
//!
//! A turn looks at what was hinted at, or at everything when the poll is due, and hands on a bounded number of slices,
//! one per path and round. A path whose lane is full is passed over until there is room; its data waits in its file.
//!
//! Items come at the start, and later where their targets become known only then; see [`joining`]. Of the files that
//! patterns match only those have a path here that have something to say; see [`waking`].
mod joining;
mod waking;

use super::{
    Avoid, POLL, POLL_UNHINTED, Roster,
    discovery::{Inbox, News, Scanners, family::Family},
    generation,
    ledger::Ledger,
    trail::{Context, Step, Trail},
};
use crate::{
    model::{Checkpoints, LaneWaker, Outlet, SourceId, Timestamp},
    platform::{self, files::FileId},
    telemetry::board::Board,
};
use std::{
    collections::{HashMap, HashSet, VecDeque},
    ffi::{OsStr, OsString},
    path::PathBuf,
    sync::{Arc, mpsc::Receiver},
    time::{Duration, Instant},
};
use waking::{Stir, Woken};

/// How soon a path is looked at again whose files are being renamed.
const SOON: Duration = Duration::from_millis(20);
/// The most files that are held open, however many the system allows: each costs about two kilobytes of ours.
const MOST_OPEN: u64 = 4096;
/// Slices in one turn: at most 16 MiB, a few milliseconds, so that a stop is heard soon.
const SLICES: usize = 64;

/// What a turn came to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Turn {
    /// Something was handed on, and there may be more: take the next turn at once.
    pub progressed: bool,
    /// When it should be asked again at the latest if nothing is heard.
    pub next_look: Duration,
}

/// Follows a list of files, and what patterns match.
pub struct Tailer {
    /// By number. A number is used again when its trail is gone.
    trails: Vec<Option<Followed>>,
    families: Vec<Family>,
    scanners: Scanners,
    /// What the scanners found.
    news: Receiver<Vec<News>>,
    /// Saved positions that belong to what is followed, opened or not; kept only while there are items to come.
    claimed: HashSet<SourceId>,
    /// Folders of patterns, as they were found.
    found: HashMap<PathBuf, FileId>,
    /// Names of files that the scanners are to look at.
    asked: HashSet<OsString>,
    /// Files of patterns are looked after.
    tended: Option<Instant>,
    stir: Stir,
    /// Which trails follow a file of this name, in whatever folder: hints may spell the folder differently.
    by_name: HashMap<OsString, Vec<usize>>,
    /// `by_name` is out of date.
    misnamed: bool,
    /// A link leads elsewhere.
    moved: bool,
    watched: HashSet<PathBuf>,
    /// Trails with something to read, in the order of their turns, each once.
    queue: VecDeque<usize>,
    queued: Vec<bool>,
    /// Trails whose lane was full.
    blocked: Vec<usize>,
    hinted: Vec<usize>,
    ledger: Ledger,
    checkpoints: Arc<dyn Checkpoints>,
    outlet: Arc<dyn Outlet>,
    waker: Arc<LaneWaker>,
    board: Arc<Board>,
    hints_come: bool,
    next_poll: Option<Instant>,
    polled: bool,
}

/// A trail, and whose it is.
#[derive(Debug)]
struct Followed {
    trail: Trail,
    /// Of a pattern's file.
    woken: Option<Woken>,
}

impl Tailer {
    /// Follows nothing yet: [`Self::follow`] takes what the roster makes ready.
    pub fn new(
        avoid: Avoid,
        checkpoints: Arc<dyn Checkpoints>,
        outlet: Arc<dyn Outlet>,
        waker: Arc<LaneWaker>,
        board: Arc<Board>,
    ) -> (Self, Roster) {
        let (roster, news) = Roster::new(avoid);
        // The other half is for everybody else in the process.
        let most = platform::files::most_open().map_or(MOST_OPEN, |most| (most / 2).min(MOST_OPEN));
        let tailer = Self {
            trails: Vec::new(),
            families: Vec::new(),
            scanners: Scanners::default(),
            news,
            claimed: HashSet::new(),
            found: HashMap::new(),
            asked: HashSet::new(),
            tended: None,
            stir: Stir::default(),
            by_name: HashMap::new(),
            misnamed: false,
            moved: false,
            watched: HashSet::new(),
            queue: VecDeque::new(),
            queued: Vec::new(),
            blocked: Vec::new(),
            hinted: Vec::new(),
            ledger: Ledger::new(usize::try_from(most).unwrap_or(usize::MAX)),
            checkpoints,
            outlet,
            waker,
            board,
            hints_come: true,
            next_poll: None,
            polled: false,
        };
        (tailer, roster)
    }

    /// The folders in which something may happen that concerns us, each once; those of patterns apart.
    pub fn folders(&self) -> HashSet<PathBuf> {
        let named = self.trails.iter().flatten().filter(|followed| followed.woken.is_none());
        named.flat_map(|f| f.trail.places()).map(|place| super::siblings::folder(&place).to_owned()).collect()
    }

    /// The folders that can hold what patterns match, and which ones they were when they were found.
    pub fn found_folders(&self) -> &HashMap<PathBuf, FileId> {
        &self.found
    }

    /// Whether [`Self::folders`] are others than when this was last taken: a link leads elsewhere, or more is followed.
    pub fn take_moved(&mut self) -> bool {
        std::mem::take(&mut self.moved)
    }

    /// Something happened to a file of this name. Cheap, and harmless where it is no name of ours.
    pub fn changed(&mut self, name: &OsStr) {
        if let Some(numbers) = self.by_name.get(name) {
            self.hinted.extend(numbers);
        }
        if !self.families.is_empty() {
            self.asked.insert(name.to_owned());
        }
    }

    /// Anything may have happened: look at everything.
    pub fn changed_somewhere(&mut self) {
        self.next_poll = None;
        self.scanners.each().for_each(Inbox::everything);
    }

    /// Whether every path was looked at since this was last taken.
    pub fn take_polled(&mut self) -> bool {
        std::mem::take(&mut self.polled)
    }

    /// Whether somebody tells us what happens, in every folder. Where not, everything is looked at more often.
    pub fn hints_come(&mut self, come: bool) {
        self.hints_come = come;
        self.scanners.each().for_each(|inbox| inbox.hints_come(come));
    }

    /// A full lane has room again.
    pub fn has_space(&mut self) {
        for number in std::mem::take(&mut self.blocked) {
            self.enqueue(number);
        }
    }

    /// Looks and reads, and says when it wants to be asked again. `now` drives all timers; `wall` dates the events.
    pub fn turn(&mut self, now: Instant, wall: Timestamp) -> Turn {
        let tend = self.tend(now, wall);
        let polls = self.next_poll.is_none_or(|due| now >= due);
        if polls {
            let poll = if self.hints_come { POLL } else { POLL_UNHINTED };
            (self.next_poll, self.polled) = (Some(now + poll), true);
            self.hinted = (0..self.trails.len()).collect();
            // Also where a lane was full: should a wake ever get lost, this ends the wait.
            self.blocked.clear();
        }
        let mut hinted = std::mem::take(&mut self.hinted);
        hinted.sort_unstable();
        hinted.dedup();
        for number in hinted {
            self.look(number, now, wall);
        }
        for number in 0..self.trails.len() {
            let roused = self.trails[number].as_mut().is_some_and(|followed| followed.trail.rouse(now));
            if roused && self.is_ready(number, now) && !self.blocked.contains(&number) {
                self.enqueue(number);
            }
        }
        // Once for all of them: after a start each one may be a link.
        if std::mem::take(&mut self.misnamed) {
            self.name_all();
        }
        let mut progressed = false;
        for _ in 0..SLICES {
            let Some(number) = self.queue.pop_front() else { break };
            self.queued[number] = false;
            if self.is_left_alone(number, now) {
                continue;
            }
            match self.with(number, now, wall, Trail::step) {
                Some(Step::Progressed) => {
                    progressed = true;
                    if self.is_ready(number, now) {
                        self.enqueue(number);
                    }
                }
                Some(Step::Blocked) => self.blocked.push(number),
                Some(Step::Idle) | None => {}
            }
        }
        let mut next_look = self.next_poll.map_or(Duration::ZERO, |due| due.saturating_duration_since(now)).min(tend);
        for number in 0..self.trails.len() {
            let left_alone = self.is_left_alone(number, now);
            let Some(Followed { trail, .. }) = &mut self.trails[number] else { continue };
            if std::mem::take(&mut trail.soon) {
                self.hinted.push(number);
                next_look = next_look.min(SOON);
            }
            if let Some(due) = trail.due().filter(|_| !left_alone) {
                next_look = next_look.min(due.saturating_duration_since(now));
            }
        }
        Turn { progressed: progressed || !self.queue.is_empty(), next_look }
    }

    fn look(&mut self, number: usize, now: Instant, wall: Timestamp) {
        if self.is_left_alone(number, now) {
            return;
        }
        self.with(number, now, wall, Trail::look);
        let moved = |followed: &mut Followed| std::mem::take(&mut followed.trail.moved);
        if self.trails[number].as_mut().is_some_and(moved) {
            (self.moved, self.misnamed) = (true, true);
        }
        if self.is_ready(number, now) && !self.blocked.contains(&number) {
            self.enqueue(number);
        }
    }

    fn is_ready(&self, number: usize, now: Instant) -> bool {
        self.trails[number].as_ref().is_some_and(|followed| followed.trail.ready(now))
    }

    /// Notes under which names each trail's file may be hinted at.
    fn name_all(&mut self) {
        self.by_name.clear();
        for number in 0..self.trails.len() {
            self.name(number);
        }
    }

    fn name(&mut self, number: usize) {
        for place in self.trails[number].iter().flat_map(|followed| followed.trail.places()) {
            let name = place.file_name().unwrap_or_default();
            self.by_name.entry(name.to_owned()).or_default().push(number);
        }
    }

    /// How many files of patterns have a trail.
    #[cfg(test)]
    pub(super) fn awake(&self) -> usize {
        self.trails.iter().flatten().filter(|followed| followed.woken.is_some()).count()
    }

    /// As where the scanner of this root has not come back since then.
    #[cfg(test)]
    pub(super) fn hang(&self, root: &std::path::Path, since: Option<Instant>) {
        self.scanners.hang(root, since);
    }

    /// As where no more than so many files may be held open.
    #[cfg(test)]
    pub(super) fn hold_at_most(&mut self, most: usize) {
        self.ledger = Ledger::new(most);
    }

    /// As where no file beyond those that are open may be held open.
    #[cfg(test)]
    pub(super) fn hold_none_more(&mut self) {
        self.ledger.most = 0;
    }

    fn enqueue(&mut self, number: usize) {
        if !std::mem::replace(&mut self.queued[number], true) {
            self.queue.push_back(number);
        }
    }

    fn with<T>(
        &mut self,
        number: usize,
        now: Instant,
        wall: Timestamp,
        act: impl FnOnce(&mut Trail, &mut Context<'_>) -> T,
    ) -> Option<T> {
        let slice = generation::slice(self.trails.len());
        let followed = self.trails[number].as_mut()?;
        let mut cx = Context {
            checkpoints: self.checkpoints.as_ref(),
            board: &self.board,
            waker: &self.waker,
            slice,
            ledger: &mut self.ledger,
            watched: &self.watched,
            now,
            wall,
        };
        Some(act(&mut followed.trail, &mut cx))
    }
}
