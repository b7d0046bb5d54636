//! Whose configuration this is. There is one grammar for both; only defaults and a few readings differ.
use super::section::Section;

/// What a file shows of each dialect.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Dialect {
    /// The file is the agent's: the thirteen metrics are not collected, and defaults are the agent's.
    pub agent: bool,
    /// It has keys that only the publisher knows: log files without a group go where the publisher puts them.
    pub publisher_marks: bool,
}

impl Dialect {
    /// Reads the marks of both.
    pub fn of(root: &Section<'_>) -> Self {
        let collects = root.path(&["metrics", "metrics_collected"]).exists();
        let publisher_marks = publisher_marks(root, collects);
        Self { agent: collects || (agent_marks(root) && !publisher_marks), publisher_marks }
    }
}

/// Keys that the agent's schema does not have.
fn publisher_marks(root: &Section<'_>, collects: bool) -> bool {
    const ONLY_THE_PUBLISHER: &[&[&str]] = &[
        &["agent", "instance"],
        &["agent", "authentication"],
        &["agent", "logs_collection_interval"],
        &["logs", "log_group_name"],
        &["logs", "retention_in_days"],
        &["logs", "logs_collected", "journal"],
    ];
    ONLY_THE_PUBLISHER.iter().any(|path| root.path(path).exists()) || (root.has("metrics") && !collects)
}

/// Keys that nobody writes for the publisher. Who asks for the serial relay and says nothing of metrics wants none.
fn agent_marks(root: &Section<'_>) -> bool {
    const ONLY_THE_AGENT: &[&[&str]] = &[
        &["agent", "run_as_user"],
        &["agent", "aws_sdk_log_level"],
        &["agent", "omit_hostname"],
        &["agent", "hostname"],
        &["agent", "user_agent"],
        &["agent", "internal"],
        &["agent", "usage_data"],
        &["agent", "usage_metadata"],
        &["agent", "system_metrics_enabled"],
        &["agent", "service.name"],
        &["agent", "deployment.environment"],
        &["logs", "log_stream_name"],
        &["logs", "concurrency"],
        &["logs", "metrics_collected"],
        &["logs", "logs_collected", "windows_events"],
        &["logs", "logs_collected", "journald"],
        &["logs", "logs_collected", "application_signals"],
        &["traces"],
        &["opentelemetry"],
        &["csm"],
    ];
    let items = root.path(&["logs", "logs_collected", "files", "collect_list"]).items();
    let relay = root.path(&["agent", "serial_relay"]);
    let only_relays = relay.exists() && !["metrics", "logs"].iter().any(|key| root.has(key));
    only_relays
        || ONLY_THE_AGENT.iter().any(|path| root.path(path).exists())
        || items.iter().any(|item| item.has("log_group_name"))
}
