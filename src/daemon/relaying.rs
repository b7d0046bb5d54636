//! The serial relay: its listener, and the thread that has the device.
use super::wiring::{Running, SPOOL_AT};
use crate::{
    config::settings::{
        Agent,
        serial_relay::{SerialRelay, When},
    },
    platform::serial,
    relay::{self, Gate, Left, Queue, device},
    telemetry::{board::Board, listening::Line},
};
use std::{path::PathBuf, sync::Arc, time::Duration};
use tokio::{
    sync::oneshot,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

/// The file that tells the next start of a torn frame.
const MARK: &str = "serial-torn";
/// How often a Mac is asked whether it has the device by now.
const LOOK: Duration = Duration::from_secs(30);

/// What all parts of it share.
struct Parts {
    settings: SerialRelay,
    mark: PathBuf,
    /// The time for what waits at the stop.
    at_the_stop: Duration,
    left: Arc<Left>,
    board: Arc<Board>,
    stop: CancellationToken,
}

/// Start it, where it is wanted on this host. Of the time for a stop the device has a part, for what waits.
///
/// What the relay of an earlier configuration could not write is in `left`.
pub fn start(running: &mut Running, agent: &Agent, left: &Arc<Left>) {
    let settings = &agent.serial_relay;
    // A round has nothing to relay, and one that only prints what it would send must not send this.
    if settings.when == When::Never || running.once || running.is_dry() {
        return left.give_up();
    }
    let parts = Parts {
        settings: settings.clone(),
        mark: running.state.path().join(MARK),
        at_the_stop: agent.shutdown.mul_f64(SPOOL_AT),
        left: left.clone(),
        board: running.board.clone(),
        stop: running.stop_sources.clone(),
    };
    running.tasks.spawn("serial relay", async move {
        let stop = parts.stop.clone();
        if device_is_due(&parts.settings, &stop).await {
            relay(parts).await;
        }
        // A relay that ends before its time is one that failed.
    });
}

/// A task that is ended at the deadline leaves its thread no more time either.
struct GiveUp(Arc<Gate>);

impl Drop for GiveUp {
    fn drop(&mut self) {
        self.0.give_up();
    }
}

/// `true` as soon as there is a device to relay to, or one was asked for; `false` at the stop.
async fn device_is_due(settings: &SerialRelay, stop: &CancellationToken) -> bool {
    while settings.when == When::OnAnEc2Mac && serial::device_of_this_mac().is_none() {
        if stop.run_until_cancelled(sleep(LOOK)).await.is_none() {
            return false;
        }
    }
    true
}

/// Relay until the stop.
async fn relay(parts: Parts) {
    let Parts { settings, mark, at_the_stop, left, board, stop } = parts;
    let gate = Arc::new(Gate::default());
    let (queue, orders) = Queue::new(gate.clone());
    let device = settings.device.as_deref().map_or("of this Mac".into(), |path| path.display().to_string());
    let line = Line::new(&board, format!("serial device {device}"), "");
    let (ended, mut end) = oneshot::channel::<()>();
    let (host, theirs) = (device::Host { device: settings.device.clone(), mark }, gate.clone());
    let thread = std::thread::Builder::new().name("serial".into()).spawn(move || {
        device::run(host, &orders, theirs, line, left);
        drop(ended);
    });
    if let Err(error) = thread {
        return tracing::error!(%error, "the thread that writes to the serial device could not be started");
    }
    let _no_longer_than_this = GiveUp(gate.clone());
    tokio::select! {
        // The stop: the thread ends when it has written what waits, or when it is told that there is no more time.
        () = relay::run(settings, queue, board, stop) => {
            if timeout(at_the_stop, &mut end).await.is_err() {
                gate.give_up();
                let _ = end.await;
            }
            relay::say_totals(" stopped");
        }
        // Without it frames would go nowhere: this task ends before its time, which the daemon notices.
        _ = &mut end => {}
    }
}
