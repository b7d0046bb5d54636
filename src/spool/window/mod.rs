//! What was measured and waits to be packed, on the disk too: a crash before the next request must not cost it.
//!
//! A **window** is the time between two requests, and a file in the folder. What is measured is appended to it. When a request leaves, what
//! is not complete yet begins the next window; the old file notes which of its batches are safe, delivered or in the spool, and goes with the
//! last of them. What a
//! start finds here are the windows of a run that came to no orderly end; the caller puts them into the spool.
//!
//! Files are appended to and not synced: after a crash of this program all of it is there, after a power cut up to the half minute that the
//! system keeps back is missing. That is the price for not writing to a card each time that something is measured. Where the disk does not take it
//! (full, slow, gone) measuring goes on as without it; it is said once, and the next window tries again.
mod record;

pub use record::{Held, Left};

use crate::{
    model::{Receipt, Timestamp},
    platform::{self, disk},
    telemetry::counters,
};
use record::Names;
use std::{
    collections::HashMap,
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};
use tokio::sync::mpsc;

const EXTENSION: &str = ".window";
/// No window comes near this: it is a minute of a thousand series.
const MOST: u64 = 64 << 20;
/// Orders that wait for the disk. One that stands still must not fill the memory.
const ORDERS: usize = 256;

/// Windows of an earlier run: each file with what it holds, oldest first. Files that are none are left alone.
pub fn left(folder: &Path) -> io::Result<Vec<(PathBuf, Left)>> {
    let mut files: Vec<(u64, PathBuf)> = match fs::read_dir(folder) {
        Ok(entries) => entries.filter_map(|entry| Some(entry.ok()?.path())).filter_map(numbered).collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(vec![]),
        Err(error) => return Err(error),
    };
    files.sort_unstable();
    let mut found = vec![];
    for (_, path) in files {
        match disk::read_regular(&path, MOST).map(|bytes| record::read(&bytes)) {
            Ok(Some(left)) => found.push((path, left)),
            // The crash came before its first line was whole: nothing can be in it.
            Ok(None) if fs::read(&path).is_ok_and(|bytes| !bytes.contains(&b'\n')) => _ = fs::remove_file(&path),
            // Of a newer version.
            Ok(None) => {
                tracing::warn!(file = %path.display(), "this holds no metrics that this version can read: it is left alone")
            }
            Err(error) => {
                tracing::warn!(file = %path.display(), %error, "metrics of an earlier run cannot be read: they stay there for the next start");
            }
        }
    }
    Ok(found)
}

fn numbered(path: PathBuf) -> Option<(u64, PathBuf)> {
    let number = path.file_name()?.to_str()?.strip_suffix(EXTENSION)?.parse().ok()?;
    Some((number, path))
}

/// What the task that writes is told.
enum Order {
    Append(Vec<Held>),
    /// What was complete at `taken` has left; `keep` begins the next window.
    Turn {
        taken: Timestamp,
        keep: Vec<Held>,
        /// The window that ends.
        number: u64,
        batches: usize,
    },
    /// This batch of this window is safe.
    Safe {
        number: u64,
        batch: usize,
    },
}

/// The end at which points come in. Never waits for the disk.
pub struct Windows {
    orders: mpsc::Sender<Order>,
    safe: mpsc::UnboundedSender<Order>,
    /// The window that is open.
    number: u64,
    behind: bool,
}

/// The task that writes.
pub struct Writer {
    orders: mpsc::Receiver<Order>,
    safe: mpsc::UnboundedReceiver<Order>,
    disk: Disk,
}

/// Windows in this folder, which is made when there is something to write.
pub fn open(folder: &Path, namespace: &str) -> (Windows, Writer) {
    let (orders, to_disk) = mpsc::channel(ORDERS);
    let (safe, are_safe) = mpsc::unbounded_channel();
    // A number that no window of an earlier run has: those count up from their own start.
    let number = u64::try_from(Timestamp::now().as_millis()).unwrap_or(0);
    let disk = Disk {
        folder: folder.to_owned(),
        namespace: namespace.to_owned(),
        number,
        open: None,
        ended: HashMap::new(),
        failing: false,
    };
    (Windows { orders, safe, number, behind: false }, Writer { orders: to_disk, safe: are_safe, disk })
}

impl Windows {
    /// These have just been measured.
    pub fn note(&mut self, points: Vec<Held>) {
        if !points.is_empty() {
            self.order(Order::Append(points));
        }
    }

    /// What was complete at `taken` leaves in so many batches. The receipt of each must be given when it is safe.
    pub fn turn(&mut self, taken: Timestamp, keep: Vec<Held>, batches: usize) -> Vec<Receipt> {
        let number = self.number;
        self.number += 1;
        self.order(Order::Turn { taken, keep, number, batches });
        let receipt = |batch| {
            let safe = self.safe.clone();
            // The task ends after everybody who could tell it this.
            Receipt::new(move || _ = safe.send(Order::Safe { number, batch }))
        };
        (0..batches).map(receipt).collect()
    }

    fn order(&mut self, order: Order) {
        let behind = self.orders.try_send(order).is_err();
        if behind && !std::mem::replace(&mut self.behind, true) {
            tracing::warn!("the disk is too slow for the metrics that wait to be sent: a crash now would cost them");
        }
        self.behind = behind;
    }
}

impl Writer {
    /// Write until nobody measures any more and every batch is safe or gone.
    pub async fn run(mut self) {
        let (mut open, mut telling) = (true, true);
        while open || telling {
            let order = tokio::select! {
                // In this order: what ends a window was sent before anybody could say that its batches are safe.
                biased;
                order = self.orders.recv(), if open => order,
                order = self.safe.recv(), if telling => {
                    telling = order.is_some();
                    let Some(order) = order else { continue };
                    Some(order)
                }
            };
            let Some(order) = order else {
                open = false;
                continue;
            };
            let mut disk = self.disk;
            let work = tokio::task::spawn_blocking(move || {
                disk.carry_out(order);
                disk
            });
            match work.await {
                Ok(disk) => self.disk = disk,
                Err(_) => return,
            }
        }
    }
}

struct Disk {
    folder: PathBuf,
    namespace: String,
    /// The window that is open.
    number: u64,
    /// `None`: nothing was measured in this window yet, or its file could not be made.
    open: Option<Open>,
    /// Windows that have ended, of which not every batch is safe.
    ended: HashMap<u64, Ended>,
    failing: bool,
}

struct Ended {
    path: PathBuf,
    file: File,
    /// How many batches are not safe yet.
    left: usize,
}

struct Open {
    path: PathBuf,
    file: File,
    names: Names,
}

impl Disk {
    fn carry_out(&mut self, order: Order) {
        let is_turn = matches!(order, Order::Turn { .. });
        let done = match order {
            Order::Append(points) => self.append(&points),
            Order::Turn { taken, keep, number, batches } => self.turn(taken, &keep, number, batches),
            Order::Safe { number, batch } => self.safe(number, batch),
        };
        match done {
            Ok(()) => {
                if is_turn && std::mem::take(&mut self.failing) {
                    tracing::info!(folder = %self.folder.display(), "metrics that wait to be sent are on the disk again");
                }
            }
            Err(error) => {
                counters::WINDOWS_FAILED.add(1);
                if !std::mem::replace(&mut self.failing, true) {
                    tracing::warn!(folder = %self.folder.display(), %error, "metrics that wait to be sent cannot be written: a crash now would cost them");
                }
            }
        }
    }

    fn append(&mut self, points: &[Held]) -> io::Result<()> {
        let mut bytes = vec![];
        let open = match &mut self.open {
            Some(open) => open,
            None => {
                disk::private_folder(&self.folder)?;
                record::header(&self.namespace, &mut bytes)?;
                let path = self.folder.join(format!("{:016}{EXTENSION}", self.number));
                platform::private_file(&path)?;
                let file = disk::append_private(&path)?;
                self.open.insert(Open { path, file, names: Names::default() })
            }
        };
        record::points(points, &mut open.names, &mut bytes)?;
        open.file.write_all(&bytes)
    }

    fn turn(&mut self, taken: Timestamp, keep: &[Held], number: u64, batches: usize) -> io::Result<()> {
        let old = self.open.take();
        self.number = number + 1;
        // First into the new one, then out of the old one: a crash in between sends twice instead of not at all.
        if !keep.is_empty()
            && let Err(error) = self.append(keep)
        {
            // Where that is not possible the old one goes on: what it holds stands nowhere else.
            if let Some(failed) = std::mem::replace(&mut self.open, old) {
                _ = remove(&failed.path);
            }
            return Err(error);
        }
        let Some(Open { path, mut file, .. }) = old else { return Ok(()) };
        if batches == 0 {
            return remove(&path);
        }
        let mut line = vec![];
        record::taken(taken, batches, &mut line)?;
        let written = file.write_all(&line);
        self.ended.insert(number, Ended { path, file, left: batches });
        written
    }

    /// Note that a batch is safe; the file goes with the last one.
    fn safe(&mut self, number: u64, batch: usize) -> io::Result<()> {
        let Some(ended) = self.ended.get_mut(&number) else { return Ok(()) };
        ended.left = ended.left.saturating_sub(1);
        if ended.left > 0 {
            let mut line = vec![];
            record::safe(batch, &mut line)?;
            return ended.file.write_all(&line);
        }
        self.ended.remove(&number).map_or(Ok(()), |ended| remove(&ended.path))
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests;
