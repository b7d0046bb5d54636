//! Why a text is no JSON tree, where, and how that is told.
use super::DEEPEST;

/// Why the text is no tree, and where.
pub struct Broken {
    pub at: usize,
    pub why: Cause,
}

pub enum Cause {
    Empty,
    ByteOrderMark,
    TrailingComma,
    TooDeep,
    Syntax(String),
}

impl Cause {
    /// For people; `at` is where it was noticed in the text.
    pub fn in_words(&self, text: &str, at: usize) -> String {
        let rest = &text[at..];
        match self {
            Self::Empty => "is empty; the least configuration is {}".into(),
            Self::ByteOrderMark => "begins with a byte-order mark; save it as UTF-8 without one".into(),
            Self::TrailingComma => "not JSON: nothing follows this comma; remove it".into(),
            Self::TooDeep => format!("nested more than {DEEPEST} levels deep; this is not a configuration"),
            Self::Syntax(_) if rest.starts_with("//") || rest.starts_with("/*") || rest.starts_with('#') => {
                "not JSON: comments are not part of it; remove this one".into()
            }
            Self::Syntax(_) if rest.starts_with('\'') => {
                "not JSON: keys and texts stand in double quotes (\"), not in single ones".into()
            }
            Self::Syntax(why) if why.starts_with("EOF") => {
                "not JSON: the file ends here, before all its quotes and brackets are closed".into()
            }
            Self::Syntax(why) => format!("not JSON: {why}"),
        }
    }
}

/// Where and why serde_json gave up on `text[base..]`.
pub fn broken(text: &str, base: usize, error: &serde_json::Error) -> Broken {
    let part = &text[base..];
    let line = error.line().max(1) - 1;
    let start = if line == 0 { 0 } else { part.match_indices('\n').nth(line - 1).map_or(part.len(), |(at, _)| at + 1) };
    let at = (base + start + error.column().saturating_sub(1)).min(text.len());
    let full = error.to_string();
    let why = full.rfind(" at line ").map_or(full.as_str(), |end| &full[..end]);
    Broken { at, why: Cause::Syntax(why.to_owned()) }
}

/// The last character boundary at or before `at`.
pub fn floor(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}
