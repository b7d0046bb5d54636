//! From points and chunks to batches that the service accepts.
//!
//! Owns the limits of the two Put calls and cuts by them, so that nothing is ever re-cut later. Knows nothing of
//! retrying or of where batches go. A slow publisher makes `send` wait here, the channel in front of us fills, and each
//! source does what its own docs promise.
mod bodies;
mod draft;
mod escape;
pub mod limits;
mod logs;
mod metrics;

pub use bodies::BodyPool;
pub use logs::{Lane, batch_logs};
pub use metrics::batch_metrics;
