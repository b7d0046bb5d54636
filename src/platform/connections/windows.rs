//! Nothing: see the performance counters.
use super::Sockets;
use crate::platform::procfs::unsupported;
use std::io;

pub fn sockets() -> io::Result<Sockets> {
    unsupported("the states of sockets")
}
