//! Events of several lines.
//!
//! An event is a line that begins one and every line up to the next that does, joined by LF. Blank lines belong to the event
//! before them; where there is none they vanish. Lines before the first that begins an event are an event, too, and so is what
//! comes after an event that was complete because nothing came for long, or because it had become too long. An event that
//! would grow over the limit goes before the line that would do it: nothing is left out. How much that is counts as it stands
//! in the file, so that it does not depend on when the file was read. What filters and masks look at is as whole as a buffer can
//! hold it, and is split behind them ([`Assembler::limit`]).
//!
//! The last event stays in the file, from its first byte on, until its end is known.
use super::{Assembler, Cutter, Tail, Verdict, ends::hole};
use std::borrow::Cow;

/// Where an event ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::logs) enum Follow {
    /// Before this byte: the next line begins another one.
    Ends(usize),
    /// Before this byte: with the next line it would be too long.
    Full(usize),
    /// Not before this byte, where the last line begins that may still grow.
    Open(usize),
}

impl Assembler {
    /// How the event goes on at byte `from` of `text`, where one of its lines ended and it had `size` bytes.
    pub fn follow(&mut self, text: &[u8], from: usize, size: usize) -> Follow {
        let (limit, unit) = (self.limit(), self.decoder.unit());
        let grown = |end: usize| size + end - from;
        let mut line = from;
        while let Some(next) = self.decoder.line_end(text, line) {
            if self.begins_event(&text[line..next - unit]) {
                self.started = true;
                return Follow::Ends(line);
            }
            if grown(next - unit) > limit {
                return Follow::Full(line);
            }
            line = next;
        }
        if grown(text.len()) > limit { Follow::Full(line) } else { Follow::Open(line) }
    }

    fn begins_event(&self, line: &[u8]) -> bool {
        let content = self.content(line);
        !content.is_empty() && self.rules.starts_event(&content)
    }
}

impl<'a> Cutter<'a> {
    /// Each group of lines is an event.
    pub(super) fn groups(&mut self, mut start: usize, tail: Tail) {
        let unit = self.own.decoder.unit();
        while let Some(next) = self.own.decoder.line_end(self.text, start) {
            let line = &self.text[start..next - unit];
            if self.own.begun.is_some() || self.own.content(line).is_empty() {
                // The rest of a line of which pieces are gone, or a blank line without an event.
                self.line(start, next - unit);
                start = next;
                self.reached(start);
                if self.is_full_up() {
                    return;
                }
                continue;
            }
            self.own.started = self.own.started || self.own.begins_event(line);
            match self.own.follow(self.text, next, next - start) {
                Follow::Ends(end) => self.group(start, end),
                Follow::Full(end) => {
                    self.cut.full += 1;
                    self.group(start, end);
                }
                Follow::Open(end) => return self.open_group(start, end, tail),
            }
            start = self.cut.used;
            if self.is_full_up() {
                return;
            }
        }
        self.rest(start, tail);
    }

    /// The last event of the buffer: whole lines in `start..end`, and maybe one without an end.
    fn open_group(&mut self, start: usize, end: usize, tail: Tail) {
        match tail {
            Tail::Growing => self.cut.open = Some(end),
            Tail::Quiet => {
                self.group(start, end);
                self.growing(end);
            }
            Tail::Last => {
                let line = &self.text[end..];
                if self.own.content(line).is_empty() || self.own.begins_event(line) {
                    self.group(start, end);
                    return self.rest(end, tail);
                }
                let verdict = self.joined(start, self.text.len());
                self.own.begun = Some(verdict);
                self.reached(self.text.len());
            }
        }
    }

    /// One event of the whole lines in `start..end`.
    fn group(&mut self, start: usize, end: usize) {
        self.joined(start, end - self.own.decoder.unit());
        self.reached(end);
    }

    fn joined(&mut self, start: usize, end: usize) -> Verdict {
        let text = &self.text[start..end];
        let text = if self.own.decoder.is_plain() { &text[hole(text)..] } else { text };
        let last = text.strip_suffix(b"\r").unwrap_or(text);
        let event = match self.own.decoder.is_plain() && memchr::memchr2(b'\r', 0, last).is_none() {
            true => Cow::Borrowed(last),
            false => Cow::Owned(self.own.join(text)),
        };
        self.take(event, false)
    }
}

impl Assembler {
    fn join(&self, text: &[u8]) -> Vec<u8> {
        let mut joined = Vec::with_capacity(text.len());
        let mut start = 0;
        while let Some(next) = self.decoder.line_end(text, start) {
            joined.extend_from_slice(&self.content(&text[start..next - self.decoder.unit()]));
            joined.push(b'\n');
            start = next;
        }
        joined.extend_from_slice(&self.content(&text[start..]));
        joined
    }
}

#[cfg(test)]
mod tests;
