//! Patterns of file names, and what goes with them.
use super::*;

fn one(item: &str) -> FileItem {
    settings(&items(item)).logs.files.remove(0)
}

fn rule(item: &str) -> std::sync::Arc<Matching> {
    match one(item).selection {
        Selection::Matching(rule) => rule,
        Selection::This => panic!("a pattern"),
    }
}

#[test]
fn only_a_path_with_characters_of_a_pattern_is_one() {
    for path in ["/a/*.log", "/a/b?", "/a/[bc]", "/a/{b,c}", "/**"] {
        assert_eq!(rule(&format!(r#"{{ "file_path": "{path}", "log_group_name": "g" }}"#)).glob.text(), path);
    }
    assert!(matches!(one(r#"{ "file_path": "/a/b!", "log_group_name": "g" }"#).selection, Selection::This));
}

#[test]
fn the_newest_is_followed_unless_each_is_asked_for() {
    let item = |keys: &str| format!(r#"{{ "file_path": "/a/*.log" {keys} }}"#);
    let agents = r#", "log_group_name": "g", "log_stream_name": "s""#;
    assert_eq!(rule(&item(agents)).pick, Pick::Newest);
    let each = one(&item(&format!(r#"{agents}, "publish_multi_logs": true"#)));
    assert_eq!((each.target.group.as_str(), each.target.stream.as_str()), ("g", "s_"));
    let nameless = one(&item(r#", "log_group_name": "g", "publish_multi_logs": true"#));
    assert_eq!(nameless.target.stream, "_", "the default of the file is not used");
    let text = format!(
        r#"{{ "agent": {{ "run_as_user": "u" }}, "logs": {{ "log_stream_name": "top", "logs_collected":
        {{ "files": {{ "collect_list": [ {} ] }} }} }} }}"#,
        item(r#", "publish_multi_logs": true"#)
    );
    let grouped = settings(&text).logs.files.remove(0);
    let Selection::Matching(rule) = &grouped.selection else { panic!("a pattern") };
    assert_eq!((rule.pick, grouped.target.stream.as_str()), (Pick::EachToItsGroup, "top"));
}

#[test]
fn a_publishers_pattern_goes_to_a_stream_of_its_own_base_name() {
    let s = settings(&publisher(r#"{ "file_path": "/var/log/app-*.log" }, { "file_path": "/a/[x]" }"#));
    let streams: Vec<_> = s.logs.files.iter().map(|file| file.target.stream.as_str()).collect();
    assert_eq!(streams, ["app-_.log", "[x]"]);
    let each = publisher(r#"{ "file_path": "/var/log/*.log", "publish_multi_logs": true }"#);
    let each = settings(&each).logs.files.remove(0).target;
    assert_eq!((each.group.as_str(), each.stream.as_str()), ("/system/default/{instance_id}", "_"));
}

#[test]
fn one_file_that_is_published_like_many_is_named_by_its_path() {
    let item = r#"{ "file_path": "/var/log/a.log", "log_group_name": "g", "log_stream_name": "i-1", "publish_multi_logs": true }"#;
    assert_eq!(one(item).target.stream, "i-1__var_log_a.log");
}

#[test]
fn files_are_left_out_by_name_by_path_and_by_ending() {
    let rule = rule(
        r#"{ "file_path": "/a/**", "log_group_name": "g", "blacklist": "^debug", "exclude": ["/a/x/**", "*.tmp"],
             "backpressure_mode": "fd_release" }"#,
    );
    for path in ["/a/debug.log", "/a/x/y", "/a/b/c.tmp", "/a/b.GZ", "/a/b.tar"] {
        assert!(rule.leaves_out(Path::new(path)), "{path}");
    }
    assert!(!rule.leaves_out(Path::new("/a/b/nodebug.log")));
}

#[test]
fn what_can_never_match_is_an_error_where_it_stands() {
    let at = |rest: &str| format!("logs.logs_collected.files.collect_list[0].{rest}");
    let item = |keys: &str| items(&format!(r#"{{ "log_group_name": "g", {keys} }}"#));
    check_error(&item(r#""file_path": "/a/{b""#), &at("file_path"), "can never match a file: it has a `{`", None);
    check_error(&item(r#""file_path": "/a/*/""#), &at("file_path"), "it names a folder", None);
    check_error(&item(r#""file_path": "/a/*", "exclude": ["/b/[c"]"#), &at("exclude[0]"), "it has a `[`", None);
    check_error(&item(r#""file_path": "/a/*", "blacklist": "(""#), &at("blacklist"), "is no regular expression", None);
    let both = item(r#""file_path": "/a/b.log", "blacklist": "b""#);
    check_error(&both, &at("file_path"), "is left out by `blacklist` or `exclude`", None);
}

#[test]
fn a_removal_that_cannot_take_place_is_said() {
    let at = "logs.logs_collected.files.collect_list[0].auto_removal";
    let item = |keys: &str| items(&format!(r#"{{ "log_group_name": "g", "auto_removal": true, {keys} }}"#));
    check_warning(&item(r#""file_path": "/a/b""#), at, "names only one file");
    check_warning(&item(r#""file_path": "/a/*", "publish_multi_logs": true"#), at, "there is no newest file");
    assert!(rule(r#"{ "file_path": "/a/*", "log_group_name": "g", "auto_removal": true }"#).auto_removal);
}
