//! A shell script plays `log`: it notes what it is asked, and prints a file of the test's choice.
use super::*;
use crate::{
    config::settings::{Filter, TargetTemplate, text::TextRules},
    model::{Checkpoints, Chunk, LaneWaker, Outlet, Position, SourceId},
    telemetry::board::Board,
};
use std::{
    fs,
    sync::{Mutex, MutexGuard},
};
use tempfile::TempDir;
use tokio::sync::mpsc;

/// The first `show` prints `show.1`, and so on; `stream` prints `stream.1` and goes on until it is killed, unless there is a
/// file `ends`.
const LOG: &str = r#"
cd "$0" || exit 1
echo "$@" >>runs
number=$(grep -c "^$1" runs)
if [ "$1" = stream ]; then echo 'Filtering the log data using "x"'; fi
cat "$1.$number" 2>/dev/null
if [ "$1" = stream ] && [ ! -e ends ]; then exec sleep 600; fi
[ -e "$1.$number.fails" ] && { echo "log: $(cat "$1.$number.fails")" >&2; exit 64; }
exit 0
"#;

#[derive(Default)]
struct Host {
    saved: Vec<(SourceId, Position)>,
    opened: Vec<Position>,
    lane: Option<mpsc::Sender<Box<Chunk>>>,
}

#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Host>>);

impl Shared {
    fn host(&self) -> MutexGuard<'_, Host> {
        self.0.lock().expect("no test panics while it holds this")
    }
}

impl Checkpoints for Shared {
    fn saved(&self) -> Vec<(SourceId, Position)> {
        self.host().saved.clone()
    }

    fn open(&self, _: SourceId, _: u64, position: Position) {
        self.host().opened.push(position);
    }

    fn finish(&self, _: SourceId, _: u64) {}

    fn delivered(&self, _: SourceId) -> Option<(u64, Position)> {
        None
    }

    fn saved_up_to(&self, _: SourceId) -> Option<u64> {
        None
    }
}

impl Outlet for Shared {
    fn lane(&self, _: &Arc<Target>, _: &Arc<LaneWaker>) -> mpsc::Sender<Box<Chunk>> {
        self.host().lane.take().expect("one lane")
    }
}

struct Story {
    folder: TempDir,
    shared: Shared,
    chunks: mpsc::Receiver<Box<Chunk>>,
    board: Arc<Board>,
    last: Option<UnifiedPosition>,
}

/// An entry at this second and microsecond, with its number as the message.
fn line(seconds: i64, micros: u32, number: u32) -> String {
    let time = chrono::DateTime::from_timestamp(seconds, micros * 1_000).expect("a time");
    let time = time.format("%Y-%m-%d %H:%M:%S%.6f+0000");
    format!(
        "{{\"traceID\":{number},\"eventMessage\":\"{number}\",\"eventType\":\"logEvent\",\"subsystem\":\"\",\"category\":\"\",\
         \"threadID\":1,\"processImagePath\":\"/bin/p\",\"timestamp\":\"{time}\",\"machTimestamp\":{number},\
         \"messageType\":\"Default\",\"processID\":7}}\n"
    )
}

const LOSS: &str = "{\"eventType\":\"lossEvent\",\"eventMessage\":\"lost >=1 unreliable messages\"}\n";

fn at(seconds: i64) -> UnifiedPosition {
    UnifiedPosition { micros: seconds * 1_000_000, beyond: Vec::new(), item: "g:s".into() }
}

impl Story {
    fn start(
        saved: Option<UnifiedPosition>,
        files: &[(&str, String)],
        change: impl FnOnce(UnifiedItem) -> UnifiedItem,
    ) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, text) in files {
            fs::write(folder.path().join(name), text).expect("written");
        }
        let (lane, chunks) = mpsc::channel(100);
        let shared = Shared::default();
        {
            let mut host = shared.host();
            host.saved = saved.map(|position| (SourceId::unique(), Position::Unified(position))).into_iter().collect();
            host.lane = Some(lane);
        }
        let template = TargetTemplate { group: "g".into(), stream: "s".into(), ..TargetTemplate::default() };
        let item = change(UnifiedItem {
            at: "logs.logs_collected.unified_log".into(),
            item: "g:s".into(),
            target: template,
            text: Arc::default(),
            predicate: None,
            level: UnifiedLevel::Default,
        });
        let target = Arc::new(Target { group: "g".into(), stream: "s".into(), ..Target::default() });
        let program = Program { path: "/bin/sh".into(), if_missing: "install it".into(), if_forbidden: "ask" };
        let (shell, place) = (program.clone(), folder.path().display().to_string());
        let start = Box::new(move |arguments: &[String]| {
            let before = ["-c".to_owned(), LOG.to_owned(), place.clone()];
            child::start(&shell, &[&before[..], arguments].concat())
        });
        let (rooms, board) = (Arc::new(shared.clone()), Arc::new(Board::default()));
        let site = Site { checkpoints: rooms.clone(), outlet: rooms, board: board.clone(), clock: Timestamp::default };
        let reader = Reader::new(item, target, program, start, site, Timestamp::from_millis(50_000));
        tokio::spawn(reader.read());
        Self { folder, shared, chunks, board, last: None }
    }

    /// The next so many messages, without who says them.
    async fn messages(&mut self, count: usize) -> Vec<String> {
        let mut found = Vec::new();
        while found.len() < count {
            let chunk = self.chunks.recv().await.expect("the log is read");
            let text = |start, end| String::from_utf8_lossy(&chunk.text[start as usize..end as usize]).into_owned();
            found.extend(chunk.events.iter().map(|event| text(event.start, event.end).replace("p[7]: ", "")));
            let Position::Unified(end) = chunk.end else { panic!("a position in the unified log") };
            self.last = Some(end);
        }
        found
    }

    fn runs(&self) -> Vec<String> {
        let runs = fs::read_to_string(self.folder.path().join("runs")).unwrap_or_default();
        runs.lines().map(str::to_owned).collect()
    }
}

#[tokio::test]
async fn what_came_between_the_two_readings_is_read_once() {
    let shown = line(100, 5, 1) + &line(100, 5, 2) + "{\"count\":2,\"finished\":1}\n";
    let again = line(100, 5, 1) + &line(100, 5, 2) + &line(101, 0, 3) + &line(102, 0, 4);
    let streamed = line(102, 0, 4) + &line(101, 9, 5) + &line(103, 0, 6);
    let files = [("show.1", shown), ("show.2", again), ("stream.1", streamed)];
    let mut story = Story::start(Some(at(90)), &files, |item| item);
    assert_eq!(story.messages(6).await, ["1", "2", "3", "4", "5", "6"]);
    assert_eq!(
        story.runs(),
        ["show --style ndjson --start @85", "stream --style ndjson --level default", "show --style ndjson --start @95"]
    );
    let end = story.last.clone().expect("sent");
    assert_eq!((end.micros, end.beyond.len(), end.item.as_ref()), (103_000_000, 1, "g:s"));
    assert!(!story.board.read().sources.values().next().expect("on the board").catching_up);
}

#[tokio::test]
async fn a_restart_sends_nothing_of_the_last_moment_twice_and_nothing_of_it_is_missed() {
    let mut story = Story::start(Some(at(90)), &[("show.1", line(100, 5, 1) + &line(100, 5, 2))], |item| item);
    assert_eq!(story.messages(2).await, ["1", "2"]);
    let saved = story.last.clone();
    assert_eq!(saved.as_ref().map(|position| position.beyond.len()), Some(2));
    let shown = line(99, 0, 9) + &line(100, 5, 1) + &line(100, 5, 2) + &line(100, 5, 3) + &line(101, 0, 4);
    let mut story = Story::start(saved, &[("show.1", shown)], |item| item);
    assert_eq!(story.messages(2).await, ["3", "4"]);
}

#[tokio::test]
async fn the_first_start_begins_with_the_present_and_says_so_before_the_first_entry() {
    let shown = line(49, 0, 1) + &line(51, 0, 2);
    let mut story = Story::start(None, &[("show.1", shown)], |item| item);
    assert_eq!(story.messages(1).await, ["2"]);
    assert_eq!(story.shared.host().opened, [Position::Unified(at(50))]);
}

#[tokio::test]
async fn what_the_stream_has_lost_is_read_from_the_log() {
    let streamed = line(101, 0, 2) + LOSS + &line(104, 0, 4);
    let missing = line(101, 0, 2) + &line(102, 0, 3) + &line(104, 0, 4);
    let files = [("show.1", line(100, 0, 1)), ("stream.1", streamed), ("show.3", missing)];
    let mut story = Story::start(Some(at(90)), &files, |item| item);
    let mut found = story.messages(4).await;
    found.sort_unstable();
    assert_eq!(found, ["1", "2", "3", "4"]);
}

#[tokio::test]
async fn when_log_ends_it_is_asked_again_from_the_newest_entry_on() {
    let files = [
        ("ends", String::new()),
        ("show.1", line(100, 0, 1)),
        ("stream.1", line(101, 0, 2)),
        ("stream.1.fails", "Killed by somebody".to_owned()),
        ("show.3", line(101, 0, 2) + &line(102, 0, 3)),
    ];
    let restarts = counters::UNIFIED_RESTARTS.here();
    let mut story = Story::start(Some(at(90)), &files, |item| item);
    assert_eq!(story.messages(2).await, ["1", "2"]);
    assert_eq!(story.messages(1).await, ["3"]);
    assert_eq!(story.runs()[3], "show --style ndjson --start @96");
    assert!(counters::UNIFIED_RESTARTS.here() > restarts);
}

#[tokio::test]
async fn level_predicate_and_filters_choose_what_is_read() {
    let exclude = vec![regex::bytes::Regex::new("1$").expect("good")];
    let change = |item| UnifiedItem {
        level: UnifiedLevel::Debug,
        predicate: Some("process == \"sshd\"".into()),
        text: Arc::new(TextRules {
            filter: Filter { exclude_patterns: exclude, ..Filter::default() },
            ..TextRules::default()
        }),
        ..item
    };
    let files = [("show.1", line(100, 0, 1) + &line(100, 0, 2)), ("stream.1", line(101, 0, 3))];
    let mut story = Story::start(Some(at(90)), &files, change);
    assert_eq!(story.messages(2).await, ["2", "3"]);
    let runs = story.runs();
    assert_eq!(runs[0], "show --style ndjson --start @85 --info --debug --predicate process == \"sshd\"");
    assert_eq!(runs[1], "stream --style ndjson --level debug --predicate process == \"sshd\"");
}
