//! Folders and files that only this user may read.
//!
//! Elsewhere than on Unix the access list of the parent folder is inherited, which is what administrators expect there.
use std::{
    fs::{self, File, OpenOptions},
    io,
    path::Path,
};

/// Makes the folder, for this user only (mode 0700). What lacks above it is made as the system is set up to make folders: it may
/// be shared with others. One that exists keeps its mode.
pub fn private_folder(path: &Path) -> io::Result<()> {
    folder(path, 0o700)
}

/// The same, but its group may pass through to what lies open to it, and see nothing else (mode 0710).
pub fn passable_folder(path: &Path) -> io::Result<()> {
    folder(path, 0o710)
}

fn folder(path: &Path, mode: u32) -> io::Result<()> {
    if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        fs::create_dir_all(parent)?;
    }
    match make(path, mode) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        made => made,
    }
}

#[cfg(unix)]
fn make(path: &Path, mode: u32) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, mode);
    builder.create(path)
}

#[cfg(not(unix))]
fn make(path: &Path, _: u32) -> io::Result<()> {
    fs::create_dir(path)
}

/// Opens the file for reading and writing; makes it with mode 0600 when it is missing. One that exists keeps its mode and content.
pub fn private_lock(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Opens the file for appending; makes it with mode 0600 when it is missing. One that exists keeps its mode. A FIFO that nobody
/// reads is an error, never a wait.
pub fn private_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    {
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, libc::O_NONBLOCK);
    }
    options.open(path)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::{fs, os::unix::fs::PermissionsExt};

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).expect("it exists").permissions().mode() & 0o777
    }

    #[test]
    fn folders_above_a_private_one_are_as_usual_and_shared_with_others() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        fs::create_dir(folder.path().join("usual")).expect("made");
        private_folder(&folder.path().join("a").join("b")).expect("made");
        assert_eq!(mode(&folder.path().join("a")), mode(&folder.path().join("usual")));
    }

    #[test]
    fn what_is_made_is_for_this_user_only_and_what_exists_is_left() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let inner = folder.path().join("a").join("b");
        private_folder(&inner).expect("made");
        private_file(&inner.join("f")).expect("made");
        private_lock(&inner.join("l")).expect("made");
        assert_eq!((mode(&inner), mode(&inner.join("f")), mode(&inner.join("l"))), (0o700, 0o600, 0o600));
        let fifo = inner.join("fifo");
        assert!(std::process::Command::new("mkfifo").arg(&fifo).status().expect("POSIX has it").success());
        private_file(&fifo).expect_err("nobody reads it");
        passable_folder(&inner.join("c")).expect("made");
        assert_eq!(mode(&inner.join("c")), 0o710);
        assert!(private_folder(&inner.join("f")).is_err(), "a file is in the way");
        fs::set_permissions(&inner, fs::Permissions::from_mode(0o750)).expect("changed");
        private_folder(&inner).expect("there already");
        assert_eq!(mode(&inner), 0o750);
    }
}
