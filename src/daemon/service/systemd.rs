//! systemd, asked and told through `systemctl`.
use super::{Control, Fate, Installed, NAME, PROGRAM, Service, ServiceError, State, Uninstalled, Verb, place};
use crate::platform::permissions;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    thread,
    time::Duration,
};

/// What describes the daemon to systemd.
const UNIT: &str = include_str!("../../../installers/amazon-cloudwatch-publisher.service");

/// As whom the daemon runs: `User=` of the unit.
const USER: &str = "cwpublisher";

/// Where the unit is written: the place of the administrator, and of whoever installs for him.
const OURS: &str = "/etc/systemd/system";

/// Where packages put theirs: <https://www.freedesktop.org/software/systemd/man/latest/systemd.unit.html>
const PACKAGED: [&str; 2] = ["/usr/lib/systemd/system", "/lib/systemd/system"];

/// What is asked about a unit.
const PROPERTIES: &str = "--property=LoadState,ActiveState,SubState,UnitFileState,FragmentPath,MainPID,ExecMainCode,ExecMainStatus,Result,StatusText";

/// Looks while a service that was started is watched, and how many of them in a row must find the same process.
const RISING: u32 = 20;
const STEADY: u32 = 3;

/// How systemd is reached.
#[derive(Clone, Debug)]
pub struct Systemd {
    /// Looked for in the search path where it is a bare name.
    pub systemctl: PathBuf,
    /// Tells whether a user is known.
    pub id: PathBuf,
    /// What the service starts.
    pub program: PathBuf,
    /// Below this the units of this system lie: `/`.
    pub host: PathBuf,
    pub is_root: bool,
    /// Time between two looks.
    pub pause: Duration,
}

impl Default for Systemd {
    fn default() -> Self {
        Self {
            systemctl: "systemctl".into(),
            id: "id".into(),
            program: PROGRAM.into(),
            host: "/".into(),
            is_root: permissions::is_root(),
            pause: Duration::from_secs(1),
        }
    }
}

impl Control for Systemd {
    fn names(&self) -> &'static [&'static str] {
        &[NAME]
    }

    fn status(&self, name: &'static str) -> Result<Service, ServiceError> {
        let printed = self.tell(&["show", &unit(name), PROPERTIES])?;
        Ok(service(name, &properties(&printed), Self::foreign(&self.host)))
    }

    fn prepared(&self) -> Result<(), ServiceError> {
        self.may(Verb::Install, NAME)?;
        if !self.program.is_file() {
            return Err(ServiceError::NoProgram { program: self.program.clone() });
        }
        // Asked for by a program, since users need not be in a file. Where that cannot be started, systemd will say it.
        let known = Command::new(&self.id).args(["-u", USER]).stdin(Stdio::null()).output();
        if known.is_ok_and(|output| !output.status.success()) {
            return Err(ServiceError::NoUser { user: USER });
        }
        // Whether systemd runs here, and can be asked.
        self.status(NAME).map(|_| ())
    }

    fn install(&self, root: Option<&Path>) -> Result<Installed, ServiceError> {
        if root.is_none() {
            self.prepared()?;
        }
        let base = root.unwrap_or(&self.host);
        let ours = file(base, OURS);
        let (file, fate) = match Self::foreign(base) {
            Some(foreign) => (foreign, Fate::OfPackage),
            None => {
                let fate = place::write(&ours, UNIT)?;
                (ours, fate)
            }
        };
        if root.is_some() {
            return Ok(Installed { file, fate, service: None });
        }
        self.tell(&["daemon-reload"])?;
        self.tell(&["enable", &unit(NAME)])?;
        // Type=notify: comes back when the daemon says that it is there, or has failed.
        let started = self.tell(&["restart", &unit(NAME)]);
        let service = self.steady(NAME, started)?;
        Ok(Installed { file, fate, service: Some(service) })
    }

    fn uninstall(&self, root: Option<&Path>) -> Result<Uninstalled, ServiceError> {
        let base = root.unwrap_or(&self.host);
        let ours = file(base, OURS);
        let foreign = Self::foreign(base);
        if root.is_none() {
            self.may(Verb::Uninstall, NAME)?;
            if ours.exists() || foreign.is_some() {
                self.tell(&["disable", "--now", &unit(NAME)])?;
            }
        }
        if let Some(file) = foreign {
            return Ok(Uninstalled { file, fate: Fate::OfPackage });
        }
        let fate = place::remove(&ours)?;
        if root.is_none() && fate == Fate::Removed {
            self.tell(&["daemon-reload"])?;
            // Nobody needs to know any more how it failed; where it did not, there is nothing to forget.
            let _ = self.call(&["reset-failed", &unit(NAME)]);
        }
        Ok(Uninstalled { file: ours, fate })
    }

    fn enable(&self, name: &'static str) -> Result<Service, ServiceError> {
        self.may(Verb::Enable, name)?;
        let found = self.status(name)?;
        if found.state == State::NotInstalled {
            return Err(ServiceError::NotInstalled { name, file: found.file });
        }
        self.tell(&["enable", &unit(name)])?;
        let started = self.tell(&["start", &unit(name)]);
        self.steady(name, started)
    }

    fn disable(&self, name: &'static str) -> Result<(), ServiceError> {
        self.may(Verb::Disable, name)?;
        let found = self.status(name)?;
        if found.state == State::NotInstalled {
            return Err(ServiceError::NotInstalled { name, file: found.file });
        }
        // Waits until it is gone, or has been killed.
        self.tell(&["disable", "--now", &unit(name)]).map(|_| ())
    }
}

impl Systemd {
    fn may(&self, verb: Verb, name: &'static str) -> Result<(), ServiceError> {
        if self.is_root { Ok(()) } else { Err(ServiceError::NotRoot { verb, name }) }
    }

    /// The unit that counts in this system and is not ours to change: that of a package, where the administrator has none, or a link of
    /// his, by which he may have masked it.
    fn foreign(base: &Path) -> Option<PathBuf> {
        let ours = file(base, OURS);
        match ours.symlink_metadata() {
            Ok(found) => found.is_symlink().then_some(ours),
            Err(_) => PACKAGED.iter().map(|folder| file(base, folder)).find(|file| file.is_file()),
        }
    }

    /// Waits until it is seen that the service keeps running.
    fn steady(&self, name: &'static str, started: Result<String, ServiceError>) -> Result<Service, ServiceError> {
        let mut service = self.status(name)?;
        // Where systemd knows no more than that it is not there, its own words say most.
        if matches!(service.state, State::NotInstalled | State::Disabled | State::NotLoaded) {
            started?;
        }
        let mut same = 0;
        for _ in 0..RISING {
            if same == STEADY {
                return Ok(service);
            }
            if let State::NotRunning { last_exit: Some(CONFIGURATION) } = service.state {
                break;
            }
            thread::sleep(self.pause);
            let before = service.state;
            service = self.status(name)?;
            same = if matches!(before, State::Running { .. }) && before == service.state { same + 1 } else { 0 };
        }
        let last_exit = match service.state {
            State::NotRunning { last_exit } => last_exit,
            _ => None,
        };
        Err(ServiceError::NotRunning {
            name,
            last_exit,
            file: service.file,
            hint: "`journalctl -u amazon-cloudwatch-publisher` and its log say why",
            outlook: if last_exit == Some(CONFIGURATION) {
                "systemd does not try again"
            } else {
                "systemd goes on trying"
            },
        })
    }

    /// What it answers when it does what it is told.
    fn tell(&self, arguments: &[&str]) -> Result<String, ServiceError> {
        let output = self.call(arguments)?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let words: Vec<&str> = said.split_whitespace().collect();
        let told = if words.is_empty() { "it gave no reason".to_owned() } else { words.join(" ") };
        Err(ServiceError::Refused { tool: "systemctl", arguments: arguments.join(" "), told })
    }

    fn call(&self, arguments: &[&str]) -> Result<Output, ServiceError> {
        let mut systemctl = Command::new(&self.systemctl);
        // What it prints is read here: no pages, no colours, one language.
        systemctl
            .args(arguments)
            .stdin(Stdio::null())
            .env("LC_ALL", "C")
            .env("SYSTEMD_PAGER", "")
            .env("SYSTEMD_COLORS", "0");
        systemctl.output().map_err(|source| ServiceError::NoTool { program: self.systemctl.clone(), source })
    }
}

/// The configuration is invalid: `EX_CONFIG` of sysexits.h, after which the unit is not started again.
const CONFIGURATION: i32 = 78;

fn unit(name: &str) -> String {
    format!("{name}.service")
}

fn file(base: &Path, folder: &str) -> PathBuf {
    place::below(Some(base), &Path::new(folder).join(unit(NAME)))
}

/// What `systemctl show` prints: a line for each property.
fn properties(printed: &str) -> BTreeMap<&str, &str> {
    printed.lines().filter_map(|line| line.split_once('=')).collect()
}

fn service(name: &'static str, of: &BTreeMap<&str, &str>, foreign: Option<PathBuf>) -> Service {
    let get = |key: &str| of.get(key).copied().unwrap_or_default();
    let fragment = Some(get("FragmentPath")).filter(|path| !path.is_empty()).map(PathBuf::from);
    let file = fragment.or(foreign).unwrap_or_else(|| file(Path::new("/"), OURS));
    let disabled = matches!(get("UnitFileState"), "disabled" | "masked" | "masked-runtime" | "");
    // CLD_EXITED of waitid(2); 0: there was no process yet.
    let (code, status) = (get("ExecMainCode"), get("ExecMainStatus").parse().ok());
    let last_exit = if code == "1" { status } else { None };
    let state = match (get("LoadState"), get("ActiveState"), get("SubState")) {
        ("not-found" | "", ..) => State::NotInstalled,
        (_, "active" | "reloading" | "refreshing", _) => {
            State::Running { pid: get("MainPID").parse().unwrap_or_default() }
        }
        (_, "activating", "auto-restart" | "auto-restart-queued") | (_, "failed", _) => State::NotRunning { last_exit },
        (_, "activating", _) => State::Starting,
        (_, "deactivating", _) => State::Stopping,
        _ if disabled => State::Disabled,
        _ if code == "0" => State::NotLoaded,
        _ => State::NotRunning { last_exit },
    };
    Service { name, state, disabled, file, note: note(&state, of) }
}

/// The daemon's own words; of one that does not run, why systemd says that is so.
fn note(state: &State, of: &BTreeMap<&str, &str>) -> Option<String> {
    let get = |key: &str| of.get(key).copied().filter(|value| !value.is_empty());
    match state {
        State::Running { .. } | State::Starting | State::Stopping => get("StatusText").map(str::to_owned),
        State::NotRunning { .. } => match get("Result")? {
            "watchdog" => Some("it gave no sign of life, and was killed by the watchdog".to_owned()),
            "start-limit-hit" => Some("it was started too often within a short time".to_owned()),
            "signal" | "core-dump" => Some(format!("it was ended by signal {}", get("ExecMainStatus").unwrap_or("?"))),
            _ => None,
        },
        State::Disabled | State::NotLoaded | State::NotInstalled => None,
    }
}

#[cfg(all(test, unix))]
mod tests;
