//! `metrics.critical`: the five stats by which a machine is watched, without naming plugins and measurements.
//!
//! | stat | measured |
//! |---|---|
//! | `cpu` | `cpu_usage_active`, of all processors together |
//! | `memory` | `mem_used_percent` |
//! | `disk` | `disk_used_percent` of each file system that a disk can run out of, by `path` and `fstype` |
//! | `network` | `net_utilization_percent_in` and `_out`: percent of the speed of each link that is up |
//! | `response_time` | `response_time` of `metrics.response_time.targets`, which are asked in any case |
//!
//! Each but the last is a percentage, so that one pair of thresholds fits all. On Windows, which has no such plugins, processor and memory
//! are those of the publisher's thirteen.
use super::{Context, measurements, plugins};
use crate::{
    config::{
        measurements::Table,
        section::Section,
        settings::metrics::{Measurement, Measurements, Options, Plugin, SourceDimensions},
    },
    platform::host,
};

/// What can be named.
pub const STATS: &[&str] = &["cpu", "memory", "disk", "network", RESPONSE_TIME];
/// Measured by asking, not by a plugin of the host; also the key where the targets stand.
const RESPONSE_TIME: &str = "response_time";

/// File systems that nobody can fill, or that are always full: in memory, in the kernel, or images.
const NOT_DISKS: [&str; 12] = [
    "tmpfs", "devtmpfs", "overlay", "squashfs", "ramfs", "proc", "sysfs", "cgroup", "cgroup2", "iso9660", "efivarfs",
    "erofs",
];

/// The stats that are asked for. `None`: the key is not there, or says no.
pub(super) fn asked(metrics: &Section<'_>) -> Option<Vec<&'static str>> {
    let section = metrics.child("critical");
    let named: Vec<&str> = section.items().iter().filter_map(Section::verbatim).collect();
    let all = section.flag() == Some(true);
    let stats: Vec<&str> = STATS.iter().copied().filter(|stat| all || named.contains(stat)).collect();
    (!stats.is_empty()).then_some(stats)
}

/// The plugins that measure these stats, as far as none of `others` does.
pub(super) fn plugins(
    metrics: &Section<'_>,
    stats: &[&str],
    context: &Context,
    carried: &SourceDimensions,
    others: &[Plugin],
) -> Vec<Plugin> {
    let section = metrics.child("critical");
    let mut found = vec![];
    for stat in stats {
        if *stat == RESPONSE_TIME {
            if !metrics.has(RESPONSE_TIME) {
                section.warning(
                    "asks for the response time, and metrics.response_time names no `targets`: nobody is asked",
                );
            }
            continue;
        }
        let Some((table, fields)) = measured(stat) else {
            section.warning(format!("`{stat}` is not available on {}; ignored", host::SYSTEM.name()));
            continue;
        };
        let has = |field: &str| others.iter().any(|plugin| plugin.key == table.key && measures(plugin, field));
        let fields: Vec<Measurement> = fields
            .iter()
            .filter(|field| !has(field))
            .filter_map(|field| Some(measurements::whole(table, table.field(field)?)))
            .collect();
        if fields.is_empty() {
            continue;
        }
        found.push(Plugin {
            at: section.at.clone(),
            key: table.key,
            measurements: Measurements::These(fields),
            interval: context.interval,
            resolution: context.resolution_for(context.interval, None),
            dimensions: carried.clone(),
            options: options(&section, table),
        });
    }
    found
}

/// A plugin, and some of its measurements.
type Part = (&'static Table, &'static [&'static str]);

/// What a stat of the host is measured by here. `None`: by nothing.
fn measured(stat: &str) -> Option<Part> {
    match stat {
        "cpu" => usual("cpu", &["usage_active"]).or_else(|| thirteen(&["CPUUtilization"])),
        "memory" => usual("mem", &["used_percent"]).or_else(|| thirteen(&["MemoryUtilization"])),
        "disk" => usual("disk", &["used_percent"]),
        "network" => usual("net", &["utilization_percent_in", "utilization_percent_out"]),
        _ => None,
    }
}

fn usual(key: &str, fields: &'static [&'static str]) -> Option<Part> {
    Table::find(key).filter(|table| table.is_available()).map(|table| (table, fields))
}

fn thirteen(fields: &'static [&'static str]) -> Option<Part> {
    Table::find("publisher").map(|table| (table, fields))
}

fn measures(plugin: &Plugin, field: &str) -> bool {
    match &plugin.measurements {
        Measurements::These(all) => all.iter().any(|measurement| *measurement.field == *field),
        Measurements::Everything { .. } => false,
    }
}

/// As a plugin has them of which nothing but its measurements is said, except for file systems.
fn options(section: &Section<'_>, table: &Table) -> Options {
    let mut options = plugins::options(section, table);
    if let Options::Disk { ignored_types, drop_device, .. } = &mut options {
        *ignored_types = NOT_DISKS.map(str::to_owned).to_vec();
        *drop_device = true;
    }
    options
}
