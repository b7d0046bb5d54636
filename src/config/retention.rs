//! How long CloudWatch Logs keeps a group's events.
use super::{finding::Severity, section::Section};
use crate::model::limits::RETENTION_DAYS;

/// The agent's word for "leave the group as it is".
const LEAVE: i64 = -1;

/// What `retention_in_days` asks for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Retention {
    /// Nothing was said.
    Unsaid,
    /// The group keeps what it has.
    Leave,
    Days(u16),
}

impl Retention {
    /// What stands here. A number that is not on offer was reported already and counts as nothing.
    pub fn read(section: &Section<'_>) -> Self {
        match section.int() {
            Some(LEAVE) => Self::Leave,
            Some(days) => offered(days).map_or(Self::Unsaid, Self::Days),
            None => Self::Unsaid,
        }
    }

    /// What to set on a group.
    pub fn days(self) -> Option<u16> {
        match self {
            Self::Days(days) => Some(days),
            Self::Leave | Self::Unsaid => None,
        }
    }

    /// This, or where it says nothing the other.
    pub fn or(self, other: Self) -> Self {
        match self {
            Self::Unsaid => other,
            Self::Leave | Self::Days(_) => self,
        }
    }
}

/// Reports a number of days that is not on offer.
pub(super) fn check(section: &Section<'_>, days: i64) {
    if days == LEAVE || offered(days).is_some() {
        return;
    }
    let nearest = RETENTION_DAYS.iter().min_by_key(|offered| days.abs_diff(i64::from(**offered)));
    let why = format!("CloudWatch Logs does not offer to keep events for {days} days");
    section.report(Severity::Error, why, nearest.map(u16::to_string));
}

fn offered(days: i64) -> Option<u16> {
    u16::try_from(days).ok().filter(|days| RETENTION_DAYS.binary_search(days).is_ok())
}
