//! Which targets have a place, and for how long.
use super::*;

#[tokio::test(start_paused = true)]
async fn a_target_of_which_nothing_is_heard_loses_its_lane_and_its_place() {
    let folder = folder();
    let host = Host::start(folder.path());
    host.take("s", "one");
    let chunk = host.chunk("s").await;
    host.acknowledge(&chunk);
    host.pass(Duration::from_mins(4)).await;
    assert_eq!(host.door.depot.state().queues.len(), 1);
    assert_eq!(host.door.depot.state().invented, 1);
    host.pass(Duration::from_mins(2)).await;
    let left = |state: &State| (state.queues.len(), state.invented);
    assert_eq!(left(&host.door.depot.state()), (0, 0));
    let closed = host.lanes.0.lock().expect("no panic").get_mut("s").expect("known").try_recv().err();
    assert_eq!(closed, Some(mpsc::error::TryRecvError::Disconnected));
    host.stop().await;
}

#[tokio::test(start_paused = true)]
async fn the_number_of_targets_is_bounded() {
    let folder = folder();
    let host = Host::start(folder.path());
    for number in 0..TARGETS {
        host.take(&number.to_string(), "x");
    }
    let one_more = host.door.take(&target("more"), b"x", Timestamp::now(), TimedBy::Reader);
    assert_eq!(one_more, Err(TooManyTargets(TARGETS)));
    host.take("0", "a known one");
    host.crash().await;
}

#[tokio::test(start_paused = true)]
async fn what_the_configuration_names_always_has_a_place_and_takes_none_of_the_others() {
    let folder = folder();
    let host = Host::start(folder.path());
    host.door.take_configured(&target("early"), b"x", Timestamp::now(), TimedBy::Reader);
    // Named by an event first, and by the configuration later.
    host.take("both", "x");
    host.door.take_configured(&target("both"), b"x", Timestamp::now(), TimedBy::Reader);
    for number in 0..TARGETS {
        host.take(&number.to_string(), "x");
    }
    assert!(host.door.take(&target("more"), b"x", Timestamp::now(), TimedBy::Reader).is_err());
    host.door.take_configured(&target("late"), b"a line", Timestamp::now(), TimedBy::Reader);
    assert_eq!(texts(&host.chunk("late").await), ["a line"]);
    assert_eq!(host.door.depot.state().queues.len(), TARGETS + 3);
    host.crash().await;
}
