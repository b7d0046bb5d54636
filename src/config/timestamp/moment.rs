//! From what a timestamp says to a moment, and what counts where it says nothing.
//!
//! | Missing | What counts |
//! |---|---|
//! | year | this year; the one before where that would be more than 30 days ahead (the agent's rule), or no date at all (29 February); the next one where that is just ahead, around New Year |
//! | month | this one; the one before where that would be more than 12 hours ahead |
//! | the whole date | today; yesterday where that would be more than 12 hours ahead; tomorrow where today's is more than 12 hours ago and tomorrow's just ahead |
//! | day, beside a month | the first |
//! | any part of the time of day | zero |
//! | offset | that of the configured zone |
//!
//! "Just ahead" is what CloudWatch takes: two hours. An hour of 24, a 31 February, a month that has no such name are no time.
use super::{super::zone::Zone, Found, names};
use crate::model::{Timestamp, limits::AHEAD};
use chrono::{DateTime, Datelike, NaiveDate};

/// How far ahead a date without a year may be and still be of this year (the agent's).
const YEAR_AHEAD: i64 = 30 * DAY;
/// How far off a time without a date may be and still be of today.
const HALF: i64 = DAY / 2;
const DAY: i64 = 24 * 3600;

/// What a part of a timestamp says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Field {
    Year,
    ShortYear,
    Month,
    Day,
    DayOfYear,
    Hour,
    Hour12,
    /// 0 or 12.
    HalfDay,
    Minute,
    Second,
    Millis,
    /// Seconds since 1970.
    Epoch,
    /// Seconds east of Greenwich.
    Offset,
    /// A place among the known abbreviations; below zero for an unknown one.
    Zone,
    /// Nothing that is needed.
    Ignored,
}

/// What a timestamp says.
#[derive(Clone, Copy, Debug)]
pub struct Values([i64; Field::Ignored as usize + 1]);

/// No part of a timestamp says this.
const NOTHING: i64 = i64::MIN;

impl Default for Values {
    fn default() -> Self {
        Self([NOTHING; Field::Ignored as usize + 1])
    }
}

impl Values {
    pub fn set(&mut self, field: Field, value: i64) {
        self.0[field as usize] = value;
    }

    fn get(&self, field: Field) -> Option<i64> {
        Some(self.0[field as usize]).filter(|value| *value != NOTHING)
    }

    /// A part that is no larger than `most`; `default` where it is missing.
    fn up_to(&self, field: Field, most: i64, default: i64) -> Option<i64> {
        let value = self.get(field).unwrap_or(default);
        (0..=most).contains(&value).then_some(value)
    }
}

/// What is known of the time beside a timestamp.
#[derive(Clone, Copy)]
pub struct Clock<'a> {
    /// Of timestamps that name none.
    pub zone: &'a Zone,
    /// When the text was read.
    pub now: Timestamp,
    /// The time of the event before in the same source.
    pub last: Option<Timestamp>,
}

impl Found {
    /// The moment that the timestamp names; `None`: it names none.
    pub fn moment(&self, clock: Clock<'_>) -> Option<Timestamp> {
        let values = &self.values;
        let millis = values.get(Field::Millis).unwrap_or(0);
        let seconds = match values.get(Field::Epoch) {
            Some(seconds) => seconds,
            None => clock.seconds(values)?,
        };
        Some(Timestamp::from_millis(seconds * 1000 + millis))
    }
}

impl Clock<'_> {
    fn seconds(self, values: &Values) -> Option<i64> {
        use Field::{Day, DayOfYear, Minute, Month, Second};
        // A leap second is the first one of the next minute.
        let time = hour(values)? * 3600 + values.up_to(Minute, 59, 0)? * 60 + values.up_to(Second, 60, 0)?;
        let at = |date: NaiveDate| self.moment(midnight(date) + time, values);
        let (now, today) = (self.now.as_millis().div_euclid(1000), self.today(values)?);
        let (month, day) = (values.get(Month), values.get(Day));
        let ahead = AHEAD.as_secs().cast_signed();
        let century = |short: i64| if short < 69 { 2000 + short } else { 1900 + short };
        let year = values.get(Field::Year).or_else(|| values.get(Field::ShortYear).map(century));
        if year.is_some() || month.is_some() || values.get(DayOfYear).is_some() {
            let of = |year: i32| match values.get(DayOfYear) {
                Some(day) => NaiveDate::from_yo_opt(year, u32::try_from(day).ok()?),
                None => date(year, month.unwrap_or(1), day.unwrap_or(1)),
            };
            if let Some(year) = year {
                return of(i32::try_from(year).ok()?).map(at);
            }
            let this = today.year();
            // Only the last day of a year has another one just ahead.
            let is_last_day = today.succ_opt().is_some_and(|day| day.year() > this);
            let next = if is_last_day { of(this + 1).map(at).filter(|t| t - now <= ahead) } else { None };
            let this_year = || of(this).map(at).filter(|t| t - now <= YEAR_AHEAD);
            return next.or_else(this_year).or_else(|| of(this - 1).map(at));
        }
        if let Some(day) = day {
            let this_month = date(today.year(), today.month().into(), day).map(at).filter(|t| t - now <= HALF);
            let before = || today.with_day(1)?.pred_opt()?.with_day(u32::try_from(day).ok()?).map(at);
            return this_month.or_else(before);
        }
        let t = at(today);
        Some(match t - now {
            distance if distance > HALF => at(today.pred_opt()?),
            distance if distance < -HALF => {
                let tomorrow = at(today.succ_opt()?);
                if tomorrow - now <= ahead { tomorrow } else { t }
            }
            _ => t,
        })
    }

    /// The moment of a local time, in seconds since 1970.
    fn moment(self, local: i64, values: &Values) -> i64 {
        if let Some(offset) = values.get(Field::Offset) {
            return local - offset;
        }
        let own = self.zone.moment(local, self.now, self.last);
        // An abbreviation that nobody knows is most likely the zone's own.
        match values.get(Field::Zone).map(usize::try_from) {
            Some(Ok(place)) => local - names::offset(place, local - own),
            Some(Err(_)) | None => own,
        }
    }

    /// The date that a calendar shows now where the timestamp was written.
    fn today(self, values: &Values) -> Option<NaiveDate> {
        let now = self.now.as_millis().div_euclid(1000);
        let own = self.zone.offset_at(now);
        let offset = match (values.get(Field::Offset), values.get(Field::Zone).map(usize::try_from)) {
            (Some(offset), _) => offset,
            (None, Some(Ok(place))) => names::offset(place, own),
            (None, Some(Err(_)) | None) => own,
        };
        Some(DateTime::from_timestamp(now + offset, 0)?.date_naive())
    }
}

fn hour(values: &Values) -> Option<i64> {
    let half = values.up_to(Field::HalfDay, 12, 0)?;
    if values.get(Field::Hour).is_some() {
        let hour = values.up_to(Field::Hour, 23, 0)?;
        return Some(if hour < 12 { hour + half } else { hour });
    }
    let hour = values.up_to(Field::Hour12, 12, 0)?;
    Some(if values.get(Field::HalfDay).is_some() { hour % 12 + half } else { hour })
}

fn date(year: i32, month: i64, day: i64) -> Option<NaiveDate> {
    NaiveDate::from_ymd_opt(year, u32::try_from(month).ok()?, u32::try_from(day).ok()?)
}

/// Seconds since 1970 that a calendar's midnight has in UTC.
fn midnight(date: NaiveDate) -> i64 {
    date.and_time(chrono::NaiveTime::MIN).and_utc().timestamp()
}
