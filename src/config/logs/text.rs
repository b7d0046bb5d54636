//! What becomes of the text of an item's events: the keys that every kind of source shares, and those that only lines of files need.
use crate::config::{
    encoding, multi_line, pattern,
    section::Section,
    settings::text::{
        MULTI_LINE_TIMEOUT, MultiLine, OutOfRange, Oversize, RateLimit, Redaction, TextRules, TimestampRule,
    },
    timestamp::TimestampFormat,
    zone::Zone,
};
use std::{sync::Arc, time::Duration};

/// What stands in the place of what is masked, where nothing else is named.
const MASK: &str = "***";

/// Whose item it is, and so what counts where it says nothing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TextDefaults {
    /// The agent's files: indented lines belong to the event before them.
    AgentFile,
    /// The publisher's files: lines, stripped of white space.
    PublisherFile,
    /// The agent's journal: whole entries; one include rule of `filters` is enough.
    AgentJournal,
    /// Other sources of whole events.
    Entries,
}

/// Reads the rules of an item. Keys that its table does not know are absent here.
pub fn read(item: &Section<'_>, defaults: TextDefaults) -> Arc<TextRules> {
    let timestamp = timestamp(item);
    let lines = matches!(defaults, TextDefaults::AgentFile | TextDefaults::PublisherFile);
    let filter = pattern::filter(item);
    let usual = TextRules::default();
    let out_of_range = item.child("out_of_range").text().and_then(OutOfRange::named);
    Arc::new(TextRules {
        at: item.at.clone(),
        encoding: encoding::read(&item.child("encoding")).unwrap_or_default(),
        multi_line: if lines {
            multi_line::read(item, timestamp.as_ref(), defaults == TextDefaults::AgentFile)
        } else {
            MultiLine::Off
        },
        multi_line_timeout: item.child("multi_line_timeout").unsigned().map_or(MULTI_LINE_TIMEOUT, Duration::from_secs),
        strip: defaults == TextDefaults::PublisherFile,
        timestamp,
        too_old: out_of_range.unwrap_or(usual.too_old),
        too_new: out_of_range.unwrap_or(usual.too_new),
        filter: if defaults == TextDefaults::AgentJournal { filter.with_any_include_rule() } else { filter },
        sample: item.child("sample").unsigned().filter(|n| *n > 0).unwrap_or(usual.sample),
        rate_limit: rate_limit(&item.child("rate_limit")),
        redact: item.child("redact").items().iter().filter_map(redaction).collect(),
        max_event_bytes: item
            .child("max_event_size")
            .unsigned()
            .and_then(|bytes| usize::try_from(bytes).ok())
            .unwrap_or(usual.max_event_bytes),
        oversize: item.child("oversize").text().and_then(Oversize::named).unwrap_or(usual.oversize),
        told: usual.told,
    })
}

fn timestamp(item: &Section<'_>) -> Option<TimestampRule> {
    let zone = Zone::read(&item.child("timezone"));
    let section = item.child("timestamp_format");
    let trim = item.child("trim_timestamp").flag().unwrap_or(false);
    let Some(format) = section.verbatim() else {
        if trim && !section.exists() {
            item.child("trim_timestamp").warning("there is no `timestamp_format` in this item, so nothing is removed");
        }
        return None;
    };
    if format.is_empty() {
        return None; // It was reported as that.
    }
    let (format, odd) = TimestampFormat::parse(format).map_err(|why| section.error(why)).ok()?;
    odd.into_iter().for_each(|odd| section.warning(odd));
    Some(TimestampRule { format, zone: zone.unwrap_or(Zone::Local), trim })
}

/// A number of events a second, or an object with one.
fn rate_limit(section: &Section<'_>) -> Option<RateLimit> {
    let number = |section: &Section<'_>| section.unsigned().and_then(|n| u32::try_from(n).ok()).filter(|n| *n > 0);
    let per_second = number(section).or_else(|| number(&section.child("events_per_second")))?;
    let burst = number(&section.child("burst")).unwrap_or(per_second);
    Some(RateLimit { per_second, burst })
}

fn redaction(section: &Section<'_>) -> Option<Redaction> {
    let (expression, replacement) = (section.child("expression"), section.child("replacement"));
    let compiled = pattern::pattern(&expression)?;
    if compiled.is_match(b"") {
        expression.error("matches where there is nothing, so the mask would stand between all characters; make it match at least one");
        return None;
    }
    Some(Redaction { expression: compiled, replacement: replacement.verbatim().unwrap_or(MASK).into() })
}
