//! A lane for each log target: a stage that cuts batches and a publisher that sends them.
//!
//! A lane is opened by the first source that asks for it, at the start, and shared by all that name the same target. It ends by
//! itself when its last source lets go of it, at the stop; at the deadline it is ended, whatever it is at: what it had is not
//! acknowledged and will be read again.
use crate::{
    model::{Chunk, Outlet, Room, Target},
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

/// Chunks that wait in front of a stage, each at most about 256 KiB: one to work on while the next is read.
const CHUNKS: usize = 2;
/// Batches that wait between a stage and its publisher.
const BATCHES: usize = 1;

/// All open lanes.
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
    chunks: mpsc::WeakSender<Chunk>,
    rooms: Arc<Mutex<Vec<Arc<Room>>>>,
}

impl Lanes {
    /// No lane yet. Tasks run on the current runtime, are counted by `tasks`, and are dropped at `end`.
    pub fn new(publisher: LogPublisher, interval: Duration, tasks: TaskTracker, end: CancellationToken) -> Self {
        let (bodies, open) = (BodyPool::default(), Mutex::default());
        Self { runtime: Handle::current(), tasks, end, publisher, interval, bodies, open }
    }

    fn start(&self, target: &Arc<Target>, rooms: &Arc<Mutex<Vec<Arc<Room>>>>) -> mpsc::Sender<Chunk> {
        let (chunks, from_sources) = mpsc::channel(CHUNKS);
        let (batches, to_publisher) = mpsc::channel(BATCHES);
        let (interval, bodies) = (self.interval, self.bodies.clone());
        let lane = Lane { target: target.clone(), interval, rooms: rooms.clone(), bodies };
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
    fn lane(&self, target: &Arc<Target>, room: &Arc<Room>) -> mpsc::Sender<Chunk> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(lane) = open.get(target)
            && let Some(chunks) = lane.chunks.upgrade()
        {
            let mut rooms = lane.rooms.lock().unwrap_or_else(PoisonError::into_inner);
            if !rooms.iter().any(|known| Arc::ptr_eq(known, room)) {
                rooms.push(room.clone());
            }
            return chunks;
        }
        open.retain(|_, lane| lane.chunks.strong_count() > 0);
        let rooms = Arc::new(Mutex::new(vec![room.clone()]));
        let chunks = self.start(target, &rooms);
        open.insert(target.clone(), Open { chunks: chunks.downgrade(), rooms });
        chunks
    }
}
