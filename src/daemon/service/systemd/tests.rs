//! Against the pretended `systemctl` of the stories, except where its answers are read.
use super::*;
use std::{fs, os::unix::fs::PermissionsExt};
use tempfile::TempDir;

const SYSTEMCTL: &str = include_str!("../../../../tests/it/support/systemctl.sh");

/// A host on which the program and its user are there, and nothing is installed.
struct Host {
    folder: TempDir,
    systemd: Systemd,
}

impl Host {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        fs::write(path("script"), SYSTEMCTL).expect("ours");
        let call = format!("#!/bin/sh\nSTORY='{0}' exec /bin/sh '{0}/script' \"$@\"\n", folder.path().display());
        fs::write(path("draft"), call).expect("ours");
        fs::set_permissions(path("draft"), PermissionsExt::from_mode(0o755)).expect("ours");
        // By another process: while a test beside this one forks, a file that we had open could not be executed.
        assert!(Command::new("cp").arg("-p").args([path("draft"), path("systemctl")]).status().expect("cp").success());
        let systemd = Systemd {
            systemctl: path("systemctl"),
            id: "true".into(),
            program: path("systemctl"),
            host: path("host"),
            is_root: true,
            pause: Duration::ZERO,
        };
        Self { folder, systemd }
    }

    fn hold(&self, name: &str, text: &str) {
        let path = self.folder.path().join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, text).expect("ours");
    }

    fn ours(&self) -> PathBuf {
        file(&self.systemd.host, OURS)
    }

    fn state(&self) -> State {
        self.systemd.status(NAME).expect("told").state
    }

    /// What was changed so far, in order.
    fn changes(&self) -> Vec<String> {
        let calls = fs::read_to_string(self.folder.path().join("calls")).unwrap_or_default();
        let ours = |call: &&str| !call.starts_with("show");
        calls.lines().filter(ours).map(|call| call.replace(" amazon-cloudwatch-publisher.service", "")).collect()
    }
}

fn why<T: std::fmt::Debug>(outcome: Result<T, ServiceError>) -> String {
    outcome.expect_err("it fails").to_string()
}

#[test]
fn an_installation_writes_the_unit_and_starts_it_and_may_be_repeated() {
    let host = Host::new();
    let installed = host.systemd.install(None).expect("installed");
    assert_eq!((installed.fate, &installed.file), (Fate::Written, &host.ours()));
    assert_eq!(fs::read_to_string(host.ours()).expect("there"), UNIT);
    let service = installed.service.expect("started");
    assert_eq!((service.state, service.disabled), (State::Running { pid: 4_711 }, false));
    assert_eq!(service.note.as_deref(), Some("delivering = well"));
    assert_eq!(host.changes(), ["daemon-reload", "enable", "restart"]);
    assert_eq!(host.systemd.install(None).expect("again").fate, Fate::Unchanged);
}

#[test]
fn a_removal_stops_the_service_first_and_may_be_repeated() {
    let host = Host::new();
    host.systemd.install(None).expect("installed");
    assert_eq!(host.systemd.uninstall(None).expect("removed").fate, Fate::Removed);
    assert!(!host.ours().exists());
    assert_eq!(host.changes()[3..], ["disable --now", "daemon-reload", "reset-failed"]);
    assert_eq!(host.state(), State::NotInstalled);
    assert_eq!(host.systemd.uninstall(None).expect("again").fate, Fate::WasNotThere);
}

#[test]
fn the_unit_of_a_package_is_used_and_left_where_it_is() {
    let host = Host::new();
    let packaged = "host/usr/lib/systemd/system/amazon-cloudwatch-publisher.service";
    host.hold(packaged, "the package's");
    let installed = host.systemd.install(None).expect("installed");
    assert_eq!((installed.fate, &installed.file), (Fate::OfPackage, &host.folder.path().join(packaged)));
    assert!(installed.service.is_some_and(|service| service.state == State::Running { pid: 4_711 }));
    assert!(!host.ours().exists());
    assert_eq!(host.systemd.uninstall(None).expect("stopped").fate, Fate::OfPackage);
    assert_eq!(fs::read_to_string(host.folder.path().join(packaged)).expect("there"), "the package's");
    assert_eq!(host.state(), State::Disabled);
}

#[test]
fn a_link_of_the_administrator_is_no_file_of_ours() {
    let host = Host::new();
    fs::create_dir_all(host.ours().parent().expect("a folder")).expect("ours");
    std::os::unix::fs::symlink("/dev/null", host.ours()).expect("a link");
    assert_eq!(host.systemd.install(None).expect("left to systemd").fate, Fate::OfPackage);
    assert_eq!(host.systemd.uninstall(None).expect("stopped").fate, Fate::OfPackage);
    assert!(host.ours().is_symlink());
}

#[test]
fn where_systemd_does_not_run_nothing_is_written() {
    let host = Host::new();
    host.hold("absent", "");
    assert!(why(host.systemd.install(None)).contains("has not been booted with systemd"));
    let systemd = Systemd { systemctl: "/no/such/systemctl".into(), ..host.systemd.clone() };
    assert!(why(systemd.install(None)).contains("can do nothing here without it"));
    assert!(!host.ours().exists());
}

#[test]
fn below_another_root_the_unit_is_written_and_nothing_is_started() {
    let host = Host::new();
    let systemd = Systemd { is_root: false, id: "false".into(), ..host.systemd.clone() };
    let root = host.folder.path().join("root");
    let installed = systemd.install(Some(&root)).expect("written");
    assert_eq!((installed.file, installed.service), (file(&root, OURS), None));
    assert_eq!(systemd.uninstall(Some(&root)).expect("removed").fate, Fate::Removed);
    assert_eq!(host.changes(), [""; 0]);
}

#[test]
fn what_is_missing_is_said_before_anything_is_changed() {
    let host = Host::new();
    let systemd = host.systemd.clone();
    for (systemd, words) in [
        (Systemd { is_root: false, ..systemd.clone() }, "sudo amazon-cloudwatch-publisher service install"),
        (Systemd { program: "/no/such/program".into(), ..systemd.clone() }, "copy the program to that place first"),
        (Systemd { id: "false".into(), ..systemd }, "useradd --system"),
    ] {
        let said = why(systemd.install(None));
        assert!(said.contains(words), "{said}");
    }
    assert_eq!(host.changes(), [""; 0]);
    assert!(!host.ours().exists());
}

#[test]
fn a_daemon_that_does_not_keep_running_is_no_service_that_was_started() {
    let host = Host::new();
    host.hold("dying", "78");
    let said = why(host.systemd.install(None));
    assert!(said.contains("(last exit code 78)") && said.contains("systemd does not try again"), "{said}");
    assert!(said.contains("journalctl -u") && said.contains("validate"), "{said}");
    assert_eq!(host.state(), State::NotRunning { last_exit: Some(78) });
    host.hold("dying", "1");
    let said = why(host.systemd.enable(NAME));
    assert!(said.contains("(last exit code 1)") && said.contains("goes on trying"), "{said}");
}

#[test]
fn a_start_that_is_refused_is_told_with_what_systemd_says() {
    let host = Host::new();
    host.hold("refused", "");
    let said = why(host.systemd.install(None));
    assert!(said.contains("systemctl restart") && said.contains("control process exited"), "{said}");
    host.hold("absent", "");
    assert!(why(host.systemd.list()).contains("has not been booted with systemd"));
}

#[test]
fn a_service_is_started_and_stopped_for_good() {
    let host = Host::new();
    assert!(why(host.systemd.enable(NAME)).ends_with("sudo amazon-cloudwatch-publisher service install"));
    assert!(why(host.systemd.disable(NAME)).contains("is not installed"));
    host.systemd.install(None).expect("installed");
    host.systemd.disable(NAME).expect("stopped");
    assert_eq!(host.state(), State::Disabled);
    assert_eq!(host.systemd.enable(NAME).expect("started").state, State::Running { pid: 4_711 });
    assert_eq!(host.changes()[3..], ["disable --now", "enable", "start"]);
    let systemd = Systemd { is_root: false, ..host.systemd.clone() };
    assert!(why(systemd.disable(NAME)).contains("only root"));
    assert_eq!(systemd.list().expect("anybody may look").len(), 1);
}

#[test]
fn what_systemd_prints_is_a_state_and_a_note() {
    let read = |text: &str| {
        let service = service(NAME, &properties(text), None);
        (service.state, service.disabled, service.note)
    };
    let loaded = "LoadState=loaded\nUnitFileState=enabled\n";
    let of = |rest: &str| read(&format!("{loaded}{rest}"));
    let watchdog = of("ActiveState=failed\nSubState=failed\nResult=watchdog\nExecMainCode=3\nExecMainStatus=6\n");
    assert_eq!((watchdog.0, watchdog.1), (State::NotRunning { last_exit: None }, false));
    assert!(watchdog.2.is_some_and(|note| note.contains("no sign of life")));
    let killed = of("ActiveState=activating\nSubState=auto-restart\nResult=signal\nExecMainCode=2\nExecMainStatus=9\n");
    assert_eq!(killed.2.as_deref(), Some("it was ended by signal 9"));
    assert_eq!(of("ActiveState=activating\nSubState=start\nMainPID=7\n").0, State::Starting);
    assert_eq!(of("ActiveState=deactivating\nSubState=stop-sigterm\n").0, State::Stopping);
    assert_eq!(of("ActiveState=reloading\nSubState=reload\nMainPID=7\n").0, State::Running { pid: 7 });
    assert_eq!(of("ActiveState=inactive\nSubState=dead\nExecMainCode=0\nExecMainStatus=0\n").0, State::NotLoaded);
    let stopped = of("ActiveState=inactive\nSubState=dead\nExecMainCode=1\nExecMainStatus=0\n").0;
    assert_eq!(stopped, State::NotRunning { last_exit: Some(0) });
    let masked = read("LoadState=masked\nUnitFileState=masked\nActiveState=inactive\nSubState=dead\n");
    assert_eq!((masked.0, masked.1), (State::Disabled, true));
    for garbage in ["", "=", "LoadState", "\u{0}\nActiveState=active\nMainPID=x"] {
        assert_eq!(read(garbage).0, State::NotInstalled, "{garbage:?}");
    }
}
