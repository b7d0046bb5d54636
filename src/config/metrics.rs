//! Section `metrics`: the thirteen metrics of the publisher.
use super::{agent, dialect::Dialect, section::Section, settings::Metrics};
use crate::model::{
    Dimension,
    limits::{self, DIMENSIONS},
};
use std::time::Duration;

/// Of the publisher, where the file does not say otherwise.
const NAMESPACE: &str = "System/Default";
const INTERVAL: u64 = 300;

/// The dimensions that each of the thirteen has already.
const OWN: [&str; 2] = ["InstanceId", "Hostname"];

/// `None`: the file is the agent's, whose own plugins are not run yet.
pub fn read(root: &Section<'_>, dialect: &Dialect, agent_role: Option<&str>) -> Option<Metrics> {
    let metrics = root.child("metrics");
    let append_dimensions = dimensions(&metrics.child("append_dimensions"), dialect);
    if dialect.agent {
        return None;
    }
    Some(Metrics {
        namespace: namespace(&metrics),
        interval: Duration::from_secs(
            root.path(&["agent", "metrics_collection_interval"]).unsigned().unwrap_or(INTERVAL),
        ),
        append_dimensions,
        role_arn: agent::role(&metrics).or_else(|| agent_role.map(str::to_owned)),
    })
}

/// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricData.html>: ASCII, and names that begin with `AWS/` are
/// those of the services.
fn namespace(metrics: &Section<'_>) -> String {
    let section = metrics.child("namespace");
    let named = section.text();
    if let Some(name) = named {
        if name.starts_with(':') {
            section.error("a namespace does not begin with a colon");
        } else if let Some(wrong) = name.chars().find(|c| !limits::fits_metric(*c)) {
            section.error(format!(
                "CloudWatch takes ASCII characters only in a namespace, found `{}`",
                wrong.escape_debug()
            ));
        } else if name.starts_with("AWS/") {
            section.warning("namespaces that begin with `AWS/` are those of AWS's own services, and CloudWatch may refuse the metrics");
        }
    }
    named.unwrap_or(NAMESPACE).to_owned()
}

/// The pairs that are meant literally.
fn dimensions(section: &Section<'_>, dialect: &Dialect) -> Vec<Dimension> {
    let mut dimensions = Vec::new();
    for entry in section.entries() {
        let value = section.value(entry);
        let Some(text) = value.text() else { continue };
        if text.contains("${") {
            value.warning("not yet: values of the form `${...}` are not put in by this version; ignored");
        } else if !dialect.agent && OWN.contains(&entry.key.as_str()) {
            section.key(entry).warning("each metric has a dimension of this name already; ignored");
        } else if text.is_empty() {
            // It was reported as that.
        } else if entry.key.is_empty() || text.trim().is_empty() {
            value.error("neither name nor value of a dimension may be empty");
        } else if let Some(wrong) = entry.key.chars().chain(text.chars()).find(|c| !limits::fits_metric(*c)) {
            value.error(format!(
                "CloudWatch takes ASCII characters only in a dimension, found `{}`",
                wrong.escape_debug()
            ));
        } else {
            dimensions.push(Dimension::new(entry.key.as_str(), text));
        }
    }
    if !dialect.agent && dimensions.len() > DIMENSIONS - OWN.len() {
        let most = DIMENSIONS - OWN.len();
        section.error(format!("at most {most} fit beside the two that each metric has, found {}", dimensions.len()));
    }
    dimensions
}
