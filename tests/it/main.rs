//! The daemon through its front door: the real binary, a pretended AWS, no sleeps. One binary for all stories.
//!
//! Unix only: the stories stop the daemon by signals and rename files that it holds open.
#![cfg(unix)]

mod support;

mod beyond;
mod clock;
mod collectd;
mod commands;
mod crash;
mod delivery;
mod deploy;
mod ec2monitoring;
mod facts;
mod fifos;
mod first_steps;
mod first_success;
mod groups;
mod host_metrics;
mod infrastructure;
mod installers;
mod iot;
mod journal;
mod launcher;
mod lifecycle;
mod moto;
mod names;
#[cfg(target_os = "linux")]
mod notify;
mod outage;
mod packages;
mod patterns;
mod permissions;
mod poison;
mod policies;
mod processes;
mod promises;
mod ranks;
mod received;
mod relay;
#[cfg(target_os = "linux")]
mod service;
mod several_files;
mod signing_in;
mod state;
mod statsd;
#[cfg(target_os = "linux")]
mod systemd;
mod text;
