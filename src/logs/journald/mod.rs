//! The systemd journal through `journalctl`, whose cursor is the position.
//!
//! Owned here: the child process, its arguments and its death; [`entry`] reads its lines, [`cursor`] joins readings,
//! [`gather`] makes chunks. Left to others: who spawns [`run`] (the daemon), what becomes of chunks (`pipeline`), what
//! is saved (`positions`).
//!
//! | situation | what is read |
//! |---|---|
//! | nothing is saved | the running boot from its beginning, to the end; then what comes |
//! | a position is saved | every boot from that entry on, to the end; then what comes |
//! | the saved entry is vacuumed | what is left of its sequence; `JOURNAL_GAPS`, one warning |
//! | the journal began anew | what is later by boot or clock, then the whole running boot; the same |
//!
//! Catching up and following are two runs of journalctl, because from systemd 250 on `--follow` implies `--boot`, and
//! only from 258 on `--boot=all` takes that back: following alone would pass over the end of the boot before. While we
//! live no boot begins, so following the running one is enough. Both runs work on every version alike.
//!
//! When the lane is full, sending waits, the pipe fills, and journalctl waits: the journal itself is the buffer. When
//! journalctl dies it is started again after a while from the last entry that was read (`JOURNAL_RESTARTS`); where it
//! is not installed, that is said once and tried seldom. A crash or stop of ours loses nothing: what was not
//! acknowledged is read again.
//!
//! To send another form of text (the whole entry as JSON, say), change [`entry`]; to narrow what is read, add matches
//! to the arguments in [`child`].
mod child;
mod cursor;
mod entry;
mod gather;
mod lines;
#[cfg(test)]
mod tests;

use crate::{
    config::settings::Filter,
    model::{Checkpoints, Chunk, JournalPosition, LaneWaker, Outlet, Position, SourceId, Target},
    platform,
    telemetry::{board::Board, chain, counters},
};
use child::{JournalError, Output, Running, Seek};
use cursor::{Cursor, Seam};
use gather::Gatherer;
use std::{path::PathBuf, sync::Arc, time::Duration};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// The line on the board.
const NAME: &str = "systemd journal";
/// The state of a journal in which nothing was found.
const EMPTY: &str = "holds no entries of this boot";
/// The first wait before journalctl is started again; it doubles up to [`LONGEST_WAIT`].
const WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// The wait where only a person can help.
const SELDOM: Duration = Duration::from_secs(10 * 60);

/// What is read, and where it goes.
#[derive(Clone, Debug)]
pub struct Options {
    /// `journalctl`, or a path to it.
    pub program: PathBuf,
    /// The id of the running boot in that journal, 32 hexadecimal digits. `None`: not known; see [`cursor`].
    pub boot: Option<String>,
    pub target: Arc<Target>,
    pub filter: Filter,
}

impl Options {
    /// The machine's own journal.
    pub fn new(target: Arc<Target>, filter: Filter) -> Self {
        Self { program: "journalctl".into(), boot: platform::host::boot_id(), target, filter }
    }
}

/// Reads the journal until told to stop. Chunks that were not sent then are not lost: nobody acknowledges them.
pub async fn run(
    options: Options,
    checkpoints: Arc<dyn Checkpoints>,
    outlet: Arc<dyn Outlet>,
    board: Arc<Board>,
    stop: CancellationToken,
) {
    let program = options.program.clone();
    let start = move |arguments: &[String]| child::start(&program, arguments);
    let reader = Reader::new(options, Box::new(start), checkpoints, outlet.as_ref(), board);
    // It has senders of every lane, and would keep them all open.
    drop(outlet);
    stop.run_until_cancelled(reader.read()).await;
}

type Start = Box<dyn FnMut(&[String]) -> Result<Running, JournalError> + Send>;

/// One journal while it is read.
struct Reader {
    options: Options,
    start: Start,
    id: SourceId,
    gatherer: Gatherer,
    /// Whether the keeper of positions knows of this source.
    open: bool,
    checkpoints: Arc<dyn Checkpoints>,
    lane: mpsc::Sender<Chunk>,
    board: Arc<Board>,
    told: Told,
}

/// What was last said about this journal, so that it is said once.
#[derive(Default)]
struct Told {
    error: Option<String>,
    words: Option<String>,
    /// The saved cursor that was found missing.
    gap: Option<String>,
    unreadable: bool,
    empty: bool,
}

/// Why reading ended.
#[derive(Debug)]
enum End {
    Journal(JournalError),
    /// Nobody takes chunks any more.
    Closed,
}

impl From<JournalError> for End {
    fn from(error: JournalError) -> Self {
        Self::Journal(error)
    }
}

impl Reader {
    fn new(
        options: Options,
        start: Start,
        checkpoints: Arc<dyn Checkpoints>,
        outlet: &dyn Outlet,
        board: Arc<Board>,
    ) -> Self {
        let saved = checkpoints.saved().into_iter().find_map(|(id, position)| match position {
            Position::Journal(position) => Some((id, position)),
            Position::File(_) | Position::Unsaved => None,
        });
        let (id, last) = match saved {
            Some((id, position)) => (id, Some(position)),
            None => (SourceId::unique(), None),
        };
        board.source(id, |line| {
            line.name = NAME.to_owned();
            line.group.clone_from(&options.target.group);
            line.stream.clone_from(&options.target.stream);
            line.catching_up = true;
        });
        if let Some(position) = &last {
            checkpoints.open(id, 0, Position::Journal(position.clone()));
        }
        // `send` waits by itself, so nobody has to be woken.
        let lane = outlet.lane(&options.target, &LaneWaker::new(|| {}));
        let gatherer = Gatherer::new(id, options.filter.clone(), last);
        let open = gatherer.last().is_some();
        Self { options, start, id, gatherer, open, checkpoints, lane, board, told: Told::default() }
    }

    /// Reads until nobody takes chunks any more.
    async fn read(mut self) {
        let mut wait = WAIT;
        loop {
            let before = self.gatherer.read();
            let error = match self.read_once().await {
                Err(End::Closed) => return,
                Err(End::Journal(error)) => error,
                Ok(()) => {
                    JournalError::Ended { status: "success".to_owned(), said: "it should have gone on".to_owned() }
                }
            };
            if self.gatherer.read() > before {
                wait = WAIT;
            }
            self.tell(&error);
            match error {
                JournalError::Missing { .. } => tokio::time::sleep(SELDOM).await,
                JournalError::Start { .. }
                | JournalError::Read { .. }
                | JournalError::Forbidden { .. }
                | JournalError::Ended { .. } => {
                    tokio::time::sleep(wait).await;
                    wait = (wait * 2).min(LONGEST_WAIT);
                    counters::JOURNAL_RESTARTS.add(1);
                }
            }
        }
    }

    /// Catch up where something was saved or read before, then follow until journalctl ends.
    async fn read_once(&mut self) -> Result<(), End> {
        match self.gatherer.last().cloned() {
            Some(last) => self.catch_up(&last).await?,
            // One run that ends, so that it is known when everything that was there has been read.
            None => self.pass(&Seek::Boot, false, None).await?,
        }
        self.board.source(self.id, |line| line.catching_up = false);
        let Some(last) = self.gatherer.last().cloned() else {
            self.tell_empty();
            return self.pass(&Seek::Boot, true, None).await;
        };
        // The boot that is followed may be later than the last entry's: that is no gap.
        let mut seam = Seam::new(&last.cursor, None);
        self.pass(&Seek::Cursor(seekable(&last)), true, Some(&mut seam)).await
    }

    /// Read everything after `last` that is there by now, of every boot.
    async fn catch_up(&mut self, last: &JournalPosition) -> Result<(), End> {
        let mut seam = Seam::new(&last.cursor, self.options.boot.clone());
        let seek = Seek::Cursor(seekable(last));
        match self.pass(&seek, false, Some(&mut seam)).await {
            Err(End::Journal(JournalError::Ended { said, .. })) if said.contains("seek to cursor") => {
                tracing::warn!(%said, cursor = last.cursor, "the saved journal cursor is of no use: reading by time");
                let time = JournalPosition { cursor: String::new(), at: last.at };
                self.pass(&Seek::Cursor(seekable(&time)), false, Some(&mut seam)).await?;
            }
            other => other?,
        }
        let unusable = !Cursor::parse(&last.cursor).usable();
        if (seam.has_gap() || unusable) && self.told.gap.as_ref() != Some(&last.cursor) {
            counters::JOURNAL_GAPS.add(1);
            self.told.gap = Some(last.cursor.clone());
            let since = last.at.rfc3339();
            tracing::warn!(%since, "the last delivered journal entry is gone, and maybe others after it: reading goes on with what is left; \
                give the journal more room (SystemMaxUse in journald.conf)");
        }
        if seam.boot_must_be_read() {
            self.pass(&Seek::Boot, false, None).await?;
        }
        Ok(())
    }

    /// Read one run of journalctl to its end.
    async fn pass(&mut self, seek: &Seek, follow: bool, mut seam: Option<&mut Seam>) -> Result<(), End> {
        let arguments = child::arguments(seek, follow);
        let mut output = Output::of((self.start)(&arguments)?);
        while output.wait().await? {
            if let Some(words) = output.words() {
                self.hear(words);
            }
            loop {
                while let Some(line) = output.lines.next() {
                    self.take(line, seam.as_deref_mut());
                    if self.gatherer.is_full() {
                        self.send().await?;
                    }
                }
                if !output.more() {
                    break;
                }
            }
            // What is followed goes at once. Catching up ends soon, so its chunks may fill.
            if follow {
                self.send().await?;
            }
        }
        self.send().await?;
        Ok(output.end().await?)
    }

    fn take(&mut self, line: &[u8], seam: Option<&mut Seam>) {
        let entry = match entry::parse(line) {
            Ok(entry) => entry,
            Err(error) => {
                counters::JOURNAL_LINES_UNREADABLE.add(1);
                if !std::mem::replace(&mut self.told.unreadable, true) {
                    let error = &error as &(dyn std::error::Error + 'static);
                    tracing::warn!(error, "a line of journalctl cannot be read and is left out");
                }
                return;
            }
        };
        if seam.is_some_and(|seam| !seam.is_new(&entry.cursor)) {
            return;
        }
        if !self.open {
            // Nothing is delivered yet, so what is saved must lie before this entry.
            let at = crate::model::Timestamp::from_millis(i64::try_from(entry.micros / 1_000).unwrap_or(i64::MAX));
            let before = JournalPosition { cursor: Cursor::parse(&entry.cursor).just_before(), at };
            self.checkpoints.open(self.id, 0, Position::Journal(before));
            self.open = true;
        }
        self.gatherer.take(entry);
    }

    async fn send(&mut self) -> Result<(), End> {
        let Some(chunk) = self.gatherer.chunk() else { return Ok(()) };
        let read = chunk.to;
        self.lane.send(chunk).await.map_err(|_| End::Closed)?;
        self.board.source(self.id, |line| {
            line.read = read;
            (line.state, line.last_error) = (None, None);
        });
        if self.told.error.take().is_some() {
            tracing::info!("the journal is read again");
        }
        Ok(())
    }

    /// What journalctl says while it works: that it may not see all entries, that a file is corrupt.
    fn hear(&mut self, words: String) {
        if self.told.words.as_ref() != Some(&words) {
            tracing::warn!(%words, "journalctl has something to say");
            self.told.words = Some(words);
        }
    }

    /// A boot without any entry: most likely there is no journal, or not for us. journalctl says neither when it is asked for a boot.
    fn tell_empty(&mut self) {
        self.board.source(self.id, |line| line.state = line.last_error.is_none().then(|| EMPTY.to_owned()));
        if !std::mem::replace(&mut self.told.empty, true) {
            tracing::warn!(
                "the journal {EMPTY}: there is none on this host (see /var/log/journal and /run/log/journal), or this user may not \
                 read it (group systemd-journal); it is read as soon as entries come"
            );
        }
    }

    fn tell(&mut self, error: &JournalError) {
        let text = chain(error);
        let missing = matches!(error, JournalError::Missing { .. });
        self.board.source(self.id, |line| {
            (line.state, line.last_error) = (None, Some(text.clone()));
            // Where there is no journal, nobody should wait for it.
            line.catching_up &= !missing;
        });
        if self.told.error.as_ref() != Some(&text) {
            tracing::error!(error = %text, "the journal is not read; trying again");
            self.told.error = Some(text);
        }
    }
}

/// The cursor, or one made of its time where it is no cursor: from the beginning of that millisecond, so that nothing
/// is left out.
fn seekable(position: &JournalPosition) -> String {
    if Cursor::parse(&position.cursor).usable() {
        return position.cursor.clone();
    }
    Cursor::at_time(position.at.as_millis().max(0).unsigned_abs().saturating_mul(1_000))
}
