//! `response_time`: how long somebody takes to answer, over HTTP, TCP or ICMP.
//!
//! Each target has a future of its own, a new connection at each tick, and a time-out that is at most its interval, so one that hangs
//! delays no other. The time runs from the lookup of the name to the head of the answer, the connection, or the echo. What no answer
//! was had for is not available and has no time. What cannot be measured for a reason of this host (no right to send an echo, no place
//! among the lookups) is no fault of the target: nothing is published, and it is said and counted.
//!
//! A lookup that hangs keeps its thread until the system gives up. It is waited for at the next tick; no second one is begun.
mod http;
mod reach;
mod trust;

use super::{
    Moment,
    readings::Wanted,
    rounds::{Complaint, News, Rounds, Turn},
};
use crate::{
    config::settings::{
        metrics::{Options, Plugin},
        probe::{Question, Target},
    },
    model::{Points, Timestamp},
    platform::{
        echo,
        lookup::{self, Lookup},
    },
    telemetry::{chain, counters},
};
use futures_util::future::join_all;
use http::HttpError;
use hyper::Uri;
use reach::{Host, ReachError};
use rustls::ClientConfig;
use std::{net::IpAddr, sync::Arc, time::Duration};
use tokio::time::{Instant, timeout};
use trust::{Trust, TrustError};

/// The measurements, as its table has them: milliseconds to the answer, where there was one; 1 or 0; and of an answer over HTTP.
const TIME: &str = "response_time";
const AVAILABLE: &str = "response_time_available";
const STATUS: &str = "response_time_status_code";

/// Asks the targets, each with the number of its source, until told to stop.
pub async fn run(sources: Vec<(usize, Plugin)>, rounds: Rounds) {
    let system = Arc::new(Trust::new(None));
    let each = sources.iter().filter_map(|(number, plugin)| {
        let Options::Probe(target) = &plugin.options else { return None };
        tracing::info!(at = plugin.at, name = target.name, "a target is asked for its response time");
        Some(rounds.run(*number, plugin.interval, Prober::new(plugin, target, &system)))
    });
    tokio::select! {
        _ = join_all(each) => {}
        () = rounds.out.closed() => {}
    }
}

/// One target.
struct Prober {
    at: String,
    target: Target,
    wanted: Wanted,
    /// Of a question over HTTP.
    url: Uri,
    trust: Arc<Trust>,
    /// A lookup that has not come back.
    lookup: Option<Lookup>,
    complaint: Complaint,
}

/// An answer.
struct Answer {
    time: Duration,
    status: Option<u16>,
}

/// Why there is none, or not the right one.
#[derive(Debug, thiserror::Error)]
enum ProbeError {
    #[error(transparent)]
    Http(#[from] HttpError),
    #[error(transparent)]
    Reach(#[from] ReachError),
    #[error("no answer came within {} seconds", limit.as_secs())]
    TooSlow { limit: Duration },
    #[error("its answer has the status {status}, which `expect_status` does not name")]
    Status { status: u16 },
    #[error("not measured")]
    Trust(#[from] TrustError),
    #[error("not measured: so many names are being looked up that this one had no turn")]
    NoTurn,
    #[error(
        "not measured: this system allows no ICMP echo to this user; on Linux set net.ipv4.ping_group_range = \"0 2147483647\" with sysctl, \
         or give the daemon CAP_NET_RAW; or ask a TCP port instead"
    )]
    NoEcho,
}

impl ProbeError {
    /// Whether the target itself is at fault.
    fn blames_the_target(&self) -> bool {
        match self {
            Self::Http(_) | Self::Reach(_) | Self::TooSlow { .. } | Self::Status { .. } => true,
            Self::Trust(_) | Self::NoTurn | Self::NoEcho => false,
        }
    }
}

impl Turn for Prober {
    fn name(&self) -> String {
        format!("response_time {}", self.target.name)
    }

    fn wrong(&self) -> Option<&str> {
        self.complaint.whole()
    }

    /// Ask once.
    async fn turn(&mut self, now: Timestamp) -> Points {
        let (answer, wrong) = match self.ask().await {
            Ok(answer) => {
                let wrong = self.unexpected(&answer);
                (Some(answer), wrong)
            }
            Err(error) => (None, Some(error)),
        };
        self.tell(wrong.as_ref());
        let mut points = Points::new();
        let now = Moment { wall: now, monotonic: Instant::now().into_std() };
        let mut readings = self.wanted.begin(now, &mut points);
        let mut target = readings.of(&[("target", &self.target.name)]);
        if wrong.as_ref().is_none_or(ProbeError::blames_the_target) {
            target.push(AVAILABLE, if wrong.is_none() { 1.0 } else { 0.0 });
        }
        if let Some(Answer { time, status }) = answer {
            target.push(TIME, time.as_secs_f64() * 1_000.0);
            if let Some(status) = status {
                target.push(STATUS, f64::from(status));
            }
        }
        points
    }
}

impl Prober {
    fn new(plugin: &Plugin, target: &Target, system: &Arc<Trust>) -> Self {
        let (url, bundle) = match &target.question {
            // What is no URL was refused with the configuration.
            Question::Http(http) => (http.url.parse().unwrap_or_default(), http.ca_bundle.clone()),
            Question::Tcp { .. } | Question::Icmp { .. } => (Uri::default(), None),
        };
        Self {
            at: plugin.at.clone(),
            target: target.clone(),
            wanted: Wanted::of(plugin),
            url,
            trust: if bundle.is_some() { Arc::new(Trust::new(bundle)) } else { system.clone() },
            lookup: None,
            complaint: Complaint::default(),
        }
    }

    async fn ask(&mut self) -> Result<Answer, ProbeError> {
        let limit = self.target.timeout;
        // What only this host needs is no time of the target's.
        let (tls, address) = match timeout(limit, self.prepare()).await {
            Ok(prepared) => prepared?,
            Err(_) => return Err(ProbeError::NoTurn),
        };
        let begun = Instant::now();
        let host = match (address, &mut self.lookup) {
            (Some(address), _) => Host::Address(address),
            (None, Some(lookup)) => Host::Name(lookup),
            (None, None) => return Err(ProbeError::NoTurn),
        };
        let question = put(&self.target.question, &self.url, host, tls.as_ref());
        let result = timeout(limit, question).await;
        if !self.lookup.as_ref().is_some_and(Lookup::hangs) {
            self.lookup = None;
        }
        match result {
            Err(_) => Err(ProbeError::TooSlow { limit }),
            Ok(Ok(status)) => Ok(Answer { time: begun.elapsed(), status }),
            Ok(Err(ProbeError::Reach(ReachError::Echo { source }))) if echo::is_forbidden(&source) => {
                Err(ProbeError::NoEcho)
            }
            Ok(Err(error)) => {
                if matches!(error, ProbeError::Http(HttpError::Tls { .. })) {
                    self.trust.doubt().await;
                }
                Err(error)
            }
        }
    }

    /// Who is believed, where that matters; the address, or the beginning of its lookup.
    async fn prepare(&mut self) -> Result<(Option<Arc<ClientConfig>>, Option<IpAddr>), ProbeError> {
        let (name, tls) = match &self.target.question {
            Question::Http(http) => {
                let tls = match http::is_secure(&self.url) {
                    true => Some(self.trust.config().await?),
                    // Only where a redirect leads to it.
                    false if http.redirects > 0 => self.trust.config().await.ok(),
                    false => None,
                };
                (http::host_of(&self.url), tls)
            }
            Question::Tcp { host, .. } | Question::Icmp { host } => (host.as_str(), None),
        };
        let address: Option<IpAddr> = name.parse().ok();
        if address.is_none() && self.lookup.is_none() {
            self.lookup = Some(lookup::turn().await.look_up(name));
        }
        Ok((tls, address))
    }

    fn unexpected(&self, answer: &Answer) -> Option<ProbeError> {
        let (Question::Http(http), Some(status)) = (&self.target.question, answer.status) else { return None };
        let expected = http.expect.iter().any(|range| range.contains(&status));
        (!expected).then_some(ProbeError::Status { status })
    }

    fn tell(&mut self, wrong: Option<&ProbeError>) {
        let why = wrong.map(|error| chain(error));
        let (at, name) = (self.at.as_str(), self.target.name.as_str());
        match wrong {
            Some(error) if error.blames_the_target() => counters::PROBES_UNANSWERED.add(1),
            Some(_) => counters::POLLS_FAILED.add(1),
            None => {}
        }
        match (self.complaint.heard(why.as_deref()), why) {
            (News::Wrong, Some(why)) => {
                tracing::warn!(at, why, "the target {name} of response_time does not answer as it should")
            }
            (News::Well, _) => tracing::info!(at, "the target {name} of response_time answers again"),
            (News::Wrong | News::None, _) => {}
        }
    }
}

/// Put the question. The status of the answer, where it has one.
async fn put(
    question: &Question,
    url: &Uri,
    host: Host<'_>,
    tls: Option<&Arc<ClientConfig>>,
) -> Result<Option<u16>, ProbeError> {
    match question {
        Question::Http(settings) => Ok(Some(http::get(url, settings.redirects, host, tls).await?)),
        Question::Tcp { port, .. } => Ok(host.connect(*port).await.map(|_| None)?),
        Question::Icmp { .. } => Ok(host.echo().await.map(|()| None)?),
    }
}

#[cfg(test)]
mod tests;
