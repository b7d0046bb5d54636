//! Every key that a configuration may have, of both dialects and our own, with its type: the one place to look a key up.
//!
//! `key` lines are run; `later` lines are known but not run yet, and say so when they are used. What stands inside of a `later` part is written
//! with `key`: the part speaks for all of it. Limits without a source here are the agent's own, as its schema states them.
mod agent_extras;
mod beyond;
mod logs;
mod metrics;

use super::shape::{Key, List, Others, Shape, Table, key, later, list, table};
use crate::{
    config::settings::{Destination, serial_relay::Tag},
    model::limits,
};
use Shape::{Any, Bool, Either, Int, Retention, Secret, Text, Verbatim, Vital, Word};

/// Seconds of an interval: up to two days.
const INTERVAL: Shape = Int(1, 172_800);
const INTERVAL_OR_ZERO: Shape = Int(0, 172_800);
const PATH: Shape = Text(1, 4096);
const NAME: Shape = Text(1, limits::NAME);
/// Of what is named to AWS.
const VITAL_NAME: Shape = Vital(1, limits::NAME);
const ENDPOINT: Shape = Vital(4, 2048);
const TEXTS: Shape = Shape::List(&list(Text(0, 4096)));
const SERVICE: Shape = Text(1, 255);
/// Longer by the four characters of a prefix that the agent puts before it.
const ENVIRONMENT: Shape = Text(1, 259);
const POSITIVE: Shape = Int(1, i64::MAX);

/// What the caller may name; more is an attack or an accident.
const ANYTHING: usize = 1 << 20;

pub(super) const CREDENTIALS: Shape = Shape::Table(&table(&[key("role_arn", Shape::Role)], Others::Error));

/// Dimensions that the user chooses.
const DIMENSIONS: Shape =
    Shape::Table(&Table { max: limits::DIMENSIONS, ..table(&[], Others::Each(Text(1, limits::DIMENSION_VALUE))) });

/// The whole file.
pub const ROOT: Shape = Shape::Table(&table(
    &[
        key("agent", AGENT),
        key("metrics", metrics::METRICS),
        key("logs", logs::LOGS),
        key("local", LOCAL),
        later("traces", agent_extras::TRACES),
        later("opentelemetry", agent_extras::OPENTELEMETRY),
        later("csm", Any),
        later("alarms", Shape::Table(&table(&[], Others::Accept))),
        later("records", Shape::Table(&table(&[], Others::Accept))),
        later("reports", Shape::Table(&table(&[], Others::Accept))),
        later("notify", Shape::Table(&table(&[], Others::Accept))),
        later("inventory", Shape::Table(&table(&[], Others::Accept))),
    ],
    Others::Warn,
));

const AGENT: Shape = Shape::Table(&table(
    &[
        // Both dialects.
        key("metrics_collection_interval", INTERVAL),
        key("logfile", Text(0, 4096)),
        key("region", Vital(1, 64)),
        key("debug", Bool),
        // The publisher's.
        key("instance", INSTANCE),
        key("authentication", Either(&[AUTHENTICATION, Shape::Null])),
        key("logs_collection_interval", INTERVAL),
        // The agent's.
        key("quiet", Bool),
        key("credentials", CREDENTIALS),
        key("use_dualstack_endpoint", Bool),
        later("run_as_user", Text(1, 255)),
        later("aws_sdk_log_level", Text(0, 4096)),
        key("omit_hostname", Bool),
        key("hostname", Text(0, 255)),
        later("user_agent", Text(0, 4096)),
        later("internal", Bool),
        later("usage_data", Bool),
        later("usage_metadata", TEXTS),
        later("system_metrics_enabled", Bool),
        // Of the logs; the agent puts them on metrics too.
        key("service.name", SERVICE),
        key("deployment.environment", ENVIRONMENT),
        later("collection_jitter", Any),
        later("flush_interval", Any),
        later("flush_jitter", Any),
        later("metric_batch_size", Any),
        later("metric_buffer_limit", Any),
        later("precision", Any),
        later("round_interval", Any),
        // Our own.
        key("destination", Word(Destination::WORDS)),
        key("state_folder", PATH),
        key("import_state", Either(&[Bool, PATH])),
        // An hour: longer than any service manager waits.
        key("shutdown_seconds", Int(1, 3600)),
        key("endpoint_override", ENDPOINT),
        key("ca_bundle", PATH),
        key("common_config", PATH),
        key("use_fips_endpoint", Bool),
        key("spool", SPOOL),
        key("max_series", POSITIVE),
        key("serial_relay", SERIAL_RELAY),
    ],
    Others::Warn,
));

const INSTANCE: Shape = Shape::Table(&table(
    &[key("prefix", Text(1, 128)), key("serial", Text(1, 128)), key("command", Verbatim(1, 4096))],
    Others::Error,
));

const AUTHENTICATION: Shape = Shape::Table(&table(
    &[
        key("accountId", Vital(1, 64)),
        key("userPoolId", VITAL_NAME),
        key("identityPoolId", VITAL_NAME),
        key("appClientId", VITAL_NAME),
        key("password", Secret),
        key("passwordFile", PATH),
        key("iotUrl", Vital(1, 2048)),
        key("roleAlias", VITAL_NAME),
        key("thingName", VITAL_NAME),
        key("certificate", Either(&[PATH, Shape::List(&List { min: 2, max: 2, ..list(PATH) })])),
    ],
    Others::Error,
));

const SERIAL_RELAY: Shape = Shape::Table(&table(
    &[
        key("enabled", Bool),
        key("device", PATH),
        key("socket", PATH),
        key("mode", Text(3, 4)),
        key("tags", Shape::List(&List { unique: true, ..list(Word(Tag::WORDS)) })),
    ],
    Others::Error,
));

const SPOOL: Shape = Shape::Table(&table(
    &[
        key("max_bytes", POSITIVE),
        key("max_age_seconds", Int(1, limits::OLDEST.as_secs().cast_signed())),
        key("min_free_bytes", Int(0, i64::MAX)),
        key("max_log_bytes", POSITIVE),
    ],
    Others::Error,
));

const LOCAL: Shape = Shape::Table(&table(
    &[
        key("folder", PATH),
        // Ten years.
        key("retention_hours", Int(1, 87_600)),
        later("listen", Text(1, 255)),
    ],
    Others::Error,
));
