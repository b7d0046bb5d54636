//! What the tests of the plugins stand on: readings of a collector without a scheduler.
use super::{CollectError, Collector, Moment, Wanted, tests::whole};
use crate::{
    config::settings::metrics::Measurements,
    model::{Point, Points, Timestamp, Values},
};
use std::time::{Duration, Instant};

/// Readings of one plugin, one after the other.
pub struct Run {
    wanted: Wanted,
    monotonic: Instant,
}

impl Run {
    /// Everything in the table of this key is wanted, by the names that Linux has.
    pub fn of(key: &'static str) -> Self {
        Self::wanting(key, |_| true)
    }

    /// Only these measurements are.
    pub fn with(key: &'static str, fields: &[&str]) -> Self {
        Self::wanting(key, |field| fields.contains(&field))
    }

    fn wanting(key: &'static str, wanted: impl Fn(&str) -> bool) -> Self {
        let mut plugin = whole(key);
        if let Measurements::These(all) = &mut plugin.measurements {
            all.retain(|measurement| wanted(&measurement.field));
            all.iter_mut().for_each(|measurement| measurement.name = format!("{key}_{}", measurement.field));
        }
        Self { wanted: Wanted::of(&plugin), monotonic: Instant::now() }
    }

    /// The next reading is so much later.
    pub fn wait(&mut self, time: Duration) {
        self.monotonic += time;
    }

    /// One reading, which is whole.
    pub fn read(&mut self, collector: &mut dyn Collector) -> Points {
        let (points, result) = self.begin(collector);
        result.expect("it can be read");
        self.wanted.forget_the_gone();
        points
    }

    /// One reading, which fails.
    pub fn fail(&mut self, collector: &mut dyn Collector) -> CollectError {
        self.begin(collector).1.expect_err("it cannot be read")
    }

    fn begin(&mut self, collector: &mut dyn Collector) -> (Points, Result<(), CollectError>) {
        let now = Moment { wall: Timestamp::from_millis(7), monotonic: self.monotonic };
        let mut points = Points::new();
        let result = collector.collect(&mut self.wanted.begin(now, &mut points));
        (points, result)
    }
}

/// The value of the point with this name and exactly these dimensions, in any order.
pub fn found(points: &[Point], name: &str, dimensions: &[(&str, &str)]) -> Option<f64> {
    let same = |point: &&Point| {
        let has = |(name, value): &(&str, &str)| point.dimensions.iter().any(|d| d.name == *name && d.value == *value);
        point.name == name && point.dimensions.len() == dimensions.len() && dimensions.iter().all(has)
    };
    match points.iter().find(same)?.value {
        Values::One(value) => Some(value),
        Values::Many(_) => None,
    }
}
