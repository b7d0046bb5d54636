//! The real collectd as a sender, at each of its security levels.
//!
//! `scripts/test` unpacks it where it can, without installing it. Its lists of values come from the story by its `unixsock`
//! plugin, so that it is known what has to arrive.
use crate::support::{
    fake::FakeAws,
    host::{Daemon, TestHost},
};
use serde_json::json;
use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    fs,
    io::{BufRead, BufReader, Write},
    net::UdpSocket,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// Names the folder with the unpacked package collectd-core and the library of its network plugin.
const UNPACKED: &str = "PUBLISHER_TEST_COLLECTD";
/// How long it may take to start.
const PATIENCE: Duration = Duration::from_secs(30);

/// collectd out of its package.
struct Package {
    folder: PathBuf,
    libraries: String,
}

impl Package {
    /// `None`, with a line that says so, where there is none.
    fn find() -> Option<Self> {
        let Some(folder) = std::env::var_os(UNPACKED) else {
            crate::support::skipped(format!(
                "{UNPACKED} is not set, so there is no collectd; scripts/test sets it where it can"
            ));
            return None;
        };
        let folder = PathBuf::from(folder);
        let lib = folder.join("usr/lib");
        let inside = |folder: &Path| fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
        let folders: Vec<_> =
            inside(&lib).chain([lib.clone(), folder.join("lib")]).filter(|path| path.is_dir()).collect();
        let libraries = folders.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(":");
        Some(Self { folder, libraries })
    }

    /// A sender to this port, with these lines in its `Server`.
    fn start(&self, host: &TestHost, name: &str, port: u16, security: &str) -> Collectd {
        let base = host.path(name);
        fs::create_dir_all(&base).expect("a folder");
        let usr = self.folder.join("usr");
        let (plugins, types, socket) =
            (usr.join("lib/collectd"), usr.join("share/collectd/types.db"), base.join("socket"));
        let config = format!(
            "Hostname \"real-host\"\nFQDNLookup false\nInterval 10\nBaseDir {base:?}\nPIDFile {:?}\nPluginDir {plugins:?}\n\
             TypesDB {types:?}\nLoadPlugin unixsock\n<Plugin unixsock>\n SocketFile {socket:?}\n SocketPerms \"0600\"\n</Plugin>\n\
             LoadPlugin network\n<Plugin network>\n <Server \"127.0.0.1\" \"{port}\">\n{security}\n </Server>\n</Plugin>\n",
            base.join("pid"),
        );
        let path = base.join("collectd.conf");
        fs::write(&path, config).expect("written");
        let said = fs::File::create(base.join("said")).expect("a file");
        let child = Command::new(usr.join("sbin/collectd"))
            .args([Path::new("-f"), Path::new("-C"), &path])
            .env("LD_LIBRARY_PATH", &self.libraries)
            .stdout(Stdio::null())
            .stderr(said)
            .spawn()
            .expect("the unpacked program starts");
        let mut collectd = Collectd { child, connection: None };
        let started = Instant::now();
        while collectd.connection.is_none() {
            let ended = collectd.child.try_wait().expect("ours");
            let said = || fs::read_to_string(base.join("said")).unwrap_or_default();
            assert!(ended.is_none() && started.elapsed() < PATIENCE, "collectd does not start: {}", said());
            std::thread::sleep(Duration::from_millis(20));
            collectd.connection = UnixStream::connect(&socket).ok().map(BufReader::new);
        }
        collectd
    }
}

/// A running collectd.
struct Collectd {
    child: Child,
    connection: Option<BufReader<UnixStream>>,
}

impl Collectd {
    /// Give it these lists, like `story/load 0.25:0.5:0.75`. They leave with [`Self::flush`] once its own threads have taken them
    /// over.
    fn take(&mut self, lists: &[&str]) {
        for list in lists {
            let (series, values) = list.split_once(' ').expect("a series and its values");
            self.ask(&format!("PUTVAL real-host/{series} interval=10 N:{values}"));
        }
    }

    fn flush(&mut self) {
        self.ask("FLUSH plugin=network");
    }

    fn ask(&mut self, command: &str) {
        let connection = self.connection.as_mut().expect("it has started");
        writeln!(connection.get_mut(), "{command}").expect("it listens");
        let mut answer = String::new();
        connection.read_line(&mut answer).expect("it answers");
        assert!(answer.starts_with("0 "), "{command}: {answer}");
    }
}

impl Drop for Collectd {
    fn drop(&mut self) {
        // It has nothing to save; this cannot fail while it is ours.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_port() -> u16 {
    UdpSocket::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a port").port()
}

/// A machine that listens there at this level, for a user `alice` with the password `secret`.
fn listening(aws: &FakeAws, port: u16, level: &str) -> TestHost {
    let host = TestHost::against(&aws.url());
    let auth = host.path("auth_file");
    fs::write(&auth, "# whoever may send\nalice: secret\n").expect("written");
    host.with("metrics.namespace", json!("Story")).with("metrics.force_flush_interval", json!(1)).with(
        "metrics.metrics_collected.collectd",
        json!({
            "service_address": format!("udp://127.0.0.1:{port}"),
            "collectd_auth_file": auth,
            "collectd_security_level": level,
            "metrics_aggregation_interval": 0,
            "append_dimensions": { "stage": "test", "type": "not this one" },
        }),
    )
}

async fn until_open(daemon: &mut Daemon<'_>, port: u16) {
    let name = format!("collectd on udp://127.0.0.1:{port}");
    daemon
        .until(&name, |status| {
            let lines = status.0["sources"].as_array().into_iter().flatten();
            lines.into_iter().any(|line| line["name"] == *name && line["last_error"].is_null())
        })
        .await;
}

/// What a sender says of itself for this level: without any, no user either.
fn security(level: &str, password: &str) -> String {
    match level {
        "none" => "SecurityLevel None\n".to_owned(),
        level => format!("SecurityLevel {level}\nUsername \"alice\"\nPassword \"{password}\"\n"),
    }
}

/// What is sent by a collectd as strong as the level asks arrives as it was given to it; what is weaker is refused.
async fn story(level: &str) {
    let Some(package) = Package::find() else { return };
    let (aws, port) = (FakeAws::start(), free_port());
    let host = listening(&aws, port, level);
    let mut daemon = host.start();
    until_open(&mut daemon, port).await;
    let mut weaker = 0;
    for weak in ["none", "sign"].iter().take_while(|weak| **weak != level) {
        let sender = RefCell::new(package.start(&host, weak, port, &security(weak, "secret")));
        sender.borrow_mut().take(&["weak/gauge 13"]);
        weaker += 1;
        daemon
            .until("a refusal", |status| {
                sender.borrow_mut().flush();
                status.counter("collectd_refused_too_weak") == weaker
            })
            .await;
    }
    let sender = RefCell::new(package.start(&host, "sender", port, &security(level, "secret")));
    sender.borrow_mut().take(&[
        "story-one/gauge-below -2.5",
        "story/load 0.25:0.5:-0.75",
        "story-eth0/if_octets 1000:18446744073709",
        "story/counter 7",
    ]);
    let expected = [
        ("collectd_story_shortterm", 0.25),
        ("collectd_story_midterm", 0.5),
        ("collectd_story_longterm", -0.75),
        ("collectd_story_rx", 1_000.0),
        ("collectd_story_tx", 18_446_744_073_709.0),
        ("collectd_story_value", -2.5),
        ("collectd_story_value", 7.0),
    ];
    let all = expected.len() as u64;
    daemon
        .until("all values", |status| {
            sender.borrow_mut().flush();
            status.counter("collectd_values") == all
        })
        .await;
    daemon
        .until_cloud(&aws, "everything", |seen| {
            expected.iter().all(|(name, value)| seen.metric(name).iter().any(|datum| datum.value == *value))
        })
        .await;
    let dimensions = aws.look(|seen| {
        let below = seen.metric("collectd_story_value").into_iter().find(|datum| datum.value == -2.5);
        below.expect("just seen").dimensions.clone()
    });
    let pairs =
        [("host", "real-host"), ("instance", "one"), ("type", "gauge"), ("type_instance", "below"), ("stage", "test")];
    assert_eq!(dimensions, BTreeMap::from(pairs.map(|(name, value)| (name.to_owned(), value.to_owned()))));
    aws.look(|seen| assert!(seen.metric("collectd_weak_value").is_empty()));
    assert_eq!(host.said().contains("what collectd sent is refused"), weaker > 0);
    assert!(daemon.terminate().await.success());
    aws.assert_no_violations();
}

#[tokio::test]
async fn without_security_every_value_of_a_real_collectd_arrives() {
    story("none").await;
}

#[tokio::test]
async fn what_a_real_collectd_signs_arrives_and_what_it_does_not_is_refused() {
    story("sign").await;
}

#[tokio::test]
async fn what_a_real_collectd_encrypts_arrives_and_what_it_does_not_is_refused() {
    story("encrypt").await;
}

#[tokio::test]
async fn a_real_collectd_with_another_password_is_refused_until_the_file_has_it() {
    let Some(package) = Package::find() else { return };
    let (aws, port) = (FakeAws::start(), free_port());
    let host = listening(&aws, port, "encrypt");
    let mut daemon = host.start();
    until_open(&mut daemon, port).await;
    let sender = RefCell::new(package.start(&host, "sender", port, &security("encrypt", "changed")));
    sender.borrow_mut().take(&["story/gauge 1"]);
    daemon
        .until("a refusal", |status| {
            sender.borrow_mut().flush();
            status.counter("collectd_refused_mismatch") == 1
        })
        .await;
    assert!(host.said().contains("alice") && host.said().contains("127.0.0.1") && !host.said().contains("secret"));
    fs::write(host.path("auth_file"), "alice: changed\n").expect("written");
    // The file is looked at each second, when something comes.
    let turn = Cell::new(0);
    daemon
        .until("a value", |status| {
            // Each a series of its own: two values of one second would be one datum.
            turn.set(turn.get() + 1);
            sender.borrow_mut().take(&[&format!("story-{}/gauge 2", turn.get())]);
            sender.borrow_mut().flush();
            status.counter("collectd_values") > 0
        })
        .await;
    daemon
        .until_cloud(&aws, "a value", |seen| seen.metric("collectd_story_value").iter().any(|d| d.value == 2.0))
        .await;
    aws.look(|seen| assert!(seen.metric("collectd_story_value").iter().all(|datum| datum.value == 2.0)));
}
