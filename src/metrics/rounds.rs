//! What is asked again and again without blocking a thread: probes and commands. Each has a future of its own, so that none waits for
//! another; the scheduler has the rest.
//!
//! When the pipeline is full, a turn's points wait for their place and no further turn is taken meanwhile: it is counted. At the stop a
//! turn that is under way is given up.
use super::scheduler::{Place, until_next};
use crate::{
    model::{Headcount, Points, Reading, Timestamp},
    telemetry::{board::Board, counters, gist, listening::Line},
};
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

/// What all who take turns have in common.
pub struct Rounds {
    pub place: Place,
    /// Dropping it is the last part of the stop.
    pub out: mpsc::Sender<Reading>,
    pub stop: CancellationToken,
    /// Whose first turn is not over: a single round waits for them.
    pub first: Headcount,
    /// Where each has a line of its own.
    pub board: Arc<Board>,
    /// Where the wall clock is read.
    pub wall: fn() -> Timestamp,
}

/// Somebody who takes turns.
pub trait Turn: Send {
    /// What people know it by.
    fn name(&self) -> String;

    /// What there is to measure now.
    fn turn(&mut self, now: Timestamp) -> impl Future<Output = Points> + Send;

    /// What was wrong with the last turn.
    fn wrong(&self) -> Option<&str>;
}

impl Rounds {
    /// One turn at once, then one at each multiple of the interval, moved by the host's own place, until the stop. A turn that lasts
    /// longer than the interval costs the ticks that it covers. An interval under one second counts as one.
    pub async fn run(&self, source: usize, interval: Duration, mut who: impl Turn) {
        let interval = interval.max(Duration::from_secs(1));
        let mut first = Some(self.first.join());
        let line = Line::of_metrics(&self.board, who.name());
        loop {
            let Some(points) = self.stop.run_until_cancelled(who.turn((self.wall)())).await else { return };
            match who.wrong() {
                Some(why) => _ = line.note(why.to_owned()),
                None => line.works(),
            }
            if !points.is_empty() {
                counters::POINTS_COLLECTED.add(points.len() as u64);
                let waits = Instant::now();
                if self.out.send(Reading { source, points }).await.is_err() {
                    return;
                }
                let skipped = waits.elapsed().as_secs() / interval.as_secs();
                if skipped > 0 {
                    counters::POLLS_SKIPPED.add(skipped);
                    tracing::warn!(skipped, "the pipeline was full: turns of commands or probes were skipped");
                }
            }
            drop(first.take());
            let wait = until_next((self.wall)(), interval, self.place.offset(interval));
            if self.stop.run_until_cancelled(sleep(wait)).await.is_none() {
                return;
            }
        }
    }
}

/// What was complained of last: the same again is no news. Whoever tells it names who is meant in the text of the line, since the own log
/// counts lines of the same text together, and one that is noisy must not hide the others.
#[derive(Debug, Default)]
pub struct Complaint {
    gist: Option<String>,
    whole: Option<String>,
}

/// What is to be said of a turn.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum News {
    /// Nothing that was not said before.
    None,
    /// Something is wrong, or something else than before.
    Wrong,
    /// What was wrong is well again.
    Well,
}

impl Complaint {
    /// `why`: what is wrong now. Numbers in it are no news.
    pub fn heard(&mut self, why: Option<&str>) -> News {
        let now = why.map(gist);
        let news = match (&self.gist, &now) {
            (None, None) => News::None,
            (Some(before), Some(now)) if before == now => News::None,
            (_, Some(_)) => News::Wrong,
            (Some(_), None) => News::Well,
        };
        (self.gist, self.whole) = (now, why.map(str::to_owned));
        news
    }

    /// What is wrong.
    pub fn whole(&self) -> Option<&str> {
        self.whole.as_deref()
    }

    /// What is wrong, without its numbers.
    #[cfg(test)]
    pub fn last(&self) -> Option<&str> {
        self.gist.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Point, Resolution, Unit};
    use std::cell::Cell;

    const TEN: Duration = Duration::from_secs(10);

    thread_local! {
        static START: Cell<Option<Instant>> = const { Cell::new(None) };
    }

    /// Begins at 1,001 seconds and follows the timers.
    fn wall() -> Timestamp {
        let start = START.get().unwrap_or_else(Instant::now);
        START.set(Some(start));
        Timestamp::from_millis(1_001_000).plus(start.elapsed())
    }

    /// Tells the time, and takes so long for its second turn.
    struct Clock {
        turns: u32,
        second: Duration,
    }

    impl Turn for Clock {
        fn name(&self) -> String {
            "clock".to_owned()
        }

        fn wrong(&self) -> Option<&str> {
            (self.turns == 2).then_some("the second turn")
        }

        async fn turn(&mut self, at: Timestamp) -> Points {
            self.turns += 1;
            if self.turns == 2 {
                sleep(self.second).await;
            }
            let (dimensions, resolution) = (Arc::from([]), Resolution::Minute);
            vec![Point { name: "x".into(), value: 1.0.into(), unit: Unit::None, at, dimensions, resolution }]
        }
    }

    fn rounds(capacity: usize) -> (Rounds, mpsc::Receiver<Reading>) {
        let (out, readings) = mpsc::channel(capacity);
        let (stop, first) = (CancellationToken::new(), Headcount::default());
        (Rounds { place: Place::at(3_000), out, stop, first, board: Arc::default(), wall }, readings)
    }

    fn second(reading: &Reading) -> i64 {
        reading.points[0].at.as_millis() / 1_000
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_turn_is_at_once_and_the_others_lie_on_the_ticks_however_long_a_turn_takes() {
        let (rounds, mut readings) = rounds(10);
        let (stop, first) = (rounds.stop.clone(), rounds.first.clone());
        let clock = Clock { turns: 0, second: Duration::from_secs(12) };
        let run = rounds.run(7, TEN, clock);
        let ((), ()) = tokio::join!(run, async {
            sleep(Duration::from_secs(45)).await;
            assert_eq!(first.now(), 0, "the first turn is over");
            stop.cancel();
        });
        let mut at = vec![];
        while let Ok(reading) = readings.try_recv() {
            assert_eq!(reading.source, 7);
            at.push(second(&reading));
        }
        assert_eq!(at, [1_001, 1_003, 1_023, 1_033, 1_043]);
    }

    #[tokio::test(start_paused = true)]
    async fn each_has_a_line_on_the_board_with_what_was_wrong_with_its_last_turn() {
        let (rounds, _readings) = rounds(10);
        let (stop, board) = (rounds.stop.clone(), rounds.board.clone());
        let shown = || {
            let lines = board.read().sources.into_values();
            lines.map(|line| (line.name, line.measures, line.last_error)).collect::<Vec<_>>()
        };
        let clock = |wrong: Option<&str>| vec![("clock".to_owned(), true, wrong.map(str::to_owned))];
        tokio::join!(rounds.run(0, TEN, Clock { turns: 0, second: Duration::ZERO }), async {
            sleep(Duration::from_secs(1)).await;
            assert_eq!(shown(), clock(None));
            sleep(Duration::from_secs(5)).await;
            assert_eq!(shown(), clock(Some("the second turn")));
            sleep(TEN).await;
            assert_eq!(shown(), clock(None));
            stop.cancel();
        });
        assert_eq!(shown(), []);
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_pipeline_costs_turns_and_is_counted_and_loses_nothing_that_was_measured() {
        let (rounds, mut readings) = rounds(1);
        let stop = rounds.stop.clone();
        let skipped = counters::POLLS_SKIPPED.here();
        let run = rounds.run(0, TEN, Clock { turns: 0, second: Duration::ZERO });
        let ((), at) = tokio::join!(run, async {
            sleep(Duration::from_secs(35)).await;
            let mut at = vec![];
            for _ in 0..3 {
                at.push(second(&readings.recv().await.expect("there")));
            }
            stop.cancel();
            at
        });
        assert_eq!(at, [1_001, 1_003, 1_043]);
        assert_eq!(counters::POLLS_SKIPPED.here(), skipped + 3);
    }

    #[tokio::test(start_paused = true)]
    async fn a_turn_under_way_is_given_up_at_the_stop() {
        let (rounds, _readings) = rounds(1);
        let (stop, first) = (rounds.stop.clone(), rounds.first.clone());
        let run = rounds.run(0, TEN, Clock { turns: 1, second: Duration::from_secs(3_600) });
        let begun = Instant::now();
        tokio::join!(run, async {
            assert_eq!(first.now(), 1, "the first turn is not over");
            stop.cancel();
        });
        assert_eq!(begun.elapsed(), Duration::ZERO);
    }

    #[test]
    fn only_a_change_is_news_and_a_number_in_it_is_none() {
        let mut complaint = Complaint::default();
        let heard = [None, Some("no answer in 5 s"), Some("no answer in 6 s"), Some("refused"), None, None];
        use News::{None as Nothing, Well, Wrong};
        assert_eq!(heard.map(|why| complaint.heard(why)), [Nothing, Wrong, Nothing, Wrong, Well, Nothing]);
    }
}
