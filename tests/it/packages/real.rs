//! Packages by the tools that make them, opened and installed by the tools of the systems they are for. `scripts/test` fetches what
//! it can; what is not there is skipped, and said.
use super::{NAME, assets, metadata, release::Workshop};
use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Output},
};

const LINUX: &str = "x86_64-unknown-linux-gnu";
/// Names the folder with the programs cargo-deb and cargo-generate-rpm.
const PACKAGERS: &str = "PUBLISHER_TEST_PACKAGERS";
/// Names the folder with the unpacked packages rpm and busybox-static.
const RPM: &str = "PUBLISHER_TEST_RPM";

/// What a variable names, or a line that says what is skipped without it.
fn named(variable: &str) -> Option<PathBuf> {
    let found = std::env::var_os(variable).map(PathBuf::from);
    if found.is_none() {
        println!("skipped: {variable} is not set; scripts/test sets it where it can");
    }
    found
}

/// The program under test, without symbols, so that it is packed in seconds. For RPM it is another: its tool takes half a minute for
/// checksums of so large a program, compiled in haste as it is.
fn place_program(workshop: &Workshop, kind: &str) {
    let (from, to) = (env!("CARGO_BIN_EXE_amazon-cloudwatch-publisher"), workshop.program(LINUX));
    if kind == "rpm" {
        fs::write(to, "a program").expect("ours");
        return;
    }
    let stripped = Command::new("strip").arg("-o").arg(&to).arg(from).status();
    if !stripped.is_ok_and(|status| status.success()) {
        fs::copy(from, &to).expect("ours");
    }
}

/// The one file of this kind that is made of the program under test.
fn package(workshop: &Workshop, kind: &str) -> Option<PathBuf> {
    let packagers = named(PACKAGERS)?;
    place_program(workshop, kind);
    let path = format!("{}:{}", packagers.display(), std::env::var("PATH").expect("a search path"));
    let output = workshop.command("out").args(["--unchecked", "--only", kind, LINUX]).env("PATH", path).output();
    let output = output.expect("python3");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let made = fs::read_dir(workshop.path("out")).expect("a folder").flatten().map(|entry| entry.path());
    Some(made.into_iter().find(|path| path.extension().is_some_and(|e| e == kind)).expect("a package"))
}

fn text(output: Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// Mode and owner of each file that the lists of Cargo.toml promise, folders of it and links left out.
fn expected() -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    for (from, to, mode) in assets(&metadata()["deb"]) {
        let folder = super::checkout(&from);
        let pattern = folder.file_name().expect("a name").to_string_lossy().into_owned();
        let mode = if mode == "755" { "-rwxr-xr-x" } else { "-rw-r--r--" };
        let names = match pattern.split_once('*') {
            None => vec![pattern],
            Some((begin, end)) => {
                let entries = fs::read_dir(folder.parent().expect("a folder")).expect("a folder").flatten();
                let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
                names.filter(|name| name.starts_with(begin) && name.ends_with(end)).collect()
            }
        };
        files.extend(names.into_iter().map(|name| (format!("/{to}{name}"), mode.to_owned())));
    }
    files
}

#[test]
fn a_debian_package_holds_what_is_promised_and_dpkg_installs_upgrades_removes_and_purges_it() {
    let workshop = Workshop::new();
    let Some(deb) = package(&workshop, "deb") else { return };
    deb_holds_what_is_promised(&deb);
    if rustix::process::geteuid().is_root() {
        dpkg_installs_upgrades_removes_and_purges(&workshop, &deb);
    } else {
        println!("skipped: dpkg installs for root only");
    }
}

/// And asks for what the program needs.
fn deb_holds_what_is_promised(deb: &Path) {
    assert_eq!(
        deb.file_name().and_then(|n| n.to_str()),
        Some(&*format!("{NAME}_{}-1_amd64.deb", env!("CARGO_PKG_VERSION")))
    );
    let dpkg = |word: &str| text(Command::new("dpkg-deb").arg(word).arg(deb).output().expect("dpkg-deb"));
    let (mut files, mut links) = (BTreeMap::new(), vec![]);
    for line in dpkg("--contents").lines() {
        let fields: Vec<_> = line.split_whitespace().collect();
        assert!(["root/root", "0/0"].contains(&fields[1]), "{line}");
        match line.as_bytes()[0] {
            b'-' => drop(files.insert(fields[5][1..].to_owned(), fields[0].to_owned())),
            b'l' => links.push(fields[5..].join(" ")),
            _ => assert!(fields[0] == "drwxr-xr-x", "{line}"),
        }
    }
    // Debian asks for it; the tool writes it.
    assert!(files.remove(&format!("/usr/share/doc/{NAME}/copyright")).is_some(), "{files:?}");
    assert_eq!(files, expected());
    assert_eq!(links, [format!("./usr/bin/{NAME} -> /opt/aws/{NAME}/bin/{NAME}")]);
    let about = dpkg("--info");
    assert!(about.contains("\n Depends: ca-certificates, libc6 (>= 2.28), passwd\n"), "{about}");
    for script in ["preinst", "postinst", "prerm", "postrm"] {
        assert!(about.contains(&format!(" {script} ")), "{about}");
    }
    assert!(!about.contains("conffiles"), "{about}");
}

/// Stand-ins for the tools that a script of the package calls, which note each call.
fn stand_ins(folder: &Path, names: &[&str], log: &str) {
    fs::create_dir_all(folder).expect("a folder");
    for name in names {
        let does = match *name {
            "useradd" => "for last; do :; done; echo \"$last:x:900:900::/:/\" >>\"$DPKG_ROOT/etc/passwd\"",
            "groupadd" => "for last; do :; done; echo \"$last:x:900:\" >>\"$DPKG_ROOT/etc/group\"",
            "userdel" | "groupdel" => {
                "for last; do :; done; sed -i \"/^$last:/d\" \"$DPKG_ROOT/etc/passwd\" \"$DPKG_ROOT/etc/group\""
            }
            _ => "",
        };
        let path = folder.join(name);
        fs::write(&path, format!("#!/bin/sh\necho \"{name} $*\" >>\"{log}\"\n{does}\n")).expect("ours");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("ours");
    }
}

/// Into another root, where the scripts find stand-ins.
fn dpkg_installs_upgrades_removes_and_purges(workshop: &Workshop, deb: &Path) {
    let (root, calls) = (workshop.path("root"), workshop.path("calls"));
    for folder in ["etc", "var/lib/dpkg/info", "var/lib/dpkg/updates"] {
        fs::create_dir_all(root.join(folder)).expect("a folder");
    }
    for (file, words) in
        [("etc/passwd", ""), ("etc/group", "adm:x:4:\n"), ("var/lib/dpkg/status", ""), ("var/lib/dpkg/available", "")]
    {
        fs::write(root.join(file), words).expect("ours");
    }
    let tools = [
        "groupadd",
        "useradd",
        "usermod",
        "userdel",
        "groupdel",
        "systemctl",
        "deb-systemd-helper",
        "deb-systemd-invoke",
    ];
    stand_ins(&workshop.path("bin"), &tools, &calls.display().to_string());
    let dpkg = |words: &[&str]| {
        let path = format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", workshop.path("bin").display());
        let mut command = Command::new("dpkg");
        command.arg(format!("--root={}", root.display()));
        command.args(["--force-script-chrootless", "--force-depends", "--no-triggers"]).args(words).env("PATH", path);
        text(command.output().expect("dpkg"))
    };
    let home = root.join(format!("opt/aws/{NAME}"));
    let deb = deb.display().to_string();

    let said = dpkg(&["--install", &deb]);
    assert!(said.contains(&format!("sudo {NAME} config create")), "{said}");
    assert!(home.join("bin").join(NAME).is_file());
    let mode = |name: &str| fs::metadata(home.join(name)).expect("it is there").permissions().mode() & 0o7777;
    assert_eq!([mode("etc"), mode("logs"), mode("var")], [0o755, 0o750, 0o750]);
    assert_eq!(std::os::unix::fs::MetadataExt::uid(&fs::metadata(home.join("var")).expect("it is there")), 900);
    let config = home.join(format!("etc/{NAME}.json"));
    fs::write(&config, "ours").expect("ours");

    let said = dpkg(&["--install", &deb]);
    assert!(!said.contains("config create"), "{said}");
    dpkg(&["--remove", NAME]);
    assert_eq!(fs::read_to_string(&config).expect("kept"), "ours");
    assert!(!home.join("bin").exists());
    dpkg(&["--purge", NAME]);
    assert!(!home.exists());
    assert_eq!(fs::read_to_string(root.join("etc/passwd")).expect("users"), "");
    let calls = fs::read_to_string(calls).expect("calls");
    assert_eq!(calls.matches("useradd ").count(), 1, "{calls}");
    assert!(calls.contains("deb-systemd-helper purge"), "{calls}");
}

/// RPM out of its unpacked package.
fn rpm(unpacked: &Path) -> Command {
    let mut command = Command::new(unpacked.join("usr/bin/rpm"));
    let inside = fs::read_dir(unpacked.join("usr/lib")).into_iter().flatten().flatten().map(|entry| entry.path());
    let libraries: Vec<_> = inside.map(|path| path.display().to_string()).collect();
    command.env("LD_LIBRARY_PATH", libraries.join(":")).env("RPM_CONFIGDIR", unpacked.join("usr/lib/rpm"));
    command
}

#[test]
fn an_rpm_package_holds_what_is_promised_and_rpm_installs_upgrades_and_removes_it() {
    let workshop = Workshop::new();
    let Some(unpacked) = named(RPM) else { return };
    let Some(package) = package(&workshop, "rpm") else { return };
    rpm_holds_what_is_promised(&unpacked, &package);
    if rustix::process::geteuid().is_root() {
        rpm_installs_upgrades_and_removes(&workshop, &unpacked, &package);
    } else {
        println!("skipped: rpm changes its root, which only root may");
    }
}

/// And asks for what the program needs.
fn rpm_holds_what_is_promised(unpacked: &Path, package: &Path) {
    let ask = |words: &[&str]| text(rpm(unpacked).arg("-qp").args(words).arg(package).output().expect("rpm"));
    let listed = ask(&["--queryformat", "[%{FILEMODES:perms} %{FILEUSERNAME}:%{FILEGROUPNAME} %{FILENAMES}\n]"]);
    let mut files = BTreeMap::new();
    for line in listed.lines() {
        let fields: Vec<_> = line.split(' ').collect();
        assert_eq!(fields[1], "root:root", "{line}");
        files.insert(fields[2].to_owned(), fields[0].to_owned());
    }
    assert_eq!(files, expected());
    assert_eq!(ask(&["--queryformat", "%{ARCH}"]), "x86_64");
    let needs = ask(&["--requires"]);
    for name in ["glibc >= 2.28", "ca-certificates", "/usr/sbin/useradd"] {
        assert!(needs.lines().any(|line| line == name), "{needs}");
    }
    assert_eq!(ask(&["--configfiles"]), "");
    let scripts = ask(&["--scripts"]);
    for kind in ["postinstall scriptlet", "preuninstall scriptlet", "postuninstall scriptlet"] {
        assert!(scripts.contains(kind), "{scripts}");
    }
}

/// Into another root, which has a shell, and stand-ins for what the scripts call.
fn rpm_installs_upgrades_and_removes(workshop: &Workshop, unpacked: &Path, package: &Path) {
    let root = workshop.path("root");
    for folder in ["etc", "bin", "usr/bin", "usr/sbin", "dev", "run/systemd/system"] {
        fs::create_dir_all(root.join(folder)).expect("a folder");
    }
    fs::write(root.join("dev/null"), "").expect("ours");
    fs::write(root.join("etc/passwd"), "root:x:0:0::/:/bin/sh\n").expect("ours");
    fs::write(root.join("etc/group"), "root:x:0:\nadm:x:4:\n").expect("ours");
    fs::copy(unpacked.join("bin/busybox"), root.join("bin/busybox")).expect("the package has it");
    for name in ["sh", "sed", "grep", "ln", "mkdir", "chmod", "chown", "rm", "rmdir"] {
        std::os::unix::fs::symlink("busybox", root.join("bin").join(name)).expect("a link");
    }
    let tools = ["groupadd", "useradd", "usermod", "systemctl"];
    stand_ins(&root.join("usr/bin"), &tools, "/calls");
    let getent = root.join("usr/bin/getent");
    fs::write(&getent, "#!/bin/sh\ngrep \"^$2:\" \"/etc/$1\"\n").expect("ours");
    fs::set_permissions(&getent, fs::Permissions::from_mode(0o755)).expect("ours");
    let run = |words: &[&str], last: &str| {
        let mut command = rpm(unpacked);
        command.arg("--root").arg(&root).args([
            "--dbpath",
            "/rpmdb",
            "--nodeps",
            "--define",
            "_install_script_path /usr/bin:/bin",
        ]);
        let calls = root.join("calls");
        let _ = fs::remove_file(&calls);
        let said = text(command.args(words).arg(last).output().expect("rpm"));
        (said, fs::read_to_string(calls).unwrap_or_default())
    };
    let home = root.join(format!("opt/aws/{NAME}"));
    let package = package.display().to_string();

    let (said, calls) = run(&["--install"], &package);
    assert!(said.contains(&format!("sudo {NAME} config create")), "{said}");
    assert!(calls.contains("useradd --system") && calls.contains("systemctl enable"), "{calls}");
    assert!(!calls.contains("start"), "{calls}");
    assert!(home.join("bin").join(NAME).is_file() && root.join("usr/bin").join(NAME).is_symlink());
    let config = home.join(format!("etc/{NAME}.json"));
    fs::write(&config, "ours").expect("ours");

    let (said, calls) = run(&["--upgrade", "--replacepkgs"], &package);
    assert!(!said.contains("config create"), "{said}");
    assert!(calls.contains("systemctl try-restart") && !calls.contains("enable"), "{calls}");
    assert!(root.join("usr/bin").join(NAME).is_symlink());

    let (_, calls) = run(&["--erase"], NAME);
    assert!(calls.contains("systemctl disable") && calls.contains("systemctl stop"), "{calls}");
    assert_eq!(fs::read_to_string(&config).expect("kept"), "ours");
    assert!(!home.join("bin").exists() && !root.join("usr/bin").join(NAME).is_symlink());
}
