//! What becomes of the text of one event.
pub mod encoding;

use crate::{
    config::settings::text::{Oversize, TextRules},
    logs::filter,
    model::{TimedBy, Timestamp},
    telemetry::counters,
};
use std::{borrow::Cow, sync::Arc};

/// One source's treatment of its events: holds what it needs between them.
#[derive(Debug)]
pub struct Treatment {
    rules: Arc<TextRules>,
}

/// What becomes of one event.
#[derive(Debug)]
pub enum Treated<'a> {
    Send { text: Cow<'a, [u8]>, at: Timestamp, timed_by: TimedBy },
    NotSent,
}

impl Treatment {
    /// Nothing was seen yet.
    pub fn new(rules: Arc<TextRules>) -> Self {
        Self { rules }
    }

    /// `text` is one whole event, decoded, without line end; `now` is the wall clock. Counts what it does not send.
    pub fn treat<'a>(&mut self, text: &'a [u8], now: Timestamp) -> Treated<'a> {
        let text = if self.rules.strip { text.trim_ascii() } else { text };
        if text.is_empty() {
            return Treated::NotSent;
        }
        if !filter::passes(&self.rules.filter, text) {
            counters::EVENTS_FILTERED.add(1);
            return Treated::NotSent;
        }
        Treated::Send { text: text.into(), at: now, timed_by: TimedBy::Reader }
    }

    /// What follows of an event whose beginning was sent: only what hides text is done to it.
    pub fn treat_rest<'a>(&mut self, text: &'a [u8]) -> Cow<'a, [u8]> {
        text.into()
    }
}

/// An event of more than `max` bytes as it is sent. `more` says that the source has more of it than `text`.
pub fn parts(text: &[u8], max: usize, oversize: Oversize, more: bool) -> impl Iterator<Item = Cow<'_, [u8]>> {
    const CUT: &[u8] = b"[Truncated...]";
    let whole = text.len() <= max && !(more && oversize == Oversize::Truncate);
    let (mut rest, mut cut) = (text, oversize == Oversize::Truncate && !whole);
    std::iter::from_fn(move || {
        if std::mem::take(&mut cut) {
            let end = between_characters(rest, rest.len().min(max - CUT.len()));
            let beginning = [&rest[..end], CUT].concat();
            rest = &[];
            return Some(beginning.into());
        }
        let end = if rest.len() <= max { rest.len() } else { between_characters(rest, max) };
        let (part, after) = rest.split_at(end);
        rest = after;
        (!part.is_empty()).then(|| part.into())
    })
}

/// The nearest place at or before `at` that does not cut a UTF-8 character in two; `at` itself in what is no UTF-8.
fn between_characters(text: &[u8], at: usize) -> usize {
    let continues = |i: usize| text.get(i).is_some_and(|byte| byte & 0b1100_0000 == 0b1000_0000);
    (at.saturating_sub(3)..=at).rev().find(|&i| !continues(i)).unwrap_or(at)
}
