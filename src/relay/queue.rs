//! What waits for the device, and whether the device may be held. Bounded in bytes: who brings a frame waits for its room.
use super::frame::LONGEST;
use crate::telemetry::counters;
use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    time::Instant,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bytes of all frames that wait.
pub const ROOM: usize = 1 << 20;
/// What a frame costs beside its bytes.
const OVERHEAD: usize = 128;

const _: () = assert!(LONGEST + OVERHEAD <= ROOM, "every frame has room");

/// For the device's thread.
pub enum Order {
    Frame(Frame),
    /// The gate may have changed.
    Look,
}

/// A frame that was checked, with its line end.
pub struct Frame {
    pub bytes: Box<[u8]>,
    /// When it came.
    pub at: Instant,
    _room: Option<OwnedSemaphorePermit>,
}

impl Frame {
    #[cfg(test)]
    pub fn came(bytes: &[u8], at: Instant) -> Self {
        Self { bytes: bytes.into(), at, _room: None }
    }
}

/// What the device's thread is told beside frames.
#[derive(Default)]
pub struct Gate {
    held: AtomicBool,
    stopping: AtomicBool,
    given_up: AtomicBool,
}

impl Gate {
    /// Whether the device may be open.
    pub fn is_held(&self) -> bool {
        self.held.load(Ordering::Relaxed)
    }

    /// Nothing new comes, and the device is not opened again.
    pub fn stops(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// What is not written by now is not written any more.
    pub fn gives_up(&self) -> bool {
        self.given_up.load(Ordering::Relaxed)
    }

    /// There is no more time.
    pub fn give_up(&self) {
        self.given_up.store(true, Ordering::Relaxed);
    }
}

/// What a relay could not write until its stop, for the one that follows it in this process.
#[derive(Default)]
pub struct Left {
    frames: Mutex<Vec<Frame>>,
    follows: AtomicBool,
}

impl Left {
    /// Whether another relay follows. Nobody keeps what is left where none does.
    pub fn expect_another(&self, follows: bool) {
        self.follows.store(follows, Ordering::Relaxed);
    }

    /// For the relay that follows. Without one, or where there is none after all, the frames are given up and counted.
    pub fn put(&self, frame: Frame) {
        let mut frames = self.frames();
        // Reload by reload it would become more.
        if frames.iter().map(|frame| frame.bytes.len() + OVERHEAD).sum::<usize>() >= ROOM {
            return counters::RELAY_FRAMES_GIVEN_UP.add(1);
        }
        frames.push(frame);
        drop(frames);
        if !self.follows.load(Ordering::Relaxed) {
            self.give_up();
        }
    }

    /// What the relay before left, in its order.
    pub fn take(&self) -> Vec<Frame> {
        std::mem::take(&mut *self.frames())
    }

    /// There is none that follows.
    pub fn give_up(&self) {
        counters::RELAY_FRAMES_GIVEN_UP.add(self.take().len() as u64);
    }

    fn frames(&self) -> MutexGuard<'_, Vec<Frame>> {
        self.frames.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Left {
    /// Nobody has taken it.
    fn drop(&mut self) {
        self.give_up();
    }
}

/// The end into which frames are put.
#[derive(Clone)]
pub struct Queue {
    orders: mpsc::Sender<Order>,
    room: Arc<Semaphore>,
    gate: Arc<Gate>,
}

impl Queue {
    /// With the end for the device's thread, which hears of the end when all of these are dropped.
    pub fn new(gate: Arc<Gate>) -> (Self, mpsc::Receiver<Order>) {
        let (orders, taken) = mpsc::channel();
        (Self { orders, room: Arc::new(Semaphore::new(ROOM)), gate }, taken)
    }

    /// Put this frame, which came `at` then, behind the others, as soon as there is room.
    pub async fn put(&self, bytes: &[u8], at: Instant) {
        let cost = u32::try_from(bytes.len() + OVERHEAD).expect("no frame is that long");
        let room = self.room.clone().acquire_many_owned(cost).await.expect("nobody closes it");
        self.order(Order::Frame(Frame { bytes: bytes.into(), at, _room: Some(room) }));
    }

    /// The device may be open from here on, or not.
    pub fn hold(&self, held: bool) {
        self.gate.held.store(held, Ordering::Relaxed);
        self.order(Order::Look);
    }

    /// Nothing more comes.
    pub fn stop(&self) {
        self.gate.stopping.store(true, Ordering::Relaxed);
        self.order(Order::Look);
    }

    fn order(&self, order: Order) {
        // Without its thread the daemon is about to end, and has said so.
        let _ = self.orders.send(order);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    #[tokio::test]
    async fn who_brings_more_than_there_is_room_for_waits() {
        let (queue, taken) = Queue::new(Arc::default());
        let frame = vec![b'x'; LONGEST];
        let fit = ROOM / (LONGEST + OVERHEAD);
        for _ in 0..fit {
            queue.put(&frame, Instant::now()).now_or_never().expect("there is room");
        }
        let mut next = std::pin::pin!(queue.put(&frame, Instant::now()));
        assert!(next.as_mut().now_or_never().is_none(), "full");
        let Ok(Order::Frame(first)) = taken.recv() else { panic!("a frame") };
        assert!(next.as_mut().now_or_never().is_none(), "still held by whoever writes it");
        drop(first);
        next.await;
        assert_eq!(taken.try_iter().count(), fit);
    }
}
