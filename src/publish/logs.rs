//! Sends the batches of one log target: several at once, each until the service has it.
//!
//! One task a lane. The first batch of a target goes alone, because group and stream may have to be made for it; after that
//! [`IN_FLIGHT`] are on their way at once, where there are few lanes. Batches may finish in any order: positions move over the contiguous prefix only.
//! A group that is made here gets its retention; where that fails, it is tried again beside the batches, which never wait for it.
//! All lanes share one [`Pace`], so that a service that throttles is not asked by each of them.
//! At the stop a batch gets the attempt it is in, or one that need not wait for its turn; what fails then stays unacknowledged in its source and is read again.
//!
//! A refused batch is halved until the events that are to blame stand alone; they go to the dead-letter file. But only when
//! the target has taken something since: as long as it takes nothing, the target is what is refused, and everything waits.
//! Events that the service discards by their time are lost only when that time is their source's own: one that this host's
//! clock gave is replaced by the present time, by the service's clock where its answers tell it, for as long as it takes.
mod discarded;
mod target;

use super::{
    Backoff, DeadLetters, Next, Pace, Put, PutError, Retention, dead_letter::Refused, report::Report, retention::Debt,
};
use crate::{
    model::{Cover, Headcount, LogBatch, Outgoing, Target},
    telemetry::counters,
};
use futures_util::{StreamExt, stream::FuturesUnordered};
use std::{
    sync::{
        Arc, Mutex as StdMutex,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::{Mutex, Notify, mpsc},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

/// Batches of one target on their way at once: hides the round trip. The service orders events by time, not by arrival.
const IN_FLIGHT: usize = 4;
/// With more lanes than this each has one: calls wait for each other then, and what waits is better left in its source.
const FEW_LANES: usize = 16;

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
    pub pace: Arc<Pace>,
    /// Whether events that are discarded by their time are kept in the dead-letter file.
    pub keep_rejected: bool,
    /// Cancelled at the stop: from then on nothing is tried again.
    pub no_retries: CancellationToken,
    /// How many lanes there are.
    pub lanes: Headcount,
}

/// Refused events in a row that make it unlikely that each of them is to blame.
const SUSPECTS: usize = 8;

/// What became of the cause of a failure.
enum Recovery {
    /// It is gone: try at once.
    Done,
    /// It is still there, or may be.
    Waits(PutError, Duration),
}

/// What one batch has been through.
#[derive(Default)]
struct History {
    backoff: Backoff,
    /// What was recovered from last, unless another kind of trouble came since.
    recovered: Option<Next>,
    /// Whether the last attempt was with the present time.
    restamped: bool,
    /// What kept the last call from being taken is mended: the next one need not stand in line again.
    mended: bool,
}

/// Why a batch was given up for this run.
#[derive(Debug)]
struct Stopped;

/// What keeps a lane waiting although the service answers.
#[derive(Debug, thiserror::Error)]
enum LaneTrouble {
    #[error(
        "the service takes no log event at all for this stream, so it is not the events that are bad: {reason}; check the log group and stream"
    )]
    Target { reason: String },
    #[error("the service discards log events with the time that this host has now: set the clock of this host (NTP)")]
    Clock,
}

impl LogPublisher {
    /// Send everything that comes until the stage is gone, then finish what is on its way.
    pub async fn run(self, target: Arc<Target>, mut batches: mpsc::Receiver<Box<Outgoing>>) {
        let lane = Sender::new(self, target);
        let mut retention = std::pin::pin!(lane.keep_setting_retention());
        let mut in_flight = FuturesUnordered::new();
        let mut open = true;
        while open || !in_flight.is_empty() {
            let allowed = lane.allowed();
            tokio::select! {
                outgoing = batches.recv(), if open && in_flight.len() < allowed => match outgoing {
                    Some(outgoing) => in_flight.push(lane.deliver(outgoing)),
                    None => open = false,
                },
                Some(()) = in_flight.next() => {}
                () = lane.suspecting.notified() => {}
                never = &mut retention => match never {},
            }
        }
        let (retention, group) = (&lane.publisher.retention, &lane.target.group);
        if lane.debt().due.is_some() {
            retention.release(group);
        }
        if lane.debt().looking {
            retention.not_looked(group);
        }
    }
}

/// The sending end of one lane.
struct Sender {
    publisher: LogPublisher,
    target: Arc<Target>,
    /// The voice of this target, and of its way to the dead-letter file.
    report: Report,
    setting_aside: Report,
    /// Whether a batch has arrived: group and stream are there.
    arrived: AtomicBool,
    /// Batches that wait until another one shows whether the target takes any.
    suspects: AtomicUsize,
    /// There is one more of them.
    suspecting: Notify,
    /// Calls that the service accepted.
    accepted: AtomicU64,
    /// It was said that events are sent again with the present time, and no batch has arrived as it was since.
    restamping: AtomicBool,
    /// How often group or stream were made: of several batches that find them missing, one makes them.
    made: Mutex<u64>,
    debt: StdMutex<Debt>,
    /// The debt is new.
    owing: Notify,
}

impl Sender {
    fn new(publisher: LogPublisher, target: Arc<Target>) -> Self {
        let name = format!("log group {}, stream {}", target.group, target.stream);
        let setting_aside = publisher.report.about(format!("{name}, {}", publisher.dead_letters.path().display()));
        let report = publisher.report.about(name);
        let mut debt = Debt::default();
        // Left by a lane before, perhaps of an earlier run. What another lane of the group owes is none of ours.
        if target.retention_in_days.is_some() {
            debt.due = publisher.retention.claim(&target.group).then(Instant::now);
        }
        let (arrived, restamping) = (AtomicBool::new(false), AtomicBool::new(false));
        let (suspects, accepted, made) = (AtomicUsize::new(0), AtomicU64::new(0), Mutex::new(0));
        let (suspecting, owing, debt) = (Notify::new(), Notify::new(), StdMutex::new(debt));
        Self {
            publisher,
            target,
            report,
            setting_aside,
            arrived,
            suspects,
            suspecting,
            accepted,
            restamping,
            made,
            debt,
            owing,
        }
    }

    /// How many batches may be on their way at once.
    fn allowed(&self) -> usize {
        let few = self.publisher.lanes.now() <= FEW_LANES;
        let (arrived, suspects) = (self.arrived.load(Ordering::Relaxed), self.suspects.load(Ordering::Relaxed));
        if suspects > 0 || few && arrived { IN_FLIGHT } else { 1 }
    }

    /// Until the service has the batch, or the stop.
    async fn deliver(&self, outgoing: Box<Outgoing>) {
        let Outgoing { mut batch, permit } = *outgoing;
        let covers = std::mem::take(&mut batch.covers);
        if batch.is_empty() || self.put_all(batch).await.is_ok() {
            (self.publisher.acknowledge)(&covers);
        }
        drop(permit);
    }

    /// Put the batch, and set aside what the service will never take of it.
    async fn put_all(&self, mut batch: LogBatch) -> Result<(), Stopped> {
        let (mut backoff, mut refused_at, mut suspect) = (Backoff::default(), None, None);
        loop {
            let Some(reason) = self.put_one(&mut batch).await? else { return Ok(()) };
            let since = *refused_at.get_or_insert(self.accepted.load(Ordering::Relaxed));
            // The search is dear where all is refused: once is enough, until the target takes something.
            if (backoff.is_fresh() || self.takes_events(since))
                && let Some(refused) = self.find_refused(&batch, &reason, since).await?
            {
                return self.set_aside(refused).await;
            }
            self.report.trouble(&LaneTrouble::Target { reason });
            let mut waiting = Waiting::new(&self.report);
            waiting.count();
            suspect.get_or_insert_with(|| Suspect::new(self));
            self.pause(backoff.after(Next::RetrySeldom)).await?;
        }
    }

    /// Halve a refused batch until the events that are to blame stand alone, and put the others. `None`: nothing at all was
    /// taken, so it is not the events.
    async fn find_refused(&self, batch: &LogBatch, reason: &str, since: u64) -> Result<Option<Vec<Refused>>, Stopped> {
        let mut refused = vec![];
        let mut parts = vec![];
        match batch.halves() {
            Some((first, second)) => parts.extend([second, first]),
            None => refused.push((batch.clone(), reason.to_owned())),
        }
        while let Some(mut part) = parts.pop() {
            let Some(reason) = self.put_one(&mut part).await? else { continue };
            match part.halves() {
                Some((first, second)) => parts.extend([second, first]),
                None => refused.push((part, reason)),
            }
            if refused.len() >= SUSPECTS && !self.takes_events(since) {
                return Ok(None);
            }
        }
        Ok(self.takes_events(since).then_some(refused))
    }

    /// Whether the target has taken anything since.
    fn takes_events(&self, since: u64) -> bool {
        self.accepted.load(Ordering::Relaxed) > since
    }

    /// Try until all of it is accepted (`None`) or refused for good (the reason). Afterwards `batch` is what was tried last.
    async fn put_one(&self, batch: &mut LogBatch) -> Result<Option<String>, Stopped> {
        let (mut history, mut waiting) = (History::default(), Waiting::new(&self.report));
        loop {
            if !self.leave_out_untimely(batch).await? {
                return Ok(None);
            }
            let mended = std::mem::take(&mut history.mended);
            let begun = self.publisher.pace.turn(mended, &self.publisher.no_retries).await.ok_or(Stopped)?;
            let made = *self.made.lock().await;
            match self.report.watch(self.publisher.put.logs(batch)).await {
                Ok(rejected) => {
                    if !self.accept(batch, rejected).await? {
                        if !history.restamped {
                            self.restamping.store(false, Ordering::Relaxed);
                        }
                        self.report.success();
                        return Ok(None);
                    }
                    // At once, for the clock may have been set meanwhile; but not again and again.
                    if std::mem::replace(&mut history.restamped, true) {
                        self.report.trouble(&LaneTrouble::Clock);
                        waiting.count();
                        self.pause(history.backoff.after(Next::RetrySeldom)).await?;
                    }
                    self.restamp(batch, rejected);
                }
                Err(PutError::Refused { reason, .. }) => return Ok(Some(reason)),
                Err(error) => {
                    history.restamped = false;
                    if let PutError::Throttled { after, .. } = error {
                        counters::LOG_REQUESTS_THROTTLED.add(1);
                        self.publisher.pace.throttled(begun, after);
                    }
                    if let Recovery::Waits(error, wait) = self.recover(error, made, &mut history).await {
                        self.report.failure(&error);
                        waiting.count();
                        self.pause(wait).await?;
                    }
                    counters::RETRIES.add(1);
                }
            }
        }
    }

    /// Do what the error asks for before the next attempt.
    async fn recover(&self, error: PutError, made: u64, history: &mut History) -> Recovery {
        let History { backoff, recovered: last, mended, .. } = history;
        let next = error.next();
        let recovered = match next {
            Next::RenewThenRetry => self.publisher.put.renew().await,
            Next::CreateThenRetry => {
                self.publisher.pace.succeeded(); // The service took the call.
                self.make_target(made).await
            }
            Next::Retry(_) | Next::RetrySeldom | Next::SetAside => {
                *last = None;
                return Recovery::Waits(error, backoff.after(next));
            }
        };
        match recovered {
            // A recovery that does not help must not become a busy loop: at once only the first time in a row. However long
            // the outage before it was, its waits are over.
            Ok(()) if last.replace(next) != Some(next) => {
                backoff.reset();
                *mended = true;
                Recovery::Done
            }
            Ok(()) => Recovery::Waits(error, backoff.after(Next::Retry(None))),
            Err(error) => {
                let wait = backoff.after(error.next());
                Recovery::Waits(error, wait)
            }
        }
    }

    /// Keep refused events where a person finds them. They count as delivered only when they are on disk.
    async fn set_aside(&self, refused: Vec<Refused>) -> Result<(), Stopped> {
        let Some((first, reason)) = refused.first() else { return Ok(()) };
        let (sample, reason, events) = (discarded::sample(first, 0), reason.clone(), refused.len());
        self.keep(refused).await?;
        counters::EVENTS_SET_ASIDE.add(events as u64);
        let (group, stream) = (&self.target.group, &self.target.stream);
        let file = self.publisher.dead_letters.path().display();
        tracing::warn!(group, stream, events, reason, sample, %file, "the service refuses log events for good; they are kept in the file");
        Ok(())
    }

    /// Write events into the dead-letter file. They are on disk when this returns.
    async fn keep(&self, refused: Vec<Refused>) -> Result<(), Stopped> {
        let (refused, mut backoff) = (Arc::new(refused), Backoff::default());
        loop {
            let (letters, writing) = (self.publisher.dead_letters.clone(), refused.clone());
            let kept = tokio::task::spawn_blocking(move || letters.keep(&writing)).await;
            let Err(error) = kept.expect("it does not panic, and the runtime outlives its tasks") else { break };
            self.setting_aside.trouble(&error);
            self.pause(backoff.after(Next::RetrySeldom)).await?;
        }
        self.setting_aside.recovered();
        Ok(())
    }

    async fn pause(&self, wait: Duration) -> Result<(), Stopped> {
        self.publisher.no_retries.run_until_cancelled(tokio::time::sleep(wait)).await.ok_or(Stopped)
    }
}

/// Lets other batches go first for as long as it lives.
struct Suspect<'a>(&'a Sender);

impl<'a> Suspect<'a> {
    fn new(lane: &'a Sender) -> Self {
        lane.suspects.fetch_add(1, Ordering::Relaxed);
        lane.suspecting.notify_one();
        Self(lane)
    }
}

impl Drop for Suspect<'_> {
    fn drop(&mut self) {
        self.0.suspects.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Counts a batch as waiting on the board for as long as it is.
struct Waiting<'a> {
    report: &'a Report,
    counted: bool,
}

impl<'a> Waiting<'a> {
    fn new(report: &'a Report) -> Self {
        Self { report, counted: false }
    }

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
mod tests;
