//! The one notion of wall-clock time: whole milliseconds, as both CloudWatch APIs count it.
use serde::{Deserialize, Serialize};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Milliseconds since 1970-01-01T00:00:00Z. Timers never use it: they run on the monotonic clock.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The wall clock now. A clock before 1970 counts as 1970.
    pub fn now() -> Self {
        Self::from(SystemTime::now())
    }

    /// From milliseconds since 1970.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since 1970.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// How much later this is than `earlier`; zero when it is not later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0).max(0).unsigned_abs())
    }

    /// This moment plus `by`, saturating.
    pub fn plus(self, by: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(by.as_millis()).unwrap_or(i64::MAX)))
    }

    /// This moment minus `by`, saturating.
    pub fn minus(self, by: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(by.as_millis()).unwrap_or(i64::MAX)))
    }

    /// This moment as the other clock has it, saturating.
    pub fn shifted(self, skew: Skew) -> Self {
        Self(self.0.saturating_add(skew.0))
    }

    /// RFC 3339 in UTC with milliseconds, for people: `2026-01-31T23:59:59.999Z`.
    pub fn rfc3339(self) -> String {
        chrono::DateTime::from_timestamp_millis(self.0)
            .map_or_else(|| self.0.to_string(), |t| t.to_rfc3339_opts(chrono::SecondsFormat::Millis, true))
    }
}

/// How far another clock is ahead of this host's, in milliseconds; below zero it is behind. Zero also where nothing is known.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Skew(i64);

impl Skew {
    /// Of a clock that shows `theirs` while ours shows `ours`.
    pub fn between(ours: Timestamp, theirs: Timestamp) -> Self {
        Self(theirs.0.saturating_sub(ours.0))
    }

    /// Without its direction.
    pub fn magnitude(self) -> Duration {
        Duration::from_millis(self.0.unsigned_abs())
    }

    /// Whether our clock is behind the other one.
    pub fn is_behind(self) -> bool {
        self.0 > 0
    }
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        Self(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_read_utc_with_milliseconds() {
        assert_eq!(Timestamp::from_millis(1_769_903_999_999).rfc3339(), "2026-01-31T23:59:59.999Z");
    }

    #[test]
    fn a_moment_is_told_by_another_clock() {
        let (ours, theirs) = (Timestamp::from_millis(1_000), Timestamp::from_millis(91_000));
        let skew = Skew::between(ours, theirs);
        assert!(skew.is_behind() && skew.magnitude() == Duration::from_secs(90));
        assert_eq!(ours.shifted(skew), theirs);
        assert!(!Skew::between(theirs, ours).is_behind());
    }

    #[test]
    fn a_clock_that_went_back_gives_no_negative_distance() {
        assert_eq!(Timestamp::from_millis(1).since(Timestamp::from_millis(5)), Duration::ZERO);
        assert_eq!(Timestamp::from_millis(5).since(Timestamp::from_millis(1)), Duration::from_millis(4));
    }
}
