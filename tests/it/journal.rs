//! A real journal, written and read by systemd's own tools.
//!
//! `scripts/test` unpacks these tools where it can, without installing them. The daemon finds a `journalctl` in its
//! search path that reads the story's journal in the story's folder instead of the machine's.
use crate::support::{fake::FakeAws, host::TestHost};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
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
const BOOT: &str = "0123456789abcdef0123456789abcdef";
const NEXT_BOOT: &str = "fedcba98765432100123456789abcdef";

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
            crate::support::skipped(format!(
                "{TOOLS} is not set, so there is no journal to read; scripts/test sets it where it can"
            ));
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

    /// Write an entry with this text into the story's journal.
    fn log(&self, host: &TestHost, message: &str) {
        self.write(host, BOOT, &[("PRIORITY", "6"), ("MESSAGE", message)]);
    }

    /// Write an entry of this boot with these fields, and those that every entry has.
    fn write(&self, host: &TestHost, boot: &str, fields: &[(&str, &str)]) {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock past 1970");
        let now = since.as_micros();
        let mut entry = format!(
            "__REALTIME_TIMESTAMP={now}\n__MONOTONIC_TIMESTAMP={}\n_BOOT_ID={boot}\n\
             _MACHINE_ID=fedcba9876543210fedcba9876543210\n_HOSTNAME=story\nSYSLOG_IDENTIFIER=story\n",
            now % 1_000_000_000_000,
        )
        .into_bytes();
        for (name, value) in fields {
            // The form for values of any bytes.
            entry.extend_from_slice(format!("{name}\n").as_bytes());
            entry.extend_from_slice(&(value.len() as u64).to_le_bytes());
            entry.extend_from_slice(value.as_bytes());
            entry.push(b'\n');
        }
        entry.push(b'\n');
        let output = format!("--output={}", host.path("journal/story.journal").display());
        let mut writing = Command::new(&self.writer)
            .args([&output, "-"])
            .env("LD_LIBRARY_PATH", &self.libraries)
            .stdin(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the unpacked tool starts");
        writing.stdin.take().expect("piped above").write_all(&entry).expect("it reads");
        assert!(writing.wait().expect("ours").success());
    }

    /// What journalctl itself says of the story's journal, line by line.
    fn show(&self, host: &TestHost, arguments: &[&str]) -> Vec<String> {
        let output = Command::new(host.path("bin/journalctl")).args(arguments).output().expect("it starts");
        assert!(output.status.success());
        String::from_utf8(output.stdout).expect("JSON is UTF-8").lines().map(str::to_owned).collect()
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

/// A machine with a journal of its own, which the publisher's `journal` reads.
fn machine(aws: &FakeAws, tools: &Tools) -> TestHost {
    let host = TestHost::against(&aws.url())
        .with("logs.log_group_name", json!("/story/journal"))
        .with("logs.logs_collected.journal", json!(true));
    with_journal(host, tools)
}

/// The same with items of the agent's list, all in one group.
fn machine_with_items(aws: &FakeAws, tools: &Tools, mut items: Value) -> TestHost {
    for item in items.as_array_mut().expect("a list") {
        item["log_group_name"] = json!("/story/journald");
    }
    let list = json!({ "collect_list": items });
    with_journal(TestHost::against(&aws.url()).with("logs.logs_collected.journald", list), tools)
}

fn with_journal(host: TestHost, tools: &Tools) -> TestHost {
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

#[tokio::test]
async fn units_priorities_and_matches_choose_what_each_item_sends() {
    let Some(tools) = Tools::find() else { return };
    let aws = FakeAws::start();
    let items = json!([
        { "log_stream_name": "web", "units": ["web", "db.service"], "priority": "warning", "format": "message" },
        { "log_stream_name": "matched", "priority": "debug", "format": "message",
          "matches": [{ "_UID": "7", "_COMM": "tool" }, { "_TRANSPORT": "kernel" }] },
        { "log_stream_name": "usual", "format": "message",
          "filters": [{ "type": "include", "expression": "db" }, { "type": "include", "expression": "7" },
                      { "type": "exclude", "expression": "not for you" }] },
    ]);
    let host = machine_with_items(&aws, &tools, items);
    let write = |fields: &[(&str, &str)]| tools.write(&host, BOOT, fields);
    write(&[("MESSAGE", "web warns"), ("PRIORITY", "4"), ("_SYSTEMD_UNIT", "web.service")]);
    write(&[("MESSAGE", "web talks"), ("PRIORITY", "6"), ("_SYSTEMD_UNIT", "web.service")]);
    write(&[("MESSAGE", "db fails"), ("PRIORITY", "3"), ("_SYSTEMD_UNIT", "db.service")]);
    write(&[("MESSAGE", "web has died"), ("PRIORITY", "3"), ("_PID", "1"), ("UNIT", "web.service")]);
    write(&[("MESSAGE", "tool of 7"), ("PRIORITY", "6"), ("_UID", "7"), ("_COMM", "tool")]);
    write(&[("MESSAGE", "other of 7, not for you"), ("PRIORITY", "6"), ("_UID", "7"), ("_COMM", "other")]);
    write(&[("MESSAGE", "kernel details"), ("PRIORITY", "7"), ("_TRANSPORT", "kernel")]);
    let mut daemon = host.start();
    let expected = [
        ("web", ["story: web warns", "story: db fails", "story[1]: web has died"].as_slice()),
        ("matched", &["story: tool of 7", "story: kernel details"]),
        ("usual", &["story: db fails", "story: tool of 7"]),
    ];
    for (stream, messages) in expected {
        daemon.until_cloud(&aws, stream, |seen| seen.messages(stream).len() >= messages.len()).await;
    }
    assert!(daemon.terminate().await.success());
    for (stream, messages) in expected {
        assert_eq!(aws.messages(stream), messages, "{stream}");
    }
    aws.assert_no_violations();
}

#[tokio::test]
async fn the_json_form_has_every_field_as_journalctl_prints_it_over_two_boots_and_restarts() {
    let Some(tools) = Tools::find() else { return };
    let aws = FakeAws::start();
    let item = json!([{ "log_stream_name": "json", "priority": "debug" }]);
    let host = machine_with_items(&aws, &tools, item);
    let write = |boot: &str, message: &str| {
        let long = "x".repeat(9_000);
        tools.write(
            &host,
            boot,
            &[("PRIORITY", "5"), ("MESSAGE", message), ("LONG", &long), ("CODE_FUNC", "a\"<b>\\")],
        );
    };
    write(BOOT, "one");
    let mut daemon = host.start();
    daemon.until_cloud(&aws, "the entry from before", |seen| seen.messages("json").len() == 1).await;
    assert!(daemon.terminate().await.success());
    write(BOOT, "the last words of a boot\nand a second line \u{e9}\u{1f600}\t");
    write(NEXT_BOOT, "two");
    let mut daemon = host.start();
    daemon.until_cloud(&aws, "both boots", |seen| seen.messages("json").len() == 3).await;
    write(NEXT_BOOT, "three");
    daemon.until_cloud(&aws, "what is followed", |seen| seen.messages("json").len() == 4).await;
    assert!(daemon.terminate().await.success());
    let shown = tools.show(&host, &["--output=json", "--all", "--no-pager"]);
    let body = |line: &String| {
        // Sorted by name: journalctl's own order changes from run to run.
        let mut fields: BTreeMap<String, Value> = serde_json::from_str(line).expect("an object");
        fields.remove("__REALTIME_TIMESTAMP").expect("each entry has its time");
        serde_json::to_string(&BTreeMap::from([("body", fields)])).expect("it was JSON")
    };
    let expected: Vec<_> = shown.iter().map(body).collect();
    assert_eq!(aws.messages("json"), expected);
    aws.assert_no_violations();
}

#[tokio::test]
async fn units_have_streams_of_their_own_and_no_entry_is_lost_by_kills() {
    let Some(tools) = Tools::find() else { return };
    let aws = FakeAws::start();
    let item = json!([{ "log_stream_name": "{local_hostname}-{unit}", "format": "message" }]);
    let host = machine_with_items(&aws, &tools, item);
    let units = ["a.service", "b@1.service", "kernel"];
    let prefix = sysinfo::System::host_name().expect("it has one");
    let stream = |number: usize| format!("{prefix}-{}", units[number % 3]);
    let all = 9;
    for number in 1..=all {
        let message = format!("entry number {number}");
        let whose = match units[number % 3] {
            "kernel" => ("_TRANSPORT", "kernel"),
            unit => ("_SYSTEMD_UNIT", unit),
        };
        tools.write(&host, BOOT, &[("PRIORITY", "6"), ("MESSAGE", &message), whose]);
        if number % 3 == 0 {
            let mut daemon = host.start();
            match number % 2 {
                0 => daemon.until_cloud(&aws, "an entry", |seen| seen.has(&format!("story: {message}"))).await,
                _ => daemon.until_it_runs().await,
            }
            daemon.kill().await;
        }
    }
    let mut daemon = host.start();
    daemon
        .until_cloud(&aws, "each in its own stream", |seen| {
            (1..=all).all(|number| seen.messages(&stream(number)).contains(&format!("story: entry number {number}")))
        })
        .await;
    assert!(daemon.terminate().await.success());
    aws.assert_no_violations();
}
