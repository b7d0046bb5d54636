//! Polled host metrics.
