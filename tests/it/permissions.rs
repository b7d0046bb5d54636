//! What the identity may not do, and keys that run out.
use crate::support::{
    fake::{FakeAws, Fault, Key, Op},
    host::{GROUP, TestHost},
};
use serde_json::json;

/// Signs in by Cognito, with this password.
pub fn signing_in(host: TestHost, password: &str) -> TestHost {
    let authentication = json!({
        "accountId": "123456789012",
        "userPoolId": "us-east-1_Story1234",
        "identityPoolId": "us-east-1:22222222-2222-2222-2222-222222222222",
        "appClientId": "storystorystorystorystory0",
        "password": password,
    });
    host.without_keys().with("agent.authentication", authentication)
}

#[tokio::test]
async fn what_exists_need_not_be_created() {
    let aws = FakeAws::start();
    aws.create_stream(GROUP, "app.log");
    aws.fail(&[Op::CreateLogGroup, Op::CreateLogStream, Op::PutRetentionPolicy], Fault::Denied);
    let host = TestHost::tailing(&aws, &["app.log"]).with("logs.retention_in_days", 7.into());
    host.append("app.log", "one\n");
    let mut daemon = host.start();
    daemon.until_cloud(&aws, "the line", |seen| seen.has("one")).await;
}

#[tokio::test]
async fn a_group_that_may_not_be_created_but_exists_gets_its_stream() {
    let aws = FakeAws::start();
    aws.create_group(GROUP);
    aws.fail(&[Op::CreateLogGroup, Op::PutRetentionPolicy], Fault::Denied);
    let host = TestHost::tailing(&aws, &["app.log"]).with("logs.retention_in_days", 7.into());
    host.append("app.log", "one\n");
    let mut daemon = host.start();
    daemon.until_cloud(&aws, "the line", |seen| seen.has("one")).await;
}

#[tokio::test]
async fn a_permission_that_comes_late_is_not_too_late() {
    let aws = FakeAws::start();
    aws.fail(&[Op::PutLogEvents], Fault::Denied);
    let host = TestHost::tailing(&aws, &["app.log"]).measuring(1);
    host.append("app.log", "one\n");
    let mut daemon = host.start();
    let names_it = |why: &serde_json::Value| why.as_str().is_some_and(|why| why.contains("PutLogEvents"));
    daemon.until("the action by name", |status| names_it(&status.destination("logs")["last_error"])).await;
    daemon.until_cloud(&aws, "metrics all the same", |seen| !seen.metric("CPUCount").is_empty()).await;
    aws.heal();
    daemon.until_cloud(&aws, "the line", |seen| seen.has("one")).await;
    assert!(daemon.terminate().await.success());
    assert_eq!(aws.messages("app.log"), ["one"]);
}

#[tokio::test]
async fn expired_keys_are_renewed_and_nothing_is_lost() {
    let aws = FakeAws::start();
    aws.expect_login("sys-story", "a-password");
    let host = signing_in(TestHost::tailing(&aws, &["app.log"]), "a-password");
    host.append("app.log", "one\n");
    let mut daemon = host.start();
    daemon.until_cloud(&aws, "the first line", |seen| seen.has("one")).await;
    aws.expire_keys();
    host.append("app.log", "two\n");
    daemon.until_cloud(&aws, "the second line", |seen| seen.has("two")).await;
    assert!(daemon.terminate().await.success());
    assert_eq!(aws.messages("app.log"), ["one", "two"]);
    aws.look(|seen| {
        assert!(seen.keys.len() >= 2, "{:?}", seen.keys);
        assert!(!seen.keys.contains(&Key::lasting().access_key));
    });
    aws.assert_no_violations();
}

#[tokio::test]
async fn a_login_that_fails_stops_no_collection() {
    let aws = FakeAws::start();
    aws.fail(&[Op::InitiateAuth], Fault::ServerError);
    let host = signing_in(TestHost::tailing(&aws, &["app.log"]), "a-password").measuring(1);
    host.append("app.log", "one\n");
    let mut daemon = host.start();
    let collects_without_keys = |status: &crate::support::host::Status| {
        status.counter("credential_failures") > 0 && status.counter("points_collected") > 20
    };
    daemon.until("readings without keys", collects_without_keys).await;
    aws.heal();
    daemon.until_cloud(&aws, "line and metrics", |seen| seen.has("one") && !seen.metric("CPUCount").is_empty()).await;
    assert!(daemon.terminate().await.success());
}
