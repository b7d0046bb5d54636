use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// How many there are of something: each one joins and is counted until it drops its [`Member`].
#[derive(Clone, Debug, Default)]
pub struct Headcount(Arc<AtomicUsize>);

/// One that is counted.
#[derive(Debug)]
pub struct Member(Arc<AtomicUsize>);

impl Headcount {
    /// One more.
    pub fn join(&self) -> Member {
        self.0.fetch_add(1, Ordering::Relaxed);
        Member(self.0.clone())
    }

    /// So many at the moment.
    pub fn now(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
