//! What disks and network interfaces have moved since they appeared, one entry a device.
//!
//! | | disks | network interfaces |
//! |---|---|---|
//! | Linux | `/proc/diskstats` | `/proc/net/dev` |
//! | macOS | each `IOBlockStorageDriver` of the I/O registry | `sysinfo` |
//! | Windows | `IOCTL_DISK_PERFORMANCE` of each physical drive | `sysinfo` |
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

use std::io;

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

/// An error of a text that is not as its format says.
fn malformed(file: &str, line: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("{file} has a line of an unknown form: {:?}", line.trim()))
}
