//! Section `metrics`, as it runs.
use super::{
    Statsd,
    collectd::Collectd,
    exposition::{Exec, Textfiles},
    probe::Target,
};
use crate::model::{Resolution, Unit};
use regex::bytes::Regex;
use std::{collections::BTreeSet, sync::Arc, time::Duration};

/// Everything that is measured, and what holds for all of it.
#[derive(Clone, Debug)]
pub struct Metrics {
    pub namespace: String,
    /// What is read at intervals. The thirteen metrics of the publisher are a plugin as the others.
    pub plugins: Vec<Plugin>,
    /// What is received and not read: sources behind the plugins.
    pub collectd: Option<Collectd>,
    pub statsd: Option<Statsd>,
    /// How often what was collected is sent (`metrics.force_flush_interval`).
    pub flush: Duration,
    pub dimensions: Global,
    /// Distinct series that are sent; further ones are refused (`agent.max_series`).
    pub max_series: usize,
    /// `metrics.credentials.role_arn`, else the agent's.
    pub role_arn: Option<String>,
}

impl Metrics {
    /// Everything that gives metrics, in the order of its numbers: the plugins, then what is received.
    pub fn sources(&self) -> impl Iterator<Item = Source<'_>> {
        let plugins = self.plugins.iter().map(|plugin| Source {
            at: &plugin.at,
            dimensions: &plugin.dimensions,
            interval: plugin.interval,
        });
        let received = self.collectd.iter().map(|received| Source {
            at: &received.at,
            dimensions: &received.dimensions,
            interval: received.interval(),
        });
        let statsd = self.statsd.iter().map(|received| Source {
            at: &received.at,
            dimensions: &received.dimensions,
            interval: received.interval,
        });
        plugins.chain(received).chain(statsd)
    }

    /// Whether anything is measured at all.
    pub fn collects_something(&self) -> bool {
        !self.plugins.is_empty() || self.collectd.is_some() || self.statsd.is_some()
    }
}

/// What everybody has to know of something that gives metrics.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// Its JSON path.
    pub at: &'a str,
    pub dimensions: &'a SourceDimensions,
    /// How often it gives values of one series.
    pub interval: Duration,
}

/// What is done with the dimensions of every metric, last of all.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Global {
    pub host: HostDimension,
    /// `metrics.append_dimensions`: names and where their values come from. `None`: the key is not there. Where it is, no metric has a
    /// dimension `host`.
    pub append: Option<Vec<(String, AwsValue)>>,
    /// `metrics.extra_dimensions`: literal pairs on every metric.
    pub extra: Vec<(String, String)>,
    /// `metrics.aggregation_dimensions`: each a sorted list of names without duplicates.
    pub rollups: Vec<Vec<String>>,
}

/// The value of the dimension `host`.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum HostDimension {
    /// The name that the system has.
    #[default]
    System,
    /// `agent.hostname`.
    Named(String),
    /// `agent.omit_hostname`.
    Omitted,
}

/// What only EC2 knows: `${aws:...}`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum AwsValue {
    InstanceId,
    ImageId,
    InstanceType,
    AutoScalingGroupName,
}

impl AwsValue {
    /// The name behind `aws:`, which is that of the dimension too.
    pub const fn name(self) -> &'static str {
        match self {
            Self::InstanceId => "InstanceId",
            Self::ImageId => "ImageId",
            Self::InstanceType => "InstanceType",
            Self::AutoScalingGroupName => "AutoScalingGroupName",
        }
    }

    /// The value that this text asks for, `${aws:InstanceId}` for example.
    pub fn asked_by(text: &str) -> Option<Self> {
        const ALL: [AwsValue; 4] =
            [AwsValue::InstanceId, AwsValue::ImageId, AwsValue::InstanceType, AwsValue::AutoScalingGroupName];
        let name = text.strip_prefix("${aws:")?.strip_suffix('}')?;
        ALL.into_iter().find(|value| value.name() == name)
    }
}

/// The value of a dimension that a source adds.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum DimensionValue {
    Literal(String),
    Aws(AwsValue),
    /// `${aws:VolumeId}`: the volume of Amazon EBS on which what the dimension `device` names lies.
    Volume,
    /// The id of this machine: the publisher's `InstanceId`.
    Instance,
    /// Its host name: the publisher's `Hostname`.
    Host,
}

/// What becomes of the dimensions of one source, before what is done with all.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct SourceDimensions {
    /// Whether it carries `host`, where that is not left out for all.
    pub host: bool,
    /// Added where the source has none of this name.
    pub append: Vec<(String, DimensionValue)>,
    /// `only_dimensions`: exactly these are sent, of all that there would be.
    pub only: Option<BTreeSet<String>>,
    /// Published names of which only the rollups are sent (`drop_original_metrics`).
    pub drop_original: BTreeSet<String>,
}

/// Something that is read at intervals: one key of `metrics.metrics_collected`, or one item of a list there.
#[derive(Clone, Debug)]
pub struct Plugin {
    /// Its JSON path.
    pub at: String,
    /// Its key in the table of measurements and among the collectors.
    pub key: &'static str,
    pub measurements: Measurements,
    pub interval: Duration,
    pub resolution: Resolution,
    pub dimensions: SourceDimensions,
    pub options: Options,
}

/// What of a plugin is published.
#[derive(Clone, Debug)]
pub enum Measurements {
    /// These.
    These(Vec<Measurement>),
    /// Whatever it finds, under this prefix.
    Everything { prefix: String },
}

impl Measurements {
    /// What stands before each name that the plugin finds.
    pub fn prefix(&self) -> &str {
        match self {
            Self::Everything { prefix } => prefix,
            Self::These(_) => "",
        }
    }
}

/// One measurement that was asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Measurement {
    /// Its name in the table, or the counter's own.
    pub field: Arc<str>,
    /// The name under which it is sent.
    pub name: String,
    pub unit: Unit,
    /// What each value is multiplied with, so that it fits the unit.
    pub scale: f64,
    /// Whether the growth since the reading before is published.
    pub is_delta: bool,
}

/// What only some plugins have.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Options {
    None,
    Cpu {
        /// Each processor, too.
        each: bool,
        /// All together.
        total: bool,
    },
    Disk {
        /// Mount points; `None`: all.
        mounts: Option<Vec<String>>,
        ignored_types: Vec<String>,
        /// Leaves out all types that no disk can run out of: in memory, in the kernel, or images (`ignore_pseudo_file_systems`).
        ignore_pseudo: bool,
        /// Leaves the dimension `device` out.
        drop_device: bool,
    },
    /// Names or shell patterns of devices; `None`: the usual ones.
    Devices(Option<Vec<String>>),
    Procstat {
        by: ProcessSelector,
        /// What stands in the dimension `process_name`; `None`: the name of the program.
        name: Option<String>,
    },
    /// A command, run at each interval.
    Exec(Exec),
    /// Files in the Prometheus format.
    Textfile(Textfiles),
    /// Somebody who is asked for an answer.
    Probe(Target),
    Ethtool {
        include: Vec<String>,
        exclude: Vec<String>,
        /// Statistics of the driver; empty: all.
        statistics: Vec<String>,
    },
    Gpu {
        /// Adds the dimension `uuid`, which stays with the card.
        uuid: bool,
    },
    /// An object of Windows' performance counters.
    Performance {
        object: String,
        /// `None`: the object has no instances, or they are not asked for.
        instances: Option<Vec<String>>,
    },
}

/// How the processes of one item of `procstat` are found. The text is the user's own and stands in a dimension.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ProcessSelector {
    PidFile(String),
    Exe(Expression),
    Pattern(Expression),
    SystemdUnit(String),
}

impl ProcessSelector {
    /// The dimension by which items are told apart.
    pub fn dimension(&self) -> (&'static str, &str) {
        match self {
            Self::PidFile(path) => ("pidfile", path),
            Self::Exe(expression) => ("exe", &expression.text),
            Self::Pattern(expression) => ("pattern", &expression.text),
            Self::SystemdUnit(unit) => ("systemd_unit", unit),
        }
    }
}

/// A pattern as it is written, and compiled.
#[derive(Clone, Debug)]
pub struct Expression {
    pub text: String,
    pub regex: Regex,
}

impl PartialEq for Expression {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Expression {}
