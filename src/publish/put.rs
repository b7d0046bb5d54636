//! What a destination must be able to do, and why it may not have done it.
use crate::model::{LogBatch, MetricBatch, Target};
use std::{fmt, future::Future, pin::Pin, time::Duration};

/// The cause under an error, kept for the chain that is printed.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;
/// What the calls of [`Put`] return: boxed, so that one daemon serves any destination.
pub type PutFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, PutError>> + Send + 'a>>;

/// A destination: CloudWatch itself, the embedded one, or a printer. One call is one request; retrying is `publish`'s work.
pub trait Put: Send + Sync {
    /// PutMetricData.
    fn metrics<'a>(&'a self, batch: &'a MetricBatch) -> PutFuture<'a, ()>;
    /// PutLogEvents.
    fn logs<'a>(&'a self, batch: &'a LogBatch) -> PutFuture<'a, Rejected>;
    /// CreateLogGroup; a group that exists already is a success.
    fn create_group<'a>(&'a self, target: &'a Target) -> PutFuture<'a, ()>;
    /// CreateLogStream; a stream that exists already is a success.
    fn create_stream<'a>(&'a self, target: &'a Target) -> PutFuture<'a, ()>;
    /// PutRetentionPolicy with the target's `retention_in_days`.
    fn set_retention<'a>(&'a self, target: &'a Target) -> PutFuture<'a, ()>;
    /// Fetch fresh credentials now: the ones in use were refused. Several callers at once share one renewal.
    fn renew(&self) -> PutFuture<'_, ()>;
}

/// Events of an accepted PutLogEvents that the service did not keep (`rejectedLogEventsInfo`), as counts.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Rejected {
    pub too_old: usize,
    pub too_new: usize,
    pub expired: usize,
}

impl Rejected {
    /// All of them.
    pub fn total(self) -> usize {
        self.too_old + self.too_new + self.expired
    }
}

/// Who refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Service {
    CloudWatch,
    CloudWatchLogs,
    Local,
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CloudWatch => "CloudWatch",
            Self::CloudWatchLogs => "CloudWatch Logs",
            Self::Local => "the embedded CloudWatch",
        })
    }
}

/// Why the destination does not have the batch.
#[derive(Debug, thiserror::Error)]
pub enum PutError {
    #[error("{service} asked us to slow down")]
    Throttled { service: Service, after: Option<Duration> },
    #[error("{service} could not be reached")]
    Unreachable { service: Service, source: BoxError },
    #[error("{service} failed on its side")]
    Failed { service: Service, source: BoxError },
    /// There is nothing to sign a request with, so none was sent. Signing in has its own pauses: trying again costs nothing.
    #[error("not signed in to AWS")]
    SignIn { source: BoxError },
    /// Expired, unknown or wrongly signed keys.
    #[error("{service} refused our credentials")]
    Credentials { service: Service, source: BoxError },
    /// The keys are good but the policy does not allow `action`.
    #[error("{service} does not allow {action}: add it to the policy of this identity")]
    Denied { service: Service, action: &'static str, source: BoxError },
    /// The log group or the log stream does not exist.
    #[error("{service} has no such log group or log stream")]
    Missing { service: Service },
    /// The request is bad and stays bad: an invalid event among good ones, or a batch over a limit.
    #[error("{service} will never take this batch: {reason}")]
    Refused { service: Service, reason: String },
}

/// What to do about a [`PutError`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Next {
    /// Try the same batch again, after the service's own hint if it gave one.
    Retry(Option<Duration>),
    /// Only a person can mend it; keep trying, seldom.
    RetrySeldom,
    RenewThenRetry,
    CreateThenRetry,
    /// Find the event that is to blame, set it aside and send the rest.
    SetAside,
}

impl PutError {
    /// What to do. No wildcard: a new cause must choose.
    pub fn next(&self) -> Next {
        match self {
            Self::Throttled { after, .. } => Next::Retry(*after),
            Self::Unreachable { .. } | Self::Failed { .. } | Self::SignIn { .. } => Next::Retry(None),
            Self::Credentials { .. } => Next::RenewThenRetry,
            Self::Denied { .. } => Next::RetrySeldom,
            Self::Missing { .. } => Next::CreateThenRetry,
            Self::Refused { .. } => Next::SetAside,
        }
    }
}
