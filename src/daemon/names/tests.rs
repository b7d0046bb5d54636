use super::*;
use crate::{
    config::settings::{Instance, Serial},
    daemon::asking::pretended::Cloud,
};
use std::path::Path;
use tokio::time::{Instant, timeout};

fn metadata() -> Metadata {
    Metadata {
        instance_id: Some("i-0123456789abcdef0".into()),
        hostname: Some("ip-10-0-0-5.ec2.internal".into()),
        ip_address: Some("10.0.0.5".into()),
        account_id: Some("123456789012".into()),
        ..Metadata::default()
    }
}

/// A machine of EC2, or another, whose names lack these.
async fn names(cloud: &Arc<Cloud>, on_ec2: bool, missing: &[&'static str], folder: &Path, machine: &str) -> Names {
    let instance = Instance { prefix: "sys".into(), serial: Serial::Fixed("1".into()) };
    let identity = Identity::find(&instance, on_ec2).await.expect("no command");
    let memory = Arc::new(Memory::with(folder, machine.to_owned()));
    Names::new(identity, missing.iter().copied().collect(), Some(cloud.clone()), memory)
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

#[tokio::test(start_paused = true)]
async fn on_ec2_the_names_are_those_of_the_instance_metadata() {
    let cloud = Arc::new(Cloud { metadata: Some((Duration::from_millis(5), metadata())), ..Cloud::default() });
    let folder = folder();
    let missing = ["hostname", "ip_address", ACCOUNT, REGION];
    let mut names = names(&cloud, true, &missing, folder.path(), "m").await;
    while !names.missing.is_empty() {
        names.next().await;
    }
    let values: Vec<_> = missing.iter().map(|name| names.identity.value(name).expect("known")).collect();
    assert_eq!(values, ["ip-10-0-0-5.ec2.internal", "10.0.0.5", "123456789012", "eu-west-1"]);
    assert_eq!(cloud.count("account"), 0, "the metadata knows it");
    assert!(timeout(Duration::from_hours(1), names.next()).await.is_err(), "there is nothing more to say");
}

#[tokio::test(start_paused = true)]
async fn what_the_metadata_said_once_serves_the_next_start_at_once_when_it_is_slow() {
    let folder = folder();
    let quick = Arc::new(Cloud { metadata: Some((Duration::ZERO, metadata())), ..Cloud::default() });
    names(&quick, true, &["hostname"], folder.path(), "m").await.next().await;
    let slow = Arc::new(Cloud { metadata: Some((Duration::from_mins(5), Metadata::default())), ..Cloud::default() });
    let (mut again, start) = (names(&slow, true, &["hostname"], folder.path(), "m").await, Instant::now());
    again.next().await;
    assert_eq!(again.identity.value("hostname").as_deref(), Some("ip-10-0-0-5.ec2.internal"));
    assert_eq!(start.elapsed(), GRACE);
    let mut other = names(&slow, true, &["hostname", "instance_id"], folder.path(), "a copy of its disk").await;
    assert!(timeout(PATIENCE / 2, other.next()).await.is_err(), "what another machine was told is not taken");
}

#[tokio::test(start_paused = true)]
async fn without_any_answer_the_hosts_own_names_serve_after_a_while_and_no_instance_id_is_made_up() {
    let cloud = Arc::new(Cloud { account: Some(Duration::from_secs(1)), ..Cloud::default() });
    let (folder, start) = (folder(), Instant::now());
    let mut names = names(&cloud, true, &["hostname", "instance_id", ACCOUNT], folder.path(), "m").await;
    names.next().await;
    assert_eq!(start.elapsed(), PATIENCE);
    assert_eq!(names.identity.value("hostname"), Some(names.identity.hostname.clone()));
    names.next().await;
    assert_eq!(names.identity.value(ACCOUNT).as_deref(), Some("111122223333"));
    assert!(timeout(Duration::from_hours(1), names.next()).await.is_err());
    assert_eq!(names.missing.iter().copied().collect::<Vec<_>>(), ["instance_id"]);
    assert!((100..200).contains(&cloud.count("metadata")), "it is asked on, seldom");
    assert!(!folder.path().join("names.json").exists());
}

#[tokio::test(start_paused = true)]
async fn off_ec2_the_account_is_asked_of_sts_until_it_answers_and_nobody_asks_for_metadata() {
    let cloud = Arc::new(Cloud::default());
    let folder = folder();
    let mut names = names(&cloud, false, &[ACCOUNT], folder.path(), "m").await;
    assert!(timeout(Duration::from_mins(10), names.next()).await.is_err());
    assert_eq!(names.identity.value(ACCOUNT), None);
    assert!((15..40).contains(&cloud.count("account")), "with growing pauses");
    assert_eq!(cloud.count("metadata"), 0);
}

#[tokio::test(start_paused = true)]
async fn who_lacks_nothing_asks_nobody() {
    let cloud = Arc::new(Cloud::default());
    let folder = folder();
    let mut names = names(&cloud, true, &[], folder.path(), "m").await;
    assert!(timeout(Duration::from_hours(1), names.next()).await.is_err());
    assert_eq!((cloud.count("metadata"), cloud.count("account")), (0, 0));
}
