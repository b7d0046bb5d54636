use super::{
    super::supervised::{SELDOM, WAIT, child::Running},
    *,
};
use crate::{
    config::settings::TargetTemplate,
    model::{Checkpoints, Chunk, LaneWaker, Outlet, Position, SourceId},
    telemetry::board::Board,
};
use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard},
    time::Duration,
};
use tokio::{
    io::{AsyncWriteExt, DuplexStream, duplex},
    sync::mpsc,
};

mod host;
mod items;

use host::{Script, Shared, ends, fails, follows};

const OLD_BOOT: &str = "00000000000000000000000000000001";
const NEW_BOOT: &str = "00000000000000000000000000000002";

fn cursor(sequence: char, number: u64, boot: &str) -> String {
    format!("s={};i={number:x};b={boot};m={number:x};t={number:x};x={number:x}", sequence.to_string().repeat(32))
}

/// Entry `number` of the old boot, with "line NUMBER" as its text.
fn line(number: u64) -> String {
    line_of('a', number, OLD_BOOT)
}

fn line_of(sequence: char, number: u64, boot: &str) -> String {
    let cursor = cursor(sequence, number, boot);
    format!("{{\"__CURSOR\":\"{cursor}\",\"__REALTIME_TIMESTAMP\":\"{number}000\",\"MESSAGE\":\"line {number}\"}}\n")
}

fn saved(cursor: String) -> Position {
    Position::Journal(JournalPosition { cursor, at: Timestamp::from_millis(3), item: "".into() })
}

/// As the publisher reads it.
fn whole(target: Arc<Target>) -> Options {
    let at = "logs.logs_collected.journal".to_owned();
    let template = TargetTemplate { group: "g".into(), stream: "s".into(), ..TargetTemplate::default() };
    Options::whole(&Journal { at, target: template, text: Arc::default() }, target)
}

struct Story {
    shared: Shared,
    chunks: mpsc::Receiver<Box<Chunk>>,
    board: Arc<Board>,
    _running: tokio::task::JoinHandle<()>,
}

impl Story {
    fn start(position: Option<Position>, boot: Option<&str>, scripts: impl IntoIterator<Item = Script>) -> Self {
        Self::of(position, boot, scripts, |options| options)
    }

    /// Of an item that is read in another way than the publisher's journal.
    fn of(
        position: Option<Position>,
        boot: Option<&str>,
        scripts: impl IntoIterator<Item = Script>,
        change: impl FnOnce(Options) -> Options,
    ) -> Self {
        let (lane, chunks) = mpsc::channel(1);
        let shared = Shared::default();
        {
            let mut host = shared.host();
            host.scripts = scripts.into_iter().collect();
            host.saved = position.map(|position| (SourceId::unique(), position)).into_iter().collect();
            host.lane = Some(lane);
        }
        let target = Arc::new(Target { group: "group".into(), stream: "system-journal".into(), ..Target::default() });
        let options = change(Options { boot: boot.map(str::to_owned), ..whole(target) });
        let board = Arc::new(Board::default());
        let host = shared.clone();
        let start = Box::new(move |arguments: &[String]| host.start(arguments));
        let rooms = Arc::new(shared.clone());
        let site =
            Site { checkpoints: rooms.clone(), outlet: rooms, board: Arc::clone(&board), clock: Timestamp::default };
        let reader = Reader::new(options, start, site);
        Self { shared, chunks, board, _running: tokio::spawn(reader.read()) }
    }

    /// The numbers of the next `count` lines.
    async fn lines(&mut self, count: usize) -> Vec<String> {
        let mut found = Vec::new();
        while found.len() < count {
            let chunk = self.chunks.recv().await.expect("the journal is read");
            found.extend(chunk.events.iter().map(|event| {
                let text = &chunk.text[event.start as usize..event.end as usize];
                String::from_utf8_lossy(text).replace("line ", "")
            }));
        }
        found
    }

    /// Waits for this many runs of journalctl.
    async fn runs(&self, count: usize) -> Vec<String> {
        while self.shared.host().runs.len() < count {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        self.shared.host().runs.clone()
    }

    fn catches_up(&self) -> bool {
        self.board.read().sources.values().next().expect("on the board").catching_up
    }

    fn error(&self) -> Option<String> {
        self.board.read().sources.values().next().expect("on the board").last_error.clone()
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_start_reads_the_running_boot_and_saves_a_position_before_its_first_entry() {
    let mut story = Story::start(None, None, [ends(line(2) + &line(3)), follows("")]);
    assert_eq!(story.lines(2).await, ["2", "3"]);
    assert_eq!(story.runs(1).await[0], "--boot");
    let opened = story.shared.host().opened.clone();
    let Position::Journal(before) = &opened[0].1 else { panic!("a journal position") };
    assert_eq!((opened.len(), opened[0].0), (1, 0));
    assert_eq!(before.cursor, format!("b={OLD_BOOT};m=1;t=1"));
    let line = story.board.read().sources.into_values().next().expect("on the board");
    assert_eq!((line.name.as_str(), line.stream.as_str(), line.read), (NAME, "system-journal", 2));
}

#[tokio::test(start_paused = true)]
async fn a_journal_without_entries_is_a_state_and_no_error_until_one_comes() {
    let state = |story: &Story| story.board.read().sources.into_values().next().expect("on the board").state;
    let story = Story::start(None, None, [ends(""), follows("")]);
    story.runs(2).await;
    assert_eq!((state(&story).as_deref(), story.error()), (Some(EMPTY), None));
    let mut story = Story::start(None, None, [ends(""), follows(line(1))]);
    assert_eq!(story.lines(1).await, ["1"]);
    tokio::time::sleep(WAIT).await;
    assert_eq!(state(&story), None);
}

#[tokio::test(start_paused = true)]
async fn it_says_when_everything_that_was_there_is_read_also_where_that_is_nothing() {
    for (position, read) in [(None, line(1)), (None, String::new()), (Some(saved(cursor('a', 1, OLD_BOOT))), line(1))] {
        let story = Story::start(position, Some(OLD_BOOT), [ends(read), follows("")]);
        assert!(story.catches_up());
        story.runs(2).await;
        assert!(!story.catches_up());
    }
    let story = Story::start(None, None, []);
    story.runs(1).await;
    tokio::time::sleep(WAIT).await;
    assert!(!story.catches_up(), "where there is no journal nobody waits for it");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_opened_before_the_first_entry() {
    let story = Story::start(None, None, [ends(""), follows("")]);
    assert_eq!(story.runs(2).await, ["--boot", "--boot --follow --no-tail"]);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(story.shared.host().opened.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_saved_position_is_caught_up_over_every_boot_and_then_followed() {
    let caught_up = line(3) + &line(4) + &line_of('a', 5, NEW_BOOT);
    let followed = line_of('a', 5, NEW_BOOT) + &line_of('a', 6, NEW_BOOT);
    let mut story =
        Story::start(Some(saved(cursor('a', 3, OLD_BOOT))), Some(NEW_BOOT), [ends(caught_up), follows(followed)]);
    assert_eq!(story.lines(3).await, ["4", "5", "6"]);
    let expected = [
        format!("--cursor={}", cursor('a', 3, OLD_BOOT)),
        format!("--cursor={} --follow --no-tail", cursor('a', 5, NEW_BOOT)),
    ];
    assert_eq!(story.runs(2).await, expected);
    assert_eq!(story.shared.host().opened.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_boot_that_begins_between_catching_up_and_following_loses_no_entry() {
    let scripts = [ends(line(3)), follows(line_of('a', 4, NEW_BOOT))];
    let mut story = Story::start(Some(saved(cursor('a', 3, OLD_BOOT))), Some(NEW_BOOT), scripts);
    assert_eq!(story.lines(1).await, ["4"]);
}

#[tokio::test(start_paused = true)]
async fn after_a_vacuum_everything_that_is_left_is_read_and_the_gap_is_counted() {
    let gaps = counters::JOURNAL_GAPS.get();
    let scripts = [ends(line(7) + &line(8)), follows(line(8) + &line(9))];
    let mut story = Story::start(Some(saved(cursor('a', 3, OLD_BOOT))), Some(NEW_BOOT), scripts);
    assert_eq!(story.lines(3).await, ["7", "8", "9"]);
    assert!(counters::JOURNAL_GAPS.get() > gaps);
}

#[tokio::test(start_paused = true)]
async fn a_journal_that_began_anew_is_read_from_the_beginning_of_the_running_boot() {
    let later = line_of('b', 9, NEW_BOOT);
    let whole_boot = line_of('b', 1, NEW_BOOT) + &line_of('b', 9, NEW_BOOT);
    let scripts = [ends(later), ends(whole_boot), follows(line_of('b', 9, NEW_BOOT) + &line_of('b', 10, NEW_BOOT))];
    let mut story = Story::start(Some(saved(cursor('a', 3, OLD_BOOT))), Some(NEW_BOOT), scripts);
    assert_eq!(story.lines(3).await, ["1", "9", "10"]);
    assert_eq!(story.runs(3).await[1], "--boot");
}

#[tokio::test(start_paused = true)]
async fn a_cursor_that_is_none_or_that_journalctl_refuses_is_replaced_by_its_time() {
    let gaps = counters::JOURNAL_GAPS.get();
    let story = Story::start(Some(saved("rubbish".into())), None, [ends(""), follows("")]);
    assert_eq!(story.runs(2).await[0], "--cursor=t=bb8");
    assert!(counters::JOURNAL_GAPS.get() > gaps);
    let refused = fails("", "Failed to seek to cursor: Invalid argument\n");
    let mut story = Story::start(Some(saved(cursor('a', 3, OLD_BOOT))), None, [refused, ends(line(4)), follows("")]);
    assert_eq!(story.lines(1).await, ["4"]);
    assert_eq!(story.runs(3).await[1], "--cursor=t=bb8");
}

#[tokio::test(start_paused = true)]
async fn when_journalctl_dies_it_is_started_again_from_the_last_entry_that_was_read() {
    let restarts = counters::JOURNAL_RESTARTS.get();
    let torn = line(1) + &line(2) + "{\"__CURSOR\":\"half";
    let scripts =
        [fails(torn, "Hint: be quiet\n  Killed by somebody\n"), ends(line(2) + &line(3)), follows(line(3) + &line(4))];
    let mut story = Story::start(None, None, scripts);
    let start = tokio::time::Instant::now();
    assert_eq!(story.lines(2).await, ["1", "2"]);
    while story.error().is_none() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(story.error().as_deref(), Some("journalctl ended (exit status: 1): Hint: be quiet Killed by somebody"));
    assert_eq!(story.lines(2).await, ["3", "4"]);
    assert!(start.elapsed() >= WAIT);
    assert_eq!(story.runs(3).await[1], format!("--cursor={}", cursor('a', 2, OLD_BOOT)));
    assert!(counters::JOURNAL_RESTARTS.get() > restarts);
    tokio::time::sleep(Duration::from_millis(10)).await;
    assert_eq!(story.error(), None);
}

#[tokio::test(start_paused = true)]
async fn restarts_come_ever_later_while_nothing_is_read() {
    let story = Story::start(None, None, (0..9).map(|_| fails("", "")));
    let start = tokio::time::Instant::now();
    story.runs(9).await;
    assert!(start.elapsed() >= Duration::from_secs(1 + 2 + 4 + 8 + 16 + 32 + 60 + 60));
    assert!(start.elapsed() < Duration::from_secs(190));
}

#[tokio::test(start_paused = true)]
async fn without_journalctl_it_says_what_to_do_and_tries_seldom() {
    let story = Story::start(None, None, []);
    let start = tokio::time::Instant::now();
    story.runs(2).await;
    assert!(start.elapsed() >= SELDOM);
    let error = story.error().expect("told");
    assert!(error.contains("install systemd") && error.contains("logs.logs_collected.journal"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_journal_that_may_not_be_read_names_the_group_that_may() {
    let denied = fails("", "No journal files were opened due to insufficient permissions.\n");
    let story = Story::start(None, None, [denied, follows("")]);
    story.runs(2).await;
    assert!(story.error().expect("told").contains("group systemd-journal"));
}

#[tokio::test(start_paused = true)]
async fn what_was_gathered_before_a_run_broke_off_is_still_sent() {
    let scripts = [fails(line(3) + &line(4), ""), ends(line(4)), follows(line(4) + &line(5))];
    let mut story = Story::start(Some(saved(cursor('a', 3, OLD_BOOT))), None, scripts);
    assert_eq!(story.lines(2).await, ["4", "5"]);
}

#[tokio::test(start_paused = true)]
async fn a_line_that_is_no_entry_costs_only_itself() {
    let unreadable = counters::JOURNAL_LINES_UNREADABLE.get();
    let mut story = Story::start(None, None, [ends(""), follows(line(1) + "-- Reboot --\n" + &line(2))]);
    assert_eq!(story.lines(2).await, ["1", "2"]);
    assert!(counters::JOURNAL_LINES_UNREADABLE.get() > unreadable);
}

#[tokio::test(start_paused = true)]
async fn a_full_lane_stops_the_reading_of_the_pipe() {
    let mut story = Story::start(None, None, [ends(""), follows(line(1))]);
    story.runs(2).await;
    let mut pipe = story.shared.host().pipes.pop().expect("open");
    // The lane holds one chunk, one more waits to be sent; then nobody reads.
    let mut written = 1;
    while tokio::time::timeout(Duration::from_secs(1), pipe.write_all(line(written + 1).as_bytes())).await.is_ok() {
        written += 1;
        assert!(written < 100, "the pipe is never full");
    }
    assert!(story.lines(1).await == ["1"]);
}

#[tokio::test]
async fn a_program_that_is_not_there_is_told_apart_and_the_stop_is_heard() {
    let program = Program { path: "no-such-journalctl-anywhere".into(), ..super::program("here") };
    assert!(matches!(child::start(&program, &[]), Err(ChildError::Missing { .. })));
    let (lane, mut chunks) = mpsc::channel(1);
    let shared = Shared::default();
    shared.host().lane = Some(lane);
    let target = Arc::new(Target { group: "g".into(), stream: "s".into(), ..Target::default() });
    let options = Options { program, ..whole(target) };
    let stop = CancellationToken::new();
    stop.cancel();
    let rooms = Arc::new(shared);
    let clock = Timestamp::default;
    run(options, Site { checkpoints: rooms.clone(), outlet: rooms, board: Arc::default(), clock }, stop).await;
    assert!(chunks.recv().await.is_none(), "the lane ends with the reader");
}
