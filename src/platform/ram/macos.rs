//! `host_statistics64(HOST_VM_INFO64)` counts pages; `sysctl(3)` knows the size of the memory and the swap space.
#![allow(unsafe_code)]
use super::{Ram, Swap};
use crate::platform::mach;
use std::{io, mem};

pub fn ram() -> io::Result<Ram> {
    // SAFETY: it is made of numbers, for which all bits zero are a value.
    let mut pages: libc::vm_statistics64 = unsafe { mem::zeroed() };
    let mut length =
        (size_of::<libc::vm_statistics64>() / size_of::<libc::integer_t>()) as libc::mach_msg_type_number_t;
    // SAFETY: the place has room for as many numbers as we say, and outlives the call.
    let answer = unsafe {
        libc::host_statistics64(mach::host(), libc::HOST_VM_INFO64, (&raw mut pages).cast(), &raw mut length)
    };
    mach::succeeded("host_statistics64", answer)?;
    // SAFETY: it takes a number and touches no memory of ours.
    let page = u64::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).map_err(io::Error::other)?;
    let (free, active, inactive) = (pages.free_count, pages.active_count, pages.inactive_count);
    let [free, active, inactive] = [free, active, inactive].map(|count| u64::from(count) * page);
    let total = mach::sysctl(&[libc::CTL_HW, libc::HW_MEMSIZE])?;
    let total = total.try_into().map(u64::from_ne_bytes).map_err(|_| io::Error::other("hw.memsize is not 8 bytes"))?;
    let available = free.saturating_add(inactive).min(total);
    Ok(Ram { total, free, available, used: total - available, active, inactive, ..Ram::default() })
}

pub fn swap() -> io::Result<Swap> {
    let bytes = mach::sysctl(&[libc::CTL_VM, libc::VM_SWAPUSAGE])?;
    if bytes.len() < size_of::<libc::xsw_usage>() {
        return Err(io::Error::other("vm.swapusage is shorter than it should be"));
    }
    // SAFETY: there are enough bytes, it is made of numbers, and is read wherever they begin.
    let usage = unsafe { bytes.as_ptr().cast::<libc::xsw_usage>().read_unaligned() };
    let total = usage.xsu_total;
    let used = usage.xsu_used.min(total);
    Ok(Swap { total, free: total - used, used })
}
