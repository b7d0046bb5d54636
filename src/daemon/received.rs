//! Wires what nobody can read again: EMF listeners and FIFOs, with the spool of log text behind them.
use super::{DaemonError, plan::Plan, wiring::Running};
use crate::{
    config::settings::{Emf, FileItem},
    logs::emf,
    model::{Cover, Target},
    platform::pipes,
    spool::text::{Depot, Door, Keeper},
};
use std::{path::PathBuf, time::Duration};

/// The folder of the spool inside the state folder.
const FOLDER: &str = "log-spool";
/// The longest wait for file systems to say what is a FIFO: a dead mount may take for ever.
const LOOK: Duration = Duration::from_secs(2);

/// The spool of log text, with its way in.
pub struct Received {
    door: Door,
    keeper: Keeper,
}

/// Which items are FIFOs: those that say so, and those where one is now. In the order of the items.
pub async fn pipes_among(items: &[FileItem]) -> Vec<bool> {
    let said: Vec<Option<bool>> = items.iter().map(|item| item.pipe).collect();
    let paths: Vec<PathBuf> = items.iter().map(|item| item.path.clone()).collect();
    let asked = said.clone();
    let look = tokio::task::spawn_blocking(move || {
        let look = |(said, path): (Option<bool>, &PathBuf)| said.unwrap_or_else(|| pipes::is_pipe(path));
        asked.into_iter().zip(&paths).map(look).collect()
    });
    match tokio::time::timeout(LOOK, look).await {
        Ok(Ok(found)) => found,
        Ok(Err(_)) | Err(_) => {
            tracing::warn!("whether a log file is a FIFO could not be found out in time: say so by its key `pipe`");
            said.into_iter().map(|said| said == Some(true)).collect()
        }
    }
}

impl Received {
    /// Open the spool, where this configuration or an earlier run needs it.
    pub fn open(running: &Running, plan: &Plan) -> Result<Option<Self>, DaemonError> {
        let folder = running.state.path().join(FOLDER);
        let wanted = plan.settings.logs.emf.is_some() || running.pipes.contains(&true);
        if !wanted && !folder.exists() {
            return Ok(None);
        }
        let sending = running.board.health("logs");
        let (door, keeper) = Depot::open(&folder, plan.settings.agent.spool, running.board.clone(), sending)?;
        Ok(Some(Self { door, keeper }))
    }

    /// Where acknowledgements go beside the positions.
    pub fn acknowledge(&self) -> impl Fn(&[Cover]) + Send + Sync + 'static {
        let depot = self.door.depot();
        move |covers| depot.acknowledge(covers)
    }

    /// Start it. Sources get in by the door, which is held open until the stop.
    pub fn start(self, running: &mut Running, interval: Duration) {
        let (Self { door, keeper }, Some(outlet)) = (self, running.outlet.clone()) else { return };
        let (spool_now, end_lanes) = (running.spool_now.clone(), running.end_lanes.clone());
        running.tasks.spawn("keeper of received events", keeper.run(outlet, interval, spool_now, end_lanes));
        let (stop, held) = (running.stop_sources.clone(), door.clone());
        running.door = Some(door);
        // The keeper works for as long as a door is open.
        running.tasks.spawn("what earlier runs received", async move {
            stop.cancelled().await;
            drop(held);
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
