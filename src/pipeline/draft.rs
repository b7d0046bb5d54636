//! A log batch in the making: one request body that grows by one event at a time and can never break a limit.
use super::escape::escape;
use crate::{
    model::{
        Cover, EVENT_START, Entity, LogBatch, REQUEST_END, Slot, Target, TimedBy, Timestamp,
        limits::{EVENT_OVERHEAD, LOG_BATCH_BYTES, LOG_BATCH_EVENTS, LOG_BATCH_SPAN},
    },
    telemetry::counters,
};
use bytes::Bytes;
use std::sync::Arc;

/// A body of more JSON than this takes no further event. The service counts text, not JSON, and a control character is one byte
/// of text and six of JSON: without a bound of ours such a log would cost six times the memory.
const LOG_BATCH_JSON: usize = 2 * 1024 * 1024;

/// A batch with more covers than this takes no more: events of several days or sources that alternate have one each.
const COVERS: usize = 1_000;

/// The open batch of one target.
pub struct Draft {
    target: Arc<Target>,
    body: Vec<u8>,
    index: Vec<Slot>,
    counted_bytes: usize,
    earliest: Timestamp,
    latest: Timestamp,
    sorted: bool,
    covers: Vec<Cover>,
}

impl Draft {
    /// An empty batch.
    pub fn new(target: Arc<Target>) -> Self {
        let mut body = Vec::new();
        body.push(b'{');
        if let Some(entity) = &target.entity {
            put_entity(entity, &mut body);
        }
        body.extend_from_slice(b"\"logGroupName\":\"");
        escape(&target.group, &mut body);
        body.extend_from_slice(b"\",\"logStreamName\":\"");
        escape(&target.stream, &mut body);
        body.extend_from_slice(b"\",\"logEvents\":[");
        let (zero, covers, index) = (Timestamp::default(), vec![], vec![]);
        Self { target, body, index, counted_bytes: 0, earliest: zero, latest: zero, sorted: true, covers }
    }

    /// Whether it holds no event. It may hold covers even so.
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// Whether it holds no event and no cover.
    pub fn holds_nothing(&self) -> bool {
        self.is_empty() && self.covers.is_empty()
    }

    /// Whether it holds so many covers that it should leave.
    pub fn is_crowded(&self) -> bool {
        self.covers.len() >= COVERS
    }

    /// Bytes of the body so far.
    pub fn len(&self) -> usize {
        self.body.len()
    }

    /// Go on in this empty buffer.
    pub fn move_to(&mut self, mut buffer: Vec<u8>) {
        buffer.extend_from_slice(&self.body);
        self.body = buffer;
    }

    /// Whether an event of `length` bytes at `at` keeps the batch inside all limits of PutLogEvents, and of our memory.
    pub fn fits(&self, at: Timestamp, length: usize) -> bool {
        self.is_empty()
            || (self.counted_bytes + length + EVENT_OVERHEAD <= LOG_BATCH_BYTES
                && self.index.len() < LOG_BATCH_EVENTS
                && self.body.len() + length <= LOG_BATCH_JSON
                && self.latest.max(at).since(self.earliest.min(at)) <= LOG_BATCH_SPAN)
    }

    /// Append an event that [`fits`](Self::fits). Bytes that are not UTF-8 become U+FFFD, counted.
    pub fn push(&mut self, at: Timestamp, timed_by: TimedBy, text: Text<'_>) {
        if self.is_empty() {
            (self.earliest, self.latest) = (at, at);
        } else {
            self.body.push(b',');
        }
        self.sorted &= at >= self.latest || self.is_empty();
        self.earliest = self.earliest.min(at);
        self.latest = self.latest.max(at);
        let start = u32::try_from(self.body.len()).expect("a body is a few MiB at most");
        self.index.push(Slot { at, start, timed_by });
        self.body.extend_from_slice(EVENT_START);
        self.body.extend_from_slice(itoa::Buffer::new().format(at.as_millis()).as_bytes());
        self.body.extend_from_slice(b",\"message\":\"");
        self.counted_bytes += text.append(&mut self.body) + EVENT_OVERHEAD;
        self.body.extend_from_slice(b"\"}");
    }

    /// Note what is delivered with this batch. Contiguous covers of one source become one. An empty one says nothing.
    pub fn cover(&mut self, cover: Cover) {
        if cover.from == cover.to {
            return; // The first parts of an event deliver nothing.
        }
        match self.covers.iter_mut().rev().find(|c| c.source == cover.source && c.to == cover.from) {
            Some(known) => {
                known.to = cover.to;
                known.position = cover.position.or(known.position.take());
            }
            None => self.covers.push(cover),
        }
    }

    /// Close the batch; `into_body` says what its buffer becomes. Events stand in time order afterwards, those of one moment in
    /// the order they came.
    pub fn finish(mut self, into_body: impl FnOnce(Vec<u8>) -> Bytes) -> LogBatch {
        if !self.sorted {
            self.sort();
        }
        self.body.extend_from_slice(REQUEST_END);
        LogBatch { target: self.target, body: into_body(self.body), index: self.index.into(), covers: self.covers }
    }

    /// Rebuild the body in time order: the second copy that only events out of order cost.
    fn sort(&mut self) {
        let first = self.index.first().map_or(self.body.len(), |slot| slot.start as usize);
        let ends = self.index.iter().skip(1).map(|slot| slot.start as usize - 1).chain([self.body.len()]);
        let mut spans: Vec<_> = self.index.iter().copied().zip(ends).collect();
        spans.sort_by_key(|(slot, _)| slot.at);
        let mut body = Vec::with_capacity(self.body.len() + 2);
        body.extend_from_slice(&self.body[..first]);
        for (place, &(slot, end)) in spans.iter().enumerate() {
            if place > 0 {
                body.push(b',');
            }
            let start = u32::try_from(body.len()).expect("as long as before");
            body.extend_from_slice(&self.body[slot.start as usize..end]);
            self.index[place] = Slot { start, ..slot };
        }
        self.body = body;
    }
}

/// The member `entity` of the request, with a comma behind it.
fn put_entity(entity: &Entity, body: &mut Vec<u8>) {
    body.extend_from_slice(b"\"entity\":{\"keyAttributes\":{");
    for (place, (name, value)) in entity.key_attributes().enumerate() {
        if place > 0 {
            body.push(b',');
        }
        body.push(b'"');
        body.extend_from_slice(name.as_bytes());
        body.extend_from_slice(b"\":\"");
        escape(value, body);
        body.push(b'"');
    }
    body.extend_from_slice(b"}},");
}

/// The bytes of one event.
#[derive(Clone, Copy)]
pub enum Text<'a> {
    Valid(&'a str),
    /// Not known to be UTF-8.
    Raw(&'a [u8]),
}

impl<'a> Text<'a> {
    /// How many bytes the service will count for it.
    pub fn counted(self) -> usize {
        match self {
            Self::Valid(text) => text.len(),
            Self::Raw(bytes) => bytes
                .utf8_chunks()
                .map(|c| {
                    c.valid().len() + if c.invalid().is_empty() { 0 } else { char::REPLACEMENT_CHARACTER.len_utf8() }
                })
                .sum(),
        }
    }

    /// Whether there is nothing in it but white space.
    pub fn is_blank(self) -> bool {
        match self {
            Self::Valid(text) => text.chars().all(char::is_whitespace),
            Self::Raw(bytes) => bytes.iter().all(u8::is_ascii_whitespace),
        }
    }

    /// As it came.
    pub fn bytes(self) -> &'a [u8] {
        match self {
            Self::Valid(text) => text.as_bytes(),
            Self::Raw(bytes) => bytes,
        }
    }

    /// Escape it into `body`; returns the bytes that the service counts.
    fn append(self, body: &mut Vec<u8>) -> usize {
        match self {
            Self::Valid(text) => escape(text, body),
            Self::Raw(bytes) => {
                let mut mended = false;
                for chunk in bytes.utf8_chunks() {
                    escape(chunk.valid(), body);
                    if !chunk.invalid().is_empty() {
                        escape("\u{fffd}", body);
                        mended = true;
                    }
                }
                counters::EVENTS_MENDED.add(mended.into());
            }
        }
        self.counted()
    }
}

#[cfg(test)]
mod tests;
