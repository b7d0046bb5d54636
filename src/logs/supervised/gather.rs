//! From entries to chunks: units, positions, and messages too long for one event.
use super::{Place, Said};
use crate::{
    config::settings::text::{Oversize, TextRules},
    logs::text::parts,
    model::{Chunk, Event, SourceId},
    telemetry::counters,
};

/// A chunk with this much text goes on its way.
const FULL_BYTES: usize = 256 * 1024;
/// So does one with this many events: each carries a position of some 130 bytes beside its text.
const FULL_EVENTS: usize = 2_000;

/// Gathers entries of one source. A unit is one entry that was read in this process, sent or not.
pub(super) struct Gatherer<P> {
    source: SourceId,
    /// The longest message, in bytes.
    max: usize,
    oversize: Oversize,
    read: u64,
    /// Where the chunk being gathered begins.
    from: u64,
    text: Vec<u8>,
    events: Vec<Event>,
    /// One per event.
    places: Vec<P>,
    /// Of the last entry that was read.
    last: Option<P>,
}

impl<P: Place> Gatherer<P> {
    /// Continues after `last`.
    pub(super) fn new(source: SourceId, last: Option<P>, rules: &TextRules) -> Self {
        let (max, oversize) = (rules.max_event_bytes, rules.oversize);
        Self { source, max, oversize, read: 0, from: 0, text: vec![], events: vec![], places: vec![], last }
    }

    /// Of the last entry that was read, by this run or an earlier one.
    pub(super) fn last(&self) -> Option<&P> {
        self.last.as_ref()
    }

    /// Nothing was read yet, and what comes follows this.
    pub(super) fn go_on_at(&mut self, place: P) {
        self.last = Some(place);
    }

    /// Entries read by this run.
    pub(super) fn read(&self) -> u64 {
        self.read
    }

    /// Whether an event waits to be sent.
    pub(super) fn has_events(&self) -> bool {
        !self.events.is_empty()
    }

    /// Take the next entry, and what is sent of it.
    pub(super) fn take(&mut self, place: P, said: Option<Said<'_>>) {
        let before = self.last.replace(place.clone());
        let (unit, next) = (self.read, self.read + 1);
        self.read = next;
        let Some(Said { text, at, timed_by, mended }) = said else {
            // Not sent, but covered: with the event before it, or with the chunk when there is none.
            if let (Some(event), Some(last)) = (self.events.last_mut(), self.places.last_mut()) {
                event.next = next;
                *last = place;
            }
            return;
        };
        counters::EVENTS_MENDED.add(u64::from(mended));
        let long = match self.oversize {
            Oversize::Split => &counters::EVENTS_SPLIT,
            Oversize::Truncate => &counters::EVENTS_TRUNCATED,
        };
        long.add(u64::from(!parts::fits(&text, self.max)));
        let mut parts = parts::parts(&text, self.max, self.oversize).peekable();
        while let Some(part) = parts.next() {
            // Only the last part delivers the entry. Before the very first entry there is no position: such a cover is
            // empty and moves nothing.
            let (next, place) = if parts.peek().is_none() {
                (next, place.clone())
            } else {
                (unit, before.clone().unwrap_or_else(|| place.clone()))
            };
            let start = offset(self.text.len());
            self.text.extend_from_slice(part.text);
            self.text.extend_from_slice(part.mark.as_bytes());
            let end = offset(self.text.len());
            self.events.push(Event { start, end, at, timed_by, next });
            self.places.push(place);
        }
    }

    /// Whether the chunk should go before more is taken.
    pub(super) fn is_full(&self) -> bool {
        self.text.len() >= FULL_BYTES || self.events.len() >= FULL_EVENTS
    }

    /// What was gathered since the last call, if anything was read.
    pub(super) fn chunk(&mut self) -> Option<Chunk> {
        let end = self.last.clone()?.position();
        let from = std::mem::replace(&mut self.from, self.read);
        (from < self.read).then(|| Chunk {
            source: self.source,
            text: std::mem::take(&mut self.text),
            events: std::mem::take(&mut self.events),
            from,
            to: self.read,
            anchor: P::anchor(std::mem::take(&mut self.places)),
            end,
        })
    }
}

/// A chunk holds less than [`FULL_BYTES`] and one entry. The longest line of a log has 16 MiB, which mending may make 48; masks add 32
/// at most, and marks one in twenty.
fn offset(at: usize) -> u32 {
    u32::try_from(at).expect("a chunk's text is far below 4 GiB")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{JournalPosition, Position, TimedBy, Timestamp, limits::MESSAGE_BYTES};
    use parts::CONTINUED;

    impl Gatherer<JournalPosition> {
        fn note(&mut self, number: u64, text: Option<&str>) {
            let place = position(number);
            let at = place.at;
            let said = |text: &str| Said {
                text: text.as_bytes().to_vec().into(),
                at,
                timed_by: TimedBy::Source,
                mended: false,
            };
            self.take(place, text.map(said));
        }
    }

    fn position(number: u64) -> JournalPosition {
        JournalPosition {
            cursor: format!("s=1;i={number:x}"),
            at: Timestamp::from_millis(i64::try_from(number).expect("small")),
            item: "".into(),
        }
    }

    fn gatherer() -> Gatherer<JournalPosition> {
        Gatherer::new(SourceId::unique(), None, &TextRules::default())
    }

    fn texts(chunk: &Chunk) -> Vec<&str> {
        let span = |event: &Event| &chunk.text[event.start as usize..event.end as usize];
        chunk.events.iter().map(|event| std::str::from_utf8(span(event)).expect("text")).collect()
    }

    #[test]
    fn each_event_knows_the_unit_and_the_position_after_it() {
        let mut gatherer = gatherer();
        assert!(gatherer.chunk().is_none());
        gatherer.note(1, Some("one"));
        gatherer.note(2, Some("two"));
        let chunk = gatherer.chunk().expect("gathered");
        assert_eq!(texts(&chunk), ["one", "two"]);
        assert_eq!((chunk.from, chunk.to, chunk.events[0].next, chunk.events[1].next), (0, 2, 1, 2));
        assert_eq!(chunk.position_after(0), Some(Position::Journal(position(1))));
        assert_eq!(chunk.position_after(1), Some(Position::Journal(position(2))));
        assert_eq!(chunk.events[0].at.as_millis(), 1);
        assert!(gatherer.chunk().is_none());
        gatherer.note(3, Some("three"));
        assert_eq!(gatherer.chunk().map(|chunk| (chunk.from, chunk.to)), Some((2, 3)));
    }

    #[test]
    fn what_is_not_sent_is_covered_by_the_event_before_it() {
        let mut gatherer = gatherer();
        for (number, text) in [(1, None), (2, Some("one")), (3, None), (4, None), (5, Some("two"))] {
            gatherer.note(number, text);
        }
        let chunk = gatherer.chunk().expect("gathered");
        assert_eq!(texts(&chunk), ["one", "two"]);
        assert_eq!(chunk.events.iter().map(|event| event.next).collect::<Vec<_>>(), [4, 5]);
        assert_eq!(chunk.position_after(0), Some(Position::Journal(position(4))));
    }

    #[test]
    fn a_chunk_of_which_nothing_is_sent_still_moves_the_position() {
        let mut gatherer = gatherer();
        gatherer.note(1, None);
        let chunk = gatherer.chunk().expect("gathered");
        assert!(chunk.events.is_empty());
        assert_eq!((chunk.from, chunk.to, chunk.end), (0, 1, Position::Journal(position(1))));
    }

    #[test]
    fn a_message_over_the_limit_is_cut_between_characters_and_only_its_last_part_delivers_it() {
        let mut gatherer = gatherer();
        gatherer.note(1, Some("before"));
        let long = format!("x{}", "\u{20ac}".repeat(MESSAGE_BYTES / 3 + 10));
        gatherer.note(2, Some(&long));
        assert!(gatherer.is_full());
        let chunk = gatherer.chunk().expect("gathered");
        let found = texts(&chunk);
        assert_eq!(found.len(), 3);
        assert_eq!(found[1..].concat().replace(CONTINUED, ""), long);
        assert!(found[1].ends_with(CONTINUED) && !found[2].ends_with(CONTINUED));
        assert!(found.iter().all(|text| text.len() <= MESSAGE_BYTES));
        assert_eq!(chunk.events.iter().map(|event| event.next).collect::<Vec<_>>(), [1, 1, 2]);
        assert_eq!(chunk.position_after(1), Some(Position::Journal(position(1))));
        assert_eq!(chunk.position_after(2), Some(Position::Journal(position(2))));
    }

    #[test]
    fn many_short_messages_fill_a_chunk_too() {
        let mut gatherer = gatherer();
        for number in 0..FULL_EVENTS as u64 {
            assert!(!gatherer.is_full());
            gatherer.note(number, Some("x"));
        }
        assert!(gatherer.is_full());
    }
}
