use super::*;

fn parse(text: &str) -> Result<File, Box<Finding>> {
    File::parse(Path::new("c.json"), text.as_bytes().to_vec(), None)
}

fn refused(text: &str) -> Finding {
    *parse(text).expect_err("not a tree")
}

#[track_caller]
fn check_refused(text: &str, place: (usize, usize), why: &str) {
    let finding = refused(text);
    assert_eq!((finding.line, finding.column), (Some(place.0), Some(place.1)), "{finding}");
    assert!(finding.why.contains(why), "{finding}");
    assert!(finding.excerpt.is_some() || text.trim().is_empty(), "{finding}");
}

#[test]
fn each_part_knows_its_line_and_column() {
    let file = parse("{\n  \"ä\": 1, \"agent\":\n    { \"debug\": true }\n}").expect("JSON");
    let Value::Table(entries) = &file.tree.value else { panic!("an object") };
    let place = |at| (file.place(at).line, file.place(at).column);
    assert_eq!(place(entries[1].start), (2, 11));
    assert_eq!(place(entries[1].node.start), (3, 5));
    assert_eq!(place(entries[1].node.get("debug").expect("there").start), (3, 16));
}

#[test]
fn a_file_that_is_not_there_is_named_with_what_to_do() {
    let findings = File::read(Path::new("/nowhere/c.json")).expect_err("missing");
    assert_eq!(
        findings[0].to_string(),
        "/nowhere/c.json: error: there is no such file; create it, or name another as the first argument"
    );
}

#[test]
fn what_is_not_json_is_shown_with_a_caret() {
    let finding = refused("{\n  \"agent\": { \"debug\": yes }\n}");
    assert_eq!((finding.line, finding.column), (Some(2), Some(23)));
    assert_eq!(finding.excerpt.as_deref(), Some("      \"agent\": { \"debug\": yes }\n                          ^"));
}

#[test]
fn usual_slips_are_called_by_their_name() {
    check_refused("", (1, 1), "is empty");
    check_refused(" \n\n", (1, 1), "is empty");
    check_refused("\u{feff}{}", (1, 1), "byte-order mark");
    check_refused("{\n  \"a\": 1,\n}", (2, 9), "nothing follows this comma");
    check_refused("[1, 2,]", (1, 6), "nothing follows this comma");
    check_refused("{\n  // why\n}", (2, 3), "comments");
    check_refused("{ \"a\": 1 /* why */ }", (1, 10), "comments");
    check_refused("# why\n{}", (1, 1), "comments");
    check_refused("{ 'a': 1 }", (1, 3), "double quotes");
    check_refused("{ \"a\": 1", (1, 9), "the file ends here");
    check_refused("{", (1, 2), "the file ends here");
    check_refused("{\n  \"a\": [\n\n", (2, 9), "the file ends here");
    check_refused("{ \"a\": \"b\n\" }", (1, 9), "control character");
    check_refused("{} {}", (1, 4), "trailing characters");
    check_refused("{ \"a\": True }", (1, 8), "did you mean `true`");
    check_refused("{ \"a\": fals }", (1, 12), "`fals` is no value; did you mean `false`");
    check_refused("{ \u{201c}a\u{201d}: 1 }", (1, 3), "typographic quotes");
    check_refused("{ \"a\": \u{201c}b\u{201d} }", (1, 8), "typographic quotes");
    check_refused("{ region: 1 }", (1, 3), "a key stands in double quotes");
    check_refused("{ \"a\": 1 } }", (1, 12), "a bracket too many");
    check_refused("{ \"a\": 060 }", (1, 9), "write 60, not 060");
    check_refused("{ \"a\": 1 ]", (1, 10), "write `}`");
    check_refused("[ 1 }", (1, 5), "write `]`");
    check_refused("{ \"a\": \"b\tc\" }", (1, 9), "a tab or the end of a line");
    check_refused(r#"{ "a": "\d" }"#, (1, 10), "write `\\\\`");
    check_refused("{ \"a\": 1 \"b\": 2 }", (1, 10), "a comma or a closing bracket is missing");
}

#[test]
fn a_lone_half_of_a_surrogate_pair_is_found_at_its_place() {
    let finding = refused(r#"{ "a": "\ud800" }"#);
    assert_eq!(finding.line, Some(1));
    assert!(finding.why.starts_with("not JSON: "), "{finding}");
}

#[test]
fn text_that_is_not_utf8_is_found_at_its_place() {
    let finding =
        File::parse(Path::new("c.json"), b"{\n \"\xc3\xa4\": \"\xff\" }".to_vec(), None).expect_err("not UTF-8");
    assert_eq!((finding.line, finding.column), (Some(2), Some(8)));
    assert!(finding.why.contains("UTF-8"));
}

#[test]
fn nesting_without_end_is_refused_and_not_followed() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let inner = if open == "[" { "" } else { "1" };
        let deep = format!("{}{inner}{}", open.repeat(20_000), close.repeat(20_000));
        assert!(refused(&deep).why.contains("levels deep"));
        assert!(refused(&open.repeat(20_000)).why.starts_with("not JSON"));
    }
}

#[test]
fn a_key_that_stands_twice_names_both_lines() {
    let file = parse("{\n  \"a\": 1,\n  \"b\": { \"a\": 2 },\n  \"a\": 3\n}").expect("JSON");
    assert_eq!(file.findings.len(), 1);
    assert_eq!(
        file.findings[0].to_string(),
        "c.json:4:3: error: a: stands here on line 4 and before on line 2; keep one of the two"
    );
}

#[test]
fn numbers_of_any_size_are_kept_as_written() {
    let file = parse("[1e999999, -123456789012345678901234567890]").expect("JSON");
    let Value::List(items) = &file.tree.value else { panic!("a list") };
    assert!(matches!(&items[0].value, Value::Number(number) if number == "1e999999"));
}

#[test]
fn equal_values_are_equal_however_they_are_laid_out() {
    let canonical = |text: &str| {
        let mut canonical = String::new();
        parse(text).expect("JSON").tree.canonical(&mut canonical);
        canonical
    };
    assert_eq!(canonical(r#"{"a":[1,true],"b":"x"}"#), canonical("{ \"b\": \"x\",\n \"a\": [ 1, true ] }"));
    assert_ne!(canonical(r#"{"a":"1"}"#), canonical(r#"{"a":1}"#));
    assert_ne!(canonical(r#"["a,b"]"#), canonical(r#"["a","b"]"#));
}

#[test]
fn an_excerpt_stars_out_what_may_be_a_password() {
    for text in [
        "{ \"password\": \"hunter2\" \"x\": 1 }",
        "{ \"password\":\n \"hunter2\" \"x\": 1 }",
        "{ \"password\": \"hunter2, \"x\": 1 }",
        "{ \"PASSWORD\" \"hunter2\" }",
    ] {
        let finding = refused(text);
        assert!(!format!("{finding:#} {finding:?}").contains("hunter2"), "{finding:#}");
    }
}

#[test]
fn an_excerpt_of_a_long_line_shows_only_what_is_around_the_place() {
    let text = format!("{{ \"a\": [{} oops {}] }}", "1,".repeat(5000), "1,".repeat(5000));
    let excerpt = refused(&text).excerpt.expect("shown");
    let lines: Vec<&str> = excerpt.lines().collect();
    assert!(lines[0].len() < 140);
    assert_eq!(lines[1].find('^').map(|at| &lines[0][at..=at]), Some("o"));
}
