//! Sums up what is said again and again: the first few are written, the others counted, and the count told when their
//! minute is over: with the next warning, or at [`Repeats::tell_all`], whichever comes first.
use crate::{model::Timestamp, telemetry::counters};
use std::{
    collections::HashMap,
    fmt::{self, Write as _},
    hash::{DefaultHasher, Hash, Hasher},
    io::Write,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tracing::{Event, Level, Subscriber, field::Field};
use tracing_subscriber::{Layer, layer::Context};

/// How long sayings are counted together.
const WINDOW: Duration = Duration::from_mins(1);
/// How often the same may be said in that time.
const SAID: u32 = 5;
/// Different sayings that are remembered; beyond that everything passes until old ones are over.
const REMEMBERED: usize = 256;

/// A layer that stops warnings and errors that repeat. Two are the same when they come from the same place with the
/// same message; fields may differ.
#[derive(Clone)]
pub struct Repeats<W> {
    out: Arc<Mutex<W>>,
    clock: fn() -> Timestamp,
    said: Arc<Mutex<HashMap<u64, Said>>>,
}

struct Said {
    since: Timestamp,
    times: u32,
    level: Level,
    message: String,
}

impl<W: Write> Repeats<W> {
    /// Counts are told on `out`.
    pub fn new(out: W, clock: fn() -> Timestamp) -> Self {
        Self { out: Arc::new(Mutex::new(out)), clock, said: Arc::default() }
    }

    /// Write the counts of what is over.
    pub fn tell_all(&self) {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        self.tell(&mut said, (self.clock)());
    }

    /// Whether to say this now.
    fn passes(&self, place: &'static str, line: Option<u32>, level: Level, message: String) -> bool {
        let now = (self.clock)();
        let mut key = DefaultHasher::new();
        (place, line, &message).hash(&mut key);
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        self.tell(&mut said, now);
        if said.len() == REMEMBERED && !said.contains_key(&key.finish()) {
            return true;
        }
        let entry = said.entry(key.finish()).or_insert(Said { since: now, times: 0, level, message });
        entry.times += 1;
        if entry.times > SAID {
            counters::LOG_LINES_REPEATED.add(1);
        }
        entry.times <= SAID
    }

    /// Write the counts of what is over, and forget it.
    fn tell(&self, said: &mut HashMap<u64, Said>, now: Timestamp) {
        said.retain(|_, entry| {
            // A clock that was set back must not keep an entry for ever.
            if now >= entry.since && now.since(entry.since) < WINDOW {
                return true;
            }
            if let Some(more) = entry.times.checked_sub(SAID).filter(|more| *more > 0) {
                let (time, Said { level, message, .. }) = (now.rfc3339(), entry);
                let line = format!("{time} {level:>5} (said {more} more times within a minute) {message}\n");
                let _ = self.out.lock().unwrap_or_else(PoisonError::into_inner).write_all(line.as_bytes());
            }
            false
        });
    }
}

impl<S: Subscriber, W: Write + Send + 'static> Layer<S> for Repeats<W> {
    fn event_enabled(&self, event: &Event<'_>, _: Context<'_, S>) -> bool {
        if *event.metadata().level() > Level::WARN {
            return true;
        }
        let mut message = Message(String::new());
        event.record(&mut message);
        let said = event.metadata();
        self.passes(said.file().unwrap_or_default(), said.line(), *said.level(), message.0)
    }
}

/// Picks the message out of an event.
struct Message(String);

impl tracing::field::Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            let _ = write!(self.0, "{value:?}");
        }
    }
}
