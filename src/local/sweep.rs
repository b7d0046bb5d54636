//! Deletes what is past its retention, a little after each write: the file stays bounded and no write waits long.
//!
//! Once an hour everything expired is due. One step deletes at most [`STEP`] rows, which is more than one write can
//! add; while rows are left, each write is followed by another step. Emptied pages are used again; what is more than
//! [`SPARE_PAGES`] is given back to the file system. A step that fails costs nothing but space and is tried again an
//! hour later.
use super::{
    database::{Database, LocalError},
    rules,
};
use crate::model::Timestamp;
use rusqlite::{Connection, TransactionBehavior};
use std::time::Duration;
use tokio::time::Instant;

const EVERY: Duration = Duration::from_hours(1);
/// Twice what the largest request carries.
const STEP: usize = 20_000;
/// Free pages (of 4 KiB) kept in the file for what comes next.
const SPARE_PAGES: i64 = 256;
/// Pages given back in one step: each may have to be filled with another one's content.
const PAGES_A_STEP: i64 = 1_024;

/// When the next step is due, and how the last one went.
#[derive(Debug)]
pub(super) struct Sweep {
    /// `None`: now.
    next: Option<Instant>,
    failing: bool,
    /// The most rows that one step deletes.
    rows: usize,
}

impl Default for Sweep {
    fn default() -> Self {
        Self { next: None, failing: false, rows: STEP }
    }
}

impl Sweep {
    /// One step, if it is time. `tick` is the monotonic clock, for a wall clock that is set must not stop the sweeping.
    pub(super) fn run(&mut self, database: &mut Database, retention: Duration, now: Timestamp, tick: Instant) {
        if self.next.is_some_and(|next| tick < next) {
            return;
        }
        let finished = match step(&mut database.connection, retention, now, self.rows) {
            Ok(finished) => {
                self.failing = false;
                finished
            }
            Err(error) => {
                let error = LocalError::of(&database.file, error);
                if !self.failing {
                    tracing::warn!(error = &error as &dyn std::error::Error, "expired rows could not be deleted");
                }
                self.failing = true;
                true
            }
        };
        self.next = finished.then(|| tick + EVERY);
    }
}

/// Deletes up to `most` rows; whether nothing is left to do.
fn step(connection: &mut Connection, retention: Duration, now: Timestamp, most: usize) -> rusqlite::Result<bool> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut left = most;
    delete_points(&transaction, now.minus(retention), &mut left)?;
    delete_events(&transaction, retention, now, &mut left)?;
    let rows_done = left > 0;
    if rows_done {
        delete_names(&transaction, now.minus(retention))?;
    }
    transaction.commit()?;
    Ok(give_back(connection)? && rows_done)
}

fn delete_points(connection: &Connection, before: Timestamp, left: &mut usize) -> rusqlite::Result<()> {
    let mut series = connection.prepare("SELECT id FROM series")?;
    let mut delete = connection.prepare(
        "DELETE FROM point WHERE series = ?1 AND (at, n) IN
         (SELECT at, n FROM point WHERE series = ?1 AND at < ?2 ORDER BY at, n LIMIT ?3)",
    )?;
    for id in series.query_map((), |row| row.get::<_, i64>(0))? {
        if *left == 0 {
            return Ok(());
        }
        *left = left.saturating_sub(delete.execute((id?, before.as_millis(), limit(*left)))?);
    }
    Ok(())
}

fn delete_events(
    connection: &Connection,
    retention: Duration,
    now: Timestamp,
    left: &mut usize,
) -> rusqlite::Result<()> {
    let mut streams =
        connection.prepare("SELECT s.id, g.retention_days FROM log_stream s JOIN log_group g ON g.id = s.log_group")?;
    let mut delete = connection.prepare(
        "DELETE FROM event WHERE id IN (SELECT id FROM event WHERE stream = ?1 AND at < ?2 ORDER BY at, id LIMIT ?3)",
    )?;
    for stream in streams.query_map((), |row| Ok((row.get::<_, i64>(0)?, row.get(1)?)))? {
        if *left == 0 {
            return Ok(());
        }
        let (id, days) = stream?;
        let before = now.minus(rules::kept(days, retention));
        *left = left.saturating_sub(delete.execute((id, before.as_millis(), limit(*left)))?);
    }
    Ok(())
}

/// Names without rows go too, or streams named after a date would pile up. Young ones stay: their first rows are on
/// the way. A stream or group that is written to again later is created again, as `Put` has it.
fn delete_names(connection: &Connection, before: Timestamp) -> rusqlite::Result<()> {
    connection
        .execute("DELETE FROM series WHERE NOT EXISTS (SELECT 1 FROM point WHERE point.series = series.id)", ())?;
    connection.execute(
        "DELETE FROM log_stream
         WHERE created < ?1 AND NOT EXISTS (SELECT 1 FROM event WHERE event.stream = log_stream.id)",
        (before.as_millis(),),
    )?;
    connection.execute(
        "DELETE FROM log_group
         WHERE created < ?1 AND NOT EXISTS (SELECT 1 FROM log_stream WHERE log_stream.log_group = log_group.id)",
        (before.as_millis(),),
    )?;
    Ok(())
}

/// Gives spare pages back; whether none is left to give.
fn give_back(connection: &Connection) -> rusqlite::Result<bool> {
    let spare = |connection: &Connection| -> rusqlite::Result<i64> {
        Ok(connection.query_row("PRAGMA freelist_count", (), |row| row.get::<_, i64>(0))? - SPARE_PAGES)
    };
    let before = spare(connection)?;
    if before <= 0 {
        return Ok(true);
    }
    // The pragma frees one page a row of its result, so it is read to its end.
    let mut vacuum = connection.prepare(&format!("PRAGMA incremental_vacuum({})", before.min(PAGES_A_STEP)))?;
    let mut freed = vacuum.query(())?;
    while freed.next()?.is_some() {}
    // Should a file have been made without incremental vacuum, nothing is freed and there is nothing to wait for.
    let after = spare(connection)?;
    Ok(after <= 0 || after >= before)
}

fn limit(rows: usize) -> i64 {
    i64::try_from(rows).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tempfile::TempDir;

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);
    const DAY: Duration = Duration::from_hours(24);

    /// Two groups, the first with a day's retention, each with a stream, and a series, all with rows of an hour, two
    /// days and a week ago; and a series that has only the last.
    fn filled() -> (TempDir, Database) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let database = Database::create(folder.path()).expect("a new store");
        let [hour, days, week] = [EVERY, DAY * 2, DAY * 7].map(|by| NOW.minus(by).as_millis());
        let rows = format!(
            "INSERT INTO log_group VALUES (1, 'brief', 1, {week}), (2, 'long', NULL, {week});
             INSERT INTO log_stream VALUES (1, 1, 'a', {week}), (2, 2, 'b', {week});
             INSERT INTO series VALUES (1, 'Load', 'System', '{{}}', 'None'), (2, 'Gone', 'System', '{{}}', 'None');
             INSERT INTO point (series, at, n, value) VALUES
                 (1, {week}, 0, 1.0), (1, {days}, 0, 2.0), (1, {hour}, 0, 3.0), (2, {week}, 0, 4.0);
             INSERT INTO event (stream, at, message) SELECT s.id, t.value, 'x' FROM log_stream s,
                 (SELECT {week} AS value UNION SELECT {days} UNION SELECT {hour}) t;"
        );
        database.connection.execute_batch(&rows).expect("rows");
        (folder, database)
    }

    fn count(database: &Database, from: &str) -> i64 {
        let sql = format!("SELECT count(*) FROM {from}");
        database.connection.query_row(&sql, (), |row| row.get(0)).expect("a count")
    }

    #[test]
    fn rows_past_the_stores_or_their_groups_retention_are_deleted() {
        let (_folder, mut database) = filled();
        assert!(step(&mut database.connection, DAY * 3, NOW, STEP).expect("a step"));
        assert_eq!(count(&database, "event WHERE stream = 1"), 1, "the group's own day");
        assert_eq!(count(&database, "event WHERE stream = 2"), 2, "the store's three days");
        assert_eq!(count(&database, "point"), 2);
        assert_eq!(count(&database, "series"), 1, "a series without points is gone");
    }

    #[test]
    fn old_names_without_rows_are_deleted_and_young_ones_stay() {
        let (_folder, mut database) = filled();
        let young = format!("INSERT INTO log_group VALUES (3, 'new', NULL, {})", NOW.as_millis());
        database.connection.execute_batch(&format!("DELETE FROM event WHERE stream = 2; {young}")).expect("rows");
        assert!(step(&mut database.connection, DAY * 3, NOW, STEP).expect("a step"));
        assert_eq!(count(&database, "log_stream"), 1);
        assert_eq!(count(&database, "log_group WHERE name = 'long'"), 0);
        assert_eq!(count(&database, "log_group WHERE name = 'new'"), 1);
    }

    #[test]
    fn one_step_deletes_no_more_than_it_may_and_steps_end() {
        let (_folder, mut database) = filled();
        let rows = |database: &Database| count(database, "event") + count(database, "point");
        let mut steps = 0;
        loop {
            let before = rows(&database);
            let finished = step(&mut database.connection, DAY * 3, NOW, 1).expect("a step");
            assert!(before - rows(&database) <= 1);
            steps += 1;
            if finished {
                break;
            }
        }
        assert_eq!((steps, rows(&database)), (6, 5));
    }

    #[test]
    fn pages_beyond_the_spare_ones_are_given_back() {
        let (_folder, mut database) = filled();
        let fill = format!(
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
             INSERT INTO event (stream, at, message) SELECT 2, {}, printf('%.4000c', 'x') FROM n",
            NOW.minus(DAY * 7).as_millis()
        );
        database.connection.execute_batch(&fill).expect("rows");
        let pages = |database: &Database| -> i64 {
            database.connection.query_row("PRAGMA page_count", (), |row| row.get(0)).expect("a pragma")
        };
        assert!(pages(&database) > 2000);
        let mut finished = false;
        for _ in 0..4 {
            finished = finished || step(&mut database.connection, DAY * 3, NOW, STEP).expect("a step");
        }
        assert!(finished && pages(&database) < 2 * SPARE_PAGES, "{} pages", pages(&database));
    }

    #[test]
    fn sweeping_is_due_at_once_and_then_hourly() {
        let (_folder, mut database) = filled();
        let mut sweep = Sweep::default();
        let start = Instant::now();
        sweep.run(&mut database, DAY * 3, NOW, start);
        assert_eq!(count(&database, "point"), 2);
        let later = NOW.plus(DAY * 30);
        sweep.run(&mut database, DAY * 3, later, start + EVERY - Duration::from_secs(1));
        assert_eq!(count(&database, "point"), 2, "not due");
        sweep.run(&mut database, DAY * 3, later, start + EVERY);
        assert_eq!(count(&database, "point"), 0);
    }

    #[test]
    fn while_rows_are_left_each_write_is_followed_by_a_step() {
        let (_folder, mut database) = filled();
        let mut sweep = Sweep { rows: 1, ..Sweep::default() };
        let tick = Instant::now();
        for left in [3, 2] {
            sweep.run(&mut database, DAY * 3, NOW, tick);
            assert_eq!(count(&database, "point"), left);
        }
    }

    #[test]
    fn a_sweep_that_fails_waits_for_its_next_hour() {
        let (_folder, mut database) = filled();
        database.connection.pragma_update(None, "query_only", true).expect("a pragma");
        let mut sweep = Sweep::default();
        let start = Instant::now();
        sweep.run(&mut database, DAY * 3, NOW, start);
        assert!(sweep.failing && sweep.next == Some(start + EVERY));
    }
}
