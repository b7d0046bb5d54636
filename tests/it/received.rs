//! What comes over sockets, which nobody can read again: it arrives all the same.
use crate::support::{
    fake::{FakeAws, Fault, Op},
    host::{Daemon, TestHost},
};
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    io::{ErrorKind, Write},
    net::{TcpStream, UdpSocket},
    os::unix::net::{UnixDatagram, UnixStream},
    path::Path,
};

/// A port of this machine that nobody has now, for both protocols.
fn free_port() -> u16 {
    loop {
        let udp = UdpSocket::bind("127.0.0.1:0").expect("a port");
        let port = udp.local_addr().expect("bound").port();
        if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// A document of version 1 with one metric and this number.
fn document(number: u64) -> String {
    json!({
        "_aws": {
            "Timestamp": 1_769_903_999_999_u64,
            "LogGroupName": "/story/emf",
            "LogStreamName": "documents",
            "CloudWatchMetrics": [{ "Namespace": "N", "Dimensions": [["d"]], "Metrics": [{ "Name": "m" }] }],
        },
        "m": number,
        "d": "x",
    })
    .to_string()
}

fn listening(aws: &FakeAws, emf: Value) -> TestHost {
    TestHost::against(&aws.url()).with("logs.metrics_collected.emf", emf)
}

/// Wait until the daemon listens there.
async fn until_open(daemon: &mut Daemon<'_>, name: &str) {
    let open = |sources: &Value| {
        let line = sources.as_array().into_iter().flatten().find(|source| source["name"] == name);
        line.is_some_and(|line| line["last_error"].is_null())
    };
    daemon.until(&format!("{name} to be open"), |status| open(&status.0["sources"])).await;
}

/// One that listens by TCP, and at which port.
fn listening_by_tcp(aws: &FakeAws) -> (TestHost, u16) {
    let port = free_port();
    (listening(aws, json!({ "service_address": format!("tcp://127.0.0.1:{port}") })), port)
}

/// Connect by TCP as soon as the daemon listens there.
async fn connected(daemon: &mut Daemon<'_>, port: u16) -> TcpStream {
    until_open(daemon, &format!("metrics on tcp://127.0.0.1:{port}")).await;
    TcpStream::connect(("127.0.0.1", port)).expect("connected")
}

fn send_udp(port: u16, documents: impl IntoIterator<Item = String>) {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    for document in documents {
        socket.send_to(document.as_bytes(), ("127.0.0.1", port)).expect("sent");
    }
}

fn texts(numbers: std::ops::Range<u64>) -> Vec<String> {
    numbers.map(document).collect()
}

#[tokio::test]
async fn documents_come_by_udp_tcp_and_unix_socket_and_travel_byte_for_byte() {
    let aws = FakeAws::start();
    let port = free_port();
    let folder = tempfile::tempdir().expect("a folder");
    let socket = folder.path().join("emf.sock");
    for (address, kind) in
        [(format!("udp://127.0.0.1:{port}"), "stream"), (format!("tcp://localhost:{port}"), "datagram")]
    {
        let host = listening(&aws, json!({ "service_address": address, "socket": socket, "socket_type": kind }));
        let mut daemon = host.start();
        until_open(&mut daemon, &format!("metrics on {}://127.0.0.1:{port}", &address[..3])).await;
        until_open(&mut daemon, &format!("metrics on {}", socket.display())).await;
        let base = if kind == "stream" { 0 } else { 100 };
        if kind == "stream" {
            send_udp(port, [format!("{}\n\0", document(base))]);
            let mut client = UnixStream::connect(&socket).expect("connected");
            // The last line has no end.
            write!(client, "{}\r\n{}", document(base + 1), document(base + 2)).expect("written");
        } else {
            let mut client = TcpStream::connect(("127.0.0.1", port)).expect("connected");
            writeln!(client, "{}", document(base)).expect("written");
            let datagrams = UnixDatagram::unbound().expect("a socket");
            for number in [base + 1, base + 2] {
                datagrams.send_to(document(number).as_bytes(), &socket).expect("sent");
            }
        }
        let all = |seen: &crate::support::fake::Seen| texts(base..base + 3).iter().all(|text| seen.has(text));
        daemon.until_cloud(&aws, "all documents", all).await;
        assert!(daemon.terminate().await.success());
        assert!(!socket.exists(), "the socket goes with the daemon");
    }
    assert_eq!(aws.messages("documents").len(), 6);
    aws.assert_no_violations();
}

#[tokio::test]
async fn nothing_touches_the_disk_while_sending_works() {
    let aws = FakeAws::start();
    let (host, port) = listening_by_tcp(&aws);
    let mut daemon = host.start();
    let mut client = connected(&mut daemon, port).await;
    for number in 0..2_000 {
        writeln!(client, "{}", document(number)).expect("written");
    }
    drop(client);
    daemon.until_cloud(&aws, "all documents", |seen| seen.has(&document(1_999))).await;
    daemon.until("acknowledgement", |status| status.is_caught_up()).await;
    let status = daemon.status().await.expect("it runs");
    assert_eq!((status.counter("log_events_spooled"), status.counter("emf_documents")), (0, 2_000));
    assert!(daemon.terminate().await.success());
    assert_eq!(aws.messages("documents"), texts(0..2_000), "in order");
    assert_eq!(std::fs::read_dir(host.state("log-spool")).expect("there").count(), 0);
}

#[tokio::test]
async fn documents_of_an_outage_survive_a_kill() {
    let mut aws = FakeAws::unplugged();
    let port = free_port();
    let host = listening(&aws, json!({ "service_address": format!("udp://127.0.0.1:{port}") }));
    let name = format!("metrics on udp://127.0.0.1:{port}");
    let mut daemon = host.start();
    until_open(&mut daemon, &name).await;
    send_udp(port, texts(0..50));
    daemon.until("the spool", |status| status.counter("log_events_spooled") == 50).await;
    daemon.kill().await;
    let mut daemon = host.start();
    until_open(&mut daemon, &name).await;
    send_udp(port, texts(50..60));
    daemon.until("the spool again", |status| status.counter("log_events_spooled") >= 10).await;
    daemon.kill().await;
    aws.plug_in();
    let mut daemon = host.start();
    daemon.until_cloud(&aws, "all documents", |seen| texts(0..60).iter().all(|text| seen.has(text))).await;
    assert!(daemon.terminate().await.success());
    assert_eq!(aws.messages("documents"), texts(0..60), "in order");
    assert_eq!(std::fs::read_dir(host.state("log-spool")).expect("there").count(), 0, "delivered");
    aws.assert_no_violations();
}

#[tokio::test]
async fn what_is_in_memory_at_the_stop_goes_to_the_spool() {
    let aws = FakeAws::start();
    let (host, port) = listening_by_tcp(&aws);
    let host = host.with("agent.shutdown_seconds", 2.into());
    let mut daemon = host.start();
    let mut client = connected(&mut daemon, port).await;
    aws.fail(&Op::ALL, Fault::Hang);
    for number in 0..100 {
        writeln!(client, "{}", document(number)).expect("written");
    }
    daemon.until("the documents", |status| status.counter("emf_documents") == 100).await;
    let begun = std::time::Instant::now();
    assert!(daemon.terminate().await.success());
    assert!(begun.elapsed().as_secs() < 4, "{:?}", begun.elapsed());
    aws.heal();
    // One round sends what an earlier run left.
    let config = host.write_config();
    let round = host.run([Path::new("run"), &config, Path::new("--once")]).await;
    assert!(round.status.success(), "{}", String::from_utf8_lossy(&round.stderr));
    let arrived: BTreeSet<_> = aws.messages("documents").into_iter().collect();
    assert_eq!(arrived, texts(0..100).into_iter().collect());
}

#[tokio::test]
async fn durable_documents_survive_a_kill_before_anything_was_sent() {
    let aws = FakeAws::start();
    let port = free_port();
    let emf = json!({ "service_address": format!("udp://127.0.0.1:{port}"), "durable": true });
    let host = listening(&aws, emf).with("agent.logs_collection_interval", 3600.into());
    let mut daemon = host.start();
    until_open(&mut daemon, &format!("metrics on udp://127.0.0.1:{port}")).await;
    send_udp(port, texts(0..10));
    daemon.until("the spool", |status| status.counter("log_events_spooled") == 10).await;
    assert_eq!(aws.calls(Op::PutLogEvents), 0);
    daemon.kill().await;
    let host = host.with("agent.logs_collection_interval", 1.into());
    let mut daemon = host.start();
    daemon.until_cloud(&aws, "all documents", |seen| texts(0..10).iter().all(|text| seen.has(text))).await;
    assert!(daemon.terminate().await.success());
}

#[tokio::test]
async fn bad_documents_are_counted_by_their_reason_and_good_ones_arrive() {
    let aws = FakeAws::start();
    let (host, port) = listening_by_tcp(&aws);
    let mut daemon = host.start();
    let mut client = connected(&mut daemon, port).await;
    let with = |change: &dyn Fn(&mut Value)| {
        let mut value: Value = serde_json::from_str(&document(1)).expect("JSON");
        change(&mut value);
        value.to_string()
    };
    let many: Vec<String> = (0..31).map(|n| format!("d{n}")).collect();
    for bad in [
        "no json".to_owned(),
        document(1).replace("\"m\":1", "\"m\":NaN"),
        json!({ "m": 1 }).to_string(),
        with(&|value| value["_aws"]["CloudWatchMetrics"][0]["Namespace"] = Value::Null),
        with(&|value| value["_aws"]["CloudWatchMetrics"][0]["Dimensions"] = json!([many])),
        with(&|value| value["d"] = json!("x".repeat(2_000))),
        with(&|value| value["_aws"]["CloudWatchMetrics"][0]["Metrics"][0]["Name"] = json!("other")),
        document(2),
    ] {
        writeln!(client, "{bad}").expect("written");
    }
    daemon.until_cloud(&aws, "the good one", |seen| seen.has(&document(2))).await;
    let status = daemon.status().await.expect("it runs");
    for counter in [
        "emf_refused_not_json",
        "emf_bad_value",
        "emf_refused_no_target",
        "emf_no_namespace",
        "emf_too_many_dimensions",
        "emf_bad_dimension",
        "emf_missing_metric",
    ] {
        assert_eq!(status.counter(counter), 1, "{counter}");
    }
    assert!(daemon.terminate().await.success());
    assert_eq!(aws.messages("documents"), texts(2..3));
    let said = host.said();
    assert!(said.contains("31 dimensions") && said.contains("no Namespace") && said.contains("no json"), "{said}");
}

#[tokio::test]
async fn a_document_of_250_metrics_arrives_in_three() {
    let aws = FakeAws::start();
    let port = free_port();
    let host = listening(&aws, json!({ "service_address": format!("udp://127.0.0.1:{port}") }));
    let mut daemon = host.start();
    until_open(&mut daemon, &format!("metrics on udp://127.0.0.1:{port}")).await;
    let mut large: Value = serde_json::from_str(&document(1)).expect("JSON");
    let names: Vec<_> = (0..250).map(|n| json!({ "Name": format!("m{n}"), "Unit": "Count" })).collect();
    large["_aws"]["CloudWatchMetrics"][0]["Metrics"] = json!(names);
    (0..250).for_each(|n| large[format!("m{n}")] = json!(n));
    send_udp(port, [large.to_string(), document(7)]);
    daemon.until_cloud(&aws, "what came behind it", |seen| seen.has(&document(7))).await;
    assert!(daemon.terminate().await.success());
    let parts: Vec<Value> =
        aws.messages("documents").iter().map(|text| serde_json::from_str(text).expect("JSON")).collect();
    let counts: Vec<_> =
        parts.iter().map(|p| p["_aws"]["CloudWatchMetrics"][0]["Metrics"].as_array().map(Vec::len)).collect();
    assert_eq!(counts, [Some(100), Some(100), Some(50), Some(1)]);
}

/// The resident memory of a process in KiB.
fn resident(process: u64) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or("0 kB").trim();
    line.trim_end_matches(" kB").trim().parse().expect("a number")
}

#[tokio::test]
async fn a_hostile_peer_costs_neither_memory_nor_anybody_elses_documents() {
    let aws = FakeAws::start();
    let (host, port) = listening_by_tcp(&aws);
    let mut daemon = host.start();
    let mut good = connected(&mut daemon, port).await;
    let process = daemon.status().await.expect("it runs").0["process"].as_u64().expect("a number");
    writeln!(good, "{}", document(0)).expect("written");
    daemon.until_cloud(&aws, "the first", |seen| seen.has(&document(0))).await;
    let before = resident(process);
    // A hundred megabytes without a line end, garbage, and a thousand connections with half a line each.
    let flood = std::thread::spawn(move || {
        let mut endless = TcpStream::connect(("127.0.0.1", port)).expect("connected");
        let piece = vec![b'x'; 1 << 20];
        (0..100).for_each(|_| endless.write_all(&piece).expect("it is read"));
        endless.write_all(format!("\n{}\n", document(1)).as_bytes()).expect("written");
        let mut garbage = TcpStream::connect(("127.0.0.1", port)).expect("connected");
        let noise: Vec<u8> = (0..200_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        garbage.write_all(&noise).expect("written");
        (endless, garbage)
    });
    let held = tokio::task::spawn_blocking(|| flood.join().expect("no panic")).await.expect("no panic");
    let half = futures_util::future::join_all((0..1_000).map(|_| async move {
        let connecting = tokio::net::TcpStream::connect(("127.0.0.1", port));
        let stream = tokio::time::timeout(std::time::Duration::from_secs(1), connecting).await.ok()?.ok()?;
        let _ = stream.try_write(&[b'{'; 30_000]);
        Some(stream)
    }));
    let half = half.await;
    writeln!(good, "{}", document(2)).expect("written");
    daemon.until_cloud(&aws, "the good ones", |seen| seen.has(&document(1)) && seen.has(&document(2))).await;
    let grown = resident(process).saturating_sub(before);
    assert!(grown < 40 * 1024, "{grown} KiB more");
    let status = daemon.status().await.expect("it runs");
    assert_eq!(status.counter("emf_refused_too_large"), 1);
    drop((held, half));
    writeln!(good, "{}", document(3)).expect("written");
    daemon.until_cloud(&aws, "the next", |seen| seen.has(&document(3))).await;
    assert!(daemon.terminate().await.success());
    assert_eq!(aws.messages("documents").len(), 4);
}

#[tokio::test]
async fn invented_names_do_not_exhaust_anything() {
    let aws = FakeAws::unplugged();
    let (host, port) = listening_by_tcp(&aws);
    let host = host.with("agent.shutdown_seconds", 3.into());
    let mut daemon = host.start();
    let mut client = connected(&mut daemon, port).await;
    for number in 0..1_500 {
        writeln!(client, r#"{{"log_group_name":"/g","log_stream_name":"{number}"}}"#).expect("written");
    }
    daemon.until("all", |status| status.counter("emf_documents") == 1_500).await;
    let status = daemon.status().await.expect("it runs");
    assert_eq!(status.counter("emf_refused_too_many_targets"), 500);
    assert!(daemon.terminate().await.success());
}

#[tokio::test]
async fn a_port_that_is_taken_is_said_and_tried_again() {
    let aws = FakeAws::start();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("bound").port();
    let host = listening(&aws, json!({ "service_address": format!("tcp://127.0.0.1:{port}") }));
    let mut daemon = host.start();
    let told = |said: &str| said.contains("another program has this port") && said.contains("`service_address`");
    daemon.until("the error", |status| status.0["sources"][0]["last_error"].as_str().is_some_and(told)).await;
    drop(taken);
    let mut client = connected(&mut daemon, port).await;
    writeln!(client, "{}", document(1)).expect("written");
    daemon.until_cloud(&aws, "the document", |seen| seen.has(&document(1))).await;
    assert!(daemon.terminate().await.success());
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused));
}
