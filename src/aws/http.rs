//! The one HTTP client of every SDK client: rustls with ring, our trust, our proxies.
//!
//! A route is built when the first request needs it, so nothing here touches the network, the root certificates or a TLS
//! library before that, and an endpoint without TLS never does.
//!
//! Every answer is cut at [`LONGEST_ANSWER`]: whoever sends more is no AWS service, and would fill the memory.
use super::{auth::keys, proxies, resolver::Resolver, trust::Trust, way::Ways};
use aws_smithy_async::rt::sleep::SharedAsyncSleep;
use aws_smithy_http_client::{
    Connector,
    proxy::ProxyConfig,
    tls::{Provider, TlsContext, rustls_provider::CryptoMode},
};
use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        http::{
            HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
            SharedHttpConnector,
        },
        orchestrator::{HttpRequest, HttpResponse},
        result::ConnectorError,
        runtime_components::RuntimeComponents,
    },
};
use aws_smithy_types::{body::SdkBody, config_bag::ConfigBag};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::Uri;
use std::{
    collections::HashMap,
    fmt, mem,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};

/// How long a connection is kept without a request. Many home routers forget one silently after a minute or so.
const IDLE: Duration = Duration::from_secs(30);

/// The longest answer that is read, in bytes. Those of our calls have a few hundred, credentials a few thousand.
const LONGEST_ANSWER: usize = 1 << 20;

/// How the path ends where instance metadata names the instance's role. The SDK puts the name into its next request, and panics where
/// it fits into none. <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instance-metadata-security-credentials.html>
const ROLE_NAME: &str = "/meta-data/iam/security-credentials/";

/// Not metadata of EC2: somebody else answers for it.
#[derive(Debug, thiserror::Error)]
#[error("what the EC2 instance metadata gives as the name of the role is none; does somebody else answer?")]
struct NoRole;

/// Somebody sends without an end.
#[derive(Debug, thiserror::Error)]
#[error("the answer is longer than {LONGEST_ANSWER} bytes")]
pub(super) struct AnswerTooLong;

/// A client over this trust and these ways.
pub(super) fn client(trust: Trust, ways: Ways) -> SharedHttpClient {
    SharedHttpClient::new(Client { trust, ways: Arc::new(ways), connectors: Mutex::default() })
}

/// Connect and read time-out.
type Limits = (Option<Duration>, Option<Duration>);

struct Client {
    trust: Trust,
    ways: Arc<Ways>,
    /// Connections are shared by all who agree on these limits.
    connectors: Mutex<HashMap<Limits, SharedHttpConnector>>,
}

impl HttpClient for Client {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        let key = (settings.connect_timeout(), settings.read_timeout());
        let mut connectors = self.connectors.lock().unwrap_or_else(PoisonError::into_inner);
        let make = || {
            SharedHttpConnector::new(Routes {
                trust: self.trust.clone(),
                ways: Arc::clone(&self.ways),
                settings: settings.clone(),
                sleep: components.sleep_impl(),
                secure: OnceLock::new(),
                plain: OnceLock::new(),
                metadata: OnceLock::new(),
            })
        };
        connectors.entry(key).or_insert_with(make).clone()
    }

    /// Each call asks it before it is signed.
    fn validate_final_config(&self, components: &RuntimeComponents, call: &ConfigBag) -> Result<(), BoxError> {
        Ok(keys::check_signer(components, call)?)
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("ways", &self.ways).finish_non_exhaustive()
    }
}

/// The three ways out.
struct Routes {
    trust: Trust,
    ways: Arc<Ways>,
    settings: HttpConnectorSettings,
    sleep: Option<SharedAsyncSleep>,
    secure: OnceLock<Connector>,
    plain: OnceLock<Connector>,
    metadata: OnceLock<Connector>,
}

impl Routes {
    fn route(&self, uri: &Uri) -> Result<&Connector, BoxError> {
        let proxies = &self.ways.proxies;
        if uri.scheme_str() == Some("https") {
            return self.tls(&self.secure, || proxies.for_https());
        }
        if uri.host().is_some_and(proxies::is_metadata) {
            return Ok(self.metadata.get_or_init(|| self.clear(ProxyConfig::disabled())));
        }
        if proxies.http_needs_tls() {
            return self.tls(&self.plain, || proxies.for_http());
        }
        Ok(self.plain.get_or_init(|| self.clear(proxies.for_http())))
    }

    /// Failing to build it is not remembered: the next request tries again.
    fn tls<'a>(
        &self,
        place: &'a OnceLock<Connector>,
        proxy: impl FnOnce() -> ProxyConfig,
    ) -> Result<&'a Connector, BoxError> {
        if place.get().is_none() {
            let context = TlsContext::builder().with_trust_store(self.trust.store()?).build()?;
            let mut builder = Connector::builder()
                .connector_settings(self.settings.clone())
                .pool_idle_timeout(IDLE)
                .proxy_config(proxy())
                .tls_provider(Provider::Rustls(CryptoMode::Ring))
                .tls_context(context);
            builder.set_sleep_impl(self.sleep.clone());
            // Whoever was first wins; the other one had no connections yet.
            let _ = place.set(builder.build_with_resolver(Resolver));
        }
        place.get().ok_or_else(|| "the TLS client could not be kept".into())
    }

    fn clear(&self, proxy: ProxyConfig) -> Connector {
        let mut builder =
            Connector::builder().connector_settings(self.settings.clone()).pool_idle_timeout(IDLE).proxy_config(proxy);
        builder.set_sleep_impl(self.sleep.clone());
        builder.build_http()
    }
}

impl HttpConnector for Routes {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let routed = request.uri().parse::<Uri>().map_err(BoxError::from).and_then(|uri| Ok((self.route(&uri)?, uri)));
        match routed {
            Ok((connector, uri)) => {
                let (answer, ways) = (connector.call(request), Arc::clone(&self.ways));
                HttpConnectorFuture::new(async move {
                    let answer = answer.await.map(limited).map_err(|error| explained(&ways, &uri, error))?;
                    if uri.path().ends_with(ROLE_NAME) { with_role(answer).await } else { Ok(answer) }
                })
            }
            Err(e) => HttpConnectorFuture::ready(Err(ConnectorError::user(e))),
        }
    }
}

/// The same error, of the same kind for whoever tries again, with the way that it happened on.
fn explained(ways: &Ways, uri: &Uri, error: ConnectorError) -> ConnectorError {
    let blocked = Box::new(ways.blocked(uri, &error));
    if error.is_timeout() {
        ConnectorError::timeout(blocked)
    } else if error.is_io() {
        ConnectorError::io(blocked)
    } else if error.is_user() {
        error // It is our request that is wrong, not the way.
    } else {
        ConnectorError::other(blocked, error.as_other())
    }
}

/// The same answer, with an error in place of what is too much of it.
fn limited(answer: HttpResponse) -> HttpResponse {
    answer.map(|body| {
        let limited = Limited::new(body, LONGEST_ANSWER);
        SdkBody::from_body_1_x(limited.map_err(|e| if e.is::<LengthLimitError>() { AnswerTooLong.into() } else { e }))
    })
}

/// The same answer, where the role that it names can be one.
async fn with_role(mut answer: HttpResponse) -> Result<HttpResponse, ConnectorError> {
    if !answer.status().is_success() {
        return Ok(answer);
    }
    let body = mem::replace(answer.body_mut(), SdkBody::taken()).collect().await.map_err(ConnectorError::user)?;
    let body = body.to_bytes();
    let name = body.trim_ascii();
    // As IAM allows it: <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html>
    if name.is_empty() || !name.iter().all(|b| b.is_ascii_alphanumeric() || b"_+=,.@-".contains(b)) {
        return Err(ConnectorError::user(NoRole.into()));
    }
    answer.headers_mut().insert("content-length", name.len().to_string());
    *answer.body_mut() = SdkBody::from(name);
    Ok(answer)
}

impl fmt::Debug for Routes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Routes").field("ways", &self.ways).finish_non_exhaustive()
    }
}
