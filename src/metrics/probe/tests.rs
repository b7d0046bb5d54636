//! Real sockets of this host.
use super::*;
use crate::{
    config::{
        measurements::{Field, Table},
        settings::{
            metrics::{Measurement, Measurements, SourceDimensions},
            probe::Http,
        },
    },
    metrics::scheduler::Place,
    model::{Dimension, Headcount, Point, Resolution, Unit},
    telemetry::log,
};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use std::path::PathBuf;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpSocket},
    sync::mpsc,
    task::JoinHandle,
};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

const MINUTE: Duration = Duration::from_secs(60);

fn plugin(question: Question) -> Plugin {
    let table = Table::find("response_time").expect("a table");
    let measurement = |field: &Field| Measurement {
        field: field.name.into(),
        name: table.published(field.name),
        unit: field.unit,
        scale: 1.0,
        is_delta: false,
    };
    Plugin {
        at: "targets[0]".into(),
        key: table.key,
        measurements: Measurements::These(table.fields.iter().map(measurement).collect()),
        interval: MINUTE,
        resolution: Resolution::Minute,
        dimensions: SourceDimensions::default(),
        options: Options::Probe(Target { name: "it".into(), question, timeout: MINUTE }),
    }
}

fn http(url: String) -> Http {
    Http { url, expect: vec![200..=399], redirects: 0, ca_bundle: None }
}

fn prober(question: Question) -> Prober {
    let plugin = plugin(question);
    let Options::Probe(target) = &plugin.options else { unreachable!("just made") };
    Prober::new(&plugin, target, &Arc::new(Trust::new(None)))
}

/// What is told of one turn without its time, whether there was a time, and what is wrong.
async fn turn(prober: &mut Prober) -> (Vec<String>, bool, String) {
    let points = prober.turn(Timestamp::from_millis(7)).await;
    let value = |point: &Point| point.value.iter().map(|(value, _)| value).sum::<f64>();
    let told = |point: &Point| format!("{}={:?}", point.name, value(point));
    let mut time = false;
    let mut rest = vec![];
    for point in &points {
        assert_eq!(
            (point.at, &point.dimensions[..]),
            (Timestamp::from_millis(7), &[Dimension::new("target", "it")][..])
        );
        match point.name.as_ref() {
            TIME => {
                assert_eq!(point.unit, Unit::Milliseconds);
                time = true;
            }
            _ => rest.push(told(point)),
        }
    }
    (rest, time, prober.complaint.last().unwrap_or_default().to_owned())
}

async fn asked(question: Question) -> (Vec<String>, bool, String) {
    turn(&mut prober(question)).await
}

async fn got(url: String) -> (Vec<String>, bool, String) {
    asked(Question::Http(http(url))).await
}

fn told(available: u8, status: Option<u16>) -> Vec<String> {
    let status = status.map(|status| format!("response_time_status_code={status}.0"));
    [Some(format!("response_time_available={available}.0")), status].into_iter().flatten().collect()
}

/// A server that answers each path with what `answer` has for it, and then keeps silent with the connection open.
struct Server {
    port: u16,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    async fn start(tls: Option<TlsAcceptor>, answer: fn(&str) -> String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("bound").port();
        let task = tokio::spawn(async move {
            let mut kept = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let tls = tls.clone();
                kept.spawn(async move {
                    match tls {
                        None => serve(stream, answer).await,
                        Some(tls) => match tls.accept(stream).await {
                            Ok(stream) => serve(stream, answer).await,
                            Err(_) => None,
                        },
                    }
                });
            }
        });
        Self { port, task }
    }

    fn url(&self, scheme: &str, path: &str) -> String {
        format!("{scheme}://localhost:{}{path}", self.port)
    }
}

async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin, answer: fn(&str) -> String) -> Option<()> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        head.push(char::from(stream.read_u8().await.ok()?));
    }
    let path = head.split(' ').nth(1)?;
    stream.write_all(answer(path).as_bytes()).await.ok()?;
    stream.flush().await.ok()?;
    std::future::pending().await
}

fn by_path(path: &str) -> String {
    match path {
        "/ok" => "HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nthe rest never comes".into(),
        "/down" => "HTTP/1.1 503 Service Unavailable\r\n\r\n".into(),
        "/moved" => "HTTP/1.1 302 Found\r\nlocation: /ok\r\n\r\n".into(),
        "/round" => "HTTP/1.1 302 Found\r\nlocation: round\r\n\r\n".into(),
        "/nowhere" => "HTTP/1.1 302 Found\r\nlocation: gopher://x/\r\n\r\n".into(),
        "/mail" => "220 mail.example.org ESMTP\r\n".into(),
        _ => String::new(),
    }
}

#[tokio::test]
async fn an_answer_is_timed_up_to_its_head_and_its_status_told() {
    let server = Server::start(None, by_path).await;
    assert_eq!(got(server.url("http", "/ok")).await, (told(1, Some(200)), true, String::new()));
    let (points, time, why) = got(server.url("http", "/down")).await;
    assert_eq!((points, time), (told(0, Some(503)), true));
    assert!(why.contains("expect_status"), "{why}");
    let mut picky = http(server.url("http", "/down"));
    picky.expect = vec![200..=200, 500..=599];
    assert_eq!(asked(Question::Http(picky)).await.0, told(1, Some(503)));
}

#[tokio::test]
async fn a_redirect_is_an_answer_unless_it_is_to_be_followed() {
    let server = Server::start(None, by_path).await;
    assert_eq!(got(server.url("http", "/moved")).await.0, told(1, Some(302)));
    let follow = |path: &str| Question::Http(Http { redirects: 3, ..http(server.url("http", path)) });
    assert_eq!(asked(follow("/moved")).await.0, told(1, Some(200)));
    assert_eq!(asked(follow("/ok")).await.0, told(1, Some(200)));
    for (path, part) in [("/round", "more than"), ("/nowhere", "no URL")] {
        let (points, time, why) = asked(follow(path)).await;
        assert_eq!((points, time), (told(0, None), false));
        assert!(why.contains(part), "{why}");
    }
}

#[tokio::test]
async fn who_gives_no_answer_is_not_available_and_has_no_time() {
    let server = Server::start(None, by_path).await;
    let (points, time, why) = got(server.url("http", "/mail")).await;
    assert_eq!((points, time), (told(0, None), false));
    assert!(why.contains("no HTTP"), "{why}");
    let mut silent = prober(Question::Http(http(server.url("http", "/silent"))));
    silent.target.timeout = Duration::from_millis(100);
    let (points, time, why) = turn(&mut silent).await;
    assert_eq!((points, time), (told(0, None), false));
    assert!(why.contains("no answer came"), "{why}");
    // Bound, so that nobody else gets it, but deaf.
    let deaf = TcpSocket::new_v4().expect("a socket");
    deaf.bind(([127, 0, 0, 1], 0).into()).expect("a port");
    let port = deaf.local_addr().expect("bound").port();
    for question in
        [Question::Http(http(format!("http://127.0.0.1:{port}/"))), Question::Tcp { host: "127.0.0.1".into(), port }]
    {
        let (points, time, why) = asked(question).await;
        assert_eq!((points, time), (told(0, None), false));
        assert!(why.contains("could not be connected"), "{why}");
    }
    let (points, _, why) = asked(Question::Tcp { host: "no such name".into(), port }).await;
    assert_eq!(points, told(0, None));
    assert!(why.contains("looked up"), "{why}");
}

#[tokio::test]
async fn a_port_that_takes_connections_is_available() {
    let server = Server::start(None, by_path).await;
    for host in ["127.0.0.1", "localhost"] {
        let (points, time, why) = asked(Question::Tcp { host: host.into(), port: server.port }).await;
        assert_eq!((points, time, why.as_str()), (told(1, None), true, ""));
    }
}

#[tokio::test]
async fn an_echo_is_answered_or_the_right_that_is_missing_named_and_nothing_published() {
    let refused = counters::PROBES_UNANSWERED.here();
    let (points, time, why) = asked(Question::Icmp { host: "127.0.0.1".into() }).await;
    match why.as_str() {
        "" => assert_eq!((points, time), (told(1, None), true)),
        _ => {
            // What has a digit is left out of what is remembered, and so is the name of the setting.
            assert!(why.contains("with sysctl, or give the daemon CAP_NET_RAW"), "{why}");
            assert_eq!((points, time), (vec![], false));
        }
    }
    assert_eq!(counters::PROBES_UNANSWERED.here(), refused);
}

/// An authority, and a server's certificate of it that is good for these names and until then.
fn tls(names: &[&str], until: (i32, u8)) -> (String, TlsAcceptor) {
    let (ca_key, key) = (KeyPair::generate().expect("a key"), KeyPair::generate().expect("a key"));
    let mut ca = CertificateParams::default();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let pem = ca.self_signed(&ca_key).expect("a certificate").pem();
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    let mut leaf = CertificateParams::new(names).expect("names");
    leaf.not_before = rcgen::date_time_ymd(2000, 1, 1);
    leaf.not_after = rcgen::date_time_ymd(until.0, until.1, 1);
    let certificate = leaf.signed_by(&key, &Issuer::new(ca, ca_key)).expect("a certificate").pem();
    let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).expect("PEM")];
    let key = PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes()).expect("PEM");
    let ring = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(ring).with_safe_default_protocol_versions().expect("known");
    let server = builder.with_no_client_auth().with_single_cert(chain, key).expect("a pair");
    (pem, TlsAcceptor::from(Arc::new(server)))
}

fn trusting(url: String, bundle: Option<PathBuf>) -> Question {
    Question::Http(Http { ca_bundle: bundle, ..http(url) })
}

#[tokio::test]
async fn a_certificate_that_is_not_to_be_believed_is_told_and_the_target_not_available() {
    let folder = tempfile::tempdir().expect("a folder");
    let cases = [
        (&["localhost"][..], (2100, 1), true, ""),
        (&["localhost"], (2100, 1), false, "invalid peer certificate"),
        (&["other.example"], (2100, 1), true, "not valid for name"),
        (&["localhost"], (2001, 1), true, "expired"),
    ];
    for (index, (names, until, trusts, why)) in cases.into_iter().enumerate() {
        let (pem, acceptor) = tls(names, until);
        let bundle = folder.path().join(format!("{index}.pem"));
        let unrelated = tls(&["localhost"], (2100, 1)).0;
        std::fs::write(&bundle, if trusts { pem } else { unrelated }).expect("written");
        let server = Server::start(Some(acceptor), by_path).await;
        let (points, time, wrong) = asked(trusting(server.url("https", "/ok"), Some(bundle))).await;
        let good = why.is_empty();
        assert_eq!((points, time), (if good { told(1, Some(200)) } else { told(0, None) }, good), "{wrong}");
        assert!(wrong.contains(why) && wrong.is_empty() == good, "{wrong}");
    }
}

#[tokio::test]
async fn where_nobody_can_be_believed_nothing_is_measured() {
    let failed = counters::POLLS_FAILED.here();
    let missing = trusting("https://localhost:1/".into(), Some("/no/such/file.pem".into()));
    let (points, time, why) = asked(missing).await;
    assert_eq!((points, time), (vec![], false));
    assert!(why.contains("not measured") && why.contains("cannot read"), "{why}");
    assert_eq!(counters::POLLS_FAILED.here(), failed + 1);
}

#[tokio::test]
async fn a_new_authority_is_read_once_the_old_one_is_not_fresh_any_more() {
    let folder = tempfile::tempdir().expect("a folder");
    let bundle = folder.path().join("ca.pem");
    let (pem, acceptor) = tls(&["localhost"], (2100, 1));
    std::fs::write(&bundle, tls(&["localhost"], (2100, 1)).0).expect("written");
    let server = Server::start(Some(acceptor), by_path).await;
    let mut prober = prober(trusting(server.url("https", "/ok"), Some(bundle.clone())));
    assert_eq!(turn(&mut prober).await.0, told(0, None));
    std::fs::write(&bundle, pem).expect("written");
    assert_eq!(turn(&mut prober).await.0, told(0, None), "what was read is kept for a while");
    tokio::time::pause();
    tokio::time::advance(FRESH_AND_MORE).await;
    tokio::time::resume();
    assert_eq!(turn(&mut prober).await.0, told(0, None), "and doubted then");
    assert_eq!(turn(&mut prober).await.0, told(1, Some(200)));
}

const FRESH_AND_MORE: Duration = Duration::from_secs(601);

#[tokio::test]
async fn a_target_that_hangs_delays_no_other_and_all_end_with_the_stop() {
    let server = Server::start(None, by_path).await;
    let hangs = plugin(Question::Http(http(server.url("http", "/silent"))));
    let works = plugin(Question::Tcp { host: "localhost".into(), port: server.port });
    let (out, mut readings) = mpsc::channel(4);
    let (stop, first) = (CancellationToken::new(), Headcount::default());
    let rounds =
        Rounds { place: Place::at(0), out, stop: stop.clone(), first, board: Arc::default(), wall: Timestamp::now };
    let all = run(vec![(3, hangs), (4, works)], rounds);
    let first = async {
        let first = readings.recv().await;
        stop.cancel();
        first
    };
    // As the daemon spawns it.
    let (first, all) = tokio::join!(first, tokio::spawn(all));
    all.expect("ends in order");
    let first = first.expect("the other answers");
    assert_eq!((first.source, first.points.len()), (4, 2));
}

#[test]
fn a_target_that_fails_again_and_again_does_not_hide_another_in_the_own_log() {
    let slow = || ProbeError::TooSlow { limit: MINUTE };
    let question = || Question::Tcp { host: "localhost".into(), port: 1 };
    let told = log::said(|| {
        let mut noisy = prober(question());
        for _ in 0..10 {
            noisy.tell(Some(&slow()));
            noisy.tell(None);
        }
        let mut quiet = prober(question());
        quiet.target.name = "another".into();
        quiet.tell(Some(&slow()));
    });
    let complaints: Vec<_> = told.iter().filter(|line| line.contains("WARN")).collect();
    assert!(complaints.len() < 10 && complaints.last().is_some_and(|line| line.contains("another")), "{told:?}");
}
