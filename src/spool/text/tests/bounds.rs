//! What becomes of events at the bounds of the spool.
use super::*;

/// A host in an outage, with one event of each of these streams on the disk.
async fn host(folder: &Path, bounds: settings::Spool, disk: &Wreck, streams: &[&str]) -> Host {
    let host = Host::start_with(folder, bounds, disk);
    host.door.room().await;
    host.door.depot.board.failed("events", "out of reach".into());
    for stream in streams {
        host.take(stream, stream);
        host.pass(TICK).await;
    }
    host.until("the spool", |host| host.segments() == streams.len()).await;
    host
}

fn lost() -> u64 {
    counters::LOG_SPOOL_DROPPED.here()
}

#[tokio::test(start_paused = true)]
async fn nothing_goes_for_what_finds_no_room_even_so() {
    let long = "x".repeat(4_000);
    let small = settings::Spool { max_log_bytes: 3_000, ..BOUNDS };
    for (bounds, free) in [(small, None), (BOUNDS, Some(900)), (BOUNDS, Some(0))] {
        let (folder, disk) = (folder(), Wreck::default());
        let host = host(folder.path(), bounds, &disk, &["a", "b", "c"]).await;
        let before = lost();
        disk.change(|disk| disk.free = free);
        host.take("large", &long);
        host.pass(LATE).await;
        assert_eq!((host.segments(), lost() - before), (3, 0), "{free:?}");
        assert_eq!(host.door.depot.state().queues.values().flat_map(Queue::in_memory).count(), 1);
        // The stop has no room for it either, and says so; what was spooled is there for the next run.
        host.stop().await;
        assert_eq!(lost() - before, 1, "{free:?}");
        let host = Host::start(folder.path());
        for stream in ["a", "b", "c"] {
            assert_eq!(texts(&host.chunk(stream).await), [stream]);
        }
        host.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn no_more_goes_than_makes_room_enough() {
    let (folder, disk) = (folder(), Wreck::default());
    let host = host(folder.path(), BOUNDS, &disk, &["a", "b", "c"]).await;
    let before = lost();
    // About one segment too little.
    disk.change(|disk| disk.free = Some(BOUNDS.min_free_bytes + 20));
    host.take("d", "d");
    host.until("the spool", |host| host.door.depot.state().memory == 0).await;
    assert_eq!((host.segments(), lost() - before), (3, 0), "of what goes nothing is lost yet: it is in its lane");
    assert!(!folder.path().join("000000000001.segment").exists());
    host.crash().await;
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_finds_no_room_refuses_it_to_no_smaller_one() {
    let bounds = settings::Spool { max_log_bytes: 3_000, ..BOUNDS };
    let (folder, disk) = (folder(), Wreck::default());
    let host = host(folder.path(), bounds, &disk, &[]).await;
    host.take("large", &"x".repeat(4_000));
    host.take("small", "x");
    host.until("the small one", |host| host.segments() == 1).await;
    host.pass(LATE).await;
    let left: Vec<_> = {
        let state = host.door.depot.state();
        state.queues.values().filter(|queue| queue.in_memory().count() > 0).map(|q| q.target.stream.clone()).collect()
    };
    assert_eq!((host.segments(), left), (1, vec!["large".to_owned()]));
    host.crash().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_on_its_way_and_has_lost_its_copy_is_lost_when_it_has_not_arrived_by_the_stop() {
    let bounds = settings::Spool { max_log_bytes: 1_000, ..BOUNDS };
    for arrives in [true, false] {
        let folder = folder();
        let host = host(folder.path(), bounds, &Wreck::default(), &["s"]).await;
        let on_its_way = host.chunk("s").await;
        let before = lost();
        host.take("t", &"x".repeat(800));
        host.until("the spool", |host| host.door.depot.state().memory == 0).await;
        assert_eq!((host.segments(), lost() - before), (1, 0), "it may still arrive");
        if arrives {
            host.acknowledge(&on_its_way);
        }
        host.stop().await;
        assert_eq!(lost() - before, u64::from(!arrives));
    }
}

#[tokio::test(start_paused = true)]
async fn the_stop_keeps_as_much_of_a_stream_as_finds_room() {
    let bounds = settings::Spool { max_log_bytes: 700_000, ..BOUNDS };
    let folder = folder();
    let host = host(folder.path(), bounds, &Wreck::default(), &[]).await;
    let before = lost();
    for number in 0..5 {
        host.take("s", &format!("{number} {}", "x".repeat(200_000)));
    }
    host.pass(LATE).await;
    assert_eq!((host.segments(), lost() - before), (0, 0), "there is room for it in memory");
    host.stop().await;
    assert_eq!(lost() - before, 2);
    let host = Host::start(folder.path());
    for number in 0..3 {
        let chunk = host.chunk("s").await;
        assert!(texts(&chunk)[0].starts_with(&format!("{number} ")));
        host.acknowledge(&chunk);
    }
    host.stop().await;
}
