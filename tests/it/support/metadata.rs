//! An instance metadata service of EC2, of its second version. It lives until the test's process ends.
use super::host::TestHost;
use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

const DOCUMENT: &str = r#"{ "accountId": "123456789012", "instanceId": "i-0123456789abcdef0", "privateIp": "10.0.0.5", "region": "us-east-1",
    "imageId": "ami-0123456789abcdef0", "instanceType": "m7g.large" }"#;

const TOKEN: &str = "the-token";

/// The service.
pub struct Metadata {
    url: String,
    state: Arc<State>,
}

struct State {
    answers: AtomicBool,
    /// What it does instead: say that it cannot, or nothing.
    says_no: bool,
    /// Requests to which it said that.
    refused: AtomicUsize,
}

impl Metadata {
    /// It answers.
    pub fn answering() -> Self {
        Self::start(true, false)
    }

    /// It does not answer, as where nobody listens at all.
    pub fn silent() -> Self {
        Self::start(false, false)
    }

    /// It says that it cannot answer.
    pub fn refusing() -> Self {
        Self::start(false, true)
    }

    /// From now on.
    pub fn answer(&self, answers: bool) {
        self.state.answers.store(answers, Ordering::Relaxed);
    }

    /// How often it said that it cannot answer.
    pub fn refused(&self) -> usize {
        self.state.refused.load(Ordering::Relaxed)
    }

    /// This machine asks it.
    pub fn for_host(&self, host: TestHost) -> TestHost {
        host.with_variable("AWS_EC2_METADATA_DISABLED", "")
            .with_variable("AWS_EC2_METADATA_SERVICE_ENDPOINT", &self.url)
    }

    fn start(answers: bool, says_no: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        let state = Arc::new(State { answers: AtomicBool::new(answers), says_no, refused: AtomicUsize::new(0) });
        let told = state.clone();
        std::thread::spawn(move || {
            // What it does not answer stays open.
            let mut unanswered = vec![];
            for connection in listener.incoming().flatten() {
                if !told.says_no && !told.answers.load(Ordering::Relaxed) {
                    unanswered.push(connection);
                    continue;
                }
                let told = told.clone();
                std::thread::spawn(move || while answer(&connection, &told).is_some() {});
            }
        });
        Self { url, state }
    }
}

/// One request of a connection.
fn answer(connection: &TcpStream, state: &State) -> Option<()> {
    let mut reader = BufReader::new(connection);
    let (mut head, mut length) = (String::new(), 0);
    while !head.ends_with("\r\n\r\n") {
        let before = head.len();
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
        if let Some(value) = head[before..].to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
    }
    reader.take(length).read_to_end(&mut vec![]).ok()?;
    let is_signed = head.to_lowercase().contains(&format!("x-aws-ec2-metadata-token: {TOKEN}"));
    let (status, body) = match head.split_whitespace().nth(1)? {
        _ if state.says_no && !state.answers.load(Ordering::Relaxed) => {
            state.refused.fetch_add(1, Ordering::Relaxed);
            ("503 Service Unavailable", "")
        }
        "/latest/api/token" => ("200 OK", TOKEN),
        _ if !is_signed => ("401 Unauthorized", ""),
        "/latest/dynamic/instance-identity/document" => ("200 OK", DOCUMENT),
        "/latest/meta-data/hostname" => ("200 OK", "ip-10-0-0-5.ec2.internal"),
        _ => ("404 Not Found", ""),
    };
    let life = if body == TOKEN { "x-aws-ec2-metadata-token-ttl-seconds: 21600\r\n" } else { "" };
    let head = format!("HTTP/1.1 {status}\r\n{life}content-length: {}\r\n\r\n", body.len());
    let mut connection = connection;
    connection.write_all(format!("{head}{body}").as_bytes()).ok()
}
