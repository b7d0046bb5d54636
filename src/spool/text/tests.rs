mod bounds;
mod failing;
mod places;
mod unlisted;
mod wreck;

use super::*;
use crate::{
    model::{Chunk, LaneWaker, Outlet},
    telemetry::counters,
};
use std::{fs, path::PathBuf};
use tokio::{task::JoinHandle, time::advance};
use tokio_util::sync::CancellationToken;
use wreck::Wreck;

const BOUNDS: settings::Spool =
    settings::Spool { max_bytes: 0, max_age: Duration::from_hours(24), min_free_bytes: 1_000, max_log_bytes: 16 << 20 };

mod damage;

fn target(stream: &str) -> Arc<Target> {
    Arc::new(Target { group: "/g".into(), stream: stream.into(), ..Target::default() })
}

/// Lanes of one chunk each, whose other ends the test holds.
#[derive(Default)]
struct Lanes(Mutex<HashMap<String, mpsc::Receiver<Box<Chunk>>>>);

impl Lanes {
    /// What the lane of a stream holds.
    fn chunk(&self, stream: &str) -> Option<Chunk> {
        self.0.lock().expect("no panic").get_mut(stream)?.try_recv().ok().map(|chunk| *chunk)
    }
}

impl Outlet for Lanes {
    fn lane(&self, target: &Arc<Target>, _: &Arc<LaneWaker>) -> mpsc::Sender<Box<Chunk>> {
        let (sender, receiver) = mpsc::channel(1);
        self.0.lock().expect("no panic").insert(target.stream.clone(), receiver);
        sender
    }
}

/// A keeper at work.
struct Host {
    door: Door,
    lanes: Arc<Lanes>,
    working: JoinHandle<()>,
    spool_now: CancellationToken,
    end_lanes: CancellationToken,
    folder: PathBuf,
}

/// How long a batch is filled.
const INTERVAL: Duration = Duration::from_secs(1);
/// Later than a batch may take.
const LATE: Duration = Duration::from_secs(5);

impl Host {
    fn start(folder: &Path) -> Self {
        Self::start_with(folder, BOUNDS, &Wreck::default())
    }

    fn start_with(folder: &Path, bounds: settings::Spool, disk: &Wreck) -> Self {
        let board: Arc<Board> = Arc::default();
        let sending = board.health("events");
        let (door, keeper) =
            Depot::open_with(folder, bounds, board, sending, Box::new(disk.clone())).expect("a folder");
        let lanes = Arc::new(Lanes::default());
        let (spool_now, end_lanes) = (CancellationToken::new(), CancellationToken::new());
        let working = tokio::spawn(keeper.run(lanes.clone(), INTERVAL, spool_now.clone(), end_lanes.clone()));
        Self { door, lanes, working, spool_now, end_lanes, folder: folder.to_owned() }
    }

    fn take(&self, stream: &str, text: &str) {
        self.door.take(&target(stream), text.as_bytes(), Timestamp::now(), TimedBy::Reader).expect("few targets");
    }

    /// The next chunk of a stream; time passes until it is there.
    async fn chunk(&self, stream: &str) -> Chunk {
        for _ in 0..1_000 {
            if let Some(chunk) = self.lanes.chunk(stream) {
                // As the stage of a lane does.
                self.door.depot.changed.notify_one();
                return chunk;
            }
            self.pass(TICK / 10).await;
        }
        panic!("no chunk came");
    }

    fn acknowledge(&self, chunk: &Chunk) {
        let cover = Cover { source: chunk.source, from: chunk.from, to: chunk.to, position: Some(chunk.end.clone()) };
        self.door.depot.acknowledge(&[cover]);
    }

    /// Let time pass, and the keeper work.
    async fn pass(&self, time: Duration) {
        let end = Instant::now() + time;
        while Instant::now() < end {
            advance(TICK.min(end - Instant::now())).await;
            for _ in 0..20 {
                tokio::task::yield_now().await;
            }
        }
    }

    async fn until(&self, what: &str, ready: impl Fn(&Self) -> bool) {
        for _ in 0..1_000 {
            if ready(self) {
                return;
            }
            self.pass(TICK).await;
        }
        panic!("waited for {what}");
    }

    fn segments(&self) -> usize {
        fs::read_dir(&self.folder).expect("there").count()
    }

    /// As a power cut does.
    async fn crash(self) {
        self.working.abort();
        let _ = self.working.await;
    }

    async fn stop(self) {
        drop(self.door);
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
        self.spool_now.cancel();
        self.end_lanes.cancel();
        self.working.await.expect("no panic");
    }
}

fn texts(chunk: &Chunk) -> Vec<String> {
    let span = |event: &crate::model::Event| &chunk.text[event.start as usize..event.end as usize];
    chunk.events.iter().map(|event| String::from_utf8_lossy(span(event)).into_owned()).collect()
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

#[tokio::test(start_paused = true)]
async fn what_is_delivered_in_time_never_touches_the_disk() {
    let folder = folder();
    let host = Host::start(folder.path());
    host.take("s", "one");
    host.take("s", "two");
    let chunk = host.chunk("s").await;
    assert_eq!((texts(&chunk), chunk.from, chunk.to), (vec!["one".to_owned(), "two".into()], 0, 2));
    assert_eq!(chunk.position_after(0), Some(crate::model::Position::Unsaved));
    host.pass(Duration::from_secs(2)).await;
    host.acknowledge(&chunk);
    host.pass(LATE).await;
    assert_eq!((host.segments(), host.door.depot.state().memory), (0, 0));
    host.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_longer_than_a_batch_takes_survives_a_crash_and_goes_when_it_is_delivered() {
    let folder = folder();
    let host = Host::start(folder.path());
    host.take("s", "one");
    let _on_its_way = host.chunk("s").await;
    host.take("s", "two");
    host.until("the spool", |host| host.door.depot.state().memory == 0).await;
    // An outage by now: what comes is written at once.
    host.take("s", "three");
    host.until("the spool again", |host| host.door.depot.state().memory == 0).await;
    assert_eq!(host.segments(), 1, "one segment for all");
    host.crash().await;

    let host = Host::start(folder.path());
    host.door.room().await;
    host.take("s", "four");
    let old = host.chunk("s").await;
    assert_eq!(texts(&old), ["one", "two", "three"], "sent again, in order");
    host.acknowledge(&old);
    let new = host.chunk("s").await;
    assert_eq!(texts(&new), ["four"]);
    host.acknowledge(&new);
    host.until("a clean folder", |host| host.segments() == 0).await;
    host.stop().await;
}

#[tokio::test(start_paused = true)]
async fn while_sending_fails_what_comes_is_written_at_once() {
    let folder = folder();
    let host = Host::start(folder.path());
    host.take("s", "zero");
    // What people see of other destinations is none of the keeper's business.
    host.door.depot.board.failed("logs", "out of reach".into());
    host.pass(TICK * 2).await;
    assert_eq!(host.segments(), 0);
    host.door.depot.board.failed("events", "out of reach".into());
    let begun = Instant::now();
    host.take("s", "one");
    host.until("the spool", |host| host.door.depot.state().memory == 0 && host.segments() == 1).await;
    assert!(begun.elapsed() < INTERVAL, "{:?}", begun.elapsed());
    host.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_segment_stays_until_all_of_it_is_acknowledged() {
    let folder = folder();
    let host = Host::start(folder.path());
    host.take("s", "one");
    let first = host.chunk("s").await;
    host.take("s", "two");
    let second = host.chunk("s").await;
    host.until("the spool", |host| host.door.depot.state().memory == 0).await;
    host.acknowledge(&second);
    host.pass(LATE).await;
    assert_eq!(host.segments(), 1);
    host.acknowledge(&first);
    host.until("a clean folder", |host| host.segments() == 0).await;
    host.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_the_stop_finds_undelivered_is_sent_by_the_next_run() {
    let folder = folder();
    let host = Host::start(folder.path());
    for number in 0..3 {
        host.take("s", &format!("{number}"));
        host.take("t", &format!("{number}"));
    }
    host.stop().await;
    let host = Host::start(folder.path());
    for stream in ["s", "t"] {
        assert_eq!(texts(&host.chunk(stream).await), ["0", "1", "2"]);
    }
    host.stop().await;
}

#[tokio::test(start_paused = true)]
async fn durable_events_are_on_the_disk_before_they_are_sent() {
    let folder = folder();
    let host = Host::start(folder.path());
    let durable = host.door.durable(true);
    durable.take(&target("s"), b"one", Timestamp::now(), TimedBy::Source).expect("few targets");
    let chunk = host.chunk("s").await;
    assert_eq!((texts(&chunk), host.segments()), (vec!["one".to_owned()], 1));
    assert_eq!(chunk.events[0].timed_by, TimedBy::Source);
    drop(durable);
    host.crash().await;
    let host = Host::start(folder.path());
    let again = host.chunk("s").await;
    assert_eq!((texts(&again), again.events[0].timed_by), (vec!["one".to_owned()], TimedBy::Source));
    host.stop().await;
}

#[tokio::test(start_paused = true)]
async fn much_in_memory_goes_to_the_disk_and_nothing_is_lost_or_out_of_order() {
    let folder = folder();
    let host = Host::start(folder.path());
    let long = "x".repeat(100_000);
    for number in 0..120 {
        host.door.room().await;
        host.take("s", &format!("{number} {long}"));
        tokio::task::yield_now().await;
    }
    host.until("the disk", |host| host.door.depot.state().memory <= MUCH).await;
    assert!(host.segments() > 1);
    let mut seen = vec![];
    while seen.len() < 120 {
        let chunk = host.chunk("s").await;
        seen.extend(texts(&chunk).iter().map(|text| text.split(' ').next().unwrap_or_default().to_owned()));
        host.acknowledge(&chunk);
    }
    assert_eq!(seen, (0..120).map(|number| number.to_string()).collect::<Vec<_>>());
    host.until("a clean folder", |host| host.segments() == 0).await;
    host.stop().await;
}

#[tokio::test(start_paused = true)]
async fn at_its_bound_the_spool_gives_the_oldest_up_and_counts_it() {
    let folder = folder();
    let bounds = settings::Spool { max_log_bytes: 3 << 20, ..BOUNDS };
    let host = Host::start_with(folder.path(), bounds, &Wreck::default());
    let before = counters::LOG_SPOOL_DROPPED.here();
    host.take("other", "x");
    let _stuck = host.chunk("other").await;
    let long = "x".repeat(200_000);
    for number in 0..40 {
        host.take("s", &format!("{number} {long}"));
        host.pass(LATE).await;
    }
    let on_disk: u64 =
        fs::read_dir(folder.path()).expect("there").map(|f| f.expect("there").metadata().expect("a file").len()).sum();
    assert!(on_disk <= 3 << 20, "{on_disk}");
    let dropped = counters::LOG_SPOOL_DROPPED.here() - before;
    assert!((20..40).contains(&dropped), "{dropped}");
    let mut seen = vec![];
    while seen.len() as u64 + dropped < 40 {
        let chunk = host.chunk("s").await;
        seen.extend(texts(&chunk));
        host.acknowledge(&chunk);
    }
    host.until("a folder with nothing of it", |host| host.segments() == 1).await;
    assert!(host.lanes.chunk("s").is_none(), "nothing twice");
    assert!(seen.last().is_some_and(|text| text.starts_with("39 ")), "the youngest is there");
    host.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_is_full_keeps_sources_waiting_and_loses_nothing() {
    let folder = folder();
    let host = Host::start_with(folder.path(), BOUNDS, &Wreck::full());
    host.door.room().await;
    let long = "x".repeat(1_000_000);
    for number in 0..9 {
        host.take("s", &format!("{number} {long}"));
    }
    host.pass(LATE).await;
    assert_eq!(host.segments(), 0);
    assert!(tokio::time::timeout(LATE, host.door.room()).await.is_err(), "no room");
    for number in 0..9 {
        let chunk = host.chunk("s").await;
        assert!(texts(&chunk)[0].starts_with(&format!("{number} ")));
        host.acknowledge(&chunk);
    }
    host.door.room().await;
    host.stop().await;
}
