//! The one copy of a log line: from the buffer it was read into, escaped, into the request body.

/// Bytes looked at together; a length that compilers turn into vector instructions on every target of ours.
const BLOCK: usize = 32;
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
    let blocks =
        text.chunks_exact(BLOCK).take_while(|block| !block.iter().fold(false, |any, &b| any | needs_escape(b)));
    let clean = blocks.count() * BLOCK;
    clean + text[clean..].iter().position(|&b| needs_escape(b)).unwrap_or(text.len() - clean)
}

const fn needs_escape(byte: u8) -> bool {
    // `|`, not `||`: without branches the loop over a block becomes vector code.
    (byte < 0x20) | (byte == b'"') | (byte == b'\\')
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

    proptest! {
        #[test]
        fn any_text_comes_back_from_json_as_it_was(text in "(?s).{0,200}") {
            prop_assert_eq!(serde_json::from_str::<String>(&quoted(&text)).expect("valid JSON"), text);
        }
    }
}
