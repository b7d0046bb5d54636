//! Names of months and of offsets, as the C locale and programs write them.

const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];

/// The longest name of a month, in letters.
pub const LONGEST_MONTH: usize = 9;

/// The month of this name, whole or its first three letters, in any case.
pub fn month(name: &[u8]) -> Option<i64> {
    let is =
        |month: &&str| name.eq_ignore_ascii_case(month.as_bytes()) || name.eq_ignore_ascii_case(&month.as_bytes()[..3]);
    (1..).zip(MONTHS.iter()).find(|(_, month)| is(month)).map(|(number, _)| number)
}

/// Quarters of an hour east of Greenwich by abbreviation, those of the United States and of Europe first. What is also used elsewhere
/// has its other meanings behind: the one that the configured zone has at that time counts.
const ZONES: &[(&str, &[i64])] = &[
    ("UTC", &[0]),
    ("GMT", &[0]),
    ("Z", &[0]),
    ("UT", &[0]),
    ("EST", &[-20, 40]),
    ("EDT", &[-16, 44]),
    ("CST", &[-24, 32, -20]),
    ("CDT", &[-20, -16]),
    ("MST", &[-28, 32]),
    ("MDT", &[-24]),
    ("PST", &[-32, 32]),
    ("PDT", &[-28]),
    ("AKST", &[-36]),
    ("AKDT", &[-32]),
    ("HST", &[-40]),
    ("HDT", &[-36]),
    ("AST", &[-16, 12]),
    ("ADT", &[-12]),
    ("NST", &[-14]),
    ("NDT", &[-10]),
    ("WET", &[0]),
    ("WEST", &[4]),
    ("CET", &[4]),
    ("CEST", &[8]),
    ("MET", &[4]),
    ("MEST", &[8]),
    ("EET", &[8]),
    ("EEST", &[12]),
    ("BST", &[4, 24]),
    ("IST", &[22, 4, 8]),
    ("IDT", &[12]),
    ("MSK", &[12]),
    ("JST", &[36]),
    ("KST", &[36]),
    ("HKT", &[32]),
    ("SGT", &[32]),
    ("AEST", &[40]),
    ("AEDT", &[44]),
    ("ACST", &[38]),
    ("ACDT", &[42]),
    ("AWST", &[32]),
    ("NZST", &[48]),
    ("NZDT", &[52]),
    ("SAST", &[8]),
    ("BRT", &[-12]),
    ("ART", &[-12]),
];

/// The longest abbreviation, in letters.
pub const LONGEST_ZONE: usize = 5;

/// The place of an abbreviation among those that are known.
pub fn zone(name: &[u8]) -> Option<usize> {
    ZONES.iter().position(|(known, _)| name.eq_ignore_ascii_case(known.as_bytes()))
}

/// Seconds east of Greenwich that the abbreviation at a place means where the configured zone is `own` seconds east at that time.
pub fn offset(place: usize, own: i64) -> i64 {
    let offsets = ZONES[place].1;
    let seconds = |quarters: &i64| quarters * 900;
    offsets.iter().map(seconds).find(|offset| *offset == own).unwrap_or_else(|| seconds(&offsets[0]))
}
