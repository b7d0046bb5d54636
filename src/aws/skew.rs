//! How far this host's clock is from that of AWS, learned from the `Date` of the answers, and said once.
//!
//! The SDK signs by the corrected time, so a clock that is wrong by weeks goes unnoticed there, and only the times of what
//! is sent are wrong. What was learned counts as long as this host's clock runs evenly; once it was set, or the host slept, the
//! next answer has to tell.
use super::{answer::is_marked, auth::renewing::Clock, errors::http_date};
use crate::model::{Skew, Timestamp};
use aws_smithy_runtime_api::http::Headers;
use std::{
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};
use tokio::time::Instant;

/// Less than this is no error: `Date` has whole seconds, and an answer takes its time.
const NEGLIGIBLE: Duration = Duration::from_mins(1);
/// From here on AWS would refuse what is signed by our clock, so it is said:
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-troubleshooting.html>
const WRONG: Duration = Duration::from_mins(5);

/// What the answers told.
pub(super) struct Skews {
    clock: Clock,
    learned: Mutex<Learned>,
}

#[derive(Default)]
struct Learned {
    last: Option<Heard>,
    /// Whether it was said that the clock is wrong.
    said: bool,
}

struct Heard {
    skew: Skew,
    /// When, by both clocks of this host: the one that people set, and the one that only runs.
    wall: SystemTime,
    even: Instant,
}

impl Skews {
    pub(super) fn new(clock: Clock) -> Self {
        Self { clock, learned: Mutex::default() }
    }

    /// An answer has come, just now. Nobody but AWS is believed.
    pub(super) fn hear(&self, headers: &Headers) {
        let Some(theirs) = headers.get("date").filter(|_| is_marked(headers)).and_then(http_date) else { return };
        let wall = (self.clock)();
        let skew = Skew::between(wall.into(), theirs.into());
        let mut learned = self.learned();
        learned.last = Some(Heard { skew, wall, even: Instant::now() });
        let wrong = skew.magnitude() > WRONG;
        if std::mem::replace(&mut learned.said, wrong) == wrong {
            return;
        }
        let (seconds, direction) = (skew.magnitude().as_secs(), if skew.is_behind() { "behind" } else { "ahead of" });
        if wrong {
            tracing::warn!(
                seconds,
                "the clock of this host is {direction} that of AWS by {}: set the clock (NTP); until then times are corrected where AWS does not take them",
                in_words(skew.magnitude())
            );
        } else {
            tracing::info!(seconds, "the clock of this host agrees with that of AWS again");
        }
    }

    /// What to add to this host's time. Zero while nothing is known, and where it makes no difference.
    pub(super) fn skew(&self) -> Skew {
        let learned = self.learned();
        let known =
            learned.last.as_ref().filter(|heard| heard.skew.magnitude() >= NEGLIGIBLE && self.runs_evenly(heard));
        known.map(|heard| heard.skew).unwrap_or_default()
    }

    /// What the service's clock shows now; `None` while nothing is known.
    pub(super) fn service_time(&self) -> Option<Timestamp> {
        let known = self.learned().last.as_ref().filter(|heard| self.runs_evenly(heard)).map(|heard| heard.skew);
        known.map(|skew| Timestamp::from((self.clock)()).shifted(skew))
    }

    /// Whether our clock has been neither set nor halted since.
    fn runs_evenly(&self, since: &Heard) -> bool {
        let expected = Timestamp::from(since.wall).plus(since.even.elapsed());
        Skew::between(expected, (self.clock)().into()).magnitude() < NEGLIGIBLE
    }

    fn learned(&self) -> MutexGuard<'_, Learned> {
        // Nothing panics while it is held.
        self.learned.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Skews {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Skews").field("skew", &self.skew()).finish_non_exhaustive()
    }
}

/// Rounded, in the largest unit of which there are two.
fn in_words(time: Duration) -> String {
    let seconds = time.as_secs();
    let units = [("days", 86_400), ("hours", 3_600), ("minutes", 60)];
    let (unit, length) = units.into_iter().find(|(_, length)| seconds >= 2 * length).unwrap_or(("seconds", 1));
    format!("{} {unit}", (seconds + length / 2) / length)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        sync::{
            Arc,
            atomic::{AtomicU64, Ordering},
        },
        time::UNIX_EPOCH,
    };

    /// Tue, 14 Nov 2023 22:13:20 GMT.
    const NOW: u64 = 1_700_000_000;

    /// A clock that a test sets.
    fn by_hand() -> (Skews, Arc<AtomicU64>) {
        let ours = Arc::new(AtomicU64::new(NOW));
        let read = ours.clone();
        (Skews::new(Arc::new(move || UNIX_EPOCH + Duration::from_secs(read.load(Ordering::Relaxed)))), ours)
    }

    fn answer(date: &'static str) -> Headers {
        let mut headers = Headers::new();
        headers.insert("x-amzn-requestid", "1");
        headers.insert("date", date);
        headers
    }

    fn seconds(skews: &Skews) -> i64 {
        let skew = skews.skew();
        Timestamp::from_millis(0).shifted(skew).as_millis() / 1000
    }

    #[tokio::test(start_paused = true)]
    async fn the_skew_is_learned_from_an_answer_of_aws_and_of_nobody_else() {
        let (skews, _) = by_hand();
        assert_eq!(seconds(&skews), 0);
        let mut strange = answer("Thu, 14 Dec 2023 22:13:20 GMT");
        strange.remove("x-amzn-requestid");
        skews.hear(&strange);
        assert_eq!(seconds(&skews), 0);
        skews.hear(&answer("Thu, 14 Dec 2023 22:13:20 GMT"));
        assert_eq!(seconds(&skews), 30 * 86_400);
        assert!(skews.learned().said);
        skews.hear(&answer("Tue, 14 Nov 2023 22:13:40 GMT"));
        assert_eq!(seconds(&skews), 0);
        assert!(!skews.learned().said);
    }

    #[tokio::test(start_paused = true)]
    async fn a_clock_that_was_set_or_halted_since_is_not_known_to_be_wrong() {
        let (skews, ours) = by_hand();
        skews.hear(&answer("Tue, 14 Nov 2023 20:13:20 GMT"));
        tokio::time::advance(Duration::from_secs(600)).await;
        ours.fetch_add(600, Ordering::Relaxed);
        assert_eq!(seconds(&skews), -7200, "both clocks went on");
        ours.fetch_sub(7200, Ordering::Relaxed);
        assert_eq!(seconds(&skews), 0, "it was set");
        ours.fetch_add(7200 + 3600, Ordering::Relaxed);
        assert_eq!(seconds(&skews), 0, "the host slept");
    }

    #[test]
    fn a_difference_is_told_in_units_that_people_use() {
        let told = [90, 600, 7_300, 86_400 * 30 - 1].map(|seconds| in_words(Duration::from_secs(seconds)));
        assert_eq!(told, ["90 seconds", "10 minutes", "2 hours", "30 days"]);
    }
}
