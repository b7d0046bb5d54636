//! Names of log groups and streams that only EC2's instance metadata knows.
use crate::support::{fake::FakeAws, host::TestHost, metadata::Metadata};
use serde_json::json;

/// A machine that asks for the names of its log.
fn named_host(metadata: &Metadata, aws: &FakeAws) -> TestHost {
    let host = metadata.for_host(TestHost::against(&aws.url()));
    let file = host.path("app.log");
    host.with(
        "logs.logs_collected.files.collect_list",
        json!([{ "file_path": file, "log_group_name": "/{account_id}/app", "log_stream_name": "{hostname}-{ip_address}" }]),
    )
}

const STREAM: &str = "ip-10-0-0-5.ec2.internal-10.0.0.5";

#[tokio::test]
async fn what_the_instance_metadata_says_is_in_the_names_and_serves_the_next_start_when_it_is_silent() {
    let (aws, metadata) = (FakeAws::start(), Metadata::answering());
    let host = named_host(&metadata, &aws);
    host.append("app.log", "one\n");
    let mut daemon = host.start();
    daemon.until_cloud(&aws, "the line", |seen| seen.has("one")).await;
    assert!(daemon.terminate().await.success());
    metadata.answer(false);
    host.append("app.log", "two\n");
    let mut daemon = host.start();
    daemon.until_cloud(&aws, "the next line", |seen| seen.has("two")).await;
    assert!(daemon.terminate().await.success());
    assert_eq!(aws.messages(STREAM), ["one", "two"]);
    assert!(aws.look(|seen| seen.groups.contains_key("/123456789012/app")));
    aws.assert_no_violations();
}

#[tokio::test]
async fn a_log_whose_names_become_known_later_goes_on_where_the_agent_stopped() {
    let (aws, metadata) = (FakeAws::start(), Metadata::silent());
    let host = named_host(&metadata, &aws);
    let (path, folder) = (host.path("app.log"), host.path("agent-state"));
    host.append("app.log", "sent by the agent\n");
    let length = "sent by the agent\n".len();
    std::fs::create_dir_all(&folder).expect("ours");
    let name = path.to_str().expect("Unicode").replace(['/', ' ', ':'], "_");
    std::fs::write(folder.join(name), format!("{length}\n{}\n0-{length}", path.display())).expect("ours");
    host.append("app.log", "one\n");
    let host = host.with("agent.import_state", json!(folder));
    let mut daemon = host.start();
    daemon.until_it_runs().await;
    metadata.answer(true);
    daemon.until_cloud(&aws, "the line", |seen| seen.has("one")).await;
    assert!(daemon.terminate().await.success());
    assert_eq!(aws.messages(STREAM), ["one"]);
}

#[tokio::test]
async fn where_a_log_stopped_whose_names_are_not_known_yet_is_not_taken_by_another_item_of_the_same_file() {
    let (aws, metadata) = (FakeAws::start(), Metadata::answering());
    let host = named_host(&metadata, &aws);
    host.append("app.log", "one\n");
    let mut daemon = host.start();
    daemon.until_cloud(&aws, "the line", |seen| seen.has("one")).await;
    assert!(daemon.terminate().await.success());
    metadata.answer(false);
    host.append("app.log", "two\n");
    host.append("other.log", "other\n");
    // Everything beside it is new: its names are known at once.
    let (app, all) = (host.path("app.log"), host.path("*.log"));
    let host = host.with(
        "logs.logs_collected.files.collect_list",
        json!([
            { "file_path": all, "log_group_name": "/all", "log_stream_name": "all", "publish_multi_logs": true },
            { "file_path": app, "log_group_name": "/beside", "log_stream_name": "beside" },
            { "file_path": app, "log_group_name": "/{account_id}/app", "log_stream_name": "{hostname}-{ip_address}" },
        ]),
    );
    let mut daemon = host.start();
    daemon.until_cloud(&aws, "what the pattern matches", |seen| seen.has("other")).await;
    metadata.answer(true);
    daemon.until_cloud(&aws, "the log that waited", |seen| seen.messages(STREAM).len() > 1).await;
    assert!(daemon.terminate().await.success());
    assert_eq!(aws.messages(STREAM), ["one", "two"]);
    aws.assert_no_violations();
}

#[tokio::test]
async fn a_log_whose_names_are_not_known_waits_in_its_file_and_the_others_do_not() {
    let (aws, metadata) = (FakeAws::start(), Metadata::silent());
    let host = named_host(&metadata, &aws);
    let (app, other) = (host.path("app.log"), host.path("other.log"));
    let host = host.with(
        "logs.logs_collected.files.collect_list",
        json!([
            { "file_path": app, "log_group_name": "/{account_id}/app", "log_stream_name": "{hostname}-{ip_address}" },
            { "file_path": other, "log_group_name": "/other", "log_stream_name": "s" },
        ]),
    );
    host.append("app.log", "waits\n");
    host.append("other.log", "goes\n");
    let mut daemon = host.start();
    daemon.until_cloud(&aws, "the log whose names are known", |seen| seen.has("goes")).await;
    daemon
        .until("the log that waits", |status| {
            let sources = status.0["sources"].as_array().map_or(&[][..], Vec::as_slice);
            sources.iter().any(|source| {
                source["last_error"].as_str().is_some_and(|why| why.contains("{account_id}, {hostname}, {ip_address}"))
            })
        })
        .await;
    assert!(!aws.look(|seen| seen.has("waits")));
    metadata.answer(true);
    daemon.until_cloud(&aws, "the log that waited", |seen| seen.has("waits")).await;
    daemon.until("nobody to wait any more", super::support::host::Status::is_caught_up).await;
    assert!(daemon.terminate().await.success());
    assert_eq!(aws.messages(STREAM), ["waits"]);
    aws.assert_no_violations();
}
