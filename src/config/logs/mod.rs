//! Section `logs`: what is read or received, a file here for each kind of source, and where each goes.
//!
//! An item that names a group is the agent's: it goes where it says, and starts at the beginning of its file. One that names none is
//! the publisher's: it goes to the one group of the file, in a stream of its own name, and starts at the end. Where the whole file is
//! the agent's and shows nothing of the publisher, an item without a group gets the agent's default group.
mod emf;
mod files;
mod journal;
pub mod text;
mod unified_log;
mod windows_events;

use super::{
    agent,
    agreement::Agreement,
    dialect::Dialect,
    finding::{Severity, nearest},
    naming::{self, Name},
    retention::Retention,
    section::Section,
    service::Service,
    settings::{Logs, TargetTemplate},
};
use crate::model::{Entity, Fingerprint, LogGroupClass};
use std::{collections::HashMap, sync::Arc, time::Duration};

/// The publisher's group where none is named.
const GROUP: &str = "/system/default/{instance_id}";
/// The agent's stream where none is named.
const STREAM: &str = "{instance_id}";
/// Seconds that a line may wait: `agent.logs_collection_interval` of the publisher, `logs.force_flush_interval` of the agent.
const WAIT: u64 = 10;
const WAIT_AGENT: u64 = 5;

/// What every item falls back on.
struct Defaults<'a> {
    dialect: &'a Dialect,
    region: Option<&'a str>,
    /// `None`: what is named cannot be used, so what would go there is not run.
    group: Option<String>,
    stream: Option<String>,
    retention: Retention,
    service: Service,
}

impl Defaults<'_> {
    /// The service that the events of this item belong to.
    fn entity(&self, item: &Section<'_>) -> Option<Arc<Entity>> {
        Service::read(item).or(&self.service).entity()
    }
}

/// The `log_group_class` of an item. The agent makes the group without one where it does not know it, and so do we.
fn class(item: &Section<'_>) -> Option<LogGroupClass> {
    let section = item.child("log_group_class");
    let named = section.text()?;
    let class = LogGroupClass::named(named);
    if class.is_none() {
        let known = [LogGroupClass::Standard, LogGroupClass::InfrequentAccess].map(LogGroupClass::as_str);
        let why = "is no class of log groups (STANDARD, INFREQUENT_ACCESS): the group is made without one";
        section.report(Severity::Warning, why.into(), nearest(&named.to_uppercase(), known));
    }
    class
}

/// Reads the section.
pub fn read(root: &Section<'_>, dialect: &Dialect, region: Option<&str>, agent_role: Option<&str>) -> Logs {
    let logs = root.child("logs");
    let named = |key: &str, name: Name, default: &str| {
        let section = logs.child(key);
        if section.exists() {
            naming::template(&section, name, region, dialect.agent)
        } else {
            Some(default.to_owned())
        }
    };
    let defaults = Defaults {
        dialect,
        region,
        group: named("log_group_name", Name::Group, GROUP),
        stream: named("log_stream_name", Name::Stream, STREAM),
        retention: Retention::read(&logs.child("retention_in_days")),
        service: Service::read(&logs).or(&Service::read(&root.child("agent"))),
    };
    let collected = logs.child("logs_collected");
    let mut files = files::read(&collected.path(&["files", "collect_list"]), &defaults);
    let mut journal = journal::read(&collected.child("journal"), &defaults);
    let mut journald = journal::read_list(&collected.path(&["journald", "collect_list"]), &defaults);
    let mut windows_events = windows_events::read(&collected.child("windows_events"), &defaults);
    let mut unified_log = unified_log::read(&collected.child("unified_log"), &defaults);
    let targets = files.iter_mut().map(|(item, file)| (&*item, &mut file.target));
    let targets = targets.chain(journald.iter_mut().map(|(item, read)| (&*item, &mut read.target)));
    let targets = targets.chain(windows_events.iter_mut().map(|(item, read)| (&*item, &mut read.target)));
    let targets = targets.chain(unified_log.iter_mut().map(|(item, read)| (&*item, &mut read.target)));
    let whole = collected.child("journal");
    let journals = journal.as_mut().map(|journal| (&whole, &mut journal.target));
    agree(journals.into_iter().chain(targets).collect(), dialect);
    let wait = if dialect.agent { WAIT_AGENT } else { WAIT };
    Logs {
        interval: Duration::from_secs(
            root.path(&["agent", "logs_collection_interval"])
                .unsigned()
                .or_else(|| logs.child("force_flush_interval").unsigned())
                .unwrap_or(wait),
        ),
        files: files.into_iter().map(|(_, file)| file).collect(),
        journal,
        journald: journald.into_iter().map(|(_, item)| item).collect(),
        windows_events: windows_events.into_iter().map(|(_, item)| item).collect(),
        unified_log: unified_log.into_iter().map(|(_, item)| item).collect(),
        emf: emf::read(&logs, &defaults),
        role_arn: agent::role(&logs).or_else(|| agent_role.map(str::to_owned)),
        concurrency: logs.child("concurrency").unsigned().and_then(|calls| usize::try_from(calls).ok()),
        keep_rejected: logs.child("keep_rejected").flag().unwrap_or(false),
    }
}

/// A group has one retention and one class: what anything that goes there names, the journal included. What differs is reported.
fn agree(mut items: Vec<(&Section<'_>, &mut TargetTemplate)>, dialect: &Dialect) {
    let mut agreement = Agreement::new(dialect.agent);
    for (item, target) in &items {
        agreement.note(target, item);
    }
    items.iter_mut().for_each(|(_, target)| agreement.settle(target));
}

/// Where an item goes that is read by entries, with what it falls back on. `None`: reported, or it has no group.
fn target(
    item: &Section<'_>,
    defaults: &Defaults<'_>,
    group: Option<String>,
    stream: Option<String>,
    kind: Name,
) -> Option<TargetTemplate> {
    let named = |key: &str, name: Name, default: Option<String>| {
        let section = item.child(key);
        if section.exists() {
            naming::template(&section, name, defaults.region, defaults.dialect.agent)
        } else {
            default
        }
    };
    // Both are looked at, also where one is of no use.
    let (group, stream) = (named("log_group_name", Name::Group, group), named("log_stream_name", kind, stream));
    let retention = Retention::read(&item.child("retention_in_days")).or(defaults.retention);
    Some(TargetTemplate {
        group: group?,
        stream: stream?,
        retention_in_days: retention.days(),
        class: class(item),
        entity: defaults.entity(item),
    })
}

/// What saved positions call an item: its templates, so that reading goes on where a date or the host's name has changed.
fn item_name(target: &TargetTemplate) -> String {
    format!("{}:{}", target.group, target.stream)
}

/// Tells items of one name apart by what they select, so that each goes on where it stopped in whatever order they stand. Those that select the
/// same get a number: their positions are of the same entries.
fn tell_apart<'a>(items: impl Iterator<Item = (&'a Section<'a>, &'a mut String)>, selecting: &[&str]) {
    let mut items: Vec<_> = items.collect();
    let mut names: HashMap<String, usize> = HashMap::new();
    items.iter().for_each(|(_, name)| *names.entry((*name).clone()).or_default() += 1);
    let mut taken: HashMap<String, usize> = HashMap::new();
    for (item, name) in &mut items {
        if names[*name] == 1 {
            continue;
        }
        let selection: Vec<String> = selecting.iter().map(|key| item.child(key).canonical()).collect();
        **name = format!("{name}#{:016x}", Fingerprint::of(selection.join("\n").as_bytes()).hash);
        let same = taken.entry((*name).clone()).or_default();
        *same += 1;
        if *same > 1 {
            **name = format!("{name}#{same}");
        }
    }
}
