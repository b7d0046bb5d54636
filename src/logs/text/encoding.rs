//! From the bytes of a source to UTF-8, and where its lines end.
//!
//! Lines are cut before they are decoded, so that a position is a byte of the file. That is safe where a line feed is the byte 0x0A and
//! this byte is never a part of another character. It holds in every encoding that is known here but UTF-16 and UTF-32, for which line feeds
//! are looked for by whole code units: a second byte is 0x40 or more in Shift_JIS, GBK and Big5, 0x41 or more in EUC-KR, 0xA1 or more
//! in EUC-JP, 0x21 or more in ISO-2022-JP, and the second and fourth of four bytes in GB18030 are 0x30 to 0x39 (the decoders
//! of <https://encoding.spec.whatwg.org>). ISO-2022-JP begins each line anew in ASCII, as RFC 1468 asks of those who write it.
//!
//! What means nothing becomes U+FFFD, and the line is counted as mended.
use crate::{
    config::settings::text::{ByteOrder, CodePage, Encoding},
    telemetry::counters,
};
use std::borrow::Cow;

/// So many bytes at the beginning of a source tell its byte order mark.
pub const HEAD: usize = 4;

/// Byte order marks, the longer ones of equal beginning first.
const MARKS: [(&[u8], Encoding); 5] = [
    (b"\xff\xfe\0\0", Encoding::Utf32(ByteOrder::Little)),
    (b"\0\0\xfe\xff", Encoding::Utf32(ByteOrder::Big)),
    (b"\xef\xbb\xbf", Encoding::Utf8),
    (b"\xff\xfe", Encoding::Utf16(ByteOrder::Little)),
    (b"\xfe\xff", Encoding::Utf16(ByteOrder::Big)),
];

/// How one source is decoded.
#[derive(Clone, Copy, Debug)]
pub struct Decoder {
    encoding: Encoding,
    mark: usize,
    overruled: bool,
}

impl Decoder {
    /// For a source that begins with `head`: its first [`HEAD`] bytes or more, less where there are no more. What a byte order mark says wins
    /// over `encoding`. To be made anew when the source begins anew, and when it had fewer bytes.
    pub fn new(encoding: Encoding, head: &[u8]) -> Self {
        let Some((mark, marked)) = MARKS.iter().find(|(mark, _)| head.starts_with(mark)) else {
            return Self { encoding, mark: 0, overruled: false };
        };
        let overruled = match (encoding, marked) {
            // Nothing need have been said: this is the default.
            (Encoding::Utf8, _) => false,
            (Encoding::Utf16(said), Encoding::Utf16(is)) | (Encoding::Utf32(said), Encoding::Utf32(is)) => {
                said != ByteOrder::ByMark && said != *is
            }
            _ => true,
        };
        Self { encoding: *marked, mark: mark.len(), overruled }
    }

    /// There is nothing to decode: [`decode`](Self::decode) gives back what it gets, bytes that are not UTF-8 included.
    pub fn is_plain(&self) -> bool {
        matches!(self.encoding, Encoding::Utf8)
    }

    /// Bytes of the mark at the beginning of the source; they are no text.
    pub fn bom_len(&self) -> usize {
        self.mark
    }

    /// The mark says something else than the configuration, which is worth one warning.
    pub fn overruled(&self) -> bool {
        self.overruled
    }

    /// The name of what is decoded from, for messages.
    pub fn name(&self) -> Cow<'static, str> {
        match self.encoding {
            Encoding::Utf8 => "UTF-8".into(),
            Encoding::Standard(standard) => standard.name().into(),
            Encoding::Utf16(ByteOrder::Big) => "UTF-16BE".into(),
            Encoding::Utf16(ByteOrder::Little | ByteOrder::ByMark) => "UTF-16LE".into(),
            Encoding::Utf32(ByteOrder::Big) => "UTF-32BE".into(),
            Encoding::Utf32(ByteOrder::Little | ByteOrder::ByMark) => "UTF-32LE".into(),
            Encoding::CodePage(number, _) => format!("IBM{number}").into(),
        }
    }

    /// Bytes of a code unit. Positions, and the buffers given to [`line_end`](Self::line_end), begin at a multiple of it.
    pub fn unit(&self) -> usize {
        match self.encoding {
            Encoding::Utf8 | Encoding::Standard(_) | Encoding::CodePage(..) => 1,
            Encoding::Utf16(_) => 2,
            Encoding::Utf32(_) => 4,
        }
    }

    /// One past the first line feed at or after `from`. `bytes` begins at a code unit of the source.
    pub fn line_end(&self, bytes: &[u8], from: usize) -> Option<usize> {
        let unit = self.unit();
        let mut at = from;
        loop {
            at += memchr::memchr(b'\n', bytes.get(at..)?)?;
            let start = at - at % unit;
            let end = start + unit;
            if start >= from && bytes.get(start..end).is_some_and(|bytes| self.value(bytes) == u32::from(b'\n')) {
                return Some(end);
            }
            at += 1;
        }
    }

    /// The value of one code unit.
    fn value(&self, unit: &[u8]) -> u32 {
        let add = |value: u32, byte: &u8| value << 8 | u32::from(*byte);
        match self.encoding {
            Encoding::Utf16(ByteOrder::Big) | Encoding::Utf32(ByteOrder::Big) => unit.iter().fold(0, add),
            _ => unit.iter().rev().fold(0, add),
        }
    }

    /// A line, or a part of one that ends between characters, as UTF-8. Its end (CR, LF) may be in it, and is then in the answer.
    pub fn decode<'a>(&self, line: &'a [u8]) -> Cow<'a, [u8]> {
        let standard = match self.encoding {
            Encoding::Utf8 => return Cow::Borrowed(line),
            Encoding::Standard(standard) => standard,
            Encoding::Utf16(ByteOrder::Big) => encoding_rs::UTF_16BE,
            Encoding::Utf16(ByteOrder::Little | ByteOrder::ByMark) => encoding_rs::UTF_16LE,
            Encoding::Utf32(_) => return self.decode_utf32(line),
            Encoding::CodePage(_, page) => return decode_page(page, line),
        };
        let (text, mended) = standard.decode_without_bom_handling(line);
        counters::EVENTS_MENDED.add(mended.into());
        match text {
            Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
            Cow::Owned(text) => Cow::Owned(text.into_bytes()),
        }
    }

    fn decode_utf32(&self, line: &[u8]) -> Cow<'static, [u8]> {
        mended(line.chunks(4).map(|unit| (unit.len() == 4).then(|| char::from_u32(self.value(unit))).flatten()))
    }
}

fn decode_page(page: CodePage, line: &[u8]) -> Cow<'_, [u8]> {
    if line.is_ascii() {
        return Cow::Borrowed(line);
    }
    mended(line.iter().map(|byte| match (byte.checked_sub(128).map(usize::from), page) {
        (None, _) => Some(char::from(*byte)),
        (Some(upper), CodePage::Full(table)) => Some(table[upper]),
        (Some(upper), CodePage::Gaps(table)) => table[upper],
    }))
}

/// Characters as UTF-8, with U+FFFD for those that are none.
fn mended(characters: impl Iterator<Item = Option<char>>) -> Cow<'static, [u8]> {
    let mut bad = false;
    let text: String = characters
        .map(|character| {
            bad |= character.is_none();
            character.unwrap_or(char::REPLACEMENT_CHARACTER)
        })
        .collect();
    counters::EVENTS_MENDED.add(bad.into());
    Cow::Owned(text.into_bytes())
}

#[cfg(test)]
mod tests;
