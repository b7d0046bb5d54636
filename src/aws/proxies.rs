//! The way through an HTTP proxy: `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`, each also in lower case. The agent's
//! `common-config.toml` may stand behind them.
//!
//! They are read once, and a value that cannot be used is an error at the start: a request that silently goes around the
//! proxy would only time out. Instance metadata and container credentials are never asked through a proxy, whatever
//! `NO_PROXY` says: the proxy's own would come back.
use super::ConnectError;
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_types::os_shim_internal::Env;
use hyper::Uri;
use hyper_util::client::proxy::matcher::Matcher;
use std::fmt;

/// Addresses that answer for this very host: EC2, ECS and EKS, old and new.
/// <https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html>
const METADATA: [&str; 5] = ["169.254.169.254", "169.254.170.2", "169.254.170.23", "[fd00:ec2::254]", "[fd00:ec2::23]"];

/// Which proxy serves which scheme. The URLs may hold a password: `Debug` shows hosts only.
#[derive(Clone, Default)]
pub(super) struct Proxies {
    https: Option<Given>,
    http: Option<Given>,
    no: String,
}

/// A proxy, and who says so.
#[derive(Clone)]
struct Given {
    variable: &'static str,
    url: String,
}

impl Proxies {
    /// As the environment says.
    pub(super) fn find(env: &Env) -> Result<Self, ConnectError> {
        let all = variable(env, "ALL_PROXY", "all_proxy")?;
        let http = variable(env, "HTTP_PROXY", "http_proxy")?.or_else(|| all.clone());
        let https = variable(env, "HTTPS_PROXY", "https_proxy")?.or(all);
        let no = env.get("NO_PROXY").or_else(|_| env.get("no_proxy")).unwrap_or_default();
        Ok(Self { https, http, no })
    }

    /// Let `origin` tell who says each variable.
    pub(super) fn said_by(mut self, origin: impl Fn(&'static str) -> &'static str) -> Self {
        for given in [&mut self.https, &mut self.http].into_iter().flatten() {
            given.variable = origin(given.variable);
        }
        self
    }

    /// For the SDK's connector that carries `https:` requests.
    pub(super) fn for_https(&self) -> ProxyConfig {
        self.configuration(self.https.as_ref(), |url| ProxyConfig::https(url).ok())
    }

    /// For the SDK's connector that carries `http:` requests.
    pub(super) fn for_http(&self) -> ProxyConfig {
        self.configuration(self.http.as_ref(), |url| ProxyConfig::http(url).ok())
    }

    /// Whether `http:` requests need TLS all the same, as far as the proxy.
    pub(super) fn http_needs_tls(&self) -> bool {
        self.http.as_ref().is_some_and(|given| given.url.starts_with("https:"))
    }

    /// For our own client.
    pub(super) fn matcher(&self) -> Matcher {
        let mut builder = Matcher::builder().no(self.no.clone());
        if let Some(given) = &self.https {
            builder = builder.https(given.url.clone());
        }
        if let Some(given) = &self.http {
            builder = builder.http(given.url.clone());
        }
        builder.build()
    }

    /// The proxy that stands between us and this address, and the variable that names it.
    pub(super) fn between(&self, uri: &Uri) -> Option<(Uri, &'static str)> {
        let secure = uri.scheme_str() == Some("https");
        if !secure && uri.host().is_some_and(is_metadata) {
            return None;
        }
        let given = if secure { &self.https } else { &self.http };
        let proxy = self.matcher().intercept(uri)?;
        Some((proxy.uri().clone(), given.as_ref()?.variable))
    }

    fn configuration(&self, given: Option<&Given>, make: impl FnOnce(&str) -> Option<ProxyConfig>) -> ProxyConfig {
        // `find` tried the URL already, so there is nothing left that `make` could refuse.
        given.and_then(|given| make(&given.url)).map_or_else(ProxyConfig::disabled, |proxy| proxy.no_proxy(&self.no))
    }
}

impl fmt::Debug for Proxies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = |given: &Option<Given>| {
            given.as_ref().and_then(|given| given.url.parse::<Uri>().ok()).and_then(|uri| uri.host().map(str::to_owned))
        };
        f.debug_struct("Proxies").field("https", &host(&self.https)).field("http", &host(&self.http)).finish()
    }
}

/// Whether this host answers for the machine or the container itself.
pub(super) fn is_metadata(host: &str) -> bool {
    METADATA.contains(&host)
}

fn variable(env: &Env, first: &'static str, second: &'static str) -> Result<Option<Given>, ConnectError> {
    for name in [first, second] {
        match env.get(name) {
            Ok(value) if !value.trim().is_empty() => {
                return Ok(Some(Given { variable: name, url: url(name, value.trim())? }));
            }
            // An empty variable means "no proxy", also where the other spelling is set.
            Ok(_) => return Ok(None),
            Err(_) => {}
        }
    }
    Ok(None)
}

fn url(variable: &'static str, value: &str) -> Result<String, ConnectError> {
    let whole = if value.contains("://") { value.to_owned() } else { format!("http://{value}") };
    // The value is not repeated in the message: it may hold a password.
    let why = match whole.parse::<Uri>() {
        Err(_) => "it is not a URL",
        Ok(uri) if !matches!(uri.scheme_str(), Some("http" | "https")) => "only http: and https: proxies are supported",
        Ok(uri) if uri.host().is_none_or(str::is_empty) => "it names no host",
        Ok(_) => return Ok(whole),
    };
    Err(ConnectError::Proxy { variable, why })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn goes_through(env: &[(&str, &str)], url: &'static str) -> Option<String> {
        let proxies = Proxies::find(&Env::from_slice(env)).expect("usable");
        proxies.matcher().intercept(&Uri::from_static(url)).map(|proxy| proxy.uri().to_string())
    }

    #[test]
    fn both_spellings_and_the_proxy_for_all_are_read_and_no_proxy_wins() {
        let aws = "https://logs.eu-west-1.amazonaws.com/";
        let through = Some("http://proxy:3128/".to_owned());
        assert_eq!(goes_through(&[("HTTPS_PROXY", "http://proxy:3128")], aws), through);
        assert_eq!(goes_through(&[("https_proxy", "proxy:3128")], aws), through);
        assert_eq!(goes_through(&[("ALL_PROXY", "http://proxy:3128")], aws), through);
        assert_eq!(goes_through(&[("https_proxy", "proxy:3128"), ("no_proxy", "amazonaws.com")], aws), None);
        assert_eq!(goes_through(&[("HTTPS_PROXY", ""), ("https_proxy", "proxy:3128")], aws), None);
        assert_eq!(goes_through(&[("HTTP_PROXY", "http://proxy:3128")], aws), None);
    }

    #[test]
    fn a_useless_proxy_is_refused_without_repeating_its_password() {
        for (value, why) in [("socks5://u:hunter2@p:1", "only http"), ("http://u:hunter2@[", "not a URL")] {
            let error = Proxies::find(&Env::from_slice(&[("HTTPS_PROXY", value)])).expect_err("useless");
            let text = format!("{error} {error:?}");
            assert!(text.contains("HTTPS_PROXY") && text.contains(why), "{text}");
            assert!(!text.contains("hunter2"), "{text}");
        }
    }

    #[test]
    fn debug_shows_no_password() {
        let proxies = Proxies::find(&Env::from_slice(&[("HTTPS_PROXY", "http://u:hunter2@p:1")])).expect("usable");
        assert_eq!(format!("{proxies:?}"), r#"Proxies { https: Some("p"), http: None }"#);
    }
}
