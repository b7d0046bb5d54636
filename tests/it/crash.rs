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
    // What was rotated away before the daemon was ever there is not its business.
    let mut first = host.start();
    first.until("the log to be waited for", |status| status.0["sources"][0].is_object()).await;
    let writer = Writer::start(&host.path("app.log"), rotation, 400);
    let mut running = Some(first);
    for kill in 0..kills {
        let mut daemon = running.take().unwrap_or_else(|| host.start());
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

/// Moves every compressed generation one up, the log into the first one, and compresses that.
#[cfg(unix)]
fn rotate_and_compress(host: &TestHost) {
    let name = |number: usize| host.path(&format!("app.log.{number}.gz"));
    let last = (1..).find(|number| !name(*number).exists()).expect("there is an end");
    for number in (1..last).rev() {
        fs::rename(name(number), name(number + 1)).expect("renamed");
    }
    fs::rename(host.path("app.log"), host.path("app.log.1")).expect("rotated");
    let gzip = std::process::Command::new("gzip").arg(host.path("app.log.1")).status().expect("gzip is there");
    assert!(gzip.success());
}

#[cfg(unix)]
#[tokio::test]
async fn what_was_rotated_and_compressed_while_the_daemon_was_down_is_read_on_after_a_kill() {
    let aws = FakeAws::start();
    let host = TestHost::tailing(&aws, &["app.log"]);
    let numbered = |from: u64| (from..from + 1000).map(|number| format!("N={number}\n")).collect::<String>();
    host.append("app.log", &numbered(1));
    let mut daemon = host.start();
    daemon.until_cloud(&aws, "the first lines", |seen| seen.has("N=1000")).await;
    daemon.until("their position to be saved", |status| status.is_caught_up()).await;
    daemon.kill().await;

    // The one that was read so far, and three that nobody saw.
    for from in [1001, 2001, 3001, 4001] {
        host.append("app.log", &numbered(from));
        rotate_and_compress(&host);
    }
    host.append("app.log", &numbered(5001));
    let mut daemon = host.start();
    daemon.until_cloud(&aws, "every line", |seen| seen.has("N=6000")).await;
    daemon.kill().await;

    // Nothing of it is sent again, whatever it is called by then.
    host.append("app.log", "N=6001\n");
    rotate_and_compress(&host);
    host.append("app.log", "N=6002\n");
    let mut daemon = host.start();
    daemon.until_cloud(&aws, "the last line", |seen| seen.has("N=6002")).await;
    assert!(daemon.terminate().await.success());
    aws.assert_no_violations();
    let messages = aws.messages("app.log");
    let all: Vec<_> = (1..=6002).map(|number| format!("N={number}")).collect();
    assert_eq!(missing(messages.iter().map(String::as_str), 6002), Vec::<u64>::new());
    let mut seen = std::collections::HashSet::new();
    let first_times: Vec<_> = messages.into_iter().filter(|message| seen.insert(message.clone())).collect();
    assert_eq!(first_times, all, "in order");
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

/// The log was compressed by a tool that we do not know while the daemon was down, so its position is given up. Were it remembered all the same, everything
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

    fs::rename(host.path("app.log"), host.path("app.log.1.zst")).expect("rotated");
    fs::write(host.path("app.log.1.zst"), "compressed").expect("written");
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
