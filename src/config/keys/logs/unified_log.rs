//! Our own `logs.logs_collected.unified_log`.
use super::*;

pub const UNIFIED_LOG: Shape = Either(&[
    Bool,
    Shape::Table(&Table {
        shared: &KEYS,
        ..table(
            &[
                key("collect", Bool),
                key("collect_list", Shape::List(&List { min: 1, max: 16_384, unique: true, ..list(ITEM) })),
            ],
            Others::Error,
        )
    }),
]);

const ITEM: Shape = Shape::Table(&table(&KEYS, Others::Error));

const KEYS: [Key; 10] = [
    key("predicate", Verbatim(1, 4096)),
    key("subsystem", Text(1, 255)),
    key("level", Word(&["default", "info", "debug"])),
    key("log_group_name", GROUP),
    key("log_stream_name", STREAM),
    key("retention_in_days", Retention),
    key("filters", FILTERS),
    key("include_patterns", PATTERNS),
    key("exclude_patterns", PATTERNS),
    later("log_group_class", Text(1, 512)),
];
