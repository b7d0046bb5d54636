//! The log group and stream of a lane: made when the service says that they are missing, and the group's retention.
use super::Sender;
use crate::{
    model::Timestamp,
    publish::{LogPublisher, PutError, retention::Debt},
    telemetry::counters,
};
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
        let news = wants_retention && retention.owe(&target.group).await;
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
        let Some(days) = self.target.retention_in_days else { return };
        let outcome = put.set_retention(&self.target).await;
        if outcome.is_ok() {
            counters::RETENTIONS_SET.add(1);
            retention.looked(&self.target.group, days, Timestamp::now());
        }
        if self.debt().tried(outcome, &self.target.group) {
            self.owing.notify_one();
        } else {
            retention.settle(&self.target.group);
        }
    }

    /// The group is there: from now on somebody looks once a day whether it has the retention that is wanted.
    pub(super) fn look_after_retention(&self) {
        if self.target.retention_in_days.is_some() {
            self.debt().look = Some(Instant::now());
            self.owing.notify_one();
        }
    }

    /// Look whether the group has its retention, and set it where it has another. Nobody waits for this.
    async fn check_retention(&self) {
        let (LogPublisher { put, retention, .. }, target) = (&self.publisher, &*self.target);
        let Some(days) = target.retention_in_days else { return self.debt().looked(Ok(()), &target.group) };
        if !retention.may_look(&target.group, days, Timestamp::now()) {
            return self.debt().looked(Ok(()), &target.group);
        }
        self.debt().looking = true;
        let found = match put.retention(target).await {
            // It cannot be known what it is, but it may be known what it is to be.
            Err(PutError::Denied { .. }) => Ok(None),
            found => found,
        };
        let outcome = match found {
            Ok(Some(found)) if found == days => Ok(()),
            Ok(before) => put.set_retention(target).await.inspect(|()| {
                counters::RETENTIONS_SET.add(1);
                tracing::info!(group = target.group, days, before, "set the retention of the log group");
            }),
            Err(error) => Err(error),
        };
        let again = outcome.as_ref().is_err_and(Debt::is_tried_again);
        if again {
            retention.not_looked(&target.group);
        } else {
            retention.looked(&target.group, days, Timestamp::now());
        }
        self.debt().looked(outcome, &target.group);
    }

    /// Pays what the lane owes its group, and looks after it, for as long as the lane lives.
    pub(super) async fn keep_setting_retention(&self) -> Infallible {
        loop {
            let (due, look) = {
                let debt = self.debt();
                (debt.due, debt.look)
            };
            let now = Instant::now();
            match (due, look) {
                (Some(at), _) if at <= now => self.set_retention().await,
                (_, Some(at)) if at <= now => self.check_retention().await,
                (None, None) => self.owing.notified().await,
                (due, look) => {
                    let next = due.into_iter().chain(look).min().unwrap_or(now);
                    tokio::select! {
                        () = sleep_until(next) => {}
                        () = self.owing.notified() => {}
                    }
                }
            }
        }
    }

    pub(super) fn debt(&self) -> MutexGuard<'_, Debt> {
        // Nothing panics while it is held.
        self.debt.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
