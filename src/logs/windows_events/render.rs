//! What is sent of an event.
use super::event::Event;
use crate::config::settings::EventFormat;

/// The text of an event whose XML this is.
pub fn text(event: &Event, xml: &str, format: EventFormat) -> String {
    match format {
        EventFormat::Xml => xml.trim_start_matches('\u{feff}').trim().to_owned(),
        EventFormat::Text => format!(
            "[{}] [{}] [{}] [{}] [{}] [{}]",
            event.channel,
            level(event.level),
            event.id,
            event.provider,
            event.computer,
            message(event)
        ),
    }
}

/// <https://learn.microsoft.com/en-us/windows/win32/wes/eventmanifestschema-leveltype-complextype>
fn level(level: Option<u8>) -> &'static str {
    match level.unwrap_or_default() {
        0 | 4 => "INFORMATION",
        1 => "CRITICAL",
        2 => "ERROR",
        3 => "WARNING",
        5 => "VERBOSE",
        _ => "UNKNOWN",
    }
}

/// Without the provider's metadata there is no message; then what was logged stands for it.
fn message(event: &Event) -> String {
    match &event.message {
        Some(message) => filled(message, &event.values),
        None => event.data.clone().unwrap_or_default(),
    }
}

/// Put the values in where `%N` was left in a message, as Windows does where the provider's metadata are of an older version.
/// Numbers that no value has stay as they are.
fn filled(message: &str, values: &[String]) -> String {
    let mut text = String::with_capacity(message.len());
    let mut pieces = message.split('%');
    text.push_str(pieces.next().unwrap_or_default());
    for piece in pieces {
        let digits = piece.bytes().take_while(u8::is_ascii_digit).count();
        let (number, rest) = piece.split_at(digits);
        let value = number.parse::<usize>().ok().and_then(|number| values.get(number.checked_sub(1)?));
        match value {
            Some(value) => text.push_str(value),
            None => {
                text.push('%');
                text.push_str(number);
            }
        }
        text.push_str(rest);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn places_that_windows_left_open_get_their_values() {
        let values = ["one".to_owned(), "two".to_owned()];
        for (message, expected) in [
            ("%1 and %2.", "one and two."),
            ("%2%1", "twoone"),
            ("%3 %0 %12 % %x", "%3 %0 %12 % %x"),
            ("%%1833 and %%1", "%%1833 and %one"),
            ("100%", "100%"),
            ("", ""),
            ("%99999999999999999999999", "%99999999999999999999999"),
        ] {
            assert_eq!(filled(message, &values), expected, "{message}");
        }
        assert_eq!(filled("%1", &["%2".to_owned(), "x".to_owned()]), "%2", "a value is not searched again");
    }

    proptest! {
        #[test]
        fn without_values_every_message_stays_as_it_is(message in "\\PC*") {
            prop_assert_eq!(filled(&message, &[]), message);
        }
    }
}
