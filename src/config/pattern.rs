//! Filters of log lines: patterns compiled, and bounded so that a hostile one cannot eat the memory of a small machine.
use super::{
    Severity,
    section::Section,
    settings::{Filter, FilterKind, FilterRule},
    slips,
};
use crate::model::brief;
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
    let kind = FilterKind::named(section.child("type").text()?)?;
    Some(FilterRule { kind, expression: expression? })
}

/// The regular expression of a section; reported and `None` where it does not compile.
pub fn pattern(section: &Section<'_>) -> Option<Regex> {
    // An empty one was reported as that.
    let text = section.verbatim().filter(|text| !text.is_empty())?;
    if let Some((why, meant)) = slips::of_expression(text) {
        section.report(Severity::Warning, why, meant);
    }
    compiled(text).map_err(|why| section.error(why)).ok()
}

/// A regular expression, within its bounds; else what is wrong with it.
pub fn compiled(text: &str) -> Result<Regex, String> {
    let compile = |text: &str| RegexBuilder::new(text).size_limit(LARGEST).dfa_size_limit(LARGEST).build();
    compile(text)
        .or_else(|error| compile(&with_literal_braces(text)).map_err(|_| error))
        .map_err(|error| in_words(text, &error))
}

/// RE2 takes a brace that begins no repetition for itself, and so do filters of JSON that were written for the agent: `{"level":"debug"`.
fn with_literal_braces(text: &str) -> String {
    let mut literal = String::with_capacity(text.len() + 8);
    let mut rest = text;
    while let Some(at) = rest.find(['\\', '{']) {
        let (before, from) = rest.split_at(at);
        literal += before;
        let taken = if let Some(escaped) = from.strip_prefix('\\') {
            let class = ["p{", "P{", "x{"].iter().any(|class| escaped.starts_with(class));
            let end = if class { escaped.find('}').map(|end| end + 1) } else { None };
            1 + end.unwrap_or_else(|| escaped.chars().next().map_or(0, char::len_utf8))
        } else if let Some(length) = repetition(from) {
            length
        } else {
            literal.push('\\');
            1
        };
        literal += &from[..taken];
        rest = &from[taken..];
    }
    literal + rest
}

/// The length of `{2}`, `{2,}` or `{2,3}` at the beginning of a text.
fn repetition(text: &str) -> Option<usize> {
    let inside = text.strip_prefix('{')?;
    let end = inside.find('}')?;
    let (least, most) = inside[..end].split_once(',').unwrap_or((&inside[..end], ""));
    let number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    (!least.is_empty() && number(least) && number(most)).then_some(end + 2)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_brace_that_repeats_nothing_stands_for_itself() {
        for (written, literal) in [
            (r#"{"level":"debug""#, r#"\{"level":"debug""#),
            (r"a{2}b{2,}c{2,3}", r"a{2}b{2,}c{2,3}"),
            (r"\{x {y} {,2} {2", r"\{x \{y} \{,2} \{2"),
            (r"\p{Lu}\x{41}{z", r"\p{Lu}\x{41}\{z"),
            (r"é\é{x\", r"é\é\{x\"),
        ] {
            assert_eq!(with_literal_braces(written), literal);
        }
    }
}
