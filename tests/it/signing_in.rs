//! What signs in is wrong, or strange: the daemon says so, goes on, and sends everything once it is right.
use crate::support::{
    fake::{FakeAws, Key, Seen},
    host::{Daemon, Status, TestHost},
};
use std::fs;

fn both_arrived(seen: &Seen) -> bool {
    seen.has("one") && !seen.metric("CPUCount").is_empty()
}

/// Wait until nobody could sign in and metrics wait on the disk.
async fn until_nobody_signs_in(daemon: &mut Daemon<'_>) {
    let waiting =
        |status: &Status| status.counter("credential_failures") >= 1 && status.counter("metric_batches_spooled") >= 1;
    daemon.until("a failed login and spooled metrics", waiting).await;
}

#[tokio::test]
async fn a_profile_whose_key_no_header_may_hold_is_refused_and_read_again() {
    let aws = FakeAws::start();
    let host = TestHost::tailing(&aws, &["app.log"]).measuring(1).without_keys();
    let key = Key::lasting();
    let profile = |id: &str| {
        let text = format!("[default]\naws_access_key_id = {id}\naws_secret_access_key = {}\n", key.secret);
        fs::write(host.path(".aws/credentials"), text).expect("our folder");
    };
    fs::create_dir(host.path(".aws")).expect("our folder");
    profile("AK\u{1}ID");
    host.append("app.log", "one\n");
    let mut daemon = host.start();
    until_nobody_signs_in(&mut daemon).await;
    assert!(host.said().contains("the access key id that the AWS profile gives holds a character"), "{}", host.said());
    profile(&key.access_key);
    daemon.until_cloud(&aws, "line and metrics", both_arrived).await;
    assert!(daemon.terminate().await.success());
    aws.assert_no_violations();
}

#[tokio::test]
async fn a_variable_that_ends_in_a_carriage_return_costs_nothing_once_it_is_right() {
    let aws = FakeAws::start();
    let key = Key::lasting();
    let host = TestHost::tailing(&aws, &["app.log"]).measuring(1);
    let host = host.with_variable("AWS_ACCESS_KEY_ID", &format!("{}\r", key.access_key));
    host.append("app.log", "one\n");
    let mut daemon = host.start();
    until_nobody_signs_in(&mut daemon).await;
    assert!(daemon.terminate().await.success());
    let host = host.with_variable("AWS_ACCESS_KEY_ID", &key.access_key);
    let mut daemon = host.start();
    daemon.until("an empty spool", |status| status.counter("metric_batches_replayed") >= 1).await;
    daemon.until_cloud(&aws, "line and metrics", both_arrived).await;
    assert!(daemon.terminate().await.success());
    aws.assert_no_violations();
}

#[tokio::test]
async fn retry_settings_of_other_aws_tools_do_not_matter() {
    let aws = FakeAws::start();
    let host = TestHost::tailing(&aws, &["app.log"]).measuring(1);
    let host = host.with_variable("AWS_RETRY_MODE", "legacy").with_variable("AWS_MAX_ATTEMPTS", "0");
    host.append("app.log", "one\n");
    let mut daemon = host.start();
    daemon.until_cloud(&aws, "line and metrics", both_arrived).await;
    assert!(daemon.terminate().await.success());
    aws.assert_no_violations();
}
