//! The thread that looks through one root for every pattern that begins there.
//!
//! How often: the folders as a poll would, each match when a hint names it and otherwise seldom; where no hints come,
//! each match as often as a poll. Never so often that it takes more than a hundredth of its time. While a look does not
//! come back, [`Pulse::hangs`] says so, and the tail thread leaves the files of this root alone.
use super::{Avoid, News, tree::Tree};
use crate::{config::settings::Selection, logs::files::Watch, logs::files::run::Wake};
use std::{
    collections::{BTreeMap, HashSet},
    ffi::OsString,
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
    time::{Duration, Instant, SystemTime},
};

/// How often folders are looked at, and matches where no hints come.
const POLL: Duration = Duration::from_secs(3);
const POLL_UNHINTED: Duration = Duration::from_secs(1);
/// How often every match is looked at although hints come.
const POLL_FILES: Duration = Duration::from_secs(30);
/// A look is followed by a rest of so many times its length.
const REST: u32 = 100;
/// A look that takes longer than this does not come back soon: a mount that does not answer. A tree of a million files
/// on a slow disk may take as long; that its files are left alone meanwhile costs nothing but time.
const HANGING: Duration = Duration::from_secs(10);
/// Roots that have a thread each; more of them share.
const THREADS: usize = 32;
/// Hinted names times folders beyond which it is cheaper to ask every match.
const MANY: usize = 100_000;

/// What a scanner is asked. When nobody can ask any more it ends.
#[derive(Debug)]
pub(in crate::logs::files) enum Ask {
    /// Something happened to files of these names.
    Changed(HashSet<OsString>),
    /// Anything may have happened.
    Everything,
    /// Whether hints come from every folder.
    Hints(bool),
}

/// Whether a scanner is alive.
#[derive(Debug, Default)]
pub(in crate::logs::files) struct Pulse(Mutex<Option<Instant>>);

impl Pulse {
    /// Whether a look began long ago and has not come back.
    pub fn hangs(&self, now: Instant) -> bool {
        let began = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        began.is_some_and(|began| now.saturating_duration_since(began) >= HANGING)
    }

    pub fn set(&self, looking: Option<Instant>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = looking;
    }
}

/// What the tail thread keeps of its scanners.
#[derive(Debug, Default)]
pub(in crate::logs::files) struct Scanners {
    pub news: Option<Receiver<Vec<News>>>,
    pub asks: Vec<Sender<Ask>>,
    /// The roots of each family, by its number.
    pub pulses: Vec<Vec<(PathBuf, Arc<Pulse>)>>,
    /// How many first looks through a root are to come, for each family.
    pub unlisted: Vec<usize>,
}

/// Looks through one root, or a few.
#[derive(Debug)]
pub struct Scanner {
    trees: Vec<Tree>,
    avoid: Avoid,
    news: Sender<Vec<News>>,
    asks: Receiver<Ask>,
    pulse: Arc<Pulse>,
    hints: bool,
    names: HashSet<OsString>,
    /// When folders, and when matches, are looked at next.
    folders: Option<Instant>,
    files: Option<Instant>,
    /// Something was asked.
    asked: bool,
    /// Not before this.
    rested: Instant,
}

impl Scanner {
    /// One for each root of the patterns among these items; their numbers are their places among the patterns.
    pub(in crate::logs::files) fn all<'a>(watches: impl Iterator<Item = &'a Watch>) -> (Vec<Self>, Scanners) {
        let mut roots: BTreeMap<PathBuf, Vec<Tree>> = BTreeMap::new();
        let mut kept = Scanners::default();
        let rules = watches.filter_map(|watch| match &watch.selection {
            Selection::Matching(rule) => Some(rule),
            Selection::This => None,
        });
        let mut roots_of = Vec::new();
        for (family, rule) in rules.enumerate() {
            let own: HashSet<PathBuf> = rule.glob.ways().iter().map(|way| way.root().to_owned()).collect();
            kept.unlisted.push(own.len());
            for root in &own {
                let tree = Tree::new(family, root.clone(), rule.clone());
                roots.entry(root.clone()).or_default().push(tree);
            }
            roots_of.push(own);
        }
        let (news, heard) = channel();
        let mut pulses: BTreeMap<PathBuf, Arc<Pulse>> = BTreeMap::new();
        let mut scanners: Vec<Self> = Vec::new();
        for (number, (root, trees)) in roots.into_iter().enumerate() {
            if number < THREADS {
                let (ask, asks) = channel();
                kept.asks.push(ask);
                scanners.push(Self {
                    trees: Vec::new(),
                    avoid: Avoid::default(),
                    news: news.clone(),
                    asks,
                    pulse: Arc::default(),
                    hints: true,
                    names: HashSet::new(),
                    folders: None,
                    files: None,
                    asked: false,
                    rested: Instant::now(),
                });
            }
            let scanner = &mut scanners[number % THREADS];
            scanner.trees.extend(trees);
            pulses.insert(root, scanner.pulse.clone());
        }
        let of = |own: HashSet<PathBuf>| own.into_iter().map(|root| (root.clone(), pulses[&root].clone())).collect();
        kept.pulses = roots_of.into_iter().map(of).collect();
        kept.news = Some(heard);
        (scanners, kept)
    }

    pub fn avoiding(mut self, avoid: Avoid) -> Self {
        self.avoid = avoid;
        self
    }

    /// Looks at what is due, and says whether there was news. `now` drives all timers.
    pub(super) fn look(&mut self, now: Instant, wall: SystemTime) -> bool {
        let begun = Instant::now();
        self.pulse.set(Some(begun));
        self.asked = false;
        let mut news = Vec::new();
        let names = std::mem::take(&mut self.names);
        let due = |at: Option<Instant>| at.is_none_or(|at| now >= at);
        let files = due(self.files) || names.len() * self.trees.iter().map(Tree::folders).sum::<usize>() > MANY;
        let folders = files || due(self.folders);
        for tree in &mut self.trees {
            for name in names.iter().filter(|_| !files) {
                tree.hinted(name, &mut news);
            }
            if folders {
                tree.look(&self.avoid, wall, files, &mut news);
            }
        }
        self.pulse.set(None);
        let rest = begun.elapsed() * REST;
        let (poll, poll_files) = if self.hints { (POLL, POLL_FILES) } else { (POLL_UNHINTED, POLL_UNHINTED) };
        if folders {
            self.folders = Some(now + poll.max(rest));
        }
        if files {
            self.files = Some(now + poll_files.max(rest));
        }
        self.rested = now + rest;
        let told = !news.is_empty();
        // Nobody hears it any more: the next wait ends this thread.
        let _ = self.news.send(news);
        told
    }

    /// Looks at everything, and forgets what it was asked.
    #[cfg(test)]
    pub(in crate::logs::files) fn look_at_all(&mut self, now: Instant, wall: SystemTime) {
        while self.asks.try_recv().is_ok() {}
        if self.pulse.hangs(now) {
            return;
        }
        self.hear(Ask::Everything);
        self.look(now, wall);
    }

    /// When to look again: at once for what was asked, but not before a rest.
    fn next(&self) -> Instant {
        let due = [self.folders, self.files].into_iter().flatten().min();
        due.filter(|_| !self.asked).map_or(self.rested, |due| due.max(self.rested))
    }

    /// Takes in what was asked. A name that no folder knows may be a new one: the folders are looked at as well.
    pub(super) fn hear(&mut self, ask: Ask) {
        self.asked = true;
        self.folders = None;
        match ask {
            Ask::Changed(names) => self.names.extend(names),
            Ask::Everything => self.files = None,
            Ask::Hints(come) => (self.hints, self.files) = (come, None),
        }
    }
}

/// Looks through its roots until nobody hears of it; blocks its thread, on a dead mount for ever.
pub fn find(mut scanner: Scanner, wake: &Sender<Wake>) {
    loop {
        if scanner.look(Instant::now(), SystemTime::now()) && wake.send(Wake::Found).is_err() {
            return;
        }
        loop {
            let wait = scanner.next().saturating_duration_since(Instant::now());
            match scanner.asks.recv_timeout(wait) {
                Ok(ask) => scanner.hear(ask),
                Err(RecvTimeoutError::Timeout) => break,
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }
}
