//! PutMetricData: our points as the SDK's datums.
use crate::model::{Point, Resolution};
use aws_sdk_cloudwatch::{
    primitives::DateTime,
    types::{Dimension, MetricDatum, StandardUnit},
};

/// 2^360: the largest magnitude that CloudWatch takes, special values are refused.
/// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_MetricDatum.html>
const LARGEST: f64 = f64::from_bits((1023 + 360) << 52);
/// `StorageResolution` of points that are kept each second; the default is 60.
const EACH_SECOND: i32 = 1;

/// The points that CloudWatch can take, and how many it never will: one of these would have the whole batch refused.
pub(super) fn datums(points: &[Point]) -> (Vec<MetricDatum>, usize) {
    let data: Vec<_> = points.iter().filter(|point| point.value.abs() <= LARGEST).map(datum).collect();
    let left_out = points.len() - data.len();
    (data, left_out)
}

fn datum(point: &Point) -> MetricDatum {
    let mut datum = MetricDatum::builder()
        .metric_name(point.name.as_ref())
        .value(point.value)
        .unit(StandardUnit::from(point.unit.as_str()))
        .timestamp(DateTime::from_millis(point.at.as_millis()));
    if !point.dimensions.is_empty() {
        let dimensions = point.dimensions.iter().map(|d| Dimension::builder().name(&d.name).value(&d.value).build());
        datum = datum.set_dimensions(Some(dimensions.collect()));
    }
    if point.resolution == Resolution::Second {
        datum = datum.storage_resolution(EACH_SECOND);
    }
    datum.build()
}
