//! The device: one that takes little, one that vanishes, one that another program has.
use super::{Story, device_has, frame, frames, frames_in, trouble};
use crate::support::terminal::Terminal;
use serde_json::json;
use std::{io::Write, thread};

#[tokio::test]
async fn what_a_device_takes_in_parts_comes_out_whole() {
    let terminal = Terminal::unread();
    let story = Story::on(&terminal);
    let mut daemon = story.host.start();
    // More than device, queue and socket hold together: who sends has to wait.
    let mut sent = frames(40, 60_000);
    sent[0] = frame("small", "1");
    let mut client = story.client().await;
    let bytes = sent.concat();
    let sender = thread::spawn(move || client.write_all(bytes.as_bytes()));
    daemon.until("a first frame", |status| status.counter("relay_frames") > 0).await;
    let status = daemon.status().await.expect("it answers");
    assert!(status.counter("relay_frames") < 10, "nobody reads: {}", status.counter("relay_frames"));
    assert!(!sender.is_finished(), "more was accepted than can wait");
    terminal.read();
    terminal.until_lines(sent.len()).await;
    sender.join().expect("no panic").expect("all of it is taken");
    assert!(terminal.lines() == sent.iter().map(|frame| frame.trim_end().to_owned()).collect::<Vec<_>>());
    daemon.until("the count", |status| status.counter("relay_frames") == 40).await;
    let status = daemon.status().await.expect("it answers");
    assert_eq!(status.counter("relay_bytes"), sent.concat().len() as u64);
}

#[tokio::test]
async fn frames_wait_for_a_device_that_disappears_and_come_out_of_the_one_that_returns() {
    let first = Terminal::new();
    let story = Story::on(&first);
    let mut daemon = story.host.start();
    let sent = frames(200, 0);
    story.send(&sent[0]).await;
    first.until_lines(1).await;
    story.unplug();
    drop(first);
    let mut client = story.client().await;
    client.write_all(sent[1..100].concat().as_bytes()).expect("taken");
    daemon.until("the device to be missed", |status| device_has(status, "could not be opened")).await;
    // A thing that is no device is none for it, and stays as it is.
    std::fs::write(&story.device, "precious").expect("written");
    daemon.until("what is wrong with it", |status| device_has(status, "no serial device")).await;
    assert_eq!(std::fs::read(&story.device).expect("there"), b"precious");
    client.write_all(sent[100..].concat().as_bytes()).expect("taken");
    let second = Terminal::new();
    story.plug(&second);
    second.until_end(&sent[199]).await;
    daemon.until("all to be well", |status| trouble(status, "serial device").is_none()).await;
    assert!(daemon.terminate().await.success());
    assert_eq!(frames_in(&String::from_utf8(second.bytes()).expect("text")), sent[1..].concat());
    let said = story.host.said();
    assert!(said.contains("it is opened again, frames wait"), "{said}");
    assert!(
        said.lines().filter(|line| line.contains("it is opened again")).count() <= 4,
        "nothing per attempt: {said}"
    );
}

#[tokio::test]
async fn a_frame_that_is_torn_by_a_device_that_disappears_is_written_again_whole() {
    let first = Terminal::unread();
    let story = Story::on(&first);
    let mut daemon = story.host.start();
    let mut sent = frames(12, 60_000);
    sent[0] = frame("small", "1");
    let mut client = story.client().await;
    client.write_all(sent.concat().as_bytes()).expect("taken");
    daemon.until("a first frame", |status| status.counter("relay_frames") > 0).await;
    story.unplug();
    drop(first);
    let second = Terminal::new();
    story.plug(&second);
    let written = sent.len() as u64;
    daemon.until("the last frame", |status| status.counter("relay_frames") == written).await;
    second.until_end(&sent[11]).await;
    let lines = second.lines();
    assert_eq!(lines[0], "", "what has the torn part sees its end");
    let whole: Vec<&String> = lines[1..].iter().collect();
    assert!(whole.iter().all(|line| sent.iter().any(|frame| frame.trim_end() == *line)), "whole and unchanged");
    assert!(whole.len() >= 8 && whole.is_sorted_by(|a, b| data(a) < data(b)), "in their order, none twice");
    daemon.until("all to be well", |status| trouble(status, "serial device").is_none()).await;
}

/// The number in a line of [`frames`].
fn data(line: &str) -> u32 {
    let digits = line.rsplit_once(":\\\"").expect("a frame").1;
    digits.trim_end_matches(|c: char| !c.is_ascii_digit()).parse().expect("a number")
}

#[tokio::test]
async fn of_two_daemons_for_one_device_the_second_waits_for_the_first() {
    let terminal = Terminal::new();
    let (one, two) = (Story::on(&terminal), Story::on(&terminal));
    let mut first = one.host.start();
    one.send(&frame("first", "1")).await;
    terminal.until_lines(1).await;
    let mut second = two.host.start();
    two.send(&frame("second", "2")).await;
    second.until("to be told who has it", |status| device_has(status, "another program has this device")).await;
    assert!(two.host.said().contains("stop the other program"), "{}", two.host.said());
    first.until("the first to be well", |status| trouble(status, "serial device").is_none()).await;
    one.send(&frame("first", "3")).await;
    terminal.until_lines(2).await;
    assert!(first.terminate().await.success());
    terminal.until_lines(3).await;
    assert!(second.terminate().await.success());
    let expected = [frame("first", "1"), frame("first", "3"), frame("second", "2")];
    assert_eq!(String::from_utf8(terminal.bytes()).expect("text"), expected.concat());
}

#[tokio::test]
async fn a_device_that_is_not_there_is_named_and_what_waits_at_the_stop_is_told() {
    let story = Story::with(json!({}));
    let mut daemon = story.host.start();
    story.send(&frames(3, 0).concat()).await;
    let named = story.device.display().to_string();
    daemon.until("the device to be missed", |status| device_has(status, "could not be opened")).await;
    assert!(story.host.said().contains(&named), "{}", story.host.said());
    assert_eq!(daemon.terminate().await.code(), Some(0));
    let said = story.host.said();
    assert!(said.contains("frames_given_up=3"), "what is lost is said: {said}");
}

#[tokio::test]
async fn after_a_kill_in_the_middle_of_a_frame_the_next_one_stands_by_itself() {
    let terminal = Terminal::unread();
    let story = Story::on(&terminal);
    let mut daemon = story.host.start();
    let sent = frames(12, 60_000);
    story.client().await.write_all(sent.concat().as_bytes()).expect("taken");
    let mark = story.host.path("state/serial-torn");
    daemon.until("a part of a frame", |_| mark.exists()).await;
    daemon.kill().await;
    let mut next = story.host.start();
    let last = frame("last", "1");
    story.send(&last).await;
    terminal.read();
    terminal.until_end(&last).await;
    let lines = terminal.lines();
    assert_eq!(lines.last().map(String::as_str), Some(last.trim_end()));
    next.until("nothing to be torn", |_| !mark.exists()).await;
    assert!(next.terminate().await.success());
}
