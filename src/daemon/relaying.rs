//! The serial relay: its listener, and the thread that has the device.
use super::{
    DaemonError,
    wiring::{Running, SPOOL_AT},
};
use crate::{
    config::settings::{Agent, serial_relay::When},
    platform::serial,
    relay::{self, Gate, Left, Queue, device},
    telemetry::listening::Line,
};
use std::sync::Arc;
use tokio::{sync::oneshot, time::sleep};

/// Start it, where it is wanted on this host. Of the time for a stop the device has a part, for what waits.
///
/// What the relay of an earlier configuration could not write is in `left`.
pub fn start(running: &mut Running, agent: &Agent, left: &Arc<Left>) -> Result<(), DaemonError> {
    let (settings, shutdown) = (&agent.serial_relay, agent.shutdown);
    let wanted = match settings.when {
        When::Always => true,
        When::Never => false,
        When::OnAnEc2Mac => serial::device_of_this_mac().is_some(),
    };
    // A round has nothing to relay, and one that only prints what it would send must not send this.
    if !wanted || running.once || running.is_dry() {
        left.give_up();
        return Ok(());
    }
    let gate = Arc::new(Gate::default());
    let (queue, orders) = Queue::new(gate.clone());
    let name = settings.device.as_deref().unwrap_or(serial::DEVICES[0].as_ref());
    let line = Line::new(&running.board, format!("serial device {}", name.display()), "");
    let (ended, end) = oneshot::channel::<()>();
    let (host, theirs, left) = (device::Host { device: settings.device.clone() }, gate.clone(), left.clone());
    std::thread::Builder::new()
        .name("serial".into())
        .spawn(move || {
            device::run(host, &orders, theirs, line, left);
            drop(ended);
        })
        .map_err(|source| DaemonError::Thread { what: "thread that writes to the serial device", source })?;
    let (board, stop) = (running.board.clone(), running.stop_sources.clone());
    let stopped = stop.clone();
    let no_more_time = async move {
        stopped.cancelled().await;
        sleep(shutdown.mul_f64(SPOOL_AT)).await;
    };
    running.tasks.spawn("serial device", async move {
        let mut end = end;
        tokio::select! {
            _ = &mut end => {}
            () = no_more_time => {
                gate.give_up();
                drop(end.await);
            }
        }
        relay::say_totals("stopped");
    });
    running.tasks.spawn("serial relay", relay::run(settings.clone(), queue, board, stop));
    Ok(())
}
