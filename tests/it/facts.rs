//! Dimensions that only EC2 knows.
use crate::support::{
    fake::{FakeAws, Fault, Op, Seen},
    host::TestHost,
    metadata::Metadata,
};
use serde_json::json;
use std::time::{SystemTime, UNIX_EPOCH};

const METRIC: &str = "cpu_usage_idle";
const ALL: [(&str, &str); 4] = [
    ("AutoScalingGroupName", "web"),
    ("ImageId", "ami-0123456789abcdef0"),
    ("InstanceId", "i-0123456789abcdef0"),
    ("InstanceType", "m7g.large"),
];

/// A machine that measures each second, with a configuration of the agent that appends all that EC2 knows.
fn measuring(aws: &FakeAws, metadata: &Metadata) -> TestHost {
    let appended: serde_json::Map<_, _> =
        ALL.iter().map(|(name, _)| ((*name).to_owned(), json!(format!("${{aws:{name}}}")))).collect();
    let host = TestHost::of(json!({
        "agent": { "region": "us-east-1", "metrics_collection_interval": 1, "logfile": "" },
        "metrics": {
            "endpoint_override": aws.url(),
            "force_flush_interval": 1,
            "append_dimensions": appended,
            "metrics_collected": { "cpu": { "measurement": ["usage_idle"] } },
        },
    }));
    metadata.for_host(host).with_variable("AWS_ENDPOINT_URL_EC2", &aws.url())
}

/// The dimensions of every datum, `cpu` not counted.
fn dimensions(seen: &Seen) -> Vec<Vec<(String, String)>> {
    let of_ec2 = |(name, value): (&String, &String)| (name != "cpu").then(|| (name.clone(), value.clone()));
    seen.metric(METRIC).iter().map(|datum| datum.dimensions.iter().filter_map(of_ec2).collect()).collect()
}

/// Those of [`ALL`] with these names.
fn named(names: impl Fn(&str) -> bool) -> Vec<(String, String)> {
    let named = ALL.iter().filter(|(name, _)| names(name));
    named.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn seconds() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock past 1970").as_secs_f64()
}

#[tokio::test]
async fn a_metric_carries_what_ec2_knows_of_its_machine() {
    let (aws, metadata) = (FakeAws::start(), Metadata::answering());
    aws.scale("web");
    let host = measuring(&aws, &metadata);
    let mut daemon = host.start();
    daemon.until_cloud(&aws, "two datums", |seen| seen.metric(METRIC).len() > 1).await;
    assert!(daemon.terminate().await.success());
    for dimensions in aws.look(dimensions) {
        assert_eq!(dimensions, named(|_| true));
    }
    aws.assert_no_violations();
}

#[tokio::test]
async fn what_was_measured_before_ec2_answered_is_not_lost_and_carries_what_it_knows() {
    let (aws, metadata) = (FakeAws::start(), Metadata::refusing());
    aws.scale("web");
    let host = measuring(&aws, &metadata);
    let mut daemon = host.start();
    // The third attempt comes some seconds after the start: by then something was measured.
    daemon.until("some attempts", |_| metadata.refused() > 4).await;
    let answered = seconds();
    assert_eq!(aws.look(|seen| seen.metric(METRIC).len()), 0, "it waits");
    metadata.answer(true);
    daemon.until_cloud(&aws, "a datum", |seen| !seen.metric(METRIC).is_empty()).await;
    assert!(daemon.terminate().await.success());
    let earliest = aws.look(|seen| seen.metric(METRIC).iter().map(|datum| datum.at).fold(f64::INFINITY, f64::min));
    assert!(earliest < answered, "{earliest} {answered}");
    for dimensions in aws.look(dimensions) {
        assert_eq!(dimensions, named(|_| true));
    }
    aws.assert_no_violations();
}

#[tokio::test]
async fn without_the_permission_metrics_go_without_the_group_and_the_action_is_named() {
    let (aws, metadata) = (FakeAws::start(), Metadata::answering());
    aws.fail(&[Op::DescribeTags], Fault::Denied);
    let host = measuring(&aws, &metadata);
    let mut daemon = host.start();
    daemon.until_cloud(&aws, "a datum", |seen| !seen.metric(METRIC).is_empty()).await;
    assert!(daemon.terminate().await.success());
    for dimensions in aws.look(dimensions) {
        assert_eq!(dimensions, named(|name| name != "AutoScalingGroupName"));
    }
    let said = host.said();
    assert!(
        said.contains("ec2:DescribeTags") && said.contains("metrics.append_dimensions.AutoScalingGroupName"),
        "{said}"
    );
    aws.assert_no_violations();
}

#[tokio::test]
async fn outside_ec2_metrics_go_at_once_under_the_name_of_the_host_and_it_is_said_which_key_has_no_value() {
    let (aws, metadata) = (FakeAws::start(), Metadata::silent());
    let host = measuring(&aws, &metadata).with_variable("AWS_EC2_METADATA_DISABLED", "true");
    let mut daemon = host.start();
    daemon.until_cloud(&aws, "a datum", |seen| !seen.metric(METRIC).is_empty()).await;
    assert!(daemon.terminate().await.success());
    for dimensions in aws.look(dimensions) {
        let names: Vec<_> = dimensions.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["host"]);
    }
    assert!(host.said().contains("metrics.append_dimensions.InstanceId"), "{}", host.said());
    aws.assert_no_violations();
}
