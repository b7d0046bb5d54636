mod model;

use super::*;
use crate::{
    config::settings::{
        Filter,
        text::{OutOfRange, Oversize, Redaction},
    },
    model::{Chunk, JournalPosition, LaneWaker, Position},
    telemetry::counters,
};
use regex::bytes::Regex;
use std::{
    collections::HashMap,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
};
use tokio::sync::mpsc;

/// Lanes whose other ends the test has, and a keeper that acknowledges what the test says.
#[derive(Default)]
struct Rooms {
    lanes: Mutex<HashMap<String, mpsc::Receiver<Box<Chunk>>>>,
    saved: Vec<(SourceId, Position)>,
    opened: Mutex<Vec<Position>>,
    reached: AtomicU64,
}

impl Checkpoints for Rooms {
    fn saved(&self) -> Vec<(SourceId, Position)> {
        self.saved.clone()
    }

    fn open(&self, _: SourceId, _: u64, position: Position) {
        self.opened.lock().expect("no test panics while it holds this").push(position);
    }

    fn finish(&self, _: SourceId, _: u64) {}

    fn delivered(&self, _: SourceId) -> Option<(u64, Position)> {
        Some((self.reached.load(Ordering::Relaxed), Position::Unsaved))
    }

    fn saved_up_to(&self, _: SourceId) -> Option<u64> {
        None
    }
}

impl Outlet for Rooms {
    fn lane(&self, target: &Arc<Target>, _: &Arc<LaneWaker>) -> mpsc::Sender<Box<Chunk>> {
        let (sender, receiver) = mpsc::channel(100);
        self.lanes.lock().expect("no test panics while it holds this").insert(target.stream.clone(), receiver);
        sender
    }
}

impl Rooms {
    /// Texts and units of each chunk of this stream so far.
    fn chunks(&self, stream: &str) -> Vec<(Vec<String>, u64, u64)> {
        let mut lanes = self.lanes.lock().expect("no test panics while it holds this");
        let Some(lane) = lanes.get_mut(stream) else { return Vec::new() };
        std::iter::from_fn(|| lane.try_recv().ok())
            .map(|chunk| {
                let text = |start, end| String::from_utf8_lossy(&chunk.text[start as usize..end as usize]).into_owned();
                (chunk.events.iter().map(|event| text(event.start, event.end)).collect(), chunk.from, chunk.to)
            })
            .collect()
    }
}

fn place(number: u64, item: &str) -> JournalPosition {
    JournalPosition { cursor: format!("i={number}"), at: Timestamp::default(), item: item.into() }
}

fn entry(number: u64, unit: &str, text: &str) -> Entry<JournalPosition> {
    let (place, text) = (place(number, "item"), Some(text.to_owned()));
    Entry { place, at: Timestamp::default(), text, mended: false, unit: unit.to_owned() }
}

fn source(rooms: &Arc<Rooms>, stream: &str, filter: Filter) -> Source<JournalPosition> {
    treated(rooms, stream, TextRules { filter, ..TextRules::default() })
}

fn treated(rooms: &Arc<Rooms>, stream: &str, rules: TextRules) -> Source<JournalPosition> {
    let target = Arc::new(Target { group: "g".into(), stream: stream.into(), ..Target::default() });
    let about = About {
        name: "log".into(),
        what: "the log",
        item: "item".into(),
        target,
        text: Arc::new(rules),
        restarts: &counters::JOURNAL_RESTARTS,
    };
    let clock = Timestamp::default;
    Source::new(about, Site { checkpoints: rooms.clone(), outlet: rooms.clone(), board: Arc::default(), clock })
}

fn filter(include: &[&str], exclude: &[&str]) -> Filter {
    let patterns = |all: &[&str]| all.iter().map(|one| Regex::new(one).expect("a good pattern")).collect();
    Filter { include_patterns: patterns(include), exclude_patterns: patterns(exclude), ..Filter::default() }
}

#[tokio::test]
async fn each_unit_goes_to_its_own_lane_and_the_chunks_of_all_cover_the_source_without_gap_or_overlap() {
    let rooms = Arc::new(Rooms::default());
    let mut source = source(&rooms, "s-{unit}", filter(&[], &["noise"]));
    let entries = [("a", "a1"), ("a", "a2"), ("b", "noise"), ("b", "b1"), ("c", "noise"), ("a", "a3"), ("a", "noise")];
    for (number, (unit, text)) in entries.into_iter().enumerate() {
        source.take(entry(number as u64, unit, text)).await.expect("open");
    }
    source.send().await.expect("open");
    let texts = |all: &[&str]| all.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    let (a, b) = (rooms.chunks("s-a"), rooms.chunks("s-b"));
    assert_eq!(a, [(texts(&["a1", "a2"]), 0, 3), (texts(&["a3"]), 5, 7)]);
    assert_eq!(b, [(texts(&["b1"]), 3, 5)]);
    assert!(rooms.chunks("s-c").is_empty(), "what sends nothing opens no stream");
}

#[tokio::test(start_paused = true)]
async fn a_lane_that_stands_still_stops_the_others_before_they_are_too_far_ahead() {
    let rooms = Arc::new(Rooms::default());
    let mut source = source(&rooms, "{unit}", filter(&["never"], &[]));
    for number in 0..=AHEAD {
        source.take(entry(number, "a", "x")).await.expect("open");
    }
    let sending = source.send();
    tokio::pin!(sending);
    assert!(tokio::time::timeout(Duration::from_secs(60), &mut sending).await.is_err());
    rooms.reached.store(1, Ordering::Relaxed);
    sending.await.expect("open");
}

#[tokio::test]
async fn what_is_put_around_a_text_is_not_seen_by_the_filter() {
    let rooms = Arc::new(Rooms::default());
    let mut source = source(&rooms, "s", filter(&["^x"], &["body"])).wrapped("{\"body\":", "}");
    for (number, text) in ["x1", "y", "x2"].into_iter().enumerate() {
        source.take(entry(number as u64, "", text)).await.expect("open");
    }
    source.send().await.expect("open");
    assert_eq!(rooms.chunks("s")[0].0, ["{\"body\":x1}", "{\"body\":x2}"]);
}

fn redact(expression: &str) -> Vec<Redaction> {
    vec![Redaction { expression: Regex::new(expression).expect("a good pattern"), replacement: "***".into() }]
}

#[tokio::test]
async fn a_secret_in_a_json_object_is_masked_and_the_size_is_that_of_the_whole() {
    let rooms = Arc::new(Rooms::default());
    let rules = TextRules { redact: redact(r"key=\S+"), max_event_bytes: 256, ..TextRules::default() };
    let mut source = treated(&rooms, "s", rules).wrapped("{\"body\":", "}");
    source.take(entry(0, "", r#"{"A":"key=\"x y","B":"c"}"#)).await.expect("open");
    source.take(entry(1, "", &format!("{{{}}}", "x".repeat(246)))).await.expect("open");
    source.take(entry(2, "", &format!("{{{}}}", "x".repeat(247)))).await.expect("open");
    source.send().await.expect("open");
    let texts = &rooms.chunks("s")[0].0;
    assert_eq!((texts[0].as_str(), texts.len()), (r#"{"body":{"A":"*** y","B":"c"}}"#, 5));
    assert!(texts[3].ends_with("[Continued...]") && texts[1..].iter().all(|text| text.len() <= 256));
}

#[tokio::test]
async fn ages_sample_rate_and_size_are_those_of_the_item_and_what_is_not_sent_is_covered() {
    let rooms = Arc::new(Rooms::default());
    let old = Timestamp::from_millis(-15 * 24 * 3600 * 1000);
    let rules = TextRules {
        too_old: OutOfRange::Restamp,
        sample: 2,
        max_event_bytes: 256,
        oversize: Oversize::Truncate,
        ..TextRules::default()
    };
    let mut source = treated(&rooms, "s", rules);
    let restamped = crate::telemetry::counters::EVENTS_RESTAMPED_TOO_OLD.here();
    for (number, (text, at)) in [("old", old), ("one", Timestamp::default())].into_iter().enumerate() {
        source.take(Entry { at, ..entry(number as u64, "", text) }).await.expect("open");
    }
    source.take(entry(2, "", &"x".repeat(300))).await.expect("open");
    source.take(entry(3, "", "three")).await.expect("open");
    source.send().await.expect("open");
    let long = format!("{}[Truncated...]", "x".repeat(242));
    assert_eq!(rooms.chunks("s"), [(vec!["old".to_owned(), long], 0, 4)]);
    assert_eq!(crate::telemetry::counters::EVENTS_RESTAMPED_TOO_OLD.here() - restamped, 1);
}

#[tokio::test]
async fn an_item_continues_at_its_own_position_and_at_no_other() {
    let saved = |item: &str| (SourceId::unique(), Position::Journal(place(7, item)));
    let rooms = Arc::new(Rooms { saved: vec![saved(""), saved("other"), saved("item")], ..Rooms::default() });
    let found = source(&rooms, "s", Filter::default());
    assert!(found.is_open());
    assert_eq!(found.last(), Some(&place(7, "item")));
    let rooms = Arc::new(Rooms { saved: vec![saved(""), saved("other")], ..Rooms::default() });
    assert_eq!(source(&rooms, "s", Filter::default()).last(), None);
}
