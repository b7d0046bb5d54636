//! From lists of values to points: what each series is called, and which values of it leave together.
//!
//! A series is remembered from its first value on, so that its name and dimensions are made once. Its values wait until the end of
//! the aggregation interval, where there is one, and then leave as one point with each value and how often it came; what comes late
//! leaves as a second one, which CloudWatch joins to the first. Values below zero are kept like all others.
//!
//! Senders name their series, so what is remembered is bounded: of [`SERIES`] and more each value leaves at once and by itself. Only
//! `rates` need the memory.
use super::{
    fault::Fault,
    packet::Values as Sent,
    rates::{self, Last, Rate},
    types::{ONLY, Source, Types},
};
use crate::{
    model::{
        Dimension, Point, Points, Resolution, Timestamp, Unit, Values,
        limits::{self, AHEAD, DIMENSION_VALUE, NAME, OLDEST, VALUES},
    },
    telemetry::counters,
};
use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

/// Series that are remembered, each with as many sources as its type has: a few MiB at most.
pub(super) const SERIES: usize = 10_000;
/// One that was silent for so long is forgotten; most senders speak each ten seconds.
const SILENT: Duration = Duration::from_hours(1);
/// Values of a type that nobody knows; the largest of collectd's own has ten.
const MOST_UNKNOWN: usize = 32;
/// Unknown types that the own log names one by one.
const TOLD: usize = 50;

/// What identifies a series, as it was sent.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Identity<'a> {
    pub host: &'a [u8],
    pub plugin: &'a [u8],
    pub plugin_instance: &'a [u8],
    pub kind: &'a [u8],
    pub type_instance: &'a [u8],
}

/// Values that were measured together.
#[derive(Clone, Copy, Debug)]
pub(super) struct List<'a> {
    pub of: Identity<'a>,
    /// Since 1970; zero where the sender did not say it.
    pub at: Duration,
    /// How often they are measured; zero where the sender did not say it.
    pub every: Duration,
    pub values: Sent<'a>,
}

/// How values become points.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    pub prefix: String,
    /// Zero: each value leaves by itself.
    pub aggregation: Duration,
    pub rates: bool,
    pub resolution: Resolution,
}

/// Every series that was heard of lately.
pub(super) struct Series {
    rules: Rules,
    types: Types,
    known: HashMap<Box<[u8]>, Known>,
    /// The key that is looked for.
    key: Vec<u8>,
    told: HashSet<String>,
}

/// One series.
struct Known {
    dimensions: Arc<[Dimension]>,
    lines: Box<[Line]>,
    heard: Timestamp,
    is_unknown: bool,
}

/// One source of a series.
struct Line {
    name: Box<str>,
    may_fall: bool,
    last: Option<Last>,
    open: Vec<Window>,
}

/// Values of one interval that have not left yet.
struct Window {
    /// Which interval it is.
    number: i64,
    /// When its first value was measured.
    at: Timestamp,
    values: Vec<(f64, f64)>,
}

impl Series {
    pub(super) fn new(rules: Rules) -> Self {
        Self { rules, types: Types::default(), known: HashMap::new(), key: vec![], told: HashSet::new() }
    }

    /// These types hold from now on. What waits leaves under the names that it had.
    pub(super) fn rename(&mut self, types: Types, out: &mut Points) {
        self.close(out);
        self.known.clear();
        self.told.clear();
        self.types = types;
    }

    /// Takes the values that can be taken; `refuse` hears of the others, and how many they are.
    pub(super) fn take(
        &mut self,
        list: &List<'_>,
        now: Timestamp,
        out: &mut Points,
        refuse: &mut dyn FnMut(&Fault, usize),
    ) {
        let count = list.values.len();
        let at = if list.at.is_zero() { now } else { moment(list.at) };
        if list.of.plugin.is_empty() || list.of.kind.is_empty() {
            return refuse(&Fault::Unnamed, count);
        } else if at < now.minus(OLDEST) {
            return refuse(&Fault::TooOld, count);
        } else if at > now.plus(AHEAD) {
            return refuse(&Fault::TooNew, count);
        }
        self.key.clear();
        let Identity { host, plugin, plugin_instance, kind, type_instance } = list.of;
        for name in [host, plugin, plugin_instance, kind, type_instance] {
            self.key.extend_from_slice(name);
            self.key.push(0);
        }
        // Its kind may have another number of sources than it had: then it is made anew, or refused.
        if self.known.get(&*self.key).is_none_or(|known| known.lines.len() != count) {
            match self.make(list) {
                Err(fault) => return refuse(&fault, count),
                Ok(mut new) if !self.has_room(now) => {
                    if self.rules.rates {
                        return refuse(&Fault::TooManySeries, count);
                    }
                    let rules = Rules { aggregation: Duration::ZERO, ..self.rules.clone() };
                    return new.take(&rules, list, at, out, refuse);
                }
                Ok(new) => {
                    if let Some(mut old) = self.known.insert(self.key.as_slice().into(), new) {
                        old.close(&self.rules, out);
                    }
                }
            }
        }
        if let Some(known) = self.known.get_mut(&*self.key) {
            known.heard = now;
            known.take(&self.rules, list, at, out, refuse);
        }
    }

    /// An interval is over: what waits leaves.
    pub(super) fn close(&mut self, out: &mut Points) {
        self.known.values_mut().for_each(|known| known.close(&self.rules, out));
    }

    /// Forgets who was silent for long. What waits has to have left.
    pub(super) fn forget_the_silent(&mut self, now: Timestamp) {
        self.known.retain(|_, known| known.is_waiting() || now.since(known.heard) < SILENT);
    }

    fn has_room(&mut self, now: Timestamp) -> bool {
        if self.known.len() >= SERIES {
            self.forget_the_silent(now);
        }
        self.known.len() < SERIES
    }

    /// A series that was not heard of, with the names that its values have by its type.
    fn make(&mut self, list: &List<'_>) -> Result<Known, Fault> {
        let (kind, found) = (text(list.of.kind), list.values.len());
        let known = self.types.sources(&kind);
        let sources = match &known {
            Some(known) if known.len() != found => {
                return Err(Fault::Sources { kind, known: known.len(), found });
            }
            Some(known) => known.clone(),
            // No type has so many. Each takes memory of its own, and who sends them may be anybody.
            None if found > MOST_UNKNOWN => return Err(Fault::Sources { kind, known: MOST_UNKNOWN, found }),
            None => invented(found),
        };
        if known.is_none() && self.told.len() < TOLD && self.told.insert(kind.clone()) {
            let names: Vec<&str> = sources.iter().map(|source| &*source.name).collect();
            tracing::warn!(
                r#type = kind,
                ?names,
                "nobody knows this type, so its values have the usual names: add the types.db that has it to collectd_typesdb"
            );
        }
        let plugin = text(list.of.plugin);
        let line = |source: Source| Line {
            name: metric_name(&self.rules.prefix, &plugin, &source.name),
            may_fall: source.may_fall,
            last: None,
            open: vec![],
        };
        Ok(Known {
            dimensions: dimensions(&list.of),
            lines: sources.into_iter().map(line).collect(),
            heard: Timestamp::default(),
            is_unknown: known.is_none(),
        })
    }
}

impl Known {
    fn take(
        &mut self,
        rules: &Rules,
        list: &List<'_>,
        at: Timestamp,
        out: &mut Points,
        refuse: &mut dyn FnMut(&Fault, usize),
    ) {
        counters::COLLECTD_UNKNOWN_TYPES.add(if self.is_unknown { list.values.len() as u64 } else { 0 });
        let measured = if list.at.is_zero() { Duration::from_millis(at.as_millis().unsigned_abs()) } else { list.at };
        for (value, line) in list.values.iter().zip(&mut self.lines) {
            let number = match rules.rates {
                true => match rates::rate(&mut line.last, value, measured, list.every, line.may_fall) {
                    Rate::Is(number) => number,
                    Rate::First => continue,
                    Rate::Unknown => {
                        refuse(&Fault::NoRate, 1);
                        continue;
                    }
                },
                false => value.number(),
            };
            if !limits::fits_value(number) {
                refuse(&Fault::NoNumber, 1);
                continue;
            }
            counters::COLLECTD_VALUES.add(1);
            if rules.aggregation.is_zero() {
                out.push(point(&line.name, &self.dimensions, rules, at, Values::One(number)));
            } else if let Some(full) = line.add(number, at, rules.aggregation) {
                out.push(point(&line.name, &self.dimensions, rules, full.at, together(full.values)));
            }
        }
    }

    fn close(&mut self, rules: &Rules, out: &mut Points) {
        for line in &mut self.lines {
            for window in line.open.drain(..) {
                out.push(point(&line.name, &self.dimensions, rules, window.at, together(window.values)));
            }
        }
    }

    fn is_waiting(&self) -> bool {
        self.lines.iter().any(|line| !line.open.is_empty())
    }
}

impl Line {
    /// Adds a value to its interval; what the interval had is given back when nothing more fits into one point, and so is the
    /// oldest one where a sender jumps between too many.
    fn add(&mut self, number: f64, at: Timestamp, aggregation: Duration) -> Option<Window> {
        let length = i64::try_from(aggregation.as_millis()).unwrap_or(i64::MAX).max(1);
        let interval = at.as_millis().div_euclid(length);
        let Some(window) = self.open.iter_mut().find(|window| window.number == interval) else {
            let full = (self.open.len() >= WINDOWS).then(|| self.open.remove(0));
            self.open.push(Window { number: interval, at, values: vec![(number, 1.0)] });
            return full;
        };
        if let Some((_, count)) = window.values.iter_mut().find(|(value, _)| *value == number) {
            *count += 1.0;
            return None;
        }
        if window.values.len() < VALUES {
            window.values.push((number, 1.0));
            return None;
        }
        Some(std::mem::replace(window, Window { number: interval, at, values: vec![(number, 1.0)] }))
    }
}

/// Intervals of one source that are open at once.
const WINDOWS: usize = 4;

fn together(values: Vec<(f64, f64)>) -> Values {
    match values[..] {
        [(value, 1.0)] => Values::One(value),
        _ => Values::Many(values),
    }
}

fn point(name: &str, dimensions: &Arc<[Dimension]>, rules: &Rules, at: Timestamp, value: Values) -> Point {
    let (name, dimensions) = (Cow::Owned(name.to_owned()), dimensions.clone());
    Point { name, value, unit: Unit::None, at, dimensions, resolution: rules.resolution }
}

fn moment(since_1970: Duration) -> Timestamp {
    Timestamp::from_millis(i64::try_from(since_1970.as_millis()).unwrap_or(i64::MAX))
}

/// Names where the type is unknown: nearly all types have one value, which is called like this; else their numbers.
fn invented(count: usize) -> Vec<Source> {
    let source = |name: &str| Source { name: name.into(), may_fall: false };
    match count {
        1 => vec![source(ONLY)],
        _ => (0..count).map(|number| source(&number.to_string())).collect(),
    }
}

/// A metric's name has an end: <https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_MetricDatum.html>
fn metric_name(prefix: &str, plugin: &str, source: &str) -> Box<str> {
    let name = format!("{prefix}{plugin}_{source}");
    name.chars().map(fitting).take(NAME).collect()
}

/// What tells the series from others, as the agent has it.
fn dimensions(of: &Identity<'_>) -> Arc<[Dimension]> {
    let all =
        [("host", of.host), ("instance", of.plugin_instance), ("type", of.kind), ("type_instance", of.type_instance)];
    let all = all.map(|(name, value)| (name, text(value)));
    all.into_iter().filter(|(_, text)| !text.trim().is_empty()).map(|(name, text)| Dimension::new(name, text)).collect()
}

/// What CloudWatch takes of it: ASCII characters, and not too many.
fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).chars().map(fitting).take(DIMENSION_VALUE).collect()
}

fn fitting(c: char) -> char {
    if limits::fits_metric(c) { c } else { '_' }
}
