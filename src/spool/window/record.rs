//! How a window stands in its file: one line a record, each with its own checksum, so that a torn one spoils no other.
//!
//! ```text
//! 1b2c3d4e {"version":1,"namespace":"CWAgent"}
//! 89abcdef {"series":0,"name":"cpu_usage_idle","unit":"Percent","dimensions":[{"name":"host","value":"box"}],"resolution":"Minute"}
//! 01234567 {"at":1769903990000,"complete":1769904000000,"values":[[0,97.5],[1,[[1.0,2.0],[3.0,1.0]]]]}
//! fedcba98 {"taken":1769904018000,"batches":2}
//! 0a1b2c3d {"safe":0}
//! ```
//!
//! A series is written when it has its first value in the file. `complete` says from when on no value is added to the period. `taken`
//! ends the window: what was complete then has left in so many batches, and the rest stands in the next window. `safe` numbers those that
//! are delivered, or in the spool. The same points in the same order make the same batches again.
use crate::model::{Dimension, Point, Resolution, Timestamp, Unit, Values};
use serde::{Deserialize, Serialize};
use std::{borrow::Cow, collections::HashMap, io, sync::Arc};

/// The version that this program writes.
const VERSION: u32 = 1;
/// Eight hexadecimal digits and a space.
const CHECKSUM: usize = 9;

#[derive(Deserialize, Serialize)]
struct Header<'a> {
    version: u32,
    namespace: Cow<'a, str>,
}

#[derive(Deserialize, Serialize)]
struct Series<'a> {
    series: u32,
    name: Cow<'a, str>,
    unit: Unit,
    dimensions: Cow<'a, [Dimension]>,
    resolution: Resolution,
}

#[derive(Deserialize, Serialize)]
struct Measured<'a> {
    at: Timestamp,
    complete: Timestamp,
    values: Vec<(u32, Cow<'a, Values>)>,
}

#[derive(Deserialize, Serialize)]
struct Taken {
    taken: Timestamp,
    batches: usize,
}

#[derive(Deserialize, Serialize)]
struct Safe {
    safe: usize,
}

/// A point, and from when on its period is complete.
pub type Held = (Point, Timestamp);

/// What tells one series from another.
type Key = (Cow<'static, str>, Arc<[Dimension]>, Unit, Resolution);

/// The series that one file names already.
#[derive(Default)]
pub(super) struct Names(HashMap<Key, u32>);

/// The first line.
pub(super) fn header(namespace: &str, out: &mut Vec<u8>) -> io::Result<()> {
    line(&Header { version: VERSION, namespace: namespace.into() }, out)
}

/// The line that ends the window.
pub(super) fn taken(taken: Timestamp, batches: usize, out: &mut Vec<u8>) -> io::Result<()> {
    line(&Taken { taken, batches }, out)
}

/// This batch is safe.
pub(super) fn safe(batch: usize, out: &mut Vec<u8>) -> io::Result<()> {
    line(&Safe { safe: batch }, out)
}

/// The lines of these points.
pub(super) fn points(points: &[Held], names: &mut Names, out: &mut Vec<u8>) -> io::Result<()> {
    let mut rest = points;
    while let Some((first, complete)) = rest.first() {
        let together = rest.iter().take_while(|(point, other)| point.at == first.at && other == complete).count();
        let (now, later) = rest.split_at(together);
        let mut measured = Measured { at: first.at, complete: *complete, values: Vec::with_capacity(together) };
        for (point, _) in now {
            measured.values.push((names.number(point, out)?, Cow::Borrowed(&point.value)));
        }
        line(&measured, out)?;
        rest = later;
    }
    Ok(())
}

impl Names {
    /// The number of the point's series, which is written where it is new.
    fn number(&mut self, point: &Point, out: &mut Vec<u8>) -> io::Result<u32> {
        let Point { name, dimensions, unit, resolution, .. } = point;
        let key = (name.clone(), dimensions.clone(), *unit, *resolution);
        if let Some(number) = self.0.get(&key) {
            return Ok(*number);
        }
        let series = u32::try_from(self.0.len()).unwrap_or(u32::MAX);
        let (unit, resolution) = (*unit, *resolution);
        let (name, dimensions) = (name.as_ref().into(), Cow::Borrowed(&dimensions[..]));
        line(&Series { series, name, unit, dimensions, resolution }, out)?;
        self.0.insert(key, series);
        Ok(series)
    }
}

fn line(record: &impl Serialize, out: &mut Vec<u8>) -> io::Result<()> {
    let json = serde_json::to_vec(record)?;
    out.extend_from_slice(format!("{:08x} ", crc32fast::hash(&json)).as_bytes());
    out.extend_from_slice(&json);
    out.push(b'\n');
    Ok(())
}

/// What a file holds that has not left in batches, or whose batches nobody has acknowledged.
#[derive(Debug, Default, PartialEq)]
pub struct Left {
    pub namespace: String,
    pub points: Vec<Point>,
    /// How many batches they had become, where that is known, and which of these are safe.
    pub batches: Option<usize>,
    pub safe: Vec<usize>,
    /// Lines that were damaged. The last one may be torn without being counted.
    pub damaged: usize,
}

/// The content of a file. `None`: it is no window, or one of a newer version.
pub(super) fn read(bytes: &[u8]) -> Option<Left> {
    let mut lines = bytes.split(|byte| *byte == b'\n');
    let header: Header<'_> = checked(lines.next()?)?;
    if header.version != VERSION {
        return None;
    }
    let mut left = Left { namespace: header.namespace.into_owned(), ..Left::default() };
    let (mut series, mut held, mut until) = (HashMap::new(), vec![], None);
    let mut lines = lines.filter(|line| !line.is_empty()).peekable();
    while let Some(text) = lines.next() {
        if let Some(new) = checked::<Series<'_>>(text) {
            series
                .insert(new.series, (new.name.into_owned(), new.unit, Arc::from(&new.dimensions[..]), new.resolution));
        } else if let Some(Measured { at, complete, values }) = checked(text) {
            for (number, value) in values {
                let Some((name, unit, dimensions, resolution)) = series.get(&number) else {
                    left.damaged += 1;
                    continue;
                };
                let (name, dimensions): (String, Arc<[Dimension]>) = (name.clone(), Arc::clone(dimensions));
                let (unit, resolution) = (*unit, *resolution);
                held.push((
                    Point { name: name.into(), value: value.into_owned(), unit, at, dimensions, resolution },
                    complete,
                ));
            }
        } else if let Some(Taken { taken, batches }) = checked(text) {
            (until, left.batches) = (Some(taken), Some(batches));
        } else if let Some(Safe { safe }) = checked(text) {
            left.safe.push(safe);
        } else if lines.peek().is_some() {
            left.damaged += 1;
        }
    }
    let stays = |complete: Timestamp| until.is_none_or(|taken| complete <= taken);
    left.points = held.into_iter().filter(|(_, complete)| stays(*complete)).map(|(point, _)| point).collect();
    Some(left)
}

/// The record of a line that is whole.
fn checked<'a, T: Deserialize<'a>>(line: &'a [u8]) -> Option<T> {
    let (checksum, json) = line.split_at_checked(CHECKSUM)?;
    let checksum = std::str::from_utf8(&checksum[..CHECKSUM - 1]).ok()?;
    (u32::from_str_radix(checksum, 16).ok()? == crc32fast::hash(json)).then_some(())?;
    serde_json::from_slice(json).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(name: &'static str, at: i64, complete: i64, value: Values) -> Held {
        let point = Point {
            name: name.into(),
            value,
            unit: Unit::Bytes,
            at: Timestamp::from_millis(at),
            dimensions: [Dimension::new("host", "büro \"1\"")].into(),
            resolution: Resolution::Second,
        };
        (point, Timestamp::from_millis(complete))
    }

    fn file(all: &[Held]) -> Vec<u8> {
        let mut bytes = vec![];
        header("N", &mut bytes).expect("plain");
        points(all, &mut Names::default(), &mut bytes).expect("plain");
        bytes
    }

    fn some() -> Vec<Held> {
        vec![
            held("a", 1, 9, 0.1.into()),
            held("b", 1, 9, Values::Many(vec![(1.0, 2.0), (3.5, 0.25)])),
            held("a", 2, 9, 7.0.into()),
            held("a", 2, 10, 8.0.into()),
        ]
    }

    #[test]
    fn what_is_written_comes_back() {
        let left = read(&file(&some())).expect("a window");
        assert_eq!((left.namespace.as_str(), left.damaged), ("N", 0));
        assert_eq!(left.points, some().into_iter().map(|(point, _)| point).collect::<Vec<_>>());
        assert_eq!(file(&some()).iter().filter(|byte| **byte == b'\n').count(), 6, "a series is named once");
    }

    #[test]
    fn what_was_taken_later_is_not_of_this_window() {
        let mut bytes = file(&some());
        taken(Timestamp::from_millis(9), 2, &mut bytes).expect("plain");
        safe(1, &mut bytes).expect("plain");
        let left = read(&bytes).expect("a window");
        assert_eq!((left.points.len(), left.batches, left.safe), (3, Some(2), vec![1]));
    }

    #[test]
    fn every_cut_and_every_flipped_byte_costs_what_it_hits_and_no_more_than_is_whole_comes_back() {
        let whole = file(&some());
        let all: Vec<Point> = some().into_iter().map(|(point, _)| point).collect();
        for cut in 0..whole.len() {
            let left = read(&whole[..cut]).unwrap_or_default();
            assert!(all.starts_with(&left.points), "cut at {cut}");
        }
        for index in 0..whole.len() {
            let mut flipped = whole.clone();
            flipped[index] ^= 1;
            let left = read(&flipped).unwrap_or_default();
            assert!(left.points.iter().all(|point| all.contains(point)), "flipped at {index}");
        }
    }

    #[test]
    fn other_files_are_no_windows() {
        for bytes in [&b""[..], b"\n", b"00000000 {}\n", b"x"] {
            assert_eq!(read(bytes), None);
        }
    }
}
