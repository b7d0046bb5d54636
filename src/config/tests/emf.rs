use super::*;

fn emf(section: &str, rest: &str) -> Emf {
    settings(&format!(r#"{{ "logs": {{ "metrics_collected": {{ {section} }} {rest} }} }}"#)).logs.emf.expect("wanted")
}

#[test]
fn an_empty_section_listens_on_loopback_for_both_protocols() {
    for name in ["emf", "structuredlog"] {
        let emf = emf(&format!(r#""{name}": {{}}"#), "");
        let protocols: Vec<_> = emf.addresses.iter().map(|a| (a.protocol, a.host.clone(), a.port)).collect();
        let loopback = |protocol| (protocol, EmfHost::Loopback, 25_888);
        assert_eq!(protocols, [loopback(EmfProtocol::Udp), loopback(EmfProtocol::Tcp)]);
        assert_eq!((emf.names_group, emf.target.stream.as_str(), emf.socket), (false, "{instance_id}", None));
        assert_eq!((emf.at, emf.durable), (format!("logs.metrics_collected.{name}"), false));
    }
    assert!(settings("{}").logs.emf.is_none());
}

#[test]
fn documents_without_a_group_go_to_the_configured_one() {
    assert_eq!(emf(r#""emf": {}"#, r#", "log_group_name": "/g""#).target.group, "/g");
    let own = r#""emf": { "log_group_name": "/own", "log_stream_name": "s-{hostname}" }"#;
    let own = emf(own, r#", "log_group_name": "/g", "log_stream_name": "t""#);
    assert_eq!((own.target.group.as_str(), own.target.stream.as_str()), ("/own", "s-{hostname}"));
    assert_eq!(emf(r#""emf": {}"#, r#", "log_stream_name": "t""#).target.stream, "t");
}

#[test]
fn a_unix_socket_comes_beside_the_network_or_in_its_place() {
    let emf = emf(
        r#""emf": { "socket": "/run/emf", "socket_type": "datagram", "socket_mode": "622", "service_address": "none" }"#,
        "",
    );
    let socket = EmfSocket { path: "/run/emf".into(), kind: SocketKind::Datagram, mode: 0o622 };
    assert_eq!((emf.socket, emf.addresses), (Some(socket), vec![]));
}

#[test]
fn what_cannot_be_listened_on_is_an_error_at_its_place() {
    let with = |section: &str| format!(r#"{{ "logs": {{ "metrics_collected": {{ "emf": {{ {section} }} }} }} }}"#);
    let at = |key: &str| format!("logs.metrics_collected.emf.{key}");
    check_error(&with(r#""service_address": "http://x:1""#), &at("service_address"), "must be like udp://", None);
    check_error(&with(r#""socket": "/s", "socket_mode": "abc""#), &at("socket_mode"), "in octal", None);
    check_error(&with(r#""socket_type": "seqpacket""#), &at("socket_type"), "must be one of", None);
    check_error(&with(r#""log_group_name": "a b""#), &at("log_group_name"), "letters, digits", None);
    check_warning(&with(r#""service_address": "udp://:25888""#), &at("service_address"), "every host");
    check_warning(&with(r#""adress": "x""#), &at("adress"), "unknown key");
    check_warning(&with(r#""socket_mode": "660""#), at("").trim_end_matches('.'), "beside `socket`");
    let both = r#"{ "logs": { "metrics_collected": { "emf": {}, "structuredlog": {} } } }"#;
    check_warning(both, "logs.metrics_collected.structuredlog", "old name");
}

#[test]
fn what_else_is_collected_of_metrics_by_logs_is_not_run_yet() {
    let text = r#"{ "logs": { "metrics_collected": { "prometheus": {}, "emf": {} } } }"#;
    check_warning(text, "logs.metrics_collected.prometheus", "not yet");
    let quiet = loaded(r#"{ "logs": { "metrics_collected": { "emf": { "service_address": "tcp:127.0.0.1:1" } } } }"#);
    assert!(quiet.findings.is_empty(), "{:?}", quiet.findings);
}

#[test]
fn a_file_may_be_said_to_be_a_fifo() {
    let text = items(r#"{ "file_path": "/a", "pipe": true }, { "file_path": "/b" }"#);
    let pipes: Vec<_> = settings(&text).logs.files.iter().map(|file| file.pipe).collect();
    assert_eq!(pipes, [Some(true), None]);
}
