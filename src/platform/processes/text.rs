//! The files of one process in `/proc`, as <https://docs.kernel.org/filesystems/proc.html> describes them.
//!
//! A process chooses its own name, so that `stat` may hold anything between its parentheses. What is missing or of another form
//! is `None`: kernels add fields, and older ones lack some.
use super::{Limit, Process, Resource};

/// How the kernel counts.
#[derive(Clone, Copy, Debug)]
pub struct Scale {
    /// Ticks in a second, of all times in `stat`.
    pub ticks: u64,
    /// Bytes of a page.
    pub page: u64,
}

/// The name is cut to so many bytes in `stat` (`TASK_COMM_LEN`, with its zero).
pub const SHORT_NAME: usize = 15;

/// `stat`: the process, and whether it still runs. `None` for a text of another form.
pub fn stat(text: &[u8], scale: Scale) -> Option<(Process, bool)> {
    // A name may have parentheses of its own; behind the last one are numbers only.
    let (open, close) = (memchr::memchr(b'(', text)?, memchr::memrchr(b')', text)?);
    let name = String::from_utf8_lossy(text.get(open + 1..close)?).into_owned();
    let rest = std::str::from_utf8(&text[close + 1..]).ok()?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    // Numbered as the manual does, whose third field is the first one here.
    let field = |number: usize| fields.get(number - 3).copied();
    let number = |at: usize| field(at).and_then(|text| text.parse::<u64>().ok());
    let seconds = |at: usize| number(at).map(|ticks| ticks as f64 / scale.ticks as f64);
    // Z: its parent has not asked how it ended. X and x: it is being taken away.
    let runs = !matches!(field(3)?, "Z" | "X" | "x");
    let process = Process {
        name,
        started: number(22)?,
        user: seconds(14),
        system: seconds(15),
        waiting: seconds(42),
        resident: number(24).map(|pages| pages.saturating_mul(scale.page)),
        address_space: number(23),
        threads: number(20),
        nice: field(19).and_then(|text| text.parse().ok()),
        realtime: number(40),
        ..Process::default()
    };
    Some((process, runs))
}

/// `statm`: the same two sizes as in `stat`, which newer kernels count exactly here, and only about there: the more processors, the
/// less exactly. <https://docs.kernel.org/filesystems/proc.html>, "RSS"
pub fn statm(text: &[u8], scale: Scale, process: &mut Process) {
    let text = String::from_utf8_lossy(text);
    let mut sizes = text.split_ascii_whitespace().map(|pages| pages.parse::<u64>().ok()?.checked_mul(scale.page));
    process.address_space = sizes.next().flatten().or(process.address_space);
    process.resident = sizes.next().flatten().or(process.resident);
}

/// `status`: what `stat` does not have. Swap is that of the process's own pages, without shared memory.
pub fn status(text: &[u8], process: &mut Process) {
    for (key, value) in lines(text) {
        match key {
            "VmData" => process.data = kibibytes(value),
            "VmLck" => process.locked = kibibytes(value),
            "VmStk" => process.stack = kibibytes(value),
            "VmSwap" => process.swap = kibibytes(value),
            "ShdPnd" => process.pending = u64::from_str_radix(value, 16).ok().map(|set| set.count_ones().into()),
            "voluntary_ctxt_switches" => process.voluntary = value.parse().ok(),
            "nonvoluntary_ctxt_switches" => process.involuntary = value.parse().ok(),
            _ => {}
        }
    }
}

/// `io`.
pub fn io(text: &[u8], process: &mut Process) {
    for (key, value) in lines(text) {
        let place = match key {
            "syscr" => &mut process.reads,
            "syscw" => &mut process.writes,
            "read_bytes" => &mut process.bytes_read,
            "write_bytes" => &mut process.bytes_written,
            _ => continue,
        };
        *place = value.parse().ok();
    }
}

/// `smaps_rollup`: bytes in swap, shared memory included.
pub fn swapped(text: &[u8]) -> Option<u64> {
    lines(text).find(|(key, _)| *key == "Swap").and_then(|(_, value)| kibibytes(value))
}

/// `limits`: those that there is a [`Resource`] for.
pub fn limits(text: &[u8]) -> Vec<Limit> {
    const NAMES: [(&str, Resource); 11] = [
        ("Max cpu time", Resource::CpuTime),
        ("Max data size", Resource::Data),
        ("Max stack size", Resource::Stack),
        ("Max resident set", Resource::Resident),
        ("Max open files", Resource::Descriptors),
        ("Max locked memory", Resource::Locked),
        ("Max address space", Resource::AddressSpace),
        ("Max file locks", Resource::FileLocks),
        ("Max pending signals", Resource::PendingSignals),
        ("Max nice priority", Resource::Nice),
        ("Max realtime priority", Resource::Realtime),
    ];
    let text = String::from_utf8_lossy(text);
    let limit = |line: &str| {
        let (rest, on) = NAMES.iter().find_map(|(name, on)| Some((line.strip_prefix(name)?, *on)))?;
        let mut bounds = rest.split_ascii_whitespace().map(|bound| match bound {
            "unlimited" => Some(None),
            number => number.parse().ok().map(Some),
        });
        Some(Limit { on, soft: bounds.next()??, hard: bounds.next()?? })
    };
    text.lines().filter_map(limit).collect()
}

/// The words of `cmdline`, separated by spaces instead of zeros; empty ones left out.
pub fn command(raw: &[u8], into: &mut String) {
    let words = raw.split(|byte| *byte == 0).filter(|word| !word.is_empty());
    for (at, word) in words.enumerate() {
        if at > 0 {
            into.push(' ');
        }
        into.push_str(&String::from_utf8_lossy(word));
    }
}

/// The whole name of a program whose name `stat` may have cut: the file name of its first word, if that begins like it.
pub fn long_name(short: &str, raw: &[u8]) -> Option<String> {
    let first = raw.split(|byte| *byte == 0).next()?;
    let name = first.rsplit(|byte| *byte == b'/').next()?;
    let name = String::from_utf8_lossy(name);
    name.starts_with(short).then(|| name.into_owned())
}

/// `key: value` of each line.
fn lines(text: &[u8]) -> impl Iterator<Item = (&str, &str)> {
    let line = |line| {
        let (key, value) = std::str::from_utf8(line).ok()?.split_once(':')?;
        Some((key, value.trim()))
    };
    text.split(|byte| *byte == b'\n').filter_map(line)
}

/// Bytes of a number like `12 kB`, which are units of 1,024 whatever they are called.
fn kibibytes(value: &str) -> Option<u64> {
    value.strip_suffix("kB")?.trim_end().parse::<u64>().ok()?.checked_mul(1024)
}

/// The words that macOS tells of a process: behind their number (of the machine's byte order) and the path, with a zero at the end
/// of each; what stands behind them is the environment, which may hold secrets and is not touched.
#[cfg_attr(not(target_os = "macos"), allow(dead_code))]
pub fn first_arguments(answer: &[u8]) -> &[u8] {
    let Some((count, rest)) = answer.split_first_chunk::<4>() else { return &[] };
    let count = usize::try_from(i32::from_ne_bytes(*count)).unwrap_or(0);
    let path = memchr::memchr(0, rest).unwrap_or(rest.len());
    let padding = rest[path..].iter().take_while(|byte| **byte == 0).count();
    let words = &rest[path + padding..];
    let end =
        memchr::memchr_iter(0, words).nth(count.wrapping_sub(1)).unwrap_or(if count > 0 { words.len() } else { 0 });
    &words[..end]
}
