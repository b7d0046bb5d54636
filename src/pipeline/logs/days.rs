//! The open batches of one lane, one for each day (of UTC) of which events came lately.
//!
//! There is always a current one, also when it is empty; nearly always it is the only one. Where there are several, each that
//! has no permit to be large may be so much smaller: together they take little more memory than one.
use crate::{
    model::{Target, Timestamp, limits::LOG_BATCH_SPAN},
    pipeline::{bodies::Permit, draft::Draft},
};
use std::{ops::Range, sync::Arc};
use tokio::time::Instant;

/// How many may be open.
pub(super) const DAYS: usize = 4;

/// The open batch of one day.
pub(super) struct Day {
    /// Milliseconds since 1970. Empty while the batch belongs to no day.
    span: Range<i64>,
    pub draft: Draft,
    pub permit: Option<Permit>,
    /// When it leaves at the latest.
    pub deadline: Option<Instant>,
}

pub(super) struct Days {
    target: Arc<Target>,
    days: Vec<Day>,
    current: usize,
}

/// The day that holds this moment.
fn span(at: Timestamp) -> Range<i64> {
    let day = i64::try_from(LOG_BATCH_SPAN.as_millis()).expect("a day has few milliseconds");
    let start = at.as_millis().saturating_sub(at.as_millis().rem_euclid(day));
    start..start.saturating_add(day)
}

impl Days {
    pub fn new(target: Arc<Target>) -> Self {
        let first = Day { span: 0..0, draft: Draft::new(target.clone()), permit: None, deadline: None };
        Self { target, days: vec![first], current: 0 }
    }

    pub fn current(&mut self) -> &mut Day {
        &mut self.days[self.current]
    }

    /// The place of the current one.
    pub fn now(&self) -> usize {
        self.current
    }

    /// How many are open.
    pub fn open(&self) -> usize {
        self.days.len()
    }

    pub fn is_current(&self, at: Timestamp) -> bool {
        self.days[self.current].span.contains(&at.as_millis())
    }

    /// Makes the day that holds this moment the current one. `false`: too many are open; the one that leaves first became current.
    pub fn turn_to(&mut self, at: Timestamp) -> bool {
        if self.current().draft.holds_nothing() {
            if self.days.len() > 1 {
                self.days.swap_remove(self.current);
            } else {
                self.current().span = span(at);
            }
        }
        let known = self.days.iter().position(|day| day.span.contains(&at.as_millis()));
        self.current = match known {
            Some(known) => known,
            None if self.days.len() == DAYS => {
                self.current = self.first_due();
                return false;
            }
            None => {
                let draft = Draft::new(self.target.clone());
                self.days.push(Day { span: span(at), draft, permit: None, deadline: None });
                self.days.len() - 1
            }
        };
        true
    }

    /// The one that is to leave first.
    fn first_due(&self) -> usize {
        (0..self.days.len()).min_by_key(|place| self.days[*place].deadline).unwrap_or_default()
    }

    /// When the next one is due.
    pub fn deadline(&self) -> Option<Instant> {
        self.days.iter().filter_map(|day| day.deadline).min()
    }

    /// One that is due.
    pub fn due(&self, now: Instant) -> Option<usize> {
        self.days.iter().position(|day| day.deadline.is_some_and(|at| at <= now))
    }

    /// One that holds a permit.
    pub fn with_permit(&self) -> Option<usize> {
        self.days.iter().position(|day| day.permit.is_some())
    }

    /// One that holds anything, the oldest first.
    pub fn unsent(&self) -> Option<usize> {
        let unsent = (0..self.days.len()).filter(|place| !self.days[*place].draft.holds_nothing());
        unsent.min_by_key(|place| self.days[*place].deadline)
    }

    /// Whether no event waits.
    pub fn are_empty(&self) -> bool {
        self.days.iter().all(|day| day.draft.is_empty())
    }

    /// Takes out what is open there. The current one stays current, empty; others are gone.
    pub fn close(&mut self, which: usize) -> (Draft, Option<Permit>) {
        let fresh = Draft::new(self.target.clone());
        if which == self.current {
            let day = &mut self.days[which];
            day.deadline = None;
            return (std::mem::replace(&mut day.draft, fresh), day.permit.take());
        }
        let day = self.days.swap_remove(which);
        if self.current == self.days.len() {
            self.current = which;
        }
        (day.draft, day.permit)
    }
}
