//! The rules of the tailer, on real files, with a clock that only the test moves.
mod bench;
mod model;
mod reading;
mod restarts;
mod rotation;
mod thread;
