//! What the daemon says about itself: its own log, its counters, and the snapshot that `status` shows.
pub mod board;
mod chain;
pub mod counters;
pub mod listening;
pub mod log;

pub use chain::{chain, chain_without, gist};
