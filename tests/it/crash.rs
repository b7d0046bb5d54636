//! Power cuts: the daemon is killed again and again while a program writes and rotates, and no line is lost.
use crate::support::{
    PATIENCE,
    fake::{FakeAws, Seen},
    host::TestHost,
    writer::{Rotation, Writer, missing},
};

const KILLS: usize = 15;

#[tokio::test]
async fn no_line_is_lost_by_any_number_of_kills() {
    let aws = FakeAws::start();
    let host = TestHost::tailing(&aws, &["app.log"]).with("agent.logs_collection_interval", 1.into());
    // Enough old logs are kept for everything that is written while the daemon is down.
    let rotation = Rotation::Rename { every: 300, keep: 200 };
    let writer = Writer::start(&host.path("app.log"), rotation, 400);
    for kill in 0..KILLS {
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
