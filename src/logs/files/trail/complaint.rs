//! What keeps a path from being read: told once, shown until it is over, and looked at again with growing patience.
use super::{Context, Trail};
use crate::{model::SourceId, platform::files::FileKind};
use std::{
    io::{self, ErrorKind},
    time::{Duration, Instant},
};

/// The first and the longest wait after a path could not be looked at or opened.
const PATIENCE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// Something that keeps the path from being read; told once.
#[derive(Debug)]
pub(super) struct Complaint {
    board: SourceId,
    text: String,
    failures: u32,
    pub retry: Instant,
}

impl Trail {
    pub(super) fn refuse(&mut self, cx: &Context<'_>, kind: FileKind) {
        let what = match kind {
            FileKind::Directory => "this is a folder: name a file",
            FileKind::Special | FileKind::Regular => {
                "this is a FIFO, socket or device, which cannot be read again: name a file"
            }
        };
        self.complain(cx, what, &io::Error::from(ErrorKind::InvalidInput));
        if let Some(complaint) = &mut self.complaint {
            complaint.retry = cx.now;
        }
    }

    pub(super) fn complain(&mut self, cx: &Context<'_>, what: &str, error: &io::Error) {
        let text = match error.kind() {
            ErrorKind::InvalidInput => what.to_owned(),
            _ => format!("{what}: {error}"),
        };
        let path = self.watch.path.display().to_string();
        let before = self.complaint.take();
        let (board, failures) = before.as_ref().map_or((SourceId::unique(), 0), |c| (c.board, c.failures + 1));
        if before.is_none_or(|c| c.text != text) {
            tracing::warn!(path, "{text}");
            cx.board.source(board, |line| {
                line.name.clone_from(&path);
                line.group.clone_from(&self.watch.target.group);
                line.stream.clone_from(&self.watch.target.stream);
                line.last_error = Some(text.clone());
            });
        }
        let wait = PATIENCE.0.saturating_mul(1 << failures.min(10)).min(PATIENCE.1);
        self.complaint = Some(Complaint { board, text, failures, retry: cx.now + wait });
    }

    /// The path is as it should be.
    pub(super) fn content(&mut self, cx: &Context<'_>) {
        if let Some(complaint) = self.complaint.take() {
            cx.board.forget(complaint.board);
            tracing::info!(path = %self.watch.path.display(), "the log file's path is readable again");
        }
    }
}
