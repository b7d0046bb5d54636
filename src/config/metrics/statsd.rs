//! `metrics.metrics_collected.statsd`: what programs send, and what becomes of it.
use super::{
    Context, SourceDimensions, aggregation,
    dimensions::{self, listed},
    names, resolution, unit,
};
use crate::{
    config::{
        finding::{Severity, meant},
        section::Section,
        settings::{Statsd, StatsdAddress},
        socket,
    },
    model::Unit,
};
use std::{net::Ipv6Addr, time::Duration};

/// Of the agent.
const PORT: u16 = 8125;
const INTERVAL: u64 = 10;
const PENDING: usize = 10_000;
const SEPARATOR: &str = "_";
/// The value of `service_address` that means no network at all.
const NONE: &str = "none";
/// Series that an interval may have in any case: which of them are sent is decided later.
const SERIES: usize = 10_000;

/// Reads the section. `None`: not wanted.
pub(super) fn read(metrics: &Section<'_>, agent: &Section<'_>, context: &Context, max_series: usize) -> Option<Statsd> {
    let section = metrics.path(&["metrics_collected", "statsd"]);
    if !section.exists() {
        return None;
    }
    let flag = |key: &str| section.child(key).flag();
    let interval = section.child("metrics_collection_interval").unsigned();
    let interval = interval.or_else(|| agent.child("metrics_collection_interval").unsigned()).unwrap_or(INTERVAL);
    let pending = section.child("allowed_pending_messages").unsigned();
    Some(Statsd {
        at: section.at.clone(),
        addresses: addresses(&section),
        interval: Duration::from_secs(interval),
        resolution: context.resolution_for(aggregation(&section), resolution(&section)),
        pending: pending.and_then(|pending| pending.try_into().ok()).unwrap_or(PENDING),
        separator: separator(&section.child("metric_separator")),
        max_series: max_series.max(SERIES),
        dimensions: SourceDimensions {
            drop_original: listed(&section.child("drop_original_metrics")).unwrap_or_default().into_iter().collect(),
            ..dimensions::carried(&section)
        },
        metric_type: flag("metric_type_dimension").unwrap_or(true),
        keep_gauges: flag("keep_gauges").unwrap_or(false),
        signed_values: flag("signed_values").unwrap_or(false),
        float_counters: flag("float_counters").unwrap_or(false),
        strict_rates: flag("strict_rates").unwrap_or(false),
        distributions: flag("distributions").unwrap_or(false),
        units: units(&section.child("unit_suffixes")),
    })
}

fn separator(section: &Section<'_>) -> String {
    let text = section.text().unwrap_or(SEPARATOR);
    names::is_ascii(section, names::METRIC, text);
    text.to_owned()
}

/// Endings of published names.
fn units(section: &Section<'_>) -> Vec<(String, Unit, f64)> {
    let mut units = vec![];
    for entry in section.entries() {
        let value = section.value(entry);
        let Some(text) = value.text() else { continue };
        match unit::convert(text) {
            Some(converted) => units.push((entry.key.clone(), converted.unit, converted.scale)),
            None => {
                let known: Vec<&str> = Unit::ALL.iter().map(|unit| unit.as_str()).collect();
                value.report(
                    Severity::Error,
                    format!("is no unit of CloudWatch, which has {}", known.join(", ")),
                    meant(text, &known),
                );
            }
        }
    }
    units
}

/// Both the network and the UNIX socket, as far as they are wanted.
fn addresses(section: &Section<'_>) -> Vec<StatsdAddress> {
    let (service, socket) = (section.child("service_address"), section.child("socket"));
    let mode = mode(section, &service, &socket);
    let mut addresses = match service.text() {
        None => vec![StatsdAddress::All(PORT)],
        Some(NONE) => vec![],
        Some(text) => match address(text, mode) {
            Some(address) => vec![address],
            None => {
                service.error(format!(
                    "must be like :{PORT} for all addresses of this host, 127.0.0.1:{PORT}, udp://[::1]:{PORT}, \
                     unix:///run/statsd.sock, or {NONE}; statsd has no TCP here, as in the agent"
                ));
                vec![]
            }
        },
    };
    if addresses.iter().any(|address| matches!(address, StatsdAddress::All(_))) {
        service.note(format!(
            "every host that can reach this one may send metrics, as with the agent, and nobody has to sign in: name an address, \
             as in 127.0.0.1:{PORT}, where only some should"
        ));
    }
    if let Some(path) = socket::path(&socket) {
        addresses.push(StatsdAddress::Local { path, mode });
    }
    if addresses.is_empty() {
        service.warning("there is neither an address nor a `socket`: no statsd lines are received");
    }
    addresses
}

fn mode(section: &Section<'_>, service: &Section<'_>, socket: &Section<'_>) -> u32 {
    let mode = section.child("socket_mode");
    if mode.exists() && !socket.exists() && !service.text().is_some_and(|text| text.starts_with("unix:")) {
        mode.warning("says something only beside a UNIX socket; ignored");
    }
    socket::rights(&mode)
}

/// `:port`, `host:port`, the same behind `udp:` or `udp://`, IPv6 in brackets; or `unix://` and a path.
fn address(text: &str, mode: u32) -> Option<StatsdAddress> {
    if let Some(path) = text.strip_prefix("unix:") {
        let path = path.strip_prefix("//").unwrap_or(path);
        return path.starts_with('/').then(|| StatsdAddress::Local { path: path.into(), mode });
    }
    let place = match text.split_once(':') {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("udp") => rest.strip_prefix("//").unwrap_or(rest),
        _ => text,
    };
    let (host, port) = place.rsplit_once(':')?;
    let port = port.parse().ok().filter(|port| *port > 0)?;
    let host = match host.strip_prefix('[').map(|inner| inner.strip_suffix(']')) {
        Some(inner) => inner?.parse::<Ipv6Addr>().ok()?.to_string(),
        // An IPv6 address without brackets would be taken for a name.
        None if host.contains([':', '/', '[', ']', '@', ' ']) => return None,
        None => host.to_owned(),
    };
    Some(match host.as_str() {
        "" | "0.0.0.0" | "::" => StatsdAddress::All(port),
        _ => StatsdAddress::Named(host, port),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_those_of_the_agent_and_unix_sockets() {
        let named = |name: &str, port| Some(StatsdAddress::Named(name.into(), port));
        let local = |path: &str| Some(StatsdAddress::Local { path: path.into(), mode: 0o600 });
        for (text, wanted) in [
            (":8125", Some(StatsdAddress::All(8125))),
            ("0.0.0.0:1", Some(StatsdAddress::All(1))),
            ("[::]:1", Some(StatsdAddress::All(1))),
            ("udp://:8125", Some(StatsdAddress::All(8125))),
            ("127.0.0.1:8125", named("127.0.0.1", 8125)),
            ("localhost:8125", named("localhost", 8125)),
            ("UDP:localhost:8125", named("localhost", 8125)),
            ("udp://[::1]:8125", named("::1", 8125)),
            ("unix:///run/statsd.sock", local("/run/statsd.sock")),
            ("unix:/run/statsd.sock", local("/run/statsd.sock")),
        ] {
            assert_eq!(address(text, 0o600), wanted, "{text}");
        }
        for text in [
            "",
            "8125",
            ":x",
            ":0",
            ":65536",
            "tcp://:8125",
            "tcp:1",
            "::1:8125",
            "[a]:1",
            "unix://run",
            "unix:",
            "a b:1",
        ] {
            let refused = address(text, 0o600);
            // A host may be called like a scheme.
            assert!(refused.is_none() || text == "tcp:1", "{text}: {refused:?}");
        }
    }
}
