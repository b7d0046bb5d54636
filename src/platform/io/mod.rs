//! What disks and network interfaces have moved since they appeared, one entry a device.
//!
//! | | disks | network interfaces |
//! |---|---|---|
//! | Linux | `/proc/diskstats` | `/proc/net/dev` |
//! | macOS | each `IOBlockStorageDriver` of the I/O registry | `sysinfo`; links: `sysctl` with `NET_RT_IFLIST2` |
//! | Windows | `IOCTL_DISK_PERFORMANCE` of each physical drive | `sysinfo` |
//!
//! There are two views. [`disks`] and [`interfaces`] count each byte of the machine once; [`devices`] and [`links`] are all that the
//! kernel lists, partitions and what lies upon other disks too, with all that it counts (Linux and macOS).
//!
//! Why not `sysinfo` everywhere: its disks are mounted file systems (a disk with two volumes counts twice, one that is
//! swap or not mounted never), and it knows no operation counts; its Linux interfaces cost eight files each and two
//! address lists, about 20 times the one file that is read here (280 to 15 microseconds with four interfaces).
//!
//! The text parsers compile and are tested on every system.
#[cfg_attr(not(target_os = "linux"), allow(dead_code))]
mod diskstats;
#[cfg_attr(not(target_os = "linux"), allow(dead_code))]
mod netdev;

#[cfg_attr(target_os = "linux", path = "linux.rs")]
#[cfg_attr(target_os = "macos", path = "macos.rs")]
#[cfg_attr(windows, path = "windows.rs")]
mod imp;

use super::procfs::malformed;
use std::io;

/// All that is counted of one block device: a disk, a partition, a volume. The counters may wrap, times soonest (32 bits of
/// milliseconds in kernels before 5.0).
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Device {
    /// `nvme0n1p1`, `dm-0`, `disk0`; unique in one reading.
    pub name: String,
    pub reads: u64,
    pub writes: u64,
    pub bytes_read: u64,
    pub bytes_written: u64,
    /// Milliseconds, of all reads together.
    pub read_time: u64,
    pub write_time: u64,
    /// Milliseconds in which it was busy. macOS: reading and writing together.
    pub busy_time: u64,
    /// Reads and writes that are not completed.
    pub in_flight: u64,
}

/// All that is counted of one network interface. The counters may wrap.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Link {
    pub name: String,
    pub bytes_in: u64,
    pub bytes_out: u64,
    pub packets_in: u64,
    pub packets_out: u64,
    pub errors_in: u64,
    pub errors_out: u64,
    pub drops_in: u64,
    pub drops_out: u64,
    /// Switched on (`IFF_UP`), whether or not a cable is there.
    pub up: bool,
    pub loopback: bool,
}

/// What one device has moved since it appeared. The counters may wrap, and start again when the device is replaced.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Traffic {
    /// The system's name for it; unique in one reading.
    pub device: String,
    /// Bytes read from a disk, or received by an interface.
    pub bytes_in: u64,
    /// Bytes written to a disk, or sent by an interface.
    pub bytes_out: u64,
    /// Completed reads of a disk, or packets received by an interface.
    pub count_in: u64,
    /// Completed writes of a disk, or packets sent by an interface.
    pub count_out: u64,
}

/// Every whole disk, each byte once: no partitions, nothing that lies in memory or upon other disks.
///
/// `Unsupported` where this system has no such counters (a container without `/proc/diskstats`, a Windows whose disk
/// counters are turned off: `diskperf -y` turns them on).
pub fn disks() -> io::Result<Vec<Traffic>> {
    imp::disks()
}

/// Every network interface. Linux and macOS: loopback included. Windows: the connected physical ones, as `sysinfo` lists them.
pub fn interfaces() -> io::Result<Vec<Traffic>> {
    imp::interfaces()
}

/// Every block device that has ever been used, partitions too.
///
/// # Errors
/// When the kernel does not answer, or not in the known form; `Unsupported` where it has no such counters, and on Windows.
pub fn devices() -> io::Result<Vec<Device>> {
    imp::devices()
}

/// Every network interface, loopback and those that are switched off too.
///
/// # Errors
/// When the kernel does not answer, or not in the known form; `Unsupported` on Windows.
pub fn links() -> io::Result<Vec<Link>> {
    imp::links()
}

/// Bits in a second that an interface can move each way. `None` where it does not know: no cable, or a virtual one.
pub fn link_speed(name: &str) -> Option<u64> {
    imp::link_speed(name)
}

/// The interfaces as `sysinfo` sees them.
#[cfg(not(target_os = "linux"))]
fn sysinfo_interfaces() -> Vec<Traffic> {
    sysinfo::Networks::new_with_refreshed_list()
        .iter()
        .map(|(name, data)| Traffic {
            device: name.clone(),
            bytes_in: data.total_received(),
            bytes_out: data.total_transmitted(),
            count_in: data.total_packets_received(),
            count_out: data.total_packets_transmitted(),
        })
        .collect()
}
