//! How many series are sent: a metric costs by the month, and one mistake in a dimension makes thousands of them.
//!
//! A series that had no value for an hour makes room for another: that is how CloudWatch counts what it bills.
//! <https://aws.amazon.com/cloudwatch/pricing/>
use crate::{
    model::{Point, Timestamp},
    telemetry::counters,
};
use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    time::Duration,
};

const FORGOTTEN: Duration = Duration::from_hours(1);
/// So often it is looked whether any of them is silent.
const SWEEP: Duration = Duration::from_mins(1);

struct Seen {
    /// When it had its last value.
    at: Timestamp,
    /// Programs sent it: it makes room for what is measured here.
    received: bool,
}

/// The series that are sent.
pub struct Series {
    most: usize,
    hasher: RandomState,
    /// Each by a hash: two of 64 bits meet once in centuries of this many.
    seen: HashMap<u64, Seen>,
    /// When it was last looked for silent ones.
    swept: Option<Timestamp>,
    refusing: bool,
}

impl Series {
    /// At most so many at once.
    pub fn new(most: usize) -> Self {
        Self { most, hasher: RandomState::new(), seen: HashMap::new(), swept: None, refusing: false }
    }

    /// Whether this point, which comes at `now`, is of a series that may be sent. One more than there may be is refused, counted and said.
    /// What is `received` makes room for what is not: whoever can send to a listener must not silence the host's own metrics.
    pub fn admits(&mut self, point: &Point, received: bool, now: Timestamp) -> bool {
        let key = self.hasher.hash_one((&point.name, &point.dimensions));
        if let Some(seen) = self.seen.get_mut(&key) {
            seen.at = now;
            return true;
        }
        let is_due = |swept: Timestamp| now.since(swept) >= SWEEP || now < swept;
        if self.seen.len() >= self.most && self.swept.is_none_or(is_due) {
            self.swept = Some(now);
            // One that seems to be of the future was seen before the clock was set back.
            self.seen.retain(|_, seen| now.since(seen.at) < FORGOTTEN);
        }
        if self.seen.len() >= self.most && !received {
            let gives_way = self.seen.iter().find(|(_, seen)| seen.received).map(|(key, _)| *key);
            gives_way.map(|key| self.seen.remove(&key));
        }
        if self.seen.len() < self.most {
            self.seen.insert(key, Seen { at: now, received });
            self.refusing = false;
            return true;
        }
        counters::SERIES_REFUSED.add(1);
        if !std::mem::replace(&mut self.refusing, true) {
            let dimensions: Vec<_> = point.dimensions.iter().map(|d| format!("{}={}", d.name, d.value)).collect();
            tracing::error!(
                metric = %point.name,
                dimensions = dimensions.join(" "),
                max_series = self.most,
                "one more series than agent.max_series allows: this one and further new ones are not sent; each series costs money, \
                 so look for a dimension with too many values before you raise the bound"
            );
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Dimension, Resolution, Unit, Values};

    fn point(name: &str, tag: &str, at: u64) -> Point {
        Point {
            name: name.to_owned().into(),
            value: Values::One(1.0),
            unit: Unit::None,
            at: Timestamp::from_millis(at as i64 * 1_000),
            dimensions: [Dimension::new("tag", tag)].into(),
            resolution: Resolution::Minute,
        }
    }

    /// Whether a point is admitted at its own time.
    fn admits(series: &mut Series, point: &Point) -> bool {
        series.admits(point, false, point.at)
    }

    #[test]
    fn the_first_ones_are_sent_and_the_next_one_is_refused_and_counted() {
        let mut series = Series::new(2);
        let before = counters::SERIES_REFUSED.here();
        assert!(admits(&mut series, &point("a", "1", 0)) && admits(&mut series, &point("a", "2", 0)));
        assert!(!admits(&mut series, &point("b", "1", 0)), "another name is another series");
        assert!(!admits(&mut series, &point("a", "3", 1)), "so is another value of a dimension");
        assert!(admits(&mut series, &point("a", "1", 1)));
        assert_eq!(counters::SERIES_REFUSED.here() - before, 2);
    }

    #[test]
    fn a_series_without_a_value_for_an_hour_makes_room() {
        let mut series = Series::new(1);
        assert!(admits(&mut series, &point("a", "1", 0)));
        assert!(!admits(&mut series, &point("a", "2", 3_539)));
        assert!(!admits(&mut series, &point("a", "2", 3_598)), "it is looked for once a minute");
        assert!(admits(&mut series, &point("a", "2", 3_600)));
        assert!(!admits(&mut series, &point("a", "1", 3_601)));
    }

    #[test]
    fn what_programs_send_makes_room_for_what_is_measured_here_and_not_the_other_way_round() {
        let (mut series, now) = (Series::new(2), Timestamp::from_millis(0));
        assert!(series.admits(&point("sent", "1", 0), true, now) && series.admits(&point("sent", "2", 0), true, now));
        assert!(!series.admits(&point("sent", "3", 0), true, now));
        assert!(series.admits(&point("cpu", "1", 0), false, now) && series.admits(&point("mem", "1", 0), false, now));
        assert!(!series.admits(&point("net", "1", 0), false, now), "the bound holds");
        assert!(!series.admits(&point("sent", "1", 0), true, now) && !series.admits(&point("sent", "2", 0), true, now));
    }

    #[test]
    fn a_point_of_the_future_makes_no_room() {
        let mut series = Series::new(1);
        assert!(admits(&mut series, &point("a", "1", 0)));
        assert!(!series.admits(&point("a", "2", 7_000), false, Timestamp::from_millis(1_000)));
    }
}
