//! One item with a pattern: every match, what is known of it, and which ones are to be read.
//!
//! A match is in one of these states ([`State`]): *waiting* for its turn to be read; *awake*, followed by a trail;
//! *asleep*, all that it held is delivered and its position kept; *settling*, it may be what another match was before
//! it was renamed or copied; a *link* to a file that is followed under another path; *passed*, not to be sent.
//!
//! A file is known by its number (`owners`), whatever it is called: a rotated file whose new name matches as well is not
//! read again. What is named like a rotated generation of another match is that one's for a while
//! ([`settling`](super::settling)).
//!
//! Where only the newest is followed, a file is read when it is the newest, or came since the last look and is no older
//! than what was the newest then. At the first start there is only the newest; later starts go on with every file of
//! which something is not delivered, and with those that were written to since.
use super::{News, waiting::Waiting};
use crate::{
    config::settings::{Matching, Pick, Selection},
    logs::files::{Names, Seen, Watch, siblings, trail::Context},
    model::{FilePosition, Fingerprint, SourceId, Target, Timestamp},
    platform::files::FileId,
};
use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Instant, SystemTime},
};

pub(super) type Saved = (SourceId, FilePosition);

#[derive(Debug)]
pub(in crate::logs::files) struct Family {
    /// The item; its path is the pattern.
    pub watch: Watch,
    pub rule: Arc<Matching>,
    /// By what positions and the ledger know it.
    pub key: Arc<str>,
    pub(super) entries: HashMap<Arc<Path>, Entry>,
    /// Under which path a file is, or was, followed.
    pub(super) owners: HashMap<FileId, Arc<Path>>,
    /// Positions of earlier runs whose path was not seen yet.
    pub(super) saved: BTreeMap<Arc<Path>, Vec<Saved>>,
    /// When the files of earlier runs had been written to, by path, until all that was found first is settled.
    pub(super) before: BTreeMap<Arc<Path>, Timestamp>,
    /// How far earlier runs had delivered the files that they knew, until all that was found first is settled.
    pub(super) owed: HashMap<FileId, Owed>,
    /// No earlier run knew the pattern.
    pub(super) is_new: bool,
    /// Roots that were not looked through yet.
    pub(super) unlisted: usize,
    /// Whose turn to be read is next.
    pub(super) waiting: VecDeque<Arc<Path>>,
    pub(super) unsettled: Vec<Arc<Path>>,
    /// Delivered files that stand at their path no more, and since when: they may have another name.
    pub(super) orphans: HashMap<FileId, (SourceId, Seen, Instant)>,
    /// Matches that came or changed, where only the newest is followed.
    pub(super) fresh: Vec<Arc<Path>>,
    /// The newest match, and the last change that was ever seen.
    pub(super) newest: Option<Arc<Path>>,
    pub(super) mark: Option<SystemTime>,
    /// The line on the board.
    pub board: SourceId,
    /// What was found first is being read.
    pub beginning: bool,
    /// Folders that cannot be looked into.
    troubles: BTreeMap<PathBuf, String>,
    /// The item, by its JSON path, that has files which this one means as well.
    left_to: Option<String>,
    /// That a file cannot be removed was said.
    pub(super) told: bool,
    noted: String,
}

/// Where an earlier run stopped in a file, and what it said there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Owed {
    pub from: u64,
    pub head: Fingerprint,
    pub before: Fingerprint,
}

#[derive(Debug)]
pub(super) struct Entry {
    /// As it was when it was last told of, or fell asleep; `None` when it is gone.
    pub seen: Option<Seen>,
    pub state: State,
}

#[derive(Debug)]
pub(super) enum State {
    /// Nothing is known of it.
    New,
    Waiting(Waiting),
    /// By the trail of this number.
    Awake(usize),
    /// Delivered up to its end; the position is kept under this id.
    Asleep(SourceId),
    Settling {
        of: Arc<Path>,
        since: Instant,
        /// [`Family::mark`] when it came.
        mark: Option<SystemTime>,
    },
    Link,
    /// Its first bytes are not to be sent.
    Passed(u64),
}

impl Family {
    pub fn new(watch: Watch, rule: Arc<Matching>, unlisted: usize) -> Self {
        let key = Arc::from(watch.target_key());
        Self {
            watch,
            rule,
            key,
            entries: HashMap::new(),
            owners: HashMap::new(),
            saved: BTreeMap::new(),
            before: BTreeMap::new(),
            owed: HashMap::new(),
            is_new: true,
            unlisted,
            waiting: VecDeque::new(),
            unsettled: Vec::new(),
            orphans: HashMap::new(),
            fresh: Vec::new(),
            newest: None,
            mark: None,
            board: SourceId::unique(),
            beginning: true,
            troubles: BTreeMap::new(),
            left_to: None,
            told: false,
            noted: String::new(),
        }
    }

    /// Notes what a scanner says; [`Self::decide`] draws the conclusions when all of it is noted.
    pub fn hear(&mut self, news: News, changed: &mut Vec<(Arc<Path>, Option<Seen>)>) {
        match news {
            News::Seen { path, seen, .. } => {
                let entry = self.entries.entry(path.clone()).or_insert(Entry { seen: None, state: State::New });
                if entry.seen != Some(seen) {
                    changed.push((path, entry.seen.replace(seen)));
                }
            }
            News::Gone { path, .. } => {
                if let Some(old) = self.entries.get_mut(&path).and_then(|entry| entry.seen.take()) {
                    changed.push((path, Some(old)));
                }
            }
            News::Listed { .. } => self.unlisted = self.unlisted.saturating_sub(1),
            News::Trouble { path, why: Some(why), .. } => {
                tracing::warn!(folder = %path.display(), pattern = self.rule.glob.text(), error = why,
                    "this folder cannot be looked into: no log in it is followed until it can; let the daemon's user read it");
                self.troubles.insert(path, why);
            }
            News::Trouble { path, why: None, .. } => {
                tracing::info!(folder = %path.display(), "the folder can be looked into again");
                self.troubles.remove(&path);
            }
            News::Shared { path, reader, other, said, .. } => self.share(&path, reader, &other, said),
            News::Folder { .. } => {}
        }
    }

    /// Says of a file whose keys count for it. Of two patterns the one says so that reads it.
    fn share(&mut self, path: &Path, reader: String, other: &str, said: bool) {
        let own = self.rule.at() == Some(&reader);
        let is_named = self.rule.others.named.values().any(|at| *at == reader);
        if !said && (own || is_named) {
            tracing::warn!(path = %path.display(), keys_of = reader, item = other,
                "two items mean this file, and maybe more, for the same stream: read once, with the keys of the first of them (`keys_of`); the filters, \
                 `redact` and all other keys of the other one (`item`) do nothing for it; leave it out of one of the two with `exclude`, or name \
                 another stream");
        }
        if !own {
            self.left_to.get_or_insert(reader);
        }
    }

    /// Draws the conclusions, and says which trails should look at their files.
    pub fn decide(&mut self, cx: &mut Context<'_>, changed: Vec<(Arc<Path>, Option<Seen>)>) -> Vec<usize> {
        let mut hints = Vec::new();
        for (path, old) in changed {
            if let Some(number) = self.decide_one(cx, &path, old) {
                hints.push(number);
            }
        }
        if self.unlisted == 0 && self.mark.is_none() {
            self.meet_absent();
            self.leave_mark(cx);
            self.mark = Some(SystemTime::UNIX_EPOCH);
            self.pick_newest(true);
        } else if self.unlisted == 0 && !self.fresh.is_empty() {
            self.pick_newest(false);
        }
        hints
    }

    fn decide_one(&mut self, cx: &mut Context<'_>, path: &Arc<Path>, old: Option<Seen>) -> Option<usize> {
        let entry = self.entries.get(path)?;
        match (&entry.state, entry.seen) {
            (State::Awake(number), seen) => {
                let number = *number;
                if let Some(seen) = seen {
                    self.owners.entry(seen.id).or_insert_with(|| path.clone());
                }
                if self.unlisted == 0 {
                    self.fresh.push(path.clone());
                }
                return Some(number);
            }
            (State::Asleep(id), Some(seen)) => self.awaken(cx, path, *id, old, seen),
            (State::Asleep(id), None) => {
                let id = *id;
                self.entries.remove(path);
                self.orphan(cx, id, old);
            }
            (State::Waiting(Waiting { saved, .. }), None) if !saved.is_empty() => {}
            (_, None) => _ = self.entries.remove(path),
            (State::Waiting(_), Some(_)) => {}
            (State::Passed(_), Some(_)) => self.fresh.push(path.clone()),
            (State::Settling { .. } | State::Link, Some(seen)) => {
                if old.is_none_or(|old| old.id != seen.id) {
                    self.classify(cx, path, seen);
                }
            }
            (State::New, Some(seen)) => self.classify(cx, path, seen),
        }
        None
    }

    /// A file at rest is not as it was.
    fn awaken(&mut self, cx: &mut Context<'_>, path: &Arc<Path>, id: SourceId, old: Option<Seen>, seen: Seen) {
        let another = old.is_none_or(|old| old.id != seen.id);
        let elsewhere = self.owners.get(&seen.id).is_some_and(|owner| owner != path);
        if another && (elsewhere || self.base_of(path).is_some()) {
            self.orphan(cx, id, old);
            return self.classify(cx, path, seen);
        }
        self.owners.insert(seen.id, path.clone());
        let saved = self.position_of(cx, id).map(|(_, position)| vec![(id, position)]).unwrap_or_default();
        self.fresh.push(path.clone());
        match old {
            Some(old) if !another && !saved.is_empty() => self.rouse(cx, path, old.id, saved),
            Some(old) => {
                cx.ledger.unrest(&self.key, old.id);
                self.wait(path, saved, false);
            }
            None => self.wait(path, saved, false),
        }
    }

    /// A path that was not there, or is another file's than before.
    fn classify(&mut self, cx: &mut Context<'_>, path: &Arc<Path>, seen: Seen) {
        if self.adopt_orphan(cx, path, seen) {
            return;
        }
        if let Some(saved) = self.saved.remove(&**path) {
            self.owners.insert(seen.id, path.clone());
            self.fresh.push(path.clone());
            return self.resume(cx, path, seen, saved);
        }
        let owner = self.owners.get(&seen.id).filter(|owner| *owner != path).cloned();
        let stays = |owner: &Arc<Path>| self.entries.get(owner).and_then(|e| e.seen).is_some_and(|s| s.id == seen.id);
        if owner.as_ref().is_some_and(stays) {
            tracing::info!(path = %path.display(), other = ?owner,
                "this is another name of a file that is followed already: it is read once");
            return self.set(path, State::Link);
        }
        // At the very first look nothing was ever renamed.
        let of = owner.or_else(|| self.base_of(path).filter(|_| !self.is_first_look()));
        if let Some(of) = of {
            if !self.unsettled.contains(path) {
                self.unsettled.push(path.clone());
            }
            return self.set(path, State::Settling { of, since: cx.now, mark: self.mark });
        }
        self.take_as_new(path, seen);
    }

    /// A file that is nobody else's.
    pub(super) fn take_as_new(&mut self, path: &Arc<Path>, seen: Seen) {
        self.owners.insert(seen.id, path.clone());
        match self.rule.pick {
            Pick::Newest => {
                self.set(path, State::New);
                self.fresh.push(path.clone());
            }
            Pick::EachToItsStream | Pick::EachToItsGroup => self.wait(path, Vec::new(), self.is_first_look()),
        }
    }

    /// The very first look of the very first run.
    fn is_first_look(&self) -> bool {
        self.is_new && self.mark.is_none()
    }

    pub(super) fn set(&mut self, path: &Arc<Path>, state: State) {
        if let Some(entry) = self.entries.get_mut(path) {
            entry.state = state;
        }
    }

    /// The match of which this path is named as a rotated generation.
    pub(super) fn base_of(&self, path: &Path) -> Option<Arc<Path>> {
        let name = siblings::name(path);
        let end = name.rfind('.').map_or("", |dot| &name[dot..]);
        let cuts = name.char_indices().filter(|(at, c)| *at > 0 && matches!(c, '.' | '-' | '_')).map(|(at, _)| at);
        let bases = cuts.flat_map(|at| [name[..at].to_owned(), format!("{}{end}", &name[..at])]);
        bases.filter(|base| siblings::is_rotation(base, &name)).find_map(|base| {
            let (found, entry) = self.entries.get_key_value(path.with_file_name(base).as_path())?;
            (!matches!(entry.state, State::Settling { .. } | State::Link)).then(|| found.clone())
        })
    }

    /// The item, narrowed to one of its files.
    pub fn watch_of(&self, path: &Path, from_beginning: bool) -> Watch {
        let Target { group, stream, .. } = self.watch.target.as_ref();
        let (group, stream) = self.rule.pick.names(group, stream, path);
        Watch {
            path: path.to_owned(),
            target: match self.rule.pick {
                Pick::Newest => self.watch.target.clone(),
                Pick::EachToItsStream | Pick::EachToItsGroup => {
                    Arc::new(Target { group, stream, ..self.watch.target.as_ref().clone() })
                }
            },
            selection: Selection::This,
            known_as: Some(self.key.clone()),
            from_beginning,
            ..self.watch.clone()
        }
    }

    pub(super) fn names(&self, path: &Arc<Path>) -> Names {
        Names { path: path.clone(), target: self.key.clone(), home: None, text: self.watch.text.clone() }
    }

    /// A trail follows the file.
    pub fn awake(&mut self, path: &Arc<Path>, number: usize) {
        self.set(path, State::Awake(number));
    }

    /// The line of the whole item.
    pub fn note(&mut self, cx: &Context<'_>, hangs: Option<&Path>) {
        self.beginning &= self.unlisted > 0 || self.is_pressed() || self.has_questions(cx);
        let awake = self.entries.values().filter(|entry| matches!(entry.state, State::Awake(_))).count();
        let followed = |e: &&Entry| matches!(e.state, State::Awake(_) | State::Asleep(_) | State::Waiting(_));
        let state = match self.entries.values().filter(followed).count() {
            _ if self.unlisted > 0 => "looking for files".to_owned(),
            0 => match &self.left_to {
                Some(reader) => format!("its files are read by {reader}"),
                None => "no file matches yet".to_owned(),
            },
            files => format!("{files} files are followed, {awake} of them with something to do"),
        };
        let silent = hangs.map(|root| format!("{} does not answer", root.display()));
        let trouble = self.troubles.iter().next().map(|(path, why)| format!("{}: {why}", path.display())).or(silent);
        let noted = format!("{state} {trouble:?} {}", self.beginning);
        if noted != self.noted {
            cx.board.source(self.board, |line| {
                line.name = self.rule.glob.text().to_owned();
                line.group.clone_from(&self.watch.target.group);
                (line.state, line.last_error, line.catching_up) = (Some(state), trouble, self.beginning);
            });
            self.noted = noted;
        }
    }
}
