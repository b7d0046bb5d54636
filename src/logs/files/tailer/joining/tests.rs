//! Which saved positions items get, whenever they come.
use super::*;
use crate::{
    config::{
        glob::Glob,
        settings::{Matching, Pick},
    },
    logs::files::tests::bench::{Bench, target, watch},
    model::Target,
};
use std::sync::Arc;

/// The item for `app.log`, followed from the end on where nothing is known of it.
fn item(bench: &Bench, group: &str) -> Watch {
    Watch { target: target(group), from_beginning: false, ..watch(bench.path("app.log")) }
}

/// Everything that ends in `.log`, likewise.
fn pattern(bench: &Bench, group: &str) -> Watch {
    let path = bench.path("*.log");
    let glob = Glob::parse(path.to_str().expect("Unicode")).expect("a pattern");
    let pick = Pick::EachToItsStream;
    let rule =
        Matching { glob, pick, blacklist: None, exclude: Vec::new(), auto_removal: false, others: Default::default() };
    Watch { path, selection: Selection::Matching(Arc::new(rule)), ..item(bench, group) }
}

/// The same without `app.log`.
fn pattern_of_others(bench: &Bench, group: &str) -> Watch {
    let all = pattern(bench, group);
    let Selection::Matching(rule) = &all.selection else { unreachable!("a pattern") };
    let path = bench.path("app.log");
    let exclude = vec![Glob::parse(path.to_str().expect("Unicode")).expect("a pattern")];
    let rule = Matching { exclude, ..rule.as_ref().clone() };
    Watch { selection: Selection::Matching(Arc::new(rule)), ..all }
}

/// An item of which only this much of the group's name is known.
fn awaited(watch: &Watch, group: &str) -> Awaited {
    let target = Target { group: group.to_owned(), ..watch.target.as_ref().clone() };
    Awaited { path: watch.path.clone(), selection: watch.selection.clone(), target }
}

/// An earlier run has followed `of` and delivered `one`; since then `two` was written.
fn second_run(of: fn(&Bench, &str) -> Watch, prepare: impl FnOnce(&mut Bench)) -> Bench {
    let mut bench = Bench::with(64, |bench| {
        bench.append("app.log", "");
        bench.watches = vec![of(bench, "/1/app")];
    });
    bench.settle();
    bench.append("app.log", "one\n");
    assert_eq!(bench.lines_of("/1/app"), ["one"]);
    bench.append("app.log", "two\n");
    prepare(&mut bench);
    bench.restart();
    bench
}

#[test]
fn nobody_inherits_what_an_item_saved_that_waits_for_its_names() {
    for (late, early) in [
        (item as fn(&Bench, &str) -> Watch, pattern as fn(&Bench, &str) -> Watch),
        (item, item),
        (pattern, item),
        (pattern, pattern),
    ] {
        let mut bench = second_run(late, |bench| {
            bench.watches = vec![early(bench, "other")];
            bench.awaited = vec![awaited(&late(bench, ""), "/\0/app")];
        });
        assert_eq!(bench.lines_of("other"), [""; 0], "it is new, and begins at the end");
        bench.append("app.log", "three\n");
        assert_eq!(bench.lines_of("other"), ["three"]);
        bench.follow(vec![late(&bench, "/1/app")], vec![]);
        assert_eq!(bench.lines_of("/1/app"), ["two", "three"]);
    }
}

#[test]
fn a_file_that_a_pattern_leaves_out_now_is_read_by_the_item_that_names_it_or_by_nobody() {
    let mut bench = second_run(pattern, |bench| bench.watches = vec![pattern_of_others(bench, "/1/app")]);
    bench.append("app.log", "three\n");
    assert_eq!(bench.lines_of("/1/app"), [""; 0]);
    bench.watches = vec![pattern_of_others(&bench, "/1/app"), item(&bench, "named")];
    bench.restart();
    assert_eq!(bench.lines_of("named"), ["two", "three"], "from where the pattern stopped");
    bench.append("app.log", "four\n");
    assert_eq!(bench.lines_of("named"), ["four"]);
    assert_eq!(bench.lines_of("/1/app"), [""; 0]);
}

#[test]
fn what_an_item_saved_stays_its_own_when_its_names_come_in_a_later_batch_than_those_of_others() {
    let mut bench = second_run(item, |bench| {
        bench.watches.clear();
        bench.awaited = vec![awaited(&item(bench, ""), "/\0/app"), awaited(&item(bench, ""), "/\0/more")];
    });
    bench.settle();
    bench.follow(vec![item(&bench, "/1/more")], vec![awaited(&item(&bench, ""), "/\0/app")]);
    assert_eq!(bench.lines_of("/1/more"), [""; 0]);
    bench.follow(vec![item(&bench, "/1/app")], vec![]);
    assert_eq!(bench.lines_of("/1/app"), ["two"]);
}

#[test]
fn what_was_given_to_one_item_and_is_not_opened_yet_is_not_given_to_a_later_one() {
    let mut bench = second_run(item, |bench| {
        // No scanner has looked yet: the pattern has opened nothing of what it inherits.
        bench.watches = vec![pattern(bench, "renamed")];
        bench.awaited = vec![awaited(&item(bench, ""), "/\0/another")];
    });
    bench.follow(vec![item(&bench, "/1/another")], vec![]);
    assert_eq!(bench.lines_of("renamed"), ["two"]);
    assert_eq!(bench.lines_of("/1/another"), [""; 0]);
}

#[test]
fn an_item_under_a_new_name_inherits_although_another_one_waits_that_never_had_it() {
    let mut bench = second_run(item, |bench| {
        bench.watches = vec![item(bench, "renamed")];
        bench.awaited = vec![awaited(&item(bench, ""), "/\0/other")];
    });
    assert_eq!(bench.lines_of("renamed"), ["two"]);
    bench.follow(vec![item(&bench, "/1/other")], vec![]);
    assert_eq!(bench.lines_of("/1/other"), [""; 0]);
}

#[test]
fn a_late_item_that_leads_to_a_file_that_is_read_already_is_read_once() {
    let mut bench = Bench::new();
    bench.append("app.log", "one\n");
    std::fs::hard_link(bench.path("app.log"), bench.path("b.log")).expect("linked");
    assert_eq!(bench.lines(), ["one"]);
    bench.follow(vec![watch(bench.path("b.log")), watch(bench.path("app.log"))], vec![]);
    assert_eq!(bench.lines(), [""; 0]);
    bench.append("app.log", "two\n");
    assert_eq!(bench.lines(), ["two"]);
}

#[test]
fn a_log_that_waits_for_its_names_is_nobodys_rotated_file() {
    let mut bench = Bench::with(64, |bench| {
        bench.append("app.log", "a line that is long enough to be known by it\n".repeat(20));
        let late = Watch { path: bench.path("app.log.1"), ..item(bench, "late") };
        bench.awaited = vec![awaited(&late, "\0")];
    });
    assert_eq!(bench.lines().len(), 20);
    bench.append("app.log.1", "its own\n");
    bench.delete("app.log");
    bench.settle();
    bench.append("app.log", "new\n");
    assert_eq!(bench.lines(), ["new"]);
}

#[test]
fn patterns_that_come_later_share_the_thread_of_their_folder() {
    let mut bench = Bench::with(64, |bench| bench.watches = vec![pattern(bench, "early")]);
    bench.settle();
    bench.follow(vec![pattern(&bench, "late")], vec![]);
    assert_eq!(bench.scanners(), 1);
    bench.settle();
    bench.append("app.log", "one\n");
    let streams = bench.streams();
    assert_eq!(streams.values().flatten().collect::<Vec<_>>(), ["one", "one"]);
}

#[test]
fn a_name_fits_with_anything_in_the_place_of_what_is_not_known() {
    for (pattern, fitting, others) in [
        ("g:s", &["g:s"][..], &["g:s*", "g:", "xg:s"][..]),
        ("/\0/app:\0", &["/1/app:i-1", "/1/app:", "/1/app/app:x"], &["/1/web:i-1", "1/app:x"]),
        ("\0:\0-\0*", &["g:a-b*", ":-*"], &["g:a*", "g:a-b", "a-b*"]),
        ("\0aa", &["aa", "aaa"], &["a", "aab"]),
    ] {
        for name in fitting {
            assert!(fits(pattern, name), "{name} fits {pattern:?}");
        }
        for name in others {
            assert!(!fits(pattern, name), "{name} does not fit {pattern:?}");
        }
    }
}
