//! Which events are sent: the settings' patterns, applied to the bytes of an event.
//!
//! Patterns are searched anywhere in the event, on bytes: a line that is not UTF-8 is judged like any other.
use crate::config::settings::{Filter, FilterKind};

/// Whether the event is sent: it matches any include pattern (if there are any), no exclude pattern, and obeys every
/// rule.
pub fn passes(filter: &Filter, event: &[u8]) -> bool {
    let Filter { include_patterns, exclude_patterns, rules } = filter;
    (include_patterns.is_empty() || include_patterns.iter().any(|p| p.is_match(event)))
        && !exclude_patterns.iter().any(|p| p.is_match(event))
        && rules.iter().all(|rule| match rule.kind {
            FilterKind::Include => rule.expression.is_match(event),
            FilterKind::Exclude => !rule.expression.is_match(event),
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::settings::FilterRule;
    use regex::bytes::Regex;

    fn regex(pattern: &str) -> Regex {
        Regex::new(pattern).expect("a good pattern")
    }

    fn rule(kind: FilterKind, pattern: &str) -> FilterRule {
        FilterRule { kind, expression: regex(pattern) }
    }

    #[test]
    fn without_patterns_everything_passes() {
        let filter = Filter::default();
        assert!(filter.is_open());
        assert!(passes(&filter, b"anything"));
        assert!(passes(&filter, b"\xff\xfe"));
    }

    #[test]
    fn any_include_pattern_is_enough() {
        let filter = Filter { include_patterns: vec![regex("^WARN"), regex("ERROR")], ..Filter::default() };
        assert!(!filter.is_open());
        assert!(passes(&filter, b"WARN low"));
        assert!(passes(&filter, b"an ERROR \xff"));
        assert!(!passes(&filter, b"INFO fine"));
    }

    #[test]
    fn an_exclude_pattern_beats_every_include_pattern() {
        let filter = Filter {
            include_patterns: vec![regex("ERROR")],
            exclude_patterns: vec![regex("healthz")],
            ..Filter::default()
        };
        assert!(passes(&filter, b"ERROR in /"));
        assert!(!passes(&filter, b"ERROR in /healthz"));
    }

    #[test]
    fn every_rule_must_be_obeyed() {
        let rules =
            vec![rule(FilterKind::Include, "a"), rule(FilterKind::Include, "b"), rule(FilterKind::Exclude, "c")];
        let filter = Filter { rules, ..Filter::default() };
        assert!(passes(&filter, b"a b"));
        assert!(!passes(&filter, b"a"));
        assert!(!passes(&filter, b"a b c"));
    }
}
