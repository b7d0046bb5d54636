//! Collected often, sent seldom: what one series measured within a period becomes one datum, without losing a value.
//!
//! A period is what CloudWatch keeps apart: a minute, or a second for high resolution. All values of a period travel as `Values` and
//! `Counts`, of which the service works out sum, minimum, maximum, number and percentiles exactly; a period with more than 150 different
//! values becomes several datums, which the service adds up.
use crate::model::{Dimension, Point, Points, Resolution, Timestamp, Unit, Values, limits::VALUES};
use std::{
    borrow::Cow,
    collections::{HashMap, hash_map::Entry},
    sync::Arc,
};

/// From here on values are sorted and equal ones counted, so that many of a few do not take memory.
const CROWDED: usize = 1_024;

/// Values held: a megabyte.
const MOST: usize = 65_536;

/// What tells one datum from another.
#[derive(Eq, Hash, PartialEq)]
struct Key {
    name: Cow<'static, str>,
    dimensions: Arc<[Dimension]>,
    unit: Unit,
    resolution: Resolution,
    /// Its number since 1970.
    period: i64,
}

/// A datum that may still grow.
struct Open {
    /// When its first value was measured.
    at: Timestamp,
    values: Vec<(f64, f64)>,
    /// From when on it is complete.
    complete: Timestamp,
    /// Its place in the order of arrival.
    number: u64,
}

/// What was measured and is not sent yet.
#[derive(Default)]
pub struct Packer {
    open: HashMap<Key, Open>,
    /// How many values they hold.
    values: usize,
    next: u64,
}

impl Packer {
    /// Take a point. `more`: its source may measure again in the same period.
    /// From when on its period is complete is the answer.
    pub fn add(&mut self, point: Point, more: bool) -> Timestamp {
        let length = match point.resolution {
            Resolution::Minute => 60_000,
            Resolution::Second => 1_000,
        };
        let period = point.at.as_millis().div_euclid(length);
        let complete = if more { Timestamp::from_millis((period + 1).saturating_mul(length)) } else { point.at };
        let Point { name, value, unit, at, dimensions, resolution } = point;
        let open = match self.open.entry(Key { name, dimensions, unit, resolution, period }) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => {
                self.next += 1;
                entry.insert(Open { at, values: vec![], complete, number: self.next })
            }
        };
        open.at = open.at.min(at);
        open.complete = open.complete.max(complete);
        let before = open.values.len();
        open.values.extend(value.iter());
        if open.values.len() / CROWDED > before / CROWDED {
            tally(&mut open.values);
        }
        self.values = self.values + open.values.len() - before;
        open.complete
    }

    /// What is open, and from when on each is complete.
    pub fn held(&self) -> Vec<(Point, Timestamp)> {
        let mut all: Vec<_> = self.open.iter().collect();
        // In the order of arrival, so that the same batches are made of what is written down and of what is here.
        all.sort_unstable_by_key(|(_, open)| open.number);
        let held = all.into_iter().map(|(key, open)| {
            let Key { name, dimensions, unit, resolution, .. } = key;
            let (name, dimensions) = (name.clone(), dimensions.clone());
            let value = Values::Many(open.values.clone());
            (Point { name, value, unit: *unit, at: open.at, dimensions, resolution: *resolution }, open.complete)
        });
        held.collect()
    }

    /// Whether so many values are held that they had better leave before they are complete.
    pub fn is_crowded(&self) -> bool {
        self.values > MOST
    }

    /// How many datums are open.
    pub fn len(&self) -> usize {
        self.open.len()
    }

    /// What is complete at `now`, in the order of arrival; with `None` everything.
    pub fn take(&mut self, now: Option<Timestamp>) -> Points {
        let mut ready: Vec<(Key, Open)> =
            self.open.extract_if(|_, open| now.is_none_or(|now| open.complete <= now)).collect();
        self.values -= ready.iter().map(|(_, open)| open.values.len()).sum::<usize>();
        ready.sort_unstable_by_key(|(_, open)| open.number);
        let mut points = Points::with_capacity(ready.len());
        for (Key { name, dimensions, unit, resolution, .. }, Open { at, mut values, .. }) in ready {
            tally(&mut values);
            for values in values.chunks(VALUES) {
                let value = match values {
                    [(value, 1.0)] => Values::One(*value),
                    values => Values::Many(values.to_vec()),
                };
                let (name, dimensions) = (name.clone(), dimensions.clone());
                points.push(Point { name, value, unit, at, dimensions, resolution });
            }
        }
        points
    }
}

/// Each value once, sorted, with how often it occurred in all.
fn tally(values: &mut Vec<(f64, f64)>) {
    values.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    values.dedup_by(|next, kept| {
        let same = next.0.total_cmp(&kept.0).is_eq();
        if same {
            kept.1 += next.1;
        }
        same
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn point(name: &'static str, millis: i64, value: Values, resolution: Resolution) -> Point {
        let at = Timestamp::from_millis(millis);
        Point { name: name.into(), value, unit: Unit::Count, at, dimensions: Arc::from([]), resolution }
    }

    fn minute(name: &'static str, seconds: i64, value: f64) -> Point {
        point(name, seconds * 1_000, value.into(), Resolution::Minute)
    }

    #[test]
    fn what_was_measured_within_a_minute_is_one_datum_of_its_first_time() {
        let mut packer = Packer::default();
        for (second, value) in [(1, 5.0), (11, 7.0), (21, 5.0), (60, 9.0)] {
            packer.add(minute("a", second, value), true);
        }
        assert!(packer.take(Some(Timestamp::from_millis(59_999))).is_empty(), "the minute is not over");
        let points = packer.take(Some(Timestamp::from_millis(60_500)));
        assert_eq!(points.len(), 1);
        assert_eq!(points[0].value, Values::Many(vec![(5.0, 2.0), (7.0, 1.0)]));
        assert_eq!(points[0].at.as_millis(), 1_000);
        assert_eq!(packer.take(None), [minute("a", 60, 9.0)]);
    }

    #[test]
    fn what_is_measured_once_a_minute_need_not_wait_for_its_end() {
        let mut packer = Packer::default();
        packer.add(minute("a", 17, 1.0), false);
        assert_eq!(packer.take(Some(Timestamp::from_millis(18_000))), [minute("a", 17, 1.0)]);
    }

    #[test]
    fn other_names_units_dimensions_and_seconds_of_high_resolution_stay_apart() {
        let mut packer = Packer::default();
        packer.add(minute("a", 0, 1.0), true);
        packer.add(minute("b", 0, 1.0), true);
        packer.add(Point { unit: Unit::Bytes, ..minute("a", 0, 1.0) }, true);
        packer.add(Point { dimensions: [Dimension::new("x", "y")].into(), ..minute("a", 0, 1.0) }, true);
        packer.add(point("a", 0, 1.0.into(), Resolution::Second), true);
        packer.add(point("a", 1_000, 1.0.into(), Resolution::Second), true);
        assert_eq!(packer.len(), 6);
        assert_eq!(packer.take(None).len(), 6);
    }

    #[test]
    fn datums_leave_in_the_order_in_which_they_came() {
        let mut packer = Packer::default();
        for name in ["z", "a", "m", "b"] {
            packer.add(minute(name, 0, 1.0), true);
        }
        assert_eq!(packer.take(None).iter().map(|point| &*point.name).collect::<Vec<_>>(), ["z", "a", "m", "b"]);
    }

    /// Number, sum, least and greatest value.
    fn statistics(values: impl Iterator<Item = (f64, f64)>) -> (f64, f64, f64, f64) {
        values.fold((0.0, 0.0, f64::INFINITY, f64::NEG_INFINITY), |(n, sum, least, greatest), (value, count)| {
            (n + count, sum + value * count, least.min(value), greatest.max(value))
        })
    }

    proptest! {
        /// Whole numbers, so that sums do not depend on their order.
        #[test]
        fn packing_keeps_number_sum_minimum_and_maximum_exactly(
            values in proptest::collection::vec((-3_000i32..3_000, 1u8..5, 0i64..60), 1..3_000)
        ) {
            let mut packer = Packer::default();
            let exact = |(value, count, _): &(i32, u8, i64)| (f64::from(*value), f64::from(*count));
            for all @ (value, count, second) in &values {
                let (value, count) = match count { 1 => (Values::One(f64::from(*value)), 1), _ => (Values::Many(vec![exact(all)]), *count) };
                prop_assert!(count > 0);
                packer.add(point("a", *second * 1_000, value, Resolution::Minute), true);
            }
            let points = packer.take(None);
            for point in &points {
                prop_assert!((1..=VALUES).contains(&point.value.len()));
            }
            let different: std::collections::BTreeSet<_> = values.iter().map(|(value, _, _)| value).collect();
            prop_assert_eq!(points.len(), different.len().div_ceil(VALUES));
            let packed = statistics(points.iter().flat_map(|point| point.value.iter()));
            prop_assert_eq!(packed, statistics(values.iter().map(exact)));
        }
    }
}
