mod days;

use super::*;
use crate::model::{Anchor, Event, FileIdentity, FilePosition, Fingerprint, LogBatch, SourceId};
use std::path::Path;

struct Bench {
    chunks: Option<mpsc::Sender<Box<Chunk>>>,
    batches: mpsc::Receiver<Box<Outgoing>>,
    source: SourceId,
    offset: u64,
    bodies: BodyPool,
}

impl Bench {
    /// A running stage that may have this many large bodies.
    fn with_large_bodies(large: usize) -> Self {
        let target = Arc::new(Target { group: "g".into(), stream: "s".into(), ..Target::default() });
        let bodies = BodyPool::new(large);
        let (interval, wakers) = (Duration::from_secs(10), Arc::default());
        let lane = Lane { target, interval, wakers, bodies: bodies.clone() };
        let (chunks, from_chunks) = mpsc::channel(1);
        let (to_batches, batches) = mpsc::channel(1);
        tokio::spawn(batch_logs(lane, from_chunks, to_batches));
        Self { chunks: Some(chunks), batches, source: SourceId::unique(), offset: 0, bodies }
    }

    fn position(&self, offset: u64) -> Position {
        let identity = FileIdentity { device: 1, inode: 2, head: Fingerprint::default() };
        Position::File(FilePosition {
            path: std::path::Path::new("/f").into(),
            identity,
            offset,
            before: Fingerprint::default(),
            target: "g:s".into(),
            modified: Timestamp::from_millis(7),
            home: None,
        })
    }

    /// Lines of one file, the last ones filtered out when `kept` is smaller than their number.
    fn chunk(&mut self, lines: &[&[u8]], kept: usize) -> Chunk {
        let (from, mut text, mut events) = (self.offset, vec![], vec![]);
        for line in lines {
            let start = u32::try_from(text.len()).expect("small");
            text.extend_from_slice(line);
            let end = u32::try_from(text.len()).expect("small");
            text.push(b'\n');
            events.push(Event {
                start,
                end,
                at: Timestamp::from_millis(1),
                timed_by: TimedBy::Reader,
                next: from + text.len() as u64,
            });
        }
        events.truncate(kept);
        self.offset += text.len() as u64;
        let identity = Arc::new(FileIdentity { device: 1, inode: 2, head: Fingerprint::default() });
        let anchor = Anchor::File {
            path: Arc::from(Path::new("/f")),
            identity,
            target: "g:s".into(),
            modified: Timestamp::from_millis(7),
            home: None,
        };
        let end = self.position(self.offset);
        Chunk { source: self.source, text, events, from, to: self.offset, anchor, end }
    }

    async fn send(&mut self, lines: &[&[u8]]) {
        let chunk = self.chunk(lines, lines.len());
        self.chunks.as_ref().expect("open").send(Box::new(chunk)).await.expect("the stage runs");
    }

    async fn next(&mut self) -> LogBatch {
        self.batches.recv().await.expect("a batch").batch
    }
}

fn covers(batch: &LogBatch) -> Vec<(u64, u64, bool)> {
    batch.covers.iter().map(|c| (c.from, c.to, c.position.is_some())).collect()
}

fn messages(batch: &LogBatch) -> Vec<String> {
    batch.events().expect("JSON").into_iter().map(|e| e.message.into_owned()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_line_waits_no_longer_than_the_interval() {
    let mut bench = Bench::with_large_bodies(1);
    let start = Instant::now();
    bench.send(&[b"one"]).await;
    bench.send(&[b"two"]).await;
    assert_eq!(messages(&bench.next().await), ["one", "two"]);
    assert_eq!(start.elapsed().as_secs(), 10);
}

#[tokio::test(start_paused = true)]
async fn a_full_batch_leaves_at_once_and_covers_exactly_its_lines() {
    let mut bench = Bench::with_large_bodies(2);
    let start = Instant::now();
    let line = vec![b'x'; 300_000];
    bench.send(&[&line, &line, &line, &line, b"rest"]).await;
    let first = bench.next().await;
    assert_eq!((first.len(), start.elapsed().as_secs()), (3, 0));
    assert_eq!(first.covers.iter().map(|c| (c.from, c.to)).collect::<Vec<_>>(), [(0, 900_003)]);
    match first.covers[0].position.as_ref().expect("known") {
        Position::File(p) => {
            assert_eq!((p.offset, p.before), (900_003, Fingerprint::of(&[&line[..63], b"\n"].concat())))
        }
        _ => panic!("a file has a file's position"),
    }
    bench.chunks = None;
    let second = bench.next().await;
    assert_eq!((second.len(), second.covers[0].from, second.covers[0].to), (2, 900_003, bench.offset));
}

#[tokio::test(start_paused = true)]
async fn what_is_held_leaves_when_the_sources_are_gone() {
    let mut bench = Bench::with_large_bodies(1);
    let start = Instant::now();
    bench.send(&[b"last words"]).await;
    bench.chunks = None;
    assert_eq!(messages(&bench.next().await), ["last words"]);
    assert!(start.elapsed().is_zero());
    assert!(bench.batches.recv().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn lines_that_were_filtered_out_move_the_position_at_once() {
    let mut bench = Bench::with_large_bodies(1);
    let start = Instant::now();
    let chunk = bench.chunk(&[b"noise", b"noise"], 0);
    bench.chunks.as_ref().expect("open").send(Box::new(chunk)).await.expect("runs");
    let batch = bench.next().await;
    assert!(batch.is_empty() && start.elapsed().is_zero());
    assert_eq!((batch.covers[0].from, batch.covers[0].to), (0, 12));
}

#[tokio::test(start_paused = true)]
async fn without_a_permit_for_a_large_body_small_ones_leave_early() {
    let mut bench = Bench::with_large_bodies(0);
    let line = vec![b'x'; 20_000];
    bench.send(&[&line, &line, &line, &line]).await;
    assert_eq!(bench.next().await.len(), 3);
    bench.chunks = None;
    assert_eq!(bench.next().await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_permit_is_free_again_when_its_batch_is_gone() {
    let mut bench = Bench::with_large_bodies(1);
    let line = vec![b'x'; 500_000];
    for _ in 0..4 {
        bench.send(&[&line, &line]).await;
        let outgoing = bench.batches.recv().await.expect("a batch");
        assert_eq!(outgoing.batch.len(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn an_event_that_is_large_by_itself_waits_for_a_permit_also_behind_a_cut() {
    let mut bench = Bench::with_large_bodies(1);
    let (line, short) = (vec![b'x'; 700_000], vec![b'x'; 1_000]);
    bench.send(&[&short, &line, &line, &short]).await;
    bench.chunks = None;
    let first = bench.batches.recv().await.expect("a batch");
    assert_eq!(first.batch.len(), 2);
    let early = tokio::time::timeout(Duration::from_hours(1), bench.batches.recv()).await;
    assert!(early.is_err(), "a second large body while the only one that may exist still does");
    drop(first);
    let second = bench.batches.recv().await.expect("a batch");
    assert!(second.permit.is_some());
    assert_eq!((second.batch.len(), second.batch.covers[0].to), (2, bench.offset));
}

#[tokio::test(start_paused = true)]
async fn an_event_that_its_source_did_not_split_goes_in_parts_by_the_same_rule() {
    let mut bench = Bench::with_large_bodies(1);
    bench.send(&[&vec![0xff; 400_000]]).await;
    bench.chunks = None;
    let (first, second) = (bench.next().await, bench.next().await);
    assert!(first.covers.is_empty(), "half a line is not delivered");
    assert_eq!(second.covers[0].to, bench.offset);
    let parts: Vec<String> = [first, second].iter().flat_map(messages).collect();
    let begun = parts[0].strip_suffix(parts::CONTINUED).expect("it says that it goes on");
    assert!(parts[0].len() <= MESSAGE_BYTES && begun.len() + parts[1].len() == 400_000 * 3);
}

#[tokio::test(start_paused = true)]
async fn a_message_of_nothing_but_blanks_never_reaches_the_service_and_is_counted() {
    let before = counters::EVENTS_EMPTY.get();
    let mut bench = Bench::with_large_bodies(1);
    bench.send(&[b"", b"a", b" \t ", "\u{2003}".as_bytes(), b" \n\r"]).await;
    bench.chunks = None;
    let batch = bench.next().await;
    assert_eq!((messages(&batch), batch.covers[0].to), (vec!["a".to_owned()], bench.offset));
    assert!(counters::EVENTS_EMPTY.get() >= before + 4);
}

#[tokio::test(start_paused = true)]
async fn while_a_batch_waits_for_the_publisher_no_other_is_begun() {
    let mut bench = Bench::with_large_bodies(1);
    let (small, large) = (vec![b's'; 40_000], vec![b'l'; 70_000]);
    bench.send(&[&small]).await;
    tokio::time::sleep(Duration::from_secs(11)).await;
    // It has left for the publisher, which takes none. The next one needs a large body and does not even ask for it.
    bench.send(&[&large]).await;
    tokio::time::sleep(Duration::from_secs(11)).await;
    assert!(bench.bodies.take().is_some());
    assert_eq!(messages(&bench.next().await)[0].len(), small.len());
    assert_eq!(messages(&bench.next().await)[0].len(), large.len());
}

#[tokio::test(start_paused = true)]
async fn among_many_lanes_a_batch_without_a_permit_is_smaller() {
    let mut bench = Bench::with_large_bodies(0);
    let _others: Vec<_> = (0..1000).map(|_| bench.bodies.lanes.join()).collect();
    let line = vec![b'x'; 3_000];
    bench.send(&[&line, &line, &line, &line]).await;
    assert_eq!(messages(&bench.next().await).len(), 2);
    // One that is longer by itself still needs no permit.
    bench.send(&[&[b'y'; 30_000]]).await;
    assert_eq!(messages(&bench.next().await).len(), 2);
    assert_eq!(messages(&bench.next().await)[0].len(), 30_000);
}

#[tokio::test(start_paused = true)]
async fn rewritten_text_is_known_to_be_good_whatever_was_read_beside_it() {
    let mut bench = Bench::with_large_bodies(1);
    let before = counters::EVENTS_MENDED.here();
    let mut chunk = bench.chunk(&[b"\xc4\xe3", b"plain"], 2);
    let raw = chunk.text.len();
    assert_eq!(chunk.as_read(), raw);
    chunk.text.extend_from_slice("你".as_bytes());
    let place = |at: usize| u32::try_from(at).expect("small");
    (chunk.events[0].start, chunk.events[0].end) = (place(raw), place(raw + 3));
    let texts = Texts::of(&chunk);
    assert!(matches!(texts.get(&chunk.events[0]), Text::Valid("你")));
    assert!(matches!(texts.get(&chunk.events[1]), Text::Raw(b"plain")), "what was read is no UTF-8");
    bench.chunks.as_ref().expect("open").send(Box::new(chunk)).await.expect("runs");
    bench.chunks = None;
    assert_eq!(messages(&bench.next().await), ["你", "plain"]);
    assert_eq!(counters::EVENTS_MENDED.here(), before);
}

#[tokio::test(start_paused = true)]
async fn the_first_parts_of_an_event_deliver_nothing_of_it() {
    let mut bench = Bench::with_large_bodies(2);
    let part = vec![b'x'; 600_000];
    let mut chunk = bench.chunk(&[b"one", &part, &part], 3);
    chunk.events[1].next = chunk.events[0].next;
    bench.chunks.as_ref().expect("open").send(Box::new(chunk)).await.expect("runs");
    let first = bench.next().await;
    assert_eq!((first.len(), covers(&first)), (2, vec![(0, 4, true)]));
    bench.chunks = None;
    assert_eq!(covers(&bench.next().await), [(4, bench.offset, true)]);
}
