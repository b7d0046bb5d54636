//! The scripts of the packages on a machine of their own: a folder for its root, and stand-ins for the tools of the system, which
//! note each call. The scripts name whole paths, so these are moved into the folder.
use super::checkout;
use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Output},
};
use tempfile::TempDir;

/// What the tools do beside noting that they were called. `$ROOT` is the machine.
const TOOLS: &[(&str, &str)] = &[
    ("groupadd", r#"for last; do :; done; echo "$last:x:900:" >>"$ROOT/etc/group""#),
    ("useradd", r#"for last; do :; done; echo "$last:x:900:900::/nonexistent:/usr/sbin/nologin" >>"$ROOT/etc/passwd""#),
    ("usermod", ""),
    ("userdel", r#"for last; do :; done; sed -i "/^$last:/d" "$ROOT/etc/passwd" "$ROOT/etc/group""#),
    ("groupdel", "exit 6"),
    ("chown", ""),
    ("getent", r#"grep "^$2:" "$ROOT/etc/$1""#),
    ("systemctl", ""),
    ("deb-systemd-helper", r#"[ ! -e "$ROOT/disabled" ] || exit 1"#),
    ("deb-systemd-invoke", ""),
    ("uname", r#"cat "$ROOT/processor""#),
];
/// Of the system, as they are.
const OWN: &[&str] = &["sh", "awk", "cat", "chmod", "grep", "ln", "mkdir", "rm", "rmdir", "sed"];

struct Machine {
    folder: TempDir,
}

impl Machine {
    /// With systemd running and the groups of Debian.
    fn new() -> Self {
        let machine = Self { folder: tempfile::tempdir().expect("a folder") };
        for folder in ["bin", "root/etc", "root/run/systemd/system", "root/usr/bin"] {
            fs::create_dir_all(machine.path(folder)).expect("a folder");
        }
        machine.write("root/etc/passwd", "root:x:0:0::/root:/bin/sh\n");
        machine.write("root/etc/group", "root:x:0:\nsudo:x:27:\nadm:x:4:\nsystemd-journal:x:101:\n");
        machine.write("root/processor", "aarch64\n");
        for (name, does) in TOOLS {
            let text = format!("#!/bin/sh\necho \"{name} $*\" >>\"$ROOT/calls\"\n{does}\n");
            machine.write(&format!("bin/{name}"), &text);
            fs::set_permissions(machine.path(&format!("bin/{name}")), fs::Permissions::from_mode(0o755)).expect("ours");
        }
        for tool in OWN {
            let found =
                ["/bin", "/usr/bin"].map(|folder| Path::new(folder).join(tool)).into_iter().find(|p| p.exists());
            std::os::unix::fs::symlink(found.expect("POSIX systems have it"), machine.path(&format!("bin/{tool}")))
                .expect("a link");
        }
        machine
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::create_dir_all(self.path(name).parent().expect("a folder")).expect("a folder");
        fs::write(self.path(name), text).expect("ours");
    }

    fn home(&self, name: &str) -> PathBuf {
        self.path("root/opt/aws/amazon-cloudwatch-publisher").join(name)
    }

    fn configure(&self) {
        fs::create_dir_all(self.home("etc")).expect("a folder");
        fs::write(self.home("etc/amazon-cloudwatch-publisher.json"), "{}").expect("ours");
    }

    /// What the script says, and which tools it called.
    fn try_run(&self, script: &str, arguments: &[&str]) -> (Output, Vec<String>) {
        let root = self.path("root").display().to_string();
        let mut text = fs::read_to_string(checkout("packages").join(script)).expect("a script");
        for place in ["/opt/aws", "/etc/systemd", "/run/systemd", "/usr/bin/$name"] {
            text = text.replace(place, &format!("{root}{place}"));
        }
        for place in ["etc", "proc"] {
            text = text.replace(&format!("\"$root/{place}/"), &format!("\"{root}/{place}/"));
        }
        self.write("script", &text);
        let _ = fs::remove_file(self.path("root/calls"));
        let mut command = Command::new(self.path("bin/sh"));
        command.arg("-e").arg(self.path("script")).args(arguments);
        command.env_clear().env("PATH", self.path("bin")).env("ROOT", self.path("root"));
        let output = command.output().expect("sh");
        let calls = fs::read_to_string(self.path("root/calls")).unwrap_or_default();
        (output, calls.lines().map(str::to_owned).collect())
    }

    fn run(&self, script: &str, arguments: &[&str]) -> (String, Vec<String>) {
        let (output, calls) = self.try_run(script, arguments);
        assert!(output.status.success(), "{script} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        (String::from_utf8(output.stdout).expect("UTF-8"), calls)
    }

    fn has_user(&self) -> bool {
        fs::read_to_string(self.path("root/etc/passwd")).expect("users").contains("\ncwpublisher:")
    }
}

/// Those of the calls that change what the service manager does.
fn of_the_service(calls: &[String]) -> Vec<&str> {
    let harmless = ["daemon-reload", "was-enabled", "update-state"];
    let calls = calls
        .iter()
        .map(String::as_str)
        .filter(|call| ["systemctl ", "deb-systemd-"].iter().any(|tool| call.starts_with(tool)));
    calls.filter(|call| !harmless.iter().any(|word| call.contains(word))).collect()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("it is there").permissions().mode() & 0o7777
}

/// What a first installation leaves, by either kind of package.
fn is_installed_and_not_started(machine: &Machine, said: &str, calls: &[String]) {
    assert!(machine.has_user());
    let user = calls.iter().find(|call| call.starts_with("useradd ")).expect("a user");
    for word in ["--system", "--no-create-home", "nologin"] {
        assert!(user.contains(word), "{user}");
    }
    assert!(calls.iter().any(|call| call == "usermod --append --groups adm cwpublisher"), "{calls:?}");
    assert!(calls.iter().any(|call| call == "usermod --append --groups systemd-journal cwpublisher"), "{calls:?}");
    assert!(!calls.iter().any(|call| call.contains("sudo")), "{calls:?}");
    assert_eq!(
        [mode(&machine.home("etc")), mode(&machine.home("var")), mode(&machine.home("logs"))],
        [0o755, 0o750, 0o750]
    );
    for folder in ["var", "logs"] {
        let owned = format!("chown cwpublisher:cwpublisher {}", machine.home(folder).display());
        assert!(calls.contains(&owned), "{calls:?}");
    }
    let next = ["sudo amazon-cloudwatch-publisher config create ", "sudo systemctl start amazon-cloudwatch-publisher"];
    assert!(next.iter().all(|command| said.contains(command)), "{said}");
    assert!(checkout("configs").join(sample(said)).is_file(), "{said}");
}

/// The sample that the next command names.
fn sample(said: &str) -> &str {
    let (_, path) =
        said.split_once("--template /usr/share/doc/amazon-cloudwatch-publisher/configs/").expect("a template");
    path.lines().next().expect("a name")
}

#[test]
fn a_raspberry_pi_is_offered_its_own_sample() {
    let machine = Machine::new();
    assert_eq!(sample(&machine.run("deb/postinst", &["configure", ""]).0), "amazon-cloudwatch-publisher-linux.json");
    machine.write("root/proc/device-tree/model", "Raspberry Pi 5 Model B Rev 1.0\0");
    let (said, _) = machine.run("deb/postinst", &["configure", ""]);
    assert_eq!(sample(&said), "amazon-cloudwatch-publisher-rpi.json");
    assert!(checkout("configs").join(sample(&said)).is_file());
}

#[test]
fn a_debian_installation_makes_user_and_folders_enables_and_says_what_to_do_next() {
    let machine = Machine::new();
    machine.run("deb/preinst", &["install"]);
    let (said, calls) = machine.run("deb/postinst", &["configure", ""]);
    is_installed_and_not_started(&machine, &said, &calls);
    assert_eq!(of_the_service(&calls), ["deb-systemd-helper enable amazon-cloudwatch-publisher.service"]);
}

#[test]
fn a_debian_upgrade_restarts_only_what_runs_and_leaves_everything_as_it_was() {
    let machine = Machine::new();
    machine.run("deb/postinst", &["configure", ""]);
    machine.configure();
    fs::set_permissions(machine.home("var"), fs::Permissions::from_mode(0o700)).expect("ours");
    assert_eq!(machine.run("deb/prerm", &["upgrade", "0.2.0-1"]).1, Vec::<String>::new());
    machine.run("deb/preinst", &["upgrade", "0.1.0-1"]);
    assert_eq!(of_the_service(&machine.run("deb/postrm", &["upgrade", "0.2.0-1"]).1), Vec::<&str>::new());
    let (said, calls) = machine.run("deb/postinst", &["configure", "0.1.0-1"]);
    assert_eq!(said, "");
    let last = *of_the_service(&calls).last().expect("a restart");
    assert_eq!(last, "deb-systemd-invoke try-restart amazon-cloudwatch-publisher.service");
    assert!(!calls.iter().any(|call| call.starts_with("useradd") || call.starts_with("chown")), "{calls:?}");
    assert_eq!(mode(&machine.home("var")), 0o700);
}

#[test]
fn an_upgrade_does_not_enable_what_an_administrator_disabled() {
    let machine = Machine::new();
    machine.write("root/disabled", "");
    let (_, calls) = machine.run("deb/postinst", &["configure", "0.1.0-1"]);
    assert!(!calls.iter().any(|call| call.starts_with("deb-systemd-helper enable")), "{calls:?}");
    let (_, calls) = machine.run("rpm/post_install", &["2"]);
    assert!(!calls.iter().any(|call| call.starts_with("systemctl enable")), "{calls:?}");
}

#[test]
fn a_debian_removal_stops_and_keeps_what_is_the_users_and_a_purge_takes_it() {
    let machine = Machine::new();
    machine.run("deb/postinst", &["configure", ""]);
    machine.configure();
    let (_, calls) = machine.run("deb/prerm", &["remove"]);
    assert_eq!(calls, ["deb-systemd-invoke stop amazon-cloudwatch-publisher.service"]);
    machine.run("deb/postrm", &["remove"]);
    assert!(machine.home("etc/amazon-cloudwatch-publisher.json").exists() && machine.home("var").exists());
    assert!(machine.has_user());
    machine.run("deb/postrm", &["purge"]);
    assert!(!machine.path("root/opt/aws").exists() && !machine.has_user());
    // Once more, on a machine that has nothing of it.
    machine.run("deb/postrm", &["purge"]);
}

#[test]
fn a_purge_leaves_what_others_put_beside_it() {
    let machine = Machine::new();
    machine.run("deb/postinst", &["configure", ""]);
    machine.write("root/opt/aws/other/file", "");
    machine.run("deb/postrm", &["purge"]);
    assert!(machine.path("root/opt/aws/other/file").exists() && !machine.home("").exists());
}

#[test]
fn a_processor_that_the_package_is_not_for_is_told_before_anything_is_unpacked() {
    let machine = Machine::new();
    machine.write("root/processor", "armv6l\n");
    let (output, _) = machine.try_run("deb/preinst", &["install"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("ARMv6"), "{said}");
}

#[test]
fn a_unit_of_an_earlier_installation_is_named() {
    for (script, arguments) in [("deb/postinst", &["configure", ""][..]), ("rpm/post_install", &["1"])] {
        let machine = Machine::new();
        machine.write("root/etc/systemd/system/amazon-cloudwatch-publisher.service", "");
        let said = String::from_utf8_lossy(&machine.try_run(script, arguments).0.stderr).into_owned();
        assert!(said.contains("/etc/systemd/system/amazon-cloudwatch-publisher.service"), "{script}: {said}");
    }
}

#[test]
fn an_rpm_installation_makes_user_folders_and_link_enables_and_says_what_to_do_next() {
    let machine = Machine::new();
    let (said, calls) = machine.run("rpm/post_install", &["1"]);
    is_installed_and_not_started(&machine, &said, &calls);
    assert_eq!(of_the_service(&calls), ["systemctl enable amazon-cloudwatch-publisher.service"]);
    let link = fs::read_link(machine.path("root/usr/bin/amazon-cloudwatch-publisher")).expect("a link");
    assert_eq!(link, machine.home("bin/amazon-cloudwatch-publisher"));
}

#[test]
fn an_rpm_upgrade_restarts_only_what_runs_and_a_removal_stops_and_keeps_what_is_the_users() {
    let machine = Machine::new();
    machine.run("rpm/post_install", &["1"]);
    machine.configure();
    // In the order in which RPM runs them: of the new version, then of the old one.
    let (said, calls) = machine.run("rpm/post_install", &["2"]);
    assert_eq!((said.as_str(), of_the_service(&calls)), ("", vec![]));
    assert_eq!(machine.run("rpm/pre_uninstall", &["1"]).1, Vec::<String>::new());
    let (_, calls) = machine.run("rpm/post_uninstall", &["1"]);
    assert_eq!(of_the_service(&calls), ["systemctl try-restart amazon-cloudwatch-publisher.service"]);
    assert!(machine.path("root/usr/bin/amazon-cloudwatch-publisher").is_symlink());

    let (_, calls) = machine.run("rpm/pre_uninstall", &["0"]);
    let service = "amazon-cloudwatch-publisher.service";
    assert_eq!(of_the_service(&calls), [format!("systemctl disable {service}"), format!("systemctl stop {service}")]);
    machine.run("rpm/post_uninstall", &["0"]);
    assert!(!machine.path("root/usr/bin/amazon-cloudwatch-publisher").is_symlink());
    assert!(machine.home("etc/amazon-cloudwatch-publisher.json").exists() && machine.has_user());
}
