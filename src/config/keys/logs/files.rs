//! `logs.logs_collected.files`.
use super::*;

/// `min` is 0 here because an empty list is an error only in the agent's dialect; the decoder says so.
pub const FILES: Shape = Shape::Table(&Table {
    needs: &["collect_list"],
    ..table(
        &[key("collect_list", Shape::List(&List { max: 16_384, unique: true, ..list(FILE) }))],
        Others::ErrorForAgent,
    )
});

const FILE: Shape = Shape::Table(&Table {
    needs: &["file_path"],
    shared: text::LINES,
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
            key("pipe", Bool),
            key("exclude", PATTERNS),
            // The agent's.
            key("log_group_class", Text(1, 512)),
            key("auto_removal", Bool),
            key("backpressure_mode", Word(&["fd_release"])),
            key("blacklist", Verbatim(1, 4096)),
            key("publish_multi_logs", Bool),
            key("service.name", SERVICE),
            key("deployment.environment", ENVIRONMENT),
        ],
        Others::Error,
    )
});
