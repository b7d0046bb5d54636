//! Processes as Windows tells of them, each asked by a handle; those of the system tell their names only to administrators.
#![allow(unsafe_code)]
use super::{Column, Host, Process, Text, Wanted};
use std::io;
use sysinfo::{ProcessRefreshKind, ProcessesToUpdate, System, UpdateKind};
use windows::{
    Win32::{
        Foundation::{CloseHandle, ERROR_ACCESS_DENIED, FILETIME, HANDLE},
        System::{
            Diagnostics::ToolHelp::{
                CreateToolhelp32Snapshot, PROCESSENTRY32W, Process32FirstW, Process32NextW, TH32CS_SNAPPROCESS,
            },
            ProcessStatus::{K32GetProcessMemoryInfo, PROCESS_MEMORY_COUNTERS},
            Threading::{
                GetProcessHandleCount, GetProcessIoCounters, GetProcessTimes, IO_COUNTERS, OpenProcess,
                PROCESS_QUERY_LIMITED_INFORMATION,
            },
        },
    },
    core::HRESULT,
};

/// Closed when it is dropped.
struct Handle(HANDLE);

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: the handle is ours, is open, and nobody uses it after this.
        let _ = unsafe { CloseHandle(self.0) };
    }
}

/// One line of the system's list.
struct Listed {
    pid: u32,
    name: String,
    threads: u32,
}

#[derive(Default)]
struct Windows {
    /// Sorted by number.
    listed: Option<Vec<Listed>>,
}

pub fn host() -> Box<dyn Host> {
    Box::new(Windows::default())
}

impl Host for Windows {
    fn renew(&mut self) {
        self.listed = None;
    }

    fn list(&mut self) -> io::Result<Vec<u32>> {
        Ok(self.listed()?.iter().map(|listed| listed.pid).collect())
    }

    fn column(&mut self, what: Text, pids: &[u32]) -> Column {
        match what {
            Text::Executable => Column::of(pids, |pid, into| {
                let listed = self.of(pid).ok_or(io::ErrorKind::NotFound)?;
                into.push_str(&listed.name);
                Ok(())
            }),
            Text::Command => commands(pids),
        }
    }

    fn read(&mut self, pid: u32, wanted: Wanted) -> Option<Process> {
        let listed = self.of(pid)?;
        let mut process =
            Process { name: listed.name.clone(), threads: Some(listed.threads.into()), ..Process::default() };
        // SAFETY: it takes numbers only; the handle is owned from here on.
        let handle = match unsafe { OpenProcess(PROCESS_QUERY_LIMITED_INFORMATION, false, pid) } {
            Ok(handle) => Handle(handle),
            // It is there, and is the system's.
            Err(error) if error.code() == HRESULT::from_win32(ERROR_ACCESS_DENIED.0) => return Some(process),
            Err(_) => return None,
        };
        let [mut began, mut ended, mut system, mut user] = [FILETIME::default(); 4];
        // SAFETY: the handle is open, and the four places outlive the call.
        if unsafe { GetProcessTimes(handle.0, &raw mut began, &raw mut ended, &raw mut system, &raw mut user) }.is_ok()
        {
            if ticks(ended) > 0 {
                // Only somebody's handle holds what is left of it.
                return None;
            }
            process.started = ticks(began);
            (process.user, process.system) = (Some(seconds(user)), Some(seconds(system)));
        }
        memory(&handle, &mut process);
        if wanted.io {
            io_counters(&handle, &mut process);
        }
        let mut handles = 0;
        // SAFETY: the handle is open, and the place outlives the call.
        if wanted.descriptors && unsafe { GetProcessHandleCount(handle.0, &raw mut handles) }.is_ok() {
            process.descriptors = Some(handles.into());
        }
        Some(process)
    }

    fn of_unit(&self, _: &str) -> io::Result<Option<Vec<u32>>> {
        Err(io::Error::new(io::ErrorKind::Unsupported, "Windows has no systemd"))
    }
}

impl Windows {
    fn of(&mut self, pid: u32) -> Option<&Listed> {
        let listed = self.listed().ok()?;
        listed.binary_search_by_key(&pid, |listed| listed.pid).ok().map(|at| &listed[at])
    }

    fn listed(&mut self) -> io::Result<&[Listed]> {
        Ok(match &mut self.listed {
            Some(listed) => listed,
            none => none.insert(snapshot()?),
        })
    }
}

/// <https://learn.microsoft.com/windows/win32/toolhelp/taking-a-snapshot-and-viewing-processes>
fn snapshot() -> io::Result<Vec<Listed>> {
    // SAFETY: it takes numbers only; the handle is owned from here on.
    let snapshot = Handle(unsafe { CreateToolhelp32Snapshot(TH32CS_SNAPPROCESS, 0) }?);
    let mut entry = PROCESSENTRY32W { dwSize: size_of::<PROCESSENTRY32W>() as u32, ..Default::default() };
    let mut all = Vec::new();
    // SAFETY: the handle is open, and the entry says its own size.
    let mut more = unsafe { Process32FirstW(snapshot.0, &raw mut entry) }.is_ok();
    while more {
        let end = entry.szExeFile.iter().position(|unit| *unit == 0).unwrap_or(entry.szExeFile.len());
        let name = String::from_utf16_lossy(&entry.szExeFile[..end]);
        // 0 is what runs when nothing does.
        if entry.th32ProcessID > 0 {
            all.push(Listed { pid: entry.th32ProcessID, name, threads: entry.cntThreads });
        }
        // SAFETY: as above.
        more = unsafe { Process32NextW(snapshot.0, &raw mut entry) }.is_ok();
    }
    all.sort_unstable_by_key(|listed| listed.pid);
    Ok(all)
}

/// Their command lines lie in their own memory, where `sysinfo` knows to find them.
fn commands(pids: &[u32]) -> Column {
    let mut system = System::new();
    let kind = ProcessRefreshKind::nothing().with_cmd(UpdateKind::Always);
    system.refresh_processes_specifics(ProcessesToUpdate::All, true, kind);
    Column::of(pids, |pid, into| {
        let process = system.process(sysinfo::Pid::from_u32(pid)).ok_or(io::ErrorKind::NotFound)?;
        if process.cmd().is_empty() {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        for (at, word) in process.cmd().iter().enumerate() {
            if at > 0 {
                into.push(' ');
            }
            into.push_str(&word.to_string_lossy());
        }
        Ok(())
    })
}

fn memory(handle: &Handle, process: &mut Process) {
    let mut seen = PROCESS_MEMORY_COUNTERS { cb: size_of::<PROCESS_MEMORY_COUNTERS>() as u32, ..Default::default() };
    // SAFETY: the handle is open, and the place has as many bytes as it says itself.
    if unsafe { K32GetProcessMemoryInfo(handle.0, &raw mut seen, seen.cb) }.as_bool() {
        process.resident = Some(seen.WorkingSetSize as u64);
        process.address_space = Some(seen.PagefileUsage as u64);
    }
}

fn io_counters(handle: &Handle, process: &mut Process) {
    let mut seen = IO_COUNTERS::default();
    // SAFETY: the handle is open, and the place outlives the call.
    if unsafe { GetProcessIoCounters(handle.0, &raw mut seen) }.is_ok() {
        process.reads = Some(seen.ReadOperationCount);
        process.writes = Some(seen.WriteOperationCount);
        process.bytes_read = Some(seen.ReadTransferCount);
        process.bytes_written = Some(seen.WriteTransferCount);
    }
}

/// Units of 100 nanoseconds.
fn ticks(time: FILETIME) -> u64 {
    u64::from(time.dwHighDateTime) << 32 | u64::from(time.dwLowDateTime)
}

fn seconds(time: FILETIME) -> f64 {
    ticks(time) as f64 / 1e7
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_known() {
        let mut host = host();
        let own = std::process::id();
        assert!(host.list().expect("listed").contains(&own));
        let wanted = Wanted { io: true, descriptors: true, ..Wanted::default() };
        let process = host.read(own, wanted).expect("alive");
        assert!(process.resident > Some(0) && process.started > 0 && process.user.is_some(), "{process:?}");
        assert!(process.threads > Some(0) && process.descriptors > Some(0) && process.reads.is_some(), "{process:?}");
    }
}
