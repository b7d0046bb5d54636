//! Where the text of a line begins and ends among its bytes: holes, white space, characters that a cut would divide.

/// How many NUL bytes stand at the beginning.
pub(super) fn hole(text: &[u8]) -> usize {
    text.iter().position(|&byte| byte != 0).unwrap_or(text.len())
}

/// Without white space at both ends.
pub(super) fn stripped(text: &[u8], start: usize, end: usize) -> (usize, usize) {
    let line = &text[start..end];
    let plain = |byte: &u8| byte.is_ascii_graphic();
    if line.first().is_some_and(plain) && line.last().is_some_and(plain) {
        return (start, end);
    }
    // Python strips the four separators of ASCII as well.
    let space = |c: char| c.is_whitespace() || ('\x1c'..='\x1f').contains(&c);
    match std::str::from_utf8(line) {
        Ok(line) => {
            let rest = line.trim_start_matches(space);
            (end - rest.len(), end - rest.len() + rest.trim_end_matches(space).len())
        }
        Err(_) => {
            let rest = line.trim_ascii_start();
            (end - rest.len(), end - rest.len() + rest.trim_ascii_end().len())
        }
    }
}

/// The nearest place at or before `at` that does not cut a UTF-8 character in two; `at` itself in what is no UTF-8.
pub(super) fn between_characters(text: &[u8], at: usize) -> usize {
    let continues = |i: usize| text.get(i).is_some_and(|byte| byte & 0b1100_0000 == 0b1000_0000);
    (at.saturating_sub(3)..=at).rev().find(|&i| !continues(i)).unwrap_or(at)
}
