//! What all items of one log group have in common: its retention and its class. Items that differ are reported.
use super::{section::Section, settings::TargetTemplate};
use crate::model::LogGroupClass;
use std::collections::HashMap;

/// What was named first for each group, and where.
pub struct Agreement {
    /// The agent takes groups whose names differ in case only for one when it compares; the service does not.
    folds_case: bool,
    retention: HashMap<String, (u16, String)>,
    class: HashMap<String, (LogGroupClass, String)>,
}

impl Agreement {
    /// Nothing is named yet. `folds_case`: the file is the agent's.
    pub fn new(folds_case: bool) -> Self {
        Self { folds_case, retention: HashMap::new(), class: HashMap::new() }
    }

    /// Take what the target names; `section` is its item. What differs from an item before is reported.
    pub fn note(&mut self, target: &TargetTemplate, section: &Section<'_>) {
        let key = self.key(&target.group);
        if let Some(days) = target.retention_in_days {
            let (first, at) = self.retention.entry(key.clone()).or_insert_with(|| (days, section.at.clone()));
            if *first != days {
                let at = section.called(at);
                let why = format!("a group has one retention: {at} keeps the events of this one for {first} days");
                section.child("retention_in_days").error(why);
            }
        }
        if let Some(class) = target.class {
            let (first, at) = self.class.entry(key).or_insert_with(|| (class, section.at.clone()));
            if *first != class {
                let at = section.called(at);
                let why = format!("a group has one class: {at} makes this one as {}", first.as_str());
                section.child("log_group_class").error(why);
            }
        }
    }

    /// What was named for the target's group by anybody.
    pub fn settle(&self, target: &mut TargetTemplate) {
        let key = self.key(&target.group);
        target.retention_in_days = self.retention.get(&key).map(|(days, _)| *days);
        target.class = self.class.get(&key).map(|(class, _)| *class);
    }

    fn key(&self, group: &str) -> String {
        if self.folds_case { group.to_lowercase() } else { group.to_owned() }
    }
}
