//! From points and chunks to batches that the service accepts.
//!
//! Cuts by the limits of the two Put calls, so that no batch is too large later (one that is refused is halved to find the event that is to blame). Knows nothing of
//! retrying or of where batches go. A slow publisher makes `send` wait here, the channel in front of us fills, and each
//! source does what its own docs promise.
mod bodies;
mod draft;
mod escape;
mod logs;
mod metrics;

pub use bodies::BodyPool;
pub use logs::{Lane, batch_logs};
pub use metrics::{Packing, Rules, repack as repack_metrics, run as pack_metrics};
