//! A folder that cannot be listed for a while: nobody knows what earlier runs left in it.
use super::*;

async fn with_one_of_an_earlier_run(folder: &Path) {
    let host = Host::start(folder);
    host.take("s", "old");
    host.stop().await;
}

#[tokio::test(start_paused = true)]
async fn nothing_takes_the_place_of_what_cannot_be_listed() {
    let (folder, disk) = (folder(), Wreck::default());
    with_one_of_an_earlier_run(folder.path()).await;
    let file = folder.path().join("000000000001.segment");
    let old = fs::read(&file).expect("there");
    disk.change(|disk| disk.lists_fail = true);
    let host = Host::start_with(folder.path(), BOUNDS, &disk);
    host.door.room().await;
    host.door.depot.board.failed("events", "out of reach".into());
    host.take("s", "new");
    host.door.durable(true).take_configured(&target("d"), b"durable", Timestamp::now(), TimedBy::Reader);
    // What comes is sent all the same, as where the disk takes nothing.
    let new = host.chunk("s").await;
    assert_eq!((texts(&new), texts(&host.chunk("d").await)), (vec!["new".to_owned()], vec!["durable".to_owned()]));
    host.pass(LATE).await;
    assert_eq!((host.segments(), fs::read(&file).expect("there")), (1, old));
    let before = counters::LOG_SPOOL_DROPPED.here();
    host.acknowledge(&new);
    host.stop().await;
    assert_eq!(counters::LOG_SPOOL_DROPPED.here() - before, 1, "the one that nobody took");
    let host = Host::start(folder.path());
    assert_eq!(texts(&host.chunk("s").await), ["old"]);
    host.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_an_earlier_run_left_is_sent_once_the_folder_can_be_listed() {
    let (folder, disk) = (folder(), Wreck::default());
    with_one_of_an_earlier_run(folder.path()).await;
    disk.change(|disk| disk.lists_fail = true);
    let host = Host::start_with(folder.path(), BOUNDS, &disk);
    host.door.room().await;
    host.door.depot.board.failed("events", "out of reach".into());
    host.take("s", "new");
    host.pass(LATE).await;
    disk.change(|disk| disk.lists_fail = false);
    host.until("the spool", |host| host.door.depot.state().memory == 0).await;
    assert_eq!(host.segments(), 2);
    for text in ["new", "old"] {
        let chunk = host.chunk("s").await;
        assert_eq!(texts(&chunk), [text]);
        host.acknowledge(&chunk);
    }
    host.until("a clean folder", |host| host.segments() == 0).await;
    host.stop().await;
}

#[tokio::test(start_paused = true)]
async fn at_the_stop_it_is_tried_a_last_time() {
    let (folder, disk) = (folder(), Wreck::default());
    with_one_of_an_earlier_run(folder.path()).await;
    disk.change(|disk| disk.lists_fail = true);
    let host = Host::start_with(folder.path(), BOUNDS, &disk);
    host.door.room().await;
    host.take("s", "new");
    disk.change(|disk| disk.lists_fail = false);
    host.stop().await;
    let host = Host::start(folder.path());
    assert_eq!(texts(&host.chunk("s").await), ["old"]);
    assert_eq!(texts(&host.chunk("s").await), ["new"]);
    host.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_folder_that_is_gone_at_the_start_is_made_again() {
    let folder = folder();
    let inner = folder.path().join("spool");
    let host = Host::start(&inner);
    fs::remove_dir(&inner).expect("nothing is in it");
    host.door.room().await;
    host.take("s", "one");
    host.stop().await;
    let host = Host::start(&inner);
    assert_eq!(texts(&host.chunk("s").await), ["one"]);
    host.stop().await;
}
