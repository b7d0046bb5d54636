//! From counters to amounts a second, where the configuration wants them.
//!
//! The agent publishes counters as they are. A counter that went back has begun anew, and has no rate until its next reading: a gap is
//! better than a wrong number. One that was full did not begin anew; and what may fall by its type has a rate below zero.
use super::packet::Value;
use std::time::Duration;

/// The reading before of one source.
#[derive(Clone, Copy, Debug)]
pub(super) struct Last {
    value: Value,
    /// Since 1970.
    at: Duration,
}

/// What became of a value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Rate {
    /// A gauge as it is, everything else a second.
    Is(f64),
    /// The first reading of a counter.
    First,
    /// Not newer than the reading before, or the counter began anew.
    Unknown,
}

/// `every`: how often it is measured, zero where that was not said.
pub(super) fn rate(last: &mut Option<Last>, value: Value, at: Duration, every: Duration, may_fall: bool) -> Rate {
    if let Value::Gauge(gauge) = value {
        return Rate::Is(gauge);
    }
    let Some(before) = last.filter(|before| before.at < at) else {
        if last.is_some() {
            return Rate::Unknown;
        }
        *last = Some(Last { value, at });
        // What is counted since the value before it says all itself.
        return match value {
            Value::Absolute(count) if !every.is_zero() => Rate::Is(per_second(count, every)),
            _ => Rate::First,
        };
    };
    *last = Some(Last { value, at });
    let (fell, amount) = match (before.value, value) {
        (Value::Counter(before), Value::Counter(now)) => match counted(before, now) {
            Some(amount) => (false, amount),
            None => return Rate::Unknown,
        },
        (Value::Derive(before), Value::Derive(now)) => (now < before, now.abs_diff(before)),
        (Value::Absolute(_), Value::Absolute(count)) => (false, count),
        // Its kind is another one now.
        _ => return Rate::Unknown,
    };
    match fell {
        false => Rate::Is(per_second(amount, at - before.at)),
        true if may_fall => Rate::Is(-per_second(amount, at - before.at)),
        true => Rate::Unknown,
    }
}

fn per_second(amount: u64, time: Duration) -> f64 {
    amount as f64 / time.as_secs_f64()
}

/// What a counter counted. `None`: it began anew. One of 32 bits that was nearly full has been full: else it would have to have
/// begun anew and counted more than half of what it can since.
fn counted(before: u64, now: u64) -> Option<u64> {
    const FULL: u64 = 1 << 32;
    now.checked_sub(before)
        .or_else(|| (FULL + now).checked_sub(before).filter(|counted| before < FULL && *counted < FULL / 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Readings, each ten seconds after the one before.
    fn rates(values: &[Value], may_fall: bool) -> Vec<Rate> {
        let mut last = None;
        let every = Duration::from_secs(10);
        let moments = (1..).map(|n: u32| every * n);
        values.iter().zip(moments).map(|(value, at)| rate(&mut last, *value, at, every, may_fall)).collect()
    }

    #[test]
    fn a_gauge_is_what_it_is_and_a_counter_what_it_grew_a_second() {
        assert_eq!(rates(&[Value::Gauge(-3.0)], false), [Rate::Is(-3.0)]);
        for values in [
            [Value::Counter(5), Value::Counter(105), Value::Counter(110)],
            [Value::Derive(-5), Value::Derive(95), Value::Derive(100)],
        ] {
            assert_eq!(rates(&values, false), [Rate::First, Rate::Is(10.0), Rate::Is(0.5)]);
        }
        assert_eq!(rates(&[Value::Absolute(7), Value::Absolute(5)], false), [Rate::Is(0.7), Rate::Is(0.5)]);
    }

    #[test]
    fn what_began_anew_has_no_rate_and_what_was_full_or_may_fall_has() {
        let near = u64::from(u32::MAX) - 9;
        assert_eq!(rates(&[Value::Counter(near), Value::Counter(90)], false)[1], Rate::Is(10.0));
        assert_eq!(
            rates(&[Value::Counter(1_000), Value::Counter(3), Value::Counter(13)], false)[1..],
            [Rate::Unknown, Rate::Is(1.0)]
        );
        assert_eq!(rates(&[Value::Counter(u64::MAX), Value::Counter(3)], false)[1], Rate::Unknown);
        let falling = [Value::Derive(i64::MAX), Value::Derive(i64::MAX - 100), Value::Derive(i64::MIN)];
        assert_eq!(rates(&falling, false)[1], Rate::Unknown);
        assert_eq!(rates(&falling, true)[1], Rate::Is(-10.0));
    }

    #[test]
    fn what_is_not_newer_than_the_reading_before_changes_nothing() {
        let (mut last, every) = (None, Duration::from_secs(10));
        let mut at =
            |seconds, count| rate(&mut last, Value::Counter(count), Duration::from_secs(seconds), every, false);
        assert_eq!(at(100, 0), Rate::First);
        assert_eq!((at(90, 50), at(100, 60)), (Rate::Unknown, Rate::Unknown));
        assert_eq!(at(110, 100), Rate::Is(10.0));
    }
}
