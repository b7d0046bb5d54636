//! Which events are sent.
use crate::config::settings::{Filter, FilterKind};

/// Whether an event with this text is sent: it matches any include pattern (if there are any), no exclude pattern, and obeys every rule.
pub fn passes(filter: &Filter, text: &[u8]) -> bool {
    let included = filter.include_patterns.is_empty() || filter.include_patterns.iter().any(|p| p.is_match(text));
    included
        && !filter.exclude_patterns.iter().any(|p| p.is_match(text))
        && filter.rules.iter().all(|rule| rule.expression.is_match(text) == (rule.kind == FilterKind::Include))
}
