//! FIFOs: lines that a program writes into a named pipe, and that nobody can read again.
//!
//! Owned here: opening, reading, and what was read of an event that may go on ([`held`]). Left to others: what an event is and what becomes
//! of its text (`lines`, `text`: as with files), what becomes of it until it is delivered (whoever implements [`Intake`]), and who
//! spawns [`run`].
//!
//! A FIFO is opened without waiting for a writer, and held open from both sides, so writers come and go. Before each read it waits
//! until there is room: then the pipe fills, and the writer waits, as with any other reader. One that is missing, or that is no FIFO,
//! is looked for again, at first after a second, later each 30 seconds; one that another takes the place of is changed for that.
//!
//! What may go on is sent after `multi_line_timeout` without more, with or without a line end. What comes then is an event of its own: it may
//! be another writer's.
mod held;

use crate::{
    config::settings::text::TextRules,
    model::{Intake, SourceId, Target, Timestamp},
    platform::pipes::Pipe,
    telemetry::board::Board,
};
use futures_util::{StreamExt, stream::FuturesUnordered};
use held::Held;
use std::{io, path::PathBuf, sync::Arc, time::Duration};
use tokio::{
    io::AsyncReadExt,
    time::{Instant, sleep, sleep_until},
};
use tokio_util::sync::CancellationToken;

/// One read takes at most this: what a pipe of Linux holds, see `pipe(7)`.
const READ: usize = 64 * 1024;
/// How often to look whether the path still leads to the FIFO that is open.
const LOOK: Duration = Duration::from_secs(5);
const WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// One FIFO, and where its lines go.
#[derive(Clone, Debug)]
pub struct Watch {
    pub path: PathBuf,
    pub target: Arc<Target>,
    pub text: Arc<TextRules>,
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
    held: Held,
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
        let held = Held::new(watch.text.clone());
        Self { watch, intake, board, id, held, read: 0 }
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
                        End::Again => {
                            self.flush();
                            self.held = Held::new(self.watch.text.clone());
                        }
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
        let mut look = Instant::now() + LOOK;
        loop {
            let next = async {
                self.intake.room().await;
                pipe.reader.read(&mut buffer).await
            };
            let silence = async {
                match self.held.due() {
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
                    let Self { held, watch, intake, .. } = self;
                    held.ripen(Instant::now(), Timestamp::now(), &mut |text, at, by| intake.take_configured(&watch.target, text, at, by));
                    continue;
                }
                () = sleep_until(look) => {
                    look = Instant::now() + LOOK;
                    if pipe.is_at(&self.watch.path) == Some(false) {
                        tracing::info!(path = %self.watch.path.display(), "another FIFO is there now");
                        self.drain(&mut pipe, &mut buffer).await;
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
        }
    }

    /// What is in the pipe already.
    async fn drain(&mut self, pipe: &mut Pipe, buffer: &mut [u8]) {
        // A pipe holds a megabyte at most, unless an administrator said otherwise. What came a moment ago is only seen when the
        // runtime has asked the system once more.
        for _ in 0..(1 << 20) / READ {
            match tokio::time::timeout(Duration::from_millis(1), pipe.reader.read(buffer)).await {
                Ok(Ok(length)) if length > 0 => self.take(&buffer[..length]),
                Ok(_) | Err(_) => return,
            }
        }
    }

    fn take(&mut self, bytes: &[u8]) {
        self.read += bytes.len() as u64;
        let Self { held, watch, intake, .. } = self;
        held.feed(bytes, Instant::now(), Timestamp::now(), &mut |text, at, by| {
            intake.take_configured(&watch.target, text, at, by);
        });
        let read = self.read;
        self.board.source(self.id, |line| (line.read, line.acknowledged, line.size) = (read, read, Some(read)));
    }

    fn flush(&mut self) {
        let Self { held, watch, intake, .. } = self;
        held.flush(Timestamp::now(), &mut |text, at, by| intake.take_configured(&watch.target, text, at, by));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{TimedBy, TooManyTargets};
    use futures_util::future::BoxFuture;
    use std::sync::Mutex;

    /// Has no place for targets that others name.
    #[derive(Default)]
    struct Crowded(Mutex<Vec<String>>);

    impl Intake for Crowded {
        fn room(&self) -> BoxFuture<'_, ()> {
            Box::pin(std::future::ready(()))
        }

        fn take(&self, _: &Arc<Target>, _: &[u8], _: Timestamp, _: TimedBy) -> Result<(), TooManyTargets> {
            Err(TooManyTargets(0))
        }

        fn take_configured(&self, _: &Arc<Target>, text: &[u8], _: Timestamp, _: TimedBy) {
            self.0.lock().expect("no panic").push(String::from_utf8_lossy(text).into_owned());
        }
    }

    #[test]
    fn a_fifo_has_its_place_whatever_others_invent() {
        let intake = Arc::new(Crowded::default());
        let watch = Watch { path: "/fifo".into(), target: Arc::default(), text: Arc::default() };
        let mut reader = Reader::new(watch, intake.clone(), Arc::default());
        reader.take(b"one\ntwo\nthree");
        reader.flush();
        assert_eq!(*intake.0.lock().expect("no panic"), ["one", "two", "three"]);
    }
}
