//! How long to wait before the next attempt.
use super::Next;
use std::time::Duration;

/// Longest wait while the destination fails, is out of reach or throttles.
const USUAL_CAP: Duration = Duration::from_secs(30);
/// Longest wait when only a person can mend it: a missing permission, an unusable identity.
const SELDOM_CAP: Duration = Duration::from_mins(1);
/// Longest wait that a service may ask for, five minutes with the jitter: a proxy's error page may name a day.
const HINT_CAP: Duration = Duration::from_mins(4);
/// The first wait is at most this.
const BASE: Duration = Duration::from_millis(200);
/// Steps after which doubling changes nothing any more.
const STEPS: u32 = 16;

/// Capped exponential back-off with full jitter, without an end: what waits here waits safely.
/// <https://aws.amazon.com/builders-library/timeouts-retries-and-backoff-with-jitter/>
#[derive(Debug, Default)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    /// Whether nothing failed since the start or the last success.
    pub fn is_fresh(&self) -> bool {
        self.failures == 0
    }

    /// The wait after one more failure that asks for `next`.
    pub fn after(&mut self, next: Next) -> Duration {
        match next {
            Next::Retry(Some(hint)) => self.hinted(hint),
            Next::Retry(None) | Next::RenewThenRetry | Next::CreateThenRetry => self.next(USUAL_CAP),
            Next::RetrySeldom | Next::SetAside => self.next(SELDOM_CAP),
        }
    }

    /// It worked: start small again.
    pub fn reset(&mut self) {
        self.failures = 0;
    }

    /// The service's own wish, with some jitter so that a fleet does not come back at once. It may ask for more patience than we
    /// have, not for less: `Retry-After: 0` must not become a busy loop.
    fn hinted(&mut self, hint: Duration) -> Duration {
        let hint = hint.min(HINT_CAP);
        self.next(USUAL_CAP).max(hint + hint.mul_f64(fastrand::f64() / 4.0))
    }

    fn next(&mut self, cap: Duration) -> Duration {
        let ceiling = cap.min(BASE * 2u32.pow(self.failures.min(STEPS)));
        self.failures = self.failures.saturating_add(1);
        // A wait of nearly nothing would hammer a service that is already in trouble: at least a tenth.
        ceiling.mul_f64(0.1 + 0.9 * fastrand::f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_the_cap_and_never_beyond() {
        let mut backoff = Backoff::default();
        assert!(backoff.is_fresh() && backoff.after(Next::Retry(None)) <= BASE);
        let waits: Vec<_> = (0..100).map(|_| backoff.after(Next::Retry(None))).collect();
        assert!(waits.iter().all(|w| *w <= USUAL_CAP && !w.is_zero()));
        assert!(waits.iter().any(|w| *w > USUAL_CAP / 2));
        assert!((0..100).map(|_| backoff.after(Next::RetrySeldom)).any(|w| w > USUAL_CAP));
        backoff.reset();
        assert!(backoff.after(Next::Retry(None)) <= BASE);
    }

    #[test]
    fn the_services_own_hint_is_honoured() {
        let wait = Backoff::default().after(Next::Retry(Some(Duration::from_secs(8))));
        assert!((8.0..=10.0).contains(&wait.as_secs_f64()));
    }

    #[test]
    fn no_hint_is_honoured_for_longer_than_a_few_minutes() {
        for hint in [Duration::from_hours(24), Duration::MAX] {
            let wait = Backoff::default().after(Next::Retry(Some(hint)));
            assert!(wait >= HINT_CAP && wait <= Duration::from_mins(5), "{wait:?}");
        }
    }

    #[test]
    fn a_hint_of_nothing_is_no_leave_to_hammer() {
        let mut backoff = Backoff::default();
        let waits: Vec<_> = (0..100).map(|_| backoff.after(Next::Retry(Some(Duration::ZERO)))).collect();
        assert!(waits.iter().all(|wait| !wait.is_zero()) && waits.iter().any(|wait| *wait > USUAL_CAP / 2));
    }
}
