//! Names of log groups and streams that only EC2's instance metadata knows.
use crate::support::{fake::FakeAws, host::TestHost};
use serde_json::json;
use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

const DOCUMENT: &str = r#"{ "accountId": "123456789012", "instanceId": "i-0123456789abcdef0", "privateIp": "10.0.0.5", "region": "us-east-1" }"#;

/// An instance metadata service of the second version. It lives until the test's process ends.
struct Metadata {
    url: String,
    answers: Arc<AtomicBool>,
}

impl Metadata {
    fn start(answers: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        let answers = Arc::new(AtomicBool::new(answers));
        let told = answers.clone();
        std::thread::spawn(move || {
            // What it does not answer stays open, as where nobody listens at all.
            let mut unanswered = vec![];
            for connection in listener.incoming().flatten() {
                if !told.load(Ordering::Relaxed) {
                    unanswered.push(connection);
                    continue;
                }
                std::thread::spawn(move || while answer(&connection).is_some() {});
            }
        });
        Self { url, answers }
    }

    /// A machine that asks it for the names of its log.
    fn host(&self, aws: &FakeAws) -> TestHost {
        let host = TestHost::against(&aws.url())
            .with_variable("AWS_EC2_METADATA_DISABLED", "")
            .with_variable("AWS_EC2_METADATA_SERVICE_ENDPOINT", &self.url);
        let file = host.path("app.log");
        host.with(
            "logs.logs_collected.files.collect_list",
            json!([{ "file_path": file, "log_group_name": "/{account_id}/app", "log_stream_name": "{hostname}-{ip_address}" }]),
        )
    }
}

/// One request of a connection.
fn answer(connection: &TcpStream) -> Option<()> {
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
    let is_signed = head.to_lowercase().contains("x-aws-ec2-metadata-token: the-token");
    let (status, body) = match head.split_whitespace().nth(1)? {
        "/latest/api/token" => ("200 OK", "the-token"),
        _ if !is_signed => ("401 Unauthorized", ""),
        "/latest/dynamic/instance-identity/document" => ("200 OK", DOCUMENT),
        "/latest/meta-data/hostname" => ("200 OK", "ip-10-0-0-5.ec2.internal"),
        _ => ("404 Not Found", ""),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nx-aws-ec2-metadata-token-ttl-seconds: 21600\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let mut connection = connection;
    connection.write_all(format!("{head}{body}").as_bytes()).ok()
}

const STREAM: &str = "ip-10-0-0-5.ec2.internal-10.0.0.5";

#[tokio::test]
async fn what_the_instance_metadata_says_is_in_the_names_and_serves_the_next_start_when_it_is_silent() {
    let (aws, metadata) = (FakeAws::start(), Metadata::start(true));
    let host = metadata.host(&aws);
    host.append("app.log", "one\n");
    let mut daemon = host.start();
    daemon.until_cloud(&aws, "the line", |seen| seen.has("one")).await;
    assert!(daemon.terminate().await.success());
    metadata.answers.store(false, Ordering::Relaxed);
    host.append("app.log", "two\n");
    let mut daemon = host.start();
    daemon.until_cloud(&aws, "the next line", |seen| seen.has("two")).await;
    assert!(daemon.terminate().await.success());
    assert_eq!(aws.messages(STREAM), ["one", "two"]);
    assert!(aws.look(|seen| seen.groups.contains_key("/123456789012/app")));
    aws.assert_no_violations();
}

#[tokio::test]
async fn a_log_whose_names_become_known_later_goes_on_where_the_agent_stopped() {
    let (aws, metadata) = (FakeAws::start(), Metadata::start(false));
    let host = metadata.host(&aws);
    let (path, folder) = (host.path("app.log"), host.path("agent-state"));
    host.append("app.log", "sent by the agent\n");
    let length = "sent by the agent\n".len();
    std::fs::create_dir_all(&folder).expect("ours");
    let name = path.to_str().expect("Unicode").replace(['/', ' ', ':'], "_");
    std::fs::write(folder.join(name), format!("{length}\n{}\n0-{length}", path.display())).expect("ours");
    host.append("app.log", "one\n");
    let host = host.with("agent.import_state", json!(folder));
    let mut daemon = host.start();
    daemon.until_it_runs().await;
    metadata.answers.store(true, Ordering::Relaxed);
    daemon.until_cloud(&aws, "the line", |seen| seen.has("one")).await;
    assert!(daemon.terminate().await.success());
    assert_eq!(aws.messages(STREAM), ["one"]);
}

#[tokio::test]
async fn where_a_log_stopped_whose_names_are_not_known_yet_is_not_taken_by_another_item_of_the_same_file() {
    let (aws, metadata) = (FakeAws::start(), Metadata::start(true));
    let host = metadata.host(&aws);
    host.append("app.log", "one\n");
    let mut daemon = host.start();
    daemon.until_cloud(&aws, "the line", |seen| seen.has("one")).await;
    assert!(daemon.terminate().await.success());
    metadata.answers.store(false, Ordering::Relaxed);
    host.append("app.log", "two\n");
    host.append("other.log", "other\n");
    // Everything beside it is new: its names are known at once.
    let (app, all) = (host.path("app.log"), host.path("*.log"));
    let host = host.with(
        "logs.logs_collected.files.collect_list",
        json!([
            { "file_path": all, "log_group_name": "/all", "log_stream_name": "all", "publish_multi_logs": true },
            { "file_path": app, "log_group_name": "/beside", "log_stream_name": "beside" },
            { "file_path": app, "log_group_name": "/{account_id}/app", "log_stream_name": "{hostname}-{ip_address}" },
        ]),
    );
    let mut daemon = host.start();
    daemon.until_cloud(&aws, "what the pattern matches", |seen| seen.has("other")).await;
    metadata.answers.store(true, Ordering::Relaxed);
    daemon.until_cloud(&aws, "the log that waited", |seen| seen.messages(STREAM).len() > 1).await;
    assert!(daemon.terminate().await.success());
    assert_eq!(aws.messages(STREAM), ["one", "two"]);
    aws.assert_no_violations();
}

#[tokio::test]
async fn a_log_whose_names_are_not_known_waits_in_its_file_and_the_others_do_not() {
    let (aws, metadata) = (FakeAws::start(), Metadata::start(false));
    let host = metadata.host(&aws);
    let (app, other) = (host.path("app.log"), host.path("other.log"));
    let host = host.with(
        "logs.logs_collected.files.collect_list",
        json!([
            { "file_path": app, "log_group_name": "/{account_id}/app", "log_stream_name": "{hostname}-{ip_address}" },
            { "file_path": other, "log_group_name": "/other", "log_stream_name": "s" },
        ]),
    );
    host.append("app.log", "waits\n");
    host.append("other.log", "goes\n");
    let mut daemon = host.start();
    daemon.until_cloud(&aws, "the log whose names are known", |seen| seen.has("goes")).await;
    daemon
        .until("the log that waits", |status| {
            let sources = status.0["sources"].as_array().map_or(&[][..], Vec::as_slice);
            sources.iter().any(|source| {
                source["last_error"].as_str().is_some_and(|why| why.contains("{account_id}, {hostname}, {ip_address}"))
            })
        })
        .await;
    assert!(!aws.look(|seen| seen.has("waits")));
    metadata.answers.store(true, Ordering::Relaxed);
    daemon.until_cloud(&aws, "the log that waited", |seen| seen.has("waits")).await;
    daemon.until("nobody to wait any more", super::support::host::Status::is_caught_up).await;
    assert!(daemon.terminate().await.success());
    assert_eq!(aws.messages(STREAM), ["waits"]);
    aws.assert_no_violations();
}
