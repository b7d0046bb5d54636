//! What becomes of events where the disk fails in the middle of writing them.
use super::{
    super::{
        keeper::STUMBLES,
        store::{ReadError, Text},
    },
    *,
};

/// A store on a disk that can fail.
struct Bench {
    store: Store,
    disk: Wreck,
    folder: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let (disk, folder) = (Wreck::default(), folder());
        let mut store = Store::new(folder.path(), BOUNDS, Box::new(disk.clone())).expect("a folder");
        store.take_inventory(Timestamp::now()).expect("readable");
        Self { store, disk, folder }
    }

    /// Append events of one stream, a text each.
    fn append(&mut self, events: &[&str]) -> std::io::Result<Vec<Extent>> {
        self.store.append(&target("s"), &events.iter().map(|event| text(event)).collect::<Vec<_>>())
    }

    /// What a start finds in the folder.
    fn left(&self) -> Vec<String> {
        let mut store = Store::new(self.folder.path(), BOUNDS, Box::new(Wreck::default())).expect("a folder");
        let inventory = store.take_inventory(Timestamp::now()).expect("readable");
        let extents = inventory.found.into_iter().flat_map(|found| found.extents);
        extents.flat_map(|(extent, _)| read(&store, extent)).collect()
    }

    fn bytes_on_disk(&self) -> u64 {
        let files = fs::read_dir(self.folder.path()).expect("there");
        files.map(|file| file.expect("there").metadata().expect("a file").len()).sum()
    }
}

fn text(event: &str) -> Arc<Text> {
    let mut text = Text::default();
    text.push(event.as_bytes(), Told { at: Timestamp::now(), timed_by: TimedBy::Reader });
    Arc::new(text)
}

fn read(store: &Store, extent: Extent) -> Vec<String> {
    let (text, whole) = store.read(extent).unwrap_or_else(|error: ReadError| panic!("{error}"));
    assert!(whole);
    text.iter().map(|(text, _)| String::from_utf8_lossy(text).into_owned()).collect()
}

#[test]
fn what_is_not_safe_on_the_disk_is_cut_off_again() {
    let mut bench = Bench::new();
    let one = bench.append(&["one"]).expect("written");
    bench.disk.change(|disk| disk.syncs_fail = true);
    bench.append(&["two", "three"]).expect_err("it fails");
    assert_eq!((bench.left(), bench.store.bytes()), (vec!["one".to_owned()], bench.bytes_on_disk()));
    bench.disk.change(|disk| disk.syncs_fail = false);
    let two = bench.append(&["two"]).expect("written");
    assert_eq!(two[0].segment, one[0].segment, "nothing is wrong with it");
    assert_eq!((read(&bench.store, one[0]), read(&bench.store, two[0])), (vec!["one".into()], vec!["two".into()]));
    assert_eq!(bench.left(), ["one", "two"]);
}

#[test]
fn what_was_written_before_the_disk_failed_goes_with_what_was_not() {
    for part in [0, 18] {
        let mut bench = Bench::new();
        bench.append(&["one"]).expect("written");
        bench.disk.change(|disk| (disk.refused, disk.part) = (Some("three"), part));
        bench.append(&["two", "three"]).expect_err("it fails");
        assert_eq!((bench.left(), bench.store.bytes()), (vec!["one".to_owned()], bench.bytes_on_disk()));
    }
}

#[test]
fn a_segment_that_was_begun_for_what_fails_goes_too() {
    let mut bench = Bench::new();
    bench.disk.change(|disk| disk.refused = Some("two"));
    bench.append(&["one", "two"]).expect_err("it fails");
    assert_eq!((bench.left(), bench.store.bytes(), bench.bytes_on_disk()), (vec![], 0, 0));
}

#[test]
fn what_cannot_be_cut_off_is_cut_off_later_and_hurts_nothing_that_comes() {
    let mut bench = Bench::new();
    let one = bench.append(&["one"]).expect("written");
    bench.disk.change(|disk| (disk.syncs_fail, disk.cuts_fail) = (true, true));
    bench.append(&["two"]).expect_err("it fails");
    bench.disk.change(|disk| disk.syncs_fail = false);
    let two = bench.append(&["two"]).expect("written");
    assert_ne!(two[0].segment, one[0].segment, "behind what is too much nothing is written");
    assert_eq!(bench.left(), ["one", "two", "two"], "as was said");
    bench.disk.change(|disk| disk.cuts_fail = false);
    bench.store.trim(&[], Timestamp::now());
    assert_eq!((bench.left(), bench.store.bytes()), (vec!["one".into(), "two".into()], bench.bytes_on_disk()));
}

#[test]
fn a_segment_of_no_use_that_cannot_be_deleted_is_named() {
    let folder = folder();
    fs::write(folder.path().join("000000000001.segment"), "no head").expect("written");
    let disk = Wreck::default();
    disk.change(|disk| disk.removals_fail = true);
    let mut store = Store::new(folder.path(), BOUNDS, Box::new(disk)).expect("a folder");
    let said = crate::spool::tests::said(|| {
        let inventory = store.take_inventory(Timestamp::now()).expect("readable");
        assert_eq!((inventory.corrupt, inventory.found.len()), (1, 0));
    });
    assert!(said.contains("cannot be deleted") && said.contains("000000000001.segment"), "{said}");
}

/// One of ten targets fails; the others are not written again and again, nor sent again after a restart.
#[tokio::test(start_paused = true)]
async fn a_target_that_cannot_be_written_costs_the_others_nothing() {
    let (folder, disk) = (folder(), Wreck::default());
    let host = Host::start_with(folder.path(), BOUNDS, &disk);
    host.door.room().await;
    host.door.depot.board.failed("events", "out of reach".into());
    disk.change(|disk| disk.refused = Some("bad"));
    let good: Vec<_> = (0..9).map(|number| format!("good {number}")).collect();
    good.iter().for_each(|stream| host.take(stream, stream));
    host.take("bad", "bad");
    let before = counters::LOG_EVENTS_SPOOLED.here();
    host.pass(TICK * 4).await;
    assert_eq!((host.segments(), counters::LOG_EVENTS_SPOOLED.here() - before), (9, 9), "once each");
    assert_eq!(host.door.depot.state().queues.values().flat_map(Queue::in_memory).count(), 1);
    disk.change(|disk| disk.refused = None);
    host.until("the last one", |host| host.door.depot.state().memory == 0).await;
    host.crash().await;

    let host = Host::start(folder.path());
    for stream in good.iter().map(String::as_str).chain(["bad"]) {
        assert_eq!(texts(&host.chunk(stream).await), [stream], "once");
    }
    host.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_round_ends_when_much_fails_but_at_the_stop_all_is_tried() {
    const MANY: usize = 20;
    let (folder, disk) = (folder(), Wreck::default());
    let host = Host::start_with(folder.path(), BOUNDS, &disk);
    host.door.room().await;
    host.door.depot.board.failed("events", "out of reach".into());
    disk.change(|disk| disk.refused = Some("bad"));
    for number in 0..MANY {
        host.take(&number.to_string(), &format!("bad {number}"));
    }
    host.until("a round", |_| disk.refusals() > 0).await;
    assert_eq!(disk.refusals(), STUMBLES);
    // The small ones come first: that there is room for one shows in the first round.
    host.take("s", "x");
    host.until("the next", |host| host.segments() == 1).await;
    let (before, lost) = (disk.refusals(), counters::LOG_SPOOL_DROPPED.here());
    host.stop().await;
    assert_eq!((disk.refusals() - before, counters::LOG_SPOOL_DROPPED.here() - lost), (MANY, MANY as u64));
}
