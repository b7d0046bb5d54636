use super::*;
use crate::{
    model::{Anchor, Event, Headcount, JournalPosition, Position, SourceId, TimedBy, Timestamp},
    publish::{DeadLetters, Report, Retention, scripted::Scripted},
};
struct Bench {
    put: Arc<Scripted>,
    lanes: Lanes,
    tasks: TaskTracker,
    end: CancellationToken,
    acknowledged: Arc<Mutex<Vec<(SourceId, u64)>>>,
    _folder: tempfile::TempDir,
}

impl Bench {
    fn new(slow: Duration) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (put, acknowledged) = (Arc::new(Scripted { slow, ..Scripted::default() }), Arc::new(Mutex::new(vec![])));
        let (tasks, end, bodies) = (TaskTracker::new(), CancellationToken::new(), BodyPool::default());
        let noted = acknowledged.clone();
        let publisher = LogPublisher {
            put: put.clone(),
            acknowledge: Arc::new(move |covers| lock(&noted).extend(covers.iter().map(|c| (c.source, c.to)))),
            report: Arc::new(Report::new(Arc::default(), "logs")),
            dead_letters: Arc::new(DeadLetters::in_folder(folder.path())),
            retention: Arc::new(Retention::in_folder(folder.path())),
            pace: Arc::default(),
            keep_rejected: false,
            no_retries: CancellationToken::new(),
            lanes: Headcount::default(),
        };
        let lanes = Lanes::new(publisher, Duration::from_secs(1), bodies, tasks.clone(), end.clone());
        Self { put, lanes, tasks, end, acknowledged, _folder: folder }
    }

    fn open(&self, target: &Arc<Target>) -> mpsc::Sender<Box<Chunk>> {
        self.lanes.lane(target, &LaneWaker::new(|| {}))
    }

    /// How many calls were begun.
    fn calls(&self) -> usize {
        self.put.calls().iter().filter(|call| *call == "logs").count()
    }

    fn listed(&self) -> usize {
        lock(&self.lanes.open).len()
    }
}

fn target(stream: &str) -> Arc<Target> {
    Arc::new(Target { group: "g".into(), stream: stream.into(), ..Target::default() })
}

fn chunk(source: SourceId, from: u64, message: &str) -> Chunk {
    let position = JournalPosition { item: "".into(), cursor: "c".into(), at: Timestamp::default() };
    let end = u32::try_from(message.len()).expect("small");
    Chunk {
        source,
        text: message.as_bytes().to_vec(),
        events: vec![Event { start: 0, end, at: Timestamp::from_millis(1), timed_by: TimedBy::Source, next: from + 1 }],
        from,
        to: from + 1,
        anchor: Anchor::Journal(vec![position.clone()]),
        end: Position::Journal(position),
    }
}

#[tokio::test(start_paused = true)]
async fn a_lane_ends_with_its_last_source_after_it_has_sent_what_it_holds_and_is_opened_again() {
    let bench = Bench::new(Duration::from_millis(10));
    let (target, source) = (target("s"), SourceId::unique());
    let (one, other) = (bench.open(&target), bench.open(&target));
    assert!(one.same_channel(&other) && bench.listed() == 1);
    one.send(chunk(source, 0, "a").into()).await.expect("open");
    drop(one);
    tokio::time::sleep(Duration::from_mins(1)).await;
    assert_eq!((bench.listed(), bench.tasks.len()), (1, 2), "another source still has it");
    other.send(chunk(source, 1, "b").into()).await.expect("open");
    drop(other);
    tokio::time::sleep(Duration::from_mins(1)).await;
    assert_eq!((bench.listed(), bench.tasks.len()), (0, 0));
    bench.open(&target).send(chunk(source, 2, "c").into()).await.expect("open");
    tokio::time::sleep(Duration::from_mins(1)).await;
    assert_eq!(bench.put.accepted(), ["event:a", "event:b", "event:c"]);
    assert_eq!(*lock(&bench.acknowledged), [(source, 1), (source, 2), (source, 3)]);
}

#[tokio::test(start_paused = true)]
async fn one_that_is_opened_again_while_it_still_sends_goes_on_behind_what_was_before() {
    let bench = Bench::new(Duration::from_mins(1));
    let (target, source) = (target("s"), SourceId::unique());
    for (from, message) in ["a", "b", "c"].into_iter().enumerate() {
        // Each finds the one before at its sending.
        bench.open(&target).send(chunk(source, from as u64, message).into()).await.expect("open");
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert!(bench.calls() <= 1, "one lane at a time sends");
    }
    tokio::time::sleep(Duration::from_mins(10)).await;
    assert_eq!(bench.put.accepted(), ["event:a", "event:b", "event:c"]);
    assert_eq!(*lock(&bench.acknowledged), [(source, 1), (source, 2), (source, 3)]);
    assert_eq!((bench.listed(), bench.tasks.len()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn at_the_deadline_every_lane_ends_whatever_it_is_at_and_acknowledges_nothing() {
    let bench = Bench::new(Duration::from_hours(1));
    let (target, source) = (target("s"), SourceId::unique());
    for from in 0..2 {
        bench.open(&target).send(chunk(source, from, "a").into()).await.expect("open");
        tokio::time::sleep(Duration::from_secs(5)).await;
    }
    bench.end.cancel();
    bench.tasks.close();
    bench.tasks.wait().await;
    assert!(bench.listed() == 0 && lock(&bench.acknowledged).is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_idle_lane_takes_4_kilobytes_at_most() {
    fn slot<T>(_: &mpsc::Sender<T>) -> usize {
        size_of::<T>()
    }
    let bench = Bench::new(Duration::ZERO);
    let chunks = bench.open(&target("other"));
    let (_, from_sources) = mpsc::channel(CHUNKS);
    let (batches, to_publisher) = mpsc::channel(BATCHES);
    let lane = Lane {
        target: target("s"),
        interval: Duration::from_secs(1),
        wakers: Arc::default(),
        bodies: BodyPool::default(),
    };
    // A channel has a block of 32 places from its beginning, however few of them may be taken.
    let blocks = 32 * (slot(&chunks) + slot(&batches));
    let stage = batch_logs(lane, from_sources, batches);
    let sending = bench.lanes.publisher.clone().run(target("s"), to_publisher);
    let futures = size_of_val(&stage) + size_of_val(&sending);
    assert!(futures + blocks <= 4 * 1024, "ten thousand of them are 40 MiB at most: {futures} + {blocks}");
    drop((chunks, stage, sending));
}
