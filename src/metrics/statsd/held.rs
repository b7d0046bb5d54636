//! What a series holds of an interval: a sum, the last value, distinct members, or values with how often they came.
//!
//! All of it is exact as long as there is room. Members beyond it are not counted; values beyond it are merged with their
//! neighbours, so that how many there are, their sum, the least and the greatest stay as they were.
use super::protocol::Number;
use std::collections::HashSet;

/// Values and members that all series of an interval may hold together beside the first few of each.
pub(super) const ROOM: usize = 250_000;
/// Values of one timer: up to three quarters of it distinct ones are kept as they are.
const MOST: usize = 4_096;
/// Values for which each timer has room of its own.
const FEW: usize = 16;
/// What is merged first: values in the same of the classes whose bounds are half a percent apart, as the logarithm of that.
const NEAR: f64 = 0.0072;

/// Adds up. Whole numbers stay exact whatever stands beside them.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Sum {
    whole: i128,
    rest: f64,
}

impl Sum {
    pub(super) fn add(&mut self, number: Number) {
        match number {
            Number::Whole(whole) => self.whole += i128::from(whole),
            Number::Float(float) => self.rest += float,
        }
    }

    #[allow(clippy::cast_precision_loss)] // nearer there is nothing
    pub(super) fn total(&self) -> f64 {
        self.whole as f64 + self.rest
    }
}

/// Distinct strings. Of each, only a hash of 64 bits that nobody outside can foresee: among a quarter of a million of them, two with
/// the same one are to be expected once in a billion intervals.
#[derive(Clone, Debug, Default)]
pub(super) struct Members(HashSet<u64>);

impl Members {
    /// `false`: there was no room for one more.
    pub(super) fn add(&mut self, hash: u64, room: &mut usize) -> bool {
        if *room > 0 {
            *room -= usize::from(self.0.insert(hash));
            return true;
        }
        self.0.contains(&hash)
    }

    pub(super) fn count(&self) -> usize {
        self.0.len()
    }
}

/// Values, and how often each came.
#[derive(Clone, Debug)]
pub(super) struct Spread {
    /// Ascending and distinct up to where they were last put in order; behind that as they came.
    values: Vec<(f64, f64)>,
    /// So many before order is made.
    limit: usize,
    /// Width of the classes of which each becomes one value, to the base of 2. When it doubles, two of them become one: what was
    /// merged before is moved no further than to the mean of its class.
    near: f64,
}

impl Default for Spread {
    fn default() -> Self {
        Self { values: vec![], limit: FEW, near: NEAR }
    }
}

impl Spread {
    /// One more value that stands for `weight` of them. Says how many values had to be merged for it.
    pub(super) fn add(&mut self, value: f64, weight: f64, room: &mut usize) -> usize {
        // Many timers repeat themselves.
        if let Some((last, count)) = self.values.last_mut()
            && *last == value
        {
            *count += weight;
            return 0;
        }
        self.values.push((value, weight));
        if self.values.len() < self.limit { 0 } else { self.make_room(room) }
    }

    /// The values in ascending order, each once.
    pub(super) fn into_values(mut self) -> Vec<(f64, f64)> {
        self.order();
        self.values
    }

    fn make_room(&mut self, room: &mut usize) -> usize {
        self.order();
        let enough = self.limit / 4 * 3;
        if self.values.len() <= enough {
            return 0;
        }
        if self.limit < MOST && *room >= self.limit {
            *room -= self.limit;
            self.limit *= 2;
            return 0;
        }
        let before = self.values.len();
        self.merge();
        while self.values.len() > self.limit / 2 {
            self.near *= 2.0;
            self.merge();
        }
        before - self.values.len()
    }

    fn order(&mut self) {
        self.values.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
        self.values.dedup_by(|next, kept| {
            let same = next.0 == kept.0;
            kept.1 += if same { next.1 } else { 0.0 };
            same
        });
    }

    /// Values of the same class become one, which is their mean. The least and the greatest stay.
    fn merge(&mut self) {
        let (near, last) = (self.near, self.values.len() - 1);
        let (mut at, mut class) = (0, None);
        self.values.dedup_by(|next, kept| {
            at += 1;
            let before = class.replace(class_of(next.0, near));
            // The first is not told: what is second has nothing before it that it could join.
            let joins = at < last && at > 1 && before == class;
            if joins {
                let total = kept.1 + next.1;
                kept.0 += (next.0 - kept.0) * (next.1 / total);
                kept.1 = total;
            }
            joins
        });
    }
}

/// Where a value is among classes of this width: those below zero, zero, those above.
fn class_of(value: f64, width: f64) -> (bool, f64) {
    (value < 0.0, (value.abs().log2() / width).floor())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn spread(values: &[(f64, f64)], room: &mut usize) -> (Vec<(f64, f64)>, usize) {
        let mut spread = Spread::default();
        let merged = values.iter().map(|(value, weight)| spread.add(*value, *weight, room)).sum();
        (spread.into_values(), merged)
    }

    #[test]
    fn sums_of_whole_numbers_are_exact_beside_others() {
        let mut sum = Sum::default();
        for number in [Number::Whole(i64::MAX), Number::Float(0.25), Number::Whole(i64::MAX), Number::Whole(-i64::MAX)]
        {
            sum.add(number);
        }
        sum.add(Number::Whole(-(i64::MAX - 3)));
        assert_eq!(sum.total(), 3.25);
    }

    #[test]
    fn members_count_once_and_beyond_the_room_only_those_that_are_known() {
        let (mut members, mut room) = (Members::default(), 2);
        assert!([1, 1, 2, 1].iter().all(|hash| members.add(*hash, &mut room)));
        assert_eq!((members.count(), room), (2, 0));
        assert!(members.add(2, &mut room) && !members.add(3, &mut room));
        assert_eq!(members.count(), 2);
    }

    #[test]
    fn three_thousand_distinct_values_are_kept_as_they_are() {
        let values: Vec<_> = (0..3_000).rev().map(|n| (f64::from(n), 1.0)).collect();
        let twice: Vec<_> = values.iter().chain(&values).copied().collect();
        let mut room = ROOM;
        let (kept, merged) = spread(&twice, &mut room);
        assert_eq!((kept.len(), merged), (3_000, 0));
        assert!(kept.iter().enumerate().all(|(at, entry)| *entry == (at as f64, 2.0)));
        assert!(room < ROOM, "it was asked for room");
    }

    #[test]
    fn beyond_the_room_neighbours_are_merged_and_none_is_moved_far() {
        // Each is 3 in 10,000 above the one before.
        let values: Vec<_> = (0..50_000).map(|n| (1.0003f64.powi(n * 7_919 % 50_000), 1.0)).collect();
        let mut room = ROOM;
        let (kept, merged) = spread(&values, &mut room);
        assert!(merged > 0 && kept.len() <= MOST);
        let mut sorted: Vec<_> = values.iter().map(|(value, _)| *value).collect();
        sorted.sort_unstable_by(f64::total_cmp);
        let mut rank = 0.0;
        for (value, count) in kept {
            let there = sorted[(rank + count / 2.0) as usize];
            assert!((value / there - 1.0).abs() < 0.011, "{value} where {there} was");
            rank += count;
        }
        assert_eq!(rank, 50_000.0);
    }

    #[test]
    fn a_timer_without_room_is_held_in_little() {
        let mut room = 0;
        let values: Vec<_> = (0..1_000).map(|n| (f64::from(n) - 500.0, 1.0)).collect();
        let (kept, merged) = spread(&values, &mut room);
        assert!(kept.len() <= FEW && merged >= 1_000 - FEW);
        assert_eq!((kept[0].0, kept[kept.len() - 1].0), (-500.0, 499.0));
    }

    proptest! {
        /// Count and sum, the least and the greatest survive any room.
        #[test]
        fn statistics_are_exact_however_little_room_there_is(
            values in prop::collection::vec((-1e6f64..1e6, 1u32..100), 1..400), mut room in 0usize..200,
        ) {
            let weighted: Vec<_> = values.iter().map(|(value, weight)| (*value, f64::from(*weight))).collect();
            let (kept, _) = spread(&weighted, &mut room);
            prop_assert!(kept.is_sorted_by(|a, b| a.0 < b.0));
            let sums = |of: &[(f64, f64)]| of.iter().fold((0.0, 0.0), |(n, sum), (v, w)| (n + w, sum + v * w));
            let ((count, sum), (count_kept, sum_kept)) = (sums(&weighted), sums(&kept));
            prop_assert_eq!(count, count_kept);
            let scale: f64 = weighted.iter().map(|(v, w)| v.abs() * w).sum();
            prop_assert!((sum - sum_kept).abs() <= scale * 1e-12, "{} {}", sum, sum_kept);
            let least = weighted.iter().map(|w| w.0).fold(f64::INFINITY, f64::min);
            let greatest = weighted.iter().map(|w| w.0).fold(f64::NEG_INFINITY, f64::max);
            prop_assert_eq!((kept[0].0, kept[kept.len() - 1].0), (least, greatest));
        }
    }
}
