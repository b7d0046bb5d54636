//! What people see of a socket that others send to, and of others that read no log: a line on the board; and what a socket lost.
use super::{board::Board, counters};
use crate::model::SourceId;
use std::{io, sync::Arc};

/// A line on the board, of a listener or of who asks others for metrics, for as long as that lives.
pub struct Line {
    board: Arc<Board>,
    id: SourceId,
    /// The address, as people know it.
    pub name: String,
    /// What is received there, for the own log.
    what: &'static str,
}

impl Line {
    pub fn new(board: &Arc<Board>, name: String, what: &'static str) -> Self {
        let id = SourceId::unique();
        board.source(id, |line| (line.name, line.size) = (name.clone(), Some(0)));
        Self { board: board.clone(), id, name, what }
    }

    /// Of a command or a target. What is wrong with it is said by whoever asks it.
    pub fn of_metrics(board: &Arc<Board>, name: String) -> Self {
        let line = Self::new(board, name, "metrics");
        board.source(line.id, |line| line.measures = true);
        line
    }

    /// It cannot be opened; the remedy is for people. Said when it is something new.
    pub fn failed(&self, error: &io::Error, remedy: &str) {
        if self.note(format!("{error}: {remedy}")) {
            let what = self.what;
            tracing::error!(socket = self.name, %error, "{what} cannot be received here, which is tried again: {remedy}");
        }
    }

    /// Nothing is wrong, and nothing is received: for this reason. Said when it is something new.
    pub fn stands_by(&self, why: &str) {
        let mut news = false;
        self.board.source(self.id, |line| {
            news = line.state.as_deref() != Some(why);
            (line.state, line.last_error) = (Some(why.to_owned()), None);
        });
        if news {
            tracing::info!(socket = self.name, "standing by: {why}");
        }
    }

    /// Put this on the board as what is wrong. Whether it is something new.
    pub fn note(&self, told: String) -> bool {
        let mut news = false;
        self.board.source(self.id, |line| {
            news = line.last_error.as_ref() != Some(&told);
            (line.state, line.last_error) = (None, Some(told));
        });
        news
    }

    /// Nothing is wrong any more.
    pub fn works(&self) {
        self.board.source(self.id, |line| (line.state, line.last_error) = (None, None));
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.board.forget(self.id);
    }
}

/// What the system dropped, as far as it was counted.
#[derive(Debug, Default)]
pub struct Drops {
    seen: u64,
    told: bool,
}

impl Drops {
    /// What was dropped before is not ours.
    pub fn since(dropped: Option<u64>) -> Self {
        Self { seen: dropped.unwrap_or_default(), told: false }
    }

    /// `dropped` in all by now, of a socket with this receive buffer. Said when it begins, with what helps against it.
    pub fn look(&mut self, dropped: Option<u64>, buffer: Option<usize>, name: &str, remedy: &str) {
        let Some(now) = dropped else { return };
        let more = now.saturating_sub(std::mem::replace(&mut self.seen, now));
        counters::DATAGRAMS_DROPPED.add(more);
        if more > 0 && !self.told {
            tracing::warn!(
                socket = name,
                datagrams = more,
                buffer,
                "the system dropped datagrams that came faster than they were read: {remedy}"
            );
        }
        self.told = more > 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_stands_on_the_board_with_what_is_wrong_for_as_long_as_it_lives() {
        let board = Arc::new(Board::default());
        let line = Line::new(&board, "udp://here".to_owned(), "things");
        let shown = || board.read().sources.into_values().map(|line| (line.name, line.last_error)).collect::<Vec<_>>();
        assert_eq!(shown(), [("udp://here".to_owned(), None)]);
        assert!(line.note("busy".to_owned()) && !line.note("busy".to_owned()), "the same again is no news");
        assert_eq!(shown(), [("udp://here".to_owned(), Some("busy".to_owned()))]);
        line.works();
        assert_eq!(shown(), [("udp://here".to_owned(), None)]);
        drop(line);
        assert_eq!(shown(), []);
    }

    #[test]
    fn what_was_dropped_is_counted_once_and_not_what_was_before() {
        let mut drops = Drops::since(Some(5));
        let before = counters::DATAGRAMS_DROPPED.here();
        for dropped in [Some(5), Some(8), None, Some(9)] {
            drops.look(dropped, None, "udp://here", "send less");
        }
        assert_eq!(counters::DATAGRAMS_DROPPED.here() - before, 4);
    }
}
