//! Where a source brings events that nobody can read again: what came over a socket or out of a FIFO.
use super::{Target, TimedBy, Timestamp};
use futures_util::future::BoxFuture;
use std::sync::Arc;

/// Takes events and keeps them until they are delivered. Its keeper is in the spool, its users are sources.
pub trait Intake: Send + Sync {
    /// Ends when there is room. A source waits for it before it reads, and reads a bounded piece then: so whoever sends waits
    /// as well, where its way of sending lets it.
    fn room(&self) -> BoxFuture<'_, ()>;

    /// Take one event that goes to `target`, which somebody outside named, and happened `at`, as `timed_by` says. Never waits.
    ///
    /// # Errors
    /// When events wait for too many other targets already that were named so.
    fn take(&self, target: &Arc<Target>, text: &[u8], at: Timestamp, timed_by: TimedBy) -> Result<(), TooManyTargets>;

    /// Take one event as [`Intake::take`] does, for a target that the configuration names: there is always a place for it,
    /// whatever others invent.
    fn take_configured(&self, target: &Arc<Target>, text: &[u8], at: Timestamp, timed_by: TimedBy);
}

/// There is no place for another target that the configuration does not name.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("events name {0} log streams already that the configuration does not, and no more are taken at once")]
pub struct TooManyTargets(pub usize);
