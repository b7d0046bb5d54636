//! `metrics.metrics_collected.collectd`.
use super::metrics::SourceDimensions;
use crate::{config::words::words, model::Resolution};
use std::{fmt, net::IpAddr, path::PathBuf, time::Duration};

/// Where packets of collectd are received, and what becomes of their values.
#[derive(Clone, Debug)]
pub struct Collectd {
    /// Its JSON path.
    pub at: String,
    /// `service_address`
    pub address: Address,
    /// `name_prefix`, before the name of each metric.
    pub prefix: String,
    /// `collectd_auth_file`: lines `user: password`.
    pub auth_file: PathBuf,
    /// `collectd_security_level`
    pub level: Level,
    /// `collectd_typesdb`: they add to the types that are built in.
    pub types: Vec<PathBuf>,
    /// Somebody wrote these paths, so they should be there.
    pub types_named: bool,
    /// `metrics_aggregation_interval`; zero: each value is sent by itself.
    pub aggregation: Duration,
    /// How finely what is sent is kept.
    pub resolution: Resolution,
    /// `rates`: counters become amounts a second. The agent sends them as they are.
    pub rates: bool,
    pub dimensions: SourceDimensions,
}

impl Collectd {
    /// Whether values are handed on as they come. So those of a minute are, too: the metric stage puts them together by the minute
    /// anyway, and keeps them through a crash.
    pub fn passes_on(&self) -> bool {
        let is_the_stages = self.aggregation == Duration::from_mins(1) && self.resolution == Resolution::Minute;
        self.aggregation.is_zero() || is_the_stages
    }

    /// How often it gives values of one series.
    pub fn interval(&self) -> Duration {
        if self.passes_on() { Duration::ZERO } else { self.aggregation }
    }
}

/// Where to listen. A multicast group is joined.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Address {
    pub host: Host,
    pub port: u16,
}

/// The addresses of this host on which to listen.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Host {
    /// Whoever can reach this host.
    All,
    Address(IpAddr),
    /// Its first address.
    Named(String),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let port = self.port;
        match &self.host {
            Host::All => write!(f, "udp://:{port}"),
            Host::Address(IpAddr::V6(ip)) => write!(f, "udp://[{ip}]:{port}"),
            Host::Address(IpAddr::V4(ip)) => write!(f, "udp://{ip}:{port}"),
            Host::Named(name) => write!(f, "udp://{name}:{port}"),
        }
    }
}

words! {
    /// What a packet has to be at least.
    #[derive(Ord, PartialOrd)]
    pub enum Level {
        None = "none",
        Sign = "sign",
        Encrypt = "encrypt",
    }
}
