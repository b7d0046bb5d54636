//! The loop around the tailer, on a real thread with real events.
use super::bench::{messages, watch};
use crate::{
    logs::files::{Avoid, Tailer, Wake, run},
    model::{Checkpoints, Chunk, LaneWaker, Outlet, Position, SourceId, Target},
};
use std::{
    fs,
    sync::{Arc, mpsc as std_mpsc},
};
use tokio::sync::mpsc;

struct One(mpsc::Sender<Box<Chunk>>);

impl Outlet for One {
    fn lane(&self, _: &Arc<Target>, _: &Arc<LaneWaker>) -> mpsc::Sender<Box<Chunk>> {
        self.0.clone()
    }
}

struct Nothing;

impl Checkpoints for Nothing {
    fn saved(&self) -> Vec<(SourceId, Position)> {
        Vec::new()
    }
    fn open(&self, _: SourceId, _: u64, _: Position) {}
    fn finish(&self, _: SourceId, _: u64) {}

    fn delivered(&self, _: SourceId) -> Option<(u64, Position)> {
        None
    }

    fn saved_up_to(&self, _: SourceId) -> Option<u64> {
        None
    }
}

struct Running {
    folder: tempfile::TempDir,
    lane: mpsc::Receiver<Box<Chunk>>,
    waker: Arc<LaneWaker>,
    wakes: std_mpsc::Sender<Wake>,
    thread: std::thread::JoinHandle<()>,
}

fn running(places: usize, text: &str) -> Running {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("app.log");
    fs::write(&path, text).expect("written");
    let (tx, lane) = mpsc::channel(places);
    let (wakes, wake) = std_mpsc::channel();
    let sender = wakes.clone();
    let waker = LaneWaker::new(move || _ = sender.send(Wake::Space));
    let watch = watch(path);
    let lanes = Arc::new(One(tx));
    let (mut tailer, mut roster) =
        Tailer::new(Avoid::default(), Arc::new(Nothing), lanes, waker.clone(), Arc::default());
    tailer.follow(roster.items(vec![watch], vec![]).0);
    let sender = wakes.clone();
    let thread = std::thread::spawn(move || run(tailer, sender, &wake));
    Running { folder, lane, waker, wakes, thread }
}

#[test]
fn it_stops_at_once_even_when_the_lane_is_full_and_drops_its_lanes() {
    let mut it = running(1, &"one\n".repeat(200_000));
    assert!(it.lane.blocking_recv().is_some());
    it.wakes.send(Wake::Stop).expect("heard");
    it.thread.join().expect("no panic");
    while it.lane.blocking_recv().is_some() {}
}

#[test]
fn it_goes_on_when_there_is_room_again() {
    let mut it = running(1, &"one\n".repeat(200_000));
    let mut events = 0;
    while events < 200_000 {
        let chunk = it.lane.blocking_recv().expect("more to come");
        it.waker.wake();
        events += chunk.events.len();
    }
    it.wakes.send(Wake::Stop).expect("heard");
    it.thread.join().expect("no panic");
}

#[test]
fn it_hears_of_changes_and_of_new_files() {
    let mut it = running(8, "one\n");
    let path = it.folder.path().join("app.log");
    assert_eq!(messages(&it.lane.blocking_recv().expect("a chunk")), ["one"]);
    fs::rename(&path, it.folder.path().join("app.log.1")).expect("renamed");
    fs::write(&path, "two\n").expect("written");
    assert_eq!(messages(&it.lane.blocking_recv().expect("a chunk")), ["two"]);
    it.wakes.send(Wake::Stop).expect("heard");
    it.thread.join().expect("no panic");
}
