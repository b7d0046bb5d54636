//! Builds every room from the settings, connects them, and takes them down again in order.
use super::{
    DaemonError, Home, Identity, Options, Override, StateFolder, lanes::Lanes, scratch::Scratch, status, tasks::Tasks,
};
use crate::{
    aws,
    config::{
        Settings, placeholder,
        settings::{FileItem, TargetTemplate},
    },
    local,
    logs::{files, journald},
    metrics,
    model::{Checkpoints, Outlet, Room, Target, Timestamp},
    pipeline::batch_metrics,
    positions,
    publish::{DeadLetters, LogPublisher, MetricPublisher, Put, Report, Retention},
    spool::Spool,
    telemetry::board::Board,
};
use std::{
    borrow::Cow,
    path::Path,
    sync::{Arc, mpsc as std_mpsc},
    time::Duration,
};
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, timeout_at},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Readings that wait for the metric stage; each is one interval's worth.
const READINGS: usize = 4;
/// Metric batches that wait for their publisher.
const METRIC_BATCHES: usize = 16;

/// The daemon with everything in it.
pub struct Running {
    pub tasks: Tasks,
    pub board: Arc<Board>,
    lanes: TaskTracker,
    positions: Arc<positions::Store>,
    /// Heard by the sources only.
    stop: CancellationToken,
    /// From here on no log batch is tried again.
    stopping: CancellationToken,
    /// From here on unsent metric batches go to the spool.
    hurry: CancellationToken,
    wake: std_mpsc::Sender<files::Wake>,
    /// Held last: its lock keeps other daemons out until nothing of us is left.
    pub state: StateFolder,
    /// A throw-away copy of the state, in a dry run.
    _scratch: Option<Scratch>,
}

impl Running {
    /// Claim the state, name the machine, build and start everything.
    pub async fn start(settings: &Settings, options: &Options) -> Result<Self, DaemonError> {
        let home = Home::of(settings, &options.destination);
        let scratch = match options.destination {
            Override::DryRun(_) => Some(Scratch::of(&home.state)?),
            Override::AsConfigured | Override::Local(_) => None,
        };
        let state = StateFolder::claim(scratch.as_ref().map_or_else(|| home.state.clone(), Scratch::state))?;
        let identity = Identity::find(&settings.agent.instance).await?;
        let board = Arc::new(Board::default());
        let positions = positions::Store::open(state.path(), board.clone())?;
        let (wake, wakes) = std_mpsc::channel();
        let mut running = Self {
            tasks: Tasks::default(),
            lanes: TaskTracker::new(),
            positions,
            stop: CancellationToken::new(),
            stopping: CancellationToken::new(),
            hurry: CancellationToken::new(),
            board,
            wake,
            state,
            _scratch: scratch,
        };
        let built = running.build(settings, options, &identity, home.store.as_deref(), wakes);
        if let Err(error) = built {
            // What has been spawned may hold what the next start needs.
            running.tasks.abort().await;
            return Err(error);
        }
        Ok(running)
    }

    fn build(
        &mut self,
        settings: &Settings,
        options: &Options,
        identity: &Identity,
        store: Option<&Path>,
        wakes: std_mpsc::Receiver<files::Wake>,
    ) -> Result<(), DaemonError> {
        let (put, destination) = self.destination(settings, options, identity, store)?;
        self.open_status(settings, identity, destination, store);
        self.start_metrics(settings, identity, put.clone())?;
        self.start_logs(settings, options, identity, put, wakes)?;
        let (config, state) = (settings.file.display(), self.state.path().display());
        let store = store.map(|store| tracing::field::display(store.display()));
        let (version, instance) = (env!("CARGO_PKG_VERSION"), &identity.instance_id);
        tracing::info!(version, %config, destination, instance, %state, store, "started");
        Ok(())
    }

    fn destination(
        &mut self,
        settings: &Settings,
        options: &Options,
        identity: &Identity,
        store: Option<&Path>,
    ) -> Result<(Arc<dyn Put>, &'static str), DaemonError> {
        match (&options.destination, store) {
            (Override::DryRun(put), _) => Ok((put.clone(), "dry-run")),
            (Override::AsConfigured | Override::Local(_), Some(folder)) => {
                Ok((Arc::new(local::Store::open(folder, settings.local.retention)?), "local"))
            }
            (Override::AsConfigured | Override::Local(_), None) => {
                let connection = aws::connect(settings, &identity.instance_id, self.board.clone())?;
                self.board.destination("credentials", |_| {});
                self.tasks.spawn("credentials", connection.renewal.run(self.stopping.clone()));
                Ok((connection.put, "aws"))
            }
        }
    }

    fn open_status(
        &mut self,
        settings: &Settings,
        identity: &Identity,
        destination: &'static str,
        store: Option<&Path>,
    ) {
        let path = status::socket_path(self.state.path());
        let about = status::About {
            config: std::path::absolute(&settings.file).unwrap_or_else(|_| settings.file.clone()),
            state_folder: self.state.path().to_path_buf(),
            store: store.map(Path::to_path_buf),
            instance_id: identity.instance_id.clone(),
            destination,
            started: Timestamp::now(),
        };
        match status::listen(&path) {
            Ok(listener) => {
                let (board, stop) = (self.board.clone(), self.stop.clone());
                self.tasks.spawn("status", async move {
                    stop.run_until_cancelled(status::serve(listener, about, board)).await;
                });
            }
            Err(error) => tracing::warn!(socket = %path.display(), %error, "`status` will not work"),
        }
    }

    fn start_metrics(
        &mut self,
        settings: &Settings,
        identity: &Identity,
        put: Arc<dyn Put>,
    ) -> Result<(), DaemonError> {
        // Without metrics the spool is served all the same: an earlier run may have left something there.
        let spool = Arc::new(Spool::open(&self.state.path().join("spool"), settings.agent.spool)?);
        let report = Arc::new(Report::new(self.board.clone(), "metrics"));
        let (batches, to_publisher) = mpsc::channel(METRIC_BATCHES);
        let publisher = MetricPublisher { put, report, spool, spool_now: self.hurry.clone() };
        self.tasks.spawn("metric publisher", publisher.run(to_publisher));
        let Some(metrics) = &settings.metrics else {
            // Nothing will come, but the end of the input must come with the stop, not before it.
            let stop = self.stop.clone();
            self.tasks.spawn("no metrics", async move {
                stop.cancelled().await;
                drop(batches);
            });
            return Ok(());
        };
        // A line for what has not been tried yet, too.
        self.board.destination("metrics", |_| {});
        let (readings, to_stage) = mpsc::channel(READINGS);
        self.tasks.spawn("metric stage", batch_metrics(metrics.namespace.clone(), to_stage, batches));
        let site = metrics::Site::new(&identity.instance_id, &identity.hostname, &metrics.append_dimensions);
        let collectors =
            metrics::Entry::find(metrics::THE_THIRTEEN).map(|entry| entry.build(&site)).into_iter().collect();
        let offset = metrics::scheduler::fleet_offset(&identity.instance_id, metrics.interval);
        let scheduler = metrics::scheduler::run(collectors, metrics.interval, offset, readings, self.stop.clone());
        self.tasks.spawn("metric scheduler", scheduler);
        Ok(())
    }

    fn start_logs(
        &mut self,
        settings: &Settings,
        options: &Options,
        identity: &Identity,
        put: Arc<dyn Put>,
        wakes: std_mpsc::Receiver<files::Wake>,
    ) -> Result<(), DaemonError> {
        let positions = self.positions.clone();
        let publisher = LogPublisher {
            put,
            acknowledge: Arc::new(move |covers| positions.acknowledge(covers)),
            report: Arc::new(Report::new(self.board.clone(), "logs")),
            dead_letters: Arc::new(DeadLetters::in_folder(self.state.path())),
            retention: Arc::new(Retention::in_folder(self.state.path())),
            no_retries: self.stopping.clone(),
            lanes: Arc::default(),
        };
        // One round has nothing to wait for.
        let interval = if options.once { Duration::from_millis(200) } else { settings.logs.interval };
        if settings.logs.journal.is_some() || !settings.logs.files.is_empty() {
            self.board.destination("logs", |_| {});
        }
        let outlet: Arc<dyn Outlet> = Arc::new(Lanes::new(publisher, interval, self.lanes.clone()));
        let checkpoints: Arc<dyn Checkpoints> = self.positions.clone();
        self.tasks.spawn("positions", positions::run(self.positions.clone(), self.hurry.clone()));
        if let Some(journal) = &settings.logs.journal {
            let target = target(&journal.target, &journal.at, identity)?;
            let options = journald::Options::new(target, journal.filter.clone());
            let (outlet, stop, board) = (outlet.clone(), self.stop.clone(), self.board.clone());
            self.tasks.spawn("journal", journald::run(options, checkpoints.clone(), outlet, board, stop));
        }
        if !settings.logs.files.is_empty() {
            let watches = settings.logs.files.iter().map(|item| watch(item, identity)).collect::<Result<_, _>>()?;
            let wake = self.wake.clone();
            let room = Room::new(move || {
                // A tail thread that has ended needs no room.
                let _ = wake.send(files::Wake::Room);
            });
            let tailer = files::Tailer::new(watches, checkpoints, outlet.as_ref(), room, self.board.clone());
            self.start_tail_thread(tailer, wakes)?;
        }
        Ok(())
    }

    /// Reading files blocks, on a dead mount for ever: that has a thread of its own.
    fn start_tail_thread(
        &mut self,
        tailer: files::Tailer,
        wakes: std_mpsc::Receiver<files::Wake>,
    ) -> Result<(), DaemonError> {
        let (ended, end) = oneshot::channel::<()>();
        let wake = self.wake.clone();
        std::thread::Builder::new()
            .name("tail".into())
            .spawn(move || {
                files::run(tailer, wake, &wakes);
                drop(ended);
            })
            .map_err(|source| DaemonError::Thread { what: "thread that follows the log files", source })?;
        self.tasks.spawn("tail", async move { drop(end.await) });
        Ok(())
    }

    /// Take everything down: sources first, then what they fed, all within `limit`.
    pub async fn stop(mut self, limit: Duration) {
        let deadline = Instant::now() + limit;
        self.stopping.cancel();
        self.stop.cancel();
        // The tail thread may have ended already.
        let _ = self.wake.send(files::Wake::Stop);
        self.lanes.close();
        let hurry = self.hurry.clone();
        let last_call = async {
            tokio::time::sleep(limit.mul_f64(0.7)).await;
            hurry.cancel();
            std::future::pending::<()>().await;
        };
        let drained = async {
            let lanes_late = timeout_at(deadline, self.lanes.wait()).await.is_err();
            hurry.cancel();
            let mut late = self.tasks.wait(deadline).await;
            if lanes_late {
                late.push("log lanes");
            }
            late
        };
        let late = tokio::select! {
            late = drained => late,
            () = last_call => unreachable!("it never ends"),
        };
        if let Err(error) = self.positions.save_now().await {
            tracing::error!(
                error = crate::publish::chain(&error),
                "the positions could not be saved; some lines will be sent twice"
            );
        }
        if late.is_empty() {
            tracing::info!("stopped; everything that was read is delivered or kept");
        } else {
            tracing::warn!(
                late = late.join(", "),
                "stopped at the deadline; what was not delivered will be sent at the next start"
            );
        }
        self.tasks.abort().await;
    }
}

/// Fill the placeholders in.
fn target(template: &TargetTemplate, at: &str, identity: &Identity) -> Result<Arc<Target>, DaemonError> {
    let fill = |text: &str, fit: fn(&str) -> Cow<'_, str>| {
        let value = |name: &str| identity.value(name).map(|value| fit(&value).into_owned());
        placeholder::fill(text, value).map_err(|unfilled| DaemonError::Placeholder {
            at: at.to_owned(),
            name: unfilled.name,
            template: text.to_owned(),
        })
    };
    let group = fill(&template.group, placeholder::group_value)?;
    let stream = fill(&template.stream, placeholder::stream_value)?;
    Ok(Arc::new(Target { group, stream, retention_in_days: template.retention_in_days }))
}

fn watch(item: &FileItem, identity: &Identity) -> Result<files::Watch, DaemonError> {
    let target = target(&item.target, &item.at, identity)?;
    let (path, filter) = (item.path.clone(), item.filter.clone());
    Ok(files::Watch { path, target, filter, from_beginning: item.from_beginning })
}
