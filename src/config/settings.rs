//! What runs: one dialect, validated, defaults filled in. `File` is what the user wrote; this is what we made of it.
//!
//! Nothing here has looked at the host or the network: placeholders are still templates, the serial number is still a command.
pub mod collectd;
mod emf;
pub mod exposition;
mod logs;
pub mod metrics;
pub mod probe;
pub mod serial_relay;
mod statsd;
pub mod text;

pub use emf::{Emf, EmfAddress, EmfHost, EmfProtocol, EmfSocket, SocketKind};
pub use metrics::Metrics;

pub use logs::{
    EntrySelection, EventFormat, EventLevel, FileItem, Filter, FilterKind, FilterRule, Journal, JournalFormat,
    JournaldItem, Logs, Matching, Others, PRIORITIES, Pick, Selection, TargetTemplate, UnifiedItem, UnifiedLevel,
    WindowsItem, priority,
};
pub use serial_relay::SerialRelay;
pub use statsd::{Statsd, StatsdAddress};

pub use crate::config::environment::{ChosenProfile, Environment};

use crate::config::words::words;
use secrecy::SecretString;
use serial_relay::When;
use std::{path::PathBuf, time::Duration};

/// Everything the daemon needs to know.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The file this came from.
    pub file: PathBuf,
    pub agent: Agent,
    /// What it runs in.
    pub environment: Environment,
    /// `None`: this configuration asks for no metrics.
    pub metrics: Option<Metrics>,
    pub logs: Logs,
    pub local: Local,
}

impl Settings {
    /// Whether there is anything to do. Only an agent's file can ask for nothing.
    pub fn collects_something(&self) -> bool {
        self.sends_something() || self.agent.serial_relay.when == When::Always
    }

    /// The roles that are assumed on top of the login, for metrics and for logs: each section's own, else the agent's. `None`: the login
    /// itself publishes.
    pub fn roles(&self) -> [Option<&str>; 2] {
        let agent = self.agent.role_arn.as_deref();
        let metrics = self.metrics.as_ref().and_then(|metrics| metrics.role_arn.as_deref());
        [metrics.or(agent), self.logs.role_arn.as_deref().or(agent)]
    }

    /// Whether there is anything to send to AWS. The serial relay needs no account and no network.
    pub fn sends_something(&self) -> bool {
        self.metrics.is_some() || self.logs.collects_something()
    }
}

/// Section `agent`.
#[derive(Clone, Debug)]
pub struct Agent {
    pub destination: Destination,
    pub instance: Instance,
    pub authentication: Authentication,
    /// `agent.credentials.role_arn`: assumed on top of `authentication`.
    pub role_arn: Option<String>,
    /// `None`: the default chain's region.
    pub region: Option<String>,
    pub own_log: OwnLog,
    /// `agent.state_folder`; `None`: the default folder, or the user's own where that one cannot be written.
    pub state_folder: Option<PathBuf>,
    pub import_state: ImportState,
    /// One deadline for the whole stop (`agent.shutdown_seconds`, 10).
    pub shutdown: Duration,
    pub endpoints: Endpoints,
    pub spool: Spool,
    pub serial_relay: SerialRelay,
}

/// Where to look for the positions of the program that collected the logs before (`agent.import_state`).
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ImportState {
    /// `true`, or nothing said: where the CloudWatch Agent and awslogs keep them.
    Usual,
    /// `false`.
    Off,
    /// In this folder, for both.
    From(PathBuf),
}

words! {
    /// Where batches go.
    pub enum Destination {
        Aws = "aws",
        /// The embedded CloudWatch.
        Local = "local",
    }
}

/// How the system's own name is found.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Instance {
    /// First half of the instance id; `sys` by default.
    pub prefix: String,
    pub serial: Serial,
}

/// The second half of the instance id.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Serial {
    /// As written.
    Fixed(String),
    /// What this shell command prints, trimmed and lower-cased.
    Command(String),
    /// Nothing was said, in the publisher's dialect: `000000000000`.
    Zeros,
    /// Nothing was said, in the agent's dialect: the EC2 instance id that the firmware shows, else the host name; no prefix.
    Machine,
}

/// How the daemon signs in.
#[derive(Clone, Debug)]
pub enum Authentication {
    /// The default AWS chain.
    Chain,
    Cognito(Cognito),
    Iot(Iot),
}

/// Section `agent.authentication` with a password.
#[derive(Clone, Debug)]
pub struct Cognito {
    pub account_id: String,
    pub user_pool_id: String,
    pub identity_pool_id: String,
    pub app_client_id: String,
    pub password: Password,
}

/// Where the Cognito password is.
#[derive(Clone, Debug)]
pub enum Password {
    /// `password`.
    Inline(SecretString),
    /// `passwordFile`: the first line of this file, read at each login so that it can be replaced.
    File(PathBuf),
    /// Neither is given: the environment variable [`PASSWORD_VARIABLE`].
    Environment,
}

/// Holds the Cognito password when the configuration names none.
pub const PASSWORD_VARIABLE: &str = "AMAZON_CLOUDWATCH_PUBLISHER_PASSWORD";

/// Section `agent.authentication` with a certificate: AWS IoT's credentials provider.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Iot {
    /// Host name of the account's credentials endpoint (`iotUrl`), with or without `https://`.
    pub url: String,
    pub role_alias: String,
    pub thing_name: String,
    pub certificate: Certificate,
}

/// The device's certificate chain and private key, PEM.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Certificate {
    /// One file with both.
    Bundle(PathBuf),
    /// `[certificate, key]`.
    Pair { certificate: PathBuf, key: PathBuf },
}

/// The daemon's own log.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct OwnLog {
    /// Where it is written. `None`: standard error.
    pub file: Option<PathBuf>,
    /// Whether the configuration named the file: then a failure to write there is an error, else standard error serves.
    pub named: bool,
    pub debug: bool,
    /// Errors only; beats `debug`.
    pub quiet: bool,
}

/// How AWS is reached. `None` everywhere: as the environment and the SDK's defaults say.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Endpoints {
    /// `agent.endpoint_override`: every service.
    pub all: Option<String>,
    /// `metrics.endpoint_override`.
    pub metrics: Option<String>,
    /// `logs.endpoint_override`.
    pub logs: Option<String>,
    pub ca_bundle: Option<PathBuf>,
    pub dualstack: Option<bool>,
    pub fips: Option<bool>,
}

/// Bounds of the disk ring for what cannot be read again (`agent.spool`).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Spool {
    pub max_bytes: u64,
    /// Never above two weeks: PutMetricData takes nothing older.
    pub max_age: Duration,
    /// The spool leaves at least this much of its file system free.
    pub min_free_bytes: u64,
    /// The same bound as `max_bytes`, for log text, which has a ring of its own.
    pub max_log_bytes: u64,
}

/// Section `local`: the embedded CloudWatch.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Local {
    /// `None`: `local` inside the state folder.
    pub folder: Option<PathBuf>,
    /// How long points and events are kept.
    pub retention: Duration,
}
