//! A program that writes numbered lines, `N=1`, `N=2` and so on, and rotates its log as programs do.
use super::program;
use std::{
    fs::{self, File, OpenOptions},
    io::{Read, Write},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

/// How the log is rotated.
#[derive(Clone, Copy, Debug)]
pub enum Rotation {
    Never,
    /// `app.log` becomes `app.log.1`, that one `app.log.2` and so on, after `every` lines; `keep` old ones stay.
    Rename {
        every: u64,
        keep: usize,
    },
    /// `app.log` is copied to `app.log.1`, after what was there moved on as above, and then cut to nothing. Nothing is
    /// written in between, so that nothing is lost by it.
    CopyTruncate {
        every: u64,
        keep: usize,
    },
}

/// The log file as the program that writes it sees it.
pub struct NumberedLog {
    path: PathBuf,
    file: File,
    rotation: Rotation,
    written: u64,
}

impl NumberedLog {
    /// An open log.
    pub fn open(path: &Path, rotation: Rotation) -> Self {
        Self { path: path.to_owned(), file: appending(path), rotation, written: 0 }
    }

    /// Write the next line, each in one write call, and rotate when it is time.
    pub fn write_line(&mut self) -> u64 {
        self.written += 1;
        self.file.write_all(format!("N={}\n", self.written).as_bytes()).expect("a log that can be written");
        match self.rotation {
            Rotation::Rename { every, keep } if self.written.is_multiple_of(every) => self.rename(keep),
            Rotation::CopyTruncate { every, keep } if self.written.is_multiple_of(every) => {
                self.copy_and_truncate(keep)
            }
            Rotation::Never | Rotation::Rename { .. } | Rotation::CopyTruncate { .. } => {}
        }
        self.written
    }

    fn generation(&self, number: usize) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        if number > 0 {
            name.push(format!(".{number}"));
        }
        name.into()
    }

    /// Moves the generations from `first` on one number up; the last one of `keep` makes way.
    fn move_up(&self, first: usize, keep: usize) {
        for number in (first..keep).rev() {
            let from = self.generation(number);
            if from.exists() {
                fs::rename(from, self.generation(number + 1)).expect("a log that can be renamed");
            }
        }
    }

    fn rename(&mut self, keep: usize) {
        self.move_up(0, keep);
        self.file = appending(&self.path);
    }

    /// Rotate now by copying and cutting.
    pub fn copy_and_truncate(&mut self, keep: usize) {
        self.move_up(1, keep);
        fs::copy(&self.path, self.generation(1)).expect("a log that can be copied");
        self.file.set_len(0).expect("a log that can be cut");
    }
}

fn appending(path: &Path) -> File {
    OpenOptions::new().create(true).append(true).open(path).expect("a log that can be opened")
}

/// A [`NumberedLog`] that is written by a thread until it is told to stop.
pub struct Writer {
    stop: Arc<AtomicBool>,
    written: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Start writing this many lines a second, or as much fewer as the program beside it is slower ([`program::slowness`]): what is
    /// rotated away stays for as many of its starts.
    pub fn start(path: &Path, rotation: Rotation, lines_per_second: u64) -> Self {
        let (stop, written) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let mut log = NumberedLog::open(path, rotation);
        let (stopped, counted) = (Arc::clone(&stop), Arc::clone(&written));
        // A burst of some lines at a time, as programs write.
        let (burst, pause) = (lines_per_second.div_ceil(50), Duration::from_millis(20) * program::slowness());
        let thread = std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                for _ in 0..burst {
                    counted.store(log.write_line(), Ordering::Relaxed);
                }
                std::thread::sleep(pause);
            }
        });
        Self { stop, written, thread: Some(thread) }
    }

    /// Lines so far.
    pub fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    /// Stop, and say how many lines there are.
    pub fn stop(mut self) -> u64 {
        self.finish();
        self.written()
    }

    fn finish(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
            && !std::thread::panicking()
        {
            panic!("the writer failed; its message stands above");
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.finish();
    }
}

/// The numbers out of `1..=last` that no message carries. Panics on a message that is no whole numbered line.
pub fn missing<'a>(messages: impl IntoIterator<Item = &'a str>, last: u64) -> Vec<u64> {
    let mut wanted: std::collections::BTreeSet<u64> = (1..=last).collect();
    for message in messages {
        let number = message.strip_prefix("N=").and_then(|number| number.parse().ok());
        wanted.remove(&number.unwrap_or_else(|| panic!("{message:?} is no numbered line")));
    }
    wanted.into_iter().collect()
}

fn lines(path: &Path) -> Vec<String> {
    let mut text = String::new();
    File::open(path).expect("a log").read_to_string(&mut text).expect("text");
    text.lines().map(str::to_owned).collect()
}

#[test]
fn renaming_keeps_so_many_old_logs() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("app.log");
    let mut log = NumberedLog::open(&path, Rotation::Rename { every: 2, keep: 2 });
    for _ in 0..7 {
        log.write_line();
    }
    assert_eq!(lines(&path), ["N=7"]);
    assert_eq!(lines(&folder.path().join("app.log.1")), ["N=5", "N=6"]);
    assert_eq!(lines(&folder.path().join("app.log.2")), ["N=3", "N=4"]);
    assert!(!folder.path().join("app.log.3").exists());
}

#[test]
fn copying_leaves_the_same_file_empty_and_keeps_so_many_copies() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("app.log");
    let mut log = NumberedLog::open(&path, Rotation::CopyTruncate { every: 2, keep: 2 });
    for _ in 0..7 {
        log.write_line();
    }
    assert_eq!(lines(&path), ["N=7"]);
    assert_eq!(lines(&folder.path().join("app.log.1")), ["N=5", "N=6"]);
    assert_eq!(lines(&folder.path().join("app.log.2")), ["N=3", "N=4"]);
    assert!(!folder.path().join("app.log.3").exists());
}

#[test]
fn a_number_that_nobody_carries_is_missing() {
    assert_eq!(missing(["N=3", "N=1", "N=1"], 4), [2, 4]);
}
