//! The log stage: chunks of one target in, batches of that target out.
//!
//! One task a lane. A batch leaves when the next event does not fit, when its first event has waited for `interval`, or when
//! the sources are gone. A batch is begun only when the publisher has a place for it: while the publisher is busy nothing is
//! taken from the sources, and they stand still. The same while an event of over 64 KiB waits for its permit to be a large body.
//!
//! The service takes no batch that spans more than a day. Where old and new events alternate, the batches of up to
//! [`days::DAYS`] days are open side by side ([`days`]), so that they leave full and not event by event. Events of one day
//! keep their order; each batch has its own deadline.
mod days;

use super::{
    bodies::{BodyPool, Permit, SMALL_BODY},
    draft::Text,
};
use crate::{
    config::settings::text::Oversize,
    logs::text::parts,
    model::{
        Chunk, Cover, Event, LaneWaker, Member, Outgoing, Position, Target, TimedBy, Timestamp, limits::MESSAGE_BYTES,
    },
    telemetry::counters,
};
use days::Days;
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
pub async fn batch_logs(lane: Lane, mut chunks: mpsc::Receiver<Box<Chunk>>, batches: mpsc::Sender<Box<Outgoing>>) {
    let mut stage = Stage::new(lane, batches);
    loop {
        let deadline = stage.days.deadline();
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
            () = due => stage.cut_due().await,
        };
        if kept.is_err() {
            return; // The publisher is gone; what we hold is not acknowledged, so it will be read again.
        }
    }
    let _ = stage.cut_all().await;
}

/// The publisher has gone.
struct Gone;

fn cover(chunk: &Chunk, from: u64, to: u64, position: Option<Position>) -> Cover {
    Cover { source: chunk.source, from, to, position }
}

/// The text of a chunk's events.
struct Texts<'a> {
    chunk: &'a Chunk,
    as_read: usize,
    /// Both as far as they are UTF-8. One pass over all is cheaper than one an event, and nearly every buffer is good.
    read: Option<&'a str>,
    rewritten: Option<&'a str>,
}

impl<'a> Texts<'a> {
    fn of(chunk: &'a Chunk) -> Self {
        let as_read = chunk.as_read();
        let (read, rewritten) = chunk.text.split_at(as_read);
        let asked = chunk.events.iter().any(|event| (event.start as usize) < as_read);
        let valid = |text| std::str::from_utf8(text).ok();
        Self { chunk, as_read, read: asked.then(|| valid(read)).flatten(), rewritten: valid(rewritten) }
    }

    fn get(&self, event: &Event) -> Text<'a> {
        let (start, end) = (event.start as usize, event.end as usize);
        let valid = match start.checked_sub(self.as_read) {
            None => self.read.and_then(|text| text.get(start..end)),
            Some(start) => self.rewritten.and_then(|text| text.get(start..end - self.as_read)),
        };
        match valid {
            Some(text) => Text::Valid(text),
            None => Text::Raw(self.chunk.text.get(start..end).expect("a source's spans lie inside its text")),
        }
    }
}

struct Stage {
    lane: Lane,
    batches: mpsc::Sender<Box<Outgoing>>,
    /// Where the next batch will go. Without one none is begun: a lane that is stuck holds no third body.
    place: Option<mpsc::OwnedPermit<Box<Outgoing>>>,
    days: Days,
    _member: Member,
}

impl Stage {
    fn new(lane: Lane, batches: mpsc::Sender<Box<Outgoing>>) -> Self {
        let days = Days::new(lane.target.clone());
        let member = lane.bodies.lanes.join();
        Self { lane, batches, place: None, days, _member: member }
    }

    /// Wait until the publisher has a place for a batch.
    async fn find_place(&mut self) -> Result<(), Gone> {
        if self.place.is_none() {
            self.place = Some(self.batches.clone().reserve_owned().await.map_err(|_| Gone)?);
        }
        Ok(())
    }

    async fn take(&mut self, chunk: Box<Chunk>) -> Result<(), Gone> {
        for waker in self.lane.wakers.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            waker.wake();
        }
        let texts = Texts::of(&chunk);
        let mut covered = chunk.from;
        for (place, event) in chunk.events.iter().enumerate() {
            let text = texts.get(event);
            self.find_place().await?;
            if !self.days.is_current(event.at) {
                // What was taken so far goes with its day. Where reading resumes is said by whoever comes after it.
                let to = place.checked_sub(1).map_or(covered, |before| chunk.events[before].next);
                self.cover(cover(&chunk, covered, to, None));
                covered = to;
                self.turn_to(event.at).await?;
            }
            if !self.admits(event.at, text.counted()) {
                if let Some(before) = place.checked_sub(1) {
                    let to = chunk.events[before].next;
                    self.cover(cover(&chunk, covered, to, chunk.position_after(before)));
                    covered = to;
                }
                self.make_room(text.counted()).await?;
            }
            self.push(event.at, event.timed_by, text).await?;
        }
        self.cover(cover(&chunk, covered, chunk.to, Some(chunk.end.clone())));
        // Only positions: nothing to wait for.
        if self.days.are_empty() { self.cut().await } else { Ok(()) }
    }

    /// What is delivered with the current batch. It waits no longer than an event would.
    fn cover(&mut self, cover: Cover) {
        let latest = Instant::now() + self.lane.interval;
        let day = self.days.current();
        day.draft.cover(cover);
        if !day.draft.holds_nothing() {
            day.deadline.get_or_insert(latest);
        }
    }

    /// The event's day becomes the current one. One more may push out another.
    async fn turn_to(&mut self, at: Timestamp) -> Result<(), Gone> {
        if self.days.current().draft.is_crowded() {
            self.cut().await?;
        }
        if !self.days.turn_to(at) {
            self.cut().await?;
            self.days.turn_to(at);
        }
        self.find_place().await
    }

    /// Append one event. Sources split what is too long by the rule of its item, mended or not ([`parts`]); what comes too long
    /// even so would be refused, with all that is in its batch.
    async fn push(&mut self, at: Timestamp, timed_by: TimedBy, text: Text<'_>) -> Result<(), Gone> {
        if text.counted() <= MESSAGE_BYTES {
            self.append(at, timed_by, text);
            return Ok(());
        }
        counters::EVENTS_SPLIT.add(1);
        for part in parts::parts(text.bytes(), MESSAGE_BYTES, Oversize::Split) {
            let part = [part.text, part.mark.as_bytes()].concat();
            let part = Text::Raw(&part);
            if !self.admits(at, part.counted()) {
                self.make_room(part.counted()).await?;
            }
            self.append(at, timed_by, part);
        }
        Ok(())
    }

    fn append(&mut self, at: Timestamp, timed_by: TimedBy, text: Text<'_>) {
        // The service refuses an empty message, and with it the whole batch.
        if text.is_blank() {
            counters::EVENTS_EMPTY.add(1);
            return;
        }
        let interval = self.lane.interval;
        let day = self.days.current();
        if day.draft.is_empty() {
            day.deadline = Some(Instant::now() + interval);
        }
        day.draft.push(at, timed_by, text);
    }

    /// Whether the current batch may take an event of `length` bytes: by the service's limits and by ours on large bodies.
    fn admits(&mut self, at: Timestamp, length: usize) -> bool {
        let open = self.days.open();
        let day = self.days.current();
        if !day.draft.fits(at, length) {
            return false;
        }
        if day.permit.is_some() {
            return true;
        }
        // The first event is not held against its batch.
        let small = if day.draft.is_empty() { SMALL_BODY } else { self.lane.bodies.small() / open };
        if day.draft.len() + length <= small {
            return true;
        }
        let taken = self.lane.bodies.take();
        self.grow(taken);
        self.days.current().permit.is_some()
    }

    /// Begin a batch that may take an event of `length` bytes. One that is large by itself waits for a permit; what was
    /// before it is on its way by then, and so is all that holds a permit: whoever waits for one must hold none.
    async fn make_room(&mut self, length: usize) -> Result<(), Gone> {
        self.cut().await?;
        self.find_place().await?;
        if self.days.current().draft.len() + length > SMALL_BODY {
            while let Some(other) = self.days.with_permit() {
                self.cut_one(other).await?;
                self.find_place().await?;
            }
            let taken = self.lane.bodies.wait().await;
            self.grow(Some(taken));
        }
        Ok(())
    }

    fn grow(&mut self, taken: Option<(Permit, Vec<u8>)>) {
        if let Some((permit, buffer)) = taken {
            let day = self.days.current();
            day.draft.move_to(buffer);
            day.permit = Some(permit);
        }
    }

    async fn cut_due(&mut self) -> Result<(), Gone> {
        let now = Instant::now();
        while let Some(due) = self.days.due(now) {
            self.cut_one(due).await?;
        }
        Ok(())
    }

    async fn cut_all(&mut self) -> Result<(), Gone> {
        while let Some(one) = self.days.unsent() {
            self.cut_one(one).await?;
        }
        Ok(())
    }

    async fn cut(&mut self) -> Result<(), Gone> {
        self.cut_one(self.days.now()).await
    }

    async fn cut_one(&mut self, which: usize) -> Result<(), Gone> {
        let (draft, permit) = self.days.close(which);
        let into_body = |buffer| match &permit {
            Some(permit) => permit.body(buffer),
            // A vector grows by doubling: half of it may be air, and the batch may wait for long.
            None => buffer.into_boxed_slice().into(),
        };
        let batch = draft.finish(into_body);
        if batch.is_empty() && batch.covers.is_empty() {
            return Ok(());
        }
        let permit = permit.map(|permit| Box::new(permit) as Box<dyn Send + Sync>);
        self.find_place().await?;
        if let Some(place) = self.place.take() {
            place.send(Box::new(Outgoing { batch, permit }));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
