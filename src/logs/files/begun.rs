//! Beginning in the middle of a line: where the line begins, and what became of its beginning.
//!
//! A position stands within a line when a piece of one that is too long was delivered, or the end of a rotated file that
//! had no line end. What follows shares the fate of the line's beginning, also in another run: the beginning is read
//! again from the file and treated as it was. It is looked for however far it is, in blocks, and only where something may be
//! kept back.
use super::{
    content::{self, Bytes},
    lines::{Assembler, Begun, ENOUGH, PIECE, Verdict},
};
use crate::{
    logs::text::encoding::Decoder,
    model::{TimedBy, Timestamp},
};
use std::io;

/// How much is read at a time on the way back.
const BLOCK: u64 = 64 * 1024;
/// A piece that was cut between characters is shorter than others by less than this.
const CHARACTER: u64 = 16;

/// Where the line that holds byte `at` begins, if that is near.
pub(super) fn near_line_start(file: &impl Bytes, at: u64, decoder: &Decoder) -> io::Result<u64> {
    Ok(line_start(file, at, BLOCK, decoder)?.unwrap_or(at))
}

/// What became of the line of which a piece ends at `offset`; `None` where a line begins there.
pub(super) fn at(file: &impl Bytes, offset: u64, lines: &mut Assembler, now: Timestamp) -> io::Result<Begun> {
    let decoder = *lines.decoder();
    let unit = decoder.unit() as u64;
    if offset <= decoder.bom_len() as u64 {
        return Ok(None);
    }
    let before = content::bytes(file, offset.saturating_sub(unit), unit)?;
    if decoder.line_end(&before, 0).is_some() || lines.sends_all() && before == [0] {
        return Ok(None);
    }
    if lines.sends_all() {
        return Ok(Some(Verdict::Sent { at: now, timed_by: TimedBy::Reader }));
    }
    let start = line_start(file, offset, offset, &decoder)?.unwrap_or(0).max(decoder.bom_len() as u64);
    let start = after_hole(file, start, offset, unit)?;
    if start == offset {
        return Ok(None);
    }
    let part = offset - start;
    if part + CHARACTER <= PIECE as u64 {
        return Ok(lines.judge(&content::bytes(file, start, part)?, now, false));
    }
    // As it was then: whole, if its end stood in the first buffer.
    let text = content::bytes(file, start, ENOUGH as u64)?;
    Ok(match decoder.line_end(&text, 0) {
        Some(next) => lines.judge(&text[..next - decoder.unit()], now, false),
        None => lines.judge(&text[..text.len().min(PIECE)], now, true),
    })
}

/// Where the line that holds byte `at` begins, if that is no more than `reach` before it.
fn line_start(file: &impl Bytes, at: u64, reach: u64, decoder: &Decoder) -> io::Result<Option<u64>> {
    let unit = decoder.unit() as u64;
    let (mut end, least) = (at - at % unit, at.saturating_sub(reach));
    let least = least - least % unit;
    while end > least {
        let start = end.saturating_sub(BLOCK).max(least);
        if let Some(n) = last_line_end(&content::bytes(file, start, end - start)?, decoder) {
            return Ok(Some(start + n as u64));
        }
        end = start;
    }
    Ok((end == 0).then_some(0))
}

/// One past the last line end.
fn last_line_end(text: &[u8], decoder: &Decoder) -> Option<usize> {
    if decoder.unit() == 1 {
        return memchr::memrchr(b'\n', text).map(|n| n + 1);
    }
    std::iter::successors(decoder.line_end(text, 0), |next| decoder.line_end(text, *next)).last()
}

/// The first unit in `start..end` that is no NUL: the hole that a truncation left is no part of the line.
fn after_hole(file: &impl Bytes, mut start: u64, end: u64, unit: u64) -> io::Result<u64> {
    while start < end {
        let block = content::bytes(file, start, BLOCK.min(end - start))?;
        match block.iter().position(|byte| *byte != 0) {
            Some(n) => return Ok(start + n as u64 / unit * unit),
            None if block.is_empty() => return Ok(end),
            None => start += block.len() as u64,
        }
    }
    Ok(end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::settings::{
        Filter,
        text::{ByteOrder, Encoding, TextRules},
    };
    use std::{fs::File, io::Write as _, sync::Arc};

    fn file(text: &[u8]) -> File {
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(text).expect("written");
        file
    }

    fn without(pattern: &str) -> TextRules {
        let pattern = regex::bytes::Regex::new(pattern).expect("a good pattern");
        let filter = Filter { exclude_patterns: vec![pattern], ..Filter::default() };
        TextRules { filter, ..TextRules::default() }
    }

    /// Whether the line's beginning was sent; `None` where none was.
    fn sent(file: &File, offset: u64, rules: &TextRules) -> Option<bool> {
        let decoder = Decoder::new(rules.encoding, &content::bytes(file, 0, 4).expect("read"));
        let mut lines = Assembler::new(&Arc::new(rules.clone()), decoder, None);
        let begun = at(file, offset, &mut lines, Timestamp::default()).expect("read");
        begun.map(|verdict| verdict != Verdict::NotSent)
    }

    #[test]
    fn a_line_that_begins_at_the_position_is_judged_by_itself() {
        let by = without("secret");
        assert_eq!(sent(&file(b"secret\nnext"), 7, &by), None);
        assert_eq!(sent(&file(b"secret"), 0, &by), None);
        assert_eq!(sent(&file(b"secret\n\0\0\0next"), 10, &by), None, "a hole is no beginning");
        assert_eq!(sent(&file(b"\xef\xbb\xbfsecret"), 3, &by), None, "nor is a byte order mark");
    }

    #[test]
    fn the_rest_of_a_line_is_judged_by_its_beginning_however_far_that_is() {
        let text = [b"first\n\0\0secret".to_vec(), vec![b'x'; 3 * ENOUGH]].concat();
        let (file, end) = (file(&text), text.len() as u64);
        for offset in [10, 100, 70_000, 2_000_000, end] {
            assert_eq!(sent(&file, offset, &without("^secret")), Some(offset < 14), "{offset}");
            assert_eq!(sent(&file, offset, &without("^first")), Some(true), "{offset}");
            assert_eq!(sent(&file, offset, &TextRules::default()), Some(true), "{offset}");
        }
    }

    #[test]
    fn a_line_that_was_whole_in_its_first_buffer_is_judged_whole() {
        let text = [vec![b'x'; PIECE + 10], b"!\n".to_vec()].concat();
        assert_eq!(sent(&file(&text), PIECE as u64, &without("!$")), Some(false));
    }

    #[test]
    fn what_went_without_a_line_end_is_judged_as_it_was_then() {
        assert_eq!(sent(&file(b"two\n"), 2, &without("^two")), Some(true));
    }

    #[test]
    fn what_an_earlier_run_cut_off_stays_cut_off() {
        let oversize = crate::config::settings::text::Oversize::Truncate;
        let file = file(&vec![b'x'; 2 * ENOUGH]);
        assert_eq!(sent(&file, PIECE as u64, &TextRules { oversize, ..TextRules::default() }), Some(false));
    }

    #[test]
    fn a_wide_line_begins_behind_a_whole_code_unit() {
        let encoding = Encoding::Utf16(ByteOrder::Little);
        let wide: Vec<u8> = "a\n\u{0a41}secret".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let (file, rules) = (file(&wide), TextRules { encoding, ..without("^\u{0a41}sec") });
        assert_eq!(sent(&file, 4, &rules), None);
        assert_eq!(sent(&file, 14, &rules), Some(false));
        assert_eq!(near_line_start(&file, 13, &Decoder::new(encoding, b"a\0")).expect("read"), 4);
    }

    #[test]
    fn only_a_near_beginning_is_gone_back_to() {
        let text = [b"one\n".to_vec(), vec![b'x'; 70_000]].concat();
        let (file, decoder) = (file(&text), Decoder::new(Encoding::default(), b""));
        assert_eq!(near_line_start(&file, 1000, &decoder).expect("read"), 4);
        assert_eq!(near_line_start(&file, 2, &decoder).expect("read"), 0);
        assert_eq!(near_line_start(&file, 70_004, &decoder).expect("read"), 70_004);
    }
}
