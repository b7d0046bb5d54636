//! Writes documents anew: in parts that keep to the limits, or without what does not hold.
//!
//! A directive of more than 100 metrics, or with a metric of more than 100 values, becomes several documents with one directive
//! each: same namespace, dimensions, metadata and properties, and of the metrics' members only its own. Directives that keep to
//! the limits stay together in one. Each metric, and each value of one, is in exactly one part.
use super::{
    document::{AWS, DIRECTIVES, Members, Texts},
    fault::Fault,
};
use crate::model::limits::MESSAGE_BYTES;
use serde_json::value::RawValue;
use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
    ops::Range,
};

/// Metric definitions in one directive, by the specification (see [`super::document`]).
pub(super) const METRICS: usize = 100;
/// Values of one metric in a document (same page).
pub(super) const VALUES: usize = 100;
/// Parts repeat the properties of their document. All of them together take no more than this: a few kilobytes from outside
/// must not become a gigabyte.
const ALL_PARTS: usize = 8 * 1024 * 1024;

/// What holds of one metric directive.
#[derive(Debug)]
pub(super) struct Directive<'a> {
    pub members: Members<'a>,
    pub dimensions: Vec<Vec<Cow<'a, str>>>,
    /// Sets were left out: they are written anew.
    pub dimensions_changed: bool,
    pub metrics: Vec<Metric<'a>>,
}

/// One metric that holds.
#[derive(Debug)]
pub(super) struct Metric<'a> {
    pub definition: &'a RawValue,
    pub name: Cow<'a, str>,
    /// How many values it has, where it has a list.
    pub values: Option<usize>,
}

/// Metrics of one directive in one part, each with its share of values where it has many.
struct Piece<'a, 'd> {
    directive: &'d Directive<'a>,
    metrics: Vec<(&'d Metric<'a>, Option<Range<usize>>)>,
}

/// What travels of the document. `changed`: something does not hold, so that it cannot travel as it is. `metadata` is what
/// stands in `_aws` when the directives are there.
pub(super) fn texts<'a>(
    text: &'a str,
    root: &Members<'a>,
    metadata: Option<&Members<'a>>,
    directives: &[Directive<'a>],
    changed: bool,
) -> Result<Texts<'a>, Fault> {
    let parts = parts(directives);
    if parts.len() <= 1 && !changed {
        return Ok(Texts::Whole(text));
    }
    let all: HashSet<&str> =
        parts.iter().flatten().flat_map(|piece| piece.metrics.iter().map(|(metric, _)| &*metric.name)).collect();
    let (mut written, mut size) = (Vec::with_capacity(parts.len()), 0);
    for part in &parts {
        let text = write(root, metadata, part, &all);
        size += text.len();
        if text.len() > MESSAGE_BYTES || size > ALL_PARTS {
            return Err(Fault::TooLarge);
        }
        written.push(text);
    }
    Ok(Texts::Parts(written))
}

/// Directives that keep to the limits together, then the pieces of each that does not.
fn parts<'a, 'd>(directives: &'d [Directive<'a>]) -> Vec<Vec<Piece<'a, 'd>>> {
    let (mut together, mut alone) = (vec![], vec![]);
    for directive in directives {
        let fits = directive.metrics.len() <= METRICS
            && directive.metrics.iter().all(|metric| metric.values.is_none_or(|count| count <= VALUES));
        if fits {
            let metrics = directive.metrics.iter().map(|metric| (metric, None)).collect();
            together.push(Piece { directive, metrics });
            continue;
        }
        let rounds = directive.metrics.iter().map(|metric| metric.values.unwrap_or(1).div_ceil(VALUES)).max();
        for round in 0..rounds.unwrap_or(1).max(1) {
            let shares: Vec<_> = directive.metrics.iter().filter_map(|metric| share(metric, round)).collect();
            alone.extend(shares.chunks(METRICS).map(|metrics| vec![Piece { directive, metrics: metrics.to_vec() }]));
        }
    }
    let together = (!together.is_empty()).then_some(together);
    together.into_iter().chain(alone).collect()
}

/// What a metric gives to one round of its directive.
fn share<'a, 'd>(metric: &'d Metric<'a>, round: usize) -> Option<(&'d Metric<'a>, Option<Range<usize>>)> {
    match metric.values {
        Some(count) if count > VALUES => {
            let start = round * VALUES;
            (start < count).then(|| (metric, Some(start..count.min(start + VALUES))))
        }
        Some(_) | None => (round == 0).then_some((metric, None)),
    }
}

fn write(root: &Members<'_>, metadata: Option<&Members<'_>>, part: &[Piece<'_, '_>], all: &HashSet<&str>) -> String {
    let mut own: HashMap<&str, Option<&Range<usize>>> = HashMap::new();
    for piece in part {
        own.extend(piece.metrics.iter().map(|(metric, share)| (&*metric.name, share.as_ref())));
    }
    let dimensions: HashSet<&str> =
        part.iter().flat_map(|piece| piece.directive.dimensions.iter().flatten().map(|name| &**name)).collect();
    let directives = format!("[{}]", part.iter().map(directive).collect::<Vec<_>>().join(","));
    let mut members = Vec::with_capacity(root.list.len());
    for (name, value) in &root.list {
        let name = &**name;
        let value: Cow<'_, str> = match metadata {
            Some(metadata) if name == AWS => {
                object(metadata, |name| (name == DIRECTIVES).then(|| directives.clone())).into()
            }
            None if name == DIRECTIVES => directives.as_str().into(),
            Some(_) | None => match own.get(name) {
                Some(Some(share)) => slice(value, (*share).clone()).into(),
                Some(None) => value.get().into(),
                None if all.contains(name) && !dimensions.contains(name) => continue,
                None => value.get().into(),
            },
        };
        members.push(format!("{}:{value}", quoted(name)));
    }
    format!("{{{}}}", members.join(","))
}

fn directive(piece: &Piece<'_, '_>) -> String {
    let metrics: Vec<&str> = piece.metrics.iter().map(|(metric, _)| metric.definition.get()).collect();
    object(&piece.directive.members, |name| match name {
        "Metrics" => Some(format!("[{}]", metrics.join(","))),
        "Dimensions" if piece.directive.dimensions_changed => {
            Some(serde_json::to_string(&piece.directive.dimensions).expect("lists of texts"))
        }
        _ => None,
    })
}

/// An object with some of its values replaced.
fn object(members: &Members<'_>, replaced: impl Fn(&str) -> Option<String>) -> String {
    let member = |(name, value): &(Cow<'_, str>, &RawValue)| {
        let value = replaced(name).map_or(Cow::Borrowed(value.get()), Cow::Owned);
        format!("{}:{value}", quoted(name))
    };
    format!("{{{}}}", members.list.iter().map(member).collect::<Vec<_>>().join(","))
}

/// Some values of a list, as written.
fn slice(list: &RawValue, share: Range<usize>) -> String {
    // It was read as a list of numbers before.
    let values: Vec<&RawValue> = serde_json::from_str(list.get()).unwrap_or_default();
    let share: Vec<&str> = values.get(share).unwrap_or_default().iter().map(|value| value.get()).collect();
    format!("[{}]", share.join(","))
}

fn quoted(name: &str) -> String {
    serde_json::to_string(name).expect("a text")
}
