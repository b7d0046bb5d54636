//! The sockets. One that cannot be opened is tried again until it can, and stands on the board meanwhile.
use super::{Desk, State, complaints::Trouble};
use crate::{
    config::settings::StatsdAddress,
    platform::sockets::{self, Batch, Datagrams},
    telemetry::{
        board::Board,
        counters,
        listening::{Drops, Line},
    },
};
use futures_util::{StreamExt, stream::FuturesUnordered};
use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};
use tokio::{
    task::yield_now,
    time::{Instant, sleep, sleep_until},
};
use tokio_util::sync::CancellationToken;

/// Bytes of a datagram: UDP takes 65,507 at most, as the agent reads no more.
const LONGEST: usize = 64 << 10;
/// What the system counts against its buffer for one small datagram, notes of its own included (Linux; it doubles what is asked
/// for, and so has room for more).
const EACH: usize = 1 << 10;
/// The least and the most that is asked for.
const BUFFER: (usize, usize) = (4 << 20, 256 << 20);
/// Where datagrams come fast, they are left to gather for a while: a look at the socket costs more than ten of them. A while in which
/// this many a second would fill half of the system's buffer is short enough, and longer ones save little.
const FASTEST: u64 = 1_000_000;
const LONGEST_WHILE: Duration = Duration::from_millis(2);
/// Batches between two looks at anything else.
const IN_A_ROW: usize = 16;
/// How many may lie in the system's buffer at the stop.
const AT_THE_STOP: usize = 10_000;
/// Waits before a socket is tried again.
const WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// The wait after an error of the socket, so that one that stays costs nothing.
const PAUSE: Duration = Duration::from_millis(100);
/// How often the system is asked how many it dropped.
const LOOK: Duration = Duration::from_secs(10);
/// What to do where a name is not known.
const NAME: &str = "correct the name in `service_address` of metrics.metrics_collected.statsd, or write an address";

/// Where one socket is.
enum Place {
    Udp(SocketAddr),
    Local { path: PathBuf, mode: u32 },
}

impl Place {
    fn name(&self) -> String {
        match self {
            Self::Udp(address) => format!("statsd on udp://{address}"),
            Self::Local { path, .. } => format!("statsd on {}", path.display()),
        }
    }

    fn open(&self, buffer: usize) -> io::Result<Datagrams> {
        match self {
            Self::Udp(address) => Datagrams::udp(*address, buffer),
            Self::Local { path, mode } => Datagrams::local(path, *mode, buffer),
        }
    }

    /// What to do where it cannot be opened, and the key that names it.
    fn remedy(&self, error: io::ErrorKind) -> &'static str {
        match (self, error) {
            (Self::Udp(_), io::ErrorKind::AddrInUse) => {
                "another program has this port, the CloudWatch Agent perhaps: stop it, or name another port with `service_address` \
                 of metrics.metrics_collected.statsd"
            }
            (Self::Udp(_), io::ErrorKind::AddrNotAvailable) => {
                "this host has no such address: correct `service_address` of metrics.metrics_collected.statsd"
            }
            (Self::Udp(_), io::ErrorKind::PermissionDenied) => {
                "ports below 1024 need a right that the daemon's user lacks (CAP_NET_BIND_SERVICE): name a higher one with \
                 `service_address` of metrics.metrics_collected.statsd"
            }
            (Self::Local { .. }, io::ErrorKind::NotFound) => {
                "make the folder of the socket that metrics.metrics_collected.statsd names, and let the daemon's user write to it"
            }
            (Self::Local { .. }, io::ErrorKind::PermissionDenied) => {
                "let the daemon's user write to the folder of the socket that metrics.metrics_collected.statsd names"
            }
            (Self::Local { .. }, io::ErrorKind::AddrInUse) => {
                "something else has this place: remove it, or name another path in metrics.metrics_collected.statsd"
            }
            (Self::Udp(_) | Self::Local { .. }, _) => "see `service_address` of metrics.metrics_collected.statsd",
        }
    }
}

/// Listen where this address says until told to stop: on several sockets, where it has both families.
pub(super) async fn listen_all(
    address: &StatsdAddress,
    pending: usize,
    desk: Arc<Desk>,
    board: Arc<Board>,
    stop: CancellationToken,
) {
    let places = match address {
        StatsdAddress::Local { path, mode } => vec![Place::Local { path: path.clone(), mode: *mode }],
        StatsdAddress::All(port) => {
            let all = [IpAddr::from(Ipv4Addr::UNSPECIFIED), Ipv6Addr::UNSPECIFIED.into()];
            all.map(|ip| Place::Udp(SocketAddr::new(ip, *port))).into()
        }
        StatsdAddress::Named(name, port) => match stop.run_until_cancelled(resolved(name, *port, &board)).await {
            Some(found) => found.into_iter().map(Place::Udp).collect(),
            None => return,
        },
    };
    let several = places.len() > 1;
    let all = places.into_iter().map(|place| {
        // A host without IPv6 does without it.
        let optional = several && matches!(place, Place::Udp(at) if at.is_ipv6());
        listen(place, optional, pending, &desk, &board, &stop)
    });
    all.collect::<FuturesUnordered<_>>().collect::<()>().await;
}

/// The addresses of a name, asked for until it has one.
async fn resolved(name: &str, port: u16, board: &Arc<Board>) -> Vec<SocketAddr> {
    let line = Line::new(board, format!("statsd on udp://{name}:{port}"), WHAT);
    let mut wait = WAIT;
    loop {
        let found = tokio::net::lookup_host((name, port)).await;
        match found.map(Iterator::collect::<Vec<_>>) {
            Ok(found) if !found.is_empty() => return found,
            Ok(_) => line.failed(&io::Error::other("the name has no address"), NAME),
            Err(error) => line.failed(&error, NAME),
        }
        sleep(wait).await;
        wait = (wait * 2).min(LONGEST_WAIT);
    }
}

/// Open one socket and receive on it until told to stop.
async fn listen(
    place: Place,
    optional: bool,
    pending: usize,
    desk: &Desk,
    board: &Arc<Board>,
    stop: &CancellationToken,
) {
    let line = Line::new(board, place.name(), WHAT);
    let wanted = pending.saturating_mul(EACH).clamp(BUFFER.0, BUFFER.1);
    let mut wait = WAIT;
    let socket = loop {
        match place.open(wanted) {
            Ok(socket) => break socket,
            Err(error) if optional && sockets::is_absent(&error) => {
                tracing::info!(socket = line.name, %error, "this host does without that address");
                return;
            }
            Err(error) => line.failed(&error, place.remedy(error.kind())),
        }
        if stop.run_until_cancelled(sleep(wait)).await.is_none() {
            return;
        }
        wait = (wait * 2).min(LONGEST_WAIT);
    };
    line.works();
    tracing::info!(socket = line.name, buffer_asked = wanted, buffer = socket.buffer(), "listening for statsd lines");
    receive(&socket, desk, &line.name, stop).await;
}

/// What is received, for the own log.
const WHAT: &str = "statsd lines";
/// What helps where datagrams are dropped.
const REMEDY: &str = "raise net.core.rmem_max and `allowed_pending_messages`, or send several lines in one datagram";

/// Receive until told to stop, and then what is there.
async fn receive(socket: &Datagrams, desk: &Desk, name: &str, stop: &CancellationToken) {
    let mut batch = Batch::new(LONGEST);
    let mut drops = Drops::since(socket.dropped());
    // Nothing came since the last look at what was dropped.
    let mut idle = true;
    let mut look = Instant::now() + LOOK;
    let mut pace = Pace { gather: socket.gathers().then(|| gathering(socket.buffer())), last: None };
    loop {
        let received = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            // Where nothing came, nothing was dropped, and an idle socket costs nothing.
            () = sleep_until(look), if !idle => {
                look = Instant::now() + LOOK;
                idle = true;
                drops.look(socket.dropped(), socket.buffer(), name, REMEDY);
                continue;
            }
            received = socket.recv_batch(&mut batch) => received,
        };
        match received {
            Ok(()) => {
                idle = false;
                desk.state().take(&batch);
                if batch.is_full() {
                    drain(socket, &mut batch, desk, IN_A_ROW);
                    // The other sockets, and what is to be published, have their turn between.
                    yield_now().await;
                } else {
                    pace.rest();
                }
            }
            // Windows answers with the fate of earlier datagrams; nothing of it is about those that come.
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {}
            Err(error) => {
                tracing::warn!(socket = name, %error, "a datagram could not be received");
                sleep(PAUSE).await;
            }
        }
    }
    drain(socket, &mut batch, desk, AT_THE_STOP);
    drops.look(socket.dropped(), socket.buffer(), name, REMEDY);
}

/// How long datagrams may gather in a buffer of so many bytes.
fn gathering(buffer: Option<usize>) -> Duration {
    let datagrams = buffer.unwrap_or_default() / EACH;
    Duration::from_nanos(datagrams as u64 / 2 * 1_000_000_000 / FASTEST).min(LONGEST_WHILE)
}

/// How fast datagrams come.
struct Pace {
    /// For so long they may gather. `None`: whoever sends would wait for that.
    gather: Option<Duration>,
    /// When something was there the last time.
    last: Option<std::time::Instant>,
}

impl Pace {
    /// Everything that was there has been taken.
    fn rest(&mut self) {
        let Some(gather) = self.gather else { return };
        let now = std::time::Instant::now();
        // Nothing else runs on this thread that could not wait for two milliseconds.
        if self.last.is_some_and(|last| now.duration_since(last) < gather * 2) {
            std::thread::sleep(gather);
        }
        self.last = Some(std::time::Instant::now());
    }
}

/// What is there behind a full batch.
fn drain(socket: &Datagrams, batch: &mut Batch, desk: &Desk, most: usize) {
    for _ in 0..most {
        if socket.recv_batch_now(batch).is_err() || batch.is_empty() {
            return;
        }
        desk.state().take(batch);
    }
}

impl State {
    fn take(&mut self, batch: &Batch) {
        let datagrams = batch.datagrams();
        counters::STATSD_DATAGRAMS.add(datagrams.len() as u64);
        for datagram in datagrams {
            let mut bytes = datagram.bytes;
            if datagram.cut {
                // The lines before it are whole.
                let end = memchr::memrchr(b'\n', bytes).unwrap_or(0);
                self.complaints.tell(Trouble::Cut, 1, &bytes[end..]);
                bytes = &bytes[..end];
            }
            self.aggregate.add(bytes, &mut self.complaints);
        }
    }
}
