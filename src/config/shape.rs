//! What may stand where: the type of each key, as data, and the one walk that checks a file against it.
//!
//! The tables themselves are in `keys`. Every key that either dialect knows is in them, whether it is run already or not, so a known key of
//! the wrong type is an error even where we do not run it, and one that we do not run is said to be known.
//! To add a key: write its line in `keys`, then read it in the decoder of its section.
mod texts;

use super::{
    environment::Environment,
    finding::{Severity, guessed, meant, meant_word},
    section::Section,
    variables::Unset,
};
use crate::{
    config::{
        dialect::Dialect,
        file::{Entry, Value},
        places, retention,
    },
    model::brief,
};
use std::collections::HashMap;

/// What may stand behind a key.
#[derive(Clone, Copy)]
pub enum Shape {
    Any,
    /// For keys that may be there and say nothing.
    Null,
    Bool,
    /// Text of so many characters. Environment variables are put in; one that is not set stays as it is written.
    Text(usize, usize),
    /// The same, of a thing without which nothing is sent: a variable that is not set is an error where AWS is to be reached.
    Vital(usize, usize),
    /// The name of a log group, of so many characters. What a variable is called cannot stand in it, so one that is not set is an error, too.
    Group(usize, usize),
    /// Text of so many characters that is taken as it stands: patterns and commands have their own meaning for `$`.
    Verbatim(usize, usize),
    /// The ARN of a role, as vital.
    Role,
    /// Text that no message repeats.
    Secret,
    /// One of these words.
    Word(&'static [&'static str]),
    /// A whole number from and to.
    Int(i64, i64),
    /// Days that CloudWatch Logs offers; with `-1` for "leave the group's own".
    Retention,
    List(&'static List),
    Table(&'static Table),
    /// One of these, told apart by their JSON type.
    Either(&'static [Shape]),
}

/// A list of one kind of thing.
#[derive(Clone, Copy)]
pub struct List {
    pub of: Shape,
    pub min: usize,
    pub max: usize,
    /// No two items are equal.
    pub unique: bool,
}

/// An object and its keys.
#[derive(Clone, Copy)]
pub struct Table {
    pub keys: &'static [Key],
    /// More keys, which other tables have too.
    pub shared: &'static [Key],
    pub others: Others,
    /// Keys that must be there.
    pub needs: &'static [&'static str],
    /// Keys of which one must be there.
    pub needs_any: &'static [&'static str],
    pub min: usize,
    pub max: usize,
}

/// What becomes of a key that the table does not name.
#[derive(Clone, Copy)]
pub enum Others {
    /// It is a mistake.
    Error,
    /// The agent refuses its file for it, and so do we; in the publisher's dialect it is only a warning.
    ErrorForAgent,
    /// It may be somebody else's: said, and ignored.
    Warn,
    /// The agent takes anything here.
    Accept,
    /// The names are the user's own, and each value is one of these.
    Each(Shape),
    /// The same, but what has a name of which this holds is left to the reader of the section.
    EachUnless(fn(&str) -> bool, Shape),
    /// The same, but each is reported as not run.
    EachLater(Shape),
}

/// One key of a table.
#[derive(Clone, Copy)]
pub struct Key {
    pub name: &'static str,
    pub shape: Shape,
    /// Known, but not run by this version.
    pub later: bool,
}

/// A key that is run, or one inside of a part that as a whole is not.
pub const fn key(name: &'static str, shape: Shape) -> Key {
    Key { name, shape, later: false }
}

/// A key that is known but not run yet.
pub const fn later(name: &'static str, shape: Shape) -> Key {
    Key { name, shape, later: true }
}

/// An object with these keys, of which none must be there.
pub const fn table(keys: &'static [Key], others: Others) -> Table {
    Table { keys, shared: &[], others, needs: &[], needs_any: &[], min: 0, max: usize::MAX }
}

/// A list of any length.
pub const fn list(of: Shape) -> List {
    List { of, min: 0, max: usize::MAX, unique: false }
}

/// Checks a part of the file and all in it, and reports what does not fit. Puts the environment variables in.
pub fn check(shape: &Shape, section: &Section<'_>, dialect: &Dialect, environment: &Environment, unset: Unset) {
    Walk { dialect, environment, unset }.check(shape, section, false);
}

struct Walk<'a> {
    dialect: &'a Dialect,
    environment: &'a Environment,
    unset: Unset,
}

impl Walk<'_> {
    /// `later`: a part around this one was already said not to be run.
    fn check(&self, shape: &Shape, section: &Section<'_>, later: bool) {
        let Some(node) = section.node() else { return };
        match (shape, &node.value) {
            (Shape::Any, _) | (Shape::Null, Value::Null) | (Shape::Bool, Value::Bool(_)) => {}
            (
                Shape::Text(..)
                | Shape::Vital(..)
                | Shape::Group(..)
                | Shape::Verbatim(..)
                | Shape::Role
                | Shape::Secret,
                Value::Text(text),
            ) => {
                self.text(shape, section, text, later);
            }
            (Shape::Word(words), Value::Text(text)) => word(section, text, words),
            (Shape::Int(min, max), Value::Number(number)) => match section.int() {
                Some(int) if (*min..=*max).contains(&int) => {}
                Some(_) => section.error(format!("must be {}, found {}", range(*min, *max), brief(number))),
                None => section.error(format!("must be a whole number {}, found {}", range(*min, *max), brief(number))),
            },
            (Shape::Retention, Value::Number(number)) => match section.int() {
                Some(days) => retention::check(section, days),
                None => section.error(format!("must be a whole number of days, found {}", brief(number))),
            },
            (Shape::List(list), Value::List(_)) => self.list(list, section, later),
            (Shape::Table(table), Value::Table(_)) => self.table(table, section, later),
            (Shape::Either(shapes), value) => {
                match shapes.iter().find(|shape| shape.takes(value)) {
                    Some(shape) => self.check(shape, section, later),
                    None => wrong_type(shape, section),
                };
            }
            (
                Shape::Null
                | Shape::Bool
                | Shape::Text(..)
                | Shape::Vital(..)
                | Shape::Group(..)
                | Shape::Verbatim(..)
                | Shape::Role
                | Shape::Secret
                | Shape::Word(_)
                | Shape::Int(..)
                | Shape::Retention
                | Shape::List(_)
                | Shape::Table(_),
                _,
            ) => wrong_type(shape, section),
        }
    }

    fn list(&self, list: &List, section: &Section<'_>, later: bool) {
        let items = section.items();
        if items.len() < list.min {
            section.error(format!("needs {} or more, found {}", count(list.min, "item"), items.len()));
        }
        if items.len() > list.max {
            section.error(format!("takes at most {}, found {}", count(list.max, "item"), items.len()));
        }
        let mut seen: HashMap<String, usize> = HashMap::new();
        for (index, item) in items.iter().enumerate() {
            self.check(&list.of, item, later);
            if list.unique {
                let mut canonical = String::new();
                item.node().inspect(|node| node.canonical(&mut canonical));
                if let Some(first) = seen.insert(canonical, index) {
                    let first = item.called(&format!("{}[{first}]", section.at));
                    item.error(format!("says the same as {first}; remove one of the two"));
                }
            }
        }
    }

    fn table(&self, table: &Table, section: &Section<'_>, later: bool) {
        let names: Vec<&str> = table.all().map(|key| key.name).collect();
        for needed in table.needs.iter().filter(|needed| !section.means(needed, &names)) {
            section.error(format!("`{needed}` is missing"));
        }
        if !table.needs_any.is_empty() && !table.needs_any.iter().any(|needed| section.means(needed, &names)) {
            section.error(format!("needs one of {}", quoted(table.needs_any)));
        }
        let entries = section.entries();
        if entries.len() < table.min {
            section.error(format!("needs {} or more, found {}", count(table.min, "key"), entries.len()));
        }
        if entries.len() > table.max {
            section.error(format!("takes at most {}, found {}", count(table.max, "key"), entries.len()));
        }
        for entry in entries {
            let key = section.key(entry);
            match table.all().find(|known| known.name == entry.key) {
                Some(known) => {
                    let fits = known.shape.takes(&entry.node.value);
                    if let Some(other) = (!fits).then(|| table.taken_for(known, &entry.node.value)).flatten() {
                        let why = format!("expected {}, found {}", known.shape.in_words(), entry.node.kind());
                        key.report(Severity::Error, why, Some(other));
                        continue;
                    }
                    if known.later && !later && fits {
                        not_yet(&key);
                    }
                    self.check(&known.shape, &section.value(entry), later || known.later);
                }
                None => self.other(table, section, entry, later),
            }
        }
    }

    /// A key that the table does not name. `around`: the section in which it stands.
    fn other(&self, table: &Table, around: &Section<'_>, entry: &Entry, later: bool) {
        let (key, value, name) = (around.key(entry), around.value(entry), entry.key.as_str());
        let known = || meant(name, &table.all().map(|key| key.name).collect::<Vec<_>>());
        let severity = match table.others {
            // That the other one is missing is not said beside it, so this is what keeps the file from running.
            _ if known().is_some_and(|meant| table.misses(&meant, around)) => Severity::Error,
            Others::Accept => return,
            Others::EachUnless(is_left, _) if is_left(name) => return,
            Others::Each(shape) | Others::EachUnless(_, shape) => return self.check(&shape, &value, later),
            Others::EachLater(shape) => {
                if !later {
                    key.report(Severity::Warning, "not yet: not run by this version; ignored".into(), known());
                }
                return self.check(&shape, &value, true);
            }
            Others::Error => Severity::Error,
            Others::ErrorForAgent if self.dialect.agent => Severity::Error,
            Others::ErrorForAgent | Others::Warn => Severity::Warning,
        };
        let why = match severity {
            Severity::Error => "unknown key",
            Severity::Warning | Severity::Note => "unknown key; ignored",
        };
        let (near, places) = (known(), places::of(name, &key.at));
        let why = match &near {
            None if !places.is_empty() => {
                format!("{why}; it stands in the wrong place: it belongs to `{}`", places.join("` or `"))
            }
            Some(_) | None => why.into(),
        };
        key.report(severity, why, near);
    }
}

impl Table {
    fn all(&self) -> impl Iterator<Item = &'static Key> {
        self.keys.iter().chain(self.shared)
    }

    /// Whether this key, or one in place of it, must be there and none is.
    fn misses(&self, key: &str, section: &Section<'_>) -> bool {
        let instead = self.needs_any.contains(&key) && !self.needs_any.iter().any(|key| section.has(key));
        instead || (self.needs.contains(&key) && !section.has(key))
    }

    /// The other key that a value of the wrong type was meant for.
    fn taken_for(&self, key: &Key, value: &Value) -> Option<String> {
        let others = self.all().filter(|other| other.shape.takes(value)).map(|other| other.name);
        guessed(key.name, &others.collect::<Vec<_>>())
    }
}

impl Shape {
    /// Whether a value is of the right JSON type.
    fn takes(&self, value: &Value) -> bool {
        match self {
            Self::Any => true,
            Self::Null => matches!(value, Value::Null),
            Self::Bool => matches!(value, Value::Bool(_)),
            Self::Text(..)
            | Self::Vital(..)
            | Self::Group(..)
            | Self::Verbatim(..)
            | Self::Role
            | Self::Secret
            | Self::Word(_) => {
                matches!(value, Value::Text(_))
            }
            Self::Int(..) | Self::Retention => matches!(value, Value::Number(_)),
            Self::List(_) => matches!(value, Value::List(_)),
            Self::Table(_) => matches!(value, Value::Table(_)),
            Self::Either(shapes) => shapes.iter().any(|shape| shape.takes(value)),
        }
    }

    fn in_words(&self) -> String {
        match self {
            Self::Any => "anything".into(),
            Self::Null => "null".into(),
            Self::Bool => "true or false".into(),
            Self::Text(..) | Self::Vital(..) | Self::Group(..) | Self::Verbatim(..) | Self::Role | Self::Secret => {
                "text".into()
            }
            Self::Word(words) => format!("one of {}", quoted(words)),
            Self::Int(..) | Self::Retention => "a whole number".into(),
            Self::List(_) => "a list".into(),
            Self::Table(_) => "an object".into(),
            Self::Either(shapes) => shapes.iter().map(Self::in_words).collect::<Vec<_>>().join(" or "),
        }
    }
}

/// Says that a known key is not run.
pub fn not_yet(key: &Section<'_>) {
    key.warning("not yet: known, but not run by this version; ignored");
}

/// Reports a value of the wrong type, with the right spelling of it where that is plain.
fn wrong_type(shape: &Shape, section: &Section<'_>) {
    let Some(node) = section.node() else { return };
    let suggestion = match (shape, &node.value) {
        (Shape::Text(..) | Shape::Vital(..) | Shape::Group(..) | Shape::Verbatim(..), Value::Number(number)) => {
            Some(format!("\"{}\"", brief(number)))
        }
        (Shape::Word(words), Value::Number(number)) if words.contains(&number.as_str()) => {
            Some(format!("\"{number}\""))
        }
        (Shape::Bool, Value::Text(text)) if text == "true" || text == "false" => Some(text.clone()),
        (Shape::Int(..) | Shape::Retention, Value::Text(text)) if text.len() < 20 && text.parse::<i64>().is_ok() => {
            Some(text.clone())
        }
        _ => None,
    };
    section.report(Severity::Error, format!("expected {}, found {}", shape.in_words(), node.kind()), suggestion);
}

fn word(section: &Section<'_>, text: &str, words: &[&str]) {
    if !words.contains(&text) {
        let one = if words.len() == 1 { "must be" } else { "must be one of" };
        let why = format!("{one} {}, found `{}`", quoted(words), brief(text));
        section.report(Severity::Error, why, meant_word(text, words));
    }
}

fn range(min: i64, max: i64) -> String {
    if max == i64::MAX { format!("{min} or more") } else { format!("from {min} to {max}") }
}

/// `1 error`, `2 errors`.
pub fn count(n: usize, what: &str) -> String {
    if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") }
}

fn quoted(words: &[&str]) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}
