//! Builds every room from the settings, connects them, and takes them down again in order.
use super::{
    DaemonError, Options, Override, StateFolder,
    asking::Asks,
    facts::Witness,
    imports,
    lanes::Lanes,
    measuring,
    memory::Memory,
    names::Names,
    plan::Plan,
    received::{Received, pipes_among},
    relaying,
    scratch::Scratch,
    sources::Tail,
    status,
    tasks::Tasks,
};
use crate::{
    aws,
    config::NOTHING_TO_COLLECT,
    local,
    model::{Headcount, Outlet, SourceId, Timestamp},
    pipeline::BodyPool,
    platform, positions,
    publish::{Acknowledge, DeadLetters, LogPublisher, Put, Report, Retention},
    relay::Left,
    spool::text::Door,
    telemetry::{board::Board, counters},
};
use std::{
    collections::{BTreeSet, HashSet},
    path::Path,
    sync::Arc,
    time::Duration,
};
use tokio::time::{Instant, sleep_until, timeout_at};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// How long the stages of one round collect: it has nothing to wait for.
pub const ONE_ROUND: Duration = Duration::from_millis(200);

/// Parts of the time for a stop: when metrics go to the spool, and when log batches are given up for this run, so that there is
/// time left to save what was acknowledged.
pub const SPOOL_AT: f64 = 0.7;
const END_LANES_AT: f64 = 0.9;

/// How it gets to where everything goes.
struct Way {
    put: Arc<dyn Put>,
    /// For people: `aws`, `local`, `dry-run`.
    name: &'static str,
    /// Keeps the credentials fresh, where there are any.
    renewal: Option<aws::Renewal>,
    /// Knows what names and dimensions lack, where somebody may be asked.
    asks: Option<Arc<dyn Asks>>,
}

impl Way {
    /// Sends and asks nothing yet.
    fn out(plan: &Plan, options: &Options, board: &Arc<Board>) -> Result<Self, DaemonError> {
        let Plan { settings, identity, home, .. } = plan;
        Ok(match (&options.destination, &home.store) {
            (Override::DryRun(put, _), _) => Self { put: put.clone(), name: "dry-run", renewal: None, asks: None },
            (Override::AsConfigured | Override::Local(_), Some(folder)) => {
                let put = Arc::new(local::Store::open(folder, settings.local.retention)?);
                Self { put, name: "local", renewal: None, asks: None }
            }
            (Override::AsConfigured | Override::Local(_), None) => {
                let connection = aws::connect(settings, &identity.instance_id, board.clone())?;
                let asks: Arc<dyn Asks> = Arc::new(connection.inquiry);
                Self { put: connection.put, name: "aws", renewal: Some(connection.renewal), asks: Some(asks) }
            }
        })
    }
}

/// Where what has been delivered is noted.
fn acknowledge(positions: Arc<positions::Store>, received: Option<&Received>) -> Acknowledge {
    let keep = received.map(Received::acknowledge);
    Arc::new(move |covers| {
        positions.acknowledge(covers);
        if let Some(keep) = &keep {
            keep(covers);
        }
    })
}

/// What works behind the sources of logs, beside their lanes, and behind everything that is sent.
struct Behind {
    retention: Arc<Retention>,
    received: Option<Received>,
    interval: Duration,
    renewal: Option<aws::Renewal>,
    /// What the serial relay of an earlier configuration could not write.
    left: Arc<Left>,
}

/// The daemon with everything in it.
pub struct Running {
    pub tasks: Tasks,
    pub board: Arc<Board>,
    lanes: TaskTracker,
    pub positions: Arc<positions::Store>,
    /// Heard by the sources only: from here on they hand on nothing new.
    pub stop_sources: CancellationToken,
    /// From here on no log batch is tried again.
    no_retries: CancellationToken,
    /// From here on unsent metric batches go to the spool.
    pub spool_now: CancellationToken,
    /// Everything that was measured is delivered or on the disk.
    pub metrics_sent: CancellationToken,
    /// Here the lanes end, whatever they are at.
    pub end_lanes: CancellationToken,
    /// What the names of log groups still lack.
    pub names: Names,
    /// Opens lanes.
    pub outlet: Arc<dyn Outlet>,
    /// The lines of the board for sources that wait for their names.
    pub waiting: Vec<SourceId>,
    /// One round, in which nobody waits for more.
    pub once: bool,
    /// Probes and commands whose first turn is not over: one round waits for them.
    pub first_turns: Headcount,
    /// Reads the log files, once there is any.
    pub tail: Option<Tail>,
    /// The JSON paths of the configured files that are FIFOs.
    pub pipes: HashSet<String>,
    /// Files of which earlier runs left a position.
    pub earlier: BTreeSet<Arc<Path>>,
    /// Takes what cannot be read again, where such a thing is configured or an earlier run left some; until the stop.
    pub door: Option<Door>,
    /// Held last: its lock keeps other daemons out until nothing of us is left.
    pub state: Arc<StateFolder>,
    /// A throw-away copy of the state, in a dry run.
    scratch: Option<Scratch>,
}

impl Running {
    /// Claim the state, build and start everything.
    ///
    /// # Errors
    /// When the state folder, the spool or the embedded store cannot be used. Nothing is left running then.
    pub async fn start(plan: &Plan, options: &Options, left: &Arc<Left>) -> Result<Self, DaemonError> {
        let scratch = match options.destination {
            Override::DryRun(..) => Some(Scratch::of(&plan.home.state)?),
            Override::AsConfigured | Override::Local(_) => None,
        };
        if let Some(store) = &plan.home.store {
            // Above the state folder, and as private as that. What is wrong with it is said by whoever uses it.
            let _ = platform::passable_folder(store);
        }
        let state = StateFolder::claim(
            scratch.as_ref().map_or_else(|| plan.home.state.clone(), Scratch::state),
            plan.home.named(),
        )?;
        let state = Arc::new(state);
        let board = Arc::new(Board::default());
        let positions = positions::Store::open(state.path(), board.clone())?;
        let earlier = imports::ours(&positions);
        if let Some(import) = imports::of(plan, &plan.targets(), &earlier, &positions, state.path()) {
            import.run().await;
        }
        let way = Way::out(plan, options, &board)?;
        let memory = Arc::new(Memory::of(state.path()));
        let pipes = pipes_among(&plan.settings.logs.files).await;
        let received = Received::open(plan, state.path(), &pipes, &board)?;
        let (tasks, lanes, bodies) = (Tasks::default(), TaskTracker::new(), BodyPool::default());
        let (no_retries, end_lanes) = (CancellationToken::new(), CancellationToken::new());
        let interval = if options.once { ONE_ROUND } else { plan.settings.logs.interval };
        let retention = Arc::new(Retention::in_folder(state.path()));
        let publisher = LogPublisher {
            put: way.put.clone(),
            acknowledge: acknowledge(positions.clone(), received.as_ref()),
            report: Arc::new(Report::new(board.clone(), "logs")),
            dead_letters: Arc::new(DeadLetters::in_folder(state.path())),
            retention: retention.clone(),
            pace: Arc::default(),
            keep_rejected: plan.settings.logs.keep_rejected,
            no_retries: no_retries.clone(),
            lanes: bodies.lanes.clone(),
        };
        let outlet = Lanes::new(publisher, interval, bodies, lanes.clone(), end_lanes.clone());
        let mut running = Self {
            tasks,
            lanes,
            positions,
            stop_sources: CancellationToken::new(),
            no_retries,
            spool_now: CancellationToken::new(),
            metrics_sent: CancellationToken::new(),
            end_lanes,
            board,
            names: Names::new(plan.identity.clone(), plan.missing(), way.asks.clone(), memory.clone()),
            outlet: Arc::new(outlet),
            waiting: vec![],
            once: options.once,
            first_turns: Headcount::default(),
            tail: None,
            pipes,
            earlier,
            door: received.as_ref().map(Received::door),
            state,
            scratch,
        };
        let witness = Witness { asks: way.asks, on_ec2: plan.identity.on_ec2, memory };
        let behind = Behind { retention, received, interval, renewal: way.renewal, left: left.clone() };
        let began = running.begin(plan, (way.put, way.name), witness, behind);
        if let Err(error) = began {
            // What has been spawned may hold what the next start needs. The threads hear of it first.
            running.stop_sources.cancel();
            running.tail = None;
            running.end_lanes.cancel();
            running.tasks.abort().await;
            return Err(error);
        }
        // It needs no network to be there.
        platform::services::being::running(plan.settings.agent.shutdown);
        Ok(running)
    }

    /// Whether nothing may leave this process but what it prints.
    pub fn is_dry(&self) -> bool {
        self.scratch.is_some()
    }

    /// Start everything: what sends first, the sources last.
    fn begin(
        &mut self,
        plan: &Plan,
        (put, way): (Arc<dyn Put>, &'static str),
        witness: Witness,
        mut behind: Behind,
    ) -> Result<(), DaemonError> {
        self.open_status(plan, way);
        let left = measuring::start(self, plan, put, witness)?;
        if let Some(renewal) = behind.renewal.take()
            && (left || behind.received.is_some() || plan.settings.sends_something())
        {
            self.board.destination("credentials", |_| {});
            self.tasks.spawn("credentials", renewal.run(self.no_retries.clone()));
        }
        relaying::start(self, &plan.settings.agent, &behind.left);
        self.start_behind_logs(plan, behind);
        self.start_logs(plan, &plan.targets())?;
        self.show_waiting(plan);
        let (config, state) = (plan.settings.file.display(), self.state.path().display());
        let store = plan.home.store.as_ref().map(|store| tracing::field::display(store.display()));
        let (version, instance) = (env!("CARGO_PKG_VERSION"), &plan.identity.instance_id);
        tracing::info!(version, %config, destination = way, instance, %state, store, "started");
        if !plan.settings.collects_something() {
            tracing::warn!("{NOTHING_TO_COLLECT}");
        }
        Ok(())
    }

    fn open_status(&mut self, plan: &Plan, destination: &'static str) {
        let Plan { settings, identity, home, .. } = plan;
        let path = status::socket_path(self.state.path());
        let about = status::About {
            config: std::path::absolute(&settings.file).unwrap_or_else(|_| settings.file.clone()),
            state_folder: self.state.path().to_path_buf(),
            store: home.store.clone(),
            instance_id: identity.instance_id.clone(),
            destination,
            started: Timestamp::now(),
        };
        match status::listen(&path) {
            Ok(listener) => {
                let (board, stop) = (self.board.clone(), self.stop_sources.clone());
                self.tasks.spawn("status", async move {
                    stop.run_until_cancelled(status::serve(listener, about, board)).await;
                });
            }
            Err(error) => tracing::warn!(socket = %path.display(), %error, "`status` will not work"),
        }
    }

    /// What works for the sources of logs beside their lanes.
    fn start_behind_logs(&mut self, plan: &Plan, behind: Behind) {
        let Behind { retention, received, interval, .. } = behind;
        if plan.settings.logs.collects_something() || received.is_some() {
            self.board.destination("logs", |_| {});
        }
        self.tasks.spawn("notes of retentions", retention.run(self.end_lanes.clone()));
        self.tasks.spawn("positions", positions::run(self.positions.clone(), self.spool_now.clone()));
        if let Some(received) = received {
            received.start(self, interval);
        }
    }

    /// Take everything down: sources first, then what they fed, all within `limit`.
    pub async fn stop(mut self, limit: Duration) {
        let begun = Instant::now();
        let deadline = begun + limit;
        self.no_retries.cancel();
        self.stop_sources.cancel();
        self.door = None; // The keeper ends with the last one who holds it.
        self.tail = None; // Its thread is told by that.
        self.lanes.close();
        let lanes_are_late = tokio::select! {
            () = async {
                self.lanes.wait().await;
                // What was packed at the stop has its chance, too.
                self.metrics_sent.cancelled().await;
            } => false,
            () = async {
                sleep_until(begun + limit.mul_f64(SPOOL_AT)).await;
                self.spool_now.cancel();
                sleep_until(begun + limit.mul_f64(END_LANES_AT)).await;
            } => !self.lanes.is_empty(),
        };
        self.spool_now.cancel();
        // From here on nothing of us sends or acknowledges: a daemon that goes on with another configuration is alone.
        self.end_lanes.cancel();
        self.lanes.wait().await;
        let (saved, mut late) =
            tokio::join!(timeout_at(deadline, self.positions.save_now()), self.tasks.wait(deadline));
        match saved {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                let error = crate::publish::chain(&error);
                tracing::error!(error, "the positions could not be saved; some lines will be sent twice");
            }
            Err(_) => late.push("the saving of the positions"),
        }
        if lanes_are_late {
            late.push("log lanes");
        }
        let given_up = [
            &counters::LOG_SPOOL_DROPPED,
            &counters::SPOOL_DROPPED,
            &counters::RELAY_FRAMES_GIVEN_UP,
            &counters::RELAY_FRAMES_EXPIRED,
        ];
        say_stopped(&late, given_up.map(|counter| Some(counter.get()).filter(|count| *count > 0)));
        self.tasks.abort().await;
    }
}

/// The last words of a run. What this process gave up since its start, also under an earlier configuration, is not called kept.
fn say_stopped(late: &[&str], counts: [Option<u64>; 4]) {
    let given_up = counts.iter().any(Option::is_some);
    let words = last_words(!late.is_empty(), given_up);
    if late.is_empty() && !given_up {
        return tracing::info!("{words}");
    }
    let late = (!late.is_empty()).then(|| late.join(", "));
    let [log_spool_dropped, spooled_batches_dropped, relay_frames_given_up, relay_frames_expired] = counts;
    tracing::warn!(
        late,
        log_spool_dropped,
        spooled_batches_dropped,
        relay_frames_given_up,
        relay_frames_expired,
        "{words}"
    );
}

fn last_words(late: bool, given_up: bool) -> &'static str {
    match (late, given_up) {
        (false, false) => "stopped; everything that was read is delivered or kept",
        (true, false) => "stopped at the deadline; what was not delivered will be sent at the next start",
        (false, true) => "stopped; what these counters say was given up since the start, the rest is delivered or kept",
        (true, true) => {
            "stopped at the deadline; what these counters say was given up since the start, what else was not delivered will be sent at the next start"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::last_words;

    #[test]
    fn what_was_given_up_is_not_called_delivered_or_kept() {
        assert!(last_words(false, false).contains("everything that was read is delivered or kept"));
        for late in [false, true] {
            let words = last_words(late, true);
            assert!(words.contains("was given up") && !words.contains("everything"), "{words}");
            assert_eq!(words.contains("at the deadline"), late);
        }
    }
}
