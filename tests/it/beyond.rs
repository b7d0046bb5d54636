//! What is measured beside the host: response times, the output of commands, text files of other programs.
use crate::support::{
    fake::{Datum, FakeAws},
    host::{NAMESPACE, TestHost},
};
use serde_json::{Value, json};
use std::{fs, path::Path};
use tokio::net::TcpSocket;

/// A machine that measures each second and sends as often.
fn measuring(aws: &FakeAws, collected: Value) -> TestHost {
    let host = TestHost::against(&aws.url()).measuring(1).with("metrics.force_flush_interval", json!(1));
    host.with("metrics.metrics_collected", collected)
}

/// The sum of all values of a metric, as CloudWatch's `Sum` has it.
fn sum(aws: &FakeAws, name: &str) -> f64 {
    aws.look(|seen| total(&seen.metric(name)))
}

/// All values of these datums, also where readings of one second came as one datum.
fn total(datums: &[&Datum]) -> f64 {
    datums.iter().flat_map(|datum| &datum.values).map(|(value, count)| value * count).sum()
}

#[tokio::test]
async fn commands_and_text_files_are_metrics_and_of_a_counter_the_growth_is_sent() {
    let aws = FakeAws::start();
    let host = measuring(&aws, json!({}));
    let (file, jobs) = (host.path("jobs.prom"), |count: u32| {
        format!(
            "# HELP jobs_total Done.\n# TYPE jobs_total counter\njobs_total{{queue=\"mail\"}} {count}\nqueue_bytes 10\n"
        )
    });
    fs::write(&file, jobs(5)).expect("ours");
    let pattern = host.path("*.prom");
    let host = host.with(
        "metrics.metrics_collected",
        json!({
            "exec": [
                { "command": "echo users=3:Count; echo nonsense", "name_prefix": "my_" },
                { "command": ["/bin/sh", "-c", "sleep 600"], "timeout": 1 },
            ],
            "textfile": { "paths": [pattern], "append_dimensions": { "Site": "attic" } },
        }),
    );
    let mut daemon = host.start();
    daemon.until_cloud(&aws, "the command's metric", |seen| seen.metric("my_users").len() >= 2).await;
    daemon.until_cloud(&aws, "the file's gauge", |seen| seen.metric("queue_bytes").len() >= 2).await;
    // Replaced whole, as writers should.
    let fresh = host.path("jobs.prom.new");
    fs::write(&fresh, jobs(12)).expect("ours");
    fs::rename(&fresh, &file).expect("ours");
    daemon.until_cloud(&aws, "the growth", |seen| total(&seen.metric("jobs_total")) == 7.0).await;
    daemon.until("the hanging command is told", |status| status.counter("polls_failed") > 2).await;
    assert!(daemon.terminate().await.success());
    assert_eq!(sum(&aws, "jobs_total"), 7.0);
    aws.look(|seen| {
        let users = seen.metric("my_users");
        assert!(users.iter().all(|datum| datum.values.iter().all(|(value, _)| *value == 3.0)
            && datum.unit == "Count"
            && datum.namespace == NAMESPACE));
        let dimension = |datum: &str, name: &str| seen.metric(datum)[0].dimensions.get(name).cloned();
        assert_eq!(dimension("jobs_total", "queue").as_deref(), Some("mail"));
        assert_eq!(dimension("jobs_total", "Site").as_deref(), Some("attic"));
        assert!(dimension("my_users", "host").is_some());
        assert_eq!(seen.metric("queue_bytes")[0].unit, "Bytes");
        assert_eq!(seen.violations, [""; 0]);
    });
    let said = host.said();
    let told = said.lines().filter(|line| line.contains("command") && line.contains("is not well")).count();
    assert_eq!(told, 2, "each once, however often it happens: {said}");
    assert!(said.contains("no `=`") && said.contains("did not end"), "{said}");
}

#[tokio::test]
async fn who_answers_is_timed_and_who_does_not_is_not_available_and_told_once() {
    let aws = FakeAws::start();
    // Bound, so that nobody else gets it, but deaf.
    let deaf = TcpSocket::new_v4().expect("a socket");
    deaf.bind(([127, 0, 0, 1], 0).into()).expect("a port");
    let deaf_port = deaf.local_addr().expect("bound").port();
    let open_port: u16 = aws.url().rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port");
    let targets = json!([
        { "name": "cloud", "host": "localhost", "port": open_port },
        { "name": "nobody", "url": format!("http://127.0.0.1:{deaf_port}/") },
    ]);
    let host = TestHost::against(&aws.url()).measuring(1).with("metrics.force_flush_interval", json!(1));
    let host = host.with("metrics.response_time.targets", targets);
    let mut daemon = host.start();
    daemon.until_cloud(&aws, "a few rounds", |seen| seen.metric("response_time_available").len() >= 6).await;
    daemon.until("those without an answer", |status| status.counter("probes_unanswered") >= 2).await;
    assert!(daemon.terminate().await.success());
    aws.look(|seen| {
        let of = |name: &str, target: &str| -> Vec<f64> {
            let datums = seen.metric(name);
            let of_it = datums.iter().filter(|datum| datum.dimensions["target"] == target);
            of_it.map(|datum| datum.value).collect()
        };
        assert!(of("response_time_available", "cloud").iter().all(|available| *available == 1.0));
        assert!(of("response_time_available", "nobody").iter().all(|available| *available == 0.0));
        let times = of("response_time", "cloud");
        assert!(!times.is_empty() && times.iter().all(|time| (0.0..10_000.0).contains(time)), "{times:?}");
        assert!(of("response_time", "nobody").is_empty(), "no answer has no time");
        assert!(seen.metric("response_time").iter().all(|datum| datum.dimensions["InstanceId"] == "sys-story"));
        assert!(!seen.metric("CPUUtilization").is_empty(), "beside the thirteen");
        assert_eq!(seen.violations, [""; 0]);
    });
    let said = host.said();
    assert_eq!(said.matches("does not answer as it should").count(), 1, "{said}");
}

#[tokio::test]
async fn a_single_round_waits_for_the_slowest_command() {
    let aws = FakeAws::start();
    let host = measuring(&aws, json!({}));
    let go = host.path("go");
    let slow = format!("while [ ! -e {} ]; do sleep 0.05; done; echo slow=1", go.display());
    let host = host.with(
        "metrics.metrics_collected.exec",
        json!([{ "command": "echo fast=1" }, { "command": slow, "metrics_collection_interval": 60 }]),
    );
    let config = host.write_config();
    let round = host.run([Path::new("run"), &config, Path::new("--once")]);
    let goes = async {
        while aws.look(|seen| seen.metric("fast").is_empty()) {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        fs::write(&go, "").expect("ours");
    };
    let (round, ()) = tokio::join!(round, goes);
    assert!(round.status.success(), "{}", String::from_utf8_lossy(&round.stderr));
    aws.look(|seen| assert_eq!(seen.metric("slow").len(), 1));
}

#[tokio::test]
async fn a_configuration_that_others_may_write_runs_no_command() {
    use std::os::unix::fs::PermissionsExt;
    let aws = FakeAws::start();
    let host = measuring(&aws, json!({ "exec": [{ "command": "touch ran" }] }));
    let config = host.write_config();
    fs::set_permissions(&config, fs::Permissions::from_mode(0o666)).expect("ours");
    let run = host.run([Path::new("run"), &config]).await;
    assert_eq!(run.status.code(), Some(78));
    let said = String::from_utf8_lossy(&run.stderr).into_owned();
    assert!(said.contains("metrics.metrics_collected.exec[0].command") && said.contains("chmod go-w"), "{said}");
    assert!(!host.path("ran").exists());
}
