//! What becomes of the text of events on the way: times, encodings, lines that belong together, secrets, documents of metrics.
use crate::support::{fake::FakeAws, host::TestHost};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use std::{collections::HashSet, fs::OpenOptions, io::Write, path::Path, process::Command};

/// Tails these files into streams of their names, each with these keys beside.
fn tailing(aws: &FakeAws, items: &[(&str, Value)]) -> TestHost {
    let host = TestHost::against(&aws.url());
    let item = |(file, keys): &(&str, Value)| {
        let mut item =
            json!({ "file_path": host.path(file), "log_group_name": "/story/text", "log_stream_name": file });
        item.as_object_mut().expect("an item").extend(keys.as_object().expect("keys").clone());
        item
    };
    let items: Vec<Value> = items.iter().map(item).collect();
    host.with("logs.logs_collected.files.collect_list", json!(items))
}

fn append(path: &Path, bytes: &[u8]) {
    let mut file = OpenOptions::new().create(true).append(true).open(path).expect("a log that can be opened");
    file.write_all(bytes).expect("a log that can be written");
}

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

/// An event of two lines, as its program in Kolkata writes it, with the time and the message that are to arrive.
fn event(number: usize, begun: DateTime<Utc>) -> (String, (i64, String)) {
    let at = begun + TimeDelta::milliseconds(i64::try_from(number).expect("small") * 1_001);
    let local = (at + TimeDelta::minutes(330)).format("%d/%b/%Y %H:%M:%S%.3f");
    let text = |secret: &str| format!("{local} job {number} {secret} für Žofie\n\tat Ċ line {number}");
    let written = text(&format!("password=geheim{number}")).replace('\n', "\r\n") + "\r\n";
    (written, (at.timestamp_millis(), text("password=***")))
}

#[tokio::test]
async fn a_utf_16_log_of_another_zone_arrives_with_its_times_in_whole_events_without_secrets_through_any_kill() {
    const EVENTS: usize = 400;
    const KILLS: usize = 5;
    let aws = FakeAws::start();
    let keys = json!({
        "encoding": "utf-16",
        "timestamp_format": "%d/%b/%Y %H:%M:%S.%f",
        "timezone": "Asia/Kolkata",
        "multi_line_start_pattern": "{timestamp_format}",
        "multi_line_timeout": 1,
        "redact": [{ "expression": "password=\\S+", "replacement": "password=***" }],
    });
    let host = tailing(&aws, &[("app.log", keys)]);
    let path = host.path("app.log");
    let (texts, expected): (Vec<_>, Vec<_>) =
        (0..EVENTS).map(|number| event(number, Utc::now() - TimeDelta::days(3))).unzip();
    append(&path, b"\xff\xfe");
    for (round, texts) in texts.chunks(EVENTS / KILLS).enumerate() {
        // In the middle of a character of the last event's first line.
        let (last, whole) = texts.split_last().expect("some");
        let (begun, rest) = (utf16(&whole.concat()), utf16(last));
        let (half, rest) = rest.split_at(41);
        append(&path, &[&begun, half].concat());
        let mut daemon = host.start();
        let news = (round * EVENTS + EVENTS / 2) / KILLS;
        daemon.until_cloud(&aws, "half of them", |seen| seen.events.len() >= news).await;
        append(&path, rest);
        daemon.kill().await;
    }
    let mut daemon = host.start();
    let last = &expected[EVENTS - 1].1;
    daemon.until_cloud(&aws, "the last one", |seen| seen.has(last)).await;
    daemon.until("acknowledgement", |status| status.is_caught_up()).await;
    assert!(daemon.terminate().await.success());
    let mut seen = HashSet::new();
    let arrived = aws.look(|seen| seen.events.clone()).into_iter().map(|event| (event.at, event.message));
    let arrived: Vec<_> = arrived.filter(|event| seen.insert(event.clone())).collect();
    assert_eq!(arrived, expected.iter().map(|(at, text)| (*at, text.clone())).collect::<Vec<_>>());
    aws.assert_no_violations();
}

#[tokio::test]
async fn events_of_a_fifo_have_the_times_lines_and_masks_of_their_item() {
    let aws = FakeAws::start();
    let keys = json!({
        "pipe": true,
        "timestamp_format": "%Y-%m-%dT%H:%M:%S%z",
        "multi_line_start_pattern": "{timestamp_format}",
        "multi_line_timeout": 1,
        "trim_timestamp": true,
        "redact": [{ "expression": "key=\\S+" }],
        "max_event_size": 256,
        "oversize": "truncate",
    });
    let host = tailing(&aws, &[("pipe", keys)]);
    let path = host.path("pipe");
    assert!(Command::new("mkfifo").arg(&path).status().expect("POSIX has it").success());
    let mut daemon = host.start();
    daemon.until_it_runs().await;
    let at = Utc::now() - TimeDelta::days(1);
    let time = (at + TimeDelta::hours(2)).format("%Y-%m-%dT%H:%M:%S+0200").to_string();
    let text = format!("{time} one key=s3cret\n  two\n{time} {}\n", "x".repeat(300));
    let writing = tokio::task::spawn_blocking(move || {
        // Begins and ends in the middle of a line.
        let (half, rest) = text.as_bytes().split_at(20);
        for part in [half, rest] {
            let mut writer = OpenOptions::new().write(true).open(&path).expect("opened");
            writer.write_all(part).expect("written");
        }
    });
    writing.await.expect("written");
    let long = format!("{}[Truncated...]", "x".repeat(242));
    daemon.until_cloud(&aws, "both", |seen| seen.has(&long)).await;
    assert!(daemon.terminate().await.success());
    let arrived = aws.look(|seen| seen.events.clone()).into_iter().map(|event| (event.at, event.message));
    let at = at.timestamp() * 1000;
    assert_eq!(arrived.collect::<Vec<_>>(), [(at, "one ***\n  two".to_owned()), (at, long)]);
    aws.assert_no_violations();
}

/// A document of metrics.
fn document(number: usize) -> String {
    let directive = json!({ "Namespace": "N", "Dimensions": [[]], "Metrics": [{ "Name": "m" }] });
    let at = Utc::now().timestamp_millis();
    json!({ "_aws": { "Timestamp": at, "CloudWatchMetrics": [directive] }, "m": number }).to_string()
}

#[tokio::test]
async fn documents_of_metrics_in_files_and_the_journal_are_said_to_be_some_and_nothing_else_is() {
    let aws = FakeAws::start();
    let host = tailing(&aws, &[("emf.log", json!({})), ("app.log", json!({}))]);
    let (in_file, in_journal) = (document(1), document(2));
    let plain = "a line that speaks of \"CloudWatchMetrics\"";
    let entry = json!({
        "__CURSOR": "s=0f31e7ffb99e49928961bdc016e28983;i=1;b=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa0;m=1;t=1;x=1",
        "__REALTIME_TIMESTAMP": Utc::now().timestamp_micros().to_string(),
        "MESSAGE": in_journal,
    });
    std::fs::write(host.path("entry"), format!("{entry}\n")).expect("written");
    // The first run ends, so that the next one follows.
    let script = format!(
        "#!/bin/sh\ncase \"$*\" in *--follow*) exec sleep 600;; *) exec cat '{}';; esac\n",
        host.path("entry").display()
    );
    let items = json!([{ "log_group_name": "/story/text", "log_stream_name": "journal", "format": "message" }]);
    let host = host.with_program("journalctl", &script).with("logs.logs_collected.journald.collect_list", items);
    host.append("emf.log", &format!("{in_file}\n"));
    host.append("app.log", &format!("{plain}\nanother\n"));
    let mut daemon = host.start();
    let all = [in_file.as_str(), plain, "another"];
    // Only Linux has a journal.
    let all: Vec<&str> = all.into_iter().chain(cfg!(target_os = "linux").then_some(in_journal.as_str())).collect();
    daemon.until_cloud(&aws, "all of them", |seen| all.iter().all(|text| seen.has(text))).await;
    assert!(daemon.terminate().await.success());
    for event in aws.look(|seen| seen.events.clone()) {
        let is_document = event.message == in_file || event.message == in_journal;
        assert_eq!(event.format, if is_document { "json/emf" } else { "" }, "{}", event.message);
    }
    aws.assert_no_violations();
}
