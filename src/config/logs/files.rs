//! `files.collect_list`: which files, and where each goes.
use super::{
    Defaults, STREAM, class, journal,
    text::{self, TextDefaults},
};
use crate::config::{
    dialect::Dialect,
    naming::{self, Name, Streams},
    retention::Retention,
    section::Section,
    settings::{FileItem, TargetTemplate},
};
use std::{
    collections::{HashMap, HashSet},
    path::PathBuf,
};

/// Reads the list. Each item with its section, for what is found later.
pub fn read<'a>(section: &Section<'a>, defaults: &Defaults<'_>) -> Vec<(Section<'a>, FileItem)> {
    let items = section.items();
    if section.exists() && items.is_empty() && section.node().is_some_and(|node| node.kind() == "a list") {
        if defaults.dialect.agent {
            section.error("needs 1 item or more, found 0");
        } else {
            section.warning("is empty: no file is collected");
        }
    }
    let mut streams = Streams::taken([journal::STREAM]);
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
    let agents = is_agents(item, defaults.dialect);
    let text = text::read(item, if agents { TextDefaults::AgentFile } else { TextDefaults::PublisherFile });
    let path = path(&item.child("file_path"));
    let target = target(item, path, defaults, streams);
    Some(FileItem {
        at: item.at.clone(),
        path: PathBuf::from(path?),
        target: target?,
        text,
        pipe: item.child("pipe").flag(),
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
    let agents = is_agents(item, defaults.dialect);
    let named = |key: &str, name: Name| {
        let section = item.child(key);
        section.exists().then(|| naming::template(&section, name, defaults.region, agents))
    };
    let group = named("log_group_name", Name::Group);
    let stream = named("log_stream_name", Name::Stream);
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
    let (class, entity) = (class(item), defaults.entity(item));
    Some(TargetTemplate { group, stream, retention_in_days: retention.days(), class, entity })
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
