//! Finished configurations, one for each machine, in a folder of whoever deploys: to be copied to the machines and then removed, since they
//! hold secrets. Files of mode 0600 in a folder of mode 0700; a file that is there is never written over.
use crate::platform::private_folder;
use std::{
    fs, io,
    io::Write,
    path::{Path, PathBuf},
};
use tempfile::NamedTempFile;

/// Why a file was not written.
#[derive(Debug, thiserror::Error)]
pub enum FinishedError {
    #[error("cannot make the folder {}", path.display())]
    Folder { path: PathBuf, source: io::Error },
    #[error("cannot write {}", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("{} is there already, and nothing is written over: move it away, it may be the only copy of a secret", path.display())]
    Exists { path: PathBuf },
}

/// The folder of the finished files.
#[derive(Debug)]
pub struct Folder(PathBuf);

/// A file that is safe on the disk and does not have its name yet.
#[derive(Debug)]
pub struct Draft {
    file: NamedTempFile,
    path: PathBuf,
}

impl Folder {
    /// Make it where it is not there, for its owner alone.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn make(path: &Path) -> Result<Self, FinishedError> {
        let failed = |source| FinishedError::Folder { path: path.to_owned(), source };
        private_folder(path).map_err(failed)?;
        Ok(Self(path.to_owned()))
    }

    /// Where a file of this name will be.
    ///
    /// # Errors
    /// When one is there.
    pub fn free(path: &Path, name: &str) -> Result<PathBuf, FinishedError> {
        let path = path.join(name);
        match path.symlink_metadata() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(path),
            Err(source) => Err(FinishedError::Write { path, source }),
            Ok(_) => Err(FinishedError::Exists { path }),
        }
    }

    /// Write a file of this name, but do not let it have the name before [`Draft::keep`].
    ///
    /// # Errors
    /// When the disk does not take it.
    pub fn draft(&self, name: &str, contents: &str) -> Result<Draft, FinishedError> {
        let path = self.0.join(name);
        let write = || {
            // Nobody else may read it from the first byte on.
            let mut file = NamedTempFile::new_in(&self.0)?;
            file.write_all(contents.as_bytes())?;
            file.as_file().sync_all()?;
            Ok(file)
        };
        match write() {
            Ok(file) => Ok(Draft { file, path }),
            Err(source) => Err(FinishedError::Write { path, source }),
        }
    }
}

impl Draft {
    /// Give it its name; where it is then.
    ///
    /// # Errors
    /// When there is one of this name, or the disk does not take it.
    pub fn keep(self) -> Result<PathBuf, FinishedError> {
        let Self { file, path } = self;
        match file.persist_noclobber(&path) {
            Ok(_) => {}
            Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => {
                return Err(FinishedError::Exists { path });
            }
            Err(error) => return Err(FinishedError::Write { path, source: error.error }),
        }
        // The name, too, is to be there after a power cut. Not every system can sync a folder.
        if let Some(folder) = path.parent().and_then(|folder| fs::File::open(folder).ok()) {
            _ = folder.sync_all();
        }
        Ok(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draft_has_no_name_until_it_is_kept() {
        let outside = tempfile::tempdir().expect("a folder");
        let place = outside.path().join("configs");
        let folder = Folder::make(&place).expect("made");
        let draft = folder.draft("a.json", "secret\n").expect("written");
        assert!(!place.join("a.json").exists());
        let path = draft.keep().expect("kept");
        assert_eq!(fs::read_to_string(&path).expect("there"), "secret\n");
        let dropped = folder.draft("b.json", "secret\n").expect("written");
        drop(dropped);
        assert_eq!(fs::read_dir(&place).expect("there").count(), 1, "nothing of what is not kept stays");
    }

    #[cfg(unix)]
    #[test]
    fn folder_and_files_are_their_owners_alone() {
        use std::os::unix::fs::PermissionsExt;
        let outside = tempfile::tempdir().expect("a folder");
        let place = outside.path().join("configs");
        let path = Folder::make(&place).expect("made").draft("a", "x").expect("written").keep().expect("kept");
        let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o7777;
        assert_eq!((mode(&place), mode(&path)), (0o700, 0o600));
    }

    #[test]
    fn what_is_there_is_not_written_over() {
        let place = tempfile::tempdir().expect("a folder");
        fs::write(place.path().join("a"), "old").expect("writable");
        assert!(matches!(Folder::free(place.path(), "a"), Err(FinishedError::Exists { .. })));
        let folder = Folder::make(place.path()).expect("there");
        let kept = folder.draft("a", "new").expect("written").keep();
        assert!(matches!(kept, Err(FinishedError::Exists { .. })));
        assert_eq!(fs::read_to_string(place.path().join("a")).expect("there"), "old");
        assert_eq!(Folder::free(place.path(), "b").expect("free"), place.path().join("b"));
    }
}
