//! Nothing: see the performance counters.
use super::Cpus;
use crate::platform::procfs::unsupported;
use std::io;

pub fn read() -> io::Result<Cpus> {
    unsupported("the time of the processors")
}
