//! The thirteen metrics of the publisher: processor, memory, all disks, all network interfaces.
//!
//! What is counted and how each system answers is written beside the readings in `platform::vitals` and `platform::io`.
//! A part that cannot be read is missing from the points and the others are there all the same. A part that this system does
//! not have is said once and is no failure.
use super::{CollectError, Collector, Entry, Readings, Tagged, rates::Rates};
use crate::{
    config::settings::metrics::Plugin,
    platform::{
        io::{Traffic, disks, interfaces},
        vitals::{Load, Vitals},
    },
};
use std::{io, time::Instant};

pub(super) const ENTRY: Entry = Entry { key: "publisher", build };

/// Reads one part of the host. A plain closure is the smallest fake there is.
type Read<T> = Box<dyn FnMut() -> io::Result<T> + Send>;

struct Publisher {
    load: Read<Load>,
    /// Whether `load` was read before: the processors' share needs two readings.
    loaded: bool,
    disks: Moving,
    interfaces: Moving,
}

/// Counters of one kind of device, and what they are called.
struct Moving {
    what: &'static str,
    read: Read<Vec<Traffic>>,
    rates: Rates,
    /// Whether it was said that this system has none.
    absent: bool,
    /// Names of bytes in, bytes out, count in, count out.
    names: [&'static str; 4],
}

fn build(_: &Plugin) -> Box<dyn Collector> {
    let mut vitals = Vitals::new();
    Box::new(Publisher {
        load: Box::new(move || vitals.read()),
        loaded: false,
        disks: Moving::disks(Box::new(disks)),
        interfaces: Moving::interfaces(Box::new(interfaces)),
    })
}

impl Collector for Publisher {
    fn collect(&mut self, out: &mut Readings<'_>) -> Result<(), CollectError> {
        let now = out.now().monotonic;
        let out = &mut out.of(&[]);
        let load = (self.load)().map(|load| {
            if self.loaded {
                out.push("CPUUtilization", load.cpu_percent);
            }
            self.loaded = true;
            out.push("CPUCount", load.cpus as f64);
            let memory = load.memory;
            let taken = memory.total.saturating_sub(memory.available) as f64;
            out.push("MemoryUtilization", taken / memory.total as f64 * 100.0);
            out.push("MemoryUsed", memory.used as f64);
            out.push("MemoryAvailable", memory.available as f64);
        });
        // Each part has its turn before the first error is returned.
        let disks = self.disks.collect(now, out);
        let interfaces = self.interfaces.collect(now, out);
        load.map_err(CollectError::read("the processor and memory load")).and(disks).and(interfaces)
    }
}

impl Moving {
    fn disks(read: Read<Vec<Traffic>>) -> Self {
        Self::new("the disk counters", read, ["DiskReadBytes", "DiskWriteBytes", "DiskReadOps", "DiskWriteOps"])
    }

    fn interfaces(read: Read<Vec<Traffic>>) -> Self {
        Self::new("the network counters", read, ["NetworkIn", "NetworkOut", "NetworkPacketsIn", "NetworkPacketsOut"])
    }

    fn new(what: &'static str, read: Read<Vec<Traffic>>, names: [&'static str; 4]) -> Self {
        Self { what, read, rates: Rates::default(), absent: false, names }
    }

    fn collect(&mut self, now: Instant, out: &mut Tagged<'_>) -> Result<(), CollectError> {
        let devices = match (self.read)() {
            Ok(devices) => devices,
            Err(e) if e.kind() == io::ErrorKind::Unsupported => {
                if !std::mem::replace(&mut self.absent, true) {
                    tracing::info!(metrics = %self.names.join(" "), reason = %e, "this system does not offer these metrics");
                }
                return Ok(());
            }
            Err(e) => return Err(CollectError::read(self.what)(e)),
        };
        let rates = self.rates.advance(now, devices);
        let values = [rates.bytes_in, rates.bytes_out, rates.count_in, rates.count_out];
        for (name, value) in self.names.into_iter().zip(values) {
            if let Some(value) = value {
                out.push(name, value);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::readings::Wanted;
    use super::*;
    use crate::{
        metrics::{Moment, tests::whole},
        model::{Points, Timestamp, Unit, Values},
        platform::vitals::Memory,
    };
    use std::time::Duration;

    const LOAD: Load = Load { cpu_percent: 12.5, cpus: 4, memory: Memory { total: 1_000, available: 250, used: 700 } };

    /// Every reading moves the devices on by one step.
    fn steps(first: Traffic, step: u64) -> Read<Vec<Traffic>> {
        let mut n = 0;
        Box::new(move || {
            n += step;
            let Traffic { device, bytes_in, bytes_out, count_in, count_out } = first.clone();
            Ok(vec![Traffic {
                device,
                bytes_in: bytes_in + n * 8,
                bytes_out: bytes_out + n * 4,
                count_in: count_in + n * 2,
                count_out: count_out + n,
            }])
        })
    }

    /// Name, value and unit.
    type Published = Vec<(String, f64, Unit)>;

    fn publisher() -> Publisher {
        Publisher {
            load: Box::new(|| Ok(LOAD)),
            loaded: false,
            disks: Moving::disks(steps(Traffic { device: "sda".into(), ..Traffic::default() }, 100)),
            interfaces: Moving::interfaces(steps(Traffic { device: "eth0".into(), ..Traffic::default() }, 1_000)),
        }
    }

    /// One reading `second` seconds after `start`, as name, value and unit.
    fn reading(collector: &mut Publisher, start: Instant, second: u64) -> (Published, Result<(), CollectError>) {
        let now = Moment {
            wall: Timestamp::from_millis(5_000 + second as i64 * 1_000),
            monotonic: start + Duration::from_secs(second),
        };
        let mut points = Points::new();
        let mut wanted = Wanted::of(&whole("publisher"));
        let result = collector.collect(&mut wanted.begin(now, &mut points));
        assert!(points.iter().all(|p| p.at == now.wall));
        let told = points.into_iter().map(|p| match p.value {
            Values::One(value) => (p.name.into_owned(), value, p.unit),
            Values::Many(_) => unreachable!("one reading has one value"),
        });
        (told.collect(), result)
    }

    fn names(points: &[(String, f64, Unit)]) -> Vec<&str> {
        points.iter().map(|(name, _, _)| name.as_str()).collect()
    }

    const GAUGES: [&str; 4] = ["CPUCount", "MemoryUtilization", "MemoryUsed", "MemoryAvailable"];

    #[test]
    fn the_first_reading_has_gauges_and_nothing_that_needs_two() {
        let (points, result) = reading(&mut publisher(), Instant::now(), 0);
        result.expect("read");
        assert_eq!(names(&points), GAUGES);
    }

    #[test]
    fn the_second_reading_has_all_thirteen_with_their_units() {
        let (mut collector, start) = (publisher(), Instant::now());
        let _ = reading(&mut collector, start, 0);
        let (points, result) = reading(&mut collector, start, 10);
        result.expect("read");
        let expected = [
            ("CPUUtilization", 12.5, Unit::Percent),
            ("CPUCount", 4.0, Unit::Count),
            ("MemoryUtilization", 75.0, Unit::Percent),
            ("MemoryUsed", 700.0, Unit::Bytes),
            ("MemoryAvailable", 250.0, Unit::Bytes),
            ("DiskReadBytes", 80.0, Unit::Bytes),
            ("DiskWriteBytes", 40.0, Unit::Bytes),
            ("DiskReadOps", 20.0, Unit::Count),
            ("DiskWriteOps", 10.0, Unit::Count),
            ("NetworkIn", 800.0, Unit::Bytes),
            ("NetworkOut", 400.0, Unit::Bytes),
            ("NetworkPacketsIn", 200.0, Unit::Count),
            ("NetworkPacketsOut", 100.0, Unit::Count),
        ];
        assert_eq!(points, expected.map(|(name, value, unit)| (name.to_owned(), value, unit)));
    }

    #[test]
    fn a_part_that_cannot_be_read_does_not_take_the_others_along() {
        let (mut collector, start) = (publisher(), Instant::now());
        collector.disks.read = Box::new(|| Err(io::Error::from(io::ErrorKind::PermissionDenied)));
        let _ = reading(&mut collector, start, 0);
        let (points, result) = reading(&mut collector, start, 10);
        assert_eq!(result.expect_err("the disks").to_string(), "could not read the disk counters");
        assert_eq!(points.len(), 9);
        assert!(!names(&points).iter().any(|n| n.starts_with("Disk")));
    }

    #[test]
    fn after_a_failed_reading_the_amount_is_spread_over_all_the_seconds_since_the_last_good_one() {
        let (mut collector, start) = (publisher(), Instant::now());
        let mut bytes = [Some(0), None, Some(600)].into_iter();
        collector.disks.read = Box::new(move || match bytes.next().flatten() {
            Some(bytes_in) => Ok(vec![Traffic { bytes_in, ..Traffic::default() }]),
            None => Err(io::Error::other("busy")),
        });
        let _ = reading(&mut collector, start, 0);
        let _ = reading(&mut collector, start, 10);
        let (points, _) = reading(&mut collector, start, 20);
        assert!(points.contains(&("DiskReadBytes".to_owned(), 30.0, Unit::Bytes)));
    }

    #[test]
    fn what_this_system_does_not_have_is_absent_without_being_a_failure() {
        let (mut collector, start) = (publisher(), Instant::now());
        collector.disks.read = Box::new(|| Err(io::Error::from(io::ErrorKind::Unsupported)));
        let _ = reading(&mut collector, start, 0);
        let (points, result) = reading(&mut collector, start, 10);
        result.expect("no failure");
        assert_eq!(points.len(), 9);
        assert!(collector.disks.absent);
    }
}
