//! What programs send over statsd: it arrives, whole, as CloudWatch takes it.
use crate::support::{
    PATIENCE,
    fake::{Datum, FakeAws, Seen},
    host::{Daemon, TestHost},
    moto::interpreter,
};
use serde_json::{Value, json};
use std::{net::UdpSocket, os::unix::net::UnixDatagram, path::PathBuf, process::Stdio};

/// A daemon that takes statsd lines at a port and at a UNIX socket.
struct Story {
    host: TestHost,
    port: u16,
    socket: PathBuf,
    _folder: tempfile::TempDir,
}

impl Story {
    /// With these keys of `statsd` beside where it listens.
    fn new(aws: &FakeAws, keys: Value) -> Self {
        let port = UdpSocket::bind("127.0.0.1:0").expect("a port").local_addr().expect("bound").port();
        let folder = tempfile::tempdir().expect("a folder");
        let socket = folder.path().join("statsd.sock");
        let mut statsd = json!({ "service_address": format!("127.0.0.1:{port}"), "socket": socket });
        let keys = keys.as_object().expect("an object").clone();
        statsd.as_object_mut().expect("an object").extend(keys);
        let host = TestHost::of(json!({
            "agent": { "region": "us-east-1", "endpoint_override": aws.url(), "hostname": "h1", "logfile": "" },
            "metrics": { "force_flush_interval": 1, "metrics_collected": { "statsd": statsd } },
        }));
        Self { host, port, socket, _folder: folder }
    }

    /// As soon as it listens.
    async fn start(&self) -> Daemon<'_> {
        let mut daemon = self.host.start();
        let places =
            [format!("statsd on udp://127.0.0.1:{}", self.port), format!("statsd on {}", self.socket.display())];
        let open = |sources: &Value, name: &String| {
            let line = sources.as_array().into_iter().flatten().find(|source| source["name"] == *name);
            line.is_some_and(|line| line["last_error"].is_null())
        };
        daemon
            .until("the sockets to be open", |status| places.iter().all(|name| open(&status.0["sources"], name)))
            .await;
        daemon
    }

    /// Stops the daemon, and lets the next one send what this one kept.
    async fn stop(&self, daemon: Daemon<'_>, aws: &FakeAws, delivered: impl FnMut(&Seen) -> bool) {
        assert!(daemon.terminate().await.success());
        let mut daemon = self.start().await;
        daemon.until_cloud(aws, "what the stop kept", delivered).await;
        assert!(daemon.terminate().await.success());
    }

    /// What a program in Python does, which has `port` and `path`.
    async fn python(&self, program: &str) {
        let prelude = "import sys\nport, path = int(sys.argv[1]), sys.argv[2]\n";
        let output = tokio::process::Command::new(interpreter())
            .args(["-c", &format!("{prelude}{program}")])
            .args([self.port.to_string().as_ref(), self.socket.as_os_str()])
            .env_remove("DD_ENV")
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output();
        let output = tokio::time::timeout(PATIENCE, output).await.expect("it ends").expect("it starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

/// Name, dimensions but the host, and all values with how often they came, of each series.
fn series(aws: &FakeAws) -> Vec<String> {
    let shown = |datum: &Datum| {
        assert_eq!((datum.namespace.as_str(), datum.unit.as_str()), ("CWAgent", "None"));
        assert_eq!(datum.dimensions.get("host").map(String::as_str), Some("h1"));
        let tags = datum.dimensions.iter().filter(|(name, _)| *name != "host");
        let tags: Vec<_> = tags.map(|(name, value)| format!("{name}={value}")).collect();
        format!("{} {} {:?}", datum.name, tags.join(","), datum.values)
    };
    aws.assert_no_violations();
    let mut all: Vec<_> = aws.look(|seen| seen.datums.iter().map(shown).collect());
    all.sort();
    all
}

/// Longer than a story: all that was sent comes at the stop.
const LONG: u64 = 86_400;

#[tokio::test]
async fn the_usual_client_of_python_is_understood() {
    let aws = FakeAws::start();
    let story = Story::new(&aws, json!({ "metrics_collection_interval": LONG }));
    let daemon = story.start().await;
    story
        .python(
            r#"
from statsd import StatsClient
client = StatsClient("127.0.0.1", port, prefix="web.app")
for number in range(1000):
    client.incr("hits", number)
client.decr("hits", 500)
client.gauge("heat", 70.5)
client.gauge("level", 10)
client.gauge("level", -3, delta=True)
# In one datagram: to zero first, and from there below it.
client.gauge("frost", -4.5)
client.timing("time", 320)
client.timing("time", 320)
client.timing("time", 5.25)
for user in ["a", "b", "a"]:
    client.set("users", user)
with client.pipeline() as pipe:
    for _ in range(3):
        pipe.incr("piped")
    pipe.timing("piped.time", 7)
"#,
        )
        .await;
    story.stop(daemon, &aws, |seen| seen.datums.len() >= 8).await;
    assert_eq!(
        series(&aws),
        [
            "web_app_frost metric_type=gauge [(-4.5, 1.0)]",
            "web_app_heat metric_type=gauge [(70.5, 1.0)]",
            "web_app_hits metric_type=counter [(499000.0, 1.0)]",
            "web_app_level metric_type=gauge [(7.0, 1.0)]",
            "web_app_piped metric_type=counter [(3.0, 1.0)]",
            "web_app_piped_time metric_type=timing [(7.0, 1.0)]",
            "web_app_time metric_type=timing [(5.25, 1.0), (320.0, 2.0)]",
            "web_app_users metric_type=set [(2.0, 1.0)]",
        ]
    );
}

#[tokio::test]
async fn the_client_of_datadog_is_understood_by_udp_and_unix_socket() {
    const PROGRAM: &str = r#"
from datadog.dogstatsd import DogStatsd
common = dict(constant_tags=["env:prod", "canary"], disable_telemetry=True)
for client in [DogStatsd(host="127.0.0.1", port=port, **common), DogStatsd(socket_path="unix://" + path, **common)]:
    client.increment("page.views", 2, tags=["route:/a:b"])
    client.decrement("page.views", tags=["route:/a:b"])
    client.gauge("fuel", 0.5)
    client.histogram("size", 12)
    client.timing("took", 250)
    client.set("users", "u1")
    client.distribution("spread", 3)
    client.flush()
"#;
    for distributions in [false, true] {
        let aws = FakeAws::start();
        let keys = json!({ "metrics_collection_interval": LONG, "distributions": distributions });
        let story = Story::new(&aws, keys);
        let mut daemon = story.start().await;
        story.python(PROGRAM).await;
        let refused = u64::from(!distributions) * 2;
        daemon.until("what is refused", |status| status.counter("statsd_refused_bad_type") == refused).await;
        story.stop(daemon, &aws, |seen| seen.datums.len() >= 5 + usize::from(distributions)).await;
        let tags = "canary=<empty>,env=prod";
        let mut wanted = vec![
            format!("fuel {tags},metric_type=gauge [(0.5, 1.0)]"),
            format!("page_views {tags},metric_type=counter,route=/a:b [(2.0, 1.0)]"),
            format!("size {tags},metric_type=histogram [(12.0, 2.0)]"),
            format!("took {tags},metric_type=timing [(250.0, 2.0)]"),
            format!("users {tags},metric_type=set [(1.0, 1.0)]"),
        ];
        if distributions {
            wanted.insert(3, format!("spread {tags},metric_type=distribution [(3.0, 2.0)]"));
        }
        assert_eq!(series(&aws), wanted);
        let said = story.host.said();
        assert_eq!(said.contains("its type is none of c, g, ms, h and s"), !distributions, "{said}");
    }
}

#[tokio::test]
async fn each_of_many_datagrams_counts_however_fast_they_come() {
    const MANY: u64 = 100_000;
    let aws = FakeAws::start();
    let story = Story::new(&aws, json!({ "metrics_collection_interval": 1 }));
    let daemon = story.start().await;
    // Whoever sends to a full UNIX socket waits: this is as fast as they are taken, over several intervals.
    let socket = story.socket.clone();
    let sent = tokio::task::spawn_blocking(move || {
        let client = UnixDatagram::unbound().expect("a socket");
        client.connect(&socket).expect("connected");
        for number in 0..MANY {
            let line = format!("sum:{number}|c\ntimes:{}|ms|@0.5|#k:v\nlast:{number}|g", number % 1_000);
            client.send(line.as_bytes()).expect("sent");
        }
    });
    sent.await.expect("no panic");
    let all = |seen: &Seen, name: &str| -> Vec<(f64, f64)> {
        seen.metric(name).into_iter().flat_map(|datum| datum.values.clone()).collect()
    };
    let sum = |values: &[(f64, f64)]| values.iter().map(|(value, count)| value * count).sum::<f64>();
    let wanted = (MANY * (MANY - 1) / 2) as f64;
    story.stop(daemon, &aws, |seen| sum(&all(seen, "sum")) >= wanted).await;
    aws.assert_no_violations();
    aws.look(|seen| {
        assert_eq!(sum(&all(seen, "sum")), wanted);
        let times = all(seen, "times");
        assert_eq!(times.iter().map(|(_, count)| count).sum::<f64>(), (MANY * 2) as f64);
        assert_eq!(sum(&times), 499.5 * (MANY * 2) as f64);
        let last = all(seen, "last").iter().map(|(value, _)| *value).fold(0.0, f64::max);
        assert_eq!(last, (MANY - 1) as f64);
    });
}

#[tokio::test]
async fn every_interval_is_a_value_of_its_own_without_aggregation_and_carries_what_the_stage_adds() {
    let aws = FakeAws::start();
    let keys = json!({
        "metrics_collection_interval": 1,
        "metrics_aggregation_interval": 0,
        "metric_type_dimension": false,
        "unit_suffixes": { "_ms": "Milliseconds" },
        "drop_original_metrics": ["dropped"],
    });
    let story = Story::new(&aws, keys);
    let mut daemon = story.start().await;
    let client = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let send = |text: &str| client.send_to(text.as_bytes(), ("127.0.0.1", story.port)).expect("sent");
    for number in 1..=3 {
        send(&format!("n:{number}|c\ndropped:1|c\nlate.ms:{number}|g"));
        let seen = |seen: &Seen| seen.metric("n").len() == number;
        daemon.until_cloud(&aws, "the value of the interval", seen).await;
    }
    assert!(daemon.terminate().await.success());
    aws.assert_no_violations();
    aws.look(|seen| {
        let values: Vec<f64> = seen.metric("n").iter().map(|datum| datum.value).collect();
        assert_eq!(values, [1.0, 2.0, 3.0]);
        assert!(seen.metric("n").iter().all(|datum| datum.resolution == Some(1) && datum.dimensions.len() == 1));
        assert!(seen.metric("dropped").is_empty());
        assert!(!seen.metric("late_ms").is_empty());
        assert!(seen.metric("late_ms").iter().all(|datum| datum.unit == "Milliseconds"));
    });
}
