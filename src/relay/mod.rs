//! From a UNIX socket to the serial device of an EC2 Mac: what programs of this host send there becomes metrics of the instance.
//!
//! ```text
//! feeder ─┐
//! clients ┴─ socket ─ frame whole? checksum right? ─ queue (1 MiB) ─ thread ─> device
//! ```
//!
//! Who has the socket's path has the device. Another relay, the EC2 System Monitor for macOS for one, puts its own socket in place of ours when it
//! starts: that is noticed within a second, the device is let go of, the feeder is quiet, and the path is asked for again until it is free.
//!
//! The socket's clients are served by the daemon's own thread; what may block, the device, has a thread of its own.
mod client;
mod clients;
pub mod device;
mod feeder;
mod frame;
mod queue;

pub use client::{SendError, send};
#[cfg(fuzzing)]
pub use frame::fuzz;
pub use frame::{BuildError, Fault, LONGEST, LONGEST_DATA, Message, decode};
pub use queue::{Gate, Left, Queue};

use crate::{
    config::settings::serial_relay::{SerialRelay, When},
    platform::{installed::SETUP, sockets::Streams},
    telemetry::{board::Board, counters, listening::Line},
};
use feeder::Feeder;
use std::{
    io,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::time::{Instant, interval_at, sleep};
use tokio_util::sync::CancellationToken;

/// What comes here, for the own log.
const WHAT: &str = "frames for the serial device";
/// The first wait after the socket could not be made, and the longest one.
const WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// How often it is looked whether the socket's path is still ours.
const LOOK: Duration = Duration::from_secs(1);
/// How often the totals are said.
const TOTALS: Duration = Duration::from_mins(10);

/// Relay until told to stop. Dropping `queue` at the end tells the device's thread; what that has done is said by [`say_totals`] when it
/// has ended.
pub async fn run(settings: SerialRelay, queue: Queue, board: Arc<Board>, stop: CancellationToken) {
    let line = Line::new(&board, format!("serial relay on {}", settings.socket.display()), WHAT);
    let feeder = Arc::new(Mutex::new(Feeder::new(settings.tags.clone())));
    let mut totals = std::pin::pin!(say_totals_for_ever());
    loop {
        let listener = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            () = &mut totals => break,
            listener = claimed(&settings, &line) => listener,
        };
        line.works();
        tracing::info!(socket = %settings.socket.display(), "listening for {WHAT}");
        queue.hold(true);
        let leave = stop.child_token();
        let mut serving = std::pin::pin!(clients::serve(&listener, &queue, &leave));
        tokio::select! {
            () = &mut serving => break,
            () = &mut totals => break,
            () = feeder::run(&feeder, settings.socket.clone()) => {}
            () = displaced(&listener, &stop) => {}
        }
        // Whoever came before is served; what they sent waits until the device is ours again.
        queue.hold(false);
        leave.cancel();
        serving.await;
        tracing::warn!(
            socket = %settings.socket.display(),
            "the relay's socket is gone, or another program's; the serial device is let go of until it can be made again"
        );
    }
    queue.stop();
}

/// The socket, asked for until it is ours.
async fn claimed(settings: &SerialRelay, line: &Line) -> Streams {
    let mut wait = WAIT;
    loop {
        match Streams::local(&settings.socket, settings.mode) {
            Ok(listener) => return listener,
            // Amazon's images start their monitor by themselves, and nobody asked for ours.
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && settings.when == When::OnAnEc2Mac => {
                line.stands_by(&format!("{error}: {}", remedy(error.kind())));
            }
            Err(error) => line.failed(&error, &remedy(error.kind())),
        }
        sleep(wait).await;
        wait = (wait * 2).min(LONGEST_WAIT);
    }
}

fn remedy(error: io::ErrorKind) -> String {
    match error {
        io::ErrorKind::AddrInUse => format!(
            "the EC2 System Monitor or another daemon relays already: leave it to that one, or let `sudo {SETUP} enable` hand over to this one"
        ),
        io::ErrorKind::NotFound => {
            "make the folder that `socket` of agent.serial_relay names, and let the daemon's user write to it"
                .to_owned()
        }
        io::ErrorKind::PermissionDenied => {
            "let the daemon's user, and nobody else, replace what lies in the folder that `socket` of \
             agent.serial_relay names"
                .to_owned()
        }
        _ => "see `socket` of agent.serial_relay".to_owned(),
    }
}

/// Ends when the socket's path is not ours any more. At the stop we give it up ourselves.
async fn displaced(listener: &Streams, stop: &CancellationToken) {
    while stop.is_cancelled() || listener.is_in_place() {
        sleep(LOOK).await;
    }
}

async fn say_totals_for_ever() {
    let mut tick = interval_at(Instant::now() + TOTALS, TOTALS);
    loop {
        tick.tick().await;
        say_totals("");
    }
}

/// What was relayed, refused and given up since this process began.
pub fn say_totals(of: &'static str) {
    let refused = [
        &counters::RELAY_REFUSED_FORM,
        &counters::RELAY_REFUSED_CHECKSUM,
        &counters::RELAY_REFUSED_TOO_LONG,
        &counters::RELAY_REFUSED_TORN,
    ];
    tracing::info!(
        bytes_sent = counters::RELAY_BYTES_SENT.get(),
        bytes_relayed = counters::RELAY_BYTES.get(),
        frames_relayed = counters::RELAY_FRAMES.get(),
        refused = refused.into_iter().map(|counter| counter.get()).sum::<u64>(),
        given_up = counters::RELAY_FRAMES_GIVEN_UP.get() + counters::RELAY_FRAMES_EXPIRED.get(),
        "serial relay{of}: totals since the start of the daemon"
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::log::said;

    #[test]
    fn totals_are_said_every_ten_minutes() {
        let times = |minutes: u64| {
            let said = said(|| {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
                let wait = Duration::from_secs(minutes * 60 + 1);
                runtime.expect("a runtime").block_on(async {
                    assert!(tokio::time::timeout(wait, say_totals_for_ever()).await.is_err(), "it goes on");
                });
            });
            said.iter().filter(|line| line.contains("totals since the start")).count()
        };
        assert_eq!([9, 10, 25].map(times), [0, 1, 2]);
    }

    #[cfg(unix)]
    #[tokio::test(start_paused = true)]
    async fn a_socket_that_another_took_displaces_us_and_our_own_stop_does_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let listen = |name: &str| Streams::local(&folder.path().join(name), 0o600).expect("bound");
        for (stops, gone) in [(false, true), (true, false)] {
            let (listener, stop) = (listen(if stops { "a" } else { "b" }), CancellationToken::new());
            assert!(tokio::time::timeout(LOOK * 5, displaced(&listener, &stop)).await.is_err(), "it is there");
            if stops {
                stop.cancel();
            }
            listener.close_door();
            let told = tokio::time::timeout(LOOK * 5, displaced(&listener, &stop)).await.is_ok();
            assert_eq!(told, gone);
        }
    }

    #[cfg(unix)]
    #[tokio::test(start_paused = true)]
    async fn a_relay_that_nobody_asked_for_stands_by_and_one_that_was_asked_for_complains() {
        let folder = tempfile::tempdir().expect("a folder");
        let socket = folder.path().join("s");
        let _monitor = std::os::unix::net::UnixListener::bind(&socket).expect("bound");
        for (when, complains) in [(When::OnAnEc2Mac, false), (When::Always, true)] {
            let board = Arc::new(Board::default());
            let line = Line::new(&board, "relay".to_owned(), WHAT);
            let settings = SerialRelay { when, device: None, socket: socket.clone(), mode: 0o600, tags: vec![] };
            assert!(tokio::time::timeout(WAIT, claimed(&settings, &line)).await.is_err(), "it is another's");
            let shown = board.read().sources.into_values().next().expect("a line");
            let told = if complains { shown.last_error.as_deref() } else { shown.state.as_deref() };
            assert!(told.is_some_and(|told| told.contains("another program listens there") && told.contains(SETUP)));
            assert_eq!((shown.last_error.is_some(), shown.state.is_some()), (complains, !complains));
        }
    }
}
