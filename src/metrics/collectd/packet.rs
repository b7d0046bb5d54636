//! What stands in a packet: parts one after another, each with a type, its own length, and a content.
//!
//! Owned here: the form of the parts, and nothing of what they mean together. Every length is checked against what is there, so
//! no packet can make us read past its end; what has not the form ends the packet, and what came before it stays valid.
//! <https://collectd.org/wiki/index.php/Binary_protocol>
use std::time::Duration;

/// Type and length.
const HEADER: usize = 4;
/// A signature's HMAC-SHA-256.
const MAC: usize = 32;
/// What begins the cipher text: AES's block.
pub(super) const IV: usize = 16;
/// A number.
const NUMBER: usize = 8;
/// A value: its kind, and a number.
const VALUE: usize = 1 + NUMBER;
/// Bytes of a text. collectd's own names have at most 128 (`DATA_MAX_NAME_LEN`).
const TEXT: usize = 1_024;

/// Which name of a series a text part sets.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Field {
    Host,
    Plugin,
    PluginInstance,
    Type,
    TypeInstance,
}

/// One part. Texts are without their end mark; their bytes are whatever the sender put there.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Part<'a> {
    Text(Field, &'a [u8]),
    /// When the values that follow were measured, since 1970. Zero: not said.
    Time(Duration),
    /// How often they are measured.
    Interval(Duration),
    Values(Values<'a>),
    /// Who signs all that follows, and over what: the name and all that follows.
    Signature {
        user: &'a [u8],
        mac: &'a [u8],
        signed: &'a [u8],
    },
    /// For whom the parts inside are encrypted.
    Sealed {
        user: &'a [u8],
        iv: &'a [u8; IV],
        sealed: &'a [u8],
    },
    /// A message for people, which has no place among metrics.
    Notification,
    /// Nothing that we know; collectd skips such parts, too.
    Unknown,
}

/// One value as it was sent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Value {
    /// Only grows, and begins again when it is full.
    Counter(u64),
    Gauge(f64),
    /// Grows, or falls.
    Derive(i64),
    /// Counted since the value before it.
    Absolute(u64),
}

impl Value {
    /// As CloudWatch takes it.
    pub(super) fn number(self) -> f64 {
        match self {
            Self::Counter(n) | Self::Absolute(n) => n as f64,
            Self::Gauge(n) => n,
            Self::Derive(n) => n as f64,
        }
    }
}

/// The values of one list, at least one; all kinds are known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Values<'a> {
    kinds: &'a [u8],
    numbers: &'a [u8],
}

impl<'a> Values<'a> {
    fn of(content: &'a [u8]) -> Result<Self, Broken> {
        let (count, rest) = content.split_first_chunk().ok_or(Broken("a list of values is cut"))?;
        let count = usize::from(u16::from_be_bytes(*count));
        if count == 0 || rest.len() != count * VALUE {
            return Err(Broken("a list of values has another length than it says"));
        }
        let (kinds, numbers) = rest.split_at(count);
        match kinds.iter().all(|kind| *kind <= ABSOLUTE) {
            true => Ok(Self { kinds, numbers }),
            false => Err(Broken("a value is of a kind that collectd does not have")),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.kinds.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Value> + 'a {
        let numbers = self.numbers.as_chunks::<NUMBER>().0;
        self.kinds.iter().zip(numbers).map(|(kind, number)| match *kind {
            COUNTER => Value::Counter(u64::from_be_bytes(*number)),
            // The one number that travels with its lowest byte first.
            GAUGE => Value::Gauge(f64::from_le_bytes(*number)),
            DERIVE => Value::Derive(i64::from_be_bytes(*number)),
            _ => Value::Absolute(u64::from_be_bytes(*number)),
        })
    }
}

const COUNTER: u8 = 0;
const GAUGE: u8 = 1;
const DERIVE: u8 = 2;
const ABSOLUTE: u8 = 3;

/// Where a packet has not the form: nothing behind this can be read.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{0}")]
pub(super) struct Broken(pub &'static str);

/// The parts of a packet, in their order. After the first error there is nothing more.
pub(super) struct Parts<'a>(&'a [u8]);

impl<'a> Parts<'a> {
    pub(super) fn of(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    fn next_part(&mut self) -> Result<Part<'a>, Broken> {
        let Some(&[a, b, c, d]) = self.0.first_chunk() else { return Err(Broken("it is cut within a part")) };
        let (kind, length) = (u16::from_be_bytes([a, b]), usize::from(u16::from_be_bytes([c, d])));
        let bytes = self.0;
        if length < HEADER {
            return Err(Broken("a part is shorter than its own header"));
        }
        if length > bytes.len() {
            return Err(Broken("it is cut within a part"));
        }
        let content = &bytes[HEADER..length];
        self.0 = &bytes[length..];
        Ok(match kind {
            0x0000 => Part::Text(Field::Host, text(content)?),
            0x0001 => Part::Time(Duration::from_secs(number(content)?)),
            0x0002 => Part::Text(Field::Plugin, text(content)?),
            0x0003 => Part::Text(Field::PluginInstance, text(content)?),
            0x0004 => Part::Text(Field::Type, text(content)?),
            0x0005 => Part::Text(Field::TypeInstance, text(content)?),
            0x0006 => Part::Values(Values::of(content)?),
            0x0007 => Part::Interval(Duration::from_secs(number(content)?)),
            0x0008 => Part::Time(fine(number(content)?)),
            0x0009 => Part::Interval(fine(number(content)?)),
            0x0100 => Part::Notification,
            0x0200 => {
                let (mac, user) = content.split_at_checked(MAC).ok_or(Broken("a signature is cut"))?;
                Part::Signature { user, mac, signed: &bytes[HEADER + MAC..] }
            }
            0x0210 => sealed(content)?,
            _ => Part::Unknown,
        })
    }
}

impl<'a> Iterator for Parts<'a> {
    type Item = Result<Part<'a>, Broken>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let part = self.next_part();
        if part.is_err() {
            self.0 = &[];
        }
        Some(part)
    }
}

fn sealed(content: &[u8]) -> Result<Part<'_>, Broken> {
    const CUT: Broken = Broken("an encrypted part is cut");
    let (length, rest) = content.split_first_chunk().ok_or(CUT)?;
    let (user, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length))).ok_or(CUT)?;
    let (iv, sealed) = rest.split_first_chunk().ok_or(CUT)?;
    Ok(Part::Sealed { user, iv, sealed })
}

/// Up to the first zero, as C reads it; there has to be one at the end.
fn text(content: &[u8]) -> Result<&[u8], Broken> {
    if content.last() != Some(&0) {
        return Err(Broken("a text has no end mark"));
    }
    let text = content.split(|byte| *byte == 0).next().unwrap_or_default();
    if text.len() > TEXT {
        return Err(Broken("a text is longer than 1,024 bytes"));
    }
    Ok(text)
}

fn number(content: &[u8]) -> Result<u64, Broken> {
    content.try_into().map(u64::from_be_bytes).map_err(|_| Broken("a number has not eight bytes"))
}

/// From 2^-30 seconds, in which collectd 5 counts time.
fn fine(ticks: u64) -> Duration {
    const SECOND: u64 = 1 << 30;
    let nanoseconds = (ticks % SECOND) * 1_000_000_000 / SECOND;
    Duration::from_secs(ticks / SECOND) + Duration::from_nanos(nanoseconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(bytes: &[u8]) -> Vec<Result<Part<'_>, Broken>> {
        Parts::of(bytes).collect()
    }

    #[test]
    fn times_of_both_kinds_are_the_same_moments() {
        let second = 0x6967_8f7f_u64;
        let old = [&[0, 1, 0, 12][..], &second.to_be_bytes()].concat();
        let new = [&[0, 8, 0, 12][..], &((second << 30) | (1 << 29)).to_be_bytes()].concat();
        assert_eq!(parts(&old), [Ok(Part::Time(Duration::from_secs(second)))]);
        assert_eq!(parts(&new), [Ok(Part::Time(Duration::from_secs(second) + Duration::from_millis(500)))]);
        let last = [&[0, 8, 0, 12][..], &[0xff; 8]].concat();
        assert!(parts(&last)[0].is_ok(), "the largest number is a moment, too");
    }

    #[test]
    fn a_list_is_what_it_says_or_nothing() {
        let values = |content: &[u8]| {
            let Ok(length) = u16::try_from(content.len() + 4) else { unreachable!() };
            [&[0, 6][..], &length.to_be_bytes(), content].concat()
        };
        let four = [
            &[0, 4, COUNTER, GAUGE, DERIVE, ABSOLUTE][..],
            &u64::MAX.to_be_bytes(),
            &(-1.5f64).to_le_bytes(),
            &(-2i64).to_be_bytes(),
            &3u64.to_be_bytes(),
        ]
        .concat();
        let packet = values(&four);
        let Ok(Part::Values(list)) = parts(&packet)[0] else { panic!("values") };
        let expected = [Value::Counter(u64::MAX), Value::Gauge(-1.5), Value::Derive(-2), Value::Absolute(3)];
        assert!(list.iter().eq(expected) && list.len() == 4);
        let numbers: Vec<f64> = list.iter().map(Value::number).collect();
        assert_eq!(numbers, [18_446_744_073_709_551_616.0, -1.5, -2.0, 3.0]);
        for wrong in [&four[..four.len() - 1], &[0, 0], &[0], &[], &[0, 1, 4, 0, 0, 0, 0, 0, 0, 0, 0]] {
            assert!(parts(&values(wrong))[0].is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn what_has_not_the_form_ends_the_packet_and_what_came_before_stays() {
        let host = [0, 0, 0, 6, b'h', 0];
        for broken in [
            &[0, 0][..],
            &[0, 0, 0, 3],
            &[0, 0, 0, 99, b'h', 0],
            &[0, 0, 0, 6, b'h', b'h'],
            &[0, 0, 0, 4],
            &[2, 0, 0, 6, 0, 0],
            &[2, 16, 0, 6, 0, 1],
            &[0, 1, 0, 5, 0],
        ] {
            let all = [&host[..], broken, &host].concat();
            let parts = parts(&all);
            assert_eq!(parts.len(), 2, "{broken:?}");
            assert!(parts[0] == Ok(Part::Text(Field::Host, b"h")) && parts[1].is_err(), "{broken:?}");
        }
        assert_eq!(parts(&[0x7f, 0, 0, 5, 1]), [Ok(Part::Unknown)]);
    }

    #[test]
    fn a_text_ends_at_its_first_zero_and_has_bounds() {
        assert_eq!(parts(&[0, 2, 0, 8, b'c', 0, b'x', 0]), [Ok(Part::Text(Field::Plugin, b"c"))]);
        let long = |bytes: usize| {
            let length = u16::try_from(bytes + 5).expect("short");
            [&[0, 2][..], &length.to_be_bytes(), &vec![b'x'; bytes], &[0]].concat()
        };
        assert!(parts(&long(TEXT))[0].is_ok() && parts(&long(TEXT + 1))[0].is_err());
    }
}
