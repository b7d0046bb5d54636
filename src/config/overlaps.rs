//! Files that two items mean for the same stream. Each is read once, with the keys of one item: this decides of which, and says so before anything
//! is read, because the other one's `redact` and filters do nothing for it.
//!
//! An item that names the file comes before a pattern, and of two alike the first in the list. Patterns that follow every match are told here what
//! is not theirs. Of items that name one path each, and of patterns that follow the newest match, the reader of the files knows by the file's
//! number that it has it already; who was first there stays it at later starts.
mod entries;

use super::{
    log_files::{self, MOST_LOOKED_AT},
    lookout::{Lookout, Unanswered},
    section::Section,
    settings::{FileItem, Matching, Others, Pick, Selection, Settings},
    shape::count,
};
use crate::platform::files::{self, FileId};
use std::{
    collections::{BTreeMap, HashMap},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

/// A start waits no longer for folders: a look at a dead network mount may never end.
const LONGEST: Duration = Duration::from_secs(3);
/// Shared by all reloads of this process.
static LOOKOUT: Lookout = Lookout::new();

/// Where the lines of an item go, as far as it can be one with another item's: what stands in saved positions, with templates.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
enum Streams {
    /// This one.
    One { group: String, stream: String },
    /// One for each path, with this before it.
    ByPath { group: String, before: String },
    /// One in a group for each path.
    GroupByPath { stream: String },
}

impl Streams {
    fn of(item: &FileItem) -> Self {
        let (group, stream) = (item.target.group.clone(), item.target.stream.clone());
        match &item.selection {
            Selection::This => Self::One { group, stream },
            Selection::Matching(rule) => match rule.pick {
                Pick::Newest => Self::One { group, stream },
                Pick::EachToItsStream => Self::ByPath { group, before: stream },
                Pick::EachToItsGroup => Self::GroupByPath { stream },
            },
        }
    }

    /// Those of patterns that would send this path, which an item names, to the item's own stream.
    fn around(item: &FileItem) -> Vec<Self> {
        let (group, stream) = (&item.target.group, &item.target.stream);
        let name = Pick::EachToItsStream.names("", "", &item.path).1;
        let by_path = stream.strip_suffix(&name);
        let by_path = by_path.map(|before| Self::ByPath { group: group.clone(), before: before.to_owned() });
        let by_group = (Pick::EachToItsGroup.names("", "", &item.path).0 == *group)
            .then(|| Self::GroupByPath { stream: stream.clone() });
        by_path.into_iter().chain(by_group).collect()
    }
}

/// Tells patterns that follow every match which of them belong to another item.
pub fn settle(files: Vec<&mut FileItem>) {
    let mut named: HashMap<Streams, HashMap<PathBuf, String>> = HashMap::new();
    let mut patterns: HashMap<Streams, Vec<(String, Arc<Matching>)>> = HashMap::new();
    for file in &files {
        match &file.selection {
            Selection::This => {
                for streams in Streams::around(file) {
                    named.entry(streams).or_default().entry(file.path.clone()).or_insert_with(|| file.at.clone());
                }
            }
            Selection::Matching(rule) if rule.pick == Pick::Newest => {}
            Selection::Matching(rule) => {
                patterns.entry(Streams::of(file)).or_default().push((file.at.clone(), rule.clone()));
            }
        }
    }
    type Rules = Arc<[(String, Arc<Matching>)]>;
    let patterns: HashMap<Streams, Rules> =
        patterns.into_iter().map(|(streams, rules)| (streams, rules.into())).collect();
    let mut before: HashMap<Streams, usize> = HashMap::new();
    for file in files {
        let streams = Streams::of(file);
        let Selection::Matching(rule) = &mut file.selection else { continue };
        let Some(all) = patterns.get(&streams) else { continue };
        let named = named.get(&streams).cloned().unwrap_or_default();
        let place = before.entry(streams).or_default();
        let others = Others { patterns: all.clone(), before: *place, named };
        *place += 1;
        *rule = Arc::new(Matching { others, ..rule.as_ref().clone() });
    }
}

/// What an item has in common with one that comes before it.
#[derive(Debug, Default, Eq, PartialEq)]
struct Shared {
    example: PathBuf,
    files: usize,
}

/// Items by their number: the one whose keys do nothing, and the one whose keys count.
type Found = BTreeMap<(usize, usize), Shared>;

/// Says which files, or which entries of a log, two items mean for the same stream. Looks at the host only where two items might mean one file.
pub fn check(settings: &Settings, root: &Section<'_>) {
    entries::check(settings, root);
    let items = &settings.logs.files;
    let circles = circles(items);
    if circles.is_empty() {
        return;
    }
    let sections = root.path(&["logs", "logs_collected", "files", "collect_list"]).items();
    let sections: HashMap<&str, &Section<'_>> = sections.iter().map(|item| (item.at.as_str(), item)).collect();
    let (theirs, first) = (items.clone(), circles[0][0]);
    let looked = LOOKOUT.look("overlaps", LONGEST, move || found(&theirs, &circles));
    let section = |number: usize| sections.get(items[number].at.as_str()).map(|item| item.child("file_path"));
    match looked {
        Ok(found) => {
            for ((second, first), shared) in found {
                section(second).inspect(|section| {
                    let at = section.called(&items[first].at);
                    section.warning(in_words(&shared, &at, &items[first], &items[second]));
                });
            }
        }
        Err(Unanswered::Late) => _ = section(first).inspect(|section| section.warning(format!(
            "whether another item means the same files for the same stream could not be found out in {} seconds: a file system does not answer, \
             or is very large. Each file is read once, with the keys of one item",
            LONGEST.as_secs()
        ))),
        // Nothing can be said, and the start says why soon enough.
        Err(Unanswered::NoThread) => {}
    }
}

/// `at`: what the first one is called.
fn in_words(shared: &Shared, at: &str, first: &FileItem, second: &FileItem) -> String {
    let example = shared.example.display();
    let files = match shared.files {
        1 => format!("`{example}` is"),
        files => format!("`{example}` and {} more are", count(files - 1, "file")),
    };
    match Keys::of(first, second) {
        Keys::First { unless } => {
            let remedy = match second.selection {
                Selection::This => "remove one of the two, or name another stream",
                Selection::Matching(_) => "leave it out of one of the two with `exclude`, or name another stream",
            };
            format!(
                "{files} meant by {at} too, for the same stream: read once, with the keys of {at}{unless}; the filters, `redact` and all \
                 other keys of the other item do nothing for it; {remedy}"
            )
        }
        Keys::Either => format!(
            "{files} meant by {at} too, for the same stream: read once, with the keys of the item that follows it first, and that may be \
             either: each follows only the newest of the files that it means; the filters, `redact` and all other keys of the other item \
             do nothing for it; leave it out of one of the two with `exclude`, or write the same keys in both"
        ),
        Keys::Both => format!(
            "{files} meant by {at} too, and goes to the same stream by another way: sent twice, once with the keys of each, so that what \
             `redact` masks in one may stand in the other; leave it out of one of the two with `exclude`, or name another stream"
        ),
    }
}

/// Whose keys count for a file of two items.
enum Keys {
    /// Those of the one that counts before the other, with what may make an exception.
    First { unless: &'static str },
    /// Those of whichever follows it first.
    Either,
    /// Nobody knows that the streams are one: each sends it.
    Both,
}

impl Keys {
    fn of(first: &FileItem, second: &FileItem) -> Self {
        let pick = |item: &FileItem| match &item.selection {
            Selection::This => None,
            Selection::Matching(rule) => Some(rule.pick),
        };
        let is_newest = |pick: Pick| pick == Pick::Newest;
        match (pick(first), pick(second)) {
            (None, None) => Self::First { unless: ", or those here if an earlier run read it by them" },
            (Some(Pick::Newest), Some(Pick::Newest)) => Self::Either,
            (Some(one), Some(other)) if is_newest(one) != is_newest(other) => Self::Both,
            (Some(_), Some(_)) | (None, Some(_)) | (Some(_), None) => Self::First { unless: "" },
        }
    }
}

/// Items that may mean one file for one stream, each circle in the order in which they count.
fn circles(items: &[FileItem]) -> Vec<Vec<usize>> {
    let mut all: BTreeMap<Streams, Vec<usize>> = BTreeMap::new();
    for (number, item) in items.iter().enumerate() {
        all.entry(Streams::of(item)).or_default().push(number);
    }
    for (number, item) in items.iter().enumerate().filter(|(_, item)| matches!(item.selection, Selection::This)) {
        for streams in Streams::around(item) {
            all.entry(streams).and_modify(|circle| circle.push(number));
        }
    }
    let mut circles: Vec<Vec<usize>> = all.into_values().filter(|circle| circle.len() > 1).collect();
    circles.extend(pairs(items));
    for circle in &mut circles {
        circle.sort_by_key(|number| (!matches!(items[*number].selection, Selection::This), *number));
    }
    circles
}

/// Patterns that give each file a stream of its own, and one that follows the newest file and is written to one of these.
fn pairs(items: &[FileItem]) -> Vec<Vec<usize>> {
    let (mut each, mut newest) = (Vec::new(), Vec::new());
    for (number, item) in items.iter().enumerate() {
        match (&item.selection, Streams::of(item)) {
            (Selection::This, _) => {}
            (Selection::Matching(_), streams @ Streams::One { .. }) => newest.push((number, streams)),
            (Selection::Matching(_), streams) => each.push((number, streams)),
        }
    }
    let may_be = |each: &Streams, one: &Streams| match (each, one) {
        (Streams::ByPath { group, before }, Streams::One { group: one, stream }) => {
            group == one && stream.starts_with(before.as_str())
        }
        (Streams::GroupByPath { stream }, Streams::One { stream: one, .. }) => stream == one,
        (Streams::One { .. } | Streams::ByPath { .. } | Streams::GroupByPath { .. }, _) => false,
    };
    let with = |(number, one): &(usize, Streams)| {
        let each = each.iter().filter(|(_, each)| may_be(each, one)).map(|(other, _)| vec![*other, *number]);
        each.collect::<Vec<_>>()
    };
    newest.iter().flat_map(with).collect()
}

/// Blocks.
fn found(items: &[FileItem], circles: &[Vec<usize>]) -> Found {
    let (mut all, mut left) = (Found::new(), MOST_LOOKED_AT);
    for circle in circles {
        let mut first: HashMap<FileId, usize> = HashMap::new();
        for number in circle {
            for path in meant(&items[*number], &mut left) {
                let Ok(stat) = files::stat(&path) else { continue };
                let one = *first.entry(stat.id).or_insert(*number);
                if one != *number && is_the_same(&items[one], &items[*number], &path) {
                    let shared = all.entry((*number, one)).or_default();
                    shared.files += 1;
                    if shared.files == 1 || path < shared.example {
                        shared.example = path;
                    }
                }
            }
        }
    }
    all
}

/// A pattern that gives every path a stream of its own meets another item at one path only. One path that two items name is an error.
fn is_the_same(first: &FileItem, second: &FileItem, path: &Path) -> bool {
    let is_its_stream = |each: &FileItem, pick: Pick, one: &FileItem| {
        let (group, stream) = pick.names(&each.target.group, &each.target.stream, path);
        (group, stream) == (one.target.group.clone(), one.target.stream.clone())
    };
    match (&first.selection, &second.selection) {
        (Selection::This, Selection::Matching(rule)) if rule.pick != Pick::Newest => first.path == path,
        (Selection::Matching(one), Selection::Matching(other)) => match (one.pick, other.pick) {
            (Pick::Newest, Pick::Newest) => first.path != second.path,
            (Pick::Newest, pick) => is_its_stream(second, pick, first),
            (pick, Pick::Newest) => is_its_stream(first, pick, second),
            (_, _) => first.path != second.path,
        },
        (Selection::This | Selection::Matching(_), _) => first.path != second.path,
    }
}

/// The files that an item would have without the others.
fn meant(item: &FileItem, left: &mut usize) -> Vec<PathBuf> {
    match &item.selection {
        Selection::This => vec![item.path.clone()],
        Selection::Matching(rule) => log_files::matches(&rule.alone(), left).into_iter().collect(),
    }
}

#[cfg(test)]
mod tests;
