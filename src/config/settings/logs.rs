//! Section `logs`.
use super::Emf;
use regex::bytes::Regex;
use std::{path::PathBuf, time::Duration};

/// Section `logs`.
#[derive(Clone, Debug, Default)]
pub struct Logs {
    /// The longest time a line may wait for its batch to fill.
    pub interval: Duration,
    pub files: Vec<FileItem>,
    pub journal: Option<Journal>,
    pub emf: Option<Emf>,
    /// `logs.credentials.role_arn`, else the agent's.
    pub role_arn: Option<String>,
}

impl Logs {
    /// Whether there is anything to read.
    pub fn collects_something(&self) -> bool {
        self.journal.is_some() || self.emf.is_some() || !self.files.is_empty()
    }
}

/// Group and stream with their placeholders still in them.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TargetTemplate {
    pub group: String,
    pub stream: String,
    pub retention_in_days: Option<u16>,
}

/// One entry of `logs.logs_collected.files.collect_list`.
#[derive(Clone, Debug)]
pub struct FileItem {
    /// Its JSON path, for messages: `logs.logs_collected.files.collect_list[0]`.
    pub at: String,
    pub path: PathBuf,
    pub target: TargetTemplate,
    pub filter: Filter,
    /// Where a file that is there at the first start begins. Files that appear later always begin at their beginning.
    pub from_beginning: bool,
    /// It is a FIFO, also when nothing is there at the start. `None`: it is one when one is there then.
    pub pipe: Option<bool>,
}

/// `logs.logs_collected.journal`.
#[derive(Clone, Debug)]
pub struct Journal {
    pub at: String,
    pub target: TargetTemplate,
    pub filter: Filter,
}

/// Which events are sent. An event passes when it matches any `include_patterns` (if there are any), no `exclude_patterns`,
/// and every rule of `filters`.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    pub include_patterns: Vec<Regex>,
    pub exclude_patterns: Vec<Regex>,
    pub rules: Vec<FilterRule>,
}

/// One entry of the agent's `filters`.
#[derive(Clone, Debug)]
pub struct FilterRule {
    pub kind: FilterKind,
    pub expression: Regex,
}

/// What a match of a filter rule means.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum FilterKind {
    Include,
    Exclude,
}
