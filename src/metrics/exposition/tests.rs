use super::*;
use proptest::prelude::*;

fn read(text: &str) -> Vec<Result<Sample<'_>, Fault>> {
    samples(text).collect()
}

#[track_caller]
fn one(line: &str) -> Sample<'_> {
    let mut all = read(line);
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0).expect(line)
}

fn meanings(text: &str) -> Vec<(&str, Meaning)> {
    samples(text).map(|sample| sample.expect("readable")).map(|sample| (sample.name, sample.meaning)).collect()
}

#[test]
fn a_sample_has_a_name_labels_a_value_and_perhaps_a_time() {
    let plain = one("node_up 1");
    assert_eq!((plain.name, plain.labels.len(), plain.value, plain.at), ("node_up", 0, 1.0, None));
    let full = one("\t http:requests_total { method = \"post\" , code=\"200\",} 1.5e3 1395066363000 \r");
    assert_eq!((full.name, full.value, full.at), ("http:requests_total", 1500.0, Some(1_395_066_363_000)));
    assert_eq!(full.labels, [("method", "post".into()), ("code", "200".into())]);
    assert_eq!(one("x{}-7 -3").at, Some(-3));
    assert_eq!(one("x{}\t+Inf").value, f64::INFINITY);
    assert!(one("x NaN").value.is_nan());
}

#[test]
fn escapes_of_label_values_are_undone_and_others_stay() {
    let sample = one(r#"x{path="C:\\DIR\\",error="no \"such\"\nthing",odd="\d",empty="",brace="}"} 1"#);
    let values: Vec<&str> = sample.labels.iter().map(|(_, value)| value.as_ref()).collect();
    assert_eq!(values, [r"C:\DIR\", "no \"such\"\nthing", r"\d", "", "}"]);
}

#[test]
fn comments_and_empty_lines_are_no_samples() {
    assert_eq!(read("# HELP x It counts.\n# TYPE x counter\n\n  \n# EOF\n#x 1\n"), []);
}

#[test]
fn the_declared_type_says_what_a_value_means() {
    let text = "a 1\n# TYPE c counter\nc 1\nc_total 1\n# TYPE t_total counter\nt_total 1\n# TYPE g gauge\ng 1\ng_total 1\n\
                # TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_sum 1\nh_count 1\nh_max 1\n\
                # TYPE s summary\ns{quantile=\"0.5\"} 1\ns_sum 1\ns_count 1\nx_sum 1\n#\tTYPE  u\tuntyped\nu 1\n";
    use Meaning::{Bucket, Level, Quantile, Total};
    let expected = [
        ("a", Level),
        ("c", Total),
        ("c_total", Total),
        ("t_total", Total),
        ("g", Level),
        ("g_total", Level),
        ("h_bucket", Bucket),
        ("h_sum", Total),
        ("h_count", Total),
        ("h_max", Level),
        ("s", Quantile),
        ("s_sum", Total),
        ("s_count", Total),
        ("x_sum", Level),
        ("u", Level),
    ];
    assert_eq!(meanings(text), expected);
}

#[test]
fn a_line_that_cannot_be_read_costs_only_itself_and_is_named() {
    for (line, why) in [
        ("1x 1", "name of its metric"),
        ("{a=\"b\"} 1", "name of its metric"),
        ("x", "no blank"),
        ("x ", "no blank"),
        ("x{}", "no value"),
        ("x-1", "no blank"),
        ("x one", "no number"),
        ("x 0x10", "no number"),
        ("x 1 2.5", "milliseconds"),
        ("x 1 2 3", "behind"),
        ("x{a} 1", "no `=`"),
        ("x{a=b} 1", "no quotes"),
        ("x{1=\"b\"} 1", "name of a label"),
        ("x{a=\"b} 1", "no end"),
        ("x{a=\"b\\", "no end"),
        ("x{a=\"b\" c=\"d\"} 1", "no end"),
        ("x{a=\"b\",a=\"c\"} 1", "twice"),
    ] {
        let text = format!("good 1\n{line}\ngood 2\n");
        let all = read(&text);
        assert_eq!(all.len(), 3, "{all:?}");
        let fault = all[1].as_ref().expect_err(line);
        assert!(fault.line == 2 && fault.why.contains(why), "{line}: {fault}");
        assert!(all[0].is_ok() && all[2].is_ok());
    }
}

#[test]
fn a_sample_with_more_labels_than_are_looked_at_costs_only_itself() {
    let labels = |count: usize| (0..count).map(|n| format!("l{n}=\"v\"")).collect::<Vec<_>>().join(",");
    let text = format!("a{{{}}} 1\nb{{{}}} 2\nc 3\n", labels(MOST_LABELS), labels(MOST_LABELS + 1));
    let all = read(&text);
    assert_eq!(all[0].as_ref().map(|sample| sample.labels.len()), Ok(64));
    assert_eq!(all[1].as_ref().map_err(|fault| (fault.line, fault.why)), Err((2, "there are too many labels")));
    assert_eq!((all.len(), all[2].as_ref().map(|sample| sample.name)), (3, Ok("c")));
}

#[test]
fn a_text_with_more_families_than_is_kept_is_still_read() {
    let text: String = (0..MOST_FAMILIES + 2).map(|n| format!("# TYPE c{n} counter\nc{n} 1\n")).collect();
    let last: Vec<Meaning> = samples(&text).map(|sample| sample.expect("readable").meaning).collect();
    assert_eq!((last.len(), last[0], last[MOST_FAMILIES + 1]), (MOST_FAMILIES + 2, Meaning::Total, Meaning::Level));
}

proptest! {
    #[test]
    fn no_text_makes_it_panic_or_costs_more_samples_than_it_has_lines(text in ".{0,300}", parts in prop::collection::vec(
        prop::sample::select(vec!["x", "{", "}", "\"", "\\", "=", ",", " ", "1", "\n", "# TYPE ", "counter", "é", "NaN", "\r"]), 0..60)
    ) {
        for text in [text, parts.concat()] {
            prop_assert!(samples(&text).count() <= text.lines().count());
        }
    }

    #[test]
    fn what_is_written_by_the_rules_is_read_back(
        name in "[a-zA-Z_:][a-zA-Z0-9_:]{0,9}",
        labels in prop::collection::btree_map("[a-zA-Z_][a-zA-Z0-9_]{0,9}", ".{0,12}", 0..4),
        value in any::<f64>(),
        at in any::<Option<i64>>(),
    ) {
        let quoted = |value: &str| value.replace('\\', r"\\").replace('"', "\\\"").replace('\n', r"\n");
        let inside: Vec<String> = labels.iter().map(|(name, value)| format!("{name}=\"{}\"", quoted(value))).collect();
        let time = at.map(|at| format!(" {at}")).unwrap_or_default();
        let line = format!("{name}{{{}}} {value:?}{time}\n", inside.join(","));
        let all = read(&line);
        prop_assert_eq!(all.len(), 1);
        let sample = all[0].as_ref().expect("by the rules");
        prop_assert_eq!(sample.name, name.as_str());
        prop_assert!(sample.value == value || (sample.value.is_nan() && value.is_nan()));
        prop_assert_eq!(sample.at, at);
        let read: Vec<(&str, &str)> = sample.labels.iter().map(|(name, value)| (*name, value.as_ref())).collect();
        let written: Vec<(&str, &str)> = labels.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        prop_assert_eq!(read, written);
    }
}
