//! What the tests stand on: a folder, a clock, and a lane of a few places.
use super::keeper::Keeper;
use crate::{
    config::settings::{
        Selection,
        text::{MultiLine, TextRules},
    },
    logs::files::{Avoid, Awaited, Roster, Scanner, Tailer, Watch, tailer::Turn},
    model::{Chunk, LaneWaker, Outlet, SourceId, Target},
    telemetry::board::Board,
};
use std::{
    collections::{BTreeMap, HashMap},
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

type Lane = (mpsc::WeakSender<Box<Chunk>>, mpsc::Receiver<Box<Chunk>>);

impl Outlet for Lanes {
    fn lane(&self, target: &Arc<Target>, _: &Arc<LaneWaker>) -> mpsc::Sender<Box<Chunk>> {
        let mut open = self.open.lock().expect("no panic");
        if let Some(sender) = open.get(target.as_ref()).and_then(|lane| lane.0.upgrade()) {
            return sender;
        }
        let (sender, receiver) = mpsc::channel(self.places);
        let before = open.insert(target.as_ref().clone(), (sender.downgrade(), receiver));
        assert!(before.is_none_or(|mut lane| lane.1.try_recv().is_err()), "a lane ends when it is empty");
        sender
    }
}

impl Lanes {
    /// The next chunk of a lane to such a target.
    fn take(&self, which: impl Fn(&Target) -> bool) -> Option<(Target, Chunk)> {
        let mut open = self.open.lock().expect("no panic");
        let mut lanes = open.iter_mut().filter(|(target, _)| which(target));
        lanes.find_map(|(target, lane)| Some((target.clone(), *lane.1.try_recv().ok()?)))
    }

    /// The targets to which a lane is open.
    fn open(&self) -> Vec<Target> {
        let open = self.open.lock().expect("no panic");
        let open = open.iter().filter(|(_, lane)| lane.0.strong_count() > 0);
        open.map(|(target, _)| target.clone()).collect()
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
    /// Items that wait for their names when a tailer starts.
    pub awaited: Vec<Awaited>,
    roster: Roster,
    lanes: Arc<Lanes>,
    /// Of patterns; they look in each turn.
    scanners: Vec<Scanner>,
    pub avoid: Avoid,
    places: usize,
    started: Instant,
    pub clock: Duration,
    /// Where each source's next chunk must begin.
    next: HashMap<SourceId, u64>,
}

/// A file to follow from its beginning.
pub fn watch(path: PathBuf) -> Watch {
    Watch {
        path,
        selection: Selection::This,
        target: target("g"),
        known_as: None,
        text: Arc::default(),
        from_beginning: true,
    }
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
        let watch = watch(path);
        let (keeper, board) = (Arc::new(Keeper::default()), Arc::<Board>::default());
        let (tailer, roster, lanes, waker, wakes) = tailer(Avoid::default(), places, &keeper, &board);
        let mut bench = Self {
            folder,
            tailer,
            keeper,
            board,
            waker,
            wakes,
            watches: vec![watch],
            awaited: Vec::new(),
            roster,
            lanes,
            scanners: Vec::new(),
            avoid: Avoid::default(),
            places,
            started: Instant::now(),
            clock: Duration::from_secs(1000),
            next: HashMap::new(),
        };
        prepare(&mut bench);
        bench.start();
        bench
    }

    /// Follows `disk/app.log`, of which the line "one" was read before the disk went away, as `unmounted`.
    pub fn unmounted() -> Self {
        let mut bench = Self::with(8, |bench| {
            fs::create_dir(bench.path("disk")).expect("made");
            bench.watches[0].path = bench.path("disk/app.log");
            bench.append("disk/app.log", "one\n");
        });
        assert_eq!(bench.lines(), ["one"]);
        bench.rename("disk", "unmounted");
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
        (self.tailer, self.roster, self.lanes, self.waker, self.wakes) =
            tailer(self.avoid.clone(), self.places, &self.keeper, &self.board);
        self.scanners.clear();
        self.follow(self.watches.clone(), self.awaited.clone());
    }

    /// These are followed as well, and those wait for their names.
    pub fn follow(&mut self, watches: Vec<Watch>, awaited: Vec<Awaited>) {
        let (items, scanners) = self.roster.items(watches, awaited);
        self.tailer.follow(items);
        self.scanners.extend(scanners);
    }

    /// How many threads would look for what patterns match.
    pub fn scanners(&self) -> usize {
        self.scanners.len()
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
        let (now, wall) = (self.now(), self.wall());
        self.scanners.iter_mut().for_each(|scanner| scanner.look_at_all(now, wall));
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
        let (_, chunk) = self.lanes.take(|target| target.group == group)?;
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

    /// Looks at what is below this folder do not come back any more, or do again.
    pub fn hang(&mut self, name: &str, hangs: bool) {
        self.tailer.hang(&self.path(name), hangs.then_some(self.started));
    }

    /// Time passes, and nothing happens but looks: what is to fall asleep does.
    pub fn doze(&mut self, time: Duration) {
        let until = self.clock + time;
        while self.clock < until {
            self.pass(Duration::from_secs(3));
            self.settle();
        }
    }

    /// The targets to which a lane is open.
    pub fn open_lanes(&self) -> Vec<Target> {
        self.lanes.open()
    }

    /// Reads, takes and acknowledges everything; the messages of each stream, in the order of their arrival.
    pub fn streams(&mut self) -> BTreeMap<String, Vec<String>> {
        let mut streams: BTreeMap<String, Vec<String>> = BTreeMap::new();
        loop {
            self.tailer.has_space();
            let progressed = self.turn().progressed;
            let mut took = false;
            while let Some((target, chunk)) = self.lanes.take(|_| true) {
                (took, _) = (true, self.check(&chunk));
                streams.entry(target.stream).or_default().extend(messages(&chunk));
                self.keeper.ack(chunk.source, chunk.from, chunk.to, Some(chunk.end));
            }
            if !progressed && !took {
                return streams;
            }
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

type Parts = (Tailer, Roster, Arc<Lanes>, Arc<LaneWaker>, Arc<AtomicUsize>);

fn tailer(avoid: Avoid, places: usize, keeper: &Arc<Keeper>, board: &Arc<Board>) -> Parts {
    let lanes = Arc::new(Lanes { places, open: Mutex::default() });
    let wakes = Arc::<AtomicUsize>::default();
    let counted = wakes.clone();
    let waker = LaneWaker::new(move || {
        counted.fetch_add(1, Ordering::Relaxed);
    });
    let (tailer, roster) = Tailer::new(avoid, keeper.clone(), lanes.clone(), waker.clone(), board.clone());
    (tailer, roster, lanes, waker, wakes)
}
