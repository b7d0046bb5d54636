//! What the sources share that read a system's own log entry by entry: the journal, Windows events, the unified log.
//!
//! Owned here: the line on the board, the saved position, what is sent and to which lane ([`Source`]), the program that prints
//! the log ([`child`]), and how long to wait after a failure. Left to each source: how its log is asked, and what an entry is.
//!
//! When a lane is full, sending waits, and with it the reading: the log itself is the buffer. Nothing that was read and not
//! acknowledged is forgotten; it is read again at the next start.
//!
//! To add such a source, give it a position in `model::position`, a line in [`place`], and a loop that calls [`Source::take`]
//! for each entry, [`Source::send`] when there is a pause, and [`Source::rest_after`] when the log fails.
pub mod child;
mod gather;
mod lines;
mod place;
mod streams;
#[cfg(test)]
mod tests;

pub use place::Place;

use crate::{
    config::settings::text::TextRules,
    logs::text::{Treated, Treatment},
    model::{Checkpoints, Outlet, SourceId, Target, TimedBy, Timestamp},
    telemetry::{board::Board, chain, counters::Counter},
};
use gather::Gatherer;
use std::{borrow::Cow, error::Error, sync::Arc, time::Duration};
use streams::Streams;

/// The first wait before the log is tried again; it doubles up to [`LONGEST_WAIT`].
pub const WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// The wait where only a person can help.
pub const SELDOM: Duration = Duration::from_secs(10 * 60);
/// Entries that may be read ahead of what is delivered, where units have streams of their own: one that takes nothing holds the
/// position back, and what the others deliver meanwhile is remembered, and sent again after a crash.
const AHEAD: u64 = 50_000;
/// How often to look whether it is less.
const LOOK: Duration = Duration::from_millis(250);

/// The rooms around a source.
#[derive(Clone)]
pub struct Site {
    pub checkpoints: Arc<dyn Checkpoints>,
    pub outlet: Arc<dyn Outlet>,
    pub board: Arc<Board>,
    /// The wall clock.
    pub clock: fn() -> Timestamp,
}

/// What a source is called, and where its events go.
pub struct About {
    /// The line on the board.
    pub name: String,
    /// For messages: `the journal`.
    pub what: &'static str,
    /// The item of the configuration, as positions have it.
    pub item: Arc<str>,
    pub target: Arc<Target>,
    pub text: Arc<TextRules>,
    /// Counts how often the log had to be begun anew.
    pub restarts: &'static Counter,
}

/// One entry of the log.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Entry<P> {
    /// Where reading goes on behind it.
    pub place: P,
    pub at: Timestamp,
    /// What is sent; `None` for an entry that has nothing to say.
    pub text: Option<String>,
    /// Whether the text holds replacement characters for bytes that were no UTF-8.
    pub mended: bool,
    /// Whose stream it belongs to, where units have streams of their own.
    pub unit: String,
}

/// What is sent of an entry, in parts where it is too long.
struct Said<'a> {
    text: Cow<'a, [u8]>,
    at: Timestamp,
    timed_by: TimedBy,
    mended: bool,
}

fn within<'a>(around: Option<(&str, &str)>, text: Cow<'a, [u8]>) -> Cow<'a, [u8]> {
    match around {
        None => text,
        Some((before, behind)) => Cow::Owned([before.as_bytes(), &text, behind.as_bytes()].concat()),
    }
}

/// Nobody takes chunks any more.
#[derive(Debug)]
pub struct Closed;

/// One log while it is read.
pub struct Source<P> {
    about: About,
    id: SourceId,
    gatherer: Gatherer<P>,
    /// Of the chunk that is being gathered.
    unit: String,
    streams: Streams,
    treatment: Treatment,
    /// Put around each text when it is treated.
    around: Option<(&'static str, &'static str)>,
    /// Whether the keeper of positions knows of this source.
    open: bool,
    checkpoints: Arc<dyn Checkpoints>,
    board: Arc<Board>,
    clock: fn() -> Timestamp,
    told: Told,
    wait: Duration,
    /// Entries read when it failed for the last time.
    failed_at: u64,
}

/// What was last said about this log, so that it is said once.
#[derive(Default)]
struct Told {
    error: Option<String>,
    words: Option<String>,
    unreadable: bool,
    empty: bool,
}

impl<P: Place> Source<P> {
    /// Continues where this item of the configuration was left, if it ever was.
    pub fn new(about: About, site: Site) -> Self {
        let Site { checkpoints, outlet, board, clock } = site;
        let saved = checkpoints.saved().into_iter().find_map(|(id, position)| {
            P::of(position).filter(|place| place.item() == about.item.as_ref()).map(|place| (id, place))
        });
        let (id, last) = match saved {
            Some((id, place)) => (id, Some(place)),
            None => (SourceId::unique(), None),
        };
        board.source(id, |line| {
            line.name.clone_from(&about.name);
            line.group.clone_from(&about.target.group);
            line.stream.clone_from(&about.target.stream);
            line.catching_up = true;
        });
        let mut source = Self {
            id,
            gatherer: Gatherer::new(id, last.clone(), &about.text),
            unit: String::new(),
            streams: Streams::new(&about.target, outlet),
            treatment: Treatment::new(about.text.clone()),
            around: None,
            open: false,
            checkpoints,
            board,
            clock,
            told: Told::default(),
            wait: WAIT,
            failed_at: 0,
            about,
        };
        if let Some(last) = last {
            source.open_at(last);
        }
        source
    }

    /// Each text is a JSON object. Put this before and behind it when it is treated: only its size counts that, too.
    pub fn wrapped(mut self, before: &'static str, behind: &'static str) -> Self {
        self.around = Some((before, behind));
        self.treatment = self.treatment.of_json();
        self
    }

    /// Which item of the configuration this is.
    pub fn item(&self) -> Arc<str> {
        self.about.item.clone()
    }

    /// Where the last entry was that was read, by this run or an earlier one.
    pub fn last(&self) -> Option<&P> {
        self.gatherer.last()
    }

    /// Whether a place is saved already.
    pub fn is_open(&self) -> bool {
        self.open
    }

    /// Nothing is delivered yet behind this place: save it. Before that nothing is acknowledged.
    pub fn open_at(&mut self, place: P) {
        self.checkpoints.open(self.id, 0, place.position());
        self.open = true;
    }

    /// Another program has delivered everything up to here: go on behind it.
    pub fn go_on_at(&mut self, place: P) {
        self.gatherer.go_on_at(place.clone());
        self.open_at(place);
    }

    /// Take the next entry; what is full is sent.
    pub async fn take(&mut self, entry: Entry<P>) -> Result<(), Closed> {
        let said = entry.text.as_ref().and_then(|text| {
            let treated = self.treatment.treat_timed(text.as_bytes(), entry.at, (self.clock)());
            let Treated::Send { text, at, timed_by } = treated else { return None };
            Some(Said { text: within(self.around, text), at, timed_by, mended: entry.mended })
        });
        if self.streams.differ() && said.is_some() && entry.unit != self.unit {
            // A chunk goes to one lane. What is not sent may be covered by any.
            if self.gatherer.has_events() {
                self.send().await?;
            }
            self.unit.clone_from(&entry.unit);
        }
        self.gatherer.take(entry.place, said);
        if self.gatherer.is_full() { self.send().await } else { Ok(()) }
    }

    /// Send what was gathered.
    pub async fn send(&mut self) -> Result<(), Closed> {
        let Some(chunk) = self.gatherer.chunk() else { return Ok(()) };
        let read = chunk.to;
        self.streams.of(&self.unit).send(Box::new(chunk)).await.map_err(|_| Closed)?;
        self.works(read);
        while self.streams.differ()
            && self.checkpoints.delivered(self.id).is_some_and(|(reached, _)| read.saturating_sub(reached) > AHEAD)
        {
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }

    /// The log is read again, or still.
    fn works(&mut self, read: u64) {
        self.board.source(self.id, |line| {
            line.read = read;
            (line.state, line.last_error) = (None, None);
        });
        if self.told.error.take().is_some() {
            tracing::info!(source = self.about.name, "{} is read again", self.about.what);
        }
    }

    /// Everything that was there has been read.
    pub fn caught_up(&mut self) {
        self.board.source(self.id, |line| line.catching_up = false);
    }

    /// There is nothing to read, and most likely there should be: `state` says what there is, `advice` what to look at.
    pub fn empty(&mut self, state: &str, advice: &str) {
        self.board.source(self.id, |line| line.state = line.last_error.is_none().then(|| state.to_owned()));
        if !std::mem::replace(&mut self.told.empty, true) {
            tracing::warn!("{} {state}: {advice}", self.about.what);
        }
    }

    /// What a program says while it works: that it may not see all entries, that a file is corrupt.
    pub fn hear(&mut self, program: &str, words: String) {
        if self.told.words.as_ref() != Some(&words) {
            tracing::warn!(%words, "{program} has something to say");
            self.told.words = Some(words);
        }
    }

    /// An entry cannot be read and is left out.
    pub fn unreadable(&mut self, counter: &Counter, error: &(dyn Error + 'static)) {
        counter.add(1);
        if !std::mem::replace(&mut self.told.unreadable, true) {
            tracing::warn!(error, "an entry of {} cannot be read and is left out", self.about.what);
        }
    }

    /// The log failed: say why, once, and wait for as long as it is worth.
    pub async fn rest_after(&mut self, error: &(dyn Error + Send + Sync + 'static), needs_a_person: bool) {
        let text = chain(error);
        self.board.source(self.id, |line| {
            (line.state, line.last_error) = (None, Some(text.clone()));
            // Where there is no log, nobody should wait for it.
            line.catching_up &= !needs_a_person;
        });
        if self.told.error.as_ref() != Some(&text) {
            tracing::error!(error = %text, source = self.about.name, "{} is not read; trying again", self.about.what);
            self.told.error = Some(text);
        }
        if self.gatherer.read() > self.failed_at {
            (self.wait, self.failed_at) = (WAIT, self.gatherer.read());
        }
        if needs_a_person {
            return tokio::time::sleep(SELDOM).await;
        }
        tokio::time::sleep(self.wait).await;
        self.wait = (self.wait * 2).min(LONGEST_WAIT);
        self.about.restarts.add(1);
    }
}
