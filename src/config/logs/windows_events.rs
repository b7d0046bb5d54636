//! `windows_events.collect_list`.
use super::{
    Defaults, STREAM, item_name, target, tell_apart,
    text::{self, TextDefaults},
};
use crate::config::{
    Severity,
    naming::Name,
    section::Section,
    settings::{EventFormat, EventLevel, WindowsItem},
};

/// Reads the list.
pub fn read<'a>(section: &Section<'a>, defaults: &Defaults<'_>) -> Vec<(Section<'a>, WindowsItem)> {
    let items = section.child("collect_list").items().into_iter();
    let mut items: Vec<_> = items.filter_map(|item| one(&item, defaults).map(|read| (item, read))).collect();
    let names = items.iter_mut().map(|(item, read)| (&*item, &mut read.item));
    tell_apart(names, &["event_levels", "event_ids", "filters"]);
    items
}

/// `None`: reported, and not run.
fn one(item: &Section<'_>, defaults: &Defaults<'_>) -> Option<WindowsItem> {
    let name = item.child("event_name");
    // What the agent's schema says and a table of keys cannot.
    if name.text() == Some("Forwarded Events") {
        let why = "is the title of this channel, not its name";
        name.report(Severity::Error, why.into(), Some("ForwardedEvents".into()));
    }
    let text = text::read(item, TextDefaults::Entries);
    let stream = defaults.stream.clone().unwrap_or_else(|| STREAM.into());
    let target = target(item, defaults, defaults.group.clone(), Some(stream), Name::Stream);
    let levels = item.child("event_levels").items();
    let levels = levels.iter().filter_map(Section::text).filter_map(EventLevel::named);
    let levels = levels.flat_map(EventLevel::numbers).copied().collect();
    let ids = item.child("event_ids").items().iter().filter_map(|id| u16::try_from(id.int()?).ok()).collect();
    let (target, channel) = (target?, name.text()?.to_owned());
    Some(WindowsItem {
        at: item.at.clone(),
        // One position has one channel.
        item: format!("{}:{channel}", item_name(&target)),
        target,
        text,
        channel,
        levels,
        ids,
        format: item.child("event_format").text().and_then(EventFormat::named).unwrap_or_default(),
    })
}
