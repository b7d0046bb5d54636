//! The names of log groups and streams: what the service takes, and what it would say of others.
use super::limits::{LOG_NAME, fits_group, fits_stream};
use std::fmt;

/// Which of the two names.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum LogName {
    Group,
    Stream,
}

impl LogName {
    /// Whether it may hold this character.
    pub fn fits(self, c: char) -> bool {
        match self {
            Self::Group => fits_group(c),
            Self::Stream => fits_stream(c),
        }
    }

    /// Whether the service takes a whole name.
    ///
    /// # Errors
    /// What the service would say at the first call, and again at each.
    pub fn check(self, name: &str) -> Result<(), NameFault> {
        match name.chars().count() {
            0 => Err(NameFault::Empty),
            length if length > LOG_NAME => Err(NameFault::TooLong { length, name: name.to_owned() }),
            _ => match name.chars().find(|c| !self.fits(*c)) {
                Some(found) => Err(NameFault::Character { found, name: name.to_owned() }),
                None => Ok(()),
            },
        }
    }
}

/// `group`, `stream`.
impl fmt::Display for LogName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Group => "group",
            Self::Stream => "stream",
        })
    }
}

/// Why the service takes no such name.
#[derive(Clone, Debug, Eq, Hash, PartialEq, thiserror::Error)]
pub enum NameFault {
    #[error(
        "has {length} characters once its placeholders are filled in, and at most {LOG_NAME} are allowed: shorten it, or what \
         goes into it ({})", brief(.name)
    )]
    TooLong { length: usize, name: String },
    #[error("would be empty: name one")]
    Empty,
    #[error("cannot hold `{}`: {}", .found.escape_debug(), brief(.name))]
    Character { found: char, name: String },
}

/// The beginning of a text that may be of any length, for messages.
pub fn brief(text: &str) -> String {
    const SHOWN: usize = 60;
    text.char_indices().nth(SHOWN).map_or_else(|| text.to_owned(), |(end, _)| format!("{}...", &text[..end]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_fits_up_to_its_longest_in_characters_and_without_a_wrong_one() {
        let longest = "ä".repeat(LOG_NAME);
        assert_eq!(LogName::Stream.check(&longest), Ok(()));
        let name = format!("{longest}ä");
        let length = LOG_NAME + 1;
        assert_eq!(LogName::Stream.check(&name), Err(NameFault::TooLong { length, name: name.clone() }));
        assert_eq!(LogName::Group.check("/a#b_c-d.e"), Ok(()));
        assert_eq!(LogName::Group.check("a:b"), Err(NameFault::Character { found: ':', name: "a:b".into() }));
        assert_eq!(LogName::Stream.check("a*"), Err(NameFault::Character { found: '*', name: "a*".into() }));
        assert_eq!([LogName::Group, LogName::Stream].map(|name| name.check("")), [const { Err(NameFault::Empty) }; 2]);
    }

    #[test]
    fn a_long_text_is_shown_by_its_beginning_in_whole_characters() {
        assert_eq!(brief(&"é".repeat(60)), "é".repeat(60));
        assert_eq!(brief(&"é".repeat(61)), format!("{}...", "é".repeat(60)));
    }
}
