//! What all calls of the Mach kernel need.
#![allow(unsafe_code)]
use std::{io, sync::OnceLock};

/// `KERN_SUCCESS` (`mach/kern_return.h`).
const SUCCESS: i32 = 0;

/// Numbers of the longest name (`sys/sysctl.h`).
const CTL_MAXNAME: usize = 12;

/// The port of this host. Asked for once, because each answer would be one more reference that somebody has to give back.
pub fn host() -> libc::mach_port_t {
    static PORT: OnceLock<libc::mach_port_t> = OnceLock::new();
    #[allow(deprecated)] // the crate that libc names in its stead would be here for this alone
    // SAFETY: it takes nothing and always answers.
    *PORT.get_or_init(|| unsafe { libc::mach_host_self() })
}

/// The answer of a call as an error.
pub fn succeeded(call: &str, answer: i32) -> io::Result<()> {
    if answer == SUCCESS { Ok(()) } else { Err(io::Error::other(format!("{call} answered {answer:#x}"))) }
}

/// All of a `sysctl` value whose length the kernel knows.
pub fn sysctl(name: &[libc::c_int]) -> io::Result<Vec<u8>> {
    // What is listed may grow between the two questions.
    for _ in 0..4 {
        let mut length = 0;
        ask(name, std::ptr::null_mut(), &mut length)?;
        let mut bytes = vec![0u8; length + length / 8];
        length = bytes.len();
        match ask(name, bytes.as_mut_ptr().cast(), &mut length) {
            Ok(()) => {
                bytes.truncate(length);
                return Ok(bytes);
            }
            Err(error) if error.raw_os_error() == Some(libc::ENOMEM) => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::from_raw_os_error(libc::ENOMEM))
}

fn ask(name: &[libc::c_int], to: *mut libc::c_void, length: &mut usize) -> io::Result<()> {
    // SAFETY: the name is as long as we say and only read, `to` is null or has room for `length` bytes, and nothing is set.
    let answer = unsafe {
        libc::sysctl(name.as_ptr().cast_mut(), name.len() as libc::c_uint, to, length, std::ptr::null_mut(), 0)
    };
    if answer == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// The numbers of a `sysctl` name, as in `net.inet.tcp.pcblist_n`.
pub fn sysctl_name(name: &std::ffi::CStr) -> io::Result<Vec<libc::c_int>> {
    let mut numbers = vec![0; CTL_MAXNAME];
    let mut length = numbers.len();
    // SAFETY: the name ends in NUL, and the numbers have room for as many as we say.
    if unsafe { libc::sysctlnametomib(name.as_ptr(), numbers.as_mut_ptr(), &raw mut length) } != 0 {
        return Err(io::Error::last_os_error());
    }
    numbers.truncate(length);
    Ok(numbers)
}
