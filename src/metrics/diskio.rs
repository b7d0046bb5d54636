//! `diskio`: what each block device has read and written, partitions too, as growth of the kernel's counters.
//!
//! The measurements `ebs_*` and `instance_store_*` come from the controllers of NVMe disks, not from these counters: where nothing else
//! is asked for, the counters are not read.
use super::{CollectError, Collector, Entry, Readings, names::Names, presence::Chosen};
use crate::{
    config::settings::metrics::{Options, Plugin},
    platform::io::{Device, devices},
};
use std::io;

pub(super) const ENTRY: Entry = Entry { key: "diskio", build };

/// What is read from the kernel's counters.
const COUNTED: [&str; 8] =
    ["reads", "writes", "read_bytes", "write_bytes", "read_time", "write_time", "io_time", "iops_in_progress"];

struct DiskIo {
    names: Names,
    named: Chosen,
    read: Box<dyn FnMut() -> io::Result<Vec<Device>> + Send>,
    /// Whether it was said that this system has no counters.
    absent: bool,
}

fn build(plugin: &Plugin) -> Box<dyn Collector> {
    let resources = match &plugin.options {
        Options::Devices(resources) => resources.as_deref(),
        _ => None,
    };
    let (names, named) = (Names::of(resources), Chosen::of(ENTRY.key));
    Box::new(DiskIo { names, named, read: Box::new(devices), absent: false })
}

impl Collector for DiskIo {
    fn collect(&mut self, out: &mut Readings<'_>) -> Result<(), CollectError> {
        if !COUNTED.iter().any(|field| out.wants(field)) {
            return Ok(());
        }
        let devices = match (self.read)() {
            Ok(devices) => devices,
            Err(e) if e.kind() == io::ErrorKind::Unsupported => {
                if !std::mem::replace(&mut self.absent, true) {
                    tracing::info!(plugin = ENTRY.key, reason = %e, "this system does not offer these metrics");
                }
                return Ok(());
            }
            Err(e) => return Err(CollectError::read("the counters of the block devices")(e)),
        };
        let all: Vec<&str> = devices.iter().map(|device| device.name.as_str()).collect();
        self.named.saw(self.names.found(&all));
        for device in devices.iter().filter(|device| self.names.has(&device.name)) {
            offer(out, device);
        }
        Ok(())
    }
}

fn offer(out: &mut Readings<'_>, device: &Device) {
    let mut out = out.of(&[("name", &device.name)]);
    let counters = [
        ("reads", device.reads),
        ("writes", device.writes),
        ("read_bytes", device.bytes_read),
        ("write_bytes", device.bytes_written),
        ("read_time", device.read_time),
        ("write_time", device.write_time),
        ("io_time", device.busy_time),
    ];
    for (name, value) in counters {
        out.count(name, value);
    }
    out.push("iops_in_progress", device.in_flight as f64);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::trial::{Run, found};

    /// Every reading moves the devices on by one step.
    fn moving(names: &'static [&'static str]) -> Box<dyn FnMut() -> io::Result<Vec<Device>> + Send> {
        let mut n = 10;
        Box::new(move || {
            n += 1;
            let device = |name: &&str| Device {
                name: (*name).to_owned(),
                reads: n,
                writes: n * 2,
                bytes_read: n * 3,
                bytes_written: n * 4,
                read_time: n * 5,
                write_time: n * 6,
                busy_time: n * 7,
                in_flight: n,
            };
            Ok(names.iter().map(device).collect())
        })
    }

    fn diskio(resources: Option<&[String]>, read: Box<dyn FnMut() -> io::Result<Vec<Device>> + Send>) -> DiskIo {
        DiskIo { names: Names::of(resources), named: Chosen::of("diskio"), read, absent: false }
    }

    #[test]
    fn counters_are_published_as_growth_and_what_is_in_flight_as_it_is() {
        let (mut run, mut collector) = (Run::of("diskio"), diskio(None, moving(&["sda", "sda1"])));
        let first = run.read(&mut collector);
        assert_eq!(first.len(), 2, "a first reading only primes the counters");
        assert_eq!(found(&first, "diskio_iops_in_progress", &[("name", "sda1")]), Some(11.0));
        let second = run.read(&mut collector);
        for (index, name) in COUNTED[..7].iter().enumerate() {
            let name = format!("diskio_{name}");
            assert!(
                (found(&second, &name, &[("name", "sda")]).expect("published") - (index + 1) as f64).abs() < 1e-9,
                "{name}"
            );
        }
        assert_eq!(found(&second, "diskio_iops_in_progress", &[("name", "sda")]), Some(12.0));
        assert_eq!(second.len(), 16);
    }

    #[test]
    fn only_the_devices_that_are_named_are_published() {
        let resources = ["nvme?n1".to_owned(), "sdb".to_owned()];
        let mut collector = diskio(Some(&resources), moving(&["nvme0n1", "nvme0n1p1", "sda"]));
        assert_eq!(Run::of("diskio").read(&mut collector).len(), 1);
        assert_eq!(collector.named.missing(), ["sdb"]);
    }

    #[test]
    fn counters_that_nobody_asked_for_are_not_read() {
        let mut collector = diskio(None, Box::new(|| panic!("not to be read")));
        assert_eq!(Run::with("diskio", &["ebs_total_read_ops"]).read(&mut collector), []);
    }

    #[test]
    fn a_system_without_counters_has_no_points_and_no_failure() {
        let mut collector = diskio(None, Box::new(|| Err(io::ErrorKind::Unsupported.into())));
        assert_eq!(Run::of("diskio").read(&mut collector), []);
    }
}
