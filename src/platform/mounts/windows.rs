//! Nothing: see the performance counters.
use super::{Kinds, Mount, Space};
use crate::platform::procfs::unsupported;
use std::io;

pub fn mounts() -> io::Result<Vec<Mount>> {
    unsupported("the table of mounts")
}

pub fn space(_: &Mount) -> io::Result<Space> {
    unsupported("the space of a mount")
}

pub fn kinds() -> Kinds {
    Kinds::default()
}
