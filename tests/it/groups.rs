//! Log groups that somebody else makes or deletes.
use crate::support::{
    fake::{FakeAws, Fault, Op, Seen},
    host::{GROUP, TestHost},
};

fn retained(seen: &Seen) -> bool {
    seen.groups.get(GROUP).is_some_and(|group| group.retention_in_days == Some(7))
}

#[tokio::test]
async fn a_deleted_group_is_made_again_with_its_retention() {
    let aws = FakeAws::start();
    let host = TestHost::tailing(&aws, &["app.log"]).with("logs.retention_in_days", 7.into());
    host.append("app.log", "one\n");
    let mut daemon = host.start();
    daemon.until_cloud(&aws, "the first line", |seen| seen.has("one") && retained(seen)).await;
    aws.delete_group(GROUP);
    host.append("app.log", "two\n");
    daemon.until_cloud(&aws, "the second line", |seen| seen.has("two") && retained(seen)).await;
    assert!(daemon.terminate().await.success());
    assert_eq!(aws.messages("app.log"), ["one", "two"]);
    aws.assert_no_violations();
}

#[tokio::test]
async fn a_group_that_was_there_gets_the_retention_that_is_configured_once_a_day() {
    let aws = FakeAws::start();
    aws.create_group(GROUP);
    let host = TestHost::tailing(&aws, &["app.log"]).with("logs.retention_in_days", 7.into());
    host.append("app.log", "one\n");
    let mut daemon = host.start();
    daemon.until_cloud(&aws, "line and retention", |seen| seen.has("one") && retained(seen)).await;
    daemon.until("the note of it", |_| host.state("retention-looks.json").exists()).await;
    assert!(daemon.terminate().await.success());
    host.append("app.log", "two\n");
    let mut daemon = host.start();
    daemon.until_cloud(&aws, "the line", |seen| seen.has("two")).await;
    assert!(daemon.terminate().await.success());
    assert_eq!((aws.calls(Op::DescribeLogGroups), aws.calls(Op::PutRetentionPolicy)), (1, 1));
    aws.assert_no_violations();
}

#[tokio::test]
async fn a_policy_without_describe_log_groups_gets_the_retention_set_all_the_same() {
    let aws = FakeAws::start();
    aws.create_group(GROUP);
    aws.fail(&[Op::DescribeLogGroups], Fault::Denied);
    let host = TestHost::tailing(&aws, &["app.log"]).with("logs.retention_in_days", 7.into());
    host.append("app.log", "one\n");
    let mut daemon = host.start();
    daemon.until_cloud(&aws, "line and retention", |seen| seen.has("one") && retained(seen)).await;
    assert!(daemon.terminate().await.success());
}

#[tokio::test]
async fn retention_that_was_throttled_is_set_all_the_same() {
    let aws = FakeAws::start();
    let host = TestHost::tailing(&aws, &["app.log"]).with("logs.retention_in_days", 7.into());
    aws.fail_next(Op::PutRetentionPolicy, 2, Fault::Throttle);
    host.append("app.log", "one\n");
    let mut daemon = host.start();
    daemon.until_cloud(&aws, "line and retention", |seen| seen.has("one") && retained(seen)).await;
    assert!(daemon.terminate().await.success());
    assert_eq!(aws.messages("app.log"), ["one"]);
}

#[tokio::test]
async fn retention_that_is_not_allowed_stops_nothing_and_is_set_by_a_later_run() {
    let aws = FakeAws::start();
    let host = TestHost::tailing(&aws, &["app.log"]).with("logs.retention_in_days", 7.into());
    aws.fail(&[Op::PutRetentionPolicy], Fault::Denied);
    host.append("app.log", "one\n");
    let mut daemon = host.start();
    daemon.until_cloud(&aws, "the line", |seen| seen.has("one")).await;
    assert!(daemon.terminate().await.success());
    assert_eq!(host.said().matches("logs:PutRetentionPolicy").count(), 1, "{}", host.said());
    aws.heal();
    host.append("app.log", "two\n");
    let mut daemon = host.start();
    daemon.until_cloud(&aws, "line and retention", |seen| seen.has("two") && retained(seen)).await;
    assert!(daemon.terminate().await.success());
    assert_eq!(aws.messages("app.log"), ["one", "two"]);
}
