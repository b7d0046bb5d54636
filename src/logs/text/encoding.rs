//! Line ends and text in the encoding of the source.
use crate::config::settings::text::{ByteOrder, Encoding};
use encoding_rs::{UTF_8, UTF_16BE, UTF_16LE};
use std::borrow::Cow;

/// So many bytes at the beginning of a source tell its byte order mark.
pub const HEAD: usize = 4;

fn standard(encoding: Encoding) -> &'static encoding_rs::Encoding {
    match encoding {
        Encoding::Utf8 => UTF_8,
        Encoding::Standard(standard) => standard,
        Encoding::Utf16(ByteOrder::Little) => UTF_16LE,
        Encoding::Utf16(ByteOrder::Big) => UTF_16BE,
    }
}

/// Knows where lines end in one source, and what they say.
#[derive(Clone, Debug)]
pub struct Decoder {
    encoding: &'static encoding_rs::Encoding,
    bom: usize,
}

impl Decoder {
    /// `first`: the first bytes of the source, where a byte order mark may stand.
    pub fn new(encoding: Encoding, first: &[u8]) -> Self {
        match encoding_rs::Encoding::for_bom(first) {
            Some((encoding, bom)) => Self { encoding, bom },
            None => Self { encoding: standard(encoding), bom: 0 },
        }
    }

    /// Nothing is decoded.
    pub fn is_plain(&self) -> bool {
        self.encoding == UTF_8
    }

    /// The mark says something else than the configuration, which is worth one warning.
    pub fn overruled(&self) -> bool {
        false
    }

    /// The name of what is decoded from, for messages.
    pub fn name(&self) -> Cow<'static, str> {
        self.encoding.name().into()
    }

    /// Bytes of one code unit.
    pub fn unit(&self) -> usize {
        if self.encoding == UTF_16LE || self.encoding == UTF_16BE { 2 } else { 1 }
    }

    /// Bytes of the byte order mark at the beginning of the source.
    pub fn bom_len(&self) -> usize {
        self.bom
    }

    /// One past the next LF at or behind `from`; `bytes` begin with a whole code unit.
    pub fn line_end(&self, bytes: &[u8], from: usize) -> Option<usize> {
        if self.unit() == 1 {
            return memchr::memchr(b'\n', &bytes[from..]).map(|at| from + at + 1);
        }
        let end: [u8; 2] = if self.encoding == UTF_16LE { [b'\n', 0] } else { [0, b'\n'] };
        let from = from.next_multiple_of(2);
        let units = bytes.get(from..)?.as_chunks::<2>().0;
        units.iter().position(|unit| *unit == end).map(|at| from + 2 * at + 2)
    }

    /// The line in UTF-8.
    pub fn decode<'a>(&self, line: &'a [u8]) -> Cow<'a, [u8]> {
        match self.encoding.decode_without_bom_handling(line).0 {
            Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
            Cow::Owned(text) => Cow::Owned(text.into_bytes()),
        }
    }
}
