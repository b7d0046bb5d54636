//! The log group and stream of a lane: made when the service says that they are missing, and the group's retention.
use super::Sender;
use crate::publish::{LogPublisher, PutError, retention::Debt};
use std::{
    convert::Infallible,
    sync::{MutexGuard, PoisonError},
    time::Duration,
};
use tokio::time::{Instant, sleep_until, timeout};

/// How long the first batch of a new group may wait for the group's retention.
const FIRST_TRY: Duration = Duration::from_secs(5);
/// How long after a CreateLogGroup without an answer it is looked whether the group is there after all.
const LOST_ANSWER: Duration = Duration::from_secs(10);

impl Sender {
    /// Make the stream, and the group when that is what is missing: nothing is asked or made before the service says so,
    /// and a policy that does not allow CreateLogGroup stops nothing where the group exists.
    pub(super) async fn make_target(&self, seen: u64) -> Result<(), PutError> {
        let mut made = self.made.lock().await;
        if *made != seen {
            return Ok(()); // Another batch has just made them.
        }
        let (put, target) = (&self.publisher.put, &*self.target);
        match put.create_stream(target).await {
            Err(PutError::Missing { .. }) => {
                self.make_group().await?;
                put.create_stream(target).await?;
            }
            other => other?,
        }
        tracing::info!(group = target.group, stream = target.stream, "created the log stream");
        *made += 1;
        Ok(())
    }

    async fn make_group(&self) -> Result<(), PutError> {
        let (LogPublisher { put, retention, .. }, target) = (&self.publisher, &*self.target);
        let wants_retention = target.retention_in_days.is_some();
        let news = wants_retention && retention.owe(&target.group);
        match put.create_group(target).await {
            Ok(()) => {}
            // Perhaps it is made and only the answer was lost. If not, setting its retention will say so.
            Err(error @ (PutError::Unreachable { .. } | PutError::Failed { .. })) => {
                if wants_retention {
                    self.debt().due = Some(Instant::now() + LOST_ANSWER);
                    self.owing.notify_one();
                }
                return Err(error);
            }
            Err(error) => {
                if news {
                    retention.settle(&target.group);
                }
                return Err(error);
            }
        }
        tracing::info!(group = target.group, "created the log group");
        // At once, so that even a short run sets it, but the lines do not wait for long.
        if wants_retention && timeout(FIRST_TRY, self.set_retention()).await.is_err() {
            self.debt().due = Some(Instant::now());
            self.owing.notify_one();
        }
        Ok(())
    }

    /// One attempt; the debt knows when the next one is due.
    async fn set_retention(&self) {
        let LogPublisher { put, retention, .. } = &self.publisher;
        let outcome = put.set_retention(&self.target).await;
        if self.debt().tried(outcome, &self.target.group) {
            self.owing.notify_one();
        } else {
            retention.settle(&self.target.group);
        }
    }

    /// Pays what the lane owes its group, for as long as the lane lives.
    pub(super) async fn keep_setting_retention(&self) -> Infallible {
        loop {
            let due = self.debt().due;
            match due {
                None => self.owing.notified().await,
                Some(at) if Instant::now() < at => {
                    tokio::select! {
                        () = sleep_until(at) => {}
                        () = self.owing.notified() => {}
                    }
                }
                Some(_) => self.set_retention().await,
            }
        }
    }

    pub(super) fn debt(&self) -> MutexGuard<'_, Debt> {
        // Nothing panics while it is held.
        self.debt.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
