//! One line of `journalctl --output=json`: one entry of the journal as a JSON object.
//!
//! The shapes are those of <https://systemd.io/JOURNAL_EXPORT_FORMATS/#journal-json-format>: a field is a string, an
//! array of byte numbers where it is no valid UTF-8, `null` where it was too long (not with `--all`), and an array of
//! these where it was given more than once.
use serde::{
    Deserialize, Deserializer,
    de::{self, SeqAccess, Visitor},
};
use std::{borrow::Cow, fmt};

/// One entry, as far as it is sent.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Entry {
    pub cursor: String,
    /// `__REALTIME_TIMESTAMP`: microseconds since 1970.
    pub micros: u64,
    /// The event's text; `None` for an entry without a message.
    pub text: Option<String>,
    /// Whether the text holds replacement characters for bytes that were no UTF-8.
    pub mended: bool,
}

/// Why a line is no entry.
#[derive(Debug, thiserror::Error)]
pub(super) enum LineError {
    #[error("it is not the JSON of a journal entry")]
    Json(#[from] serde_json::Error),
    #[error("its __REALTIME_TIMESTAMP is no number")]
    Time,
}

#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow, rename = "__CURSOR")]
    cursor: Cow<'a, str>,
    #[serde(borrow, rename = "__REALTIME_TIMESTAMP")]
    micros: Cow<'a, str>,
    #[serde(default, rename = "MESSAGE")]
    message: Field,
    #[serde(default, rename = "SYSLOG_IDENTIFIER")]
    identifier: Field,
    #[serde(default, rename = "_COMM")]
    command: Field,
    #[serde(default, rename = "_PID")]
    pid: Field,
    #[serde(default, rename = "SYSLOG_PID")]
    syslog_pid: Field,
}

/// The bytes of a field; several values are lines. `None`: missing or too long.
#[derive(Default)]
struct Field(Option<Vec<u8>>);

/// Read one line, without its line feed.
///
/// The text is `IDENTIFIER[PID]: MESSAGE`, what `journalctl` itself shows after time and host: one stream carries the
/// whole journal, and without its sender a message says little. Time and host are left out, since the event's time and
/// its stream say them already.
pub(super) fn parse(line: &[u8]) -> Result<Entry, LineError> {
    let line: Line<'_> = serde_json::from_slice(line)?;
    let micros = line.micros.parse().map_err(|_| LineError::Time)?;
    let mut entry = Entry { cursor: line.cursor.into_owned(), micros, text: None, mended: false };
    let Some(message) = line.message.0 else { return Ok(entry) };
    let message = message.trim_ascii_end();
    if message.is_empty() {
        return Ok(entry);
    }
    let mut text = String::new();
    if let Some(identifier) = line.identifier.first().or_else(|| line.command.first()) {
        text.push_str(&identifier);
        if let Some(pid) = line.pid.first().or_else(|| line.syslog_pid.first()) {
            text.push('[');
            text.push_str(&pid);
            text.push(']');
        }
        text.push_str(": ");
    }
    let readable = String::from_utf8_lossy(message);
    entry.mended = matches!(readable, Cow::Owned(_));
    text.push_str(&readable);
    entry.text = Some(text);
    Ok(entry)
}

impl Field {
    /// Its first line, where there is one with something in it.
    fn first(&self) -> Option<Cow<'_, str>> {
        let line = self.0.as_ref()?.split(|byte| *byte == b'\n').next()?.trim_ascii();
        (!line.is_empty()).then(|| String::from_utf8_lossy(line))
    }
}

impl<'de> Deserialize<'de> for Field {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(FieldVisitor).map(Self)
    }
}

/// Takes any of the shapes.
struct FieldVisitor;

impl<'de> Visitor<'de> for FieldVisitor {
    type Value = Option<Vec<u8>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string, null, an array of byte numbers, or an array of these")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Some(text.as_bytes().to_vec()))
    }

    fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let mut bytes = Vec::new();
        let mut values = 0_usize;
        let mut any = false;
        while let Some(item) = items.next_element()? {
            match item {
                Item::Byte(byte) => bytes.push(byte),
                Item::Value(value) => {
                    if values > 0 {
                        bytes.push(b'\n');
                    }
                    values += 1;
                    bytes.extend_from_slice(&value);
                }
                Item::TooLong => continue,
            }
            any = true;
        }
        Ok(any.then_some(bytes))
    }
}

/// One element of an array.
#[derive(Deserialize)]
#[serde(untagged)]
enum Item {
    Byte(u8),
    #[serde(deserialize_with = "value")]
    Value(Vec<u8>),
    TooLong,
}

/// One of several values: a string, or its byte numbers.
fn value<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Shape {
        Text(String),
        Bytes(Vec<u8>),
    }
    Ok(match Shape::deserialize(from)? {
        Shape::Text(text) => text.into_bytes(),
        Shape::Bytes(bytes) => bytes,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(line: &str) -> Option<String> {
        parse(line.as_bytes()).expect("an entry").text
    }

    /// A line with these fields beside the two that every entry has.
    fn line(fields: &str) -> String {
        format!(r#"{{"__CURSOR":"s=1;i=1","__REALTIME_TIMESTAMP":"1769900001000123",{fields}}}"#)
    }

    #[test]
    fn a_line_of_journalctl_252_is_read() {
        let line = br#"{"MESSAGE":"boot 0 line 0","__REALTIME_TIMESTAMP":"1769900001000123","__MONOTONIC_TIMESTAMP":"1000000","SYSLOG_IDENTIFIER":"demo","_BOOT_ID":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa0","_PID":"42","__CURSOR":"s=0f31e7ffb99e49928961bdc016e28983;i=1;b=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa0;m=f4240;t=649b6f4d8fabb;x=587afab6d4b3062a","PRIORITY":"6"}"#;
        let entry = parse(line).expect("an entry");
        assert_eq!(entry.text.as_deref(), Some("demo[42]: boot 0 line 0"));
        assert_eq!(entry.micros, 1_769_900_001_000_123);
        assert!(entry.cursor.starts_with("s=0f31e7ffb99e49928961bdc016e28983;i=1;") && !entry.mended);
    }

    #[test]
    fn bytes_that_are_no_utf8_come_as_numbers_and_are_mended() {
        let line = br#"{"__REALTIME_TIMESTAMP":"1769900000000000","MESSAGE":[97,255,98],"__MONOTONIC_TIMESTAMP":"5","__CURSOR":"s=34a73692032343e1acd1d56946096fb9;i=1;b=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa1;m=5;t=649b6f4c9b800;x=f4239ff136b337d4","_BOOT_ID":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa1"}"#;
        let entry = parse(line).expect("an entry");
        assert_eq!(entry.text.as_deref(), Some("a\u{fffd}b"));
        assert!(entry.mended);
    }

    #[test]
    fn fields_given_twice_keep_every_message_and_the_first_name() {
        let line = r#"{"_PID":"7","__CURSOR":"s=34a73692032343e1acd1d56946096fb9;i=2;b=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa1;m=6;t=649b6f4c9b801;x=19f638eda939a667","_BOOT_ID":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa1","__MONOTONIC_TIMESTAMP":"6","MESSAGE":["one","two"],"SYSLOG_IDENTIFIER":["x","y"],"__REALTIME_TIMESTAMP":"1769900000000001"}"#;
        assert_eq!(text(line).as_deref(), Some("x[7]: one\ntwo"));
        assert_eq!(text(&self::line(r#""MESSAGE":["one",[116,119,111],null]"#)).as_deref(), Some("one\ntwo"));
    }

    #[test]
    fn an_entry_without_a_message_is_still_an_entry() {
        for fields in [
            r#""_PID":"7""#,
            r#""MESSAGE":null"#,
            r#""MESSAGE":"""#,
            r#""MESSAGE":"\n ""#,
            r#""MESSAGE":[]"#,
            r#""MESSAGE":[null]"#,
        ] {
            assert_eq!(text(&line(fields)), None, "{fields}");
        }
    }

    #[test]
    fn the_name_is_the_identifier_else_the_command_else_nothing() {
        assert_eq!(text(&line(r#""MESSAGE":"m","SYSLOG_IDENTIFIER":"kernel""#)).as_deref(), Some("kernel: m"));
        assert_eq!(text(&line(r#""MESSAGE":"m","_COMM":"sh","SYSLOG_PID":"9""#)).as_deref(), Some("sh[9]: m"));
        assert_eq!(text(&line(r#""MESSAGE":"line\ntwo\t","_PID":"7""#)).as_deref(), Some("line\ntwo"));
    }

    #[test]
    fn what_is_no_entry_is_an_error() {
        for line in [
            "",
            "{",
            "-- Reboot --",
            "[]",
            "{}",
            r#"{"__CURSOR":"c"}"#,
            r#"{"__CURSOR":"c","__REALTIME_TIMESTAMP":"-1"}"#,
        ] {
            assert!(parse(line.as_bytes()).is_err(), "{line}");
        }
    }

    proptest! {
        #[test]
        fn no_line_makes_it_panic(line in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = parse(&line);
        }

        #[test]
        fn no_message_makes_it_panic_and_strings_come_through(message in "\\PC*", bytes in prop::collection::vec(any::<u8>(), 1..50)) {
            let string = serde_json::to_string(&message).expect("a string");
            let found = text(&line(&format!(r#""MESSAGE":{string}"#)));
            prop_assert_eq!(found.unwrap_or_default(), message.trim_ascii_end());
            let numbers = serde_json::to_string(&bytes).expect("numbers");
            let found = text(&line(&format!(r#""MESSAGE":{numbers}"#)));
            prop_assert_eq!(found.unwrap_or_default(), String::from_utf8_lossy(bytes.trim_ascii_end()));
        }
    }
}
