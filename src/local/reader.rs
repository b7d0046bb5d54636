//! Questions to the embedded CloudWatch, from any process, while the daemon writes and when it does not run.
//!
//! Each call is one short read of its own: a reader that is left standing never keeps the daemon's log file from being
//! merged. What can be long (points, events) comes in pages; ask for the next one with the [`Cursor`] of the last row.
use super::database::{Database, LocalError};
use crate::model::{Dimension, Timestamp};
use rusqlite::{OptionalExtension, Params, Row};
use std::{collections::BTreeMap, path::Path};

#[cfg(test)]
mod tests;

/// Reads the store in one folder. Every call blocks.
#[derive(Debug)]
pub struct Reader(Database);

/// One metric with its dimensions and unit.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    id: i64,
    pub namespace: String,
    pub name: String,
    /// Sorted by name.
    pub dimensions: Vec<Dimension>,
    /// As the API spells it.
    pub unit: String,
    /// The newest point that is kept. `None` only until its first points are written or after its last are deleted.
    pub latest: Option<(Timestamp, f64)>,
    /// How many points were counted; the three below are over these, `None` when there are none.
    pub points: u64,
    pub min: Option<f64>,
    pub average: Option<f64>,
    pub max: Option<f64>,
}

/// One point of a [`Series`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StoredPoint {
    pub at: Timestamp,
    pub value: f64,
    /// How often it occurred.
    pub count: f64,
    pub cursor: Cursor,
}

/// One log group.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Group {
    pub name: String,
    pub retention_in_days: Option<u16>,
}

/// One log stream of a group.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Stream {
    pub name: String,
    /// How many events were counted.
    pub events: u64,
    /// Time of the newest event that is kept.
    pub last: Option<Timestamp>,
}

/// Which events are asked for.
#[derive(Clone, Copy, Debug)]
pub struct EventQuery<'a> {
    pub group: &'a str,
    /// `None`: all streams of the group.
    pub stream: Option<&'a str>,
    /// Nothing older.
    pub since: Timestamp,
    pub page: Page,
}

/// One log event.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StoredEvent {
    pub at: Timestamp,
    pub stream: String,
    pub message: String,
    pub cursor: Cursor,
}

/// Which part of a long answer is asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Page {
    /// The last row of the page before. `None`: from the beginning.
    pub after: Option<Cursor>,
    /// At most this many rows; fewer mean that there are no more.
    pub limit: usize,
}

/// Where a page ended.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Cursor {
    at: i64,
    /// Tells rows of the same millisecond apart.
    n: i64,
}

impl Page {
    /// The last row that is left out, for a query that compares `(at, n) > (?, ?)`.
    fn after(self, since: Timestamp) -> Cursor {
        let start = Cursor { at: since.as_millis().saturating_sub(1), n: i64::MAX };
        self.after.filter(|after| after.at >= since.as_millis()).unwrap_or(start)
    }

    fn limit(self) -> i64 {
        i64::try_from(self.limit).unwrap_or(i64::MAX)
    }
}

impl Reader {
    /// Opens `cloudwatch.db` in `folder` for reading. Nothing is made when it is missing.
    pub fn open(folder: &Path) -> Result<Self, LocalError> {
        Database::read(folder).map(Self)
    }

    /// Every series, or those called `name`, sorted; the statistics are over the points since `since`.
    pub fn series(&self, name: Option<&str>, since: Timestamp) -> Result<Vec<Series>, LocalError> {
        let sql = "
            SELECT s.id, s.namespace, s.name, s.dimensions, s.unit, l.at, l.value,
                   count(p.value), min(p.value), sum(p.value * p.count) / sum(p.count), max(p.value)
            FROM series s
            LEFT JOIN point l ON l.series = s.id AND (l.at, l.n) =
                (SELECT at, n FROM point WHERE series = s.id ORDER BY at DESC, n DESC LIMIT 1)
            LEFT JOIN point p ON p.series = s.id AND p.at >= ?2
            WHERE ?1 IS NULL OR s.name = ?1
            GROUP BY s.id ORDER BY s.name, s.namespace, s.dimensions, s.unit";
        self.rows(sql, (name, since.as_millis()), |row| {
            let latest: Option<i64> = row.get(5)?;
            Ok(Series {
                id: row.get(0)?,
                namespace: row.get(1)?,
                name: row.get(2)?,
                dimensions: dimensions(row, 3)?,
                unit: row.get(4)?,
                latest: latest.map(Timestamp::from_millis).zip(row.get(6)?),
                points: count(row, 7)?,
                min: row.get(8)?,
                average: row.get(9)?,
                max: row.get(10)?,
            })
        })
    }

    /// The points of one series since `since`, in the order of their times.
    pub fn points(&self, series: &Series, since: Timestamp, page: Page) -> Result<Vec<StoredPoint>, LocalError> {
        let after = page.after(since);
        let sql =
            "SELECT at, n, value, count FROM point WHERE series = ?1 AND (at, n) > (?2, ?3) ORDER BY at, n LIMIT ?4";
        self.rows(sql, (series.id, after.at, after.n, page.limit()), |row| {
            let cursor = Cursor { at: row.get(0)?, n: row.get(1)? };
            Ok(StoredPoint { at: Timestamp::from_millis(cursor.at), value: row.get(2)?, count: row.get(3)?, cursor })
        })
    }

    /// Every log group, sorted by name.
    pub fn groups(&self) -> Result<Vec<Group>, LocalError> {
        self.rows("SELECT name, retention_days FROM log_group ORDER BY name", (), |row| {
            Ok(Group { name: row.get(0)?, retention_in_days: row.get(1)? })
        })
    }

    /// The streams of a group, sorted by name, with their events since `since` counted. `None`: no such group.
    pub fn streams(&self, group: &str, since: Timestamp) -> Result<Option<Vec<Stream>>, LocalError> {
        let connection = &self.0.connection;
        let found = connection.query_row("SELECT id FROM log_group WHERE name = ?1", (group,), |row| row.get(0));
        let Some(id) = found.optional().map_err(|error| self.failed(error))? else { return Ok(None) };
        let id: i64 = id;
        let sql = "
            SELECT s.name,
                   (SELECT count(*) FROM event WHERE stream = s.id AND at >= ?2),
                   (SELECT max(at) FROM event WHERE stream = s.id)
            FROM log_stream s WHERE s.log_group = ?1 ORDER BY s.name";
        self.rows(sql, (id, since.as_millis()), |row| {
            Ok(Stream {
                name: row.get(0)?,
                events: count(row, 1)?,
                last: row.get::<_, Option<i64>>(2)?.map(Timestamp::from_millis),
            })
        })
        .map(Some)
    }

    /// Events in the order of their times; those of the same millisecond in the order in which they came.
    /// An unknown group or stream has none.
    pub fn events(&self, query: &EventQuery<'_>) -> Result<Vec<StoredEvent>, LocalError> {
        let after = query.page.after(query.since);
        // Each stream gives its first rows by its index; only these are sorted together, and only what remains is read
        // whole.
        let sql = "
            WITH page (id, name) AS MATERIALIZED (
                SELECT e.id, s.name
                FROM log_group g
                JOIN log_stream s ON s.log_group = g.id
                JOIN event e ON e.id IN (
                    SELECT id FROM event WHERE stream = s.id AND (at, id) > (?3, ?4) ORDER BY at, id LIMIT ?5)
                WHERE g.name = ?1 AND (?2 IS NULL OR s.name = ?2)
                ORDER BY e.at, e.id LIMIT ?5)
            SELECT e.at, e.id, page.name, e.message FROM page JOIN event e ON e.id = page.id ORDER BY e.at, e.id";
        self.rows(sql, (query.group, query.stream, after.at, after.n, query.page.limit()), |row| {
            let cursor = Cursor { at: row.get(0)?, n: row.get(1)? };
            let at = Timestamp::from_millis(cursor.at);
            Ok(StoredEvent { at, stream: row.get(2)?, message: row.get(3)?, cursor })
        })
    }

    fn rows<T>(
        &self,
        sql: &str,
        values: impl Params,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, LocalError> {
        let mut statement = self.0.connection.prepare(sql).map_err(|error| self.failed(error))?;
        let rows = statement.query_map(values, read).map_err(|error| self.failed(error))?;
        rows.collect::<Result<_, _>>().map_err(|error| self.failed(error))
    }

    fn failed(&self, error: rusqlite::Error) -> LocalError {
        LocalError::of(&self.0.file, error)
    }
}

fn count(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    row.get::<_, i64>(column).map(i64::unsigned_abs)
}

fn dimensions(row: &Row<'_>, column: usize) -> rusqlite::Result<Vec<Dimension>> {
    let text: String = row.get(column)?;
    let pairs: BTreeMap<String, String> = serde_json::from_str(&text).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, Box::new(error))
    })?;
    Ok(pairs.into_iter().map(|(name, value)| Dimension { name, value }).collect())
}
