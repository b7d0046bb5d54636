//! `logs.metrics_collected.emf`. The agent takes anything in it and reads only `service_address`.
use super::*;

pub const EMF: Shape = Shape::Table(&table(
    &[
        key("service_address", Text(1, 512)),
        // Our own.
        key("socket", Text(1, 4096)),
        key("socket_type", Word(SocketKind::WORDS)),
        key("socket_mode", Text(3, 4)),
        key("log_group_name", GROUP),
        key("log_stream_name", STREAM),
        key("durable", Bool),
        key("split_datagrams", Bool),
    ],
    Others::Warn,
));
