//! The administrator's script of an EC2 Mac (`installers/setup-ec2monitoring`), with a pretended launchctl. A root of its own, a search
//! path where `sleep` takes no time, and a launchctl that keeps what it holds in files and notes each call.
use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Output},
};
use tempfile::TempDir;

const OURS: &str = "com.amazon.ec2.monitoring.agents.serialrelay";
const MONITOR: &str = "com.amazon.ec2.monitoring.agents.cpuutilization";
const RELAYD: &str = "com.amazon.ec2.monitoring.relayd";
const FEEDER: &str = "com.amazon.ec2.monitoring.agents.thermometer";
const CONFIG: &str = "opt/aws/amazon-cloudwatch-publisher/etc/ec2monitoring.json";
const PROGRAM: &str = "opt/aws/amazon-cloudwatch-publisher/bin/amazon-cloudwatch-publisher";
/// Takes no time, and ends whoever waits where the story wants that.
const SLEEP: &str = "#!/bin/sh\n[ ! -e \"$STORY/interrupted\" ] || kill -TERM $PPID\n";
const LAUNCHCTL: &str = include_str!("support/launchctl.sh");

fn checkout(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

struct Mac {
    folder: TempDir,
}

impl Mac {
    /// A Mac of EC2 as it comes: the monitor is installed and runs. Our program is there, too.
    fn with_the_monitor() -> Self {
        let mac = Self::bare();
        mac.install(MONITOR, "/usr/local/libexec/send-cpu-utilization");
        mac.hold("loaded", MONITOR, &mac.plist(MONITOR).display().to_string());
        mac
    }

    fn bare() -> Self {
        let mac = Self { folder: tempfile::tempdir().expect("a folder") };
        for (name, text) in [("bin/launchctl", LAUNCHCTL), ("bin/sleep", SLEEP), (&*format!("root/{PROGRAM}"), "")] {
            mac.program(name, text);
        }
        fs::create_dir_all(mac.path("root/Library/LaunchDaemons")).expect("a folder");
        mac
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A program of ours. Another process writes it: while a test beside this one forks, one that we had open could not be executed.
    fn program(&self, name: &str, text: &str) {
        let (draft, to) = (self.path("draft"), self.path(name));
        fs::create_dir_all(to.parent().expect("a folder")).expect("a folder");
        fs::write(&draft, text).expect("ours");
        assert!(Command::new("cp").args([&draft, &to]).status().expect("cp").success());
        fs::set_permissions(&to, PermissionsExt::from_mode(0o755)).expect("ours");
    }

    fn plist(&self, label: &str) -> PathBuf {
        self.path(&format!("root/Library/LaunchDaemons/{label}.plist"))
    }

    fn install(&self, label: &str, program: &str) {
        let text = format!(
            "<plist version=\"1.0\">\n<dict>\n\t<key>Label</key>\n\t<string>{label}</string>\n\t<key>ProgramArguments</key>\n\t\
             <array>\n\t\t<string>{program}</string>\n\t</array>\n</dict>\n</plist>\n"
        );
        fs::write(self.plist(label), text).expect("ours");
    }

    /// What launchctl holds, or how it shall behave: see there.
    fn hold(&self, kind: &str, label: &str, text: &str) {
        fs::create_dir_all(self.path(kind)).expect("a folder");
        fs::write(self.path(kind).join(label), text).expect("ours");
    }

    fn run_script(&self, script: &Path, arguments: &[&str]) -> Output {
        let mut command = Command::new("bash");
        command.arg(script).args(arguments).args(["--root", "root"]);
        command.env_clear().env("STORY", self.folder.path()).current_dir(self.folder.path());
        command.env("PATH", format!("{}:/usr/bin:/bin", self.path("bin").display()));
        command.output().expect("bash")
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.run_script(&checkout("installers/setup-ec2monitoring"), arguments)
    }

    fn loaded(&self, label: &str) -> bool {
        // It goes when it is looked for.
        self.path("loaded").join(label).exists() && !self.path("going").join(label).exists()
    }

    fn disabled(&self, label: &str) -> bool {
        fs::read_to_string(self.path("disabled").join(label)).is_ok_and(|word| word.trim() == "true")
    }

    /// What was changed so far, in order; asking changes nothing.
    fn changes(&self) -> Vec<String> {
        let calls = fs::read_to_string(self.path("calls")).unwrap_or_default();
        let root = fs::canonicalize(self.path("root")).expect("there").display().to_string();
        calls.lines().filter(|call| !call.starts_with("print")).map(|call| call.replace(&root, "")).collect()
    }
}

fn starts(label: &str) -> [String; 2] {
    [format!("enable system/{label}"), format!("bootstrap system /Library/LaunchDaemons/{label}.plist")]
}

fn stops(label: &str) -> [String; 2] {
    [format!("disable system/{label}"), format!("bootout system/{label}")]
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[track_caller]
fn done(output: &Output) -> String {
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    assert_eq!(text(&output.stderr), "");
    text(&output.stdout)
}

/// What it said on standard error.
#[track_caller]
fn failed(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{}{}", text(&output.stdout), text(&output.stderr));
    text(&output.stderr)
}

#[test]
fn the_monitor_is_out_before_our_relay_is_in() {
    let mac = Mac::with_the_monitor();
    mac.install(RELAYD, "/usr/local/libexec/relayd");
    mac.hold("lingering", MONITOR, "5");
    mac.hold("busy", OURS, "3");
    done(&mac.run(&["enable"]));
    let busy = starts(OURS);
    // The old relayd is not loaded: there is nothing to boot out.
    let expected = [&stops(RELAYD)[..1], &stops(MONITOR), &busy, &busy[1..], &busy[1..], &busy[1..]].concat();
    assert_eq!(mac.changes(), expected);
    assert!(mac.loaded(OURS) && !mac.loaded(MONITOR));
    assert!(mac.disabled(RELAYD) && mac.disabled(MONITOR) && !mac.disabled(OURS));
    let shipped = format!("installers/ec2monitoring/{OURS}.plist");
    assert_eq!(fs::read(mac.plist(OURS)).expect("installed"), fs::read(checkout(&shipped)).expect("shipped"));
    let sample = fs::read(checkout("configs/ec2-mac-monitoring.json")).expect("shipped");
    assert_eq!(fs::read(mac.path("root").join(CONFIG)).expect("installed"), sample);
    for file in [mac.plist(OURS), mac.path("root").join(CONFIG)] {
        assert_eq!(fs::metadata(file).expect("there").permissions().mode() & 0o777, 0o644);
    }
    assert!(mac.path("root/var/log/amazon/ec2").is_dir());
}

#[test]
fn enabling_again_starts_anew_and_changes_nothing_else() {
    let mac = Mac::with_the_monitor();
    done(&mac.run(&["enable"]));
    let before = mac.changes().len();
    let said = done(&mac.run(&["enable"]));
    let expected = [&stops(MONITOR)[..1], &stops(OURS)[1..], &starts(OURS)].concat();
    assert_eq!(mac.changes()[before..], expected);
    assert!(!said.contains("installed") && !said.contains("updated"), "{said}");
    assert!(mac.loaded(OURS));
    let hidden = fs::read_dir(mac.path("root/Library/LaunchDaemons")).expect("there");
    assert!(
        hidden.flatten().all(|file| !file.file_name().to_string_lossy().starts_with('.')),
        "something was left behind"
    );
}

#[test]
fn a_newer_plist_takes_the_place_of_the_old_one_and_a_changed_configuration_stays() {
    let mac = Mac::with_the_monitor();
    mac.install(OURS, &format!("/{PROGRAM}"));
    mac.hold("loaded", OURS, "as it was");
    fs::create_dir_all(mac.path("root").join(CONFIG).parent().expect("a folder")).expect("a folder");
    fs::write(mac.path("root").join(CONFIG), "{ \"mine\": true }").expect("ours");
    let said = done(&mac.run(&["enable"]));
    assert!(said.contains("updated ") && !said.contains("installed "), "{said}");
    assert!(fs::read_to_string(mac.plist(OURS)).expect("there").contains("SuccessfulExit"));
    assert_eq!(fs::read_to_string(mac.path("root").join(CONFIG)).expect("there"), "{ \"mine\": true }");
    assert_eq!(mac.changes(), [&stops(MONITOR)[..], &stops(OURS)[1..], &starts(OURS)].concat());
}

#[test]
fn where_our_relay_cannot_be_started_everything_is_as_it_was() {
    for (kind, why) in [("refused", "could not be started"), ("dying", "last exit code 78")] {
        let mac = Mac::with_the_monitor();
        mac.install(RELAYD, "/usr/local/libexec/relayd");
        mac.hold("disabled", RELAYD, "true");
        mac.install(FEEDER, "/usr/local/bin/thermometer");
        mac.hold(kind, OURS, "");
        let said = failed(&mac.run(&["enable"]));
        assert!(said.contains(why) && said.contains("was put back"), "{said}");
        assert!(mac.loaded(MONITOR) && !mac.loaded(OURS) && !mac.loaded(RELAYD) && !mac.loaded(FEEDER));
        assert!(!mac.disabled(MONITOR) && mac.disabled(RELAYD));
        assert!(!mac.plist(OURS).exists(), "it was not there before");
        // Ours is out before the monitor is in.
        let changes = mac.changes();
        let last = |call: &str| changes.iter().rposition(|change| change.starts_with(call));
        assert!(last(&format!("bootout system/{OURS}")) < last(&starts(MONITOR)[1]), "{changes:#?}");
    }
}

#[test]
fn an_update_that_does_not_run_gives_way_to_what_ran_before() {
    let mac = Mac::bare();
    mac.install(OURS, &format!("/{PROGRAM}"));
    let before = fs::read(mac.plist(OURS)).expect("there");
    mac.hold("loaded", OURS, "as it was");
    mac.hold("busy", OURS, "8");
    let said = failed(&mac.run(&["enable"]));
    assert!(said.contains("could not be started"), "{said}");
    assert!(mac.loaded(OURS));
    assert_eq!(fs::read(mac.plist(OURS)).expect("there"), before);
}

#[test]
fn an_interrupted_take_over_is_undone() {
    let mac = Mac::with_the_monitor();
    fs::write(mac.path("interrupted"), "").expect("ours");
    let said = failed(&mac.run(&["enable"]));
    assert!(said.contains("interrupted") && said.contains("was put back"), "{said}");
    assert!(mac.loaded(MONITOR) && !mac.disabled(MONITOR) && !mac.loaded(OURS) && !mac.plist(OURS).exists());
}

#[test]
fn a_monitor_that_does_not_go_keeps_its_place() {
    let mac = Mac::with_the_monitor();
    mac.hold("stubborn", MONITOR, "");
    let said = failed(&mac.run(&["enable"]));
    assert!(said.contains(&format!("{MONITOR} did not stop within 40 seconds")), "{said}");
    assert!(mac.loaded(MONITOR) && !mac.disabled(MONITOR) && !mac.loaded(OURS));
}

#[test]
fn nothing_is_stopped_where_our_program_is_missing() {
    let mac = Mac::with_the_monitor();
    fs::remove_file(mac.path("root").join(PROGRAM)).expect("it was there");
    let said = failed(&mac.run(&["enable"]));
    assert!(said.contains("install the publisher first"), "{said}");
    assert_eq!(mac.changes(), [""; 0]);
}

#[test]
fn a_monitor_whose_plist_is_gone_is_stopped_all_the_same() {
    let mac = Mac::bare();
    mac.hold("loaded", RELAYD, "removed");
    done(&mac.run(&["enable"]));
    assert_eq!(mac.changes(), [stops(RELAYD), starts(OURS)].concat());
}

#[test]
fn feeders_of_others_are_started_and_the_monitor_is_known_by_its_program() {
    let mac = Mac::bare();
    let renamed = "com.amazon.ec2.monitoring.agents.renamed";
    mac.install(renamed, "/opt/homebrew/libexec/send-cpu-utilization");
    mac.hold("loaded", renamed, "");
    mac.install(FEEDER, "/usr/local/bin/thermometer");
    done(&mac.run(&["enable"]));
    assert_eq!(mac.changes(), [stops(renamed), starts(OURS), starts(FEEDER)].concat());
    let before = mac.changes().len();
    done(&mac.run(&["enable"]));
    // One that runs is not started twice.
    assert_eq!(mac.changes()[before..].last(), Some(&starts(FEEDER)[0]));
}

#[test]
fn disabling_stops_all_of_them_and_a_second_time_is_no_failure() {
    let mac = Mac::with_the_monitor();
    mac.install(FEEDER, "/usr/local/bin/thermometer");
    done(&mac.run(&["enable"]));
    done(&mac.run(&["disable"]));
    for label in [MONITOR, OURS, FEEDER] {
        assert!(!mac.loaded(label) && mac.disabled(label), "{label}");
    }
    let before = mac.changes().len();
    done(&mac.run(&["disable"]));
    assert!(mac.changes()[before..].iter().all(|change| change.starts_with("disable ")));
    for wordy in [false, true] {
        if wordy {
            fs::write(mac.path("wordy"), "").expect("ours");
        }
        assert_eq!(done(&mac.run(&["list", "--state"])).matches("\tdisabled\n").count(), 3);
    }
    done(&mac.run(&["enable"]));
    assert!(mac.loaded(OURS) && mac.loaded(FEEDER) && !mac.disabled(OURS));
}

#[test]
fn list_prints_labels_and_nothing_else() {
    let mac = Mac::with_the_monitor();
    assert_eq!(done(&mac.run(&["list"])), format!("{MONITOR}\n"));
    mac.install(RELAYD, "/usr/local/libexec/relayd");
    done(&mac.run(&["enable"]));
    assert_eq!(done(&mac.run(&["list"])), format!("{RELAYD}\n{MONITOR}\n{OURS}\n"));
    let states = format!("{RELAYD}\tdisabled\n{MONITOR}\tdisabled\n{OURS}\trunning (pid 4711)\n");
    assert_eq!(done(&mac.run(&["list", "--state"])), states);
    assert_eq!(done(&Mac::bare().run(&["list"])), "");
}

#[test]
fn a_plist_without_a_label_is_said_and_the_others_are_served() {
    let mac = Mac::with_the_monitor();
    let broken = mac.plist("com.amazon.ec2.monitoring.agents.broken");
    fs::write(&broken, "<plist version=\"1.0\"><dict/></plist>").expect("ours");
    for verb in ["list", "enable", "disable"] {
        let output = mac.run(&[verb]);
        assert!(failed(&output).contains("agents.broken.plist has no Label"), "{}", failed(&output));
        assert!(text(&output.stdout).contains(MONITOR), "{verb}");
    }
    assert!(mac.disabled(OURS) && mac.disabled(MONITOR));
}

#[test]
fn where_the_system_has_a_reader_of_plists_that_is_asked() {
    let mac = Mac::bare();
    let buddy = "#!/bin/sh\n[ \"$2\" = 'Print :Label' ] && echo from.the.reader\n";
    mac.program("root/usr/libexec/PlistBuddy", buddy);
    mac.install(FEEDER, "/usr/local/bin/thermometer");
    assert_eq!(done(&mac.run(&["list"])), "from.the.reader\n");
}

#[test]
fn without_the_checkout_everything_comes_from_the_installed_folder() {
    let mac = Mac::bare();
    mac.program(
        "elsewhere/setup-ec2monitoring",
        &fs::read_to_string(checkout("installers/setup-ec2monitoring")).expect("text"),
    );
    let script = mac.path("elsewhere/setup-ec2monitoring");
    let said = failed(&mac.run_script(&script, &["enable"]));
    assert!(said.contains("install the publisher again") && mac.changes().is_empty(), "{said}");
    let store = mac.path("root/opt/aws/amazon-cloudwatch-publisher/ec2monitoring");
    fs::create_dir_all(&store).expect("a folder");
    for (from, name) in
        [("installers/ec2monitoring", &*format!("{OURS}.plist")), ("configs", "ec2-mac-monitoring.json")]
    {
        fs::copy(checkout(from).join(name), store.join(name)).expect("copied");
    }
    done(&mac.run_script(&script, &["enable"]));
    assert!(mac.loaded(OURS) && mac.path("root").join(CONFIG).exists());
}

#[test]
fn what_is_no_verb_gets_the_usage() {
    let mac = Mac::bare();
    for (words, unknown) in
        [(&["frobnicate"][..], "frobnicate"), (&[], "none was given"), (&["list", "enable"], "list enable")]
    {
        let output = mac.run(words);
        assert!(failed(&output).starts_with(&format!("unknown operation: {unknown}")), "{}", failed(&output));
        let usage = text(&output.stdout);
        assert!(["enable", "disable", "list"].iter().all(|verb| usage.contains(verb)), "{usage}");
    }
    assert_eq!(mac.changes(), [""; 0]);
}

#[test]
fn who_is_not_root_is_told_first() {
    let script = checkout("installers/setup-ec2monitoring");
    let is_root = text(&Command::new("id").arg("-u").output().expect("id").stdout).trim() == "0";
    let mut command = if is_root {
        let probe =
            Command::new("setpriv").args(["--reuid=65534", "--clear-groups", "test", "-r"]).arg(&script).status();
        if !probe.is_ok_and(|status| status.success()) {
            crate::support::skipped("another user may not read this checkout, or there is no setpriv");
            return;
        }
        let mut command = Command::new("setpriv");
        command.args(["--reuid=65534", "--clear-groups", "bash"]);
        command
    } else {
        Command::new("bash")
    };
    let output = command.arg(&script).arg("frobnicate").output().expect("started");
    assert_eq!((failed(&output).as_str(), text(&output.stdout).as_str()), ("must run as root\n", ""));
}

#[test]
fn the_plists_are_what_launchd_reads() {
    let read = "import json, plistlib, sys; print(json.dumps(plistlib.load(open(sys.argv[1], 'rb'))))";
    for (file, label) in [
        (format!("installers/ec2monitoring/{OURS}.plist"), OURS),
        (
            "installers/com.amazonaws.amazon-cloudwatch-publisher.plist".into(),
            "com.amazonaws.amazon-cloudwatch-publisher",
        ),
    ] {
        let output = Command::new("python3").args(["-c", read]).arg(checkout(&file)).output().expect("Python");
        let plist: serde_json::Value = serde_json::from_str(&done(&output)).expect("JSON");
        assert_eq!(plist["Label"], label);
        assert_eq!(plist["ProgramArguments"][0], format!("/{PROGRAM}"));
        assert_eq!(plist["RunAtLoad"], true);
        assert_ne!(plist["StandardErrorPath"], "/var/log/amazon/ec2/system-monitoring.log");
    }
}
