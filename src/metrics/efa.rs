//! `efa`: what the ports of Elastic Fabric Adapters have moved and met. All of them are counters; a port has those that its driver
//! knows. The agent's dimension `eniId` is left out: only the instance's metadata have it.
use super::{CollectError, Collector, Entry, Readings, presence::Presence};
use crate::{
    config::{measurements::Table, settings::metrics::Plugin},
    platform::{devices::infiniband, procfs},
};
use std::path::PathBuf;

pub(super) const ENTRY: Entry = Entry { key: "efa", build };

struct Efa {
    sys: PathBuf,
    presence: Presence,
}

fn build(_: &Plugin) -> Box<dyn Collector> {
    Box::new(Efa { sys: procfs::sys().to_owned(), presence: Presence::of(ENTRY.key) })
}

/// The name of the counter behind a measurement.
fn counter(field: &str) -> &str {
    match field {
        "rx_dropped" => "rx_drops",
        same => same,
    }
}

impl Collector for Efa {
    fn collect(&mut self, out: &mut Readings<'_>) -> Result<(), CollectError> {
        let mut ports =
            infiniband::ports(&self.sys).map_err(CollectError::read("the ports of /sys/class/infiniband"))?;
        // Other adapters have counters of the same names. A kernel that does not name the driver is believed.
        ports.retain(|port| port.driver.as_deref().is_none_or(|driver| driver == "efa"));
        self.presence.saw(!ports.is_empty(), || "there is no Elastic Fabric Adapter".to_owned());
        let fields = Table::find(ENTRY.key).map_or(&[][..], |table| table.fields);
        for port in ports {
            let wanted = fields.iter().filter(|field| out.wants(field.name));
            let counters: Vec<_> =
                wanted.filter_map(|field| Some((field.name, port.counter(counter(field.name))?))).collect();
            let mut tagged = out.of(&[("device", &port.device), ("port", &port.port)]);
            for (field, value) in counters {
                tagged.count(field, value);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{super::trial::offered, *};
    use crate::platform::devices::trees;

    fn of(tree: &str) -> Vec<String> {
        let tree = trees::plant(tree);
        offered(&mut Efa { sys: tree.path().into(), presence: Presence::of("efa") }, "efa")
    }

    #[test]
    fn a_port_tells_the_counters_that_it_has() {
        let expected = [
            "tx_bytes{device=rdmap0s31,port=1} 7890",
            "rx_bytes{device=rdmap0s31,port=1} 3456",
            "rdma_read_bytes{device=rdmap0s31,port=1} 1234",
            "rx_dropped{device=rdmap0s31,port=1} 7",
            "retrans_timeout_events{device=rdmap0s31,port=1} 1",
        ];
        assert_eq!(of(trees::EC2_NITRO), expected);
    }

    #[cfg(unix)]
    #[test]
    fn an_adapter_of_another_maker_is_none() {
        let other = trees::EC2_NITRO.replace("drivers/efa", "drivers/bnxt_re");
        assert_eq!(of(&other), [] as [&str; 0]);
    }

    #[test]
    fn a_host_without_adapters_is_no_error() {
        assert_eq!(of(trees::LAPTOP), [] as [&str; 0]);
    }
}
