//! What receives metrics over sockets. It has a thread of its own, so that nothing that another task does keeps datagrams waiting for
//! longer than the system's buffer lasts.
use super::{DaemonError, wiring::Running};
use crate::{
    config::settings::Statsd,
    metrics::{scheduler::Place, statsd},
    model::Reading,
};
use tokio::{
    runtime,
    sync::{mpsc, oneshot},
};

/// Start what receives statsd lines; `source` is its number among the sources of metrics.
pub fn start_statsd(
    running: &mut Running,
    settings: Statsd,
    source: usize,
    place: Place,
    readings: mpsc::Sender<Reading>,
) -> Result<(), DaemonError> {
    let (board, stop) = (running.board.clone(), running.stop_sources.clone());
    let failed = |source| DaemonError::Thread { what: "thread that receives statsd lines", source };
    let mut runtime = runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().max_blocking_threads(1).build().map_err(failed)?;
    let (ended, end) = oneshot::channel::<()>();
    std::thread::Builder::new()
        .name("statsd".into())
        .spawn(move || {
            runtime.block_on(statsd::run(settings, source, place, readings, board, stop));
            // The look-up of a name may hang.
            runtime.shutdown_background();
            drop(ended);
        })
        .map_err(failed)?;
    running.tasks.spawn("statsd", async move { drop(end.await) });
    Ok(())
}
