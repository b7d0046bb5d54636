//! What becomes of the text of an event.
use super::Filter;
use crate::model::limits::MESSAGE_BYTES;
use regex::bytes::Regex;
use std::time::Duration;

/// What becomes of the text of an event. The default sends everything as it is, line by line, with the time of reading.
#[derive(Clone, Debug)]
pub struct TextRules {
    pub encoding: Encoding,
    pub multi_line: MultiLine,
    /// An event without a successor is complete after so long a silence.
    pub multi_line_timeout: Duration,
    /// The longest event, in bytes.
    pub max_event_bytes: usize,
    pub oversize: Oversize,
    /// Both ends are stripped, and empty lines are no events.
    pub strip: bool,
    pub filter: Filter,
}

/// In what the bytes of a source are written. What a byte order mark at the beginning says wins.
#[derive(Clone, Copy, Debug, Default)]
pub enum Encoding {
    /// Nothing to decode. What is not UTF-8 is mended when it is sent.
    #[default]
    Utf8,
    /// One of the Encoding Standard, other than UTF-8 and UTF-16.
    Standard(&'static encoding_rs::Encoding),
    Utf16(ByteOrder),
}

/// Which byte of a code unit comes first.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ByteOrder {
    Little,
    Big,
}

/// Which lines belong together.
#[derive(Clone, Debug)]
pub enum MultiLine {
    /// Each line is an event.
    Off,
    /// A line in which this is found begins an event.
    Start(Regex),
}

/// What becomes of an event that is too long.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Oversize {
    /// It is sent in parts, each but the last with a mark at its end.
    Split,
    /// Its beginning is sent.
    Truncate,
}

impl Default for TextRules {
    fn default() -> Self {
        Self {
            encoding: Encoding::default(),
            multi_line: MultiLine::Off,
            multi_line_timeout: Duration::from_secs(5),
            max_event_bytes: MESSAGE_BYTES,
            oversize: Oversize::Split,
            strip: false,
            filter: Filter::default(),
        }
    }
}

impl TextRules {
    /// Whether this line, decoded and without its end, begins an event.
    pub fn starts_event(&self, line: &[u8]) -> bool {
        match &self.multi_line {
            MultiLine::Off => true,
            MultiLine::Start(pattern) => pattern.is_match(line),
        }
    }

    /// Whether every event is sent as it stands, with the time of reading: nobody needs to look at its text, but for its ends.
    pub fn sends_as_is(&self) -> bool {
        let Filter { include_patterns, exclude_patterns, rules } = &self.filter;
        include_patterns.is_empty() && exclude_patterns.is_empty() && rules.is_empty()
    }
}
