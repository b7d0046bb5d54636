//! `thermal`: temperatures in degrees Celsius and fans in revolutions per minute, each sensor of each chip. CloudWatch has no unit
//! for either. Linux only: other systems show theirs to programs of the maker alone, or with a driver of somebody else.
use super::{CollectError, Collector, Entry, Readings, presence::Presence};
use crate::{
    config::settings::metrics::Plugin,
    platform::{
        devices::sensors::{self, Kind},
        procfs,
    },
};
use std::path::PathBuf;

pub(super) const ENTRY: Entry = Entry { key: "thermal", build };

struct Thermal {
    sys: PathBuf,
    presence: Presence,
}

fn build(_: &Plugin) -> Box<dyn Collector> {
    Box::new(Thermal { sys: procfs::sys().to_owned(), presence: Presence::of(ENTRY.key) })
}

impl Collector for Thermal {
    fn collect(&mut self, out: &mut Readings<'_>) -> Result<(), CollectError> {
        let mut some = false;
        for (field, kind) in [("temperature", Kind::Temperature), ("fan_speed", Kind::Fan)] {
            if !out.wants(field) {
                continue;
            }
            let all = sensors::read(&self.sys, kind).map_err(CollectError::read("the sensors"))?;
            some |= !all.is_empty();
            for sensor in all {
                out.of(&[("chip", &sensor.chip), ("sensor", &sensor.sensor)]).push(field, sensor.value);
            }
        }
        self.presence.saw(some, || "no sensor shows a value, as on most virtual machines".to_owned());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{super::trial::offered, *};
    use crate::platform::devices::trees;

    #[test]
    fn each_sensor_is_a_series_in_degrees_or_revolutions() {
        let tree = trees::plant(trees::RASPBERRY_PI_5);
        let mut thermal = Thermal { sys: tree.path().into(), presence: Presence::of("thermal") };
        let expected = [
            "temperature{chip=cpu_thermal,sensor=temp1} 61.45",
            "temperature{chip=nvme,sensor=Composite} 44.85",
            "temperature{chip=rp1_adc,sensor=temp1} 55.123",
            "fan_speed{chip=pwmfan,sensor=fan1} 2871",
        ];
        assert_eq!(offered(&mut thermal, "thermal"), expected);
    }

    #[test]
    fn a_machine_without_sensors_is_no_error() {
        let tree = trees::plant(trees::EC2_NITRO);
        let mut thermal = Thermal { sys: tree.path().into(), presence: Presence::of("thermal") };
        assert_eq!(offered(&mut thermal, "thermal"), [] as [&str; 0]);
    }
}
