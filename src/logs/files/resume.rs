//! The first look at a path: where the positions of earlier runs lead.
//!
//! A position is looked for, in this order: in the file at the path; in a file of the same inode under another name (it was
//! rotated while nobody watched); in what replaced it at the path with the same content; in a copy beside it (it was copied
//! and cut short). The content decides each time. What is found elsewhere is read first, oldest first, then generations
//! that nobody saw at all, then the file at the path.
use super::{
    content,
    generation::{Generation, Start, open_regular},
    siblings::{self, Sibling},
    trail::{Context, Trail, Unread},
};
use crate::{
    model::{FilePosition, SourceId, Timestamp},
    platform::files::{self, Stat},
    telemetry::counters,
};
use std::{
    cmp::Reverse,
    fs::File,
    io::{self, ErrorKind},
    path::{Path, PathBuf},
    sync::Arc,
};

type Saved = (SourceId, FilePosition);
type Trouble = (&'static str, io::Error);

/// A saved position and the file that it belongs to now.
struct Claim {
    id: SourceId,
    offset: u64,
    path: PathBuf,
    file: File,
    stat: Stat,
}

impl Trail {
    /// The first look. Leaves everything as it is when it is too early to tell; then it is done again.
    pub(super) fn start(&mut self, cx: &mut Context<'_>, at_path: Option<Stat>) -> Result<(), Trouble> {
        if self.saved.is_empty() {
            self.start_afresh(cx, at_path)?;
        } else if at_path.is_some() || self.folder_is_there() {
            let trouble = |e| ("cannot find out where reading stopped in an earlier run", e);
            self.resume(cx).map_err(trouble)?;
        } else {
            return Ok(()); // The disk may not be mounted yet: the positions stay.
        }
        self.started = true;
        self.first_seen = None;
        self.content(cx);
        Ok(())
    }

    /// Nobody knows this path. Only here the settings say where to begin.
    fn start_afresh(&mut self, cx: &mut Context<'_>, at_path: Option<Stat>) -> Result<(), Trouble> {
        let Some(seen) = at_path else {
            self.await_first(cx);
            return Ok(());
        };
        if cx.ledger.holder(&self.names.target, seen.id).is_some() {
            return Ok(()); // Another trail reads it; the next look says so.
        }
        let (id, size) = *self.first_seen.get_or_insert((seen.id, seen.size));
        let (file, stat) = open_regular(&self.watch.path).map_err(|e| ("cannot open the log file", e))?;
        let start = if self.watch.from_beginning || stat.id != id { Start::At(0) } else { Start::LineOf(size) };
        let generation = Generation::new(SourceId::unique(), &self.names, Arc::new(file), stat, start, cx.now);
        self.take_up(cx, generation.map_err(|e| ("cannot read the log file", e))?);
        self.attached = true;
        self.newest = stat.modified.into();
        Ok(())
    }

    /// An empty mount point looks like a folder from which everything was deleted, but it lies on another device.
    fn folder_is_there(&self) -> bool {
        let devices = || self.saved.iter().map(|(_, p)| p.identity.device).filter(|device| *device != 0);
        files::stat(siblings::folder(&self.watch.path))
            .is_ok_and(|folder| devices().any(|device| device == folder.id.device) || devices().next().is_none())
    }

    fn resume(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        let here = match open_regular(&self.watch.path) {
            Ok(opened) => Some(opened),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        let here = here.filter(|(_, stat)| cx.ledger.holder(&self.names.target, stat.id).is_none());
        let mut open = self.saved.clone();
        // Where several fit (a young file fits almost everything), the furthest is the best proof.
        open.sort_by_key(|(_, p)| Reverse((p.offset, p.identity.head.length)));

        let same =
            |p: &FilePosition, stat: &Stat| (p.identity.device, p.identity.inode) == (stat.id.device, stat.id.inode);
        let mut at_path = self.claim_path(&here, &mut open, |p, stat| same(p, stat) || is_promise(p))?;
        let mut elsewhere = self.claim_renamed(cx, &mut open)?;
        if at_path.is_none() {
            at_path = self.claim_path(&here, &mut open, |p, _| p.identity.head.length > 0)?;
        }
        elsewhere.extend(self.claim_copies(cx, &mut open)?);
        elsewhere.sort_by_key(|claim| claim.stat.modified);

        self.newest = self.saved.iter().map(|(_, p)| p.modified).max().unwrap_or_default();
        let prepared = self.line_up(cx, elsewhere, here, at_path.unwrap_or_else(|| (SourceId::unique(), 0)));
        if let Err(error) = prepared {
            // Nothing was told to anybody yet: the next look begins again.
            for generation in std::mem::take(&mut self.line) {
                cx.ledger.release(&self.names.target, generation.file_id());
            }
            self.attached = false;
            return Err(error);
        }
        for generation in &self.line {
            self.open(cx, generation);
        }
        if self.line.is_empty() {
            self.awaited = open.iter().find(|(_, p)| is_promise(p)).map(|(id, _)| *id);
            self.await_next(cx);
        }
        self.give_up(cx, &open);
        self.saved.clear();
        Ok(())
    }

    /// Puts everything in line that is to be read.
    fn line_up(
        &mut self,
        cx: &mut Context<'_>,
        elsewhere: Vec<Claim>,
        here: Option<(File, Stat)>,
        at_path: (SourceId, u64),
    ) -> io::Result<()> {
        for Claim { id, offset, path, file, stat } in elsewhere {
            self.line.push_back(self.rotated(cx, id, Unread { path, file, stat, start: offset })?);
        }
        let here = match here {
            Some((file, stat)) => {
                Some(Generation::new(at_path.0, &self.names, Arc::new(file), stat, Start::At(at_path.1), cx.now)?)
            }
            None => None,
        };
        for generation in self.line.iter().chain(&here) {
            cx.ledger.hold(&self.names.target, generation.file_id(), self.number);
        }
        // A file at the path of which nothing was read yet proves nothing about what came before it.
        if at_path.1 == 0 {
            for unread in self.between(cx, &mut |_| {})? {
                let generation = self.rotated(cx, SourceId::unique(), unread)?;
                cx.ledger.hold(&self.names.target, generation.file_id(), self.number);
                self.line.push_back(generation);
            }
        }
        if let Some(here) = here {
            self.newest = here.modified();
            self.line.push_back(here);
            self.attached = true;
        }
        Ok(())
    }

    /// The first open position that `fits` the file at the path and what it says.
    fn claim_path(
        &self,
        here: &Option<(File, Stat)>,
        open: &mut Vec<Saved>,
        fits: impl Fn(&FilePosition, &Stat) -> bool,
    ) -> io::Result<Option<(SourceId, u64)>> {
        let Some((file, stat)) = here else { return Ok(None) };
        for index in 0..open.len() {
            let (id, position) = &open[index];
            if fits(position, stat) && content::goes_on(file, stat, position)? {
                let claim = (*id, position.offset);
                open.remove(index);
                return Ok(Some(claim));
            }
        }
        Ok(None)
    }

    /// Positions whose file has another name now. The device may have been numbered anew since; the content is asked anyway.
    fn claim_renamed(&self, cx: &Context<'_>, open: &mut Vec<Saved>) -> io::Result<Vec<Claim>> {
        let mut claims = Vec::new();
        if open.iter().all(|(_, p)| is_promise(p)) {
            return Ok(claims);
        }
        let base = base(&self.watch.path);
        for Sibling { path, name, stat } in siblings::all(&self.watch.path)? {
            let fits = |p: &FilePosition| {
                let proven = p.identity.head.length > 0;
                p.identity.inode == stat.id.inode
                    && !is_promise(p)
                    && (proven || (p.identity.device == stat.id.device && siblings::is_rotation(&base, &name)))
            };
            let held = cx.ledger.holder(&self.names.target, stat.id).is_some();
            if held || !open.iter().any(|(_, p)| fits(p)) {
                continue;
            }
            let (file, stat) = match open_regular(&path) {
                Ok(opened) => opened,
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            for index in 0..open.len() {
                let (id, position) = &open[index];
                if fits(position) && content::goes_on(&file, &stat, position)? {
                    claims.push(Claim { id: *id, offset: position.offset, path, file, stat });
                    open.remove(index);
                    break;
                }
            }
        }
        Ok(claims)
    }

    /// Positions whose file was cut short, or is gone, but says on in a copy that is named like a rotated generation.
    fn claim_copies(&self, cx: &Context<'_>, open: &mut Vec<Saved>) -> io::Result<Vec<Claim>> {
        let mut claims: Vec<Claim> = Vec::new();
        let mut siblings = match open.iter().any(|(_, p)| p.identity.head.length > 0) {
            true => siblings::rotations(&self.watch.path)?,
            false => Vec::new(),
        };
        siblings.retain(|s| cx.ledger.holder(&self.names.target, s.stat.id).is_none() && !cx.watched.contains(&s.path));
        // The longest copy says the most.
        siblings.sort_by_key(|s| Reverse(s.stat.size));
        for Sibling { path, .. } in siblings {
            let Ok((file, stat)) = open_regular(&path) else { continue };
            if claims.iter().any(|claim| claim.stat.id == stat.id) {
                continue;
            }
            for index in 0..open.len() {
                let (id, position) = &open[index];
                if position.identity.head.length == 0 {
                    continue;
                }
                let goes_on = content::goes_on(&file, &stat, position)?;
                // The copy was made while we read on: all that it says was delivered.
                let behind = stat.size < position.offset
                    && content::is_telling(position.identity.head)
                    && content::begins(&file, position.identity.head)?;
                if goes_on || behind {
                    let offset = position.offset.min(stat.size);
                    claims.push(Claim { id: *id, offset, path, file, stat });
                    open.remove(index);
                    break;
                }
            }
        }
        Ok(claims)
    }

    /// Positions whose file is nowhere.
    fn give_up(&self, cx: &Context<'_>, open: &[Saved]) {
        for (id, position) in open {
            if Some(*id) == self.awaited {
                continue;
            }
            let path = self.watch.path.display();
            if self.attached && self.line.back().is_some_and(|g| g.file_id().inode == position.identity.inode) {
                counters::FILES_TRUNCATED.add(1);
            }
            if position.offset > 0 || position.identity.head.length > 0 {
                tracing::warn!(%path, offset = position.offset,
                    "the log file that was read so far in an earlier run is nowhere in its folder; lines written to it since then are missed");
            }
            cx.checkpoints.finish(*id, position.offset);
        }
    }
}

/// Whether a position stands for a file that did not exist yet, or was never seen: it fits whatever is at the path.
fn is_promise(position: &FilePosition) -> bool {
    let identity = &position.identity;
    identity.device == 0 && identity.inode == 0 && identity.head.length == 0
}

fn base(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}
