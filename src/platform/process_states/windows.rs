//! Nothing: see the performance counters.
use super::States;
use crate::platform::procfs::unsupported;
use std::io;

pub fn states() -> io::Result<States> {
    unsupported("the states of processes")
}
