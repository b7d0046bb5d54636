//! The limits of the two put calls, as pure functions: each returns what is wrong with a request.
//!
//! - <https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutLogEvents.html>
//! - <https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricData.html>
//! - <https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_MetricDatum.html>
use serde::Deserialize;
use serde_json::Value;
use std::collections::HashSet;

const DAY: i64 = 86_400_000;
const HOUR: i64 = 3_600_000;
/// What the service counts for an event beside its message.
const EVENT_OVERHEAD: usize = 26;
const MAX_LOG_BYTES: usize = 1_048_576;
const MAX_EVENTS: usize = 10_000;
const MAX_METRIC_BYTES: usize = 1_048_576;
const MAX_DATUMS: usize = 1_000;
const MAX_DIMENSIONS: usize = 30;
/// PutMetricData is compressed from this size on: the SDKs' `request_min_compression_size_bytes`.
const COMPRESSED_FROM: usize = 10_240;

/// A PutLogEvents request.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PutLogEvents {
    pub log_group_name: String,
    pub log_stream_name: String,
    pub log_events: Vec<InputLogEvent>,
    /// Taken as it is.
    #[serde(default, rename = "entity")]
    pub _entity: serde::de::IgnoredAny,
}

/// One event of it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputLogEvent {
    pub timestamp: i64,
    pub message: String,
}

/// Where the too old events end and the too new ones begin, as `rejectedLogEventsInfo` counts them.
pub fn timely(events: &[InputLogEvent], now: i64) -> std::ops::Range<usize> {
    let start = events.partition_point(|event| event.timestamp < now - 14 * DAY);
    let end = events.partition_point(|event| event.timestamp <= now + 2 * HOUR);
    start..end.max(start)
}

/// What is wrong with a PutLogEvents.
pub fn put_log_events(request: &PutLogEvents) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut check = |ok: bool, what: String| {
        if !ok {
            wrong.push(what);
        }
    };
    let events = &request.log_events;
    let size: usize = events.iter().map(|event| event.message.len() + EVENT_OVERHEAD).sum();
    check((1..=MAX_EVENTS).contains(&events.len()), format!("{} events", events.len()));
    check(size <= MAX_LOG_BYTES, format!("{size} counted bytes"));
    check(events.iter().all(|event| !event.message.is_empty()), "an empty message".into());
    check(events.iter().all(|event| event.timestamp >= 0), "a time before 1970".into());
    check(events.is_sorted_by_key(|event| event.timestamp), "events out of order".into());
    let span = events.last().map_or(0, |last| last.timestamp - events[0].timestamp);
    check(span <= DAY, format!("events span {span} ms"));
    let (group, stream) = (&request.log_group_name, &request.log_stream_name);
    check(is_group_name(group), format!("log group name {group:?}"));
    check(is_stream_name(stream), format!("log stream name {stream:?}"));
    wrong.into_iter().map(|what| format!("PutLogEvents with {what}")).collect()
}

/// Whether the service takes this name for a log group.
pub fn is_group_name(name: &str) -> bool {
    (1..=512).contains(&name.len()) && name.chars().all(|c| c.is_ascii_alphanumeric() || "_-/.#".contains(c))
}

/// Whether the service takes this name for a log stream.
pub fn is_stream_name(name: &str) -> bool {
    (1..=512).contains(&name.chars().count()) && !name.contains([':', '*'])
}

/// What is wrong with a PutMetricData of `size` bytes before compression.
pub fn put_metric_data(request: &Value, size: usize, compressed: bool, now: i64) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut check = |ok: bool, what: String| {
        if !ok {
            wrong.push(what);
        }
    };
    check(size <= MAX_METRIC_BYTES, format!("{size} bytes"));
    check(compressed || size < COMPRESSED_FROM, format!("{size} bytes, not compressed"));
    let namespace = text(&request["Namespace"]);
    let reserved = namespace.starts_with("AWS/") || namespace.starts_with(':');
    check((1..=255).contains(&namespace.len()) && !reserved, format!("namespace {namespace:?}"));
    let datums = list(&request["MetricData"]);
    check((1..=MAX_DATUMS).contains(&datums.len()), format!("{} datums", datums.len()));
    for datum in datums {
        for what in datum_faults(datum, now) {
            check(false, format!("a datum {what}: {datum}"));
        }
    }
    wrong.into_iter().map(|what| format!("PutMetricData with {what}")).collect()
}

fn datum_faults(datum: &Value, now: i64) -> Vec<&'static str> {
    let dimensions = list(&datum["Dimensions"]);
    let names: HashSet<&str> = dimensions.iter().map(|dimension| text(&dimension["Name"])).collect();
    let fits = |value: &Value, most: usize| (1..=most).contains(&text(value).chars().count());
    let statistics = ["SampleCount", "Sum", "Minimum", "Maximum"];
    let finite = if let Some(values) = datum["Values"].as_array() {
        let counts = list(&datum["Counts"]).len();
        (1..=150).contains(&values.len()) && [0, values.len()].contains(&counts) && values.iter().all(is_value)
    } else if datum["StatisticValues"].is_object() {
        statistics.iter().all(|name| is_value(&datum["StatisticValues"][name]))
    } else {
        is_value(&datum["Value"])
    };
    #[expect(clippy::cast_possible_truncation, reason = "whole milliseconds are meant")]
    let at = datum["Timestamp"].as_f64().map_or(now, |seconds| (seconds * 1000.0).round() as i64);
    let resolution = &datum["StorageResolution"];
    let checks = [
        (fits(&datum["MetricName"], 255), "without a good name"),
        (dimensions.len() <= MAX_DIMENSIONS, "over 30 dimensions"),
        (names.len() == dimensions.len(), "with a dimension twice"),
        (dimensions.iter().all(|d| fits(&d["Name"], 255)), "with a dimension without a good name"),
        (dimensions.iter().all(|d| fits(&d["Value"], 1_024)), "with a dimension without a good value"),
        (finite, "without finite values"),
        ((now - 14 * DAY..=now + 2 * HOUR).contains(&at), "out of the two weeks"),
        (resolution.is_null() || resolution == 1 || resolution == 60, "of an unknown resolution"),
        (datum["Unit"].is_null() || is_unit(text(&datum["Unit"])), "of an unknown unit"),
    ];
    checks.into_iter().filter(|(ok, _)| !ok).map(|(_, what)| what).collect()
}

/// CloudWatch takes -2^360 to 2^360.
fn is_value(value: &Value) -> bool {
    value.as_f64().is_some_and(|number| number.abs() <= 2f64.powi(360))
}

fn is_unit(name: &str) -> bool {
    let (base, per_second) = name.strip_suffix("/Second").map_or((name, false), |base| (base, true));
    let scales = ["", "Kilo", "Mega", "Giga", "Tera"];
    let sized = |what: &str| {
        let lower = what.to_lowercase();
        scales.iter().any(|scale| base == if scale.is_empty() { what.to_owned() } else { format!("{scale}{lower}") })
    };
    let never_a_rate = ["Seconds", "Microseconds", "Milliseconds", "Percent", "None"];
    base == "Count" || sized("Bytes") || sized("Bits") || (!per_second && never_a_rate.contains(&base))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}
