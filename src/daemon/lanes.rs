//! A lane for each log target: a stage that cuts batches and a publisher that sends them.
//!
//! Sources ask for their lanes whenever they have something to send there, and those with the same target share one. Nothing here keeps a lane
//! alive: it ends by itself when its last source lets go of it, after it has sent what it holds, and is opened again when it is asked
//! for again. One that is opened again while the one before still sends begins when that has ended, so the order stays. At
//! the deadline of a stop all are ended, whatever they are at: what they had is not acknowledged and will be read again.
use crate::{
    model::{Chunk, LaneWaker, Outlet, Target},
    pipeline::{BodyPool, Lane, batch_logs},
    publish::LogPublisher,
};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{runtime::Handle, sync::mpsc};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Chunks that wait in front of a stage, beside the one that it works on. Each has about 256 KiB of text, one long line, or where lines are
/// written anew (masks, decoding) some 4 MiB; one event with masks may have 32 MiB more than it had.
const CHUNKS: usize = 1;
/// Batches that wait between a stage and its publisher.
const BATCHES: usize = 1;

/// All lanes.
pub struct Lanes {
    runtime: Handle,
    tasks: TaskTracker,
    end: CancellationToken,
    publisher: LogPublisher,
    interval: Duration,
    bodies: BodyPool,
    open: Arc<Mutex<HashMap<Arc<Target>, Open>>>,
}

/// Not only open ones: also those that still send what they hold.
struct Open {
    chunks: mpsc::WeakSender<Box<Chunk>>,
    wakers: Arc<Mutex<Vec<Arc<LaneWaker>>>>,
    /// Cancelled when nothing is left of the lane.
    ended: CancellationToken,
}

/// Wipes a lane from the list when its publisher is gone, however that ended.
struct Ending {
    open: Arc<Mutex<HashMap<Arc<Target>, Open>>>,
    target: Arc<Target>,
    ended: CancellationToken,
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.ended.cancel();
        let mut open = lock(&self.open);
        // Another of the same target may have taken its place.
        if open.get(&self.target).is_some_and(|lane| lane.ended.is_cancelled()) {
            open.remove(&self.target);
        }
    }
}

impl Lanes {
    /// No lane yet. Tasks run on the current runtime, are counted by `tasks`, and are dropped at `end`.
    pub fn new(
        publisher: LogPublisher,
        interval: Duration,
        bodies: BodyPool,
        tasks: TaskTracker,
        end: CancellationToken,
    ) -> Self {
        Self { runtime: Handle::current(), tasks, end, publisher, interval, bodies, open: Arc::default() }
    }

    /// Start the two halves of a lane, which waits for the `before` one to end.
    fn start(
        &self,
        lane: Lane,
        from_sources: mpsc::Receiver<Box<Chunk>>,
        ending: Ending,
        before: Option<CancellationToken>,
    ) {
        let (batches, to_publisher) = mpsc::channel(BATCHES);
        let sending = self.publisher.clone().run(lane.target.clone(), to_publisher);
        self.spawn(async move {
            if let Some(before) = before {
                before.cancelled().await;
            }
            batch_logs(lane, from_sources, batches).await;
        });
        self.spawn(async move {
            let _ending = ending;
            sending.await;
        });
    }

    fn spawn(&self, part: impl Future<Output = ()> + Send + 'static) {
        let end = self.end.clone();
        let part = async move { _ = end.run_until_cancelled(part).await };
        self.tasks.spawn_on(part, &self.runtime);
    }
}

impl Outlet for Lanes {
    fn lane(&self, target: &Arc<Target>, waker: &Arc<LaneWaker>) -> mpsc::Sender<Box<Chunk>> {
        let mut open = lock(&self.open);
        let known = open.get(target);
        if let Some(lane) = known
            && let Some(chunks) = lane.chunks.upgrade()
        {
            let mut wakers = lock(&lane.wakers);
            // Only the lane itself still knows those whose source is gone.
            wakers.retain(|known| Arc::strong_count(known) > 1);
            if !wakers.iter().any(|known| Arc::ptr_eq(known, waker)) {
                wakers.push(waker.clone());
            }
            return chunks;
        }
        let before = known.map(|lane| lane.ended.clone());
        let (chunks, from_sources) = mpsc::channel(CHUNKS);
        let (wakers, ended) = (Arc::new(Mutex::new(vec![waker.clone()])), CancellationToken::new());
        let (interval, bodies) = (self.interval, self.bodies.clone());
        let lane = Lane { target: target.clone(), interval, wakers: wakers.clone(), bodies };
        let ending = Ending { open: self.open.clone(), target: target.clone(), ended: ended.clone() };
        open.insert(target.clone(), Open { chunks: chunks.downgrade(), wakers, ended });
        // A runtime that is gone drops its tasks at once, and with them the lane's entry.
        drop(open);
        self.start(lane, from_sources, ending, before);
        chunks
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    // Only whole entries are put in and taken out.
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
