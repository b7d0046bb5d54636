//! A real journal, written and read by systemd's own tools.
//!
//! `scripts/test` unpacks these tools where it can, without installing them. The daemon finds a `journalctl` in its
//! search path that reads the story's journal in the story's folder instead of the machine's.
use crate::support::{fake::FakeAws, host::TestHost};
use serde_json::json;
use std::{
    fs,
    io::Write,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{SystemTime, UNIX_EPOCH},
};

/// Names the folder with the unpacked packages systemd and systemd-journal-remote.
const TOOLS: &str = "PUBLISHER_TEST_JOURNAL_TOOLS";
const STREAM: &str = "system-journal";

/// systemd's tools out of their packages.
struct Tools {
    journalctl: PathBuf,
    writer: PathBuf,
    libraries: String,
}

impl Tools {
    /// `None`, with a line that says so, where there are none.
    fn find() -> Option<Self> {
        let Some(folder) = std::env::var_os(TOOLS) else {
            println!("skipped: {TOOLS} is not set, so there is no journal to read; scripts/test sets it where it can");
            return None;
        };
        let files = files_below(Path::new(&folder));
        let named = |name: &str| {
            let programs =
                files.iter().filter(|path| fs::metadata(path).is_ok_and(|m| m.permissions().mode() & 0o100 != 0));
            let found = programs.into_iter().find(|path| path.file_name().is_some_and(|found| found == name));
            found.unwrap_or_else(|| panic!("there is no {name} below {TOOLS}={}", Path::new(&folder).display())).clone()
        };
        let is_library = |path: &&PathBuf| path.to_string_lossy().contains(".so");
        let mut libraries: Vec<_> =
            files.iter().filter(is_library).filter_map(|path| path.parent()?.to_str()).collect();
        libraries.sort_unstable();
        libraries.dedup();
        let libraries = libraries.join(":");
        Some(Self { journalctl: named("journalctl"), writer: named("systemd-journal-remote"), libraries })
    }

    /// Write an entry with this text into the story's journal, as the service of this unit.
    fn log(&self, host: &TestHost, message: &str) {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock past 1970");
        let now = since.as_micros();
        let entry = format!(
            "__REALTIME_TIMESTAMP={now}\n__MONOTONIC_TIMESTAMP={}\n_BOOT_ID=0123456789abcdef0123456789abcdef\n\
             _MACHINE_ID=fedcba9876543210fedcba9876543210\n_HOSTNAME=story\nSYSLOG_IDENTIFIER=story\n_PID=7\n\
             _TRANSPORT=syslog\nPRIORITY=6\nMESSAGE={message}\n\n",
            now % 1_000_000_000_000,
        );
        let output = format!("--output={}", host.path("journal/story.journal").display());
        let mut writing = Command::new(&self.writer)
            .args([&output, "-"])
            .env("LD_LIBRARY_PATH", &self.libraries)
            .stdin(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the unpacked tool starts");
        writing.stdin.take().expect("piped above").write_all(entry.as_bytes()).expect("it reads");
        assert!(writing.wait().expect("ours").success());
    }
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder that can be read") {
        let path = entry.expect("an entry").path();
        match path.is_dir() && !path.is_symlink() {
            true => files.extend(files_below(&path)),
            false => files.push(path),
        }
    }
    files
}

/// A machine with a journal of its own.
fn machine(aws: &FakeAws, tools: &Tools) -> TestHost {
    let host = TestHost::against(&aws.url())
        .with("logs.log_group_name", json!("/story/journal"))
        .with("logs.logs_collected.journal", json!(true));
    fs::create_dir_all(host.path("journal")).expect("a folder");
    fs::create_dir_all(host.path("bin")).expect("a folder");
    let script = format!(
        "#!/bin/sh\nexport LD_LIBRARY_PATH='{}'\nexec '{}' --directory='{}' \"$@\"\n",
        tools.libraries,
        tools.journalctl.display(),
        host.path("journal").display(),
    );
    let journalctl = host.path("bin/journalctl");
    fs::write(&journalctl, script).expect("a program");
    fs::set_permissions(&journalctl, PermissionsExt::from_mode(0o755)).expect("it is ours");
    let path = format!("{}:{}", host.path("bin").display(), std::env::var("PATH").expect("a search path"));
    host.with_variable("PATH", &path)
}

/// The numbers of the entries that arrived, in order.
fn arrived(messages: &[String]) -> Vec<u32> {
    let number = |message: &String| {
        let (_, rest) = message.split_once("entry number ").unwrap_or_else(|| panic!("{message:?} is none of ours"));
        rest.chars().take_while(char::is_ascii_digit).collect::<String>().parse().expect("a number")
    };
    messages.iter().map(number).collect()
}

#[tokio::test]
async fn entries_arrive_once_each_over_restarts() {
    let Some(tools) = Tools::find() else { return };
    let aws = FakeAws::start();
    let host = machine(&aws, &tools);
    for run in 0..3 {
        tools.log(&host, &format!("entry number {}", run * 2 + 1));
        let mut daemon = host.start();
        daemon.until_cloud(&aws, "the entry from before", |seen| seen.messages(STREAM).len() == run * 2 + 1).await;
        tools.log(&host, &format!("entry number {}", run * 2 + 2));
        daemon.until_cloud(&aws, "the entry while it runs", |seen| seen.messages(STREAM).len() == run * 2 + 2).await;
        assert!(daemon.terminate().await.success());
    }
    assert_eq!(arrived(&aws.messages(STREAM)), [1, 2, 3, 4, 5, 6]);
    aws.assert_no_violations();
}

#[tokio::test]
async fn no_entry_is_lost_by_kills() {
    let Some(tools) = Tools::find() else { return };
    let aws = FakeAws::start();
    let host = machine(&aws, &tools);
    for entry in 1..=6 {
        tools.log(&host, &format!("entry number {entry}"));
        let mut daemon = host.start();
        match entry % 2 {
            0 => daemon.until_cloud(&aws, "an entry", |seen| seen.events.len() >= entry).await,
            _ => daemon.until_it_runs().await,
        }
        daemon.kill().await;
    }
    let mut daemon = host.start();
    daemon.until_cloud(&aws, "all entries", |seen| (1..=6).all(|n| arrived(&seen.messages(STREAM)).contains(&n))).await;
    // All may have arrived before the last start.
    daemon.until_it_runs().await;
    assert!(daemon.terminate().await.success());
    aws.assert_no_violations();
}
