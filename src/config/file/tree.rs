//! One text as a JSON tree in which each part knows where it stands.
//!
//! serde_json reads the text; this file only asks it for one level after the other as slices of the text (`RawValue`), so that
//! a part's address tells its line.
use super::broken::{Broken, Cause, broken};
use crate::config::section::{join, whole};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::{cell::OnceCell, collections::HashMap, fmt};

/// The deepest thing that either dialect says is about ten levels deep.
pub const DEEPEST: usize = 64;

/// One JSON value. No `Debug`: it may hold a password.
pub struct Node {
    /// Where its first byte stands: see [`super::File::place`].
    pub start: usize,
    pub value: Value,
    /// What a text comes to with the environment variables in it, once that was found out; `None`: it comes to nothing.
    filled: OnceCell<Option<String>>,
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

/// A key that stands twice in one object: its path and its two places.
pub struct Twice {
    pub path: String,
    pub first: usize,
    pub second: usize,
}

impl Node {
    pub fn new(start: usize, value: Value) -> Self {
        Self { start, value, filled: OnceCell::new() }
    }

    /// Let a text be another one. The first one who says so is heard.
    pub fn fill(&self, text: Option<String>) {
        let _ = self.filled.set(text);
    }

    /// The text that this is, or was filled with.
    pub fn text(&self) -> Option<&str> {
        match (&self.value, self.filled.get()) {
            (Value::Text(_), Some(filled)) => filled.as_deref(),
            (Value::Text(text), None) => Some(text),
            _ => None,
        }
    }

    /// The tree of a text, with the keys that stand twice.
    pub fn parse(text: &str) -> Result<(Self, Vec<Twice>), Broken> {
        let mut twice = Vec::new();
        let tree = top(text).and_then(|raw| node(text, raw, "", 0, &mut twice))?;
        Ok((tree, twice))
    }

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
            Value::Number(number) => match whole(number) {
                Some(whole) => into.push_str(&whole.to_string()),
                None => into.push_str(number),
            },
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

    /// The same tree of a text before which so many bytes stand.
    pub fn shift(&mut self, by: usize) {
        self.start += by;
        match &mut self.value {
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Text(_) => {}
            Value::List(items) => items.iter_mut().for_each(|item| item.shift(by)),
            Value::Table(entries) => {
                for entry in entries {
                    entry.start += by;
                    entry.node.shift(by);
                }
            }
        }
    }
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
    Ok(Node::new(start, value))
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
