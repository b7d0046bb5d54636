//! The log stage: chunks of one target in, batches of that target out.
//!
//! One task a lane. A batch leaves when the next event does not fit, when its first event has waited for `interval`, or when
//! the sources are gone. A batch is begun only when the publisher has a place for it: while the publisher is busy nothing is
//! taken from the sources, and they stand still. The same while an event of over 64 KiB waits for its permit to be a large body.
use super::{
    bodies::{BodyPool, Permit, SMALL_BODY},
    draft::{Draft, Text},
};
use crate::{
    model::{Chunk, Cover, LaneWaker, Member, Outgoing, Position, Target, TimedBy, Timestamp, limits::MESSAGE_BYTES},
    telemetry::counters,
};
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until},
};

/// What a lane's stage works with.
pub struct Lane {
    pub target: Arc<Target>,
    /// The longest time an event waits for its batch to fill.
    pub interval: Duration,
    /// Sources to wake when there is room again.
    pub wakers: Arc<Mutex<Vec<Arc<LaneWaker>>>>,
    /// Shared by all lanes.
    pub bodies: BodyPool,
}

/// Cut what comes in into batches until all senders are gone.
pub async fn batch_logs(lane: Lane, mut chunks: mpsc::Receiver<Chunk>, batches: mpsc::Sender<Outgoing>) {
    let mut stage = Stage::new(lane, batches);
    loop {
        let deadline = stage.deadline;
        let due = async {
            match deadline {
                Some(at) => sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        let kept = tokio::select! {
            chunk = chunks.recv() => match chunk {
                Some(chunk) => stage.take(chunk).await,
                None => break,
            },
            () = due => stage.cut().await,
        };
        if kept.is_err() {
            return; // The publisher is gone; what we hold is not acknowledged, so it will be read again.
        }
    }
    let _ = stage.cut().await;
}

/// The publisher has gone.
struct Gone;

fn cover(chunk: &Chunk, from: u64, to: u64, position: Option<Position>) -> Cover {
    Cover { source: chunk.source, from, to, position }
}

struct Stage {
    lane: Lane,
    batches: mpsc::Sender<Outgoing>,
    /// Where the open batch will go. Without one none is begun: a lane that is stuck holds no third body.
    place: Option<mpsc::OwnedPermit<Outgoing>>,
    draft: Draft,
    permit: Option<Permit>,
    /// When the open batch leaves at the latest.
    deadline: Option<Instant>,
    _member: Member,
}

impl Stage {
    fn new(lane: Lane, batches: mpsc::Sender<Outgoing>) -> Self {
        let draft = Draft::new(lane.target.clone());
        let member = lane.bodies.lanes.join();
        Self { lane, batches, place: None, draft, permit: None, deadline: None, _member: member }
    }

    /// Wait until the publisher has a place for a batch.
    async fn find_place(&mut self) -> Result<(), Gone> {
        if self.place.is_none() {
            self.place = Some(self.batches.clone().reserve_owned().await.map_err(|_| Gone)?);
        }
        Ok(())
    }

    async fn take(&mut self, chunk: Chunk) -> Result<(), Gone> {
        for waker in self.lane.wakers.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            waker.wake();
        }
        // One pass over the whole buffer is cheaper than one a line, and nearly every buffer is good.
        let valid = std::str::from_utf8(&chunk.text).ok();
        let mut covered = chunk.from;
        for (place, event) in chunk.events.iter().enumerate() {
            let span = event.start as usize..event.end as usize;
            let text = match valid.and_then(|v| v.get(span.clone())) {
                Some(text) => Text::Valid(text),
                None => Text::Raw(chunk.text.get(span).expect("a source's spans lie inside its text")),
            };
            self.find_place().await?;
            if !self.admits(event.at, text.counted()) {
                if let Some(before) = place.checked_sub(1) {
                    let to = chunk.events[before].next;
                    self.draft.cover(cover(&chunk, covered, to, chunk.position_after(before)));
                    covered = to;
                }
                self.make_room(text.counted()).await?;
            }
            self.push(event.at, chunk.timed_by, text).await?;
        }
        self.draft.cover(cover(&chunk, covered, chunk.to, Some(chunk.end.clone())));
        // Only positions: nothing to wait for.
        if self.draft.is_empty() { self.cut().await } else { Ok(()) }
    }

    /// Append one event. Mending may make it longer than its source could know; then it leaves in parts.
    async fn push(&mut self, at: Timestamp, timed_by: TimedBy, text: Text<'_>) -> Result<(), Gone> {
        if text.counted() <= MESSAGE_BYTES {
            self.append(at, timed_by, text);
            return Ok(());
        }
        counters::EVENTS_SPLIT.add(1);
        let mended = text.to_str();
        let mut rest = mended.as_ref();
        while !rest.is_empty() {
            let (part, after) = rest.split_at(rest.floor_char_boundary(MESSAGE_BYTES));
            if !self.admits(at, part.len()) {
                self.make_room(part.len()).await?;
            }
            self.append(at, timed_by, Text::Valid(part));
            rest = after;
        }
        Ok(())
    }

    fn append(&mut self, at: Timestamp, timed_by: TimedBy, text: Text<'_>) {
        // The service refuses an empty message, and with it the whole batch.
        if text.is_blank() {
            counters::EVENTS_EMPTY.add(1);
            return;
        }
        if self.draft.is_empty() {
            self.deadline = Some(Instant::now() + self.lane.interval);
        }
        self.draft.push(at, timed_by, text);
    }

    /// Whether the open batch may take an event of `length` bytes: by the service's limits and by ours on large bodies.
    fn admits(&mut self, at: Timestamp, length: usize) -> bool {
        if !self.draft.fits(at, length) {
            return false;
        }
        // The first event is not held against its batch.
        let small = if self.draft.is_empty() { SMALL_BODY } else { self.lane.bodies.small() };
        if self.permit.is_none() && self.draft.len() + length > small {
            let taken = self.lane.bodies.take();
            self.grow(taken);
            return self.permit.is_some();
        }
        true
    }

    /// Begin a batch that may take an event of `length` bytes. One that is large by itself waits for a permit; what was
    /// before it is on its way by then.
    async fn make_room(&mut self, length: usize) -> Result<(), Gone> {
        self.cut().await?;
        self.find_place().await?;
        if self.draft.len() + length > SMALL_BODY {
            let taken = self.lane.bodies.wait().await;
            self.grow(Some(taken));
        }
        Ok(())
    }

    fn grow(&mut self, taken: Option<(Permit, Vec<u8>)>) {
        if let Some((permit, buffer)) = taken {
            self.draft.move_to(buffer);
            self.permit = Some(permit);
        }
    }

    async fn cut(&mut self) -> Result<(), Gone> {
        self.deadline = None;
        let fresh = Draft::new(self.lane.target.clone());
        let permit = self.permit.take();
        let into_body = |buffer| match &permit {
            Some(permit) => permit.body(buffer),
            // A vector grows by doubling: half of it may be air, and the batch may wait for long.
            None => buffer.into_boxed_slice().into(),
        };
        let batch = std::mem::replace(&mut self.draft, fresh).finish(into_body);
        if batch.is_empty() && batch.covers.is_empty() {
            return Ok(());
        }
        let permit = permit.map(|permit| Box::new(permit) as Box<dyn Send + Sync>);
        self.find_place().await?;
        if let Some(place) = self.place.take() {
            place.send(Outgoing { batch, permit });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
