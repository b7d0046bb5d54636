//! The status socket: whoever connects gets one JSON document about the running daemon, and the end of the stream.
//!
//! It lies in the state folder, readable by its owner and group. A daemon that cannot open it runs without it and says so.
use crate::{
    model::Timestamp,
    telemetry::{
        board::{Board, Page},
        counters,
    },
};
use serde::Serialize;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

/// What the daemon tells.
#[derive(Serialize)]
struct Snapshot<'a> {
    version: &'static str,
    process: u32,
    #[serde(flatten)]
    about: &'a About,
    counters: BTreeMap<&'static str, u64>,
    sources: Vec<Source>,
    destinations: BTreeMap<&'static str, crate::telemetry::board::DestinationState>,
}

/// One source with its lag.
#[derive(Serialize)]
struct Source {
    #[serde(flatten)]
    state: crate::telemetry::board::SourceState,
    /// Units that exist and are not delivered yet; `None` where that cannot be known.
    lag: Option<u64>,
}

/// What does not change while it runs.
#[derive(Clone, Debug, Serialize)]
pub struct About {
    pub config: PathBuf,
    pub state_folder: PathBuf,
    pub instance_id: String,
    /// `aws`, `local` or `dry-run`.
    pub destination: &'static str,
    pub started: Timestamp,
}

/// Where the socket of a state folder is.
pub fn socket_path(state: &Path) -> PathBuf {
    state.join("status.sock")
}

fn snapshot(about: &About, board: &Board) -> Vec<u8> {
    let Page { sources, destinations } = board.read();
    let sources = sources.into_values().map(|state| {
        let lag = state.size.map(|size| size.saturating_sub(state.acknowledged));
        Source { state, lag }
    });
    let counters = counters::ALL.iter().map(|c| (c.name, c.get())).collect();
    let (version, process) = (env!("CARGO_PKG_VERSION"), std::process::id());
    let snapshot = Snapshot { version, process, about, counters, sources: sources.collect(), destinations };
    serde_json::to_vec(&snapshot).expect("plain data with string keys")
}

#[cfg(unix)]
mod imp {
    use super::{About, Arc, Board, Path, snapshot};
    use std::{
        io::{self, Read},
        os::unix::{fs::PermissionsExt, net::UnixStream as StdStream},
        time::Duration,
    };
    use tokio::{
        io::AsyncWriteExt,
        net::{UnixListener, UnixStream},
        time::timeout,
    };

    /// Longest time a reader may take for its document.
    const PATIENCE: Duration = Duration::from_secs(5);

    /// Open the socket. The folder's lock is ours, so a socket file that is there is a dead daemon's.
    pub fn listen(path: &Path) -> io::Result<UnixListener> {
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(path)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o660))?;
        Ok(listener)
    }

    /// Answer until dropped, one reader after the other.
    pub async fn serve(listener: UnixListener, about: About, board: Arc<Board>) {
        loop {
            match listener.accept().await {
                Ok((reader, _)) => answer(reader, &about, &board).await,
                // Out of descriptors, most likely: others may give some back.
                Err(_) => tokio::time::sleep(Duration::from_secs(1)).await,
            }
        }
    }

    async fn answer(mut reader: UnixStream, about: &About, board: &Board) {
        let document = snapshot(about, board);
        // A reader that goes away or sleeps is its own loss.
        let _ = timeout(PATIENCE, async { reader.write_all(&document).await }).await;
    }

    pub fn ask(path: &Path) -> io::Result<Vec<u8>> {
        let mut stream = StdStream::connect(path)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut document = vec![];
        stream.read_to_end(&mut document)?;
        Ok(document)
    }
}

#[cfg(not(unix))]
mod imp {
    use super::{About, Arc, Board, Path};
    use std::io;

    pub struct Listener;

    pub fn listen(_: &Path) -> io::Result<Listener> {
        Err(io::Error::new(io::ErrorKind::Unsupported, "there is no status socket on this system yet"))
    }

    pub async fn serve(_: Listener, _: About, _: Arc<Board>) {
        std::future::pending().await
    }

    pub fn ask(_: &Path) -> io::Result<Vec<u8>> {
        Err(io::Error::new(io::ErrorKind::Unsupported, "there is no status socket on this system yet"))
    }
}

pub use imp::{ask, listen, serve};

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::model::SourceId;

    #[tokio::test]
    async fn a_reader_gets_the_counters_and_each_sources_lag() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = socket_path(folder.path());
        std::fs::write(&path, "left behind by a dead daemon").expect("written");
        let board = Arc::new(Board::default());
        board.source(SourceId::unique(), |s| {
            s.name = "/var/log/x".into();
            (s.acknowledged, s.size) = (10, Some(25));
        });
        let about = About {
            config: "/c.json".into(),
            state_folder: folder.path().into(),
            instance_id: "sys-1".into(),
            destination: "aws",
            started: Timestamp::now(),
        };
        tokio::spawn(serve(listen(&path).expect("bound"), about, board));
        let document = tokio::task::spawn_blocking(move || ask(&path)).await.expect("ran").expect("answered");
        let json: serde_json::Value = serde_json::from_slice(&document).expect("JSON");
        assert_eq!(json["sources"][0]["lag"], 15);
        assert_eq!(json["instance_id"], "sys-1");
        assert!(json["counters"]["events_delivered"].is_u64());
    }
}
