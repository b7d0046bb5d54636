//! Files that two patterns mean for the same stream.
use super::*;
use crate::config::settings::Others;

/// Two patterns for the same streams, in this order.
fn two(pick: Pick, prepare: impl FnOnce(&mut Bench)) -> Bench {
    Bench::with(1024, |bench| {
        bench.watches = vec![watch(bench, "*.log", pick), watch(bench, "pay*", pick)];
        if pick != Pick::Newest {
            let rule = |watch: &Watch| match &watch.selection {
                Selection::Matching(rule) => rule.clone(),
                Selection::This => unreachable!("a pattern"),
            };
            let at = |number: usize| format!("list[{number}]");
            let rules = bench.watches.iter().map(rule);
            let patterns: Arc<[(String, Arc<Matching>)]> = rules.enumerate().map(|(n, rule)| (at(n), rule)).collect();
            for (before, watch) in bench.watches.iter_mut().enumerate() {
                let others = Others { patterns: patterns.clone(), before, ..Others::default() };
                let rule = Matching { others, ..rule(watch).as_ref().clone() };
                watch.selection = Selection::Matching(Arc::new(rule));
            }
        }
        prepare(bench);
    })
}

/// What the own log gets while `act` works.
fn said(act: impl FnOnce()) -> String {
    let page = tempfile::NamedTempFile::new().expect("a temporary file");
    let writer = Arc::new(page.reopen().expect("opened"));
    let subscriber = tracing_subscriber::fmt().with_writer(writer).with_ansi(false).finish();
    // Beside an only subscriber, a line that another test's thread comes to first would be turned off for all threads.
    let _beside = tracing::Dispatch::new(tracing_subscriber::registry());
    tracing::subscriber::with_default(subscriber, act);
    fs::read_to_string(page.path()).expect("text")
}

fn states(bench: &Bench) -> Vec<String> {
    bench.board.read().sources.values().filter_map(|source| source.state.clone()).collect()
}

#[test]
fn a_file_that_comes_later_and_that_two_patterns_mean_is_said_once_before_it_is_read() {
    let mut bench = two(Pick::EachToItsStream, |bench| bench.append("a.log", "one\n"));
    assert_eq!(streams(&mut bench).len(), 1);
    bench.append("pay1.log", "two\n");
    let told = said(|| _ = bench.turn());
    let (before, after) = told.split_once("two items mean this file").expect(&told);
    assert!(before.contains("WARN") && !before.contains("INFO") && after.contains("pay1.log"), "{told}");
    assert!(after.contains(r#"keys_of="list[0]" item="list[1]""#) && !after.contains("two items"), "{told}");
    assert_eq!(streams(&mut bench), super::said(&[("pay1.log", &["two"])]));
    bench.append("pay2.log", "three\n");
    let told = said(|| assert_eq!(streams(&mut bench).len(), 1));
    assert!(!told.contains("two items"), "{told}");
    bench.doze(Duration::from_secs(6));
    assert!(states(&bench).contains(&"its files are read by list[0]".to_owned()), "{:?}", states(&bench));
}

#[test]
fn what_was_there_at_the_start_is_not_said_again_and_its_reader_is_shown() {
    let mut bench = two(Pick::EachToItsStream, |bench| bench.append("pay1.log", "one\n"));
    let told = said(|| assert_eq!(streams(&mut bench).len(), 1));
    assert!(!told.contains("two items"), "{told}");
    bench.append("pay2.log", "two\n");
    let told = said(|| assert_eq!(streams(&mut bench).len(), 1));
    assert!(!told.contains("two items"), "{told}");
    assert!(states(&bench).contains(&"its files are read by list[0]".to_owned()), "{:?}", states(&bench));
}

/// The first pattern follows `a.log` and passes over `pay1.log`, which the second one follows.
fn newest_of_two(from_beginning: bool) -> Bench {
    two(Pick::Newest, |bench| {
        bench.append("pay1.log", "old\n");
        bench.append("a.log", "one\n");
        bench.watches.iter_mut().for_each(|watch| watch.from_beginning = from_beginning);
    })
}

#[test]
fn a_file_that_becomes_the_newest_of_a_pattern_while_another_one_follows_it_is_read_once_and_nothing_is_missed() {
    for (from_beginning, rest) in [(true, 0), (true, 2), (false, 0), (false, 2)] {
        let mut bench = newest_of_two(from_beginning);
        assert_eq!(bench.lines().len(), if from_beginning { 2 } else { 0 });
        bench.doze(rest * MINUTE);
        for round in 0..4 {
            bench.append("pay1.log", format!("more {round}\n"));
            let told = said(|| assert_eq!(bench.lines(), [format!("more {round}")]));
            assert!(!told.contains("missed") && !told.contains("does not exist"), "{from_beginning} {rest} {told}");
            bench.doze(rest * MINUTE);
        }
        assert!(!states(&bench).iter().any(|state| state.contains("does not exist")), "{:?}", states(&bench));
    }
}

#[test]
fn a_file_that_both_patterns_passed_over_has_one_reader_when_it_is_written_to() {
    for rest in [0, 2] {
        let mut bench = two(Pick::Newest, |bench| {
            bench.append("pay1.log", "never\n");
            bench.append("pay2.log", "old\n");
            bench.watches.iter_mut().for_each(|watch| watch.from_beginning = false);
        });
        assert_eq!(bench.lines(), [""; 0]);
        bench.doze(rest * MINUTE);
        for name in ["pay1.log", "pay3.log", "pay1.log", "pay2.log"] {
            bench.append(name, format!("{name}\n"));
            let told = said(|| assert_eq!(bench.lines(), [name]));
            assert!(!told.contains("missed") && !told.contains("does not exist"), "{rest} {told}");
            bench.doze(rest * MINUTE);
        }
    }
}
