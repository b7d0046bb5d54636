//! Which lines belong together: the agent's `multi_line_start_pattern` and our presets for stack traces.
//!
//! A preset knows the lines that *continue* an event, so that what a program says beside its traces stays in lines. A trace that follows a
//! log line belongs to that line. The exception is `rust`: the text of a panic may be anything, and stands in a line of its own; there the
//! beginnings of log lines are known instead.
use super::{
    Severity, pattern,
    section::Section,
    settings::text::{MultiLine, TimestampRule},
};
use regex::bytes::Regex;

/// The agent's default: what begins with white space, and an empty line, belongs to the event before. On bytes, so that also a
/// line that is no UTF-8 begins one.
const NOT_INDENTED: &str = r"(?-u)^[^\t\n\f\r ]";
/// In the place of a pattern: a line with a timestamp.
const TIMESTAMP: &str = "{timestamp_format}";
/// The same in the older agent's words.
const DATETIME: &str = "{datetime_format}";

/// The names of all presets.
pub const PRESETS: &[&str] = &["java", "python", "go", "rust", "dotnet"];

/// `at`, `Caused by:`, and the exception itself, which stands at the beginning of a line with its full name.
const JAVA: &str = r"^(?:\s|$|Caused by: |Suppressed: |Wrapped by: |\.\.\. \d+ |\[CIRCULAR REFERENCE|(?:[a-z_][\w$]*\.)+[\w$]+(?:Exception|Error|Throwable|Failure|Interrupted)\b(?::|$|\s))";
/// The exception stands at the end, at the beginning of a line: its name ends in a usual word, or has a module in front.
const PYTHON: &str = r"^(?:\s|$|Traceback \(most recent call last\):|During handling of the above exception, another|The above exception was the direct cause|(?:[A-Za-z_]\w*\.)*[A-Za-z_]\w*(?:Error|Exception|Warning|Interrupt|Exit|Iteration|ExceptionGroup)(?::|$| \()|(?:[A-Za-z_]\w*\.)+[A-Z]\w*(?:: |$))";
const GO: &str = r"^(?:\s|$|goroutine \d+ |\[signal |created by |exit status \d|\.\.\.(?:\d+|additional) frames elided|PC=0x|(?:rax|rbx|rcx|rdx|rdi|rsi|rbp|rsp|r\d+|rip|rflags|cs|fs|gs|lr|sp|pc|fault)\s+0x|runtime stack:$|panic\(.*\)$|(?:[\w\-.~%]+/)*[\w\-.~%]+\.[\w\-.()*\[\]{}·…]+\(.*\)$)";
const DOTNET: &str =
    r"^(?:\s|$|---> |--- End of |(?:[A-Za-z_]\w*\.)+\w*(?:Exception|Error)\b(?: \(0x[0-9A-Fa-f]+\))?(?::|$))";
const RUST: &str = r"^(?:\x1b\[[0-9;]*m)*(?:\[|\{|\d{4}-\d\d|\d\d[:/.]\d\d|[A-Z][a-z]{2} [ \d]\d |<\d+>|(?:TRACE|DEBUG|INFO|WARN|WARNING|ERROR|FATAL)\b|Error: |thread '.*' (?:\(\d+\) )?(?:panicked at|has overflowed)|memory allocation of \d)";

/// Reads both keys. `agents`: without either the agent's default counts.
pub fn read(item: &Section<'_>, timestamp: Option<&TimestampRule>, agents: bool) -> MultiLine {
    let default = || if agents { MultiLine::Start(own(NOT_INDENTED)) } else { MultiLine::Off };
    let (pattern, preset) = (item.child("multi_line_start_pattern"), item.child("multi_line_preset"));
    if pattern.exists() && preset.exists() {
        preset.error(
            "stands beside `multi_line_start_pattern`, which says the same in other words; remove one of the two",
        );
    }
    if let Some(preset) = preset.text().and_then(preset_of) {
        return preset;
    }
    match pattern.verbatim() {
        None => default(),
        Some(TIMESTAMP | DATETIME) if timestamp.is_some() => MultiLine::Timestamp,
        Some(TIMESTAMP | DATETIME) => {
            // What is wrong with a format that is there was said there.
            if !item.has("timestamp_format") {
                pattern.warning(
                    "there is no `timestamp_format` in this item; a line that does not begin with white space begins an event",
                );
            }
            MultiLine::Start(own(NOT_INDENTED))
        }
        Some(text) if is_placeholder(text) => {
            let why = "is no placeholder; a line that does not begin with white space begins an event";
            pattern.report(Severity::Warning, why.into(), Some(TIMESTAMP.into()));
            MultiLine::Start(own(NOT_INDENTED))
        }
        Some(_) => pattern::pattern(&pattern).map_or_else(default, MultiLine::Start),
    }
}

fn preset_of(name: &str) -> Option<MultiLine> {
    Some(match name {
        "java" => MultiLine::Unless(own(JAVA)),
        "python" => MultiLine::Unless(own(PYTHON)),
        "go" => MultiLine::Unless(own(GO)),
        "dotnet" => MultiLine::Unless(own(DOTNET)),
        "rust" => MultiLine::Start(own(RUST)),
        _ => return None,
    })
}

/// A word in braces, as a pattern found nowhere: most likely a slip.
fn is_placeholder(text: &str) -> bool {
    let word = text.strip_prefix('{').and_then(|text| text.strip_suffix('}'));
    word.is_some_and(|word| {
        word.starts_with(|c: char| c.is_ascii_lowercase()) && word.chars().all(|c| c.is_ascii_lowercase() || c == '_')
    })
}

fn own(pattern: &str) -> Regex {
    Regex::new(pattern).expect("a test compiles each of our own patterns")
}

#[cfg(test)]
mod tests;
