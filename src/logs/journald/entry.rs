//! One line of `journalctl --output=json`: one entry of the journal as a JSON object.
//!
//! The shapes are those of <https://systemd.io/JOURNAL_EXPORT_FORMATS/#journal-json-format>: a field is a string, an
//! array of byte numbers where it is no valid UTF-8, `null` where it was too long (not with `--all`), and an array of
//! these where it was given more than once.
use crate::config::settings::JournalFormat;
use serde::{
    Deserialize, Deserializer,
    de::{self, MapAccess, SeqAccess, Visitor},
};
use serde_json::value::RawValue;
use std::{borrow::Cow, fmt};

/// One entry, as far as it is sent.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Parsed {
    pub cursor: String,
    /// `__REALTIME_TIMESTAMP`: microseconds since 1970.
    pub micros: u64,
    /// The event's text; `None` for an entry without a message.
    pub text: Option<String>,
    /// Whether the text holds replacement characters for bytes that were no UTF-8.
    pub mended: bool,
    /// The unit that it is about: the one that it comes from, or the one that systemd reports on.
    pub unit: String,
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
    #[serde(default, rename = "_SYSTEMD_UNIT")]
    unit: Field,
    #[serde(default, rename = "UNIT")]
    about_unit: Field,
    #[serde(default, rename = "_TRANSPORT")]
    transport: Field,
}

/// The unit of what the kernel says.
const KERNEL: &str = "kernel";
/// The unit of what no unit says.
const NO_UNIT: &str = "none";
/// In the JSON form the event's time says this already, and the agent leaves it out.
const TIME: &str = "__REALTIME_TIMESTAMP";

/// The bytes of a field; several values are lines. `None`: missing or too long.
#[derive(Default)]
struct Field(Option<Vec<u8>>);

/// Read one line, without its line feed.
///
/// As a message, the text is `IDENTIFIER[PID]: MESSAGE`, what `journalctl` itself shows after time and host: one stream
/// carries the whole journal, and without its sender a message says little. Time and host are left out, since the event's time
/// and its stream say them already. As JSON, it is the object without the entry's time.
pub(super) fn parse(line: &[u8], format: JournalFormat) -> Result<Parsed, LineError> {
    let entry: Line<'_> = serde_json::from_slice(line)?;
    let micros = entry.micros.parse().map_err(|_| LineError::Time)?;
    let (text, mended) = match format {
        JournalFormat::Message => entry.message().unzip(),
        JournalFormat::Json => (Some(without_time(line)?), None),
    };
    let unit = entry.unit();
    Ok(Parsed { unit, cursor: entry.cursor.into_owned(), micros, text, mended: mended.unwrap_or_default() })
}

impl Line<'_> {
    /// The text of an entry that has one, and whether it had to be mended.
    fn message(&self) -> Option<(String, bool)> {
        let message = self.message.0.as_ref()?.trim_ascii_end();
        if message.is_empty() {
            return None;
        }
        let mut text = String::new();
        if let Some(identifier) = self.identifier.first().or_else(|| self.command.first()) {
            text.push_str(&identifier);
            if let Some(pid) = self.pid.first().or_else(|| self.syslog_pid.first()) {
                text.push('[');
                text.push_str(&pid);
                text.push(']');
            }
            text.push_str(": ");
        }
        let readable = String::from_utf8_lossy(message);
        let mended = matches!(readable, Cow::Owned(_));
        text.push_str(&readable);
        Some((text, mended))
    }

    /// What systemd says about a unit belongs to that unit, as with `journalctl --unit`: it says it as process 1.
    fn unit(&self) -> String {
        let said_by_systemd = self.pid.first().is_some_and(|pid| pid == "1");
        let about = self.about_unit.first().filter(|_| said_by_systemd);
        let unit = about.or_else(|| self.unit.first()).or_else(|| self.about_unit.first());
        let kernel = || self.transport.first().filter(|transport| transport == KERNEL);
        unit.or_else(kernel).unwrap_or(Cow::Borrowed(NO_UNIT)).into_owned()
    }
}

/// The object with every byte of its other fields, in the order of their names: that of journalctl changes from run to run, and
/// the agent sorts them, too.
fn without_time(line: &[u8]) -> Result<String, serde_json::Error> {
    let Fields(mut fields) = serde_json::from_slice(line)?;
    fields.sort_by(|(one, _), (other, _)| one.cmp(other));
    let mut text = String::with_capacity(line.len());
    text.push('{');
    for (name, value) in fields.iter().filter(|(name, _)| name.as_ref() != TIME) {
        if text.len() > 1 {
            text.push(',');
        }
        text.push_str(&serde_json::to_string(name)?);
        text.push(':');
        text.push_str(value.get());
    }
    text.push('}');
    Ok(text)
}

/// The fields of an object in their order, each value as it stands.
struct Fields<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(FieldsVisitor)
    }
}

struct FieldsVisitor;

impl<'de> Visitor<'de> for FieldsVisitor {
    type Value = Fields<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut fields = Vec::new();
        while let Some(Name(name)) = map.next_key()? {
            fields.push((name, map.next_value()?));
        }
        Ok(Fields(fields))
    }
}

/// A name, copied only where it has escapes in it.
#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

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
    use super::{
        JournalFormat::{Json, Message},
        *,
    };
    use proptest::prelude::*;

    fn text(line: &str) -> Option<String> {
        parse(line.as_bytes(), Message).expect("an entry").text
    }

    /// A line with these fields beside the two that every entry has.
    fn line(fields: &str) -> String {
        format!(r#"{{"__CURSOR":"s=1;i=1","__REALTIME_TIMESTAMP":"1769900001000123",{fields}}}"#)
    }

    #[test]
    fn a_line_of_journalctl_252_is_read() {
        let line = br#"{"MESSAGE":"boot 0 line 0","__REALTIME_TIMESTAMP":"1769900001000123","__MONOTONIC_TIMESTAMP":"1000000","SYSLOG_IDENTIFIER":"demo","_BOOT_ID":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa0","_PID":"42","__CURSOR":"s=0f31e7ffb99e49928961bdc016e28983;i=1;b=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa0;m=f4240;t=649b6f4d8fabb;x=587afab6d4b3062a","PRIORITY":"6"}"#;
        let entry = parse(line, Message).expect("an entry");
        assert_eq!(entry.text.as_deref(), Some("demo[42]: boot 0 line 0"));
        assert_eq!(entry.micros, 1_769_900_001_000_123);
        assert!(entry.cursor.starts_with("s=0f31e7ffb99e49928961bdc016e28983;i=1;") && !entry.mended);
    }

    #[test]
    fn bytes_that_are_no_utf8_come_as_numbers_and_are_mended() {
        let line = br#"{"__REALTIME_TIMESTAMP":"1769900000000000","MESSAGE":[97,255,98],"__MONOTONIC_TIMESTAMP":"5","__CURSOR":"s=34a73692032343e1acd1d56946096fb9;i=1;b=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa1;m=5;t=649b6f4c9b800;x=f4239ff136b337d4","_BOOT_ID":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa1"}"#;
        let entry = parse(line, Message).expect("an entry");
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
    fn as_json_every_field_but_the_time_stays_as_journalctl_printed_it_in_the_order_of_names() {
        let line = r#"{"MESSAGE":[97,255],"__REALTIME_TIMESTAMP":"1769900000000000", "A":"\u00e9\"{","B":["x",null],"__CURSOR":"c"}"#;
        let entry = parse(line.as_bytes(), Json).expect("an entry");
        let expected = r#"{"A":"\u00e9\"{","B":["x",null],"MESSAGE":[97,255],"__CURSOR":"c"}"#;
        assert_eq!((entry.text.as_deref(), entry.micros), (Some(expected), 1_769_900_000_000_000));
        let only_time = parse(br#"{"__REALTIME_TIMESTAMP":"1","__CURSOR":"c"}"#, Json).expect("an entry");
        assert_eq!(only_time.text.as_deref(), Some(r#"{"__CURSOR":"c"}"#), "the agent sends what has no message, too");
    }

    #[test]
    fn the_unit_is_that_of_the_sender_or_the_one_that_systemd_reports_on() {
        let unit = |fields: &str| parse(line(fields).as_bytes(), Message).expect("an entry").unit;
        assert_eq!(unit(r#""_SYSTEMD_UNIT":"a.service","_PID":"9""#), "a.service");
        assert_eq!(unit(r#""_SYSTEMD_UNIT":"init.scope","UNIT":"b.service","_PID":"1""#), "b.service");
        assert_eq!(unit(r#""_SYSTEMD_UNIT":"a.service","UNIT":"forged.service","_PID":"9""#), "a.service");
        assert_eq!(unit(r#""_TRANSPORT":"kernel""#), "kernel");
        assert_eq!(unit(r#""_TRANSPORT":"syslog""#), "none");
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
            assert!(parse(line.as_bytes(), Message).is_err(), "{line}");
        }
    }

    proptest! {
        #[test]
        fn no_line_makes_it_panic(line in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = parse(&line, Message);
            let _ = parse(&line, Json);
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
