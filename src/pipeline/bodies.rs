//! The pool of large bodies: how many of them exist at once in the whole process, and the buffers that they share.
//!
//! A busy lane fills a megabyte again and again. The buffers go round instead of being asked from the system each time,
//! which costs a page fault for every 4 KiB; when no large body is left, they are given back.
//!
//! Small bodies need no permit, but every lane may have some: the more lanes there are, the smaller they are.
use crate::model::Headcount;
use bytes::Bytes;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bodies over 64 KiB that may exist at once, open ones and those on their way: about 1.2 MiB each with usual text, and at most
/// the bound of the draft and one event full of control characters, 3.3 MiB. A lane that gets no permit sends what it has early,
/// and waits with an event that is large by itself: never more memory.
const LARGE_BODIES: usize = 8;
/// A body up to this needs no permit.
pub const SMALL_BODY: usize = 64 * 1024;
/// Bytes that the small bodies of all lanes have together while there are at most 512 lanes.
const SMALL_BODIES: usize = 8 * 1024 * 1024;
/// Bodies that a lane holds while its target takes nothing: one on its way and one that waits.
const A_LANE: usize = 2;
/// A bound below this would cost more in calls than it saves in memory.
const LEAST_BODY: usize = 8 * 1024;
/// Buffers above this are not worth keeping: only text full of control characters grows so large.
const USUAL: usize = 2 * 1024 * 1024;

/// All permits of the process, first come, first served.
#[derive(Clone, Debug)]
pub struct BodyPool {
    free: Arc<Semaphore>,
    count: usize,
    spare: Arc<Mutex<Vec<Vec<u8>>>>,
    /// The lanes that share it.
    pub lanes: Headcount,
}

/// One large body may exist. Free again when this is dropped.
#[derive(Debug)]
pub struct Permit {
    pool: BodyPool,
    _permit: OwnedSemaphorePermit,
}

impl Default for BodyPool {
    fn default() -> Self {
        Self::new(LARGE_BODIES)
    }
}

impl BodyPool {
    /// So many.
    pub fn new(count: usize) -> Self {
        Self { free: Arc::new(Semaphore::new(count)), count, spare: Arc::default(), lanes: Headcount::default() }
    }

    /// How large a body without a permit may grow by further events.
    pub fn small(&self) -> usize {
        let lanes = self.lanes.now().max(1);
        (SMALL_BODIES / A_LANE / lanes).clamp(LEAST_BODY, SMALL_BODY)
    }

    /// A permit, if one is free, and a buffer that was used before, if there is one.
    pub fn take(&self) -> Option<(Permit, Vec<u8>)> {
        self.free.clone().try_acquire_owned().ok().map(|permit| self.with_buffer(permit))
    }

    /// The same, when one is free.
    pub async fn wait(&self) -> (Permit, Vec<u8>) {
        let permit = self.free.clone().acquire_owned().await.expect("nobody closes it");
        self.with_buffer(permit)
    }

    fn with_buffer(&self, permit: OwnedSemaphorePermit) -> (Permit, Vec<u8>) {
        (Permit { pool: self.clone(), _permit: permit }, self.spare().pop().unwrap_or_default())
    }

    fn spare(&self) -> std::sync::MutexGuard<'_, Vec<Vec<u8>>> {
        self.spare.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Permit {
    /// The body of a batch. Its buffer goes round when nobody holds the body any more.
    pub fn body(&self, buffer: Vec<u8>) -> Bytes {
        Bytes::from_owner(Shared { buffer, pool: self.pool.clone() })
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if self.pool.free.available_permits() + 1 == self.pool.count {
            // The last large body is gone: a quiet daemon is a small one.
            self.pool.spare().clear();
        }
    }
}

struct Shared {
    buffer: Vec<u8>,
    pool: BodyPool,
}

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        &self.buffer
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let mut buffer = std::mem::take(&mut self.buffer);
        if buffer.capacity() <= USUAL {
            buffer.clear();
            self.pool.spare().push(buffer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_go_round_while_there_is_work_and_are_given_back_after_it() {
        let pool = BodyPool::new(2);
        let (first, _) = pool.take().expect("free");
        let (second, mut buffer) = pool.take().expect("free");
        assert!(pool.take().is_none());
        buffer.extend_from_slice(&[b'x'; 100_000]);
        let body = second.body(buffer);
        assert_eq!(body.len(), 100_000);
        drop(body);
        drop(second);
        let (third, buffer) = pool.take().expect("free again");
        assert!(buffer.is_empty() && buffer.capacity() >= 100_000);
        drop(third.body(buffer));
        drop((first, third));
        assert_eq!(pool.take().expect("free").1.capacity(), 0);
    }

    #[test]
    fn the_more_lanes_there_are_the_smaller_are_their_bodies() {
        let pool = BodyPool::new(1);
        let mut lanes: Vec<_> = (0..64).map(|_| pool.lanes.join()).collect();
        assert_eq!(pool.small(), SMALL_BODY);
        for more in [36, 412] {
            lanes.extend((0..more).map(|_| pool.lanes.join()));
            assert!(pool.small() * A_LANE * lanes.len() <= SMALL_BODIES && pool.small() >= LEAST_BODY);
        }
        lanes.extend((0..1000).map(|_| pool.lanes.join()));
        assert_eq!(pool.small(), LEAST_BODY);
        lanes.truncate(1);
        assert_eq!(pool.small(), SMALL_BODY);
    }

    #[test]
    fn a_buffer_of_unusual_size_is_not_kept() {
        let pool = BodyPool::new(2);
        let (permit, _) = pool.take().expect("free");
        drop(permit.body(Vec::with_capacity(USUAL + 1)));
        assert!(pool.spare().is_empty());
    }
}
