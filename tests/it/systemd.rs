//! The shipped unit in a real systemd: one that is process 1 of namespaces of its own, with the daemon installed as an installer leaves it.
//!
//! Needs root and a Linux that has systemd's programs and lets its control groups be written; elsewhere this is skipped, and says why.
use crate::support::PATIENCE;
use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Output, Stdio},
    time::Duration,
};
use tempfile::TempDir;
use tokio::{
    process::{Child, Command},
    time::{Instant, sleep},
};

const SYSTEMD: &str = "/lib/systemd/systemd";
const BOOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/support/boot-systemd.sh");
const PROGRAM: &str = "/opt/aws/amazon-cloudwatch-publisher/bin/amazon-cloudwatch-publisher";
const CONFIG: &str = "/opt/aws/amazon-cloudwatch-publisher/etc/amazon-cloudwatch-publisher.json";
const BETWEEN_LOOKS: Duration = Duration::from_millis(100);

/// Longest time that a machine that can do this takes to boot.
const BOOTING: Duration = Duration::from_secs(30);

/// What the service is to do: everything stays on the machine.
fn config() -> Value {
    let file = |path: &str| json!({ "file_path": path, "log_group_name": "/story", "from_beginning": true });
    json!({
        "agent": {
            "destination": "local",
            "instance": { "prefix": "sys", "serial": "story" },
            "metrics_collection_interval": 1,
            "logs_collection_interval": 1,
        },
        "logs": { "log_group_name": "/story", "logs_collected": { "journal": true, "files": { "collect_list": [
            file("/var/log/story/group.log"), file("/home/story/home.log")
        ] } } },
        "metrics": {
            "namespace": "System/Story",
            "force_flush_interval": 1,
            "metrics_collected": {
                "disk": { "measurement": ["used_percent"] },
                "net": { "measurement": ["bytes_sent"] },
                "netstat": { "measurement": ["tcp_established"] },
                "procstat": [{ "pattern": "systemd --system", "measurement": ["memory_rss"] }],
                "exec": [{ "command": ["/bin/echo", "from_a_command=1"] }],
                "statsd": { "service_address": "unix:///run/amazon-cloudwatch-publisher/statsd.sock" },
            },
        },
    })
}

/// A machine in namespaces.
struct Machine {
    folder: TempDir,
    unshare: Child,
    /// Of its process 1, as this machine counts.
    init: u32,
    group: String,
}

/// `None`, with a line that says so, where no systemd can be booted.
async fn boot() -> Option<Machine> {
    let skip = |why: &str| {
        println!("skipped: no systemd can be booted here: {why}");
        None
    };
    if !rustix::process::geteuid().is_root() {
        return skip("this user is not root");
    }
    if !Path::new(SYSTEMD).exists() {
        return skip("the machine has none");
    }
    let folder = tempfile::tempdir().expect("a folder");
    let (config_file, log) = (folder.path().join("config.json"), folder.path().join("log"));
    fs::write(&config_file, config().to_string()).expect("ours");
    let group = format!("publisher-story-{}", std::process::id());
    let out = fs::File::create(&log).expect("ours");
    let mut command = Command::new("bash");
    command.arg(BOOT).arg(folder.path().join("work")).arg(env!("CARGO_BIN_EXE_amazon-cloudwatch-publisher"));
    command.arg(&config_file).arg(&group).stdin(Stdio::null());
    command.stdout(out.try_clone().expect("ours")).stderr(out).kill_on_drop(true);
    let unshare = command.spawn().expect("it has bash, which its systemd needs");
    let mut machine = Machine { folder, unshare, init: 0, group };
    let deadline = Instant::now() + BOOTING;
    while Instant::now() < deadline {
        machine.init = machine.child().unwrap_or_default();
        if machine.init != 0 && machine.run(&["systemctl", "is-active", "story.target"]).await.status.success() {
            return Some(machine);
        }
        if machine.unshare.try_wait().expect("ours").is_some() {
            break;
        }
        sleep(BETWEEN_LOOKS).await;
    }
    let said = fs::read_to_string(log).unwrap_or_default();
    skip(said.lines().last().unwrap_or("it did not come up, and said nothing"))
}

impl Machine {
    /// What `unshare` forked.
    fn child(&self) -> Option<u32> {
        let unshare = self.unshare.id()?;
        let children = fs::read_to_string(format!("/proc/{unshare}/task/{unshare}/children")).ok()?;
        let child = children.split_whitespace().next()?;
        // Before that it is the shell that prepares everything.
        let name = fs::read_to_string(format!("/proc/{child}/comm")).ok()?;
        (name.trim() == "systemd").then(|| child.parse().ok()).flatten()
    }

    /// A program on this machine.
    async fn run(&self, words: &[&str]) -> Output {
        let mut command = Command::new("nsenter");
        command.args(["-t", &self.init.to_string(), "-m", "-u", "-i", "-p", "-C", "-r", "-w"]).args(words);
        command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").stdin(Stdio::null()).kill_on_drop(true);
        tokio::time::timeout(PATIENCE, command.output()).await.expect("it ends").expect("nsenter is beside unshare")
    }

    /// What a program prints that succeeds.
    async fn out(&self, words: &[&str]) -> String {
        let output = self.run(words).await;
        let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{words:?}: {said}\n{}", self.log());
        said
    }

    async fn property(&self, name: &str) -> String {
        let printed =
            self.out(&["systemctl", "show", "amazon-cloudwatch-publisher", "--value", "--property", name]).await;
        printed.trim().to_owned()
    }

    async fn until(&self, name: &str, wanted: impl Fn(&str) -> bool) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let found = self.property(name).await;
            if wanted(&found) {
                return found;
            }
            assert!(Instant::now() < deadline, "{name} is {found:?}\n{}", self.log());
            sleep(BETWEEN_LOOKS).await;
        }
    }

    /// Another process of the daemon than this one, which runs.
    async fn until_another(&self, before: &str) -> String {
        let pid = self.until("MainPID", |pid| pid != "0" && pid != before).await;
        self.until("ActiveState", |state| state == "active").await;
        pid
    }

    /// Ends when the daemon's store has this metric or text.
    async fn until_stored(&self, words: &[&str], wanted: impl Fn(&str) -> bool) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let output = self.run(&[&[PROGRAM, "local"], words].concat()).await;
            let found = String::from_utf8_lossy(&output.stdout).into_owned();
            if wanted(&found) {
                return found;
            }
            assert!(Instant::now() < deadline, "{words:?}: {found}\n{}", self.log());
            sleep(BETWEEN_LOOKS).await;
        }
    }

    fn path(&self, path: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root{path}", self.init))
    }

    /// What the daemon said.
    fn log(&self) -> String {
        let logs = self.path("/opt/aws/amazon-cloudwatch-publisher/logs");
        let files = fs::read_dir(logs).into_iter().flatten().flatten();
        files.filter_map(|file| fs::read_to_string(file.path()).ok()).collect()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // Everything in it dies with its process 1, and that with `unshare`; then its control groups can be removed.
        let _ = self.unshare.start_kill();
        let mounts = fs::read_to_string("/proc/mounts").unwrap_or_default();
        let version_2 = mounts.lines().find(|line| line.split(' ').nth(2) == Some("cgroup2"));
        let Some(base) = version_2.and_then(|line| line.split(' ').nth(1)) else { return };
        let remove = format!("find '{base}/{}' -depth -type d -exec rmdir {{}} +", self.group);
        for _ in 0..50 {
            if !Path::new(base).join(&self.group).exists() {
                break;
            }
            let _ = std::process::Command::new("sh").args(["-c", &remove]).output();
            std::thread::sleep(BETWEEN_LOOKS);
        }
        let _ = &self.folder;
    }
}

#[tokio::test]
async fn the_shipped_unit_runs_in_a_real_systemd() {
    let Some(machine) = boot().await else { return };
    it_is_installed_and_measures(&machine).await;
    it_reloads(&machine).await;
    it_comes_back_when_it_is_killed_or_hangs(&machine).await;
    it_is_not_started_again_with_errors(&machine).await;
    it_is_taken_away(&machine).await;
}

async fn it_is_installed_and_measures(machine: &Machine) {
    machine.out(&["systemctl", "start", "systemd-journald"]).await;
    let said = machine.out(&[PROGRAM, "service", "install"]).await;
    assert!(said.contains("amazon-cloudwatch-publisher is enabled and running (pid "), "{said}");
    let [user, state, enabled] = ["User", "ActiveState", "UnitFileState"].map(|name| machine.property(name));
    assert_eq!((&*user.await, &*state.await, &*enabled.await), ("cwpublisher", "active", "enabled"));
    let status = fs::read_to_string(machine.path(&format!("/proc/{}/status", machine.property("MainPID").await)));
    let status = status.expect("it runs");
    let line = |key: &str| status.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_default().trim().to_owned();
    assert_eq!((line("CapEff:"), line("NoNewPrivs:"), line("Seccomp:")), ("0".repeat(16), "1".into(), "2".into()));
    machine.out(&["systemd-cat", "echo", "one line in the journal"]).await;
    for text in ["one line for the group", "one line at home", "one line in the journal"] {
        machine.until_stored(&["logs", "/story"], |found| found.contains(text)).await;
    }
    for metric in ["net_bytes_sent", "netstat_tcp_established", "procstat_memory_rss", "from_a_command"] {
        machine.until_stored(&["metrics"], |found| found.contains(metric)).await;
    }
    let disks = machine.until_stored(&["metrics", "disk_used_percent", "--json"], |found| found.contains("path")).await;
    assert!(disks.contains(r#""/""#), "{disks}");
    for ours in ["/home", "/opt", "/var/tmp", "/usr/lib/modules", "/proc/sys"] {
        assert!(!disks.contains(&format!("\"{ours}")), "{ours}: {disks}");
    }
    assert!(machine.path("/run/amazon-cloudwatch-publisher/statsd.sock").exists(), "{}", machine.log());
    let text = machine.until("StatusText", |text| text == "delivering").await;
    assert!(machine.out(&[PROGRAM, "service", "status"]).await.trim().ends_with(&text));
    assert!(machine.out(&["systemctl", "status", "--no-pager", "amazon-cloudwatch-publisher"]).await.contains(&text));
}

async fn it_reloads(machine: &Machine) {
    let pid = machine.property("MainPID").await;
    let sound = fs::read(machine.path(CONFIG)).expect("there");
    fs::write(machine.path(CONFIG), "{").expect("ours");
    machine.out(&["systemctl", "reload", "amazon-cloudwatch-publisher"]).await;
    machine.until("StatusText", |text| text.contains("was refused")).await;
    machine.until("ActiveState", |state| state == "active").await;
    fs::write(machine.path(CONFIG), sound).expect("ours");
    machine.out(&["systemctl", "reload", "amazon-cloudwatch-publisher"]).await;
    machine.until("StatusText", |text| text == "delivering").await;
    machine.until("ActiveState", |state| state == "active").await;
    assert_eq!(machine.property("MainPID").await, pid);
}

async fn it_comes_back_when_it_is_killed_or_hangs(machine: &Machine) {
    let first = machine.property("MainPID").await;
    machine.out(&["kill", "-KILL", &first]).await;
    let second = machine.until_another(&first).await;
    // From here on it gives no sign of life, and only the watchdog can tell.
    machine.out(&["kill", "-STOP", &second]).await;
    machine.until_another(&second).await;
    assert_eq!(machine.property("NRestarts").await, "2");
}

async fn it_is_not_started_again_with_errors(machine: &Machine) {
    let sound = fs::read(machine.path(CONFIG)).expect("there");
    fs::write(machine.path(CONFIG), "{").expect("ours");
    let restarted = machine.run(&["systemctl", "restart", "amazon-cloudwatch-publisher"]).await;
    assert!(!restarted.status.success());
    machine.until("ActiveState", |state| state == "failed").await;
    assert_eq!(machine.property("ExecMainStatus").await, "78");
    let told = machine.run(&[PROGRAM, "service", "status"]).await;
    assert_eq!(told.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&told.stdout).contains("not running (last exit code 78)"), "{told:?}");
    let refused = machine.run(&[PROGRAM, "service", "install"]).await;
    assert_eq!(refused.status.code(), Some(78));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("so nothing was installed"), "{refused:?}");
    assert_eq!(machine.property("ActiveState").await, "failed");
    fs::write(machine.path(CONFIG), sound).expect("ours");
}

async fn it_is_taken_away(machine: &Machine) {
    machine.out(&[PROGRAM, "service", "enable"]).await;
    let said = machine.out(&[PROGRAM, "service", "disable"]).await;
    assert_eq!(said.trim(), "amazon-cloudwatch-publisher is stopped and disabled");
    assert!(machine.log().contains("stopped;"), "in order: {}", machine.log());
    machine.out(&[PROGRAM, "service", "uninstall"]).await;
    assert_eq!(machine.property("LoadState").await, "not-found");
    let told = machine.run(&[PROGRAM, "service", "status"]).await;
    assert!(String::from_utf8_lossy(&told.stdout).contains("not installed"), "{told:?}");
}
