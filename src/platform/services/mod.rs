//! The service control manager of Windows, from both sides: being one of its services ([`being`]), and telling it which there are
//! ([`Manager`]).
//!
//! What is decided without it stands here and compiles everywhere: what a service reports, how a command line is quoted, who a service's
//! account is, and who may do what in its folders. On other systems nobody is a service and there is no manager to ask.
//!
//! <https://learn.microsoft.com/windows/win32/services/services>
#[cfg(windows)]
mod accounts;
pub mod being;
#[cfg(windows)]
mod manager;
mod rights;

pub use rights::{Entry, account, account_id, rights_of};

use std::{io, path::Path, time::Duration};

/// What the manager asks of a service.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Asked {
    /// To stop: by somebody, or because the system goes down.
    Stop,
    /// To read its configuration again.
    Reload,
    /// Whether it is there.
    Nothing,
}

/// What a control of the manager means; `None`: we do not take it.
///
/// <https://learn.microsoft.com/windows/win32/api/winsvc/nc-winsvc-lphandler_function_ex>
#[cfg_attr(not(windows), allow(dead_code, reason = "nobody is a service there"))]
pub fn asked(control: u32) -> Option<Asked> {
    match control {
        // SERVICE_CONTROL_STOP, _SHUTDOWN, _PRESHUTDOWN.
        1 | 5 | 15 => Some(Asked::Stop),
        // SERVICE_CONTROL_PARAMCHANGE, and the first of those that a service may give a meaning to: PowerShell sends no other.
        6 | 128 => Some(Asked::Reload),
        // SERVICE_CONTROL_INTERROGATE.
        4 => Some(Asked::Nothing),
        _ => None,
    }
}

/// Where a service stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(not(windows), allow(dead_code, reason = "nobody is a service there"))]
pub enum Phase {
    Starting,
    Running,
    Stopping,
    /// It ended in order with this exit code of ours.
    Ended(u8),
}

/// `SERVICE_STATUS` without what never changes.
///
/// <https://learn.microsoft.com/windows/win32/api/winsvc/ns-winsvc-service_status>
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(not(windows), allow(dead_code, reason = "nobody is a service there"))]
pub struct Report {
    pub state: u32,
    pub accepted: u32,
    pub exit_code: u32,
    pub own_exit_code: u32,
    pub checkpoint: u32,
    pub hint: Duration,
}

/// `ERROR_SERVICE_SPECIFIC_ERROR`: the code is the service's own.
const SPECIFIC: u32 = 1066;

/// What is left for the end of the process after the time that something may take.
#[cfg_attr(not(windows), allow(dead_code, reason = "nobody is a service there"))]
const MARGIN: Duration = Duration::from_secs(5);

/// What to report of a phase that began that long ago and may take so long. The checkpoint goes on with each second of that time and
/// not beyond it: one that hangs is to be seen.
#[cfg_attr(not(windows), allow(dead_code, reason = "nobody is a service there"))]
pub fn report(phase: Phase, since: Duration, within: Duration) -> Report {
    // SERVICE_ACCEPT_STOP, _PARAMCHANGE, _PRESHUTDOWN. The last comes before _SHUTDOWN and leaves more time.
    const TAKEN: u32 = 0x1 | 0x8 | 0x100;
    let within = within + MARGIN;
    let pending = |state, accepted| Report {
        state,
        accepted,
        exit_code: 0,
        own_exit_code: 0,
        checkpoint: 1 + u32::try_from(since.min(within).as_secs()).unwrap_or(u32::MAX - 1),
        hint: within.saturating_sub(since).max(MARGIN),
    };
    let settled = |state, accepted, exit_code, own_exit_code| Report {
        state,
        accepted,
        exit_code,
        own_exit_code,
        checkpoint: 0,
        hint: Duration::ZERO,
    };
    match phase {
        // A stop is taken at once: what is asked for early is done as soon as somebody listens.
        Phase::Starting => pending(2, TAKEN),
        Phase::Stopping => pending(3, 0),
        Phase::Running => settled(4, TAKEN, 0, 0),
        Phase::Ended(0) => settled(1, 0, 0, 0),
        Phase::Ended(code) => settled(1, 0, SPECIFIC, code.into()),
    }
}

/// How a process that is a service ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(not(windows), allow(dead_code, reason = "nobody is a service there"))]
pub enum End {
    /// The manager is told the code: to it the service has stopped, and it stays so.
    Told(u8),
    /// The manager is told nothing: to it the service has crashed, and it is started again.
    Untold,
}

/// How a service ends that has this exit code. What can get better by itself is to be tried again, unless somebody wanted it to stop; what
/// only a person can mend (`lasting`) is not.
#[cfg_attr(not(windows), allow(dead_code, reason = "nobody is a service there"))]
pub fn end_of(code: u8, lasting: bool, asked_to_stop: bool) -> End {
    if code == 0 || lasting || asked_to_stop { End::Told(code) } else { End::Untold }
}

/// A service as it is to be.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Wanted {
    pub name: &'static str,
    /// As the list of services shows it.
    pub title: &'static str,
    pub description: &'static str,
    /// Its command line: see [`command_line`].
    pub command: String,
    /// The account that it runs as, without a password of its own.
    pub account: String,
    /// When it is started again after its first, second and each later crash.
    pub restarts: [Duration; 3],
    /// A time without a crash after which the next one is the first again.
    pub forgive: Duration,
    /// What it may take when the system goes down.
    pub goes_down_within: Duration,
}

/// A service as the manager knows it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Found {
    pub now: Now,
    /// Whether it is started with the machine.
    pub automatic: bool,
    /// Its command line.
    pub command: String,
}

/// What a service does.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Now {
    Running {
        pid: u32,
    },
    Starting,
    Stopping,
    /// `None`: it never ended, or in order.
    Stopped {
        last_exit: Option<u32>,
    },
}

/// What the manager says of a service: `SERVICE_STATUS_PROCESS`.
#[cfg_attr(not(windows), allow(dead_code, reason = "there is no manager"))]
pub fn now(state: u32, pid: u32, exit_code: u32, own_exit_code: u32) -> Now {
    /// `ERROR_SERVICE_NEVER_STARTED`.
    const NEVER: u32 = 1077;
    match state {
        4 => Now::Running { pid },
        1 => Now::Stopped {
            last_exit: match exit_code {
                0 | NEVER => None,
                SPECIFIC => Some(own_exit_code),
                code => Some(code),
            },
        },
        3 => Now::Stopping,
        // What pauses or goes on is none of ours, and is there.
        _ => Now::Starting,
    }
}

/// Why the manager did not do it.
#[derive(Debug, thiserror::Error)]
#[cfg_attr(not(windows), allow(dead_code, reason = "there is no manager"))]
pub enum ManagerError {
    /// This user may not.
    #[error("access is denied")]
    Denied,
    /// There is none of that name.
    #[error("there is no such service")]
    Missing,
    #[error(transparent)]
    Failed(#[from] io::Error),
}

/// The service control manager of this host.
pub trait Manager {
    /// Whether this user may change services.
    ///
    /// # Errors
    /// When not.
    fn may_change(&self) -> Result<(), ManagerError>;

    /// `None`: there is no such service.
    ///
    /// # Errors
    /// When the manager cannot be asked.
    fn look(&self, name: &str) -> Result<Option<Found>, ManagerError>;

    /// Makes the service, or makes it so. One that runs goes on as it is. It is not started with the machine until [`Manager::automatic`].
    ///
    /// # Errors
    /// When it is refused.
    fn put(&self, wanted: &Wanted) -> Result<(), ManagerError>;

    /// Whether it is to be started with the machine; if not, it can only be started after this was changed.
    ///
    /// # Errors
    /// When it is refused.
    fn automatic(&self, name: &str, automatic: bool) -> Result<(), ManagerError>;

    /// Starts it; one that runs is left alone. It may not run yet when this returns.
    ///
    /// # Errors
    /// When it is refused.
    fn start(&self, name: &str) -> Result<(), ManagerError>;

    /// Asks it to stop; one that does not run is left alone. It may still run when this returns.
    ///
    /// # Errors
    /// When it is refused.
    fn stop(&self, name: &str) -> Result<(), ManagerError>;

    /// Takes it out of the list.
    ///
    /// # Errors
    /// When it is refused.
    fn remove(&self, name: &str) -> Result<(), ManagerError>;

    /// Makes a folder, or takes one that is there, and says who may do what in it and below: [`rights_of`].
    ///
    /// # Errors
    /// When it cannot be made, or its rights not be set.
    fn folder(&self, path: &Path, rights: &str) -> io::Result<()>;

    /// Lets an account ([`account_id`]) belong to a group of this host that is named by its id, in which it may be already.
    ///
    /// # Errors
    /// When it is refused.
    fn join(&self, account_id: &str, group_id: &str) -> io::Result<()>;

    /// Says in which words the events of this source in the log `Application` are shown: as they were written.
    ///
    /// # Errors
    /// When it is refused.
    fn event_source(&self, name: &str, wanted: bool) -> io::Result<()>;
}

/// The manager of this host.
#[derive(Clone, Copy, Debug, Default)]
pub struct Scm;

#[cfg(not(windows))]
impl Manager for Scm {
    fn may_change(&self) -> Result<(), ManagerError> {
        Err(none().into())
    }
    fn look(&self, _: &str) -> Result<Option<Found>, ManagerError> {
        Err(none().into())
    }
    fn put(&self, _: &Wanted) -> Result<(), ManagerError> {
        Err(none().into())
    }
    fn automatic(&self, _: &str, _: bool) -> Result<(), ManagerError> {
        Err(none().into())
    }
    fn start(&self, _: &str) -> Result<(), ManagerError> {
        Err(none().into())
    }
    fn stop(&self, _: &str) -> Result<(), ManagerError> {
        Err(none().into())
    }
    fn remove(&self, _: &str) -> Result<(), ManagerError> {
        Err(none().into())
    }
    fn folder(&self, _: &Path, _: &str) -> io::Result<()> {
        Err(none())
    }
    fn join(&self, _: &str, _: &str) -> io::Result<()> {
        Err(none())
    }
    fn event_source(&self, _: &str, _: bool) -> io::Result<()> {
        Err(none())
    }
}

#[cfg(not(windows))]
fn none() -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, "only Windows has a service control manager")
}

/// As the standard library has it: the error of the call, and not the number that the library of Windows wraps it into.
#[cfg(windows)]
fn os_error(error: &windows::core::Error) -> io::Error {
    windows::Win32::Foundation::WIN32_ERROR::from_error(error)
        .map_or_else(|| io::Error::other(error.message()), |code| io::Error::from_raw_os_error(code.0.cast_signed()))
}

/// One command line out of its words, each of which arrives as it is: Windows hands a program one text, and the program cuts it. The
/// first word, the program's path, is always quoted: with a space in it and no quotes another program might be found first.
///
/// <https://learn.microsoft.com/cpp/c-language/parsing-c-command-line-arguments>
pub fn command_line<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let words =
        words.into_iter().enumerate().map(|(at, word)| if at == 0 { format!("\"{word}\"") } else { quoted(word) });
    words.collect::<Vec<_>>().join(" ")
}

fn quoted(word: &str) -> String {
    if !word.is_empty() && !word.contains([' ', '\t', '"']) {
        return word.to_owned();
    }
    let (mut out, mut slashes) = (String::from("\""), 0);
    for c in word.chars() {
        // Backslashes are themselves, but before a quote each stands for half of one.
        if c == '"' {
            out.extend(std::iter::repeat_n('\\', slashes + 1));
        }
        slashes = if c == '\\' { slashes + 1 } else { 0 };
        out.push(c);
    }
    out.extend(std::iter::repeat_n('\\', slashes));
    out.push('"');
    out
}

#[cfg(test)]
mod tests;
