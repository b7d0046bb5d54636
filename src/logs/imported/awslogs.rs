//! The state of `awslogs`, the predecessor of the agent: an SQLite database, and the configuration that explains it.
//!
//! | table | key `k` | JSON in `v` |
//! |---|---|---|
//! | `push_state` | fingerprint of a file: MD5 of the section's name and some of its first lines | `start_position` and `end_position` of the last batch |
//! | `stream_state` | name of a section | `source_id` (a fingerprint) and `initial_position` of the first file of the section |
//!
//! It notes a batch *before* it sends it. Whether that one arrived is nowhere, so reading goes on at its beginning: at most
//! one batch is sent twice.
use super::{Candidate, Imported, Wanted};
use crate::{model::FilePosition, platform::files};
use md5::{Digest, Md5};
use regex::Regex;
use rusqlite::{Connection, OptionalExtension};
use serde::{Deserialize, de::DeserializeOwned};
use std::{
    collections::BTreeMap,
    fs, io,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
};

/// For messages.
const FROM: &str = "the awslogs agent";
/// A few hundred bytes for each file that it ever read.
const DATABASE: u64 = 256 << 20;
/// The longest line that is part of a fingerprint.
const LINE: u64 = 1 << 20;

/// Where its files are.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Places {
    /// Configurations; the first definition of a section wins.
    pub configurations: Vec<PathBuf>,
    /// The database. `None`: as `state_file` says.
    pub state: Option<PathBuf>,
}

impl Places {
    /// Of the script that installed it, and of the package of Amazon Linux.
    pub fn usual() -> Self {
        let mut configurations = Vec::new();
        for folder in ["/var/awslogs/etc", "/etc/awslogs"] {
            configurations.push(Path::new(folder).join("awslogs.conf"));
            let more = fs::read_dir(Path::new(folder).join("config")).into_iter().flatten().flatten();
            let mut more: Vec<_> = more.map(|entry| entry.path()).collect();
            more.sort();
            configurations.extend(more);
        }
        Self { configurations, state: None }
    }

    /// Of copies of its configuration and its database in one folder.
    pub fn in_folder(folder: &Path) -> Self {
        Self { configurations: vec![folder.join("awslogs.conf")], state: Some(folder.join("agent-state")) }
    }
}

/// Why the state cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AwslogsError {
    #[error("{} cannot be read", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("{} is no database of awslogs", path.display())]
    Database { path: PathBuf, source: rusqlite::Error },
}

/// A section of the configuration that names a file.
#[derive(Debug)]
struct Section {
    name: String,
    file: String,
    group: String,
    stream: String,
    /// The lines that make the fingerprint, counted from 1.
    lines: (u64, u64),
}

impl Section {
    fn of(name: &str, keys: &BTreeMap<String, String>) -> Option<Self> {
        let text = |key: &str| keys.get(key).filter(|value| !value.is_empty()).cloned();
        let lines = text("file_fingerprint_lines").unwrap_or_else(|| "1".into());
        let (first, last) = lines.split_once('-').unwrap_or((&lines, &lines));
        let lines = (first.trim().parse().ok()?, last.trim().parse().ok()?);
        let (file, group, stream) = (text("file")?, text("log_group_name")?, text("log_stream_name")?);
        Some(Self { name: name.to_owned(), file, group, stream, lines })
    }

    /// Whether it collects this file.
    fn collects(&self, path: &Path) -> bool {
        path.to_str()
            .is_some_and(|path| self.file == path || matches(&self.file, &[("*", "[^/]*"), ("?", "[^/]")], path))
    }

    /// The wanted files that it means, where it names a pattern: of one folder, as awslogs reads the newest of them.
    fn matching(&self, wanted: Wanted<'_>) -> Vec<PathBuf> {
        let folder = Path::new(&self.file).parent().filter(|_| self.file.contains(['*', '?']));
        let entries = folder.and_then(|folder| fs::read_dir(folder).ok()).into_iter().flatten().flatten();
        let paths = entries.map(|entry| entry.path());
        paths.filter(|path| self.collects(path) && !(wanted.targets)(path).is_empty()).collect()
    }

    /// Whether it sends to this target.
    fn sends_to(&self, target: &str) -> bool {
        let any = [("{instance_id}", ".+"), ("{hostname}", ".+"), ("{ip_address}", ".+")];
        let parts = target.split_once(':');
        parts.is_some_and(|(group, stream)| matches(&self.group, &any, group) && matches(&self.stream, &any, stream))
    }

    /// By what it knows the file. `None`: the file has too few lines yet.
    fn fingerprint(&self, candidate: &Candidate) -> io::Result<Option<String>> {
        let mut hash = Md5::new();
        hash.update(self.name.as_bytes());
        let mut reader = BufReader::new(candidate.text());
        for number in 1..=self.lines.1 {
            let mut line = Vec::new();
            if io::Read::take(&mut reader, LINE).read_until(b'\n', &mut line)? == 0 {
                return Ok(None);
            }
            if number >= self.lines.0 {
                hash.update(&line);
            }
        }
        Ok(Some(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()))
    }
}

/// Whether a text is as `template` says, in which some words stand for a regular expression.
fn matches(template: &str, words: &[(&str, &str)], text: &str) -> bool {
    let pattern = words
        .iter()
        .fold(regex::escape(template), |pattern, (word, means)| pattern.replace(&regex::escape(word), means));
    Regex::new(&format!("^{pattern}$")).is_ok_and(|pattern| pattern.is_match(text))
}

/// Name and keys of each section. Values that go on in a further line are cut there: none of those that count do.
fn sections(text: &str) -> Vec<(String, BTreeMap<String, String>)> {
    let mut sections: Vec<(String, BTreeMap<String, String>)> = Vec::new();
    for line in text.lines().filter(|line| !line.trim_start().starts_with(['#', ';'])) {
        if let Some(name) = line.trim().strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            sections.push((name.to_owned(), BTreeMap::new()));
        } else if let (Some((_, keys)), Some(at)) = (sections.last_mut(), line.find(['=', ':']))
            && !line.starts_with(char::is_whitespace)
        {
            keys.insert(line[..at].trim().to_lowercase(), line[at + 1..].trim().to_owned());
        }
    }
    sections
}

/// Positions out of the state of `awslogs`. What is not there says nothing.
///
/// # Errors
/// When something is there and cannot be read.
pub fn positions(places: &Places, wanted: Wanted<'_>) -> Result<Vec<Imported>, AwslogsError> {
    let mut all: Vec<(String, BTreeMap<String, String>)> = Vec::new();
    for path in &places.configurations {
        match files::read_small(path, super::MOST) {
            Ok(text) => all.extend(sections(&String::from_utf8_lossy(&text))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(AwslogsError::Unreadable { path: path.clone(), source }),
        }
    }
    let general = all.iter().find(|(name, _)| name == "general");
    let named = || general.and_then(|(_, keys)| keys.get("state_file")).map(PathBuf::from);
    let state = places.state.clone().or_else(named).unwrap_or_else(|| "/var/awslogs/state/agent-state".into());
    let mut known = BTreeMap::new();
    for section in all.iter().filter_map(|(name, keys)| Section::of(name, keys)) {
        known.entry(section.name.clone()).or_insert(section);
    }
    if known.is_empty() || !state.exists() {
        return Ok(Vec::new());
    }
    let copy = copied(&state).map_err(|source| AwslogsError::Unreadable { path: state.clone(), source })?;
    let failed = |source| AwslogsError::Database { path: state.clone(), source };
    let database = Connection::open(copy.path().join("state")).map_err(failed)?;
    let mut found = Vec::new();
    for section in known.values() {
        let literal = PathBuf::from(&section.file);
        let mut paths: Vec<&Path> = wanted.named.iter().map(PathBuf::as_path).filter(|p| section.collects(p)).collect();
        if !paths.contains(&literal.as_path()) {
            paths.push(&literal);
        }
        let matching = section.matching(wanted);
        paths.extend(matching.iter().map(PathBuf::as_path).filter(|path| !wanted.named.iter().any(|p| p == path)));
        for path in paths {
            let targets: Vec<_> = (wanted.targets)(path).into_iter().filter(|t| section.sends_to(t)).collect();
            if targets.is_empty() {
                continue;
            }
            if let Some(position) = position(&database, section, path).map_err(failed)? {
                let position = |target: String| FilePosition { target: target.into(), ..position.clone() };
                found.extend(targets.into_iter().map(|target| Imported { position: position(target), from: FROM }));
            }
        }
    }
    Ok(found)
}

/// A copy of the database with what belongs to it: it may be in use, and to open one may mean to mend it.
fn copied(state: &Path) -> io::Result<tempfile::TempDir> {
    let folder = tempfile::Builder::new().prefix("amazon-cloudwatch-publisher-awslogs-").tempdir()?;
    for ending in ["", "-journal", "-wal"] {
        let mut from = state.as_os_str().to_owned();
        from.push(ending);
        match files::read_small(Path::new(&from), DATABASE) {
            Ok(bytes) => fs::write(folder.path().join(format!("state{ending}")), bytes)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound && !ending.is_empty() => {}
            Err(error) => return Err(error),
        }
    }
    Ok(folder)
}

#[derive(Deserialize)]
struct PushState {
    start_position: u64,
}

#[derive(Deserialize)]
struct StreamState {
    source_id: String,
    initial_position: u64,
}

/// Where reading goes on in the files of `path`: in the one at the path, else in the youngest rotated one beside it.
fn position(database: &Connection, section: &Section, path: &Path) -> rusqlite::Result<Option<FilePosition>> {
    let youngest = || Candidate::rotated(path).into_iter().next();
    for candidate in Candidate::open(path).ok().into_iter().chain(youngest()) {
        let Ok(Some(fingerprint)) = section.fingerprint(&candidate) else { continue };
        let pushed: Option<PushState> = value(database, "push_state", &fingerprint)?;
        let first: Option<StreamState> = value(database, "stream_state", &section.name)?;
        let first = first.filter(|first| first.source_id == fingerprint).map(|first| first.initial_position);
        let Some(offset) = pushed.map(|pushed| pushed.start_position).or(first) else { continue };
        let shown = path.display();
        let offset = if candidate.begins_a_line(offset).unwrap_or(false) {
            offset
        } else {
            tracing::warn!(path = %shown, offset, from = FROM, "no line begins where the other program stopped in this log file, so it was \
                written anew since: it is sent from its beginning");
            0
        };
        match candidate.position(path, offset) {
            Ok(position) => return Ok(Some(position)),
            Err(error) => {
                tracing::warn!(path = %shown, %error, from = FROM, "this log file cannot be read: it counts as seen for the first time")
            }
        }
    }
    Ok(None)
}

/// The JSON that a table has for a key, written as text or as bytes. What is no such JSON counts as nothing.
fn value<T: DeserializeOwned>(database: &Connection, table: &str, key: &str) -> rusqlite::Result<Option<T>> {
    // The old agent makes each table when it first needs it.
    let there = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?1";
    if database.query_row(there, [table], |_| Ok(())).optional()?.is_none() {
        return Ok(None);
    }
    let query = format!("SELECT CAST(v AS TEXT) FROM {table} WHERE k = ?1");
    let json: Option<String> = database.query_row(&query, [key], |row| row.get(0)).optional()?;
    Ok(json.and_then(|json| serde_json::from_str(&json).ok()))
}
