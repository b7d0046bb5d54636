//! Temperatures and fans: the chips of `/sys/class/hwmon`, and the thermal zones that no chip mirrors.
//!
//! Units and names: <https://docs.kernel.org/hwmon/sysfs-interface.html> (millidegrees Celsius, revolutions per minute) and
//! <https://docs.kernel.org/driver-api/thermal/sysfs-api.html>. A sensor that says it is faulty, or cannot be read at the moment,
//! as that of a wireless card that sleeps, is left out.
use super::attributes;
use std::{
    collections::HashSet,
    io,
    path::{Path, PathBuf},
};

/// One reading of one sensor. Chip and sensor together are unique in a reading.
#[derive(Clone, Debug, PartialEq)]
pub struct Sensor {
    /// The driver's name of the chip, as `coretemp`. Where several chips have the same name, it is followed by the device that
    /// they belong to, as `nvme-nvme1`: it stays the same when the kernel numbers the chips in another order. A thermal zone is a
    /// chip of its type's name.
    pub chip: String,
    /// What the driver calls it, as `Package id 0`; else its number, as `temp1`, `fan2` or `zone0`.
    pub sensor: String,
    pub value: f64,
}

/// What a sensor measures.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// In degrees Celsius.
    Temperature,
    /// In revolutions per minute; zero is a fan that stands.
    Fan,
}

impl Kind {
    fn prefix(self) -> &'static str {
        match self {
            Self::Temperature => "temp",
            Self::Fan => "fan",
        }
    }

    fn value(self, raw: i64) -> f64 {
        match self {
            // No reading comes near 2^53 of them.
            #[allow(clippy::cast_precision_loss)]
            Self::Temperature => raw as f64 / 1000.0,
            #[allow(clippy::cast_precision_loss)]
            Self::Fan => raw as f64,
        }
    }
}

struct Chip {
    folder: PathBuf,
    name: String,
}

/// All sensors of this kind, below the root of `/sys`. Empty where there are none, as on most virtual machines.
pub fn read(sys: &Path, kind: Kind) -> io::Result<Vec<Sensor>> {
    let chips = chips(sys)?;
    let mut found = vec![];
    for (at, chip) in chips.iter().enumerate() {
        let twin = chips.iter().enumerate().any(|(other, c)| other != at && c.name == chip.name);
        let name = if twin { format!("{}-{}", chip.name, device(&chip.folder)) } else { chip.name.clone() };
        of_chip(chip, &name, kind, &mut found);
    }
    if kind == Kind::Temperature {
        zones(sys, &chips, &mut found)?;
    }
    Ok(found)
}

fn chips(sys: &Path) -> io::Result<Vec<Chip>> {
    let class = sys.join("class/hwmon");
    let chip = |entry: String| {
        let folder = class.join(entry);
        attributes::text(&folder.join("name")).map(|name| Chip { folder, name })
    };
    Ok(attributes::names(&class)?.into_iter().filter_map(chip).collect())
}

/// The device that a chip belongs to; a chip without one is told by its own number.
fn device(folder: &Path) -> String {
    let device = std::fs::canonicalize(folder.join("device")).unwrap_or_else(|_| folder.to_owned());
    device.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn of_chip(chip: &Chip, name: &str, kind: Kind, found: &mut Vec<Sensor>) {
    let mut labels = HashSet::new();
    // A chip may go while we look.
    for entry in attributes::names(&chip.folder).unwrap_or_default() {
        let Some(number) = entry.strip_suffix("_input").filter(|n| is_numbered(n, kind.prefix())) else { continue };
        let beside = |what: &str| chip.folder.join(format!("{number}_{what}"));
        if attributes::number::<u8>(&beside("fault")).is_some_and(|fault| fault != 0) {
            continue;
        }
        let Some(raw) = attributes::number(&chip.folder.join(&entry)) else { continue };
        let sensor = attributes::text(&beside("label")).unwrap_or_else(|| number.to_owned());
        let sensor = if labels.contains(&sensor) { format!("{sensor} {number}") } else { sensor };
        labels.insert(sensor.clone());
        found.push(Sensor { chip: name.to_owned(), sensor, value: kind.value(raw) });
    }
}

fn is_numbered(text: &str, prefix: &str) -> bool {
    text.strip_prefix(prefix).is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
}

/// The kernel mirrors most zones as a chip that has the name of the zone's type, with `_` in the place of `-`
/// (`drivers/thermal/thermal_hwmon.c`): those are known already.
fn zones(sys: &Path, chips: &[Chip], found: &mut Vec<Sensor>) -> io::Result<()> {
    let class = sys.join("class/thermal");
    for zone in attributes::names(&class)? {
        let Some(number) = zone.strip_prefix("thermal_zone") else { continue };
        let Some(kind) = attributes::text(&class.join(&zone).join("type")) else { continue };
        let mirror = kind.replace('-', "_");
        if chips.iter().any(|chip| chip.name == mirror) {
            continue;
        }
        if let Some(raw) = attributes::number(&class.join(&zone).join("temp")) {
            let value = Kind::Temperature.value(raw);
            found.push(Sensor { chip: kind, sensor: format!("zone{number}"), value });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{super::trees, *};

    fn seen(tree: &str, kind: Kind) -> Vec<(String, String, f64)> {
        let tree = trees::plant(tree);
        let all = read(tree.path(), kind).expect("read");
        all.into_iter().map(|s| (s.chip, s.sensor, s.value)).collect()
    }

    fn named(chip: &str, sensor: &str, value: f64) -> (String, String, f64) {
        (chip.to_owned(), sensor.to_owned(), value)
    }

    #[test]
    fn a_zone_that_a_chip_mirrors_is_told_once() {
        assert_eq!(seen(trees::RASPBERRY_PI_4, Kind::Temperature), [named("cpu_thermal", "temp1", 48.686)]);
        assert_eq!(seen(trees::RASPBERRY_PI_4, Kind::Fan), []);
    }

    #[test]
    fn sensors_have_the_names_of_their_drivers_and_fans_revolutions() {
        let temperatures = seen(trees::RASPBERRY_PI_5, Kind::Temperature);
        let expected = [
            named("cpu_thermal", "temp1", 61.45),
            named("nvme", "Composite", 44.85),
            named("rp1_adc", "temp1", 55.123),
        ];
        assert_eq!(temperatures, expected);
        assert_eq!(seen(trees::RASPBERRY_PI_5, Kind::Fan), [named("pwmfan", "fan1", 2871.0)]);
    }

    #[cfg(unix)]
    #[test]
    fn chips_of_one_name_are_told_apart_by_their_devices() {
        let temperatures = seen(trees::LAPTOP, Kind::Temperature);
        let expected = [
            named("acpitz", "temp1", 27.8),
            named("nvme-nvme0", "Composite", 35.85),
            named("nvme-nvme0", "Sensor 1", 38.85),
            named("thinkpad", "CPU", 46.0),
            named("coretemp", "Package id 0", 47.0),
            named("coretemp", "Core 0", 45.0),
            named("coretemp", "Core 4", 44.0),
            named("nvme-nvme1", "Composite", -4.15),
            named("x86_pkg_temp", "zone1", 47.0),
        ];
        assert_eq!(temperatures, expected);
    }

    #[test]
    fn a_sensor_that_is_faulty_is_left_out() {
        assert_eq!(seen(trees::LAPTOP, Kind::Fan), [named("thinkpad", "fan1", 2650.0)]);
    }

    #[test]
    fn a_machine_without_sensors_has_none() {
        assert_eq!(seen(trees::EC2_NITRO, Kind::Temperature), []);
    }

    #[test]
    fn hostile_names_and_values_are_nothing_or_themselves() {
        let tree = "\
class/hwmon/hwmon0/name = a
class/hwmon/hwmon0/temp1_input = 99999999999999999999
class/hwmon/hwmon0/temp2_input = hot
class/hwmon/hwmon0/temp_input = 1000
class/hwmon/hwmon0/tempx_input = 1000
class/hwmon/hwmon0/temp3_input = 1000
class/hwmon/hwmon0/temp3_label = same
class/hwmon/hwmon0/temp4_input = 2000
class/hwmon/hwmon0/temp4_label = same
class/hwmon/hwmon1/temp1_input = 1000
class/hwmon/hwmon2 = a file
class/thermal/thermal_zone/type = \\n
class/thermal/thermal_zone9/type = b
class/thermal/thermal_zone9/temp = -9223372036854775808
";
        let found = seen(tree, Kind::Temperature);
        let lowest = -9_223_372_036_854_775.808;
        assert_eq!(found, [named("a", "same", 1.0), named("a", "same temp4", 2.0), named("b", "zone9", lowest)]);
    }
}
