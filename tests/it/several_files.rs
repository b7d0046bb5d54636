//! A configuration of several files, values from the environment, and what the CloudWatch Agent keeps beside its own.
use crate::support::{
    PATIENCE,
    fake::{FakeAws, Key, Op},
    host::{Daemon, GROUP, TestHost},
};
use serde_json::{Value, json};
use std::{fs, path::Path, process::Output, time::Duration};

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// A file of this machine, in folders that are made for it, which nobody else may write.
fn write(host: &TestHost, file: &str, text: &str) {
    let path = host.path(file);
    fs::create_dir_all(path.parent().expect("in our folder")).expect("ours");
    fs::write(&path, text).expect("ours");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("ours");
    }
}

/// A file that follows a log of this machine.
fn tails(host: &TestHost, log: &str) -> String {
    let item =
        json!({ "file_path": host.path(log), "log_group_name": GROUP, "log_stream_name": log, "from_beginning": true });
    json!({ "logs": { "logs_collected": { "files": { "collect_list": [item] } } } }).to_string()
}

async fn until_reloaded(host: &TestHost, daemon: &mut Daemon<'_>, times: usize) {
    daemon.hang_up().await;
    let reloaded = |said: &str| said.matches("reloaded: the new configuration is in force").count();
    daemon.until("the new configuration", |_| reloaded(&host.said()) >= times).await;
}

/// Waits for these words of the daemon, also while the configuration is wrong, so that no status can be asked for.
async fn said_by(host: &TestHost, words: &str) {
    let said = async {
        while !host.said().contains(words) {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(PATIENCE, said).await.unwrap_or_else(|_| panic!("{words:?} is not in {}", host.said()));
}

#[tokio::test]
async fn files_of_the_neighbour_folder_run_and_are_read_again_at_a_reload() {
    let aws = FakeAws::start();
    let host = TestHost::tailing(&aws, &["app.log"]);
    write(&host, "publisher.d/first.json", &tails(&host, "first.log"));
    for log in ["app.log", "first.log", "second.log"] {
        host.append(log, &format!("of {log}\n"));
    }
    let mut daemon = host.start();
    daemon.until_cloud(&aws, "both logs", |seen| seen.has("of app.log") && seen.has("of first.log")).await;
    write(&host, "publisher.d/second", &tails(&host, "second.log"));
    until_reloaded(&host, &mut daemon, 1).await;
    daemon.until_cloud(&aws, "the log of the new file", |seen| seen.has("of second.log")).await;

    // One that contradicts the others changes nothing.
    write(&host, "publisher.d/third.json", r#"{ "agent": { "region": "eu-north-1" } }"#);
    daemon.hang_up().await;
    said_by(&host, "the configuration was not reloaded").await;
    host.append("second.log", "more\n");
    daemon.until_cloud(&aws, "the line", |seen| seen.has("more")).await;
    fs::remove_file(host.path("publisher.d/third.json")).expect("ours");
    assert!(host.said().contains("agent.region: has another value than in"), "{}", host.said());
    let status = daemon.status().await.expect("it runs").0;
    assert_eq!(status["config"], json!(host.path("publisher.json")));
    assert!(daemon.terminate().await.success());
    assert_eq!(aws.messages("second.log"), ["of second.log", "more"]);
}

#[tokio::test]
async fn a_folder_runs_once_and_validates_with_each_finding_in_its_file() {
    let aws = FakeAws::start();
    let host = TestHost::tailing(&aws, &["app.log"]);
    host.append("app.log", "one\n");
    host.append("more.log", "two\n");
    fs::create_dir(host.path("conf")).expect("ours");
    fs::rename(host.write_config(), host.path("conf/a.json")).expect("ours");
    write(&host, "conf/b.json", &tails(&host, "more.log"));
    write(&host, "conf/ignored.toml", "[agent]");
    let folder = host.path("conf");
    let valid = host.run([Path::new("validate"), &folder]).await;
    assert_eq!(valid.status.code(), Some(0), "{}", said(&valid));
    assert!(said(&valid).contains("2 files: no findings"), "{}", said(&valid));
    let once = host.run([Path::new("run"), &folder, Path::new("--once")]).await;
    assert!(once.status.success(), "{}", said(&once));
    assert_eq!((aws.messages("app.log"), aws.messages("more.log")), (vec!["one".into()], vec!["two".into()]));

    let list = tails(&host, "third.log").replace("from_beginning", "from_begining");
    write(&host, "conf/c.json", &list);
    write(&host, "conf/d.json", r#"{ "agent": { "debug": "yes" } }"#);
    let wrong = host.run([Path::new("validate"), &folder, Path::new("--json")]).await;
    assert_eq!(wrong.status.code(), Some(78), "{}", said(&wrong));
    let findings: Vec<Value> = serde_json::from_slice(&wrong.stdout).expect("JSON");
    let places: Vec<_> =
        findings.iter().map(|f| (f["file"].clone(), f["at"].as_str().expect("text").to_owned())).collect();
    const ITEM: &str = "logs.logs_collected.files.collect_list[0].from_begining";
    assert_eq!(
        places,
        [(json!(folder.join("c.json")), ITEM.to_owned()), (json!(folder.join("d.json")), "agent.debug".to_owned())]
    );
}

#[tokio::test]
async fn a_command_is_refused_where_others_may_add_a_file() {
    let host = TestHost::against("http://127.0.0.1:9")
        .with("agent.instance", json!({ "prefix": "sys", "command": "touch ran; echo 1" }));
    write(&host, "publisher.d/more.json", "{}");
    let config = host.write_config();
    fs::set_permissions(host.path("publisher.d"), std::os::unix::fs::PermissionsExt::from_mode(0o777)).expect("ours");
    for command in ["validate", "run"] {
        let refused = host.run([Path::new(command), &config]).await;
        assert_eq!(refused.status.code(), Some(78), "{}", said(&refused));
        let folder = host.path("publisher.d");
        let why = format!("refused: others than its owner may write {}", folder.display());
        assert!(said(&refused).contains(&why), "{}", said(&refused));
    }
    assert!(!host.path("ran").exists());
}

#[tokio::test]
async fn values_come_from_the_environment_and_what_lacks_keeps_it_from_starting_but_not_from_being_asked() {
    let aws = FakeAws::start();
    let host = TestHost::tailing(&aws, &["app.log"])
        .with("agent.endpoint_override", json!("${STORY_ENDPOINT}"))
        .with("agent.region", json!("${STORY_REGION}"))
        .with("logs.log_group_name", json!("/story/${STORY_GROUP}"));
    let config = host.write_config();
    let lacking = host.run([Path::new("run"), &config]).await;
    assert_eq!(lacking.status.code(), Some(78), "{}", said(&lacking));
    assert!(
        said(&lacking).contains("agent.region: the environment variable `STORY_REGION` is not set"),
        "{}",
        said(&lacking)
    );
    let local = host.run([Path::new("validate"), &config]).await;
    assert_eq!(local.status.code(), Some(78), "{}", said(&local));

    let status = [Path::new("status"), &config];
    let asked = host.run(status).await;
    assert!(asked.status.code() == Some(1) && said(&asked).contains("not running"), "{}", said(&asked));
    let host = host
        .with_variable("STORY_ENDPOINT", &aws.url())
        .with_variable("STORY_REGION", "us-east-1")
        .with_variable("STORY_GROUP", "logs");
    host.append("app.log", "one\n");
    let mut daemon = host.start();
    daemon.until_cloud(&aws, "the line", |seen| seen.has("one")).await;
    let asked = host.command(status).env_remove("STORY_REGION").env_remove("STORY_GROUP").output();
    let asked = asked.await.expect("it starts");
    assert!(asked.status.success(), "{}", said(&asked));
    assert!(daemon.terminate().await.success());
}

#[tokio::test]
async fn the_profile_of_common_config_beats_the_keys_of_the_environment() {
    let aws = FakeAws::start();
    let key = Key::lasting();
    let host = TestHost::tailing(&aws, &["app.log"]).with_variable("AWS_ACCESS_KEY_ID", "AKIDOFTHEENVIRONMENT");
    let keys = format!("[story]\naws_access_key_id = {}\naws_secret_access_key = {}\n", key.access_key, key.secret);
    write(&host, "keys/credentials", &keys);
    let common = format!(
        "[credentials]\n  shared_credential_profile = \"story\"\n  shared_credential_file = \"{}\"\n[imds]\n  imds_retries = 1\n",
        host.path("keys/credentials").display()
    );
    write(&host, "common-config.toml", &common);
    host.append("app.log", "one\n");
    let mut daemon = host.start();
    daemon.until_cloud(&aws, "the line", |seen| seen.has("one")).await;
    assert!(daemon.terminate().await.success());
    aws.look(|seen| assert!(seen.keys.iter().all(|used| *used == key.access_key), "{:?}", seen.keys));
    aws.assert_no_violations();

    write(&host, "common-config.toml", &common.replace("\"story\"", "\"stroy\""));
    let wrong = host.run([Path::new("validate"), &host.write_config()]).await;
    let expected = "shared_credential_profile of common-config.toml names the profile `stroy`";
    assert!(said(&wrong).contains(expected), "{}", said(&wrong));
    host.append("app.log", "two\n");
    let mut daemon = host.start();
    let why =
        "no AWS credentials were found in the profile `stroy` (shared_credential_profile of common-config.toml) of";
    daemon.until("why nobody signs in", |_| host.said().contains(why)).await;
    write(&host, "common-config.toml", &common);
    until_reloaded(&host, &mut daemon, 1).await;
    daemon.until_cloud(&aws, "the second line", |seen| seen.has("two")).await;
    assert!(daemon.terminate().await.success());
}

#[tokio::test]
async fn the_proxy_of_common_config_is_used_and_named() {
    let proxy = FakeAws::start();
    let host =
        TestHost::against("http://cloud.invalid").tail("app.log").with_variable("HTTP_PROXY", "http://127.0.0.1:9");
    let address = proxy.url();
    write(&host, "common-config.toml", &format!("[proxy]\nhttp_proxy = \"{address}\"\n"));
    host.append("app.log", "one\n");
    let mut daemon = host.start();
    daemon.until_cloud(&proxy, "the call that goes through it", |seen| seen.calls(Op::PutLogEvents) > 0).await;
    assert!(daemon.terminate().await.success());
    write(&host, "common-config.toml", "[proxy]\nhttp_proxy = \"socks5://me:hunter2@proxy\"\n");
    let wrong = host.run([Path::new("validate"), &host.write_config()]).await;
    assert_eq!(wrong.status.code(), Some(78), "{}", said(&wrong));
    assert!(said(&wrong).contains("the proxy in http_proxy of common-config.toml cannot be used"), "{}", said(&wrong));
    assert!(!said(&wrong).contains("hunter2"), "{}", said(&wrong));
}

#[tokio::test]
async fn the_region_of_the_chosen_profile_stands_beside_its_keys() {
    let aws = FakeAws::start();
    let key = Key::lasting();
    let config = json!({
        "agent": { "instance": { "serial": "story" }, "logfile": "", "logs_collection_interval": 1, "endpoint_override": aws.url() },
    });
    let host = TestHost::of(config).tail("app.log").without_keys().with_variable("AWS_REGION", "");
    let host = host.with("logs.log_group_name", json!("/story/{aws_region}"));
    let keys = format!("[story]\naws_access_key_id = {}\naws_secret_access_key = {}\n", key.access_key, key.secret);
    write(&host, "keys/credentials", &keys);
    write(&host, "keys/config", "[default]\nregion = eu-north-1\n[profile story]\nregion = eu-south-1\n");
    host.append("app.log", "one\n");
    let credentials = format!(
        "[credentials]\nshared_credential_profile = 'story'\nshared_credential_file = '{}'\n",
        host.path("keys/credentials").display()
    );
    for (imds, region) in [("", "eu-south-1"), ("[imds]\nimds_retries = 0\n", "eu-west-1")] {
        write(&host, "common-config.toml", &format!("{credentials}{imds}"));
        let mut daemon = host.start();
        let group = format!("/story/{region}");
        daemon.until_cloud(&aws, "a group of the region", |seen| seen.groups.contains_key(&group)).await;
        assert!(daemon.terminate().await.success());
        write(&host, "keys/config", "[profile story]\nregion = eu-west-1\n");
        host.append("app.log", "two\n");
    }
}
