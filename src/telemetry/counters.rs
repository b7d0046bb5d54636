//! Named counters of this process: what was delivered, and everything that was not, by cause.
//!
//! To add one, write its line in `counters!` below; `status` shows it. One that counts a loss also has its line in docs/RELIABILITY.md.
use std::sync::atomic::{AtomicU64, Ordering};

/// Counts one thing since the start.
pub struct Counter {
    /// As `status` shows it: lower case, underscores.
    pub name: &'static str,
    /// One line for people.
    pub summary: &'static str,
    value: AtomicU64,
}

impl Counter {
    const fn new(name: &'static str, summary: &'static str) -> Self {
        Self { name, summary, value: AtomicU64::new(0) }
    }

    /// Count `n` more.
    pub fn add(&self, n: u64) {
        self.value.fetch_add(n, Ordering::Relaxed);
        #[cfg(test)]
        HERE.with_borrow_mut(|here| *here.entry(self.name).or_default() += n);
    }

    /// How many were counted by this thread: tests run side by side, and each has a thread.
    #[cfg(test)]
    pub fn here(&self) -> u64 {
        HERE.with_borrow(|here| here.get(self.name).copied().unwrap_or_default())
    }

    /// How many so far.
    pub fn get(&self) -> u64 {
        self.value.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
thread_local! {
    static HERE: std::cell::RefCell<std::collections::HashMap<&'static str, u64>> = std::cell::RefCell::default();
}

macro_rules! counters {
    ($($id:ident, $name:literal, $summary:literal;)*) => {
        $(#[doc = $summary] pub static $id: Counter = Counter::new($name, $summary);)*
        /// Every counter, in the order that `status` shows them.
        pub static ALL: &[&Counter] = &[$(&$id),*];
    };
}

counters! {
    POINTS_COLLECTED, "points_collected", "metric points read from the host";
    POINTS_DELIVERED, "points_delivered", "metric points that CloudWatch accepted";
    POINTS_REFUSED, "points_refused", "metric points that CloudWatch will never take";
    SERIES_REFUSED, "points_of_refused_series", "metric points of series beyond agent.max_series";
    POINTS_CORRECTED, "points_sent_with_a_corrected_time", "metric points that a wrong clock measured, sent with the time that the service had then";
    POLLS_SKIPPED, "polls_skipped", "readings skipped because the pipeline was full";
    POLLS_FAILED, "polls_failed", "readings that failed";
    POLLS_HUNG, "polls_hung", "readings skipped because the one before has not come back";
    PROBES_UNANSWERED, "probes_unanswered", "questions of response_time that had no answer, or not the expected one";
    SAMPLES_REFUSED, "samples_refused", "lines of commands and text files that are no metric, or one that CloudWatch does not take";
    WINDOWS_FAILED, "metric_windows_failed", "times that metrics waiting to be sent could not be written to the disk";
    RELAY_FRAMES, "relay_frames", "frames written to the serial device";
    RELAY_BYTES, "relay_bytes", "bytes of these frames";
    RELAY_BYTES_SENT, "relay_bytes_sent", "bytes that the daemon itself sent to the serial relay";
    RELAY_READINGS_NOT_SENT, "relay_readings_not_sent", "readings of the daemon itself that the serial relay did not take";
    RELAY_REFUSED_FORM, "relay_refused_form", "lines sent to the serial relay that are no frame";
    RELAY_REFUSED_CHECKSUM, "relay_refused_checksum", "frames sent to the serial relay with a wrong checksum";
    RELAY_REFUSED_TOO_LONG, "relay_refused_too_long", "clients of the serial relay that sent a line of more than 64 KiB and were hung up on";
    RELAY_REFUSED_TORN, "relay_refused_torn", "clients of the serial relay that closed, were silent for 5 seconds, or took more than a minute, in the middle of a frame";
    RELAY_FRAMES_EXPIRED, "relay_frames_expired", "frames given up because they waited more than 5 minutes for the serial device";
    RELAY_FRAMES_GIVEN_UP, "relay_frames_given_up", "frames that waited for the serial device, or for room, at the stop";
    BATCHES_SPOOLED, "metric_batches_spooled", "metric batches written to the spool";
    BATCHES_REPLAYED, "metric_batches_replayed", "metric batches sent from the spool";
    SPOOL_DROPPED, "spooled_batches_dropped", "metric batches given up: too old, over a limit of the spool or of memory, unreadable, removed, or only in memory at the stop";
    SPOOLED_POINTS_EXPIRED, "spooled_points_expired", "points of spooled batches given up because they had become too old";
    LOG_EVENTS_SPOOLED, "log_events_spooled", "received log events written to the spool because they could not be sent at once";
    LOG_SPOOL_DROPPED, "log_spool_dropped", "received log events given up: over a limit of the spool, too old, unreadable, or only in memory at the stop";
    LOG_SPOOL_CORRUPT, "log_spool_corrupt", "parts of the spool of log text that were torn, corrupt or gone";
    EMF_RECEIVED, "emf_documents", "documents of metrics received over sockets";
    EMF_SPLIT, "emf_documents_split", "of these, sent in parts because they were over a limit of the format";
    EMF_NOT_JSON, "emf_refused_not_json", "of these, refused because they are no JSON object";
    EMF_NO_TARGET, "emf_refused_no_target", "of these, refused because they name no log group, or one that cannot be";
    EMF_TOO_MANY_TARGETS, "emf_refused_too_many_targets", "of these, refused because events from outside go to too many log streams";
    EMF_TOO_LARGE, "emf_refused_too_large", "of these, refused because they are longer than the service takes";
    EMF_BAD_FORM, "emf_bad_form", "documents or directives in which a part has not the form of the embedded metric format";
    EMF_NO_NAMESPACE, "emf_no_namespace", "metric directives without a namespace";
    EMF_TOO_MANY_DIMENSIONS, "emf_too_many_dimensions", "dimension sets of more than 30 dimensions";
    EMF_BAD_DIMENSION, "emf_bad_dimension", "dimension sets with a dimension whose value is missing, too long or no text";
    EMF_MISSING_METRIC, "emf_missing_metric", "metrics without a value in their document";
    EMF_BAD_VALUE, "emf_bad_value", "metrics whose value is no number that CloudWatch takes";
    COLLECTD_PACKETS, "collectd_packets", "packets of collectd received";
    COLLECTD_VALUES, "collectd_values", "values in these that were taken";
    COLLECTD_BROKEN, "collectd_refused_broken", "packets of collectd of which the rest was refused because it has not the form";
    COLLECTD_TOO_WEAK, "collectd_refused_too_weak", "packets of collectd with values that are not signed or encrypted as they have to be";
    COLLECTD_UNKNOWN_USER, "collectd_refused_unknown_user", "packets of collectd refused because nobody knows the user who signed or encrypted them";
    COLLECTD_MISMATCH, "collectd_refused_mismatch", "packets of collectd refused because their signature or checksum does not fit the user's password";
    COLLECTD_REPEATED, "collectd_refused_repeated", "signed or encrypted packets of collectd refused because they came before";
    COLLECTD_UNNAMED, "collectd_refused_unnamed", "values of collectd refused because they name no plugin or no type";
    COLLECTD_WRONG_SOURCES, "collectd_refused_wrong_type", "values of collectd refused because their type has another number of sources";
    COLLECTD_NO_NUMBER, "collectd_refused_no_number", "values of collectd that are no number, or none that CloudWatch takes";
    COLLECTD_TOO_OLD, "collectd_refused_too_old", "values of collectd older than two weeks";
    COLLECTD_TOO_NEW, "collectd_refused_too_new", "values of collectd more than two hours ahead";
    COLLECTD_NO_RATE, "collectd_no_rate", "values of collectd without a rate, because their counter began anew or they are not newer than the ones before";
    COLLECTD_TOO_MANY_SERIES, "collectd_refused_too_many_series", "values of collectd refused because there are too many series to work out rates";
    COLLECTD_UNKNOWN_TYPES, "collectd_unknown_types", "values of collectd of a type that nobody knows, taken under the usual names";
    COLLECTD_NOTIFICATIONS, "collectd_notifications", "parts of messages for people in packets of collectd, which are no metrics";
    STATSD_DATAGRAMS, "statsd_datagrams", "datagrams with statsd lines received over sockets";
    STATSD_BAD_FORM, "statsd_refused_bad_form", "statsd lines refused, or their rest, because something is not of the form name:value|type";
    STATSD_BAD_TYPE, "statsd_refused_bad_type", "statsd lines refused, or their rest, because of an unknown type";
    STATSD_BAD_VALUE, "statsd_refused_bad_value", "statsd lines refused, or their rest, because of a value that is no number, or has a sign that its type does not take";
    STATSD_BAD_RATE, "statsd_refused_bad_rate", "statsd lines refused, or their rest, because of a rate that is none above 0 and up to 1";
    STATSD_BAD_NAME, "statsd_refused_bad_name", "statsd lines refused because a name is empty, or a name or tag longer than CloudWatch takes";
    STATSD_SERIES_REFUSED, "statsd_series_refused", "statsd lines refused because there were too many series in the interval";
    STATSD_RATES_IGNORED, "statsd_rates_ignored", "values of statsd that count once because their rate is no number above 0";
    STATSD_NAMES_MENDED, "statsd_names_mended", "statsd series of an interval with characters replaced that CloudWatch does not take";
    STATSD_DIMENSIONS_CUT, "statsd_dimensions_cut", "statsd series of an interval with more than 30 dimensions, sent without the last ones";
    STATSD_MEMBERS_REFUSED, "statsd_members_refused", "members of statsd sets that do not count because there were too many in the interval";
    STATSD_VALUES_MERGED, "statsd_values_merged", "different values of statsd timers that were merged with their neighbours because there were too many in the interval";
    DATAGRAMS_DROPPED, "datagrams_dropped", "datagrams that the system dropped because they came faster than they were read";
    DATAGRAMS_CUT, "datagrams_cut", "datagrams longer than what is taken, refused";
    CLIENTS_WAITED, "clients_waited", "times a client had to wait because too many were connected";
    CLIENTS_HUNG_UP, "clients_hung_up", "silent clients that were hung up on because too many were connected";
    EVENTS_DELIVERED, "events_delivered", "log events that CloudWatch Logs accepted";
    EVENTS_FILTERED, "events_filtered", "log lines that the filters kept back";
    EVENTS_SPLIT, "events_split", "lines over the service's size limit, sent in parts";
    EVENTS_MENDED, "events_mended", "log lines with invalid UTF-8, sent with replacement characters";
    EVENTS_RESTAMPED, "events_sent_with_a_later_time", "log events that the service discarded by the time at which they were read, sent again with the present time";
    EVENTS_TRUNCATED, "events_truncated", "log events over their size limit, sent without their rest";
    EVENTS_EMPTY, "events_empty", "log events of which nothing was left to send, as when they were only a timestamp that is cut out";
    EVENTS_SAMPLED_OUT, "events_sampled_out", "log events not sent because of `sample`";
    EVENTS_RATE_LIMITED, "events_rate_limited", "log events not sent because of `rate_limit`";
    EVENTS_REDACTED, "events_redacted", "log events in which something was masked";
    TIMESTAMPS_UNPARSED, "timestamps_unparsed", "log events in which what stands where `timestamp_format` says is no time";
    TIMESTAMPS_MISSING, "timestamps_missing", "log events without anything of the form of their `timestamp_format`";
    EVENTS_RESTAMPED_TOO_OLD, "events_restamped_too_old", "log events older than 14 days, sent with the present time";
    EVENTS_RESTAMPED_TOO_NEW, "events_restamped_too_new", "log events more than 2 hours ahead, sent with the present time";
    EVENTS_TOO_OLD, "events_rejected_too_old", "log events that the service discarded as older than 14 days, or that it would discard as that";
    EVENTS_TOO_NEW, "events_rejected_too_new", "log events that the service discarded as more than 2 hours ahead, or that it would discard as that";
    EVENTS_EXPIRED, "events_rejected_expired", "log events that the service discarded as older than the group's retention";
    EVENTS_SET_ASIDE, "events_set_aside", "log events that the service refused, kept in the dead-letter file";
    LOG_REQUESTS, "log_requests", "PutLogEvents calls that succeeded";
    LOG_REQUESTS_THROTTLED, "log_requests_throttled", "PutLogEvents calls that CloudWatch Logs refused because there were too many";
    RETENTIONS_SET, "retentions_set", "times the retention of a log group was set";
    METRIC_REQUESTS, "metric_requests", "PutMetricData calls that succeeded";
    RETRIES, "retries", "calls that were tried again";
    FILES_ROTATED, "files_rotated", "rotations seen (the old file was read to its end)";
    FILES_TRUNCATED, "files_truncated", "files found cut short and read again from their beginning";
    FILES_REMOVED, "files_removed", "delivered log files that auto_removal removed";
    BYTES_MISSED, "log_bytes_missed", "bytes of log files that were gone before they could be read";
    JOURNAL_GAPS, "journal_gaps", "times the saved journal cursor had been vacuumed away";
    JOURNAL_RESTARTS, "journal_restarts", "times journalctl ended and was started again";
    JOURNAL_LINES_UNREADABLE, "journal_lines_unreadable", "lines of journalctl given up: longer than 16 MiB, or no journal entry";
    WINDOWS_GAPS, "windows_event_gaps", "times a channel of the event log was cleared, or had lost events that were not read";
    WINDOWS_RESTARTS, "windows_event_restarts", "times a channel of the event log had to be subscribed to again";
    WINDOWS_EVENTS_UNREADABLE, "windows_events_unreadable", "Windows events given up: too large for the event log's own answer, or no event";
    UNIFIED_RESTARTS, "unified_log_restarts", "times the program log of macOS ended and was started again";
    UNIFIED_LINES_UNREADABLE, "unified_log_lines_unreadable", "lines of the unified log given up: longer than 16 MiB, or no entry";
    POSITION_WRITES, "position_writes", "times the positions were written to disk";
    POSITION_BYTES, "position_bytes", "bytes of positions written to disk";
    POSITION_SYNCS, "position_syncs", "times the disk was asked to have written positions for good";
    POSITION_WRITE_FAILURES, "position_write_failures", "times the positions could not be written";
    CREDENTIAL_RENEWALS, "credential_renewals", "times fresh credentials were fetched";
    CREDENTIAL_FAILURES, "credential_failures", "times fresh credentials could not be had";
    LOG_LINES_LOST, "own_log_lines_lost", "lines of the daemon's own log that could not be written";
    LOG_LINES_REPEATED, "own_log_lines_repeated", "lines of the daemon's own log that were summed up because they repeat";
}

#[cfg(test)]
mod tests {
    use super::ALL;

    #[test]
    fn names_are_unique() {
        let mut names: Vec<_> = ALL.iter().map(|c| c.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ALL.len());
    }
}
