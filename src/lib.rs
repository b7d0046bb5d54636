//! Publishes a machine's metrics and logs to Amazon CloudWatch.
#![deny(unsafe_code)]
#![allow(dead_code, unused_imports)] // while the rooms are being furnished

mod aws;
mod commands;
mod config;
mod daemon;
mod local;
mod logs;
mod metrics;
mod model;
mod pipeline;
mod platform;
mod positions;
mod publish;
mod spool;
mod telemetry;
