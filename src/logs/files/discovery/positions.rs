//! Where reading stopped in earlier runs, and where it stands in files at rest.
use super::family::{Entry, Family, Owed, Saved, State};
use crate::{
    logs::files::{
        Seen,
        generation::{Generation, Start, open_regular},
        trail::Context,
    },
    model::{FileIdentity, FilePosition, Fingerprint, Position, SourceId, Timestamp},
    platform::files::FileId,
};
use std::{
    io,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

/// So long a delivered file whose path holds another one may turn up under another name.
const RENAMED: Duration = Duration::from_secs(10);

impl Family {
    /// Takes out the positions of this pattern and target. One without a target is anybody's.
    pub fn claim(&mut self, saved: &mut Vec<Saved>) {
        let key = self.key.clone();
        self.take(saved, |p| *p.target == *key || p.target.is_empty());
    }

    /// Takes out those under the name that the group or stream had before, if there are no others.
    pub fn inherit(&mut self, saved: &mut Vec<Saved>) {
        if self.is_new && self.take(saved, |_| true) {
            tracing::info!(pattern = self.rule.glob.text(), target = %self.key,
                "the log files go to other streams than before, from where reading stopped");
        }
    }

    /// Which positions of earlier runs are its own now.
    pub fn claims(&self) -> impl Iterator<Item = SourceId> {
        self.saved.values().flatten().map(|(id, _)| *id)
    }

    fn take(&mut self, saved: &mut Vec<Saved>, of: impl Fn(&FilePosition) -> bool) -> bool {
        let rule = self.rule.clone();
        // What is left out now stays for the item that reads it now, or for a day on which it is not left out.
        let is_mine = |p: &FilePosition| {
            rule.glob.matches(&p.path) && !rule.leaves_out(&p.path) || *p.path == *Path::new(rule.glob.text())
        };
        let mut found = false;
        for (id, position) in saved.extract_if(.., |(_, p)| of(p) && is_mine(p)) {
            found = true;
            let newest = self.before.entry(position.path.clone()).or_default();
            *newest = (*newest).max(position.modified);
            let identity = &position.identity;
            if identity.inode != 0 {
                let file = FileId { device: identity.device, inode: identity.inode };
                self.owners.insert(file, position.path.clone());
                let owed = Owed { from: position.offset, head: identity.head, before: position.before };
                let least = self.owed.entry(file).or_insert(owed);
                if owed.from < least.from {
                    *least = owed;
                }
            }
            // Of most files there is one.
            self.saved.entry(position.path.clone()).or_insert_with(|| Vec::with_capacity(1)).push((id, position));
        }
        self.is_new &= !found;
        found
    }

    /// A match that an earlier run knew: at rest where nothing happened since.
    pub(super) fn resume(&mut self, cx: &mut Context<'_>, path: &Arc<Path>, seen: Seen, saved: Vec<Saved>) {
        let as_it_was = |p: &FilePosition| {
            (p.identity.device, p.identity.inode) == (seen.id.device, seen.id.inode)
                && (p.offset, p.modified) == (seen.size, Timestamp::from(seen.modified))
        };
        match saved.as_slice() {
            [(id, position)] if as_it_was(position) => {
                let (id, mut position) = (*id, position.clone());
                // One copy of what is the same.
                position.path = path.clone();
                if position.target == self.key {
                    position.target = self.key.clone();
                }
                cx.checkpoints.open(id, position.offset, Position::File(position));
                self.fall_asleep(cx, path, id, seen);
            }
            _ => self.wait(path, saved, false),
        }
    }

    /// What an earlier run read and no look has found: its trail finds out where it is now.
    pub(super) fn meet_absent(&mut self) {
        let text = self.rule.glob.text().to_owned();
        for (path, saved) in std::mem::take(&mut self.saved) {
            if *path == *Path::new(&text) && saved.iter().all(|(_, p)| p.identity.inode == 0) {
                self.saved.insert(path, saved); // The mark of the pattern itself.
                continue;
            }
            self.entries.insert(path.clone(), Entry { seen: None, state: State::New });
            self.wait(&path, saved, false);
        }
    }

    /// Saves that this pattern was looked for: whatever a later run does not know came since.
    pub(super) fn leave_mark(&mut self, cx: &Context<'_>) {
        let text = Path::new(self.rule.glob.text());
        let saved = self.saved.remove(text);
        let id = saved.and_then(|saved| saved.first().map(|(id, _)| *id)).unwrap_or_else(SourceId::unique);
        let mark = FilePosition {
            path: text.into(),
            identity: FileIdentity { device: 0, inode: 0, head: Fingerprint::default() },
            offset: 0,
            before: Fingerprint::default(),
            target: self.key.clone(),
            modified: Timestamp::default(),
            home: None,
        };
        cx.checkpoints.open(id, 0, Position::File(mark));
    }

    /// How far a file at rest is delivered, and where that is.
    pub(super) fn position_of(&self, cx: &Context<'_>, id: SourceId) -> Option<(u64, FilePosition)> {
        match cx.checkpoints.delivered(id)? {
            (reached, Position::File(position)) => Some((reached, position)),
            _ => None,
        }
    }

    /// A position of its own for a file, so far in.
    pub(super) fn position_at(&self, path: &Arc<Path>, offset: u64) -> Option<Saved> {
        let (file, stat) = open_regular(path).ok()?;
        let id = SourceId::unique();
        let start = Start::At(offset.min(stat.size));
        let generation = Generation::new(id, &self.names(path), file, stat, start, Instant::now()).ok()?;
        Some((id, generation.position()))
    }

    /// Lays a file to rest that has nothing to be read: one that is empty, or is followed from its end on.
    pub(super) fn adopt(&mut self, cx: &mut Context<'_>, path: &Arc<Path>, start: Start) -> io::Result<()> {
        let (file, stat) = open_regular(path)?;
        let (id, names) = (SourceId::unique(), self.names(path));
        let generation = Generation::new(id, &names, file, stat, start, cx.now)?;
        cx.checkpoints.open(id, generation.offset, Position::File(generation.position()));
        let seen = Seen::from(stat);
        let before = match start {
            Start::At(size) | Start::LineOf(size) => size,
        };
        if seen.size != before {
            let saved = vec![(id, generation.position())];
            self.owners.insert(seen.id, path.clone());
            self.wait(path, saved, false);
        } else {
            self.fall_asleep(cx, path, id, seen);
        }
        Ok(())
    }

    /// Lays a file to rest, and saves its position, if nobody has to read it: an empty one, or one whose end is where
    /// reading begins. `true`: so it was.
    pub fn rest_unread(&mut self, cx: &mut Context<'_>, path: &Arc<Path>, first: bool) -> bool {
        let Some(seen) = self.entries.get(path).and_then(|entry| entry.seen) else { return false };
        if cx.ledger.holder(&self.key, seen.id).is_some() {
            return false; // Another item has it: what is read of it is read there.
        }
        let start = match seen.size {
            0 => Start::At(0),
            size if first && !self.watch.from_beginning => Start::LineOf(size),
            _ => return false,
        };
        self.adopt(cx, path, start).is_ok()
    }

    /// From here on it is only looked at.
    pub fn fall_asleep(&mut self, cx: &mut Context<'_>, path: &Arc<Path>, id: SourceId, seen: Seen) {
        cx.ledger.rest(&self.key, seen.id);
        self.owners.insert(seen.id, path.clone());
        if let Some(entry) = self.entries.get_mut(path) {
            (entry.seen, entry.state) = (Some(seen), State::Asleep(id));
        }
    }

    /// A trail has let go of its file, which it held with this id, so, and at the path; `done`: to its end.
    pub fn laid_to_rest(
        &mut self,
        cx: &mut Context<'_>,
        path: &Arc<Path>,
        done: bool,
        rest: Option<(SourceId, Seen, bool)>,
        position: Option<FilePosition>,
    ) {
        match rest {
            Some((id, seen, true)) if done => self.fall_asleep(cx, path, id, seen),
            Some((id, seen, true)) => {
                self.owners.insert(seen.id, path.clone());
                match position {
                    Some(position) => self.rouse(cx, path, seen.id, vec![(id, position)]),
                    None => self.wait(path, Vec::new(), false),
                }
            }
            Some((id, seen, false)) => {
                self.entries.remove(path);
                cx.ledger.rest(&self.key, seen.id);
                self.orphan(cx, id, Some(seen));
            }
            None => _ = self.entries.remove(path),
        }
    }

    /// A delivered file stands at its path no more.
    pub(super) fn orphan(&mut self, cx: &Context<'_>, id: SourceId, old: Option<Seen>) {
        match old {
            Some(old) => _ = self.orphans.insert(old.id, (id, old, cx.now)),
            None => cx.checkpoints.finish(id, 0),
        }
    }

    /// Whether `path` is where a delivered file is now: it rests there.
    pub(super) fn adopt_orphan(&mut self, cx: &mut Context<'_>, path: &Arc<Path>, seen: Seen) -> bool {
        let Some((id, old, _)) = self.orphans.remove(&seen.id) else { return false };
        let Some((reached, position)) = self.position_of(cx, id) else { return false };
        let position = FilePosition { path: path.clone(), home: None, ..position };
        cx.checkpoints.open(id, reached, Position::File(position.clone()));
        if old == seen {
            self.fall_asleep(cx, path, id, seen);
        } else {
            self.owners.insert(seen.id, path.clone());
            self.rouse(cx, path, seen.id, vec![(id, position)]);
        }
        true
    }

    /// What did not turn up again was deleted, or has a name that does not match.
    pub(super) fn forget_orphans(&mut self, cx: &mut Context<'_>) {
        let gone: Vec<FileId> =
            self.orphans.iter().filter(|(_, o)| cx.now >= o.2 + RENAMED).map(|(id, _)| *id).collect();
        for file in gone {
            if let Some((id, ..)) = self.orphans.remove(&file) {
                // All that is to be delivered of it was: nothing is waited for.
                cx.checkpoints.finish(id, 0);
                cx.ledger.unrest(&self.key, file);
                self.owners.remove(&file);
            }
        }
    }
}
