//! `docs/METRICS.md`, made of the tables: the test fails where the page differs. To write it anew, run that test with
//! `WRITE_METRICS_PAGE=1`.
use super::{Kind, Systems, TABLES, Table};
use crate::config::metrics::plugins::NO_PLUGINS;
use std::{fmt::Write, fs, path::Path};

const HEAD: &str = "\
# Metrics

What each plugin of `metrics.metrics_collected` can measure: what to write into `measurement`, the name under which
CloudWatch gets it, its unit, and the systems that have it; and what is measured without a key there. How all of it is
configured stands in [CONFIG.md](CONFIG.md#section-metrics).

- A **gauge** is published as it is read.
- A **delta** is the growth of a counter since the reading before: the first reading publishes nothing, nor does one
  in which the counter went back.
- On Windows there is a space behind the plugin's name instead of the first underscore (`procstat cpu_usage`).

This page is made of the tables in `src/config/measurements/`; a test compares them.

## Plugins

";

const OTHERS: &str = "
## Beside the plugins

These are no keys of `metrics.metrics_collected`. The thirteen run by themselves in the publisher's dialect where no
`metrics.critical` is named; response times stand in `metrics.response_time`.

";

fn contents(tables: &[&Table], page: &mut String) {
    for table in tables {
        _ = writeln!(page, "- [`{0}`](#{0}): {1}", table.key, table.summary);
    }
}

fn page() -> String {
    let mut page = HEAD.to_owned();
    let (others, plugins): (Vec<_>, Vec<_>) = TABLES.iter().partition(|table| NO_PLUGINS.contains(&table.key));
    contents(&plugins, &mut page);
    page.push_str(OTHERS);
    contents(&others, &mut page);
    for table in TABLES {
        section(table, &mut page);
    }
    page
}

fn section(table: &Table, page: &mut String) {
    _ = writeln!(page, "\n## `{}`\n\n{}.\n", table.key, capital(table.summary));
    if table.fields.is_empty() {
        _ = writeln!(page, "It publishes whatever it finds, as `{}...`, without a unit.", table.prefix);
        return;
    }
    page.push_str("| Measurement | Published as | Unit | Kind | Systems |\n|---|---|---|---|---|\n");
    for field in table.fields {
        let kind = match field.kind {
            Kind::Gauge => "gauge",
            Kind::Delta => "delta",
        };
        let published = format!("{}{}", table.prefix, field.name);
        let unit = field.unit.as_str();
        _ = writeln!(page, "| `{}` | `{published}` | {unit} | {kind} | {} |", field.name, systems(field.on));
    }
}

fn systems(on: Systems) -> String {
    let named = [(on.linux, "Linux"), (on.macos, "macOS"), (on.windows, "Windows")];
    let names: Vec<_> = named.into_iter().filter_map(|(has, name)| has.then_some(name)).collect();
    match names.as_slice() {
        [] => "none; taken, and never published".to_owned(),
        names => names.join(", "),
    }
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect()
}

#[test]
fn the_page_of_the_metrics_is_true() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/METRICS.md");
    if std::env::var_os("WRITE_METRICS_PAGE").is_some() {
        fs::write(&path, page()).expect("the page");
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert!(found == page(), "docs/METRICS.md differs from the tables: run this test with WRITE_METRICS_PAGE=1");
}
