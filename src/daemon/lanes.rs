//! A lane for each log target: a stage that cuts batches and a publisher that sends them.
//!
//! Sources ask for their lanes when they start, and those with the same target share one. A lane ends by itself when its last
//! source does, at the stop, after it has passed on what it holds; at the deadline it is ended, whatever it is at: what it had is
//! not acknowledged and will be read again. [`Lanes`] has senders too: whoever starts the sources drops it when all of them have
//! their lanes.
use crate::{
    model::{Chunk, LaneWaker, Outlet, Target},
    pipeline::{BodyPool, Lane, batch_logs},
    publish::LogPublisher,
};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{runtime::Handle, sync::mpsc};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Chunks that wait in front of a stage, each at most about 256 KiB, beside the one that it works on.
const CHUNKS: usize = 1;
/// Batches that wait between a stage and its publisher.
const BATCHES: usize = 1;

/// All lanes, while the sources start.
pub struct Lanes {
    runtime: Handle,
    tasks: TaskTracker,
    end: CancellationToken,
    publisher: LogPublisher,
    interval: Duration,
    bodies: BodyPool,
    open: Mutex<HashMap<Arc<Target>, Open>>,
}

struct Open {
    chunks: mpsc::Sender<Chunk>,
    wakers: Arc<Mutex<Vec<Arc<LaneWaker>>>>,
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
        Self { runtime: Handle::current(), tasks, end, publisher, interval, bodies, open: Mutex::default() }
    }

    fn start(&self, target: &Arc<Target>, wakers: &Arc<Mutex<Vec<Arc<LaneWaker>>>>) -> mpsc::Sender<Chunk> {
        let (chunks, from_sources) = mpsc::channel(CHUNKS);
        let (batches, to_publisher) = mpsc::channel(BATCHES);
        let (interval, bodies) = (self.interval, self.bodies.clone());
        let lane = Lane { target: target.clone(), interval, wakers: wakers.clone(), bodies };
        self.spawn(batch_logs(lane, from_sources, batches));
        self.spawn(self.publisher.clone().run(target.clone(), to_publisher));
        chunks
    }

    fn spawn(&self, part: impl Future<Output = ()> + Send + 'static) {
        let end = self.end.clone();
        let part = async move { _ = end.run_until_cancelled(part).await };
        self.tasks.spawn_on(part, &self.runtime);
    }
}

impl Outlet for Lanes {
    fn lane(&self, target: &Arc<Target>, waker: &Arc<LaneWaker>) -> mpsc::Sender<Chunk> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(lane) = open.get(target) {
            let mut wakers = lane.wakers.lock().unwrap_or_else(PoisonError::into_inner);
            if !wakers.iter().any(|known| Arc::ptr_eq(known, waker)) {
                wakers.push(waker.clone());
            }
            return lane.chunks.clone();
        }
        let wakers = Arc::new(Mutex::new(vec![waker.clone()]));
        let chunks = self.start(target, &wakers);
        open.insert(target.clone(), Open { chunks: chunks.clone(), wakers });
        chunks
    }
}
