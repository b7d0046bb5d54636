//! Objects of Windows' performance counters, each a plugin of its own name: its counters, of each instance that was asked for.
//!
//! Of an object with instances all are read and the chosen ones published, so that what is plugged in later is there. A counter that is
//! not there is said once and looked for again each minute: its program may be installed later. The readings of the scheduler's
//! baseline are the first of the two samples that a rate needs.
use super::{CollectError, Collector, Entry, Readings};
use crate::{
    config::settings::metrics::{Measurements, Options, Plugin},
    platform::performance::{self, CounterError, Counters},
};
use std::{
    io,
    time::{Duration, Instant},
};

pub(super) const ENTRY: Entry = Entry { key: "performance", build };

/// How long a counter that was not there is not looked for.
const AGAIN: Duration = Duration::from_secs(60);

/// Objects that never have instances, whatever is written about them.
const SINGLE: [&str; 4] = ["System", "Memory", "TCPv4", "TCPv6"];

/// The one that sums up the others, and parts of its name in objects that have several.
const TOTAL: &str = "_Total";

/// Names of instances that are shown where none is the right one.
const SHOWN: usize = 8;

type Open = fn() -> Result<Box<dyn Counters>, CounterError>;

struct Performance {
    /// Its JSON path.
    at: String,
    object: String,
    instances: Instances,
    open: Open,
    counters: Option<Box<dyn Counters>>,
    watched: Vec<Watched>,
    looked: Option<Instant>,
    /// Whether it was said that none of the instances that were asked for is there.
    is_empty: bool,
}

/// One measurement.
struct Watched {
    counter: String,
    /// Its number, once it was found.
    number: Option<usize>,
    /// Whether what is wrong with it was said.
    said: bool,
}

/// Which instances are published.
#[derive(Debug, Eq, PartialEq)]
enum Instances {
    /// There are none.
    None,
    /// Those of these names; with `all` every other one, too, that is no total.
    Some { all: bool, named: Vec<String> },
}

impl Instances {
    fn of(object: &str, resources: Option<&[String]>) -> Self {
        match resources {
            Some(resources) if !resources.is_empty() && !SINGLE.contains(&object) => {
                let (all, named) = resources.iter().cloned().partition::<Vec<_>, _>(|name| name == "*");
                Self::Some { all: !all.is_empty(), named }
            }
            _ => Self::None,
        }
    }

    fn take(&self, instance: &str) -> bool {
        match self {
            Self::None => true,
            Self::Some { all, named } => {
                (*all && !instance.contains(TOTAL))
                    || named.iter().any(|name| performance::same_instance(name, instance))
            }
        }
    }
}

fn build(plugin: &Plugin) -> Box<dyn Collector> {
    Box::new(Performance::of(plugin, performance::open))
}

impl Performance {
    fn of(plugin: &Plugin, open: Open) -> Self {
        let (object, resources) = match &plugin.options {
            Options::Performance { object, instances } => (object.clone(), instances.as_deref()),
            // The configuration makes no other of this key.
            _ => (String::new(), None),
        };
        let counters = match &plugin.measurements {
            Measurements::These(these) => these.iter().map(|measurement| measurement.field.to_string()).collect(),
            Measurements::Everything { .. } => vec![],
        };
        let watched = |counter| Watched { counter, number: None, said: false };
        Self {
            at: plugin.at.clone(),
            instances: Instances::of(&object, resources),
            object,
            open,
            counters: None,
            watched: counters.into_iter().map(watched).collect(),
            looked: None,
            is_empty: false,
        }
    }

    /// Begin to watch what is not watched yet.
    fn look(&mut self, now: Instant) -> Result<(), CounterError> {
        if self.looked.is_some_and(|looked| now.saturating_duration_since(looked) < AGAIN) {
            return Ok(());
        }
        let counters = match &mut self.counters {
            Some(counters) => counters,
            none => none.insert((self.open)()?),
        };
        self.looked = Some(now);
        let have_instances = self.instances != Instances::None;
        for watched in self.watched.iter_mut().filter(|watched| watched.number.is_none()) {
            let path = performance::path(&self.object, have_instances, &watched.counter);
            match path.and_then(|path| counters.add(&path)) {
                Ok(number) => {
                    watched.number = Some(number);
                    watched.said = false;
                }
                Err(error) => watched.say(&self.at, &error),
            }
        }
        Ok(())
    }
}

impl Watched {
    /// Once, until it has values.
    fn say(&mut self, at: &str, error: &CounterError) {
        if !self.said {
            let error: &dyn std::error::Error = error;
            tracing::warn!(at, counter = self.counter, error, "a performance counter has no values");
        }
        self.said = true;
    }
}

impl Collector for Performance {
    fn collect(&mut self, out: &mut Readings<'_>) -> Result<(), CollectError> {
        let failed = |error: CounterError| CollectError::Read {
            what: "the performance counters",
            source: io::Error::other(error),
        };
        self.look(out.now().monotonic).map_err(failed)?;
        let Some(counters) = &mut self.counters else { return Ok(()) };
        if self.watched.iter().all(|watched| watched.number.is_none()) {
            return Ok(());
        }
        counters.sample().map_err(failed)?;
        let (mut taken, mut passed_over) = (0, vec![]);
        for watched in &mut self.watched {
            let Some(number) = watched.number else { continue };
            let (object, counter, instances) = (&self.object, &watched.counter, &self.instances);
            let values = counters.values(number, &mut |instance, value| {
                if instances.take(instance) {
                    taken += 1;
                    out.of(&[("instance", instance), ("objectname", object)]).push(counter, value);
                } else if passed_over.len() < SHOWN {
                    passed_over.push(instance.to_owned());
                }
            });
            match values {
                Ok(()) => watched.said = false,
                Err(error) => watched.say(&self.at, &error),
            }
        }
        // Before there are two samples nothing may have a value, and nothing was passed over either.
        let is_empty = taken == 0 && !passed_over.is_empty();
        if is_empty && !self.is_empty {
            let there = passed_over.join(", ");
            tracing::warn!(at = self.at, there, "none of the instances in \"resources\" is there");
        }
        self.is_empty = is_empty;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
