//! What the configuration says about lines, series and values.
use super::protocol::Dialect;
use crate::{
    config::settings::Statsd,
    model::{Resolution, Unit},
};

/// What the configuration says about lines, series and values.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    pub dialect: Dialect,
    /// Joins the parts of a name.
    pub separator: String,
    pub metric_type: bool,
    pub keep_gauges: bool,
    pub float_counters: bool,
    pub max_series: usize,
    pub resolution: Resolution,
    /// Endings of published names, the unit of their values, and what these are multiplied with.
    pub units: Vec<(String, Unit, f64)>,
}

impl Rules {
    pub(super) fn new(settings: &Statsd) -> Self {
        Self {
            dialect: Dialect {
                signed_values: settings.signed_values,
                strict_rates: settings.strict_rates,
                distributions: settings.distributions,
            },
            separator: settings.separator.clone(),
            metric_type: settings.metric_type,
            keep_gauges: settings.keep_gauges,
            float_counters: settings.float_counters,
            max_series: settings.max_series,
            resolution: settings.resolution,
            units: settings.units.clone(),
        }
    }

    /// That of the longest ending which the name has.
    pub(super) fn unit(&self, name: &str) -> (Unit, f64) {
        let fitting = self.units.iter().filter(|(ending, ..)| name.ends_with(ending.as_str()));
        fitting.max_by_key(|(ending, ..)| ending.len()).map_or((Unit::None, 1.0), |(_, unit, scale)| (*unit, *scale))
    }
}

#[cfg(test)]
impl Default for Rules {
    /// The agent's.
    fn default() -> Self {
        Self {
            dialect: Dialect::default(),
            separator: "_".to_owned(),
            metric_type: true,
            keep_gauges: false,
            float_counters: false,
            max_series: 1_000,
            resolution: Resolution::Minute,
            units: vec![],
        }
    }
}
