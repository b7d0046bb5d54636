//! Events that are longer than they may be: cut between characters.
use crate::config::settings::text::Oversize;

/// Ends each part of a split event but the last.
pub const CONTINUED: &str = "[Continued...]";
/// Ends an event that lacks the rest. The agent writes the same.
pub const TRUNCATED: &str = "[Truncated...]";

/// One message of an event.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Part<'a> {
    pub text: &'a [u8],
    /// Follows the text in the message; usually empty.
    pub mark: &'static str,
}

/// The messages of an event, each of at most `max` bytes with its mark. One for an event that fits, and for an empty one.
pub fn parts(text: &[u8], max: usize, oversize: Oversize) -> impl Iterator<Item = Part<'_>> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest.take()?;
        if text.len() <= max {
            return Some(Part { text, mark: "" });
        }
        let mark = match oversize {
            Oversize::Split => CONTINUED,
            Oversize::Truncate => TRUNCATED,
        };
        let (text, after) = text.split_at(between_characters(text, max.saturating_sub(mark.len())));
        rest = (oversize == Oversize::Split).then_some(after);
        Some(Part { text, mark })
    })
}

/// The nearest place at or before `at` that does not cut a UTF-8 character in two; `at` itself in what is no UTF-8.
pub fn between_characters(text: &[u8], at: usize) -> usize {
    let continues = |i: usize| text.get(i).is_some_and(|byte| byte & 0b1100_0000 == 0b1000_0000);
    (at.saturating_sub(3)..=at).rev().find(|&i| !continues(i)).unwrap_or(at)
}
