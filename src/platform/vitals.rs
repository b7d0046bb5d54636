//! How busy the processors are and how full the memory is, through `sysinfo`.
//!
//! Only these two are refreshed: no processes, no users, no frequencies. One reading costs about 25 microseconds on a server core.
use std::io;
use sysinfo::{MemoryRefreshKind, System};

/// One reading.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Load {
    /// Share of all logical processors' time that was not idle since the reading before, 0 to 100. Waiting for a disk counts as
    /// idle, time stolen by the hypervisor as busy. The first reading has nothing to compare with: meaningless there.
    pub cpu_percent: f64,
    /// Logical processors that are switched on.
    pub cpus: u64,
    pub memory: Memory,
}

/// Physical memory in bytes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Memory {
    pub total: u64,
    /// What programs could get without swapping. Linux: `MemAvailable`. macOS: free, active and inactive pages. Windows: as the
    /// system reports it.
    pub available: u64,
    /// Linux and Windows: the rest of the total. macOS: program, wired and compressed pages, as Activity Monitor counts them.
    pub used: u64,
}

/// Remembers the reading before, which the processors' share needs.
#[derive(Debug, Default)]
pub struct Vitals(System);

impl Vitals {
    /// Nothing is read yet.
    pub fn new() -> Self {
        Self(System::new())
    }

    /// Read now. Two readings within 200 ms give the same processor share: the kernel's clock ticks are too coarse for less.
    pub fn read(&mut self) -> io::Result<Load> {
        let system = &mut self.0;
        system.refresh_cpu_usage();
        system.refresh_memory_specifics(MemoryRefreshKind::nothing().with_ram());
        let (total, available) = (system.total_memory(), system.available_memory());
        // sysinfo stays silent when a file of /proc cannot be read, and keeps zeros.
        if total == 0 || available > total {
            return Err(io::Error::other("the system does not say how much memory there is"));
        }
        let cpus = match online() {
            Some(count) => count,
            None => system.cpus().len() as u64,
        };
        if cpus == 0 {
            return Err(io::Error::other("the system does not say how many processors there are"));
        }
        let memory = Memory { total, available, used: system.used_memory() };
        Ok(Load { cpu_percent: f64::from(system.global_cpu_usage()).clamp(0.0, 100.0), cpus, memory })
    }
}

/// Linux switches processors on and off while it runs; sysinfo counts them once. The file is absent on other systems.
fn online() -> Option<u64> {
    count_list(&std::fs::read_to_string("/sys/devices/system/cpu/online").ok()?)
}

/// How many numbers a list like `0-3,6` has (`Documentation/admin-guide/cputopology.rst`).
fn count_list(text: &str) -> Option<u64> {
    text.trim().split(',').try_fold(0u64, |sum, part| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (first.parse::<u64>().ok()?, last.parse::<u64>().ok()?);
        sum.checked_add(last.checked_sub(first)?.checked_add(1)?)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_processors_is_counted() {
        assert_eq!(count_list("0-3,6\n"), Some(5));
        assert_eq!(count_list("0\n"), Some(1));
        for bad in ["", "\n", "3-1", "a", "0-", "0-18446744073709551615"] {
            assert_eq!(count_list(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn this_machine_has_processors_and_memory() {
        let load = Vitals::new().read().expect("any host answers");
        assert!(load.cpus >= 1);
        assert!(load.memory.available <= load.memory.total && load.memory.used <= load.memory.total);
        assert!((0.0..=100.0).contains(&load.cpu_percent));
    }
}
