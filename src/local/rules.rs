//! What the service would refuse: requests that break a rule whole, log events outside the accepted times one by one.
//!
//! Judged here from the request alone, without looking at how it was cut, so that a mistake shows on a desk before it
//! shows in an account. Reasons are for people; they name the first thing that is wrong.
use crate::model::{
    Dimension, LogEvent, MetricBatch, Point, Target, Timestamp,
    limits::{
        AHEAD, DIMENSION_VALUE, DIMENSIONS, EVENT_OVERHEAD, LOG_BATCH_BYTES, LOG_BATCH_EVENTS, LOG_BATCH_SPAN,
        LOG_NAME, METRIC_BATCH_POINTS, NAME, OLDEST, RETENTION_DAYS, VALUES, fits_group, fits_metric, fits_stream,
        fits_value,
    },
};
use std::{collections::HashSet, time::Duration};

const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);
/// What becomes of one log event of an accepted request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Verdict {
    Kept,
    TooOld,
    TooNew,
    /// Older than the group's retention, or than this store's.
    Expired,
}

/// Judges an event's time against `now`, where rows are kept for `retention`.
pub(super) fn verdict(at: Timestamp, now: Timestamp, retention: Duration) -> Verdict {
    if at < now.minus(OLDEST) {
        Verdict::TooOld
    } else if at < now.minus(retention) {
        Verdict::Expired
    } else if at > now.plus(AHEAD) {
        Verdict::TooNew
    } else {
        Verdict::Kept
    }
}

/// How long a group keeps its events: the shorter of its own retention and the store's.
pub(super) fn kept(group_days: Option<u16>, store: Duration) -> Duration {
    group_days.map_or(store, |days| store.min(DAY * u32::from(days)))
}

/// The rules of PutMetricData.
pub(super) fn metrics(batch: &MetricBatch, now: Timestamp) -> Result<(), String> {
    name("namespace", &batch.namespace, NAME)?;
    if batch.namespace.starts_with("AWS/") {
        return Err(format!("namespace {:?} begins with AWS/, which is reserved", batch.namespace));
    }
    match batch.points.len() {
        0 => return Err("it carries no data".into()),
        1..=METRIC_BATCH_POINTS => {}
        n => return Err(format!("{n} data in one request, {METRIC_BATCH_POINTS} are allowed")),
    }
    batch.points.iter().try_for_each(|point| datum(point, now).map_err(|why| format!("metric {:?}: {why}", point.name)))
}

fn datum(point: &Point, now: Timestamp) -> Result<(), String> {
    name("metric name", &point.name, NAME)?;
    match point.value.len() {
        0 => return Err("it has no value".to_owned()),
        1..=VALUES => {}
        n => return Err(format!("{n} values, {VALUES} are allowed")),
    }
    for (value, count) in point.value.iter() {
        if !fits_value(value) {
            return Err(format!("value {value} is not a number between -2^360 and 2^360"));
        }
        if !(count > 0.0 && fits_value(count)) {
            return Err(format!("{count} is not how often a value occurred"));
        }
    }
    if point.at < now.minus(OLDEST) {
        return Err(format!("{} is more than two weeks ago", point.at.rfc3339()));
    }
    if point.at > now.plus(AHEAD) {
        return Err(format!("{} is more than {} hours ahead", point.at.rfc3339(), AHEAD.as_secs() / HOUR.as_secs()));
    }
    dimensions(&point.dimensions)
}

fn dimensions(dimensions: &[Dimension]) -> Result<(), String> {
    if dimensions.len() > DIMENSIONS {
        return Err(format!("{} dimensions, {DIMENSIONS} are allowed", dimensions.len()));
    }
    let mut seen = HashSet::new();
    dimensions.iter().try_for_each(|dimension| {
        name("dimension name", &dimension.name, NAME)?;
        text("dimension value", &dimension.value, DIMENSION_VALUE)?;
        if seen.insert(&dimension.name) { Ok(()) } else { Err(format!("dimension {:?} twice", dimension.name)) }
    })
}

/// Text that may not begin with a colon, for the service keeps those names to itself.
fn name(what: &str, value: &str, longest: usize) -> Result<(), String> {
    if value.starts_with(':') {
        return Err(format!("{what} {value:?} begins with a colon"));
    }
    text(what, value, longest)
}

fn text(what: &str, value: &str, longest: usize) -> Result<(), String> {
    if value.trim().is_empty() {
        return Err(format!("{what} is empty"));
    }
    // Only ASCII passes below, so bytes are characters.
    if !value.chars().all(fits_metric) {
        return Err(format!("{what} {value:?} has characters other than printable ASCII"));
    }
    if value.len() > longest {
        return Err(format!("{what} of {} characters, {longest} are allowed", value.len()));
    }
    Ok(())
}

/// The rules of PutLogEvents that concern the request as a whole.
pub(super) fn events(events: &[LogEvent<'_>]) -> Result<(), String> {
    let (Some(first), Some(last)) = (events.first(), events.last()) else {
        return Err("it carries no events".into());
    };
    if events.len() > LOG_BATCH_EVENTS {
        return Err(format!("{} events in one request, {LOG_BATCH_EVENTS} are allowed", events.len()));
    }
    if events.iter().any(|event| event.message.is_empty()) {
        return Err("an event has an empty message".into());
    }
    if events.iter().any(|event| event.timestamp < 0) {
        return Err("an event is from before 1970".into());
    }
    let bytes: usize = events.iter().map(|event| event.message.len() + EVENT_OVERHEAD).sum();
    if bytes > LOG_BATCH_BYTES {
        return Err(format!("{bytes} bytes in one request (26 more an event), {LOG_BATCH_BYTES} are allowed"));
    }
    if !events.is_sorted_by_key(|event| event.timestamp) {
        return Err("its events are not in the order of their times".into());
    }
    let span = Timestamp::from_millis(last.timestamp).since(Timestamp::from_millis(first.timestamp));
    if span > LOG_BATCH_SPAN {
        return Err(format!("its events span {} hours, 24 are allowed", span.as_secs() / HOUR.as_secs()));
    }
    Ok(())
}

/// The rules for a group's name.
pub(super) fn group(target: &Target) -> Result<(), String> {
    let name = &target.group;
    if name.is_empty() || !name.chars().all(fits_group) {
        return Err(format!("log group {name:?} may have letters, digits and . _ - / # only, and at least one"));
    }
    if name.len() > LOG_NAME {
        return Err(format!("log group name of {} characters, {LOG_NAME} are allowed", name.len()));
    }
    if name.starts_with("aws/") {
        return Err(format!("log group {name:?} begins with aws/, which is reserved"));
    }
    Ok(())
}

/// The rules for a stream's name.
pub(super) fn stream(target: &Target) -> Result<(), String> {
    let name = &target.stream;
    if name.is_empty() || !name.chars().all(fits_stream) {
        return Err(format!("log stream {name:?} may have any character but : and *, and at least one"));
    }
    match name.chars().count() {
        ..=LOG_NAME => Ok(()),
        n => Err(format!("log stream name of {n} characters, {LOG_NAME} are allowed")),
    }
}

/// Only certain numbers of days are offered.
pub(super) fn retention(days: u16) -> Result<(), String> {
    if RETENTION_DAYS.contains(&days) { Ok(()) } else { Err(format!("a retention of {days} days is not offered")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Resolution, Unit};
    use std::sync::Arc;

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    fn point() -> Point {
        Point {
            name: "Load".into(),
            value: 1.0.into(),
            unit: Unit::None,
            at: NOW,
            dimensions: Arc::from([Dimension::new("Hostname", "h")]),
            resolution: Resolution::Minute,
        }
    }

    fn judged(change: impl FnOnce(&mut Point)) -> Result<(), String> {
        let mut point = point();
        change(&mut point);
        metrics(&MetricBatch { namespace: "System".into(), points: vec![point] }, NOW)
    }

    fn refusal(result: Result<(), String>, part: &str) {
        let why = result.expect_err(part);
        assert!(why.contains(part), "{why:?} does not say {part:?}");
    }

    #[test]
    fn values_that_the_service_cannot_hold_are_refused() {
        assert_eq!(judged(|p| p.value = (-2f64.powi(360)).into()), Ok(()));
        for value in [f64::NAN, f64::INFINITY, 2f64.powi(361)] {
            refusal(judged(|p| p.value = value.into()), "2^360");
        }
    }

    #[test]
    fn data_of_two_weeks_ago_to_two_hours_ahead_are_taken() {
        assert_eq!(judged(|p| p.at = NOW.minus(OLDEST)), Ok(()));
        assert_eq!(judged(|p| p.at = NOW.plus(AHEAD)), Ok(()));
        refusal(judged(|p| p.at = NOW.minus(OLDEST).minus(Duration::from_millis(1))), "two weeks");
        refusal(judged(|p| p.at = NOW.plus(AHEAD).plus(Duration::from_millis(1))), "2 hours ahead");
    }

    #[test]
    fn names_and_dimensions_have_their_limits() {
        refusal(judged(|p| p.name = "".into()), "metric name is empty");
        refusal(judged(|p| p.name = ":x".into()), "colon");
        refusal(judged(|p| p.name = "x".repeat(256).into()), "256 characters");
        refusal(judged(|p| p.dimensions = Arc::from([Dimension::new("a", " ")])), "value is empty");
        refusal(judged(|p| p.dimensions = Arc::from([Dimension::new("a", "é")])), "ASCII");
        refusal(judged(|p| p.dimensions = Arc::from([Dimension::new("a", "x".repeat(1025))])), "1025");
        refusal(judged(|p| p.dimensions = Arc::from([Dimension::new("a", "1"), Dimension::new("a", "2")])), "twice");
        let many: Vec<_> = (0..31).map(|i| Dimension::new(format!("d{i}"), "v")).collect();
        refusal(judged(|p| p.dimensions = Arc::from(&many[..])), "31 dimensions");
        assert_eq!(judged(|p| p.dimensions = Arc::from(&many[..30])), Ok(()));
    }

    #[test]
    fn a_metric_request_has_a_namespace_of_its_own_and_a_thousand_data_at_most() {
        let of = |namespace: &str, n| MetricBatch { namespace: namespace.into(), points: vec![point(); n] };
        assert_eq!(metrics(&of("System", 1000), NOW), Ok(()));
        refusal(metrics(&of("System", 1001), NOW), "1001 data");
        refusal(metrics(&of("System", 0), NOW), "no data");
        refusal(metrics(&of("AWS/EC2", 1), NOW), "reserved");
        refusal(metrics(&of("", 1), NOW), "namespace is empty");
    }

    fn event(timestamp: i64, message: &str) -> LogEvent<'_> {
        LogEvent { timestamp, message: message.into() }
    }

    #[test]
    fn a_log_request_is_bounded_in_events_bytes_order_and_span() {
        let day = 86_400_000;
        assert_eq!(events(&[event(0, "a"), event(day, "b")]), Ok(()));
        refusal(events(&[event(0, "a"), event(day + 1, "b")]), "24 are allowed");
        refusal(events(&[event(1, "a"), event(0, "b")]), "order");
        refusal(events(&[event(0, "")]), "empty message");
        refusal(events(&[event(-1, "a")]), "1970");
        refusal(events(&[]), "no events");
        let many: Vec<_> = (0..10_001).map(|i| event(i, "x")).collect();
        assert_eq!(events(&many[1..]), Ok(()));
        refusal(events(&many), "10001 events");
        let most = "x".repeat(LOG_BATCH_BYTES - EVENT_OVERHEAD);
        assert_eq!(events(&[event(0, &most)]), Ok(()));
        refusal(events(&[event(0, &format!("{most}x"))]), "bytes");
    }

    #[test]
    fn event_times_are_judged_one_by_one() {
        let week = DAY * 7;
        let at = |by: Duration| verdict(NOW.minus(by), NOW, week);
        assert_eq!(at(week), Verdict::Kept);
        assert_eq!(at(week + HOUR), Verdict::Expired);
        assert_eq!(at(OLDEST + HOUR), Verdict::TooOld);
        assert_eq!(verdict(NOW.plus(AHEAD), NOW, week), Verdict::Kept);
        assert_eq!(verdict(NOW.plus(AHEAD + HOUR), NOW, week), Verdict::TooNew);
    }

    #[test]
    fn the_shorter_retention_counts() {
        assert_eq!(kept(None, DAY * 2), DAY * 2);
        assert_eq!(kept(Some(1), DAY * 2), DAY);
        assert_eq!(kept(Some(7), DAY * 2), DAY * 2);
    }

    #[test]
    fn group_and_stream_names_follow_the_service() {
        let target =
            |group: &str, stream: &str| Target { group: group.into(), stream: stream.into(), ..Target::default() };
        assert_eq!(group(&target("/var/log_a-b.c#1", "")), Ok(()));
        refusal(group(&target("a b", "")), "log group");
        refusal(group(&target("aws/x", "")), "reserved");
        refusal(group(&target(&"g".repeat(513), "")), "513");
        assert_eq!(stream(&target("", "höst 1")), Ok(()));
        refusal(stream(&target("", "a:b")), "log stream");
        refusal(stream(&target("", &"s".repeat(513))), "513");
        assert_eq!(retention(14), Ok(()));
        refusal(retention(31), "31 days");
    }
}
