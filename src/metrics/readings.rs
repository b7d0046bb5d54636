//! What one reading of a plugin gives: from the measurements that it offers to the points that were asked for.
//!
//! A plugin offers everything that it has by the names of its table; what nobody asked for is passed over here. Name, unit and scale of
//! a point are those of the configuration. Of a counter the growth since the reading before is published: the first reading of a series only
//! primes it, one that went back (it wrapped, or its device was replaced) publishes nothing and primes it anew, and after a reading that
//! failed the growth covers the whole gap.
use super::Moment;
use crate::{
    config::settings::metrics::{Measurement, Measurements, Plugin},
    model::{Dimension, Point, Points, Resolution, Unit, Values},
};
use std::{collections::HashMap, sync::Arc};

/// What of a plugin is published, and its counters of the reading before.
pub struct Wanted {
    measurements: Measurements,
    resolution: Resolution,
    before: HashMap<(Arc<str>, Arc<[Dimension]>), Counter>,
    /// Which reading this is.
    turn: u64,
}

struct Counter {
    value: u64,
    turn: u64,
}

impl Wanted {
    /// What this part of the configuration asks for.
    pub fn of(plugin: &Plugin) -> Self {
        Self {
            measurements: plugin.measurements.clone(),
            resolution: plugin.resolution,
            before: HashMap::new(),
            turn: 0,
        }
    }

    /// Begin a reading at `now`, of which the points go to `points`.
    pub fn begin<'a>(&'a mut self, now: Moment, points: &'a mut Points) -> Readings<'a> {
        self.turn += 1;
        Readings { wanted: self, now, points }
    }

    /// The reading is whole: what was not in it is gone, and begins anew should it come back.
    pub fn forget_the_gone(&mut self) {
        let turn = self.turn;
        self.before.retain(|_, counter| counter.turn == turn);
    }

    fn measurement(&self, field: &str) -> Option<&Measurement> {
        match &self.measurements {
            Measurements::These(all) => all.iter().find(|measurement| *measurement.field == *field),
            Measurements::Everything { .. } => None,
        }
    }
}

/// Takes what a plugin reads.
pub struct Readings<'a> {
    wanted: &'a mut Wanted,
    now: Moment,
    points: &'a mut Points,
}

impl Readings<'_> {
    /// When this reading is made.
    pub fn now(&self) -> Moment {
        self.now
    }

    /// Whether anybody asked for this measurement: what is costly to read need not be read otherwise.
    pub fn wants(&self, field: &str) -> bool {
        match &self.wanted.measurements {
            Measurements::These(_) => self.wanted.measurement(field).is_some(),
            Measurements::Everything { .. } => true,
        }
    }

    /// Takes points that need nothing more: of what has names, units and dimensions of its own.
    pub fn finished(&mut self) -> &mut Points {
        self.points
    }

    /// What follows is of the device, mount point or process that these dimensions tell from the others. One with an empty value is none.
    pub fn of(&mut self, tags: &[(&'static str, &str)]) -> Tagged<'_> {
        let tags = tags.iter().filter(|(_, value)| !value.is_empty());
        let dimensions = tags.map(|(name, value)| Dimension::new(*name, *value)).collect();
        Tagged { wanted: self.wanted, now: self.now, points: self.points, dimensions }
    }
}

/// Takes what a plugin reads of one of its things.
pub struct Tagged<'a> {
    wanted: &'a mut Wanted,
    now: Moment,
    points: &'a mut Points,
    dimensions: Arc<[Dimension]>,
}

impl Tagged<'_> {
    /// A value as it is, by its name in the plugin's table.
    pub fn push(&mut self, field: &str, value: f64) {
        match &self.wanted.measurements {
            Measurements::These(_) => {
                let Some(measurement) = self.wanted.measurement(field) else { return };
                let (name, unit) = (measurement.name.clone(), measurement.unit);
                let value = value * measurement.scale;
                self.point(name, value, unit);
            }
            Measurements::Everything { prefix } => {
                let name = format!("{prefix}{field}");
                self.point(name, value, Unit::None);
            }
        }
    }

    /// What a counter shows, by its name in the plugin's table: published is its growth.
    pub fn count(&mut self, field: &str, value: u64) {
        let Some(measurement) = self.wanted.measurement(field) else { return };
        if !measurement.is_delta {
            return self.push(field, value as f64);
        }
        let (name, unit, scale) = (measurement.name.clone(), measurement.unit, measurement.scale);
        let key = (measurement.field.clone(), self.dimensions.clone());
        let counter = Counter { value, turn: self.wanted.turn };
        let before = self.wanted.before.insert(key, counter);
        if let Some(growth) = before.and_then(|before| value.checked_sub(before.value)) {
            self.point(name, growth as f64 * scale, unit);
        }
    }

    fn point(&mut self, name: String, value: f64, unit: Unit) {
        self.points.push(Point {
            name: name.into(),
            value: Values::One(value),
            unit,
            at: self.now.wall,
            dimensions: self.dimensions.clone(),
            resolution: self.wanted.resolution,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::settings::metrics::{Options, SourceDimensions},
        model::Timestamp,
    };
    use std::time::{Duration, Instant};

    fn measurement(field: &str, is_delta: bool) -> Measurement {
        Measurement { field: field.into(), name: format!("x_{field}"), unit: Unit::Bytes, scale: 2.0, is_delta }
    }

    fn wanted(measurements: Measurements) -> Wanted {
        Wanted::of(&Plugin {
            at: "x".into(),
            key: "x",
            measurements,
            interval: Duration::from_secs(60),
            resolution: Resolution::Second,
            dimensions: SourceDimensions::default(),
            options: Options::None,
        })
    }

    fn reading(wanted: &mut Wanted, read: impl FnOnce(&mut Readings<'_>)) -> Vec<(String, f64)> {
        let mut points = Points::new();
        let now = Moment { wall: Timestamp::from_millis(7), monotonic: Instant::now() };
        read(&mut wanted.begin(now, &mut points));
        let told = |point: Point| match point.value {
            Values::One(value) => (point.name.into_owned(), value),
            Values::Many(_) => unreachable!("one reading has one value"),
        };
        points.into_iter().map(told).collect()
    }

    #[test]
    fn what_nobody_asked_for_is_passed_over_and_the_rest_named_and_scaled() {
        let mut wanted = wanted(Measurements::These(vec![measurement("a", false)]));
        let points = reading(&mut wanted, |out| {
            assert!(out.wants("a") && !out.wants("b"));
            let mut device = out.of(&[("device", "sda"), ("label", "")]);
            device.push("a", 1.5);
            device.push("b", 1.0);
        });
        assert_eq!(points, [("x_a".to_owned(), 3.0)]);
    }

    #[test]
    fn a_point_carries_its_tags_but_no_empty_one() {
        let mut wanted = wanted(Measurements::Everything { prefix: "ethtool_".into() });
        let mut points = Points::new();
        let now = Moment { wall: Timestamp::from_millis(7), monotonic: Instant::now() };
        wanted.begin(now, &mut points).of(&[("interface", "eth0"), ("driver", "")]).push("queue_0_tx_cnt", 1.0);
        assert_eq!(points[0].name, "ethtool_queue_0_tx_cnt");
        assert_eq!(points[0].dimensions[..], [Dimension::new("interface", "eth0")]);
        assert_eq!((points[0].at, points[0].resolution), (now.wall, Resolution::Second));
    }

    #[test]
    fn of_a_counter_the_growth_is_published_exactly_each_device_by_itself() {
        let mut wanted = wanted(Measurements::These(vec![measurement("n", true)]));
        let large = 1u64 << 60;
        let mut read = |a: Option<u64>, b: u64| {
            let points = reading(&mut wanted, |out| {
                if let Some(a) = a {
                    out.of(&[("device", "a")]).count("n", a);
                }
                out.of(&[("device", "b")]).count("n", b);
            });
            wanted.forget_the_gone();
            points.into_iter().map(|(_, value)| value).collect::<Vec<_>>()
        };
        assert_eq!(read(Some(large), 5), [] as [f64; 0]);
        assert_eq!(read(Some(large + 3), 5), [6.0, 0.0]);
        assert_eq!(read(Some(10), 6), [2.0], "one that went back primes anew");
        assert_eq!(read(None, 6), [0.0]);
        assert_eq!(read(Some(11), 7), [2.0], "one that was gone begins anew");
    }

    #[test]
    fn after_a_reading_that_failed_the_growth_covers_the_gap() {
        let mut wanted = wanted(Measurements::These(vec![measurement("n", true)]));
        for (value, expected) in [(Some(1), vec![]), (None, vec![]), (Some(4), vec![6.0])] {
            let points = reading(&mut wanted, |out| {
                if let Some(value) = value {
                    out.of(&[]).count("n", value);
                }
            });
            // A reading that failed is not whole, so nothing is forgotten.
            assert_eq!(points.into_iter().map(|(_, value)| value).collect::<Vec<_>>(), expected);
        }
    }
}
