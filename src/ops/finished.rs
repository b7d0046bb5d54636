//! Finished configurations, one for each machine, in a folder of whoever deploys: to be copied to the machines and then removed, since they
//! hold secrets. Files of mode 0600 in a folder of mode 0700; a file that is there is never written over.
use crate::platform::private_folder;
use std::{
    fs, io,
    io::Write,
    path::{Path, PathBuf},
};
use tempfile::{NamedTempFile, TempPath};

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

/// A file that is safe on the disk and does not have its name yet. Until then it has [`unfinished`], which also what a run leaves that is
/// killed: the next run looks there.
#[derive(Debug)]
pub struct Draft {
    file: TempPath,
    path: PathBuf,
}

/// What a file is called before it has its name.
fn unfinished(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.unfinished"))
}

impl Draft {
    /// Let it stay as it is, for the next run.
    pub fn leave(self) {
        _ = self.file.keep();
    }
}

impl Folder {
    /// Make it where it is not there, for its owner alone. One that is there keeps its mode.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn make(path: &Path) -> Result<Self, FinishedError> {
        let failed = |source| FinishedError::Folder { path: path.to_owned(), source };
        private_folder(path).map_err(failed)?;
        Ok(Self(path.to_owned()))
    }

    /// That no file of this name is there.
    ///
    /// # Errors
    /// When one is.
    pub fn free(path: &Path, name: &str) -> Result<(), FinishedError> {
        let path = path.join(name);
        match path.symlink_metadata() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(source) => Err(FinishedError::Write { path, source }),
            Ok(_) => Err(FinishedError::Exists { path }),
        }
    }

    /// Whether a run that was ended left a draft of this file.
    pub fn has_unfinished(path: &Path, name: &str) -> bool {
        unfinished(&path.join(name)).symlink_metadata().is_ok_and(|found| found.is_file())
    }

    /// Such a draft.
    ///
    /// # Errors
    /// When there is none.
    pub fn unfinished(&self, name: &str) -> Result<Draft, FinishedError> {
        let path = self.0.join(name);
        match TempPath::try_from_path(unfinished(&path)) {
            Ok(file) => Ok(Draft { file, path }),
            Err(source) => Err(FinishedError::Write { path, source }),
        }
    }

    /// Write a file of this name, but do not let it have the name before [`Draft::keep`]. It takes the place of a draft that was left.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub fn draft(&self, name: &str, contents: &str) -> Result<Draft, FinishedError> {
        let path = self.0.join(name);
        let write = || {
            // Nobody else may read it from the first byte on.
            let mut file = NamedTempFile::with_prefix_in(".unfinished-", &self.0)?;
            file.write_all(contents.as_bytes())?;
            file.as_file().sync_all()?;
            let waiting = unfinished(&path);
            file.persist(&waiting).map_err(|error| error.error)?;
            self.sync();
            TempPath::try_from_path(waiting)
        };
        match write() {
            Ok(file) => Ok(Draft { file, path }),
            Err(source) => Err(FinishedError::Write { path, source }),
        }
    }

    /// Names, too, are to be there after a power cut. Not every system can sync a folder.
    fn sync(&self) {
        if let Ok(folder) = fs::File::open(&self.0) {
            _ = folder.sync_all();
        }
    }

    /// Give a draft its name; where it is then.
    ///
    /// # Errors
    /// When there is one of this name, or the disk does not take it. The draft stays: it may hold the only copy of a secret.
    pub fn keep(&self, draft: Draft) -> Result<PathBuf, FinishedError> {
        let Draft { file, path } = draft;
        match file.persist_noclobber(&path) {
            Ok(()) => {}
            Err(error) => {
                let (source, file) = (error.error, error.path);
                _ = file.keep();
                if source.kind() == io::ErrorKind::AlreadyExists {
                    return Err(FinishedError::Exists { path });
                }
                return Err(FinishedError::Write { path, source });
            }
        }
        self.sync();
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
        assert!(Folder::has_unfinished(&place, "a.json"));
        let path = folder.keep(draft).expect("kept");
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
        let folder = Folder::make(&place).expect("made");
        let path = folder.keep(folder.draft("a", "x").expect("written")).expect("kept");
        let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o7777;
        assert_eq!((mode(&place), mode(&path)), (0o700, 0o600));
    }

    #[test]
    fn what_is_there_is_not_written_over() {
        let place = tempfile::tempdir().expect("a folder");
        fs::write(place.path().join("a"), "old").expect("writable");
        assert!(matches!(Folder::free(place.path(), "a"), Err(FinishedError::Exists { .. })));
        let folder = Folder::make(place.path()).expect("there");
        let kept = folder.keep(folder.draft("a", "new").expect("written"));
        assert!(matches!(kept, Err(FinishedError::Exists { .. })));
        assert!(Folder::has_unfinished(place.path(), "a"), "what it holds may stand nowhere else");
        assert_eq!(fs::read_to_string(place.path().join("a")).expect("there"), "old");
        Folder::free(place.path(), "b").expect("free");
    }

    #[test]
    fn what_an_ended_run_left_can_be_kept_by_the_next() {
        let place = tempfile::tempdir().expect("a folder");
        let folder = Folder::make(place.path()).expect("there");
        std::mem::forget(folder.draft("a", "secret").expect("written"));
        assert!(Folder::has_unfinished(place.path(), "a"));
        let path = folder.keep(folder.unfinished("a").expect("left")).expect("kept");
        assert_eq!(fs::read_to_string(path).expect("there"), "secret");
        assert!(!Folder::has_unfinished(place.path(), "a"));
    }
}
