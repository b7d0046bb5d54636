//! A disk that fails when it is told to, and writes to a real folder otherwise.
use crate::spool::text::store::{Disk, Medium};
use std::{
    ffi::OsString,
    io,
    path::Path,
    sync::{Arc, Mutex, MutexGuard},
};

#[derive(Clone, Default)]
pub struct Wreck(Arc<Mutex<State>>);

/// What fails now.
#[derive(Default)]
pub struct State {
    /// So many bytes are free; without a number more than anybody needs.
    pub free: Option<u64>,
    /// Bytes with this text in them are not written.
    pub refused: Option<&'static str>,
    /// So much of an append that fails reaches the file all the same.
    pub part: usize,
    pub lists_fail: bool,
    pub syncs_fail: bool,
    pub cuts_fail: bool,
    pub removals_fail: bool,
    refusals: usize,
}

impl Wreck {
    pub fn full() -> Self {
        let wreck = Self::default();
        wreck.change(|disk| disk.free = Some(0));
        wreck
    }

    pub fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state());
    }

    /// Writes that were refused.
    pub fn refusals(&self) -> usize {
        self.state().refusals
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no test panics in here")
    }

    fn refuses(&self, bytes: &[u8]) -> bool {
        let mut state = self.state();
        let refuses = state.refused.is_some_and(|text| bytes.windows(text.len()).any(|part| part == text.as_bytes()));
        state.refusals += usize::from(refuses);
        refuses
    }
}

fn failed<T>() -> io::Result<T> {
    Err(io::Error::other("the disk fails"))
}

impl Medium for Wreck {
    fn free(&self, _: &Path) -> io::Result<u64> {
        Ok(self.state().free.unwrap_or(u64::MAX))
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<OsString>> {
        if self.state().lists_fail { failed() } else { Disk.list(folder) }
    }

    fn create(&self, folder: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
        if self.refuses(bytes) { failed() } else { Disk.create(folder, path, bytes) }
    }

    fn append(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        if !self.refuses(bytes) {
            return Disk.append(path, bytes);
        }
        let part = self.state().part;
        Disk.append(path, &bytes[..part])?;
        failed()
    }

    fn sync(&self, path: &Path) -> io::Result<()> {
        if self.state().syncs_fail { failed() } else { Disk.sync(path) }
    }

    fn cut(&self, path: &Path, length: u64) -> io::Result<()> {
        if self.state().cuts_fail { failed() } else { Disk.cut(path, length) }
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        if self.state().removals_fail { failed() } else { Disk.remove(path) }
    }
}
