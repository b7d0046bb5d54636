//! Our own `unified_log`: one object, or several in its `collect_list`.
use super::{
    Defaults, item_name, target, tell_apart,
    text::{self, TextDefaults},
};
use crate::config::{
    naming::Name,
    section::Section,
    settings::{UnifiedItem, UnifiedLevel},
};

/// The stream where none is named.
const STREAM: &str = "unified-log";

/// Reads the section.
pub fn read<'a>(section: &Section<'a>, defaults: &Defaults<'_>) -> Vec<(Section<'a>, UnifiedItem)> {
    let wanted = section.flag().or_else(|| section.child("collect").flag()).unwrap_or(section.exists());
    let list = section.child("collect_list");
    let items = if list.exists() { list.items() } else { vec![section.clone()] };
    let read = |item: Section<'a>| one(&item, defaults).map(|read| (item, read));
    let mut read: Vec<_> = items.into_iter().filter_map(read).collect();
    let names = read.iter_mut().map(|(item, read)| (&*item, &mut read.item));
    tell_apart(names, &["predicate", "subsystem", "level", "filters", "include_patterns", "exclude_patterns"]);
    if wanted { read } else { Vec::new() }
}

/// `None`: reported, and not run.
fn one(item: &Section<'_>, defaults: &Defaults<'_>) -> Option<UnifiedItem> {
    let text = text::read(item, TextDefaults::Entries);
    let target = target(item, defaults, defaults.group.clone(), Some(STREAM.to_owned()), Name::Stream)?;
    Some(UnifiedItem {
        at: item.at.clone(),
        item: item_name(&target),
        target,
        text,
        predicate: predicate(item.child("predicate").verbatim(), item.child("subsystem").text()),
        level: item.child("level").text().and_then(UnifiedLevel::named).unwrap_or_default(),
    })
}

/// One predicate that asks for both.
fn predicate(predicate: Option<&str>, subsystem: Option<&str>) -> Option<String> {
    let subsystem =
        subsystem.map(|name| format!("subsystem == \"{}\"", name.replace('\\', "\\\\").replace('"', "\\\"")));
    match (predicate, subsystem) {
        (Some(predicate), Some(subsystem)) => Some(format!("({predicate}) AND {subsystem}")),
        (Some(predicate), None) => Some(predicate.to_owned()),
        (None, subsystem) => subsystem,
    }
}

#[cfg(test)]
mod tests {
    use super::predicate;

    #[test]
    fn a_subsystem_narrows_the_predicate_and_cannot_break_out_of_its_quotes() {
        assert_eq!(predicate(None, None), None);
        assert_eq!(predicate(None, Some("com.apple.x")).as_deref(), Some(r#"subsystem == "com.apple.x""#));
        let both = predicate(Some("process == \"sshd\" OR process == \"sudo\""), Some(r#"a"b\"#));
        assert_eq!(both.as_deref(), Some(r#"(process == "sshd" OR process == "sudo") AND subsystem == "a\"b\\""#));
    }
}
