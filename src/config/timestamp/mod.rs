//! `timestamp_format`: where a time stands in the text of an event, and which one it is.
//!
//! A format is compiled once, to [`Item`]s, which are searched for anywhere in the text; the first place at which all of them fit is the
//! timestamp, as it is with the agent's regular expressions, to which each item is at least as wide. What is found need not be a
//! time: 31 February is found and is none. One pass finds and reads, without regular expressions and without memory of its own.
//!
//! | Directives | Text | Read as |
//! |---|---|---|
//! | `%Y`, `%y` | 4, 2 digits | year; 69 to 99 are 19xx |
//! | `%m`, `%d`, `%e`, `%H`, `%k`, `%I`, `%l`, `%M`, `%S` | 2 digits, with `-` one or two; all but `%H`, `%I`, `%M` and `%S` also one, and with a space in front | month, day, hour (24 and 12), minute, second |
//! | `%b`, `%h`, `%B`, `%a`, `%A`, `%u`, `%w` | words, a digit | month by name; days of the week are not looked at |
//! | `%p`, `%P` | 2 letters | AM or PM |
//! | `%f`, `%1f` to `%9f` | 1 to 9 digits, or just so many | fraction of a second, cut to milliseconds |
//! | `%j` | 3 digits | day of the year |
//! | `%s` | 9 or 10 digits | seconds since 1970; `%s%f` reads milliseconds, microseconds and nanoseconds since then |
//! | `%z`, `%:z` | `+hhmm`, `+hh:mm`, `+hh`, `Z` | offset |
//! | `%Z` | 1 to 5 letters | [name of an offset](names::zone) |
//! | `%F`, `%D`, `%T`, `%R`, `%r`, `%c`, `%x`, `%X` | | what the C locale makes of them |
//! | `%n`, `%t`, `%%` | white space; `%` | |
//!
//! What is missing in the text is decided in [`moment`].
mod items;
mod moment;
mod names;

use items::{Item, Matcher};
pub use moment::Clock;
use moment::Values;

/// More directives than this are no timestamp.
const MOST: usize = 64;

/// A compiled format.
#[derive(Clone)]
pub struct TimestampFormat {
    text: String,
    items: Box<[Item]>,
    /// The bytes with which a timestamp can begin.
    first: Box<[bool; 256]>,
}

/// Where a timestamp stands in a text.
#[derive(Clone, Copy, Debug)]
pub struct Found {
    pub start: usize,
    /// One past its last byte.
    pub end: usize,
    values: Values,
}

impl TimestampFormat {
    /// Compiles a format. The second half of the answer: what is odd about it.
    pub fn parse(text: &str) -> Result<(Self, Vec<String>), String> {
        let mut items = items::Compiler::default();
        items.add(text);
        let (mut items, odd) = items.finish();
        let directives = items.iter().filter(|item| !matches!(item, Item::Literal(_))).count();
        if directives > MOST {
            return Err(format!("has {directives} directives; {MOST} are the most"));
        }
        if !items.iter().any(Item::tells_time) {
            return Err("names no part of a time; write for example `%Y-%m-%d %H:%M:%S`".into());
        }
        // So does the agent: a space in front of the whole timestamp is none of it.
        if let Some(Item::Number { space, .. }) = items.first_mut() {
            *space = false;
        }
        let mut first = Box::new([false; 256]);
        for byte in u8::MIN..=u8::MAX {
            first[usize::from(byte)] = items[0].can_begin_with(byte);
        }
        Ok((Self { text: text.into(), items: items.into(), first }, odd))
    }

    /// The first place where a timestamp stands.
    pub fn find(&self, text: &[u8]) -> Option<Found> {
        let (mut from, mut matcher) = (0, Matcher::new(text));
        loop {
            from += text.get(from..)?.iter().position(|byte| self.first[usize::from(*byte)])?;
            if let Some(end) = matcher.search(&self.items, from) {
                return Some(Found { start: from, end, values: matcher.values });
            }
            from += 1;
        }
    }
}

impl std::fmt::Debug for TimestampFormat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("TimestampFormat").field(&self.text).finish()
    }
}

#[cfg(test)]
mod tests;
