//! What happened to a file while nobody followed it.
use super::bench::{Bench, messages, target};
use crate::{
    config::settings::{Filter, text::TextRules},
    logs::files::{Watch, lines::PIECE},
    model::Checkpoints,
    telemetry::counters,
};
use std::{fs, time::Duration};

/// A bench whose first run delivered "one" and ended.
fn after_one() -> Bench {
    let mut bench = Bench::with(64, |bench| bench.watches[0].from_beginning = false);
    bench.settle();
    bench.append("app.log", "one\n");
    assert_eq!(bench.lines(), ["one"]);
    bench
}

/// Enough lines to know a file by.
fn long() -> String {
    (0..50).map(|n| format!("line {n}\n")).collect()
}

#[test]
fn reading_goes_on_where_it_stopped() {
    let mut bench = after_one();
    bench.append("app.log", "two\n");
    bench.restart();
    assert_eq!(bench.lines(), ["two"]);
}

#[test]
fn reading_goes_on_where_it_stopped_under_the_name_that_the_stream_has_now() {
    for from_beginning in [false, true] {
        let mut bench = after_one();
        bench.append("app.log", "two\n");
        bench.watches[0].target = target("another");
        bench.watches[0].from_beginning = from_beginning;
        bench.restart();
        assert_eq!(bench.lines_of("another"), ["two"]);
        bench.append("app.log", "three\n");
        bench.restart();
        assert_eq!(bench.lines_of("another"), ["three"]);
    }
}

#[test]
fn a_stream_that_is_still_followed_keeps_its_position_from_a_new_one_of_the_same_file() {
    let mut bench = after_one();
    let second = Watch { target: target("another"), from_beginning: true, ..bench.watches[0].clone() };
    bench.watches.push(second);
    bench.append("app.log", "two\n");
    bench.restart();
    assert_eq!(bench.lines(), ["two"]);
    assert_eq!(bench.lines_of("another"), ["one", "two"]);
}

#[test]
fn what_was_not_acknowledged_is_read_again() {
    let mut bench = after_one();
    bench.append("app.log", "two\n");
    bench.settle();
    assert_eq!(messages(&bench.chunk("g").expect("read")), ["two"]);
    bench.restart();
    assert_eq!(bench.lines(), ["two"]);
}

#[test]
fn a_file_that_was_rotated_meanwhile_is_finished_first() {
    let mut bench = after_one();
    bench.append("app.log", "two\n");
    bench.rotate();
    bench.append("app.log", "three\n");
    bench.restart();
    assert_eq!(bench.lines(), ["two", "three"]);
}

#[test]
fn a_file_that_was_given_any_other_name_is_finished_first() {
    let mut bench = after_one();
    bench.append("app.log", "two\n");
    bench.rename("app.log", "saved for later");
    bench.append("app.log", "three\n");
    bench.restart();
    assert_eq!(bench.lines(), ["two", "three"]);
}

#[test]
fn generations_that_nobody_saw_are_read_in_between() {
    let mut bench = after_one();
    for line in ["two\n", "three\n", "four\n"] {
        bench.append("app.log", line);
        bench.rotate();
    }
    bench.append("app.log", "five\n");
    bench.restart();
    assert_eq!(bench.lines(), ["two", "three", "four", "five"]);
}

#[test]
fn generations_that_nobody_saw_are_read_although_the_clock_was_set_back() {
    let mut bench = after_one();
    for line in ["two\n", "three\n", "four\n"] {
        bench.append("app.log", line);
        bench.rotate();
        bench.set_back(Duration::from_secs(300));
    }
    bench.append("app.log", "five\n");
    bench.restart();
    assert_eq!(bench.lines(), ["two", "three", "four", "five"]);
    bench.pass(Duration::from_secs(3));
    assert_eq!(bench.lines(), [""; 0]);
}

#[test]
fn dated_generations_are_told_apart_by_their_names_although_the_clock_was_set_back() {
    let mut bench = after_one();
    for (line, name) in [("two\n", "app.log-20260101"), ("three\n", "app.log-20260102"), ("four\n", "app.log-20260103")]
    {
        bench.append("app.log", line);
        bench.rename("app.log", name);
        bench.set_back(Duration::from_secs(300));
    }
    bench.append("app.log", "five\n");
    bench.restart();
    assert_eq!(bench.lines(), ["two", "three", "four", "five"]);
}

#[test]
fn generations_that_nobody_saw_are_read_even_if_the_known_one_is_gone() {
    let mut bench = after_one();
    for line in ["two\n", "three\n", "four\n"] {
        bench.append("app.log", line);
        bench.rotate();
    }
    bench.delete("app.log.3");
    bench.append("app.log", "five\n");
    bench.restart();
    assert_eq!(bench.lines(), ["three", "four", "five"]);
    assert_eq!(bench.keeper.finished().len(), 1, "the lost one is let go");
}

#[test]
fn a_position_that_was_given_up_is_not_looked_for_again() {
    let mut bench = after_one();
    bench.delete("app.log");
    bench.append("app.log", long());
    bench.restart();
    assert_eq!(bench.lines().len(), 50);
    bench.copy_and_truncate();
    bench.append("app.log", "two\n");
    assert_eq!(bench.lines(), ["two"]);
    assert_eq!(bench.keeper.positions().len(), 1);
    bench.restart();
    assert_eq!(bench.lines(), [""; 0], "the copy of what was delivered is left alone");
}

#[test]
fn older_generations_are_left_alone() {
    let mut bench = Bench::with(64, |bench| bench.append("app.log.1", "long ago\n"));
    bench.append("app.log", "one\n");
    assert_eq!(bench.lines(), ["one"]);
    bench.rotate();
    bench.append("app.log", "two\n");
    bench.restart();
    assert_eq!(bench.lines(), ["two"]);
}

#[test]
fn a_file_that_was_truncated_meanwhile_begins_anew() {
    let mut bench = after_one();
    bench.truncate("app.log");
    bench.append("app.log", "a longer line than before\n");
    bench.restart();
    let cut = counters::FILES_TRUNCATED.here();
    assert_eq!(bench.lines(), ["a longer line than before"]);
    assert_eq!(bench.keeper.positions().len(), 1);
    assert_eq!(counters::FILES_TRUNCATED.here() - cut, 0, "dated before it was made: the inode was used again");
}

#[test]
fn only_a_file_that_is_older_than_its_position_counts_as_cut_short() {
    let mut bench = Bench::new();
    bench.pass(Duration::from_secs(100 * 365 * 86_400));
    bench.append("app.log", "one\n");
    assert_eq!(bench.lines(), ["one"]);
    bench.truncate("app.log");
    bench.append("app.log", "a longer line than before\n");
    let cut = counters::FILES_TRUNCATED.here();
    bench.restart();
    assert_eq!(bench.lines(), ["a longer line than before"]);
    assert_eq!(counters::FILES_TRUNCATED.here() - cut, 1);
}

#[test]
fn a_file_that_was_copied_and_truncated_meanwhile_is_finished_from_its_copy() {
    let mut bench = after_one();
    for line in ["two\n", "three\n"] {
        bench.append("app.log", line);
        bench.copy_and_truncate();
    }
    bench.append("app.log", "four\n");
    bench.restart();
    assert_eq!(bench.lines(), ["two", "three", "four"]);
}

#[test]
fn another_file_with_the_same_inode_begins_at_its_beginning() {
    let mut bench = after_one();
    // What a file system does when it gives the inode away again.
    fs::write(bench.path("app.log"), "other\ncontent\n").expect("written");
    bench.restart();
    assert_eq!(bench.lines(), ["other", "content"]);
}

#[test]
fn another_inode_with_the_same_content_goes_on() {
    let mut bench = after_one();
    bench.append("app.log", long());
    assert_eq!(bench.lines().len(), 50);
    bench.append("app.log.tmp", format!("one\n{}two\n", long()));
    bench.rename("app.log.tmp", "app.log");
    bench.restart();
    assert_eq!(bench.lines(), ["two"]);
}

#[test]
fn a_file_that_was_deleted_meanwhile_is_let_go_and_its_successor_begins_at_its_beginning() {
    let mut bench = after_one();
    bench.delete("app.log");
    bench.restart();
    bench.settle();
    assert_eq!(bench.keeper.finished().len(), 1);
    bench.restart();
    bench.append("app.log", "two\n");
    assert_eq!(bench.lines(), ["two"]);
}

#[test]
fn a_file_that_was_not_there_in_any_run_begins_at_its_beginning() {
    let mut bench = Bench::with(8, |bench| bench.watches[0].from_beginning = false);
    bench.settle();
    bench.append("app.log", "one\n");
    bench.restart();
    assert_eq!(bench.lines(), ["one"]);
    assert_eq!(bench.keeper.positions().len(), 1);
}

#[test]
fn a_file_that_was_rotated_and_not_made_again_is_still_known() {
    let mut bench = after_one();
    bench.rotate();
    bench.settle();
    bench.restart();
    bench.settle();
    bench.append("app.log.1", "late\n");
    bench.append("app.log", "two\n");
    bench.restart();
    assert_eq!(bench.lines(), ["late", "two"]);
}

#[test]
fn positions_are_kept_while_the_folder_is_not_there() {
    let mut bench = Bench::unmounted();
    bench.restart();
    bench.settle();
    assert_eq!(bench.keeper.saved().len(), 1);
    assert_eq!(bench.keeper.finished().len(), 0);
    bench.rename("unmounted", "disk");
    bench.append("disk/app.log", "two\n");
    assert_eq!(bench.lines(), ["two"]);
}

#[test]
fn each_target_of_a_file_goes_on_where_it_stopped_itself() {
    let mut bench = Bench::with(8, |bench| {
        bench.watches.push(Watch { target: target("other"), ..bench.watches[0].clone() });
        bench.append("app.log", "one\n");
    });
    assert_eq!(bench.lines(), ["one"]);
    bench.append("app.log", "two\n");
    assert_eq!(bench.lines_of("other"), ["one", "two"]);
    bench.watches.reverse();
    bench.restart();
    bench.settle();
    assert_eq!(bench.lines_of("other"), [""; 0]);
    assert_eq!(bench.lines(), ["two"]);
}

#[test]
fn a_position_from_elsewhere_without_identity_or_target_is_trusted() {
    let mut bench = after_one();
    bench.append("app.log", "two\n");
    let mut position = bench.keeper.positions().remove(0);
    (position.identity.device, position.identity.inode) = (0, 0);
    (position.identity.head, position.before) = Default::default();
    position.target = "".into();
    bench.keeper = Default::default();
    bench.keeper.open(crate::model::SourceId::unique(), 4, crate::model::Position::File(position));
    bench.restart();
    assert_eq!(bench.lines(), ["two"]);
}

#[test]
fn a_long_line_cut_by_a_crash_goes_on_within_the_line() {
    let mut bench = Bench::new();
    bench.append("app.log", "x".repeat(1_500_000));
    assert_eq!(bench.lines().len(), 1);
    bench.append("app.log", "end\nnext\n");
    bench.restart();
    assert_eq!(bench.lines().iter().map(String::len).collect::<Vec<_>>(), [1_500_000 - PIECE + 3, 4]);
}

#[test]
fn the_rest_of_a_long_line_that_the_filter_kept_back_is_kept_back_after_a_crash_too() {
    let mut bench = Bench::with(64, |bench| {
        let pattern = regex::bytes::Regex::new("^SECRET").expect("a good pattern");
        let filter = Filter { exclude_patterns: vec![pattern], ..Filter::default() };
        bench.watches[0].text = TextRules { filter, ..TextRules::default() }.into();
    });
    bench.append("app.log", format!("one\nSECRET{}", "x".repeat(1_600_000)));
    assert_eq!(bench.lines(), ["one"]);
    bench.restart();
    bench.append("app.log", "x".repeat(1_600_000));
    assert_eq!(bench.lines(), [""; 0]);
    bench.rotate();
    bench.restart();
    bench.append("app.log.1", "end\ntwo\n");
    assert_eq!(bench.lines(), ["two"]);
}

#[test]
fn a_file_made_anew_after_a_deletion_that_was_seen_begins_at_its_beginning() {
    let mut bench = after_one();
    bench.delete("app.log");
    bench.turn();
    bench.pass(Duration::from_secs(60));
    bench.settle();
    assert_eq!(bench.keeper.finished().len(), 1);
    bench.append("app.log", "two\n");
    bench.restart();
    assert_eq!(bench.lines(), ["two"]);
    assert_eq!(bench.keeper.positions().len(), 1);
}

#[test]
fn a_copy_that_is_older_than_what_was_delivered_is_recognised() {
    let mut bench = after_one();
    bench.append("app.log", long().repeat(3));
    assert_eq!(bench.lines().len(), 150);
    bench.copy("app.log", "app.log.1");
    bench.append("app.log", "written while the copy was made\n");
    assert_eq!(bench.lines().len(), 1);
    bench.truncate("app.log");
    bench.append("app.log", "two\n");
    bench.restart();
    assert_eq!(bench.lines(), ["two"]);
    assert_eq!(bench.keeper.finished().len(), 0, "its file was found: nothing is missed");
}

#[test]
fn what_was_on_its_way_when_an_editor_rewrote_the_file_is_read_again() {
    let mut bench = after_one();
    bench.append("app.log", long());
    bench.settle();
    assert_eq!(bench.chunks("g").len(), 1, "taken and never acknowledged");
    bench.append("app.log.tmp", format!("one\n{}two\n", long()));
    bench.rename("app.log.tmp", "app.log");
    bench.settle();
    bench.restart();
    let lines = bench.lines();
    assert_eq!((lines.len(), lines[0].as_str(), lines[50].as_str()), (51, "line 0", "two"));
    assert_eq!(bench.keeper.positions().len(), 1, "of two positions in one file the earlier one is kept");
}

#[test]
fn of_two_names_of_one_file_the_one_that_was_read_goes_on() {
    let mut bench = after_one();
    fs::hard_link(bench.path("app.log"), bench.path("link.log")).expect("linked");
    let path = bench.path("link.log");
    bench.watches.insert(0, Watch { path, ..bench.watches[0].clone() });
    bench.append("app.log", "two\n");
    bench.restart();
    assert_eq!(bench.lines(), ["two"]);
}
