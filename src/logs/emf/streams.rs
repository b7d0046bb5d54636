//! Connections: one document a line.
//!
//! A connection costs memory only while it has sent half a line. A line of over 1 MiB is refused, and the connection goes on behind
//! it. [`CLIENTS`] may be connected at once, the next one waits to be accepted. Then whoever has stopped in the middle of a line for
//! [`SILENT`] is hung up on, and whoever has sent nothing at all for [`IDLE`]. What stands behind the last line end when a client closes is a line, too.
use super::Desk;
use crate::{
    platform::sockets::{Stream, Streams},
    telemetry::counters,
};
use futures_util::{StreamExt, stream::FuturesUnordered};
use std::{
    future::poll_fn,
    io,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::Poll,
    time::Duration,
};
use tokio::{
    io::{AsyncRead, ReadBuf},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;

/// The longest line, its end not counted: what the service takes in one event, and a little more.
pub(super) const LONGEST: usize = 1 << 20;
/// Clients of all listeners at once.
pub(super) const CLIENTS: usize = 256;
/// One read takes at most this.
const READ: usize = 64 * 1024;
/// Half a line of this size needs no leave.
const SMALL: usize = 16 * 1024;
/// Longer ones have so many bytes together.
const LARGE: usize = 8 << 20;
/// How long a half line waits for its leave before it is refused.
const PATIENCE: Duration = Duration::from_secs(5);
/// Who is silent for so long in the middle of a line makes way, when others may wait.
pub(super) const SILENT: Duration = Duration::from_secs(30);
/// The same between two lines: an honest client may have nothing to say for a while, and what it sends into a connection that is
/// being closed is lost.
const IDLE: Duration = Duration::from_mins(5);
/// Reads after the stop: what had arrived by then.
const AT_THE_STOP: usize = 64;

/// What all clients share.
pub(super) struct Crowd {
    clients: Arc<Semaphore>,
    /// In pieces of [`READ`].
    large: Arc<Semaphore>,
    buffer: Mutex<Box<[u8]>>,
}

impl Default for Crowd {
    fn default() -> Self {
        let buffer = Mutex::new(vec![0; READ].into_boxed_slice());
        Self { clients: Arc::new(Semaphore::new(CLIENTS)), large: Arc::new(Semaphore::new(LARGE / READ)), buffer }
    }
}

impl Crowd {
    fn is_dense(&self) -> bool {
        self.clients.available_permits() == 0 || self.large.available_permits() == 0
    }
}

/// Accept clients and read what they send until told to stop, and then what is there.
pub(super) async fn receive(listener: &Streams, desk: &Desk, crowd: &Crowd, name: &str, stop: &CancellationToken) {
    let mut clients = FuturesUnordered::new();
    loop {
        let next = async {
            let place = match crowd.clients.clone().try_acquire_owned() {
                Ok(place) => place,
                Err(_) => {
                    counters::CLIENTS_WAITED.add(1);
                    crowd.clients.clone().acquire_owned().await.expect("nobody closes it")
                }
            };
            listener.accept().await.map(|(stream, _)| (stream, place))
        };
        let mut next = std::pin::pin!(next);
        // Others come and go while one is waited for.
        let accepted = loop {
            tokio::select! {
                () = stop.cancelled() => break None,
                accepted = &mut next => break Some(accepted),
                Some(()) = clients.next() => {}
            }
        };
        match accepted {
            None => break,
            Some(Ok((stream, place))) => clients.push(Client::new(stream, place).serve(desk, crowd, name, stop)),
            // Out of descriptors, most likely: others may give some back.
            Some(Err(error)) => {
                tracing::warn!(socket = name, %error, "a client could not be accepted");
                tokio::select! {
                    () = sleep(Duration::from_secs(1)) => {}
                    () = stop.cancelled() => {}
                }
            }
        }
    }
    while clients.next().await.is_some() {}
}

/// One client.
struct Client {
    stream: Stream,
    lines: Lines,
    leave: Vec<OwnedSemaphorePermit>,
    _place: OwnedSemaphorePermit,
}

impl Client {
    fn new(stream: Stream, place: OwnedSemaphorePermit) -> Self {
        Self { stream, lines: Lines::default(), leave: vec![], _place: place }
    }

    async fn serve(mut self, desk: &Desk, crowd: &Crowd, name: &str, stop: &CancellationToken) {
        let mut heard = Instant::now();
        loop {
            let read = async {
                self.get_leave(desk, crowd, name).await;
                desk.intake.room().await;
                timeout(SILENT, self.read(desk, crowd, name)).await
            };
            let read = tokio::select! {
                () = stop.cancelled() => break,
                read = read => read,
            };
            match read {
                Ok(Ok(0) | Err(_)) => return self.lines.end(desk, name),
                Ok(Ok(_)) => heard = Instant::now(),
                Err(_) if crowd.is_dense() && (self.lines.is_begun() || heard.elapsed() >= IDLE) => {
                    counters::CLIENTS_HUNG_UP.add(1);
                    tracing::warn!(socket = name, "too many clients: one that was silent is hung up on");
                    return self.lines.end(desk, name);
                }
                Err(_) => {}
            }
        }
        for _ in 0..AT_THE_STOP {
            // Only what is there already.
            match timeout(Duration::ZERO, self.read(desk, crowd, name)).await {
                Ok(Ok(0) | Err(_)) | Err(_) => break,
                Ok(Ok(_)) => {}
            }
        }
        self.lines.end(desk, name);
    }

    /// A half line that grows needs leave: many clients together must not fill the memory.
    async fn get_leave(&mut self, desk: &Desk, crowd: &Crowd, name: &str) {
        let needed = self.lines.held.len().saturating_sub(SMALL).div_ceil(READ);
        self.leave.truncate(needed);
        while self.leave.len() < needed {
            match timeout(PATIENCE, crowd.large.clone().acquire_owned()).await {
                Ok(permit) => self.leave.push(permit.expect("nobody closes it")),
                Err(_) => {
                    self.lines.refuse(desk, name);
                    self.leave.clear();
                    return;
                }
            }
        }
    }

    /// Read once, and take the lines of it.
    async fn read(&mut self, desk: &Desk, crowd: &Crowd, name: &str) -> io::Result<usize> {
        poll_fn(|context| {
            let mut shared = crowd.buffer.lock().unwrap_or_else(PoisonError::into_inner);
            let mut buffer = ReadBuf::new(&mut shared);
            match Pin::new(&mut self.stream).poll_read(context, &mut buffer) {
                Poll::Pending => Poll::Pending,
                Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
                Poll::Ready(Ok(())) => {
                    self.lines.feed(buffer.filled(), desk, name);
                    Poll::Ready(Ok(buffer.filled().len()))
                }
            }
        })
        .await
    }
}

/// From bytes to lines.
#[derive(Default)]
pub(super) struct Lines {
    held: Vec<u8>,
    /// The line that is being read was refused.
    skipping: bool,
}

impl Lines {
    /// The next bytes.
    pub(super) fn feed(&mut self, mut bytes: &[u8], desk: &Desk, name: &str) {
        while let Some(end) = memchr::memchr(b'\n', bytes) {
            let (line, rest) = (&bytes[..end], &bytes[end + 1..]);
            bytes = rest;
            if std::mem::take(&mut self.skipping) {
                continue;
            }
            if self.held.len() + line.len() > LONGEST {
                self.held.extend_from_slice(&line[..line.len().min(SMALL)]);
                desk.too_large(&self.held, name);
            } else if self.held.is_empty() {
                desk.take(line, name);
            } else {
                self.held.extend_from_slice(line);
                desk.take(&self.held, name);
            }
            self.held = vec![];
        }
        if self.skipping || bytes.is_empty() {
            return;
        }
        if self.held.len() + bytes.len() > LONGEST {
            self.held.extend_from_slice(&bytes[..bytes.len().min(SMALL)]);
            self.refuse(desk, name);
        } else {
            self.held.extend_from_slice(bytes);
        }
    }

    /// Half a line is there.
    fn is_begun(&self) -> bool {
        !self.held.is_empty() || self.skipping
    }

    /// Give the line that is being read up.
    fn refuse(&mut self, desk: &Desk, name: &str) {
        desk.too_large(&self.held, name);
        (self.held, self.skipping) = (vec![], true);
    }

    /// Nothing more comes.
    pub(super) fn end(&mut self, desk: &Desk, name: &str) {
        let rest = std::mem::take(&mut self.held);
        desk.take(&rest, name);
    }
}
