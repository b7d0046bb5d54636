//! Start, change of configuration and stop; and when there is no relay at all.
use super::{Story, device_has, frame, frames};
use crate::support::{PATIENCE, fake::FakeAws, host::TestHost, terminal::Terminal};
use serde_json::{Value, json};
use std::{
    fs,
    io::Write,
    os::unix::{
        fs::MetadataExt,
        net::{UnixListener, UnixStream},
    },
    path::Path,
    time::Duration,
};

#[tokio::test]
async fn at_the_stop_everything_that_was_accepted_comes_out_and_the_totals_are_said() {
    let terminal = Terminal::unread();
    let story = Story::on(&terminal);
    let mut daemon = story.host.start();
    let mut sent = frames(12, 60_000);
    sent[0] = frame("small", "1");
    let mut client = story.client().await;
    client.write_all(sent.concat().as_bytes()).expect("taken");
    daemon.until("a first frame", |status| status.counter("relay_frames") > 0).await;
    // Whoever is still connected does not keep it from stopping.
    let _mute = story.client().await;
    // The device is read again only when nobody new can come any more: all that waits is written by then or after it.
    let (stopped, ()) = tokio::join!(daemon.terminate(), async {
        story.until_stops().await;
        terminal.read();
    });
    assert_eq!(stopped.code(), Some(0));
    terminal.until_lines(sent.len()).await;
    assert!(terminal.lines().iter().map(|line| format!("{line}\n")).eq(sent.iter().cloned()));
    assert!(fs::symlink_metadata(&story.socket).is_err(), "the socket is gone");
    let said = story.host.said();
    let totals = format!("bytes_relayed={} frames_relayed={}", sent.concat().len(), sent.len());
    assert_eq!(said.matches("serial relay stopped: totals").count(), 1, "{said}");
    assert!(said.contains(&totals), "{totals}: {said}");
}

#[tokio::test]
async fn what_lies_in_the_socket_at_the_stop_comes_out() {
    let terminal = Terminal::new();
    let story = Story::on(&terminal);
    let daemon = story.host.start();
    let mut sent = frames(2_000, 0);
    let mut clients = vec![];
    drop(story.client().await);
    for some in sent.chunks(100) {
        let mut client = story.client().await;
        client.write_all(some.concat().as_bytes()).expect("taken");
        clients.push(client);
    }
    assert_eq!(daemon.terminate().await.code(), Some(0));
    terminal.until_lines(sent.len()).await;
    // Of several clients nobody is promised to be first.
    let mut lines = terminal.lines();
    lines.sort();
    sent.sort();
    assert!(lines.iter().map(|line| format!("{line}\n")).eq(sent));
}

#[tokio::test]
async fn sighup_reads_the_configuration_again_and_keeps_relaying() {
    let terminal = Terminal::new();
    let story = Story::on(&terminal);
    let mut daemon = story.host.start();
    let mut expected = vec![];
    for turn in 0..3 {
        let before = frame("before", &turn.to_string());
        story.send(&before).await;
        daemon.hang_up().await;
        story.until_said(&mut daemon, "reloaded: the new configuration is in force", turn + 1).await;
        let after = frame("after", &turn.to_string());
        story.send(&after).await;
        expected.extend([before, after]);
        terminal.until_lines(expected.len()).await;
    }
    let config = story.host.path("publisher.json");
    let mut changed: Value = serde_json::from_slice(&fs::read(&config).expect("written")).expect("JSON");
    changed["agent"]["serial_relay"]["mode"] = json!("606");
    fs::write(&config, changed.to_string()).expect("ours");
    daemon.hang_up().await;
    let rights = || fs::symlink_metadata(&story.socket).is_ok_and(|found| found.mode() & 0o777 == 0o606);
    daemon.until("the new rights", |_| rights()).await;
    assert!(daemon.terminate().await.success());
    assert_eq!(String::from_utf8(terminal.bytes()).expect("text"), expected.concat());
}

#[tokio::test]
async fn frames_that_wait_for_the_device_outlive_sighup() {
    let terminal = Terminal::new();
    let story = Story::with(json!({}));
    let mut daemon = story.host.start();
    story.send(&frames(3, 0).concat()).await;
    daemon.until("the device to be missed", |status| device_has(status, "could not be opened")).await;
    daemon.hang_up().await;
    story.until_said(&mut daemon, "reloaded: the new configuration is in force", 1).await;
    story.plug(&terminal);
    terminal.until_lines(3).await;
    assert_eq!(String::from_utf8(terminal.bytes()).expect("text"), frames(3, 0).concat());
}

#[tokio::test]
async fn without_the_section_nothing_is_opened() {
    let host = TestHost::of(json!({ "agent": { "logfile": "" } })).without_keys();
    let mut daemon = host.start();
    daemon.until_it_runs().await;
    let status = daemon.status().await.expect("it answers");
    let serial = |line: &Value| line["name"].as_str().is_some_and(|name| name.contains("serial"));
    assert!(!status.0["sources"].as_array().into_iter().flatten().any(serial), "{:#}", status.0);
    assert!(!has_serial_thread(daemon.id()));
    let terminal = Terminal::new();
    let story = Story::with(json!({ "enabled": false }));
    story.plug(&terminal);
    let mut daemon = story.host.start();
    daemon.until_it_runs().await;
    assert!(!story.socket.exists() && terminal.is_untouched() && !has_serial_thread(daemon.id()));
    assert!(daemon.terminate().await.success());
}

/// Whether this process has the thread that writes to the device. Elsewhere than on Linux nobody can tell.
fn has_serial_thread(process: u32) -> bool {
    let threads = fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
    threads
        .into_iter()
        .any(|thread| fs::read_to_string(thread.path().join("comm")).is_ok_and(|name| name.trim() == "serial"))
}

#[tokio::test]
async fn one_round_and_a_dry_run_leave_the_device_and_the_socket_alone() {
    let (aws, terminal) = (FakeAws::start(), Terminal::new());
    let host = TestHost::tailing(&aws, &["app.log"]);
    let socket = host.path("relay.sock");
    drop(UnixListener::bind(&socket).expect("a socket that a dead relay left"));
    let place = fs::symlink_metadata(&socket).expect("there").ino();
    let host = host.with("agent.serial_relay", json!({ "device": terminal.path(), "socket": socket }));
    host.append("app.log", "one\n");
    let config = host.write_config();
    let alone = || {
        assert!(terminal.is_untouched() && terminal.bytes().is_empty());
        assert_eq!(fs::symlink_metadata(&socket).expect("there").ino(), place);
    };
    let output = host.run([Path::new("run"), &config, Path::new("--once")]).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(aws.messages("app.log"), ["one"]);
    alone();
    let output = host.run([Path::new("run"), &config, Path::new("--once"), Path::new("--dry-run")]).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    alone();
    let daemon = host.start_dry();
    until(|| host.said().contains("collecting")).await;
    alone();
    assert!(daemon.terminate().await.success());
    alone();
    // The same machine without these words does touch it.
    let _daemon = host.start();
    until(|| UnixStream::connect(&socket).is_ok()).await;
}

/// Wait for what no status tells.
async fn until(ready: impl Fn() -> bool) {
    let ready = async {
        while !ready() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, ready).await.expect("it comes");
}
