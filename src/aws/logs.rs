//! PutLogEvents: the body that was built beforehand, and what the service says it did not keep.
use crate::{model::LogBatch, publish::Rejected};
use aws_sdk_cloudwatchlogs::types::{InputLogEvent, RejectedLogEventsInfo};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use memchr::memmem;

/// Says what the events are.
/// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Generation_PutLogEvents.html>
const FORMAT: &str = "x-amzn-logs-format";
const EMBEDDED_METRICS: &str = "json/emf";
/// What stands in each event of the embedded metric format, as it stands in a request.
/// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>
const MARK: &[u8] = br#"\"CloudWatchMetrics\""#;
/// Events with the mark that are looked at.
const LOOKS: usize = 64;

/// Whether an event of this batch is one of the embedded metric format: a JSON object with the mark in it. One pass over the body,
/// some tens of microseconds a megabyte; a batch without such an event goes without the header.
pub(super) fn holds_metrics(batch: &LogBatch) -> bool {
    let is_object = |at: usize| {
        let place = batch.index.partition_point(|slot| slot.start as usize <= at).checked_sub(1)?;
        let event = batch.event_json(place)?;
        Some(memmem::find(event, br#""message":"{"#).is_some() && event.ends_with(br#"}"}"#))
    };
    memmem::find_iter(&batch.body, MARK).take(LOOKS).any(|at| is_object(at).unwrap_or(false))
}

/// The SDK refuses to build a request without an event. This one is replaced before anything is signed.
pub(super) fn placeholder() -> InputLogEvent {
    InputLogEvent::builder().timestamp(0).message("-").build().expect("both required fields are set")
}

/// Swap the real body in. It is shared, not copied: with the signer, which hashes it, and with the connection.
/// `metrics`: the service is to look for metrics in the events.
pub(super) fn swap_in(body: Bytes, metrics: bool) -> impl Fn(&mut HttpRequest) + Send + Sync + 'static {
    move |request| {
        if metrics {
            request.headers_mut().insert(FORMAT, EMBEDDED_METRICS);
        }
        request.headers_mut().insert("content-length", body.len().to_string());
        *request.body_mut() = SdkBody::from(body.clone());
    }
}

/// Counts out of `rejectedLogEventsInfo`. The ends of the too old and the expired are exclusive ends of a prefix, the start
/// of the too new begins a suffix. What is both too old and expired counts as too old; no event counts twice.
/// <https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_RejectedLogEventsInfo.html>
pub(super) fn rejected(info: Option<&RejectedLogEventsInfo>, events: usize) -> Rejected {
    let Some(info) = info else { return Rejected::default() };
    let index = |value: i32| usize::try_from(value).unwrap_or(0).min(events);
    let too_old = info.too_old_log_event_end_index.map_or(0, index);
    let expired = info.expired_log_event_end_index.map_or(0, index).saturating_sub(too_old);
    let kept_from = too_old + expired;
    let too_new = info.too_new_log_event_start_index.map_or(0, |start| events - index(start).max(kept_from));
    Rejected { too_old, too_new, expired }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(too_old: Option<i32>, expired: Option<i32>, too_new: Option<i32>) -> (usize, usize, usize) {
        let info = RejectedLogEventsInfo::builder()
            .set_too_old_log_event_end_index(too_old)
            .set_expired_log_event_end_index(expired)
            .set_too_new_log_event_start_index(too_new)
            .build();
        let Rejected { too_old, too_new, expired } = rejected(Some(&info), 10);
        (too_old, expired, too_new)
    }

    #[test]
    fn indexes_become_counts() {
        assert_eq!(rejected(None, 10), Rejected::default());
        assert_eq!(of(None, None, None), (0, 0, 0));
        assert_eq!(of(Some(3), None, None), (3, 0, 0));
        assert_eq!(of(None, Some(3), None), (0, 3, 0));
        assert_eq!(of(None, None, Some(8)), (0, 0, 2));
        assert_eq!(of(Some(0), None, Some(0)), (0, 0, 10));
    }

    #[test]
    fn an_event_that_is_rejected_twice_counts_once() {
        assert_eq!(of(Some(2), Some(5), Some(9)), (2, 3, 1));
        assert_eq!(of(Some(5), Some(2), None), (5, 0, 0));
        assert_eq!(of(Some(6), Some(8), Some(4)), (6, 2, 2));
    }

    #[test]
    fn indexes_outside_the_batch_count_what_there_is() {
        assert_eq!(of(Some(11), None, Some(12)), (10, 0, 0));
        assert_eq!(of(Some(-1), None, None), (0, 0, 0));
    }
}
