//! The one copy of a log line: from the buffer it was read into, escaped, into the request body.

/// One in each byte of a word.
const ONES: u64 = u64::from_ne_bytes([1; 8]);
/// The highest bit of each byte of a word.
const HIGH: u64 = ONES << 7;
const HEX: &[u8; 16] = b"0123456789abcdef";

/// Append `text` to `out` as the inside of a JSON string (RFC 8259, section 7: quotes, backslashes and control characters
/// are escaped, everything else stands for itself).
pub fn escape(text: &str, out: &mut Vec<u8>) {
    let mut rest = text.as_bytes();
    out.reserve(rest.len());
    loop {
        let (clean, dirty) = rest.split_at(clean_prefix(rest));
        out.extend_from_slice(clean);
        let Some((&byte, after)) = dirty.split_first() else { return };
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            b'\t' => out.extend_from_slice(b"\\t"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            _ => {
                let (high, low) = (HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]);
                out.extend_from_slice(&[b'\\', b'u', b'0', b'0', high, low]);
            }
        }
        rest = after;
    }
}

/// How many bytes from the start on need no escaping.
fn clean_prefix(text: &[u8]) -> usize {
    let (words, tail) = text.as_chunks();
    for (index, word) in words.iter().enumerate() {
        let clean = clean_bytes(*word);
        if clean < 8 {
            return index * 8 + clean;
        }
    }
    let mut last = [b' '; 8];
    last[..tail.len()].copy_from_slice(tail);
    words.len() * 8 + clean_bytes(last).min(tail.len())
}

/// How many of eight bytes come before the first that needs escaping. All at once, in a dozen instructions on any machine and
/// at any level of optimization.
const fn clean_bytes(word: [u8; 8]) -> usize {
    /// Sets the highest bit of the first byte that is less than `least`, and any bits after it: taking `least` from such a
    /// byte borrows. A byte of 0x80 or more is never meant.
    const fn less(word: u64, least: u64) -> u64 {
        word.wrapping_sub(ONES * least) & !word & HIGH
    }
    const fn equal(word: u64, byte: u8) -> u64 {
        less(word ^ (ONES * byte as u64), 1)
    }
    let word = u64::from_le_bytes(word);
    let dirty = less(word, 0x20) | equal(word, b'"') | equal(word, b'\\');
    dirty.trailing_zeros() as usize / 8
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn quoted(text: &str) -> String {
        let mut out = vec![b'"'];
        escape(text, &mut out);
        out.push(b'"');
        String::from_utf8(out).expect("escaping keeps UTF-8")
    }

    #[test]
    fn control_characters_quotes_and_backslashes_are_escaped() {
        assert_eq!(quoted("a\"b\\c\td\u{1}\u{1f}é😀"), r#""a\"b\\c\td\u0001\u001fé😀""#);
    }

    #[test]
    fn each_byte_is_judged_alike_at_each_place() {
        for (byte, place) in (0..=u8::MAX).flat_map(|byte| (0..8).map(move |place| (byte, place))) {
            for around in [b' ', 0x1f, b'!', b'#', b'[', b']', 0x7f, 0x80, 0xff] {
                let mut word = [around; 8];
                word[place] = byte;
                let dirty = |&byte: &u8| byte < 0x20 || byte == b'"' || byte == b'\\';
                assert_eq!(clean_bytes(word), word.iter().position(dirty).unwrap_or(8), "{word:x?}");
            }
        }
    }

    proptest! {
        #[test]
        fn any_text_comes_back_from_json_as_it_was(text in "(?s).{0,200}") {
            prop_assert_eq!(serde_json::from_str::<String>(&quoted(&text)).expect("valid JSON"), text);
        }
    }
}
