//! Which of the files at and beside a path another program had read up to an offset.
//!
//! | what is known | who was read |
//! |---|---|
//! | the file at the path was made after the other program said how far it came | it was renamed: the youngest one that was made before |
//! | a file beside it was made since, and says something else | it was copied and cut short: the oldest such copy |
//! | the file at the path is older by more than [`DELAY`] | that file |
//! | it is hardly older, or no line begins there | the one that was renamed as it was made, if the offset fits that one; else the file at the path |
//! | when they were made is not known, or they were compressed since | what was renamed since, by the times of its text: see [`Rotated::by_writing`] |
//!
//! Whatever it is, a line must begin at the offset. Each doubt is decided for the older file: that repeats lines, and the
//! other choice would lose some.
//!
//! One kernel dates both what the other program wrote and the log, by one clock. So no tolerance is given to a file that was made
//! later. Windows gives a new file the date of the one that had its name a moment ago: where two were made at the same
//! moment, that tells nothing.
use super::{Candidate, Stopped};
use crate::{
    logs::files::{Bytes as _, is_part_of},
    model::Timestamp,
};
use std::{cmp::Reverse, io, time::Duration};

/// The agent notes what it read when CloudWatch has accepted it, seconds later (its `force_flush_interval` is 5), and once more
/// as it stops: until it sent something of the next file that still is an offset in the one before.
const DELAY: Duration = Duration::from_mins(1);

/// Which file was read.
pub(super) enum Choice<'a> {
    /// The one at the path.
    Here,
    Rotated(&'a Candidate),
    /// The one at the path, but it says something else now.
    Rewritten,
    /// One that is not there any more.
    Another,
}

/// The rotated files that the offset may be in.
struct Rotated<'a> {
    /// Those of which it tells something when they were made, the one made last first.
    dated: Vec<(Timestamp, &'a Candidate)>,
    /// The others that were renamed or written to since, the youngest text first.
    others: Vec<&'a Candidate>,
    stopped: Stopped,
}

pub(super) fn choose<'a>(
    here: Option<&Candidate>,
    rotated: &'a [Candidate],
    stopped: Stopped,
) -> io::Result<Choice<'a>> {
    let Stopped { offset, at } = stopped;
    // Another name of the file at the path is no other file.
    let rotated = rotated.iter().filter(|one| here.is_none_or(|here| here.stat.id != one.stat.id));
    let rotated = Rotated::of(rotated.collect(), here, stopped);
    let Some(here) = here else { return Ok(rotated.renamed(at)?.map_or(Choice::Another, Choice::Rotated)) };
    let fits = here.begins_a_line(offset)?;
    let other = match here.made.filter(|made| !rotated.others.iter().any(|one| one.made == Some(*made))) {
        None => rotated.by_writing()?,
        Some(made) if made > at => {
            return Ok(rotated.renamed(at)?.map_or(Choice::Another, Choice::Rotated));
        }
        Some(made) => match rotated.copied(here)? {
            None if !fits || made.plus(DELAY) > at => rotated.renamed(made)?,
            None => rotated.read_to_its_end(made),
            copy => copy,
        },
    };
    Ok(match other {
        Some(other) => Choice::Rotated(other),
        None if fits => Choice::Here,
        None if here.stat.size >= offset => Choice::Rewritten,
        None => Choice::Another,
    })
}

impl<'a> Rotated<'a> {
    fn of(rotated: Vec<&'a Candidate>, here: Option<&Candidate>, stopped: Stopped) -> Self {
        let tells = |one: &&Candidate| one.made.is_some_and(|made| here.is_none_or(|here| here.made != Some(made)));
        let (dated, mut others): (Vec<_>, Vec<_>) = rotated.into_iter().partition(tells);
        let mut dated: Vec<_> = dated.into_iter().filter_map(|one| Some((one.made?, one))).collect();
        dated.sort_by_key(|(made, _)| Reverse(*made));
        others.retain(|one| one.stat.touched.is_none_or(|touched| Timestamp::from(touched) >= stopped.at));
        Self { dated, others, stopped }
    }

    fn fits(&self, one: &Candidate) -> io::Result<bool> {
        one.begins_a_line(self.stopped.offset)
    }

    /// The one that gave its name to a file that was made at `next`.
    fn renamed(&self, next: Timestamp) -> io::Result<Option<&'a Candidate>> {
        for (_, one) in self.dated.iter().filter(|(made, _)| *made <= next) {
            if self.fits(one)? {
                return Ok(Some(one));
            }
        }
        self.by_writing()
    }

    /// What was copied before the file at the path was cut short. A copy of what still stands there is none.
    fn copied(&self, here: &Candidate) -> io::Result<Option<&'a Candidate>> {
        let since = self.dated.iter().rev().filter(|(made, _)| *made > self.stopped.at).map(|(_, one)| *one);
        for one in since.chain(self.written_since()) {
            if self.fits(one)? && !is_part_of(&one.file, one.file.stat()?.size, &here.file)? {
                return Ok(Some(one));
            }
        }
        Ok(None)
    }

    /// The one that gave its name to a file that was made at `next`, if the offset is its very end. By chance it is that hardly ever.
    fn read_to_its_end(&self, next: Timestamp) -> Option<&'a Candidate> {
        let before = self.dated.iter().find(|(made, _)| *made <= next).map(|(_, one)| *one);
        before.filter(|one| one.stat.size == self.stopped.offset && one.stat.size > 0)
    }

    /// Of [`Self::others`]: the last one that was not written to since, if little or nothing was left to be read in it; else the first
    /// one that was written to. Not more than these are asked: each may be a large compressed one.
    fn by_writing(&self) -> io::Result<Option<&'a Candidate>> {
        let Stopped { offset, at } = self.stopped;
        let mut before = self.others.iter().copied().find(|one| Timestamp::from(one.stat.modified) <= at);
        if let Some(one) = before {
            let fits = self.fits(one)?;
            let is_recent = Timestamp::from(one.stat.modified).plus(DELAY) > at;
            if fits && (is_recent || one.file.bytes(offset, 1)?.is_empty()) {
                return Ok(before);
            }
            before = before.filter(|_| fits);
        }
        match self.written_since() {
            Some(one) if self.fits(one)? => Ok(Some(one)),
            Some(_) | None => Ok(before),
        }
    }

    /// Of [`Self::others`] the first one that was written to since.
    fn written_since(&self) -> Option<&'a Candidate> {
        self.others.iter().rev().copied().find(|one| Timestamp::from(one.stat.modified) > self.stopped.at)
    }
}

#[cfg(test)]
mod tests;
