//! `local metrics` and `local logs`: read the embedded store.
//!
//! For people: aligned columns, times in UTC, no control characters from the logs. For programs (`--json`): one
//! document a line with exact values. Long answers are read and written page by page, and a reader that closes the pipe
//! ends them quietly.
use super::{EXIT_CONFIG, settings_of, table::table};
use crate::{
    cli::{Local, Store},
    config,
    daemon::{self, Home, Override},
    local::{Cursor, EventQuery, Page, Reader, Series, StoredPoint, Stream},
    model::{Dimension, Timestamp},
};
use anyhow::{Context, bail};
use serde_json::json;
use std::{
    borrow::Cow,
    collections::BTreeMap,
    io::{self, BufWriter, Write},
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

#[cfg(test)]
mod tests;

/// Rows read at a time: small beside the program itself, large beside the cost of a query.
const ROWS: usize = 1_000;

/// Read the embedded store as the command line says.
pub fn run(arguments: Local) -> anyhow::Result<ExitCode> {
    let (Local::Metrics { store, .. } | Local::Logs { store, .. }) = &arguments;
    let Some(folders) = folders(store) else { return Ok(ExitCode::from(EXIT_CONFIG)) };
    let reader = open(&folders)?;
    match arguments {
        Local::Metrics { name, since, json, .. } => metrics(&reader, name.as_deref(), since, json)?,
        Local::Logs { group, stream, since, json, .. } => {
            logs(&reader, group.as_deref(), stream.as_deref(), since, json)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Where the store may be: named, or the configuration's, or that of a daemon whose configuration names none. `None`: the configuration
/// is invalid, and that was said.
fn folders(store: &Store) -> Option<Vec<PathBuf>> {
    let installed = config::default_path();
    let config = match (&store.folder, &store.config) {
        (Some(folder), _) => return Some(vec![folder.clone()]),
        (None, Some(config)) => config,
        (None, None) if installed.exists() => &installed,
        (None, None) => return Some(daemon::usual_stores().to_vec()),
    };
    let homes = Home::candidates(&settings_of(config)?, &Override::Local(None));
    Some(homes.into_iter().filter_map(|home| home.store).collect())
}

/// The first store that is there. Where there is none, the first place says so: it is where the installed daemon has it.
fn open(folders: &[PathBuf]) -> anyhow::Result<Reader> {
    let mut why = None;
    for folder in folders {
        match Reader::open(folder) {
            Ok(reader) => return Ok(reader),
            Err(error) => why = why.or(Some(error)),
        }
    }
    Err(why.map_or_else(|| anyhow::anyhow!("there is no place to look for a store"), anyhow::Error::from))
}

/// `local metrics [NAME] [--since T] [--json]`: every metric with its statistics since then, or the points of one.
pub fn metrics(reader: &Reader, name: Option<&str>, since: Duration, json: bool) -> anyhow::Result<()> {
    let from = Timestamp::now().minus(since);
    to_stdout(|out| match name {
        None => write_metrics(reader, from, json, out),
        Some(name) => write_points(reader, name, from, json, out),
    })
}

/// `local logs [GROUP [STREAM]] [--since T] [--json]`: every group and stream, or the events of one.
pub fn logs(
    reader: &Reader,
    group: Option<&str>,
    stream: Option<&str>,
    since: Option<Duration>,
    json: bool,
) -> anyhow::Result<()> {
    let from = since.map_or(Timestamp::from_millis(0), |since| Timestamp::now().minus(since));
    to_stdout(|out| match group {
        None => write_groups(reader, from, json, out),
        Some(group) => write_events(reader, group, stream, from, json, out),
    })
}

/// Standard output, buffered. Who closes the pipe (`| head`) has seen enough.
fn to_stdout(write: impl FnOnce(&mut dyn Write) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let mut out = BufWriter::new(io::stdout().lock());
    until_closed(write(&mut out).and_then(|()| out.flush().context("cannot write to standard output")))
}

fn until_closed(result: anyhow::Result<()>) -> anyhow::Result<()> {
    let closed = |error: &anyhow::Error| {
        error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
    };
    match result {
        Err(error) if closed(&error) => Ok(()),
        result => result,
    }
}

fn write_metrics(reader: &Reader, from: Timestamp, json: bool, out: &mut dyn Write) -> anyhow::Result<()> {
    let all = reader.series(None, from)?;
    if json {
        for series in &all {
            let (at, value) = series.latest.unzip();
            let line = json!({
                "namespace": series.namespace, "name": series.name, "dimensions": object(&series.dimensions),
                "unit": series.unit, "latest": value, "latest_at": at.map(Timestamp::rfc3339), "points": series.points,
                "min": series.min, "avg": series.average, "max": series.max,
            });
            writeln!(out, "{line}")?;
        }
        return Ok(());
    }
    if all.is_empty() {
        writeln!(out, "The store holds no metrics yet.")?;
        return Ok(());
    }
    let headings = ["NAME", "UNIT", "LATEST", "AT", "MIN", "AVG", "MAX", "POINTS", "NAMESPACE", "DIMENSIONS"];
    let row = |series: &Series| {
        [
            series.name.clone(),
            series.unit.clone(),
            cell(series.latest.map(|(_, value)| value)),
            series.latest.map_or_else(|| "-".to_owned(), |(at, _)| at.rfc3339()),
            cell(series.min),
            cell(series.average),
            cell(series.max),
            series.points.to_string(),
            series.namespace.clone(),
            pairs(&series.dimensions),
        ]
    };
    Ok(table(out, headings, [2, 4, 5, 6, 7], all.iter().map(row).collect())?)
}

fn write_points(reader: &Reader, name: &str, from: Timestamp, json: bool, out: &mut dyn Write) -> anyhow::Result<()> {
    let found = reader.series(Some(name), from)?;
    if found.is_empty() {
        bail!("no metric is called {name:?} here{}", suggestion(reader, name)?);
    }
    const NAMESPACE: &str = "NAMESPACE";
    let widest = found.iter().map(|series| series.namespace.chars().count()).max().unwrap_or(0).max(NAMESPACE.len());
    if !json {
        writeln!(
            out,
            "{:24}  {:>14}  {:>6}  {:16}  {NAMESPACE:widest$}  DIMENSIONS",
            "TIME", "VALUE", "COUNT", "UNIT"
        )?;
    }
    for series in &found {
        let dimensions = pairs(&series.dimensions);
        let write = |point: &StoredPoint| {
            let at = point.at.rfc3339();
            if json {
                let line = json!({
                    "time": at, "timestamp": point.at.as_millis(), "value": point.value, "count": point.count, "unit": series.unit,
                    "namespace": series.namespace, "name": series.name, "dimensions": object(&series.dimensions),
                });
                writeln!(out, "{line}")
            } else {
                let (value, count) = (number(point.value), number(point.count));
                let (unit, namespace) = (&series.unit, &series.namespace);
                let line = format!("{at:24}  {value:>14}  {count:>6}  {unit:16}  {namespace:widest$}  {dimensions}");
                writeln!(out, "{}", line.trim_end())
            }
        };
        paged(|page| Ok(reader.points(series, from, page)?), |point| point.cursor, write)?;
    }
    Ok(())
}

fn write_groups(reader: &Reader, from: Timestamp, json: bool, out: &mut dyn Write) -> anyhow::Result<()> {
    let mut rows = Vec::new();
    for group in reader.groups()? {
        let streams = reader.streams(&group.name, from)?.unwrap_or_default();
        let lines: Vec<Option<&Stream>> =
            if streams.is_empty() { vec![None] } else { streams.iter().map(Some).collect() };
        for stream in lines {
            let last = stream.and_then(|stream| stream.last).map(Timestamp::rfc3339);
            if json {
                let line = json!({
                    "group": group.name, "retention_in_days": group.retention_in_days,
                    "stream": stream.map(|stream| &stream.name), "events": stream.map_or(0, |stream| stream.events),
                    "last": last,
                });
                writeln!(out, "{line}")?;
                continue;
            }
            rows.push([
                group.name.clone(),
                stream.map_or_else(dash, |stream| shown(&stream.name).into_owned()),
                stream.map_or(0, |stream| stream.events).to_string(),
                last.unwrap_or_else(dash),
                group.retention_in_days.map_or_else(dash, |days| format!("{days} days")),
            ]);
        }
    }
    match (json, rows.is_empty()) {
        (true, _) => Ok(()),
        (false, true) => Ok(writeln!(out, "The store holds no logs yet.")?),
        (false, false) => Ok(table(out, ["GROUP", "STREAM", "EVENTS", "LAST EVENT", "RETENTION"], [2], rows)?),
    }
}

fn write_events(
    reader: &Reader,
    group: &str,
    stream: Option<&str>,
    from: Timestamp,
    json: bool,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let Some(streams) = reader.streams(group, from)? else {
        bail!("no log group is called {group:?} here: `local logs` lists all");
    };
    if let Some(stream) = stream
        && !streams.iter().any(|known| known.name == stream)
    {
        bail!("log group {group:?} has no stream {stream:?} here: `local logs` lists all");
    }
    let read = |page| Ok(reader.events(&EventQuery { group, stream, since: from, page })?);
    paged(
        read,
        |event| event.cursor,
        |event| {
            let at = event.at.rfc3339();
            if json {
                let line = json!({
                    "time": at, "timestamp": event.at.as_millis(), "group": group, "stream": event.stream,
                    "message": event.message,
                });
                writeln!(out, "{line}")
            } else {
                // Further lines of an event are set in, so that each event begins with its time.
                let message = shown(&event.message).replace('\n', "\n    ");
                writeln!(out, "{at} {} {message}", shown(&event.stream))
            }
        },
    )
}

/// Reads page after page and passes each row on.
fn paged<T>(
    read: impl Fn(Page) -> anyhow::Result<Vec<T>>,
    cursor: impl Fn(&T) -> Cursor,
    mut write: impl FnMut(&T) -> io::Result<()>,
) -> anyhow::Result<()> {
    let mut page = Page { after: None, limit: ROWS };
    loop {
        let rows = read(page)?;
        rows.iter().try_for_each(&mut write)?;
        if rows.len() < ROWS {
            return Ok(());
        }
        page.after = rows.last().map(&cursor);
    }
}

/// What to type instead.
fn suggestion(reader: &Reader, name: &str) -> anyhow::Result<String> {
    let all = reader.series(None, Timestamp::now())?;
    Ok(match config::nearest(name, all.iter().map(|series| series.name.as_str())) {
        Some(near) => format!(": did you mean {near:?}?"),
        None => ": `local metrics` lists all".into(),
    })
}

/// A value for people: three decimals at most, very small and very large ones with an exponent.
fn number(value: f64) -> String {
    let size = value.abs();
    if size != 0.0 && !(0.001..1e15).contains(&size) {
        return format!("{value:.3e}");
    }
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_string()
}

fn cell(value: Option<f64>) -> String {
    value.map_or_else(dash, number)
}

fn dash() -> String {
    "-".into()
}

fn pairs(dimensions: &[Dimension]) -> String {
    let pairs: Vec<_> = dimensions.iter().map(|d| format!("{}={}", d.name, d.value)).collect();
    pairs.join(", ")
}

fn object(dimensions: &[Dimension]) -> BTreeMap<&str, &str> {
    dimensions.iter().map(|d| (d.name.as_str(), d.value.as_str())).collect()
}

/// Logs are foreign text: what a terminal would obey is shown as an escape instead.
fn shown(text: &str) -> Cow<'_, str> {
    let obeyed = |c: char| c.is_control() && c != '\n' && c != '\t';
    if !text.contains(obeyed) {
        return Cow::Borrowed(text);
    }
    let escaped = |c: char| if obeyed(c) { c.escape_default().to_string() } else { c.to_string() };
    Cow::Owned(text.chars().map(escaped).collect())
}
