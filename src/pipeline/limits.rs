//! The limits of the two Put calls, each with the page that states it.
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

/// PutMetricData: datums in one request.
/// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricData.html>
pub const METRIC_BATCH_POINTS: usize = 1_000;
/// PutMetricData: bytes of one request (same page). Counted before compression, so always on the safe side.
pub const METRIC_BATCH_BYTES: usize = 1_048_576;
/// PutMetricData: the largest magnitude of a value, 2^360; special values are not taken at all.
/// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_MetricDatum.html>
pub const METRIC_VALUE: f64 = f64::from_bits((1023 + 360) << 52);
/// PutMetricData: dimensions of one datum.
/// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_MetricDatum.html>
pub const DIMENSIONS: usize = 30;
