//! What a target has beside its names: class, retention, metrics in its events, its service.
use super::*;
use crate::model::{Entity, LogGroupClass};

fn batch_of(target: Target, messages: &[&str]) -> LogBatch {
    let (mut body, mut index) = (br#"{"logEvents":["#.to_vec(), vec![]);
    for (place, message) in messages.iter().enumerate() {
        if place > 0 {
            body.push(b',');
        }
        index.push(slot(1, u32::try_from(body.len()).expect("small")));
        let message = serde_json::to_string(message).expect("text");
        body.extend_from_slice(format!(r#"{{"timestamp":1,"message":{message}}}"#).as_bytes());
    }
    body.extend_from_slice(b"]}");
    LogBatch { target: Arc::new(target), body: body.into(), index: index.into(), covers: vec![] }
}

const METRIC: &str = r#"{"_aws":{"Timestamp":1,"CloudWatchMetrics":[]},"a":1}"#;

#[tokio::test]
async fn a_batch_says_that_there_are_metrics_in_its_events_when_there_are_or_its_target_says_so() {
    let (fake, connection) = aws(|_| json(200, "{}")).await;
    let put = |target: Target, messages: &'static [&'static str]| {
        let put = &connection.put;
        async move { put.logs(&batch_of(target, messages)).await.expect("accepted") }
    };
    put(Target::default(), &["plain", METRIC]).await;
    put(Target::default(), &["plain", "{\"a\":1}"]).await;
    put(Target::default(), &["of \"CloudWatchMetrics\" speaks a line", "{}"]).await;
    put(Target { emf: true, ..Target::default() }, &["plain"]).await;
    let seen = fake.seen();
    let formats: Vec<_> = seen.iter().filter(|seen| seen.action() == "PutLogEvents").collect();
    let formats: Vec<_> = formats.into_iter().map(|seen| seen.header("x-amzn-logs-format")).collect();
    assert_eq!(formats, ["json/emf", "", "", "json/emf"]);
}

#[tokio::test]
async fn the_class_is_named_when_a_group_is_made_and_only_where_the_target_has_one() {
    let (fake, connection) = aws(|_| json(200, "{}")).await;
    let infrequent = Target { class: Some(LogGroupClass::InfrequentAccess), ..(*target()).clone() };
    connection.put.create_group(&infrequent).await.expect("made");
    connection.put.create_group(&target()).await.expect("made");
    let seen = fake.seen();
    let classes: Vec<_> = seen.iter().filter(|seen| seen.action() == "CreateLogGroup").map(Seen::json).collect();
    assert_eq!((&classes[0]["logGroupClass"], &classes[1]["logGroupClass"]), (&"INFREQUENT_ACCESS".into(), &().into()));
}

#[tokio::test]
async fn the_retention_of_a_group_is_that_of_the_group_of_exactly_its_name() {
    let (_fake, connection) =
        aws(|_| json(200, r#"{"logGroups":[{"logGroupName":"/g/1","retentionInDays":5},{"logGroupName":"/g/10"}]}"#))
            .await;
    assert_eq!(connection.put.retention(&target()).await.expect("known"), Some(5));
    let for_ever = Target { group: "/g/10".into(), ..Target::default() };
    assert_eq!(connection.put.retention(&for_ever).await.expect("known"), None);
    let missing = Target { group: "/g".into(), ..Target::default() };
    assert!(matches!(connection.put.retention(&missing).await, Err(PutError::Missing { .. })));
}

#[tokio::test]
async fn a_service_that_is_not_taken_rejects_no_event() {
    let (_fake, connection) = aws(|_| json(200, r#"{"rejectedEntityInfo":{"errorType":"InvalidEntity"}}"#)).await;
    let entity = Arc::new(Entity { service: "shop".into(), ..Entity::default() });
    let batch = batch_of(Target { entity: Some(entity), ..Target::default() }, &["a"]);
    assert_eq!(connection.put.logs(&batch).await.expect("accepted"), Rejected::default());
}
