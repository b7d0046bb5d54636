//! What a collector measures and what one PutMetricData carries.
use super::Timestamp;
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

/// The units that we send, of those that CloudWatch knows, spelled as the API spells them:
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
    #[serde(rename = "Bits/Second")]
    BitsPerSecond,
    #[serde(rename = "Count/Second")]
    CountPerSecond,
    None,
}

impl Unit {
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
            Self::BitsPerSecond => "Bits/Second",
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

/// One measured value. CloudWatch keeps it under namespace, name and dimensions.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Point {
    pub name: Cow<'static, str>,
    pub value: f64,
    pub unit: Unit,
    pub at: Timestamp,
    #[serde(with = "shared_dimensions")]
    pub dimensions: Arc<[Dimension]>,
    #[serde(default)]
    pub resolution: Resolution,
}

/// What one reading of a collector appends to.
pub type Points = Vec<Point>;

/// What one PutMetricData carries: one namespace, at most 1,000 points.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct MetricBatch {
    pub namespace: String,
    pub points: Points,
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
            value: 12.5,
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
