//! What becomes of the text of an event, whatever source it comes from.
use super::{Filter, FilterKind, FilterRule};
use crate::{
    config::{timestamp::TimestampFormat, words::words, zone::Zone},
    model::limits::MESSAGE_BYTES,
};
use regex::bytes::Regex;
use std::{
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};

/// How long an event without a successor may wait for more lines.
pub const MULTI_LINE_TIMEOUT: Duration = Duration::from_secs(5);

/// The rules of one item. By default everything is sent as it is, line by line, with the time of reading.
#[derive(Clone, Debug)]
pub struct TextRules {
    /// JSON path of the item, for messages.
    pub at: String,
    pub encoding: Encoding,
    pub multi_line: MultiLine,
    /// An event of several lines is complete when nothing was added for so long.
    pub multi_line_timeout: Duration,
    /// Both ends of a line are stripped of white space, and what is empty then is no event.
    pub strip: bool,
    pub timestamp: Option<TimestampRule>,
    /// Events older than what CloudWatch takes.
    pub too_old: OutOfRange,
    /// Events further ahead than what CloudWatch takes.
    pub too_new: OutOfRange,
    pub filter: Filter,
    /// One of so many events is sent; 1 sends all.
    pub sample: u64,
    pub rate_limit: Option<RateLimit>,
    /// In the order in which they are applied.
    pub redact: Vec<Redaction>,
    /// The longest message, in bytes of UTF-8.
    pub max_event_bytes: usize,
    pub oversize: Oversize,
    /// What was said about events of this item so far.
    pub told: Told,
}

impl Default for TextRules {
    fn default() -> Self {
        Self {
            at: String::new(),
            encoding: Encoding::default(),
            multi_line: MultiLine::Off,
            multi_line_timeout: MULTI_LINE_TIMEOUT,
            strip: false,
            timestamp: None,
            too_old: OutOfRange::Drop,
            too_new: OutOfRange::Restamp,
            filter: Filter::default(),
            sample: 1,
            rate_limit: None,
            redact: vec![],
            max_event_bytes: MESSAGE_BYTES,
            oversize: Oversize::Split,
            told: Told::default(),
        }
    }
}

impl TextRules {
    /// Whether a line begins an event: decoded, without its end. One that does not belongs to the event before it.
    pub fn starts_event(&self, line: &[u8]) -> bool {
        match &self.multi_line {
            MultiLine::Off => true,
            MultiLine::Start(pattern) => pattern.is_match(line),
            MultiLine::Unless(pattern) => !pattern.is_match(line),
            MultiLine::Timestamp => self.timestamp.as_ref().is_some_and(|rule| rule.format.find(line).is_some()),
        }
    }

    /// Whether every event is sent as it stands, with the time of reading: nobody needs to look at its text, but for its ends.
    pub fn sends_as_is(&self) -> bool {
        let unlimited = self.sample == 1 && self.rate_limit.is_none();
        self.filter.is_open() && unlimited && self.timestamp.is_none() && self.redact.is_empty()
    }
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
    Utf32(ByteOrder),
    /// A DOS code page of this number.
    CodePage(u16, CodePage),
}

/// What the upper 128 bytes of a code page mean.
#[derive(Clone, Copy, Debug)]
pub enum CodePage {
    Full(&'static [char; 128]),
    /// Some mean nothing.
    Gaps(&'static [Option<char>; 128]),
}

/// Which byte of a code unit comes first.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ByteOrder {
    Little,
    Big,
    /// As the byte order mark says; the lowest byte without one.
    ByMark,
}

/// Which lines belong together.
#[derive(Clone, Debug)]
pub enum MultiLine {
    /// Each line is an event.
    Off,
    /// A line in which this is found begins an event.
    Start(Regex),
    /// A line in which this is not found begins an event.
    Unless(Regex),
    /// A line in which the timestamp format is found begins an event.
    Timestamp,
}

/// Where an event's text says when it happened.
#[derive(Clone, Debug)]
pub struct TimestampRule {
    pub format: TimestampFormat,
    /// Of timestamps that name none.
    pub zone: Zone,
    /// The timestamp is removed from the message, and white space before what is left.
    pub trim: bool,
}

words! {
    /// What becomes of an event that CloudWatch would not take for its time.
    pub enum OutOfRange {
        /// It is not sent, where the clock of the service says so too.
        Drop = "drop",
        /// It is sent with the present time; its own stays in the message.
        Restamp = "restamp",
    }
}

words! {
    /// What becomes of an event that is longer than allowed.
    pub enum Oversize {
        /// It is sent in parts, each but the last with a mark at its end.
        Split = "split",
        /// Only its beginning is sent, with a mark at its end.
        Truncate = "truncate",
    }
}

/// What is said once an item, by whichever of its sources sees it first, and counted from then on: a pattern may mean thousands of files.
/// Settings are read anew at each start and reload, and then it is said again.
#[derive(Clone, Debug, Default)]
pub struct Told(Arc<AtomicU8>);

/// What there may be to say about an event of an item.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Remark {
    /// What stands where its timestamp should be is no time.
    NoTime,
    /// Nothing of the form of its timestamp stands in any event of a source.
    NeverATime,
    TooOld,
    TooNew,
    /// Masks had no room.
    Masks,
}

impl Told {
    /// Whether this is news; it is none from now on.
    pub fn is_news(&self, remark: Remark) -> bool {
        let bit = 1 << remark as u8;
        self.0.fetch_or(bit, Ordering::Relaxed) & bit == 0
    }
}

/// How many events of a source are sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct RateLimit {
    pub per_second: u32,
    /// So many may come at once.
    pub burst: u32,
}

/// What is not to be seen by anybody.
#[derive(Clone, Debug)]
pub struct Redaction {
    pub expression: Regex,
    /// Stands in the place of each match, as it is.
    pub replacement: String,
}

impl Filter {
    /// The same with any include rule being enough, as the agent's journal has it; with the agent's files every one must match.
    #[must_use]
    pub fn with_any_include_rule(mut self) -> Self {
        let (include, exclude): (Vec<FilterRule>, Vec<FilterRule>) =
            std::mem::take(&mut self.rules).into_iter().partition(|rule| rule.kind == FilterKind::Include);
        if self.include_patterns.is_empty() {
            self.include_patterns = include.into_iter().map(|rule| rule.expression).collect();
            self.rules = exclude;
        } else {
            self.rules = include.into_iter().chain(exclude).collect();
        }
        self
    }
}
