//! `procstat`: what single processes use, and how many there are of them.
//!
//! An item finds its processes anew at each reading; all that it finds are published under the same dimensions where their names are the
//! same, so that the statistics of CloudWatch are those of all of them. How many were found is a series of its own, which says zero when
//! there is none. What the system does not tell this user of a process is left out.
//!
//! The processor's share needs two readings of the same process; a later one with the same number begins anew. All items of a tick share one
//! [`Census`]. To add a measurement: a field of `platform::processes::Process`, its line in `config::measurements`, and one in [`offer`].
use super::{CollectError, Collector, Entry, Readings, Tagged};
use crate::{
    config::settings::metrics::{Options, Plugin, ProcessSelector},
    platform::{
        files,
        processes::{Census, Found, Process, Resource, Text, Wanted},
    },
};
use std::{
    collections::HashMap,
    io,
    path::Path,
    sync::{Arc, LazyLock, Mutex, MutexGuard, TryLockError},
    thread,
    time::{Duration, Instant},
};

pub(super) const ENTRY: Entry = Entry { key: "procstat", build };

/// Whoever asks so soon after another gets what that one saw: all items of a tick, however many there are.
const SAME_LOOK: Duration = Duration::from_millis(500);

/// Two seconds for the items of a tick to have it one after the other.
const TRIES: usize = 1_000;
const PAUSE: Duration = Duration::from_millis(2);
/// Bytes of a pid file: a number, and whatever else its program writes.
const LONGEST: u64 = 4_096;

/// The name by which the agent calls the way in which it finds processes, one of several that it had once.
const FINDER: (&str, &str) = ("pid_finder", "native");

/// What all items share.
static LOOK: LazyLock<Arc<Mutex<Look>>> = LazyLock::new(|| Arc::new(Mutex::new(Look::of(Census::new()))));

struct Look {
    census: Census,
    at: Option<Instant>,
}

impl Look {
    const fn of(census: Census) -> Self {
        Self { census, at: None }
    }

    /// The processes as of this moment.
    fn now(&mut self, now: Instant) -> &mut Census {
        if self.at.is_none_or(|at| now.saturating_duration_since(at) > SAME_LOOK) {
            self.census.renew();
            self.at = Some(now);
        }
        &mut self.census
    }
}

struct Procstat {
    /// Its JSON path.
    at: String,
    by: ProcessSelector,
    /// The user's own `process_name`.
    name: Option<String>,
    look: Arc<Mutex<Look>>,
    /// By number.
    before: HashMap<u32, Busy>,
    /// Whether the reading before found any.
    finds: Option<bool>,
}

/// What a process had used of the processors.
struct Busy {
    started: u64,
    seconds: f64,
    at: Instant,
}

fn build(plugin: &Plugin) -> Box<dyn Collector> {
    Box::new(Procstat::of(plugin, LOOK.clone()))
}

impl Procstat {
    fn of(plugin: &Plugin, look: Arc<Mutex<Look>>) -> Self {
        let (by, name) = match &plugin.options {
            Options::Procstat { by, name } => (by.clone(), name.clone()),
            // The configuration makes no other of this key; nothing has no name.
            _ => (ProcessSelector::PidFile(String::new()), None),
        };
        Self { at: plugin.at.clone(), by, name, look, before: HashMap::new(), finds: None }
    }

    fn find(&self, census: &mut Census) -> Result<Found, CollectError> {
        let (what, expression) = match &self.by {
            ProcessSelector::PidFile(path) => return in_file(path),
            ProcessSelector::SystemdUnit(unit) => {
                let pids = census.of_unit(unit).map_err(CollectError::read("the processes of a systemd unit"))?;
                return Ok(Found { pids: pids.unwrap_or_default(), hidden: 0 });
            }
            ProcessSelector::Exe(expression) => (Text::Executable, expression),
            ProcessSelector::Pattern(expression) => (Text::Command, expression),
        };
        let takes = |text: &str| expression.regex.is_match(text.as_bytes());
        census.find(what, &takes).map_err(CollectError::read("the list of processes"))
    }

    /// Says when there is none, and when there is one again.
    fn tell(&mut self, any: bool, hidden: usize) {
        let before = self.finds.replace(any);
        let (at, (by, of)) = (&self.at, self.by.dimension());
        match (before, any) {
            (None, true) | (Some(true), true) | (Some(false), false) => {}
            (None | Some(true), false) if hidden > 0 => tracing::warn!(
                at,
                by,
                of,
                hidden,
                "no process is found, but this user may not look at all of them: run as root or administrator, give the capability \
                 CAP_SYS_PTRACE, or use \"pattern\" instead of \"exe\""
            ),
            (None | Some(true), false) => {
                tracing::warn!(at, by, of, "no process is found: a count of zero is published")
            }
            (Some(false), true) => tracing::info!(at, by, of, "a process is found again"),
        }
    }

    /// Percent of one processor since the reading before.
    fn usage(&mut self, pid: u32, process: &Process, at: Instant) -> Option<f64> {
        let seconds = process.user? + process.system?;
        let now = Busy { started: process.started, seconds, at };
        let before = self.before.insert(pid, now).filter(|before| before.started == process.started)?;
        let passed = at.saturating_duration_since(before.at).as_secs_f64();
        let used = seconds - before.seconds;
        (passed > 0.0 && used >= 0.0).then(|| used / passed * 100.0)
    }
}

impl Collector for Procstat {
    fn collect(&mut self, out: &mut Readings<'_>) -> Result<(), CollectError> {
        let now = out.now().monotonic;
        let wanted = wanted(out);
        let look = self.look.clone();
        let mut look = wait_for(&look)?;
        let census = look.now(now);
        let found = self.find(census)?;
        let (key, told) = self.by.dimension();
        let told = told.to_owned();
        let mut count = 0u32;
        for pid in found.pids {
            let Some(process) = census.read(pid, wanted) else { continue };
            count += 1;
            let usage = self.usage(pid, &process, now);
            let name = self.name.as_deref().unwrap_or(&process.name);
            let mut out = out.of(&[(key, &told), ("process_name", name)]);
            if let Some(usage) = usage {
                out.push("cpu_usage", usage);
            }
            out.push("pid", pid.into());
            offer(&mut out, &process);
        }
        self.before.retain(|_, busy| busy.at == now);
        if count == 0 {
            census.shows_others().map_err(CollectError::read("the processes"))?;
        }
        out.of(&[(key, &told), FINDER]).push("pid_count", count.into());
        self.tell(count > 0, found.hidden);
        Ok(())
    }
}

/// What all items share. The others have it for milliseconds; where one of them hangs, it must not take a thread of each.
fn wait_for(look: &Mutex<Look>) -> Result<MutexGuard<'_, Look>, CollectError> {
    for _ in 0..TRIES {
        match look.try_lock() {
            Ok(look) => return Ok(look),
            Err(TryLockError::Poisoned(poisoned)) => return Ok(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => thread::sleep(PAUSE),
        }
    }
    let why = "the look at them before has not come back";
    Err(CollectError::Read { what: "the processes", source: io::Error::new(io::ErrorKind::TimedOut, why) })
}

/// The process that a file names. None where there is no such file: whoever ends in order takes it away.
fn in_file(path: &str) -> Result<Found, CollectError> {
    let told = |error: io::Error| io::Error::new(error.kind(), format!("{path}: {error}"));
    // Whatever stands there: a FIFO would hang, and a device may have no end.
    match files::read_small(Path::new(path), LONGEST).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()) {
        Ok(text) => {
            let number = text.trim().parse().map_err(|_| {
                let shown: String = text.trim().chars().take(40).collect();
                let why = format!("{path} holds {shown:?}, which is no number of a process");
                CollectError::Read { what: "the pid file", source: io::Error::new(io::ErrorKind::InvalidData, why) }
            })?;
            Ok(Found { pids: vec![number], hidden: 0 })
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Found::default()),
        Err(error) => Err(CollectError::Read { what: "the pid file", source: told(error) }),
    }
}

/// What has to be read for what is asked for.
fn wanted(out: &Readings<'_>) -> Wanted {
    let any = |fields: &[&str]| fields.iter().any(|field| out.wants(field));
    let status = [
        "memory_data",
        "memory_locked",
        "memory_stack",
        "signals_pending",
        "voluntary_context_switches",
        "involuntary_context_switches",
    ];
    Wanted {
        memory: any(&["memory_rss", "memory_vms"]),
        status: any(&status),
        swap: out.wants("memory_swap"),
        io: any(&["read_bytes", "write_bytes", "read_count", "write_count"]),
        descriptors: out.wants("num_fds"),
        limits: LIMITS.iter().any(|(_, soft, hard)| any(&[soft, hard])),
    }
}

const LIMITS: [(Resource, &str, &str); 11] = [
    (Resource::CpuTime, "rlimit_cpu_time_soft", "rlimit_cpu_time_hard"),
    (Resource::Data, "rlimit_memory_data_soft", "rlimit_memory_data_hard"),
    (Resource::Stack, "rlimit_memory_stack_soft", "rlimit_memory_stack_hard"),
    (Resource::Resident, "rlimit_memory_rss_soft", "rlimit_memory_rss_hard"),
    (Resource::Descriptors, "rlimit_num_fds_soft", "rlimit_num_fds_hard"),
    (Resource::Locked, "rlimit_memory_locked_soft", "rlimit_memory_locked_hard"),
    (Resource::AddressSpace, "rlimit_memory_vms_soft", "rlimit_memory_vms_hard"),
    (Resource::FileLocks, "rlimit_file_locks_soft", "rlimit_file_locks_hard"),
    (Resource::PendingSignals, "rlimit_signals_pending_soft", "rlimit_signals_pending_hard"),
    (Resource::Nice, "rlimit_nice_priority_soft", "rlimit_nice_priority_hard"),
    (Resource::Realtime, "rlimit_realtime_priority_soft", "rlimit_realtime_priority_hard"),
];

/// Processor times that systems keep for processors and not for processes: the agent publishes them, and they are zero.
const NEVER_COUNTED: [&str; 7] = [
    "cpu_time_guest",
    "cpu_time_guest_nice",
    "cpu_time_idle",
    "cpu_time_irq",
    "cpu_time_nice",
    "cpu_time_soft_irq",
    "cpu_time_steal",
];

/// A limit that is none, as the system's own headers have it.
const UNLIMITED: f64 = -1.0;

fn offer(out: &mut Tagged<'_>, process: &Process) {
    let numbers = [
        ("memory_rss", process.resident),
        ("memory_vms", process.address_space),
        ("memory_data", process.data),
        ("memory_locked", process.locked),
        ("memory_stack", process.stack),
        ("memory_swap", process.swap),
        ("num_threads", process.threads),
        ("num_fds", process.descriptors),
        ("read_bytes", process.bytes_read),
        ("write_bytes", process.bytes_written),
        ("read_count", process.reads),
        ("write_count", process.writes),
        ("voluntary_context_switches", process.voluntary),
        ("involuntary_context_switches", process.involuntary),
        ("signals_pending", process.pending),
        ("realtime_priority", process.realtime),
    ];
    for (field, number) in numbers {
        if let Some(number) = number {
            out.push(field, number as f64);
        }
    }
    // As the kernel's own call has it, and as its limit is written: 20 of one that is neither nice nor the contrary.
    if let Some(nice) = process.nice {
        out.push("nice_priority", (20 - nice) as f64);
    }
    let times =
        [("cpu_time_user", process.user), ("cpu_time_system", process.system), ("cpu_time_iowait", process.waiting)];
    for (field, seconds) in times {
        if let Some(seconds) = seconds {
            out.push(field, seconds);
        }
    }
    if let (Some(user), Some(system)) = (process.user, process.system) {
        out.push("cpu_time", (user + system).floor());
        NEVER_COUNTED.iter().for_each(|field| out.push(field, 0.0));
    }
    for limit in &process.limits {
        let names = LIMITS.iter().find(|(on, ..)| *on == limit.on);
        if let Some((_, soft, hard)) = names {
            out.push(soft, limit.soft.map_or(UNLIMITED, |bound| bound as f64));
            out.push(hard, limit.hard.map_or(UNLIMITED, |bound| bound as f64));
        }
    }
}

#[cfg(test)]
mod tests;
