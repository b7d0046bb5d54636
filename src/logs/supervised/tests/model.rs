//! What the journal, the events of Windows and the unified log have in common, under every order of reading, sending,
//! acknowledging and crashing: nothing that is to be sent is lost, and nothing else is sent.
use super::*;
use proptest::prelude::*;
use std::collections::BTreeSet;

/// Entries of the log; every fifth one is kept back by the filters.
const ALL: u64 = 40;

#[derive(Clone, Debug)]
enum Action {
    Take(u8),
    Send,
    /// One of the batches that are on their way is acknowledged.
    Acknowledge(u8),
    Crash,
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        4 => (1..6u8).prop_map(Action::Take),
        3 => Just(Action::Send),
        4 => any::<u8>().prop_map(Action::Acknowledge),
        1 => Just(Action::Crash),
    ]
}

struct Batch {
    from: u64,
    to: u64,
    position: Option<Position>,
    numbers: Vec<u64>,
    done: bool,
}

struct World {
    rooms: Arc<Rooms>,
    source: Source<JournalPosition>,
    next: u64,
    saved: Option<Position>,
    /// Acknowledged without a gap in this run, in units.
    reached: u64,
    /// On their way, or acknowledged beyond a gap.
    batches: Vec<Batch>,
    delivered: BTreeSet<u64>,
}

impl World {
    fn start(saved: Option<Position>, delivered: BTreeSet<u64>) -> Self {
        let known = saved.iter().map(|position| (SourceId::unique(), position.clone())).collect();
        let rooms = Arc::new(Rooms { saved: known, ..Rooms::default() });
        let source = source(&rooms, "s", filter(&[], &["kept back"]));
        let number = |place: &JournalPosition| place.cursor[2..].parse::<u64>().expect("a number of ours");
        let next = source.last().map_or(0, |last| number(last) + 1);
        Self { rooms, source, next, saved, reached: 0, batches: Vec::new(), delivered }
    }

    async fn take(&mut self, count: u8) {
        for _ in 0..count {
            if self.next < ALL {
                let text = if self.next.is_multiple_of(5) { "kept back".to_owned() } else { self.next.to_string() };
                self.source.take(entry(self.next, "", &text)).await.expect("open");
                self.next += 1;
            }
        }
    }

    async fn send(&mut self) {
        self.source.send().await.expect("open");
        let mut lanes = self.rooms.lanes.lock().expect("no test panics while it holds this");
        while let Some(chunk) = lanes.get_mut("s").and_then(|lane| lane.try_recv().ok()) {
            let number = |event: &crate::model::Event| {
                let text = String::from_utf8_lossy(&chunk.text[event.start as usize..event.end as usize]);
                text.parse::<u64>().expect("no other is sent")
            };
            let numbers: Vec<u64> = chunk.events.iter().map(number).collect();
            // One chunk leaves in two batches.
            let half = chunk.events.len() / 2;
            let middle = chunk.events.get(half).map_or(chunk.to, |event| event.next);
            let (first, second) = numbers.split_at((half + 1).min(numbers.len()));
            let position = if middle < chunk.to { chunk.position_after(half) } else { Some(chunk.end.clone()) };
            self.batches.push(Batch { from: chunk.from, to: middle, position, numbers: first.to_vec(), done: false });
            if middle < chunk.to {
                let (position, numbers) = (Some(chunk.end.clone()), second.to_vec());
                self.batches.push(Batch { from: middle, to: chunk.to, position, numbers, done: false });
            }
        }
    }

    /// What is acknowledged without a gap is saved at once.
    fn acknowledge(&mut self, which: usize) {
        if self.batches.is_empty() {
            return;
        }
        let which = which % self.batches.len();
        self.batches[which].done = true;
        self.delivered.extend(&self.batches[which].numbers);
        while let Some(at) = self.batches.iter().position(|batch| batch.done && batch.from == self.reached) {
            let Batch { to, position, .. } = self.batches.remove(at);
            self.reached = to;
            self.saved = position.or(self.saved.take());
        }
    }
}

async fn live(actions: Vec<Action>) -> BTreeSet<u64> {
    let mut world = World::start(None, BTreeSet::new());
    for action in actions {
        match action {
            Action::Take(count) => world.take(count).await,
            Action::Send => world.send().await,
            Action::Acknowledge(which) => world.acknowledge(which.into()),
            // What was on its way never came.
            Action::Crash => world = World::start(world.saved, world.delivered),
        }
    }
    world.take(u8::try_from(ALL).expect("few")).await;
    world.send().await;
    while !world.batches.is_empty() {
        let before = world.batches.len();
        (0..before).for_each(|which| world.acknowledge(which));
    }
    world.delivered
}

proptest! {
    #[test]
    fn no_entry_is_lost_by_any_order_of_reading_acknowledging_and_crashing(
        actions in prop::collection::vec(action(), 0..60),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        let delivered = runtime.block_on(live(actions));
        let expected: BTreeSet<u64> = (0..ALL).filter(|number| !number.is_multiple_of(5)).collect();
        prop_assert_eq!(delivered, expected);
    }
}
