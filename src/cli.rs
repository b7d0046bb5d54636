//! The command line: what is accepted, and what `--help` says. Nothing is done here.
mod config;
mod iam_policy;

pub use config::{Config, Create};
pub use iam_policy::IamPolicy;

use clap::{Args, Parser, Subcommand};
use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    time::Duration,
};

/// Publishes this machine's metrics and logs to Amazon CloudWatch.
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Option<Command>,
    #[command(flatten)]
    pub run: Run,
}

/// What to do. Without a command the daemon runs.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the daemon in the foreground
    Run(Run),
    /// Check configurations: every finding at once, exit code 78 when one is an error
    Validate(Validate),
    /// Ask the running daemon how it is doing
    Status(Status),
    /// Make a configuration
    #[command(subcommand)]
    Config(Config),
    /// Read the embedded CloudWatch
    #[command(subcommand)]
    Local(Local),
    /// Install, start, stop and list our services (systemd, launchd, Windows)
    #[command(subcommand)]
    Service(Service),
    /// Send frames to the serial relay of an EC2 Mac, or see what comes out of its device
    #[command(subcommand)]
    Relay(Relay),
    /// Make in AWS what machines sign in to, and give each new machine of a list its login
    Deploy(Deploy),
    /// Remove from AWS what `deploy` made, after asking
    Destroy(Destroy),
    /// Print the least IAM policy with which configurations run; what no policy can say goes to standard error
    IamPolicy(IamPolicy),
}

/// Arguments of `run`.
#[derive(Args, Debug)]
pub struct Run {
    #[arg(help = with_default("The configuration: a file, or a folder of files", ""))]
    pub config: Option<PathBuf>,
    /// Publish to the embedded CloudWatch (in DIR) instead of AWS: no account, no root, no network
    #[arg(long, value_name = "DIR", num_args = 0..=1, require_equals = true)]
    pub local: Option<Option<PathBuf>>,
    /// Print each request as a line of JSON instead of sending it; positions are not moved
    #[arg(long, conflicts_with = "local")]
    pub dry_run: bool,
    /// Collect once, publish, ship what the logs hold, and exit
    #[arg(long)]
    pub once: bool,
}

/// Arguments of `validate`.
#[derive(Args, Debug)]
pub struct Validate {
    #[arg(help = with_default("The configurations: files, or folders of files", ""))]
    pub configs: Vec<PathBuf>,
    /// Let warnings count as errors
    #[arg(long)]
    pub strict: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `status`.
#[derive(Args, Debug)]
pub struct Status {
    #[arg(help = with_default("The configuration of the daemon", ""))]
    pub config: Option<PathBuf>,
    /// Ask the daemon that publishes to the embedded CloudWatch (in DIR) [default: whichever of the two runs]
    #[arg(long, value_name = "DIR", num_args = 0..=1, require_equals = true)]
    pub local: Option<Option<PathBuf>>,
    /// Wait until the first data have arrived, or could not, but no longer than so many seconds
    #[arg(long, value_name = "SECONDS")]
    pub wait: Option<u32>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// What to read from the embedded CloudWatch.
#[derive(Debug, Subcommand)]
pub enum Local {
    /// The metrics, or the points of one
    Metrics {
        /// Only this metric
        name: Option<String>,
        /// How far to look back: 90s, 30m, 1h, 2d
        #[arg(long, default_value = "1h", value_parser = parse_since)]
        since: Duration,
        /// One JSON document a line
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        store: Store,
    },
    /// The log groups, or the events of one
    Logs {
        /// Only this group
        group: Option<String>,
        /// Only this stream
        stream: Option<String>,
        /// How far to look back: 90s, 30m, 1h, 2d [default: all]
        #[arg(long, value_parser = parse_since)]
        since: Option<Duration>,
        /// One JSON document a line
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        store: Store,
    },
}

/// What to do with our services: those of the service manager of this system.
#[derive(Debug, Subcommand)]
pub enum Service {
    /// Make the daemon a service of this system, and start it; or start it anew with the service file of this version
    Install(Root),
    /// Stop the daemon, and let the service manager forget it
    Uninstall(Root),
    /// Start a service, now and whenever the machine starts
    Enable {
        /// Its name [default: that of the publisher]
        name: Option<String>,
    },
    /// Stop a service, now and for the next starts of the machine
    Disable {
        /// Its name [default: that of the publisher]
        name: Option<String>,
    },
    /// What our services are doing
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// What one service is doing: exit code 0 when it runs
    Status {
        /// Its name [default: that of the publisher]
        name: Option<String>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

/// Of which system.
#[derive(Args, Debug)]
pub struct Root {
    /// The root folder of another system: only the service file is written there, or removed
    #[arg(long, value_name = "DIR")]
    pub root: Option<PathBuf>,
}

/// Which embedded store.
#[derive(Args, Debug)]
pub struct Store {
    /// The folder of the store [default: the configuration's]
    #[arg(long, value_name = "DIR", conflicts_with = "config")]
    pub folder: Option<PathBuf>,
    #[arg(help = with_default("The configuration whose store is meant", ", else none"))]
    #[arg(long, value_name = "CONFIG")]
    pub config: Option<PathBuf>,
}

/// What to do with frames of the serial relay.
#[derive(Debug, Subcommand)]
pub enum Relay {
    /// Send one frame to the relay's socket
    Send {
        /// What kind of data it is, as its reader knows it
        #[arg(long)]
        tag: String,
        /// Compress the data
        #[arg(long)]
        compress: bool,
        /// The socket of the relay
        #[arg(long, value_name = "PATH", default_value = crate::config::serial_relay::SOCKET)]
        socket: PathBuf,
        /// The data; `-` reads it from standard input, and none is empty data
        #[arg(allow_negative_numbers = true)]
        data: Option<OsString>,
    },
    /// Read frames from a serial device and print what is in them, until it ends
    Listen {
        /// The device, or the other side of the relay's
        device: PathBuf,
        /// One JSON document a line
        #[arg(long)]
        json: bool,
        /// End after so many lines, frames or not
        #[arg(long, value_name = "LINES", value_parser = clap::value_parser!(u64).range(1..))]
        count: Option<u64>,
    },
}

/// Which stack, and where.
#[derive(Args, Debug)]
pub struct Place {
    /// The login by certificates of AWS IoT instead of passwords
    #[arg(long)]
    pub iot: bool,
    /// The CloudFormation stack [default: amazon-cloudwatch-publisher, with --iot amazon-cloudwatch-publisher-iot]
    #[arg(long, value_name = "NAME", value_parser = parse_stack)]
    pub stack: Option<String>,
    /// The AWS region [default: that of the environment or the AWS profile]
    #[arg(long)]
    pub region: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `deploy`.
#[derive(Args, Debug)]
pub struct Deploy {
    #[command(flatten)]
    pub place: Place,
    /// The list of machines, an instance id (PREFIX-SERIAL) on each line [default: systems.txt, where there is one]
    #[arg(long, value_name = "FILE")]
    pub systems: Option<PathBuf>,
    /// The log groups that machines may write to, with commas between and * for any text [default: /system/*, or as it was]
    #[arg(long, value_name = "NAMES")]
    pub log_groups: Option<String>,
    /// The namespaces that machines may publish to, with commas between and * for any text [default: System/*, or as it was]
    #[arg(long, value_name = "NAMES")]
    pub namespaces: Option<String>,
    /// Write a finished configuration for each new machine into this folder, instead of printing its password; --iot needs it
    #[arg(long, value_name = "DIR")]
    pub configs: Option<PathBuf>,
    /// What the finished configurations are made of [default: the sample that fits the machine's prefix]
    #[arg(long, value_name = "CONFIG", requires = "configs")]
    pub template: Option<PathBuf>,
    /// Give this machine of the list a new password, though it has one; may be given several times
    #[arg(long, value_name = "SYSTEM", conflicts_with = "iot")]
    pub renew: Vec<String>,
    /// Only say what would be done
    #[arg(long)]
    pub plan: bool,
}

/// Arguments of `destroy`.
#[derive(Args, Debug)]
pub struct Destroy {
    #[command(flatten)]
    pub place: Place,
    /// Do not ask
    #[arg(long)]
    pub yes: bool,
}

/// The name of a stack: <https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_CreateStack.html>
fn parse_stack(text: &str) -> Result<String, String> {
    let fits = text.len() <= 128
        && text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let why = "a stack's name begins with a letter and is made of letters, digits and hyphens, at most 128";
    if fits { Ok(text.to_owned()) } else { Err(why.to_owned()) }
}

/// What a configuration is for, and which one is meant where none is named.
fn with_default(what: &str, or: &str) -> String {
    format!("{what} [default: {}{or}]", crate::config::DEFAULT_PATH)
}

/// A length of time as people type it: a whole number and `s`, `m`, `h`, `d` or `w`.
fn parse_since(text: &str) -> Result<Duration, String> {
    let wrong = || {
        format!("{text:?} is not a length of time: write a whole number and s, m, h, d or w, like 90s, 30m, 1h or 2d")
    };
    let unit = text.chars().last().ok_or_else(wrong)?;
    let seconds: u64 = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        'w' => 604_800,
        _ => return Err(wrong()),
    };
    let digits = &text[..text.len() - unit.len_utf8()];
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(wrong());
    }
    let number = digits.parse::<u64>().ok().and_then(|number| number.checked_mul(seconds));
    if number == Some(0) {
        return Err("nothing lies within no time: look back at least 1s".to_owned());
    }
    number.map(Duration::from_secs).ok_or_else(|| format!("{text:?} is longer than can be counted"))
}

/// What to say when `--local DIR` is written for `--local=DIR`.
pub fn local_tip(arguments: &[OsString]) -> Option<String> {
    let at = arguments.iter().position(|argument| argument == "--local")?;
    let folder = Path::new(arguments.get(at + 1)?);
    // A configuration may stand behind a plain `--local`.
    let is_json = |path: &Path| path.extension().is_some_and(|extension| extension == "json");
    let holds_json =
        || folder.read_dir().is_ok_and(|mut files| files.any(|file| file.is_ok_and(|file| is_json(&file.path()))));
    let is_config = folder.is_file() || is_json(folder) || holds_json();
    (!is_config && !folder.to_string_lossy().starts_with('-'))
        .then(|| format!("the folder of --local stands behind an equals sign: --local={}", folder.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn a_folder_behind_local_without_an_equals_sign_gets_a_tip() {
        let tip = |words: &[&str]| local_tip(&words.iter().map(OsString::from).collect::<Vec<_>>());
        assert!(
            tip(&["run", "--local", "/tmp/store", "my.json"]).is_some_and(|tip| tip.ends_with("--local=/tmp/store"))
        );
        assert_eq!(tip(&["run", "--local", "my.json"]), None);
        assert_eq!(tip(&["run", "my.json", "--local"]), None);
        assert_eq!(tip(&["run", "--local", "--once"]), None);
        assert_eq!(tip(&["run", "--local=/tmp/store", "my.json"]), None);
        let folder = tempfile::tempdir().expect("a folder");
        let name = folder.path().to_str().expect("UTF-8");
        assert!(tip(&["run", "--local", name]).is_some());
        std::fs::write(folder.path().join("a.json"), "{}").expect("ours");
        assert_eq!(tip(&["run", "--local", name]), None, "a folder of configurations");
    }

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_help_names_the_configuration_that_is_read_where_none_is_given() {
        let mut cli = Cli::command();
        let mut helps = vec![cli.render_help().to_string()];
        let takes_one = |name: &str| ["run", "validate", "status", "iam-policy"].contains(&name);
        helps
            .extend(cli.get_subcommands_mut().filter(|c| takes_one(c.get_name())).map(|c| c.render_help().to_string()));
        for help in helps {
            let help: String = help.split_whitespace().collect();
            assert!(help.contains(&format!("[default:{}]", crate::config::DEFAULT_PATH)), "{help}");
        }
    }

    #[test]
    fn a_configuration_alone_runs_the_daemon() {
        let cli = Cli::parse_from(["amazon-cloudwatch-publisher", "my.json"]);
        assert!(cli.command.is_none());
        assert_eq!(cli.run.config, Some("my.json".into()));
    }

    #[test]
    fn local_takes_its_folder_only_with_an_equals_sign() {
        let run = |args: &[&str]| Cli::parse_from([&["p", "run"], args].concat()).command;
        let Some(Command::Run(run_plain)) = run(&["--local", "my.json"]) else { panic!("run") };
        assert_eq!((run_plain.local, run_plain.config), (Some(None), Some("my.json".into())));
        let Some(Command::Run(run_in)) = run(&["--local=/d"]) else { panic!("run") };
        assert_eq!(run_in.local, Some(Some("/d".into())));
    }

    #[test]
    fn lengths_of_time_are_a_number_and_a_unit() {
        let seconds = |text| parse_since(text).map(|since| since.as_secs());
        assert_eq!(seconds("90s"), Ok(90));
        assert_eq!(seconds("30m"), Ok(1_800));
        assert_eq!(seconds("1h"), Ok(3_600));
        assert_eq!(seconds("2d"), Ok(172_800));
        assert_eq!(seconds("1w"), Ok(604_800));
        for wrong in ["", "h", "5", "1.5h", "-1h", "+1h", "1 h", "1y", "é", "1é"] {
            let why = seconds(wrong).expect_err(wrong);
            assert!(why.contains("like 90s, 30m, 1h or 2d"), "{why}");
        }
        assert!(seconds("0s").is_err_and(|why| why.contains("at least 1s")));
        assert!(seconds("99999999999999999999s").is_err());
        assert!(seconds("9999999999999999999w").is_err());
    }
}
