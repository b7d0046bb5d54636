//! With a socket, and with the files beside the configuration.
use super::*;
use crate::{
    config::settings::{
        collectd::{Address, Collectd, Host},
        metrics::SourceDimensions,
    },
    metrics::collectd::{Listener, run},
    model::Reading,
    platform::udp::Udp,
    telemetry::board::Board,
};
use std::{fs, net::UdpSocket, sync::Arc};
use tempfile::TempDir;
use tokio::{sync::mpsc, task::JoinHandle};
use tokio_util::sync::CancellationToken;

/// A listener at work.
struct Working {
    folder: TempDir,
    sender: UdpSocket,
    board: Arc<Board>,
    readings: mpsc::Receiver<Reading>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

fn settings(folder: &TempDir, level: Level, aggregation: Duration) -> Collectd {
    Collectd {
        at: "metrics.metrics_collected.collectd".into(),
        address: Address { host: Host::Address([127, 0, 0, 1].into()), port: 1 },
        prefix: "collectd_".into(),
        auth_file: folder.path().join("auth_file"),
        level,
        types: vec![folder.path().join("types.db")],
        types_named: true,
        aggregation,
        resolution: Resolution::Minute,
        rates: false,
        dimensions: SourceDimensions::default(),
    }
}

fn listening(level: Level, aggregation: Duration, capacity: usize) -> Working {
    let folder = tempfile::tempdir().expect("a folder");
    let (out, readings) = mpsc::channel(capacity);
    let (board, stop) = (Arc::new(Board::default()), CancellationToken::new());
    let listener = Listener::new(settings(&folder, level, aggregation), 4, out, board.clone(), now);
    let socket = Udp::bind(([127, 0, 0, 1], 0).into(), 1 << 20).expect("bound");
    let sender = UdpSocket::bind("127.0.0.1:0").expect("bound");
    sender.connect(socket.address().expect("bound")).expect("connected");
    let stopped = stop.clone();
    let task = tokio::spawn(async move { listener.receive(&socket, &stopped).await });
    Working { folder, sender, board, readings, stop, task }
}

impl Working {
    fn send(&self, packet: &[u8]) {
        self.sender.send(packet).expect("sent");
    }

    async fn reading(&mut self) -> Reading {
        self.readings.recv().await.expect("it works")
    }

    fn last_error(&self) -> Option<String> {
        self.board.read().sources.into_values().next().expect("its line").last_error
    }

    async fn until(&self, done: impl Fn(&Self) -> bool) {
        while !done(self) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_waits_leaves_at_the_end_of_the_interval_as_a_reading_of_its_source() {
    let mut working = listening(Level::None, 2 * MINUTE, 4);
    (0..2).for_each(|_| working.send(&load().done()));
    let reading = working.reading().await;
    assert_eq!((reading.source, reading.points.len()), (4, 3));
    assert_eq!(reading.points[0].value, Values::Many(vec![(0.25, 2.0)]));
}

#[tokio::test]
async fn what_the_stage_puts_together_by_the_minute_leaves_at_once() {
    let mut working = listening(Level::None, MINUTE, 4);
    working.send(&load().done());
    assert_eq!(working.reading().await.points[0].value, Values::One(0.25));
}

#[tokio::test]
async fn what_has_come_by_the_stop_leaves() {
    let mut working = listening(Level::None, Duration::from_secs(172_800), 4);
    for _ in 0..10 {
        working.send(&load().done());
    }
    working.stop.cancel();
    let reading = working.reading().await;
    let counts: f64 =
        reading.points.iter().flat_map(|point| point.value.iter().map(|(_, count)| count).collect::<Vec<_>>()).sum();
    assert_eq!((reading.points.len(), counts), (3, 30.0));
    working.task.await.expect("no panic");
    assert!(working.board.read().sources.is_empty(), "its line goes with it");
}

#[tokio::test]
async fn while_nobody_takes_points_only_so_many_are_read_and_none_is_lost() {
    let mut working = listening(Level::None, Duration::ZERO, 1);
    let many: Vec<Value> = (0..25).map(|n| Value::Gauge(f64::from(n))).collect();
    let four =
        ["a", "b", "c", "d"].into_iter().fold(packet().plugin("p"), |packet, kind| packet.kind(kind).values(&many));
    let packet = four.done();
    // More than may wait here, and no more than the system has room for.
    let mut came = 0;
    for _ in 0..150 {
        working.send(&packet);
        tokio::task::yield_now().await;
    }
    while came < 150 * 100 {
        let reading = working.reading().await;
        assert!(reading.points.len() <= super::super::WAITING + 100);
        came += reading.points.len();
    }
    assert_eq!(came, 15_000);
}

#[tokio::test(start_paused = true)]
async fn a_user_who_is_written_down_is_known_and_one_who_is_not_is_refused_and_that_is_said() {
    let mut working = listening(Level::Encrypt, Duration::ZERO, 4);
    working.until(|working| working.last_error().is_some()).await;
    assert!(working.last_error().is_some_and(|why| why.contains("auth_file") && why.contains("user: password")));
    fs::write(working.folder.path().join("auth_file"), "alice: secret\n").expect("written");
    tokio::time::sleep(Duration::from_secs(2)).await;
    working.send(&load().sealed("alice", "secret", [1; 16]));
    assert_eq!(working.reading().await.points.len(), 3);
    assert_eq!(working.last_error(), None);
    // Another password at both ends.
    fs::write(working.folder.path().join("auth_file"), "alice: changed\n").expect("written");
    tokio::time::sleep(Duration::from_secs(2)).await;
    working.send(&load().sealed("alice", "secret", [2; 16]));
    working.send(&load().sealed("alice", "changed", [3; 16]));
    assert_eq!(working.reading().await.points.len(), 3);
    working.stop.cancel();
    assert!(working.readings.recv().await.is_none(), "what has the old password is refused");
}

#[tokio::test(start_paused = true)]
async fn a_types_db_that_comes_later_names_what_comes_after_it() {
    let mut working = listening(Level::None, Duration::ZERO, 4);
    let packet = packet().plugin("p").kind("mine").values(&[Value::Gauge(1.0)]).done();
    working.send(&packet);
    assert_eq!(working.reading().await.points[0].name, "collectd_p_value");
    fs::write(working.folder.path().join("types.db"), "mine amount:GAUGE:0:U\n").expect("written");
    tokio::time::sleep(Duration::from_secs(2)).await;
    working.send(&packet);
    assert_eq!(working.reading().await.points[0].name, "collectd_p_amount");
}

#[tokio::test(start_paused = true)]
async fn a_port_that_is_taken_is_said_and_tried_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let taken = UdpSocket::bind("127.0.0.1:0").expect("bound");
    let mut settings = settings(&folder, Level::None, Duration::ZERO);
    settings.address.port = taken.local_addr().expect("bound").port();
    let name = format!("collectd on {}", settings.address);
    let ((out, mut readings), board) = (mpsc::channel(4), Arc::new(Board::default()));
    let stop = CancellationToken::new();
    let task = tokio::spawn(run(settings.clone(), 0, out, board.clone(), stop.clone()));
    let line = || board.read().sources.into_values().next();
    while line().is_none_or(|line| line.last_error.is_none()) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(line().is_some_and(|line| line.name == name && line.last_error.is_some_and(|why| why.contains("another program"))));
    drop(taken);
    while line().is_some_and(|line| line.last_error.is_some()) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let sender = UdpSocket::bind("127.0.0.1:0").expect("bound");
    // Without a time: the clock is the real one here.
    let packet = Packet::new().plugin("p").kind("gauge").values(&[Value::Gauge(1.0)]).done();
    sender.send_to(&packet, ("127.0.0.1", settings.address.port)).expect("sent");
    assert_eq!(readings.recv().await.expect("it works").points.len(), 1);
    stop.cancel();
    task.await.expect("no panic");
}
