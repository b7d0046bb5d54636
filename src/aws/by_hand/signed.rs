//! Calls that are made by hand and signed: by the login itself, never by a role that is assumed for what is published.
//!
//! Each question is one attempt, with a second one only where the keys of the first did not hold. Whoever asks tries again.
use crate::{
    aws::{
        auth::{Shared, SignInError, renewing::Renewing},
        base::Base,
        by_hand,
        errors::{Cause, Outcome, is_about_keys, read},
        skew::Skews,
    },
    model::Timestamp,
};
use aws_credential_types::Credentials;
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SigningSettings, sign},
    sign::v4,
};
use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::orchestrator::{HttpRequest, HttpResponse, OrchestratorError},
};
use aws_smithy_types::{body::SdkBody, error::ErrorMetadata};
use aws_types::SdkConfig;
use secrecy::{ExposeSecret, SecretString};
use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

/// A service that is asked.
#[derive(Debug)]
pub(in crate::aws) struct Kind {
    /// In variables and profiles, in capitals and with underscores there.
    pub(in crate::aws) id: &'static str,
    /// What it is called in a signature.
    pub(in crate::aws) signing: &'static str,
    /// Its endpoint: of a region, with FIPS, with both kinds of addresses.
    pub(in crate::aws) rule: fn(&str, bool, bool) -> String,
}

/// What is asked.
#[derive(Clone)]
pub(in crate::aws) struct Question {
    /// The call, by its name in IAM.
    pub(in crate::aws) action: &'static str,
    pub(in crate::aws) method: &'static str,
    /// From the endpoint on, with what follows a question mark; everything encoded.
    pub(in crate::aws) path: String,
    pub(in crate::aws) headers: Vec<(&'static str, String)>,
    /// There may be a password in it.
    pub(in crate::aws) body: SecretString,
}

impl Question {
    /// The call's own name.
    pub(in crate::aws) fn name(&self) -> &'static str {
        self.action.rsplit(':').next().unwrap_or(self.action)
    }
}

/// Why there is no answer.
pub(in crate::aws) enum Unanswered {
    /// There are no keys to sign with.
    Login(Shared),
    /// Environment and profile do not say where AWS is.
    Nowhere(SignInError),
    /// They say what excludes each other, or nothing that can be a request.
    Unfit(Cause),
    Outcome(Outcome),
}

/// Reads an answer, whatever its status.
type Reader<T> = fn(&str, &HttpResponse) -> Result<T, OrchestratorError<ErrorMetadata>>;

/// Signs and asks.
pub(in crate::aws) struct Caller {
    base: Arc<Base>,
    login: Arc<Renewing>,
    skews: Arc<Skews>,
}

impl Caller {
    pub(in crate::aws) fn new(base: Arc<Base>, login: Arc<Renewing>, skews: Arc<Skews>) -> Self {
        Self { base, login, skews }
    }

    pub(in crate::aws) fn base(&self) -> &Base {
        &self.base
    }

    /// The answer, as `reader` reads it; it is told the name of the call.
    pub(in crate::aws) async fn ask<T>(
        &self,
        kind: &'static Kind,
        region: &str,
        question: &Question,
        reader: Reader<T>,
    ) -> Result<T, Unanswered>
    where
        T: fmt::Debug + Send + Sync + 'static,
    {
        let keys = self.login.ready().await.map_err(Unanswered::Login)?;
        let config = self.base.config().await.map_err(Unanswered::Nowhere)?;
        let url = by_hand::endpoint(kind.id, config, |fips, dualstack| (kind.rule)(region, fips, dualstack));
        let url = url.map_err(|fault| Unanswered::Unfit(Cause::new(fault)))?;
        let place = Place { kind, region, url: &url, config };
        let mut outcome = self.send(&place, question, keys, reader).await;
        if let Err(Outcome::Answer(answer)) = &outcome
            && is_about_keys(answer.code())
            && self.login.renew().await.is_ok()
        {
            let keys = self.login.ready().await.map_err(Unanswered::Login)?;
            outcome = self.send(&place, question, keys, reader).await;
        }
        outcome.map_err(Unanswered::Outcome)
    }

    /// One attempt. Signed by the service's time, as far as it is known.
    async fn send<T>(
        &self,
        place: &Place<'_>,
        question: &Question,
        keys: Credentials,
        reader: Reader<T>,
    ) -> Result<T, Outcome>
    where
        T: fmt::Debug + Send + Sync + 'static,
    {
        let now = self.skews.service_time().unwrap_or_else(Timestamp::now).as_millis();
        let now = SystemTime::UNIX_EPOCH + Duration::from_millis(now.try_into().unwrap_or_default());
        let request = request(place.kind, place.region, place.url, question, keys, now);
        let request = request.map_err(|error| Outcome::Unreachable(Cause::of(&*error)))?;
        let (name, skews) = (question.name(), Arc::clone(&self.skews));
        let call = by_hand::call(place.kind.id, name, place.url, place.config)
            .serializer(|request: Ready| request.0.try_clone().ok_or_else(|| "a body of bytes".into()))
            .deserializer(move |response| {
                skews.hear(response.headers());
                reader(name, response)
            })
            .build();
        call.invoke(Ready(request)).await.map_err(|error| read(&error, SystemTime::now()))
    }
}

/// Where a question goes.
struct Place<'a> {
    kind: &'static Kind,
    region: &'a str,
    url: &'a str,
    config: &'a SdkConfig,
}

/// A request with everything in it. Its headers and its body are never printed.
struct Ready(HttpRequest);

impl fmt::Debug for Ready {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ready").finish_non_exhaustive()
    }
}

/// The question as a request, signed. The path of the endpoint is part of what is signed, and is put in front later.
pub(in crate::aws) fn request(
    kind: &Kind,
    region: &str,
    url: &str,
    question: &Question,
    keys: Credentials,
    now: SystemTime,
) -> Result<HttpRequest, BoxError> {
    let identity = keys.into();
    let signing = v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name(kind.signing)
        .time(now)
        .settings(SigningSettings::default())
        .build()?
        .into();
    let whole = format!("{}{}", url.trim_end_matches('/'), question.path);
    let headers = question.headers.iter().map(|(name, value)| (*name, value.as_str()));
    let body = question.body.expose_secret();
    let signable = SignableRequest::new(question.method, &whole, headers, SignableBody::Bytes(body.as_bytes()))?;
    let (signature, _) = sign(signable, &signing)?.into_parts();
    let mut request = HttpRequest::new(SdkBody::from(body));
    request.set_method(question.method)?;
    request.set_uri(question.path.as_str())?;
    let sent = request.headers_mut();
    for (name, value) in &question.headers {
        sent.try_insert(*name, value.clone())?;
    }
    sent.try_insert("user-agent", concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION")))?;
    for header in signature.into_parts().0 {
        sent.try_insert(header.name(), header.value().to_owned())?;
    }
    Ok(request)
}
