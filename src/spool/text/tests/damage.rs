//! Segments that a crash, a disk or somebody has damaged.
use super::*;

#[tokio::test(start_paused = true)]
async fn a_torn_or_corrupt_segment_costs_only_what_is_behind_the_damage() {
    let folder = folder();
    for (damage, kept) in [("torn", vec!["0", "1"]), ("corrupt", vec!["0"])] {
        let host = Host::start(folder.path());
        for number in 0..3 {
            host.take("s", &format!("{number}"));
        }
        host.take("t", "whole");
        host.stop().await;
        let file = |stream: &str| {
            let mut files = fs::read_dir(folder.path()).expect("there").map(|file| file.expect("there").path());
            files
                .find(|path| {
                    String::from_utf8_lossy(&fs::read(path).expect("there"))
                        .contains(&format!("\"stream\":\"{stream}\""))
                })
                .expect("there")
        };
        let path = file("s");
        let mut bytes = fs::read(&path).expect("there");
        match damage {
            "torn" => bytes.truncate(bytes.len() - 1),
            _ => {
                let second = bytes.len() - 18;
                bytes[second] ^= 1;
            }
        }
        fs::write(&path, bytes).expect("written");
        let before = counters::LOG_SPOOL_CORRUPT.here();
        let host = Host::start(folder.path());
        let (damaged, whole) = (host.chunk("s").await, host.chunk("t").await);
        assert_eq!(
            (texts(&damaged), texts(&whole)),
            (kept.iter().map(|t| (*t).to_owned()).collect(), vec!["whole".to_owned()])
        );
        assert_eq!(counters::LOG_SPOOL_CORRUPT.here() - before, u64::from(damage == "corrupt"));
        host.acknowledge(&damaged);
        host.acknowledge(&whole);
        host.until("a clean folder", |host| host.segments() == 0).await;
        host.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_segment_that_somebody_removes_stops_nothing() {
    let folder = folder();
    let host = Host::start(folder.path());
    host.take("s", "one");
    let first = host.chunk("s").await;
    host.take("s", "two");
    let _in_the_lane = host.chunk("s").await;
    host.take("s", "three");
    host.until("the spool", |host| host.door.depot.state().memory == 0).await;
    fs::remove_dir_all(folder.path()).expect("removed");
    host.acknowledge(&first);
    host.take("s", "four");
    host.pass(LATE).await;
    let mut seen = vec![];
    while !seen.contains(&"four".to_owned()) {
        seen.extend(texts(&host.chunk("s").await));
    }
    host.stop().await;
}
