//! `proc_pidinfo` (`libproc.h`, `sys/proc_info.h`): whether a process is stopped or a zombie it tells everybody, whether one of its
//! threads is running only its owner and root. What may not be known counts in the total alone, as do processes that wait for a
//! disk: `ps`, which root owns, asks each thread.
#![allow(unsafe_code)]
use super::States;
use std::{io, mem, ptr};

/// Being made (`sys/proc.h`).
const SIDL: u32 = 1;
/// An argument of `proc_pidinfo`: zombies too.
const ZOMBIES: u64 = 1;

pub fn states() -> io::Result<States> {
    // SAFETY: without a place to write to it only counts.
    let count = unsafe { libc::proc_listallpids(ptr::null_mut(), 0) };
    let count = usize::try_from(count).map_err(|_| io::Error::last_os_error())?;
    // Some may have come since.
    let mut pids: Vec<libc::pid_t> = vec![0; count + 64];
    let room = libc::c_int::try_from(pids.len() * size_of::<libc::pid_t>()).map_err(io::Error::other)?;
    // SAFETY: there is as much room as we say.
    let count = unsafe { libc::proc_listallpids(pids.as_mut_ptr().cast(), room) };
    pids.truncate(usize::try_from(count).map_err(|_| io::Error::last_os_error())?);
    let mut states = States::default();
    for pid in pids {
        // One that has ended since it was listed has nothing to say.
        if let Some(short) = info::<libc::proc_bsdshortinfo>(pid, libc::PROC_PIDT_SHORTBSDINFO) {
            states.total += 1;
            match short.pbsi_status {
                SIDL => states.idle += 1,
                libc::SSTOP => states.stopped += 1,
                libc::SZOMB => states.zombies += 1,
                _ => match info::<libc::proc_taskinfo>(pid, libc::PROC_PIDTASKINFO) {
                    Some(task) if task.pti_numrunning > 0 => states.running += 1,
                    Some(_) => states.sleeping += 1,
                    None => {}
                },
            }
        }
    }
    Ok(states)
}

/// `T` is the structure of numbers that belongs to the flavor.
fn info<T>(pid: libc::pid_t, flavor: libc::c_int) -> Option<T> {
    let length = size_of::<T>() as libc::c_int;
    // SAFETY: the structures of this file are made of numbers, for which all bits zero are a value.
    let mut place: T = unsafe { mem::zeroed() };
    // SAFETY: there is as much room as we say, and it outlives the call.
    let written = unsafe { libc::proc_pidinfo(pid, flavor, ZOMBIES, (&raw mut place).cast(), length) };
    (written == length).then_some(place)
}
