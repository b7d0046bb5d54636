use super::*;
use crate::logs::emf::split::{METRICS, VALUES};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeMap;

fn fallback() -> Fallback {
    Fallback { group: None, stream: "usual".into() }
}

/// A document of version 1 with these directives and members.
fn document(directives: &Value, members: &Value) -> String {
    let aws = json!({ "Timestamp": 1, "LogGroupName": "/emf", "CloudWatchMetrics": directives });
    let mut document = json!({ "_aws": aws });
    for (name, value) in members.as_object().expect("an object") {
        document[name] = value.clone();
    }
    document.to_string()
}

fn names(count: usize) -> Vec<Value> {
    (0..count).map(|n| json!({ "Name": format!("m{n}"), "Unit": "Count" })).collect()
}

fn refused(text: &str) -> Fault {
    read(text.as_bytes(), &fallback()).expect_err("refused")
}

fn parts(text: &str) -> (Vec<Value>, Vec<Fault>) {
    let fallback = fallback();
    let accepted = read(text.as_bytes(), &fallback).expect("accepted");
    let texts = match accepted.texts {
        Texts::Whole(text) => vec![text.to_owned()],
        Texts::Parts(parts) => parts,
    };
    (texts.iter().map(|text| serde_json::from_str(text).expect("JSON")).collect(), accepted.faults)
}

#[test]
fn a_good_document_travels_byte_for_byte() {
    let text = r#" { "b":1.50, "_aws":{"LogGroupName":"/g","LogStreamName":"s","CloudWatchMetrics":[{"Namespace":"N","Dimensions":[["d"],[]],
        "Metrics":[{"Name":"b","StorageResolution":1}]}]}, "d":"x", "big":12345678901234567890123 }"#;
    let fallback = fallback();
    let accepted = read(text.as_bytes(), &fallback).expect("good");
    assert_eq!((&*accepted.group, &*accepted.stream), ("/g", "s"));
    assert_eq!((accepted.texts, accepted.faults), (Texts::Whole(text), vec![]));
}

#[test]
fn group_and_stream_are_those_of_version_1_then_of_version_0_then_the_configured_ones() {
    let with_group = Fallback { group: Some("/usual".into()), stream: "usual".into() };
    for (text, group, stream) in [
        (r#"{"_aws":{"LogGroupName":"a","LogStreamName":"b"},"log_group_name":"c","log_stream_name":"d"}"#, "a", "b"),
        (r#"{"log_group_name":"c","log_stream_name":"d"}"#, "c", "d"),
        (r#"{"_aws":{"LogGroupName":""},"log_group_name":"c"}"#, "c", "usual"),
        (r#"{"x":1}"#, "/usual", "usual"),
    ] {
        let accepted = read(text.as_bytes(), &with_group).expect("accepted");
        assert_eq!((&*accepted.group, &*accepted.stream), (group, stream), "{text}");
    }
    assert_eq!(refused(r#"{"x":1}"#), Fault::NoGroup);
}

#[test]
fn a_name_that_the_service_would_refuse_is_refused_here() {
    for text in [
        r#"{"log_group_name":"a b"}"#.to_owned(),
        format!(r#"{{"log_group_name":"{}"}}"#, "x".repeat(513)),
        r#"{"log_group_name":"a","log_stream_name":"a:b"}"#.to_owned(),
    ] {
        assert!(matches!(refused(&text), Fault::Name { .. }), "{text}");
    }
}

#[test]
fn what_is_no_json_object_is_refused_and_not_a_number_is_named() {
    for text in ["", "x", "[]", "1", "{\"a\":1", "{\"a\":1} x", "null"] {
        assert!(matches!(refused(text), Fault::NotJson(_)), "{text}");
    }
    assert!(matches!(read(b"{\"a\":\"\xff\"}", &fallback()), Err(Fault::NotJson(_))));
    assert_eq!(refused(r#"{"log_group_name":"a","x":NaN}"#), Fault::NotANumber("NaN"));
    assert_eq!(refused("{\"log_group_name\":\"ü\",\n\"x\":-Infinity}"), Fault::NotANumber("Infinity"));
}

#[test]
fn a_document_of_which_nothing_holds_is_refused_with_the_reason() {
    let good = json!([{ "Name": "m" }]);
    for (directive, members, fault) in [
        (json!({ "Metrics": good }), json!({ "m": 1 }), Fault::NoNamespace),
        (json!({ "Namespace": "", "Metrics": good }), json!({ "m": 1 }), Fault::NoNamespace),
        (json!({ "Namespace": "N" }), json!({}), Fault::Form("Metrics")),
        (json!({ "Namespace": "N", "Metrics": good, "Dimensions": "d" }), json!({ "m": 1 }), Fault::Form("Dimensions")),
        (json!({ "Namespace": "N", "Metrics": good }), json!({}), Fault::NoMetric("m".into())),
        (json!({ "Namespace": "N", "Metrics": good }), json!({ "m": "1" }), Fault::MetricValue("m".into())),
        (json!({ "Namespace": "N", "Metrics": good }), json!({ "m": [1, null] }), Fault::MetricValue("m".into())),
        (json!({ "Namespace": "N", "Metrics": good }), json!({ "m": 1e300 }), Fault::MetricValue("m".into())),
        (
            json!({ "Namespace": "N", "Metrics": good, "Dimensions": [["d"]] }),
            json!({ "m": 1 }),
            Fault::NoDimension("d".into()),
        ),
        (
            json!({ "Namespace": "N", "Metrics": good, "Dimensions": [["d"]] }),
            json!({ "m": 1, "d": "x".repeat(DIMENSION_VALUE + 1) }),
            Fault::DimensionValue("d".into()),
        ),
        (
            json!({ "Namespace": "N", "Metrics": good, "Dimensions": [vec!["d"; DIMENSIONS + 1]] }),
            json!({ "m": 1, "d": "x" }),
            Fault::Dimensions { found: DIMENSIONS + 1 },
        ),
    ] {
        assert_eq!(refused(&document(&json!([directive]), &members)), fault);
    }
    assert_eq!(refused(r#"{"_aws":1,"log_group_name":"a"}"#), Fault::Form("_aws"));
}

#[test]
fn what_does_not_hold_is_left_out_and_the_rest_travels() {
    let directives = json!([
        { "Namespace": "A", "Dimensions": [["d"], ["missing"]], "Metrics": [{ "Name": "good" }, { "Name": "bad" }] },
        { "Metrics": [{ "Name": "good" }] },
    ]);
    let text = document(&directives, &json!({ "good": 1, "bad": "x", "d": "v" }));
    let (parts, faults) = parts(&text);
    let kept = json!([{ "Namespace": "A", "Dimensions": [["d"]], "Metrics": [{ "Name": "good" }] }]);
    assert_eq!(parts.len(), 1);
    assert_eq!(parts[0]["_aws"]["CloudWatchMetrics"], kept);
    assert_eq!((&parts[0]["_aws"]["Timestamp"], &parts[0]["bad"]), (&json!(1), &json!("x")), "nothing else is lost");
    let expected = [Fault::NoDimension("missing".into()), Fault::MetricValue("bad".into()), Fault::NoNamespace];
    assert_eq!(faults, expected);
}

#[test]
fn a_directive_of_250_metrics_becomes_three_documents_with_the_same_members_beside_their_own() {
    let directive = json!({ "Namespace": "N", "Dimensions": [["d"]], "Metrics": names(250) });
    let mut members = json!({ "d": "v", "request": "r-1" });
    (0..250).for_each(|n| members[format!("m{n}")] = json!(n));
    let (parts, faults) = parts(&document(&json!([directive]), &members));
    assert_eq!(faults, []);
    let counts: Vec<_> =
        parts.iter().map(|p| p["_aws"]["CloudWatchMetrics"][0]["Metrics"].as_array().map_or(0, Vec::len)).collect();
    assert_eq!(counts, [100, 100, 50]);
    for part in &parts {
        assert_eq!((&part["d"], &part["request"], &part["_aws"]["Timestamp"]), (&json!("v"), &json!("r-1"), &json!(1)));
    }
    assert_eq!((&parts[0]["m99"], parts[0].get("m100"), &parts[1]["m100"]), (&json!(99), None, &json!(100)));
}

#[test]
fn version_0_has_its_directives_at_the_root() {
    let mut document = json!({ "log_group_name": "/g", "Version": "0",
        "CloudWatchMetrics": [{ "Namespace": "N", "Dimensions": [[]], "Metrics": names(150) }] });
    (0..150).for_each(|n| document[format!("m{n}")] = json!(n));
    let (parts, _) = parts(&document.to_string());
    assert_eq!(parts.len(), 2);
    assert_eq!(parts[1]["CloudWatchMetrics"][0]["Metrics"].as_array().map(Vec::len), Some(50));
    assert_eq!(parts[1]["Version"], "0");
}

#[test]
fn parts_that_would_be_far_larger_than_their_document_are_refused() {
    let directive = json!({ "Namespace": "N", "Metrics": names(3_000) });
    let mut members = json!({ "payload": "x".repeat(500_000) });
    (0..3_000).for_each(|n| members[format!("m{n}")] = json!(n));
    assert_eq!(refused(&document(&json!([directive]), &members)), Fault::TooLarge);
    let long = format!(r#"{{"log_group_name":"a","x":"{}"}}"#, "x".repeat(MESSAGE_BYTES));
    assert_eq!(refused(&long), Fault::TooLarge);
}

/// Each metric of each directive with its values, in the order of the parts.
fn series(documents: &[Value]) -> BTreeMap<(String, String), Vec<f64>> {
    let mut found = BTreeMap::<_, Vec<f64>>::new();
    for document in documents {
        for directive in document["_aws"]["CloudWatchMetrics"].as_array().expect("a list") {
            for metric in directive["Metrics"].as_array().expect("a list") {
                let name = metric["Name"].as_str().expect("a text");
                let key = (directive["Namespace"].to_string(), name.to_owned());
                let values = match &document[name] {
                    Value::Array(values) => values.iter().filter_map(Value::as_f64).collect(),
                    value => vec![value.as_f64().expect("a number")],
                };
                found.entry(key).or_default().extend(values);
            }
        }
    }
    found
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn splitting_keeps_every_value_of_every_metric_once_and_each_part_is_valid(
        sizes in prop::collection::vec(1..260usize, 1..4),
        lists in prop::collection::vec(0..260usize, 1..6),
    ) {
        let mut members = json!({ "d": "v", "property": [1, 2] });
        let directives: Vec<Value> = sizes.iter().enumerate().map(|(place, count)| {
            let metrics: Vec<Value> = (0..*count).map(|n| json!({ "Name": format!("{place}-{n}") })).collect();
            for n in 0..*count {
                members[format!("{place}-{n}")] = match lists.get(n) {
                    Some(length) => json!((0..*length).collect::<Vec<_>>()),
                    None => json!(n),
                };
            }
            json!({ "Namespace": format!("N{place}"), "Dimensions": [["d"]], "Metrics": metrics })
        }).collect();
        let text = document(&json!(directives), &members);
        let (parts, faults) = parts(&text);
        prop_assert!(faults.is_empty());
        let whole: Value = serde_json::from_str(&text).expect("JSON");
        prop_assert_eq!(series(&parts), series(std::slice::from_ref(&whole)));
        let fallback = fallback();
        for part in &parts {
            prop_assert_eq!(&part["property"], &whole["property"]);
            let text = part.to_string();
            let again = read(text.as_bytes(), &fallback).expect("valid");
            prop_assert!(matches!(again.texts, Texts::Whole(_)), "it needs no further splitting");
            for directive in part["_aws"]["CloudWatchMetrics"].as_array().expect("a list") {
                let metrics = directive["Metrics"].as_array().expect("a list");
                prop_assert!(metrics.len() <= METRICS);
                for metric in metrics {
                    let value = &part[metric["Name"].as_str().expect("a text")];
                    prop_assert!(value.as_array().is_none_or(|values| values.len() <= VALUES));
                }
            }
        }
    }

    #[test]
    fn no_input_panics(bytes in prop::collection::vec(any::<u8>(), 0..200), text in "\\PC{0,60}") {
        let fallback = Fallback { group: Some("g".into()), stream: "s".into() };
        let _ = read(&bytes, &fallback);
        let _ = read(text.as_bytes(), &fallback);
        let _ = read(format!("{{\"_aws\":{text}").as_bytes(), &fallback);
    }
}
