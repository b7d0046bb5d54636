//! Places for large bodies: how many of them exist at once in the whole process, and the buffers that they share.
//!
//! A busy lane fills a megabyte again and again. The buffers go round instead of being asked from the system each time,
//! which costs a page fault for every 4 KiB; when no large body is left, they are given back.
use bytes::Bytes;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bodies over 64 KiB that may exist at once, open ones and those on their way: at most about 1.5 MiB each. A lane that finds
/// none free sends what it has early: more requests for a while, never more memory.
const LARGE_BODIES: usize = 8;
/// Buffers above this are not worth keeping: only text full of control characters grows so large.
const USUAL: usize = 2 * 1024 * 1024;

/// All places of the process.
#[derive(Clone, Debug)]
pub struct Places {
    free: Arc<Semaphore>,
    count: usize,
    spare: Arc<Mutex<Vec<Vec<u8>>>>,
}

/// One place, with a buffer for its body. Free again when this is dropped.
#[derive(Debug)]
pub struct Place {
    places: Places,
    _permit: OwnedSemaphorePermit,
}

impl Default for Places {
    fn default() -> Self {
        Self::new(LARGE_BODIES)
    }
}

impl Places {
    /// So many.
    pub fn new(count: usize) -> Self {
        Self { free: Arc::new(Semaphore::new(count)), count, spare: Arc::default() }
    }

    /// A place, if one is free, and a buffer that was used before, if there is one.
    pub fn take(&self) -> Option<(Place, Vec<u8>)> {
        let permit = self.free.clone().try_acquire_owned().ok()?;
        let buffer = self.spare().pop().unwrap_or_default();
        Some((Place { places: self.clone(), _permit: permit }, buffer))
    }

    fn spare(&self) -> std::sync::MutexGuard<'_, Vec<Vec<u8>>> {
        self.spare.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// The body of a batch. Its buffer goes round when nobody holds the body any more.
    pub fn body(&self, buffer: Vec<u8>) -> Bytes {
        Bytes::from_owner(Shared { buffer, places: self.places.clone() })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.places.free.available_permits() + 1 == self.places.count {
            // The last large body is gone: a quiet daemon is a small one.
            self.places.spare().clear();
        }
    }
}

struct Shared {
    buffer: Vec<u8>,
    places: Places,
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
            self.places.spare().push(buffer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_go_round_while_there_is_work_and_are_given_back_after_it() {
        let places = Places::new(2);
        let (first, _) = places.take().expect("free");
        let (second, mut buffer) = places.take().expect("free");
        assert!(places.take().is_none());
        buffer.extend_from_slice(&[b'x'; 100_000]);
        let body = second.body(buffer);
        assert_eq!(body.len(), 100_000);
        drop(body);
        drop(second);
        let (third, buffer) = places.take().expect("free again");
        assert!(buffer.is_empty() && buffer.capacity() >= 100_000);
        drop(third.body(buffer));
        drop((first, third));
        assert_eq!(places.take().expect("free").1.capacity(), 0);
    }

    #[test]
    fn a_buffer_of_unusual_size_is_not_kept() {
        let places = Places::new(2);
        let (place, _) = places.take().expect("free");
        drop(place.body(Vec::with_capacity(USUAL + 1)));
        assert!(places.spare().is_empty());
    }
}
