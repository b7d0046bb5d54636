//! The systemd journal through `journalctl`, whose cursor is the position.
//!
//! Owned here: what journalctl is asked for ([`selection`]), how its lines are read ([`entry`]) and how readings join
//! ([`cursor`]). Left to others: the child process, chunks and lanes (`supervised`), who spawns [`run`] (the daemon), what
//! becomes of chunks (`pipeline`), what is saved (`positions`). Each item of the configuration has its own journalctl and its
//! own position.
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
//! To send another form of text, change [`entry`]; to narrow what is read, add to [`selection`].
mod cursor;
mod entry;
mod selection;
#[cfg(test)]
mod tests;

use super::supervised::{
    About, Closed, Entry, Site, Source,
    child::{self, ChildError, Output, Program, Start},
};
use crate::{
    config::settings::{EntrySelection, Journal, JournalFormat, JournaldItem, text::TextRules},
    model::{JournalPosition, Target, Timestamp},
    platform,
    telemetry::counters,
};
use cursor::{Cursor, Seam};
use selection::Seek;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// The line on the board.
const NAME: &str = "systemd journal";
/// The state of a journal in which nothing was found.
const EMPTY: &str = "holds no entries of this boot";
const GROUPS: &str = "add the user that runs this program to the group systemd-journal (or adm), and start it again";

/// What is read, and where it goes.
#[derive(Clone, Debug)]
pub struct Options {
    /// `journalctl`.
    pub program: Program,
    /// The id of the running boot in that journal, 32 hexadecimal digits. `None`: not known; see [`cursor`].
    pub boot: Option<String>,
    /// The line on the board.
    pub name: String,
    /// What saved positions call it.
    pub item: Arc<str>,
    pub target: Arc<Target>,
    pub text: Arc<TextRules>,
    pub selection: EntrySelection,
    pub format: JournalFormat,
}

impl Options {
    /// The whole journal of the machine, as the publisher reads it.
    pub fn whole(journal: &Journal, target: Arc<Target>) -> Self {
        Self {
            program: program(&journal.at),
            boot: platform::host::boot_id(),
            name: NAME.to_owned(),
            item: Arc::default(),
            target,
            text: journal.text.clone(),
            selection: EntrySelection::default(),
            format: JournalFormat::Message,
        }
    }

    /// One item of the agent's list.
    pub fn item(item: &JournaldItem, target: Arc<Target>) -> Self {
        let units = &item.selection.units;
        let name = if units.is_empty() { NAME.to_owned() } else { format!("{NAME}: {}", units.join(", ")) };
        Self {
            program: program(&item.at),
            boot: platform::host::boot_id(),
            name,
            item: item.item.as_str().into(),
            target,
            text: item.text.clone(),
            selection: item.selection.clone(),
            format: item.format,
        }
    }
}

/// `at`: the part of the configuration that asks for it.
fn program(at: &str) -> Program {
    Program {
        path: "journalctl".into(),
        if_missing: format!("install systemd, or remove {at} from the configuration"),
        if_forbidden: GROUPS,
    }
}

/// Reads the journal until told to stop. Chunks that were not sent then are not lost: nobody acknowledges them.
pub async fn run(options: Options, site: Site, stop: CancellationToken) {
    let program = options.program.clone();
    let start = move |arguments: &[String]| child::start(&program, arguments);
    let reader = Reader::new(options, Box::new(start), site);
    stop.run_until_cancelled(reader.read()).await;
}

/// One journal while it is read.
struct Reader {
    program: Program,
    boot: Option<String>,
    selection: EntrySelection,
    format: JournalFormat,
    start: Start,
    source: Source<JournalPosition>,
    /// The saved cursor that was found missing, which is said once.
    gap: Option<String>,
}

/// Why reading ended.
#[derive(Debug)]
enum End {
    Journal(ChildError),
    /// Nobody takes chunks any more.
    Closed,
}

impl From<ChildError> for End {
    fn from(error: ChildError) -> Self {
        Self::Journal(error)
    }
}

impl From<Closed> for End {
    fn from(Closed: Closed) -> Self {
        Self::Closed
    }
}

impl Reader {
    fn new(options: Options, start: Start, site: Site) -> Self {
        let Options { program, boot, name, item, target, text, selection, format } = options;
        let about = About { name, what: "the journal", item, target, text, restarts: &counters::JOURNAL_RESTARTS };
        let source = Source::new(about, site);
        let source = match format {
            JournalFormat::Message => source,
            // What the agent's exporter makes of an entry.
            JournalFormat::Json => source.wrapped("{\"body\":", "}"),
        };
        Self { program, boot, selection, format, start, source, gap: None }
    }

    /// Reads until nobody takes chunks any more.
    async fn read(mut self) {
        loop {
            let error = match self.read_once().await {
                Err(End::Closed) => return,
                Err(End::Journal(error)) => error,
                Ok(()) => ChildError::Ended {
                    program: "journalctl".to_owned(),
                    status: "success".to_owned(),
                    said: "it should have gone on".to_owned(),
                },
            };
            self.source.rest_after(&error, error.needs_a_person()).await;
        }
    }

    /// Catch up where something was saved or read before, then follow until journalctl ends.
    async fn read_once(&mut self) -> Result<(), End> {
        match self.source.last().cloned() {
            Some(last) => self.catch_up(&last).await?,
            // One run that ends, so that it is known when everything that was there has been read.
            None => self.pass(&Seek::Boot, false, None).await?,
        }
        self.source.caught_up();
        let Some(last) = self.source.last().cloned() else {
            // journalctl says neither that there is no journal nor that it is not for us when it is asked for a boot.
            if selection::is_everything(&self.selection) {
                self.source.empty(
                    EMPTY,
                    "there is none on this host (see /var/log/journal and /run/log/journal), or this user may not read it \
                     (groups systemd-journal and adm may); it is read as soon as entries come",
                );
            }
            return self.pass(&Seek::Boot, true, None).await;
        };
        // The boot that is followed may be later than the last entry's: that is no gap.
        let mut seam = Seam::new(&last.cursor, None);
        self.pass(&Seek::Cursor(seekable(&last)), true, Some(&mut seam)).await
    }

    /// Read everything after `last` that is there by now, of every boot.
    async fn catch_up(&mut self, last: &JournalPosition) -> Result<(), End> {
        let mut seam = Seam::new(&last.cursor, self.boot.clone());
        let seek = Seek::Cursor(seekable(last));
        match self.pass(&seek, false, Some(&mut seam)).await {
            Err(End::Journal(ChildError::Ended { said, .. })) if said.contains("seek to cursor") => {
                tracing::warn!(%said, cursor = last.cursor, "the saved journal cursor is of no use: reading by time");
                let time = JournalPosition { cursor: String::new(), ..last.clone() };
                self.pass(&Seek::Cursor(seekable(&time)), false, Some(&mut seam)).await?;
            }
            other => other?,
        }
        let unusable = !Cursor::parse(&last.cursor).usable();
        if (seam.has_gap() || unusable) && self.gap.as_ref() != Some(&last.cursor) && !self.is_there(last).await? {
            counters::JOURNAL_GAPS.add(1);
            self.gap = Some(last.cursor.clone());
            let since = last.at.rfc3339();
            tracing::warn!(%since, "the last delivered journal entry is gone, and maybe others after it: reading goes on with what is left; \
                give the journal more room (SystemMaxUse in journald.conf)");
        }
        if seam.boot_must_be_read() {
            self.pass(&Seek::Boot, false, None).await?;
        }
        Ok(())
    }

    /// Whether the journal still has this entry, although it is none of those that are wanted now: somebody has changed the
    /// units, the priority or the matches since.
    async fn is_there(&mut self, last: &JournalPosition) -> Result<bool, ChildError> {
        if selection::is_everything(&self.selection) {
            return Ok(false);
        }
        let arguments = selection::arguments(&Seek::Cursor(seekable(last)), false, &EntrySelection::default());
        let mut output = self.begin(&arguments)?;
        while output.wait().await? {
            if let Some(line) = output.lines.next() {
                let mut seam = Seam::new(&last.cursor, None);
                return Ok(entry::parse(line, JournalFormat::Message).is_ok_and(|first| !seam.is_new(&first.cursor)));
            }
        }
        Ok(false)
    }

    fn begin(&mut self, arguments: &[String]) -> Result<Output, ChildError> {
        Ok(Output::of(&self.program, (self.start)(arguments)?, &counters::JOURNAL_LINES_UNREADABLE))
    }

    /// Read one run of journalctl to its end.
    async fn pass(&mut self, seek: &Seek, follow: bool, mut seam: Option<&mut Seam>) -> Result<(), End> {
        let mut output = self.begin(&selection::arguments(seek, follow, &self.selection))?;
        while output.wait().await? {
            if let Some(words) = output.words() {
                self.source.hear("journalctl", words);
            }
            loop {
                while let Some(line) = output.lines.next() {
                    self.take(line, seam.as_deref_mut()).await?;
                }
                if !output.more() {
                    break;
                }
            }
            // What is followed goes at once. Catching up ends soon, so its chunks may fill.
            if follow {
                self.source.send().await?;
            }
        }
        self.source.send().await?;
        Ok(output.end().await?)
    }

    async fn take(&mut self, line: &[u8], seam: Option<&mut Seam>) -> Result<(), Closed> {
        let entry = match entry::parse(line, self.format) {
            Ok(entry) => entry,
            Err(error) => {
                self.source.unreadable(&counters::JOURNAL_LINES_UNREADABLE, &error);
                return Ok(());
            }
        };
        if seam.is_some_and(|seam| !seam.is_new(&entry.cursor)) {
            return Ok(());
        }
        // Microseconds since 1970 divided by a thousand always fit.
        let at = Timestamp::from_millis(i64::try_from(entry.micros / 1_000).unwrap_or(i64::MAX));
        if !self.source.is_open() {
            // Nothing is delivered yet, so what is saved must lie before this entry.
            let cursor = Cursor::parse(&entry.cursor).just_before();
            self.source.open_at(JournalPosition { cursor, at, item: self.source.item() });
        }
        let entry::Parsed { cursor, text, mended, unit, .. } = entry;
        let place = JournalPosition { cursor, at, item: self.source.item() };
        self.source.take(Entry { place, at, text, mended, unit }).await
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
