//! Who sends frames: many at once, each with its own bytes, none of whom can hold up the others.
//!
//! A client may send any number of frames. One whose line is longer than a frame can be is hung up on, as is one that sends nothing for
//! [`SILENT`]. What is no frame is refused and counted, and the client may go on. While the queue is full nothing is read, and clients wait.
use super::{
    frame::{self, Fault, LONGEST},
    queue::Queue,
};
use crate::{
    platform::sockets::{Stream, Streams},
    telemetry::counters,
};
use futures_util::{StreamExt, stream::FuturesUnordered};
use std::{future::poll_fn, io, mem::MaybeUninit, pin::Pin, time::Duration};
use tokio::{
    io::{AsyncRead, ReadBuf},
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

/// Clients at once; the next one waits to be accepted. Each may hold half a frame, 64 MiB together.
const CLIENTS: usize = 1_024;
/// Who sends nothing for so long is hung up on.
pub const SILENT: Duration = Duration::from_secs(5);
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
    let mut clients = FuturesUnordered::new();
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            Some(()) = clients.next() => {}
            accepted = listener.accept(), if clients.len() < CLIENTS => match accepted {
                Ok(stream) => clients.push(Client::new(stream).serve(queue, stop)),
                // Out of descriptors, most likely: others may give some back.
                Err(error) => {
                    tracing::warn!(%error, "a client of the serial relay could not be accepted");
                    tokio::select! {
                        () = sleep(PAUSE) => {}
                        () = stop.cancelled() => {}
                    }
                }
            }
        }
    }
    let last = async {
        while let Ok(Ok(stream)) = timeout(GRACE, listener.accept()).await {
            clients.push(Client::new(stream).serve(queue, stop));
        }
        while clients.next().await.is_some() {}
    };
    // Longer only where the queue is full: then nothing that waits can be written in time either.
    let _ = timeout(AT_THE_STOP, last).await;
}

/// One client, and what it has sent of a frame.
struct Client {
    stream: Stream,
    begun: Vec<u8>,
}

impl Client {
    fn new(stream: Stream) -> Self {
        Self { stream, begun: vec![] }
    }

    async fn serve(mut self, queue: &Queue, stop: &CancellationToken) {
        let mut patience = SILENT;
        loop {
            let read = tokio::select! {
                biased;
                read = timeout(patience, self.read()) => read,
                () = stop.cancelled(), if patience > GRACE => {
                    patience = GRACE;
                    continue;
                }
            };
            match read {
                Ok(Ok(bytes)) if bytes > 0 => {}
                Ok(Ok(_) | Err(_)) | Err(_) => break,
            }
            if !self.pass_on(queue).await {
                counters::RELAY_REFUSED_TOO_LONG.add(1);
                return tracing::warn!(
                    longest = LONGEST,
                    "a client of the serial relay sent a line that is too long for a frame"
                );
            }
        }
        if !self.begun.is_empty() {
            counters::RELAY_REFUSED_TORN.add(1);
            tracing::warn!(bytes = self.begun.len(), "a client of the serial relay stopped in the middle of a frame");
        }
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

    /// Pass on each frame that is whole. Whether the rest can still become one.
    async fn pass_on(&mut self, queue: &Queue) -> bool {
        let mut from = 0;
        while let Some(length) = memchr::memchr(b'\n', &self.begun[from..]) {
            let line = &self.begun[from..=from + length];
            match frame::check(line) {
                Ok(()) => queue.put(line).await,
                Err(fault) => refuse(line, fault),
            }
            from += length + 1;
        }
        self.begun.drain(..from);
        if self.begun.is_empty() {
            self.begun = vec![];
        }
        self.begun.len() < LONGEST
    }
}

fn refuse(line: &[u8], fault: Fault) {
    match fault {
        Fault::Checksum => counters::RELAY_REFUSED_CHECKSUM.add(1),
        Fault::Form | Fault::Payload | Fault::Data => counters::RELAY_REFUSED_FORM.add(1),
    }
    tracing::warn!(bytes = line.len(), "a line sent to the serial relay was refused: {fault}");
}

#[cfg(all(test, unix))]
mod tests;
