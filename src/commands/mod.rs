//! One file per subcommand: the only users of anyhow and of standard output.
//!
//! Results go to standard output, everything else to standard error. Exit codes: 0 done, 1 failed while running,
//! 2 wrong usage (clap's own), 78 configuration invalid (`EX_CONFIG` of sysexits.h: a service manager must not restart on it).
pub mod config;
pub mod deploy;
pub mod destroy;
pub mod iam_policy;
pub mod local;
pub mod relay;
pub mod run;
pub mod service;
pub mod status;
mod table;
pub mod validate;

use crate::{
    cli::{Cli, Command},
    config::{self as configuration, Settings},
};
use clap::CommandFactory;
use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

/// The configuration is invalid.
pub const EXIT_CONFIG: u8 = 78;

/// The command line is wrong: the code that clap uses.
pub const EXIT_USAGE: u8 = 2;

/// Do what the command line says.
///
/// # Errors
/// Whatever went wrong, as a chain for people.
pub fn dispatch(cli: Cli) -> anyhow::Result<ExitCode> {
    match cli.command {
        None => match cli.run.config.as_deref().and_then(unknown_command) {
            Some(why) => {
                eprintln!("error: {why}");
                Ok(ExitCode::from(EXIT_USAGE))
            }
            None => run::run(&cli.run),
        },
        Some(Command::Run(arguments)) => run::run(&arguments),
        Some(Command::Validate(arguments)) => validate::run(&arguments.configs, arguments.strict, arguments.json),
        Some(Command::Status(arguments)) => status::run(&arguments),
        Some(Command::Config(arguments)) => self::config::run(&arguments),
        Some(Command::Local(arguments)) => local::run(arguments),
        Some(Command::Service(arguments)) => service::run(&arguments),
        Some(Command::Relay(arguments)) => relay::run(arguments),
        Some(Command::Deploy(arguments)) => deploy::run(&arguments),
        Some(Command::Destroy(arguments)) => destroy::run(&arguments),
        Some(Command::IamPolicy(arguments)) => iam_policy::run(&arguments),
    }
}

/// What to say about a bare word that is no file: whoever writes `staus` means a command.
pub fn unknown_command(word: &Path) -> Option<String> {
    let text = word.to_str()?;
    let is_word = !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    if !is_word || text.starts_with('-') || word.exists() {
        return None;
    }
    let cli = Cli::command();
    let names: Vec<&str> = cli.get_subcommands().map(clap::Command::get_name).collect();
    if names.contains(&text) || text == "help" {
        return None;
    }
    Some(match configuration::nearest(text, names.iter().copied()) {
        Some(near) => format!("there is no command and no file `{text}`; did you mean `{near}`?"),
        None => format!("there is no command and no file `{text}`; the commands are {}", names.join(", ")),
    })
}

fn config_or_default(given: Option<&Path>) -> PathBuf {
    given.map_or_else(configuration::default_path, Path::to_path_buf)
}

/// The settings of a configuration; `None` after saying on standard error why there are none.
fn settings_of(config: &Path) -> Option<Settings> {
    let loaded = configuration::load(config);
    if loaded.settings.is_none() {
        loaded.findings.iter().for_each(|finding| eprintln!("{finding:#}"));
    }
    loaded.settings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_that_is_no_file_is_taken_for_a_command() {
        let said = |word: &str| unknown_command(Path::new(word));
        assert!(said("staus").is_some_and(|why| why.contains("did you mean `status`?")));
        let all = "run, validate, status, config, local, service, relay, deploy, destroy, iam-policy";
        assert!(said("xyzzy").is_some_and(|why| why.contains(all)));
        for path in ["my.json", "./staus", "src", "configs/local.json", "status", "help", "--dry-run", "-h"] {
            assert_eq!(said(path), None);
        }
    }
}
