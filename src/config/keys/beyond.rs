//! What is measured beside the agent's plugins: response times, commands, text files, and the five critical stats. All of it is ours.
use super::{
    ANYTHING, Bool, DIMENSIONS, Either, INTERVAL, Int, List, NAME, Others, PATH, Shape, Table, Text, Verbatim, Word,
    key, list,
    metrics::{MEASUREMENT, ONLY, RESOLUTION},
    table,
};
use crate::config::{
    metrics::critical::STATS,
    settings::exposition::{Counters, Format},
};

/// `metrics.critical`.
pub const CRITICAL: Shape = Either(&[Bool, Shape::List(&List { unique: true, ..list(Word(STATS)) })]);

/// What all of these have.
const SHARED: &[super::Key] = &[
    key("append_dimensions", DIMENSIONS),
    key("omit_hostname", Bool),
    key("only_dimensions", ONLY),
    key("storage_resolution", RESOLUTION),
];

/// `metrics.response_time`.
pub const RESPONSE_TIME: Shape = Shape::Table(&Table {
    needs: &["targets"],
    shared: SHARED,
    ..table(
        &[
            key("targets", Shape::List(&List { min: 1, max: 100, ..list(Either(&[Text(1, 2048), TARGET])) })),
            key("measurement", MEASUREMENT),
            key("interval", INTERVAL),
            key("timeout", TIMEOUT),
        ],
        Others::Error,
    )
});

/// Seconds; nobody waits longer for a page.
const TIMEOUT: Shape = Int(1, 300);
/// <https://www.rfc-editor.org/rfc/rfc9110#section-15>
const STATUS: Shape = Int(100, 599);
/// As in `200-399`.
const STATUSES: Shape = Text(3, 7);

const TARGET: Shape = Shape::Table(&Table {
    needs_any: &["url", "host", "icmp"],
    ..table(
        &[
            key("name", NAME),
            key("url", Text(1, 2048)),
            // <https://www.rfc-editor.org/rfc/rfc1035#section-2.3.4>
            key("host", Text(1, 253)),
            key("port", Int(1, 65_535)),
            key("icmp", Text(1, 253)),
            key("interval", INTERVAL),
            key("timeout", TIMEOUT),
            key(
                "expect_status",
                Either(&[
                    STATUS,
                    STATUSES,
                    Shape::List(&List { min: 1, max: 50, ..list(Either(&[STATUS, STATUSES])) }),
                ]),
            ),
            key("follow_redirects", Either(&[Bool, Int(0, 20)])),
            key("ca_bundle", PATH),
        ],
        Others::Error,
    )
});

/// What both readers of other programs' samples have.
const PROGRAM: Table = Table {
    shared: &[
        key("metrics_collection_interval", INTERVAL),
        key("name_prefix", NAME),
        key("counters", Word(Counters::WORDS)),
        key("buckets", Bool),
        key("append_dimensions", DIMENSIONS),
        key("omit_hostname", Bool),
        key("only_dimensions", ONLY),
        key("storage_resolution", RESOLUTION),
    ],
    ..table(&[], Others::Error)
};

/// `metrics.metrics_collected.exec`.
pub const EXEC: Shape = Shape::List(&List { min: 1, max: 100, ..list(COMMAND) });

const COMMAND: Shape = Shape::Table(&Table {
    needs: &["command"],
    keys: &[
        key(
            "command",
            Either(&[Verbatim(1, 4096), Shape::List(&List { min: 1, max: 1000, ..list(Verbatim(0, ANYTHING)) })]),
        ),
        key("format", Word(Format::WORDS)),
        // An hour.
        key("timeout", Int(1, 3600)),
    ],
    ..PROGRAM
});

/// `metrics.metrics_collected.textfile`.
pub const TEXTFILE: Shape = Shape::Table(&Table {
    needs: &["paths"],
    keys: &[key("paths", Shape::List(&List { min: 1, max: 100, unique: true, ..list(PATH) })), key("file_age", Bool)],
    ..PROGRAM
});
