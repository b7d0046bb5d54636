//! What is wrong with a document, or with a part of it: counted by cause, and said seldom.
use crate::{
    model::{
        LogName,
        limits::{DIMENSION_VALUE, DIMENSIONS, LOG_NAME, MESSAGE_BYTES},
    },
    telemetry::counters::{self, Counter},
};
use std::{
    collections::HashMap,
    mem::{Discriminant, discriminant},
    time::Duration,
};
use tokio::time::Instant;

/// The same kind of fault is said once in this time.
const SELDOM: Duration = Duration::from_mins(1);
/// Characters of the document that are shown.
const SHOWN: usize = 200;

/// Why a document, or a part of it, is not sent.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum Fault {
    #[error("it is no JSON object: {0}")]
    NotJson(String),
    #[error("it holds {0}, which is no number in JSON")]
    NotANumber(&'static str),
    #[error(
        "it names no log group: _aws.LogGroupName and log_group_name are missing, and neither \
         logs.metrics_collected.emf.log_group_name nor logs.log_group_name names one for such documents"
    )]
    NoGroup,
    #[error(
        "the name of its log {what} is empty, longer than {LOG_NAME} characters, or holds what no such name can: `{name}`"
    )]
    Name { what: LogName, name: String },
    #[error("{0}")]
    TooManyTargets(String),
    #[error("its {0} has another form than the embedded metric format gives it")]
    Form(&'static str),
    #[error("a metric directive has no Namespace")]
    NoNamespace,
    #[error("a dimension set has {found} dimensions, and at most {DIMENSIONS} are allowed: it cannot be divided")]
    Dimensions { found: usize },
    #[error("the dimension `{0}` has no member at the root of the document")]
    NoDimension(String),
    #[error("the value of the dimension `{0}` is no text of at most {DIMENSION_VALUE} characters")]
    DimensionValue(String),
    #[error("the metric `{0}` has no member at the root of the document")]
    NoMetric(String),
    #[error("the value of the metric `{0}` is no number that CloudWatch takes, nor a list of such")]
    MetricValue(String),
    #[error("it is longer than {MESSAGE_BYTES} bytes, or its parts together are far longer than it")]
    TooLarge,
}

impl Fault {
    /// Where it is counted.
    fn counter(&self) -> &'static Counter {
        match self {
            Self::NotJson(_) => &counters::EMF_NOT_JSON,
            Self::NotANumber(_) | Self::MetricValue(_) => &counters::EMF_BAD_VALUE,
            Self::NoGroup | Self::Name { .. } => &counters::EMF_NO_TARGET,
            Self::TooManyTargets(_) => &counters::EMF_TOO_MANY_TARGETS,
            Self::Form(_) => &counters::EMF_BAD_FORM,
            Self::NoNamespace => &counters::EMF_NO_NAMESPACE,
            Self::Dimensions { .. } => &counters::EMF_TOO_MANY_DIMENSIONS,
            Self::NoDimension(_) | Self::DimensionValue(_) => &counters::EMF_BAD_DIMENSION,
            Self::NoMetric(_) => &counters::EMF_MISSING_METRIC,
            Self::TooLarge => &counters::EMF_TOO_LARGE,
        }
    }
}

/// Counts faults, and says the first of each kind and then one a minute.
#[derive(Default)]
pub(super) struct Complaints(HashMap<Discriminant<Fault>, (Instant, u64)>);

impl Complaints {
    /// The whole document is not sent.
    pub(super) fn refused(&mut self, fault: &Fault, document: &[u8], from: &str) {
        if let Some(more) = self.count(fault) {
            let begins = beginning(document);
            tracing::warn!(reason = %fault, from, begins, more, "a document of metrics is refused");
        }
    }

    /// A part of it is not sent.
    pub(super) fn left_out(&mut self, fault: &Fault, document: &[u8], from: &str) {
        if let Some(more) = self.count(fault) {
            let begins = beginning(document);
            tracing::warn!(reason = %fault, from, begins, more, "a part of a document of metrics is left out; the rest is sent");
        }
    }

    /// Counts; where it is time to say something, how many of the kind were not said.
    fn count(&mut self, fault: &Fault) -> Option<u64> {
        fault.counter().add(1);
        let now = Instant::now();
        match self.0.get_mut(&discriminant(fault)) {
            Some((said, silent)) if now.duration_since(*said) < SELDOM => {
                *silent += 1;
                None
            }
            Some((said, silent)) => {
                *said = now;
                Some(std::mem::take(silent))
            }
            None => {
                self.0.insert(discriminant(fault), (now, 0));
                Some(0)
            }
        }
    }
}

/// What people know the document by.
fn beginning(document: &[u8]) -> String {
    // A character has at most four bytes.
    let head = &document[..document.len().min(SHOWN * 4)];
    String::from_utf8_lossy(head).chars().take(SHOWN).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn each_kind_of_fault_is_counted_always_and_said_once_a_minute() {
        let mut complaints = Complaints::default();
        let before = counters::EMF_NO_NAMESPACE.here();
        assert_eq!(complaints.count(&Fault::NoNamespace), Some(0));
        assert_eq!(complaints.count(&Fault::NoNamespace), None);
        assert_eq!(complaints.count(&Fault::TooLarge), Some(0));
        tokio::time::advance(SELDOM).await;
        assert_eq!(complaints.count(&Fault::NoNamespace), Some(1));
        assert_eq!(counters::EMF_NO_NAMESPACE.here() - before, 3);
    }

    #[test]
    fn only_the_beginning_of_a_document_is_shown() {
        assert_eq!(beginning("ü".repeat(300).as_bytes()), "ü".repeat(SHOWN));
        assert_eq!(beginning(b"\xffx"), "\u{fffd}x");
    }
}
