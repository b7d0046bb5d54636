//! Hiding what nobody may see in a JSON object, so that it stays one.
//!
//! A pattern is searched for in what the values say: a quote in a secret has a backslash before it in the JSON, and `\S+` must end where the
//! value does. A value that is a list of byte numbers (so `journalctl` prints what is no UTF-8) says what these bytes say. Where no value
//! has it, the object as it stands is searched, so that a pattern may name a key.
use super::{
    edge::{self, Masked, Room},
    parts::TRUNCATED,
};
use crate::config::settings::text::Redaction;
use serde_json::Value;
use std::borrow::Cow;

/// The object with every match masked; borrowed where nothing matched. What is no JSON is any text. Where masks would add more than
/// an event has [`Room`] for, nothing is left of it but a text that says so, in quotes: half an object would be none, and unmasked in part.
pub(super) fn redact<'a>(rules: &[Redaction], text: Cow<'a, [u8]>) -> (Cow<'a, [u8]>, Masked) {
    if rules.is_empty() {
        return (text, Masked::default());
    }
    let Ok(mut object) = serde_json::from_slice::<Value>(&text) else { return edge::redact(rules, text) };
    let (mut masked, mut elsewhere, mut room) = (Masked::default(), Vec::new(), Room::of_event());
    for rule in rules {
        if mask(rule, &mut object, &mut room) {
            masked.anything = true;
        } else {
            elsewhere.push(rule.clone());
        }
        if room.was_exceeded() {
            return cut(masked);
        }
    }
    let text = if masked.anything { Cow::Owned(object.to_string().into_bytes()) } else { text };
    let (text, more) = edge::redact_within(&elsewhere, text, &mut room);
    masked.anything |= more.anything;
    if more.cut { cut(masked) } else { (text, masked) }
}

fn cut<'a>(masked: Masked) -> (Cow<'a, [u8]>, Masked) {
    (Cow::Owned(Value::from(TRUNCATED).to_string().into_bytes()), Masked { cut: true, ..masked })
}

/// Masks what the values say, those inside of others too. Whether any match was found.
fn mask(rule: &Redaction, value: &mut Value, room: &mut Room) -> bool {
    let said = match value {
        Value::String(text) => Some(text.clone().into_bytes()),
        Value::Array(items) => bytes(items),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => None,
    };
    if let Some(said) = said {
        let (text, masked) = edge::redact_within(std::slice::from_ref(rule), said.into(), room);
        if masked.anything {
            *value = String::from_utf8_lossy(&text).into_owned().into();
        }
        return masked.anything;
    }
    // No short cut: each of them may have a match.
    let masked = match value {
        Value::Array(items) => items.iter_mut().filter_map(|item| mask(rule, item, room).then_some(())).count(),
        Value::Object(fields) => fields.values_mut().filter_map(|item| mask(rule, item, room).then_some(())).count(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    };
    masked > 0
}

/// A list of byte numbers.
fn bytes(items: &[Value]) -> Option<Vec<u8>> {
    let byte = |item: &Value| item.as_u64().and_then(|number| u8::try_from(number).ok());
    let all: Option<Vec<u8>> = items.iter().map(byte).collect();
    all.filter(|bytes| !bytes.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use regex::bytes::Regex;

    fn rule(expression: &str, replacement: &str) -> Redaction {
        Redaction { expression: Regex::new(expression).expect("a pattern"), replacement: replacement.into() }
    }

    fn masked(expression: &str, text: &str) -> String {
        let (text, _) = redact(&[rule(expression, "***")], Cow::Borrowed(text.as_bytes()));
        String::from_utf8(text.into_owned()).expect("UTF-8")
    }

    #[test]
    fn a_match_ends_with_its_value_and_the_rest_stays_an_object() {
        let text = r#"{"MESSAGE":"login password=hunter2","_PID":"7"}"#;
        assert_eq!(masked(r"password=\S+", text), r#"{"MESSAGE":"login ***","_PID":"7"}"#);
        assert_eq!(masked("nothing", text), text, "as it was");
    }

    #[test]
    fn a_value_is_searched_as_what_it_says() {
        let quoted = r#"{"MESSAGE":"password=\"hunter2\"","N":["password=\"x\"",null]}"#;
        assert_eq!(masked(r#"password="\w+""#, quoted), r#"{"MESSAGE":"***","N":["***",null]}"#);
        let message = [b"password=hun\xffter2 ok".as_slice()].concat();
        let numbers = serde_json::json!({ "MESSAGE": message }).to_string();
        assert_eq!(masked(r"password=\S+", &numbers), r#"{"MESSAGE":"*** ok"}"#);
    }

    #[test]
    fn of_an_object_that_masks_would_blow_up_only_a_text_is_left_that_says_so() {
        let values: Vec<String> = (0..20_000).map(|number| format!("x-{number}")).collect();
        let text = serde_json::json!({ "MESSAGE": values, "SECRET": "y S3CR3T" }).to_string();
        let rules = [rule("x", &"m".repeat(4096)), rule("S3CR3T", "***")];
        let (masked, what) = redact(&rules, Cow::Borrowed(text.as_bytes()));
        assert_eq!((&*masked, what.cut), (&br#""[Truncated...]""#[..], true));
        let keys = format!("{{{}\"z\":1}}", "\"x\":1,".repeat(20_000));
        let (masked, what) = redact(&[rule("\"x\"", &"m".repeat(4096))], Cow::Borrowed(keys.as_bytes()));
        assert_eq!(
            (&*masked, what.cut),
            (&br#""[Truncated...]""#[..], true),
            "what is masked as it stands counts, too"
        );
    }

    #[test]
    fn a_pattern_may_name_a_key() {
        assert_eq!(masked(r#""_CMDLINE":"[^"]*""#, r#"{"A":"b","_CMDLINE":"x"}"#), r#"{"A":"b",***}"#);
    }

    proptest! {
        #[test]
        fn no_secret_is_left_in_any_value_whatever_stands_around_it(before in "\\PC{0,20}", after in "[ \"\\\\].{0,20}", quoted in any::<bool>()) {
            let message = format!("{before} token=S3\"CR3T{after}");
            let value = if quoted { Value::from(message) } else { message.into_bytes().into() };
            let text = serde_json::json!({ "A": ["x", value], "B": 1 }).to_string();
            let masked = masked(r#"token=[^ ]+"#, &text);
            prop_assert!(!masked.contains("CR3T"), "{}", masked);
            prop_assert!(serde_json::from_str::<Value>(&masked).is_ok(), "{}", masked);
        }
    }
}
