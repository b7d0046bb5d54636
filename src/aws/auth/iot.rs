//! AWS IoT's credentials provider: a device certificate instead of a password.
//!
//! One HTTPS request with the certificate as TLS client certificate, through the same proxies and with the same trust as
//! the SDK's clients. Certificate and key are read at each login, so that they can be replaced while we run.
//! <https://docs.aws.amazon.com/iot/latest/developerguide/authorizing-direct-aws.html>
use super::{SignInError, Source};
use crate::{
    aws::{
        ConnectError,
        base::CONNECT,
        errors::{Cause, find, one_line},
        proxies::Proxies,
        trust::Trust,
        way::Ways,
    },
    config::{
        login_files,
        settings::{self, Certificate},
    },
};
use aws_credential_types::Credentials;
use aws_smithy_types::{DateTime, date_time::Format};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::{HeaderMap, Request, Response, StatusCode, Uri, body::Incoming, header::HeaderValue};
use hyper_rustls::HttpsConnector;
use hyper_util::{
    client::legacy::{
        Client,
        connect::{Connect, HttpConnector, proxy::Tunnel},
    },
    rt::TokioExecutor,
};
use rustls::{
    ClientConfig, RootCertStore,
    client::WantsClientCert,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use serde::Deserialize;
use std::{error::Error, path::Path, sync::Arc, time::SystemTime};

const WHO: &str = "the AWS IoT credentials provider";
const THING: &str = "x-amzn-iot-thingname";
/// A real answer has about two thousand bytes.
const LONGEST_ANSWER: usize = 64 * 1024;
/// How much of a refusal is repeated, in characters.
const LONGEST_REFUSAL: usize = 200;

pub(in crate::aws) struct Iot {
    uri: Uri,
    thing: HeaderValue,
    settings: settings::Iot,
    trust: Trust,
    ways: Ways,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    credentials: Given,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Given {
    access_key_id: String,
    secret_access_key: String,
    session_token: String,
    expiration: String,
}

impl Iot {
    pub(in crate::aws) fn new(settings: &settings::Iot, trust: Trust, proxies: Proxies) -> Result<Self, ConnectError> {
        // What they may be is checked by the configuration.
        let host = settings.url.rsplit("://").next().unwrap_or_default().trim_end_matches('/');
        let uri = format!("https://{host}/role-aliases/{}/credentials", settings.role_alias);
        let uri = uri.parse::<Uri>().map_err(|e| ConnectError::Iot(e.into()))?;
        let thing = HeaderValue::from_str(&settings.thing_name).map_err(|e| ConnectError::Iot(e.into()))?;
        let ways = Ways::through(proxies).naming(&uri.to_string(), "agent.authentication.iotUrl");
        Ok(Self { uri, thing, settings: settings.clone(), trust, ways })
    }

    async fn login(&self) -> Result<Credentials, SignInError> {
        let unreachable = |source| SignInError::Unreachable { who: WHO, source };
        let roots = self.trust.roots().map_err(unreachable)?;
        let tls = self.device_tls(roots.clone())?;
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_connect_timeout(Some(CONNECT));
        let answer = match self.ways.proxies.matcher().intercept(&self.uri) {
            None => self.ask(HttpsConnector::from((tcp, tls))).await?,
            Some(proxy) => {
                // The proxy itself may want TLS too, but never our certificate.
                let to_proxy = HttpsConnector::from((tcp, tls_builder(roots)?.with_no_client_auth()));
                let mut tunnel = Tunnel::new(proxy.uri().clone(), to_proxy);
                if let Some(auth) = proxy.basic_auth() {
                    tunnel = tunnel.with_auth(auth.clone());
                }
                self.ask(HttpsConnector::from((tunnel, tls))).await?
            }
        };
        let (parts, body) = answer.into_parts();
        let body = Limited::new(body, LONGEST_ANSWER)
            .collect()
            .await
            .map_err(|e| unreachable(Cause::of(e.as_ref())))?
            .to_bytes();
        if parts.status == StatusCode::OK {
            parse(&body)
        } else {
            Err(self.refusal(parts.status, &parts.headers, &body))
        }
    }

    async fn ask<C>(&self, connector: C) -> Result<Response<Incoming>, SignInError>
    where
        C: Connect + Clone + Send + Sync + 'static,
    {
        let mut request = Request::new(Empty::<Bytes>::new());
        *request.uri_mut() = self.uri.clone();
        request.headers_mut().insert(THING, self.thing.clone());
        let client = Client::builder(TokioExecutor::new()).build(connector);
        client.request(request).await.map_err(|e| match alert(&e) {
            Some(alert) => SignInError::Refused {
                advice: format!(
                    "{WHO} does not accept the device certificate {}: register and activate it in AWS IoT",
                    self.certificate().display()
                ),
                source: Cause::new(alert.to_string()),
            },
            None => SignInError::Unreachable { who: WHO, source: Cause::of(&self.ways.blocked(&self.uri, &e)) },
        })
    }

    fn device_tls(&self, roots: RootCertStore) -> Result<ClientConfig, SignInError> {
        let (certificate, key) = match &self.settings.certificate {
            Certificate::Bundle(path) => (path, path),
            Certificate::Pair { certificate, key } => (certificate, key),
        };
        let chain = CertificateDer::pem_slice_iter(&read(certificate)?)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|_| broken(certificate, "is not readable PEM"))?;
        if chain.is_empty() {
            return Err(broken(certificate, "holds no certificate (-----BEGIN CERTIFICATE-----)"));
        }
        let text = read(key)?;
        let key_der = PrivateKeyDer::from_pem_slice(&text).map_err(|_| {
            let locked = String::from_utf8_lossy(&text).contains("ENCRYPTED");
            broken(
                key,
                if locked { "holds a key with a passphrase: store it without one" } else { "holds no PEM private key" },
            )
        })?;
        tls_builder(roots)?.with_client_auth_cert(chain, key_der).map_err(|e| match e {
            rustls::Error::InconsistentKeys(_) => broken(key, "does not hold the key of the certificate"),
            _ => broken(key, "cannot be used as the key of the certificate"),
        })
    }

    fn certificate(&self) -> &Path {
        match &self.settings.certificate {
            Certificate::Bundle(path) | Certificate::Pair { certificate: path, .. } => path,
        }
    }

    fn refusal(&self, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> SignInError {
        let shown: String = one_line(&String::from_utf8_lossy(body)).chars().take(LONGEST_REFUSAL).collect();
        let kind = headers.get("x-amzn-errortype").and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let source = Cause::new(format!("HTTP {} {kind} {shown}", status.as_u16()));
        if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
            return SignInError::Failed { who: WHO, source };
        }
        let settings = &self.settings;
        let advice = match status {
            StatusCode::NOT_FOUND => {
                format!("AWS IoT has no role alias {} there: correct roleAlias or iotUrl", settings.role_alias)
            }
            _ => format!(
                "AWS IoT gave no credentials: the certificate must be active, attached to the thing {} and to a policy that \
                 allows iot:AssumeRoleWithCertificate on the role alias {}",
                settings.thing_name, settings.role_alias
            ),
        };
        SignInError::Refused { advice, source }
    }
}

impl Source for Iot {
    fn fetch(&self) -> BoxFuture<'_, Result<Credentials, SignInError>> {
        Box::pin(self.login())
    }

    fn name(&self) -> &'static str {
        WHO
    }
}

fn tls_builder(roots: RootCertStore) -> Result<rustls::ConfigBuilder<ClientConfig, WantsClientCert>, SignInError> {
    let ring = Arc::new(rustls::crypto::ring::default_provider());
    ClientConfig::builder_with_provider(ring)
        .with_safe_default_protocol_versions()
        .map(|builder| builder.with_root_certificates(roots))
        .map_err(|e| SignInError::Unusable { advice: format!("TLS cannot be used here: {e}") })
}

fn read(path: &Path) -> Result<Vec<u8>, SignInError> {
    login_files::pem(path).map_err(|source| SignInError::Unreadable { path: path.to_path_buf(), source })
}

fn broken(path: &Path, why: &str) -> SignInError {
    SignInError::Unusable {
        advice: format!("{} {why}: correct the file or agent.authentication.certificate", path.display()),
    }
}

/// Serde's own messages repeat what they found, which may be a key: only the place is told.
fn parse(body: &[u8]) -> Result<Credentials, SignInError> {
    let unusable =
        |why: String| SignInError::Unusable { advice: format!("{WHO} answered without usable credentials: {why}") };
    let Answer { credentials: given } = serde_json::from_slice(body)
        .map_err(|e| unusable(format!("unexpected JSON at line {} column {}", e.line(), e.column())))?;
    let expiry = DateTime::from_str(&given.expiration, Format::DateTimeWithOffset)
        .ok()
        .and_then(|time| SystemTime::try_from(time).ok())
        .ok_or_else(|| unusable("its expiration is not a time".to_owned()))?;
    for (name, value) in [
        ("accessKeyId", &given.access_key_id),
        ("secretAccessKey", &given.secret_access_key),
        ("sessionToken", &given.session_token),
    ] {
        if value.is_empty() {
            return Err(unusable(format!("its {name} is empty")));
        }
    }
    Ok(Credentials::new(given.access_key_id, given.secret_access_key, Some(given.session_token), Some(expiry), "Iot"))
}

/// The TLS alert that the other side sent, however deep it lies.
fn alert<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    find(error).filter(|tls| matches!(tls, rustls::Error::AlertReceived(_)))
}

#[cfg(test)]
mod tests;
