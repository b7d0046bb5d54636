//! Who may do what with a file.
//!
//! Unix: the mode bits and the owner. Windows: unknown; its access lists say more than these few flags can hold.
use std::fs::Metadata;

/// Whose a file is, and what others may do with it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Rights {
    pub owner: Owner,
    /// The group or everybody.
    pub others_may_write: bool,
    /// Everybody.
    pub all_may_read: bool,
}

/// Seen from this process.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(not(unix), allow(dead_code, reason = "rights are unknown there"))]
pub enum Owner {
    /// The user that this process acts as.
    Us,
    Root,
    /// Somebody else, by user number.
    Other(u32),
}

/// The rights of the file that this describes; `None`: unknown on this system.
pub fn of(metadata: &Metadata) -> Option<Rights> {
    imp::of(metadata)
}

/// Whether this process acts as root. Elsewhere than on Unix nobody does.
pub fn is_root() -> bool {
    imp::is_root()
}

/// Whether this file may be executed by anybody. On a system without such a right each file may.
pub fn is_executable(metadata: &Metadata) -> bool {
    imp::is_executable(metadata)
}

/// Lets its owner read and write the file, its group read it, and nobody else do anything (mode 0640). Without effect on a system that has
/// no such rights: there the folder's access list is inherited.
///
/// # Errors
/// When it is somebody else's.
pub fn let_group_read(file: &std::fs::File) -> std::io::Result<()> {
    imp::let_group_read(file)
}

/// For tests: gives a file these mode bits; `false` on a system that has none.
#[cfg(test)]
pub fn set_mode(path: &std::path::Path, mode: u32) -> bool {
    imp::set_mode(path, mode)
}

#[cfg(unix)]
mod imp {
    use super::{Metadata, Owner, Rights};
    use std::os::unix::fs::MetadataExt;

    #[cfg(test)]
    pub fn set_mode(path: &std::path::Path, mode: u32) -> bool {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).is_ok()
    }

    pub fn let_group_read(file: &std::fs::File) -> std::io::Result<()> {
        use std::os::unix::fs::PermissionsExt;
        file.set_permissions(std::fs::Permissions::from_mode(0o640))
    }

    /// Bits of `st_mode`: <https://man7.org/linux/man-pages/man7/inode.7.html>
    const WRITABLE_BY_OTHERS: u32 = 0o022;
    const READABLE_BY_ALL: u32 = 0o004;

    /// By its owner, the group or everybody.
    const EXECUTABLE: u32 = 0o111;

    pub fn is_executable(metadata: &Metadata) -> bool {
        metadata.mode() & EXECUTABLE != 0
    }

    pub fn is_root() -> bool {
        rustix::process::geteuid().is_root()
    }

    #[allow(clippy::unnecessary_wraps)] // the signature is the same on every system
    pub fn of(metadata: &Metadata) -> Option<Rights> {
        let owner = match metadata.uid() {
            uid if uid == rustix::process::geteuid().as_raw() => Owner::Us,
            0 => Owner::Root,
            uid => Owner::Other(uid),
        };
        Some(Rights {
            owner,
            others_may_write: metadata.mode() & WRITABLE_BY_OTHERS != 0,
            all_may_read: metadata.mode() & READABLE_BY_ALL != 0,
        })
    }
}

#[cfg(not(unix))]
mod imp {
    use super::{Metadata, Rights};

    #[cfg(test)]
    pub fn set_mode(_: &std::path::Path, _: u32) -> bool {
        false
    }

    pub fn is_root() -> bool {
        false
    }

    #[allow(clippy::unnecessary_wraps)] // the signature is the same on every system
    pub fn let_group_read(_: &std::fs::File) -> std::io::Result<()> {
        Ok(())
    }

    pub fn is_executable(_: &Metadata) -> bool {
        true
    }

    pub fn of(_: &Metadata) -> Option<Rights> {
        None
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    fn rights(mode: u32) -> Rights {
        let file = tempfile::NamedTempFile::new().expect("a file");
        assert!(set_mode(file.path(), mode));
        of(&file.as_file().metadata().expect("open")).expect("known on Unix")
    }

    #[test]
    fn our_own_private_file_is_ours_alone() {
        assert_eq!(rights(0o600), Rights { owner: Owner::Us, others_may_write: false, all_may_read: false });
    }

    #[test]
    fn group_and_world_may_each_be_the_others_who_write() {
        assert!(rights(0o660).others_may_write);
        assert!(rights(0o606).others_may_write);
        assert!(!rights(0o644).others_may_write);
        assert!(rights(0o644).all_may_read && !rights(0o640).all_may_read);
    }
}
