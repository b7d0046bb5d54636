//! The unified log of macOS through `log`: what was there by `log show`, what comes by `log stream`.
//!
//! Owned here: what `log` is asked for, how its lines are read ([`entry`]), and how its readings join ([`seen`]). Left to others:
//! the child process, chunks and lanes (`supervised`), who spawns [`run`]. A shell script plays `log` in the tests, so all of it is
//! tried on every system that has a shell.
//!
//! | step | why |
//! |---|---|
//! | `log show` from the saved moment on | what came while we were away; the first time there is nothing, it begins with the present |
//! | `log stream` is started | it shows only what comes from then on |
//! | `log show` from a little before the last entry on | what came between the two |
//! | the stream is read | |
//! | it says that it has lost entries: `log show` again | it drops what nobody takes; the log itself still has it |
//!
//! Entries that two readings show are known again. The position is the time of the newest entry with the names of all that were
//! delivered of that moment. One weakness stays: an entry that the stream shows later than younger ones, and that a crash keeps
//! from being delivered, is passed over at the next start.
//!
//! When the lane is full, sending waits, the pipe fills, and `log stream` drops entries, which are shown again afterwards. When
//! `log` ends it is started again after a while (`UNIFIED_RESTARTS`).
mod entry;
mod seen;
#[cfg(all(test, unix))]
mod tests;

use super::supervised::{
    About, Closed, Entry, Site, Source,
    child::{self, ChildError, Output, Program, Start},
};
use crate::{
    config::settings::{UnifiedItem, UnifiedLevel},
    model::{Target, Timestamp, UnifiedPosition},
    telemetry::counters,
};
use entry::Line;
use seen::Seen;
use std::{sync::Arc, time::Duration};
use tokio_util::sync::CancellationToken;

/// How far a reading goes back behind the newest entry, in microseconds: entries come a little out of their order.
const BACK: i64 = 5 * 1_000_000;
/// How long to wait for a sign that the stream has begun.
const BEGINS: Duration = Duration::from_secs(3);

/// Reads the log for one item until told to stop. What was not sent then is read again.
pub async fn run(item: UnifiedItem, target: Arc<Target>, site: Site, stop: CancellationToken) {
    let program = Program {
        path: "/usr/bin/log".into(),
        if_missing: format!("it is part of macOS; remove {} from the configuration", item.at),
        if_forbidden: "run this program as root, or as a user of the group admin",
    };
    let own = program.clone();
    let start = move |arguments: &[String]| child::start(&own, arguments);
    let reader = Reader::new(item, target, program, Box::new(start), site, Timestamp::now());
    stop.run_until_cancelled(reader.read()).await;
}

/// The log while one item reads it.
struct Reader {
    program: Program,
    predicate: Option<String>,
    level: UnifiedLevel,
    start: Start,
    source: Source<UnifiedPosition>,
    seen: Seen,
}

/// Why reading ended.
enum End {
    Log(ChildError),
    /// Nobody takes chunks any more.
    Closed,
}

impl From<ChildError> for End {
    fn from(error: ChildError) -> Self {
        Self::Log(error)
    }
}

impl From<Closed> for End {
    fn from(Closed: Closed) -> Self {
        Self::Closed
    }
}

impl Reader {
    fn new(item: UnifiedItem, target: Arc<Target>, program: Program, start: Start, site: Site, now: Timestamp) -> Self {
        let UnifiedItem { item, text, predicate, level, .. } = item;
        let name = predicate.as_ref().map_or("unified log".to_owned(), |predicate| format!("unified log: {predicate}"));
        let what = "the unified log";
        let about = About { name, what, item: item.into(), target, text, restarts: &counters::UNIFIED_RESTARTS };
        let mut source = Source::new(about, site);
        let beginning = source.last().cloned().unwrap_or_else(|| {
            let micros = now.as_millis().saturating_mul(1_000);
            UnifiedPosition { micros, beyond: Vec::new(), item: source.item() }
        });
        if !source.is_open() {
            // Saved at once: what comes from now on is promised, also when we crash before the first entry.
            source.open_at(beginning.clone());
        }
        Self { program, predicate, level, start, seen: Seen::until(&beginning), source }
    }

    async fn read(mut self) {
        loop {
            let error = match self.read_once().await {
                Err(End::Closed) => return,
                Err(End::Log(error)) => error,
                Ok(()) => ChildError::Ended {
                    program: "log stream".to_owned(),
                    status: "success".to_owned(),
                    said: "it should have gone on".to_owned(),
                },
            };
            self.source.rest_after(&error, error.needs_a_person()).await;
        }
    }

    /// Catch up, then follow until `log stream` ends.
    async fn read_once(&mut self) -> Result<(), End> {
        self.show().await?;
        self.source.caught_up();
        let mut stream = self.begin(&self.stream_arguments())?;
        // Its heading or its first entry shows that it has begun; without a word there is only time to go by.
        let mut open = tokio::time::timeout(BEGINS, stream.wait()).await.unwrap_or(Ok(true))?;
        self.show().await?;
        while open {
            if let Some(words) = stream.words() {
                self.source.hear("log stream", words);
            }
            let mut lost = false;
            loop {
                while let Some(line) = stream.lines.next() {
                    lost |= self.take(line).await?;
                }
                if !stream.more() {
                    break;
                }
            }
            if lost {
                self.show().await?;
            }
            self.source.send().await?;
            open = stream.wait().await?;
        }
        Ok(stream.end().await?)
    }

    /// Read what the log holds from a little before the newest entry on.
    async fn show(&mut self) -> Result<(), End> {
        let mut output = self.begin(&self.show_arguments())?;
        while output.wait().await? {
            if let Some(words) = output.words() {
                self.source.hear("log show", words);
            }
            while let Some(line) = output.lines.next() {
                self.take(line).await?;
            }
        }
        self.source.send().await?;
        Ok(output.end().await?)
    }

    fn show_arguments(&self) -> Vec<String> {
        // Whole seconds: that is what `log` takes of a time since 1970.
        let start = (self.seen.newest() - BACK).div_euclid(1_000_000);
        let mut arguments = words(&["show", "--style", "ndjson", "--start", &format!("@{start}")]);
        arguments.extend(match self.level {
            UnifiedLevel::Default => Vec::new(),
            UnifiedLevel::Info => words(&["--info"]),
            UnifiedLevel::Debug => words(&["--info", "--debug"]),
        });
        self.narrowed(arguments)
    }

    fn stream_arguments(&self) -> Vec<String> {
        let level = match self.level {
            UnifiedLevel::Default => "default",
            UnifiedLevel::Info => "info",
            UnifiedLevel::Debug => "debug",
        };
        self.narrowed(words(&["stream", "--style", "ndjson", "--level", level]))
    }

    fn narrowed(&self, mut arguments: Vec<String>) -> Vec<String> {
        if let Some(predicate) = &self.predicate {
            arguments.extend(words(&["--predicate", predicate]));
        }
        arguments
    }

    fn begin(&mut self, arguments: &[String]) -> Result<Output, ChildError> {
        Ok(Output::of(&self.program, (self.start)(arguments)?, &counters::UNIFIED_LINES_UNREADABLE))
    }

    /// Whether the line says that entries were lost.
    async fn take(&mut self, line: &[u8]) -> Result<bool, Closed> {
        let entry = match entry::parse(line) {
            Ok(Line::Entry(entry)) => entry,
            Ok(Line::Loss) => return Ok(true),
            Ok(Line::Nothing) => return Ok(false),
            Err(error) => {
                self.source.unreadable(&counters::UNIFIED_LINES_UNREADABLE, &error);
                return Ok(false);
            }
        };
        if self.seen.is_new(entry.micros, entry.id) {
            let at = Timestamp::from_millis(entry.micros.div_euclid(1_000));
            let place = self.seen.position(self.source.item());
            let text = entry.text;
            self.source.take(Entry { place, at, text, mended: false, unit: String::new() }).await?;
        }
        Ok(false)
    }
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}
