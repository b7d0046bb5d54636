//! Files that patterns match: when they get a trail and a lane, and when they lose both.
//!
//! One wakes when a scanner finds it new or changed; its trail begins as after a restart, where its saved position is.
//! It falls asleep when all of it is delivered and it was quiet for a while, or at once where others wait for a place.
//! Where everything that is awake goes on being written to while others wait, those that were awake longest are not read
//! any more until what they handed on is delivered; then they join those who wait.
use super::{Followed, Tailer};
use crate::{
    logs::files::{
        POLL, Seen, Watch,
        discovery::{News, family::Family},
        trail::{Context, Rest, Trail},
    },
    model::{FilePosition, SourceId, Timestamp},
    platform::{self, files},
};
use std::{
    collections::HashMap,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

/// Files of patterns that are followed at once: each costs an open file, and a lane of two tasks.
const MOST_AWAKE: usize = 512;
/// A file is left awake for so long after it was written to.
const QUIET: Duration = Duration::from_secs(60);
/// A turn for those that are always written to, where others wait.
const SPELL: Duration = Duration::from_secs(30);
/// How often files are looked after while some wait.
const PRESSED: Duration = Duration::from_millis(250);
/// Files that are woken or laid to rest in one turn.
const AT_ONCE: usize = 64;

/// So many files that came, changed or fell asleep leave memory behind that is worth giving back.
const STIRRED: usize = 256;

/// How much happened to files of patterns since memory was given back last, in files.
#[derive(Debug, Default)]
pub(super) struct Stir {
    all: usize,
    /// As it was at the last look after them.
    before: usize,
}

impl Stir {
    /// Whether it is over, and was much. What the lanes and the positions made of it is over then, too.
    fn is_over(&mut self) -> bool {
        let over = self.all >= STIRRED && self.all == self.before;
        self.before = self.all;
        if over {
            *self = Self::default();
        }
        over
    }
}

/// A pattern's file that has a trail.
#[derive(Debug)]
pub(super) struct Woken {
    family: usize,
    path: Arc<Path>,
    since: Instant,
    /// It is not read any more, so that others get its place.
    leaving: bool,
}

impl Tailer {
    /// Takes in news, wakes what has its turn, and lays to rest what is done. Says when it wants to be asked again.
    pub(super) fn tend(&mut self, now: Instant, wall: Timestamp) -> Duration {
        if self.families.is_empty() {
            return Duration::MAX;
        }
        if !self.asked.is_empty() {
            let names = std::mem::take(&mut self.asked);
            self.scanners.each().for_each(|inbox| inbox.changed(&names));
        }
        let heard = self.hear(now, wall);
        let due = heard || self.tended.is_none_or(|at| now >= at);
        let pressed = self.families.iter().any(Family::is_pressed);
        let every = if pressed { PRESSED } else { POLL };
        if due {
            self.tended = Some(now + every);
            for number in 0..self.trails.len() {
                self.tend_one(number, now, wall, pressed);
            }
            self.each_family(now, wall, |family, cx| {
                family.settle(cx);
                family.remove_past(cx);
            });
            if !pressed && self.stir.is_over() {
                platform::memory::give_back();
            }
        }
        let (woke, more) = self.wake_next(now, wall);
        if due || woke {
            self.note_families(now);
        }
        if more { Duration::ZERO } else { every }
    }

    /// Whether this file is not to be touched now: its mount does not answer, or it makes way.
    pub(super) fn is_left_alone(&self, number: usize, now: Instant) -> bool {
        let woken = self.trails[number].as_ref().and_then(|followed| followed.woken.as_ref());
        woken.is_some_and(|woken| woken.leaving || self.hangs(woken, now))
    }

    /// The lines of the patterns on the board.
    pub(super) fn note_families(&mut self, now: Instant) {
        for number in 0..self.families.len() {
            let hanging = self.scanners.hanging(number, now, |_| true).map(Path::to_owned);
            self.one_family(number, now, Timestamp::default(), |family, cx| family.note(cx, hanging.as_deref()));
        }
    }

    /// `true`: there was news.
    fn hear(&mut self, now: Instant, wall: Timestamp) -> bool {
        let mut changed: HashMap<usize, Vec<_>> = HashMap::new();
        let before = self.stir.all;
        for news in self.news.try_iter().flatten() {
            self.stir.all += 1;
            match &news {
                News::Folder { path, there } => {
                    match there {
                        Some(id) => _ = self.found.insert(path.clone(), *id),
                        None => _ = self.found.remove(path),
                    }
                    self.moved = true;
                }
                News::Seen { family, .. }
                | News::Gone { family, .. }
                | News::Listed { family }
                | News::Shared { family, .. }
                | News::Trouble { family, .. } => {
                    let family = *family;
                    self.families[family].hear(news, changed.entry(family).or_default());
                }
            }
        }
        for (number, changed) in changed {
            let mut hints = Vec::new();
            self.one_family(number, now, wall, |family, cx| hints = family.decide(cx, changed));
            self.hinted.extend(hints);
        }
        self.stir.all > before
    }

    /// Lays a file to rest, if it is time.
    fn tend_one(&mut self, number: usize, now: Instant, wall: Timestamp, pressed: bool) {
        if self.is_hanging(number, now) {
            return;
        }
        let Some(Followed { trail, woken: Some(woken) }) = &mut self.trails[number] else { return };
        trail.supersede(self.families[woken.family].is_past(&woken.path));
        woken.leaving |= pressed && now.saturating_duration_since(woken.since) >= SPELL;
        let (family, path) = (woken.family, woken.path.clone());
        let quiet = if pressed { Duration::ZERO } else { QUIET };
        let done = trail.rest(quiet, now);
        let rest = match done.clone() {
            Some(rest) => Some(rest),
            None if woken.leaving => trail.pause(),
            None => None,
        };
        if rest.is_none() && !trail.is_hollow() {
            // Rotated files are read to their end first.
            woken.leaving &= trail.pause().is_some();
            return;
        }
        if let Some(Rest { id, offset, .. }) = &rest {
            let delivered = self.checkpoints.delivered(*id);
            if delivered.is_none_or(|(reached, _)| reached < *offset) {
                return;
            }
        }
        let at_path = files::stat(&path).ok().map(Seen::from);
        match rest {
            // Something happened since it was looked at.
            Some(rest) if rest.here && at_path != Some(rest.seen.into()) && done.is_some() => {
                self.hinted.push(number);
                return;
            }
            Some(rest) if !rest.here && at_path.is_some() => return,
            None if at_path.is_some() => return,
            Some(_) | None => {}
        }
        let position = trail.position();
        self.with(number, now, wall, Trail::fold);
        self.let_go(number);
        self.one_family(family, now, wall, |family, cx| {
            family.laid_to_rest(
                cx,
                &path,
                done.is_some(),
                rest.map(|rest| (rest.id, rest.seen.into(), rest.here)),
                position,
            );
        });
    }

    fn is_hanging(&self, number: usize, now: Instant) -> bool {
        let woken = self.trails[number].as_ref().and_then(|followed| followed.woken.as_ref());
        woken.is_some_and(|woken| self.hangs(woken, now))
    }

    /// Whether the mount on which this file lies does not answer.
    fn hangs(&self, woken: &Woken, now: Instant) -> bool {
        self.scanners.hanging(woken.family, now, |root| woken.path.starts_with(root)).is_some()
    }

    /// Forgets a trail; with it goes its sender of the lane.
    fn let_go(&mut self, number: usize) {
        self.trails[number] = None;
        self.stir.all += 1;
        self.blocked.retain(|blocked| *blocked != number);
        self.hinted.retain(|hinted| *hinted != number);
        if std::mem::take(&mut self.queued[number]) {
            self.queue.retain(|queued| *queued != number);
        }
        self.by_name.retain(|_, numbers| {
            numbers.retain(|named| *named != number);
            !numbers.is_empty()
        });
    }

    /// Gives a trail to those who wait for one, while there is room. Says whether any got one, and whether more of them
    /// may at once.
    fn wake_next(&mut self, now: Instant, wall: Timestamp) -> (bool, bool) {
        // What cannot be read holds no file open, and must not keep others from being read.
        let is_awake = |f: &&Followed| f.woken.is_some() && !f.trail.is_complaining();
        let mut awake = self.trails.iter().flatten().filter(is_awake).count();
        let mut woken = 0;
        for number in 0..self.families.len() {
            while woken < AT_ONCE && (awake == 0 || awake < MOST_AWAKE && self.ledger.room() > 0) {
                let mut next = None;
                self.one_family(number, now, wall, |family, cx| next = family.next_waiting(cx));
                let Some((path, waiting)) = next else { break };
                woken += 1;
                let (at_once, first, saved) = (waiting.is_at_once(), waiting.first, waiting.saved);
                let mut laid = false;
                self.one_family(number, now, wall, |family, cx| {
                    laid = saved.is_empty() && family.rest_unread(cx, &path, first);
                });
                if laid {
                    continue;
                }
                awake += 1;
                let from_beginning = self.families[number].watch.from_beginning || !first;
                let watch = self.families[number].watch_of(&path, from_beginning);
                let woken = Woken { family: number, path: path.clone(), since: now, leaving: false };
                let place = self.add(watch, saved, Some(woken));
                self.families[number].awake(&path, place);
                if at_once {
                    // Before the trail of another item that means it, too.
                    self.look(place, now, wall);
                }
            }
        }
        (woken > 0, woken == AT_ONCE)
    }

    /// Gives a file a trail, and says its number.
    pub(super) fn add(&mut self, watch: Watch, saved: Vec<(SourceId, FilePosition)>, woken: Option<Woken>) -> usize {
        let lane = self.outlet.lane(&watch.target, &self.waker);
        let place = self.trails.iter().position(Option::is_none).unwrap_or(self.trails.len());
        if place == self.trails.len() {
            self.trails.push(None);
            self.queued.push(false);
        }
        let trail = Trail::new(place, watch, lane, saved);
        let trail = match &woken {
            Some(woken) => trail.sharing(&woken.path),
            None => trail,
        };
        self.trails[place] = Some(Followed { trail, woken });
        self.name(place);
        self.hinted.push(place);
        place
    }

    fn each_family(&mut self, now: Instant, wall: Timestamp, mut act: impl FnMut(&mut Family, &mut Context<'_>)) {
        for number in 0..self.families.len() {
            self.one_family(number, now, wall, &mut act);
        }
    }

    fn one_family(
        &mut self,
        number: usize,
        now: Instant,
        wall: Timestamp,
        act: impl FnOnce(&mut Family, &mut Context<'_>),
    ) {
        let mut cx = Context {
            checkpoints: self.checkpoints.as_ref(),
            board: &self.board,
            waker: &self.waker,
            slice: 0,
            ledger: &mut self.ledger,
            watched: &self.watched,
            now,
            wall,
        };
        act(&mut self.families[number], &mut cx);
    }
}
