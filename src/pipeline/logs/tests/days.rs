//! Events of several days in one stream.
use super::*;

const DAY: i64 = 86_400_000;

impl Bench {
    /// Lines of one file, each with its time in days.
    async fn send_of(&mut self, days: &[(&str, i64)]) {
        let lines: Vec<_> = days.iter().map(|(line, _)| line.as_bytes()).collect();
        let mut chunk = self.chunk(&lines, lines.len());
        for (event, (_, day)) in chunk.events.iter_mut().zip(days) {
            (event.at, event.timed_by) = (Timestamp::from_millis(day * DAY + 5), TimedBy::Source);
        }
        self.chunks.as_ref().expect("open").send(Box::new(chunk)).await.expect("the stage runs");
    }
}

#[tokio::test(start_paused = true)]
async fn old_and_new_events_that_alternate_leave_in_one_batch_a_day_in_their_order() {
    let mut bench = Bench::with_large_bodies(1);
    let start = Instant::now();
    bench.send_of(&[("a1", 1), ("b1", 9), ("a2", 1), ("b2", 9)]).await;
    tokio::time::sleep(Duration::from_secs(4)).await;
    bench.send_of(&[("c1", 5), ("a3", 1), ("b3", 9)]).await;
    let mut found = Vec::new();
    let mut delivered = Line::default();
    for _ in 0..3 {
        let batch = bench.next().await;
        assert!(batch.index.windows(2).all(|pair| pair[1].at.since(pair[0].at) < Duration::from_hours(24)));
        delivered.take(&batch);
        found.push((messages(&batch).join(" "), start.elapsed().as_secs()));
    }
    found.sort();
    let expected = [("a1 a2 a3", 10), ("b1 b2 b3", 10), ("c1", 14)];
    assert_eq!(found, expected.map(|(text, at)| (text.to_owned(), at)));
    assert_eq!(delivered.reached(), bench.offset, "nothing is left uncovered, and nothing twice");
}

/// Covers of one source, joined.
#[derive(Default)]
struct Line(Vec<(u64, u64)>);

impl Line {
    fn take(&mut self, batch: &LogBatch) {
        for cover in &batch.covers {
            self.0.push((cover.from, cover.to));
            if let Some(Position::File(position)) = &cover.position {
                assert!(position.offset > cover.from && position.offset <= cover.to);
            }
        }
    }

    /// Up to where they join up, each unit once.
    fn reached(mut self) -> u64 {
        self.0.sort_unstable();
        let next = |reached, &(from, to): &(u64, u64)| {
            assert_eq!(from, reached);
            to
        };
        self.0.iter().fold(0, next)
    }
}

#[tokio::test(start_paused = true)]
async fn a_day_more_than_may_be_open_pushes_out_the_one_that_waited_longest() {
    let mut bench = Bench::with_large_bodies(1);
    let start = Instant::now();
    for (line, day) in [("a", 1), ("b", 2), ("c", 3), ("d", 4), ("e", 5)] {
        bench.send_of(&[(line, day)]).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let first = bench.next().await;
    assert_eq!((messages(&first), start.elapsed().as_secs()), (vec!["a".to_owned()], 5));
    assert_eq!(covers(&first), [(0, 2, true)]);
    bench.chunks = None;
    let mut rest = Vec::new();
    for _ in 0..4 {
        rest.extend(messages(&bench.next().await));
    }
    assert_eq!(rest, ["b", "c", "d", "e"]);
    assert!(bench.batches.recv().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_batch_with_very_many_covers_leaves() {
    let mut bench = Bench::with_large_bodies(2);
    let start = Instant::now();
    let lines: Vec<_> = (0..2_500).map(|n| ("x", if n % 2 == 0 { 1 } else { 9 })).collect();
    bench.send_of(&lines).await;
    let mut delivered = Line::default();
    for _ in 0..2 {
        let batch = bench.next().await;
        assert!((1_000..=1_001).contains(&batch.covers.len()), "{}", batch.covers.len());
        assert!(start.elapsed().is_zero());
        delivered.take(&batch);
    }
    bench.chunks = None;
    while let Some(outgoing) = bench.batches.recv().await {
        delivered.take(&outgoing.batch);
    }
    assert_eq!(delivered.reached(), bench.offset);
}

#[tokio::test(start_paused = true)]
async fn a_large_event_of_one_day_does_not_wait_for_the_permit_that_another_day_holds() {
    let mut bench = Bench::with_large_bodies(1);
    let large = "x".repeat(200_000);
    bench.send_of(&[(&large, 1), (&large, 9), (&large, 1)]).await;
    for _ in 0..3 {
        let batch = tokio::time::timeout(Duration::from_mins(1), bench.batches.recv()).await.expect("no deadlock");
        assert_eq!(batch.expect("a batch").batch.len(), 1);
        bench.chunks = None;
    }
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config {
        failure_persistence: None,
        ..proptest::test_runner::Config::with_cases(64)
    })]

    #[test]
    fn whatever_days_come_each_event_leaves_once_in_the_order_of_its_day_and_all_is_covered(
        days in proptest::collection::vec((0..7i64, 1..60_000usize), 1..120), large in 1..3usize,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        runtime.expect("a runtime").block_on(async {
            let mut bench = Bench::with_large_bodies(large);
            let mut chunks = Vec::new();
            for (number, events) in days.chunks(7).enumerate() {
                let text = |place: usize, length: usize| format!("{} {}", number * 7 + place, "x".repeat(length));
                let lines: Vec<_> = events.iter().enumerate().map(|(place, (_, length))| text(place, *length)).collect();
                let lines: Vec<_> = lines.iter().map(String::as_bytes).collect();
                let mut chunk = bench.chunk(&lines, lines.len());
                for (event, (day, _)) in chunk.events.iter_mut().zip(events) {
                    event.at = Timestamp::from_millis(day * DAY + 5);
                }
                chunks.push(chunk);
            }
            let to_stage = bench.chunks.take().expect("open");
            tokio::spawn(async move {
                for chunk in chunks {
                    let _ = to_stage.send(Box::new(chunk)).await;
                }
            });
            let (mut delivered, mut found) = (Line::default(), Vec::new());
            while let Some(outgoing) = bench.batches.recv().await {
                delivered.take(&outgoing.batch);
                for event in outgoing.batch.events().expect("JSON") {
                    let number: usize = event.message.split(' ').next().and_then(|n| n.parse().ok()).expect("a number");
                    found.push((event.timestamp / DAY, number));
                }
            }
            assert_eq!(delivered.reached(), bench.offset);
            assert_eq!(found.len(), days.len());
            for day in 0..7 {
                let of_day = found.iter().filter(|(of, _)| *of == day).map(|(_, number)| *number);
                let written = days.iter().enumerate().filter(|(_, (of, _))| *of == day).map(|(number, _)| number);
                assert!(of_day.eq(written));
            }
        });
    }
}
