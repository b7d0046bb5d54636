//! What the store asks of a disk, call by call. Tests put one in its place that fails when they say so.
use crate::platform::disk;
use std::{
    ffi::OsString,
    fs,
    io::{self, Write as _},
    path::Path,
};

/// The calls, as an ordinary disk answers them. All block.
pub trait Medium: Send {
    /// Bytes free on the file system of a folder.
    fn free(&self, folder: &Path) -> io::Result<u64> {
        disk::free_bytes(folder)
    }

    /// The names in a folder, in any order.
    fn list(&self, folder: &Path) -> io::Result<Vec<OsString>> {
        fs::read_dir(folder)?.map(|entry| Ok(entry?.file_name())).collect()
    }

    /// Make this file of the folder, bytes and name safe on the disk.
    fn create(&self, folder: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
        disk::write_synced(path, bytes)?;
        disk::sync_folder(folder)
    }

    /// Write behind the end of a file. On failure a part of it may be there.
    fn append(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        disk::append_private(path)?.write_all(bytes)
    }

    /// Wait until what was appended is safe on the disk.
    fn sync(&self, path: &Path) -> io::Result<()> {
        disk::append_private(path)?.sync_data()
    }

    /// Cut a file back. Not forced to the disk: what a power cut brings back is sent twice, like all that was on its way.
    fn cut(&self, path: &Path, length: u64) -> io::Result<()> {
        disk::append_private(path)?.set_len(length)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }
}

/// The disk itself.
pub struct Disk;

impl Medium for Disk {}
