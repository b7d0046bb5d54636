//! `metrics.metrics_collected.statsd`.
use super::metrics::SourceDimensions;
use crate::model::{Resolution, Unit};
use std::{path::PathBuf, time::Duration};

/// Where statsd lines are received, and what becomes of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Statsd {
    /// Its JSON path, for messages.
    pub at: String,
    /// Empty: nowhere.
    pub addresses: Vec<StatsdAddress>,
    /// How often what came is published (`metrics_collection_interval`, else the agent's, else 10 s).
    pub interval: Duration,
    /// How finely what is published is kept: `storage_resolution`, else that of all metrics, else by `metrics_aggregation_interval`.
    pub resolution: Resolution,
    /// Datagrams that may wait to be read (`allowed_pending_messages`, 10,000): for so many, room is asked of the system.
    pub pending: usize,
    /// Joins the parts of a name.
    pub separator: String,
    /// Series of one interval: those that may be sent in all, but not fewer than 10,000.
    pub max_series: usize,
    /// `host`, `only_dimensions`, `drop_original_metrics`: for the stage that sends.
    pub dimensions: SourceDimensions,
    /// The dimension `metric_type` is added (`metric_type_dimension`).
    pub metric_type: bool,
    /// Relative gauges count from the last value of the gauge, not from zero in each interval (`keep_gauges`).
    pub keep_gauges: bool,
    /// A sign belongs to the value (`signed_values`): gauges can be set below zero, and are never relative.
    pub signed_values: bool,
    /// Counters have fractions (`float_counters`).
    pub float_counters: bool,
    /// A rate that is none above 0 and up to 1 is refused (`strict_rates`).
    pub strict_rates: bool,
    /// Type `d` of DogStatsD is taken (`distributions`).
    pub distributions: bool,
    /// Units of the series whose published name ends with these, and what their values are multiplied with (`unit_suffixes`).
    pub units: Vec<(String, Unit, f64)>,
}

/// Where to listen.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum StatsdAddress {
    /// UDP on every address of this host.
    All(u16),
    /// UDP on a name, or an address without brackets.
    Named(String, u16),
    /// A UNIX socket for datagrams, with the rights of its file.
    Local { path: PathBuf, mode: u32 },
}
