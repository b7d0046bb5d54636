//! The daemon's own log: one line per change of state, in a file that rotates or on standard error.
//!
//! Owns where lines go, which ones pass, and how repetitions are summed up; what is said is everybody's own business.
//!
//! No thread, no queue: a line is written by whoever says it. A full disk costs log lines, counted and told once there
//! is room again, and stops nobody. Standard error is another matter: where it is a pipe that is full, whoever says
//! something waits until it is read from. Service managers read it always; who starts the daemon with a pipe must read
//! it, or name a file.
//!
//! There is one log for the process, as `tracing` has it: [`init`] starts it, [`change`] follows a new configuration,
//! [`tell_repeats`] wants to be called about each minute.
mod file;
mod repeats;

use crate::{model::Timestamp, telemetry::counters};
use file::RotatingFile;
use repeats::Repeats;
use std::{
    fmt,
    io::{self, IsTerminal, Write},
    path::PathBuf,
    sync::{Arc, Mutex, OnceLock, PoisonError, RwLock},
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
    /// Targets, by their beginning, that never say more than this, whatever `rust_log` asks: they would print secrets.
    /// The first that fits counts.
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

impl LogError {
    /// Whether only another path or other rights can help: a service manager must not try again. A full or read-only disk may get better.
    pub fn is_configuration(&self) -> bool {
        match self {
            Self::Unwritable { source, .. } => matches!(
                source.kind(),
                io::ErrorKind::PermissionDenied
                    | io::ErrorKind::NotFound
                    | io::ErrorKind::IsADirectory
                    | io::ErrorKind::NotADirectory
            ),
            Self::Twice => false,
        }
    }
}

/// The log of this process, once it is started.
static LOG: OnceLock<Log> = OnceLock::new();

/// What can be changed while it runs.
#[derive(Clone)]
struct Log {
    out: Shared,
    levels: Arc<RwLock<Targets>>,
    repeats: Repeats<Shared>,
    /// Lines are coloured, which only a terminal understands.
    colours: bool,
}

/// Start the own log for the whole process, and tell to which file it goes; `None`: to standard error.
///
/// # Errors
/// When the file that the user named cannot be written.
pub fn init(options: &LogOptions) -> Result<Option<PathBuf>, LogError> {
    let (sink, note) = open(options)?;
    let colours =
        matches!(sink, Sink::Standard) && io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let file = sink.path();
    let log = Log::new(sink, colours, Timestamp::now);
    let bad_levels = log.set_levels(options);
    let subscriber = log.subscriber(options.capped, Timestamp::now);
    tracing::subscriber::set_global_default(subscriber).map_err(|_| LogError::Twice)?;
    LOG.set(log).map_err(|_| LogError::Twice)?;
    say(note, bad_levels);
    Ok(file)
}

/// Go on as these options say. `capped` stays as it was at the start.
///
/// # Errors
/// When the file that the user named cannot be written: then everything stays as it was.
pub fn change(options: &LogOptions) -> Result<(), LogError> {
    LOG.get().map_or(Ok(()), |log| log.change(options))
}

/// Tell what was said so often that it was only counted, where its minute is over.
pub fn tell_repeats() {
    if let Some(log) = LOG.get() {
        log.repeats.tell_all();
    }
}

fn say(note: Option<String>, bad_levels: Option<String>) {
    if let Some(note) = note {
        tracing::warn!("{note}");
    }
    if let Some(bad) = bad_levels {
        tracing::warn!(
            RUST_LOG = bad,
            "not understood: write a level like debug, or TARGET=LEVEL, separated by commas"
        );
    }
}

impl Log {
    fn new(sink: Sink, colours: bool, clock: fn() -> Timestamp) -> Self {
        let out = Shared(Arc::new(Mutex::new(sink)));
        Self { repeats: Repeats::new(out.clone(), clock), out, levels: Arc::default(), colours }
    }

    /// Which targets say how much from now on; `RUST_LOG` where it was not understood.
    fn set_levels(&self, options: &LogOptions) -> Option<String> {
        let (levels, bad) = levels(options);
        *self.levels.write().unwrap_or_else(PoisonError::into_inner) = levels;
        bad
    }

    fn change(&self, options: &LogOptions) -> Result<(), LogError> {
        let mut note = None;
        if self.out.path().as_ref() != options.file.as_ref() {
            let (sink, opened) = open(options)?;
            note = opened;
            match sink.path() {
                // It would not understand them.
                Some(_) if self.colours => tracing::warn!("agent.logfile takes effect at the next start"),
                _ => self.out.replace(sink),
            }
        }
        let bad_levels = self.set_levels(options);
        // Each place that says something remembers whether anybody listens. At the start a new subscriber makes it ask anew.
        tracing::callsite::rebuild_interest_cache();
        say(note, bad_levels);
        Ok(())
    }

    fn subscriber(
        &self,
        capped: &'static [(&'static str, LevelFilter)],
        clock: fn() -> Timestamp,
    ) -> impl tracing::Subscriber + Send + Sync + use<> {
        let levels = self.levels.clone();
        let passes = move |event: &Metadata<'_>| {
            let cap = capped.iter().find(|(start, _)| event.target().starts_with(start)).map(|(_, cap)| *cap);
            let levels = levels.read().unwrap_or_else(PoisonError::into_inner);
            levels.would_enable(event.target(), event.level()) && cap.is_none_or(|cap| *event.level() <= cap)
        };
        let lines = tracing_subscriber::fmt::layer()
            .with_writer(self.out.clone())
            .with_ansi(self.colours)
            .with_target(false)
            .with_timer(Clock(clock));
        Registry::default().with(self.repeats.clone().and_then(lines).with_filter(filter_fn(passes)))
    }
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

impl Sink {
    /// `None`: standard error.
    fn path(&self) -> Option<PathBuf> {
        match self {
            Self::File(file) => Some(file.path().to_owned()),
            Self::Standard => None,
            #[cfg(test)]
            Self::Memory(_) => None,
        }
    }
}

impl Shared {
    fn path(&self) -> Option<PathBuf> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).path()
    }

    fn replace(&self, sink: Sink) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = sink;
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
pub use tests::{ALONE, said};

#[cfg(test)]
mod tests;
