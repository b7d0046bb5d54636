//! What was read of a FIFO and belongs to no whole event yet.
//!
//! Memory is bounded as in `lines`: a line that is too long goes in pieces, and so does an event of too many lines. What is held is not
//! searched again with each byte that comes: lines that are known to be one event are passed over.
use crate::{
    config::settings::text::TextRules,
    logs::{
        lines::{Assembler, ENOUGH, Follow, Tail},
        text::encoding::{Decoder, HEAD},
    },
    model::{TimedBy, Timestamp},
    telemetry::counters,
};
use std::{sync::Arc, time::Duration};
use tokio::time::Instant;

/// An event that grows and grows goes after so long, as in files.
const OLDEST: Duration = Duration::from_secs(60);
/// Memory that is kept for what comes next.
const KEPT: usize = 64 * 1024;

/// Takes the text of each event, when it happened, and who says so.
pub(super) type Take<'a> = &'a mut dyn FnMut(&[u8], Timestamp, TimedBy);

/// See the module.
pub(super) struct Held {
    rules: Arc<TextRules>,
    /// Made when the first bytes tell the encoding.
    assembler: Option<Assembler>,
    bytes: Vec<u8>,
    /// So many bytes came before those.
    from: u64,
    /// So many of them are whole lines of one event.
    judged: usize,
    /// When something came for the last time.
    fed: Option<Instant>,
    /// Since when what is held is open, or was last asked for whole lines.
    since: Option<Instant>,
}

impl Held {
    pub fn new(rules: Arc<TextRules>) -> Self {
        Self { rules, assembler: None, bytes: vec![], from: 0, judged: 0, fed: None, since: None }
    }

    /// More was read, at `now` by the wall clock.
    pub fn feed(&mut self, bytes: &[u8], at: Instant, now: Timestamp, take: Take<'_>) {
        if self.bytes.is_empty() {
            self.since = Some(at);
        }
        self.fed = Some(at);
        self.bytes.extend_from_slice(bytes);
        let full = self.bytes.len() >= ENOUGH;
        if !full && (memchr::memchr(b'\n', bytes).is_none() || self.goes_on()) {
            return;
        }
        if self.cut(self.bytes.len(), Tail::Growing, now, take) {
            self.since = Some(at);
        }
    }

    /// When to [`ripen`](Self::ripen) what is held; `None` where nothing is.
    pub fn due(&self) -> Option<Instant> {
        let quiet = self.fed.filter(|_| !self.bytes.is_empty())? + self.rules.multi_line_timeout;
        Some(self.since.map_or(quiet, |since| quiet.min(since + OLDEST)))
    }

    /// It is due: send what is complete by the clock.
    pub fn ripen(&mut self, at: Instant, now: Timestamp, take: Take<'_>) {
        if self.fed.is_some_and(|fed| at >= fed + self.rules.multi_line_timeout) {
            return self.flush(now, take);
        }
        self.cut(self.bytes.len(), Tail::Quiet, now, take);
        self.since = Some(at);
    }

    /// Send all of it. What comes next belongs to none of it.
    pub fn flush(&mut self, now: Timestamp, take: Take<'_>) {
        let unit = self.assembler().decoder().unit();
        // The rest of a character may yet come.
        let whole = self.bytes.len() - self.bytes.len() % unit;
        self.cut(whole, Tail::Last, now, take);
        self.fed = None;
        match &mut self.assembler {
            Some(assembler) if self.from > 0 => assembler.begun = None,
            // It may yet become a byte order mark.
            _ => self.assembler = None,
        }
    }

    /// Whether what came belongs to the event that is held, and does not end it.
    fn goes_on(&mut self) -> bool {
        let Some(assembler) = self.assembler.as_mut().filter(|_| self.judged > 0) else { return false };
        match assembler.follow(&self.bytes, self.judged, self.judged) {
            Follow::Open(line) => {
                self.judged = line;
                true
            }
            Follow::Ends(_) | Follow::Full(_) => false,
        }
    }

    /// Makes events of the first `length` bytes. Whether there were any.
    fn cut(&mut self, length: usize, tail: Tail, now: Timestamp, take: Take<'_>) -> bool {
        let (mut length, before) = (length, self.from);
        while length > 0 {
            self.assembler();
            let Self { assembler: Some(assembler), bytes, from, .. } = self else { break };
            let text = &bytes[..length];
            let cut = assembler.cut(text, *from, now, tail);
            for event in &cut.events {
                let (start, end) = (event.start as usize, event.end as usize);
                let said = match start.checked_sub(length) {
                    Some(start) => &cut.rewritten[start..end - length],
                    None => &text[start..end],
                };
                take(said, event.at, event.timed_by);
            }
            counters::EVENTS_SPLIT.add(cut.split + cut.full);
            counters::EVENTS_TRUNCATED.add(cut.truncated);
            if cut.full > 0 && assembler.complain_once() {
                tracing::warn!(
                    item = self.rules.at,
                    "no line of this FIFO begins an event: what comes together is sent in events of the largest size; \
                    check multi_line_start_pattern or timestamp_format"
                );
            }
            if cut.used == 0 && *from == 0 && bytes.len() < HEAD {
                self.assembler = None;
            }
            self.judged = cut.open.map_or(0, |open| open - cut.used);
            self.bytes.drain(..cut.used);
            self.from += cut.used as u64;
            length -= cut.used;
            if cut.used == 0 || length < ENOUGH && !cut.full_up {
                break;
            }
        }
        if self.bytes.is_empty() {
            self.bytes.shrink_to(KEPT);
        }
        self.from > before
    }

    fn assembler(&mut self) -> &mut Assembler {
        self.assembler.get_or_insert_with(|| {
            let decoder = Decoder::new(self.rules.encoding, &self.bytes[..self.bytes.len().min(HEAD)]);
            if decoder.overruled() {
                tracing::warn!(item = self.rules.at, read_as = %decoder.name(),
                    "the byte order mark of this FIFO says something else than `encoding` does: the mark counts");
            }
            Assembler::new(&self.rules, decoder, None)
        })
    }
}

#[cfg(test)]
mod tests;
