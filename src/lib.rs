//! Publishes a machine's metrics and logs to Amazon CloudWatch.
//!
//! One direction: source -> stage -> publish -> CloudWatch. Nothing travels backwards but fullness and acknowledgements.
//!
//! ```text
//! rank 6   commands  cli                        what a person types
//! rank 5   daemon  ops                          the only spawner: plan, wiring, sources, ordered stop; what is done for daemons
//! rank 4   aws  local                           the destinations: they implement `Put`
//! rank 3   pipeline  publish                    batches cut to the limits; put, retry, acknowledge
//! rank 2   metrics  logs  relay  spool  positions
//!                                               what is read; what waits on the disk; how far it is delivered
//! rank 1   config  telemetry                    what is wanted; what is said about ourselves
//! rank 0   model  platform                      plain data, and the traits where siblings meet; the operating system
//! ```
//!
//! A room may import rooms of a lower rank and itself, never its siblings (but `commands` takes the types of `cli`):
//! `tests/it/ranks.rs` enforces it. `docs/ARCHITECTURE.md` shows the inside of the rooms and what travels between them.
#![deny(unsafe_code)]

mod aws;
mod cli;
mod commands;
mod config;
mod daemon;
mod local;
mod logs;
mod metrics;
mod model;
mod ops;
mod pipeline;
mod platform;
mod positions;
mod publish;
mod relay;
mod spool;
mod telemetry;

use clap::Parser;
use std::process::ExitCode;

/// What takes foreign bytes, for the targets in `fuzz/`.
#[cfg(fuzzing)]
pub mod foreign {
    pub use crate::metrics::collectd::fuzz as collectd;
    pub use crate::relay::fuzz as relay_frame;
}

/// For programs that send frames to the serial relay themselves.
pub use relay::{BuildError, SendError, send as send_to_serial_relay};

/// The whole program: parse, call, print the error chain, exit code.
pub fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().collect();
    if let Some(tip) = cli::local_tip(&arguments) {
        eprintln!("error: {tip}");
        return ExitCode::from(commands::EXIT_USAGE);
    }
    // With more words behind it clap would complain of those.
    if let Some(why) = arguments.get(1).and_then(|word| commands::unknown_command(word.as_ref())) {
        eprintln!("error: {why}");
        return ExitCode::from(commands::EXIT_USAGE);
    }
    match commands::dispatch(cli::Cli::parse_from(arguments)) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
