//! What the user wrote: the text, the JSON tree in it, and where each part of the tree stands.
//!
//! serde_json reads the text; this file only asks it for one level after the other as slices of the text (`RawValue`), so that
//! a part's address tells its line. Whatever is wrong with the text itself becomes a [`Finding`] here: no file, a folder, not UTF-8,
//! not JSON, nested too deep, one key twice. What the parts mean is not known here.
mod broken;

use self::broken::{Broken, Cause, broken, floor};
use super::{finding::Finding, section::join};
use crate::platform::permissions::{self, Rights};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::{
    collections::HashMap,
    fmt, fs, io,
    io::Read,
    path::{Path, PathBuf},
};

/// Far above any real configuration (16,384 log files fit), far below what would hurt a small machine.
const LARGEST: u64 = 16 * 1024 * 1024;
/// The deepest thing that either dialect says is about ten levels deep.
const DEEPEST: usize = 64;

/// The configuration as written.
pub struct File {
    pub path: PathBuf,
    pub text: String,
    pub tree: Node,
    /// Who may do what with the file that was read; `None` where the system cannot tell.
    pub rights: Option<Rights>,
    /// What is wrong with the text although it is JSON.
    pub(super) findings: Vec<Finding>,
    /// Where each line begins.
    lines: Vec<usize>,
}

/// One JSON value. No `Debug`: it may hold a password.
pub struct Node {
    /// First byte in the text.
    pub start: usize,
    pub value: Value,
}

/// What a [`Node`] is.
pub enum Value {
    Null,
    Bool(bool),
    /// As written: how large it may be is for its reader to say.
    Number(String),
    Text(String),
    List(Vec<Node>),
    Table(Vec<Entry>),
}

/// One key of a table, in the order of the text.
pub struct Entry {
    pub key: String,
    /// First byte of the key in the text.
    pub start: usize,
    pub node: Node,
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("File").field("path", &self.path).finish_non_exhaustive()
    }
}

impl File {
    /// Reads and parses the file.
    pub fn read(path: &Path) -> Result<Self, Box<Finding>> {
        let (bytes, rights) = contents(path).map_err(|error| Box::new(Finding::of_file(path, unreadable(&error))))?;
        Self::parse(path, bytes, rights)
    }

    /// Parses what stood in the file.
    pub fn parse(path: &Path, bytes: Vec<u8>, rights: Option<Rights>) -> Result<Self, Box<Finding>> {
        if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > LARGEST {
            let why = format!("larger than {} MiB; this is not a configuration", LARGEST / 1024 / 1024);
            return Err(Finding::of_file(path, why).into());
        }
        let text = String::from_utf8(bytes).map_err(|error| not_utf8(path, &error))?;
        let lines: Vec<usize> = std::iter::once(0).chain(text.match_indices('\n').map(|(i, _)| i + 1)).collect();
        let tree = Node { start: 0, value: Value::Null };
        let mut file = Self { path: path.to_owned(), text, tree, rights, findings: Vec::new(), lines };
        let mut twice = Vec::new();
        file.tree = match top(&file.text).and_then(|raw| node(&file.text, raw, "", 0, &mut twice)) {
            Ok(tree) => tree,
            Err(broken) => return Err(file.syntax(broken).into()),
        };
        file.findings = twice.iter().map(|twice| file.twice(twice)).collect();
        Ok(file)
    }

    /// Line and column, both from 1, of a byte of the text.
    pub fn place(&self, at: usize) -> (usize, usize) {
        let line = self.lines.partition_point(|start| *start <= at).saturating_sub(1);
        let before = self.text.get(self.lines[line]..at).unwrap_or_default();
        (line + 1, before.chars().count() + 1)
    }

    fn twice(&self, twice: &Twice) -> Finding {
        let (line, column) = self.place(twice.second);
        let (first, _) = self.place(twice.first);
        let why = format!("stands here on line {line} and before on line {first}; keep one of the two");
        let at = twice.path.clone();
        Finding { at, line: Some(line), column: Some(column), ..Finding::of_file(&self.path, why) }
    }

    fn syntax(&self, broken: Broken) -> Finding {
        let mut at = floor(&self.text, broken.at);
        let mut why = broken.why;
        // A trailing comma is only noticed at the bracket behind it.
        let before = self.text[..at].trim_end();
        if matches!(why, Cause::Syntax(_)) && self.text[at..].starts_with(['}', ']']) && before.ends_with(',') {
            (at, why) = (before.len() - 1, Cause::TrailingComma);
        }
        // The end of a line belongs to the line that it ends.
        if at == self.text.len() || self.text.as_bytes()[at] == b'\n' {
            at = self.text[..at].trim_end().char_indices().next_back().map_or(0, |(i, _)| i);
        }
        let (line, column) = self.place(at);
        let why = why.in_words(&self.text, at);
        let excerpt = (!self.text.trim().is_empty()).then(|| self.excerpt(line, column));
        Finding { line: Some(line), column: Some(column), excerpt, ..Finding::of_file(&self.path, why) }
    }

    /// A window of one line around a column, with a caret below. Everything behind the word `password` is starred out.
    fn excerpt(&self, line: usize, column: usize) -> String {
        /// Characters shown on each side.
        const WINDOW: usize = 60;
        let start = self.lines[line - 1];
        let text = self.text[start..].lines().next().unwrap_or_default();
        let lower = text.to_ascii_lowercase();
        let continues =
            self.text[..start].trim_end().to_ascii_lowercase().trim_end_matches([' ', ':', '"']).ends_with("password");
        let secret = if continues { Some(0) } else { lower.find("password").map(|at| at + "password".len()) };
        let shown: String = text
            .char_indices()
            .map(|(at, c)| match c {
                c if c.is_control() => ' ',
                c if secret.is_some_and(|secret| at >= secret)
                    && !c.is_ascii_whitespace()
                    && !"\":,{}[]".contains(c) =>
                {
                    '*'
                }
                c => c,
            })
            .collect();
        let from = (column - 1).saturating_sub(WINDOW);
        let window: String = shown.chars().skip(from).take(2 * WINDOW).collect();
        format!("    {}\n    {}^", window.trim_end(), " ".repeat(column - 1 - from))
    }
}

impl Node {
    /// The value of a key; the last one where it stands twice.
    pub fn get(&self, key: &str) -> Option<&Node> {
        match &self.value {
            Value::Table(entries) => entries.iter().rev().find(|entry| entry.key == key).map(|entry| &entry.node),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Text(_) | Value::List(_) => None,
        }
    }

    /// What it is, in words for people.
    pub fn kind(&self) -> &'static str {
        match &self.value {
            Value::Null => "null",
            Value::Bool(_) => "true or false",
            Value::Number(_) => "a number",
            Value::Text(_) => "text",
            Value::List(_) => "a list",
            Value::Table(_) => "an object",
        }
    }

    /// A text that is equal for equal values, whatever their layout.
    pub fn canonical(&self, into: &mut String) {
        match &self.value {
            Value::Null => into.push_str("null"),
            Value::Bool(flag) => into.push_str(if *flag { "true" } else { "false" }),
            Value::Number(number) => into.push_str(number),
            Value::Text(text) => into.push_str(&format!("{text:?}")),
            Value::List(items) => {
                into.push('[');
                for item in items {
                    item.canonical(into);
                    into.push(',');
                }
                into.push(']');
            }
            Value::Table(entries) => {
                let mut sorted: Vec<&Entry> = entries.iter().collect();
                sorted.sort_by(|a, b| a.key.cmp(&b.key));
                into.push('{');
                for entry in sorted {
                    into.push_str(&format!("{:?}:", entry.key));
                    entry.node.canonical(into);
                    into.push(',');
                }
                into.push('}');
            }
        }
    }
}

/// The bytes of a file, and whose it is. Asked of the open file, so that both are of the same one.
fn contents(path: &Path) -> io::Result<(Vec<u8>, Option<Rights>)> {
    // Asked beforehand, because Windows calls an opened folder "access denied".
    if path.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    let file = fs::File::open(path)?;
    let metadata = file.metadata()?;
    let mut bytes = Vec::new();
    file.take(LARGEST + 1).read_to_end(&mut bytes)?;
    Ok((bytes, permissions::of(&metadata)))
}

fn unreadable(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "there is no such file; create it, or name another as the first argument".into(),
        io::ErrorKind::PermissionDenied => "may not be read by this user; change its owner or mode".into(),
        io::ErrorKind::IsADirectory => "is a folder; name the configuration file in it".into(),
        _ => format!("cannot be read: {error}"),
    }
}

fn not_utf8(path: &Path, error: &std::string::FromUtf8Error) -> Finding {
    let valid = error.utf8_error().valid_up_to();
    let before = &error.as_bytes()[..valid];
    let start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let column = String::from_utf8_lossy(&before[start..]).chars().count() + 1;
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    let why = "is not UTF-8 from here on; save it as UTF-8";
    Finding { line: Some(line), column: Some(column), ..Finding::of_file(path, why) }
}

/// A key that stands twice in one object: its path and its two places.
struct Twice {
    path: String,
    first: usize,
    second: usize,
}

fn top(text: &str) -> Result<&RawValue, Broken> {
    if text.starts_with('\u{feff}') {
        return Err(Broken { at: 0, why: Cause::ByteOrderMark });
    }
    if text.trim().is_empty() {
        return Err(Broken { at: 0, why: Cause::Empty });
    }
    serde_json::from_str(text).map_err(|error| broken(text, 0, &error))
}

/// One value and, by recursion of at most [`DEEPEST`] levels, all in it. Each level is scanned once more than the one above it.
fn node(text: &str, raw: &RawValue, path: &str, depth: usize, twice: &mut Vec<Twice>) -> Result<Node, Broken> {
    let raw = raw.get();
    // Both are slices of the same text: the distance of their addresses is an offset.
    let start = raw.as_ptr() as usize - text.as_ptr() as usize;
    if depth > DEEPEST {
        return Err(Broken { at: start, why: Cause::TooDeep });
    }
    let failed = |error: serde_json::Error| broken(text, start, &error);
    let value = match raw.as_bytes().first() {
        Some(b'{') => {
            let Entries(entries) = serde_json::from_str(raw).map_err(failed)?;
            table(text, start, entries, path, depth, twice)?
        }
        Some(b'[') => {
            let Items(items) = serde_json::from_str(raw).map_err(failed)?;
            let item = |(i, item)| node(text, item, &format!("{path}[{i}]"), depth + 1, twice);
            Value::List(items.into_iter().enumerate().map(item).collect::<Result<_, _>>()?)
        }
        Some(b'"') => Value::Text(serde_json::from_str(raw).map_err(failed)?),
        Some(b't') => Value::Bool(true),
        Some(b'f') => Value::Bool(false),
        Some(b'n') => Value::Null,
        _ => Value::Number(raw.to_owned()),
    };
    Ok(Node { start, value })
}

fn table(
    text: &str,
    start: usize,
    entries: Vec<(String, &RawValue)>,
    path: &str,
    depth: usize,
    twice: &mut Vec<Twice>,
) -> Result<Value, Broken> {
    let mut seen: HashMap<String, usize> = HashMap::new();
    let mut table = Vec::with_capacity(entries.len());
    let mut end = start + 1;
    for (key, raw) in entries {
        // Between the value before and this one there is nothing but space, a comma, the key and a colon.
        let at = text[end..].find('"').map_or(end, |quote| end + quote);
        let path = join(path, &key);
        let node = node(text, raw, &path, depth + 1, twice)?;
        end = node.start + raw.get().len();
        if let Some(first) = seen.insert(key.clone(), at) {
            twice.push(Twice { path, first, second: at });
        }
        table.push(Entry { key, start: at, node });
    }
    Ok(Value::Table(table))
}

/// An object, one level of it, with the keys that stand twice.
struct Entries<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Entries<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Each;
        impl<'de> Visitor<'de> for Each {
            type Value = Entries<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }
        from.deserialize_map(Each)
    }
}

/// A list, one level of it.
struct Items<'a>(Vec<&'a RawValue>);

impl<'de: 'a, 'a> Deserialize<'de> for Items<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Each;
        impl<'de> Visitor<'de> for Each {
            type Value = Items<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = list.next_element()? {
                    items.push(item);
                }
                Ok(Items(items))
            }
        }
        from.deserialize_seq(Each)
    }
}

#[cfg(test)]
mod tests;
