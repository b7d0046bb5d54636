//! `IOCTL_DISK_PERFORMANCE` of each physical drive:
//! <https://learn.microsoft.com/windows/win32/api/winioctl/ni-winioctl-ioctl_disk_performance>.
#![allow(unsafe_code)]
use super::{Device, Link, Traffic, sysinfo_interfaces};
use crate::platform::procfs::unsupported;
use std::{
    fs::OpenOptions,
    io,
    os::windows::{fs::OpenOptionsExt, io::AsRawHandle},
};
use windows::Win32::{
    Foundation::HANDLE,
    System::{
        IO::DeviceIoControl,
        Ioctl::{DISK_PERFORMANCE, IOCTL_DISK_PERFORMANCE},
    },
};

/// Drives are numbered from zero; a drive that was removed leaves a hole. As far as the older publisher looks.
const DRIVES: u32 = 32;

pub fn disks() -> io::Result<Vec<Traffic>> {
    let mut refused = None;
    let mut disks = Vec::new();
    for number in 0..DRIVES {
        match traffic(number) {
            Ok(disk) => disks.push(disk),
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => refused = Some(e),
        }
    }
    match refused {
        // Drives are there, and none of them counts.
        Some(e) if disks.is_empty() => Err(io::Error::new(io::ErrorKind::Unsupported, e)),
        _ => Ok(disks),
    }
}

pub fn interfaces() -> io::Result<Vec<Traffic>> {
    Ok(sysinfo_interfaces())
}

/// See the performance counters.
pub fn devices() -> io::Result<Vec<Device>> {
    unsupported("the counters of all devices")
}

/// See the performance counters.
pub fn links() -> io::Result<Vec<Link>> {
    unsupported("the counters of all interfaces")
}

pub fn link_speed(_: &str) -> Option<u64> {
    None
}

fn traffic(number: u32) -> io::Result<Traffic> {
    // No access right at all is enough to ask for counters, and needs no administrator.
    let drive = OpenOptions::new().access_mode(0).open(format!(r"\\.\PhysicalDrive{number}"))?;
    let mut seen = DISK_PERFORMANCE::default();
    let mut returned = 0u32;
    // SAFETY: the handle is open for the length of the call, and the buffer is as long as we say.
    unsafe {
        DeviceIoControl(
            HANDLE(drive.as_raw_handle()),
            IOCTL_DISK_PERFORMANCE,
            None,
            0,
            Some((&raw mut seen).cast()),
            size_of::<DISK_PERFORMANCE>() as u32,
            Some(&raw mut returned),
            None,
        )
    }?;
    Ok(Traffic {
        device: format!("PhysicalDrive{number}"),
        bytes_in: u64::try_from(seen.BytesRead).unwrap_or_default(),
        bytes_out: u64::try_from(seen.BytesWritten).unwrap_or_default(),
        count_in: seen.ReadCount.into(),
        count_out: seen.WriteCount.into(),
    })
}
