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
mod ec2monitoring;
mod facts;
mod fifos;
mod first_steps;
mod groups;
mod host_metrics;
mod iot;
mod journal;
mod launcher;
mod lifecycle;
mod moto;
mod names;
mod outage;
mod packages;
mod patterns;
mod permissions;
mod poison;
mod processes;
mod promises;
mod ranks;
mod received;
mod relay;
mod several_files;
mod signing_in;
mod state;
mod statsd;
mod text;
