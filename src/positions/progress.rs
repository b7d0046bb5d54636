//! Which acknowledged covers of one source join up, and the position where they end.
//!
//! Beyond a gap neighbours become one, so that a batch that is not taken for long costs nothing for all that come behind it.
use crate::model::{Cover, Position};
use std::collections::BTreeMap;

/// One source's way forward. Holds one cover between two gaps, so it is bounded by the batches that are not taken.
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
            self.hold(cover.from, cover.to, cover.position.clone());
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

    /// Keeps a cover beyond a gap, joined with those that it touches.
    fn hold(&mut self, mut from: u64, mut to: u64, mut position: Option<Position>) {
        if let Some((&start, (end, _))) = self.beyond.range(..=from).next_back()
            && *end >= from
        {
            if *end >= to {
                return;
            }
            from = start;
            // What nothing finer is known of ends where the one before it does, or later.
            position = position.or(self.beyond.remove(&start).and_then(|(_, position)| position));
        }
        while let Some(next) = self.beyond.range(from..=to).next().map(|(next, _)| *next) {
            let Some((end, after)) = self.beyond.remove(&next) else { break };
            if end > to {
                (to, position) = (end, after.or(position));
            }
        }
        self.beyond.insert(from, (to, position));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{JournalPosition, SourceId, Timestamp};
    use proptest::prelude::*;

    fn place(number: u64) -> Position {
        Position::Journal(JournalPosition { cursor: number.to_string(), at: Timestamp::default(), item: "".into() })
    }

    fn cover(from: u64, to: u64, known: bool) -> Cover {
        Cover { source: SourceId::unique(), from, to, position: known.then(|| place(to)) }
    }

    #[test]
    fn what_is_delivered_beyond_one_gap_takes_one_place_however_much_it_is() {
        let mut progress = Progress::at(0, place(0));
        for number in (2..10_000).rev().step_by(2).chain((2..10_000).step_by(2)) {
            assert!(!progress.acknowledge(&cover(number, number + 1, true)));
        }
        assert_eq!(progress.beyond.len(), 1);
        assert!(!progress.acknowledge(&cover(20_000, 20_001, true)));
        assert_eq!(progress.beyond.len(), 2, "another gap");
        assert!(progress.acknowledge(&cover(0, 2, true)));
        assert_eq!((progress.reached(), progress.position(), progress.beyond.len()), (10_000, &place(10_000), 1));
    }

    proptest! {
        #[test]
        fn covers_in_any_order_and_more_than_once_end_where_the_units_without_a_gap_do(
            covers in proptest::collection::vec((0..60_u64, 1..12_u64, any::<bool>()), 0..40),
        ) {
            let (mut progress, mut done) = (Progress::at(0, place(0)), [false; 80]);
            for (from, length, known) in covers {
                progress.acknowledge(&cover(from, from + length, known));
                (from..from + length).for_each(|unit| done[usize::try_from(unit).expect("small")] = true);
                let reached = done.iter().position(|done| !done).unwrap_or(80) as u64;
                prop_assert_eq!(progress.reached(), reached);
                let Position::Journal(place) = progress.position() else { unreachable!("one of a journal") };
                prop_assert!(place.cursor.parse::<u64>().expect("a number") <= reached);
                prop_assert!(progress.beyond.iter().zip(progress.beyond.iter().skip(1)).all(|(one, next)| one.1.0 < *next.0));
            }
        }
    }
}
