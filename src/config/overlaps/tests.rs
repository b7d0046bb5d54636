//! Which files two items mean, and what is said of them.
mod entries;

use super::*;
use crate::config::{File, Finding, section::Findings};
use serde_json::{Value, json};

/// What is said of these items.
fn said(items: &[Value]) -> Vec<String> {
    let (settings, file) = decoded(items);
    told(&settings, &file)
}

fn told(settings: &Settings, file: &File) -> Vec<String> {
    let findings = Findings::default();
    check(settings, &Section::root(file, &findings));
    findings.into_sorted().iter().map(Finding::to_string).collect()
}

fn decoded(items: &[Value]) -> (Settings, File) {
    let (settings, file, findings) = decoded_with_faults(items);
    assert!(!findings.iter().any(Finding::is_error), "{findings:?}");
    (settings, file)
}

fn decoded_with_faults(items: &[Value]) -> (Settings, File, Vec<Finding>) {
    let text = json!({ "logs": { "logs_collected": { "files": { "collect_list": items } } } }).to_string();
    let file = File::parse(Path::new("c.json"), text.into_bytes(), None).expect("JSON");
    let (settings, findings) = crate::config::decode(&file);
    (settings, file, findings)
}

fn folder(names: &[&str]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    names.iter().for_each(|name| std::fs::write(folder.path().join(name), "x").expect("our folder"));
    folder
}

#[test]
fn of_two_patterns_for_the_same_streams_the_first_one_has_the_file_and_it_is_said() {
    let folder = folder(&["a.log", "pay1.log", "pay2.log", "pay.txt"]);
    let item = |pattern: &str| json!({ "file_path": folder.path().join(pattern), "log_group_name": "g", "publish_multi_logs": true });
    let (wide, narrow) = (item("*.log"), item("pay*"));
    let (settings, _) = decoded(&[wide.clone(), narrow.clone()]);
    let (wide_rule, narrow_rule) = match &settings.logs.files[..] {
        [
            FileItem { selection: Selection::Matching(wide), .. },
            FileItem { selection: Selection::Matching(narrow), .. },
        ] => (wide, narrow),
        other => panic!("{other:?}"),
    };
    let path = |name: &str| folder.path().join(name);
    assert!(narrow_rule.leaves_out(&path("pay1.log")) && !wide_rule.leaves_out(&path("pay1.log")));
    assert!(!narrow_rule.leaves_out(&path("pay.txt")));
    let told = said(&[wide.clone(), narrow.clone()]);
    assert_eq!(told.len(), 1, "{told:?}");
    let example = path("pay1.log");
    let whole = format!(
        "collect_list[1].file_path: `{}` and 1 file more are meant by logs.logs_collected.files.collect_list[0] too",
        example.display()
    );
    assert!(told[0].contains(&whole) && told[0].contains(": warning: ") && told[0].contains("`redact`"), "{told:?}");
    let turned = said(&[narrow, wide]);
    assert!(
        turned[0].contains("collect_list[1].file_path: ")
            && turned[0].contains("keys of logs.logs_collected.files.collect_list[0]")
    );
}

#[test]
fn a_named_file_comes_before_a_pattern_wherever_it_stands() {
    let folder = folder(&["one.log", "two.log"]);
    let path = |name: &str| folder.path().join(name);
    for each in [true, false] {
        let item = |file: &str| json!({ "file_path": path(file), "log_group_name": "g", "log_stream_name": "s", "publish_multi_logs": each });
        let told = said(&[item("*.log"), item("one.log")]);
        assert_eq!(told.len(), 1, "{each} {told:?}");
        assert!(
            told[0].contains("collect_list[0].file_path: `") && told[0].contains("one.log` is meant by"),
            "{told:?}"
        );
        let (settings, _) = decoded(&[item("*.log"), item("one.log")]);
        let Selection::Matching(rule) = &settings.logs.files[0].selection else { panic!("a pattern") };
        assert_eq!(rule.leaves_out(&path("one.log")), each, "the reader of the files sees to the others");
        assert!(!rule.leaves_out(&path("two.log")));
    }
}

#[cfg(unix)]
#[test]
fn a_link_and_what_it_leads_to_are_one_file() {
    let folder = folder(&["real.log"]);
    std::os::unix::fs::symlink(folder.path().join("real.log"), folder.path().join("link.log")).expect("linked");
    let item =
        |file: &str| json!({ "file_path": folder.path().join(file), "log_group_name": "g", "log_stream_name": "s" });
    let told = said(&[item("real.log"), item("link.log")]);
    assert!(told.len() == 1 && told[0].contains("link.log` is meant by"), "{told:?}");
    assert!(told[0].contains("remove one of the two"), "{told:?}");
}

#[test]
fn one_file_for_two_streams_is_meant_so() {
    let folder = folder(&["a.log"]);
    let item = |pattern: &str, stream: &str| json!({ "file_path": folder.path().join(pattern), "log_group_name": "g", "log_stream_name": stream });
    assert_eq!(said(&[item("*.log", "s"), item("a*", "t"), item("a.log", "u")]), [""; 0]);
    assert_eq!(said(&[item("*.log", "s"), item("none*", "s")]), [""; 0]);
}

#[test]
fn whose_keys_count_is_not_promised_where_both_follow_only_the_newest_file() {
    let folder = folder(&["pay1.log", "a.log"]);
    let item = |pattern: &str| json!({ "file_path": folder.path().join(pattern), "log_group_name": "g", "log_stream_name": "s" });
    let mut masking = item("*.log");
    masking["redact"] = json!([{ "expression": "4111" }]);
    let said = said(&[masking, item("pay*.log")]);
    let whole =
        "for the same stream: read once, with the keys of the item that follows it first, and that may be either";
    assert!(said.len() == 1 && said[0].contains("collect_list[1].file_path: `") && said[0].contains(whole), "{said:?}");
    assert!(said[0].contains("`redact`") && said[0].contains("`exclude`, or write the same keys in both"), "{said:?}");
    assert!(!said[0].contains("the keys of logs"), "{said:?}");
}

#[test]
fn a_stream_of_one_path_that_another_pattern_writes_to_by_its_name_is_sent_twice_and_said() {
    let folder = folder(&["pay1.log"]);
    let path = |name: &str| folder.path().join(name);
    let each = json!({ "file_path": path("*.log"), "log_group_name": "g", "log_stream_name": "s", "publish_multi_logs": true });
    let (_, stream) = Pick::EachToItsStream.names("g", "s_", &path("pay1.log"));
    let newest =
        |stream: &str| json!({ "file_path": path("pay*.log"), "log_group_name": "g", "log_stream_name": stream });
    for items in [[each.clone(), newest(&stream)], [newest(&stream), each.clone()]] {
        let said = said(&items);
        assert!(said.len() == 1 && said[0].contains("collect_list[1].file_path: `"), "{said:?}");
        assert!(said[0].contains("sent twice, once with the keys of each") && said[0].contains("`redact`"), "{said:?}");
    }
    assert_eq!(said(&[each.clone(), newest(&format!("{stream}x"))]), [""; 0]);
    assert_eq!(said(&[each, newest("s")]), [""; 0]);
}

#[test]
fn one_path_that_is_written_in_two_ways_is_an_error_and_nothing_beside() {
    let folder = folder(&["a.log"]);
    let item = |path: String| json!({ "file_path": path, "log_group_name": "g", "log_stream_name": "s" });
    let path = folder.path().join("a.log").display().to_string();
    let doubled = format!("{}//a.log", folder.path().display());
    let (settings, file, findings) = decoded_with_faults(&[item(path), item(doubled)]);
    assert_eq!(findings.iter().filter(|finding| finding.is_error()).count(), 1, "{findings:?}");
    assert_eq!(told(&settings, &file), [""; 0]);
}

#[test]
fn what_another_item_has_is_not_said_to_be_no_match() {
    let folder = folder(&["pay1.log"]);
    let item = |pattern: &str| json!({ "file_path": folder.path().join(pattern), "log_group_name": "g", "publish_multi_logs": true });
    let (settings, file) = decoded(&[item("*.log"), item("pay*"), item("none*")]);
    let findings = Findings::default();
    log_files::check(&settings, &Section::root(&file, &findings));
    let said: Vec<_> = findings.into_sorted().iter().map(Finding::to_string).collect();
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(
        said[0].contains("[0].file_path: 1 file matches now") && said[1].contains("[2].file_path: no file"),
        "{said:?}"
    );
}
