//! What comes out of FIFOs, which nobody can read again: it arrives all the same.
use crate::support::{fake::FakeAws, host::TestHost};
use serde_json::json;
use std::{io::Write, path::Path, process::Command};

fn make_fifo(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().expect("POSIX has it").success());
}

/// Write into a FIFO that somebody reads.
fn write_fifo(path: &Path, text: &str) {
    let mut writer = std::fs::OpenOptions::new().write(true).open(path).expect("opened");
    writer.write_all(text.as_bytes()).expect("written");
}

#[tokio::test]
async fn a_fifo_is_read_while_writers_come_and_go_and_holds_up_no_file() {
    let aws = FakeAws::start();
    let host = TestHost::tailing(&aws, &["pipe", "app.log"]);
    make_fifo(&host.path("pipe"));
    host.append("app.log", "from a file\n");
    let mut daemon = host.start();
    // Nobody writes to the FIFO yet.
    daemon.until_cloud(&aws, "the file", |seen| seen.has("from a file")).await;
    let path = host.path("pipe");
    tokio::task::spawn_blocking(move || {
        write_fifo(&path, "one\r\n\n");
        write_fifo(&path, "two\nthr");
        write_fifo(&path, "ee\n");
    })
    .await
    .expect("written");
    daemon.until_cloud(&aws, "the lines", |seen| seen.has("three")).await;
    // Replaced by another one.
    std::fs::remove_file(host.path("pipe")).expect("removed");
    make_fifo(&host.path("pipe"));
    let path = host.path("pipe");
    tokio::task::spawn_blocking(move || write_fifo(&path, "four\n")).await.expect("written");
    daemon.until_cloud(&aws, "the line of the other one", |seen| seen.has("four")).await;
    assert!(daemon.terminate().await.success());
    assert_eq!(aws.messages("pipe"), ["one", "two", "three", "four"]);
}

#[tokio::test]
async fn lines_of_a_fifo_survive_an_outage_and_a_kill() {
    let mut aws = FakeAws::unplugged();
    let host = TestHost::tailing(&aws, &[]).tail("pipe");
    let mut config_host = host;
    config_host = config_host.with("logs.logs_collected.files.collect_list", json!([]));
    let path = config_host.path("pipe");
    let item = json!({ "file_path": path, "pipe": true, "log_stream_name": "pipe" });
    let host = config_host.with("logs.logs_collected.files.collect_list", json!([item]));
    let mut daemon = host.start();
    // It is made only now.
    daemon.until("the daemon to look for it", |status| status.0["sources"][0]["state"].is_string()).await;
    make_fifo(&path);
    let lines: Vec<String> = (0..20_000).map(|number| format!("line {number:05} {}", "x".repeat(100))).collect();
    let (text, to) = (lines.join("\n") + "\n", path.clone());
    tokio::task::spawn_blocking(move || write_fifo(&to, &text)).await.expect("written");
    daemon.until("the spool", |status| status.counter("log_events_spooled") == 20_000).await;
    daemon.kill().await;
    aws.plug_in();
    let mut daemon = host.start();
    daemon.until_cloud(&aws, "all lines", |seen| seen.has(&lines[19_999])).await;
    assert!(daemon.terminate().await.success());
    assert_eq!(aws.messages("pipe"), lines);
    aws.assert_no_violations();
}
