//! FIFOs: lines that a program writes into a named pipe, and that nobody can read again.
//!
//! Owned here: opening, reading, lines. Left to others: what becomes of a line until it is delivered (whoever implements
//! [`Intake`]), and who spawns [`run`].
//!
//! A FIFO is opened without waiting for a writer, and held open from both sides, so writers come and go. Before each read it waits
//! until there is room: then the pipe fills, and the writer waits, as with any other reader. One that is missing, or that is no FIFO,
//! is looked for again, at first after a second, later each 30 seconds; one that another takes the place of is changed for that.
//!
//! A line ends with LF; one CR before it goes too; empty lines are no events. A line over the service's limit goes out in parts.
//! What stands behind the last line end is sent after [`QUIET`] without more. The time of a line is that of reading.
use super::filter;
use crate::{
    config::settings::Filter,
    model::{Intake, SourceId, Target, Timestamp, limits::MESSAGE_BYTES},
    platform::pipes::Pipe,
    telemetry::{board::Board, counters},
};
use futures_util::{StreamExt, stream::FuturesUnordered};
use std::{io, path::PathBuf, sync::Arc, time::Duration};
use tokio::{
    io::AsyncReadExt,
    time::{Instant, sleep, sleep_until},
};
use tokio_util::sync::CancellationToken;

/// One read takes at most this: what a pipe of Linux holds, see `pipe(7)`.
const READ: usize = 64 * 1024;
/// A line that is begun is taken to be all when nothing came for so long.
const QUIET: Duration = Duration::from_secs(5);
/// How often to look whether the path still leads to the FIFO that is open.
const LOOK: Duration = Duration::from_secs(5);
const WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// One FIFO, and where its lines go.
#[derive(Clone, Debug)]
pub struct Watch {
    pub path: PathBuf,
    pub target: Arc<Target>,
    pub filter: Filter,
}

/// Read all of them until told to stop; what is in the pipes by then is taken.
pub async fn run(watches: Vec<Watch>, intake: Arc<dyn Intake>, board: Arc<Board>, stop: CancellationToken) {
    let readers = watches.into_iter().map(|watch| Reader::new(watch, intake.clone(), board.clone()).run(&stop));
    readers.collect::<FuturesUnordered<_>>().collect::<()>().await;
}

struct Reader {
    watch: Watch,
    intake: Arc<dyn Intake>,
    board: Arc<Board>,
    id: SourceId,
    lines: Lines,
    read: u64,
}

/// Why reading ended.
enum End {
    Stop,
    /// Another FIFO is there now, or this one cannot be read.
    Again,
}

impl Reader {
    fn new(watch: Watch, intake: Arc<dyn Intake>, board: Arc<Board>) -> Self {
        let id = SourceId::unique();
        board.source(id, |line| {
            line.name = watch.path.display().to_string();
            line.group.clone_from(&watch.target.group);
            line.stream.clone_from(&watch.target.stream);
            line.size = Some(0);
        });
        Self { watch, intake, board, id, lines: Lines::default(), read: 0 }
    }

    async fn run(mut self, stop: &CancellationToken) {
        let mut wait = WAIT;
        loop {
            match Pipe::open(&self.watch.path) {
                Ok(pipe) => {
                    wait = WAIT;
                    self.board.source(self.id, |line| (line.state, line.last_error) = (None, None));
                    match self.follow(pipe, stop).await {
                        End::Stop => break,
                        End::Again => {}
                    }
                }
                Err(error) => self.tell(&error),
            }
            if stop.run_until_cancelled(sleep(wait)).await.is_none() {
                break;
            }
            wait = (wait * 2).min(LONGEST_WAIT);
        }
        self.flush();
        self.board.forget(self.id);
    }

    async fn follow(&mut self, mut pipe: Pipe, stop: &CancellationToken) -> End {
        let mut buffer = vec![0; READ];
        let (mut look, mut quiet) = (Instant::now() + LOOK, None);
        loop {
            let next = async {
                self.intake.room().await;
                pipe.reader.read(&mut buffer).await
            };
            let silence = async {
                match quiet {
                    Some(at) => sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            let read = tokio::select! {
                () = stop.cancelled() => {
                    self.drain(&mut pipe, &mut buffer).await;
                    return End::Stop;
                }
                read = next => read,
                () = silence => {
                    self.flush();
                    quiet = None;
                    continue;
                }
                () = sleep_until(look) => {
                    look = Instant::now() + LOOK;
                    if pipe.is_at(&self.watch.path) == Some(false) {
                        tracing::info!(path = %self.watch.path.display(), "another FIFO is there now");
                        self.drain(&mut pipe, &mut buffer).await;
                        self.flush();
                        return End::Again;
                    }
                    continue;
                }
            };
            match read {
                Ok(length) => self.take(&buffer[..length]),
                Err(error) => {
                    self.tell(&error);
                    return End::Again;
                }
            }
            quiet = self.lines.is_begun().then(|| Instant::now() + QUIET);
        }
    }

    /// What is in the pipe already.
    async fn drain(&mut self, pipe: &mut Pipe, buffer: &mut [u8]) {
        // A pipe holds a megabyte at most, unless an administrator said otherwise.
        for _ in 0..(1 << 20) / READ {
            match tokio::time::timeout(Duration::ZERO, pipe.reader.read(buffer)).await {
                Ok(Ok(length)) if length > 0 => self.take(&buffer[..length]),
                Ok(_) | Err(_) => return,
            }
        }
    }

    fn take(&mut self, bytes: &[u8]) {
        self.read += bytes.len() as u64;
        let Self { lines, watch, intake, .. } = self;
        lines.feed(bytes, &mut |line| take(watch, &**intake, line));
        let read = self.read;
        self.board.source(self.id, |line| (line.read, line.acknowledged, line.size) = (read, read, Some(read)));
    }

    fn flush(&mut self) {
        let Self { lines, watch, intake, .. } = self;
        lines.end(&mut |line| take(watch, &**intake, line));
    }

    fn tell(&self, error: &io::Error) {
        let missing = error.kind() == io::ErrorKind::NotFound;
        let text = error.to_string();
        let mut news = false;
        self.board.source(self.id, |line| {
            let before = (line.state.clone(), line.last_error.clone());
            (line.state, line.last_error) =
                if missing { (Some("does not exist yet".to_owned()), None) } else { (None, Some(text)) };
            news = before != (line.state.clone(), line.last_error.clone());
        });
        if news {
            tracing::warn!(path = %self.watch.path.display(), %error, "the FIFO is not read; trying again");
        }
    }
}

fn take(watch: &Watch, intake: &dyn Intake, line: &[u8]) {
    if !filter::passes(&watch.filter, line) {
        counters::EVENTS_FILTERED.add(1);
        return;
    }
    if let Err(error) = intake.take(&watch.target, line, Timestamp::now()) {
        counters::LOG_SPOOL_DROPPED.add(1);
        tracing::warn!(path = %watch.path.display(), %error, "a line of a FIFO is not taken");
    }
}

/// From bytes to lines.
#[derive(Default)]
struct Lines {
    held: Vec<u8>,
    /// A part of the line went out already.
    split: bool,
}

impl Lines {
    fn feed(&mut self, mut bytes: &[u8], take: &mut dyn FnMut(&[u8])) {
        while let Some(end) = memchr::memchr(b'\n', bytes) {
            self.held.extend_from_slice(&bytes[..end]);
            bytes = &bytes[end + 1..];
            self.end(take);
        }
        self.held.extend_from_slice(bytes);
        while self.held.len() > MESSAGE_BYTES + 1 {
            self.part(take);
        }
    }

    /// The line is complete.
    fn end(&mut self, take: &mut dyn FnMut(&[u8])) {
        if self.held.last() == Some(&b'\r') {
            self.held.pop();
        }
        while self.held.len() > MESSAGE_BYTES {
            self.part(take);
        }
        if !self.held.is_empty() {
            take(&self.held);
        }
        (self.held, self.split) = (vec![], false);
    }

    fn part(&mut self, take: &mut dyn FnMut(&[u8])) {
        counters::EVENTS_SPLIT.add(u64::from(!std::mem::replace(&mut self.split, true)));
        let continues = |at: usize| self.held[at] & 0b1100_0000 == 0b1000_0000;
        let end = (MESSAGE_BYTES - 3..=MESSAGE_BYTES).rev().find(|at| !continues(*at)).unwrap_or(MESSAGE_BYTES);
        let rest = self.held.split_off(end);
        take(&self.held);
        self.held = rest;
    }

    fn is_begun(&self) -> bool {
        !self.held.is_empty()
    }
}

#[cfg(test)]
mod tests;
