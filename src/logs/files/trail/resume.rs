//! The first look at a path: where the positions of earlier runs lead.
//!
//! A position is looked for, in this order: in the file at the path; in a file of the same inode under another name (it
//! was rotated while nobody watched); in what replaced it at the path with the same content; in a copy beside it (it
//! was copied and cut short). The content decides each time. What is found elsewhere is read first, oldest first, then
//! generations that nobody saw at all, then the file at the path.
//!
//! | saved | means | and there may be more to read |
//! |---|---|---|
//! | a position with a head | what is known by its content is read up to it | no, if its file is found and reading had begun at the path |
//! | one without | the file was empty; nothing is known by it | all that was written since |
//! | a promise | of what was written since then, what belongs to no position could not be opened, or did not exist | all that was written since |
//!
//! What cannot be opened now is promised anew before the old promise is forgotten.
use super::{
    Context, Stand, Trail,
    between::Ask,
    claims::{Claim, Claims, Saved, is_promise},
    judging::Unread,
};
use crate::{
    logs::files::{
        TICK,
        generation::{Generation, Start, open_regular},
        search::{self, Search},
        siblings,
    },
    model::{FileIdentity, FilePosition, Fingerprint, Position, SourceId, Timestamp},
    platform::files::{self, Stat},
    telemetry::counters,
};
use std::{
    fs::File,
    io::{self, ErrorKind},
};

type Trouble = (&'static str, io::Error);

impl Trail {
    /// The first look. Leaves everything as it is when it is too early to tell; then it is done again.
    pub(super) fn start(&mut self, cx: &mut Context<'_>, at_path: Option<Stat>) -> Result<(), Trouble> {
        self.meet_home();
        if self.saved().is_empty() {
            self.start_afresh(cx, at_path)?;
        } else if at_path.is_some() || self.a_folder_is_there() {
            let trouble = |e| ("cannot find out where reading stopped in an earlier run", e);
            self.resume(cx).map_err(trouble)?;
        } else {
            self.miss_folder(cx);
            return Ok(());
        }
        self.first_look = None;
        self.recovered(cx);
        Ok(())
    }

    /// Nobody knows this path. Only here the settings say where to begin.
    fn start_afresh(&mut self, cx: &mut Context<'_>, at_path: Option<Stat>) -> Result<(), Trouble> {
        let Some(seen) = at_path else {
            self.tell_absent();
            self.await_first(cx);
            return Ok(());
        };
        if cx.ledger.holder(&self.names.target, seen.id).is_some() {
            return Ok(()); // Another trail reads it; the next look says so.
        }
        let first = self.first_look.get_or_insert_default();
        let (id, size) = *first.seen.get_or_insert((seen.id, seen.size));
        let (file, stat) = self.open_at_path(cx.now).map_err(|e| ("cannot open the log file", e))?;
        let start = if self.watch.from_beginning || stat.id != id { Start::At(0) } else { Start::LineOf(size) };
        let generation = Generation::new(SourceId::unique(), &self.names, file, stat, start, cx.now);
        self.take_up(cx, generation.map_err(|e| ("cannot read the log file", e))?);
        self.stand = Stand::Following;
        self.newest = stat.modified.into();
        Ok(())
    }

    /// An empty mount point looks like a folder from which everything was deleted, but it lies on another device.
    fn a_folder_is_there(&self) -> bool {
        let devices = || self.saved().iter().map(|(_, p)| p.identity.device).filter(|device| *device != 0);
        let folders = self.places().into_iter().filter_map(|place| files::stat(siblings::folder(&place)).ok());
        folders
            .into_iter()
            .any(|folder| devices().any(|device| device == folder.id.device) || devices().next().is_none())
    }

    /// What is at the path stays open until all is found out: a compressed file that may not be complete is waited for, and the
    /// log may be rotated and compressed itself meanwhile, while its writer goes on.
    fn resume(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        let met = self.first_look.as_mut().and_then(|first| first.met.take());
        let met = met.and_then(|file| Some((files::stat_open(&file).ok()?, file)));
        let here = match met {
            // What still has a name is found by that.
            Some((stat, file)) if stat.links == 0 => Some((file, stat)),
            Some(_) | None => match open_regular(&self.watch.path) {
                Ok(opened) => Some(opened),
                Err(error) if error.kind() == ErrorKind::NotFound => None,
                Err(error) => return Err(error),
            },
        };
        let met = here.as_ref().and_then(|(file, _)| file.try_clone().ok());
        let resumed = self.resume_from(cx, here);
        if let (Err(error), Some(first)) = (&resumed, &mut self.first_look) {
            first.met = met.filter(|_| search::is_still_changing(error));
        }
        resumed
    }

    fn resume_from(&mut self, cx: &mut Context<'_>, here: Option<(File, Stat)>) -> io::Result<()> {
        let here = here.filter(|(_, stat)| cx.ledger.holder(&self.names.target, stat.id).is_none());
        let saved = self.saved().to_vec();
        let (promises, files) = saved.iter().cloned().partition::<Vec<_>, _>(|(_, p)| is_promise(p));
        // Beside positions a promise speaks of what lies between them, not of the file at the path.
        let (files, kept) = if files.is_empty() { (promises.clone(), Vec::new()) } else { (files, promises.clone()) };
        let mut claims = Claims::new(&files);
        let is_here = |stat: &Stat| here.as_ref().is_some_and(|(_, here)| here.id == stat.id);
        let held = |stat: &Stat| is_here(stat) || cx.ledger.holder(&self.names.target, stat.id).is_some();
        let places = self.places();
        let search = Search {
            places: &places,
            newest: &[],
            any_name: true,
            in_hand: &[],
            anyway: self.is_impatient(cx.now),
            wall: cx.wall,
        };
        let mut at_path = claims.at_path(here.as_ref())?;
        let mut elsewhere = claims.renamed(&search, &held)?;
        // By what they are called now they tell what is younger, if the file at the path came after them and was not
        // cut short: copies of it that were delivered may be called so too.
        let known = |stat: &Stat| saved.iter().any(|(_, p)| p.identity.inode == stat.id.inode);
        let cut_short = here.as_ref().is_some_and(|(_, stat)| known(stat));
        let last = elsewhere.iter().filter(|_| !cut_short).map(|claim| claim.stat.id).collect();
        if at_path.is_none() {
            at_path = claims.replaced(here.as_ref())?;
        }
        let taken = |stat: &Stat| held(stat) || elsewhere.iter().any(|claim| claim.stat.id == stat.id);
        let search = Search { any_name: false, ..search };
        elsewhere.extend(claims.copies(&search, &|s| taken(&s.stat) || self.is_watched(cx, &s.path))?);
        elsewhere.sort_by_key(|claim| claim.stat.modified);
        let Claims { open, merged } = claims;
        self.last = if at_path.is_none() { last } else { Vec::new() };

        // What is nowhere, or was only taken on trust, may stand in a file that proves nothing; so may what came after
        // it.
        let trusted = saved.iter().filter(|(_, p)| p.identity.head.length == 0);
        let doubtful = open.iter().chain(trusted).filter(|(_, p)| !is_promise(p));
        let nowhere = doubtful.chain(&promises).map(|(_, p)| p.modified).min();
        self.newest = nowhere.or_else(|| saved.iter().map(|(_, p)| p.modified).max()).unwrap_or_default();
        let at_path = at_path.unwrap_or_else(|| (SourceId::unique(), 0));
        // A file at the path of which nothing was read yet proves nothing about what came before it.
        let search = nowhere.is_some() || at_path.1 == 0;
        let (since, here_id) = (self.newest, here.as_ref().map(|(_, stat)| stat.id));
        let (more, unread) = match self.fill_queue(cx, elsewhere, here, at_path, search) {
            Ok(prepared) => prepared,
            Err(error) => {
                // Nothing was told to anybody yet: the next look begins again.
                for id in self.queue.drain(..).map(|generation| generation.file_id()).chain(here_id) {
                    cx.ledger.release(&self.names.target, id);
                }
                self.stand = Stand::Without;
                return Err(error);
            }
        };
        // The file at the path last: saved without what comes before it, its position would speak for all of that.
        let following = usize::from(self.is_following());
        let before = self.queue.len() - following;
        self.queue.iter().take(before).for_each(|generation| self.open(cx, generation));
        self.settle(cx, since, more);
        self.queue.iter().skip(before).for_each(|generation| self.open(cx, generation));
        if let Some(unread) = unread {
            self.await_turn(cx, &unread);
        }
        if self.queue.is_empty() {
            self.tell_absent();
            self.awaited = open.iter().find(|(_, p)| is_promise(p)).map(|(id, _)| *id);
            self.await_next(cx);
        }
        if search {
            self.look_again_later(cx.now, since);
        }
        for (id, position) in merged.into_iter().chain(kept) {
            cx.checkpoints.finish(id, position.offset);
        }
        self.give_up(cx, &open);
        Ok(())
    }

    /// There is no room for all that came before the file at the path: it waits until those were read. Nothing of it was.
    fn await_turn(&mut self, cx: &Context<'_>, unread: &Generation) {
        let position = unread.position();
        let identity = FileIdentity { head: Fingerprint::default(), ..position.identity };
        let position = FilePosition { identity, modified: self.newest, ..position };
        self.awaited = Some(unread.id);
        cx.checkpoints.open(unread.id, 0, Position::File(position));
    }

    /// Queues everything that is to be read. Says since when there is more, and what waits for that.
    fn fill_queue(
        &mut self,
        cx: &mut Context<'_>,
        elsewhere: Vec<Claim>,
        here: Option<(File, Stat)>,
        at_path: (SourceId, u64),
        search: bool,
    ) -> io::Result<(Option<Timestamp>, Option<Generation>)> {
        for Claim { id, offset, path, file, stat } in elsewhere {
            self.queue.push_back(self.rotated(cx, id, Unread { known: None, path, file, stat, start: offset })?);
        }
        let mut here = match here {
            Some((file, stat)) => {
                Some(Generation::new(at_path.0, &self.names, file, stat, Start::At(at_path.1), cx.now)?)
            }
            None => None,
        };
        for generation in self.queue.iter().chain(&here) {
            cx.ledger.hold(&self.names.target, generation.file_id(), self.number);
        }
        let mut more = None;
        if search {
            let ask = Ask { since: self.newest, at_most: cx.ledger.room() };
            // A compressed file may hold what it says.
            let nameless = here.take_if(|here| here.seen.links == 0);
            let is_nameless = nameless.is_some();
            self.queue.extend(nameless);
            let found = self.between(cx, ask, &mut |_| {});
            here = here.or_else(|| self.queue.pop_back_if(|_| is_nameless));
            let (unread, others) = found?;
            more = others;
            for unread in unread {
                let generation = self.rotated(cx, SourceId::unique(), unread)?;
                cx.ledger.hold(&self.names.target, generation.file_id(), self.number);
                self.meet_renamed(&generation);
                self.queue.push_back(generation);
            }
            // One without a name will be found by none: it is read now. What was found to say the same is passed over.
            let waits = |here: &Generation| here.offset == 0 && here.seen.links > 0;
            if let Some(since) = more
                && here.as_ref().is_none_or(waits)
            {
                here.iter().for_each(|here| cx.ledger.release(&self.names.target, here.file_id()));
                self.newest = since;
                return Ok((more, here));
            }
        }
        if let Some(mut here) = here {
            let is_there = || files::stat(&self.watch.path).is_ok_and(|stat| stat.id == here.file_id());
            let has_a_name = here.seen.links > 0;
            if search && has_a_name && !self.is_impatient(cx.now) && !is_there() {
                return Err(search::still_changing()); // What was found may be younger than it.
            }
            self.newest = here.modified();
            if has_a_name {
                self.stand = Stand::Following;
            } else {
                // It was rotated and compressed while it was held open, or deleted: what comes to the path is another one.
                here.detached = Some(cx.now);
                self.last = vec![here.file_id()];
                // Others that wait may be older: they are asked for before what came after it.
                self.newest = more.map_or(self.newest, |since| since.min(self.newest));
            }
            self.queue.push_back(here);
        }
        Ok((more, None))
    }

    /// Positions whose file is nowhere.
    fn give_up(&self, cx: &Context<'_>, open: &[Saved]) {
        for (id, position) in open {
            if Some(*id) == self.awaited {
                continue;
            }
            let path = self.watch.path.display();
            if self.is_following() && self.queue.back().is_some_and(|here| is_cut_short(here, position)) {
                counters::FILES_TRUNCATED.add(1);
            }
            if position.offset > 0 || position.identity.head.length > 0 {
                tracing::warn!(%path, offset = position.offset,
                    "the log file that was read so far is nowhere in its folder (of compressed files, those of gzip are searched); \
                    lines written to it since then are missed");
            }
            cx.checkpoints.finish(*id, position.offset);
        }
    }
}

/// Whether the file at the path is the one of the position. It is not if it was made later and was given the same
/// inode.
fn is_cut_short(here: &Generation, position: &FilePosition) -> bool {
    let made = here.file().file().metadata().and_then(|data| data.created()).ok();
    here.file_id().inode == position.identity.inode
        && made.is_none_or(|made| Timestamp::from(made) <= position.modified.plus(TICK))
}
