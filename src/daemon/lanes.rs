//! A lane for each log target: a stage that cuts batches and a publisher that sends them.
//!
//! Sources ask for their lanes when they start, and those with the same target share one. A lane ends by itself when its last
//! source does, at the stop, after it has passed on what it holds. [`Lanes`] has senders too: whoever starts the sources
//! drops it when all of them have their lanes.
use crate::{
    model::{Chunk, Outlet, Room, Target},
    pipeline::{Lane, Places, batch_logs},
    publish::LogPublisher,
};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{runtime::Handle, sync::mpsc};
use tokio_util::task::TaskTracker;

/// Chunks that wait in front of a stage, each at most about 256 KiB: one to work on while the next is read.
const CHUNKS: usize = 2;
/// Batches that wait between a stage and its publisher.
const BATCHES: usize = 1;

/// All lanes, while the sources start.
pub struct Lanes {
    runtime: Handle,
    tasks: TaskTracker,
    publisher: LogPublisher,
    interval: Duration,
    places: Places,
    open: Mutex<HashMap<Arc<Target>, Open>>,
}

struct Open {
    chunks: mpsc::Sender<Chunk>,
    rooms: Arc<Mutex<Vec<Arc<Room>>>>,
}

impl Lanes {
    /// No lane yet. Tasks run on the current runtime and are counted by `tasks`.
    pub fn new(publisher: LogPublisher, interval: Duration, tasks: TaskTracker) -> Self {
        let (places, open) = (Places::default(), Mutex::default());
        Self { runtime: Handle::current(), tasks, publisher, interval, places, open }
    }

    fn start(&self, target: &Arc<Target>, rooms: &Arc<Mutex<Vec<Arc<Room>>>>) -> mpsc::Sender<Chunk> {
        let (chunks, from_sources) = mpsc::channel(CHUNKS);
        let (batches, to_publisher) = mpsc::channel(BATCHES);
        let (interval, places) = (self.interval, self.places.clone());
        let lane = Lane { target: target.clone(), interval, rooms: rooms.clone(), places };
        self.tasks.spawn_on(batch_logs(lane, from_sources, batches), &self.runtime);
        self.tasks.spawn_on(self.publisher.clone().run(target.clone(), to_publisher), &self.runtime);
        chunks
    }
}

impl Outlet for Lanes {
    fn lane(&self, target: &Arc<Target>, room: &Arc<Room>) -> mpsc::Sender<Chunk> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(lane) = open.get(target) {
            let mut rooms = lane.rooms.lock().unwrap_or_else(PoisonError::into_inner);
            if !rooms.iter().any(|known| Arc::ptr_eq(known, room)) {
                rooms.push(room.clone());
            }
            return lane.chunks.clone();
        }
        let rooms = Arc::new(Mutex::new(vec![room.clone()]));
        let chunks = self.start(target, &rooms);
        open.insert(target.clone(), Open { chunks: chunks.clone(), rooms });
        chunks
    }
}
