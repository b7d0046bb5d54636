//! The measurements of `diskio` that volumes of EC2 tell themselves: EBS volumes and instance store volumes of Nitro instances, once for
//! each controller. The configuration makes a plugin of its own of them, since their dimensions differ from those of disks.
//!
//! Counters are those since the volume was attached; times are in microseconds, and "performance exceeded" is how long more was asked
//! for than there is. Linux wants `CAP_SYS_ADMIN` for it.
use super::{CollectError, Collector, Entry, Readings, presence::Presence};
use crate::{
    config::settings::metrics::{Options, Plugin},
    platform::{
        devices::{
            DEV,
            nvme::{self, Amazon, Controller, Statistics},
        },
        procfs,
    },
};
use std::{io, path::PathBuf};

pub(super) const ENTRY: Entry = Entry { key: "diskio_nvme", build };

struct DiskioNvme {
    sys: PathBuf,
    dev: PathBuf,
    /// Names of devices of which one has to be the controller's; `None`: all. No patterns, as in the agent.
    devices: Option<Vec<String>>,
    presence: Presence,
}

fn build(plugin: &Plugin) -> Box<dyn Collector> {
    let devices = match &plugin.options {
        Options::Devices(devices) => devices.clone(),
        _ => None,
    };
    Box::new(DiskioNvme { sys: procfs::sys().to_owned(), dev: DEV.into(), devices, presence: Presence::of(ENTRY.key) })
}

impl Collector for DiskioNvme {
    fn collect(&mut self, out: &mut Readings<'_>) -> Result<(), CollectError> {
        let all = nvme::controllers(&self.sys).map_err(CollectError::read("the controllers of /sys/class/nvme"))?;
        let (mut some, mut refused) = (false, None);
        for (controller, volume) in all.iter().filter_map(|c| Some((c, c.amazon()?))) {
            match self.read(controller) {
                Ok(Some(statistics)) => {
                    some = true;
                    offer(&volume, &statistics, out);
                }
                // Not among those that are named.
                Ok(None) => {}
                Err(error) => refused = Some(error),
            }
        }
        self.presence.saw(some || refused.is_some(), || "there is no such volume of EC2".to_owned());
        match refused {
            None => Ok(()),
            Some(source) if source.kind() == io::ErrorKind::PermissionDenied => Err(CollectError::Read {
                what: "the statistics of a volume: run as root, or give us the capability CAP_SYS_ADMIN",
                source,
            }),
            Some(source) => Err(CollectError::Read { what: "the statistics of a volume", source }),
        }
    }
}

impl DiskioNvme {
    fn read(&self, controller: &Controller) -> io::Result<Option<Statistics>> {
        let devices = controller.devices(&self.dev)?;
        let named = |all: &Vec<String>| all.iter().any(|n| devices.iter().any(|d| d == n.trim_start_matches("/dev/")));
        if !self.devices.as_ref().is_none_or(named) {
            return Ok(None);
        }
        controller.amazon_page(&self.dev, &devices).map(Some)
    }
}

fn offer(volume: &Amazon, told: &Statistics, out: &mut Readings<'_>) {
    match volume {
        Amazon::Ebs { volume } => {
            let mut tagged = out.of(&[("VolumeId", volume)]);
            let counters = [
                ("ebs_total_read_ops", told.read_ops),
                ("ebs_total_write_ops", told.write_ops),
                ("ebs_total_read_bytes", told.read_bytes),
                ("ebs_total_write_bytes", told.write_bytes),
                ("ebs_total_read_time", told.read_time),
                ("ebs_total_write_time", told.write_time),
                ("ebs_volume_performance_exceeded_iops", told.volume_iops_exceeded),
                ("ebs_volume_performance_exceeded_tp", told.volume_throughput_exceeded),
                ("ebs_ec2_instance_performance_exceeded_iops", told.instance_iops_exceeded),
                ("ebs_ec2_instance_performance_exceeded_tp", told.instance_throughput_exceeded),
            ];
            counters.into_iter().for_each(|(field, value)| tagged.count(field, value));
            tagged.push("ebs_volume_queue_length", told.queue_length as f64);
        }
        Amazon::InstanceStore { serial } => {
            let mut tagged = out.of(&[("SerialId", serial)]);
            let counters = [
                ("instance_store_total_read_ops", told.read_ops),
                ("instance_store_total_write_ops", told.write_ops),
                ("instance_store_total_read_bytes", told.read_bytes),
                ("instance_store_total_write_bytes", told.write_bytes),
                ("instance_store_total_read_time", told.read_time),
                ("instance_store_total_write_time", told.write_time),
                ("instance_store_performance_exceeded_iops", told.instance_iops_exceeded),
                ("instance_store_performance_exceeded_tp", told.instance_throughput_exceeded),
            ];
            counters.into_iter().for_each(|(field, value)| tagged.count(field, value));
            tagged.push("instance_store_volume_queue_length", told.queue_length as f64);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::trial::offered, *};
    use crate::platform::devices::trees;

    fn told() -> Statistics {
        Statistics {
            read_ops: 1,
            write_ops: 2,
            read_bytes: 3,
            write_bytes: 4,
            read_time: 5,
            write_time: 6,
            volume_iops_exceeded: 7,
            volume_throughput_exceeded: 8,
            instance_iops_exceeded: 9,
            instance_throughput_exceeded: 10,
            queue_length: 11,
        }
    }

    /// Offers one volume.
    struct One(Amazon);

    impl Collector for One {
        fn collect(&mut self, out: &mut Readings<'_>) -> Result<(), CollectError> {
            offer(&self.0, &told(), out);
            Ok(())
        }
    }

    fn values(volume: Amazon, tag: &str) -> Vec<String> {
        let told = offered(&mut One(volume), "diskio");
        told.into_iter().map(|point| point.replace(tag, "")).collect()
    }

    #[test]
    fn a_volume_of_ebs_tells_what_volume_and_instance_could_not_give() {
        let expected = [
            "ebs_total_read_ops 1",
            "ebs_total_write_ops 2",
            "ebs_total_read_bytes 3",
            "ebs_total_write_bytes 4",
            "ebs_total_read_time 5",
            "ebs_total_write_time 6",
            "ebs_volume_performance_exceeded_iops 7",
            "ebs_volume_performance_exceeded_tp 8",
            "ebs_ec2_instance_performance_exceeded_iops 9",
            "ebs_ec2_instance_performance_exceeded_tp 10",
            "ebs_volume_queue_length 11",
        ];
        assert_eq!(values(Amazon::Ebs { volume: "vol-0a".into() }, "{VolumeId=vol-0a}"), expected);
    }

    #[test]
    fn an_instance_store_volume_tells_what_the_instance_could_not_give() {
        let expected = [
            "instance_store_total_read_ops 1",
            "instance_store_total_write_ops 2",
            "instance_store_total_read_bytes 3",
            "instance_store_total_write_bytes 4",
            "instance_store_total_read_time 5",
            "instance_store_total_write_time 6",
            "instance_store_performance_exceeded_iops 9",
            "instance_store_performance_exceeded_tp 10",
            "instance_store_volume_queue_length 11",
        ];
        assert_eq!(values(Amazon::InstanceStore { serial: "AWS6".into() }, "{SerialId=AWS6}"), expected);
    }

    fn of(tree: &str, devices: Option<&[&str]>) -> Vec<String> {
        let tree = trees::plant(tree);
        let dev = tree.path().join("dev");
        std::fs::create_dir(&dev).expect("made");
        std::fs::write(dev.join("nvme0n1"), "no drive").expect("written");
        let devices = devices.map(|all| all.iter().map(|name| (*name).to_owned()).collect());
        let mut nvme = DiskioNvme { sys: tree.path().into(), dev, devices, presence: Presence::of("diskio_nvme") };
        offered(&mut nvme, "diskio")
    }

    #[test]
    fn only_named_volumes_are_asked_and_one_that_does_not_answer_is_an_error() {
        assert_eq!(of(trees::EC2_NITRO, Some(&["/dev/nvme0n1"])), ["failed"]);
        assert_eq!(of(trees::EC2_NITRO, Some(&["nvme9n1", "nvme*"])), [] as [&str; 0]);
        assert_eq!(of(trees::EC2_NITRO, None), ["failed"]);
    }

    #[test]
    fn drives_that_are_not_of_ec2_are_not_asked() {
        assert_eq!(of(trees::LAPTOP, None), [] as [&str; 0]);
        assert_eq!(of(trees::RASPBERRY_PI_4, None), [] as [&str; 0]);
    }
}
