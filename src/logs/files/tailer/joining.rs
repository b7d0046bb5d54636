//! How items come to a tailer, at the start and while it runs, and which saved positions they get.
//!
//! A position belongs to the item that saved it: same path, or a pattern that matches it, and same target. What belongs to
//! nobody any more may be inherited, by an item of the same path without a position of its own. What may belong to an item
//! that waits for its target stays for that one, however many come before it.
use super::Tailer;
use crate::{
    config::settings::Selection,
    logs::files::{Awaited, Items, Watch, discovery::family::Family},
    model::{FilePosition, Position, SourceId},
};
use std::{
    collections::HashSet,
    path::{Path, PathBuf},
    time::Instant,
};

type Saved = (SourceId, FilePosition);

impl Tailer {
    /// Follows these items as well. Opens a lane for each one of one file; files are touched in the next turn.
    pub fn follow(&mut self, items: Items) {
        let Items { watches, awaited, looks } = items;
        let mut saved = self.unclaimed();
        // None of them is another one's rotated generation, whenever it comes.
        self.watched.extend(watches.iter().map(|watch| watch.path.clone()));
        self.watched.extend(awaited.iter().map(|awaited| awaited.path.clone()));
        let (mut files, mut families) = (Vec::new(), Vec::new());
        let (mut looks, mut known) = (looks.into_iter(), self.known());
        for watch in watches {
            if let Selection::Matching(rule) = &watch.selection {
                let (rule, looks) = (rule.clone(), looks.next().unwrap_or_default());
                families.push((Family::new(watch, rule, looks.len()), looks));
            } else if known.insert((watch.path.clone(), watch.target_key())) {
                let mine = claim(&mut saved, &watch);
                files.push((watch, mine));
            } else {
                tracing::warn!(path = %watch.path.display(), group = watch.target.group, stream = watch.target.stream,
                    "this file is listed twice for the same target: read once only");
            }
        }
        families.iter_mut().for_each(|(family, _)| family.claim(&mut saved));
        saved.retain(|(_, position)| !awaited.iter().any(|awaited| awaited.expects(position)));
        for (watch, mine) in files.iter_mut().filter(|(_, mine)| mine.is_empty()) {
            *mine = inherit(&mut saved, watch);
        }
        families.iter_mut().for_each(|(family, _)| family.inherit(&mut saved));
        self.claimed = match awaited.is_empty() {
            true => HashSet::new(),
            false => {
                let of_files = files.iter().flat_map(|(_, mine)| mine).map(|(id, _)| *id);
                let of_families = families.iter().flat_map(|(family, _)| family.claims());
                self.claimed.drain().chain(of_files).chain(of_families).collect()
            }
        };
        // Where two paths are one file, the one that was read before goes on with it.
        files.sort_by_key(|(_, saved)| saved.is_empty());
        for (watch, saved) in files {
            self.add(watch, saved, None);
        }
        for (family, looks) in families {
            self.families.push(family);
            self.scanners.begin(looks, self.hints_come);
        }
        // There may be more folders.
        self.moved = true;
        self.note_families(Instant::now());
    }

    /// What no item has that is followed.
    fn unclaimed(&self) -> Vec<Saved> {
        let file = |(id, position)| match position {
            Position::File(position) => Some((id, position)),
            Position::Journal(_) | Position::Windows(_) | Position::Unified(_) | Position::Unsaved => None,
        };
        let saved = self.checkpoints.saved().into_iter().filter(|(id, _)| !self.claimed.contains(id));
        saved.filter_map(file).collect()
    }

    /// The files that are followed by their names, with their targets.
    fn known(&self) -> HashSet<(PathBuf, String)> {
        let named = self.trails.iter().flatten().filter(|followed| followed.woken.is_none());
        named.map(|f| (f.trail.watch.path.clone(), f.trail.watch.target_key())).collect()
    }
}

impl Awaited {
    /// Whether this may have been saved by the item, under whatever values.
    fn expects(&self, position: &FilePosition) -> bool {
        let is_path = match &self.selection {
            Selection::This => *position.path == *self.path,
            Selection::Matching(rule) => {
                rule.glob.matches(&position.path) && !rule.leaves_out(&position.path)
                    || *position.path == *Path::new(rule.glob.text())
            }
        };
        is_path && (position.target.is_empty() || fits(&self.target_key(), &position.target))
    }
}

/// Whether `text` is `pattern` with something, or nothing, in the place of each [`Awaited::UNKNOWN`].
fn fits(pattern: &str, text: &str) -> bool {
    let Some((first, others)) = pattern.split_once(Awaited::UNKNOWN) else { return pattern == text };
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let (between, last) = others.rsplit_once(Awaited::UNKNOWN).unwrap_or(("", others));
    for piece in between.split(Awaited::UNKNOWN) {
        let Some(at) = rest.find(piece) else { return false };
        rest = &rest[at + piece.len()..];
    }
    rest.ends_with(last)
}

/// Takes out the positions of this path and target. One without a target is anybody's.
fn claim(saved: &mut Vec<Saved>, watch: &Watch) -> Vec<Saved> {
    let target = watch.target_key();
    let mine = |p: &FilePosition| *p.path == *watch.path && (*p.target == target || p.target.is_empty());
    saved.extract_if(.., |(_, p)| mine(p)).collect()
}

/// Takes out the positions of this path under the name that its group or stream had before: another date, another host
/// name, an edited configuration. Reading goes on where it stopped, and what comes goes to the new name.
fn inherit(saved: &mut Vec<Saved>, watch: &Watch) -> Vec<Saved> {
    let same_path = saved.iter().filter(|(_, p)| *p.path == *watch.path);
    let Some(before) = same_path.max_by_key(|(_, p)| p.modified).map(|(_, p)| p.target.clone()) else { return vec![] };
    let (path, after) = (watch.path.display(), watch.target_key());
    tracing::info!(%path, %before, after, "the log file goes to another stream than before, from where reading stopped");
    let inherited = |p: &FilePosition| *p.path == *watch.path && p.target == before;
    saved.extract_if(.., |(_, p)| inherited(p)).collect()
}

#[cfg(test)]
mod tests;
