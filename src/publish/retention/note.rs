//! A small file in the state folder that says what is in memory.
//!
//! A change costs nothing. The file is written anew, whole, on a thread that may block, with all changes so far: whoever waits for
//! one waits together with everybody who asked meanwhile, so thousands of changes at once are two writes. When to write is the
//! caller's to say, and so is what to do where it fails: memory goes on, and the next change tries again.
use crate::platform::disk;
use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

/// What is to stand in the file. `None`: there is to be none.
type Bytes<T> = fn(&mut T) -> serde_json::Result<Option<Vec<u8>>>;

/// One file, and what is in it.
pub(super) struct Note<T> {
    file: PathBuf,
    content: Mutex<Content<T>>,
    bytes: Bytes<T>,
    /// Whoever holds it writes. The others find that it was done for them, too.
    line: tokio::sync::Mutex<()>,
    /// Held while the file is written: a write whose caller was given up still goes on.
    writing: Mutex<()>,
    /// How many changes have been written, or could not be.
    written: AtomicU64,
}

#[derive(Debug)]
struct Content<T> {
    it: T,
    changes: u64,
}

impl<T: Send + 'static> Note<T> {
    /// With what was read from the file before.
    pub(super) fn new(file: PathBuf, it: T, bytes: Bytes<T>) -> Arc<Self> {
        let (line, writing, written) = Default::default();
        Arc::new(Self { file, content: Mutex::new(Content { it, changes: 0 }), bytes, line, writing, written })
    }

    pub(super) fn file(&self) -> &Path {
        &self.file
    }

    /// Look at what is in memory, or change it; `act` says whether the file is to change, too.
    pub(super) fn with<R>(&self, act: impl FnOnce(&mut T) -> (R, bool)) -> R {
        let mut content = self.content();
        let (result, changed) = act(&mut content.it);
        content.changes += u64::from(changed);
        result
    }

    /// Ends when what is in memory now is on the disk. Whether this call wrote it: with many at once, most of them need not.
    ///
    /// # Errors
    /// When it could not be written; of those who waited together, one is told.
    pub(super) async fn save(self: &Arc<Self>) -> io::Result<bool> {
        let wanted = self.content().changes;
        let _turn = self.line.lock().await;
        if self.is_written(wanted) {
            return Ok(false);
        }
        let note = self.clone();
        tokio::task::spawn_blocking(move || note.write(wanted)).await.map_err(io::Error::other)?
    }

    fn write(&self, wanted: u64) -> io::Result<bool> {
        let _alone = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        if self.is_written(wanted) {
            return Ok(false);
        }
        let (bytes, changes) = {
            let mut content = self.content();
            ((self.bytes)(&mut content.it), content.changes)
        };
        let outcome = bytes.map_err(io::Error::from).and_then(|bytes| match bytes {
            Some(bytes) => self.replace(&bytes),
            None => fs::remove_file(&self.file).or_else(|error| match error.kind() {
                io::ErrorKind::NotFound => Ok(()),
                _ => Err(error),
            }),
        });
        // Only now: before, nobody may believe that it is on the disk.
        self.written.store(changes, Ordering::Release);
        outcome.map(|()| true)
    }

    fn replace(&self, bytes: &[u8]) -> io::Result<()> {
        if let Some(folder) = self.file.parent() {
            disk::private_folder(folder)?;
        }
        disk::replace(&self.file, bytes)
    }

    fn is_written(&self, changes: u64) -> bool {
        self.written.load(Ordering::Acquire) >= changes
    }

    fn content(&self) -> MutexGuard<'_, Content<T>> {
        // Whole between any two statements.
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: fmt::Debug> fmt::Debug for Note<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Note").field("file", &self.file).field("content", &self.content).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::future::join_all;
    use std::collections::BTreeSet;

    fn note(folder: &Path) -> Arc<Note<BTreeSet<u32>>> {
        Note::new(folder.join("note.json"), BTreeSet::new(), |them| serde_json::to_vec(them).map(Some))
    }

    fn read(note: &Note<BTreeSet<u32>>) -> BTreeSet<u32> {
        serde_json::from_slice(&fs::read(note.file()).expect("there")).expect("JSON")
    }

    #[tokio::test]
    async fn many_who_wait_at_once_share_a_write_and_each_has_its_own_on_the_disk() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let note = note(folder.path());
        let one = async |number| {
            note.with(|them| (them.insert(number), true));
            let wrote = note.save().await.expect("written");
            assert!(read(&note).contains(&number));
            wrote
        };
        let wrote = join_all((0..1000).map(one)).await;
        assert!(wrote.iter().filter(|wrote| **wrote).count() <= 2);
        assert!(!note.save().await.expect("nothing to write"));
    }

    #[tokio::test]
    async fn a_write_that_fails_is_told_once_and_tried_again_with_the_next_change() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let note = note(folder.path());
        fs::create_dir(note.file()).expect("in the way");
        note.with(|them| (them.insert(1), true));
        assert!(note.save().await.is_err());
        assert!(!note.save().await.expect("told already"));
        fs::remove_dir(note.file()).expect("away");
        note.with(|them| (them.insert(2), true));
        assert!(note.save().await.expect("written"));
        assert_eq!(read(&note), BTreeSet::from([1, 2]));
    }
}
