//! CloudWatch through the AWS SDK: the adapter of `Put` and the ways to sign in.
//!
//! [`connect`] only puts things together; it makes no network call, so the daemon starts without a network. The daemon
//! spawns [`Renewal::run`], which logs in and renews ahead of expiry. The calls of `Put` are the only ones that ever wait for
//! it, and when nothing runs it they log in themselves.
//!
//! When the network is gone, calls fail with `Unreachable` after their limit. When a login fails, valid credentials stay in
//! use; without any, calls fail at once with the login's own error until its back-off is over.
//!
//! ```text
//! connect -> http (trust, way, proxies) -> base (region, endpoints) -> auth::Source -> auth::Renewing -> put::Aws
//! ```
//!
//! The SDK and the HTTP libraries write through `tracing` too, below WARN in great detail: the daemon keeps the targets of
//! [`QUIET_TARGETS`] at WARN.
mod admin;
mod answer;
mod auth;
mod base;
mod by_hand;
mod chosen;
mod ec2;
mod errors;
mod http;
mod inquiry;
mod logs;
mod metrics;
mod profile;
mod proxies;
mod put;
mod resolver;
mod skew;
mod trust;
mod way;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

pub use admin::{Admin, AdminError, Change, Event, Keys, Resource, Stack, StackRequest};
pub use inquiry::{Inquiry, InquiryError, Metadata};

use crate::{
    config::settings::{Authentication, Settings},
    publish::Put,
    telemetry::board::Board,
};
use auth::{
    chain::Chain,
    cognito::Cognito,
    iot::Iot,
    renewing::{Clock, Renewing},
    role::Role,
};
use aws_types::os_shim_internal::Env;
use base::Base;
use ec2::Ec2;
use futures_util::future::join_all;
use proxies::Proxies;
use skew::Skews;
use std::{fmt, io, path::PathBuf, sync::Arc, time::SystemTime};
use tokio_util::sync::CancellationToken;
use tracing::level_filters::LevelFilter;
use trust::Trust;
use way::Ways;

/// The first parts of the names of the tracing targets that have to stay at WARN or above: below it they print requests.
pub const QUIET_TARGETS: &[(&str, LevelFilter)] = &[
    // It prints the service's answer to a wrongly signed request, which repeats parts of that request.
    ("aws_config", LevelFilter::ERROR),
    ("aws_", LevelFilter::WARN),
    ("h2", LevelFilter::WARN),
    ("hyper", LevelFilter::WARN),
    ("rustls", LevelFilter::WARN),
    ("tokio_util", LevelFilter::WARN),
    ("tower", LevelFilter::WARN),
];

/// Where AWS says what kind of host this is: part of the SDK's `User-Agent`.
const EXECUTION_ENVIRONMENT: &str = "AWS_EXECUTION_ENV";

/// The destination, and the task that keeps it signed in.
pub struct Connection {
    pub put: Arc<dyn Put>,
    pub renewal: Renewal,
    /// Says where we are. Asks nothing by itself.
    pub inquiry: Inquiry,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("renewal", &self.renewal).finish_non_exhaustive()
    }
}

/// Keeps the credentials fresh. The daemon spawns [`Renewal::run`].
#[derive(Debug)]
pub struct Renewal {
    /// One for each set of credentials: metrics and logs may assume different roles.
    keys: Vec<Arc<Renewing>>,
}

impl Renewal {
    /// Log in, then renew ahead of expiry, until `stop`. Never fails: how it goes is on the board as `credentials`.
    pub async fn run(self, stop: CancellationToken) {
        join_all(self.keys.iter().map(|keys| keys.run(&stop))).await;
    }
}

/// Why AWS cannot even be tried.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    #[error("cannot read the CA bundle {} that {named_by} names", path.display())]
    UnreadableBundle { path: PathBuf, named_by: &'static str, source: io::Error },
    #[error("the CA bundle {} that {named_by} names holds no certificate that can be used: it must be PEM", path.display())]
    EmptyBundle { path: PathBuf, named_by: &'static str },
    #[error("the proxy in {variable} cannot be used: {why}")]
    Proxy { variable: &'static str, why: &'static str },
    /// The SDK names it in a header of each request, and cannot be told to leave it out.
    #[error(
        "the environment variable AWS_EXECUTION_ENV holds a character that no header may hold: correct it, or unset it"
    )]
    ExecutionEnvironment,
    /// Not of a checked configuration: [`crate::config`] says of each of the three what is wrong.
    #[error("no request can be made of iotUrl, roleAlias and thingName in agent.authentication")]
    Iot(#[source] hyper::http::Error),
}

impl ConnectError {
    /// Let `origin` tell who says each variable.
    fn said_by(mut self, origin: impl Fn(&'static str) -> &'static str) -> Self {
        match &mut self {
            Self::UnreadableBundle { named_by: by, .. }
            | Self::EmptyBundle { named_by: by, .. }
            | Self::Proxy { variable: by, .. } => *by = origin(by),
            Self::ExecutionEnvironment | Self::Iot(_) => {}
        }
        self
    }
}

/// Put the way to AWS together. Reads the CA bundle and the environment, makes no network call and starts no task.
/// That endpoints are URLs is the configuration's to check.
/// `instance_id` is the user name at Cognito and names the sessions of assumed roles.
pub fn connect(settings: &Settings, instance_id: &str, board: Arc<Board>) -> Result<Connection, ConnectError> {
    let env = settings.environment.all().map_or_else(Env::real, Env::from);
    let origin = |error: ConnectError| error.said_by(|variable| settings.environment.origin(variable));
    connect_in(&env, Arc::new(SystemTime::now), settings, instance_id, board).map_err(origin)
}

/// The same in a given environment.
fn connect_in(
    env: &Env,
    clock: Clock,
    settings: &Settings,
    instance_id: &str,
    board: Arc<Board>,
) -> Result<Connection, ConnectError> {
    if env.get(EXECUTION_ENVIRONMENT).is_ok_and(|value| value.chars().any(char::is_control)) {
        return Err(ConnectError::ExecutionEnvironment);
    }
    let trust = Trust::find(settings.agent.endpoints.ca_bundle.as_deref(), env)?;
    let proxies = Proxies::find(env)?.said_by(|variable| settings.environment.origin(variable));
    let ways = Ways::find(settings, env, proxies.clone());
    let base = Arc::new(Base::new(settings, env.clone(), http::client(trust.clone(), ways)));

    let login = |board| {
        let (clock, base) = (Arc::clone(&clock), Arc::clone(&base));
        Ok(match &settings.agent.authentication {
            Authentication::Chain => Renewing::new(Chain::new(base), clock, board),
            Authentication::Cognito(cognito) => {
                Renewing::new(Cognito::new(cognito, instance_id, env.clone(), base), clock, board)
            }
            Authentication::Iot(iot) => Renewing::new(Iot::new(iot, trust.clone(), proxies.clone())?, clock, board),
        })
    };
    let assume = |arn: &str, login: &Arc<Renewing>| {
        let role = Role::new(arn, instance_id, Arc::clone(&base), Arc::clone(login));
        Renewing::new(role, Arc::clone(&clock), Some(Arc::clone(&board)))
    };

    let [metrics_role, logs_role] = settings.roles();
    // A login that is only built upon is reported by the roles.
    let used_itself = metrics_role.is_none() || logs_role.is_none();
    let login = login(used_itself.then(|| Arc::clone(&board)))?;
    let for_role = |role: Option<&str>| role.map_or_else(|| Arc::clone(&login), |arn| assume(arn, &login));
    let metrics = for_role(metrics_role);
    let logs = if logs_role == metrics_role { Arc::clone(&metrics) } else { for_role(logs_role) };

    let mut keys = vec![Arc::clone(&login)];
    for candidate in [&metrics, &logs] {
        if !keys.iter().any(|known| Arc::ptr_eq(known, candidate)) {
            keys.push(Arc::clone(candidate));
        }
    }
    let skews = Arc::new(Skews::new(Arc::clone(&clock)));
    // What EC2 is asked for is asked by the login itself: a role is for what is published.
    let ec2 = Ec2::new(Arc::clone(&base), login, Arc::clone(&skews));
    let inquiry = Inquiry::new(Arc::clone(&base), Arc::clone(&logs), ec2);
    let calls = settings.logs.concurrency.unwrap_or(put::LOG_CALLS);
    let put = Arc::new(put::Aws::new(base, clock, skews, [metrics, logs], calls));
    Ok(Connection { put, renewal: Renewal { keys }, inquiry })
}
