//! Section `logs`: which files and whether the journal, and where each goes.
//!
//! An item that names a group is the agent's: it goes where it says, and starts at the beginning of its file. One that names none is
//! the publisher's: it goes to the one group of the file, in a stream of its own name, and starts at the end. Where the whole file is
//! the agent's and shows nothing of the publisher, an item without a group gets the agent's default group.
mod emf;
mod files;
mod journal;
mod windows_events;

use super::{
    agent,
    dialect::Dialect,
    naming::{self, Name},
    retention::Retention,
    section::Section,
    settings::{FileItem, Journal, Logs},
};
use std::{collections::HashMap, time::Duration};

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
}

/// Reads the section.
pub fn read(root: &Section<'_>, dialect: &Dialect, region: Option<&str>, agent_role: Option<&str>) -> Logs {
    let logs = root.child("logs");
    let named = |key: &str, name: Name, default: &str| {
        let section = logs.child(key);
        if section.exists() { naming::template(&section, name, region) } else { Some(default.to_owned()) }
    };
    let defaults = Defaults {
        dialect,
        region,
        group: named("log_group_name", Name::Group, GROUP),
        stream: named("log_stream_name", Name::Stream, STREAM),
        retention: Retention::read(&logs.child("retention_in_days")),
    };
    let collected = logs.child("logs_collected");
    windows_events::read(&collected.child("windows_events"));
    let wait = if dialect.agent { WAIT_AGENT } else { WAIT };
    let mut files = files::read(&collected.path(&["files", "collect_list"]), &defaults);
    let mut journal = journal::read(&collected.child("journal"), &defaults);
    one_retention_each(&mut files, journal.as_mut());
    Logs {
        interval: Duration::from_secs(
            root.path(&["agent", "logs_collection_interval"])
                .unsigned()
                .or_else(|| logs.child("force_flush_interval").unsigned())
                .unwrap_or(wait),
        ),
        files: files.into_iter().map(|(_, file)| file).collect(),
        journal,
        emf: emf::read(&logs, &defaults),
        role_arn: agent::role(&logs).or_else(|| agent_role.map(str::to_owned)),
    }
}

/// A group has one retention: the one that anything that goes there names, the journal included. Items that differ are reported.
fn one_retention_each(files: &mut [(Section<'_>, FileItem)], journal: Option<&mut Journal>) {
    let mut named: HashMap<String, (u16, String)> = HashMap::new();
    if let Some(Journal { at, target, .. }) = &journal
        && let Some(days) = target.retention_in_days
    {
        named.insert(target.group.clone(), (days, at.clone()));
    }
    for (item, file) in files.iter() {
        let Some(days) = file.target.retention_in_days else { continue };
        let (first, at) = named.entry(file.target.group.clone()).or_insert_with(|| (days, item.at.clone()));
        if *first != days {
            item.child("retention_in_days")
                .error(format!("a group has one retention: {at} keeps the events of this one for {first} days"));
        }
    }
    let targets = files.iter_mut().map(|(_, file)| &mut file.target).chain(journal.map(|journal| &mut journal.target));
    for target in targets {
        target.retention_in_days = named.get(&target.group).map(|(days, _)| *days);
    }
}
