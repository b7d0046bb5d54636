//! The installers (`installers/`) below another root, with pretended tools for accounts and services, and the program itself.
mod linux;
mod macos;
mod removal;
mod typed;

use crate::support::terminal::Terminal;
use serde_json::Value;
use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};
use tempfile::TempDir;

const HOME: &str = "opt/aws/amazon-cloudwatch-publisher";
const CONFIG: &str = "opt/aws/amazon-cloudwatch-publisher/etc/amazon-cloudwatch-publisher.json";
const PROGRAM: &str = "opt/aws/amazon-cloudwatch-publisher/bin/amazon-cloudwatch-publisher";
const LINK: &str = "usr/local/bin/amazon-cloudwatch-publisher";
const UNIT: &str = "etc/systemd/system/amazon-cloudwatch-publisher.service";

const PASSWORD: &str = r#"ge/h&i"m\1 'ü$x`"#;
/// The values of a login, as flags.
const LOGIN: &[&str] = &[
    "--region",
    "eu-west-1",
    "--account-id",
    "123456789012",
    "--user-pool-id",
    "eu-west-1_AbCdEf123",
    "--identity-pool-id=eu-west-1:11111111-2222-3333-4444-555555555555",
    "--app-client-id",
    "1abc2def",
    "--yes",
];

/// A machine whose whole system lies in a folder.
struct Machine {
    folder: TempDir,
}

impl Machine {
    /// Linux with systemd, as it comes. The program to install only leads to the one that was built: that one is large.
    fn linux() -> Self {
        let machine = Self::bare();
        for (name, text) in [
            ("etc/passwd", "root:x:0:0:root:/root:/bin/bash\n"),
            ("etc/group", "root:x:0:\nadm:x:4:syslog\nsudo:x:27:pi\nwww-data:x:33:\nsystemd-journal:x:101:\n"),
            ("usr/sbin/nologin", ""),
        ] {
            machine.write(&format!("root/{name}"), text);
        }
        fs::create_dir_all(machine.path("root/usr/local/bin")).expect("a folder");
        for tool in ["useradd", "usermod", "userdel", "groupdel"] {
            machine.program(&format!("bin/{tool}"), include_str!("../support/accounts.sh"));
        }
        machine
    }

    /// A Mac. Its program writes the service file that it would write there.
    fn mac() -> Self {
        let machine = Self::bare();
        fs::create_dir_all(machine.path("root/Library/LaunchDaemons")).expect("a folder");
        machine.program("bin/dscl", include_str!("../support/dscl.sh"));
        machine.program("bin/launchctl", "#!/bin/sh\nprintf '%s\\n' \"launchctl $*\" >>\"$STORY/calls\"\n");
        let real = env!("CARGO_BIN_EXE_amazon-cloudwatch-publisher");
        let plist = "$STORY/root/Library/LaunchDaemons/com.amazonaws.amazon-cloudwatch-publisher.plist";
        let services = format!(
            "#!/bin/sh\nif [ \"$1\" = service ]; then\n    printf '%s\\n' \"publisher $*\" >>\"$STORY/calls\"\n    \
             case $2 in install) echo plist >\"{plist}\" ;; uninstall) rm -f \"{plist}\" ;; esac\n    exit\nfi\nexec '{real}' \"$@\"\n"
        );
        machine.program("program", &services);
        machine
    }

    fn bare() -> Self {
        let machine = Self { folder: tempfile::tempdir().expect("a folder") };
        fs::create_dir_all(machine.path("root/opt")).expect("a folder");
        machine.program("bin/systemctl", "#!/bin/sh\nprintf '%s\\n' \"systemctl $*\" >>\"$STORY/calls\"\n");
        let real = env!("CARGO_BIN_EXE_amazon-cloudwatch-publisher");
        machine.program("program", &format!("#!/bin/sh\nexec '{real}' \"$@\"\n"));
        machine.write("password", &format!("{PASSWORD}\n"));
        machine
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, text).expect("ours");
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(&format!("root/{name}"))).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// A program of ours. Another process writes it: while a test beside this one forks, one that we had open could not be executed.
    fn program(&self, name: &str, text: &str) {
        self.write("draft", text);
        let (draft, to) = (self.path("draft"), self.path(name));
        fs::create_dir_all(to.parent().expect("a folder")).expect("a folder");
        assert!(Command::new("cp").args([&draft, &to]).status().expect("cp").success());
        fs::set_permissions(&to, PermissionsExt::from_mode(0o755)).expect("ours");
        fs::remove_file(draft).expect("ours");
    }

    /// This script, on this machine.
    fn script(&self, script: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new("bash");
        command.arg(script).args(arguments).arg("--root").arg(self.path("root"));
        command.env_clear().env("STORY", self.folder.path()).current_dir(self.folder.path());
        command.env("PATH", format!("{}:/usr/bin:/bin", self.path("bin").display())).env("TMPDIR", self.folder.path());
        command.stdin(Stdio::null());
        command
    }

    fn installer(&self, name: &str, arguments: &[&str]) -> Command {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("installers").join(name);
        self.script(&script, &[&["--program", "program"], arguments].concat())
    }

    /// The installer of Linux to its end.
    fn install(&self, arguments: &[&str]) -> Output {
        self.installer("install-rpi.bash", arguments).output().expect("bash")
    }

    /// The same with a whole login.
    fn install_with_login(&self, more: &[&str]) -> Output {
        self.install(&[LOGIN, &["--password-file", "password"], more].concat())
    }

    /// What is installed removes itself.
    fn uninstall(&self, arguments: &[&str]) -> Output {
        let script = self.path(&format!("root/{HOME}/bin/uninstall"));
        self.script(&script, arguments).output().expect("bash")
    }

    fn config(&self) -> Value {
        serde_json::from_str(&self.read(CONFIG)).expect("JSON")
    }

    /// Mode, user and group; the numbers of the story's own user count as those of whoever runs the test, who may be nobody special.
    fn rights(&self, name: &str) -> (u32, &'static str) {
        let found = self.path(&format!("root/{name}")).metadata().unwrap_or_else(|error| panic!("{name}: {error}"));
        let whose = match (found.uid(), found.gid()) {
            (871, 871) => "service",
            (0, 871) => "root:service",
            (0, 0) => "root",
            _ => "ours",
        };
        (found.mode() & 0o7777, whose)
    }

    /// Every file and folder of the system.
    fn listing(&self) -> BTreeSet<String> {
        fn walk(folder: &Path, below: &Path, found: &mut BTreeSet<String>) {
            for entry in fs::read_dir(folder).expect("readable") {
                let path = entry.expect("readable").path();
                found.insert(path.strip_prefix(below).expect("below").display().to_string());
                if path.is_dir() && !path.is_symlink() {
                    walk(&path, below, found);
                }
            }
        }
        let (mut found, root) = (BTreeSet::new(), self.path("root"));
        walk(&root, &root, &mut found);
        found
    }

    /// The groups of the service user beside its own.
    fn groups(&self) -> Vec<String> {
        let table = self.read("etc/group");
        let lines = table.lines().map(|line| line.split(':').collect::<Vec<_>>());
        let ours = lines.filter(|line| line[3].split(',').any(|member| member == "cwpublisher"));
        ours.map(|line| line[0].to_owned()).collect()
    }

    fn calls(&self) -> String {
        fs::read_to_string(self.path("calls")).unwrap_or_default()
    }
}

fn is_root() -> bool {
    tempfile::NamedTempFile::new().expect("a file").as_file().metadata().expect("ours").uid() == 0
}

/// Both outputs of a script that did what it was to do.
#[track_caller]
fn done(output: &Output) -> String {
    let said = said(output);
    assert!(output.status.success(), "{said}");
    said
}

/// Both outputs of one that refused, with this code.
#[track_caller]
fn refused(output: &Output, code: i32) -> String {
    let said = said(output);
    assert_eq!(output.status.code(), Some(code), "{said}");
    said
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Everything that is typed and shown is at one terminal.
fn at(terminal: &Terminal, mut command: Command) -> Command {
    let open = || fs::File::options().read(true).write(true).open(terminal.path()).expect("a terminal");
    command.stdin(open()).stdout(open()).stderr(open());
    command
}
