//! The plugins of the host, compared with what psutil and the kernel's own files say at the same moment. Linux only: there the kernel
//! shows everything to everybody.
#![cfg(target_os = "linux")]
use crate::support::{PATIENCE, host::TestHost, psutil::Psutil};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io::{Read, Write},
    net::{TcpListener, TcpStream, UdpSocket},
    os::unix::net::{UnixDatagram, UnixListener},
    path::Path,
    process::Stdio,
};
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStdout},
};

/// What the questions can use.
const DEFINITIONS: &str = include_str!("support/this_machine.py");

/// Names of a table, as a configuration asks for them.
fn fields(names: &str) -> Vec<&str> {
    names.split_whitespace().collect()
}

const CPU_PARTS: &str = "active idle iowait irq nice softirq steal system user guest guest_nice";
const MEM: &str = "total free used available active inactive buffered cached shared used_percent available_percent";
const DISK: &str = "total free used used_percent inodes_total inodes_free inodes_used";
const NETSTAT: &str = "tcp_close tcp_close_wait tcp_closing tcp_established tcp_fin_wait1 tcp_fin_wait2 tcp_last_ack tcp_listen tcp_none \
    tcp_syn_sent tcp_syn_recv tcp_time_wait udp_socket";
const PROCESSES: &str = "running sleeping stopped idle blocked total zombies dead paging total_threads";

/// A machine that measures this each second, and sends it each second.
fn measuring(collected: Value) -> TestHost {
    TestHost::of(json!({
        "agent": { "region": "us-east-1", "metrics_collection_interval": 1, "omit_hostname": true },
        "metrics": { "namespace": "Story", "force_flush_interval": 1, "metrics_collected": collected },
    }))
}

/// One datum: its name, its dimensions, and its values summed up.
#[derive(Debug)]
struct Datum {
    name: String,
    dimensions: BTreeMap<String, String>,
    unit: String,
    sum: f64,
    /// Readings that it holds.
    count: f64,
}

/// The datums of one printed request.
fn datums(line: &str) -> Vec<Datum> {
    let line: Value = serde_json::from_str(line).expect("a line of JSON");
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let datum = |datum: &Value| {
        let numbers = |key: &str| datum[key].as_array().into_iter().flatten().filter_map(Value::as_f64);
        Datum {
            name: text(&datum["MetricName"]),
            dimensions: (datum["Dimensions"].as_array().into_iter().flatten())
                .map(|d| (text(&d["Name"]), text(&d["Value"])))
                .collect(),
            unit: text(&datum["Unit"]),
            count: datum["Value"].as_f64().map_or_else(|| numbers("Counts").sum(), |_| 1.0),
            sum: datum["Value"]
                .as_f64()
                .unwrap_or_else(|| numbers("Values").zip(numbers("Counts")).map(|(v, n)| v * n).sum()),
        }
    };
    line["request"]["MetricData"].as_array().expect("metrics alone").iter().map(datum).collect()
}

/// The value of the datum with this name that has these dimensions; the last one, where a round saw two ticks.
fn value(datums: &[Datum], name: &str, dimensions: &[(&str, &str)]) -> Option<f64> {
    let same = |datum: &&Datum| {
        datum.name == name
            && dimensions.iter().all(|(name, value)| datum.dimensions.get(*name).is_some_and(|v| v == value))
    };
    datums.iter().rfind(same).map(|datum| datum.sum)
}

/// One reading, with what psutil saw before and after it.
async fn once(host: &TestHost, psutil: &mut Psutil) -> (Value, Vec<Datum>, Value) {
    let config = host.write_config();
    let before = psutil.ask("everything()").await;
    let output = host.run([Path::new("run"), &config, Path::new("--once"), Path::new("--dry-run")]).await;
    let after = psutil.ask("everything()").await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let printed = String::from_utf8_lossy(&output.stdout);
    (before, printed.lines().flat_map(datums).collect(), after)
}

/// Compares what was published with what others saw before and after.
struct Comparison<'a> {
    before: &'a Value,
    after: &'a Value,
    datums: &'a [Datum],
    wrong: Vec<String>,
}

impl Comparison<'_> {
    /// The datum lies between what others saw, or beside it by no more than `slack`.
    fn near(&mut self, name: &str, dimensions: &[(&str, &str)], pointer: &str, slack: f64) {
        let seen = [self.before, self.after].map(|seen| seen.pointer(pointer).and_then(Value::as_f64));
        let (Some(one), Some(other), Some(ours)) = (seen[0], seen[1], value(self.datums, name, dimensions)) else {
            self.wrong.push(format!(
                "{name} {dimensions:?}: ours {:?}, others {seen:?}",
                value(self.datums, name, dimensions)
            ));
            return;
        };
        if ours < one.min(other) - slack || ours > one.max(other) + slack {
            self.wrong.push(format!("{name} {dimensions:?}: ours {ours}, others {one} and {other}"));
        }
    }

    /// `near` for each field of one plugin that stands in one object.
    fn all(&mut self, plugin: &str, names: &str, slack: impl Fn(&str) -> f64) {
        for name in fields(names) {
            self.near(&format!("{plugin}_{name}"), &[], &format!("/{plugin}/{name}"), slack(name));
        }
    }
}

fn compare(before: &Value, datums: &[Datum], after: &Value) -> Vec<String> {
    let mut it = Comparison { before, after, datums, wrong: vec![] };
    let total = before["mem"]["total"].as_f64().expect("a number");
    // Other programs run: a hundredth of the memory may have changed hands meanwhile. The total never changes.
    it.all("mem", MEM.trim_end_matches(" used_percent available_percent"), |name| {
        if name == "total" { 0.0 } else { total / 100.0 }
    });
    for share in ["used", "available"] {
        let (amount, percent) =
            (value(datums, &format!("mem_{share}"), &[]), value(datums, &format!("mem_{share}_percent"), &[]));
        let (Some(amount), Some(percent)) = (amount, percent) else { panic!("mem_{share} and its share are missing") };
        assert!(
            (percent - amount / total * 100.0).abs() < 1e-6,
            "{share}: {amount} of {total} is not {percent} percent"
        );
    }
    it.all("swap", "free used", |_| total / 100.0);
    it.all("swap", "used_percent", |_| 1.0);
    for cpu in before["cpu"].as_object().expect("an object").keys() {
        for part in fields(CPU_PARTS) {
            // Ticks are a hundredth of a second.
            it.near(&format!("cpu_time_{part}"), &[("cpu", cpu)], &format!("/cpu/{cpu}/{part}"), 0.02);
        }
    }
    let paths = |seen: &Value| seen["disk"].as_object().expect("an object").keys().cloned().collect::<BTreeSet<_>>();
    let published: BTreeSet<_> = datums.iter().filter_map(|datum| datum.dimensions.get("path").cloned()).collect();
    if published != paths(before) && published != paths(after) {
        it.wrong.push(format!("mounts: ours {published:?}, others {:?}", paths(after)));
    }
    for (path, disk) in before["disk"].as_object().expect("an object") {
        let dimension = |key: &str| disk[key].as_str().expect("a text");
        let mut dimensions = vec![("path", path.as_str()), ("fstype", dimension("fstype"))];
        if dimension("device") != "root" {
            dimensions.push(("device", dimension("device")));
        }
        let escaped = path.replace('~', "~0").replace('/', "~1");
        for name in fields(DISK) {
            let slack = match name {
                "total" | "inodes_total" => 0.0,
                "used_percent" => 1.0,
                _ => {
                    disk[if name.starts_with("inodes") { "inodes_total" } else { "total" }].as_f64().expect("a number")
                        / 100.0
                }
            };
            it.near(&format!("disk_{name}"), &dimensions, &format!("/disk/{escaped}/{name}"), slack);
        }
    }
    // Others open sockets and start processes meanwhile, our own daemon too.
    it.all("netstat", NETSTAT, |_| 5.0);
    it.all("processes", PROCESSES, |name| if name == "total_threads" { 25.0 } else { 5.0 });
    it.wrong
}

/// Sockets that nothing else on this machine has as many of.
struct Opened {
    _listeners: Vec<TcpListener>,
    _connections: Vec<(TcpStream, TcpStream)>,
    _udp: Vec<UdpSocket>,
    _streams: Vec<UnixListener>,
    _datagrams: Vec<UnixDatagram>,
}

fn open_sockets(host: &TestHost) -> Opened {
    let listeners: Vec<_> = (0..20).map(|_| TcpListener::bind("127.0.0.1:0").expect("a free port")).collect();
    let connection = |listener: &TcpListener| {
        let near = TcpStream::connect(listener.local_addr().expect("bound")).expect("it listens");
        (near, listener.accept().expect("connected").0)
    };
    Opened {
        _connections: listeners.iter().map(connection).collect(),
        _listeners: listeners,
        _udp: (0..20)
            .map(|_| UdpSocket::bind("[::1]:0").or_else(|_| UdpSocket::bind("127.0.0.1:0")).expect("a free port"))
            .collect(),
        _streams: (0..20).map(|n| UnixListener::bind(host.path(&format!("s{n}"))).expect("a new name")).collect(),
        _datagrams: (0..20).map(|n| UnixDatagram::bind(host.path(&format!("d{n}"))).expect("a new name")).collect(),
    }
}

#[tokio::test]
async fn gauges_are_what_psutil_and_the_kernel_say_at_the_same_moment() {
    let cpu: Vec<String> = fields(CPU_PARTS).iter().map(|part| format!("time_{part}")).collect();
    let host = measuring(json!({
        "cpu": { "measurement": cpu, "resources": ["*"] },
        "mem": { "measurement": fields(MEM) },
        "swap": { "measurement": ["free", "used", "used_percent"] },
        "disk": { "measurement": fields(DISK), "resources": ["*"] },
        "netstat": { "measurement": fields(NETSTAT) },
        "processes": { "measurement": fields(PROCESSES) },
    }));
    let _opened = open_sockets(&host);
    let mut psutil = Psutil::start(DEFINITIONS);
    let mut wrong = vec![];
    // Other stories run beside this one, and what they do may happen in between. A wrong formula is wrong each time.
    for _ in 0..10 {
        let (before, datums, after) = once(&host, &mut psutil).await;
        wrong = compare(&before, &datums, &after);
        if wrong.is_empty() {
            let units: BTreeSet<_> = datums.iter().map(|datum| datum.unit.as_str()).collect();
            assert_eq!(units, BTreeSet::from(["Bytes", "Count", "None", "Percent"]));
            return;
        }
    }
    panic!("each time something else was published than others saw:\n{}", wrong.join("\n"));
}

/// A daemon that prints what it would send.
struct Printing {
    _daemon: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Printing {
    fn start(host: &TestHost) -> Self {
        let config = host.write_config();
        let mut command = host.command([Path::new("run"), &config, Path::new("--dry-run")]);
        let said = File::create(host.path("stderr")).expect("a folder of our own");
        let mut daemon = command.stdout(Stdio::piped()).stderr(said).spawn().expect("the binary can be started");
        let lines = BufReader::new(daemon.stdout.take().expect("piped above")).lines();
        Self { _daemon: daemon, lines }
    }

    /// The next request.
    async fn next(&mut self) -> Vec<Datum> {
        let line = tokio::time::timeout(PATIENCE, self.lines.next_line()).await.expect("it sends in time");
        datums(&line.expect("it can be read").expect("it runs"))
    }
}

/// Sums of each series since it was last asked.
#[derive(Default)]
struct Sums(BTreeMap<(String, String), f64>);

impl Sums {
    fn add(&mut self, datums: &[Datum]) {
        for datum in datums {
            let device = datum.dimensions.values().next().cloned().unwrap_or_default();
            *self.0.entry((datum.name.clone(), device)).or_default() += datum.sum;
        }
    }

    fn of(&self, name: &str, device: &str) -> f64 {
        self.0.get(&(name.to_owned(), device.to_owned())).copied().unwrap_or_default()
    }
}

/// So many bytes through the loopback interface, and as many onto the disk.
fn move_bytes(host: &TestHost, count: usize) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let mut near = TcpStream::connect(listener.local_addr().expect("bound")).expect("it listens");
    let (mut far, _) = listener.accept().expect("connected");
    let reader = std::thread::spawn(move || far.read_to_end(&mut Vec::new()).expect("it reads"));
    let bytes = vec![b'x'; count];
    near.write_all(&bytes).expect("it writes");
    drop(near);
    assert_eq!(reader.join().expect("no panic"), count);
    let mut file = File::create(host.path("large")).expect("a folder of our own");
    file.write_all(&bytes).expect("room for it");
    file.sync_all().expect("a disk that works");
}

#[tokio::test]
async fn counters_are_published_as_their_growth_and_nothing_of_it_is_lost() {
    let (net, disk) =
        ("bytes_sent bytes_recv packets_sent packets_recv", "reads writes read_bytes write_bytes io_time");
    let host = measuring(json!({
        "net": { "measurement": fields(net), "resources": ["lo"] },
        "diskio": { "measurement": fields(disk), "resources": ["*"] },
    }));
    let mut psutil = Psutil::start(DEFINITIONS);
    let earliest = psutil.ask("moved('lo')").await;
    let mut daemon = Printing::start(&host);
    // What stands in the first requests was read before `early`.
    let mut sums = Sums::default();
    let first = daemon.next().await;
    sums.add(&first);
    let early = psutil.ask("moved('lo')").await;
    const MOVED: usize = 40_000_000;
    move_bytes(&host, MOVED);
    let late = psutil.ask("moved('lo')").await;
    // Name, device, and where psutil has it.
    let devices: Vec<String> = late["disk"].as_object().expect("an object").keys().cloned().collect();
    let of_disks = devices.iter().flat_map(|device| {
        fields(disk)
            .into_iter()
            .map(move |name| (format!("diskio_{name}"), device.clone(), format!("/disk/{device}/{name}")))
    });
    let of_links = fields(net).into_iter().map(|name| (format!("net_{name}"), "lo".to_owned(), format!("/net/{name}")));
    let series: Vec<_> = of_disks.chain(of_links).collect();
    // Until a reading that was made after `late` is there.
    let least = |sums: &Sums| series.iter().all(|(name, device, at)| sums.of(name, device) >= grown(&early, &late, at));
    for _ in 0..60 {
        if least(&sums) {
            break;
        }
        sums.add(&daemon.next().await);
    }
    let latest = psutil.ask("moved('lo')").await;
    for (name, device, at) in &series {
        let (least, most) = (grown(&early, &late, at), grown(&earliest, &latest, at));
        let ours = sums.of(name, device);
        assert!(ours >= least && ours <= most, "{device} {name}: ours {ours}, others {least} to {most}");
    }
    assert!(sums.of("net_bytes_recv", "lo") >= MOVED as f64);
    assert!(sums.0.iter().any(|((name, _), sum)| name == "diskio_write_bytes" && *sum >= MOVED as f64));
    let published: BTreeSet<_> =
        sums.0.keys().filter(|(name, _)| name.starts_with("diskio")).map(|(_, device)| device).collect();
    assert_eq!(published, devices.iter().collect(), "partitions too, and none that was never used");
}

/// By how much a counter has grown between two moments.
fn grown(from: &Value, to: &Value, pointer: &str) -> f64 {
    let number = |seen: &Value| {
        seen.pointer(pointer).and_then(Value::as_f64).unwrap_or_else(|| panic!("no {pointer} in {seen}"))
    };
    number(to) - number(from)
}

#[tokio::test]
async fn shares_of_the_processors_are_those_of_the_time_that_passed() {
    let parts: Vec<String> =
        fields(CPU_PARTS).iter().flat_map(|part| [format!("usage_{part}"), format!("time_{part}")]).collect();
    let host = measuring(json!({ "cpu": { "measurement": parts } }));
    let mut daemon = Printing::start(&host);
    // Two readings, one after the other: a request may hold two of the same second.
    let (mut before, mut now) = (vec![], daemon.next().await);
    while !before.iter().chain(&now).all(|datum: &Datum| datum.count == 1.0) || before.is_empty() {
        (before, now) = (now, daemon.next().await);
    }
    let time = |datums: &[Datum], part: &str| {
        value(datums, &format!("cpu_time_{part}"), &[("cpu", "cpu-total")]).expect("published")
    };
    let passed = |part: &str| time(&now, part) - time(&before, part);
    let all = passed("active") + passed("idle");
    assert!(all > 0.0);
    let mut parts_of_active = 0.0;
    for part in fields(CPU_PARTS) {
        let ours = value(&now, &format!("cpu_usage_{part}"), &[("cpu", "cpu-total")]).expect("published");
        // `user` and `nice` hold what guests used in the times, and not in the shares. Estimates of the kernel may go back by a tick.
        let expected = match part {
            "user" => passed("user") - passed("guest"),
            "nice" => passed("nice") - passed("guest_nice"),
            _ => passed(part),
        };
        assert!((ours - expected.max(0.0) / all * 100.0).abs() < 0.01, "{part}: {ours} is not {expected} of {all}");
        parts_of_active += if matches!(part, "active" | "idle") { 0.0 } else { ours };
    }
    let active = value(&now, "cpu_usage_active", &[("cpu", "cpu-total")]).expect("published");
    assert!((active - parts_of_active).abs() < 2.0, "{active} is not {parts_of_active}");
}
