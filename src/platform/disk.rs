//! What the positions and the spool ask of a file system: durable writes of private files, and how much room is left.
//!
//! A rename is atomic, but neither the bytes of the new file nor its name are safe before both the file and its folder
//! have been synced (`fsync(2)`: "Calling fsync() does not necessarily ensure that the entry in the directory has reached disk").
pub use super::private::private_folder;
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, Write},
    path::Path,
};

/// Create `path` anew for its owner alone (mode 0600; on Windows as the folder's own rules say). Whatever stood there goes
/// first: opening a FIFO would wait for its reader, and a link would be written through.
fn create_private(path: &Path) -> io::Result<File> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Write all of `bytes` to `path` and wait until they are on the disk. On failure nothing is left at `path`.
pub fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    create_synced(path, |file| file.write_all(bytes)).map(drop)
}

/// The same with what `write` writes; gives the file, open for writing on, and what `write` gave.
pub fn create_synced<T>(path: &Path, write: impl FnOnce(&mut File) -> io::Result<T>) -> io::Result<(File, T)> {
    let written = create_private(path).and_then(|mut file| {
        let wrote = write(&mut file)?;
        file.sync_all()?;
        Ok((file, wrote))
    });
    if written.is_err() {
        // A half-written file would only hold on to space that is already scarce.
        let _ = fs::remove_file(path);
    }
    written
}

/// Put `bytes` in the place of what stands at `path`, whole or not at all, and wait until the disk has them under that name.
///
/// # Errors
/// From all but the last step: at `path` stands what stood there before. From the last one: the new bytes stand there, and nobody
/// knows which of the two a power cut would leave.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let mut new = name.to_owned();
    new.push(".new");
    let new = folder.join(new);
    // Beside the old one, so that a crash amid the writing leaves that one whole; and on the disk before it gets its name: a
    // rename may reach the disk before the bytes do, and then a power cut would leave an empty file.
    write_synced(&new, bytes)?;
    // In one step: whoever opens it finds the old bytes or the new ones.
    fs::rename(&new, path).inspect_err(|_| _ = fs::remove_file(&new))?;
    // Until then a power cut may bring the old name back.
    sync_folder(folder)
}

/// Opens a regular file that is there, to append to it.
///
/// # Errors
/// `InvalidData` when a link, a FIFO or a device stands there.
pub fn append_private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.append(true);
    open_regular(path, &mut options)
}

/// Exactly these bytes of a regular file.
///
/// # Errors
/// `InvalidData` when a link, a FIFO or a device stands there, `UnexpectedEof` when the file is shorter.
pub fn read_range(path: &Path, offset: u64, length: u64) -> io::Result<Vec<u8>> {
    let mut options = OpenOptions::new();
    options.read(true);
    let mut file = open_regular(path, &mut options)?;
    if file.metadata()?.len() < offset.saturating_add(length) {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    file.seek(io::SeekFrom::Start(offset))?;
    let mut bytes = Vec::new();
    file.take(length).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn open_regular(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    let foreign = || io::Error::new(io::ErrorKind::InvalidData, "it is not a regular file");
    if !fs::symlink_metadata(path)?.is_file() {
        return Err(foreign());
    }
    // What stands there may have changed since: still neither follow a link nor wait for the other end of a FIFO.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(options, libc::O_NOFOLLOW | libc::O_NONBLOCK);
    let file = options.open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(foreign()) }
}

/// Wait until the names in `folder` are on the disk.
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    // Windows cannot open a folder as a file; NTFS keeps its names in a journal of its own.
    if cfg!(windows) { Ok(()) } else { File::open(folder)?.sync_all() }
}

/// All of a regular file that holds at most `most` bytes.
///
/// # Errors
/// `InvalidData` when a link, a FIFO or a device stands there, or when the file is larger: it is none of ours.
pub fn read_regular(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    // It may still grow: one byte more than allowed tells.
    open_to_read(path, most)?.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most { Err(too_large(most)) } else { Ok(bytes) }
}

/// Opens a regular file that holds at most `most` bytes, to read it piece by piece.
///
/// # Errors
/// Those of [`read_regular`].
pub fn open_to_read(path: &Path, most: u64) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true);
    let file = open_regular(path, &mut options)?;
    if file.metadata()?.len() > most { Err(too_large(most)) } else { Ok(file) }
}

fn too_large(most: u64) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("it is larger than {most} bytes"))
}

/// Bytes that an ordinary user may still write to the file system of `path`. May block on a dead network mount.
pub fn free_bytes(path: &Path) -> io::Result<u64> {
    fs4::available_space(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_written_file_is_there_whole_and_its_folder_can_be_synced() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let inner = folder.path().join("a/b");
        private_folder(&inner).expect("created");
        private_folder(&inner).expect("there already");
        let file = inner.join("f");
        write_synced(&file, b"longer than the next").expect("written");
        write_synced(&file, b"whole").expect("written again");
        sync_folder(&inner).expect("synced");
        assert_eq!(fs::read(&file).expect("readable"), b"whole");
        assert!(free_bytes(&inner).expect("known") > 0);
    }

    #[cfg(unix)]
    #[test]
    fn others_may_not_read_what_is_written() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().expect("temporary folder");
        let file = folder.path().join("f");
        write_synced(&file, b"x").expect("written");
        assert_eq!(fs::metadata(&file).expect("there").permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn only_a_regular_file_of_a_sane_size_is_read() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let file = folder.path().join("f");
        fs::write(&file, "12345").expect("written");
        assert_eq!(read_regular(&file, 5).expect("fits"), b"12345");
        let kind = |path: &Path, most| read_regular(path, most).expect_err("refused").kind();
        assert_eq!(kind(&file, 4), io::ErrorKind::InvalidData);
        assert_eq!(kind(folder.path(), 5), io::ErrorKind::InvalidData);
        assert_eq!(kind(&folder.path().join("gone"), 5), io::ErrorKind::NotFound);
    }

    #[cfg(unix)]
    #[test]
    fn links_and_pipes_are_neither_read_nor_written_through() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let (link, pipe) = (folder.path().join("link"), folder.path().join("pipe"));
        std::os::unix::fs::symlink("/dev/zero", &link).expect("linked");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status().expect("mkfifo is in POSIX");
        assert!(made.success());
        for odd in [&link, &pipe] {
            assert_eq!(read_regular(odd, 100).expect_err("refused").kind(), io::ErrorKind::InvalidData);
            write_synced(odd, b"ours").expect("written in its place");
            assert_eq!(read_regular(odd, 100).expect("a regular file now"), b"ours");
        }
    }

    #[test]
    fn what_is_replaced_is_the_old_or_the_new_one_and_leaves_nothing_beside_it() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let names = || fs::read_dir(folder.path()).expect("a folder").count();
        let file = folder.path().join("note.json");
        fs::write(folder.path().join("note.json.new"), "left by a crash").expect("written");
        for bytes in [b"one".as_slice(), b"two"] {
            replace(&file, bytes).expect("replaced");
            assert_eq!((fs::read(&file).expect("there").as_slice(), names()), (bytes, 1));
        }
        let taken = folder.path().join("taken");
        fs::create_dir(&taken).expect("created");
        assert!(replace(&taken, b"x").is_err());
        assert_eq!((taken.is_dir(), names()), (true, 2));
    }

    #[test]
    fn a_failed_write_leaves_no_file_and_keeps_a_folder_of_that_name() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let taken = folder.path().join("taken");
        fs::create_dir(&taken).expect("created");
        assert!(write_synced(&taken, b"x").is_err());
        assert!(taken.is_dir());
    }
}
