//! What a destination must be able to do, and why it may not have done it.
use crate::model::{LogBatch, MetricBatch, Skew, Target, Timestamp};
use std::{fmt, future::Future, ops::Range, pin::Pin, time::Duration};

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
    /// DescribeLogGroups: the days for which the group keeps its events; `None`: for ever. Where nobody else sets it, it is what
    /// is wanted.
    fn retention<'a>(&'a self, target: &'a Target) -> PutFuture<'a, Option<u16>> {
        Box::pin(async { Ok(target.retention_in_days) })
    }
    /// Fetch fresh credentials now: the ones in use were refused. Several callers at once share one renewal.
    fn renew(&self) -> PutFuture<'_, ()>;
    /// How far its clock is ahead of this host's, as its answers told. Zero where nothing is known.
    fn skew(&self) -> Skew {
        Skew::default()
    }
    /// What its clock shows now; `None` where no answer has told, or this host's clock was set or halted since.
    fn service_time(&self) -> Option<Timestamp> {
        None
    }
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

    /// The places of those in a batch of `events`. The too old stand at the front, the expired behind them and the too new
    /// at the end, since a batch is in the order of its times.
    pub fn places(self, events: usize) -> RejectedPlaces {
        let too_old = self.too_old.min(events);
        let kept = (too_old + self.expired).min(events);
        RejectedPlaces {
            too_old: 0..too_old,
            expired: too_old..kept,
            too_new: events.saturating_sub(self.too_new).max(kept)..events,
        }
    }
}

/// Which events a service did not keep.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RejectedPlaces {
    pub too_old: Range<usize>,
    pub expired: Range<usize>,
    pub too_new: Range<usize>,
}

impl RejectedPlaces {
    /// Whether the event at `place` is one of them.
    pub fn contains(&self, place: usize) -> bool {
        [&self.too_old, &self.expired, &self.too_new].into_iter().any(|range| range.contains(&place))
    }
}

/// Who refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Service {
    CloudWatch,
    CloudWatchLogs,
    Local,
    /// Of a dry run.
    Output,
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CloudWatch => "CloudWatch",
            Self::CloudWatchLogs => "CloudWatch Logs",
            Self::Local => "the embedded CloudWatch",
            Self::Output => "standard output",
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
    /// Whatever answered, AWS did not: a proxy, a gateway, a captive portal. Says nothing about the batch, whatever its status.
    #[error("a proxy or gateway answered, not {service}")]
    Intercepted { service: Service, after: Option<Duration>, source: BoxError },
    /// There is nothing to sign a request with, so none was sent. Signing in has its own pauses: trying again costs nothing.
    #[error("not signed in to AWS")]
    SignIn { source: BoxError },
    /// Expired, unknown or wrongly signed keys.
    #[error("{service} refused our credentials")]
    Credentials { service: Service, source: BoxError },
    /// The keys are good but the policy does not allow `action`.
    #[error("{service} does not allow {action}: add it to the policy of this identity")]
    Denied { service: Service, action: &'static str, source: BoxError },
    /// It cannot now: somebody else changes the same thing (a group that is being deleted), or an account's limit is reached.
    #[error("{service} cannot do {action} now")]
    NotNow { service: Service, action: &'static str, source: BoxError },
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
    /// Whether another target may fare better; otherwise it is the service, the way there, or this host.
    pub fn is_about_target(&self) -> bool {
        match self {
            Self::Denied { .. } | Self::NotNow { .. } | Self::Missing { .. } | Self::Refused { .. } => true,
            Self::Throttled { .. }
            | Self::Unreachable { .. }
            | Self::Failed { .. }
            | Self::Intercepted { .. }
            | Self::SignIn { .. }
            | Self::Credentials { .. } => false,
        }
    }

    /// What to do. No wildcard: a new cause must choose.
    pub fn next(&self) -> Next {
        match self {
            Self::Throttled { after, .. } | Self::Intercepted { after, .. } => Next::Retry(*after),
            Self::Unreachable { .. } | Self::Failed { .. } | Self::SignIn { .. } => Next::Retry(None),
            Self::Credentials { .. } => Next::RenewThenRetry,
            Self::Denied { .. } | Self::NotNow { .. } => Next::RetrySeldom,
            Self::Missing { .. } => Next::CreateThenRetry,
            Self::Refused { .. } => Next::SetAside,
        }
    }
}
