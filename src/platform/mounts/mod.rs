//! Which file systems are mounted, and how full they are.
//!
//! | | mounts | space |
//! |---|---|---|
//! | Linux | `/proc/1/mountinfo`, else `/proc/self/mountinfo` | `statvfs` |
//! | macOS | `getfsstat` | `statfs` |
//! | Windows | not read here: its performance counters have it | |
//!
//! The table of process 1 comes first, where we may read it, because a service that is locked up has mounts of its own that say
//! nothing about the machine. Of our own table, those mounts are left out.
mod kinds;
mod patience;
mod table;

#[cfg_attr(target_os = "linux", path = "linux.rs")]
#[cfg_attr(target_os = "macos", path = "macos.rs")]
#[cfg_attr(windows, path = "windows.rs")]
mod imp;

pub use kinds::Kinds;
pub use patience::Patience;

use std::{io, path::PathBuf};

/// One mounted file system. Of several on one path, only the last can be seen, and only it is here.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Mount {
    /// Where it is.
    pub path: PathBuf,
    /// As the kernel calls it: `/dev/sda1`, `tmpfs`, `server:/export`.
    pub device: String,
    /// Its type: `ext4`, `nfs4`, `apfs`.
    pub kind: String,
}

/// How full a file system is, in bytes and in entries.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Space {
    pub total: u64,
    /// What ordinary users may still fill; root may have more.
    pub free: u64,
    /// As `df` counts it: with `free` it is less than the total where room is kept for root.
    pub used: u64,
    pub inodes_total: u64,
    pub inodes_free: u64,
    pub inodes_used: u64,
}

/// All mounts, the order is the kernel's. Never blocks on a dead one.
///
/// # Errors
/// When the kernel does not answer; `Unsupported` on Windows.
pub fn mounts() -> io::Result<Vec<Mount>> {
    imp::mounts()
}

/// How full it is. May block for ever on a dead network mount (see [`Patience`]), and mounts what an automounter keeps ready.
///
/// # Errors
/// When the file system does not answer.
pub fn space(mount: &Mount) -> io::Result<Space> {
    imp::space(mount)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn this_machine_has_a_root_with_room_for_something() {
        let mounts = mounts().expect("any host answers");
        let root = mounts.iter().find(|mount| mount.path == Path::new("/")).expect("every machine has one");
        let space = space(root).expect("it answers");
        assert!(space.total > 0 && space.free <= space.total && space.used <= space.total);
        assert_eq!(space.inodes_used + space.inodes_free, space.inodes_total);
    }

    #[test]
    fn a_mount_that_is_gone_is_an_error() {
        let gone = Mount { path: "/no/such/mount".into(), device: String::new(), kind: String::new() };
        assert_eq!(space(&gone).expect_err("gone").kind(), io::ErrorKind::NotFound);
    }
}
