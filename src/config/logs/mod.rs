//! Section `logs`: which files and whether the journal, and where each goes.
//!
//! An item that names a group is the agent's: it goes where it says, and starts at the beginning of its file. One that names none is
//! the publisher's: it goes to the one group of the file, in a stream of its own name, and starts at the end. Where the whole file is
//! the agent's and shows nothing of the publisher, an item without a group gets the agent's default group.
mod files;
mod journal;
pub mod text;
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
    settings::{FileItem, Journal, Logs},
};
use crate::model::{Entity, LogGroupClass};
use std::{sync::Arc, time::Duration};

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
    windows_events::read(&collected.child("windows_events"));
    let wait = if dialect.agent { WAIT_AGENT } else { WAIT };
    let mut files = files::read(&collected.path(&["files", "collect_list"]), &defaults);
    let mut journal = journal::read(&collected.child("journal"), &defaults);
    agree(&mut files, journal.as_mut().map(|found| (collected.child("journal"), found)), dialect);
    Logs {
        interval: Duration::from_secs(
            root.path(&["agent", "logs_collection_interval"])
                .unsigned()
                .or_else(|| logs.child("force_flush_interval").unsigned())
                .unwrap_or(wait),
        ),
        files: files.into_iter().map(|(_, file)| file).collect(),
        journal,
        role_arn: agent::role(&logs).or_else(|| agent_role.map(str::to_owned)),
        concurrency: logs.child("concurrency").unsigned().and_then(|calls| usize::try_from(calls).ok()),
        keep_rejected: logs.child("keep_rejected").flag().unwrap_or(false),
    }
}

/// A group has one retention and one class: what anything that goes there names, the journal included. What differs is reported.
fn agree(files: &mut [(Section<'_>, FileItem)], journal: Option<(Section<'_>, &mut Journal)>, dialect: &Dialect) {
    let mut agreement = Agreement::new(dialect.agent);
    if let Some((section, journal)) = &journal {
        agreement.note(&journal.target, section);
    }
    for (item, file) in files.iter() {
        agreement.note(&file.target, item);
    }
    let journal = journal.map(|(_, journal)| &mut journal.target);
    files.iter_mut().map(|(_, file)| &mut file.target).chain(journal).for_each(|target| agreement.settle(target));
}
