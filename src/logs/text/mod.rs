//! What becomes of the text of an event between its source and a batch, by the rules of its item.
//!
//! ```text
//! bytes -> Decoder -> (lines become events) -> Treatment: time, trim, filter, age, sample, rate limit, redact -> parts
//! ```
//!
//! The order is that of growing cost, and each step sees what it is meant to judge:
//! - The time is read first, from the whole text, and cut out where that is wished: filters see what would be sent.
//! - Filters come before everything that keeps count. What nobody wants takes no place in a sample, uses up no limit, and its age
//!   concerns nobody. They see the text unmasked, so that a rule may be about what is masked.
//! - Ages come next, where they change what is sent. What is too old to be sent at all is left to who sends: this host's clock may be
//!   what is wrong, and the answers of the service tell.
//! - The sample comes before the limit, so that the limit is one on what is sent.
//! - Redacting rewrites, so it is done for what goes out only. The size comes last, because redacting changes it, and a secret must
//!   not be cut in two and seen.
//!
//! A [`Treatment`] belongs to one source, not to its stream: a time is inherited within a source, and limits are those of a source. Nothing here
//! waits or does I/O. What is not sent is counted by its cause, and covered by the position all the same; the own log has the first of its
//! kind of each item.
pub mod encoding;
pub mod parts;

mod edge;
mod json;

use super::filter;
use crate::{
    config::settings::text::{OutOfRange, Oversize, Remark, TextRules, TimestampRule},
    config::timestamp::Clock,
    model::{
        TimedBy, Timestamp,
        limits::{AHEAD, OLDEST},
    },
    telemetry::counters,
};
use edge::{Bucket, Masked, Sample};
use std::{borrow::Cow, sync::Arc};

/// What becomes of an event.
#[derive(Debug, Eq, PartialEq)]
pub enum Treated<'a> {
    /// It is sent, in [`parts`](parts::parts) where it is too long.
    Send { text: Cow<'a, [u8]>, at: Timestamp, timed_by: TimedBy },
    /// It is not, and was counted.
    NotSent,
}

/// Treats the events of one source, in their order.
#[derive(Debug)]
pub struct Treatment {
    rules: Arc<TextRules>,
    open: bool,
    /// Each event is a JSON object.
    json: bool,
    sample: Sample,
    bucket: Option<Bucket>,
    /// The time of the last event whose text told one.
    last: Option<Timestamp>,
    /// So many events told none, in a row.
    untimed: u32,
}

/// After so many events without any timestamp the format is most likely wrong: no stack trace, and no banner, is that long.
const NEVER: u32 = 100;

/// An event's time before anybody asked whether it can be sent with it.
struct Timed<'a> {
    /// Without the timestamp, where that is to be cut out.
    text: Cow<'a, [u8]>,
    at: Timestamp,
    timed_by: TimedBy,
}

impl Treatment {
    /// For a new source.
    pub fn new(rules: Arc<TextRules>) -> Self {
        Self {
            open: rules.filter.is_open(),
            sample: Sample::new(rules.sample),
            json: false,
            bucket: rules.rate_limit.map(Bucket::new),
            last: None,
            untimed: 0,
            rules,
        }
    }

    /// The same for events that are JSON objects: what is hidden in their values leaves them objects.
    pub fn of_json(self) -> Self {
        Self { json: true, ..self }
    }

    /// `text`: one whole event, decoded, without line end. `now`: the wall clock.
    pub fn treat<'a>(&mut self, text: &'a [u8], now: Timestamp) -> Treated<'a> {
        let timed = self.time(text, now);
        self.judge(text, timed, now)
    }

    /// The same where the source knows the time: none is looked for in the text.
    pub fn treat_timed<'a>(&mut self, text: &'a [u8], at: Timestamp, now: Timestamp) -> Treated<'a> {
        self.judge(text, Timed { text: text.into(), at, timed_by: TimedBy::Source }, now)
    }

    /// More of an event whose beginning was sent: all that is done to it is to hide what is not to be seen.
    pub fn treat_rest<'a>(&self, text: &'a [u8]) -> Cow<'a, [u8]> {
        let (text, masked) = edge::redact(&self.rules.redact, text.into());
        self.count(masked);
        text
    }

    /// Where to cut a line that has no end yet, at `end` or before it: what is to be masked is not cut in two, unless it is most of
    /// the line.
    pub fn before_secrets(&self, line: &[u8], end: usize) -> usize {
        edge::before_matches(&self.rules.redact, line, end)
    }

    /// Whether what becomes of an event may depend on any part of its text.
    pub fn looks_at_all(&self) -> bool {
        !self.open || !self.rules.redact.is_empty() || self.rules.oversize == Oversize::Truncate
    }

    /// Reads the time that the text tells; else that of the event before counts, else now.
    fn time<'a>(&mut self, text: &'a [u8], now: Timestamp) -> Timed<'a> {
        let rules = Arc::clone(&self.rules);
        let Some(rule) = &rules.timestamp else {
            return Timed { text: text.into(), at: now, timed_by: TimedBy::Reader };
        };
        if let Some((at, text)) = self.told(rule, text, now) {
            (self.last, self.untimed) = (Some(at), 0);
            return Timed { text, at, timed_by: TimedBy::Source };
        }
        // Only where it belongs between the others. Should it be too late for that when it is sent, the time of sending is as good.
        let at = self.last.filter(|last| age(*last, now) == Age::Fits).unwrap_or(now);
        Timed { text: text.into(), at, timed_by: TimedBy::Reader }
    }

    /// The time that stands in the text, and the text as it is sent then.
    fn told<'a>(&mut self, rule: &TimestampRule, text: &'a [u8], now: Timestamp) -> Option<(Timestamp, Cow<'a, [u8]>)> {
        let Some(found) = rule.format.find(text) else {
            self.miss();
            return None;
        };
        let clock = Clock { zone: &rule.zone, now, last: self.last };
        let Some(at) = found.moment(clock) else {
            counters::TIMESTAMPS_UNPARSED.add(1);
            if self.rules.told.is_news(Remark::NoTime) {
                let timestamp = String::from_utf8_lossy(&text[found.start..found.end]);
                tracing::warn!(item = self.rules.at, %timestamp, counted_as = counters::TIMESTAMPS_UNPARSED.name,
                    "what stands where `timestamp_format` says is no time: see whether the format is right; \
                    such events go with the time of the one before them");
            }
            return None;
        };
        Some((at, if rule.trim { without(text, found.start, found.end) } else { text.into() }))
    }

    /// Nothing in an event has the form of the timestamp.
    fn miss(&mut self) {
        counters::TIMESTAMPS_MISSING.add(1);
        self.untimed = self.untimed.saturating_add(1);
        if self.last.is_none() && self.untimed == NEVER && self.rules.told.is_news(Remark::NeverATime) {
            tracing::warn!(
                item = self.rules.at,
                events = NEVER,
                counted_as = counters::TIMESTAMPS_MISSING.name,
                "no timestamp was found in any event so far: `timestamp_format` does not fit what is written; \
                events go with the time at which they are read"
            );
        }
    }

    fn judge<'a>(&mut self, whole: &'a [u8], timed: Timed<'a>, now: Timestamp) -> Treated<'a> {
        let Timed { mut text, mut at, mut timed_by } = timed;
        if text.is_empty() {
            counters::EVENTS_EMPTY.add(1);
            return Treated::NotSent;
        }
        if !self.open && !filter::passes(&self.rules.filter, &text) {
            counters::EVENTS_FILTERED.add(1);
            return Treated::NotSent;
        }
        let age = age(at, now);
        // What is to be dropped goes on: our clock may be what is wrong, and who sends knows that of the service.
        if self.fate(age) == Some(OutOfRange::Restamp) {
            self.say(age, at);
            (text, at, timed_by) = (whole.into(), now, TimedBy::Reader);
        }
        if !self.sample.takes() {
            counters::EVENTS_SAMPLED_OUT.add(1);
            return Treated::NotSent;
        }
        if self.bucket.as_mut().is_some_and(|bucket| !bucket.takes(now)) {
            counters::EVENTS_RATE_LIMITED.add(1);
            return Treated::NotSent;
        }
        let redact = if self.json { json::redact } else { edge::redact };
        let (text, masked) = redact(&self.rules.redact, text);
        self.count(masked);
        if text.is_empty() {
            counters::EVENTS_EMPTY.add(1);
            return Treated::NotSent;
        }
        Treated::Send { text, at, timed_by }
    }

    fn count(&self, masked: Masked) {
        counters::EVENTS_REDACTED.add(masked.anything.into());
        counters::EVENTS_MENDED.add(masked.mended.into());
        counters::EVENTS_TRUNCATED.add(masked.cut.into());
        if masked.cut && self.rules.told.is_news(Remark::Masks) {
            tracing::warn!(
                item = self.rules.at,
                counted_as = counters::EVENTS_TRUNCATED.name,
                "masks would make an event longer by more than 32 MiB, so it is sent without its rest; \
                shorten the `replacement` of `redact`, or let its `expression` match more at once"
            );
        }
    }

    fn fate(&self, age: Age) -> Option<OutOfRange> {
        match age {
            Age::Fits => None,
            Age::TooOld => Some(self.rules.too_old),
            Age::TooNew => Some(self.rules.too_new),
        }
    }

    /// Counts an event that CloudWatch would not take with its own time, and says so of the first of its kind.
    fn say(&self, age: Age, at: Timestamp) {
        let (counter, remark, words) = match age {
            Age::Fits => return,
            Age::TooOld => (
                &counters::EVENTS_RESTAMPED_TOO_OLD,
                Remark::TooOld,
                "events older than the 14 days that CloudWatch takes are sent with the present time",
            ),
            Age::TooNew => (
                &counters::EVENTS_RESTAMPED_TOO_NEW,
                Remark::TooNew,
                "events further ahead than the 2 hours that CloudWatch takes are sent with the present time; see whether `timezone` and the clock are right",
            ),
        };
        counter.add(1);
        if self.rules.told.is_news(remark) {
            tracing::warn!(item = self.rules.at, time = at.rfc3339(), counted_as = counter.name, "{words}");
        }
    }
}

/// How a time stands to what CloudWatch takes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Age {
    Fits,
    TooOld,
    TooNew,
}

fn age(at: Timestamp, now: Timestamp) -> Age {
    if now.since(at) > OLDEST {
        Age::TooOld
    } else if at.since(now) > AHEAD {
        Age::TooNew
    } else {
        Age::Fits
    }
}

/// The text without `start..end`, and without the white space with which it begins then: what the agent takes off, too.
fn without(text: &[u8], start: usize, end: usize) -> Cow<'_, [u8]> {
    let trimmed = |text: &[u8]| text.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n')).count();
    let (before, after) = (&text[..start], &text[end..]);
    let before = &before[trimmed(before)..];
    if before.is_empty() {
        return Cow::Borrowed(&after[trimmed(after)..]);
    }
    Cow::Owned([before, after].concat())
}

#[cfg(test)]
mod tests;
