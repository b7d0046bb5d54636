//! Reading one generation: its next events, and when those are complete that nothing ends.
//!
//! The last event of a file of which an event may have several lines is complete when no byte came for
//! [`TextRules::multi_line_timeout`](crate::config::settings::text::TextRules), or when it has been growing for [`OLDEST`]:
//! [`Generation::due`] says when to come back for that. Until then it stays in the file. A long one is not read again
//! each time that it grew a little: only what is new is looked at, and the whole once its end is there.
use super::{Check, Found, Generation, QUIET, SLICE, TRUSTED, begun, content};
use crate::{
    logs::{
        files::{
            LATE,
            lines::{Assembler, Cut, ENOUGH, Follow, Tail},
        },
        text::encoding::{Decoder, HEAD},
    },
    model::{Anchor, Chunk, Fingerprint, Position, Timestamp},
    platform::files::Stat,
    telemetry::counters,
};
use std::{
    io,
    time::{Duration, Instant},
};

/// An event that grows and grows goes after so long, so that nothing waits for ever.
pub(super) const OLDEST: Duration = Duration::from_secs(60);
/// An unfinished event of up to this many bytes is simply read again.
const AGAIN: u64 = 16 * 1024;

/// What stays in the file because it may go on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Open {
    /// When it was first seen.
    since: Instant,
    /// Its lines up to here are known to be one event.
    judged: u64,
    /// Behind them there is no line end up to here.
    scanned: u64,
}

impl Generation {
    /// Reads the next `slice` bytes, more where an event is longer. An error leaves everything as it was, for another
    /// try.
    pub fn read(&mut self, slice: u64, now: Instant, wall: Timestamp) -> io::Result<Found> {
        let stat = self.file.stat()?;
        let changed = (stat.size, stat.modified) != (self.seen.size, self.seen.modified);
        if changed {
            self.changed = now;
        }
        let touched = stat.size > 0 || stat.modified != self.seen.modified;
        if self.was_empty() && touched && self.detached.is_none() {
            self.unread = false; // A look must see the first write: see `was_empty`.
            return Ok(Found::Nothing);
        }
        let trusted = self.offset >= SLICE && now.saturating_duration_since(self.head_checked) < TRUSTED;
        let check = if trusted { Check::Before } else { Check::Head };
        let (last, ripe) = (self.rest_is_last(now), self.is_ripe(now));
        if !last && !ripe && self.goes_on(&stat, check, now)? {
            self.head_unchecked |= trusted;
            (self.seen, self.unread, self.unfinished) = (stat, false, true);
            return Ok(Found::Nothing);
        }
        let there = stat.size.saturating_sub(self.offset);
        let known = self.open.map_or(0, |open| open.scanned - self.offset);
        let mut length = slice.max(2 * known).min(ENOUGH as u64);
        let (text, cut) = loop {
            let Some(text) = self.checked(self.offset, there.min(length), &stat, check, now)? else {
                return Ok(Found::Truncated);
            };
            let all = text.len() as u64 == there;
            let tail = if all && last {
                Tail::Last
            } else if all && ripe {
                Tail::Quiet
            } else {
                Tail::Growing
            };
            let offset = self.offset;
            let cut = self.lines(wall)?.cut(&text, offset, wall, tail);
            if cut.used > 0 || all || (text.len() as u64) < length || length == ENOUGH as u64 {
                break (text, cut);
            }
            length = (4 * length).min(ENOUGH as u64);
        };
        self.head_unchecked |= trusted;
        let all = text.len() as u64 == there;
        self.seen = stat;
        self.unread = (!all || cut.full_up) && cut.used > 0;
        self.unfinished = all && (cut.used as u64) < there;
        self.note_open(&cut, text.len(), all, now);
        self.count(&cut);
        if cut.used == 0 {
            if self.offset == 0 && there < HEAD as u64 {
                self.lines = None; // It may yet become a byte order mark.
            }
            return Ok(Found::Nothing);
        }
        let chunk = self.advance(text, cut);
        if self.drained() {
            self.file.relax();
        }
        Ok(Found::Chunk(chunk))
    }

    /// When to read again although nothing may have happened: an event will be complete then.
    pub fn due(&self) -> Option<Instant> {
        self.ripens().filter(|_| !self.unread)
    }

    /// An event is complete because time has passed: there is something to read. Says whether.
    pub fn rouse(&mut self, now: Instant) -> bool {
        let due = self.due().is_some_and(|due| now >= due);
        self.unread |= due;
        due
    }

    fn is_ripe(&self, now: Instant) -> bool {
        self.names.text.multi_line_timeout.is_zero() || self.ripens().is_some_and(|due| now >= due)
    }

    fn ripens(&self) -> Option<Instant> {
        let open = self.open.filter(|open| open.judged > self.offset)?;
        Some((self.changed + self.names.text.multi_line_timeout).min(open.since + OLDEST))
    }

    pub(super) fn rest_is_last(&self, now: Instant) -> bool {
        self.detached.is_some() && self.quiet_for(QUIET, now) || self.superseded && self.quiet_for(LATE, now)
    }

    /// Bytes of the file that is still the same after they were read. `None`: it is not.
    fn checked(
        &mut self,
        from: u64,
        length: u64,
        stat: &Stat,
        check: Check,
        now: Instant,
    ) -> io::Result<Option<Vec<u8>>> {
        let text = content::bytes(&self.file, from, length)?;
        if from == 0 {
            self.learn_head(&text); // Of what is handed on, whatever the file says a moment later.
        }
        Ok(self.is_same(stat.size, check, now)?.then_some(text))
    }

    /// Whether what is new belongs to the long event that was left in the file, and does not end it. If not, or if that is not
    /// worth asking, it is read from its beginning. That finds out as well if the file is another one.
    fn goes_on(&mut self, stat: &Stat, check: Check, now: Instant) -> io::Result<bool> {
        let (Some(open), Some(_)) = (self.open, &self.lines) else { return Ok(false) };
        let known = open.scanned - self.offset;
        let room = (ENOUGH as u64).saturating_sub(known);
        let there = stat.size.saturating_sub(open.scanned);
        if known <= AGAIN || there >= room || stat.size < open.scanned {
            return Ok(false);
        }
        let Some(fresh) = self.checked(open.scanned, there, stat, check, now)? else { return Ok(false) };
        let (offset, file) = (self.offset, self.file.clone());
        let Some(lines) = &mut self.lines else { return Ok(false) };
        let whole_units = fresh.len() - fresh.len() % lines.decoder().unit();
        let scanned = open.scanned + whole_units as u64;
        let grown = usize::try_from(scanned - offset).unwrap_or(usize::MAX);
        let judged = match lines.decoder().line_end(&fresh, 0) {
            None if lines.gathers() && grown > lines.limit() => return Ok(false),
            None => open.judged,
            Some(_) if !lines.gathers() => return Ok(false),
            Some(_) => {
                let text = content::bytes(&file, open.judged, scanned - open.judged)?;
                let size = usize::try_from(open.judged - offset).unwrap_or(usize::MAX);
                match lines.follow(&text, 0, size) {
                    Follow::Open(line) if open.judged > offset => open.judged + line as u64,
                    Follow::Open(_) | Follow::Ends(_) | Follow::Full(_) => return Ok(false),
                }
            }
        };
        self.open = Some(Open { judged, scanned, ..open });
        Ok(true)
    }

    fn note_open(&mut self, cut: &Cut, length: usize, all: bool, now: Instant) {
        let before = self.open.filter(|_| cut.used == 0);
        let unit = self.lines.as_ref().map_or(1, |lines| lines.decoder().unit());
        let scanned = self.offset + (length - length % unit).max(cut.used) as u64;
        self.open = cut.open.filter(|_| all).map(|judged| Open {
            since: before.map_or(now, |open| open.since),
            judged: self.offset + judged as u64,
            scanned,
        });
    }

    fn count(&mut self, cut: &Cut) {
        counters::EVENTS_SPLIT.add(cut.split + cut.full);
        counters::EVENTS_TRUNCATED.add(cut.truncated);
        if cut.full > 0 && self.lines.as_mut().is_some_and(Assembler::complain_once) {
            tracing::warn!(path = %self.names.path.display(), offset = self.offset,
                "no line of this log begins an event: what comes together is sent in events of the largest size; \
                check multi_line_start_pattern or timestamp_format");
        }
    }

    /// What makes events of the bytes at `offset`.
    fn lines(&mut self, wall: Timestamp) -> io::Result<&mut Assembler> {
        let lines = match self.lines.take() {
            Some(lines) => lines,
            None => {
                let decoder = Decoder::new(self.names.text.encoding, &content::bytes(&self.file, 0, HEAD as u64)?);
                if decoder.overruled() {
                    tracing::warn!(path = %self.names.path.display(), read_as = %decoder.name(),
                        "the byte order mark of this file says something else than `encoding` does: the mark counts");
                }
                let mut lines = Assembler::new(&self.names.text, decoder, None);
                lines.begun = begun::at(&self.file, self.offset, &mut lines, wall)?;
                lines
            }
        };
        Ok(self.lines.insert(lines))
    }

    fn advance(&mut self, mut text: Vec<u8>, mut cut: Cut) -> Chunk {
        let (from, to) = (self.offset, self.offset + cut.used as u64);
        let beyond = text.len();
        text.truncate(cut.used);
        // It waits in a lane, and may be far less than what was read or guessed.
        content::shrink(&mut text);
        content::shrink(&mut cut.events);
        self.before.extend_from_slice(&text[text.len().saturating_sub(content::BEFORE as usize)..]);
        self.before.drain(..self.before.len().saturating_sub(content::BEFORE as usize));
        self.offset = to;
        self.marks.add(to, Fingerprint::of(&self.before));
        if cut.events.is_empty() {
            // Only the position moves; nobody needs the bytes.
            text = Vec::new();
        }
        if !cut.rewritten.is_empty() {
            let moved = u32::try_from(beyond - text.len()).expect("a buffer is about a megabyte at most");
            for event in cut.events.iter_mut().filter(|event| event.start as usize >= beyond) {
                (event.start, event.end) = (event.start - moved, event.end - moved);
            }
            text.reserve_exact(cut.rewritten.len());
            text.extend_from_slice(&cut.rewritten);
        }
        let anchor = Anchor::File {
            path: self.names.path.clone(),
            identity: self.identity.clone(),
            target: self.names.target.clone(),
            modified: self.modified(),
            home: self.names.home.clone(),
        };
        let end = Position::File(self.position());
        Chunk { source: self.id, text, events: cut.events, from, to, anchor, end }
    }
}
