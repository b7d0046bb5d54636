//! The service control manager of Windows.
//!
//! The daemon is a service of its own process and its own account, which Windows makes with it and which belongs to nobody else. It may
//! enter its folders, read the event log and the counters, and has none of the privileges of a service but one that every process has.
//! What else it is to read, it must be given (docs/OPERATIONS.md).
//!
//! A service that crashes is started again. One that stops with an error of its own is not: that is a configuration that cannot run.
use super::{Control, Fate, Installed, NAME, Service, ServiceError, State, Uninstalled, Verb};
use crate::platform::{
    installed,
    services::{Entry, Found, Manager, ManagerError, Now, Scm, Wanted, account, account_id, command_line, rights_of},
};
use std::{
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

/// Our folders, below the one that holds them, and what the service may do there.
const FOLDERS: [(&str, Entry); 4] =
    [("", Entry::Pass), ("etc", Entry::Read), ("logs", Entry::Change), ("var", Entry::Change)];

/// Who may read what every administrator's tool reads: `Event Log Readers` and `Performance Monitor Users`
/// (<https://learn.microsoft.com/windows-server/identity/ad-ds/manage/understand-security-identifiers>).
const GROUPS: [&str; 2] = ["S-1-5-32-573", "S-1-5-32-558"];

/// When it is started again after its first, second and each later crash; a day without one is forgiven.
const RESTARTS: [Duration; 3] = [Duration::from_secs(10), Duration::from_secs(60), Duration::from_secs(300)];
const FORGIVE: Duration = Duration::from_hours(24);

/// What the system waits for us at most when it goes down: our own deadline, `agent.shutdown_seconds`, is to come first.
const GOES_DOWN_WITHIN: Duration = Duration::from_mins(3);

/// Looks while the service stops: 40 seconds, as elsewhere.
const STOPPING: u32 = 40;

/// Looks while it comes up, and how many of them in a row must find the same process.
const RISING: u32 = 60;
const STEADY: u32 = 3;

/// The service was ended by its process, without a word: `ERROR_PROCESS_ABORTED`.
const ABORTED: u32 = 1067;

/// The configuration is invalid: `EX_CONFIG` of sysexits.h.
const CONFIGURATION: u32 = 78;

/// How the service control manager is reached.
#[derive(Clone, Debug)]
pub struct Windows<M = Scm> {
    pub manager: M,
    /// What the service starts.
    pub program: PathBuf,
    /// What holds its folders.
    pub folder: PathBuf,
    /// Time between two looks.
    pub pause: Duration,
}

impl Default for Windows {
    fn default() -> Self {
        Self {
            manager: Scm,
            program: installed::windows_program(),
            folder: installed::folder(),
            pause: Duration::from_secs(1),
        }
    }
}

impl<M: Manager> Control for Windows<M> {
    fn names(&self) -> &'static [&'static str] {
        &[NAME]
    }

    fn status(&self, name: &'static str) -> Result<Service, ServiceError> {
        let found = self.manager.look(name).map_err(|why| refused(Verb::Status, why))?;
        Ok(service(name, found, &self.program))
    }

    fn prepared(&self) -> Result<(), ServiceError> {
        self.manager.may_change().map_err(|why| refused(Verb::Install, why))?;
        let program = self.program.clone();
        if program.is_file() { Ok(()) } else { Err(ServiceError::NoProgram { program }) }
    }

    fn install(&self, root: Option<&Path>) -> Result<Installed, ServiceError> {
        below_no_root(root)?;
        self.prepared()?;
        for (name, may) in FOLDERS {
            let path = if name.is_empty() { self.folder.clone() } else { self.folder.join(name) };
            let made = self.manager.folder(&path, &rights_of(NAME, may));
            made.map_err(|source| ServiceError::File { file: path, done: "made for the service alone", source })?;
        }
        let fails = |why| refused(Verb::Install, why);
        self.manager.put(&wanted(&self.program)).map_err(fails)?;
        let lacks = self.furnish();
        // The program and the settings that it has are taken up only anew.
        self.end()?;
        let mut service = self.enable(NAME)?;
        service.note = lacks.or(service.note);
        Ok(Installed { file: self.program.clone(), fate: Fate::Registered, service: Some(service) })
    }

    fn uninstall(&self, root: Option<&Path>) -> Result<Uninstalled, ServiceError> {
        below_no_root(root)?;
        let file = self.program.clone();
        let fails = |why| refused(Verb::Uninstall, why);
        self.manager.may_change().map_err(fails)?;
        if self.manager.look(NAME).map_err(fails)?.is_none() {
            return Ok(Uninstalled { file, fate: Fate::WasNotRegistered });
        }
        // First, so that it does not come back in between.
        self.manager.automatic(NAME, false).map_err(fails)?;
        self.end()?;
        self.manager.remove(NAME).map_err(fails)?;
        // Its account goes with it, and so does what it may do. What is left is how its events are shown, and only looks untidy.
        let _ = self.manager.event_source(NAME, false);
        Ok(Uninstalled { file, fate: Fate::Unregistered })
    }

    fn enable(&self, name: &'static str) -> Result<Service, ServiceError> {
        let fails = |why| refused(Verb::Enable, why);
        self.manager.automatic(name, true).map_err(fails)?;
        self.manager.start(name).map_err(fails)?;
        self.steady(name)
    }

    fn disable(&self, name: &'static str) -> Result<(), ServiceError> {
        self.manager.automatic(name, false).map_err(|why| refused(Verb::Disable, why))?;
        self.end()
    }
}

impl<M: Manager> Windows<M> {
    /// What makes it see more and say more. Without it the service runs all the same, so what fails is only told.
    fn furnish(&self) -> Option<String> {
        let joined = GROUPS.iter().try_for_each(|group| self.manager.join(&account_id(NAME), group));
        let shown = self.manager.event_source(NAME, true);
        let why = |what: &str, error: std::io::Error| format!("{what} ({error})");
        match (joined, shown) {
            (Ok(()), Ok(())) => None,
            (Err(error), _) => Some(why(
                "its account could not be put into the groups Event Log Readers and Performance Monitor Users",
                error,
            )),
            (Ok(()), Err(error)) => Some(why("its events could not be given a source", error)),
        }
    }

    /// Stops the service, and waits until it is gone.
    fn end(&self) -> Result<(), ServiceError> {
        let fails = |why| refused(Verb::Disable, why);
        for _ in 0..STOPPING {
            match self.manager.look(NAME).map_err(fails)?.map(|found| found.now) {
                None | Some(Now::Stopped { .. }) => return Ok(()),
                // It may end by itself in between, or not take a stop yet: what counts is whether it goes.
                Some(Now::Running { .. } | Now::Starting) => drop(self.manager.stop(NAME)),
                Some(Now::Stopping) => {}
            }
            thread::sleep(self.pause);
        }
        Err(ServiceError::Lingers { name: NAME, looks: STOPPING })
    }

    /// Waits until it is seen that the service keeps running.
    fn steady(&self, name: &'static str) -> Result<Service, ServiceError> {
        let (mut before, mut same) = (None, 0);
        for _ in 0..RISING {
            let service = self.status(name)?;
            match service.state {
                State::Running { .. } if before == Some(service.state) => same += 1,
                State::NotRunning { .. } => return Err(self.not_running(name, service)),
                _ => same = 0,
            }
            if same == STEADY {
                return Ok(service);
            }
            before = Some(service.state);
            thread::sleep(self.pause);
        }
        let service = self.status(name)?;
        Err(self.not_running(name, service))
    }

    fn not_running(&self, name: &'static str, service: Service) -> ServiceError {
        let last_exit = match service.state {
            State::NotRunning { last_exit } => last_exit,
            _ => None,
        };
        ServiceError::NotRunning {
            name,
            last_exit,
            file: self.folder.join("etc"),
            hint: "the log Application of Windows and its own log say why",
            outlook: if last_exit == Some(ABORTED.cast_signed()) {
                "Windows goes on trying"
            } else {
                "Windows does not try again"
            },
        }
    }
}

fn below_no_root(root: Option<&Path>) -> Result<(), ServiceError> {
    root.map_or(Ok(()), |_| Err(ServiceError::NoRoot))
}

fn refused(verb: Verb, why: ManagerError) -> ServiceError {
    match why {
        ManagerError::Denied => ServiceError::NotAdministrator { verb },
        ManagerError::Missing => ServiceError::NotRegistered { name: NAME },
        ManagerError::Failed(source) => ServiceError::Manager { verb, source },
    }
}

fn wanted(program: &Path) -> Wanted {
    Wanted {
        name: NAME,
        title: "Amazon CloudWatch Publisher",
        description: "Publishes this machine's metrics and logs to Amazon CloudWatch.",
        command: command_line([program.to_string_lossy().as_ref(), "run"]),
        account: account(NAME),
        restarts: RESTARTS,
        forgive: FORGIVE,
        goes_down_within: GOES_DOWN_WITHIN,
    }
}

fn service(name: &'static str, found: Option<Found>, program: &Path) -> Service {
    let Some(Found { now, automatic, command }) = found else {
        return Service { name, state: State::NotInstalled, disabled: false, file: program.to_owned(), note: None };
    };
    let (state, note) = match now {
        Now::Running { pid } => (State::Running { pid }, None),
        Now::Starting => (State::Starting, None),
        Now::Stopping => (State::Stopping, None),
        Now::Stopped { .. } if !automatic => (State::Disabled, None),
        Now::Stopped { last_exit } => {
            (State::NotRunning { last_exit: last_exit.map(u32::cast_signed) }, last_exit.and_then(meaning))
        }
    };
    // Ours is quoted; one that somebody registered by hand may not be.
    let file = command.strip_prefix('"').and_then(|rest| rest.split('"').next()).unwrap_or(&command);
    Service { name, state, disabled: !automatic, file: file.into(), note: note.map(str::to_owned) }
}

/// What the code means that a service ended with.
fn meaning(code: u32) -> Option<&'static str> {
    match code {
        CONFIGURATION => Some("its configuration cannot run; the log Application of Windows says why"),
        ABORTED => {
            Some("it failed or crashed, and is started again; the log Application of Windows and its own log say why")
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;
