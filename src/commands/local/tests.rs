use super::*;
use crate::{
    local::Store,
    model::{LogBatch, MetricBatch, Point, Resolution, Slot, Target, TimedBy, Unit},
    publish::Put,
};
use std::sync::Arc;
use tempfile::TempDir;

const EVER: Timestamp = Timestamp::from_millis(0);

struct Filled {
    _folder: TempDir,
    reader: Reader,
    /// When the newest point and event happened.
    now: Timestamp,
}

/// Two metrics, one of them on two disks, and a group whose two streams have an event each; a second group is empty.
async fn filled() -> Filled {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let store = Store::open(folder.path(), Duration::from_hours(24)).expect("a new store");
    let now = Timestamp::now();
    let point = |name: &'static str, value: f64, unit, dimensions: Vec<Dimension>, ago| Point {
        name: name.into(),
        value: value.into(),
        unit,
        at: now.minus(Duration::from_secs(ago)),
        dimensions: dimensions.into(),
        resolution: Resolution::Minute,
    };
    let points = vec![
        point("Load", 1.0, Unit::None, vec![], 60),
        point("Load", 2.0, Unit::None, vec![], 0),
        point("Disk", 33.0 + 1.0 / 3.0, Unit::Percent, vec![Dimension::new("path", "/")], 0),
        point("Disk", 5.0, Unit::Percent, vec![Dimension::new("path", "/var")], 7200),
    ];
    store.metrics(&MetricBatch { namespace: "System".into(), points }).await.expect("accepted");
    let target = |group: &str, stream: &str, days| Target {
        group: group.into(),
        stream: stream.into(),
        retention_in_days: days,
        ..Target::default()
    };
    store.create_group(&target("empty", "", None)).await.expect("a group");
    let first = target("app", "one", Some(7));
    store.create_group(&first).await.expect("a group");
    store.set_retention(&first).await.expect("offered");
    for (target, ago, message) in [(first, 5, "first\u{1b}[2J\nmore"), (target("app", "two", None), 0, "last")] {
        store.create_stream(&target).await.expect("a stream");
        let at = now.minus(Duration::from_secs(ago));
        let event = json!({ "timestamp": at.as_millis(), "message": message });
        let body = json!({ "logGroupName": target.group, "logStreamName": target.stream, "logEvents": [event] });
        let batch = LogBatch {
            target: Arc::new(target),
            body: body.to_string().into(),
            index: Arc::from([Slot { at, start: 0, timed_by: TimedBy::Source }]),
            covers: Vec::new(),
        };
        store.logs(&batch).await.expect("accepted");
    }
    let reader = Reader::open(folder.path()).expect("readable");
    Filled { _folder: folder, reader, now }
}

fn text(write: impl FnOnce(&mut dyn Write) -> anyhow::Result<()>) -> String {
    let mut out = Vec::new();
    write(&mut out).expect("written");
    String::from_utf8(out).expect("text")
}

fn documents(text: &str) -> Vec<serde_json::Value> {
    text.lines().map(|line| serde_json::from_str(line).expect("one document a line")).collect()
}

#[tokio::test]
async fn metrics_are_an_aligned_table() {
    let filled = filled().await;
    let hour = filled.now.minus(Duration::from_hours(1));
    let table = text(|out| write_metrics(&filled.reader, hour, false, out));
    let at = |series: usize| {
        let series = &filled.reader.series(None, hour).expect("read")[series];
        series.latest.map(|(at, _)| at.rfc3339()).expect("a point")
    };
    let heading = format!("{:width$}", "AT", width = at(0).len());
    let expected = format!(
        "\
NAME  UNIT     LATEST  {heading}     MIN     AVG     MAX  POINTS  NAMESPACE  DIMENSIONS
Disk  Percent  33.333  {}  33.333  33.333  33.333       1  System     path=/
Disk  Percent       5  {}       -       -       -       0  System     path=/var
Load  None          2  {}       1     1.5       2       2  System
",
        at(0),
        at(1),
        at(2)
    );
    assert_eq!(table, expected);
}

#[tokio::test]
async fn metrics_for_programs_are_exact() {
    let filled = filled().await;
    let hour = filled.now.minus(Duration::from_hours(1));
    let lines = documents(&text(|out| write_metrics(&filled.reader, hour, true, out)));
    assert_eq!(lines.len(), 3);
    assert_eq!(lines[0]["latest"], json!(33.0 + 1.0 / 3.0));
    assert_eq!(lines[0]["dimensions"], json!({ "path": "/" }));
    assert_eq!(lines[1]["min"], json!(null));
    assert_eq!(lines[2]["latest_at"], json!(filled.now.rfc3339()));
}

#[tokio::test]
async fn one_metric_shows_its_points_since_then() {
    let filled = filled().await;
    let show = |from| text(|out| write_points(&filled.reader, "Load", from, false, out));
    let all = show(EVER);
    let lines: Vec<_> = all.lines().collect();
    assert_eq!(lines.len(), 3, "{all}");
    assert_eq!(lines[2], format!("{}               2       1  None              System", filled.now.rfc3339()));
    assert_eq!(lines[0].find("NAMESPACE"), lines[2].find("System"));
    assert_eq!(show(filled.now).lines().count(), 2);
    let lines = documents(&text(|out| write_points(&filled.reader, "Load", EVER, true, out)));
    assert_eq!(lines[1]["value"], json!(2.0));
    assert_eq!(lines[1]["timestamp"], json!(filled.now.as_millis()));
}

#[tokio::test]
async fn an_unknown_name_is_an_error_with_a_suggestion() {
    let filled = filled().await;
    let mut out = Vec::new();
    let error = write_points(&filled.reader, "lod", EVER, false, &mut out).expect_err("unknown");
    assert_eq!(error.to_string(), r#"no metric is called "lod" here: did you mean "Load"?"#);
    let error = write_points(&filled.reader, "xyz", EVER, false, &mut out).expect_err("unknown");
    assert!(error.to_string().contains("`local metrics` lists all"), "{error}");
    for (group, stream) in [("none", None), ("app", Some("three"))] {
        let error = write_events(&filled.reader, group, stream, EVER, false, &mut out).expect_err("unknown");
        assert!(error.to_string().contains("`local logs` lists all"), "{error}");
    }
    assert!(out.is_empty());
}

#[tokio::test]
async fn groups_and_streams_are_an_aligned_table() {
    let filled = filled().await;
    let table = text(|out| write_groups(&filled.reader, EVER, false, out));
    let expected = format!(
        "\
GROUP  STREAM  EVENTS  LAST EVENT                RETENTION
app    one          1  {}  7 days
app    two          1  {}  7 days
empty  -            0  -                         -
",
        filled.now.minus(Duration::from_secs(5)).rfc3339(),
        filled.now.rfc3339()
    );
    assert_eq!(table, expected);
    let lines = documents(&text(|out| write_groups(&filled.reader, filled.now, true, out)));
    let events: Vec<_> = lines.iter().map(|line| (&line["stream"], &line["events"])).collect();
    assert_eq!(events, [(&json!("one"), &json!(0)), (&json!("two"), &json!(1)), (&json!(null), &json!(0))]);
}

#[tokio::test]
async fn events_are_lines_that_no_terminal_obeys() {
    let filled = filled().await;
    let show = |stream, from, json| text(|out| write_events(&filled.reader, "app", stream, from, json, out));
    let first = filled.now.minus(Duration::from_secs(5)).rfc3339();
    let last = filled.now.rfc3339();
    assert_eq!(show(None, EVER, false), format!("{first} one first\\u{{1b}}[2J\n    more\n{last} two last\n"));
    assert_eq!(show(Some("two"), EVER, false), format!("{last} two last\n"));
    assert_eq!(show(Some("one"), filled.now, false), "");
    let lines = documents(&show(None, EVER, true));
    assert_eq!(lines[0]["message"], json!("first\u{1b}[2J\nmore"));
    assert_eq!((&lines[1]["group"], &lines[1]["stream"]), (&json!("app"), &json!("two")));
}

#[test]
fn an_empty_store_says_so_to_people_and_nothing_to_programs() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let _store = Store::open(folder.path(), Duration::from_hours(1)).expect("a new store");
    let reader = Reader::open(folder.path()).expect("readable");
    assert_eq!(text(|out| write_metrics(&reader, EVER, false, out)), "The store holds no metrics yet.\n");
    assert_eq!(text(|out| write_groups(&reader, EVER, false, out)), "The store holds no logs yet.\n");
    assert_eq!(text(|out| write_metrics(&reader, EVER, true, out)), "");
    assert_eq!(text(|out| write_groups(&reader, EVER, true, out)), "");
}

#[test]
fn a_missing_store_names_the_command_that_makes_it() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let error = open(&[folder.path().to_owned(), folder.path().join("other")]).expect_err("nothing there");
    assert!(error.to_string().contains("run CONFIG --local="), "{error}");
}

#[test]
fn long_answers_are_read_page_by_page_to_their_end() {
    let all: Vec<usize> = (0..2 * ROWS + 1).collect();
    let pages = std::cell::Cell::new(0);
    let read = |page: Page| {
        assert_eq!(page.after.is_some(), pages.get() > 0);
        let start = pages.replace(pages.get() + 1) * ROWS;
        Ok(all[start..].iter().copied().take(page.limit).collect())
    };
    let mut seen = Vec::new();
    let write = |row: &usize| {
        seen.push(*row);
        Ok(())
    };
    paged(read, |_| Cursor::default(), write).expect("written");
    assert_eq!(seen, all);
}

#[tokio::test]
async fn a_closed_pipe_ends_quietly_and_other_failures_do_not() {
    struct Closed(io::ErrorKind);
    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Err(self.0.into())
        }
    }
    let filled = filled().await;
    let write = |kind| write_metrics(&filled.reader, EVER, false, &mut Closed(kind));
    assert!(write(io::ErrorKind::BrokenPipe).is_err());
    assert!(until_closed(write(io::ErrorKind::BrokenPipe)).is_ok());
    assert!(until_closed(write(io::ErrorKind::StorageFull)).is_err());
    let flushed = Closed(io::ErrorKind::BrokenPipe).flush().context("cannot write to standard output");
    assert!(until_closed(flushed).is_ok());
}

#[test]
fn values_are_short_for_people() {
    let shown: Vec<_> = [0.0, 2.0, 0.5, 33.0 + 1.0 / 3.0, -1.25, 1e-5, 2f64.powi(200)].map(number).into();
    assert_eq!(shown, ["0", "2", "0.5", "33.333", "-1.25", "1.000e-5", "1.607e60"]);
}
