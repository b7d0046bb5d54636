//! One attempt at a metric batch, in as many calls as refused points make it need.
use crate::{
    model::MetricBatch,
    publish::{Put, PutError},
    telemetry::counters,
};

/// Why a batch is not delivered, and what is left of it.
pub(super) struct Unsent {
    pub error: PutError,
    pub rest: MetricBatch,
}

/// Put the batch. Where the service refuses it, halve it until the points that are to blame stand alone; those are
/// dropped, named and counted: no request with them will ever be taken.
pub(super) async fn put_points(put: &dyn Put, batch: MetricBatch) -> Result<(), Unsent> {
    let mut parts = vec![batch];
    while let Some(mut part) = parts.pop() {
        match put.metrics(&part).await {
            Ok(()) => {
                counters::METRIC_REQUESTS.add(1);
                counters::POINTS_DELIVERED.add(part.points.len() as u64);
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
