//! Generations that nobody saw at the path: finding them, and how many of them are held open.
//!
//! What is found is read before whatever came to the path later. A folder that is being renamed right now gives no
//! answer; nothing later in the queue is read before it has. A while after each rotation the folder is searched once
//! more, for what a rotation that was still going on may have hidden.
//!
//! A generation that waits costs an open file. When there are too many, the younger ones are left where they are: they
//! are found by their names and times once there is room. That they are owed is saved as a promise beside the positions
//! ([`Trail::settle`]), for whoever comes after a crash: whatever is younger than the promise, and belongs to no
//! position, is still to be read.
//!
//! Times alone do not tell: clocks are set back. What rotation has placed between the last known generation and the
//! path, by number or date, is younger whatever its time; see [`Search::newest`].
use super::{Context, Place, Trail, judging::Unread, turnover::Owed};
use crate::{
    logs::files::{
        Seen, TICK,
        generation::Generation,
        search::{self, Search},
        siblings,
    },
    model::{Position, SourceId, Timestamp},
    platform::files,
};
use std::{
    collections::HashMap,
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

/// The least difference of two times.
const LEAST_DIFFERENCE: Duration = Duration::from_millis(1);
/// So long after a rotation it is over, and its folder is searched once more.
pub(super) const OVER: Duration = Duration::from_secs(2);
/// A folder that is renamed in for longer than this is taken as it is.
const LONGEST_RENAMING: Duration = Duration::from_secs(10);
/// The places that a link led to before are searched as well; so many are remembered.
const HOMES: usize = 2;

/// Which generations are asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ask {
    /// Those that were written to since then.
    pub since: Timestamp,
    /// So many may be opened.
    pub at_most: usize,
}

/// One more search, for what was hidden in the one before.
#[derive(Debug, Default)]
pub(super) struct Again {
    due: Option<Instant>,
    since: Timestamp,
    /// A rotation came after that: since when its generations are.
    then: Option<Timestamp>,
    /// The last search has passed over compressed files that may not have been complete.
    pub(super) incomplete: bool,
    /// Found to hold nothing new, as they were: not opened again while a search is due. Whose content they hold, if that
    /// was read and is cut short since.
    pub(super) judged: HashMap<Seen, Option<SourceId>>,
}

impl Trail {
    /// The path, and the files that it and its saved positions led to as a link.
    pub(in crate::logs::files) fn places(&self) -> Vec<PathBuf> {
        let mut places = vec![self.watch.path.clone()];
        let saved = self.saved().iter().filter_map(|(_, position)| position.home.as_deref());
        for home in self.homes.iter().map(PathBuf::as_path).chain(saved) {
            if !places.iter().any(|place| place == home) {
                places.push(home.to_owned());
            }
        }
        places
    }

    /// Notes where a link leads.
    pub(super) fn meet_home(&mut self) {
        let Some(home) = siblings::home(&self.watch.path) else { return };
        if self.homes.first() != Some(&home) {
            self.names.home = Some(Arc::from(home.as_path()));
            self.homes.retain(|known| *known != home);
            self.homes.insert(0, home);
            self.homes.truncate(HOMES);
            self.moved = true;
        }
    }

    /// Whether a file is configured itself, under this path or another one of its folder.
    pub(super) fn is_watched(&self, cx: &Context<'_>, path: &Path) -> bool {
        let folder = |path: &Path| files::stat(siblings::folder(path)).ok().map(|stat| stat.id);
        let same = |other: &PathBuf| other.file_name() == path.file_name() && folder(other) == folder(path);
        cx.watched.contains(path) || !self.homes.is_empty() && cx.watched.iter().any(same)
    }

    /// How many files may be opened now. A path that has nothing else to read may always open one.
    pub(super) fn room(&self, cx: &Context<'_>) -> usize {
        cx.ledger.room().max(usize::from(self.is_at_rest()))
    }

    /// Everything that can be read was. At the path a line may be without its end for ever.
    pub(super) fn is_at_rest(&self) -> bool {
        let part = |place| self.is_attached(Place::Queue(place)) && !self.queue[place].unread;
        self.queue.iter().enumerate().all(|(place, generation)| generation.drained() || part(place))
    }

    /// Some generations are not opened now.
    pub(super) fn hold_back(&mut self, cx: &mut Context<'_>) {
        self.held_back = true;
        cx.ledger.crowded(&self.watch.path);
    }

    /// Whether files were renamed for so long that waiting for an end is no use.
    pub(super) fn is_impatient(&self, now: Instant) -> bool {
        self.changing.is_some_and(|since| now.saturating_duration_since(since) >= LONGEST_RENAMING)
    }

    /// A search came to nothing because files are being renamed: soon again.
    pub(super) fn wait_for_calm(&mut self, now: Instant) {
        self.soon = true;
        if self.changing.is_none() {
            tracing::debug!(path = %self.watch.path.display(), "the rotated files are still changing; looking again");
            self.changing = Some(now);
        }
    }

    /// Whatever is beside the path now was there before us. New is what is written from now on, by the clock of the
    /// file system, which lags behind ours.
    pub(super) fn begin_here(&mut self, cx: &Context<'_>) {
        self.newest = cx.wall.minus(TICK);
        let (places, newest) = (self.places(), self.newest);
        let search =
            Search { places: &places, newest: &[], any_name: false, in_hand: &[], anyway: true, wall: cx.wall };
        let there = search.list(&|sibling| Timestamp::from(sibling.stat.modified) >= newest);
        // What cannot be listed now is judged by its time alone.
        self.strangers = there.unwrap_or_default().iter().map(|sibling| Seen::from(sibling.stat)).collect();
    }

    /// What a later run is to take for new, if nothing comes before.
    pub(super) fn new_since(&self, wall: Timestamp) -> Timestamp {
        let dealt_with = self.strangers.iter().chain(&self.twins);
        let strangers = dealt_with.map(|seen| Timestamp::from(seen.modified).plus(LEAST_DIFFERENCE)).max();
        self.newest.max(strangers.map_or(self.newest, |after| after.min(wall)))
    }

    /// Nothing is at the path. What was there since the last look may lie beside it.
    pub(super) fn search_behind(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        if self.detach(cx.now) {
            self.searched.clear();
        }
        let folders = self.places().into_iter().filter_map(|place| files::stat(siblings::folder(&place)).ok());
        let dates: Vec<_> = folders.map(|folder| folder.modified).collect();
        // A change in the last moments may not have moved the folder's time, which ticks.
        let unsure = dates.iter().any(|date| cx.wall < Timestamp::from(*date).plus(TICK));
        if dates.is_empty() || !unsure && self.searched == dates {
            return Ok(());
        }
        let at_most = self.room(cx);
        let ask = Ask { since: self.newest, at_most };
        if at_most == 0 {
            self.owe_all(cx);
            self.hold_back(cx);
        } else if self.take_up_between(cx, ask)?.is_some() {
            self.hold_back(cx);
        } else {
            self.searched = dates;
        }
        Ok(())
    }

    /// The last rotation is over: the generations that it may have hidden are searched for.
    pub(super) fn look_again_later(&mut self, now: Instant, since: Timestamp) {
        match self.again.due {
            Some(_) => self.again.then = Some(self.again.then.map_or(since, |then| then.min(since))),
            None => (self.again.due, self.again.since) = (Some(now + OVER), since),
        }
    }

    /// Where no second search is due, and none has to be repeated, nobody asks what the first one found.
    pub(super) fn forget_judged(&mut self) {
        if self.again.due.is_none() && self.queue.iter().all(|generation| generation.retry.is_none()) {
            self.again.judged.clear();
        }
    }

    /// What says the same as a file in hand did a moment ago is asked once more: the file may say something else now, and
    /// none of that was read.
    pub(super) fn forget_likeness(&mut self) {
        self.again.judged.retain(|_, of| of.is_some());
    }

    /// Whether one more search is to come.
    pub(super) fn is_searching(&self) -> bool {
        self.again.due.is_some()
    }

    pub(super) fn look_again(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        let at_most = self.room(cx);
        if self.again.due.is_none_or(|due| cx.now < due) || at_most == 0 {
            return Ok(());
        }
        if self.take_up_before_last(cx, Ask { since: self.again.since, at_most })?.is_some() {
            // What was opened may have been known already.
            self.soon |= cx.ledger.room() > 0;
            self.again.due = Some(if cx.ledger.room() > 0 { cx.now } else { cx.now + OVER });
            return Ok(());
        }
        if self.again.incomplete {
            self.again.due = Some(cx.now + OVER);
            return Ok(());
        }
        self.settle_owed(cx);
        self.again = match self.again.then {
            Some(since) => {
                // The others are not asked for any more.
                let mut judged = std::mem::take(&mut self.again.judged);
                judged.retain(|seen, _| Timestamp::from(seen.modified) >= since);
                Again { due: Some(cx.now + OVER), since, then: None, incomplete: false, judged }
            }
            None => Again::default(),
        };
        Ok(())
    }

    /// A search for what was written since `asked` is over, and what it found is in hand: all, or all but what was written since
    /// `more` and what was passed over. That is saved, before anything of what came later is.
    pub(super) fn settle(&mut self, cx: &Context<'_>, asked: Timestamp, more: Option<Timestamp>) {
        let before = self.debt;
        let more = more.or(self.again.incomplete.then_some(asked));
        // What was owed from earlier on was not asked for.
        let owed = before.map(|(_, since)| since).filter(|since| *since < asked).or(more);
        self.debt = owed.map(|since| (before.map_or_else(SourceId::unique, |(id, _)| id), since));
        match (self.debt, before) {
            (Some((id, since)), _) if self.debt != before => {
                self.note_debt(cx, id);
                cx.checkpoints.open(id, 0, Position::File(self.promise(since)));
            }
            (None, Some((id, _))) => {
                cx.checkpoints.finish(id, 0);
                cx.board.forget(id);
            }
            (Some(_) | None, _) => {}
        }
        if let Some(since) = owed {
            self.look_again_later(cx.now, since);
        }
    }

    /// Nothing could be searched for, and something later may be met before it can.
    pub(super) fn owe_all(&mut self, cx: &Context<'_>) {
        self.settle(cx, self.newest, Some(self.newest));
    }

    /// The ledger knows nothing of an empty file: it would be found and opened again and again.
    pub(super) fn passed(&mut self, generation: &Generation) {
        if generation.was_empty() {
            self.again.judged.insert(Seen::from(generation.seen), Some(generation.id));
        }
    }

    /// Rotated generations that came and went between two looks take their place in the queue. Says since when there are more than
    /// may be opened now.
    pub(super) fn take_up_between(&mut self, cx: &mut Context<'_>, ask: Ask) -> io::Result<Option<Timestamp>> {
        let (found, more) = self.between(cx, ask, &mut |_| {})?;
        self.enqueue(cx, found)?;
        self.settle(cx, ask.since, more);
        Ok(more)
    }

    /// As [`Self::take_up_between`], before the file that is at the path.
    pub(super) fn take_up_before_last(&mut self, cx: &mut Context<'_>, ask: Ask) -> io::Result<Option<Timestamp>> {
        let following = self.is_following();
        let Some(last) = self.queue.pop_back_if(|_| following) else { return self.take_up_between(cx, ask) };
        let found = self.between(cx, ask, &mut |_| {});
        let is_there = files::stat(&self.watch.path).is_ok_and(|stat| stat.id == last.file_id());
        let taken = match found {
            // What was found may be younger than the last one: that was rotated away itself, and is asked for again.
            Ok((found, _)) if !found.is_empty() && !is_there => Err(search::still_changing()),
            Ok((found, more)) => self.enqueue(cx, found).map(|()| {
                self.settle(cx, ask.since, more);
                more
            }),
            Err(error) => Err(error),
        };
        self.queue.push_back(last);
        taken
    }

    fn enqueue(&mut self, cx: &mut Context<'_>, found: Vec<Unread>) -> io::Result<()> {
        for unread in found {
            // The rest of one that was cut short goes on under its id: what of it was handed on, and is not delivered
            // yet, stays its own, and its saved position says so until then.
            let rest_of = |owed: &Owed| unread.known == Some(owed.id) && unread.start == owed.offset;
            let old = self.owed.iter().find(|owed| rest_of(owed)).map(|owed| owed.id);
            let generation = self.rotated(cx, old.unwrap_or_else(SourceId::unique), unread)?;
            self.meet_renamed(&generation);
            match old {
                Some(id) => {
                    self.owed.retain(|owed| owed.id != id);
                    self.queue_up(cx, generation);
                }
                None => self.take_up(cx, generation),
            }
        }
        Ok(())
    }

    /// Another one that was renamed after those that were the last ones. Copies tell nothing: where they are made
    /// nobody is.
    pub(super) fn meet_renamed(&mut self, generation: &Generation) {
        if !self.last.is_empty() {
            self.last.push(generation.file_id());
        }
    }
}
