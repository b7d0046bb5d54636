//! One file of `/proc`, read whole.
#![allow(unsafe_code)]
use super::{Cpus, stat};
use crate::platform::procfs;
use std::io;

pub fn read() -> io::Result<Cpus> {
    stat::parse(&procfs::text(&procfs::proc().join("stat"))?, ticks_per_second())
}

/// `USER_HZ`, in which the kernel counts for programs whatever its own clock is.
pub fn ticks_per_second() -> f64 {
    // SAFETY: it takes a number and touches no memory of ours.
    let ticks = unsafe { libc::sysconf(libc::_SC_CLK_TCK) };
    // 100 on every architecture that is left.
    if ticks > 0 { ticks as f64 } else { 100.0 }
}
