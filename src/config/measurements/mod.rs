//! What can be measured: for each plugin its measurements with unit, kind, and the systems that have them. Names, units and kinds are
//! those that the CloudWatch Agent publishes; what it does not know is ours.
//!
//! The configuration is checked against these tables, the collectors of `metrics` fill them, and `docs/METRICS.md` is made of them.
//! To add a plugin, write its table in [`TABLES`] in the order of the keys.
mod devices;
#[cfg(test)]
mod page;
mod tables;

use crate::{
    model::Unit,
    platform::host::{self, System},
};

pub use tables::TABLES;

/// What one plugin can measure.
#[derive(Debug)]
pub struct Table {
    /// Its key in `metrics.metrics_collected`.
    pub key: &'static str,
    /// What is put before a measurement in the published name.
    pub prefix: &'static str,
    /// One line for people.
    #[cfg_attr(not(test), allow(dead_code))] // The page is made by a test.
    pub summary: &'static str,
    pub fields: &'static [Field],
}

/// One measurement.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Without the prefix.
    pub name: &'static str,
    pub unit: Unit,
    pub kind: Kind,
    pub on: Systems,
}

/// What becomes of a value.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// Published as it is read.
    Gauge,
    /// A counter of which the growth since the reading before is published.
    Delta,
}

/// The systems on which something can be measured.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Systems {
    pub linux: bool,
    pub macos: bool,
    pub windows: bool,
}

impl Systems {
    pub const EVERYWHERE: Self = Self { linux: true, macos: true, windows: true };
    pub const UNIX: Self = Self { windows: false, ..Self::EVERYWHERE };
    pub const LINUX: Self = Self { macos: false, ..Self::UNIX };
    pub const LINUX_AND_WINDOWS: Self = Self { windows: true, ..Self::LINUX };
    /// The agent takes the name and never publishes anything by it.
    pub const NOWHERE: Self = Self { linux: false, ..Self::LINUX };

    /// Whether this one is among them.
    pub fn has(self, system: System) -> bool {
        match system {
            System::Linux => self.linux,
            System::MacOs => self.macos,
            System::Windows => self.windows,
            System::Other => false,
        }
    }
}

impl Table {
    /// The table of this plugin.
    pub fn find(key: &str) -> Option<&'static Self> {
        TABLES.iter().find(|table| table.key == key)
    }

    /// The measurement of this name, which may begin with the plugin's prefix and stand between spaces.
    pub fn field(&self, name: &str) -> Option<&'static Field> {
        let name = name.trim();
        let bare = name.strip_prefix(self.key).and_then(|rest| rest.strip_prefix('_'));
        let bare = bare.or_else(|| name.strip_prefix(self.prefix)).unwrap_or(name);
        self.fields.iter().find(|field| field.name == bare || field.name == name)
    }

    /// The name under which CloudWatch gets it. On Windows the agent puts a space behind the plugin.
    pub fn published(&self, field: &str) -> String {
        match self.prefix.strip_suffix('_').filter(|_| host::SYSTEM == System::Windows) {
            Some(plugin) => format!("{plugin} {field}"),
            None => format!("{}{field}", self.prefix),
        }
    }

    /// Whether any of it can be measured on this system.
    pub fn is_available(&self) -> bool {
        self.fields.is_empty() || self.fields.iter().any(|field| field.on.has(host::SYSTEM))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn tables_are_sorted_and_no_measurement_is_there_twice() {
        assert!(TABLES.is_sorted_by(|a, b| a.key < b.key));
        for table in TABLES {
            let names: BTreeSet<_> = table.fields.iter().map(|field| field.name).collect();
            assert_eq!(names.len(), table.fields.len(), "{}", table.key);
            assert!(!table.summary.is_empty());
        }
    }

    #[test]
    fn a_measurement_is_known_with_and_without_its_prefix() {
        let cpu = Table::find("cpu").expect("a plugin");
        for name in ["usage_idle", "cpu_usage_idle", "  cpu_usage_idle "] {
            assert_eq!(cpu.field(name).map(|field| field.name), Some("usage_idle"), "{name}");
        }
        assert!(cpu.field("cpu_cpu_usage_idle").is_none() && cpu.field("usage").is_none());
        let gpu = Table::find("nvidia_gpu").expect("a plugin");
        for name in ["power_draw", "nvidia_smi_power_draw", "nvidia_gpu_power_draw"] {
            assert_eq!(gpu.field(name).map(|field| field.name), Some("power_draw"), "{name}");
        }
        assert_eq!(gpu.published("power_draw"), "nvidia_smi_power_draw");
    }
}
