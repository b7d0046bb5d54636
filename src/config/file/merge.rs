//! Several files as one tree, by the rules of the CloudWatch Agent: a key may stand in one file, or say the same in all.
//!
//! Sections are merged key by key, and so are the objects that [`SECTIONS`] names; lists of things to collect are put together, each thing once.
//! What two files say differently is a finding. To let another object be merged key by key, add it to [`SECTIONS`].
use super::{
    File,
    tree::{Entry, Node, Value},
};
use crate::config::{finding::Finding, section::join};
use std::collections::{HashMap, HashSet};

/// How what stands at a path in two files becomes one.
#[derive(Clone, Copy)]
enum Rule {
    /// Key by key; what stands behind a key, by the rule of that key, else by the other one.
    Keys(&'static [(&'static str, Rule)], &'static Rule),
    /// Lists are put together, each item once.
    Lists,
    /// The same, and an object is a list of one.
    Things,
    /// Both must say the same.
    Same,
}

const COLLECTED: Rule = Rule::Keys(&[("collect_list", Rule::Lists)], &Rule::Same);
const PLAIN: Rule = Rule::Keys(&[], &Rule::Same);

/// The whole file.
const SECTIONS: Rule = Rule::Keys(
    &[
        ("agent", Rule::Keys(&[("usage_metadata", Rule::Lists)], &Rule::Same)),
        ("metrics", Rule::Keys(&[("metrics_collected", PLUGINS)], &Rule::Same)),
        (
            "logs",
            Rule::Keys(
                &[
                    ("logs_collected", Rule::Keys(&[], &COLLECTED)),
                    ("metrics_collected", Rule::Keys(&[("otlp", Rule::Things)], &PLAIN)),
                ],
                &Rule::Same,
            ),
        ),
        (
            "traces",
            Rule::Keys(&[("traces_collected", Rule::Keys(&[("otlp", Rule::Things)], &Rule::Same))], &Rule::Same),
        ),
        ("opentelemetry", Rule::Keys(&[("collect", PLAIN)], &Rule::Same)),
    ],
    &PLAIN,
);
const PLUGINS: Rule =
    Rule::Keys(&[("procstat", Rule::Lists), ("jmx", Rule::Things), ("otlp", Rule::Things)], &Rule::Same);

/// What an item of a merged list is called in its own file.
pub struct Own {
    pub path: String,
    /// First byte, which tells the file.
    pub start: usize,
}

/// By the paths in the merged tree.
pub type Names = HashMap<String, Own>;

/// The trees of all files, in the order of the files, as one. `file` tells where what is found stands.
pub fn all(file: &File, trees: Vec<Node>) -> (Node, Names, Vec<Finding>) {
    let mut merging = Merging { file, names: Names::new(), said: HashMap::new(), findings: Vec::new() };
    let mut trees = trees.into_iter();
    let mut merged = trees.next().unwrap_or(Node::new(0, Value::Null));
    for tree in trees {
        merging.node(&mut merged, tree, "", &SECTIONS);
    }
    (merged, merging.names, merging.findings)
}

struct Merging<'a> {
    /// Its tree is not there yet.
    file: &'a File,
    names: Names,
    /// The items of each list that was put together.
    said: HashMap<String, HashSet<String>>,
    findings: Vec<Finding>,
}

impl Merging<'_> {
    fn node(&mut self, into: &mut Node, other: Node, at: &str, rule: &Rule) {
        match (rule, &into.value, &other.value) {
            (Rule::Keys(rules, usual), Value::Table(_), Value::Table(_)) => self.keys(into, other, at, rules, usual),
            (Rule::Lists, Value::List(_), Value::List(_))
            | (Rule::Things, Value::List(_) | Value::Table(_), Value::List(_) | Value::Table(_)) => {
                self.lists(into, other, at);
            }
            _ => self.same(into, &other, other.start, at),
        }
    }

    fn keys(&mut self, into: &mut Node, other: Node, at: &str, rules: &[(&str, Rule)], usual: &Rule) {
        let (Value::Table(entries), Value::Table(others)) = (&mut into.value, other.value) else { return };
        let mut known: HashMap<String, usize> = HashMap::new();
        known.extend(entries.iter().enumerate().map(|(index, entry)| (entry.key.clone(), index)));
        for Entry { key, start, node } in others {
            let at = join(at, &key);
            let rule = rules.iter().find(|(name, _)| *name == key).map_or(usual, |(_, rule)| rule);
            match known.get(&key).map(|index| &mut entries[*index]) {
                None => entries.push(Entry { key, start, node }),
                Some(first) => match rule {
                    Rule::Same => self.same(&first.node, &node, start, &at),
                    Rule::Keys(..) | Rule::Lists | Rule::Things => self.node(&mut first.node, node, &at, rule),
                },
            }
        }
    }

    /// Both lists; what says the same as an item before is left out.
    fn lists(&mut self, into: &mut Node, other: Node, at: &str) {
        let was_alone = !matches!(into.value, Value::List(_));
        let first = Node::new(into.start, std::mem::replace(&mut into.value, Value::Null));
        let is_new = !self.said.contains_key(at);
        let mut merged = Vec::new();
        for (path, item) in things(first, at) {
            if is_new {
                self.is_said_first(at, merged.len(), path, &item);
            }
            merged.push(item);
        }
        for (path, item) in things(other, at) {
            if self.is_said_first(at, merged.len(), path, &item) {
                merged.push(item);
            }
        }
        into.value = match merged.pop() {
            Some(thing) if was_alone && merged.is_empty() => thing.value,
            last => {
                merged.extend(last);
                Value::List(merged)
            }
        };
    }

    /// Notes an item of the merged list; `false`: another one says the same.
    fn is_said_first(&mut self, list: &str, index: usize, path: String, item: &Node) -> bool {
        let is_first = self.said.entry(list.to_owned()).or_default().insert(canonical(item));
        if is_first {
            self.names.insert(format!("{list}[{index}]"), Own { path, start: item.start });
        }
        is_first
    }

    fn same(&mut self, first: &Node, second: &Node, start: usize, at: &str) {
        if canonical(first) == canonical(second) {
            return;
        }
        let (before, here) = (self.file.place(first.start), self.file.place(start));
        let why = format!(
            "has another value than in {} on line {}: a key must say the same in all files of a configuration; keep one of the two",
            before.file.display(),
            before.line
        );
        self.findings.push(Finding {
            at: at.to_owned(),
            line: Some(here.line),
            column: Some(here.column),
            ..Finding::of_file(here.file, why)
        });
    }
}

/// The items of a list, or an object alone, each with its path.
fn things(node: Node, at: &str) -> Vec<(String, Node)> {
    match node.value {
        Value::List(items) => {
            items.into_iter().enumerate().map(|(index, item)| (format!("{at}[{index}]"), item)).collect()
        }
        value => vec![(at.to_owned(), Node::new(node.start, value))],
    }
}

fn canonical(node: &Node) -> String {
    let mut canonical = String::new();
    node.canonical(&mut canonical);
    canonical
}
