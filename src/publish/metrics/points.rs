//! One attempt at a metric batch, in as many calls as refused points make it need.
//!
//! A point whose time the service does not take, because this host's clock is wrong, goes out with the time that the service's
//! clock had then. Only on the wire: what waits keeps the time of this host, and may be sent again by another correction.
use crate::{
    model::{
        MetricBatch, Skew, Timestamp,
        limits::{AHEAD, OLDEST},
    },
    publish::{Put, PutError},
    telemetry::counters,
};
use std::borrow::Cow;

/// Why a batch is not delivered, and what is left of it.
pub(super) struct Unsent {
    pub error: PutError,
    pub rest: MetricBatch,
}

/// Put the batch. Where the service refuses it, halve it until the points that are to blame stand alone; those are
/// dropped, named and counted: no request with them will ever be taken.
pub(super) async fn put_points(put: &dyn Put, batch: MetricBatch) -> Result<(), Unsent> {
    let (mut parts, mut relearned) = (vec![batch], false);
    while let Some(mut part) = parts.pop() {
        let (sent, corrected) = on_time(&part, put.skew());
        match put.metrics(&sent).await {
            Ok(()) => {
                counters::METRIC_REQUESTS.add(1);
                counters::POINTS_DELIVERED.add(part.points.len() as u64);
                counters::POINTS_CORRECTED.add(corrected as u64);
            }
            // The refusal itself may have told the time. Once: a service that does not know its own must not hold us here.
            Err(PutError::Refused { .. }) if !relearned && on_time(&part, put.skew()).1 != corrected => {
                relearned = true;
                parts.push(part);
            }
            Err(PutError::Refused { reason, .. }) if part.points.len() <= 1 => {
                let metric = part.points.first().map_or("", |p| &p.name);
                tracing::warn!(metric, reason, "dropped a metric point that CloudWatch will never take");
                counters::POINTS_REFUSED.add(1);
            }
            Err(PutError::Refused { .. }) => {
                let points = part.points.split_off(part.points.len() / 2);
                parts.extend([MetricBatch { namespace: part.namespace.clone(), points }, part]);
            }
            Err(error) => {
                // The parts that come later stand before the ones that come next.
                let rest = parts.into_iter().rev().flat_map(|later| later.points);
                part.points.extend(rest);
                return Err(Unsent { error, rest: part });
            }
        }
    }
    Ok(())
}

/// The batch with times that a service takes whose clock is ahead of ours by `skew`, and how many were corrected for that.
fn on_time(batch: &MetricBatch, skew: Skew) -> (Cow<'_, MetricBatch>, usize) {
    let now = Timestamp::now().shifted(skew);
    let takes = |at: Timestamp| at.since(now) <= AHEAD && now.since(at) <= OLDEST;
    let wants = |at: Timestamp| !takes(at) && takes(at.shifted(skew));
    let corrected = batch.points.iter().filter(|point| wants(point.at)).count();
    if corrected == 0 {
        return (Cow::Borrowed(batch), 0);
    }
    let mut batch = batch.clone();
    for point in batch.points.iter_mut().filter(|point| wants(point.at)) {
        point.at = point.at.shifted(skew);
    }
    (Cow::Owned(batch), corrected)
}
