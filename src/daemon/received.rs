//! Wires what nobody can read again: EMF listeners and FIFOs, with the spool of log text behind them.
use super::{DaemonError, plan::Plan, wiring::Running};
use crate::{
    config::settings::{Emf, FileItem},
    logs::emf,
    model::{Cover, Target},
    platform::pipes,
    spool::text::{Depot, Door, Keeper},
    telemetry::board::{self, Board},
};
use std::{
    collections::HashSet,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

/// The folder of the spool inside the state folder.
const FOLDER: &str = "log-spool";
/// The longest wait for file systems to say what is a FIFO: a dead mount may take for ever.
const LOOK: Duration = Duration::from_secs(2);

/// The spool of log text, with its way in.
pub struct Received {
    door: Door,
    keeper: Keeper,
}

/// Which items are FIFOs, by their JSON paths: those that say so, and those where one is now.
pub async fn pipes_among(items: &[FileItem]) -> HashSet<String> {
    let said = items.iter().filter(|item| item.pipe == Some(true)).map(|item| item.at.clone());
    let unsaid: Vec<(String, PathBuf)> =
        items.iter().filter(|item| item.pipe.is_none()).map(|item| (item.at.clone(), item.path.clone())).collect();
    let mut found: HashSet<String> = said.collect();
    let look = tokio::task::spawn_blocking(move || {
        unsaid.into_iter().filter(|(_, path)| pipes::is_pipe(path)).map(|(at, _)| at).collect::<Vec<_>>()
    });
    match tokio::time::timeout(LOOK, look).await {
        Ok(Ok(more)) => found.extend(more),
        Ok(Err(_)) | Err(_) => {
            tracing::warn!("whether a log file is a FIFO could not be found out in time: say so by its key `pipe`");
        }
    }
    found
}

impl Received {
    /// Open the spool, where this configuration or an earlier run needs it.
    pub fn open(
        plan: &Plan,
        state: &Path,
        pipes: &HashSet<String>,
        board: &Arc<Board>,
    ) -> Result<Option<Self>, DaemonError> {
        let folder = state.join(FOLDER);
        let wanted = plan.settings.logs.emf.is_some() || !pipes.is_empty();
        if !wanted && !folder.exists() {
            return Ok(None);
        }
        let (door, keeper) = Depot::open(&folder, plan.settings.agent.spool, board.clone(), board.health(board::LOGS))?;
        Ok(Some(Self { door, keeper }))
    }

    /// Where acknowledgements go beside the positions.
    pub fn acknowledge(&self) -> impl Fn(&[Cover]) + Send + Sync + 'static {
        let depot = self.door.depot();
        move |covers| depot.acknowledge(covers)
    }

    /// Where sources get in.
    pub fn door(&self) -> Door {
        self.door.clone()
    }

    /// Start it. The door is held open until the stop.
    pub fn start(self, running: &mut Running, interval: Duration) {
        let Self { door, keeper } = self;
        let (outlet, spool_now, end_lanes) =
            (running.outlet.clone(), running.spool_now.clone(), running.end_lanes.clone());
        running.tasks.spawn("keeper of received events", keeper.run(outlet, interval, spool_now, end_lanes));
        let stop = running.stop_sources.clone();
        // The keeper works for as long as a door is open.
        running.tasks.spawn("what earlier runs received", async move {
            stop.cancelled().await;
            drop(door);
        });
    }
}

/// Where to listen for documents, and where those go that do not say it.
pub fn emf_options(settings: &Emf, target: &Target) -> emf::Options {
    let group = settings.names_group.then(|| target.group.clone());
    emf::Options {
        addresses: settings.addresses.clone(),
        socket: settings.socket.clone(),
        fallback: emf::Fallback { group, stream: target.stream.clone() },
        split_datagrams: settings.split_datagrams,
    }
}
