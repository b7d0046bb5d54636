//! Our services at the service manager of this system: what they do, and how they are started and stopped for good.
//!
//! launchd of macOS is known ([`Launchd`]); of the other systems it is said what to type instead. Files are not installed here: that
//! is the installers' work. Everything here blocks, and is for a person who waits at a terminal.
//!
//! To add a service manager, write its file beside `launchd`, and let [`of_this_system`] choose between them.
mod launchd;

pub use launchd::Launchd;

use crate::{
    config::serial_relay::SETUP,
    platform::host::{SYSTEM, System},
};
use std::{io, path::PathBuf};

/// The daemon. The label of the first version of this program, whose place it takes.
pub const PUBLISHER: &str = "com.amazonaws.amazon-cloudwatch-publisher";

/// The daemon in the role of the EC2 System Monitor for macOS, with a configuration of its own.
pub const SERIAL_RELAY: &str = "com.amazon.ec2.monitoring.agents.serialrelay";

/// All that are ours.
pub const ALL: [&str; 2] = [PUBLISHER, SERIAL_RELAY];

/// One of our services.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Service {
    pub label: &'static str,
    pub state: State,
    /// It will not be started when the machine starts, whatever it does now.
    pub disabled: bool,
    /// The file that describes it; it may not be there.
    pub plist: PathBuf,
}

/// What a service does.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum State {
    Running {
        pid: u32,
    },
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

/// What is asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verb {
    List,
    Enable,
    Disable,
}

impl Verb {
    /// As it is typed.
    pub const fn word(self) -> &'static str {
        match self {
            Self::List => "list",
            Self::Enable => "enable",
            Self::Disable => "disable",
        }
    }
}

/// Why nothing was done, or not all of it.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    #[error("this is not built for {} yet; {instead}", system.name())]
    NotBuilt { system: System, instead: String },
    #[error("only root may do this: sudo amazon-cloudwatch-publisher service {} {label}", verb.word())]
    NotRoot { verb: Verb, label: &'static str },
    #[error("{label} is no service of ours; there are {}", ALL.join(" and "))]
    Unknown { label: String },
    #[error("{label} is not installed: {} is not there; {}", plist.display(), installation(label))]
    NotInstalled { label: &'static str, plist: PathBuf },
    #[error(
        "{monitor}, the EC2 System Monitor, is loaded, and two programs must not write to one serial device; take its place with: \
         sudo {SETUP} enable"
    )]
    MonitorIsLoaded { monitor: &'static str },
    #[error("`launchctl {arguments}` failed: {told}")]
    Refused { arguments: String, told: String },
    #[error("{} could not be started", program.display())]
    NoLaunchctl { program: PathBuf, source: io::Error },
    #[error(
        "{label} was told to stop, and {looks} seconds later it is still there; look at its log, then try again, or end it with: \
         sudo kill -9 PID"
    )]
    StillThere { label: &'static str, looks: u32 },
    #[error(
        "{label} is loaded and does not keep running{}; its log says why, and so may `amazon-cloudwatch-publisher validate CONFIG` with the \
         configuration that stands in {}; launchd goes on trying",
        exit_text(*last_exit),
        plist.display()
    )]
    NotRunning { label: &'static str, last_exit: Option<i32>, plist: PathBuf },
}

/// How the file of a service comes to its place.
fn installation(label: &str) -> String {
    if label == SERIAL_RELAY {
        format!("install and start it with: sudo {SETUP} enable")
    } else {
        "copy it from the folder `installers` of this program, as root, so that nobody else may write it".to_owned()
    }
}

/// What stands behind a state for people.
pub fn exit_text(last_exit: Option<i32>) -> String {
    last_exit.map_or_else(String::new, |code| format!(" (last exit code {code})"))
}

/// The service manager of this system.
///
/// # Errors
/// [`ServiceError::NotBuilt`], with what to type instead of this verb.
pub fn of_this_system(verb: Verb) -> Result<Launchd, ServiceError> {
    of(SYSTEM, verb)
}

fn of(system: System, verb: Verb) -> Result<Launchd, ServiceError> {
    const NAME: &str = "amazon-cloudwatch-publisher";
    let instead = match (system, verb) {
        (System::MacOs, _) => return Ok(Launchd::default()),
        (System::Linux, Verb::List) => format!("type: systemctl status {NAME}"),
        (System::Linux, Verb::Enable | Verb::Disable) => format!("type: sudo systemctl {} --now {NAME}", verb.word()),
        // It is no Windows service: `sc.exe` does not know it.
        (System::Windows, Verb::List) => {
            format!("where the Task Scheduler starts it, type: schtasks.exe /Query /TN {NAME}")
        }
        (System::Windows, Verb::Enable | Verb::Disable) => format!(
            "where the Task Scheduler starts it, type as administrator: schtasks.exe /Change /TN {NAME} /{}",
            verb.word().to_uppercase()
        ),
        (System::Other, _) => format!("let the service manager of this system run: {NAME} run CONFIG"),
    };
    Err(ServiceError::NotBuilt { system, instead })
}

/// Our label that is meant.
///
/// # Errors
/// When it is none of ours.
pub fn known(label: Option<&str>) -> Result<&'static str, ServiceError> {
    let Some(label) = label else { return Ok(PUBLISHER) };
    let ours = ALL.into_iter().find(|ours| *ours == label);
    ours.ok_or_else(|| ServiceError::Unknown { label: label.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_no_service_manager_is_known_it_is_said_what_to_type() {
        for (system, verb, words) in [
            (System::Linux, Verb::List, "not built for Linux yet; type: systemctl status amazon-cloudwatch-publisher"),
            (System::Linux, Verb::Enable, "type: sudo systemctl enable --now amazon-cloudwatch-publisher"),
            (System::Linux, Verb::Disable, "type: sudo systemctl disable --now amazon-cloudwatch-publisher"),
            (System::Windows, Verb::Disable, "schtasks.exe /Change /TN amazon-cloudwatch-publisher /DISABLE"),
            (System::Other, Verb::List, "not built for this system yet"),
        ] {
            let why = of(system, verb).err().map(|error| error.to_string());
            assert!(why.as_ref().is_some_and(|why| why.contains(words)), "{why:?}");
        }
        assert!(of(System::MacOs, Verb::Enable).is_ok());
    }

    #[test]
    fn only_services_of_ours_are_touched() {
        assert_eq!(known(None).ok(), Some(PUBLISHER));
        assert_eq!(known(Some(SERIAL_RELAY)).ok(), Some(SERIAL_RELAY));
        let why = known(Some("com.apple.sshd")).expect_err("not ours").to_string();
        assert!(ALL.iter().all(|label| why.contains(label)), "{why}");
    }
}
