//! Everything that came since the last time something was published, by series.
//!
//! A series is found by the bytes of its line first: name, tags as they were sent, type. Only what nobody has sent like this in the
//! interval is taken apart, and then belongs to the series of the same name and dimensions. All tables are hashed with keys that
//! nobody outside knows, and end with their interval: what is no longer sent costs nothing.
//!
//! Bounded are the number of series (`max_series`), the bytes of their names, and what they hold ([`held`](super::held)).
use super::{
    complaints::{Complaints, Trouble},
    held::{Members, ROOM, Spread, Sum},
    identity::{Identity, Unnamable},
    protocol::{self, Kind, Line, Number, Sample, Value},
    rules::Rules,
};
use crate::model::limits::fits_value;
use std::{
    collections::{HashMap, hash_map::RandomState},
    hash::BuildHasher,
    mem,
    sync::Arc,
};

/// Bytes of names and dimensions of all series.
const NAMES: usize = 16 << 20;
/// Bytes of the forms in which lines name them. Where there are more, all are forgotten, and learned again.
const FORMS: usize = 16 << 20;

/// One series and what it holds.
#[derive(Debug)]
pub(super) struct Series {
    pub identity: Identity,
    pub held: Held,
}

/// What it holds.
#[derive(Debug)]
pub(super) enum Held {
    Counter(Sum),
    Gauge(f64),
    Set(Members),
    Values(Spread),
}

/// What a form of a name comes to.
#[derive(Clone, Copy)]
enum Form {
    Series(usize),
    Refused(Unnamable),
}

/// All series of an interval.
pub(super) struct Aggregate {
    rules: Arc<Rules>,
    hasher: RandomState,
    forms: HashMap<Box<[u8]>, Form>,
    form_bytes: usize,
    /// By [`Identity::key`].
    known: HashMap<Box<[u8]>, usize>,
    series: Vec<Series>,
    name_bytes: usize,
    room: usize,
    /// The last value of each gauge, where relative ones count from there.
    kept: HashMap<Box<[u8]>, f64>,
    form: Vec<u8>,
}

/// What came in an interval.
pub(super) struct Interval {
    pub series: Vec<Series>,
    forms: HashMap<Box<[u8]>, Form>,
    known: HashMap<Box<[u8]>, usize>,
}

impl Aggregate {
    pub(super) fn new(rules: Arc<Rules>) -> Self {
        Self {
            rules,
            hasher: RandomState::new(),
            forms: HashMap::new(),
            form_bytes: 0,
            known: HashMap::new(),
            series: vec![],
            name_bytes: 0,
            room: ROOM,
            kept: HashMap::new(),
            form: vec![],
        }
    }

    /// Takes all lines of a datagram.
    pub(super) fn add(&mut self, datagram: &[u8], complaints: &mut Complaints) {
        for line in protocol::lines(datagram) {
            if let Err(trouble) = self.add_line(line, complaints) {
                complaints.tell(trouble, 1, line);
            }
        }
    }

    /// What the interval held so far. The next one begins.
    pub(super) fn take(&mut self) -> Interval {
        if self.rules.keep_gauges {
            self.keep_gauges();
        }
        // As many will come again.
        let forms = HashMap::with_capacity_and_hasher(self.forms.len(), self.hasher.clone());
        let known = HashMap::with_capacity_and_hasher(self.known.len(), self.hasher.clone());
        let series = Vec::with_capacity(self.series.len());
        (self.form_bytes, self.name_bytes, self.room) = (0, 0, ROOM);
        Interval {
            series: mem::replace(&mut self.series, series),
            forms: mem::replace(&mut self.forms, forms),
            known: mem::replace(&mut self.known, known),
        }
    }

    /// What stands before a fault counts.
    fn add_line(&mut self, line: &[u8], complaints: &mut Complaints) -> Result<(), Trouble> {
        let mut samples = Line::new(line, self.rules.dialect)?;
        while let Some(sample) = samples.next() {
            let sample = sample?;
            if sample.misrated {
                complaints.tell(Trouble::Misrated, 1, line);
            }
            let addend = self.addend(&sample)?;
            let at = self.find(&samples, sample.kind, line, complaints)?;
            let (room, held) = (&mut self.room, &mut self.series[at].held);
            match (held, addend) {
                (Held::Counter(sum), Addend::Count(number)) => sum.add(number),
                (Held::Gauge(gauge), Addend::Change(by)) => *gauge += by,
                (Held::Gauge(gauge), Addend::Weighted(value, _)) => *gauge = value,
                (Held::Values(values), Addend::Weighted(value, weight)) => {
                    let merged = values.add(value, weight, room);
                    if merged > 0 {
                        complaints.tell(Trouble::Merged, merged, line);
                    }
                }
                (Held::Set(members), Addend::Member(hash)) => {
                    if !members.add(hash, room) {
                        complaints.tell(Trouble::Members, 1, line);
                    }
                }
                // A type makes both, the series and what is added: they belong to each other.
                (Held::Counter(_) | Held::Gauge(_) | Held::Values(_) | Held::Set(_), _) => {}
            }
        }
        Ok(())
    }

    /// What a sample adds, where CloudWatch can have it.
    fn addend(&self, sample: &Sample<'_>) -> Result<Addend, Trouble> {
        let (number, relative) = match sample.value {
            Value::Member(member) => return Ok(Addend::Member(self.hasher.hash_one(member))),
            Value::Number { number, relative } => (number, relative),
        };
        let value = number.as_f64();
        let addend = match sample.kind {
            Kind::Counter => return self.counted(number, sample.rate).map(Addend::Count).ok_or(Trouble::Value),
            _ if relative => Addend::Change(value),
            // Of a gauge no rate says anything.
            Kind::Gauge => Addend::Weighted(value, 1.0),
            Kind::Timing | Kind::Histogram | Kind::Distribution | Kind::Set => {
                Addend::Weighted(value, 1.0 / sample.rate)
            }
        };
        match addend {
            Addend::Weighted(_, weight) if !fits_value(weight) => Err(Trouble::Value),
            addend if fits_value(value) => Ok(addend),
            _ => Err(Trouble::Value),
        }
    }

    /// How many events a counter's value stands for. Like the agent, unless `float_counters` is set, without fractions: first of
    /// the value, then of what it comes to by its rate.
    fn counted(&self, number: Number, rate: f64) -> Option<Number> {
        let exact = self.rules.float_counters;
        let number = if exact { number } else { whole(number)? };
        #[allow(clippy::float_cmp)] // no rate, or the rate that is none
        if rate == 1.0 {
            return fits_value(number.as_f64()).then_some(number);
        }
        let number = Number::Float(number.as_f64() / rate);
        if exact { fits_value(number.as_f64()).then_some(number) } else { whole(number) }
    }

    /// Where the series of a line is. It is made when it is not there.
    fn find(
        &mut self,
        line: &Line<'_>,
        kind: Kind,
        text: &[u8],
        complaints: &mut Complaints,
    ) -> Result<usize, Trouble> {
        self.form.clear();
        self.form.push(kind as u8);
        self.form.extend_from_slice(line.name);
        if !line.tags.is_empty() {
            // In no line.
            self.form.push(b'\n');
            self.form.extend_from_slice(&line.tags);
        }
        match self.forms.get(self.form.as_slice()) {
            Some(Form::Series(at)) => return Ok(*at),
            Some(Form::Refused(why)) => return Err((*why).into()),
            None => {}
        }
        let found = match Identity::new(&self.rules, line.name, &line.tags, kind) {
            Ok(identity) => Form::Series(self.place(identity, kind, text, complaints)?),
            Err(why) => Form::Refused(why),
        };
        if self.form_bytes + self.form.len() > FORMS || self.forms.len() > self.rules.max_series.saturating_mul(4) {
            self.forms.clear();
            self.form_bytes = 0;
        }
        self.form_bytes += self.form.len();
        self.forms.insert(self.form.as_slice().into(), found);
        match found {
            Form::Series(at) => Ok(at),
            Form::Refused(why) => Err(why.into()),
        }
    }

    /// The place of a series that is perhaps known in another form.
    fn place(
        &mut self,
        identity: Identity,
        kind: Kind,
        text: &[u8],
        complaints: &mut Complaints,
    ) -> Result<usize, Trouble> {
        let key = identity.key(kind);
        if let Some(at) = self.known.get(key.as_slice()) {
            return Ok(*at);
        }
        let at = self.series.len();
        // Its name and dimensions are there as key and as text.
        if at >= self.rules.max_series || self.name_bytes + 2 * key.len() > NAMES {
            return Err(Trouble::Series);
        }
        if identity.mended {
            complaints.tell(Trouble::Mended, 1, text);
        }
        if identity.cut {
            complaints.tell(Trouble::Dimensions, 1, text);
        }
        let held = match kind {
            Kind::Counter => Held::Counter(Sum::default()),
            Kind::Gauge => Held::Gauge(self.kept.get(key.as_slice()).copied().unwrap_or_default()),
            Kind::Set => Held::Set(Members::default()),
            Kind::Timing | Kind::Histogram | Kind::Distribution => Held::Values(Spread::default()),
        };
        self.name_bytes += 2 * key.len();
        self.series.push(Series { identity, held });
        self.known.insert(key.into(), at);
        Ok(at)
    }

    /// Remember the gauges of this interval; of the others as many as there may be series.
    fn keep_gauges(&mut self) {
        let gauges = self.known.iter().filter_map(|(key, at)| match self.series[*at].held {
            Held::Gauge(value) => Some((key, value)),
            Held::Counter(_) | Held::Set(_) | Held::Values(_) => None,
        });
        let now: Vec<_> = gauges.collect();
        if self.kept.len() + now.len() > self.rules.max_series {
            self.kept.clear();
        }
        for (key, value) in now {
            match self.kept.get_mut(key) {
                Some(kept) => *kept = value,
                None => drop(self.kept.insert(key.clone(), value)),
            }
        }
    }
}

impl Interval {
    /// Pieces of what was needed to find the series, each to be dropped by itself: all at once takes long where there are many.
    pub(super) fn leftovers(&mut self) -> impl Iterator<Item = Box<[u8]>> + use<> {
        mem::take(&mut self.forms).into_keys().chain(mem::take(&mut self.known).into_keys())
    }
}

/// What a sample adds to its series.
enum Addend {
    Count(Number),
    Change(f64),
    Weighted(f64, f64),
    Member(u64),
}

/// Without its fraction; `None`: there is no whole number as large.
fn whole(number: Number) -> Option<Number> {
    /// 2^63, the first one that is too large.
    const BEYOND: f64 = 9_223_372_036_854_775_808.0;
    match number {
        Number::Whole(_) => Some(number),
        #[allow(clippy::cast_possible_truncation)] // that is what it is for
        Number::Float(float) => (float.abs() < BEYOND).then_some(Number::Whole(float as i64)),
    }
}

#[cfg(test)]
mod tests;
