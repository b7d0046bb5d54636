//! A disk in memory whose power fails at a chosen step, in the middle of it if wished; and that counts.
use super::super::medium::{Medium, Parts};
use std::{
    collections::BTreeMap,
    io::{self, BufRead, Cursor, ErrorKind},
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard},
};

#[derive(Clone, Default)]
pub struct Wreck(Arc<Mutex<State>>);

#[derive(Default)]
pub struct State {
    files: Vec<Vec<u8>>,
    /// As programs see the folder.
    names: BTreeMap<String, usize>,
    /// As it stands on the disk.
    lasting: BTreeMap<String, usize>,
    /// What was done to names since they were last forced to the disk.
    pending: Vec<Change>,
    open: Option<usize>,
    /// How many more steps are done. `None`: any number.
    power: Option<usize>,
    /// How much of the bytes of the step that fails still reaches the disk.
    last_words: usize,
    /// What the disk takes before it is full, in bytes. `None`: any amount.
    pub room: Option<usize>,
    pub steps: usize,
    pub bytes: usize,
    pages: usize,
    syncs: usize,
}

#[derive(Clone)]
enum Change {
    Create(String, usize),
    Rename(String, String),
    Remove(String),
}

impl Change {
    fn apply(&self, names: &mut BTreeMap<String, usize>) {
        match self {
            Self::Create(name, file) => _ = names.insert(name.clone(), *file),
            Self::Rename(from, to) => _ = names.remove(from).map(|file| names.insert(to.clone(), file)),
            Self::Remove(name) => _ = names.remove(name),
        }
    }
}

impl Wreck {
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no test panics in here")
    }

    pub fn with(name: &str, bytes: &str) -> Self {
        let wreck = Self::default();
        let mut state = wreck.state();
        state.files.push(bytes.into());
        state.names.insert(name.into(), 0);
        state.lasting = state.names.clone();
        drop(state);
        wreck
    }

    /// What is found when the power is back: of the names that were not forced to the disk those that `kept` has a bit for.
    pub fn after(&self, kept: usize) -> Self {
        let state = self.state();
        let mut names = state.lasting.clone();
        let survivors = state.pending.iter().enumerate().filter(|(number, _)| kept >> number & 1 == 1);
        survivors.for_each(|(_, change)| change.apply(&mut names));
        let after = State { files: state.files.clone(), lasting: names.clone(), names, ..State::default() };
        Self(Arc::new(Mutex::new(after)))
    }

    pub fn length_of(&self, name: &str) -> usize {
        let state = self.state();
        state.files[state.names[name]].len()
    }

    /// So many ways there are for [`Wreck::after`].
    pub fn ways(&self) -> usize {
        1 << self.state().pending.len()
    }
}

impl State {
    /// Bytes, pages of 4 KiB that hold them, and syncs.
    pub fn counts(&self) -> (usize, usize, usize) {
        (self.bytes, self.pages, self.syncs)
    }

    pub fn forget_counts(&mut self) {
        (self.bytes, self.pages, self.syncs) = (0, 0, 0);
    }

    /// From now on so many steps are done; of the bytes of the next one so many.
    pub fn fail(&mut self, steps: usize, last_words: usize) {
        (self.power, self.last_words) = (Some(steps), last_words);
    }

    /// Whether the power lasts for one more step.
    fn step(&mut self) -> io::Result<()> {
        if self.power == Some(0) {
            return Err(ErrorKind::TimedOut.into());
        }
        self.steps += 1;
        self.power = self.power.map(|left| left - 1);
        Ok(())
    }

    /// What becomes of `bytes` that are written in this step.
    fn write<'a>(&mut self, bytes: &'a [u8], at: usize) -> (&'a [u8], io::Result<()>) {
        if self.power == Some(0) {
            let words = bytes.len().min(std::mem::take(&mut self.last_words));
            return (&bytes[..words], Err(ErrorKind::TimedOut.into()));
        }
        if let Some(room) = self.room.filter(|room| *room < bytes.len()) {
            return (&bytes[..room], Err(ErrorKind::StorageFull.into()));
        }
        let done = self.step();
        self.bytes += bytes.len();
        self.pages += (at + bytes.len()).div_ceil(4096) - at / 4096;
        self.syncs += 1;
        (bytes, done)
    }
}

impl Medium for Wreck {
    fn path(&self, name: &str) -> PathBuf {
        PathBuf::from("/state").join(name)
    }

    fn make_folder(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn read(&self, name: &str) -> io::Result<Box<dyn BufRead>> {
        let state = self.state();
        let file = state.names.get(name).ok_or(ErrorKind::NotFound)?;
        Ok(Box::new(Cursor::new(state.files[*file].clone())))
    }

    fn create(&mut self, name: &str, parts: Parts<'_>, go_on: bool) -> io::Result<u64> {
        let bytes: Vec<u8> = parts.flatten().collect();
        let mut state = self.state();
        let (kept, done) = state.write(&bytes, 0);
        let file = state.files.len();
        state.files.push(kept.to_vec());
        let change = Change::Create(name.into(), file);
        if done.is_ok() || state.power == Some(0) {
            change.apply(&mut state.names);
            state.pending.push(change);
        }
        if go_on && done.is_ok() {
            state.open = Some(file);
        }
        done.map(|()| bytes.len() as u64)
    }

    fn append(&mut self, length: u64, parts: Parts<'_>) -> io::Result<u64> {
        let bytes: Vec<u8> = parts.flatten().collect();
        let mut state = self.state();
        let open = state.open.ok_or(ErrorKind::NotFound)?;
        let length = usize::try_from(length).expect("small");
        let (kept, done) = state.write(&bytes, length);
        // A full disk leaves a program that can cut off again; a failing one does not.
        if done.is_ok() || state.power == Some(0) {
            state.files[open].truncate(length);
            state.files[open].extend_from_slice(kept);
        }
        done.map(|()| bytes.len() as u64)
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.state();
        state.step()?;
        if !state.names.contains_key(from) {
            return Err(ErrorKind::NotFound.into());
        }
        let change = Change::Rename(from.into(), to.into());
        change.apply(&mut state.names);
        state.pending.push(change);
        Ok(())
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        let mut state = self.state();
        state.step()?;
        let change = Change::Remove(name.into());
        change.apply(&mut state.names);
        state.pending.push(change);
        Ok(())
    }

    fn sync_names(&mut self) -> io::Result<()> {
        let mut state = self.state();
        state.step()?;
        state.syncs += 1;
        state.lasting = state.names.clone();
        state.pending.clear();
        Ok(())
    }

    fn is_in_place(&self, name: &str, length: u64) -> bool {
        let state = self.state();
        let there = state.names.get(name).copied();
        there.is_some() && there == state.open && state.files[there.expect("asked")].len() as u64 == length
    }
}
