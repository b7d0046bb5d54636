//! The thread that looks through one root for every pattern that begins there.
//!
//! How often: the folders as a poll would, each match when a hint names it and otherwise seldom; where no hints come,
//! each match as often as a poll. Never so often that it takes more than a hundredth of its time. While a look does not
//! come back, [`Inbox::hangs`] says so, and the tail thread leaves the files of this root alone.
//!
//! It looks at nothing before it is asked for the first time: by then the tail thread has a family for what it tells.
use super::{Avoid, News, tree::Tree};
use crate::{
    config::settings::Selection,
    logs::files::{Awaited, Items, POLL, POLL_UNHINTED, Watch, run::Wake},
};
use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    ffi::OsString,
    path::{Path, PathBuf},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        mpsc::{Receiver, Sender, channel},
    },
    time::{Duration, Instant, SystemTime},
};

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
/// More names than this wait for no scanner: it looks at everything instead.
const MANY_NAMES: usize = 4096;

/// What a scanner was asked since it last listened: one place, in which everything adds up. A scanner that hangs does not
/// listen, and no more than this waits for it.
#[derive(Debug, Default)]
struct Asked {
    /// Something happened to files of these names.
    names: HashSet<OsString>,
    /// Anything may have happened.
    everything: bool,
    /// Whether hints come from every folder.
    hints: Option<bool>,
    /// To be looked through from now on.
    trees: Vec<Tree>,
    /// Nobody asks any more.
    over: bool,
}

impl Asked {
    fn is_nothing(&self) -> bool {
        self.names.is_empty() && !self.everything && self.hints.is_none() && self.trees.is_empty()
    }
}

/// Between the tail thread and a scanner: what the one asks, and whether the other is alive.
#[derive(Debug, Default)]
pub(in crate::logs::files) struct Inbox {
    asked: Mutex<Asked>,
    came: Condvar,
    /// Since when it looks.
    looking: Mutex<Option<Instant>>,
}

impl Inbox {
    /// Something happened to files of these names, in whatever folder.
    pub fn changed(&self, names: &HashSet<OsString>) {
        self.ask(|asked| {
            // Many names are not worth telling apart.
            asked.everything |= asked.names.len() + names.len() > MANY_NAMES;
            if asked.everything {
                asked.names = HashSet::new();
            } else {
                asked.names.extend(names.iter().cloned());
            }
        });
    }

    /// Anything may have happened.
    pub fn everything(&self) {
        self.ask(|asked| asked.everything = true);
    }

    /// Whether hints come from every folder.
    pub fn hints_come(&self, come: bool) {
        self.ask(|asked| asked.hints = Some(come));
    }

    /// There is more to look through.
    fn more(&self, tree: Tree) {
        self.ask(|asked| asked.trees.push(tree));
    }

    /// Whether a look began long ago and has not come back.
    pub fn hangs(&self, now: Instant) -> bool {
        let began = *self.looking.lock().unwrap_or_else(PoisonError::into_inner);
        began.is_some_and(|began| now.saturating_duration_since(began) >= HANGING)
    }

    pub fn set_looking(&self, since: Option<Instant>) {
        *self.looking.lock().unwrap_or_else(PoisonError::into_inner) = since;
    }

    fn ask(&self, what: impl FnOnce(&mut Asked)) {
        what(&mut self.lock());
        self.came.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, Asked> {
        // Each question is added whole: after a panic elsewhere they are still good.
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One pattern below one root, before anybody looks.
#[derive(Debug)]
pub(in crate::logs::files) struct Look {
    inbox: Arc<Inbox>,
    tree: Tree,
}

/// What the tail thread keeps of its scanners. When it lets go of this they end.
#[derive(Debug, Default)]
pub(in crate::logs::files) struct Scanners {
    inboxes: Vec<Arc<Inbox>>,
    /// The roots of each family, by its number, and who looks through them.
    roots: Vec<Vec<(PathBuf, Arc<Inbox>)>>,
}

impl Scanners {
    /// Begins to look for a family, whose number is the next one.
    pub fn begin(&mut self, looks: Vec<Look>, hints_come: bool) {
        let mut roots = Vec::with_capacity(looks.len());
        for Look { inbox, tree } in looks {
            if !self.inboxes.iter().any(|known| Arc::ptr_eq(known, &inbox)) {
                inbox.hints_come(hints_come);
                self.inboxes.push(inbox.clone());
            }
            roots.push((tree.root().to_owned(), inbox.clone()));
            inbox.more(tree);
        }
        self.roots.push(roots);
    }

    /// All whom one may ask.
    pub fn each(&self) -> impl Iterator<Item = &Inbox> {
        self.inboxes.iter().map(Arc::as_ref)
    }

    /// The root of this family below which nobody comes back, if there is one among those that `is_meant`.
    pub fn hanging(&self, family: usize, now: Instant, is_meant: impl Fn(&Path) -> bool) -> Option<&Path> {
        let hangs = |(root, inbox): &&(PathBuf, Arc<Inbox>)| is_meant(root) && inbox.hangs(now);
        self.roots[family].iter().find(hangs).map(|(root, _)| root.as_path())
    }

    /// As where the scanner of this root has not come back since then.
    #[cfg(test)]
    pub fn hang(&self, root: &Path, since: Option<Instant>) {
        let all = self.roots.iter().flatten();
        all.filter(|(of, _)| of == root).for_each(|(_, inbox)| inbox.set_looking(since));
    }
}

impl Drop for Scanners {
    fn drop(&mut self) {
        self.each().for_each(|inbox| inbox.ask(|asked| asked.over = true));
    }
}

/// Makes the scanners of one tailer, also for items that come later: which root has which.
#[derive(Debug)]
pub struct Roster {
    avoid: Avoid,
    news: Sender<Vec<News>>,
    inboxes: Vec<Arc<Inbox>>,
    roots: BTreeMap<PathBuf, Arc<Inbox>>,
    families: usize,
}

impl Roster {
    /// What scanners find comes out at the other end. What is to be avoided they do not look into.
    pub(in crate::logs::files) fn new(avoid: Avoid) -> (Self, Receiver<Vec<News>>) {
        let (news, heard) = channel();
        (Self { avoid, news, inboxes: Vec::new(), roots: BTreeMap::new(), families: 0 }, heard)
    }

    /// Makes these items ready for the tailer: [`Tailer::follow`](crate::logs::files::Tailer::follow) is to get them in this order. `awaited` are all
    /// whose targets are not known yet. The scanners are those that are new; each is to run in a thread of its own.
    pub fn items(&mut self, watches: Vec<Watch>, awaited: Vec<Awaited>) -> (Items, Vec<Scanner>) {
        let (mut looks, mut scanners) = (Vec::new(), Vec::new());
        for watch in &watches {
            let Selection::Matching(rule) = &watch.selection else { continue };
            let family = self.families;
            let roots: BTreeSet<PathBuf> = rule.glob.ways().iter().map(|way| way.root().to_owned()).collect();
            let look = |root: PathBuf| Look {
                inbox: self.inbox(&root, &mut scanners),
                tree: Tree::new(family, root, rule.clone()),
            };
            looks.push(roots.into_iter().map(look).collect());
            self.families += 1;
        }
        (Items { watches, awaited, looks }, scanners)
    }

    /// Who looks through this root: a new one, as long as there are not too many.
    fn inbox(&mut self, root: &Path, scanners: &mut Vec<Scanner>) -> Arc<Inbox> {
        if let Some(inbox) = self.roots.get(root) {
            return inbox.clone();
        }
        if self.inboxes.len() < THREADS {
            let inbox = Arc::<Inbox>::default();
            scanners.push(Scanner::new(inbox.clone(), self.avoid.clone(), self.news.clone()));
            self.inboxes.push(inbox);
        }
        let inbox = self.inboxes[self.roots.len() % THREADS].clone();
        self.roots.insert(root.to_owned(), inbox.clone());
        inbox
    }
}

/// Looks through one root, or a few.
#[derive(Debug)]
pub struct Scanner {
    trees: Vec<Tree>,
    avoid: Avoid,
    news: Sender<Vec<News>>,
    inbox: Arc<Inbox>,
    hints: bool,
    /// When folders, and when matches, are looked at next. `None`: when it is asked.
    folders: Option<Instant>,
    files: Option<Instant>,
    /// Not before this.
    rested: Instant,
}

impl Scanner {
    fn new(inbox: Arc<Inbox>, avoid: Avoid, news: Sender<Vec<News>>) -> Self {
        let rested = Instant::now();
        Self { trees: Vec::new(), avoid, news, inbox, hints: true, folders: None, files: None, rested }
    }

    /// Looks at what is due, and says whether there was news. `now` drives all timers.
    pub(super) fn look(&mut self, now: Instant, wall: SystemTime) -> bool {
        let begun = Instant::now();
        self.inbox.set_looking(Some(begun));
        let names = self.listen();
        let mut news = Vec::new();
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
        self.inbox.set_looking(None);
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

    /// Looks at everything.
    #[cfg(test)]
    pub(in crate::logs::files) fn look_at_all(&mut self, now: Instant, wall: SystemTime) {
        if !self.inbox.hangs(now) {
            self.inbox.everything();
            self.look(now, wall);
        }
    }

    /// Takes in what it was asked: the names that something happened to. One that no folder knows may be a new one: the
    /// folders are looked at as well.
    fn listen(&mut self) -> HashSet<OsString> {
        let asked = {
            let mut asked = self.inbox.lock();
            let over = asked.over;
            std::mem::replace(&mut *asked, Asked { over, ..Asked::default() })
        };
        if !asked.is_nothing() {
            self.folders = None;
        }
        if asked.everything || asked.hints.is_some() || !asked.trees.is_empty() {
            self.files = None;
        }
        self.hints = asked.hints.unwrap_or(self.hints);
        self.trees.extend(asked.trees);
        asked.names
    }

    /// Sleeps until a look is due, or at once after the rest for what was asked. `false`: nobody wants another one.
    fn wait(&self) -> bool {
        let mut asked = self.inbox.lock();
        while !asked.over {
            let due = [self.folders, self.files].into_iter().flatten().min().map(|due| due.max(self.rested));
            let due = if asked.is_nothing() { due } else { Some(self.rested) };
            let rest = due.map(|due| due.saturating_duration_since(Instant::now()));
            asked = match rest {
                Some(Duration::ZERO) => return true,
                Some(rest) => self.inbox.came.wait_timeout(asked, rest).unwrap_or_else(PoisonError::into_inner).0,
                None => self.inbox.came.wait(asked).unwrap_or_else(PoisonError::into_inner),
            };
        }
        false
    }
}

/// Looks through its roots until nobody hears of it; blocks its thread, on a dead mount for ever.
pub fn find(mut scanner: Scanner, wake: &Sender<Wake>) {
    while scanner.wait() {
        if scanner.look(Instant::now(), SystemTime::now()) && wake.send(Wake::Found).is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_scanner_is_asked_while_it_hangs_takes_one_place() {
        let inbox = Inbox::default();
        for n in 0..MANY_NAMES {
            inbox.changed(&HashSet::from([format!("{n}.log").into(), "busy.log".into()]));
            inbox.hints_come(n % 2 == 0);
        }
        let asked = inbox.lock();
        assert!(asked.everything && asked.names.is_empty(), "many names are looked at as everything");
        assert_eq!(asked.hints, Some(false), "the last word counts");
        drop(asked);
        let inbox = Inbox::default();
        for _ in 0..MANY_NAMES {
            inbox.changed(&HashSet::from(["busy.log".into()]));
        }
        let asked = inbox.lock();
        assert_eq!((asked.names.len(), asked.everything), (1, false));
    }

    #[test]
    fn a_scanner_ends_with_its_tailer_also_one_that_was_never_asked() {
        for looks in [false, true] {
            let (mut roster, news) = Roster::new(Avoid::default());
            let inbox = roster.inbox(Path::new("/nowhere"), &mut Vec::new());
            let scanner = Scanner::new(inbox.clone(), Avoid::default(), roster.news.clone());
            let (wake, _woken) = channel();
            let thread = std::thread::spawn(move || find(scanner, &wake));
            let scanners = Scanners { inboxes: vec![inbox], roots: vec![] };
            if looks {
                scanners.each().for_each(Inbox::everything);
                assert!(news.recv().is_ok());
            }
            drop(scanners);
            thread.join().expect("no panic");
        }
    }
}
