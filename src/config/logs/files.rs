//! `files.collect_list`: which files, and where each goes.
use super::{
    Defaults, STREAM, class, journal,
    text::{self, TextDefaults},
};
use crate::config::{
    dialect::Dialect,
    glob::{self, Glob},
    naming::{self, Name, Streams},
    overlaps, pattern,
    retention::Retention,
    section::Section,
    settings::{FileItem, Matching, Others, Pick, Selection, TargetTemplate},
};
use std::{
    collections::{HashMap, HashSet},
    path::{Path, PathBuf},
    sync::Arc,
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
    overlaps::settle(files.iter_mut().map(|(_, file)| file).collect());
    files
}

/// `None`: reported, and not run.
fn file(item: &Section<'_>, defaults: &Defaults<'_>, streams: &mut Streams) -> Option<FileItem> {
    let agents = is_agents(item, defaults.dialect);
    let text = text::read(item, if agents { TextDefaults::AgentFile } else { TextDefaults::PublisherFile });
    let path = item.child("file_path").text().filter(|path| !path.is_empty());
    let pick = pick(item, defaults.dialect);
    let selection = selection(item, path, pick);
    let target = target(item, path, pick, defaults, streams);
    Some(FileItem {
        at: item.at.clone(),
        path: PathBuf::from(path?),
        selection: selection?,
        target: target?,
        text,
        pipe: item.child("pipe").flag(),
        from_beginning: item.child("from_beginning").flag().unwrap_or(agents),
    })
}

/// Which of several files, and how each is named. Only an agent's item without a group names groups by paths.
fn pick(item: &Section<'_>, dialect: &Dialect) -> Pick {
    match item.child("publish_multi_logs").flag() {
        Some(true) if is_agents(item, dialect) && !item.has("log_group_name") => Pick::EachToItsGroup,
        Some(true) => Pick::EachToItsStream,
        Some(false) | None => Pick::Newest,
    }
}

/// Which files are meant. `None`: reported, and not run.
fn selection(item: &Section<'_>, path: Option<&str>, pick: Pick) -> Option<Selection> {
    let removal = item.child("auto_removal");
    let auto_removal = removal.flag().unwrap_or(false);
    let blacklist = pattern::pattern(&item.child("blacklist"));
    let exclude: Vec<Glob> = item.child("exclude").items().iter().filter_map(excluded).collect();
    let path = path?;
    if !glob::is_pattern(path) {
        if auto_removal {
            removal
                .warning("does nothing here: a log is removed when a newer one matches, and this names only one file");
        }
        let name = Path::new(path).file_name().unwrap_or_default();
        let refused = blacklist.is_some_and(|regex| regex.is_match(name.as_encoded_bytes()));
        if refused || exclude.iter().any(|glob| glob.matches(Path::new(path))) {
            item.child("file_path")
                .error("is left out by `blacklist` or `exclude` of the same item: remove one of them");
            return None;
        }
        return Some(Selection::This);
    }
    if auto_removal && pick != Pick::Newest {
        removal.warning(
            "does nothing together with `publish_multi_logs`: there is no newest file among logs that are all followed",
        );
    }
    let glob = Glob::parse(path)
        .map_err(|why| item.child("file_path").error(format!("can never match a file: it {why}")))
        .ok()?;
    let auto_removal = auto_removal && pick == Pick::Newest;
    Some(Selection::Matching(Arc::new(Matching {
        glob,
        pick,
        blacklist,
        exclude,
        auto_removal,
        others: Others::default(),
    })))
}

fn excluded(section: &Section<'_>) -> Option<Glob> {
    let text = section.verbatim()?;
    Glob::parse(text).map_err(|why| section.error(format!("can never match a file: it {why}"))).ok()
}

/// Whether an item is read as the agent reads it.
fn is_agents(item: &Section<'_>, dialect: &Dialect) -> bool {
    item.has("log_group_name") || (dialect.agent && !dialect.publisher_marks)
}

/// Where an item goes. Names are checked, and their faults reported, even for an item whose path cannot be used.
fn target(
    item: &Section<'_>,
    path: Option<&str>,
    pick: Pick,
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
        // Of a pattern it stands for groups that are known only by their files.
        None if pick == Pick::EachToItsGroup => pick.names("", "", Path::new(path?)).0,
        None if agents => naming::group_of(path?),
        None => defaults.group.clone()?,
    };
    let stream = match stream {
        // The agent's default is not used, and between the two stands one `_` more than the path has.
        named if pick == Pick::EachToItsStream => {
            let before = format!("{}_", named.unwrap_or_else(|| Some(String::new()))?);
            if glob::is_pattern(path?) { before } else { pick.names("", &before, Path::new(path?)).1 }
        }
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
            let why =
                format!("{} sends this file to the same stream already; remove one of the two", item.called(&first.at));
            item.child("file_path").error(why);
        }
    }
}
