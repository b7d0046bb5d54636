//! Datagrams: one is one document, as the agent has it, or several lines of which each is one.
use super::Desk;
use crate::{
    platform::sockets::Datagrams,
    telemetry::{counters, listening::Drops},
};
use std::{io::ErrorKind, time::Duration};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

/// UDP takes 65,507 bytes at most; a UNIX socket more, as its sender's buffer allows. One that fills this was longer.
const LONGEST: usize = 256 * 1024;
/// Datagrams that are taken without a look at anything else.
const IN_A_ROW: usize = 64;
/// How many may lie in the system's buffer at the stop.
const AT_THE_STOP: usize = 100_000;
/// How often the system is asked how many it dropped.
const LOOK: Duration = Duration::from_secs(10);
/// The wait after an error of the socket, so that one that stays costs nothing.
const PAUSE: Duration = Duration::from_millis(100);
/// What helps where datagrams are dropped.
const REMEDY: &str = "raise net.core.rmem_max, or send by TCP";

/// Receive until told to stop, and then what is there.
pub(super) async fn receive(socket: &Datagrams, desk: &Desk, name: &str, stop: &CancellationToken) {
    let mut buffer = vec![0; LONGEST];
    let mut drops = Drops::since(socket.dropped());
    let mut look = Instant::now() + LOOK;
    loop {
        let next = async {
            desk.intake.room().await;
            socket.recv(&mut buffer).await
        };
        let received = tokio::select! {
            () = stop.cancelled() => break,
            received = next => received,
            () = sleep_until(look) => {
                look = Instant::now() + LOOK;
                drops.look(socket.dropped(), socket.buffer(), name, REMEDY);
                continue;
            }
        };
        match received {
            Ok(length) => {
                take(&buffer[..length], desk, name);
                drain(socket, &mut buffer, desk, name, IN_A_ROW);
            }
            // Windows answers with the fate of earlier datagrams; nothing of it is about those that come.
            Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
            Err(error) => {
                tracing::warn!(socket = name, %error, "a datagram could not be received");
                sleep(PAUSE).await;
            }
        }
    }
    drain(socket, &mut buffer, desk, name, AT_THE_STOP);
    drops.look(socket.dropped(), socket.buffer(), name, REMEDY);
}

fn drain(socket: &Datagrams, buffer: &mut [u8], desk: &Desk, name: &str, most: usize) {
    for _ in 0..most {
        let Ok(length) = socket.recv_now(buffer) else { return };
        take(&buffer[..length], desk, name);
    }
}

fn take(datagram: &[u8], desk: &Desk, name: &str) {
    if datagram.len() >= LONGEST {
        counters::DATAGRAMS_CUT.add(1);
        return desk.too_large(datagram, name);
    }
    if desk.split_datagrams {
        datagram.split(|byte| *byte == b'\n').for_each(|line| desk.take(line, name));
    } else {
        desk.take(datagram, name);
    }
}
