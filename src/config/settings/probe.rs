//! `metrics.response_time`: what is asked for an answer, and how long that takes.
use std::{ops::RangeInclusive, path::PathBuf, time::Duration};

/// An item of `metrics.response_time.targets`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Target {
    /// Value of the dimension `target`; no two are the same.
    pub name: String,
    pub question: Question,
    /// For the whole answer, looking up the name included; at most the interval.
    pub timeout: Duration,
}

/// How it is asked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Question {
    /// GET, up to the head of the answer.
    Http(Http),
    /// A TCP connection.
    Tcp { host: String, port: u16 },
    /// One ICMP echo.
    Icmp { host: String },
}

/// A request over HTTP.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Http {
    /// `http` or `https`, with a host, and without a user.
    pub url: String,
    /// Statuses of a service that is well.
    pub expect: Vec<RangeInclusive<u16>>,
    /// How many redirects are followed.
    pub redirects: u8,
    /// PEM: whom to trust in place of the system's authorities.
    pub ca_bundle: Option<PathBuf>,
}
