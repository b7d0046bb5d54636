//! How many processes there are, and what they are doing.
//!
//! | | from |
//! |---|---|
//! | Linux | `/proc/[pid]/stat` |
//! | macOS | `proc_pidinfo` of each process |
//! | Windows | not read here: its performance counters have it |
mod stat;

#[cfg_attr(target_os = "linux", path = "linux.rs")]
#[cfg_attr(target_os = "macos", path = "macos.rs")]
#[cfg_attr(windows, path = "windows.rs")]
mod imp;

use std::io;

/// How many processes are in which state. Those in none of them count in `total` alone.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct States {
    /// On a processor, or waiting for one.
    pub running: u64,
    pub sleeping: u64,
    /// Waiting for a disk or the like, and cannot be interrupted.
    pub blocked: u64,
    /// Stopped by a signal or a debugger.
    pub stopped: u64,
    /// Ended, and not yet asked for by their parents.
    pub zombies: u64,
    /// Linux: threads of the kernel that have nothing to do. macOS: being made.
    pub idle: u64,
    /// Linux alone, as the two below.
    pub dead: u64,
    pub paging: u64,
    pub threads: u64,
    pub total: u64,
}

/// Read now. One that ends in between is left out.
///
/// # Errors
/// When the kernel does not answer; `Unsupported` on Windows.
pub fn states() -> io::Result<States> {
    match imp::states()? {
        // We are one ourselves: where there is none the system hides them.
        States { total: 0, .. } => Err(io::Error::other("it shows no process at all, not even this one")),
        states => Ok(states),
    }
}

#[cfg(all(test, unix))]
mod tests {
    #[test]
    fn this_process_is_one_of_them() {
        if cfg!(target_os = "linux") && std::fs::read("/proc/1/stat").is_err() {
            return assert!(super::states().expect_err("this host hides them from us").to_string().contains("hidepid"));
        }
        let states = super::states().expect("any other host answers");
        assert!(states.total >= 1 && states.running + states.sleeping >= 1, "{states:?}");
        assert!(cfg!(target_os = "macos") || states.threads >= states.total, "{states:?}");
    }
}
