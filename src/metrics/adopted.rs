//! What other programs have measured: samples of the Prometheus format become points.
//!
//! A total counts from a start that CloudWatch knows nothing of, so by default its increase since the reading before is published:
//! the sum of a period is then what happened in it. The first reading of a total publishes nothing. A total that is smaller than
//! before began anew, from zero, as Prometheus takes it: all of it is increase. Levels are published as they are, at each reading.
//!
//! A sample with a time of its own is published once for each time, however often it is read. One that CloudWatch cannot take
//! costs only itself. What is remembered of a series goes when it was not seen for [`KEPT`] readings.
use super::exposition::{Meaning, Sample};
use crate::{
    config::settings::{
        exposition::{Counters, Exposition},
        metrics::Plugin,
    },
    model::{
        Dimension, Point, Points, Resolution, Timestamp, Unit,
        limits::{AHEAD, DIMENSION_VALUE, DIMENSIONS, NAME, OLDEST, fits_metric, fits_value},
    },
};
use std::{collections::HashMap, sync::Arc};

/// Readings for which a series is remembered that none of them had: a file that is just being replaced must not cost its increase.
const KEPT: u64 = 10;

/// Series that are remembered at most. Several times what the pipeline lets through by default.
const MOST_SERIES: usize = 20_000;

/// Makes points of the samples of one source.
pub struct Adopted {
    /// In front of each name.
    prefix: String,
    rules: Exposition,
    resolution: Resolution,
    series: HashMap<String, Last>,
    reading: u64,
    /// This reading only primes.
    baseline: bool,
}

/// A series as it was read last.
struct Last {
    value: f64,
    at: Option<i64>,
    reading: u64,
}

/// Why a sample is no point.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Unfit {
    #[error("its value is not a number between -2^360 and 2^360")]
    Value,
    #[error("its name has more than 255 characters")]
    Name,
    #[error("it has more than 30 labels")]
    Dimensions,
    #[error("a label has more than 1024 characters")]
    Label,
    #[error("it stands twice")]
    Twice,
    #[error("its time is more than two weeks ago or more than two hours ahead")]
    Time,
    #[error("there are more than 20000 series")]
    TooMany,
}

impl Adopted {
    /// Nothing was read yet.
    pub fn new(plugin: &Plugin, rules: Exposition) -> Self {
        let prefix = plugin.measurements.prefix().to_owned();
        Self { prefix, rules, resolution: plugin.resolution, series: HashMap::new(), reading: 0, baseline: false }
    }

    /// A reading begins. `baseline`: its points are not sent, and only totals are remembered of it.
    pub fn begin(&mut self, baseline: bool) {
        self.baseline = baseline;
        self.reading += 1;
        let reading = self.reading;
        self.series.retain(|_, last| reading - last.reading <= KEPT);
    }

    /// Append the point that this sample is, if it is one. `place` tells samples of one name apart, as that of another file.
    ///
    /// # Errors
    /// When CloudWatch would not take it, or it cannot be compared with what was before.
    pub fn take(&mut self, place: &str, sample: &Sample<'_>, now: Timestamp, out: &mut Points) -> Result<(), Unfit> {
        match sample.meaning {
            Meaning::Bucket | Meaning::Quantile if !self.rules.buckets => return Ok(()),
            // A quantile of nothing is no mistake.
            Meaning::Quantile if sample.value.is_nan() => return Ok(()),
            Meaning::Level | Meaning::Total | Meaning::Bucket | Meaning::Quantile => {}
        }
        if !fits_value(sample.value) {
            return Err(Unfit::Value);
        }
        if self.prefix.len() + sample.name.len() > NAME {
            return Err(Unfit::Name);
        }
        let at = sample.at.map_or(now, Timestamp::from_millis);
        if now.since(at) > OLDEST || at.since(now) > AHEAD {
            return Err(Unfit::Time);
        }
        let dimensions = dimensions(sample)?;
        let grows =
            matches!(sample.meaning, Meaning::Total | Meaning::Bucket) && self.rules.counters == Counters::Delta;
        if self.baseline && !grows {
            return Ok(());
        }
        let value = if grows || sample.at.is_some() { self.news(place, sample, grows)? } else { Some(sample.value) };
        if let Some(value) = value {
            let (name, resolution) = (format!("{}{}", self.prefix, sample.name).into(), self.resolution);
            out.push(Point { name, value: value.into(), unit: unit(sample), at, dimensions, resolution });
        }
        Ok(())
    }

    /// What is new since the reading before.
    fn news(&mut self, place: &str, sample: &Sample<'_>, grows: bool) -> Result<Option<f64>, Unfit> {
        let reading = self.reading;
        let full = self.series.len() >= MOST_SERIES;
        let now = Last { value: sample.value, at: sample.at, reading };
        let key = key(place, sample);
        let Some(last) = self.series.get_mut(&key) else {
            if full {
                return Err(Unfit::TooMany);
            }
            self.series.insert(key, now);
            return Ok((!grows).then_some(sample.value));
        };
        if last.reading == reading {
            return Err(Unfit::Twice);
        }
        let last = std::mem::replace(last, now);
        if sample.at.is_some() && sample.at == last.at {
            return Ok(None);
        }
        Ok(Some(match (grows, sample.value - last.value) {
            (false, _) => sample.value,
            (true, more) if more >= 0.0 => more,
            (true, _) => sample.value,
        }))
    }
}

/// Labels as CloudWatch takes them. What all points of the source carry is added by the pipeline.
fn dimensions(sample: &Sample<'_>) -> Result<Arc<[Dimension]>, Unfit> {
    let mut dimensions = Vec::with_capacity(sample.labels.len());
    for (name, value) in &sample.labels {
        if name.len() > NAME || value.chars().count() > DIMENSION_VALUE {
            return Err(Unfit::Label);
        }
        // Without a value there is no label, as Prometheus has it.
        if !value.trim().is_empty() {
            let value: String = value.chars().map(|c| if fits_metric(c) { c } else { '_' }).collect();
            dimensions.push(Dimension::new(*name, value));
        }
    }
    if dimensions.len() > DIMENSIONS { Err(Unfit::Dimensions) } else { Ok(dimensions.into()) }
}

/// One text for each series. No name holds a zero character.
fn key(place: &str, sample: &Sample<'_>) -> String {
    let mut labels: Vec<_> = sample.labels.iter().collect();
    labels.sort_unstable();
    let mut key = format!("{place}\0{}", sample.name);
    for (name, value) in labels {
        key.extend(["\0", name, "\0", value.as_ref()]);
    }
    key
}

/// The base units that Prometheus has names end with: <https://prometheus.io/docs/practices/naming/>.
fn unit(sample: &Sample<'_>) -> Unit {
    if sample.meaning == Meaning::Bucket {
        return Unit::None;
    }
    let name = sample.name;
    let base = name.strip_suffix("_total").or_else(|| name.strip_suffix("_sum")).unwrap_or(name);
    match base.rsplit('_').next() {
        Some("seconds") => Unit::Seconds,
        Some("bytes") => Unit::Bytes,
        Some("percent") => Unit::Percent,
        _ => Unit::None,
    }
}

#[cfg(test)]
mod tests;
