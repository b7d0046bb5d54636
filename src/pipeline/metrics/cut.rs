//! Points cut to what one PutMetricData takes. What no request could carry is dropped, named and counted.
use crate::{
    model::{
        MetricBatch, Point, Points,
        limits::{DIMENSIONS, METRIC_BATCH_BYTES, METRIC_BATCH_POINTS, NAME, fits_metric, fits_value},
    },
    telemetry::counters,
};

/// What a datum needs on the wire beside its strings: keys, numbers, unit. Measured on the SDK's CBOR, rounded up.
const DATUM_OVERHEAD: usize = 160;
/// What a dimension needs beside its two strings.
const DIMENSION_OVERHEAD: usize = 24;
/// What a value and its count need: two numbers of nine bytes each.
const VALUE_OVERHEAD: usize = 18;

/// Batches inside the limits of PutMetricData.
pub(super) fn cut(namespace: &str, points: Points) -> Vec<MetricBatch> {
    let mut batches = vec![];
    let (mut open, mut bytes) = (vec![], 0);
    for point in points {
        if let Some(why) = unfit(&point) {
            tracing::warn!(metric = %point.name, why, "dropped a metric point that CloudWatch cannot take");
            counters::POINTS_REFUSED.add(1);
            continue;
        }
        let size = wire_size(&point);
        if open.len() == METRIC_BATCH_POINTS || bytes + size > METRIC_BATCH_BYTES {
            batches.push(MetricBatch { namespace: namespace.to_owned(), points: std::mem::take(&mut open) });
            bytes = 0;
        }
        bytes += size;
        open.push(point);
    }
    if !open.is_empty() {
        batches.push(MetricBatch { namespace: namespace.to_owned(), points: open });
    }
    batches
}

/// Why no request can carry this point.
/// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_MetricDatum.html>
fn unfit(point: &Point) -> Option<&'static str> {
    if !point.value.iter().all(|(value, count)| fits_value(value) && fits_value(count)) {
        return Some("its value is not a number between -2^360 and 2^360");
    }
    if point.dimensions.len() > DIMENSIONS {
        return Some("it has more than 30 dimensions");
    }
    if point.dimensions.iter().any(|d| d.name.trim().is_empty() || d.value.trim().is_empty()) {
        return Some("one of its dimensions is empty");
    }
    let unnamable =
        |name: &str| name.is_empty() || name.starts_with(':') || name.len() > NAME || !name.chars().all(fits_metric);
    if unnamable(&point.name) || point.dimensions.iter().any(|d| unnamable(&d.name)) {
        return Some(
            "its name or that of a dimension is longer than 255, begins with a colon, or has other than ASCII characters",
        );
    }
    None
}

fn wire_size(point: &Point) -> usize {
    let dimensions: usize = point.dimensions.iter().map(|d| d.name.len() + d.value.len() + DIMENSION_OVERHEAD).sum();
    point.name.len() + dimensions + point.value.len() * VALUE_OVERHEAD + DATUM_OVERHEAD
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Dimension, Resolution, Timestamp, Unit, limits::METRIC_VALUE};

    fn point(value: f64, dimensions: Vec<Dimension>) -> Point {
        let at = Timestamp::from_millis(1);
        let dimensions = dimensions.into();
        Point {
            name: "M".into(),
            value: value.into(),
            unit: Unit::None,
            at,
            dimensions,
            resolution: Resolution::Minute,
        }
    }

    #[test]
    fn one_reading_is_one_request_up_to_a_thousand_points() {
        let sizes = |n| cut("N", vec![point(1.0, vec![]); n]).iter().map(|b| b.points.len()).collect::<Vec<_>>();
        assert_eq!(sizes(13), [13]);
        assert_eq!(sizes(1_000), [1_000]);
        assert_eq!(sizes(2_001), [1_000, 1_000, 1]);
        assert!(sizes(0).is_empty());
    }

    #[test]
    fn a_request_stays_under_its_size() {
        let wide = vec![Dimension::new("name", "v".repeat(1_000)); 30];
        let batches = cut("N", vec![point(1.0, wide); 100]);
        assert!(batches.len() > 1);
        for batch in batches {
            assert!(serde_json::to_vec(&batch).expect("plain").len() < METRIC_BATCH_BYTES);
        }
    }

    #[test]
    fn a_point_that_no_request_can_carry_costs_only_itself() {
        let bad =
            [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, METRIC_VALUE * 1.001, f64::MIN].map(|v| point(v, vec![]));
        let empty = point(1.0, vec![Dimension::new("Path", "")]);
        let many = point(1.0, vec![Dimension::new("a", "b"); 31]);
        let blank = point(1.0, vec![Dimension::new("process_name", " ")]);
        let colon = point(1.0, vec![Dimension::new(":a", "b")]);
        let unnamed = Point { name: ":x".into(), ..point(1.0, vec![]) };
        let good = [7.0, METRIC_VALUE, -METRIC_VALUE].map(|v| point(v, vec![]));
        let refused = counters::POINTS_REFUSED.here();
        let points = bad.into_iter().chain([empty, many, blank, colon, unnamed]).chain(good.clone()).collect();
        let batches = cut("N", points);
        assert_eq!(batches.len(), 1);
        assert_eq!(batches[0].points, good);
        assert_eq!(counters::POINTS_REFUSED.here(), refused + 10);
    }
}
