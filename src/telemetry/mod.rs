//! What the daemon says about itself: its own log, its counters, and the snapshot that `status` shows.
pub mod board;
pub mod counters;
pub mod log;
