//! `status --wait`: how a start went, as an installer asks.
use crate::support::{
    fake::{FakeAws, Fault, Op},
    host::TestHost,
};
use std::process::Output;

async fn wait(host: &TestHost, seconds: &str) -> Output {
    let config = host.write_config();
    host.run(["status".as_ref(), config.as_os_str(), "--wait".as_ref(), seconds.as_ref()]).await
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[tokio::test]
async fn lines_that_arrive_end_the_wait_with_where_to_see_them() {
    let aws = FakeAws::start();
    let host = TestHost::tailing(&aws, &["app.log"]);
    host.append("app.log", "one\n");
    // Asked before it is started: an installer does not know when it is up.
    let (asked, daemon) = tokio::join!(wait(&host, "100"), async { host.start() });
    assert!(asked.status.success(), "{}", text(&asked.stderr));
    let said = text(&asked.stdout);
    assert!(said.starts_with("the first logs of sys-story have arrived\n"), "{said}");
    assert!(said.ends_with("#logsV2:log-groups/log-group/$252Fstory$252Flogs\n"), "{said}");
    assert!(daemon.terminate().await.success());
}

#[tokio::test]
async fn metrics_alone_are_a_success() {
    let aws = FakeAws::start();
    let host = TestHost::against(&aws.url()).measuring(1);
    let daemon = host.start();
    let asked = wait(&host, "100").await;
    assert!(asked.status.success(), "{}", text(&asked.stderr));
    assert_eq!(text(&asked.stdout), "the first metrics of sys-story have arrived\n");
    assert!(daemon.terminate().await.success());
}

#[tokio::test]
async fn a_login_that_fails_ends_the_wait_with_what_to_look_at() {
    let aws = FakeAws::start();
    let host = TestHost::tailing(&aws, &["app.log"]).measuring(1).without_keys();
    host.append("app.log", "one\n");
    let daemon = host.start();
    let asked = wait(&host, "100").await;
    let said = text(&asked.stderr);
    assert_eq!(asked.status.code(), Some(1), "{said}");
    assert!(said.starts_with("error: credentials: ") && said.contains("sign in as sys-story"), "{said}");
    assert!(daemon.terminate().await.success());
}

#[tokio::test]
async fn data_that_are_refused_end_the_wait_with_the_reason() {
    let aws = FakeAws::start();
    aws.fail(&[Op::PutLogEvents, Op::CreateLogGroup, Op::CreateLogStream, Op::PutMetricData], Fault::Denied);
    let host = TestHost::tailing(&aws, &["app.log"]);
    host.append("app.log", "one\n");
    let daemon = host.start();
    let asked = wait(&host, "100").await;
    let said = text(&asked.stderr);
    assert_eq!(asked.status.code(), Some(1), "{said}");
    assert!(said.contains("not authorized") && said.contains("nothing is lost meanwhile"), "{said}");
    assert!(daemon.terminate().await.success());
}

#[tokio::test]
async fn what_is_known_when_the_time_is_over_is_said() {
    let aws = FakeAws::start();
    let host = TestHost::tailing(&aws, &["app.log"]).with("agent.metrics_collection_interval", serde_json::json!(3600));
    let nobody = wait(&host, "0").await;
    assert!(nobody.status.code() == Some(1) && text(&nobody.stderr).contains("is not running"));
    let mut daemon = host.start();
    daemon.until_it_runs().await;
    let asked = wait(&host, "1").await;
    let said = text(&asked.stderr);
    assert!(asked.status.code() == Some(1) && said.contains("nothing has arrived or failed"), "{said}");
    assert!(daemon.terminate().await.success());
}
