//! `--once`: when the one round is done, and when there is no use in waiting for it any longer.
//!
//! The round is done when the first reading is delivered and what the sources held when they were first seen. What is written
//! meanwhile is for the next round: a log that never pauses must not keep this one from ending. A last line without a line end
//! stays in its file, as it does in a long run, and is said. A journal says itself when all that was there has been read.
use super::DaemonError;
use crate::{
    model::{Headcount, SourceId},
    telemetry::{
        board::{Board, Page, SourceState},
        counters,
    },
};
use std::{collections::BTreeMap, time::Duration};
use tokio::time::{Instant, sleep};

/// The longest time that a round waits without any progress. Longer than the back-off after a call or two that failed, and short
/// enough for a timer or a script that runs one round after the other.
pub const STALLED: Duration = Duration::from_secs(30);

/// How often to look; the first look comes late enough for the sources to have opened what is there.
const LOOK: Duration = Duration::from_millis(500);

/// Looks in a row that must find nothing left to do.
const QUIET: u32 = 2;

/// Ends when all who are counted have had their first turn, each of which has its own limit.
pub async fn first_turns(counted: &Headcount) {
    sleep(LOOK).await;
    while counted.now() > 0 {
        sleep(LOOK).await;
    }
}

/// Ends when the round is done.
///
/// # Errors
/// When nothing is delivered any more for [`STALLED`] although something is left, or when a log could not be read.
pub async fn finished(board: &Board, metrics: bool) -> Result<(), DaemonError> {
    let mut round = Round::new(metrics);
    loop {
        sleep(LOOK).await;
        if let Some(end) = round.look(&board.read(), Sent::so_far()) {
            let page = board.read();
            if end.is_ok() {
                round.tell(&page);
            }
            return end.and_then(|()| everything_was_read(&page));
        }
    }
}

/// Calls that worked, and what they sent.
#[derive(Clone, Copy)]
struct Sent {
    calls: u64,
    /// Batches of metrics of this run that were sent or spooled; what the spool still had of earlier runs is no reading of this one.
    readings: u64,
}

impl Sent {
    fn so_far() -> Self {
        let metrics = counters::METRIC_REQUESTS.get();
        let readings = (metrics + counters::BATCHES_SPOOLED.get()).saturating_sub(counters::BATCHES_REPLAYED.get());
        Self { calls: metrics + counters::LOG_REQUESTS.get(), readings }
    }
}

/// What the last looks saw.
struct Round {
    /// Whether metrics are expected.
    metrics: bool,
    quiet: u32,
    /// A number that changes whenever something was delivered.
    progress: u64,
    since: Instant,
    /// Up to where each source is to be delivered.
    goals: BTreeMap<SourceId, u64>,
}

impl Round {
    fn new(metrics: bool) -> Self {
        Self { metrics, quiet: 0, progress: 0, since: Instant::now(), goals: BTreeMap::new() }
    }

    fn look(&mut self, page: &Page, sent: Sent) -> Option<Result<(), DaemonError>> {
        let delivered: u64 = page.sources.values().map(|source| source.acknowledged).sum();
        let progress = sent.calls.wrapping_add(delivered);
        if progress != self.progress {
            (self.progress, self.since) = (progress, Instant::now());
        }
        let mut behind = false;
        for (id, source) in &page.sources {
            behind |= self.is_behind(*id, source);
        }
        let failing = page.destinations.values().any(|d| d.failures_in_a_row > 0 || d.waiting_batches > 0);
        let busy = behind || failing || (self.metrics && sent.readings == 0);
        self.quiet = if busy { 0 } else { self.quiet + 1 };
        if self.quiet >= QUIET {
            return Some(Ok(()));
        }
        (busy && self.since.elapsed() >= STALLED).then(|| Err(DaemonError::Undelivered { why: reason(page) }))
    }

    /// Whether a source has not come to its goal.
    fn is_behind(&mut self, id: SourceId, source: &SourceState) -> bool {
        if source.catching_up {
            return true;
        }
        let goal = *self.goals.entry(id).or_insert(source.size.unwrap_or(source.read));
        let rest_has_no_end = source.unfinished.is_some_and(|from| from <= source.acknowledged);
        source.acknowledged < goal && !rest_has_no_end
    }

    /// What stays where it is.
    fn tell(&self, page: &Page) {
        for (id, source) in &page.sources {
            let (Some(goal), Some(from)) = (self.goals.get(id), source.unfinished) else { continue };
            if let Some(bytes) = goal.checked_sub(from).filter(|bytes| *bytes > 0) {
                tracing::warn!(
                    path = source.name,
                    bytes,
                    "the last line has no line end yet: it stays in the file for a later run"
                );
            }
        }
    }
}

/// A round that had to leave a log out is no success; a file that does not exist yet has nothing to leave out.
fn everything_was_read(page: &Page) -> Result<(), DaemonError> {
    let logs = page.sources.values().filter(|s| !s.measures);
    let unread = logs.filter_map(|s| s.last_error.as_ref().map(|why| format!("{}: {why}", s.name)));
    let unread: Vec<String> = unread.collect();
    if unread.is_empty() { Ok(()) } else { Err(DaemonError::Unread { which: unread.join("; ") }) }
}

/// What the destinations complain of; when none does, which sources are behind.
fn reason(page: &Page) -> String {
    let mut reasons: Vec<String> = Vec::new();
    for (name, state) in page.destinations.iter().filter(|(_, state)| state.failures_in_a_row > 0) {
        let Some(why) = &state.last_error else { continue };
        // Metrics and logs often fail for the one reason that the credentials failed for.
        if !reasons.iter().any(|said| said.ends_with(why.as_str())) {
            reasons.push(format!("{name}: {why}"));
        }
    }
    let behind = page.sources.values().filter(|s| s.catching_up || s.size.unwrap_or(s.read) > s.acknowledged);
    let complaints = behind.filter_map(|s| s.last_error.as_ref().map(|why| format!("{}: {why}", s.name)));
    reasons.extend(complaints);
    if reasons.is_empty() { "there was no answer".to_owned() } else { reasons.join("; ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTHING: Sent = Sent { calls: 0, readings: 0 };

    fn page(id: SourceId, size: Option<u64>, read: u64, acknowledged: u64) -> Page {
        let board = Board::default();
        board.source(id, |s| (s.size, s.read, s.acknowledged) = (size, read, acknowledged));
        board.read()
    }

    #[tokio::test(start_paused = true)]
    async fn a_round_is_done_when_metrics_and_lines_are_delivered() {
        let (mut round, id) = (Round::new(true), SourceId::unique());
        let file = |acknowledged| page(id, Some(10), acknowledged, acknowledged);
        assert!(round.look(&file(10), NOTHING).is_none(), "no metrics yet");
        let replayed = Sent { calls: 1, readings: 0 };
        assert!(round.look(&file(10), replayed).is_none(), "only what an earlier run left");
        let sent = Sent { calls: 2, readings: 1 };
        assert!(round.look(&file(5), sent).is_none(), "lines are left");
        assert!(round.look(&file(10), sent).is_none(), "one look is not enough");
        assert!(matches!(round.look(&file(10), sent), Some(Ok(()))));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_written_meanwhile_is_for_the_next_round() {
        let (mut round, id) = (Round::new(false), SourceId::unique());
        assert!(round.look(&page(id, Some(10), 0, 0), NOTHING).is_none());
        assert!(round.look(&page(id, Some(20), 15, 10), NOTHING).is_none());
        assert!(matches!(round.look(&page(id, Some(30), 25, 20), NOTHING), Some(Ok(()))));
    }

    #[tokio::test(start_paused = true)]
    async fn a_journal_is_waited_for_until_what_was_there_is_read_and_delivered() {
        let (mut round, id) = (Round::new(false), SourceId::unique());
        let journal = |catching_up, read, acknowledged| {
            let mut page = page(id, None, read, acknowledged);
            page.sources.values_mut().for_each(|line| line.catching_up = catching_up);
            page
        };
        for (catching_up, read, acknowledged) in [(true, 0, 0), (true, 0, 0), (true, 5, 5), (true, 8, 5), (false, 8, 5)]
        {
            assert!(round.look(&journal(catching_up, read, acknowledged), NOTHING).is_none());
        }
        assert!(round.look(&journal(false, 12, 8), NOTHING).is_none());
        assert!(matches!(round.look(&journal(false, 14, 8), NOTHING), Some(Ok(()))));
    }

    #[tokio::test(start_paused = true)]
    async fn a_last_line_without_an_end_does_not_hold_up_the_round() {
        let (mut round, id, board) = (Round::new(false), SourceId::unique(), Board::default());
        let delivered = |upto, unfinished| {
            board.source(id, |s| {
                (s.size, s.read, s.acknowledged, s.unfinished) = (Some(11), upto, upto, unfinished);
            });
        };
        for (upto, unfinished) in [(4, None), (4, Some(8)), (8, None)] {
            delivered(upto, unfinished);
            for _ in 0..QUIET {
                assert!(round.look(&board.read(), NOTHING).is_none(), "another line is to come");
            }
        }
        let begun = Instant::now();
        delivered(8, Some(8));
        finished(&board, false).await.expect("all that ends in a line end is delivered");
        assert!(begun.elapsed() < STALLED);
    }

    #[tokio::test(start_paused = true)]
    async fn a_round_without_progress_is_given_up_with_the_reason() {
        let board = Board::default();
        board.failed("credentials", "no route".into());
        board.failed("metrics", "no route".into());
        let begun = Instant::now();
        let error = finished(&board, false).await.expect_err("nothing works");
        assert!(begun.elapsed() >= STALLED && begun.elapsed() < STALLED + Duration::from_secs(2));
        assert!(error.to_string().ends_with("next run: credentials: no route"), "{error}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_round_that_could_not_read_a_log_fails_and_names_it_and_a_file_that_is_not_there_yet_is_no_failure() {
        let (board, id) = (Board::default(), SourceId::unique());
        board.source(id, |s| (s.name, s.state) = ("/a.log".into(), Some("does not exist yet".into())));
        finished(&board, false).await.expect("nothing to read yet");
        board.source(id, |s| s.last_error = Some("Permission denied".into()));
        let asked = SourceId::unique();
        board.source(asked, |s| (s.name, s.measures) = ("response_time x".into(), true));
        board.source(asked, |s| s.last_error = Some("no answer".into()));
        let error = finished(&board, false).await.expect_err("unread");
        assert!(!error.to_string().contains("no answer"), "nothing of a target is left unread: {error}");
        assert!(error.to_string().contains("/a.log: Permission denied"), "{error}");
        assert!(!error.is_configuration());
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_in_the_spool_is_not_delivered() {
        let board = Board::default();
        board.destination("metrics", |d| d.waiting_batches = 1);
        assert!(finished(&board, false).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_long_round_that_goes_on_is_not_given_up() {
        let (mut round, id) = (Round::new(false), SourceId::unique());
        for delivered in 0..100 {
            tokio::time::advance(STALLED / 2).await;
            assert!(round.look(&page(id, Some(100), delivered, delivered), NOTHING).is_none());
        }
    }
}
