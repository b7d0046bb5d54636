//! The rules of the tailer, on real files, with a clock that only the test moves.
pub(in crate::logs::files) mod bench;
mod compressed;
mod crowd;
mod events;
pub(in crate::logs::files) mod keeper;
#[cfg(unix)]
mod links;
mod model;
mod reading;
mod restarts;
mod rotation;
mod storm;
mod thread;
