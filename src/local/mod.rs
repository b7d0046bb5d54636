//! The embedded CloudWatch.
