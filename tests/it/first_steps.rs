//! What a newcomer types first: the embedded CloudWatch, a dry run, and the question how it is going.
use crate::support::{
    fake::{FakeAws, Op},
    host::{GROUP, TestHost},
    program,
};
use serde_json::{Value, json};
use std::{
    fs,
    os::unix::{
        fs::{MetadataExt, PermissionsExt},
        process::CommandExt,
    },
    path::Path,
    process::{Command, Output, Stdio},
};

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn documents(output: &Output) -> Vec<Value> {
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout).lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
}

#[tokio::test]
async fn the_sample_for_trying_shows_metrics_and_lines_without_an_account() {
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("configs/local.json");
    let sample = serde_json::from_slice(&fs::read(sample).expect("it is shipped")).expect("JSON");
    let host = TestHost::of(sample).without_keys().tail("app.log");
    host.append("app.log", "one\ntwo\n");
    let mut daemon = host.start();
    daemon.until("metrics", |status| status.counter("points_delivered") > 0).await;
    daemon.until("both lines", |status| status.counter("events_delivered") >= 2).await;
    let config = host.path("publisher.json");
    let config = config.to_str().expect("UTF-8");

    let metrics = host.run(["local", "metrics", "--config", config]).await;
    let table = text(&metrics.stdout);
    assert!(table.starts_with("NAME") && table.contains("MemoryAvailable"), "{table}");
    let points = documents(&host.run(["local", "metrics", "CPUCount", "--json", "--config", config]).await);
    assert!(points[0]["value"].as_f64().is_some_and(|cpus| cpus >= 1.0), "{points:?}");
    let lines = documents(&host.run(["local", "logs", GROUP, "app.log", "--json", "--config", config]).await);
    let lines: Vec<_> = lines.iter().map(|line| line["message"].as_str().unwrap_or_default()).collect();
    assert_eq!(lines, ["one", "two"]);

    let status = text(&host.run(["status", config]).await.stdout);
    let store = host.state("local");
    assert!(status.contains(&store.display().to_string()) && status.contains("app.log"), "{status}");
    let by_folder = host.run(["status", &format!("--local={}", store.display())]).await;
    assert!(text(&by_folder.stdout).contains("app.log"), "the folder names it too: {}", text(&by_folder.stderr));
    assert_eq!(text(&by_folder.stderr), "");
    assert!(daemon.terminate().await.success());
    let by_folder = host.run(["local", "logs", "--folder", store.to_str().expect("UTF-8")]).await;
    assert!(text(&by_folder.stdout).contains(GROUP), "it can be read without a daemon");
    let mode = |path: &Path| fs::metadata(path).expect("it is there").mode() & 0o007;
    assert_eq!((mode(&store), mode(&store.join("cloudwatch.db")), mode(&store.join("state"))), (0, 0, 0));
}

#[tokio::test]
async fn a_dry_run_prints_every_request_and_moves_nothing() {
    let aws = FakeAws::start();
    let host = TestHost::tailing(&aws, &["app.log"]).measuring(60);
    host.append("app.log", "one\n");
    let config = host.write_config();
    let dry = [Path::new("run"), &config, Path::new("--dry-run"), Path::new("--once")];
    let requests = documents(&host.run(dry).await);
    let of = |operation: &str| requests.iter().filter(|r| r["operation"] == operation).count();
    assert_eq!(of("PutLogEvents"), 1);
    assert!(of("PutMetricData") >= 1 && requests.len() == of("PutLogEvents") + of("PutMetricData"));
    assert_eq!((aws.calls(Op::PutLogEvents), aws.calls(Op::PutMetricData)), (0, 0));
    assert!(!host.state("").exists(), "nothing is left behind");
    let mut daemon = host.start();
    daemon.until_cloud(&aws, "the line", |seen| seen.has("one")).await;
    assert!(daemon.terminate().await.success());
    assert_eq!(aws.messages("app.log"), ["one"]);
}

#[tokio::test]
async fn a_dry_run_ends_when_nobody_reads_it_any_more() {
    let host = TestHost::against("http://127.0.0.1:9").tail("app.log").measuring(1);
    let config = host.write_config();
    let dry = [Path::new("run"), &config, Path::new("--dry-run")];
    let ended = async |stdout: Stdio| {
        let child = host.command(dry).stdout(stdout).stderr(Stdio::piped()).spawn().expect("it can be started");
        child.wait_with_output().await.expect("it is waited for")
    };
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let quietly = ended(writer.into()).await;
    assert!(quietly.status.success(), "{}", text(&quietly.stderr));
    let full = fs::OpenOptions::new().write(true).open("/dev/full").expect("Linux has it");
    let loudly = ended(full.into()).await;
    assert_eq!(loudly.status.code(), Some(1));
    assert!(text(&loudly.stderr).contains("standard output takes no more requests"), "{}", text(&loudly.stderr));
}

#[tokio::test]
async fn the_group_of_the_daemon_may_ask_and_others_are_told_why_not() {
    let host = TestHost::against("http://127.0.0.1:9").tail("app.log");
    let state = host.path("");
    if fs::metadata(&state).expect("it is ours").uid() != 0 {
        crate::support::skipped("only root can ask as somebody else");
        return;
    }
    fs::set_permissions(&state, PermissionsExt::from_mode(0o755)).expect("it is ours");
    // Where the build lies others may not look.
    let copy = host.path("publisher");
    let copied = Command::new("cp").args([&program::binary(), &copy]).status().expect("POSIX systems have it");
    assert!(copied.success());
    let words = program::words(&copy);
    let mut daemon = host.start();
    daemon.until_it_runs().await;
    let config = host.path("publisher.json");
    let ask = |user: u32, group: u32| {
        let mut command = Command::new(&words[0]);
        command.uid(user).gid(group).args(&words[1..]).arg("status").arg(&config).current_dir("/");
        command.output().expect("it can be started")
    };
    let member = ask(65_534, 0);
    assert!(member.status.success(), "{}", text(&member.stderr));
    let stranger = ask(65_534, 65_534);
    assert_eq!(stranger.status.code(), Some(1));
    let said = text(&stranger.stderr);
    assert!(
        said.contains("its own user and group only") && said.contains("whether a daemon runs cannot be told"),
        "{said}"
    );
    let mut look = Command::new(&words[0]);
    look.args(&words[1..]);
    let store = host.state("local");
    let look =
        look.uid(65_534).gid(65_534).current_dir("/").args(["local", "metrics", "--folder"]).arg(&store).output();
    let look = look.expect("it can be started");
    assert!(text(&look.stderr).contains("this user may not see"), "{}", text(&look.stderr));
    assert!(daemon.terminate().await.success());
}

#[tokio::test]
async fn whoever_asks_makes_no_folder() {
    let host = TestHost::of(json!({ "agent": { "region": "us-east-1" } }));
    let home = host.path("home");
    let host = host.with_variable("HOME", home.to_str().expect("UTF-8"));
    let config = host.write_config();
    let mut config: Value = serde_json::from_slice(&fs::read(&config).expect("written")).expect("JSON");
    config["agent"].as_object_mut().expect("an agent").remove("state_folder");
    fs::write(host.path("publisher.json"), config.to_string()).expect("it is ours");
    let config = host.path("publisher.json");
    let config = config.to_str().expect("UTF-8");
    for question in [&["status", config][..], &["local", "metrics", "--config", config], &["local", "logs"]] {
        // A daemon of this machine itself may answer; what counts is that nothing is made.
        host.run(question).await;
    }
    assert!(!home.exists());
}
