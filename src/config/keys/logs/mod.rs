//! Section `logs`: files, the journal, and what we do not run yet.
mod emf;
mod files;
mod journald;
mod windows_events;

pub(super) use emf::EMF;
pub(super) use windows_events::{EVENT_IDS, EVENT_LEVELS};

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
        key("files", files::FILES),
        key("journal", Either(&[Bool, journald::JOURNAL])),
        later("windows_events", windows_events::WINDOWS_EVENTS),
        later("journald", journald::JOURNALD),
        later("application_signals", APPLICATION_SIGNALS),
        later("unified_log", Either(&[Bool, Shape::Table(&table(&[], Others::Accept))])),
    ],
    Others::ErrorForAgent,
));

/// The agent's schema asks for neither key, but the agent itself for both.
const FILTERS: Shape = Shape::List(&list(Shape::Table(&Table {
    needs: &["type", "expression"],
    ..table(&[key("type", Word(&["include", "exclude"])), key("expression", Verbatim(1, ANYTHING))], Others::Error)
})));

const APPLICATION_SIGNALS: Shape = Shape::Table(&table(
    &[key("log_group_name", GROUP), key("log_stream_name", STREAM), key("disabled", Bool)],
    Others::Accept,
));
