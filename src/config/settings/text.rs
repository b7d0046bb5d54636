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

/// How the source is encoded. The default is UTF-8, unless a byte order mark says otherwise.
#[derive(Clone, Copy, Debug, Default)]
pub struct Encoding(pub Option<&'static encoding_rs::Encoding>);

/// Which lines are one event.
#[derive(Clone, Debug, Default)]
pub enum MultiLine {
    /// Each line.
    #[default]
    Off,
    /// From a line that matches up to the next one.
    Start(Regex),
    /// From a line with a timestamp up to the next one.
    Timestamp,
}

/// What becomes of an event that is too long.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Oversize {
    /// It is sent in parts.
    #[default]
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
            MultiLine::Timestamp => false,
        }
    }

    /// Whether every event is sent as it stands, with the time of reading: nobody needs to look at its text.
    pub fn sends_as_is(&self) -> bool {
        let Filter { include_patterns, exclude_patterns, rules } = &self.filter;
        !self.strip && include_patterns.is_empty() && exclude_patterns.is_empty() && rules.is_empty()
    }
}
