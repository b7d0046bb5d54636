//! Why a text is no JSON tree, where, and how that is told.
use super::tree::DEEPEST;
use crate::config::finding::nearest;

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
            Self::Syntax(why) => format!("not JSON: {}", in_plain_words(why, text, at)),
        }
    }
}

/// What is probably meant by what the parser met. Its own words serve where nothing better is known.
fn in_plain_words(why: &str, text: &str, at: usize) -> String {
    let rest = &text[at..];
    let typographic =
        |text: &str| text.starts_with(['\u{201c}', '\u{201d}', '\u{201e}', '\u{2018}', '\u{2019}', '\u{ab}', '\u{bb}']);
    // Where a list or an object ends, the parser points behind the place.
    let before = text[..at].trim_end();
    match why {
        _ if typographic(rest) => "these are typographic quotes; use the straight one (\")".into(),
        "expected value" | "expected ident" => of_word(text, at).unwrap_or_else(|| why.to_owned()),
        "key must be a string" => "a key stands in double quotes, as in \"region\": ...".into(),
        "trailing characters" => {
            "trailing characters: the first value is closed before this; a bracket too many stands here or before, or one was opened too few"
                .into()
        }
        "invalid number" if before.ends_with('0') || rest.starts_with('0') => {
            "a number does not begin with 0: write 60, not 060".into()
        }
        "expected `,` or `}`" if rest.starts_with(']') => "here stands `]` where an object is to be closed: write `}`".into(),
        "expected `,` or `]`" if rest.starts_with('}') => "here stands `}` where a list is to be closed: write `]`".into(),
        "expected `,` or `}`" | "expected `,` or `]`" => format!("{why}: a comma or a closing bracket is missing before this"),
        "expected `:`" => "expected `:` behind a key".into(),
        "invalid escape" => "a `\\` and this letter are no escape; write `\\\\` for one `\\`".into(),
        _ if why.starts_with("control character") => {
            "a control character stands in a text, a tab or the end of a line: write `\\t` or `\\n`, or close the quotes before it".into()
        }
        _ => why.to_owned(),
    }
}

/// A word without quotes.
fn of_word(text: &str, at: usize) -> Option<String> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let start = text[..at]
        .rfind(|c| !is_word(c))
        .map_or(0, |before| before + text[before..].chars().next().map_or(1, char::len_utf8));
    let word: String = text[start..].chars().take_while(|c| is_word(*c)).take(40).collect();
    if word.is_empty() || word.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let meant = match word.to_ascii_lowercase().as_str() {
        "yes" | "on" => Some("true".to_owned()),
        "no" | "off" => Some("false".to_owned()),
        "none" | "nil" | "undefined" => Some("null".to_owned()),
        lower => nearest(lower, ["true", "false", "null"]),
    };
    Some(match meant {
        Some(meant) => format!("`{word}` is no value; did you mean `{meant}`?"),
        None => format!("`{word}` is no value; a text stands in double quotes (\")"),
    })
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
