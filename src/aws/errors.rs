//! From what the SDK reports to what `publish` can act on.
//!
//! One table decides by the service's error code first, then by the HTTP status. What is not clearly about the content of a
//! batch is never [`PutError::Refused`]: that would set good events aside. So is nothing without a code, whatever its status;
//! without the marks of AWS either, it is [`PutError::Intercepted`].
//!
//! Texts are one line and hold no secret: a service that finds a wrong signature repeats the whole canonical request, session
//! token included, so such texts are cut there.
use super::{
    answer::{NotAws, is_marked},
    http::AnswerTooLong,
    way::Blocked,
};
use crate::{
    publish::{BoxError, PutError, Service},
    telemetry::chain_without,
};
use aws_smithy_runtime_api::{
    client::{orchestrator::HttpResponse, result::SdkError},
    http::Headers,
};
use aws_smithy_types::{DateTime, date_time::Format, error::metadata::ProvideErrorMetadata};
use std::{
    error::Error,
    io,
    time::{Duration, SystemTime},
};

/// The longest text of a foreign service that we repeat, in characters.
const MOST_TEXT: usize = 400;
/// Differences below this do not make a signature invalid: <https://docs.aws.amazon.com/IAM/latest/UserGuide/signature-v4-troubleshooting.html>
const CLOCK_TOLERANCE: Duration = Duration::from_secs(60);
/// What follows these in a message is the request itself, with its session token or the password in its body.
const SECRETS_FOLLOW: [&str; 3] = ["The Canonical String", "The String-to-Sign", " to request `Request {"];

/// Layers of the SDK's errors that say nothing.
pub(super) const NOISE: [&str; 7] =
    ["", "dispatch failure", "service error", "other", "io error", "timeout", "client error (Connect)"];
pub(super) const NO_FILES: &str = "this process may not open more files; raise its limit (LimitNOFILE, ulimit -n)";
/// What the libraries say without a connection, and what it means. `way` explains those.
const PLAINLY: [(&str, &str); 3] = [
    (
        "failed to apply endpoint",
        "the endpoint is no URL; check AWS_ENDPOINT_URL and the endpoint_url of the AWS profile",
    ),
    (
        "endpoint params could not be built",
        "the AWS region is no part of a host name; check AWS_REGION, the AWS profile and agent.region",
    ),
    ("Too many open files", NO_FILES),
];

/// An error that is only its one line.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Cause(String);

impl Cause {
    pub(super) fn new(text: impl AsRef<str>) -> Self {
        Self(one_line(text.as_ref()))
    }

    /// This error and everything under it, in one line, nothing said twice. A way that is blocked is all there is to say.
    pub(super) fn of(error: &(dyn Error + 'static)) -> Self {
        if let Some(blocked) = find::<Blocked>(error) {
            return Self::new(blocked.to_string());
        }
        let text = chain_without(error, &NOISE);
        let text = without_secrets(&text).to_owned();
        let plain = PLAINLY.iter().find(|(mark, plain)| text.contains(mark) && !text.contains(plain));
        Self(one_line(&plain.map_or_else(|| text.clone(), |(_, plain)| format!("{plain} ({text})"))))
    }
}

/// Without line breaks, without what a wrong signature drags along, and not too long.
pub(super) fn one_line(text: &str) -> String {
    let words =
        without_secrets(text).split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    let mut line = String::new();
    for word in words {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    match line.char_indices().nth(MOST_TEXT) {
        Some((at, _)) => format!("{}...", &line[..at]),
        None => line,
    }
}

fn without_secrets(text: &str) -> &str {
    let end = SECRETS_FOLLOW.iter().filter_map(|mark| text.find(mark)).min().unwrap_or(text.len());
    &text[..end]
}

/// What a failed call came to, whichever service it was.
pub(super) enum Outcome {
    /// No answer, or none that could be read.
    Unreachable(Cause),
    Answer(Answer),
}

impl Outcome {
    /// The same, with stars in place of this secret, should the other side repeat it.
    pub(super) fn without(mut self, secret: &str) -> Self {
        if let Self::Answer(answer) = &mut self
            && !secret.is_empty()
        {
            answer.message = answer.message.replace(secret, "***");
            answer.code = answer.code.take().map(|code| code.replace(secret, "***"));
        }
        self
    }
}

/// A service's own no.
pub(super) struct Answer {
    /// `None`: not an AWS error at all.
    pub(super) code: Option<String>,
    /// Whether AWS sent it, code or not.
    pub(super) of_aws: bool,
    pub(super) message: String,
    pub(super) status: u16,
    /// When the service wants to be asked again.
    pub(super) after: Option<Duration>,
    /// How far its clock is from ours.
    pub(super) clock_difference: Option<Duration>,
}

impl Answer {
    /// The error's name without its namespace.
    pub(super) fn code(&self) -> &str {
        self.code.as_deref().unwrap_or_default()
    }

    /// Code, message and status in one line.
    pub(super) fn cause(&self) -> Cause {
        match (&self.code, self.message.is_empty()) {
            (Some(code), false) => Cause::new(format!("{code}: {}", self.message)),
            (Some(code), true) => Cause::new(format!("{code} (HTTP {})", self.status)),
            (None, _) if self.of_aws && self.status < 300 => {
                Cause::new(format!("HTTP {} with a body that this call does not have", self.status))
            }
            (None, _) if self.of_aws => Cause::new(format!("HTTP {} without the name of an error", self.status)),
            (None, _) => Cause::new(format!(
                "HTTP {} that is no answer of AWS {}(does a proxy or a captive portal answer instead?)",
                self.status,
                if self.message.is_empty() { String::new() } else { format!("\"{}\" ", self.message) }
            )),
        }
    }
}

/// Read an SDK error. `now` is our clock.
pub(super) fn read<E>(error: &SdkError<E, HttpResponse>, now: SystemTime) -> Outcome
where
    E: ProvideErrorMetadata + Error + 'static,
{
    let (response, metadata) = match error {
        SdkError::ServiceError(e) => (e.raw(), Some(e.err().meta())),
        // Answered, but not in the service's language, or not to the end: a proxy's page, for example.
        SdkError::ResponseError(e) => (e.raw(), None),
        SdkError::TimeoutError(_) => return Outcome::Unreachable(Cause::new("no answer in time")),
        other => return Outcome::Unreachable(Cause::of(other)),
    };
    let stranger = find::<AnswerTooLong>(error).map(ToString::to_string);
    if let Some(message) = stranger.or_else(|| find::<NotAws>(error).map(ToString::to_string)) {
        let (status, after, clock_difference) = (response.status().as_u16(), None, None);
        return Outcome::Answer(Answer { code: None, of_aws: false, message, status, after, clock_difference });
    }
    let code = metadata.and_then(|m| m.code()).map(|code| code.rsplit('#').next().unwrap_or(code).to_owned());
    Outcome::Answer(Answer {
        of_aws: code.is_some() || is_marked(response.headers()),
        code,
        message: metadata.and_then(|m| m.message()).unwrap_or_default().to_owned(),
        status: response.status().as_u16(),
        after: retry_after(response.headers(), now),
        clock_difference: clock_difference(response.headers(), now),
    })
}

/// The cause of this kind, however deep it lies.
pub(super) fn find<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        // `source` of an I/O error skips what it holds.
        next = match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(held) => Some(held as &(dyn Error + 'static)),
            None => error.source(),
        };
    }
    None
}

/// The same for a call of [`crate::publish::Put`]. `action` is its name in IAM.
pub(super) fn translate<E>(
    service: Service,
    action: &'static str,
    error: &SdkError<E, HttpResponse>,
    now: SystemTime,
) -> PutError
where
    E: ProvideErrorMetadata + Error + 'static,
{
    match read(error, now) {
        Outcome::Unreachable(cause) => PutError::Unreachable { service, source: cause.into() },
        Outcome::Answer(answer) => decide(service, action, &answer),
    }
}

/// The table. Codes: <https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/CommonErrors.html>,
/// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CommonErrors.html> and each action's own page.
fn decide(service: Service, action: &'static str, answer: &Answer) -> PutError {
    let source: BoxError = answer.cause().into();
    match answer.code() {
        // Of the logs: a limit of the account, not a rate. And what somebody else is changing, like a group that is being deleted.
        "LimitExceededException" | "ServiceQuotaExceededException" | "OperationAbortedException"
            if service == Service::CloudWatchLogs =>
        {
            PutError::NotNow { service, action, source }
        }
        code if is_throttle(code) => PutError::Throttled { service, after: answer.after },
        code if is_about_keys(code) => PutError::Credentials { service, source: with_clock(answer) },
        code if is_denial(code) => PutError::Denied { service, action, source },
        "ResourceNotFoundException" if service == Service::CloudWatchLogs => PutError::Missing { service },
        "InvalidParameterException"
        | "InvalidParameter"
        | "InvalidParameterValue"
        | "InvalidParameterValueException"
        | "InvalidParameterCombination"
        | "InvalidParameterCombinationException"
        | "MissingParameter"
        | "MissingRequiredParameter"
        | "MissingRequiredParameterException"
        | "ValidationError"
        | "ValidationException"
        | "InvalidFormat"
        | "InvalidFormatFault"
        | "SerializationException"
        | "MalformedInput"
        | "DataAlreadyAcceptedException"
        | "RequestEntityTooLarge"
        | "RequestTooLarge" => PutError::Refused { service, reason: answer.cause().to_string() },
        _ => by_status(service, answer, source),
    }
}

/// Whether the service was asked too often, or has no room now.
pub(super) fn is_throttle(code: &str) -> bool {
    matches!(
        code,
        "Throttling"
            | "ThrottlingException"
            | "ThrottledException"
            | "TooManyRequestsException"
            | "TooManyRequests"
            | "RequestLimitExceeded"
            | "RequestThrottled"
            | "RequestThrottledException"
            | "SlowDown"
            | "LimitExceeded"
            | "LimitExceededException"
            | "LimitExceededFault"
            | "BandwidthLimitExceeded"
            | "ServiceQuotaExceededException"
    )
}

/// Whether the keys that signed do not hold, or were put to it at a wrong time.
pub(super) fn is_about_keys(code: &str) -> bool {
    matches!(
        code,
        "ExpiredToken"
            | "ExpiredTokenException"
            | "TokenRefreshRequired"
            | "UnrecognizedClient"
            | "UnrecognizedClientException"
            | "InvalidClientTokenId"
            | "InvalidAccessKeyId"
            | "InvalidToken"
            | "AuthFailure"
            | "MissingAuthenticationToken"
            | "MissingAuthenticationTokenException"
            | "IncompleteSignature"
            | "IncompleteSignatureException"
            | "SignatureDoesNotMatch"
            | "InvalidSignature"
            | "InvalidSignatureException"
            | "RequestExpired"
            | "RequestTimeTooSkewed"
    )
}

/// Whether whoever signed may not do this.
pub(super) fn is_denial(code: &str) -> bool {
    matches!(
        code,
        "AccessDenied"
            | "AccessDeniedException"
            | "NotAuthorized"
            | "NotAuthorizedException"
            | "UnauthorizedOperation"
            | "OptInRequired"
            | "SubscriptionRequiredException"
    )
}

/// For codes that nobody told us about, and answers without one.
fn by_status(service: Service, answer: &Answer, source: BoxError) -> PutError {
    if !answer.of_aws {
        return PutError::Intercepted { service, after: answer.after, source: intercepted(answer).into() };
    }
    match answer.status {
        429 => PutError::Throttled { service, after: answer.after },
        // 503 with a time is the plain HTTP way to slow a client down.
        503 if answer.after.is_some() => PutError::Throttled { service, after: answer.after },
        // Also every 4xx that is not clearly about the content.
        _ => PutError::Failed { service, source },
    }
}

/// What a proxy may have meant, and what to do about it.
fn intercepted(answer: &Answer) -> Cause {
    let advice = match answer.status {
        407 => "it wants a user name and a password: write them into HTTPS_PROXY, or let this host pass",
        413 => "it does not let a body of this size through: let it pass bodies of 2 MiB",
        200..=399 => "sign in at the captive portal, or except AWS from the proxy by NO_PROXY",
        _ => {
            "let it pass our requests, or except AWS from it by NO_PROXY; where there is no proxy, check agent.endpoint_override \
             and AWS_ENDPOINT_URL"
        }
    };
    let colon = if answer.message.is_empty() { "" } else { ": " };
    Cause::new(format!("HTTP {}{colon}{}; {advice}", answer.status, answer.message))
}

pub(super) fn with_clock(answer: &Answer) -> BoxError {
    match answer.clock_difference {
        Some(difference) if difference > CLOCK_TOLERANCE => Cause::new(format!(
            "the clock of this host differs from the service's by {} seconds, set it: {}",
            difference.as_secs(),
            answer.cause()
        ))
        .into(),
        _ => answer.cause().into(),
    }
}

/// `x-amz-retry-after` (milliseconds) or `Retry-After` (seconds or a date).
fn retry_after(headers: &Headers, now: SystemTime) -> Option<Duration> {
    if let Some(millis) = headers.get("x-amz-retry-after").and_then(|value| value.trim().parse().ok()) {
        return Some(Duration::from_millis(millis));
    }
    let value = headers.get("retry-after")?.trim();
    match value.parse() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => http_date(value)?.duration_since(now).ok(),
    }
}

fn clock_difference(headers: &Headers, now: SystemTime) -> Option<Duration> {
    let theirs = http_date(headers.get("date")?)?;
    Some(theirs.duration_since(now).unwrap_or_else(|earlier| earlier.duration()))
}

pub(super) fn http_date(text: &str) -> Option<SystemTime> {
    SystemTime::try_from(DateTime::from_str(text, Format::HttpDate).ok()?).ok()
}

#[cfg(test)]
mod tests;
