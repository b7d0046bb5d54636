//! `net`: what each network interface has received and sent, as growth of the kernel's counters.
//!
//! Without `resources` every interface that is up and not loopback is read, those of containers too; a list is taken as it is. Beyond the
//! agent: `utilization_percent_in` and `_out`, the share of what the link could have moved since the reading before. An interface that
//! does not know its speed (most virtual ones) has none, which is said once.
use super::{CollectError, Collector, Entry, Moment, Readings, Tagged, names::Names, presence::Chosen};
use crate::{
    config::settings::metrics::{Options, Plugin},
    platform::io::{Link, link_speed, links},
};
use std::{collections::HashMap, io, time::Instant};

pub(super) const ENTRY: Entry = Entry { key: "net", build };

const UTILIZATION: [&str; 2] = ["utilization_percent_in", "utilization_percent_out"];

struct Net {
    names: Names,
    named: Chosen,
    read: Box<dyn FnMut() -> io::Result<Vec<Link>> + Send>,
    /// Bits in a second.
    speed: fn(&str) -> Option<u64>,
    /// The reading before, where somebody asked for shares.
    before: HashMap<String, Before>,
}

struct Before {
    at: Instant,
    bytes: [u64; 2],
    /// Whether it was said that the speed is not known.
    said: bool,
}

fn build(plugin: &Plugin) -> Box<dyn Collector> {
    let resources = match &plugin.options {
        Options::Devices(resources) => resources.as_deref(),
        _ => None,
    };
    let before = HashMap::new();
    let (names, named) = (Names::of(resources), Chosen::of(ENTRY.key));
    Box::new(Net { names, named, read: Box::new(links), speed: link_speed, before })
}

impl Collector for Net {
    fn collect(&mut self, out: &mut Readings<'_>) -> Result<(), CollectError> {
        let links = (self.read)().map_err(CollectError::read("the counters of the network interfaces"))?;
        let all: Vec<&str> = links.iter().map(|link| link.name.as_str()).collect();
        self.named.saw(self.names.found(&all));
        let now = out.now();
        let shares = UTILIZATION.iter().any(|field| out.wants(field));
        for link in &links {
            let chosen = if self.names.usual() { link.up && !link.loopback } else { self.names.has(&link.name) };
            if !chosen {
                continue;
            }
            let mut out = out.of(&[("interface", &link.name)]);
            let counters = [
                ("bytes_sent", link.bytes_out),
                ("bytes_recv", link.bytes_in),
                ("packets_sent", link.packets_out),
                ("packets_recv", link.packets_in),
                ("err_in", link.errors_in),
                ("err_out", link.errors_out),
                ("drop_in", link.drops_in),
                ("drop_out", link.drops_out),
            ];
            for (name, value) in counters {
                out.count(name, value);
            }
            if shares {
                self.share(&mut out, link, now);
            }
        }
        self.before.retain(|name, _| links.iter().any(|link| link.name == *name));
        Ok(())
    }
}

impl Net {
    fn share(&mut self, out: &mut Tagged<'_>, link: &Link, now: Moment) {
        let bytes = [link.bytes_in, link.bytes_out];
        let at = now.monotonic;
        let speed = (self.speed)(&link.name);
        let Some(before) = self.before.get_mut(&link.name) else {
            self.before.insert(link.name.clone(), Before { at, bytes, said: false });
            return;
        };
        let passed = at.saturating_duration_since(before.at).as_secs_f64();
        let growth = [0, 1].map(|way| bytes[way].checked_sub(before.bytes[way]));
        (before.at, before.bytes) = (at, bytes);
        match speed {
            Some(speed) if passed > 0.0 => {
                before.said = false;
                for (name, growth) in UTILIZATION.into_iter().zip(growth) {
                    if let Some(growth) = growth {
                        out.push(name, growth as f64 * 8.0 / passed / speed as f64 * 100.0);
                    }
                }
            }
            Some(_) => {}
            None => {
                if !std::mem::replace(&mut before.said, true) {
                    tracing::info!(interface = link.name, "it does not know its speed: it has no share of it");
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::trial::{Run, found};
    use std::time::Duration;

    /// Every reading moves the interfaces on by one step.
    fn moving() -> Box<dyn FnMut() -> io::Result<Vec<Link>> + Send> {
        let mut n = 10;
        Box::new(move || {
            n += 1;
            let link = |name: &str, up, loopback| Link {
                name: name.to_owned(),
                bytes_out: n * 1_000,
                bytes_in: n * 2_000,
                packets_out: n * 3,
                packets_in: n * 4,
                errors_in: n * 5,
                errors_out: n * 6,
                drops_in: n * 7,
                drops_out: n * 8,
                up,
                loopback,
            };
            Ok(vec![link("lo", true, true), link("eth0", true, false), link("wlan0", false, false)])
        })
    }

    fn net(resources: Option<&[String]>) -> Net {
        Net {
            names: Names::of(resources),
            named: Chosen::of("net"),
            read: moving(),
            speed: |_| None,
            before: HashMap::new(),
        }
    }

    #[test]
    fn counters_of_what_is_up_and_not_loopback_are_published_as_growth() {
        let (mut run, mut collector) = (Run::of("net"), net(None));
        assert_eq!(run.read(&mut collector), []);
        let points = run.read(&mut collector);
        let expected = [
            ("bytes_sent", 1_000.0),
            ("bytes_recv", 2_000.0),
            ("packets_sent", 3.0),
            ("packets_recv", 4.0),
            ("err_in", 5.0),
            ("err_out", 6.0),
            ("drop_in", 7.0),
            ("drop_out", 8.0),
        ];
        for (name, value) in expected {
            assert_eq!(found(&points, &format!("net_{name}"), &[("interface", "eth0")]), Some(value), "{name}");
        }
        assert_eq!(points.len(), expected.len());
    }

    #[test]
    fn a_list_is_taken_as_it_is() {
        let list = ["lo".to_owned(), "wlan*".to_owned(), "eth9".to_owned()];
        let (mut run, mut collector) = (Run::with("net", &["bytes_sent"]), net(Some(&list)));
        run.read(&mut collector);
        let points = run.read(&mut collector);
        for interface in ["lo", "wlan0"] {
            assert!(found(&points, "net_bytes_sent", &[("interface", interface)]).is_some(), "{interface}");
        }
        assert_eq!(points.len(), 2);
        assert_eq!(collector.named.missing(), ["eth9"]);
    }

    #[test]
    fn utilization_is_the_share_of_what_the_link_could_have_moved_since() {
        let mut collector = Net { speed: |_| Some(16_000), ..net(None) };
        let mut run = Run::with("net", &UTILIZATION);
        assert_eq!(run.read(&mut collector), []);
        run.wait(Duration::from_secs(10));
        let points = run.read(&mut collector);
        // 2,000 bytes are 16,000 bits: the tenth of ten seconds at full speed.
        assert_eq!(found(&points, "net_utilization_percent_in", &[("interface", "eth0")]), Some(10.0));
        assert_eq!(found(&points, "net_utilization_percent_out", &[("interface", "eth0")]), Some(5.0));
    }

    #[test]
    fn an_interface_that_does_not_know_its_speed_has_no_utilization() {
        let (mut run, mut collector) = (Run::with("net", &UTILIZATION), net(None));
        run.read(&mut collector);
        run.wait(Duration::from_secs(10));
        assert_eq!(run.read(&mut collector), []);
    }
}
