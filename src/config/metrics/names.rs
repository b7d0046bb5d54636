//! What CloudWatch takes as a name: one check for metrics, dimensions and namespaces.
use crate::{config::section::Section, model::limits};

/// What messages call each of them.
pub(super) const METRIC: &str = "the name of a metric";
pub(super) const DIMENSION: &str = "a dimension";
pub(super) const NAMESPACE: &str = "a namespace";

/// Whether CloudWatch takes this text, or the beginning of one, as `what`; else it is an error here.
/// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_MetricDatum.html>,
/// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_Dimension.html>
pub(super) fn check(section: &Section<'_>, what: &str, text: &str) -> bool {
    if text.starts_with(':') {
        section.error(format!("{what} does not begin with a colon"));
        return false;
    }
    is_ascii(section, what, text)
}

/// The same of what may begin with anything, like the value of a dimension.
pub(super) fn is_ascii(section: &Section<'_>, what: &str, text: &str) -> bool {
    let wrong = text.chars().find(|c| !limits::fits_metric(*c));
    if let Some(wrong) = wrong {
        section.error(format!("CloudWatch takes ASCII characters only in {what}, found `{}`", wrong.escape_debug()));
    }
    wrong.is_none()
}
