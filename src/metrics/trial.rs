//! What the tests of the plugins stand on: readings of a collector without a scheduler, as points or as texts.
use super::{CollectError, Collector, Moment, Wanted, tests::whole};
use crate::{
    config::settings::metrics::{Measurement, Measurements, Plugin},
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
        Self::changed(key, |all| all.iter_mut().for_each(|measurement| named_by_linux(key, measurement)))
    }

    /// Only these measurements are.
    pub fn with(key: &'static str, fields: &[&str]) -> Self {
        Self::changed(key, |all| {
            all.retain(|measurement| fields.contains(&&*measurement.field));
            all.iter_mut().for_each(|measurement| named_by_linux(key, measurement));
        })
    }

    /// What this plugin wants, under the names that it gives.
    pub fn wanting(plugin: &Plugin) -> Self {
        Self { wanted: Wanted::of(plugin), monotonic: Instant::now() }
    }

    fn changed(key: &'static str, change: impl FnOnce(&mut Vec<Measurement>)) -> Self {
        let mut plugin = whole(key);
        if let Measurements::These(all) = &mut plugin.measurements {
            change(all);
        }
        Self::wanting(&plugin)
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

    /// One reading as texts, `measurement{name=value,...} value` in the order in which they were offered; at the end `failed` where it
    /// was not whole.
    pub fn told(&mut self, collector: &mut dyn Collector) -> Vec<String> {
        let (points, result) = self.begin(collector);
        let text = |point: Point| {
            let tags: Vec<_> = point.dimensions.iter().map(|d| format!("{}={}", d.name, d.value)).collect();
            let Values::One(value) = point.value else { unreachable!("a reading gives one value of each series") };
            format!("{}{{{}}} {value}", point.name, tags.join(","))
        };
        points.into_iter().map(text).chain(result.is_err().then(|| "failed".to_owned())).collect()
    }

    fn begin(&mut self, collector: &mut dyn Collector) -> (Points, Result<(), CollectError>) {
        let now = Moment { wall: Timestamp::from_millis(7), monotonic: self.monotonic };
        let mut points = Points::new();
        let result = collector.collect(&mut self.wanted.begin(now, &mut points));
        (points, result)
    }
}

/// One reading as texts, of which everything in the table of this key is wanted: under the names of the table, counters as they stand.
pub fn offered(collector: &mut dyn Collector, key: &'static str) -> Vec<String> {
    let as_it_stands = |measurement: &mut Measurement| {
        (*measurement.field).clone_into(&mut measurement.name);
        measurement.is_delta = false;
    };
    Run::changed(key, |all| all.iter_mut().for_each(as_it_stands)).told(collector)
}

fn named_by_linux(key: &str, measurement: &mut Measurement) {
    measurement.name = format!("{key}_{}", measurement.field);
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
