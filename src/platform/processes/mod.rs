//! What runs on this machine, and what each process uses.
//!
//! | | list | executable, command line | figures |
//! |---|---|---|---|
//! | Linux | the numbers in `/proc` | `exe`, `cmdline` | `stat`; `statm`, `status`, `io`, `fd`, `limits`, `smaps_rollup` where they are wanted |
//! | macOS | `proc_listallpids` | `proc_pidpath`, `KERN_PROCARGS2` | `PROC_PIDTASKALLINFO` |
//! | Windows | `CreateToolhelp32Snapshot` | the name of the file; `sysinfo` | `GetProcessTimes`, `GetProcessMemoryInfo`, `GetProcessIoCounters`, `GetProcessHandleCount` |
//!
//! A [`Census`] is one look at all processes that several questions share: each text is read once, and only when somebody asks
//! for it. What the system does not tell this user is `None`, never a zero and never an error; a process that ended in between
//! is not there. Why not `sysinfo` on Linux: it reads six files of each process and all of its threads to list it, and knows
//! neither limits nor switches nor user and system time.
//!
//! The parsers of text and the readers of `/proc` and of the control groups compile and are tested on every system.
#[cfg_attr(not(target_os = "linux"), allow(dead_code))]
mod procfs;
#[cfg_attr(not(target_os = "linux"), allow(dead_code))]
mod text;
#[cfg_attr(not(target_os = "linux"), allow(dead_code))]
mod units;

#[cfg_attr(target_os = "linux", path = "linux.rs")]
#[cfg_attr(target_os = "macos", path = "macos.rs")]
#[cfg_attr(windows, path = "windows.rs")]
mod imp;

use std::io;

/// One process at one moment. Sizes are bytes, times are seconds since it began; `None` is what the system does not tell.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Process {
    /// The name of its program, without folders.
    pub name: String,
    /// When it began. Only to be compared: it tells a process from a later one that was given the same number.
    pub started: u64,
    pub user: Option<f64>,
    pub system: Option<f64>,
    /// Seconds that it has waited for disks. Linux counts them where delay accounting is on, else they are zero.
    pub waiting: Option<f64>,
    pub resident: Option<u64>,
    /// All of its address space. Windows: what is committed for it alone.
    pub address_space: Option<u64>,
    pub data: Option<u64>,
    pub locked: Option<u64>,
    pub stack: Option<u64>,
    pub swap: Option<u64>,
    pub threads: Option<u64>,
    /// Open files and sockets. Windows: handles.
    pub descriptors: Option<u64>,
    /// -20, the first to run, to 19.
    pub nice: Option<i64>,
    /// 1 to 99 of what runs before all others, 0 of everything else.
    pub realtime: Option<u64>,
    /// How many kinds of signals wait for the process as a whole.
    pub pending: Option<u64>,
    /// How often the first thread gave its processor away, and how often it was taken from it.
    pub voluntary: Option<u64>,
    pub involuntary: Option<u64>,
    /// Calls that read and wrote, whatever they moved.
    pub reads: Option<u64>,
    pub writes: Option<u64>,
    /// Bytes of disks. Windows: of everything.
    pub bytes_read: Option<u64>,
    pub bytes_written: Option<u64>,
    pub limits: Vec<Limit>,
}

/// How much of something a process may use: <https://man7.org/linux/man-pages/man2/getrlimit.2.html>.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limit {
    pub on: Resource,
    /// `None`: as much as it likes.
    pub soft: Option<u64>,
    pub hard: Option<u64>,
}

/// What is limited.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Resource {
    /// Seconds.
    CpuTime,
    Data,
    Stack,
    Resident,
    Descriptors,
    Locked,
    AddressSpace,
    FileLocks,
    PendingSignals,
    /// 20 minus the lowest nice value that it may take.
    Nice,
    Realtime,
}

/// What is read of a process beyond what is cheap.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Wanted {
    /// `resident` and `address_space` as exactly as the system knows them.
    pub memory: bool,
    /// `data`, `locked`, `stack`, `pending`, `voluntary`, `involuntary`.
    pub status: bool,
    /// The system walks through all of its memory for this.
    pub swap: bool,
    pub io: bool,
    pub descriptors: bool,
    pub limits: bool,
}

/// By what a process is found.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Text {
    /// The path of its executable file. Windows: the name of that file.
    Executable,
    /// What it was started with, or calls itself since, words separated by a space.
    Command,
}

/// What a search found.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Found {
    pub pids: Vec<u32>,
    /// Processes whose text this user may not read, so that they are never found.
    pub hidden: usize,
}

/// Where processes are seen.
trait Host: Send {
    /// Forget what the last look saw.
    fn renew(&mut self) {}

    /// The numbers of all processes, sorted.
    fn list(&mut self) -> io::Result<Vec<u32>>;

    fn column(&mut self, what: Text, pids: &[u32]) -> Column;

    fn read(&mut self, pid: u32, wanted: Wanted) -> Option<Process>;

    fn of_unit(&self, unit: &str) -> io::Result<Option<Vec<u32>>>;

    fn shows_others(&self) -> io::Result<()> {
        Ok(())
    }
}

/// One look at all processes.
pub struct Census {
    host: Box<dyn Host>,
    pids: Option<Vec<u32>>,
    executables: Option<Column>,
    commands: Option<Column>,
}

impl Census {
    /// Of this machine. Nothing is read yet.
    pub fn new() -> Self {
        Self::of(imp::host())
    }

    /// Of folders that stand for `/proc` and `/sys/fs/cgroup`, on a machine with pages of 4 KiB.
    #[cfg(test)]
    pub fn below(proc: &std::path::Path, groups: &std::path::Path) -> Self {
        let scale = text::Scale { ticks: 100, page: 4096 };
        Self::of(Box::new(procfs::Proc::new(proc, groups, scale, false)))
    }

    fn of(host: Box<dyn Host>) -> Self {
        Self { host, pids: None, executables: None, commands: None }
    }

    /// Forget what was seen: the next question looks again.
    pub fn renew(&mut self) {
        (self.pids, self.executables, self.commands) = (None, None, None);
        self.host.renew();
    }

    /// Every process whose text is taken.
    ///
    /// # Errors
    /// When the processes cannot be listed at all.
    pub fn find(&mut self, what: Text, takes: &dyn Fn(&str) -> bool) -> io::Result<Found> {
        let pids = match &mut self.pids {
            Some(pids) => pids,
            none => none.insert(self.host.list()?),
        };
        let column = match what {
            Text::Executable => &mut self.executables,
            Text::Command => &mut self.commands,
        };
        let column = match column {
            Some(column) => column,
            none => none.insert(self.host.column(what, pids)),
        };
        let pids = column.rows().filter(|(_, text)| takes(text)).map(|(pid, _)| pid).collect();
        Ok(Found { pids, hidden: column.hidden })
    }

    /// One process as it is now. `None` when there is none of this number, or only what is left of one until its parent asks.
    pub fn read(&mut self, pid: u32, wanted: Wanted) -> Option<Process> {
        self.host.read(pid, wanted)
    }

    /// The processes of a unit of systemd, also those in groups that it made below its own; `None` when it does not run (a unit
    /// that is stopped looks like one that does not exist). A name without a kind is that of a service.
    ///
    /// # Errors
    /// `Unsupported` where systemd is not what started this machine; else when the control groups cannot be read.
    pub fn of_unit(&self, unit: &str) -> io::Result<Option<Vec<u32>>> {
        self.host.of_unit(unit)
    }

    /// Whether this user is shown the processes of others, so that one that was not found does not run.
    ///
    /// # Errors
    /// When it is not, with what to do.
    pub fn shows_others(&self) -> io::Result<()> {
        self.host.shows_others()
    }
}

/// One text of each process, all in one piece of memory.
#[derive(Debug, Default)]
struct Column {
    text: String,
    /// The number of each process, and where its text ends.
    ends: Vec<(u32, usize)>,
    hidden: usize,
}

impl Column {
    /// What `write` appends for each process. One that ended has no text, one that is refused is counted.
    fn of(pids: &[u32], mut write: impl FnMut(u32, &mut String) -> io::Result<()>) -> Self {
        let mut column = Self::default();
        for &pid in pids {
            let before = column.text.len();
            match write(pid, &mut column.text) {
                Ok(()) => column.ends.push((pid, column.text.len())),
                Err(error) => {
                    column.text.truncate(before);
                    column.hidden += usize::from(error.kind() == io::ErrorKind::PermissionDenied);
                }
            }
        }
        column
    }

    fn rows(&self) -> impl Iterator<Item = (u32, &str)> {
        self.ends.iter().scan(0, |from, &(pid, end)| {
            let text = &self.text[*from..end];
            *from = end;
            Some((pid, text))
        })
    }
}

#[cfg(test)]
mod tests;
