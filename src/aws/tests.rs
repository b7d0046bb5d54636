use super::{
    testing::{
        Ca, Fake, Proxy, Reply, SECRETS, Seen, assert_no_secret, by_password, closed, cognito_answer, error, json,
        printed, settings,
    },
    *,
};
use crate::{
    model::Target,
    telemetry::{chain, log},
};
use std::{fmt::Write, path::Path, sync::Mutex, time::Duration};
use tracing::{Event, Level, Subscriber, field::Visit, span};
use tracing_subscriber::{Layer, layer::Context, prelude::*};

fn target() -> Target {
    Target { group: "g".to_owned(), stream: "s".to_owned(), ..Target::default() }
}

fn answer(seen: &Seen) -> Reply {
    match seen.action() {
        "CreateLogGroup" => json(200, "{}"),
        _ => cognito_answer(seen),
    }
}

fn connected(env: &[(&str, &str)], settings: &Settings) -> Connection {
    let clock: Clock = Arc::new(SystemTime::now);
    connect_in(&Env::from_slice(env), clock, settings, "sys-0001", Arc::default()).expect("connects")
}

/// What the login says of its failure. Whoever waits for it hears in short that there is none.
async fn no_login(env: &[(&str, &str)], settings: &Settings) -> String {
    let (board, clock) = (Arc::new(Board::default()), Arc::new(SystemTime::now) as Clock);
    let connection = connect_in(&Env::from_slice(env), clock, settings, "sys-0001", Arc::clone(&board));
    let error = connection.expect("connects").put.create_group(&target()).await.expect_err("no login");
    let text = board.read().destinations["credentials"].last_error.clone().expect("failed");
    assert!(error.to_string() == "not signed in to AWS" && chain(&error).len() < 100, "{error:?}");
    text
}

fn bundle(ca: &Ca) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().expect("temporary");
    std::fs::write(file.path(), &ca.pem).expect("writable");
    file
}

#[tokio::test]
async fn the_ca_bundle_decides_whom_the_sdk_believes() {
    let ca = Ca::new();
    let fake = Fake::tls(&ca, None, answer).await;
    let mut settings = settings(&fake.url, by_password());
    let (good, other) = (bundle(&ca), bundle(&Ca::new()));
    let variable = good.path().to_str().expect("UTF-8");
    connected(&[("AWS_CA_BUNDLE", variable)], &settings).put.create_group(&target()).await.expect("believed");
    settings.agent.endpoints.ca_bundle = Some(other.path().to_path_buf());
    let text = no_login(&[("AWS_CA_BUNDLE", variable)], &settings).await;
    assert!(text.contains("UnknownIssuer") && text.contains("agent.ca_bundle"), "{text}");
}

#[tokio::test]
async fn the_sdk_goes_through_the_proxy_unless_no_proxy_says_otherwise() {
    let ca = Ca::new();
    let fake = Fake::tls(&ca, None, answer).await;
    let mut settings = settings(&fake.url, by_password());
    let bundle = bundle(&ca);
    settings.agent.endpoints.ca_bundle = Some(bundle.path().to_path_buf());
    let proxy = Proxy::start().await;
    let url = format!("http://user:pass@{}", proxy.address);
    connected(&[("HTTPS_PROXY", &url)], &settings).put.create_group(&target()).await.expect("through the proxy");
    let connects = proxy.seen();
    assert!(connects[0].starts_with("CONNECT localhost:"), "{connects:?}");
    assert!(connects[0].to_lowercase().contains("proxy-authorization: basic "), "{connects:?}");
    let env = [("https_proxy", url.as_str()), ("no_proxy", "localhost")];
    connected(&env, &settings).put.create_group(&target()).await.expect("around the proxy");
    assert_eq!(proxy.seen().len(), connects.len());
}

#[tokio::test]
async fn requests_without_tls_go_through_the_http_proxy() {
    let proxy = Fake::plain(answer).await;
    let settings = settings("http://aws.invalid", by_password());
    connected(&[("http_proxy", &proxy.url)], &settings).put.create_group(&target()).await.expect("through the proxy");
    assert!(proxy.seen().iter().all(|seen| seen.path.starts_with("http://aws.invalid/")), "{:?}", proxy.seen());
}

#[tokio::test]
async fn a_connection_that_failed_tells_the_host_and_the_proxy_but_no_password() {
    let ((host, _host), (proxy, _proxy)) = (closed(), closed());
    let asked = async |env: &[(&str, &str)], url: &str| {
        let text = no_login(env, &settings(url, by_password())).await;
        assert!(!text.contains("hunter2") && !text.contains("private"), "{text}");
        text
    };
    let text = asked(&[], &format!("http://{host}/private")).await;
    let plain = format!("could not be reached: the connection was refused by {host}; check agent.endpoint_override, ");
    assert!(text.contains(&plain), "{text}");
    let url = format!("http://user:hunter2@{proxy}");
    let plain =
        format!("could not be reached: the proxy {proxy} could not be reached: it refused the connection; check ");
    for (variable, scheme) in [("HTTPS_PROXY", "https"), ("HTTP_PROXY", "http")] {
        let text = asked(&[(variable, &url)], &format!("{scheme}://aws.invalid/private")).await;
        assert!(text.contains(&format!("{plain}{variable} and NO_PROXY")), "{text}");
    }
    let refusing = Fake::plain(|_| json(403, "{}")).await;
    let text = asked(&[("HTTPS_PROXY", &refusing.url)], "https://aws.invalid/private").await;
    assert!(text.contains("did not let us through to aws.invalid; check HTTPS_PROXY"), "{text}");
}

#[test]
fn metadata_is_never_asked_through_a_proxy() {
    assert!(["169.254.169.254", "[fd00:ec2::254]", "169.254.170.2"].into_iter().all(proxies::is_metadata));
    assert!(!proxies::is_metadata("logs.eu-west-1.amazonaws.com"));
}

#[test]
fn connecting_needs_neither_network_nor_runtime_and_bad_ways_are_refused_at_once() {
    let mut settings = settings("http://localhost:1", by_password());
    connected(&[], &settings);
    settings.agent.endpoints.ca_bundle = Some(Path::new("/nowhere/ca.pem").to_path_buf());
    let error = connect(&settings, "sys-0001", Arc::default()).expect_err("no bundle");
    assert!(matches!(error, ConnectError::UnreadableBundle { .. }), "{error}");
}

#[test]
fn an_execution_environment_that_no_header_may_hold_is_refused_at_once() {
    let settings = settings("http://localhost:1", by_password());
    connected(&[("AWS_EXECUTION_ENV", "AWS_ECS_EC2")], &settings);
    let clock: Clock = Arc::new(SystemTime::now);
    let env = Env::from_slice(&[("AWS_EXECUTION_ENV", "AWS_ECS_EC2\r")]);
    let error = connect_in(&env, clock, &settings, "sys-0001", Arc::default()).expect_err("not sent");
    assert!(matches!(error, ConnectError::ExecutionEnvironment), "{error}");
}

#[tokio::test]
async fn a_login_whose_answer_has_no_end_is_given_up_too() {
    let fake = Fake::plain(|_| json(200, &"x".repeat(8 << 20))).await;
    let text = no_login(&[], &settings(&fake.url, by_password())).await;
    assert!(text.contains("longer than 1048576 bytes"), "{text}");
}

/// Runs in a process of its own, because the SDK reads the process's environment.
#[test]
fn an_endpoint_or_region_of_the_environment_that_makes_no_url_is_explained_without_the_request() {
    use super::testing::{CHILD, MARK, in_child};
    if std::env::var_os(CHILD).is_some() {
        let mut settings = settings("", by_password());
        settings.agent.endpoints.all = None;
        settings.agent.region = std::env::var("AWS_REGION").is_err().then(|| "eu-west-1".to_owned());
        settings.agent.authentication = Authentication::Chain;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let board = Arc::new(Board::default());
        let clock: Clock = Arc::new(SystemTime::now);
        let connection =
            connect_in(&Env::from_slice(&[]), clock, &settings, "sys-0001", Arc::clone(&board)).expect("connects");
        let error = runtime.block_on(connection.put.create_group(&target())).expect_err("no URL");
        let login = board.read().destinations["credentials"].last_error.clone();
        println!("{MARK}{} {}", printed(&error), login.unwrap_or_default());
        return;
    }
    let name =
        "aws::tests::an_endpoint_or_region_of_the_environment_that_makes_no_url_is_explained_without_the_request";
    let keys = [("AWS_ACCESS_KEY_ID", "AKID"), ("AWS_SECRET_ACCESS_KEY", testing::SECRET)];
    for (variable, wrong) in [("AWS_ENDPOINT_URL", "foo bar"), ("AWS_REGION", "foo bar"), ("AWS_REGION", "us-east-1\n")]
    {
        let text = in_child(name, &[keys[0], keys[1], (variable, wrong)]);
        assert!(text.contains(&format!("check {variable}")) && !text.contains("Request {"), "{text}");
        assert_no_secret(&text);
    }
}

#[tokio::test]
async fn the_renewal_signs_in_before_anybody_asks_and_says_so_on_the_board() {
    let fake = Fake::plain(answer).await;
    let board = Arc::new(Board::default());
    let clock: Clock = Arc::new(SystemTime::now);
    let settings = settings(&fake.url, by_password());
    let connection =
        connect_in(&Env::from_slice(&[]), clock, &settings, "sys-0001", Arc::clone(&board)).expect("connects");
    let stop = CancellationToken::new();
    let task = tokio::spawn(connection.renewal.run(stop.clone()));
    let signed_in = async {
        while board.read().destinations.get("credentials").is_none_or(|line| line.last_success.is_none()) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), signed_in).await.expect("signed in");
    stop.cancel();
    task.await.expect("ends when told");
    connection.put.create_group(&target()).await.expect("with those credentials");
    assert_eq!(fake.actions().iter().filter(|action| *action == "InitiateAuth").count(), 1);
}

/// Keeps every event and span as text.
#[derive(Clone, Default)]
struct Capture(Arc<Mutex<Vec<(Level, String, String)>>>);

struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn fmt::Debug) {
        let _ = write!(self.0, "{}={value:?} ", field.name());
    }
}

impl Capture {
    fn keep(&self, metadata: &tracing::Metadata<'_>, text: Text) {
        self.0.lock().expect("whole").push((*metadata.level(), metadata.target().to_owned(), text.0));
    }
}

impl<S: Subscriber> Layer<S> for Capture {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut text = Text(String::new());
        event.record(&mut text);
        self.keep(event.metadata(), text);
    }

    fn on_new_span(&self, span: &span::Attributes<'_>, _: &span::Id, _: Context<'_, S>) {
        let mut text = Text(String::new());
        span.record(&mut text);
        self.keep(span.metadata(), text);
    }
}

#[tokio::test]
async fn nothing_secret_is_logged_once_the_quiet_targets_are_quiet() {
    let _alone = log::ALONE.lock().await;
    let capture = Capture::default();
    // Beside an only subscriber, a line that another test's thread comes to first would be turned off for all threads.
    let _beside = tracing::Dispatch::new(tracing_subscriber::registry());
    let guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(capture.clone()));
    let fake = Fake::plain(answer).await;
    let good = connected(&[("HTTP_PROXY", "")], &settings(&fake.url, by_password()));
    good.put.create_group(&target()).await.expect("made");
    let refusing = Fake::plain(|_| error(400, "NotAuthorizedException", "Incorrect username or password.")).await;
    let bad = connected(&[], &settings(&refusing.url, by_password()));
    bad.put.create_group(&target()).await.expect_err("refused");
    drop(guard);

    let lines = capture.0.lock().expect("whole").clone();
    let quiet = |target: &str| QUIET_TARGETS.iter().any(|(start, _)| target.starts_with(start));
    assert!(lines.iter().any(|(_, target, _)| quiet(target)), "the SDK wrote nothing: is the capture in place?");
    let told = |part: &str| lines.iter().filter(|(_, _, text)| text.contains(part)).count();
    assert_eq!((told("cannot sign in"), told("admin-create-user")), (1, 1), "the cause and what to do are told once");
    for (level, target, text) in &lines {
        // More is more verbose.
        if *level <= Level::WARN || !quiet(target) {
            assert_no_secret(text);
        }
        assert!(quiet(target) || target.starts_with("amazon_cloudwatch_publisher"), "who is {target}?");
    }
    let loud = lines.iter().filter(|(_, _, text)| SECRETS.iter().any(|secret| text.contains(secret)));
    let targets: std::collections::BTreeSet<_> = loud.map(|(_, target, _)| target.as_str()).collect();
    assert!(targets.iter().all(|target| quiet(target)), "{targets:?}");
}
