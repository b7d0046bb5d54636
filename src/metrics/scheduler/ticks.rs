//! Where on the clock the readings lie. Pure arithmetic.
use crate::model::Timestamp;
use std::time::Duration;

/// The widest spread of a fleet: it must stay inside the minute that CloudWatch sums up.
const SPREAD: Duration = Duration::from_secs(30);

/// A tick that is nearer than this is passed over: a timer may fire early, and a clock may be set back a little.
const TOO_NEAR: Duration = Duration::from_secs(1);

/// This host's place among all that measure at the same intervals: always the same for the same names.
#[derive(Clone, Copy, Debug)]
pub struct Place(u64);

impl Place {
    /// Both names count, because hosts that nobody named share one instance id.
    pub fn of(instance_id: &str, host_name: &str) -> Self {
        Self(fnv1a(format!("{instance_id} {host_name}").as_bytes()))
    }

    /// At so many milliseconds behind the multiples of any longer interval.
    #[cfg(test)]
    pub const fn at(millis: u64) -> Self {
        Self(millis)
    }

    /// How far this host's ticks lie behind the multiples of the interval: over a fleet, anything from zero to the interval or half a
    /// minute.
    pub fn offset(self, interval: Duration) -> Duration {
        let spread = interval.min(SPREAD).as_millis().max(1);
        Duration::from_millis((u128::from(self.0) % spread) as u64)
    }
}

/// How long to sleep at `now`: to the next multiple of `interval` plus `offset` that is not too near. At most the interval and a
/// quarter of it (or one second, when that is less).
pub fn until_next(now: Timestamp, interval: Duration, offset: Duration) -> Duration {
    let step = i64::try_from(interval.as_millis()).unwrap_or(i64::MAX).max(1);
    let offset = i64::try_from(offset.as_millis()).unwrap_or(0);
    let past = now.as_millis().saturating_sub(offset).rem_euclid(step);
    let wait = Duration::from_millis((step - past).unsigned_abs());
    if wait < TOO_NEAR.min(interval / 4) { wait + interval } else { wait }
}

/// FNV-1a, 64 bit (draft-eastlake-fnv): the standard library promises no hash that stays the same from one release to the next.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn wait(now: i64, interval: Duration, offset: u64) -> u64 {
        until_next(Timestamp::from_millis(now), interval, Duration::from_millis(offset)).as_millis() as u64
    }

    #[test]
    fn ticks_lie_on_multiples_of_the_interval_plus_the_offset() {
        assert_eq!(wait(120_000, MINUTE, 0), 60_000);
        assert_eq!(wait(150_500, MINUTE, 0), 29_500);
        assert_eq!(wait(120_000, MINUTE, 7_000), 7_000);
        assert_eq!(wait(128_000, MINUTE, 7_000), 59_000);
        assert_eq!(wait(-1, MINUTE, 0), 60_001, "a clock before 1970 is no reason to stand still");
    }

    #[test]
    fn a_tick_that_is_too_near_is_passed_over() {
        assert_eq!(wait(119_999, MINUTE, 0), 60_001);
        assert_eq!(wait(119_000, MINUTE, 0), 1_000);
        assert_eq!(wait(119_900, Duration::from_secs(1), 0), 1_100);
        assert_eq!(wait(119_700, Duration::from_secs(1), 0), 300);
    }

    #[test]
    fn wherever_the_clock_stands_the_wait_is_at_most_an_interval_and_a_quarter() {
        for interval in [1, 10, 60, 300].map(Duration::from_secs) {
            for now in (-100_000..1_000_000).step_by(7_919) {
                let wait = until_next(Timestamp::from_millis(now), interval, Place::of("sys-1", "h").offset(interval));
                assert!(wait > Duration::ZERO && wait <= interval + interval / 4, "{now} {interval:?} {wait:?}");
            }
        }
    }

    #[test]
    fn a_fleet_spreads_evenly_and_each_host_keeps_its_place() {
        assert_eq!(Place::of("sys-1", "h").offset(MINUTE), Place::of("sys-1", "h").offset(MINUTE));
        let spreads = |names: fn(u32) -> (String, String)| {
            let mut seconds = [0u32; 30];
            for host in 0..3_000 {
                let (id, host) = names(host);
                seconds[Place::of(&id, &host).offset(MINUTE * 5).as_secs() as usize] += 1;
            }
            assert!(seconds.iter().all(|n| (50..200).contains(n)), "{seconds:?}");
        };
        spreads(|host| (format!("sys-{host:012}"), "raspberrypi".into()));
        spreads(|host| ("sys-000000000000".into(), format!("host-{host}")));
        let short = Duration::from_secs(10);
        assert!((0..100).all(|host| Place::of("sys-1", &format!("h{host}")).offset(short) < short));
    }

    #[test]
    fn the_hash_is_the_published_one() {
        assert_eq!(fnv1a(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a(b"foobar"), 0x8594_4171_f739_67e8);
    }
}
