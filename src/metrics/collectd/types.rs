//! What the values of a type are called: collectd's `types.db`.
//!
//! A packet says of what kind each value is, but not its name. The types that collectd 5.12 ships are built in ([`BUILT_IN`]); the
//! configured files add to them, and the last one that names a type counts.
//!
//! To bring the table up to date, write the names that a newer `types.db` has into `types.txt`.
use std::collections::HashMap;

/// Names of types, each alone, or with its sources where these are more than one or not called `value`. None of them may fall.
const BUILT_IN: &str = include_str!("types.txt");
/// What the source of a type with only one is nearly always called.
pub(super) const ONLY: &str = "value";

/// One source of a type.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Source {
    pub name: Box<str>,
    /// Its rate may lie below zero, so that a smaller value than the last is not a new beginning.
    pub may_fall: bool,
}

impl Source {
    fn new(name: &str, may_fall: bool) -> Self {
        Self { name: name.into(), may_fall }
    }
}

/// Everything that is known of types.
#[derive(Default)]
pub(super) struct Types(HashMap<Box<str>, Box<[Source]>>);

/// A line that is none of a `types.db`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Wrong {
    /// The first one, from 1.
    pub line: usize,
    pub lines: usize,
}

impl Types {
    /// Adds what a file says; what it says of a type that is known already replaces that.
    pub(super) fn add(&mut self, text: &str) -> Option<Wrong> {
        let mut wrong: Option<Wrong> = None;
        for (index, line) in text.lines().enumerate() {
            let line = line.split('#').next().unwrap_or_default();
            let mut words = line.split(|c: char| c.is_ascii_whitespace() || c == ',').filter(|word| !word.is_empty());
            let Some(name) = words.next() else { continue };
            match words.map(source).collect::<Option<Vec<_>>>().filter(|sources| !sources.is_empty()) {
                Some(sources) => drop(self.0.insert(name.into(), sources.into())),
                None => wrong.get_or_insert(Wrong { line: index + 1, lines: 0 }).lines += 1,
            }
        }
        wrong
    }

    /// The sources of a type. `None`: nobody knows it.
    pub(super) fn sources(&self, name: &str) -> Option<Vec<Source>> {
        self.0.get(name).map(|sources| sources.to_vec()).or_else(|| built_in(name))
    }
}

/// `name:KIND:smallest:largest`
fn source(word: &str) -> Option<Source> {
    let mut fields = word.split(':');
    let (name, kind) = (fields.next().filter(|name| !name.is_empty())?, fields.next()?);
    let smallest = bound(fields.next()?, f64::NEG_INFINITY)?;
    bound(fields.next()?, f64::INFINITY)?;
    if fields.next().is_some() {
        return None;
    }
    match kind.to_ascii_uppercase().as_str() {
        "COUNTER" | "GAUGE" | "ABSOLUTE" => Some(Source::new(name, false)),
        "DERIVE" => Some(Source::new(name, smallest < 0.0)),
        _ => None,
    }
}

/// A bound of a source, where it has one.
fn bound(text: &str, none: f64) -> Option<f64> {
    if text.eq_ignore_ascii_case("U") { Some(none) } else { text.parse().ok() }
}

fn built_in(name: &str) -> Option<Vec<Source>> {
    let known = BUILT_IN.split_ascii_whitespace().find_map(|word| match word.split_once('=') {
        Some((known, sources)) => (known == name).then_some(sources),
        None => (word == name).then_some(ONLY),
    })?;
    Some(known.split(',').map(|source| Source::new(source, false)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(types: &Types, name: &str) -> Option<Vec<String>> {
        let sources = types.sources(name)?;
        Some(sources.into_iter().map(|source| source.name.into_string()).collect())
    }

    #[test]
    fn what_collectd_ships_is_known_without_any_file() {
        let types = Types::default();
        for (name, sources) in [
            ("cpu", &["value"][..]),
            ("load", &["shortterm", "midterm", "longterm"]),
            ("if_octets", &["rx", "tx"]),
            ("ib_octets", &["rx", "tx"]),
            ("duration", &["seconds"]),
            ("voltage_threshold", &["value", "threshold"]),
            ("zzz", &[]),
        ] {
            assert_eq!(names(&types, name).unwrap_or_default(), sources, "{name}");
        }
        assert_eq!((names(&types, ""), names(&types, "load=shortterm")), (None, None));
        let built_in: Vec<_> = BUILT_IN.split_ascii_whitespace().map(|word| word.split('=').next()).collect();
        assert!(built_in.is_sorted_by(|a, b| a < b) && built_in.len() == 366);
    }

    #[test]
    fn a_file_adds_types_and_replaces_them_and_the_last_one_counts() {
        let mut types = Types::default();
        assert_eq!(types.add("load\tone:GAUGE:0:U, two:gauge:U:5 # remark\nmine a:DERIVE:0:U b:DERIVE:U:U\n"), None);
        assert_eq!(names(&types, "load").expect("known"), ["one", "two"]);
        let falls: Vec<_> = types.sources("mine").expect("known").iter().map(|source| source.may_fall).collect();
        assert_eq!(falls, [false, true]);
        types.add("mine c:ABSOLUTE:0:1");
        assert_eq!(names(&types, "mine").expect("known"), ["c"]);
    }

    #[test]
    fn lines_that_are_none_are_told_and_the_others_count() {
        let mut types = Types::default();
        let wrong = types.add(
            "\n# remark\nnothing\nx a:GAUGE:0\nx a:GAUGE:0:1:2\nx :GAUGE:0:1\nx a:SIZE:0:1\nx a:GAUGE:no:1\ny a:GAUGE:0:1",
        );
        assert_eq!(wrong, Some(Wrong { line: 3, lines: 6 }));
        assert!(types.sources("x").is_none() && names(&types, "y").expect("known") == ["a"]);
    }
}
