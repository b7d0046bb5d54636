//! Our services at the service manager of this system: how they are installed, started and stopped for good, and what they do.
//!
//! [`Control`] is what a service manager can do for us; launchd of macOS ([`Launchd`]), systemd ([`Systemd`]) and the one of Windows
//! ([`Windows`]) are known, of the other systems it is said what to type instead. The program, its user, its folders and its configuration are the installers' work: here
//! only the file is written that makes them a service. Everything here blocks, and is for a person who waits at a terminal.
//!
//! To add a service manager, write its file beside `launchd`, and let [`of_this_system`] choose it.
mod launchd;
mod place;
mod systemd;
mod windows;

pub use launchd::Launchd;
pub use place::old as kept_beside;
pub use systemd::Systemd;
pub use windows::Windows;

use crate::{
    config::serial_relay::SETUP,
    platform::host::{SYSTEM, System},
};
use std::{
    io,
    path::{Path, PathBuf},
};

/// The daemon at launchd. The label of the first version of this program, whose place it takes.
pub const PUBLISHER: &str = "com.amazonaws.amazon-cloudwatch-publisher";

/// At launchd, the daemon in the role of the EC2 System Monitor for macOS, with a configuration of its own.
pub const SERIAL_RELAY: &str = "com.amazon.ec2.monitoring.agents.serialrelay";

/// The daemon at service managers that name services as people do.
pub const NAME: &str = "amazon-cloudwatch-publisher";

/// Where the files that describe services expect the program, except on Windows.
pub const PROGRAM: &str = "/opt/aws/amazon-cloudwatch-publisher/bin/amazon-cloudwatch-publisher";

/// A service manager, and what it can do for services of ours. All of it blocks.
pub trait Control {
    /// Our services by the names that this manager has for them. The first one is the daemon, which is meant where none is named.
    fn names(&self) -> &'static [&'static str];

    /// What one of them does. Anybody may ask.
    ///
    /// # Errors
    /// When the manager cannot be asked.
    fn status(&self, name: &'static str) -> Result<Service, ServiceError>;

    /// All of them.
    ///
    /// # Errors
    /// When the manager cannot be asked.
    fn list(&self) -> Result<Vec<Service>, ServiceError> {
        self.names().iter().map(|name| self.status(name)).collect()
    }

    /// Whether the daemon can be installed on this host, as far as the manager is concerned: who asks, what its file names. Changes nothing.
    ///
    /// # Errors
    /// What is missing, with what to do.
    fn prepared(&self) -> Result<(), ServiceError>;

    /// Make the daemon a service: write the file that describes it; then, without `root`, start it, now and whenever the machine starts; one
    /// that runs is started anew. With `root`, the folder that is `/` to another system, only the file is written. May be repeated.
    ///
    /// # Errors
    /// When it may not be done, is refused, or the service does not keep running.
    fn install(&self, root: Option<&Path>) -> Result<Installed, ServiceError>;

    /// The opposite: stop the daemon, and remove the file. Settings of the host's own (drop-ins) stay. May be repeated.
    ///
    /// # Errors
    /// When it may not be done, or the service does not stop; then its file stays.
    fn uninstall(&self, root: Option<&Path>) -> Result<Uninstalled, ServiceError>;

    /// Start a service, now and whenever the machine starts. One that runs goes on running.
    ///
    /// # Errors
    /// When it may not be started, is refused, or does not keep running.
    fn enable(&self, name: &'static str) -> Result<Service, ServiceError>;

    /// Stop a service, now and for the next starts of the machine.
    ///
    /// # Errors
    /// When it may not be stopped, or does not stop.
    fn disable(&self, name: &'static str) -> Result<(), ServiceError>;
}

/// One of our services.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Service {
    /// As its manager calls it.
    pub name: &'static str,
    pub state: State,
    /// It will not be started when the machine starts, whatever it does now.
    pub disabled: bool,
    /// The file that describes it; it may not be there. Of Windows, which has no such file, the program.
    pub file: PathBuf,
    /// What else there is to say, in one line: the daemon's own words about itself, or why the manager gave it up.
    pub note: Option<String>,
}

/// What a service does.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum State {
    Running {
        pid: u32,
    },
    /// It has a process that has not said yet that it is there.
    Starting,
    /// It was told to stop.
    Stopping,
    /// The manager holds it and there is no process. `last_exit`: its code; `None` where it never ended by itself.
    NotRunning {
        last_exit: Option<i32>,
    },
    /// Not loaded, and not to be.
    Disabled,
    /// It could be loaded.
    NotLoaded,
    /// The file that describes it is missing.
    NotInstalled,
}

/// What an installation came to.
#[derive(Clone, Debug)]
pub struct Installed {
    pub file: PathBuf,
    pub fate: Fate,
    /// What the service does now; `None` below another root, where nothing is started.
    pub service: Option<Service>,
}

/// What happened to the file that describes a service.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fate {
    Written,
    /// Written, and what somebody else had written there is beside it: [`kept_beside`].
    Replaced,
    /// It was there, as it is to be.
    Unchanged,
    /// A package has brought it, or it is a link, and it is left alone.
    OfPackage,
    Removed,
    WasNotThere,
    /// There is no file: the manager has been told (Windows).
    Registered,
    Unregistered,
    WasNotRegistered,
}

/// What a removal came to.
#[derive(Clone, Debug)]
pub struct Uninstalled {
    pub file: PathBuf,
    pub fate: Fate,
}

/// What is asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verb {
    Install,
    Uninstall,
    Enable,
    Disable,
    Status,
}

impl Verb {
    /// As it is typed.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Install => "install",
            Self::Uninstall => "uninstall",
            Self::Enable => "enable",
            Self::Disable => "disable",
            Self::Status => "status",
        }
    }
}

/// Why nothing was done, or not all of it.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    #[error("this is not built for {} yet; {instead}", system.name())]
    NotBuilt { system: System, instead: String },
    #[error("only root may do this: sudo amazon-cloudwatch-publisher service {}{}", verb.word(), of_whom(name))]
    NotRoot { verb: Verb, name: &'static str },
    #[error(
        "only an administrator may do this: open a terminal by `Run as administrator`, and type: \
         amazon-cloudwatch-publisher service {}", verb.word()
    )]
    NotAdministrator { verb: Verb },
    #[error("{name} is no service of ours; there {}", there_are(ours))]
    Unknown { name: String, ours: &'static [&'static str] },
    #[error("{name} is not installed: {} is not there; {}", file.display(), installation(name))]
    NotInstalled { name: &'static str, file: PathBuf },
    #[error(
        "{name} is no service here yet; make it one, as administrator, with: amazon-cloudwatch-publisher service install"
    )]
    NotRegistered { name: &'static str },
    #[error(
        "Windows keeps no file for a service, so there is nothing to write or remove below another root; leave --root out"
    )]
    NoRoot,
    #[error("the service control manager failed at `service {}`", verb.word())]
    Manager { verb: Verb, source: io::Error },
    #[error(
        "{name} was told to stop, and {looks} seconds later it is still there; look at its log, then try again, or end it as \
         administrator with: taskkill /F /IM amazon-cloudwatch-publisher.exe"
    )]
    Lingers { name: &'static str, looks: u32 },
    #[error("the service starts {}, which is not there; copy the program to that place first, as {}", program.display(), administrator())]
    NoProgram { program: PathBuf },
    #[error(
        "the service runs as the user {user}, whom this system does not know; make it first, as root: \
         useradd --system --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin {user}"
    )]
    NoUser { user: &'static str },
    #[error("{} could not be {done}", file.display())]
    File { file: PathBuf, done: &'static str, source: io::Error },
    #[error(
        "{monitor}, the EC2 System Monitor, is loaded, and two programs must not write to one serial device; take its place with: \
         sudo {SETUP} enable"
    )]
    MonitorIsLoaded { monitor: &'static str },
    #[error("`{tool} {arguments}` failed: {told}")]
    Refused { tool: &'static str, arguments: String, told: String },
    #[error("{} could not be started; `service` can do nothing here without it", program.display())]
    NoTool { program: PathBuf, source: io::Error },
    #[error(
        "{name} was told to stop, and {looks} seconds later it is still there; look at its log, then try again, or end it with: \
         sudo kill -9 PID"
    )]
    StillThere { name: &'static str, looks: u32 },
    #[error(
        "{name} is loaded and does not keep running{}; {hint}, and so may `amazon-cloudwatch-publisher validate CONFIG` with the \
         configuration that stands in {}; {outlook}",
        exit_text(*last_exit),
        file.display()
    )]
    NotRunning { name: &'static str, last_exit: Option<i32>, file: PathBuf, hint: &'static str, outlook: &'static str },
}

/// Who may do what nobody else may.
const fn administrator() -> &'static str {
    match SYSTEM {
        System::Windows => "administrator",
        System::Linux | System::MacOs | System::Other => "root",
    }
}

/// Behind a verb on a command line: the daemon need not be named.
fn of_whom(name: &str) -> String {
    if name == SERIAL_RELAY { format!(" {name}") } else { String::new() }
}

fn there_are(ours: &[&str]) -> String {
    format!("{} {}", if ours.len() == 1 { "is" } else { "are" }, ours.join(" and "))
}

/// How the file of a service comes to its place.
fn installation(name: &str) -> String {
    if name == SERIAL_RELAY {
        format!("install and start it with: sudo {SETUP} enable")
    } else {
        "install and start it with: sudo amazon-cloudwatch-publisher service install".to_owned()
    }
}

/// What stands behind a state for people.
pub fn exit_text(last_exit: Option<i32>) -> String {
    last_exit.map_or_else(String::new, |code| format!(" (last exit code {code})"))
}

/// The service manager of this system.
///
/// # Errors
/// [`ServiceError::NotBuilt`], with what to do instead.
pub fn of_this_system() -> Result<Box<dyn Control>, ServiceError> {
    of(SYSTEM)
}

fn of(system: System) -> Result<Box<dyn Control>, ServiceError> {
    match system {
        System::Linux => Ok(Box::new(Systemd::default())),
        System::MacOs => Ok(Box::new(Launchd::default())),
        System::Windows => Ok(Box::new(Windows::default())),
        System::Other => Err(ServiceError::NotBuilt {
            system,
            instead: format!("let the service manager of this system run: {NAME} run CONFIG"),
        }),
    }
}

/// The service that is meant.
///
/// # Errors
/// When it is none of ours.
pub fn known(control: &dyn Control, name: Option<&str>) -> Result<&'static str, ServiceError> {
    let ours = control.names();
    let found = ours.iter().find(|ours| name.is_none_or(|name| **ours == name));
    found.copied().ok_or_else(|| ServiceError::Unknown { name: name.unwrap_or_default().to_owned(), ours })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_no_service_manager_is_known_it_is_said_what_to_type() {
        let why = of(System::Other).err().map(|error| error.to_string());
        assert!(why.as_ref().is_some_and(|why| why.contains("not built for this system yet")), "{why:?}");
        for system in [System::MacOs, System::Linux, System::Windows] {
            assert!(of(system).is_ok());
        }
    }

    #[test]
    fn only_services_of_ours_are_touched() {
        let (mac, linux) = (Launchd::default(), Systemd::default());
        assert_eq!(known(&mac, None).ok(), Some(PUBLISHER));
        assert_eq!(known(&mac, Some(SERIAL_RELAY)).ok(), Some(SERIAL_RELAY));
        let why = known(&mac, Some("com.apple.sshd")).expect_err("not ours").to_string();
        assert!([PUBLISHER, SERIAL_RELAY].iter().all(|name| why.contains(name)), "{why}");
        assert_eq!(known(&linux, Some(NAME)).ok(), Some(NAME));
        let why = known(&linux, Some("sshd")).expect_err("not ours").to_string();
        assert_eq!(why, format!("sshd is no service of ours; there is {NAME}"));
    }
}
