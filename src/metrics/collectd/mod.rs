//! Listens for metrics in the binary protocol of collectd's network plugin.
//!
//! ```text
//! socket -> desk (packet, keys: what it says, and who may say it) -> series (types, rates: names, intervals) -> points
//! ```
//!
//! Owned here: the socket, the form of a packet, who may send, names and dimensions as the CloudWatch Agent gives them, and which
//! values leave together. Left to others: dimensions that the configuration adds or leaves out, and who spawns [`run`].
//!
//! Nobody can read again what came over a socket. While the pipeline is full nothing is read, so datagrams fill the system's
//! buffer, and the system drops what does not fit there; that is counted where it says how many. A socket that cannot be opened is
//! tried again, at first after a second, later each 30 seconds. At the stop everything leaves that has come.
//!
//! Whoever may send may be hostile: what a packet can make us remember is bounded, each thing where it is named; and whatever
//! is not taken is counted by its cause ([`fault`]).
mod desk;
mod fault;
mod files;
mod keys;
mod packet;
mod rates;
mod series;
#[cfg(test)]
mod tests;
mod types;

#[cfg(fuzzing)]
pub use desk::fuzz;

use crate::{
    config::settings::collectd::{Address, Collectd, Host, Level},
    model::{Points, Reading, Timestamp},
    platform::{sockets, udp::Udp},
    telemetry::{
        board::Board,
        listening::{Drops, Line},
    },
};
use desk::Desk;
use files::{Files, News};
use series::Rules;
use std::{
    io::{self, ErrorKind},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};
use tokio::{
    sync::mpsc,
    task::JoinHandle,
    time::{Instant, sleep, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;

/// Asked of the system for datagrams that nobody has read yet. Linux gives at most `net.core.rmem_max`.
const RECEIVE_BUFFER: usize = 4 << 20;
/// UDP takes 65,507 bytes at most.
const LONGEST: usize = 64 << 10;
/// Datagrams that are taken without a look at anything else.
const IN_A_ROW: usize = 64;
/// So often that many may lie in the system's buffer at the stop.
const AT_THE_STOP: usize = 1_000;
/// Points that may wait here for the pipeline before nothing more is read.
const WAITING: usize = 10_000;
/// Waits before a socket is tried again.
const WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// The wait after an error of the socket, so that one that stays costs nothing.
const PAUSE: Duration = Duration::from_millis(100);
/// How often the files are looked at, and only when something comes in.
const LOOK: Duration = Duration::from_secs(1);
/// How long datagrams wait for that.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often the system is asked how many datagrams it dropped.
const COUNT: Duration = Duration::from_secs(10);
/// How often series are forgotten where no interval does it.
const TIDY: Duration = Duration::from_mins(10);

/// Listen until told to stop, and then pass on what has come, each time as a reading of this `source`. Ends early only when nobody
/// takes the readings any more.
pub async fn run(
    settings: Collectd,
    source: usize,
    out: mpsc::Sender<Reading>,
    board: Arc<Board>,
    stop: CancellationToken,
) {
    let listener = Listener::new(settings, source, out, board, Timestamp::now);
    let socket = match stop.run_until_cancelled(listener.open()).await {
        Some(socket) => socket,
        None => return,
    };
    listener.receive(&socket, &stop).await;
}

struct Listener {
    settings: Collectd,
    source: usize,
    out: mpsc::Sender<Reading>,
    line: Line,
    wall: fn() -> Timestamp,
    desk: Desk,
    /// Points that wait for the pipeline.
    points: Points,
    /// `None`: they are being looked at.
    files: Option<Files>,
    looking: Option<JoinHandle<(Files, News)>>,
    look: Instant,
    close: Instant,
    dropped: Drops,
}

/// What is received, for the own log.
const WHAT: &str = "metrics of collectd";

impl Listener {
    fn new(
        settings: Collectd,
        source: usize,
        out: mpsc::Sender<Reading>,
        board: Arc<Board>,
        wall: fn() -> Timestamp,
    ) -> Self {
        let Collectd { rates, resolution, .. } = settings;
        let rules = Rules { prefix: settings.prefix.clone(), aggregation: settings.interval(), rates, resolution };
        let now = Instant::now();
        Self {
            line: Line::new(&board, format!("collectd on {}", settings.address), WHAT),
            desk: Desk::new(settings.level, rules),
            points: Points::new(),
            files: Some(Files::new(&settings.auth_file, &settings.types, settings.types_named)),
            looking: None,
            look: now,
            close: now,
            dropped: Drops::default(),
            settings,
            source,
            out,
            wall,
        }
    }

    /// The socket, tried until there is one.
    async fn open(&self) -> Udp {
        let mut wait = WAIT;
        loop {
            match bound(&self.settings.address).await {
                Ok(socket) => {
                    self.line.works();
                    let (name, level) = (&self.line.name, self.settings.level.word());
                    let (asked, buffer) = (RECEIVE_BUFFER, socket.buffer());
                    tracing::info!(
                        socket = name,
                        level,
                        buffer_asked = asked,
                        buffer,
                        "listening for metrics of collectd"
                    );
                    return socket;
                }
                Err(error) => self.line.failed(&error, remedy(error.kind())),
            }
            sleep(wait).await;
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }

    async fn receive(mut self, socket: &Udp, stop: &CancellationToken) {
        let (mut buffer, out) = (vec![0; LONGEST], self.out.clone());
        self.dropped = Drops::since(socket.dropped());
        let mut count = Instant::now() + COUNT;
        self.close = self.next_close();
        self.look_at_files().await;
        loop {
            let full = self.points.len() >= WAITING;
            tokio::select! {
                () = stop.cancelled() => break,
                permit = out.reserve(), if !self.points.is_empty() => match permit {
                    Ok(permit) => permit.send(Reading { source: self.source, points: std::mem::take(&mut self.points) }),
                    Err(_) => return,
                },
                received = socket.recv(&mut buffer), if !full => self.received(received, socket, &mut buffer).await,
                () = sleep_until(self.close) => {
                    self.desk.close((self.wall)(), &mut self.points);
                    self.close = self.next_close();
                }
                () = sleep_until(count) => {
                    count = Instant::now() + COUNT;
                    self.dropped.look(socket.dropped(), socket.buffer(), &self.line.name, "raise net.core.rmem_max");
                }
            }
        }
        // So that the runtime notices what came in the same moment.
        tokio::task::yield_now().await;
        for _ in 0..AT_THE_STOP {
            if !self.drain(socket, &mut buffer) {
                break;
            }
            self.send().await;
        }
        self.dropped.look(socket.dropped(), socket.buffer(), &self.line.name, "raise net.core.rmem_max");
        self.desk.close((self.wall)(), &mut self.points);
        self.send().await;
    }

    async fn received(&mut self, received: io::Result<(usize, SocketAddr)>, socket: &Udp, buffer: &mut [u8]) {
        match received {
            Ok((length, from)) => {
                if Instant::now() >= self.look {
                    self.look_at_files().await;
                }
                self.desk.take(&buffer[..length], from, (self.wall)(), &mut self.points);
                self.drain(socket, buffer);
            }
            // Windows answers with the fate of earlier datagrams; nothing of it is about those that come.
            Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
            Err(error) => {
                tracing::warn!(socket = self.line.name, %error, "a datagram could not be received");
                sleep(PAUSE).await;
            }
        }
    }

    /// Takes of what is there now as much as may be taken at once. Whether there may be more.
    fn drain(&mut self, socket: &Udp, buffer: &mut [u8]) -> bool {
        for _ in 0..IN_A_ROW {
            if self.points.len() >= WAITING {
                break;
            }
            let Ok((length, from)) = socket.try_recv(buffer) else { return false };
            self.desk.take(&buffer[..length], from, (self.wall)(), &mut self.points);
        }
        true
    }

    async fn send(&mut self) {
        if !self.points.is_empty() {
            // Nobody takes them any more only when everything ends.
            let points = std::mem::take(&mut self.points);
            let _ = self.out.send(Reading { source: self.source, points }).await;
        }
    }

    /// When the interval ends that is now.
    fn next_close(&self) -> Instant {
        let length = if self.settings.passes_on() { TIDY } else { self.settings.aggregation };
        let length = i64::try_from(length.as_millis()).unwrap_or(i64::MAX).max(1);
        let rest = length - (self.wall)().as_millis().rem_euclid(length);
        Instant::now() + Duration::from_millis(rest.unsigned_abs())
    }

    /// Read the files that changed. One that hangs is waited for only so long, and then by nobody; what it said before holds.
    async fn look_at_files(&mut self) {
        self.look = Instant::now() + LOOK;
        if let Some(mut files) = self.files.take() {
            self.looking = Some(tokio::task::spawn_blocking(move || {
                let news = files.look();
                (files, news)
            }));
        }
        let Some(looking) = &mut self.looking else { return };
        match timeout(PATIENCE, looking).await {
            Ok(Ok((files, news))) => {
                (self.files, self.looking) = (Some(files), None);
                self.tell(news);
            }
            Ok(Err(error)) => {
                self.looking = None;
                tracing::error!(%error, "the files of collectd cannot be looked at any more until a restart");
            }
            // The next look takes what this one finds.
            Err(_) => self.look = Instant::now() + LONGEST_WAIT,
        }
    }

    fn tell(&mut self, news: News) {
        if let Some(users) = news.users {
            self.desk.admit(users);
        }
        if let Some(types) = news.types {
            self.desk.rename(types, &mut self.points);
        }
        match news.trouble {
            Some(Some(why)) if self.settings.level != Level::None => {
                lacks_users(&self.line, &why);
            }
            Some(_) => self.line.works(),
            None => {}
        }
    }
}

/// Says once that nobody can be known.
fn lacks_users(line: &Line, why: &str) {
    const REMEDY: &str = "write the lines `user: password` there, or set collectd_security_level of metrics.metrics_collected.collectd \
                          to none";
    if line.note(format!("collectd_auth_file cannot be read: {why}: {REMEDY}")) {
        tracing::error!(
            socket = line.name,
            why,
            "collectd_auth_file cannot be read, which is tried again; users who are not known yet are refused: {REMEDY}"
        );
    }
}

/// A socket there.
async fn bound(address: &Address) -> io::Result<Udp> {
    let bind = |ip: IpAddr| Udp::bind((ip, address.port).into(), RECEIVE_BUFFER);
    match &address.host {
        // Hosts without IPv6 do without it.
        Host::All => match bind(Ipv6Addr::UNSPECIFIED.into()) {
            Err(error) if sockets::is_absent(&error) => bind(Ipv4Addr::UNSPECIFIED.into()),
            bound => bound,
        },
        Host::Address(ip) => bind(*ip),
        Host::Named(name) => {
            let mut found = tokio::net::lookup_host((name.as_str(), address.port)).await?;
            bind(found.next().ok_or_else(|| io::Error::other("the name has no address"))?.ip())
        }
    }
}

/// What to do where the socket cannot be opened.
fn remedy(error: ErrorKind) -> &'static str {
    match error {
        ErrorKind::AddrInUse => {
            "another program has this port, perhaps collectd itself as a server: stop it, or name another port with `service_address` of \
             metrics.metrics_collected.collectd"
        }
        ErrorKind::AddrNotAvailable => {
            "this host has no such address: correct `service_address` of metrics.metrics_collected.collectd"
        }
        ErrorKind::PermissionDenied => {
            "ports below 1024 need a right that the daemon's user lacks (CAP_NET_BIND_SERVICE): name a higher one with \
             `service_address` of metrics.metrics_collected.collectd"
        }
        _ => "see `service_address` of metrics.metrics_collected.collectd",
    }
}
