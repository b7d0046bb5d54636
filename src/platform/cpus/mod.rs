//! What the processors have done since the system was started, in ticks of its clock.
//!
//! | | from |
//! |---|---|
//! | Linux | `/proc/stat` |
//! | macOS | `host_processor_info` |
//! | Windows | not read here: its performance counters have shares of their own |
mod stat;

#[cfg_attr(target_os = "linux", path = "linux.rs")]
#[cfg_attr(target_os = "macos", path = "macos.rs")]
#[cfg_attr(windows, path = "windows.rs")]
mod imp;

use std::io;

/// Ticks of one processor, or of all of them together. What a system does not tell apart is 0 (macOS knows user, nice, system and
/// idle). A single one may go back a little between two readings: the kernel estimates `iowait`.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Times {
    /// Holds [`Self::guest`] too.
    pub user: u64,
    /// Holds [`Self::guest_nice`] too.
    pub nice: u64,
    pub system: u64,
    pub idle: u64,
    pub iowait: u64,
    pub irq: u64,
    pub softirq: u64,
    /// Taken by the hypervisor for others.
    pub steal: u64,
    pub guest: u64,
    pub guest_nice: u64,
}

impl Times {
    /// Each tick once.
    pub fn total(&self) -> u64 {
        [self.active(), self.idle].into_iter().fold(0, u64::saturating_add)
    }

    /// All that is not idle; waiting for a disk counts, as it does for the CloudWatch Agent.
    pub fn active(&self) -> u64 {
        [self.user, self.nice, self.system, self.iowait, self.irq, self.softirq, self.steal]
            .into_iter()
            .fold(0, u64::saturating_add)
    }
}

/// One reading.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cpus {
    /// Ticks of a second.
    pub per_second: f64,
    /// All together. Linux: with what processors did that are switched off by now.
    pub total: Times,
    /// Each that is switched on, with its number.
    pub each: Vec<(u32, Times)>,
}

/// Read now.
///
/// # Errors
/// When the kernel does not answer, or not in the known form; `Unsupported` on Windows.
pub fn read() -> io::Result<Cpus> {
    imp::read()
}

#[cfg(all(test, unix))]
mod tests {
    #[test]
    fn this_machine_has_processors_and_time_passes() {
        let cpus = super::read().expect("any host answers");
        assert!(!cpus.each.is_empty() && cpus.per_second >= 1.0);
        assert!(cpus.total.total() > 0 && cpus.total.active() > 0);
        let sum: u64 = cpus.each.iter().map(|(_, times)| times.total()).sum();
        let near = cpus.total.total() as f64 / sum as f64;
        assert!((0.9..1.2).contains(&near), "the parts make the whole: {near}");
    }
}
