//! Our own `logs.logs_collected.unified_log`.
use super::*;

pub const UNIFIED_LOG: Shape =
    Either(&[Bool, Shape::Table(&Table { shared: text::ENTRIES, ..table(&with_list(KEYS), Others::Error) })]);

const ITEM: Shape = Shape::Table(&Table { shared: text::ENTRIES, ..table(&KEYS, Others::Error) });
const ITEMS: Shape = Shape::List(&List { min: 1, max: 16_384, unique: true, ..list(ITEM) });

/// The keys of an item, and those that only the section itself has.
const fn with_list(keys: [Key; 12]) -> [Key; 14] {
    let [a, b, c, d, e, f, g, h, i, j, k, l] = keys;
    [a, b, c, d, e, f, g, h, i, j, k, l, key("collect", Bool), key("collect_list", ITEMS)]
}

const KEYS: [Key; 12] = [
    key("predicate", Verbatim(1, 4096)),
    key("subsystem", Text(1, 255)),
    key("level", Word(UnifiedLevel::WORDS)),
    key("log_group_name", GROUP),
    key("log_stream_name", STREAM),
    key("retention_in_days", Retention),
    key("filters", FILTERS),
    key("include_patterns", PATTERNS),
    key("exclude_patterns", PATTERNS),
    key("log_group_class", Text(1, 512)),
    key("service.name", SERVICE),
    key("deployment.environment", ENVIRONMENT),
];
