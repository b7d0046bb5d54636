//! PutMetricData: our points as the SDK's datums.
use crate::model::{Point, Resolution, Values};
use aws_sdk_cloudwatch::{
    primitives::DateTime,
    types::{Dimension, MetricDatum, StandardUnit},
};

/// `StorageResolution` of points that are kept each second; the default is 60.
const EACH_SECOND: i32 = 1;

/// All of them: the stage has left out what CloudWatch cannot take.
pub(super) fn datums(points: &[Point]) -> Vec<MetricDatum> {
    points.iter().map(datum).collect()
}

fn datum(point: &Point) -> MetricDatum {
    let mut datum = MetricDatum::builder()
        .metric_name(point.name.as_ref())
        .unit(StandardUnit::from(point.unit.as_str()))
        .timestamp(DateTime::from_millis(point.at.as_millis()));
    datum = match &point.value {
        Values::One(value) => datum.value(*value),
        Values::Many(values) => {
            let (values, counts) = values.iter().copied().unzip();
            datum.set_values(Some(values)).set_counts(Some(counts))
        }
    };
    if !point.dimensions.is_empty() {
        let dimensions = point.dimensions.iter().map(|d| Dimension::builder().name(&d.name).value(&d.value).build());
        datum = datum.set_dimensions(Some(dimensions.collect()));
    }
    if point.resolution == Resolution::Second {
        datum = datum.storage_resolution(EACH_SECOND);
    }
    datum.build()
}
