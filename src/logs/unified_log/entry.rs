//! One line of `log show --style ndjson` or `log stream --style ndjson`: an entry, or what `log` says about itself.
use crate::model::Fingerprint;
use serde::Deserialize;
use std::{borrow::Cow, fmt::Write};

/// What a line is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Line {
    Entry(Parsed),
    /// The log could not keep up with who reads it: entries were left out here.
    Loss,
    /// A heading, or the count at the end.
    Nothing,
}

/// One entry, as far as it is sent.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Parsed {
    /// Microseconds since 1970.
    pub micros: i64,
    /// The same for the same entry, however it is read.
    pub id: u64,
    /// `None` for an entry without a message.
    pub text: Option<String>,
}

/// Why a line is none of these.
#[derive(Debug, thiserror::Error)]
pub(super) enum LineError {
    #[error("it is not the JSON of an entry")]
    Json(#[from] serde_json::Error),
    #[error("its timestamp is missing, or cannot be read")]
    Time,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Fields<'a> {
    #[serde(borrow)]
    timestamp: Option<Cow<'a, str>>,
    #[serde(borrow)]
    event_type: Option<Cow<'a, str>>,
    #[serde(borrow)]
    event_message: Option<Cow<'a, str>>,
    #[serde(borrow)]
    message_type: Option<Cow<'a, str>>,
    #[serde(borrow)]
    process_image_path: Option<Cow<'a, str>>,
    #[serde(borrow)]
    subsystem: Option<Cow<'a, str>>,
    #[serde(borrow)]
    category: Option<Cow<'a, str>>,
    #[serde(rename = "processID")]
    process: Option<i64>,
    #[serde(rename = "threadID")]
    thread: Option<u64>,
    #[serde(rename = "traceID")]
    trace: Option<u64>,
    mach_timestamp: Option<u64>,
    /// Of the last line of `log show`.
    finished: Option<serde::de::IgnoredAny>,
}

/// Read one line, without its line feed.
pub(super) fn parse(line: &[u8]) -> Result<Line, LineError> {
    let line = line.trim_ascii();
    // A heading such as `Filtering the log data using ...`.
    if line.first() != Some(&b'{') {
        return Ok(Line::Nothing);
    }
    let fields: Fields<'_> = serde_json::from_slice(line)?;
    if fields.event_type.as_deref() == Some("lossEvent") {
        return Ok(Line::Loss);
    }
    if fields.timestamp.is_none() && fields.finished.is_some() {
        return Ok(Line::Nothing);
    }
    let micros = fields.timestamp.as_deref().and_then(time).ok_or(LineError::Time)?;
    let Fields { mach_timestamp, thread, process, trace, .. } = &fields;
    let name = format!("{micros} {mach_timestamp:?} {thread:?} {process:?} {trace:?}");
    Ok(Line::Entry(Parsed { micros, id: Fingerprint::of(name.as_bytes()).hash, text: text(&fields) }))
}

/// `2026-01-31 10:12:13.123456+0200`.
fn time(text: &str) -> Option<i64> {
    let time = chrono::DateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f%z").ok()?;
    Some(time.timestamp_micros())
}

/// `PROCESS[PID]: <TYPE> [SUBSYSTEM:CATEGORY] MESSAGE`, without a type where it is the usual one.
fn text(fields: &Fields<'_>) -> Option<String> {
    let message = fields.event_message.as_deref().map(str::trim_end).filter(|message| !message.is_empty())?;
    let mut text = String::with_capacity(message.len() + 64);
    let path = fields.process_image_path.as_deref().unwrap_or_default();
    text.push_str(path.rsplit('/').next().unwrap_or(path));
    if let Some(process) = fields.process {
        let _ = write!(text, "[{process}]");
    }
    text.push_str(": ");
    if let Some(kind) = fields.message_type.as_deref().filter(|kind| !kind.is_empty() && *kind != "Default") {
        let _ = write!(text, "<{kind}> ");
    }
    let filled = |text: &Option<Cow<'_, str>>| text.as_deref().unwrap_or_default().to_owned();
    let (subsystem, category) = (filled(&fields.subsystem), filled(&fields.category));
    match (subsystem.is_empty(), category.is_empty()) {
        (true, true) => {}
        (false, true) => _ = write!(text, "[{subsystem}] "),
        (_, false) => _ = write!(text, "[{subsystem}:{category}] "),
    }
    text.push_str(message);
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SHOW: &str = include_str!("samples/show.ndjson");

    fn lines() -> Vec<Line> {
        SHOW.lines().map(|line| parse(line.as_bytes()).expect("as `log` prints it")).collect()
    }

    fn entry(line: &Line) -> &Parsed {
        let Line::Entry(entry) = line else { panic!("an entry") };
        entry
    }

    #[test]
    fn entries_say_who_speaks_and_nothing_that_is_empty() {
        let lines = lines();
        let texts: Vec<_> = lines[..3].iter().map(|line| entry(line).text.as_deref()).collect();
        assert_eq!(
            texts,
            [
                Some("sshd[4242]: [com.openssh.sshd:auth] Accepted publickey for admin from 192.0.2.7 port 50122 ssh2"),
                Some("kernel[0]: <Error> disk2s1: I/O error \"5\""),
                None
            ]
        );
        assert_eq!(entry(&lines[0]).micros, 1_769_847_133_123_456);
        assert_eq!(lines[3], Line::Nothing);
    }

    #[test]
    fn entries_of_one_moment_are_told_apart_and_known_again_in_another_time_zone() {
        let lines = lines();
        assert_eq!(entry(&lines[0]).micros, entry(&lines[1]).micros);
        assert_ne!(entry(&lines[0]).id, entry(&lines[1]).id);
        let first = SHOW.lines().next().expect("a line");
        let elsewhere = first.replace("10:12:13.123456+0200", "08:12:13.123456+0000");
        assert_eq!(parse(elsewhere.as_bytes()).expect("an entry"), lines[0]);
    }

    #[test]
    fn headings_and_losses_are_no_entries_and_rubbish_is_an_error() {
        assert_eq!(parse(b"Filtering the log data using \"process == \\\"sshd\\\"\"").expect("known"), Line::Nothing);
        assert_eq!(parse(b"").expect("known"), Line::Nothing);
        assert_eq!(parse(br#"{"eventType":"lossEvent","timestamp":"x"}"#).expect("known"), Line::Loss);
        for line in ["{", "{}", r#"{"timestamp":"yesterday"}"#, r#"{"timestamp":7}"#] {
            assert!(parse(line.as_bytes()).is_err(), "{line}");
        }
    }

    proptest! {
        #[test]
        fn no_line_makes_it_panic(line in prop::collection::vec(any::<u8>(), 0..200), at in 0..600_usize) {
            let _ = parse(&line);
            let mut entry = SHOW.as_bytes()[..at].to_vec();
            entry.extend(line);
            let _ = parse(&entry);
        }
    }
}
