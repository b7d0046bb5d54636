//! From the bytes of a file or a FIFO to events: the assembler of one generation, or pipe. It reads nothing itself and keeps no bytes.
//!
//! A line ends with LF, in the encoding of the file; one CR before it goes too. Without a start pattern each line is an
//! event, and empty lines make none. With one, an event is a line that matches and all lines up to the next one that does
//! ([`groups`]). NUL bytes at the beginning of a line are a hole that somebody's truncation left, not text. What is done to
//! an event's text is [`Treatment`]'s; what comes out as it stands in the file is a span of it, everything else is appended
//! to [`Cut::rewritten`]. All bytes up to [`Cut::used`] are covered, by the event before them or by the chunk.
//!
//! Memory is bounded: a line that fills [`ENOUGH`] bytes without an end goes out piece by piece as it grows, cut between
//! characters. All pieces share what became of the first one.
mod ends;
mod groups;

use crate::{
    config::settings::text::{MultiLine, Oversize, TextRules},
    logs::text::{
        Treated, Treatment,
        encoding::Decoder,
        parts::{self, CONTINUED, TRUNCATED},
    },
    model::{Event, TimedBy, Timestamp, limits::MESSAGE_BYTES},
};
use ends::{between_characters, hole, stripped};
pub(super) use groups::Follow;
use std::{borrow::Cow, sync::Arc};

/// A buffer of this size either holds the end of its first line, CR and LF included in any encoding, or proves that it is too long.
pub(super) const ENOUGH: usize = MESSAGE_BYTES + 8;

/// So many bytes of a line that is too long go at once: with the mark at its end they are one message.
pub(super) const PIECE: usize = MESSAGE_BYTES - CONTINUED.len();

/// So much text that does not stand so in the buffer is enough for once: the rest of the buffer is read later. Decoding a buffer makes
/// less; masks that are longer than what they hide may make thousands of times as much of many short lines.
const FULL: usize = 4 * MESSAGE_BYTES;

/// Room for this many bytes a line is a good first guess.
const USUAL_LINE: usize = 96;

/// What stands after the last line end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Tail {
    /// A line that may still grow, and an event that may go on: they stay in the file.
    Growing,
    /// No line came for long: the event is complete. A line without an end stays in the file even so.
    Quiet,
    /// All that there will be: it goes as it is.
    Last,
}

/// What became of the beginning of a line.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Verdict {
    Sent {
        at: Timestamp,
        timed_by: TimedBy,
    },
    /// The filters keep it back, or it was cut off where it became too long.
    NotSent,
}

/// A line that was begun in an earlier buffer: its pieces share one fate.
pub(super) type Begun = Option<Verdict>;

/// What one buffer gave.
#[derive(Debug, Default)]
pub(super) struct Cut {
    /// Their spans lie in the buffer, or, from its end on, in `rewritten`.
    pub events: Vec<Event>,
    /// Text that does not stand so in the buffer.
    pub rewritten: Vec<u8>,
    /// So many bytes of the buffer need no reading any more.
    pub used: usize,
    /// Events that were found too long here, and go in parts.
    pub split: u64,
    /// Events that were found too long here, and go without their rest.
    pub truncated: u64,
    /// Events of several lines that went before their end was seen, because they had become too long.
    pub full: u64,
    /// So much came out of it that the lines behind `used` wait for the next time.
    pub full_up: bool,
    /// An event or a line is left that may go on. So far its lines are known to belong to it.
    pub open: Option<usize>,
}

/// Makes the events of one generation, in the order of its bytes.
#[derive(Debug)]
pub(super) struct Assembler {
    rules: Arc<TextRules>,
    decoder: Decoder,
    treatment: Treatment,
    /// Set where the next byte is one inside of a line.
    pub begun: Begun,
    /// Neither decoded nor treated: spans of the buffer are all there is to it.
    idle: bool,
    /// A line was seen that begins an event, or it was said that there is none.
    started: bool,
}

impl Assembler {
    pub fn new(rules: &Arc<TextRules>, decoder: Decoder, begun: Begun) -> Self {
        let idle = decoder.is_plain() && rules.sends_as_is();
        let treatment = Treatment::new(rules.clone());
        Self { rules: rules.clone(), decoder, treatment, begun, idle, started: false }
    }

    /// Cuts `text`, which begins at byte `from` of its file, with a whole code unit, and is read at `at`.
    pub fn cut(&mut self, text: &[u8], from: u64, at: Timestamp, tail: Tail) -> Cut {
        let events = Vec::with_capacity(text.len() / USUAL_LINE + 1);
        let start = if from == 0 { self.decoder.bom_len().min(text.len()) } else { 0 };
        let single = matches!(self.rules.multi_line, MultiLine::Off);
        let (idle, strip, max) = (self.idle, self.rules.strip, self.rules.max_event_bytes);
        let mut cutter = Cutter { own: self, idle, strip, max, text, from, at, cut: Cut { events, ..Cut::default() } };
        if single {
            cutter.lines(start, tail)
        } else {
            cutter.groups(start, tail)
        }
        cutter.cut
    }

    /// Whether events may have several lines.
    pub fn gathers(&self) -> bool {
        !matches!(self.rules.multi_line, MultiLine::Off)
    }

    /// Whether no line began an event so far, and nobody said so yet.
    pub fn complain_once(&mut self) -> bool {
        !std::mem::replace(&mut self.started, true)
    }

    pub fn decoder(&self) -> &Decoder {
        &self.decoder
    }

    /// What became of a line that begins with `line`, which an earlier run sent. `more`: it had to go before its end was there.
    pub fn judge(&mut self, line: &[u8], at: Timestamp, more: bool) -> Begun {
        let content = self.content(line);
        if content.is_empty() {
            return None;
        }
        Some(match self.treatment.treat(&content, at) {
            Treated::Send { .. } if more && self.rules.oversize == Oversize::Truncate => Verdict::NotSent,
            Treated::Send { at, timed_by, .. } => Verdict::Sent { at, timed_by },
            Treated::NotSent => Verdict::NotSent,
        })
    }

    /// Whether nothing is ever kept back, and nothing hidden.
    pub fn sends_all(&self) -> bool {
        self.idle && self.rules.oversize == Oversize::Split
    }

    /// The longest event of several lines, as it stands in the file. Where its text is judged or masked, it is split after that.
    pub fn limit(&self) -> usize {
        if self.treatment.looks_at_all() { MESSAGE_BYTES } else { self.rules.max_event_bytes.min(MESSAGE_BYTES) }
    }

    /// What a line says: decoded, without its CR and without a hole before it.
    fn content<'a>(&self, line: &'a [u8]) -> Cow<'a, [u8]> {
        fn inner(line: &[u8]) -> &[u8] {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            &line[hole(line)..]
        }
        if self.decoder.is_plain() {
            return Cow::Borrowed(inner(line));
        }
        match self.decoder.decode(line) {
            Cow::Borrowed(text) => Cow::Borrowed(inner(text)),
            Cow::Owned(text) => match inner(&text) {
                same if same.len() == text.len() => Cow::Owned(text),
                less => Cow::Owned(less.to_vec()),
            },
        }
    }

    /// How much of a line without an end goes at once.
    fn piece(&self, line: &[u8]) -> usize {
        if self.decoder.is_plain() {
            return self.treatment.before_secrets(line, between_characters(line, PIECE));
        }
        let unit = self.decoder.unit();
        let longest = PIECE - PIECE % unit;
        let whole = |end: &usize| !self.decoder.decode(&line[..*end]).ends_with("\u{fffd}".as_bytes());
        (0..4).map(|back| longest - back * unit).find(whole).unwrap_or(longest)
    }
}

struct Cutter<'a> {
    own: &'a mut Assembler,
    /// What is asked for each line of it.
    idle: bool,
    strip: bool,
    max: usize,
    text: &'a [u8],
    from: u64,
    at: Timestamp,
    cut: Cut,
}

impl<'a> Cutter<'a> {
    /// Each line is an event.
    fn lines(&mut self, mut start: usize, tail: Tail) {
        if self.own.decoder.unit() == 1 {
            for end in memchr::memchr_iter(b'\n', self.text) {
                self.line(start, end);
                start = end + 1;
                self.reached(start);
                if self.is_full_up() {
                    return;
                }
            }
        } else {
            let unit = self.own.decoder.unit();
            while let Some(next) = self.own.decoder.line_end(self.text, start) {
                self.line(start, next - unit);
                start = next;
                self.reached(start);
                if self.is_full_up() {
                    return;
                }
            }
        }
        self.rest(start, tail);
    }

    /// Whether the rest of the buffer is to wait.
    fn is_full_up(&mut self) -> bool {
        self.cut.full_up = self.cut.rewritten.len() >= FULL && self.cut.used < self.text.len();
        self.cut.full_up
    }

    /// Takes the line in `start..end`, or what is left of it.
    fn line(&mut self, start: usize, end: usize) {
        if self.idle && self.own.begun.is_none() {
            let end = if end > start && self.text[end - 1] == b'\r' { end - 1 } else { end };
            let start = start + hole(&self.text[start..end]);
            let (start, end) = if self.strip { stripped(self.text, start, end) } else { (start, end) };
            if parts::fits(&self.text[start..end], self.max) {
                if start < end {
                    self.event(start, end, self.at, TimedBy::Reader);
                }
                return;
            }
        }
        match self.own.begun.take() {
            None => _ = self.take(self.own.content(&self.text[start..end]), false),
            Some(verdict) => self.go_on(verdict, start, end, false),
        }
    }

    /// What follows the last line end, from `start` on, and belongs to no event before it.
    fn rest(&mut self, start: usize, tail: Tail) {
        match tail {
            Tail::Growing | Tail::Quiet => self.growing(start),
            Tail::Last => {
                self.last(start);
                self.reached(self.text.len());
            }
        }
    }

    /// A line without an end that will get none.
    fn last(&mut self, start: usize) {
        let line = &self.text[start..];
        match self.own.begun {
            None => {
                let content = self.own.content(line);
                if !content.is_empty() {
                    self.own.begun = Some(self.take(content, false));
                }
            }
            Some(verdict) => self.go_on(verdict, start, self.text.len(), false),
        }
    }

    /// A line without an end that may still grow.
    fn growing(&mut self, start: usize) {
        let unit = self.own.decoder.unit();
        let hole = if self.own.begun.is_none() { hole(&self.text[start..]) / unit * unit } else { 0 };
        let first = start + hole;
        let rest = self.text.len() - first;
        if rest >= ENOUGH {
            let end = first + self.own.piece(&self.text[first..]);
            match self.own.begun {
                Some(verdict) => self.go_on(verdict, first, end, true),
                None => {
                    let piece = self.decoded(first, end);
                    let verdict = self.take(piece, true);
                    self.own.begun = Some(verdict);
                }
            }
            self.reached(end);
        } else if hole > 0 && (rest >= unit || hole >= ENOUGH / unit * unit) {
            // Text came after the hole, or the hole fills the buffer. NULs at the very end may yet be written over.
            self.reached(first);
        } else if self.text.len() >= ENOUGH && start > self.cut.used {
            self.reached(start); // Only the byte order mark kept the line from being long enough.
        }
        self.cut.open = (self.cut.used < self.text.len()).then_some(self.cut.used);
    }

    fn decoded(&self, start: usize, end: usize) -> Cow<'a, [u8]> {
        let text = &self.text[start..end];
        if self.own.decoder.is_plain() { Cow::Borrowed(text) } else { self.own.decoder.decode(text) }
    }

    /// More of a line that was begun. `more`: its end is not there yet.
    fn go_on(&mut self, verdict: Verdict, start: usize, end: usize, more: bool) {
        let Verdict::Sent { at, timed_by } = verdict else { return };
        let text = self.decoded(start, end);
        let text = if more { &text[..] } else { text.strip_suffix(b"\r").unwrap_or(&text) };
        let text = self.own.treatment.treat_rest(text);
        self.send(&text, at, timed_by, more);
    }

    /// A whole event, or its beginning where `more` is to come.
    fn take(&mut self, event: Cow<'a, [u8]>, more: bool) -> Verdict {
        let (start, end) = if self.strip { stripped(&event, 0, event.len()) } else { (0, event.len()) };
        if start == end {
            return Verdict::NotSent; // A blank line.
        }
        match self.own.treatment.treat(&event[start..end], self.at) {
            Treated::NotSent => Verdict::NotSent,
            Treated::Send { text, at, timed_by } => {
                let long = more || !parts::fits(&text, self.max);
                match self.own.rules.oversize {
                    Oversize::Split => self.cut.split += u64::from(long),
                    Oversize::Truncate => self.cut.truncated += u64::from(long),
                }
                self.send(&text, at, timed_by, more)
            }
        }
    }

    /// Makes one event, or one for each part where it is too long. All but the last deliver nothing.
    fn send(&mut self, text: &[u8], at: Timestamp, timed_by: TimedBy, more: bool) -> Verdict {
        let (max, oversize) = (self.max, self.own.rules.oversize);
        let mark = match oversize {
            _ if !more => "",
            Oversize::Split => CONTINUED,
            Oversize::Truncate => TRUNCATED,
        };
        let mut parts = parts::parts(text, max.saturating_sub(mark.len()), oversize).peekable();
        while let Some(part) = parts.next() {
            let mark = if parts.peek().is_none() && part.mark.is_empty() { mark } else { part.mark };
            self.place(part.text, mark, at, timed_by);
        }
        // Of what is cut off nothing more is sent.
        if more && oversize == Oversize::Truncate { Verdict::NotSent } else { Verdict::Sent { at, timed_by } }
    }

    /// An event whose text stands in the buffer, or behind it.
    fn place(&mut self, text: &[u8], mark: &str, at: Timestamp, timed_by: TimedBy) {
        if text.is_empty() {
            return;
        }
        let inside = (text.as_ptr() as usize).checked_sub(self.text.as_ptr() as usize);
        match inside.filter(|start| mark.is_empty() && start + text.len() <= self.text.len()) {
            Some(start) => self.event(start, start + text.len(), at, timed_by),
            None => {
                let start = self.text.len() + self.cut.rewritten.len();
                self.cut.rewritten.extend_from_slice(text);
                self.cut.rewritten.extend_from_slice(mark.as_bytes());
                self.event(start, self.text.len() + self.cut.rewritten.len(), at, timed_by);
            }
        }
    }

    fn event(&mut self, start: usize, end: usize, at: Timestamp, timed_by: TimedBy) {
        // Little more than ENOUGH bytes of a buffer, FULL of what was rewritten, and then a few events: masks add 32 MiB to each at most.
        let place = |at: usize| u32::try_from(at).expect("a buffer and what becomes of it is far below 4 GiB");
        let next = self.from + self.cut.used as u64;
        self.cut.events.push(Event { start: place(start), end: place(end), at, timed_by, next });
    }

    /// Everything before `used` is dealt with; the last event covers what made none.
    fn reached(&mut self, used: usize) {
        self.cut.used = used;
        if let Some(last) = self.cut.events.last_mut() {
            last.next = self.from + used as u64;
        }
    }
}

#[cfg(test)]
mod tests;
