//! What of a datagram does not count, or not as it was sent: counted by cause, and said seldom, with an example.
use super::{identity::Unnamable, protocol::Fault};
use crate::{
    model::limits::{DIMENSION_VALUE, DIMENSIONS, NAME},
    telemetry::counters::{self, Counter},
};
use std::{collections::HashMap, time::Duration};
use tokio::time::Instant;

/// The same kind of trouble is said once in this time.
const SELDOM: Duration = Duration::from_mins(1);
/// Characters of an example.
const SHOWN: usize = 200;

/// What can be wrong.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, thiserror::Error)]
pub(super) enum Trouble {
    #[error("it is not of the form name:value|type: what stands there and behind it is refused")]
    Form,
    #[error(
        "its type is none of c, g, ms, h and s (d: see `distributions`): it is refused, with what stands behind it"
    )]
    Type,
    #[error(
        "only counters and gauges may have a sign (see `signed_values`): it is refused, with what stands behind it"
    )]
    Sign,
    #[error("its value is no number that CloudWatch takes: it is refused, with what stands behind it")]
    Value,
    #[error(
        "its rate is none above 0 and up to 1, which `strict_rates` asks for: it is refused, with what stands behind it"
    )]
    Rate,
    #[error("its name is empty or longer than {NAME} characters: it is refused")]
    Name,
    #[error(
        "the name of a tag is longer than {NAME} characters, or its value longer than {DIMENSION_VALUE}: it is refused"
    )]
    Tag,
    #[error(
        "there are as many series in this interval as can be held (see agent.max_series): what belongs to others is refused"
    )]
    Series,
    #[error("its rate is no number above 0: it counts as if it had none")]
    Misrated,
    #[error("CloudWatch takes ASCII characters only in names and tags: the others are replaced by _")]
    Mended,
    #[error(
        "it has more dimensions than the {DIMENSIONS} that CloudWatch takes: the last ones in the alphabet are left out"
    )]
    Dimensions,
    #[error("sets have more members than there is memory for: those that are new do not count in this interval")]
    Members,
    #[error(
        "timers have more different values than there is memory for: neighbours are merged; count, sum, least and greatest stay exact"
    )]
    Merged,
    #[error(
        "the datagram is longer than 65,536 bytes: what is beyond that is refused, with the line that it is part of"
    )]
    Cut,
}

impl Trouble {
    fn counter(self) -> &'static Counter {
        match self {
            Self::Form => &counters::STATSD_BAD_FORM,
            Self::Type => &counters::STATSD_BAD_TYPE,
            Self::Sign | Self::Value => &counters::STATSD_BAD_VALUE,
            Self::Rate => &counters::STATSD_BAD_RATE,
            Self::Name | Self::Tag => &counters::STATSD_BAD_NAME,
            Self::Series => &counters::STATSD_SERIES_REFUSED,
            Self::Misrated => &counters::STATSD_RATES_IGNORED,
            Self::Mended => &counters::STATSD_NAMES_MENDED,
            Self::Dimensions => &counters::STATSD_DIMENSIONS_CUT,
            Self::Members => &counters::STATSD_MEMBERS_REFUSED,
            Self::Merged => &counters::STATSD_VALUES_MERGED,
            Self::Cut => &counters::DATAGRAMS_CUT,
        }
    }
}

impl From<Fault> for Trouble {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Form => Self::Form,
            Fault::Type => Self::Type,
            Fault::Sign => Self::Sign,
            Fault::Value => Self::Value,
            Fault::Rate => Self::Rate,
        }
    }
}

impl From<Unnamable> for Trouble {
    fn from(why: Unnamable) -> Self {
        match why {
            Unnamable::Name => Self::Name,
            Unnamable::Tag => Self::Tag,
        }
    }
}

/// Counts trouble, and says the first of each kind and then one a minute.
#[derive(Default)]
pub(super) struct Complaints(HashMap<Trouble, (Instant, u64)>);

impl Complaints {
    /// So many times, as in this line.
    pub(super) fn tell(&mut self, trouble: Trouble, times: usize, line: &[u8]) {
        let times = u64::try_from(times).unwrap_or(u64::MAX);
        trouble.counter().add(times);
        if let Some(more) = self.due(trouble, times, Instant::now()) {
            let example = beginning(line);
            tracing::warn!(reason = %trouble, example, more, "a statsd line does not count, or not as it was sent");
        }
    }

    /// Where it is time to say something: how many of the kind were not said.
    fn due(&mut self, trouble: Trouble, times: u64, now: Instant) -> Option<u64> {
        match self.0.get_mut(&trouble) {
            Some((said, silent)) if now.duration_since(*said) < SELDOM => {
                *silent += times;
                None
            }
            Some((said, silent)) => {
                *said = now;
                Some(std::mem::take(silent) + times - 1)
            }
            None => {
                self.0.insert(trouble, (now, 0));
                Some(times - 1)
            }
        }
    }
}

/// What people know the line by.
fn beginning(line: &[u8]) -> String {
    // A character has at most four bytes.
    let head = &line[..line.len().min(SHOWN * 4)];
    String::from_utf8_lossy(head).chars().take(SHOWN).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn each_kind_is_counted_always_and_said_once_a_minute() {
        let mut complaints = Complaints::default();
        let now = Instant::now();
        assert_eq!(complaints.due(Trouble::Form, 1, now), Some(0));
        assert_eq!(complaints.due(Trouble::Form, 1, now), None);
        assert_eq!(complaints.due(Trouble::Merged, 3, now), Some(2));
        assert_eq!(complaints.due(Trouble::Form, 1, now + SELDOM), Some(1));
        let before = counters::STATSD_BAD_FORM.here();
        complaints.tell(Trouble::Form, 2, b"x");
        assert_eq!(counters::STATSD_BAD_FORM.here() - before, 2);
    }

    #[test]
    fn only_the_beginning_of_a_line_is_shown() {
        assert_eq!(beginning("ü".repeat(300).as_bytes()), "ü".repeat(SHOWN));
        assert_eq!(beginning(b"\xffx"), "\u{fffd}x");
    }
}
