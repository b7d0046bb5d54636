//! Which entries were read already: readings overlap on purpose, so that none is missed between them.
use crate::model::UnifiedPosition;
use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

/// Microseconds for which entries are remembered behind the newest one. Readings overlap by less.
const WINDOW: i64 = 30 * 1_000_000;
/// Entries that are remembered at most; more of them in half a minute may arrive twice after `log` has failed.
const MOST: usize = 200_000;
/// Entries of one moment that a position names; more of them may arrive twice after a restart.
const NAMED: usize = 1_000;

/// What was read.
#[derive(Debug)]
pub(super) struct Seen {
    /// Where this run began: what lies before it was delivered by an earlier one.
    floor: i64,
    delivered: HashSet<u64>,
    newest: i64,
    /// Of the newest moment.
    named: Vec<u64>,
    window: BTreeSet<(i64, u64)>,
}

impl Seen {
    /// Everything before this position was read by an earlier run.
    pub(super) fn until(position: &UnifiedPosition) -> Self {
        let UnifiedPosition { micros, beyond, .. } = position;
        Self {
            floor: *micros,
            delivered: beyond.iter().copied().collect(),
            newest: *micros,
            named: beyond.clone(),
            window: BTreeSet::new(),
        }
    }

    /// Whether this entry was not read before; from now on it was.
    pub(super) fn is_new(&mut self, micros: i64, id: u64) -> bool {
        if micros < self.floor || (micros == self.floor && self.delivered.contains(&id)) {
            return false;
        }
        if !self.window.insert((micros, id)) {
            return false;
        }
        if micros > self.newest {
            (self.newest, self.named) = (micros, Vec::new());
        }
        if micros == self.newest && self.named.len() < NAMED {
            self.named.push(id);
        }
        while self.window.len() > MOST || self.window.first().is_some_and(|first| first.0 < self.newest - WINDOW) {
            self.window.pop_first();
        }
        true
    }

    /// The position behind what was read so far.
    pub(super) fn position(&self, item: Arc<str>) -> UnifiedPosition {
        UnifiedPosition { micros: self.newest, beyond: self.named.clone(), item }
    }

    /// The time of the newest entry, in microseconds.
    pub(super) fn newest(&self) -> i64 {
        self.newest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(micros: i64, beyond: &[u64]) -> UnifiedPosition {
        UnifiedPosition { micros, beyond: beyond.into(), item: "".into() }
    }

    #[test]
    fn what_an_earlier_run_delivered_is_not_new_and_the_rest_of_its_moment_is() {
        let mut seen = Seen::until(&at(100, &[1, 2]));
        assert!(!seen.is_new(99, 9) && !seen.is_new(100, 1) && !seen.is_new(100, 2));
        assert!(seen.is_new(100, 3));
        assert_eq!(seen.position("".into()), at(100, &[1, 2, 3]));
        assert!(seen.is_new(101, 1));
        assert_eq!(seen.position("".into()), at(101, &[1]));
    }

    #[test]
    fn an_entry_that_comes_late_is_new_once_and_moves_no_position_back() {
        let mut seen = Seen::until(&at(0, &[]));
        assert!(seen.is_new(500, 1) && seen.is_new(400, 2));
        assert!(!seen.is_new(400, 2) && !seen.is_new(500, 1));
        assert_eq!(seen.position("".into()), at(500, &[1]));
    }

    #[test]
    fn memory_is_bounded() {
        let mut seen = Seen::until(&at(0, &[]));
        assert!(seen.is_new(1, 1) && seen.is_new(WINDOW + 2, 1));
        assert_eq!(seen.window.len(), 1);
        for id in 0..NAMED as u64 + 10 {
            seen.is_new(WINDOW + 3, id);
        }
        assert_eq!(seen.position("".into()).beyond.len(), NAMED);
    }
}
