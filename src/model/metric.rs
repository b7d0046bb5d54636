//! What a collector measures and what one PutMetricData carries.
use super::{Receipt, Timestamp};
use serde::{Deserialize, Serialize};
use std::{borrow::Cow, sync::Arc};

/// A name and a value that tell one series from another.
/// PutMetricData takes at most 30 of them a datum, neither side empty, values of at most 1,024 characters:
/// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_Dimension.html>
#[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
pub struct Dimension {
    pub name: String,
    pub value: String,
}

impl Dimension {
    /// A dimension of these two.
    pub fn new(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self { name: name.into(), value: value.into() }
    }
}

/// The units that CloudWatch knows, spelled as the API spells them:
/// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_MetricDatum.html>
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub enum Unit {
    Seconds,
    Microseconds,
    Milliseconds,
    Bytes,
    Kilobytes,
    Megabytes,
    Gigabytes,
    Terabytes,
    Bits,
    Kilobits,
    Megabits,
    Gigabits,
    Terabits,
    Percent,
    Count,
    #[serde(rename = "Bytes/Second")]
    BytesPerSecond,
    #[serde(rename = "Kilobytes/Second")]
    KilobytesPerSecond,
    #[serde(rename = "Megabytes/Second")]
    MegabytesPerSecond,
    #[serde(rename = "Gigabytes/Second")]
    GigabytesPerSecond,
    #[serde(rename = "Terabytes/Second")]
    TerabytesPerSecond,
    #[serde(rename = "Bits/Second")]
    BitsPerSecond,
    #[serde(rename = "Kilobits/Second")]
    KilobitsPerSecond,
    #[serde(rename = "Megabits/Second")]
    MegabitsPerSecond,
    #[serde(rename = "Gigabits/Second")]
    GigabitsPerSecond,
    #[serde(rename = "Terabits/Second")]
    TerabitsPerSecond,
    #[serde(rename = "Count/Second")]
    CountPerSecond,
    None,
}

impl Unit {
    /// All of them.
    pub const ALL: [Self; 27] = [
        Self::Seconds,
        Self::Microseconds,
        Self::Milliseconds,
        Self::Bytes,
        Self::Kilobytes,
        Self::Megabytes,
        Self::Gigabytes,
        Self::Terabytes,
        Self::Bits,
        Self::Kilobits,
        Self::Megabits,
        Self::Gigabits,
        Self::Terabits,
        Self::Percent,
        Self::Count,
        Self::BytesPerSecond,
        Self::KilobytesPerSecond,
        Self::MegabytesPerSecond,
        Self::GigabytesPerSecond,
        Self::TerabytesPerSecond,
        Self::BitsPerSecond,
        Self::KilobitsPerSecond,
        Self::MegabitsPerSecond,
        Self::GigabitsPerSecond,
        Self::TerabitsPerSecond,
        Self::CountPerSecond,
        Self::None,
    ];

    /// The API's spelling.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Seconds => "Seconds",
            Self::Microseconds => "Microseconds",
            Self::Milliseconds => "Milliseconds",
            Self::Bytes => "Bytes",
            Self::Kilobytes => "Kilobytes",
            Self::Megabytes => "Megabytes",
            Self::Gigabytes => "Gigabytes",
            Self::Terabytes => "Terabytes",
            Self::Bits => "Bits",
            Self::Kilobits => "Kilobits",
            Self::Megabits => "Megabits",
            Self::Gigabits => "Gigabits",
            Self::Terabits => "Terabits",
            Self::Percent => "Percent",
            Self::Count => "Count",
            Self::BytesPerSecond => "Bytes/Second",
            Self::KilobytesPerSecond => "Kilobytes/Second",
            Self::MegabytesPerSecond => "Megabytes/Second",
            Self::GigabytesPerSecond => "Gigabytes/Second",
            Self::TerabytesPerSecond => "Terabytes/Second",
            Self::BitsPerSecond => "Bits/Second",
            Self::KilobitsPerSecond => "Kilobits/Second",
            Self::MegabitsPerSecond => "Megabits/Second",
            Self::GigabitsPerSecond => "Gigabits/Second",
            Self::TerabitsPerSecond => "Terabits/Second",
            Self::CountPerSecond => "Count/Second",
            Self::None => "None",
        }
    }
}

/// How finely CloudWatch keeps a datum: a minute, or a second for what is collected more often than each minute
/// (`StorageResolution` of the MetricDatum page; high resolution costs more to read in alarms, not to send).
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub enum Resolution {
    #[default]
    Minute,
    Second,
}

/// What was measured of one series at one time.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Values {
    /// One value: `Value` of the API.
    One(f64),
    /// Several of the same period, each once with how often it occurred: `Values` and `Counts` of the API, from which CloudWatch works
    /// out all statistics exactly. At most 150 of them go into one datum.
    Many(Vec<(f64, f64)>),
}

impl Values {
    /// Each value, with how often it occurred.
    pub fn iter(&self) -> impl Iterator<Item = (f64, f64)> {
        let (one, many) = match self {
            Self::One(value) => (Some((*value, 1.0)), &[][..]),
            Self::Many(values) => (None, &values[..]),
        };
        one.into_iter().chain(many.iter().copied())
    }

    /// How many different ones there are.
    pub fn len(&self) -> usize {
        match self {
            Self::One(_) => 1,
            Self::Many(values) => values.len(),
        }
    }
}

impl From<f64> for Values {
    fn from(value: f64) -> Self {
        Self::One(value)
    }
}

/// What was measured of one series. CloudWatch keeps it under namespace, name and dimensions.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Point {
    pub name: Cow<'static, str>,
    pub value: Values,
    pub unit: Unit,
    pub at: Timestamp,
    #[serde(with = "shared_dimensions")]
    pub dimensions: Arc<[Dimension]>,
    #[serde(default)]
    pub resolution: Resolution,
}

/// What one reading of a collector appends to.
pub type Points = Vec<Point>;

/// What one source of metrics gave at once.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// The number of the source among all that run; its rules for dimensions stand there.
    pub source: usize,
    pub points: Points,
}

/// What one PutMetricData carries: one namespace, at most 1,000 points.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct MetricBatch {
    pub namespace: String,
    pub points: Points,
}

/// A batch on its way to the publisher.
#[derive(Clone, Debug)]
pub struct Parcel {
    pub batch: MetricBatch,
    /// Given when the batch is safe.
    pub receipt: Option<Receipt>,
}

impl Parcel {
    /// The batch is delivered, or on the disk, or can never be either.
    pub fn is_safe(&self) {
        if let Some(receipt) = &self.receipt {
            receipt.give();
        }
    }
}

impl Parcel {
    /// What is left of it when a part was delivered; itself when none was.
    pub fn rest(self: &Arc<Self>, rest: MetricBatch) -> Arc<Self> {
        match rest.points.len() < self.batch.points.len() {
            true => Arc::new(Self { batch: rest, receipt: self.receipt.clone() }),
            false => self.clone(),
        }
    }
}

impl From<MetricBatch> for Parcel {
    fn from(batch: MetricBatch) -> Self {
        Self { batch, receipt: None }
    }
}

/// Points of one reading share their dimensions; serde's own `rc` feature would be needed for the whole tree just for this.
mod shared_dimensions {
    use super::{Arc, Deserialize, Dimension, Serialize};

    pub fn serialize<S: serde::Serializer>(dimensions: &Arc<[Dimension]>, to: S) -> Result<S::Ok, S::Error> {
        dimensions[..].serialize(to)
    }

    pub fn deserialize<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Arc<[Dimension]>, D::Error> {
        Vec::<Dimension>::deserialize(from).map(Arc::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_comes_back_from_json_as_it_was() {
        let point = Point {
            name: "CPUUtilization".into(),
            value: Values::One(12.5),
            unit: Unit::BytesPerSecond,
            at: Timestamp::from_millis(7),
            dimensions: Arc::from([Dimension::new("Hostname", "h")]),
            resolution: Resolution::Second,
        };
        let batch = MetricBatch { namespace: "System/Default".into(), points: vec![point] };
        let json = serde_json::to_string(&batch).expect("plain data");
        assert!(json.contains(r#""Bytes/Second""#));
        assert_eq!(serde_json::from_str::<MetricBatch>(&json).expect("our own"), batch);
    }
}
