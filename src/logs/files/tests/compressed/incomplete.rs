//! Compressed files that are not complete, not yet or never.
use super::*;

#[test]
fn what_is_still_being_compressed_without_an_original_is_waited_for() {
    let mut bench = after("one\n");
    bench.append("app.log", long("two"));
    let whole = packed(&fs::read(bench.path("app.log")).expect("there"), 0);
    bench.delete("app.log");
    bench.append("app.log", "three\n");
    bench.restart();
    for part in [0, whole.len() / 2, whole.len()] {
        fs::write(bench.path("app.log.1.gz"), &whole[..part]).expect("written");
        bench.pass(Duration::from_secs(2));
        date(&bench, "app.log.1.gz", bench.wall());
        assert_eq!(bench.lines(), [""; 0]);
    }
    let expected = [long("two"), "three\n".to_owned()].concat();
    assert_eq!(lines(&mut bench), expected.lines().collect::<Vec<_>>());
}

#[test]
fn no_compressed_file_is_waited_for_while_the_next_log_comes_and_goes() {
    let mut bench = after(&long("old"));
    for round in 0..4 {
        let slow = OpenOptions::new().append(true).open(bench.path("app.log")).expect("there");
        rotate(&bench);
        let new = long(&format!("new {round}"));
        bench.append("app.log", &new);
        assert_eq!(
            bench.lines(),
            new.lines().collect::<Vec<_>>(),
            "it is followed although the compressed one may not be complete"
        );
        // A program that is slow to change over: what it writes stands in no file that has a name.
        bench.append_to(slow, format!("late {round}\n"));
        bench.pass(Duration::from_millis(500));
        assert_eq!(bench.lines(), [format!("late {round}")]);
        bench.pass(Duration::from_millis(1_500));
    }
    bench.pass(LATE);
    assert_eq!(lines(&mut bench), [""; 0]);
}

#[test]
fn what_is_at_the_path_at_a_start_is_held_while_a_compressed_file_is_waited_for() {
    let mut bench = after(&long("old"));
    let mut expected = Vec::new();
    bench.restart();
    for round in 0..3 {
        // One that nobody saw, and may not be complete.
        rotate(&bench);
        bench.append("app.log", long(&format!("new {round}")));
        bench.turn();
        let slow = OpenOptions::new().append(true).open(bench.path("app.log")).expect("there");
        bench.pass(Duration::from_millis(500));
        rotate(&bench);
        bench.append_to(slow, format!("late {round}\n"));
        bench.append("app.log", format!("next {round}\n"));
        let mut found = lines(&mut bench);
        bench.pass(LATE);
        found.extend(bench.lines());
        expected.extend(long(&format!("new {round}")).lines().map(str::to_owned));
        expected.extend([format!("late {round}"), format!("next {round}")]);
        found.sort();
        expected.sort();
        assert_eq!(found, expected, "{round}");
        expected.clear();
        bench.append("app.log", "met by nobody\n");
        expected.push("met by nobody".to_owned());
        bench.restart();
    }
}

#[test]
fn what_is_at_the_path_at_a_start_and_is_deleted_meanwhile_is_read_however_few_files_may_be_open() {
    for most in 0..4 {
        let mut bench = after(&long("old"));
        for text in ["one\n", "two\n"] {
            rotate(&bench);
            bench.append("app.log", text);
        }
        rotate(&bench);
        bench.append("app.log", "three\n");
        bench.restart();
        bench.tailer.hold_at_most(most);
        assert_eq!(bench.lines(), [""; 0], "the compressed ones may not be complete");
        bench.delete("app.log");
        bench.pass(SETTLED);
        let mut found = Vec::new();
        for _ in 0..20 {
            found.extend(lines(&mut bench));
        }
        found.sort();
        assert_eq!(found, ["one", "three", "two"], "{most}");
    }
}

#[test]
fn what_takes_long_to_compress_is_read_as_far_as_it_is_there_and_on_when_it_has_grown() {
    let mut bench = after("one\n");
    let text = (0..20_000).map(|n| format!("line {n} {}\n", n * 7919 % 10_007)).collect::<String>();
    bench.append("app.log", &text);
    let whole = packed(&fs::read(bench.path("app.log")).expect("there"), 0);
    bench.delete("app.log");
    bench.append("app.log", "new\n");
    bench.restart();
    fs::write(bench.path("app.log.1.gz"), &whole[..whole.len() / 2]).expect("written");
    date(&bench, "app.log.1.gz", bench.wall());
    let mut first = lines(&mut bench);
    bench.pass(2 * SETTLED);
    first.extend(bench.lines());
    assert!(first.len() > 5_000 && first.last().is_some_and(|line| line == "new"), "{}", first.len());
    let mut file = OpenOptions::new().append(true).open(bench.path("app.log.1.gz")).expect("there");
    file.write_all(&whole[whole.len() / 2..]).expect("written");
    date(&bench, "app.log.1.gz", bench.wall());
    let mut all = [first, lines(&mut bench)].concat();
    all.retain(|line| line != "new");
    // What was the end for so long went as a line of its own.
    assert_eq!(all.len(), 20_001);
    assert_eq!(all.concat(), text.replace('\n', ""));
}

#[test]
fn of_a_damaged_compressed_file_is_read_what_can_be_read_and_the_next_one_follows() {
    let text = (0..20_000).map(|n| format!("line {n} {}\n", n * 7919 % 10_007)).collect::<String>();
    let whole = packed(text.as_bytes(), 0);
    let cut = whole[..whole.len() / 2].to_vec();
    let (mut bent, mut forged) = (whole.clone(), whole.clone());
    bent[whole.len() / 2..][..200].fill(0xff);
    *forged.last_mut().expect("there") ^= 1;
    for (damaged, least) in [(cut, 5_000), (bent, 5_000), (forged, 20_000), (b"no gzip at all\n".to_vec(), 0)] {
        let mut bench = after("one\n");
        bench.pass(LATE);
        fs::write(bench.path("app.log.1.gz"), damaged).expect("written");
        date(&bench, "app.log.1.gz", bench.wall());
        bench.pass(SETTLED);
        bench.rename("app.log", "app.log.2");
        bench.append("app.log", "new\n");
        bench.restart();
        let mut lines = lines(&mut bench);
        // The last line may have lost its end; where another file follows it is sent after a silence.
        bench.pass(LATE);
        lines.extend(bench.lines());
        let whole_lines = lines.iter().filter(|line| line.starts_with("line ")).count();
        assert!(whole_lines >= least && whole_lines <= 20_000, "{whole_lines}");
        assert!(text.starts_with(&lines[..least].join("\n")));
        assert_eq!(lines.last().map(String::as_str), Some("new"));
        bench.pass(LATE);
        assert_eq!(bench.lines(), [""; 0]);
    }
}
