//! launchd of macOS, asked and told through `launchctl`, in the system's domain. What it prints is for people and no interface, and
//! there is no other: only the few lines are read that every version since macOS 11 has.
//!
//! Two habits of it decide the order of what is done here. A service that was told to stop stays for as long as its process takes to end,
//! and until it is gone its label cannot be started again; right after that a start may still be refused for some seconds.
use super::{
    Control, Installed, PROGRAM, PUBLISHER, SERIAL_RELAY, Service, ServiceError, State, Uninstalled, Verb, place,
};
use crate::platform::permissions;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::Duration,
};

/// The EC2 System Monitor for macOS, and the relay that it had before.
const MONITOR: [&str; 2] = ["com.amazon.ec2.monitoring.agents.cpuutilization", "com.amazon.ec2.monitoring.relayd"];

/// `launchctl print` of a service that is not loaded ends with this code.
const NOT_FOUND: i32 = 113;

/// Looks while a service stops: our plists give it 30 seconds (`ExitTimeOut`).
const STOPPING: u32 = 40;

/// Tries to start a service whose label may not be free yet.
const STARTS: u32 = 8;

/// Looks while a service comes up, and how many of them in a row must find the same process: one that cannot run ends at once.
const RISING: u32 = 20;
const STEADY: u32 = 3;

/// What describes the daemon to launchd.
const PLIST: &str = include_str!("../../../installers/com.amazonaws.amazon-cloudwatch-publisher.plist");

/// How launchd is reached.
#[derive(Clone, Debug)]
pub struct Launchd {
    /// Looked for in the search path where it is a bare name.
    pub launchctl: PathBuf,
    /// Where the files are that describe services.
    pub plists: PathBuf,
    /// What the service starts.
    pub program: PathBuf,
    pub is_root: bool,
    /// Time between two looks.
    pub pause: Duration,
}

impl Default for Launchd {
    fn default() -> Self {
        Self {
            launchctl: "launchctl".into(),
            plists: "/Library/LaunchDaemons".into(),
            program: PROGRAM.into(),
            is_root: permissions::is_root(),
            pause: Duration::from_secs(1),
        }
    }
}

impl Control for Launchd {
    fn names(&self) -> &'static [&'static str] {
        &[PUBLISHER, SERIAL_RELAY]
    }

    fn list(&self) -> Result<Vec<Service>, ServiceError> {
        let disabled = disabled(&self.tell(&["print-disabled", "system"])?);
        self.names().iter().map(|label| self.service(label, &disabled)).collect()
    }

    fn status(&self, label: &'static str) -> Result<Service, ServiceError> {
        self.service(label, &disabled(&self.tell(&["print-disabled", "system"])?))
    }

    fn prepared(&self) -> Result<(), ServiceError> {
        self.may(Verb::Install, PUBLISHER)?;
        let program = self.program.clone();
        if !program.is_file() {
            return Err(ServiceError::NoProgram { program });
        }
        // Whether launchd can be asked at all.
        self.look(PUBLISHER).map(|_| ())
    }

    fn install(&self, root: Option<&Path>) -> Result<Installed, ServiceError> {
        let file = place::below(root, &self.plist(PUBLISHER));
        if root.is_some() {
            return Ok(Installed { fate: place::write(&file, PLIST)?, file, service: None });
        }
        self.prepared()?;
        let fate = place::write(&file, PLIST)?;
        // launchd reads the file, and starts the program, only anew.
        self.end(PUBLISHER)?;
        Ok(Installed { file, fate, service: Some(self.enable(PUBLISHER)?) })
    }

    fn uninstall(&self, root: Option<&Path>) -> Result<Uninstalled, ServiceError> {
        let file = place::below(root, &self.plist(PUBLISHER));
        if root.is_none() {
            self.may(Verb::Uninstall, PUBLISHER)?;
            self.end(PUBLISHER)?;
        }
        Ok(Uninstalled { fate: place::remove(&file)?, file })
    }

    fn enable(&self, label: &'static str) -> Result<Service, ServiceError> {
        self.may(Verb::Enable, label)?;
        let plist = self.plist(label);
        if !plist.is_file() {
            return Err(ServiceError::NotInstalled { name: label, file: plist });
        }
        if label == SERIAL_RELAY {
            for monitor in MONITOR {
                if self.look(monitor)?.is_some() {
                    return Err(ServiceError::MonitorIsLoaded { monitor });
                }
            }
        }
        self.tell(&["enable", &target(label)])?;
        match self.look(label)? {
            None => self.start(label)?,
            // It has ended by itself, in order, and launchd sees no reason to start it again.
            Some(found) if found.pid.is_none() => drop(self.tell(&["kickstart", &target(label)])?),
            Some(_) => {}
        }
        self.steady(label)
    }

    fn disable(&self, label: &'static str) -> Result<(), ServiceError> {
        self.may(Verb::Disable, label)?;
        // First, so that it does not come back even if it takes long to go.
        self.tell(&["disable", &target(label)])?;
        self.end(label)
    }
}

impl Launchd {
    /// Let launchd forget a service, and wait until its process is gone.
    fn end(&self, label: &'static str) -> Result<(), ServiceError> {
        if self.look(label)?.is_none() {
            return Ok(());
        }
        // It may say that this takes time; what counts is whether it goes.
        let told = self.tell(&["bootout", &target(label)]);
        for _ in 0..STOPPING {
            if self.look(label)?.is_none() {
                return Ok(());
            }
            thread::sleep(self.pause);
        }
        told.and(Err(ServiceError::StillThere { name: label, looks: STOPPING }))
    }

    fn may(&self, verb: Verb, label: &'static str) -> Result<(), ServiceError> {
        if self.is_root { Ok(()) } else { Err(ServiceError::NotRoot { verb, name: label }) }
    }

    fn plist(&self, label: &str) -> PathBuf {
        self.plists.join(format!("{label}.plist"))
    }

    fn start(&self, label: &str) -> Result<(), ServiceError> {
        let plist = self.plist(label);
        let arguments = ["bootstrap", "system", &plist.to_string_lossy()];
        let mut tries = 1;
        loop {
            match self.tell(&arguments) {
                // By somebody else, in between.
                Err(_) if self.look(label)?.is_some() => return Ok(()),
                Err(_) if tries < STARTS => tries += 1,
                told => return told.map(|_| ()),
            }
            thread::sleep(self.pause);
        }
    }

    /// Waits until it is seen that a service keeps running.
    fn steady(&self, label: &'static str) -> Result<Service, ServiceError> {
        let (mut before, mut same) = (None, 0);
        for _ in 0..RISING {
            let service = self.service(label, &BTreeMap::new())?;
            same = if matches!(service.state, State::Running { .. }) && before == Some(service.state) {
                same + 1
            } else {
                0
            };
            if same == STEADY {
                return Ok(service);
            }
            before = Some(service.state);
            thread::sleep(self.pause);
        }
        let last_exit = self.look(label)?.and_then(|printed| printed.last_exit);
        Err(ServiceError::NotRunning {
            name: label,
            last_exit,
            file: self.plist(label),
            hint: "its log says why",
            outlook: "launchd goes on trying",
        })
    }

    fn service(&self, label: &'static str, disabled: &BTreeMap<String, bool>) -> Result<Service, ServiceError> {
        let (file, disabled) = (self.plist(label), disabled.get(label).copied().unwrap_or(false));
        let state = match self.look(label)? {
            Some(Printed { pid: Some(pid), .. }) => State::Running { pid },
            Some(Printed { pid: None, last_exit }) => State::NotRunning { last_exit },
            None if !file.is_file() => State::NotInstalled,
            None if disabled => State::Disabled,
            None => State::NotLoaded,
        };
        Ok(Service { name: label, state, disabled, file, note: None })
    }

    /// What launchd holds of a service; `None`: it is not loaded.
    fn look(&self, label: &str) -> Result<Option<Printed>, ServiceError> {
        match self.call(&["print", &target(label)])? {
            (Some(0), told, _) => Ok(Some(printed(&told))),
            (code, _, why) if code == Some(NOT_FOUND) || why.contains("Could not find service") => Ok(None),
            (_, _, why) => Err(refused(&["print", &target(label)], &why)),
        }
    }

    /// What it answers when it does what it is told.
    fn tell(&self, arguments: &[&str]) -> Result<String, ServiceError> {
        match self.call(arguments)? {
            (Some(0), told, _) => Ok(told),
            (_, _, why) => Err(refused(arguments, &why)),
        }
    }

    /// Exit code (`None`: a signal ended it), standard output, standard error.
    fn call(&self, arguments: &[&str]) -> Result<(Option<i32>, String, String), ServiceError> {
        let output = Command::new(&self.launchctl).args(arguments).stdin(Stdio::null()).output();
        let output = output.map_err(|source| ServiceError::NoTool { program: self.launchctl.clone(), source })?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok((output.status.code(), text(&output.stdout), text(&output.stderr)))
    }
}

fn target(label: &str) -> String {
    format!("system/{label}")
}

fn refused(arguments: &[&str], why: &str) -> ServiceError {
    let words: Vec<&str> = why.split_whitespace().collect();
    let told = if words.is_empty() { "it gave no reason".to_owned() } else { words.join(" ") };
    ServiceError::Refused { tool: "launchctl", arguments: arguments.join(" "), told }
}

/// What is read of `launchctl print system/LABEL`.
#[derive(Debug, Default, Eq, PartialEq)]
struct Printed {
    pid: Option<u32>,
    last_exit: Option<i32>,
}

/// Only the lines of the service itself are read: in the blocks inside it are its arguments and its environment.
fn printed(text: &str) -> Printed {
    let (mut depth, mut found) = (0_usize, Printed::default());
    for line in text.lines().map(str::trim) {
        match (depth, line.split_once(" = ")) {
            (1, Some(("pid", value))) => found.pid = value.parse().ok(),
            // `78: EX_CONFIG`, and `(never exited)`.
            (1, Some(("last exit code", value))) => {
                found.last_exit = value.split(':').next().and_then(|code| code.parse().ok());
            }
            _ => {}
        }
        if line.ends_with('{') {
            depth += 1;
        } else if line.starts_with('}') {
            depth = depth.saturating_sub(1);
        }
    }
    found
}

/// What is read of `launchctl print-disabled system`: services about which something was decided, and whether they are disabled.
/// The value is `true` or `false` on older systems, `disabled` or `enabled` on newer ones.
fn disabled(text: &str) -> BTreeMap<String, bool> {
    let decision = |line: &str| {
        let (label, word) = line.trim().split_once(" => ")?;
        let label = label.strip_prefix('"')?.strip_suffix('"')?;
        match word {
            "true" | "disabled" => Some((label.to_owned(), true)),
            "false" | "enabled" => Some((label.to_owned(), false)),
            _ => None,
        }
    };
    text.lines().filter_map(decision).collect()
}

#[cfg(all(test, unix))]
mod tests;
