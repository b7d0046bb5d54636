//! `metrics_collected.exec` and `metrics_collected.textfile`: what other programs measure.
use super::{Context, dimensions, names, plugins};
use crate::config::{
    glob::Glob,
    section::Section,
    settings::{
        exposition::{Command, Counters, Exec, Exposition, Format, Textfiles},
        metrics::{Measurements, Options, Plugin},
    },
};
use std::{path::Path, time::Duration};

/// How long a command may run where nobody says otherwise and the interval is not shorter.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The commands that can be run.
pub(super) fn exec(list: &Section<'_>, context: &Context) -> Vec<Plugin> {
    list.items().iter().filter_map(|item| command(item, context)).collect()
}

fn command(item: &Section<'_>, context: &Context) -> Option<Plugin> {
    let section = item.child("command");
    let command = match section.verbatim() {
        Some(text) => Command::Shell(text.to_owned()),
        // As they stand: a `$` is the program's own.
        None if section.exists() => {
            Command::Program(section.items().iter().filter_map(|word| word.verbatim().map(str::to_owned)).collect())
        }
        None => return None,
    };
    let is_empty = match &command {
        Command::Shell(text) => text.trim().is_empty(),
        Command::Program(words) => words.first().is_none_or(|word| word.trim().is_empty()),
    };
    if is_empty {
        section.error("names no command");
    }
    let interval = plugins::rhythm(item, context).0;
    let format = item.child("format").verbatim().and_then(Format::named).unwrap_or(Format::Lines);
    if format == Format::Lines {
        for key in ["counters", "buckets"].into_iter().filter(|key| item.has(key)) {
            item.child(key).warning("means something only with \"format\": \"prometheus\"; ignored");
        }
    }
    let exec = Exec { command, format, timeout: timeout(item, interval, TIMEOUT), exposition: exposition(item) };
    Some(plugin("exec", item, context, Options::Exec(exec)))
}

/// The files that are read.
pub(super) fn textfile(section: &Section<'_>, context: &Context) -> Plugin {
    let mut paths = vec![];
    for item in section.child("paths").items() {
        let Some(path) = item.text() else { continue };
        match Glob::parse(path) {
            Err(why) => item.error(why),
            Ok(_) => {
                if !Path::new(path).is_absolute() {
                    item.warning(
                        "not an absolute path on this system: it leads from the folder in which the daemon is started",
                    );
                }
                paths.push(path.to_owned());
            }
        }
    }
    let age = section.child("file_age").flag().unwrap_or(false);
    let files = Textfiles { paths, age, exposition: exposition(section) };
    plugin("textfile", section, context, Options::Textfile(files))
}

/// `timeout` of a section: never longer than the interval, at whose end the next turn comes.
pub(super) fn timeout(section: &Section<'_>, interval: Duration, usual: Duration) -> Duration {
    let timeout = section.child("timeout");
    let Some(asked) = timeout.unsigned().map(Duration::from_secs) else { return usual.min(interval) };
    if asked > interval {
        let interval = interval.as_secs();
        timeout.error(format!("must not be longer than the interval, which is {interval} seconds here"));
    }
    asked.min(interval)
}

fn plugin(key: &'static str, section: &Section<'_>, context: &Context, options: Options) -> Plugin {
    let (interval, resolution) = plugins::rhythm(section, context);
    Plugin {
        at: section.at.clone(),
        key,
        measurements: Measurements::Everything { prefix: prefix(&section.child("name_prefix")) },
        interval,
        resolution,
        dimensions: dimensions::carried(section),
        options,
    }
}

fn prefix(section: &Section<'_>) -> String {
    let prefix = section.text().unwrap_or_default();
    names::check(section, names::METRIC, prefix);
    prefix.to_owned()
}

fn exposition(section: &Section<'_>) -> Exposition {
    Exposition {
        counters: section.child("counters").verbatim().and_then(Counters::named).unwrap_or(Counters::Delta),
        buckets: section.child("buckets").flag().unwrap_or(false),
    }
}
