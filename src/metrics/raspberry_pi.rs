//! `raspberry_pi`: what its firmware says about power and heat, now and at any time since the start: 1 where it holds, else 0.
use super::{CollectError, Collector, Entry, Readings, presence::Presence};
use crate::{
    config::settings::metrics::Plugin,
    platform::{
        devices::{
            DEV,
            raspberry_pi::{
                FREQUENCY_CAPPED, OCCURRED, SOFT_TEMPERATURE_LIMIT, Source, THROTTLED, UNDER_VOLTAGE, throttled,
            },
        },
        procfs,
    },
};
use std::path::{Path, PathBuf};

pub(super) const ENTRY: Entry = Entry { key: "raspberry_pi", build };

const CONDITIONS: [(&str, u32); 8] = [
    ("under_voltage", UNDER_VOLTAGE),
    ("frequency_capped", FREQUENCY_CAPPED),
    ("throttled", THROTTLED),
    ("soft_temperature_limit", SOFT_TEMPERATURE_LIMIT),
    ("under_voltage_occurred", UNDER_VOLTAGE + OCCURRED),
    ("frequency_capped_occurred", FREQUENCY_CAPPED + OCCURRED),
    ("throttled_occurred", THROTTLED + OCCURRED),
    ("soft_temperature_limit_occurred", SOFT_TEMPERATURE_LIMIT + OCCURRED),
];

struct RaspberryPi {
    sys: PathBuf,
    vcio: PathBuf,
    presence: Presence,
    source: Option<Source>,
}

fn build(_: &Plugin) -> Box<dyn Collector> {
    Box::new(RaspberryPi {
        sys: procfs::sys().to_owned(),
        vcio: Path::new(DEV).join("vcio"),
        presence: Presence::of(ENTRY.key),
        source: None,
    })
}

impl Collector for RaspberryPi {
    fn collect(&mut self, out: &mut Readings<'_>) -> Result<(), CollectError> {
        let found = throttled(&self.sys, &self.vcio).map_err(CollectError::read("/dev/vcio"))?;
        self.presence.saw(found.is_some(), || "this is no Raspberry Pi".to_owned());
        let Some((source, conditions)) = found else { return Ok(()) };
        if self.source.replace(source) != Some(source) {
            tell(source);
        }
        let mut pi = out.of(&[]);
        for (field, bit) in CONDITIONS {
            if let Some(holds) = conditions.is(bit) {
                pi.push(field, f64::from(u8::from(holds)));
            }
        }
        Ok(())
    }
}

fn tell(source: Source) {
    let known = match source {
        Source::Firmware => return,
        Source::Alarm => "under_voltage",
        Source::Attribute => "what holds now",
    };
    tracing::warn!(
        collector = ENTRY.key,
        known,
        "the firmware cannot be asked, so the other conditions are not known: let our user open /dev/vcio, whose group is `video`"
    );
}

#[cfg(test)]
mod tests {
    use super::{super::trial::offered, *};
    use crate::platform::devices::trees;

    fn of(tree: &str) -> Vec<String> {
        let tree = trees::plant(tree);
        let presence = Presence::of("raspberry_pi");
        let vcio = tree.path().join("vcio");
        offered(&mut RaspberryPi { sys: tree.path().into(), vcio, presence, source: None }, "raspberry_pi")
    }

    #[test]
    fn what_is_not_known_is_not_told_as_zero() {
        assert_eq!(of(trees::RASPBERRY_PI_5), ["under_voltage{} 1"]);
        assert_eq!(of(trees::RASPBERRY_PI_4), ["under_voltage{} 0"]);
        let attribute = "bus/platform/drivers/raspberrypi-firmware/soc-firmware/get_throttled = 4";
        let expected = ["under_voltage{} 0", "frequency_capped{} 0", "throttled{} 1", "soft_temperature_limit{} 0"];
        assert_eq!(of(attribute), expected);
    }

    #[test]
    fn another_machine_is_no_error() {
        assert_eq!(of(trees::LAPTOP), [] as [&str; 0]);
    }
}
