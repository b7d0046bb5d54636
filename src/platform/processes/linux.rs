//! The `/proc` and the control groups of this machine.
use super::{Host, procfs::Proc, text::Scale};
use crate::platform::procfs;

pub fn host() -> Box<dyn Host> {
    let scale = Scale { ticks: rustix::param::clock_ticks_per_second(), page: rustix::param::page_size() as u64 };
    Box::new(Proc::new(procfs::proc(), &procfs::sys().join("fs/cgroup"), scale, true))
}
