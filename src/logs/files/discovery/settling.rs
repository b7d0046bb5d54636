//! Matches that may be what another match was before: a file whose name changed to one that matches as well, a copy that
//! rotation made. And the removal of files that are done with.
//!
//! The path that the file had has the first right to it: its trail reads the rest, under the path's own name. When it
//! was read to its end, the file rests under its new name, with a position, so that no later run takes it for new. What
//! nobody lays claim to for a while is a file like any other.
use super::family::{Entry, Family, State};
use crate::{
    config::settings::Pick,
    logs::files::{
        Seen, content,
        generation::{Start, open_regular},
        ledger,
        trail::Context,
    },
    model::Timestamp,
    platform::files::{self, Stat},
    telemetry::counters,
};
use std::{
    fs::File,
    io::{self, ErrorKind},
    path::Path,
    sync::Arc,
    time::Duration,
};

/// So long whoever has the first right to a file may take it: longer than a poll, and than a rotation takes.
const RIGHT: Duration = Duration::from_secs(6);
/// So long where the position of an earlier run says that not all of it is delivered: longer than the path's trail waits for a
/// folder to be calm.
const RIGHT_TO_THE_REST: Duration = Duration::from_secs(30);
/// Files that are compared in one turn at most.
const AT_ONCE: usize = 64;

impl Family {
    /// Finds out what became of matches that may be others' generations.
    pub fn settle(&mut self, cx: &mut Context<'_>) {
        self.forget_orphans(cx);
        let all = std::mem::take(&mut self.unsettled);
        let mut asked = 0;
        for path in all {
            let Some(Entry { seen: Some(seen), state: State::Settling { .. } }) = self.entries.get(&path) else {
                continue;
            };
            let seen = *seen;
            if asked == AT_ONCE || cx.ledger.holder(&self.key, seen.id).is_some_and(|by| by != ledger::RESTING) {
                self.unsettled.push(path);
            } else if !self.adopt_orphan(cx, &path, seen) {
                asked += 1;
                if !self.settle_one(cx, &path, seen) {
                    self.unsettled.push(path);
                }
            }
        }
        if self.unsettled.is_empty() && self.unlisted == 0 {
            self.before.clear();
            self.owed.clear();
        }
    }

    /// `false`: not yet.
    fn settle_one(&mut self, cx: &mut Context<'_>, path: &Arc<Path>, seen: Seen) -> bool {
        let Some(Entry { state: State::Settling { of, since, mark }, .. }) = self.entries.get(path) else {
            return true;
        };
        let (of, since, mark) = (of.clone(), *since, *mark);
        let stays = |e: &Entry| e.seen.is_some_and(|owner| owner.id == seen.id);
        if cx.ledger.holder(&self.key, seen.id).is_some() {
            // It rests. Under the path that it still has, this is another name of it.
            let linked = self.entries.get(&of).is_some_and(stays);
            if linked {
                self.set(path, State::Link);
            }
            return linked;
        }
        let waits = |e: &Entry| matches!(e.state, State::Waiting(_));
        if self.entries.get(&of).is_some_and(waits) {
            return false;
        }
        let known = open_regular(path).and_then(|(file, stat)| {
            let known = cx.ledger.known(&self.names(&of), &file, &stat)?.map(|known| known.up_to);
            Ok((known, self.rest_of(&file, &stat)?, stat.size))
        });
        let dealt_with = self.before.get(&*of).is_some_and(|until| Timestamp::from(seen.modified) <= *until);
        let adopted = match known {
            Ok((Some(up_to), _, size)) if up_to >= size => self.adopt(cx, path, Start::At(size)),
            Ok((Some(up_to), ..)) => {
                self.wait_for_rest(path, up_to);
                return true;
            }
            Ok((None, rest, size)) => {
                let right = if rest.is_some() { RIGHT_TO_THE_REST } else { RIGHT };
                if cx.now.saturating_duration_since(since) < right {
                    return false;
                }
                match rest {
                    Some(from) => self.wait_for_rest(path, from),
                    None if dealt_with => return self.adopt(cx, path, Start::At(size)).is_ok(),
                    // When it came nothing was newer: what was found since then may be, and says nothing about it.
                    None if mark.is_some_and(|mark| seen.modified >= mark) => {
                        self.owners.insert(seen.id, path.clone());
                        self.wait(path, Vec::new(), false);
                    }
                    None => self.take_as_new(path, seen),
                }
                return true;
            }
            Err(error) => Err(error),
        };
        // What cannot be opened now is asked again.
        adopted.is_ok()
    }

    /// Where the part begins that an earlier run had not delivered, if it is the file that was known then.
    fn rest_of(&self, file: &File, stat: &Stat) -> io::Result<Option<u64>> {
        let Some(owed) = self.owed.get(&stat.id).filter(|owed| owed.from < stat.size) else { return Ok(None) };
        let is_it = content::begins(file, owed.head)? && content::ends(file, owed.from, owed.before)?;
        Ok(is_it.then_some(owed.from))
    }

    /// It is read on from here, as a file of its own.
    fn wait_for_rest(&mut self, path: &Arc<Path>, from: u64) {
        let saved = self.position_at(path, from).into_iter().collect();
        self.wait(path, saved, false);
    }

    /// Whether something is asked that may end in a file to be read.
    pub(super) fn has_questions(&self, cx: &Context<'_>) -> bool {
        self.unsettled.iter().any(|path| {
            let seen = self.entries.get(path).and_then(|entry| entry.seen);
            seen.is_some_and(|seen| cx.ledger.holder(&self.key, seen.id).is_none())
        })
    }

    /// Removes the files that are done with, where that is wanted: all of them is delivered, the disk knows that, and a newer one
    /// is followed. A crash in between would otherwise leave a position in a file that is gone, and seek it among others.
    pub fn remove_past(&mut self, cx: &mut Context<'_>) {
        if !self.rule.auto_removal || self.rule.pick != Pick::Newest {
            return;
        }
        let Some((newest, modified)) = self.followed_newest() else { return };
        let asleep = |(path, e): (&Arc<Path>, &Entry)| match (e.seen, &e.state) {
            (Some(seen), State::Asleep(id)) if *path != newest && seen.modified <= modified => {
                Some((path.clone(), *id, seen))
            }
            (Some(_) | None, _) => None,
        };
        for (path, id, seen) in self.entries.iter().filter_map(asleep).collect::<Vec<_>>() {
            let Some((reached, position)) = self.position_of(cx, id) else { continue };
            if reached < seen.size {
                // A last line without an end: its writer has gone over to another file, so it is sent as it is.
                self.rouse(cx, &path, seen.id, vec![(id, position)]);
            } else if cx.checkpoints.saved_up_to(id).is_none_or(|saved| saved < seen.size) {
                // Its position is not saved yet: soon it is.
            } else if self.remove(&path, seen) {
                counters::FILES_REMOVED.add(1);
                tracing::info!(path = %path.display(), size = seen.size, "all of this log is delivered and a newer one is followed: removed");
                cx.checkpoints.finish(id, 0);
                cx.ledger.unrest(&self.key, seen.id);
                self.owners.remove(&seen.id);
                self.entries.remove(&path);
            }
        }
    }

    /// Only the file that was read, and only if nothing was added since.
    fn remove(&mut self, path: &Path, seen: Seen) -> bool {
        let is_link = std::fs::symlink_metadata(path).is_ok_and(|data| data.is_symlink());
        let why = match files::stat(path) {
            Ok(_) if is_link => "it is a link, and neither it nor what it leads to is removed".to_owned(),
            Ok(stat) if Seen::from(stat) != seen => return false,
            Ok(_) => match std::fs::remove_file(path) {
                Ok(()) => return true,
                Err(error) => error.to_string(),
            },
            Err(error) if error.kind() == ErrorKind::NotFound => return false,
            Err(error) => error.to_string(),
        };
        if !std::mem::replace(&mut self.told, true) {
            tracing::warn!(path = %path.display(), why, "this log is delivered but cannot be removed; it is left where it is, as will others be of which the same is true");
        }
        false
    }
}
