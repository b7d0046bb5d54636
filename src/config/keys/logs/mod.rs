//! Section `logs`: each kind of source in a file of its own, and what we do not run yet.
mod emf;
mod files;
mod journald;
mod text;
mod unified_log;
mod windows_events;

pub(super) use emf::EMF;
pub(super) use windows_events::{EVENT_IDS, EVENT_LEVELS};

use super::{
    ANYTHING, Bool, CREDENTIALS, ENDPOINT, ENVIRONMENT, Either, INTERVAL, Int, Key, List, NAME, Others, Retention,
    SERVICE, Shape, Table, Text, Verbatim, Word, agent_extras, key, later, limits, list, table,
};
use crate::config::{
    multi_line::PRESETS,
    settings::{EventFormat, EventLevel, FilterKind, JournalFormat, PRIORITIES, SocketKind, UnifiedLevel},
};

const GROUP: Shape = Shape::Group(1, limits::LOG_NAME);
const STREAM: Shape = Text(1, limits::LOG_NAME);
/// The agent has no bound; each call on its way has a connection and a body of a megabyte.
const CONCURRENCY: Shape = Int(1, 1024);
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
        key("concurrency", CONCURRENCY),
        key("service.name", SERVICE),
        key("deployment.environment", ENVIRONMENT),
        // Our own.
        key("keep_rejected", Bool),
    ],
    Others::ErrorForAgent,
));

const COLLECTED: Shape = Shape::Table(&table(
    &[
        key("files", files::FILES),
        key("journal", Either(&[Bool, journald::JOURNAL])),
        key("windows_events", windows_events::WINDOWS_EVENTS),
        key("journald", journald::JOURNALD),
        key("unified_log", unified_log::UNIFIED_LOG),
        later("application_signals", APPLICATION_SIGNALS),
    ],
    Others::ErrorForAgent,
));

/// The agent's schema asks for neither key, but the agent itself for both.
const FILTERS: Shape = Shape::List(&list(Shape::Table(&Table {
    needs: &["type", "expression"],
    ..table(&[key("type", Word(FilterKind::WORDS)), key("expression", Verbatim(1, ANYTHING))], Others::Error)
})));

const APPLICATION_SIGNALS: Shape = Shape::Table(&table(
    &[key("log_group_name", GROUP), key("log_stream_name", STREAM), key("disabled", Bool)],
    Others::Accept,
));
