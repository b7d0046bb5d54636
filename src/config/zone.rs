//! Time zones of timestamps: UTC, this host's own, and those of the IANA database by name.
//!
//! Where the clocks go back, a local time happens twice; which one is meant is decided by [`Zone::moment`]. Where they go forward, a local
//! time happens never; it is read by the offset from before, as if the clocks had not been set yet: 02:30 is then 03:30.
use super::{finding::nearest, section::Section};
use crate::{config::Severity, model::Timestamp, platform::zones};
use chrono::DateTime;
use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

/// No two changes of the clocks lie nearer to each other, in seconds: so local times are judged by the offsets this long before and after.
const AROUND: i64 = 24 * 3600;
/// A line is read this soon after it was written, usually; in seconds.
const AT_ONCE: i64 = 600;

/// Offsets are looked up once for each span of so many seconds: a look costs as much as reading the timestamp.
const SPAN: i64 = 900;

/// A time zone.
#[derive(Clone)]
pub enum Zone {
    Utc,
    /// This host's, as it is set at the moment.
    Local,
    Named(Arc<Named>),
}

/// A zone of the IANA database.
pub struct Named {
    name: String,
    rules: tz::TimeZone,
    known: Known,
}

/// What was looked up last, by local time and by moment.
struct Known {
    by_local: Last,
    by_moment: Last,
}

impl Known {
    const fn nothing() -> Self {
        Self { by_local: Last::nothing(), by_moment: Last::nothing() }
    }
}

/// Of this host's zone. When that is set anew, lines of the same quarter of an hour are still read by the old one.
static LOCAL: Known = Known::nothing();

/// The number of a span and the offset in all of it, in one word, so that threads can share it.
struct Last(AtomicU64);

impl Last {
    const fn nothing() -> Self {
        Self(AtomicU64::new(u64::MAX))
    }

    /// The offset in the span that holds `second`; looked up where it is not known.
    fn offset(&self, second: i64, look_up: impl FnOnce(i64) -> Option<i64>) -> Option<i64> {
        let span = i32::try_from(second.div_euclid(SPAN)).ok()?;
        let word = self.0.load(Ordering::Relaxed);
        if word >> 32 == u64::from(span.cast_unsigned()) && word != u64::MAX {
            #[allow(clippy::cast_possible_truncation)] // The lower half of a word that was made below.
            return Some((word as u32).cast_signed().into());
        }
        let offset = i32::try_from(look_up(i64::from(span) * SPAN)?).ok()?;
        self.0.store(u64::from(span.cast_unsigned()) << 32 | u64::from(offset.cast_unsigned()), Ordering::Relaxed);
        Some(offset.into())
    }
}

impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Utc => "UTC",
            Self::Local => "Local",
            Self::Named(named) => &named.name,
        })
    }
}

impl Zone {
    /// Reads `timezone`. `None`: nothing usable stands there; what is wrong was reported.
    pub fn read(section: &Section<'_>) -> Option<Self> {
        let name = section.text()?;
        if ["utc", "z", "gmt"].contains(&name.to_ascii_lowercase().as_str()) {
            return Some(Self::Utc);
        }
        if name.eq_ignore_ascii_case("local") {
            return Some(Self::Local);
        }
        let rules = zones::data(name).ok().and_then(|data| tz::TimeZone::from_tz_data(&data).ok());
        if rules.is_none() {
            missing(section, name);
        }
        Some(Self::named(name, rules?))
    }

    /// The zone that a POSIX rule describes.
    #[cfg(test)]
    pub fn of_rule(rule: &str) -> Self {
        let rules = tz::TimeZone::from_posix_tz(rule).expect("a rule");
        Self::named(rule, rules)
    }

    fn named(name: &str, rules: tz::TimeZone) -> Self {
        Self::Named(Arc::new(Named { name: name.into(), rules, known: Known::nothing() }))
    }

    fn known(&self) -> &Known {
        match self {
            Self::Utc | Self::Local => &LOCAL,
            Self::Named(named) => &named.known,
        }
    }

    /// Seconds east of Greenwich at a moment, in seconds since 1970.
    pub fn offset_at(&self, moment: i64) -> i64 {
        if matches!(self, Self::Utc) {
            return 0;
        }
        let same = |start: i64| {
            let offset = self.look_up(start);
            (offset == self.look_up(start + SPAN - 1)).then_some(offset)
        };
        self.known().by_moment.offset(moment, same).unwrap_or_else(|| self.look_up(moment))
    }

    fn look_up(&self, moment: i64) -> i64 {
        match self {
            Self::Utc => 0,
            Self::Local => {
                DateTime::from_timestamp(moment, 0).map_or(0, |t| zones::local_offset(t).local_minus_utc().into())
            }
            Self::Named(named) => named.rules.find_local_time_type(moment).map_or(0, |t| t.ut_offset().into()),
        }
    }

    /// The moment at which clocks of this zone show `local`, both in seconds since 1970.
    ///
    /// When they show it twice: the later one, if that was just now; else the earlier one, unless the event before (`last`) lies so far behind
    /// it that the clocks have been set back already. Without an event before: the later one that is not ahead of `now`.
    pub fn moment(&self, local: i64, now: Timestamp, last: Option<Timestamp>) -> i64 {
        if matches!(self, Self::Utc) {
            return local;
        }
        let same = |start: i64| {
            let offset = self.look_up(start - AROUND);
            (offset == self.look_up(start + SPAN + AROUND)).then_some(offset)
        };
        if let Some(offset) = self.known().by_local.offset(local, same) {
            return local - offset;
        }
        let (before, after) = (self.look_up(local - AROUND), self.look_up(local + AROUND));
        let (first, second) = (local - before, local - after);
        if before == after {
            return first;
        }
        match (self.look_up(first) == before, self.look_up(second) == after) {
            (false, true) => second,
            (true, true) if second > first => {
                let now = now.as_millis().div_euclid(1000);
                let past = second <= now;
                let just_now = past && now - second < AT_ONCE;
                let set_back =
                    last.map_or(past, |last| last.as_millis().div_euclid(1000) - first > (second - first) / 2);
                if just_now || set_back { second } else { first }
            }
            _ => first,
        }
    }
}

fn missing(section: &Section<'_>, name: &str) {
    let names = zones::names();
    if names.is_empty() {
        section.error(format!(
            "this host knows no time zone by name, so not `{name}` either; install tzdata, or write `UTC` or `Local`"
        ));
        return;
    }
    let known = names.iter().map(String::as_str).chain(["UTC", "Local"]);
    // `Berlin` is nearer to `Europe/Berlin` than letters tell.
    let ending = |zone: &&String| zone.rsplit('/').next().is_some_and(|last| last.eq_ignore_ascii_case(name));
    let near = names.iter().find(ending).cloned().or_else(|| nearest(name, known));
    let why = "is no time zone that this host knows; write `UTC`, `Local`, or a name of the IANA database like `Europe/Berlin`";
    section.report(Severity::Error, why.into(), near);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Central Europe since 1996: forward on the last Sunday of March at 02:00, back on that of October at 03:00.
    fn berlin() -> Zone {
        Zone::of_rule("CET-1CEST,M3.5.0,M10.5.0/3")
    }

    fn seconds(text: &str) -> i64 {
        DateTime::parse_from_rfc3339(text).expect("a time").timestamp()
    }

    fn stamp(text: &str) -> Timestamp {
        Timestamp::from_millis(seconds(text) * 1000)
    }

    fn moment(local: &str, now: &str, last: Option<&str>) -> i64 {
        berlin().moment(seconds(local), stamp(now), last.map(stamp))
    }

    #[test]
    fn summer_and_winter_have_their_own_offsets() {
        let now = "2026-12-01T00:00:00Z";
        assert_eq!(moment("2026-07-01T12:00:00Z", now, None), seconds("2026-07-01T10:00:00Z"));
        assert_eq!(moment("2026-01-31T12:00:00Z", now, None), seconds("2026-01-31T11:00:00Z"));
    }

    #[test]
    fn a_time_that_the_clocks_jumped_over_is_read_as_if_they_had_not() {
        let now = "2026-03-29T02:00:00Z";
        assert_eq!(moment("2026-03-29T02:30:00Z", now, None), seconds("2026-03-29T01:30:00Z"));
        assert_eq!(moment("2026-03-29T01:59:59Z", now, None), seconds("2026-03-29T00:59:59Z"));
        assert_eq!(moment("2026-03-29T03:00:00Z", now, None), seconds("2026-03-29T01:00:00Z"));
    }

    #[test]
    fn a_time_that_happens_twice_is_the_one_of_just_now() {
        let (first, second) = (seconds("2026-10-25T00:30:00Z"), seconds("2026-10-25T01:30:00Z"));
        let twice = "2026-10-25T02:30:00Z";
        assert_eq!(moment(twice, "2026-10-25T00:30:01Z", None), first, "the second one is not yet");
        assert_eq!(moment(twice, "2026-10-25T01:30:01Z", None), second);
        assert_eq!(moment(twice, "2026-10-25T01:30:01Z", Some("2026-10-24T20:00:00Z")), second);
    }

    #[test]
    fn a_time_that_happens_twice_goes_on_from_the_event_before_when_it_is_read_late() {
        let (first, second) = (seconds("2026-10-25T00:30:00Z"), seconds("2026-10-25T01:30:00Z"));
        let (twice, later) = ("2026-10-25T02:30:00Z", "2026-10-26T00:00:00Z");
        assert_eq!(moment(twice, later, Some("2026-10-25T00:29:59Z")), first);
        assert_eq!(
            moment(twice, later, Some("2026-10-25T00:30:00.9Z")),
            first,
            "a little out of order is no change of clocks"
        );
        assert_eq!(moment(twice, later, Some("2026-10-25T01:29:59Z")), second);
        assert_eq!(moment(twice, later, None), second);
    }

    #[test]
    fn what_was_looked_up_for_one_time_is_not_taken_for_another() {
        let zone = berlin();
        let now = stamp("2027-01-01T00:00:00Z");
        for (local, moment) in [
            ("2026-03-28T01:59:59Z", "2026-03-28T00:59:59Z"),
            ("2026-03-29T01:59:59Z", "2026-03-29T00:59:59Z"),
            ("2026-03-29T03:00:00Z", "2026-03-29T01:00:00Z"),
            ("2026-03-30T03:00:00Z", "2026-03-30T01:00:00Z"),
            ("2026-03-30T03:14:59Z", "2026-03-30T01:14:59Z"),
            ("1969-12-31T23:59:59Z", "1969-12-31T22:59:59Z"),
        ] {
            for _ in 0..2 {
                assert_eq!(zone.moment(seconds(local), now, None), seconds(moment), "{local}");
                assert_eq!(zone.offset_at(seconds(moment)), seconds(local) - seconds(moment), "{local}");
            }
        }
        assert_eq!(Zone::Utc.offset_at(0), 0);
    }

    #[test]
    fn the_hosts_own_zone_agrees_with_the_library() {
        for local in [1_769_903_999, 1_782_900_000] {
            let moment = Zone::Local.moment(local, Timestamp::default(), None);
            assert_eq!(moment + Zone::Local.offset_at(moment), local);
        }
    }
}
