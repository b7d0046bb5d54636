//! Opens a lane for each log target when its first chunk is about to come: a stage that cuts batches and a publisher that
//! sends them. A lane ends by itself when its last source lets go of it.
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
use tokio_util::task::TaskTracker;

/// Chunks that wait in front of a stage, each at most about 256 KiB, beside the one that it works on.
const CHUNKS: usize = 1;
/// Batches that wait between a stage and its publisher.
const BATCHES: usize = 1;

/// All open lanes.
pub struct Lanes {
    runtime: Handle,
    tasks: TaskTracker,
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
    /// No lane yet. Tasks run on the current runtime and are counted by `tasks`.
    pub fn new(publisher: LogPublisher, interval: Duration, tasks: TaskTracker) -> Self {
        let (bodies, open) = (BodyPool::default(), Mutex::default());
        Self { runtime: Handle::current(), tasks, publisher, interval, bodies, open }
    }

    fn start(&self, target: &Arc<Target>, rooms: &Arc<Mutex<Vec<Arc<Room>>>>) -> mpsc::Sender<Chunk> {
        let (chunks, from_sources) = mpsc::channel(CHUNKS);
        let (batches, to_publisher) = mpsc::channel(BATCHES);
        let (interval, bodies) = (self.interval, self.bodies.clone());
        let lane = Lane { target: target.clone(), interval, rooms: rooms.clone(), bodies };
        self.tasks.spawn_on(batch_logs(lane, from_sources, batches), &self.runtime);
        self.tasks.spawn_on(self.publisher.clone().run(target.clone(), to_publisher), &self.runtime);
        chunks
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
