//! Which file is read where only the newest is followed.
use super::{
    family::{Entry, Family, State},
    waiting::Waiting,
};
use crate::{config::settings::Pick, model::Timestamp};
use std::{path::Path, sync::Arc, time::SystemTime};

impl Family {
    /// Chooses among what came or changed, where only the newest is followed.
    pub(super) fn pick_newest(&mut self, first: bool) {
        let mut fresh = std::mem::take(&mut self.fresh);
        if self.rule.pick != Pick::Newest {
            return;
        }
        let own = self.entries.iter().filter(|(_, e)| !matches!(e.state, State::Link | State::Settling { .. }));
        let newest = own.filter_map(|(path, e)| Some((e.seen?.modified, path))).max();
        let Some((modified, newest)) = newest.map(|(modified, path)| (modified, path.clone())) else { return };
        let since = self.before.values().max().copied();
        let time = |path: &Arc<Path>| self.entries.get(path).and_then(|entry| entry.seen).map(|seen| seen.modified);
        fresh.sort_by_key(|path| (time(path), path.clone()));
        fresh.dedup();
        for path in fresh {
            let Some(Entry { seen: Some(seen), state }) = self.entries.get(&path) else { continue };
            let is_newest = path == newest;
            match state {
                State::New => {
                    let came_since = match (first, since) {
                        (true, Some(since)) => Timestamp::from(seen.modified) > since,
                        (true, None) => !self.is_new,
                        (false, _) => self.mark.is_none_or(|mark| seen.modified >= mark),
                    };
                    if came_since || is_newest {
                        self.wait(&path, Vec::new(), first && self.is_new);
                    } else {
                        let size = seen.size;
                        self.set(&path, State::Passed(size));
                    }
                }
                State::Passed(size) if is_newest => {
                    let from = if self.watch.from_beginning { 0 } else { *size };
                    let saved = self.position_at(&path, from);
                    self.wait_in(
                        &path,
                        Waiting { saved: saved.into_iter().collect(), passed: true, ..Waiting::default() },
                    );
                }
                State::Passed(_)
                | State::Waiting(_)
                | State::Awake(_)
                | State::Asleep(_)
                | State::Settling { .. }
                | State::Link => {}
            }
        }
        (self.newest, self.mark) = (Some(newest), Some(modified));
    }

    /// Whether a newer file is followed, so that this one will not be written to any more.
    pub fn is_past(&self, path: &Path) -> bool {
        self.newest.as_deref().is_some_and(|newest| newest != path)
    }

    /// The newest match, if it is followed.
    pub(super) fn followed_newest(&self) -> Option<(Arc<Path>, SystemTime)> {
        let newest = self.newest.as_ref()?;
        let Entry { seen, state } = self.entries.get(newest)?;
        matches!(state, State::Awake(_) | State::Asleep(_)).then_some((newest.clone(), (*seen)?.modified))
    }
}
