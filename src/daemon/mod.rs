//! The only spawner of long-lived tasks: wires the rooms, watches them, and stops them in order.
//!
//! ```text
//!  scheduler ─ Points ─> batch_metrics ─ MetricBatch ─> MetricPublisher ─> Put     (failed: spool)
//!  tail thread ┐
//!  journald    ┴ Chunk ─> batch_logs ─ LogBatch ─> LogPublisher ─> Put ─> positions   (one such lane a target)
//! ```
//!
//! Start needs no network. Stop: only the sources hear it; each stage ends when its input ends; one deadline for all. What
//! is not acknowledged by then is read again, what is not sent by then is spooled.
mod identity;
mod lanes;
mod signals;
mod state;
mod status;
mod tasks;
mod wiring;

pub use identity::{Identity, IdentityError};
pub use signals::{Request, Signals};
pub use state::{StateError, StateFolder, default_folder, locate};
pub use status::{ask, socket_path};

use crate::{
    config::Settings,
    publish::Put,
    telemetry::{board::Board, counters},
};
use std::{
    io,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};
use wiring::Running;

/// Where batches go, if not where the configuration says.
#[derive(Clone, Default)]
pub enum Override {
    #[default]
    AsConfigured,
    /// The embedded CloudWatch, in this folder or the configured one.
    Local(Option<PathBuf>),
    /// This destination, on a copy of the saved positions.
    DryRun(Arc<dyn Put>),
}

/// How the daemon is to run.
#[derive(Clone, Default)]
pub struct Options {
    pub destination: Override,
    /// Stop by itself when everything that is there has been sent.
    pub once: bool,
}

/// Why it runs no more.
pub enum Ended {
    /// It was asked to, or had only one round to do.
    Stopped,
    /// It is to go on with these settings.
    Reload(Box<Settings>),
}

/// Why the daemon could not start or go on.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    #[error(transparent)]
    State(#[from] StateError),
    #[error("this machine has no usable name")]
    Identity(#[from] IdentityError),
    #[error("{at}: this machine has no value for {{{name}}} now, so `{template}` cannot be filled in")]
    Placeholder { at: String, name: String, template: String },
    #[error("the saved positions cannot be used")]
    Positions(#[from] crate::positions::PositionsError),
    #[error("the spool cannot be used")]
    Spool(#[from] crate::spool::SpoolError),
    #[error("the embedded CloudWatch cannot be used")]
    Local(#[from] crate::local::LocalError),
    #[error("the way to AWS cannot be set up")]
    Aws(#[from] crate::aws::ConnectError),
    #[error("the {what} could not be started")]
    Thread { what: &'static str, source: io::Error },
    #[error("the task `{0}` ended by itself; that is a fault in this program, please report it")]
    TaskEnded(&'static str),
    #[error("stopped at once by a second signal; what was not delivered will be sent at the next start")]
    Interrupted,
}

/// Run until asked to stop. `reload` reads the configuration again; it says itself what is wrong with it.
///
/// # Errors
/// When it cannot start, or cannot go on.
pub async fn run(
    settings: &Settings,
    options: &Options,
    signals: &mut Signals,
    reload: &dyn Fn() -> Option<Settings>,
) -> Result<Ended, DaemonError> {
    let mut running = Running::start(settings, options).await?;
    let ended = loop {
        tokio::select! {
            request = signals.next() => match request {
                Request::Stop => break Ok(Ended::Stopped),
                Request::Reload => match reload() {
                    Some(settings) => break Ok(Ended::Reload(Box::new(settings))),
                    None => tracing::error!("the configuration was not reloaded; the old one stays in force"),
                },
            },
            name = running.tasks.next_end() => break Err(DaemonError::TaskEnded(name)),
            () = caught_up(&running.board, settings.metrics.is_some()), if options.once => break Ok(Ended::Stopped),
        }
    };
    tracing::info!(seconds = settings.agent.shutdown.as_secs(), "stopping");
    tokio::select! {
        () = running.stop(settings.agent.shutdown) => ended,
        () = second_stop(signals) => Err(DaemonError::Interrupted),
    }
}

/// Ends at a second request to stop. One that comes right behind the first is the same request: `timeout` and terminals
/// send theirs to the process and to its group.
async fn second_stop(signals: &mut Signals) {
    const SAME: Duration = Duration::from_millis(500);
    let first = Instant::now();
    while signals.next().await != Request::Stop || first.elapsed() < SAME {}
}

/// Ends when the first reading is on its way and nothing that the sources hold is unsent, twice in a row.
async fn caught_up(board: &Board, metrics: bool) {
    /// How often to look; the first look comes late enough for the sources to have opened what is there.
    const LOOK: Duration = Duration::from_millis(500);
    let mut quiet = 0;
    while quiet < 2 {
        tokio::time::sleep(LOOK).await;
        let sent = counters::METRIC_REQUESTS.get() + counters::BATCHES_SPOOLED.get() > 0;
        let lag = board.read().sources.values().any(|s| s.size.is_some_and(|size| size > s.acknowledged));
        quiet = if lag || (metrics && !sent) { 0 } else { quiet + 1 };
    }
}
