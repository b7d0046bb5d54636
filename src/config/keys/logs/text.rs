//! What becomes of the text of an item's events.
use super::*;
use crate::config::settings::text::{OutOfRange, Oversize};

/// For sources of whole events, which know their own times.
pub const ENTRIES: &[Key] = &[SAMPLE, RATE, REDACT, OUT_OF_RANGE, MAX_SIZE, OVERSIZE];

/// For sources of lines.
pub const LINES: &[Key] = &[
    // The agent's.
    key("timestamp_format", Verbatim(1, 4096)),
    key("timezone", Text(1, 64)),
    key("trim_timestamp", Bool),
    key("multi_line_start_pattern", Verbatim(1, 4096)),
    key("encoding", Text(1, 4096)),
    // Our own.
    key("multi_line_preset", Word(PRESETS)),
    // As long as anybody waits for an event.
    key("multi_line_timeout", Int(1, 3600)),
    SAMPLE,
    RATE,
    REDACT,
    OUT_OF_RANGE,
    MAX_SIZE,
    OVERSIZE,
];

const SAMPLE: Key = key("sample", Int(1, 1_000_000_000));
const RATE: Key = key("rate_limit", Either(&[EVENTS, RATE_LIMIT]));
const REDACT: Key = key("redact", Shape::List(&list(REDACTION)));
const OUT_OF_RANGE: Key = key("out_of_range", Word(OutOfRange::WORDS));
/// From the least that says anything to the most that CloudWatch takes.
const MAX_SIZE: Key = key("max_event_size", Int(256, limits::MESSAGE_BYTES.cast_signed() as i64));
const OVERSIZE: Key = key("oversize", Word(Oversize::WORDS));

const EVENTS: Shape = Int(1, 1_000_000);
const RATE_LIMIT: Shape = Shape::Table(&Table {
    needs: &["events_per_second"],
    ..table(&[key("events_per_second", EVENTS), key("burst", EVENTS)], Others::Error)
});
const REDACTION: Shape = Shape::Table(&Table {
    needs: &["expression"],
    ..table(&[key("expression", Verbatim(1, 4096)), key("replacement", Verbatim(0, 4096))], Others::Error)
});
