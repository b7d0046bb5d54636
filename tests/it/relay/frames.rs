//! What a frame is on the wire, by the words of others: of the original, of Go's libraries, of Python's.
use super::{Story, frame, frames};
use crate::support::{PATIENCE, moto::interpreter, terminal::Terminal};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde::Deserialize;
use serde_json::{Value, json};
use std::{io::Write, process::Stdio};
use tokio::io::AsyncWriteExt;

/// The frames that the EC2 System Monitor for macOS is known to send.
const REFERENCE: [(&[&str], &str); 3] = [
    (&["--tag", "test"], r#"{"csum":507579744,"payload":"{\"tag\":\"test\",\"compress\":false,\"data\":\"\"}"}"#),
    (
        &["--tag", "test", "--compress"],
        r#"{"csum":169546138,"payload":"{\"tag\":\"test\",\"compress\":true,\"data\":\"eNoBAAD//wAAAAE=\"}"}"#,
    ),
    (
        &["--tag", "cpuutil", "2.0"],
        r#"{"csum":2118192950,"payload":"{\"tag\":\"cpuutil\",\"compress\":false,\"data\":\"2.0\"}"}"#,
    ),
];

/// What Go 1.26 makes by `encoding/json`, `hash/adler32`, `compress/zlib` at its best level and `encoding/base64`, in two structs with
/// the keys of a frame. Each row has what it was made of, too.
fn of_go() -> Vec<Row> {
    include_str!("go.jsonl").lines().map(|row| serde_json::from_str(row).expect("a row")).collect()
}

#[derive(Deserialize)]
struct Row {
    tag: String,
    compress: bool,
    /// In base64.
    data: String,
    frame: String,
}

impl Row {
    fn bytes(&self) -> Vec<u8> {
        STANDARD.decode(&self.data).expect("base64")
    }
}

#[tokio::test]
async fn a_machine_with_nothing_but_a_relay_passes_on_the_reference_frames_byte_by_byte() {
    let terminal = Terminal::new();
    let story = Story::on(&terminal);
    let daemon = story.host.start();
    let mut expected = String::new();
    let mut client = story.client().await;
    for (_, line) in REFERENCE {
        let line = format!("{line}\n");
        client.write_all(line.as_bytes()).expect("taken");
        expected += &line;
    }
    drop(client);
    terminal.until_bytes(expected.len()).await;
    for (arguments, line) in REFERENCE.into_iter().filter(|(arguments, _)| !arguments.contains(&"--compress")) {
        let sent = story.relay_send(arguments).await;
        assert!(sent.status.success() && sent.stdout.is_empty() && sent.stderr.is_empty(), "{sent:?}");
        expected += &format!("{line}\n");
        terminal.until_bytes(expected.len()).await;
    }
    assert_eq!(daemon.terminate().await.code(), Some(0));
    assert_eq!(String::from_utf8(terminal.bytes()).expect("text"), expected);
}

#[tokio::test]
async fn frames_of_go_pass_as_they_are_and_ours_are_the_same() {
    let terminal = Terminal::new();
    let story = Story::on(&terminal);
    let _daemon = story.host.start();
    let rows = of_go();
    let mut client = story.client().await;
    for row in &rows {
        writeln!(client, "{}", row.frame).expect("taken");
    }
    drop(client);
    terminal.until_lines(rows.len()).await;
    assert_eq!(terminal.lines(), rows.iter().map(|row| row.frame.clone()).collect::<Vec<_>>());
    let mut count = rows.len();
    for row in rows.iter().filter(|row| !row.compress) {
        send_by_stdin(&story, &["--tag", &row.tag], &row.bytes()).await;
        count += 1;
        terminal.until_lines(count).await;
        assert_eq!(terminal.lines().last(), Some(&row.frame));
    }
}

/// Reads frames as somebody who knows nothing of us would: their data in base64, one a line.
const READER: &str = r#"
import base64, json, sys, zlib
for line in sys.stdin.buffer:
    frame = json.loads(line)
    assert list(frame) == ["csum", "payload"], frame
    assert frame["csum"] == zlib.adler32(frame["payload"].encode()), line
    inner = json.loads(frame["payload"])
    assert list(inner) == ["tag", "compress", "data"] and inner["compress"] is True, inner
    print(base64.b64encode(zlib.decompress(base64.b64decode(inner["data"], validate=True))).decode())
"#;

#[tokio::test]
async fn zlib_of_python_inflates_what_is_sent_compressed() {
    let terminal = Terminal::new();
    let story = Story::on(&terminal);
    let _daemon = story.host.start();
    drop(story.client().await);
    let noise: Vec<u8> = (0..20_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let sent = [vec![], b"2.0".to_vec(), (0..=255).collect(), "Grüße\n".repeat(100_000).into_bytes(), noise];
    for data in &sent {
        send_by_stdin(&story, &["--tag", "test", "--compress"], data).await;
    }
    terminal.until_lines(sent.len()).await;
    let mut python = tokio::process::Command::new(interpreter())
        .args(["-c", READER])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("the interpreter starts");
    let mut stdin = python.stdin.take().expect("piped");
    let bytes = terminal.bytes();
    let feeding = tokio::spawn(async move { stdin.write_all(&bytes).await });
    let output = tokio::time::timeout(PATIENCE, python.wait_with_output()).await.expect("it ends").expect("ours");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    feeding.await.expect("no panic").expect("it reads");
    let read = String::from_utf8(output.stdout).expect("base64");
    let read: Vec<Vec<u8>> = read.lines().map(|line| STANDARD.decode(line).expect("base64")).collect();
    assert!(read == sent, "the same data");
}

/// `relay send` with its data on standard input.
async fn send_by_stdin(story: &Story, arguments: &[&str], data: &[u8]) {
    let socket = story.socket.to_str().expect("UTF-8");
    let arguments = [&["relay", "send", "--socket", socket], arguments, &["-"]].concat();
    let mut sender = story.host.command(arguments).stdin(Stdio::piped()).spawn().expect("the binary can be started");
    let mut stdin = sender.stdin.take().expect("piped");
    stdin.write_all(data).await.expect("it reads");
    drop(stdin);
    let ended = tokio::time::timeout(PATIENCE, sender.wait()).await.expect("it ends").expect("ours");
    assert!(ended.success());
}

/// `relay listen` on this terminal, as soon as it has set the line.
async fn listener(story: &Story, terminal: &Terminal, arguments: &[&str]) -> tokio::process::Child {
    let device = terminal.path().to_str().expect("UTF-8");
    let mut command = story.host.command([&["relay", "listen", device], arguments].concat());
    let listener = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary can be started");
    let set = async {
        while terminal.is_untouched() {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, set).await.expect("it opens the device");
    listener
}

async fn end_of(listener: tokio::process::Child) -> (Option<i32>, String, String) {
    let output = tokio::time::timeout(PATIENCE, listener.wait_with_output()).await.expect("it ends").expect("ours");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[tokio::test]
async fn listen_decodes_what_the_daemon_writes() {
    let (terminal, other) = (Terminal::new(), Terminal::unread());
    let story = Story::on(&terminal);
    let _daemon = story.host.start();
    let rows = of_go();
    let mut client = story.client().await;
    for row in &rows {
        writeln!(client, "{}", row.frame).expect("taken");
    }
    terminal.until_lines(rows.len()).await;
    let count = rows.len().to_string();
    let listener = listener(&story, &other, &["--json", "--count", &count]).await;
    other.write(&terminal.bytes());
    let (code, stdout, stderr) = end_of(listener).await;
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    let shown: Vec<Value> = stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let expected = rows.iter().map(
        |row| json!({ "tag": row.tag, "compressed": row.compress, "data": String::from_utf8_lossy(&row.bytes()) }),
    );
    assert_eq!(shown, expected.collect::<Vec<_>>());
}

#[tokio::test]
async fn listen_says_what_is_no_frame_and_fails() {
    let terminal = Terminal::unread();
    let story = Story::on(&terminal);
    let listener = listener(&story, &terminal, &["--count", "4"]).await;
    let spoiled = frame("cpuutil", "1.5").replace("1.5", "1.6");
    terminal.write(format!("{}hello\n{spoiled}{}", frame("cpuutil", "1"), frame("cpuutil", "2")).as_bytes());
    let (code, stdout, stderr) = end_of(listener).await;
    assert_eq!((code, stdout.as_str()), (Some(1), "cpuutil\t1\ncpuutil\t2\n"));
    let complaints: Vec<&str> = stderr.lines().collect();
    assert_eq!(complaints.len(), 2, "{stderr}");
    assert!(complaints[0].starts_with("line 2 of 6 bytes is no frame"), "{stderr}");
    assert!(complaints[1].starts_with("line 3 of") && complaints[1].contains("checksum"), "{stderr}");
}

#[tokio::test]
async fn send_says_what_to_do_where_nobody_listens() {
    let story = Story::with(json!({}));
    let sent = story.relay_send(&["--tag", "cpuutil", "1"]).await;
    let said = String::from_utf8_lossy(&sent.stderr).into_owned();
    assert_eq!(sent.status.code(), Some(1));
    assert!(said.contains(story.socket.to_str().expect("UTF-8")) && said.contains("start the daemon"), "{said}");
    assert!(said.contains("agent.serial_relay"), "{said}");
}

#[tokio::test]
async fn the_longest_frame_comes_out_and_a_longer_one_is_not_made() {
    let terminal = Terminal::new();
    let story = Story::on(&terminal);
    let _daemon = story.host.start();
    let longest = frames(1, 64 * 1024).remove(0);
    assert_eq!(longest.len(), 64 * 1024);
    story.send(&longest).await;
    terminal.until_bytes(longest.len()).await;
    assert!(terminal.bytes() == longest.as_bytes());
    let data = "0".repeat(64 * 1024);
    let sent = story.relay_send(&["--tag", "n", &data]).await;
    let said = String::from_utf8_lossy(&sent.stderr).into_owned();
    assert_eq!(sent.status.code(), Some(1));
    assert!(said.contains("compress it"), "{said}");
}
