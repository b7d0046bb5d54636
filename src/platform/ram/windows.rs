//! Nothing: see the performance counters.
use super::{Ram, Swap};
use crate::platform::procfs::unsupported;
use std::io;

pub fn ram() -> io::Result<Ram> {
    unsupported("the memory")
}

pub fn swap() -> io::Result<Swap> {
    unsupported("the swap space")
}
