//! What the agent does beside hosts: containers, traces, OpenTelemetry. Known so that a file with it loads, and so that its mistakes are seen.
use super::{
    ANYTHING, Any, Bool, CREDENTIALS, ENDPOINT, ENVIRONMENT, Either, INTERVAL, List, NAME, Others, POSITIVE, SERVICE,
    Shape, TEXTS, Table, Text, Verbatim, Word, key, later, list, logs, table,
};
use crate::config::settings::EventFormat;

const WORDS: Shape = Text(0, ANYTHING);
const OBJECT: Shape = Shape::Table(&table(&[], Others::Accept));

/// `logs.metrics_collected`.
pub const LOG_METRICS: Shape = Shape::Table(&table(
    &[
        key("emf", logs::EMF),
        key("structuredlog", logs::EMF),
        later("app_signals", SIGNALS),
        later("application_signals", SIGNALS),
        later(
            "ecs",
            Shape::Table(&table(
                &[key("metrics_collection_interval", INTERVAL), key("disable_metric_extraction", Bool)],
                Others::Error,
            )),
        ),
        later("kubernetes", KUBERNETES),
        later("prometheus", PROMETHEUS),
        later("otlp", OTLP),
    ],
    Others::EachLater(Any),
));

const KUBERNETES: Shape = Shape::Table(&table(
    &[
        key("cluster_name", Text(1, 512)),
        key("jmx_container_insights", Bool),
        key("metrics_collection_interval", INTERVAL),
        key("disable_metric_extraction", Bool),
    ],
    Others::Accept,
));

const SIGNALS: Shape = Shape::Table(&table(
    &[key("hosted_in", Text(1, 1024)), key("rules", Shape::List(&list(SIGNAL_RULE))), key("tls", TLS)],
    Others::Accept,
));

const SIGNAL_RULE: Shape = Shape::Table(&Table {
    needs: &["selectors", "action"],
    ..table(
        &[
            key(
                "selectors",
                Shape::List(&list(Shape::Table(&Table {
                    needs: &["dimension", "match"],
                    ..table(&[key("dimension", SOME), key("match", SOME)], Others::Accept)
                }))),
            ),
            key(
                "replacements",
                Shape::List(&list(Shape::Table(&Table {
                    needs: &["target_dimension", "value"],
                    ..table(&[key("target_dimension", SOME), key("value", WORDS)], Others::Accept)
                }))),
            ),
            key("action", Word(&["drop", "keep", "replace"])),
            key("rule_name", SOME),
        ],
        Others::Accept,
    )
});

const SOME: Shape = Verbatim(1, ANYTHING);

const PROMETHEUS: Shape = Shape::Table(&table(
    &[
        key("cluster_name", WORDS),
        key("log_group_name", WORDS),
        key("prometheus_config_path", WORDS),
        key("disable_metric_extraction", Bool),
        key("emf_processor", EMF_PROCESSOR),
        key("ecs_service_discovery", ECS_DISCOVERY),
    ],
    Others::Error,
));

const EMF_PROCESSOR: Shape = Shape::Table(&table(
    &[
        key("metric_declaration_dedup", Bool),
        key("metric_namespace", WORDS),
        key("metric_unit", Shape::Table(&table(&[], Others::Each(Text(1, 256))))),
        key(
            "metric_declaration",
            Shape::List(&list(Shape::Table(&table(
                &[
                    key("source_labels", TEXTS),
                    key("label_matcher", WORDS),
                    key("label_separator", WORDS),
                    key("metric_selectors", TEXTS),
                    key("dimensions", Shape::List(&list(TEXTS))),
                ],
                Others::Error,
            )))),
        ),
    ],
    Others::Error,
));

const ECS_DISCOVERY: Shape = Shape::Table(&table(
    &[
        key("docker_label", WORD_TABLE),
        key("task_definition_list", Shape::List(&list(WORD_TABLE))),
        key("service_name_list_for_tasks", Shape::List(&list(WORD_TABLE))),
        key("sd_cluster_region", WORDS),
        key("sd_frequency", WORDS),
        key("sd_result_file", WORDS),
        key("sd_target_cluster", WORDS),
    ],
    Others::Error,
));

/// All keys that the agent names in these are texts.
const WORD_TABLE: Shape = Shape::Table(&table(&[], Others::Each(WORDS)));

const TLS: Shape = Shape::Table(&table(
    &[key("ca_file", NAME), key("cert_file", NAME), key("key_file", NAME), key("insecure", Bool)],
    Others::Accept,
));

pub const OTLP: Shape = Either(&[Shape::List(&List { min: 1, max: 255, ..list(OTLP_RECEIVER) }), OTLP_RECEIVER]);

const OTLP_RECEIVER: Shape = Shape::Table(&table(
    &[
        key("grpc_endpoint", ENDPOINT),
        key("http_endpoint", ENDPOINT),
        key("tls", TLS),
        key("service.name", SERVICE),
        key("deployment.environment", ENVIRONMENT),
    ],
    Others::Error,
));

pub const TRACES: Shape = Shape::Table(&Table {
    needs: &["traces_collected"],
    ..table(
        &[
            key("traces_collected", TRACES_COLLECTED),
            key("concurrency", POSITIVE),
            key("buffer_size_mb", Shape::Int(3, i64::MAX)),
            key("resource_arn", WORDS),
            key("local_mode", Bool),
            key("insecure", Bool),
            key("credentials", CREDENTIALS),
            key("proxy_override", ENDPOINT),
            key("endpoint_override", ENDPOINT),
            key("region_override", WORDS),
            key("transit_spans_in_otlp_format", Bool),
        ],
        Others::Error,
    )
});

const TRACES_COLLECTED: Shape = Shape::Table(&Table {
    min: 1,
    ..table(
        &[key("app_signals", OBJECT), key("application_signals", OBJECT), key("xray", XRAY), key("otlp", OTLP)],
        Others::Error,
    )
});

const XRAY: Shape = Shape::Table(&table(
    &[
        key("bind_address", ENDPOINT),
        key("tcp_proxy", Shape::Table(&table(&[key("bind_address", ENDPOINT)], Others::Error))),
    ],
    Others::Error,
));

pub const OPENTELEMETRY: Shape = Shape::Table(&table(
    &[
        key("cluster_name", WORDS),
        key("resource_attributes", Shape::Table(&Table { max: 30, ..table(&[], Others::Each(Text(1, 1024))) })),
        key("collect", COLLECT),
    ],
    Others::Error,
));

const COLLECT: Shape = Shape::Table(&table(
    &[
        key(
            "database_insights",
            Shape::Table(&table(&[key("postgresql", Shape::List(&list(POSTGRESQL)))], Others::Error)),
        ),
        key("host_metrics", Shape::Table(&table(&[key("collection_interval", INTERVAL)], Others::Error))),
        key("container_insights", CONTAINER_INSIGHTS),
        key(
            "prometheus",
            Shape::Table(&Table { needs: &["config_path"], ..table(&[key("config_path", WORDS)], Others::Error) }),
        ),
        key(
            "otlp",
            Shape::Table(&table(
                &[key("grpc_endpoint", WORDS), key("http_endpoint", WORDS), key("span_metrics_enabled", Bool)],
                Others::Error,
            )),
        ),
        key("windows_events", WINDOWS_EVENTS),
        key("files", FILES),
    ],
    Others::Error,
));

const POSTGRESQL: Shape = Shape::Table(&Table {
    needs: &["endpoint", "instance_name", "username", "password_file"],
    ..table(
        &[
            key("endpoint", WORDS),
            key("instance_name", WORDS),
            key("username", WORDS),
            key("password_file", WORDS),
            key("ca_file", WORDS),
            key("logs", Shape::Table(&table(&[key("file_path", WORDS)], Others::Error))),
        ],
        Others::Error,
    )
});

const CONTAINER_INSIGHTS: Shape = Shape::Table(&table(
    &[
        key("collection_interval", INTERVAL),
        key("role", Word(&["node", "cluster"])),
        key("logs", Shape::Table(&table(&[key("enabled", Bool)], Others::Error))),
    ],
    Others::Error,
));

const WINDOWS_EVENTS: Shape = Shape::Table(&Table {
    needs: &["collect_list"],
    ..table(&[key("collect_list", Shape::List(&List { min: 1, ..list(WINDOWS_CHANNEL) }))], Others::Error)
});

const WINDOWS_CHANNEL: Shape = Shape::Table(&Table {
    needs: &["event_name"],
    ..table(
        &[
            key("event_name", NAME),
            key("event_levels", logs::EVENT_LEVELS),
            key("event_ids", logs::EVENT_IDS),
            key("event_format", Word(EventFormat::WORDS)),
            key("log_group_name", Text(1, 512)),
            key("log_stream_name", Text(1, 512)),
        ],
        Others::Error,
    )
});

const FILES: Shape = Shape::Table(&Table {
    needs: &["collect_list"],
    ..table(&[key("collect_list", Shape::List(&List { min: 1, ..list(FILE) }))], Others::Error)
});

const FILE: Shape = Shape::Table(&Table {
    needs: &["file_path"],
    ..table(
        &[
            key("file_path", Text(1, 4096)),
            key("log_group_name", Text(1, 512)),
            key("log_stream_name", Text(1, 512)),
            key("multi_line_start_pattern", WORDS),
            key("timestamp_format", WORDS),
            key("timezone", Word(&["UTC", "Local", "LOCAL"])),
            key("encoding", WORDS),
        ],
        Others::Error,
    )
});
