//! A log file of bounded size with a bounded number of older ones beside it.
use crate::platform;
use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

/// Bytes after which a new file begins: what the publisher's users know.
const MOST_BYTES: u64 = 100 * 1024 * 1024;
/// Older files that are kept: `.1` is the youngest.
const KEPT: u32 = 5;

/// The file that is written to.
pub struct RotatingFile {
    path: PathBuf,
    file: File,
    size: u64,
    most: u64,
    /// Lines that could not be written since the last one that could.
    lost: u64,
}

impl RotatingFile {
    /// Open the file for appending; make it, and its folder, where they are missing.
    ///
    /// # Errors
    /// When it cannot be made or written.
    pub fn open(path: PathBuf) -> io::Result<Self> {
        Self::open_with(path, MOST_BYTES)
    }

    fn open_with(path: PathBuf, most: u64) -> io::Result<Self> {
        let (file, size) = append(&path)?;
        Ok(Self { path, file, size, most, lost: 0 })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Append one line, or lose it whole.
    ///
    /// # Errors
    /// When the line is lost.
    pub fn write_line(&mut self, line: &[u8]) -> io::Result<()> {
        let written = self.try_write(line);
        if written.is_err() {
            self.lost += 1;
        }
        written
    }

    fn try_write(&mut self, line: &[u8]) -> io::Result<()> {
        // Somebody else may have removed, replaced or emptied it. Lines are rare, so asking each time is cheap.
        if fs::metadata(&self.path).map_or(true, |file| file.len() != self.size) {
            (self.file, self.size) = append(&self.path)?;
        }
        if self.size > 0 && self.size + line.len() as u64 > self.most {
            self.rotate()?;
        }
        if self.lost > 0 {
            let note = format!("({} lines of this log could not be written)\n", self.lost);
            self.put(note.as_bytes())?;
            self.lost = 0;
        }
        self.put(line)
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        if let Err(error) = self.file.write_all(bytes) {
            // A part of a line on a full disk: take it back, so that the next line begins a line.
            let _ = self.file.set_len(self.size);
            return Err(error);
        }
        self.size += bytes.len() as u64;
        Ok(())
    }

    fn rotate(&mut self) -> io::Result<()> {
        for older in (1..KEPT).rev() {
            rename(&numbered(&self.path, older), &numbered(&self.path, older + 1))?;
        }
        rename(&self.path, &numbered(&self.path, 1))?;
        (self.file, self.size) = append(&self.path)?;
        Ok(())
    }
}

/// A file that is not there needs no new name.
fn rename(from: &Path, to: &Path) -> io::Result<()> {
    match fs::rename(from, to) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Makes the folder too: at the start, and when somebody has removed it.
fn append(path: &Path) -> io::Result<(File, u64)> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::create_dir_all(folder)?;
    }
    let file = platform::private_file(path)?;
    let size = file.metadata()?.len();
    Ok((file, size))
}

fn numbered(path: &Path, number: u32) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(path: &Path) -> String {
        fs::read_to_string(path).unwrap_or_default()
    }

    #[test]
    fn a_full_file_becomes_the_first_of_five() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("logs").join("own.log");
        let mut log = RotatingFile::open_with(path.clone(), 12).expect("opened");
        for number in 0..20 {
            log.write_line(format!("line {number}\n").as_bytes()).expect("written");
        }
        assert_eq!(read(&path), "line 19\n");
        assert_eq!(read(&numbered(&path, 1)), "line 18\n");
        assert_eq!(read(&numbered(&path, 5)), "line 14\n");
        assert!(!numbered(&path, 6).exists());
    }

    #[test]
    fn what_is_there_counts_and_is_kept() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("own.log");
        fs::write(&path, "old line\n").expect("written");
        let mut log = RotatingFile::open_with(path.clone(), 12).expect("opened");
        log.write_line(b"new line\n").expect("written");
        assert_eq!((read(&path), read(&numbered(&path, 1))), ("new line\n".into(), "old line\n".into()));
    }

    #[test]
    fn a_file_that_others_removed_or_emptied_is_made_anew() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("own.log");
        let mut log = RotatingFile::open_with(path.clone(), 1000).expect("opened");
        log.write_line(b"one\n").expect("written");
        fs::remove_file(&path).expect("removed");
        log.write_line(b"two\n").expect("written");
        assert_eq!(read(&path), "two\n");
        fs::remove_dir_all(path.parent().expect("a folder")).expect("removed");
        log.write_line(b"again\n").expect("written");
        assert_eq!(read(&path), "again\n");
        fs::write(&path, "").expect("emptied");
        log.write_line(b"three\n").expect("written");
        assert_eq!(read(&path), "three\n");
    }

    #[test]
    fn lines_that_could_not_be_written_are_told_afterwards() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("own.log");
        let mut log = RotatingFile::open_with(path.clone(), 1000).expect("opened");
        fs::remove_file(&path).expect("removed");
        fs::create_dir(&path).expect("in the way");
        assert!(log.write_line(b"one\n").is_err() && log.write_line(b"two\n").is_err());
        fs::remove_dir(&path).expect("out of the way");
        log.write_line(b"three\n").expect("written");
        assert_eq!(read(&path), "(2 lines of this log could not be written)\nthree\n");
    }
}
