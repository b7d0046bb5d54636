//! What a failing handle does to a trail. Failures of a disk cannot be ordered; a handle without the right to read can.
use super::*;
use crate::{
    config::settings::text::{MultiLine, TextRules},
    logs::files::tests::{
        bench::{messages, watch},
        keeper::Keeper,
    },
};
use std::{fs, path::Path, time::Duration};

struct Scene {
    folder: tempfile::TempDir,
    trail: Trail,
    lane: mpsc::Receiver<Box<Chunk>>,
    keeper: Keeper,
    board: Board,
    ledger: Ledger,
    now: Instant,
}

fn scene() -> Scene {
    scene_of(TextRules::default())
}

fn scene_of(text: TextRules) -> Scene {
    let folder = tempfile::tempdir().expect("a folder");
    let watch = Watch { text: text.into(), ..watch(folder.path().join("app.log")) };
    let (tx, lane) = mpsc::channel(64);
    let trail = Trail::new(0, watch, tx, Vec::new());
    Scene {
        folder,
        trail,
        lane,
        keeper: Keeper::default(),
        board: Board::default(),
        ledger: Ledger::new(1000),
        now: Instant::now(),
    }
}

impl Scene {
    fn write(&self, name: &str, text: &str) {
        fs::write(self.folder.path().join(name), text).expect("written");
    }

    /// Looks and reads after so long; what arrived.
    fn after(&mut self, wait: Duration) -> Vec<String> {
        self.now += wait;
        self.with(|trail, cx| {
            trail.look(cx);
            while trail.step(cx) == Step::Progressed {}
        });
        std::iter::from_fn(|| self.lane.try_recv().ok()).flat_map(|chunk| messages(&chunk)).collect()
    }

    fn with<T>(&mut self, act: impl FnOnce(&mut Trail, &mut Context<'_>) -> T) -> T {
        let watched = HashSet::new();
        let mut cx = Context {
            checkpoints: &self.keeper,
            board: &self.board,
            waker: &LaneWaker::new(|| {}),
            slice: 1024,
            ledger: &mut self.ledger,
            watched: &watched,
            now: self.now,
            wall: Timestamp::now(),
        };
        act(&mut self.trail, &mut cx)
    }

    fn break_handle(&mut self, path: &Path) {
        let broken = fs::OpenOptions::new().write(true).open(path).expect("writable");
        let generation = &mut self.trail.queue[0];
        generation.move_to(broken, generation.seen);
    }
}

#[test]
fn a_stale_handle_is_replaced_by_what_the_path_leads_to() {
    let mut scene = scene();
    scene.write("app.log", "one\n");
    assert_eq!(scene.after(Duration::ZERO), ["one"]);
    let path = scene.folder.path().join("app.log");
    scene.write("app.log", "one\ntwo\n");
    scene.break_handle(&path);
    assert!(scene.after(Duration::ZERO).is_empty());
    assert!(scene.board.read().sources.values().any(|line| line.last_error.is_some()));
    assert_eq!(scene.after(Duration::from_secs(1)), ["two"]);
    assert!(scene.board.read().sources.values().all(|line| line.last_error.is_none()));
}

#[test]
fn a_rotated_file_that_cannot_be_read_does_not_hold_up_the_next_for_ever_and_is_not_given_up() {
    let mut scene = scene();
    scene.write("app.log", "one\n");
    assert_eq!(scene.after(Duration::ZERO), ["one"]);
    scene.write("app.log", "one\ntwo\n");
    let (path, rotated) = (scene.folder.path().join("app.log"), scene.folder.path().join("app.log.1"));
    let good = scene.trail.queue[0].file().clone();
    scene.break_handle(&path);
    fs::rename(&path, &rotated).expect("renamed");
    scene.write("app.log", "three\n");
    assert!(scene.after(Duration::ZERO).is_empty(), "the old one comes first");
    let waited: Vec<_> = (0..6).flat_map(|_| scene.after(Duration::from_secs(30))).collect();
    assert_eq!(waited, ["three"]);
    let stat = files::stat(&rotated).expect("there");
    scene.trail.late[0].move_to(good, stat);
    assert_eq!(scene.after(Duration::from_secs(30)), ["two"]);
    assert_eq!(scene.keeper.finished().len(), 0);
}

#[test]
fn what_was_judged_is_remembered_only_while_a_search_for_it_is_due() {
    let mut scene = scene();
    let (path, copy) = (scene.folder.path().join("app.log"), |n: u64| format!("app.log.{n}"));
    let date = |path: &Path, n: u64| {
        let file = fs::OpenOptions::new().append(true).open(path).expect("there");
        file.set_modified(SystemTime::now() + Duration::from_secs(n)).expect("dated");
    };
    scene.write("app.log", &"a line to know it by\n".repeat(20));
    assert_eq!(scene.after(Duration::ZERO).len(), 20);
    for n in [1, 2] {
        // The second time while a search is due: one more follows it.
        fs::copy(&path, scene.folder.path().join(copy(n))).expect("copied");
        date(&scene.folder.path().join(copy(n)), 2 * n);
        scene.write("app.log", "");
        scene.after(Duration::ZERO);
        scene.write("app.log", &"another line\n".repeat(20));
        date(&path, 2 * n + 1);
        assert_eq!(scene.after(Duration::ZERO).len(), 20);
    }
    assert_eq!(scene.trail.again.judged.len(), 2);
    scene.after(Duration::from_secs(2));
    assert_eq!(scene.trail.again.judged.len(), 1, "for the search that followed the first copy");
    scene.after(Duration::from_secs(2));
    assert_eq!(scene.trail.again.judged.len(), 0);
    fs::copy(&path, scene.folder.path().join(copy(3))).expect("copied");
    fs::remove_file(&path).expect("deleted");
    for n in 10..20 {
        date(&scene.folder.path().join(copy(2)), n);
        assert!(scene.after(Duration::from_secs(2)).is_empty());
        assert_eq!(scene.trail.again.judged.len(), 0, "the log is absent, and no search is due");
    }
}

#[test]
fn a_log_that_is_renamed_between_seeing_and_opening_it_is_looked_for_again_at_once() {
    let mut scene = scene();
    let (path, rotated) = (scene.folder.path().join("app.log"), scene.folder.path().join("app.log.1"));
    scene.write("app.log", "one\n");
    assert_eq!(scene.after(Duration::ZERO), ["one"]);
    fs::rename(&path, scene.folder.path().join("app.log.2")).expect("renamed");
    scene.write("app.log", "two\n");
    let seen = files::stat(&path).expect("there");
    fs::rename(&path, &rotated).expect("renamed");
    let (_, error) = scene.with(|trail, cx| trail.arrive(cx, seen)).expect_err("it is gone");
    assert!(search::is_still_changing(&error), "{error}");
    assert_eq!(scene.after(Duration::ZERO), ["two"]);
    // For ever it cannot be said to be renamed.
    scene.trail.wait_for_calm(scene.now);
    let late = scene.now + Duration::from_secs(10);
    assert_eq!(scene.trail.open_at_path(late).expect_err("it is gone").kind(), ErrorKind::NotFound);
}

#[test]
fn a_file_does_not_rest_while_an_event_of_it_waits_for_its_time() {
    let start = regex::bytes::Regex::new(r"^\S").expect("a good pattern");
    let mut scene = scene_of(TextRules { multi_line: MultiLine::Start(start), ..TextRules::default() });
    let rests = |scene: &Scene| scene.trail.rest(Duration::from_secs(1), scene.now).is_some();
    scene.write("app.log", "one\n a\n");
    assert!(scene.after(Duration::ZERO).is_empty());
    assert!(scene.after(Duration::from_secs(4)).is_empty());
    assert!(scene.trail.due().is_some() && !rests(&scene), "quiet for long enough, but its event is still to go");
    scene.now += Duration::from_secs(1);
    assert!(scene.trail.rouse(scene.now));
    assert!(!rests(&scene), "it is to be read");
    assert_eq!(scene.after(Duration::ZERO), ["one\n a"]);
    assert!(scene.trail.due().is_none() && rests(&scene));
}

#[cfg(unix)]
#[test]
fn a_folder_that_nobody_searched_meanwhile_is_not_called_restless() {
    let mut scene = scene();
    let path = scene.folder.path().join("app.log");
    scene.write("app.log", "one\n");
    assert_eq!(scene.after(Duration::ZERO), ["one"]);
    scene.trail.wait_for_calm(scene.now);
    fs::rename(&path, scene.folder.path().join("app.log.1")).expect("renamed");
    std::os::unix::fs::symlink(&path, &path).expect("linked");
    assert!(scene.after(Duration::ZERO).is_empty());
    assert!(scene.trail.complaint.is_some(), "a link to itself cannot be looked at");
    assert!(!scene.trail.is_impatient(scene.now + Duration::from_secs(60)), "its rotated files are waited for");
}
