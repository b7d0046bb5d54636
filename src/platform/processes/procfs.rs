//! Processes as `/proc` shows them, or a folder that stands for it.
use super::{Column, Host, Process, Text, Wanted, text, units};
use crate::platform::procfs;
use std::{
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
};

/// Bytes of one file that are looked at. No single word of a command line is longer (`MAX_ARG_STRLEN`), and no other file here
/// comes near it.
const LONGEST: u64 = 128 * 1024;

/// Bytes of these files but for a few command lines: so much stays allocated.
const USUAL: usize = 8 * 1024;

/// A `/proc`.
pub struct Proc {
    root: PathBuf,
    groups: PathBuf,
    scale: text::Scale,
    /// Whether the size of `fd` is the number of files in it, as from Linux 6.2 on. Then nothing has to be listed, and it may be
    /// asked of everybody's processes.
    sized: bool,
    buffer: Vec<u8>,
}

impl Proc {
    /// Counted like this. `own` says whether the kernel that runs makes these files, so that it can be tried what it can do.
    pub fn new(root: &Path, groups: &Path, scale: text::Scale, own: bool) -> Self {
        // We have a file open ourselves; older kernels say zero.
        let sized = own && fs::metadata(root.join("self/fd")).is_ok_and(|fd| fd.len() > 0);
        Self { root: root.to_owned(), groups: groups.to_owned(), scale, sized, buffer: Vec::new() }
    }

    fn descriptors(&self, pid: u32) -> io::Result<u64> {
        let folder = self.of(pid, "fd");
        if self.sized {
            return Ok(fs::metadata(folder)?.len());
        }
        fs::read_dir(folder)?.try_fold(0, |count, entry| entry.map(|_| count + 1))
    }

    fn of(&self, pid: u32, file: &str) -> PathBuf {
        self.root.join(format!("{pid}/{file}"))
    }

    /// The beginning of a file into the buffer.
    fn load(&mut self, pid: u32, file: &str) -> io::Result<()> {
        self.buffer.clear();
        // A long command line was seen once and is let go of again.
        self.buffer.shrink_to(USUAL);
        File::open(self.of(pid, file))?.take(LONGEST).read_to_end(&mut self.buffer)?;
        Ok(())
    }
}

impl Host for Proc {
    /// Those that this user may see.
    fn list(&mut self) -> io::Result<Vec<u32>> {
        let mut pids = Vec::new();
        for entry in fs::read_dir(&self.root)? {
            pids.extend(entry?.file_name().to_str().and_then(|name| name.parse::<u32>().ok()));
        }
        pids.sort_unstable();
        Ok(pids)
    }

    fn column(&mut self, what: Text, pids: &[u32]) -> Column {
        Column::of(pids, |pid, into| match what {
            Text::Executable => {
                let path = fs::read_link(self.of(pid, "exe"))?;
                let path = path.to_string_lossy();
                // A program that was replaced by a newer one is still the one that was started from there.
                into.push_str(path.strip_suffix(" (deleted)").unwrap_or(&path));
                Ok(())
            }
            Text::Command => {
                self.load(pid, "cmdline")?;
                text::command(&self.buffer, into);
                Ok(())
            }
        })
    }

    fn read(&mut self, pid: u32, wanted: Wanted) -> Option<Process> {
        self.load(pid, "stat").ok()?;
        let (mut process, runs) = text::stat(&self.buffer, self.scale)?;
        if !runs {
            return None;
        }
        if process.name.len() >= text::SHORT_NAME && self.load(pid, "cmdline").is_ok() {
            process.name = text::long_name(&process.name, &self.buffer).unwrap_or(process.name);
        }
        if wanted.memory && self.load(pid, "statm").is_ok() {
            text::statm(&self.buffer, self.scale, &mut process);
        }
        if (wanted.status || wanted.swap) && self.load(pid, "status").is_ok() {
            text::status(&self.buffer, &mut process);
        }
        // Refused for processes of others, and unknown before Linux 4.14: then what `status` says stands.
        if wanted.swap && self.load(pid, "smaps_rollup").is_ok() {
            process.swap = text::swapped(&self.buffer).or(process.swap);
        }
        if wanted.io && self.load(pid, "io").is_ok() {
            text::io(&self.buffer, &mut process);
        }
        if wanted.descriptors {
            process.descriptors = self.descriptors(pid).ok();
        }
        if wanted.limits && self.load(pid, "limits").is_ok() {
            process.limits = text::limits(&self.buffer);
        }
        Some(process)
    }

    fn of_unit(&self, unit: &str) -> io::Result<Option<Vec<u32>>> {
        units::processes(&self.groups, unit)
    }

    fn shows_others(&self) -> io::Result<()> {
        procfs::shows_others(&self.root)
    }
}
