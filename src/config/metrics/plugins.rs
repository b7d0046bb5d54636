//! The keys of `metrics.metrics_collected`: one reader for each.
//!
//! To add a plugin: its table in `config::measurements`, its keys in `config::keys::metrics`, its line in [`read`], and its collector in
//! `metrics`.
use super::{
    Context,
    dimensions::{self, listed},
    measurements, processes, programs, resolution,
};
use crate::{
    config::{
        finding::{Severity, nearest},
        measurements::{TABLES, Table},
        section::Section,
        settings::metrics::{Measurement, Measurements, Options, Plugin, SourceDimensions},
    },
    model::Resolution,
    platform::host::{self, System},
};
use std::time::Duration;

/// Keys of which this program runs nothing, with their reason; what is wrong inside was said when the file was checked.
const ELSEWHERE: [&str; 3] = ["jmx", "otlp", "prometheus"];
/// Keys that are received and not read at intervals: they have readers of their own.
const RECEIVED: [&str; 2] = ["statsd", "collectd"];

/// Tables of what is measured without a key of this section.
pub const NO_PLUGINS: [&str; 2] = ["publisher", "response_time"];

/// Every plugin of the section that can run here.
pub(super) fn read(metrics: &Section<'_>, context: &Context) -> Vec<Plugin> {
    let collected = metrics.child("metrics_collected");
    let mut plugins = vec![];
    for entry in collected.entries() {
        let (key, section) = (collected.key(entry), collected.value(entry));
        match entry.key.as_str() {
            name if ELSEWHERE.contains(&name) || RECEIVED.contains(&name) => {}
            "procstat" => plugins.extend(section.items().iter().filter_map(|item| processes::procstat(item, context))),
            "ethtool" => plugins.extend(ethtool(&section, context)),
            "exec" => plugins.extend(programs::exec(&section, context)),
            "textfile" => plugins.push(programs::textfile(&section, context)),
            "nvidia_smi" => {
                key.warning("does nothing in the agent either; the key that is run is `nvidia_gpu`; ignored");
            }
            name => match Table::find(name).filter(|table| !NO_PLUGINS.contains(&table.key)) {
                Some(table) => {
                    let plugin = of_table(&key, &section, table, context);
                    plugins.extend(plugin.into_iter().flat_map(|plugin| apart(plugin, &section, context)));
                }
                None if host::SYSTEM == System::Windows => plugins.extend(performance(name, &section, context)),
                None => unknown(&key, name),
            },
        }
    }
    plugins
}

/// What a plugin is called elsewhere.
const OTHER_NAMES: [(&str, &str); 4] =
    [("memory", "mem"), ("network", "net"), ("processor", "cpu"), ("gpu", "nvidia_gpu")];

/// Whether a key was most likely meant to be another one: that is what is said of it, and not what is missing inside.
pub fn is_misnamed(name: &str) -> bool {
    host::SYSTEM != System::Windows && (NO_PLUGINS.contains(&name) || meant_plugin(name).is_some())
}

/// The plugin that this name was most likely meant to be. With a capital letter it is rather an object of Windows.
fn meant_plugin(name: &str) -> Option<String> {
    let others = ["statsd", "collectd", "ethtool", "exec", "textfile"];
    let known = TABLES.iter().map(|table| table.key).filter(|key| !NO_PLUGINS.contains(key)).chain(others);
    if let Some((_, key)) = OTHER_NAMES.into_iter().find(|(other, _)| *other == name) {
        return Some(key.to_owned());
    }
    let is_spelt_small = |key: &String| !name.contains(char::is_uppercase) || key.eq_ignore_ascii_case(name);
    nearest(name, known).filter(is_spelt_small)
}

/// The agent passes over it, too; but not where `measurement` is missing.
fn unknown(key: &Section<'_>, name: &str) {
    let meant = meant_plugin(name);
    let why = match name {
        "publisher" => {
            "is no plugin: these are the metrics of a file without `metrics_collected`, and beside it there are none of them"
        }
        "response_time" => "is in the wrong place: it belongs to `metrics.response_time`",
        _ if meant.is_some() => "unknown plugin",
        _ => {
            let why = format!(
                "unknown plugin; objects of performance counters are not available on {}; ignored",
                host::SYSTEM.name()
            );
            return key.warning(why);
        }
    };
    match key.has("measurement") {
        true => key.report(Severity::Warning, format!("{why}; ignored"), meant),
        false => key.report(Severity::Error, why.to_owned(), meant),
    }
}

/// A plugin with a table of measurements.
fn of_table(key: &Section<'_>, section: &Section<'_>, table: &'static Table, context: &Context) -> Option<Plugin> {
    if !table.is_available() {
        key.warning(format!("not available on {}; ignored", host::SYSTEM.name()));
        return None;
    }
    let wanted = measurements::of_table(section, table);
    let (interval, resolution) = rhythm(section, context);
    let plugin = Plugin {
        at: section.at.clone(),
        key: table.key,
        dimensions: source(section, &wanted, table),
        measurements: Measurements::These(wanted.clone()),
        interval,
        resolution: if table.key == "efa" { own_resolution(section, context) } else { resolution },
        options: options(section, table),
    };
    (!wanted.is_empty()).then_some(plugin)
}

/// What volumes of EC2 tell themselves is another plugin than what the kernel counts of disks: neither `host` nor the dimensions of the
/// plugin stand on it, and it is kept by the minute. Each runs only where something of it is asked for.
fn apart(mut disks: Plugin, section: &Section<'_>, context: &Context) -> Vec<Plugin> {
    let Measurements::These(wanted) = &mut disks.measurements else { return vec![disks] };
    let is_told = |field: &str| field.starts_with("ebs_") || field.starts_with("instance_store_");
    if disks.key != "diskio" || !wanted.iter().any(|measurement| is_told(&measurement.field)) {
        return vec![disks];
    }
    let (told, counted): (Vec<_>, Vec<_>) = wanted.drain(..).partition(|measurement| is_told(&measurement.field));
    let volumes = Plugin {
        key: "diskio_nvme",
        measurements: Measurements::These(told),
        resolution: own_resolution(section, context),
        dimensions: SourceDimensions { host: false, append: vec![], ..disks.dimensions.clone() },
        ..disks.clone()
    };
    if counted.is_empty() {
        return vec![volumes];
    }
    disks.measurements = Measurements::These(counted);
    vec![disks, volumes]
}

pub(super) fn options(section: &Section<'_>, table: &Table) -> Options {
    let resources = || listed(&section.child("resources")).filter(|names| !names.iter().any(|name| name == "*"));
    match table.key {
        "cpu" => Options::Cpu {
            each: section.has("resources") && resources().is_none(),
            total: section.child("totalcpu").flag().unwrap_or(true),
        },
        "disk" => Options::Disk {
            mounts: resources(),
            ignored_types: listed(&section.child("ignore_file_system_types")).unwrap_or_default(),
            ignore_pseudo: section.child("ignore_pseudo_file_systems").flag().unwrap_or(false),
            drop_device: section.child("drop_device").flag().unwrap_or(false),
        },
        "nvidia_gpu" => Options::Gpu { uuid: section.child("uuid").flag().unwrap_or(false) },
        "diskio" | "net" => Options::Devices(resources()),
        _ => Options::None,
    }
}

/// How often it is read and how finely that is kept: its own, the agent's, or the default.
pub(super) fn rhythm(section: &Section<'_>, context: &Context) -> (Duration, Resolution) {
    let own = section.child("metrics_collection_interval").unsigned().map(Duration::from_secs);
    let interval = own.unwrap_or(context.interval);
    (interval, context.resolution_for(interval, resolution(section)))
}

/// Where the agent keeps a minute however often it reads.
fn own_resolution(section: &Section<'_>, context: &Context) -> Resolution {
    resolution(section).or(context.resolution).unwrap_or(Resolution::Minute)
}

/// The rules for the dimensions of a plugin of which these are wanted.
pub(super) fn source(section: &Section<'_>, wanted: &[Measurement], table: &Table) -> SourceDimensions {
    let drop_original = measurements::dropped(section, wanted, |field| table.published(field));
    match table.key {
        "disk" => SourceDimensions { drop_original, ..dimensions::carried_by_disk(section) },
        // The agent gives it none.
        "efa" => SourceDimensions { drop_original, host: false, ..dimensions::carried(section) },
        _ => SourceDimensions { drop_original, ..dimensions::carried(section) },
    }
}

fn ethtool(section: &Section<'_>, context: &Context) -> Option<Plugin> {
    if host::SYSTEM != System::Linux {
        section.warning(format!("not available on {}; ignored", host::SYSTEM.name()));
        return None;
    }
    let names = |key: &str| listed(&section.child(key)).unwrap_or_default();
    let include = listed(&section.child("interface_include")).unwrap_or_else(|| vec!["*".to_owned()]);
    Some(Plugin {
        at: section.at.clone(),
        key: "ethtool",
        measurements: Measurements::Everything { prefix: "ethtool_".to_owned() },
        interval: context.interval,
        resolution: own_resolution(section, context),
        dimensions: SourceDimensions {
            // As they are published, or as the driver calls them.
            drop_original: names("drop_original_metrics")
                .into_iter()
                .map(|name| published_by("ethtool_", name))
                .collect(),
            ..dimensions::carried(section)
        },
        options: Options::Ethtool {
            include,
            exclude: names("interface_exclude"),
            statistics: names("metrics_include"),
        },
    })
}

/// The whole name of one that may stand without its prefix.
fn published_by(prefix: &str, name: String) -> String {
    if name.starts_with(prefix) { name } else { format!("{prefix}{name}") }
}

/// An object of Windows' performance counters: its counters are taken as they are called.
fn performance(object: &str, section: &Section<'_>, context: &Context) -> Option<Plugin> {
    let published = |counter: &str| format!("{object} {counter}");
    let wanted = measurements::verbatim(section, published);
    let (interval, resolution) = rhythm(section, context);
    let plugin = Plugin {
        at: section.at.clone(),
        key: "performance",
        dimensions: SourceDimensions {
            drop_original: measurements::dropped(section, &wanted, published),
            ..dimensions::carried(section)
        },
        measurements: Measurements::These(wanted.clone()),
        interval,
        resolution,
        options: Options::Performance { object: object.to_owned(), instances: listed(&section.child("resources")) },
    };
    (!wanted.is_empty()).then_some(plugin)
}
