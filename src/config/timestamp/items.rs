//! The parts of a format, and how a text is held against them.
use super::{
    moment::{Field, Values},
    names,
};

/// One part of a format.
#[derive(Clone, Debug, PartialEq)]
pub enum Item {
    Literal(Box<[u8]>),
    /// White space, any amount but none.
    Blank,
    /// So many digits; with `space` one white space may stand in front.
    Number {
        field: Field,
        min: usize,
        max: usize,
        space: bool,
    },
    /// A fraction of a second.
    Fraction {
        min: usize,
        max: usize,
    },
    /// Three letters, digits or underscores, as the agent takes them, whether they name a month or not.
    ShortMonth,
    /// The name of a month; the agent takes any seven such characters for one.
    FullMonth,
    /// A day of the week, which the date tells already.
    Weekday {
        min: usize,
        max: usize,
    },
    HalfDay,
    Offset,
    Zone,
}

impl Item {
    /// Whether it says anything about when.
    pub fn tells_time(&self) -> bool {
        match self {
            Self::Number { field, .. } => *field != Field::Ignored,
            Self::Fraction { .. } | Self::ShortMonth | Self::FullMonth => true,
            Self::Literal(_) | Self::Blank | Self::Weekday { .. } | Self::HalfDay | Self::Offset | Self::Zone => false,
        }
    }

    /// Whether it can begin with this byte.
    pub fn can_begin_with(&self, byte: u8) -> bool {
        match self {
            Self::Literal(literal) => literal[0] == byte,
            Self::Blank => is_space(byte),
            Self::Number { space, .. } => byte.is_ascii_digit() || (*space && is_space(byte)),
            Self::Fraction { .. } => byte.is_ascii_digit(),
            Self::ShortMonth | Self::FullMonth | Self::Weekday { .. } | Self::HalfDay | Self::Zone => is_word(byte),
            Self::Offset => matches!(byte, b'+' | b'-' | b'Z'),
        }
    }
}

/// From the text of a format to items.
#[derive(Default)]
pub struct Compiler {
    items: Vec<Item>,
    literal: Vec<u8>,
    odd: Vec<String>,
}

impl Compiler {
    /// The items, and what is odd.
    pub fn finish(mut self) -> (Vec<Item>, Vec<String>) {
        self.close();
        (self.items, self.odd)
    }

    /// Appends what a format says.
    pub fn add(&mut self, format: &str) {
        let mut rest = format;
        while let Some(at) = rest.find('%') {
            self.literal.extend_from_slice(&rest.as_bytes()[..at]);
            let directive = &rest[at + 1..];
            let flags = directive.find(|c: char| !"-_0:".contains(c) && !c.is_ascii_digit()).unwrap_or(directive.len());
            let Some(letter) = directive[flags..].chars().next() else {
                self.odd.push("ends within a directive; `%%` stands for a percent sign".into());
                self.literal.extend_from_slice(&rest.as_bytes()[at..]);
                rest = "";
                break;
            };
            rest = &directive[flags + letter.len_utf8()..];
            let flags = &directive[..flags];
            if !self.directive(flags, letter) {
                let written = format!("%{flags}{letter}");
                self.odd.push(format!("`{written}` is no directive, so it stands for itself"));
                self.literal.extend_from_slice(written.as_bytes());
            }
        }
        self.literal.extend_from_slice(rest.as_bytes());
    }

    /// `false`: there is no such directive.
    fn directive(&mut self, flags: &str, letter: char) -> bool {
        let composed = match (flags, letter) {
            ("", '%') => {
                self.literal.push(b'%');
                return true;
            }
            ("", 'T' | 'X') => "%H:%M:%S",
            ("", 'D' | 'x') => "%m/%d/%y",
            ("", 'F') => "%Y-%m-%d",
            ("", 'R') => "%H:%M",
            ("", 'r') => "%I:%M:%S %p",
            ("", 'c') => "%a %b %e %H:%M:%S %Y",
            _ => "",
        };
        if !composed.is_empty() {
            self.add(composed);
            return true;
        }
        let Some(item) = item(flags, letter) else { return false };
        self.close();
        self.items.push(item);
        true
    }

    fn close(&mut self) {
        if !self.literal.is_empty() {
            self.items.push(Item::Literal(std::mem::take(&mut self.literal).into()));
        }
    }
}

/// The item of one directive that is not composed of others.
fn item(flags: &str, letter: char) -> Option<Item> {
    use Field::{Day, DayOfYear, Epoch, Hour, Hour12, Ignored, Minute, Month, Second, ShortYear, Year};
    let number = |field, min, max, space| Some(Item::Number { field, min, max, space });
    // Two digits as the agent reads them; with `-` one will do, with `_` a space in front.
    let two = |field| match flags {
        "" | "0" => number(field, 2, 2, false),
        "-" => number(field, 1, 2, false),
        "_" => number(field, 1, 2, true),
        _ => None,
    };
    let lenient = |field| if ["", "-", "_", "0"].contains(&flags) { number(field, 1, 2, true) } else { None };
    let fraction = |min, max| Some(Item::Fraction { min, max });
    match (flags, letter) {
        (_, 'm') => lenient(Month),
        (_, 'd' | 'e') => lenient(Day),
        (_, 'k') => lenient(Hour),
        (_, 'l') => lenient(Hour12),
        (_, 'H') => two(Hour),
        (_, 'I') => two(Hour12),
        (_, 'M') => two(Minute),
        (_, 'S') => two(Second),
        ("", 'Y') => number(Year, 4, 4, false),
        ("", 'y') => number(ShortYear, 2, 2, false),
        ("", 'j') => number(DayOfYear, 3, 3, false),
        ("-", 'j') => number(DayOfYear, 1, 3, false),
        // From 1973 to 2286: fewer digits are found in any text.
        ("", 's') => number(Epoch, 9, 10, false),
        ("", 'u' | 'w') => number(Ignored, 1, 1, false),
        ("", 'b' | 'h') => Some(Item::ShortMonth),
        ("", 'B') => Some(Item::FullMonth),
        ("", 'a') => Some(Item::Weekday { min: 3, max: 3 }),
        ("", 'A') => Some(Item::Weekday { min: 6, max: 9 }),
        ("", 'p' | 'P') => Some(Item::HalfDay),
        ("", 'f') => fraction(1, 9),
        (digits, 'f') => digits.parse().ok().filter(|n| (1..=9).contains(n)).and_then(|n| fraction(n, n)),
        ("" | ":", 'z') => Some(Item::Offset),
        ("", 'Z') => Some(Item::Zone),
        ("", 'n' | 't') => Some(Item::Blank),
        _ => None,
    }
}

/// A text that is held against items from one place on.
pub struct Matcher<'a> {
    text: &'a [u8],
    pub values: Values,
    /// Steps that it may still take at this place: what is ambiguous in many ways at once is given up. A timestamp takes some
    /// dozens.
    fuel: u32,
}

/// Steps for one place of the text.
const FUEL: u32 = 10_000;

impl<'a> Matcher<'a> {
    pub fn new(text: &'a [u8]) -> Self {
        Self { text, values: Values::default(), fuel: FUEL }
    }

    /// Where the items end that begin at `at`.
    pub fn search(&mut self, items: &[Item], at: usize) -> Option<usize> {
        self.fuel = FUEL;
        self.fits(items, at)
    }

    /// The longest form of each item is tried first, as regular expressions do.
    fn fits(&mut self, mut items: &[Item], mut at: usize) -> Option<usize> {
        // What has only one form needs no way back.
        while let Some((item, rest)) = items.split_first() {
            let text = self.text.get(at..)?;
            match item {
                Item::Literal(literal) if text.starts_with(literal) => at += literal.len(),
                Item::Number { field, min, max, space: false } if min == max => {
                    let digits = text.get(..*max)?;
                    if !digits.iter().all(u8::is_ascii_digit) {
                        return None;
                    }
                    self.values.set(*field, decimal(digits));
                    at += max;
                }
                Item::Literal(_) => return None,
                _ => return self.forms(item, rest, at),
            }
            items = rest;
        }
        Some(at)
    }

    /// The same for an item that has several forms, and what follows it.
    fn forms(&mut self, item: &Item, rest: &[Item], at: usize) -> Option<usize> {
        self.fuel = self.fuel.checked_sub(1)?;
        let text = self.text.get(at..)?;
        match item {
            Item::Literal(literal) => text.starts_with(literal).then(|| self.fits(rest, at + literal.len())).flatten(),
            Item::Blank => self.longest(1, run(text, usize::MAX, is_space), rest, at, |_, _| {}),
            Item::Number { field, min, max, space } => {
                let skipped = usize::from(*space && text.first().copied().is_some_and(is_space));
                let digits = run(&text[skipped..], *max, |byte| byte.is_ascii_digit());
                self.longest(*min, digits, rest, at + skipped, |values, text| values.set(*field, decimal(text)))
            }
            Item::Fraction { min, max } => {
                let digits = run(text, *max, |byte| byte.is_ascii_digit());
                self.longest(*min, digits, rest, at, |values, text| values.set(Field::Millis, millis(text)))
            }
            Item::ShortMonth => self.longest(3, run(text, 3, is_word), rest, at, |values, text| {
                values.set(Field::Month, names::month(text).unwrap_or(0));
            }),
            Item::FullMonth => (3..=run(text, names::LONGEST_MONTH, is_word)).rev().find_map(|length| {
                self.values.set(Field::Month, names::month(&text[..length])?);
                self.fits(rest, at + length)
            }),
            Item::Weekday { min, max } => self.longest(*min, run(text, *max, is_word), rest, at, |_, _| {}),
            Item::HalfDay => self.longest(2, run(text, 2, is_word), rest, at, |values, text| {
                values.set(Field::HalfDay, half_day(text));
            }),
            Item::Offset => self.offset(text, rest, at),
            Item::Zone => self.zone(text, rest, at),
        }
    }

    /// The longest of the forms of `min` to `max` bytes behind which the rest fits.
    fn longest(
        &mut self,
        min: usize,
        max: usize,
        rest: &[Item],
        at: usize,
        read: impl Fn(&mut Values, &[u8]),
    ) -> Option<usize> {
        (min..=max).rev().find_map(|length| {
            let end = at + length;
            read(&mut self.values, &self.text[at..end]);
            self.fits(rest, end)
        })
    }

    fn offset(&mut self, text: &[u8], rest: &[Item], at: usize) -> Option<usize> {
        if text.first() == Some(&b'Z') {
            self.values.set(Field::Offset, 0);
            return self.fits(rest, at + 1);
        }
        let sign = match text.first()? {
            b'+' => 1,
            b'-' => -1,
            _ => return None,
        };
        let two = |from: usize| text.get(from..from + 2).filter(|two| two.iter().all(u8::is_ascii_digit)).map(decimal);
        let hours = two(1)?;
        let minutes = match text.get(3) {
            Some(b':') => two(4).map(|minutes| (minutes, 6)),
            _ => two(3).map(|minutes| (minutes, 5)),
        };
        minutes.into_iter().chain([(0, 3)]).find_map(|(minutes, length)| {
            self.values.set(Field::Offset, sign * (hours * 3600 + minutes * 60));
            self.fits(rest, at + length)
        })
    }

    /// A name that is known, and stands for itself; else any three letters, which is what the agent takes.
    fn zone(&mut self, text: &[u8], rest: &[Item], at: usize) -> Option<usize> {
        let letters = run(text, names::LONGEST_ZONE + 1, |byte| byte.is_ascii_alphabetic());
        if let Some(known) = names::zone(&text[..letters]) {
            self.values.set(Field::Zone, known.try_into().unwrap_or(-1));
            if let Some(end) = self.fits(rest, at + letters) {
                return Some(end);
            }
        }
        let three = text.get(..3).filter(|three| three.iter().all(|byte| is_word(*byte)))?;
        self.values.set(Field::Zone, names::zone(three).and_then(|known| known.try_into().ok()).unwrap_or(-1));
        self.fits(rest, at + 3)
    }
}

fn run(text: &[u8], most: usize, is: impl Fn(u8) -> bool) -> usize {
    text.iter().take(most).take_while(|byte| is(**byte)).count()
}

/// White space as RE2 knows it.
fn is_space(byte: u8) -> bool {
    matches!(byte, b'\t' | b'\n' | b'\x0c' | b'\r' | b' ')
}

/// `\w` as RE2 knows it.
fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// At most ten digits.
fn decimal(digits: &[u8]) -> i64 {
    digits.iter().fold(0, |number, digit| number * 10 + i64::from(digit - b'0'))
}

/// The first three digits of a fraction, as if it had three.
fn millis(digits: &[u8]) -> i64 {
    (0..3).fold(0, |number, place| number * 10 + digits.get(place).map_or(0, |digit| i64::from(digit - b'0')))
}

/// Hours to add, or what is neither.
fn half_day(name: &[u8]) -> i64 {
    match name {
        [b'A' | b'a', b'M' | b'm'] => 0,
        [b'P' | b'p', b'M' | b'm'] => 12,
        _ => -1,
    }
}
