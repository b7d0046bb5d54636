//! From growing counters to amounts a second.
//!
//! Each device is compared with itself, because devices come and go (a container's interface lives seconds): one that is new counts
//! from its second reading on, one that is gone simply ends. A counter that went back (it wrapped, or the device was replaced under
//! its name) leaves an unknown amount, so its kind has no value for that interval: a gap is better than a wrong number.
use crate::platform::io::Traffic;
use std::time::Instant;

/// The reading before.
#[derive(Debug, Default)]
pub struct Rates(Option<(Instant, Vec<Traffic>)>);

/// Amounts a second over all devices, averaged over the time since the reading before. `None`: unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct PerSecond {
    pub bytes_in: Option<f64>,
    pub bytes_out: Option<f64>,
    pub count_in: Option<f64>,
    pub count_out: Option<f64>,
}

impl Rates {
    /// What passed since the reading before. All unknown when there was none, or no device is in both.
    pub fn advance(&mut self, now: Instant, mut devices: Vec<Traffic>) -> PerSecond {
        devices.sort_unstable_by(|a, b| a.device.cmp(&b.device));
        let per_second = self.0.as_ref().map(|(then, before)| {
            let seconds = now.saturating_duration_since(*then).as_secs_f64();
            let pairs: Vec<_> = devices
                .iter()
                .filter_map(|d| before.binary_search_by(|b| b.device.cmp(&d.device)).ok().map(|i| (&before[i], d)))
                .collect();
            let rate = |counter: fn(&Traffic) -> u64| {
                let moved = pairs.iter().try_fold(0u64, |sum, (b, d)| {
                    counter(d).checked_sub(counter(b)).map(|moved| sum.saturating_add(moved))
                });
                moved.filter(|_| seconds > 0.0 && !pairs.is_empty()).map(|moved| moved as f64 / seconds)
            };
            PerSecond {
                bytes_in: rate(|t| t.bytes_in),
                bytes_out: rate(|t| t.bytes_out),
                count_in: rate(|t| t.count_in),
                count_out: rate(|t| t.count_out),
            }
        });
        self.0 = Some((now, devices));
        per_second.unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn device(name: &str, bytes_in: u64, count_in: u64) -> Traffic {
        Traffic { device: name.into(), bytes_in, bytes_out: bytes_in * 2, count_in, count_out: 0 }
    }

    /// The rates of a second reading, four seconds after the first.
    fn between(first: Vec<Traffic>, second: Vec<Traffic>) -> PerSecond {
        let start = Instant::now();
        let mut rates = Rates::default();
        assert_eq!(rates.advance(start, first), PerSecond::default(), "one reading has no rate");
        rates.advance(start + Duration::from_secs(4), second)
    }

    #[test]
    fn differences_are_divided_by_the_seconds_that_passed() {
        let rates =
            between(vec![device("b", 0, 0), device("a", 100, 5)], vec![device("a", 500, 7), device("b", 40, 0)]);
        assert_eq!(
            rates,
            PerSecond { bytes_in: Some(110.0), bytes_out: Some(220.0), count_in: Some(0.5), count_out: Some(0.0) }
        );
    }

    #[test]
    fn a_counter_that_went_back_has_no_value_and_the_others_do() {
        let rates = between(vec![device("a", 100, 5), device("b", 0, 0)], vec![device("a", 500, 4), device("b", 0, 9)]);
        assert_eq!((rates.bytes_in, rates.count_in), (Some(100.0), None));
    }

    #[test]
    fn it_has_a_value_again_one_interval_later() {
        let start = Instant::now();
        let mut rates = Rates::default();
        for (second, bytes, expected) in [(0, 50, None), (10, 20, None), (30, 60, Some(2.0))] {
            let rate = rates.advance(start + Duration::from_secs(second), vec![device("a", bytes, 0)]);
            assert_eq!(rate.bytes_in, expected, "second {second}");
        }
    }

    #[test]
    fn devices_that_came_or_went_do_not_distort_the_rest() {
        let rates = between(
            vec![device("a", 0, 0), device("gone", 9_000, 9)],
            vec![device("a", 40, 0), device("new", 8_000, 8)],
        );
        assert_eq!((rates.bytes_in, rates.count_in), (Some(10.0), Some(0.0)));
        assert_eq!(between(vec![device("gone", 1, 1)], vec![device("new", 2, 2)]), PerSecond::default());
    }

    #[test]
    fn no_time_passed_means_no_rate() {
        let now = Instant::now();
        let mut rates = Rates::default();
        rates.advance(now, vec![device("a", 0, 0)]);
        assert_eq!(rates.advance(now, vec![device("a", 5, 5)]), PerSecond::default());
    }
}
