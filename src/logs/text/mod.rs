//! What becomes of the text of one event.
pub mod encoding;
pub mod parts;

use crate::{
    config::settings::text::TextRules,
    logs::filter,
    model::{TimedBy, Timestamp},
    telemetry::counters,
};
use std::{borrow::Cow, sync::Arc};

/// Treats the events of one source, in their order.
#[derive(Debug)]
pub struct Treatment {
    rules: Arc<TextRules>,
}

/// What becomes of an event.
#[derive(Debug)]
pub enum Treated<'a> {
    Send { text: Cow<'a, [u8]>, at: Timestamp, timed_by: TimedBy },
    NotSent,
}

impl Treatment {
    /// For a new source.
    pub fn new(rules: Arc<TextRules>) -> Self {
        Self { rules }
    }

    /// `text`: one whole event, decoded, without line end. `now`: the wall clock. Counts what it does not send.
    pub fn treat<'a>(&mut self, text: &'a [u8], now: Timestamp) -> Treated<'a> {
        if !filter::passes(&self.rules.filter, text) {
            counters::EVENTS_FILTERED.add(1);
            return Treated::NotSent;
        }
        Treated::Send { text: text.into(), at: now, timed_by: TimedBy::Reader }
    }

    /// More of an event whose beginning was sent: all that is done to it is to hide what is not to be seen.
    pub fn treat_rest<'a>(&mut self, text: &'a [u8]) -> Cow<'a, [u8]> {
        text.into()
    }
}
