use super::*;
use crate::{
    aws::{
        Connection, connect_in,
        testing::{
            Fake, Reply, SECRET, Seen, TOKEN, assert_no_secret, by_password, cognito_answer, error, json, printed,
            reply, settings,
        },
    },
    config::settings::Settings,
    model::{Dimension, Point, Resolution, Slot, TimedBy, Timestamp, Unit},
    publish::Next,
};
use aws_sdk_cloudwatchlogs::operation::put_log_events::PutLogEventsError;
use aws_types::os_shim_internal::Env;
use bytes::Bytes;
use ciborium::Value;
use sha2::{Digest, Sha256};
use std::{
    io::Read,
    sync::atomic::{AtomicUsize, Ordering},
    time::SystemTime,
};
use tokio::time::Instant;

mod strangers;
mod targets;

fn connected(settings: &Settings) -> Connection {
    connect_in(&Env::from_slice(&[]), Arc::new(SystemTime::now), settings, "sys-0001", Arc::default())
        .expect("connects")
}

/// A server that signs in by Cognito and answers everything else as told.
async fn aws(answer: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> (Fake, Connection) {
    let fake = Fake::plain(move |seen| {
        let cognito = ["InitiateAuth", "GetId", "GetCredentialsForIdentity"].contains(&seen.action());
        if cognito { cognito_answer(seen) } else { answer(seen) }
    })
    .await;
    let connection = connected(&settings(&fake.url, by_password()));
    (fake, connection)
}

fn target() -> Arc<Target> {
    Arc::new(Target {
        group: "/g/1".to_owned(),
        stream: "s".to_owned(),
        retention_in_days: Some(7),
        ..Target::default()
    })
}

fn slot(at: i64, start: u32) -> Slot {
    Slot { at: Timestamp::from_millis(at), start, timed_by: TimedBy::Source }
}

fn log_batch() -> LogBatch {
    let body = r#"{"logGroupName":"/g/1","logStreamName":"s","logEvents":[{"timestamp":1,"message":"ä\n\"1\""},{"timestamp":2,"message":"2"}]}"#;
    LogBatch {
        target: target(),
        body: Bytes::from_static(body.as_bytes()),
        index: Arc::from([slot(1, 54), slot(2, 92)]),
        covers: Vec::new(),
    }
}

fn point(value: f64) -> Point {
    Point {
        name: "CPUUtilization".into(),
        value: value.into(),
        unit: Unit::BytesPerSecond,
        at: Timestamp::from_millis(1_700_000_000_123),
        dimensions: Arc::from([Dimension::new("Hostname", "h")]),
        resolution: Resolution::Second,
    }
}

fn metric_batch(values: &[f64]) -> MetricBatch {
    MetricBatch { namespace: "System/Test".to_owned(), points: values.iter().copied().map(point).collect() }
}

fn cbor(status: u16, value: &Value) -> Reply {
    let mut body = Vec::new();
    ciborium::into_writer(value, &mut body).expect("plain");
    let mut reply = reply(status, "application/cbor", body);
    reply.headers_mut().insert("smithy-protocol", "rpc-v2-cbor".parse().expect("a value"));
    reply
}

fn cbor_error(status: u16, code: &str) -> Reply {
    let text = |text: &str| Value::Text(text.to_owned());
    let code = text(&format!("com.amazonaws.cloudwatch#{code}"));
    cbor(status, &Value::Map(vec![(text("__type"), code), (text("message"), text("why"))]))
}

fn sha256(data: &[u8]) -> String {
    Sha256::digest(data).iter().map(|b| format!("{b:02x}")).collect()
}

/// RFC 2104.
fn hmac(key: &[u8], data: &[u8]) -> Vec<u8> {
    let key = if key.len() > 64 { Sha256::digest(key).to_vec() } else { key.to_vec() };
    let pad = |byte: u8| -> Vec<u8> { (0..64).map(|i| key.get(i).copied().unwrap_or(0) ^ byte).collect() };
    let inner = Sha256::digest([pad(0x36).as_slice(), data].concat());
    Sha256::digest([pad(0x5c).as_slice(), inner.as_slice()].concat()).to_vec()
}

/// Signs what was received again, with the secret key that the service would know.
fn signature(seen: &Seen) -> (String, String) {
    let authorization = seen.header("authorization");
    let part =
        |name: &str| authorization.split(&format!("{name}=")).nth(1).and_then(|s| s.split(',').next()).expect("there");
    let (names, scope) = (part("SignedHeaders"), part("Credential").split_once('/').expect("a scope").1);
    let headers: String = names.split(';').map(|name| format!("{name}:{}\n", seen.header(name))).collect();
    let canonical = format!("POST\n{}\n\n{headers}\n{names}\n{}", seen.path, sha256(&seen.body));
    let to_sign = format!("AWS4-HMAC-SHA256\n{}\n{scope}\n{}", seen.header("x-amz-date"), sha256(canonical.as_bytes()));
    let first = format!("AWS4{SECRET}").into_bytes();
    let key = scope.split('/').fold(first, |key, part| hmac(&key, part.as_bytes()));
    let expected = hmac(&key, to_sign.as_bytes()).iter().map(|b| format!("{b:02x}")).collect();
    (expected, part("Signature").to_owned())
}

#[tokio::test]
async fn a_log_batch_goes_out_byte_for_byte_and_its_signature_fits() {
    let (fake, connection) = aws(|_| json(200, r#"{"rejectedLogEventsInfo":{"tooOldLogEventEndIndex":1}}"#)).await;
    let batch = log_batch();
    let rejected = connection.put.logs(&batch).await.expect("accepted");
    assert_eq!(rejected, Rejected { too_old: 1, too_new: 0, expired: 0 });
    let seen = fake.seen().pop().expect("a request");
    assert_eq!(seen.header("x-amz-target"), "Logs_20140328.PutLogEvents");
    assert_eq!(seen.body, batch.body);
    assert_eq!(seen.header("content-length"), batch.body.len().to_string());
    assert_eq!(seen.header("x-amz-security-token"), TOKEN);
    assert!(seen.header("authorization").contains("Credential=AKIDCOGNITO/"));
    let (expected, given) = signature(&seen);
    assert_eq!(given, expected);
}

#[tokio::test]
async fn the_body_of_a_log_batch_is_shared_and_not_copied() {
    let body = log_batch().body;
    let mut request = aws_smithy_runtime_api::http::Request::new(aws_smithy_types::body::SdkBody::empty());
    logs::swap_in(body.clone(), false)(&mut request);
    assert_eq!(request.body().bytes().expect("in memory").as_ptr(), body.as_ptr());
    let again = request.try_clone().expect("clones");
    assert_eq!(again.body().bytes().expect("in memory").as_ptr(), body.as_ptr());
}

#[tokio::test]
async fn a_batch_without_events_sends_nothing() {
    let (fake, connection) = aws(|_| json(200, "{}")).await;
    let empty = LogBatch { index: Arc::from([]), ..log_batch() };
    assert_eq!(connection.put.logs(&empty).await.expect("nothing to do"), Rejected::default());
    assert!(fake.seen().is_empty());
}

#[tokio::test]
async fn metrics_go_out_compressed_with_all_they_have() {
    let (fake, connection) = aws(|_| cbor(200, &Value::Map(Vec::new()))).await;
    connection.put.metrics(&metric_batch(&[12.5])).await.expect("accepted");
    let seen = fake.seen().pop().expect("a request");
    assert_eq!(seen.header("content-encoding"), "gzip");
    assert_eq!(seen.action(), "PutMetricData");
    let mut plain = Vec::new();
    flate2::read::GzDecoder::new(seen.body.as_ref()).read_to_end(&mut plain).expect("gzip");
    let body: Value = ciborium::from_reader(plain.as_slice()).expect("CBOR");
    assert_eq!(field(&body, "Namespace"), &Value::Text("System/Test".to_owned()));
    let datum = &field(&body, "MetricData").as_array().expect("a list")[0];
    assert_eq!(field(datum, "MetricName"), &Value::Text("CPUUtilization".to_owned()));
    assert_eq!(field(datum, "Value").as_float(), Some(12.5));
    assert_eq!(field(datum, "Unit"), &Value::Text("Bytes/Second".to_owned()));
    assert_eq!(field(datum, "StorageResolution"), &Value::from(1));
    let Value::Tag(1, time) = field(datum, "Timestamp") else { panic!("a time: {datum:?}") };
    assert_eq!(time.as_float(), Some(1_700_000_000.123));
    let dimension = &field(datum, "Dimensions").as_array().expect("a list")[0];
    assert_eq!(field(dimension, "Name"), &Value::Text("Hostname".to_owned()));
    assert_eq!(field(dimension, "Value"), &Value::Text("h".to_owned()));
}

fn field<'a>(map: &'a Value, name: &str) -> &'a Value {
    let found = map.as_map().and_then(|map| map.iter().find(|(key, _)| key.as_text() == Some(name)));
    &found.unwrap_or_else(|| panic!("{name} in {map:?}")).1
}

#[tokio::test]
async fn what_exists_already_is_made_and_retention_is_set() {
    let (fake, connection) = aws(|seen| match seen.action() {
        "PutRetentionPolicy" => json(200, ""),
        _ => error(400, "ResourceAlreadyExistsException", "The specified log group already exists"),
    })
    .await;
    let target = target();
    connection.put.create_group(&target).await.expect("there");
    connection.put.create_stream(&target).await.expect("there");
    connection.put.set_retention(&target).await.expect("set");
    connection
        .put
        .set_retention(&Target { retention_in_days: None, ..(*target).clone() })
        .await
        .expect("nothing to do");
    let seen: Vec<_> = fake.seen().into_iter().skip(3).map(|seen| seen.json()).collect();
    let expected = [
        serde_json::json!({ "logGroupName": "/g/1" }),
        serde_json::json!({ "logGroupName": "/g/1", "logStreamName": "s" }),
        serde_json::json!({ "logGroupName": "/g/1", "retentionInDays": 7 }),
    ];
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn one_call_is_one_request_and_its_error_leads_to_the_next_step() {
    let cases: [(fn() -> Reply, Next); 7] = [
        (|| error(400, "ThrottlingException", "Rate exceeded"), Next::Retry(None)),
        (|| error(500, "InternalFailure", "oops"), Next::Retry(None)),
        (|| error(400, "ExpiredTokenException", "expired"), Next::RenewThenRetry),
        (|| error(400, "AccessDeniedException", "not authorized"), Next::RetrySeldom),
        (|| error(400, "ResourceNotFoundException", "The specified log group does not exist."), Next::CreateThenRetry),
        (|| error(400, "InvalidParameterException", "Log events must be in order"), Next::SetAside),
        (|| reply(502, "text/html", "<html>bad gateway</html>"), Next::Retry(None)),
    ];
    for (answer, next) in cases {
        let (fake, connection) = aws(move |_| answer()).await;
        let error = connection.put.logs(&log_batch()).await.expect_err("refused");
        let text = printed(&error);
        assert_eq!(error.next(), next, "{text}");
        assert_no_secret(&text);
        assert_eq!(fake.actions().iter().filter(|action| *action == "PutLogEvents").count(), 1);
    }
}

#[tokio::test]
async fn errors_of_cloudwatch_are_read_from_cbor() {
    for (code, next) in [
        ("Throttling", Next::Retry(None)),
        ("InvalidParameterValue", Next::SetAside),
        ("InvalidClientTokenId", Next::RenewThenRetry),
        ("AccessDenied", Next::RetrySeldom),
        ("ServiceUnavailable", Next::Retry(None)),
    ] {
        let (fake, connection) = aws(move |_| cbor_error(400, code)).await;
        let error = connection.put.metrics(&metric_batch(&[1.0])).await.expect_err("refused");
        assert_eq!(error.next(), next, "{}", printed(&error));
        assert_eq!(fake.actions().iter().filter(|action| *action == "PutMetricData").count(), 1);
    }
}

#[tokio::test]
async fn a_service_says_when_to_come_back() {
    let (_fake, connection) = aws(|_| {
        let mut reply = error(429, "ThrottlingException", "slow");
        reply.headers_mut().insert("retry-after", "9".parse().expect("a value"));
        reply
    })
    .await;
    let error = connection.put.logs(&log_batch()).await.expect_err("throttled");
    assert_eq!(error.next(), Next::Retry(Some(Duration::from_secs(9))));
}

#[tokio::test]
async fn nobody_there_and_no_credentials_are_told_apart() {
    let (fake, connection) = aws(|_| json(200, "{}")).await;
    let mut elsewhere = settings(&fake.url, by_password());
    elsewhere.agent.endpoints.logs = Some("http://127.0.0.1:1".to_owned());
    let error = connected(&elsewhere).put.logs(&log_batch()).await.expect_err("nobody there");
    assert!(matches!(error, PutError::Unreachable { .. }), "{error:?}");
    assert!(printed(&error).contains("refused"), "{}", printed(&error));
    drop((fake, connection));

    let fake = Fake::plain(|_| self::error(400, "NotAuthorizedException", "Incorrect username or password.")).await;
    let connection = connected(&settings(&fake.url, by_password()));
    let error = connection.put.logs(&log_batch()).await.expect_err("no login");
    assert!(matches!(error, PutError::SignIn { .. }), "{error:?}");
    assert!(printed(&error).contains("the login was refused"), "{}", printed(&error));
    assert_no_secret(&printed(&error));
    // Neither the next call nor a renewal knocks again before the back-off is over.
    connection.put.renew().await.expect_err("still waiting");
    connection.put.logs(&log_batch()).await.expect_err("still waiting");
    assert_eq!(fake.actions(), ["InitiateAuth"]);

    let error =
        connected(&settings("http://127.0.0.1:1", by_password())).put.logs(&log_batch()).await.expect_err("no network");
    assert!(matches!(error, PutError::SignIn { .. }), "nobody asked CloudWatch Logs: {error:?}");
}

#[tokio::test]
async fn metrics_and_logs_assume_their_own_roles() {
    let fake = Fake::plain(|seen| match seen.action() {
        "" if seen.body.starts_with(b"Action=AssumeRole") => {
            let body = String::from_utf8_lossy(&seen.body).into_owned();
            assert!(body.contains("RoleSessionName=sys-0001"), "{body}");
            let key = if body.contains("metrics") { "AKIDMETRICS" } else { "AKIDLOGS" };
            let given = format!(
                "<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>{key}</AccessKeyId><SecretAccessKey>{SECRET}\
                 </SecretAccessKey><SessionToken>{TOKEN}</SessionToken><Expiration>2096-01-01T00:00:00Z</Expiration></Credentials>\
                 </AssumeRoleResult></AssumeRoleResponse>"
            );
            reply(200, "text/xml", given)
        }
        "PutMetricData" => cbor(200, &Value::Map(Vec::new())),
        "PutLogEvents" => json(200, "{}"),
        _ => cognito_answer(seen),
    })
    .await;
    let mut settings = settings(&fake.url, by_password());
    settings.agent.role_arn = Some("arn:aws:iam::1:role/metrics".to_owned());
    settings.logs.role_arn = Some("arn:aws:iam::1:role/logs".to_owned());
    let connection = connected(&settings);
    assert_eq!(connection.renewal.keys.len(), 3);
    connection.put.metrics(&metric_batch(&[1.0])).await.expect("accepted");
    connection.put.logs(&log_batch()).await.expect("accepted");
    let signer = |action: &str| {
        let seen = fake.seen();
        let request = seen.iter().find(|seen| seen.action() == action).expect("sent");
        request.header("authorization").split(['=', '/']).nth(1).expect("a key").to_owned()
    };
    assert_eq!((signer("PutMetricData"), signer("PutLogEvents")), ("AKIDMETRICS".to_owned(), "AKIDLOGS".to_owned()));
    assert_eq!(fake.actions().iter().filter(|action| *action == "InitiateAuth").count(), 1);
}

#[tokio::test]
async fn a_renewal_asked_for_right_after_a_login_shares_it() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let (fake, connection) = aws(move |_| match counted.fetch_add(1, Ordering::Relaxed) {
        0 => error(400, "ExpiredTokenException", "expired"),
        _ => json(200, "{}"),
    })
    .await;
    let error = connection.put.logs(&log_batch()).await.expect_err("expired");
    assert_eq!(error.next(), Next::RenewThenRetry);
    connection.put.renew().await.expect("signed in a moment ago");
    connection.put.logs(&log_batch()).await.expect("accepted");
    assert_eq!(fake.actions().iter().filter(|action| *action == "InitiateAuth").count(), 1);
}

/// One that has no reason to call anybody.
fn idle(calls: usize) -> Aws {
    let settings = settings("http://localhost:1", by_password());
    let base = Arc::new(Base::new(
        &settings,
        Env::from_slice(&[]),
        crate::aws::http::client(crate::aws::trust::Trust::System, Default::default()),
    ));
    let clock: Clock = Arc::new(SystemTime::now);
    let keys = Renewing::new(crate::aws::auth::chain::Chain::new(Arc::clone(&base)), Arc::clone(&clock), None);
    let skews = Arc::new(Skews::new(Arc::clone(&clock)));
    Aws::new(base, clock, skews, [Arc::clone(&keys), keys], calls)
}

#[tokio::test(start_paused = true)]
async fn a_server_that_hangs_does_not_hold_us_and_a_slow_line_has_its_time() {
    let aws = idle(LOG_CALLS);
    for (bytes, seconds) in [(0, 60), (1 << 20, 188)] {
        let hanging = std::future::pending::<Result<(), SdkError<PutLogEventsError, HttpResponse>>>();
        let start = Instant::now();
        let error = aws.call(&aws.logs, "logs:PutLogEvents", bytes, hanging).await.expect_err("hangs");
        assert!(matches!(error, PutError::Unreachable { .. }), "{error:?}");
        assert_eq!(start.elapsed().as_secs(), seconds);
    }
}

#[test]
fn debug_of_a_connection_shows_no_secret() {
    let connection = connected(&settings("http://localhost:1", by_password()));
    assert_no_secret(&format!("{connection:?}"));
}

#[tokio::test]
async fn an_answer_without_an_end_is_given_up_early_and_said() {
    let endless = || reply(200, "application/x-amz-json-1.1", vec![b'{'; 8 << 20]);
    for answer in [endless, || reply(500, "text/plain", vec![b'z'; 8 << 20])] {
        let (_fake, connection) = aws(move |_| answer()).await;
        let error = connection.put.logs(&log_batch()).await.expect_err("too long");
        assert_eq!(error.next(), Next::Retry(None));
        assert!(printed(&error).contains("longer than 1048576 bytes"), "{}", printed(&error));
        let error = connection.put.metrics(&metric_batch(&[1.0])).await.expect_err("too long");
        assert!(printed(&error).contains("longer than 1048576 bytes"), "{}", printed(&error));
    }
}

#[tokio::test(start_paused = true)]
async fn many_streams_share_as_many_connections_as_the_configuration_allows() {
    let aws = idle(3);
    let (now, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let calls = (0..100).map(|_| {
        let sending = async {
            most.fetch_max(now.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_secs(1)).await;
            now.fetch_sub(1, Ordering::Relaxed);
            Ok::<(), SdkError<PutLogEventsError, HttpResponse>>(())
        };
        aws.call(&aws.logs, "logs:PutLogEvents", 0, sending)
    });
    let outcomes = futures_util::future::join_all(calls).await;
    assert!(outcomes.iter().all(Result::is_ok));
    assert_eq!(most.into_inner(), 3);
}
