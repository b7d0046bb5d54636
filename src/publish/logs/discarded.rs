//! What becomes of the events of an accepted batch that the service discards by their time.
use super::Sender;
use crate::{
    model::{LogBatch, TimedBy, Timestamp},
    publish::Rejected,
    telemetry::counters,
};
use std::{ops::Range, sync::atomic::Ordering};

impl Sender {
    /// Count what became of a batch that was taken. Whether some of it is to be sent again with another time.
    pub(super) fn accept(&self, batch: &LogBatch, rejected: Rejected) -> bool {
        self.arrived.store(true, Ordering::Relaxed);
        self.accepted.fetch_add(1, Ordering::Relaxed);
        counters::LOG_REQUESTS.add(1);
        counters::EVENTS_DELIVERED.add(batch.len().saturating_sub(rejected.total()) as u64);
        if rejected.total() == 0 {
            return false;
        }
        let places = rejected.places(batch.len());
        let lost = |range: &Range<usize>| {
            let slots = &batch.index[range.clone()];
            slots.iter().filter(|slot| slot.timed_by == TimedBy::Source).count()
        };
        let [too_old, too_new, expired] = [&places.too_old, &places.too_new, &places.expired].map(lost);
        counters::EVENTS_TOO_OLD.add(too_old as u64);
        counters::EVENTS_TOO_NEW.add(too_new as u64);
        counters::EVENTS_EXPIRED.add(expired as u64);
        let all = too_old + too_new + expired;
        let (group, stream) = (&self.target.group, &self.target.stream);
        if all > 0 {
            tracing::warn!(group, stream, too_old, too_new, expired, "the service discarded events by their time");
        }
        rejected.total() > all
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
