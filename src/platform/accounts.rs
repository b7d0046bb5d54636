//! Groups of users, as the system knows them by name: a directory service may have more of them than a file.
use std::{io, path::Path};

/// Gives a file to a group.
///
/// # Errors
/// `NotFound`: there is no such group. `Unsupported` elsewhere than on Unix. Others: this user may not do it.
pub fn give_to_group(path: &Path, group: &str) -> io::Result<()> {
    imp::give_to_group(path, group)
}

/// Whether the system knows a group of this name.
pub fn has_group(group: &str) -> bool {
    imp::group_id(group).is_ok_and(|id| id.is_some())
}

#[cfg(unix)]
mod imp {
    use super::{Path, io};
    use std::{ffi::CString, mem::MaybeUninit, ptr};

    /// Bytes for the record of one group with the names of its members.
    const FIRST: usize = 1 << 10;
    const MOST: usize = 1 << 20;

    pub fn give_to_group(path: &Path, group: &str) -> io::Result<()> {
        match group_id(group)? {
            Some(id) => std::os::unix::fs::chown(path, None, Some(id)),
            None => Err(io::Error::new(io::ErrorKind::NotFound, "this system has no such group")),
        }
    }

    #[allow(unsafe_code, reason = "no library of ours has this call")]
    pub fn group_id(group: &str) -> io::Result<Option<u32>> {
        let Ok(name) = CString::new(group) else { return Ok(None) };
        let mut buffer: Vec<libc::c_char> = vec![0; FIRST];
        loop {
            let (mut record, mut found) = (MaybeUninit::<libc::group>::uninit(), ptr::null_mut());
            // SAFETY: the name ends with a zero; record, buffer and `found` are ours, live during the call, and the length is the buffer's.
            let code = unsafe {
                libc::getgrnam_r(name.as_ptr(), record.as_mut_ptr(), buffer.as_mut_ptr(), buffer.len(), &raw mut found)
            };
            match code {
                0 if found.is_null() => return Ok(None),
                // SAFETY: where it is found, `found` points to `record`, which the call has then filled.
                0 => return Ok(Some(unsafe { record.assume_init() }.gr_gid)),
                libc::ERANGE if buffer.len() < MOST => buffer.resize(buffer.len() * 4, 0),
                // Some systems say so of a name that nobody knows (getgrnam(3)).
                libc::ENOENT | libc::ESRCH => return Ok(None),
                code => return Err(io::Error::from_raw_os_error(code)),
            }
        }
    }
}

#[cfg(not(unix))]
mod imp {
    use super::{Path, io};

    pub fn give_to_group(_: &Path, _: &str) -> io::Result<()> {
        Err(io::Error::new(io::ErrorKind::Unsupported, "files have no group here"))
    }

    pub fn group_id(_: &str) -> io::Result<Option<u32>> {
        Ok(None)
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn a_group_is_known_by_its_name_and_a_file_can_be_given_to_it() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let own = file.as_file().metadata().expect("ours").gid();
        let root = if cfg!(target_os = "linux") { "root" } else { "wheel" };
        assert_eq!(imp::group_id(root).expect("asked"), Some(0));
        assert!(has_group(root) && !has_group("no-such-group-here") && !has_group("a\0b"));
        match give_to_group(file.path(), root) {
            Ok(()) => assert_eq!(file.path().metadata().expect("ours").gid(), 0),
            Err(error) => assert!(own != 0 && error.kind() == io::ErrorKind::PermissionDenied, "{error}"),
        }
        let error = give_to_group(file.path(), "no-such-group-here").expect_err("none");
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}
