//! The ways to sign in. Each is a [`Source`]; [`renewing::Renewing`] keeps what it gave and renews it in time.
//!
//! To add one, write a file with a `Source` and choose it in [`super::connect`].
pub(super) mod chain;
pub(super) mod cognito;
pub(super) mod iot;
pub(super) mod keys;
pub(super) mod renewing;
pub(super) mod role;

use super::errors::{Answer, Cause, Outcome, read};
use aws_credential_types::Credentials;
use aws_smithy_runtime_api::client::{orchestrator::HttpResponse, result::SdkError};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use futures_util::future::BoxFuture;
use std::{
    error::Error,
    fmt, io,
    path::PathBuf,
    sync::Arc,
    time::{Duration, SystemTime},
};

/// Fetches credentials, each time anew.
pub(super) trait Source: Send + Sync {
    /// One login. The caller limits the time it may take.
    fn fetch(&self) -> BoxFuture<'_, Result<Credentials, SignInError>>;

    /// Who gives them, where the credentials do not say it themselves.
    fn name(&self) -> &'static str;
}

/// One failure, told to everybody who waited for that login.
#[derive(Clone, Debug)]
pub(super) struct Shared(Arc<SignInError>);

impl Shared {
    pub(super) fn is_no_credentials(&self) -> bool {
        matches!(&*self.0, SignInError::NoCredentials)
    }

    pub(super) fn passes(&self) -> bool {
        self.0.passes()
    }

    /// For those who wait for the login: without the cause and the advice that the login's own line gives.
    pub(super) fn brief(&self) -> Cause {
        match &*self.0 {
            SignInError::NoRegion => Cause::new("no AWS region is set"),
            SignInError::NoCredentials => Cause::new("no AWS credentials were found"),
            SignInError::Refused { .. } => Cause::new("the login was refused"),
            SignInError::Unusable { .. } | SignInError::Unfit(_) => Cause::new("signing in failed"),
            SignInError::Login(under) => under.brief(),
            // Their causes lie under them.
            SignInError::Unreachable { .. }
            | SignInError::Failed { .. }
            | SignInError::Stale { .. }
            | SignInError::Unreadable { .. }
            | SignInError::TooSlow { .. } => Cause::new(self.to_string()),
        }
    }
}

impl fmt::Display for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Error for Shared {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source()
    }
}

impl From<SignInError> for Shared {
    fn from(error: SignInError) -> Self {
        Self(Arc::new(error))
    }
}

/// Why there are no fresh credentials.
#[derive(Debug, thiserror::Error)]
pub(super) enum SignInError {
    #[error(
        "no AWS region is set, so AWS was not contacted: set agent.region in the configuration, AWS_REGION, or region in \
         the AWS profile"
    )]
    NoRegion,
    #[error(
        "no AWS credentials were found, not in the environment, the AWS profile files, nor the metadata of a container or an \
         EC2 instance: set agent.authentication in the configuration, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or an AWS \
         profile, or give this instance a role"
    )]
    NoCredentials,
    #[error("{who} could not be reached")]
    Unreachable { who: &'static str, source: Cause },
    /// Its own fault, or it is busy.
    #[error("{who} failed on its side")]
    Failed { who: &'static str, source: Cause },
    /// `advice` says what was refused and what to do.
    #[error("{advice}")]
    Refused { advice: String, source: Cause },
    /// Without a further cause.
    #[error("{advice}")]
    Unusable { advice: String },
    /// What came cannot sign.
    #[error(transparent)]
    Unfit(#[from] keys::Unfit),
    /// The keys that a login gave do not hold any more.
    #[error("{who} refused the keys of the login")]
    Stale { who: &'static str, source: Cause },
    /// What is built on a login failed with it.
    #[error(transparent)]
    Login(#[from] Shared),
    #[error("cannot read {}", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("signing in took longer than {} seconds", limit.as_secs())]
    TooSlow { limit: Duration },
}

impl SignInError {
    /// Whether it may pass by itself, without a person: the network, or the other side.
    pub(super) fn passes(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Failed { .. } | Self::TooSlow { .. } => true,
            Self::Login(under) => under.passes(),
            Self::NoRegion
            | Self::NoCredentials
            | Self::Refused { .. }
            | Self::Stale { .. }
            | Self::Unusable { .. }
            | Self::Unfit(_)
            | Self::Unreadable { .. } => false,
        }
    }

    /// From an SDK call of a login: what is not the service's or the network's fault is turned into advice.
    pub(super) fn of_call<E>(
        who: &'static str,
        error: &SdkError<E, HttpResponse>,
        advice: impl FnOnce(&Answer) -> String,
    ) -> Self
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        Self::of_outcome(who, read(error, SystemTime::now()), advice)
    }

    /// The same of what such a call came to.
    pub(super) fn of_outcome(who: &'static str, outcome: Outcome, advice: impl FnOnce(&Answer) -> String) -> Self {
        match outcome {
            Outcome::Unreachable(source) => Self::Unreachable { who, source },
            Outcome::Answer(answer) if is_theirs(&answer) => Self::Failed { who, source: answer.cause() },
            Outcome::Answer(answer) if is_stale(&answer) => Self::Stale { who, source: answer.cause() },
            Outcome::Answer(answer) => Self::Refused { advice: advice(&answer), source: answer.cause() },
        }
    }
}

/// Whether the answer says nothing about us: a fault, too many requests, or not an AWS answer at all.
fn is_theirs(answer: &Answer) -> bool {
    answer.status >= 500
        || answer.status == 429
        || answer.code.is_none()
        || matches!(
            answer.code(),
            "TooManyRequestsException"
                | "ThrottlingException"
                | "Throttling"
                | "LimitExceededException"
                | "InternalErrorException"
        )
}

/// Whether it is the keys that signed the call: only role logins sign.
fn is_stale(answer: &Answer) -> bool {
    matches!(
        answer.code(),
        "ExpiredToken" | "ExpiredTokenException" | "InvalidClientTokenId" | "UnrecognizedClientException"
    )
}
