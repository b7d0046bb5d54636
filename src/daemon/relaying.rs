//! The serial relay: its listener, and the thread that has the device.
use super::{
    DaemonError,
    wiring::{Running, SPOOL_AT},
};
use crate::{
    config::settings::serial_relay::{SerialRelay, When},
    platform::serial,
    relay::{self, Gate, Queue, device},
    telemetry::listening::Line,
};
use std::{sync::Arc, time::Duration};
use tokio::{sync::oneshot, time::sleep};

/// Start it, where it is wanted on this host. `shutdown`: the time for a whole stop, of which the device has a part for what waits.
pub fn start(running: &mut Running, settings: &SerialRelay, shutdown: Duration) -> Result<(), DaemonError> {
    let wanted = match settings.when {
        When::Always => true,
        When::Never => false,
        When::OnAnEc2Mac => serial::device_of_this_mac().is_some(),
    };
    // A round has nothing to relay, and one that only prints what it would send must not send this.
    if !wanted || running.once || running.is_dry() {
        return Ok(());
    }
    let gate = Arc::new(Gate::default());
    let (queue, orders) = Queue::new(gate.clone());
    let name = settings.device.as_deref().unwrap_or(serial::DEVICES[0].as_ref());
    let line = Line::new(&running.board, format!("serial device {}", name.display()), "");
    let (ended, end) = oneshot::channel::<()>();
    let (host, theirs) = (device::Host { device: settings.device.clone() }, gate.clone());
    std::thread::Builder::new()
        .name("serial".into())
        .spawn(move || {
            device::run(host, &orders, theirs, line);
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
            _ = &mut end => return,
            () = no_more_time => gate.give_up(),
        }
        drop(end.await);
    });
    running.tasks.spawn("serial relay", relay::run(settings.clone(), queue, board, stop));
    Ok(())
}
