//! `logs.logs_collected.windows_events`.
use super::*;

pub const WINDOWS_EVENTS: Shape = Shape::Table(&Table {
    needs: &["collect_list"],
    ..table(
        &[key("collect_list", Shape::List(&List { min: 1, max: 16_384, unique: true, ..list(WINDOWS_CHANNEL) }))],
        Others::Error,
    )
});

const WINDOWS_CHANNEL: Shape = Shape::Table(&Table {
    needs: &["event_name"],
    needs_any: &["event_levels", "event_ids", "filters"],
    shared: text::ENTRIES,
    ..table(
        &[
            // The decoder refuses `Forwarded Events`, which is no channel.
            key("event_name", NAME),
            key("event_levels", EVENT_LEVELS),
            key("event_ids", EVENT_IDS),
            key("filters", FILTERS),
            key("log_group_name", GROUP),
            key("log_stream_name", STREAM),
            key("log_group_class", Text(1, 512)),
            key("service.name", SERVICE),
            key("deployment.environment", ENVIRONMENT),
            key("retention_in_days", Retention),
            key("event_format", Word(EventFormat::WORDS)),
        ],
        Others::Error,
    )
});

pub const EVENT_LEVELS: Shape = Shape::List(&List { min: 1, unique: true, ..list(Word(EventLevel::WORDS)) });

pub const EVENT_IDS: Shape = Shape::List(&List { min: 1, unique: true, ..list(Int(0, 65_535)) });
