//! Take a batch, put it, acknowledge it: everything between a cut batch and a moved position.
//!
//! Owns retrying: [`PutError::next`] says what an error asks for, `logs` and `metrics` do it. Log batches wait for as long
//! as it takes, since their lines stand safely in their sources; a group that was made gets its `retention` beside them.
//! Metric batches that cannot be sent go to the spool.
mod backoff;
mod dead_letter;
mod logs;
mod metrics;
mod pace;
mod put;
mod report;
mod retention;
#[cfg(test)]
pub mod scripted;

pub use backoff::Backoff;
pub use dead_letter::DeadLetters;
pub use logs::{Acknowledge, LogPublisher};
pub use metrics::MetricPublisher;
pub use pace::Pace;
pub use put::{BoxError, Next, Put, PutError, PutFuture, Rejected, Service};
pub use report::Report;
pub use retention::Retention;

pub use crate::telemetry::chain;
