//! Section `metrics`: what is measured, and what every metric carries.
//!
//! In the publisher's dialect that is one plugin, the thirteen metrics. In the agent's it is what `metrics_collected` names, each key read
//! by [`plugins`]. In both, [`critical`] stats and the targets of [`response_time`] come beside that.
mod collectd;
pub mod critical;
mod dimensions;
mod measurements;
mod names;
pub mod plugins;
mod processes;
mod programs;
mod response_time;
mod statsd;
pub mod unit;

use super::{
    agent,
    dialect::Dialect,
    measurements::Table,
    section::Section,
    settings::metrics::{
        DimensionValue, Global, HostDimension, Measurements, Metrics, Options, Plugin, SourceDimensions,
    },
};
use crate::model::{Resolution, limits::DIMENSIONS};
use std::time::Duration;

/// Of the publisher, where the file does not say otherwise.
const NAMESPACE: &str = "System/Default";
const INTERVAL: u64 = 300;
/// Of the agent.
const AGENT_NAMESPACE: &str = "CWAgent";
const AGENT_INTERVAL: u64 = 60;
/// Seconds between two requests (`force_flush_interval`).
const FLUSH: u64 = 60;
/// Distinct series. A metric costs by the month, and a mistake in a dimension makes thousands.
const MAX_SERIES: u64 = 500;
/// What is read more often than this is high-resolution: <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/publishingMetrics.html>
const MINUTE: Duration = Duration::from_mins(1);

/// The dimensions that each of the thirteen has already.
const OWN: [&str; 2] = ["InstanceId", "Hostname"];

/// What every plugin's reader needs to know of the rest of the file.
struct Context {
    /// `agent.metrics_collection_interval`, or the default.
    interval: Duration,
    /// `metrics.storage_resolution`.
    resolution: Option<Resolution>,
}

/// `None`: nothing is measured.
pub fn read(root: &Section<'_>, dialect: &Dialect, agent_role: Option<&str>) -> Option<Metrics> {
    let (metrics, agent) = (root.child("metrics"), root.child("agent"));
    let default = if dialect.agent { AGENT_INTERVAL } else { INTERVAL };
    let interval = Duration::from_secs(agent.child("metrics_collection_interval").unsigned().unwrap_or(default));
    let context = Context { interval, resolution: resolution(&metrics) };
    let namespace = namespace(&metrics, dialect);
    let max_series = agent.child("max_series").unsigned();
    let max_series = max_series.map_or(MAX_SERIES as usize, |most| usize::try_from(most).unwrap_or(usize::MAX));
    let collectd = collectd::read(&metrics, &context);
    let critical = critical::asked(&metrics);
    let (mut plugins, dimensions, carried) = if dialect.agent {
        let carried = SourceDimensions { host: true, ..SourceDimensions::default() };
        (plugins::read(&metrics, &context), global(&metrics, &agent), carried)
    } else {
        let global = Global { host: HostDimension::Omitted, rollups: rollups(&metrics), ..Global::default() };
        let thirteen = thirteen(&metrics, &context);
        let carried = thirteen.dimensions.clone();
        // Whoever names the stats to watch wants those and not the thirteen.
        (if critical.is_some() { vec![] } else { vec![thirteen] }, global, carried)
    };
    if let Some(stats) = critical {
        plugins.extend(critical::plugins(&metrics, &stats, &context, &carried, &plugins));
    }
    plugins.extend(response_time::read(&metrics.child("response_time"), &context, &carried));
    let goes_to_cloudwatch = destinations(&metrics.child("metrics_destinations"));
    let seconds = |section: Section<'_>, default| Duration::from_secs(section.unsigned().unwrap_or(default));
    let settings = Metrics {
        namespace,
        plugins,
        collectd,
        statsd: statsd::read(&metrics, &agent, &context, max_series).filter(|_| dialect.agent),
        flush: seconds(metrics.child("force_flush_interval"), FLUSH),
        dimensions,
        max_series,
        role_arn: agent::role(&metrics).or_else(|| agent_role.map(str::to_owned)),
    };
    (goes_to_cloudwatch && settings.collects_something()).then_some(settings)
}

/// The thirteen metrics of the publisher.
fn thirteen(metrics: &Section<'_>, context: &Context) -> Plugin {
    let table = Table::find("publisher").expect("a table of ours");
    let mut append = vec![(OWN[0].to_owned(), DimensionValue::Instance), (OWN[1].to_owned(), DimensionValue::Host)];
    append.extend(dimensions::of_the_publisher(&metrics.child("append_dimensions"), &OWN));
    if append.len() > DIMENSIONS {
        let (most, found) = (DIMENSIONS - OWN.len(), append.len() - OWN.len());
        metrics
            .child("append_dimensions")
            .error(format!("at most {most} fit beside the two that each metric has, found {found}"));
    }
    Plugin {
        at: "metrics".to_owned(),
        key: table.key,
        measurements: Measurements::These(table.fields.iter().map(|field| measurements::whole(table, field)).collect()),
        interval: context.interval,
        resolution: context.resolution_for(context.interval, None),
        dimensions: SourceDimensions { append, ..SourceDimensions::default() },
        options: Options::None,
    }
}

impl Context {
    /// How finely what is read so often is kept, where a plugin says so itself or nobody does.
    fn resolution_for(&self, interval: Duration, own: Option<Resolution>) -> Resolution {
        own.or(self.resolution).unwrap_or(if interval < MINUTE { Resolution::Second } else { Resolution::Minute })
    }
}

/// Over how long a listener's values are brought together (`metrics_aggregation_interval`), a minute as with the agent; zero: not at all.
fn aggregation(section: &Section<'_>) -> Duration {
    section.child("metrics_aggregation_interval").unsigned().map_or(MINUTE, Duration::from_secs)
}

/// `storage_resolution` of a section.
fn resolution(section: &Section<'_>) -> Option<Resolution> {
    let section = section.child("storage_resolution");
    match section.int()? {
        1 => Some(Resolution::Second),
        60 => Some(Resolution::Minute),
        // It was reported as that.
        other if !(1..=60).contains(&other) => None,
        _ => {
            section.error("CloudWatch keeps metrics at a resolution of 1 or 60 seconds");
            None
        }
    }
}

/// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricData.html>: ASCII, and names that begin with `AWS/` are
/// those of the services.
fn namespace(metrics: &Section<'_>, dialect: &Dialect) -> String {
    let section = metrics.child("namespace");
    let named = section.text();
    if let Some(name) = named
        && names::check(&section, names::NAMESPACE, name)
        && name.starts_with("AWS/")
    {
        section.warning(
            "namespaces that begin with `AWS/` are those of AWS's own services, and CloudWatch may refuse the metrics",
        );
    }
    named.unwrap_or(if dialect.agent { AGENT_NAMESPACE } else { NAMESPACE }).to_owned()
}

/// What is done with every metric of the agent's dialect.
fn global(metrics: &Section<'_>, agent: &Section<'_>) -> Global {
    let named = agent.child("hostname").text().filter(|name| !name.is_empty());
    let host = match (agent.child("omit_hostname").flag(), named) {
        (Some(true), _) => HostDimension::Omitted,
        (_, Some(name)) => HostDimension::Named(name.to_owned()),
        (_, None) => HostDimension::System,
    };
    Global {
        host,
        append: dimensions::global(&metrics.child("append_dimensions")),
        extra: dimensions::literal(&metrics.child("extra_dimensions")),
        rollups: rollups(metrics),
    }
}

/// Each list as a sorted set, equal ones once.
fn rollups(metrics: &Section<'_>) -> Vec<Vec<String>> {
    let mut rollups: Vec<Vec<String>> = vec![];
    for list in metrics.child("aggregation_dimensions").items() {
        let mut names: Vec<String> = list.items().iter().filter_map(|name| name.text().map(str::to_owned)).collect();
        names.sort();
        names.dedup();
        if !rollups.contains(&names) {
            rollups.push(names);
        }
    }
    rollups
}

/// Whether CloudWatch is among the destinations, which is the one that this program has.
fn destinations(section: &Section<'_>) -> bool {
    const WHY: &str = "not available: this program does not send to Amazon Managed Service for Prometheus";
    let amp = section.child("amp");
    let is_wanted = !amp.exists() || section.has("cloudwatch");
    if amp.exists() && is_wanted {
        amp.warning(format!("{WHY}; ignored"));
    } else if amp.exists() {
        amp.warning(format!("{WHY}, and no other destination is named: no metric is sent; add \"cloudwatch\": {{}}"));
    }
    is_wanted
}
