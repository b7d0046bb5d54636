//! The administrator's calls: stacks of CloudFormation, users of a Cognito user pool, things of IoT. They sign with the default AWS chain of
//! whoever runs the command, never with the login of a machine.
//!
//! A call that the service had no time for, or that got lost, is asked again a few times; what must not happen twice is not
//! ([`Again`]). To add a service, write a file with its [`Kind`] and its calls.
mod cloudformation;
mod pools;
mod things;

pub use cloudformation::{Change, Event, Resource, Stack, StackRequest};
pub use things::Keys;

use super::{
    ConnectError, EXECUTION_ENVIRONMENT,
    auth::{
        chain::Chain,
        renewing::{Clock, Renewing},
    },
    base::Base,
    by_hand::{
        json,
        signed::{Caller, Kind, Question, Unanswered},
    },
    errors::{Answer, Cause, Outcome, is_denial, with_clock},
    http,
    proxies::Proxies,
    skew::Skews,
    trust::Trust,
    way::Ways,
};
use crate::{config::Settings, publish::BoxError};
use aws_smithy_runtime_api::client::orchestrator::{HttpResponse, OrchestratorError};
use aws_smithy_types::error::ErrorMetadata;
use aws_types::os_shim_internal::Env;
use serde_json::{Map, Value};
use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};
use tokio::time::sleep;

/// How often a call is made that may be made again.
const TRIES: u32 = 6;
/// Before the second try; doubles, to 16 seconds before the last.
const FIRST_WAIT: Duration = Duration::from_secs(1);

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    #[error("the way to AWS cannot be set up")]
    Connect(#[from] ConnectError),
    #[error("not signed in to AWS")]
    Login(#[source] BoxError),
    #[error("{action} is not allowed: give whoever runs this command that permission")]
    Denied { action: &'static str, source: BoxError },
    #[error("{service} could not be reached")]
    Unreachable { service: &'static str, source: BoxError },
    /// `code`: what the service calls its refusal; empty where it has no name.
    #[error("{action} failed")]
    Failed { action: &'static str, code: String, source: BoxError },
}

impl AdminError {
    /// Whether the service calls its refusal so.
    pub fn is(&self, name: &str) -> bool {
        matches!(self, Self::Failed { code, .. } if code == name)
    }

    /// The same, with stars in place of this secret, should the service repeat it.
    fn without(self, secret: &str) -> Self {
        match self {
            Self::Failed { action, code, source } if source.to_string().contains(secret) => {
                let source = Cause::new(source.to_string().replace(secret, "***")).into();
                Self::Failed { action, code, source }
            }
            other => other,
        }
    }

    fn odd(action: &'static str, what: &str) -> Self {
        Self::Failed { action, code: String::new(), source: Cause::new(what).into() }
    }
}

/// Whether a call of which nobody knows what became may be made again.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Again {
    /// Twice is like once.
    Yes,
    /// Each call makes something more.
    No,
}

/// Calls AWS for an administrator, in one region.
pub struct Admin {
    caller: Caller,
    region: String,
}

impl fmt::Debug for Admin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admin").field("region", &self.region).finish_non_exhaustive()
    }
}

impl Admin {
    /// By the default chain, in the region of these settings, else that of environment and profile.
    ///
    /// # Errors
    /// When the environment cannot be used, or no region is known.
    pub async fn connect(settings: &Settings) -> Result<Self, AdminError> {
        let env = settings.environment.all().map_or_else(Env::real, Env::from);
        Self::connect_in(&env, settings).await
    }

    async fn connect_in(env: &Env, settings: &Settings) -> Result<Self, AdminError> {
        if env.get(EXECUTION_ENVIRONMENT).is_ok_and(|value| value.chars().any(char::is_control)) {
            return Err(ConnectError::ExecutionEnvironment.into());
        }
        let trust = Trust::find(settings.agent.endpoints.ca_bundle.as_deref(), env)?;
        let proxies = Proxies::find(env)?;
        let ways = Ways::find(settings, env, proxies);
        let base = Arc::new(Base::new(settings, env.clone(), http::client(trust, ways)));
        let clock: Clock = Arc::new(SystemTime::now);
        let login = Renewing::new(Chain::new(Arc::clone(&base)), Arc::clone(&clock), None);
        let caller = Caller::new(base, login, Arc::new(Skews::new(clock)));
        let config = caller.base().config().await.map_err(|error| AdminError::Login(error.into()))?;
        let region = config.region().map_or_else(String::new, ToString::to_string);
        Ok(Self { caller, region })
    }

    /// Where it calls.
    pub fn region(&self) -> &str {
        &self.region
    }

    /// Ask, again and again where that may help.
    async fn ask<T>(
        &self,
        kind: &'static Kind,
        again: Again,
        question: Question,
        reader: fn(&str, &HttpResponse) -> Result<T, OrchestratorError<ErrorMetadata>>,
    ) -> Result<T, AdminError>
    where
        T: fmt::Debug + Send + Sync + 'static,
    {
        let mut wait = FIRST_WAIT;
        for attempt in 1.. {
            let unanswered = match self.caller.ask(kind, &self.region, &question, reader).await {
                Ok(answer) => return Ok(answer),
                Err(unanswered) => unanswered,
            };
            if attempt == TRIES || !may_help(&unanswered, again) {
                return Err(explain(kind, question.action, unanswered));
            }
            // Several administrators' machines do not come back all at once.
            sleep(wait.mul_f64(fastrand::f64() / 2.0 + 0.5)).await;
            wait *= 2;
        }
        unreachable!("the last try returns")
    }

    /// The same of a service that speaks JSON.
    async fn ask_json(&self, kind: &'static Kind, again: Again, question: Question) -> Result<Members, AdminError> {
        self.ask(kind, again, question, |_, response| json::answer(response).map(Members)).await
    }
}

/// What a call answered. Never printed: there are keys in it.
struct Members(Map<String, Value>);

impl fmt::Debug for Members {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Members").finish_non_exhaustive()
    }
}

impl Members {
    fn text(&self, name: &str) -> Option<String> {
        self.0.get(name)?.as_str().map(str::to_owned)
    }

    fn list(&self, name: &str) -> &[Value] {
        self.0.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }

    fn texts(&self, name: &str) -> impl Iterator<Item = String> {
        self.list(name).iter().filter_map(|text| text.as_str().map(str::to_owned))
    }
}

fn may_help(unanswered: &Unanswered, again: Again) -> bool {
    match unanswered {
        Unanswered::Login(error) => error.passes(),
        Unanswered::Nowhere(_) | Unanswered::Unfit(_) => false,
        Unanswered::Outcome(Outcome::Unreachable(_)) => again == Again::Yes,
        // What is throttled was not done.
        Unanswered::Outcome(Outcome::Answer(answer)) => {
            is_throttled(answer) || (answer.status >= 500 && again == Again::Yes)
        }
    }
}

fn is_throttled(answer: &Answer) -> bool {
    answer.status == 429
        || matches!(
            answer.code(),
            "Throttling" | "ThrottlingException" | "TooManyRequestsException" | "RequestLimitExceeded"
        )
}

fn explain(kind: &'static Kind, action: &'static str, unanswered: Unanswered) -> AdminError {
    match unanswered {
        Unanswered::Login(error) => AdminError::Login(error.into()),
        Unanswered::Nowhere(error) => AdminError::Login(error.into()),
        Unanswered::Unfit(source) | Unanswered::Outcome(Outcome::Unreachable(source)) => {
            AdminError::Unreachable { service: kind.id, source: source.into() }
        }
        Unanswered::Outcome(Outcome::Answer(answer)) if is_denial(answer.code()) => {
            AdminError::Denied { action, source: answer.cause().into() }
        }
        Unanswered::Outcome(Outcome::Answer(answer)) => {
            AdminError::Failed { action, code: answer.code().to_owned(), source: with_clock(&answer) }
        }
    }
}

#[cfg(test)]
mod tests;
