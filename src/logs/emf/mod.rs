//! Listeners for documents of the embedded metric format: UDP, TCP, UNIX sockets.
//!
//! Owned here: the sockets, what is one document ([`datagrams`], [`streams`]), and whether it holds ([`document`], [`split`],
//! [`fault`]). Left to others: what becomes of it until it is delivered (whoever implements [`Intake`]), and who spawns [`run`].
//!
//! Nobody can read again what came over a socket. So before each read a listener waits until there is room: then senders of
//! streams wait as well, and datagrams fill the system's buffer and are dropped by the system, counted where it says how many.
//! A socket that cannot be opened is tried again, at first after a second, later each 30 seconds.
//!
//! Whoever may send may be hostile: lines, connections, half lines, parts of a document and targets are bounded, each where it
//! is named. The time of an event is that of its arrival, as the agent has it; the time of its metrics stands in the document.
mod datagrams;
mod document;
mod fault;
mod split;
mod streams;
#[cfg(test)]
mod tests;

pub use document::Fallback;

use crate::{
    config::settings::{EmfAddress, EmfHost, EmfProtocol, EmfSocket, SocketKind},
    model::{Intake, Target, TimedBy, Timestamp},
    platform::sockets::{self, Datagrams, Streams},
    telemetry::{board::Board, counters, listening::Line},
};
use document::Texts;
use fault::{Complaints, Fault};
use futures_util::{StreamExt, future::BoxFuture, stream::FuturesUnordered};
use std::{
    collections::HashMap,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use streams::Crowd;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

/// Asked of the system for datagrams that nobody has read yet. Linux gives at most `net.core.rmem_max`.
const RECEIVE_BUFFER: usize = 4 << 20;
/// Waits before a socket is tried again.
const WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// Targets of documents that are remembered, so that not each document makes them anew.
const REMEMBERED: usize = 1_000;

/// What is listened on, and where documents go that do not say it.
#[derive(Clone, Debug)]
pub struct Options {
    pub addresses: Vec<EmfAddress>,
    pub socket: Option<EmfSocket>,
    pub fallback: Fallback,
    /// A datagram may hold several documents, each on a line of its own.
    pub split_datagrams: bool,
}

/// What to do where the name of an address is not known.
const NAME: &str = "correct the name in `service_address` of logs.metrics_collected.emf, or write an address";

/// Where a document goes that names these two.
fn target(group: &str, stream: &str) -> Target {
    Target { group: group.to_owned(), stream: stream.to_owned(), emf: true, ..Target::default() }
}

/// Listen until told to stop; what has arrived by then is taken.
pub async fn run(options: Options, intake: Arc<dyn Intake>, board: Arc<Board>, stop: CancellationToken) {
    let desk = Arc::new(Desk::new(intake, options.fallback, options.split_datagrams));
    let crowd = Arc::new(Crowd::default());
    let mut listeners = FuturesUnordered::<BoxFuture<'static, ()>>::new();
    for address in options.addresses {
        let (desk, crowd, board, stop) = (desk.clone(), crowd.clone(), board.clone(), stop.clone());
        listeners.push(Box::pin(async move {
            let sockets = match stop.run_until_cancelled(resolved(&address, &board)).await {
                Some(sockets) => sockets,
                None => return,
            };
            let optional = sockets.len() > 1;
            let all = sockets.into_iter().map(|at| {
                let place = match address.protocol {
                    EmfProtocol::Udp => Place::Udp(at),
                    EmfProtocol::Tcp => Place::Tcp(at),
                };
                listen(place, optional && at.is_ipv6(), desk.clone(), crowd.clone(), board.clone(), stop.clone())
            });
            all.collect::<FuturesUnordered<_>>().collect::<()>().await;
        }));
    }
    if let Some(socket) = options.socket {
        listeners.push(Box::pin(listen(Place::Local(socket), false, desk, crowd, board, stop.clone())));
    }
    while listeners.next().await.is_some() {}
    // Without any listener, too, this ends at the stop only.
    stop.cancelled().await;
}

/// What is received, for the own log.
const WHAT: &str = "documents of metrics";

/// The addresses of a host, asked for until it has one.
async fn resolved(address: &EmfAddress, board: &Arc<Board>) -> Vec<SocketAddr> {
    let both = |four: Ipv4Addr, six: Ipv6Addr| vec![IpAddr::from(four), IpAddr::from(six)];
    let addresses = match &address.host {
        EmfHost::Loopback => both(Ipv4Addr::LOCALHOST, Ipv6Addr::LOCALHOST),
        EmfHost::All => both(Ipv4Addr::UNSPECIFIED, Ipv6Addr::UNSPECIFIED),
        EmfHost::Named(name) => {
            let line = Line::new(board, format!("{name}:{}", address.port), WHAT);
            let mut wait = WAIT;
            loop {
                let found = tokio::net::lookup_host((name.as_str(), address.port)).await;
                match found.map(Iterator::collect::<Vec<_>>) {
                    Ok(found) if !found.is_empty() => return found,
                    Ok(_) => line.failed(&io::Error::other("the name has no address"), NAME),
                    Err(error) => line.failed(&error, NAME),
                }
                sleep(wait).await;
                wait = (wait * 2).min(LONGEST_WAIT);
            }
        }
    };
    addresses.into_iter().map(|ip| SocketAddr::new(ip, address.port)).collect()
}

/// Where one socket is.
enum Place {
    Udp(SocketAddr),
    Tcp(SocketAddr),
    Local(EmfSocket),
}

impl Place {
    fn name(&self) -> String {
        match self {
            Self::Udp(address) => format!("metrics on udp://{address}"),
            Self::Tcp(address) => format!("metrics on tcp://{address}"),
            Self::Local(socket) => format!("metrics on {}", socket.path.display()),
        }
    }

    /// What to do where it cannot be opened, and the key that names it.
    fn remedy(&self, error: io::ErrorKind) -> &'static str {
        match (self, error) {
            (Self::Udp(_) | Self::Tcp(_), io::ErrorKind::AddrInUse) => {
                "another program has this port: stop it, or name another port with `service_address` of logs.metrics_collected.emf"
            }
            (Self::Udp(_) | Self::Tcp(_), io::ErrorKind::AddrNotAvailable) => {
                "this host has no such address: correct `service_address` of logs.metrics_collected.emf"
            }
            (Self::Udp(_) | Self::Tcp(_), io::ErrorKind::PermissionDenied) => {
                "ports below 1024 need a right that the daemon's user lacks (CAP_NET_BIND_SERVICE): name a higher one with \
                 `service_address` of logs.metrics_collected.emf"
            }
            (Self::Udp(_) | Self::Tcp(_), _) => "see `service_address` of logs.metrics_collected.emf",
            (Self::Local(_), io::ErrorKind::NotFound) => {
                "make the folder that `socket` of logs.metrics_collected.emf names, and let the daemon's user write to it"
            }
            (Self::Local(_), io::ErrorKind::PermissionDenied) => {
                "let the daemon's user write to the folder that `socket` of logs.metrics_collected.emf names"
            }
            (Self::Local(_), io::ErrorKind::AddrInUse) => {
                "something else has this place: remove it, or name another with `socket` of logs.metrics_collected.emf"
            }
            (Self::Local(_), _) => "see `socket` of logs.metrics_collected.emf",
        }
    }

    fn open(&self) -> io::Result<Socket> {
        Ok(match self {
            Self::Udp(address) => Socket::Datagrams(Datagrams::udp(*address, RECEIVE_BUFFER)?),
            Self::Tcp(address) => Socket::Streams(Streams::tcp(*address)?),
            Self::Local(EmfSocket { path, kind: SocketKind::Datagram, mode }) => {
                Socket::Datagrams(Datagrams::local(path, *mode, RECEIVE_BUFFER)?)
            }
            Self::Local(EmfSocket { path, kind: SocketKind::Stream, mode }) => {
                Socket::Streams(Streams::local(path, *mode)?)
            }
        })
    }
}

enum Socket {
    Datagrams(Datagrams),
    Streams(Streams),
}

/// Open one socket and receive on it until told to stop. `optional`: a host without IPv6 does without it.
async fn listen(
    place: Place,
    optional: bool,
    desk: Arc<Desk>,
    crowd: Arc<Crowd>,
    board: Arc<Board>,
    stop: CancellationToken,
) {
    let line = Line::new(&board, place.name(), WHAT);
    let mut wait = WAIT;
    let socket = loop {
        match place.open() {
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
    match socket {
        Socket::Datagrams(socket) => {
            let (asked, got) = (RECEIVE_BUFFER, socket.buffer());
            tracing::info!(
                socket = line.name,
                buffer_asked = asked,
                buffer = got,
                "listening for documents of metrics"
            );
            datagrams::receive(&socket, &desk, &line.name, &stop).await;
        }
        Socket::Streams(socket) => {
            tracing::info!(socket = line.name, "listening for documents of metrics");
            streams::receive(&socket, &desk, &crowd, &line.name, &stop).await;
        }
    }
}

/// Where every listener brings its documents.
struct Desk {
    intake: Arc<dyn Intake>,
    fallback: Fallback,
    split_datagrams: bool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    complaints: Complaints,
    targets: HashMap<String, HashMap<String, Arc<Target>>>,
    remembered: usize,
}

impl Desk {
    fn new(intake: Arc<dyn Intake>, fallback: Fallback, split_datagrams: bool) -> Self {
        Self { intake, fallback, split_datagrams, state: Mutex::default() }
    }

    /// One document that came in `from` there, perhaps with a line end or zeros behind it.
    fn take(&self, document: &[u8], from: &str) {
        let length = document.iter().rposition(|byte| *byte >= b' ').map_or(0, |last| last + 1);
        let document = &document[..length];
        if document.is_empty() {
            return;
        }
        counters::EMF_RECEIVED.add(1);
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let accepted = match document::read(document, &self.fallback) {
            Ok(accepted) => accepted,
            Err(fault) => return state.complaints.refused(&fault, document, from),
        };
        for fault in &accepted.faults {
            state.complaints.left_out(fault, document, from);
        }
        let (target, now) = (state.target(&accepted.group, &accepted.stream), Timestamp::now());
        let configured = self.fallback.is_target(&target);
        let take = |text: &str| {
            if configured {
                self.intake.take_configured(&target, text.as_bytes(), now, TimedBy::Reader);
                return Ok(());
            }
            self.intake.take(&target, text.as_bytes(), now, TimedBy::Reader)
        };
        let taken = match &accepted.texts {
            Texts::Whole(text) => take(text),
            Texts::Parts(parts) => {
                counters::EMF_SPLIT.add(u64::from(parts.len() > 1));
                parts.iter().try_for_each(|part| take(part))
            }
        };
        if let Err(full) = taken {
            state.complaints.refused(&Fault::TooManyTargets(full.to_string()), document, from);
        }
    }

    /// What came in is too long to be looked at.
    fn too_large(&self, beginning: &[u8], from: &str) {
        counters::EMF_RECEIVED.add(1);
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.complaints.refused(&Fault::TooLarge, beginning, from);
    }
}

impl State {
    fn target(&mut self, group: &str, stream: &str) -> Arc<Target> {
        if let Some(known) = self.targets.get(group).and_then(|streams| streams.get(stream)) {
            return known.clone();
        }
        if self.remembered >= REMEMBERED {
            self.targets.clear();
            self.remembered = 0;
        }
        let new = Arc::new(target(group, stream));
        self.remembered += 1;
        self.targets.entry(group.to_owned()).or_default().insert(stream.to_owned(), new.clone());
        new
    }
}
