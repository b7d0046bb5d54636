//! Entries that two items of one log send to the same stream. Each item reads for itself, so such an entry is sent twice, once with the keys of
//! each: what `redact` masks in one may stand in the other.
//!
//! Items whose selections have nothing in common are meant so, and nothing is said. Where both have filters, or predicates that differ, nobody can
//! tell here: that is a note. Only what is written is compared: names that become equal by their placeholders are not found.
use crate::config::{
    section::Section,
    settings::{EntrySelection, JournaldItem, Settings, TargetTemplate, UnifiedItem, WindowsItem, text::TextRules},
};

/// What items of all these logs have.
struct Item<'a> {
    at: &'a str,
    target: &'a TargetTemplate,
    text: &'a TextRules,
}

/// Whether there are entries that two items select.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Common {
    Nothing,
    Unknown,
    Something,
}

/// Says which items send the same entries to the same stream.
pub fn check(settings: &Settings, root: &Section<'_>) {
    let (logs, collected) = (&settings.logs, root.path(&["logs", "logs_collected"]));
    let listed = |key: &str| collected.path(&[key, "collect_list"]).items();
    let unified = listed("unified_log");
    let unified = if unified.is_empty() { vec![collected.child("unified_log")] } else { unified };
    compare(&logs.journald, &listed("journald"), JOURNALD, journald, |one, other| {
        of_journald(&one.selection, &other.selection)
    });
    compare(
        &logs.windows_events,
        &listed("windows_events"),
        "`event_levels` or `event_ids`",
        |WindowsItem { at, target, text, .. }| Item { at, target, text },
        of_windows,
    );
    compare(
        &logs.unified_log,
        &unified,
        "`predicate` or `subsystem`",
        |UnifiedItem { at, target, text, .. }| Item { at, target, text },
        of_unified,
    );
    // The journal as a whole has every entry that an item selects.
    if let Some(whole) = &logs.journal {
        let whole = Item { at: &whole.at, target: &whole.target, text: &whole.text };
        let sections = listed("journald");
        logs.journald.iter().for_each(|item| tell(&sections, &whole, &journald(item), Common::Something, "`journal`"));
    }
}

fn journald(JournaldItem { at, target, text, .. }: &JournaldItem) -> Item<'_> {
    Item { at, target, text }
}

/// What tells items of journald apart.
const JOURNALD: &str = "`units`, `priority` or `matches`";

/// Compares each item with those before it.
fn compare<T>(
    items: &[T],
    sections: &[Section<'_>],
    narrower: &str,
    item: impl Fn(&T) -> Item<'_>,
    common: impl Fn(&T, &T) -> Common,
) {
    for (number, second) in items.iter().enumerate() {
        // One is enough to be told of each.
        let same = |first: &&T| item(first).target.is_where(item(second).target);
        let most = items[..number].iter().filter(same).max_by_key(|first| common(first, second));
        if let Some(first) = most {
            tell(sections, &item(first), &item(second), common(first, second), narrower);
        }
    }
}

fn tell(sections: &[Section<'_>], first: &Item<'_>, second: &Item<'_>, common: Common, narrower: &str) {
    let Some(section) = sections.iter().find(|section| section.at == second.at) else { return };
    if !first.target.is_where(second.target) {
        return;
    }
    let filtered = !first.text.filter.is_open() && !second.text.filter.is_open();
    let remedy = if narrower == "`journal`" {
        "remove one of the two, or name another stream".to_owned()
    } else {
        format!("let them select different entries ({narrower}), or name another stream")
    };
    let twice = |which: &str| {
        format!(
            "{} sends to the same group and stream: {which} is sent twice, once with the keys of each, so that what `redact` masks or a \
             filter drops in one may be sent by the other; {remedy}",
            section.called(first.at)
        )
    };
    match common {
        Common::Nothing => {}
        Common::Something if !filtered => section.warning(twice("each entry that both select")),
        Common::Something | Common::Unknown => section.note(twice("an entry that both select, should there be one,")),
    }
}

impl TargetTemplate {
    /// Whether both name one group and stream.
    fn is_where(&self, other: &Self) -> bool {
        (&self.group, &self.stream) == (&other.group, &other.stream)
    }
}

fn of_journald(one: &EntrySelection, other: &EntrySelection) -> Common {
    let units_differ = differ(&one.units, &other.units, |one, other| may_be_one_unit(one, other));
    // One value of a field each: with another one it is another entry.
    let fit = |one: &Vec<(String, String)>, other: &Vec<(String, String)>| {
        !one.iter().any(|(field, value)| other.iter().any(|(key, wanted)| field == key && value != wanted))
    };
    match units_differ || differ(&one.matches, &other.matches, fit) {
        true => Common::Nothing,
        false => Common::Something,
    }
}

/// Whether two units as journalctl takes them may have an entry in common. A slice has the entries of its units.
fn may_be_one_unit(one: &str, other: &str) -> bool {
    let is_open = |unit: &str| unit.ends_with(".slice") || unit.contains(['*', '?', '[']);
    let whole = |unit: &str| unit.strip_suffix(".service").unwrap_or(unit).to_owned();
    is_open(one) || is_open(other) || whole(one) == whole(other)
}

fn of_windows(one: &WindowsItem, other: &WindowsItem) -> Common {
    let apart = !one.channel.eq_ignore_ascii_case(&other.channel)
        || differ(&one.levels, &other.levels, |one, other| one == other)
        || differ(&one.ids, &other.ids, |one, other| one == other);
    if apart { Common::Nothing } else { Common::Something }
}

fn of_unified(one: &UnifiedItem, other: &UnifiedItem) -> Common {
    match (&one.predicate, &other.predicate) {
        (Some(one), Some(other)) if one != other => Common::Unknown,
        (Some(_) | None, _) => Common::Something,
    }
}

/// Whether two lists, of which an empty one takes everything, have nothing that fits.
fn differ<T>(one: &[T], other: &[T], fits: impl Fn(&T, &T) -> bool) -> bool {
    !one.is_empty() && !other.is_empty() && !one.iter().any(|one| other.iter().any(|other| fits(one, other)))
}
