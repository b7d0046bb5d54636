//! The `/proc` and the control groups of this machine.
use super::{Host, procfs::Proc, text::Scale};
use std::path::Path;

pub fn host() -> Box<dyn Host> {
    let scale = Scale { ticks: rustix::param::clock_ticks_per_second(), page: rustix::param::page_size() as u64 };
    Box::new(Proc::new(Path::new("/proc"), Path::new("/sys/fs/cgroup"), scale, true))
}
