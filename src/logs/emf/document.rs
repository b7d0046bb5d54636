//! One document of the embedded metric format: where it goes, and whether its metric directives hold.
//!
//! Format: <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>.
//! A document that holds travels as it is, byte for byte. What does not hold of one is left out, each part with its reason: a
//! metric, a dimension set, a directive. Only when nothing would be left is the document refused. One without any directive is
//! structured text, and passes. [`split`] writes what travels otherwise.
use super::{
    fault::Fault,
    split::{self, Directive, Metric},
};
use crate::model::{
    LogName, Target, brief,
    limits::{DIMENSION_VALUE, DIMENSIONS, MESSAGE_BYTES, fits_value},
};
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;
use std::{borrow::Cow, collections::HashMap, fmt};

/// The member with the metadata, since version 1 of the format.
pub(super) const AWS: &str = "_aws";
/// The directives: within [`AWS`], in version 0 at the root.
pub(super) const DIRECTIVES: &str = "CloudWatchMetrics";

/// Where documents go that do not say it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Fallback {
    /// `None`: documents without a group are refused.
    pub group: Option<String>,
    pub stream: String,
}

impl Fallback {
    /// Whether this is where documents go that name neither group nor stream.
    pub(super) fn is_target(&self, target: &Target) -> bool {
        self.group.as_ref() == Some(&target.group) && self.stream == target.stream
    }
}

/// A document, or what is left of it.
#[derive(Debug)]
pub(super) struct Accepted<'a> {
    pub group: Cow<'a, str>,
    pub stream: Cow<'a, str>,
    pub texts: Texts<'a>,
    /// What was left out.
    pub faults: Vec<Fault>,
}

/// What travels.
#[derive(Debug, PartialEq)]
pub(super) enum Texts<'a> {
    /// The document as it came.
    Whole(&'a str),
    /// Written anew: in parts, or without what does not hold.
    Parts(Vec<String>),
}

/// Look at one document.
pub(super) fn read<'a>(bytes: &'a [u8], fallback: &'a Fallback) -> Result<Accepted<'a>, Fault> {
    let text = std::str::from_utf8(bytes).map_err(|_| Fault::NotJson("it is not UTF-8".to_owned()))?;
    let root: Members<'_> = serde_json::from_str(text).map_err(|error| not_json(text, &error))?;
    let aws = match root.get(AWS) {
        Some(raw) => Some(parse::<Members<'_>>(raw, AWS)?),
        None => None,
    };
    let named = |members: &Members<'a>, name: &str| members.text(name).filter(|name| !name.is_empty());
    let member =
        |in_aws: &str, at_root: &str| aws.as_ref().and_then(|aws| named(aws, in_aws)).or_else(|| named(&root, at_root));
    let group = member("LogGroupName", "log_group_name").or(fallback.group.as_deref().map(Cow::Borrowed));
    let stream = member("LogStreamName", "log_stream_name").unwrap_or(Cow::Borrowed(&fallback.stream));
    let group = group.ok_or(Fault::NoGroup)?;
    for (what, name) in [(LogName::Group, &group), (LogName::Stream, &stream)] {
        what.check(name).map_err(|_| Fault::Name { what, name: brief(name) })?;
    }
    let in_aws = aws.as_ref().and_then(|aws| aws.get(DIRECTIVES));
    let (texts, faults) = match in_aws.or_else(|| root.get(DIRECTIVES)) {
        None => (Texts::Whole(text), vec![]),
        Some(directives) => {
            let (directives, faults) = directives_of(directives, &root)?;
            let metadata = aws.as_ref().filter(|_| in_aws.is_some());
            (split::texts(text, &root, metadata, &directives, !faults.is_empty())?, faults)
        }
    };
    if matches!(&texts, Texts::Whole(text) if text.len() > MESSAGE_BYTES) {
        return Err(Fault::TooLarge);
    }
    Ok(Accepted { group, stream, texts, faults })
}

/// The members of an object, in their order, with their values as written.
#[derive(Debug)]
pub(super) struct Members<'a> {
    pub list: Vec<(Cow<'a, str>, &'a RawValue)>,
    /// By name; of two with one name the last counts, as for most readers of JSON.
    places: HashMap<Cow<'a, str>, usize>,
}

impl<'a> Members<'a> {
    pub(super) fn get(&self, name: &str) -> Option<&'a RawValue> {
        self.places.get(name).map(|place| self.list[*place].1)
    }

    fn text(&self, name: &str) -> Option<Cow<'a, str>> {
        self.get(name).and_then(|raw| serde_json::from_str::<Borrowed<'_>>(raw.get()).ok()).map(|text| text.0)
    }
}

#[derive(Deserialize)]
struct Borrowed<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let (mut list, mut places) = (vec![], HashMap::new());
                while let Some((Borrowed(name), value)) = map.next_entry::<Borrowed<'de>, &'de RawValue>()? {
                    places.insert(name.clone(), list.len());
                    list.push((name, value));
                }
                Ok(Members { list, places })
            }
        }
        from.deserialize_map(Object)
    }
}

fn parse<'a, T: Deserialize<'a>>(raw: &'a RawValue, what: &'static str) -> Result<T, Fault> {
    serde_json::from_str(raw.get()).map_err(|_| Fault::Form(what))
}

/// Python and JavaScript programs like to write these, and no reader of JSON takes them.
fn not_json(text: &str, error: &serde_json::Error) -> Fault {
    let line = text.lines().nth(error.line().saturating_sub(1)).unwrap_or_default();
    // The column is that of the byte at which the reader gave up: somewhere in the word.
    let mut from = error.column().saturating_sub(10).min(line.len());
    while !line.is_char_boundary(from) {
        from -= 1;
    }
    let mut to = error.column().saturating_add(10).min(line.len());
    while !line.is_char_boundary(to) {
        to -= 1;
    }
    let near = &line[from..to];
    match ["NaN", "Infinity"].into_iter().find(|word| near.contains(word)) {
        Some(word) => Fault::NotANumber(word),
        None => Fault::NotJson(error.to_string()),
    }
}

/// The directives with what holds of each, and what does not. An error: nothing holds.
fn directives_of<'a>(raw: &'a RawValue, root: &Members<'a>) -> Result<(Vec<Directive<'a>>, Vec<Fault>), Fault> {
    let raws: Vec<&RawValue> = parse(raw, DIRECTIVES)?;
    let (mut directives, mut faults) = (vec![], vec![]);
    for raw in &raws {
        match directive(raw, root, &mut faults) {
            Ok(directive) => directives.push(directive),
            Err(fault) => faults.push(fault),
        }
    }
    match faults.first() {
        Some(first) if directives.is_empty() => Err(first.clone()),
        _ => Ok((directives, faults)),
    }
}

fn directive<'a>(raw: &'a RawValue, root: &Members<'a>, faults: &mut Vec<Fault>) -> Result<Directive<'a>, Fault> {
    let members: Members<'a> = parse(raw, DIRECTIVES)?;
    if members.text("Namespace").is_none_or(|namespace| namespace.is_empty()) {
        return Err(Fault::NoNamespace);
    }
    let dimensions = match members.get("Dimensions") {
        Some(raw) => dimension_sets(raw, root, faults)?,
        None => Sets { all: vec![], left_out: false },
    };
    let definitions: Vec<&RawValue> = parse(members.get("Metrics").ok_or(Fault::Form("Metrics"))?, "Metrics")?;
    let (mut metrics, before) = (vec![], faults.len());
    for definition in definitions {
        match metric(definition, root) {
            Ok(metric) => metrics.push(metric),
            Err(fault) => faults.push(fault),
        }
    }
    if metrics.is_empty() && faults.len() > before {
        // The last one stands for the directive.
        return Err(faults.pop().unwrap_or(Fault::Form("Metrics")));
    }
    let Sets { all, left_out } = dimensions;
    Ok(Directive { members, dimensions: all, dimensions_changed: left_out, metrics })
}

struct Sets<'a> {
    all: Vec<Vec<Cow<'a, str>>>,
    left_out: bool,
}

fn dimension_sets<'a>(raw: &'a RawValue, root: &Members<'a>, faults: &mut Vec<Fault>) -> Result<Sets<'a>, Fault> {
    let sets: Vec<Vec<Borrowed<'a>>> = parse(raw, "Dimensions")?;
    let mut good = vec![];
    let mut bad = vec![];
    for set in sets {
        let set: Vec<Cow<'a, str>> = set.into_iter().map(|name| name.0).collect();
        match dimension_set(&set, root) {
            Ok(()) => good.push(set),
            Err(fault) => bad.push(fault),
        }
    }
    // Without its only set a metric would be another metric.
    if good.is_empty()
        && let Some(fault) = bad.pop()
    {
        return Err(fault);
    }
    let left_out = !bad.is_empty();
    faults.append(&mut bad);
    Ok(Sets { all: good, left_out })
}

fn dimension_set(set: &[Cow<'_, str>], root: &Members<'_>) -> Result<(), Fault> {
    if set.len() > DIMENSIONS {
        return Err(Fault::Dimensions { found: set.len() });
    }
    for name in set {
        if root.get(name).is_none() {
            return Err(Fault::NoDimension(brief(name)));
        }
        if root.text(name).is_none_or(|value| value.chars().count() > DIMENSION_VALUE) {
            return Err(Fault::DimensionValue(brief(name)));
        }
    }
    Ok(())
}

fn metric<'a>(definition: &'a RawValue, root: &Members<'a>) -> Result<Metric<'a>, Fault> {
    let members: Members<'a> = parse(definition, "Metrics")?;
    let name = members.text("Name").filter(|name| !name.is_empty()).ok_or(Fault::Form("Metrics"))?;
    let value = root.get(&name).ok_or_else(|| Fault::NoMetric(brief(&name)))?;
    let values = values(value).ok_or_else(|| Fault::MetricValue(brief(&name)))?;
    Ok(Metric { definition, name, values })
}

/// How many values there are, where it is a list. `None`: one is no number that the service takes.
fn values(raw: &RawValue) -> Option<Option<usize>> {
    if raw.get().starts_with('[') {
        let values: Vec<f64> = serde_json::from_str(raw.get()).ok()?;
        return values.iter().all(|value| fits_value(*value)).then_some(Some(values.len()));
    }
    serde_json::from_str::<f64>(raw.get()).ok().filter(|value| fits_value(*value)).map(|_| None)
}

#[cfg(test)]
mod tests;
