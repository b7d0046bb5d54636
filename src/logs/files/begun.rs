//! Beginning in the middle of a line: where the line begins, and how the filter judged it.
//!
//! A position stands within a line when a part of one that is too long was delivered, or the end of a rotated file that
//! had no line end. What follows shares the fate of the line's beginning, also in another run: the beginning is read
//! again from the file and judged as it was. It is looked for however far it is, in blocks, and only where there is a
//! filter.
use super::{
    content,
    lines::{Begun, ENOUGH},
};
use crate::{config::settings::Filter, logs::filter, model::limits::MESSAGE_BYTES};
use std::{fs::File, io};

/// How much is read at a time on the way back.
const BLOCK: u64 = 64 * 1024;
/// A part that was cut between characters is shorter than the limit by less than this.
const CHARACTER: u64 = 4;

/// Where the line that holds byte `at` begins, if that is near.
pub(super) fn near_line_start(file: &File, at: u64) -> io::Result<u64> {
    Ok(line_start(file, at, BLOCK)?.unwrap_or(at))
}

/// How the line was judged of which a part ends at `offset`; `None` where a line begins there.
pub(super) fn at(file: &File, offset: u64, by: &Filter) -> io::Result<Begun> {
    let before = content::bytes(file, offset.saturating_sub(1), offset.min(1))?;
    if matches!(before.as_slice(), [] | [b'\n']) || filter::is_open(by) && before == [0] {
        return Ok(None);
    }
    if filter::is_open(by) {
        return Ok(Some(true));
    }
    let start = after_hole(file, line_start(file, offset, offset)?.unwrap_or(0), offset)?;
    if start == offset {
        return Ok(None);
    }
    let part = offset - start;
    if part + CHARACTER <= MESSAGE_BYTES as u64 {
        return Ok(Some(filter::passes(by, &content::bytes(file, start, part)?)));
    }
    // As it was cut then: whole, if its end stood in the first buffer.
    let text = content::bytes(file, start, ENOUGH as u64)?;
    let line = match memchr::memchr(b'\n', &text) {
        Some(end) => text[..end].strip_suffix(b"\r").unwrap_or(&text[..end]),
        None => &text[..text.len().min(MESSAGE_BYTES)],
    };
    Ok(Some(filter::passes(by, line)))
}

/// Where the line that holds byte `at` begins, if that is no more than `reach` before it.
fn line_start(file: &File, at: u64, reach: u64) -> io::Result<Option<u64>> {
    let (mut end, least) = (at, at.saturating_sub(reach));
    while end > least {
        let start = end.saturating_sub(BLOCK).max(least);
        if let Some(n) = memchr::memrchr(b'\n', &content::bytes(file, start, end - start)?) {
            return Ok(Some(start + n as u64 + 1));
        }
        end = start;
    }
    Ok((end == 0).then_some(0))
}

/// The first byte in `start..end` that is no NUL: the hole that a truncation left is no part of the line.
fn after_hole(file: &File, mut start: u64, end: u64) -> io::Result<u64> {
    while start < end {
        let block = content::bytes(file, start, BLOCK.min(end - start))?;
        match block.iter().position(|byte| *byte != 0) {
            Some(n) => return Ok(start + n as u64),
            None if block.is_empty() => return Ok(end),
            None => start += block.len() as u64,
        }
    }
    Ok(end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    fn file(text: &[u8]) -> File {
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(text).expect("written");
        file
    }

    fn without(pattern: &str) -> Filter {
        let pattern = regex::bytes::Regex::new(pattern).expect("a good pattern");
        Filter { exclude_patterns: vec![pattern], ..Filter::default() }
    }

    #[test]
    fn a_line_that_begins_at_the_position_is_judged_by_itself() {
        let by = without("secret");
        assert_eq!(at(&file(b"secret\nnext"), 7, &by).expect("read"), None);
        assert_eq!(at(&file(b"secret"), 0, &by).expect("read"), None);
        assert_eq!(at(&file(b"secret\n\0\0\0next"), 10, &by).expect("read"), None, "a hole is no beginning");
    }

    #[test]
    fn the_rest_of_a_line_is_judged_by_its_beginning_however_far_that_is() {
        let text = [b"first\n\0\0secret".to_vec(), vec![b'x'; 3 * MESSAGE_BYTES]].concat();
        let (file, end) = (file(&text), text.len() as u64);
        for offset in [10, 100, 70_000, 2_000_000, end] {
            assert_eq!(at(&file, offset, &without("^secret")).expect("read"), Some(offset < 14), "{offset}");
            assert_eq!(at(&file, offset, &without("^first")).expect("read"), Some(true), "{offset}");
            assert_eq!(at(&file, offset, &Filter::default()).expect("read"), Some(true), "{offset}");
        }
    }

    #[test]
    fn a_line_that_was_whole_in_its_first_buffer_is_judged_whole() {
        let text = [vec![b'x'; MESSAGE_BYTES], b"!\n".to_vec()].concat();
        assert_eq!(at(&file(&text), MESSAGE_BYTES as u64, &without("!$")).expect("read"), Some(false));
    }

    #[test]
    fn what_went_without_a_line_end_is_judged_as_it_was_then() {
        assert_eq!(at(&file(b"two\n"), 2, &without("^two")).expect("read"), Some(true));
    }

    #[test]
    fn only_a_near_beginning_is_gone_back_to() {
        let text = [b"one\n".to_vec(), vec![b'x'; 70_000]].concat();
        let file = file(&text);
        assert_eq!(near_line_start(&file, 1000).expect("read"), 4);
        assert_eq!(near_line_start(&file, 2).expect("read"), 0);
        assert_eq!(near_line_start(&file, 70_004).expect("read"), 70_004);
    }
}
