use super::*;
use crate::{
    config::settings::{StatsdAddress, metrics::SourceDimensions},
    model::{Dimension, Point, Values},
    telemetry::counters,
};
use std::{net::UdpSocket, path::Path, time::Duration};
use tokio::task::JoinHandle;

/// Where nothing is published before the stop.
const NEVER: Duration = Duration::from_hours(24);

fn settings(addresses: Vec<StatsdAddress>, interval: Duration) -> Statsd {
    Statsd {
        at: "metrics.metrics_collected.statsd".into(),
        addresses,
        interval,
        resolution: Resolution::Minute,
        pending: 10_000,
        separator: "_".into(),
        max_series: 10_000,
        dimensions: SourceDimensions::default(),
        metric_type: true,
        keep_gauges: false,
        signed_values: false,
        float_counters: false,
        strict_rates: false,
        distributions: false,
        units: vec![],
    }
}

/// One that runs, and what it hands on.
struct Running {
    out: mpsc::Receiver<Reading>,
    board: Arc<Board>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Running {
    async fn start(settings: Statsd) -> Self {
        let (sender, out) = mpsc::channel(4);
        let (board, stop) = (Arc::new(Board::default()), CancellationToken::new());
        let task = tokio::spawn(run(settings, 7, Place::at(0), sender, board.clone(), stop.clone()));
        // Sockets are opened at the first opportunity.
        for _ in 0..10 {
            yield_now().await;
        }
        Self { out, board, stop, task }
    }

    /// Everything that is published from now to the end, after the stop.
    async fn end(mut self) -> Vec<Point> {
        self.stop.cancel();
        let mut points = vec![];
        while let Some(reading) = self.out.recv().await {
            assert_eq!(reading.source, 7);
            points.extend(reading.points);
        }
        self.task.await.expect("no panic");
        points
    }

    fn errors(&self) -> Vec<String> {
        self.board.read().sources.into_values().filter_map(|line| line.last_error).collect()
    }
}

fn free_port() -> u16 {
    UdpSocket::bind("127.0.0.1:0").expect("a socket").local_addr().expect("bound").port()
}

fn loopback(port: u16) -> StatsdAddress {
    StatsdAddress::Named("127.0.0.1".into(), port)
}

fn send(port: u16, datagrams: impl IntoIterator<Item = String>) {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    for datagram in datagrams {
        socket.send_to(datagram.as_bytes(), ("127.0.0.1", port)).expect("sent");
    }
}

fn shown(points: &[Point]) -> Vec<String> {
    points.iter().map(|point| format!("{} {:?}", point.name, point.value)).collect()
}

#[tokio::test]
async fn what_has_arrived_by_the_stop_is_published() {
    let port = free_port();
    let running = Running::start(settings(vec![loopback(port)], NEVER)).await;
    let before = counters::STATSD_DATAGRAMS.here();
    send(port, (0..5_000).map(|_| "a:1|c\nb:2|ms".to_owned()));
    let points = running.end().await;
    assert_eq!(shown(&points), ["a One(5000.0)", "b Many([(2.0, 5000.0)])"]);
    assert_eq!(&*points[0].dimensions, [Dimension::new("metric_type", "counter")]);
    assert_eq!(counters::STATSD_DATAGRAMS.here() - before, 5_000);
}

#[tokio::test(start_paused = true)]
async fn what_came_is_published_after_each_interval_and_where_nothing_came_nothing_is() {
    let port = free_port();
    let mut running = Running::start(settings(vec![loopback(port)], Duration::from_secs(10))).await;
    let begin = tokio::time::Instant::now();
    send(port, ["a:1|c".to_owned()]);
    assert_eq!(shown(&running.out.recv().await.expect("published").points), ["a One(1.0)"]);
    let first = begin.elapsed();
    assert!(first <= Duration::from_millis(12_500), "{first:?}");
    tokio::time::sleep(Duration::from_mins(5)).await;
    assert!(running.out.try_recv().is_err());
    send(port, ["a:2|c".to_owned()]);
    assert_eq!(shown(&running.out.recv().await.expect("published").points), ["a One(2.0)"]);
    assert!(running.end().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn while_the_stage_is_full_the_interval_stays_open_and_nothing_is_lost() {
    let port = free_port();
    let mut running = Running::start(settings(vec![loopback(port)], Duration::from_secs(10))).await;
    let mut sum = 0.0;
    for number in 1..=20 {
        send(port, [format!("a:{number}|c")]);
        tokio::time::sleep(Duration::from_secs(13)).await;
        sum += f64::from(number);
    }
    let mut found = vec![];
    while let Ok(reading) = running.out.try_recv() {
        found.extend(reading.points);
    }
    assert_eq!(found.len(), 4, "no more had a place");
    found.extend(running.end().await);
    let total: f64 = found.iter().flat_map(|point| point.value.iter()).map(|(value, _)| value).sum();
    assert_eq!((found.len(), total), (5, sum), "the fifth has all the rest");
}

#[tokio::test]
async fn many_series_are_handed_on_in_pieces_and_all_of_them() {
    let port = free_port();
    let running = Running::start(settings(vec![loopback(port)], NEVER)).await;
    send(port, (0..3_000).map(|n| format!("a:{n}|g|#n:{n}")));
    let points = running.end().await;
    assert_eq!(points.len(), 3_000);
    let right = |(n, point): (usize, &Point)| {
        point.value == Values::One(n as f64) && point.dimensions.contains(&Dimension::new("n", n.to_string()))
    };
    assert!(points.iter().enumerate().all(right));
}

#[tokio::test]
async fn a_port_that_is_taken_is_tried_again_and_said_with_what_to_do() {
    let taken = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let port = taken.local_addr().expect("bound").port();
    tokio::time::pause();
    let running = Running::start(settings(vec![loopback(port)], NEVER)).await;
    assert!(running.errors()[0].contains("another program has this port"), "{:?}", running.errors());
    drop(taken);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(running.errors().is_empty());
    send(port, ["a:1|c".to_owned()]);
    assert_eq!(shown(&running.end().await), ["a One(1.0)"]);
}

#[cfg(unix)]
#[tokio::test]
async fn a_unix_socket_takes_what_udp_takes_and_long_datagrams_up_to_their_last_whole_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("statsd.sock");
    let local = StatsdAddress::Local { path: path.clone(), mode: 0o660 };
    let port = free_port();
    let running = Running::start(settings(vec![loopback(port), local], NEVER)).await;
    let client = std::os::unix::net::UnixDatagram::unbound().expect("a socket");
    client.send_to(b"a:1|c", &path).expect("sent");
    send(port, ["a:1|c".to_owned()]);
    let before = counters::DATAGRAMS_CUT.here();
    let long = "a:1|c\n".repeat(11_000);
    client.send_to(long.as_bytes(), &path).expect("sent");
    let points = running.end().await;
    let whole = (64 << 10) / "a:1|c\n".len();
    assert_eq!(points[0].value, Values::One((whole + 2) as f64));
    assert_eq!(counters::DATAGRAMS_CUT.here() - before, 1);
    assert!(!Path::new(&path).exists(), "it goes with us");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn what_the_system_drops_is_counted() {
    let port = free_port();
    let running = Running::start(settings(vec![loopback(port)], NEVER)).await;
    let before = counters::DATAGRAMS_DROPPED.here();
    // Nobody reads while this test does not wait: it sends until something must have been dropped.
    let long = "x".repeat(60_000);
    send(port, (0..8_000).map(|_| format!("a:1|c\n{long}")));
    let read = counters::STATSD_DATAGRAMS.here();
    let points = running.end().await;
    let read = counters::STATSD_DATAGRAMS.here() - read;
    assert!(read < 8_000 && counters::DATAGRAMS_DROPPED.here() - before == 8_000 - read);
    assert_eq!(points[0].value, Values::One(read as f64));
}
