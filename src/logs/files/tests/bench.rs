//! What the tests stand on: a folder, a clock, and a lane of a few places.
use super::keeper::Keeper;
use crate::{
    config::settings::text::{MultiLine, TextRules},
    logs::files::{Tailer, Watch, tailer::Turn},
    model::{Chunk, LaneWaker, Outlet, SourceId, Target},
    telemetry::board::Board,
};
use std::{
    collections::HashMap,
    fs::{self, File, OpenOptions},
    io::Write,
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};
use tempfile::TempDir;
use tokio::sync::mpsc;

/// Lanes of `places` chunks each.
struct Lanes {
    places: usize,
    open: Mutex<HashMap<Target, Lane>>,
}

type Lane = (mpsc::Sender<Chunk>, mpsc::Receiver<Chunk>);

impl Outlet for Lanes {
    fn lane(&self, target: &Arc<Target>, _: &Arc<LaneWaker>) -> mpsc::Sender<Chunk> {
        let mut open = self.open.lock().expect("no panic");
        let lane = open.entry(target.as_ref().clone()).or_insert_with(|| mpsc::channel(self.places));
        lane.0.clone()
    }
}

pub struct Bench {
    pub folder: TempDir,
    pub tailer: Tailer,
    pub keeper: Arc<Keeper>,
    pub board: Arc<Board>,
    pub waker: Arc<LaneWaker>,
    /// How often the tailer was told that there is room.
    pub wakes: Arc<AtomicUsize>,
    pub watches: Vec<Watch>,
    lanes: HashMap<Target, mpsc::Receiver<Chunk>>,
    places: usize,
    started: Instant,
    pub clock: Duration,
    /// Where each source's next chunk must begin.
    next: HashMap<SourceId, u64>,
}

pub fn target(name: &str) -> Arc<Target> {
    Arc::new(Target { group: name.into(), stream: "s".into(), ..Target::default() })
}

impl Bench {
    /// Follows `app.log` from its beginning; the file is not there yet.
    pub fn new() -> Self {
        Self::with(1024, |_| {})
    }

    /// Lanes of `places`; `prepare` may put files there and change the watches before the tailer starts.
    pub fn with(places: usize, prepare: impl FnOnce(&mut Self)) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("app.log");
        let watch = Watch { path, target: target("g"), text: Arc::default(), from_beginning: true };
        let (keeper, board) = (Arc::new(Keeper::default()), Arc::<Board>::default());
        let (tailer, lanes, waker, wakes) = tailer(&[], places, &keeper, &board);
        let mut bench = Self {
            folder,
            tailer,
            keeper,
            board,
            waker,
            wakes,
            watches: vec![watch],
            lanes,
            places,
            started: Instant::now(),
            clock: Duration::from_secs(1000),
            next: HashMap::new(),
        };
        prepare(&mut bench);
        bench.start();
        bench
    }

    /// Events of `app.log` may have several lines: from one that matches to the next.
    pub fn gather(&mut self, start: &str) {
        let start = regex::bytes::Regex::new(start).expect("a good pattern");
        self.watches[0].text = TextRules { multi_line: MultiLine::Start(start), ..TextRules::default() }.into();
    }

    /// Ends the tailer as a crash would, and starts another one with the positions that were saved.
    pub fn restart(&mut self) {
        self.keeper = Arc::new(self.keeper.restarted());
        self.board = Arc::default();
        self.start();
    }

    fn start(&mut self) {
        self.next.clear();
        (self.tailer, self.lanes, self.waker, self.wakes) =
            tailer(&self.watches, self.places, &self.keeper, &self.board);
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The wall clock, which also dates every change of a file.
    pub fn wall(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_700_000_000) + self.clock
    }

    pub fn now(&self) -> Instant {
        self.started + self.clock
    }

    pub fn pass(&mut self, time: Duration) {
        self.clock += time;
    }

    pub fn append(&mut self, name: &str, text: impl AsRef<[u8]>) {
        let file = OpenOptions::new().create(true).append(true).open(self.path(name)).expect("writable");
        self.append_to(file, text);
    }

    pub fn append_to(&mut self, mut file: File, text: impl AsRef<[u8]>) {
        file.write_all(text.as_ref()).expect("written");
        self.dated(&file);
    }

    /// The wall clock goes back.
    pub fn set_back(&mut self, by: Duration) {
        self.started += by;
        self.clock -= by;
    }

    fn dated(&mut self, file: &File) {
        self.pass(Duration::from_millis(5));
        file.set_modified(self.wall()).expect("dated");
    }

    /// Moves `from` to `to`, over whatever is there.
    pub fn rename(&self, from: &str, to: &str) {
        fs::rename(self.path(from), self.path(to)).expect("renamed");
    }

    /// Moves every `app.log.N` one up and `app.log` to `app.log.1`.
    pub fn rotate(&self) {
        self.shift();
        self.rename("app.log", "app.log.1");
    }

    fn shift(&self) {
        let last = (1..).find(|n| !self.path(&format!("app.log.{n}")).exists()).expect("there is an end");
        for n in (1..last).rev() {
            self.rename(&format!("app.log.{n}"), &format!("app.log.{}", n + 1));
        }
    }

    /// Copies `app.log` to `app.log.1` and cuts it to nothing.
    pub fn copy_and_truncate(&mut self) {
        self.shift();
        self.copy("app.log", "app.log.1");
        self.truncate("app.log");
    }

    pub fn copy(&mut self, from: &str, to: &str) {
        fs::copy(self.path(from), self.path(to)).expect("copied");
        let file = OpenOptions::new().append(true).open(self.path(to)).expect("writable");
        self.dated(&file);
    }

    pub fn truncate(&mut self, name: &str) {
        let file = OpenOptions::new().write(true).open(self.path(name)).expect("writable");
        file.set_len(0).expect("cut");
        self.dated(&file);
    }

    pub fn delete(&self, name: &str) {
        fs::remove_file(self.path(name)).expect("deleted");
    }

    /// One turn after a hint that anything may have happened.
    pub fn turn(&mut self) -> Turn {
        self.pass(Duration::from_millis(5));
        self.tailer.changed_somewhere();
        self.tailer.turn(self.now(), self.wall().into())
    }

    /// Turns until nothing moves.
    pub fn settle(&mut self) {
        while self.turn().progressed {}
    }

    /// What is in the lane of `group`, oldest first; each chunk is checked.
    pub fn chunks(&mut self, group: &str) -> Vec<Chunk> {
        let mut chunks = Vec::new();
        while let Some(chunk) = self.chunk(group) {
            chunks.push(chunk);
        }
        chunks
    }

    pub fn chunk(&mut self, group: &str) -> Option<Chunk> {
        let chunk = self.lanes.get_mut(target(group).as_ref())?.try_recv().ok()?;
        self.waker.wake();
        self.check(&chunk);
        Some(chunk)
    }

    fn check(&mut self, chunk: &Chunk) {
        let id = chunk.source;
        let opened = || self.keeper.reached(id).unwrap_or(chunk.from);
        let due = self.next.get(&id).copied().unwrap_or_else(opened);
        assert_eq!(chunk.from, due, "chunks of one source follow each other without a gap");
        assert!(chunk.to > chunk.from);
        self.next.insert(id, chunk.to);
        let ends: Vec<u64> = chunk.events.iter().map(|e| e.next).collect();
        assert!(ends.is_sorted() && ends.last().is_none_or(|last| *last == chunk.to), "{ends:?} up to {}", chunk.to);
        for index in 0..chunk.events.len() {
            assert!(chunk.position_after(index).is_some());
        }
    }

    /// Reads, takes and acknowledges everything; the messages in the order of their arrival.
    pub fn lines(&mut self) -> Vec<String> {
        self.lines_of("g")
    }

    pub fn lines_of(&mut self, group: &str) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            self.tailer.has_space();
            let progressed = self.turn().progressed;
            let chunks = self.chunks(group);
            if !progressed && chunks.is_empty() {
                return lines;
            }
            for chunk in chunks {
                lines.extend(messages(&chunk));
                self.keeper.ack(chunk.source, chunk.from, chunk.to, Some(chunk.end));
            }
        }
    }
}

pub fn messages(chunk: &Chunk) -> Vec<String> {
    let text =
        |e: &crate::model::Event| String::from_utf8_lossy(&chunk.text[e.start as usize..e.end as usize]).into_owned();
    chunk.events.iter().map(text).collect()
}

type Parts = (Tailer, HashMap<Target, mpsc::Receiver<Chunk>>, Arc<LaneWaker>, Arc<AtomicUsize>);

fn tailer(watches: &[Watch], places: usize, keeper: &Arc<Keeper>, board: &Arc<Board>) -> Parts {
    let lanes = Lanes { places, open: Mutex::default() };
    let wakes = Arc::<AtomicUsize>::default();
    let counted = wakes.clone();
    let waker = LaneWaker::new(move || {
        counted.fetch_add(1, Ordering::Relaxed);
    });
    let tailer = Tailer::new(watches.to_vec(), keeper.clone(), &lanes, waker.clone(), board.clone());
    let open = lanes.open.into_inner().expect("no panic");
    let receivers = open.into_iter().map(|(target, (_, rx))| (target, rx)).collect();
    (tailer, receivers, waker, wakes)
}
