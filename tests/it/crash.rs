//! Power cuts: the daemon is killed again and again while a program writes and rotates, and no line is lost.
use crate::support::{
    PATIENCE,
    fake::{FakeAws, Seen},
    host::TestHost,
    writer::{NumberedLog, Rotation, Writer, missing},
};
use std::fs;

/// Rotated logs that are kept: enough for everything that is written while the daemon is down.
const KEEP: usize = 200;

#[tokio::test]
async fn no_line_is_lost_by_any_number_of_kills() {
    kill_again_and_again(15, Rotation::Rename { every: 300, keep: KEEP }).await;
}

#[tokio::test]
async fn no_line_is_lost_by_any_number_of_kills_while_the_log_is_copied_and_cut() {
    kill_again_and_again(7, Rotation::CopyTruncate { every: 80, keep: KEEP }).await;
}

async fn kill_again_and_again(kills: usize, rotation: Rotation) {
    let aws = FakeAws::start();
    let host = TestHost::tailing(&aws, &["app.log"]).with("agent.logs_collection_interval", 1.into());
    let writer = Writer::start(&host.path("app.log"), rotation, 400);
    for kill in 0..kills {
        let mut daemon = host.start();
        if kill % 3 == 2 {
            // In the middle of its start, or just after.
            daemon.until_it_runs().await;
        } else {
            let news = aws.look(|seen| seen.events.len()) + 1 + kill * 10;
            daemon.until_cloud(&aws, "some news", |seen| seen.events.len() >= news).await;
        }
        daemon.kill().await;
    }
    let last = writer.stop();
    let mut daemon = host.start();
    let lost = |seen: &Seen| missing(seen.events.iter().map(|event| event.message.as_str()), last);
    let waiting = daemon.until_cloud(&aws, "every line", |seen| lost(seen).is_empty());
    // Less than the patience of `until`: which lines are lost says more than how many arrived.
    let _ = tokio::time::timeout(PATIENCE / 2, waiting).await;
    assert_eq!(aws.look(lost), Vec::<u64>::new(), "lost out of {last}");
    assert!(daemon.terminate().await.success());
    aws.assert_no_violations();
}

#[tokio::test]
async fn lines_that_waited_for_the_network_survive_a_kill() {
    let mut aws = FakeAws::unplugged();
    let host = TestHost::tailing(&aws, &["app.log"]);
    host.append("app.log", "one\ntwo\n");
    let mut daemon = host.start();
    daemon.until("the lines to be read", |status| status.0["sources"][0]["read"] == 8).await;
    daemon.kill().await;
    aws.plug_in();
    let mut daemon = host.start();
    daemon.until_cloud(&aws, "both", |seen| seen.has("two")).await;
    assert!(daemon.terminate().await.success());
    assert_eq!(aws.messages("app.log"), ["one", "two"]);
}

/// The log was compressed while the daemon was down, so its position is given up. Were it remembered all the same, everything
/// younger would be searched for what it missed at each start.
#[tokio::test]
async fn delivered_copies_are_not_sent_again_after_a_position_was_given_up() {
    let aws = FakeAws::start();
    let host = TestHost::tailing(&aws, &["app.log"]);
    let numbered = |from: u64| (from..from + 100).map(|number| format!("N={number}\n")).collect::<String>();
    host.append("app.log", &numbered(1));
    let mut daemon = host.start();
    daemon.until_cloud(&aws, "the first log", |seen| seen.has("N=100")).await;
    assert!(daemon.terminate().await.success());

    fs::rename(host.path("app.log"), host.path("app.log.1.gz")).expect("rotated");
    fs::write(host.path("app.log.1.gz"), "compressed").expect("written");
    host.append("app.log", &numbered(101));
    let mut daemon = host.start();
    daemon.until_cloud(&aws, "the second log", |seen| seen.has("N=200")).await;
    NumberedLog::open(&host.path("app.log"), Rotation::Never).copy_and_truncate(1);
    host.append("app.log", &numbered(201));
    daemon.until_cloud(&aws, "what came after the copy", |seen| seen.has("N=300")).await;
    assert!(daemon.terminate().await.success());

    // Whatever is found beside the log is read before what is new in it.
    host.append("app.log", &numbered(301));
    let mut daemon = host.start();
    daemon.until_cloud(&aws, "what came meanwhile", |seen| seen.has("N=400")).await;
    assert!(daemon.terminate().await.success());
    let all: Vec<_> = (1..=400).map(|number| format!("N={number}")).collect();
    assert_eq!(aws.messages("app.log"), all);
}
