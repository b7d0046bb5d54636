//! The limits of the services, each once, with the page that states it. Everybody else takes them from here.
use std::time::Duration;

/// PutLogEvents: the sum of all messages in UTF-8 plus [`EVENT_OVERHEAD`] for each event, in bytes.
/// <https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutLogEvents.html>
pub const LOG_BATCH_BYTES: usize = 1_048_576;
/// PutLogEvents: what each event adds to its message, in bytes (same page).
pub const EVENT_OVERHEAD: usize = 26;
/// PutLogEvents: events in one batch (same page).
pub const LOG_BATCH_EVENTS: usize = 10_000;
/// PutLogEvents: the time from the first to the last event of a batch (same page).
pub const LOG_BATCH_SPAN: Duration = Duration::from_hours(24);
/// The longest message that fits a batch of its own.
pub const MESSAGE_BYTES: usize = LOG_BATCH_BYTES - EVENT_OVERHEAD;

/// Both Put calls take nothing older (API_PutLogEvents, API_MetricDatum).
pub const OLDEST: Duration = Duration::from_hours(14 * 24);
/// Both Put calls take nothing further ahead (same pages).
pub const AHEAD: Duration = Duration::from_hours(2);

/// The name of a log group or stream, in characters.
/// <https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_CreateLogGroup.html>
/// <https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_CreateLogStream.html>
pub const LOG_NAME: usize = 512;
/// PutRetentionPolicy: the days on offer, ascending.
/// <https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html>
pub const RETENTION_DAYS: [u16; 22] =
    [1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653];

/// PutMetricData: datums in one request.
/// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricData.html>
pub const METRIC_BATCH_POINTS: usize = 1_000;
/// PutMetricData: bytes of one request (same page). Counted before compression, so always on the safe side.
pub const METRIC_BATCH_BYTES: usize = 1_048_576;
/// PutMetricData: different values of one datum.
/// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_MetricDatum.html>
pub const VALUES: usize = 150;
/// PutMetricData: dimensions of one datum.
/// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_MetricDatum.html>
pub const DIMENSIONS: usize = 30;
/// A datum's value lies between minus this and this, 2^360 (same page).
pub const METRIC_VALUE: f64 = f64::from_bits((1023 + 360) << 52);
/// A namespace, a metric's or a dimension's name, in characters (API_PutMetricData, API_MetricDatum, API_Dimension).
pub const NAME: usize = 255;
/// A dimension's value, in characters.
/// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_Dimension.html>
pub const DIMENSION_VALUE: usize = 1_024;

/// Whether a dimension's name or value, or a metric's name, may hold this character (API_Dimension, API_MetricDatum).
pub fn fits_metric(c: char) -> bool {
    c == ' ' || c.is_ascii_graphic()
}

/// Whether a datum may have this value (API_MetricDatum).
pub fn fits_value(value: f64) -> bool {
    value.abs() <= METRIC_VALUE
}

/// Whether a log group's name may hold this character (API_CreateLogGroup).
pub fn fits_group(c: char) -> bool {
    c.is_ascii_alphanumeric() || ".-_/#".contains(c)
}

/// Whether a log stream's name may hold this character (API_CreateLogStream).
pub fn fits_stream(c: char) -> bool {
    c != ':' && c != '*'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_value_is_two_to_the_power_of_360() {
        assert_eq!(METRIC_VALUE, 2f64.powi(360));
        assert!(fits_value(METRIC_VALUE) && fits_value(-METRIC_VALUE));
        assert!(!fits_value(f64::NAN) && !fits_value(f64::NEG_INFINITY) && !fits_value(f64::MAX));
    }
}
