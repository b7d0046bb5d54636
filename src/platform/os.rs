//! How the system as a whole stands: its load, how long it runs, how many file handles are in use.
//!
//! | | load | uptime | file handles |
//! |---|---|---|---|
//! | Linux | `/proc/loadavg` | `/proc/uptime` | `/proc/sys/fs/file-nr` |
//! | macOS | `getloadavg` | `kern.boottime` | `kern.num_files`, `kern.maxfiles` |
//! | Windows | none: it has no such number | `GetTickCount64` | none: it has no such limit |
use std::path::Path;

/// Handles of open files, sockets and pipes of all processes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct FileHandles {
    pub allocated: u64,
    /// How many there may be; a Linux of today has no real bound here, and says 2^63-1.
    pub maximum: u64,
}

/// Processes that ran or waited for a processor (on Linux also for a disk), averaged over 1, 5 and 15 minutes. Linux in a
/// container: those of the host.
pub fn load_average(proc: &Path) -> Option<[f64; 3]> {
    if cfg!(target_os = "linux") {
        parse_load(&std::fs::read_to_string(proc.join("loadavg")).ok()?)
    } else if cfg!(windows) {
        None
    } else {
        let load = sysinfo::System::load_average();
        Some([load.one, load.five, load.fifteen])
    }
}

/// Seconds since the system started, sleep included. Only Linux tells fractions.
pub fn uptime(proc: &Path) -> Option<f64> {
    if cfg!(target_os = "linux") {
        parse_uptime(&std::fs::read_to_string(proc.join("uptime")).ok()?)
    } else {
        // Exact for 285 million years.
        #[allow(clippy::cast_precision_loss)]
        Some(sysinfo::System::uptime() as f64)
    }
}

/// How many file handles are in use.
pub fn file_handles(proc: &Path) -> Option<FileHandles> {
    if cfg!(target_os = "linux") {
        parse_handles(&std::fs::read_to_string(proc.join("sys/fs/file-nr")).ok()?)
    } else {
        imp::file_handles()
    }
}

/// `0.20 0.18 0.12 1/80 11206`: `proc_loadavg(5)`.
fn parse_load(text: &str) -> Option<[f64; 3]> {
    let mut words = text.split_ascii_whitespace().map(finite);
    Some([words.next()??, words.next()??, words.next()??])
}

/// `350735.47 234388.90`: `proc_uptime(5)`.
fn parse_uptime(text: &str) -> Option<f64> {
    finite(text.split_ascii_whitespace().next()?)
}

fn finite(word: &str) -> Option<f64> {
    word.parse().ok().filter(|n: &f64| n.is_finite() && *n >= 0.0)
}

/// Allocated, free of those (always 0 since Linux 2.6), the most: `fs.file-nr` in `Documentation/admin-guide/sysctl/fs.rst`.
fn parse_handles(text: &str) -> Option<FileHandles> {
    let mut words = text.split_ascii_whitespace().map(|word| word.parse::<u64>().ok());
    let (allocated, free, maximum) = (words.next()??, words.next()??, words.next()??);
    Some(FileHandles { allocated: allocated.checked_sub(free)?, maximum })
}

#[cfg(target_os = "macos")]
#[allow(unsafe_code)]
mod imp {
    use super::FileHandles;
    use std::ffi::CStr;

    pub fn file_handles() -> Option<FileHandles> {
        Some(FileHandles { allocated: number(c"kern.num_files")?, maximum: number(c"kern.maxfiles")? })
    }

    /// A value of `sysctl` that is a C `int`.
    fn number(name: &CStr) -> Option<u64> {
        let (mut value, mut size) = (0 as libc::c_int, size_of::<libc::c_int>());
        // SAFETY: the name ends with a zero; the system writes at most `size` bytes to `value`, which has as many, and both
        // outlive the call. Nothing is set: the new value is null and has no size.
        let answer = unsafe {
            libc::sysctlbyname(name.as_ptr(), (&raw mut value).cast(), &raw mut size, std::ptr::null_mut(), 0)
        };
        if answer == 0 && size == size_of::<libc::c_int>() { u64::try_from(value).ok() } else { None }
    }
}

#[cfg(not(target_os = "macos"))]
mod imp {
    pub fn file_handles() -> Option<super::FileHandles> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_of_proc_are_understood() {
        assert_eq!(parse_load("0.20 0.18 1234.12 1/80 11206\n"), Some([0.20, 0.18, 1234.12]));
        assert_eq!(parse_uptime("350735.47 234388.90\n"), Some(350_735.47));
        let most = 9_223_372_036_854_775_807;
        let handles = parse_handles("1344\t0\t9223372036854775807\n");
        assert_eq!(handles, Some(FileHandles { allocated: 1344, maximum: most }));
        assert_eq!(parse_handles("1344 44 2000"), Some(FileHandles { allocated: 1300, maximum: 2000 }));
    }

    #[test]
    fn what_is_not_of_their_form_is_nothing() {
        for bad in ["", "\0", "1 2", "a b c", "NaN inf 1", "-1 2 3", "0.1 0.2"] {
            assert_eq!((parse_load(bad), parse_handles(bad)), (None, None), "{bad:?}");
        }
        for bad in ["", "NaN", "inf", "-5", "x"] {
            assert_eq!(parse_uptime(bad), None, "{bad:?}");
        }
        assert_eq!(parse_handles("1 2 3"), None);
    }

    #[test]
    fn this_machine_runs_since_a_while() {
        assert!(uptime(Path::new("/proc")).is_some_and(|seconds| seconds > 0.0));
    }
}
