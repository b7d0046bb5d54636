//! Section `agent`, and the little that other sections say about reaching AWS.
use super::{
    authentication,
    dialect::Dialect,
    section::Section,
    settings::{Agent, Destination, Endpoints, Instance, OwnLog, Serial, Spool},
};
use std::{path::PathBuf, time::Duration};

/// Where the publisher has always kept its own log.
pub const DEFAULT_LOGFILE: &str = "/opt/aws/amazon-cloudwatch-publisher/logs/amazon-cloudwatch-publisher.log";

/// Seconds for an orderly stop.
const SHUTDOWN: u64 = 10;

/// Two weeks of the thirteen metrics each five minutes take about a tenth of it.
const SPOOL_BYTES: u64 = 64 * 1024 * 1024;
/// Two weeks: PutMetricData takes nothing older:
/// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_MetricDatum.html>
const SPOOL_AGE: u64 = 14 * 24 * 3600;
/// What the spool leaves free for everybody else.
const SPOOL_FREE: u64 = 64 * 1024 * 1024;

/// Everything but metrics, logs and the embedded store.
pub fn read(root: &Section<'_>, dialect: &Dialect) -> Agent {
    let agent = root.child("agent");
    let region = agent.child("region").text().map(str::to_owned);
    Agent {
        destination: match agent.child("destination").text() {
            Some("local") => Destination::Local,
            _ => Destination::Aws,
        },
        instance: instance(&agent.child("instance"), dialect),
        authentication: authentication::read(&agent.child("authentication"), region.is_some()),
        role_arn: role(&agent),
        region,
        own_log: own_log(&agent),
        state_folder: folder(&agent.child("state_folder")),
        shutdown: Duration::from_secs(agent.child("shutdown_seconds").unsigned().unwrap_or(SHUTDOWN)),
        endpoints: endpoints(root, &agent),
        spool: spool(&agent.child("spool")),
    }
}

/// `credentials.role_arn` of a section.
pub fn role(section: &Section<'_>) -> Option<String> {
    section.path(&["credentials", "role_arn"]).text().map(str::to_owned)
}

/// The path that stands here.
pub fn folder(section: &Section<'_>) -> Option<PathBuf> {
    section.text().map(PathBuf::from)
}

fn instance(section: &Section<'_>, dialect: &Dialect) -> Instance {
    let text = |key: &str| section.child(key).text().map(str::to_owned);
    let serial = match (text("serial"), section.child("command").verbatim()) {
        (Some(serial), _) => Serial::Fixed(serial),
        (None, Some(command)) => Serial::Command(command.to_owned()),
        (None, None) if dialect.agent && !section.exists() => Serial::Machine,
        (None, None) => Serial::Zeros,
    };
    Instance { prefix: text("prefix").unwrap_or_else(|| "sys".into()), serial }
}

fn own_log(agent: &Section<'_>) -> OwnLog {
    let named = agent.child("logfile").text();
    OwnLog {
        file: match named {
            Some("") => None,
            Some(path) => Some(PathBuf::from(path)),
            None => Some(PathBuf::from(DEFAULT_LOGFILE)),
        },
        named: named.is_some(),
        debug: agent.child("debug").flag().unwrap_or(false),
        quiet: agent.child("quiet").flag().unwrap_or(false),
    }
}

fn endpoints(root: &Section<'_>, agent: &Section<'_>) -> Endpoints {
    let endpoint = |section: Section<'_>| section.child("endpoint_override").text().map(with_scheme);
    Endpoints {
        all: endpoint(agent.clone()),
        metrics: endpoint(root.child("metrics")),
        logs: endpoint(root.child("logs")),
        ca_bundle: folder(&agent.child("ca_bundle")),
        dualstack: agent.child("use_dualstack_endpoint").flag(),
        fips: agent.child("use_fips_endpoint").flag(),
    }
}

/// The agent takes a bare host name and means HTTPS.
fn with_scheme(endpoint: &str) -> String {
    if endpoint.contains("://") { endpoint.to_owned() } else { format!("https://{endpoint}") }
}

fn spool(section: &Section<'_>) -> Spool {
    let number = |key: &str, default: u64| section.child(key).unsigned().unwrap_or(default);
    Spool {
        max_bytes: number("max_bytes", SPOOL_BYTES),
        max_age: Duration::from_secs(number("max_age_seconds", SPOOL_AGE)),
        min_free_bytes: number("min_free_bytes", SPOOL_FREE),
    }
}
