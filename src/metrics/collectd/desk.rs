//! From a datagram to points: who may say it, and what it says.
//!
//! A packet is read part by part, each part that sets a name or a time holding for those behind it. A signature covers all that
//! follows it, an encrypted part holds parts of its own. What is weaker than the configured level is passed over, as collectd
//! does; what is signed or encrypted has to fit its user's password whatever the level, but for one case: where nothing has to be
//! signed, a signature that nobody here can check changes nothing.
//!
//! The protocol has no protection from repeats, so what was signed or encrypted is remembered for a while ([`Recent`]).
use super::{
    fault::{Complaints, Fault},
    keys::Users,
    packet::{Broken, Field, Part, Parts},
    series::{Identity, List, Rules, Series},
    types::Types,
};
use crate::{
    config::settings::collectd::Level,
    model::{Points, Timestamp},
    telemetry::counters,
};
use std::{
    collections::{HashSet, VecDeque},
    hash::{BuildHasher, RandomState},
    net::SocketAddr,
    time::Duration,
};

/// Takes datagrams.
pub(super) struct Desk {
    level: Level,
    users: Users,
    recent: Recent,
    complaints: Complaints,
    series: Series,
    plain: Vec<u8>,
}

/// What is read together: of one cover, from one sender.
struct Span<'a> {
    cover: Level,
    from: SocketAddr,
    now: Timestamp,
    out: &'a mut Points,
}

impl Desk {
    pub(super) fn new(level: Level, rules: Rules) -> Self {
        Self {
            level,
            users: Users::default(),
            recent: Recent::default(),
            complaints: Complaints::default(),
            series: Series::new(rules),
            plain: vec![],
        }
    }

    /// These may send from now on.
    pub(super) fn admit(&mut self, users: Users) {
        self.users = users;
    }

    /// These types hold from now on.
    pub(super) fn rename(&mut self, types: Types, out: &mut Points) {
        self.series.rename(types, out);
    }

    /// An interval is over.
    pub(super) fn close(&mut self, now: Timestamp, out: &mut Points) {
        self.series.close(out);
        self.series.forget_the_silent(now);
    }

    /// One datagram, that came at `now` from there.
    pub(super) fn take(&mut self, datagram: &[u8], from: SocketAddr, now: Timestamp, out: &mut Points) {
        counters::COLLECTD_PACKETS.add(1);
        self.read(datagram, Span { cover: Level::None, from, now, out });
    }

    fn read(&mut self, bytes: &[u8], mut span: Span<'_>) {
        let (mut of, mut at, mut every) = (Identity::default(), Duration::ZERO, Duration::ZERO);
        let mut is_weak = false;
        for part in Parts::of(bytes) {
            match part {
                Err(Broken(why)) => return self.refuse(&Fault::Broken(why), &span),
                Ok(Part::Sealed { .. }) if span.cover == Level::Encrypt => {
                    return self.refuse(&Fault::Broken("an encrypted part holds another one"), &span);
                }
                Ok(Part::Sealed { user, iv, sealed }) => {
                    let mut plain = std::mem::take(&mut self.plain);
                    match self.users.keys(user) {
                        None => self.refuse(&Fault::UnknownUser(shown(user)), &span),
                        Some(keys) => match keys.open(iv, sealed, &mut plain) {
                            None => self.refuse(&Fault::Mismatch(shown(user)), &span),
                            Some(_) if !self.recent.is_new(&(user, iv, sealed)) => {
                                self.refuse(&Fault::Repeated, &span);
                            }
                            Some(parts) => {
                                let (cover, from, now) = (Level::Encrypt, span.from, span.now);
                                self.read(parts, Span { cover, from, now, out: &mut *span.out });
                            }
                        },
                    }
                    self.plain = plain;
                }
                Ok(Part::Signature { user, mac, signed }) => {
                    let fault = match self.users.keys(user) {
                        None if self.level == Level::None => continue,
                        None => Fault::UnknownUser(shown(user)),
                        Some(keys) if !keys.signs(signed, mac) => Fault::Mismatch(shown(user)),
                        Some(_) if !self.recent.is_new(&(user, mac)) => Fault::Repeated,
                        Some(_) => {
                            span.cover = span.cover.max(Level::Sign);
                            (of, at, every) = (Identity::default(), Duration::ZERO, Duration::ZERO);
                            continue;
                        }
                    };
                    return self.refuse(&fault, &span);
                }
                Ok(Part::Text(field, text)) => match field {
                    Field::Host => of.host = text,
                    Field::Plugin => of.plugin = text,
                    Field::PluginInstance => of.plugin_instance = text,
                    Field::Type => of.kind = text,
                    Field::TypeInstance => of.type_instance = text,
                },
                Ok(Part::Time(time)) => at = time,
                Ok(Part::Interval(interval)) => every = interval,
                Ok(Part::Values(_) | Part::Notification) if span.cover < self.level => is_weak = true,
                Ok(Part::Values(values)) => {
                    let (complaints, from) = (&mut self.complaints, span.from);
                    let list = List { of, at, every, values };
                    self.series.take(&list, span.now, span.out, &mut |fault, count| {
                        complaints.refused(fault, count, from);
                    });
                }
                Ok(Part::Notification) => counters::COLLECTD_NOTIFICATIONS.add(1),
                Ok(Part::Unknown) => {}
            }
        }
        if is_weak {
            let is = match span.cover {
                Level::None => "neither signed nor encrypted",
                Level::Sign | Level::Encrypt => "signed but not encrypted",
            };
            self.refuse(&Fault::TooWeak { is, wanted: self.level }, &span);
        }
    }

    fn refuse(&mut self, fault: &Fault, span: &Span<'_>) {
        self.complaints.refused(fault, 1, span.from);
    }
}

/// Takes one datagram of whoever, at each level, and all that it can make us do.
#[cfg(fuzzing)]
pub fn fuzz(datagram: &[u8]) {
    use crate::model::Resolution;
    let (now, from) = (Timestamp::from_millis(1_769_903_940_000), SocketAddr::from(([127, 0, 0, 1], 9)));
    for (level, rates) in [(Level::None, true), (Level::Sign, false), (Level::Encrypt, false)] {
        let (prefix, aggregation) = ("collectd_".to_owned(), Duration::from_secs(60));
        let mut desk = Desk::new(level, Rules { prefix, aggregation, rates, resolution: Resolution::Minute });
        desk.admit(Users::read(b"alice: secret").0);
        let mut points = Points::new();
        (0..2).for_each(|_| desk.take(datagram, from, now, &mut points));
        desk.close(now, &mut points);
        assert!(points.iter().all(|point| point.value.iter().all(|(value, count)| value.is_finite() && count >= 1.0)));
    }
}

/// A user's name as it can be shown.
fn shown(user: &[u8]) -> String {
    const SHOWN: usize = 100;
    user[..user.len().min(SHOWN)].escape_ascii().to_string()
}

/// What was signed or encrypted lately, and proved to be its user's: so nobody else can fill this.
#[derive(Default)]
struct Recent {
    hasher: RandomState,
    known: HashSet<u64>,
    order: VecDeque<u64>,
}

/// Packets that are remembered: of a few senders a day, of a hundred some minutes. A fifth of a MiB when full.
const REMEMBERED: usize = 8_192;

impl Recent {
    fn is_new(&mut self, what: &impl std::hash::Hash) -> bool {
        let hash = self.hasher.hash_one(what);
        if !self.known.insert(hash) {
            return false;
        }
        if self.order.len() >= REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        self.order.push_back(hash);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_latest_packets_are_remembered() {
        let mut recent = Recent::default();
        assert!(recent.is_new(&0) && !recent.is_new(&0));
        (1..REMEMBERED).for_each(|n| assert!(recent.is_new(&n)));
        assert!(!recent.is_new(&0), "as many as that are remembered");
        assert!(recent.is_new(&REMEMBERED) && recent.is_new(&0));
        assert_eq!((recent.known.len(), recent.order.len()), (REMEMBERED, REMEMBERED));
    }
}
