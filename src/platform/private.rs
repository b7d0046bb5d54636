//! Folders and files that only this user may read.
//!
//! Elsewhere than on Unix the access list of the parent folder is inherited, which is what administrators expect there.
use std::{
    fs::{DirBuilder, File, OpenOptions},
    io,
    path::Path,
};

/// Makes the folder and its missing parents with mode 0700. One that exists keeps its mode.
pub fn private_folder(path: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// Opens the file for appending; makes it with mode 0600 when it is missing. One that exists keeps its mode.
pub fn private_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
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
    fn what_is_made_is_for_this_user_only_and_what_exists_is_left() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let inner = folder.path().join("a").join("b");
        private_folder(&inner).expect("made");
        private_file(&inner.join("f")).expect("made");
        assert_eq!((mode(&inner), mode(&inner.join("f"))), (0o700, 0o600));
        fs::set_permissions(&inner, fs::Permissions::from_mode(0o750)).expect("changed");
        private_folder(&inner).expect("there already");
        assert_eq!(mode(&inner), 0o750);
    }
}
