//! The three bounds: what goes for what comes. Nothing goes that would not make room enough.
use super::{
    super::segment::{self, RECORD},
    SEGMENT, Store, Text,
};
use crate::model::{Target, Timestamp};
use std::{io, sync::Arc};

/// What was found, or made, for sizes that were asked for.
#[derive(Debug)]
pub struct Room {
    /// Segments that went: too old, or the oldest ones where the others needed their place.
    pub gone: Vec<u64>,
    /// So many of the sizes find room, all together, counted from the first.
    pub fit: usize,
    /// Why the next one does not.
    pub refused: Option<io::Error>,
}

impl Store {
    /// How much these events of one target take on the disk, at most.
    pub fn need(target: &Target, texts: &[Arc<Text>]) -> u64 {
        let records: usize = texts.iter().map(|text| text.bytes.len() + text.events.len() * RECORD).sum();
        // Each segment but the last takes this much before there is another.
        let segments = 1 + records as u64 / SEGMENT;
        records as u64 + segments * segment::head(target).len() as u64
    }

    /// Make room for as many of these sizes as there can be room for: what is still to be cut off, what is too old, then the oldest
    /// segments. None goes for a size that finds no room even so.
    pub fn trim(&mut self, sizes: &[u64], now: Timestamp) -> Room {
        let uncut = std::mem::take(&mut self.uncut);
        self.uncut = uncut.into_iter().filter(|number| self.cut(*number).is_err()).collect();
        let max_age = self.bounds.max_age;
        let outdated = self.segments.iter().filter(|(_, segment)| now.since(segment.newest) > max_age);
        let mut gone: Vec<u64> = outdated.map(|(number, _)| *number).collect();
        gone.iter().for_each(|number| self.remove(*number));
        let most = self.bounds.max_log_bytes;
        // Where the room cannot be measured, the write itself will tell.
        let free = self.medium.free(&self.folder).ok();
        let min_free = self.bounds.min_free_bytes;
        // What all of the spool and all that is free come to.
        let reach = free.map_or(u64::MAX, |free| self.bytes.saturating_add(free).saturating_sub(min_free));
        let sums = sizes.iter().scan(0_u64, |sum, size| {
            *sum = sum.saturating_add(*size);
            Some(*sum)
        });
        let fitting: Vec<u64> = sums.take_while(|sum| *sum <= most.min(reach)).collect();
        let (fit, size) = (fitting.len(), fitting.last().copied().unwrap_or_default());
        let refused = sizes.get(fit).map(|next| match free {
            Some(free) if size.saturating_add(*next) <= most => {
                let why = format!("{free} bytes are free, and agent.spool.min_free_bytes leaves these alone");
                io::Error::new(io::ErrorKind::StorageFull, why)
            }
            Some(_) | None => {
                let why = "what is to be kept is larger than agent.spool.max_log_bytes";
                io::Error::new(io::ErrorKind::QuotaExceeded, why)
            }
        });
        // Where nothing finds room nothing goes, however little is free.
        if fit > 0 {
            gone.append(&mut self.give_up_oldest(size, free));
        }
        Room { gone, fit, refused }
    }

    /// Let the oldest segments go until there is room for `size` bytes. How much they free is counted, not measured: some file
    /// systems give freed blocks back late, and measuring would empty the spool.
    fn give_up_oldest(&mut self, size: u64, free: Option<u64>) -> Vec<u64> {
        let min_free = self.bounds.min_free_bytes;
        let wanted = free.map_or(0, |free| min_free.saturating_add(size).saturating_sub(free));
        let before = self.bytes;
        let mut gone = vec![];
        while (self.bytes + size > self.bounds.max_log_bytes || before - self.bytes < wanted)
            && let Some(oldest) = self.segments.keys().next().copied()
        {
            self.remove(oldest);
            gone.push(oldest);
        }
        gone
    }
}
