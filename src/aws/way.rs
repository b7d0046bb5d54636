//! The way of a request: the host that it asks for, the key or variable that named this host, the proxy between. It is told
//! when a connection fails; nothing here connects.
//!
//! Of URLs only host and port are ever shown: a path or a query may be private, and a proxy's URL may hold a password.
//! To explain another failure, add its mark to [`TROUBLES`].
use super::{auth::cognito::region_of, errors::NOISE, proxies};
use crate::{
    config::settings::{Authentication, Settings},
    telemetry::chain_without,
};
use aws_types::os_shim_internal::Env;
use hyper::Uri;
use proxies::Proxies;
use std::error::Error;

/// Variables that hold an address. <https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html>
const VARIABLES: [&str; 9] = [
    "AWS_ENDPOINT_URL_CLOUDWATCH",
    "AWS_ENDPOINT_URL_CLOUDWATCH_LOGS",
    "AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER",
    "AWS_ENDPOINT_URL_COGNITO_IDENTITY",
    "AWS_ENDPOINT_URL_STS",
    "AWS_ENDPOINT_URL_EC2",
    "AWS_ENDPOINT_URL",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_EC2_METADATA_SERVICE_ENDPOINT",
];
/// Where neither a key of ours nor a variable named a host that is none of AWS.
const PROFILE: &str = "endpoint_url of the AWS profile";

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Trouble {
    Untrusted,
    Expired,
    NotYetValid,
    OtherName,
    NoTls,
    NoName,
    NoFiles,
    Refused,
    NoAnswer,
    NoNetwork,
}

/// What the libraries say about a connection that failed, and what it means. The first one that fits.
const TROUBLES: [(&str, Trouble); 16] = [
    ("invalid peer certificate: UnknownIssuer", Trouble::Untrusted),
    ("invalid peer certificate: BadSignature", Trouble::Untrusted),
    ("invalid peer certificate: Expired", Trouble::Expired),
    ("invalid peer certificate: certificate expired", Trouble::Expired),
    ("invalid peer certificate: NotValidYet", Trouble::NotYetValid),
    ("invalid peer certificate: certificate not valid yet", Trouble::NotYetValid),
    ("invalid peer certificate: NotValidForName", Trouble::OtherName),
    ("invalid peer certificate: certificate not valid for name", Trouble::OtherName),
    ("received corrupt message", Trouble::NoTls),
    ("dns error", Trouble::NoName),
    ("Too many open files", Trouble::NoFiles),
    ("onnection refused", Trouble::Refused),
    ("connect timeout", Trouble::NoAnswer),
    // Of our own client for AWS IoT.
    ("deadline has elapsed", Trouble::NoAnswer),
    ("Network is unreachable", Trouble::NoNetwork),
    ("No route to host", Trouble::NoNetwork),
];
/// The same on Windows: WSAECONNREFUSED, WSAETIMEDOUT, WSAENETUNREACH, WSAEHOSTUNREACH.
const TROUBLES_OF_WINDOWS: [(&str, Trouble); 4] = [
    ("os error 10061", Trouble::Refused),
    ("os error 10060", Trouble::NoAnswer),
    ("os error 10051", Trouble::NoNetwork),
    ("os error 10065", Trouble::NoNetwork),
];
/// Of the HTTP library: how each failure on the way through a proxy begins, and the one where the proxy was not reached.
const TUNNEL: &str = "tunnel error";
const NO_PROXY_THERE: &str = "failed to create underlying connection";
const PASSWORD_WANTED: &str = "proxy authorization required";

/// What is known about all ways.
#[derive(Clone, Debug, Default)]
pub(super) struct Ways {
    pub(super) proxies: Proxies,
    /// `HOST:PORT`, and the key or variable that says it.
    named: Vec<(String, &'static str)>,
    /// The first part of a service's host name, and what the region in it comes from.
    services: Vec<(&'static str, &'static str)>,
}

/// A request that got no answer: one plain line, with the library's own words behind it.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Blocked(String);

/// One way.
struct Way {
    host: String,
    check: Option<String>,
    /// Its host, and the variable that names it.
    proxy: Option<(String, &'static str)>,
    tls: bool,
}

impl Ways {
    /// Through these proxies, to hosts that nobody named yet.
    pub(super) fn through(proxies: Proxies) -> Self {
        Self { proxies, ..Self::default() }
    }

    /// As settings and environment say.
    pub(super) fn find(settings: &Settings, env: &Env, proxies: Proxies) -> Self {
        let endpoints = &settings.agent.endpoints;
        let region = match settings.agent.region {
            Some(_) => "agent.region",
            None => "the region (AWS_REGION or the AWS profile)",
        };
        let (mut pool, mut identity) = (region, region);
        if let Authentication::Cognito(cognito) = &settings.agent.authentication {
            // The pools say themselves where they are.
            if region_of(&cognito.user_pool_id, '_').is_some() {
                pool = "agent.authentication.userPoolId";
            }
            if region_of(&cognito.identity_pool_id, ':').is_some() {
                identity = "agent.authentication.identityPoolId";
            }
        }
        let sso = "sso_region of the AWS profile";
        let services = vec![
            ("monitoring", region),
            ("logs", region),
            ("sts", region),
            ("ec2", "the region that the EC2 instance metadata names"),
            ("cognito-idp", pool),
            ("cognito-identity", identity),
            ("portal", sso),
            ("oidc", sso),
        ];
        let mut ways = Self { services, ..Self::through(proxies) };
        for (url, key) in [
            (&endpoints.metrics, "metrics.endpoint_override"),
            (&endpoints.logs, "logs.endpoint_override"),
            (&endpoints.all, "agent.endpoint_override"),
        ] {
            ways = ways.naming(url.as_deref().unwrap_or_default(), key);
        }
        for variable in VARIABLES {
            ways = ways.naming(&env.get(variable).unwrap_or_default(), variable);
        }
        ways
    }

    /// `key` says `url`.
    pub(super) fn naming(mut self, url: &str, key: &'static str) -> Self {
        if let Some(host) = url.parse().ok().as_ref().and_then(host) {
            self.named.push((host, key));
        }
        self
    }

    /// What is said about a request that was not answered.
    pub(super) fn blocked(&self, uri: &Uri, error: &(dyn Error + 'static)) -> Blocked {
        let words = chain_without(error, &NOISE);
        let way = Way {
            host: host(uri).unwrap_or_else(|| "a URL without a host".to_owned()),
            check: self.check(uri),
            proxy: self.proxies.between(uri).and_then(|(proxy, variable)| Some((host(&proxy)?, variable))),
            tls: uri.scheme_str() == Some("https"),
        };
        Blocked(format!("{} ({words})", way.explain(&words)))
    }

    /// Whatever decided that this host is asked.
    fn check(&self, uri: &Uri) -> Option<String> {
        let address = host(uri)?;
        let named: Vec<&str> = self.named.iter().filter(|(named, _)| *named == address).map(|(_, key)| *key).collect();
        if !named.is_empty() {
            return Some(named.join(" and "));
        }
        if proxies::is_metadata(uri.host()?) {
            return None;
        }
        let first = address.split('.').next().unwrap_or_default().trim_end_matches("-fips");
        let service = self.services.iter().find(|(service, _)| *service == first);
        Some(service.map_or(PROFILE, |(_, region)| region).to_owned())
    }
}

impl Way {
    fn explain(&self, words: &str) -> String {
        let all = || TROUBLES.iter().chain(&TROUBLES_OF_WINDOWS);
        let trouble = all().find(|(mark, _)| words.contains(mark)).map(|(_, trouble)| *trouble);
        match &self.proxy {
            // Behind the tunnel it is the host that is spoken to.
            Some((proxy, variable)) if !self.tls || words.contains(TUNNEL) => {
                self.at_proxy(proxy, variable, words, trouble)
            }
            Some((proxy, variable)) if trouble == Some(Trouble::NoAnswer) => format!(
                "neither the proxy {proxy} nor {} behind it answered in time; check {variable} and NO_PROXY",
                self.host
            ),
            _ => self.at_host(trouble),
        }
    }

    fn at_host(&self, trouble: Option<Trouble>) -> String {
        let host = &self.host;
        let first = self.check.as_ref().map(|check| format!("{check}, ")).unwrap_or_default();
        match trouble {
            Some(Trouble::NoName) => {
                format!("the host name {host} cannot be resolved; check {first}DNS and the network")
            }
            Some(Trouble::Refused) => {
                format!("the connection was refused by {host}; check {first}the port and the firewall")
            }
            Some(Trouble::NoAnswer) => format!(
                "{host} did not answer in time; check {first}the network and the firewall, and whether {} is needed",
                if self.tls { "HTTPS_PROXY" } else { "HTTP_PROXY" }
            ),
            Some(trouble) => trouble.of(host),
            None => format!("the connection to {host} failed"),
        }
    }

    fn at_proxy(&self, proxy: &str, variable: &str, words: &str, trouble: Option<Trouble>) -> String {
        if words.contains(PASSWORD_WANTED) {
            return format!("the proxy {proxy} wants a user name and a password: write them into {variable}");
        }
        let check = format!("check {variable} and NO_PROXY");
        if words.contains(TUNNEL) && !words.contains(NO_PROXY_THERE) {
            return format!("the proxy {proxy} did not let us through to {}; {check}", self.host);
        }
        let why = match trouble {
            Some(Trouble::NoName) => ": its host name cannot be resolved".to_owned(),
            Some(Trouble::Refused) => ": it refused the connection".to_owned(),
            Some(Trouble::NoAnswer) => ": it did not answer in time".to_owned(),
            Some(trouble) => format!(": {}", trouble.of("the proxy")),
            None => String::new(),
        };
        format!("the proxy {proxy} could not be reached{why}; {check}")
    }
}

impl Trouble {
    /// In words that fit both a host and a proxy.
    fn of(self, host: &str) -> String {
        match self {
            Self::Untrusted => format!(
                "this machine does not trust the certificate of {host}; an own certificate authority, of a proxy that \
                 inspects traffic for example, belongs into the file that agent.ca_bundle or AWS_CA_BUNDLE names"
            ),
            Self::Expired => format!("the certificate of {host} has expired, or the clock of this host is wrong"),
            Self::NotYetValid => {
                format!("the certificate of {host} is not valid yet, or the clock of this host is wrong")
            }
            Self::OtherName => {
                format!("the certificate that {host} showed belongs to another host; does a proxy answer instead?")
            }
            Self::NoTls => format!("{host} does not speak TLS; check the port, and http or https"),
            Self::NoFiles => super::errors::NO_FILES.to_owned(),
            Self::NoNetwork => format!("there is no way through the network to {host}"),
            Self::NoName => format!("the name of {host} cannot be resolved"),
            Self::Refused => format!("{host} refused the connection"),
            Self::NoAnswer => format!("{host} did not answer in time"),
        }
    }
}

/// `HOST` or `HOST:PORT`, and nothing else of it.
fn host(uri: &Uri) -> Option<String> {
    let host = uri.host().filter(|host| !host.is_empty())?.to_ascii_lowercase();
    Some(uri.port_u16().map_or_else(|| host.clone(), |port| format!("{host}:{port}")))
}

#[cfg(test)]
mod tests;
