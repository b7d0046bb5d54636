//! Handing on what the generations hold: whose turn it is, one slice at a time.
use super::{
    Context, Place, Step, Trail,
    complaint::{note, note_rest, tell_works},
};
use crate::{
    logs::files::generation::{Found, Generation},
    model::{Chunk, LaneWaker},
};
use std::{io, time::Instant};
use tokio::sync::mpsc;

impl Trail {
    /// Whether a step would find something to do.
    pub(in crate::logs::files) fn ready(&self, now: Instant) -> bool {
        self.late.iter().chain(self.queue.front()).any(|g| g.is_ready(now)) || self.front_is_done()
    }

    /// Whether events are complete now because time has passed: there is something to read.
    pub(in crate::logs::files) fn rouse(&mut self, now: Instant) -> bool {
        let mut due = false;
        for generation in self.queue.iter_mut().chain(&mut self.late) {
            due |= generation.rouse(now);
        }
        due
    }

    /// When events will be complete next only because time has passed.
    pub(in crate::logs::files) fn due(&self) -> Option<Instant> {
        self.queue.iter().chain(&self.late).filter_map(Generation::due).min()
    }

    /// Hands on at most one slice of the file whose turn it is, and one of a rotated file that was written to late.
    pub(in crate::logs::files) fn step(&mut self, cx: &mut Context<'_>) -> Step {
        let mut step = self.advance(cx);
        let now = cx.now;
        let ready = |g: &Generation| g.is_ready(now);
        if let Some(index) = self.late.iter().position(ready) {
            step = step.max(self.slice(cx, Place::Late(index)));
        }
        if self.queue.front().is_some_and(ready) {
            step = step.max(self.slice(cx, Place::Queue(0)));
        }
        let step = step.max(self.advance(cx));
        self.soon |= step == Step::Progressed && self.held_back && self.is_at_rest();
        step
    }

    fn slice(&mut self, cx: &mut Context<'_>, place: Place) -> Step {
        let Self { lane, queue, late, watch, .. } = self;
        let Some(permit) = reserve(lane, cx.waker) else { return Step::Blocked };
        let generation = match place {
            Place::Queue(index) => &mut queue[index],
            Place::Late(index) => &mut late[index],
        };
        match generation.read(cx.slice, cx.now, cx.wall) {
            Ok(Found::Chunk(chunk)) => {
                permit.send(Box::new(chunk));
                tell_works(cx.board, watch, generation);
                note(cx.board, watch, generation);
                Step::Progressed
            }
            Ok(Found::Nothing) => {
                tell_works(cx.board, watch, generation);
                note_rest(cx.board, generation);
                Step::Idle
            }
            Ok(Found::Truncated) => {
                drop(permit);
                self.truncated(cx, place);
                Step::Progressed
            }
            Err(error) => {
                drop(permit);
                self.failed(cx, place, &error);
                Step::Idle
            }
        }
    }

    pub(super) fn failed(&mut self, cx: &Context<'_>, place: Place, error: &io::Error) {
        let path = self.watch.path.display().to_string();
        let Some(generation) = self.at(place) else { return };
        if !generation.is_failing() {
            tracing::warn!(path, offset = generation.offset, %error, "cannot read the log file; trying again, nothing is skipped");
        }
        generation.failed(cx.now);
        cx.board.source(generation.id, |line| line.last_error = Some(error.to_string()));
    }

    /// One that cannot be read for long does not hold up the others; it is tried again among the late ones.
    fn front_is_done(&self) -> bool {
        self.queue.len() > 1 && self.queue.front().is_some_and(|g| g.drained() || g.is_failing_for_long())
    }

    /// Whoever is at its end makes way for the next.
    fn advance(&mut self, cx: &mut Context<'_>) -> Step {
        let mut step = Step::Idle;
        while self.front_is_done()
            && let Some(done) = self.queue.pop_front()
        {
            if let Err(error) = self.go_on_after(cx, &done) {
                tracing::warn!(path = %self.watch.path.display(), %error, "cannot compare the new log file with the old one");
            }
            self.late.push(done);
            step = Step::Progressed;
        }
        step
    }
}

/// A place in the lane. After it said that it waits it must look once more: room may have been made in between.
fn reserve<'a>(lane: &'a mpsc::Sender<Box<Chunk>>, waker: &LaneWaker) -> Option<mpsc::Permit<'a, Box<Chunk>>> {
    lane.try_reserve().ok().or_else(|| {
        waker.wait();
        lane.try_reserve().ok()
    })
}
