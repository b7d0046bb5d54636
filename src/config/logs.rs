//! Section `logs`: which files and whether the journal, and where each goes.
//!
//! An item that names a group is the agent's: it goes where it says, and starts at the beginning of its file. One that names none is
//! the publisher's: it goes to the one group of the file, in a stream of its own name, and starts at the end. Where the whole file is
//! the agent's and shows nothing of the publisher, an item without a group gets the agent's default group.
use super::{
    agent,
    dialect::Dialect,
    naming::{self, Name, Streams},
    pattern,
    retention::Retention,
    section::Section,
    settings::{FileItem, Filter, Journal, Logs, TargetTemplate},
};
use std::{
    collections::{HashMap, HashSet},
    path::PathBuf,
    time::Duration,
};

/// The publisher's group where none is named.
const GROUP: &str = "/system/default/{instance_id}";
/// The agent's stream where none is named.
const STREAM: &str = "{instance_id}";
/// The stream of the journal.
const JOURNAL_STREAM: &str = "system-journal";
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
    windows_events(&collected.child("windows_events"));
    let wait = if dialect.agent { WAIT_AGENT } else { WAIT };
    let mut files = files(&collected.path(&["files", "collect_list"]), &defaults);
    let mut journal = journal(&collected.child("journal"), &defaults);
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
        role_arn: agent::role(&logs).or_else(|| agent_role.map(str::to_owned)),
    }
}

fn journal(section: &Section<'_>, defaults: &Defaults<'_>) -> Option<Journal> {
    let wanted = section.flag().or_else(|| section.child("collect").flag()).unwrap_or(section.exists());
    let filter = pattern::filter(section);
    if !wanted {
        return None;
    }
    let target = TargetTemplate {
        group: defaults.group.clone()?,
        stream: JOURNAL_STREAM.into(),
        retention_in_days: defaults.retention.days(),
    };
    Some(Journal { at: section.at.clone(), target, filter })
}

fn files<'a>(section: &Section<'a>, defaults: &Defaults<'_>) -> Vec<(Section<'a>, FileItem)> {
    let items = section.items();
    if section.exists() && items.is_empty() && section.node().is_some_and(|node| node.kind() == "a list") {
        if defaults.dialect.agent {
            section.error("needs 1 item or more, found 0");
        } else {
            section.warning("is empty: no file is collected");
        }
    }
    let mut streams = Streams::taken([JOURNAL_STREAM]);
    let mut files: Vec<(Section<'a>, FileItem)> = Vec::with_capacity(items.len());
    // An item that is equal to one before was reported as that.
    let mut said = HashSet::new();
    for item in items.into_iter().filter(|item| said.insert(item.canonical())) {
        if let Some(file) = file(&item, defaults, &mut streams) {
            files.push((item, file));
        }
    }
    once_each(&files);
    files
}

/// `None`: reported, and not run.
fn file(item: &Section<'_>, defaults: &Defaults<'_>, streams: &mut Streams) -> Option<FileItem> {
    let filter: Filter = pattern::filter(item);
    let path = path(&item.child("file_path"));
    let target = target(item, path, defaults, streams);
    let agents = is_agents(item, defaults.dialect);
    Some(FileItem {
        at: item.at.clone(),
        path: PathBuf::from(path?),
        target: target?,
        filter,
        from_beginning: item.child("from_beginning").flag().unwrap_or(agents),
    })
}

/// Whether an item is read as the agent reads it.
fn is_agents(item: &Section<'_>, dialect: &Dialect) -> bool {
    item.has("log_group_name") || (dialect.agent && !dialect.publisher_marks)
}

fn path<'a>(section: &Section<'a>) -> Option<&'a str> {
    let path = section.text().filter(|path| !path.is_empty())?;
    if path.contains(['*', '?', '[', '{']) {
        section.warning(
            "not yet: patterns of file names are not run by this version; only a file of exactly this name is followed",
        );
    }
    Some(path)
}

/// Where an item goes. Names are checked, and their faults reported, even for an item whose path cannot be used.
fn target(
    item: &Section<'_>,
    path: Option<&str>,
    defaults: &Defaults<'_>,
    streams: &mut Streams,
) -> Option<TargetTemplate> {
    let named = |key: &str, name: Name| {
        let section = item.child(key);
        section.exists().then(|| naming::template(&section, name, defaults.region))
    };
    let group = named("log_group_name", Name::Group);
    let stream = named("log_stream_name", Name::Stream);
    let agents = is_agents(item, defaults.dialect);
    let group = match group {
        Some(named) => named?,
        None if agents => naming::group_of(path?),
        None => defaults.group.clone()?,
    };
    let stream = match stream {
        Some(named) => named?,
        // What is wrong with the file's own stream was said there; the agent's default serves.
        None if agents => defaults.stream.clone().unwrap_or_else(|| STREAM.into()),
        None => base_name(&item.child("file_path"), path?, streams)?,
    };
    let retention = Retention::read(&item.child("retention_in_days")).or(defaults.retention);
    Some(TargetTemplate { group, stream, retention_in_days: retention.days() })
}

fn base_name(section: &Section<'_>, path: &str, streams: &mut Streams) -> Option<String> {
    let Some((stream, longer)) = streams.take(std::path::Path::new(path)) else {
        section.error("names no file");
        return None;
    };
    if longer {
        section.warning(format!(
            "another file has the same base name, so this one goes to the stream `{stream}`; name one with `log_stream_name`"
        ));
    }
    Some(stream)
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

/// One file goes to one stream once.
fn once_each(files: &[(Section<'_>, FileItem)]) {
    let mut seen: HashMap<(&PathBuf, &str, &str), &Section<'_>> = HashMap::new();
    for (item, file) in files {
        let key = (&file.path, file.target.group.as_str(), file.target.stream.as_str());
        if let Some(first) = seen.insert(key, item) {
            let why = format!("{} sends this file to the same stream already; remove one of the two", first.at);
            item.child("file_path").error(why);
        }
    }
}

/// What the agent's schema says of Windows events and a table of keys cannot.
fn windows_events(section: &Section<'_>) {
    for item in section.child("collect_list").items() {
        let name = item.child("event_name");
        if name.text() == Some("Forwarded Events") {
            name.report(
                super::Severity::Error,
                "is the title of this channel, not its name".into(),
                Some("ForwardedEvents".into()),
            );
        }
    }
}
