//! What a collector offers, as texts, for its tests.
use super::{Collector, Moment, Wanted, tests::whole};
use crate::{
    config::settings::metrics::{Measurements, Plugin},
    model::{Points, Timestamp, Values},
};
use std::time::Instant;

/// One reading of a collector of which everything in the table of this key is wanted: `measurement{name=value,...} value`, counters as
/// they stand, in the order in which they were offered; at the end `failed` where the reading was not whole.
pub fn offered(collector: &mut dyn Collector, key: &'static str) -> Vec<String> {
    let mut plugin = whole(key);
    if let Measurements::These(all) = &mut plugin.measurements {
        for measurement in all {
            (*measurement.field).clone_into(&mut measurement.name);
        }
    }
    reading(collector, &plugin)
}

/// The same with what this plugin wants, under the names that it gives.
pub fn reading(collector: &mut dyn Collector, plugin: &Plugin) -> Vec<String> {
    let (mut wanted, mut points) = (Wanted::of(plugin), Points::new());
    let now = Moment { wall: Timestamp::now(), monotonic: Instant::now() };
    let result = collector.collect(&mut wanted.begin(now, &mut points));
    let mut told: Vec<String> = points
        .into_iter()
        .map(|point| {
            let tags: Vec<_> = point.dimensions.iter().map(|d| format!("{}={}", d.name, d.value)).collect();
            let Values::One(value) = point.value else { unreachable!("a reading gives one value of each series") };
            format!("{}{{{}}} {value}", point.name, tags.join(","))
        })
        .collect();
    told.extend(result.is_err().then(|| "failed".to_owned()));
    told
}
