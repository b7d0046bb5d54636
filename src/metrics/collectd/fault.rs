//! What is not taken, and why: counted always, and said once for as long as it lasts.
use super::series::SERIES;
use crate::{
    config::settings::collectd::Level,
    telemetry::counters::{self, Counter},
};
use std::{
    collections::HashMap,
    mem::{Discriminant, discriminant},
    net::{IpAddr, SocketAddr},
    time::Duration,
};
use tokio::time::Instant;

/// What goes on is said again after this time, with how often it happened.
const AGAIN: Duration = Duration::from_hours(1);
/// Complaints that are told apart by who caused them. There can be more senders than that.
const APART: usize = 200;

/// Why a packet, or a part of one, is not taken as it is.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum Fault {
    #[error("it has not the form of collectd's packets: {0}")]
    Broken(&'static str),
    #[error(
        "what it holds is {is}, and collectd_security_level is {}: set SecurityLevel, Username and Password in the sender's network \
         plugin, or lower collectd_security_level",
        .wanted.word()
    )]
    TooWeak { is: &'static str, wanted: Level },
    #[error("its user `{0}` is not in collectd_auth_file: add the line `user: password` there")]
    UnknownUser(String),
    #[error(
        "its signature or checksum does not fit the password of the user `{0}`: let Password in the sender's network plugin be the one in \
         collectd_auth_file; or somebody changed the packet on its way"
    )]
    Mismatch(String),
    #[error("the same packet came before: it is sent twice, or somebody repeats what he overheard")]
    Repeated,
    #[error("a list of values names no plugin or no type")]
    Unnamed,
    #[error(
        "the type `{kind}` has {known} sources, and {found} values came: let collectd_typesdb be the sender's types.db"
    )]
    Sources { kind: String, known: usize, found: usize },
    #[error("a value is no number, or none that CloudWatch takes")]
    NoNumber,
    #[error("a value is older than the two weeks that CloudWatch takes: set the sender's clock")]
    TooOld,
    #[error(
        "a value is more than two hours ahead, which CloudWatch does not take: set the sender's clock, or this host's"
    )]
    TooNew,
    #[error("a counter began anew, or is not newer than its reading before, so it has no rate")]
    NoRate,
    #[error(
        "there are {SERIES} series already, and no more are remembered to work out `rates`: let collectd send fewer, or leave `rates` out"
    )]
    TooManySeries,
}

impl Fault {
    /// Where it is counted, in packets or in values.
    fn counter(&self) -> &'static Counter {
        match self {
            Self::Broken(_) => &counters::COLLECTD_BROKEN,
            Self::TooWeak { .. } => &counters::COLLECTD_TOO_WEAK,
            Self::UnknownUser(_) => &counters::COLLECTD_UNKNOWN_USER,
            Self::Mismatch(_) => &counters::COLLECTD_MISMATCH,
            Self::Repeated => &counters::COLLECTD_REPEATED,
            Self::Unnamed => &counters::COLLECTD_UNNAMED,
            Self::Sources { .. } => &counters::COLLECTD_WRONG_SOURCES,
            Self::NoNumber => &counters::COLLECTD_NO_NUMBER,
            Self::TooOld => &counters::COLLECTD_TOO_OLD,
            Self::TooNew => &counters::COLLECTD_TOO_NEW,
            Self::NoRate => &counters::COLLECTD_NO_RATE,
            Self::TooManySeries => &counters::COLLECTD_TOO_MANY_SERIES,
        }
    }

    /// Nobody has to do anything: collectd says so that it does not know a value, and a counter that began anew is no mistake.
    fn is_usual(&self) -> bool {
        match self {
            Self::NoNumber | Self::NoRate => true,
            Self::Broken(_)
            | Self::TooWeak { .. }
            | Self::UnknownUser(_)
            | Self::Mismatch(_)
            | Self::Repeated
            | Self::Unnamed
            | Self::Sources { .. }
            | Self::TooOld
            | Self::TooNew
            | Self::TooManySeries => false,
        }
    }
}

/// Counts faults, and says what is new of each kind and sender.
#[derive(Default)]
pub(super) struct Complaints(HashMap<(Discriminant<Fault>, Option<IpAddr>), Told>);

struct Told {
    at: Instant,
    silent: u64,
}

impl Complaints {
    /// So many packets or values from there are not taken.
    pub(super) fn refused(&mut self, fault: &Fault, count: usize, from: SocketAddr) {
        fault.counter().add(count as u64);
        if fault.is_usual() {
            return;
        }
        if let Some(more) = self.is_news(fault, count as u64, from.ip()) {
            tracing::warn!(reason = %fault, %from, more, "what collectd sent is refused");
        }
    }

    /// Where it is time to say something, how many of the kind were not said.
    fn is_news(&mut self, fault: &Fault, count: u64, from: IpAddr) -> Option<u64> {
        let (now, kind) = (Instant::now(), discriminant(fault));
        let mut key = (kind, Some(from));
        if !self.0.contains_key(&key) && self.0.len() >= APART {
            self.0.retain(|_, told| now.duration_since(told.at) < AGAIN);
            if self.0.len() >= APART {
                key = (kind, None);
            }
        }
        match self.0.get_mut(&key) {
            Some(told) if now.duration_since(told.at) < AGAIN => {
                told.silent += count;
                None
            }
            Some(told) => {
                told.at = now;
                Some(std::mem::take(&mut told.silent))
            }
            None => {
                self.0.insert(key, Told { at: now, silent: 0 });
                Some(0)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(number: u8) -> SocketAddr {
        ([10, 0, 0, number], 9).into()
    }

    #[tokio::test(start_paused = true)]
    async fn each_kind_of_each_sender_is_counted_always_and_said_once_an_hour() {
        let mut complaints = Complaints::default();
        let mut news = |fault: &Fault, from: u8| complaints.is_news(fault, 2, host(from).ip());
        assert_eq!((news(&Fault::TooOld, 1), news(&Fault::TooOld, 1)), (Some(0), None));
        assert_eq!((news(&Fault::TooNew, 1), news(&Fault::TooOld, 2)), (Some(0), Some(0)));
        tokio::time::advance(AGAIN).await;
        assert_eq!(news(&Fault::TooOld, 1), Some(2));
        let before = counters::COLLECTD_TOO_OLD.here();
        (0..3).for_each(|_| complaints.refused(&Fault::TooOld, 4, host(1)));
        assert_eq!(counters::COLLECTD_TOO_OLD.here() - before, 12);
    }

    #[tokio::test(start_paused = true)]
    async fn any_number_of_senders_needs_only_so_much_memory_and_says_only_so_much() {
        let mut complaints = Complaints::default();
        let said =
            (0..100_000u32).filter(|n| complaints.is_news(&Fault::Repeated, 1, n.to_be_bytes().into()).is_some());
        assert_eq!(said.count(), APART + 1);
        assert_eq!(complaints.0.len(), APART + 1);
        tokio::time::advance(AGAIN).await;
        assert_eq!(complaints.is_news(&Fault::Repeated, 1, host(1).ip()), Some(0));
        assert_eq!(complaints.0.len(), 1);
    }

    #[test]
    fn the_own_log_says_what_to_do_about_a_weak_packet() {
        let fault = Fault::TooWeak { is: "not encrypted", wanted: Level::Encrypt };
        let text = fault.to_string();
        assert!(
            text.starts_with("what it holds is not encrypted, and collectd_security_level is encrypt: set"),
            "{text}"
        );
    }
}
