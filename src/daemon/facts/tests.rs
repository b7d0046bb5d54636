use super::*;
use crate::{
    daemon::asking::pretended::{Cloud, denied},
    model::facts::Volume,
};
use std::{path::Path, sync::Mutex};
use tokio::{
    task::JoinHandle,
    time::{Instant, timeout},
};

const METADATA: &str = "metrics.append_dimensions.InstanceId";
const GROUP: &str = "metrics.append_dimensions.AutoScalingGroupName";
const VOLUMES: &str = "metrics.metrics_collected.disk.append_dimensions.VolumeId";
const PLACE: Place = Place::at(7_000);

fn metadata() -> Metadata {
    Metadata {
        instance_id: Some("i-0123456789abcdef0".into()),
        image_id: Some("ami-0123456789abcdef0".into()),
        instance_type: Some("m7g.large".into()),
        ..Metadata::default()
    }
}

fn known(value: &str) -> Fact {
    Fact::Known(value.to_owned())
}

fn wanted(metadata: bool, group: bool, volumes: bool) -> Wanted {
    let path = |wanted: bool, path: &str| wanted.then(|| path.to_owned()).into_iter().collect();
    Wanted {
        metadata: path(metadata, METADATA),
        auto_scaling_group: path(group, GROUP),
        volumes: path(volumes, VOLUMES),
    }
}

fn cloud_with<T>(answers: Vec<T>) -> Mutex<std::collections::VecDeque<T>> {
    Mutex::new(answers.into())
}

/// A search that runs, and what it found.
struct Running {
    facts: watch::Receiver<Facts>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Running {
    fn start(wanted: Wanted, cloud: &Arc<Cloud>, folder: &Path) -> Self {
        let memory = Arc::new(Memory::with(folder, "m".into()));
        let witness = Witness { asks: Some(cloud.clone()), on_ec2: true, memory };
        let (search, facts) = Search::new(wanted, witness, PLACE);
        let stop = CancellationToken::new();
        let task = tokio::spawn(search.run(stop.clone()));
        Self { facts, stop, task }
    }

    fn now(&self) -> Facts {
        self.facts.borrow().clone()
    }

    async fn until(&mut self, what: impl FnMut(&Facts) -> bool) -> Facts {
        let found = timeout(Duration::from_hours(1), self.facts.wait_for(what)).await.expect("in time");
        found.expect("it runs").clone()
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_instance_metadata_say_is_known_as_soon_as_they_say_it() {
    let cloud = Arc::new(Cloud { metadata: Some((Duration::from_secs(5), metadata())), ..Cloud::default() });
    let (folder, start) = (tempfile::tempdir().expect("a folder"), Instant::now());
    let mut running = Running::start(wanted(true, false, false), &cloud, folder.path());
    assert_eq!(running.now().instance_id, Fact::Unknown);
    assert_eq!(running.now().auto_scaling_group, Fact::Absent, "nobody asks for it");
    let facts = running.until(|facts| facts.instance_id != Fact::Unknown).await;
    assert_eq!(start.elapsed().as_secs(), 5);
    let expected = Facts {
        instance_id: known("i-0123456789abcdef0"),
        image_id: known("ami-0123456789abcdef0"),
        instance_type: known("m7g.large"),
        ..Facts::none()
    };
    assert_eq!(facts, expected);
    tokio::time::sleep(Duration::from_hours(1)).await;
    assert_eq!((cloud.count("metadata"), cloud.count("group"), cloud.count("volumes")), (1, 0, 0));
    assert!(!running.task.is_finished(), "it lives as long as the daemon");
    running.stop.cancel();
    running.task.await.expect("no panic");
}

#[tokio::test(start_paused = true)]
async fn where_there_is_nobody_to_ask_all_is_absent_at_once_and_nobody_is_asked() {
    let (cloud, folder) = (Arc::new(Cloud::default()), tempfile::tempdir().expect("a folder"));
    let memory = Arc::new(Memory::with(folder.path(), "m".into()));
    for (asks, on_ec2) in [(Some(cloud.clone() as Arc<dyn Asks>), false), (None, false), (None, true)] {
        let witness = Witness { asks, on_ec2, memory: memory.clone() };
        let (search, facts) = Search::new(wanted(true, true, true), witness, PLACE);
        assert_eq!(*facts.borrow(), Facts::none());
        let stop = CancellationToken::new();
        assert!(timeout(Duration::from_hours(1), search.run(stop)).await.is_err(), "it lives as long as the daemon");
    }
    assert_eq!((cloud.count("metadata"), cloud.count("group"), cloud.count("volumes")), (0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn after_a_minute_without_an_answer_points_go_without_and_later_ones_with_it() {
    let cloud = Arc::new(Cloud { metadata: Some((Duration::from_secs(90), metadata())), ..Cloud::default() });
    let (folder, start) = (tempfile::tempdir().expect("a folder"), Instant::now());
    let mut running = Running::start(wanted(true, true, true), &cloud, folder.path());
    let facts = running.until(|facts| facts.instance_id != Fact::Unknown).await;
    assert_eq!((facts, start.elapsed()), (Facts::none(), PATIENCE));
    let facts = running.until(|facts| facts.instance_id != Fact::Absent).await;
    assert_eq!((facts.instance_id, start.elapsed().as_secs()), (known("i-0123456789abcdef0"), 90));
}

#[tokio::test(start_paused = true)]
async fn what_an_earlier_start_was_told_serves_after_a_minute_without_an_answer() {
    let folder = tempfile::tempdir().expect("a folder");
    let quick = Cloud {
        metadata: Some((Duration::ZERO, metadata())),
        groups: cloud_with(vec![Ok(Some("web"))]),
        ..Cloud::default()
    };
    let mut running = Running::start(wanted(true, true, false), &Arc::new(quick), folder.path());
    running.until(|facts| *facts != Facts::default() && facts.auto_scaling_group == known("web")).await;
    running.until(|facts| facts.instance_id != Fact::Unknown).await;
    let start = Instant::now();
    let mut again = Running::start(wanted(true, true, false), &Arc::new(Cloud::default()), folder.path());
    let facts = again.until(|facts| facts.instance_id != Fact::Unknown).await;
    assert_eq!(start.elapsed(), PATIENCE);
    assert_eq!((facts.instance_id, facts.auto_scaling_group), (known("i-0123456789abcdef0"), known("web")));
    assert_eq!((facts.image_id, facts.instance_type), (known("ami-0123456789abcdef0"), known("m7g.large")));
}

#[tokio::test(start_paused = true)]
async fn what_names_remember_of_the_hostname_stays() {
    let folder = tempfile::tempdir().expect("a folder");
    let memory = Memory::with(folder.path(), "m".into());
    memory.keep(|all| all.metadata.hostname = Some("h".into()));
    let cloud = Cloud { metadata: Some((Duration::ZERO, metadata())), ..Cloud::default() };
    let mut running = Running::start(wanted(true, false, false), &Arc::new(cloud), folder.path());
    running.until(|facts| facts.instance_id != Fact::Unknown).await;
    let expected = Metadata { hostname: Some("h".into()), ..metadata() };
    assert_eq!(memory.recall().expect("noted").metadata, expected);
}

#[tokio::test(start_paused = true)]
async fn a_group_that_an_instance_does_not_have_is_asked_for_until_it_has_one_and_then_never_again() {
    let answers = vec![Ok(None), Ok(None), Ok(Some("web"))];
    let cloud = Arc::new(Cloud { groups: cloud_with(answers), ..Cloud::default() });
    let folder = tempfile::tempdir().expect("a folder");
    let mut running = Running::start(wanted(false, true, false), &cloud, folder.path());
    let facts = running.until(|facts| facts.auto_scaling_group != Fact::Unknown).await;
    assert_eq!(facts.auto_scaling_group, Fact::Absent);
    running.until(|facts| facts.auto_scaling_group == known("web")).await;
    tokio::time::sleep(Duration::from_hours(1)).await;
    assert_eq!(cloud.times("group"), [0, 187, 367], "the offset of this host, once");
}

#[tokio::test(start_paused = true)]
async fn a_group_that_nobody_answers_for_is_asked_for_soon_and_then_seldom() {
    let cloud = Arc::new(Cloud::default());
    let folder = tempfile::tempdir().expect("a folder");
    let running = Running::start(wanted(false, true, false), &cloud, folder.path());
    tokio::time::sleep(Duration::from_secs(400)).await;
    assert_eq!(cloud.times("group"), [0, 1, 2, 5, 8, 11, 191, 371]);
    assert_eq!(running.now().auto_scaling_group, Fact::Absent);
}

#[tokio::test(start_paused = true)]
async fn without_the_permission_points_do_not_wait_and_it_is_asked_again_after_ten_minutes() {
    let answers = vec![Err(denied("ec2:DescribeTags")), Ok(Some("web"))];
    let volumes = vec![Err(denied("ec2:DescribeVolumes"))];
    let cloud = Cloud { groups: cloud_with(answers), volumes: cloud_with(volumes), ..Cloud::default() };
    let (cloud, start) = (Arc::new(cloud), Instant::now());
    let folder = tempfile::tempdir().expect("a folder");
    let mut running = Running::start(wanted(false, true, true), &cloud, folder.path());
    let facts = running.until(|f| f.auto_scaling_group != Fact::Unknown && f.volumes != Volumes::Unknown).await;
    assert_eq!((facts, start.elapsed()), (Facts::none(), Duration::ZERO));
    running.until(|facts| facts.auto_scaling_group == known("web")).await;
    assert_eq!(start.elapsed(), DENIED_PAUSE);
}

#[tokio::test(start_paused = true)]
async fn volumes_are_looked_for_every_five_minutes_and_the_same_ones_are_no_news() {
    let volume = |device: &str| Volume { device: device.into(), id: format!("vol-{device}") };
    let both = || vec![volume("xvda"), volume("xvdf")];
    let turned = || vec![volume("xvdf"), volume("xvda")];
    let answers = vec![Ok(both()), Ok(turned()), Err(denied("ec2:DescribeVolumes")), Ok(vec![volume("xvda")])];
    let cloud = Arc::new(Cloud { volumes: cloud_with(answers), ..Cloud::default() });
    let folder = tempfile::tempdir().expect("a folder");
    let mut running = Running::start(wanted(false, false, true), &cloud, folder.path());
    let facts = running.until(|facts| facts.volumes != Volumes::Unknown).await;
    assert_eq!(facts.volumes.of("xvdf1"), Some("vol-xvdf"));
    running.facts.mark_unchanged();
    running.facts.changed().await.expect("it runs");
    assert_eq!(cloud.times("volumes"), [0, 307, 607, 1207], "what is known is not forgotten for a denial");
    assert_eq!(running.now().volumes.of("xvdf1"), None);
}

/// Windows has neither plugin.
#[cfg(not(windows))]
#[test]
fn what_is_wanted_is_what_dimensions_ask_for_with_its_path() {
    let text = r#"{ "agent": { "region": "us-east-1" }, "metrics": {
        "append_dimensions": { "InstanceId": "${aws:InstanceId}", "AutoScalingGroupName": "${aws:AutoScalingGroupName}" },
        "metrics_collected": {
            "cpu": { "measurement": ["usage_idle"], "append_dimensions": { "Type": "${aws:InstanceType}", "Site": "north" } },
            "disk": { "measurement": ["used_percent"], "append_dimensions": { "VolumeId": "${aws:VolumeId}" } } } } }"#;
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("c.json");
    std::fs::write(&file, text).expect("ours");
    let settings = crate::config::load(&file).settings.expect("valid");
    let mut expected = wanted(true, true, true);
    expected.metadata.push("metrics.metrics_collected.cpu.append_dimensions.Type".into());
    assert_eq!(Wanted::by(&settings.metrics.expect("some")), expected);
}
