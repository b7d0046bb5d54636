//! Section `agent`, and the little that other sections say about reaching AWS.
use super::{
    address, authentication,
    dialect::Dialect,
    environment::Environment,
    region,
    section::Section,
    serial_relay,
    settings::{Agent, Destination, Endpoints, ImportState, Instance, OwnLog, Serial, Spool},
};
use crate::{
    model::limits,
    platform::{host, installed},
};
use std::{path::PathBuf, time::Duration};

/// Seconds for an orderly stop.
const SHUTDOWN: u64 = 10;

/// Two weeks of the thirteen metrics each five minutes take about a tenth of it.
const SPOOL_BYTES: u64 = 64 * 1024 * 1024;
/// An hour of outage at some 18 KiB a second, or two weeks at 55 bytes.
const SPOOL_LOG_BYTES: u64 = 64 * 1024 * 1024;
/// What the spool leaves free for everybody else.
const SPOOL_FREE: u64 = 64 * 1024 * 1024;

/// Everything but metrics, logs and the embedded store.
pub fn read(root: &Section<'_>, dialect: &Dialect, environment: &Environment) -> Agent {
    let agent = root.child("agent");
    let region = named_region(&agent.child("region"));
    Agent {
        destination: agent.child("destination").text().and_then(Destination::named).unwrap_or(Destination::Aws),
        instance: instance(&agent.child("instance"), dialect),
        authentication: authentication::read(&agent.child("authentication"), agent.has("region")),
        role_arn: role(&agent),
        region,
        own_log: own_log(&agent, environment),
        state_folder: folder(&agent.child("state_folder")),
        import_state: import_state(&agent.child("import_state")),
        shutdown: Duration::from_secs(agent.child("shutdown_seconds").unsigned().unwrap_or(SHUTDOWN)),
        endpoints: endpoints(root, &agent, environment),
        spool: spool(&agent.child("spool")),
        serial_relay: serial_relay::read(&agent.child("serial_relay"), host::SYSTEM),
    }
}

/// A region's name is part of host names.
fn named_region(section: &Section<'_>) -> Option<String> {
    let name = section.text().filter(|name| !name.is_empty())?;
    if let Some((severity, why, better)) = region::fault(name) {
        section.report(severity, why.into(), better);
    }
    Some(name.to_owned())
}

/// What stands in the instance id is the value of a dimension, and part of the names of groups and streams.
fn named(section: Section<'_>) -> Option<String> {
    let text = section.text()?;
    let wrong = |fits: fn(char) -> bool| text.chars().find(|c| !fits(*c)).map(char::escape_debug);
    if let Some(wrong) = wrong(limits::fits_metric) {
        section.error(format!("CloudWatch takes ASCII characters only in the instance id, found `{wrong}`"));
    } else if let Some(wrong) = wrong(|c| limits::fits_group(c) && limits::fits_stream(c)) {
        section
            .warning(format!("`{wrong}` cannot stand in the name of every log group and stream; there it becomes `_`"));
    }
    Some(text.to_owned())
}

/// `credentials.role_arn` of a section.
pub fn role(section: &Section<'_>) -> Option<String> {
    section.path(&["credentials", "role_arn"]).text().map(str::to_owned)
}

/// The path that stands here.
pub fn folder(section: &Section<'_>) -> Option<PathBuf> {
    section.text().map(PathBuf::from)
}

fn import_state(section: &Section<'_>) -> ImportState {
    match (section.flag(), folder(section)) {
        (Some(false), _) => ImportState::Off,
        (_, Some(folder)) => ImportState::From(folder),
        (Some(true) | None, None) => ImportState::Usual,
    }
}

fn instance(section: &Section<'_>, dialect: &Dialect) -> Instance {
    let text = |key: &str| named(section.child(key));
    let serial = match (text("serial"), section.child("command").verbatim()) {
        (Some(serial), _) => Serial::Fixed(serial),
        (None, Some(command)) => Serial::Command(command.to_owned()),
        (None, None) if dialect.agent && !section.exists() => Serial::Machine,
        (None, None) => Serial::Zeros,
    };
    Instance { prefix: text("prefix").unwrap_or_else(|| "sys".into()), serial }
}

fn own_log(agent: &Section<'_>, environment: &Environment) -> OwnLog {
    // Where the agent's programs look.
    let level = environment.get("CWAGENT_LOG_LEVEL").unwrap_or_default();
    let is_level = |levels: &[&str]| levels.iter().any(|one| level.eq_ignore_ascii_case(one));
    let named = agent.child("logfile").text();
    OwnLog {
        file: match named {
            Some("") => None,
            Some(path) => Some(PathBuf::from(path)),
            None => Some(installed::own_log()),
        },
        named: named.is_some(),
        debug: agent.child("debug").flag().unwrap_or_else(|| is_level(&["DEBUG"])),
        quiet: agent.child("quiet").flag().unwrap_or_else(|| is_level(&["ERROR", "OFF"])),
    }
}

fn endpoints(root: &Section<'_>, agent: &Section<'_>, environment: &Environment) -> Endpoints {
    let dualstack =
        environment.of_env_config("AWS_USE_DUALSTACK_ENDPOINT").map(|flag| flag.eq_ignore_ascii_case("true"));
    let endpoint = |section: Section<'_>| address::endpoint(&section.child("endpoint_override"));
    Endpoints {
        all: endpoint(agent.clone()),
        metrics: endpoint(root.child("metrics")),
        logs: endpoint(root.child("logs")),
        ca_bundle: folder(&agent.child("ca_bundle")),
        dualstack: agent.child("use_dualstack_endpoint").flag().or(dualstack),
        fips: agent.child("use_fips_endpoint").flag(),
    }
}

fn spool(section: &Section<'_>) -> Spool {
    let number = |key: &str, default: u64| section.child(key).unsigned().unwrap_or(default);
    Spool {
        max_bytes: number("max_bytes", SPOOL_BYTES),
        max_age: Duration::from_secs(number("max_age_seconds", limits::OLDEST.as_secs())),
        min_free_bytes: number("min_free_bytes", SPOOL_FREE),
        max_log_bytes: number("max_log_bytes", SPOOL_LOG_BYTES),
    }
}
