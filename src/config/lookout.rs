//! A look at the host that may never end, as on a dead network mount: nobody waits for it longer than is bearable, and there is one such
//! thread at most, however often the configuration is read again.
use std::{
    sync::{Condvar, Mutex, MutexGuard, PoisonError, mpsc},
    thread,
    time::{Duration, Instant},
};

/// Where one look at a time takes place.
#[derive(Debug)]
pub struct Lookout {
    taken: Mutex<bool>,
    left: Condvar,
}

/// Held by the one who looks, also by one who does so for ever.
struct Place(&'static Lookout);

impl Drop for Place {
    fn drop(&mut self) {
        *self.0.taken() = false;
        self.0.left.notify_one();
    }
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Unanswered {
    /// It takes longer, or one before it does.
    Late,
    /// This process gets no thread.
    NoThread,
}

impl Lookout {
    pub const fn new() -> Self {
        Self { taken: Mutex::new(false), left: Condvar::new() }
    }

    /// What `look` finds, in a thread of its own with this name, within `longest`. Looks take turns; what comes too late is dropped.
    pub fn look<T: Send + 'static>(
        &'static self,
        name: &str,
        longest: Duration,
        look: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Unanswered> {
        let begun = Instant::now();
        let place = self.place(longest).ok_or(Unanswered::Late)?;
        let (tell, told) = mpsc::channel();
        let look = move || {
            let found = look();
            // Free for the next one before anybody hears of the end.
            drop(place);
            // Nobody listens any more when it took too long.
            let _ = tell.send(found);
        };
        thread::Builder::new().name(name.into()).spawn(look).map_err(|_| Unanswered::NoThread)?;
        told.recv_timeout(longest.saturating_sub(begun.elapsed())).map_err(|_| Unanswered::Late)
    }

    fn place(&'static self, longest: Duration) -> Option<Place> {
        let waited = self.left.wait_timeout_while(self.taken(), longest, |taken| *taken);
        let (mut taken, _) = waited.unwrap_or_else(PoisonError::into_inner);
        (!std::mem::replace(&mut *taken, true)).then(|| Place(self))
    }

    fn taken(&self) -> MutexGuard<'_, bool> {
        // A flag is never half set.
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn a_look_that_hangs_is_not_waited_for_and_no_second_thread_joins_it() {
        static LOOKOUT: Lookout = Lookout::new();
        let (release, released) = mpsc::channel::<()>();
        let hanging = move || {
            let _ = released.recv();
        };
        assert_eq!(LOOKOUT.look("first", Duration::ZERO, hanging), Err(Unanswered::Late));
        let (tell, begun) = mpsc::channel();
        let second = move || tell.send(()).expect("the test listens");
        assert_eq!(LOOKOUT.look("second", Duration::ZERO, second), Err(Unanswered::Late));
        assert_eq!(begun.recv(), Err(mpsc::RecvError), "it never began");
        drop(release);
        assert_eq!(LOOKOUT.look("third", LONG, || 3), Ok(3), "the mount answers again");
    }

    #[test]
    fn a_look_that_fails_leaves_room_for_the_next() {
        static LOOKOUT: Lookout = Lookout::new();
        let failing = || -> u8 { panic!("a file nobody thought of") };
        assert_eq!(LOOKOUT.look("failing", LONG, failing), Err(Unanswered::Late));
        assert_eq!(LOOKOUT.look("next", LONG, || 2), Ok(2));
    }
}
