//! How often and how much is written.
use super::{wreck::Wreck, *};
use tokio::time::{Instant, sleep};

const SECOND: Duration = Duration::from_secs(1);

fn on(disk: &Wreck) -> Arc<Store> {
    Store::open_at(Box::new(disk.clone()), Arc::default(), Timestamp::now()).expect("empty")
}

async fn until(mut is: impl FnMut() -> bool) {
    while !is() {
        sleep(Duration::from_millis(10)).await;
    }
}

/// A running store with one source, whose opening is saved.
async fn running(disk: &Wreck) -> (Arc<Store>, SourceId, CancellationToken) {
    let (store, stop, id) = (on(disk), CancellationToken::new(), SourceId::unique());
    tokio::spawn(run(Arc::clone(&store), stop.clone()));
    let start = Instant::now();
    store.open(id, 0, at(0));
    until(|| store.saved_up_to(id) == Some(0)).await;
    assert!(start.elapsed() < SECOND, "the first change is written at once");
    (store, id, stop)
}

#[tokio::test(start_paused = true)]
async fn little_is_written_together_after_ten_seconds_and_the_stop_writes_the_last() {
    let disk = Wreck::default();
    let (store, id, stop) = running(&disk).await;
    let start = Instant::now();
    store.acknowledge(&[cover(id, 0, 1)]);
    until(|| store.saved_up_to(id) == Some(1)).await;
    assert!(
        start.elapsed() <= SECOND,
        "the first of a run is written soon, so that one that is killed again and again gets on"
    );
    let start = Instant::now();
    store.acknowledge(&[cover(id, 1, 2)]);
    until(|| store.saved_up_to(id) == Some(2)).await;
    let waited = start.elapsed();
    assert!(waited >= 9 * SECOND && waited <= 11 * SECOND, "{waited:?}");
    store.acknowledge(&[cover(id, 2, 3)]);
    stop.cancel();
    until(|| store.saved_up_to(id) == Some(3)).await;
    assert!(start.elapsed() < waited + SECOND);
}

#[tokio::test(start_paused = true)]
async fn much_is_written_after_a_second_and_so_is_a_source_that_is_opened_or_forgotten() {
    let disk = Wreck::default();
    let (store, id, _stop) = running(&disk).await;
    let timed = async |what: &str, act: &dyn Fn(), is: &dyn Fn() -> bool| {
        let start = Instant::now();
        act();
        until(is).await;
        let waited = start.elapsed();
        assert!(waited > SECOND / 2 && waited < 2 * SECOND, "{what}: {waited:?}");
    };
    let much = 64 * 1024;
    timed("much", &|| store.acknowledge(&[cover(id, 0, much)]), &|| store.saved_up_to(id) == Some(much)).await;
    let other = SourceId::unique();
    timed("opened", &|| store.open(other, 5, at(5)), &|| store.saved_up_to(other) == Some(5)).await;
    let writes = disk.state().steps;
    timed("forgotten", &|| store.finish(other, 5), &|| disk.state().steps > writes).await;
    assert_eq!(found_on(&disk), [much]);
}

fn found_on(disk: &Wreck) -> Vec<u64> {
    stands(&on(&disk.after(0)))
}

#[tokio::test(start_paused = true)]
async fn what_failed_is_tried_again_though_nothing_changes_any_more() {
    let disk = Wreck::default();
    let (store, id, _stop) = running(&disk).await;
    disk.state().room = Some(0);
    store.acknowledge(&[cover(id, 0, 1)]);
    sleep(60 * SECOND).await;
    disk.state().room = None;
    sleep(31 * SECOND).await;
    assert_eq!(found_on(&disk), [1]);
}

#[tokio::test(start_paused = true)]
async fn a_day_of_one_line_a_second_costs_few_bytes_and_few_syncs() {
    let disk = Wreck::default();
    let (store, id, stop) = running(&disk).await;
    disk.state().forget_counts();
    // A batch leaves each five seconds, with five lines of 100 bytes.
    for batch in 0..24 * 60 * 60 / 5 {
        store.acknowledge(&[cover(id, batch * 500, (batch + 1) * 500)]);
        sleep(5 * SECOND).await;
    }
    stop.cancel();
    let (bytes, pages, syncs) = disk.state().counts();
    println!("a day: {bytes} bytes in {pages} pages of 4 KiB, {syncs} syncs");
    assert!(bytes < 1_500_000, "{bytes} bytes");
    assert!(pages < 10_000, "{pages} pages");
    assert!(syncs < 9_000, "{syncs} syncs");
}

#[tokio::test(start_paused = true)]
async fn an_hour_of_much_costs_one_small_record_a_second() {
    let disk = Wreck::default();
    let (store, id, stop) = running(&disk).await;
    disk.state().forget_counts();
    let much = 1024 * 1024;
    for batch in 0..60 * 60 * 4 {
        store.acknowledge(&[cover(id, batch * much, (batch + 1) * much)]);
        sleep(SECOND / 4).await;
    }
    stop.cancel();
    let (bytes, pages, syncs) = disk.state().counts();
    println!("an hour of much: {bytes} bytes in {pages} pages of 4 KiB, {syncs} syncs");
    assert!(bytes < 3_600 * 160 && pages < 4_000 && syncs < 3_700, "{bytes} bytes, {pages} pages, {syncs} syncs");
}

#[tokio::test(start_paused = true)]
async fn silence_writes_nothing_and_after_a_day_all_anew_so_that_open_sources_count_as_seen() {
    let disk = Wreck::default();
    let (store, ..) = running(&disk).await;
    let bytes = disk.state().bytes;
    sleep(23 * 60 * 60 * SECOND).await;
    assert_eq!(disk.state().bytes, bytes, "nothing changed");
    let later = Timestamp::now().plus(24 * 60 * 60 * SECOND);
    store.save(later).expect("written");
    assert!(disk.state().bytes > bytes);
    let month = KEPT - SECOND;
    let next = Store::open_at(Box::new(disk.after(0)), Arc::default(), later.plus(month)).expect("whole");
    assert_eq!(stands(&next).len(), 1, "kept from then on");
}

/// By counts, not by time: what one source costs among ten thousand.
#[test]
fn one_of_ten_thousand_sources_that_moves_costs_one_record() {
    let disk = Wreck::default();
    let store = on(&disk);
    let ids: Vec<_> = (0..10_000).map(|_| SourceId::unique()).collect();
    for id in &ids {
        store.open(*id, 0, at(0));
    }
    save(&store);
    let base = disk.state().bytes;
    println!("10,000 sources: {base} bytes");
    assert!(base < 10_000 * 330, "{} bytes a source", base / 10_000);
    store.acknowledge(&[cover(ids[5_000], 0, 7)]);
    save(&store);
    let record = disk.state().bytes - base;
    println!("one of them moves: {record} bytes");
    assert!(record < 200, "{record} bytes for one source that moved");
    save(&store);
    assert_eq!(disk.state().bytes, base + record, "nothing for none");
    let next = on(&disk.after(0));
    assert_eq!(stands(&next).len(), 10_000);
    assert_eq!(stands(&next).iter().sum::<u64>(), 7);
}

#[test]
fn a_file_is_replaced_once_it_has_doubled_and_never_grows_without_end() {
    let disk = Wreck::default();
    let store = on(&disk);
    let id = SourceId::unique();
    store.open(id, 0, at(0));
    save(&store);
    let mut generations = 0;
    let mut longest = 0;
    for end in 1..=5_000 {
        store.acknowledge(&[cover(id, end - 1, end)]);
        let steps = disk.state().steps;
        save(&store);
        generations += usize::from(disk.state().steps > steps + 1);
        longest = longest.max(disk.length_of("positions.jsonl"));
    }
    assert!((2..10).contains(&generations), "{generations} generations");
    assert!(longest < 140_000, "{longest} bytes");
    assert_eq!(found_on(&disk), [5_000]);
}
