//! Against the pretended `launchctl` of the stories. The texts below are composed in the formats of several systems, not captured on one.
use super::*;
use crate::daemon::service::Fate;
use std::{fs, os::unix::fs::PermissionsExt, path::Path};
use tempfile::TempDir;

const LAUNCHCTL: &str = include_str!("../../../../tests/it/support/launchctl.sh");

/// A Mac on which both services of ours are installed.
struct Mac {
    folder: TempDir,
    launchd: Launchd,
}

impl Mac {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        fs::write(path("script"), LAUNCHCTL).expect("ours");
        let call = format!("#!/bin/sh\nSTORY='{0}' exec /bin/sh '{0}/script' \"$@\"\n", folder.path().display());
        fs::write(path("draft"), call).expect("ours");
        fs::set_permissions(path("draft"), PermissionsExt::from_mode(0o755)).expect("ours");
        // By another process: while a test beside this one forks, a file that we had open could not be executed.
        assert!(Command::new("cp").arg("-p").args([path("draft"), path("launchctl")]).status().expect("cp").success());
        let launchd = Launchd {
            launchctl: path("launchctl"),
            plists: path("plists"),
            program: path("launchctl"),
            is_root: true,
            pause: Duration::ZERO,
        };
        let mac = Self { folder, launchd };
        for label in [PUBLISHER, SERIAL_RELAY] {
            mac.hold("plists", &format!("{label}.plist"), &format!("<key>Label</key>\n<string>{label}</string>"));
        }
        mac
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What launchctl holds, or how it shall behave: see there.
    fn hold(&self, kind: &str, name: &str, text: &str) {
        fs::create_dir_all(self.path(kind)).expect("a folder");
        fs::write(self.path(kind).join(name), text).expect("ours");
    }

    fn states(&self) -> [State; 2] {
        let services = self.launchd.list().expect("listed");
        [services[0].state, services[1].state]
    }

    /// What was changed so far, in order.
    fn changes(&self) -> Vec<String> {
        let calls = fs::read_to_string(self.path("calls")).unwrap_or_default();
        let plists = format!("{}/", self.launchd.plists.display());
        calls.lines().filter(|call| !call.starts_with("print")).map(|call| call.replace(&plists, "")).collect()
    }
}

fn why<T: std::fmt::Debug>(outcome: Result<T, ServiceError>) -> String {
    outcome.expect_err("it fails").to_string()
}

#[test]
fn a_service_is_enabled_started_and_seen_to_run() {
    let mac = Mac::new();
    mac.hold("disabled", PUBLISHER, "true");
    mac.hold("busy", PUBLISHER, "2");
    let service = mac.launchd.enable(PUBLISHER).expect("it runs");
    assert_eq!(service.state, State::Running { pid: 4711 });
    let (enable, start) = (format!("enable system/{PUBLISHER}"), format!("bootstrap system {PUBLISHER}.plist"));
    assert_eq!(mac.changes(), [&*enable, &*start, &*start, &*start]);
    mac.launchd.enable(PUBLISHER).expect("it runs");
    assert_eq!(mac.changes()[4..], [enable], "one that runs is not started again");
}

#[test]
fn a_service_that_cannot_be_started_is_told_with_what_launchd_says() {
    let mac = Mac::new();
    mac.hold("refused", PUBLISHER, "");
    let said = why(mac.launchd.enable(PUBLISHER));
    assert!(said.contains("launchctl bootstrap system") && said.contains("5: Input/output error"), "{said}");
    assert_eq!(mac.changes().len(), 1 + 8);
}

#[test]
fn a_service_that_ends_at_once_does_not_count_as_started() {
    let mac = Mac::new();
    mac.hold("dying", PUBLISHER, "");
    let said = why(mac.launchd.enable(PUBLISHER));
    assert!(said.contains("does not keep running (last exit code 78)") && said.contains("validate"), "{said}");
    assert_eq!(mac.states()[0], State::NotRunning { last_exit: Some(78) });
}

#[test]
fn the_relay_is_not_enabled_beside_the_monitor() {
    for monitor in MONITOR {
        let mac = Mac::new();
        mac.hold("loaded", monitor, "");
        let said = why(mac.launchd.enable(SERIAL_RELAY));
        assert!(said.contains(monitor) && said.ends_with("bin/setup-ec2monitoring enable"), "{said}");
        assert_eq!(mac.changes(), [""; 0]);
        mac.launchd.enable(PUBLISHER).expect("the other one is no rival");
    }
}

#[test]
fn a_service_is_gone_when_disabling_is_done() {
    let mac = Mac::new();
    mac.launchd.enable(SERIAL_RELAY).expect("it runs");
    mac.hold("lingering", SERIAL_RELAY, "5");
    mac.launchd.disable(SERIAL_RELAY).expect("it goes");
    assert_eq!(mac.states(), [State::NotLoaded, State::Disabled]);
    let before = mac.changes().len();
    mac.launchd.disable(SERIAL_RELAY).expect("nothing to stop");
    assert_eq!(mac.changes()[before..], [format!("disable system/{SERIAL_RELAY}")]);
}

#[test]
fn a_service_that_does_not_go_is_told() {
    let mac = Mac::new();
    mac.launchd.enable(PUBLISHER).expect("it runs");
    mac.hold("stubborn", PUBLISHER, "");
    let said = why(mac.launchd.disable(PUBLISHER));
    assert!(said.contains("launchctl bootout") && said.contains("36"), "{said}");
    let service = &mac.launchd.list().expect("listed")[0];
    assert_eq!((service.state, service.disabled), (State::Running { pid: 4711 }, true));
}

#[test]
fn only_root_changes_anything_and_anybody_may_look() {
    let mac = Mac::new();
    let launchd = Launchd { is_root: false, ..mac.launchd.clone() };
    assert!(why(launchd.enable(PUBLISHER)).ends_with("sudo amazon-cloudwatch-publisher service enable"));
    assert!(why(launchd.disable(SERIAL_RELAY)).ends_with(&format!("service disable {SERIAL_RELAY}")));
    assert_eq!(mac.changes(), [""; 0]);
    assert_eq!(launchd.list().expect("listed").len(), 2);
}

#[test]
fn what_is_not_installed_is_told_with_where_it_belongs() {
    let mac = Mac::new();
    fs::remove_file(mac.launchd.plist(PUBLISHER)).expect("it was there");
    assert!(why(mac.launchd.enable(PUBLISHER)).ends_with("sudo amazon-cloudwatch-publisher service install"));
    assert_eq!(mac.states(), [State::NotInstalled, State::NotLoaded]);
    fs::remove_file(mac.launchd.plist(SERIAL_RELAY)).expect("it was there");
    assert!(why(mac.launchd.enable(SERIAL_RELAY)).ends_with("bin/setup-ec2monitoring enable"));
    assert_eq!(mac.changes(), [""; 0]);
    // What runs, runs.
    mac.hold("loaded", PUBLISHER, "removed");
    assert_eq!(mac.states()[0], State::Running { pid: 4711 });
}

#[test]
fn a_launchctl_that_is_not_there_is_no_missing_service() {
    let launchd = Launchd { launchctl: "/no/such/launchctl".into(), ..Mac::new().launchd };
    assert!(why(launchd.list()).contains("/no/such/launchctl could not be started"));
    // Neither is one that answers otherwise.
    let launchd = Launchd { launchctl: Path::new("/bin/false").into(), ..launchd };
    assert!(why(launchd.look(PUBLISHER)).contains("it gave no reason"));
}

/// As macOS 11 and 12 print it.
const RUNNING: &str = "com.example.service = {
\tactive count = 1
\tpath = /Library/LaunchDaemons/com.example.service.plist
\tstate = running

\tprogram = /opt/example
\targuments = {
\t\t/opt/example
\t\tpid = 1
\t\tlast exit code = 1
\t}

\tdefault environment = {
\t\tPATH => /usr/bin:/bin:/usr/sbin:/sbin
\t}

\tdomain = system
\texit timeout = 30
\truns = 3
\tpid = 64738
\tlast exit code = 1

\tspawn type = daemon (3)
\tproperties = {
\t\tkeepalive
\t}
}
";

/// As macOS 13 to 15 print it.
const WAITING: &str = "system/com.example.service = {
\tactive count = 0
\tpath = /Library/LaunchDaemons/com.example.service.plist
\ttype = LaunchDaemon
\tstate = spawn scheduled

\targuments = {
\t\t/opt/example
\t}

\truns = 12
\tlast exit code = 78: EX_CONFIG

\tresource coalition = {
\t\tID = 515
\t\tstate = active
\t\tpid = 99
\t}

\tproperties = keepalive | runatload
}
";

#[test]
fn of_a_service_only_its_own_lines_are_read() {
    assert_eq!(printed(RUNNING), Printed { pid: Some(64_738), last_exit: Some(1) });
    assert_eq!(printed(WAITING), Printed { pid: None, last_exit: Some(78) });
    let never = WAITING.replace("78: EX_CONFIG", "(never exited)");
    assert_eq!(printed(&never), Printed::default());
    let killed = WAITING.replace("last exit code = 78: EX_CONFIG", "last terminating signal = Killed: 9");
    assert_eq!(printed(&killed), Printed::default());
}

#[test]
fn both_ways_to_say_disabled_are_understood() {
    let older = "\n\tdisabled services = {\n\t\t\"com.a\" => true\n\t\t\"com.b\" => false\n\t}\n\tlogin item associations = {\n\t\t\"com.x\" => \"com.y\"\n\t}\n";
    let newer = older.replace("true", "disabled").replace("false", "enabled");
    for text in [older, newer.as_str()] {
        let expected = [("com.a".to_owned(), true), ("com.b".to_owned(), false)];
        assert_eq!(disabled(text), expected.into());
    }
    assert_eq!(disabled("Could not print\n\"\" =>\n => true\n"), BTreeMap::new());
}

#[test]
fn garbage_is_no_service_that_runs() {
    for text in ["", "}}}\npid = 7\n", "{\npid = many\nlast exit code = 9999999999999\n", "{\n{\npid = 7\n}\n}\n"] {
        assert_eq!(printed(text), Printed::default(), "{text:?}");
    }
}

#[test]
fn a_service_that_has_ended_by_itself_is_started_again() {
    let mac = Mac::new();
    mac.launchd.enable(PUBLISHER).expect("it runs");
    mac.hold("resting", PUBLISHER, "");
    let before = mac.changes().len();
    assert_eq!(mac.launchd.enable(PUBLISHER).expect("it runs").state, State::Running { pid: 4711 });
    assert_eq!(
        mac.changes()[before..],
        [format!("enable system/{PUBLISHER}"), format!("kickstart system/{PUBLISHER}")]
    );
}

#[test]
fn an_installation_starts_the_service_anew_and_a_removal_leaves_nothing() {
    let mac = Mac::new();
    mac.launchd.enable(PUBLISHER).expect("it runs");
    let before = mac.changes().len();
    let installed = mac.launchd.install(None).expect("installed");
    assert_eq!((installed.fate, installed.file.is_file()), (Fate::Replaced, true));
    assert!(installed.service.is_some_and(|service| service.state == State::Running { pid: 4711 }));
    let steps = ["bootout system/", "enable system/", "bootstrap system "];
    for (change, step) in mac.changes()[before..].iter().zip(steps) {
        assert!(change.starts_with(step), "{change}");
    }
    assert_eq!(mac.launchd.install(None).expect("again").fate, Fate::Unchanged);
    assert_eq!(mac.launchd.uninstall(None).expect("removed").fate, Fate::Removed);
    assert_eq!(mac.states(), [State::NotInstalled, State::NotLoaded]);
    assert_eq!(mac.launchd.uninstall(None).expect("again").fate, Fate::WasNotThere);
}

#[test]
fn below_another_root_the_file_is_written_and_nothing_is_started() {
    let mac = Mac::new();
    let launchd = Launchd { is_root: false, plists: "/Library/LaunchDaemons".into(), ..mac.launchd.clone() };
    let root = mac.path("root");
    let installed = launchd.install(Some(&root)).expect("written");
    assert_eq!(installed.file, root.join("Library/LaunchDaemons").join(format!("{PUBLISHER}.plist")));
    assert!(installed.service.is_none());
    assert_eq!(launchd.uninstall(Some(&root)).expect("removed").fate, Fate::Removed);
    assert_eq!(mac.changes(), [""; 0]);
}

#[test]
fn a_service_without_a_program_is_not_installed() {
    let mac = Mac::new();
    let launchd = Launchd { program: mac.path("none"), ..mac.launchd.clone() };
    let before = fs::read(mac.launchd.plist(PUBLISHER)).expect("there");
    assert!(why(launchd.install(None)).contains("copy the program to that place first"));
    assert_eq!(fs::read(mac.launchd.plist(PUBLISHER)).expect("there"), before);
    assert_eq!(mac.changes(), [""; 0]);
}
