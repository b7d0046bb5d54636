//! Somebody else's AWS: moto's server, with boto3 to look into it.
//!
//! Our own fake proves that we keep to the API as we read it; moto was written by others from the same pages.
//! Both come from the virtual environment that `scripts/test` makes; without it these tests fail and say so.
use super::{PATIENCE, REGION};
use std::{
    path::Path,
    process::{ExitStatus, Stdio},
};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, ChildStdin, Command},
};

/// Names the interpreter of the virtual environment.
const INTERPRETER: &str = "PUBLISHER_TEST_PYTHON";

/// A running moto server. It ends with its standard input, and so with the test.
pub struct Moto {
    url: String,
    _server: Child,
    _alive: ChildStdin,
}

/// What each snippet of [`Moto::python`] can use.
const PRELUDE: &str = r#"
import datetime, json, os, sys
import boto3

def client(service):
    return boto3.client(service, endpoint_url=os.environ["MOTO_URL"], region_name=os.environ["AWS_REGION"],
                        aws_access_key_id="AKIALOOKER", aws_secret_access_key="looker")
"#;

/// The interpreter of the virtual environment.
pub fn interpreter() -> String {
    std::env::var(INTERPRETER).unwrap_or_else(|_| {
        panic!("{INTERPRETER} is not set: this test needs its packages. Run the tests by scripts/test")
    })
}

impl Moto {
    /// Start it and wait until it listens.
    pub async fn start() -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/support/moto_server.py");
        let mut server = Command::new(interpreter())
            .arg(script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the interpreter can be started");
        let alive = server.stdin.take().expect("piped above");
        let mut output = BufReader::new(server.stdout.take().expect("piped above"));
        let mut port = String::new();
        let started = tokio::time::timeout(PATIENCE, output.read_line(&mut port)).await;
        started.expect("moto starts in time").expect("its output can be read");
        let port: u16 = port.trim().parse().expect("moto prints its port; what went wrong stands above");
        Self { url: format!("http://127.0.0.1:{port}"), _server: server, _alive: alive }
    }

    /// Its address, for `agent.endpoint_override`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Run a snippet that has `client(service)`, and return what it prints without the last line's end.
    pub async fn python(&self, snippet: &str, arguments: &[&str]) -> String {
        let output = Command::new(interpreter())
            .args(["-c", &format!("{PRELUDE}\n{snippet}")])
            .args(arguments)
            .env("MOTO_URL", &self.url)
            .env("AWS_REGION", REGION)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output();
        let output = tokio::time::timeout(PATIENCE, output).await.expect("the snippet ends in time");
        let output = output.expect("the interpreter can be started");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(ExitStatus::success(&output.status), "the snippet failed:\n{snippet}\n{said}");
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }

    /// The messages of one log stream, in the service's order, page by page.
    pub async fn messages(&self, group: &str, stream: &str) -> Vec<String> {
        let printed = self.python(MESSAGES, &[group, stream]).await;
        serde_json::from_str(&printed).expect("the snippet prints JSON")
    }
}

const MESSAGES: &str = r#"
logs = client("logs")
asked = {"logGroupName": sys.argv[1], "logStreamName": sys.argv[2], "startFromHead": True}
found, token = [], None
while True:
    page = logs.get_log_events(**asked, **({"nextToken": token} if token else {}))
    found += [event["message"] for event in page["events"]]
    if page["nextForwardToken"] == token or not page["events"]:
        break
    token = page["nextForwardToken"]
print(json.dumps(found))
"#;

#[tokio::test]
async fn boto3_talks_to_moto() {
    let moto = Moto::start().await;
    let groups = r#"
logs = client("logs")
logs.create_log_group(logGroupName="/a/b")
logs.create_log_stream(logGroupName="/a/b", logStreamName="s")
now = int(datetime.datetime.now().timestamp() * 1000)
logs.put_log_events(logGroupName="/a/b", logStreamName="s", logEvents=[
    {"timestamp": now + i, "message": f"line {i}"} for i in range(int(sys.argv[1]))])
print(logs.describe_log_groups()["logGroups"][0]["logGroupName"])
"#;
    assert_eq!(moto.python(groups, &["12000"]).await, "/a/b");
    let messages = moto.messages("/a/b", "s").await;
    assert_eq!((messages.len(), messages[11_999].as_str()), (12_000, "line 11999"));
}

#[tokio::test]
async fn moto_takes_metrics_as_cbor() {
    let moto = Moto::start().await;
    let datum = serde_json::json!({
        "MetricName": "CPUUtilization",
        "Value": 12.5,
        "Unit": "Percent",
        "Dimensions": [{ "Name": "Hostname", "Value": "h" }],
    });
    let mut body = Vec::new();
    let request = serde_json::json!({ "Namespace": "System/Story", "MetricData": [datum] });
    ciborium::into_writer(&request, &mut body).expect("a vector takes everything");
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut packed, &body).expect("a vector takes everything");
    let headers = [
        ("smithy-protocol", "rpc-v2-cbor"),
        ("content-type", "application/cbor"),
        ("content-encoding", "gzip"),
        (
            "authorization",
            "AWS4-HMAC-SHA256 Credential=AKIASTORY/20260101/us-east-1/monitoring/aws4_request, SignedHeaders=host, Signature=0",
        ),
    ];
    let url = format!("{}/service/GraniteServiceVersion20100801/operation/PutMetricData", moto.url());
    let packed = packed.finish().expect("a vector takes everything");
    let answer = super::http::post(&url, &headers, packed).await.expect("an answer");
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["smithy-protocol"], "rpc-v2-cbor");
    let listed =
        r#"print(client("cloudwatch").list_metrics(Namespace="System/Story")["Metrics"][0]["Dimensions"][0]["Value"])"#;
    assert_eq!(moto.python(listed, &[]).await, "h");
}
