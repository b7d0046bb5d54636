//! Sends metric batches; what cannot be sent now goes to the spool and is replayed with its first timestamps.
//!
//! One task, one call at a time; batches are received while it is on its way. While sending works a batch never touches the
//! disk. A call that takes long ([`SLOW`]) is a failure in the making: from then on everything in memory is written to the
//! spool, the batch on its way included, so that neither a full channel nor a crash costs anything; when it arrives after all
//! its file goes. After a failure every batch goes to the spool at once, and the oldest one is the next to be tried, after a
//! back-off; when it arrives the others follow, oldest first, and fresh batches go between them.
//!
//! When the spool does not take a batch either (a full disk, too many open files), it stays in memory, up to [`IN_MEMORY`]
//! points, and is offered to the spool again before each further attempt; beyond that the oldest batch is given up, counted
//! and said. At the stop everything in memory is spooled first, then the call on its way has [`LAST_CALL`] to end. What even then
//! only memory holds is lost, counted and said.
//! A refused batch is halved; what arrived of it is not sent again when the rest fails.
mod points;

use super::{Backoff, Next, Put, Report, report::SLOW};
use crate::{
    model::Parcel,
    spool::{Spool, SpoolError, Ticket},
    telemetry::{chain, counters},
};
use points::{Unsent, put_points};
use std::{collections::VecDeque, future::Future, pin::Pin, sync::Arc, time::Duration};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

/// How long a call may still take when the stop has no more time. Its batch is spooled by then.
const LAST_CALL: Duration = Duration::from_secs(1);
/// Points kept in memory while even the spool cannot take them: about two megabytes, or a day of readings each minute.
const IN_MEMORY: usize = 20_000;

/// What the publishing task works with.
pub struct MetricPublisher {
    pub put: Arc<dyn Put>,
    pub report: Arc<Report>,
    pub spool: Arc<Spool>,
    /// Cancelled when the stop has no more time for calls: what is left goes to the spool.
    pub spool_now: CancellationToken,
}

impl MetricPublisher {
    /// Send everything that comes until the stage is gone. Nothing is lost at the stop: what was not sent is spooled.
    pub async fn run(self, mut batches: mpsc::Receiver<Parcel>) {
        let spool_now = self.spool_now.clone();
        let mut sending = Sending::new(self).await;
        let (mut open, mut spooling) = (true, None);
        loop {
            if spooling.is_none() {
                sending.launch(open).await;
            }
            if !open && sending.in_flight.is_none() {
                break;
            }
            let alarm = if spooling.is_none() { sending.alarm() } else { None };
            tokio::select! {
                // The stop before all, then fresh batches: alarms look at the present.
                biased;
                () = spool_now.cancelled(), if spooling.is_none() => {
                    spooling = Some(Instant::now() + LAST_CALL);
                    sending.secure().await;
                }
                () = until(spooling), if sending.in_flight.is_some() => sending.give_call_up(),
                batch = batches.recv(), if open => match batch {
                    Some(batch) => sending.take(batch, spooling.is_some()).await,
                    None => open = false,
                },
                outcome = finished(&mut sending.in_flight) => sending.settle(outcome).await,
                () = until(alarm) => sending.secure_if_slow().await,
            }
        }
        sending.secure().await;
        sending.count_lost();
    }
}

/// One call on its way.
struct InFlight {
    call: Pin<Box<dyn Future<Output = Result<(), Unsent>> + Send>>,
    parcel: Arc<Parcel>,
    /// Where the batch stands in the spool, once it does.
    ticket: Option<Ticket>,
    from_spool: bool,
    /// Whether the spool has had its say: the batch is in it, or can never be.
    settled: bool,
    /// When it counts as slow, or its batch is offered to the spool again.
    slow_at: Instant,
}

struct Sending {
    publisher: MetricPublisher,
    /// The voice of the spool: its troubles are none of the service's.
    spool_report: Report,
    backoff: Backoff,
    /// For a spool that cannot be read.
    disk_backoff: Backoff,
    /// When the spool's oldest batch is tried. `None`: nothing is waiting.
    next_try: Option<Instant>,
    /// Oldest first: on their way to the service while sending works, otherwise what the spool did not take.
    memory: VecDeque<Arc<Parcel>>,
    points: usize,
    dropping: bool,
    in_flight: Option<InFlight>,
}

impl Sending {
    async fn new(publisher: MetricPublisher) -> Self {
        let spool_report = publisher.report.about("spool".to_owned());
        let mut sending = Self {
            publisher,
            spool_report,
            backoff: Backoff::default(),
            disk_backoff: Backoff::default(),
            next_try: None,
            memory: VecDeque::new(),
            points: 0,
            dropping: false,
            in_flight: None,
        };
        if sending.spooled().await > 0 {
            sending.next_try = Some(Instant::now());
        }
        sending
    }

    /// Start the next call, if one is due. Once the input has ended only what is fresh is tried.
    async fn launch(&mut self, open: bool) {
        if self.in_flight.is_some() {
            return;
        }
        if self.backoff.is_fresh()
            && let Some(batch) = self.recall()
        {
            return self.send(batch, None);
        }
        if !open || self.next_try.is_none_or(|at| Instant::now() < at) {
            return;
        }
        // What lives in memory has another chance on the disk.
        self.secure().await;
        match self.on_spool(|spool| spool.oldest()).await {
            Ok(Some(spooled)) => {
                self.disk_backoff.reset();
                self.spool_report.recovered();
                return self.send(Arc::new(spooled.batch.into()), Some(spooled.ticket));
            }
            Ok(None) if self.memory.is_empty() => {
                self.next_try = None;
                // Nothing waits for the disk any more, whatever it suffers from.
                self.spool_report.recovered();
            }
            Ok(None) => self.next_try = Some(Instant::now()),
            Err(error) => {
                self.spool_report.trouble(&error);
                self.next_try = Some(Instant::now() + self.disk_backoff.after(Next::Retry(None)));
            }
        }
        if let Some(batch) = self.recall() {
            self.send(batch, None);
        } else {
            self.show_waiting().await;
        }
    }

    /// One attempt, with what the error asks for done once.
    fn send(&mut self, parcel: Arc<Parcel>, ticket: Option<Ticket>) {
        let (put, report, sent) = (self.publisher.put.clone(), self.publisher.report.clone(), parcel.clone());
        let attempt = async move {
            match put_points(&*put, sent.batch.clone()).await {
                Err(Unsent { error, rest }) if error.next() == Next::RenewThenRetry => match put.renew().await {
                    Ok(()) => put_points(&*put, rest).await,
                    Err(error) => Err(Unsent { error, rest }),
                },
                other => other,
            }
        };
        let call = Box::pin(async move { report.watch(attempt).await });
        let slow_at = Instant::now() + SLOW;
        let from_spool = ticket.is_some();
        self.in_flight = Some(InFlight { call, parcel, ticket, from_spool, settled: from_spool, slow_at });
    }

    /// A batch from the stage.
    async fn take(&mut self, parcel: Parcel, spooling: bool) {
        self.remember(Arc::new(parcel));
        let slow = self.in_flight.as_ref().is_some_and(|in_flight| Instant::now() >= in_flight.slow_at);
        let crowded = self.points > IN_MEMORY / 2;
        // While it fails there is no point in trying each batch: the oldest one is the probe.
        if spooling || slow || crowded || !self.backoff.is_fresh() {
            self.secure().await;
        }
    }

    /// The call has come to its end.
    async fn settle(&mut self, outcome: Result<(), Unsent>) {
        let Some(InFlight { parcel, ticket, from_spool, settled, .. }) = self.in_flight.take() else { return };
        match outcome {
            Ok(()) => {
                parcel.is_safe();
                self.backoff.reset();
                self.publisher.report.success();
                if from_spool {
                    counters::BATCHES_REPLAYED.add(1);
                }
                if let Some(ticket) = ticket {
                    self.on_spool(move |spool| spool.remove(ticket)).await;
                }
                if self.next_try.is_some() {
                    self.next_try = Some(Instant::now());
                    self.show_waiting().await;
                }
            }
            Err(Unsent { error, rest }) => {
                counters::RETRIES.add(1);
                self.publisher.report.failure(&error);
                self.next_try = Some(Instant::now() + self.backoff.after(error.next()));
                let rest = parcel.rest(rest);
                if !settled {
                    self.put_back(rest);
                } else if let Some(ticket) = ticket
                    && !Arc::ptr_eq(&rest, &parcel)
                    // Half of it arrived. Where the rest cannot be written, sending all of it again is better than losing it.
                    && matches!(self.spool(&rest).await, Kept::Spooled(_))
                {
                    self.on_spool(move |spool| spool.remove(ticket)).await;
                }
                self.secure().await;
            }
        }
    }

    /// The stop cannot wait for the call any longer.
    fn give_call_up(&mut self) {
        if let Some(InFlight { parcel, settled: false, .. }) = self.in_flight.take() {
            self.put_back(parcel);
        }
    }

    /// What even the stop could not bring to the disk is gone with this process.
    fn count_lost(&self) {
        if !self.memory.is_empty() {
            counters::SPOOL_DROPPED.add(self.memory.len() as u64);
            let (batches, points) = (self.memory.len(), self.points);
            tracing::error!(
                batches,
                points,
                "neither CloudWatch nor the spool took these metrics before the stop: they are lost"
            );
        }
    }

    fn put_back(&mut self, parcel: Arc<Parcel>) {
        self.points += parcel.batch.points.len();
        self.memory.push_front(parcel);
    }

    /// When to look whether the call is slow, or when the next one is due.
    fn alarm(&self) -> Option<Instant> {
        match &self.in_flight {
            Some(in_flight) => (!in_flight.settled).then_some(in_flight.slow_at),
            None => self.next_try,
        }
    }

    /// The alarm rang: a call on its way is slow. Without one there is nothing to do here, the next call is due.
    async fn secure_if_slow(&mut self) {
        if self.in_flight.is_some() {
            self.secure().await;
        }
    }

    /// Everything in memory to the disk, also what is on its way. What the disk does not take stays in memory.
    async fn secure(&mut self) {
        let mut refused = false;
        if let Some(batch) =
            self.in_flight.as_ref().filter(|in_flight| !in_flight.settled).map(|in_flight| in_flight.parcel.clone())
        {
            let kept = self.spool(&batch).await;
            if let Some(in_flight) = &mut self.in_flight {
                match kept {
                    Kept::Spooled(ticket) => (in_flight.ticket, in_flight.settled) = (ticket, true),
                    Kept::Hopeless => in_flight.settled = true,
                    Kept::Refused => (in_flight.slow_at, refused) = (Instant::now() + SLOW, true),
                }
            }
        }
        while !refused && let Some(batch) = self.recall() {
            if matches!(self.spool(&batch).await, Kept::Refused) {
                self.put_back(batch);
                refused = true;
            }
        }
        if !refused {
            self.dropping = false;
        }
        let waiting = self.show_waiting().await;
        if waiting > 0 {
            self.next_try.get_or_insert_with(Instant::now);
        }
    }

    /// Into memory, within its bound.
    fn remember(&mut self, parcel: Arc<Parcel>) {
        self.points += parcel.batch.points.len();
        self.memory.push_back(parcel);
        while self.points > IN_MEMORY && self.memory.len() > 1 && self.recall().is_some() {
            counters::SPOOL_DROPPED.add(1);
            if !std::mem::replace(&mut self.dropping, true) {
                tracing::error!(
                    "neither CloudWatch nor the spool takes metrics, and the memory for them is full: the oldest are given up"
                );
            }
        }
    }

    fn recall(&mut self) -> Option<Arc<Parcel>> {
        let parcel = self.memory.pop_front()?;
        self.points -= parcel.batch.points.len();
        Some(parcel)
    }

    async fn spool(&mut self, parcel: &Arc<Parcel>) -> Kept {
        let spooling = parcel.clone();
        let error = match self.on_spool(move |spool| spool.push(&spooling.batch)).await {
            Ok(ticket) => {
                parcel.is_safe();
                self.spool_report.recovered();
                return Kept::Spooled(ticket);
            }
            Err(error) => error,
        };
        let why = chain(&error);
        match error {
            SpoolError::Folder { .. }
            | SpoolError::Write { .. }
            | SpoolError::Read { .. }
            | SpoolError::NoRoom { .. } => {
                self.spool_report.trouble(&error);
                Kept::Refused
            }
            SpoolError::TooLarge { .. } | SpoolError::TooOld | SpoolError::Encode { .. } => {
                parcel.is_safe(); // Nobody will ever take it.
                tracing::warn!(points = parcel.batch.points.len(), "a metric batch is given up: {why}");
                Kept::Hopeless
            }
        }
    }

    /// How many batches wait; the board shows it.
    async fn show_waiting(&mut self) -> usize {
        let waiting = self.spooled().await + self.memory.len();
        self.publisher.report.set_waiting(waiting as u64);
        waiting
    }

    async fn spooled(&mut self) -> usize {
        self.on_spool(|spool| spool.len()).await
    }

    /// The spool writes and syncs files: not on the thread that everything else runs on.
    /// `&mut`, here and above: a call on its way cannot be shared between threads, only handed over.
    async fn on_spool<T: Send + 'static>(&mut self, work: impl FnOnce(&Spool) -> T + Send + 'static) -> T {
        let spool = self.publisher.spool.clone();
        tokio::task::spawn_blocking(move || work(&spool))
            .await
            .expect("the spool does not panic, and the runtime outlives its tasks")
    }
}

/// What the spool made of a batch.
enum Kept {
    Spooled(Option<Ticket>),
    /// Not now.
    Refused,
    /// Never; said and counted.
    Hopeless,
}

/// Waits for ever without a time.
async fn until(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => std::future::pending().await,
    }
}

/// The end of the call; waits for ever without one.
async fn finished(in_flight: &mut Option<InFlight>) -> Result<(), Unsent> {
    match in_flight {
        Some(in_flight) => in_flight.call.as_mut().await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
