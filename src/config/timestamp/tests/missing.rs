//! What counts where a timestamp says nothing.
use super::*;

#[track_caller]
fn check(directives: &str, text: &str, now: &str, time: &str) {
    assert_eq!(read_at(directives, text, now).as_deref(), Some(time));
}

#[test]
fn without_a_year_it_is_this_one_unless_that_is_more_than_30_days_ahead() {
    let syslog = "%b %d %H:%M:%S";
    check(syslog, "Jun 15 11:59:59 host", "2026-06-15T12:00:00Z", "2026-06-15T11:59:59.000Z");
    check(syslog, "Jul 15 12:00:00 host", "2026-06-15T12:00:00Z", "2026-07-15T12:00:00.000Z");
    check(syslog, "Jul 15 12:00:01 host", "2026-06-15T12:00:00Z", "2025-07-15T12:00:01.000Z");
    check(syslog, "Dec 31 23:59:59 host", "2027-01-01T00:00:01Z", "2026-12-31T23:59:59.000Z");
    check(syslog, "Jan  1 00:00:01 host", "2026-12-31T23:59:59Z", "2027-01-01T00:00:01.000Z");
    check(syslog, "Jan  1 03:00:00 host", "2026-12-31T23:59:59Z", "2026-01-01T03:00:00.000Z");
    check("%j %T", "365 23:59:59", "2027-01-01T00:00:01Z", "2026-12-31T23:59:59.000Z");
}

#[test]
fn a_29_february_without_a_year_is_of_a_year_that_has_one() {
    check("%b %d %H:%M", "Feb 29 10:00", "2028-02-29T10:01:00Z", "2028-02-29T10:00:00.000Z");
    check("%b %d %H:%M", "Feb 29 10:00", "2029-01-02T10:00:00Z", "2028-02-29T10:00:00.000Z");
    check("%b %d %H:%M", "Feb 29 10:00", "2026-03-01T10:00:00Z", "no time");
}

#[test]
fn a_time_without_a_date_is_within_12_hours_of_now() {
    check("%H:%M:%S", "11:59:59", "2026-06-15T12:00:00Z", "2026-06-15T11:59:59.000Z");
    check("%H:%M:%S", "23:59:59", "2026-06-15T00:00:01Z", "2026-06-14T23:59:59.000Z");
    check("%H:%M:%S", "00:00:01", "2026-06-15T23:59:59Z", "2026-06-16T00:00:01.000Z");
    check("%H:%M:%S", "00:30:00", "2026-06-15T13:00:00Z", "2026-06-15T00:30:00.000Z");
    check("%a %H:%M:%S", "Sun 23:59:59", "2026-06-15T00:00:01Z", "2026-06-14T23:59:59.000Z");
}

#[test]
fn a_day_without_a_month_is_the_last_of_that_number() {
    check("%d %H:%M", "15 11:00", "2026-06-15T12:00:00Z", "2026-06-15T11:00:00.000Z");
    check("%d %H:%M", "31 23:59", "2026-06-01T00:00:01Z", "2026-05-31T23:59:00.000Z");
    check("%d %H:%M", "31 23:59", "2026-01-01T00:00:01Z", "2025-12-31T23:59:00.000Z");
}

#[test]
fn a_month_begins_with_its_first_day_and_a_day_with_midnight() {
    check("%Y-%m", "2026-03", "2026-06-15T12:00:00Z", "2026-03-01T00:00:00.000Z");
    check("%Y", "in 2026", "2026-06-15T12:00:00Z", "2026-01-01T00:00:00.000Z");
    check("%Y-%m-%d %H", "2026-03-05 07", "2026-06-15T12:00:00Z", "2026-03-05T07:00:00.000Z");
}

#[test]
fn today_is_what_the_zone_of_the_timestamp_calls_today() {
    // It is the 16th already in Tokyo.
    let now = "2026-06-15T16:00:00Z";
    check("%H:%M:%S %z", "00:59:00 +0900", now, "2026-06-15T15:59:00.000Z");
    check("%H:%M:%S %Z", "00:59:00 JST", now, "2026-06-15T15:59:00.000Z");
    let found = format("%H:%M:%S").find(b"00:59:00").expect("it is there");
    let clock = Clock { zone: &Zone::of_rule("JST-9"), now: stamp(now), last: None };
    assert_eq!(found.moment(clock), Some(stamp("2026-06-15T15:59:00Z")));
}
