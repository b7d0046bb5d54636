//! Configurations of several files: what they come to together, and where each finding points.
use super::*;
use crate::platform::permissions;
use std::fs;

/// A folder with these files.
fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().expect("inside")).expect("ours");
        fs::write(path, text).expect("ours");
    }
    folder
}

fn merged(texts: &[&str]) -> Loaded {
    let names = ["a.json", "b.json", "c.json", "d.json"];
    load(folder(&names.into_iter().zip(texts.iter().copied()).collect::<Vec<_>>()).path())
}

/// What the files come to, as a text that does not depend on their layout; the errors, where there are any.
fn tree(texts: &[&str]) -> Result<String, Vec<String>> {
    let loaded = merged(texts);
    let conflicts: Vec<_> = loaded.findings.iter().filter(|f| f.why.starts_with("has another value")).collect();
    if !conflicts.is_empty() {
        return Err(conflicts.into_iter().map(|f| f.at.clone()).collect());
    }
    let mut canonical = String::new();
    loaded.file.expect("read").tree.canonical(&mut canonical);
    Ok(canonical)
}

#[track_caller]
fn check_merges(texts: &[&str], into: &str) {
    assert_eq!(tree(texts), tree(&[into]));
}

#[track_caller]
fn check_conflict(texts: &[&str], at: &str) {
    assert_eq!(tree(texts), Err(vec![at.to_owned()]));
}

#[test]
fn keys_of_one_file_are_taken_and_what_all_say_alike_is_taken_once() {
    check_merges(
        &[
            r#"{ "agent": { "region": "us-east-1", "metrics_collection_interval": 60 }, "local": { "retention_hours": 1 } }"#,
            r#"{ "agent": { "metrics_collection_interval": 60.0, "debug": true }, "logs": { "concurrency": 2 } }"#,
            r#"{ "local": { "folder": "/x" }, "alarms": { "red": 80 } }"#,
        ],
        r#"{ "agent": { "region": "us-east-1", "metrics_collection_interval": 60, "debug": true },
             "local": { "retention_hours": 1, "folder": "/x" }, "logs": { "concurrency": 2 }, "alarms": { "red": 80 } }"#,
    );
}

#[test]
fn metrics_are_merged_plugin_by_plugin_and_one_plugin_is_the_same_everywhere() {
    let metrics = |plugins: &str| format!(r#"{{ "metrics": {{ "metrics_collected": {{ {plugins} }} }} }}"#);
    let (cpu, mem) = (r#""cpu": { "measurement": ["idle", "user"] }"#, r#""mem": { "measurement": ["used"] }"#);
    check_merges(&[&metrics(cpu), &metrics(mem), &metrics(cpu)], &metrics(&format!("{cpu}, {mem}")));
    check_conflict(
        &[&metrics(cpu), &metrics(r#""cpu": { "measurement": ["idle"] }"#)],
        "metrics.metrics_collected.cpu",
    );
}

#[test]
fn processes_are_put_together_and_each_is_there_once() {
    let text = |items: &str| format!(r#"{{ "metrics": {{ "metrics_collected": {{ "procstat": [{items}] }} }} }}"#);
    let (a, b) = (r#"{ "exe": "a", "measurement": ["cpu_usage"] }"#, r#"{ "measurement": ["cpu_usage"], "exe": "b" }"#);
    check_merges(&[&text(a), &text(&format!("{b}, {a}")), &text(b)], &text(&format!("{a}, {b}")));
}

#[test]
fn two_things_that_differ_become_a_list_and_two_that_do_not_stay_one() {
    for key in ["jmx", "otlp"] {
        let text = |what: &str| format!(r#"{{ "metrics": {{ "metrics_collected": {{ "{key}": {what} }} }} }}"#);
        let (a, b, c) = (r#"{ "endpoint": "a:1" }"#, r#"{ "endpoint": "b:1" }"#, r#"{ "endpoint": "c:1" }"#);
        check_merges(&[&text(a), &text(b)], &text(&format!("[{a}, {b}]")));
        check_merges(&[&text(a), &text(a)], &text(a));
        check_merges(&[&text(a), &text(a), &text(b)], &text(&format!("[{a}, {b}]")));
        check_merges(
            &[&text(a), &text(&format!("[{b}, {a}]")), &text(&format!("[{c}]"))],
            &text(&format!("[{a}, {b}, {c}]")),
        );
    }
}

#[test]
fn logs_are_put_together_and_their_other_keys_are_the_same_everywhere() {
    let text = |key: &str, items: &str| {
        format!(r#"{{ "logs": {{ "logs_collected": {{ "{key}": {{ "collect_list": [{items}] }} }} }} }}"#)
    };
    let (a, b) = (r#"{ "file_path": "/a" }"#, r#"{ "file_path": "/b" }"#);
    for key in ["files", "windows_events", "journald", "unified_log"] {
        check_merges(&[&text(key, a), &text(key, &format!("{b}, {a}"))], &text(key, &format!("{a}, {b}")));
    }
    check_conflict(
        &[r#"{ "logs": { "log_stream_name": "x" } }"#, r#"{ "logs": { "log_stream_name": "y" } }"#],
        "logs.log_stream_name",
    );
    check_conflict(
        &[
            r#"{ "logs": { "logs_collected": { "journal": true } } }"#,
            r#"{ "logs": { "logs_collected": { "journal": { "collect": true } } } }"#,
        ],
        "logs.logs_collected.journal",
    );
}

#[test]
fn tags_of_usage_are_put_together_and_the_rest_of_the_agent_is_the_same_everywhere() {
    let tags = |tags: &str| format!(r#"{{ "agent": {{ "usage_metadata": [{tags}] }} }}"#);
    check_merges(&[&tags(r#""a", "b""#), &tags(r#""b", "c""#)], &tags(r#""a", "b", "c""#));
    let interval = |seconds: u8| format!(r#"{{ "agent": {{ "metrics_collection_interval": {seconds} }} }}"#);
    check_conflict(&[&interval(10), &interval(60)], "agent.metrics_collection_interval");
    let spool = |key: &str| format!(r#"{{ "agent": {{ "spool": {{ "{key}": 1 }} }} }}"#);
    check_conflict(&[&spool("max_bytes"), &spool("min_free_bytes")], "agent.spool");
    for key in ["append_dimensions", "aggregation_dimensions"] {
        let metrics = |what: &str| format!(r#"{{ "metrics": {{ "{key}": {what} }} }}"#);
        check_conflict(&[&metrics(r#"{ "a": "b" }"#), &metrics("[]")], &format!("metrics.{key}"));
    }
}

#[test]
fn a_conflict_names_both_files_both_lines_and_the_path() {
    let folder = folder(&[
        ("x.json", "{\n  \"agent\": {\n    \"region\": \"us-east-1\"\n  }\n}"),
        ("x.d/more.json", "{ \"agent\": {\n \"region\": \"eu-west-1\" } }"),
    ]);
    let path = folder.path().join("x.json");
    let loaded = load(&path);
    assert!(loaded.settings.is_none() && loaded.findings.len() == 1, "{:#?}", loaded.findings);
    let finding = &loaded.findings[0];
    assert_eq!((finding.file.as_path(), finding.line, finding.column), (path.as_path(), Some(3), Some(5)));
    assert_eq!(finding.at, "agent.region");
    let other = folder.path().join("x.d").join("more.json").display().to_string();
    assert!(finding.why.contains(&format!("than in {other} on line 2")), "{finding}");
    assert_eq!(loaded.files(), 2);
}

#[test]
fn each_finding_shows_its_own_file_line_and_path() {
    let item = |path: &str, more: &str| {
        format!(
            "{{ \"logs\": {{ \"logs_collected\": {{ \"files\": {{ \"collect_list\": [\n{{ \"file_path\": \"{path}\", \"log_group_name\": \"/g\", {more} }}\n] }} }} }} }}"
        )
    };
    let folder = folder(&[
        ("a.json", &item("/a", "\"retention_in_days\": 7")),
        ("b.json", &item("/b", "\"oops\": 1")),
        ("c.json", "{ \"agent\": { \"debug\":\n 1 } }"),
        ("d.json", &item("/d", "\"retention_in_days\": 30")),
    ]);
    let loaded = load(folder.path());
    let said: Vec<_> = loaded
        .findings
        .iter()
        .map(|f| (f.file.file_name().and_then(|n| n.to_str()).expect("a name"), f.line.expect("a line"), f.at.as_str()))
        .collect();
    const FIRST: &str = "logs.logs_collected.files.collect_list[0]";
    assert_eq!(
        said,
        [
            ("b.json", 2, &*format!("{FIRST}.oops")),
            ("c.json", 2, "agent.debug"),
            ("d.json", 2, &*format!("{FIRST}.retention_in_days")),
        ]
    );
    let a = folder.path().join("a.json");
    assert!(loaded.findings[2].why.contains(&format!("{FIRST} of {} keeps", a.display())), "{}", loaded.findings[2]);
    let third = loaded.error_at(folder.path(), "logs.logs_collected.files.collect_list[2].log_group_name", "x".into());
    assert!(third.file.ends_with("d.json") && third.at == format!("{FIRST}.log_group_name"), "{third}");
}

#[test]
fn every_file_that_cannot_be_used_is_told_at_once() {
    let loaded = load(folder(&[("a.json", "{"), ("b.json", "{}"), ("c.json", "{ 'x' }")]).path());
    assert!(loaded.settings.is_none());
    let files: Vec<_> = loaded.findings.iter().map(|f| f.file.file_name().expect("a name").to_owned()).collect();
    assert_eq!(files, ["a.json", "c.json"]);
    let list = merged(&["{}", "[]"]);
    assert!(list.settings.is_none());
    assert!(list.errors().any(|f| f.why == "expected an object, found a list"), "{:#?}", list.findings);
}

#[test]
fn a_command_is_run_only_where_nobody_else_may_write_any_file_or_folder_of_the_configuration() {
    let folder = folder(&[
        ("x.json", r#"{ "agent": { "instance": { "command": "echo 1" } } }"#),
        ("x.d/more.json", r#"{ "agent": { "debug": true } }"#),
    ]);
    let (more, around) = (folder.path().join("x.d/more.json"), folder.path().join("x.d"));
    let refused = |path: &Path, mode| {
        if !permissions::set_mode(path, mode) {
            return None;
        }
        let loaded = load_checked(&folder.path().join("x.json"), Sends::Nowhere);
        Some(loaded.errors().map(|f| f.why.clone()).collect::<Vec<_>>())
    };
    for (path, closed, open) in [(&more, 0o600, 0o666), (&around, 0o700, 0o777)] {
        let Some(nobody) = refused(path, closed) else { return };
        assert!(nobody.is_empty(), "{nobody:?}");
        let said = refused(path, open).expect("a system with modes");
        assert!(said.len() == 1 && said[0].contains(&format!("may write {}", path.display())), "{said:?}");
        refused(path, closed);
    }
}
