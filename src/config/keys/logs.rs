//! Section `logs`: files, the journal, and what we do not run yet.
use super::{
    ANYTHING, Any, Bool, CREDENTIALS, ENDPOINT, ENVIRONMENT, Either, INTERVAL, Int, List, NAME, Others, POSITIVE,
    Retention, SERVICE, Shape, Table, Text, Verbatim, Word, agent_extras, key, later, limits, list, table,
};

const GROUP: Shape = Text(1, limits::LOG_NAME);
const STREAM: Shape = Text(1, limits::LOG_NAME);
const PATTERNS: Shape = Shape::List(&list(Verbatim(1, 4096)));

pub const LOGS: Shape = Shape::Table(&table(
    &[
        key("logs_collected", COLLECTED),
        key("log_group_name", GROUP),
        key("retention_in_days", Retention),
        key("log_stream_name", STREAM),
        key("force_flush_interval", INTERVAL),
        key("endpoint_override", ENDPOINT),
        key("credentials", CREDENTIALS),
        key("metrics_collected", agent_extras::LOG_METRICS),
        later("concurrency", POSITIVE),
        later("service.name", SERVICE),
        later("deployment.environment", ENVIRONMENT),
    ],
    Others::ErrorForAgent,
));

const COLLECTED: Shape = Shape::Table(&table(
    &[
        key("files", FILES),
        key("journal", Either(&[Bool, JOURNAL])),
        later("windows_events", WINDOWS_EVENTS),
        later("journald", JOURNALD),
        later("application_signals", APPLICATION_SIGNALS),
        later("unified_log", Either(&[Bool, Shape::Table(&table(&[], Others::Accept))])),
    ],
    Others::ErrorForAgent,
));

/// The publisher's journal.
const JOURNAL: Shape = Shape::Table(&table(
    &[key("collect", Bool), key("include_patterns", PATTERNS), key("exclude_patterns", PATTERNS)],
    Others::Error,
));

/// `min` is 0 here because an empty list is an error only in the agent's dialect; the decoder says so.
const FILES: Shape = Shape::Table(&Table {
    needs: &["collect_list"],
    ..table(
        &[key("collect_list", Shape::List(&List { max: 16_384, unique: true, ..list(FILE) }))],
        Others::ErrorForAgent,
    )
});

const FILE: Shape = Shape::Table(&Table {
    needs: &["file_path"],
    ..table(
        &[
            key("file_path", Text(1, 4096)),
            key("log_group_name", GROUP),
            key("log_stream_name", STREAM),
            key("retention_in_days", Retention),
            key("filters", FILTERS),
            // The publisher's and our own.
            key("include_patterns", PATTERNS),
            key("exclude_patterns", PATTERNS),
            key("from_beginning", Bool),
            later("exclude", Any),
            later("sample", Any),
            later("rate_limit", Any),
            later("redact", Any),
            later("multi_line_preset", Text(1, 64)),
            // The agent's.
            later("log_group_class", Text(1, 512)),
            later("multi_line_start_pattern", Verbatim(1, 4096)),
            later("timestamp_format", Verbatim(1, 4096)),
            later("timezone", Word(&["UTC", "Local", "LOCAL"])),
            later("trim_timestamp", Bool),
            later("encoding", Text(1, 4096)),
            later("auto_removal", Bool),
            later("backpressure_mode", Word(&["fd_release"])),
            later("blacklist", Verbatim(1, 4096)),
            later("publish_multi_logs", Bool),
            later("service.name", SERVICE),
            later("deployment.environment", ENVIRONMENT),
        ],
        Others::Error,
    )
});

/// The agent's schema asks for neither key, but the agent itself for both.
const FILTERS: Shape = Shape::List(&list(Shape::Table(&Table {
    needs: &["type", "expression"],
    ..table(&[key("type", Word(&["include", "exclude"])), key("expression", Verbatim(1, ANYTHING))], Others::Error)
})));

const WINDOWS_EVENTS: Shape = Shape::Table(&Table {
    needs: &["collect_list"],
    ..table(
        &[key("collect_list", Shape::List(&List { min: 1, max: 16_384, unique: true, ..list(WINDOWS_CHANNEL) }))],
        Others::Error,
    )
});

const WINDOWS_CHANNEL: Shape = Shape::Table(&Table {
    needs: &["event_name"],
    needs_any: &["event_levels", "event_ids", "filters"],
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
            key("retention_in_days", Retention),
            key("event_format", Word(&["text", "xml"])),
        ],
        Others::Error,
    )
});

pub(super) const EVENT_LEVELS: Shape = Shape::List(&List {
    min: 1,
    unique: true,
    ..list(Word(&["CRITICAL", "ERROR", "WARNING", "INFORMATION", "VERBOSE"]))
});

pub(super) const EVENT_IDS: Shape = Shape::List(&List { min: 1, unique: true, ..list(Int(0, 65_535)) });

const JOURNALD: Shape = Shape::Table(&Table {
    needs: &["collect_list"],
    ..table(
        &[key("collect_list", Shape::List(&List { min: 1, max: 16_384, unique: true, ..list(JOURNALD_ITEM) }))],
        Others::Error,
    )
});

const JOURNALD_ITEM: Shape = Shape::Table(&Table {
    needs: &["log_group_name"],
    ..table(
        &[
            key("log_group_name", GROUP),
            key("log_stream_name", STREAM),
            key("log_group_class", Text(1, 512)),
            key("retention_in_days", Retention),
            key("filters", FILTERS),
            key("units", Shape::List(&List { min: 1, unique: true, ..list(Text(0, 256)) })),
            key("priority", Word(PRIORITIES)),
            key(
                "matches",
                Shape::List(&List {
                    min: 1,
                    unique: true,
                    ..list(Shape::Table(&table(&[], Others::Each(Text(0, ANYTHING)))))
                }),
            ),
        ],
        Others::Error,
    )
});

const PRIORITIES: &[&str] =
    &["emerg", "alert", "crit", "err", "warning", "notice", "info", "debug", "0", "1", "2", "3", "4", "5", "6", "7"];

const APPLICATION_SIGNALS: Shape = Shape::Table(&table(
    &[key("log_group_name", GROUP), key("log_stream_name", STREAM), key("disabled", Bool)],
    Others::Accept,
));
