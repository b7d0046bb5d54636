//! From the bytes of a file to events: a pure function over one buffer.
//!
//! A line ends with LF; one CR before it goes too. Empty lines make no event but are covered by the one before them.
//! NUL bytes at the beginning of a line are a hole that somebody's truncation left, not text. Bytes that are not UTF-8
//! pass as they are. A line over the service's limit goes out in parts, cut between characters.
use crate::{
    config::settings::Filter,
    logs::filter,
    model::{Event, Timestamp, limits::MESSAGE_BYTES},
};

/// A buffer of this size either holds the end of its first line, CR and LF included, or proves that it is too long.
pub(super) const ENOUGH: usize = MESSAGE_BYTES + 2;

/// The byte order mark that some editors put before UTF-8.
const MARK: &[u8] = b"\xef\xbb\xbf";

/// The same mark in UTF-16, in both byte orders.
const WIDE_MARKS: &[&[u8]] = &[b"\xff\xfe", b"\xfe\xff"];

/// Room for this many bytes a line is a good first guess.
const USUAL_LINE: usize = 96;

/// What stands after the last line end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Tail {
    /// A line that may still grow: it stays in the file.
    Growing,
    /// All that there will be: it goes as it is.
    Last,
}

/// A line that was begun in an earlier buffer, and whether the filter let it pass: its parts share one fate.
pub(super) type Begun = Option<bool>;

/// What one buffer gave.
#[derive(Debug, Default)]
pub(super) struct Cut {
    pub events: Vec<Event>,
    /// So many bytes of the buffer need no reading any more.
    pub used: usize,
    /// Lines (or parts) that the filter kept back.
    pub filtered: u64,
    /// Lines that were found too long here.
    pub split: u64,
    /// Set when the buffer's used part ends inside a line.
    pub begun: Begun,
}

/// Cuts `text`, which begins at byte `from` of its file and is read at `at`.
pub(super) fn cut(text: &[u8], from: u64, at: Timestamp, filter: &Filter, begun: Begun, tail: Tail) -> Cut {
    let events = Vec::with_capacity(text.len() / USUAL_LINE + 1);
    let mut cutter =
        Cutter { text, from, at, filter, open: filter::is_open(filter), cut: Cut { events, begun, ..Cut::default() } };
    let mut start = if from == 0 && text.starts_with(MARK) { MARK.len() } else { 0 };
    for end in memchr::memchr_iter(b'\n', text) {
        cutter.line(start, end);
        cutter.cut.begun = None;
        start = end + 1;
        cutter.reached(start);
    }
    match tail {
        Tail::Growing => cutter.growing(start),
        Tail::Last => {
            if start < text.len() {
                let passed = cutter.line(start, text.len());
                cutter.cut.begun = Some(passed);
            }
            cutter.reached(text.len());
        }
    }
    cutter.cut
}

/// Whether the beginning of a file says that it is UTF-16.
pub(super) fn is_utf16(text: &[u8]) -> bool {
    WIDE_MARKS.iter().any(|mark| text.starts_with(mark))
}

struct Cutter<'a> {
    text: &'a [u8],
    from: u64,
    at: Timestamp,
    filter: &'a Filter,
    open: bool,
    cut: Cut,
}

impl Cutter<'_> {
    /// Takes the line in `start..end` and says whether it passed.
    fn line(&mut self, start: usize, end: usize) -> bool {
        let end = if end > start && self.text[end - 1] == b'\r' { end - 1 } else { end };
        let mut start = self.after_hole(start, end);
        if start == end {
            return self.cut.begun.unwrap_or(true);
        }
        let passed = self.judge(start, end);
        while end - start > MESSAGE_BYTES {
            start = self.part(start, passed);
        }
        self.event(start, end, passed);
        passed
    }

    /// What follows the last line end, from `start` on, and may still grow.
    fn growing(&mut self, start: usize) {
        let first = self.after_hole(start, self.text.len());
        let rest = self.text.len() - first;
        if rest >= ENOUGH {
            let passed = self.judge(first, first + MESSAGE_BYTES);
            let next = self.part(first, passed);
            self.cut.begun = Some(passed);
            self.reached(next);
        } else if first > start && (rest > 0 || first - start >= ENOUGH) {
            // Text came after the hole, or the hole fills the buffer. NULs at the very end may yet be written over.
            self.reached(first);
        }
    }

    /// One part of a line that is too long; where the next one begins.
    fn part(&mut self, start: usize, passed: bool) -> usize {
        if self.cut.begun.is_none() {
            self.cut.split += 1;
            self.cut.begun = Some(passed);
        }
        let end = between_characters(self.text, start + MESSAGE_BYTES);
        self.event(start, end, passed);
        end
    }

    fn judge(&self, start: usize, end: usize) -> bool {
        self.cut.begun.unwrap_or_else(|| self.open || filter::passes(self.filter, &self.text[start..end]))
    }

    fn event(&mut self, start: usize, end: usize, passed: bool) {
        if !passed {
            self.cut.filtered += 1;
            return;
        }
        // A buffer has at most ENOUGH bytes and a slice more, far below 4 GiB.
        let place = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        let next = self.from + end as u64;
        self.cut.events.push(Event { start: place(start), end: place(end), at: self.at, next });
    }

    /// Everything before `used` is dealt with; the last event covers what made none.
    fn reached(&mut self, used: usize) {
        self.cut.used = used;
        if let Some(last) = self.cut.events.last_mut() {
            last.next = self.from + used as u64;
        }
    }

    fn after_hole(&self, start: usize, end: usize) -> usize {
        if self.cut.begun.is_some() {
            return start;
        }
        self.text[start..end].iter().position(|&byte| byte != 0).map_or(end, |n| start + n)
    }
}

/// The nearest place at or before `at` that does not cut a UTF-8 character in two; `at` itself in what is no UTF-8.
fn between_characters(text: &[u8], at: usize) -> usize {
    let continues = |i: usize| text.get(i).is_some_and(|byte| byte & 0b1100_0000 == 0b1000_0000);
    (at.saturating_sub(3)..=at).rev().find(|&i| !continues(i)).unwrap_or(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &[u8], tail: Tail) -> Cut {
        cut(text, 0, Timestamp::from_millis(1), &Filter::default(), None, tail)
    }

    fn messages<'a>(text: &'a [u8], cut: &Cut) -> Vec<&'a [u8]> {
        cut.events.iter().map(|e| &text[e.start as usize..e.end as usize]).collect()
    }

    fn excluding(pattern: &str) -> Filter {
        let pattern = regex::bytes::Regex::new(pattern).expect("a good pattern");
        Filter { exclude_patterns: vec![pattern], ..Filter::default() }
    }

    #[test]
    fn line_ends_are_stripped_and_empty_lines_are_covered_but_not_sent() {
        let text = b"\n\r\none\r\n\ntwo  \nlone\rreturn\n\n";
        let cut = plain(text, Tail::Growing);
        assert_eq!(messages(text, &cut), [&b"one"[..], b"two  ", b"lone\rreturn"]);
        assert_eq!(cut.used, text.len());
        assert_eq!(cut.events[0].next, 9, "the empty line behind the first event is covered by it");
        assert_eq!(cut.events[2].next, text.len() as u64);
    }

    #[test]
    fn an_unfinished_line_stays_in_the_file() {
        let text = b"one\ntw";
        let cut = plain(text, Tail::Growing);
        assert_eq!((messages(text, &cut), cut.used), (vec![&b"one"[..]], 4));
        assert_eq!(plain(b"tw", Tail::Growing).used, 0);
    }

    #[test]
    fn an_unfinished_line_goes_when_nothing_more_can_come() {
        let text = b"one\ntw";
        let cut = plain(text, Tail::Last);
        assert_eq!((messages(text, &cut), cut.used), (vec![&b"one"[..], b"tw"], 6));
        let late = super::cut(b"o\n\n", 6, Timestamp::default(), &Filter::default(), cut.begun, Tail::Growing);
        assert_eq!((late.events.len(), late.used), (1, 3));
    }

    #[test]
    fn the_byte_order_mark_is_stripped_at_the_beginning_of_the_file_only() {
        let text = b"\xef\xbb\xbfone\n\xef\xbb\xbftwo\n";
        assert_eq!(messages(text, &plain(text, Tail::Growing)), [&b"one"[..], b"\xef\xbb\xbftwo"]);
        let later = cut(text, 9, Timestamp::default(), &Filter::default(), None, Tail::Growing);
        assert_eq!(later.events[0].start, 0);
        assert_eq!(plain(b"\xef\xbb\xbf", Tail::Growing).used, 0);
    }

    #[test]
    fn utf16_is_known_by_its_mark() {
        assert!(is_utf16(b"\xff\xfeo\0n\0e\0") && is_utf16(b"\xfe\xff\0o\0n\0e"));
        assert!(!is_utf16(b"\xef\xbb\xbfone") && !is_utf16(b"one"));
    }

    #[test]
    fn a_hole_before_a_line_is_skipped_and_zeros_within_it_are_kept() {
        let text = b"\0\0\0one\0x\n\0\0\n";
        let cut = plain(text, Tail::Growing);
        assert_eq!((messages(text, &cut), cut.used), (vec![&b"one\0x"[..]], text.len()));
    }

    #[test]
    fn zeros_at_the_end_wait_because_they_may_be_written_over() {
        assert_eq!(plain(b"one\n\0\0\0", Tail::Growing).used, 4);
        assert_eq!(plain(b"one\n\0\0\0tw", Tail::Growing).used, 7, "text follows: the hole will not change");
        assert_eq!(plain(&vec![0; ENOUGH], Tail::Growing).used, ENOUGH, "bounded memory");
    }

    #[test]
    fn what_is_not_utf8_passes_as_it_is() {
        let text = b"\xff\xfeone\n";
        assert_eq!(messages(text, &plain(text, Tail::Growing)), [&b"\xff\xfeone"[..]]);
    }

    #[test]
    fn a_line_of_exactly_the_limit_goes_whole_also_with_crlf() {
        let text = [vec![b'x'; MESSAGE_BYTES], b"\r\n".to_vec()].concat();
        let cut = plain(&text, Tail::Growing);
        assert_eq!((cut.events.len(), cut.split, cut.used), (1, 0, text.len()));
        assert_eq!(plain(&text[..MESSAGE_BYTES + 1], Tail::Growing).used, 0, "its end may be the next byte");
    }

    #[test]
    fn a_line_over_the_limit_goes_in_parts_cut_between_characters() {
        let text = [vec![b'x'; MESSAGE_BYTES - 1], "é".repeat(4).into_bytes(), b"\n".to_vec()].concat();
        let cut = plain(&text, Tail::Growing);
        assert_eq!((cut.events.len(), cut.split), (2, 1));
        assert_eq!(cut.events[0].end as usize, MESSAGE_BYTES - 1);
        assert_eq!(messages(&text, &cut)[1], "éééé".as_bytes());
    }

    #[test]
    fn an_endless_line_goes_in_parts_as_it_grows_and_is_counted_once() {
        let text = vec![b'x'; ENOUGH + 100];
        let first = plain(&text, Tail::Growing);
        assert_eq!((first.events.len(), first.split, first.used), (1, 1, MESSAGE_BYTES));
        let second = cut(&text, 5, Timestamp::default(), &Filter::default(), first.begun, Tail::Growing);
        assert_eq!((second.events.len(), second.split, second.used), (1, 0, MESSAGE_BYTES));
        let end = cut(b"end\nnext\n", 5, Timestamp::default(), &Filter::default(), second.begun, Tail::Growing);
        assert_eq!((end.events.len(), end.begun), (2, None));
    }

    #[test]
    fn the_parts_of_a_line_share_the_judgement_of_its_beginning() {
        let filter = excluding("^secret");
        let text = [b"secret".to_vec(), vec![b'x'; ENOUGH]].concat();
        let first = cut(&text, 0, Timestamp::default(), &filter, None, Tail::Growing);
        assert_eq!((first.events.len(), first.begun, first.used), (0, Some(false), MESSAGE_BYTES));
        let end = cut(b"end\nnext\n", 5, Timestamp::default(), &filter, first.begun, Tail::Growing);
        assert_eq!(end.events.len(), 1);
        assert_eq!(end.events[0].start, 4);
    }

    #[test]
    fn what_the_filter_keeps_back_is_covered_and_counted() {
        let text = b"no\none\nno\nno\ntwo\nno\n";
        let cut = cut(text, 100, Timestamp::default(), &excluding("^no"), None, Tail::Growing);
        assert_eq!((messages(text, &cut), cut.filtered), (vec![&b"one"[..], b"two"], 4));
        assert_eq!(cut.events.iter().map(|e| e.next).collect::<Vec<_>>(), [113, 100 + text.len() as u64]);
    }
}
