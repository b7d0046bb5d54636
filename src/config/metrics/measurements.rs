//! Which measurements of a plugin are wanted, and what they are called: `measurement`, `drop_original_metrics`.
use super::{names, unit};
use crate::{
    config::{
        finding::{Severity, meant},
        measurements::{Field, Kind, Table},
        section::Section,
        settings::metrics::Measurement,
    },
    model::{Unit, brief},
    platform::host,
};
use std::collections::BTreeSet;

/// A measurement with the name and the unit of the table.
pub(super) fn whole(table: &Table, field: &Field) -> Measurement {
    Measurement {
        field: field.name.into(),
        name: table.published(field.name),
        unit: field.unit,
        scale: 1.0,
        is_delta: field.kind == Kind::Delta,
    }
}

/// The measurements of a plugin with a table. What this system does not have is left out, with a warning.
pub(super) fn of_table(plugin: &Section<'_>, table: &Table) -> Vec<Measurement> {
    let mut wanted: Vec<Measurement> = vec![];
    let list = plugin.child("measurement");
    for item in list.items() {
        let (named, at) = name(&item);
        let Some(named) = named else { continue };
        let Some(field) = table.field(named) else {
            let known: Vec<&str> = table.fields.iter().map(|field| field.name).collect();
            let why = format!("`{}` is no measurement of `{}`", brief(named), table.key);
            let bare = named.trim();
            let bare = bare.strip_prefix(table.prefix).unwrap_or(bare);
            // The agent passes over what its EFA plugin does not know.
            let (severity, why) = match table.key {
                "efa" => (Severity::Warning, format!("{why}; ignored, as by the agent")),
                _ => (Severity::Error, why),
            };
            at.report(severity, why, meant(bare, &known));
            continue;
        };
        if !field.on.has(host::SYSTEM) {
            at.warning(format!("not available on {}; ignored", host::SYSTEM.name()));
            continue;
        }
        let measurement = decorated(&item, whole(table, field));
        if wanted.iter().any(|other| other.field == measurement.field) {
            at.warning("is asked for twice under two spellings; the first one counts");
        } else {
            if let Some(other) = wanted.iter().find(|other| other.name == measurement.name) {
                let (name, other) = (&measurement.name, &other.field);
                at.warning(format!("is called `{name}` as `{other}` is: the two become one metric"));
            }
            wanted.push(measurement);
        }
    }
    if list.exists() && list.items().is_empty() {
        list.warning("is empty: nothing of this plugin is published");
    }
    wanted
}

/// The measurements of a plugin that has no table, taken as they stand, each published as `published` says.
pub(super) fn verbatim(plugin: &Section<'_>, published: impl Fn(&str) -> String) -> Vec<Measurement> {
    let items = plugin.child("measurement").items();
    let wanted = items.iter().filter_map(|item| {
        let field = name(item).0?.trim();
        let plain =
            Measurement { field: field.into(), name: published(field), unit: Unit::None, scale: 1.0, is_delta: false };
        Some(decorated(item, plain))
    });
    wanted.collect()
}

/// The name of an item in either form, and where it stands.
fn name<'a>(item: &Section<'a>) -> (Option<&'a str>, Section<'a>) {
    match item.verbatim() {
        Some(name) => (Some(name), item.clone()),
        None => {
            let name = item.child("name");
            (name.verbatim(), name)
        }
    }
}

/// With the name and the unit that the item itself gives.
fn decorated(item: &Section<'_>, mut measurement: Measurement) -> Measurement {
    let rename = item.child("rename");
    if let Some(name) = rename.text().map(str::trim).filter(|name| !name.is_empty())
        && names::check(&rename, names::METRIC, name)
    {
        name.clone_into(&mut measurement.name);
    }
    let unit = item.child("unit");
    if let Some(text) = unit.text() {
        match unit::convert(text) {
            Some(converted) => (measurement.unit, measurement.scale) = (converted.unit, converted.scale),
            None => {
                // As the agent sends it.
                measurement.unit = Unit::None;
                let known: Vec<&str> = Unit::ALL.iter().map(|unit| unit.as_str()).collect();
                unit.report(
                    Severity::Warning,
                    "is no unit of CloudWatch: sent without a unit".to_owned(),
                    meant(text, &known),
                );
            }
        }
    }
    measurement
}

/// The published names of which only the rollups are sent. `"*"` means all. A name may be the plugin's own, the published one, or what
/// it was renamed to.
pub(super) fn dropped(plugin: &Section<'_>, wanted: &[Measurement], full: impl Fn(&str) -> String) -> BTreeSet<String> {
    let mut dropped = BTreeSet::new();
    for item in plugin.child("drop_original_metrics").items() {
        let Some(name) = item.verbatim().map(str::trim) else { continue };
        if name == "*" {
            dropped.extend(wanted.iter().map(|measurement| measurement.name.clone()));
            continue;
        }
        let named = wanted.iter().filter(|measurement| {
            measurement.name == name || *measurement.field == *name || full(&measurement.field) == name
        });
        let before = dropped.len();
        dropped.extend(named.map(|measurement| measurement.name.clone()));
        if dropped.len() == before
            && !wanted.is_empty()
            && !wanted.iter().any(|m| dropped.contains(&m.name) && m.name == name)
        {
            item.warning("is no measurement that is asked for here; ignored, as by the agent");
        }
    }
    dropped
}
