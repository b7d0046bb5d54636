//! The only spawner of long-lived tasks: wires the rooms, watches them, and stops them in order.
//!
//! ```text
//!  scheduler ─ Reading ─> pack_metrics ─ MetricBatch ─> MetricPublisher ─> Put     (failed: spool)
//!  find threads ─ tail thread             ┐
//!  journal, Windows events, unified log   ┼ Chunk ─> batch_logs ─ LogBatch ─> LogPublisher ─> Put ─> positions
//!  EMF, FIFOs ─ Keeper (spool of log text)┘          (one such lane a target)
//! ```
//!
//! Start needs no network. A new configuration is planned while the old one runs; only one that can be started stops it. Stop: only the sources hear it; each stage ends when its input ends; one deadline for all. What
//! is not acknowledged by then is read again, what is not sent by then is spooled.
mod asking;
mod facts;
mod identity;
mod imports;
mod lanes;
mod listeners;
mod measuring;
mod memory;
mod names;
mod notify;
mod once;
mod plan;
mod received;
mod relaying;
mod scratch;
pub mod service;
mod signals;
mod sources;
mod state;
mod status;
mod tasks;
mod wiring;

pub use identity::{Identity, IdentityError};
pub use notify::Notify;
pub use plan::{UnfitName, names_in_use, unfit_names};
pub use signals::{Request, Signals};
pub use state::{Home, StateError, StateFolder, usual_stores};
pub use status::{ask, socket_path};

use crate::{
    config::Settings,
    local::Trouble,
    publish::{Put, chain},
    relay::Left,
    telemetry::{board::Board, log},
};
use futures_util::future::BoxFuture;
use plan::{News, Plan};
use std::{
    io,
    path::PathBuf,
    pin::pin,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio_util::task::AbortOnDropHandle;
use wiring::Running;

/// Where batches go, if not where the configuration says.
#[derive(Clone, Default)]
pub enum Override {
    #[default]
    AsConfigured,
    /// The embedded CloudWatch, in this folder or the configured one.
    Local(Option<PathBuf>),
    /// This destination, on a copy of the saved positions, until it cannot be printed any more.
    DryRun(Arc<dyn Put>, Arc<Trouble>),
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
    #[error(transparent)]
    Name(#[from] UnfitName),
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
    #[error(
        "not every log could be read: {which}; the others are delivered. Where this user lacks the right, give it (often \
         by the group adm), or take the log out of the configuration"
    )]
    Unread { which: String },
    #[error("standard output takes no more requests: {0}")]
    Output(io::ErrorKind),
    #[error("stopped at once by a second signal; what was not delivered will be sent at the next start")]
    Interrupted,
}

impl DaemonError {
    /// Whether only another configuration or environment can help: a service manager must not try again.
    pub fn is_configuration(&self) -> bool {
        match self {
            Self::Aws(_) | Self::Name(_) => true,
            Self::State(_)
            | Self::Identity(_)
            | Self::Positions(_)
            | Self::Spool(_)
            | Self::Local(_)
            | Self::Thread { .. }
            | Self::TaskEnded(_)
            | Self::Undelivered { .. }
            | Self::Unread { .. }
            | Self::Output(_)
            | Self::Interrupted => false,
        }
    }
}

/// See [`Reload::read`].
pub type Read = Arc<dyn Fn() -> Result<Settings, String> + Send + Sync>;

/// What whoever reads the configuration does when a reload is asked for.
pub struct Reload<'a> {
    /// Reads it again, and says itself what is wrong with it; the first error is handed back. Blocks: it looks at files of this host.
    pub read: Read,
    /// Told which settings run from now on.
    pub in_force: &'a dyn Fn(&Settings),
}

/// Run until asked to stop. A new configuration that cannot be started changes nothing: the old one goes on.
///
/// # Errors
/// When it cannot start, or cannot go on.
pub async fn run(
    settings: Settings,
    options: &Options,
    signals: &mut Signals,
    reload: &Reload<'_>,
    notify: &Notify,
) -> Result<(), DaemonError> {
    notify.beside(live(settings, options, signals, reload, notify)).await
}

async fn live(
    settings: Settings,
    options: &Options,
    signals: &mut Signals,
    reload: &Reload<'_>,
    notify: &Notify,
) -> Result<(), DaemonError> {
    let Some(mut plan) = first_plan(settings, options, signals).await? else { return Ok(()) };
    let left = Arc::new(Left::default());
    let mut running = Running::start(&plan, options, &left).await?;
    loop {
        notify.ready(&running.board);
        let ended = attend(&mut running, &mut plan, options, signals, (reload, notify)).await;
        let goes_on = matches!(ended, Ok(Ended::Reload(_)));
        left.expect_another(goes_on);
        if !goes_on {
            notify.stopping(plan.settings.agent.shutdown);
        }
        stop(running, &plan.settings, signals).await?;
        let Ended::Reload(new) = ended? else { return Ok(()) };
        running = match Running::start(&new, options, &left).await {
            Ok(running) => {
                plan = *new;
                (reload.in_force)(&plan.settings);
                tracing::info!(config = %plan.settings.file.display(), "reloaded: the new configuration is in force");
                running
            }
            Err(error) => {
                // With the names that it had: nothing is asked again that may fail now.
                let running = Running::start(&plan, options, &left).await;
                old_goes_on(&error, &plan, running.as_ref().ok().map(|running| &*running.board));
                running?
            }
        };
    }
}

/// Says so, and puts it on the board where there is one.
fn old_goes_on(error: &DaemonError, plan: &Plan, board: Option<&Board>) {
    let why = chain(error);
    tracing::error!("the new configuration cannot be started, so the old one goes on: {why}");
    board.inspect(|board| board.refused(&plan.settings.file, why));
}

/// Why it runs no more.
enum Ended {
    /// It was asked to, or had only one round to do.
    Stopped,
    /// It is to go on like this.
    Reload(Box<Plan>),
}

/// The plan to start with; `None` when a request to stop came first: the command that names this machine may take its time.
async fn first_plan(settings: Settings, options: &Options, signals: &mut Signals) -> Result<Option<Plan>, DaemonError> {
    let mut making = pin!(Plan::make(settings, options));
    let mut reload = false;
    let made = loop {
        tokio::select! {
            made = &mut making => break made,
            request = signals.next() => match request {
                Request::Stop => return Ok(None),
                Request::Reload => reload = true,
            },
        }
    };
    if reload {
        signals.put_back(Request::Reload);
    }
    made.map(Some)
}

/// What the configuration comes to that is there now; the inner error is that of a file that cannot run.
async fn plan_again(read: Read, options: &Options) -> Result<Result<Plan, String>, DaemonError> {
    // One that is asked for anew before it has begun is not begun.
    let reading = AbortOnDropHandle::new(tokio::task::spawn_blocking(move || read()));
    let settings = reading.await.unwrap_or_else(|error| match error.try_into_panic() {
        Ok(panic) => std::panic::resume_unwind(panic),
        // Only where the runtime is about to end.
        Err(_) => Err("it was not read to its end".to_owned()),
    });
    match settings {
        Ok(settings) => Plan::make(settings, options).await.map(Ok),
        Err(why) => Ok(Err(why)),
    }
}

/// Wait for the end, or for a reason to end.
async fn attend(
    running: &mut Running,
    plan: &mut Plan,
    options: &Options,
    signals: &mut Signals,
    (reload, notify): (&Reload<'_>, &Notify),
) -> Result<Ended, DaemonError> {
    let (board, state) = (running.board.clone(), running.state.clone());
    // What only comes when others send it may never come.
    let measures = plan.settings.metrics.as_ref().is_some_and(|metrics| !metrics.plugins.is_empty());
    let turns = running.first_turns.clone();
    let mut round = pin!(async {
        once::first_turns(&turns).await;
        once::finished(&board, measures).await
    });
    let mut taken = pin!(state.taken());
    let mut minute = tokio::time::interval(Duration::from_mins(1));
    // A configuration that is asked for anew while one is being planned takes its place.
    let mut planning: Option<BoxFuture<'_, Result<Result<Plan, String>, DaemonError>>> = None;
    // Of more sources at a time; what is learned meanwhile is looked at when that is done.
    let mut preparing: Option<BoxFuture<'_, News>> = None;
    loop {
        tokio::select! {
            request = signals.next() => match request {
                Request::Stop => return Ok(Ended::Stopped),
                Request::Reload => {
                    tracing::info!(config = %plan.settings.file.display(), "asked to reload: the configuration is read again");
                    notify.reloading();
                    planning = Some(Box::pin(plan_again(reload.read.clone(), options)));
                }
            },
            planned = outcome(&mut planning) => {
                planning = None;
                match planned {
                    Ok(Ok(plan)) => return Ok(Ended::Reload(Box::new(plan))),
                    Ok(Err(why)) => {
                        tracing::error!("the configuration was not reloaded; the old one stays in force");
                        board.refused(&plan.settings.file, why);
                    }
                    Err(error) => old_goes_on(&error, plan, Some(&*board)),
                }
                notify.ready(&board);
            }
            () = running.names.next(), if preparing.is_none() => preparing = Some(running.prepare_more(plan)),
            news = outcome(&mut preparing) => {
                preparing = None;
                running.open_more(plan, &news)?;
            }
            name = running.tasks.next_end() => return Err(DaemonError::TaskEnded(name)),
            by = &mut taken => return Err(by.into()),
            error = unprintable(&options.destination) => return match error {
                // Whoever read it has seen enough.
                io::ErrorKind::BrokenPipe => Ok(Ended::Stopped),
                error => Err(DaemonError::Output(error)),
            },
            done = &mut round, if options.once => return done.map(|()| Ended::Stopped),
            _ = minute.tick() => log::tell_repeats(),
        }
    }
}

/// Ends when a dry run can print no more.
async fn unprintable(destination: &Override) -> io::ErrorKind {
    match destination {
        Override::DryRun(_, trouble) => trouble.happened().await,
        Override::AsConfigured | Override::Local(_) => std::future::pending().await,
    }
}

/// Waits for ever while there is nothing to come out.
async fn outcome<T>(work: &mut Option<BoxFuture<'_, T>>) -> T {
    match work {
        Some(work) => work.await,
        None => std::future::pending().await,
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

#[cfg(test)]
mod tests;
