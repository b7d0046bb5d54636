//! The host's memory and swap space, in bytes.
//!
//! | | from |
//! |---|---|
//! | Linux | `/proc/meminfo` |
//! | macOS | `host_statistics64`, `sysctl hw.memsize` and `vm.swapusage` |
//! | Windows | not read here: its performance counters have it |
mod meminfo;

#[cfg_attr(target_os = "linux", path = "linux.rs")]
#[cfg_attr(target_os = "macos", path = "macos.rs")]
#[cfg_attr(windows, path = "windows.rs")]
mod imp;

use std::io;

/// Memory. What a system does not know is `None`.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Ram {
    pub total: u64,
    pub free: u64,
    /// What programs could get without swapping. Linux: the kernel's estimate. macOS: free and inactive pages.
    pub available: u64,
    /// Linux: what is neither free nor buffers nor cache. macOS: what is not available.
    pub used: u64,
    pub active: u64,
    pub inactive: u64,
    /// Linux alone, as the two below.
    pub buffered: Option<u64>,
    /// The page cache and the part of the kernel's own caches that it can give back.
    pub cached: Option<u64>,
    /// tmpfs and shared memory. The cache has it too.
    pub shared: Option<u64>,
}

/// Swap space; all zeros where there is none.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Swap {
    pub total: u64,
    pub free: u64,
    pub used: u64,
}

/// The memory now.
///
/// # Errors
/// When the kernel does not answer, or not in the known form; `Unsupported` on Windows.
pub fn ram() -> io::Result<Ram> {
    imp::ram()
}

/// The swap space now.
///
/// # Errors
/// As [`ram`].
pub fn swap() -> io::Result<Swap> {
    imp::swap()
}

#[cfg(all(test, unix))]
mod tests {
    #[test]
    fn this_machine_has_memory() {
        let ram = super::ram().expect("any host answers");
        assert!(ram.total > 0 && ram.used > 0 && ram.used < ram.total && ram.available <= ram.total);
        let swap = super::swap().expect("any host answers");
        assert_eq!(swap.used + swap.free, swap.total);
    }
}
