//! How somebody hears that a batch is safe.
use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

/// Told once, by whoever has the batch: that it is delivered, or on the disk, or can never be either.
#[derive(Clone)]
pub struct Receipt(Arc<Inner>);

struct Inner {
    given: AtomicBool,
    tell: Box<dyn Fn() + Send + Sync>,
}

impl Receipt {
    /// `tell` is called when it is given.
    pub fn new(tell: impl Fn() + Send + Sync + 'static) -> Self {
        Self(Arc::new(Inner { given: AtomicBool::new(false), tell: Box::new(tell) }))
    }

    /// The batch is safe. Further calls do nothing.
    pub fn give(&self) {
        if !self.0.given.swap(true, Ordering::Relaxed) {
            (self.0.tell)();
        }
    }
}

impl fmt::Debug for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receipt").field("given", &self.0.given).finish_non_exhaustive()
    }
}
