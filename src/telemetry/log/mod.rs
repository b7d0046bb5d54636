//! The daemon's own log: one line per change of state, in a file that rotates or on standard error.
//!
//! Owns where lines go, which ones pass, and how repetitions are summed up; what is said is everybody's own business. A full
//! disk costs log lines, counted and told once there is room again; it never stops the daemon. No thread, no queue: a line is
//! written by whoever says it.
mod file;
mod repeats;

use crate::{model::Timestamp, telemetry::counters};
use file::RotatingFile;
use repeats::Repeats;
use std::{
    fmt,
    io::{self, IsTerminal, Write},
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};
use tracing::{Metadata, level_filters::LevelFilter};
use tracing_subscriber::{
    Layer,
    filter::{Targets, filter_fn},
    fmt::{MakeWriter, format::Writer, time::FormatTime},
    layer::SubscriberExt,
    registry::Registry,
};

/// Our own events have targets that begin so.
const OURS: &str = "amazon_cloudwatch_publisher";

/// What the own log is to be.
#[derive(Clone, Debug, Default)]
pub struct LogOptions {
    /// `None`: standard error.
    pub file: Option<PathBuf>,
    /// Whether the user named the file: then not being able to write it is an error, else standard error serves.
    pub named: bool,
    pub debug: bool,
    /// Errors only; beats `debug`.
    pub quiet: bool,
    /// `RUST_LOG`: `LEVEL` or `TARGET=LEVEL,...`; beats both.
    pub rust_log: Option<String>,
    /// Targets, by their beginning, that never say more than this, whatever `rust_log` asks: they would print secrets. The first
    /// that fits counts.
    pub capped: &'static [(&'static str, LevelFilter)],
}

/// Why there is no own log.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    #[error(
        "the log file {} cannot be written: give this user the right to, or name another one in agent.logfile (\"\" is standard error)",
        path.display()
    )]
    Unwritable { path: PathBuf, source: io::Error },
    #[error("the own log was set up twice")]
    Twice,
}

/// Start the own log for the whole process, and tell to which file it goes; `None`: to standard error.
///
/// # Errors
/// When the file that the user named cannot be written.
pub fn init(options: &LogOptions) -> Result<Option<PathBuf>, LogError> {
    let (sink, note) = open(options)?;
    let (levels, bad_levels) = levels(options);
    let file = if matches!(sink, Sink::Standard) { None } else { options.file.clone() };
    let colours = file.is_none() && io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let subscriber = subscriber(Shared::new(sink), levels, options.capped, colours, Timestamp::now);
    tracing::subscriber::set_global_default(subscriber).map_err(|_| LogError::Twice)?;
    if let Some(note) = note {
        tracing::warn!("{note}");
    }
    if let Some(bad) = bad_levels {
        tracing::warn!(
            RUST_LOG = bad,
            "not understood: write a level like debug, or TARGET=LEVEL, separated by commas"
        );
    }
    Ok(file)
}

fn open(options: &LogOptions) -> Result<(Sink, Option<String>), LogError> {
    let Some(path) = &options.file else { return Ok((Sink::Standard, None)) };
    match RotatingFile::open(path.clone()) {
        Ok(file) => Ok((Sink::File(file), None)),
        Err(source) if options.named => Err(LogError::Unwritable { path: path.clone(), source }),
        Err(error) => {
            let note = format!(
                "the log file {} cannot be written ({error}), so the log goes to standard error",
                path.display()
            );
            Ok((Sink::Standard, Some(note)))
        }
    }
}

/// Which targets say how much, and `RUST_LOG` where it was not understood.
fn levels(options: &LogOptions) -> (Targets, Option<String>) {
    let (ours, others) = match (options.quiet, options.debug) {
        (true, _) => (LevelFilter::ERROR, LevelFilter::ERROR),
        (false, true) => (LevelFilter::DEBUG, LevelFilter::WARN),
        (false, false) => (LevelFilter::INFO, LevelFilter::WARN),
    };
    let usual = Targets::new().with_default(others).with_target(OURS, ours);
    match options.rust_log.as_deref().filter(|text| !text.trim().is_empty()) {
        None => (usual, None),
        Some(text) => match text.parse::<Targets>() {
            Ok(levels) => (levels, None),
            Err(_) => (usual, Some(text.to_owned())),
        },
    }
}

fn subscriber(
    out: Shared,
    levels: Targets,
    capped: &'static [(&'static str, LevelFilter)],
    colours: bool,
    clock: fn() -> Timestamp,
) -> impl tracing::Subscriber + Send + Sync {
    let passes = move |event: &Metadata<'_>| {
        let cap = capped.iter().find(|(start, _)| event.target().starts_with(start)).map(|(_, cap)| *cap);
        levels.would_enable(event.target(), event.level()) && cap.is_none_or(|cap| *event.level() <= cap)
    };
    let repeats = Repeats::new(out.clone(), clock);
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(out)
        .with_ansi(colours)
        .with_target(false)
        .with_timer(Clock(clock));
    Registry::default().with(repeats.and_then(lines).with_filter(filter_fn(passes)))
}

/// RFC 3339 in UTC.
struct Clock(fn() -> Timestamp);

impl FormatTime for Clock {
    fn format_time(&self, line: &mut Writer<'_>) -> fmt::Result {
        line.write_str(&(self.0)().rfc3339())
    }
}

/// Where lines go.
enum Sink {
    Standard,
    File(RotatingFile),
    #[cfg(test)]
    Memory(Vec<u8>),
}

/// The sink, for whoever says something. A line comes in one call and is written in one.
#[derive(Clone)]
struct Shared(Arc<Mutex<Sink>>);

impl Shared {
    fn new(sink: Sink) -> Self {
        Self(Arc::new(Mutex::new(sink)))
    }
}

impl Write for Shared {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let written = match &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            Sink::Standard => io::stderr().write_all(line),
            Sink::File(file) => file.write_line(line),
            #[cfg(test)]
            Sink::Memory(memory) => memory.write_all(line),
        };
        if written.is_err() {
            counters::LOG_LINES_LOST.add(1);
        }
        // Whoever says something cannot do anything about a log that cannot be written.
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Shared {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[cfg(test)]
mod tests;
