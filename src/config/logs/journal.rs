//! The publisher's `journal`, and the agent's `journald.collect_list`.
use super::{
    Defaults, STREAM as AGENT_STREAM, item_name, target, tell_apart,
    text::{self, TextDefaults},
};
use crate::config::{
    naming::Name,
    section::Section,
    settings::{self, EntrySelection, Journal, JournalFormat, JournaldItem, TargetTemplate},
};

/// The stream of the journal.
pub const STREAM: &str = "system-journal";
/// Where the agent names none.
const PRIORITY: u8 = 6;
/// `sd_journal_sendv(3)`: longer names are no fields.
const LONGEST_FIELD: usize = 64;

/// Reads the section. `None`: not wanted, or its group cannot be used.
pub fn read(section: &Section<'_>, defaults: &Defaults<'_>) -> Option<Journal> {
    let wanted = section.flag().or_else(|| section.child("collect").flag()).unwrap_or(section.exists());
    let text = text::read(section, TextDefaults::Entries);
    if !wanted {
        return None;
    }
    let target = TargetTemplate {
        group: defaults.group.clone()?,
        stream: STREAM.into(),
        retention_in_days: defaults.retention.days(),
        entity: defaults.entity(section),
        ..TargetTemplate::default()
    };
    Some(Journal { at: section.at.clone(), target, text })
}

/// Reads the agent's list.
pub fn read_list<'a>(section: &Section<'a>, defaults: &Defaults<'_>) -> Vec<(Section<'a>, JournaldItem)> {
    let items = section.items().into_iter();
    let mut items: Vec<_> = items.filter_map(|item| one(&item, defaults).map(|read| (item, read))).collect();
    let names = items.iter_mut().map(|(item, read)| (&*item, &mut read.item));
    tell_apart(names, &["units", "priority", "matches", "filters"]);
    items
}

/// `None`: reported, and not run.
fn one(item: &Section<'_>, defaults: &Defaults<'_>) -> Option<JournaldItem> {
    let text = text::read(item, TextDefaults::AgentJournal);
    let matches = item.child("matches").items().iter().map(conditions).collect();
    let units = item.child("units").items().iter().filter_map(Section::text).map(str::to_owned).collect();
    // The agent's own default, which `logs.log_stream_name` does not change; and the group has none.
    let target = target(item, defaults, None, Some(AGENT_STREAM.to_owned()), Name::StreamOfUnits)?;
    Some(JournaldItem {
        at: item.at.clone(),
        item: item_name(&target),
        target,
        text,
        selection: EntrySelection {
            units,
            priority: item.child("priority").text().and_then(settings::priority).or(Some(PRIORITY)),
            matches,
        },
        // The agent's own default.
        format: item.child("format").text().and_then(JournalFormat::named).unwrap_or(JournalFormat::Json),
    })
}

/// The conditions of one object, of which an entry must fulfil all.
fn conditions(section: &Section<'_>) -> Vec<(String, String)> {
    if section.entries().is_empty() && section.node().is_some_and(|node| node.kind() == "an object") {
        section.error("needs 1 key or more, found 0");
    }
    let pair = |entry| {
        let (key, value): (Section<'_>, Section<'_>) = (section.key(entry), section.value(entry));
        check_field(&key, &entry.key);
        Some((entry.key.clone(), value.text()?.to_owned()))
    };
    section.entries().iter().filter_map(pair).collect()
}

/// What journalctl takes as the name of a field to look for: `journal_field_valid` of systemd.
fn check_field(key: &Section<'_>, name: &str) {
    let word = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    if name.starts_with("__") {
        key.error(
            "names no field that the journal can be searched for: those with two `_` in front are made while reading",
        );
    } else if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) || !name.chars().all(word) {
        let upper: String = name.to_ascii_uppercase();
        let suggestion = (upper != name && upper.chars().all(word)).then_some(upper);
        let why = "a field of the journal has capital letters, digits and `_`, and begins with no digit";
        key.report(crate::config::Severity::Error, why.into(), suggestion);
    } else if name.len() > LONGEST_FIELD {
        key.error(format!("a field of the journal has at most {LONGEST_FIELD} characters"));
    }
}
