//! `host_processor_info(PROCESSOR_CPU_LOAD_INFO)`: four counters for each processor.
//! <https://developer.apple.com/documentation/kernel/1502854-host_processor_info>
#![allow(unsafe_code)]
use super::{Cpus, Times};
use crate::platform::mach;
use std::{io, ptr, slice};

pub fn read() -> io::Result<Cpus> {
    let (mut processors, mut info, mut length) = (0, ptr::null_mut::<libc::integer_t>(), 0);
    // SAFETY: the three places outlive the call, which fills all of them when it succeeds.
    let answer = unsafe {
        libc::host_processor_info(
            mach::host(),
            libc::PROCESSOR_CPU_LOAD_INFO,
            &raw mut processors,
            &raw mut info,
            &raw mut length,
        )
    };
    mach::succeeded("host_processor_info", answer)?;
    // SAFETY: the kernel has put `length` numbers there, and they stay until they are given back below.
    let numbers = unsafe { slice::from_raw_parts(info, length as usize) };
    let each: Vec<_> = numbers.chunks_exact(libc::CPU_STATE_MAX as usize).map(times).collect();
    let total = each.iter().fold(Times::default(), |sum, each| Times {
        user: sum.user + each.user,
        nice: sum.nice + each.nice,
        system: sum.system + each.system,
        idle: sum.idle + each.idle,
        ..sum
    });
    // SAFETY: this is the memory that the call above has made for us, and `numbers` is not used any more.
    #[allow(deprecated)]
    unsafe {
        libc::vm_deallocate(libc::mach_task_self(), info as usize, length as usize * size_of::<libc::integer_t>());
    }
    // SAFETY: it takes a number and touches no memory of ours.
    let ticks = unsafe { libc::sysconf(libc::_SC_CLK_TCK) };
    let per_second = if ticks > 0 { ticks as f64 } else { 100.0 };
    Ok(Cpus { per_second, total, each: (0..).zip(each).collect() })
}

fn times(states: &[libc::integer_t]) -> Times {
    // The kernel counts without a sign; after 497 days it begins again.
    let state = |index: i32| u64::from(states[index as usize].cast_unsigned());
    Times {
        user: state(libc::CPU_STATE_USER),
        nice: state(libc::CPU_STATE_NICE),
        system: state(libc::CPU_STATE_SYSTEM),
        idle: state(libc::CPU_STATE_IDLE),
        ..Times::default()
    }
}
