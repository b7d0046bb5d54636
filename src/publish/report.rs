//! Says what happens to a destination: one line when it starts failing, one when the cause changes, one when it works again.
//!
//! A destination may have parts, a log target each ([`Report::about`]): what works for one says nothing about another. A cause
//! that strikes them all, an outage, say, is told once and not once a part.
use super::PutError;
use crate::telemetry::{
    board::{Board, Part},
    chain, gist,
};
use std::{
    collections::BTreeMap,
    error::Error,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::time::timeout;

/// How long a call may take before that is trouble. A usual one takes less than a second.
pub(super) const SLOW: Duration = Duration::from_secs(3);

/// The voice of one part of a destination.
#[derive(Debug)]
pub struct Report {
    shared: Arc<Shared>,
    part: Part,
    /// The part, for people. `None`: the destination as a whole.
    about: Option<String>,
}

/// What the parts of a destination have in common.
#[derive(Debug)]
struct Shared {
    board: Arc<Board>,
    /// `metrics` or `logs`.
    destination: &'static str,
    /// What each failing part suffers from.
    troubles: Mutex<BTreeMap<Part, Trouble>>,
}

#[derive(Debug)]
struct Trouble {
    cause: Cause,
    why: String,
    failures: u64,
}

/// What makes two failures the same trouble.
#[derive(Debug, Eq, PartialEq)]
struct Cause {
    /// Only this part's; `None` where all parts would fail alike.
    part: Option<Part>,
    gist: String,
}

impl Report {
    /// For `destination` as the board names it.
    pub fn new(board: Arc<Board>, destination: &'static str) -> Self {
        let shared = Shared { board, destination, troubles: Mutex::default() };
        Self { shared: Arc::new(shared), part: Part::unique(), about: None }
    }

    /// The voice of a part, which people know as `about`.
    pub fn about(&self, about: String) -> Self {
        Self { shared: self.shared.clone(), part: Part::unique(), about: Some(about) }
    }

    /// A call worked.
    pub fn success(&self) {
        self.shared.board.part_succeeded(self.shared.destination, self.part);
        self.forget("sending works again");
    }

    /// What [`Self::trouble`] was told of is over. Nothing was delivered by that.
    pub fn recovered(&self) {
        self.shared.board.part_recovered(self.shared.destination, self.part);
        self.forget("that trouble is over");
    }

    /// A call failed and will be tried again.
    pub fn failure(&self, error: &PutError) {
        self.note(error, error.is_about_target());
    }

    /// Something else keeps this part from being delivered; it will be tried again.
    pub fn trouble(&self, error: &(dyn Error + 'static)) {
        self.note(error, true);
    }

    /// Wait for a call. Where the answer takes long, the board says so until it is there; the log says nothing.
    pub async fn watch<T>(&self, call: impl Future<Output = T>) -> T {
        let mut call = std::pin::pin!(call);
        if let Ok(answer) = timeout(SLOW, &mut call).await {
            return answer;
        }
        let (board, destination) = (&self.shared.board, self.shared.destination);
        board.part_waits(destination, self.part, self.on_board(&format!("no answer for {} seconds", SLOW.as_secs())));
        let answer = call.await;
        board.part_answered(destination, self.part);
        answer
    }

    /// Batches that wait for another attempt.
    pub fn set_waiting(&self, batches: u64) {
        self.shared.board.destination(self.shared.destination, |d| d.waiting_batches = batches);
    }

    /// Batches that wait for another attempt, relative to before.
    pub fn waiting(&self, change: i64) {
        self.shared.board.destination(self.shared.destination, |d| {
            d.waiting_batches = d.waiting_batches.saturating_add_signed(change);
        });
    }

    fn note(&self, error: &(dyn Error + 'static), own: bool) {
        let (destination, about) = (self.shared.destination, self.about.as_deref());
        let why = chain(error);
        self.shared.board.part_failed(destination, self.part, self.on_board(&why));
        let cause = Cause { part: own.then_some(self.part), gist: gist(&why) };
        let mut troubles = self.shared.troubles();
        let told = troubles.values().any(|trouble| trouble.cause == cause);
        let failures = troubles.get(&self.part).map_or(0, |trouble| trouble.failures) + 1;
        if !told {
            tracing::warn!(destination, about, "{}", in_the_log(&why));
        }
        troubles.insert(self.part, Trouble { cause, why, failures });
    }

    /// With the part in front of it.
    fn on_board(&self, why: &str) -> String {
        self.about.as_deref().map_or_else(|| why.to_owned(), |about| format!("{about}: {why}"))
    }

    /// The part's trouble is over; `say` so unless others still have the same.
    fn forget(&self, say: &str) {
        let mut troubles = self.shared.troubles();
        let Some(Trouble { cause, why: trouble, failures }) = troubles.remove(&self.part) else { return };
        if !troubles.values().any(|other| other.cause == cause) {
            let (destination, about) = (self.shared.destination, self.about.as_deref());
            tracing::info!(destination, about, failures, trouble, "{say}");
        }
    }
}

/// Texts of others may end in a period.
fn in_the_log(why: &str) -> String {
    format!("{}; what is collected waits and will be sent later", why.trim_end_matches(['.', ' ']))
}

impl Shared {
    fn troubles(&self) -> MutexGuard<'_, BTreeMap<Part, Trouble>> {
        self.troubles.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{publish::Service, telemetry::board::DestinationState};

    const LOGS: Service = Service::CloudWatchLogs;

    fn parts() -> (Arc<Board>, Report, Report) {
        let board = Arc::new(Board::default());
        let whole = Report::new(board.clone(), "logs");
        let (a, b) = (whole.about("a".into()), whole.about("b".into()));
        (board, a, b)
    }

    fn line(board: &Board) -> DestinationState {
        board.read().destinations.remove("logs").expect("noted")
    }

    /// What is open, as causes.
    fn causes(report: &Report) -> usize {
        let troubles = report.shared.troubles();
        let mut causes: Vec<_> = troubles.values().map(|trouble| &trouble.cause).collect();
        causes.dedup();
        causes.len()
    }

    fn unreachable(port: u16) -> PutError {
        PutError::Unreachable { service: LOGS, source: format!("no route to :{port}").into() }
    }

    #[test]
    fn a_target_that_works_does_not_end_the_trouble_of_another() {
        let (board, a, b) = parts();
        let denied = PutError::Denied { service: LOGS, action: "logs:PutLogEvents", source: "no".into() };
        a.failure(&denied);
        b.success();
        a.failure(&denied);
        b.success();
        let state = line(&board);
        assert_eq!(state.failures_in_a_row, 2);
        assert!(state.last_error.is_some_and(|why| why.starts_with("a: ")) && state.last_success.is_some());
        a.success();
        assert_eq!((line(&board).failures_in_a_row, causes(&a)), (0, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_without_an_answer_is_on_the_board_until_it_has_one() {
        let (board, a, _) = parts();
        let call = a.watch(tokio::time::sleep(SLOW * 2));
        let look = async {
            tokio::time::sleep(SLOW - Duration::from_millis(1)).await;
            assert!(board.read().destinations.is_empty());
            tokio::time::sleep(SLOW / 2).await;
            let state = line(&board);
            assert_eq!((state.failures_in_a_row, state.last_error.as_deref()), (1, Some("a: no answer for 3 seconds")));
        };
        tokio::join!(call, look);
        assert_eq!((line(&board).failures_in_a_row, causes(&a)), (0, 0));
    }

    #[test]
    fn the_line_of_the_log_is_one_sentence() {
        for why in ["no permissions", "no permissions.", "no permissions. "] {
            assert_eq!(in_the_log(why), "no permissions; what is collected waits and will be sent later");
        }
    }

    #[test]
    fn an_outage_is_one_cause_for_all_targets_and_a_denial_is_each_ones_own() {
        let (_, a, b) = parts();
        a.failure(&unreachable(1));
        b.failure(&unreachable(2));
        assert_eq!(causes(&a), 1);
        a.failure(&PutError::Missing { service: LOGS });
        b.failure(&PutError::Missing { service: LOGS });
        assert_eq!(causes(&a), 2);
    }

    #[test]
    fn trouble_beside_the_calls_neither_hides_theirs_nor_is_ended_by_them() {
        let (board, calls, disk) = parts();
        calls.failure(&unreachable(1));
        disk.trouble(&std::io::Error::other("the disk is full"));
        assert_eq!(causes(&calls), 2);
        disk.recovered();
        assert_eq!((line(&board).failures_in_a_row, line(&board).last_success), (1, None));
    }
}
