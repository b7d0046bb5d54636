//! Filters of log lines: patterns compiled, and bounded so that a hostile one cannot eat the memory of a small machine.
use super::{
    section::Section,
    settings::{Filter, FilterKind, FilterRule},
    shape::brief,
};
use regex::bytes::{Regex, RegexBuilder};

/// Bytes that one compiled pattern may take, and again its lazily built automaton. Enough for hundreds of alternatives.
const LARGEST: usize = 4 * 1024 * 1024;

/// `include_patterns`, `exclude_patterns` and `filters` of a section. Patterns that do not compile are reported and left out.
pub fn filter(section: &Section<'_>) -> Filter {
    let patterns = |key: &str| section.child(key).items().iter().filter_map(pattern).collect();
    Filter {
        include_patterns: patterns("include_patterns"),
        exclude_patterns: patterns("exclude_patterns"),
        rules: section.child("filters").items().iter().filter_map(rule).collect(),
    }
}

fn rule(section: &Section<'_>) -> Option<FilterRule> {
    let expression = pattern(&section.child("expression"));
    let kind = match section.child("type").text()? {
        "include" => FilterKind::Include,
        "exclude" => FilterKind::Exclude,
        _ => return None,
    };
    Some(FilterRule { kind, expression: expression? })
}

/// The regular expression of a section; reported and `None` where it does not compile.
pub fn pattern(section: &Section<'_>) -> Option<Regex> {
    let text = section.verbatim()?;
    let compiled = RegexBuilder::new(text).size_limit(LARGEST).dfa_size_limit(LARGEST).build();
    compiled.map_err(|error| section.error(in_words(text, &error))).ok()
}

fn in_words(text: &str, error: &regex::Error) -> String {
    let why = match error {
        regex::Error::CompiledTooBig(_) => {
            return format!("pattern `{}` is too large once compiled; use fewer or smaller repetitions", brief(text));
        }
        error => error.to_string(),
    };
    // The library draws the pattern over several lines; its last line says what is wrong.
    let why = why.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
    format!("pattern `{}` is no regular expression: {why}", brief(text))
}
