//! The events of one target that are not delivered yet, oldest first: what was sent, what was not, and where each block is.
//! No I/O here.
//!
//! ```text
//!  reached                         end        a unit is one event
//!     | sent, not acknowledged | not sent |
//!     [ disk ][ disk ][ memory ][ memory  ]   blocks; where one is has nothing to do with whether it was sent
//! ```
use super::{
    segment::Told,
    store::{Extent, Text},
};
use crate::model::{Chunk, SourceId, Target};
use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};
use tokio::{sync::mpsc, time::Instant};

/// A block takes no further event beyond this: it becomes one chunk.
const BLOCK: usize = 256 * 1024;

/// Where a block is kept until it is delivered.
#[derive(Clone, Debug)]
pub(super) enum Place {
    Memory(Arc<Text>),
    Disk(Extent),
    /// Nowhere: it is on its way, and nothing is left to send it again.
    Gone,
}

/// Consecutive events of one target.
#[derive(Debug)]
pub(super) struct Block {
    pub from: u64,
    pub to: u64,
    /// When its first event came in.
    pub born: Instant,
    pub place: Place,
    pub sent: bool,
}

/// What became free when events were delivered.
#[derive(Debug, Default)]
pub(super) struct Freed {
    /// Bytes of memory, as [`cost`] counts them.
    pub memory: usize,
    pub extents: Vec<Extent>,
}

/// What went with a segment that was given up.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Lost {
    /// Events that nobody has any more.
    pub events: u64,
    /// Events that are on their way, and of which no copy is left.
    pub copies: u64,
}

/// What a text takes in memory.
pub(super) fn cost(text: &Text) -> usize {
    text.bytes.len() + text.events.len() * size_of::<(u32, Told)>()
}

/// One target's events.
pub(super) struct Queue {
    pub source: SourceId,
    pub target: Arc<Target>,
    /// Nothing is sent before it is on the disk.
    pub durable: bool,
    /// The configuration names its target, and so it always has a place.
    pub configured: bool,
    pub lane: Option<mpsc::Sender<Box<Chunk>>>,
    /// When an event came in, or was delivered, for the last time.
    pub used: Instant,
    /// Something changed that the board does not show yet.
    pub news: bool,
    blocks: VecDeque<Block>,
    end: u64,
    reached: u64,
    /// Acknowledged behind a gap: from -> to.
    beyond: BTreeMap<u64, u64>,
}

impl Queue {
    pub(super) fn new(target: Arc<Target>, now: Instant) -> Self {
        let (blocks, beyond) = Default::default();
        Self {
            source: SourceId::unique(),
            target,
            durable: false,
            configured: false,
            lane: None,
            used: now,
            news: true,
            blocks,
            end: 0,
            reached: 0,
            beyond,
        }
    }

    /// One more event, into memory. Returns the bytes that it takes there.
    pub(super) fn push(&mut self, text: &[u8], told: Told, now: Instant) -> usize {
        (self.used, self.news) = (now, true);
        self.end += 1;
        if let Some(block) = self.blocks.back_mut().filter(|block| !block.sent)
            && let Place::Memory(held) = &mut block.place
            && held.bytes.len() + text.len() <= BLOCK
            // Not while it is being written to the disk.
            && let Some(held) = Arc::get_mut(held)
        {
            let before = cost(held);
            held.push(text, told);
            block.to = self.end;
            return cost(held) - before;
        }
        let mut held = Text::default();
        held.push(text, told);
        let cost = cost(&held);
        let place = Place::Memory(Arc::new(held));
        self.blocks.push_back(Block { from: self.end - 1, to: self.end, born: now, place, sent: false });
        cost
    }

    /// Events that an earlier run left on the disk.
    pub(super) fn restore(&mut self, extent: Extent, events: u64, now: Instant) {
        let from = self.end;
        self.end += events;
        self.blocks.push_back(Block { from, to: self.end, born: now, place: Place::Disk(extent), sent: false });
    }

    /// The block that is to be sent next.
    pub(super) fn next(&self) -> Option<&Block> {
        self.blocks.get(self.blocks.partition_point(|block| block.sent))
    }

    /// The block that begins there was handed to the lane.
    pub(super) fn sent(&mut self, from: u64) {
        if let Some(block) = self.block(from) {
            block.sent = true;
        }
    }

    /// These events are delivered, or given up. Covers may come in any order.
    pub(super) fn acknowledge(&mut self, from: u64, to: u64, now: Instant) -> Freed {
        (self.used, self.news) = (now, true);
        if to > self.reached {
            let held = self.beyond.entry(from).or_insert(to);
            *held = to.max(*held);
        }
        while let Some(next) = self.beyond.first_entry().filter(|entry| *entry.key() <= self.reached) {
            self.reached = self.reached.max(next.remove());
        }
        let mut freed = Freed::default();
        while self.blocks.front().is_some_and(|block| block.to <= self.reached)
            && let Some(block) = self.blocks.pop_front()
        {
            match block.place {
                Place::Memory(text) => freed.memory += cost(&text),
                Place::Disk(extent) => freed.extents.push(extent),
                Place::Gone => {}
            }
        }
        freed
    }

    /// What is in memory, and whether it was sent.
    pub(super) fn in_memory(&self) -> impl Iterator<Item = (u64, &Arc<Text>, bool)> {
        self.blocks.iter().filter_map(|block| match &block.place {
            Place::Memory(text) => Some((block.from, text, block.sent)),
            Place::Disk(_) | Place::Gone => None,
        })
    }

    /// The block that begins there is on the disk now. Returns the bytes of memory that it took; `None`: it was delivered
    /// meanwhile, and the extent is of no use.
    pub(super) fn moved(&mut self, from: u64, extent: Extent) -> Option<usize> {
        let index = self.blocks.binary_search_by_key(&from, |block| block.from).ok()?;
        let Place::Memory(text) = std::mem::replace(&mut self.blocks[index].place, Place::Disk(extent)) else {
            return None;
        };
        self.join(index);
        Some(cost(&text))
    }

    /// Two neighbours that lie behind each other in one segment are one block: else an outage at one event now and then would
    /// cost memory for each.
    fn join(&mut self, index: usize) {
        let Some(before) = index.checked_sub(1) else { return };
        let (first, second) = (&self.blocks[before], &self.blocks[index]);
        let (Place::Disk(a), Place::Disk(b)) = (&first.place, &second.place) else { return };
        let behind = a.segment == b.segment && a.offset + a.length == b.offset;
        if first.sent == second.sent && behind && a.length + b.length <= BLOCK as u64 {
            let extent = Extent { length: a.length + b.length, ..*a };
            let to = second.to;
            self.blocks.remove(index);
            (self.blocks[before].place, self.blocks[before].to) = (Place::Disk(extent), to);
        }
    }

    /// A segment was given up. What of it is on its way is not lost yet: see [`Self::unkept`].
    pub(super) fn lose(&mut self, segment: u64, now: Instant) -> Lost {
        let (mut lost, mut on_their_way) = (vec![], vec![]);
        self.blocks.retain_mut(|block| {
            if !matches!(block.place, Place::Disk(extent) if extent.segment == segment) {
                return true;
            }
            block.place = Place::Gone;
            let list = if block.sent { &mut on_their_way } else { &mut lost };
            list.push((block.from, block.to));
            block.sent
        });
        let copies = on_their_way.into_iter().map(|(from, to)| self.undelivered(from, to)).sum();
        let events = lost.iter().map(|(from, to)| to - from).sum();
        for (from, to) in lost {
            // What is gone has nothing to free.
            self.acknowledge(from, to, now);
        }
        Lost { events, copies }
    }

    /// How many of these events are not acknowledged.
    fn undelivered(&self, from: u64, to: u64) -> u64 {
        let behind_gaps = self.beyond.range(..to).map(|(a, b)| to.min(*b).saturating_sub(from.max(*a)));
        to.saturating_sub(from.max(self.reached)).saturating_sub(behind_gaps.sum())
    }

    /// Events that are neither acknowledged nor on the disk: gone when this process ends.
    pub(super) fn unkept(&self) -> u64 {
        let unkept = self.blocks.iter().filter(|block| match block.place {
            Place::Memory(_) | Place::Gone => true,
            Place::Disk(_) => false,
        });
        unkept.map(|block| self.undelivered(block.from, block.to)).sum()
    }

    /// When the oldest event that is not delivered came in.
    pub(super) fn waits_since(&self) -> Option<Instant> {
        self.blocks.front().map(|block| block.born)
    }

    /// Everything is delivered.
    pub(super) fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    /// Events delivered, and events that came in.
    pub(super) fn progress(&self) -> (u64, u64) {
        (self.reached, self.end)
    }

    fn block(&mut self, from: u64) -> Option<&mut Block> {
        let index = self.blocks.binary_search_by_key(&from, |block| block.from).ok()?;
        self.blocks.get_mut(index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{TimedBy, Timestamp};

    fn queue() -> (Queue, Instant) {
        let now = Instant::now();
        let target = Target { group: "g".into(), stream: "s".into(), ..Target::default() };
        (Queue::new(Arc::new(target), now), now)
    }

    fn at() -> Told {
        Told { at: Timestamp::from_millis(1), timed_by: TimedBy::Reader }
    }

    fn extent(segment: u64, offset: u64) -> Extent {
        Extent { segment, offset, length: 10 }
    }

    fn places(queue: &Queue) -> Vec<(u64, u64)> {
        queue.blocks.iter().map(|block| (block.from, block.to)).collect()
    }

    #[test]
    fn events_gather_in_a_block_until_it_is_sent_or_full() {
        let (mut queue, now) = queue();
        queue.push(b"one", at(), now);
        queue.push(b"two", at(), now);
        assert_eq!(places(&queue), [(0, 2)]);
        queue.sent(0);
        queue.push(b"three", at(), now);
        queue.push(&vec![b'x'; BLOCK], at(), now);
        assert_eq!(places(&queue), [(0, 2), (2, 3), (3, 4)]);
        assert_eq!(queue.next().map(|block| block.from), Some(2));
    }

    #[test]
    fn memory_is_free_when_everything_before_is_acknowledged_too() {
        let (mut queue, now) = queue();
        let first = queue.push(b"one", at(), now);
        queue.sent(0);
        let second = queue.push(b"two", at(), now);
        queue.sent(1);
        assert_eq!(queue.acknowledge(1, 2, now).memory, 0, "the one before is missing");
        assert_eq!(queue.acknowledge(0, 1, now).memory, first + second);
        assert!(queue.is_empty());
        assert_eq!((queue.acknowledge(0, 1, now).memory, queue.progress()), (0, (2, 2)), "again");
    }

    #[test]
    fn blocks_that_lie_behind_each_other_on_the_disk_become_one() {
        let (mut queue, now) = queue();
        for offset in 0..3 {
            queue.push(b"one", at(), now);
            assert!(queue.moved(offset, extent(1, offset * 10)).is_some());
        }
        assert_eq!(places(&queue), [(0, 3)]);
        queue.push(b"other", at(), now);
        queue.moved(3, extent(2, 0));
        assert_eq!(places(&queue), [(0, 3), (3, 4)], "in another segment");
        queue.sent(0);
        let freed = queue.acknowledge(0, 3, now).extents;
        assert_eq!(freed, [Extent { segment: 1, offset: 0, length: 30 }]);
    }

    #[test]
    fn what_was_delivered_while_it_was_written_needs_no_place() {
        let (mut queue, now) = queue();
        queue.push(b"one", at(), now);
        queue.sent(0);
        queue.acknowledge(0, 1, now);
        assert_eq!(queue.moved(0, extent(1, 0)), None);
    }

    #[test]
    fn what_is_lost_from_the_middle_hides_nothing_that_is_to_be_sent() {
        let (mut queue, now) = queue();
        for segment in 1..=3 {
            queue.restore(extent(segment, 0), 5, now);
        }
        assert_eq!(queue.lose(2, now), Lost { events: 5, copies: 0 });
        for from in [0, 10] {
            assert_eq!(queue.next().map(|block| block.from), Some(from));
            queue.sent(from);
            queue.acknowledge(from, from + 5, now);
        }
        assert!(queue.is_empty());
    }

    #[test]
    fn what_is_in_memory_or_has_lost_its_copy_is_kept_nowhere_until_it_is_acknowledged() {
        let (mut queue, now) = queue();
        queue.restore(extent(1, 0), 5, now);
        queue.restore(extent(2, 0), 5, now);
        queue.push(b"one", at(), now);
        [0, 5, 10].into_iter().for_each(|from| queue.sent(from));
        assert_eq!(queue.unkept(), 1);
        // Lanes may deliver a part, and out of turn.
        queue.acknowledge(3, 4, now);
        assert_eq!(queue.lose(1, now), Lost { events: 0, copies: 4 });
        assert_eq!(queue.unkept(), 5);
        queue.acknowledge(0, 2, now);
        queue.acknowledge(10, 11, now);
        assert_eq!(queue.unkept(), 2);
        queue.acknowledge(2, 5, now);
        assert_eq!((queue.unkept(), queue.is_empty()), (0, false));
    }

    #[test]
    fn a_lost_segment_costs_what_was_not_sent_and_stops_nothing() {
        let (mut queue, now) = queue();
        queue.restore(extent(1, 0), 5, now);
        queue.sent(0);
        queue.restore(extent(1, 10), 7, now);
        queue.restore(extent(2, 0), 1, now);
        assert_eq!(queue.lose(1, now), Lost { events: 7, copies: 5 });
        assert_eq!(queue.next().map(|block| block.from), Some(12));
        queue.sent(12);
        assert!(!queue.is_empty());
        queue.acknowledge(0, 5, now);
        assert_eq!(queue.acknowledge(12, 13, now).extents, [extent(2, 0)]);
        assert!(queue.is_empty());
    }
}
