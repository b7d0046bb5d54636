//! Who sends frames: many at once, each with its own bytes, none of whom can hold up the others.
//!
//! A client may send any number of frames. One whose line is longer than a frame can be is hung up on, as is one that sends nothing for
//! [`SILENT`], or no frame within [`ONE_FRAME`]. What is no frame is refused and counted, and the client may go on. While the queue is
//! full nothing is read, and clients wait.
use super::{
    frame::{self, Fault, LONGEST},
    queue::Queue,
};
use crate::{
    platform::{
        files,
        sockets::{Peer, Stream, Streams},
    },
    telemetry::counters,
};
use futures_util::{StreamExt, stream::FuturesUnordered};
use std::{fmt::Display, future::poll_fn, io, mem::MaybeUninit, pin::Pin, time::Duration};
use tokio::{
    io::{AsyncRead, ReadBuf},
    sync::Semaphore,
    task::yield_now,
    time::{Instant, sleep, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;

/// Clients at once, and never more than half of the files that the process may open; the next one waits to be accepted.
const CLIENTS: usize = 1_024;
/// Half a frame of this size needs no leave: with one read behind it, 12 MiB of all clients together.
const SMALL: usize = 4 * 1024;
/// So many may hold more than that, up to the length of a frame: 2 MiB. The others wait until one of them is done, or has had
/// its [`LARGE_FRAME`].
const LARGE: usize = 32;
/// Who sends nothing for so long is hung up on.
pub const SILENT: Duration = Duration::from_secs(5);
/// For one frame: who sends a byte now and then must not keep a place from others.
const ONE_FRAME: Duration = Duration::from_secs(60);
/// The same for who holds one of the few places of large frames.
const LARGE_FRAME: Duration = Duration::from_secs(10);
/// Who has sent so many lines in a row that are no frames is read slowly: a pause after each read.
const FAULTS: u32 = 1_000;
const SLOWLY: Duration = Duration::from_millis(10);
/// One read takes at most this.
const READ: usize = 8 * 1024;
/// At the stop: for what had arrived by then, of which the system may not have told us yet.
const GRACE: Duration = Duration::from_millis(50);
/// All of that.
const AT_THE_STOP: Duration = Duration::from_secs(1);
/// The wait after an error of the listener, so that one that stays costs nothing.
const PAUSE: Duration = Duration::from_secs(1);

/// Take clients until told to stop, and then what has arrived.
pub async fn serve(listener: &Streams, queue: &Queue, stop: &CancellationToken) {
    let large = Semaphore::new(LARGE);
    let mut clients = FuturesUnordered::new();
    // Other parts of the daemon need descriptors, too.
    let most =
        files::most_open().map_or(CLIENTS, |limit| usize::try_from(limit / 2).unwrap_or(CLIENTS).clamp(1, CLIENTS));
    // Out of descriptors, most likely: those who are here may give some back.
    let mut accepts = Instant::now();
    // Said when it begins.
    let mut full = false;
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            Some(()) = clients.next() => full &= clients.len() > most / 2,
            accepted = after(accepts, listener.accept()), if clients.len() < most => match accepted {
                Ok((stream, peer)) => {
                    clients.push(Client::new(stream, peer).serve(queue, &large, stop));
                    if clients.len() == most && !std::mem::replace(&mut full, true) {
                        counters::CLIENTS_WAITED.add(1);
                        tracing::warn!(clients = most, "the serial relay has as many clients as it can have; the next one waits");
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "a client of the serial relay could not be accepted");
                    accepts = Instant::now() + PAUSE;
                }
            }
        }
    }
    // Those who had come by now are finite.
    listener.close_door();
    let last = async {
        let mut comes = true;
        while comes || !clients.is_empty() {
            tokio::select! {
                biased;
                accepted = timeout(GRACE, after(accepts, listener.accept())), if comes => match accepted {
                    Ok(Ok((stream, peer))) => clients.push(Client::new(stream, peer).serve(queue, &large, stop)),
                    // Those who are here give their descriptors back soon.
                    Ok(Err(_)) => accepts = Instant::now() + GRACE / 2,
                    Err(_) => comes = false,
                },
                Some(()) = clients.next(), if !clients.is_empty() => {}
            }
        }
    };
    // Longer only where the queue is full: then nothing that waits can be written in time either.
    let _ = timeout(AT_THE_STOP, last).await;
}

async fn after<T>(moment: Instant, then: impl Future<Output = T>) -> T {
    sleep_until(moment).await;
    then.await
}

/// One client, and what it has sent and is not passed on.
struct Client {
    stream: Stream,
    peer: Peer,
    begun: Vec<u8>,
    /// So much of that is passed on or refused.
    done: usize,
    /// Lines in a row that were refused.
    faults: u32,
}

impl Drop for Client {
    /// Frames that are still here wait for room in the queue, and there is no more time; what has no end gets none any more.
    fn drop(&mut self) {
        for line in self.begun[self.done..].split_inclusive(|byte| *byte == b'\n') {
            match line.ends_with(b"\n") {
                true if frame::check(line).is_ok() => counters::RELAY_FRAMES_GIVEN_UP.add(1),
                true => {}
                false => counters::RELAY_REFUSED_TORN.add(1),
            }
        }
    }
}

impl Client {
    fn new(stream: Stream, peer: Peer) -> Self {
        Self { stream, peer, begun: vec![], done: 0, faults: 0 }
    }

    async fn serve(mut self, queue: &Queue, large: &Semaphore, stop: &CancellationToken) {
        let (mut patience, mut began, mut leave) = (SILENT, Instant::now(), None);
        loop {
            let read = async {
                if self.begun.len() >= SMALL && leave.is_none() {
                    leave = large.acquire().await.ok();
                    // That it waited is not its fault.
                    began = Instant::now();
                    self.begun.reserve_exact(LONGEST - self.begun.len());
                }
                let within = if leave.is_some() { LARGE_FRAME } else { ONE_FRAME };
                let due = patience.min((began + within).saturating_duration_since(Instant::now()));
                timeout(due, self.read()).await
            };
            let read = tokio::select! {
                biased;
                read = read => read,
                // Reading comes first: what is there when the stop comes is read.
                () = stop.cancelled(), if patience > GRACE => {
                    patience = GRACE;
                    continue;
                }
            };
            match read {
                Ok(Ok(bytes)) if bytes > 0 => {}
                Ok(Ok(_) | Err(_)) | Err(_) => break,
            }
            if self.pass_on(queue).await {
                began = Instant::now();
            }
            if self.begun.len() < SMALL {
                leave = None;
            }
            if self.begun.len() >= LONGEST {
                counters::RELAY_REFUSED_TOO_LONG.add(1);
                self.begun.clear();
                return self.complain("sent a line that is too long for a frame", 1);
            }
        }
        if !self.begun.is_empty() {
            // Counted when it is dropped.
            self.complain("stopped in the middle of a frame, or did not end one in time", 1);
        }
    }

    /// Who it was is for whoever looks for the sender of garbage.
    fn complain(&self, of: impl Display, lines: u32) {
        let Peer { user, process } = self.peer;
        tracing::warn!(lines, user, process, "a client of the serial relay {of}");
    }

    /// How many bytes there were; none at the end.
    async fn read(&mut self) -> io::Result<usize> {
        let room = READ.min(LONGEST - self.begun.len());
        poll_fn(|context| {
            // On the stack: most clients wait, and need no memory for that.
            let mut space = [MaybeUninit::<u8>::uninit(); READ];
            let mut buffer = ReadBuf::uninit(&mut space[..room]);
            let polled = Pin::new(&mut self.stream).poll_read(context, &mut buffer);
            polled.map_ok(|()| {
                self.begun.extend_from_slice(buffer.filled());
                buffer.filled().len()
            })
        })
        .await
    }

    /// Pass on each frame that is whole, and refuse what is none. Whether there was a frame.
    async fn pass_on(&mut self, queue: &Queue) -> bool {
        let (came, mut any) = (Instant::now().into_std(), false);
        let mut refused: [(Option<Fault>, u32); 3] = [(None, 0); 3];
        while let Some(length) = memchr::memchr(b'\n', &self.begun[self.done..]) {
            let line = &self.begun[self.done..=self.done + length];
            match frame::check(line) {
                Ok(()) => {
                    self.faults = 0;
                    any = true;
                    queue.put(line, came).await;
                }
                Err(fault) => {
                    self.faults += 1;
                    let kind = count(fault);
                    refused[kind] = (Some(fault), refused[kind].1 + 1);
                }
            }
            self.done += length + 1;
        }
        self.begun.drain(..self.done);
        self.done = 0;
        // No memory for what is not there.
        if self.begun.len() < SMALL {
            self.begun.shrink_to_fit();
        }
        for (fault, lines) in refused.into_iter().filter_map(|(fault, lines)| Some((fault?, lines))) {
            self.complain(format_args!("sent what was refused: {fault}"), lines);
        }
        // A flood of it must not keep the others of this thread waiting.
        if self.faults >= FAULTS {
            sleep(SLOWLY).await;
        } else if self.faults > 0 {
            yield_now().await;
        }
        any
    }
}

/// Counts it; the number of its kind.
fn count(fault: Fault) -> usize {
    match fault {
        Fault::Form => {
            counters::RELAY_REFUSED_FORM.add(1);
            0
        }
        Fault::Payload | Fault::Data => {
            counters::RELAY_REFUSED_FORM.add(1);
            1
        }
        Fault::Checksum => {
            counters::RELAY_REFUSED_CHECKSUM.add(1);
            2
        }
    }
}

#[cfg(all(test, unix))]
mod tests;
