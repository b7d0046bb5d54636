//! What earlier runs left in the folder. Segments in which nothing is to be sent go; those that cannot be read now stay.
use super::{
    super::segment::{self, Unusable},
    EXTENT, Extent, MOST, SUFFIX, Segment, Store,
};
use crate::{
    model::{Target, Timestamp},
    platform::disk,
};
use std::{collections::HashMap, io};

/// What an earlier run left for one target: the extents with their numbers of events, oldest first.
pub struct Found {
    pub target: Target,
    pub extents: Vec<(Extent, u64)>,
}

/// What was found at the start.
#[derive(Default)]
pub struct Inventory {
    pub found: Vec<Found>,
    /// Segments of which a part, or all, cannot be read.
    pub corrupt: u64,
    /// Events that were too old to be kept.
    pub dropped: u64,
}

impl Store {
    /// Read what earlier runs left. Before this succeeds nothing is appended: it could take the number, and so the place, of what is there.
    ///
    /// # Errors
    /// When the folder cannot be listed. Nothing was touched then.
    pub fn take_inventory(&mut self, now: Timestamp) -> io::Result<Inventory> {
        let mut numbers = vec![];
        let names = match self.medium.list(&self.folder) {
            // Somebody removed it; the first segment makes it again.
            Err(error) if error.kind() == io::ErrorKind::NotFound => vec![],
            listed => listed?,
        };
        self.listed = true;
        for name in names {
            let number = name.to_str().and_then(|name| name.strip_suffix(SUFFIX)).and_then(|n| n.parse::<u64>().ok());
            numbers.extend(number.filter(|number| *self.path(*number).file_name().unwrap_or_default() == *name));
        }
        numbers.sort_unstable();
        let mut inventory = Inventory::default();
        let mut places: HashMap<Target, usize> = HashMap::new();
        for number in numbers {
            self.next = self.next.max(number.saturating_add(1));
            let Some((target, extents)) = self.look_into(number, now, &mut inventory) else { continue };
            let place = *places.entry(target.clone()).or_insert_with(|| {
                inventory.found.push(Found { target, extents: vec![] });
                inventory.found.len() - 1
            });
            inventory.found[place].extents.extend(extents);
        }
        Ok(inventory)
    }

    /// Read one segment that an earlier run left. `None`: there is nothing in it to send.
    fn look_into(
        &mut self,
        number: u64,
        now: Timestamp,
        inventory: &mut Inventory,
    ) -> Option<(Target, Vec<(Extent, u64)>)> {
        let path = self.path(number);
        let left_alone = |why: &dyn std::fmt::Display| {
            tracing::warn!(file = %path.display(), %why, "a spooled segment of log text is left alone");
        };
        // Of a strange kind, or unreadable now: a later start may find it better.
        let bytes = disk::read_regular(&path, MOST).map_err(|error| left_alone(&error)).ok()?;
        let (target, mut at) = match segment::parse_head(&bytes) {
            Ok(head) => head,
            Err(why @ Unusable::Newer(_)) => {
                left_alone(&why);
                return None;
            }
            Err(Unusable::Corrupt) => {
                // A crash while it was begun leaves nothing in it; otherwise nobody can know whose events they are.
                inventory.corrupt += u64::from(!bytes.iter().all(|byte| *byte == 0));
                self.delete(number);
                return None;
            }
        };
        let (mut extents, mut events, mut newest): (Vec<(Extent, u64)>, u64, _) = (vec![], 0, Timestamp::default());
        let start = at;
        loop {
            match segment::record(&bytes, at) {
                Ok(Some(record)) => {
                    let length = (record.end - at) as u64;
                    match extents.last_mut() {
                        Some((last, count)) if last.length + length <= EXTENT => {
                            (last.length, *count) = (last.length + length, *count + 1);
                        }
                        _ => extents.push((Extent { segment: number, offset: at as u64, length }, 1)),
                    }
                    (at, events, newest) = (record.end, events + 1, newest.max(record.told.at));
                }
                Ok(None) => break,
                Err(why) => {
                    inventory.corrupt += 1;
                    tracing::warn!(file = %path.display(), %why, byte = at, events, "the rest of a spooled segment cannot be read");
                    break;
                }
            }
        }
        let outdated = now.since(newest) > self.bounds.max_age;
        if events == 0 || outdated {
            inventory.dropped += events;
            self.delete(number);
            return None;
        }
        let size = bytes.len() as u64;
        self.bytes += size;
        self.segments.insert(number, Segment { size, live: (at - start) as u64, newest });
        Some((target, extents))
    }
}
