//! One thing to say about the user's file, addressed so that they can go straight to it.
use serde::Serialize;
use std::{fmt, path::PathBuf};

/// Words and keys longer than this are not compared with known ones: nobody mistypes so much, and comparing costs length squared.
const LONGEST_WORD: usize = 64;

/// One problem, or one thing that is not run.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Finding {
    pub file: PathBuf,
    /// JSON path from the root, `logs.logs_collected.files.collect_list[2].file_path`; empty for the file as a whole.
    pub at: String,
    /// Counted from 1; `None` when it concerns the file as a whole.
    pub line: Option<usize>,
    /// In characters, counted from 1.
    pub column: Option<usize>,
    pub severity: Severity,
    /// What is wrong and what to do.
    pub why: String,
    /// The nearest thing that would be right.
    pub suggestion: Option<String>,
    /// For syntax errors: the line and, below it, a caret. What may be a password is starred out.
    pub excerpt: Option<String>,
}

/// Whether the file can run.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// It cannot.
    Error,
    /// It can, but not with everything that it asks for.
    Warning,
    /// Nothing is wrong: how this is understood, or what it comes to now.
    Note,
}

impl Severity {
    /// As it is shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

impl Finding {
    /// About the file as a whole.
    pub fn of_file(file: impl Into<PathBuf>, why: impl Into<String>) -> Self {
        Self {
            file: file.into(),
            at: String::new(),
            line: None,
            column: None,
            severity: Severity::Error,
            why: why.into(),
            suggestion: None,
            excerpt: None,
        }
    }

    /// Whether nothing is wrong.
    pub fn is_note(&self) -> bool {
        self.severity == Severity::Note
    }

    /// Whether it keeps the file from running.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

/// `FILE:LINE:COLUMN: error: PATH: why; did you mean ...?`, and with `{:#}` the excerpt on the lines below.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.file.display())?;
        if let (Some(line), Some(column)) = (self.line, self.column) {
            write!(f, "{line}:{column}:")?;
        }
        write!(f, " {}: ", self.severity.as_str())?;
        if !self.at.is_empty() {
            // A key may hold anything, also what moves a terminal's cursor.
            let at = self.at.replace(char::is_control, " ");
            write!(f, "{at}: ")?;
        }
        f.write_str(&self.why)?;
        if let Some(suggestion) = &self.suggestion {
            write!(f, "; did you mean `{suggestion}`?")?;
        }
        match &self.excerpt {
            Some(excerpt) if f.alternate() => write!(f, "\n{excerpt}"),
            _ => Ok(()),
        }
    }
}

impl std::error::Error for Finding {}

/// Keys that are looked for under a shorter name, and what they are called.
const USUAL_GUESSES: [(&str, &str); 18] = [
    ("log_group", "log_group_name"),
    ("group", "log_group_name"),
    ("log_stream", "log_stream_name"),
    ("stream", "log_stream_name"),
    ("path", "file_path"),
    ("file", "file_path"),
    ("retention", "retention_in_days"),
    ("retention_days", "retention_in_days"),
    ("interval", "metrics_collection_interval"),
    ("endpoint", "endpoint_override"),
    ("dimensions", "append_dimensions"),
    ("include", "include_patterns"),
    ("time_format", "timestamp_format"),
    ("datetime_format", "timestamp_format"),
    ("max_age", "max_age_seconds"),
    ("max_size", "max_bytes"),
    ("min_free", "min_free_bytes"),
    // The agent's name for its own way to read the journal.
    ("journald", "journal"),
];

/// Words that other programs have for one of ours.
const OTHER_WORDS: [(&str, &str); 12] = [
    ("error", "err"),
    ("warn", "warning"),
    ("critical", "crit"),
    ("panic", "emerg"),
    ("emergency", "emerg"),
    ("information", "info"),
    ("info", "information"),
    ("fatal", "critical"),
    ("err", "error"),
    ("debug", "verbose"),
    ("trace", "verbose"),
    ("cloudwatch", "aws"),
];

/// The one of these words that `word` was most likely meant to be: another word for it, or it with a slip.
pub(super) fn meant_word(word: &str, words: &[&str]) -> Option<String> {
    let lower = word.to_ascii_lowercase();
    let same =
        |other: &str| words.iter().find(|known| known.eq_ignore_ascii_case(other)).map(|known| (*known).to_owned());
    let other = || OTHER_WORDS.into_iter().filter(|(other, _)| *other == lower).find_map(|(_, ours)| same(ours));
    same(word).or_else(other).or_else(|| nearest(word, words.iter().copied()))
}

/// The one of these keys that `word` is a usual guess for.
pub(super) fn guessed(word: &str, keys: &[&str]) -> Option<String> {
    let (_, key) = USUAL_GUESSES.into_iter().find(|(guess, _)| *guess == word)?;
    keys.contains(&key).then(|| key.to_owned())
}

/// The one of these keys that `word` was most likely meant to be.
pub(super) fn meant(word: &str, keys: &[&str]) -> Option<String> {
    guessed(word, keys).or_else(|| nearest(word, keys.iter().copied()))
}

/// Whether one word is the other with a letter too many, too few or wrong, or two that changed places; letter case aside.
pub(super) fn is_one_slip(word: &str, other: &str) -> bool {
    word.len() <= LONGEST_WORD && strsim::osa_distance(&word.to_lowercase(), &other.to_lowercase()) <= 1
}

/// The candidate that `word` was most likely meant to be: at most one slip in three letters, letter case aside.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    if word.len() > LONGEST_WORD {
        return None;
    }
    let lower = word.to_lowercase();
    candidates
        .into_iter()
        .map(|candidate| (strsim::osa_distance(&lower, &candidate.to_lowercase()), candidate))
        .filter(|(distance, candidate)| *distance <= (candidate.len().min(word.len()) / 3).max(1))
        .min()
        .map(|(_, candidate)| candidate.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding() -> Finding {
        Finding {
            line: Some(3),
            column: Some(7),
            at: "agent.regoin".into(),
            suggestion: Some("region".into()),
            excerpt: Some("  x\n  ^".into()),
            ..Finding::of_file("/etc/c.json", "unknown key")
        }
    }

    #[test]
    fn one_line_says_where_what_and_what_was_meant() {
        assert_eq!(finding().to_string(), "/etc/c.json:3:7: error: agent.regoin: unknown key; did you mean `region`?");
        assert!(format!("{:#}", finding()).ends_with("?\n  x\n  ^"));
    }

    #[test]
    fn control_characters_of_a_key_do_not_reach_the_terminal() {
        let finding = Finding { at: "agent.\u{1b}[2J".into(), ..finding() };
        assert!(finding.to_string().contains("agent. [2J: "), "{finding}");
    }

    #[test]
    fn a_finding_about_the_whole_file_has_no_line() {
        assert_eq!(Finding::of_file("c.json", "is a folder").to_string(), "c.json: error: is a folder");
    }

    #[test]
    fn machines_read_lower_case_severities_and_explicit_nulls() {
        let json = serde_json::to_string(&Finding::of_file("c.json", "is a folder")).expect("plain data");
        assert!(json.contains(r#""severity":"error""#) && json.contains(r#""line":null"#), "{json}");
    }

    #[test]
    fn other_words_for_the_same_are_known() {
        assert_eq!(meant_word("error", &["err", "crit"]).as_deref(), Some("err"));
        assert_eq!(meant_word("INFO", &["ERROR", "INFORMATION"]).as_deref(), Some("INFORMATION"));
        assert_eq!(meant_word("exclud", &["include", "exclude"]).as_deref(), Some("exclude"));
        assert_eq!(meant_word("xyz", &["err"]), None);
    }

    #[test]
    fn only_what_is_near_is_suggested() {
        let known = ["region", "debug", "logfile"];
        assert_eq!(nearest("regoin", known).as_deref(), Some("region"));
        assert_eq!(nearest("Debug", known).as_deref(), Some("debug"));
        assert_eq!(nearest("typo", known), None);
        assert_eq!(nearest(&"region".repeat(100), known), None);
    }
}
