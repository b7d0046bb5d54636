//! `getfsstat(2)` for the list, which it gives from memory, and `statfs(2)` for what is in use.
#![allow(unsafe_code)]
use super::{Kinds, Mount, Space};
use std::{
    ffi::{CStr, CString, OsStr},
    io, mem,
    os::unix::ffi::OsStrExt,
    ptr,
};

pub fn mounts() -> io::Result<Vec<Mount>> {
    // SAFETY: without a place to write to it only counts.
    let count = unsafe { libc::getfsstat(ptr::null_mut(), 0, libc::MNT_NOWAIT) };
    let count = usize::try_from(count).map_err(|_| io::Error::last_os_error())?;
    // Some may have come since.
    let mut found: Vec<libc::statfs> = Vec::with_capacity(count + 8);
    let room = found.capacity() * size_of::<libc::statfs>();
    let room = libc::c_int::try_from(room).map_err(io::Error::other)?;
    // SAFETY: there is as much room as we say; it does not ask the file systems, so none makes it wait.
    let written = unsafe { libc::getfsstat(found.as_mut_ptr(), room, libc::MNT_NOWAIT) };
    let written = usize::try_from(written).map_err(|_| io::Error::last_os_error())?;
    // SAFETY: so many it has filled, and no more than there is room for.
    unsafe { found.set_len(written.min(found.capacity())) };
    Ok(found.iter().map(mount).collect())
}

fn mount(found: &libc::statfs) -> Mount {
    Mount {
        path: OsStr::from_bytes(&bytes(&found.f_mntonname)).into(),
        device: String::from_utf8_lossy(&bytes(&found.f_mntfromname)).into_owned(),
        kind: String::from_utf8_lossy(&bytes(&found.f_fstypename)).into_owned(),
    }
}

/// Up to the NUL, or to the end where there is none.
fn bytes(name: &[libc::c_char]) -> Vec<u8> {
    let bytes: Vec<u8> = name.iter().map(|c| c.cast_unsigned()).collect();
    CStr::from_bytes_until_nul(&bytes).map(|name| name.to_bytes().to_vec()).unwrap_or(bytes)
}

pub fn space(mount: &Mount) -> io::Result<Space> {
    let path = CString::new(mount.path.as_os_str().as_bytes())?;
    // SAFETY: it is made of numbers, for which all bits zero are a value.
    let mut found: libc::statfs = unsafe { mem::zeroed() };
    // SAFETY: the path ends in NUL, and the place outlives the call.
    if unsafe { libc::statfs(path.as_ptr(), &raw mut found) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let block = u64::from(found.f_bsize);
    let bytes = |blocks: u64| blocks.saturating_mul(block);
    Ok(Space {
        total: bytes(found.f_blocks),
        free: bytes(found.f_bavail),
        used: bytes(found.f_blocks.saturating_sub(found.f_bfree)),
        inodes_total: found.f_files,
        inodes_free: found.f_ffree,
        inodes_used: found.f_files.saturating_sub(found.f_ffree),
    })
}

pub fn kinds() -> Kinds {
    Kinds::default()
}
