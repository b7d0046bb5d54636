//! What other programs measure: `metrics_collected.exec` and `metrics_collected.textfile`.
use crate::config::words::words;
use std::time::Duration;

words! {
    /// What is published of what only grows: counters, and sum, count and buckets of histograms and summaries.
    pub enum Counters {
        /// The growth since the reading before, of which CloudWatch's sums make sense.
        Delta = "delta",
        /// The value itself.
        Raw = "raw",
    }
}

/// What becomes of samples in the Prometheus format.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Exposition {
    pub counters: Counters,
    /// Buckets of histograms and quantiles of summaries are published, too.
    pub buckets: bool,
}

/// An item of `exec`: a command whose output is metrics.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Exec {
    pub command: Command,
    pub format: Format,
    /// How long it may run; at most the interval.
    pub timeout: Duration,
    pub exposition: Exposition,
}

/// What is run.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Command {
    /// By the system's shell.
    Shell(String),
    /// A program and its arguments; never empty.
    Program(Vec<String>),
}

words! {
    /// What the command prints.
    pub enum Format {
        /// `NAME=VALUE[:UNIT]`, one on each line.
        Lines = "lines",
        Prometheus = "prometheus",
    }
}

/// `textfile`: files in the Prometheus format, read at each interval.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Textfiles {
    /// Patterns of names, each one that `config::glob` takes.
    pub paths: Vec<String>,
    /// How old each file is, as a metric.
    pub age: bool,
    pub exposition: Exposition,
}
