//! Dimensions that the configuration adds.
use super::names;
use crate::config::{
    file::Entry,
    section::Section,
    settings::metrics::{AwsValue, DimensionValue, SourceDimensions},
};

/// One dimension as it is written.
struct Pair<'a> {
    name: &'a str,
    text: &'a str,
    key: Section<'a>,
    value: Section<'a>,
}

/// What every source of metrics may say of its dimensions: `omit_hostname`, `append_dimensions`, `only_dimensions`.
pub(super) fn carried(section: &Section<'_>) -> SourceDimensions {
    carrying(section, of_a_plugin(&section.child("append_dimensions")))
}

/// The same of the plugin `disk`, which may carry its volume too.
pub(super) fn carried_by_disk(section: &Section<'_>) -> SourceDimensions {
    let drop_device = section.child("drop_device").flag().unwrap_or(false);
    carrying(section, of_disk(&section.child("append_dimensions"), drop_device))
}

fn carrying(section: &Section<'_>, append: Vec<(String, DimensionValue)>) -> SourceDimensions {
    SourceDimensions {
        host: !section.child("omit_hostname").flag().unwrap_or(false),
        append,
        only: listed(&section.child("only_dimensions")).map(|names| names.into_iter().collect()),
        ..SourceDimensions::default()
    }
}

/// The texts of a list. `None`: there is no list.
pub(super) fn listed(section: &Section<'_>) -> Option<Vec<String>> {
    section.exists().then(|| section.items().iter().filter_map(|item| item.text().map(str::to_owned)).collect())
}

/// `metrics.append_dimensions` of the publisher: literal pairs beside those that each metric has (`own`).
pub(super) fn of_the_publisher(section: &Section<'_>, own: &[&str]) -> Vec<(String, DimensionValue)> {
    let mut taken = vec![];
    for pair in pairs(section) {
        if own.contains(&pair.name) {
            pair.key.warning("each metric has a dimension of this name already; ignored");
        } else if pair.fits() {
            taken.push((pair.name.to_owned(), aws_or_literal(pair.text)));
        }
    }
    taken
}

/// `metrics.append_dimensions` of the agent, which takes four pairs and ignores what else stands there. `None`: no such key.
pub(super) fn global(section: &Section<'_>) -> Option<Vec<(String, AwsValue)>> {
    if !section.exists() {
        return None;
    }
    let mut taken = vec![];
    for pair in pairs(section) {
        match AwsValue::asked_by(pair.text).filter(|asked| asked.name() == pair.name) {
            Some(asked) => taken.push((pair.name.to_owned(), asked)),
            None => pair.key.warning(
                "is not one of the four pairs that this key takes, like \"InstanceId\": \"${aws:InstanceId}\"; \
                 ignored, as by the agent. Dimensions of your own go into metrics.extra_dimensions",
            ),
        }
    }
    Some(taken)
}

/// `append_dimensions` of a plugin.
fn of_a_plugin(section: &Section<'_>) -> Vec<(String, DimensionValue)> {
    let mut taken = vec![];
    for pair in pairs(section) {
        taken.extend(of_a_pair(&pair).map(|value| (pair.name.to_owned(), value)));
    }
    taken
}

/// The same of disk, which has one pair more: its devices lie on volumes. With `drop_device` nobody knows on which.
fn of_disk(section: &Section<'_>, drop_device: bool) -> Vec<(String, DimensionValue)> {
    let mut taken = vec![];
    for pair in pairs(section) {
        let value = match (pair.name, pair.text) {
            ("VolumeId", "${aws:VolumeId}") if drop_device => {
                pair.value.warning("needs the dimension device, which drop_device leaves out; ignored");
                None
            }
            ("VolumeId", "${aws:VolumeId}") => Some(DimensionValue::Volume),
            _ => of_a_pair(&pair),
        };
        taken.extend(value.map(|value| (pair.name.to_owned(), value)));
    }
    taken
}

fn of_a_pair(pair: &Pair<'_>) -> Option<DimensionValue> {
    if matches!(pair.name, "aws:StorageResolution" | "aws:AggregationInterval") {
        pair.key.warning("this name is reserved; ignored, as by the agent");
    } else if pair.text.contains("${aws:") && AwsValue::asked_by(pair.text).is_none() {
        pair.value.warning(
            "the values that are known are ${aws:InstanceId}, ${aws:ImageId}, ${aws:InstanceType} and \
             ${aws:AutoScalingGroupName}, each alone; ignored, as by the agent",
        );
    } else if pair.fits() {
        return Some(aws_or_literal(pair.text));
    }
    None
}

/// Pairs that are meant as they stand.
pub(super) fn literal(section: &Section<'_>) -> Vec<(String, String)> {
    let fitting = pairs(section).into_iter().filter(Pair::fits);
    fitting.map(|pair| (pair.name.to_owned(), pair.text.to_owned())).collect()
}

fn aws_or_literal(text: &str) -> DimensionValue {
    AwsValue::asked_by(text).map_or_else(|| DimensionValue::Literal(text.to_owned()), DimensionValue::Aws)
}

fn pairs<'a>(section: &Section<'a>) -> Vec<Pair<'a>> {
    let pair = |entry: &'a Entry| {
        let (key, value) = (section.key(entry), section.value(entry));
        Some(Pair { name: &entry.key, text: value.text()?, key, value })
    };
    section.entries().iter().filter_map(pair).collect()
}

impl Pair<'_> {
    /// Whether CloudWatch takes it: <https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_Dimension.html>
    fn fits(&self) -> bool {
        let Self { name, text, value, .. } = self;
        if text.is_empty() {
            // It was reported as that.
        } else if name.is_empty() || text.trim().is_empty() {
            value.error("neither name nor value of a dimension may be empty");
        } else {
            return names::check(value, names::DIMENSION, name) && names::is_ascii(value, names::DIMENSION, text);
        }
        false
    }
}
