//! Says what happens to a destination: one line when it starts failing, one when the reason changes, one when it works again.
use crate::telemetry::{board::Board, counters};
use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

/// The voice of one destination, shared by everything that is sent there.
#[derive(Debug)]
pub struct Report {
    board: Arc<Board>,
    /// `metrics` or `logs`.
    destination: &'static str,
    /// The last thing said, while it still holds.
    trouble: Mutex<Option<String>>,
    failures: AtomicU64,
}

impl Report {
    /// For `destination` as the board names it.
    pub fn new(board: Arc<Board>, destination: &'static str) -> Self {
        Self { board, destination, trouble: Mutex::default(), failures: AtomicU64::new(0) }
    }

    /// A call worked.
    pub fn success(&self) {
        self.board.succeeded(self.destination);
        let was = self.trouble.lock().unwrap_or_else(PoisonError::into_inner).take();
        let failures = self.failures.swap(0, Ordering::Relaxed);
        if let Some(trouble) = was {
            tracing::info!(destination = self.destination, failures, trouble, "sending works again");
        }
    }

    /// A call failed and will be tried again.
    pub fn failure(&self, error: &(dyn std::error::Error + 'static)) {
        counters::RETRIES.add(1);
        let why = chain(error);
        self.board.failed(self.destination, why.clone());
        self.failures.fetch_add(1, Ordering::Relaxed);
        let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        if trouble.as_ref() != Some(&why) {
            tracing::warn!(destination = self.destination, "{why}; what is collected waits and will be sent later");
            *trouble = Some(why);
        }
    }

    /// Batches that wait for another attempt.
    pub fn set_waiting(&self, batches: u64) {
        self.board.destination(self.destination, |d| d.waiting_batches = batches);
    }

    /// Batches that wait for another attempt, relative to before.
    pub fn waiting(&self, change: i64) {
        self.board
            .destination(self.destination, |d| d.waiting_batches = d.waiting_batches.saturating_add_signed(change));
    }
}

/// An error with everything under it, in one line.
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        // Libraries often repeat their cause in their own text.
        if !line.ends_with(&text) {
            line.push_str(": ");
            line.push_str(&text);
        }
        cause = error.source();
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::publish::{PutError, Service};

    #[test]
    fn the_chain_is_one_line_without_repetitions() {
        let source = std::io::Error::other("connection refused").into();
        let error = PutError::Unreachable { service: Service::CloudWatch, source };
        assert_eq!(chain(&error), "CloudWatch could not be reached: connection refused");
    }

    #[test]
    fn the_board_counts_failures_until_it_works_again() {
        let board = Arc::new(Board::default());
        let report = Report::new(board.clone(), "logs");
        let error = PutError::Missing { service: Service::CloudWatchLogs };
        report.failure(&error);
        report.failure(&error);
        let state = &board.read().destinations["logs"];
        assert_eq!((state.failures_in_a_row, state.last_error.is_some()), (2, true));
        report.success();
        assert_eq!(board.read().destinations["logs"].failures_in_a_row, 0);
    }
}
