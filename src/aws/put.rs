//! `Put` over the SDK's clients.
//!
//! A call first makes sure that there are credentials, then sends one request and waits for its answer, for a time that grows
//! with what it sends. Calls of CloudWatch Logs wait for one of so many places first ([`LOG_CALLS`]). It never retries: that is the publisher's work.
use super::{
    answer::{Expected, Listener},
    auth::{
        Shared,
        renewing::{Clock, Renewing},
    },
    base::Base,
    errors::translate,
    logs, metrics,
    skew::Skews,
};
use crate::{
    model::{LogBatch, MetricBatch, Skew, Target, Timestamp},
    publish::{Put, PutError, PutFuture, Rejected, Service},
};
use aws_sdk_cloudwatch as cloudwatch;
use aws_sdk_cloudwatchlogs as cloudwatchlogs;
use aws_sdk_cloudwatchlogs::types::{LogGroup as DescribedGroup, LogGroupClass, RejectedEntityInfo};
use aws_smithy_runtime_api::client::{orchestrator::HttpResponse, result::SdkError};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use std::{
    fmt,
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::{OnceCell, Semaphore},
    time::timeout,
};

/// How long a call may take before its body counts.
const PATIENCE: Duration = Duration::from_secs(60);
/// The slowest line that still delivers, in bytes a second: a fixed limit would never let a full batch through it.
const SLOWEST: usize = 8 * 1024;
/// What a datum takes in a request before compression, at least.
const DATUM: usize = 256;

/// Calls of CloudWatch Logs on their way at once where the configuration names no number, whatever the number of log streams: each
/// has a connection of its own, and some machines allow only a few hundred open files.
pub(super) const LOG_CALLS: usize = 16;

/// The group or the stream is there.
const EXISTS: &str = "ResourceAlreadyExistsException";

/// CloudWatch and CloudWatch Logs.
pub(super) struct Aws {
    base: Arc<Base>,
    clock: Clock,
    skews: Arc<Skews>,
    metrics: Side<cloudwatch::Client>,
    logs: Side<cloudwatchlogs::Client>,
    /// It was said that the service of some events is not taken.
    entity_refused: AtomicBool,
}

/// One service with its credentials; the client is made with the first of them.
struct Side<C> {
    service: Service,
    keys: Arc<Renewing>,
    client: OnceCell<C>,
    /// For calls on their way, first come, first served, so no lane keeps the others out.
    places: Semaphore,
}

impl<C> Side<C> {
    fn new(service: Service, keys: Arc<Renewing>, places: usize) -> Self {
        Self { service, keys, client: OnceCell::new(), places: Semaphore::new(places) }
    }
}

impl Aws {
    pub(super) fn new(
        base: Arc<Base>,
        clock: Clock,
        skews: Arc<Skews>,
        [metrics, logs]: [Arc<Renewing>; 2],
        log_calls: usize,
    ) -> Self {
        Self {
            base,
            clock,
            skews,
            // They come from one publisher, unlike logs.
            metrics: Side::new(Service::CloudWatch, metrics, Semaphore::MAX_PERMITS),
            logs: Side::new(Service::CloudWatchLogs, logs, log_calls),
            entity_refused: AtomicBool::new(false),
        }
    }

    async fn cloudwatch(&self) -> Result<&cloudwatch::Client, PutError> {
        self.metrics.keys.ready().await.map_err(|e| not_signed_in(&e))?;
        let make = || self.base.cloudwatch(Arc::clone(&self.metrics.keys).provider());
        self.metrics.client.get_or_try_init(make).await.map_err(|e| not_signed_in(&e.into()))
    }

    async fn cloudwatchlogs(&self) -> Result<&cloudwatchlogs::Client, PutError> {
        self.logs.keys.ready().await.map_err(|e| not_signed_in(&e))?;
        let make = || self.base.cloudwatchlogs(Arc::clone(&self.logs.keys).provider());
        self.logs.client.get_or_try_init(make).await.map_err(|e| not_signed_in(&e.into()))
    }

    /// To be asked about the answer of a call.
    fn listen(&self, expected: Expected) -> Listener {
        Listener { expected, skews: Arc::clone(&self.skews) }
    }

    /// Send, within the time that `bytes` need. `action` is the call's name in IAM.
    async fn call<T, E, C>(
        &self,
        side: &Side<C>,
        action: &'static str,
        bytes: usize,
        sending: impl Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    ) -> Result<T, PutError>
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let _place = side.places.acquire().await.ok();
        let limit = PATIENCE + Duration::from_secs((bytes / SLOWEST) as u64);
        let error = match timeout(limit, sending).await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(error)) => error,
            Err(elapsed) => SdkError::timeout_error(elapsed),
        };
        let put = translate(side.service, action, &error, (self.clock)());
        if matches!(put, PutError::Credentials { .. }) {
            side.keys.distrust();
        }
        Err(put)
    }

    async fn put_metrics(&self, batch: &MetricBatch) -> Result<(), PutError> {
        let data = metrics::datums(&batch.points);
        let bytes = data.len() * DATUM;
        let call = self.cloudwatch().await?.put_metric_data().namespace(&batch.namespace).set_metric_data(Some(data));
        let call = call.customize().interceptor(self.listen(Expected::Metrics));
        self.call(&self.metrics, "cloudwatch:PutMetricData", bytes, call.send()).await.map(drop)
    }

    async fn put_logs(&self, batch: &LogBatch) -> Result<Rejected, PutError> {
        if batch.is_empty() {
            return Ok(Rejected::default());
        }
        let call = self
            .cloudwatchlogs()
            .await?
            .put_log_events()
            .log_group_name(&batch.target.group)
            .log_stream_name(&batch.target.stream)
            .log_events(logs::placeholder())
            .customize()
            .interceptor(self.listen(Expected::Put))
            .mutate_request(logs::swap_in(batch.body.clone(), batch.target.emf || logs::holds_metrics(batch)));
        let answer = self.call(&self.logs, "logs:PutLogEvents", batch.body.len(), call.send()).await?;
        self.hear_of_entity(answer.rejected_entity_info(), &batch.target);
        Ok(logs::rejected(answer.rejected_log_events_info(), batch.len()))
    }

    async fn make_group(&self, target: &Target) -> Result<(), PutError> {
        let class = target.class.map(|class| LogGroupClass::from(class.as_str()));
        let call = self.cloudwatchlogs().await?.create_log_group().log_group_name(&target.group);
        let call = call.set_log_group_class(class);
        let call = call.customize().interceptor(self.listen(Expected::Made));
        self.call(&self.logs, "logs:CreateLogGroup", 0, made(call.send())).await
    }

    async fn make_stream(&self, target: &Target) -> Result<(), PutError> {
        let call = self.cloudwatchlogs().await?.create_log_stream();
        let call = call.log_group_name(&target.group).log_stream_name(&target.stream);
        let call = call.customize().interceptor(self.listen(Expected::Made));
        self.call(&self.logs, "logs:CreateLogStream", 0, made(call.send())).await
    }

    async fn keep_for(&self, target: &Target) -> Result<(), PutError> {
        let Some(days) = target.retention_in_days else { return Ok(()) };
        let call = self.cloudwatchlogs().await?.put_retention_policy();
        let call = call.log_group_name(&target.group).retention_in_days(i32::from(days));
        let call = call.customize().interceptor(self.listen(Expected::Made));
        self.call(&self.logs, "logs:PutRetentionPolicy", 0, call.send()).await.map(drop)
    }

    /// The group's retention, `None` for ever. Whoever lacks the group in the list lacks it.
    async fn kept_for(&self, target: &Target) -> Result<Option<u16>, PutError> {
        let mut next = None;
        loop {
            let call = self.cloudwatchlogs().await?.describe_log_groups();
            let call = call.log_group_name_prefix(&target.group).set_next_token(next.take());
            let call = call.customize().interceptor(self.listen(Expected::Described));
            let answer = self.call(&self.logs, "logs:DescribeLogGroups", 0, call.send()).await?;
            let named = |group: &&DescribedGroup| group.log_group_name.as_ref() == Some(&target.group);
            if let Some(group) = answer.log_groups().iter().find(named) {
                return Ok(group.retention_in_days.and_then(|days| u16::try_from(days).ok()));
            }
            // Sorted by name: the group itself comes first, but a page may be empty.
            next = answer.next_token;
            if next.is_none() || !answer.log_groups.unwrap_or_default().is_empty() {
                return Err(PutError::Missing { service: self.logs.service });
            }
        }
    }

    /// The events are stored all the same, so once is enough.
    fn hear_of_entity(&self, rejected: Option<&RejectedEntityInfo>, target: &Target) {
        let Some(rejected) = rejected else { return };
        if !self.entity_refused.swap(true, Ordering::Relaxed) {
            let (group, stream, why) = (&target.group, &target.stream, rejected.error_type.as_str());
            tracing::warn!(
                group,
                stream,
                why,
                "CloudWatch Logs stores the events but not their service: check service.name and deployment.environment"
            );
        }
    }

    /// Only what was refused; everything, where nobody said what that was.
    async fn renew_refused(&self) -> Result<(), PutError> {
        let both = [&self.metrics.keys, &self.logs.keys];
        let one_login = Arc::ptr_eq(both[0], both[1]);
        let any = both.iter().any(|keys| keys.distrusted());
        let mut outcome = Ok(());
        for keys in both.into_iter().skip(usize::from(one_login)) {
            if keys.distrusted() || !any {
                outcome = outcome.and(keys.renew().await.map_err(|e| not_signed_in(&e)));
            }
        }
        outcome
    }
}

impl Put for Aws {
    fn metrics<'a>(&'a self, batch: &'a MetricBatch) -> PutFuture<'a, ()> {
        Box::pin(self.put_metrics(batch))
    }

    fn logs<'a>(&'a self, batch: &'a LogBatch) -> PutFuture<'a, Rejected> {
        Box::pin(self.put_logs(batch))
    }

    fn create_group<'a>(&'a self, target: &'a Target) -> PutFuture<'a, ()> {
        Box::pin(self.make_group(target))
    }

    fn create_stream<'a>(&'a self, target: &'a Target) -> PutFuture<'a, ()> {
        Box::pin(self.make_stream(target))
    }

    fn set_retention<'a>(&'a self, target: &'a Target) -> PutFuture<'a, ()> {
        Box::pin(self.keep_for(target))
    }

    fn retention<'a>(&'a self, target: &'a Target) -> PutFuture<'a, Option<u16>> {
        Box::pin(self.kept_for(target))
    }

    fn renew(&self) -> PutFuture<'_, ()> {
        Box::pin(self.renew_refused())
    }

    fn skew(&self) -> Skew {
        self.skews.skew()
    }

    fn service_time(&self) -> Option<Timestamp> {
        self.skews.service_time()
    }
}

impl fmt::Debug for Aws {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Aws").field("base", &self.base).finish_non_exhaustive()
    }
}

/// There is nothing to sign with. What to do about it is said once, by the login itself.
fn not_signed_in(error: &Shared) -> PutError {
    PutError::SignIn { source: error.brief().into() }
}

/// What exists already is as good as made.
async fn made<T, E: ProvideErrorMetadata>(
    sending: impl Future<Output = Result<T, SdkError<E, HttpResponse>>>,
) -> Result<(), SdkError<E, HttpResponse>> {
    match sending.await {
        Err(e) if e.code() == Some(EXISTS) => Ok(()),
        other => other.map(drop),
    }
}

#[cfg(test)]
mod tests;
