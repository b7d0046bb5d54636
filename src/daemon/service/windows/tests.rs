//! Against a manager that these tests make up: Windows is not at hand.
use super::*;
use std::{cell::RefCell, io};

/// A service control manager that has one service at most, and notes what it is told.
#[derive(Default)]
struct Pretended {
    told: RefCell<Vec<String>>,
    /// What the service is found to do, look by look; the last one stays.
    looks: RefCell<Vec<Option<Now>>>,
    automatic: RefCell<bool>,
    is_user: bool,
    groups_fail: bool,
}

impl Pretended {
    fn with(looks: &[Option<Now>]) -> Self {
        Self { looks: RefCell::new(looks.to_vec()), ..Self::default() }
    }

    fn note(&self, what: impl Into<String>) -> Result<(), ManagerError> {
        if self.is_user {
            return Err(ManagerError::Denied);
        }
        self.told.borrow_mut().push(what.into());
        Ok(())
    }
}

impl Manager for Pretended {
    fn may_change(&self) -> Result<(), ManagerError> {
        if self.is_user { Err(ManagerError::Denied) } else { Ok(()) }
    }

    fn look(&self, _: &str) -> Result<Option<Found>, ManagerError> {
        let mut looks = self.looks.borrow_mut();
        let now = if looks.len() > 1 { looks.remove(0) } else { looks.first().copied().flatten() };
        let command = r#""C:\p.exe" run"#.to_owned();
        Ok(now.map(|now| Found { now, automatic: *self.automatic.borrow(), command }))
    }

    fn put(&self, wanted: &Wanted) -> Result<(), ManagerError> {
        self.note(format!("put {} as {}", wanted.command, wanted.account))
    }

    fn automatic(&self, _: &str, automatic: bool) -> Result<(), ManagerError> {
        *self.automatic.borrow_mut() = automatic;
        self.note(format!("automatic {automatic}"))
    }

    fn start(&self, _: &str) -> Result<(), ManagerError> {
        self.note("start")
    }

    fn stop(&self, _: &str) -> Result<(), ManagerError> {
        self.note("stop")
    }

    fn remove(&self, _: &str) -> Result<(), ManagerError> {
        self.note("remove")
    }

    fn folder(&self, path: &Path, rights: &str) -> io::Result<()> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let changes = rights.contains("0x1301bf");
        self.note(format!("folder {name} {changes}")).map_err(io::Error::other)
    }

    fn join(&self, id: &str, group: &str) -> io::Result<()> {
        assert_eq!(id, account_id(NAME));
        if self.groups_fail {
            Err(io::Error::other("no such group"))
        } else {
            self.note(group).map_err(io::Error::other)
        }
    }

    fn event_source(&self, _: &str, wanted: bool) -> io::Result<()> {
        self.note(format!("source {wanted}")).map_err(io::Error::other)
    }
}

/// With a program that is there.
fn windows(manager: Pretended) -> (tempfile::TempDir, Windows<Pretended>) {
    let folder = tempfile::tempdir().expect("a folder");
    let program = folder.path().join("p.exe");
    std::fs::write(&program, "").expect("written");
    let folder_of = folder.path().join("CloudWatchPublisher");
    (folder, Windows { manager, program, folder: folder_of, pause: Duration::ZERO })
}

const UP: Option<Now> = Some(Now::Running { pid: 7 });
const DOWN: Option<Now> = Some(Now::Stopped { last_exit: None });

#[test]
fn the_folders_are_closed_before_there_is_a_service_and_it_starts_last() {
    let (_folder, windows) = windows(Pretended::with(&[DOWN, Some(Now::Starting), UP]));
    let installed = windows.install(None).expect("installed");
    assert_eq!(installed.service.map(|service| (service.state, service.note)), Some((State::Running { pid: 7 }, None)));
    let put = format!(r#"put "{}" run as NT SERVICE\{NAME}"#, windows.program.display());
    assert_eq!(
        *windows.manager.told.borrow(),
        [
            "folder CloudWatchPublisher false",
            "folder etc false",
            "folder logs true",
            "folder var true",
            &put,
            "S-1-5-32-573",
            "S-1-5-32-558",
            "source true",
            "automatic true",
            "start"
        ]
    );
}

#[test]
fn an_installation_over_a_running_service_starts_it_anew() {
    let (_folder, windows) = windows(Pretended::with(&[UP, Some(Now::Stopping), DOWN, UP]));
    windows.install(None).expect("installed");
    let told = windows.manager.told.borrow();
    let order: Vec<_> = told.iter().filter(|told| ["stop", "start"].contains(&told.as_str())).collect();
    assert_eq!(order, ["stop", "start"]);
}

#[test]
fn who_is_no_administrator_changes_nothing_and_is_told() {
    let (_folder, windows) = windows(Pretended { is_user: true, ..Pretended::with(&[DOWN]) });
    for (why, verb) in [
        (windows.prepared().expect_err("no rights"), "install"),
        (windows.install(None).expect_err("no rights"), "install"),
        (windows.uninstall(None).expect_err("no rights"), "uninstall"),
        (windows.enable(NAME).expect_err("no rights"), "enable"),
        (windows.disable(NAME).expect_err("no rights"), "disable"),
    ] {
        let why = why.to_string();
        assert!(why.contains("administrator") && why.ends_with(&format!("service {verb}")), "{why}");
    }
    assert_eq!(windows.status(NAME).expect("anybody may ask").state, State::Disabled);
    assert!(windows.manager.told.borrow().is_empty());
}

#[test]
fn without_the_program_or_below_another_root_nothing_is_registered() {
    let (folder, windows) = windows(Pretended::with(&[None]));
    assert!(matches!(windows.install(Some(folder.path())), Err(ServiceError::NoRoot)));
    std::fs::remove_file(&windows.program).expect("there");
    assert!(matches!(windows.install(None), Err(ServiceError::NoProgram { .. })));
    assert!(windows.manager.told.borrow().is_empty());
}

#[test]
fn groups_that_are_not_there_are_told_and_keep_nobody_from_running() {
    let (_folder, windows) = windows(Pretended { groups_fail: true, ..Pretended::with(&[DOWN, UP]) });
    let note = windows.install(None).expect("installed").service.and_then(|service| service.note);
    assert!(note.as_ref().is_some_and(|note| note.contains("Event Log Readers")), "{note:?}");
}

#[test]
fn a_configuration_that_cannot_run_is_not_waited_for() {
    let ended = |code| Some(Now::Stopped { last_exit: Some(code) });
    for (code, outlook) in [(78, "Windows does not try again"), (1067, "Windows goes on trying")] {
        let (_folder, windows) = windows(Pretended::with(&[DOWN, Some(Now::Starting), ended(code)]));
        let why = windows.install(None).expect_err("it does not run").to_string();
        assert!(why.contains(&format!("(last exit code {code})")) && why.ends_with(outlook), "{why}");
    }
}

#[test]
fn a_removal_stops_the_service_first_and_may_be_repeated() {
    let (_folder, windows) = windows(Pretended::with(&[UP, UP, Some(Now::Stopping), DOWN]));
    assert_eq!(windows.uninstall(None).expect("removed").fate, Fate::Unregistered);
    assert_eq!(*windows.manager.told.borrow(), ["automatic false", "stop", "remove", "source false"]);
    windows.manager.looks.replace(vec![None]);
    assert_eq!(windows.uninstall(None).expect("nothing to do").fate, Fate::WasNotRegistered);
}

#[test]
fn one_that_does_not_stop_is_not_removed() {
    let (_folder, windows) = windows(Pretended::with(&[UP]));
    assert!(matches!(windows.uninstall(None), Err(ServiceError::Lingers { .. })));
    assert!(!windows.manager.told.borrow().contains(&"remove".to_owned()));
}

#[test]
fn people_are_told_what_the_manager_knows() {
    let found = |now, automatic| {
        service(NAME, Some(Found { now, automatic, command: r#""C:\p.exe" run"#.into() }), Path::new("x"))
    };
    let running = found(Now::Running { pid: 7 }, false);
    assert_eq!((running.state, running.disabled), (State::Running { pid: 7 }, true));
    assert_eq!(running.file, Path::new(r"C:\p.exe"));
    let failed = found(Now::Stopped { last_exit: Some(78) }, true);
    assert_eq!(failed.state, State::NotRunning { last_exit: Some(78) });
    assert!(failed.note.is_some_and(|note| note.contains("configuration")));
    assert_eq!(found(Now::Stopped { last_exit: None }, false).state, State::Disabled);
    assert_eq!(service(NAME, None, Path::new("x")).state, State::NotInstalled);
}
