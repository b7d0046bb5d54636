//! Section `metrics`: what holds for all metrics, and the plugins of `metrics_collected`.
use super::{
    ANYTHING, Any, Bool, CREDENTIALS, DIMENSIONS, ENDPOINT, Either, INTERVAL, INTERVAL_OR_ZERO, Int, List, NAME,
    Others, PATH, Shape, Table, Text, VITAL_NAME, Verbatim, Word, agent_extras, beyond, key, later, limits, list,
    table,
};
use crate::config::{metrics::plugins::is_misnamed, settings::collectd::Level};

pub const METRICS: Shape = Shape::Table(&table(
    &[
        key("namespace", VITAL_NAME),
        key("append_dimensions", DIMENSIONS),
        key("endpoint_override", ENDPOINT),
        key("credentials", CREDENTIALS),
        key("metrics_collected", COLLECTED),
        key("aggregation_dimensions", AGGREGATION),
        key("force_flush_interval", INTERVAL),
        key("metrics_destinations", DESTINATIONS),
        later("service.name", Text(1, 4096)),
        later("deployment.environment", Text(1, 4096)),
        // Our own.
        key("extra_dimensions", DIMENSIONS),
        key("storage_resolution", RESOLUTION),
        key("critical", beyond::CRITICAL),
        key("response_time", beyond::RESPONSE_TIME),
    ],
    Others::ErrorForAgent,
));

const AGGREGATION: Shape = Shape::List(&List {
    min: 1,
    max: 1024,
    unique: true,
    of: Shape::List(&List { max: 30, unique: true, ..list(Text(1, 1024)) }),
});

const DESTINATIONS: Shape = Shape::Table(&Table {
    min: 1,
    ..table(
        &[
            key("cloudwatch", Any),
            key(
                "amp",
                Shape::Table(&Table { needs: &["workspace_id"], ..table(&[key("workspace_id", NAME)], Others::Error) }),
            ),
        ],
        Others::Error,
    )
});

const COLLECTED: Shape = Shape::Table(&Table {
    min: 1,
    ..table(
        &[
            key("cpu", CPU),
            key("disk", DISK),
            key("diskio", WITH_RESOURCES),
            key("mem", BASIC),
            key("swap", BASIC),
            key("net", WITH_RESOURCES),
            key("netstat", BASIC),
            key("processes", BASIC),
            key("procstat", Shape::List(&List { min: 1, max: 255, ..list(PROCSTAT) })),
            key("statsd", STATSD),
            key("collectd", COLLECTD),
            key("ethtool", ETHTOOL),
            key("nvidia_gpu", NVIDIA_GPU),
            key("nvidia_smi", NVIDIA_SMI),
            key("efa", EFA),
            // Our own.
            key("os", BASIC),
            key("raspberry_pi", BASIC),
            key("storage_health", BASIC),
            key("thermal", BASIC),
            key("exec", beyond::EXEC),
            key("textfile", beyond::TEXTFILE),
            // Not a host's own: said by the reader of the section, each at its path.
            later("jmx", Either(&[Shape::List(&List { min: 1, max: 255, ..list(JMX) }), JMX])),
            later("otlp", agent_extras::OTLP),
            later("prometheus", PROMETHEUS),
        ],
        // The objects of Windows' performance counters, and what nobody knows.
        Others::EachUnless(is_misnamed, WITH_RESOURCES),
    )
});

pub const MEASUREMENT: Shape = Shape::List(&List { unique: true, ..list(Either(&[NAME, MEASURED])) });
const MEASURED: Shape = Shape::Table(&Table {
    needs: &["name"],
    ..table(&[key("name", NAME), key("rename", NAME), key("unit", Text(1, 256))], Others::Warn)
});
const RESOURCES: Shape = Shape::List(&List { max: 256, ..list(Text(1, 4096)) });
const DROPPED: Shape = Shape::List(&List { min: 1, unique: true, ..list(Text(0, 4096)) });
const NAMES: Shape = Shape::List(&list(NAME));

/// What the agent's plugins of the host have in common. It takes any key beside these and does nothing with it, so none is an error.
const PLUGIN: Table = Table {
    needs: &["measurement"],
    shared: &[
        key("measurement", MEASUREMENT),
        key("metrics_collection_interval", INTERVAL),
        key("append_dimensions", DIMENSIONS),
        key("drop_original_metrics", DROPPED),
        // Our own.
        key("omit_hostname", Bool),
        key("only_dimensions", ONLY),
        key("storage_resolution", RESOLUTION),
    ],
    ..table(&[], Others::Warn)
};
/// Names of dimensions.
pub const ONLY: Shape = Shape::List(&List { max: limits::DIMENSIONS, unique: true, ..list(NAME) });
/// Seconds, as the API has it.
pub const RESOLUTION: Shape = Int(1, 60);
const BASIC: Shape = Shape::Table(&PLUGIN);
const WITH_RESOURCES: Shape = Shape::Table(&Table { keys: &[key("resources", RESOURCES)], ..PLUGIN });

const CPU: Shape = Shape::Table(&Table {
    keys: &[key("resources", Shape::List(&List { max: 1, ..list(Word(&["*"])) })), key("totalcpu", Bool)],
    ..PLUGIN
});

const NVIDIA_GPU: Shape = Shape::Table(&Table { keys: &[key("uuid", Bool)], ..PLUGIN });

const DISK: Shape = Shape::Table(&Table {
    keys: &[
        key("resources", RESOURCES),
        key("ignore_file_system_types", RESOURCES),
        key("drop_device", Bool),
        // Our own.
        key("ignore_pseudo_file_systems", Bool),
    ],
    ..PLUGIN
});

const PROCSTAT: Shape = Shape::Table(&Table {
    needs: &["measurement"],
    needs_any: &["pid_file", "exe", "pattern", "systemd_unit"],
    ..table(
        &[
            key("measurement", Shape::List(&List { unique: true, ..list(NAME) })),
            key("metrics_collection_interval", INTERVAL),
            key("append_dimensions", DIMENSIONS),
            key("pid_file", NAME),
            key("exe", Verbatim(1, 255)),
            key("pattern", Verbatim(1, 255)),
            // The agent takes anything here, and does nothing with it.
            key("drop_original_metrics", Any),
            // Our own.
            key("systemd_unit", NAME),
            key("process_name", Text(1, 255)),
            key("omit_hostname", Bool),
            key("only_dimensions", ONLY),
            key("storage_resolution", RESOLUTION),
        ],
        Others::Warn,
    )
});

/// What both of the agent's listeners have.
const LISTENER: Table = Table {
    shared: &[
        key("service_address", NAME),
        key("metrics_aggregation_interval", INTERVAL_OR_ZERO),
        key("drop_original_metrics", DROPPED),
        later("service.name", Text(1, 4096)),
        later("deployment.environment", Text(1, 4096)),
        // Our own.
        key("omit_hostname", Bool),
        key("only_dimensions", ONLY),
        key("storage_resolution", RESOLUTION),
    ],
    ..table(&[], Others::Error)
};

const STATSD: Shape = Shape::Table(&Table {
    keys: &[
        key("metrics_collection_interval", INTERVAL),
        key("allowed_pending_messages", Int(1, 2_147_483_647)),
        key("metric_separator", NAME),
        // Our own.
        key("socket", PATH),
        key("socket_mode", Text(3, 4)),
        key("metric_type_dimension", Bool),
        key("keep_gauges", Bool),
        key("signed_values", Bool),
        key("float_counters", Bool),
        key("strict_rates", Bool),
        key("distributions", Bool),
        key("unit_suffixes", Shape::Table(&table(&[], Others::Each(Text(1, 256))))),
    ],
    ..LISTENER
});

const COLLECTD: Shape = Shape::Table(&Table {
    keys: &[
        key("name_prefix", NAME),
        key("collectd_auth_file", PATH),
        key("collectd_security_level", Word(Level::WORDS)),
        key("collectd_typesdb", Shape::List(&List { max: 10, ..list(PATH) })),
        key("append_dimensions", DIMENSIONS),
        // Our own.
        key("rates", Bool),
    ],
    ..LISTENER
});

const ETHTOOL: Shape = Shape::Table(&table(
    &[
        key("interface_include", NAMES),
        key("interface_exclude", NAMES),
        key("metrics_include", NAMES),
        key("append_dimensions", DIMENSIONS),
        key("drop_original_metrics", DROPPED),
        // Our own.
        key("omit_hostname", Bool),
        key("only_dimensions", ONLY),
        key("storage_resolution", RESOLUTION),
    ],
    Others::Error,
));

const NVIDIA_SMI: Shape =
    Shape::Table(&table(&[key("measurement", NAMES), key("metrics_collection_interval", INTERVAL)], Others::Accept));

const EFA: Shape = Shape::Table(&Table {
    needs: &["measurement"],
    ..table(
        &[
            key("measurement", MEASUREMENT),
            key("metrics_collection_interval", INTERVAL),
            key("drop_original_metrics", DROPPED),
            // The agent takes anything here, and does nothing with it.
            key("append_dimensions", Any),
            // Our own.
            key("only_dimensions", ONLY),
            key("storage_resolution", RESOLUTION),
        ],
        Others::Warn,
    )
});

const PROMETHEUS: Shape = Shape::Table(&Table {
    needs: &["prometheus_config_path"],
    ..table(&[key("prometheus_config_path", NAME)], Others::Error)
});

const JMX: Shape = Shape::Table(&Table {
    needs_any: &["jvm", "kafka", "kafka-consumer", "kafka-producer", "tomcat"],
    ..table(
        &[
            key("endpoint", ENDPOINT),
            key("metrics_collection_interval", INTERVAL),
            key("username", Text(0, ANYTHING)),
            key("password_file", Text(0, ANYTHING)),
            key("keystore_path", Text(0, ANYTHING)),
            key("keystore_type", Text(0, ANYTHING)),
            key("truststore_path", Text(0, ANYTHING)),
            key("truststore_type", Text(0, ANYTHING)),
            key("registry_ssl_enabled", Bool),
            key("remote_profile", Text(0, ANYTHING)),
            key("realm", Text(0, ANYTHING)),
            key("insecure", Bool),
            key("append_dimensions", DIMENSIONS),
            key("jvm", JMX_TARGET),
            key("kafka", JMX_TARGET),
            key("kafka-consumer", JMX_TARGET),
            key("kafka-producer", JMX_TARGET),
            key("tomcat", JMX_TARGET),
        ],
        Others::Error,
    )
});

const JMX_TARGET: Shape =
    Shape::Table(&Table { needs: &["measurement"], ..table(&[key("measurement", MEASUREMENT)], Others::Accept) });
