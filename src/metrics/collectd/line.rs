//! What people see of the listener: its line on the board, and what its socket lost.
use crate::{
    model::SourceId,
    platform::udp::Udp,
    telemetry::{board::Board, counters},
};
use std::{io, sync::Arc};

/// The listener's line on the board, for as long as it lives.
pub(super) struct Line {
    board: Arc<Board>,
    id: SourceId,
    pub(super) name: String,
}

impl Line {
    pub(super) fn new(board: Arc<Board>, name: String) -> Self {
        let id = SourceId::unique();
        board.source(id, |line| (line.name, line.size) = (name.clone(), Some(0)));
        Self { board, id, name }
    }

    pub(super) fn failed(&self, error: &io::Error, remedy: &str) {
        if self.note(format!("{error}: {remedy}")) {
            tracing::error!(socket = self.name, %error, "metrics of collectd cannot be received here, which is tried again: {remedy}");
        }
    }

    pub(super) fn lacks_users(&self, why: &str) {
        const REMEDY: &str = "write the lines `user: password` there, or set collectd_security_level of metrics.metrics_collected.collectd \
                              to none";
        if self.note(format!("collectd_auth_file cannot be read: {why}: {REMEDY}")) {
            tracing::error!(
                socket = self.name,
                why,
                "collectd_auth_file cannot be read, which is tried again; users who are not known \
                                                       yet are refused: {REMEDY}"
            );
        }
    }

    /// Whether it is something new.
    fn note(&self, told: String) -> bool {
        let mut news = false;
        self.board.source(self.id, |line| {
            news = line.last_error.as_ref() != Some(&told);
            line.last_error = Some(told);
        });
        news
    }

    pub(super) fn works(&self) {
        self.board.source(self.id, |line| line.last_error = None);
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.board.forget(self.id);
    }
}

/// What the system dropped, as far as it was counted.
#[derive(Default)]
pub(super) struct Drops {
    pub(super) seen: u64,
    told: bool,
}

impl Drops {
    pub(super) fn look(&mut self, socket: &Udp, name: &str) {
        let Some(now) = socket.dropped() else { return };
        let more = now.saturating_sub(std::mem::replace(&mut self.seen, now));
        counters::DATAGRAMS_DROPPED.add(more);
        if more > 0 && !self.told {
            tracing::warn!(
                socket = name,
                datagrams = more,
                buffer = socket.buffer(),
                "the system dropped datagrams that came faster than they were read: raise net.core.rmem_max"
            );
        }
        self.told = more > 0;
    }
}
