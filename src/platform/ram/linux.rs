//! One file of `/proc`, read whole.
use super::{Ram, Swap, meminfo};
use crate::platform::procfs;
use std::io;

pub fn ram() -> io::Result<Ram> {
    meminfo::ram(&procfs::text(&procfs::proc().join("meminfo"))?)
}

pub fn swap() -> io::Result<Swap> {
    meminfo::swap(&procfs::text(&procfs::proc().join("meminfo"))?)
}
