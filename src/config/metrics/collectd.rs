//! `metrics.metrics_collected.collectd`: where packets of collectd are received, and what becomes of them.
use super::{
    Context, aggregation,
    dimensions::{self, listed},
    names, resolution,
};
use crate::config::{
    section::Section,
    settings::{
        collectd::{Address, Collectd, Host, Level},
        metrics::SourceDimensions,
    },
};
use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    path::PathBuf,
};

/// collectd's own port.
const PORT: u16 = 25_826;
const PREFIX: &str = "collectd_";
const AUTH_FILE: &str = "/etc/collectd/auth_file";
const TYPES: &str = "/usr/share/collectd/types.db";

/// Reads the section. `None`: it is not there.
pub(super) fn read(metrics: &Section<'_>, context: &Context) -> Option<Collectd> {
    let section = metrics.child("metrics_collected").child("collectd");
    if !section.exists() {
        return None;
    }
    let level = section.child("collectd_security_level").text().and_then(Level::named).unwrap_or(Level::Encrypt);
    let aggregation = aggregation(&section);
    let types = section.child("collectd_typesdb");
    Some(Collectd {
        at: section.at.clone(),
        address: address(&section.child("service_address"), level),
        prefix: prefix(&section.child("name_prefix")),
        auth_file: section.child("collectd_auth_file").text().map_or_else(|| AUTH_FILE.into(), PathBuf::from),
        level,
        types: match types.exists() {
            true => types.items().iter().filter_map(|item| item.text().map(PathBuf::from)).collect(),
            false => vec![TYPES.into()],
        },
        types_named: types.exists(),
        aggregation,
        resolution: context.resolution_for(aggregation, resolution(&section)),
        rates: section.child("rates").flag().unwrap_or(false),
        // `host` is that of the sender, which is in the packet; our own where it is not.
        dimensions: SourceDimensions {
            drop_original: listed(&section.child("drop_original_metrics")).unwrap_or_default().into_iter().collect(),
            ..dimensions::carried(&section)
        },
    })
}

fn prefix(section: &Section<'_>) -> String {
    let prefix = section.text().unwrap_or(PREFIX);
    names::check(section, names::METRIC, prefix);
    prefix.to_owned()
}

fn address(section: &Section<'_>, level: Level) -> Address {
    let usual = Address { host: Host::Address(Ipv4Addr::LOCALHOST.into()), port: PORT };
    let Some(text) = section.text() else { return usual };
    let Some(address) = parsed(text) else {
        section.error(format!(
            "must be like udp://127.0.0.1:{PORT}, udp://[::1]:{PORT}, udp://:{PORT} for all addresses, or \
             udp://239.192.74.66:{PORT} for collectd's own multicast group"
        ));
        return usual;
    };
    let is_own = match &address.host {
        Host::All => false,
        Host::Address(ip) => ip.is_loopback(),
        Host::Named(name) => name == "localhost",
    };
    if level == Level::None && !is_own {
        section.warning(
            "every host that can reach this one may send metrics, and nobody has to sign them: set collectd_security_level to sign or \
             encrypt, or listen on 127.0.0.1",
        );
    }
    address
}

/// `udp://host:port`, `udp4:`, `udp6:`, with and without the slashes; IPv6 in brackets.
fn parsed(text: &str) -> Option<Address> {
    let (scheme, rest) = text.split_once(':')?;
    let scheme = scheme.to_ascii_lowercase();
    let (host, port) = rest.strip_prefix("//").unwrap_or(rest).rsplit_once(':')?;
    let port = port.parse().ok().filter(|port| *port > 0)?;
    let host = match host.strip_prefix('[').map(|inner| inner.strip_suffix(']')) {
        Some(inner) => Host::Address(inner?.parse::<Ipv6Addr>().ok()?.into()),
        None => match host.parse::<Ipv4Addr>() {
            Ok(ip) => Host::Address(ip.into()),
            Err(_) if host.is_empty() => Host::All,
            // An IPv6 address without brackets would be taken for a name.
            Err(_) if host.contains([':', '/', '[', ']', '@', ' ']) => return None,
            Err(_) => Host::Named(host.to_owned()),
        },
    };
    let host = match (scheme.as_str(), host) {
        ("udp", host) => host,
        ("udp4", Host::All) => Host::Address(Ipv4Addr::UNSPECIFIED.into()),
        ("udp4", Host::Address(IpAddr::V6(_))) | ("udp6", Host::Address(IpAddr::V4(_))) => return None,
        ("udp4" | "udp6", host) => host,
        _ => return None,
    };
    // All of both families.
    let host = if host == Host::Address(Ipv6Addr::UNSPECIFIED.into()) { Host::All } else { host };
    Some(Address { host, port })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_the_agent_writes_them_and_groups_and_ipv6_too() {
        let ip = |text: &str| Host::Address(text.parse().expect("an address"));
        for (text, host, port) in [
            ("udp://127.0.0.1:25826", ip("127.0.0.1"), 25_826),
            ("UDP://[::1]:1", ip("::1"), 1),
            ("udp://239.192.74.66:25826", ip("239.192.74.66"), 25_826),
            ("udp6://[ff18::efc0:4a42]:25826", ip("ff18::efc0:4a42"), 25_826),
            ("udp://:25826", Host::All, 25_826),
            ("udp://[::]:25826", Host::All, 25_826),
            ("udp4://:25826", ip("0.0.0.0"), 25_826),
            ("udp:localhost:7", Host::Named("localhost".into()), 7),
        ] {
            let address = parsed(text).expect(text);
            assert_eq!(address, Address { host, port }, "{text}");
            assert_eq!(parsed(&address.to_string()), Some(address), "{text}");
        }
        for text in [
            "",
            "udp",
            "udp://a",
            "udp://a:0",
            "udp://a:65536",
            "udp://::1:5",
            "tcp://a:1",
            "udp4://[::1]:1",
            "udp6://1.2.3.4:1",
        ] {
            assert_eq!(parsed(text), None, "{text}");
        }
    }
}
