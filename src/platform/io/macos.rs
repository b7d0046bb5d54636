//! The I/O registry: every disk has one `IOBlockStorageDriver` above it, whatever volumes lie on it.
#![allow(unsafe_code)]
use super::{Traffic, sysinfo_interfaces};
use objc2_core_foundation::{CFDictionary, CFNumber, CFRetained, CFString, CFType};
use objc2_io_kit::{
    IOIteratorNext, IOObjectRelease, IORegistryEntryCreateCFProperty, IORegistryEntryGetRegistryEntryID,
    IOServiceGetMatchingServices, IOServiceMatching, io_object_t,
};
use std::io;

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

pub fn disks() -> io::Result<Vec<Traffic>> {
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
    let mut disks = Vec::new();
    loop {
        let driver = Owned(IOIteratorNext(found.0));
        if driver.0 == 0 {
            return Ok(disks);
        }
        disks.extend(traffic(&driver));
    }
}

pub fn interfaces() -> io::Result<Vec<Traffic>> {
    Ok(sysinfo_interfaces())
}

/// `None` for a driver without statistics. The keys are those of `IOBlockStorageDriver.h`.
fn traffic(driver: &Owned) -> Option<Traffic> {
    let mut id = 0u64;
    // SAFETY: `id` outlives the call.
    if unsafe { IORegistryEntryGetRegistryEntryID(driver.0, &mut id) } != SUCCESS {
        return None;
    }
    let key = CFString::from_static_str("Statistics");
    // SAFETY: the entry is alive, and no allocator means the default one.
    let statistics = unsafe { IORegistryEntryCreateCFProperty(driver.0, Some(&key), None, 0) }?;
    let statistics = statistics.downcast::<CFDictionary>().ok()?;
    // SAFETY: the registry keys its dictionaries by strings, and every Core Foundation value is a `CFType`.
    let statistics = unsafe { statistics.cast_unchecked::<CFString, CFType>() };
    let number = |key: &'static str| {
        let value = statistics.get(&CFString::from_static_str(key))?;
        u64::try_from(value.downcast_ref::<CFNumber>()?.as_i64()?).ok()
    };
    Some(Traffic {
        device: format!("{id:x}"),
        bytes_in: number("Bytes (Read)")?,
        bytes_out: number("Bytes (Write)")?,
        count_in: number("Operations (Read)")?,
        count_out: number("Operations (Write)")?,
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn this_machine_has_a_disk() {
        let disks = super::disks().expect("the I/O registry answers");
        assert!(disks.iter().any(|d| d.bytes_in > 0 && d.count_in > 0));
    }
}
