//! The publisher's `journal`.
use super::Defaults;
use crate::config::{
    pattern,
    section::Section,
    settings::{Journal, TargetTemplate},
};

/// The stream of the journal.
pub const STREAM: &str = "system-journal";

/// Reads the section. `None`: not wanted, or its group cannot be used.
pub fn read(section: &Section<'_>, defaults: &Defaults<'_>) -> Option<Journal> {
    let wanted = section.flag().or_else(|| section.child("collect").flag()).unwrap_or(section.exists());
    let filter = pattern::filter(section);
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
    Some(Journal { at: section.at.clone(), target, filter })
}
