use super::*;
use crate::{
    local::{EventQuery, Page, Reader},
    model::{Point, Resolution, Slot, TimedBy, Unit},
    publish::Next,
};
use std::{borrow::Cow, fmt::Write};
use tempfile::TempDir;

const DAY: Duration = Duration::from_hours(24);
const ALL: Page = Page { after: None, limit: usize::MAX };
const EVER: Timestamp = Timestamp::from_millis(0);

struct Bench {
    folder: TempDir,
    store: Store,
}

fn bench() -> Bench {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let store = Store::open(folder.path(), DAY * 15).expect("a new store");
    Bench { folder, store }
}

impl Bench {
    async fn with_stream(self) -> Self {
        self.store.create_group(&target()).await.expect("a group");
        self.store.create_stream(&target()).await.expect("a stream");
        self
    }

    fn reader(&self) -> Reader {
        Reader::open(self.folder.path()).expect("readable")
    }

    fn messages(&self) -> Vec<String> {
        let query = EventQuery { group: "app", stream: None, since: EVER, page: ALL };
        self.reader().events(&query).expect("readable").into_iter().map(|event| event.message).collect()
    }

    fn values(&self, name: &str) -> Vec<f64> {
        let reader = self.reader();
        let series = reader.series(Some(name), EVER).expect("readable");
        let points = |series| reader.points(series, EVER, ALL).expect("readable");
        series.iter().flat_map(points).map(|point| point.value).collect()
    }

    async fn writer(&self) -> tokio::sync::MutexGuard<'_, Writer> {
        self.store.0.lock().await
    }
}

fn target() -> Target {
    Target { group: "app".into(), stream: "host".into(), ..Target::default() }
}

fn logs(events: &[(Timestamp, &str)]) -> LogBatch {
    let mut body = String::from(r#"{"logGroupName":"app","logStreamName":"host","logEvents":["#);
    let mut index = Vec::new();
    for (i, (at, message)) in events.iter().enumerate() {
        body.push_str(if i == 0 { "" } else { "," });
        let start = u32::try_from(body.len()).expect("short");
        index.push(Slot { at: *at, start, timed_by: TimedBy::Source });
        let message = serde_json::to_string(message).expect("text");
        write!(body, r#"{{"timestamp":{},"message":{message}}}"#, at.as_millis()).expect("into memory");
    }
    body.push_str("]}");
    LogBatch { target: Arc::new(target()), body: body.into(), index: index.into(), covers: Vec::new() }
}

fn point(name: &'static str, at: Timestamp, value: f64) -> Point {
    let dimensions = Arc::from([Dimension::new("Hostname", "h")]);
    Point {
        name: Cow::Borrowed(name),
        value: value.into(),
        unit: Unit::Percent,
        at,
        dimensions,
        resolution: Resolution::Minute,
    }
}

fn metrics(points: &[Point]) -> MetricBatch {
    MetricBatch { namespace: "System".into(), points: points.to_vec() }
}

fn why(error: &PutError) -> String {
    match error {
        PutError::Failed { source, .. } => source.to_string(),
        other => panic!("{other:?} is not a failure"),
    }
}

#[tokio::test]
async fn what_is_missing_is_asked_for_and_after_that_the_batch_is_accepted() {
    let bench = bench();
    let now = Timestamp::now();
    let batch = logs(&[(now, "one"), (now, "two")]);
    let error = bench.store.logs(&batch).await.expect_err("no group");
    assert_eq!(error.next(), Next::CreateThenRetry);
    assert!(matches!(bench.store.create_stream(&target()).await, Err(PutError::Missing { .. })), "no group yet");
    bench.store.create_group(&target()).await.expect("a group");
    assert!(matches!(bench.store.logs(&batch).await, Err(PutError::Missing { .. })), "no stream yet");
    bench.store.create_stream(&target()).await.expect("a stream");
    assert_eq!(bench.store.logs(&batch).await.expect("accepted"), Rejected::default());
    assert_eq!(bench.messages(), ["one", "two"]);
}

#[tokio::test]
async fn what_exists_already_is_a_success() {
    let bench = bench().with_stream().await;
    bench.store.create_group(&target()).await.expect("there already");
    bench.store.create_stream(&target()).await.expect("there already");
    bench.store.renew().await.expect("nothing to renew");
}

#[tokio::test]
async fn events_sent_twice_are_kept_twice() {
    let bench = bench().with_stream().await;
    let now = Timestamp::now();
    for _ in 0..2 {
        bench.store.logs(&logs(&[(now, "same")])).await.expect("accepted");
    }
    assert_eq!(bench.messages(), ["same", "same"]);
}

#[tokio::test]
async fn points_of_the_same_moment_are_all_kept() {
    let bench = bench();
    let now = Timestamp::now();
    bench.store.metrics(&metrics(&[point("Load", now, 1.0), point("Load", now, 2.0)])).await.expect("accepted");
    bench.store.metrics(&metrics(&[point("Load", now, 1.0)])).await.expect("accepted");
    assert_eq!(bench.values("Load"), [1.0, 2.0, 1.0]);
}

#[tokio::test]
async fn any_text_comes_back_as_it_went_in() {
    let bench = bench().with_stream().await;
    let texts = ["Grüße aus 東京 🚆", "\u{0}\u{1b}[31m\t\"quoted\"\\", "two\nlines", " "];
    let now = Timestamp::now();
    bench.store.logs(&logs(&texts.map(|text| (now, text)))).await.expect("accepted");
    assert_eq!(bench.messages(), texts);
}

#[tokio::test]
async fn dimensions_in_another_order_are_the_same_series() {
    let bench = bench();
    let now = Timestamp::now();
    let (a, b) = (Dimension::new("a", "1"), Dimension::new("b", "2"));
    for order in [[a.clone(), b.clone()], [b, a]] {
        let point = Point { dimensions: Arc::from(order), ..point("Load", now, 1.0) };
        bench.store.metrics(&metrics(&[point])).await.expect("accepted");
    }
    let series = bench.reader().series(None, EVER).expect("readable");
    assert_eq!((series.len(), series[0].points), (1, 2));
}

#[tokio::test]
async fn events_outside_the_accepted_times_are_counted_by_reason_and_the_rest_is_kept() {
    let bench = bench().with_stream().await;
    bench.store.set_retention(&Target { retention_in_days: Some(1), ..target() }).await.expect("offered");
    let now = Timestamp::now();
    let ahead = now.plus(Duration::from_hours(3));
    let put = |at, text| logs(&[(at, text)]);
    let of = |too_old, too_new, expired| Rejected { too_old, too_new, expired };
    assert_eq!(bench.store.logs(&put(now.minus(DAY * 15), "old")).await.expect("accepted"), of(1, 0, 0));
    assert_eq!(bench.store.logs(&put(now.minus(DAY * 2), "expired")).await.expect("accepted"), of(0, 0, 1));
    assert_eq!(bench.store.logs(&logs(&[(now, "kept"), (ahead, "new")])).await.expect("accepted"), of(0, 1, 0));
    assert_eq!(bench.messages(), ["kept"]);
}

#[tokio::test]
async fn a_request_that_breaks_a_rule_is_refused_and_leaves_nothing() {
    let bench = bench().with_stream().await;
    let now = Timestamp::now();
    let backwards = logs(&[(now, "later"), (now.minus(DAY), "earlier")]);
    let error = bench.store.logs(&backwards).await.expect_err("refused");
    assert_eq!(error.next(), Next::SetAside);
    let broken = LogBatch { body: "{".into(), ..backwards };
    assert_eq!(bench.store.logs(&broken).await.expect_err("refused").next(), Next::SetAside);
    let bad = metrics(&[point("Load", now, 1.0), point("Load", now, f64::NAN)]);
    let error = bench.store.metrics(&bad).await.expect_err("refused");
    assert!(matches!(&error, PutError::Refused { reason, .. } if reason.contains("Load")), "{error}");
    assert!(bench.messages().is_empty() && bench.values("Load").is_empty());
    let odd = Target { group: "a b".into(), stream: "c:d".into(), retention_in_days: Some(2), ..Target::default() };
    assert!(matches!(bench.store.create_group(&odd).await, Err(PutError::Refused { .. })));
    assert!(matches!(bench.store.create_stream(&odd).await, Err(PutError::Refused { .. })));
    assert!(matches!(bench.store.set_retention(&odd).await, Err(PutError::Refused { .. })));
}

#[tokio::test]
async fn a_retention_needs_its_group_and_a_target_without_one_leaves_the_groups_own() {
    let bench = bench();
    let week = Target { retention_in_days: Some(7), ..target() };
    assert!(matches!(bench.store.set_retention(&week).await, Err(PutError::Missing { .. })));
    let bench = bench.with_stream().await;
    bench.store.set_retention(&week).await.expect("offered");
    bench.store.set_retention(&target()).await.expect("nothing to set");
    assert_eq!(bench.reader().groups().expect("readable")[0].retention_in_days, Some(7));
}

#[tokio::test]
async fn a_reader_sees_whole_batches_while_the_store_writes() {
    let bench = bench().with_stream().await;
    let now = Timestamp::now();
    bench.store.logs(&logs(&[(now, "one")])).await.expect("accepted");
    let reader = bench.reader();
    let count = || reader.streams("app", EVER).expect("readable").expect("there")[0].events;
    let writer = bench.writer().await;
    writer.database.connection.execute_batch("BEGIN IMMEDIATE; DELETE FROM event").expect("in the middle of a batch");
    assert_eq!(count(), 1, "neither blocked nor half a batch");
    writer.database.connection.execute_batch("COMMIT").expect("done");
    assert_eq!(count(), 0);
}

#[tokio::test]
async fn a_full_disk_is_worth_another_try_and_loses_nothing() {
    let bench = bench().with_stream().await;
    let now = Timestamp::now();
    bench.store.logs(&logs(&[(now, "before")])).await.expect("accepted");
    let limit = async |pages: i64| {
        let writer = bench.writer().await;
        writer.database.connection.query_row(&format!("PRAGMA max_page_count = {pages}"), (), |_| Ok(())).expect("set");
    };
    limit(1).await; // Never below what the file has: not one page more.
    let long = "x".repeat(500_000);
    let batch = logs(&[(now, "first"), (now, &long)]);
    let error = bench.store.logs(&batch).await.expect_err("full");
    assert_eq!(error.next(), Next::Retry(None));
    assert!(why(&error).contains("no space left") && why(&error).contains("cloudwatch.db"), "{}", why(&error));
    assert_eq!(bench.messages(), ["before"], "nothing of the failed batch");
    limit(1_000_000).await;
    bench.store.logs(&batch).await.expect("room again");
    assert_eq!(bench.messages().len(), 3);
}

#[tokio::test]
async fn a_file_that_cannot_be_written_is_named_and_tried_again() {
    let bench = bench();
    bench.writer().await.database.connection.pragma_update(None, "query_only", true).expect("set");
    let error = bench.store.create_group(&target()).await.expect_err("read-only");
    assert_eq!(error.next(), Next::Retry(None));
    assert!(why(&error).contains("cloudwatch.db cannot be written"), "{}", why(&error));
}

#[tokio::test]
async fn a_store_opened_again_has_what_was_accepted() {
    let bench = bench().with_stream().await;
    let now = Timestamp::now();
    bench.store.logs(&logs(&[(now, "kept")])).await.expect("accepted");
    bench.store.metrics(&metrics(&[point("Load", now, 0.5)])).await.expect("accepted");
    let Bench { folder, store } = bench;
    drop(store);
    assert_eq!(Reader::open(folder.path()).expect("no daemon runs").groups().expect("readable").len(), 1);
    let store = Store::open(folder.path(), DAY).expect("opened again");
    let bench = Bench { folder, store };
    assert_eq!((bench.messages(), bench.values("Load")), (vec!["kept".to_string()], vec![0.5]));
}

#[cfg(unix)]
#[test]
fn a_new_store_is_for_its_user_only() {
    use std::os::unix::fs::PermissionsExt;
    let parent = tempfile::tempdir().expect("a temporary folder");
    let folder = parent.path().join("var").join("local");
    let _store = Store::open(&folder, DAY).expect("a new store");
    let mode = |path: &Path| std::fs::metadata(path).expect("it exists").permissions().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    for file in std::fs::read_dir(&folder).expect("a folder") {
        assert_eq!(mode(&file.expect("a file").path()), 0o600);
    }
}

#[cfg(unix)]
#[tokio::test]
async fn what_goes_into_a_removed_store_is_not_accepted_and_it_is_made_again() {
    let bench = bench().with_stream().await;
    let now = Timestamp::now();
    bench.store.logs(&logs(&[(now, "before")])).await.expect("accepted");
    std::fs::remove_dir_all(bench.folder.path()).expect("removed");
    let missing = bench.store.logs(&logs(&[(now, "after")])).await.expect_err("a new store has no such stream");
    assert_eq!(missing.next(), Next::CreateThenRetry);
    let bench = bench.with_stream().await;
    bench.store.logs(&logs(&[(now, "after")])).await.expect("accepted");
    assert_eq!(bench.messages(), ["after"]);
    // In the very moment: the write itself finds the file, its end does not.
    let gone = bench.folder.path().to_path_buf();
    let mid_way = bench.store.write(move |writer| {
        let done = writer.logs(&logs(&[(now, "lost with it")]), now);
        std::fs::remove_dir_all(gone).expect("removed");
        done
    });
    let error = mid_way.await.expect_err("not on any disk");
    assert!(matches!(error.next(), Next::Retry(_)), "{error:?}");
}
