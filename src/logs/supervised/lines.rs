//! Lines out of a pipe, with bounded memory.
use crate::telemetry::counters::Counter;

/// The longest line that is read. An entry may hold fields of any size; without a bound one of them could take all
/// memory.
const LONGEST: usize = 16 * 1024 * 1024;
/// Memory kept for the next line.
const KEPT: usize = 256 * 1024;

/// What was read and not yet taken.
pub struct Lines {
    bytes: Vec<u8>,
    /// Where the first line that was not taken begins.
    start: usize,
    /// Up to where no line feed was found.
    searched: usize,
    /// The rest of a line that was too long is being thrown away.
    skipping: bool,
    /// Counts the lines that were too long.
    given_up: &'static Counter,
}

impl Lines {
    /// None yet.
    pub fn new(given_up: &'static Counter) -> Self {
        Self { bytes: Vec::new(), start: 0, searched: 0, skipping: false, given_up }
    }

    /// Where to append what is read next.
    pub fn buffer(&mut self) -> &mut Vec<u8> {
        self.bytes.drain(..self.start);
        self.searched -= self.start;
        self.start = 0;
        if self.bytes.is_empty() && self.bytes.capacity() > KEPT {
            self.bytes.shrink_to(KEPT);
        }
        &mut self.bytes
    }

    /// The next whole line, without its line feed.
    pub fn next(&mut self) -> Option<&[u8]> {
        loop {
            let Some(found) = memchr::memchr(b'\n', &self.bytes[self.searched..]) else {
                self.searched = self.bytes.len();
                if self.skipping || self.bytes.len() - self.start > LONGEST {
                    self.skip();
                }
                return None;
            };
            let (from, to) = (self.start, self.searched + found);
            (self.start, self.searched) = (to + 1, to + 1);
            if !std::mem::take(&mut self.skipping) {
                return Some(&self.bytes[from..to]);
            }
        }
    }

    fn skip(&mut self) {
        if !std::mem::replace(&mut self.skipping, true) {
            self.given_up.add(1);
            tracing::warn!(bytes = LONGEST, "an entry of the system's log is longer than this and is left out");
        }
        self.bytes.clear();
        (self.start, self.searched) = (0, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::counters::JOURNAL_LINES_UNREADABLE;

    fn all(lines: &mut Lines) -> Vec<String> {
        let mut found = Vec::new();
        while let Some(line) = lines.next() {
            found.push(String::from_utf8_lossy(line).into_owned());
        }
        found
    }

    #[test]
    fn lines_come_out_whole_however_they_arrive() {
        let text = b"one\n\ntwo\nthree\nrest";
        for size in 1..text.len() {
            let mut lines = Lines::new(&JOURNAL_LINES_UNREADABLE);
            let mut found = Vec::new();
            for piece in text.chunks(size) {
                lines.buffer().extend_from_slice(piece);
                found.extend(all(&mut lines));
            }
            assert_eq!(found, ["one", "", "two", "three"], "in pieces of {size}");
        }
    }

    #[test]
    fn a_line_that_is_too_long_is_left_out_and_counted_and_holds_no_memory() {
        let mut lines = Lines::new(&JOURNAL_LINES_UNREADABLE);
        let before = JOURNAL_LINES_UNREADABLE.get();
        lines.buffer().extend_from_slice(b"one\n");
        lines.buffer().resize(4 + LONGEST + 2, b'x');
        assert_eq!(all(&mut lines), ["one"]);
        assert!(JOURNAL_LINES_UNREADABLE.get() > before);
        lines.buffer().extend_from_slice(b"still the same");
        assert!(all(&mut lines).is_empty());
        assert!(lines.buffer().capacity() <= KEPT);
        lines.buffer().extend_from_slice(b" line\ntwo\n");
        assert_eq!(all(&mut lines), ["two"]);
    }
}
