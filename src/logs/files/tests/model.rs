//! Random lives of a log file against one sentence: every line that was written is handed on at least once, exactly
//! once as long as nothing crashed, and in order within each generation.
use super::bench::{Bench, messages};
use crate::model::{Position, SourceId};
use proptest::prelude::*;
use std::{collections::HashMap, time::Duration};

#[derive(Clone, Debug)]
enum Action {
    /// So many lines, of so many bytes more.
    Append {
        lines: u8,
        padding: u16,
    },
    /// The beginning of a line; the next append ends it.
    AppendPart,
    Rotate,
    /// Lines for the file that was rotated away last.
    AppendLate {
        lines: u8,
    },
    /// Everything is read and acknowledged first: what is deleted unread is lost by definition.
    Delete,
    Turns(u8),
    /// Take so many chunks out of the lane.
    Take(u8),
    /// Acknowledge one of the covers that wait, wherever it stands.
    Acknowledge(u8),
    Wait(u8),
    Crash,
}

/// How this log is rotated.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Rotation {
    Rename,
    CopyAndTruncate,
    /// By renaming, and gzip at once.
    Compress,
}

fn actions() -> impl Strategy<Value = Vec<Action>> {
    let action = prop_oneof![
        8 => (1..6u8, 0..40u16).prop_map(|(lines, padding)| Action::Append { lines, padding }),
        1 => (200..255u8, 1500..3000u16).prop_map(|(lines, padding)| Action::Append { lines, padding }),
        2 => Just(Action::AppendPart),
        4 => Just(Action::Rotate),
        2 => (1..3u8).prop_map(|lines| Action::AppendLate { lines }),
        1 => Just(Action::Delete),
        6 => (1..4u8).prop_map(Action::Turns),
        5 => (1..5u8).prop_map(Action::Take),
        6 => any::<u8>().prop_map(Action::Acknowledge),
        2 => prop_oneof![Just(1), Just(4), Just(6), Just(70)].prop_map(Action::Wait),
        2 => Just(Action::Crash),
    ];
    prop::collection::vec(action, 1..60)
}

/// As many open files as anybody needs.
const ENOUGH: usize = 1000;

/// A part of a source that was sent and not yet acknowledged.
struct Sent {
    source: SourceId,
    from: u64,
    to: u64,
    position: Option<Position>,
}

struct World {
    bench: Bench,
    rotation: Rotation,
    /// Every line, by generation.
    written: Vec<Vec<String>>,
    /// Whether the last line of the newest generation has no end yet.
    part: bool,
    /// The generation that was rotated away last, and when.
    rotated: Option<(usize, Duration)>,
    delivered: Vec<String>,
    sent: Vec<Sent>,
    crashed: bool,
    late: bool,
    serial: usize,
    /// So many files may be held open.
    most: usize,
    /// Events have several lines.
    gather: bool,
}

impl World {
    fn new(rotation: Rotation, most: usize, gather: bool) -> Self {
        let mut bench = Bench::with(3, |bench| {
            if gather {
                bench.gather(r"^\S");
            }
        });
        bench.tailer.hold_at_most(most);
        bench.turn(); // What comes and goes before the very first look was never promised.
        Self {
            bench,
            rotation,
            most,
            gather,
            written: vec![Vec::new()],
            part: false,
            rotated: None,
            delivered: Vec::new(),
            sent: Vec::new(),
            crashed: false,
            late: false,
            serial: 0,
        }
    }

    fn act(&mut self, action: &Action) {
        match *action {
            Action::Append { lines, padding } => {
                let mut text = String::new();
                if std::mem::take(&mut self.part) {
                    self.newest().last_mut().expect("a part").push_str("end");
                    text.push_str("end\n");
                }
                let generation = self.written.len() - 1;
                let lines: Vec<_> = (0..lines).map(|_| self.line(generation, padding)).collect();
                text.extend(lines.iter().map(|line| format!("{line}\n")));
                self.newest().extend(lines);
                self.bench.append("app.log", text);
            }
            Action::AppendPart => {
                let line = self.line(self.written.len() - 1, 3);
                self.bench.append("app.log", &line);
                match self.part {
                    true => self.newest().last_mut().expect("a part").push_str(&line),
                    false => self.newest().push(line),
                }
                self.part = true;
            }
            Action::Rotate => self.rotate(),
            Action::AppendLate { lines } => self.append_late(lines),
            Action::Delete => self.delete(),
            Action::Turns(n) => (0..n).for_each(|_| _ = self.bench.turn()),
            Action::Take(n) => self.take(n.into()),
            Action::Acknowledge(which) => self.acknowledge(which.into()),
            Action::Wait(seconds) => {
                self.bench.pass(Duration::from_secs(seconds.into()));
                self.bench.turn();
            }
            Action::Crash => {
                self.crashed = true;
                self.sent.clear();
                self.bench.restart();
                self.bench.tailer.hold_at_most(self.most);
            }
        }
    }

    fn newest(&mut self) -> &mut Vec<String> {
        self.written.last_mut().expect("never empty")
    }

    fn line(&mut self, generation: usize, padding: u16) -> String {
        self.serial += 1;
        let indent = if self.gather && !self.serial.is_multiple_of(3) { "  " } else { "" };
        format!("{indent}{generation} {} {}", self.serial, "x".repeat(padding.into()))
    }

    fn rotate(&mut self) {
        if !self.bench.path("app.log").exists() {
            return;
        }
        match self.rotation {
            Rotation::Rename => {
                self.bench.rotate();
                // A part that somebody ends late would rightly be two events; keep that out of the books.
                self.rotated = (!self.part).then_some((self.written.len() - 1, self.bench.clock));
            }
            Rotation::CopyAndTruncate => self.bench.copy_and_truncate(),
            Rotation::Compress => super::compressed::rotate(&self.bench),
        }
        self.written.push(Vec::new());
        self.part = false;
    }

    fn append_late(&mut self, lines: u8) {
        let Some((generation, at)) = self.rotated else { return };
        // Where no more files may be opened one is let go after 5 quiet seconds.
        let patience = if self.most < ENOUGH { 4 } else { 50 };
        if self.bench.clock - at > Duration::from_secs(patience) {
            return;
        }
        self.late = true;
        let lines: Vec<_> = (0..lines).map(|_| self.line(generation, 2)).collect();
        self.bench.append("app.log.1", lines.iter().map(|line| format!("{line}\n")).collect::<String>());
        self.written[generation].extend(lines);
    }

    fn delete(&mut self) {
        if self.part || !self.bench.path("app.log").exists() {
            return;
        }
        self.finish();
        self.bench.delete("app.log");
        self.rotated = None;
        self.written.push(Vec::new());
    }

    fn take(&mut self, n: usize) {
        for _ in 0..n {
            let Some(chunk) = self.bench.chunk("g") else { return };
            if self.bench.wakes.swap(0, std::sync::atomic::Ordering::Relaxed) > 0 {
                self.bench.tailer.has_space();
            }
            for event in messages(&chunk) {
                self.delivered.extend(event.split('\n').map(str::to_owned));
            }
            // One chunk leaves in two batches.
            let half = chunk.events.len() / 2;
            let middle = chunk.events.get(half).map_or(chunk.to, |event| event.next);
            let source = chunk.source;
            self.sent.push(Sent { source, from: chunk.from, to: middle, position: chunk.position_after(half) });
            if middle < chunk.to {
                self.sent.push(Sent { source, from: middle, to: chunk.to, position: Some(chunk.end) });
            } else if chunk.events.is_empty() {
                self.sent.last_mut().expect("just pushed").position = Some(chunk.end);
            }
        }
    }

    fn acknowledge(&mut self, which: usize) {
        if !self.sent.is_empty() {
            let Sent { source, from, to, position } = self.sent.remove(which % self.sent.len());
            self.bench.keeper.ack(source, from, to, position);
        }
    }

    /// Everything that can be read is read, delivered and acknowledged.
    fn finish(&mut self) {
        let (mut idle, patience) = (0, if self.most < ENOUGH { 12 } else { 4 });
        while idle < patience {
            // Unfinished lines of rotated files wait for silence.
            self.bench.pass(Duration::from_secs(4));
            let before = self.delivered.len();
            while self.bench.turn().progressed {
                self.take(usize::MAX);
            }
            self.take(usize::MAX);
            idle = if self.delivered.len() == before { idle + 1 } else { 0 };
        }
        while !self.sent.is_empty() {
            self.acknowledge(0);
        }
    }

    fn judge(&mut self) -> Result<(), TestCaseError> {
        self.finish();
        let mut times: HashMap<&str, Vec<usize>> = HashMap::new();
        for (index, line) in self.delivered.iter().enumerate() {
            times.entry(line).or_default().push(index);
        }
        for (generation, lines) in self.written.iter().enumerate() {
            let unfinished = self.part && generation + 1 == self.written.len();
            let lines = &lines[..lines.len() - usize::from(unfinished)];
            let mut last = None;
            for line in lines {
                let Some(seen) = times.get(line.as_str()) else {
                    return Err(TestCaseError::fail(format!("lost: {line:.40}")));
                };
                // Where few files may be open, what is found late is sent late.
                if !self.crashed && (self.most == ENOUGH || self.rotation != Rotation::CopyAndTruncate) {
                    prop_assert_eq!(seen.len(), 1, "sent twice: {:.40}", line);
                    prop_assert!(last < Some(seen[0]), "out of order: {:.40}", line);
                    last = Some(seen[0]);
                }
            }
        }
        if !self.crashed && self.most == ENOUGH {
            let total: usize = self.written.iter().map(Vec::len).sum();
            prop_assert_eq!(
                self.delivered.len() + usize::from(self.part),
                total,
                "something was sent that nobody wrote"
            );
        }
        Ok(())
    }
}

fn live(rotation: Rotation, most: usize, gather: bool, actions: &[Action]) -> Result<(), TestCaseError> {
    let mut world = World::new(rotation, most, gather);
    for action in actions {
        world.act(action);
    }
    world.judge()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_line_is_lost_when_the_log_is_rotated_by_renaming(actions in actions(), gather: bool) {
        live(Rotation::Rename, ENOUGH, gather, &actions)?;
    }

    #[test]
    fn no_line_is_lost_when_the_log_is_copied_and_truncated(actions in actions(), gather: bool) {
        live(Rotation::CopyAndTruncate, ENOUGH, gather, &actions)?;
    }

    #[test]
    fn no_line_is_lost_when_the_log_is_rotated_by_renaming_and_few_files_may_be_open(
        actions in actions(), most in 0..4usize, gather: bool,
    ) {
        live(Rotation::Rename, most, gather, &actions)?;
    }

    #[test]
    fn no_line_is_lost_when_the_log_is_copied_and_truncated_and_few_files_may_be_open(
        actions in actions(), most in 0..4usize, gather: bool,
    ) {
        live(Rotation::CopyAndTruncate, most, gather, &actions)?;
    }

    #[test]
    fn no_line_is_lost_when_the_log_is_compressed_at_once(actions in actions(), most in 0..4usize, few: bool, gather: bool) {
        live(Rotation::Compress, if few { most } else { ENOUGH }, gather, &actions)?;
    }
}

/// Its copy is found late, when the beginning was handed on, but not delivered.
#[test]
fn a_crash_takes_nothing_of_a_log_that_was_cut_short_while_no_more_files_could_be_opened() {
    let line = || Action::Append { lines: 1, padding: 0 };
    let begun = [line(), Action::Rotate, Action::Turns(1), line(), Action::Turns(1)];
    let cut_short = [line(), Action::Rotate, Action::Wait(4), Action::Crash];
    live(Rotation::CopyAndTruncate, 0, false, &[begun.as_slice(), &cut_short].concat()).expect("nothing is lost");
}

/// The second one is held open when it loses its name, and its twin is among the few files that may be opened.
#[test]
fn a_log_that_is_compressed_while_a_start_waits_for_others_is_read_however_few_files_may_be_open() {
    let line = || Action::Append { lines: 1, padding: 0 };
    let held = [line(), Action::Rotate, line(), Action::Crash, Action::Turns(1)];
    let compressed = [Action::Rotate, line(), Action::Rotate];
    for (most, gather) in (0..6).chain([ENOUGH]).flat_map(|most| [(most, false), (most, true)]) {
        let lived = live(Rotation::Compress, most, gather, &[held.as_slice(), &compressed].concat());
        lived.unwrap_or_else(|error| panic!("{most} files: {error}"));
    }
}
