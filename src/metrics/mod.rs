//! Polled host metrics: one file for each key of [`COLLECTORS`].
//!
//! A collector reads the host when asked and appends points; it keeps its options and its last counters, nothing else. Time, tasks
//! and what happens when the pipeline is full belong to [`scheduler`]; how the host is read belongs to `platform`.
//!
//! To add one, write `foo.rs` with its `ENTRY` and list it in [`COLLECTORS`] in the order of the keys; the tests below then check it.
mod publisher;
mod rates;
pub mod scheduler;
pub mod statsd;

use crate::model::{Dimension, Points, Timestamp, limits::fits_metric};
use std::{borrow::Cow, io, sync::Arc, time::Instant};

/// Every collector there is, sorted by key.
pub static COLLECTORS: &[Entry] = &[publisher::ENTRY];

/// Key of the collector of the thirteen metrics, which runs whenever a configuration has `metrics`.
pub const THE_THIRTEEN: &str = publisher::ENTRY.key;

/// When a reading is made, on both clocks: `wall` dates points, `monotonic` measures what passed between two readings.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    pub wall: Timestamp,
    pub monotonic: Instant,
}

/// Reads one kind of host metric. May block: the scheduler calls it on the blocking pool, one call at a time.
pub trait Collector: Send {
    /// Append what the host shows at `now`. Points appended before an error are kept.
    fn collect(&mut self, now: Moment, out: &mut Points) -> Result<(), CollectError>;
}

/// One line of the registry.
#[derive(Debug)]
pub struct Entry {
    /// Its name in the own log and in the docs.
    pub key: &'static str,
    /// One line for people.
    pub summary: &'static str,
    build: fn(&Site) -> Box<dyn Collector>,
}

impl Entry {
    /// The entry of this key.
    pub fn find(key: &str) -> Option<&'static Self> {
        COLLECTORS.iter().find(|e| e.key == key)
    }

    /// Make the collector, ready to run. Reads nothing yet.
    pub fn build(&self, site: &Site) -> Named {
        tracing::info!(collector = self.key, what = self.summary, "collecting");
        Named { key: self.key, collector: (self.build)(site) }
    }
}

/// What every collector is told about where it runs.
#[derive(Clone, Debug)]
pub struct Site {
    /// Shared by all points.
    pub dimensions: Arc<[Dimension]>,
}

impl Site {
    /// `InstanceId` and `Hostname`, then the pairs of `append_dimensions`, which has neither of these two: the configuration saw
    /// to it.
    pub fn new(instance_id: &str, host_name: &str, append: &[Dimension]) -> Self {
        let own = [("InstanceId", instance_id), ("Hostname", host_name)];
        let own = own.map(|(name, value)| Dimension::new(name, acceptable(name, value)));
        Self { dimensions: own.into_iter().chain(append.iter().cloned()).collect() }
    }
}

/// A value that CloudWatch takes: one with other than printable ASCII characters would have every point refused.
/// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_Dimension.html>
fn acceptable<'a>(name: &str, value: &'a str) -> Cow<'a, str> {
    if value.chars().all(fits_metric) {
        return Cow::Borrowed(value);
    }
    let replaced: String = value.chars().map(|c| if fits_metric(c) { c } else { '_' }).collect();
    tracing::warn!(
        dimension = name,
        value,
        replaced,
        "CloudWatch takes ASCII characters only in a dimension: the others are replaced"
    );
    Cow::Owned(replaced)
}

/// A collector and its key.
pub struct Named {
    pub key: &'static str,
    pub collector: Box<dyn Collector>,
}

/// Why a reading is not whole.
#[derive(Debug, thiserror::Error)]
pub enum CollectError {
    #[error("could not read {what}")]
    Read { what: &'static str, source: io::Error },
}

impl CollectError {
    /// For `map_err`: what was read.
    fn read(what: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Read { what, source }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_sorted_and_unique() {
        assert!(COLLECTORS.is_sorted_by(|a, b| a.key < b.key));
        assert!(COLLECTORS.iter().all(|e| !e.summary.is_empty() && Entry::find(e.key).is_some()));
    }

    #[test]
    fn every_collector_reads_this_host() {
        for entry in COLLECTORS {
            let mut points = Points::new();
            let now = Moment { wall: Timestamp::now(), monotonic: Instant::now() };
            let mut built = entry.build(&Site::new("sys-1", "h", &[]));
            built.collector.collect(now, &mut points).expect(entry.key);
            assert!(!points.is_empty(), "{}", entry.key);
        }
    }

    #[test]
    fn a_host_name_that_is_not_ascii_does_not_have_every_point_refused() {
        let site = Site::new("sys-0", "büro\u{7}-1", &[Dimension::new("Stage", "prod")]);
        let names: Vec<_> = site.dimensions.iter().map(|d| (d.name.as_str(), d.value.as_str())).collect();
        assert_eq!(names, [("InstanceId", "sys-0"), ("Hostname", "b_ro_-1"), ("Stage", "prod")]);
    }
}
