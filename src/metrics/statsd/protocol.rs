//! The text of a datagram: `name:value|type[|@rate][|#tags]`, a line each, read where it lies.
//!
//! The grammar is that of the CloudWatch Agent, with what clients of DogStatsD add:
//!
//! ```text
//! datagram  = line *( LF line )                           white space around a line does not count
//! line      = name *( "," key "=" value ) 1*( ":" bit )   tags in the name: Influx
//! bit       = value *( ":" value ) "|" type *( "|" field )
//! field     = "@" rate / "#" tag *( "," tag ) / extension
//! tag       = key [ ":" value ]                           tags behind `#`: DogStatsD; they count for the whole line
//! extension = ( "c:" / "e:" / "card:" / "T" ) text        container and the like; not used
//! ```
//!
//! What is wrong ends its line; what stood before it counts. This file takes no bytes apart that a name or a tag consists of: that
//! is done once for each series, by [`identity`](super::identity). It knows nothing of the rest of the house, so that a fuzzer
//! compiles it by itself.
use std::borrow::Cow;

/// The value of a tag of DogStatsD that has none: CloudWatch knows no empty ones.
pub const NO_VALUE: &[u8] = b"<empty>";

/// Where others read lines in another way than the agent does, which is the default.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Dialect {
    /// A sign belongs to its value: it makes no gauge relative, and values of every type may have one.
    pub signed_values: bool,
    /// A rate that is none above 0 and up to 1 is a mistake.
    pub strict_rates: bool,
    /// Type `d`, the distributions of DogStatsD.
    pub distributions: bool,
}

/// The type of a series.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Kind {
    Counter,
    Gauge,
    Timing,
    Histogram,
    Set,
    Distribution,
}

impl Kind {
    /// As the dimension `metric_type` has it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Timing => "timing",
            Self::Histogram => "histogram",
            Self::Set => "set",
            Self::Distribution => "distribution",
        }
    }
}

/// A number as it is written: most are whole, and those stay exact.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Number {
    Whole(i64),
    /// Always finite.
    Float(f64),
}

impl Number {
    /// The nearest that CloudWatch can have.
    #[allow(clippy::cast_precision_loss)] // that is what nearest means
    pub const fn as_f64(self) -> f64 {
        match self {
            Self::Whole(whole) => whole as f64,
            Self::Float(float) => float,
        }
    }
}

/// What one bit of a line says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// `relative`: a gauge is to be changed by this much.
    Number { number: Number, relative: bool },
    /// A member of a set.
    Member(&'a [u8]),
}

/// One bit of a line.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample<'a> {
    pub kind: Kind,
    pub value: Value<'a>,
    /// Which part of the events this stands for. Finite and above 0; 1 where none is given, or one that is `misrated`.
    pub rate: f64,
    /// A rate is given that is none; it does not count.
    pub misrated: bool,
}

/// What is wrong with a line.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Fault {
    /// No `:`, or no `|`.
    Form,
    /// None of the known ones.
    Type,
    /// One where the value may have none.
    Sign,
    /// No number.
    Value,
    /// None above 0 and up to 1, where that matters.
    Rate,
}

/// The lines of a datagram that are not empty, without the white space around them.
pub fn lines(datagram: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(datagram);
    std::iter::from_fn(move || {
        let text = rest?;
        let (line, more) = match memchr::memchr(b'\n', text) {
            Some(end) => (&text[..end], Some(&text[end + 1..])),
            None => (text, None),
        };
        rest = more;
        Some(line.trim_ascii())
    })
    .filter(|line| !line.is_empty())
}

/// A line: what its series is called, and the samples of it, one after another.
#[derive(Clone, Debug)]
pub struct Line<'a> {
    /// Up to the first `:`, tags of Influx included.
    pub name: &'a [u8],
    /// What stands behind `#`, without it; several are joined by commas.
    pub tags: Cow<'a, [u8]>,
    dialect: Dialect,
    /// Values of the open bit that are still to come, and what holds for all of them.
    values: Option<&'a [u8]>,
    bit: (Kind, f64, bool),
    /// Behind that bit.
    rest: Option<&'a [u8]>,
}

impl<'a> Line<'a> {
    /// Reads the name; everything else comes by and by.
    pub fn new(line: &'a [u8], dialect: Dialect) -> Result<Self, Fault> {
        let (name, rest) = split(line, b':');
        let bit = (Kind::Counter, 1.0, false);
        match rest {
            // The agent takes tags out first; a `:` inside of them is none that ends a name.
            Some(_) if tags_begin(name).is_some() => Err(Fault::Form),
            Some(bits) => Ok(Self { name, tags: tags(bits), dialect, values: None, bit, rest }),
            None => Err(Fault::Form),
        }
    }

    /// The next bit: its values wait in `values`.
    fn open(&mut self, text: &'a [u8]) -> Result<(), Fault> {
        let (values, behind) = split(text, b'|');
        let mut left = behind.ok_or(Fault::Form)?;
        let (mut kind, mut rate, mut misrated) = (None, 1.0, false);
        self.rest = None;
        loop {
            let extends = left.first() == Some(&b'#') || kind.is_some() && is_extension(left);
            let end = match extends {
                true => memchr::memchr(b'|', left),
                false => memchr::memchr2(b'|', b':', left),
            };
            let field = &left[..end.unwrap_or(left.len())];
            if field.first() == Some(&b'#') || extends {
                // Of the whole line, or of no use.
            } else if kind.is_none() {
                kind = Some(self.kind(field).ok_or(Fault::Type)?);
            } else {
                match rated(field) {
                    Some(given) => rate = given,
                    None => misrated = true,
                }
            }
            let Some(end) = end else { break };
            if left[end] == b':' {
                self.rest = Some(&left[end + 1..]);
                break;
            }
            left = &left[end + 1..];
        }
        if self.dialect.strict_rates && (misrated || rate > 1.0) {
            return Err(Fault::Rate);
        }
        self.bit = (kind.ok_or(Fault::Type)?, rate, misrated);
        self.values = Some(values);
        Ok(())
    }

    fn kind(&self, word: &[u8]) -> Option<Kind> {
        match word {
            b"c" => Some(Kind::Counter),
            b"g" => Some(Kind::Gauge),
            b"ms" => Some(Kind::Timing),
            b"h" => Some(Kind::Histogram),
            b"s" => Some(Kind::Set),
            b"d" if self.dialect.distributions => Some(Kind::Distribution),
            _ => None,
        }
    }

    fn value(&self, text: &'a [u8], kind: Kind) -> Result<Value<'a>, Fault> {
        let signed = matches!(text.first(), Some(b'+' | b'-')) && !self.dialect.signed_values;
        if signed && !matches!(kind, Kind::Gauge | Kind::Counter) {
            return Err(Fault::Sign);
        }
        if kind == Kind::Set {
            return Ok(Value::Member(text));
        }
        let number = number(text).ok_or(Fault::Value)?;
        Ok(Value::Number { number, relative: signed && kind == Kind::Gauge })
    }
}

impl<'a> Iterator for Line<'a> {
    type Item = Result<Sample<'a>, Fault>;

    /// Ends behind a fault.
    fn next(&mut self) -> Option<Self::Item> {
        if self.values.is_none() {
            let opened = self.rest.take().map(|text| self.open(text))?;
            if let Err(fault) = opened {
                self.rest = None;
                return Some(Err(fault));
            }
        }
        let (kind, rate, misrated) = self.bit;
        let values = self.values.take()?;
        // A set has strings, and what one with a `:` means differs between clients.
        let (text, more) = match (kind, split(values, b':')) {
            (Kind::Set, (_, Some(_))) => {
                self.rest = None;
                return Some(Err(Fault::Form));
            }
            (_, parts) => parts,
        };
        self.values = more;
        let sample = self.value(text, kind).map(|value| Sample { kind, value, rate, misrated });
        if sample.is_err() {
            (self.values, self.rest) = (None, None);
        }
        Some(sample)
    }
}

/// What stands before the first such byte, and what behind it.
pub fn split(text: &[u8], at: u8) -> (&[u8], Option<&[u8]>) {
    match memchr::memchr(at, text) {
        Some(found) => (&text[..found], Some(&text[found + 1..])),
        None => (text, None),
    }
}

/// All fields that begin with `#`.
fn tags(bits: &[u8]) -> Cow<'_, [u8]> {
    let mut found = Cow::Borrowed(&[][..]);
    let mut left = bits;
    while let Some(at) = tags_begin(left) {
        let field = split(&left[at..], b'|').0;
        left = &left[at + field.len()..];
        if found.is_empty() {
            found = Cow::Borrowed(field);
        } else {
            let all = found.to_mut();
            all.push(b',');
            all.extend_from_slice(field);
        }
    }
    found
}

/// Behind the first `|#`.
fn tags_begin(text: &[u8]) -> Option<usize> {
    memchr::memchr_iter(b'#', text).find(|at| *at > 0 && text[at - 1] == b'|').map(|at| at + 1)
}

/// Fields of DogStatsD that stand behind the type and say nothing about the value.
fn is_extension(field: &[u8]) -> bool {
    let begins = |with: &[u8]| field.starts_with(with);
    begins(b"c:") || begins(b"e:") || begins(b"card:") || begins(b"T") && field.get(1).is_some_and(u8::is_ascii_digit)
}

/// `@` and a number above 0.
fn rated(field: &[u8]) -> Option<f64> {
    let rate = number(field.strip_prefix(b"@")?)?.as_f64();
    (rate > 0.0).then_some(rate)
}

/// A number that is finite.
fn number(text: &[u8]) -> Option<Number> {
    /// So many digits always fit.
    const SHORT: usize = 18;
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    if !digits.is_empty() && digits.len() <= SHORT && digits.iter().all(u8::is_ascii_digit) {
        let whole = digits.iter().fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0'));
        return Some(Number::Whole(if negative { -whole } else { whole }));
    }
    let text = std::str::from_utf8(text).ok()?;
    match text.parse() {
        Ok(whole) => Some(Number::Whole(whole)),
        Err(_) => text.parse().ok().filter(|float: &f64| float.is_finite()).map(Number::Float),
    }
}

#[cfg(test)]
mod tests;
