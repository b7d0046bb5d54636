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
mod once;
mod scratch;
mod signals;
mod state;
mod status;
mod tasks;
mod wiring;

pub use identity::{Identity, IdentityError};
pub use signals::{Request, Signals};
pub use state::{Home, StateError, StateFolder, default_store};
pub use status::{ask, socket_path};

use crate::{
    config::Settings,
    publish::{Put, chain},
};
use std::{
    io,
    path::PathBuf,
    pin::pin,
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
    #[error("nothing could be delivered for {} seconds; what is left is kept for the next run: {why}", once::STALLED.as_secs())]
    Undelivered { why: String },
    #[error("stopped at once by a second signal; what was not delivered will be sent at the next start")]
    Interrupted,
}

/// Run until asked to stop. `reload` reads the configuration again; it says itself what is wrong with it.
///
/// A new configuration that cannot be started changes nothing: the old one goes on.
///
/// # Errors
/// When it cannot start, or cannot go on.
pub async fn run(
    mut settings: Settings,
    options: &Options,
    signals: &mut Signals,
    reload: &dyn Fn() -> Option<Settings>,
) -> Result<(), DaemonError> {
    let Some(mut running) = start(&settings, options, signals).await? else { return Ok(()) };
    loop {
        let ended = attend(&mut running, &settings, options, signals, reload).await;
        stop(running, &settings, signals).await?;
        let Ended::Reload(new) = ended? else { return Ok(()) };
        let started = match start(&new, options, signals).await {
            Ok(started) => {
                settings = *new;
                started
            }
            Err(error) => {
                tracing::error!("the new configuration cannot be started, so the old one goes on: {}", chain(&error));
                start(&settings, options, signals).await?
            }
        };
        match started {
            Some(again) => running = again,
            None => return Ok(()),
        }
    }
}

/// Why it runs no more.
enum Ended {
    /// It was asked to, or had only one round to do.
    Stopped,
    /// It is to go on with these settings.
    Reload(Box<Settings>),
}

/// Start everything; `None` when a request to stop came first: the command that names this machine may take its time.
async fn start(settings: &Settings, options: &Options, signals: &mut Signals) -> Result<Option<Running>, DaemonError> {
    let mut starting = pin!(Running::start(settings, options));
    let mut reload = false;
    let started = loop {
        tokio::select! {
            started = &mut starting => break started,
            request = signals.next() => match request {
                Request::Stop => return Ok(None),
                Request::Reload => reload = true,
            },
        }
    };
    if reload {
        signals.put_back(Request::Reload);
    }
    started.map(Some)
}

/// Wait for the end, or for a reason to end.
async fn attend(
    running: &mut Running,
    settings: &Settings,
    options: &Options,
    signals: &mut Signals,
    reload: &dyn Fn() -> Option<Settings>,
) -> Result<Ended, DaemonError> {
    let Running { tasks, board, state, .. } = running;
    let mut round = pin!(once::finished(board, settings.metrics.is_some()));
    let mut taken = pin!(state.taken());
    loop {
        tokio::select! {
            request = signals.next() => match request {
                Request::Stop => return Ok(Ended::Stopped),
                Request::Reload => match reload() {
                    Some(settings) => return Ok(Ended::Reload(Box::new(settings))),
                    None => tracing::error!("the configuration was not reloaded; the old one stays in force"),
                },
            },
            name = tasks.next_end() => return Err(DaemonError::TaskEnded(name)),
            by = &mut taken => return Err(by.into()),
            done = &mut round, if options.once => return done.map(|()| Ended::Stopped),
        }
    }
}

/// Take everything down in order, or at once when it is asked for a second time.
async fn stop(running: Running, settings: &Settings, signals: &mut Signals) -> Result<(), DaemonError> {
    tracing::info!(seconds = settings.agent.shutdown.as_secs(), "stopping");
    tokio::select! {
        () = running.stop(settings.agent.shutdown) => Ok(()),
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
