//! `config`: what is done with configurations. One file for each verb.
mod answers;
mod create;

use crate::cli;
use std::process::ExitCode;

/// Do it, and say what came of it.
///
/// # Errors
/// When it cannot be done, with what to do.
pub fn run(arguments: &cli::Config) -> anyhow::Result<ExitCode> {
    match arguments {
        cli::Config::Create(arguments) => create::run(arguments),
    }
}
