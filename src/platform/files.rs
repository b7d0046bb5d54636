//! Files as the kernel knows them: which file a name or a handle stands for, opened without ever waiting, read at an offset.
use std::{
    fs::File,
    io::{self, ErrorKind, Read},
    path::Path,
    time::SystemTime,
};

/// Which file it is, whatever it is called. Used again by the system once the file is gone.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct FileId {
    /// `st_dev`; the volume's serial number on Windows.
    pub device: u64,
    /// `st_ino`; the file id on Windows.
    pub inode: u64,
}

/// What can stand at a path.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum FileKind {
    Regular,
    Directory,
    /// A FIFO, socket or device.
    Special,
}

/// What the file system says about a file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Stat {
    pub id: FileId,
    pub kind: FileKind,
    /// Bytes.
    pub size: u64,
    /// When its content was last changed; 1970 where the system does not say.
    pub modified: SystemTime,
    /// When its content, name or owner was last changed (`st_ctime`), where the system says so. Nobody can set it. Not all
    /// file systems count a rename.
    pub touched: Option<SystemTime>,
    /// How many names it has; 0 once it was deleted and only a handle keeps it.
    pub links: u64,
}

/// Of what the path leads to, links followed. May block on a dead network mount.
pub fn stat(path: &Path) -> io::Result<Stat> {
    imp::stat(path)
}

/// Of an open file.
pub fn stat_open(file: &File) -> io::Result<Stat> {
    imp::stat_open(file)
}

/// Opens for reading. Never waits for the writer of a FIFO, and on Windows never keeps anybody from renaming or deleting.
pub fn open(path: &Path) -> io::Result<File> {
    imp::open(path)
}

/// All of a regular file of at most `most` bytes, links followed: for what a user names, a password or a certificate.
///
/// # Errors
/// `InvalidInput` when a FIFO or a device stands there, which might never end, or when the file is larger.
pub fn read_small(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let unfit = |why: String| io::Error::new(ErrorKind::InvalidInput, why);
    // Asked beforehand, because Windows calls an opened folder "access denied".
    if path.is_dir() {
        return Err(ErrorKind::IsADirectory.into());
    }
    let file = open(path)?;
    let stat = stat_open(&file)?;
    if stat.kind != FileKind::Regular {
        return Err(unfit("it is not a regular file".to_owned()));
    }
    let mut bytes = Vec::new();
    if stat.size <= most {
        // It may still grow: one byte more than allowed tells.
        file.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    }
    if stat.size.max(bytes.len() as u64) > most {
        return Err(unfit(format!("it is larger than {most} bytes")));
    }
    Ok(bytes)
}

/// Whether an open failed because this process, or the whole system, may hold no more files open.
pub fn is_out_of_handles(error: &io::Error) -> bool {
    error.raw_os_error().is_some_and(|code| imp::OUT_OF_HANDLES.contains(&code))
}

/// How many files this process may hold open now; `None` where the system sets no limit worth counting.
pub fn most_open() -> Option<u64> {
    imp::most_open()
}

/// Fills `buffer` from `offset` on as far as the file goes, and says how far that was.
pub fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match imp::read_at(file, &mut buffer[filled..], offset + filled as u64) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

#[cfg(unix)]
mod imp {
    use super::{File, FileId, FileKind, Path, Stat, SystemTime, io};
    use std::{
        fs::{Metadata, OpenOptions},
        os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt},
        time::Duration,
    };

    /// This process's limit, and the system's.
    pub const OUT_OF_HANDLES: &[i32] = &[libc::EMFILE, libc::ENFILE];

    pub fn most_open() -> Option<u64> {
        rustix::process::getrlimit(rustix::process::Resource::Nofile).current
    }

    pub fn stat(path: &Path) -> io::Result<Stat> {
        Ok(of(&std::fs::metadata(path)?))
    }

    pub fn stat_open(file: &File) -> io::Result<Stat> {
        Ok(of(&file.metadata()?))
    }

    pub fn open(path: &Path) -> io::Result<File> {
        OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path)
    }

    pub fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        file.read_at(buffer, offset)
    }

    fn of(data: &Metadata) -> Stat {
        let kind = match data.file_type() {
            t if t.is_file() => FileKind::Regular,
            t if t.is_dir() => FileKind::Directory,
            _ => FileKind::Special,
        };
        Stat {
            id: FileId { device: data.dev(), inode: data.ino() },
            kind,
            size: data.size(),
            modified: data.modified().unwrap_or(SystemTime::UNIX_EPOCH),
            touched: touched(data),
            links: data.nlink(),
        }
    }

    fn touched(data: &Metadata) -> Option<SystemTime> {
        let (seconds, nanos) = (u64::try_from(data.ctime()).ok()?, u32::try_from(data.ctime_nsec()).ok()?);
        SystemTime::UNIX_EPOCH.checked_add(Duration::new(seconds, nanos))
    }
}

#[cfg(windows)]
mod imp {
    use super::{File, FileId, FileKind, Path, Stat, SystemTime, io};
    use std::{
        fs::OpenOptions,
        os::windows::fs::{FileExt, OpenOptionsExt},
    };
    use winapi_util::file::{information, typ};

    /// `FILE_FLAG_BACKUP_SEMANTICS`: without it a directory cannot be opened
    /// (<https://learn.microsoft.com/windows/win32/api/fileapi/nf-fileapi-createfilew>).
    const BACKUP_SEMANTICS: u32 = 0x0200_0000;

    /// `ERROR_TOO_MANY_OPEN_FILES`.
    pub const OUT_OF_HANDLES: &[i32] = &[4];

    pub fn most_open() -> Option<u64> {
        None
    }

    pub fn stat(path: &Path) -> io::Result<Stat> {
        // Access 0 asks for metadata only, which is granted even where the content is locked.
        stat_open(&OpenOptions::new().access_mode(0).custom_flags(BACKUP_SEMANTICS).open(path)?)
    }

    pub fn stat_open(file: &File) -> io::Result<Stat> {
        let (data, information) = (file.metadata()?, information(file)?);
        let kind = match () {
            () if data.is_dir() => FileKind::Directory,
            () if typ(file)?.is_disk() => FileKind::Regular,
            () => FileKind::Special,
        };
        Ok(Stat {
            id: FileId { device: information.volume_serial_number(), inode: information.file_index() },
            kind,
            size: data.len(),
            modified: data.modified().unwrap_or(SystemTime::UNIX_EPOCH),
            touched: None,
            links: information.number_of_links(),
        })
    }

    pub fn open(path: &Path) -> io::Result<File> {
        // The standard library shares reading, writing and deleting unless told otherwise.
        File::open(path)
    }

    pub fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        match file.seek_read(buffer, offset) {
            // ERROR_HANDLE_EOF: at the end a positioned read fails instead of giving nothing.
            Err(error) if error.raw_os_error() == Some(38) => Ok(0),
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_might_never_end_is_not_read() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("file");
        std::fs::write(&file, "four").expect("writable");
        assert_eq!(read_small(&file, 4).expect("small"), b"four");
        assert_eq!(read_small(&file, 3).expect_err("larger").kind(), ErrorKind::InvalidInput);
        assert_eq!(read_small(folder.path(), 4).expect_err("a folder").kind(), ErrorKind::IsADirectory);
        assert_eq!(read_small(&folder.path().join("none"), 4).expect_err("none").kind(), ErrorKind::NotFound);
        #[cfg(unix)]
        {
            let link = folder.path().join("link");
            std::os::unix::fs::symlink(&file, &link).expect("linked");
            assert_eq!(read_small(&link, 4).expect("small"), b"four");
            let fifo = folder.path().join("fifo");
            assert!(std::process::Command::new("mkfifo").arg(&fifo).status().expect("POSIX has it").success());
            for endless in [fifo.as_path(), Path::new("/dev/zero")] {
                assert_eq!(read_small(endless, 4).expect_err("endless").kind(), ErrorKind::InvalidInput);
            }
        }
    }

    #[test]
    fn a_file_keeps_its_id_through_a_rename_and_another_file_has_another() {
        let folder = tempfile::tempdir().expect("a folder");
        let (one, two) = (folder.path().join("one"), folder.path().join("two"));
        std::fs::write(&one, "1").expect("writable");
        let file = open(&one).expect("readable");
        let before = stat(&one).expect("there");
        std::fs::rename(&one, &two).expect("renamed");
        std::fs::write(&one, "1").expect("writable");
        assert_eq!(stat(&two).expect("there").id, before.id);
        assert_eq!(stat_open(&file).expect("open").id, before.id);
        assert_ne!(stat(&one).expect("there").id, before.id);
    }

    #[test]
    fn reading_stops_at_the_end_of_the_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("one");
        std::fs::write(&path, "abcdef").expect("writable");
        let mut buffer = [0; 10];
        let file = open(&path).expect("readable");
        assert_eq!(read_at(&file, &mut buffer, 2).expect("read"), 4);
        assert_eq!(&buffer[..4], b"cdef");
        assert_eq!(read_at(&file, &mut buffer, 6).expect("read"), 0);
    }

    #[test]
    fn a_deleted_file_has_no_names_left() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("one");
        std::fs::write(&path, "1").expect("writable");
        let file = open(&path).expect("readable");
        assert_eq!(stat_open(&file).expect("open").links, 1);
        std::fs::remove_file(&path).expect("deleted");
        assert_eq!(stat_open(&file).expect("open").links, 0);
    }

    #[test]
    fn a_folder_is_told_from_a_file() {
        let folder = tempfile::tempdir().expect("a folder");
        assert_eq!(stat(folder.path()).expect("there").kind, FileKind::Directory);
    }

    #[cfg(unix)]
    #[test]
    fn opening_a_fifo_that_nobody_writes_to_returns_at_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&path).status().expect("mkfifo is in POSIX");
        assert!(made.success());
        let file = open(&path).expect("opened");
        assert_eq!(stat_open(&file).expect("open").kind, FileKind::Special);
    }
}
