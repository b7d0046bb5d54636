//! The I/O registry: every disk has one `IOBlockStorageDriver` above it, whatever volumes lie on it. And the routing table's list of
//! interfaces, whose counters have 64 bits.
#![allow(unsafe_code)]
use super::{Device, Link, Traffic, sysinfo_interfaces};
use crate::platform::mach;
use objc2_core_foundation::{CFDictionary, CFNumber, CFRetained, CFString, CFType};
use objc2_io_kit::{
    IOIteratorNext, IOObjectRelease, IORegistryEntryCreateCFProperty, IORegistryEntryGetRegistryEntryID,
    IORegistryEntrySearchCFProperty, IOServiceGetMatchingServices, IOServiceMatching, io_object_t,
    kIORegistryIterateRecursively, kIOServicePlane,
};
use std::{ffi::CStr, io};

/// "Use the default port" (`IOKitLib.h`).
const DEFAULT_PORT: u32 = 0;
/// `KERN_SUCCESS` (`mach/kern_return.h`).
const SUCCESS: i32 = 0;

/// A registry object that we own one reference to.
struct Owned(io_object_t);

impl Drop for Owned {
    fn drop(&mut self) {
        IOObjectRelease(self.0);
    }
}

/// What a driver has counted. The keys are those of `IOBlockStorageDriver.h`.
type Statistics = CFRetained<CFDictionary<CFString, CFType>>;

pub fn disks() -> io::Result<Vec<Traffic>> {
    Ok(drivers()?.iter().filter_map(traffic).collect())
}

pub fn devices() -> io::Result<Vec<Device>> {
    Ok(drivers()?.iter().filter_map(device).collect())
}

pub fn interfaces() -> io::Result<Vec<Traffic>> {
    Ok(sysinfo_interfaces())
}

fn drivers() -> io::Result<Vec<Owned>> {
    // SAFETY: the name is a literal that ends in NUL.
    let matching = unsafe { IOServiceMatching(c"IOBlockStorageDriver".as_ptr()) };
    let matching = matching.ok_or_else(|| io::Error::other("the I/O registry made no query"))?;
    let matching = CFRetained::<CFDictionary>::from(&matching);
    let mut found: io_object_t = 0;
    // SAFETY: the query is a dictionary that the registry made itself, and `found` outlives the call.
    let answer = unsafe { IOServiceGetMatchingServices(DEFAULT_PORT, Some(matching), &mut found) };
    if answer != SUCCESS {
        return Err(io::Error::other(format!("the I/O registry answered {answer:#x}")));
    }
    let found = Owned(found);
    let mut drivers = Vec::new();
    loop {
        let driver = Owned(IOIteratorNext(found.0));
        if driver.0 == 0 {
            return Ok(drivers);
        }
        drivers.push(driver);
    }
}

/// `None` for a driver without statistics.
fn traffic(driver: &Owned) -> Option<Traffic> {
    let mut id = 0u64;
    // SAFETY: `id` outlives the call.
    if unsafe { IORegistryEntryGetRegistryEntryID(driver.0, &mut id) } != SUCCESS {
        return None;
    }
    let statistics = statistics(driver)?;
    Some(Traffic {
        device: format!("{id:x}"),
        bytes_in: number(&statistics, "Bytes (Read)")?,
        bytes_out: number(&statistics, "Bytes (Write)")?,
        count_in: number(&statistics, "Operations (Read)")?,
        count_out: number(&statistics, "Operations (Write)")?,
    })
}

/// `None` for a driver without statistics, or without a medium (a card reader that is empty).
fn device(driver: &Owned) -> Option<Device> {
    let key = CFString::from_static_str("BSD Name");
    let plane = kIOServicePlane.as_ptr().cast_mut().cast();
    // SAFETY: the entry is alive, the plane is a literal that ends in NUL and is only read, and no allocator means the default one.
    let name =
        unsafe { IORegistryEntrySearchCFProperty(driver.0, plane, Some(&key), None, kIORegistryIterateRecursively) };
    let name = name?.downcast::<CFString>().ok()?.to_string();
    let statistics = statistics(driver)?;
    // Nanoseconds.
    let milliseconds = |key| Some(number(&statistics, key)? / 1_000_000);
    let (read_time, write_time) = (milliseconds("Total Time (Read)")?, milliseconds("Total Time (Write)")?);
    Some(Device {
        name,
        reads: number(&statistics, "Operations (Read)")?,
        writes: number(&statistics, "Operations (Write)")?,
        bytes_read: number(&statistics, "Bytes (Read)")?,
        bytes_written: number(&statistics, "Bytes (Write)")?,
        read_time,
        write_time,
        busy_time: read_time.saturating_add(write_time),
        in_flight: 0,
    })
}

fn statistics(driver: &Owned) -> Option<Statistics> {
    let key = CFString::from_static_str("Statistics");
    // SAFETY: the entry is alive, and no allocator means the default one.
    let statistics = unsafe { IORegistryEntryCreateCFProperty(driver.0, Some(&key), None, 0) }?;
    let statistics = statistics.downcast::<CFDictionary>().ok()?;
    // SAFETY: the registry keys its dictionaries by strings, and every Core Foundation value is a `CFType`.
    Some(unsafe { CFRetained::cast_unchecked(statistics) })
}

fn number(statistics: &CFDictionary<CFString, CFType>, key: &'static str) -> Option<u64> {
    let value = statistics.get(&CFString::from_static_str(key))?;
    u64::try_from(value.downcast_ref::<CFNumber>()?.as_i64()?).ok()
}

pub fn links() -> io::Result<Vec<Link>> {
    let messages = mach::sysctl(&[libc::CTL_NET, libc::PF_ROUTE, 0, 0, libc::NET_RT_IFLIST2, 0])?;
    let mut links = Vec::new();
    let mut rest = messages.as_slice();
    // Each message begins with its length (two bytes), a version and its type; those of another type are shorter.
    while let [low, high, _, kind, ..] = *rest {
        let length = usize::from(u16::from_ne_bytes([low, high]));
        let Some(message) = rest.get(..length).filter(|_| length > 0) else { break };
        if i32::from(kind) == libc::RTM_IFINFO2 && length >= size_of::<libc::if_msghdr2>() {
            // SAFETY: there are enough bytes, it is made of numbers, and is read wherever they begin.
            links.extend(link(&unsafe { message.as_ptr().cast::<libc::if_msghdr2>().read_unaligned() }));
        }
        rest = &rest[length..];
    }
    Ok(links)
}

/// `None` for one that is gone.
fn link(message: &libc::if_msghdr2) -> Option<Link> {
    let mut name = [0u8; libc::IF_NAMESIZE];
    // SAFETY: it has room for the longest name with its NUL.
    let found = unsafe { libc::if_indextoname(u32::from(message.ifm_index), name.as_mut_ptr().cast()) };
    if found.is_null() {
        return None;
    }
    let name = CStr::from_bytes_until_nul(&name).ok()?.to_string_lossy().into_owned();
    let (flags, data) = (message.ifm_flags, message.ifm_data);
    Some(Link {
        name,
        bytes_in: data.ifi_ibytes,
        bytes_out: data.ifi_obytes,
        packets_in: data.ifi_ipackets,
        packets_out: data.ifi_opackets,
        errors_in: data.ifi_ierrors,
        errors_out: data.ifi_oerrors,
        drops_in: data.ifi_iqdrops,
        drops_out: u64::try_from(message.ifm_snd_drops).unwrap_or_default(),
        up: flags & libc::IFF_UP != 0,
        loopback: flags & libc::IFF_LOOPBACK != 0,
    })
}

/// Not asked for: `ifi_baudrate` is what the medium could do at best.
pub fn link_speed(_: &str) -> Option<u64> {
    None
}

#[cfg(test)]
mod tests {
    #[test]
    fn this_machine_has_a_disk() {
        let disks = super::disks().expect("the I/O registry answers");
        assert!(disks.iter().any(|d| d.bytes_in > 0 && d.count_in > 0));
    }
}
