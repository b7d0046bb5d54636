//! The few things that are asked of the disk on which positions are kept, so that a test can be a disk whose power fails.
use crate::platform::{disk, files};
use std::{
    fs::{self, File},
    io::{self, BufRead, BufReader, ErrorKind, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

/// 300 bytes a source: enough for hundreds of thousands.
const MOST: u64 = 256 << 20;

/// What is written at once, made piece by piece: of many positions never all are in memory as text.
pub(super) type Parts<'a> = &'a mut dyn Iterator<Item = Vec<u8>>;

/// A folder with a few files in it. Bytes are on the disk when a call returns; names are after [`Medium::sync_names`].
pub(super) trait Medium: Send {
    /// For messages.
    fn path(&self, name: &str) -> PathBuf;
    fn make_folder(&mut self) -> io::Result<()>;
    /// # Errors
    /// `NotFound`; `InvalidData` where something stands there that is none of ours.
    fn read(&self, name: &str) -> io::Result<Box<dyn BufRead>>;
    /// A new file, and its length. With `go_on`, [`Medium::append`] goes on with this one, whatever it is called later.
    ///
    /// # Errors
    /// `NotFound` where the folder is gone; no part was asked for then.
    fn create(&mut self, name: &str, parts: Parts<'_>, go_on: bool) -> io::Result<u64>;
    /// At `length`, the end of the good part; says how much. What fails is cut off again, as far as that is possible.
    fn append(&mut self, length: u64, parts: Parts<'_>) -> io::Result<u64>;
    fn rename(&mut self, from: &str, to: &str) -> io::Result<()>;
    fn remove(&mut self, name: &str) -> io::Result<()>;
    fn sync_names(&mut self) -> io::Result<()>;
    /// Whether the file that `append` goes on with is the one of this name, and of this length.
    fn is_in_place(&self, name: &str, length: u64) -> bool;
}

/// A folder of this machine.
pub(super) struct Folder {
    path: PathBuf,
    /// What is appended to.
    open: Option<File>,
}

impl Folder {
    pub fn at(path: &Path) -> Self {
        Self { path: path.to_owned(), open: None }
    }
}

impl Medium for Folder {
    fn path(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    fn make_folder(&mut self) -> io::Result<()> {
        disk::private_folder(&self.path)
    }

    fn read(&self, name: &str) -> io::Result<Box<dyn BufRead>> {
        Ok(Box::new(BufReader::new(disk::open_to_read(&self.path(name), MOST)?)))
    }

    fn create(&mut self, name: &str, parts: Parts<'_>, go_on: bool) -> io::Result<u64> {
        let (file, length) = disk::create_synced(&self.path(name), |file| write(file, parts))?;
        if go_on {
            self.open = Some(file);
        }
        Ok(length)
    }

    fn append(&mut self, length: u64, parts: Parts<'_>) -> io::Result<u64> {
        let Some(file) = &mut self.open else { return Err(ErrorKind::NotFound.into()) };
        let written = file.seek(SeekFrom::Start(length)).and_then(|_| write(file, parts));
        if written.is_err() {
            // Where even that fails, the loader passes over what is torn.
            let _ = file.set_len(length);
        }
        written.and_then(|added| file.sync_data().map(|()| added))
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path(from), self.path(to))
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        fs::remove_file(self.path(name))
    }

    fn sync_names(&mut self) -> io::Result<()> {
        disk::sync_folder(&self.path)
    }

    fn is_in_place(&self, name: &str, length: u64) -> bool {
        let ours = self.open.as_ref().and_then(|file| files::stat_open(file).ok());
        let there = files::stat(&self.path(name)).ok();
        ours.zip(there).is_some_and(|(ours, there)| ours.id == there.id && there.size == length)
    }
}

/// Says how many bytes there were.
fn write(file: &mut File, parts: Parts<'_>) -> io::Result<u64> {
    let mut length = 0;
    for part in parts {
        file.write_all(&part)?;
        length += part.len() as u64;
    }
    Ok(length)
}
