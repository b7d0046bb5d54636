//! From a file at its path into the lane.
use super::bench::{Bench, messages, target};
use crate::{
    config::settings::{Filter, text::TextRules},
    logs::files::{
        Watch,
        lines::{ENOUGH, PIECE},
    },
    model::{Anchor, Checkpoints, Position, limits::MESSAGE_BYTES},
    telemetry::counters,
};
use std::{fs, sync::atomic::Ordering, time::Duration};

#[test]
fn lines_arrive_in_order_as_they_are_written() {
    let mut bench = Bench::new();
    bench.append("app.log", "one\ntwo\n");
    assert_eq!(bench.lines(), ["one", "two"]);
    bench.append("app.log", "three\r\n\n");
    assert_eq!(bench.lines(), ["three"]);
    assert!(bench.lines().is_empty());
}

#[test]
fn a_line_waits_for_its_end_however_long_that_takes() {
    let mut bench = Bench::new();
    bench.append("app.log", "one\ntw");
    assert_eq!(bench.lines(), ["one"]);
    bench.pass(Duration::from_secs(3600));
    assert!(bench.lines().is_empty());
    bench.append("app.log", "o\n");
    assert_eq!(bench.lines(), ["two"]);
}

#[test]
fn a_file_of_the_first_look_begins_where_the_settings_say() {
    for (from_beginning, expected) in [(true, vec!["old", "new"]), (false, vec!["new"])] {
        let mut bench = Bench::with(8, |bench| {
            bench.watches[0].from_beginning = from_beginning;
            bench.append("app.log", "old\n");
        });
        bench.settle();
        bench.append("app.log", "new\n");
        assert_eq!(bench.lines(), expected);
    }
}

#[test]
fn following_from_the_end_never_sends_half_a_line() {
    let mut bench = Bench::with(8, |bench| {
        bench.watches[0].from_beginning = false;
        bench.append("app.log", "old\nunfin");
    });
    assert!(bench.lines().is_empty());
    bench.append("app.log", "ished\n");
    assert_eq!(bench.lines(), ["unfinished"]);
}

#[test]
fn a_file_that_appears_later_begins_at_its_beginning() {
    let mut bench = Bench::with(8, |bench| bench.watches[0].from_beginning = false);
    bench.settle();
    bench.append("app.log", "one\n");
    assert_eq!(bench.lines(), ["one"]);
}

#[test]
fn the_start_is_saved_before_anything_is_read() {
    let bench = &mut Bench::with(1, |bench| {
        bench.watches[0].from_beginning = false;
        bench.append("app.log", "old\n");
    });
    bench.turn();
    let [position] = &bench.keeper.positions()[..] else { panic!("one position") };
    assert_eq!((position.offset, position.before.length, position.identity.head.length), (4, 4, 4));
    assert_eq!(&*position.target, "g:s");
}

#[test]
fn a_big_file_comes_in_slices_and_a_small_append_in_a_small_buffer() {
    let mut bench = Bench::new();
    let line = format!("{}\n", "x".repeat(99));
    bench.append("app.log", line.repeat(10_000));
    bench.settle();
    let chunks = bench.chunks("g");
    assert_eq!(chunks.len(), 4);
    assert!(chunks.iter().all(|c| c.text.capacity() <= 256 * 1024));
    assert_eq!(chunks.iter().map(|c| c.events.len()).sum::<usize>(), 10_000);
    bench.append("app.log", "small\n");
    bench.settle();
    assert_eq!(bench.chunks("g")[0].text.capacity(), 6);
}

#[test]
fn where_many_files_are_followed_each_comes_in_small_slices_and_a_longer_line_comes_whole() {
    let mut bench = Bench::with(64, |bench| {
        for n in 0..300 {
            let (path, target) = (bench.path(&format!("{n}.log")), bench.watches[0].target.clone());
            bench.watches.push(Watch { path, target, ..bench.watches[0].clone() });
        }
    });
    bench.append("app.log", format!("{}{}\n", "a line\n".repeat(10_000), "x".repeat(100_000)));
    bench.settle();
    let chunks = bench.chunks("g");
    assert!(chunks.iter().all(|c| c.text.capacity() <= 16 * 1024 || c.events.len() == 1), "small slices");
    let fits = |capacity: usize, length: usize| capacity <= 2 * length + 1;
    assert!(chunks.iter().all(|c| fits(c.text.capacity(), c.text.len()) && fits(c.events.capacity(), c.events.len())));
    let lines: Vec<_> = chunks.iter().flat_map(messages).collect();
    assert_eq!((lines.len(), lines[10_000].len()), (10_001, 100_000));
}

#[test]
fn every_position_of_a_chunk_can_be_gone_back_to() {
    let mut bench = Bench::new();
    bench.append("app.log", "one\ntwo\nthree\n");
    bench.settle();
    let chunk = bench.chunk("g").expect("a chunk");
    let Some(Position::File(middle)) = chunk.position_after(0) else { panic!("a position") };
    assert_eq!((middle.offset, middle.before.length), (4, 4));
    let Position::File(end) = &chunk.end else { panic!("a position") };
    assert_eq!((end.offset, end.identity.head.length, &*end.target), (14, 14, "g:s"));
    assert!(matches!(chunk.anchor, Anchor::File { .. }));
    bench.keeper.ack(chunk.source, 0, 4, Some(Position::File(middle)));
    bench.restart();
    assert_eq!(bench.lines(), ["two", "three"]);
}

#[test]
fn filtered_lines_are_counted_and_only_move_the_position() {
    let mut bench = Bench::with(8, |bench| {
        let pattern = regex::bytes::Regex::new("^DEBUG").expect("a good pattern");
        let filter = Filter { exclude_patterns: vec![pattern], ..Filter::default() };
        bench.watches[0].text = TextRules { filter, ..TextRules::default() }.into();
    });
    let before = counters::EVENTS_FILTERED.get();
    bench.append("app.log", "DEBUG one\nDEBUG two\n");
    bench.settle();
    let chunk = bench.chunk("g").expect("a chunk");
    assert_eq!((chunk.events.len(), chunk.from, chunk.to, chunk.text.capacity()), (0, 0, 20, 0));
    assert!(counters::EVENTS_FILTERED.get() >= before + 2);
    bench.append("app.log", "INFO three\n");
    assert_eq!(bench.lines(), ["INFO three"]);
}

#[test]
fn a_line_over_the_limit_goes_in_parts_in_bounded_memory() {
    let mut bench = Bench::new();
    bench.append("app.log", "short\n");
    bench.append("app.log", "x".repeat(5_000_000));
    bench.settle();
    let chunks = bench.chunks("g");
    let lengths: Vec<_> = chunks.iter().flat_map(messages).map(|m| m.len()).collect();
    assert_eq!(lengths, [5, MESSAGE_BYTES, MESSAGE_BYTES, MESSAGE_BYTES, MESSAGE_BYTES], "the rest waits for its end");
    assert!(chunks.iter().all(|c| c.text.capacity() <= 2 * ENOUGH));
    bench.append("app.log", "end\nnext\n");
    assert_eq!(bench.lines().iter().map(String::len).collect::<Vec<_>>(), [5_000_000 - 4 * PIECE + 3, 4]);
}

#[test]
fn a_full_lane_leaves_the_data_in_its_file_and_does_not_hold_up_the_others() {
    let mut bench = Bench::with(1, |bench| {
        let path = bench.path("other.log");
        bench.watches.push(Watch { path, target: target("other"), ..bench.watches[0].clone() });
    });
    bench.append("app.log", "one\n");
    bench.settle();
    bench.append("app.log", "two\n");
    bench.append("other.log", "three\n");
    bench.settle();
    assert_eq!(messages(&bench.chunk("other").expect("not held up")), ["three"]);
    assert_eq!(messages(&bench.chunk("g").expect("the first")), ["one"]);
    assert_eq!(bench.wakes.load(Ordering::Relaxed), 1, "room is told once");
    assert!(bench.chunk("g").is_none());
    bench.tailer.has_space();
    let (now, wall) = (bench.now(), bench.wall().into());
    bench.tailer.turn(now, wall);
    assert_eq!(messages(&bench.chunk("g").expect("the rest")), ["two"]);
}

#[test]
fn hints_are_followed_at_once_and_the_poll_finds_the_rest() {
    let mut bench = Bench::new();
    bench.append("app.log", "one\n");
    bench.settle();
    assert_eq!(bench.chunks("g").len(), 1);
    bench.append("app.log", "two\n");
    let wall = bench.wall().into();
    let turn = bench.tailer.turn(bench.now(), wall);
    assert!(!turn.progressed && turn.next_look > Duration::from_secs(1), "nobody said anything");
    bench.tailer.changed("app.log".as_ref());
    bench.tailer.changed("stranger.log".as_ref());
    assert!(bench.tailer.turn(bench.now(), wall).progressed);
    assert_eq!(bench.chunks("g").len(), 1);
    bench.append("app.log", "three\n");
    bench.pass(turn.next_look);
    assert!(bench.tailer.turn(bench.now(), wall).progressed);
}

#[test]
fn one_file_under_two_names_is_sent_once_to_one_target() {
    let mut bench = Bench::with(8, |bench| {
        bench.append("app.log", "one\n");
        fs::hard_link(bench.path("app.log"), bench.path("link.log")).expect("linked");
        let path = bench.path("link.log");
        bench.watches.push(Watch { path, ..bench.watches[0].clone() });
        bench.watches.push(bench.watches[0].clone());
    });
    assert_eq!(bench.lines(), ["one"]);
    // Once the names part, both are followed.
    bench.delete("link.log");
    bench.append("link.log", "two\n");
    bench.append("app.log", "three\n");
    let mut lines = bench.lines();
    lines.sort();
    assert_eq!(lines, ["three", "two"]);
}

#[test]
fn one_file_is_sent_to_each_of_its_targets() {
    let mut bench = Bench::with(8, |bench| {
        bench.append("app.log", "one\n");
        bench.watches.push(Watch { target: target("other"), ..bench.watches[0].clone() });
    });
    assert_eq!(bench.lines(), ["one"]);
    assert_eq!(bench.lines_of("other"), ["one"]);
}

#[test]
fn a_folder_is_refused_and_a_file_in_its_place_begins_at_its_beginning() {
    let mut bench = Bench::with(8, |bench| {
        bench.watches[0].from_beginning = false;
        fs::create_dir(bench.path("app.log")).expect("made");
    });
    bench.settle();
    let page = bench.board.read();
    let line = page.sources.values().next().expect("a line");
    assert!(line.last_error.as_deref().is_some_and(|e| e.contains("folder")), "{line:?}");
    fs::remove_dir(bench.path("app.log")).expect("gone");
    bench.append("app.log", "one\n");
    assert_eq!(bench.lines(), ["one"]);
    assert!(bench.board.read().sources.values().all(|line| line.last_error.is_none()));
}

#[cfg(unix)]
#[test]
fn a_fifo_is_refused_without_waiting_for_its_writer() {
    let mut bench = Bench::with(8, |bench| {
        let made =
            std::process::Command::new("mkfifo").arg(bench.path("app.log")).status().expect("mkfifo is in POSIX");
        assert!(made.success());
    });
    bench.settle();
    let page = bench.board.read();
    assert!(page.sources.values().any(|l| l.last_error.as_deref().is_some_and(|e| e.contains("FIFO"))));
}

#[cfg(unix)]
#[test]
fn a_path_that_cannot_be_looked_at_is_tried_again_with_growing_patience() {
    let mut bench = Bench::with(8, |bench| {
        // A link to itself fails for everyone, also for root.
        std::os::unix::fs::symlink(bench.path("app.log"), bench.path("app.log")).expect("linked");
    });
    bench.settle();
    let errors = |bench: &Bench| bench.board.read().sources.values().filter(|l| l.last_error.is_some()).count();
    assert_eq!(errors(&bench), 1);
    bench.delete("app.log");
    bench.append("app.log", "one\n");
    bench.settle();
    assert!(bench.chunks("g").is_empty(), "not before the wait is over");
    bench.pass(Duration::from_secs(30));
    assert_eq!(bench.lines(), ["one"]);
    assert_eq!(errors(&bench), 0);
}

#[test]
fn the_board_shows_how_far_each_file_was_read() {
    let mut bench = Bench::new();
    bench.append("app.log", "one\ntw");
    bench.settle();
    let page = bench.board.read();
    let line = page.sources.values().next().expect("a line");
    assert_eq!((line.group.as_str(), line.stream.as_str(), line.read, line.size), ("g", "s", 4, Some(6)));
    assert!(line.name.ends_with("app.log"));
}

#[test]
fn the_board_shows_a_file_that_does_not_exist_with_its_name_until_it_comes() {
    let mut bench = Bench::new();
    bench.settle();
    let line = |bench: &Bench| {
        let sources: Vec<_> = bench.board.read().sources.into_values().collect();
        let [line] = &sources[..] else { panic!("one line: {sources:?}") };
        assert!(line.name.ends_with("app.log") && line.group == "g" && line.stream == "s", "{line:?}");
        (line.state.clone(), line.last_error.clone(), line.read)
    };
    assert_eq!(line(&bench), (Some("does not exist yet".into()), None, 0));
    fs::create_dir(bench.path("app.log")).expect("made");
    bench.settle();
    let refused = line(&bench);
    assert!(refused.0.is_none() && refused.1.is_some_and(|error| error.contains("folder")));
    fs::remove_dir(bench.path("app.log")).expect("gone");
    bench.settle();
    assert_eq!(line(&bench), (Some("does not exist yet".into()), None, 0));
    bench.append("app.log", "one\n");
    assert_eq!(bench.lines(), ["one"]);
    assert_eq!(line(&bench), (None, None, 4));
    bench.restart();
    bench.settle();
    assert_eq!(line(&bench), (None, None, 4));
}

#[test]
fn the_name_of_a_file_is_taken_as_it_is() {
    let mut bench = Bench::with(8, |bench| bench.watches[0].path = bench.path("app[1] *?{x}.log"));
    bench.settle();
    bench.append("app1  x.log", "strange\n");
    bench.append("app[1] *?{x}.log", "one\n");
    assert_eq!(bench.lines(), ["one"]);
}

#[test]
fn a_hole_that_a_truncation_left_is_skipped() {
    let mut bench = Bench::new();
    bench.append("app.log", "one\n");
    let file = fs::OpenOptions::new().append(true).open(bench.path("app.log")).expect("writable");
    file.set_len(3_000_000).expect("a hole");
    bench.append("app.log", "two\n");
    assert_eq!(bench.lines(), ["one", "two"]);
}

#[test]
fn positions_of_other_paths_and_kinds_are_left_alone() {
    let mut bench = Bench::with(8, |bench| {
        let path = bench.path("other.log");
        bench.watches.push(Watch { path, ..bench.watches[0].clone() });
    });
    bench.append("other.log", "one\n");
    assert_eq!(bench.lines(), ["one"]);
    bench.watches.pop();
    bench.restart();
    bench.settle();
    assert_eq!(bench.keeper.saved().len(), 1, "nobody claimed it, nobody threw it away");
}

#[test]
fn a_lost_wake_is_made_good_by_the_poll() {
    let mut bench = Bench::with(1, |bench| bench.append("app.log", "one\n".repeat(200_000)));
    bench.settle();
    assert!(bench.chunk("g").is_some());
    let (now, wall) = (bench.now(), bench.wall().into());
    let turn = bench.tailer.turn(now, wall);
    assert!(!turn.progressed, "nobody said that there is room");
    assert!(bench.tailer.turn(now + turn.next_look, wall).progressed);
    assert!(bench.chunk("g").is_some());
}

#[test]
fn a_rest_without_a_line_end_is_on_the_board_while_it_waits_for_one() {
    let mut bench = Bench::new();
    let rest = |bench: &Bench| {
        let line = bench.board.read().sources.into_values().next().expect("one line");
        (line.read, line.size, line.unfinished)
    };
    bench.append("app.log", "one\ntw");
    assert_eq!((bench.lines().len(), rest(&bench)), (1, (4, Some(6), Some(4))));
    bench.append("app.log", "o\n");
    assert_eq!((bench.lines().len(), rest(&bench)), (1, (8, Some(8), None)));
    bench.append("app.log", "thr");
    assert_eq!((bench.lines().len(), rest(&bench)), (0, (8, Some(11), Some(8))));
    bench.rotate();
    bench.restart();
    bench.settle();
    assert_eq!(rest(&bench), (8, Some(11), None), "of a rotated file it is sent soon");
}

#[test]
fn a_volume_that_goes_away_while_its_log_is_followed_and_comes_back_costs_nothing() {
    let mut bench = Bench::unmounted();
    for _ in 0..10 {
        bench.pass(Duration::from_secs(86_400));
        assert_eq!(bench.lines(), [""; 0]);
    }
    assert_eq!(bench.keeper.positions().iter().filter(|p| p.offset == 4).count(), 1);
    bench.rename("unmounted", "disk");
    bench.append("disk/app.log", "two\n");
    assert_eq!(bench.lines(), ["two"]);
}
