//! Log text on its way: read into one buffer, escaped from there straight into a request body, once.
use super::{
    Anchor, Cover, Entity, FilePosition, Fingerprint, LogGroupClass, Position, SourceId, Timestamp, position::BEFORE,
};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::{
    borrow::Cow,
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};
use tokio::sync::mpsc;

/// What closes a PutLogEvents body behind its last event.
pub const REQUEST_END: &[u8] = b"]}";
/// What opens an event in such a body; the digits of its time follow, then a comma and the rest.
pub const EVENT_START: &[u8] = b"{\"timestamp\":";

/// The log group and stream that events go to.
#[derive(Clone, Debug, Default, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub struct Target {
    pub group: String,
    pub stream: String,
    /// Set on the group where it has another. `None` leaves the group's own.
    pub retention_in_days: Option<u16>,
    /// Of the group when this daemon creates it. `None` leaves it to the service.
    pub class: Option<LogGroupClass>,
    /// Sent with each of its batches.
    pub entity: Option<Arc<Entity>>,
    /// Every call says that there may be metrics in the events (embedded metric format). Without it only those calls do in which
    /// one is seen.
    pub emf: bool,
}

/// Who says when an event happened.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TimedBy {
    /// The source knows, and its word stands.
    Source,
    /// This host's clock at the moment of reading. It may have been wrong, or the event may have waited for long: then the
    /// time of sending is as good.
    Reader,
}

/// One event of a chunk: a span of its text, in what was read or in what was rewritten.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Event {
    /// First byte in the chunk's text.
    pub start: u32,
    /// One past the last byte; the end of its last line is not part of it.
    pub end: u32,
    pub at: Timestamp,
    /// Who says so.
    pub timed_by: TimedBy,
    /// The source's unit after this event (and what was filtered out behind it). Of an event that is sent in parts only the
    /// last one delivers it: the others stop where it begins.
    pub next: u64,
}

/// Consecutive events of one source over one buffer.
#[derive(Debug)]
pub struct Chunk {
    pub source: SourceId,
    /// First the bytes that were read, as far as the source counts bytes; behind them events whose text had to be rewritten
    /// (decoded, joined, masked), in UTF-8. See [`Chunk::as_read`].
    pub text: Vec<u8>,
    /// In the source's order. May be empty: then only the position moves.
    pub events: Vec<Event>,
    /// The source's unit where this chunk begins: the `to` of the chunk before it.
    pub from: u64,
    /// The source's unit where it ends, past everything that was filtered out.
    pub to: u64,
    pub anchor: Anchor,
    /// Where reading resumes at `to`.
    pub end: Position,
}

impl Chunk {
    /// So many bytes of the text are as they were read, and may be no UTF-8; what follows is.
    pub fn as_read(&self) -> usize {
        match &self.anchor {
            Anchor::File { .. } => {
                usize::try_from(self.to - self.from).map_or(self.text.len(), |n| n.min(self.text.len()))
            }
            Anchor::Journal(_) | Anchor::Windows(_) | Anchor::Unified(_) => 0,
            // Bytes as they were received.
            Anchor::Unsaved => self.text.len(),
        }
    }

    /// Where reading resumes after event `index`.
    pub fn position_after(&self, index: usize) -> Option<Position> {
        let event = self.events.get(index)?;
        if event.next == self.to {
            return Some(self.end.clone());
        }
        match &self.anchor {
            Anchor::Journal(positions) => positions.get(index).cloned().map(Position::Journal),
            Anchor::Windows(positions) => positions.get(index).cloned().map(Position::Windows),
            Anchor::Unified(positions) => positions.get(index).cloned().map(Position::Unified),
            Anchor::Unsaved => Some(Position::Unsaved),
            Anchor::File { path, identity, target, modified, home } => {
                let at = usize::try_from(event.next.checked_sub(self.from)?).ok()?;
                let before = self.text.get(at.saturating_sub(BEFORE)..at)?;
                Some(Position::File(FilePosition {
                    path: path.clone(),
                    identity: identity.as_ref().clone(),
                    offset: event.next,
                    before: Fingerprint::of(before),
                    target: target.clone(),
                    modified: *modified,
                    home: home.clone(),
                }))
            }
        }
    }
}

/// Where one event stands in a request body.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Slot {
    pub at: Timestamp,
    /// First byte of its JSON object.
    pub start: u32,
    pub timed_by: TimedBy,
}

/// What one PutLogEvents carries, and what it lets the sources forget.
#[derive(Clone, Debug)]
pub struct LogBatch {
    pub target: Arc<Target>,
    /// A whole request body, ready to be signed: `{"logGroupName":...,"logEvents":[...]}`.
    pub body: Bytes,
    /// One slot an event, in the body's order.
    pub index: Arc<[Slot]>,
    /// What is delivered with it. A batch without events carries only these.
    pub covers: Vec<Cover>,
}

/// One event as a reader sees it.
#[derive(Debug, Deserialize)]
pub struct LogEvent<'a> {
    pub timestamp: i64,
    #[serde(borrow)]
    pub message: Cow<'a, str>,
}

impl LogBatch {
    /// How many events it carries.
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether it only moves positions.
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// Two batches with the halves of the events, or `None` when there is only one. The covers stay with `self`: they are
    /// delivered when both halves are.
    pub fn halves(&self) -> Option<(Self, Self)> {
        let middle = self.len() / 2;
        (middle > 0).then(|| (self.part(0, middle), self.part(middle, self.len())))
    }

    /// A batch of the events `from..to`, without covers. Used when the service refuses a batch, so copying is no matter.
    fn part(&self, from: usize, to: usize) -> Self {
        let (start, end) = (self.span(from).start, self.span(to - 1).end);
        let head = self.head();
        let body = [&self.body[..head], &self.body[start..end], REQUEST_END].concat();
        let moved = u32::try_from(start - head).expect("a body is a few MiB at most");
        let index = self.index[from..to].iter().map(|slot| Slot { start: slot.start - moved, ..*slot }).collect();
        Self { target: self.target.clone(), body: body.into(), index, covers: vec![] }
    }

    /// A batch of those events that `chosen` picks by their place, all with the time `at`, without covers; `None` when it
    /// picks none.
    pub fn restamped(&self, chosen: impl Fn(usize) -> bool, at: Timestamp) -> Option<Self> {
        self.picked(|place| chosen(place).then_some(at))
    }

    /// A batch of those events for which `chosen` gives a time by their place, each with that time, without covers; `None` when
    /// it gives none. The times must come in their order.
    pub fn picked(&self, chosen: impl Fn(usize) -> Option<Timestamp>) -> Option<Self> {
        let (mut body, mut index) = (Vec::new(), vec![]);
        for (place, slot) in self.index.iter().enumerate() {
            let Some(at) = chosen(place) else { continue };
            let event = &self.body[self.span(place)];
            let digits = event[EVENT_START.len()..].iter().take_while(|byte| **byte != b',').count();
            if index.is_empty() {
                body.extend_from_slice(&self.body[..self.head()]);
            } else {
                body.push(b',');
            }
            let start = u32::try_from(body.len()).expect("a body is a few MiB at most");
            index.push(Slot { at, start, ..*slot });
            body.extend_from_slice(EVENT_START);
            body.extend_from_slice(at.as_millis().to_string().as_bytes());
            body.extend_from_slice(&event[EVENT_START.len() + digits..]);
        }
        body.extend_from_slice(REQUEST_END);
        let index: Arc<[Slot]> = index.into();
        (!index.is_empty()).then(|| Self { target: self.target.clone(), body: body.into(), index, covers: vec![] })
    }

    /// Bytes of the body before the first event.
    fn head(&self) -> usize {
        self.index.first().map_or(0, |slot| slot.start as usize)
    }

    /// One event, decoded: for people, not for the hot path.
    pub fn event(&self, place: usize) -> Option<LogEvent<'_>> {
        serde_json::from_slice(self.event_json(place)?).ok()
    }

    /// The JSON object of one event, as it stands in the body.
    pub fn event_json(&self, place: usize) -> Option<&[u8]> {
        (place < self.len()).then(|| &self.body[self.span(place)])
    }

    /// The bytes of one event's JSON object.
    fn span(&self, place: usize) -> Range<usize> {
        // Behind each event stands a comma, behind the last one the end of the request.
        let next = self.index.get(place + 1).map(|next| next.start as usize - 1);
        self.index[place].start as usize..next.unwrap_or(self.body.len() - REQUEST_END.len())
    }

    /// The events, decoded again from the body: for the embedded store and for people, not for the hot path.
    pub fn events(&self) -> Result<Vec<LogEvent<'_>>, serde_json::Error> {
        #[derive(Deserialize)]
        struct Request<'a> {
            #[serde(borrow, rename = "logEvents")]
            events: Vec<LogEvent<'a>>,
        }
        serde_json::from_slice::<Request<'_>>(&self.body).map(|r| r.events)
    }
}

/// Tells a source that stood still because its lane was full that there is room again.
pub struct LaneWaker {
    waiting: AtomicBool,
    wake: Box<dyn Fn() + Send + Sync>,
}

impl LaneWaker {
    /// `wake` is called, from any thread, at most once for each time the source said that it waits.
    pub fn new(wake: impl Fn() + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self { waiting: AtomicBool::new(false), wake: Box::new(wake) })
    }

    /// The source found a lane full. It must try once more after this and only then sleep.
    pub fn wait(&self) {
        self.waiting.store(true, Ordering::SeqCst);
    }

    /// The lane took a chunk.
    pub fn wake(&self) {
        if self.waiting.swap(false, Ordering::SeqCst) {
            (self.wake)();
        }
    }
}

impl std::fmt::Debug for LaneWaker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LaneWaker").field("waiting", &self.waiting).finish_non_exhaustive()
    }
}

/// A batch on its way, with its permit to be one of the large bodies that may exist at once; free when this is dropped.
pub struct Outgoing {
    pub batch: LogBatch,
    pub permit: Option<Box<dyn Send + Sync>>,
}

/// Where a source hands its chunks.
pub trait Outlet: Send + Sync {
    /// The lane to this target, opened when it is not open yet. Chunks are boxed, since a channel has places for 32 from its
    /// beginning, and there may be ten thousand lanes. Bounded: a full lane is how slowness reaches the source.
    /// Dropping the last sender of a lane ends it, after it has passed on what it holds.
    fn lane(&self, target: &Arc<Target>, waker: &Arc<LaneWaker>) -> mpsc::Sender<Box<Chunk>>;
}
