//! A part of the file with its JSON path: how decoding reads values and how it reports what it finds.
//!
//! The getters answer `None` for a key that is absent *and* for one of the wrong type: the types were checked, and reported, against
//! the table of keys before anything is decoded (see `shape`). So decoding only reports what a table cannot say.
use super::{
    file::{Entry, File, Node, Value},
    finding::{Finding, Severity, meant},
};
use std::cell::RefCell;

/// All findings of one run, in the order in which they are made.
#[derive(Default)]
pub struct Findings(RefCell<Vec<Finding>>);

impl Findings {
    /// One more.
    pub fn push(&self, finding: Finding) {
        self.0.borrow_mut().push(finding);
    }

    /// What was found, in the order of the file.
    pub fn into_sorted(self) -> Vec<Finding> {
        let mut findings = self.0.into_inner();
        sort(&mut findings);
        findings
    }
}

/// File by file, each in its order.
pub(super) fn sort(findings: &mut [Finding]) {
    findings.sort_by(|a, b| (&a.file, a.line, a.column).cmp(&(&b.file, b.line, b.column)));
}

/// A part of the file, there or not.
#[derive(Clone)]
pub struct Section<'a> {
    file: &'a File,
    findings: &'a Findings,
    node: Option<&'a Node>,
    /// JSON path from the root. Of several files: in what they come to together.
    pub at: String,
    /// Byte of the text that findings point at: the value, or where an absent one would be missed.
    start: usize,
}

impl<'a> Section<'a> {
    /// The whole file.
    pub fn root(file: &'a File, findings: &'a Findings) -> Self {
        Self { file, findings, node: Some(&file.tree), at: String::new(), start: file.tree.start }
    }

    /// The value that stands here.
    pub fn node(&self) -> Option<&'a Node> {
        self.node
    }

    /// What is the same text for all that say the same, whatever their layout.
    pub fn canonical(&self) -> String {
        let mut canonical = String::new();
        self.node.inspect(|node| node.canonical(&mut canonical));
        canonical
    }

    /// Whether anything stands here.
    pub fn exists(&self) -> bool {
        self.node.is_some()
    }

    /// The value of a key. Also of one that is absent: then nothing is there, and findings point at this section.
    pub fn child(&self, key: &str) -> Self {
        let node = self.node.and_then(|node| node.get(key));
        let start = node.map_or(self.start, |node| node.start);
        Self { node, at: join(&self.at, key), start, ..self.clone() }
    }

    /// The value at a path of keys.
    pub fn path(&self, keys: &[&str]) -> Self {
        keys.iter().fold(self.clone(), |section, key| section.child(key))
    }

    /// Whether a key is there.
    pub fn has(&self, key: &str) -> bool {
        self.child(key).exists()
    }

    /// Whether a key is there, or one that is not `known` and was most likely meant to be it: that one is reported as unknown, and
    /// one finding for one mistake is enough.
    pub fn means(&self, key: &str, known: &[&str]) -> bool {
        let slip =
            |entry: &Entry| !known.contains(&entry.key.as_str()) && meant(&entry.key, known).as_deref() == Some(key);
        self.has(key) || self.entries().iter().any(slip)
    }

    /// The items of a list.
    pub fn items(&self) -> Vec<Self> {
        let Some(Value::List(items)) = self.node.map(|node| &node.value) else { return Vec::new() };
        let item = |(index, node): (usize, &'a Node)| Self {
            node: Some(node),
            at: format!("{}[{index}]", self.at),
            start: node.start,
            ..self.clone()
        };
        items.iter().enumerate().map(item).collect()
    }

    /// The keys of a table, as written.
    pub fn entries(&self) -> &'a [Entry] {
        match self.node.map(|node| &node.value) {
            Some(Value::Table(entries)) => entries,
            _ => &[],
        }
    }

    /// A key of this table as a section of its own, pointing at the key instead of its value.
    pub fn key(&self, entry: &'a Entry) -> Self {
        Self { node: Some(&entry.node), at: join(&self.at, &entry.key), start: entry.start, ..self.clone() }
    }

    /// The value of a key of this table.
    pub fn value(&self, entry: &'a Entry) -> Self {
        Self { start: entry.node.start, ..self.key(entry) }
    }

    /// The text that stands here, as it is.
    pub fn verbatim(&self) -> Option<&'a str> {
        match self.node.map(|node| &node.value) {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// The text that stands here, with the environment variables put in. `None` also for one that is nothing without a variable that is not set.
    pub fn text(&self) -> Option<&'a str> {
        self.node.and_then(Node::text)
    }

    /// The truth value that stands here.
    pub fn flag(&self) -> Option<bool> {
        match self.node.map(|node| &node.value) {
            Some(Value::Bool(flag)) => Some(*flag),
            _ => None,
        }
    }

    /// The whole number that stands here; `60.0` is one.
    pub fn int(&self) -> Option<i64> {
        match self.node.map(|node| &node.value) {
            Some(Value::Number(number)) => whole(number),
            _ => None,
        }
    }

    /// The whole number here, when it fits.
    pub fn unsigned(&self) -> Option<u64> {
        self.int().and_then(|number| u64::try_from(number).ok())
    }

    /// Findings show this variable's name instead of its value from now on.
    pub fn keep_secret(&self, name: &str, value: &str) {
        self.file.keep_secret(name, value);
    }

    /// Another part, by its JSON path, as a sentence names it.
    pub fn called(&self, at: &str) -> String {
        self.file.called(at)
    }

    /// The file cannot run because of this.
    pub fn error(&self, why: impl Into<String>) {
        self.report(Severity::Error, why.into(), None);
    }

    /// The file runs in spite of this.
    pub fn warning(&self, why: impl Into<String>) {
        self.report(Severity::Warning, why.into(), None);
    }

    /// What this comes to, where nothing is wrong.
    pub fn note(&self, why: impl Into<String>) {
        self.report(Severity::Note, why.into(), None);
    }

    /// One finding about this part.
    pub fn report(&self, severity: Severity, why: String, suggestion: Option<String>) {
        let place = self.file.place(self.start);
        let (why, suggestion) =
            (self.file.without_secrets(why), suggestion.map(|text| self.file.without_secrets(text)));
        self.findings.push(Finding {
            at: self.file.own_path(&self.at),
            line: Some(place.line),
            column: Some(place.column),
            severity,
            suggestion,
            ..Finding::of_file(place.file, why)
        });
    }
}

/// A key behind a path: `a.b`, or `a["b c"]` for a key with other characters than those of a word.
pub(super) fn join(at: &str, key: &str) -> String {
    let plain = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    match (plain, at.is_empty()) {
        (true, true) => key.to_owned(),
        (true, false) => format!("{at}.{key}"),
        (false, _) => format!("{at}[{key:?}]"),
    }
}

/// The whole number that a JSON number is, however it is written.
pub(super) fn whole(number: &str) -> Option<i64> {
    /// Up to here every whole number has its own `f64`.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if let Ok(whole) = number.parse() {
        return Some(whole);
    }
    let number: f64 = number.parse().ok()?;
    #[allow(clippy::cast_possible_truncation)] // just checked to be whole and in range
    (number.fract() == 0.0 && number.abs() <= EXACT).then_some(number as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_quotes_what_is_no_word() {
        assert_eq!(join("", "agent"), "agent");
        assert_eq!(join("agent", "service.name"), r#"agent["service.name"]"#);
        assert_eq!(join("logs", "kafka-consumer"), "logs.kafka-consumer");
        assert_eq!(join("", "a b"), r#"["a b"]"#);
    }

    #[test]
    fn whole_numbers_are_read_however_they_are_written() {
        assert_eq!(whole("60"), Some(60));
        assert_eq!(whole("60.0"), Some(60));
        assert_eq!(whole("6e1"), Some(60));
        assert_eq!(whole("1.9"), None);
        assert_eq!(whole("1e999999"), None);
        assert_eq!(whole("123456789012345678901234567890"), None);
    }
}
