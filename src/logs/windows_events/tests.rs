use super::*;
use crate::{
    config::settings::{Filter, FilterKind, FilterRule, TargetTemplate, text::TextRules},
    logs::supervised::{SELDOM, WAIT},
    model::{Checkpoints, Chunk, LaneWaker, Outlet, Position, SourceId},
    telemetry::board::Board,
};
use proptest::prelude::*;
use std::{
    collections::VecDeque,
    io,
    sync::{Mutex, MutexGuard},
};
use tokio::sync::mpsc;

const LOGON: &str = include_str!("samples/security-4624.xml");
const SERVICE: &str = include_str!("samples/system-7036.xml");
const CRASH: &str = include_str!("samples/application-1000.xml");
const CLEARED: &str = include_str!("samples/eventlog-104.xml");
const NO_METADATA: &str = include_str!("samples/no-metadata.xml");

fn event(xml: &str) -> Event {
    Event::parse(xml.trim()).expect("an event")
}

fn text(xml: &str) -> String {
    render::text(&event(xml), xml, EventFormat::Text)
}

#[test]
fn the_system_part_of_an_event_is_read() {
    let logon = event(LOGON);
    assert_eq!((logon.record, logon.id, logon.level), (211_935, 4624, Some(0)));
    assert_eq!(logon.at.rfc3339(), "2026-01-31T23:58:01.123Z");
    assert_eq!((logon.provider.as_str(), logon.channel.as_str()), ("Microsoft-Windows-Security-Auditing", "Security"));
    assert_eq!((logon.values.len(), logon.values[8].as_str()), (13, "5"));
    assert_eq!(event(CRASH).values, ["shop.exe", "4.2.0.0", "", "c0000005"]);
    assert_eq!(event(CLEARED).values, ["Administrator", "WEB-01", "System", ""]);
    assert_eq!(event(&format!("\u{feff}{}", CRASH.trim())), event(CRASH));
}

#[test]
fn the_text_form_has_six_fields_and_the_values_in_their_places() {
    let service = "[System] [INFORMATION] [7036] [Service Control Manager] [WEB-01.example.com] \
                   [The Windows Update & Repair service entered the running state.]";
    assert_eq!(text(SERVICE), service);
    assert_eq!(
        text(CLEARED),
        "[System] [INFORMATION] [104] [Microsoft-Windows-Eventlog] [WEB-01] [The System log file was cleared by Administrator.]"
    );
    assert!(text(LOGON).starts_with("[Security] [INFORMATION] [4624] "));
    assert!(text(LOGON).ends_with("Impersonation Level:\t\t%%1833]"), "what has no value stays");
    assert!(text(CRASH).starts_with("[Application] [ERROR] [1000] [Application Error] [WEB-01] [Faulting application"));
}

#[test]
fn an_event_without_metadata_is_sent_with_what_was_logged() {
    assert_eq!(
        text(NO_METADATA),
        "[Application] [WARNING] [17] [shop-agent] [WEB-01] \
         [<EventData><Data>order 12 &lt;late&gt;</Data><Data>code=7</Data></EventData>]"
    );
}

#[test]
fn the_xml_form_is_the_event_as_windows_rendered_it() {
    assert_eq!(render::text(&event(SERVICE), SERVICE, EventFormat::Xml), SERVICE.trim());
}

#[test]
fn what_is_no_event_is_an_error() {
    let without = |part: &str| SERVICE.replace(part, "");
    for xml in [
        String::new(),
        "<Event/>".to_owned(),
        SERVICE[..300].to_owned(),
        without("<EventRecordID>5012</EventRecordID>"),
        without(" SystemTime='2026-01-31T23:59:59.999000000Z'"),
        SERVICE.replace("7036", "70360"),
    ] {
        assert!(Event::parse(&xml).is_err(), "{xml}");
    }
}

proptest! {
    #[test]
    fn no_text_makes_the_parser_panic(noise in "\\PC*", at in 0..1_000_usize) {
        let mut xml: String = SERVICE.chars().take(at).collect();
        xml.push_str(&noise);
        xml.extend(SERVICE.chars().skip(at));
        if let Ok(event) = Event::parse(&xml) {
            render::text(&event, &xml, EventFormat::Text);
        }
    }
}

/// A channel that a test makes up. Clones share it.
#[derive(Clone, Default)]
struct Pretended(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    /// Record, its time in seconds, its id.
    events: Vec<(u64, i64, u16)>,
    subscribed: Vec<(String, u64)>,
    /// Index of the next event of the subscription.
    next: usize,
    /// What the next calls fail with.
    failures: VecDeque<EventLogError>,
    /// The answer with this record in it is too large.
    too_large: Option<u64>,
    saved: Vec<(SourceId, Position)>,
    lane: Option<mpsc::Sender<Box<Chunk>>>,
    opened: Vec<Position>,
}

impl Pretended {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no test panics while it holds this")
    }

    fn log(&self, record: u64) {
        self.state().events.push((record, i64::try_from(record).expect("small"), 7036));
    }
}

fn xml((record, seconds, id): (u64, i64, u16)) -> String {
    let time = Timestamp::from_millis(seconds * 1_000).rfc3339();
    SERVICE
        .replace(">5012<", &format!(">{record}<"))
        .replace("2026-01-31T23:59:59.999000000Z", &time)
        .replace(">7036<", &format!(">{id}<"))
}

impl EventLog for Pretended {
    fn subscribe(&mut self, channel: &str, query: &str, after: u64) -> Result<(), EventLogError> {
        assert_eq!(channel, "System");
        let mut state = self.state();
        if let Some(failure) = state.failures.pop_front() {
            return Err(failure);
        }
        state.subscribed.push((query.to_owned(), after));
        state.next = state.events.iter().position(|event| event.0 > after).unwrap_or(state.events.len());
        Ok(())
    }

    fn next(&mut self, most: usize) -> Result<Vec<String>, EventLogError> {
        let mut state = self.state();
        if let Some(failure) = state.failures.pop_front() {
            return Err(failure);
        }
        let found: Vec<_> = state.events.iter().skip(state.next).take(most).copied().collect();
        if found.iter().any(|event| Some(event.0) == state.too_large) {
            return Err(EventLogError::TooLarge);
        }
        let found: Vec<_> = found.into_iter().map(xml).collect();
        state.next += found.len();
        Ok(found)
    }

    fn find(&mut self, _: &str, which: Which) -> Result<Option<String>, EventLogError> {
        let state = self.state();
        let found = match which {
            Which::Oldest => state.events.first(),
            Which::Newest => state.events.last(),
            Which::Record(record) => state.events.iter().find(|event| event.0 == record),
        };
        Ok(found.copied().map(xml))
    }
}

impl Checkpoints for Pretended {
    fn saved(&self) -> Vec<(SourceId, Position)> {
        self.state().saved.clone()
    }

    fn open(&self, _: SourceId, _: u64, position: Position) {
        self.state().opened.push(position);
    }

    fn finish(&self, _: SourceId, _: u64) {}

    fn delivered(&self, _: SourceId) -> Option<(u64, Position)> {
        None
    }

    fn saved_up_to(&self, _: SourceId) -> Option<u64> {
        None
    }
}

impl Outlet for Pretended {
    fn lane(&self, _: &Arc<Target>, _: &Arc<LaneWaker>) -> mpsc::Sender<Box<Chunk>> {
        self.state().lane.take().expect("one lane")
    }
}

struct Story {
    log: Pretended,
    chunks: mpsc::Receiver<Box<Chunk>>,
    board: Arc<Board>,
}

impl Story {
    /// Reads a channel with these records, of which the event of this record and second was the last one that was delivered.
    fn start(records: impl IntoIterator<Item = u64>, saved: Option<(u64, i64)>) -> Self {
        Self::with(records, saved, Vec::new(), Vec::new(), Filter::default())
    }

    fn with(
        records: impl IntoIterator<Item = u64>,
        saved: Option<(u64, i64)>,
        failures: Vec<EventLogError>,
        ids: Vec<u16>,
        filter: Filter,
    ) -> Self {
        let rules = TextRules { filter, ..TextRules::default() };
        Self::build(records, saved, failures, ids, rules, None)
    }

    fn build(
        records: impl IntoIterator<Item = u64>,
        saved: Option<(u64, i64)>,
        failures: Vec<EventLogError>,
        ids: Vec<u16>,
        rules: TextRules,
        agent: Option<&Path>,
    ) -> Self {
        let (lane, chunks) = mpsc::channel(10);
        let log = Pretended::default();
        records.into_iter().for_each(|record| log.log(record));
        let position = saved.map(|(record, seconds)| {
            let (channel, item) = ("System".into(), "g:s:System".into());
            let at = Timestamp::from_millis(seconds * 1_000);
            (SourceId::unique(), Position::Windows(WindowsPosition { channel, record, at, item }))
        });
        {
            let mut state = log.state();
            state.saved = position.into_iter().collect();
            state.lane = Some(lane);
            state.failures = failures.into();
        }
        let template = TargetTemplate { group: "g".into(), stream: "s".into(), ..TargetTemplate::default() };
        let item = WindowsItem {
            at: "here".into(),
            item: "g:s:System".into(),
            target: template,
            text: Arc::new(rules),
            channel: "System".into(),
            levels: vec![4, 0],
            ids,
            format: EventFormat::Text,
        };
        let target = Arc::new(Target { group: "g".into(), stream: "s".into(), ..Target::default() });
        let (rooms, board) = (Arc::new(log.clone()), Arc::new(Board::default()));
        let site = Site { checkpoints: rooms.clone(), outlet: rooms, board: board.clone(), clock: Timestamp::default };
        tokio::spawn(Reader::new(item, target, Box::new(log.clone()), site, agent).read());
        Self { log, chunks, board }
    }

    /// The records up to which the next chunk leads, and how many events it has.
    async fn chunk(&mut self) -> (u64, usize) {
        let chunk = self.chunks.recv().await.expect("the channel is read");
        let Position::Windows(end) = chunk.end else { panic!("a position in a channel") };
        (end.record, chunk.events.len())
    }

    fn error(&self) -> Option<String> {
        self.board.read().sources.values().next().expect("on the board").last_error.clone()
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_start_reads_two_weeks_and_then_what_comes() {
    let mut story = Story::start(1..=400, None);
    assert_eq!(story.chunk().await, (400, 400));
    assert_eq!(story.log.state().subscribed[0].1, 0);
    assert!(story.log.state().subscribed[0].0.contains("timediff(@SystemTime) <= 1209600000"));
    story.log.log(401);
    assert_eq!(story.chunk().await, (401, 1));
    tokio::time::sleep(PAUSE).await;
    assert!(!story.board.read().sources.values().next().expect("on the board").catching_up);
    let Position::Windows(opened) = story.log.state().opened[0].clone() else { panic!("a position in a channel") };
    assert_eq!(opened.record, 0);
}

#[tokio::test(start_paused = true)]
async fn a_saved_position_is_continued_without_a_limit_of_age() {
    let mut story = Story::start(1..=5, Some((3, 3)));
    assert_eq!(story.chunk().await, (5, 2));
    assert_eq!(story.log.state().subscribed, [("*[System[(Level=4 or Level=0)]]".to_owned(), 3)]);
    assert_eq!(counters::WINDOWS_GAPS.here(), 0);
}

/// The state of the agent for this channel, as far as this record.
fn agent_state(record: u64) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let state = format!("{record}\nSystem\n1-{record}");
    std::fs::write(folder.path().join("Amazon_CloudWatch_WindowsEventLog_g_s_System"), state).expect("written");
    folder
}

#[tokio::test(start_paused = true)]
async fn the_first_start_goes_on_behind_the_last_event_of_the_agent_and_later_ones_where_we_stopped() {
    let folder = agent_state(3);
    let start = |records: std::ops::RangeInclusive<u64>, saved, failures| {
        Story::build(records, saved, failures, Vec::new(), TextRules::default(), Some(folder.path()))
    };
    let mut story = start(1..=5, None, Vec::new());
    assert_eq!(story.chunk().await, (5, 2));
    let Position::Windows(opened) = story.log.state().opened[0].clone() else { panic!("a position in a channel") };
    assert_eq!((opened.record, opened.at), (3, Timestamp::from_millis(3_000)), "saved at once, with its time");
    assert_eq!(counters::WINDOWS_GAPS.here(), 0);
    let mut story = start(1..=5, Some((4, 4)), Vec::new());
    assert_eq!(story.chunk().await, (5, 1));
    let mut story = start(10..=12, None, Vec::new());
    assert_eq!((story.chunk().await, counters::WINDOWS_GAPS.here()), ((12, 3), 1), "its event was overwritten");
}

#[tokio::test(start_paused = true)]
async fn a_channel_that_was_cleared_is_read_from_its_beginning_and_counted() {
    // Fewer than before, none at all, and as many as before with other events.
    let mut story = Story::start(1..=2, Some((100, 100)));
    assert_eq!((story.chunk().await, counters::WINDOWS_GAPS.here()), ((2, 2), 1));
    let mut story = Story::start([], Some((100, 100)));
    tokio::time::sleep(PAUSE).await;
    story.log.log(1);
    assert_eq!((story.chunk().await, counters::WINDOWS_GAPS.here()), ((1, 1), 2));
    let mut story = Story::start(1..=100, Some((100, 50)));
    assert_eq!((story.chunk().await, counters::WINDOWS_GAPS.here()), ((100, 100), 3));
}

#[tokio::test(start_paused = true)]
async fn a_channel_that_is_cleared_while_it_is_read_goes_on_and_is_counted() {
    let mut story = Story::start(10..=12, Some((10, 10)));
    assert_eq!(story.chunk().await, (12, 2));
    story.log.log(1);
    assert_eq!((story.chunk().await, counters::WINDOWS_GAPS.here()), ((1, 1), 1));
}

#[tokio::test(start_paused = true)]
async fn events_that_were_overwritten_are_a_gap_and_what_is_left_is_read() {
    let mut story = Story::start(50..=60, Some((40, 40)));
    assert_eq!((story.chunk().await, counters::WINDOWS_GAPS.here()), ((60, 11), 1));
    let mut story = Story::start(50..=60, Some((49, 49)));
    assert_eq!((story.chunk().await, counters::WINDOWS_GAPS.here()), ((60, 11), 1), "only the delivered one is gone");
}

#[tokio::test(start_paused = true)]
async fn a_subscription_that_fails_is_begun_anew_behind_what_was_read() {
    let failed = || EventLogError::Failed { source: io::Error::other("the service has ended") };
    let mut story = Story::start(1..=3, Some((1, 1)));
    assert_eq!(story.chunk().await, (3, 2));
    story.log.state().failures = [failed(), failed()].into();
    story.log.log(4);
    let start = tokio::time::Instant::now();
    assert_eq!(story.chunk().await, (4, 1));
    assert!(start.elapsed() >= WAIT * 3, "the second wait is longer");
    assert_eq!(story.log.state().subscribed.last().expect("twice").1, 3);
    assert_eq!(counters::WINDOWS_RESTARTS.here(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_channel_that_is_not_there_is_said_and_tried_seldom() {
    let missing = EventLogError::NoChannel { channel: "System".into() };
    let mut story = Story::with(1..=2, None, vec![missing], Vec::new(), Filter::default());
    let start = tokio::time::Instant::now();
    tokio::time::sleep(WAIT).await;
    assert!(story.error().expect("told").contains("there is no channel System"));
    assert!(!story.board.read().sources.values().next().expect("on the board").catching_up, "nobody waits for it");
    assert_eq!(story.chunk().await, (2, 2));
    assert!(start.elapsed() >= SELDOM);
}

#[tokio::test(start_paused = true)]
async fn an_event_that_is_too_large_even_alone_is_passed_over_and_counted() {
    let mut story = Story::start(1..=3, Some((1, 1)));
    assert_eq!(story.chunk().await, (3, 2));
    story.log.state().too_large = Some(5);
    (4..=200).for_each(|record| story.log.log(record));
    let mut found = 0;
    while found < 196 {
        found += story.chunk().await.1;
    }
    assert_eq!((found, counters::WINDOWS_EVENTS_UNREADABLE.here()), (196, 1));
}

#[tokio::test(start_paused = true)]
async fn ids_and_filters_keep_back_and_still_move_the_position() {
    let wrong =
        FilterRule { kind: FilterKind::Include, expression: regex::bytes::Regex::new("stopped").expect("good") };
    let filter = Filter { rules: vec![wrong], ..Filter::default() };
    let mut story = Story::with(1..=2, None, Vec::new(), Vec::new(), filter);
    assert_eq!(story.chunk().await, (2, 0));
    let mut story = Story::with(1..=2, None, Vec::new(), vec![7037], Filter::default());
    assert_eq!(story.chunk().await, (2, 0));
}
