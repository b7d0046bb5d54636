//! One file per subcommand: the only users of anyhow and of standard output.
//!
//! Results go to standard output, everything else to standard error. Exit codes: 0 done, 1 failed while running,
//! 2 wrong usage (clap's own), 78 configuration invalid (`EX_CONFIG` of sysexits.h: a service manager must not restart on it).
pub mod local;
pub mod run;
pub mod status;
pub mod validate;

use crate::{
    cli::{Cli, Command},
    config,
};
use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

/// The configuration is invalid.
pub const EXIT_CONFIG: u8 = 78;

/// Do what the command line says.
///
/// # Errors
/// Whatever went wrong, as a chain for people.
pub fn dispatch(cli: Cli) -> anyhow::Result<ExitCode> {
    match cli.command {
        None => run::run(&cli.run),
        Some(Command::Run(arguments)) => run::run(&arguments),
        Some(Command::Validate(arguments)) => validate::run(&arguments.configs, arguments.strict, arguments.json),
        Some(Command::Status(arguments)) => {
            status::run(&config_or_default(arguments.config.as_deref()), arguments.json)
        }
        Some(Command::Local(arguments)) => local::run(arguments),
    }
}

fn config_or_default(given: Option<&Path>) -> PathBuf {
    given.unwrap_or(Path::new(config::DEFAULT_PATH)).to_path_buf()
}
