//! `logs.logs_collected.journald`, and the publisher's `journal`.
use super::*;

/// The publisher's journal.
pub const JOURNAL: Shape = Shape::Table(&Table {
    shared: text::ENTRIES,
    ..table(
        &[key("collect", Bool), key("include_patterns", PATTERNS), key("exclude_patterns", PATTERNS)],
        Others::Error,
    )
});

pub const JOURNALD: Shape = Shape::Table(&Table {
    needs: &["collect_list"],
    ..table(
        &[key("collect_list", Shape::List(&List { min: 1, max: 16_384, unique: true, ..list(JOURNALD_ITEM) }))],
        Others::Error,
    )
});

const JOURNALD_ITEM: Shape = Shape::Table(&Table {
    needs: &["log_group_name"],
    shared: text::ENTRIES,
    ..table(
        &[
            key("log_group_name", GROUP),
            key("log_stream_name", STREAM),
            key("log_group_class", Text(1, 512)),
            key("retention_in_days", Retention),
            key("service.name", SERVICE),
            key("deployment.environment", ENVIRONMENT),
            key("filters", FILTERS),
            key("units", Shape::List(&List { min: 1, unique: true, ..list(Text(1, 256)) })),
            key("priority", Word(PRIORITIES)),
            // Our own: what is sent of an entry.
            key("format", Word(JournalFormat::WORDS)),
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
