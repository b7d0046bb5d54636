//! `logs.metrics_collected.emf`, once called `structuredlog`: where documents of metrics are received.
use super::{Defaults, STREAM};
use crate::config::{
    naming::{self, Name},
    section::Section,
    settings::{Emf, EmfAddress, EmfHost, EmfProtocol, EmfSocket, SocketKind, TargetTemplate},
    socket,
};

/// The port that the agent and the client libraries agree on.
pub const PORT: u16 = 25_888;
/// The value of `service_address` that means no network at all.
const NONE: &str = "none";
/// Stands where no group is named, so that the stream can be filled in like any other's.
const NO_GROUP: &str = "-";

/// Reads the section. `None`: not wanted, or a name in it cannot be used.
pub fn read(logs: &Section<'_>, defaults: &Defaults<'_>) -> Option<Emf> {
    let collected = logs.child("metrics_collected");
    let (emf, old) = (collected.child("emf"), collected.child("structuredlog"));
    if emf.exists() && old.exists() {
        old.warning("is the old name of `emf`, which is there too; ignored");
    }
    let section = if emf.exists() { emf } else { old };
    if !section.exists() {
        return None;
    }
    let named = |section: Section<'_>, name| {
        section.exists().then(|| naming::template(&section, name, defaults.region, defaults.dialect.agent))
    };
    // The publisher's default group is no place for what came from outside, unless somebody named it.
    let group = match named(section.child("log_group_name"), Name::Group) {
        Some(group) => Some(group?),
        None => defaults.group.clone().filter(|_| logs.has("log_group_name")),
    };
    let stream = match named(section.child("log_stream_name"), Name::Stream) {
        Some(stream) => stream?,
        None => defaults.stream.clone().unwrap_or_else(|| STREAM.into()),
    };
    Some(Emf {
        at: section.at.clone(),
        addresses: addresses(&section.child("service_address")),
        socket: place(&section),
        names_group: group.is_some(),
        target: TargetTemplate {
            group: group.unwrap_or_else(|| NO_GROUP.to_owned()),
            stream,
            ..TargetTemplate::default()
        },
        durable: section.child("durable").flag().unwrap_or(false),
        split_datagrams: section.child("split_datagrams").flag().unwrap_or(false),
    })
}

fn addresses(section: &Section<'_>) -> Vec<EmfAddress> {
    let both = [EmfProtocol::Udp, EmfProtocol::Tcp];
    let usual = || both.map(|protocol| EmfAddress { protocol, host: EmfHost::Loopback, port: PORT }).to_vec();
    match section.text() {
        None => usual(),
        Some(NONE) => vec![],
        Some(text) => match address(text) {
            Some(address) => {
                if address.host == EmfHost::All {
                    section.warning(
                        "every host that can reach this one may send documents, and nobody has to sign in: name an address, as \
                         in udp://127.0.0.1:25888, where only some should",
                    );
                }
                vec![address]
            }
            None => {
                section.error(format!("must be like udp://127.0.0.1:{PORT}, tcp://[::1]:{PORT}, udp://:{PORT} for all addresses, or {NONE}"));
                vec![]
            }
        },
    }
}

/// `udp://host:port`, `udp:host:port`, and the same with `tcp`; IPv6 in brackets.
fn address(text: &str) -> Option<EmfAddress> {
    let (protocol, rest) = text.split_once(':')?;
    let protocol = match protocol.to_ascii_lowercase().as_str() {
        "udp" => EmfProtocol::Udp,
        "tcp" => EmfProtocol::Tcp,
        _ => return None,
    };
    let (host, port) = rest.strip_prefix("//").unwrap_or(rest).rsplit_once(':')?;
    let port = port.parse().ok().filter(|port| *port > 0)?;
    let host = match host.strip_prefix('[').map(|inner| inner.strip_suffix(']')) {
        Some(inner) => EmfHost::Named(inner?.parse::<std::net::Ipv6Addr>().ok()?.to_string()),
        None if host.is_empty() => EmfHost::All,
        // An IPv6 address without brackets would be taken for a name.
        None if host.contains([':', '/', '[', ']', '@', ' ']) => return None,
        None => EmfHost::Named(host.to_owned()),
    };
    let host = match host {
        EmfHost::Named(name) if name == "0.0.0.0" || name == "::" => EmfHost::All,
        host => host,
    };
    Some(EmfAddress { protocol, host, port })
}

fn place(section: &Section<'_>) -> Option<EmfSocket> {
    let mode = socket::rights(&section.child("socket_mode"));
    let kind = section.child("socket_type").text().and_then(SocketKind::named).unwrap_or(SocketKind::Stream);
    let path = socket::path(&section.child("socket"));
    if path.is_none() && section.has("socket_type") | section.has("socket_mode") && !section.has("socket") {
        section.warning("`socket_type` and `socket_mode` say something only beside `socket`");
    }
    path.map(|path| EmfSocket { path, kind, mode })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_the_agent_writes_them_and_ipv6_in_brackets_too() {
        let named = |name: &str| EmfHost::Named(name.into());
        for (text, protocol, host, port) in [
            ("udp://127.0.0.1:25888", EmfProtocol::Udp, named("127.0.0.1"), 25888),
            ("udp:127.0.0.1:1", EmfProtocol::Udp, named("127.0.0.1"), 1),
            ("TCP://localhost:25888", EmfProtocol::Tcp, named("localhost"), 25888),
            ("udp://:25888", EmfProtocol::Udp, EmfHost::All, 25888),
            ("tcp::25888", EmfProtocol::Tcp, EmfHost::All, 25888),
            ("tcp://0.0.0.0:25888", EmfProtocol::Tcp, EmfHost::All, 25888),
            ("tcp://[::1]:25888", EmfProtocol::Tcp, named("::1"), 25888),
            ("tcp://[::]:25888", EmfProtocol::Tcp, EmfHost::All, 25888),
        ] {
            assert_eq!(address(text), Some(EmfAddress { protocol, host, port }), "{text}");
        }
        for text in [
            "",
            "udp",
            "25888",
            "http://a:1",
            "udp://a",
            "udp://a:x",
            "udp://a:0",
            "udp://a:65536",
            "udp://::1:5",
            "udp://[a]:1",
        ] {
            assert_eq!(address(text), None, "{text}");
        }
    }
}
