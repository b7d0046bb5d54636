use super::*;

fn names(text: &str) -> Vec<String> {
    parse(text).expect("a good list").into_iter().map(|system| system.name).collect()
}

fn faults(text: &str) -> Vec<(usize, String)> {
    parse(text).expect_err("a bad list").into_iter().map(|fault| (fault.line, fault.why)).collect()
}

#[test]
fn comments_and_blank_lines_do_not_count() {
    let text = "\u{feff}# machines\r\n\r\n  rpi-1  \r\n\t# more\nrpi-2 # the one in the cellar\n#rpi-3\nosx-C02ABC#1x"
        .replace("#1x", "");
    assert_eq!(names(&text), ["rpi-1", "rpi-2", "osx-C02ABC"]);
    assert_eq!(names(""), Vec::<String>::new());
}

#[test]
fn every_line_that_cannot_be_used_is_named_with_its_number() {
    let found = faults("rpi-1\nrpi 2\nrpi-../../x\nplain\n-x\nrpi-\n\nrpi-ä\n");
    assert_eq!(found.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [2, 3, 4, 5, 6, 8]);
    assert!(found[0].1.contains("has a ` `"), "{found:?}");
    assert!(found[1].1.contains("has a `/`"), "{found:?}");
    assert!(found[2].1.contains("PREFIX-SERIAL"), "{found:?}");
    assert!(faults("a\u{1b}[2J-b")[0].1.contains("\\u{1b}"), "nothing that steers a terminal is printed");
    let long = format!("rpi-{}", "x".repeat(125));
    assert!(faults(&long)[0].1.contains("more than 128"));
    assert!(faults(".a-b")[0].1.contains("dot"));
    assert!(faults("rpi-1#x")[0].1.contains("has a `#`"), "a comment follows a blank");
}

#[test]
fn the_same_machine_stands_there_once() {
    let found = faults("rpi-A\nrpi-b\nrpi-a\nrpi-A\n");
    assert_eq!(found.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [3, 4]);
    assert!(found[0].1.contains("line 1"), "{found:?}");
}

#[test]
fn a_name_is_cut_at_its_first_hyphen() {
    let instance = System { name: "mi-0a-b".to_owned() }.instance();
    assert_eq!((instance.prefix.as_str(), instance.serial.as_str()), ("mi", "0a-b"));
}

#[test]
fn the_error_shows_the_first_faults_and_counts_the_others() {
    let text = "x\n".repeat(25);
    let error = SystemsError::Unfit { path: "s.txt".into(), faults: parse(&text).expect_err("bad") }.to_string();
    assert!(error.starts_with("nothing was done: s.txt cannot be used\ns.txt:1: "), "{error}");
    assert!(error.contains("s.txt:20: ") && !error.contains("s.txt:21: "), "{error}");
    assert!(error.ends_with("and 5 more lines"), "{error}");
    let error = SystemsError::Unfit { path: "s.txt".into(), faults: parse("x\n").expect_err("bad") }.to_string();
    assert!(!error.contains("more lines"), "{error}");
}

#[test]
fn the_list_of_the_checkout_can_be_used() {
    read(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/systems.txt"))).expect("comments only");
    let error = read(Path::new("/nonexistent/systems.txt")).expect_err("not there").to_string();
    assert!(error.contains("/nonexistent/systems.txt"), "{error}");
}
