//! What becomes of the events that the service discards, or would discard, by their time.
//!
//! Those whose time is their source's own are lost: counted by reason, told with a sample, and kept in the dead-letter file where
//! the configuration wants that. Those that this host's clock timed go again with the present time.
use super::{Sender, Stopped};
use crate::{
    model::{
        LogBatch, TimedBy, Timestamp,
        limits::{AHEAD, OLDEST},
    },
    publish::Rejected,
    telemetry::counters::{self, Counter},
};
use std::{fmt, ops::Range, sync::atomic::Ordering, time::Duration};

/// Only what is beyond the limits by more than this is left out before it is sent: the service's clock is known to a second or so,
/// and what it may still take is its to judge.
const DOUBT: Duration = Duration::from_mins(1);
/// Characters of one event that a warning shows.
const SAMPLE: usize = 200;

/// Why an event is lost.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Reason {
    TooOld,
    TooNew,
    Expired,
}

impl Reason {
    const ALL: [Self; 3] = [Self::TooOld, Self::TooNew, Self::Expired];

    fn counter(self) -> &'static Counter {
        match self {
            Self::TooOld => &counters::EVENTS_TOO_OLD,
            Self::TooNew => &counters::EVENTS_TOO_NEW,
            Self::Expired => &counters::EVENTS_EXPIRED,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooOld => "older than 14 days",
            Self::TooNew => "more than 2 hours ahead",
            Self::Expired => "older than the retention of the log group",
        })
    }
}

impl Sender {
    /// Count what became of a batch that was taken. Whether some of it is to be sent again with another time.
    pub(super) async fn accept(&self, batch: &LogBatch, rejected: Rejected) -> Result<bool, Stopped> {
        self.publisher.pace.succeeded();
        self.accepted.fetch_add(1, Ordering::Relaxed);
        if !self.arrived.swap(true, Ordering::Relaxed) {
            self.look_after_retention();
        }
        counters::LOG_REQUESTS.add(1);
        counters::EVENTS_DELIVERED.add(batch.len().saturating_sub(rejected.total()) as u64);
        if rejected.total() == 0 {
            return Ok(false);
        }
        let places = rejected.places(batch.len());
        let theirs = |reason, range: &Range<usize>| {
            let places = range.clone().filter(|place| batch.index[*place].timed_by == TimedBy::Source);
            places.map(move |place| (place, reason)).collect::<Vec<_>>()
        };
        let lost = [
            theirs(Reason::TooOld, &places.too_old),
            theirs(Reason::Expired, &places.expired),
            theirs(Reason::TooNew, &places.too_new),
        ]
        .concat();
        let all = lost.len();
        self.lose(batch, &lost).await?;
        Ok(rejected.total() > all)
    }

    /// Leave out what is too old, or has become so while it waited, where the service's time is known and the source's own time counts.
    /// Whether anything is left to send. Costs two comparisons where nothing is.
    pub(super) async fn leave_out_untimely(&self, batch: &mut LogBatch) -> Result<bool, Stopped> {
        let (Some(first), Some(last)) = (batch.index.first(), batch.index.last()) else { return Ok(false) };
        let Some(now) = self.publisher.put.service_time() else { return Ok(true) };
        let reason = |at: Timestamp| {
            let (old, new) = (now.since(at) > OLDEST + DOUBT, at.since(now) > AHEAD + DOUBT);
            old.then_some(Reason::TooOld).or_else(|| new.then_some(Reason::TooNew))
        };
        if reason(first.at).is_none() && reason(last.at).is_none() {
            return Ok(true);
        }
        let slots = batch.index.iter().enumerate().filter(|(_, slot)| slot.timed_by == TimedBy::Source);
        let lost: Vec<_> = slots.filter_map(|(place, slot)| Some((place, reason(slot.at)?))).collect();
        if lost.is_empty() {
            return Ok(true);
        }
        self.lose(batch, &lost).await?;
        let is_lost = |place: usize| lost.binary_search_by_key(&place, |(place, _)| *place).is_ok();
        match batch.picked(|place| (!is_lost(place)).then(|| batch.index[place].at)) {
            Some(rest) => *batch = rest,
            None => return Ok(false),
        }
        Ok(true)
    }

    /// These events, in the order of their places, will never be stored. Where they are to be kept, they are on disk when this returns.
    async fn lose(&self, batch: &LogBatch, lost: &[(usize, Reason)]) -> Result<(), Stopped> {
        let Some((first, _)) = lost.first() else { return Ok(()) };
        if self.publisher.keep_rejected {
            let picked = |reason: Reason| {
                let part = batch.picked(|place| lost.contains(&(place, reason)).then(|| batch.index[place].at));
                part.map(|part| (part, reason.to_string()))
            };
            self.keep(Reason::ALL.into_iter().filter_map(picked).collect()).await?;
        }
        let [too_old, too_new, expired] = Reason::ALL.map(|reason| {
            let count = lost.iter().filter(|(_, why)| *why == reason).count();
            reason.counter().add(count as u64);
            count
        });
        let (group, stream, sample) = (&self.target.group, &self.target.stream, sample(batch, *first));
        tracing::warn!(
            group,
            stream,
            too_old,
            too_new,
            expired,
            sample,
            "events are discarded by their time: CloudWatch takes what is at most 14 days old and 2 hours ahead; `\"out_of_range\": \"restamp\"` \
            sends such with the present time; see whether `timezone` is right"
        );
        Ok(())
    }

    /// What is left of the batch is what was discarded by a time that this host gave it; it has the present time now.
    pub(super) fn restamp(&self, batch: &mut LogBatch, rejected: Rejected) {
        let places = rejected.places(batch.len());
        let ours = |place: usize| places.contains(place) && batch.index[place].timed_by == TimedBy::Reader;
        // By the service's clock, where it is known: ours may be what is wrong.
        let now = Timestamp::now().shifted(self.publisher.put.skew());
        let Some(restamped) = batch.restamped(ours, now) else { return };
        counters::EVENTS_RESTAMPED.add(restamped.len() as u64);
        let (group, stream, events) = (&self.target.group, &self.target.stream, restamped.len());
        if !self.restamping.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                group,
                stream,
                events,
                "the service discards events by the time at which they were read: they are sent again with the present time"
            );
        }
        *batch = restamped;
    }
}

/// The beginning of one event, as it was to be sent, on one line.
pub(super) fn sample(batch: &LogBatch, place: usize) -> String {
    let event = batch.event(place);
    event.map(|event| event.message.chars().take(SAMPLE).flat_map(char::escape_debug).collect()).unwrap_or_default()
}
