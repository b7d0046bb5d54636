//! Processes as `libproc` and `sysctl` tell of them. Those of other users tell their names only, except to root.
#![allow(unsafe_code)]
use super::{Column, Host, Process, Text, Wanted, text};
use std::{
    ffi::{c_char, c_int, c_void},
    io,
    mem::MaybeUninit,
    ptr,
};

/// More processes than were counted may have begun until they are listed.
const SPARE: usize = 64;
/// Bytes for the arguments of a process where the system does not say how many they may have (`ARG_MAX`).
const ARGUMENTS: usize = 1024 * 1024;

struct Mac {
    /// Nanoseconds of one tick of the clock in which times of processes are counted: 1 on Intel, not on ARM.
    tick: f64,
}

pub fn host() -> Box<dyn Host> {
    Box::new(Mac { tick: tick() })
}

impl Host for Mac {
    fn list(&mut self) -> io::Result<Vec<u32>> {
        // SAFETY: without a buffer it only counts.
        let count = unsafe { libc::proc_listallpids(ptr::null_mut(), 0) };
        let count = usize::try_from(count).map_err(|_| io::Error::last_os_error())?;
        let mut pids: Vec<c_int> = vec![0; count + SPARE];
        let bytes = c_int::try_from(size_of_val(&pids[..])).map_err(io::Error::other)?;
        // SAFETY: the buffer has as many bytes as we say.
        let listed = unsafe { libc::proc_listallpids(pids.as_mut_ptr().cast(), bytes) };
        let listed = usize::try_from(listed).ok().filter(|listed| *listed > 0);
        pids.truncate(listed.ok_or_else(io::Error::last_os_error)?);
        let mut pids: Vec<u32> =
            pids.into_iter().filter_map(|pid| u32::try_from(pid).ok()).filter(|p| *p > 0).collect();
        pids.sort_unstable();
        Ok(pids)
    }

    fn column(&mut self, what: Text, pids: &[u32]) -> Column {
        let mut buffer = match what {
            Text::Executable => vec![0; libc::PROC_PIDPATHINFO_MAXSIZE as usize],
            Text::Command => vec![0; ARGUMENTS],
        };
        Column::of(pids, |pid, into| match what {
            Text::Executable => {
                // SAFETY: the buffer has as many bytes as we say.
                let length =
                    unsafe { libc::proc_pidpath(pid.cast_signed(), buffer.as_mut_ptr().cast(), buffer.len() as u32) };
                let length = usize::try_from(length).ok().filter(|length| *length > 0);
                let path = &buffer[..length.ok_or_else(io::Error::last_os_error)?];
                into.push_str(&String::from_utf8_lossy(path));
                Ok(())
            }
            Text::Command => arguments(pid, &mut buffer).map(|words| text::command(words, into)),
        })
    }

    fn read(&mut self, pid: u32, _: Wanted) -> Option<Process> {
        let Some(info) = ask::<libc::proc_taskallinfo>(pid, libc::PROC_PIDTASKALLINFO) else {
            let short = ask::<libc::proc_bsdshortinfo>(pid, libc::PROC_PIDT_SHORTBSDINFO)?;
            let runs = short.pbsi_status != libc::SZOMB;
            return runs.then(|| Process { name: name(&short.pbsi_comm), ..Process::default() });
        };
        if info.pbsd.pbi_status == libc::SZOMB {
            return None;
        }
        let seconds = |ticks: u64| Some(ticks as f64 * self.tick / 1e9);
        let long = name(&info.pbsd.pbi_name);
        Some(Process {
            name: if long.is_empty() { name(&info.pbsd.pbi_comm) } else { long },
            started: info.pbsd.pbi_start_tvsec.saturating_mul(1_000_000).saturating_add(info.pbsd.pbi_start_tvusec),
            user: seconds(info.ptinfo.pti_total_user),
            system: seconds(info.ptinfo.pti_total_system),
            resident: Some(info.ptinfo.pti_resident_size),
            address_space: Some(info.ptinfo.pti_virtual_size),
            threads: u64::try_from(info.ptinfo.pti_threadnum).ok(),
            nice: Some(info.pbsd.pbi_nice.into()),
            ..Process::default()
        })
    }

    fn of_unit(&self, _: &str) -> io::Result<Option<Vec<u32>>> {
        Err(io::Error::new(io::ErrorKind::Unsupported, "macOS has no systemd"))
    }
}

/// One of the structures of `proc_info.h`.
fn ask<T>(pid: u32, which: c_int) -> Option<T> {
    let mut info = MaybeUninit::<T>::zeroed();
    let size = c_int::try_from(size_of::<T>()).ok()?;
    // SAFETY: the place has as many bytes as we say; the kernel fills all of them, or says how many it did.
    let filled = unsafe { libc::proc_pidinfo(pid.cast_signed(), which, 0, info.as_mut_ptr().cast::<c_void>(), size) };
    // SAFETY: plain numbers, all of which were written.
    (filled == size).then(|| unsafe { info.assume_init() })
}

/// Up to its zero, if there is one.
fn name(text: &[c_char]) -> String {
    let bytes: Vec<u8> = text.iter().map(|c| c.cast_unsigned()).take_while(|byte| *byte != 0).collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The words of a command line, each with a zero at its end: behind their number and the path in `KERN_PROCARGS2`.
fn arguments(pid: u32, buffer: &mut [u8]) -> io::Result<&[u8]> {
    let mut question = [libc::CTL_KERN, libc::KERN_PROCARGS2, pid.cast_signed()];
    let mut length = buffer.len();
    // SAFETY: question and buffer are as long as we say, and nothing is set.
    let answer = unsafe {
        libc::sysctl(question.as_mut_ptr(), 3, buffer.as_mut_ptr().cast(), &raw mut length, ptr::null_mut(), 0)
    };
    if answer != 0 {
        let error = io::Error::last_os_error();
        // "Invalid" is also said of processes of others.
        let refused = error.raw_os_error() == Some(libc::EINVAL);
        return Err(if refused { io::ErrorKind::PermissionDenied.into() } else { error });
    }
    let answer = buffer.get(..length).unwrap_or_default();
    Ok(text::first_arguments(answer))
}

/// `mach_timebase_info`: <https://developer.apple.com/documentation/driverkit/mach_timebase_info>.
#[allow(deprecated, reason = "the crate that it names instead would be another one for these two numbers")]
fn tick() -> f64 {
    let mut base = libc::mach_timebase_info { numer: 0, denom: 0 };
    // SAFETY: it fills in two numbers.
    let answer = unsafe { libc::mach_timebase_info(&raw mut base) };
    if answer == 0 && base.denom > 0 { f64::from(base.numer) / f64::from(base.denom) } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_known() {
        let mut host = host();
        let own = std::process::id();
        assert!(host.list().expect("listed").contains(&own));
        let process = host.read(own, Wanted::default()).expect("alive");
        assert!(process.resident > Some(0) && process.started > 0 && process.user.is_some(), "{process:?}");
        let column = host.column(Text::Command, &[own]);
        assert!(!column.text.is_empty());
    }
}
