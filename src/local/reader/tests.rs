use super::*;
use tempfile::TempDir;

const EVER: Timestamp = Timestamp::from_millis(0);

/// Two groups, three streams, and events that share milliseconds across streams; two series of one metric.
fn filled() -> (TempDir, Reader) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let database = Database::create(folder.path()).expect("a new store");
    let rows = r#"
        INSERT INTO log_group VALUES (1, 'app', 7, 5), (2, 'bare', NULL, 5);
        INSERT INTO log_stream VALUES (1, 1, 'b', 5), (2, 1, 'a', 5);
        INSERT INTO event VALUES
            (1, 1, 10, 'one'), (2, 2, 10, 'two'), (3, 1, 10, 'three'),
            (4, 2, 30, 'five'), (5, 1, 20, 'four');
        INSERT INTO series VALUES
            (1, 'Load', 'System', '{"Hostname":"h","path":"/"}', 'None'),
            (2, 'Load', 'Other', '{}', 'Percent'),
            (3, 'Idle', 'System', '{}', 'None');
        INSERT INTO point (series, at, n, value) VALUES (1, 10, 0, 4.0), (1, 20, 0, 1.0), (1, 20, 1, 3.0), (2, 10, 0, 7.5);"#;
    database.connection.execute_batch(rows).expect("rows");
    let reader = Reader::open(folder.path()).expect("readable");
    (folder, reader)
}

fn messages(reader: &Reader, stream: Option<&str>, since: i64, page: Page) -> Vec<String> {
    let query = EventQuery { group: "app", stream, since: Timestamp::from_millis(since), page };
    reader.events(&query).expect("readable").into_iter().map(|event| event.message).collect()
}

const ALL: Page = Page { after: None, limit: 100 };

#[test]
fn series_are_sorted_and_their_statistics_are_over_the_time_asked_for() {
    let (_folder, reader) = filled();
    let all = reader.series(None, EVER).expect("readable");
    let names: Vec<_> = all.iter().map(|s| (s.name.as_str(), s.namespace.as_str(), s.points)).collect();
    assert_eq!(names, [("Idle", "System", 0), ("Load", "Other", 1), ("Load", "System", 3)]);
    assert_eq!((all[0].latest, all[0].min), (None, None));
    assert_eq!(all[2].dimensions, [Dimension::new("Hostname", "h"), Dimension::new("path", "/")]);
    let late = &reader.series(Some("Load"), Timestamp::from_millis(20)).expect("readable");
    assert_eq!(late[0].latest, Some((Timestamp::from_millis(10), 7.5)), "the newest, however old");
    assert_eq!((late[0].points, late[0].average), (0, None));
    assert_eq!(late[1].latest, Some((Timestamp::from_millis(20), 3.0)));
    assert_eq!((late[1].points, late[1].min, late[1].average, late[1].max), (2, Some(1.0), Some(2.0), Some(3.0)));
    assert!(reader.series(Some("load"), EVER).expect("readable").is_empty());
}

#[test]
fn points_come_in_pages_and_none_twice() {
    let (_folder, reader) = filled();
    let series = reader.series(Some("Load"), EVER).expect("readable").remove(1);
    let mut page = Page { after: None, limit: 2 };
    let first = reader.points(&series, EVER, page).expect("readable");
    page.after = first.last().map(|point| point.cursor);
    let second = reader.points(&series, EVER, page).expect("readable");
    let values: Vec<_> = first.iter().chain(&second).map(|point| point.value).collect();
    assert_eq!(values, [4.0, 1.0, 3.0]);
    assert_eq!(reader.points(&series, Timestamp::from_millis(11), ALL).expect("readable").len(), 2);
}

#[test]
fn events_of_all_streams_come_in_the_order_of_time_and_arrival() {
    let (_folder, reader) = filled();
    assert_eq!(messages(&reader, None, 0, ALL), ["one", "two", "three", "four", "five"]);
    assert_eq!(messages(&reader, Some("b"), 0, ALL), ["one", "three", "four"]);
    assert_eq!(messages(&reader, None, 11, ALL), ["four", "five"]);
    assert!(messages(&reader, Some("c"), 0, ALL).is_empty());
}

#[test]
fn events_come_in_pages_and_none_twice() {
    let (_folder, reader) = filled();
    for limit in 1..=6 {
        let mut page = Page { after: None, limit };
        let mut seen = Vec::new();
        loop {
            let query = EventQuery { group: "app", stream: None, since: EVER, page };
            let events = reader.events(&query).expect("readable");
            assert!(events.len() <= limit);
            page.after = events.last().map(|event| event.cursor);
            let done = events.len() < limit;
            seen.extend(events.into_iter().map(|event| event.message));
            if done {
                break;
            }
        }
        assert_eq!(seen, ["one", "two", "three", "four", "five"], "pages of {limit}");
    }
}

#[test]
fn groups_and_streams_show_what_they_hold() {
    let (_folder, reader) = filled();
    let groups = reader.groups().expect("readable");
    let shown: Vec<_> = groups.iter().map(|g| (g.name.as_str(), g.retention_in_days)).collect();
    assert_eq!(shown, [("app", Some(7)), ("bare", None)]);
    let streams = reader.streams("app", Timestamp::from_millis(20)).expect("readable").expect("there");
    let shown: Vec<_> = streams.iter().map(|s| (s.name.as_str(), s.events, s.last.map(Timestamp::as_millis))).collect();
    assert_eq!(shown, [("a", 1, Some(30)), ("b", 1, Some(20))]);
    assert_eq!(reader.streams("bare", EVER).expect("readable"), Some(Vec::new()));
    assert_eq!(reader.streams("none", EVER).expect("readable"), None);
}

#[test]
fn a_page_of_events_is_found_by_the_index() {
    let (_folder, reader) = filled();
    let sql = "EXPLAIN QUERY PLAN
        SELECT id FROM event WHERE stream = 1 AND (at, id) > (5, 5) ORDER BY at, id LIMIT 9";
    let plan = reader.rows(sql, (), |row| row.get::<_, String>(3)).expect("a plan").join("\n");
    assert!(plan.contains("COVERING INDEX event_by_time (stream=? AND at>?)"), "{plan}");
    assert!(!plan.contains("TEMP B-TREE"), "{plan}");
}

#[test]
fn a_damaged_page_is_an_error_that_names_the_file() {
    let (folder, reader) = filled();
    drop(reader);
    // The last writer to close merges its log file into the database.
    drop(Database::create(folder.path()).expect("the same store"));
    let file = folder.path().join("cloudwatch.db");
    let mut bytes = std::fs::read(&file).expect("readable");
    // The header and the schema on the first page stay good.
    bytes[4096..].fill(0xff);
    std::fs::write(&file, &bytes).expect("writable");
    let reader = Reader::open(folder.path()).expect("the first page is good");
    let error = reader.groups().expect_err("damaged");
    assert!(matches!(error, LocalError::Damaged { .. }), "{error:?}");
    assert!(error.to_string().contains(&file.display().to_string()));
}
