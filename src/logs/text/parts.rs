//! Events that are longer than they may be: cut between characters.
//!
//! Parts of a split event follow each other in their stream with one time. Each but the last ends with [`CONTINUED`]: who reads them takes
//! it off and appends the next event, until one has no such end.
//!
//! The service counts text as it is sent: a byte that is not UTF-8 counts as the three of U+FFFD, which it will become.
use crate::config::settings::text::Oversize;

/// Ends each part of a split event but the last.
pub const CONTINUED: &str = "[Continued...]";
/// Ends an event that lacks the rest. The agent writes the same.
pub const TRUNCATED: &str = "[Truncated...]";

/// What a byte sequence that is not UTF-8 becomes, in bytes.
const MENDED: usize = char::REPLACEMENT_CHARACTER.len_utf8();

/// One message of an event.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Part<'a> {
    pub text: &'a [u8],
    /// Follows the text in the message; usually empty.
    pub mark: &'static str,
}

/// The messages of an event, each of at most `max` bytes with its mark. One for an event that fits, and for an empty one.
pub fn parts(text: &[u8], max: usize, oversize: Oversize) -> Parts<'_> {
    Parts { rest: Some(text), max, oversize }
}

/// See [`parts`].
#[derive(Clone, Debug)]
pub struct Parts<'a> {
    rest: Option<&'a [u8]>,
    max: usize,
    oversize: Oversize,
}

impl<'a> Iterator for Parts<'a> {
    type Item = Part<'a>;

    fn next(&mut self) -> Option<Part<'a>> {
        let text = self.rest.take()?;
        if fits(text, self.max) {
            return Some(Part { text, mark: "" });
        }
        let mark = match self.oversize {
            Oversize::Split => CONTINUED,
            Oversize::Truncate => TRUNCATED,
        };
        let (part, rest) = text.split_at(between_characters(text, self.max.saturating_sub(mark.len())));
        if self.oversize == Oversize::Split {
            self.rest = Some(rest);
        }
        Some(Part { text: part, mark })
    }
}

/// Whether a text takes no more than `max` bytes when it is sent.
pub fn fits(text: &[u8], max: usize) -> bool {
    // Each byte grows to three at most, and hardly ever does.
    text.len().saturating_mul(MENDED) <= max || prefix(text, max) == text.len()
}

/// Where to cut so that what comes before takes no more than `max` bytes when it is sent: at the beginning of a character, and never
/// at the beginning of the text.
pub fn between_characters(text: &[u8], max: usize) -> usize {
    match prefix(text, max) {
        // A limit of less than one character cannot be held.
        0 => text.utf8_chunks().next().map_or(0, |chunk| chunk.valid().chars().next().map_or(1, char::len_utf8)),
        end => end,
    }
}

/// The longest part from the beginning on, of whole characters, that takes no more than `max` bytes when it is sent.
fn prefix(text: &[u8], max: usize) -> usize {
    let (mut taken, mut sent) = (0, 0);
    for chunk in text.utf8_chunks() {
        let valid = chunk.valid();
        if sent + valid.len() > max {
            return taken + valid.floor_char_boundary(max - sent);
        }
        (taken, sent) = (taken + valid.len(), sent + valid.len());
        if !chunk.invalid().is_empty() {
            if sent + MENDED > max {
                return taken;
            }
            (taken, sent) = (taken + chunk.invalid().len(), sent + MENDED);
        }
    }
    taken
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn messages(text: &[u8], max: usize, oversize: Oversize) -> Vec<Vec<u8>> {
        parts(text, max, oversize).map(|part| [part.text, part.mark.as_bytes()].concat()).collect()
    }

    #[test]
    fn what_fits_is_one_part_as_it_is() {
        assert_eq!(messages(b"", 256, Oversize::Split), [b""]);
        let text = vec![b'x'; 256];
        for oversize in [Oversize::Split, Oversize::Truncate] {
            assert_eq!(messages(&text, 256, oversize), std::slice::from_ref(&text));
        }
    }

    #[test]
    fn each_part_but_the_last_says_that_it_goes_on() {
        let text = "é".repeat(300);
        let parts = messages(text.as_bytes(), 256, Oversize::Split);
        assert_eq!(parts.len(), 3);
        assert!(parts[0].len() <= 256 && parts[0].ends_with(CONTINUED.as_bytes()), "{}", parts[0].len());
        assert!(!parts[2].ends_with(CONTINUED.as_bytes()));
        assert!(parts.iter().all(|part| std::str::from_utf8(part).is_ok()), "cut between characters");
    }

    #[test]
    fn a_truncated_event_ends_with_the_agents_words_and_is_no_longer_than_the_limit() {
        let text = "é".repeat(300);
        let parts = messages(text.as_bytes(), 257, Oversize::Truncate);
        assert_eq!(parts.len(), 1);
        assert_eq!(parts[0].len(), 256, "one byte less than allowed rather than half a character");
        assert!(std::str::from_utf8(&parts[0]).is_ok_and(|text| text.ends_with(TRUNCATED)));
    }

    #[test]
    fn what_is_not_utf8_counts_as_what_it_will_become() {
        let parts = messages(&[0xff; 100], 256, Oversize::Split);
        assert_eq!(parts.len(), 2);
        assert_eq!(String::from_utf8_lossy(&parts[0]).len(), 80 * 3 + CONTINUED.len());
    }

    proptest! {
        #[test]
        fn joined_parts_are_the_event_and_none_is_too_long(
            text in prop_oneof![
                proptest::collection::vec(any::<u8>(), 0..3000),
                "\\PC{0,900}".prop_map(String::into_bytes),
            ],
            max in 256..600usize,
        ) {
            let all: Vec<Part<'_>> = parts(&text, max, Oversize::Split).collect();
            prop_assert_eq!(all.iter().flat_map(|part| part.text).copied().collect::<Vec<_>>(), text.clone());
            for (index, part) in all.iter().enumerate() {
                prop_assert_eq!(part.mark, if index + 1 == all.len() { "" } else { CONTINUED });
                prop_assert!(String::from_utf8_lossy(part.text).len() + part.mark.len() <= max);
            }
            let whole = String::from_utf8_lossy(&text).into_owned();
            let mended: String = all.iter().map(|part| String::from_utf8_lossy(part.text)).collect();
            prop_assert_eq!(mended, whole, "no character is cut");
            let cut: Vec<Part<'_>> = parts(&text, max, Oversize::Truncate).collect();
            prop_assert_eq!(cut.len(), 1);
            prop_assert!(text.starts_with(cut[0].text));
        }
    }
}
