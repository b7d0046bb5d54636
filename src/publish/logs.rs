//! Sends the batches of one log target: several at once, each until the service has it.
//!
//! One task a lane. The first batch of a target goes alone, because group and stream may have to be made for it; after that
//! [`IN_FLIGHT`] are on their way at once. Batches may finish in any order: positions move over the contiguous prefix only.
//! A group that is made here gets its retention; where that fails, it is tried again beside the batches, which never wait for it.
//! At the stop a batch gets the attempt it is in; what fails then stays unacknowledged in its source and is read again.
use super::{Backoff, DeadLetters, Next, Put, PutError, Rejected, Retention, report::Report, retention::Debt};
use crate::{
    model::{Cover, LogBatch, Outgoing, Target},
    telemetry::counters,
};
use futures_util::{StreamExt, stream::FuturesUnordered};
use std::{
    convert::Infallible,
    sync::{
        Arc, Mutex as StdMutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::{Mutex, Notify, mpsc},
    time::{Instant, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;

/// Batches of one target on their way at once: hides the round trip. The service orders events by time, not by arrival.
const IN_FLIGHT: usize = 4;

/// How long the first batch of a new group may wait for the group's retention.
const FIRST_TRY: Duration = Duration::from_secs(5);
/// How long after a CreateLogGroup without an answer it is looked whether the group is there after all.
const LOST_ANSWER: Duration = Duration::from_secs(10);

/// Called with what has been delivered.
pub type Acknowledge = Arc<dyn Fn(&[Cover]) + Send + Sync>;

/// What every lane needs to send.
#[derive(Clone)]
pub struct LogPublisher {
    pub put: Arc<dyn Put>,
    pub acknowledge: Acknowledge,
    pub report: Arc<Report>,
    pub dead_letters: Arc<DeadLetters>,
    pub retention: Arc<Retention>,
    /// Cancelled at the stop: from then on nothing is tried again.
    pub stopping: CancellationToken,
}

/// What became of the cause of a failure.
enum Mended {
    /// It is gone: try at once.
    Now,
    /// It is still there, or may be.
    Later(PutError, Duration),
}

/// What one batch has been through.
#[derive(Default)]
struct Troubles {
    backoff: Backoff,
    /// What was mended last, unless another kind of trouble came since.
    mended: Option<Next>,
}

/// Why a batch was given up for this run.
#[derive(Debug)]
struct Stopped;

impl LogPublisher {
    /// Send everything that comes until the stage is gone, then finish what is on its way.
    pub async fn run(self, target: Arc<Target>, mut batches: mpsc::Receiver<Outgoing>) {
        let lane = Sender::new(self, target);
        let mut paying = std::pin::pin!(lane.pay());
        let mut on_their_way = FuturesUnordered::new();
        let mut open = true;
        while open || !on_their_way.is_empty() {
            let allowed = if lane.known.load(Ordering::Relaxed) { IN_FLIGHT } else { 1 };
            tokio::select! {
                outgoing = batches.recv(), if open && on_their_way.len() < allowed => match outgoing {
                    Some(outgoing) => on_their_way.push(lane.deliver(outgoing)),
                    None => open = false,
                },
                Some(()) = on_their_way.next() => {}
                never = &mut paying => match never {},
            }
        }
        if lane.debt().due.is_some() {
            lane.publisher.retention.release(&lane.target.group);
        }
    }
}

/// The sending end of one lane.
struct Sender {
    publisher: LogPublisher,
    target: Arc<Target>,
    /// Whether a batch has arrived there in this run.
    known: AtomicBool,
    /// How often group or stream were made: of several batches that find them missing, one makes them.
    made: Mutex<u64>,
    debt: StdMutex<Debt>,
    /// The debt is new.
    owing: Notify,
}

impl Sender {
    fn new(publisher: LogPublisher, target: Arc<Target>) -> Self {
        let (known, made, owing) = (AtomicBool::new(false), Mutex::new(0), Notify::new());
        let mut debt = Debt::default();
        // Left by a lane before, perhaps of an earlier run.
        match target.retention_in_days {
            Some(_) => debt.due = publisher.retention.claim(&target.group).then(Instant::now),
            None => publisher.retention.settle(&target.group),
        }
        Self { publisher, target, known, made, debt: StdMutex::new(debt), owing }
    }

    /// Until the service has the batch, or the stop.
    async fn deliver(&self, outgoing: Outgoing) {
        let batch = &outgoing.batch;
        if batch.is_empty() || self.put_all(batch).await.is_ok() {
            (self.publisher.acknowledge)(&batch.covers);
        }
    }

    /// Put the batch; where the service refuses it, halve it until the events that are to blame stand alone.
    async fn put_all(&self, batch: &LogBatch) -> Result<(), Stopped> {
        let mut parts = vec![batch.clone()];
        while let Some(part) = parts.pop() {
            let Some(reason) = self.put_one(&part).await? else { continue };
            match part.halves() {
                Some((first, second)) => parts.extend([second, first]),
                None => self.set_aside(&part, &reason).await?,
            }
        }
        Ok(())
    }

    /// Try until it is accepted (`None`) or refused for good (the reason).
    async fn put_one(&self, batch: &LogBatch) -> Result<Option<String>, Stopped> {
        let LogPublisher { put, report, .. } = &self.publisher;
        let mut troubles = Troubles::default();
        let mut waiting = Waiting { report, counted: false };
        loop {
            let made = *self.made.lock().await;
            let error = match put.logs(batch).await {
                Ok(rejected) => {
                    self.accepted(batch, rejected);
                    return Ok(None);
                }
                Err(error) => error,
            };
            if let PutError::Refused { reason, .. } = error {
                return Ok(Some(reason));
            }
            if let Mended::Later(error, wait) = self.mend(error, made, &mut troubles).await {
                report.failure(&error);
                waiting.count();
                self.pause(wait).await?;
            }
        }
    }

    /// Do what the error asks for before the next attempt.
    async fn mend(&self, error: PutError, made: u64, troubles: &mut Troubles) -> Mended {
        let Troubles { backoff, mended: last } = troubles;
        let next = error.next();
        let mended = match next {
            Next::RenewThenRetry => self.publisher.put.renew().await,
            Next::CreateThenRetry => self.make_target(made).await,
            Next::Retry(_) | Next::RetrySeldom | Next::SetAside => {
                *last = None;
                return Mended::Later(error, backoff.after(next));
            }
        };
        match mended {
            // A mend that does not help must not become a busy loop: at once only the first time in a row. However long the
            // outage before it was, its waits are over.
            Ok(()) if last.replace(next) != Some(next) => {
                backoff.reset();
                Mended::Now
            }
            Ok(()) => Mended::Later(error, backoff.after(Next::Retry(None))),
            Err(error) => {
                let wait = backoff.after(error.next());
                Mended::Later(error, wait)
            }
        }
    }

    /// Make the stream, and the group when that is what is missing: nothing is asked or made before the service says so,
    /// and a policy that does not allow CreateLogGroup stops nothing where the group exists.
    async fn make_target(&self, seen: u64) -> Result<(), PutError> {
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
    async fn pay(&self) -> Infallible {
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

    fn debt(&self) -> MutexGuard<'_, Debt> {
        // Nothing panics while it is held.
        self.debt.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn accepted(&self, batch: &LogBatch, rejected: Rejected) {
        self.known.store(true, Ordering::Relaxed);
        self.publisher.report.success();
        counters::LOG_REQUESTS.add(1);
        counters::EVENTS_DELIVERED.add(batch.len().saturating_sub(rejected.total()) as u64);
        if rejected.total() == 0 {
            return;
        }
        let Rejected { too_old, too_new, expired } = rejected;
        counters::EVENTS_TOO_OLD.add(too_old as u64);
        counters::EVENTS_TOO_NEW.add(too_new as u64);
        counters::EVENTS_EXPIRED.add(expired as u64);
        let (group, stream) = (&self.target.group, &self.target.stream);
        tracing::warn!(group, stream, too_old, too_new, expired, "the service discarded events by their time");
    }

    /// Keep a refused event where a person finds it. It counts as delivered only when it is on disk.
    async fn set_aside(&self, batch: &LogBatch, reason: &str) -> Result<(), Stopped> {
        let LogPublisher { dead_letters, report, .. } = &self.publisher;
        let mut backoff = Backoff::default();
        while let Err(error) = dead_letters.keep(batch, reason) {
            report.failure(&error);
            self.pause(backoff.after(Next::RetrySeldom)).await?;
        }
        counters::EVENTS_SET_ASIDE.add(batch.len() as u64);
        let (group, stream, file) = (&self.target.group, &self.target.stream, dead_letters.path().display());
        tracing::warn!(group, stream, reason, %file, "the service refuses a log event for good; it is kept in the file");
        Ok(())
    }

    async fn pause(&self, wait: Duration) -> Result<(), Stopped> {
        let stopping = &self.publisher.stopping;
        if stopping.is_cancelled() {
            return Err(Stopped);
        }
        stopping.run_until_cancelled(tokio::time::sleep(wait)).await.ok_or(Stopped)
    }
}

/// Counts a batch as waiting on the board for as long as it is.
struct Waiting<'a> {
    report: &'a Report,
    counted: bool,
}

impl Waiting<'_> {
    fn count(&mut self) {
        if !std::mem::replace(&mut self.counted, true) {
            self.report.waiting(1);
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if self.counted {
            self.report.waiting(-1);
        }
    }
}

#[cfg(test)]
#[path = "logs/tests.rs"]
mod tests;
