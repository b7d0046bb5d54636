//! Sends metric batches; what cannot be sent now goes to the spool and is replayed with its first timestamps.
//!
//! One task. While sending works a batch never touches the disk. After a failure every batch goes to the spool at once, and
//! the oldest one is the next to be tried, after a back-off; when it arrives the others follow, oldest first, and fresh
//! batches go between them. At the stop a call that does not end in time is given up and its batch spooled.
use super::{Backoff, Next, Put, PutError, Report};
use crate::{
    model::MetricBatch,
    spool::{Spool, SpoolError},
    telemetry::counters,
};
use std::{collections::VecDeque, sync::Arc};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

/// Batches kept in memory when even the spool cannot take them; beyond that the oldest is given up, counted.
const IN_MEMORY: usize = 60;

/// What the publishing task works with.
pub struct MetricPublisher {
    pub put: Arc<dyn Put>,
    pub report: Arc<Report>,
    pub spool: Arc<Spool>,
    /// Cancelled when the stop has no more time for calls: what is left goes to the spool.
    pub hurry: CancellationToken,
}

impl MetricPublisher {
    /// Send everything that comes until the stage is gone. Nothing is lost at the stop: what was not sent is spooled.
    pub async fn run(self, mut batches: mpsc::Receiver<MetricBatch>) {
        let mut state =
            Sending { publisher: self, backoff: Backoff::default(), next_try: None, homeless: VecDeque::new() };
        if state.spooled().await > 0 {
            state.next_try = Some(Instant::now());
        }
        loop {
            let next_try = state.next_try;
            let due = async {
                match next_try {
                    Some(at) => sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                // Fresh batches first: alarms look at the present.
                biased;
                batch = batches.recv() => match batch {
                    Some(batch) => state.take(batch).await,
                    None => break,
                },
                () = due => state.replay().await,
            }
        }
        state.rescue().await;
    }
}

/// Why a batch was not sent now.
enum Unsent {
    Failed(PutError),
    /// The stop has no time left.
    Hurry,
}

struct Sending {
    publisher: MetricPublisher,
    backoff: Backoff,
    /// When the spool's oldest batch is tried. `None`: nothing is waiting.
    next_try: Option<Instant>,
    /// Batches that neither the service nor the spool took.
    homeless: VecDeque<MetricBatch>,
}

impl Sending {
    async fn take(&mut self, batch: MetricBatch) {
        // While it fails there is no point in trying each batch: the oldest one is the probe.
        if self.backoff.is_fresh() {
            match self.send(&batch).await {
                Ok(()) => return,
                Err(unsent) => self.failed(unsent),
            }
        }
        self.keep(batch).await;
    }

    /// Try what has waited longest.
    async fn replay(&mut self) {
        self.rescue().await;
        if let Some(spooled) = self.on_spool(|spool| spool.oldest()).await {
            match self.send(&spooled.batch).await {
                Ok(()) => self.on_spool(move |spool| spool.remove(&spooled)).await,
                Err(unsent) => return self.failed(unsent),
            }
        } else if let Some(batch) = self.homeless.pop_front() {
            if let Err(unsent) = self.send(&batch).await {
                self.homeless.push_front(batch);
                return self.failed(unsent);
            }
        } else {
            self.next_try = None;
            return;
        }
        counters::BATCHES_REPLAYED.add(1);
        self.next_try = Some(Instant::now());
        self.show_waiting().await;
    }

    fn failed(&mut self, unsent: Unsent) {
        let next = match &unsent {
            Unsent::Failed(error) => {
                self.publisher.report.failure(error);
                error.next()
            }
            Unsent::Hurry => Next::RetrySeldom,
        };
        self.next_try = Some(Instant::now() + self.backoff.after(next));
    }

    /// One attempt, with what the error asks for done once.
    async fn send(&mut self, batch: &MetricBatch) -> Result<(), Unsent> {
        let MetricPublisher { put, hurry, .. } = &self.publisher;
        let attempt = async {
            match put_points(&**put, batch).await {
                Err(error) if error.next() == Next::RenewThenRetry => {
                    put.renew().await?;
                    put_points(&**put, batch).await
                }
                other => other,
            }
        };
        match hurry.run_until_cancelled(attempt).await {
            None => return Err(Unsent::Hurry),
            Some(Err(error)) => return Err(Unsent::Failed(error)),
            Some(Ok(())) => {}
        }
        self.backoff.reset();
        self.publisher.report.success();
        Ok(())
    }

    /// To the spool; to memory when the disk does not take it.
    async fn keep(&mut self, batch: MetricBatch) {
        if let Some(batch) = self.spool(batch).await {
            if self.homeless.len() == IN_MEMORY {
                self.homeless.pop_front();
                counters::SPOOL_DROPPED.add(1);
            }
            self.homeless.push_back(batch);
        }
        self.next_try.get_or_insert_with(Instant::now);
        self.show_waiting().await;
    }

    /// Gives the batch back when the disk does not take it now.
    async fn spool(&self, batch: MetricBatch) -> Option<MetricBatch> {
        let (batch, pushed) = self
            .on_spool(move |spool| {
                let pushed = spool.push(&batch);
                (batch, pushed)
            })
            .await;
        let error = match pushed {
            Ok(()) => return None,
            Err(error) => error,
        };
        let why = super::chain(&error);
        match error {
            SpoolError::Folder { .. } | SpoolError::Write { .. } | SpoolError::NoRoom { .. } => {
                self.publisher.report.failure(&error);
                Some(batch)
            }
            SpoolError::TooLarge { .. } | SpoolError::TooOld | SpoolError::Encode { .. } => {
                tracing::warn!(points = batch.points.len(), "a metric batch is given up: {why}");
                None
            }
        }
    }

    /// Give the batches that live in memory another chance on the disk.
    async fn rescue(&mut self) {
        while let Some(batch) = self.homeless.pop_front() {
            if let Some(batch) = self.spool(batch).await {
                self.homeless.push_front(batch);
                return;
            }
        }
    }

    async fn show_waiting(&self) {
        let waiting = self.spooled().await + self.homeless.len();
        self.publisher.report.set_waiting(waiting as u64);
    }

    async fn spooled(&self) -> usize {
        self.on_spool(|spool| spool.len()).await
    }

    /// The spool writes and syncs files: not on the thread that everything else runs on.
    async fn on_spool<T: Send + 'static>(&self, work: impl FnOnce(&Spool) -> T + Send + 'static) -> T {
        let spool = self.publisher.spool.clone();
        tokio::task::spawn_blocking(move || work(&spool))
            .await
            .expect("the spool does not panic, and the runtime outlives its tasks")
    }
}

/// Put the batch. Where the service refuses it, halve it until the points that are to blame stand alone; those are
/// dropped, named and counted: no request with them will ever be taken.
async fn put_points(put: &dyn Put, batch: &MetricBatch) -> Result<(), PutError> {
    let mut parts = vec![batch.clone()];
    while let Some(mut part) = parts.pop() {
        match put.metrics(&part).await {
            Ok(()) => {
                counters::METRIC_REQUESTS.add(1);
                counters::POINTS_DELIVERED.add(part.points.len() as u64);
            }
            Err(PutError::Refused { reason, .. }) if part.points.len() <= 1 => {
                let metric = part.points.first().map_or("", |p| &p.name);
                tracing::warn!(metric, reason, "dropped a metric point that CloudWatch will never take");
                counters::POINTS_REFUSED.add(1);
            }
            Err(PutError::Refused { .. }) => {
                let points = part.points.split_off(part.points.len() / 2);
                parts.extend([MetricBatch { namespace: part.namespace.clone(), points }, part]);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "metrics/tests.rs"]
mod tests;
