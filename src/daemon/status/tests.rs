//! Against sockets in folders of their own, and who only pretends to be a daemon.
use super::*;
use crate::model::SourceId;
use std::time::Duration;

fn about(folder: &Path) -> About {
    About {
        config: "/c.json".into(),
        state_folder: folder.into(),
        store: None,
        instance_id: "sys-1".into(),
        destination: "aws",
        started: Timestamp::now(),
    }
}

#[tokio::test(start_paused = true)]
async fn a_socket_that_is_removed_is_made_again_and_goes_with_the_daemon() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = socket_path(folder.path());
    let listener = listen(&path).expect("bound");
    std::fs::remove_file(&path).expect("it is there");
    let serving = tokio::spawn(serve(listener, about(folder.path()), Arc::default()));
    while !path.exists() {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    serving.abort();
    assert!(serving.await.is_err_and(|end| end.is_cancelled()));
    assert!(!path.exists());
}

#[tokio::test]
async fn a_reader_that_does_not_read_holds_up_nobody_else() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = socket_path(folder.path());
    let listener = listen(&path).expect("bound");
    let board = Arc::new(Board::default());
    // More than the kernel takes in for somebody who does not read.
    board.source(SourceId::unique(), |source| source.name = "x".repeat(4 << 20));
    let serving = tokio::spawn(serve(listener, about(folder.path()), board));
    let _idle = std::os::unix::net::UnixStream::connect(&path).expect("there");
    let asked = tokio::task::spawn_blocking(move || ask(&path)).await.expect("no panic");
    assert!(asked.expect("answered").len() > 4 << 20);
    serving.abort();
}

/// Who listens at this path does so with each that asks.
fn pretend(path: &Path, answer: fn(std::os::unix::net::UnixStream)) {
    let listener = std::os::unix::net::UnixListener::bind(path).expect("bound");
    std::thread::spawn(move || listener.accept().map(|(reader, _)| answer(reader)));
}

#[test]
fn an_answer_without_an_end_is_given_up() {
    use std::io::Write;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = socket_path(folder.path());
    pretend(&path, |mut reader| while reader.write_all(&[b' '; 4096]).is_ok() {});
    let error = imp::ask_within(&path, WHOLE, 1 << 20).expect_err("no end");
    assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{error}");
}

#[test]
fn an_answer_that_drips_is_given_up_and_so_is_one_that_does_not_begin() {
    use std::io::{Read, Write};
    let folder = tempfile::tempdir().expect("a temporary folder");
    let limit = Duration::from_millis(100);
    for (name, answer) in [
        // Each byte comes well within the limit.
        (
            "drips",
            (|mut reader| {
                while reader.write_all(b" ").is_ok() {
                    std::thread::sleep(Duration::from_millis(1));
                }
            }) as fn(std::os::unix::net::UnixStream),
        ),
        ("silent", |mut reader| drop(reader.read(&mut [0]))),
    ] {
        let path = folder.path().join(name);
        pretend(&path, answer);
        let error = imp::ask_within(&path, limit, LONGEST).expect_err("no end");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut, "{name}: {error}");
    }
}

#[test]
fn sources_come_in_the_order_of_their_targets_and_have_names() {
    let board = Board::default();
    for name in ["/b", "", "/a"] {
        board.source(SourceId::unique(), |s| (s.name, s.stream) = (name.into(), format!("stream of {name}")));
    }
    let json: serde_json::Value = serde_json::from_slice(&snapshot(&about(Path::new("/s")), &board)).expect("JSON");
    let names: Vec<_> = json["sources"].as_array().expect("a list").iter().map(|s| &s["name"]).collect();
    assert_eq!(names, ["/a", "/b"]);
}

#[tokio::test]
async fn a_reader_gets_the_counters_and_each_sources_lag() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = socket_path(folder.path());
    std::fs::write(&path, "left behind by a dead daemon").expect("written");
    let board = Arc::new(Board::default());
    board.source(SourceId::unique(), |s| {
        s.name = "/var/log/x".into();
        (s.acknowledged, s.size) = (10, Some(25));
    });
    tokio::spawn(serve(listen(&path).expect("bound"), about(folder.path()), board));
    let document = tokio::task::spawn_blocking(move || ask(&path)).await.expect("ran").expect("answered");
    let json: serde_json::Value = serde_json::from_slice(&document).expect("JSON");
    assert_eq!(json["sources"][0]["lag"], 15);
    assert_eq!(json["instance_id"], "sys-1");
    assert!(json["counters"]["events_delivered"].is_u64());
}
