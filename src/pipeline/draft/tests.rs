use super::*;
use crate::{
    model::SourceId,
    model::limits::{LOG_BATCH_SPAN, MESSAGE_BYTES},
};
use proptest::prelude::*;

fn target() -> Arc<Target> {
    Arc::new(Target { group: "/a/\"b\"".into(), stream: "s".into(), ..Target::default() })
}

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn draft_of(events: &[(i64, &str)]) -> Draft {
    let mut draft = Draft::new(target());
    for &(millis, text) in events {
        draft.push(at(millis), TimedBy::Source, Text::Valid(text));
    }
    draft
}

fn read(batch: &LogBatch) -> Vec<(i64, String)> {
    batch.events().expect("valid JSON").into_iter().map(|e| (e.timestamp, e.message.into_owned())).collect()
}

#[test]
fn the_body_is_a_request_that_the_service_reads() {
    let draft = draft_of(&[(1, "one"), (2, "t\"wo")]);
    assert_eq!(draft.counted_bytes, 3 + 4 + 2 * 26);
    let batch = draft.finish(Bytes::from);
    let body: serde_json::Value = serde_json::from_slice(&batch.body).expect("valid JSON");
    assert_eq!(body["logGroupName"], "/a/\"b\"");
    assert_eq!(body["logEvents"][1]["message"], "t\"wo");
    let second = batch.index[1].start as usize;
    assert!(batch.body[second..].starts_with(br#"{"timestamp":2,"#));
}

#[test]
fn the_service_of_a_target_stands_in_front_of_its_events_and_survives_every_cut() {
    let entity = Entity { service: "a\"b".into(), environment: Some("prod".into()), account_id: Some("1".into()) };
    let target = Arc::new(Target { entity: Some(Arc::new(entity)), ..(*target()).clone() });
    let mut draft = Draft::new(target);
    for (millis, text) in [(2, "two"), (1, "one"), (3, "three")] {
        draft.push(at(millis), TimedBy::Source, Text::Valid(text));
    }
    let batch = draft.finish(Bytes::from);
    let (first, second) = batch.halves().expect("three");
    let later = batch.restamped(|place| place == 1, at(9)).expect("one");
    let expected = serde_json::json!({ "Type": "Service", "Name": "a\"b", "Environment": "prod", "AwsAccountId": "1" });
    for (part, messages) in [
        (&batch, vec!["one", "two", "three"]),
        (&first, vec!["one"]),
        (&second, vec!["two", "three"]),
        (&later, vec!["two"]),
    ] {
        let body: serde_json::Value = serde_json::from_slice(&part.body).expect("valid JSON");
        assert_eq!((&body["entity"]["keyAttributes"], &body["logGroupName"]), (&expected, &"/a/\"b\"".into()));
        let events: Vec<_> = read(part).into_iter().map(|(_, message)| message).collect();
        assert_eq!(events, messages);
    }
}

#[test]
fn events_out_of_order_leave_in_order_and_equal_times_keep_theirs() {
    let batch = draft_of(&[(5, "e"), (3, "a"), (5, "f"), (3, "b"), (4, "c")]).finish(Bytes::from);
    let expected = [(3, "a"), (3, "b"), (4, "c"), (5, "e"), (5, "f")];
    assert_eq!(read(&batch), expected.map(|(t, m)| (t, m.to_owned())));
    for &Slot { at, start, .. } in batch.index.iter() {
        let head = format!("{{\"timestamp\":{},", at.as_millis());
        assert!(batch.body[start as usize..].starts_with(head.as_bytes()));
    }
}

#[test]
fn a_batch_is_full_at_exactly_the_byte_limit() {
    let mut draft = Draft::new(target());
    let half = "x".repeat(LOG_BATCH_BYTES / 2 - EVENT_OVERHEAD);
    draft.push(at(0), TimedBy::Source, Text::Valid(&half));
    assert!(draft.fits(at(0), half.len()));
    assert!(!draft.fits(at(0), half.len() + 1));
}

#[test]
fn a_batch_of_control_characters_is_full_when_its_json_is_large() {
    let mut draft = Draft::new(target());
    let line = "\u{1}".repeat(100);
    while draft.fits(at(0), line.len()) {
        draft.push(at(0), TimedBy::Source, Text::Valid(&line));
    }
    assert!(draft.len() > LOG_BATCH_JSON - 1000 && draft.len() <= LOG_BATCH_JSON + 1000, "{}", draft.len());
    // What is alone is taken all the same: it must leave somehow.
    assert!(Draft::new(target()).fits(at(0), MESSAGE_BYTES));
}

#[test]
fn the_longest_message_fits_a_batch_of_its_own() {
    let mut draft = Draft::new(target());
    assert!(draft.fits(at(0), MESSAGE_BYTES));
    draft.push(at(0), TimedBy::Source, Text::Valid(&"x".repeat(MESSAGE_BYTES)));
    assert_eq!(draft.counted_bytes, LOG_BATCH_BYTES);
}

#[test]
fn a_batch_spans_no_more_than_a_day_in_either_direction() {
    let day = i64::try_from(LOG_BATCH_SPAN.as_millis()).expect("a day");
    let draft = draft_of(&[(day, "x")]);
    assert!(draft.fits(at(2 * day), 1) && draft.fits(at(0), 1));
    assert!(!draft.fits(at(2 * day + 1), 1) && !draft.fits(at(-1), 1));
}

#[test]
fn bytes_that_are_no_utf_8_are_replaced_and_counted_as_the_service_does() {
    let mut draft = Draft::new(target());
    let raw = Text::Raw(b"a\xffb\xf0\x9f\x98");
    draft.push(at(1), TimedBy::Source, raw);
    assert_eq!(draft.counted_bytes, "a\u{fffd}b\u{fffd}".len() + 26);
    assert_eq!(read(&draft.finish(Bytes::from))[0].1, "a\u{fffd}b\u{fffd}");
}

#[test]
fn contiguous_covers_of_a_source_become_one() {
    let (a, b) = (SourceId::unique(), SourceId::unique());
    let mut draft = Draft::new(target());
    for (source, from, to) in [(a, 0, 5), (b, 7, 9), (a, 5, 8), (a, 10, 12)] {
        draft.cover(Cover { source, from, to, position: None });
    }
    let covers: Vec<_> = draft.finish(Bytes::from).covers.iter().map(|c| (c.source, c.from, c.to)).collect();
    assert_eq!(covers, [(a, 0, 8), (b, 7, 9), (a, 10, 12)]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn whatever_is_pushed_leaves_complete_and_inside_every_limit(
        events in prop::collection::vec((0i64..200_000_000, prop::collection::vec(any::<u8>(), 1..40), 1usize..60_000), 1..60)
    ) {
        let (mut batches, mut counts, mut draft) = (vec![], vec![], Draft::new(target()));
        let mut sent = vec![];
        for (millis, seed, times) in &events {
            let bytes = seed.repeat(times / seed.len() + 1);
            let text = Text::Raw(&bytes);
            if !draft.fits(at(*millis), text.counted()) {
                counts.push(draft.counted_bytes);
                batches.push(std::mem::replace(&mut draft, Draft::new(target())).finish(Bytes::from));
            }
            draft.push(at(*millis), TimedBy::Source, text);
            sent.push((*millis, String::from_utf8_lossy(&bytes).into_owned()));
        }
        counts.push(draft.counted_bytes);
        batches.push(draft.finish(Bytes::from));
        let mut got = vec![];
        for (batch, expected) in batches.iter().zip(counts) {
            let events = read(batch);
            let counted: usize = events.iter().map(|(_, m)| m.len() + EVENT_OVERHEAD).sum();
            prop_assert_eq!(counted, expected);
            prop_assert!(counted <= LOG_BATCH_BYTES && events.len() <= LOG_BATCH_EVENTS);
            prop_assert!(events.is_sorted_by_key(|e| e.0));
            prop_assert!(events[events.len() - 1].0 - events[0].0 <= 86_400_000);
            got.extend(events);
        }
        got.sort();
        sent.sort();
        prop_assert_eq!(got, sent);
    }
}
