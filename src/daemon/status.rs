//! The status socket, on Windows a named pipe: whoever connects gets one JSON document about the running daemon, and the end of the
//! stream.
//!
//! It lies in the state folder, for its owner and group (so that folder lets the group pass), and goes with the daemon. One that somebody removes is made
//! again. A daemon that cannot open it runs without it and says so.
use crate::{
    model::Timestamp,
    telemetry::{
        board::{Board, Page, Refusal},
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
    refused_reload: Option<Refusal>,
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
    /// The folder of the embedded store, when that is the destination.
    pub store: Option<PathBuf>,
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
    let Page { sources, destinations, refused_reload } = board.read();
    // A line without a name belongs to a source that has not been found yet: there is nothing to tell of it.
    let mut sources: Vec<_> = sources.into_values().filter(|state| !state.name.is_empty()).collect();
    sources.sort_by(|a, b| (&a.group, &a.stream, &a.name).cmp(&(&b.group, &b.stream, &b.name)));
    let sources = sources.into_iter().map(|state| {
        let lag = state.size.map(|size| size.saturating_sub(state.acknowledged));
        Source { state, lag }
    });
    let counters = counters::ALL.iter().map(|c| (c.name, c.get())).collect();
    let (version, process) = (env!("CARGO_PKG_VERSION"), std::process::id());
    let sources = sources.collect();
    let snapshot = Snapshot { version, process, about, refused_reload, counters, sources, destinations };
    serde_json::to_vec(&snapshot).expect("plain data with string keys")
}

#[cfg(unix)]
mod imp {
    use super::{About, Arc, Board, Path, PathBuf, snapshot};
    use futures_util::{StreamExt, stream::FuturesUnordered};
    use std::{
        io::{self, Read},
        os::unix::{fs::PermissionsExt, net::UnixStream as StdStream},
        time::Duration,
    };
    use tokio::{
        io::AsyncWriteExt,
        net::{UnixListener, UnixStream},
        time::{interval, timeout},
    };

    /// How often to look whether the socket is still there.
    const LOOK: Duration = Duration::from_secs(5);

    /// Longest time a reader may take for its document, and the daemon to give it.
    const PATIENCE: Duration = Duration::from_secs(5);

    /// Readers that are answered at once. A document has a few kilobytes, half a megabyte with a thousand files.
    const READERS: usize = 8;

    /// An open socket. Its file goes with it.
    pub struct Listener {
        socket: UnixListener,
        path: PathBuf,
    }

    impl Drop for Listener {
        fn drop(&mut self) {
            // What is left behind harms nobody: the next daemon takes it away.
            let _ = std::fs::remove_file(&self.path);
        }
    }

    /// Open the socket. The folder's lock is ours, so a socket file that is there is a dead daemon's.
    pub fn listen(path: &Path) -> io::Result<Listener> {
        Ok(Listener { socket: bind(path)?, path: path.to_owned() })
    }

    fn bind(path: &Path) -> io::Result<UnixListener> {
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let socket = UnixListener::bind(path)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o660))?;
        Ok(socket)
    }

    /// Answer until dropped, a few readers at once: one that does not read holds up nobody else.
    pub async fn serve(mut listener: Listener, about: About, board: Arc<Board>) {
        let mut look = interval(LOOK);
        let mut readers = FuturesUnordered::new();
        loop {
            tokio::select! {
                Some(()) = readers.next() => {}
                accepted = listener.socket.accept(), if readers.len() < READERS => match accepted {
                    Ok((reader, _)) => readers.push(answer(reader, &about, &board)),
                    // Out of descriptors, most likely: others may give some back.
                    Err(_) => tokio::time::sleep(Duration::from_secs(1)).await,
                },
                _ = look.tick() => if !listener.path.exists()
                    // The folder may be gone with it: whoever keeps the lock makes that again.
                    && let Ok(again) = bind(&listener.path)
                {
                    listener.socket = again;
                },
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

#[cfg(windows)]
mod imp {
    use super::{About, Arc, Board, Path, snapshot};
    use crate::platform::named_pipe;
    use futures_util::{StreamExt, stream::FuturesUnordered};
    use std::{
        fs::File,
        io::{self, Read},
        sync::mpsc,
        thread,
        time::{Duration, Instant},
    };
    use tokio::{io::AsyncWriteExt, net::windows::named_pipe::NamedPipeServer, time::timeout};

    /// As with a socket.
    const PATIENCE: Duration = Duration::from_secs(5);
    const READERS: usize = 8;

    /// Time between two tries while all ends of the pipe are taken: `ERROR_PIPE_BUSY`.
    const RETRY: Duration = Duration::from_millis(20);
    const BUSY: i32 = 231;

    /// A pipe, and its end that waits for the next reader. It goes with the last end.
    pub struct Listener {
        name: String,
        next: NamedPipeServer,
    }

    /// Open the pipe. The folder's lock is ours, so whoever has it already is no daemon.
    pub fn listen(path: &Path) -> io::Result<Listener> {
        let name = named_pipe::name_of(path);
        Ok(Listener { next: named_pipe::server(&name, true)?, name })
    }

    /// Answer until dropped, a few readers at once.
    pub async fn serve(mut listener: Listener, about: About, board: Arc<Board>) {
        let mut readers = FuturesUnordered::new();
        loop {
            tokio::select! {
                Some(()) = readers.next() => {}
                came = listener.next.connect(), if readers.len() < READERS => {
                    // There is an end for the next one before this one is given away: without any, the pipe would be gone.
                    match (came, named_pipe::server(&listener.name, false)) {
                        (Ok(()), Ok(next)) => {
                            readers.push(answer(std::mem::replace(&mut listener.next, next), &about, &board));
                        }
                        _ => {
                            let _ = listener.next.disconnect();
                            tokio::time::sleep(Duration::from_secs(1)).await;
                        }
                    }
                }
            }
        }
    }

    async fn answer(mut reader: NamedPipeServer, about: &About, board: &Board) {
        let document = snapshot(about, board);
        // A reader that goes away or sleeps is its own loss.
        let _ = timeout(PATIENCE, async { reader.write_all(&document).await }).await;
    }

    pub fn ask(path: &Path) -> io::Result<Vec<u8>> {
        let name = named_pipe::name_of(path);
        let end = Instant::now() + PATIENCE;
        let pipe = loop {
            match named_pipe::open(&name) {
                Err(error) if error.raw_os_error() == Some(BUSY) && Instant::now() < end => thread::sleep(RETRY),
                opened => break opened?,
            }
        };
        // A file is read without a limit of time: where nothing comes, the thread is left behind, and ends with the process.
        let (tell, told) = mpsc::channel();
        thread::spawn(move || tell.send(read(pipe)));
        told.recv_timeout(PATIENCE).unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }

    fn read(mut pipe: File) -> io::Result<Vec<u8>> {
        let mut document = vec![];
        match pipe.read_to_end(&mut document) {
            // How the other side ends it: `ERROR_BROKEN_PIPE`.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(document),
            read => read.map(|_| document),
        }
    }
}

pub use imp::{ask, listen, serve};

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::model::SourceId;
    use std::time::Duration;

    fn about(folder: &Path) -> About {
        About {
            config: "/c.json".into(),
            state_folder: folder.into(),
            store: None,
            instance_id: "sys-1".into(),
            destination: "aws",
            started: Timestamp::now(),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_socket_that_is_removed_is_made_again_and_goes_with_the_daemon() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = socket_path(folder.path());
        let listener = listen(&path).expect("bound");
        std::fs::remove_file(&path).expect("it is there");
        let serving = tokio::spawn(serve(listener, about(folder.path()), Arc::default()));
        while !path.exists() {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        serving.abort();
        assert!(serving.await.is_err_and(|end| end.is_cancelled()));
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn a_reader_that_does_not_read_holds_up_nobody_else() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = socket_path(folder.path());
        let listener = listen(&path).expect("bound");
        let board = Arc::new(Board::default());
        // More than the kernel takes in for somebody who does not read.
        board.source(SourceId::unique(), |source| source.name = "x".repeat(4 << 20));
        let serving = tokio::spawn(serve(listener, about(folder.path()), board));
        let _idle = std::os::unix::net::UnixStream::connect(&path).expect("there");
        let asked = tokio::task::spawn_blocking(move || ask(&path)).await.expect("no panic");
        assert!(asked.expect("answered").len() > 4 << 20);
        serving.abort();
    }

    #[test]
    fn sources_come_in_the_order_of_their_targets_and_have_names() {
        let board = Board::default();
        for name in ["/b", "", "/a"] {
            board.source(SourceId::unique(), |s| (s.name, s.stream) = (name.into(), format!("stream of {name}")));
        }
        let json: serde_json::Value = serde_json::from_slice(&snapshot(&about(Path::new("/s")), &board)).expect("JSON");
        let names: Vec<_> = json["sources"].as_array().expect("a list").iter().map(|s| &s["name"]).collect();
        assert_eq!(names, ["/a", "/b"]);
    }

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
        tokio::spawn(serve(listen(&path).expect("bound"), about(folder.path()), board));
        let document = tokio::task::spawn_blocking(move || ask(&path)).await.expect("ran").expect("answered");
        let json: serde_json::Value = serde_json::from_slice(&document).expect("JSON");
        assert_eq!(json["sources"][0]["lag"], 15);
        assert_eq!(json["instance_id"], "sys-1");
        assert!(json["counters"]["events_delivered"].is_u64());
    }
}
