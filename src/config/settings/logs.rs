//! Section `logs`.
use super::{Emf, text::TextRules};
use crate::{
    config::{glob::Glob, placeholder, rotation, words::words},
    model::{Entity, Fingerprint, LogGroupClass, limits::LOG_NAME},
};
use regex::bytes::Regex;
use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

/// Section `logs`.
#[derive(Clone, Debug, Default)]
pub struct Logs {
    /// The longest time a line may wait for its batch to fill.
    pub interval: Duration,
    pub files: Vec<FileItem>,
    pub journal: Option<Journal>,
    pub journald: Vec<JournaldItem>,
    pub windows_events: Vec<WindowsItem>,
    pub unified_log: Vec<UnifiedItem>,
    pub emf: Option<Emf>,
    /// `logs.credentials.role_arn`, else the agent's.
    pub role_arn: Option<String>,
    /// Calls of CloudWatch Logs on their way at once, in the whole process (`logs.concurrency`).
    pub concurrency: Option<usize>,
    /// Whether events that the service discards by their time are kept in the dead-letter file (`logs.keep_rejected`).
    pub keep_rejected: bool,
}

impl Logs {
    /// Whether there is any log to read.
    pub fn collects_something(&self) -> bool {
        let Self { files, journal, journald, windows_events, unified_log, emf, .. } = self;
        let lists_are_empty =
            files.is_empty() && journald.is_empty() && windows_events.is_empty() && unified_log.is_empty();
        journal.is_some() || emf.is_some() || !lists_are_empty
    }
}

/// Group and stream with their placeholders still in them.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct TargetTemplate {
    pub group: String,
    pub stream: String,
    pub retention_in_days: Option<u16>,
    pub class: Option<LogGroupClass>,
    /// Without the account, which is found out when it runs.
    pub entity: Option<Arc<Entity>>,
}

/// One entry of `logs.logs_collected.files.collect_list`.
#[derive(Clone, Debug)]
pub struct FileItem {
    /// Its JSON path, for messages: `logs.logs_collected.files.collect_list[0]`.
    pub at: String,
    /// As it is written, also where it is a pattern.
    pub path: PathBuf,
    pub selection: Selection,
    pub target: TargetTemplate,
    pub text: Arc<TextRules>,
    /// Where a file that is there at the first start begins. Files that appear later always begin at their beginning.
    pub from_beginning: bool,
    /// It is a FIFO, also when nothing is there at the start. `None`: it is one when one is there then.
    pub pipe: Option<bool>,
}

/// Which files an item means.
#[derive(Clone, Debug, Default)]
pub enum Selection {
    /// The one at its path.
    #[default]
    This,
    /// Those that match its path, now and later.
    Matching(Arc<Matching>),
}

/// A pattern and what goes with it.
#[derive(Clone, Debug)]
pub struct Matching {
    pub glob: Glob,
    pub pick: Pick,
    /// Files whose base name it finds something in are passed over.
    pub blacklist: Option<Regex>,
    /// Files whose path one of these matches are passed over.
    pub exclude: Vec<Glob>,
    /// A file is removed when all of it is delivered and a newer one is followed.
    pub auto_removal: bool,
    /// Files that belong to another item, which sends them to the same streams.
    pub others: Others,
}

/// What other items take of what a pattern matches. One file in one stream has one item, and its keys.
#[derive(Clone, Debug, Default)]
pub struct Others {
    /// Every pattern that sends to the same streams, in the order of the file, each with the JSON path of its item.
    pub patterns: Arc<[(String, Arc<Matching>)]>,
    /// So many of these stand before the one that this is of.
    pub before: usize,
    /// Paths that items name, and the JSON paths of these items.
    pub named: HashMap<PathBuf, String>,
}

impl Others {
    /// The item that has this file, if it is another one: its JSON path.
    fn taker(&self, path: &Path) -> Option<&str> {
        let before = self.patterns.iter().take(self.before);
        self.named
            .get(path)
            .or_else(|| before.filter(|other| means(other, path)).map(|(at, _)| at).next())
            .map(String::as_str)
    }
}

fn means((_, rule): &(String, Arc<Matching>), path: &Path) -> bool {
    rule.glob.matches(path) && !rule.leaves_out(path)
}

/// Which of the files that match are followed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Pick {
    /// The one that was written to last; one before it to its end.
    Newest,
    /// Each, to a stream of the item's group whose name ends with its path (`publish_multi_logs`).
    EachToItsStream,
    /// Each, to a group that is named by its path.
    EachToItsGroup,
}

impl Matching {
    /// Whether a file is passed over although the pattern matches it: no pattern means files whose bytes are no lines.
    pub fn leaves_out(&self, path: &Path) -> bool {
        self.refuses(path) || self.others.taker(path).is_some()
    }

    /// The item, by its JSON path, that a file is left to which this pattern means as well.
    pub fn left_to(&self, path: &Path) -> Option<&str> {
        self.others.taker(path).filter(|_| !self.refuses(path))
    }

    /// The items, by their JSON paths, that leave a file to this one although they mean it as well.
    pub fn left_by(&self, path: &Path) -> impl Iterator<Item = &str> {
        let after = self.others.patterns.iter().skip(self.others.before + 1);
        after.filter(move |other| means(other, path)).map(|(at, _)| at.as_str())
    }

    /// The JSON path of its item, where other patterns send to the same streams.
    pub fn at(&self) -> Option<&str> {
        self.others.patterns.get(self.others.before).map(|(at, _)| at.as_str())
    }

    /// The pattern as it would be without other items.
    pub fn alone(&self) -> Self {
        Self { others: Others::default(), ..self.clone() }
    }

    fn refuses(&self, path: &Path) -> bool {
        let name = path.file_name().unwrap_or_default();
        rotation::is_packed(&name.to_string_lossy())
            || self.blacklist.as_ref().is_some_and(|regex| regex.is_match(name.as_encoded_bytes()))
            || self.exclude.iter().any(|glob| glob.matches(path))
    }
}

impl Pick {
    /// Group and stream of the file at `path`, where the item's own are `group` and `stream`. A path that is too long for a
    /// name is cut, and told from others by a hash.
    pub fn names(self, group: &str, stream: &str, path: &Path) -> (String, String) {
        let path = path.to_string_lossy();
        match self {
            Self::Newest => (group.to_owned(), stream.to_owned()),
            Self::EachToItsStream => {
                let path = placeholder::stream_value(&path.replace(['/', '\\'], "_")).into_owned();
                (group.to_owned(), fitting(format!("{stream}{path}")))
            }
            Self::EachToItsGroup => {
                (fitting(placeholder::group_value(&path.replace('\\', "/")).into_owned()), stream.to_owned())
            }
        }
    }
}

fn fitting(name: String) -> String {
    if name.chars().count() <= LOG_NAME {
        return name;
    }
    let hash = format!("_{:016x}", Fingerprint::of(name.as_bytes()).hash);
    name.chars().take(LOG_NAME - hash.len()).chain(hash.chars()).collect()
}

/// `logs.logs_collected.journal`.
#[derive(Clone, Debug)]
pub struct Journal {
    pub at: String,
    pub target: TargetTemplate,
    pub text: Arc<TextRules>,
}

/// One entry of `logs.logs_collected.journald.collect_list`.
#[derive(Clone, Debug)]
pub struct JournaldItem {
    pub at: String,
    /// What saved positions call it: its templates, and a mark of what it selects where another item has the same ones.
    pub item: String,
    /// The stream may have `{unit}` in it: one stream a unit.
    pub target: TargetTemplate,
    pub text: Arc<TextRules>,
    pub selection: EntrySelection,
    pub format: JournalFormat,
}

/// Which entries of the journal are read: any of the units, this priority or a graver one, and any of the matches.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct EntrySelection {
    /// As `journalctl --unit` takes them. Empty: all.
    pub units: Vec<String>,
    /// 0 (`emerg`) to 7 (`debug`); `None` also takes entries without one.
    pub priority: Option<u8>,
    /// Fields and values that an entry must have, all of one list. Empty: none is asked for.
    pub matches: Vec<Vec<(String, String)>>,
}

/// Priorities as `journalctl --priority` takes them: by name, the gravest first, and by number.
pub const PRIORITIES: &[&str] =
    &["emerg", "alert", "crit", "err", "warning", "notice", "info", "debug", "0", "1", "2", "3", "4", "5", "6", "7"];

/// The number of a priority.
pub fn priority(word: &str) -> Option<u8> {
    let names = PRIORITIES.len() / 2;
    PRIORITIES.iter().position(|known| *known == word).and_then(|at| u8::try_from(at % names).ok())
}

words! {
    /// What is sent of an entry of the journal.
    #[derive(Default)]
    pub enum JournalFormat {
        /// `{"body":{...}}` with every field, as the agent sends it.
        Json = "json",
        /// `IDENTIFIER[PID]: MESSAGE`.
        #[default]
        Message = "message",
    }
}

/// One entry of `logs.logs_collected.windows_events.collect_list`.
#[derive(Clone, Debug)]
pub struct WindowsItem {
    pub at: String,
    pub item: String,
    pub target: TargetTemplate,
    pub text: Arc<TextRules>,
    /// The channel: `System`, `Microsoft-Windows-PowerShell/Operational`.
    pub channel: String,
    /// As events have them, 0 to 5. Empty: all.
    pub levels: Vec<u8>,
    /// Empty: all.
    pub ids: Vec<u16>,
    pub format: EventFormat,
}

words! {
    /// How grave a Windows event is.
    pub enum EventLevel {
        Critical = "CRITICAL",
        Error = "ERROR",
        Warning = "WARNING",
        Information = "INFORMATION",
        Verbose = "VERBOSE",
    }
}

impl EventLevel {
    /// The numbers of a level. 0 is `LogAlways`, which Windows shows as information.
    /// <https://learn.microsoft.com/en-us/windows/win32/wes/eventmanifestschema-leveltype-complextype>
    pub const fn numbers(self) -> &'static [u8] {
        match self {
            Self::Critical => &[1],
            Self::Error => &[2],
            Self::Warning => &[3],
            Self::Information => &[4, 0],
            Self::Verbose => &[5],
        }
    }
}

words! {
    /// What is sent of a Windows event.
    #[derive(Default)]
    pub enum EventFormat {
        /// `[Channel] [LEVEL] [EventID] [Provider] [Computer] [Message]`.
        Text = "text",
        #[default]
        Xml = "xml",
    }
}

/// One entry of `logs.logs_collected.unified_log`.
#[derive(Clone, Debug)]
pub struct UnifiedItem {
    pub at: String,
    pub item: String,
    pub target: TargetTemplate,
    pub text: Arc<TextRules>,
    /// As `log show --predicate` takes it; one for the subsystem is part of it.
    pub predicate: Option<String>,
    pub level: UnifiedLevel,
}

words! {
    /// The least important entries of the unified log that are read; each level has those before it.
    #[derive(Default)]
    pub enum UnifiedLevel {
        #[default]
        Default = "default",
        Info = "info",
        Debug = "debug",
    }
}

/// Which events are sent. An event passes when it matches any `include_patterns` (if there are any), no `exclude_patterns`,
/// and every rule of `filters`.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    pub include_patterns: Vec<Regex>,
    pub exclude_patterns: Vec<Regex>,
    pub rules: Vec<FilterRule>,
}

impl Filter {
    /// Whether it lets every event pass, whatever stands in it.
    pub fn is_open(&self) -> bool {
        let Self { include_patterns, exclude_patterns, rules } = self;
        include_patterns.is_empty() && exclude_patterns.is_empty() && rules.is_empty()
    }
}

/// One entry of the agent's `filters`.
#[derive(Clone, Debug)]
pub struct FilterRule {
    pub kind: FilterKind,
    pub expression: Regex,
}

words! {
    /// What a match of a filter rule means.
    pub enum FilterKind {
        Include = "include",
        Exclude = "exclude",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_priority_has_a_name_and_a_number() {
        let (names, numbers) = PRIORITIES.split_at(8);
        for (number, (name, digit)) in (0..).zip(names.iter().zip(numbers)) {
            assert_eq!((priority(name), priority(digit)), (Some(number), Some(number)), "{name}");
            assert_eq!(digit.parse(), Ok(number));
        }
        assert_eq!(priority("8"), None);
    }
}
