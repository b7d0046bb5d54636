//! The default AWS chain: environment, profiles (also `credential_process`), web identity, container, instance metadata.
//!
//! The chain is built anew for each fetch, so that files which somebody replaced are read again.
//!
//! A command of the profile (`credential_process`) is started by the SDK, which neither ends it nor hands it to us. One that hangs
//! is therefore waited for by the next fetches, too: no second one is started beside it. It outlives us where it never ends.
use super::{SignInError, Source, keys::Unfit};
use crate::{
    aws::{
        base::Base,
        errors::{Cause, find},
        profile,
        way::Blocked,
    },
    config::settings::Environment,
};
use aws_config::imds::client::error::{ImdsError, TokenError};
use aws_credential_types::{
    Credentials,
    provider::{ProvideCredentials, error::CredentialsError},
};
use aws_smithy_runtime_api::client::{orchestrator::HttpResponse, result::SdkError};
use aws_types::os_shim_internal::Env;
use futures_util::future::BoxFuture;
use hyper::Uri;
use std::{sync::Arc, time::Duration};
use tokio::{sync::Mutex, time::timeout};

const WHO: &str = "the source of AWS credentials";
/// Instance metadata is turned off, or not for this process.
/// <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html>
const FORBIDDEN: u16 = 403;

/// How long one fetch waits: less than a login may take, so that it can say what it waits for.
const PATIENCE: Duration = Duration::from_secs(40);

/// Where a container asks for its credentials.
const CONTAINER: &str = "AWS_CONTAINER_CREDENTIALS_FULL_URI";

pub(in crate::aws) struct Chain {
    base: Arc<Base>,
    /// Whose command has not ended yet.
    unfinished: Mutex<Option<Fetch>>,
}

type Fetch = BoxFuture<'static, Result<Credentials, SignInError>>;

impl Chain {
    pub(in crate::aws) fn new(base: Arc<Base>) -> Self {
        Self { base, unfinished: Mutex::default() }
    }
}

impl Source for Chain {
    fn fetch(&self) -> BoxFuture<'_, Result<Credentials, SignInError>> {
        Box::pin(one_at_a_time(
            &self.unfinished,
            || Box::pin(fetch(Arc::clone(&self.base))),
            || profile::names_a_command(self.base.env()),
        ))
    }

    fn name(&self) -> &'static str {
        WHO
    }
}

async fn fetch(base: Arc<Base>) -> Result<Credentials, SignInError> {
    if base.env().get(CONTAINER).is_ok_and(|uri| is_half_a_url(&uri)) {
        return Err(SignInError::Unusable {
            advice: format!("{CONTAINER} is no URL: begin it with http:// or https://"),
        });
    }
    let config = base.with_chain().await?;
    let chain = config.credentials_provider().ok_or(SignInError::NoCredentials)?;
    chain.provide_credentials().await.map_err(|e| in_files(explain(&e), base.env(), base.environment()))
}

/// Which files and which profile it is about, where somebody chose one.
fn in_files(error: SignInError, env: &Env, environment: &Environment) -> SignInError {
    let named = profile::named(env, environment.origin(profile::NAME));
    if let (SignInError::NoCredentials, Some(advice)) = (&error, half_a_key(env)) {
        return SignInError::Unusable { advice };
    }
    match (error, named) {
        // Then no other place counts.
        (SignInError::NoCredentials, named) if environment.chosen_profile().is_some() => SignInError::Unusable {
            advice: format!(
                "no AWS credentials were found in {}, which common-config.toml chooses: correct it, or write the keys there",
                named.unwrap_or_else(|| profile::files(env))
            ),
        },
        (SignInError::NoCredentials, Some(named)) => SignInError::Unusable {
            advice: format!(
                "no AWS credentials were found in {named}, nor elsewhere: correct the name, or write the keys there"
            ),
        },
        (SignInError::Refused { advice, source }, _) => {
            SignInError::Refused { advice: format!("{advice} (profile files: {})", profile::files(env)), source }
        }
        (error, _) => error,
    }
}

/// The environment has one half of a key, which is passed over as if there were none.
fn half_a_key(env: &Env) -> Option<String> {
    let has = |name: &str| env.get(name).is_ok_and(|value| !value.trim().is_empty());
    let (there, missing) = match ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"] {
        [id, secret] if has(id) && !has(secret) => (id, secret),
        [id, secret] if has(secret) && !has(id) => (secret, id),
        _ => return None,
    };
    Some(format!(
        "no AWS credentials were found: {there} is set in the environment, and {missing} is not: set that, too, or neither of the two"
    ))
}

/// The outcome of the fetch that is not finished, or of a new one. What may have started a command is not forgotten before it ends,
/// even where whoever asked stops waiting.
async fn one_at_a_time(
    unfinished: &Mutex<Option<Fetch>>,
    begin: impl FnOnce() -> Fetch + Send,
    runs_a_command: impl FnOnce() -> bool + Send,
) -> Result<Credentials, SignInError> {
    let mut place = unfinished.lock().await;
    let fetch = place.get_or_insert_with(begin);
    if let Ok(outcome) = timeout(PATIENCE, fetch).await {
        *place = None;
        return outcome;
    }
    if runs_a_command() {
        return Err(SignInError::Unusable {
            advice: format!(
                "the credential_process of the AWS profile did not end within {} seconds, and no other is started beside it: \
                 end it, and correct the command",
                PATIENCE.as_secs()
            ),
        });
    }
    *place = None;
    Err(SignInError::TooSlow { limit: PATIENCE })
}

/// `HOST:PORT` alone, at which the SDK panics. It explains by itself what is worse.
fn is_half_a_url(text: &str) -> bool {
    text.parse::<Uri>().is_ok_and(|uri| uri.host().is_some() && uri.scheme().is_none())
}

fn explain(error: &CredentialsError) -> SignInError {
    if let Some(unfit) = find::<Unfit>(error) {
        return unfit.clone().into();
    }
    let source = Cause::of(error);
    match error {
        // What each link of the chain says about not being set up helps nobody.
        CredentialsError::CredentialsNotLoaded(_) => SignInError::NoCredentials,
        CredentialsError::ProviderTimedOut(_) => SignInError::Unreachable { who: WHO, source },
        CredentialsError::InvalidConfiguration(_) => SignInError::Refused {
            advice: "the AWS profile or environment cannot be used to sign in: correct it".to_owned(),
            source,
        },
        _ if is_closed(error) => SignInError::NoCredentials,
        _ if find::<Blocked>(error).is_some() => SignInError::Unreachable { who: WHO, source },
        CredentialsError::ProviderError(_) => SignInError::Failed { who: WHO, source },
        // The enum is open: a cause that we do not know is nobody's fault yet.
        _ => SignInError::Failed { who: WHO, source },
    }
}

/// Whether instance metadata, the last link of the chain, is not for us: it refuses, or nobody answers there. Then nothing is
/// broken, there are only no credentials.
fn is_closed(error: &CredentialsError) -> bool {
    let token = find::<SdkError<TokenError, HttpResponse>>(error);
    match find(error) {
        Some(ImdsError::ErrorResponse(answer)) => answer.response().status().as_u16() == FORBIDDEN,
        Some(ImdsError::FailedToLoadToken(_)) => match token {
            Some(SdkError::DispatchFailure(_) | SdkError::TimeoutError(_)) => true,
            Some(other) => other.raw_response().is_some_and(|answer| answer.status().as_u16() == FORBIDDEN),
            None => false,
        },
        _ => false,
    }
}

#[cfg(test)]
mod tests;
