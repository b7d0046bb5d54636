//! Polled host metrics: one file for each key of [`COLLECTORS`].
//!
//! A collector reads the host when asked and offers what it has to [`Readings`], by the names of its table in `config::measurements`; it
//! keeps its options and what it needs of the reading before, nothing else. What is published, under which name and as what growth, belongs
//! to [`readings`]; dimensions of all metrics to `pipeline::metrics`; time, tasks and what happens when the pipeline is full to
//! [`scheduler`]; how the host is read to `platform`.
//!
//! To add one, write `foo.rs` with its `ENTRY` and list it in [`COLLECTORS`] in the order of the keys; the tests below then check it.
mod adopted;
pub mod collectd;
mod cpu;
mod disk;
mod diskio;
mod diskio_nvme;
mod efa;
mod ethtool;
pub mod exec;
mod exposition;
mod mem;
mod names;
mod net;
mod netstat;
mod nvidia_gpu;
mod os;
mod performance;
mod presence;
pub mod probe;
mod processes;
mod procstat;
mod publisher;
mod raspberry_pi;
mod rates;
mod readings;
mod rounds;
pub mod scheduler;
pub mod statsd;
mod storage_health;
mod swap;
mod textfile;
mod thermal;
#[cfg(test)]
mod trial;

pub use readings::{Readings, Tagged};
pub use rounds::Rounds;

use crate::{
    config::settings::metrics::Plugin,
    model::{Points, Timestamp},
};
use readings::Wanted;
use std::{
    io,
    time::{Duration, Instant},
};

/// Every collector there is, sorted by key.
pub static COLLECTORS: &[Entry] = &[
    cpu::ENTRY,
    disk::ENTRY,
    diskio::ENTRY,
    diskio_nvme::ENTRY,
    efa::ENTRY,
    ethtool::ENTRY,
    mem::ENTRY,
    net::ENTRY,
    netstat::ENTRY,
    nvidia_gpu::ENTRY,
    os::ENTRY,
    performance::ENTRY,
    processes::ENTRY,
    procstat::ENTRY,
    publisher::ENTRY,
    raspberry_pi::ENTRY,
    storage_health::ENTRY,
    swap::ENTRY,
    textfile::ENTRY,
    thermal::ENTRY,
];

/// When a reading is made, on both clocks: `wall` dates points, `monotonic` measures what passed between two readings.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    pub wall: Timestamp,
    pub monotonic: Instant,
}

/// Reads one kind of host metric. May block: the scheduler calls it on the blocking pool, one call at a time.
pub trait Collector: Send {
    /// Offer what the host shows now. What was offered before an error is kept.
    fn collect(&mut self, out: &mut Readings<'_>) -> Result<(), CollectError>;
}

/// One line of the registry.
#[derive(Debug)]
pub struct Entry {
    /// The key of its table of measurements (`config::measurements`), or of its plugin where it takes whatever it finds.
    pub key: &'static str,
    build: fn(&Plugin) -> Box<dyn Collector>,
}

impl Entry {
    /// The entry of this key.
    pub fn find(key: &str) -> Option<&'static Self> {
        COLLECTORS.iter().find(|e| e.key == key)
    }

    /// Make the collector of a plugin, the source of this number, ready to run. Reads nothing yet.
    pub fn build(&self, plugin: &Plugin, number: usize) -> Source {
        tracing::info!(collector = self.key, at = plugin.at, "collecting");
        let reader = Reader { collector: (self.build)(plugin), wanted: Wanted::of(plugin) };
        Source { key: self.key, number, interval: plugin.interval, reader: Some(reader) }
    }
}

/// A collector with what is wanted of it.
pub struct Source {
    pub key: &'static str,
    /// Its number among all sources of metrics, under which its rules for dimensions stand.
    pub number: usize,
    pub interval: Duration,
    /// `None` while it reads.
    reader: Option<Reader>,
}

/// What is handed to the thread that reads.
struct Reader {
    collector: Box<dyn Collector>,
    wanted: Wanted,
}

impl Reader {
    /// One reading. What was read before an error is kept.
    fn read(&mut self, now: Moment) -> (Points, Result<(), CollectError>) {
        let mut points = Points::new();
        let result = self.collector.collect(&mut self.wanted.begin(now, &mut points));
        if result.is_ok() {
            self.wanted.forget_the_gone();
        }
        (points, result)
    }
}

/// Why a reading is not whole.
#[derive(Debug, thiserror::Error)]
pub enum CollectError {
    #[error("could not read {what}")]
    Read { what: &'static str, source: io::Error },
}

impl CollectError {
    /// For `map_err`: what was read.
    fn read(what: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Read { what, source }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{
        measurements::Table,
        settings::metrics::{Expression, Measurement, Measurements, Options, ProcessSelector, SourceDimensions},
    };
    use crate::model::{Resolution, Timestamp};
    use crate::platform::{
        host::{self, System},
        procfs,
    };

    #[test]
    fn keys_are_sorted_and_unique() {
        assert!(COLLECTORS.is_sorted_by(|a, b| a.key < b.key));
        assert!(COLLECTORS.iter().all(|e| Entry::find(e.key).is_some()));
    }

    #[test]
    fn what_every_plugin_with_a_table_offers_stands_in_its_table() {
        for entry in COLLECTORS.iter().filter(|entry| Table::find(entry.key).is_some_and(Table::is_available)) {
            let plugin = whole(entry.key);
            let mut source = entry.build(&plugin, 0);
            let reader = source.reader.as_mut().expect("at rest");
            let now = Moment { wall: Timestamp::now(), monotonic: Instant::now() };
            let result = reader.read(now).1;
            match entry.key {
                "processes" if hides_processes() => _ = result.expect_err("they cannot be counted"),
                key => result.expect(key),
            }
        }
    }

    /// Whether the host of these tests shows their user its own processes only.
    fn hides_processes() -> bool {
        host::SYSTEM == System::Linux && procfs::shows_others(procfs::proc()).is_err()
    }

    /// What a plugin cannot do without: some processes.
    fn options(key: &str) -> Options {
        let regex = regex::bytes::Regex::new(".").expect("a pattern");
        match key {
            "procstat" => {
                let by = ProcessSelector::Pattern(Expression { text: ".".to_owned(), regex });
                Options::Procstat { by, name: None }
            }
            _ => Options::None,
        }
    }

    /// A plugin of which everything is wanted.
    pub(super) fn whole(key: &'static str) -> Plugin {
        let table = Table::find(key).expect("a table");
        let measurement = |field: &crate::config::measurements::Field| Measurement {
            field: field.name.into(),
            name: table.published(field.name),
            unit: field.unit,
            scale: 1.0,
            is_delta: field.kind == crate::config::measurements::Kind::Delta,
        };
        Plugin {
            at: key.to_owned(),
            key,
            measurements: Measurements::These(table.fields.iter().map(measurement).collect()),
            interval: Duration::from_secs(60),
            resolution: Resolution::Minute,
            dimensions: SourceDimensions::default(),
            options: options(key),
        }
    }
}
