//! What the board shows of a path, and what keeps it from being read: told once, shown until it is over, and looked at
//! again with growing patience.
use super::{Context, Trail};
use crate::{
    logs::files::{Watch, generation::Generation},
    model::SourceId,
    platform::files::{self, FileKind},
    telemetry::board::{Board, SourceState},
};
use std::{
    io::{self, ErrorKind},
    time::{Duration, Instant},
};

/// The first and the longest wait after a path could not be looked at or opened.
const PATH_RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// The state of a file that nobody has made yet.
const ABSENT: &str = "does not exist yet";

/// The state of rotated files that are not open.
const WAITING: &str = "rotated files wait until more may be opened";

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

    /// Nothing is at the path, but the folder may not be mounted yet: what is saved stays.
    pub(super) fn miss_folder(&mut self, cx: &Context<'_>) {
        self.complain(cx, "its folder is not there: its saved position waits for it", &ErrorKind::InvalidInput.into());
        if let Some(complaint) = &mut self.complaint {
            complaint.retry = cx.now;
        }
    }

    pub(super) fn complain(&mut self, cx: &Context<'_>, what: &str, error: &io::Error) {
        let crowded = files::is_out_of_handles(error);
        let text = match error.kind() {
            ErrorKind::InvalidInput => what.to_owned(),
            _ if crowded => {
                format!("{what}: {error}; raise the limit of open files (LimitNOFILE= in the unit, ulimit -n)")
            }
            _ => format!("{what}: {error}"),
        };
        let before = self.complaint.take();
        let ours = || self.awaited.or(self.queue.back().map(|last| last.id)).unwrap_or_else(SourceId::unique);
        let (board, failures) = before.as_ref().map_or_else(|| (ours(), 0), |c| (c.board, c.failures + 1));
        if before.is_none_or(|c| c.text != text) {
            tracing::warn!(path = %self.watch.path.display(), "{text}");
            cx.board.source(board, |line| {
                name(line, &self.watch);
                (line.state, line.last_error) = (None, Some(text.clone()));
            });
        }
        // Others give files back any moment.
        let longest = if crowded { PATH_RETRY.0 * 4 } else { PATH_RETRY.1 };
        let wait = PATH_RETRY.0.saturating_mul(1 << failures.min(10)).min(longest);
        self.complaint = Some(Complaint { board, text, failures, retry: cx.now + wait });
    }

    /// The path is as it should be.
    pub(super) fn recovered(&mut self, cx: &Context<'_>) {
        let Some(Complaint { board, .. }) = self.complaint.take() else { return };
        tracing::info!(path = %self.watch.path.display(), "the log file's path is readable again");
        if self.awaited == Some(board) {
            self.note_absence(cx, board);
        } else if self.queue.iter().chain(&self.late).any(|generation| generation.id == board) {
            cx.board.source(board, |line| line.last_error = None);
        } else {
            cx.board.forget(board);
        }
    }

    /// The first look found nothing: most likely the path has a slip, or the program that writes there has not run yet.
    pub(super) fn tell_absent(&self) {
        let path = self.watch.path.display();
        tracing::info!(%path, "this log file does not exist yet; it is read as soon as it does");
    }

    /// The line of a file that does not exist yet.
    pub(super) fn note_absence(&self, cx: &Context<'_>, id: SourceId) {
        cx.board.source(id, |line| {
            name(line, &self.watch);
            (line.state, line.last_error) = (Some(ABSENT.to_owned()), None);
        });
    }

    /// The line of rotated files that cannot be opened yet. A single round waits for them.
    pub(super) fn note_debt(&self, cx: &Context<'_>, id: SourceId) {
        cx.board.source(id, |line| {
            name(line, &self.watch);
            (line.catching_up, line.state) = (true, Some(WAITING.to_owned()));
        });
    }
}

pub(super) fn tell_works(board: &Board, watch: &Watch, generation: &mut Generation) {
    if generation.note_works() {
        tracing::info!(path = %watch.path.display(), offset = generation.offset, "the log file can be read again");
        note(board, watch, generation);
    }
}

pub(super) fn note(board: &Board, watch: &Watch, generation: &Generation) {
    board.source(generation.id, |line| {
        name(line, watch);
        line.read = generation.offset;
        (line.state, line.last_error) = (None, None);
    });
    note_rest(board, generation);
}

/// What is there and not read.
pub(super) fn note_rest(board: &Board, generation: &Generation) {
    board.known_source(generation.id, |line| {
        (line.size, line.unfinished) = (Some(generation.seen.size), generation.unfinished());
    });
}

/// Says on the board what a line is about.
fn name(line: &mut SourceState, watch: &Watch) {
    if line.name.is_empty() {
        line.name = watch.path.display().to_string();
        line.group.clone_from(&watch.target.group);
        line.stream.clone_from(&watch.target.stream);
    }
}
