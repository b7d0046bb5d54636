//! Files that two items mean for the same stream. Each is read once, with the keys of one item: this decides of which, and says so before anything
//! is read, because the other one's `redact` and filters do nothing for it.
//!
//! An item that names the file comes before a pattern, and of two alike the first in the list. Patterns that follow every match are told here what
//! is not theirs. Of items that name one path each, and of patterns that follow the newest match, the reader of the files knows by the file's
//! number that it has it already; who was first there stays it at later starts.
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
    let mut named: HashMap<Streams, Vec<PathBuf>> = HashMap::new();
    let mut patterns: HashMap<Streams, Vec<Arc<Matching>>> = HashMap::new();
    for file in &files {
        match &file.selection {
            Selection::This => Streams::around(file)
                .into_iter()
                .for_each(|streams| named.entry(streams).or_default().push(file.path.clone())),
            Selection::Matching(rule) if rule.pick == Pick::Newest => {}
            Selection::Matching(rule) => patterns.entry(Streams::of(file)).or_default().push(rule.clone()),
        }
    }
    let patterns: HashMap<Streams, Arc<[Arc<Matching>]>> =
        patterns.into_iter().map(|(streams, rules)| (streams, rules.into())).collect();
    let mut before: HashMap<Streams, usize> = HashMap::new();
    for file in files {
        let streams = Streams::of(file);
        let Selection::Matching(rule) = &mut file.selection else { continue };
        let Some(all) = patterns.get(&streams) else { continue };
        let named = named.get(&streams).into_iter().flatten().cloned().collect();
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

/// Says which files two items mean for the same stream. Looks at the host only where two items might.
pub fn check(settings: &Settings, root: &Section<'_>) {
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
                section(second).inspect(|section| section.warning(in_words(&shared, &items[first], &items[second])));
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

fn in_words(shared: &Shared, first: &FileItem, second: &FileItem) -> String {
    let (example, at) = (shared.example.display(), &first.at);
    let files = match shared.files {
        1 => format!("`{example}` is"),
        files => format!("`{example}` and {} more are", count(files - 1, "file")),
    };
    let remedy = match second.selection {
        Selection::This => "remove one of the two, or name another stream",
        Selection::Matching(_) => "leave it out of one of the two with `exclude`, or name another stream",
    };
    let alike = std::mem::discriminant(&first.selection) == std::mem::discriminant(&second.selection);
    let before = match Streams::of(second) {
        Streams::One { .. } if alike => ", or those here if an earlier run read it by them",
        Streams::One { .. } | Streams::ByPath { .. } | Streams::GroupByPath { .. } => "",
    };
    format!(
        "{files} meant by {at} too, for the same stream: read once, with the keys of {at}{before}; the filters, `redact` and all \
         other keys of the other item do nothing for it; {remedy}"
    )
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
    for circle in &mut circles {
        circle.sort_by_key(|number| (!matches!(items[*number].selection, Selection::This), *number));
    }
    circles
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

/// A named file and a pattern that gives every path a stream of its own meet at one path only.
fn is_the_same(first: &FileItem, second: &FileItem, path: &Path) -> bool {
    match (&first.selection, &second.selection) {
        (Selection::This, Selection::Matching(rule)) if rule.pick != Pick::Newest => first.path == path,
        (Selection::This | Selection::Matching(_), _) => true,
    }
}

/// The files that an item would have without the others.
fn meant(item: &FileItem, left: &mut usize) -> Vec<PathBuf> {
    match &item.selection {
        Selection::This => vec![item.path.clone()],
        Selection::Matching(rule) => {
            let alone = Matching { others: Others::default(), ..rule.as_ref().clone() };
            log_files::matches(&alone, left).into_iter().collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{File, Finding, section::Findings};
    use serde_json::{Value, json};

    /// What is said of these items.
    fn said(items: &[Value]) -> Vec<String> {
        let (settings, file) = decoded(items);
        let findings = Findings::default();
        check(&settings, &Section::root(&file, &findings));
        findings.into_sorted().iter().map(Finding::to_string).collect()
    }

    fn decoded(items: &[Value]) -> (Settings, File) {
        let text = json!({ "logs": { "logs_collected": { "files": { "collect_list": items } } } }).to_string();
        let file = File::parse(Path::new("c.json"), text.into_bytes(), None).expect("JSON");
        let (settings, findings) = crate::config::decode(&file);
        assert!(!findings.iter().any(Finding::is_error), "{findings:?}");
        (settings, file)
    }

    fn folder(names: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        names.iter().for_each(|name| std::fs::write(folder.path().join(name), "x").expect("our folder"));
        folder
    }

    #[test]
    fn of_two_patterns_for_the_same_streams_the_first_one_has_the_file_and_it_is_said() {
        let folder = folder(&["a.log", "pay1.log", "pay2.log", "pay.txt"]);
        let item = |pattern: &str| json!({ "file_path": folder.path().join(pattern), "log_group_name": "g", "publish_multi_logs": true });
        let (wide, narrow) = (item("*.log"), item("pay*"));
        let (settings, _) = decoded(&[wide.clone(), narrow.clone()]);
        let (wide_rule, narrow_rule) = match &settings.logs.files[..] {
            [
                FileItem { selection: Selection::Matching(wide), .. },
                FileItem { selection: Selection::Matching(narrow), .. },
            ] => (wide, narrow),
            other => panic!("{other:?}"),
        };
        let path = |name: &str| folder.path().join(name);
        assert!(narrow_rule.leaves_out(&path("pay1.log")) && !wide_rule.leaves_out(&path("pay1.log")));
        assert!(!narrow_rule.leaves_out(&path("pay.txt")));
        let told = said(&[wide.clone(), narrow.clone()]);
        assert_eq!(told.len(), 1, "{told:?}");
        let example = path("pay1.log");
        let whole = format!(
            "collect_list[1].file_path: `{}` and 1 file more are meant by logs.logs_collected.files.collect_list[0] too",
            example.display()
        );
        assert!(
            told[0].contains(&whole) && told[0].contains(": warning: ") && told[0].contains("`redact`"),
            "{told:?}"
        );
        let turned = said(&[narrow, wide]);
        assert!(
            turned[0].contains("collect_list[1].file_path: ")
                && turned[0].contains("keys of logs.logs_collected.files.collect_list[0]")
        );
    }

    #[test]
    fn a_named_file_comes_before_a_pattern_wherever_it_stands() {
        let folder = folder(&["one.log", "two.log"]);
        let path = |name: &str| folder.path().join(name);
        for each in [true, false] {
            let item = |file: &str| json!({ "file_path": path(file), "log_group_name": "g", "log_stream_name": "s", "publish_multi_logs": each });
            let told = said(&[item("*.log"), item("one.log")]);
            assert_eq!(told.len(), 1, "{each} {told:?}");
            assert!(
                told[0].contains("collect_list[0].file_path: `") && told[0].contains("one.log` is meant by"),
                "{told:?}"
            );
            let (settings, _) = decoded(&[item("*.log"), item("one.log")]);
            let Selection::Matching(rule) = &settings.logs.files[0].selection else { panic!("a pattern") };
            assert_eq!(rule.leaves_out(&path("one.log")), each, "the reader of the files sees to the others");
            assert!(!rule.leaves_out(&path("two.log")));
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_link_and_what_it_leads_to_are_one_file() {
        let folder = folder(&["real.log"]);
        std::os::unix::fs::symlink(folder.path().join("real.log"), folder.path().join("link.log")).expect("linked");
        let item = |file: &str| json!({ "file_path": folder.path().join(file), "log_group_name": "g", "log_stream_name": "s" });
        let told = said(&[item("real.log"), item("link.log")]);
        assert!(told.len() == 1 && told[0].contains("link.log` is meant by"), "{told:?}");
        assert!(told[0].contains("remove one of the two"), "{told:?}");
    }

    #[test]
    fn one_file_for_two_streams_is_meant_so() {
        let folder = folder(&["a.log"]);
        let item = |pattern: &str, stream: &str| json!({ "file_path": folder.path().join(pattern), "log_group_name": "g", "log_stream_name": stream });
        assert_eq!(said(&[item("*.log", "s"), item("a*", "t"), item("a.log", "u")]), [""; 0]);
        assert_eq!(said(&[item("*.log", "s"), item("none*", "s")]), [""; 0]);
    }
}
