//! Many clients, slow ones, silent ones, and those that send what is no frame.
use super::{Story, frame, frames};
use crate::support::{PATIENCE, moto::interpreter, terminal::Terminal};
use std::{
    io::{Read, Write},
    process::Stdio,
    time::{Duration, Instant},
};

#[tokio::test]
async fn a_slow_client_holds_nobody_up_and_its_frame_comes_out_whole() {
    let terminal = Terminal::new();
    let story = Story::on(&terminal);
    let _daemon = story.host.start();
    let slowly = frame("slow", "1");
    let quick = frames(slowly.len() - 1, 0);
    let (begin, end) = slowly.split_at(slowly.len() - 1);
    let mut slow = story.client().await;
    for (number, (byte, quick)) in begin.bytes().zip(&quick).enumerate() {
        slow.write_all(&[byte]).expect("taken");
        story.send(quick).await;
        terminal.until_lines(number + 1).await;
    }
    slow.write_all(end.as_bytes()).expect("taken");
    terminal.until_lines(slowly.len()).await;
    assert_eq!(String::from_utf8(terminal.bytes()).expect("text"), quick.concat() + &slowly);
}

#[tokio::test]
async fn who_says_nothing_for_5_seconds_is_hung_up_on_and_holds_nobody_up() {
    let terminal = Terminal::new();
    let story = Story::on(&terminal);
    let mut daemon = story.host.start();
    let (mut mute, mut torn) = (story.client().await, story.client().await);
    let begun = Instant::now();
    let whole = frame("whole", "1");
    torn.write_all(format!("{whole}{{\"csum\":").as_bytes()).expect("taken");
    story.send(&frame("quick", "2")).await;
    terminal.until_lines(2).await;
    for client in [&mut mute, &mut torn] {
        client.set_read_timeout(Some(PATIENCE)).expect("a time");
        assert_eq!(client.read(&mut [0]).expect("hung up on"), 0);
        assert!(begun.elapsed() >= Duration::from_millis(4_900), "{:?}", begun.elapsed());
    }
    daemon.until("the torn line", |status| status.counter("relay_refused_torn") == 1).await;
    let mut lines = terminal.lines();
    lines.sort();
    assert_eq!(lines, [frame("quick", "2").trim_end(), whole.trim_end()]);
}

/// 1,000 clients that are all connected before the first byte is sent, each with its frames in three pieces; whose piece is next is left
/// to chance, but it is the same at each run. Every tenth stays until all have sent everything. Frames are of 90 bytes to 3 kB.
const CROWD: &str = r#"
import json, random, resource, socket, sys, zlib
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4096) if hard > 0 else 4096, hard))
chance, clients = random.Random(1), []
def frame(tag, data):
    payload = json.dumps({"tag": tag, "compress": False, "data": data}, separators=(",", ":"))
    return json.dumps({"csum": zlib.adler32(payload.encode()), "payload": payload}, separators=(",", ":")) + "\n"
for number in range(1000):
    client = socket.socket(socket.AF_UNIX)
    client.connect(sys.argv[1])
    frames = [frame(f"c{number}", f"{turn}-" + "x" * chance.randrange(1500)) for turn in range(2)]
    sys.stdout.write("".join(frames))
    text = "".join(frames).encode()
    cuts = sorted(chance.sample(range(1, len(text)), 2))
    clients.append((client, [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)])]))
turns = [number for number in range(1000) for _ in range(3)]
chance.shuffle(turns)
for number in turns:
    client, pieces = clients[number]
    client.sendall(pieces.pop(0))
    if not pieces and number % 10:
        client.close()
"#;

#[tokio::test]
async fn of_1000_clients_at_once_every_frame_comes_out_once_and_whole() {
    let terminal = Terminal::new();
    let story = Story::on(&terminal);
    let daemon = story.host.start();
    drop(story.client().await);
    let crowd = tokio::process::Command::new(interpreter())
        .args(["-c", CROWD])
        .arg(&story.socket)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let crowd = tokio::time::timeout(PATIENCE, crowd).await.expect("it ends").expect("the interpreter starts");
    assert!(crowd.status.success(), "{}", String::from_utf8_lossy(&crowd.stderr));
    terminal.until_bytes(crowd.stdout.len()).await;
    assert!(daemon.terminate().await.success());
    let text = String::from_utf8(crowd.stdout).expect("text");
    let (mut sent, mut came) = (text.lines().map(str::to_owned).collect::<Vec<_>>(), terminal.lines());
    for number in 0..1_000 {
        let tag = format!("\\\"c{number}\\\"");
        let order = |lines: &[String]| lines.iter().filter(|line| line.contains(&tag)).cloned().collect::<Vec<_>>();
        assert!(order(&sent) == order(&came), "a client's frames come out in its own order");
    }
    sent.sort();
    came.sort();
    assert_eq!(sent.len(), 2_000);
    assert!(sent == came);
}

#[tokio::test]
async fn what_is_no_frame_is_refused_and_counted_and_the_good_frames_beside_it_come_out() {
    let terminal = Terminal::new();
    let story = Story::on(&terminal);
    let mut daemon = story.host.start();
    let good = frames(6, 0);
    let mut client = story.client().await;
    let spoiled = frame("cpuutil", "1.5").replace("1.5", "1.6");
    let no_payload = "{\"csum\":1,\"payload\":\"\"}\n";
    for bytes in [
        good[0].as_bytes(),
        b"hello\n\n\xff\xfe\x00\n",
        good[1].as_bytes(),
        spoiled.as_bytes(),
        good[2].as_bytes(),
        no_payload.as_bytes(),
        good[3].as_bytes(),
        // Without its end: it may be a part of a longer one.
        good[0].trim_end().as_bytes(),
    ] {
        client.write_all(bytes).expect("taken");
    }
    drop(client);
    let mut long = story.client().await;
    long.write_all(good[4].as_bytes()).expect("taken");
    // The daemon may hang up before all of it is taken.
    let _ = long.write_all(&vec![b'x'; 64 * 1024]);
    long.set_read_timeout(Some(PATIENCE)).expect("a time");
    assert!(matches!(long.read(&mut [0]), Ok(0) | Err(_)), "hung up on");
    daemon
        .until("each to be counted", |status| {
            let refused = ["form", "checksum", "too_long", "torn"];
            let refused = refused.map(|why| status.counter(&format!("relay_refused_{why}")));
            refused == [4, 1, 1, 1]
        })
        .await;
    story.send(&good[5]).await;
    terminal.until_lines(6).await;
    assert!(daemon.terminate().await.success());
    assert_eq!(String::from_utf8(terminal.bytes()).expect("text"), good.concat());
    let said = story.host.said();
    for why in
        ["its checksum is not that of its payload", "it is no JSON object", "too long", "in the middle of a frame"]
    {
        assert!(said.contains(why), "{why}: {said}");
    }
    assert!(said.contains("refused=7"), "{said}");
}

#[tokio::test]
async fn a_flood_of_garbage_fills_neither_the_device_nor_the_own_log() {
    let terminal = Terminal::new();
    let story = Story::on(&terminal);
    let mut daemon = story.host.start();
    let mut client = story.client().await;
    client.write_all("garbage\n".repeat(20_000).as_bytes()).expect("taken");
    client.write_all(frame("good", "1").as_bytes()).expect("taken");
    drop(client);
    daemon.until("each to be counted", |status| status.counter("relay_refused_form") == 20_000).await;
    terminal.until_lines(1).await;
    assert_eq!(String::from_utf8(terminal.bytes()).expect("text"), frame("good", "1"));
    let said = story.host.said().lines().filter(|line| line.contains("was refused")).count();
    assert!((1..1_000).contains(&said), "{said} lines in the own log");
}
