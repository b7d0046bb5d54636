//! JSON whose keys stay in their order and whose numbers stay as written: serde_json reads and checks it, one level after the other, as
//! slices of its text.
use super::ComposeError;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::{RawValue, to_raw_value};
use std::{collections::HashSet, fmt};

/// The deepest thing that either dialect says is about ten levels deep.
pub const DEEPEST: usize = 64;

/// Columns of a small object or list that may stay on one line.
const WIDEST: usize = 100;

/// What one level is indented by, as in `configs/`.
const STEP: &str = "    ";

/// The members of an object, in their order.
#[derive(Default)]
pub struct Members(Vec<(String, Box<RawValue>)>);

/// Why a part has no members.
pub enum Faulty {
    /// It is something else.
    Kind(&'static str),
    /// A key that it has more than once.
    Twice(String),
}

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = vec![];
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

impl Members {
    pub fn get(&self, key: &str) -> Option<&RawValue> {
        self.0.iter().find(|(name, _)| name == key).map(|(_, value)| &**value)
    }

    /// Puts it where the key stands, else behind all others.
    pub fn set(&mut self, key: &str, value: Box<RawValue>) {
        match self.0.iter_mut().find(|(name, _)| name == key) {
            Some((_, old)) => *old = value,
            None => self.0.push((key.to_owned(), value)),
        }
    }

    pub fn set_first(&mut self, key: &str, value: Box<RawValue>) {
        self.0.insert(0, (key.to_owned(), value));
    }

    pub fn remove(&mut self, keys: &[&str]) {
        self.0.retain(|(name, _)| !keys.contains(&name.as_str()));
    }

    /// Each member on a line, so that it is not taken for one that was written on one.
    pub fn into_raw(self) -> Box<RawValue> {
        let members: Vec<String> =
            self.0.iter().map(|(name, value)| format!("{}:{}", quoted(name), value.get())).collect();
        RawValue::from_string(format!("{{\n{}\n}}", members.join(",\n"))).expect("made of JSON")
    }
}

/// The members of an object.
pub fn members(value: &RawValue) -> Result<Members, Faulty> {
    let members: Members = serde_json::from_str(value.get()).map_err(|_| Faulty::Kind(kind(value)))?;
    let mut seen = HashSet::new();
    match members.0.iter().find(|(name, _)| !seen.insert(name)) {
        Some((name, _)) => Err(Faulty::Twice(name.clone())),
        None => Ok(members),
    }
}

fn kind(value: &RawValue) -> &'static str {
    match value.get().as_bytes().first() {
        Some(b'{') => "an object",
        Some(b'[') => "a list",
        Some(b'"') => "a text",
        Some(b't' | b'f') => "true or false",
        Some(b'n') => "null",
        _ => "a number",
    }
}

/// Where a text stops being JSON. Nothing of it is repeated.
pub fn not_json(error: &serde_json::Error) -> ComposeError {
    let why = if error.is_eof() { "it ends too early" } else { "something is wrong here or just before" };
    ComposeError::NotJson { line: error.line(), column: error.column(), why }
}

/// The same value, laid out for people. What stood on one line stays there, if there is nothing deeper in it.
pub fn pretty(value: &RawValue) -> Result<String, ComposeError> {
    let mut out = String::new();
    put(value, 0, &mut out)?;
    out.push('\n');
    Ok(out)
}

fn put(value: &RawValue, depth: usize, out: &mut String) -> Result<(), ComposeError> {
    if depth > DEEPEST {
        return Err(ComposeError::TooDeep);
    }
    let (items, open, close) = match value.get().as_bytes().first() {
        Some(b'{') => {
            let members: Members = serde_json::from_str(value.get()).map_err(|error| not_json(&error))?;
            let named = members.0.into_iter().map(|(name, value)| (quoted(&name) + ": ", value));
            (named.collect::<Vec<_>>(), '{', '}')
        }
        Some(b'[') => {
            let items: Vec<Box<RawValue>> = serde_json::from_str(value.get()).map_err(|error| not_json(&error))?;
            (items.into_iter().map(|value| (String::new(), value)).collect(), '[', ']')
        }
        _ => {
            out.push_str(value.get());
            return Ok(());
        }
    };
    out.push(open);
    let is_leaf = |value: &RawValue| !value.get().starts_with(['{', '[']);
    let width: usize = items.iter().map(|(name, value)| name.len() + value.get().len() + 2).sum();
    if items.iter().all(|(_, value)| is_leaf(value)) && width <= WIDEST && !value.get().contains('\n') {
        let items: Vec<String> = items.iter().map(|(name, value)| format!("{name}{}", value.get())).collect();
        let edge = if open == '{' && !items.is_empty() { " " } else { "" };
        out.push_str(&format!("{edge}{}{edge}", items.join(", ")));
    } else if !items.is_empty() {
        for (at, (name, value)) in items.iter().enumerate() {
            out.push_str(if at == 0 { "\n" } else { ",\n" });
            out.push_str(&STEP.repeat(depth + 1));
            out.push_str(name);
            put(value, depth + 1, out)?;
        }
        out.push('\n');
        out.push_str(&STEP.repeat(depth));
    }
    out.push(close);
    Ok(())
}

fn quoted(name: &str) -> String {
    to_raw_value(name).expect("a text is JSON").get().to_owned()
}
