//! Which acknowledged covers of one source join up, and the position where they end.
use crate::model::{Cover, Position};
use std::collections::BTreeMap;

/// One source's way forward. Holds only covers beyond a gap, so it is bounded by the batches in flight.
#[derive(Debug)]
pub(super) struct Progress {
    reached: u64,
    position: Position,
    /// Acknowledged beyond a gap: first unit -> (one past the last, where reading resumes).
    beyond: BTreeMap<u64, (u64, Option<Position>)>,
    end: Option<u64>,
}

impl Progress {
    /// Nothing is delivered after unit `start`, which is at `position`.
    pub(super) fn at(start: u64, position: Position) -> Self {
        Self { reached: start, position, beyond: BTreeMap::new(), end: None }
    }

    /// The unit up to which everything is acknowledged.
    pub(super) fn reached(&self) -> u64 {
        self.reached
    }

    /// Where reading resumes: at `reached`, or before it where nothing finer is known.
    pub(super) fn position(&self) -> &Position {
        &self.position
    }

    /// Take one cover; whether the prefix grew.
    pub(super) fn acknowledge(&mut self, cover: &Cover) -> bool {
        // An empty cover moves nothing, and would hide a real one that begins at the same unit.
        if cover.to <= cover.from || cover.to <= self.reached {
            return false;
        }
        if cover.from > self.reached {
            let held = self.beyond.entry(cover.from).or_insert_with(|| (cover.to, cover.position.clone()));
            if cover.to > held.0 {
                *held = (cover.to, cover.position.clone());
            }
            return false;
        }
        self.advance(cover.to, cover.position.clone());
        while let Some(next) = self.beyond.first_entry().filter(|entry| *entry.key() <= self.reached) {
            let (to, position) = next.remove();
            if to > self.reached {
                self.advance(to, position);
            }
        }
        true
    }

    /// Nothing comes after unit `end`.
    pub(super) fn finish(&mut self, end: u64) {
        self.end = Some(end);
    }

    /// Whether nothing comes any more and all of it is acknowledged.
    pub(super) fn finished(&self) -> bool {
        self.end.is_some_and(|end| self.reached >= end)
    }

    fn advance(&mut self, to: u64, position: Option<Position>) {
        self.reached = to;
        if let Some(position) = position {
            self.position = position;
        }
    }
}
