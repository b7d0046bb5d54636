//! The fake itself: the real SDK is understood, and each rule of the API has teeth.
use super::{
    FakeAws, Fault, Key, Op, SLOW,
    limits::{self, InputLogEvent, PutLogEvents},
};
use crate::support::{REGION, http};
use aws_credential_types::Credentials;
use aws_sdk_cloudwatch::types::{Dimension, MetricDatum, StandardUnit};
use aws_sdk_cloudwatchlogs::{error::ProvideErrorMetadata, types};
use aws_smithy_types::{DateTime, retry::RetryConfig};
use serde_json::{Value, json};
use std::time::{Duration, Instant, SystemTime};

const NOW: i64 = 1_800_000_000_000;

fn credentials(key: Key) -> Credentials {
    Credentials::new(key.access_key, key.secret, key.token, None, "story")
}

fn logs(aws: &FakeAws, key: Key) -> aws_sdk_cloudwatchlogs::Client {
    let config = aws_sdk_cloudwatchlogs::Config::builder()
        .behavior_version_latest()
        .region(aws_sdk_cloudwatchlogs::config::Region::new(REGION))
        .endpoint_url(aws.url())
        .credentials_provider(credentials(key))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .retry_config(RetryConfig::disabled());
    aws_sdk_cloudwatchlogs::Client::from_conf(config.build())
}

fn metrics(aws: &FakeAws) -> aws_sdk_cloudwatch::Client {
    let config = aws_sdk_cloudwatch::Config::builder()
        .behavior_version_latest()
        .region(aws_sdk_cloudwatch::config::Region::new(REGION))
        .endpoint_url(aws.url())
        .credentials_provider(credentials(Key::lasting()))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .retry_config(RetryConfig::disabled());
    aws_sdk_cloudwatch::Client::from_conf(config.build())
}

async fn put(client: &aws_sdk_cloudwatchlogs::Client, message: &str) -> Result<(), String> {
    let now = DateTime::from(SystemTime::now()).to_millis().expect("in range");
    let event = types::InputLogEvent::builder().timestamp(now).message(message).build().expect("complete");
    let put = client.put_log_events().log_group_name("/a/b").log_stream_name("s").log_events(event);
    put.send().await.map(drop).map_err(|why| why.code().unwrap_or("no answer").to_owned())
}

async fn with_stream(aws: &FakeAws) -> aws_sdk_cloudwatchlogs::Client {
    aws.create_group("/a/b");
    let client = logs(aws, Key::lasting());
    client.create_log_stream().log_group_name("/a/b").log_stream_name("s").send().await.expect("a new stream");
    client
}

fn datum(name: &str) -> MetricDatum {
    let dimension = Dimension::builder().name("Hostname").value("h").build();
    MetricDatum::builder().metric_name(name).value(2.5).unit(StandardUnit::Percent).dimensions(dimension).build()
}

#[tokio::test]
async fn the_real_sdk_is_understood() {
    let aws = FakeAws::start();
    let client = with_stream(&aws).await;
    put(&client, "one").await.expect("accepted");
    client.put_retention_policy().log_group_name("/a/b").retention_in_days(7).send().await.expect("accepted");
    // Enough datums for the SDK to compress them.
    let datums = (0..500).map(|i| datum(&format!("Metric{i}"))).collect();
    let put = metrics(&aws).put_metric_data().namespace("System/Story").set_metric_data(Some(datums));
    put.send().await.expect("accepted");

    aws.assert_no_violations();
    assert_eq!(aws.messages("s"), ["one"]);
    aws.look(|seen| {
        assert_eq!(seen.groups["/a/b"].retention_in_days, Some(7));
        assert_eq!(seen.datums.len(), 500);
        let first = seen.metric("Metric0")[0];
        assert_eq!((first.value, first.unit.as_str(), first.dimensions["Hostname"].as_str()), (2.5, "Percent", "h"));
        assert_eq!(seen.keys, [Key::lasting().access_key]);
    });
}

#[tokio::test]
async fn a_request_that_breaks_a_rule_is_refused_and_remembered() {
    let aws = FakeAws::start();
    let client = with_stream(&aws).await;
    assert_eq!(put(&client, "").await, Err("InvalidParameterException".into()));
    let bad = metrics(&aws)
        .put_metric_data()
        .namespace("System/Story")
        .metric_data(MetricDatum::builder().metric_name("Broken").value(f64::NAN).build());
    bad.send().await.expect_err("not a number");
    let violations = aws.look(|seen| seen.violations.clone());
    assert!(violations[0].contains("an empty message"), "{violations:?}");
    assert!(violations[1].contains("without finite values"), "{violations:?}");
    assert_eq!(violations.len(), 2);
}

#[tokio::test]
async fn a_metric_of_a_clock_that_nobody_could_know_to_be_wrong_is_refused_without_a_violation() {
    const LATE: Duration = Duration::from_secs(15 * 24 * 3600);
    let aws = FakeAws::start();
    aws.see_clock_late_by(LATE);
    aws.tell_time();
    let client = metrics(&aws);
    let put = |at: SystemTime| {
        let datum = MetricDatum::builder().metric_name("m").value(1.0).timestamp(at.into()).build();
        client.put_metric_data().namespace("System/Story").metric_data(datum).send()
    };
    let now = SystemTime::now();
    assert!(put(now).await.is_err());
    put(now + LATE).await.expect("it is right by the clock of the cloud");
    aws.assert_no_violations();
    assert_eq!(aws.look(|seen| (seen.mistimed, seen.datums.len())), (1, 1));
    assert!(put(now - LATE).await.is_err());
    let found = aws.look(|seen| seen.violations.concat());
    assert!(found.contains("out of the two weeks"), "by neither clock: {found}");
    assert_eq!(aws.look(|seen| seen.mistimed), 1);
}

#[tokio::test]
async fn a_wrong_signature_is_found_out() {
    let aws = FakeAws::start();
    let wrong = Key { secret: "another".into(), ..Key::lasting() };
    let refused = logs(&aws, wrong).create_log_group().log_group_name("/a/b").send().await.expect_err("a wrong secret");
    assert_eq!(refused.code(), Some("InvalidSignatureException"));
    let target = ("x-amz-target", "Logs_20140328.PutLogEvents");
    let unsigned = http::post(&aws.url(), &[target], "{}").await.expect("an answer");
    assert_eq!(unsigned.status(), 400);
    let violations = aws.look(|seen| seen.violations.clone());
    assert!(violations[0].contains("a wrong signature"), "{violations:?}");
    assert!(violations[1].contains("without a signature"), "{violations:?}");
}

#[tokio::test]
async fn faults_happen_as_often_as_asked_for() {
    let aws = FakeAws::start();
    let client = with_stream(&aws).await;
    aws.fail(&[Op::PutLogEvents], Fault::Denied);
    aws.fail_next(Op::PutLogEvents, 2, Fault::Throttle);
    assert_eq!(put(&client, "one").await, Err("ThrottlingException".into()));
    assert_eq!(put(&client, "one").await, Err("ThrottlingException".into()));
    assert_eq!(put(&client, "one").await, Err("AccessDeniedException".into()));
    aws.fail(&Op::ALL, Fault::ServerError);
    assert_eq!(put(&client, "one").await, Err("InternalFailure".into()));
    aws.fail(&Op::ALL, Fault::HangUp);
    assert_eq!(put(&client, "one").await, Err("no answer".into()));
    assert!(aws.messages("s").is_empty());
    aws.fail_next(Op::PutLogEvents, 1, Fault::LoseAnswer);
    assert_eq!(put(&client, "one").await, Err("no answer".into()));
    assert_eq!(aws.messages("s"), ["one"]);
    aws.heal();
    aws.fail_next(Op::PutLogEvents, 1, Fault::Slow(SLOW));
    let asked = Instant::now();
    put(&client, "two").await.expect("accepted");
    assert!(asked.elapsed() >= SLOW);
    assert_eq!(aws.calls(Op::PutLogEvents), 7);
    aws.assert_no_violations();
}

#[tokio::test]
async fn a_hanging_call_is_seen_though_it_is_never_answered() {
    let aws = FakeAws::start();
    let client = with_stream(&aws).await;
    aws.fail(&[Op::PutLogEvents], Fault::Hang);
    tokio::select! {
        answered = put(&client, "one") => panic!("answered: {answered:?}"),
        () = aws.until("the call", |seen| seen.calls(Op::PutLogEvents) == 1) => {}
    }
}

#[tokio::test]
async fn expired_keys_stay_expired_and_new_ones_are_good() {
    let aws = FakeAws::start();
    with_stream(&aws).await;
    let old = aws.issue_key();
    put(&logs(&aws, old.clone()), "one").await.expect("accepted");
    aws.expire_keys();
    assert_eq!(put(&logs(&aws, old), "two").await, Err("ExpiredTokenException".into()));
    put(&logs(&aws, aws.issue_key()), "three").await.expect("accepted");
    let unknown = Key { access_key: "AKIANOBODY".into(), ..Key::lasting() };
    assert_eq!(put(&logs(&aws, unknown), "four").await, Err("UnrecognizedClientException".into()));
    assert_eq!(aws.messages("s"), ["one", "three"]);
    aws.assert_no_violations();
}

#[tokio::test]
async fn groups_can_go_and_single_texts_can_be_refused() {
    let aws = FakeAws::start();
    let client = with_stream(&aws).await;
    aws.refuse_text("poison");
    assert_eq!(put(&client, "some poison here").await, Err("InvalidParameterException".into()));
    put(&client, "sane").await.expect("accepted");
    aws.delete_group("/a/b");
    assert_eq!(put(&client, "late").await, Err("ResourceNotFoundException".into()));
    assert_eq!(aws.messages("s"), ["sane"]);
    aws.assert_no_violations();
}

#[tokio::test]
async fn an_unplugged_cloud_refuses_connections_until_it_is_plugged_in() {
    let mut aws = FakeAws::unplugged();
    let client = logs(&aws, Key::lasting());
    client.create_log_group().log_group_name("/a/b").send().await.expect_err("nobody listens");
    assert_eq!(aws.calls(Op::CreateLogGroup), 0);
    aws.plug_in();
    client.create_log_group().log_group_name("/a/b").send().await.expect("accepted");
}

#[tokio::test]
async fn the_cognito_login_leads_to_a_good_key() {
    let aws = FakeAws::start();
    aws.expect_login("sys-story", "right");
    let call = async |operation: &str, request: Value| {
        let headers = [("content-type", "application/x-amz-json-1.1"), ("x-amz-target", operation)];
        let answer = http::post(&aws.url(), &headers, request.to_string()).await.expect("an answer");
        serde_json::from_slice::<Value>(answer.body()).expect("JSON")
    };
    let login = async |password: &str| {
        let given = json!({ "USERNAME": "sys-story", "PASSWORD": password });
        let request = json!({ "ClientId": "c", "AuthFlow": "USER_PASSWORD_AUTH", "AuthParameters": given });
        call("AWSCognitoIdentityProviderService.InitiateAuth", request).await
    };
    assert_eq!(login("wrong").await["__type"], "NotAuthorizedException");
    let token = login("right").await["AuthenticationResult"]["IdToken"].clone();
    let logins = json!({ "cognito-idp.us-east-1.amazonaws.com/us-east-1_pool": token });
    let id = call("AWSCognitoIdentityService.GetId", json!({ "IdentityPoolId": "p", "Logins": logins })).await;
    let request = json!({ "IdentityId": id["IdentityId"], "Logins": logins });
    let answer = call("AWSCognitoIdentityService.GetCredentialsForIdentity", request).await;
    let text = |name: &str| answer["Credentials"][name].as_str().expect("a text").to_owned();
    let key = Key { access_key: text("AccessKeyId"), secret: text("SecretKey"), token: Some(text("SessionToken")) };
    logs(&aws, key).create_log_group().log_group_name("/a/b").send().await.expect("accepted");
    aws.assert_no_violations();
}

fn events(times_and_texts: impl IntoIterator<Item = (i64, String)>) -> PutLogEvents {
    PutLogEvents {
        _entity: serde::de::IgnoredAny,
        log_group_name: "/a/b".into(),
        log_stream_name: "s".into(),
        log_events: times_and_texts
            .into_iter()
            .map(|(timestamp, message)| InputLogEvent { timestamp, message })
            .collect(),
    }
}

/// The only rule that the request breaks, or nothing.
fn log_rule(request: &PutLogEvents) -> String {
    let wrong = limits::put_log_events(request);
    assert!(wrong.len() <= 1, "{wrong:?}");
    wrong.concat()
}

#[test]
fn each_limit_of_put_log_events_is_exact() {
    let many = |count: i64| events((0..count).map(|i| (NOW + i, "x".to_owned())));
    assert_eq!(log_rule(&many(10_000)), "");
    assert_eq!(log_rule(&many(10_001)), "PutLogEvents with 10001 events");
    assert_eq!(log_rule(&many(0)), "PutLogEvents with 0 events");
    let long = |length: usize| events([(NOW, "x".repeat(length))]);
    assert_eq!(log_rule(&long(1_048_576 - 26)), "");
    assert_eq!(log_rule(&long(1_048_576 - 25)), "PutLogEvents with 1048577 counted bytes");
    let apart = |time: i64| events([(NOW, "x".to_owned()), (NOW + time, "y".to_owned())]);
    assert_eq!(log_rule(&apart(86_400_000)), "");
    assert_eq!(log_rule(&apart(86_400_001)), "PutLogEvents with events span 86400001 ms");
    assert_eq!(log_rule(&apart(-1)), "PutLogEvents with events out of order");
    let named = |group: &str, stream: &str| PutLogEvents {
        log_group_name: group.into(),
        log_stream_name: stream.into(),
        ..events([(NOW, "x".to_owned())])
    };
    assert_eq!(log_rule(&named("/a-b_c.d#1", "a b\\c|d")), "");
    assert_eq!(log_rule(&named("/a b", "s")), "PutLogEvents with log group name \"/a b\"");
    assert_eq!(log_rule(&named("/a", "s:1")), "PutLogEvents with log stream name \"s:1\"");
}

#[test]
fn events_out_of_their_time_are_counted_from_both_ends() {
    let days = |days: i64| NOW - days * 86_400_000;
    let times = [days(15), days(14), NOW, NOW + 7_200_000, NOW + 7_200_001];
    let request = events(times.map(|time| (time, "x".to_owned())));
    assert_eq!(limits::timely(&request.log_events, NOW), 1..4);
}

/// The only rule that a request with this one datum breaks, or nothing.
fn datum_rule(change: Value) -> String {
    let mut datum = json!({ "MetricName": "CPUUtilization", "Value": 1.0, "Unit": "Percent" });
    let change = change.as_object().expect("an object").clone();
    datum.as_object_mut().expect("an object").extend(change);
    let request = json!({ "Namespace": "System/Story", "MetricData": [datum] });
    let wrong = limits::put_metric_data(&request, 100, false, NOW);
    assert!(wrong.len() <= 1, "{wrong:?}");
    wrong.concat()
}

#[test]
fn each_rule_for_a_datum_has_teeth() {
    let dimensions =
        |count: usize| (0..count).map(|i| json!({ "Name": format!("d{i}"), "Value": "v" })).collect::<Value>();
    let seconds = |days: i64| NOW / 1_000 - days * 86_400;
    let good = [
        json!({}),
        json!({ "Dimensions": dimensions(30) }),
        json!({ "Unit": "Kilobytes/Second" }),
        json!({ "Unit": "Count/Second" }),
        json!({ "Timestamp": seconds(13), "StorageResolution": 1 }),
        json!({ "Value": null, "Values": [1.0, 2.0], "Counts": [3.0, 4.0] }),
        json!({ "Value": null, "StatisticValues": { "SampleCount": 1, "Sum": 1, "Minimum": 1, "Maximum": 1 } }),
    ];
    for change in good {
        assert_eq!(datum_rule(change), "");
    }
    let bad = [
        (json!({ "MetricName": "" }), "without a good name"),
        (json!({ "Dimensions": dimensions(31) }), "over 30 dimensions"),
        (json!({ "Dimensions": [{ "Name": "d", "Value": "" }] }), "a dimension without a good value"),
        (json!({ "Dimensions": [{ "Name": "", "Value": "v" }] }), "a dimension without a good name"),
        (json!({ "Dimensions": [{ "Name": "d", "Value": "v" }, { "Name": "d", "Value": "w" }] }), "a dimension twice"),
        (json!({ "Value": null }), "without finite values"),
        (json!({ "Value": "NaN" }), "without finite values"),
        (json!({ "Value": 1e109 }), "without finite values"),
        (json!({ "Values": [1.0], "Counts": [1.0, 2.0] }), "without finite values"),
        (json!({ "Values": vec![1.0; 151] }), "without finite values"),
        (json!({ "Timestamp": seconds(15) }), "out of the two weeks"),
        (json!({ "StorageResolution": 10 }), "unknown resolution"),
        (json!({ "Unit": "Percent/Second" }), "unknown unit"),
        (json!({ "Unit": "bytes" }), "unknown unit"),
    ];
    for (change, rule) in bad {
        let broken = datum_rule(change.clone());
        assert!(broken.contains(rule), "{change} breaks {broken:?}");
    }
}

#[test]
fn each_limit_of_put_metric_data_is_exact() {
    let rule = |namespace: &str, count: usize, size: usize, compressed: bool| {
        let datums = vec![json!({ "MetricName": "m", "Value": 1.0 }); count];
        let request = json!({ "Namespace": namespace, "MetricData": datums });
        limits::put_metric_data(&request, size, compressed, NOW).concat()
    };
    assert_eq!(rule("N", 1_000, 1_048_576, true), "");
    assert_eq!(rule("N", 1_001, 1, true), "PutMetricData with 1001 datums");
    assert_eq!(rule("N", 0, 1, true), "PutMetricData with 0 datums");
    assert_eq!(rule("N", 1, 1_048_577, true), "PutMetricData with 1048577 bytes");
    assert_eq!(rule("N", 1, 10_239, false), "");
    assert_eq!(rule("N", 1, 10_240, false), "PutMetricData with 10240 bytes, not compressed");
    assert_eq!(rule("AWS/EC2", 1, 1, true), "PutMetricData with namespace \"AWS/EC2\"");
}

#[tokio::test]
async fn waiting_ends_with_the_request_that_was_waited_for() {
    let aws = FakeAws::start();
    let client = with_stream(&aws).await;
    let writing = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        put(&client, "one").await.expect("accepted");
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = writing => {}
        () = aws.until("the event", |seen| seen.has("one")) => {}
    }
}
