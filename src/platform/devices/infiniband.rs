//! The hardware counters of RDMA ports, of which EFA, the network adapter of EC2, is one kind:
//! `/sys/class/infiniband/<device>/ports/<port>/hw_counters/<name>` (`Documentation/ABI/stable/sysfs-class-infiniband`).
use super::attributes;
use std::{
    io,
    path::{Path, PathBuf},
};

/// A port of a device.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Port {
    /// The kernel's name of it, as `rdmap0s31`.
    pub device: String,
    /// Its number, counted from 1.
    pub port: String,
    /// The driver of the device, as `efa`, where the kernel says it.
    pub driver: Option<String>,
    counters: PathBuf,
}

impl Port {
    /// What this counter stands at since the device was started; `None` where this device, or its driver, has none of that name.
    pub fn counter(&self, name: &str) -> Option<u64> {
        attributes::number(&self.counters.join(name))
    }
}

/// All ports that have such counters, below the root of `/sys`. Empty without such devices.
pub fn ports(sys: &Path) -> io::Result<Vec<Port>> {
    let mut found = vec![];
    let class = sys.join("class/infiniband");
    for device in attributes::names(&class)? {
        let ports = class.join(&device).join("ports");
        let driver = std::fs::read_link(class.join(&device).join("device/driver")).ok();
        let driver = driver.as_deref().and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
        // A device may go while we look.
        for port in attributes::names(&ports).unwrap_or_default() {
            let counters = ports.join(&port).join("hw_counters");
            if counters.is_dir() {
                found.push(Port { device: device.clone(), port, driver: driver.clone(), counters });
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::{super::trees, *};

    #[test]
    fn a_port_tells_the_counters_that_its_driver_has() {
        let tree = trees::plant(trees::EC2_NITRO);
        let ports = ports(tree.path()).expect("read");
        let [port] = &ports[..] else { panic!("{ports:?}") };
        assert_eq!((port.device.as_str(), port.port.as_str()), ("rdmap0s31", "1"));
        assert_eq!((port.counter("rx_drops"), port.counter("tx_bytes")), (Some(7), Some(7890)));
        assert_eq!(port.counter("rdma_write_bytes"), None);
        assert_eq!(port.driver.as_deref(), cfg!(unix).then_some("efa"));
    }

    #[test]
    fn a_host_without_such_devices_has_no_ports() {
        let tree = trees::plant(trees::LAPTOP);
        assert_eq!(ports(tree.path()).expect("read"), []);
    }

    #[test]
    fn what_is_no_counter_is_none() {
        let at = "class/infiniband/a/ports/1/hw_counters";
        let tree = trees::plant(&format!("{at}/minus = -1\n{at}/words = N/A (no PMA)\nclass/infiniband/b = a file"));
        let ports = ports(tree.path()).expect("read");
        assert_eq!(ports.len(), 1);
        assert_eq!((ports[0].counter("minus"), ports[0].counter("words")), (None, None));
    }
}
